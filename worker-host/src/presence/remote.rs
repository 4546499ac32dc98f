//! What other sessions show (`lib/client/presence/remote-*.js`).
//!
//! A value on a document's channel comes with a version of the server. It is shown when the host's
//! document stands there with nothing pending: the host fetches where it is behind, and brings an
//! old value along with the ops that it saw since. The tabs get it with the host's revision.

use broker::message::{PresenceEvent, PresenceUpdate, ToTab};
use proxy_doc::{DocHandle, Error, Json, Map, OpKind, TabId, Version, codes};

use super::null;
use crate::host::Host;
use crate::server::wire::Incoming;

/// Ops kept for values that lag, per presence id. One that lags more is asked for again.
const MAX_CACHED_OPS: usize = 256;

/// What another session shows under one presence id.
#[derive(Default)]
pub(crate) struct Remote {
    /// The presence version that was shown last.
    version: Option<u64>,
    pending: Option<Update>,
    /// The document's ops since the value was found to be old, by the version they are based on.
    ops: Option<Map<Version, CachedOp>>,
}

impl Remote {
    /// The document was loaded anew.
    pub(crate) fn reset(&mut self) {
        self.pending = None;
        self.ops = None;
    }
}

struct Update {
    pv: u64,
    v: Option<Version>,
    ty: Option<String>,
    value: Json,
    src: Option<String>,
}

/// An op as the server has it.
struct CachedOp {
    change: CachedChange,
    src: Option<String>,
}

enum CachedChange {
    Edit(Json),
    Noop,
    /// The document was created or deleted.
    Void,
}

impl Host {
    pub(crate) fn handle_presence(&mut self, mut message: Incoming, error: Option<Error>) {
        let Some(name) = message.ch.take() else {
            return;
        };
        match message.a.as_str() {
            "p" => self.handle_presence_value(&name, message, error),
            "pr" => self.handle_presence_request(&name, error),
            _ => self.handle_presence_subscription(&name, message.seq.map(|seq| seq.0), error),
        }
    }

    fn handle_presence_value(&mut self, name: &str, message: Incoming, error: Option<Error>) {
        let pv = message.pv;
        let id = message.id.as_ref().and_then(Json::string);
        let id = id.as_deref();
        let is_own = error.is_some() || message.src.as_deref() == self.id.as_deref();
        if let (true, Some(id), Some(pv)) = (is_own, id, pv)
            && self.acknowledge_presence(name, id, pv, error.as_ref())
        {
            return;
        }
        if let Some(error) = error {
            return self.tell_presence_error(name, id, &error);
        }
        let (Some(id), Some(pv), false) = (id, pv, is_own) else {
            return;
        };
        let update = Update {
            pv,
            v: message.v,
            ty: message.t,
            value: message.p.unwrap_or_else(null),
            src: message.src,
        };
        self.receive_presence(name, id, update);
    }

    /// An error that no request waits for: of a message that the application sent by itself, or of
    /// the server's middleware for what comes from others.
    pub(crate) fn tell_presence_error(&mut self, name: &str, id: Option<&str>, error: &Error) {
        let channel = self.presences.channels.get(name);
        let subscribed = channel.map(|channel| channel.tabs.iter().cloned().collect());
        let mut tabs: Vec<TabId> = subscribed.unwrap_or_default();
        if tabs.is_empty() {
            tabs = self.tabs.keys().cloned().collect();
        }
        for tab in tabs {
            let event = PresenceEvent::Error {
                id: id.map(str::to_owned),
                error: error.clone(),
            };
            let channel = name.to_owned();
            self.tell(&tab, ToTab::Presence { channel, event });
        }
    }

    fn receive_presence(&mut self, name: &str, id: &str, update: Update) {
        let channel = self.presences.channels.get_mut(name);
        let Some(channel) = channel.filter(|channel| !channel.tabs.is_empty()) else {
            return;
        };
        let remote = channel.remotes.or_default(id.to_owned());
        let newest = remote.pending.as_ref().map(|pending| pending.pv);
        let newest = newest.or(remote.version.filter(|_| channel.doc.is_none()));
        if newest.is_some_and(|newest| update.pv < newest) {
            return;
        }
        remote.pending = Some(update);
        if channel.doc.is_none() {
            self.show_remote(name, id);
        } else {
            self.show_when_current(name, id);
        }
    }

