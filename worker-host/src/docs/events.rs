//! Events of a document's machine: each becomes a change in the history, a message to tabs, or a message to the server.
//!
//! What it refuses to do: decide what happens to a document.

use crate::tabs::hub::Revised;
use broker::message::{DocEvent, Ended, TabSnapshot};
use durable_store::format::Author;
use proxy_doc::{
    DocHandle, Error, Event, Gather, Json, Later, OpKind, Origin, OtType, Outcome, Seq, TabId,
    Token, codes,
};

use crate::host::Host;
use crate::log::early::EarlyChange;
use crate::server::bulk::Action;
use crate::tabs::callers::Caller;

impl Host {
    /// Carries out an event of a document's machine.
    pub(crate) fn handle_event(&mut self, handle: DocHandle, event: Event) {
        match event {
            Event::Apply { edit, origin, src } => {
                self.push_revision(handle, OpKind::Edit(edit), origin, src)
            }
            Event::Create {
                type_name,
                data,
                origin,
            } => {
                self.push_revision(handle, OpKind::Create { type_name, data }, origin, None);
            }
            Event::Del { origin } => self.push_revision(handle, OpKind::Del, origin, None),
            Event::Load { type_name, data } => self.load(handle, type_name, data),
            Event::Clear {
                error,
                rejected,
                discarded,
            } => {
                self.rewrite(handle);
                self.keep_letters(handle, &discarded, &error);
                self.give_up(handle, &error, &rejected);
            }
            Event::Callback { tokens, outcome } => self.call_back(handle, &tokens, &outcome),
            Event::Error(error) => self.tell_error(handle, &error),
            Event::Warn(text) => self.warn(text),
            Event::Later(Later::Flush) => {
                self.with_doc(handle, |doc, up| doc.flush(up));
            }
            Event::Later(Later::Unsubscribed) => {
                self.with_doc(handle, |doc, up| doc.handle_subscribe(up, Ok(None)));
            }
            Event::SendOp => self.send_op(handle),
            Event::SendFetch => self.send_read(handle, Action::Fetch),
            Event::SendSubscribe => self.send_read(handle, Action::Subscribe),
            Event::SendUnsubscribe => self.send_read(handle, Action::Unsubscribe),
            Event::NoWritePending | Event::NothingPending => {}
            // The host applies ops whole; only a tab's listeners need components.
            Event::BatchStart { .. }
            | Event::BeforeComponent { .. }
            | Event::ApplyComponent { .. }
            | Event::BatchEnd
            | Event::SendAhead => unreachable!("only a tab splits ops, or sends them ahead"),
        }
    }

    /// Appends a change of the document as its next revision.
    fn push_revision(
        &mut self,
        handle: DocHandle,
        kind: OpKind,
        origin: Origin,
        src: Option<String>,
    ) {
        let author = self.author(origin);
        let host_doc = &mut self.docs[handle];
        let ty = host_doc.doc.ty().cloned();
        let version = match origin {
            Origin::Local(_) => None,
            Origin::Remote => host_doc.doc.version(),
        };
        let is_edit = matches!(kind, OpKind::Edit(_));
        let moved_by = author.as_ref().map(|author| &author.tab);
        self.presences
            .move_locals(host_doc.key(), &kind, ty.as_ref(), moved_by);
        let revision = host_doc.hub.head();
        host_doc.hub.push(Revised {
            kind,
            ty,
            author: author.clone(),
            version,
            src,
        });
        let early = self.take_early(handle, revision, is_edit);
        self.fan_out(handle, author.map(|author| author.tab), early.as_ref());
    }

    /// The author of a local change; `None` where no tab made it.
    fn author(&self, origin: Origin) -> Option<Author> {
        match origin {
            Origin::Remote => None,
            Origin::Local(token) => self.callers.author(token).cloned(),
        }
    }

    /// Sends a change to every tab that follows the document and does not lag, and to its author: last, since it shows the
    /// change already.
    fn fan_out(&mut self, handle: DocHandle, author: Option<TabId>, early: Option<&EarlyChange>) {
        let host_doc = &self.docs[handle];
        let mut tabs = host_doc.hub.live_tabs();
        let is_author = |tab: &TabId| author.as_ref() == Some(tab);
        tabs.retain(|tab| !is_author(tab) && self.tabs.gets_changes_of(tab, handle));
        tabs.extend(author);
        for tab in tabs {
            self.bring_to_head(handle, &tab, early);
        }
    }

    /// Sends a tab what it lacks of a document, behind the barrier. The version may have moved without a change since: the
    /// tab learns it when the input is done, see [`Host::tell_versions`].
    pub(crate) fn catch_up(&mut self, handle: DocHandle, tab: &TabId) {
        self.bring_to_head(handle, tab, None);
    }

    fn bring_to_head(&mut self, handle: DocHandle, tab: &TabId, early: Option<&EarlyChange>) {
        let host_doc = &mut self.docs[handle];
        let events = host_doc.hub.catch_up(tab);
        if !events.is_empty() {
            self.docs.touch(handle);
        }
        self.show(handle, tab, events, early);
    }

