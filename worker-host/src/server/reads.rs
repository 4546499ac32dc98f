//! Reads of documents: sends them to the server, alone or in bulk, and takes the answers.
//!
//! What it refuses to do: decide which documents to read.

use proxy_doc::{DocHandle, Entries, Error, Json, Snapshot};

use crate::host::Host;
use crate::quarantine::Cause;
use crate::quarantine::identity;
use crate::server::bulk::Action;
use crate::server::bulk::single;
use crate::server::wire::{BulkItem, Incoming, snapshot};

impl Host {
    /// Collects reads until [`Host::end_bulk`].
    pub(crate) fn start_bulk(&mut self) {
        self.server.bulk.get_or_insert_default();
    }

    /// Sends the reads that were collected.
    pub(crate) fn end_bulk(&mut self) {
        let bulk = self.server.bulk.take();
        let messages = bulk.map(|bulk| bulk.messages()).unwrap_or_default();
        for text in messages {
            self.send(text);
        }
    }

    /// Sends a read of a document, or collects it.
    pub(crate) fn send_read(&mut self, handle: DocHandle, action: Action) {
        let host_doc = &self.docs[handle];
        let key = host_doc.key();
        let version = match action {
            Action::Fetch => host_doc.fetch_version(),
            Action::Subscribe | Action::Unsubscribe => host_doc.doc.version(),
        };
        match &mut self.server.bulk {
            Some(bulk) => bulk.add(
                action,
                key,
                version.filter(|_| action != Action::Unsubscribe),
            ),
            None => {
                let text = single(action, key, version);
                self.send(text);
            }
        }
    }

    /// Takes the server's answer to a read.
    pub(crate) fn handle_read(&mut self, message: &Incoming, error: Option<Error>, action: Action) {
        if let Some(handle) = self.handle_of(message) {
            let answer = match error {
                Some(error) => Err(error),
                None => snapshot(message.data.as_ref()),
            };
            self.take_answer(handle, action, answer);
        }
    }

    /// Gives the answer to a read to the document's machine.
    fn take_answer(
        &mut self,
        handle: DocHandle,
        action: Action,
        answer: Result<Option<Snapshot>, Error>,
    ) {
        if action == Action::Subscribe && answer.is_ok() {
            self.docs[handle].silence.end();
        }
        self.act(handle, |doc, up| match action {
            Action::Fetch => doc.handle_fetch(up, answer),
            Action::Subscribe | Action::Unsubscribe => doc.handle_subscribe(up, answer),
        });
    }

    /// Takes an answer without data to reads that were sent in bulk.
    pub(crate) fn handle_bulk(&mut self, message: &Incoming, error: Option<Error>, action: Action) {
        let Some(collection) = message.c.as_deref() else {
            return self.warn("Invalid bulk message".to_owned());
        };
        if let Some(data) = &message.data {
            return self.handle_bulk_data(collection, data, error, action);
        }
        let Some(ids) = message.bulk_ids() else {
            return self.warn("Invalid bulk message".to_owned());
        };
        for id in ids {
            if let Some(handle) = self.find(collection, &id) {
                let answer = error.clone().map_or(Ok(None), Err);
                self.take_answer(handle, action, answer);
            }
        }
    }

    /// Takes the answer to reads that were sent in bulk. Each document is a part of its own, so that only its part is
    /// quarantined if the host dies on it.
    fn handle_bulk_data(
        &mut self,
        collection: &str,
        data: &Json,
        error: Option<Error>,
        action: Action,
    ) {
        let Ok(Entries(items)) = data.parse::<Entries<Json>>() else {
            return self.warn("Invalid bulk message".to_owned());
        };
        for (id, item) in items {
            let Some(handle) = self.find(collection, &id) else {
                continue;
            };
            let what = identity::of_answer(action, collection, &id);
            self.begin_part(Cause::ServerMessage, &what, |host, refused| {
                let answer = match error.clone().or(refused) {
                    Some(error) => Err(error),
                    None => bulk_answer(&item),
                };
                host.take_answer(handle, action, answer);
            });
        }
    }
}

/// One document's part of the answer to a bulk read.
fn bulk_answer(item: &Json) -> Result<Option<Snapshot>, Error> {
    let refused = item.parse::<BulkItem>().ok().and_then(|item| item.error);
    match refused {
        Some(error) => Err(error.into_error(None)),
        None => snapshot(Some(item)),
    }
}
