//! The properties that ottypes asks of an OT type, on random documents and ops that fit them.

#![allow(clippy::unwrap_used)]

mod generate;

use generate::Random;
use ot_json0::{
    Component, Op, Side, Value, apply, apply_in_place, compose, invert, normalize, transform,
    transform_x,
};
use proptest::prelude::*;

/// A document and two ops on it, one of them followed by a third.
fn case(seed: u64) -> (Value, Op, Op, Op) {
    let mut r = Random::new(seed);
    let document = generate::document(&mut r);
    let a = generate::op(&mut r, &document, true);
    let b = generate::op(&mut r, &document, true);
    let after = apply(document.clone(), &a).unwrap_or_else(|_| document.clone());
    let c = generate::op(&mut r, &after, true);
    (document, a, b, c)
}

fn applied(document: &Value, ops: &[&Op]) -> Option<Value> {
    let mut current = document.clone();
    for op in ops {
        apply_in_place(&mut current, op).ok()?;
    }
    Some(current)
}

/// Sums of fractions depend on their order, in JavaScript too; the oracle judges those.
fn sums(op: &Op) -> bool {
    op.components().iter().any(|c| c.field("na").is_some())
}

/// One component on each side, of which json0 promises convergence. It does not when two texts meet as
/// `si` and as `t: "text0"`: it does not know them for edits of one string.
fn simple(op: &Op) -> bool {
    let alone = |c: &Component| !c.path().is_empty() && c.field("t").is_none();
    op.len() == 1 && op.components().iter().all(alone)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4000, ..ProptestConfig::default() })]

    /// TP1: whichever op comes first, both ends see the same document.
    #[test]
    fn converges(seed in any::<u64>()) {
        let (document, a, b, _) = case(seed);
        for a in a.split().take(1) {
            for b in b.split().take(1) {
                if !simple(&a) || !simple(&b) || (sums(&a) && sums(&b)) {
                    continue;
                }
                let Ok(b_after) = transform(&b, &a, Side::Right) else { continue };
                let Ok(a_after) = transform(&a, &b, Side::Left) else { continue };
                let one = applied(&document, &[&a, &b_after]);
                let other = applied(&document, &[&b, &a_after]);
                prop_assert_eq!(one, other, "{} {} {}", document.to_json(), a.to_json(), b.to_json());
            }
        }
    }

    /// Composed ops do what they do one after the other, and `append_op` is `compose`.
    #[test]
    fn composes(seed in any::<u64>()) {
        let (document, a, _, c) = case(seed);
        let Ok(composed) = compose(&a, &c) else { return Ok(()) };
        if sums(&a) || sums(&c) {
            // A sum too large for a number is null to the next call: parts then compose otherwise.
            return Ok(());
        }
        let mut appended = a.clone();
        for part in c.split() {
            appended.append_op(part).unwrap();
        }
        if let Some(expected) = applied(&document, &[&a, &c]) {
            prop_assert_eq!(applied(&document, &[&composed]), Some(expected));
        }
        prop_assert_eq!(appended, composed);
    }

    /// An op and its inverse cancel out.
    #[test]
    fn inverts(seed in any::<u64>()) {
        let (document, a, ..) = case(seed);
        if !sums(&a) && applied(&document, &[&a]).is_some() {
            prop_assert_eq!(applied(&document, &[&a, &invert(&a)]), Some(document));
        }
    }

    /// `transform_x` is both transforms at once.
    #[test]
    fn transforms_both(seed in any::<u64>()) {
        let (_, a, b, _) = case(seed);
        if a.len() * b.len() <= 1 {
            return Ok(());
        }
        let (mut left, mut right) = (a.clone(), b.clone());
        if transform_x(&mut left, &mut right).is_ok() {
            prop_assert_eq!(left, transform(&a, &b, Side::Left).unwrap());
            prop_assert_eq!(right, transform(&b, &a, Side::Right).unwrap());
        }
    }

    /// A JSON text survives reading and writing, and so does an op.
    #[test]
    fn reads_what_it_writes(seed in any::<u64>()) {
        let (document, a, ..) = case(seed);
        let json = document.to_json();
        prop_assert_eq!(Value::parse(&json).unwrap().to_json(), json);
        prop_assert_eq!(Op::parse(&a.to_json()).unwrap(), a);
    }

    /// A normal op that ends as it was stays as it is when it is normalised again, unless merging two
    /// components has brought others together, which ot-json0 does not look at again either.
    #[test]
    fn normalizes(seed in any::<u64>()) {
        let (document, a, ..) = case(seed);
        let Ok(normal) = normalize(&a.to_json()) else { return Ok(()) };
        if let Some(expected) = applied(&document, &[&a]).filter(|_| !sums(&a)) {
            prop_assert_eq!(applied(&document, &[&normal]), Some(expected));
        }
        let again = normalize(&normal.to_json()).unwrap();
        prop_assert!(again.len() <= normal.len());
    }
}
