//! Hosts that come one after the other on one storage, before the reference server.

use std::collections::BTreeMap;
use std::rc::Rc;

use broker::coordination::messages::{Ask as Wish, Join, Report, Session, Stream};
use broker::message::{Answer, CallbackId, Envelope, PROTOCOL, StorageEvent, ToTab, decode};
use durable_store::format::RecordId;
use durable_store::{Ask, Retention, StoreOptions};
use proxy_doc::{Epoch, Error, OtType, TabId, Types, write_json};
use serde_json::{Value, json as value};
use sharedb_proxy_tests::server::{Server, SessionId};
use worker_host::{Host, Options, Output, ReadyState};

/// The documents. The last one is not read before the host has its server.
pub(crate) const DOCS: [&str; 7] = ["a", "b", "c", "l", "m", "n", "k"];

pub(crate) type Texts = BTreeMap<RecordId, String>;

/// Knows json0.
struct Json0;

impl Types for Json0 {
    fn resolve(&self, name: &str) -> Option<OtType> {
        (name == ot_json0::URI).then_some(OtType::Json0(None))
    }

    fn default_uri(&self) -> String {
        ot_json0::URI.to_owned()
    }
}

/// A host with one tab and a server.
pub(crate) struct Stage {
    host: Host,
    tab: TabId,
    pub(crate) server: Server,
    session: Option<SessionId>,
    pub(crate) texts: Texts,
    pub(crate) told: Vec<ToTab>,
    pub(crate) warned: Vec<String>,
    /// The number of the tab's last request, and the ops that it submitted to each document.
    asked: u64,
    seqs: BTreeMap<String, u64>,
}

impl Stage {
    /// The host number `life` on what an earlier one left, with a tab that has just come.
    pub(crate) fn begin(texts: Texts, server: Server, life: u64) -> Self {
        let options = Options {
            epoch: Epoch(life),
            src: Some(format!("life{life}")),
            store: Some(StoreOptions {
                retention: Retention::Durable,
                ..StoreOptions::default()
            }),
            ..Options::default()
        };
        let mut stage = Self {
            host: Host::new(options, Rc::new(Json0)),
            tab: TabId(format!("tab{life}")),
            server,
            session: None,
            texts,
            told: Vec::new(),
            warned: Vec::new(),
            asked: 0,
            seqs: BTreeMap::new(),
        };
        stage.host.set_storage_mode("custom".to_owned(), None);
        stage.drain();
        stage.tab(&value!({"tab.register": {"protocol": PROTOCOL}}));
        stage.tab(&value!({"storage.watch": {}}));
        stage
    }

    // ---- What happens ----

    pub(crate) fn go_online(&mut self) {
        self.session = Some(self.server.connect());
        self.host.bind_socket(ReadyState::Open);
        self.drain();
    }

    pub(crate) fn go_offline(&mut self) {
        if let Some(session) = self.session.take() {
            self.server.disconnect(session);
        }
        self.host.socket_closed(None, 0.5);
        self.drain();
    }

    /// There is time for what can wait.
    pub(crate) fn rest(&mut self) {
        for _ in 0..20 {
            let before = self.texts.clone();
            self.host.handle_idle();
            self.drain();
            if self.texts == before {
                break;
            }
        }
    }

    fn tab(&mut self, message: &Value) {
        self.host
            .handle_tab(&self.tab.clone(), &message.to_string());
        self.drain();
    }

    pub(crate) fn join(&mut self) {
        let join = Join {
            id: "tab".to_owned(),
            returns: false,
            report: Report {
                visible: true,
                ..Report::default()
            },
            open: 1,
            grants: Vec::new(),
            term: None,
            token: 0,
            seen: 0,
            line: 0,
            rotation: 0,
            state: None,
            session: Session::default(),
            stream: Stream::default(),
        };
        let ask: Value = serde_json::from_str(&write_json(&Wish::Join(Box::new(join)))).unwrap();
        self.tab(&value!({ "coordination": ask }));
        let send = value!({"send": {"number": 1, "urgent": false, "message": "hello"}});
        self.tab(&value!({ "coordination": send }));
    }

    /// Asks for something; gives the number of the answer.
    fn ask(&mut self, name: &str, mut fields: Value) -> u64 {
        self.asked += 1;
        fields["callbackId"] = self.asked.into();
        self.tab(&value!({ name: fields }));
        self.asked
    }

    pub(crate) fn subscribe(&mut self, id: &str) -> u64 {
        let read = value!({"action": "doc.subscribe", "collection": "c", "id": id, "revision": null, "life": 0});
        self.ask("connection.read", read)
    }

    pub(crate) fn get_bulk(&mut self, ids: &[&str]) -> u64 {
        self.ask(
            "connection.getBulk",
            value!({"collection": "c", "ids": ids}),
        )
    }

