//! Changes shown early: tabs get them at once, before the write that holds them is durable.
//!
//! Only tabs learn of such a change early: the server gets it behind the write. A tab that is shown a change, or that is
//! told as its author that it is accepted, keeps the change's log entries, its *lead*, until it knows that they are
//! durable. A host that takes over collects the leads (`leads.rs`). So a change can be shown early only where the lead
//! contains all that the log does: the change is an edit, and since the revision before it only acknowledgements were
//! logged.
//!
//! An outcome or a version that rests only on the server's acknowledgement overtakes a write, too: the server would
//! acknowledge the op again to a later host. Such a message is marked as early, since the tab keeps its lead then.
//!
//! Every other message to a tab waits for all earlier writes, so it tells the tab that its lead is durable.
//!
//! A host that may have been frozen shows nothing early until a write that it asked for since then has succeeded: another
//! host may have its storage, and tabs that were frozen with this host would keep changes that no other tab has.
//!
//! What it refuses to do: hold back anything. A change that cannot be shown early waits in the barrier.

use broker::message::{DocEvent, Early, ToTab};
use durable_store::format::JournalEntry;
use durable_store::{Blocking, DurableStore};
use proxy_doc::{DocHandle, Json, Revision, TabId, write_json};

use crate::host::Host;

/// Limit in bytes of one change's lead entries. A longer change takes longer to post twice than to write.
const MAX_ENTRY: usize = 32 * 1024;

/// The entries logged of a document since its newest revision.
#[derive(Debug, Default)]
pub(crate) struct SinceRevision {
    entries: Vec<JournalEntry>,
    /// The write that holds the last entry that is in no lead. Until it is durable nothing is shown early.
    fence: u64,
}

/// A change that may be shown early.
#[derive(Debug)]
pub(crate) struct EarlyChange {
    /// The revision before the change.
    revision: Revision,
    /// The write that holds the change.
    write: u64,
    entries: Json,
}

impl SinceRevision {
    /// Whether a lead can contain the entry that is about to be logged. `tabs`: how many tabs know the document.
    pub(super) fn goes_on_with(
        &self,
        entry: &JournalEntry,
        blocking: Blocking,
        tabs: usize,
    ) -> bool {
        // A change that made no revision is in no lead.
        let is_first = || !self.entries.iter().any(is_change);
        match entry {
            JournalEntry::Local { change, .. } => tabs > 1 && change.op.is_some() && is_first(),
            JournalEntry::Remote { change, .. } => tabs > 0 && change.op.is_some() && is_first(),
            // No output waits for a plain acknowledgement.
            JournalEntry::Ack { .. } => blocking == Blocking::Nothing,
            JournalEntry::Refused { .. } | JournalEntry::Forgotten {} => false,
        }
    }

    /// Adds a logged entry to the lead.
    pub(super) fn push(&mut self, entry: JournalEntry) {
        self.entries.push(entry);
    }

    /// Empties the lead: the log up to `write` contains entries that no lead does.
    pub(super) fn begin_anew(&mut self, write: u64) {
        self.entries.clear();
        self.fence = write;
    }

    /// Whether only plain acknowledgements were logged since the revision, and a lead can contain them when the writes up
    /// to `committed` are durable.
    fn is_acknowledged(&self, committed: u64) -> bool {
        self.fence <= committed && !self.entries.iter().any(is_change)
    }

    /// Takes the entries of a new revision. `None`: they are not all that was logged since the last revision, or a lead
    /// cannot contain them when the writes up to `committed` are durable.
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
    /// The lead of the document's new revision after `revision`, for tabs that are shown the change early. `None`: it must
    /// not be shown early. To be called for each revision, edit or not.
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

    /// Tells a tab the changes of a document that it lacks; the `early` one before its write is durable.
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

    /// Whether the tab may be told the document's version and outcomes in front of a write that is under way: a later host
    /// would get the same acknowledgement from the server.
    pub(crate) fn overtakes_writes(&self, handle: DocHandle, tab: &TabId) -> bool {
        let committed = self.log.committed();
        let goes_on = self.log.store().is_some_and(DurableStore::writes_through);
        goes_on
            && committed < self.log.barrier()
            && !self.log.is_replaying()
            && self.tabs.keeps_leads(tab)
            && self.docs[handle].since_revision.is_acknowledged(committed)
    }

    /// Tells tabs that their leads are durable, where no later message has told so.
    pub(crate) fn tell_durable(&mut self) {
        for tab in self.tabs.with_durable_lead(self.log.committed()) {
            self.tell(&tab, ToTab::Durable {});
        }
    }
}
