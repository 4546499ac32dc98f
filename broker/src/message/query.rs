//! Queries: a tab's requests, and the host's events of their results.

use proxy_doc::{Error, Json, Version, present, wire};

use super::TabSnapshot;

/// Whether a query is live. The names are ShareDB's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryAction {
    /// The results once.
    Fetch,
    /// The results, and every change of them.
    Subscribe,
}

wire!(
    enum QueryAction {
        Fetch = "qf",
        Subscribe = "qs",
    }
);

/// A query of a tab.
#[derive(Debug)]
pub struct QueryRequest {
    /// The tab's number of the query.
    pub query_id: u64,
    /// Fetch or subscribe.
    pub action: QueryAction,
    /// The collection.
    pub collection: String,
    /// The query, as the server's database understands it; absent is `undefined`.
    pub query: Option<Json>,
    /// The options for the server.
    pub options: Option<Json>,
    /// The ids of results that the application holds already.
    pub results: Option<Vec<String>>,
}

wire!(struct QueryRequest {
    query_id = "queryId";
    action = "action";
    collection = "collection";
    query = "query", by present;
    options = "options";
    results = "results";
});

/// An event of a query.
#[derive(Debug)]
pub enum QueryEvent {
    /// The query's answer.
    Results {
        /// All results; absent where they are unchanged.
        docs: Option<Vec<QueryDoc>>,
        /// The database's extra, such as a count.
        extra: Option<Json>,
    },
    /// The query failed and has ended.
    Failed(Error),
    /// An update failed; the query goes on.
    Error(Error),
    /// The results changed.
    Diff(Vec<DiffItem<QueryDoc>>),
    /// The database's extra changed.
    Extra {
        /// The new extra; absent is `undefined`.
        extra: Option<Json>,
    },
}

wire!(enum QueryEvent {
    Results = "results" { docs = "docs"; extra = "extra", by present },
    Failed = "failed" (Error),
    Error = "error" (Error),
    Diff = "diff" (Vec<DiffItem<QueryDoc>>),
    Extra = "extra" { extra = "extra", by present },
});

/// A result of a query.
#[derive(Clone, Debug)]
pub struct QueryDoc {
    /// The collection.
    pub collection: String,
    /// The id.
    pub id: String,
    /// The document's state, where the tab has none.
    pub snapshot: Option<TabSnapshot>,
    /// The server's version of that state.
    pub version: Option<Version>,
}

wire!(struct QueryDoc {
    collection = "collection";
    id = "id";
    snapshot = "snapshot";
    version = "version";
});

/// A change of a list of results. On ShareDB's wire the kind is inside, as `type`.
#[derive(Clone, Debug)]
pub enum DiffItem<D> {
    /// Results were added.
    Insert {
        /// The index of the first.
        index: usize,
        /// The results.
        values: Vec<D>,
    },
    /// Results were removed.
    Remove {
        /// The index of the first.
        index: usize,
        /// How many; 1 when absent.
        how_many: usize,
    },
    /// Results were moved.
    Move {
        /// The index of the first, before.
        from: usize,
        /// The index of the first, after.
        to: usize,
        /// How many; 1 when absent.
        how_many: usize,
    },
}

wire!(enum DiffItem<QueryDoc> {
    Insert = "insert" { index = "index"; values = "values" },
    Remove = "remove" { index = "index"; how_many = "howMany" or 1 },
    Move = "move" { from = "from"; to = "to"; how_many = "howMany" or 1 },
});
