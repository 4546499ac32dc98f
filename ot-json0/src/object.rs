//! JavaScript objects as JSON sees them: string keys, array indices first in ascending order, then
//! the others in the order they came.
//!
//! Lookup stays fast for objects of any size, and nothing ever iterates a hash table: the table only
//! points into the ordered list.

use crate::string::Str;
use crate::tree::{self, Children, ChildrenMut};
use crate::value::Value;
use std::{fmt, slice};

/// Up to this many keys a scan is quicker than a table.
const SCAN_KEYS: usize = 8;

/// A JSON object with JavaScript's key order.
#[derive(Default)]
pub struct Object(Box<Entries>);

#[derive(Clone, Default)]
struct Entries {
    /// Keys that are array indices, ascending.
    indices: Vec<(Str, Value)>,
    /// The other keys in order of arrival; `None` where one was removed.
    named: Vec<Option<(Str, Value)>>,
    /// Open-addressed table of positions in `named`, plus one; empty while a scan does.
    table: Vec<u32>,
    /// How many of `named` are there.
    live: usize,
}

impl Object {
    /// An empty object.
    pub fn new() -> Object {
        Object::default()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.indices.len() + self.0.live
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value under `key`.
    pub fn get(&self, key: &Str) -> Option<&Value> {
        match array_index(key) {
            Some(index) => {
                let at = self.0.find_index(index).ok()?;
                Some(&self.0.indices[at].1)
            }
            None => {
                let at = self.0.find_named(key)?;
                self.0.named[at].as_ref().map(|(_, value)| value)
            }
        }
    }

    /// The value under `key`, to change.
    pub fn get_mut(&mut self, key: &Str) -> Option<&mut Value> {
        match array_index(key) {
            Some(index) => {
                let at = self.0.find_index(index).ok()?;
                Some(&mut self.0.indices[at].1)
            }
            None => {
                let at = self.0.find_named(key)?;
                self.0.named[at].as_mut().map(|(_, value)| value)
            }
        }
    }

    /// Whether `key` is there.
    pub fn contains_key(&self, key: &Str) -> bool {
        self.get(key).is_some()
    }

    /// Puts `value` under `key`; an existing key keeps its place. Returns the value it replaced.
    pub fn insert(&mut self, key: Str, value: Value) -> Option<Value> {
        let entries = &mut *self.0;
        let held = match array_index(&key) {
            Some(index) => match entries.find_index(index) {
                Ok(at) => Some(&mut entries.indices[at].1),
                Err(at) => {
                    entries.indices.insert(at, (key, value));
                    return None;
                }
            },
            None => match entries.find_named(&key) {
                Some(at) => entries.named[at].as_mut().map(|(_, held)| held),
                None => {
                    entries.push_named(key, value);
                    return None;
                }
            },
        };
        held.map(|held| std::mem::replace(held, value))
    }

    /// Removes `key` and returns its value.
    pub fn remove(&mut self, key: &Str) -> Option<Value> {
        match array_index(key) {
            Some(index) => {
                let at = self.0.find_index(index).ok()?;
                Some(self.0.indices.remove(at).1)
            }
            None => self.0.remove_named(key),
        }
    }

    /// Keys and values in JavaScript's order.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            indices: self.0.indices.iter(),
            named: self.0.named.iter(),
        }
    }

    /// The values, to change.
    pub(crate) fn iter_mut(&mut self) -> IterMut<'_> {
        IterMut {
            indices: self.0.indices.iter_mut(),
            named: self.0.named.iter_mut(),
        }
    }

    /// The keys and values, consumed, in JavaScript's order.
    pub(crate) fn into_entries(mut self) -> impl Iterator<Item = (Str, Value)> {
        let indices = std::mem::take(&mut self.0.indices);
        let named = std::mem::take(&mut self.0.named);
        indices.into_iter().chain(named.into_iter().flatten())
    }

    /// Each value with the one that `other` has under the same key; `None` where not all keys are the same.
    pub(crate) fn pairs<'a>(&'a self, other: &'a Object) -> Option<Vec<(&'a Value, &'a Value)>> {
        let pair = |(key, value)| Some((value, other.get(key)?));
        let pairs: Option<Vec<_>> = self.iter().map(pair).collect();
        pairs.filter(|pairs| pairs.len() == other.len())
    }
}

/// The keys and values of an [`Object`], in JavaScript's order.
pub struct Iter<'a> {
    indices: slice::Iter<'a, (Str, Value)>,
    named: slice::Iter<'a, Option<(Str, Value)>>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a Str, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        let entry = match self.indices.next() {
            Some(entry) => entry,
            None => self.named.find_map(Option::as_ref)?,
        };
        Some((&entry.0, &entry.1))
    }
}

