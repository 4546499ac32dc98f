//! Which documents the store has.
//!
//! Kept in buckets, so that a change of one document rewrites a small record however many there are,
//! and so that any storage will do that can read a record by its name.

use proxy_doc::{DocKey, Gather, Set, StoredDoc, Version, write_json};

use crate::format::RecordId;

/// Buckets: with ten thousand documents a bucket has forty.
const BUCKETS: usize = 256;

/// All documents of the store.
#[derive(Debug)]
pub(crate) struct Inventory {
    buckets: Vec<Vec<StoredDoc>>,
    /// Buckets of the storage that cannot be read. They stay as they are.
    illegible: Set<usize>,
}

impl Default for Inventory {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| Vec::new()).gather(),
            illegible: Set::new(),
        }
    }
}

impl Inventory {
    /// The records to read.
    pub(crate) fn records() -> Vec<RecordId> {
        (0..BUCKETS).map(record).gather()
    }

    /// Fills the buckets, in the order of [`Inventory::records`]; `None` is one that cannot be read. Says whether each
    /// could be.
    pub(crate) fn fill(
        &mut self,
        buckets: impl Iterator<Item = Option<Option<Vec<StoredDoc>>>>,
    ) -> bool {
        for (at, (bucket, read)) in self.buckets.iter_mut().zip(buckets).enumerate() {
            let own = |stored: &StoredDoc| bucket_of(&stored.key) == at;
            let Some(read) = read.map(Option::unwrap_or_default) else {
                self.illegible.insert(at);
                continue;
            };
            if !read.iter().all(own) {
                self.illegible.insert(at);
            }
            // What was put in meanwhile is newer.
            for stored in read.into_iter().filter(own) {
                if !bucket.iter().any(|known| known.key == stored.key) {
                    bucket.push(stored);
                }
            }
        }
        self.illegible.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &StoredDoc> {
        self.buckets.iter().flatten()
    }

    pub(crate) fn get(&self, key: &DocKey) -> Option<&StoredDoc> {
        self.buckets[bucket_of(key)]
            .iter()
            .find(|stored| stored.key == *key)
    }

    /// Notes what is known of a document. Says whether that is news.
    pub(crate) fn put(&mut self, key: &DocKey, version: Option<Version>, pending: bool) -> bool {
        let bucket = &mut self.buckets[bucket_of(key)];
        let stored = StoredDoc {
            key: key.clone(),
            version,
            pending,
        };
        match bucket.iter_mut().find(|known| known.key == *key) {
            Some(known) if *known == stored => return false,
            Some(known) => *known = stored,
            None => bucket.push(stored),
        }
        true
    }

    /// Forgets a document. Says whether it was known.
    pub(crate) fn remove(&mut self, key: &DocKey) -> bool {
        let bucket = &mut self.buckets[bucket_of(key)];
        let before = bucket.len();
        bucket.retain(|known| known.key != *key);
        bucket.len() < before
    }

    /// The records that say of these documents what is so now.
    pub(crate) fn records_of(&self, keys: &[DocKey]) -> Vec<(RecordId, String)> {
        let mut changed = [false; BUCKETS];
        for key in keys {
            changed[bucket_of(key)] = true;
        }
        let changed =
            (0..BUCKETS).filter(|bucket| changed[*bucket] && !self.illegible.contains(bucket));
        changed
            .map(|bucket| (record(bucket), write_json(&self.buckets[bucket])))
            .gather()
    }

    /// Brings the inventory in an older write up to date. What is `unsettled` may have pending ops where the
    /// write ends: nobody must take it for clean then.
    pub(crate) fn refresh(
        &self,
        puts: &mut [(RecordId, String)],
        is_unsettled: impl Fn(&DocKey) -> bool,
    ) {
        for (id, text) in puts {
            let bucket = (0..BUCKETS).find(|bucket| record(*bucket) == *id);
            if let Some(bucket) = bucket {
                let stored = self.buckets[bucket].iter().map(|stored| StoredDoc {
                    pending: stored.pending || is_unsettled(&stored.key),
                    ..stored.clone()
                });
                *text = write_json(&stored.collect::<Vec<StoredDoc>>());
            }
        }
    }
}

fn record(bucket: usize) -> RecordId {
    RecordId::meta(format!("inventory/{bucket}"))
}

/// FNV-1a over both names: the same in every build, since the records stay.
fn bucket_of(key: &DocKey) -> usize {
    let bytes = key.collection.bytes().chain([0]).chain(key.id.bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash as usize % BUCKETS
}
