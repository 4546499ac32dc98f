//! The reference: a log of everything that reached a client, and nothing computed from it.
//!
//! What an own op has become by some point of the log is asked of [`Log::form`], which starts from
//! the op as it was submitted and brings it over every later op of somebody else. Each of those is in
//! turn brought over the own ops that came before. So every answer is a walk through the whole
//! history, by json0's plain `transform` alone.

use std::cell::RefCell;
use std::collections::HashMap;

use ot_json0::{Op, Side, Value, transform};

/// What an op does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Edit(Op),
    Create(Value),
    Del,
    Noop,
}

/// An op, or the code of the error that it met.
pub(super) type Formed = Result<Kind, &'static str>;

/// Which pairs of ops cannot be brought together.
fn check(client: &Kind, server: &Kind) -> Result<(), &'static str> {
    match (client, server) {
        (Kind::Del, _) => Ok(()),
        (_, Kind::Del) => Err("ERR_DOC_WAS_DELETED"),
        (_, Kind::Create(_)) | (Kind::Create(_), Kind::Edit(_)) => Err("ERR_DOC_ALREADY_CREATED"),
        (_, Kind::Noop | Kind::Edit(_)) => Ok(()),
    }
}

/// The client's op after the server's.
fn client_over(client: &Kind, server: &Kind) -> Formed {
    check(client, server)?;
    Ok(match (client, server) {
        (Kind::Edit(a), Kind::Edit(b)) => Kind::Edit(transform(a, b, Side::Left).unwrap()),
        _ => client.clone(),
    })
}

/// The server's op after the client's.
fn server_over(server: &Kind, client: &Kind) -> Formed {
    check(client, server)?;
    Ok(match (client, server) {
        (Kind::Del, _) => Kind::Noop,
        (Kind::Edit(a), Kind::Edit(b)) => Kind::Edit(transform(b, a, Side::Right).unwrap()),
        _ => server.clone(),
    })
}

/// What a server makes of an op that was based on the state before `applied`.
pub(super) fn commit_over(op: &Kind, applied: &Kind) -> Formed {
    match (op, applied) {
        (Kind::Del, Kind::Create(_)) => Err("ERR_DOC_ALREADY_CREATED"),
        _ => client_over(op, applied),
    }
}

/// The data after an op.
pub(super) fn apply(data: Option<Value>, kind: &Kind) -> Option<Value> {
    match kind {
        Kind::Edit(op) => Some(ot_json0::apply(data.unwrap(), op).unwrap()),
        Kind::Create(value) => Some(value.clone()),
        Kind::Del => None,
        Kind::Noop => data,
    }
}

fn compose(first: Kind, next: Kind) -> Kind {
    match (first, next) {
        (Kind::Edit(a), Kind::Edit(b)) => Kind::Edit(ot_json0::compose(&a, &b).unwrap()),
        (Kind::Create(data), next) => Kind::Create(apply(Some(data), &next).unwrap()),
        (first, next) => panic!("{first:?} and {next:?} do not compose"),
    }
}

/// Something that reached the client.
#[derive(Debug)]
enum Entry {
    /// Another's op. `past` is an own op that it stands after already.
    Op { kind: Kind, past: Option<usize> },
    /// One component of the op at `batch`, as it is applied.
    Component { batch: usize, index: usize },
    /// An own op melts into the one before it.
    Join { into: usize, own: usize },
    /// An own op begins or ends.
    Mark,
}

/// An own op: one submission, and those that joined it.
#[derive(Debug)]
pub(super) struct Own {
    kind: Kind,
    prevents_compose: bool,
    born: usize,
    end: Option<usize>,
    pub(super) sent: bool,
    pub(super) tokens: Vec<u64>,
    /// How it is known at the server, once it was sent.
    pub(super) id: Option<(String, u64)>,
    /// The server found nothing left of it.
    pub(super) nothing_left: bool,
}

/// Everything that reached the client, in order.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: Vec<Entry>,
    owns: Vec<Own>,
    batch: Option<usize>,
    /// Answers of the present question, so that it is not asked of the same pair twice.
    known: RefCell<HashMap<(usize, usize), Formed>>,
}

impl Log {
    fn enter(&mut self, entry: Entry) {
        self.known.borrow_mut().clear();
        self.entries.push(entry);
    }

    /// Begins to recompute everything.
    pub(super) fn forget(&self) {
        self.known.borrow_mut().clear();
    }

    /// The own ops without an end, oldest first.
    pub(super) fn live(&self) -> Vec<usize> {
        (0..self.owns.len())
            .filter(|own| self.owns[*own].end.is_none())
            .collect()
    }

    pub(super) fn own(&mut self, own: usize) -> &mut Own {
        &mut self.owns[own]
    }

