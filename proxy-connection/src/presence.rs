//! A tab's presence (`lib/client/presence`): what it shows, and what it is shown.
//!
//! On a document's channel a value is valid at a revision of the host. What the tab shows goes to
//! the host when the tab stands exactly there, with no op that the host lacks; what it is shown
//! comes at a revision, too, and is brought along over the ops that the host lacks.
//!
//! What it refuses to do: listen to the application's documents. The driver says when a document's
//! data has changed, before its listeners learn of it.

use broker::message::{
    CallbackId, PresenceEvent, PresenceSubmit, PresenceSubscription, PresenceUpdate, ToHost, encode,
};
use proxy_doc::{
    Doc, DocHandle, DocKey, Error, Json, Map, OpKind, Revision, TabId, Token, codes, json,
};

use crate::{ProxyConnection, Request, TabEvent};

/// Something that happened on a channel.
#[derive(Debug)]
pub enum TabPresenceEvent {
    /// An answer: call these in the next tick. Where there is nobody to call, emit the error.
    Answer {
        /// The presence id that was shown; `None` for a subscribe or unsubscribe.
        id: Option<String>,
        /// Whom to call.
        tokens: Vec<Token>,
        /// Why it failed.
        error: Option<Error>,
    },
    /// What this tab shows under the id was moved by an op.
    Value(String, Json),
    /// Others show this under the id; emit `receive`.
    Receive(String, Json),
    /// Emit `error`, on the local presence of the id where there is one.
    Error(Option<String>, Error),
    /// Call [`ProxyConnection::send_presence`] in the next tick.
    Later(String),
}

/// All channels that the application opened.
#[derive(Debug, Default)]
pub(crate) struct Presences {
    channels: Map<String, Channel>,
    /// The tab of the host's that made the op that is being applied.
    pub(crate) author: Option<TabId>,
}

#[derive(Debug, Default)]
struct Channel {
    doc: Option<DocKey>,
    want_subscribe: bool,
    subscribed: bool,
    /// Subscribes and unsubscribes without an answer, oldest first.
    requests: Map<CallbackId, Vec<Token>>,
    locals: Map<String, Local>,
    remotes: Map<String, Remote>,
}

impl Channel {
    fn local(&mut self, id: &str) -> &mut Local {
        self.locals.or_insert_with(id.to_owned(), || Local {
            value: null(),
            pending: Vec::new(),
            sending: Sending::Idle,
        })
    }
}

/// What this tab shows.
#[derive(Debug)]
struct Local {
    value: Json,
    /// Values that the host was not told of, oldest first.
    pending: Vec<Pending>,
    sending: Sending,
}

#[derive(Debug)]
struct Pending {
    value: Json,
    tokens: Vec<Token>,
}

/// How far the sending of pending values is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    Idle,
    /// In the next tick.
    Scheduled,
    /// As soon as the host has all ops of the document.
    Due,
}

/// What others show.
#[derive(Debug)]
struct Remote {
    value: Json,
    /// A value for a revision that the document has not reached.
    pending: Option<(Json, Revision)>,
    src: Option<String>,
    tab: Option<TabId>,
}

/// A request about presence.
#[derive(Debug)]
pub(crate) enum PresenceRequest {
    Subscription {
        channel: String,
        subscribe: bool,
    },
    Value {
        channel: String,
        id: String,
        tokens: Vec<Token>,
    },
}

fn null() -> Json {
    json("null".to_owned()).unwrap_or_else(|error| unreachable!("null is JSON: {error}"))
}

