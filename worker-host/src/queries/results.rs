//! Lists of results, and their changes, as the server writes them.

use broker::message::DiffItem;
use proxy_doc::{
    DocKey, Entries, Error, Gather, Json, Snapshot, SnapshotType, Version, present, wire,
};

use crate::server::wire::{lenient, name, unreadable, word};

/// Results with their states, in order.
pub(super) type Results = Vec<(DocKey, Snapshot)>;

/// A result.
#[derive(Debug)]
struct WireResult {
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

/// A change of the results. Which fields count depends on `kind`.
#[derive(Debug, Default)]
struct WireDiff {
    kind: String,
    index: Option<usize>,
    values: Option<Json>,
    how_many: Option<usize>,
    from: Option<usize>,
    to: Option<usize>,
}

wire!(read struct WireDiff {
    kind = "type" or String::new(), by word;
    index = "index", by lenient;
    values = "values";
    how_many = "howMany", by lenient;
    from = "from", by lenient;
    to = "to", by lenient;
});

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
}

/// Reads an answer's results: a list, or an object with results by id for a query that brought its own.
///
/// # Errors
/// `ERR_MESSAGE_BADLY_FORMED`.
pub(super) fn read_results(data: &Json, collection: &str) -> Result<Results, Error> {
    if data.get().starts_with('[') {
        return read_list(data, collection);
    }
    let Entries(items) = data
        .parse::<Entries<WireResult>>()
        .map_err(unreadable("query results"))?;
    let results = items.into_iter().map(|(id, result)| WireResult {
        d: Some(id),
        ..result
    });
    results.map(|result| result.split(collection)).collect()
}

fn read_list(values: &Json, collection: &str) -> Result<Results, Error> {
    let list: Vec<WireResult> = values.parse().map_err(unreadable("query results"))?;
    let results = list.into_iter();
    results.map(|result| result.split(collection)).collect()
}

/// Reads an update. What it brings is added to `found`, also where a later part of it cannot be read.
///
/// # Errors
/// `ERR_MESSAGE_BADLY_FORMED`.
pub(super) fn read_diff(
    diff: &Json,
    collection: &str,
    found: &mut Results,
) -> Result<Vec<DiffItem<DocKey>>, Error> {
    let diff: Vec<WireDiff> = diff.parse().map_err(unreadable("query diff"))?;
    let mut items = Vec::new();
    for item in &diff {
        items.extend(read_item(item, collection, found)?);
    }
    Ok(items)
}

/// An unknown kind is no change, and an index that is no number is 0, as in the stock client.
fn read_item(
    item: &WireDiff,
    collection: &str,
    found: &mut Results,
) -> Result<Option<DiffItem<DocKey>>, Error> {
    let how_many = item.how_many.filter(|count| *count > 0).unwrap_or(1);
    Ok(Some(match item.kind.as_str() {
        "insert" => {
            let results = item.values.as_ref();
            let results = results.map(|values| read_list(values, collection));
            let results = results.transpose()?.unwrap_or_default();
            let values = results.iter().map(|(key, _)| key.clone()).gather();
            found.extend(results);
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

/// The documents that an update brings, as far as it can be read.
pub(super) fn named_in_diff(diff: &Json, collection: &str) -> Vec<DocKey> {
    let diff: Vec<WireDiff> = diff.parse().unwrap_or_default();
    let lists = diff.iter().filter_map(|item| item.values.as_ref());
    let results = lists.flat_map(|values| read_list(values, collection).unwrap_or_default());
    results.map(|(key, _)| key).gather()
}

/// Changes a list of results. Adds the removed ones to `removed`. An index beyond the end stands for the end.
pub(super) fn apply_diff(
    results: &mut Vec<DocKey>,
    item: &DiffItem<DocKey>,
    removed: &mut Vec<DocKey>,
) {
    let range = |index: usize, how_many: usize, length: usize| {
        index.min(length)..index.saturating_add(how_many).min(length)
    };
    match item {
        DiffItem::Insert { index, values } => {
            let at = range(*index, 0, results.len());
            results.splice(at, values.iter().cloned());
        }
        DiffItem::Remove { index, how_many } => {
            removed.extend(results.drain(range(*index, *how_many, results.len())));
        }
        DiffItem::Move { from, to, how_many } => {
            let moved = results.drain(range(*from, *how_many, results.len()));
            let moved: Vec<DocKey> = moved.gather();
            let to = range(*to, 0, results.len());
            results.splice(to, moved);
        }
    }
}
