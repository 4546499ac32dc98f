//! Queries of all tabs over the host's one session (`lib/client/query.js`).
//!
//! [`Queries`] is a state machine. Its inputs are tabs' requests, the server's messages, results that were taken over and
//! the connection's state; its outputs are [`Event`]s, taken with [`Queries::take_events`] after every input.
//! `queries/wiring.rs` carries them out; `queries/results.rs` reads lists of results and their changes,
//! `queries/followers.rs` says which tabs follow which results.
//!
//! Equal subscribed queries are one query on the wire, whichever tabs ask. A query that brings its own results is sent
//! for itself, since only the server can tell what changed in them.
//!
//! What it refuses to do: hold documents. A result's state goes to the host by an event; the queries keep keys only.

mod followers;
mod results;
#[cfg(test)]
mod tests;
mod wiring;

use broker::message::{DiffItem, QueryAction, QueryEvent, QueryRequest, encode};
use ot_json0::Value;
use proxy_doc::{DocKey, Error, Gather, Json, Map, Snapshot, TabId, Version, wire};

use self::followers::Followers;
use self::results::{apply_diff, named_in_diff, read_diff, read_results};
use crate::server::wire::Incoming;
use crate::status::QueryStatus;

/// Gives the host's version of a document.
pub(crate) type Versions<'a> = &'a dyn Fn(&DocKey) -> Option<Version>;

/// Something that the host has to do.
#[derive(Debug)]
pub(crate) enum Event {
    /// Send the server a message.
    Send(String),
    /// Let the document take over a result's state. `query`: call [`Queries::handle_ingested`] for this query then.
    Ingest {
        key: DocKey,
        snapshot: Snapshot,
        query: Option<u64>,
    },
    /// The tab has this document: it brought it along as a result.
    Meet { key: DocKey, tab: TabId },
    /// Tabs follow documents by a query, or do not any more.
    Follow(Followers),
    /// Tell the tab the results, each with its state where the tab has none. `full`: also where no result is new to the
    /// tab, which then has the list already.
    Results {
        tab: TabId,
        query_id: u64,
        results: Option<Vec<DocKey>>,
        extra: Option<Json>,
        full: bool,
    },
    /// Tell the tab a change of the results, each new one with its state where the tab has none.
    Diff {
        tab: TabId,
        query_id: u64,
        items: Vec<DiffItem<DocKey>>,
    },
    /// Tell the tab something that brings no documents.
    Tell {
        tab: TabId,
        query_id: u64,
        event: QueryEvent,
    },
}

/// All queries.
#[derive(Default)]
pub(crate) struct Queries {
    connected: bool,
    /// By their `id` on the wire.
    queries: Map<u64, Query>,
    /// `id` of the last query.
    last_id: u64,
    events: Vec<Event>,
}

/// A query on the wire, and the tabs that use it.
struct Query {
    action: QueryAction,
    collection: String,
    query: Option<Json>,
    options: Option<Json>,
    /// Query and options, to compare.
    meaning: (Option<Value>, Option<Value>),
    /// The application brought results: no other tab joins before the first answer.
    own_results: bool,
    results: Option<Vec<DocKey>>,
    /// The extra data that the database added to the results.
    extra: Option<Json>,
    /// It was sent on this connection.
    sent: bool,
    /// It had an answer.
    ready: bool,
    /// Results that the host has not taken over yet. The tabs get `answer` when there is none left.
    ingesting: usize,
    answer: Answer,
    users: Vec<User>,
}

/// A tab's use of a query.
struct User {
    tab: TabId,
    query_id: u64,
    /// It has results, and is told how they change: by an answer, or because it brought them along.
    answered: bool,
    /// Results that the last update removed. The server sends the op that took a document out of the results after that
    /// update.
    departing: Vec<DocKey>,
}

/// The answer whose results are being taken over.
#[derive(Default)]
struct Answer {
    /// The server gave the whole list.
    list: bool,
    error: Option<Error>,
}

struct QueryMessage<'a> {
    a: QueryAction,
    id: u64,
    c: &'a str,
    q: Option<&'a Json>,
    o: Option<&'a Json>,
    r: Option<Vec<(&'a str, Option<Version>)>>,
}

wire!(write struct QueryMessage<'_> {
    a = "a";
    id = "id";
    c = "c";
    q = "q";
    o = "o";
    r = "r";
});

