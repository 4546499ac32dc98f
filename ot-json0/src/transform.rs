//! Transforming ops past each other.
//!
//! What becomes of a component is first decided from two borrowed components ([`outcome`]) and then
//! carried out, so that a long op is walked without copying the components it has.

use crate::append::{Tail, append};
use crate::component::Component;
use crate::error::Error;
use crate::op::{Json0, Op};
use crate::outcome::{Outcome, operand_length, outcome, shared_length};
use crate::subtype::Side;
use std::vec;

/// `op` as it must be to come after `other`.
pub(crate) fn transform(json0: &Json0, op: &Op, other: &Op, side: Side) -> Result<Op, Error> {
    if other.is_empty() {
        return Ok(op.clone());
    }
    if let ([c], [other]) = (&op.0[..], &other.0[..]) {
        let shared = shared_length(&c.path, &other.path);
        let what = outcome(json0, c, other, side, shared)?;
        let mut transformed = Tail::at_end(Vec::new());
        settle(json0, &mut transformed, c.clone(), what)?;
        return Ok(Op(transformed.finish()));
    }
    let (ours, theirs) = (op.clone().0, other.clone().0);
    Ok(Op(match side {
        Side::Left => cross(json0, ours, theirs)?.0,
        Side::Right => cross(json0, theirs, ours)?.1,
    }))
}

/// Transforms both ops past each other.
pub(crate) fn cross(
    json0: &Json0,
    left: Vec<Component>,
    right: Vec<Component>,
) -> Result<(Vec<Component>, Vec<Component>), Error> {
    let mut outer = Vec::new();
    let mut here = Crossing::new(left, right);
    loop {
        if let Some(inner) = here.split(json0)? {
            outer.push(std::mem::replace(&mut here, inner));
            continue;
        }
        let (left, right) = (here.left.finish(), here.new_right.finish());
        match outer.pop() {
            None => return Ok((left, right)),
            Some(crossing) => here = crossing,
        }
        for component in left {
            append(json0, &mut here.left, component)?;
        }
        for component in right {
            append(json0, &mut here.new_right, component)?;
        }
        here.left.restart();
    }
}

/// Two ops that are being transformed past each other, each component of the right one past the whole left one.
///
/// A right component that becomes several on its way meets the rest of the left op as an op of their own, in a
/// crossing inside of this one. As many can be open as the left op has components: more than calls fit on a stack.
struct Crossing {
    left: Tail,
    right: vec::IntoIter<Component>,
    new_right: Tail,
}

impl Crossing {
    fn new(left: Vec<Component>, right: Vec<Component>) -> Self {
        Crossing {
            left: Tail::at_start(left),
            right: right.into_iter(),
            new_right: Tail::at_end(Vec::new()),
        }
    }

    /// Goes on to the end, or to a component that becomes several: gives the crossing that must come first.
    fn split(&mut self, json0: &Json0) -> Result<Option<Crossing>, Error> {
        for component in self.right.by_ref() {
            match pass(json0, &mut self.left, component)? {
                Passed::Whole(component) => append(json0, &mut self.new_right, component)?,
                Passed::Gone => {}
                Passed::Split(several) => {
                    return Ok(Some(Crossing::new(self.left.take_rest(), several)));
                }
            }
            self.left.restart();
        }
        Ok(None)
    }
}

/// What has become of a component on its way past an op.
enum Passed {
    Whole(Component),
    Gone,
    /// It has become several, somewhere on the way.
    Split(Vec<Component>),
}

/// Takes one component of the right op past the left op.
fn pass(json0: &Json0, left: &mut Tail, mut theirs: Component) -> Result<Passed, Error> {
    while let Some(ours) = left.peek() {
        let shared = shared_length(&ours.path, &theirs.path);
        if shared + 1 < operand_length(ours).min(operand_length(&theirs)) {
            // Their ways part before either comes to work: by far the most frequent case.
            left.keep(json0)?;
            continue;
        }
        let our_outcome = outcome(json0, ours, &theirs, Side::Left, shared)?;
        // Complained about only after ours has been settled, as ot-json0 does.
        let their_outcome = outcome(json0, &theirs, ours, Side::Right, shared);
        let structural = match our_outcome {
            Outcome::Same => None,
            what => left.alter_next(|ours| what.alter(ours)),
        };
        match structural {
            None => left.keep(json0)?,
            Some(what) => {
                if let Some(ours) = left.take() {
                    settle(json0, left, ours, what)?;
                }
            }
        }
        let Some(what) = their_outcome?.alter(&mut theirs) else {
            continue;
        };
        let mut next = Tail::at_end(Vec::new());
        settle(json0, &mut next, theirs, what)?;
        let mut next = next.finish();
        if next.len() > 1 {
            return Ok(Passed::Split(next));
        }
        match next.pop() {
            Some(component) => theirs = component,
            None => {
                while left.peek().is_some() {
                    left.keep(json0)?;
                }
                return Ok(Passed::Gone);
            }
        }
    }
    Ok(Passed::Whole(theirs))
}

/// Carries an outcome out: appends to `dest` what has become of `c`.
fn settle(json0: &Json0, dest: &mut Tail, mut c: Component, what: Outcome) -> Result<(), Error> {
    match what.alter(&mut c) {
        Some(Outcome::Gone) => Ok(()),
        Some(Outcome::Before(other)) => {
            append(json0, dest, *other)?;
            append(json0, dest, c)
        }
        Some(Outcome::Edits(edits)) => {
            for edit in edits {
                c.set_edit(edit);
                append(json0, dest, c.clone())?;
            }
            Ok(())
        }
        None | Some(Outcome::Same | Outcome::Shift(_) | Outcome::Set(..)) => append(json0, dest, c),
    }
}
