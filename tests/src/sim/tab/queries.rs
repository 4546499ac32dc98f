//! A tab's queries, and documents that come and go, as the shim has them.

use broker::message::{DiffItem, QueryAction, QueryRequest};
use ot_json0::Value;
use proxy_connection::TabQueryEvent;
use proxy_doc::{DocHandle, DocKey, Error, Outcome, Token};

use super::{Tab, TabDoc, text_json};
use crate::random::Random;
use crate::sim::ledger::{Ledger, What};
use crate::sim::tab::crash::Called;

/// What is asked, in the language of the reference server.
const QUERIES: [&str; 6] = [
    "{}",
    r#"{"odd":true}"#,
    r#"{"odd":false}"#,
    r#"{"by":"n","count":true}"#,
    r#"{"by":"n","limit":1}"#,
    r#"{"odd":true,"by":"n","limit":1,"count":true}"#,
];
/// Queries that a tab has at a time.
const MAX_QUERIES: usize = 4;

/// A query as the application sees it.
#[derive(Debug)]
pub(in crate::sim) struct TabQuery {
    id: u64,
    pub(in crate::sim) action: QueryAction,
    pub(in crate::sim) collection: String,
    pub(in crate::sim) query: &'static str,
    pub(in crate::sim) results: Option<Vec<DocKey>>,
    /// What the database added, as JSON.
    pub(in crate::sim) extra: Option<String>,
    /// Its callback was not called.
    token: Option<Token>,
}

impl TabQuery {
    fn request(&self) -> QueryRequest {
        let ids = |results: &Vec<DocKey>| results.iter().map(|key| key.id.clone()).collect();
        QueryRequest {
            query_id: self.id,
            action: self.action,
            collection: self.collection.clone(),
            query: Some(text_json(self.query.to_owned())),
            options: None,
            results: self.results.as_ref().map(ids),
        }
    }
}

impl Tab {
    /// The application asks a query about the collection of this document. Says whether it did.
    pub(in crate::sim) fn ask_query(&mut self, ledger: &mut Ledger, doc: usize, seed: u64) -> bool {
        if self.queries.len() >= MAX_QUERIES || doc >= self.docs.len() {
            return false;
        }
        let mut r = Random::new(seed);
        let fetches = r.once_in(3);
        let query = TabQuery {
            id: self.next_query,
            action: if fetches {
                QueryAction::Fetch
            } else {
                QueryAction::Subscribe
            },
            collection: self.docs[doc].key.collection.clone(),
            query: r.pick::<&str>(&QUERIES),
            results: None,
            extra: None,
            token: Some(ledger.call(self.number, doc, What::Read)),
        };
        self.next_query += 1;
        let request = query.request();
        self.queries.push(query);
        ledger.count(true, "a tab asked a query");
        self.enter(ledger, |connection| connection.create_query(request));
        true
    }

    /// The application destroys a query. Says whether there was one.
    pub(in crate::sim) fn drop_query(&mut self, ledger: &mut Ledger, at: usize) -> bool {
        if at >= self.queries.len() {
            return false;
        }
        let query = self.queries.remove(at);
        ledger.count(
            query.token.is_some(),
            "a query was destroyed before its answer",
        );
        if let Some(token) = query.token {
            ledger.give_up(token);
        }
        self.enter(ledger, |connection| connection.destroy_query(query.id));
        true
    }

    /// The next host does not know what the last one was asked.
    pub(super) fn ask_queries_again(&mut self, ledger: &mut Ledger) {
        let requests: Vec<_> = self.queries.iter().map(TabQuery::request).collect();
        ledger.count(
            !requests.is_empty(),
            "a tab brought its queries to another host",
        );
        for request in requests {
            self.enter(ledger, |connection| connection.create_query(request));
        }
    }

    pub(super) fn hear_query(
        &mut self,
        ledger: &mut Ledger,
        id: u64,
        event: TabQueryEvent,
    ) -> Result<(), Error> {
        let Some(at) = self.queries.iter().position(|query| query.id == id) else {
            return Ok(());
        };
        let query = &mut self.queries[at];
        match event {
            TabQueryEvent::Results(keys, extra) => {
                if keys.is_some() || extra.is_some() {
                    query.extra = extra.map(|extra| extra.get().to_owned());
                }
                if let Some(keys) = keys {
                    query.results = Some(keys.clone());
                    self.open_all(&keys);
                }
                self.end_query(ledger, at, &Outcome::Done);
            }
            TabQueryEvent::Failed(error) => {
                ledger.count(true, "a query failed");
                self.end_query(ledger, at, &Outcome::Failed(error));
            }
            TabQueryEvent::Error(error) => {
                ledger.error(|| format!("tab {}: a query: {error}", self.number));
            }
            TabQueryEvent::Diff(items) => {
                ledger.count(true, "the results of a query changed");
                let results = query.results.get_or_insert_default();
                let mut came = Vec::new();
                for item in items {
                    if let Err(what) = change(results, item, &mut came) {
                        let text = format!("tab {}, query {id}: {what}", self.number);
                        ledger.problem(text);
                    }
                }
                self.open_all(&came);
            }
            TabQueryEvent::Extra(extra) => {
                query.extra = extra.map(|extra| extra.get().to_owned());
            }
        }
        Ok(())
    }

    fn end_query(&mut self, ledger: &mut Ledger, at: usize, outcome: &Outcome) {
        let query = &mut self.queries[at];
        if let Some(token) = query.token.take() {
            ledger.answered(token, outcome);
        }
        if query.action == QueryAction::Fetch || outcome.error().is_some() {
            self.queries.remove(at);
        }
    }

