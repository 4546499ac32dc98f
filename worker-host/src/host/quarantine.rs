//! What hosts die on.
//!
//! A host that is interrupted for good, by a fault of its own, leaves behind what it had begun: [`Doing`]
//! can still be read. The host after it tries that once more, since the fault may have had another cause;
//! on the second time the one after that refuses it, so that one input cannot keep everybody from working.

use std::cell::RefCell;
use std::rc::Rc;

use broker::message::{QueryEvent, ToHost, ToTab, callback_id};
use proxy_doc::{DocKey, Error, TabId, codes, write_json};

use super::Host;
use super::inputs::{Input, Message};

/// What a host can die on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A message of a tab: its text.
    TabMessage,
    /// A message of the server: its text.
    ServerMessage,
    /// A document of the store: its key, as JSON.
    Document,
}

/// What a host began last. To look at it needs no memory, and no host.
#[derive(Debug, Default)]
pub struct Doing {
    now: RefCell<Option<(Cause, Rc<str>)>>,
}

impl Doing {
    /// Gives the cause and its text to `look`; nothing where it cannot be told.
    pub fn look<R>(&self, look: impl FnOnce(Cause, &str) -> R) -> Option<R> {
        let now = self.now.try_borrow().ok()?;
        now.as_ref().map(|(cause, text)| look(*cause, text))
    }
}

impl Host {
    /// What the host began last.
    pub fn doing(&self) -> Rc<Doing> {
        Rc::clone(&self.doing)
    }

    /// Hosts before this one died on that, more than once.
    pub fn quarantine(&mut self, cause: Cause, text: &str) {
        self.quarantined.push((cause, text.into()));
    }

    /// Something begins. Says whether it is to be refused: then it does not.
    pub(super) fn begin(&self, cause: Cause, text: &Rc<str>) -> bool {
        let mut known = self.quarantined.iter();
        let refused = known.any(|(of, known)| *of == cause && **known == **text);
        let now = (!refused).then(|| (cause, Rc::clone(text)));
        self.doing.now.replace(now);
        refused
    }

    /// Something begins that is not to blame for anything.
    pub(super) fn begin_other(&self) {
        self.doing.now.replace(None);
    }

    /// A document of the store is looked at. Gives an error where it is to be left alone.
    pub(super) fn begin_document(&self, key: &DocKey) -> Option<Error> {
        let text: Rc<str> = write_json(key).into();
        self.begin(Cause::Document, &text).then(died)
    }

    pub(super) fn refuse_input(&mut self, input: Input) {
        match input {
            Input::Tab(tab, message) => self.refuse_message(&tab, message.message, &message.text),
            Input::Message(message) => self.refuse_server_message(*message),
            Input::TabGone(_)
            | Input::Bound(_)
            | Input::Opened
            | Input::Closed(..)
            | Input::Failed(_) => {}
        }
    }

    /// Answers a message by an error, and changes nothing.
    fn refuse_message(&mut self, tab: &TabId, message: ToHost, text: &str) {
        let error = died();
        self.warn(format!("From tab {}: {}: {text}", tab.0, error.message));
        match message {
            ToHost::Register { protocol, resume } => {
                // What it holds may be what the host died on: it starts again with all of it.
                let anew = resume.into_iter().map(|mut doc| {
                    doc.line = None;
                    doc
                });
                let message = ToHost::Register {
                    protocol,
                    resume: anew.collect(),
                };
                self.handle_tab_message(tab, message);
            }
            ToHost::SubmitOp(op) if self.tabs.contains_key(tab) => {
                self.submit(tab, op, Some(error));
            }
            ToHost::Query(request) => {
                let query_id = request.query_id;
                let event = QueryEvent::Failed(error);
                self.tell(tab, ToTab::Query { query_id, event });
            }
            ToHost::Bulk { reads } => {
                for read in reads {
                    self.refuse(tab, read.callback_id, error.clone());
                }
            }
            _ => {
                if let Some(callback_id) = callback_id(text) {
                    self.refuse(tab, callback_id, error);
                }
            }
        }
    }

    /// Takes the message for one by which the server says that it failed.
    fn refuse_server_message(&mut self, Message { text, parsed }: Message) {
        let error = died();
        self.warn(format!("From the server: {}: {text}", error.message));
        if let Ok(message) = parsed {
            self.dispatch(message, Some(error), || None);
        }
    }
}

fn died() -> Error {
    let message = "The host crashed on this, more than once";
    Error::new(codes::ERR_INPUT_QUARANTINED, message)
}
