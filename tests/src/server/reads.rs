//! Reads: of one document, of many, and of what a query finds; and which of them are refused.

use std::collections::BTreeMap;

use ot_json0::{Object, Str, Value};
use serde::{Deserialize, Serialize};

use super::database::CommittedOp;
use super::error::Failure;
use super::queries::{self, Change, Subscription};
use super::request::{Name, get, given};
use super::{Publication, Server, SessionId};

/// The documents that may not be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals(BTreeMap<(Str, Str), Refusal>);

/// Which reads of a document are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Those of its snapshot, as by a `readSnapshots` middleware with `rejectSnapshotRead`.
    Snapshots,
    /// Also those of ops that somebody lacks, as by an `op` middleware.
    Ops,
    /// All, as where the database fails.
    Everything,
}

#[derive(Clone, Debug)]
struct Refusal {
    error: Failure,
    reach: Reach,
}

impl Refusals {
    pub(super) fn set(&mut self, key: (Str, Str), code: Option<&str>, reach: Reach) {
        let error = code.map(|code| Failure::new(code, "may not be read"));
        match error {
            Some(error) => self.0.insert(key, Refusal { error, reach }),
            None => self.0.remove(&key),
        };
    }

    fn of(&self, c: &Str, d: &Str) -> Option<&Refusal> {
        self.0.get(&(c.clone(), d.clone()))
    }
}

impl Server {
    /// Fetches the snapshot, or sends the ops since a version.
    pub(super) fn read(
        &mut self,
        s: SessionId,
        c: &Name,
        d: &Name,
        request: &Object,
    ) -> Result<Object, Failure> {
        let mut reply = Object::new();
        match given(request, "v").and_then(Value::as_f64) {
            None => {
                if let Some(refusal) = self.refusals.of(&c.key(), &d.key()) {
                    return Err(refusal.error.clone());
                }
                let snapshot = self.database.snapshot(&c.key(), &d.key());
                reply.insert("data".into(), snapshot.to_value());
            }
            Some(v) => self.send_ops_from(s, c, &[(d.clone(), v)])?,
        }
        Ok(reply)
    }

    /// As [`Self::read`] for many: a list asks for snapshots, a map for the ops since each version.
    pub(super) fn read_bulk(
        &mut self,
        s: SessionId,
        c: &Name,
        request: &Object,
    ) -> Result<Object, Failure> {
        let mut reply = Object::new();
        match get(request, "b") {
            Some(Value::Array(ids)) => {
                let ids: Vec<Str> = ids.iter().filter_map(Value::as_str).cloned().collect();
                reply.insert("data".into(), self.snapshots(c, &ids)?.into());
            }
            Some(Value::Object(versions)) => {
                let versions = versions.iter();
                let from: Vec<(Name, f64)> = versions
                    .map(|(id, v)| (Name::Text(id.clone()), v.as_f64().unwrap_or(0.0)))
                    .collect();
                self.send_ops_from(s, c, &from)?;
            }
            _ => {}
        }
        Ok(reply)
    }

    /// Snapshots by id. One that is refused is an error in its place; where it is the only one, all of it is.
    fn snapshots(&self, c: &Name, ids: &[Str]) -> Result<Object, Failure> {
        let mut snapshots = Object::new();
        for id in ids {
            let snapshot = match self.refusals.of(&c.key(), id) {
                Some(refusal) if ids.len() == 1 => return Err(refusal.error.clone()),
                Some(refusal) => {
                    let error = ("error".into(), refusal.error.to_value());
                    Value::Object([error].into_iter().collect())
                }
                None => self.database.snapshot(&c.key(), id).to_value(),
            };
            snapshots.insert(id.clone(), snapshot);
        }
        Ok(snapshots)
    }

    fn send_ops_from(
        &mut self,
        s: SessionId,
        c: &Name,
        from: &[(Name, f64)],
    ) -> Result<(), Failure> {
        let mut all: Vec<(&Name, CommittedOp)> = Vec::new();
        for (d, v) in from {
            let ops = self.database.ops_from(&c.key(), &d.key(), *v);
            let refusal = self.refusals.of(&c.key(), &d.key());
            let least = if ops.is_empty() {
                Reach::Everything
            } else {
                Reach::Ops
            };
            if let Some(refusal) = refusal.filter(|refusal| refusal.reach >= least) {
                return Err(refusal.error.clone());
            }
            all.extend(ops.iter().map(|op| (d, op.clone())));
        }
        for (d, op) in all {
            self.send(s, op.message(c, d));
        }
        Ok(())
    }

    /// Subscribes the documents of a bulk request, but for those whose snapshots were refused.
    pub(super) fn subscribe_bulk(
        &mut self,
        s: SessionId,
        c: &Name,
        request: &Object,
        reply: &Object,
    ) {
        let data = get(reply, "data").and_then(Value::as_object);
        for id in bulk_ids(request) {
            let snapshot = data.and_then(|data| data.get(&id.key()));
            if snapshot.is_none_or(|snapshot| snapshot.get("error").is_none()) {
                self.session_mut(s).subscribe(c, &id);
            }
        }
    }

    /// ShareDB walks a list only: a map of versions unsubscribes nothing.
    pub(super) fn unsubscribe_bulk(&mut self, s: SessionId, c: &Name, request: &Object) {
        if matches!(get(request, "b"), Some(Value::Array(_))) {
            for id in bulk_ids(request) {
                self.session_mut(s).unsubscribe(c, &id);
            }
        }
    }

    // ---- Queries ----

