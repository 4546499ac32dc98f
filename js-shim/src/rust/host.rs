//! The host's machine for JavaScript.

use std::rc::Rc;

use durable_store::format::RecordId;
use durable_store::{Ask, Failure, FailureKind, Request, Retention, StoreOptions};
use proxy_doc::{Epoch, Gather, Json, Seq, TabId, json, json_string};
use wasm_bindgen::prelude::*;
use worker_host::{Cause, Doing, Host, Options, Output, ReadyState};

use crate::js::Array;
use crate::kinds::{HostKind, Sink};
use crate::number::count;
use crate::types::{JsTypes, TypesBridge};

/// About so many bytes of outputs are given at once: a document that each of many tabs opens is not held once for each.
const BATCH_BYTES: usize = 64 * 1024;

/// A host. Tabs go by their id.
#[wasm_bindgen]
pub struct HostCore {
    inner: Host,
    /// One tab owns it.
    private: bool,
}

/// What a host began last. It is read when the host has trapped.
#[wasm_bindgen]
pub struct HostDoing {
    inner: Rc<Doing>,
}

#[wasm_bindgen]
impl HostDoing {
    /// `[cause, text]`, as [`HostCore::quarantine`] takes them; `undefined` where nobody is to blame.
    pub fn look(&self) -> Option<Array> {
        let item = |cause: Cause, text: &str| {
            let cause = JsValue::from(cause as u8);
            Array::of2(&cause, &JsValue::from_str(text))
        };
        self.inner.look(item)
    }
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
    /// A host in its `epoch`. `private`: one tab owns it. `opens_sockets`: it asks for its sockets; `has_url` is not
    /// `false`: JavaScript knows where these lead to.
    /// `store`: `'session'` or `'durable'`, or nothing where no storage is to be used; `src` is then the
    /// connection id to begin with, unlike any other.
    #[wasm_bindgen(constructor)]
    pub fn new(
        types: TypesBridge,
        epoch: f64,
        private: bool,
        opens_sockets: bool,
        store: Option<String>,
        src: Option<String>,
        has_url: Option<bool>,
    ) -> Self {
        let epoch = Epoch(count(epoch));
        let store = store.map(|retention| StoreOptions {
            retention: if retention == "durable" {
                Retention::Durable
            } else {
                Retention::Session
            },
            comes_back: true,
            ..StoreOptions::default()
        });
        let options = Options {
            epoch,
            private,
            opens_sockets,
            has_url: has_url.unwrap_or(true),
            src,
            store,
            ..Options::default()
        };
        Self {
            inner: Host::new(options, Rc::new(JsTypes(types))),
            private,
        }
    }

    /// Bytes of JSON above which ops do not compose, and whether pending ops stay where one is refused
    /// that cannot be taken back.
    pub fn configure(&mut self, max_op_size: Option<f64>, keeps_pending: Option<bool>) {
        let max_op_size = max_op_size.map(|bytes| bytes as usize);
        self.inner.configure(max_op_size, keeps_pending);
    }

    /// See `Host::have_url`.
    #[wasm_bindgen(js_name = haveUrl)]
    pub fn have_url(&mut self) {
        self.inner.have_url();
    }

    /// Puts the next outputs into the sink. Says whether there may be more, which is so where these are long;
    /// `undefined` where there are none and the host is over, see `Host::is_over`.
    pub fn poll(&mut self, sink: &Sink) -> Option<bool> {
        let mut length = 0;
        while length < BATCH_BYTES {
            let Some(output) = self.inner.poll() else {
                return (!self.inner.is_over()).then_some(false);
            };
            length += self.put(sink, &output);
        }
        Some(true)
    }

    /// See `Host::set_now`.
    #[wasm_bindgen(js_name = setNow)]
    pub fn set_now(&mut self, now: f64) {
        self.inner.set_now(count(now));
    }

    /// The time, in milliseconds: by a clock that never goes back, and since 1970. There is no other clock here, so the
    /// inputs alone decide what the machine does.
    fn set_time(&mut self, now: f64, wall: f64) {
        self.inner.set_time(count(now), count(wall));
    }

