//! Values of other sessions (`lib/client/presence/remote-*.js`).
//!
//! A value on a document's channel comes with a version of the server. It is shown when the host's document stands at
//! that version with nothing pending: the document is fetched where it is behind, and an old value is moved along with
//! the ops that the host has seen since.

use broker::message::PresenceUpdate;
use proxy_doc::{DocKey, Error, Json, Map, OpKind, Version, codes};

use super::local::Local;
use super::{Event, Presences, Reads};
use crate::server::wire::Incoming;

/// Ops kept for values that lag, per presence id. A value that lags more is asked for again.
const MAX_CACHED_OPS: usize = 256;

/// The value of another session under one presence id.
#[derive(Default)]
pub(super) struct Remote {
    /// Presence version (`pv`) of the value that was shown last.
    shown: Option<u64>,
    /// The value that is to be shown next.
    pending: Option<Update>,
    /// The document's ops since the pending value was found to be old, by the version that each is based on. A create
    /// is kept as a deletion: either takes the value away.
    ops: Option<Map<Version, CachedOp>>,
}

impl Remote {
    /// The document was loaded anew.
    pub(super) fn reset(&mut self) {
        self.pending = None;
        self.ops = None;
    }
}

/// A value as it came.
struct Update {
    pv: u64,
    v: Option<Version>,
    ty: Option<String>,
    value: Json,
    src: Option<String>,
}

/// A committed op.
struct CachedOp {
    kind: OpKind,
    src: Option<String>,
}

impl Presences {
    /// The server answered a value of this session, or brings one of another.
    pub(super) fn handle_value(
        &mut self,
        name: &str,
        message: Incoming,
        error: Option<Error>,
        own_src: Option<&str>,
        reads: &Reads<'_>,
    ) {
        let pv = message.pv;
        let id = message.id.as_ref().and_then(Json::string);
        let id = id.as_deref();
        let is_own = error.is_some() || message.src.as_deref() == own_src;
        if let (true, Some(id), Some(pv)) = (is_own, id, pv)
            && self.acknowledge(name, id, pv, error.as_ref())
        {
            return;
        }
        if let Some(error) = error {
            return self.fail(name, id, error);
        }
        let (Some(id), Some(pv), false) = (id, pv, is_own) else {
            return;
        };
        let update = Update {
            pv,
            v: message.v,
            ty: message.t,
            value: message.p.unwrap_or_else(Json::null),
            src: message.src,
        };
        self.receive(name, id, update, reads);
    }

    fn receive(&mut self, name: &str, id: &str, update: Update, reads: &Reads<'_>) {
        let channel = self.channels.get_mut(name);
        let Some(channel) = channel.filter(|channel| !channel.tabs.is_empty()) else {
            return;
        };
        // As in the stock client (`presence.js`, `_receiveUpdate`). Where a host has taken the place of another one, the server
        // still tells of the session before, and takes its values away when it notices that it is gone.
        if channel.locals.get(id).is_some_and(Local::has_value) {
            return;
        }
        let remote = channel.remotes.or_default(id.to_owned());
        let newest = remote.pending.as_ref().map(|pending| pending.pv);
        let newest = newest.or(remote.shown.filter(|_| channel.doc.is_none()));
        if newest.is_some_and(|newest| update.pv < newest) {
            return;
        }
        remote.pending = Some(update);
        self.show_when_current(name, id, reads);
    }