/// The values of an [`Object`], to change.
pub(crate) struct IterMut<'a> {
    indices: slice::IterMut<'a, (Str, Value)>,
    named: slice::IterMut<'a, Option<(Str, Value)>>,
}

impl<'a> Iterator for IterMut<'a> {
    type Item = &'a mut Value;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = match self.indices.next() {
            Some(entry) => entry,
            None => self.named.find_map(Option::as_mut)?,
        };
        Some(&mut entry.1)
    }
}

impl Entries {
    fn find_index(&self, index: u32) -> Result<usize, usize> {
        self.indices
            .binary_search_by_key(&Some(index), |(key, _)| array_index(key))
    }

    #[inline]
    fn find_named(&self, key: &Str) -> Option<usize> {
        if self.table.is_empty() {
            return self
                .named
                .iter()
                .position(|slot| matches!(slot, Some((k, _)) if *k == *key));
        }
        let mask = self.table.len() - 1;
        let mut at = hash(key) as usize & mask;
        loop {
            let slot = (self.table[at] as usize).checked_sub(1)?;
            if matches!(&self.named[slot], Some((k, _)) if *k == *key) {
                return Some(slot);
            }
            at = (at + 1) & mask;
        }
    }

    fn push_named(&mut self, key: Str, value: Value) {
        let at = self.named.len() + 1;
        let full = at * 2 > self.table.len();
        if !full {
            place(&mut self.table, hash(&key), at);
        }
        self.named.push(Some((key, value)));
        self.live += 1;
        if full && at > SCAN_KEYS {
            self.rebuild();
        }
    }

    fn remove_named(&mut self, key: &Str) -> Option<Value> {
        let at = self.find_named(key)?;
        self.live -= 1;
        if self.table.is_empty() {
            return self.named.remove(at).map(|(_, value)| value);
        }
        let removed = self.named[at].take();
        if self.named.len() > 2 * self.live + SCAN_KEYS {
            self.rebuild();
        }
        removed.map(|(_, value)| value)
    }

    /// Drops the gaps and makes the table anew, with room to double.
    fn rebuild(&mut self) {
        self.named.retain(Option::is_some);
        self.table.clear();
        if self.named.len() <= SCAN_KEYS {
            return;
        }
        self.table
            .resize((self.named.len() * 4).next_power_of_two(), 0);
        for (at, (key, _)) in self.named.iter().flatten().enumerate() {
            place(&mut self.table, hash(key), at + 1);
        }
    }
}

fn place(table: &mut [u32], hashed: u32, entry: usize) {
    let mask = table.len() - 1;
    let mut at = hashed as usize & mask;
    while table[at] != 0 {
        at = (at + 1) & mask;
    }
    table[at] = entry as u32;
}

/// FNV-1a with a final mix, so that the low bits depend on every byte.
#[inline]
fn hash(key: &Str) -> u32 {
    let mixed = key.as_wtf8().iter().fold(0x811C_9DC5_u32, |h, b| {
        (h ^ u32::from(*b)).wrapping_mul(0x0100_0193)
    });
    mixed ^ (mixed >> 15)
}

/// The number a key stands for if JavaScript sorts it first: canonical decimal, at most 2^32 - 2.
#[inline]
pub(crate) fn array_index(key: &Str) -> Option<u32> {
    let digits = key.as_wtf8();
    match digits {
        [b'0'] => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 10 => {}
        _ => return None,
    }
    let mut number: u64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u64::from(digit - b'0');
    }
    u32::try_from(number).ok().filter(|n| *n != u32::MAX)
}

impl Clone for Object {
    fn clone(&self) -> Object {
        tree::descend(|| Object(self.0.clone())).unwrap_or_else(|| {
            let mut copied = tree::shallow_object(self);
            tree::copy_deep(
                Children::Entries(self.iter()),
                ChildrenMut::Entries(copied.iter_mut()),
            );
            copied
        })
    }
}

/// Same keys, same values; the order of keys does not matter.
impl PartialEq for Object {
    fn eq(&self, other: &Object) -> bool {
        let same = |(key, value)| other.get(key) == Some(value);
        tree::descend(|| self.len() == other.len() && self.iter().all(same))
            .unwrap_or_else(|| self.pairs(other).is_some_and(tree::equal_deep))
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        let entries = &mut *self.0;
        let dropped = tree::descend(|| {
            entries.indices.clear();
            entries.named.clear();
        });
        if dropped.is_none() {
            tree::drop_deep(ChildrenMut::Entries(self.iter_mut()));
        }
    }
}

impl FromIterator<(Str, Value)> for Object {
    fn from_iter<I: IntoIterator<Item = (Str, Value)>>(entries: I) -> Object {
        let mut object = Object::new();
        for (key, value) in entries {
            object.insert(key, value);
        }
        object
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