    /// Puts an output into the sink. Gives about how many bytes it takes there.
    fn put(&self, sink: &Sink, output: &Output) -> usize {
        match output {
            Output::ToTab { tab, text, urgent } => {
                let tab = self.name(tab);
                let arguments = [tab, JsValue::from_str(text), JsValue::from(*urgent)];
                HostKind::ToTab.put(sink, &arguments);
                return text.len();
            }
            Output::Send(text) => {
                HostKind::Send.put(sink, &[JsValue::from_str(text)]);
                return text.len();
            }
            Output::CloseSocket => HostKind::CloseSocket.put(sink, &[]),
            Output::DropSocket => HostKind::DropSocket.put(sink, &[]),
            Output::OpenSocket(url) => {
                HostKind::OpenSocket.put(sink, &[JsValue::from(url.as_deref())]);
            }
            Output::StartTimer(delay) => HostKind::StartTimer.put(sink, &[JsValue::from(*delay)]),
            Output::StartAlarm(delay) => {
                HostKind::StartAlarm.put(sink, &[JsValue::from(*delay as f64)]);
            }
            Output::Realtime(act) => {
                HostKind::Realtime.put(sink, &[JsValue::from_str(act)]);
                return act.len();
            }
            Output::Storage(request) => return put_storage_request(sink, request),
            Output::FindTabs(tabs) => {
                let tabs: Array = tabs.iter().map(|tab| JsValue::from_str(&tab.0)).collect();
                HostKind::FindTabs.put(sink, &[tabs.into()]);
            }
            Output::BeginAnew => HostKind::BeginAnew.put(sink, &[]),
            Output::Resigned => HostKind::Resigned.put(sink, &[]),
            Output::Deposed => HostKind::Deposed.put(sink, &[]),
            Output::Debug {
                tab,
                request,
                before,
                after,
            } => {
                let texts = [request, before, after].map(|text| JsValue::from_str(text));
                let [request, before, after] = texts;
                HostKind::Debug.put(sink, &[self.name(tab), request, before, after]);
            }
            Output::Warn(text) => HostKind::Warn.put(sink, &[JsValue::from_str(text)]),
        }
        0
    }

