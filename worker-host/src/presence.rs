//! Presence of all tabs over the host's one session (`lib/client/presence`).
//!
//! [`Presences`] is a state machine. Its inputs are tabs' requests, the server's messages, changes of documents and the
//! connection's state; its outputs are [`Event`]s, taken with [`Presences::take_events`] after every input.
//! `presence/wiring.rs` carries them out; `presence/local.rs` is about values of this host's tabs, `presence/remote.rs`
//! about values of other sessions.
//!
//! - A channel that several tabs subscribed is one subscription on the wire.
//! - The server never echoes a session's own presence, so the machine shows every tab's values to the other tabs itself,
//!   at once and offline, too.
//! - Where two tabs use the same presence id, the value given last counts; when it goes, the other tab's takes its place.
//! - A value on a document's channel is kept valid at the head of the host's history of the document. It goes to the
//!   server when the document has no pending ops, as in the stock client.
//!
//! What it refuses to do: hold or change documents. It reads where they stand from a [`Reads`], and asks by events.

mod local;
mod remote;
#[cfg(test)]
mod tests;
mod wiring;

use broker::message::{CallbackId, PresenceSubscription, PresenceUpdate, encode};
use proxy_doc::{DocKey, Error, Gather, Map, OtType, Set, TabId, Types, Version, wire};

use self::local::Local;
use self::remote::Remote;
use crate::server::wire::Incoming;
use crate::status::ChannelStatus;

/// A tab's request that waits for its answer.
type Caller = (TabId, CallbackId);

/// What the machine reads of the host while it takes an input.
pub(crate) struct Reads<'a> {
    /// Where a document stands.
    pub(crate) place: &'a dyn Fn(&DocKey) -> Place,
    pub(crate) types: &'a dyn Types,
}

/// Where a document stands at the server, and whether the host has it in exactly that state. The default is the place
/// of a document that the host does not have.
#[derive(Default)]
pub(crate) struct Place {
    pub(crate) version: Option<Version>,
    /// Ops that the server has not acknowledged are applied on top of the version.
    pub(crate) has_pending: bool,
    pub(crate) ty: Option<OtType>,
}

/// Something that the host has to do.
#[derive(Debug)]
pub(crate) enum Event {
    /// Answer a tab's request.
    Answer {
        tab: TabId,
        callback_id: CallbackId,
        error: Option<Error>,
    },
    /// Show a tab a value, unless it lags: such a tab gets all values by [`Presences::refresh`]. On the channel of `doc`
    /// the tab first gets the changes of the document that it lacks, then the update with the head's revision. Where it
    /// has no state of the document it gets the update without a revision, and [`Presences::mark_unplaced`] is called.
    Show {
        channel: String,
        doc: Option<DocKey>,
        tab: TabId,
        update: PresenceUpdate,
    },
    /// Tell these tabs, or all tabs where there are none, an error that answers no request.
    Fail {
        channel: String,
        tabs: Vec<TabId>,
        id: Option<String>,
        error: Error,
    },
    /// Send the server a message.
    Send(String),
    /// Fetch the document: a value waits for a later version of it.
    Fetch(DocKey),
    /// The channel of the document was forgotten: see whether anything else uses the document.
    Release(DocKey),
}

/// All channels.
#[derive(Default)]
pub(crate) struct Presences {
    connected: bool,
    channels: Map<String, Channel>,
    /// Subscribes and unsubscribes that the server has not answered, by their `seq`.
    requests: Map<u64, Request>,
    /// `seq` of the last request.
    last_seq: u64,
    /// `pv` of the next value. One count for all presence ids: other clients drop what is older than what they have. They have
    /// values of hosts before this one, whose counts began at smaller numbers.
    next_version: u64,
    /// Channels with a value that waits until their document has no pending ops.
    waiting: Set<String>,
    events: Vec<Event>,
}