impl Queries {
    /// Takes the events that the inputs so far have caused, in order.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The queries on the wire, as a debug console sees them.
    pub(crate) fn statuses(&self) -> Vec<QueryStatus> {
        let status = |query: &Query| QueryStatus {
            action: query.action,
            collection: query.collection.clone(),
            query: query.query.clone(),
            results: query.results.as_ref().map(Vec::len),
            ready: query.ready,
            tabs: query.users.iter().map(|user| user.tab.clone()).gather(),
        };
        self.queries.values().map(status).gather()
    }

    /// Whether a query has the document among its results.
    pub(crate) fn has_result(&self, key: &DocKey) -> bool {
        let queries = self.queries.values();
        let mut results = queries.filter_map(|query| query.results.as_ref()).flatten();
        results.any(|result| result == key)
    }

    /// Action, collection, query and options of a query.
    pub(crate) fn request(
        &self,
        id: u64,
    ) -> Option<(QueryAction, &str, Option<&Json>, Option<&Json>)> {
        let query = self.queries.get(&id)?;
        let (q, options) = (query.query.as_ref(), query.options.as_ref());
        Some((query.action, &query.collection, q, options))
    }

    /// The documents that a message about a query brings.
    pub(crate) fn documents_in(&self, message: &Incoming) -> Vec<DocKey> {
        let id = message.number().filter(|_| message.a.starts_with('q'));
        let Some(query) = id.and_then(|id| self.queries.get(&id)) else {
            return Vec::new();
        };
        let data = message.data.as_ref();
        let found = data.map(|data| read_results(data, &query.collection).unwrap_or_default());
        let mut keys: Vec<DocKey> = found.into_iter().flatten().map(|(key, _)| key).collect();
        if let Some(diff) = &message.diff {
            keys.extend(named_in_diff(diff, &query.collection));
        }
        keys
    }

    // ---- Tabs' requests ----

    /// A tab asks a query, under a number of its own.
    pub(crate) fn create(&mut self, tab: &TabId, request: QueryRequest, versions: Versions<'_>) {
        let user = User {
            tab: tab.clone(),
            query_id: request.query_id,
            answered: request.results.is_some() && request.action == QueryAction::Subscribe,
            departing: Vec::new(),
        };
        let meaning = (
            parsed(request.query.as_ref()),
            parsed(request.options.as_ref()),
        );
        let shared = request.action == QueryAction::Subscribe && request.results.is_none();
        let equal = self.queries.iter().find(|(_, query)| {
            shared
                && query.action == QueryAction::Subscribe
                && (query.ready || !query.own_results)
                && query.collection == request.collection
                && query.meaning == meaning
        });
        if let Some(id) = equal.map(|(id, _)| *id) {
            return self.join(id, user);
        }
        let collection = request.collection;
        let key = |id: String| DocKey {
            collection: collection.clone(),
            id,
        };
        let results: Option<Vec<DocKey>> = request
            .results
            .map(|ids| ids.into_iter().map(key).collect());
        self.last_id += 1;
        let id = self.last_id;
        let brought = results.clone().unwrap_or_default();
        let query = Query {
            action: request.action,
            query: request.query,
            options: request.options,
            meaning,
            own_results: results.is_some(),
            results,
            extra: None,
            sent: false,
            ready: false,
            ingesting: 0,
            answer: Answer::default(),
            users: vec![user],
            collection,
        };
        self.queries.insert(id, query);
        for key in brought.iter().cloned() {
            let tab = tab.clone();
            self.events.push(Event::Meet { key, tab });
        }
        self.set_followers(id, brought);
        self.send(id, versions);
    }

    fn join(&mut self, id: u64, mut user: User) {
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        let has_answer = query.ready && query.ingesting == 0;
        user.answered |= has_answer;
        let (tab, query_id) = (user.tab.clone(), user.query_id);
        query.users.push(user);
        if has_answer {
            let results = query.results.clone().unwrap_or_default();
            self.set_followers(id, results);
            self.tell_results(id, tab, query_id, true);
        }
    }

    /// A tab is done with a query.
    pub(crate) fn destroy(&mut self, tab: &TabId, query_id: u64) {
        let is_own = |user: &User| user.tab == *tab && user.query_id == query_id;
        let uses = |id: &u64| self.queries[id].users.iter().any(is_own);
        if let Some(id) = self.ids().into_iter().find(uses) {
            self.drop_users(id, is_own);
        }
    }

    /// A tab is gone, and is done with all its queries.
    pub(crate) fn tab_gone(&mut self, tab: &TabId) {
        for id in self.ids() {
            self.drop_users(id, |user| user.tab == *tab);
        }
    }

