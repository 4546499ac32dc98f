//! A tab: a [`ProxyConnection`] and the driver around it, which does what the JavaScript shim does.
//!
//! The data is built from events alone: there is nowhere else to take it from.

mod acts;
mod crash;
mod presence;
mod queries;

use std::collections::VecDeque;
use std::rc::Rc;

use broker::message::{DocEvent, Envelope, State, Status, ToHost, ToTab, decode, encode};
use ot_json0::{Op, Value};
use proxy_connection::{ProxyConnection, TabEvent};
use proxy_doc::{
    CreateData, Doc, DocHandle, DocKey, Edit, Error, Event, Json, Later, Line, Seq, Snapshot,
    SnapshotType, TabId, Token, Types, Version, codes, json,
};

use self::crash::{Called, Remembered};
use self::presence::TabPresence;
pub(super) use self::queries::TabQuery;
use super::edit::Style;
use super::ledger::{Ledger, is_of_a_result};
use super::refusing;
use super::step::{Act, On};
use super::witness::Witness;

/// Calls inside of calls, above which listeners keep quiet.
const MAX_NESTING: usize = 6;

/// What an application listens for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listener {
    pub(super) on: On,
    pub(super) act: Act,
    pub(super) seed: u64,
}

/// A document as the application sees it.
#[derive(Debug)]
pub(super) struct TabDoc {
    pub(super) key: DocKey,
    pub(super) handle: DocHandle,
    /// The application has it; otherwise no machine knows the handle.
    pub(super) is_open: bool,
    /// It leaves when this unsubscribe has ended.
    closing: Option<Token>,
    pub(super) exists: bool,
    pub(super) data: Value,
    /// The components of remote ops that are being applied.
    batches: Vec<Vec<Op>>,
    pub(super) listeners: Vec<Listener>,
    /// The last version it was at, since it last was at none.
    version: Option<Version>,
}

impl TabDoc {
    /// Whether it was read, if only to know that there is no document.
    pub(super) fn is_known(&self) -> bool {
        self.version.is_some()
    }
}

/// A tab.
pub(super) struct Tab {
    pub(super) number: usize,
    pub(super) id: TabId,
    pub(super) host: usize,
    pub(super) open: bool,
    /// Its host lives, as far as it knows: it has reached the present one.
    pub(super) linked: bool,
    /// What its host posted arrives before it goes to the next one.
    pub(super) hears_all: bool,
    /// Its thread is blocked.
    pub(super) blocked: bool,
    /// The line that the host named last, in what is on its way.
    pub(super) line: Option<Line>,
    pub(super) connection: ProxyConnection,
    pub(super) docs: Vec<TabDoc>,
    pub(super) to_host: VecDeque<String>,
    pub(super) to_tab: VecDeque<String>,
    pub(super) later: VecDeque<(DocHandle, Later)>,
    pub(super) status: Option<Status>,
    /// The socket that the host wants a URL for.
    pub(super) url_wanted: Option<u64>,
    /// Whether the host may ask for one.
    offers_urls: bool,
    received: u64,
    /// Messages that it has confirmed.
    confirmed: u64,
    nesting: usize,
    style: Style,
    /// What the application called and has no end, in its order: what the shim remembers for the next machine.
    calls: Vec<Remembered>,
    /// How many machines have crashed.
    crashes: u32,
    /// The host has taken this machine.
    is_met: bool,
    pub(super) queries: Vec<TabQuery>,
    pub(super) presence: TabPresence,
    next_query: u64,
    /// The number of the last op that was sent.
    last_seq: Seq,
    /// The highest handle of a document.
    last_handle: u32,
    /// What the server has, for [`Act::Ingest`].
    pub(super) served: Vec<Option<Snapshot>>,
}

/// Where a tab's turns are short, it asks for one document at a time.
fn limit_reads(connection: &mut ProxyConnection, style: Style) {
    if style.short_turns {
        connection.limit_reads(1);
    }
}

impl Tab {
    /// A host took over without this tab.
    pub(super) fn sleeps(&self, ledger: &mut Ledger, witness: &mut Witness) {
        ledger.sleep(self.number);
        witness.slept(&self.id);
    }

