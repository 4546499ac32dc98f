//! Adding a component to the end of an op, merged with the last one where ot-json0 merges: the step
//! that compose, normalize and transform are made of.

use crate::coerce::{add, strict_eq};
use crate::component::Component;
use crate::error::Error;
use crate::field::{Name, Payload};
use crate::op::Json0;
use crate::string::Str;
use crate::text0;
use crate::value::Value;

/// The growing end of an op inside a list whose components are being read at the same time: finished
/// ones before `end`, empty places up to `next`, unread ones from there on. So an op is transformed in
/// the place it has, and what does not change does not move.
pub(crate) struct Tail {
    list: Vec<Component>,
    end: usize,
    next: usize,
    /// The last finished component is not what stood before the next one so far.
    changed: bool,
    /// The next component has been altered since it was read.
    altered: bool,
}

impl Tail {
    /// Appends behind everything that is there.
    pub(crate) fn at_end(mut list: Vec<Component>) -> Tail {
        if let Some(last) = list.last_mut() {
            last.make_finite();
        }
        let end = list.len();
        Tail {
            list,
            end,
            next: end,
            changed: true,
            altered: false,
        }
    }

    /// Reads and rebuilds the list from its start.
    pub(crate) fn at_start(list: Vec<Component>) -> Tail {
        Tail {
            list,
            end: 0,
            next: 0,
            changed: false,
            altered: false,
        }
    }

    /// The next component to be read.
    #[inline(always)]
    pub(crate) fn peek(&mut self) -> Option<&Component> {
        let component = self.list.get_mut(self.next)?;
        component.make_finite();
        Some(component)
    }

    /// Changes the next component where it is.
    pub(crate) fn alter_next<T>(
        &mut self,
        alter: impl FnOnce(&mut Component) -> Option<T>,
    ) -> Option<T> {
        let component = self.list.get_mut(self.next)?;
        component.note_apart(false);
        self.altered = true;
        alter(component)
    }

    /// Takes the next component out.
    pub(crate) fn take(&mut self) -> Option<Component> {
        self.altered = false;
        self.changed = true;
        let component = std::mem::take(self.list.get_mut(self.next)?);
        self.next += 1;
        Some(component)
    }

    /// Takes out all that is still to be read, which keeps the list's memory: it is the longer part.
    pub(crate) fn take_rest(&mut self) -> Vec<Component> {
        let mut rest = std::mem::take(&mut self.list);
        self.list = rest.drain(..self.next).take(self.end).collect();
        self.next = self.end;
        rest
    }

    /// Appends the next component as it is.
    pub(crate) fn keep(&mut self, json0: &Json0) -> Result<(), Error> {
        if self.next_stands_apart() {
            if self.end < self.next {
                self.list.swap(self.end, self.next);
            }
            self.end += 1;
            self.next += 1;
            self.changed = std::mem::take(&mut self.altered);
            return Ok(());
        }
        match self.take() {
            Some(component) => append(json0, self, component),
            None => Ok(()),
        }
    }

    /// Whether the next component does not merge with the one directly before it.
    fn next_stands_apart(&mut self) -> bool {
        let (done, unread) = self.list.split_at_mut(self.next);
        let Some(component) = unread.first_mut() else {
            return false;
        };
        let Some(last) = done[..self.end].last() else {
            return true;
        };
        if self.changed || !component.stands_apart() {
            component.note_apart(stands_apart(last, component));
        }
        component.stands_apart()
    }

    /// The finished list, once everything has been read.
    pub(crate) fn finish(mut self) -> Vec<Component> {
        self.list.drain(self.end..self.next);
        self.list
    }

    /// Reads and rebuilds the list once more, from its start.
    pub(crate) fn restart(&mut self) {
        *self = Tail::at_start(std::mem::replace(self, Tail::at_start(Vec::new())).finish());
    }

    /// The last finished component, which may be changed.
    fn last(&mut self) -> Option<&mut Component> {
        self.changed = true;
        self.list[..self.end].last_mut()
    }

    fn pop(&mut self) {
        self.changed = true;
        self.end -= 1;
        if self.next == self.list.len() && self.end + 1 == self.next {
            self.list.pop();
            self.next = self.end;
        } else {
            self.list[self.end] = Component::default();
        }
    }

    fn push(&mut self, mut component: Component) {
        component.note_apart(false);
        self.changed = true;
        if self.end < self.next {
            self.list[self.end] = component;
        } else {
            self.list.insert(self.end, component);
            self.next += 1;
        }
        self.end += 1;
    }
}

