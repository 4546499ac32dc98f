//! A workload of json0 calls, run a given number of times. The time is taken outside.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;

use ot_json0::{Op, Side, Value, apply_in_place, compose, invert, transform};
#[cfg(target_family = "wasm")]
use wasm_bindgen::prelude::wasm_bindgen;

/// A document and ops on it, as `tests/oracle/bench-json0.mjs` makes them.
#[cfg_attr(target_family = "wasm", wasm_bindgen)]
pub struct Work {
    document: Value,
    a: Op,
    b: Op,
    c: Op,
    undo: Op,
}

#[cfg_attr(target_family = "wasm", wasm_bindgen)]
impl Work {
    /// Reads a workload.
    ///
    /// # Panics
    /// Where it is none.
    #[cfg_attr(target_family = "wasm", wasm_bindgen(constructor))]
    pub fn new(json: &str) -> Self {
        Self::of(&Value::parse(json).expect("JSON"))
    }

    /// Applies `a` and takes it back.
    pub fn apply(&mut self, times: u32) {
        for _ in 0..times {
            apply_in_place(&mut self.document, &self.a).expect("fits");
            apply_in_place(&mut self.document, &self.undo).expect("fits");
        }
    }

    /// Transforms `a` by `b`.
    pub fn transform(&self, times: u32) {
        for _ in 0..times {
            black_box(transform(black_box(&self.a), &self.b, Side::Left).expect("transforms"));
        }
    }

    /// Composes `a` and `c`.
    pub fn compose(&self, times: u32) {
        for _ in 0..times {
            black_box(compose(black_box(&self.a), &self.c).expect("composes"));
        }
    }
}

impl Work {
    /// A workload from its parsed JSON.
    ///
    /// # Panics
    /// Where it is none.
    pub fn of(work: &Value) -> Self {
        let field = |name: &str| work.get(name).cloned().expect("the workload's field");
        let op = |name: &str| Op::from_value(field(name)).expect("an op");
        let a = op("a");
        Self {
            document: field("document"),
            undo: invert(&a),
            b: op("b"),
            c: op("c"),
            a,
        }
    }
}