/// What JavaScript takes for false: ShareDB does not move such a value.
fn is_falsy(value: &Json) -> bool {
    matches!(value.get(), "null" | "false" | "0" | "-0" | r#""""#)
}

impl ProxyConnection {
    // ---- Channels ----

    /// The application uses a channel; `doc` where it belongs to a document.
    pub fn open_presence(&mut self, channel: &str, doc: Option<DocKey>) {
        let channels = &mut self.presences.channels;
        let channel = channels.or_default(channel.to_owned());
        channel.doc = channel.doc.take().or(doc);
    }

    /// The application is done with a channel.
    pub fn close_presence(&mut self, channel: &str) {
        self.presences.channels.remove(channel);
    }

    /// `presence.wantSubscribe`.
    pub fn wants_presence(&self, channel: &str) -> bool {
        let channel = self.presences.channels.get(channel);
        channel.is_some_and(|channel| channel.want_subscribe)
    }

    /// `presence.subscribed`.
    pub fn has_presence(&self, channel: &str) -> bool {
        let channel = self.presences.channels.get(channel);
        channel.is_some_and(|channel| channel.subscribed)
    }

    /// `presence.subscribe` and `presence.unsubscribe`.
    pub fn subscribe_presence(&mut self, name: &str, want: bool, token: Option<Token>) {
        let Some(channel) = self.presences.channels.get_mut(name) else {
            return;
        };
        if channel.want_subscribe == want {
            let Some(token) = token else {
                return;
            };
            if channel.subscribed == want {
                let tokens = vec![token];
                let (id, error) = (None, None);
                let answer = TabPresenceEvent::Answer { id, tokens, error };
                return self.push_presence(name, vec![answer]);
            }
            if let Some(last) = channel.requests.last_mut() {
                return last.push(token);
            }
        }
        channel.want_subscribe = want;
        self.ask_presence(name, token.into_iter().collect());
    }

    fn ask_presence(&mut self, name: &str, tokens: Vec<Token>) {
        let Some(channel) = self.presences.channels.get(name) else {
            return;
        };
        let (subscribe, doc) = (channel.want_subscribe, channel.doc.clone());
        let channel = name.to_owned();
        let callback_id = self
            .requests
            .open(Request::Presence(PresenceRequest::Subscription {
                channel: channel.clone(),
                subscribe,
            }));
        let request = PresenceSubscription {
            channel,
            doc,
            callback_id,
        };
        if let Some(channel) = self.presences.channels.get_mut(name) {
            channel.requests.insert(callback_id, tokens);
        }
        self.tell_host(&if subscribe {
            ToHost::PresenceSubscribe(request)
        } else {
            ToHost::PresenceUnsubscribe(request)
        });
    }

    /// The connection came or went.
    pub(crate) fn presence_connection_changed(&mut self) {
        let connected = self.connected();
        let mut resume = Vec::new();
        for (name, channel) in self.presences.channels.iter_mut() {
            channel.subscribed &= connected;
            // The host still has the requests that it could not answer.
            if connected && channel.want_subscribe && channel.requests.is_empty() {
                resume.push(name.clone());
            }
        }
        for name in resume.into_iter().rev() {
            self.ask_presence(&name, Vec::new());
        }
    }

    /// A new host knows nothing: tells it what this tab shows, and what it wants to be shown.
    pub(crate) fn announce_presences(&mut self) {
        let is_presence = |request: &Request| matches!(request, Request::Presence(_));
        for request in self.requests.end_where(is_presence) {
            if let Request::Presence(PresenceRequest::Value {
                channel,
                id,
                tokens,
            }) = request
                && let Some(local) = self.local(&channel, &id)
            {
                let value = local.value.clone();
                local.pending.insert(0, Pending { value, tokens });
            }
        }
        let names: Vec<String> = self.presences.channels.keys().cloned().collect();
        for name in names {
            self.announce_channel(&name);
        }
    }

    /// Nobody will say any more who of the others is gone. Those that are not show themselves again.
    pub(crate) fn drop_remote_presences(&mut self) {
        let mut gone = Vec::new();
        for (name, channel) in self.presences.channels.iter_mut() {
            let ids = std::mem::take(&mut channel.remotes).into_keys();
            let receive = |id| TabPresenceEvent::Receive(id, null());
            gone.push((name.clone(), ids.map(receive).collect()));
        }
        for (name, events) in gone {
            self.push_presence(&name, events);
        }
    }

    fn announce_channel(&mut self, name: &str) {
        let Some(channel) = self.presences.channels.get_mut(name) else {
            return;
        };
        let requests = std::mem::take(&mut channel.requests);
        let tokens: Vec<Token> = requests.into_values().flatten().collect();
        for local in channel.locals.values_mut() {
            if local.pending.is_empty() && local.value.get() != "null" {
                let (value, tokens) = (local.value.clone(), Vec::new());
                local.pending.push(Pending { value, tokens });
            }
            if !local.pending.is_empty() {
                local.sending = Sending::Due;
            }
        }
        channel.subscribed = false;
        let messages = self.due_presences(name);
        if self.wants_presence(name) {
            self.ask_presence(name, tokens);
        } else if !tokens.is_empty() {
            let (id, error) = (None, None);
            self.push_presence(name, vec![TabPresenceEvent::Answer { id, tokens, error }]);
        }
        self.push_messages(messages);
    }

    // ---- Showing ----

    /// Why nothing can be shown in a channel's document now.
    pub fn refuses_presence(&self, channel: &str) -> Option<Error> {
        let key = self.presences.channels.get(channel)?.doc.as_ref()?;
        let doc = self.by_key.get(key).and_then(|handle| self.doc(*handle));
        if doc.is_some_and(|doc| doc.ty().is_some()) {
            return None;
        }
        let (code, why) = if doc.is_some_and(Doc::in_hard_rollback) {
            (
                codes::ERR_DOC_IN_HARD_ROLLBACK,
                "Document is processing hard rollback",
            )
        } else {
            (
                codes::ERR_DOC_DOES_NOT_EXIST,
                "Document has not been created",
            )
        };
        Some(Error::new(code, format!("Cannot submit presence. {why}")))
    }

    /// `presence.create`: the id is this tab's from now on.
    pub fn create_local_presence(&mut self, name: &str, id: &str) {
        if let Some(channel) = self.presences.channels.get_mut(name) {
            channel.local(id);
        }
    }

    /// `localPresence.submit` and `localPresence.send`.
    pub fn submit_presence(&mut self, name: &str, id: &str, value: Json, token: Option<Token>) {
        let Some(channel) = self.presences.channels.get_mut(name) else {
            return;
        };
        let is_plain = channel.doc.is_none();
        let local = channel.local(id);
        local.value = value.clone();
        let tokens = token.into_iter().collect();
        local.pending.push(Pending { value, tokens });
        if is_plain {
            local.sending = Sending::Due;
            let messages = self.due_presences(name);
            self.push_messages(messages);
        } else if local.sending == Sending::Idle {
            local.sending = Sending::Scheduled;
            self.push_presence(name, vec![TabPresenceEvent::Later(id.to_owned())]);
        }
    }

    /// The next tick of [`TabPresenceEvent::Later`].
    pub fn send_presence(&mut self, name: &str, id: &str) {
        if let Some(local) = self.local(name, id)
            && local.sending == Sending::Scheduled
        {
            local.sending = Sending::Due;
        }
        let messages = self.due_presences(name);
        self.push_messages(messages);
    }

    /// The local presence was destroyed.
    pub fn forget_local_presence(&mut self, name: &str, id: &str) {
        if let Some(channel) = self.presences.channels.get_mut(name) {
            channel.locals.remove(id);
        }
    }

    /// The presence was destroyed: what others show is forgotten without an event.
    pub fn forget_remote_presences(&mut self, name: &str) {
        if let Some(channel) = self.presences.channels.get_mut(name) {
            channel.remotes.clear();
        }
    }

    fn local(&mut self, name: &str, id: &str) -> Option<&mut Local> {
        self.presences.channels.get_mut(name)?.locals.get_mut(id)
    }

    /// The revision that the document stands at exactly: the host has every op of this tab.
    fn settled_revision(&self, key: &DocKey) -> Option<Revision> {
        let known = self.docs.get(self.by_key.get(key)?)?;
        let settled = known.doc.unaccepted().next().is_none() && !known.unplaced;
        known
            .doc
            .version()
            .filter(|_| settled)
            .map(|version| Revision(version.0))
    }

    /// Takes the values that can be sent now, as messages in their order.
    fn due_presences(&mut self, name: &str) -> Vec<ToHost> {
        let Some(channel) = self.presences.channels.get(name) else {
            return Vec::new();
        };
        let doc = channel.doc.clone();
        let revision = doc.as_ref().and_then(|key| self.settled_revision(key));
        // Nothing more becomes of a document that the application let go.
        let is_gone = doc
            .as_ref()
            .is_some_and(|key| !self.by_key.contains_key(key));
        if self.left || (doc.is_some() && revision.is_none() && !is_gone) {
            return Vec::new();
        }
        let Some(channel) = self.presences.channels.get_mut(name) else {
            return Vec::new();
        };
        let mut due: Vec<(String, Pending)> = Vec::new();
        for (id, local) in channel.locals.iter_mut() {
            if local.sending == Sending::Due {
                local.sending = Sending::Idle;
                let pending = std::mem::take(&mut local.pending);
                due.extend(pending.into_iter().map(|pending| (id.clone(), pending)));
            }
        }
        let submit = |(id, Pending { value, tokens }): (String, Pending)| {
            let channel = name.to_owned();
            let callback_id = self
                .requests
                .open(Request::Presence(PresenceRequest::Value {
                    channel: channel.clone(),
                    id: id.clone(),
                    tokens,
                }));
            ToHost::PresenceSubmit(PresenceSubmit {
                channel,
                doc: doc.clone(),
                id,
                value,
                revision,
                callback_id,
            })
        };
        due.into_iter().map(submit).collect()
    }

    pub(crate) fn push_messages(&mut self, messages: Vec<ToHost>) {
        for message in messages.iter().rev() {
            self.push_event(TabEvent::ToHost(encode(message)));
        }
    }

    fn push_presence(&mut self, name: &str, events: Vec<TabPresenceEvent>) {
        for event in events.into_iter().rev() {
            self.push_event(TabEvent::Presence(name.to_owned(), event));
        }
    }

    // ---- From the host ----

    pub(crate) fn handle_presence_answer(
        &mut self,
        callback_id: CallbackId,
        request: PresenceRequest,
        error: Option<Error>,
    ) {
        match request {
            PresenceRequest::Value {
                channel,
                id,
                tokens,
            } => {
                let id = Some(id);
                let answer = TabPresenceEvent::Answer { id, tokens, error };
                self.push_presence(&channel, vec![answer]);
            }
            PresenceRequest::Subscription {
                channel: name,
                subscribe,
            } => {
                let Some(channel) = self.presences.channels.get_mut(&name) else {
                    return;
                };
                // Also after an error, as in the stock client: only a reconnect tries again.
                channel.subscribed = subscribe && (channel.want_subscribe || channel.subscribed);
                let tokens = channel.requests.remove(&callback_id).unwrap_or_default();
                let id = None;
                let answer = TabPresenceEvent::Answer { id, tokens, error };
                self.push_presence(&name, vec![answer]);
            }
        }
    }

    pub(crate) fn handle_presence_event(&mut self, name: &str, event: PresenceEvent) {
        let Some(channel) = self.presences.channels.get(name) else {
            return;
        };
        match event {
            PresenceEvent::Error { id, error } => {
                let id = id.filter(|id| channel.locals.contains_key(id));
                self.push_presence(name, vec![TabPresenceEvent::Error(id, error)]);
            }
            // The application's own presence is what it shows itself, whoever else uses the id.
            PresenceEvent::Update(update) if channel.locals.contains_key(&update.id) => {}
            PresenceEvent::Update(update) => self.handle_presence_update(name, update),
        }
    }

    fn handle_presence_update(&mut self, name: &str, update: PresenceUpdate) {
        let Some(channel) = self.presences.channels.get_mut(name) else {
            return;
        };
        let PresenceUpdate {
            id,
            value,
            revision,
            src,
            tab,
        } = update;
        let remote = channel.remotes.or_insert_with(id.clone(), || Remote {
            value: null(),
            pending: None,
            src: None,
            tab: None,
        });
        (remote.src, remote.tab) = (src, tab);
        let Some(key) = channel.doc.clone() else {
            let event = self.show_remote(name, id, value);
            return self.push_presence(name, event.into_iter().collect());
        };
        match revision {
            Some(revision) => remote.pending = Some((value, revision)),
            // It cannot be placed before the document is loaded, and what is loaded may be later.
            None => {
                channel.remotes.remove(&id);
            }
        }
        let is_new = !self.by_key.contains_key(&key);
        let handle = self.get(key.clone());
        let events = self.show_current_remotes(handle);
        self.push_presence(name, events);
        let stands_at = self.doc(handle).and_then(Doc::version);
        if revision.is_none() || stands_at.map(|version| Revision(version.0)) < revision {
            self.fetch(handle, None);
        }
        if is_new {
            self.push_event(TabEvent::OpenDoc(handle, key));
        }
    }

    /// Takes a value over; an event says so.
    fn show_remote(&mut self, name: &str, id: String, value: Json) -> Option<TabPresenceEvent> {
        let channel = self.presences.channels.get_mut(name)?;
        if value.get() == "null" {
            channel.remotes.remove(&id);
        } else if let Some(remote) = channel.remotes.get_mut(&id) {
            remote.value = value.clone();
        }
        Some(TabPresenceEvent::Receive(id, value))
    }

    /// Shows the values whose revision the document has reached.
    fn show_current_remotes(&mut self, handle: DocHandle) -> Vec<TabPresenceEvent> {
        let Some(known) = self.docs.get(&handle).filter(|known| !known.unplaced) else {
            return Vec::new();
        };
        let Some(now) = known.doc.version().map(|version| Revision(version.0)) else {
            return Vec::new();
        };
        let name = known.doc.key().to_string();
        let Some(channel) = self.presences.channels.get_mut(&name) else {
            return Vec::new();
        };
        let mut current = Vec::new();
        for (id, remote) in channel.remotes.iter_mut() {
            // What is older cannot be brought along any more: the next update replaces it.
            if let Some((value, revision)) = remote.pending.take_if(|(_, at)| *at <= now)
                && revision == now
            {
                current.push((id.clone(), over_unaccepted(&known.doc, value)));
            }
        }
        let show = |(id, value): (String, Result<Json, Error>)| match value {
            Ok(value) => self.show_remote(&name, id, value),
            Err(error) => Some(TabPresenceEvent::Error(None, error)),
        };
        current.into_iter().filter_map(show).collect()
    }

    // ---- Documents ----

    fn doc_channel(&mut self, handle: DocHandle) -> Option<(String, &mut Channel)> {
        let key = self.docs.get(&handle)?.doc.key();
        let name = key.to_string();
        let channel = self.presences.channels.get_mut(&name)?;
        (channel.doc.as_ref() == Some(key)).then_some((name, channel))
    }

    /// Something that a document's presence may have waited for has happened.
    pub(crate) fn settle_presence(&mut self, handle: DocHandle) {
        let Some((name, _)) = self.doc_channel(handle) else {
            return;
        };
        let events = self.show_current_remotes(handle);
        let messages = self.due_presences(&name);
        self.push_messages(messages);
        self.push_presence(&name, events);
    }

    /// Whether [`ProxyConnection::settle_presence`] may have something to do.
    pub(crate) fn has_doc_presence(&mut self, handle: DocHandle) -> bool {
        !self.presences.channels.is_empty() && self.doc_channel(handle).is_some()
    }

    /// What a document that is about to go still has to tell the host.
    pub(crate) fn last_presences(&mut self, handle: DocHandle) -> Vec<ToHost> {
        let Some((name, channel)) = self.doc_channel(handle) else {
            return Vec::new();
        };
        for local in channel.locals.values_mut() {
            if !local.pending.is_empty() {
                local.sending = Sending::Due;
            }
        }
        self.due_presences(&name)
    }

    /// An op changed the document's data. `src` is the op's, `is_local` says that this tab
    /// submitted it.
    pub fn move_presence(
        &mut self,
        handle: DocHandle,
        op: &Json,
        is_local: bool,
        src: Option<&str>,
    ) {
        let Some(ty) = self.doc(handle).and_then(|doc| doc.ty().cloned()) else {
            return;
        };
        let author = self.presences.author.clone().filter(|_| !is_local);
        let Some((name, channel)) = self.doc_channel(handle) else {
            return;
        };
        let mut events = Vec::new();
        for (id, local) in channel.locals.iter_mut() {
            for pending in local.pending.iter_mut() {
                match ty.transform_presence(&pending.value, op, is_local) {
                    Ok(value) => pending.value = value,
                    Err(error) => events.push(TabPresenceEvent::Answer {
                        id: Some(id.clone()),
                        tokens: std::mem::take(&mut pending.tokens),
                        error: Some(error),
                    }),
                }
            }
            match ty.transform_presence(&local.value, op, is_local) {
                Ok(value) if value.get() == local.value.get() => {}
                Ok(value) => {
                    local.value = value.clone();
                    events.push(TabPresenceEvent::Value(id.clone(), value));
                }
                Err(error) => events.push(TabPresenceEvent::Error(Some(id.clone()), error)),
            }
        }
        let mut moved = Vec::new();
        for (id, remote) in channel.remotes.iter() {
            if is_falsy(&remote.value) {
                continue;
            }
            let is_own = match &remote.tab {
                Some(tab) => author.as_ref() == Some(tab),
                None => !is_local && src.is_some() && src == remote.src.as_deref(),
            };
            moved.push((id.clone(), ty.transform_presence(&remote.value, op, is_own)));
        }
        for (id, value) in moved {
            events.extend(match value {
                Ok(value) => self.show_remote(&name, id, value),
                Err(error) => Some(TabPresenceEvent::Error(None, error)),
            });
        }
        self.push_presence(&name, events);
    }

    /// The document was created or deleted: nothing of what this tab shows is in it.
    pub fn void_presence(&mut self, handle: DocHandle) {
        let Some((name, channel)) = self.doc_channel(handle) else {
            return;
        };
        let mut events = Vec::new();
        for (id, local) in channel.locals.iter_mut() {
            for pending in local.pending.iter_mut() {
                pending.value = null();
            }
            local.value = null();
            events.push(TabPresenceEvent::Value(id.clone(), null()));
        }
        self.push_presence(&name, events);
    }

    /// The document was loaded anew: nothing that was shown in it can be placed.
    pub fn reload_presence(&mut self, handle: DocHandle) {
        let Some((name, channel)) = self.doc_channel(handle) else {
            return;
        };
        let mut events = Vec::new();
        for (id, local) in channel.locals.iter_mut() {
            local.value = null();
            local.sending = Sending::Idle;
            events.push(TabPresenceEvent::Value(id.clone(), null()));
            // Nobody shall wait for ever; nothing being shown is what the host knows, too.
            for Pending { tokens, .. } in local.pending.drain(..) {
                let (id, error) = (Some(id.clone()), None);
                events.push(TabPresenceEvent::Answer { id, tokens, error });
            }
        }
        for (id, remote) in channel.remotes.iter_mut() {
            remote.value = null();
            events.push(TabPresenceEvent::Receive(id.clone(), null()));
        }
        channel.remotes.retain(|_, remote| remote.pending.is_some());
        let shown = self.show_current_remotes(handle);
        events.extend(shown);
        self.push_presence(&name, events);
    }
}

/// Brings a value from the revision that the document stands at over the ops that only this tab has.
fn over_unaccepted(doc: &Doc, mut value: Json) -> Result<Json, Error> {
    for op in doc.unaccepted() {
        value = match (&op.kind, &op.ty) {
            (OpKind::Edit(edit), Some(ty)) => {
                ty.transform_presence(&value, &edit.to_text(), false)?
            }
            (OpKind::Create { .. } | OpKind::Del, _) => null(),
            (OpKind::Noop | OpKind::Edit(_), _) => value,
        };
    }
    Ok(value)
}
