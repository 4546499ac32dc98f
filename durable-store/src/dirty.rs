//! Dirty tracking: journal records that a document's stored snapshot does not contain yet, and when it must be rewritten.
//!
//! A document is dirty from the first journal record that its own record does not contain. It may also have to be
//! rewritten whether or not it is dirty (`force`), or be deleted. Documents go by a number here, given once; the store
//! may know tens of thousands of them.
//!
//! What it refuses to do: write, or decide how much one write takes. `store/write.rs` does that.

use proxy_doc::{DocHandle, DocKey, DocMap, Fifo, Gather};

use crate::Blocking;

/// Stale entries of `order` that are tolerated before it is compacted, with few dirty documents.
const MANY_OUT_OF_DATE: usize = 64;
/// Tracked documents below which clean ones are not looked for.
const MANY_DOCS: usize = 1024;

/// A document that was read or changed in this life.
#[derive(Debug)]
struct Tracked {
    key: DocKey,
    /// Bytes of its record, as far as that was read or written.
    size: usize,
    /// `None`: its record contains all that happened.
    dirt: Option<Dirt>,
    /// The last journal record that holds an entry of it.
    last: u64,
    /// The place among forced records, where the record must be in one of the next writes and nothing waits for it.
    forced: Option<u64>,
    /// The place among everything to be written, where outputs wait for the record.
    awaited: Option<u64>,
    /// How many of its changes are in no write yet.
    queued: usize,
    /// How many of those outputs wait for.
    unwritten: usize,
    /// Changes up to this place are in its record, so they are dropped from the queue.
    contained: u64,
    /// The host leaves its record and journal entries as they are.
    stays: bool,
    /// The next write deletes its record.
    deleted: bool,
    /// The write under way deletes its record.
    deleting: bool,
    /// The write under way writes its record.
    persisting: bool,
    /// The application asked for its record to be written, at any time.
    put: bool,
}

impl Tracked {
    /// Whether it need not be tracked: it is written, and the journal, which begins with record `first`, has no entry of
    /// it.
    fn is_clean(&self, first: u64) -> bool {
        let is_written = !self.waits() && !self.deleted && !self.deleting && !self.persisting;
        is_written && self.queued == 0 && self.dirt.is_none() && self.last < first
    }

    fn waits(&self) -> bool {
        self.has_to_be_written() || self.unwritten > 0 || self.put
    }

    fn has_to_be_written(&self) -> bool {
        self.forced.is_some() || self.awaited.is_some()
    }
}

/// The entries of the journal that a record does not contain.
#[derive(Clone, Copy, Debug)]
struct Dirt {
    /// The first journal record that holds one of them.
    first: u64,
    entries: usize,
    bytes: usize,
}

/// All documents that the store has met, and which of them are dirty.
#[derive(Debug, Default)]
pub(crate) struct DirtyDocs {
    names: DocMap<DocHandle>,
    docs: Vec<Tracked>,
    /// How many were left when it was tidied last.
    tidied: usize,
    /// Dirty documents by [`Dirt::first`]. Some entries are stale.
    order: Fifo<(u64, DocHandle)>,
    /// Forced documents by place. Some entries are stale.
    forced: Fifo<(u64, DocHandle)>,
    next_forced: u64,
    /// Awaited documents by place. Some entries are stale.
    awaited: Fifo<(u64, DocHandle)>,
    deleted: Vec<DocHandle>,
    deleting: Vec<DocHandle>,
    persisting: Vec<DocHandle>,
    count: usize,
    /// How many wait to be written.
    waiting: usize,
    /// Bytes to write for all dirty documents, about.
    bytes: usize,
}

impl DirtyDocs {
    /// How many documents are dirty, or have to be written.
    pub(crate) fn len(&self) -> usize {
        let doc = |doc: &DocHandle| &self.docs[doc.0 as usize];
        let awaited = self.awaited.iter().filter(|entry| self.is_awaited(entry));
        let awaited = awaited.filter(|(_, awaited)| doc(awaited).dirt.is_none());
        let forced = self.forced.iter().filter(|entry| self.is_forced(entry));
        let forced = forced.map(|(_, forced)| doc(forced));
        let forced = forced.filter(|doc| doc.dirt.is_none() && doc.awaited.is_none());
        self.count + awaited.count() + forced.count()
    }

