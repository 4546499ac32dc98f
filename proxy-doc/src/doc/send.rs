//! Sending ops, and the loss and change of the upstream (`flush`, `_onConnectionStateChanged`).

use super::{Doc, Edge, MAX_SEQ, Upstream, Waiter};
use crate::{Error, Event, Later, codes};

impl Doc {
    /// Holds own ops back (`pause`).
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Ends [`Doc::pause`], and sends (`resume`).
    pub fn resume(&mut self, up: &mut Upstream<'_>) {
        self.paused = false;
        self.flush(up);
    }

    /// Sends the first pending op, if one can be sent and none is inflight.
    pub fn flush(&mut self, up: &mut Upstream<'_>) {
        if self.apply_stack.is_some() {
            // A remote op is half applied: what is pending is still to be transformed by its rest.
            return self.flush_later(up);
        }
        self.flush_scheduled = false;
        if !up.can_write || self.inflight.is_some() || self.paused {
            return;
        }
        let Some(mut op) = self.pending.pop_front() else {
            return;
        };
        op.sent = true;
        if self.edge == Edge::Host
            && op.id.seq.is_none()
            && let Some(earlier) = &op.earlier
        {
            op.id = earlier.clone();
        }
        if op.id.seq.is_none() {
            if up.next_seq.0 >= MAX_SEQ {
                self.inflight = Some(op);
                let message = "Connection seq has exceeded the max safe integer, maybe from being open for too long";
                let error = Error::new(codes::ERR_CONNECTION_SEQ_INTEGER_OVERFLOW, message);
                return up.emit(Event::Error(error));
            }
            let seq = up.next_id().seq;
            op.id.seq = seq;
        }
        self.inflight = Some(op);
        up.emit(Event::SendOp);
    }

    /// [`Doc::flush`] of a client that may have no later moment: what is pending behind the inflight op is sent, too. Its
    /// ops stay pending, and each becomes the inflight one when the one before it is accepted.
    pub fn send_ahead(&mut self, up: &mut Upstream<'_>) {
        // Events are a stack: what is emitted first comes last.
        if self.apply_stack.is_none() {
            up.emit(Event::SendAhead);
        }
        self.flush(up);
    }

    /// Numbers what is pending behind the inflight op, as sent. Returns how many ops are to be sent ahead, with the inflight
    /// one, which are the first of [`Doc::unaccepted`]; `None` where there are none.
    pub fn number_ahead(&mut self, up: &mut Upstream<'_>) -> Option<usize> {
        let can_send = up.can_write && !self.paused && self.apply_stack.is_none();
        if !can_send || self.inflight.is_none() || self.pending.is_empty() {
            return None;
        }
        let mut count = 1;
        for op in self.pending.iter_mut() {
            if op.id.seq.is_none() {
                if up.next_seq.0 >= MAX_SEQ {
                    break;
                }
                op.id.seq = up.next_id().seq;
            }
            op.sent = true;
            count += 1;
        }
        Some(count).filter(|count| *count > 1)
    }

    pub(super) fn flush_later(&mut self, up: &mut Upstream<'_>) {
        if !self.flush_scheduled {
            self.flush_scheduled = true;
            up.emit(Event::Later(Later::Flush));
        }
    }

    /// The inflight op was sent: a resend carries the same `src`.
    pub fn mark_sent(&mut self, src: Option<&str>) {
        if let Some(op) = &mut self.inflight
            && op.id.src.is_none()
        {
            op.id.src = src.map(str::to_owned);
        }
    }

    /// The connection to the upstream was made or lost (`_onConnectionStateChanged`).
    pub fn handle_connection_state(&mut self, up: &mut Upstream<'_>) {
        self.lose_subscription(up);
        if up.can_read {
            self.resubscribe(up);
            // Below the reads on the stack means after; ops go first.
            return self.flush(up);
        }
        self.disconnect(up);
    }

    /// Another upstream continues where the one before was (a takeover). Requests without an answer are sent again
    /// when they can be.
    pub fn handle_upstream_changed(&mut self, up: &mut Upstream<'_>) {
        self.disconnect(up);
        if self.inflight.is_some() {
            return up.emit(Event::SendOp);
        }
        self.flush(up);
    }

    /// The upstream did not take the inflight op: sends it again.
    pub fn send_again(&mut self, up: &mut Upstream<'_>) {
        if self.inflight.is_some() {
            up.emit(Event::SendOp);
        }
    }

    /// The upstream died, and with it all it knew of this client. The outcome of ops that were not acknowledged is
    /// unknown, and their callbacks get `error`. The state is loaded from the next upstream.
    pub fn handle_upstream_lost(&mut self, up: &mut Upstream<'_>, error: Error) {
        self.disconnect(up);
        if self.version.is_some() || self.has_write_pending() {
            self.refresh(up, error);
        }
    }

    /// No subscription outlives the connection, nor does one count that a host answered without it. A host renews what its tabs
    /// have: a tab that will not, after a silent refusal, says so.
    fn lose_subscription(&mut self, up: &mut Upstream<'_>) {
        let was_subscribed = std::mem::take(&mut self.subscribed);
        let renews = self.want_subscribe || self.inflight_subscribe.is_some();
        if self.edge == Edge::Tab && was_subscribed && !renews {
            up.emit(Event::SendUnsubscribe);
        }
    }

    pub(super) fn disconnect(&mut self, up: &mut Upstream<'_>) {
        if self.edge == Edge::Host
            && let Some(op) = self.inflight.take()
        {
            self.pending.push_front(op);
            // It is sent again, and then answered again.
            let is_answer = |waiter: &Waiter| matches!(waiter, Waiter::NoOp);
            self.inflight_fetch.retain(|waiter| !is_answer(waiter));
            self.pending_fetch.retain(|waiter| !is_answer(waiter));
        }
        self.subscribed = false;
        if let Some(request) = self.inflight_subscribe.take() {
            if request.want {
                self.pending_subscribe.push_front(request);
            } else {
                self.inflight_subscribe = Some(request);
                self.handle_subscribe(up, Ok(None));
            }
        }
        self.pending_fetch
            .extend(std::mem::take(&mut self.inflight_fetch));
    }

    /// The upstream could not answer a subscribe, which is sent again as soon as it can.
    pub fn handle_subscribe_offline(&mut self, up: &mut Upstream<'_>) {
        if let Some(request) = self.inflight_subscribe.take() {
            self.pending_subscribe.push_front(request);
        }
        if up.can_read {
            self.flush_subscribe(up);
        }
    }

    /// The upstream could not answer a fetch, which is sent again as soon as it can.
    pub fn handle_fetch_offline(&mut self, up: &mut Upstream<'_>) {
        if let Some(waiter) = self.inflight_fetch.pop_front() {
            self.pending_fetch.insert(0, waiter);
        }
        if up.can_read && self.inflight_fetch.is_empty() && !self.pending_fetch.is_empty() {
            self.inflight_fetch.push_back(self.pending_fetch.remove(0));
            up.emit(Event::SendFetch);
        }
    }

    pub(super) fn resubscribe(&mut self, up: &mut Upstream<'_>) {
        if self.pending_subscribe.is_empty() && self.want_subscribe {
            return self.queue_subscribe(up, true, true, None);
        }
        let will_fetch = self.pending_subscribe.iter().any(|request| request.want);
        self.flush_subscribe(up);
        if !will_fetch && !self.pending_fetch.is_empty() {
            self.request_fetch(up, Waiter::Nobody, false);
        }
    }
}
