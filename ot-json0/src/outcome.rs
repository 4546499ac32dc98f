//! The outcome for a component of an op that comes before it: ot-json0's cases, decided from two borrowed components.
//! Only a change of the component itself is carried out here; the rest is carried out where ops are transformed.

use crate::append::same_subtype;
use crate::apply::apply_component;
use crate::coerce::{less, less_equal, loose_eq, strict_eq, to_number};
use crate::component::Component;
use crate::error::Error;
use crate::field::{Name, Payload};
use crate::op::Json0;
use crate::subtype::{Side, Subtype};
use crate::text0::{Edit, transform_edit};
use crate::value::Value;

/// What becomes of a component once another one has been applied.
pub(crate) enum Outcome {
    /// It stays as it is.
    Same,
    /// It is dropped.
    Gone,
    Shift(Shift),
    /// A field gets another value.
    Set(Name, Payload),
    /// Another component goes before it.
    Before(Box<Component>),
    /// An `si` or `sd` component becomes these edits of the same string.
    Edits(Vec<Edit>),
}

/// New positions in a component, or a field less; what is `None` stays.
#[derive(Default)]
pub(crate) struct Shift {
    /// Index of the path segment that `segment` replaces.
    at: usize,
    segment: Option<Value>,
    /// The new target of a list move.
    to: Option<Value>,
    /// A field to be dropped.
    drop: Option<Name>,
}

impl Outcome {
    /// Carries out what only changes the component itself; returns everything else.
    pub(crate) fn alter(self, c: &mut Component) -> Option<Outcome> {
        match self {
            Outcome::Same => {}
            Outcome::Shift(shift) => shift.carry_out(c),
            Outcome::Set(name, payload) => c.set(name, payload),
            structural @ (Outcome::Gone | Outcome::Before(_) | Outcome::Edits(_)) => {
                return Some(structural);
            }
        }
        None
    }
}

impl Shift {
    fn carry_out(self, c: &mut Component) {
        if let Some(mut segment) = self.segment {
            segment.make_finite();
            match c.path.get_mut(self.at) {
                Some(place) => *place = segment,
                None => c.path.push(segment),
            }
        }
        if let Some(mut to) = self.to {
            to.make_finite();
            c.set(Name::Lm, Payload::new(to));
        }
        if let Some(name) = self.drop {
            c.remove(name);
        }
    }
}

/// How many segments two paths begin with alike.
#[inline(always)]
pub(crate) fn shared_length(a: &[Value], b: &[Value]) -> usize {
    let alike = |(a, b): &(&Value, &Value)| strict_eq(Some(a), Some(b));
    a.iter().zip(b).take_while(alike).count()
}

/// How far the path of `a` leads towards what `b` works on: the index in both paths at which `a`'s
/// effect begins. -1 when `a` is about the whole document, `None` when it does not concern `b`.
#[inline(always)]
fn common_length(a: &Component, b: &Component, shared: usize) -> Option<isize> {
    let ours = operand_length(a);
    if ours == 0 {
        return Some(-1);
    }
    let concerns = operand_length(b) >= ours && shared + 1 >= ours;
    concerns.then_some(ours as isize - 1)
}

/// The length of a component's path, counting what it works on below it.
#[inline(always)]
pub(crate) fn operand_length(c: &Component) -> usize {
    c.path.len() + usize::from(c.has_operand())
}

/// Decides what becomes of `c` once `other` has been applied. `shared` is how far their paths agree.
pub(crate) fn outcome(
    json0: &Json0,
    c: &Component,
    other: &Component,
    side: Side,
    shared: usize,
) -> Result<Outcome, Error> {
    if let Some(common) = common_length(other, c, shared) {
        return Meeting::new(json0, c, other, side, common).outcome();
    }
    // `other` works inside what `c` deletes: keep the deleted value true, so that `c` can be undone.
    let name = match (c.has(Name::Ld), c.has(Name::Od)) {
        (true, _) => Name::Ld,
        (false, true) => Name::Od,
        (false, false) => return Ok(Outcome::Same),
    };
    let depth = operand_length(c);
    let Some(at) = common_length(c, other, shared) else {
        return Ok(Outcome::Same);
    };
    if operand_length(other) <= depth || !loose_eq(segment(c, at), segment(other, at)) {
        return Ok(Outcome::Same);
    }
    let mut deleted = c.value(name).cloned();
    let mut inner = other.clone();
    inner.path.drain(..depth.min(other.path.len()));
    apply_component(json0, &mut deleted, &inner)?;
    let mut deleted = deleted.unwrap_or_default();
    if other.has(Name::Na) {
        deleted.make_finite();
    }
    Ok(Outcome::Set(name, Payload::new(deleted)))
}

fn segment(c: &Component, at: isize) -> Option<&Value> {
    c.path.get(usize::try_from(at).ok()?)
}

/// Two components of which the second can change the first.
struct Meeting<'a> {
    json0: &'a Json0,
    c: &'a Component,
    other: &'a Component,
    side: Side,
    common: isize,
    /// The segments at which they meet, `None` where the path is too short.
    here: Option<&'a Value>,
    there: Option<&'a Value>,
    /// Both work at the same depth.
    level: bool,
}

