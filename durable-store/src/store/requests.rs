//! What the storage is asked for, and where its answers go.

use proxy_doc::DocKey;

use super::letters::Letters;
use super::notes::Notes;
use super::{Documents, DurableStore, Phase, StoreEvent};
use crate::format::RecordId;
use crate::inventory::Inventory;

/// Something for the storage to do. Each is answered once, by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Names the answer.
    pub number: u64,
    /// What to do.
    pub what: Ask,
}

/// What a storage can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Open, or open again after a failure; never go on with the same handle.
    Open,
    /// Read these. The answer has a text, or nothing, for each.
    Read(Vec<RecordId>),
    /// Write and delete all of this in one transaction.
    Write {
        /// What to write.
        puts: Vec<(RecordId, String)>,
        /// What to delete.
        deletes: Vec<RecordId>,
    },
    /// Delete everything.
    Wipe,
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What to do about it.
    pub kind: FailureKind,
    /// What applications are told, where the kind does not say it.
    pub code: Option<String>,
    /// The text for people.
    pub message: String,
}

impl Failure {
    /// A failure of which the kind says all.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: None,
            message: message.into(),
        }
    }
}

/// What can be done about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// There is no more space.
    Quota,
    /// The handle is of no use any more.
    Closed,
    /// There was no answer in time. The handle is of no use any more.
    Silent,
    /// There is no storage to be had.
    Unavailable,
    /// Another host has taken the storage, and nothing was written. To open it again would take it back.
    Fenced,
    /// Something else, for this request.
    Other,
}

impl FailureKind {
    /// The kind of this name, as storages in JavaScript say it: `quota`, `closed`, `silent`, `unavailable` or `fenced`.
    pub fn named(name: &str) -> Self {
        match name {
            "quota" => Self::Quota,
            "closed" => Self::Closed,
            "silent" => Self::Silent,
            "unavailable" => Self::Unavailable,
            "fenced" => Self::Fenced,
            _ => Self::Other,
        }
    }
}

/// What an answer is for.
#[derive(Debug)]
pub(super) enum Asked {
    Open,
    Check,
    State,
    Letters,
    Journal,
    JournalDocs,
    Docs(Vec<DocKey>),
    /// The state, to tell damage from another host's write. With a description of the record in question.
    Suspect(String),
    Inventory,
    Session,
    /// Whether a storage that was given up answers again: whether it opens, and whether it reads.
    TrialOpen,
    TrialRead,
    Write {
        evicts: bool,
    },
    /// `restart`: nobody needs what was kept, and the store begins anew.
    Wipe {
        restart: bool,
    },
}

impl Asked {
    /// Whether it is part of opening the storage.
    pub(super) fn opens(&self) -> bool {
        matches!(self, Self::Open | Self::Check)
    }

    /// Whether it changes what is stored.
    pub(super) fn writes(&self) -> bool {
        matches!(self, Self::Write { .. } | Self::Wipe { .. })
    }

    /// Whether it is only to see whether the storage answers.
    pub(super) fn is_trial(&self) -> bool {
        matches!(self, Self::TrialOpen | Self::TrialRead)
    }
}

impl DurableStore {
    /// Reads the inventory, unless that is known or under way.
    pub fn want_inventory(&mut self) {
        let under_way = self
            .asked
            .values()
            .chain(&self.again)
            .any(|(asked, _)| matches!(asked, Asked::Inventory));
        if self.phase == Phase::Ready && !self.has_inventory() && !under_way {
            self.ask(Asked::Inventory, Ask::Read(Inventory::records()));
        }
    }

    /// The next request.
    pub fn poll(&mut self, documents: &dyn Documents) -> Option<Request> {
        if self.requests.is_empty() {
            self.begin_write(documents);
        }
        self.requests.pop_front()
    }

    pub(super) fn ask(&mut self, asked: Asked, ask: Ask) {
        if (self.closed || self.reopening) && !asked.opens() {
            return self.again.push((asked, ask));
        }
        let number = self.next_number;
        self.next_number += 1;
        self.asked.insert(number, (asked, ask.clone()));
        self.requests.push_back(Request { number, what: ask });
    }

    pub(super) fn open(&mut self) {
        self.opening = self.next_number;
        self.ask(Asked::Open, Ask::Open);
    }

    /// What came of a request.
    pub fn handle_reply(
        &mut self,
        number: u64,
        reply: Result<Vec<Option<String>>, Failure>,
        documents: &dyn Documents,
    ) {
        let Some((asked, ask)) = self.asked.remove(&number) else {
            return;
        };
        if self.phase == Phase::Lost && !asked.is_trial() {
            // It is over, which is all that mattered of it.
            return;
        }
        match reply {
            Ok(texts) => {
                // That it opens says nothing of a storage: what failed then has yet to succeed.
                if !asked.opens() {
                    self.failures = 0;
                }
                if asked.writes() {
                    self.doubted = self.doubted.filter(|first| number < *first);
                }
                self.handle_answer(asked, &texts);
            }
            Err(failure) => {
                let is_old = self.reopening || number < self.opening;
                self.handle_failure(asked, ask, failure, is_old, documents);
            }
        }
    }

    fn handle_answer(&mut self, asked: Asked, texts: &[Option<String>]) {
        match asked {
            Asked::Open => self.handle_opened(),
            Asked::Check => self.handle_check(texts),
            Asked::State => self.handle_state(texts),
            Asked::Letters => self.handle_letters(texts),
            Asked::Journal => self.handle_journal(texts),
            Asked::JournalDocs => self.handle_journal_docs(texts),
            Asked::Docs(keys) => self.handle_docs(keys, texts),
            Asked::Suspect(what) => self.handle_suspect(&what, texts),
            Asked::Inventory => self.handle_inventory(texts),
            Asked::Session => self.clear_session(texts),
            Asked::TrialOpen => self.try_reading(),
            Asked::TrialRead => self.events.push_back(StoreEvent::Answers),
            Asked::Write { evicts: true } => {}
            Asked::Write { evicts: false } => {
                self.claimed = true;
                self.handle_written();
            }
            Asked::Wipe { restart } => self.handle_wiped(restart),
        }
    }

    fn handle_opened(&mut self) {
        if self.reopening {
            let ids = vec![RecordId::meta("state")];
            return self.ask(Asked::Check, Ask::Read(ids));
        }
        self.phase = Phase::ReadingState;
        let mut ids = vec![RecordId::meta("state")];
        ids.extend(Letters::first_records());
        ids.extend(Notes::records());
        self.ask(Asked::State, Ask::Read(ids));
    }
}
