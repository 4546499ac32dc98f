//! What is done about a storage that fails: another handle, room for what has to be written, or no storage any more.
//!
//! What was asked is asked again, on a new handle; never on the old one.

use proxy_doc::{DocKey, Gather, Line, Set, StoredDoc, read_json};

use super::{Ask, Asked, Documents, DurableStore, Failure, FailureKind, Phase, StoreEvent};
use crate::dirty::DirtyDocs;
use crate::format::{Place, RecordId, StoreState};

/// Failures in a row after which the storage is given up.
const MAX_FAILURES: u32 = 3;
/// Clean documents that are evicted at once when there is no space.
const MAX_EVICTED: usize = 64;
/// See [`DurableStore::is_own`].
pub(super) const ANOTHER_HOST: &str = "Another host has written to the store";

impl DurableStore {
    /// The handle is of no use any more: nothing is asked until there is another one.
    pub(super) fn reopen(&mut self) {
        self.reopening = true;
        for request in std::mem::take(&mut self.requests) {
            self.again.extend(self.asked.remove(&request.number));
        }
        self.open();
    }

    /// The storage was opened again: whether it still is the one that it was, and nobody else has it.
    pub(super) fn handle_check(&mut self, texts: &[Option<String>]) {
        let text = texts.first().and_then(Option::as_deref);
        if !self.is_own(text) {
            let message = match text {
                Some(_) => ANOTHER_HOST,
                None => "The store was deleted by somebody else",
            };
            return self.lose(Failure::new(FailureKind::Closed, message));
        }
        self.reopening = false;
        for (asked, ask) in std::mem::take(&mut self.again) {
            self.ask(asked, ask);
        }
    }

    /// Whether what the storage has is what this host read or wrote. A write may have been carried out, also the
    /// first one of this life, though it was said to have failed.
    pub(super) fn is_own(&self, state: Option<&str>) -> bool {
        let begins = self.phase == Phase::ReadingState;
        let epoch = match state.map(read_json::<StoreState>) {
            Some(Ok(state)) => Some(state.epoch),
            Some(Err(_)) => return begins,
            None => None,
        };
        let deletes = epoch.is_none() && self.phase == Phase::Wiping;
        let is_as_found = !self.claimed && (epoch == self.found || deletes);
        begins || is_as_found || epoch == Some(self.epoch)
    }

    pub(super) fn finish_deleting(&mut self) {
        let mut questions = self.asked.values().chain(&self.again);
        if !questions.any(|(asked, _)| matches!(asked, Asked::Write { evicts: true })) {
            self.dirty.finish_deleting();
        }
    }

    pub(super) fn handle_failure(
        &mut self,
        asked: Asked,
        ask: Ask,
        failure: Failure,
        is_old: bool,
        documents: &dyn Documents,
    ) {
        if asked.is_trial() {
            return self.handle_failed_trial(&failure);
        }
        if failure.kind == FailureKind::Fenced {
            return self.lose(failure);
        }
        let is_write = matches!(asked, Asked::Write { .. });
        if is_write {
            self.events
                .push_back(StoreEvent::WriteFailed(failure.clone()));
        }
        if let Asked::Wipe { restart: false } = asked {
            self.phase = Phase::Lost;
            return self.events.push_back(StoreEvent::Wiped(Err(failure)));
        }
        if is_write && failure.kind == FailureKind::Quota {
            return self.make_room(asked, ask, failure, documents);
        }
        if is_old && !asked.opens() {
            // It went down with its handle, which was counted.
            return self.ask(asked, ask);
        }
        self.failures += 1;
        let is_silent = failure.kind == FailureKind::Silent;
        let hopeless = matches!(asked, Asked::Open) && failure.kind == FailureKind::Unavailable;
        // All tabs wait while the store is restored, or for the next life: another silence would be as long.
        let too_long = is_silent && (self.finishing || !self.is_ready());
        if hopeless || too_long || self.failures > MAX_FAILURES {
            // Who asked is still to be answered.
            self.again.push((asked, ask));
            self.lose(failure);
            if is_silent && self.options.comes_back && !self.finishing {
                self.try_out();
            }
            return;
        }
        if asked.opens() {
            return self.open();
        }
        self.again.push((asked, ask));
        self.reopen();
    }

    /// Asks a storage that was given up whether it answers. A silent one takes its time for each failure, so this needs no
    /// pause.
    fn try_out(&mut self) {
        self.ask(Asked::TrialOpen, Ask::Open);
    }

