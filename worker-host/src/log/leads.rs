//! Leads: what tabs were shown early by a host before this one (`early.rs`), and the store may not have.
//!
//! A host that takes over gives no revision, and tells nobody anything, before it has heard all tabs that live: they are
//! known by the store, and that they live by their locks. It waits for each until it registers, is gone, or sleeps for too
//! long. One host gave all of them one history, so all leads of a document are beginnings of the longest, which is applied
//! after the journal and logged. A host after this one does the same, should this one die meanwhile.
//!
//! A tab without which some host took over may have seen what that host then replaced. Such a lead is never taken over. If
//! all changes from the first unknown one on are the tab's own ops, the tab goes back to before them and resends them. Otherwise
//! it starts again with the document.
//!
//! What it refuses to do: look at a lead of another line.

use broker::message::{LeadEntry, Resumed, Rewind, ToHost};
use durable_store::format::{Author, JournalEntry};
use durable_store::{Blocking, DurableStore};
use proxy_doc::{DocHandle, DocKey, DocMap, Error, Gather, OpId, Revision, Seq, TabId, codes};

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

/// What a tab was shown early, and no host knows.
#[derive(Debug, Default)]
pub(crate) struct UnknownLeads {
    /// Documents with which the tab has to start again.
    pub(crate) void: Vec<DocKey>,
    /// How far the tab goes back in others, to resend its ops.
    pub(crate) rewinds: Vec<Rewind>,
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
    pub(super) fn seq_after_leads(&self, src: &str) -> Option<Seq> {
        let ids = self.log.leads.ids.iter();
        let own = ids.filter(|id| id.src.as_deref() == Some(src));
        own.filter_map(|id| id.seq).max().map(Seq::next)
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

    /// What a tab that registers was shown early, and no host knows. Where it can go back before that, what it resumes says
    /// so afterwards. `view`: the last one that it was welcomed in; `remembered`: hosts have known the tab all the time.
    pub(crate) fn unknown_leads(
        &self,
        tab: &TabId,
        remembered: bool,
        view: Option<u64>,
        resume: &mut [Resumed],
    ) -> UnknownLeads {
        let mut unknown = UnknownLeads::default();
        let view = view.unwrap_or_default();
        let Some(store) = self.log.store() else {
            return unknown;
        };
        let is_here = view == store.view();
        if is_here || (remembered && !store.slept(tab, view)) {
            return unknown;
        }
        let line = Some(self.log.line());
        let known_tab = remembered.then_some(tab);
        for doc in resume.iter_mut().filter(|doc| doc.line == line) {
            let is_unknown = self.is_unknown(&doc.key, view, known_tab);
            let Some(at) = doc.lead.iter().position(is_unknown) else {
                continue;
            };
            match known_tab.and_then(|tab| rewind(tab, doc, at)) {
                Some(rewind) => unknown.rewinds.push(rewind),
                None => unknown.void.push(doc.key.clone()),
            }
        }
        unknown
    }

    /// Predicate: the history lacks this change, which the tab was shown early in `view` or before. `known_tab`: the tab, where
    /// `HostDoc::seen` has the ops of it that were taken. The history may have let go of them.
    fn is_unknown(
        &self,
        key: &DocKey,
        view: u64,
        known_tab: Option<&TabId>,
    ) -> impl Fn(&LeadEntry) -> bool {
        let host_doc = self.docs.at(key);
        let hub = host_doc.map(|host_doc| &host_doc.hub);
        // No host of a later view has given these revisions.
        let restored = host_doc.and_then(|host_doc| host_doc.restored);
        let restored = restored.filter(|(until, _)| *until <= view);
        move |change| {
            if restored.is_some_and(|(_, head)| change.revision < head) {
                return false;
            }
            let lacks = |author: Option<&Author>, version| {
                !hub.is_some_and(|hub| hub.has_change(change.revision, author, version))
            };
            match last_of(change) {
                Some(JournalEntry::Local { tab, seq, .. }) => {
                    let is_own = known_tab == Some(&tab);
                    let was_taken = host_doc.is_some_and(|host_doc| host_doc.is_taken(&tab, seq));
                    !(is_own && was_taken) && lacks(Some(&Author { tab, seq }), None)
                }
                Some(JournalEntry::Remote { v, .. }) => lacks(None, Some(v.next())),
                Some(
                    JournalEntry::Ack { .. }
                    | JournalEntry::Refused { .. }
                    | JournalEntry::Forgotten {},
                )
                | None => true,
            }
        }
    }
}

/// Where the tab goes back to before the change at `at`, which it made, and all after it. `None`: others made one of them.
fn rewind(tab: &TabId, doc: &mut Resumed, at: usize) -> Option<Rewind> {
    let own = |change| match last_of(change) {
        Some(JournalEntry::Local { tab: of, seq, .. }) if of == *tab => Some(seq),
        _ => None,
    };
    let changes = doc.lead.get(at..)?;
    let revision = changes.first()?.revision;
    let own: Vec<Seq> = changes.iter().filter_map(own).gather();
    let before = doc.accepted.len().checked_sub(changes.len())?;
    if doc.accepted.get(before..)? != own {
        return None;
    }
    doc.accepted.truncate(before);
    let mut sent = own.iter().copied().chain(doc.sent());
    let (seq, ahead) = (sent.next()?, sent.gather());
    (doc.inflight, doc.ahead) = (Some(seq), ahead);
    doc.revision = Some(revision);
    doc.life += 1;
    doc.lead.clear();
    let doc = doc.key.clone();
    Some(Rewind { doc, revision, seq })
}

/// What a host before this one logged of the change; nothing where it cannot be read.
fn read(change: &LeadEntry) -> Option<Vec<JournalEntry>> {
    change.entries.parse().ok()
}

/// The entry of the change itself.
fn last_of(change: &LeadEntry) -> Option<JournalEntry> {
    read(change)?.pop()
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