    /// Whether it has given up a document's state, and waits for another one.
    pub(super) fn rolls_back(&self) -> bool {
        self.any_machine(Doc::in_hard_rollback)
    }

    /// Whether it waits for the outcome of ops whose content it does not have any more.
    pub(super) fn has_orphans(&self) -> bool {
        self.any_machine(Doc::has_orphans)
    }

    fn any_machine(&self, is_it: impl Fn(&Doc) -> bool) -> bool {
        let handles = self.docs.iter().map(|doc| doc.handle);
        let mut machines = handles.filter_map(|handle| self.connection.doc(handle));
        machines.any(is_it)
    }

    /// A tab that knows of the documents `keys`, and has just opened.
    pub(super) fn open(
        (number, host): (usize, usize),
        types: Rc<dyn Types>,
        keys: &[DocKey],
        style: Style,
        offers_urls: bool,
        ledger: &mut Ledger,
    ) -> Self {
        let mut connection = ProxyConnection::new(types, State::Connecting);
        limit_reads(&mut connection, style);
        let doc = |key: &DocKey| {
            if style.closes {
                TabDoc::closed(key.clone())
            } else {
                TabDoc::new(key.clone(), connection.get(key.clone()))
            }
        };
        let docs = keys.iter().map(doc).collect();
        let mut tab = Self {
            number,
            id: TabId(format!("tab-{number}")),
            host,
            open: true,
            linked: true,
            hears_all: false,
            blocked: false,
            line: None,
            connection,
            docs,
            to_host: VecDeque::new(),
            to_tab: VecDeque::new(),
            later: VecDeque::new(),
            status: None,
            url_wanted: None,
            offers_urls,
            received: 0,
            confirmed: 0,
            nesting: 0,
            style,
            calls: Vec::new(),
            crashes: 0,
            is_met: false,
            queries: Vec::new(),
            presence: TabPresence::default(),
            next_query: 1,
            last_seq: Seq(0),
            last_handle: keys.len() as u32,
            served: Vec::new(),
        };
        tab.offer_urls(ledger);
        tab.enter(ledger, |connection| connection.register());
        tab
    }

    fn offer_urls(&mut self, ledger: &mut Ledger) {
        if self.offers_urls {
            let visible = self.number.is_multiple_of(2);
            self.enter(ledger, |connection| connection.offer_urls(visible));
        }
    }

    // ---- Calls, as they come from outside ----

    /// A call at the bottom of the stack. What a listener throws there ends in nobody's hands.
    pub(super) fn enter(&mut self, ledger: &mut Ledger, action: impl FnOnce(&mut ProxyConnection)) {
        let thrown = self.call(ledger, action);
        self.left(ledger, thrown);
    }

    /// The application does something, in no listener.
    pub(super) fn act(&mut self, ledger: &mut Ledger, doc: usize, act: Act, seed: u64) {
        let thrown = self.perform(ledger, doc, act, seed);
        self.left(ledger, thrown);
    }

    fn left(&mut self, ledger: &mut Ledger, thrown: Result<(), Error>) {
        if let Err(error) = thrown {
            ledger.error(|| format!("tab {}: uncaught: {error}", self.number));
        }
        if self.connection.depth() > 0 {
            ledger.problem(format!("tab {}: tasks are left on the stack", self.number));
        }
        self.docs.iter_mut().for_each(|doc| doc.batches.clear());
        self.check_versions(ledger);
    }

    /// A message of the host.
    pub(super) fn receive(&mut self, ledger: &mut Ledger, text: &str) {
        if let Ok(envelope) = decode::<Envelope>(text) {
            self.received += 1;
            match envelope.message {
                ToTab::Welcome {
                    machine,
                    void,
                    rewinds,
                    ..
                } if machine == Some(self.crashes) => {
                    (self.received, self.confirmed) = (1, 0);
                    self.is_met = true;
                    ledger.count(
                        !void.is_empty(),
                        "a tab starts again that was shown what is void",
                    );
                    ledger.count(
                        !rewinds.is_empty(),
                        "a tab resends ops that were accepted early",
                    );
                }
                ToTab::Callback {
                    error: Some(error), ..
                } => {
                    let is_silent = error.is(codes::ERR_SNAPSHOT_READ_SILENT_REJECTION);
                    ledger.count(is_silent, "a read was refused silently");
                    ledger.count(error.is(refusing::ALOUD), "a read was refused aloud");
                }
                // For a machine that crashed.
                _ if !self.is_met => self.received = 0,
                ToTab::Doc {
                    event: DocEvent::Op { revision, next, .. },
                    ..
                } => ledger.count(next > revision.next(), "a tab got changes as one"),
                _ => {}
            }
        }
        self.enter(ledger, |connection| connection.handle_message(text));
    }

