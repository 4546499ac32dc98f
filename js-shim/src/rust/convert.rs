//! Events as JavaScript sees them. Their kinds are in `kinds.rs`.

use broker::message::{DiffItem, State, encode};
use proxy_connection::{TabEvent, TabPresenceEvent, TabQueryEvent};
use proxy_doc::{
    Code, DocHandle, DocKey, Edit, Error, Event, Gather, Json, Later, OpKind, Origin, Outcome,
    PendingOp, Token,
};
use wasm_bindgen::prelude::*;

use crate::js::{self, Array};
use crate::kinds::{Kind, Sink};
use crate::tab_storage::storage_event;
use crate::types::thrown_of;

fn text(json: Option<&Json>) -> JsValue {
    json.map_or(JsValue::UNDEFINED, |json| JsValue::from_str(json.get()))
}

fn edit_text(edit: &Edit) -> JsValue {
    JsValue::from_str(edit.to_text().get())
}

fn optional(value: Option<&str>) -> JsValue {
    value.map_or(JsValue::UNDEFINED, JsValue::from_str)
}

/// The submission's token, or `false`.
fn source(origin: Origin) -> JsValue {
    match origin {
        Origin::Local(Token(token)) => JsValue::from(token as f64),
        Origin::Remote => JsValue::FALSE,
    }
}

fn tokens(tokens: &[Token]) -> JsValue {
    tokens
        .iter()
        .map(|token| JsValue::from(token.0 as f64))
        .collect::<Array>()
        .into()
}

/// A string, any other value, or `undefined`.
fn code(error: &Error) -> JsValue {
    match &error.code {
        Some(Code::Text(text)) => JsValue::from_str(text),
        Some(Code::Other(json)) => js::parse(json.get()).unwrap_or_default(),
        None => JsValue::UNDEFINED,
    }
}

/// `[code, message, data, fromServer, exception]`.
pub(crate) fn error(error: &Error) -> JsValue {
    Array::of(&[
        code(error),
        JsValue::from_str(&error.message),
        text(error.data.as_ref()),
        JsValue::from(error.from_server),
        thrown_of(error).map_or(JsValue::UNDEFINED, |thrown| Array::of(&[thrown]).into()),
    ])
    .into()
}

/// `undefined`, `null` or an error.
fn outcome(outcome: &Outcome) -> JsValue {
    match outcome {
        Outcome::Done => JsValue::UNDEFINED,
        Outcome::Null => JsValue::NULL,
        Outcome::Failed(failed) => error(failed),
    }
}

/// Puts one event of a tab into the sink.
pub(crate) fn put_event(sink: &Sink, event: &TabEvent) {
    match event {
        TabEvent::ToHost(message) => Kind::ToHost.put(sink, &[JsValue::from_str(message)]),
        TabEvent::SubmitOp(message, seq, of) => Kind::SubmitOp.put(
            sink,
            &[
                message
                    .as_deref()
                    .map_or(JsValue::UNDEFINED, JsValue::from_str),
                JsValue::from(seq.0 as f64),
                tokens(of),
            ],
        ),
        TabEvent::State(state, reason) => Kind::State.put(
            sink,
            &[JsValue::from_str(state.as_str()), text(reason.as_ref())],
        ),
        TabEvent::ConnectionError(reason) => Kind::ConnectionError.put(sink, &[text(Some(reason))]),
        TabEvent::Error(failed) => Kind::Error.put(sink, &[error(failed)]),
        TabEvent::Pong => Kind::Pong.put(sink, &[]),
        TabEvent::UrlWanted(round) => Kind::UrlWanted.put(sink, &[JsValue::from(*round as f64)]),
        TabEvent::Status(token, status) => {
            let text = JsValue::from_str(&encode(status));
            Kind::Status.put(sink, &[JsValue::from(token.0 as f64), text])
        }
        TabEvent::Debug(token, answer) => {
            Kind::Debug.put(sink, &[JsValue::from(token.0 as f64), text(Some(answer))])
        }
        TabEvent::Coordination(say) => Kind::Coordination.put(sink, &[text(say.as_ref())]),
        TabEvent::Warn(text) => Kind::Warn.put(sink, &[JsValue::from_str(text)]),
        TabEvent::OpenDoc(DocHandle(handle), DocKey { collection, id }) => {
            let (collection, id) = (JsValue::from_str(collection), JsValue::from_str(id));
            Kind::OpenDoc.put(sink, &[JsValue::from(*handle), collection, id])
        }
        TabEvent::Query(id, event) => put_query_event(sink, *id, event),
        TabEvent::Snapshot(token, answer) => {
            let (failed, message) = match answer {
                Ok(message) => (JsValue::UNDEFINED, text(Some(message))),
                Err(failed) => (error(failed), JsValue::UNDEFINED),
            };
            Kind::Snapshot.put(sink, &[JsValue::from(token.0 as f64), failed, message])
        }
        TabEvent::Presence(channel, event) => put_presence_event(sink, channel, event),
        TabEvent::Stored(token, result) => {
            let failed = result.as_ref().err().map_or(JsValue::UNDEFINED, error);
            Kind::Stored.put(sink, &[JsValue::from(token.0 as f64), failed])
        }
        TabEvent::Storage(event) => {
            Kind::Storage.put(sink, &[JsValue::from_str(&storage_event(event))])
        }
        TabEvent::Doc(handle, event) => put_doc_event(sink, *handle, event),
        TabEvent::Sent(DocHandle(handle), seq) => {
            Kind::Sent.put(sink, &[JsValue::from(*handle), JsValue::from(seq.0 as f64)])
        }
    }
}

