//! Requests for snapshots of the past (`lib/client/snapshot-request`): of tabs, and of the host where a document lacks
//! its data.
//!
//! [`PastSnapshots`] is a state machine: every request is sent on each connection until it is answered. Its methods give
//! the messages to send; `snapshots/wiring.rs` sends them, and takes the answers to those who asked.

#[cfg(test)]
mod tests;
mod wiring;

use broker::message::{CallbackId, SnapshotAt, encode};
use proxy_doc::{DocHandle, Json, Map, TabId, wire};

/// All requests without an answer.
#[derive(Default)]
pub(crate) struct PastSnapshots {
    connected: bool,
    /// By their `id` on the wire.
    requests: Map<u64, Request>,
    /// `id` of the last request.
    last_id: u64,
}

struct Request {
    asker: Asker,
    subject: Subject,
    /// It was sent on this connection.
    sent: bool,
}

/// Waits for a snapshot.
#[derive(Debug, PartialEq)]
pub(crate) enum Asker {
    Tab(TabId, CallbackId),
    /// A document whose data is missing.
    Base(DocHandle),
}

/// Names a snapshot. Collection and id are JSON, since an application's go to the server as they are.
pub(crate) struct Subject {
    pub(crate) collection: Json,
    pub(crate) id: Json,
    pub(crate) at: SnapshotAt,
}

struct SnapshotMessage<'a> {
    a: &'a str,
    id: u64,
    c: &'a Json,
    d: &'a Json,
    v: Option<Option<u64>>,
    ts: Option<Option<u64>>,
}

wire!(write struct SnapshotMessage<'_> {
    a = "a";
    id = "id";
    c = "c";
    d = "d";
    v = "v";
    ts = "ts";
});

impl PastSnapshots {
    /// Takes a request. Gives the message to send, where there is a connection.
    pub(crate) fn ask(&mut self, asker: Asker, subject: Subject) -> Option<String> {
        self.last_id += 1;
        let mut request = Request {
            asker,
            subject,
            sent: false,
        };
        let message = request.send(self.last_id, self.connected);
        self.requests.insert(self.last_id, request);
        message
    }

    /// The connection came or went. Gives the messages to send.
    pub(crate) fn set_connected(&mut self, connected: bool) -> Vec<String> {
        self.connected = connected;
        let requests = self.requests.iter_mut();
        let messages = requests.filter_map(|(id, request)| {
            request.sent &= connected;
            request.send(*id, connected)
        });
        messages.collect()
    }

    /// The snapshot that a request asks for.
    pub(crate) fn subject(&self, id: u64) -> Option<&Subject> {
        self.requests.get(&id).map(|request| &request.subject)
    }

    /// A request was answered. Gives the asker, unless it is gone.
    pub(crate) fn handle_answer(&mut self, id: u64) -> Option<Asker> {
        self.requests.remove(&id).map(|request| request.asker)
    }

    /// Drops the requests of a tab that is gone.
    pub(crate) fn tab_gone(&mut self, tab: &TabId) {
        let is_for = |asker: &Asker| matches!(asker, Asker::Tab(of, _) if of == tab);
        self.requests.retain(|_, request| !is_for(&request.asker));
    }
}

impl Request {
    /// The message, unless it cannot be sent now or was sent before.
    fn send(&mut self, id: u64, connected: bool) -> Option<String> {
        if !connected || std::mem::replace(&mut self.sent, true) {
            return None;
        }
        let Subject {
            collection,
            id: d,
            at,
        } = &self.subject;
        let (a, v, ts) = match at {
            SnapshotAt::Version(version) => ("nf", Some(*version), None),
            SnapshotAt::Timestamp(timestamp) => ("nt", None, Some(*timestamp)),
        };
        Some(encode(&SnapshotMessage {
            a,
            id,
            c: collection,
            d,
            v,
            ts,
        }))
    }
}