    /// Whether it stands where this change leads to, which it was given last. A tab without a state takes none.
    pub(super) fn has_taken(&self, text: &str) -> bool {
        let Ok(ToTab::Doc {
            collection,
            id,
            event: DocEvent::Op { next, .. },
        }) = decode::<Envelope>(text).map(|envelope| envelope.message)
        else {
            return false;
        };
        let key = DocKey { collection, id };
        let doc = self.docs.iter().find(|doc| doc.key == key);
        let doc = doc.and_then(|doc| self.connection.doc(doc.handle));
        doc.is_some_and(|doc| doc.version() == Some(Version(next.0)))
    }

    /// The application's function gives a URL, or fails. Says whether that was asked for.
    pub(super) fn give_url(&mut self, ledger: &mut Ledger, fails: bool) -> bool {
        let Some(round) = self.url_wanted.take() else {
            return false;
        };
        ledger.count(fails, "a tab had no url");
        ledger.count(!fails, "a tab gave a url");
        let failure = || Error::new(codes::ERR_URL_FAILED, "no token");
        let answer = (!fails)
            .then(|| "ws://server".to_owned())
            .ok_or_else(failure);
        self.enter(ledger, |connection| connection.answer_url(round, answer));
        true
    }

    /// Whether it has received something that it has not confirmed.
    pub(super) fn has_unconfirmed(&self) -> bool {
        self.open && !self.blocked && self.received > self.confirmed
    }

    /// Confirms what has been received.
    pub(super) fn confirm(&mut self) {
        self.confirmed = self.received;
        self.to_host.push_back(encode(&ToHost::Received {
            count: self.received,
        }));
    }

    /// Its host is another one now. What is on its way belongs to the one before.
    pub(super) fn rejoin(&mut self, ledger: &mut Ledger) {
        self.linked = true;
        self.to_host.clear();
        self.to_tab.clear();
        (self.received, self.confirmed) = (0, 0);
        self.url_wanted = None;
        self.enter(ledger, |connection| connection.register());
        self.enter(ledger, |connection| connection.host_lost());
        self.ask_queries_again(ledger);
    }

    /// It is gone.
    pub(super) fn end(&mut self) {
        self.open = false;
        self.to_host.clear();
        self.to_tab.clear();
    }

    /// The next tick: what was left for it.
    pub(super) fn tick(&mut self, ledger: &mut Ledger) {
        for (handle, later) in std::mem::take(&mut self.later) {
            self.enter(ledger, |connection| match later {
                Later::Flush => connection.flush(handle),
                Later::Unsubscribed => connection.finish_unsubscribe(handle),
            });
        }
    }

    /// The page is hidden: what was submitted is sent, as the shim's `_flushAll` does it.
    pub(super) fn hide(&mut self, ledger: &mut Ledger) {
        let open = self.docs.iter().rev().filter(|doc| doc.is_open);
        let handles: Vec<DocHandle> = open.map(|doc| doc.handle).collect();
        self.enter(ledger, |connection| {
            handles
                .iter()
                .for_each(|handle| connection.send_ahead(*handle));
        });
        let is_ahead = |text: &String| text.contains("doc.submitAhead");
        ledger.count(self.to_host.iter().any(is_ahead), "a tab sent ops ahead");
    }

    fn check_versions(&mut self, ledger: &mut Ledger) {
        for doc in &mut self.docs {
            let version = self.connection.version(doc.handle);
            if let (Some(before), Some(now)) = (doc.version, version)
                && now < before
            {
                let text = format!(
                    "tab {}, {}: version {before}, then {now}",
                    self.number, doc.key
                );
                ledger.problem(text);
            }
            doc.version = version;
        }
    }