    // ---- Documents that come and go ----

    fn open_all(&mut self, keys: &[DocKey]) {
        for key in keys {
            if let Some(doc) = self.docs.iter().position(|doc| doc.key == *key) {
                self.open_doc(doc);
            }
        }
    }

    /// `connection.get`.
    pub(super) fn open_doc(&mut self, doc: usize) {
        self.docs[doc].closing = None;
        if !self.docs[doc].is_open {
            let handle = self.connection.get(self.docs[doc].key.clone());
            self.opened(doc, handle);
        }
    }

    /// A query brings a document: the application has it from now on.
    pub(super) fn bring(&mut self, ledger: &mut Ledger, handle: DocHandle, key: &DocKey) {
        let Some(doc) = self.docs.iter().position(|doc| doc.key == *key) else {
            return ledger.problem(format!("tab {}: brought {key}", self.number));
        };
        if !self.docs[doc].is_open {
            ledger.count(true, "a query opened a document");
            self.opened(doc, handle);
        } else if self.docs[doc].handle != handle {
            ledger.problem(format!("tab {}: {key} has two handles", self.number));
        }
    }

    fn opened(&mut self, doc: usize, handle: DocHandle) {
        self.last_handle = self.last_handle.max(handle.0);
        let key = self.docs[doc].key.clone();
        self.docs[doc] = TabDoc::new(key, handle);
    }

    /// `destroy`: when nothing is pending it unsubscribes, and leaves the connection then. Nobody asks for it again before
    /// something else is done with it.
    pub(super) fn close(&mut self, ledger: &mut Ledger, doc: usize) -> Result<(), Error> {
        let handle = self.docs[doc].handle;
        let Some(machine) = self.connection.doc(handle) else {
            return Ok(());
        };
        if machine.has_pending() || self.docs[doc].closing.is_some() {
            return Ok(());
        }
        if !machine.want_subscribe() {
            return self.forget(ledger, doc);
        }
        let token = ledger.call(self.number, doc, What::Read);
        self.docs[doc].closing = Some(token);
        self.remember(handle, Some(token), Called::Unsubscribe);
        self.call(ledger, |connection| {
            connection.unsubscribe(handle, Some(token))
        })
    }

    /// These calls have ended: a document may wait for that to leave.
    pub(super) fn close_after(
        &mut self,
        ledger: &mut Ledger,
        tokens: &[Token],
    ) -> Result<(), Error> {
        let waits = |doc: &TabDoc| doc.closing.is_some_and(|token| tokens.contains(&token));
        match self.docs.iter().position(waits) {
            Some(doc) => self.forget(ledger, doc),
            None => Ok(()),
        }
    }

    /// The application takes the document out of `connection.collections`. What it has submitted is sent as far as it can be.
    pub(super) fn abandon(&mut self, ledger: &mut Ledger, doc: usize) -> Result<(), Error> {
        let handle = self.docs[doc].handle;
        self.docs[doc].listeners.clear();
        let machine = self.connection.doc(handle);
        if machine.is_some_and(proxy_doc::Doc::has_write_pending) {
            ledger.count(true, "a document was removed with ops on their way");
            self.call(ledger, |connection| connection.abandon(handle))?;
        }
        let waits = |machine: &proxy_doc::Doc| machine.has_pending();
        ledger.count(
            self.connection.doc(handle).is_some_and(waits),
            "a document was removed with a read on its way",
        );
        // Nobody hears of the answers to its reads.
        for call in self.calls.iter().filter(|call| call.doc == handle) {
            ledger.give_up(call.token);
        }
        self.calls.retain(|call| call.doc != handle);
        self.forget(ledger, doc)
    }

    fn forget(&mut self, ledger: &mut Ledger, doc: usize) -> Result<(), Error> {
        let TabDoc { handle, key, .. } = &self.docs[doc];
        let (handle, key) = (*handle, key.clone());
        ledger.count(true, "a document was closed");
        self.later.retain(|(of, _)| *of != handle);
        self.docs[doc] = TabDoc::closed(key.clone());
        self.call(ledger, |connection| connection.destroy(handle))?;
        ledger.destroyed.push((self.id.clone(), key));
        Ok(())
    }
}

/// No document of a machine has this number.
const NO_HANDLE: DocHandle = DocHandle(u32::MAX - 1);

impl TabDoc {
    pub(super) fn new(key: DocKey, handle: DocHandle) -> Self {
        Self {
            key,
            handle,
            is_open: true,
            closing: None,
            exists: false,
            data: Value::Null,
            batches: Vec::new(),
            listeners: Vec::new(),
            version: None,
        }
    }

    /// One that the application does not have.
    pub(super) fn closed(key: DocKey) -> Self {
        Self {
            is_open: false,
            ..Self::new(key, NO_HANDLE)
        }
    }
}

/// Changes a list of results, as the shim does. Adds those that come to `came`.
fn change(
    results: &mut Vec<DocKey>,
    item: DiffItem<DocKey>,
    came: &mut Vec<DocKey>,
) -> Result<(), String> {
    let length = results.len();
    match item {
        DiffItem::Insert { index, values } if index <= length => {
            came.extend(values.iter().cloned());
            results.splice(index..index, values);
        }
        DiffItem::Remove { index, how_many } if index + how_many <= length => {
            results.drain(index..index + how_many);
        }
        DiffItem::Move { from, to, how_many }
            if from + how_many <= length && to + how_many <= length =>
        {
            let moved: Vec<DocKey> = results.drain(from..from + how_many).collect();
            results.splice(to..to, moved);
        }
        item => return Err(format!("{item:?} does not fit {results:?}")),
    }
    Ok(())
}
