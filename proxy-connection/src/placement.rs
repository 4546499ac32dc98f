//! States that did not come from the host, until they have a revision of its own.
//!
//! There are two: a snapshot that the application ingested, and a query's result for a document that the host was told to
//! forget. The application has them at once. Nothing is sent for them before they are placed: an op names the revision that
//! it is based on. Where the host has another state, that one takes their place.

use broker::message::{Answer, ReadAction, TabSnapshot, ToHost};
use proxy_doc::{
    DocHandle, DocKey, Error, Json, Revision, Snapshot, SnapshotType, Token, Version, codes,
};

use crate::{OwnerTask, ProxyConnection, ProxyDoc, Request};

/// Whether the version of a document's machine is a revision of the host's.
#[derive(Debug)]
pub(crate) enum Placement {
    /// It is, if there is a state.
    Placed,
    /// The state is an ingested snapshot. The host was asked which revision it is.
    Asked,
    /// The state is a query's result, of which this is a copy. The host's state is being fetched, to compare them.
    Brought(TabSnapshot),
    /// There is no state. The application still sees an ingested snapshot; the host has another state, which is being
    /// fetched.
    Replaced,
}

impl Placement {
    /// Whether there is a state whose revision is not known.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Asked | Self::Brought(_))
    }

    /// The query's result, where the state is one. It is placed then.
    fn take_brought(&mut self) -> Option<TabSnapshot> {
        match std::mem::replace(self, Self::Placed) {
            Self::Brought(state) => Some(state),
            other => {
                *self = other;
                None
            }
        }
    }
}

impl ProxyDoc {
    /// The host's revision that the confirmed state stands at.
    pub(crate) fn revision(&self) -> Option<Revision> {
        let version = self.doc.version().filter(|_| !self.placement.is_open());
        version.map(|version| Revision(version.0))
    }
}

impl ProxyConnection {
    // ---- Ingested by the application ----

    /// `doc.ingestSnapshot`: takes effect at once, and the host is asked which revision the snapshot is. `served`: the
    /// data is the server's own, word for word.
    pub fn ingest_snapshot(
        &mut self,
        handle: DocHandle,
        snapshot: Snapshot,
        served: bool,
        callback: Option<Token>,
    ) {
        let Some(known) = self.docs.get_mut(&handle) else {
            return;
        };
        let version = snapshot.v;
        let has_state = known.doc.ty().is_some() || known.doc.has_write_pending();
        if version.is_none() || has_state {
            // The snapshot is refused, or leads to a fetch: the machine decides by the server's versions.
            return self.ingest_over_state(handle, snapshot, callback);
        }
        if known.version > version {
            self.with_doc(handle, |doc, up| doc.ingest_snapshot(up, None, callback));
            return;
        }
        known.version = version;
        known.assigned = None;
        known.placement = Placement::Asked;
        let life = known.doc.life();
        let DocKey { collection, id } = known.doc.key().clone();
        let callback_id = self.requests.open(Request::Ingest { doc: handle, life });
        self.tell_host(&ToHost::IngestSnapshot {
            collection,
            id,
            snapshot: snapshot.clone(),
            served,
            callback_id,
        });
        self.with_doc(handle, |doc, up| {
            doc.ingest_snapshot(up, Some(snapshot), callback)
        });
    }

    fn ingest_over_state(
        &mut self,
        handle: DocHandle,
        mut snapshot: Snapshot,
        callback: Option<Token>,
    ) {
        let Some(known) = self.docs.get(&handle) else {
            return;
        };
        // Only newer or not matters here; the machine compares with its own count.
        let newer = snapshot.v > known.version;
        let own = known.doc.version();
        snapshot.v = snapshot.v.map(|v| match own {
            Some(own) if newer => own.next(),
            Some(own) => own,
            None => v,
        });
        self.with_doc(handle, |doc, up| {
            doc.ingest_snapshot(up, Some(snapshot), callback)
        });
    }

    /// The host's answer: which revision the ingested snapshot is.
    pub(crate) fn handle_ingested(
        &mut self,
        handle: DocHandle,
        life: u32,
        answer: Result<Option<Answer>, Error>,
    ) {
        if self.has_doc_presence(handle) {
            self.push_owner(OwnerTask::SettlePresence(handle));
        }
        let Some(known) = self.docs.get_mut(&handle) else {
            return;
        };
        if known.doc.life() != life {
            return;
        }
        if let Ok(Some(Answer::Ingested {
            revision: Some(revision),
        })) = answer
        {
            return self.place(handle, revision);
        }
        let has_writes = known.doc.has_write_pending();
        self.refresh(handle, "The ingested snapshot is not the host's state");
        if let Some(known) = self.docs.get_mut(&handle)
            && !has_writes
        {
            known.placement = Placement::Replaced;
        }
    }

    // ---- Brought by a query ----

