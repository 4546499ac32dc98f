//! Presence of all tabs over one session (`lib/client/presence`): what tabs show and subscribe.
//!
//! Channels that several tabs subscribed are one subscription on the wire. The server never echoes
//! a session's own presence, so the host shows every tab's values to the other tabs itself, at
//! once and offline, too. Where two tabs use the same presence id, the value given last counts,
//! and when it goes, the other tab's takes its place. `presence/remote.rs` has what comes
//! from other sessions.
//!
//! A value on a document's channel is kept where the host's history of the document stands, and
//! goes to the server when nothing of the document is pending, as in the stock client.

use crate::tabs::hub::Entry;
use broker::message::{
    CallbackId, PresenceEvent, PresenceSubmit, PresenceSubscription, PresenceUpdate, ToTab, encode,
};
use durable_store::record::Author;
use proxy_doc::{
    DocHandle, DocKey, Error, Json, Map, OpKind, OtType, Revision, Set, TabId, Version, codes, wire,
};

mod remote;

use self::remote::Remote;
use crate::host::Host;

/// Whom to answer.
type Caller = (TabId, CallbackId);

/// All channels.
#[derive(Default)]
pub(crate) struct Presences {
    pub(crate) channels: Map<String, Channel>,
    /// Subscribes and unsubscribes without an answer, by their number on the wire.
    requests: Map<u64, Request>,
    next_seq: u64,
    /// The next presence version. One count for all ids: the server wants it to grow for each.
    next_version: u64,
    /// Channels with something that waits for their document to have nothing pending.
    pub(crate) waiting: Set<String>,
}

/// One channel.
#[derive(Default)]
pub(crate) struct Channel {
    pub(crate) doc: Option<DocKey>,
    /// The tabs that subscribed.
    pub(crate) tabs: Set<TabId>,
    /// Those of them that were told something before they had the document to place it in.
    unplaced: Set<TabId>,
    /// What was sent last was a subscribe.
    wanted: bool,
    /// The server has answered it.
    subscribed: bool,
    /// Who waits for the connection to come.
    callers: Vec<Caller>,
    pub(crate) locals: Map<String, Local>,
    /// What other sessions show.
    pub(crate) remotes: Map<String, Remote>,
}

/// A subscribe or unsubscribe on the wire.
struct Request {
    channel: String,
    subscribe: bool,
    callers: Vec<Caller>,
    /// The tab that was the last to leave the channel.
    left_by: Option<TabId>,
}

/// What tabs show under one presence id.
#[derive(Default)]
pub(crate) struct Local {
    /// The values, none of them `null`, the one given last at the end.
    values: Vec<(TabId, Json)>,
    /// The server has not been told of the present value.
    unsent: bool,
    /// Who waits for that. Values that were replaced before they were sent share its answer.
    callers: Vec<Caller>,
    /// Values that the server has not answered, by their presence version.
    sent: Map<u64, Vec<Caller>>,
    /// The server was told of a value, and of no `null` since.
    shown: bool,
}

impl Local {
    /// The value that counts, and the tab that gave it.
    fn value(&self) -> Option<&(TabId, Json)> {
        self.values.last()
    }

    fn put(&mut self, tab: &TabId, value: Option<Json>) {
        self.values.retain(|(of, _)| of != tab);
        self.values.extend(value.map(|value| (tab.clone(), value)));
        self.unsent = true;
    }

    fn is_unused(&self) -> bool {
        self.values.is_empty() && self.sent.is_empty() && !self.unsent && !self.shown
    }
}

struct SubscriptionMessage<'a> {
    a: &'a str,
    ch: &'a str,
    seq: u64,
}

wire!(write struct SubscriptionMessage<'_> {
    a = "a";
    ch = "ch";
    seq = "seq";
});

struct RequestMessage<'a> {
    a: &'a str,
    ch: &'a str,
}

