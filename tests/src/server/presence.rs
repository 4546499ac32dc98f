//! Presence on plain channels, as `lib/agent.js` has it (`_broadcastPresence`, `_subscribePresence`, `_requestPresence`). No type
//! here supports presence in a document.
//!
//! The server keeps each session's last values only to take them away when the session's subscription of their channel ends. It
//! neither compares presence versions nor gives values to who subscribes later: it asks the other subscribers to send theirs again.

use std::collections::{BTreeMap, BTreeSet};

use ot_json0::{Object, Str, Value};

use super::request::{Name, get};
use super::{Server, SessionId};

/// A session's presence.
#[derive(Clone, Debug, Default)]
pub(super) struct Presence {
    /// The channels that it subscribed.
    channels: BTreeSet<Str>,
    /// Its newest values as it sent them, by channel and presence id.
    values: BTreeMap<Str, BTreeMap<Str, Object>>,
}

impl Server {
    /// A session shows a value.
    pub(super) fn show_presence(&mut self, s: SessionId, request: &Object) -> Object {
        let field = |name: &str| Some((Str::from(name), get(request, name)?.clone()));
        let src = self.session_mut(s).src();
        let fields = [
            field("a"),
            field("ch"),
            Some(("src".into(), src)),
            field("id"),
            field("p"),
            field("pv"),
        ];
        let value: Object = fields.into_iter().flatten().collect();
        let (channel, id) = (name(request, "ch"), name(request, "id"));
        let version = |value: &Object| get(value, "pv").and_then(Value::as_f64);
        let values = &mut self.session_mut(s).presence.values;
        let known = values.entry(channel.clone()).or_default();
        if known
            .get(&id)
            .is_none_or(|known| version(known) < version(&value))
        {
            known.insert(id, value.clone());
        }
        self.publish_presence(&channel, &value);
        value
    }

    /// A session subscribes a channel: the others are asked for their values.
    pub(super) fn subscribe_presence(&mut self, s: SessionId, request: &Object) -> Object {
        let channel = name(request, "ch");
        if self
            .session_mut(s)
            .presence
            .channels
            .insert(channel.clone())
        {
            self.request_presence(s, &channel);
        }
        answer(request)
    }

    /// A session unsubscribes a channel: its values there go.
    pub(super) fn unsubscribe_presence(&mut self, s: SessionId, request: &Object) -> Object {
        self.end_presence(s, &name(request, "ch"));
        answer(request)
    }

    /// All who subscribed a channel are asked for their values. Those of a session with an id of its own are asked by itself, too.
    pub(super) fn request_presence(&mut self, s: SessionId, channel: &Str) {
        let by = self.session_mut(s).client_id().clone();
        let request: Object = [
            ("a".into(), "pr".into()),
            ("ch".into(), Value::from(channel.clone())),
        ]
        .into_iter()
        .collect();
        self.send_to_subscribers(channel, &Value::from(by), &request);
    }

    /// The session is about to go.
    pub(super) fn end_all_presence(&mut self, s: SessionId) {
        let Some(session) = self.sessions.get(&s) else {
            return;
        };
        for channel in session.presence.channels.clone() {
            self.end_presence(s, &channel);
        }
    }

    fn end_presence(&mut self, s: SessionId, channel: &Str) {
        let presence = &mut self.session_mut(s).presence;
        if !presence.channels.remove(channel) {
            return;
        }
        for (_, mut value) in presence.values.remove(channel).unwrap_or_default() {
            value.insert("p".into(), Value::Null);
            // `request.seq++` of what has none.
            value.insert("seq".into(), Value::Null);
            self.publish_presence(channel, &value);
        }
    }

    fn publish_presence(&mut self, channel: &Str, value: &Object) {
        let src = get(value, "src").cloned().unwrap_or_default();
        self.send_to_subscribers(channel, &src, value);
    }

    fn send_to_subscribers(&mut self, channel: &Str, src: &Value, message: &Object) {
        let subscribes = |session: &super::Session| {
            session.presence.channels.contains(channel) && session.src() != *src
        };
        let sessions = self.sessions.iter();
        let to = sessions.filter(|(_, session)| subscribes(session));
        let to: Vec<SessionId> = to.map(|(s, _)| *s).collect();
        for s in to {
            self.send(s, message.clone());
        }
    }
}

fn name(request: &Object, field: &str) -> Str {
    Name::of(request, field).key()
}

fn answer(request: &Object) -> Object {
    let fields = ["ch", "seq"].into_iter();
    let fields = fields.filter_map(|name| Some((name.into(), get(request, name)?.clone())));
    fields.collect()
}
