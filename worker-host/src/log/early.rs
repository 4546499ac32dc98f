//! Changes that tabs are shown early: at once, and not when the write that holds them is durable.
//!
//! Nobody but tabs learns of such a change: the server gets it behind the write. A tab that is shown it, or as its author
//! is told that it is accepted, keeps what is logged of it, its *lead*, until it knows that this is durable; a host that
//! takes over collects the leads (`leads.rs`). So a change can be shown early only where the lead says all that the log
//! would: it is an edit, and nothing else was logged of the document since the revision before it but acknowledgements.
//!
//! What only an acknowledgement of the server brings, an outcome or a version, overtakes such a write, too: the server would
//! acknowledge the op again to a host after this one. It says that it is early, since the tab keeps its lead then.
//!
//! Every other message to a tab waits for all that was logged before it. So it tells the tab that its lead is durable.
//!
//! A host that may have been frozen shows nothing early before a write that it asked for since has succeeded: another host
//! may have its storage, and tabs that were frozen with it would keep what nobody else has.
//!
//! What it refuses to do: hold back anything. What cannot be shown early waits in the barrier.

use broker::message::{DocEvent, Early, ToTab};
use durable_store::format::JournalEntry;
use durable_store::{Blocking, DurableStore};
use proxy_doc::{DocHandle, Json, Revision, TabId, write_json};

use crate::host::Host;

/// Bytes of what a tab keeps of one change. A longer one takes longer to be posted twice than to be written.
const MAX_ENTRY: usize = 32 * 1024;

/// What was logged of a document since its newest revision.
#[derive(Debug, Default)]
pub(crate) struct SinceRevision {
    entries: Vec<JournalEntry>,
    /// The write that holds the last thing which no lead says. Until it is durable nothing is shown early.
    fence: u64,
}

/// A change that may be shown early.
#[derive(Debug)]
pub(crate) struct EarlyChange {
    /// The revision before it.
    revision: Revision,
    /// The write that holds it.
    write: u64,
    entries: Json,
}

impl SinceRevision {
    /// Whether a lead goes on with what is about to be logged. `tabs`: how many know the document.
    pub(super) fn goes_on_with(
        &self,
        entry: &JournalEntry,
        blocking: Blocking,
        tabs: usize,
    ) -> bool {
        // A change that came to no revision is in no lead.
        let is_first = || !self.entries.iter().any(is_change);
        match entry {
            JournalEntry::Local { change, .. } => tabs > 1 && change.op.is_some() && is_first(),
            JournalEntry::Remote { change, .. } => tabs > 0 && change.op.is_some() && is_first(),
            // Nobody waits for a plain acknowledgement.
            JournalEntry::Ack { .. } => blocking == Blocking::Nothing,
            JournalEntry::Refused { .. } | JournalEntry::Forgotten {} => false,
        }
    }

    /// A lead goes on with this, which was logged.
    pub(super) fn push(&mut self, entry: JournalEntry) {
        self.entries.push(entry);
    }

    /// What was logged up to the `write` no lead says.
    pub(super) fn begin_anew(&mut self, write: u64) {
        self.entries.clear();
        self.fence = write;
    }

    /// Whether nothing was logged since the revision but acknowledgements for which nobody waits, and a lead can go on with it
    /// when the writes up to `committed` are durable.
    fn is_acknowledged(&self, committed: u64) -> bool {
        self.fence <= committed && !self.entries.iter().any(is_change)
    }

    /// There is a new revision. Gives what was logged of it, where that is all there is since the last one, and a lead can
    /// go on with it when the writes up to `committed` are durable.
    fn take(&mut self, committed: u64) -> Option<Vec<JournalEntry>> {
        let entries = std::mem::take(&mut self.entries);
        let is_whole = self.fence <= committed && entries.last().is_some_and(is_change);
        is_whole.then_some(entries)
    }
}

/// Whether the entry makes a revision.
fn is_change(entry: &JournalEntry) -> bool {
    matches!(
        entry,
        JournalEntry::Local { .. } | JournalEntry::Remote { .. }
    )
}

impl Host {
    /// The document has come to a new revision, from `revision`, by an edit or not: what is kept of that by tabs that are
    /// shown it early. To be called for each revision.
    pub(crate) fn take_early(
        &mut self,
        handle: DocHandle,
        revision: Revision,
        is_edit: bool,
    ) -> Option<EarlyChange> {
        let entries = self.docs[handle]
            .since_revision
            .take(self.log.committed())?;
        let store = self.log.store()?;
        if !is_edit || self.log.is_replaying() || !store.writes_through() {
            return None;
        }
        let entries = Json::written(write_json(&entries));
        (entries.get().len() <= MAX_ENTRY).then(|| EarlyChange {
            revision,
            write: self.log.barrier(),
            entries,
        })
    }

    /// Tells a tab the changes of a document that it lacks; one that may be shown early, at once.
    pub(crate) fn show(
        &mut self,
        handle: DocHandle,
        tab: &TabId,
        mut events: Vec<DocEvent>,
        early: Option<&EarlyChange>,
    ) {
        let committed = self.log.committed();
        let change = early.filter(|_| self.tabs.keeps_leads(tab));
        if let Some(change) = change
            && let [
                DocEvent::Op {
                    revision, early, ..
                }
                | DocEvent::Accepted {
                    revision, early, ..
                },
            ] = &mut events[..]
            && *revision == change.revision
        {
            let settled = self.tabs.begin_lead(tab, change.write, committed);
            let entries = change.entries.clone();
            *early = Some(Early { settled, entries });
        }
        for event in events {
            self.tell_doc(handle, tab, event);
        }
    }

    /// Whether the tab may be told of the document, as it is now, in front of a write that is under way: a host after this one
    /// would hear the same acknowledgement from the server.
    pub(crate) fn overtakes_writes(&self, handle: DocHandle, tab: &TabId) -> bool {
        let committed = self.log.committed();
        let goes_on = self.log.store().is_some_and(DurableStore::writes_through);
        goes_on
            && committed < self.log.barrier()
            && !self.log.is_replaying()
            && self.tabs.keeps_leads(tab)
            && self.docs[handle].since_revision.is_acknowledged(committed)
    }

    /// Tells tabs that their leads are durable, where they were told nothing since that says so.
    pub(crate) fn tell_durable(&mut self) {
        for tab in self.tabs.with_durable_lead(self.log.committed()) {
            self.tell(&tab, ToTab::Durable {});
        }
    }
}
