//! A store on a storage in memory that fails where a test says so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use durable_store::format::{DocRecord, JournalEntry, RecordId, RecordedOp};
use durable_store::{
    Ask, Blocking, Documents, DurableStore, Failure, FailureKind, Kept, Request, Retention,
    StoreEvent, StoreOptions, WriteLimits,
};
use proxy_doc::{Change, DocKey, Epoch, OpId, Seq, StoredDoc, TabId, Version, json};

/// The documents of a host: what their records hold.
#[derive(Default)]
pub(crate) struct Docs {
    pub(crate) records: BTreeMap<DocKey, DocRecord>,
    pub(crate) used: BTreeSet<DocKey>,
    pub(crate) gone: BTreeSet<DocKey>,
}

impl Documents for Docs {
    fn record(&self, key: &DocKey) -> Kept {
        if self.gone.contains(key) {
            return Kept::Nothing;
        }
        match self.records.get(key) {
            Some(record) => Kept::Record(Box::new(record.clone())),
            None => Kept::AsItIs,
        }
    }

    fn holds(&self, key: &DocKey) -> bool {
        self.used.contains(key)
    }
}

/// A storage with room for so many bytes.
#[derive(Clone, Default)]
pub(crate) struct Storage {
    pub(crate) texts: BTreeMap<RecordId, String>,
    pub(crate) room: Option<usize>,
    pub(crate) writes: usize,
    /// Records that were written, one write after the other.
    pub(crate) puts: usize,
    /// Bytes of them.
    pub(crate) put_bytes: usize,
    /// Hosts that have had it.
    pub(crate) lives: u64,
}

impl Storage {
    pub(crate) fn carry_out(&mut self, ask: &Ask) -> Result<Vec<Option<String>>, Failure> {
        match ask {
            Ask::Open => {}
            Ask::Read(ids) => {
                return Ok(ids.iter().map(|id| self.texts.get(id).cloned()).collect());
            }
            Ask::Write { puts, deletes } => {
                let is_deleted = |(id, _): &&(RecordId, String)| deletes.contains(id);
                assert_eq!(puts.iter().find(is_deleted), None, "put and deleted");
                let mut after = self.texts.clone();
                after.extend(puts.iter().cloned());
                after.retain(|id, _| !deletes.contains(id));
                if self.room.is_some_and(|room| bytes(&after) > room) {
                    return Err(failure(FailureKind::Quota));
                }
                self.texts = after;
                self.writes += 1;
                self.puts += puts.len();
                self.put_bytes += puts.iter().map(|(_, text)| text.len()).sum::<usize>();
            }
            Ask::Wipe => self.texts.clear(),
        }
        Ok(Vec::new())
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.texts.keys().map(|id| id.id.as_str()).collect()
    }
}

pub(crate) fn bytes(texts: &BTreeMap<RecordId, String>) -> usize {
    texts.values().map(String::len).sum()
}

pub(crate) fn failure(kind: FailureKind) -> Failure {
    Failure::new(kind, format!("{kind:?}"))
}

/// A store on its storage, with the requests that were not carried out yet.
pub(crate) struct Life {
    pub(crate) store: DurableStore,
    pub(crate) storage: Storage,
    pub(crate) docs: Docs,
    pub(crate) requests: VecDeque<Request>,
    pub(crate) events: Vec<StoreEvent>,
}

impl Life {
    /// A durable store, open.
    pub(crate) fn open(storage: Storage) -> Self {
        let mut life = Self::closed(storage);
        life.run();
        life
    }

    /// A durable store that writes no more than this at a time, open.
    pub(crate) fn with_limits(storage: Storage, limits: WriteLimits) -> Self {
        let mut life = Self::limited(storage, limits);
        life.run();
        life
    }

    /// A durable store that is about to be opened.
    pub(crate) fn closed(storage: Storage) -> Self {
        Self::limited(storage, WriteLimits::default())
    }

    /// A store that is kept for living tabs only, open.
    pub(crate) fn of_tabs(storage: Storage) -> Self {
        let mut life = Self::with(storage, StoreOptions::default());
        life.run();
        life
    }

    fn limited(storage: Storage, limits: WriteLimits) -> Self {
        let options = StoreOptions {
            retention: Retention::Durable,
            limits,
            comes_back: true,
        };
        Self::with(storage, options)
    }

    fn with(mut storage: Storage, options: StoreOptions) -> Self {
        storage.lives += 1;
        Self {
            store: DurableStore::new(Epoch(2 * storage.lives), options),
            storage,
            docs: Docs::default(),
            requests: VecDeque::new(),
            events: Vec::new(),
        }
    }

