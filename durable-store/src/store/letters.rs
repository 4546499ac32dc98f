//! Dead letters: ops that were refused or given up.
//!
//! Each letter is a record of its own (`letter/<n>`), and an index (`letter-index`) names those that there are, in runs of
//! numbers. One more letter costs its own size and that of the index, however many there are.
//!
//! A store of an earlier version has all letters in one record, `letters`. They are taken over with the next change of
//! the letters, and that record goes in the same write.

use proxy_doc::{
    DeadLetter, DocKey, Gather, Map, ParseError, Set, next_count, read_json, write_json,
};

use crate::format::{LetterIndex, LetterRun, RecordId};

/// Letters that are kept; older ones go, and a warning says so.
pub(super) const MAX_LETTERS: usize = 1000;

/// Letters of the index that are read: those kept, and some that could not be read. A damaged index may name any number.
const MAX_INDEXED: usize = 10 * MAX_LETTERS;

/// The record of earlier versions that holds all letters.
const ALL_IN_ONE: &str = "letters";

/// All letters, and which of them the storage does not have yet.
#[derive(Debug)]
pub(super) struct Letters {
    known: Map<u64, DeadLetter>,
    /// Letters of the storage that cannot be read here. They stay.
    illegible: Set<u64>,
    /// No two letters of a store have the same number, also where the first was removed.
    next: u64,
    /// Letters that are in no write yet, and their places.
    unwritten: Map<u64, u64>,
    /// Letters whose records are to be deleted.
    gone: Set<u64>,
    /// The letters of an earlier version were read.
    has_all_in_one: bool,
    changed: bool,
}

impl Default for Letters {
    fn default() -> Self {
        Self {
            known: Map::new(),
            illegible: Set::new(),
            next: 1,
            unwritten: Map::new(),
            gone: Set::new(),
            has_all_in_one: false,
            changed: false,
        }
    }
}

impl Letters {
    // ---- Reading ----

    /// The records that a start reads first, for [`Letters::open`].
    pub(super) fn first_records() -> [RecordId; 2] {
        [index_record(), RecordId::meta(ALL_IN_ONE)]
    }

    /// Begins with what the storage has. Gives the letters to read, in the order of [`Letters::fill`].
    ///
    /// # Errors
    /// What cannot be read. Nobody knows then which letters there are.
    pub(super) fn open(
        &mut self,
        index: Option<&str>,
        all_in_one: Option<&str>,
    ) -> Result<Vec<RecordId>, ParseError> {
        let index = index.map_or_else(|| Ok(LetterIndex::default()), read_json);
        let LetterIndex { next, runs } = index?;
        self.next = next.max(1);
        // What cannot be read is not touched.
        let indexed = runs.iter().flat_map(|run| run.first..=run.last);
        self.illegible = indexed.take(MAX_INDEXED).collect();
        let all_in_one = all_in_one.map(read_json::<Vec<DeadLetter>>).transpose()?;
        self.has_all_in_one = all_in_one.is_some();
        let is_first = self.next == 1;
        for letter in all_in_one.into_iter().flatten() {
            // Where both are there, an earlier version wrote after a later one, and counted anew.
            if is_first {
                self.next = self.next.max(letter.number);
            }
            let number = self.next;
            self.push(DeadLetter { number, ..letter }, 0);
        }
        Ok(self.illegible.iter().copied().map(letter_record).gather())
    }

    /// Takes the letters that [`Letters::open`] named. Says whether each could be read.
    pub(super) fn fill(&mut self, texts: &[Option<String>]) -> bool {
        let numbers = std::mem::take(&mut self.illegible);
        let mut are_whole = true;
        for (number, text) in numbers.into_values().zip(texts) {
            // A damaged index may have it otherwise.
            self.next = self.next.max(next_count(number));
            let letter = text.as_deref().map(read_json::<DeadLetter>);
            if let Some(Ok(letter)) = letter
                && letter.number == number
            {
                self.known.insert(number, letter);
                continue;
            }
            are_whole = false;
            if text.is_some() {
                self.illegible.insert(number);
            }
        }
        are_whole
    }