    /// How many documents wait to be written. Documents whose changes are all in the journal do not count.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether any document is dirty.
    pub(crate) fn any(&self) -> bool {
        self.count > 0
    }

    /// Bytes to write for all dirty documents, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn is_forced(&self, (place, doc): &(u64, DocHandle)) -> bool {
        self.docs[doc.0 as usize].forced == Some(*place)
    }

    fn is_awaited(&self, (place, doc): &(u64, DocHandle)) -> bool {
        self.docs[doc.0 as usize].awaited == Some(*place)
    }

    /// Whether some record has to be written or deleted.
    pub(crate) fn is_urgent(&self) -> bool {
        !self.forced.is_empty() || !self.awaited.is_empty() || !self.deleted.is_empty()
    }

    /// Whether the document is dirty, or its record is not written yet.
    pub(crate) fn is_dirty(&self, key: &DocKey) -> bool {
        let doc = self.tracked(key);
        doc.is_some_and(|doc| doc.dirt.is_some() || doc.has_to_be_written() || doc.persisting)
    }

    /// All dirty documents, in no order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &DocKey> {
        let dirty = self.docs.iter().filter(|doc| doc.dirt.is_some());
        dirty.map(|doc| &doc.key)
    }

    fn tracked(&self, key: &DocKey) -> Option<&Tracked> {
        let doc = self.names.get(key)?;
        Some(&self.docs[doc.0 as usize])
    }

    fn track(&mut self, key: &DocKey) -> DocHandle {
        if let Some(doc) = self.names.get(key) {
            return *doc;
        }
        let doc = DocHandle(self.docs.len() as u32);
        self.names.insert(key.clone(), doc);
        self.docs.push(Tracked {
            key: key.clone(),
            size: 0,
            dirt: None,
            last: 0,
            forced: None,
            awaited: None,
            queued: 0,
            unwritten: 0,
            contained: 0,
            stays: false,
            deleted: false,
            deleting: false,
            persisting: false,
            put: false,
        });
        doc
    }

    /// Stops tracking clean documents that are not in memory, when they may be most of all tracked ones.
    pub(crate) fn tidy_docs(&mut self, first: u64, holds: impl Fn(&DocKey) -> bool) {
        if self.docs.len() < 2 * self.tidied + MANY_DOCS {
            return;
        }
        let mut moved = Vec::with_capacity(self.docs.len());
        let mut kept = Vec::new();
        for tracked in std::mem::take(&mut self.docs) {
            let stays = !tracked.is_clean(first) || holds(&tracked.key);
            moved.push(stays.then_some(DocHandle(kept.len() as u32)));
            if stays {
                kept.push(tracked);
            } else {
                self.names.remove(&tracked.key);
            }
        }
        self.docs = kept;
        self.tidied = self.docs.len();
        let place = |doc: &mut DocHandle| {
            let new = moved[doc.0 as usize];
            *doc = new.unwrap_or(*doc);
            new.is_some()
        };
        self.names.values_mut().for_each(|doc| {
            place(doc);
        });
        self.order.retain(|(_, doc)| place(doc));
        self.forced.retain(|(_, doc)| place(doc));
        self.awaited.retain(|(_, doc)| place(doc));
        for docs in [&mut self.deleted, &mut self.deleting, &mut self.persisting] {
            docs.retain_mut(place);
        }
    }

    fn change(&mut self, doc: DocHandle, change: impl FnOnce(&mut Tracked)) {
        let tracked = &mut self.docs[doc.0 as usize];
        let waited = tracked.waits();
        change(tracked);
        self.waiting = self.waiting + usize::from(tracked.waits()) - usize::from(waited);
    }

    /// Counts a queued change of the document. `blocking`: whether outputs wait for it.
    pub(crate) fn enqueue(&mut self, key: &DocKey, blocking: Blocking) {
        let doc = self.track(key);
        self.change(doc, |tracked| {
            tracked.queued += 1;
            tracked.unwritten += usize::from(blocking == Blocking::Outputs);
        });
    }

    /// Counts the change as no longer queued. Returns whether it must be written: not if the document's record contains it.
    pub(crate) fn dequeue(&mut self, key: &DocKey, place: u64, blocking: Blocking) -> bool {
        let doc = self.track(key);
        self.change(doc, |tracked| {
            tracked.queued -= 1;
            tracked.unwritten -= usize::from(blocking == Blocking::Outputs);
        });
        self.docs[doc.0 as usize].contained < place
    }

    /// Notes that the record which is written or deleted now contains all changes up to this place.
    pub(crate) fn contain(&mut self, key: &DocKey, place: u64) {
        let doc = self.track(key);
        self.docs[doc.0 as usize].contained = place;
    }

    /// Notes that this journal record has an entry of the document.
    pub(crate) fn logged(&mut self, key: &DocKey, journal: u64) {
        let doc = self.track(key);
        self.docs[doc.0 as usize].last = journal;
    }

    /// Notes that the application wants the record to be written at some time.
    pub(crate) fn put(&mut self, key: &DocKey) {
        let doc = self.track(key);
        self.change(doc, |tracked| tracked.put = true);
    }

    /// Adds entries that the journal has from record `first` on, and the document's record has not.
    pub(crate) fn add(&mut self, key: &DocKey, first: u64, entries: usize, bytes: usize) {
        let doc = self.track(key);
        let tracked = &mut self.docs[doc.0 as usize];
        self.bytes += bytes;
        tracked.last = first;
        tracked.stays = false;
        match &mut tracked.dirt {
            Some(dirt) => {
                dirt.entries += entries;
                dirt.bytes += bytes;
            }
            None => {
                tracked.dirt = Some(Dirt {
                    first,
                    entries,
                    bytes,
                });
                self.count += 1;
                self.bytes += tracked.size;
                self.order.push_back((first, doc));
                self.tidy();
            }
        }
    }

    /// Removes stale entries of `order` when they may be most of it.
    fn tidy(&mut self) {
        if self.order.len() < 2 * self.count + MANY_OUT_OF_DATE {
            return;
        }
        let docs = &self.docs;
        let dirt = |doc: &DocHandle| docs[doc.0 as usize].dirt;
        self.order
            .retain(|(first, doc)| dirt(doc).is_some_and(|dirt| dirt.first == *first));
    }

    /// Puts the record into one of the next writes. `awaited`: its place among everything to be written, where outputs wait
    /// for the record. A record that is awaited already keeps its earlier place.
    pub(crate) fn force(&mut self, key: &DocKey, awaited: Option<u64>) {
        let doc = self.track(key);
        let tracked = &mut self.docs[doc.0 as usize];
        tracked.deleted = false;
        tracked.stays = false;
        match awaited {
            Some(_) if tracked.awaited.is_some() => {}
            Some(place) => {
                self.awaited.push_back((place, doc));
                self.change(doc, |tracked| tracked.awaited = Some(place));
            }
            None if tracked.has_to_be_written() => {}
            None => {
                let place = self.next_forced;
                self.next_forced += 1;
                self.forced.push_back((place, doc));
                self.change(doc, |tracked| tracked.forced = Some(place));
            }
        }
    }

    /// The place of the next record that has to be written and that nobody waits for.
    pub(crate) fn next_forced(&self) -> u64 {
        self.next_forced
    }

    /// The first such place that is not in a write yet.
    pub(crate) fn first_forced(&mut self) -> u64 {
        while let Some(entry) = self.forced.front() {
            if self.is_forced(entry) {
                return entry.0;
            }
            self.forced.pop_front();
        }
        self.next_forced
    }

    /// The place of the first record that somebody waits for.
    pub(crate) fn first_awaited(&mut self) -> Option<u64> {
        while let Some(entry) = self.awaited.front() {
            if self.is_awaited(entry) {
                return Some(entry.0);
            }
            self.awaited.pop_front();
        }
        None
    }

    /// Leaves the record as it is: this host cannot read the document, or has quarantined it.
    pub(crate) fn stay(&mut self, key: &DocKey) {
        let doc = self.track(key);
        self.docs[doc.0 as usize].stays = true;
    }

    /// Has the next write delete the document's record.
    pub(crate) fn delete(&mut self, key: &DocKey) {
        let doc = self.track(key);
        self.fill(doc);
        self.change(doc, |tracked| {
            (tracked.forced, tracked.awaited) = (None, None)
        });
        let tracked = &mut self.docs[doc.0 as usize];
        if !std::mem::replace(&mut tracked.deleted, true) {
            self.deleted.push(doc);
        }
    }

    /// Notes that an eviction under way deletes the document's record.
    pub(crate) fn evict(&mut self, key: &DocKey) {
        let doc = self.track(key);
        self.docs[doc.0 as usize].deleting = true;
        self.deleting.push(doc);
    }

    /// Whether the journal from this record on may hold entries of the document.
    pub(crate) fn is_logged_since(&self, key: &DocKey, first: u64) -> bool {
        let doc = self.tracked(key);
        doc.is_some_and(|doc| doc.last >= first)
    }

    /// Whether the next write or the one under way deletes the document's record.
    pub(crate) fn is_deleting(&self, key: &DocKey) -> bool {
        let doc = self.tracked(key);
        doc.is_some_and(|doc| doc.deleted || doc.deleting)
    }

    /// Notes the size of the record, in bytes, when it was read or written.
    pub(crate) fn set_size(&mut self, key: &DocKey, size: usize) {
        let doc = self.track(key);
        let tracked = &mut self.docs[doc.0 as usize];
        if tracked.dirt.is_some() {
            self.bytes = self.bytes + size - tracked.size;
        }
        tracked.size = size;
    }

    /// Marks the document as clean: its record contains all its changes.
    pub(crate) fn clear(&mut self, key: &DocKey) {
        let doc = self.track(key);
        self.fill(doc);
    }

    fn fill(&mut self, doc: DocHandle) {
        self.change(doc, |tracked| tracked.put = false);
        let tracked = &mut self.docs[doc.0 as usize];
        if let Some(dirt) = tracked.dirt.take() {
            self.count -= 1;
            self.bytes -= dirt.bytes + tracked.size;
        }
    }

    /// Notes that the write under way writes the record.
    pub(crate) fn begin(&mut self, key: &DocKey) {
        let doc = self.track(key);
        self.docs[doc.0 as usize].persisting = true;
        self.persisting.push(doc);
    }

    /// The documents whose records the write under way writes.
    pub(crate) fn persisting(&self) -> Vec<DocKey> {
        let docs = self.persisting.iter();
        docs.map(|doc| self.docs[doc.0 as usize].key.clone())
            .gather()
    }

    /// The write succeeded. Returns the documents whose records it wrote.
    pub(crate) fn finish(&mut self) -> Vec<DocKey> {
        let keys = self.persisting();
        for doc in std::mem::take(&mut self.persisting) {
            self.docs[doc.0 as usize].persisting = false;
        }
        keys
    }

    /// The write succeeded: the records that it deleted are gone.
    pub(crate) fn finish_deleting(&mut self) {
        for doc in std::mem::take(&mut self.deleting) {
            self.docs[doc.0 as usize].deleting = false;
        }
    }

    /// Takes the first document whose record outputs wait for.
    pub(crate) fn take_awaited(&mut self) -> Option<DocKey> {
        self.first_awaited()?;
        let (_, doc) = self.awaited.pop_front()?;
        Some(self.unforce(doc))
    }

    /// Takes the document if outputs wait for its record, and returns whether they do.
    pub(crate) fn take_if_awaited(&mut self, key: &DocKey) -> bool {
        let doc = self.track(key);
        let is_awaited = self.docs[doc.0 as usize].awaited.is_some();
        if is_awaited {
            self.unforce(doc);
        }
        is_awaited
    }

    /// Takes the first forced document. Returns also whether outputs have begun to wait for its record since.
    pub(crate) fn take_forced(&mut self) -> Option<(DocKey, bool)> {
        self.first_forced();
        let (_, doc) = self.forced.pop_front()?;
        let awaited = self.docs[doc.0 as usize].awaited.is_some();
        Some((self.unforce(doc), awaited))
    }

    fn unforce(&mut self, doc: DocHandle) -> DocKey {
        self.change(doc, |tracked| {
            (tracked.forced, tracked.awaited) = (None, None)
        });
        self.tidy_forced();
        self.docs[doc.0 as usize].key.clone()
    }

    /// Removes stale entries in front of both queues, so that a queue with entries has a record to write.
    pub(crate) fn tidy_forced(&mut self) {
        self.first_awaited();
        self.first_forced();
    }

    /// Takes the documents that the next write deletes.
    pub(crate) fn take_deleted(&mut self) -> Vec<DocKey> {
        let mut keys = Vec::new();
        for doc in std::mem::take(&mut self.deleted) {
            let tracked = &mut self.docs[doc.0 as usize];
            if std::mem::take(&mut tracked.deleted) {
                tracked.deleting = true;
                self.deleting.push(doc);
                keys.push(tracked.key.clone());
            }
        }
        keys
    }

    /// At most `most` documents to rewrite, those dirty for the longest time first. `worth` decides by the number of
    /// entries, their bytes, and the bytes of the record. Documents whose records stay as they are do not count.
    pub(crate) fn oldest(
        &self,
        most: usize,
        worth: impl Fn(usize, usize, usize) -> bool,
    ) -> Vec<DocKey> {
        let mut keys = Vec::new();
        for (first, doc) in self.order.iter() {
            let tracked = &self.docs[doc.0 as usize];
            let dirt = tracked
                .dirt
                .filter(|dirt| dirt.first == *first && !tracked.stays);
            if dirt.is_some_and(|dirt| worth(dirt.entries, dirt.bytes, tracked.size)) {
                keys.push(tracked.key.clone());
                if keys.len() == most {
                    break;
                }
            }
        }
        keys
    }

    /// The first journal record with an entry that only the journal has, of a document whose record can be rewritten.
    pub(crate) fn first_to_write(&self) -> Option<u64> {
        let is_needed = |(first, doc): &&(u64, DocHandle)| {
            let tracked = &self.docs[doc.0 as usize];
            !tracked.stays && tracked.dirt.is_some_and(|dirt| dirt.first == *first)
        };
        self.order.iter().find(is_needed).map(|(first, _)| *first)
    }

    /// The first journal record with an entry that only the journal has.
    pub(crate) fn first(&mut self) -> Option<u64> {
        while let Some((first, doc)) = self.order.front().copied() {
            let dirt = self.docs[doc.0 as usize].dirt;
            if dirt.is_some_and(|dirt| dirt.first == first) {
                return Some(first);
            }
            self.order.pop_front();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> DocKey {
        DocKey {
            collection: "c".to_owned(),
            id: n.to_string(),
        }
    }

    #[test]
    fn clean_documents_that_nobody_uses_are_forgotten() {
        let mut dirty = DirtyDocs::default();
        let count = 2 * MANY_DOCS;
        for n in 0..count {
            dirty.add(&key(n), 1, 1, 10);
            dirty.set_size(&key(n), n);
        }
        dirty.tidy_docs(1, |_| false);
        assert_eq!(dirty.docs.len(), count, "all of them are dirty");
        for n in (0..count).filter(|n| n % 2 == 0) {
            dirty.clear(&key(n));
        }
        dirty.force(&key(10), None);
        dirty.delete(&key(20));
        dirty.tidied = 0;
        dirty.tidy_docs(1, |_| false);
        assert_eq!(dirty.docs.len(), count, "all of them are in the journal");
        dirty.tidied = 0;
        dirty.tidy_docs(2, |held| *held == key(30));
        assert_eq!(dirty.docs.len(), count / 2 + 3);
        let left: Vec<DocKey> = (0..count).filter(|n| n % 2 == 1).map(key).collect();
        assert_eq!(dirty.oldest(count, |_, _, _| true), left);
        assert_eq!(dirty.take_forced(), Some((key(10), false)));
        assert_eq!(dirty.take_forced(), None);
        assert_eq!(dirty.take_deleted(), [key(20)]);
        let size = dirty.tracked(&key(31)).map(|doc| doc.size);
        assert_eq!(size, Some(31));
    }
}
