//! A tab's queries, and its requests for snapshots of the past.
//!
//! The host has the results. The tab takes over the documents that an event brings, then tells the application the event
//! with their keys.
//!
//! What it refuses to do: keep lists of results. The driver does, as ShareDB's `Query` objects.

use broker::message::{
    DiffItem, QueryDoc, QueryEvent, QueryRequest, SnapshotAt, SnapshotRequest, ToHost,
};
use proxy_doc::{DocHandle, DocKey, Error, Gather, Json, Token};

use crate::{OwnerTask, ProxyConnection, Request, TabEvent};

/// An event of a query, whose documents the tab has.
#[derive(Debug)]
pub enum TabQueryEvent {
    /// An answer: all results, `None` where they are as they were; and what the database added (`query.extra`).
    Results(Option<Vec<DocKey>>, Option<Json>),
    /// The query failed, and gets no more events.
    Failed(Error),
    /// An update failed; the query goes on.
    Error(Error),
    /// The results changed.
    Diff(Vec<DiffItem<DocKey>>),
    /// What the database added (`query.extra`) changed.
    Extra(Option<Json>),
}

impl ProxyConnection {
    /// Asks a query; its events come with this `query_id`.
    pub fn create_query(&mut self, request: QueryRequest) {
        self.queries.insert(request.query_id);
        self.tell_host(&ToHost::Query(request));
    }

    /// Forgets a query.
    pub fn destroy_query(&mut self, query_id: u64) {
        if self.queries.remove(&query_id) {
            self.tell_host(&ToHost::DestroyQuery { query_id });
        }
    }

    /// Asks for a snapshot of the past; the answer is a [`TabEvent::Snapshot`]. Collection and id go
    /// to the server as they are.
    pub fn fetch_snapshot(&mut self, collection: Json, id: Json, at: SnapshotAt, token: Token) {
        let callback_id = self.requests.open(Request::Snapshot(token));
        self.tell_host(&ToHost::FetchSnapshot(SnapshotRequest {
            collection,
            id,
            at,
            callback_id,
        }));
    }

    pub(crate) fn handle_query_event(&mut self, query_id: u64, event: QueryEvent) {
        let mut docs: Vec<QueryDoc> = Vec::new();
        let event = match event {
            QueryEvent::Results { docs: list, extra } => {
                TabQueryEvent::Results(list.map(|list| without_states(list, &mut docs)), extra)
            }
            QueryEvent::Failed(error) => TabQueryEvent::Failed(error),
            QueryEvent::Error(error) => TabQueryEvent::Error(error),
            QueryEvent::Diff(items) => TabQueryEvent::Diff(
                items
                    .into_iter()
                    .map(|item| diff_without_states(item, &mut docs))
                    .gather(),
            ),
            QueryEvent::Extra { extra } => TabQueryEvent::Extra(extra),
        };
        if !self.queries.contains(&query_id) {
            return docs.into_iter().rev().for_each(|doc| self.decline(doc));
        }
        if matches!(event, TabQueryEvent::Failed(_)) {
            self.queries.remove(&query_id);
        }
        self.push_event(TabEvent::Query(query_id, event));
        for doc in docs.into_iter().rev() {
            self.push_owner(OwnerTask::Adopt(Box::new(doc)));
        }
    }

    /// Takes over a result's state, and opens its Doc before that shows.
    pub(crate) fn adopt(&mut self, doc: QueryDoc) -> TabEvent {
        let key = key_of(&doc);
        let handle = self.get(key.clone());
        self.take_over(handle, doc);
        TabEvent::OpenDoc(handle, key)
    }

    fn take_over(&mut self, handle: DocHandle, doc: QueryDoc) {
        if self.leaving.contains_key(&key_of(&doc)) {
            return self.show_brought(handle, doc.snapshot, doc.version);
        }
        if let Some(snapshot) = self.usable(handle, doc.snapshot) {
            self.with_doc(handle, |machine, up| {
                machine.ingest_snapshot(up, Some(snapshot), None)
            });
        }
        self.take_version(handle, doc.version);
    }

    /// A result of a query that is gone here. The host takes the tab to have its state, and does not send that again: neither to a
    /// Doc of the application, nor with the results of another query. Where there is none, the host is told.
    fn decline(&mut self, doc: QueryDoc) {
        let key = key_of(&doc);
        if let Some(handle) = self.by_key.get(&key).copied() {
            return self.take_over(handle, doc);
        }
        if doc.snapshot.is_none() || self.leaving.contains_key(&key) {
            return;
        }
        if !self.queries.is_empty() {
            return self.push_owner(OwnerTask::Adopt(Box::new(doc)));
        }
        self.leave_doc(key);
    }
}

fn key_of(doc: &QueryDoc) -> DocKey {
    DocKey {
        collection: doc.collection.clone(),
        id: doc.id.clone(),
    }
}

/// Gives the keys of a list of results, and moves its states to `docs`.
fn without_states(list: Vec<QueryDoc>, docs: &mut Vec<QueryDoc>) -> Vec<DocKey> {
    let keys = list.iter().map(key_of).gather();
    docs.extend(list);
    keys
}

/// As [`without_states`].
fn diff_without_states(item: DiffItem<QueryDoc>, docs: &mut Vec<QueryDoc>) -> DiffItem<DocKey> {
    match item {
        DiffItem::Insert { index, values } => DiffItem::Insert {
            index,
            values: without_states(values, docs),
        },
        DiffItem::Remove { index, how_many } => DiffItem::Remove { index, how_many },
        DiffItem::Move { from, to, how_many } => DiffItem::Move { from, to, how_many },
    }
}
