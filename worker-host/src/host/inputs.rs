//! What comes in, and what has to wait for the store.
//!
//! A document that the store may have is loaded before anything happens to it. What names it waits, and
//! with it what came later from the same tab, or from the server; others go on.

use std::rc::Rc;

use broker::message::ToHost;
use proxy_doc::{DocKey, Json, TabId};

use super::quarantine::Cause;
use super::{Host, ReadyState, identity};
use crate::wire::Incoming;

/// One input, parsed.
#[derive(Debug)]
pub(super) enum Input {
    Tab(TabId, Box<TabMessage>),
    TabGone(TabId),
    Bound(ReadyState),
    Opened,
    Closed(Option<Json>, f64),
    Failed(Json),
    Message(Box<Message>),
}

/// An input that waits for the store.
#[derive(Debug)]
pub(super) struct Parked {
    input: Input,
    /// What it needs was asked for.
    asked: bool,
}

/// One message of a tab.
#[derive(Debug)]
pub(super) struct TabMessage {
    pub(super) text: Rc<str>,
    pub(super) message: ToHost,
}

/// One message of the server.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) text: Rc<str>,
    pub(super) message: Incoming,
}

/// Whose inputs stay in their order.
#[derive(PartialEq, Eq)]
enum From {
    Tab(TabId),
    Server,
}

impl Input {
    fn from(&self) -> From {
        match self {
            Self::Tab(tab, _) | Self::TabGone(tab) => From::Tab(tab.clone()),
            Self::Bound(_)
            | Self::Opened
            | Self::Closed(..)
            | Self::Failed(_)
            | Self::Message(_) => From::Server,
        }
    }
}

impl Host {
    /// Takes an input, now or when what it needs is loaded.
    pub(super) fn take(&mut self, input: Input) {
        if self.store.is_none() {
            self.carry_out(input);
            return self.settle();
        }
        self.parked.push_back(Parked {
            input,
            asked: false,
        });
        self.pump();
    }

    /// Carries out what need not wait any more.
    pub(super) fn pump(&mut self) {
        if self.is_restoring() {
            return;
        }
        let mut blocked = Vec::new();
        let mut at = 0;
        while let Some(parked) = self.parked.get(at) {
            let from = parked.input.from();
            if blocked.contains(&from) || self.waits_for_store(at) || !self.has_loaded(at) {
                blocked.push(from);
                at += 1;
            } else if let Some(parked) = self.parked.remove(at) {
                self.carry_out(parked.input);
                self.settle();
            }
        }
        if self.parked.is_empty() {
            for handle in std::mem::take(&mut self.fresh) {
                self.touched.insert(handle);
            }
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
    fn waits_for_store(&self, at: usize) -> bool {
        let is_closed = self.store.as_ref().is_some_and(|store| store.is_closed());
        is_closed && matches!(self.parked[at].input, Input::Tab(..)) && !self.named(at).is_empty()
    }

    /// Whether all documents that the input names are here; asks the store for those that are not.
    fn has_loaded(&mut self, at: usize) -> bool {
        let missing = self.missing(at);
        if missing.is_empty() {
            return true;
        }
        if let Some(parked) = self.parked.get_mut(at)
            && !std::mem::replace(&mut parked.asked, true)
        {
            self.ask_for(missing);
        }
        // A store that was given up has answered already.
        self.missing(at).is_empty()
    }

    fn missing(&self, at: usize) -> Vec<DocKey> {
        let mut missing = self.named(at);
        missing.retain(|key| !self.by_key.contains_key(key) && !self.is_unreadable(key));
        missing
    }

    fn named(&self, at: usize) -> Vec<DocKey> {
        match self.parked.get(at).map(|parked| &parked.input) {
            Some(Input::Tab(_, message)) => named_by_tab(&message.message),
            Some(Input::Message(message)) => self.named_by_query(&message.message),
            _ => Vec::new(),
        }
    }
}

fn named_by_tab(message: &ToHost) -> Vec<DocKey> {
    let key = |collection: &String, id: &String| DocKey {
        collection: collection.clone(),
        id: id.clone(),
    };
    match message {
        ToHost::Register { resume, .. } => resume.iter().map(|doc| doc.key.clone()).collect(),
        ToHost::Bulk { reads } => reads
            .iter()
            .map(|read| key(&read.collection, &read.id))
            .collect(),
        ToHost::Read(read) => vec![key(&read.collection, &read.id)],
        ToHost::SubmitOp(op) => vec![key(&op.collection, &op.id)],
        ToHost::IngestSnapshot { collection, id, .. } => vec![key(collection, id)],
        ToHost::GetBulk {
            collection, ids, ..
        } => ids.iter().map(|id| key(collection, id)).collect(),
        ToHost::Query(request) => {
            let results = request.results.iter().flatten();
            results.map(|id| key(&request.collection, id)).collect()
        }
        ToHost::Received { .. }
        | ToHost::Close { .. }
        | ToHost::Ping {}
        | ToHost::Status { .. }
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
        | ToHost::Destroy { .. } => Vec::new(),
    }
}