    // ---- The driver ----

    fn call(
        &mut self,
        ledger: &mut Ledger,
        action: impl FnOnce(&mut ProxyConnection),
    ) -> Result<(), Error> {
        let mark = self.connection.depth();
        action(&mut self.connection);
        while let Some(event) = self.connection.poll(mark) {
            if let Err(error) = self.run(ledger, event)
                && !self.connection.threw(mark, error.clone())
            {
                return Err(error);
            }
        }
        Ok(())
    }

    fn run(&mut self, ledger: &mut Ledger, event: TabEvent) -> Result<(), Error> {
        match event {
            TabEvent::ToHost(text) => self.to_host.push_back(text),
            TabEvent::SubmitOp(text, seq, tokens) => {
                self.last_seq = self.last_seq.max(seq);
                for call in self
                    .calls
                    .iter_mut()
                    .filter(|call| tokens.contains(&call.token))
                {
                    if let Called::Op(_, sent) = &mut call.what {
                        *sent = Some(seq);
                    }
                }
                self.to_host.extend(text);
            }
            TabEvent::Doc(handle, event) => return self.run_doc_event(ledger, handle, event),
            TabEvent::UrlWanted(round) => self.url_wanted = Some(round),
            TabEvent::State(..) | TabEvent::Pong | TabEvent::ConnectionError(_) => {}
            TabEvent::Error(error) => ledger.error(|| format!("connection: {error}")),
            TabEvent::Status(_, status) => self.status = Some(status),
            TabEvent::Sent(..)
            | TabEvent::Storage(_)
            | TabEvent::Coordination(_)
            | TabEvent::Debug(..) => {}
            TabEvent::OpenDoc(handle, key) => self.bring(ledger, handle, &key),
            TabEvent::Query(id, event) => return self.hear_query(ledger, id, event),
            TabEvent::Presence(_, event) => self.hear_presence(ledger, event),
            TabEvent::Stored(..) | TabEvent::Snapshot(..) => {
                ledger.problem(format!("tab {}: unexpected {event:?}", self.number));
            }
            TabEvent::Warn(text) => ledger.error(|| format!("warning in a tab: {text}")),
        }
        Ok(())
    }

    fn run_doc_event(
        &mut self,
        ledger: &mut Ledger,
        handle: DocHandle,
        event: Event,
    ) -> Result<(), Error> {
        let is_it = |doc: &TabDoc| doc.is_open && doc.handle == handle;
        let Some(number) = self.docs.iter().position(is_it) else {
            // Destroyed: only callbacks still count.
            if let Event::Callback { tokens, outcome } = event {
                self.ended(ledger, &tokens, &outcome);
            }
            return Ok(());
        };
        let doc = &mut self.docs[number];
        let heard = match event {
            Event::Apply { edit, .. } => {
                apply(&mut doc.data, &edit)?;
                On::Op
            }
            Event::BatchStart { edit, .. } => {
                doc.batches.push(components(&edit));
                On::BeforeBatch
            }
            Event::BeforeComponent { .. } => On::BeforeComponent,
            Event::ApplyComponent { index, edit } => {
                doc.apply_component(index, edit)?;
                On::Component
            }
            Event::BatchEnd => {
                doc.batches.pop();
                On::Batch
            }
            Event::Create { data, .. } => {
                doc.set(true, create_data(&data)?);
                On::Create
            }
            Event::Del { .. } => {
                doc.set(false, Value::Null);
                On::Del
            }
            Event::Load { type_name, data } => {
                doc.set(type_name.is_some(), parse(data.as_ref())?);
                On::Load
            }
            Event::Clear { .. } => {
                doc.set(false, Value::Null);
                doc.version = None;
                let machine = self.connection.doc(doc.handle);
                if machine.is_some_and(Doc::has_orphans) {
                    ledger.risks.insert(self.number);
                }
                ledger.destroyed.push((self.id.clone(), doc.key.clone()));
                return Ok(());
            }
            Event::Callback { tokens, outcome } => {
                self.ended(ledger, &tokens, &outcome);
                self.close_after(ledger, &tokens)?;
                if !self.docs[number].is_open {
                    return Ok(());
                }
                On::Callback
            }
            Event::NoWritePending => On::NoWritePending,
            Event::NothingPending => On::NothingPending,
            // Of ops without a callback that a machine had not sent when it crashed.
            Event::Error(error) if error.is(codes::ERR_CLIENT_CRASHED) => On::Error,
            // Of those that it had sent, and that its host did not get, or died with.
            Event::Error(error)
                if (error.is(codes::ERR_HOST_LOST) || error.is(codes::ERR_REVISION_NOT_KEPT))
                    && !ledger.recovered.is_empty() =>
            {
                On::Error
            }
            Event::Error(error) if is_of_a_result(&error) => On::Error,
            // Of those of a document that was removed.
            Event::Error(error) if error.is(codes::ERR_DOC_NOT_IN_CONNECTION) => On::Error,
            Event::Error(error) => {
                ledger.error(|| format!("tab {}: error event: {error}", self.number));
                On::Error
            }
            Event::Later(later) => {
                self.later.push_back((handle, later));
                return Ok(());
            }
            Event::Warn(text) => {
                ledger.error(|| format!("tab {}: warning: {text}", self.number));
                return Ok(());
            }
            Event::SendOp
            | Event::SendAhead
            | Event::SendFetch
            | Event::SendSubscribe
            | Event::SendUnsubscribe => {
                ledger.problem(format!("tab {}: unexpected {event:?}", self.number));
                return Ok(());
            }
        };
        self.hear(ledger, number, heard)
    }

