//! Watches what hosts say, over all of their lives: nothing is said before it is durable, no number of an
//! op or of a revision is given twice.
//!
//! It reads the messages alone. What it refuses to do: ask a machine.

use std::collections::{BTreeMap, BTreeSet};

use broker::message::{DocEvent, Envelope, Resumed, StorageEvent, ToTab, decode};
use ot_json0::Value;
use proxy_doc::{DocKey, Line, TabId, write_json};

use super::storage::{Storage, marks, pairs};

/// A revision of a document: the line, the collection and id, from where to where.
type RevisionKey = (Line, String, String, u64, u64);

/// What is known of a revision.
#[derive(Debug, Default)]
struct Shown {
    /// The tab that made it, and its number of it; nothing where somebody else did.
    author: Option<(Option<String>, Option<u64>)>,
    change: Option<String>,
}

/// An op as it was sent.
#[derive(Debug)]
struct Sent {
    doc: String,
    marks: BTreeSet<u32>,
    times: usize,
}

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Witness {
    /// Nothing that was inserted ever goes: a snapshot holds nothing that the storage does not.
    strict: bool,
    revisions: BTreeMap<RevisionKey, Shown>,
    /// The tabs that were shown a document, and have not left it.
    holders: BTreeMap<(Line, String, String), BTreeSet<String>>,
    sent: BTreeMap<(String, u64), Sent>,
    /// Which machine of each tab a host has taken last.
    machines: BTreeMap<String, u32>,
}

impl Witness {
    /// `strict`: nothing that was inserted ever goes.
    pub(super) fn new(strict: bool) -> Self {
        Self {
            strict,
            ..Self::default()
        }
    }

    /// A host sends this to the server. `storage`: what has to hold it by now.
    pub(super) fn sent(&mut self, text: &str, storage: Option<&Storage>) -> Option<String> {
        if !text.starts_with(r#"{"a":"op""#) {
            return None;
        }
        let message = Value::parse(text).ok()?;
        let field = |name: &str| message.get(name).map(Value::to_json);
        let doc = format!("{:?} {:?}", field("c"), field("d"));
        let src = message.get("src")?.as_str()?.to_string_lossy();
        let id = (src, message.get("seq")?.as_f64()? as u64);
        let found: BTreeSet<u32> = marks(text).collect();
        if let Some(storage) = storage {
            let traces = &storage.traces;
            if !traces.ids.contains(&id) || !found.is_subset(&traces.marks) {
                return Some(format!("sent before it was durable: {text}"));
            }
        }
        let before = self.sent.entry(id.clone()).or_insert_with(|| Sent {
            doc: doc.clone(),
            marks: found.clone(),
            times: 0,
        });
        before.times += 1;
        let same =
            before.doc == doc && (before.marks.is_subset(&found) || found.is_subset(&before.marks));
        if !same {
            return Some(format!("two ops under {id:?}: {before:?}, then {text}"));
        }
        before.marks.extend(found);
        None
    }

