//! A tab's end of what one user's devices agree on, for JavaScript. Inputs and outputs are JSON, as in `coordinator.rs`.

use broker::devices::messages::Input;
use broker::devices::{Devices, Time};
use proxy_doc::{read_json, write_json};
use wasm_bindgen::prelude::*;

use crate::number::count;

/// A tab's end.
#[wasm_bindgen]
pub struct DevicesCore {
    inner: Devices,
}

#[wasm_bindgen]
impl DevicesCore {
    /// See `Devices::new`.
    #[wasm_bindgen(constructor)]
    pub fn new(device: String, tab: String, ttl: f64, is_new: bool) -> Self {
        Self {
            inner: Devices::new(device, tab, count(ttl), is_new),
        }
    }

    /// Takes an input at a time in milliseconds of two clocks, and gives the list of outputs; `undefined` for what is no input.
    pub fn handle(&mut self, now: f64, wall: f64, input: &str) -> Option<String> {
        let input: Input = read_json(input).ok()?;
        Some(write_json(&self.inner.handle(time(now, wall), input)))
    }

    /// See `Devices::holds`.
    pub fn holds(&self, number: f64, now: f64, wall: f64) -> bool {
        self.inner.holds(count(number), time(now, wall))
    }

    /// See `Devices::holder`.
    pub fn holder(&self, name: &str) -> Option<String> {
        self.inner.holder(name).map(str::to_owned)
    }

    /// See `Devices::wake_at`.
    #[wasm_bindgen(js_name = wakeAt)]
    pub fn wake_at(&self) -> Option<f64> {
        self.inner.wake_at().map(|at| at as f64)
    }
}

fn time(now: f64, wall: f64) -> Time {
    Time {
        now: count(now),
        wall: count(wall),
    }
}
