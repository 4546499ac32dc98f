//! The formats in which documents, journal and inventory are stored.
//!
//! A storage holds named texts in two stores, `docs` and `meta`, and writes any number of them at once
//! or not at all. That is little enough for any storage an application may bring.
//!
//! | record | holds |
//! |---|---|
//! | `meta` `state` | [`StoreState`]: where the journal begins, and what no document owns |
//! | `meta` `journal/<n>` | [`JournalRecord`]: what one commit changed, in order |
//! | `meta` `inventory/<n>` | a list of [`StoredDoc`]: the documents of one bucket, their versions, who has pending ops |
//! | `meta` `letter/<n>` | a [`DeadLetter`] |
//! | `meta` `letter-index` | [`LetterIndex`]: which letters there are |
//! | `meta` `letters` | a list of all [`DeadLetter`]s: read, and written by earlier versions only |
//! | `meta` `coordination…` | a [`Note`]: what tabs agreed on |
//! | `docs` `<collection>/<id>` | [`DocRecord`]: a whole document, as it was after a journal record |

use proxy_doc::{
    Change, DocKey, Epoch, Error, Json, Line, OpId, Outcome, Revision, Seq, TabId, Version,
    present, wire,
};

/// The schema of these records. A store of a newer schema is not touched.
pub const SCHEMA: u32 = 1;

/// Where a text is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordId {
    /// The store.
    pub store: Place,
    /// The name in it.
    pub id: String,
}

/// The two stores of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// One record for each document.
    Docs,
    /// The journal, dead letters, and what concerns the store as a whole.
    Meta,
}

impl Place {
    /// The name of the store in a storage.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docs => "docs",
            Self::Meta => "meta",
        }
    }
}

/// A text that is no document's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// What tabs agreed on.
    Decisions,
    /// The state that they share.
    State,
    /// What they told each other last.
    Broadcasts,
    /// That a session has ended. It outlives the tabs: one that was away may come back to a store of others.
    Ended,
}

impl Note {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Decisions, Self::State, Self::Broadcasts, Self::Ended];
}

impl RecordId {
    pub(crate) fn note(note: Note) -> Self {
        Self::meta(match note {
            Note::Decisions => "coordination",
            Note::State => "coordination-state",
            Note::Broadcasts => "coordination-broadcasts",
            Note::Ended => "coordination-ended",
        })
    }

    pub(crate) fn meta(id: impl Into<String>) -> Self {
        Self {
            store: Place::Meta,
            id: id.into(),
        }
    }

    /// A document's. Collections and ids may hold any character, so a `/` in a collection is escaped.
    pub(crate) fn doc(key: &DocKey) -> Self {
        let collection = key.collection.replace('%', "%25").replace('/', "%2F");
        Self {
            store: Place::Docs,
            id: format!("{collection}/{}", key.id),
        }
    }

    pub(crate) fn journal(n: u64) -> Self {
        Self::meta(format!("journal/{n}"))
    }
}

/// What no document owns.
#[derive(Clone, Debug, Default)]
pub struct StoreState {
    /// The [`SCHEMA`] of all records.
    pub schema: u32,
    /// The host that wrote last.
    pub epoch: Epoch,
    /// The history in which this store's revisions can be compared.
    pub line: Line,
    /// How many hosts the store has had.
    pub view: u64,
    /// The oldest journal record.
    pub first: u64,
    /// Tabs that may still hold a document.
    pub tabs: Vec<TabId>,
    /// Tabs that a host took over without.
    pub asleep: Vec<Asleep>,
    /// The connection ids that applications chose, and the number that no op has had under each.
    pub numbers: Vec<OpId>,
    /// There is a [`LetterIndex`].
    pub has_letters: bool,
}

wire!(struct StoreState {
    schema = "schema";
    epoch = "life" or Epoch(0);
    line = "line";
    view = "view" or 0;
    first = "first";
    tabs = "tabs";
    asleep = "asleep" or Vec::new();
    numbers = "numbers";
    has_letters = "letters";
});

