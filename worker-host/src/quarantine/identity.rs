//! Identities of messages. A quarantined input has to be recognised in a later host life, in which the same request or
//! answer has another callback id, revision or version.
//!
//! An identity is the kind of the message and its subject, as a text: tabs hand it from one host to the next.

use std::rc::Rc;

use broker::message::{PresenceSubscription, QueryAction, Read, SnapshotAt, ToHost};
use proxy_doc::{Gather, Json, TabId, write_json};

use crate::host::Host;
use crate::server::bulk::Action;
use crate::server::wire::Incoming;
use crate::snapshots::Subject;

/// The identity of a tab's message. An op is identified by its tab and number, a registration by its tab, and a request
/// by its subject alone, whichever tab makes it.
pub(crate) fn of_tab_message(tab: &TabId, message: &ToHost) -> Rc<str> {
    let tab = tab.0.as_str();
    match message {
        ToHost::SubmitOp(op) => {
            let seq = op.seq.to_string();
            joined(&["doc.submitOp", tab, &op.collection, &op.id, &seq])
        }
        ToHost::SubmitAhead { ops } => {
            let last = ops.last().map_or_else(String::new, |op| op.seq.to_string());
            joined(&["doc.submitAhead", tab, &last])
        }
        ToHost::Register { .. } => joined(&["tab.register", tab]),
        ToHost::Received { .. } => joined(&["tab.received", tab]),
        ToHost::Close { .. } => joined(&["connection.close", tab]),
        ToHost::Ping {} => joined(&["connection.ping", tab]),
        ToHost::OfferUrls { .. } => joined(&["connection.offerUrls", tab]),
        ToHost::Url { .. } => joined(&["connection.url", tab]),
        ToHost::Status { .. } => joined(&["connection.status"]),
        ToHost::Debug { .. } => joined(&["host.debug"]),
        ToHost::Read(read) => of_read(read),
        ToHost::Bulk { reads } => {
            let reads: Vec<Rc<str>> = reads.iter().map(of_read).gather();
            let mut parts = vec!["connection.bulk"];
            parts.extend(reads.iter().map(|read| &**read));
            joined(&parts)
        }
        ToHost::IngestSnapshot { collection, id, .. } => {
            joined(&["doc.ingestSnapshot", collection, id])
        }
        ToHost::Query(request) => of_query(
            request.action,
            &request.collection,
            request.query.as_ref(),
            request.options.as_ref(),
        ),
        ToHost::DestroyQuery { query_id } => joined(&["query.destroy", tab, &query_id.to_string()]),
        ToHost::FetchSnapshot(request) => {
            of_past_snapshot(&request.collection, &request.id, request.at)
        }
        ToHost::PresenceSubscribe(PresenceSubscription { channel, .. }) => {
            joined(&["presence.subscribe", channel])
        }
        ToHost::PresenceUnsubscribe(PresenceSubscription { channel, .. }) => {
            joined(&["presence.unsubscribe", channel])
        }
        ToHost::PresenceSubmit(submit) => joined(&[
            "presence.submit",
            &submit.channel,
            &submit.id,
            submit.value.get(),
        ]),
        ToHost::GetBulk {
            collection, ids, ..
        } => joined(&["connection.getBulk", collection, &write_json(ids)]),
        ToHost::PutDocs { docs, .. } => joined(&["connection.putDocs", &write_json(docs)]),
        ToHost::FlushWrites { .. } => joined(&["connection.flushWrites"]),
        ToHost::SetAutoFlush { on } => joined(&["connection.setAutoFlush", tab, &write_json(on)]),
        ToHost::WatchStorage {} => joined(&["storage.watch", tab]),
        ToHost::RemoveLetters { numbers } => {
            joined(&["storage.removeLetters", &write_json(numbers)])
        }
        ToHost::Wipe { .. } => joined(&["storage.wipe"]),
        ToHost::Coordination(ask) => joined(&["coordination", tab, ask.get()]),
        ToHost::Destroy { collection, id, .. } => joined(&["doc.destroy", tab, collection, id]),
    }
}

/// The identity of a tab's read, alone or in a bulk message.
pub(crate) fn of_read(read: &Read) -> Rc<str> {
    joined(&[
        "connection.read",
        &write_json(&read.action),
        &read.collection,
        &read.id,
    ])
}

fn of_query(
    action: QueryAction,
    collection: &str,
    query: Option<&Json>,
    options: Option<&Json>,
) -> Rc<str> {
    joined(&[
        "query",
        &write_json(&action),
        collection,
        text(query),
        text(options),
    ])
}

fn of_past_snapshot(collection: &Json, id: &Json, at: SnapshotAt) -> Rc<str> {
    joined(&[
        "connection.fetchSnapshot",
        collection.get(),
        id.get(),
        &write_json(&at),
    ])
}

/// The identity of the server's answer to a read of one document.
pub(crate) fn of_answer(action: Action, collection: &str, id: &str) -> Rc<str> {
    joined(&[action.single(), collection, id])
}

impl Host {
    /// The identity of a message of the server. An answer is identified by its request, an op by its author and number.
    pub(crate) fn identity_of(&self, message: &Incoming) -> Rc<str> {
        let kind = message.a.as_str();
        let [c, d, ch] = [&message.c, &message.d, &message.ch].map(|name| or_none(name.as_deref()));
        match kind {
            "op" => {
                let (src, seq) = (or_none(message.src.as_deref()), write_json(&message.seq));
                // A refusal names the version that the op was sent at, which is another one each time.
                let v = message.v.filter(|_| message.error.is_none());
                joined(&[kind, c, d, &write_json(&v), src, &seq])
            }
            "qf" | "qs" | "q" => match message.number().and_then(|id| self.queries.request(id)) {
                Some((action, collection, q, options)) => {
                    joined(&[kind, &of_query(action, collection, q, options)])
                }
                None => joined(&[kind]),
            },
            "nf" | "nt" => {
                let id = message.number();
                match id.and_then(|id| self.past_snapshots.subject(id)) {
                    Some(Subject { collection, id, at }) => {
                        joined(&[kind, &of_past_snapshot(collection, id, *at)])
                    }
                    None => joined(&[kind]),
                }
            }
            "bf" | "bs" | "bu" => joined(&[kind, c, text(message.b.as_ref())]),
            "p" => joined(&[
                kind,
                ch,
                text(message.id.as_ref()),
                text(message.p.as_ref()),
            ]),
            "f" | "s" | "u" => joined(&[kind, c, d]),
            _ => joined(&[kind, ch]),
        }
    }
}

fn or_none(name: Option<&str>) -> &str {
    name.unwrap_or_default()
}

fn text(json: Option<&Json>) -> &str {
    or_none(json.map(Json::get))
}

/// The parts as one text, in which each can be told from the next.
fn joined(parts: &[&str]) -> Rc<str> {
    write_json(&parts.to_vec()).into()
}