    pub(super) fn submit(&mut self, kind: Kind, prevents_compose: bool, token: u64) {
        let own = self.owns.len();
        self.enter(Entry::Mark);
        self.owns.push(Own {
            kind,
            prevents_compose,
            born: self.entries.len(),
            end: None,
            sent: false,
            tokens: vec![token],
            id: None,
            nothing_left: false,
        });
        if self.batch.is_none() {
            self.join(own);
        }
    }

    fn join(&mut self, own: usize) {
        let Some(into) = self.live().into_iter().rfind(|other| *other < own) else {
            return;
        };
        let (last, next) = (&self.owns[into], &self.owns[own]);
        let composes = matches!(last.kind, Kind::Edit(_) | Kind::Create(_))
            && matches!(next.kind, Kind::Edit(_));
        if last.sent || next.prevents_compose || !composes {
            return;
        }
        let tokens = next.tokens.clone();
        self.owns[into].tokens.extend(tokens);
        self.owns[own].end = Some(self.entries.len());
        self.enter(Entry::Join { into, own });
    }

    /// Another's op reached the client. `Err` where an own op cannot live with it.
    pub(super) fn receive(&mut self, kind: Kind, past: Option<usize>) -> Result<(), &'static str> {
        self.enter(Entry::Op { kind, past });
        self.forms().map(|_| ())
    }

    /// The last op is applied component by component from now on.
    pub(super) fn begin_batch(&mut self) {
        self.batch = Some(self.entries.len() - 1);
    }

    pub(super) fn component(&mut self, index: usize) {
        let batch = self.batch.unwrap();
        self.enter(Entry::Component { batch, index });
    }

    /// All components are applied: what was submitted in between composes as usual.
    pub(super) fn end_batch(&mut self) {
        let Some(batch) = self.batch.take() else {
            return;
        };
        for own in self.live() {
            if self.owns[own].born > batch {
                self.join(own);
            }
        }
    }

    pub(super) fn end(&mut self, own: usize) {
        self.owns[own].end = Some(self.entries.len());
        self.enter(Entry::Mark);
    }

    pub(super) fn end_all(&mut self) -> Vec<usize> {
        self.batch = None;
        let live = self.live();
        for own in &live {
            self.end(*own);
        }
        live
    }

    /// What all own ops without an end have become by now.
    pub(super) fn forms(&self) -> Result<Vec<Kind>, &'static str> {
        let now = self.entries.len();
        self.live()
            .into_iter()
            .map(|own| self.form(own, now))
            .collect()
    }

    /// What an own op has become before the entry `at`.
    pub(super) fn form(&self, own: usize, at: usize) -> Formed {
        if let Some(form) = self.known.borrow().get(&(own, at)) {
            return form.clone();
        }
        let form = self.form_anew(own, at);
        self.known.borrow_mut().insert((own, at), form.clone());
        form
    }

    fn form_anew(&self, own: usize, at: usize) -> Formed {
        if at <= self.owns[own].born {
            return Ok(self.owns[own].kind.clone());
        }
        let before = self.form(own, at - 1)?;
        if let Entry::Join { into, own: next } = self.entries[at - 1]
            && into == own
        {
            return Ok(compose(before, self.form(next, at - 1)?));
        }
        match self.theirs(at - 1, own)? {
            Some(theirs) => client_over(&before, &theirs),
            None => Ok(before),
        }
    }

    /// The other's op of the entry `at`, after all own ops before `own`; `None` where it is nothing to `own`.
    fn theirs(&self, at: usize, own: usize) -> Result<Option<Kind>, &'static str> {
        let born = self.owns.get(own).map_or(usize::MAX, |own| own.born);
        let (mut kind, after, past) = match &self.entries[at] {
            Entry::Op { past, .. } if *past == Some(own) => return Ok(None),
            Entry::Op { kind, past } => (kind.clone(), 0, *past),
            Entry::Component { batch, .. } if born <= *batch => return Ok(None),
            Entry::Component { batch, index } => (self.part(*batch, *index)?, batch + 1, None),
            Entry::Join { .. } | Entry::Mark => return Ok(None),
        };
        for earlier in 0..own.min(self.owns.len()) {
            let other = &self.owns[earlier];
            let lives = other.born <= at && other.end.is_none_or(|end| end > at);
            if lives && other.born >= after && past != Some(earlier) {
                kind = server_over(&kind, &self.form(earlier, at)?)?;
            }
        }
        Ok(Some(kind))
    }

    fn part(&self, batch: usize, index: usize) -> Formed {
        match self.theirs(batch, usize::MAX)? {
            Some(Kind::Edit(op)) => Ok(Kind::Edit(op.split().nth(index).unwrap())),
            other => panic!("no batch: {other:?}"),
        }
    }
}