/// A tab that did not come to a host before that took over. What the tab was shown early by a host before that one is void,
/// where no later host has it.
#[derive(Clone, Debug)]
pub struct Asleep {
    /// The tab.
    pub tab: TabId,
    /// The host's [`StoreState::view`].
    pub view: u64,
}

wire!(struct Asleep {
    tab = "tab";
    view = "view";
});

/// One commit.
#[derive(Debug, Default)]
pub struct JournalRecord {
    /// The record's number; none where an earlier version wrote it.
    pub number: Option<u64>,
    /// Tabs that came since the one before.
    pub tabs: Vec<TabId>,
    /// See [`StoreState::numbers`]: those that changed.
    pub numbers: Vec<OpId>,
    /// What changed.
    pub entries: Vec<Logged>,
}

wire!(struct JournalRecord {
    number = "n";
    tabs = "tabs";
    numbers = "numbers";
    entries = "entries";
});

/// A journal entry, and its document.
#[derive(Debug)]
pub struct Logged {
    /// The document.
    pub key: DocKey,
    /// What happened to it.
    pub entry: JournalEntry,
}

wire!(struct Logged {
    key = "doc";
    entry = "entry";
});

/// What happens to a document again and again. Everything else is rare, and rewrites its record.
#[derive(Clone, Debug)]
pub enum JournalEntry {
    /// A tab submitted an op.
    Local {
        /// The tab.
        tab: TabId,
        /// The tab's number of the op.
        seq: Seq,
        /// The identity that it got; none where it became part of the op before it.
        id: Option<OpId>,
        /// What it does, at the head.
        change: Change,
        /// The source to send along.
        source: Option<Json>,
    },
    /// The server committed somebody else's op.
    Remote {
        /// The version before.
        v: Version,
        /// The author's connection id.
        src: Option<String>,
        /// What it did, as it came.
        change: Change,
    },
    /// The server committed one of this host's.
    Ack {
        /// The identity of the op.
        id: OpId,
        /// The version before.
        v: Version,
        /// What the server added to it.
        fixups: Vec<Change>,
    },
    /// The server refused the oldest op that it had not acknowledged, and the ops after it stay as they are. Tabs still
    /// see the op: see [`DocRecord::refusal`].
    Refused {
        /// The op's identity.
        id: OpId,
        /// What the server said.
        error: Error,
        /// The op itself was not refused: it does not apply without one that was refused for this reason.
        follows: bool,
    },
    /// The document is forgotten, with all that was logged of it before.
    Forgotten {},
}

wire!(enum JournalEntry {
    Local = "local" { tab = "tab"; seq = "seq"; id = "id"; change = "change"; source = "source" },
    Remote = "remote" { v = "v"; src = "src"; change = "change" },
    Ack = "ack" { id = "id"; v = "v"; fixups = "fixups" or Vec::new() },
    Refused = "refused" { id = "id"; error = "error"; follows = "follows" or false },
    Forgotten = "forgotten" {},
});

/// A whole document.
#[derive(Clone, Debug, Default)]
pub struct DocRecord {
    /// The document; none where an earlier version wrote the record.
    pub key: Option<DocKey>,
    /// Journal records up to this number are contained.
    pub at: u64,
    /// The [`StoreState::view`] of the host that wrote it.
    pub view: u64,
    /// The server's version; none where nothing was loaded and nothing acknowledged.
    pub version: Option<Version>,
    /// The URI of the confirmed type; none where there is no document.
    pub ty: Option<String>,
    /// The confirmed data before the tail; absent is `undefined`.
    pub data: Option<Json>,
    /// The version of which the data is missing.
    pub missing: Option<Version>,
    /// Committed edits since.
    pub tail: Vec<Json>,
    /// The newest revision.
    pub head: Revision,
    /// The revisions that a tab may still stand at.
    pub log: Vec<RecordedSpan>,
    /// Ops that the server has not acknowledged.
    pub ops: Vec<RecordedOp>,
    /// The last refusal of an op that [`DocRecord::log`] still shows to tabs; none where it shows no refused op.
    pub refusal: Option<Error>,
    /// What tabs were not told yet, as far as is known.
    pub outcomes: Vec<RecordedOutcome>,
    /// The last op of each tab.
    pub seen: Vec<Author>,
    /// What happened since, and could not be applied here: its type was not known, say.
    pub rest: Vec<JournalEntry>,
}

