//! The tab's machine for JavaScript.

use std::rc::Rc;

use broker::message::{QueryAction, QueryRequest, SnapshotAt, decode};
use proxy_connection::{Predecessors, ProxyConnection, Survivors, Touched};
use proxy_doc::{
    Doc, DocHandle, DocKey, Error, Gather, Json, Line, OpId, Seq, Snapshot, Submission, Token,
    Version, codes, json, read_json,
};
use wasm_bindgen::prelude::*;

use crate::convert;
use crate::js::Array;
use crate::kinds::Sink;
use crate::number::count;
use crate::types::{JsTypes, TypesBridge, error_of};

/// A tab's connection. Documents go by the number that `get` gave them, callbacks by a token.
#[wasm_bindgen]
pub struct TabCore {
    pub(crate) inner: ProxyConnection,
}

/// The document that a tab's machine touched last. It is read when the machine has trapped.
#[wasm_bindgen]
pub struct TabTouched {
    inner: Rc<Touched>,
}

#[wasm_bindgen]
impl TabTouched {
    /// Its number; `undefined` where no document is to blame.
    pub fn look(&self) -> Option<u32> {
        self.inner.look().map(|handle| handle.0)
    }
}

pub(crate) fn token(token: Option<f64>) -> Option<Token> {
    token.map(|token| Token(count(token)))
}

pub(crate) fn parsed(text: String) -> Result<Json, JsValue> {
    json(text).map_err(|error| convert::error(&error))
}

fn optional(text: Option<String>) -> Result<Option<Json>, JsValue> {
    text.map(parsed).transpose()
}

#[wasm_bindgen]
impl TabCore {
    /// A connection in one of ShareDB's states.
    #[wasm_bindgen(constructor)]
    pub fn new(types: TypesBridge, state: &str) -> Self {
        Self {
            inner: ProxyConnection::new(Rc::new(JsTypes(types)), convert::state(state)),
        }
    }

    /// Ops do not compose into one of more than so many bytes of JSON.
    #[wasm_bindgen(js_name = limitOps)]
    pub fn limit_ops(&mut self, bytes: f64) {
        self.inner.limit_ops(bytes as usize);
    }

    /// How much is still to do: the mark for `poll` after the next call.
    pub fn depth(&self) -> usize {
        self.inner.depth()
    }

    /// Puts the next event above the mark into the sink. Says whether another one may follow; `undefined` where there
    /// was none.
    pub fn poll(&mut self, mark: usize, sink: &Sink) -> Option<bool> {
        let event = self.inner.poll(mark)?;
        convert::put_event(sink, &event);
        Some(self.inner.may_follow(mark))
    }

    /// What the last event ran threw. `true` where that ends in a hard rollback, `false` where the
    /// caller has to throw it on.
    pub fn threw(&mut self, mark: usize, thrown: JsValue) -> bool {
        self.inner.threw(mark, error_of(thrown))
    }

    /// One message of the host. Says whether an event may follow from it.
    #[wasm_bindgen(js_name = handleMessage)]
    pub fn handle_message(&mut self, text: &str) -> bool {
        let mark = self.inner.depth();
        self.inner.handle_message(text);
        self.inner.may_follow(mark)
    }

    /// See `ProxyConnection::touched`.
    pub fn touched(&self) -> TabTouched {
        TabTouched {
            inner: self.inner.touched(),
        }
    }

    /// See `ProxyConnection::quarantine`.
    pub fn quarantine(&mut self, doc: u32) {
        self.inner.quarantine(DocHandle(doc));
    }

    /// See `ProxyConnection::register`.
    pub fn register(&mut self) {
        self.inner.register();
    }

    /// See `ProxyConnection::offer_urls`.
    #[wasm_bindgen(js_name = offerUrls)]
    pub fn offer_urls(&mut self, visible: bool) {
        self.inner.offer_urls(visible);
    }

    /// See `ProxyConnection::answer_url`: a URL, or why there is none.
    #[wasm_bindgen(js_name = answerUrl)]
    pub fn answer_url(&mut self, round: f64, url: Option<String>, reason: String) {
        let answer = url.ok_or_else(|| Error::new(codes::ERR_URL_FAILED, reason));
        self.inner.answer_url(count(round), answer);
    }

    /// See `ProxyConnection::coordinate`.
    pub fn coordinate(&mut self) {
        self.inner.coordinate();
    }

    /// See `ProxyConnection::tell_coordination`; the text is not checked again.
    #[wasm_bindgen(js_name = tellCoordination)]
    pub fn tell_coordination(&mut self, ask: String) {
        self.inner.tell_coordination(Json::written(ask));
    }

