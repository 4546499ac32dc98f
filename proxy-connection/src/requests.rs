//! The tab's requests that the host has not answered.
//!
//! What it refuses to do: send a request, or decide what follows from its answer.

use broker::message::{CallbackId, ReadAction};
use proxy_doc::{DocHandle, DocKey, Map, Token};

use crate::presence::PresenceRequest;
use crate::store_mirror::StoreRequest;

/// What a request asked for, and for whom.
#[derive(Debug)]
pub(crate) enum Request {
    /// A fetch or (un)subscribe. An answer to an earlier life of the document is not its state any more.
    Read {
        doc: DocHandle,
        action: ReadAction,
        life: u32,
    },
    /// The revision of a snapshot that the application ingested, in the life of the document that it began.
    Ingest { doc: DocHandle, life: u32 },
    /// The server's version, for a document whose version the application assigned; see `version.rs`.
    Version(DocHandle),
    /// The host is to forget that the tab had this document.
    Leave(DocKey),
    /// The host's status; with details where that is `true`.
    Status(Token, bool),
    /// Something of the host's driver.
    Debug(Token),
    /// A snapshot of the past.
    Snapshot(Token),
    /// A presence subscription or value.
    Presence(PresenceRequest),
    /// A request to the store.
    Store(Token, StoreRequest),
}

/// The open requests, by the id that their answer comes with.
#[derive(Debug)]
pub(crate) struct Requests {
    open: Map<CallbackId, Request>,
    next: CallbackId,
}

impl Requests {
    /// Ids from `first` on.
    pub(crate) fn new(first: u64) -> Self {
        Self {
            open: Map::new(),
            next: CallbackId(first),
        }
    }

    /// The id of the next request.
    pub(crate) fn next_id(&self) -> CallbackId {
        self.next
    }

    /// Opens a request, and returns its id.
    pub(crate) fn open(&mut self, request: Request) -> CallbackId {
        let callback_id = self.next;
        self.next = CallbackId(callback_id.0 + 1);
        self.open.insert(callback_id, request);
        callback_id
    }

    /// Ends the request that is answered. `None` where it was given up.
    pub(crate) fn end(&mut self, callback_id: CallbackId) -> Option<Request> {
        self.open.remove(&callback_id)
    }

    /// Ends the requests that `gives_up` is true for, and returns them, oldest first.
    pub(crate) fn end_where(&mut self, gives_up: &dyn Fn(&Request) -> bool) -> Vec<Request> {
        let mut ended = Vec::new();
        // A document that is destroyed has no open request as a rule, and thousands may be destroyed at once.
        if !self.open.values().any(gives_up) {
            return ended;
        }
        for (callback_id, request) in std::mem::take(&mut self.open) {
            if gives_up(&request) {
                ended.push(request);
            } else {
                self.open.insert(callback_id, request);
            }
        }
        ended
    }

    /// The open requests to the store, oldest first.
    pub(crate) fn to_store(&self) -> impl Iterator<Item = (CallbackId, &StoreRequest)> {
        self.open
            .iter()
            .filter_map(|(callback_id, request)| match request {
                Request::Store(_, request) => Some((*callback_id, request)),
                Request::Read { .. }
                | Request::Ingest { .. }
                | Request::Version(_)
                | Request::Leave(_)
                | Request::Status(..)
                | Request::Debug(_)
                | Request::Snapshot(_)
                | Request::Presence(_) => None,
            })
    }
}
