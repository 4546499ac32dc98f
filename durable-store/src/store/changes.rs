//! What the host gives the store to remember: changes of documents, tabs, op numbers, and dead letters.
//!
//! Each change gets the next place. A change that outputs wait for raises the barrier to it.

use proxy_doc::{Change, DeadLetter, DocKey, Error, OpId, Seq, TabId, Version, write_json};

use super::{Blocking, DurableStore, Phase, StoreEvent, write};
use crate::format::{Author, JournalEntry, Logged};

/// Connection ids whose op numbers are kept. An application chooses few ids; a server may give a new one to each
/// connection.
const MAX_NUMBERS: usize = 100;

/// A change that is in no write yet.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) place: u64,
    pub(super) logged: Logged,
    pub(super) bytes: usize,
    pub(super) blocking: Blocking,
}

impl DurableStore {
    /// Queues a journal entry of a document.
    pub fn log(&mut self, key: &DocKey, entry: JournalEntry, blocking: Blocking) {
        if self.phase != Phase::Ready {
            return;
        }
        if self.dirty.is_deleting(key) {
            // Older entries in the journal belong to the deleted state: this one must not be applied to them.
            self.force(key, blocking);
        }
        let bytes = write_json(&entry).len();
        self.dirty.add(key, self.journal_next, 1, bytes);
        self.dirty.enqueue(key, blocking);
        let place = self.next_place();
        match &entry {
            JournalEntry::Local { tab, seq, .. } => {
                let author = Author {
                    tab: tab.clone(),
                    seq: *seq,
                };
                self.unwritten.push_back((place, key.clone(), Some(author)));
            }
            // Without this entry a later life would resend the refused op.
            JournalEntry::Refused { .. } => self.unwritten.push_back((place, key.clone(), None)),
            JournalEntry::Remote { .. } | JournalEntry::Ack { .. } | JournalEntry::Forgotten {} => {
            }
        }
        let logged = Logged {
            key: key.clone(),
            entry,
        };
        self.queue.push_back(Queued {
            place,
            logged,
            bytes,
            blocking,
        });
        if blocking == Blocking::Outputs {
            self.block();
        }
    }

    /// Has the document's record rewritten: in its place among all changes if outputs wait for it, otherwise soon.
    pub fn rewrite(&mut self, key: &DocKey, blocking: Blocking) {
        if self.phase != Phase::Ready {
            return;
        }
        let place = self.force(key, blocking);
        if blocking == Blocking::Outputs {
            self.unwritten.push_back((place, key.clone(), None));
            self.block();
        }
    }

    fn force(&mut self, key: &DocKey, blocking: Blocking) -> u64 {
        let place = self.next_place();
        let awaited = (blocking == Blocking::Outputs).then_some(place);
        self.dirty.force(key, awaited);
        place
    }

    /// Has the document's record rewritten when there is time.
    pub fn put_later(&mut self, key: &DocKey) {
        if self.phase != Phase::Ready {
            return;
        }
        let first = self.journal_next;
        self.dirty.add(key, first, write::MANY_ENTRIES, 0);
        self.dirty.put(key);
    }

    /// Has the document's record deleted. Until that is committed, loads of the document find nothing.
    pub fn delete(&mut self, key: &DocKey) {
        if self.phase != Phase::Ready {
            return;
        }
        self.dirty.delete(key);
        self.dirty.contain(key, self.placed);
    }

    /// The entry that keeps a later life from applying the journal's older entries of a deleted document. `None` if the
    /// journal has none.
    pub(super) fn forgotten(&self, key: &DocKey) -> Option<Logged> {
        let is_logged = self.dirty.is_logged_since(key, self.first_written);
        is_logged.then(|| Logged {
            key: key.clone(),
            entry: JournalEntry::Forgotten {},
        })
    }

    /// Adds a tab that may hold documents. Outputs wait until it is written: a later life keeps nothing for a tab that it
    /// does not know.
    pub fn add_tab(&mut self, tab: &TabId) {
        if self.phase == Phase::Ready && !self.state.tabs.contains(tab) {
            self.state.tabs.push(tab.clone());
            self.new_tabs.push(tab.clone());
            self.next_place();
            self.block();
        }
    }

    /// Removes a tab that is gone.
    pub fn remove_tab(&mut self, tab: &TabId) {
        self.state.tabs.retain(|known| known != tab);
        self.state.asleep.retain(|known| known.tab != *tab);
        self.new_tabs.retain(|known| known != tab);
    }

    /// Notes the next op number under a connection id that other lives may use, too.
    pub fn set_seq(&mut self, src: &str, seq: Seq) {
        let next = OpId {
            src: Some(src.to_owned()),
            seq: Some(seq),
        };
        set_number(&mut self.new_numbers, next.clone());
        set_number(&mut self.state.numbers, next);
    }

    /// Keeps an op that was given up as a dead letter. Returns the number of the oldest letter, if it was dropped for this
    /// one.
    pub fn add_letter(
        &mut self,
        key: DocKey,
        change: Change,
        error: Error,
        version: Option<Version>,
    ) -> Option<u64> {
        let place = self.next_place();
        self.block();
        let letter = DeadLetter {
            number: self.letters.next(),
            key,
            change,
            error,
            version,
        };
        let gone = self.letters.add(letter, place)?;
        let text = format!("Forgetting the oldest dead letter, of {}", gone.key);
        self.events.push_back(StoreEvent::Warn(text));
        Some(gone.number)
    }

    /// Drops dead letters that the application has dealt with.
    pub fn remove_letters(&mut self, numbers: &[u64]) {
        self.letters.remove(numbers);
    }

    /// Updates the document's line in the inventory, and returns whether that changed.
    pub fn note(&mut self, key: &DocKey, version: Option<Version>, pending: bool) -> bool {
        self.is_durable() && self.inventory.put(key, version, pending)
    }

    pub(super) fn clear_queue(&mut self) {
        self.queue.clear();
        self.new_tabs.clear();
        self.new_numbers.clear();
    }

    pub(super) fn next_place(&mut self) -> u64 {
        self.placed += 1;
        self.placed
    }

    /// Raises the barrier: outputs wait for all changes so far.
    pub(super) fn block(&mut self) {
        if self.phase == Phase::Ready {
            self.barrier = self.placed;
        }
    }
}

/// Notes a number, as the newest: where servers give each connection an id of their own, older ones never come back.
pub(super) fn set_number(numbers: &mut Vec<OpId>, next: OpId) {
    numbers.retain(|known| known.src != next.src);
    numbers.push(next);
    if numbers.len() > MAX_NUMBERS {
        numbers.remove(0);
    }
}