wire!(write struct RequestMessage<'_> {
    a = "a";
    ch = "ch";
});

/// A value; the last four say where it stands in its document, if there is one.
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

pub(crate) fn null() -> Json {
    Json::trusted("null")
}

impl Host {
    // ---- Subscribing ----

    pub(crate) fn subscribe_presence(&mut self, tab: &TabId, request: PresenceSubscription) {
        let name = request.channel;
        let connected = self.connected();
        let channel = self.presences.channels.or_default(name.clone());
        channel.doc = channel.doc.take().or(request.doc);
        let is_new = channel.tabs.insert(tab.clone());
        let caller = (tab.clone(), request.callback_id);
        if !connected {
            channel.callers.push(caller);
        } else if channel.subscribed {
            self.answer_presence(vec![caller], None);
            if is_new {
                self.request_presence(&name);
            }
        } else if channel.wanted {
            let asked = self.presences.requests.values_mut().rev();
            if let Some(asked) = asked.into_iter().find(|asked| asked.channel == name) {
                asked.callers.push(caller);
            }
        } else {
            self.send_subscription(&name, true, vec![caller], None);
        }
        if is_new {
            self.show_tab_presences(&name, tab);
        }
    }

    pub(crate) fn unsubscribe_presence(&mut self, tab: &TabId, request: PresenceSubscription) {
        let caller = (tab.clone(), request.callback_id);
        self.leave_channel(&request.channel, tab, vec![caller]);
    }

    fn leave_channel(&mut self, name: &str, tab: &TabId, callers: Vec<Caller>) {
        let connected = self.connected();
        let Some(channel) = self.presences.channels.get_mut(name) else {
            return self.answer_presence(callers, None);
        };
        channel.tabs.remove(tab);
        channel.unplaced.remove(tab);
        if !connected {
            channel.callers.extend(callers);
        } else if channel.tabs.is_empty() && channel.wanted {
            channel.remotes.clear();
            self.send_subscription(name, false, callers, Some(tab.clone()));
        } else {
            self.answer_presence(callers, None);
        }
        self.forget_channel(name);
    }

    fn send_subscription(
        &mut self,
        name: &str,
        subscribe: bool,
        callers: Vec<Caller>,
        left_by: Option<TabId>,
    ) {
        if let Some(channel) = self.presences.channels.get_mut(name) {
            channel.wanted = subscribe;
            channel.subscribed = false;
        }
        self.presences.next_seq += 1;
        let seq = self.presences.next_seq;
        let request = Request {
            channel: name.to_owned(),
            subscribe,
            callers,
            left_by,
        };
        self.presences.requests.insert(seq, request);
        let a = if subscribe { "ps" } else { "pu" };
        self.send(encode(&SubscriptionMessage { a, ch: name, seq }));
    }

    /// Asks the other sessions to show what they show once more.
    pub(crate) fn request_presence(&mut self, name: &str) {
        if self.connected() {
            self.send(encode(&RequestMessage { a: "pr", ch: name }));
        }
    }

    /// The server answered a subscribe or unsubscribe.
    pub(crate) fn handle_presence_subscription(
        &mut self,
        name: &str,
        seq: Option<u64>,
        error: Option<Error>,
    ) {
        let Some(request) = seq.and_then(|seq| self.presences.requests.remove(&seq)) else {
            if let Some(error) = error {
                self.tell_presence_error(name, None, &error);
            }
            return;
        };
        let name = request.channel;
        let is_last = !self
            .presences
            .requests
            .values()
            .any(|other| other.channel == name);
        if let Some(channel) = self.presences.channels.get_mut(&name)
            && is_last
            && request.subscribe
        {
            channel.subscribed = channel.wanted && error.is_none();
            channel.wanted = channel.subscribed;
        }
        if let Some(left_by) = request.left_by {
            self.show_again(&name, &left_by);
        }
        self.answer_presence(request.callers, error);
        self.forget_channel(&name);
    }

