//! JavaScript objects as JSON sees them: string keys, array indices first in ascending order, then
//! the others in the order they came.
//!
//! Lookup stays fast for objects of any size, and nothing ever iterates a hash table: the table only
//! points into the ordered list.

use crate::string::Str;
use crate::tree::{self, copy_inner};
use crate::value::Value;
use std::{fmt, slice, vec};

/// Up to this many keys a scan is quicker than a table.
const SCAN_KEYS: usize = 8;

/// A JSON object with JavaScript's key order.
#[derive(Default)]
pub struct Object(Box<Entries>);

#[derive(Default)]
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
        if let Some(old) = self.get_mut(&key) {
            return Some(std::mem::replace(old, value));
        }
        match array_index(&key) {
            Some(index) => {
                let at = self.0.find_index(index).unwrap_or_else(|at| at);
                self.0.indices.insert(at, (key, value));
            }
            None => self.0.push_named(key, value),
        }
        None
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

    /// Drops all keys and values.
    pub(crate) fn clear(&mut self) {
        self.0.indices.clear();
        self.0.named.clear();
        self.0.table.clear();
        self.0.live = 0;
    }

    /// Takes out all keys and values, in JavaScript's order.
    pub(crate) fn take_entries(&mut self) -> IntoIter {
        self.0.table.clear();
        self.0.live = 0;
        IntoIter {
            indices: std::mem::take(&mut self.0.indices).into_iter(),
            named: std::mem::take(&mut self.0.named).into_iter(),
        }
    }

    /// A copy; for `levels` see [`tree::copy_inner`].
    pub(crate) fn copy(&self, levels: usize) -> Object {
        let entry = |(key, value): &(Str, Value)| (key.clone(), copy_inner(value, levels));
        let named = self.0.named.iter();
        Object(Box::new(Entries {
            indices: self.0.indices.iter().map(entry).collect(),
            named: named.map(|slot| slot.as_ref().map(entry)).collect(),
            table: self.0.table.clone(),
            live: self.0.live,
        }))
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

/// The keys and values that were taken out of an [`Object`].
pub(crate) struct IntoIter {
    indices: vec::IntoIter<(Str, Value)>,
    named: vec::IntoIter<Option<(Str, Value)>>,
}

impl Iterator for IntoIter {
    type Item = (Str, Value);

    fn next(&mut self) -> Option<Self::Item> {
        let named = &mut self.named;
        self.indices
            .next()
            .or_else(|| named.find_map(|entry| entry))
    }
}

impl Entries {
    fn find_index(&self, index: u32) -> Result<usize, usize> {
        self.indices
            .binary_search_by_key(&Some(index), |(key, _)| array_index(key))
    }

    fn find_named(&self, key: &Str) -> Option<usize> {
        if self.table.is_empty() {
            return self
                .named
                .iter()
                .position(|slot| matches!(slot, Some((k, _)) if k == key));
        }
        let mask = self.table.len() - 1;
        let mut at = hash(key) as usize & mask;
        loop {
            let slot = (self.table[at] as usize).checked_sub(1)?;
            if matches!(&self.named[slot], Some((k, _)) if k == key) {
                return Some(slot);
            }
            at = (at + 1) & mask;
        }
    }

    fn push_named(&mut self, key: Str, value: Value) {
        let hashed = hash(&key);
        self.named.push(Some((key, value)));
        self.live += 1;
        if self.table.is_empty() {
            if self.named.len() > SCAN_KEYS {
                self.rebuild();
            }
        } else if self.named.len() * 2 > self.table.len() {
            self.rebuild();
        } else {
            place(&mut self.table, hashed, self.named.len());
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
fn hash(key: &Str) -> u32 {
    let mixed = key.as_wtf8().iter().fold(0x811C_9DC5_u32, |h, b| {
        (h ^ u32::from(*b)).wrapping_mul(0x0100_0193)
    });
    mixed ^ (mixed >> 15)
}

/// The number a key stands for if JavaScript sorts it first: canonical decimal, at most 2^32 - 2.
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
        self.copy(tree::LEVELS)
    }
}

/// Same keys, same values; the order of keys does not matter.
impl PartialEq for Object {
    fn eq(&self, other: &Object) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .all(|(key, value)| other.get(key) == Some(value))
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
