//! Notes: texts that are no document's, each kept whole under a name. What tabs agreed on is kept so.
//!
//! What it refuses to do: know what a note says.

use proxy_doc::Gather;

use super::DurableStore;
use crate::format::{Note, RecordId};

/// The notes, by their names.
#[derive(Debug, Default)]
pub(super) struct Notes {
    texts: [Option<String>; Note::ALL.len()],
    /// Which of them are in no write yet.
    changed: [bool; Note::ALL.len()],
}

impl Notes {
    /// The records of all notes.
    pub(super) fn records() -> Vec<RecordId> {
        Note::ALL.into_iter().map(RecordId::note).gather()
    }

    /// Those that go with the tabs whom they concerned.
    pub(super) fn records_of_tabs() -> Vec<RecordId> {
        let of_tabs = Note::ALL.into_iter().filter(|note| *note != Note::Ended);
        of_tabs.map(RecordId::note).gather()
    }

    /// Forgets what goes with the tabs. What stays is written again: the storage may be emptied.
    pub(super) fn forget(&mut self) {
        let ended = self.texts[Note::Ended as usize].take();
        *self = Self::default();
        self.changed[Note::Ended as usize] = ended.is_some();
        self.texts[Note::Ended as usize] = ended;
    }

    /// What the storage has of them.
    pub(super) fn fill(&mut self, texts: &[Option<String>]) {
        for (known, text) in self.texts.iter_mut().zip(texts) {
            known.clone_from(text);
        }
    }

    pub(super) fn changed(&self) -> bool {
        self.changed.contains(&true)
    }

    /// Adds those that changed to a write.
    pub(super) fn write(&mut self, puts: &mut Vec<(RecordId, String)>) {
        for note in Note::ALL {
            let at = note as usize;
            if std::mem::take(&mut self.changed[at])
                && let Some(text) = &self.texts[at]
            {
                puts.push((RecordId::note(note), text.clone()));
            }
        }
    }
}

impl DurableStore {
    /// Keeps a note, in the place of what it said before. Outputs have to wait for it.
    pub fn keep_note(&mut self, note: Note, text: String) {
        if !self.is_ready() || self.is_lost() {
            return;
        }
        let at = note as usize;
        self.notes.texts[at] = Some(text);
        self.notes.changed[at] = true;
        self.next_place();
        self.block();
    }

    /// What a note says.
    pub fn note_text(&self, note: Note) -> Option<&str> {
        self.notes.texts[note as usize].as_deref()
    }
}
