//! A tab's end of coordination for JavaScript. Inputs and outputs are JSON: they are rare, and few exports make a small
//! module.

use broker::coordination::{Coordinator, Input};
use proxy_doc::{read_json, write_json};
use wasm_bindgen::prelude::*;

use crate::number::count;

/// A tab's end of coordination.
#[wasm_bindgen]
pub struct CoordinatorCore {
    inner: Coordinator,
}

#[wasm_bindgen]
impl CoordinatorCore {
    /// See `Coordinator::new`; the report is JSON.
    ///
    /// # Panics
    /// Where the report is none: it is the shim's own.
    #[wasm_bindgen(constructor)]
    pub fn new(id: String, rotation: f64, report: &str) -> Self {
        let report = read_json(report).unwrap_or_else(|error| panic!("a tab's report: {error}"));
        Self {
            inner: Coordinator::new(id, count(rotation), report),
        }
    }

    /// Takes an input at a time in milliseconds, and gives the list of outputs; `undefined` for what is no input.
    pub fn handle(&mut self, now: f64, input: &str) -> Option<String> {
        let input: Input = read_json(input).ok()?;
        Some(write_json(&self.inner.handle(count(now), input)))
    }

    /// The token by which this tab leads.
    pub fn term(&self) -> Option<f64> {
        self.inner.term().map(|term| term as f64)
    }

    /// See `Coordinator::holds`.
    pub fn holds(&self, token: f64, now: f64) -> bool {
        self.inner.holds(count(token), count(now))
    }
}
