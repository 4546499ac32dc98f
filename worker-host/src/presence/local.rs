//! Values of this host's tabs (`lib/client/presence/local-*.js`): shown to the other tabs at once, sent to the server
//! when the document has no pending ops.

use broker::message::{PresenceSubmit, PresenceUpdate, encode};
use proxy_doc::{DocKey, Error, Gather, Json, Map, OpKind, OtType, TabId, Version, wire};

use super::{Caller, Event, Presences, Reads};

/// The tabs' values under one presence id.
#[derive(Default)]
pub(super) struct Local {
    /// At most one value a tab, none of them `null`. The last one counts.
    values: Vec<(TabId, Json)>,
    /// The value that counts has changed since the server was sent one.
    unsent: bool,
    /// Requests that are answered with the next value sent. Values that were replaced before they were sent share it.
    callers: Vec<Caller>,
    /// Requests of the values that were sent and not answered, by presence version (`pv`).
    sent: Map<u64, Vec<Caller>>,
    /// The value that was sent last is not `null`.
    shown: bool,
}

impl Local {
    /// The value that counts, and its tab.
    fn value(&self) -> Option<&(TabId, Json)> {
        self.values.last()
    }

    /// Whether a tab here shows something.
    pub(super) fn has_value(&self) -> bool {
        !self.values.is_empty()
    }

    fn put(&mut self, tab: &TabId, value: Option<Json>) {
        self.values.retain(|(of, _)| of != tab);
        self.values.extend(value.map(|value| (tab.clone(), value)));
        self.unsent = true;
    }

    pub(super) fn is_unused(&self) -> bool {
        self.values.is_empty() && self.sent.is_empty() && !self.unsent && !self.shown
    }

    /// The connection went: what the server has not answered is sent again on the next one.
    pub(super) fn disconnect(&mut self) {
        let unanswered = std::mem::take(&mut self.sent);
        self.unsent |= !unanswered.is_empty();
        let callers: Vec<Caller> = unanswered.into_values().flatten().gather();
        self.callers.splice(0..0, callers);
    }

    /// The connection came: the new session is sent the value, also a `null` that the server missed.
    pub(super) fn resume(&mut self) {
        self.unsent |= self.shown || self.value().is_some();
    }

    /// Drops the values, and gives the requests that waited for them.
    pub(super) fn drop_values(&mut self) -> Vec<Caller> {
        self.values.clear();
        self.unsent = false;
        std::mem::take(&mut self.callers)
    }
}

/// A value on the wire. `c`, `d`, `v` and `t` are there on a document's channel only.
#[derive(Default)]
struct ValueMessage<'a> {
    a: &'a str,
    ch: &'a str,
    id: &'a str,
    p: Option<&'a Json>,
    pv: u64,
    c: Option<&'a str>,
    d: Option<&'a str>,
    v: Option<Version>,
    /// `null`, or the type's URI.
    t: Option<Option<&'a str>>,
}

wire!(write struct ValueMessage<'_> {
    a = "a";
    ch = "ch";
    id = "id";
    p = "p";
    pv = "pv";
    c = "c";
    d = "d";
    v = "v";
    t = "t";
});

impl Presences {
    /// A tab gives a value; `None` takes it away. `value` stands for the one in `submit`, and is valid at the head of the
    /// document's history.
    pub(crate) fn submit(
        &mut self,
        tab: &TabId,
        submit: PresenceSubmit,
        value: Option<Json>,
        reads: &Reads<'_>,
    ) {
        let (name, id) = (submit.channel, submit.id);
        let channel = self.channels.or_default(name.clone());
        channel.doc = channel.doc.take().or(submit.doc);
        let local = channel.locals.or_default(id.clone());
        local.put(tab, value);
        local.callers.push((tab.clone(), submit.callback_id));
        self.show_to_others(&name, &id, tab);
        self.flush(&name, &id, reads);
    }

    /// Takes away the values of a tab that is gone, and its requests.
    pub(super) fn withdraw_values(&mut self, name: &str, tab: &TabId, reads: &Reads<'_>) {
        let Some(channel) = self.channels.get_mut(name) else {
            return;
        };
        channel.callers.retain(|(of, _)| of != tab);
        let mut changed = Vec::new();
        for (id, local) in channel.locals.iter_mut() {
            if local.values.iter().any(|(of, _)| of == tab) {
                local.put(tab, None);
                changed.push(id.clone());
            }
        }
        for id in changed {
            self.show_to_others(name, &id, tab);
            self.flush(name, &id, reads);
        }
    }

    /// A change of a document moves the tabs' values in it. `author`: the tab whose op it is.
    pub(crate) fn move_locals(
        &mut self,
        key: &DocKey,
        kind: &OpKind,
        ty: Option<&OtType>,
        author: Option<&TabId>,
    ) {
        let Some(channel) = self.doc_channel(key) else {
            return;
        };
        for local in channel.locals.values_mut() {
            for (tab, value) in &mut local.values {
                // The tab that gave the value finds the same error by itself, and reports it.
                if let Ok(moved) = kind.move_presence(ty, value, author == Some(&*tab)) {
                    *value = moved;
                }
            }
            local.values.retain(|(_, value)| !value.is_null());
        }
    }

    // ---- To the other tabs ----

