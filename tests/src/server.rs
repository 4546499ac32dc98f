//! A small ShareDB 7.0.0 server for the simulator: documents, subscriptions, submitted ops with their
//! transforms, duplicates, fixups and errors, as the npm package's backend with its memory database
//! answers them. `tests/recordings.rs` compares it with recordings of the real one.
//!
//! It has no clock, no randomness and no transport. Each message is worked off before the next; a real
//! server may let a quick reply (a ping's) overtake a slow one (an ack). It has one type, json0, and
//! neither projections, presence in documents nor snapshots by version or time: their requests are checked
//! like all others and then answered as unknown messages.

mod database;
mod error;
mod json0;
mod presence;
mod queries;
mod reads;
mod request;
mod session;
mod submit;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ot_json0::{Object, Str, Value};
use proxy_doc::DocKey;

pub use database::{CommittedOp, OpKind, Snapshot};
pub use reads::Reach;

use database::Database;
use error::Failure;
use reads::Refusals;
use request::{Name, get, truthy};
use session::Session;
use submit::{Faults, Submission};

/// Which connection a message came from or goes to. Never used again after its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u64);

/// The server: its database, its sessions and the messages that wait to be sent.
#[derive(Clone, Debug, Default)]
pub struct Server {
    database: Database,
    sessions: BTreeMap<SessionId, Session>,
    outbox: VecDeque<(SessionId, String)>,
    faults: Faults,
    refusals: Refusals,
    /// Committed ops that subscribers are still to be sent.
    held: VecDeque<Publication>,
    /// Documents of which an op was refused.
    with_refused_ops: BTreeSet<(Str, Str)>,
    connections: u64,
}

/// A committed op under the names that its document was given.
#[derive(Clone, Debug)]
struct Publication {
    c: Name,
    d: Name,
    op: CommittedOp,
}

impl Server {
    /// A server with an empty database.
    pub fn new() -> Self {
        Self::default()
    }

    /// A client connects; `init` waits to be sent to it. The n-th connection is offered the id `client-n`.
    pub fn connect(&mut self) -> SessionId {
        self.connections += 1;
        let s = SessionId(self.connections);
        let client_id = format!("client-{}", self.connections);
        self.sessions.insert(s, Session::new(client_id.into()));
        let init = self.greeting(s, "init");
        self.send(s, init);
        s
    }

    /// The connection ends, with its subscriptions. Messages to it that were not polled are lost.
    pub fn disconnect(&mut self, s: SessionId) {
        self.end_all_presence(s);
        self.sessions.remove(&s);
        self.outbox.retain(|(to, _)| *to != s);
    }

    /// Whether the session is still there. The server ends it when a message is no JSON object or array.
    pub fn is_connected(&self, s: SessionId) -> bool {
        self.sessions.contains_key(&s)
    }

    /// One message from a client. A session that has ended is not listened to.
    pub fn receive(&mut self, s: SessionId, text: &str) {
        if !self.is_connected(s) {
            return;
        }
        match Value::parse(text) {
            Ok(Value::Object(ref mut request)) => self.answer(s, std::mem::take(request)),
            // Nothing in a list can be an action, and the error added to it is not written out.
            Ok(list @ Value::Array(_)) => self.outbox.push_back((s, list.to_json())),
            _ => {
                self.sessions.remove(&s);
            }
        }
    }

    /// The next message to a client. Messages to one session come in the order in which it was sent them.
    pub fn poll(&mut self) -> Option<(SessionId, String)> {
        self.outbox.pop_front()
    }

    /// The process dies and starts again: no sessions, no messages and no held publications, the same
    /// database. What was armed stays armed.
    pub fn restart(&mut self) {
        self.sessions.clear();
        self.outbox.clear();
        self.held.clear();
    }

    /// A document as it is now; `None` if no op was ever committed to it.
    pub fn snapshot(&self, collection: &str, id: &str) -> Option<Snapshot> {
        let snapshot = self.database.snapshot(&collection.into(), &id.into());
        (snapshot.v > 0).then_some(snapshot)
    }

    /// Every op committed to a document, oldest first.
    pub fn ops(&self, collection: &str, id: &str) -> &[CommittedOp] {
        self.database.ops_from(&collection.into(), &id.into(), 0.0)
    }