#[derive(Default)]
struct Channel {
    doc: Option<DocKey>,
    /// Tabs that subscribed.
    tabs: Set<TabId>,
    /// Those of them that were shown a value before they had a state of the document to place it in.
    unplaced: Set<TabId>,
    /// Values that went while a tab lagged, by presence id: the tab still shows them.
    missed: Map<TabId, Set<String>>,
    /// The last request that was sent on this connection was a subscribe.
    wanted: bool,
    /// The server has answered that subscribe.
    subscribed: bool,
    /// Subscribes and unsubscribes that wait for a connection.
    callers: Vec<Caller>,
    /// Values of this host's tabs, by presence id.
    locals: Map<String, Local>,
    /// Values of other sessions, by presence id.
    remotes: Map<String, Remote>,
}

/// A subscribe or unsubscribe on the wire.
struct Request {
    channel: String,
    subscribe: bool,
    callers: Vec<Caller>,
    /// For an unsubscribe: the tab that left the channel last.
    left_by: Option<TabId>,
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

impl Presences {
    /// No channels yet. `first_version` is larger than the versions that hosts before this one have used.
    pub(crate) fn new(first_version: u64) -> Self {
        Self {
            next_version: first_version,
            ..Self::default()
        }
    }

    /// The channels, as a debug console sees them.
    pub(crate) fn statuses(&self) -> Vec<ChannelStatus> {
        let channels = self.channels.iter().map(|(name, channel)| ChannelStatus {
            channel: name.clone(),
            subscribed: channel.subscribed,
            tabs: channel.tabs.iter().cloned().gather(),
            local: channel.locals.len(),
            remote: channel.remotes.len(),
        });
        channels.gather()
    }

    /// Takes what the inputs so far ask for, in order.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Whether no tab uses presence.
    pub(crate) fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// Whether values are placed in the document.
    pub(crate) fn uses(&self, key: &DocKey) -> bool {
        let channel = self.channels.get(&key.to_string());
        channel.is_some_and(|channel| channel.doc.as_ref() == Some(key))
    }

    // ---- Subscriptions ----

    /// A tab subscribes to a channel. The answer comes when the server has answered.
    pub(crate) fn subscribe(&mut self, tab: &TabId, request: PresenceSubscription) {
        let name = request.channel;
        let channel = self.channels.or_default(name.clone());
        channel.doc = channel.doc.take().or(request.doc);
        let is_new = channel.tabs.insert(tab.clone());
        let caller = (tab.clone(), request.callback_id);
        if !self.connected {
            channel.callers.push(caller);
        } else if channel.subscribed {
            self.answer(vec![caller], None);
            if is_new {
                self.request_values(&name);
            }
        } else if channel.wanted {
            let mut newest_first = self.requests.values_mut().rev();
            if let Some(asked) = newest_first.find(|asked| asked.channel == name) {
                asked.callers.push(caller);
            }
        } else {
            self.send_subscription(&name, true, vec![caller], None);
        }
        if is_new {
            self.show_locals(&name, tab);
        }
    }

    /// A tab unsubscribes from a channel.
    pub(crate) fn unsubscribe(&mut self, tab: &TabId, request: PresenceSubscription) {
        let caller = (tab.clone(), request.callback_id);
        self.leave_channel(&request.channel, tab, vec![caller]);
    }

    fn leave_channel(&mut self, name: &str, tab: &TabId, callers: Vec<Caller>) {
        let Some(channel) = self.channels.get_mut(name) else {
            return self.answer(callers, None);
        };
        channel.tabs.remove(tab);
        channel.unplaced.remove(tab);
        channel.missed.remove(tab);
        if !self.connected {
            channel.callers.extend(callers);
        } else if channel.tabs.is_empty() && channel.wanted {
            channel.remotes.clear();
            self.send_subscription(name, false, callers, Some(tab.clone()));
        } else {
            self.answer(callers, None);
        }
        self.forget_unused(name);
    }

    fn send_subscription(
        &mut self,
        name: &str,
        subscribe: bool,
        callers: Vec<Caller>,
        left_by: Option<TabId>,
    ) {
        if let Some(channel) = self.channels.get_mut(name) {
            channel.wanted = subscribe;
            channel.subscribed = false;
        }
        self.last_seq += 1;
        let seq = self.last_seq;
        let request = Request {
            channel: name.to_owned(),
            subscribe,
            callers,
            left_by,
        };
        self.requests.insert(seq, request);
        let a = if subscribe { "ps" } else { "pu" };
        self.send(encode(&SubscriptionMessage { a, ch: name, seq }));
    }

