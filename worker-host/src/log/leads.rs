//! Leads: changes that an earlier host showed tabs early (`early.rs`), and that the store may lack.
//!
//! A host that takes over makes no revision, and sends no output, before it has heard every living tab. The store lists the
//! tabs; their locks tell that they live. The host waits for each tab until it registers, is gone, or sleeps for too long.
//! One host gave all tabs one history, so every lead of a document is a prefix of the longest one, which is applied after
//! the journal and logged. Should this host die meanwhile, the next one does the same.
//!
//! A tab that some host did not wait for may have seen changes that this host then replaced. Such a lead is never taken
//! over. If all changes from the first unknown one on are the tab's own ops, the tab goes back to before them and resends
//! them. Otherwise the tab starts again with the document.
//!
//! What it refuses to do: look at a lead of another line.

use broker::message::{LeadEntry, Resumed, Rewind, ToHost};
use durable_store::format::{Author, JournalEntry};
use durable_store::{Blocking, DurableStore};
use proxy_doc::{DocHandle, DocKey, DocMap, Error, Gather, OpId, Revision, Seq, TabId, codes};

use crate::host::Host;
use crate::host::inputs::Input;

/// The leads that are known while a host takes over.
#[derive(Debug, Default)]
pub(crate) struct Leads {
    /// The living tabs, from when they are known until all were heard.
    awaited: Option<Vec<TabId>>,
    /// Per document, the longest lead that was not taken over yet.
    by_doc: DocMap<Vec<LeadEntry>>,
    /// Identities of ops in leads. No new op of this host may get one of them.
    ids: Vec<OpId>,
    /// Entries that were taken over, and are logged when the store is open.
    unlogged: Vec<(DocKey, JournalEntry)>,
}

/// The documents of which a tab was shown changes early that no host knows.
#[derive(Debug, Default)]
pub(crate) struct UnknownLeads {
    /// Documents with which the tab has to start again.
    pub(crate) void: Vec<DocKey>,
    /// For other documents, the revision to which the tab goes back, to resend its ops.
    pub(crate) rewinds: Vec<Rewind>,
}

impl Leads {
    /// Keeps the lead, if it ends at `revision` and is the longest of its document.
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
    /// Waits for these living tabs, and for a known tab that has registered and left meanwhile: an earlier host may have
    /// taken ops of it that it resent, so it counts until its last message is heard.
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

    /// Stops the wait for tabs that have not registered: they sleep. To be called a while after [`Host::tabs_found`];
    /// harmless at any time.
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

    /// Goes on with the takeover if all living tabs were heard, or if `ends` stops the wait for the others.
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

    /// Notes the leads that a tab names in its registration.
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

    /// The seq after those of ops in leads that have this `src`.
    pub(super) fn seq_after_leads(&self, src: &str) -> Option<Seq> {
        let ids = self.log.leads.ids.iter();
        let own = ids.filter(|id| id.src.as_deref() == Some(src));
        own.filter_map(|id| id.seq).max().map(Seq::next)
    }

    /// The lead of a document that is being restored.
    pub(super) fn take_lead(&mut self, key: &DocKey) -> Vec<LeadEntry> {
        self.log.leads.by_doc.remove(key).unwrap_or_default()
    }

    /// Applies a lead to the restored document. Returns the entries that are to be logged.
    ///
    /// # Errors
    /// The lead does not fit the document, which is then to be restored without it.
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

    /// Whether the store has this entry of a lead already. An acknowledgement, which no output waits for, may have been
    /// written with an earlier change, or not.
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

    /// Logs the entries that were taken over for a document, as soon as the store is open.
    pub(super) fn log_lead(&mut self, handle: DocHandle, entries: Vec<JournalEntry>) {
        let key = self.docs[handle].key().clone();
        let entries = entries.into_iter();
        let entries = entries.map(|entry| (key.clone(), entry));
        self.log.leads.unlogged.extend(entries);
        self.log_leads();
    }

    /// Logs all entries that were taken over, if the store is open.
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

    /// The changes that a registering tab was shown early, and that no host knows. Where the tab can go back to before
    /// them, `resume` is changed to say so. `view`: the last view in which the tab was welcomed. `remembered`: hosts have
    /// known the tab all the time.
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

    /// Predicate: the history lacks this change, which the tab was shown early in `view` or before. `known_tab`: the tab,
    /// where `HostDoc::seen` records its taken ops, which the history may have forgotten.
    fn is_unknown(
        &self,
        key: &DocKey,
        view: u64,
        known_tab: Option<&TabId>,
    ) -> impl Fn(&LeadEntry) -> bool {
        let host_doc = self.docs.at(key);
        let hub = host_doc.map(|host_doc| &host_doc.hub);
        // No host of a later view has made these revisions.
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

/// The way back to before the change at `at`, where that and all later ones are the tab's own. `None`: others made one.
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

/// The log entries of the change; `None` where they cannot be read.
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

/// Whether the input says that the tab registers, or is gone.
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

/// A registration's content: the last view in which the tab was welcomed, and its documents.
fn registration(input: &Input) -> Option<(u64, &[Resumed])> {
    let Input::Tab(_, message) = input else {
        return None;
    };
    if let ToHost::Register { view, resume, .. } = &message.message {
        return Some((view.unwrap_or_default(), resume));
    }
    None
}
