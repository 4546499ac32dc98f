//! Queries (`lib/client/query.js`).
//!
//! Equal subscribed queries are one query on the wire, whoever asked. A query that brings its own
//! results is sent for itself, since only the server can tell what changed in them.

mod followers;

use broker::message::{DiffItem, QueryAction, QueryDoc, QueryEvent, QueryRequest, ToTab, encode};
use ot_json0::Value;
use proxy_doc::{
    DocHandle, DocKey, Entries, Error, Json, Outcome, Snapshot, SnapshotType, TabId, Version,
    present, wire,
};

use crate::host::{Host, Waiting};
use crate::server::wire::{Incoming, WireDiff, lenient, name, unreadable};

/// A query on the wire, and the tabs that use it.
pub(crate) struct Query {
    action: QueryAction,
    collection: String,
    query: Option<Json>,
    options: Option<Json>,
    /// Query and options, to compare.
    meaning: (Option<Value>, Option<Value>),
    /// The application brought results: nobody joins before the first answer.
    own_results: bool,
    results: Option<Vec<DocKey>>,
    extra: Option<Json>,
    sent: bool,
    ready: bool,
    /// Results that are being taken over, and the answer for when they are.
    ingesting: usize,
    answer: QueryAnswer,
    users: Vec<User>,
}

impl Query {
    /// What it asks for: action, collection, query and options.
    pub(crate) fn asks(&self) -> (QueryAction, &str, Option<&Json>, Option<&Json>) {
        let (query, options) = (self.query.as_ref(), self.options.as_ref());
        (self.action, &self.collection, query, options)
    }
}

struct User {
    tab: TabId,
    query_id: u64,
    /// It has results, and is told how they change: by an answer, or because it brought them along.
    answered: bool,
    /// What the last update that the tab was told of removed. The server sends the op that took a document
    /// out of the results after that update.
    departing: Vec<DocKey>,
}

/// What the answer that is being taken over brings.
#[derive(Default)]
struct QueryAnswer {
    /// The list was given anew.
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

/// A result as the server writes it.
#[derive(Debug)]
pub(crate) struct WireResult {
    c: Option<String>,
    d: Option<String>,
    v: Option<Version>,
    ty: SnapshotType,
    data: Option<Json>,
}

wire!(read struct WireResult {
    c = "c", by name;
    d = "d", by name;
    v = "v", by lenient;
    ty = "type";
    data = "data", by present;
});

type Results = Vec<(DocKey, Snapshot)>;

impl WireResult {
    fn split(self, collection: &str) -> Result<(DocKey, Snapshot), Error> {
        let Some(id) = self.d else {
            return Err(Error::badly_formed(
                "Query result from server without an id",
            ));
        };
        let key = DocKey {
            collection: self.c.unwrap_or_else(|| collection.to_owned()),
            id,
        };
        let snapshot = Snapshot {
            v: self.v,
            ty: self.ty,
            data: self.data,
        };
        Ok((key, snapshot))
    }

    /// A list of results.
    fn list(values: &Json, collection: &str) -> Result<Results, Error> {
        let list: Vec<Self> = values.parse().map_err(unreadable("query results"))?;
        let results = list.into_iter();
        results.map(|result| result.split(collection)).collect()
    }

    /// Results by id, for a query that brought its own.
    fn by_id(data: &Json, collection: &str) -> Result<Results, Error> {
        let Entries(items) = data
            .parse::<Entries<Self>>()
            .map_err(unreadable("query results"))?;
        let results = items.into_iter().map(|(id, result)| Self {
            d: Some(id),
            ..result
        });
        results.map(|result| result.split(collection)).collect()
    }
}

impl Host {
    // ---- From tabs ----

