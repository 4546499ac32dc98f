//! Hosts that come one after the other on one storage.

#![allow(clippy::unwrap_used, dead_code)]

use std::collections::BTreeMap;
use std::rc::Rc;

use broker::message::{DocEvent, Envelope, PROTOCOL, ToTab, decode};
use durable_store::format::RecordId;
use durable_store::{Ask, Retention, StoreOptions};
use proxy_doc::{Epoch, OtType, TabId, Types};
use serde_json::{Value, json as value};
use worker_host::{Host, Options, Output, ReadyState};

/// Knows json0, under its name.
pub(crate) struct Knowing;

impl Types for Knowing {
    fn resolve(&self, name: &str) -> Option<OtType> {
        (name == ot_json0::URI).then_some(OtType::Json0(None))
    }
    fn default_uri(&self) -> String {
        ot_json0::URI.to_owned()
    }
}

/// Knows no type that a document has.
pub(crate) struct Ignorant;

impl Types for Ignorant {
    fn resolve(&self, _: &str) -> Option<OtType> {
        None
    }
    fn default_uri(&self) -> String {
        ot_json0::URI.to_owned()
    }
}

pub(crate) type Texts = BTreeMap<RecordId, String>;

/// A host, its storage, and whom it speaks to.
pub(crate) struct Life {
    pub(crate) host: Host,
    pub(crate) epoch: Epoch,
    pub(crate) texts: Texts,
    /// What [`tab`] was told.
    pub(crate) told: Vec<ToTab>,
    /// What the other tabs were told.
    pub(crate) others: BTreeMap<TabId, Vec<ToTab>>,
    pub(crate) sent: Vec<Value>,
    /// Bytes that were written to the storage.
    pub(crate) written: usize,
    /// Tabs of earlier lives that still live.
    pub(crate) alive: Vec<TabId>,
}

impl Life {
    pub(crate) fn new(texts: Texts, epoch: u64, types: Rc<dyn Types>) -> Self {
        Self::with(texts, types, options(epoch))
    }

    pub(crate) fn with(texts: Texts, types: Rc<dyn Types>, options: Options) -> Self {
        Self {
            epoch: options.epoch,
            host: Host::new(options, types),
            texts,
            told: Vec::new(),
            others: BTreeMap::new(),
            sent: Vec::new(),
            written: 0,
            alive: Vec::new(),
        }
    }

    /// With a tab and a server.
    pub(crate) fn begun(texts: Texts, epoch: u64, types: Rc<dyn Types>) -> Self {
        let mut life = Self::new(texts, epoch, types);
        life.begin();
        life
    }

    pub(crate) fn begin(&mut self) {
        self.drain();
        self.tab(register(&value!([])));
        self.go_online();
        self.rest();
    }

    pub(crate) fn go_online(&mut self) {
        self.host.bind_socket(ReadyState::Open);
        self.drain();
        self.server(handshake(&format!("life{}", self.epoch)));
    }

    /// There is time for what can wait.
    pub(crate) fn rest(&mut self) {
        while self.host.wants_idle() {
            let before = self.texts.clone();
            self.host.handle_idle();
            self.drain();
            if self.texts == before {
                break;
            }
        }
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.host.poll() {
            match output {
                Output::Send(text) => self.sent.push(serde_json::from_str(&text).unwrap()),
                Output::ToTab { tab: to, text, .. } => {
                    let told = match to == tab() {
                        true => &mut self.told,
                        false => self.others.entry(to).or_default(),
                    };
                    told.push(decode::<Envelope>(&text).unwrap().message);
                }
                Output::Storage(request) => {
                    let reply = self.carry_out(&request.what);
                    self.host.handle_storage(request.number, Ok(reply));
                }
                Output::FindTabs(_) => {
                    self.host.tabs_found(&self.alive);
                    self.host.tabs_asleep();
                }
                Output::Warn(_)
                | Output::CloseSocket
                | Output::OpenSocket(_)
                | Output::BeginAnew
                | Output::Debug { .. }
                | Output::Resigned
                | Output::Deposed
                | Output::DropSocket
                | Output::StartTimer(_)
                | Output::StartAlarm(_)
                | Output::Realtime(_) => {}
            }
        }
    }