    /// Runs the listener that waits for this event, if there is one.
    fn hear(&mut self, ledger: &mut Ledger, doc: usize, on: On) -> Result<(), Error> {
        if self.nesting >= MAX_NESTING {
            return Ok(());
        }
        let listeners = &mut self.docs[doc].listeners;
        let Some(at) = listeners.iter().position(|listener| listener.on == on) else {
            return Ok(());
        };
        let Listener { act, seed, .. } = listeners.remove(at);
        self.nesting += 1;
        let result = self.perform(ledger, doc, act, seed);
        self.nesting -= 1;
        result
    }
}

impl TabDoc {
    fn set(&mut self, exists: bool, data: Value) {
        self.exists = exists;
        self.data = data;
    }

    fn apply_component(&mut self, index: usize, edit: Option<Edit>) -> Result<(), Error> {
        if let Some(edit) = edit {
            return apply(&mut self.data, &edit);
        }
        let component = self.batches.last().and_then(|batch| batch.get(index));
        let component = component.ok_or_else(|| Error::plain("a component of no batch"))?;
        Ok(ot_json0::apply_in_place(&mut self.data, component)?)
    }
}

fn components(edit: &Edit) -> Vec<Op> {
    match edit {
        Edit::Json0(op) => op.split().collect(),
        Edit::Foreign(_) => Vec::new(),
    }
}

fn apply(data: &mut Value, edit: &Edit) -> Result<(), Error> {
    match edit {
        Edit::Json0(op) => Ok(ot_json0::apply_in_place(data, op)?),
        Edit::Foreign(_) => Err(Error::plain("an op of no type")),
    }
}

fn create_data(data: &CreateData) -> Result<Value, Error> {
    parse(data.to_text().as_ref())
}

fn parse(text: Option<&Json>) -> Result<Value, Error> {
    match text {
        None => Ok(Value::Null),
        Some(text) => Value::parse(text.get()).map_err(|error| Error::plain(error.to_string())),
    }
}

pub(super) fn text_json(text: String) -> Json {
    json(text).expect("the simulator writes valid JSON")
}

/// A server's snapshot as an application would bring it.
pub(super) fn snapshot(served: &crate::server::Snapshot) -> Snapshot {
    Snapshot {
        v: Some(Version(served.v)),
        ty: served
            .type_uri
            .map_or(SnapshotType::None, |uri| SnapshotType::Uri(uri.to_owned())),
        data: served.data.as_ref().map(|data| text_json(data.to_json())),
    }
}