    /// What the store asks for next.
    pub(crate) fn ask(&mut self) -> Option<Ask> {
        self.requests.extend(self.store.poll(&self.docs));
        while let Some(event) = self.store.poll_event() {
            self.events.push(event);
        }
        self.requests.front().map(|request| request.what.clone())
    }

    pub(crate) fn answer(&mut self, reply: Result<Vec<Option<String>>, Failure>) {
        let request = self.requests.pop_front().expect("something was asked");
        self.store.handle_reply(request.number, reply, &self.docs);
    }

    /// Lets the store see whether the storage still is the one that it was: the first thing on a new handle.
    pub(crate) fn check(&mut self) {
        let check = self.ask().expect("a check");
        assert!(matches!(&check, Ask::Read(ids) if ids.iter().any(|id| id.id == "state")));
        let reply = self.storage.carry_out(&check);
        self.answer(reply);
    }

    /// Carries out all that is asked.
    pub(crate) fn run(&mut self) {
        while let Some(ask) = self.ask() {
            let reply = self.storage.carry_out(&ask);
            self.answer(reply);
        }
    }

    /// A document with an op that the server has not acknowledged, logged.
    pub(crate) fn edit(&mut self, id: &str, seq: u64) {
        self.edit_of(id, seq, 0);
    }

    /// As [`Life::edit`], of so many bytes.
    pub(crate) fn edit_of(&mut self, id: &str, seq: u64, bytes: usize) {
        let mut entry = local(seq);
        if let JournalEntry::Local { source, .. } = &mut entry {
            let text = format!("\"{}\"", "x".repeat(bytes));
            *source = (bytes > 0).then(|| json(text).expect("valid JSON"));
        }
        let record = self.docs.records.entry(key(id)).or_default();
        record.ops.push(RecordedOp {
            id: op_id(seq),
            change: Change::default(),
            authors: Vec::new(),
            source: None,
        });
        self.docs.used.insert(key(id));
        self.store.log(&key(id), entry, Blocking::Outputs);
    }

    /// A document as the server has it, written whole.
    pub(crate) fn keep(&mut self, id: &str) {
        let record = DocRecord {
            version: Some(Version(1)),
            ..DocRecord::default()
        };
        self.docs.records.insert(key(id), record);
        self.store.rewrite(&key(id), Blocking::Outputs);
        self.run();
        self.docs.used.remove(&key(id));
    }

    pub(crate) fn stored(&self) -> Vec<&StoredDoc> {
        self.store.inventory().expect("it is known").collect()
    }

    /// The documents that the journal has something of.
    pub(crate) fn restored(&self) -> Vec<&DocKey> {
        let restored = self.events.iter().filter_map(|event| match event {
            StoreEvent::Restored(docs) => Some(docs.iter().map(|doc| &doc.key)),
            _ => None,
        });
        restored.flatten().collect()
    }

    /// The documents whose records were asked for, and came.
    pub(crate) fn loaded(&self) -> BTreeSet<DocKey> {
        let loaded = self.events.iter().filter_map(|event| match event {
            StoreEvent::Loaded(docs) => Some(docs.iter().map(|(key, _)| key.clone())),
            _ => None,
        });
        loaded.flatten().collect()
    }

    /// How many changes of a document are applied to its record.
    pub(crate) fn entries_of(&self, id: &str) -> usize {
        let restored = self.events.iter().flat_map(|event| match event {
            StoreEvent::Restored(docs) => docs.as_slice(),
            _ => &[],
        });
        let mut of_doc = restored.filter(|doc| doc.key == key(id));
        of_doc.next().map_or(0, |doc| doc.entries.len())
    }

    pub(crate) fn lost(&self) -> Option<&Failure> {
        self.events.iter().find_map(|event| match event {
            StoreEvent::Lost(failure, _) => Some(failure),
            _ => None,
        })
    }
}

pub(crate) fn key(id: &str) -> DocKey {
    DocKey {
        collection: "c".to_owned(),
        id: id.to_owned(),
    }
}

pub(crate) fn op_id(seq: u64) -> OpId {
    OpId {
        src: Some("src".to_owned()),
        seq: Some(Seq(seq)),
    }
}

/// A tab submitted an op.
pub(crate) fn local(seq: u64) -> JournalEntry {
    JournalEntry::Local {
        tab: TabId("tab".to_owned()),
        seq: Seq(seq),
        id: Some(op_id(seq)),
        change: Change::default(),
        source: None,
    }
}