    pub(crate) fn create_query(&mut self, tab: &TabId, request: QueryRequest) {
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
            return self.join_query(id, user);
        }
        let collection = request.collection;
        let key = |id: String| DocKey {
            collection: collection.clone(),
            id,
        };
        let results: Option<Vec<DocKey>> = request
            .results
            .map(|ids| ids.into_iter().map(key).collect());
        let id = self.next_query_id;
        self.next_query_id += 1;
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
            answer: QueryAnswer::default(),
            users: vec![user],
            collection,
        };
        let brought = query.results.clone().unwrap_or_default();
        self.queries.insert(id, query);
        for key in &brought {
            self.meet_result(key, tab);
        }
        self.place_followers(id, brought);
        self.send_query(id);
    }

    fn join_query(&mut self, id: u64, user: User) {
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        query.users.push(user);
        if query.ready && query.ingesting == 0 {
            self.answer_joined(id);
        }
    }

    pub(crate) fn destroy_query(&mut self, tab: &TabId, query_id: u64) {
        let own = |user: &User| user.tab == *tab && user.query_id == query_id;
        let id = self
            .queries
            .iter()
            .find(|(_, query)| query.users.iter().any(own))
            .map(|(id, _)| *id);
        if let Some(id) = id {
            self.drop_users(id, own);
        }
    }

    pub(crate) fn leave_queries(&mut self, tab: &TabId) {
        let ids: Vec<u64> = self.queries.keys().copied().collect();
        for id in ids {
            self.drop_users(id, |user| user.tab == *tab);
        }
        self.past_snapshots.retain(|_, past| !past.is_for(tab));
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
        let followed = query.followed_by(&gone);
        if query.users.is_empty() {
            self.end_query(id);
        }
        self.remove_followers(&gone, &followed);
    }

    fn end_query(&mut self, id: u64) {
        let Some(query) = self.queries.remove(&id) else {
            return;
        };
        if query.action == QueryAction::Subscribe && query.sent && self.connected() {
            let text = format!(r#"{{"a":"qu","id":{id}}}"#);
            self.send(text);
        }
    }

    /// The document's use may have changed.
    pub(crate) fn touch(&mut self, key: &DocKey) {
        if let Some(handle) = self.docs.find(key) {
            self.docs.touch(handle);
        }
    }

    /// Whether a query has the document among its results.
    pub(crate) fn is_result(&self, key: &DocKey) -> bool {
        let results = self
            .queries
            .values()
            .filter_map(|query| query.results.as_ref());
        results.flatten().any(|result| result == key)
    }

    // ---- To the server ----

    /// The connection came or went.
    pub(crate) fn resend_queries(&mut self) {
        let connected = self.connected();
        let ids: Vec<u64> = self.queries.keys().copied().collect();
        for id in ids {
            if let Some(query) = self.queries.get_mut(&id)
                && !connected
            {
                query.sent = false;
            }
            self.send_query(id);
        }
    }

    fn send_query(&mut self, id: u64) {
        let connected = self.connected();
        let Some(query) = self
            .queries
            .get_mut(&id)
            .filter(|query| connected && !query.sent)
        else {
            return;
        };
        query.sent = true;
        let version = |key: &DocKey| self.docs.at(key)?.doc.version();
        let known = query.results.as_ref();
        let text = encode(&QueryMessage {
            a: query.action,
            id,
            c: &query.collection,
            q: query.query.as_ref(),
            o: query.options.as_ref(),
            r: known.map(|keys| {
                keys.iter()
                    .map(|key| (key.id.as_str(), version(key)))
                    .collect()
            }),
        });
        self.send(text);
    }

    // ---- From the server ----

    pub(crate) fn handle_query_answer(&mut self, message: &Incoming, error: Option<Error>) {
        let Some(id) = message.number() else {
            return;
        };
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        query.answer = QueryAnswer { list: false, error };
        // Held until everything is handed over: the last result may be taken over at once.
        query.ingesting += 1;
        if query.answer.error.is_none()
            && let Some(data) = &message.data
            && let Err(error) = self.take_results(id, data, message.extra.clone())
            && let Some(query) = self.queries.get_mut(&id)
        {
            query.answer.error = Some(error);
        }
        self.result_ingested(id, None);
    }

    fn take_results(&mut self, id: u64, data: &Json, extra: Option<Json>) -> Result<(), Error> {
        let Some(query) = self.queries.get(&id) else {
            return Ok(());
        };
        let is_list = data.get().starts_with('[');
        let found = if is_list {
            WireResult::list(data, &query.collection)?
        } else {
            WireResult::by_id(data, &query.collection)?
        };
        if is_list && let Some(query) = self.queries.get_mut(&id) {
            let mut keys = query.followed_by(&query.users);
            let results: Vec<DocKey> = found.iter().map(|(key, _)| key.clone()).collect();
            keys.extend(results.iter().cloned());
            query.results = Some(results);
            query.extra = extra;
            query.answer.list = true;
            for user in &mut query.users {
                user.departing.clear();
            }
            self.place_followers(id, keys);
        }
        for (key, snapshot) in found {
            self.ingest_result(key, snapshot, Some(id));
        }
        Ok(())
    }

    /// The documents that a message about a query brings.
    pub(crate) fn named_by_query(&self, message: &Incoming) -> Vec<DocKey> {
        let id = message.number().filter(|_| message.a.starts_with('q'));
        let Some(query) = id.and_then(|id| self.queries.get(&id)) else {
            return Vec::new();
        };
        let collection = &query.collection;
        let list = |values: &Json| WireResult::list(values, collection).unwrap_or_default();
        let mut found = Vec::new();
        if let Some(data) = &message.data {
            found.extend(WireResult::by_id(data, collection).unwrap_or_default());
            found.extend(list(data));
        }
        let diff = message.diff.as_ref().map(Json::parse::<Vec<WireDiff>>);
        for item in diff.into_iter().flatten().flatten() {
            found.extend(item.values.iter().flat_map(list));
        }
        found.into_iter().map(|(key, _)| key).collect()
    }

    fn ingest_result(&mut self, key: DocKey, snapshot: Snapshot, query: Option<u64>) -> DocHandle {
        let handle = self.open(key);
        let token = query.map(|id| {
            if let Some(query) = self.queries.get_mut(&id) {
                query.ingesting += 1;
            }
            self.token(Waiting::Query { id })
        });
        self.act(handle, |doc, up| {
            doc.ingest_snapshot(up, Some(snapshot), token)
        });
        handle
    }

    /// One result was taken over; after the last one the tabs get their answer.
    pub(crate) fn result_ingested(&mut self, id: u64, error: Option<Error>) {
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        query.ingesting = query.ingesting.saturating_sub(1);
        if query.answer.error.is_none() {
            query.answer.error = error;
        }
        if query.ingesting > 0 {
            return;
        }
        let answer = std::mem::take(&mut query.answer);
        query.ready = true;
        if let Some(error) = answer.error {
            return self.fail_query(id, &error);
        }
        self.answer_users(id, answer.list);
        if self
            .queries
            .get(&id)
            .is_some_and(|query| query.action == QueryAction::Fetch)
        {
            self.queries.remove(&id);
        }
    }

    fn fail_query(&mut self, id: u64, error: &Error) {
        if let Some(query) = self.queries.remove(&id) {
            self.remove_followers(&query.users, &query.followed_by(&query.users));
            for User { tab, query_id, .. } in query.users {
                let event = QueryEvent::Failed(error.clone());
                self.tell(&tab, ToTab::Query { query_id, event });
            }
        }
    }

    /// Gives the tabs an answer: the first one, or another one after a reconnect.
    /// `list`: the server gave all results anew.
    fn answer_users(&mut self, id: u64, list: bool) {
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        let mut answers = Vec::new();
        for user in &mut query.users {
            let first = !std::mem::replace(&mut user.answered, true);
            let full = list || first;
            answers.push((user.tab.clone(), user.query_id, full));
        }
        let results = query.results.clone().unwrap_or_default();
        self.place_followers(id, results);
        for (tab, query_id, full) in answers {
            self.send_results(id, &tab, query_id, full);
        }
    }

    /// The answer for a tab that joined a query which has one.
    fn answer_joined(&mut self, id: u64) {
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        let Some(user) = query.users.last_mut() else {
            return;
        };
        user.answered = true;
        let (tab, query_id) = (user.tab.clone(), user.query_id);
        let results = query.results.clone().unwrap_or_default();
        self.place_followers(id, results);
        self.send_results(id, &tab, query_id, true);
    }

    fn send_results(&mut self, id: u64, tab: &TabId, query_id: u64, full: bool) {
        let Some(query) = self.queries.get(&id) else {
            return;
        };
        let keys = query.results.clone();
        let extra = query.extra.clone();
        let docs = keys.map(|keys| self.results_for(&keys, tab));
        // To a tab that has results, and was told every change, the list says nothing new.
        let docs = docs.filter(|docs| full || docs.iter().any(|doc| doc.snapshot.is_some()));
        self.tell(
            tab,
            ToTab::Query {
                query_id,
                event: QueryEvent::Results { docs, extra },
            },
        );
    }

    /// The results as one tab needs them: with a state where it has none.
    fn results_for(&mut self, keys: &[DocKey], tab: &TabId) -> Vec<QueryDoc> {
        keys.iter().map(|key| self.result_for(key, tab)).collect()
    }

    /// The tab knows a document that is in one of its queries.
    fn meet_result(&mut self, key: &DocKey, tab: &TabId) -> DocHandle {
        let handle = self.open(key.clone());
        self.docs.touch(handle);
        if let Some(host_doc) = self.docs.get_mut(handle) {
            host_doc.hub.meet(tab);
        }
        handle
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

    /// An update of a subscribed query.
    pub(crate) fn handle_query_update(&mut self, message: &Incoming, error: Option<Error>) {
        let Some(id) = message.number().filter(|id| self.queries.contains_key(id)) else {
            return;
        };
        if let Some(error) = error {
            return self.tell_users(id, |_, _| QueryEvent::Error(error.clone()));
        }
        if let Some(diff) = &message.diff
            && let Err(error) = self.take_diff(id, diff)
        {
            self.tell_users(id, |_, _| QueryEvent::Error(error.clone()));
        }
        if let Some(extra) = &message.extra {
            if let Some(query) = self.queries.get_mut(&id) {
                query.extra = Some(extra.clone());
            }
            self.tell_users(id, |_, _| QueryEvent::Extra {
                extra: Some(extra.clone()),
            });
        }
    }

    fn take_diff(&mut self, id: u64, diff: &Json) -> Result<(), Error> {
        // All new documents first: the events that follow may unsubscribe what they show.
        let Some(collection) = self.queries.get(&id).map(|query| query.collection.clone()) else {
            return Ok(());
        };
        let diff: Vec<WireDiff> = diff.parse().map_err(unreadable("query diff"))?;
        let items = diff
            .iter()
            .map(|item| self.take_diff_item(&collection, item));
        let items: Vec<Option<DiffItem<DocKey>>> = items.collect::<Result<_, Error>>()?;
        let items: Vec<DiffItem<DocKey>> = items.into_iter().flatten().collect();
        self.change_results(id, &items);
        self.tell_users(id, |host, tab| {
            QueryEvent::Diff(items.iter().map(|item| host.diff_for(item, tab)).collect())
        });
        Ok(())
    }

    /// Applies an update to the results. What it removes departs, what the update before it removed is gone.
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
        self.place_followers(id, keys);
    }

    /// An unknown kind is no change, and an index that is no number is 0, as in the stock client.
    fn take_diff_item(
        &mut self,
        collection: &str,
        item: &WireDiff,
    ) -> Result<Option<DiffItem<DocKey>>, Error> {
        let how_many = item.how_many.filter(|count| *count > 0).unwrap_or(1);
        Ok(Some(match item.kind.as_str() {
            "insert" => {
                let given = item.values.iter();
                let found = given.map(|values| WireResult::list(values, collection));
                let found: Vec<Results> = found.collect::<Result<_, Error>>()?;
                let mut values = Vec::new();
                for (key, snapshot) in found.into_iter().flatten() {
                    values.push(key.clone());
                    self.ingest_result(key, snapshot, None);
                }
                DiffItem::Insert {
                    index: item.index.unwrap_or_default(),
                    values,
                }
            }
            "remove" => DiffItem::Remove {
                index: item.index.unwrap_or_default(),
                how_many,
            },
            "move" => DiffItem::Move {
                from: item.from.unwrap_or_default(),
                to: item.to.unwrap_or_default(),
                how_many,
            },
            _ => return Ok(None),
        }))
    }

    fn diff_for(&mut self, item: &DiffItem<DocKey>, tab: &TabId) -> DiffItem<QueryDoc> {
        match item {
            DiffItem::Insert { index, values } => DiffItem::Insert {
                index: *index,
                values: self.results_for(values, tab),
            },
            DiffItem::Remove { index, how_many } => DiffItem::Remove {
                index: *index,
                how_many: *how_many,
            },
            DiffItem::Move { from, to, how_many } => DiffItem::Move {
                from: *from,
                to: *to,
                how_many: *how_many,
            },
        }
    }

    /// Tells the tabs that had an answer; the others get the list as it is then.
    fn tell_users(&mut self, id: u64, event: impl Fn(&mut Self, &TabId) -> QueryEvent) {
        let Some(query) = self.queries.get(&id) else {
            return;
        };
        let answered = query.users.iter().filter(|user| user.answered);
        let users: Vec<(TabId, u64)> = answered
            .map(|user| (user.tab.clone(), user.query_id))
            .collect();
        for (tab, query_id) in users {
            let event = event(self, &tab);
            self.tell(&tab, ToTab::Query { query_id, event });
        }
    }

    /// What came of taking over a result, from the document's machine.
    pub(crate) fn finish_ingest(&mut self, id: u64, outcome: &Outcome) {
        self.result_ingested(id, outcome.error().cloned());
    }
}

/// What a query means, whatever the order of its keys; where it is nested too deeply to be read, its text.
fn parsed(text: Option<&Json>) -> Option<Value> {
    let text = text?.get();
    Some(Value::parse(text).unwrap_or_else(|_| Value::from(text)))
}

/// Changes a list of results; what leaves it for good is added to `removed`.
fn apply_diff(results: &mut Vec<DocKey>, item: &DiffItem<DocKey>, removed: &mut Vec<DocKey>) {
    let clamp = |index: usize, length: usize| index.min(length);
    match item {
        DiffItem::Insert { index, values } => {
            let at = clamp(*index, results.len());
            results.splice(at..at, values.iter().cloned());
        }
        DiffItem::Remove { index, how_many } => {
            let at = clamp(*index, results.len());
            let end = clamp(at.saturating_add(*how_many), results.len());
            removed.extend(results.drain(at..end));
        }
        DiffItem::Move { from, to, how_many } => {
            let at = clamp(*from, results.len());
            let end = clamp(at.saturating_add(*how_many), results.len());
            let moved: Vec<DocKey> = results.drain(at..end).collect();
            let to = clamp(*to, results.len());
            results.splice(to..to, moved);
        }
    }
}