    /// A storage may open, and still not carry out anything.
    pub(super) fn try_reading(&mut self) {
        let state = RecordId::meta("state");
        let no_document = RecordId {
            store: Place::Docs,
            id: state.id.clone(),
        };
        self.ask(Asked::TrialRead, Ask::Read(vec![state, no_document]));
    }

    fn handle_failed_trial(&mut self, failure: &Failure) {
        if failure.kind != FailureKind::Silent {
            self.failures += 1;
        }
        // Where another host has the storage this one goes on without: what it kept in memory has no other place.
        if self.failures > MAX_FAILURES || failure.kind == FailureKind::Fenced {
            let text = format!(
                "The durable store will not be tried again: {}",
                failure.message
            );
            return self.events.push_back(StoreEvent::Warn(text));
        }
        self.try_out();
    }

    /// There is no space: documents that nobody uses and the server has whole are the first to go.
    fn make_room(&mut self, asked: Asked, ask: Ask, failure: Failure, documents: &dyn Documents) {
        if !self.has_inventory() {
            self.starved = Some((asked, ask));
            return self.want_inventory();
        }
        let read = self.keys_being_read();
        // What the journal has of a document is of no use without the record below it.
        let clean = |stored: &&StoredDoc| {
            !read.contains(&stored.key)
                && !stored.pending
                && !self.is_dirty(&stored.key)
                && !self.dirty.is_logged_since(&stored.key, self.first_written)
                && !documents.holds(&stored.key)
        };
        let evicted: Vec<DocKey> = self
            .inventory
            .iter()
            .filter(clean)
            .map(|stored| stored.key.clone())
            .take(MAX_EVICTED)
            .gather();
        if evicted.is_empty() {
            self.full = true;
            return self.lose(failure);
        }
        let text = format!("No space left: evicting {} documents", evicted.len());
        self.events.push_back(StoreEvent::Warn(text));
        for key in &evicted {
            self.dirty.evict(key);
            self.inventory.remove(key);
            let event = StoreEvent::InventoryChanged(key.clone());
            self.events.push_back(event);
        }
        let puts = self.inventory.records_of(&evicted);
        let deletes = evicted.iter().map(RecordId::doc).gather();
        self.ask_again(Asked::Write { evicts: true }, Ask::Write { puts, deletes });
        self.ask_again(asked, ask);
    }

    /// Documents whose records are being read, or are to be.
    fn keys_being_read(&self) -> Set<&DocKey> {
        let questions = self.asked.values().chain(&self.again);
        let asked = questions.flat_map(|(asked, _)| match asked {
            Asked::Docs(keys) => keys.as_slice(),
            _ => &[],
        });
        asked.chain(self.loads.keys()).collect()
    }

    /// Asks for a write that has a past, or comes before one that has.
    fn ask_again(&mut self, asked: Asked, mut ask: Ask) {
        if let Ask::Write { puts, .. } = &mut ask {
            self.inventory.refresh(puts, |key| self.dirty.is_dirty(key));
        }
        self.ask(asked, ask);
    }

    /// Nothing is durable any more. What is stored stays as it is, for a later life, or for the one that has it now.
    pub(super) fn lose(&mut self, failure: Failure) {
        self.phase = Phase::Lost;
        // Also where this life began the store: it stays behind, and a later life goes on with it.
        self.state.line = Line::begun_by(self.epoch).next();
        let mut reads = std::mem::take(&mut self.again);
        for request in std::mem::take(&mut self.requests) {
            reads.extend(self.asked.remove(&request.number));
        }
        for (number, (asked, ask)) in std::mem::take(&mut self.asked) {
            if asked.writes() {
                // It may still be carried out: until it has ended no other life may begin.
                self.asked.insert(number, (asked, ask));
            } else {
                reads.push((asked, ask));
            }
        }
        self.starved = None;
        self.reopening = false;
        self.failures = 0;
        self.clear_queue();
        self.dirty = DirtyDocs::default();
        let unwritten = std::mem::take(&mut self.unwritten);
        let unwritten = unwritten.into_iter().map(|(_, key, author)| (key, author));
        self.events
            .push_back(if failure.kind == FailureKind::Fenced {
                StoreEvent::Fenced(failure)
            } else {
                StoreEvent::Lost(failure, unwritten.gather())
            });
        for (asked, _) in reads {
            if let Asked::Docs(keys) = asked {
                self.tell_absent(keys);
            }
        }
        let waiting = self.loads.end();
        if !waiting.is_empty() {
            self.tell_absent(waiting);
        }
    }
}