    /// The ids of the documents that a query finds now, and what the database adds; see `queries.rs` for the language.
    ///
    /// # Panics
    /// When `query` is not JSON.
    pub fn query(&self, collection: &str, query: &str) -> (Vec<String>, Option<Value>) {
        let query = Value::parse(query).expect("a query is JSON");
        let (ids, extra) = queries::find(&self.database, &collection.into(), Some(&query));
        (ids.iter().map(Str::to_string_lossy).collect(), extra)
    }

    /// How many documents and how many queries the session has subscribed.
    pub fn subscriptions(&self, s: SessionId) -> (usize, usize) {
        let session = self.sessions.get(&s);
        session.map_or((0, 0), |session| (session.count(), session.queries.len()))
    }

    /// Whether the session has subscribed the document.
    pub fn follows(&self, s: SessionId, key: &DocKey) -> bool {
        let key = (key.collection.as_str().into(), key.id.as_str().into());
        let session = self.sessions.get(&s);
        session.is_some_and(|session| session.has_subscribed(&key))
    }

    /// Refuses to let this document be read, with this error's code, or no longer. Who has subscribed the document before goes
    /// on to get what is committed.
    pub fn refuse_reads(&mut self, collection: &str, id: &str, code: Option<&str>, reach: Reach) {
        let key = (collection.into(), id.into());
        self.refusals.set(key, code, reach);
    }

    /// Refuses the next op that gets as far as the `apply` middleware: it was no duplicate, and could be
    /// transformed. Each call refuses one more.
    pub fn reject_next_submit(&mut self, code: &str, message: &str) {
        let rejection = Failure::new(code, message);
        self.faults.rejections.push_back(rejection);
    }

    /// Adds a json0 op to the next op that gets past the rejections, as `request.$fixup` in an `apply`
    /// middleware does. Several calls before it add several. A deletion fails with
    /// `ERR_CANNOT_FIXUP_DELETION`.
    ///
    /// # Panics
    /// When `op_json` is not JSON.
    pub fn fixup_next_submit(&mut self, op_json: &str) {
        let op = Value::parse(op_json).expect("a fixup is JSON");
        self.faults.fixups.push(op);
    }

    /// Whether an op of this document was ever refused.
    pub fn has_refused_ops(&self, collection: &str, id: &str) -> bool {
        self.with_refused_ops
            .contains(&(collection.into(), id.into()))
    }

    /// From now on each copy of an op that is refused by [`Server::reject_next_submit`] or because of a fixup gets the same error,
    /// also on another socket. A client whose op is refused on one socket and committed on another cannot know that.
    pub fn refuse_copies(&mut self) {
        self.faults.refused.get_or_insert_default();
    }

    /// While on, committed ops are not sent to subscribers (the option `suppressPublish`).
    pub fn suppress_publish(&mut self, on: bool) {
        self.faults.suppress_publish = on;
    }

    /// While on, committed ops wait on their way to subscribers, as in a slow pubsub between processes;
    /// turned off, they are sent in the order of their commits. Acks and replies do not wait.
    pub fn hold_publications(&mut self, on: bool) {
        self.faults.hold_publications = on;
        if !on {
            let held = std::mem::take(&mut self.held);
            self.deliver(&held.into_iter().collect::<Vec<_>>());
        }
    }

    /// While on, an edit that transforms to nothing is refused with `ERR_NO_OP` when its author speaks
    /// protocol 1.2 (the option `doNotCommitNoOps`).
    pub fn do_not_commit_no_ops(&mut self, on: bool) {
        self.faults.do_not_commit_no_ops = on;
    }

    fn answer(&mut self, s: SessionId, mut request: Object) {
        let reply = request::check(&request).and_then(|()| self.act(s, &mut request));
        match reply {
            Ok(reply) => {
                self.send(s, completed(reply.fields, &request));
                // After the ack: an op under another src goes to its own session too.
                if let Some(op) = reply.committed {
                    self.publish(&request, op);
                }
            }
            Err(failure) => {
                if request::action(&request) == "op" {
                    let (c, d) = (Name::of(&request, "c"), Name::of(&request, "d"));
                    self.with_refused_ops.insert((c.key(), d.key()));
                }
                request.insert("error".into(), failure.to_value());
                self.send(s, request);
            }
        }
    }