    pub(crate) fn flush(&mut self) {
        self.ask("connection.flushWrites", value!({}));
    }

    fn submit(&mut self, id: &str, revision: &Value, change: &Value) {
        let seq = self.seqs.entry(id.to_owned()).or_default();
        *seq += 1;
        let op = value!({"collection": "c", "id": id, "revision": revision, "life": 0, "seq": *seq,
            "change": change, "preventCompose": true});
        self.tab(&value!({ "doc.submitOp": op }));
    }

    pub(crate) fn create(&mut self, id: &str, words: &[&str]) {
        let create = value!({"create": {"type": ot_json0::URI, "data": {"t": words}}});
        self.submit(id, &Value::Null, &create);
    }

    /// Inserts a word, in a document to which nobody else does anything.
    pub(crate) fn insert(&mut self, id: &str, word: &str) {
        let revision = self.seqs[id];
        let change = value!({"type": ot_json0::URI, "op": [{"p": ["t", 0], "li": word}]});
        self.submit(id, &value!(revision), &change);
    }

    fn drain(&mut self) {
        loop {
            let mut moved = false;
            while let Some(output) = self.host.poll() {
                moved = true;
                self.carry_out(output);
            }
            while let Some((session, text)) = self.server.poll() {
                moved = true;
                if Some(session) == self.session {
                    self.host.socket_message(&text);
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::ToTab { tab, text, .. } => {
                if tab == self.tab {
                    let envelope = decode::<Envelope>(&text);
                    self.told
                        .push(envelope.expect("the host makes sense").message);
                }
            }
            Output::Send(text) => {
                let session = self.session.expect("there is a socket");
                self.server.receive(session, &text);
                assert!(self.server.is_connected(session), "{text} is no message");
            }
            Output::Storage(request) => {
                let mut reply = Vec::new();
                match request.what {
                    Ask::Open => {}
                    Ask::Read(ids) => {
                        reply = ids.iter().map(|id| self.texts.get(id).cloned()).collect();
                    }
                    Ask::Write { puts, deletes } => {
                        self.texts.extend(puts);
                        self.texts.retain(|id, _| !deletes.contains(id));
                    }
                    Ask::Wipe => self.texts.clear(),
                }
                self.host.handle_storage(request.number, Ok(reply));
            }
            Output::FindTabs(_) => {
                self.host.tabs_found(&[]);
                self.host.tabs_asleep();
            }
            Output::Warn(text) => self.warned.push(text),
            Output::CloseSocket
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

    // ---- What came of it ----

    /// The answers to a request.
    pub(crate) fn answers(&self, number: u64) -> Vec<(&Option<Error>, &Option<Answer>)> {
        let answers = self.told.iter().filter_map(|told| match told {
            ToTab::Callback {
                callback_id,
                error,
                result,
            } if *callback_id == CallbackId(number) => Some((error, result)),
            _ => None,
        });
        answers.collect()
    }

    /// What the application is told of the store: `connection.storage.code`.
    pub(crate) fn storage_code(&self) -> Option<&str> {
        let mut states = self.told.iter().filter_map(|told| match told {
            ToTab::Welcome { storage, .. } => Some(storage),
            ToTab::Storage(StorageEvent::State(storage)) => Some(storage),
            _ => None,
        });
        let last = states.next_back().expect("it was welcomed");
        last.reason.as_ref().and_then(Error::code_text)
    }

    /// The dead letters, as the tab sees them.
    pub(crate) fn letters(&self) -> String {
        let mut known = BTreeMap::new();
        for told in &self.told {
            if let ToTab::Storage(StorageEvent::Letters {
                letters,
                gone,
                whole,
            }) = told
            {
                if *whole {
                    known.clear();
                }
                for letter in letters {
                    known.insert(letter.number, write_json(letter));
                }
                for number in gone {
                    known.remove(number);
                }
            }
        }
        known.into_values().collect()
    }

    /// How often the server has committed an op with this word.
    pub(crate) fn committed(&self, word: &str) -> usize {
        let word = format!("\"{word}\"");
        let ops = DOCS.map(|id| self.server.ops("c", id));
        let texts = ops.iter().flat_map(|ops| ops.iter());
        let texts = texts.map(|op| ot_json0::Value::Object(op.content.clone()).to_json());
        texts.filter(|text| text.contains(&word)).count()
    }

    /// Ends the host as a crash does. What it left, and the server.
    pub(crate) fn end(mut self) -> (Texts, Server) {
        if let Some(session) = self.session.take() {
            self.server.disconnect(session);
        }
        while self.server.poll().is_some() {}
        (self.texts, self.server)
    }
}
