//! Which tabs follow a document because it is in one of their subscribed queries: they get every change of it.
//!
//! A tab follows a document by a subscribed query if the tab has an answer of it, and the document is among the
//! results, or was removed from them by the last update. The document's hub keeps this as a set of the tab's
//! queries. Each change of a query puts every affected membership to what it must be now, so it does not
//! matter in which order documents and tabs come and go.

use broker::message::QueryAction;
use proxy_doc::{DocKey, Gather, TabId};

use super::{Event, Queries, Query, User};

/// Which tabs follow some documents by one query from now on.
#[derive(Debug)]
pub(crate) struct Followers {
    pub(crate) keys: Vec<DocKey>,
    pub(crate) memberships: Vec<Membership>,
}

/// Whether a tab follows a document by its query of this number. `key` is an index of [`Followers::keys`].
#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) tab: TabId,
    pub(crate) query_id: u64,
    pub(crate) key: usize,
    pub(crate) follows: bool,
}

impl Followers {
    /// These tabs are done with a query by which they may follow these documents.
    pub(super) fn left(users: &[User], keys: Vec<DocKey>) -> Self {
        let each = (0..keys.len()).flat_map(|key| users.iter().map(move |user| (key, user)));
        let memberships = each.map(|(key, user)| user.membership(key, false));
        Self {
            memberships: memberships.gather(),
            keys,
        }
    }
}

impl User {
    fn membership(&self, key: usize, follows: bool) -> Membership {
        Membership {
            tab: self.tab.clone(),
            query_id: self.query_id,
            key,
            follows,
        }
    }
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
            memberships.extend(
                (0..keys.len()).map(|key| {
                    user.membership(key, user.answered && (held[key] || departing[key]))
                }),
            );
        }
        memberships
    }

    /// The documents that these tabs may follow by the query.
    pub(super) fn followed_by(&self, users: &[User]) -> Vec<DocKey> {
        let departing = users.iter().flat_map(|user| &user.departing);
        let results = self.results.iter().flatten();
        results.chain(departing).cloned().gather()
    }
}

impl Queries {
    /// The query changed as far as these documents are concerned.
    pub(super) fn set_followers(&mut self, id: u64, mut keys: Vec<DocKey>) {
        keys.sort();
        keys.dedup();
        let query = self.queries.get(&id);
        let memberships = query.map(|query| query.memberships(&keys));
        self.events.push(Event::Follow(Followers {
            memberships: memberships.unwrap_or_default(),
            keys,
        }));
    }
}
