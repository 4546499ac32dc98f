//! The connection to the server: its socket, its state, and the handshake (`lib/client/connection.js`).
//!
//! What it refuses to do: open a socket, or interpret the messages on it.

use broker::message::{ConnectionEvent, State, ToTab, encode};
use proxy_doc::{Error, Json, TabId, codes, json_string, next_count};

use crate::host::inputs::Input;
use crate::host::{Host, Output, ReadyState};
use crate::server::bulk::Bulk;
use crate::server::liveness::Verdict;
use crate::server::urls::{Next, URL_MS};
use crate::server::wire::{Handshake, Incoming, PROTOCOL, PROTOCOL_MINOR};

/// Asks the server for a pong.
const PING: &str = r#"{"a":"pp"}"#;

impl Host {
    /// Starts to open sockets, in a host that opens its own.
    pub fn connect(&mut self) {
        if self.is_ending() {
            return;
        }
        self.server.want_socket(true);
        self.open_socket();
    }

    fn open_socket(&mut self) {
        let next = self.server.urls.begin();
        self.find_url(Some(next));
    }

    fn find_url(&mut self, next: Option<Next>) {
        match next {
            None => {}
            Some(Next::Open) => self.open_socket_to(None),
            Some(Next::Ask(tab, round)) => {
                self.set_state(State::Connecting, None);
                self.tell(&tab, ToTab::Connection(ConnectionEvent::UrlWanted(round)));
                self.outbox.push_now(Output::StartTimer(URL_MS));
            }
            Some(Next::Wait) => self.set_state(State::Connecting, None),
            Some(Next::Fail) => self.lack_url(Error::new(
                codes::ERR_URL_FAILED,
                "No tab gave a url in time: the url function has not returned",
            )),
        }
    }

    fn open_socket_to(&mut self, url: Option<String>) {
        self.server.has_socket = true;
        self.outbox.push_now(Output::OpenSocket(url));
    }

    /// Takes that there is no URL for the next socket. The next attempt comes as after a socket that failed.
    fn lack_url(&mut self, error: Error) {
        let reason = abnormal_closure(&error.message);
        // For the tabs this was a socket that failed.
        self.server.generation = next_count(self.server.generation);
        self.fail(error);
        self.set_state(State::Disconnected, reason);
        self.server.urls.put_off();
        self.outbox.push_now(Output::StartTimer(0));
    }

    /// Takes that the driver has a URL of its own from now on: see [`crate::Options::has_url`].
    pub fn have_url(&mut self) {
        let next = self.server.urls.have_own();
        self.find_url(next);
    }

    /// Notes that the tab can be asked for URLs.
    pub(crate) fn take_url_offer(&mut self, tab: &TabId, is_visible: bool) {
        let next = self.server.urls.offer(tab, is_visible);
        self.find_url(next);
    }

    /// Notes that the tab has left, and cannot be asked for URLs any more.
    pub(crate) fn drop_url_offer(&mut self, tab: &TabId) {
        let next = self.server.urls.withdraw(tab);
        self.find_url(next);
    }

    /// Takes a tab's URL for the socket of this number, or the reason why it has none.
    pub(crate) fn take_url(&mut self, round: u64, url: Option<String>, error: Option<Error>) {
        if !self.server.urls.take_answer(round) {
            return;
        }
        match url {
            Some(url) => self.open_socket_to(Some(url)),
            None => self.lack_url(error.unwrap_or_else(|| {
                Error::new(codes::ERR_URL_FAILED, "The url function gave no url")
            })),
        }
    }

    /// Replaces the socket by a new one. The driver has closed the old one.
    pub fn bind_socket(&mut self, ready: ReadyState) {
        self.take(Input::Bound(ready));
    }

    /// The socket is open.
    pub fn socket_opened(&mut self) {
        self.take(Input::Opened);
    }

    /// The socket closed, for the `reason` that its `onclose` gave, as JSON. `random` is in [0, 1).
    pub fn socket_closed(&mut self, reason: Option<Json>, random: f64) {
        self.server.has_socket = false;
        self.take(Input::Closed(reason, random));
    }

    /// The socket reported an error, as JSON.
    pub fn socket_failed(&mut self, error: Json) {
        self.take(Input::Failed(error));
    }

