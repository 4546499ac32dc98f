//! Collecting into a vector by code that all iterators over the same items share.

/// `Iterator::collect` into a vector is copied for each kind of iterator, which in the modules that a browser downloads is
/// several kilobytes. This asks for the next item through a call, and takes no size in advance.
pub trait Gather: Iterator + Sized {
    /// The items that are left.
    fn gather(mut self) -> Vec<Self::Item> {
        gathered(&mut || self.next())
    }
}

impl<I: Iterator> Gather for I {}

#[inline(never)]
fn gathered<T>(next: &mut dyn FnMut() -> Option<T>) -> Vec<T> {
    let mut items = Vec::new();
    while let Some(item) = next() {
        items.push(item);
    }
    items
}