    /// See `ProxyConnection::host_lost`.
    #[wasm_bindgen(js_name = hostLost)]
    pub fn host_lost(&mut self) {
        self.inner.host_lost();
    }

    /// See `ProxyConnection::reconnect`.
    pub fn reconnect(&mut self) {
        self.inner.reconnect();
    }

    /// See `ProxyConnection::close`.
    pub fn close(&mut self, at_once: bool, leave: bool) {
        self.inner.close(at_once, leave);
    }

    /// See `ProxyConnection::rebind`.
    pub fn rebind(&mut self, state: &str) {
        self.inner.rebind(convert::state(state));
    }

    /// See `ProxyConnection::succeed`.
    pub fn succeed(&mut self, predecessors: u32, next_seq: f64, next_doc: u32, line: Option<f64>) {
        self.inner.succeed(Predecessors {
            count: predecessors,
            next_seq: Seq(count(next_seq)),
            next_handle: next_doc,
            line: line.map(|line| Line(count(line))),
        });
    }

    /// See `ProxyConnection::recover`. `sent`: for each submission the seq of its op, its token, and 1 where it has a
    /// callback or 0; `lost`: the same without the seq.
    pub fn recover(&mut self, doc: u32, sent: Vec<f64>, lost: Vec<f64>) {
        let mut survivors = Survivors::default();
        for item in sent.chunks_exact(3) {
            let (seq, submission) = (Seq(count(item[0])), of(item[1], item[2] != 0.0));
            match survivors.sent.last_mut() {
                Some((last, submissions)) if *last == seq => submissions.push(submission),
                Some(_) | None => survivors.sent.push((seq, vec![submission])),
            }
        }
        let lost = lost.chunks_exact(2);
        survivors.lost = lost.map(|item| of(item[0], item[1] != 0.0)).gather();
        self.inner.recover(DocHandle(doc), survivors);
    }

    /// `connection.state`.
    #[wasm_bindgen(getter)]
    pub fn state(&self) -> String {
        self.inner.state().as_str().to_owned()
    }

    /// `connection.id`.
    #[wasm_bindgen(getter)]
    pub fn id(&self) -> Option<String> {
        self.inner.id().map(str::to_owned)
    }

    /// `connection.ping()`; throws an error array.
    pub fn ping(&mut self) -> Result<(), JsValue> {
        self.inner.ping().map_err(|error| convert::error(&error))
    }

    /// Asks the host for its status.
    #[wasm_bindgen(js_name = askStatus)]
    pub fn ask_status(&mut self, callback: f64, details: bool) {
        self.inner.ask_status(Token(count(callback)), details);
    }

    /// Asks the host's driver for something, in JSON.
    #[wasm_bindgen(js_name = askDriver)]
    pub fn ask_driver(&mut self, callback: f64, request: &str) {
        self.inner
            .ask_driver(Token(count(callback)), Json::trusted(request));
    }

    /// `connection.startBulk()`.
    #[wasm_bindgen(js_name = startBulk)]
    pub fn start_bulk(&mut self) {
        self.inner.start_bulk();
    }

    /// `connection.endBulk()`.
    #[wasm_bindgen(js_name = endBulk)]
    pub fn end_bulk(&mut self) {
        self.inner.end_bulk();
    }

    /// The number of a document.
    pub fn get(&mut self, collection: String, id: String) -> u32 {
        self.inner.get(DocKey { collection, id }).0
    }

    /// Ends the ops of a document that the application took out of its connection.
    pub fn abandon(&mut self, doc: u32) {
        self.inner.abandon(DocHandle(doc));
    }

    /// Forgets a document.
    pub fn destroy(&mut self, doc: u32) {
        self.inner.destroy(DocHandle(doc));
    }

    /// `doc.submitOp`; `op` is what `JSON.stringify` gave, and is not checked again. Throws an error array where
    /// `source` is not JSON.
    #[wasm_bindgen(js_name = submitOp)]
    pub fn submit_op(
        &mut self,
        doc: u32,
        op: String,
        source: Option<String>,
        submission: f64,
        callback: bool,
    ) -> Result<(), JsValue> {
        let (op, source) = (Json::written(op), optional(source)?);
        self.inner
            .submit_op(DocHandle(doc), &op, source, of(submission, callback));
        Ok(())
    }

