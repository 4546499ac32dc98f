//! The machines that decide where the host is, for JavaScript. Inputs and outputs are JSON: they are rare, and few
//! exports make a small module.

#[cfg(feature = "host")]
use broker::places::{Candidate, CandidateInput};
#[cfg(feature = "tab")]
use broker::places::{Link, LinkInput};
use proxy_doc::{read_json, write_json};
use wasm_bindgen::prelude::*;

#[cfg(feature = "tab")]
use crate::number::count;

/// A tab's link.
#[cfg(feature = "tab")]
#[wasm_bindgen]
pub struct LinkCore {
    inner: Link,
}

#[cfg(feature = "tab")]
#[wasm_bindgen]
impl LinkCore {
    /// With `LinkOptions` as JSON.
    ///
    /// # Panics
    /// Where the options are not those: they are the shim's own.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &str) -> Self {
        let options = read_json(options);
        Self {
            inner: Link::new(options.unwrap_or_else(|error| panic!("link options: {error}"))),
        }
    }

    /// Takes an input at a time in milliseconds, and gives the list of outputs; `undefined` for what another build's tab
    /// or place may have said, and this one does not know.
    pub fn handle(&mut self, now: f64, input: &str) -> Option<String> {
        let input: LinkInput = read_json(input).ok()?;
        Some(write_json(&self.inner.handle(count(now), input)))
    }

    /// Whether messages reach a host.
    #[wasm_bindgen(getter, js_name = isReady)]
    pub fn is_ready(&self) -> bool {
        self.inner.is_ready()
    }
}

/// A place's candidate for the host lock.
#[cfg(feature = "host")]
#[wasm_bindgen]
pub struct CandidateCore {
    inner: Candidate,
}

#[cfg(feature = "host")]
#[wasm_bindgen]
impl CandidateCore {
    /// For the place of this id, of a kind as `PlaceKind` writes it in JSON.
    ///
    /// # Panics
    /// Where there is no such kind: it is the shim's own.
    #[wasm_bindgen(constructor)]
    pub fn new(place: String, kind: &str) -> Self {
        let kind = read_json(kind).unwrap_or_else(|error| panic!("a kind of place: {error}"));
        Self {
            inner: Candidate::new(place, kind),
        }
    }

    /// Takes an input, and gives the list of outputs; `undefined` for an input of another build that this one does not
    /// know.
    pub fn handle(&mut self, input: &str) -> Option<String> {
        let input: CandidateInput = read_json(input).ok()?;
        Some(write_json(&self.inner.handle(input)))
    }

    /// Why a host here does not serve a tab that speaks this version of the protocol, as JSON; nothing where it does.
    pub fn refusal(&self, protocol: u32) -> Option<String> {
        self.inner.refusal(protocol).map(|why| write_json(&why))
    }

    /// The host that is here, as JSON.
    #[wasm_bindgen(getter)]
    pub fn host(&self) -> Option<String> {
        self.inner.host().map(|host| write_json(&host))
    }
}