    /// A socket is bound.
    pub(crate) fn take_socket(&mut self, ready: ReadyState) {
        self.server.generation = next_count(self.server.generation);
        self.forget_socket();
        if self.server.opens_sockets {
            let deadline = self.server.liveness.opening();
            self.outbox.push_now(Output::StartTimer(deadline));
        }
        self.set_state(ready.state(), None);
        if ready == ReadyState::Open {
            self.send_handshake();
        }
    }

    /// Drops messages and pings of the socket, which is gone: they are not for the next one.
    fn forget_socket(&mut self) {
        self.server.forget_pings();
        self.server.liveness.closed();
        self.outbox.drop_sends();
    }

    /// The socket opened.
    pub(crate) fn take_open(&mut self) {
        self.set_state(State::Connecting, None);
        self.send_handshake();
    }

    /// The socket closed.
    pub(crate) fn take_close(&mut self, reason: Option<Json>, random: f64) {
        let state = match reason.as_ref().map(|reason| reason.get()) {
            Some(r#""closed""# | r#""Closed""#) => State::Closed,
            Some(r#""stopped""# | r#""Stopped by server""#) => State::Stopped,
            Some(_) | None => State::Disconnected,
        };
        self.forget_socket();
        self.set_state(state, reason);
        if self.server.opens_next_socket() {
            let delay = self.server.reconnect.next_delay(random);
            self.outbox.push_now(Output::StartTimer(delay));
        }
    }

    /// The socket failed: tabs are told.
    pub(crate) fn take_socket_error(&mut self, error: &Json) {
        self.tell_all(|| ToTab::Connection(ConnectionEvent::SocketError(error.clone())));
    }

    /// The time of [`Output::StartTimer`] is over. `random` is in [0, 1).
    pub fn handle_timer(&mut self, random: f64) {
        if self.is_ending() {
            return;
        }
        self.begin_other();
        if self.server.urls.take_put_off() {
            let delay = self.server.reconnect.next_delay(random);
            return self.outbox.push_now(Output::StartTimer(delay));
        }
        if self.server.lacks_socket() {
            return self.open_socket();
        }
        if let Some(next) = self.server.urls.time_over() {
            return self.find_url(Some(next));
        }
        let verdict = self.server.liveness.time_over();
        let is_there = matches!(verdict, Verdict::Wait(_) | Verdict::Ping(_));
        self.judge_socket(verdict, random);
        if is_there {
            self.ask_for_silent_docs();
        }
    }

    /// Opens the awaited socket at once, or doubts the open one: the network changed, or the machine slept. `random` is in
    /// [0, 1).
    pub fn wake(&mut self, random: f64) {
        self.handle_alarm();
        if self.is_ending() || !self.server.opens_next_socket() {
            return;
        }
        self.begin_other();
        if self.server.lacks_socket() {
            return self.open_socket();
        }
        let is_connected = self.connected();
        let verdict = self.server.liveness.doubt(is_connected);
        self.judge_socket(verdict, random);
    }

    fn judge_socket(&mut self, verdict: Verdict, random: f64) {
        match verdict {
            Verdict::Fine => {}
            Verdict::Wait(delay) => self.outbox.push_now(Output::StartTimer(delay)),
            Verdict::Ping(delay) => {
                self.server.note_ping(None);
                self.outbox.push_now(Output::Send(PING.to_owned()));
                self.outbox.push_now(Output::StartTimer(delay));
            }
            Verdict::GiveUp => {
                self.server.has_socket = false;
                self.outbox.push_now(Output::DropSocket);
                let reason = abnormal_closure("the server does not answer");
                self.take(Input::Closed(reason, random));
            }
        }
    }

    /// Notes an output given to the driver. A message to the server must be answered in time.
    pub(crate) fn note_sent(&mut self, output: &Output) {
        if !self.server.opens_next_socket() || !matches!(output, Output::Send(_)) {
            return;
        }
        let delay = self.server.liveness.sent();
        self.start_timer(delay);
    }

    pub(crate) fn start_timer(&mut self, delay: Option<u32>) {
        if let Some(delay) = delay {
            self.outbox.push_now(Output::StartTimer(delay));
        }
    }

    /// Writes to the driver's log.
    pub(crate) fn warn(&mut self, text: String) {
        self.outbox.push_now(Output::Warn(text));
    }

    /// Sends a message to the server, behind the barrier.
    pub(crate) fn send(&mut self, text: String) {
        self.say(Output::Send(text));
    }

    /// Proposes the connection's id to the server.
    pub(crate) fn send_handshake(&mut self) {
        let message = Handshake {
            a: "hs",
            id: Some(self.server.op_ids.connection_id()),
            protocol: PROTOCOL,
            protocol_minor: PROTOCOL_MINOR,
        };
        let text = encode(&message);
        self.send(text);
    }

    /// Goes to another state, and lets everything that waits for the connection go on, or wait (`_setState`).
    pub(crate) fn set_state(&mut self, state: State, reason: Option<Json>) {
        match self.server.transition(state, reason) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return self.fail(error),
        }
        if state == State::Connected {
            self.log.want_inventory();
        }
        self.server.bulk = Some(Bulk::default());
        let connected = self.connected();
        self.with_queries(|queries, versions| queries.set_connected(connected, versions));
        for handle in self.docs.handles() {
            if !connected {
                self.docs[handle].subscribers.clear();
            }
            self.act(handle, |doc, up| doc.handle_connection_state(up));
        }
        self.with_presence(|presences, reads| presences.set_connected(connected, reads));
        self.resend_past_snapshots();
        self.end_bulk();
        let now = self.server.connection_state();
        self.tell_all(|| ToTab::Connection(ConnectionEvent::State(now.clone())));
    }

    /// The server answers the handshake (`_initialize`).
    pub(crate) fn initialize(&mut self, message: &Incoming) {
        if self.server.state != State::Connecting {
            return;
        }
        let protocol = message.protocol.as_ref();
        if protocol.and_then(Json::count) != Some(u64::from(PROTOCOL)) {
            let text = protocol.map_or("undefined", Json::get);
            let message = format!("Unsupported protocol version: {text}");
            return self.fail(Error::new(
                codes::ERR_PROTOCOL_VERSION_NOT_SUPPORTED,
                message,
            ));
        }
        let ty = message.ty.as_deref().unwrap_or("undefined");
        let known = self
            .types
            .resolve(ty)
            .is_some_and(|ty| ty.uri() == self.types.default_uri());
        if !known {
            let message = format!("{ty} does not match the server default type");
            return self.fail(Error::new(codes::ERR_DEFAULT_TYPE_MISMATCH, message));
        }
        let Some(id) = message.id.as_ref().and_then(Json::string) else {
            let error = Error::new(
                codes::ERR_CLIENT_ID_BADLY_FORMED,
                "Client id must be a string",
            );
            return self.fail(error);
        };
        self.server.op_ids.set_connection_id(id);
        self.server.reconnect.succeeded();
        let delay = self.server.liveness.opened();
        if self.server.opens_next_socket() {
            self.start_timer(Some(delay));
        }
        self.set_state(State::Connected, None);
    }

    /// An error of the connection, for every tab.
    pub(crate) fn fail(&mut self, error: Error) {
        self.tell_all(|| ToTab::Connection(ConnectionEvent::Error(error.clone())));
    }

    /// Asks the server for a pong, for `tab`.
    pub(crate) fn ping(&mut self, tab: TabId) {
        if !self.connected() {
            return;
        }
        self.server.note_ping(Some(tab));
        self.send(PING.to_owned());
    }

    /// Gives the pong to the tab of the oldest unanswered ping of this socket.
    pub(crate) fn handle_pong(&mut self, error: Option<Error>) {
        let event = || match &error {
            Some(error) => ConnectionEvent::Error(error.clone()),
            None => ConnectionEvent::Pong,
        };
        match self.server.take_ping() {
            Some(Some(tab)) => self.tell(&tab, ToTab::Connection(event())),
            Some(None) => {}
            // The application wrote the ping to the socket itself.
            None => self.tell_all(|| ToTab::Connection(event())),
        }
    }

    /// Closes the connection as the application asked for.
    pub(crate) fn close(&mut self) {
        self.server.want_socket(false);
        self.server.has_socket = false;
        self.server.urls.stop();
        self.server.liveness.closed();
        self.outbox.push_now(Output::CloseSocket);
        if self.server.opens_sockets {
            self.set_state(State::Closed, Some(json_string("closed")));
        }
    }
}

/// The reason that `onclose` gives for a socket that closed without a close frame.
fn abnormal_closure(reason: &str) -> Option<Json> {
    let reason = json_string(reason);
    proxy_doc::json(format!(
        r#"{{"code":1006,"reason":{},"wasClean":false}}"#,
        reason.get()
    ))
    .ok()
}
