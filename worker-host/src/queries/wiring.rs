//! The host's side of queries: gives the machine its inputs, and carries out its events.

use broker::message::{DiffItem, QueryDoc, QueryEvent, ToTab};
use proxy_doc::{DocHandle, DocKey, Gather, Snapshot, TabId};

use super::followers::{Followers, Membership};
use super::{Event, Queries, Versions};
use crate::host::Host;
use crate::tabs::callers::Caller;

impl Host {
    /// Gives the queries an input, and carries out what comes of it.
    pub(crate) fn with_queries(&mut self, input: impl FnOnce(&mut Queries, Versions<'_>)) {
        let version = |key: &DocKey| self.docs.at(key)?.doc.version();
        input(&mut self.queries, &version);
        for event in self.queries.take_events() {
            self.carry_out_query(event);
        }
    }

    fn carry_out_query(&mut self, event: Event) {
        match event {
            Event::Send(text) => self.send(text),
            Event::Ingest {
                key,
                snapshot,
                query,
            } => self.ingest_result(key, snapshot, query),
            Event::Meet { key, tab } => {
                self.meet_result(&key, &tab);
            }
            Event::Follow(followers) => self.set_followers(followers),
            Event::Results {
                tab,
                query_id,
                results,
                extra,
                full,
            } => {
                let docs = results.map(|keys| self.results_for(&keys, &tab));
                // To a tab that has results, and was told every change, the list says nothing new.
                let is_news =
                    |docs: &Vec<QueryDoc>| full || docs.iter().any(|doc| doc.snapshot.is_some());
                let docs = docs.filter(is_news);
                self.tell_query(&tab, query_id, QueryEvent::Results { docs, extra });
            }
            Event::Diff {
                tab,
                query_id,
                items,
            } => {
                let items = items.into_iter().map(|item| self.diff_for(item, &tab));
                let event = QueryEvent::Diff(items.gather());
                self.tell_query(&tab, query_id, event);
            }
            Event::Tell {
                tab,
                query_id,
                event,
            } => self.tell_query(&tab, query_id, event),
        }
    }

    fn tell_query(&mut self, tab: &TabId, query_id: u64, event: QueryEvent) {
        self.tell(tab, ToTab::Query { query_id, event });
    }

    fn ingest_result(&mut self, key: DocKey, snapshot: Snapshot, query: Option<u64>) {
        let handle = self.open(key);
        let token = query.map(|id| self.callers.add(Caller::Query(id)));
        self.act(handle, |doc, up| {
            doc.ingest_snapshot(up, Some(snapshot), token)
        });
    }

    /// The tab has a document that is in one of its queries.
    fn meet_result(&mut self, key: &DocKey, tab: &TabId) -> DocHandle {
        let handle = self.open(key.clone());
        self.docs.touch(handle);
        self.docs[handle].hub.meet(tab);
        handle
    }

    fn set_followers(&mut self, Followers { keys, memberships }: Followers) {
        for membership in memberships {
            let Membership {
                tab,
                query_id,
                key,
                follows,
            } = membership;
            let known = self.docs.find(&keys[key]);
            let handle = known.or_else(|| follows.then(|| self.open(keys[key].clone())));
            if let Some(handle) = handle {
                let hub = &mut self.docs[handle].hub;
                hub.follow_by_query(&tab, query_id, follows);
            }
        }
        for key in &keys {
            self.touch(key);
        }
    }

    /// The document's use may have changed.
    pub(crate) fn touch(&mut self, key: &DocKey) {
        if let Some(handle) = self.docs.find(key) {
            self.docs.touch(handle);
        }
    }

    /// The results as one tab needs them: with a state where the tab has none.
    fn results_for(&mut self, keys: &[DocKey], tab: &TabId) -> Vec<QueryDoc> {
        keys.iter().map(|key| self.result_for(key, tab)).gather()
    }

    fn result_for(&mut self, key: &DocKey, tab: &TabId) -> QueryDoc {
        let handle = self.meet_result(key, tab);
        let snapshot = match self.bring_up_to_date(handle, tab) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                // Ops here do not apply: the tab gets the server's state when the host has it.
                self.act(handle, |doc, up| doc.hard_rollback(up, error));
                None
            }
        };
        let version = self.tell_version(handle, tab).0;
        QueryDoc {
            collection: key.collection.clone(),
            id: key.id.clone(),
            snapshot,
            version,
        }
    }

    fn diff_for(&mut self, item: DiffItem<DocKey>, tab: &TabId) -> DiffItem<QueryDoc> {
        match item {
            DiffItem::Insert { index, values } => DiffItem::Insert {
                index,
                values: self.results_for(&values, tab),
            },
            DiffItem::Remove { index, how_many } => DiffItem::Remove { index, how_many },
            DiffItem::Move { from, to, how_many } => DiffItem::Move { from, to, how_many },
        }
    }
}