    /// Does what a message asks for, and returns what its reply is to contain.
    fn act(&mut self, s: SessionId, request: &mut Object) -> Result<Reply, Failure> {
        let c = Name::of(request, "c");
        let d = Name::of(request, "d");
        let mut fields = Object::new();
        match request::action(request) {
            "hs" => {
                self.session_mut(s).shake_hands(request);
                fields = self.greeting(s, "hs");
            }
            "pp" => {}
            "f" => fields = self.read(s, &c, &d, request)?,
            "s" => {
                fields = self.read(s, &c, &d, request)?;
                self.session_mut(s).subscribe(&c, &d);
            }
            "u" => self.session_mut(s).unsubscribe(&c, &d),
            "bf" => fields = self.read_bulk(s, &c, request)?,
            "bs" => {
                fields = self.read_bulk(s, &c, request)?;
                self.subscribe_bulk(s, &c, request, &fields);
            }
            "bu" => self.unsubscribe_bulk(s, &c, request),
            "qf" => fields = self.query_results(&c, get(request, "q"))?.0,
            "qs" => fields = self.subscribe_query(s, &c, request)?,
            "qu" => {
                let number = queries::number(request);
                self.session_mut(s).queries.remove(&number);
            }
            "p" if get(request, "c").is_none() => fields = self.show_presence(s, request),
            "ps" => fields = self.subscribe_presence(s, request),
            "pu" => fields = self.unsubscribe_presence(s, request),
            "pr" => self.request_presence(s, &Name::of(request, "ch").key()),
            "op" => return self.submit(s, &c, &d, request),
            _ => return Err(Failure::badly_formed("Invalid or unknown message")),
        }
        Ok(Reply {
            fields,
            committed: None,
        })
    }

    fn session_mut(&mut self, s: SessionId) -> &mut Session {
        self.sessions
            .get_mut(&s)
            .expect("only sessions that are there are worked for")
    }

    fn submit(
        &mut self,
        s: SessionId,
        c: &Name,
        d: &Name,
        request: &mut Object,
    ) -> Result<Reply, Failure> {
        let session = self.session_mut(s);
        let knows_no_op_error = session.knows_no_op_error();
        let submission = Submission::read(request, session.src())?;
        let accepted = submission.submit(
            (c, d),
            &mut self.database,
            &mut self.faults,
            knows_no_op_error,
            request,
        )?;
        for op in &accepted.missed {
            self.send(s, op.message(c, d));
        }
        Ok(Reply {
            fields: accepted.ack,
            committed: accepted.committed,
        })
    }

    /// Starts a committed op on its way to everybody who is subscribed.
    fn publish(&mut self, request: &Object, op: CommittedOp) {
        if self.faults.suppress_publish {
            return;
        }
        let (c, d) = (Name::of(request, "c"), Name::of(request, "d"));
        let publication = Publication { c, d, op };
        if self.faults.hold_publications {
            self.held.push_back(publication);
        } else {
            self.deliver(&[publication]);
        }
    }

    /// Sends what arrives at once, first to those who subscribed its documents.
    fn deliver(&mut self, publications: &[Publication]) {
        let sessions: Vec<_> = self.sessions.keys().copied().collect();
        for Publication { c, d, op } in publications {
            for s in &sessions {
                if self.session_mut(*s).receives(c, d, &op.src) {
                    self.send(*s, op.message(c, d));
                }
            }
        }
        for s in sessions {
            self.poll_queries(s, publications);
        }
    }

    /// `init` and the handshake's reply.
    fn greeting(&mut self, s: SessionId, action: &str) -> Object {
        [
            ("a".into(), action.into()),
            ("protocol".into(), 1.0.into()),
            ("protocolMinor".into(), 2.0.into()),
            ("id".into(), self.session_mut(s).src()),
            ("type".into(), json0::URI.into()),
        ]
        .into_iter()
        .collect()
    }

    fn send(&mut self, s: SessionId, message: Object) {
        let text = Value::Object(message).to_json();
        self.outbox.push_back((s, text));
    }
}

/// What a message led to.
struct Reply {
    fields: Object,
    committed: Option<CommittedOp>,
}

/// A reply with what the client matches it by: the action, and the request's id or else its names.
fn completed(mut reply: Object, request: &Object) -> Object {
    let mut repeat = |field: &str| {
        if let Some(value) = get(request, field) {
            reply.insert(field.into(), value.clone());
        }
    };
    repeat("a");
    if truthy(get(request, "id")) {
        repeat("id");
        return reply;
    }
    for field in ["c", "d"] {
        if truthy(get(request, field)) {
            repeat(field);
        }
    }
    if truthy(get(request, "b")) && get(&reply, "data").is_none() {
        reply.insert("b".into(), get(request, "b").cloned().unwrap_or_default());
    }
    reply
}
