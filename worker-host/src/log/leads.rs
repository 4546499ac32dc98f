//! Leads: what tabs were shown early by a host before this one (`early.rs`), and the store may not have.
//!
//! A host that takes over gives no revision, and tells nobody anything, before it has heard all tabs that live: they are
//! known by the store, and that they live by their locks. It waits for each until it registers, is gone, or sleeps for too
//! long. One host gave all of them one history, so all leads of a document are beginnings of the longest, which is applied
//! after the journal and logged. A host after this one does the same, should this one die meanwhile.
//!
//! A tab without which some host took over may have seen what that host then replaced. Such a lead is never taken over; where
//! it is not part of the history as it is, the tab starts again with the document.
//!
//! What it refuses to do: look at a lead of another line.

use broker::message::{LeadEntry, Resumed, ToHost};
use durable_store::format::{Author, JournalEntry};
use durable_store::{Blocking, DurableStore};
use proxy_doc::{DocHandle, DocKey, DocMap, Error, Gather, OpId, Revision, TabId, codes};

use crate::host::Host;
use crate::host::inputs::Input;

/// What is known of leads while a host takes over.
#[derive(Debug, Default)]
pub(crate) struct Leads {
    /// Tabs that live, from when that is known until all of them were heard.
    awaited: Option<Vec<TabId>>,
    /// The longest lead of each document that was not taken over yet.
    by_doc: DocMap<Vec<LeadEntry>>,
    /// Identities of ops in leads: no op of this host may get one of them.
    ids: Vec<OpId>,
    /// What was taken over, and waits for the store to be open.
    unlogged: Vec<(DocKey, JournalEntry)>,
}

impl Leads {
    /// What documents, whatever they are, were shown early: the longest lead.
    fn offer(&mut self, key: &DocKey, revision: Revision, lead: &[LeadEntry]) {
        let end = |lead: &[LeadEntry]| lead.last().map(|entry| entry.revision.next());
        if end(lead) != Some(revision) {
            return;
        }
        if end(lead) > self.by_doc.get(key).and_then(|longest| end(longest)) {
            self.by_doc.insert(key.clone(), lead.to_vec());
        }
    }
}

impl Host {
    /// Waits for these tabs, which live. One that has come and gone meanwhile may have ops that a host before took, and that
    /// it sent again: as long as its last words are not heard, it counts.
    pub(super) fn await_tabs(&mut self, living: &[TabId]) {
        let mut living = living.to_vec();
        let known = self.log.store().map_or(&[][..], DurableStore::tabs);
        let speaks = |tab: &&TabId| self.inbox.last_of(tab, registration).is_some();
        let late = known.iter().filter(|tab| !living.contains(tab));
        let late: Vec<TabId> = late.filter(speaks).cloned().gather();
        living.extend(late);
        self.log.leads.awaited = Some(living);
        self.hear_leads(false);
    }

    /// The tabs that have not come by now sleep: nobody waits for them any more. To be called a while after
    /// [`Host::tabs_found`], at any time.
    pub fn tabs_asleep(&mut self) {
        if self.is_ending() {
            return;
        }
        self.begin_other();
        self.hear_leads(true);
        self.handle_store_events();
    }

    /// Whether [`Host::tabs_asleep`] would be of use.
    pub fn waits_for_tabs(&self) -> bool {
        self.log.leads.awaited.is_some()
    }

    /// Goes on with the takeover where all tabs that live have been heard, or nobody waits for the others.
    pub(crate) fn hear_leads(&mut self, ends: bool) {
        let Some(living) = self.log.leads.awaited.take() else {
            return;
        };
        let is_silent = |tab: &&TabId| !self.inbox.any_of(tab, has_come);
        let silent: Vec<TabId> = living.iter().filter(is_silent).cloned().gather();
        if !silent.is_empty() && !ends {
            self.log.leads.awaited = Some(living);
            return;
        }
        for tab in &living {
            self.hear_lead(tab);
        }
        if let Some(store) = &mut self.log.store {
            store.handle_tabs(&living, &silent);
        }
    }

    /// Notes what a tab says of documents when it registers.
    fn hear_lead(&mut self, tab: &TabId) {
        let Some(store) = &self.log.store else {
            return;
        };
        let line = Some(store.line());
        let Some((view, resume)) = self.inbox.last_of(tab, registration) else {
            return;
        };
        if store.slept(tab, view) {
            return;
        }
        for doc in resume.iter().filter(|doc| doc.line == line) {
            if let Some(revision) = doc.revision {
                self.log.leads.offer(&doc.key, revision, &doc.lead);
            }
            let entries = doc.lead.iter().flat_map(|entry| read(entry).into_iter());
            let ids = entries.flatten().filter_map(|entry| match entry {
                JournalEntry::Local { id, .. } => id,
                JournalEntry::Remote { .. }
                | JournalEntry::Ack { .. }
                | JournalEntry::Refused { .. }
                | JournalEntry::Forgotten {} => None,
            });
            self.log.leads.ids.extend(ids);
        }
    }

    /// The number after those of ops in leads that have this `src`.
    pub(super) fn seq_after_leads(&self, src: &str) -> Option<proxy_doc::Seq> {
        let ids = self.log.leads.ids.iter();
        let own = ids.filter(|id| id.src.as_deref() == Some(src));
        own.filter_map(|id| id.seq).max().map(proxy_doc::Seq::next)
    }

    /// The lead of a document that is being restored.
    pub(super) fn take_lead(&mut self, key: &DocKey) -> Vec<LeadEntry> {
        self.log.leads.by_doc.remove(key).unwrap_or_default()
    }