    /// `doc.pendingOps.push`: `change` is JSON of `{op}`, `{create}` or `{del}`, `src` and `seq` the
    /// identity of an earlier life. Throws an error array where the op is none.
    #[wasm_bindgen(js_name = restoreOp)]
    pub fn restore_op(
        &mut self,
        doc: u32,
        change: &str,
        src: Option<String>,
        seq: Option<f64>,
        submission: f64,
        callback: bool,
    ) -> Result<(), JsValue> {
        let change = decode(change).map_err(|error| convert::error(&error))?;
        let earlier = seq.map(|seq| OpId {
            src,
            seq: Some(Seq(count(seq))),
        });
        self.inner
            .restore_op(DocHandle(doc), change, earlier, of(submission, callback))
            .map_err(|error| convert::error(&error))
    }

    /// `doc.create`; `data` as the op of `submitOp`, throws as it does.
    pub fn create(
        &mut self,
        doc: u32,
        type_name: String,
        data: Option<String>,
        source: Option<String>,
        submission: f64,
        callback: bool,
    ) -> Result<(), JsValue> {
        let (data, source) = (data.map(Json::written), optional(source)?);
        self.inner.create(
            DocHandle(doc),
            type_name,
            data,
            source,
            of(submission, callback),
        );
        Ok(())
    }

    /// `doc.del`; throws as `submitOp`.
    pub fn del(
        &mut self,
        doc: u32,
        source: Option<String>,
        submission: f64,
        callback: bool,
    ) -> Result<(), JsValue> {
        let source = optional(source)?;
        self.inner
            .del(DocHandle(doc), source, of(submission, callback));
        Ok(())
    }

    /// `doc.fetch`.
    pub fn fetch(&mut self, doc: u32, callback: Option<f64>) {
        self.inner.fetch(DocHandle(doc), token(callback));
    }

    /// `doc.subscribe`.
    pub fn subscribe(&mut self, doc: u32, callback: Option<f64>) {
        self.inner.subscribe(DocHandle(doc), token(callback));
    }

    /// `doc.unsubscribe`.
    pub fn unsubscribe(&mut self, doc: u32, callback: Option<f64>) {
        self.inner.unsubscribe(DocHandle(doc), token(callback));
    }

    /// `doc.ingestSnapshot`, or with `served` a snapshot that is the server's own; throws an error array where it is none.
    #[wasm_bindgen(js_name = ingestSnapshot)]
    pub fn ingest_snapshot(
        &mut self,
        doc: u32,
        snapshot: &str,
        served: bool,
        callback: Option<f64>,
    ) -> Result<(), JsValue> {
        let snapshot: Snapshot = read_json(snapshot)
            .map_err(|error| convert::error(&Error::badly_formed(error.to_string())))?;
        self.inner
            .ingest_snapshot(DocHandle(doc), snapshot, served, token(callback));
        Ok(())
    }

    /// A query, by the number that its events come with. `action` is `qf` or `qs`; query and
    /// options are JSON. Throws an error array where they are not.
    #[wasm_bindgen(js_name = createQuery)]
    pub fn create_query(
        &mut self,
        id: f64,
        action: &str,
        collection: String,
        query: Option<String>,
        options: Option<String>,
        results: Option<Vec<String>>,
    ) -> Result<(), JsValue> {
        let action = if action == "qs" {
            QueryAction::Subscribe
        } else {
            QueryAction::Fetch
        };
        let (query, options) = (optional(query)?, optional(options)?);
        let query_id = count(id);
        self.inner.create_query(QueryRequest {
            query_id,
            action,
            collection,
            query,
            options,
            results,
        });
        Ok(())
    }

    /// Forgets a query.
    #[wasm_bindgen(js_name = destroyQuery)]
    pub fn destroy_query(&mut self, id: f64) {
        self.inner.destroy_query(count(id));
    }

    /// `connection.fetchSnapshot`, or `fetchSnapshotByTimestamp` where `by_time`; collection and id
    /// are JSON. Throws an error array where they are not.
    #[wasm_bindgen(js_name = fetchSnapshot)]
    pub fn fetch_snapshot(
        &mut self,
        collection: String,
        id: String,
        by_time: bool,
        at: Option<f64>,
        callback: f64,
    ) -> Result<(), JsValue> {
        let (collection, id) = (parsed(collection)?, parsed(id)?);
        let at = at.map(count);
        let at = if by_time {
            SnapshotAt::Timestamp(at)
        } else {
            SnapshotAt::Version(at)
        };
        self.inner
            .fetch_snapshot(collection, id, at, Token(count(callback)));
        Ok(())
    }

    /// `doc.flush`.
    pub fn flush(&mut self, doc: u32) {
        self.inner.flush(DocHandle(doc));
    }