    pub(crate) fn carry_out(&mut self, ask: &Ask) -> Vec<Option<String>> {
        match ask {
            Ask::Open => {}
            Ask::Read(ids) => return ids.iter().map(|id| self.texts.get(id).cloned()).collect(),
            Ask::Write { puts, deletes } => {
                self.written += puts.iter().map(|(_, text)| text.len()).sum::<usize>();
                self.texts.extend(puts.iter().cloned());
                self.texts.retain(|id, _| !deletes.contains(id));
            }
            Ask::Wipe => self.texts.clear(),
        }
        Vec::new()
    }

    pub(crate) fn tab(&mut self, message: Value) {
        self.tab_named(&tab(), message);
    }

    pub(crate) fn tab_named(&mut self, tab: &TabId, message: Value) {
        self.host.handle_tab(tab, &message.to_string());
        self.drain();
    }

    pub(crate) fn server(&mut self, message: Value) {
        self.host.socket_message(&message.to_string());
        self.drain();
    }

    /// A document that the server has, subscribed.
    pub(crate) fn subscribe(&mut self, id: &str) {
        self.tab(read("doc.subscribe", id));
        self.server(value!({"a": "s", "c": "c", "d": id, "data": {"v": 3, "data": {"t": ["x"]}}}));
    }

    pub(crate) fn ops_sent(&self) -> Vec<&Value> {
        let sent = self.sent.iter();
        sent.filter(|message| message["a"] == "op").collect()
    }

    pub(crate) fn rejections(&self) -> Vec<(u64, &str)> {
        let rejected = self.told.iter().filter_map(|told| match told {
            ToTab::Doc {
                event: DocEvent::Rejected { seq, error },
                ..
            } => Some((seq.0, error.code_text()?)),
            _ => None,
        });
        rejected.collect()
    }

    pub(crate) fn welcomes(&self) -> usize {
        let welcomes = self.told.iter();
        welcomes
            .filter(|told| matches!(told, ToTab::Welcome { .. }))
            .count()
    }
}

pub(crate) fn options(epoch: u64) -> Options {
    let store = StoreOptions {
        retention: Retention::Durable,
        ..StoreOptions::default()
    };
    Options {
        epoch: Epoch(epoch),
        src: Some(format!("life{epoch}")),
        store: Some(store),
        ..Options::default()
    }
}

pub(crate) fn tab() -> TabId {
    TabId("t".to_owned())
}

pub(crate) fn handshake(id: &str) -> Value {
    value!({"a": "hs", "protocol": 1, "protocolMinor": 2, "id": id, "type": ot_json0::URI})
}

pub(crate) fn register(resume: &Value) -> Value {
    value!({"tab.register": {"protocol": PROTOCOL, "resume": resume}})
}

pub(crate) fn read(action: &str, id: &str) -> Value {
    value!({"connection.read": {"action": action, "collection": "c", "id": id,
        "revision": null, "life": 0, "callbackId": 1}})
}

pub(crate) fn submit(seq: u64, revision: &Value, change: &Value) -> Value {
    value!({"doc.submitOp": {"collection": "c", "id": "d", "revision": revision, "life": 0,
        "seq": seq, "change": change, "preventCompose": false}})
}

pub(crate) fn create() -> Value {
    submit(
        1,
        &Value::Null,
        &value!({"create": {"type": ot_json0::URI, "data": {"t": []}}}),
    )
}

pub(crate) fn edit(seq: u64, revision: u64) -> Value {
    let change = value!({"type": ot_json0::URI, "op": [{"p": ["t", 0], "li": "mine"}]});
    submit(seq, &value!(revision), &change)
}