fn put_query_event(sink: &Sink, id: u64, event: &TabQueryEvent) {
    let id = JsValue::from(id as f64);
    match event {
        TabQueryEvent::Results(docs, extra) => {
            let docs = docs.as_ref().map_or(JsValue::UNDEFINED, |docs| keys(docs));
            Kind::QueryResults.put(sink, &[id, docs, text(extra.as_ref())])
        }
        TabQueryEvent::Failed(failed) => Kind::QueryFailed.put(sink, &[id, error(failed)]),
        TabQueryEvent::Error(failed) => Kind::QueryError.put(sink, &[id, error(failed)]),
        TabQueryEvent::Diff(items) => {
            let items: Array = items.iter().map(diff_item).collect();
            Kind::QueryDiff.put(sink, &[id, items.into()])
        }
        TabQueryEvent::Extra(extra) => Kind::QueryExtra.put(sink, &[id, text(extra.as_ref())]),
    }
}

/// `[[collection, id], …]`.
fn keys(keys: &[DocKey]) -> JsValue {
    let pair = |key: &DocKey| Array::of2(&key.collection.as_str().into(), &key.id.as_str().into());
    keys.iter().map(pair).collect::<Array>().into()
}

/// `['insert', index, keys]`, `['remove', index, howMany]`, `['move', from, to, howMany]`.
fn diff_item(item: &DiffItem<DocKey>) -> JsValue {
    let number = |number: &usize| JsValue::from(*number as u32);
    match item {
        DiffItem::Insert { index, values } => {
            Array::of(&["insert".into(), number(index), keys(values)]).into()
        }
        DiffItem::Remove { index, how_many } => {
            Array::of(&["remove".into(), number(index), number(how_many)]).into()
        }
        DiffItem::Move { from, to, how_many } => {
            Array::of(&["move".into(), number(from), number(to), number(how_many)]).into()
        }
    }
}

fn put_presence_event(sink: &Sink, channel: &str, event: &TabPresenceEvent) {
    let channel = JsValue::from_str(channel);
    match event {
        TabPresenceEvent::Answer {
            id,
            tokens: of,
            error: failed,
        } => {
            let failed = failed.as_ref().map_or(JsValue::UNDEFINED, error);
            let id = optional(id.as_deref());
            Kind::PresenceAnswer.put(sink, &[channel, id, tokens(of), failed])
        }
        TabPresenceEvent::Value(id, value) => {
            Kind::PresenceValue.put(sink, &[channel, JsValue::from_str(id), text(Some(value))])
        }
        TabPresenceEvent::Receive(id, value) => {
            Kind::PresenceReceive.put(sink, &[channel, JsValue::from_str(id), text(Some(value))])
        }
        TabPresenceEvent::Error(id, failed) => {
            Kind::PresenceError.put(sink, &[channel, optional(id.as_deref()), error(failed)])
        }
        TabPresenceEvent::Later(id) => {
            Kind::PresenceLater.put(sink, &[channel, JsValue::from_str(id)])
        }
    }
}

