//! Snapshots of the past (`lib/client/snapshot-request`), for tabs and for the host itself.

use broker::message::{Answer, CallbackId, DocEvent, SnapshotAt, SnapshotRequest, ToTab, encode};
use proxy_doc::{DocHandle, Error, Json, Outcome, TabId, json_string, wire};

use crate::host::Host;
use crate::server::wire::Incoming;

/// A snapshot of the past that somebody waits for.
pub(crate) struct PastSnapshot {
    who: Who,
    collection: Json,
    id: Json,
    at: SnapshotAt,
    sent: bool,
}

/// Who waits for a snapshot.
#[derive(PartialEq)]
enum Who {
    Tab(TabId, CallbackId),
    /// A document whose data is missing.
    Base(DocHandle),
}

struct SnapshotMessage<'a> {
    a: &'a str,
    id: u64,
    c: &'a Json,
    d: &'a Json,
    v: Option<Option<u64>>,
    ts: Option<Option<u64>>,
}

wire!(write struct SnapshotMessage<'_> {
    a = "a";
    id = "id";
    c = "c";
    d = "d";
    v = "v";
    ts = "ts";
});

impl PastSnapshot {
    /// What it asks for: collection, id and point of time.
    pub(crate) fn asks(&self) -> (&Json, &Json, SnapshotAt) {
        (&self.collection, &self.id, self.at)
    }

    /// Whether the tab waits for it.
    pub(crate) fn is_for(&self, tab: &TabId) -> bool {
        matches!(&self.who, Who::Tab(of, _) if of == tab)
    }
}

impl Host {
    pub(crate) fn fetch_past_snapshot(&mut self, tab: &TabId, request: SnapshotRequest) {
        let SnapshotRequest {
            collection,
            id,
            at,
            callback_id,
        } = request;
        let who = Who::Tab(tab.clone(), callback_id);
        self.ask_past_snapshot(PastSnapshot {
            who,
            collection,
            id,
            at,
            sent: false,
        });
    }

    /// Gets the data that an application's snapshot stood for: it may hold more than was committed.
    pub(crate) fn want_base(&mut self, handle: DocHandle) {
        let Some(host_doc) = self.docs.get_mut(handle) else {
            return;
        };
        let (Some(version), false) = (host_doc.state.missing(), host_doc.base_asked) else {
            return;
        };
        host_doc.base_asked = true;
        let key = host_doc.doc.key();
        let (collection, id) = (json_string(&key.collection), json_string(&key.id));
        let at = SnapshotAt::Version(Some(version.0));
        self.ask_past_snapshot(PastSnapshot {
            who: Who::Base(handle),
            collection,
            id,
            at,
            sent: false,
        });
    }

    fn ask_past_snapshot(&mut self, past: PastSnapshot) {
        let id = self.next_snapshot_id;
        self.next_snapshot_id += 1;
        self.past_snapshots.insert(id, past);
        self.send_past_snapshot(id);
    }

    /// The connection came or went.
    pub(crate) fn resend_past_snapshots(&mut self) {
        let connected = self.connected();
        let ids: Vec<u64> = self.past_snapshots.keys().copied().collect();
        for id in ids {
            if let Some(past) = self.past_snapshots.get_mut(&id)
                && !connected
            {
                past.sent = false;
            }
            self.send_past_snapshot(id);
        }
    }

    fn send_past_snapshot(&mut self, id: u64) {
        let connected = self.connected();
        let Some(past) = self
            .past_snapshots
            .get_mut(&id)
            .filter(|past| connected && !past.sent)
        else {
            return;
        };
        past.sent = true;
        let PastSnapshot {
            collection,
            id: d,
            at,
            ..
        } = past;
        let (a, v, ts) = match at {
            SnapshotAt::Version(version) => ("nf", Some(*version), None),
            SnapshotAt::Timestamp(timestamp) => ("nt", None, Some(*timestamp)),
        };
        let text = encode(&SnapshotMessage {
            a,
            id,
            c: collection,
            d,
            v,
            ts,
        });
        self.send(text);
    }

    pub(crate) fn handle_past_snapshot(
        &mut self,
        message: &Incoming,
        error: Option<Error>,
        whole: Option<Json>,
    ) {
        let Some(past) = message
            .number()
            .and_then(|id| self.past_snapshots.remove(&id))
        else {
            return;
        };
        match past.who {
            Who::Tab(tab, callback_id) => {
                let result = if error.is_none() {
                    whole.map(Answer::Snapshot)
                } else {
                    None
                };
                self.tell(
                    &tab,
                    ToTab::Callback {
                        callback_id,
                        error,
                        result,
                    },
                );
            }
            Who::Base(handle) => self.take_base(handle, message, error),
        }
    }

    fn take_base(&mut self, handle: DocHandle, message: &Incoming, error: Option<Error>) {
        let Some(host_doc) = self.docs.get_mut(handle) else {
            return;
        };
        host_doc.base_asked = false;
        let parked = std::mem::take(&mut host_doc.parked);
        if let Some(error) = error {
            for (tab, callback_id, _) in parked {
                self.refuse(&tab, callback_id, error.clone());
            }
            return;
        }
        if host_doc.state.missing().is_some() {
            host_doc.state.supply(message.data.clone());
            self.rewrite(handle);
        }
        let Some(host_doc) = self.docs.get_mut(handle) else {
            return;
        };
        let waiting = host_doc.hub.followers_without_state();
        for (tab, callback_id, action) in parked {
            self.answer_read(handle, &tab, callback_id, action, &Outcome::Done);
        }
        for tab in waiting {
            self.bring_result(handle, &tab);
        }
        self.run();
    }

    /// Gives a tab the state of a document that came into its query before there was one to give.
    fn bring_result(&mut self, handle: DocHandle, tab: &TabId) {
        match self.bring_up_to_date(handle, tab) {
            Ok(Some(snapshot)) => {
                let version = self.tell_version(handle, tab).0;
                self.tell_doc(handle, tab, DocEvent::Load { snapshot, version });
            }
            Ok(None) => {}
            // Ops here do not apply: the tab gets the server's state when the host has it.
            Err(error) => {
                self.with_doc(handle, |doc, up| doc.hard_rollback(up, error));
            }
        }
    }
}
