//! A tab's presence (`lib/client/presence`): the values that it gives, and those of others.
//!
//! [`Presences`] is a state machine. Its inputs are the application's calls, the host's messages and what happens to
//! documents; its outputs are [`Event`]s, taken with [`Presences::take_events`] after every input.
//! `presence/wiring.rs` carries them out.
//!
//! On a document's channel a value is valid at a revision of the host. A value of this tab goes to the host when the tab
//! stands exactly at a revision, with no op that the host lacks. A value of others comes at a revision, and is moved along
//! with the ops that the host lacks.
//!
//! What it refuses to do: listen to the application's documents. The driver says when a document's data has changed,
//! before its listeners learn of it.

mod documents;
#[cfg(test)]
mod tests;
mod wiring;

use broker::message::{PresenceEvent, PresenceUpdate};
use proxy_doc::{Doc, DocKey, Error, Json, Map, Revision, TabId, Token};

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
    /// The value that this tab shows under the id was moved by an op.
    Value(String, Json),
    /// Others show this under the id; emit `receive`.
    Receive(String, Json),
    /// Emit `error`, on the local presence of the id where there is one.
    Error(Option<String>, Error),
    /// Call [`crate::ProxyConnection::send_presence`] in the next tick.
    Later(String),
}

/// Something that the connection has to do.
#[derive(Debug)]
pub(crate) enum Event {
    /// Tell the application.
    Tell(String, TabPresenceEvent),
    /// Ask the host to subscribe or unsubscribe; see [`PresenceRequest::Subscription`].
    Subscribe {
        channel: String,
        doc: Option<DocKey>,
        subscribe: bool,
        number: u64,
    },
    /// Give the host a value, valid at a revision of the channel's document; see [`PresenceRequest::Value`].
    Submit {
        channel: String,
        doc: Option<DocKey>,
        id: String,
        value: Json,
        revision: Option<Revision>,
        tokens: Vec<Token>,
    },
    /// Fetch the document, for an application that may not have opened it: others show a value in it.
    Fetch(DocKey),
}

/// A request to the host. Its answer comes to [`Presences::handle_answer`].
#[derive(Debug)]
pub(crate) enum PresenceRequest {
    Subscription {
        channel: String,
        subscribe: bool,
        /// See [`Channel::requests`].
        number: u64,
    },
    Value {
        channel: String,
        id: String,
        tokens: Vec<Token>,
    },
}

/// What the machine reads of the connection while it takes an input.
pub(crate) struct Reads<'a> {
    /// A document that the application has.
    pub(crate) place: &'a dyn Fn(&DocKey) -> Option<Place<'a>>,
    /// The tab has left its host.
    pub(crate) left: bool,
}

/// A document, and where it stands.
pub(crate) struct Place<'a> {
    pub(crate) doc: &'a Doc,
    /// The host's revision that its confirmed state stands at.
    pub(crate) revision: Option<Revision>,
}

impl Place<'_> {
    /// The revision that the document stands at exactly: the host has every op of this tab.
    fn settled(&self) -> Option<Revision> {
        let has_all = self.doc.unaccepted().next().is_none();
        self.revision.filter(|_| has_all)
    }
}

/// All channels that the application opened.
#[derive(Debug, Default)]
pub(crate) struct Presences {
    channels: Map<String, Channel>,
    /// The tab of the host's that made the op that is being applied.
    pub(crate) author: Option<TabId>,
    /// Number of the last subscribe or unsubscribe.
    last_request: u64,
    events: Vec<Event>,
}

#[derive(Debug, Default)]
struct Channel {
    doc: Option<DocKey>,
    want_subscribe: bool,
    subscribed: bool,
    /// Subscribes and unsubscribes without an answer, by number, and their callbacks.
    requests: Map<u64, Vec<Token>>,
    locals: Map<String, Local>,
    remotes: Map<String, Remote>,
}

/// This tab's value under one presence id.
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

/// The value of others under one presence id.
#[derive(Debug)]
struct Remote {
    value: Json,
    /// A value for a revision that the document has not reached.
    pending: Option<(Json, Revision)>,
    /// Connection id of the session that shows it, where that is not the host's.
    src: Option<String>,
    /// The tab that shows it, where it is one of the host's.
    tab: Option<TabId>,
}

