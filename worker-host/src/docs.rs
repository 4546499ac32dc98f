//! The documents of the host: each a client of the server, and a server of the tabs.
//!
//! `host_doc` is one document, `state` its confirmed data. [`Docs`] holds all documents, and notes which of them have work
//! left: an op to send, versions to tell, tasks of their machines. `events` turns a machine's events into entries of the
//! document's history and messages to the tabs.
//!
//! What it refuses to do: read or write a message of the server's.

mod events;
pub(crate) mod host_doc;
pub(crate) mod refusals;
pub(crate) mod sending;
pub(crate) mod state;

use std::ops::{Index, IndexMut};

use proxy_doc::{Doc, DocHandle, DocKey, DocMap, Gather, Map, Set, Stack, Task};

use host_doc::HostDoc;
use sending::Sending;

/// All documents that are in memory.
#[derive(Default)]
pub(crate) struct Docs {
    by_handle: Map<DocHandle, HostDoc>,
    by_key: DocMap<DocHandle>,
    next_handle: u32,
    /// Documents whose version or use may have changed in this input.
    touched: Set<DocHandle>,
    /// Documents that were loaded for an input that may still wait.
    fresh: Set<DocHandle>,
    /// Documents with an op under way to the server, and those whose op waits.
    pub(crate) sending: Sending,
    /// Tasks that the document machines have left.
    stack: Stack,
}

impl Docs {
    /// The document's handle, if it is in memory.
    pub(crate) fn find(&self, key: &DocKey) -> Option<DocHandle> {
        self.by_key.get(key).copied()
    }

    /// The document, if it is in memory.
    pub(crate) fn at(&self, key: &DocKey) -> Option<&HostDoc> {
        self.get(self.find(key)?)
    }

    /// The document of a handle that was kept for longer than an input: it may have left the memory.
    pub(crate) fn get(&self, handle: DocHandle) -> Option<&HostDoc> {
        self.by_handle.get(&handle)
    }

    /// As [`Docs::get`].
    pub(crate) fn get_mut(&mut self, handle: DocHandle) -> Option<&mut HostDoc> {
        self.by_handle.get_mut(&handle)
    }

    /// The document's machine, and the stack for its tasks.
    pub(crate) fn machine(&mut self, handle: DocHandle) -> (&mut Doc, &mut Stack) {
        match self.by_handle.get_mut(&handle) {
            Some(doc) => (&mut doc.doc, &mut self.stack),
            None => unknown(),
        }
    }

    /// The next task of a document's machine.
    pub(crate) fn pop_task(&mut self) -> Option<(DocHandle, Task)> {
        self.stack.pop(0)
    }

    /// Adds a document that is not in memory; `max_log`: see [`HostDoc::new`].
    pub(crate) fn add(&mut self, key: DocKey, max_log: usize) -> DocHandle {
        let handle = DocHandle(self.next_handle);
        self.next_handle += 1;
        let doc = HostDoc::new(key.clone(), max_log);
        let before = self.by_key.insert(key, handle);
        assert!(before.is_none(), "a document is in memory once");
        self.by_handle.insert(handle, doc);
        handle
    }

    /// Drops a document from memory.
    pub(crate) fn remove(&mut self, handle: DocHandle) {
        if let Some(doc) = self.by_handle.remove(&handle) {
            self.by_key.remove(doc.key());
        }
    }

    /// Drops all documents from memory.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            next_handle: self.next_handle,
            ..Self::default()
        };
    }

    /// How many documents are in memory.
    pub(crate) fn len(&self) -> usize {
        self.by_handle.len()
    }

    /// All documents.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &HostDoc> {
        self.by_handle.values()
    }

    /// All documents.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut HostDoc> {
        self.by_handle.values_mut()
    }

    /// All handles, to go through documents that act on each other meanwhile.
    pub(crate) fn handles(&self) -> Vec<DocHandle> {
        self.by_handle.keys().copied().gather()
    }

    /// Whether any document has an op that the server has not acknowledged.
    pub(crate) fn any_write_pending(&self) -> bool {
        self.iter().any(|doc| doc.doc.has_write_pending())
    }

    // ---- Documents to look at after an input ----

    /// Notes that the document's version or use may have changed.
    pub(crate) fn touch(&mut self, handle: DocHandle) {
        self.touched.insert(handle);
    }

    /// Notes that all documents may have changed.
    pub(crate) fn touch_all(&mut self) {
        for handle in self.handles() {
            self.touch(handle);
        }
    }

    /// Keeps a loaded document in memory until every input that waits has been carried out.
    pub(crate) fn keep_fresh(&mut self, handle: DocHandle) {
        self.fresh.insert(handle);
    }

    /// Ends that keeping: every input that waited has been carried out.
    pub(crate) fn touch_fresh(&mut self) {
        for handle in std::mem::take(&mut self.fresh).into_values() {
            self.touched.insert(handle);
        }
    }

    /// The touched documents of which an op was rejected.
    pub(crate) fn touched_and_refused(&self) -> Vec<DocHandle> {
        let refused = |handle: &&DocHandle| {
            let doc = self.by_handle.get(handle);
            doc.is_some_and(|doc| doc.refusals.is_some())
        };
        self.touched.iter().filter(refused).copied().gather()
    }

    /// The documents that were touched since the last call.
    pub(crate) fn take_touched(&mut self) -> Vec<DocHandle> {
        let mut touched: Vec<DocHandle> = std::mem::take(&mut self.touched).into_values().gather();
        touched.retain(|handle| self.by_handle.contains_key(handle));
        touched
    }

    /// The documents that were touched since [`Docs::take_touched`].
    pub(crate) fn touched(&self) -> Vec<DocHandle> {
        self.touched.iter().copied().gather()
    }
}

impl Index<DocHandle> for Docs {
    type Output = HostDoc;

    /// The document of a handle that was given out in this input, in which documents do not leave the memory.
    fn index(&self, handle: DocHandle) -> &HostDoc {
        match self.by_handle.get(&handle) {
            Some(doc) => doc,
            None => unknown(),
        }
    }
}

impl IndexMut<DocHandle> for Docs {
    fn index_mut(&mut self, handle: DocHandle) -> &mut HostDoc {
        match self.by_handle.get_mut(&handle) {
            Some(doc) => doc,
            None => unknown(),
        }
    }
}

/// Panics: a handle was used after its document left memory.
fn unknown() -> ! {
    unreachable!("documents leave the memory between inputs")
}