fn put_doc_event(sink: &Sink, DocHandle(handle): DocHandle, event: &Event) {
    let doc = JsValue::from(handle);
    match event {
        Event::Apply { edit, origin, src } => Kind::Apply.put(
            sink,
            &[
                doc,
                edit_text(edit),
                source(*origin),
                optional(src.as_deref()),
            ],
        ),
        Event::BatchStart { edit, src } => {
            Kind::BatchStart.put(sink, &[doc, edit_text(edit), optional(src.as_deref())])
        }
        Event::BeforeComponent { index } => {
            Kind::BeforeComponent.put(sink, &[doc, JsValue::from(*index as u32)])
        }
        Event::ApplyComponent { index, edit } => {
            let op = edit.as_ref().map_or(JsValue::UNDEFINED, edit_text);
            Kind::ApplyComponent.put(sink, &[doc, JsValue::from(*index as u32), op])
        }
        Event::BatchEnd => Kind::BatchEnd.put(sink, &[doc]),
        Event::Create {
            type_name,
            data,
            origin,
        } => {
            // A local create has its data in JavaScript, where it may be more than JSON.
            let data = match origin {
                Origin::Local(_) => JsValue::UNDEFINED,
                Origin::Remote => text(data.to_text().as_ref()),
            };
            Kind::Create.put(
                sink,
                &[doc, JsValue::from_str(type_name), data, source(*origin)],
            )
        }
        Event::Del { origin } => Kind::Del.put(sink, &[doc, source(*origin)]),
        Event::Load { type_name, data } => Kind::Load.put(
            sink,
            &[doc, optional(type_name.as_deref()), text(data.as_ref())],
        ),
        Event::Clear { .. } => Kind::Clear.put(sink, &[doc]),
        Event::Callback {
            tokens: of,
            outcome: with,
        } => Kind::Callback.put(sink, &[doc, tokens(of), outcome(with)]),
        Event::NoWritePending => Kind::NoWritePending.put(sink, &[doc]),
        Event::NothingPending => Kind::NothingPending.put(sink, &[doc]),
        Event::Error(failed) => Kind::DocError.put(sink, &[doc, error(failed)]),
        Event::Later(Later::Flush) => Kind::FlushLater.put(sink, &[doc]),
        Event::Later(Later::Unsubscribed) => Kind::UnsubscribedLater.put(sink, &[doc]),
        Event::Warn(_)
        | Event::SendOp
        | Event::SendAhead
        | Event::SendFetch
        | Event::SendSubscribe
        | Event::SendUnsubscribe => unreachable!("the connection handles these itself"),
    }
}

/// An unfinished op, for `doc.inflightOp` and `doc.pendingOps`:
/// `[kind, content, type, seq, src, sent, tokens]`.
pub(crate) fn pending_op(op: &PendingOp) -> JsValue {
    let (kind, content, ty) = match &op.kind {
        OpKind::Edit(edit) => ("op", Some(edit.to_text()), None),
        OpKind::Create { type_name, data } => ("create", data.to_text(), Some(type_name.as_str())),
        OpKind::Del => ("del", None, None),
        OpKind::Noop => ("noop", None, None),
    };
    let of: Vec<Token> = op
        .submissions
        .iter()
        .map(|submission| submission.token)
        .gather();
    Array::of(&[
        JsValue::from_str(kind),
        text(content.as_ref()),
        optional(ty.or(op.ty.as_ref().map(|ty| ty.uri()))),
        op.id
            .seq
            .map_or(JsValue::UNDEFINED, |seq| JsValue::from(seq.0 as f64)),
        optional(op.id.src.as_deref()),
        JsValue::from(op.sent),
        tokens(&of),
    ])
    .into()
}

/// ShareDB's word for a state; anything else is `disconnected`.
pub(crate) fn state(word: &str) -> State {
    match word {
        "connecting" => State::Connecting,
        "connected" => State::Connected,
        "closed" => State::Closed,
        "stopped" => State::Stopped,
        _ => State::Disconnected,
    }
}