impl<'a> Meeting<'a> {
    fn new(
        json0: &'a Json0,
        c: &'a Component,
        other: &'a Component,
        side: Side,
        common: isize,
    ) -> Meeting<'a> {
        Meeting {
            json0,
            c,
            other,
            side,
            common,
            here: segment(c, common),
            there: segment(other, common),
            level: operand_length(c) == operand_length(other),
        }
    }

    /// The cases in ot-json0's order of precedence.
    fn outcome(&self) -> Result<Outcome, Error> {
        if self.c.is_text() && self.other.is_text() {
            return self.text();
        }
        if let Some(subtype) = self.json0.subtype(self.other) {
            return self.subtype(subtype);
        }
        let has = |name: Name| self.other.has(name);
        Ok(if has(Name::Na) {
            Outcome::Same
        } else if has(Name::Li) && has(Name::Ld) {
            self.list_replace()
        } else if has(Name::Li) {
            self.list_insert()
        } else if has(Name::Ld) {
            self.list_delete()
        } else if has(Name::Lm) {
            self.list_move()
        } else if has(Name::Oi) && has(Name::Od) {
            self.object_replace()
        } else if has(Name::Oi) {
            self.object_insert()
        } else if has(Name::Od) {
            self.object_delete()
        } else {
            Outcome::Same
        })
    }

    fn text(&self) -> Result<Outcome, Error> {
        let (ours, theirs) = (self.c.edit()?, self.other.edit()?);
        if ours.text.is_empty() {
            return Ok(Outcome::Gone);
        }
        let plain = !self.c.has(Name::T) && !self.c.has(Name::O);
        match ours.moved(&theirs, self.side) {
            Some(at) if plain && at == ours.at => Ok(Outcome::Same),
            Some(at) if plain => Ok(Outcome::Shift(Shift {
                at: self.c.path.len() - 1,
                segment: Some(Value::Number(at)),
                ..Shift::default()
            })),
            _ => {
                let mut edits = Vec::new();
                transform_edit(&mut edits, &ours, &theirs, self.side)?;
                Ok(Outcome::Edits(edits))
            }
        }
    }

    fn subtype(&self, subtype: &dyn Subtype) -> Result<Outcome, Error> {
        if !same_subtype(self.c, self.other) {
            return Ok(Outcome::Same);
        }
        let undefined = Value::Null;
        let op = |c: &'a Component| c.value(Name::O);
        let ours = op(self.c).unwrap_or(&undefined);
        let theirs = op(self.other).unwrap_or(&undefined);
        let transformed = subtype.transform(ours, theirs, self.side)?;
        Ok(match transformed.as_array() {
            Some([]) => Outcome::Gone,
            _ => Outcome::Set(Name::O, Payload::new(transformed)),
        })
    }

    fn same_place(&self) -> bool {
        strict_eq(self.here, self.there)
    }

    /// The component with its segment moved by `by`.
    fn shifted(&self, by: f64) -> Outcome {
        Outcome::Shift(self.shift(by))
    }

    fn shift(&self, by: f64) -> Shift {
        let segment = Value::Number(to_number(self.here) + by);
        self.replaced(segment)
    }

    fn replaced(&self, segment: Value) -> Shift {
        // At -1 JavaScript would set a property that JSON does not show.
        let segment = (self.common >= 0).then_some(segment);
        let at = self.common.max(0) as usize;
        Shift {
            at,
            segment,
            ..Shift::default()
        }
    }

    fn target(&self) -> Option<&'a Value> {
        self.c.value(Name::Lm)
    }

    fn target_moved(&self, by: f64) -> Option<Value> {
        Some(Value::Number(to_number(self.target()) + by))
    }

    fn list_replace(&self) -> Outcome {
        if !self.same_place() {
            return Outcome::Same;
        }
        if !self.level {
            return Outcome::Gone;
        }
        if !self.c.has(Name::Ld) {
            return Outcome::Same;
        }
        match self.other.payload(Name::Li) {
            // Of two replacements the left one stands, and now replaces the other's element.
            Some(theirs) if self.c.has(Name::Li) && self.side == Side::Left => {
                Outcome::Set(Name::Ld, theirs.clone())
            }
            _ => Outcome::Gone,
        }
    }

    fn list_insert(&self) -> Outcome {
        let pure_insert = self.c.has(Name::Li) && !self.c.has(Name::Ld);
        let pushed = if pure_insert && self.level && self.same_place() {
            self.side == Side::Right
        } else {
            less_equal(self.there, self.here)
        };
        let mut shift = if pushed {
            self.shift(1.0)
        } else {
            Shift::default()
        };
        if self.c.has(Name::Lm) && self.level && less_equal(self.there, self.target()) {
            shift.to = self.target_moved(1.0);
        }
        shift.outcome()
    }

    fn list_delete(&self) -> Outcome {
        let mut to = None;
        if self.c.has(Name::Lm) && self.level {
            if self.same_place() {
                return Outcome::Gone;
            }
            let target = self.target();
            if less(self.there, target)
                || (strict_eq(self.there, target) && less(self.here, target))
            {
                to = self.target_moved(-1.0);
            }
        }
        let mut shift = Shift::default();
        if less(self.there, self.here) {
            shift = self.shift(-1.0);
        } else if self.same_place() {
            let below = operand_length(self.other) < operand_length(self.c);
            if below || (self.c.has(Name::Ld) && !self.c.has(Name::Li)) {
                return Outcome::Gone;
            }
            if self.c.has(Name::Ld) {
                // Their delete leaves of our replacement the insert.
                shift.drop = Some(Name::Ld);
            }
        }
        shift.to = to;
        shift.outcome()
    }

    fn list_move(&self) -> Outcome {
        let from = self.there;
        let to = self.other.value(Name::Lm);
        if self.c.has(Name::Lm) && self.level {
            return self.move_against_move(from, to);
        }
        let pure_insert = self.c.has(Name::Li) && !self.c.has(Name::Ld);
        if !(pure_insert && self.level) && strict_eq(self.here, from) {
            // What we are about has been moved: follow it.
            let target = to.cloned().unwrap_or_default();
            return Outcome::Shift(self.replaced(target));
        }
        let mut by = Steps::default();
        by.down(less(from, self.here));
        if less(to, self.here) {
            by.up(true);
        } else if !(pure_insert && self.level) {
            by.up(strict_eq(self.here, to) && less(to, from));
        }
        if by.none() {
            return Outcome::Same;
        }
        self.shifted(by.total)
    }

    /// Two moves in one list.
    fn move_against_move(&self, their_from: Option<&Value>, their_to: Option<&Value>) -> Outcome {
        let (from, to) = (self.here, self.target());
        if strict_eq(their_from, their_to) {
            return Outcome::Same;
        }
        if strict_eq(from, their_from) {
            // Both move the same element: the left move stands.
            if self.side == Side::Right {
                return Outcome::Gone;
            }
            let mut shift = self.replaced(their_to.cloned().unwrap_or_default());
            if strict_eq(from, to) {
                shift.to = their_to.cloned();
            }
            return Outcome::Shift(shift);
        }
        let (mut source, mut target) = (Steps::default(), Steps::default());
        source.down(less(their_from, from));
        if less(their_to, from) {
            source.up(true);
        } else if strict_eq(from, their_to) && less(their_to, their_from) {
            source.up(true);
            target.up(strict_eq(from, to));
        }
        if less(their_from, to) {
            target.down(true);
        } else {
            target.down(strict_eq(to, their_from) && less(from, to));
        }
        if less(their_to, to) {
            target.up(true);
        } else if strict_eq(to, their_to) {
            let both_up = less(their_from, their_to) && less(from, to);
            let both_down = less(their_to, their_from) && less(to, from);
            if both_up || both_down {
                target.up(self.side == Side::Right);
            } else if less(from, to) {
                target.up(true);
            } else {
                target.down(strict_eq(to, their_from));
            }
        }
        let mut shift = Shift::default();
        if !source.none() {
            shift = self.shift(source.total);
        }
        if !target.none() {
            shift.to = self.target_moved(target.total);
        }
        shift.outcome()
    }

    fn object_replace(&self) -> Outcome {
        if !self.same_place() {
            return Outcome::Same;
        }
        match self.other.payload(Name::Oi) {
            // Our insert replaces theirs.
            Some(theirs) if self.c.has(Name::Oi) && self.level && self.side == Side::Left => {
                Outcome::Set(Name::Od, theirs.clone())
            }
            _ => Outcome::Gone,
        }
    }

    fn object_insert(&self) -> Outcome {
        if !self.c.has(Name::Oi) || !self.same_place() {
            return Outcome::Same;
        }
        match (self.side, self.other.payload(Name::Oi)) {
            (Side::Left, Some(theirs)) => {
                let path = self.c.path.clone();
                let removal = Component::with_field(path, Name::Od, theirs.clone());
                Outcome::Before(Box::new(removal))
            }
            _ => Outcome::Gone,
        }
    }

    fn object_delete(&self) -> Outcome {
        if !loose_eq(self.here, self.there) {
            return Outcome::Same;
        }
        if !self.level || !self.c.has(Name::Oi) {
            return Outcome::Gone;
        }
        Outcome::Shift(Shift {
            drop: Some(Name::Od),
            ..Shift::default()
        })
    }
}

impl Shift {
    fn outcome(self) -> Outcome {
        if self.segment.is_none() && self.to.is_none() && self.drop.is_none() {
            return Outcome::Same;
        }
        Outcome::Shift(self)
    }
}

/// Steps up and down a list. Taken at all they turn a segment into a number, even if they cancel out.
#[derive(Default)]
struct Steps {
    total: f64,
    taken: bool,
}

impl Steps {
    fn up(&mut self, condition: bool) {
        self.take(condition, 1.0);
    }

    fn down(&mut self, condition: bool) {
        self.take(condition, -1.0);
    }

    fn take(&mut self, condition: bool, by: f64) {
        if condition {
            self.total += by;
            self.taken = true;
        }
    }

    fn none(&self) -> bool {
        !self.taken
    }
}
