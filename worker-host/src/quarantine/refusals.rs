//! Refusing an input in quarantine: it changes nothing, and whoever waits for its answer gets an error.

use broker::message::{ConnectionEvent, QueryEvent, ToHost, ToTab, callback_id};
use proxy_doc::{DocHandle, Error, Gather, TabId};

use super::died;
use crate::host::Host;
use crate::host::inputs::{Input, Message, TabMessage};
use crate::server::wire::Incoming;

impl Host {
    /// Refuses an input.
    pub(crate) fn refuse_input(&mut self, input: Input) {
        match input {
            Input::Tab(tab, message) => self.refuse_message(&tab, *message),
            Input::Message(message) => self.refuse_server_message(*message),
            Input::TabGone(_)
            | Input::Bound(_)
            | Input::Opened
            | Input::Closed(..)
            | Input::Failed(_) => {}
        }
    }

    /// Answers a message by an error, and changes nothing.
    fn refuse_message(&mut self, tab: &TabId, TabMessage { text, message }: TabMessage) {
        let error = died();
        self.warn(format!("From tab {}: {}: {text}", tab.0, error.message));
        match message {
            ToHost::Register {
                protocol,
                resume,
                machine,
                view,
            } => {
                // What it holds may be what the host died on: it starts again with all of it.
                let anew = resume.into_iter().map(|mut doc| {
                    doc.line = None;
                    doc
                });
                let message = ToHost::Register {
                    protocol,
                    resume: anew.gather(),
                    machine,
                    view,
                };
                self.handle_tab_message(tab, message);
            }
            ToHost::SubmitOp(op) if self.tabs.is_registered(tab) => {
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
            ToHost::SubmitOp(_)
            | ToHost::Read(_)
            | ToHost::Status { .. }
            | ToHost::Debug { .. }
            | ToHost::IngestSnapshot { .. }
            | ToHost::FetchSnapshot(_)
            | ToHost::PresenceSubscribe(_)
            | ToHost::PresenceUnsubscribe(_)
            | ToHost::PresenceSubmit(_)
            | ToHost::GetBulk { .. }
            | ToHost::PutDocs { .. }
            | ToHost::FlushWrites { .. }
            | ToHost::Wipe { .. } => {
                if let Some(callback_id) = callback_id(&text) {
                    self.refuse(tab, callback_id, error);
                }
            }
            ToHost::Coordination(ask) => self.refuse_ask(tab, &ask, error),
            ToHost::Url { round, .. } => self.take_url(round, None, Some(error)),
            ToHost::Ping {} => {
                self.tell(tab, ToTab::Connection(ConnectionEvent::Error(error)));
            }
            // These ask for no answer. Ops that were sent ahead come again.
            ToHost::SubmitAhead { .. }
            | ToHost::Received { .. }
            | ToHost::Close { .. }
            | ToHost::OfferUrls { .. }
            | ToHost::DestroyQuery { .. }
            | ToHost::SetAutoFlush { .. }
            | ToHost::WatchStorage {}
            | ToHost::RemoveLetters { .. }
            | ToHost::Destroy { .. } => {}
        }
    }

    /// Takes the message for one by which the server says that it failed.
    fn refuse_server_message(&mut self, Message { text, message }: Message) {
        let error = died();
        self.warn(format!("From the server: {}: {text}", error.message));
        if message.a == "op" {
            return self.skip_op(message, error);
        }
        self.dispatch(message, Some(error), || None);
    }

    /// An op that cannot be taken. A fetch from the document's version would bring it again: the document is loaded
    /// anew, by its snapshot.
    fn skip_op(&mut self, mut message: Incoming, error: Error) {
        let refusal = message.error.take().map(|refusal| refusal.into_error(None));
        let handle = self.handle_of(&message);
        if let Some(refusal) = refusal {
            return self.skip_refusal(handle, &message, refusal);
        }
        let Some(handle) = handle else {
            return;
        };
        if self.is_ack(handle, &message) {
            self.act(handle, |doc, up| doc.handle_unusable_ack(up, error));
            return;
        }
        self.act(handle, |doc, up| match doc.version() {
            None => doc.fetch(up, None),
            Some(version) if message.v.is_none_or(|v| v >= version) => {
                doc.handle_unreadable_op(up, error);
            }
            // An old one, which the document has.
            Some(_) => {}
        });
    }

    /// The server refused an op, and it cannot be taken back: the document is loaded anew.
    fn skip_refusal(&mut self, handle: Option<DocHandle>, message: &Incoming, refusal: Error) {
        let Some(handle) = handle.filter(|handle| self.docs[*handle].doc.inflight().is_some())
        else {
            return self.tell_op_error(message, &refusal);
        };
        if !self.docs[handle].is_of_another(&message.op_id()) {
            self.act(handle, |doc, up| doc.hard_rollback(up, refusal));
        }
    }
}