/// Whether two paths are the same, segment by segment.
fn same_path(a: &[Value], b: &[Value]) -> bool {
    a.len() == b.len()
        && a.iter()
            .rev()
            .zip(b.iter().rev())
            .all(|(a, b)| strict_eq(Some(a), Some(b)))
}

/// The path of the string that an `si` or `sd` component works on.
fn string_path(c: &Component) -> &[Value] {
    c.path.split_last().map_or(&[], |(_, parents)| parents)
}

/// Certainly nothing to merge.
fn stands_apart(last: &Component, c: &Component) -> bool {
    let plain = |c: &Component| !c.has(Name::T) && !c.has(Name::O) && !c.path.is_empty();
    if last.is_text() && c.is_text() {
        return plain(last) && plain(c) && !same_path(string_path(last), string_path(c));
    }
    !same_path(&last.path, &c.path)
}

/// Appends `c`, merging it with the last component where that is possible.
pub(crate) fn append(json0: &Json0, dest: &mut Tail, mut c: Component) -> Result<(), Error> {
    let Some(last) = dest.last() else {
        dest.push(c);
        return Ok(());
    };
    if last.is_text() && c.is_text() {
        return append_text(dest, c);
    }
    if !same_path(&last.path, &c.path) {
        dest.push(c);
        return Ok(());
    }
    match merge(json0, last, &mut c)? {
        Merge::Into => {}
        Merge::Both => dest.pop(),
        Merge::No => dest.push(c),
    }
    Ok(())
}

/// Two `si` or `sd` components in a row: one string's are composed as text0, and both lose the `t` and
/// `o` that ot-json0 puts on them and takes off again.
fn append_text(dest: &mut Tail, mut c: Component) -> Result<(), Error> {
    let Some(last) = dest.last() else {
        return Ok(());
    };
    if !same_path(string_path(last), string_path(&c)) {
        last.restore_edit();
        c.restore_edit();
        dest.push(c);
        return Ok(());
    }
    let (first, second) = (last.edit()?, c.edit()?);
    last.drop_subtype_fields();
    c.drop_subtype_fields();
    if second.text.is_empty() {
        return Ok(());
    }
    if first.touches(&second) {
        // The last component lets go of its text, which can then be extended in place.
        last.set_edit(text0::Edit::new(first.at, Str::new(), first.insert));
        last.set_edit(first.merged(second));
        return Ok(());
    }
    dest.push(c);
    Ok(())
}

enum Merge {
    /// Not possible.
    No,
    /// The last component now does both, or the new one does nothing.
    Into,
    /// They cancel out.
    Both,
}

/// Merges a component into the last one at the same path. The order of the cases is ot-json0's.
fn merge(json0: &Json0, last: &mut Component, c: &mut Component) -> Result<Merge, Error> {
    if let (Some(subtype), true) = (json0.subtype(c), same_subtype(last, c)) {
        let undefined = Value::Null;
        let first = last.value(Name::O).unwrap_or(&undefined);
        let second = c.value(Name::O).unwrap_or(&undefined);
        let composed = subtype.compose(first, second)?;
        last.set(Name::O, Payload::new(composed));
        return Ok(Merge::Into);
    }
    if let (Some(first), Some(second)) = (last.filled(Name::Na), c.filled(Name::Na)) {
        let sum = Payload::new(add(first, second));
        let path = std::mem::take(&mut last.path);
        *last = Component::with_field(path, Name::Na, sum);
        return Ok(Merge::Into);
    }
    if last.has(Name::Li) && !c.has(Name::Li) && strict_eq(c.value(Name::Ld), last.value(Name::Li))
    {
        if !last.has(Name::Ld) {
            return Ok(Merge::Both);
        }
        last.remove(Name::Li);
        return Ok(Merge::Into);
    }
    if last.has(Name::Od)
        && !last.has(Name::Oi)
        && !c.has(Name::Od)
        && let Some(inserted) = c.payload(Name::Oi)
    {
        last.set(Name::Oi, inserted.clone());
        return Ok(Merge::Into);
    }
    if last.has(Name::Oi) && c.has(Name::Od) {
        if let Some(inserted) = c.payload(Name::Oi) {
            last.set(Name::Oi, inserted.clone());
        } else if last.has(Name::Od) {
            last.remove(Name::Oi);
        } else {
            return Ok(Merge::Both);
        }
        return Ok(Merge::Into);
    }
    if c.has(Name::Lm) && strict_eq(c.path.last(), c.value(Name::Lm)) {
        return Ok(Merge::Into);
    }
    Ok(Merge::No)
}

pub(crate) fn same_subtype(a: &Component, b: &Component) -> bool {
    strict_eq(a.value(Name::T), b.value(Name::T))
}
