//! Notifications: what a user is to read once, on whichever device.
//!
//! They stand in the document until there are too many: those that were read are taken out first, then the least important, then
//! the oldest.

use proxy_doc::{Error, Gather, Json, json_string};

use super::messages::{Shown, Tell};
use super::record::{Document, Edit, List, MAX_NOTICES, Notice, Row};

/// A notification that is to be made.
#[derive(Debug)]
struct Draft {
    number: u64,
    notice: Notice,
}

/// A tab's view of the notifications.
#[derive(Debug)]
pub(super) struct Notices {
    device: String,
    drafts: Vec<Draft>,
    /// Requests for notifications that are on their way, with the op and the id of each.
    sent: Vec<(u64, u64, String)>,
    /// Notifications that the user has read here.
    read: Vec<String>,
    /// What was told last, the first time included.
    shown: Option<Vec<Shown>>,
}

impl Notices {
    pub(super) fn new(device: String) -> Self {
        Self {
            device,
            drafts: Vec::new(),
            sent: Vec::new(),
            read: Vec::new(),
            shown: None,
        }
    }

    pub(super) fn notify(&mut self, number: u64, id: String, priority: u64, payload: Json) {
        let notice = Notice {
            id,
            from: self.device.clone(),
            priority,
            payload,
            read: None,
        };
        self.drafts.push(Draft { number, notice });
    }

    pub(super) fn read(&mut self, id: String) {
        self.read.push(id);
    }

    pub(super) fn committed(&mut self, op: u64, told: &mut Vec<Tell>) {
        for (number, _, id) in self.sent.extract_if(.., |sent| sent.1 == op) {
            told.push(Tell::Answer {
                number,
                error: None,
                result: Some(json_string(&id)),
            });
        }
    }

    pub(super) fn failed(&mut self, op: u64, error: &Error, told: &mut Vec<Tell>) {
        for (number, ..) in self.sent.extract_if(.., |sent| sent.1 == op) {
            told.push(Tell::Answer {
                number,
                error: Some(error.clone()),
                result: None,
            });
        }
    }

    /// Looks at the document, and tells what is new.
    pub(super) fn observe(&mut self, document: &Document, told: &mut Vec<Tell>) {
        let is_first = self.shown.is_none();
        let before = self.shown.take().unwrap_or_default();
        let mut shown: Vec<Shown> = Vec::new();
        let mut events = Vec::new();
        for Row { value, .. } in &document.notices {
            let known = before.iter().find(|known| known.id == value.id);
            let notice = Shown {
                id: value.id.clone(),
                from: value.from.clone(),
                priority: value.priority,
                payload: value.payload.clone(),
                read: value.read.clone(),
                missed: known.map_or(is_first, |known| known.missed),
            };
            match known {
                None if notice.read.is_none() => events.push(Tell::Notice(notice.clone())),
                Some(known) if known.read.is_none() && notice.read.is_some() => {
                    events.push(Tell::Read(notice.clone()));
                }
                None | Some(_) => {}
            }
            shown.push(notice);
        }
        // The oldest first.
        events.reverse();
        shown.sort_by_key(|notice| notice.priority);
        let is_same = |a: &Shown, b: &Shown| a.id == b.id && a.read == b.read;
        let is_changed = is_first
            || before.len() != shown.len()
            || !before.iter().zip(&shown).all(|(a, b)| is_same(a, b));
        if is_changed {
            told.push(Tell::Notices(shown.clone()));
        }
        told.append(&mut events);
        self.shown = Some(shown);
    }

    /// The next change of the document that is to be made, if there is one.
    pub(super) fn next_edit(&mut self, document: &Document, op: u64) -> Option<Edit> {
        while let Some(id) = self.read.pop() {
            let mut notices = document.notices.iter();
            if let Some(row) = notices.find(|row| row.value.id == id && row.value.read.is_none()) {
                let mut edit = Edit::default();
                edit.set(List::Notices, row, &["read"], &json_string(&self.device));
                return Some(edit);
            }
        }
        if self.drafts.is_empty() {
            return None;
        }
        let Draft { number, notice } = self.drafts.remove(0);
        let mut edit = Edit::default();
        edit.insert(List::Notices, &notice);
        let mut rows: Vec<&Row<Notice>> = document.notices.iter().gather();
        rows.sort_by_key(|row| (row.value.read.is_some(), row.value.priority));
        for row in rows.into_iter().skip(MAX_NOTICES - 1) {
            edit.remove(List::Notices, row);
        }
        self.sent.push((number, op, notice.id));
        Some(edit)
    }
}