    /// `doc.flush` of a page that may have no later moment.
    #[wasm_bindgen(js_name = sendAhead)]
    pub fn send_ahead(&mut self, doc: u32) {
        self.inner.send_ahead(DocHandle(doc));
    }

    /// `doc.pause`.
    pub fn pause(&mut self, doc: u32) {
        self.inner.pause(DocHandle(doc));
    }

    /// `doc.resume`.
    pub fn resume(&mut self, doc: u32) {
        self.inner.resume(DocHandle(doc));
    }

    /// The next tick of an unsubscribe made offline.
    #[wasm_bindgen(js_name = finishUnsubscribe)]
    pub fn finish_unsubscribe(&mut self, doc: u32) {
        self.inner.finish_unsubscribe(DocHandle(doc));
    }

    /// A hard rollback because of what was thrown.
    #[wasm_bindgen(js_name = hardRollback)]
    pub fn hard_rollback(&mut self, doc: u32, thrown: JsValue) {
        self.inner.hard_rollback(DocHandle(doc), error_of(thrown));
    }

    /// `doc.version`.
    pub fn version(&self, doc: u32) -> Option<f64> {
        self.inner
            .version(DocHandle(doc))
            .map(|version| version.0 as f64)
    }

    /// Sets `doc.version`; throws an error array where a number is no version.
    #[wasm_bindgen(js_name = setVersion)]
    pub fn set_version(&mut self, doc: u32, version: Option<f64>) -> Result<(), JsValue> {
        let version = version.map(|number| {
            let version = count(number);
            let exact = version as f64 == number;
            exact.then_some(Version(version)).ok_or_else(|| {
                let error = Error::badly_formed("doc.version is null or a count");
                convert::error(&error)
            })
        });
        self.inner.set_version(DocHandle(doc), version.transpose()?);
        Ok(())
    }

    /// `doc.subscribed`.
    pub fn subscribed(&self, doc: u32) -> bool {
        self.read(doc, Doc::subscribed)
    }

    /// `doc.wantSubscribe`.
    #[wasm_bindgen(js_name = wantSubscribe)]
    pub fn want_subscribe(&self, doc: u32) -> bool {
        self.read(doc, Doc::want_subscribe)
    }

    /// `doc.paused`.
    pub fn paused(&self, doc: u32) -> bool {
        self.read(doc, Doc::paused)
    }

    /// `doc.hasPending()`.
    #[wasm_bindgen(js_name = hasPending)]
    pub fn has_pending(&self, doc: u32) -> bool {
        self.read(doc, Doc::has_pending)
    }

    /// `doc.hasWritePending()`.
    #[wasm_bindgen(js_name = hasWritePending)]
    pub fn has_write_pending(&self, doc: u32) -> bool {
        self.read(doc, Doc::has_write_pending)
    }

    /// `doc.preventCompose`.
    #[wasm_bindgen(js_name = preventCompose)]
    pub fn prevent_compose(&self, doc: u32) -> bool {
        self.read(doc, |doc| doc.prevent_compose)
    }

    /// Sets `doc.preventCompose`.
    #[wasm_bindgen(js_name = setPreventCompose)]
    pub fn set_prevent_compose(&mut self, doc: u32, on: bool) {
        if let Some(doc) = self.inner.doc_mut(DocHandle(doc)) {
            doc.prevent_compose = on;
        }
    }

    /// `doc.submitSource`.
    #[wasm_bindgen(js_name = submitSource)]
    pub fn submit_source(&self, doc: u32) -> bool {
        self.read(doc, |doc| doc.submit_source)
    }

    /// Sets `doc.submitSource`.
    #[wasm_bindgen(js_name = setSubmitSource)]
    pub fn set_submit_source(&mut self, doc: u32, on: bool) {
        if let Some(doc) = self.inner.doc_mut(DocHandle(doc)) {
            doc.submit_source = on;
        }
    }

    /// All ops without an end, oldest first, as arrays.
    pub fn unfinished(&self, doc: u32) -> Array {
        let ops = self
            .inner
            .doc(DocHandle(doc))
            .into_iter()
            .flat_map(Doc::unfinished);
        ops.map(convert::pending_op).collect()
    }

    fn read<R: Default>(&self, doc: u32, what: impl FnOnce(&Doc) -> R) -> R {
        self.inner.doc(DocHandle(doc)).map(what).unwrap_or_default()
    }
}

fn of(token: f64, callback: bool) -> Submission {
    Submission {
        token: Token(count(token)),
        callback,
    }
}
