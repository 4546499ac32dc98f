//! The host's side of presence: gives the machine its inputs, and carries out its events.

use broker::message::{PresenceEvent, PresenceSubmit, PresenceUpdate, ToTab};
use proxy_doc::{DocHandle, DocKey, Error, Json, OpKind, TabId, Version, codes};

use super::{Event, Place, Presences, Reads};
use crate::docs::host_doc::HostDoc;
use crate::host::Host;
use crate::server::wire::Incoming;
use crate::tabs::hub::Revised;

impl Host {
    /// Gives presence an input, and carries out what comes of it.
    pub(crate) fn with_presence(&mut self, input: impl FnOnce(&mut Presences, &Reads<'_>)) {
        let place = |key: &DocKey| {
            let host_doc = self.docs.at(key);
            host_doc.map(HostDoc::presence_place).unwrap_or_default()
        };
        let reads = Reads {
            place: &place,
            types: &*self.types,
        };
        input(&mut self.presences, &reads);
        for event in self.presences.take_events() {
            self.carry_out_presence(event);
        }
    }

    fn carry_out_presence(&mut self, event: Event) {
        match event {
            Event::Answer {
                tab,
                callback_id,
                error,
            } => {
                let message = ToTab::Callback {
                    callback_id,
                    error,
                    result: None,
                };
                self.tell(&tab, message);
            }
            Event::Show {
                channel,
                doc,
                tab,
                update,
            } => self.show_presence(channel, doc.as_ref(), &tab, update),
            Event::Fail {
                channel,
                mut tabs,
                id,
                error,
            } => {
                if tabs.is_empty() {
                    tabs = self.tabs.registered();
                }
                for tab in tabs {
                    let (id, error) = (id.clone(), error.clone());
                    self.tell_presence(&tab, channel.clone(), PresenceEvent::Error { id, error });
                }
            }
            Event::Send(text) => self.send(text),
            Event::Fetch(key) => {
                if let Some(handle) = self.docs.find(&key) {
                    self.act(handle, |doc, up| doc.fetch(up, None));
                }
            }
            Event::Release(key) => self.touch(&key),
        }
    }

    /// See [`Event::Show`].
    fn show_presence(
        &mut self,
        channel: String,
        doc: Option<&DocKey>,
        tab: &TabId,
        mut update: PresenceUpdate,
    ) {
        if !self.tabs.gets_changes(tab) {
            if update.value.is_null() {
                self.presences.miss(&channel, tab, update.id);
            }
            return;
        }
        if let Some(handle) = doc.and_then(|key| self.docs.find(key)) {
            self.catch_up(handle, tab);
            let hub = &self.docs[handle].hub;
            update.revision = hub.has_state(tab).then(|| hub.head());
        }
        if doc.is_some() && update.revision.is_none() {
            self.presences.mark_unplaced(&channel, tab);
        }
        self.tell_presence(tab, channel, PresenceEvent::Update(update));
    }

    fn tell_presence(&mut self, tab: &TabId, channel: String, event: PresenceEvent) {
        self.tell(tab, ToTab::Presence { channel, event });
    }

    /// A tab gives a value, valid at the revision it names.
    pub(crate) fn submit_presence(&mut self, tab: &TabId, submit: PresenceSubmit) {
        let value = match &submit.doc {
            _ if submit.value.is_null() => Ok(None),
            None => Ok(Some(submit.value.clone())),
            Some(key) => {
                let host_doc = self.docs.at(key);
                host_doc.map_or(Ok(None), |doc| doc.presence_at_head(tab, &submit))
            }
        };
        match value {
            Ok(value) => {
                self.with_presence(|presences, reads| presences.submit(tab, submit, value, reads));
            }
            Err(error) => self.refuse(tab, submit.callback_id, error),
        }
    }

    /// A message of the server about presence.
    pub(crate) fn handle_presence(&mut self, message: Incoming, error: Option<Error>) {
        let src = self.server.op_ids.connection_id().map(str::to_owned);
        self.with_presence(|presences, reads| {
            presences.handle_message(message, error, src.as_deref(), reads);
        });
    }

    /// A tab got the document's state, perhaps its first.
    pub(crate) fn place_presences(&mut self, handle: DocHandle, tab: &TabId) {
        if self.presences.is_empty() {
            return;
        }
        let host_doc = &self.docs[handle];
        if host_doc.hub.has_state(tab) {
            let key = host_doc.key().clone();
            self.with_presence(|presences, _| presences.show_unplaced(&key, tab));
        }
    }

    /// A document was loaded anew.
    pub(crate) fn void_presences(&mut self, handle: DocHandle) {
        let key = self.docs[handle].key().clone();
        self.with_presence(|presences, _| presences.void(&key));
    }

    /// The server committed an op that takes the document from `v` to the next version.
    pub(crate) fn cache_op_for_presence(
        &mut self,
        handle: DocHandle,
        v: Version,
        kind: &OpKind,
        src: Option<&str>,
    ) {
        if self.presences.is_empty() {
            return;
        }
        let doc = &self.docs[handle].doc;
        if doc.version().is_none_or(|version| version == v) {
            self.presences.cache_op(doc.key(), v, kind, src);
        }
    }
}

impl HostDoc {
    fn presence_place(&self) -> Place {
        Place {
            version: self.doc.version(),
            has_pending: self.doc.has_pending(),
            ty: self.doc.ty().cloned(),
        }
    }

    /// Moves a tab's value from the revision that it was given at to the newest one. `None` where the document was
    /// created, deleted or given up in between.
    fn presence_at_head(
        &self,
        tab: &TabId,
        submit: &PresenceSubmit,
    ) -> Result<Option<Json>, Error> {
        let (Some(base), Some(ty)) = (submit.revision, self.doc.ty()) else {
            return Ok(None);
        };
        if !ty.supports_presence() {
            let message = format!("Type does not support presence: {}", ty.uri());
            let code = codes::ERR_TYPE_DOES_NOT_SUPPORT_PRESENCE;
            return Err(Error::new(code, message));
        }
        let Some(changes) = self.hub.since(base) else {
            return Ok(None);
        };
        let mut value = submit.value.clone();
        for Revised { kind, author, .. } in changes {
            let is_own = author.as_ref().is_some_and(|author| author.tab == *tab);
            value = kind.move_presence(Some(ty), &value, is_own)?;
        }
        Ok((!value.is_null()).then_some(value))
    }
}
