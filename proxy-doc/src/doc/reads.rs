//! Fetching and subscribing (`fetch`, `subscribe`, `ingestSnapshot`).

use super::{Doc, Edge, Snapshot, SnapshotType, SubscribeRequest, Upstream, Waiter};
use crate::{Error, Event, Gather, Later, Outcome, Task, Token, Version, codes};

impl Doc {
    /// Fetches the newest state.
    pub fn fetch(&mut self, up: &mut Upstream<'_>, callback: Option<Token>) {
        self.request_fetch(up, callback.map_or(Waiter::Nobody, Waiter::Token), false);
    }

    /// Fetches the newest state, also where a fetch is inflight already.
    pub fn fetch_again(&mut self, up: &mut Upstream<'_>, callback: Option<Token>) {
        self.request_fetch(up, callback.map_or(Waiter::Nobody, Waiter::Token), true);
    }

    /// The server has ops up to `next` that this lacks: fetches them. Where a fetch is under way its answer may be older
    /// than they are; then there is one more when it has come.
    pub(super) fn fetch_missed(&mut self, up: &mut Upstream<'_>, next: Version) {
        self.missed = self.missed.max(Some(next));
        self.fetch(up, None);
    }

    /// Fetches what may have been missed. Nobody is told of a failure.
    pub fn check(&mut self, up: &mut Upstream<'_>) {
        self.request_fetch(up, Waiter::Check, false);
    }

    pub(super) fn request_fetch(&mut self, up: &mut Upstream<'_>, waiter: Waiter, force: bool) {
        self.pending_fetch.push(waiter);
        if !up.can_read || !(force || self.inflight_fetch.is_empty()) {
            return;
        }
        // A forced fetch answers the rollback that asked for it, not an older call.
        let next = if force {
            self.pending_fetch.pop()
        } else {
            Some(self.pending_fetch.remove(0))
        };
        self.inflight_fetch.extend(next);
        up.emit(Event::SendFetch);
    }

    /// Subscribes: fetches the newest state and receives all later ops.
    pub fn subscribe(&mut self, up: &mut Upstream<'_>, callback: Option<Token>) {
        self.queue_subscribe(up, true, false, callback);
    }

    /// Unsubscribes; the data stays.
    pub fn unsubscribe(&mut self, up: &mut Upstream<'_>, callback: Option<Token>) {
        self.queue_subscribe(up, false, false, callback);
    }

    pub(super) fn queue_subscribe(
        &mut self,
        up: &mut Upstream<'_>,
        want: bool,
        resumes: bool,
        callback: Option<Token>,
    ) {
        let last = self
            .pending_subscribe
            .back_mut()
            .or(self.inflight_subscribe.as_mut());
        if let Some(last) = last
            && last.want == want
        {
            last.resumes &= callback.is_none();
            last.tokens.extend(callback);
            return;
        }
        let tokens = callback.into_iter().gather();
        self.pending_subscribe.push_back(SubscribeRequest {
            want,
            resumes,
            tokens,
        });
        self.flush_subscribe(up);
    }

    pub(super) fn flush_subscribe(&mut self, up: &mut Upstream<'_>) {
        if self.inflight_subscribe.is_some() {
            return;
        }
        let Some(next) = self.pending_subscribe.front() else {
            return;
        };
        let want = next.want;
        if up.can_read {
            self.want_subscribe = want;
            self.subscribed = want && self.subscribed;
            up.emit(if want {
                Event::SendSubscribe
            } else {
                Event::SendUnsubscribe
            });
        } else if !want {
            // Offline we are unsubscribed already.
            self.want_subscribe = false;
            up.emit(Event::Later(Later::Unsubscribed));
        } else {
            return;
        }
        self.inflight_subscribe = self.pending_subscribe.pop_front();
    }

    /// The answer to a fetch.
    pub fn handle_fetch(&mut self, up: &mut Upstream<'_>, answer: Result<Option<Snapshot>, Error>) {
        let mut waiters: Vec<Waiter> = self.inflight_fetch.pop_front().into_iter().gather();
        if let [Waiter::Nobody] = waiters[..] {
            waiters.clear();
        }
        waiters.append(&mut self.pending_fetch);
        match answer {
            Err(error) => self.answer_error(up, error, waiters),
            Ok(snapshot) => {
                up.push(Task::NothingPending);
                self.ingest(up, snapshot, waiters);
                if self.missed <= self.version {
                    self.missed = None;
                } else if self.inflight_fetch.is_empty() {
                    // Once: a server that has less than it said is not asked for ever.
                    self.missed = None;
                    self.fetch(up, None);
                }
            }
        }
    }

