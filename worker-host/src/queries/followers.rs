//! Which tabs follow a document because it is in one of their subscribed queries: they get every change of it.
//!
//! A tab follows a document by a subscribed query if the tab has an answer of it, and the document is among the
//! results, or was removed from them by the last update. The document's hub keeps this as a set of the tab's
//! queries. Each change of a query puts every affected membership to what it must be now, so it does not
//! matter in which order documents and tabs come and go.

use broker::message::QueryAction;
use proxy_doc::{DocKey, TabId};

use super::{Query, User};
use crate::host::Host;

/// A tab, its number of a query, and the place of a document in a list of keys.
struct Membership {
    tab: TabId,
    query_id: u64,
    key: usize,
    follows: bool,
}

impl Query {
    /// For each of the query's tabs and each of these documents: whether the tab follows it. The keys are sorted.
    fn memberships(&self, keys: &[DocKey]) -> Vec<Membership> {
        if self.action == QueryAction::Fetch {
            return Vec::new();
        }
        let places = |of: &[DocKey]| {
            let mut places = vec![false; keys.len()];
            for place in of.iter().filter_map(|key| keys.binary_search(key).ok()) {
                places[place] = true;
            }
            places
        };
        let held = places(self.results.as_deref().unwrap_or_default());
        let mut memberships = Vec::new();
        for user in &self.users {
            let departing = places(&user.departing);
            memberships.extend((0..keys.len()).map(|key| Membership {
                tab: user.tab.clone(),
                query_id: user.query_id,
                key,
                follows: user.answered && (held[key] || departing[key]),
            }));
        }
        memberships
    }

    /// The documents that these tabs may follow by the query.
    pub(super) fn followed_by(&self, users: &[User]) -> Vec<DocKey> {
        let departing = users.iter().flat_map(|user| &user.departing);
        let results = self.results.iter().flatten();
        results.chain(departing).cloned().collect()
    }
}

impl Host {
    /// The query changed as far as these documents are concerned.
    pub(crate) fn place_followers(&mut self, id: u64, mut keys: Vec<DocKey>) {
        keys.sort();
        keys.dedup();
        let query = self.queries.get(&id);
        let memberships = query.map(|query| query.memberships(&keys));
        for membership in memberships.unwrap_or_default() {
            let Membership {
                tab,
                query_id,
                key,
                follows,
            } = membership;
            self.set_follower(&keys[key], &tab, query_id, follows);
        }
        for key in &keys {
            self.touch(key);
        }
    }

    /// These tabs are done with a query that named these documents.
    pub(super) fn remove_followers(&mut self, users: &[User], keys: &[DocKey]) {
        for key in keys {
            for user in users {
                self.set_follower(key, &user.tab, user.query_id, false);
            }
            self.touch(key);
        }
    }

    fn set_follower(&mut self, key: &DocKey, tab: &TabId, query_id: u64, follows: bool) {
        let known = self.docs.find(key);
        let handle = known.or_else(|| follows.then(|| self.open(key.clone())));
        if let Some(host_doc) = handle.and_then(|handle| self.docs.get_mut(handle)) {
            host_doc.hub.follow_by_query(tab, query_id, follows);
        }
    }
}
