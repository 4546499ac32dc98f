//! The connection's side of presence: gives the machine its inputs, and carries out its events.

use broker::message::{PresenceEvent, PresenceSubmit, PresenceSubscription, ToHost, encode};
use proxy_doc::{Doc, DocHandle, DocKey, Error, Json, Token, codes};

use super::{Event, Place, PresenceRequest, Presences, Reads};
use crate::{ProxyConnection, Request, TabEvent};

impl ProxyConnection {
    /// Gives presence an input, and carries out what comes of it.
    fn with_presence(&mut self, input: impl FnOnce(&mut Presences, &Reads<'_>)) {
        let events = self.presence_events(input);
        self.push_presence(events);
    }

    fn presence_events(&mut self, input: impl FnOnce(&mut Presences, &Reads<'_>)) -> Vec<Event> {
        let place = |key: &DocKey| {
            let known = self.docs.get(self.by_key.get(key)?)?;
            Some(Place {
                doc: &known.doc,
                revision: known.revision(),
            })
        };
        let reads = Reads {
            place: &place,
            left: self.left,
        };
        input(&mut self.presences, &reads);
        self.presences.take_events()
    }

    /// As [`ProxyConnection::with_presence`], for an input about a document. `input` gets its key.
    fn with_doc_presence(
        &mut self,
        handle: DocHandle,
        input: impl FnOnce(&mut Presences, &DocKey, &Reads<'_>),
    ) {
        if let Some(key) = self.doc(handle).map(|doc| doc.key().clone()) {
            self.with_presence(|presences, reads| input(presences, &key, reads));
        }
    }

    pub(crate) fn push_presence(&mut self, events: Vec<Event>) {
        let mut fetched = None;
        let mut tab_events = Vec::new();
        for event in events {
            match event {
                Event::Tell(channel, event) => tab_events.push(TabEvent::Presence(channel, event)),
                Event::Subscribe {
                    channel,
                    doc,
                    subscribe,
                    number,
                } => {
                    let callback_id =
                        self.requests
                            .open(Request::Presence(PresenceRequest::Subscription {
                                channel: channel.clone(),
                                subscribe,
                                number,
                            }));
                    let request = PresenceSubscription {
                        channel,
                        doc,
                        callback_id,
                    };
                    let message = if subscribe {
                        ToHost::PresenceSubscribe(request)
                    } else {
                        ToHost::PresenceUnsubscribe(request)
                    };
                    tab_events.push(TabEvent::ToHost(encode(&message)));
                }
                Event::Submit {
                    channel,
                    doc,
                    id,
                    value,
                    revision,
                    tokens,
                } => {
                    let callback_id =
                        self.requests
                            .open(Request::Presence(PresenceRequest::Value {
                                channel: channel.clone(),
                                id: id.clone(),
                                tokens,
                            }));
                    let message = ToHost::PresenceSubmit(PresenceSubmit {
                        channel,
                        doc,
                        id,
                        value,
                        revision,
                        callback_id,
                    });
                    tab_events.push(TabEvent::ToHost(encode(&message)));
                }
                Event::Fetch(key) => fetched = Some(key),
            }
        }
        // What is pushed last is done first.
        for event in tab_events.into_iter().rev() {
            self.push_event(event);
        }
        if let Some(key) = fetched {
            self.fetch_for_presence(key);
        }
    }

    fn fetch_for_presence(&mut self, key: DocKey) {
        let is_new = !self.by_key.contains_key(&key);
        let handle = self.get(key.clone());
        self.fetch(handle, None);
        if is_new {
            self.push_event(TabEvent::OpenDoc(handle, key));
        }
    }

    // ---- Channels ----

    /// The application uses a channel; `doc` where it belongs to a document.
    pub fn open_presence(&mut self, channel: &str, doc: Option<DocKey>) {
        self.presences.open(channel, doc);
    }

    /// The application is done with a channel.
    pub fn close_presence(&mut self, channel: &str) {
        self.presences.close(channel);
    }

    /// `presence.wantSubscribe`.
    pub fn wants_presence(&self, channel: &str) -> bool {
        self.presences.wants(channel)
    }

    /// `presence.subscribed`.
    pub fn has_presence(&self, channel: &str) -> bool {
        self.presences.is_subscribed(channel)
    }

    /// `presence.subscribe` and `presence.unsubscribe`.
    pub fn subscribe_presence(&mut self, channel: &str, want: bool, token: Option<Token>) {
        self.with_presence(|presences, _| presences.subscribe(channel, want, token));
    }

    // ---- This tab's values ----

    /// Why nothing can be shown in a channel's document now.
    pub fn refuses_presence(&self, channel: &str) -> Option<Error> {
        let key = self.presences.doc_of(channel)?;
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
    pub fn create_local_presence(&mut self, channel: &str, id: &str) {
        self.presences.create_local(channel, id);
    }

    /// `localPresence.submit` and `localPresence.send`.
    pub fn submit_presence(&mut self, channel: &str, id: &str, value: Json, token: Option<Token>) {
        self.with_presence(|presences, reads| presences.submit(channel, id, value, token, reads));
    }

    /// The next tick of [`super::TabPresenceEvent::Later`].
    pub fn send_presence(&mut self, channel: &str, id: &str) {
        self.with_presence(|presences, reads| presences.send(channel, id, reads));
    }

    /// The local presence was destroyed.
    pub fn forget_local_presence(&mut self, channel: &str, id: &str) {
        self.presences.forget_local(channel, id);
    }

    /// The presence was destroyed: values of others are forgotten without an event.
    pub fn forget_remote_presences(&mut self, channel: &str) {
        self.presences.forget_remotes(channel);
    }

    // ---- The connection and the host ----

    /// The connection came or went.
    pub(crate) fn presence_connection_changed(&mut self) {
        let connected = self.connected();
        self.with_presence(|presences, _| presences.set_connected(connected));
    }

    /// A new host knows nothing of this tab's presence.
    pub(crate) fn announce_presences(&mut self) {
        let is_presence = |request: &Request| matches!(request, Request::Presence(_));
        let mut unanswered = Vec::new();
        for request in self.requests.end_where(&is_presence) {
            if let Request::Presence(request) = request {
                unanswered.push(request);
            }
        }
        self.with_presence(|presences, reads| presences.announce(unanswered, reads));
    }

    /// The host is gone.
    pub(crate) fn drop_remote_presences(&mut self) {
        self.with_presence(|presences, _| presences.drop_remotes());
    }

    /// The host answered a request.
    pub(crate) fn handle_presence_answer(
        &mut self,
        request: PresenceRequest,
        error: Option<Error>,
    ) {
        self.with_presence(|presences, _| presences.handle_answer(request, error));
    }

    /// The host tells of others.
    pub(crate) fn handle_presence_event(&mut self, channel: &str, event: PresenceEvent) {
        self.with_presence(|presences, reads| presences.handle_event(channel, event, reads));
    }

    // ---- Documents ----

    /// Whether [`ProxyConnection::settle_presence`] may have something to do.
    pub(crate) fn has_doc_presence(&self, handle: DocHandle) -> bool {
        let doc = self.doc(handle);
        doc.is_some_and(|doc| self.presences.uses(doc.key()))
    }

    /// The document may stand now where a value waits for it.
    pub(crate) fn settle_presence(&mut self, handle: DocHandle) {
        self.with_doc_presence(handle, Presences::settle);
    }

    /// What a document that is about to go still has to tell the host; see [`ProxyConnection::push_presence`].
    pub(crate) fn last_presences(&mut self, handle: DocHandle) -> Vec<Event> {
        let Some(key) = self.doc(handle).map(|doc| doc.key().clone()) else {
            return Vec::new();
        };
        self.presence_events(|presences, reads| presences.send_last(&key, reads))
    }

    /// An op changed the document's data. `src` is the op's, `is_local` says that this tab submitted it.
    pub fn move_presence(
        &mut self,
        handle: DocHandle,
        op: &Json,
        is_local: bool,
        src: Option<&str>,
    ) {
        if let Some(ty) = self.doc(handle).and_then(|doc| doc.ty().cloned()) {
            self.with_doc_presence(handle, |presences, key, _| {
                presences.move_values(key, &ty, op, is_local, src);
            });
        }
    }

    /// The document was created or deleted: nothing of what this tab shows is in it.
    pub fn void_presence(&mut self, handle: DocHandle) {
        self.with_doc_presence(handle, |presences, key, _| presences.void(key));
    }

    /// The document was loaded anew: nothing that was shown in it can be placed.
    pub fn reload_presence(&mut self, handle: DocHandle) {
        self.with_doc_presence(handle, Presences::reload);
    }
}