    /// The host was told to forget the document, and may not have known that when it sent this result: then it forgets with
    /// what the tab had before that the tab has this. The tab shows the result, and asks for the document.
    pub(crate) fn show_brought(
        &mut self,
        handle: DocHandle,
        state: Option<TabSnapshot>,
        version: Option<Version>,
    ) {
        let Some(known) = self.docs.get_mut(&handle) else {
            return;
        };
        let machine = &known.doc;
        if machine.version().is_some() || machine.has_write_pending() {
            return;
        }
        if let Some(state) = state {
            known.placement = Placement::Brought(TabSnapshot {
                life: machine.life(),
                ..state.clone()
            });
            known.learn_version(version);
            let snapshot = to_snapshot(state);
            self.with_doc(handle, |machine, up| {
                machine.ingest_snapshot(up, Some(snapshot), None)
            });
        }
        // Also where something else is asked: the answer to an unsubscribe brings no state.
        self.with_doc(handle, |machine, up| machine.check(up));
    }

    /// Compares a query's result with the state that the host has `now`. If they are the same, the result is placed.
    /// Otherwise the host's state takes its place; ops that were submitted on the result are given up.
    fn settle_brought(&mut self, handle: DocHandle, now: Option<&TabSnapshot>) {
        let Some(known) = self.docs.get_mut(&handle) else {
            return;
        };
        if now.is_some_and(|now| now.life != known.doc.life()) {
            return;
        }
        let Some(brought) = known.placement.take_brought() else {
            return;
        };
        let data = brought.data.as_ref().map(Json::get);
        let is_same =
            |now: &&TabSnapshot| now.ty == brought.ty && now.data.as_ref().map(Json::get) == data;
        if let Some(now) = now.filter(is_same) {
            self.place(handle, now.revision);
        } else if now.is_some() && !known.doc.has_write_pending() {
            known.doc.unload();
        } else {
            let message = match now {
                Some(_) => "The result of a query is not the host's state any more",
                None => "The result of a query has no revision: the host's state could not be read",
            };
            self.refresh(handle, message);
        }
    }

    /// A query's result whose read was refused, or answered without a state, is replaced by the host's state. The host takes
    /// the tab to have that one.
    pub(crate) fn settle_unanswered(&mut self, handle: DocHandle, is_refused: bool) {
        let waits = |known: &ProxyDoc| !is_refused && known.doc.has_read_pending();
        if self.docs.get(&handle).is_some_and(|known| !waits(known)) {
            self.settle_brought(handle, None);
        }
    }

    /// Another host is told what the tab has, so it forgets none of it: a query's result is the state of the revision that
    /// came with it.
    pub(crate) fn place_brought(&mut self) {
        for known in self.docs.values_mut() {
            if let Some(brought) = known.placement.take_brought() {
                known.doc.place(Version(brought.revision.0));
            }
        }
    }

    // ---- Both ----

    fn place(&mut self, handle: DocHandle, revision: Revision) {
        if let Some(known) = self.docs.get_mut(&handle) {
            known.placement = Placement::Placed;
            known.doc.place(Version(revision.0));
            self.with_doc(handle, |doc, up| doc.flush(up));
        }
    }

    /// The host has another state. This one can be shown, but nothing can be based on it.
    fn refresh(&mut self, handle: DocHandle, message: &str) {
        if let Some(known) = self.docs.get_mut(&handle) {
            known.placement = Placement::Placed;
            known.learn_version(None);
            let error = Error::new(codes::ERR_REVISION_NOT_KEPT, message);
            self.with_doc(handle, |doc, up| doc.refresh(up, error));
        }
    }

    /// A state that the host has sent, if it is for the document's present life and takes no place of one that is not placed.
    pub(crate) fn usable(
        &mut self,
        handle: DocHandle,
        snapshot: Option<TabSnapshot>,
    ) -> Option<Snapshot> {
        if snapshot.is_some() {
            self.settle_brought(handle, snapshot.as_ref());
        }
        let known = self.docs.get(&handle)?;
        snapshot
            .filter(|snapshot| snapshot.life == known.doc.life() && !known.placement.is_open())
            .map(to_snapshot)
    }

    /// The answer is for a state that the tab has given up since, or for an ingested snapshot that the host's state is
    /// to replace, and no other state has come. Where no other fetch is inflight that brings one, the request is sent
    /// again: a fetch that waits for this answer has not been sent. Returns whether it was.
    pub(crate) fn ask_again(&mut self, handle: DocHandle, action: ReadAction) -> bool {
        let Some(known) = self.docs.get_mut(&handle) else {
            return false;
        };
        let doc = &mut known.doc;
        let (waits, others) = match action {
            ReadAction::Fetch => (true, doc.fetches().saturating_sub(1)),
            ReadAction::Subscribe => (true, doc.fetches()),
            ReadAction::Unsubscribe => (false, 0),
        };
        let will_come = !matches!(known.placement, Placement::Replaced) && others > 0;
        if !waits || doc.version().is_some() || will_come {
            return false;
        }
        if action == ReadAction::Fetch {
            doc.postpone_fetch();
        }
        if let Some(event) = self.send_read(handle, action) {
            self.push_event(event);
        }
        true
    }
}

pub(crate) fn to_snapshot(snapshot: TabSnapshot) -> Snapshot {
    let ty = snapshot.ty.map_or(SnapshotType::None, SnapshotType::Uri);
    Snapshot {
        v: Some(Version(snapshot.revision.0)),
        ty,
        data: snapshot.data,
    }
}
