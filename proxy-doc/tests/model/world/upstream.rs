//! The upstream of the document, a server or a host: what it commits, what it answers, and what the reference expects of
//! each answer. Connections break here.

use ot_json0::Value;
use proxy_doc::{Edge, Error, Outcome, Seq, Snapshot, SnapshotType, Version, codes};

use super::{Accepted, Committed, Down, Id, Outcomes, Up, World, known_id, op_kind, text};
use crate::edits::{edit, initial};
use crate::reference::{Kind, apply, commit_over};

impl World {
    pub(super) fn server_data(&self, v: usize) -> Option<Value> {
        self.history[..v]
            .iter()
            .fold(None, |data, op| apply(data, &op.kind))
    }

    fn commit(&mut self, kind: Kind, id: Option<Id>, fixups: Vec<Kind>) {
        self.history.push(Committed { kind, id, fixups });
    }

    pub(super) fn write_remotely(&mut self) {
        let now = self.history.len();
        let kind = match self.server_data(now) {
            None => Kind::Create(initial(&mut self.r)),
            Some(_) if self.r.once_in(30) => Kind::Del,
            Some(data) => Kind::Edit(edit(&mut self.r, &data)),
        };
        self.commit(kind, None, Vec::new());
        if self.subscribed {
            self.down.push_back(Down::Op(now));
        }
    }

    pub(super) fn serve(&mut self) {
        match self.up.pop_front() {
            None => {}
            Some(Up::Read { v, subscribes }) => {
                self.subscribed |= subscribes;
                let now = self.history.len();
                self.down.push_back(Down::Answer { v, now, subscribes });
            }
            Some(Up::Op { life, .. }) if self.edge == Edge::Tab && life != self.doc.life() => {}
            Some(Up::Op { id, v, kind, life }) => {
                let seq = id.1;
                let answer = self.take_op(id, v, kind, life);
                self.down
                    .push_back(answer.unwrap_or_else(|code| Down::Error(seq, code)));
            }
        }
    }