impl Presences {
    /// Takes what the inputs so far ask for, in order.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    fn tell(&mut self, name: &str, event: TabPresenceEvent) {
        self.events.push(Event::Tell(name.to_owned(), event));
    }

    // ---- Channels ----

    /// The application uses a channel; `doc` where it belongs to a document.
    pub(crate) fn open(&mut self, name: &str, doc: Option<DocKey>) {
        let channel = self.channels.or_default(name.to_owned());
        channel.doc = channel.doc.take().or(doc);
    }

    /// The application is done with a channel.
    pub(crate) fn close(&mut self, name: &str) {
        self.channels.remove(name);
    }

    /// The document that a channel belongs to.
    pub(crate) fn doc_of(&self, name: &str) -> Option<&DocKey> {
        self.channels.get(name)?.doc.as_ref()
    }

    /// `presence.wantSubscribe`.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let channel = self.channels.get(name);
        channel.is_some_and(|channel| channel.want_subscribe)
    }

    /// `presence.subscribed`.
    pub(crate) fn is_subscribed(&self, name: &str) -> bool {
        let channel = self.channels.get(name);
        channel.is_some_and(|channel| channel.subscribed)
    }

    /// `presence.subscribe` and `presence.unsubscribe`.
    pub(crate) fn subscribe(&mut self, name: &str, want: bool, token: Option<Token>) {
        let Some(channel) = self.channels.get_mut(name) else {
            return;
        };
        if channel.want_subscribe == want {
            let Some(token) = token else {
                return;
            };
            if channel.subscribed == want {
                return self.answer(name, None, vec![token], None);
            }
            if let Some(last) = channel.requests.last_mut() {
                return last.push(token);
            }
        }
        channel.want_subscribe = want;
        self.ask(name, token.into_iter().collect());
    }

    fn answer(&mut self, name: &str, id: Option<String>, tokens: Vec<Token>, error: Option<Error>) {
        self.tell(name, TabPresenceEvent::Answer { id, tokens, error });
    }

    /// Asks the host to subscribe or unsubscribe, whichever the application wants.
    fn ask(&mut self, name: &str, tokens: Vec<Token>) {
        let Some(channel) = self.channels.get_mut(name) else {
            return;
        };
        self.last_request += 1;
        let number = self.last_request;
        channel.requests.insert(number, tokens);
        self.events.push(Event::Subscribe {
            channel: name.to_owned(),
            doc: channel.doc.clone(),
            subscribe: channel.want_subscribe,
            number,
        });
    }

    // ---- The connection and the host ----

    /// The connection came or went.
    pub(crate) fn set_connected(&mut self, connected: bool) {
        let mut resume = Vec::new();
        for (name, channel) in self.channels.iter_mut() {
            channel.subscribed &= connected;
            // The host still has the requests that it could not answer.
            if connected && channel.want_subscribe && channel.requests.is_empty() {
                resume.push(name.clone());
            }
        }
        for name in resume {
            self.ask(&name, Vec::new());
        }
    }

    /// A new host knows nothing: tells it this tab's values and subscriptions. `unanswered`: requests to the host before.
    pub(crate) fn announce(&mut self, unanswered: Vec<PresenceRequest>, reads: &Reads<'_>) {
        for asked in unanswered {
            if let PresenceRequest::Value {
                channel,
                id,
                tokens,
            } = asked
                && let Some(local) = self.local(&channel, &id)
            {
                let value = local.value.clone();
                local.pending.insert(0, Pending { value, tokens });
            }
        }
        let names: Vec<String> = self.channels.keys().cloned().collect();
        for name in names {
            self.announce_channel(&name, reads);
        }
    }

    fn announce_channel(&mut self, name: &str, reads: &Reads<'_>) {
        let Some(channel) = self.channels.get_mut(name) else {
            return;
        };
        let requests = std::mem::take(&mut channel.requests);
        let tokens: Vec<Token> = requests.into_values().flatten().collect();
        for local in channel.locals.values_mut() {
            if local.pending.is_empty() && !local.value.is_null() {
                let (value, tokens) = (local.value.clone(), Vec::new());
                local.pending.push(Pending { value, tokens });
            }
            if !local.pending.is_empty() {
                local.sending = Sending::Due;
            }
        }
        channel.subscribed = false;
        // The subscription first, as in the stock client: the server takes values away with the subscription of their session.
        if channel.want_subscribe {
            self.ask(name, tokens);
        } else if !tokens.is_empty() {
            self.answer(name, None, tokens, None);
        }
        self.send_due(name, reads);
    }

    /// The host is gone, and with it the word of who else is. Those who are not show themselves again to the next host.
    pub(crate) fn drop_remotes(&mut self) {
        for (name, channel) in self.channels.iter_mut() {
            for id in std::mem::take(&mut channel.remotes).into_keys() {
                let event = TabPresenceEvent::Receive(id, Json::null());
                self.events.push(Event::Tell(name.clone(), event));
            }
        }
    }

    /// The host answered a request.
    pub(crate) fn handle_answer(&mut self, asked: PresenceRequest, error: Option<Error>) {
        match asked {
            PresenceRequest::Value {
                channel,
                id,
                tokens,
            } => self.answer(&channel, Some(id), tokens, error),
            PresenceRequest::Subscription {
                channel: name,
                subscribe,
                number,
            } => {
                let Some(channel) = self.channels.get_mut(&name) else {
                    return;
                };
                // Also after an error, as in the stock client: only a reconnect tries again.
                channel.subscribed = subscribe && (channel.want_subscribe || channel.subscribed);
                let tokens = channel.requests.remove(&number).unwrap_or_default();
                self.answer(&name, None, tokens, error);
            }
        }
    }

    /// The host tells of others.
    pub(crate) fn handle_event(&mut self, name: &str, event: PresenceEvent, reads: &Reads<'_>) {
        let Some(channel) = self.channels.get(name) else {
            return;
        };
        match event {
            PresenceEvent::Error { id, error } => {
                let id = id.filter(|id| channel.locals.contains_key(id));
                self.tell(name, TabPresenceEvent::Error(id, error));
            }
            // The application's own presence is what it shows itself, whoever else uses the id.
            PresenceEvent::Update(update) if channel.locals.contains_key(&update.id) => {}
            PresenceEvent::Update(update) => self.handle_update(name, update, reads),
        }
    }

    fn handle_update(&mut self, name: &str, update: PresenceUpdate, reads: &Reads<'_>) {
        let Some(channel) = self.channels.get_mut(name) else {
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
            value: Json::null(),
            pending: None,
            src: None,
            tab: None,
        });
        (remote.src, remote.tab) = (src, tab);
        let Some(key) = channel.doc.clone() else {
            let event = channel.show(id, value);
            return self.tell(name, event);
        };
        match revision {
            Some(revision) => remote.pending = Some((value, revision)),
            // It cannot be placed before the document is loaded, and what is loaded may be later.
            None => {
                channel.remotes.remove(&id);
            }
        }
        let place = (reads.place)(&key);
        let version = place.and_then(|place| place.doc.version());
        let stands_at = version.map(|version| Revision(version.0));
        if revision.is_none() || stands_at < revision {
            self.events.push(Event::Fetch(key.clone()));
        }
        self.show_current(&key, reads);
    }

    // ---- This tab's values ----

    fn local(&mut self, name: &str, id: &str) -> Option<&mut Local> {
        self.channels.get_mut(name)?.locals.get_mut(id)
    }

    /// `presence.create`: the id is this tab's from now on.
    pub(crate) fn create_local(&mut self, name: &str, id: &str) {
        if let Some(channel) = self.channels.get_mut(name) {
            channel.local(id);
        }
    }

    /// `localPresence.submit` and `localPresence.send`.
    pub(crate) fn submit(
        &mut self,
        name: &str,
        id: &str,
        value: Json,
        token: Option<Token>,
        reads: &Reads<'_>,
    ) {
        let Some(channel) = self.channels.get_mut(name) else {
            return;
        };
        let is_plain = channel.doc.is_none();
        let local = channel.local(id);
        local.value = value.clone();
        let tokens = token.into_iter().collect();
        local.pending.push(Pending { value, tokens });
        if is_plain {
            local.sending = Sending::Due;
            self.send_due(name, reads);
        } else if local.sending == Sending::Idle {
            local.sending = Sending::Scheduled;
            self.tell(name, TabPresenceEvent::Later(id.to_owned()));
        }
    }

    /// The next tick of [`TabPresenceEvent::Later`].
    pub(crate) fn send(&mut self, name: &str, id: &str, reads: &Reads<'_>) {
        if let Some(local) = self.local(name, id)
            && local.sending == Sending::Scheduled
        {
            local.sending = Sending::Due;
        }
        self.send_due(name, reads);
    }

    /// Sends the values that can be sent now, in their order.
    fn send_due(&mut self, name: &str, reads: &Reads<'_>) {
        let Some(channel) = self.channels.get_mut(name) else {
            return;
        };
        let place = channel.doc.as_ref().and_then(reads.place);
        let revision = place.as_ref().and_then(Place::settled);
        // Nothing more becomes of a document that the application let go.
        if reads.left || (place.is_some() && revision.is_none()) {
            return;
        }
        for (id, local) in channel.locals.iter_mut() {
            if local.sending != Sending::Due {
                continue;
            }
            local.sending = Sending::Idle;
            for Pending { value, tokens } in std::mem::take(&mut local.pending) {
                self.events.push(Event::Submit {
                    channel: name.to_owned(),
                    doc: channel.doc.clone(),
                    id: id.clone(),
                    value,
                    revision,
                    tokens,
                });
            }
        }
    }

    /// The local presence was destroyed.
    pub(crate) fn forget_local(&mut self, name: &str, id: &str) {
        if let Some(channel) = self.channels.get_mut(name) {
            channel.locals.remove(id);
        }
    }

    /// The presence was destroyed: values of others are forgotten without an event.
    pub(crate) fn forget_remotes(&mut self, name: &str) {
        if let Some(channel) = self.channels.get_mut(name) {
            channel.remotes.clear();
        }
    }
}

impl Channel {
    fn local(&mut self, id: &str) -> &mut Local {
        self.locals.or_insert_with(id.to_owned(), || Local {
            value: Json::null(),
            pending: Vec::new(),
            sending: Sending::Idle,
        })
    }

    /// Takes over a value of others, and gives the event that says so.
    fn show(&mut self, id: String, value: Json) -> TabPresenceEvent {
        if value.is_null() {
            self.remotes.remove(&id);
        } else if let Some(remote) = self.remotes.get_mut(&id) {
            remote.value = value.clone();
        }
        TabPresenceEvent::Receive(id, value)
    }
}
