//! The store is lost: nothing is durable from here on.
//!
//! A later host may find ops in the storage that this host could not confirm as written, and send them. So this host gives
//! up ops that may be there, and begins another line of revisions.
//!
//! Also: a store that goes on without a damaged record.
//!
//! What it refuses to do: use a storage again that was given up.

use std::ops::Range;

use broker::message::{StorageEvent, ToTab};
use durable_store::format::Author;
use durable_store::{Failure, Retention};
use proxy_doc::{DocHandle, DocKey, Error, Map, PendingOp, Set, Submission};

use super::MEMORY;
use super::events::storage_error;
use crate::docs::host_doc::HostDoc;
use crate::host::Host;

impl Host {
    /// Goes on without durability. A later host may send the stored ops under their stored identities, so no further op
    /// composes into them.
    pub(crate) fn lose_store(&mut self, failure: &Failure, unwritten: &[(DocKey, Option<Author>)]) {
        for host_doc in self.docs.iter_mut() {
            host_doc.doc.freeze();
        }
        self.warn(format!(
            "The durable store cannot be used: {}",
            failure.message
        ));
        self.log.error = Some(storage_error(failure));
        self.log.mode = MEMORY.to_owned();
        self.log.line = self
            .log
            .store
            .as_ref()
            .map_or(self.log.line, |store| store.line());
        self.tell_line();
        self.give_up_unwritten(unwritten);
    }

    /// Takes that a stored record is damaged, and that the store goes on without it. With an application's store all tabs
    /// are told the first damage; later ones are only warnings.
    pub(crate) fn note_damage(&mut self, error: &Error) {
        self.warn(error.message.clone());
        let store = self.log.store.as_ref();
        let is_kept = store.is_some_and(|store| store.retention() == Retention::Durable);
        if !is_kept || self.log.error.is_some() {
            return;
        }
        self.log.error = Some(error.clone());
        let state = self.log.storage_state();
        self.tell_all(|| ToTab::Storage(StorageEvent::State(state.clone())));
    }

    /// Gives up ops that the storage may contain, lack, or contain in an earlier form. A later host sends those that it
    /// finds there, and tabs may resend the others to it, so this host must send none of them. An entry without an author
    /// stands for all ops of the document.
    fn give_up_unwritten(&mut self, unwritten: &[(DocKey, Option<Author>)]) {
        let mut by_key: Map<&DocKey, Vec<&Option<Author>>> = Map::new();
        for (key, author) in unwritten {
            by_key.or_default(key).push(author);
        }
        let mut given_up = Vec::new();
        for (key, authors) in by_key {
            let authors: Option<Vec<&Author>> = authors.into_iter().map(Option::as_ref).collect();
            given_up.extend(self.first_unwritten(key, authors.as_deref()));
        }
        let handles: Set<DocHandle> = given_up.iter().map(|(handle, _)| *handle).collect();
        self.outbox.drop_ops_of(&handles);
        for (handle, range) in given_up {
            self.give_up_ops(handle, range);
        }
        self.run();
    }

    /// The range of the document's unfinished ops from the first one that is by one of these authors.
    fn first_unwritten(
        &self,
        key: &DocKey,
        authors: Option<&[&Author]>,
    ) -> Option<(DocHandle, Range<usize>)> {
        let handle = self.docs.find(key)?;
        let doc = &self.docs[handle].doc;
        let is_unwritten = |submission: &Submission| {
            let author = self.callers.author(submission.token);
            let is_of =
                |authors: &[&Author]| author.is_some_and(|author| authors.contains(&author));
            authors.is_none_or(is_of)
        };
        let concerns = |op: &PendingOp| op.submissions.iter().any(is_unwritten);
        let first = doc.unfinished().position(concerns)?;
        Some((handle, first..doc.unfinished().count()))
    }

    /// Gives up these of the document's unfinished ops.
    fn give_up_ops(&mut self, handle: DocHandle, range: Range<usize>) {
        let Some(error) = self.log.error.clone() else {
            return;
        };
        let HostDoc { doc, state, .. } = &self.docs[handle];
        let is_whole = state.missing().is_none();
        let inflight = doc.inflight().map(|op| op.id.clone());
        if !is_whole || !self.rebuild(handle, &error, range) {
            return self.act(handle, |doc, up| doc.hard_rollback(up, error));
        }
        // The inflight op's message may have been among those dropped from the outbox.
        if inflight.is_some_and(|id| self.docs[handle].is_inflight(&id)) {
            self.with_doc(handle, |doc, up| doc.send_again(up));
        }
    }

    /// Tells every tab the store's new state, in front of messages that wait: these belong to the new line. A tab whose
    /// welcome waits gets the state right after it.
    fn tell_line(&mut self) {
        let state = self.log.storage_state();
        let mut messages = Vec::new();
        for tab in self.tabs.registered() {
            let waiting = self.outbox.count_for(&tab) as u64;
            let behind_first = self.tabs.insert_message(&tab, waiting);
            let output = self.to_tab(&tab, ToTab::Storage(StorageEvent::State(state.clone())));
            messages.push((tab, output, behind_first));
        }
        self.outbox.announce(self.log.barrier(), messages);
    }
}
