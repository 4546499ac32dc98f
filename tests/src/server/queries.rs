//! Queries, as the npm package's memory database answers them with the query function of `oracle/query.mjs`.
//!
//! A query is an object of these fields, each of which may be missing: `odd` (documents whose `n` is odd, or even), `by` (they
//! are sorted by this field, the highest first), `limit`, and `count` (how many there are is the `extra`). Documents
//! that are equal in that are sorted by their ids.
//!
//! What it refuses to do: send anything.

use std::cmp::Ordering;

use ot_json0::{Object, Str, Value};

use super::database::Database;
use super::request::{Name, get, given, truthy};

/// What a query gives: the ids of the documents, and what the database adds.
pub(super) type Found = (Vec<Str>, Option<Value>);

/// The documents of a collection that a query finds.
pub(super) fn find(database: &Database, collection: &Str, query: Option<&Value>) -> Found {
    let field = |name: &str| query.and_then(|query| query.get(name));
    let mut found: Vec<(Option<f64>, &Str)> = Vec::new();
    let by = field("by").and_then(Value::as_str).and_then(Str::to_str);
    for (id, data) in database.existing(collection) {
        let number = |name: &str| data.and_then(|data| data.get(name)?.as_f64());
        let is_odd = number("n").is_some_and(|n| n.rem_euclid(2.0) == 1.0);
        if field("odd").is_none_or(|odd| *odd == Value::Bool(is_odd)) {
            found.push((by.and_then(number), id));
        }
    }
    let rank = |(a, _): &(Option<f64>, &Str), (b, _): &(Option<f64>, &Str)| {
        let (a, b) = (a.unwrap_or(-1.0), b.unwrap_or(-1.0));
        b.partial_cmp(&a).unwrap_or(Ordering::Equal)
    };
    // The documents come sorted by their ids.
    found.sort_by(rank);
    let extra = truthy(field("count")).then(|| Value::Number(found.len() as f64));
    if let Some(limit) = field("limit").and_then(Value::as_f64) {
        found.truncate(limit as usize);
    }
    let ids = found.into_iter().map(|(_, id)| id.clone());
    (ids.collect(), extra)
}

/// A subscribed query of a session.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) id: Value,
    pub(super) c: Name,
    pub(super) query: Option<Value>,
    /// The results that the client was told of.
    pub(super) ids: Vec<Str>,
    pub(super) extra: Option<Value>,
}

/// What a client says of results that it has: their ids, and the version of each.
pub(super) fn brought(request: &Object) -> Option<Vec<(Str, Option<f64>)>> {
    let results = given(request, "r")?.as_array()?;
    let result = |result: &Value| {
        let result = result.as_array()?;
        let version = result.get(1).and_then(Value::as_f64);
        Some((result.first()?.as_str()?.clone(), version))
    };
    Some(results.iter().filter_map(result).collect())
}

/// How a list of results becomes another one.
#[derive(Debug)]
pub(super) enum Change {
    Remove { index: usize, count: usize },
    Move { from: usize, to: usize },
    Insert { index: usize, ids: Vec<Str> },
}

/// The changes, in the order in which they are to be made: what goes, what moves, what comes.
pub(super) fn changes(before: &[Str], after: &[Str]) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut now = before.to_vec();
    let mut index = 0;
    while index < now.len() {
        let gone = now[index..].iter().take_while(|id| !after.contains(id));
        let count = gone.count();
        if count > 0 {
            now.drain(index..index + count);
            changes.push(Change::Remove { index, count });
        }
        index += 1;
    }
    let stays = after.iter().filter(|id| before.contains(id));
    for (to, id) in stays.enumerate() {
        let from = now.iter().position(|one| one == id).unwrap_or(to);
        if from != to {
            let moved = now.remove(from);
            now.insert(to, moved);
            changes.push(Change::Move { from, to });
        }
    }
    let mut index = 0;
    while index < after.len() {
        let new = after[index..].iter().take_while(|id| !before.contains(id));
        let ids: Vec<Str> = new.cloned().collect();
        let next = index + ids.len() + 1;
        if !ids.is_empty() {
            changes.push(Change::Insert { index, ids });
        }
        index = next;
    }
    changes
}

impl Change {
    /// The change on the wire. `result`: a document as a result.
    pub(super) fn to_value(&self, result: impl Fn(&Str) -> Value) -> Value {
        let number = |n: usize| Value::Number(n as f64);
        let fields: Vec<(&str, Value)> = match self {
            Self::Remove { index, count } => vec![
                ("type", "remove".into()),
                ("index", number(*index)),
                ("howMany", number(*count)),
            ],
            Self::Move { from, to } => vec![
                ("type", "move".into()),
                ("from", number(*from)),
                ("to", number(*to)),
                ("howMany", number(1)),
            ],
            Self::Insert { index, ids } => vec![
                ("type", "insert".into()),
                ("index", number(*index)),
                ("values", ids.iter().map(result).collect::<Vec<_>>().into()),
            ],
        };
        let fields = fields.into_iter();
        Value::Object(fields.map(|(name, value)| (name.into(), value)).collect())
    }
}

/// The query's number, as a key.
pub(super) fn number(request: &Object) -> Str {
    let id = get(request, "id").cloned().unwrap_or_default();
    id.to_json().as_str().into()
}