    /// The oldest fetch is sent again: its answer comes after those of the others.
    pub fn postpone_fetch(&mut self) {
        let oldest = self.inflight_fetch.pop_front();
        self.inflight_fetch.extend(oldest);
    }

    /// The number of inflight fetches.
    pub fn fetches(&self) -> usize {
        self.inflight_fetch.len()
    }

    /// Whether a subscribe is inflight, or an unsubscribe where `want` is false.
    pub fn asks(&self, want: bool) -> bool {
        let inflight = self.inflight_subscribe.as_ref();
        inflight.is_some_and(|request| request.want == want)
    }

    /// The answer to a subscribe or unsubscribe.
    pub fn handle_subscribe(
        &mut self,
        up: &mut Upstream<'_>,
        answer: Result<Option<Snapshot>, Error>,
    ) {
        let Some(request) = self.inflight_subscribe.take() else {
            // The connection was lost in between. What the answer brings is the state all the same.
            return self.ingest(up, answer.ok().flatten(), Vec::new());
        };
        let mut waiters = std::mem::take(&mut self.pending_fetch);
        // The answer may be for a state that was given up since.
        let is_past = matches!(answer, Ok(None)) && self.version.is_none();
        if !request.want || is_past {
            // Only a snapshot ends what waits for a state.
            let (states, others) = waiters.into_iter().partition(Waiter::needs_state);
            self.pending_fetch = states;
            waiters = others;
        }
        waiters.extend(request.tokens.into_iter().map(Waiter::Token));
        // Also where it was refused: ShareDB leaves what is queued behind a refused request until the next reconnect.
        up.push(Task::FlushSubscribe);
        let snapshot = match answer {
            Err(error) => return self.subscribe_refused(up, error, waiters),
            Ok(snapshot) => snapshot,
        };
        self.subscribed = request.want;
        up.push(Task::NothingPending);
        if self.subscribed {
            self.ingest(up, snapshot, waiters);
        } else {
            self.call(up, waiters, None);
        }
    }

    /// A refused subscribe subscribes nothing, and ends no subscription of before. A tab subscribes again after a reconnect, as
    /// ShareDB does; a host does so for those tabs.
    fn subscribe_refused(&mut self, up: &mut Upstream<'_>, error: Error, waiters: Vec<Waiter>) {
        if self.edge == Edge::Host {
            self.want_subscribe = self.subscribed;
            if waiters.is_empty() {
                // Each tab that is subscribed asks by itself, and is told.
                return up.push(Task::NothingPending);
            }
        }
        self.answer_error(up, error, waiters);
    }

    pub(super) fn answer_error(
        &mut self,
        up: &mut Upstream<'_>,
        error: Error,
        waiters: Vec<Waiter>,
    ) {
        let silent = error.is(codes::ERR_SNAPSHOT_READ_SILENT_REJECTION);
        if silent {
            self.want_subscribe = false;
        } else if waiters.is_empty() {
            up.emit(Event::Error(error.clone()));
        }
        up.push(Task::NothingPending);
        self.call(up, waiters, Some(error));
    }

    /// An error that is not to be told goes on to the callers of a host alone: they are documents too, and have to know.
    pub(super) fn call(
        &mut self,
        up: &mut Upstream<'_>,
        waiters: Vec<Waiter>,
        mut error: Option<Error>,
    ) {
        let passed_on = error.clone();
        error = error.filter(|error| !error.is(codes::ERR_SNAPSHOT_READ_SILENT_REJECTION));
        for waiter in waiters.into_iter().rev() {
            match waiter {
                Waiter::Nobody | Waiter::Check => {}
                Waiter::Token(token) => {
                    let error = match self.edge {
                        Edge::Host => &passed_on,
                        Edge::Tab => &error,
                    };
                    let outcome = error.clone().map_or(Outcome::Done, Outcome::Failed);
                    up.emit(Event::Callback {
                        tokens: vec![token],
                        outcome,
                    });
                }
                Waiter::Rollback(rollback) => {
                    up.push(Task::FinishRollback(rollback, error.clone()));
                }
                Waiter::NoOp => {
                    let outcome = error.clone().map_or(Outcome::Done, Outcome::Failed);
                    up.push(Task::ClearInflight(outcome));
                }
                Waiter::Refresh => up.push(Task::FinishRefresh(error.clone())),
            }
        }
    }

    /// Sets the version of an ingested snapshot, as the upstream says it.
    pub fn place(&mut self, version: Version) {
        self.version = Some(version);
    }

