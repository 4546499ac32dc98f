//! A queue whose code is a quarter of a `VecDeque`'s in the modules that a browser downloads.
//!
//! Items are in boxes, so that queues of all kinds of items share their code, and in one piece of memory. What is taken
//! from the front leaves an empty place; the places go when they are half of all, so taking costs the same
//! however long the queue is. Inserting and removing elsewhere shifts pointers.

use std::iter::{self, Flatten};
use std::{mem, vec};

/// Items in the order in which they came.
#[derive(Clone, Debug)]
pub struct Fifo<T> {
    /// Empty places, then items.
    places: Vec<Option<Box<T>>>,
    /// How many places are empty.
    head: usize,
}

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Fifo<T> {
    /// Fewer empty places than this are left alone.
    const FEW: usize = 32;

    /// A queue without items.
    pub const fn new() -> Self {
        Self {
            places: Vec::new(),
            head: 0,
        }
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.places.len() - self.head
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an item at the end.
    pub fn push_back(&mut self, item: T) {
        self.places.push(Some(Box::new(item)));
    }

    /// Adds an item before all others.
    pub fn push_front(&mut self, item: T) {
        self.close_gap();
        self.insert(0, item);
    }

    /// Adds an item before the one at `at`, which must not lie behind the end.
    pub fn insert(&mut self, at: usize, item: T) {
        self.places.insert(self.head + at, Some(Box::new(item)));
    }

    /// Takes the first item out.
    pub fn pop_front(&mut self) -> Option<T> {
        let item = self.places.get_mut(self.head)?.take()?;
        self.head += 1;
        if self.head >= Self::FEW.max(self.len()) || self.is_empty() {
            self.close_gap();
        }
        Some(*item)
    }

    /// Takes the first item out, where `is_due` is true for it.
    pub fn pop_front_if(&mut self, is_due: impl FnOnce(&T) -> bool) -> Option<T> {
        if !is_due(self.front()?) {
            return None;
        }
        self.pop_front()
    }

    /// The first item.
    pub fn front(&self) -> Option<&T> {
        self.iter().next()
    }

    /// The last item.
    pub fn back(&self) -> Option<&T> {
        self.iter().next_back()
    }

    /// The last item.
    pub fn back_mut(&mut self) -> Option<&mut T> {
        self.iter_mut().next_back()
    }

    /// Takes the item at `at` out, counted from the front.
    pub fn remove(&mut self, at: usize) -> Option<T> {
        if at >= self.len() {
            return None;
        }
        self.places.remove(self.head + at).map(|item| *item)
    }

    /// Cuts the queue before the item at `at`, which must not lie behind the end, and gives the part behind.
    #[must_use]
    pub fn split_off(&mut self, at: usize) -> Self {
        Self {
            places: self.places.split_off(self.head + at),
            head: 0,
        }
    }

    /// All items.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.iter_from(0)
    }

    /// The items from `at` on, which must not lie behind the end.
    pub fn iter_from(&self, at: usize) -> impl DoubleEndedIterator<Item = &T> {
        let items = self.places[self.head + at..].iter();
        items.flatten().map(|item| &**item)
    }

    /// All items.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        let items = self.places[self.head..].iter_mut();
        items.flatten().map(|item| &mut **item)
    }

    /// How many items `is_before` is true for, which must be the first ones.
    pub fn partition_point(&self, is_before: impl Fn(&T) -> bool) -> usize {
        let items = &self.places[self.head..];
        items.partition_point(|item| item.as_ref().is_some_and(|item| is_before(item)))
    }

    /// Drops the items that `keep` is not true for.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        let is_kept = |item: &mut Option<Box<T>>| item.as_mut().is_some_and(|item| keep(item));
        self.places.retain_mut(is_kept);
        self.head = 0;
    }

    /// Drops all items.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    fn close_gap(&mut self) {
        self.places.drain(..mem::take(&mut self.head));
    }
}

impl<T> Extend<T> for Fifo<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        for item in items {
            self.push_back(item);
        }
    }
}

impl<T> FromIterator<T> for Fifo<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut fifo = Self::new();
        fifo.extend(items);
        fifo
    }
}

impl<T> IntoIterator for Fifo<T> {
    type Item = T;
    type IntoIter = iter::Map<Flatten<vec::IntoIter<Option<Box<T>>>>, fn(Box<T>) -> T>;

    fn into_iter(self) -> Self::IntoIter {
        self.places.into_iter().flatten().map(|item| *item)
    }
}

#[cfg(test)]
mod tests {
    use super::Fifo;
    use std::collections::VecDeque;

    #[test]
    fn agrees_with_a_vec_deque_whatever_is_done_to_it() {
        let (mut fifo, mut model, mut longest) = (Fifo::new(), VecDeque::new(), 0);
        for n in 0..5000_usize {
            let at = n % (model.len() + 1);
            match n * n % 11 {
                0 | 1 => assert_eq!(fifo.pop_front(), model.pop_front()),
                4 => {
                    fifo.push_front(n);
                    model.push_front(n);
                }
                5 if n % 7 == 0 => {
                    fifo.insert(at, n);
                    model.insert(at, n);
                }
                5 if n % 3 == 0 => {
                    let popped = fifo.pop_front_if(|item| *item % 2 == 0);
                    assert_eq!(popped, model.pop_front_if(|item| *item % 2 == 0));
                }
                5 if n % 5 == 0 => assert_eq!(fifo.remove(at), model.remove(at)),
                5 if n % 13 == 0 => {
                    fifo.retain(|item| *item % 3 != 0);
                    model.retain(|item| *item % 3 != 0);
                }
                5 if n % 17 == 0 => {
                    let (back, model_back) = (fifo.split_off(at), model.split_off(at));
                    assert!(back.into_iter().eq(model_back));
                }
                _ => {
                    fifo.extend([n, n + 1]);
                    model.extend([n, n + 1]);
                }
            }
            longest = longest.max(model.len());
            assert!(fifo.iter().eq(&model) && fifo.iter_mut().eq(&mut model));
            assert!(
                fifo.iter_from(at.min(model.len()))
                    .eq(model.range(at.min(model.len())..))
            );
            assert_eq!(
                (fifo.len(), fifo.front(), fifo.back()),
                (model.len(), model.front(), model.back())
            );
        }
        assert!(longest > 100, "the queue became long");
    }

    #[test]
    fn what_is_taken_leaves_no_more_places_than_there_are_items() {
        let mut fifo: Fifo<usize> = (0..10_000).collect();
        for n in 0..9_000 {
            assert_eq!(fifo.pop_front(), Some(n));
            assert!(fifo.head <= Fifo::<usize>::FEW.max(fifo.len()));
        }
        assert_eq!(fifo.partition_point(|item| *item < 9_500), 500);
    }
}