    fn take_op(
        &mut self,
        id: Id,
        v: Option<u64>,
        mut kind: Kind,
        life: u32,
    ) -> Result<Down, &'static str> {
        let known = |op: &Committed| op.id.as_ref() == Some(&id);
        if let Some(at) = self.history.iter().position(known) {
            return Ok(Down::Op(at));
        }
        let now = self.history.len();
        if self.edge == Edge::Host && self.r.once_in(10) {
            return Err([codes::ERR_OP_SUBMIT_REJECTED, "ERR_OF_A_MIDDLEWARE"][self.r.below(2)]);
        }
        let base = v.map_or(now, |v| v as usize);
        for applied in &self.history[base..] {
            kind = commit_over(&kind, &applied.kind)?;
        }
        let fixups = self.fixups(&mut kind)?;
        let seq = id.1;
        self.commit(kind, Some(id), fixups);
        match self.edge {
            Edge::Host => Ok(Down::Op(now)),
            Edge::Tab => Ok(Down::Accepted(seq, now, life)),
        }
    }

    /// Checks an op against the data, and sometimes changes it.
    fn fixups(&mut self, kind: &mut Kind) -> Result<Vec<Kind>, &'static str> {
        let before = self.server_data(self.history.len());
        let Kind::Edit(op) = kind else {
            return Ok(Vec::new());
        };
        if self.edge == Edge::Tab {
            return Ok(Vec::new());
        }
        if op.is_empty() {
            return Err(codes::ERR_NO_OP);
        }
        let mut fixups = Vec::new();
        let mut data = apply(before, &Kind::Edit(op.clone()));
        while self.r.once_in(5) {
            let fixup = edit(&mut self.r, data.as_ref().unwrap());
            *op = ot_json0::compose(op, &fixup).unwrap();
            fixups.push(Kind::Edit(fixup));
            data = apply(data, fixups.last().unwrap());
        }
        Ok(fixups)
    }

    // What comes from the upstream.

    pub(super) fn receive(&mut self) {
        match self.down.pop_front() {
            None => {}
            Some(Down::Op(at)) => self.receive_op(at),
            Some(Down::Error(seq, code)) => self.receive_error(seq, code),
            Some(Down::Answer { v, now, subscribes }) => self.receive_answer(v, now, subscribes),
            Some(Down::Accepted(seq, at, life)) if life == self.doc.life() => {
                self.receive_accepted(seq, at);
            }
            Some(Down::Accepted(seq, at, _)) => self.receive_late_accepted(seq, at),
            Some(Down::Outcome(seq, done)) => self.receive_outcome(seq, done),
        }
    }

    fn receive_op(&mut self, at: usize) {
        let id = self.history[at].id.clone();
        let inflight = self.doc.inflight().and_then(|op| known_id(&op.id));
        if id.is_some() && id == inflight {
            return self.receive_ack(at);
        }
        let kind = self.history[at].kind.clone();
        let v = at as u64;
        let mut next = v + 1;
        let mut kind = kind;
        if self.edge == Edge::Tab {
            next = self.merge_following(next, &mut kind);
        }
        if self.version == Some(v) {
            self.version = Some(next);
            if let Err(code) = self.log.receive(kind.clone(), None) {
                self.expect_rollback(code);
            }
        }
        let kind = op_kind(&kind);
        self.act(|doc, up| doc.handle_op(up, Version(v), Version(next), None, kind));
    }

    /// A tab that lags gets several edits as one.
    fn merge_following(&mut self, mut next: u64, kind: &mut Kind) -> u64 {
        while let Some(Down::Op(at)) = self.down.front()
            && *at as u64 == next
            && let (Kind::Edit(a), Kind::Edit(b)) = (&mut *kind, &self.history[*at].kind)
            && self.r.once_in(2)
        {
            *a = ot_json0::compose(a, b).unwrap();
            self.down.pop_front();
            next += 1;
        }
        next
    }

    fn receive_ack(&mut self, at: usize) {
        let v = at as u64;
        let fixups = self.history[at].fixups.clone();
        let front = self.log.live()[0];
        let creates = matches!(self.log.forms().unwrap()[0], Kind::Create(_));
        if creates || self.version == Some(v) {
            self.version = Some(v);
            let received = fixups
                .iter()
                .try_for_each(|fixup| self.log.receive(fixup.clone(), Some(front)));
            match received {
                Err(code) => self.expect_rollback(code),
                Ok(()) => {
                    self.end(front, "done");
                    self.clears += 1;
                    self.version = Some(v + 1);
                }
            }
        }
        let fixups = fixups.iter().map(op_kind).collect();
        self.act(|doc, up| doc.handle_ack(up, Version(v), fixups));
    }

    fn receive_error(&mut self, seq: u64, code: &'static str) {
        if self.doc.inflight().and_then(|op| op.id.seq) != Some(Seq(seq)) {
            return;
        }
        let front = self.log.live()[0];
        let form = self.log.forms().unwrap().swap_remove(0);
        match form {
            _ if code == codes::ERR_NO_OP => self.log.own(front).nothing_left = true,
            Kind::Edit(op) => {
                let undo = Kind::Edit(ot_json0::invert(&op));
                self.log.receive(undo, Some(front)).unwrap();
                let soft = code == codes::ERR_OP_SUBMIT_REJECTED;
                self.end(front, if soft { "null" } else { code });
                self.clears += 1;
            }
            Kind::Create(_) | Kind::Del | Kind::Noop => self.expect_rollback(code),
        }
        let error = Error::new(code, "refused");
        self.act(|doc, up| doc.handle_op_error(up, error, Some(Seq(seq))));
    }

    fn receive_answer(&mut self, v: Option<u64>, now: usize, subscribes: bool) {
        let snapshot = match v {
            Some(v) => {
                for at in v as usize..now {
                    self.receive_op(at);
                }
                None
            }
            None => Some(self.receive_snapshot(now)),
        };
        self.act(|doc, up| {
            if subscribes {
                doc.handle_subscribe(up, Ok(snapshot));
            } else {
                doc.handle_fetch(up, Ok(snapshot));
            }
        });
    }

    fn receive_snapshot(&mut self, now: usize) -> Snapshot {
        let data = self.server_data(now);
        let written = self.accepted.iter().any(|accepted| !accepted.orphaned);
        let empty = self.data.is_none() && self.log.live().is_empty() && !written;
        if empty && self.version.is_none_or(|v| v <= now as u64) {
            self.version = Some(now as u64);
        }
        Snapshot {
            v: Some(Version(now as u64)),
            ty: match data {
                None => SnapshotType::None,
                Some(_) => SnapshotType::Uri(ot_json0::URI.to_owned()),
            },
            data: data.map(|data| text(&data.to_json())),
        }
    }

    fn receive_accepted(&mut self, seq: u64, at: usize) {
        let front = self.log.live()[0];
        assert_eq!(self.version, Some(at as u64));
        self.version = Some(at as u64 + 1);
        self.log.end(front);
        self.accepted.push(Accepted {
            seq,
            tokens: self.log.own(front).tokens.clone(),
            orphaned: false,
        });
        self.given_up.clear();
        let done = self.r.once_in(2);
        self.down.push_back(Down::Outcome(seq, done));
        self.act(|doc, up| doc.handle_accepted(up, Seq(seq), Version(at as u64)));
    }

    /// The host accepts an op of a state that the tab has given up: a rollback that has not ended it does not.
    fn receive_late_accepted(&mut self, seq: u64, at: usize) {
        let given_up = self.given_up.iter().position(|(other, _)| *other == seq);
        if let Some((_, tokens)) = given_up.map(|at| self.given_up.remove(at)) {
            let ends = |ended: &&mut Outcomes| ended.contains_key(&tokens[0]);
            if let Some(rollback) = self.rollbacks.iter_mut().find(ends) {
                rollback.retain(|token, _| !tokens.contains(token));
                self.accepted.push(Accepted {
                    seq,
                    tokens,
                    orphaned: true,
                });
                let done = self.r.once_in(2);
                self.down.push_back(Down::Outcome(seq, done));
            }
        }
        self.act(|doc, up| doc.handle_accepted(up, Seq(seq), Version(at as u64)));
    }

    fn receive_outcome(&mut self, seq: u64, done: bool) {
        let code = "ERR_OF_A_MIDDLEWARE";
        let text = if done { "done" } else { code };
        for accepted in self.accepted.extract_if(.., |other| other.seq == seq) {
            let tokens = accepted.tokens.into_iter();
            let ended = tokens.map(|token| (token, text.to_owned()));
            // Of a state that was given up it is told when there is one again.
            let waiting = self.rollbacks.front_mut().filter(|_| accepted.orphaned);
            waiting.unwrap_or(&mut self.expected).extend(ended);
        }
        let outcome = if done {
            Outcome::Done
        } else {
            Outcome::Failed(Error::new(code, "refused"))
        };
        self.act(|doc, up| doc.handle_outcome(up, &[Seq(seq)], outcome));
    }

    // Trouble.

    pub(super) fn change_connection(&mut self) {
        if self.edge == Edge::Tab {
            return;
        }
        if !self.connected {
            return self.connect();
        }
        self.connected = false;
        self.subscribed = false;
        self.up.clear();
        self.down.clear();
        self.act(|doc, up| doc.handle_connection_state(up));
    }

    pub(super) fn connect(&mut self) {
        if !self.connected {
            self.act(|doc, up| doc.resume(up));
            self.connected = true;
            self.src += 1;
            self.act(|doc, up| doc.handle_connection_state(up));
        }
    }

    pub(super) fn lose_or_repeat(&mut self) {
        if self.r.once_in(2) {
            if let Some(Down::Op(_)) = self.down.front() {
                self.down.pop_front();
            }
        } else if let Some(version) = self.version
            && version > 0
        {
            let at = self.r.below(version as usize);
            self.receive_op(at);
        }
    }

    /// The host gives up the state of a tab, or is lost.
    pub(super) fn give_up(&mut self) {
        if self.version.is_none() || self.r.once_in(2) {
            return;
        }
        let rejected: Vec<Seq> = self
            .doc
            .unfinished()
            .filter_map(|op| op.id.seq)
            .take(1)
            .collect();
        self.expect_rollback_of_all("ERR_OF_A_MIDDLEWARE");
        let error = Error::new("ERR_OF_A_MIDDLEWARE", "refused");
        self.act(|doc, up| doc.handle_rollback(up, doc.life(), error, &rejected, &[]));
    }
}
