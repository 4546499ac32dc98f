//! JavaScript arrays as JSON sees them: a list of values that may be nested however deep.

use crate::tree::{self, Children, ChildrenMut};
use crate::value::Value;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::vec;

/// A JSON array: a [`Vec`] that is copied, compared and dropped without overflowing the stack, however deep its
/// elements are nested.
#[derive(Default)]
pub struct Array(Vec<Value>);

impl Array {
    /// The elements.
    pub fn into_vec(mut self) -> Vec<Value> {
        std::mem::take(&mut self.0)
    }
}

impl Deref for Array {
    type Target = Vec<Value>;

    fn deref(&self) -> &Vec<Value> {
        &self.0
    }
}

impl DerefMut for Array {
    fn deref_mut(&mut self) -> &mut Vec<Value> {
        &mut self.0
    }
}

impl Clone for Array {
    fn clone(&self) -> Array {
        tree::descend(|| Array(self.0.clone())).unwrap_or_else(|| {
            let mut copied = tree::shallow_array(self);
            tree::copy_deep(
                Children::Items(self.iter()),
                ChildrenMut::Items(copied.iter_mut()),
            );
            copied
        })
    }
}

impl PartialEq for Array {
    fn eq(&self, other: &Array) -> bool {
        tree::descend(|| self.0 == other.0).unwrap_or_else(|| {
            self.len() == other.len() && tree::equal_deep(self.iter().zip(&other.0).collect())
        })
    }
}

impl Drop for Array {
    fn drop(&mut self) {
        if tree::descend(|| self.0.clear()).is_none() {
            tree::drop_deep(ChildrenMut::Items(self.0.iter_mut()));
        }
    }
}

impl From<Vec<Value>> for Array {
    fn from(items: Vec<Value>) -> Array {
        Array(items)
    }
}

impl FromIterator<Value> for Array {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Array {
        Array(items.into_iter().collect())
    }
}

impl IntoIterator for Array {
    type Item = Value;
    type IntoIter = vec::IntoIter<Value>;

    fn into_iter(self) -> vec::IntoIter<Value> {
        self.into_vec().into_iter()
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