    fn drop_users(&mut self, id: u64, which: impl Fn(&User) -> bool) {
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        let (gone, rest): (Vec<User>, Vec<User>) = query.users.drain(..).partition(which);
        query.users = rest;
        if gone.is_empty() {
            return;
        }
        let left = Followers::left(&gone, query.followed_by(&gone));
        if query.users.is_empty() {
            self.end(id);
        }
        self.events.push(Event::Follow(left));
    }

    /// Ends a query that no tab uses.
    fn end(&mut self, id: u64) {
        let Some(query) = self.queries.remove(&id) else {
            return;
        };
        if query.action == QueryAction::Subscribe && query.sent && self.connected {
            let text = format!(r#"{{"a":"qu","id":{id}}}"#);
            self.events.push(Event::Send(text));
        }
    }

    // ---- To the server ----

    /// The connection came or went.
    pub(crate) fn set_connected(&mut self, connected: bool, versions: Versions<'_>) {
        self.connected = connected;
        for id in self.ids() {
            if let Some(query) = self.queries.get_mut(&id) {
                query.sent &= connected;
            }
            self.send(id, versions);
        }
    }

    fn ids(&self) -> Vec<u64> {
        self.queries.keys().copied().collect()
    }

    fn send(&mut self, id: u64, versions: Versions<'_>) {
        let query = self.queries.get_mut(&id);
        let Some(query) = query.filter(|query| self.connected && !query.sent) else {
            return;
        };
        query.sent = true;
        let known = query.results.as_ref().map(|keys| {
            let known = keys.iter().map(|key| (key.id.as_str(), versions(key)));
            known.collect()
        });
        let text = encode(&QueryMessage {
            a: query.action,
            id,
            c: &query.collection,
            q: query.query.as_ref(),
            o: query.options.as_ref(),
            r: known,
        });
        self.events.push(Event::Send(text));
    }

    // ---- Answers of the server ----

    /// The server answered a query (`qf`, `qs`).
    pub(crate) fn handle_answer(&mut self, message: &Incoming, error: Option<Error>) {
        let Some(id) = message.number() else {
            return;
        };
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        query.answer = Answer { list: false, error };
        if query.answer.error.is_none()
            && let Some(data) = &message.data
            && let Err(error) = self.take_results(id, data, message.extra.clone())
            && let Some(query) = self.queries.get_mut(&id)
        {
            query.answer.error = Some(error);
        }
        self.finish_answer(id);
    }

    fn take_results(&mut self, id: u64, data: &Json, extra: Option<Json>) -> Result<(), Error> {
        let Some(query) = self.queries.get_mut(&id) else {
            return Ok(());
        };
        let found = read_results(data, &query.collection)?;
        query.ingesting += found.len();
        // Otherwise they are the changes of the results that the query brought.
        if data.get().starts_with('[') {
            let mut keys = query.followed_by(&query.users);
            let results: Vec<DocKey> = found.iter().map(|(key, _)| key.clone()).collect();
            keys.extend(results.iter().cloned());
            query.results = Some(results);
            query.extra = extra;
            query.answer.list = true;
            for user in &mut query.users {
                user.departing.clear();
            }
            self.set_followers(id, keys);
        }
        let ingests = found.into_iter().map(|(key, snapshot)| Event::Ingest {
            key,
            snapshot,
            query: Some(id),
        });
        self.events.extend(ingests);
        Ok(())
    }

    /// A document took over a result's state, or could not.
    pub(crate) fn handle_ingested(&mut self, id: u64, error: Option<Error>) {
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        assert!(query.ingesting > 0, "a result is taken over once");
        query.ingesting -= 1;
        if query.answer.error.is_none() {
            query.answer.error = error;
        }
        self.finish_answer(id);
    }

    /// Tells the tabs the answer, once all its results were taken over.
    fn finish_answer(&mut self, id: u64) {
        let query = self.queries.get_mut(&id);
        let Some(query) = query.filter(|query| query.ingesting == 0) else {
            return;
        };
        let answer = std::mem::take(&mut query.answer);
        let is_fetch = query.action == QueryAction::Fetch;
        query.ready = true;
        match answer.error {
            Some(error) => return self.fail(id, &error),
            None => self.answer_users(id, answer.list),
        }
        if is_fetch {
            self.queries.remove(&id);
        }
    }

    fn fail(&mut self, id: u64, error: &Error) {
        if let Some(query) = self.queries.remove(&id) {
            let left = Followers::left(&query.users, query.followed_by(&query.users));
            self.events.push(Event::Follow(left));
            for User { tab, query_id, .. } in query.users {
                let event = QueryEvent::Failed(error.clone());
                self.events.push(Event::Tell {
                    tab,
                    query_id,
                    event,
                });
            }
        }
    }

    /// Tells the tabs an answer: the first one, or another one after a reconnect. `list`: the server gave the whole list.
    fn answer_users(&mut self, id: u64, list: bool) {
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        let mut answers = Vec::new();
        for user in &mut query.users {
            let is_first = !std::mem::replace(&mut user.answered, true);
            answers.push((user.tab.clone(), user.query_id, list || is_first));
        }
        let results = query.results.clone().unwrap_or_default();
        self.set_followers(id, results);
        for (tab, query_id, full) in answers {
            self.tell_results(id, tab, query_id, full);
        }
    }

    fn tell_results(&mut self, id: u64, tab: TabId, query_id: u64, full: bool) {
        if let Some(query) = self.queries.get(&id) {
            self.events.push(Event::Results {
                tab,
                query_id,
                results: query.results.clone(),
                extra: query.extra.clone(),
                full,
            });
        }
    }

    // ---- Updates of the server ----

    /// An update of a subscribed query (`q`).
    pub(crate) fn handle_update(&mut self, message: &Incoming, error: Option<Error>) {
        let Some(id) = message.number() else {
            return;
        };
        if let Some(error) = error {
            return self.tell_users(id, || QueryEvent::Error(error.clone()));
        }
        if let Some(diff) = &message.diff
            && let Err(error) = self.take_diff(id, diff)
        {
            self.tell_users(id, || QueryEvent::Error(error.clone()));
        }
        if let Some(extra) = &message.extra {
            if let Some(query) = self.queries.get_mut(&id) {
                query.extra = Some(extra.clone());
            }
            self.tell_users(id, || QueryEvent::Extra {
                extra: Some(extra.clone()),
            });
        }
    }

    fn take_diff(&mut self, id: u64, diff: &Json) -> Result<(), Error> {
        let Some(query) = self.queries.get(&id) else {
            return Ok(());
        };
        let mut found = Vec::new();
        let items = read_diff(diff, &query.collection, &mut found);
        // All new documents first: the events that follow may unsubscribe what they show.
        let ingests = found.into_iter().map(|(key, snapshot)| Event::Ingest {
            key,
            snapshot,
            query: None,
        });
        self.events.extend(ingests);
        let items = items?;
        self.change_results(id, &items);
        for (tab, query_id) in self.answered_users(id) {
            let items = items.clone();
            self.events.push(Event::Diff {
                tab,
                query_id,
                items,
            });
        }
        Ok(())
    }

    /// Applies an update to the results. Results that it removes depart; those that the update before it removed are
    /// gone.
    fn change_results(&mut self, id: u64, items: &[DiffItem<DocKey>]) {
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        let results = query.results.get_or_insert_default();
        let mut removed = Vec::new();
        let mut keys = Vec::new();
        for item in items {
            apply_diff(results, item, &mut removed);
            if let DiffItem::Insert { values, .. } = item {
                keys.extend(values.iter().cloned());
            }
        }
        keys.extend(removed.iter().cloned());
        for user in query.users.iter_mut().filter(|user| user.answered) {
            keys.extend(std::mem::replace(&mut user.departing, removed.clone()));
        }
        self.set_followers(id, keys);
    }

    /// Tells the tabs that had an answer; the others get the list as it is then.
    fn tell_users(&mut self, id: u64, event: impl Fn() -> QueryEvent) {
        for (tab, query_id) in self.answered_users(id) {
            let event = event();
            self.events.push(Event::Tell {
                tab,
                query_id,
                event,
            });
        }
    }

    fn answered_users(&self, id: u64) -> Vec<(TabId, u64)> {
        let users = self.queries.get(&id).map(|query| &query.users);
        let answered = users.into_iter().flatten().filter(|user| user.answered);
        answered
            .map(|user| (user.tab.clone(), user.query_id))
            .collect()
    }
}

/// The query with its keys in order, by which equal queries are found. A query nested too deeply to be read stands as its
/// text.
fn parsed(text: Option<&Json>) -> Option<Value> {
    let text = text?.get();
    Some(Value::parse(text).unwrap_or_else(|_| Value::from(text)))
}