    fn show_to_others(&mut self, name: &str, id: &str, author: &TabId) {
        let Some(channel) = self.channels.get(name) else {
            return;
        };
        let tabs = channel.subscribers();
        for tab in tabs.iter().filter(|tab| *tab != author) {
            self.show_local(name, id, tab);
        }
    }

    /// Shows a tab the other tabs' values on a channel.
    pub(super) fn show_locals(&mut self, name: &str, tab: &TabId) {
        let Some(channel) = self.channels.get(name) else {
            return;
        };
        let others = channel
            .locals
            .iter()
            .filter(|(_, local)| local.value().is_some_and(|(of, _)| of != tab));
        let ids: Vec<String> = others.map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.show_local(name, &id, tab);
        }
    }

    pub(super) fn show_local(&mut self, name: &str, id: &str, tab: &TabId) {
        let Some(channel) = self.channels.get(name) else {
            return;
        };
        let value = channel.locals.get(id).and_then(Local::value);
        let update = PresenceUpdate {
            id: id.to_owned(),
            value: value.map_or_else(Json::null, |(_, value)| value.clone()),
            revision: None,
            src: None,
            tab: value.map(|(of, _)| of.clone()),
        };
        self.show(name, tab, update);
    }

    pub(super) fn show(&mut self, name: &str, tab: &TabId, update: PresenceUpdate) {
        let channel = self.channels.get(name);
        self.events.push(Event::Show {
            channel: name.to_owned(),
            doc: channel.and_then(|channel| channel.doc.clone()),
            tab: tab.clone(),
            update,
        });
    }

    // ---- To the server ----

    pub(super) fn flush_channel(&mut self, name: &str, reads: &Reads<'_>) {
        let Some(channel) = self.channels.get(name) else {
            return;
        };
        let unsent = channel.locals.iter().filter(|(_, local)| local.unsent);
        let ids: Vec<String> = unsent.map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.flush(name, &id, reads);
        }
    }

    /// Sends the value that counts, if the server lacks it and it can be placed.
    fn flush(&mut self, name: &str, id: &str, reads: &Reads<'_>) {
        if !self.connected {
            return;
        }
        let Some(channel) = self.channels.get_mut(name) else {
            return;
        };
        let place = channel.doc.as_ref().map(reads.place);
        let mut message = ValueMessage::default();
        if let (Some(key), Some(place)) = (&channel.doc, &place) {
            if place.version.is_none() {
                return self.drop_value(name, id);
            }
            if place.has_pending {
                self.waiting.insert(name.to_owned());
                return;
            }
            message = ValueMessage {
                c: Some(&key.collection),
                d: Some(&key.id),
                v: place.version,
                t: Some(place.ty.as_ref().map(OtType::uri)),
                ..message
            };
        }
        let Some(local) = channel.locals.get_mut(id).filter(|local| local.unsent) else {
            return;
        };
        let pv = self.next_version;
        self.next_version += 1;
        let value = local
            .value()
            .map_or_else(Json::null, |(_, value)| value.clone());
        local.unsent = false;
        local.shown = !value.is_null();
        let callers = std::mem::take(&mut local.callers);
        local.sent.insert(pv, callers);
        let text = encode(&ValueMessage {
            a: "p",
            ch: name,
            id,
            p: Some(&value),
            pv,
            ..message
        });
        self.send(text);
    }

    /// There is no document that a value could be placed in, so there is nothing to send.
    fn drop_value(&mut self, name: &str, id: &str) {
        let channel = self.channels.get_mut(name);
        let Some(local) = channel.and_then(|channel| channel.locals.get_mut(id)) else {
            return;
        };
        local.shown = false;
        let callers = local.drop_values();
        self.answer(callers, None);
        self.forget_unused(name);
    }

    /// The server answered a value. Says whether the value was one of this host's.
    pub(super) fn acknowledge(
        &mut self,
        name: &str,
        id: &str,
        pv: u64,
        error: Option<&Error>,
    ) -> bool {
        let channel = self.channels.get_mut(name);
        let local = channel.and_then(|channel| channel.locals.get_mut(id));
        let Some(callers) = local.and_then(|local| local.sent.remove(&pv)) else {
            return false;
        };
        self.answer(callers, error.cloned());
        self.forget_unused(name);
        true
    }

    /// Another session asks for the values of this one.
    pub(super) fn handle_request(&mut self, name: &str, error: Option<Error>, reads: &Reads<'_>) {
        if let Some(error) = error {
            return self.fail(name, None, error);
        }
        let Some(channel) = self.channels.get_mut(name) else {
            return;
        };
        for local in channel.locals.values_mut() {
            local.unsent |= local.value().is_some();
        }
        self.flush_channel(name, reads);
    }

    /// The session's unsubscribe took all its values away at the server. That is right for the tab that unsubscribed, as
    /// in the stock client, but not for the others.
    pub(super) fn show_again(&mut self, name: &str, left_by: &TabId, reads: &Reads<'_>) {
        let Some(channel) = self.channels.get_mut(name) else {
            return;
        };
        for local in channel.locals.values_mut() {
            local.shown = false;
            local.unsent |= local.value().is_some_and(|(tab, _)| tab != left_by);
        }
        self.flush_channel(name, reads);
    }
}
