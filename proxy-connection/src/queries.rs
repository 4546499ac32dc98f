//! A tab's queries, and its requests for snapshots of the past.
//!
//! The host has the results; the tab gets its documents, then what happened to the list.

use broker::message::{
    DiffItem, QueryDoc, QueryEvent, QueryRequest, SnapshotAt, SnapshotRequest, ToHost,
};
use proxy_doc::{DocKey, Error, Json, Token};

use crate::{OwnerTask, ProxyConnection, Request, TabEvent};

/// Something that happened to a query, its documents being there.
#[derive(Debug)]
pub enum TabQueryEvent {
    /// It has an answer: all results, or none where they are as they were, and the addition.
    Results(Option<Vec<DocKey>>, Option<Json>),
    /// It failed, and is over.
    Failed(Error),
    /// An update failed.
    Error(Error),
    /// The results changed.
    Diff(Vec<DiffItem<DocKey>>),
    /// The database's addition changed.
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
        if !self.queries.contains(&query_id) {
            return;
        }
        let mut docs: Vec<QueryDoc> = Vec::new();
        let event = match event {
            QueryEvent::Results { docs: list, extra } => {
                TabQueryEvent::Results(list.map(|list| keys(list, &mut docs)), extra)
            }
            QueryEvent::Failed(error) => {
                self.queries.remove(&query_id);
                TabQueryEvent::Failed(error)
            }
            QueryEvent::Error(error) => TabQueryEvent::Error(error),
            QueryEvent::Diff(items) => TabQueryEvent::Diff(
                items
                    .into_iter()
                    .map(|item| strip(item, &mut docs))
                    .collect(),
            ),
            QueryEvent::Extra { extra } => TabQueryEvent::Extra(extra),
        };
        self.push_event(TabEvent::Query(query_id, event));
        for doc in docs.into_iter().rev() {
            self.push_owner(OwnerTask::Adopt(Box::new(doc)));
        }
    }

    /// Takes over a result's state, and opens its Doc before that shows.
    pub(crate) fn adopt(&mut self, doc: QueryDoc) -> TabEvent {
        let key = DocKey {
            collection: doc.collection,
            id: doc.id,
        };
        let handle = self.get(key.clone());
        if let Some(snapshot) = self.usable(handle, doc.snapshot) {
            self.with_doc(handle, |machine, up| {
                machine.ingest_snapshot(up, Some(snapshot), None)
            });
        }
        self.take_version(handle, doc.version);
        TabEvent::OpenDoc(handle, key)
    }
}

fn keys(list: Vec<QueryDoc>, docs: &mut Vec<QueryDoc>) -> Vec<DocKey> {
    let keys = list.iter().map(|doc| DocKey {
        collection: doc.collection.clone(),
        id: doc.id.clone(),
    });
    let keys = keys.collect();
    docs.extend(list);
    keys
}

fn strip(item: DiffItem<QueryDoc>, docs: &mut Vec<QueryDoc>) -> DiffItem<DocKey> {
    match item {
        DiffItem::Insert { index, values } => DiffItem::Insert {
            index,
            values: keys(values, docs),
        },
        DiffItem::Remove { index, how_many } => DiffItem::Remove { index, how_many },
        DiffItem::Move { from, to, how_many } => DiffItem::Move { from, to, how_many },
    }
}
