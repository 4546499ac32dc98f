//! Inputs, and which of them have to wait for the store.
//!
//! A document that the store may have is loaded before anything happens to it. What names it waits, and
//! with it what came later from the same tab, or from the server; others go on.

use std::rc::Rc;

use broker::message::ToHost;
use proxy_doc::{DocKey, Gather, Json, TabId};

use super::{Host, ReadyState};
use crate::inbox::Sender;
use crate::quarantine::Cause;
use crate::quarantine::identity;
use crate::server::wire::Incoming;

/// One input, parsed.
#[derive(Debug)]
pub(crate) enum Input {
    Tab(TabId, Box<TabMessage>),
    TabGone(TabId),
    Bound(ReadyState),
    Opened,
    Closed(Option<Json>, f64),
    Failed(Json),
    Message(Box<Message>),
}

/// One message of a tab.
#[derive(Debug)]
pub(crate) struct TabMessage {
    pub(crate) text: Rc<str>,
    pub(crate) message: ToHost,
}

/// One message of the server.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) text: Rc<str>,
    pub(crate) message: Incoming,
}

impl Input {
    fn sender(&self) -> Sender {
        match self {
            Self::Tab(tab, _) | Self::TabGone(tab) => Sender::Tab(tab.clone()),
            Self::Bound(_)
            | Self::Opened
            | Self::Closed(..)
            | Self::Failed(_)
            | Self::Message(_) => Sender::Server,
        }
    }
}

impl Host {
    /// Carries out an input, now or when the documents that it names are loaded.
    pub(crate) fn take(&mut self, input: Input) {
        if self.is_ending() {
            return;
        }
        if !self.log.is_kept() {
            self.carry_out(input);
            return self.settle();
        }
        self.inbox.push(input.sender(), input);
        if self.waits_for_tabs() {
            self.hear_leads(false);
            return self.handle_store_events();
        }
        self.pump();
    }

    /// How often an input was looked at, be it carried out or found to lack a document: a measure of what inputs cost
    /// that wait.
    pub fn looks(&self) -> u64 {
        self.inbox.looks()
    }

    /// Carries out the inputs that no longer have to wait.
    pub(crate) fn pump(&mut self) {
        if self.log.is_restoring() {
            return;
        }
        if !self.log.is_closed() {
            self.inbox.release();
        }
        while let Some(sender) = self.inbox.next_ready() {
            let Some(input) = self.inbox.first(&sender) else {
                continue;
            };
            let mut names = self.named(input);
            if self.waits_for_store(input, &names) {
                self.inbox.hold(sender);
                continue;
            }
            names.retain(|key| !self.is_here(key));
            if !names.is_empty() {
                self.inbox.wait_for(&sender, &names);
                // A store that was given up answers at once.
                self.ask_for(names);
            } else if let Some(input) = self.inbox.take(&sender) {
                self.carry_out(input);
                self.settle();
            }
        }
        if self.inbox.is_empty() {
            self.docs.touch_fresh();
            self.settle();
        }
    }

    fn carry_out(&mut self, input: Input) {
        let refused = match &input {
            Input::Tab(tab, message) => {
                let what = identity::of_tab_message(tab, &message.message);
                self.begin(Cause::TabMessage, &what)
            }
            Input::Message(message) => {
                let what = self.identity_of(&message.message);
                self.begin(Cause::ServerMessage, &what)
            }
            Input::TabGone(_)
            | Input::Bound(_)
            | Input::Opened
            | Input::Closed(..)
            | Input::Failed(_) => {
                self.begin_other();
                false
            }
        };
        if refused {
            return self.refuse_input(input);
        }
        match input {
            Input::Tab(tab, message) => self.handle_tab_message(&tab, message.message),
            Input::TabGone(tab) => self.lose_tab(&tab),
            Input::Bound(ready) => self.take_socket(ready),
            Input::Opened => self.take_open(),
            Input::Closed(reason, random) => self.take_close(reason, random),
            Input::Failed(error) => self.take_socket_error(&error),
            Input::Message(message) => self.handle_message(*message),
        }
    }

    /// Whether a tab speaks of documents while somebody else may have the storage. To take that would keep from all
    /// tabs what is to be told next, for as long as nothing can be written.
    fn waits_for_store(&self, input: &Input, names: &[DocKey]) -> bool {
        self.log.is_closed() && matches!(input, Input::Tab(..)) && !names.is_empty()
    }

    /// Whether the store need not be asked for the document.
    fn is_here(&self, key: &DocKey) -> bool {
        self.docs.find(key).is_some() || self.log.is_unreadable(key)
    }

    /// Documents that have to be here before the input is carried out.
    fn named(&self, input: &Input) -> Vec<DocKey> {
        match input {
            Input::Tab(_, message) => named_by_tab(&message.message),
            Input::Message(message) => self.queries.documents_in(&message.message),
            Input::TabGone(_)
            | Input::Bound(_)
            | Input::Opened
            | Input::Closed(..)
            | Input::Failed(_) => Vec::new(),
        }
    }
}

fn named_by_tab(message: &ToHost) -> Vec<DocKey> {
    let key = |collection: &String, id: &String| DocKey {
        collection: collection.clone(),
        id: id.clone(),
    };
    match message {
        ToHost::Register { resume, .. } => resume.iter().map(|doc| doc.key.clone()).gather(),
        ToHost::Bulk { reads } => reads
            .iter()
            .map(|read| key(&read.collection, &read.id))
            .gather(),
        ToHost::Read(read) => vec![key(&read.collection, &read.id)],
        ToHost::SubmitOp(op) => vec![key(&op.collection, &op.id)],
        ToHost::SubmitAhead { ops } => {
            let first = ops.first();
            first
                .map(|op| key(&op.collection, &op.id))
                .into_iter()
                .gather()
        }
        ToHost::IngestSnapshot { collection, id, .. } => vec![key(collection, id)],
        ToHost::GetBulk {
            collection, ids, ..
        } => ids.iter().map(|id| key(collection, id)).gather(),
        ToHost::Query(request) => {
            let results = request.results.iter().flatten();
            results.map(|id| key(&request.collection, id)).gather()
        }
        ToHost::Received { .. }
        | ToHost::Close { .. }
        | ToHost::Ping {}
        | ToHost::OfferUrls { .. }
        | ToHost::Url { .. }
        | ToHost::Status { .. }
        | ToHost::Debug { .. }
        | ToHost::DestroyQuery { .. }
        | ToHost::FetchSnapshot(_)
        | ToHost::PresenceSubscribe(_)
        | ToHost::PresenceUnsubscribe(_)
        | ToHost::PresenceSubmit(_)
        | ToHost::PutDocs { .. }
        | ToHost::FlushWrites { .. }
        | ToHost::SetAutoFlush { .. }
        | ToHost::WatchStorage {}
        | ToHost::RemoveLetters { .. }
        | ToHost::Wipe { .. }
        | ToHost::Coordination(_)
        | ToHost::Destroy { .. } => Vec::new(),
    }
}