    /// Whether this is an op that bears another name than the host's.
    pub(super) fn is_of_another_life(&self, text: &str, id: Option<&str>) -> bool {
        let mut ops = pairs(text, r#""src":""#).filter(|_| text.starts_with(r#"{"a":"op""#));
        ops.any(|(src, _)| Some(&*src) != id)
    }

    /// Whether what holds the marker was sent no more than once. Of an op that is sent again the server may
    /// refuse one copy and take the other, on an older socket, later.
    pub(super) fn sent_once(&self, mark: u32) -> bool {
        let mut sent = self.sent.values();
        sent.all(|sent| sent.times <= 1 || !sent.marks.contains(&mark))
    }

    /// A host posts this to a tab. `line`: what the tab was told last; `storage`: as above.
    pub(super) fn posted(
        &mut self,
        tab: &str,
        line: &mut Option<Line>,
        text: &str,
        storage: Option<&Storage>,
    ) -> Option<String> {
        // Of what was deleted at once the storage may have the deletion alone.
        let is_op = text.contains(r#""event":{"op":"#);
        if let Some(storage) = storage.filter(|_| self.strict || is_op)
            && let Some(mark) = marks(text).find(|mark| !storage.traces.marks.contains(mark))
        {
            return Some(format!(
                "{tab} is shown m{mark} before it was durable: {text}"
            ));
        }
        let message = decode::<Envelope>(text).ok()?.message;
        match message {
            ToTab::Welcome {
                storage, machine, ..
            } => {
                *line = Some(storage.line);
                self.taken(tab, machine.unwrap_or_default());
                None
            }
            ToTab::Storage(StorageEvent::State(storage)) => {
                *line = Some(storage.line);
                None
            }
            ToTab::Doc {
                collection,
                id,
                event,
            } => self.shown(tab, (*line)?, (collection, id), event, storage),
            ToTab::Storage(_)
            | ToTab::Incompatible { .. }
            | ToTab::Connection(_)
            | ToTab::Callback { .. }
            | ToTab::Query { .. }
            | ToTab::Presence { .. }
            | ToTab::Coordination(_) => None,
        }
    }

    /// The tab says to another host what it holds.
    pub(super) fn resumes(&mut self, tab: &TabId, docs: &[Resumed]) {
        self.left(tab, None);
        for doc in docs {
            if let (Some(line), Some(_)) = (doc.line, doc.revision) {
                let DocKey { collection, id } = doc.key.clone();
                let holders = self.holders.entry((line, collection, id)).or_default();
                holders.insert(tab.0.clone());
            }
        }
    }

    /// A host has taken this machine of a tab. One that follows a crashed machine holds nothing that was shown to that one:
    /// it reads its documents anew, and nobody else may have held them.
    fn taken(&mut self, tab: &str, machine: u32) {
        let before = self.machines.insert(tab.to_owned(), machine);
        if before.unwrap_or_default() < machine {
            self.left(&TabId(tab.to_owned()), None);
        }
    }

    /// The tab is gone, or has left this document. Where nobody is left, nobody can compare revisions.
    pub(super) fn left(&mut self, TabId(tab): &TabId, doc: Option<&DocKey>) {
        let revisions = &mut self.revisions;
        self.holders.retain(|(line, collection, id), holders| {
            if doc.is_none_or(|doc| doc.collection == *collection && doc.id == *id) {
                holders.remove(tab);
            }
            if holders.is_empty() {
                revisions.retain(|(of, c, d, ..), _| (of, c, d) != (line, collection, id));
            }
            !holders.is_empty()
        });
    }

    fn shown(
        &mut self,
        to: &str,
        line: Line,
        (collection, id): (String, String),
        event: DocEvent,
        storage: Option<&Storage>,
    ) -> Option<String> {
        let (from, next, shown) = match event {
            DocEvent::Accepted { seq, revision } => {
                let own = (to.to_owned(), seq.0);
                if storage.is_some_and(|storage| !storage.traces.authors.contains(&own)) {
                    return Some(format!(
                        "op {seq} of {to} is accepted before it was durable"
                    ));
                }
                let author = Some((Some(own.0), Some(own.1)));
                let change = None;
                (revision.0, revision.0 + 1, Shown { author, change })
            }
            DocEvent::Op {
                revision,
                next,
                tab,
                change,
                ..
            } => {
                let author = Some((tab.map(|tab| tab.0), None));
                let change = Some(write_json(&change));
                (revision.0, next.0, Shown { author, change })
            }
            DocEvent::Past { .. }
            | DocEvent::Rejected { .. }
            | DocEvent::Outcome { .. }
            | DocEvent::Version { .. }
            | DocEvent::Rollback { .. }
            | DocEvent::Rebuilt { .. }
            | DocEvent::Load { .. }
            | DocEvent::Error(_) => return None,
        };
        let holders = (line, collection.clone(), id.clone());
        let holders = self.holders.entry(holders).or_default();
        holders.insert(to.to_owned());
        let key = (line, collection, id, from, next);
        let before = self.revisions.entry(key.clone()).or_default();
        let text = format!("{key:?} was {before:?}, then {shown:?} for {to}");
        (!before.learn(shown)).then_some(text)
    }
}

impl Shown {
    /// Adds what else is known. Says whether that fits.
    fn learn(&mut self, other: Self) -> bool {
        let fits = match (&self.author, &other.author) {
            (Some((a, n)), Some((b, m))) => a == b && (n.is_none() || m.is_none() || n == m),
            _ => true,
        };
        let same = match (&self.change, &other.change) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        if self.author.as_ref().is_none_or(|(_, n)| n.is_none()) {
            self.author = other.author;
        }
        self.change = self.change.take().or(other.change);
        fits && same
    }
}
