//! Messages of the server, each given to the part of the host that it concerns.
//!
//! What it refuses to do: carry out a message on which an earlier host died twice; see `quarantine.rs`.

use proxy_doc::{DocHandle, DocKey, Error, Json, read_json};

use crate::host::Host;
use crate::host::inputs::Input;
use crate::host::inputs::Message;
use crate::quarantine::Cause;
use crate::quarantine::died;
use crate::server::bulk::Action;
use crate::server::wire::Incoming;

impl Host {
    /// Takes one message from the server.
    pub fn socket_message(&mut self, text: &str) {
        if self.is_ending() {
            return;
        }
        let text = text.into();
        if self.begin(Cause::ServerMessage, &text) {
            return self.warn(format!("From the server: {}: {text}", died().message));
        }
        self.server.liveness.heard();
        match read_json::<Incoming>(&text) {
            Ok(message) => {
                // At once, even if the message has to wait for the store.
                if message.a == "pp" {
                    let delay = self.server.liveness.answered();
                    self.start_timer(delay);
                }
                // The message may have to wait. A trap until then is not its fault.
                self.begin_other();
                self.take(Input::Message(Box::new(Message { text, message })));
            }
            Err(error) => self.warn(format!("Failed to parse message: {error}")),
        }
    }

    /// Carries out a message of the server.
    pub(crate) fn handle_message(&mut self, Message { text, mut message }: Message) {
        let whole = || proxy_doc::json((*text).to_owned()).ok();
        let error = message.error.take().map(|error| error.into_error(whole()));
        self.dispatch(message, error, whole);
    }

    /// Carries out a message, or its `error`, which replaces its content. `whole` gives the message's text.
    pub(crate) fn dispatch(
        &mut self,
        message: Incoming,
        error: Option<Error>,
        whole: impl Fn() -> Option<Json>,
    ) {
        match message.a.as_str() {
            "init" if message.knows_handshake() => self.send_handshake(),
            "init" | "hs" => match error {
                Some(error) => self.fail(error),
                None => self.initialize(&message),
            },
            "f" => self.handle_read(&message, error, Action::Fetch),
            "s" => self.handle_read(&message, error, Action::Subscribe),
            "u" => self.handle_read(&message, error, Action::Unsubscribe),
            "bf" => self.handle_bulk(&message, error, Action::Fetch),
            "bs" => self.handle_bulk(&message, error, Action::Subscribe),
            "bu" => self.handle_bulk(&message, error, Action::Unsubscribe),
            "op" => self.handle_op(message, error),
            "qf" | "qs" => self.with_queries(|queries, _| queries.handle_answer(&message, error)),
            "q" => self.with_queries(|queries, _| queries.handle_update(&message, error)),
            "qu" => {}
            "nf" | "nt" => self.handle_past_snapshot(&message, error, whole()),
            "pp" => self.handle_pong(error),
            "p" | "ps" | "pu" | "pr" => self.handle_presence(message, error),
            other => self.warn(format!("Ignoring unrecognized message {other}")),
        }
    }

    /// The document that a message is about, if it is in memory.
    pub(crate) fn handle_of(&self, message: &Incoming) -> Option<DocHandle> {
        self.find(message.c.as_deref()?, message.d.as_deref()?)
    }

    /// The document, if it is in memory.
    pub(crate) fn find(&self, collection: &str, id: &str) -> Option<DocHandle> {
        let key = DocKey {
            collection: collection.to_owned(),
            id: id.to_owned(),
        };
        self.docs.find(&key)
    }
}
