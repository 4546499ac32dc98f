//! Watches what hosts say, over all of their lives: nothing is said before it is durable, but changes that tabs keep for
//! the next host; no number of an op or of a revision is given twice. A revision that was shown early may be, when all tabs
//! are gone that have seen it, or a host took over without them.
//!
//! It reads the messages alone. What it refuses to do: ask a machine.

use std::collections::{BTreeMap, BTreeSet};

use broker::message::{
    CallbackId, DocEvent, Early, Envelope, Resumed, StorageEvent, ToTab, decode,
};
use ot_json0::Value;
use proxy_doc::{DocKey, Epoch, Line, TabId, write_json};

use super::check::count_marks;
use super::storage::{Storage, marks, pairs};

/// A revision of a document: the line, the collection and id, from where to where.
type RevisionKey = (Line, String, String, u64, u64);

/// What is known of a revision.
#[derive(Debug, Default)]
struct Shown {
    /// The tab that made it, and its number of it; nothing where somebody else did.
    author: Option<(Option<String>, Option<u64>)>,
    change: Option<String>,
    /// It was said behind a write.
    is_durable: bool,
    /// The tabs that have seen it early.
    seen_by: BTreeSet<String>,
    /// The host that showed it early.
    shown_by: Option<Epoch>,
}

/// An op as it was sent.
#[derive(Debug)]
struct Sent {
    doc: String,
    /// The markers that it inserts.
    marks: BTreeSet<String>,
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
    /// The host that speaks.
    host: Epoch,
    /// A host has told of a change that only an earlier one had shown, early.
    pub(super) has_followed: bool,
    /// Tabs without which a host took over, and that have not come since.
    asleep: BTreeSet<String>,
    /// Documents that tabs leave: until a host has answered this.
    leaving: Vec<(TabId, CallbackId, DocKey)>,
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
        // What an op deletes may be something else when it is sent again.
        let mut inserted = BTreeMap::new();
        count_marks(&message, &mut inserted);
        let inserted = inserted.into_keys().collect::<BTreeSet<String>>();
        let before = self.sent.entry(id.clone()).or_insert_with(|| Sent {
            doc: doc.clone(),
            marks: inserted.clone(),
            times: 0,
        });
        before.times += 1;
        let is_part = before.marks.is_subset(&inserted) || inserted.is_subset(&before.marks);
        let same = before.doc == doc && is_part;
        if !same {
            return Some(format!("two ops under {id:?}: {before:?}, then {text}"));
        }
        before.marks.extend(inserted);
        None
    }

    /// Whether this is an op that bears another name than the host's.
    pub(super) fn is_of_another_life(&self, text: &str, id: Option<&str>) -> bool {
        let mut ops = pairs(text, r#""src":""#).filter(|_| text.starts_with(r#"{"a":"op""#));
        ops.any(|(src, _)| Some(&*src) != id)
    }

    /// Whether what holds the marker was sent no more than once. Of an op that is sent again the server may
    /// refuse one copy and take the other, on an older socket, later.
    pub(super) fn sent_once(&self, mark: &str) -> bool {
        let mut sent = self.sent.values();
        sent.all(|sent| sent.times <= 1 || !sent.marks.contains(mark))
    }

    /// A host posts this to a tab. `line`: what the tab was told last; `storage`: as above.
    pub(super) fn posted(
        &mut self,
        tab: &str,
        line: &mut Option<Line>,
        text: &str,
        storage: Option<&Storage>,
    ) -> Option<String> {
        if is_early(text) {
            // It counts when it arrives.
            return None;
        }
        // Of what was deleted at once the storage may have the deletion alone.
        let is_op = text.contains(r#""event":{"op":"#);
        if let Some(storage) = storage.filter(|_| self.strict || is_op)
            && let Some(mark) = marks(text).find(|mark| !storage.traces.marks.contains(mark))
        {
            return Some(format!(
                "{tab} is shown m{mark} before it was durable: {text}"
            ));
        }
        let Envelope { epoch, message } = decode::<Envelope>(text).ok()?;
        self.host = epoch;
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
            ToTab::Callback { callback_id, .. } => {
                self.answered(tab, callback_id);
                None
            }
            ToTab::Durable {}
            | ToTab::Storage(_)
            | ToTab::Incompatible { .. }
            | ToTab::Connection(_)
            | ToTab::Query { .. }
            | ToTab::Presence { .. }
            | ToTab::Coordination(_) => None,
        }
    }

    /// A tab is given this. `line`: what the tab was told last.
    pub(super) fn arrived(&mut self, tab: &str, line: Option<Line>, text: &str) -> Option<String> {
        if !is_early(text) || self.asleep.contains(tab) {
            return None;
        }
        let Envelope { epoch, message } = decode::<Envelope>(text).ok()?;
        self.host = epoch;
        match message {
            ToTab::Doc {
                collection,
                id,
                event,
            } => self.shown(tab, line?, (collection, id), event, None),
            other => Some(format!("shown early to {tab}: {other:?}")),
        }
    }

    /// A host took over without the tab.
    pub(super) fn slept(&mut self, TabId(tab): &TabId) {
        self.asleep.insert(tab.clone());
        self.forget_early(tab, None);
    }

    /// What the tab has seen early of all documents, or of this one, it sees no more.
    fn forget_early(&mut self, tab: &str, doc: Option<&DocKey>) {
        self.revisions.retain(|(_, collection, id, ..), shown| {
            if doc.is_none_or(|doc| doc.collection == *collection && doc.id == *id) {
                shown.seen_by.remove(tab);
            }
            shown.is_durable || !shown.seen_by.is_empty()
        });
    }

    /// The tab says to another host what it holds.
    pub(super) fn resumes(&mut self, tab: &TabId, docs: &[Resumed]) {
        self.asleep.remove(&tab.0);
        self.leaving.retain(|(of, ..)| of != tab);
        self.leave_documents(tab, None);
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

    /// The tab says that it leaves a document. What the host had said before may still wait for a write.
    pub(super) fn leaves(&mut self, tab: &TabId, doc: DocKey, callback: Option<CallbackId>) {
        match callback {
            Some(callback) => self.leaving.push((tab.clone(), callback, doc)),
            None => self.left(tab, Some(&doc)),
        }
    }

    /// The host answers a request of the tab.
    fn answered(&mut self, tab: &str, callback: CallbackId) {
        let leaves = |(of, by, _): &(TabId, CallbackId, DocKey)| of.0 == tab && *by == callback;
        if let Some(at) = self.leaving.iter().position(leaves) {
            let (tab, _, doc) = self.leaving.remove(at);
            self.left(&tab, Some(&doc));
        }
    }

    /// The tab is gone, or has left this document. Where nobody is left, nobody can compare revisions.
    pub(super) fn left(&mut self, tab: &TabId, doc: Option<&DocKey>) {
        self.forget_early(&tab.0, doc);
        self.leave_documents(tab, doc);
    }

    fn leave_documents(&mut self, TabId(tab): &TabId, doc: Option<&DocKey>) {
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
            DocEvent::Accepted {
                seq,
                revision,
                early,
            } => {
                let own = (to.to_owned(), seq.0);
                if storage.is_some_and(|storage| !storage.traces.authors.contains(&own)) {
                    return Some(format!(
                        "op {seq} of {to} is accepted before it was durable"
                    ));
                }
                let shown = Shown {
                    author: Some((Some(own.0), Some(own.1))),
                    ..Shown::default()
                };
                (
                    revision.0,
                    revision.0 + 1,
                    self.seen(to, early.as_ref(), shown),
                )
            }
            DocEvent::Op {
                revision,
                next,
                tab,
                change,
                early,
                ..
            } => {
                let shown = Shown {
                    author: Some((tab.map(|tab| tab.0), None)),
                    change: Some(write_json(&change)),
                    ..Shown::default()
                };
                (revision.0, next.0, self.seen(to, early.as_ref(), shown))
            }
            DocEvent::Past { .. }
            | DocEvent::Rejected { .. }
            | DocEvent::Outcome { .. }
            | DocEvent::Taken { .. }
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
        let by = before.shown_by.filter(|_| !before.is_durable);
        self.has_followed |= shown.is_durable && by.is_some_and(|by| by != self.host);
        let text = format!("{key:?} was {before:?}, then {shown:?} for {to}");
        (!before.learn(shown)).then_some(text)
    }

    /// A revision as the tab is told of it: early, or behind the write.
    fn seen(&self, to: &str, early: Option<&Early>, mut shown: Shown) -> Shown {
        shown.is_durable = early.is_none();
        if early.is_some() {
            shown.seen_by.insert(to.to_owned());
            shown.shown_by = Some(self.host);
        }
        shown
    }
}

/// Whether the message shows a change early.
pub(super) fn is_early(text: &str) -> bool {
    text.contains(r#""early":{"#)
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
        self.is_durable |= other.is_durable;
        self.seen_by.extend(other.seen_by);
        self.shown_by = self.shown_by.or(other.shown_by);
        fits && same
    }
}