    /// Asks the other sessions to send their values once more.
    fn request_values(&mut self, name: &str) {
        if self.connected {
            self.send(encode(&RequestMessage { a: "pr", ch: name }));
        }
    }

    fn has_request(&self, name: &str) -> bool {
        let mut requests = self.requests.values();
        requests.any(|asked| asked.channel == name)
    }

    fn send(&mut self, text: String) {
        self.events.push(Event::Send(text));
    }

    fn answer(&mut self, callers: Vec<Caller>, error: Option<Error>) {
        let answers = callers.into_iter().map(|(tab, callback_id)| Event::Answer {
            tab,
            callback_id,
            error: error.clone(),
        });
        self.events.extend(answers);
    }

    /// An error that answers no request: of a message that the application sent by itself, or of the server's
    /// middleware for values of others.
    fn fail(&mut self, name: &str, id: Option<&str>, error: Error) {
        let tabs = self.channels.get(name).map(Channel::subscribers);
        self.events.push(Event::Fail {
            channel: name.to_owned(),
            tabs: tabs.unwrap_or_default(),
            id: id.map(str::to_owned),
            error,
        });
    }

    // ---- The server's messages ----

    /// A message about presence (`p`, `pr`, `ps` or `pu`). `own_src` is this session's connection id.
    pub(crate) fn handle_message(
        &mut self,
        mut message: Incoming,
        error: Option<Error>,
        own_src: Option<&str>,
        reads: &Reads<'_>,
    ) {
        let Some(name) = message.ch.take() else {
            return;
        };
        match message.a.as_str() {
            "p" => self.handle_value(&name, message, error, own_src, reads),
            "pr" => self.handle_request(&name, error, reads),
            _ => self.handle_subscription(&name, message.seq.map(|seq| seq.0), error, reads),
        }
    }

    /// The server answered a subscribe or unsubscribe.
    fn handle_subscription(
        &mut self,
        name: &str,
        seq: Option<u64>,
        error: Option<Error>,
        reads: &Reads<'_>,
    ) {
        let Some(request) = seq.and_then(|seq| self.requests.remove(&seq)) else {
            if let Some(error) = error {
                self.fail(name, None, error);
            }
            return;
        };
        let name = request.channel;
        let is_last = !self.has_request(&name);
        if let Some(channel) = self.channels.get_mut(&name)
            && is_last
            && request.subscribe
        {
            channel.subscribed = channel.wanted && error.is_none();
            channel.wanted = channel.subscribed;
        }
        if let Some(left_by) = request.left_by {
            self.show_again(&name, &left_by, reads);
        }
        self.answer(request.callers, error);
        self.forget_unused(&name);
    }

    // ---- Coming and going ----

    /// The connection came or went.
    pub(crate) fn set_connected(&mut self, connected: bool, reads: &Reads<'_>) {
        self.connected = connected;
        if connected {
            for name in self.names(|_| true) {
                self.resume(&name, reads);
            }
            return;
        }
        for request in std::mem::take(&mut self.requests).into_values() {
            if let Some(channel) = self.channels.get_mut(&request.channel) {
                channel.callers.extend(request.callers);
            }
        }
        for channel in self.channels.values_mut() {
            channel.wanted = false;
            channel.subscribed = false;
            channel.locals.values_mut().for_each(Local::disconnect);
        }
    }

    /// Subscribes again, then sends the new session the tabs' values.
    fn resume(&mut self, name: &str, reads: &Reads<'_>) {
        let Some(channel) = self.channels.get_mut(name) else {
            return;
        };
        let callers = std::mem::take(&mut channel.callers);
        channel.locals.values_mut().for_each(Local::resume);
        if channel.tabs.is_empty() {
            self.answer(callers, None);
        } else {
            self.send_subscription(name, true, callers, None);
        }
        self.flush_channel(name, reads);
        self.forget_unused(name);
    }