    /// The session's unsubscribe took all its values away at the server. That is right for the tab
    /// that unsubscribed, as in the stock client, but not for the others.
    fn show_again(&mut self, name: &str, left_by: &TabId) {
        let Some(channel) = self.presences.channels.get_mut(name) else {
            return;
        };
        for local in channel.locals.values_mut() {
            local.shown = false;
            local.unsent |= local.value().is_some_and(|(tab, _)| tab != left_by);
        }
        self.flush_channel(name);
    }

    fn answer_presence(&mut self, callers: Vec<Caller>, error: Option<Error>) {
        for (tab, callback_id) in callers {
            let message = ToTab::Callback {
                callback_id,
                error: error.clone(),
                result: None,
            };
            self.tell(&tab, message);
        }
    }

    // ---- Showing ----

    pub(crate) fn submit_presence(&mut self, tab: &TabId, submit: PresenceSubmit) {
        let caller = (tab.clone(), submit.callback_id);
        let value = match &submit.doc {
            _ if submit.value.get() == "null" => Ok(None),
            None => Ok(Some(submit.value)),
            Some(key) => self.presence_at_head(tab, key, submit.revision, submit.value),
        };
        let value = match value {
            Ok(value) => value,
            Err(error) => return self.answer_presence(vec![caller], Some(error)),
        };
        let (name, id) = (submit.channel, submit.id);
        let channel = self.presences.channels.or_default(name.clone());
        channel.doc = channel.doc.take().or(submit.doc);
        let local = channel.locals.or_default(id.clone());
        local.put(tab, value);
        local.callers.push(caller);
        self.show_to_tabs(&name, &id, tab);
        self.flush_presence(&name, &id);
    }

    /// Brings a value from the revision it was given at to the newest one. Nothing is left of it
    /// where the document was created, deleted or given up in between.
    fn presence_at_head(
        &self,
        tab: &TabId,
        key: &DocKey,
        base: Option<Revision>,
        mut value: Json,
    ) -> Result<Option<Json>, Error> {
        let host_doc = self.docs.at(key);
        let Some((host_doc, base)) = host_doc.zip(base) else {
            return Ok(None);
        };
        let Some(ty) = host_doc.doc.ty() else {
            return Ok(None);
        };
        if !ty.supports_presence() {
            let message = format!("Type does not support presence: {}", ty.uri());
            return Err(Error::new(
                codes::ERR_TYPE_DOES_NOT_SUPPORT_PRESENCE,
                message,
            ));
        }
        let Some(entries) = host_doc.hub.since(base) else {
            return Ok(None);
        };
        for Entry { kind, author, .. } in entries {
            let is_own = author.as_ref().is_some_and(|author| author.tab == *tab);
            match kind {
                OpKind::Edit(edit) => {
                    value = ty.transform_presence(&value, &edit.to_text(), is_own)?;
                }
                OpKind::Create { .. } | OpKind::Del => return Ok(None),
                OpKind::Noop => {}
            }
        }
        Ok(Some(value))
    }

    /// Shows the value that counts to the other tabs.
    fn show_to_tabs(&mut self, name: &str, id: &str, author: &TabId) {
        let Some(channel) = self.presences.channels.get(name) else {
            return;
        };
        let tabs: Vec<TabId> = channel.tabs.iter().cloned().collect();
        for tab in tabs.iter().filter(|tab| *tab != author) {
            self.show_local(name, id, tab);
        }
    }