impl DocRecord {
    /// What cannot be so of a record of this document: it was not written like this.
    pub(crate) fn damage(&self, key: &DocKey) -> Option<&'static str> {
        let has_data = self.data.is_some() || !self.tail.is_empty();
        if self.key.as_ref().is_some_and(|own| own != key) {
            Some("it is another document's")
        } else if self.version.is_none() && (self.ty.is_some() || has_data) {
            Some("it has no version")
        } else if self.ty.is_none() && has_data {
            Some("it has no type")
        } else {
            None
        }
    }

    /// Whether it holds ops that the server has not acknowledged, be it some that could not be applied.
    pub(crate) fn has_pending_ops(&self) -> bool {
        let is_local = |entry: &JournalEntry| matches!(entry, JournalEntry::Local { .. });
        !self.ops.is_empty() || self.rest.iter().any(is_local)
    }
}

wire!(struct DocRecord {
    key = "doc";
    at = "at";
    view = "view" or 0;
    version = "version";
    ty = "type";
    data = "data", by present;
    missing = "missing";
    tail = "tail";
    head = "revision";
    log = "log";
    ops = "ops";
    refusal = "refusal";
    outcomes = "outcomes";
    seen = "seen";
    rest = "rest";
});

/// What a storage gives in place of a document that it has and cannot give: why.
#[derive(Debug)]
pub struct Illegible {
    /// It could not be decrypted, say.
    pub error: Error,
}

wire!(struct Illegible {
    error = "error";
});

/// Who made an op.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The tab.
    pub tab: TabId,
    /// Its number of the op.
    pub seq: Seq,
}

wire!(struct Author {
    tab = "tab";
    seq = "seq";
});

/// A change that tabs were shown, and the revisions between which it stands.
#[derive(Clone, Debug)]
pub struct RecordedSpan {
    /// The revision before.
    pub from: Revision,
    /// The revision after.
    pub next: Revision,
    /// What it did.
    pub change: Change,
    /// The tab that made it.
    pub author: Option<Author>,
    /// The server's version after it, where it moved that.
    pub version: Option<Version>,
    /// The author's connection id.
    pub src: Option<String>,
}

wire!(struct RecordedSpan {
    from = "from";
    next = "next";
    change = "change";
    author = "author";
    version = "version";
    src = "src";
});

/// An op that the server has not acknowledged.
#[derive(Clone, Debug)]
pub struct RecordedOp {
    /// Its identity, for ever.
    pub id: OpId,
    /// What it does, on top of those before it.
    pub change: Change,
    /// Whose submissions it holds.
    pub authors: Vec<Author>,
    /// The source to send along.
    pub source: Option<Json>,
}

wire!(struct RecordedOp {
    id = "id";
    change = "change";
    authors = "authors";
    source = "source";
});

/// How an op ended that its tab may not have heard of.
#[derive(Clone, Debug)]
pub struct RecordedOutcome {
    /// The tab that submitted the op, and its number of it.
    pub author: Author,
    /// What its callback is told.
    pub outcome: Outcome,
}

wire!(struct RecordedOutcome {
    author = "author";
    outcome = "outcome";
});

/// Which letters there are.
#[derive(Debug, Default)]
pub struct LetterIndex {
    /// The number of the next letter.
    pub next: u64,
    /// The numbers of those that there are, ascending.
    pub runs: Vec<LetterRun>,
}

wire!(struct LetterIndex {
    next = "next";
    runs = "runs";
});

/// Letters whose numbers follow each other.
#[derive(Debug)]
pub struct LetterRun {
    /// The number of the first.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
}

wire!(struct LetterRun {
    first = "first";
    last = "last";
});