    /// The only tab of a private host need not be named.
    fn name(&self, tab: &TabId) -> JsValue {
        if self.private {
            JsValue::UNDEFINED
        } else {
            JsValue::from_str(&tab.0)
        }
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

    /// The timer ran out; `random` is in [0, 1).
    #[wasm_bindgen(js_name = handleTimer)]
    pub fn handle_timer(&mut self, random: f64) {
        self.inner.handle_timer(random);
    }

    /// The alarm is due. `now` and `wall`: the time by a clock that never goes back, and since 1970.
    #[wasm_bindgen(js_name = handleAlarm)]
    pub fn handle_alarm(&mut self, now: f64, wall: f64) {
        self.set_time(now, wall);
        self.inner.handle_alarm();
    }

    /// See `Host::serve_realtime`.
    #[wasm_bindgen(js_name = serveRealtime)]
    pub fn serve_realtime(&mut self) {
        self.inner.serve_realtime();
    }

    /// What happens to the second connection, as JSON. The time: as for the alarm.
    #[wasm_bindgen(js_name = handleRealtime)]
    pub fn handle_realtime(&mut self, report: &str, now: f64, wall: f64) {
        self.set_time(now, wall);
        self.inner.handle_realtime(report);
    }

    /// The network changed, or the machine slept; `random` is in [0, 1). The time: as for the alarm.
    pub fn wake(&mut self, random: f64, now: f64, wall: f64) {
        self.set_time(now, wall);
        self.inner.wake(random);
    }

    /// One message of a tab. The time: as for the alarm.
    #[wasm_bindgen(js_name = handleTab)]
    pub fn handle_tab(&mut self, tab: String, text: &str, now: f64, wall: f64) {
        self.set_time(now, wall);
        self.inner.handle_tab(&TabId(tab), text);
    }

    /// See `Host::doing`.
    pub fn doing(&self) -> HostDoing {
        HostDoing {
            inner: self.inner.doing(),
        }
    }

    /// Refuses what hosts before this one died on, more than once, as [`HostDoing::look`] said it.
    pub fn quarantine(&mut self, cause: u8, text: &str) {
        let causes = [Cause::TabMessage, Cause::ServerMessage, Cause::Document];
        if let Some(cause) = causes.into_iter().find(|known| *known as u8 == cause) {
            self.inner.quarantine(cause, text);
        }
    }

    /// A tab is gone. The time: as for the alarm.
    #[wasm_bindgen(js_name = tabGone)]
    pub fn tab_gone(&mut self, tab: String, now: f64, wall: f64) {
        self.set_time(now, wall);
        self.inner.tab_gone(&TabId(tab));
    }

    /// Where things are kept, and why nowhere better: said before the first request is done.
    #[wasm_bindgen(js_name = setStorageMode)]
    pub fn set_storage_mode(&mut self, mode: String, reason: Option<String>) {
        self.inner.set_storage_mode(mode, reason);
    }

    /// The storage did what was asked; to a read it has a text or `undefined` for each.
    #[wasm_bindgen(js_name = storageDone)]
    pub fn storage_done(&mut self, number: f64, texts: Option<Array>) {
        let texts = texts.map(|texts| texts.items().map(|text| text.as_string()).gather());
        self.inner
            .handle_storage(count(number), Ok(texts.unwrap_or_default()));
    }

    /// The storage did not: `kind` is `quota`, `closed`, `silent`, `unavailable`, `fenced` or `other`; `code` where it says more.
    #[wasm_bindgen(js_name = storageFailed)]
    pub fn storage_failed(
        &mut self,
        number: f64,
        kind: &str,
        message: String,
        code: Option<String>,
    ) {
        let kind = FailureKind::named(kind);
        self.inner.handle_storage(
            count(number),
            Err(Failure {
                kind,
                code,
                message,
            }),
        );
    }

    /// See `Host::close_store`.
    #[wasm_bindgen(js_name = closeStore)]
    pub fn close_store(&mut self) -> bool {
        self.inner.close_store()
    }

    /// See `Host::resume_store`.
    #[wasm_bindgen(js_name = resumeStore)]
    pub fn resume_store(&mut self) {
        self.inner.resume_store();
    }

    /// Which of the tabs live that the output `FindTabs` named.
    #[wasm_bindgen(js_name = tabsFound)]
    pub fn tabs_found(&mut self, living: Vec<String>) {
        let living: Vec<TabId> = living.into_iter().map(TabId).gather();
        self.inner.tabs_found(&living);
    }

    /// See `Host::waits_for_tabs`.
    #[wasm_bindgen(getter, js_name = waitsForTabs)]
    pub fn waits_for_tabs(&self) -> bool {
        self.inner.waits_for_tabs()
    }

    /// See `Host::tabs_asleep`.
    #[wasm_bindgen(js_name = tabsAsleep)]
    pub fn tabs_asleep(&mut self) {
        self.inner.tabs_asleep();
    }

    /// See `Host::resign`.
    pub fn resign(&mut self) {
        self.inner.resign();
    }

    /// See `Host::depose`.
    pub fn depose(&mut self) {
        self.inner.depose();
    }

    /// See `Host::may_resign`.
    #[wasm_bindgen(getter, js_name = mayResign)]
    pub fn may_resign(&self) -> bool {
        self.inner.may_resign()
    }

    /// Whether a quiet moment would be of use.
    #[wasm_bindgen(getter, js_name = wantsIdle)]
    pub fn wants_idle(&self) -> bool {
        self.inner.wants_idle()
    }

    /// A quiet moment.
    #[wasm_bindgen(js_name = handleIdle)]
    pub fn handle_idle(&mut self) {
        self.inner.handle_idle();
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
        self.inner.set_next_seq(Seq(count(seq)));
    }
}

/// Puts a request into the sink, and gives about how many bytes it takes there. The records are `[store, id]`, or
/// `[store, id, text]` where they are written.
fn put_storage_request(sink: &Sink, request: &Request) -> usize {
    let name = |id: &RecordId| Array::of2(&id.store.name().into(), &id.id.as_str().into());
    let names = |ids: &[RecordId]| ids.iter().map(name).collect::<Array>().into();
    let ask = |what: &str, content: &[JsValue]| {
        let mut arguments = vec![JsValue::from(request.number as f64), what.into()];
        arguments.extend_from_slice(content);
        HostKind::AskStorage.put(sink, &arguments);
    };
    match &request.what {
        Ask::Open => ask("open", &[]),
        Ask::Wipe => ask("wipe", &[]),
        Ask::Read(ids) => ask("read", &[names(ids)]),
        Ask::Write { puts, deletes } => {
            let records: Array = puts
                .iter()
                .map(|(id, text)| {
                    let put = name(id);
                    put.push(&JsValue::from_str(text));
                    put
                })
                .collect();
            ask("write", &[records.into(), names(deletes)]);
            return puts.iter().map(|(_, text)| text.len()).sum();
        }
    }
    0
}
