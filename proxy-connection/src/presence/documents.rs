//! What happens to a document, for the values in it.

use proxy_doc::{Doc, DocKey, Error, Gather, Json, OtType};

use super::{Channel, Pending, Presences, Reads, Sending, TabPresenceEvent};

/// What JavaScript takes for false: ShareDB does not move such a value.
fn is_falsy(value: &Json) -> bool {
    matches!(value.get(), "null" | "false" | "0" | "-0" | r#""""#)
}

impl Presences {
    fn doc_channel(&mut self, key: &DocKey) -> Option<(String, &mut Channel)> {
        let name = key.to_string();
        let channel = self.channels.get_mut(&name)?;
        (channel.doc.as_ref() == Some(key)).then_some((name, channel))
    }

    fn tell_all(&mut self, name: &str, events: Vec<TabPresenceEvent>) {
        for event in events {
            self.tell(name, event);
        }
    }

    /// Whether [`Presences::settle`] may have something to do.
    pub(crate) fn uses(&self, key: &DocKey) -> bool {
        !self.channels.is_empty() && self.doc_of(&key.to_string()) == Some(key)
    }

    /// The document may stand now where a value waits for it.
    pub(crate) fn settle(&mut self, key: &DocKey, reads: &Reads<'_>) {
        if let Some((name, _)) = self.doc_channel(key) {
            self.show_current(key, reads);
            self.send_due(&name, reads);
        }
    }

    /// Shows the values of others whose revision the document has reached.
    pub(super) fn show_current(&mut self, key: &DocKey, reads: &Reads<'_>) {
        let Some(place) = (reads.place)(key) else {
            return;
        };
        let Some(now) = place.revision else {
            return;
        };
        let name = key.to_string();
        let Some(channel) = self.channels.get_mut(&name) else {
            return;
        };
        let mut current = Vec::new();
        for (id, remote) in channel.remotes.iter_mut() {
            // What is older cannot be moved along any more: the next update replaces it.
            if let Some((value, revision)) = remote.pending.take_if(|(_, at)| *at <= now)
                && revision == now
            {
                current.push((id.clone(), over_unaccepted(place.doc, value)));
            }
        }
        let show = |(id, value)| match value {
            Ok(value) => channel.show(id, value),
            Err(error) => TabPresenceEvent::Error(None, error),
        };
        let events = current.into_iter().map(show).gather();
        self.tell_all(&name, events);
    }

    /// The application is about to let the document go: sends what waits in it, if it can be sent.
    pub(crate) fn send_last(&mut self, key: &DocKey, reads: &Reads<'_>) {
        let Some((name, channel)) = self.doc_channel(key) else {
            return;
        };
        for local in channel.locals.values_mut() {
            if !local.pending.is_empty() {
                local.sending = Sending::Due;
            }
        }
        self.send_due(&name, reads);
    }

    /// An op changed the data of a document of type `ty`. `src` is the op's, `is_local` says that this tab submitted it.
    pub(crate) fn move_values(
        &mut self,
        key: &DocKey,
        ty: &OtType,
        op: &Json,
        is_local: bool,
        src: Option<&str>,
    ) {
        let author = self.author.clone().filter(|_| !is_local);
        let Some((name, channel)) = self.doc_channel(key) else {
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
            events.push(match value {
                Ok(value) => channel.show(id, value),
                Err(error) => TabPresenceEvent::Error(None, error),
            });
        }
        self.tell_all(&name, events);
    }

    /// The document was created or deleted: no value of this tab is in it.
    pub(crate) fn void(&mut self, key: &DocKey) {
        let Some((name, channel)) = self.doc_channel(key) else {
            return;
        };
        let mut events = Vec::new();
        for (id, local) in channel.locals.iter_mut() {
            for pending in local.pending.iter_mut() {
                pending.value = Json::null();
            }
            local.value = Json::null();
            events.push(TabPresenceEvent::Value(id.clone(), Json::null()));
        }
        self.tell_all(&name, events);
    }

    /// The document was loaded anew: no value that was placed in it can be placed any more.
    pub(crate) fn reload(&mut self, key: &DocKey, reads: &Reads<'_>) {
        let Some((name, channel)) = self.doc_channel(key) else {
            return;
        };
        let mut events = Vec::new();
        for (id, local) in channel.locals.iter_mut() {
            local.value = Json::null();
            local.sending = Sending::Idle;
            events.push(TabPresenceEvent::Value(id.clone(), Json::null()));
            // Nobody shall wait for ever; that nothing is shown is what the host knows, too.
            for Pending { tokens, .. } in local.pending.drain(..) {
                let (id, error) = (Some(id.clone()), None);
                events.push(TabPresenceEvent::Answer { id, tokens, error });
            }
        }
        for (id, remote) in channel.remotes.iter_mut() {
            remote.value = Json::null();
            events.push(TabPresenceEvent::Receive(id.clone(), Json::null()));
        }
        channel.remotes.retain(|_, remote| remote.pending.is_some());
        self.tell_all(&name, events);
        self.show_current(key, reads);
    }
}

/// Moves a value from the revision that the document stands at over the ops that only this tab has.
fn over_unaccepted(doc: &Doc, mut value: Json) -> Result<Json, Error> {
    for op in doc.unaccepted() {
        value = op.kind.move_presence(op.ty.as_ref(), &value, false)?;
    }
    Ok(value)
}
