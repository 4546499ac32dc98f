//! A storage that outlives hosts: named texts, written several at once or not at all.
//!
//! It also remembers whatever was ever committed to it, so that it can be said of anything a host shows
//! whether it was durable by then.

use std::collections::{BTreeMap, BTreeSet};

use durable_store::format::{Place, RecordId};
use durable_store::{Ask, Failure, FailureKind};

/// Something that tells ops apart, found in texts.
#[derive(Debug, Default)]
pub(super) struct Traces {
    /// The numbers of markers.
    pub(super) marks: BTreeSet<u32>,
    /// The identities that ops have towards the server.
    pub(super) ids: BTreeSet<(String, u64)>,
    /// The tabs' own numbers of ops.
    pub(super) authors: BTreeSet<(String, u64)>,
}

/// Who uses a storage: a life of a host, from when it opened the storage first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tenure {
    pub(super) life: u64,
    /// It has had the storage, and did not let go of it.
    pub(super) holds: bool,
}

/// One storage.
#[derive(Debug, Default)]
pub(super) struct Storage {
    /// The life that has opened it last. What others write is refused.
    holder: Option<u64>,
    texts: BTreeMap<RecordId, String>,
    size: usize,
    /// Bytes that fit in.
    pub(super) limit: Option<usize>,
    /// It says nothing, but to an opening where that is no write.
    pub(super) hangs: bool,
    /// To open it is a write, which puts up the fence.
    opening_writes: bool,
    /// All that was ever committed.
    pub(super) traces: Traces,
}

impl Storage {
    /// An empty one. `opening_writes`: one that hangs does not even open.
    pub(super) fn new(opening_writes: bool) -> Self {
        Self {
            opening_writes,
            ..Self::default()
        }
    }

    /// Does what is asked, or says why not.
    pub(super) fn carry_out(
        &mut self,
        ask: &Ask,
        by: &mut Tenure,
    ) -> Result<Vec<Option<String>>, Failure> {
        if self.hangs && self.opening_writes && *ask == Ask::Open {
            return Err(failure(FailureKind::Silent));
        }
        if *ask == Ask::Open && !by.holds {
            self.holder = Some(by.life);
            by.holds = true;
        }
        if !matches!(ask, Ask::Read(_)) && self.holder != Some(by.life) {
            return Err(failure(FailureKind::Fenced));
        }
        if self.hangs && *ask != Ask::Open {
            // The driver waits for so long, and ends what is under way.
            return Err(failure(FailureKind::Silent));
        }
        match ask {
            Ask::Open => Ok(Vec::new()),
            Ask::Read(ids) => Ok(ids.iter().map(|id| self.texts.get(id).cloned()).collect()),
            Ask::Write { puts, deletes } => self.write(puts, deletes),
            Ask::Wipe => {
                self.texts.clear();
                self.size = 0;
                Ok(Vec::new())
            }
        }
    }

    fn write(
        &mut self,
        puts: &[(RecordId, String)],
        deletes: &[RecordId],
    ) -> Result<Vec<Option<String>>, Failure> {
        // An application's storage may carry them out in any order.
        let is_deleted = |(id, _): &&(RecordId, String)| deletes.contains(id);
        assert_eq!(puts.iter().find(is_deleted), None, "put and deleted");
        let before = |id: &RecordId| self.texts.get(id).map_or(0, String::len);
        let gone: usize = puts.iter().map(|(id, _)| before(id)).sum::<usize>()
            + deletes.iter().map(before).sum::<usize>();
        let come: usize = puts.iter().map(|(_, text)| text.len()).sum();
        let after = (self.size + come).saturating_sub(gone);
        if self
            .limit
            .is_some_and(|limit| after > limit && after > self.size)
        {
            return Err(failure(FailureKind::Quota));
        }
        self.size = after;
        for (id, text) in puts {
            self.traces.scan(text);
            self.texts.insert(id.clone(), text.clone());
        }
        for id in deletes {
            self.texts.remove(id);
        }
        Ok(Vec::new())
    }

    /// Allows for so many more bytes than there are; `None` for any number.
    pub(super) fn set_room(&mut self, room: Option<usize>) {
        self.limit = room.map(|room| self.size + room);
    }

    /// What is kept now, of documents and of all else.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&RecordId, &String)> {
        self.texts.iter()
    }

    /// Whether the journal has a refusal that tabs were not shown yet.
    pub(super) fn has_refusal(&self) -> bool {
        let is_journal = |id: &RecordId| id.store == Place::Meta && id.id.starts_with("journal/");
        let mut journal = self.texts().filter(|(id, _)| is_journal(id));
        journal.any(|(_, text)| text.contains(r#"{"refused":"#))
    }

    /// What the dead letters hold.
    pub(super) fn letters(&self) -> Traces {
        let mut traces = Traces::default();
        let is_letters = |id: &RecordId| id.store == Place::Meta && id.id.starts_with("letter/");
        for (_, text) in self.texts().filter(|(id, _)| is_letters(id)) {
            traces.scan(text);
        }
        traces
    }
}

/// A failure of this kind.
pub(super) fn failure(kind: FailureKind) -> Failure {
    Failure::new(kind, format!("made to fail: {kind:?}"))
}

impl Traces {
    /// Finds all there is in a text.
    pub(super) fn scan(&mut self, text: &str) {
        self.marks.extend(marks(text));
        self.ids.extend(pairs(text, r#""src":""#));
        self.authors.extend(pairs(text, r#""tab":""#));
    }
}

/// The numbers of the markers in a text.
pub(super) fn marks(text: &str) -> impl Iterator<Item = u32> {
    text.match_indices("\"m").filter_map(|(at, start)| {
        let rest = &text[at + start.len()..];
        let end = rest.find('"')?;
        rest[..end].parse().ok()
    })
}

/// Names that begin as given and are followed by a number: `"src":"a","seq":3`.
pub(super) fn pairs<'a>(
    text: &'a str,
    start: &'a str,
) -> impl Iterator<Item = (String, u64)> + use<'a> {
    text.match_indices(start).filter_map(move |(at, _)| {
        let rest = &text[at + start.len()..];
        let (name, rest) = rest.split_once('"')?;
        let digits = rest.strip_prefix(r#","seq":"#)?;
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        Some((name.to_owned(), digits[..end].parse().ok()?))
    })
}