    /// Looks again at all pending values of a channel whose document has moved.
    pub(super) fn show_pending(&mut self, name: &str, reads: &Reads<'_>) {
        let Some(channel) = self.channels.get(name) else {
            return;
        };
        let pending = channel
            .remotes
            .iter()
            .filter(|(_, remote)| remote.pending.is_some());
        let ids: Vec<String> = pending.map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.show_when_current(name, &id, reads);
        }
    }

    /// Shows the pending value if the document stands at the value's version. Otherwise brings one to the other.
    fn show_when_current(&mut self, name: &str, id: &str, reads: &Reads<'_>) {
        let Some(channel) = self.channels.get_mut(name) else {
            return;
        };
        let Some(key) = channel.doc.clone() else {
            return self.show_remote(name, id);
        };
        let Some(remote) = channel.remotes.get_mut(id) else {
            return;
        };
        let Some(pending) = &remote.pending else {
            return;
        };
        let place = (reads.place)(&key);
        let Some(version) = place.version else {
            // No tab has a state to show the value in; they fetch one.
            return self.show_remote(name, id);
        };
        if place.has_pending {
            self.waiting.insert(name.to_owned());
        } else if remote.shown.is_some_and(|shown| pending.pv < shown) {
            remote.pending = None;
        } else if pending.v.is_some_and(|v| v > version) {
            self.events.push(Event::Fetch(key));
        } else if self.catch_up(name, id, key, version, reads) {
            self.show_remote(name, id);
        }
    }

    /// Moves an old value along with the ops seen since. Says whether that made it current.
    fn catch_up(
        &mut self,
        name: &str,
        id: &str,
        key: DocKey,
        now: Version,
        reads: &Reads<'_>,
    ) -> bool {
        let channel = self.channels.get_mut(name);
        let Some(remote) = channel.and_then(|channel| channel.remotes.get_mut(id)) else {
            return false;
        };
        let Some(pending) = &mut remote.pending else {
            return false;
        };
        let Some(mut v) = pending.v.filter(|v| *v < now) else {
            return true;
        };
        let Some(ops) = &remote.ops else {
            remote.ops = Some(Map::new());
            self.events.push(Event::Fetch(key));
            self.request_values(name);
            return false;
        };
        let ty = pending
            .ty
            .as_deref()
            .and_then(|uri| reads.types.resolve(uri));
        let mut moved = Ok(pending.value.clone());
        while let (Ok(value), Some(CachedOp { kind, src })) = (&moved, ops.get(&v)) {
            let is_own = src.is_some() && *src == pending.src;
            moved = if ty.is_none() && matches!(kind, OpKind::Edit(_)) {
                let code = codes::ERR_DOC_TYPE_NOT_RECOGNIZED;
                Err(Error::new(code, "Unknown type"))
            } else {
                let moved = kind.move_presence(ty.as_ref(), value, is_own);
                moved.map_err(transform_failed)
            };
            v = v.next();
        }
        match moved {
            Ok(value) => {
                pending.value = value;
                pending.v = Some(v);
                if v >= now {
                    remote.ops = None;
                }
                v >= now
            }
            Err(error) => {
                remote.reset();
                self.fail(name, None, error);
                false
            }
        }
    }

    /// Shows the pending value to the tabs that subscribed.
    fn show_remote(&mut self, name: &str, id: &str) {
        let Some(channel) = self.channels.get_mut(name) else {
            return;
        };
        let Some(remote) = channel.remotes.get_mut(id) else {
            return;
        };
        let Some(pending) = remote.pending.take() else {
            return;
        };
        remote.shown = Some(pending.pv);
        if pending.value.is_null() {
            channel.remotes.remove(id);
        }
        for tab in channel.subscribers() {
            let update = PresenceUpdate {
                id: id.to_owned(),
                value: pending.value.clone(),
                revision: None,
                src: pending.src.clone(),
                tab: None,
            };
            self.show(name, &tab, update);
        }
    }

    /// The server committed an op that takes the document from `v`, where the host has it, to the next version.
    pub(crate) fn cache_op(&mut self, key: &DocKey, v: Version, kind: &OpKind, src: Option<&str>) {
        let name = key.to_string();
        let Some(channel) = self.channels.get_mut(&name) else {
            return;
        };
        let mut waits = false;
        for remote in channel.remotes.values_mut() {
            waits |= remote.pending.is_some();
            let Some(ops) = &mut remote.ops else {
                continue;
            };
            let kind = match kind {
                OpKind::Create { .. } | OpKind::Del => OpKind::Del,
                OpKind::Edit(_) | OpKind::Noop => kind.clone(),
            };
            let src = src.map(str::to_owned);
            ops.insert(v, CachedOp { kind, src });
            if ops.len() > MAX_CACHED_OPS {
                ops.pop_first();
            }
        }
        if waits {
            self.waiting.insert(name);
        }
    }
}

fn transform_failed(error: Error) -> Error {
    if error.code.is_some() {
        return error;
    }
    Error {
        code: Some(codes::ERR_PRESENCE_TRANSFORM_FAILED.into()),
        from_server: false,
        thrown: None,
        ..error
    }
}