    /// What the reply to a query contains, and the ids of its results.
    pub(super) fn query_results(
        &self,
        c: &Name,
        query: Option<&Value>,
    ) -> Result<(Object, queries::Found), Failure> {
        let (ids, extra) = queries::find(&self.database, &c.key(), query);
        self.check_results(c, &ids)?;
        let mut reply = Object::new();
        let results: Vec<Value> = ids.iter().map(|id| self.result(c, id)).collect();
        reply.insert("data".into(), results.into());
        if let Some(extra) = &extra {
            reply.insert("extra".into(), extra.clone());
        }
        Ok((reply, (ids, extra)))
    }

    /// One result that is refused has all of them refused.
    fn check_results(&self, c: &Name, ids: &[Str]) -> Result<(), Failure> {
        let mut refused = ids.iter().filter_map(|id| self.refusals.of(&c.key(), id));
        match refused.next() {
            Some(refusal) if ids.len() == 1 => Err(refusal.error.clone()),
            Some(_) => Err(Failure::reads_rejected()),
            None => Ok(()),
        }
    }

    fn result(&self, c: &Name, id: &Str) -> Value {
        let mut result = self.database.snapshot(&c.key(), id).to_value();
        if let Value::Object(fields) = &mut result {
            fields.insert("d".into(), id.clone().into());
        }
        result
    }

    /// Subscribes a query. One that brings its results gets what these lack, and how they changed.
    pub(super) fn subscribe_query(
        &mut self,
        s: SessionId,
        c: &Name,
        request: &Object,
    ) -> Result<Object, Failure> {
        let mut subscription = Subscription {
            id: get(request, "id").cloned().unwrap_or_default(),
            c: c.clone(),
            query: get(request, "q").cloned(),
            ids: Vec::new(),
            extra: None,
        };
        let key = queries::number(request);
        let Some(results) = queries::brought(request) else {
            let (reply, (ids, extra)) = self.query_results(c, subscription.query.as_ref())?;
            (subscription.ids, subscription.extra) = (ids, extra);
            self.session_mut(s).queries.insert(key, subscription);
            return Ok(reply);
        };
        let unknown = results.iter().filter(|(_, version)| version.is_none());
        let unknown: Vec<Str> = unknown.map(|(id, _)| id.clone()).collect();
        let known = results.iter();
        let known: Vec<(Name, f64)> = known
            .filter_map(|(id, version)| Some((Name::Text(id.clone()), (*version)?)))
            .collect();
        subscription.ids = results.iter().map(|(id, _)| id.clone()).collect();
        self.session_mut(s)
            .queries
            .insert(key.clone(), subscription);
        let mut reply = Object::new();
        if !unknown.is_empty() {
            reply.insert("data".into(), self.snapshots(c, &unknown)?.into());
        }
        self.send_ops_from(s, c, &known)?;
        self.poll_query(s, &key)?;
        Ok(reply)
    }

    /// Ops were published: the session's queries in their collections are asked again. What was in their results gets its
    /// op, also one that takes it out of them.
    pub(super) fn poll_queries(&mut self, s: SessionId, publications: &[Publication]) {
        let session = self.session_mut(s);
        let mut asked: Vec<(Str, &Publication, bool)> = Vec::new();
        for (key, query) in &session.queries {
            let in_collection = publications.iter().filter(|it| it.c == query.c);
            asked.extend(in_collection.map(|publication| {
                let Publication { d, op, .. } = publication;
                let is_told = query.ids.contains(&d.key()) && !session.is_author(&op.src);
                (key.clone(), publication, is_told)
            }));
        }
        for (key, Publication { c, d, op }, is_told) in asked {
            // Nobody is told that it failed.
            let _ = self.poll_query(s, &key);
            if is_told {
                self.send(s, op.message(c, d));
            }
        }
    }

    /// Sends a subscribed query how its results changed.
    ///
    /// # Errors
    /// A new result may not be read. The server takes it to be known all the same, as ShareDB does.
    fn poll_query(&mut self, s: SessionId, key: &Str) -> Result<(), Failure> {
        let Some(query) = self.session_mut(s).queries.get(key).cloned() else {
            return Ok(());
        };
        let (ids, extra) = queries::find(&self.database, &query.c.key(), query.query.as_ref());
        let changes = queries::changes(&query.ids, &ids);
        if let Some(now) = self.session_mut(s).queries.get_mut(key) {
            (now.ids, now.extra) = (ids, extra.clone());
        }
        let mut update = Object::new();
        update.insert("a".into(), "q".into());
        update.insert("id".into(), query.id.clone());
        if extra != query.extra {
            let mut news = update.clone();
            if let Some(extra) = extra {
                news.insert("extra".into(), extra);
            }
            self.send(s, news);
        }
        if changes.is_empty() {
            return Ok(());
        }
        let inserts = |change: &Change| match change {
            Change::Insert { ids, .. } => ids.clone(),
            Change::Remove { .. } | Change::Move { .. } => Vec::new(),
        };
        let inserted: Vec<Str> = changes.iter().flat_map(inserts).collect();
        self.check_results(&query.c, &inserted)?;
        let changes = changes.iter();
        let diff: Vec<Value> = changes
            .map(|change| change.to_value(|id| self.result(&query.c, id)))
            .collect();
        update.insert("diff".into(), diff.into());
        self.send(s, update);
        Ok(())
    }
}

/// The ids of a bulk request, listed or as the keys of a map.
fn bulk_ids(request: &Object) -> Vec<Name> {
    match get(request, "b") {
        Some(Value::Array(ids)) => ids
            .iter()
            .filter_map(Value::as_str)
            .map(|id| Name::Text(Str::clone(id)))
            .collect(),
        Some(Value::Object(versions)) => versions
            .iter()
            .map(|(id, _)| Name::Text(id.clone()))
            .collect(),
        _ => Vec::new(),
    }
}
