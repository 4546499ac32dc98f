//! Queries: what a tab asks, and the results as they change.

use proxy_doc::{Error, Json, Version, present, wire};

use super::TabSnapshot;

/// How a query is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryAction {
    /// Once.
    Fetch,
    /// And again with every change.
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
    /// How it is asked.
    pub action: QueryAction,
    /// The collection.
    pub collection: String,
    /// The query, as the server's database understands it; absent is `undefined`.
    pub query: Option<Json>,
    /// The options for the server.
    pub options: Option<Json>,
    /// The ids of the results that the application has already.
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

/// Something that happened to a query.
#[derive(Debug)]
pub enum QueryEvent {
    /// It has an answer.
    Results {
        /// All results; absent where they are as they were.
        docs: Option<Vec<QueryDoc>>,
        /// What the database added.
        extra: Option<Json>,
    },
    /// It failed, and is over.
    Failed(Error),
    /// An update failed.
    Error(Error),
    /// The results changed.
    Diff(Vec<DiffItem<QueryDoc>>),
    /// The database's addition changed; absent is `undefined`.
    Extra {
        /// The addition.
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
    /// The state, where the tab has none.
    pub snapshot: Option<TabSnapshot>,
    /// The server's version of it.
    pub version: Option<Version>,
}

wire!(struct QueryDoc {
    collection = "collection";
    id = "id";
    snapshot = "snapshot";
    version = "version";
});

/// A change of a list of results; ShareDB writes the kind inside, as `type`.
#[derive(Clone, Debug)]
pub enum DiffItem<D> {
    /// Results came in.
    Insert {
        /// Where.
        index: usize,
        /// Which.
        values: Vec<D>,
    },
    /// Results went.
    Remove {
        /// Where.
        index: usize,
        /// How many; 1 when absent.
        how_many: usize,
    },
    /// Results changed their place.
    Move {
        /// From where.
        from: usize,
        /// To where.
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