    /// Shows a tab what the other tabs show on a channel.
    fn show_tab_presences(&mut self, name: &str, tab: &TabId) {
        let Some(channel) = self.presences.channels.get(name) else {
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

    fn show_local(&mut self, name: &str, id: &str, tab: &TabId) {
        let Some(channel) = self.presences.channels.get(name) else {
            return;
        };
        let current = channel.locals.get(id).and_then(Local::value);
        let update = PresenceUpdate {
            id: id.to_owned(),
            value: current.map_or_else(null, |(_, value)| value.clone()),
            revision: None,
            src: None,
            tab: current.map(|(of, _)| of.clone()),
        };
        self.tell_presence(name, tab, update);
    }

    /// Tells a tab what somebody shows, after all that the tab needs to place it.
    pub(crate) fn tell_presence(&mut self, name: &str, tab: &TabId, mut update: PresenceUpdate) {
        // A tab that lags gets everything once it has caught up.
        if self.tabs.get(tab).is_none_or(|tab| tab.stalled) {
            return;
        }
        let channel = self.presences.channels.get(name);
        let key = channel.and_then(|channel| channel.doc.as_ref());
        if let Some(handle) = key.and_then(|key| self.docs.find(key)) {
            self.catch_up(handle, tab);
            let hub = self.docs.get(handle).map(|host_doc| &host_doc.hub);
            update.revision = hub.filter(|hub| hub.has_state(tab)).map(|hub| hub.head());
        }
        if let Some(channel) = self.presences.channels.get_mut(name)
            && channel.doc.is_some()
            && update.revision.is_none()
        {
            channel.unplaced.insert(tab.clone());
        }
        let message = ToTab::Presence {
            channel: name.to_owned(),
            event: PresenceEvent::Update(update),
        };
        self.tell(tab, message);
    }

    /// The tab has the document now: shows it again what it could not place before.
    pub(crate) fn place_presences(&mut self, handle: DocHandle, tab: &TabId) {
        let host_doc = self.docs.get(handle);
        let Some(host_doc) = host_doc.filter(|host_doc| host_doc.hub.has_state(tab)) else {
            return;
        };
        let key = host_doc.doc.key();
        let mut names = Vec::new();
        for (name, channel) in self.presences.channels.iter_mut() {
            if channel.doc.as_ref() == Some(key) && channel.unplaced.remove(tab) {
                names.push(name.clone());
            }
        }
        for name in names {
            self.show_tab_presences(&name, tab);
            self.request_presence(&name);
        }
    }

    /// Shows everything to a tab that missed some of it.
    pub(crate) fn refresh_presences(&mut self, tab: &TabId) {
        let subscribed = self
            .presences
            .channels
            .iter()
            .filter(|(_, channel)| channel.tabs.contains(tab));
        let names: Vec<String> = subscribed.map(|(name, _)| name.clone()).collect();
        for name in names {
            self.show_tab_presences(&name, tab);
            self.request_presence(&name);
        }
    }

    // ---- Telling the server ----

    fn flush_channel(&mut self, name: &str) {
        let Some(channel) = self.presences.channels.get(name) else {
            return;
        };
        let unsent = channel.locals.iter().filter(|(_, local)| local.unsent);
        let ids: Vec<String> = unsent.map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.flush_presence(name, &id);
        }
    }

    /// Sends the value that counts, if it can be sent and was not.
    fn flush_presence(&mut self, name: &str, id: &str) {
        if !self.connected() {
            return;
        }
        let Some(channel) = self.presences.channels.get_mut(name) else {
            return;
        };
        let place = match &channel.doc {
            None => ValueMessage::default(),
            Some(key) => {
                let handle = self.docs.find(key);
                let host_doc = handle.and_then(|handle| self.docs.get(handle));
                let Some((doc, v)) =
                    host_doc.and_then(|host| Some((&host.doc, host.doc.version()?)))
                else {
                    return self.drop_presence(name, id);
                };
                if doc.has_pending() {
                    self.presences.waiting.insert(name.to_owned());
                    return;
                }
                ValueMessage {
                    c: Some(&key.collection),
                    d: Some(&key.id),
                    v: Some(v),
                    t: Some(doc.ty().map(OtType::uri)),
                    ..ValueMessage::default()
                }
            }
        };
        let Some(local) = channel.locals.get_mut(id).filter(|local| local.unsent) else {
            return;
        };
        let pv = self.presences.next_version;
        self.presences.next_version += 1;
        let value = local.value().map_or_else(null, |(_, value)| value.clone());
        local.unsent = false;
        local.shown = value.get() != "null";
        let callers = std::mem::take(&mut local.callers);
        local.sent.insert(pv, callers);
        let text = encode(&ValueMessage {
            a: "p",
            ch: name,
            id,
            p: Some(&value),
            pv,
            ..place
        });
        self.send(text);
    }

    /// There is no document that a value could stand in, so there is nothing to tell.
    fn drop_presence(&mut self, name: &str, id: &str) {
        let channel = self.presences.channels.get_mut(name);
        let Some(local) = channel.and_then(|channel| channel.locals.get_mut(id)) else {
            return;
        };
        local.unsent = false;
        local.shown = false;
        local.values.clear();
        let callers = std::mem::take(&mut local.callers);
        self.answer_presence(callers, None);
        self.forget_channel(name);
    }

    /// The server answered a value. Says whether it was one of ours.
    pub(crate) fn acknowledge_presence(
        &mut self,
        name: &str,
        id: &str,
        pv: u64,
        error: Option<&Error>,
    ) -> bool {
        let channel = self.presences.channels.get_mut(name);
        let local = channel.and_then(|channel| channel.locals.get_mut(id));
        let Some(callers) = local.and_then(|local| local.sent.remove(&pv)) else {
            return false;
        };
        self.answer_presence(callers, error.cloned());
        self.forget_channel(name);
        true
    }

    /// Another session asks what is shown here.
    pub(crate) fn handle_presence_request(&mut self, name: &str, error: Option<Error>) {
        if let Some(error) = error {
            return self.tell_presence_error(name, None, &error);
        }
        let Some(channel) = self.presences.channels.get_mut(name) else {
            return;
        };
        for local in channel.locals.values_mut() {
            local.unsent |= local.value().is_some();
        }
        self.flush_channel(name);
    }

    // ---- Coming and going ----

    /// The connection came or went.
    pub(crate) fn presence_connection_changed(&mut self) {
        let names: Vec<String> = self.presences.channels.keys().cloned().collect();
        if self.connected() {
            for name in &names {
                self.resume_channel(name);
            }
        } else {
            for (_, request) in std::mem::take(&mut self.presences.requests) {
                if let Some(channel) = self.presences.channels.get_mut(&request.channel) {
                    channel.callers.extend(request.callers);
                }
            }
            for channel in self.presences.channels.values_mut() {
                channel.wanted = false;
                channel.subscribed = false;
                for local in channel.locals.values_mut() {
                    let unanswered = std::mem::take(&mut local.sent);
                    local.unsent |= !unanswered.is_empty();
                    let again: Vec<Caller> = unanswered.into_values().flatten().collect();
                    local.callers.splice(0..0, again);
                }
            }
        }
    }

    /// Subscribes again, then tells the new session of the server what is shown.
    fn resume_channel(&mut self, name: &str) {
        let Some(channel) = self.presences.channels.get_mut(name) else {
            return;
        };
        let callers = std::mem::take(&mut channel.callers);
        for local in channel.locals.values_mut() {
            // A `null` that the server missed, too.
            local.unsent |= local.shown || local.value().is_some();
        }
        if channel.tabs.is_empty() {
            self.answer_presence(callers, None);
        } else {
            self.send_subscription(name, true, callers, None);
        }
        self.flush_channel(name);
        self.forget_channel(name);
    }

    /// A tab is gone: it shows nothing any more, and sees nothing.
    pub(crate) fn leave_presences(&mut self, tab: &TabId) {
        let names: Vec<String> = self.presences.channels.keys().cloned().collect();
        for name in names {
            self.take_presences_away(&name, tab);
            self.leave_channel(&name, tab, Vec::new());
        }
    }

    fn take_presences_away(&mut self, name: &str, tab: &TabId) {
        let Some(channel) = self.presences.channels.get_mut(name) else {
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
            self.show_to_tabs(name, &id, tab);
            self.flush_presence(name, &id);
        }
    }

    /// Forgets what nobody shows and a channel that nobody uses.
    fn forget_channel(&mut self, name: &str) {
        let Some(channel) = self.presences.channels.get_mut(name) else {
            return;
        };
        channel.locals.retain(|_, local| !local.is_unused());
        let is_here = |request: &Request| request.channel == name;
        let used = !channel.tabs.is_empty()
            || !channel.locals.is_empty()
            || !channel.callers.is_empty()
            || self.presences.requests.values().any(is_here);
        if !used && let Some(channel) = self.presences.channels.remove(name) {
            self.presences.waiting.remove(name);
            if let Some(key) = channel.doc {
                self.touch(&key);
            }
        }
    }

    // ---- Documents ----

    /// Whether anybody uses presence at all.
    pub(crate) fn has_presences(&self) -> bool {
        !self.presences.channels.is_empty()
    }

    /// Whether a document is needed to place presence in it.
    pub(crate) fn has_presence(&self, key: &DocKey) -> bool {
        self.presences
            .channels
            .get(&key.to_string())
            .is_some_and(|channel| channel.doc.as_ref() == Some(key))
    }

    /// After an input: does what waited for documents to have nothing pending.
    pub(crate) fn settle_presences(&mut self) {
        for name in std::mem::take(&mut self.presences.waiting).into_values() {
            let doc = self
                .presences
                .channels
                .get(&name)
                .and_then(|channel| channel.doc.as_ref());
            let handle = doc.and_then(|key| self.docs.find(key));
            let host_doc = handle.and_then(|handle| self.docs.get(handle));
            if host_doc.is_some_and(|host_doc| host_doc.doc.has_pending()) {
                self.presences.waiting.insert(name);
                continue;
            }
            self.flush_channel(&name);
            self.show_pending_remotes(&name);
        }
    }

    fn doc_channel(&mut self, handle: DocHandle) -> Option<&mut Channel> {
        if !self.has_presences() {
            return None;
        }
        let key = self.docs.get(handle)?.doc.key();
        let channel = self.presences.channels.get_mut(&key.to_string())?;
        (channel.doc.as_ref() == Some(key)).then_some(channel)
    }

    /// A change of a document moves what tabs show in it.
    pub(crate) fn move_presences(
        &mut self,
        handle: DocHandle,
        kind: &OpKind,
        ty: Option<&OtType>,
        author: Option<&Author>,
    ) {
        let Some(channel) = self.doc_channel(handle) else {
            return;
        };
        for local in channel.locals.values_mut() {
            match kind {
                OpKind::Edit(edit) => {
                    let text = edit.to_text();
                    for (tab, value) in &mut local.values {
                        let is_own = author.is_some_and(|author| author.tab == *tab);
                        let moved = ty.map(|ty| ty.transform_presence(value, &text, is_own));
                        // The tab that shows it finds the same error by itself, and reports it.
                        if let Some(Ok(moved)) = moved {
                            *value = moved;
                        }
                    }
                    local.values.retain(|(_, value)| value.get() != "null");
                }
                OpKind::Create { .. } | OpKind::Del => local.values.clear(),
                OpKind::Noop => {}
            }
        }
    }

    /// A document was loaded anew: nothing that was shown in it can be placed any more.
    pub(crate) fn void_presences(&mut self, handle: DocHandle) {
        let Some(channel) = self.doc_channel(handle) else {
            return;
        };
        let mut callers = Vec::new();
        for local in channel.locals.values_mut() {
            local.values.clear();
            local.unsent = false;
            callers.append(&mut local.callers);
        }
        for remote in channel.remotes.values_mut() {
            remote.reset();
        }
        self.answer_presence(callers, None);
    }
}
