//! A map of documents by their keys, of which there may be many.
//!
//! Keys come in any order and by the ten thousand, so entries are in sorted chunks: adding and removing shift
//! a chunk's entries at most, and one pointer for each chunk. A `BTreeMap` does the same in ten times the code, which a
//! browser would download for each kind of value. For keys that are counted up there is [`Map`](crate::Map).

use std::mem;

use crate::DocKey;

/// A chunk of so many entries is divided.
const FULL: usize = 512;

/// Values by the key of their document, in the keys' order.
#[derive(Clone, Debug)]
pub struct DocMap<V> {
    /// Sorted, in each and among them; none is empty.
    chunks: Vec<Vec<(DocKey, V)>>,
}

impl<V> Default for DocMap<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> DocMap<V> {
    /// A map without entries.
    pub const fn new() -> Self {
        Self { chunks: Vec::new() }
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether there is an entry for `key`.
    pub fn contains_key(&self, key: &DocKey) -> bool {
        self.get(key).is_some()
    }

    /// The value of `key`.
    pub fn get(&self, key: &DocKey) -> Option<&V> {
        let (chunk, place) = self.place(key);
        Some(&self.chunks.get(chunk)?.get(place.ok()?)?.1)
    }

    /// Gives `key` a value, and returns the one it had.
    pub fn insert(&mut self, key: DocKey, value: V) -> Option<V> {
        match self.place(&key) {
            (chunk, Ok(at)) => Some(mem::replace(&mut self.chunks[chunk][at].1, value)),
            (chunk, Err(at)) => {
                self.insert_at(chunk, at, (key, value));
                None
            }
        }
    }

    /// The value of `key`; it is `value` where there was none.
    pub fn or_insert(&mut self, key: DocKey, value: V) -> &mut V {
        let (chunk, at) = match self.place(&key) {
            (chunk, Ok(at)) => (chunk, at),
            (chunk, Err(at)) => self.insert_at(chunk, at, (key, value)),
        };
        &mut self.chunks[chunk][at].1
    }

    /// Takes the entry of `key` out.
    pub fn remove(&mut self, key: &DocKey) -> Option<V> {
        let (at, place) = self.place(key);
        let chunk = self.chunks.get_mut(at)?;
        let (_, value) = chunk.remove(place.ok()?);
        if chunk.is_empty() {
            self.chunks.remove(at);
        }
        Some(value)
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = &DocKey> {
        self.chunks.iter().flatten().map(|(key, _)| key)
    }

    /// All values.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.chunks.iter_mut().flatten().map(|(_, value)| value)
    }

    /// Drops all entries.
    pub fn clear(&mut self) {
        self.chunks.clear();
    }

    /// The chunk of `key`, and where in it the key is, or where it belongs.
    fn place(&self, key: &DocKey) -> (usize, Result<usize, usize>) {
        let begins_before = |chunk: &Vec<(DocKey, V)>| chunk[0].0 <= *key;
        let at = self.chunks.partition_point(begins_before).saturating_sub(1);
        let place = self.chunks.get(at).map_or(Err(0), |chunk| {
            chunk.binary_search_by(|(other, _)| other.cmp(key))
        });
        (at, place)
    }

    /// Adds an entry, and returns where it is then.
    fn insert_at(&mut self, chunk: usize, at: usize, entry: (DocKey, V)) -> (usize, usize) {
        if self.chunks.is_empty() {
            self.chunks.push(Vec::new());
        }
        let entries = &mut self.chunks[chunk];
        entries.insert(at, entry);
        if entries.len() < FULL {
            return (chunk, at);
        }
        let rest = entries.split_off(FULL / 2);
        self.chunks.insert(chunk + 1, rest);
        match at.checked_sub(FULL / 2) {
            Some(at) => (chunk + 1, at),
            None => (chunk, at),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{DocMap, FULL};
    use crate::DocKey;

    #[test]
    fn agrees_with_a_tree_whatever_order_the_keys_come_in() {
        let (mut map, mut model) = (DocMap::new(), BTreeMap::new());
        let key = |n: usize| DocKey {
            collection: (n % 3).to_string(),
            id: (n * 7919 % 6007).to_string(),
        };
        for n in 0..6 * FULL {
            assert_eq!(map.insert(key(n), n), model.insert(key(n), n));
            assert_eq!(
                map.or_insert(key(n / 2), 0),
                model.entry(key(n / 2)).or_insert(0)
            );
            if n % 3 == 0 {
                assert_eq!(map.remove(&key(n / 3)), model.remove(&key(n / 3)));
            }
        }
        assert!(map.chunks.len() > 3 && map.keys().eq(model.keys()));
        assert!(map.values_mut().eq(model.values_mut()));
        for n in 0..6 * FULL {
            assert_eq!(map.get(&key(n)), model.get(&key(n)));
            assert_eq!(map.remove(&key(n)), model.remove(&key(n)));
        }
        assert!(map.is_empty());
    }
}