    /// Looks again at all values of a channel whose document has moved.
    pub(crate) fn show_pending_remotes(&mut self, name: &str) {
        let Some(channel) = self.presences.channels.get(name) else {
            return;
        };
        let pending = channel
            .remotes
            .iter()
            .filter(|(_, remote)| remote.pending.is_some());
        let ids: Vec<String> = pending.map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.show_when_current(name, &id);
        }
    }

    /// Shows a value if the document stands where the value does, or sees to it that it will.
    fn show_when_current(&mut self, name: &str, id: &str) {
        let Some(channel) = self.presences.channels.get_mut(name) else {
            return;
        };
        let Some(remote) = channel.remotes.get_mut(id) else {
            return;
        };
        let Some(pending) = &remote.pending else {
            return;
        };
        let handle = channel.doc.as_ref().and_then(|key| self.docs.find(key));
        let found = handle.and_then(|handle| Some((handle, &self.docs.get(handle)?.doc)));
        let Some((handle, doc, version)) =
            found.and_then(|(handle, doc)| Some((handle, doc, doc.version()?)))
        else {
            // No tab has a state to show it in; they fetch one.
            return self.show_remote(name, id);
        };
        if doc.has_pending() {
            self.presences.waiting.insert(name.to_owned());
            return;
        }
        if remote.version.is_some_and(|shown| pending.pv < shown) {
            remote.pending = None;
            return;
        }
        if pending.v.is_some_and(|v| v > version) {
            self.act(handle, |doc, up| doc.fetch(up, None));
            return;
        }
        if self.catch_up_remote(name, id, handle, version) {
            self.show_remote(name, id);
        }
    }

    /// Moves an old value along with the ops seen since. Says whether that made it current.
    fn catch_up_remote(&mut self, name: &str, id: &str, handle: DocHandle, now: Version) -> bool {
        let channel = self.presences.channels.get_mut(name);
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
            self.act(handle, |doc, up| doc.fetch(up, None));
            self.request_presence(name);
            return false;
        };
        let ty = pending
            .ty
            .as_deref()
            .and_then(|uri| self.types.resolve(uri));
        let mut moved = Ok(pending.value.clone());
        while let (Ok(value), Some(cached)) = (&moved, ops.get(&v)) {
            let is_own = cached.src.is_some() && cached.src == pending.src;
            moved = match (&cached.change, &ty) {
                (CachedChange::Void, _) => Ok(null()),
                (CachedChange::Noop, _) => Ok(value.clone()),
                (CachedChange::Edit(op), Some(ty)) => ty
                    .transform_presence(value, op, is_own)
                    .map_err(transform_failed),
                (CachedChange::Edit(_), None) => Err(Error::new(
                    codes::ERR_DOC_TYPE_NOT_RECOGNIZED,
                    "Unknown type",
                )),
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
                self.tell_presence_error(name, None, &error);
                false
            }
        }
    }

    /// Shows a value to the tabs that subscribed.
    fn show_remote(&mut self, name: &str, id: &str) {
        let Some(channel) = self.presences.channels.get_mut(name) else {
            return;
        };
        let Some(remote) = channel.remotes.get_mut(id) else {
            return;
        };
        let Some(pending) = remote.pending.take() else {
            return;
        };
        remote.version = Some(pending.pv);
        if pending.value.get() == "null" {
            channel.remotes.remove(id);
        }
        let tabs: Vec<TabId> = channel.tabs.iter().cloned().collect();
        for tab in tabs {
            let update = PresenceUpdate {
                id: id.to_owned(),
                value: pending.value.clone(),
                revision: None,
                src: pending.src.clone(),
                tab: None,
            };
            self.tell_presence(name, &tab, update);
        }
    }

    /// The server committed an op that takes the document from `v` to the next version.
    pub(crate) fn cache_op_for_presence(
        &mut self,
        handle: DocHandle,
        v: Version,
        kind: &OpKind,
        src: Option<&str>,
    ) {
        if !self.has_presences() {
            return;
        }
        let Some(doc) = self.docs.get(handle).map(|host_doc| &host_doc.doc) else {
            return;
        };
        if doc.version().is_some_and(|version| version != v) {
            return;
        }
        let key = doc.key();
        let name = key.to_string();
        let Some(channel) = self.presences.channels.get_mut(&name) else {
            return;
        };
        let mut waits = false;
        for remote in channel.remotes.values_mut() {
            waits |= remote.pending.is_some();
            let Some(ops) = &mut remote.ops else {
                continue;
            };
            let change = match kind {
                OpKind::Edit(edit) => CachedChange::Edit(edit.to_text()),
                OpKind::Create { .. } | OpKind::Del => CachedChange::Void,
                OpKind::Noop => CachedChange::Noop,
            };
            let src = src.map(str::to_owned);
            ops.insert(v, CachedOp { change, src });
            if ops.len() > MAX_CACHED_OPS {
                ops.pop_first();
            }
        }
        if waits {
            self.presences.waiting.insert(name);
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