    /// Drops the state. The next snapshot is loaded in its place. The ops that were submitted on it are the caller's to end.
    pub fn unload(&mut self) {
        self.version = None;
        self.ty = None;
    }

    /// The state is not one of the upstream's: fetches the upstream's instead. With ops submitted on it this is a hard
    /// rollback; otherwise nothing is lost.
    pub fn refresh(&mut self, up: &mut Upstream<'_>, error: Error) {
        if self.has_write_pending() {
            return self.hard_rollback(up, error);
        }
        self.life += 1;
        self.unload();
        // Until the state has come there is nothing to write to, and a writer is told so.
        self.rollbacks += 1;
        self.request_fetch(up, Waiter::Refresh, true);
    }

    /// Sets the state to a snapshot where there is none, or fetches (`ingestSnapshot`).
    pub fn ingest_snapshot(
        &mut self,
        up: &mut Upstream<'_>,
        snapshot: Option<Snapshot>,
        callback: Option<Token>,
    ) {
        let waiters = callback.map(Waiter::Token).into_iter().gather();
        self.ingest(up, snapshot, waiters);
    }

    pub(super) fn ingest(
        &mut self,
        up: &mut Upstream<'_>,
        snapshot: Option<Snapshot>,
        waiters: Vec<Waiter>,
    ) {
        let Some(snapshot) = snapshot else {
            return self.call(up, waiters, None);
        };
        let Some(v) = snapshot.v else {
            let message = format!("Missing version in ingested snapshot. {}", self.key);
            let error = Error::new(codes::ERR_INGESTED_SNAPSHOT_HAS_NO_VERSION, message);
            return self.call_or_emit(up, waiters, error);
        };
        if self.ty.is_some() || self.is_written() {
            return self.ingest_over_state(up, v, waiters);
        }
        if self.version.is_some_and(|version| version > v) {
            return self.call(up, waiters, None);
        }
        self.version = Some(v);
        let type_name = match snapshot.ty {
            SnapshotType::Default => Some(up.types.default_uri()),
            SnapshotType::None => None,
            SnapshotType::Uri(uri) => Some(uri),
        };
        self.ty = type_name.as_deref().and_then(|name| up.types.resolve(name));
        self.call(up, waiters, None);
        let (known, unknown) = match &self.ty {
            Some(_) => (type_name, None),
            None => (None, type_name),
        };
        up.emit(Event::Load {
            type_name: known,
            data: snapshot.data,
        });
        if let Some(name) = unknown {
            up.emit(Event::Error(self.type_not_recognized(&name)));
        }
    }

    /// Whether own ops have made a state that a snapshot must not replace. Accepted ops without a state are those of a
    /// machine that crashed, and the host's snapshot contains them.
    fn is_written(&self) -> bool {
        let is_without = self.version.is_none() && self.unaccepted().next().is_none();
        self.has_write_pending() && !is_without
    }

    /// In a tab ShareDB's error; in the host one that says where the type is missing.
    pub(super) fn type_not_recognized(&self, name: &str) -> Error {
        let message = match self.edge {
            Edge::Tab => "Missing type undefined".to_owned(),
            Edge::Host => format!(
                "Missing type {name} where the connection lives: register it there, in a worker by serve({{types: [type]}})"
            ),
        };
        Error::new(codes::ERR_DOC_TYPE_NOT_RECOGNIZED, message)
    }

    pub(super) fn ingest_over_state(
        &mut self,
        up: &mut Upstream<'_>,
        v: Version,
        waiters: Vec<Waiter>,
    ) {
        let Some(version) = self.version else {
            if self.has_write_pending() {
                // Created here without a fetch: whether the snapshot holds that or another
                // client's create shows when ours is answered.
                return self.waiting_for_writes.push(waiters);
            }
            let message = format!(
                "Cannot ingest snapshot in doc with null version. {}",
                self.key
            );
            let error = Error::new(codes::ERR_DOC_MISSING_VERSION, message);
            return self.call_or_emit(up, waiters, error);
        };
        if v <= version {
            return self.call(up, waiters, None);
        }
        let mut waiters = waiters.into_iter();
        self.request_fetch(up, waiters.next().unwrap_or(Waiter::Nobody), false);
        self.pending_fetch.extend(waiters);
    }

    pub(super) fn call_or_emit(
        &mut self,
        up: &mut Upstream<'_>,
        waiters: Vec<Waiter>,
        error: Error,
    ) {
        if waiters.is_empty() {
            up.emit(Event::Error(error));
        } else {
            self.call(up, waiters, Some(error));
        }
    }
}
