//! What is to be remembered: changes of documents, tabs, numbers of connections, and dead letters.
//!
//! Each change gets a place in the order in which they came; outputs that have to wait for it raise the barrier.

use proxy_doc::{Change, DeadLetter, DocKey, Error, OpId, Seq, TabId, Version, write_json};

use super::{Blocking, DurableStore, Phase, StoreEvent, write};
use crate::format::{Author, JournalEntry, Logged};

/// Connection ids whose numbers are kept. An application has few; a server may give one to each connection.
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
    /// Something happened to a document.
    pub fn log(&mut self, key: &DocKey, entry: JournalEntry, blocking: Blocking) {
        if self.phase != Phase::Ready {
            return;
        }
        if self.dirty.is_deleting(key) {
            // The journal may have older entries, that must not be taken for what this one builds on.
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
            // A later life that does not know of it would go on with the refused op.
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

    /// The document's record is to be rewritten, in its turn where somebody waits for that.
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

    /// The document's record is to be rewritten when there is time.
    pub fn put_later(&mut self, key: &DocKey) {
        if self.phase != Phase::Ready {
            return;
        }
        let first = self.journal_next;
        self.dirty.add(key, first, write::MANY_ENTRIES, 0);
        self.dirty.put(key);
    }

    /// The document is forgotten.
    pub fn delete(&mut self, key: &DocKey) {
        if self.phase != Phase::Ready {
            return;
        }
        self.dirty.delete(key);
        self.dirty.contain(key, self.placed);
    }

    /// What the journal has of a document would be applied by a later life, though the record is gone: where there
    /// is any of it, this goes behind it.
    pub(super) fn forgotten(&self, key: &DocKey) -> Option<Logged> {
        let is_logged = self.dirty.is_logged_since(key, self.first_written);
        is_logged.then(|| Logged {
            key: key.clone(),
            entry: JournalEntry::Forgotten {},
        })
    }

    /// A tab may hold documents from now on. What it is told has to wait for that: a later life keeps
    /// nothing for a tab that it does not know.
    pub fn add_tab(&mut self, tab: &TabId) {
        if self.phase == Phase::Ready && !self.state.tabs.contains(tab) {
            self.state.tabs.push(tab.clone());
            self.new_tabs.push(tab.clone());
            self.next_place();
            self.block();
        }
    }

    /// A tab is gone.
    pub fn remove_tab(&mut self, tab: &TabId) {
        self.state.tabs.retain(|known| known != tab);
        self.state.asleep.retain(|known| known.tab != *tab);
        self.new_tabs.retain(|known| known != tab);
    }

    /// The next number under a connection id that other lives may have, too.
    pub fn set_seq(&mut self, src: &str, seq: Seq) {
        let next = OpId {
            src: Some(src.to_owned()),
            seq: Some(seq),
        };
        set_number(&mut self.new_numbers, next.clone());
        set_number(&mut self.state.numbers, next);
    }

    /// An op was given up. Gives the number of the letter that is forgotten for it, if any.
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

    /// Somebody has seen to these letters.
    pub fn remove_letters(&mut self, numbers: &[u64]) {
        self.letters.remove(numbers);
    }

    /// What is known of a document may have changed. Says whether the inventory has.
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

    /// Outputs wait for all changes so far.
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