    /// Does what a lead says after what the store has of the document. Gives what is to be logged of it.
    ///
    /// # Errors
    /// It cannot be done here. The document is then to be restored without it.
    pub(super) fn follow_lead(
        &mut self,
        handle: DocHandle,
        lead: &[LeadEntry],
    ) -> Result<Vec<JournalEntry>, Error> {
        let mut done = Vec::new();
        let head = self.docs[handle].hub.head();
        for change in lead.iter().filter(|change| change.revision >= head) {
            let entries = read(change);
            let follows = change.revision == self.docs[handle].hub.head();
            let Some(entries) = entries.filter(|_| follows) else {
                return Err(unfit());
            };
            for entry in entries {
                if self.is_contained(handle, &entry) {
                    continue;
                }
                self.replay(handle, &entry)?;
                done.push(entry);
            }
            let host_doc = &self.docs[handle];
            if host_doc.hub.head() != change.revision.next() || host_doc.doc.in_hard_rollback() {
                return Err(unfit());
            }
        }
        Ok(done)
    }

    /// Whether the store has what a lead says beside a change. What is not waited for may have been written with an earlier
    /// one, or not.
    fn is_contained(&self, handle: DocHandle, entry: &JournalEntry) -> bool {
        let version = self.docs[handle].doc.version();
        match entry {
            JournalEntry::Ack { v, .. } => version > Some(*v),
            JournalEntry::Local { .. }
            | JournalEntry::Remote { .. }
            | JournalEntry::Refused { .. }
            | JournalEntry::Forgotten {} => false,
        }
    }

    /// What was taken over of a document is logged, as soon as the store is open.
    pub(super) fn log_lead(&mut self, handle: DocHandle, entries: Vec<JournalEntry>) {
        let key = self.docs[handle].key().clone();
        let entries = entries.into_iter();
        let entries = entries.map(|entry| (key.clone(), entry));
        self.log.leads.unlogged.extend(entries);
        self.log_leads();
    }

    /// Logs what was taken over, if the store is open.
    pub(super) fn log_leads(&mut self) {
        if self.log.is_restoring() || self.log.leads.unlogged.is_empty() {
            return;
        }
        for (key, entry) in std::mem::take(&mut self.log.leads.unlogged) {
            let Some(handle) = self.docs.find(&key) else {
                continue;
            };
            let blocking = match &entry {
                JournalEntry::Ack { .. } => Blocking::Nothing,
                JournalEntry::Local { .. }
                | JournalEntry::Remote { .. }
                | JournalEntry::Refused { .. }
                | JournalEntry::Forgotten {} => Blocking::Outputs,
            };
            self.log(handle, blocking, || entry);
            let barrier = self.log.barrier();
            self.docs[handle].since_revision.begin_anew(barrier);
        }
        self.keep_own_seq();
    }

    /// The documents of which a tab that registers was shown what no host knows. `view`: the last one that it was welcomed in;
    /// `remembered`: hosts have known the tab all the time.
    pub(crate) fn void_leads(
        &self,
        tab: &TabId,
        remembered: bool,
        view: Option<u64>,
        resume: &[Resumed],
    ) -> Vec<DocKey> {
        let view = view.unwrap_or_default();
        let Some(store) = self.log.store() else {
            return Vec::new();
        };
        let is_here = view == store.view();
        if is_here || (remembered && !store.slept(tab, view)) {
            return Vec::new();
        }
        let line = Some(self.log.line());
        let void = |doc: &&Resumed| doc.line == line && !self.is_known(doc, view);
        resume
            .iter()
            .filter(void)
            .map(|doc| doc.key.clone())
            .gather()
    }

    /// Whether all that the tab was shown early of the document, in this view or before, is in the history.
    fn is_known(&self, doc: &Resumed, view: u64) -> bool {
        let host_doc = self.docs.at(&doc.key);
        let hub = host_doc.map(|host_doc| &host_doc.hub);
        // No host of a later view has given these revisions.
        let restored = host_doc.and_then(|host_doc| host_doc.restored);
        let restored = restored.filter(|(until, _)| *until <= view);
        doc.lead.iter().all(|change| {
            if restored.is_some_and(|(_, head)| change.revision < head) {
                return true;
            }
            let last = read(change).and_then(|entries| entries.into_iter().next_back());
            let has = |author: Option<&Author>, version| {
                hub.is_some_and(|hub| hub.has_change(change.revision, author, version))
            };
            match last {
                Some(JournalEntry::Local { tab, seq, .. }) => has(Some(&Author { tab, seq }), None),
                Some(JournalEntry::Remote { v, .. }) => has(None, Some(v.next())),
                Some(
                    JournalEntry::Ack { .. }
                    | JournalEntry::Refused { .. }
                    | JournalEntry::Forgotten {},
                )
                | None => false,
            }
        })
    }
}

/// What a host before this one logged of the change; nothing where it cannot be read.
fn read(change: &LeadEntry) -> Option<Vec<JournalEntry>> {
    change.entries.parse().ok()
}

fn unfit() -> Error {
    let message = "What tabs were shown early does not follow what is stored";
    Error::new(codes::ERR_STORAGE, message)
}

/// Whether the tab has come, or is gone.
fn has_come(input: &Input) -> bool {
    match input {
        Input::TabGone(_) => true,
        Input::Tab(_, message) => matches!(message.message, ToHost::Register { .. }),
        Input::Bound(_)
        | Input::Opened
        | Input::Closed(..)
        | Input::Failed(_)
        | Input::Message(_) => false,
    }
}

/// What a tab says when it registers: the last view that it was welcomed in, and its documents.
fn registration(input: &Input) -> Option<(u64, &[Resumed])> {
    let Input::Tab(_, message) = input else {
        return None;
    };
    if let ToHost::Register { view, resume, .. } = &message.message {
        return Some((view.unwrap_or_default(), resume));
    }
    None
}
