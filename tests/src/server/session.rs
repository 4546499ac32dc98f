//! What the server remembers about one connected client. It ends with the connection.

use std::collections::BTreeMap;

use ot_json0::{Object, Str, Value};

use super::presence::Presence;
use super::queries::Subscription;
use super::request::{Name, get, given, truthy};

/// One client connection.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Given by the server; used until the client asks for an id of its own.
    client_id: Str,
    /// The id from the handshake: any truthy value, as ShareDB does not look at its type.
    src: Option<Value>,
    protocol: (f64, f64),
    /// By the keys of both names; a second subscription under the same keys replaces the first.
    subscriptions: BTreeMap<(Str, Str), (Name, Name)>,
    /// By their numbers.
    pub(super) queries: BTreeMap<Str, Subscription>,
    pub(super) presence: Presence,
}

impl Session {
    pub(super) fn new(client_id: Str) -> Self {
        Self {
            client_id,
            src: None,
            protocol: (0.0, 0.0),
            subscriptions: BTreeMap::new(),
            queries: BTreeMap::new(),
            presence: Presence::default(),
        }
    }

    /// The id that the server gave it.
    pub(super) fn client_id(&self) -> &Str {
        &self.client_id
    }

    /// The identity that this session's ops carry.
    pub(super) fn src(&self) -> Value {
        self.src
            .clone()
            .unwrap_or_else(|| Value::from(self.client_id.clone()))
    }

    pub(super) fn shake_hands(&mut self, request: &Object) {
        if truthy(get(request, "id")) {
            self.src = get(request, "id").cloned();
        }
        self.protocol = (
            coerced(given(request, "protocol")),
            coerced(given(request, "protocolMinor")),
        );
    }

    /// Whether the client said that it speaks protocol 1.2, and so knows `ERR_NO_OP`.
    pub(super) fn knows_no_op_error(&self) -> bool {
        let (major, minor) = self.protocol;
        major > 1.0 || (major == 1.0 && minor >= 2.0)
    }

    pub(super) fn subscribe(&mut self, c: &Name, d: &Name) {
        let keys = (c.key(), d.key());
        self.subscriptions.insert(keys, (c.clone(), d.clone()));
    }

    pub(super) fn unsubscribe(&mut self, c: &Name, d: &Name) {
        let keys = (c.key(), d.key());
        self.subscriptions.remove(&keys);
    }

    /// Whether an op that `src` committed to this document goes to this session. Its own ops do not:
    /// the ack is enough.
    pub(super) fn receives(&self, c: &Name, d: &Name, src: &Str) -> bool {
        let keys = (c.key(), d.key());
        let subscribed = self
            .subscriptions
            .get(&keys)
            .is_some_and(|(own_c, own_d)| own_c == c && own_d == d);
        subscribed && !self.is_author(src)
    }

    /// Whether it has subscribed the document of these keys.
    pub(super) fn has_subscribed(&self, keys: &(Str, Str)) -> bool {
        self.subscriptions.contains_key(keys)
    }

    /// How many documents it has subscribed.
    pub(super) fn count(&self) -> usize {
        self.subscriptions.len()
    }

    /// Whether the session's ops carry this identity.
    pub(super) fn is_author(&self, src: &Str) -> bool {
        self.src().as_str() == Some(src)
    }
}

/// A protocol number as JavaScript's unary plus reads it.
fn coerced(value: Option<&Value>) -> f64 {
    match value {
        Some(Value::Number(number)) => *number,
        Some(Value::String(text)) => match text.to_string_lossy().trim() {
            "" => 0.0,
            digits => digits.parse().unwrap_or(f64::NAN),
        },
        None | Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => 0.0,
    }
}