    /// Gives tabs with a state the snapshot of a document that was loaded anew.
    fn load(&mut self, handle: DocHandle, type_name: Option<String>, data: Option<Json>) {
        self.rewrite(handle);
        let host_doc = &mut self.docs[handle];
        let ty: Option<OtType> = host_doc.doc.ty().cloned();
        let stays_nothing = host_doc.state.is_nothing() && type_name.is_none();
        host_doc.state.load(ty, data.clone());
        // Tabs that knew that there is no document learn of one; the others wait for an answer.
        let knew = host_doc.hub.tabs_with_state();
        // A tab that does not follow the document may still have data, and a tab does not load a snapshot
        // over data. It gets the deletion first, since the reset below forgets it.
        for tab in &knew {
            self.catch_up(handle, tab);
        }
        // Where there still is no document, a tab may have created it meanwhile, on the revision at which it stands.
        if !stays_nothing {
            self.void_presences(handle);
            let hub = self.docs[handle].reset_history();
            for tab in &knew {
                hub.attach(tab);
            }
        }
        let host_doc = &self.docs[handle];
        let revision = host_doc.hub.head();
        let version = host_doc.doc.version();
        for tab in knew {
            let hub = &mut self.docs[handle].hub;
            hub.tell_version(&tab, version);
            let snapshot = TabSnapshot {
                revision,
                life: hub.life(&tab),
                ty: type_name.clone(),
                data: data.clone(),
            };
            self.tell_doc(handle, &tab, DocEvent::Load { snapshot, version });
        }
    }

    /// A hard rollback: all tabs start again, and their ops are void.
    fn give_up(&mut self, handle: DocHandle, error: &Error, rejected: &[Token]) {
        let refused: Vec<Author> = rejected
            .iter()
            .filter_map(|token| self.callers.author(*token).cloned())
            .gather();
        let host_doc = &mut self.docs[handle];
        let tabs = host_doc.hub.tabs_with_state();
        host_doc.reset_history();
        host_doc.state.load(None, None);
        for tab in tabs {
            let own = refused
                .iter()
                .filter(|author| author.tab == tab)
                .map(|author| author.seq)
                .gather();
            self.tell_rollback(handle, &tab, error.clone(), own, Vec::new());
        }
    }

    /// Tells a tab that its state is given up.
    pub(crate) fn tell_rollback(
        &mut self,
        handle: DocHandle,
        tab: &TabId,
        error: Error,
        rejected: Vec<Seq>,
        ended: Vec<Ended>,
    ) {
        let host_doc = &mut self.docs[handle];
        host_doc.hub.void(tab);
        let life = host_doc.hub.life(tab);
        let event = DocEvent::Rollback {
            error,
            rejected,
            life,
            ended,
        };
        self.tell_doc(handle, tab, event);
    }

    /// Tells the tabs that use the document of an error.
    fn tell_error(&mut self, handle: DocHandle, error: &Error) {
        // Every tab learns of it by its own fetch.
        if error.is(codes::ERR_HARD_ROLLBACK_FETCH_FAILED) {
            return;
        }
        // A snapshot of an unknown type comes before any tab has a state: those who asked are told.
        let unknown_type = error.is(codes::ERR_DOC_TYPE_NOT_RECOGNIZED);
        let hub = &self.docs[handle].hub;
        let tabs = if unknown_type {
            hub.tabs()
        } else {
            hub.tabs_with_state()
        };
        for tab in tabs {
            self.tell_doc(handle, &tab, DocEvent::Error(error.clone()));
        }
    }

    pub(super) fn call_back(&mut self, handle: DocHandle, tokens: &[Token], outcome: &Outcome) {
        let mut ops: Vec<(TabId, Vec<Seq>)> = Vec::new();
        for token in tokens {
            match self.callers.take(*token) {
                Some(Caller::Op(Author { tab, seq })) => {
                    match ops.iter_mut().find(|(of, _)| *of == tab) {
                        Some((_, seqs)) => seqs.push(seq),
                        None => ops.push((tab, vec![seq])),
                    }
                }
                Some(Caller::Read(read)) => self.answer_read(handle, &read, outcome),
                Some(Caller::Query(id)) => {
                    let is_told =
                        |error: &&Error| !error.is(codes::ERR_SNAPSHOT_READ_SILENT_REJECTION);
                    let error = outcome.error().filter(is_told).cloned();
                    self.with_queries(|queries, _| queries.handle_ingested(id, error));
                }
                None => {}
            }
        }
        for (tab, seqs) in ops {
            self.keep_outcomes(handle, &tab, &seqs, outcome);
            self.catch_up(handle, &tab);
            let version = self.tell_version(handle, &tab).0;
            let early = outcome.error().is_none() && self.overtakes_writes(handle, &tab);
            let outcome = outcome.clone();
            let event = DocEvent::Outcome {
                seqs,
                outcome,
                version,
                early,
            };
            self.tell_doc(handle, &tab, event);
        }
    }
}