    /// All records that there may be.
    pub(super) fn records(&self) -> Vec<RecordId> {
        let letters = self.numbers().map(letter_record);
        letters.chain(Self::first_records()).gather()
    }

    // ---- What is so ----

    pub(super) fn iter(&self) -> impl Iterator<Item = &DeadLetter> {
        self.known.values()
    }

    /// Letters with this number or a higher one.
    pub(super) fn since(&self, number: u64) -> impl Iterator<Item = &DeadLetter> {
        self.known.iter_from(number).map(|(_, letter)| letter)
    }

    /// The number of the next letter.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Whether there is something to write.
    pub(super) fn changed(&self) -> bool {
        self.changed
    }

    fn numbers(&self) -> impl Iterator<Item = u64> {
        let known: Set<u64> = self
            .known
            .keys()
            .chain(self.illegible.iter())
            .copied()
            .collect();
        known.into_values()
    }

    // ---- Changing ----

    /// Adds a letter that has the [`Letters::next`] number, and is written in its place. Gives the oldest one, where it is one too many.
    pub(super) fn add(&mut self, letter: DeadLetter, place: u64) -> Option<DeadLetter> {
        self.push(letter, place);
        self.changed = true;
        if self.known.len() <= MAX_LETTERS {
            return None;
        }
        let (number, oldest) = self.known.pop_first()?;
        self.forget(number);
        Some(oldest)
    }

    fn push(&mut self, letter: DeadLetter, place: u64) {
        self.next = next_count(letter.number);
        self.unwritten.insert(letter.number, place);
        self.known.insert(letter.number, letter);
    }

    /// Removes these letters, as far as there are such.
    pub(super) fn remove(&mut self, numbers: &[u64]) {
        for number in numbers {
            if self.known.remove(number).is_some() {
                self.forget(*number);
                self.changed = true;
            }
        }
    }

    fn forget(&mut self, number: u64) {
        if self.unwritten.remove(&number).is_none() {
            self.gone.insert(number);
        }
    }

    // ---- Writing ----

    /// Adds what has changed to a write that holds everything up to this place, and the records of these documents. An
    /// op leaves its document's record and becomes a letter in the same write.
    pub(super) fn write(
        &mut self,
        place: u64,
        records: &[DocKey],
        puts: &mut Vec<(RecordId, String)>,
        deletes: &mut Vec<RecordId>,
    ) {
        if !self.changed {
            return;
        }
        let records: Set<&DocKey> = records.iter().collect();
        for (number, letter_place) in std::mem::take(&mut self.unwritten) {
            let Some(letter) = self.known.get(&number) else {
                continue;
            };
            if letter_place <= place || records.contains(&letter.key) {
                puts.push((letter_record(number), write_json(letter)));
            } else {
                self.unwritten.insert(number, letter_place);
            }
        }
        self.changed = !self.unwritten.is_empty();
        let gone = std::mem::take(&mut self.gone);
        deletes.extend(gone.into_values().map(letter_record));
        if std::mem::take(&mut self.has_all_in_one) {
            deletes.push(RecordId::meta(ALL_IN_ONE));
        }
        let written = self.numbers();
        let written = written.filter(|number| !self.unwritten.contains_key(number));
        let index = LetterIndex {
            next: self.next,
            runs: runs(written),
        };
        puts.push((index_record(), write_json(&index)));
    }
}

/// Ascending numbers as runs without a gap.
fn runs(numbers: impl Iterator<Item = u64>) -> Vec<LetterRun> {
    let mut runs: Vec<LetterRun> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some(run) if run.last + 1 == number => run.last = number,
            Some(_) | None => runs.push(LetterRun {
                first: number,
                last: number,
            }),
        }
    }
    runs
}

fn letter_record(number: u64) -> RecordId {
    RecordId::meta(format!("letter/{number}"))
}

fn index_record() -> RecordId {
    RecordId::meta("letter-index")
}