    /// A tab is gone: its values, subscriptions and requests go with it.
    pub(crate) fn tab_gone(&mut self, tab: &TabId, reads: &Reads<'_>) {
        for name in self.names(|_| true) {
            self.withdraw_values(&name, tab, reads);
            self.leave_channel(&name, tab, Vec::new());
        }
    }

    /// A tab that lags was not told that a value is gone.
    pub(crate) fn miss(&mut self, name: &str, tab: &TabId, id: String) {
        if let Some(channel) = self.channels.get_mut(name) {
            channel.missed.or_default(tab.clone()).insert(id);
        }
    }

    /// Shows a tab all values of its channels again, and which are gone: it missed some of them.
    pub(crate) fn refresh(&mut self, tab: &TabId) {
        for name in self.names(|channel| channel.tabs.contains(tab)) {
            let channel = self.channels.get_mut(&name);
            let missed = channel.and_then(|channel| channel.missed.remove(tab));
            for id in missed.unwrap_or_default().into_values() {
                self.show_local(&name, &id, tab);
            }
            self.show_locals(&name, tab);
            self.request_values(&name);
        }
    }

    /// A tab was shown a value in a document of which it has no state.
    pub(crate) fn mark_unplaced(&mut self, name: &str, tab: &TabId) {
        if let Some(channel) = self.channels.get_mut(name) {
            channel.unplaced.insert(tab.clone());
        }
    }

    /// A tab has a state of the document now: shows it the values that it could not place.
    pub(crate) fn show_unplaced(&mut self, key: &DocKey, tab: &TabId) {
        let unplaced =
            |channel: &Channel| channel.doc.as_ref() == Some(key) && channel.unplaced.contains(tab);
        for name in self.names(unplaced) {
            if let Some(channel) = self.channels.get_mut(&name) {
                channel.unplaced.remove(tab);
            }
            self.show_locals(&name, tab);
            self.request_values(&name);
        }
    }

    /// After each input of the host: sends and shows the values whose document has no pending ops any more.
    pub(crate) fn settle(&mut self, reads: &Reads<'_>) {
        for name in std::mem::take(&mut self.waiting).into_values() {
            let channel = self.channels.get(&name);
            let key = channel.and_then(|channel| channel.doc.as_ref());
            if key.is_some_and(|key| (reads.place)(key).has_pending) {
                self.waiting.insert(name);
                continue;
            }
            self.flush_channel(&name, reads);
            self.show_pending(&name, reads);
        }
    }

    /// A document was loaded anew: no value that was placed in its old state can be placed in the new one.
    pub(crate) fn void(&mut self, key: &DocKey) {
        let Some(channel) = self.doc_channel(key) else {
            return;
        };
        let mut callers = Vec::new();
        for local in channel.locals.values_mut() {
            callers.append(&mut local.drop_values());
        }
        channel.remotes.values_mut().for_each(Remote::reset);
        self.answer(callers, None);
    }

    // ---- Channels ----

    fn names(&self, which: impl Fn(&Channel) -> bool) -> Vec<String> {
        let channels = self.channels.iter();
        channels
            .filter(|(_, channel)| which(channel))
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn doc_channel(&mut self, key: &DocKey) -> Option<&mut Channel> {
        if self.is_empty() {
            return None;
        }
        let channel = self.channels.get_mut(&key.to_string())?;
        (channel.doc.as_ref() == Some(key)).then_some(channel)
    }

    /// Forgets presence ids without a value, and the channel if nothing uses it any more.
    fn forget_unused(&mut self, name: &str) {
        let Some(channel) = self.channels.get_mut(name) else {
            return;
        };
        channel.locals.retain(|_, local| !local.is_unused());
        let is_used = !channel.tabs.is_empty()
            || !channel.locals.is_empty()
            || !channel.callers.is_empty()
            || self.has_request(name);
        if is_used {
            return;
        }
        self.waiting.remove(name);
        let channel = self.channels.remove(name);
        if let Some(key) = channel.and_then(|channel| channel.doc) {
            self.events.push(Event::Release(key));
        }
    }
}

impl Channel {
    fn subscribers(&self) -> Vec<TabId> {
        self.tabs.iter().cloned().collect()
    }
}
