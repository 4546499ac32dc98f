//! A map that keeps its entries in the order of their keys, in one piece of memory.
//!
//! Made for keys that are counted up: the newest entry is added and found at the end. Elsewhere an
//! entry costs a shift of its neighbours, of which 10,000 take a few microseconds, since values are in
//! boxes. So all maps with keys of one size have the same code, too. Documents by
//! their keys, which come in any order and by the ten thousand, are for [`DocMap`](crate::DocMap).

use std::borrow::Borrow;
use std::ops::Index;
use std::{iter, vec};

/// Entries in the order of their keys.
#[derive(Clone, Debug)]
pub struct Map<K, V> {
    entries: Vec<(K, Box<V>)>,
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Map<K, V> {
    /// A map without entries.
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, value)| (key, &**value))
    }

    /// All entries.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.entries
            .iter_mut()
            .map(|(key, value)| (&*key, &mut **value))
    }

    /// All keys.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.entries.iter().map(|(key, _)| key)
    }

    /// All values.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|(_, value)| &**value)
    }

    /// All values.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> {
        self.entries.iter_mut().map(|(_, value)| &mut **value)
    }

    /// Takes the first entry out.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        (!self.is_empty()).then(|| unboxed(self.entries.remove(0)))
    }

    /// The value with the last key.
    pub fn last_mut(&mut self) -> Option<&mut V> {
        self.entries.last_mut().map(|(_, value)| &mut **value)
    }

    /// All keys, without their values.
    pub fn into_keys(self) -> impl Iterator<Item = K> {
        self.entries.into_iter().map(|(key, _)| key)
    }

    /// All values, without their keys.
    pub fn into_values(self) -> impl Iterator<Item = V> {
        self.entries.into_iter().map(|(_, value)| *value)
    }

    /// Drops all entries.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Drops the entries that `keep` is not true for.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain_mut(|(key, value)| keep(key, value));
    }
}

impl<K: Ord, V> Map<K, V> {
    /// Where the key is, or where it belongs.
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.entries
            .binary_search_by(|(other, _)| other.borrow().cmp(key))
    }

    /// The entries from `key` on.
    pub fn iter_from(&self, key: K) -> impl Iterator<Item = (&K, &V)> {
        let (Ok(at) | Err(at)) = self.place(&key);
        self.entries[at..]
            .iter()
            .map(|(key, value)| (key, &**value))
    }

    /// Whether there is an entry for `key`.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }

    /// The value of `key`.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        self.entries.get(place).map(|(_, value)| &**value)
    }

    /// The value of `key`.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        self.entries.get_mut(place).map(|(_, value)| &mut **value)
    }

    /// Gives `key` a value, and returns the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(place) => Some(std::mem::replace(&mut *self.entries[place].1, value)),
            Err(place) => {
                self.entries.insert(place, (key, Box::new(value)));
                None
            }
        }
    }

    /// Takes the entry of `key` out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        Some(*self.entries.remove(place).1)
    }

    /// The value of `key`; one is made where there is none.
    pub fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.or_insert_with(key, V::default)
    }

    /// The value of `key`; one is made where there is none.
    pub fn or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let place = match self.place(&key) {
            Ok(place) => place,
            Err(place) => {
                self.entries.insert(place, (key, Box::new(make())));
                place
            }
        };
        &mut self.entries[place].1
    }
}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = iter::Map<vec::IntoIter<(K, Box<V>)>, fn((K, Box<V>)) -> (K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter().map(unboxed)
    }
}

fn unboxed<K, V>((key, value): (K, Box<V>)) -> (K, V) {
    (key, *value)
}

impl<K: Ord, V> Index<&K> for Map<K, V> {
    type Output = V;

    fn index(&self, key: &K) -> &V {
        self.get(key).expect("the key is in the map")
    }
}

/// Different values in their order.
#[derive(Clone, Debug)]
pub struct Set<T> {
    values: Map<T, ()>,
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Set<T> {
    /// How many values there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Takes the lowest value out.
    pub fn pop_first(&mut self) -> Option<T> {
        self.values.pop_first().map(|(value, ())| value)
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All values.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.values.keys()
    }

    /// Takes the values out of the set.
    pub fn into_values(self) -> impl Iterator<Item = T> {
        self.values.into_keys()
    }

    /// A set without values.
    pub const fn new() -> Self {
        Self { values: Map::new() }
    }

    /// Drops all values.
    pub fn clear(&mut self) {
        self.values.clear();
    }
}

impl<T: Ord> Set<T> {
    /// Whether it has `value`.
    pub fn contains<Q: Ord + ?Sized>(&self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.values.contains_key(value)
    }

    /// Adds `value`; says whether it was not there.
    pub fn insert(&mut self, value: T) -> bool {
        self.values.insert(value, ()).is_none()
    }

    /// Takes `value` out; says whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.values.remove(value).is_some()
    }
}

impl<T: Ord> Extend<T> for Set<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        for value in values {
            self.insert(value);
        }
    }
}

impl<T: Ord> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut set = Self::new();
        set.extend(values);
        set
    }
}

#[cfg(test)]
mod tests {
    use super::Map;

    #[test]
    fn entries_are_ordered_by_key_whatever_the_insertion_order() {
        let mut map = Map::new();
        for key in [3, 1, 2, 1] {
            map.insert(key, key * 10);
        }
        assert_eq!(map.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(map.insert(2, 0), Some(20));
        assert_eq!(map.remove(&1), Some(10));
        assert_eq!(map.remove(&1), None);
        *map.or_default(0) += 5;
        assert_eq!(
            map.iter().collect::<Vec<_>>(),
            [(&0, &5), (&2, &0), (&3, &30)]
        );
        assert_eq!(
            (map.len(), map.contains_key(&3), map.get(&4)),
            (3, true, None)
        );
    }
}
