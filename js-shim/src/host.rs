//! The host's machine for JavaScript.

use std::rc::Rc;

use js_sys::Array;
use proxy_doc::{Json, Seq, TabId, json, json_string};
use wasm_bindgen::prelude::*;
use worker_host::{Host, Options, Output, ReadyState};

use crate::types::{JsTypes, TypesBridge};

/// A host. Tabs go by their id.
#[wasm_bindgen]
pub struct HostCore {
    inner: Host,
}

/// The kinds of outputs, by their number; named in `events.js`.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Kind {
    ToTab,
    Send,
    CloseSocket,
    OpenSocket,
    StartTimer,
    Warn,
}

fn ready(state: u32) -> ReadyState {
    match state {
        0 => ReadyState::Connecting,
        1 => ReadyState::Open,
        _ => ReadyState::Closed,
    }
}

fn reason(text: Option<String>) -> Option<Json> {
    json(text?).ok()
}

#[wasm_bindgen]
impl HostCore {
    /// A host in its `epoch`. `private`: one tab owns it. `opens_sockets`: it asks for its sockets.
    #[wasm_bindgen(constructor)]
    pub fn new(types: TypesBridge, epoch: f64, private: bool, opens_sockets: bool) -> Self {
        let options = Options {
            epoch: epoch as u64,
            private,
            opens_sockets,
        };
        Self {
            inner: Host::new(options, Rc::new(JsTypes(types))),
        }
    }

    /// The next output, as an array; `undefined` when there is none.
    pub fn poll(&mut self) -> Option<Array> {
        let output = self.inner.poll()?;
        let item = |kind: Kind| JsValue::from(kind as u8);
        Some(match output {
            Output::ToTab { tab, text, urgent } => Array::of4(
                &item(Kind::ToTab),
                &JsValue::from_str(&tab.0),
                &JsValue::from_str(&text),
                &JsValue::from(urgent),
            ),
            Output::Send(text) => Array::of2(&item(Kind::Send), &JsValue::from_str(&text)),
            Output::CloseSocket => Array::of1(&item(Kind::CloseSocket)),
            Output::OpenSocket => Array::of1(&item(Kind::OpenSocket)),
            Output::StartTimer(delay) => Array::of2(&item(Kind::StartTimer), &JsValue::from(delay)),
            Output::Warn(text) => Array::of2(&item(Kind::Warn), &JsValue::from_str(&text)),
        })
    }

    /// See `Host::connect`.
    pub fn connect(&mut self) {
        self.inner.connect();
    }

    /// A socket in this `readyState`.
    #[wasm_bindgen(js_name = bindSocket)]
    pub fn bind_socket(&mut self, ready_state: u32) {
        self.inner.bind_socket(ready(ready_state));
    }

    /// `socket.onopen`.
    #[wasm_bindgen(js_name = socketOpened)]
    pub fn socket_opened(&mut self) {
        self.inner.socket_opened();
    }

    /// `socket.onmessage`.
    #[wasm_bindgen(js_name = socketMessage)]
    pub fn socket_message(&mut self, text: &str) {
        self.inner.socket_message(text);
    }

    /// `socket.onclose`, the reason as JSON; `random` is in [0, 1).
    #[wasm_bindgen(js_name = socketClosed)]
    pub fn socket_closed(&mut self, text: Option<String>, random: f64) {
        self.inner.socket_closed(reason(text), random);
    }

    /// `socket.onerror`, the error as JSON.
    #[wasm_bindgen(js_name = socketFailed)]
    pub fn socket_failed(&mut self, text: Option<String>) {
        let error = reason(text).unwrap_or_else(|| json_string("socket error"));
        self.inner.socket_failed(error);
    }

    /// The timer ran out, or the network is back.
    #[wasm_bindgen(js_name = handleTimer)]
    pub fn handle_timer(&mut self) {
        self.inner.handle_timer();
    }

    /// One message of a tab.
    #[wasm_bindgen(js_name = handleTab)]
    pub fn handle_tab(&mut self, tab: String, text: &str) {
        self.inner.handle_tab(&TabId(tab), text);
    }

    /// A tab is gone.
    #[wasm_bindgen(js_name = tabGone)]
    pub fn tab_gone(&mut self, tab: String) {
        self.inner.tab_gone(&TabId(tab));
    }

    /// The connection's state.
    #[wasm_bindgen(getter)]
    pub fn state(&self) -> String {
        self.inner.state().as_str().to_owned()
    }

    /// The connection's id.
    #[wasm_bindgen(getter)]
    pub fn id(&self) -> Option<String> {
        self.inner.id().map(str::to_owned)
    }

    /// Sets the id to ask the server for.
    #[wasm_bindgen(js_name = setId)]
    pub fn set_id(&mut self, id: Option<String>) {
        self.inner.set_id(id);
    }

    /// The number of the next op.
    #[wasm_bindgen(getter)]
    pub fn seq(&self) -> f64 {
        self.inner.next_seq().0 as f64
    }

    /// Sets the number of the next op.
    #[wasm_bindgen(js_name = setSeq)]
    pub fn set_seq(&mut self, seq: f64) {
        self.inner.set_next_seq(Seq(seq as u64));
    }
}
