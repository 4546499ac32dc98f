//! Names that one tab holds at a time.
//!
//! Who asks waits in line. What is free is offered to the first one; it holds it when it has taken it, so that a page
//! that is blocked does not hold up the others. A grant ends when it is given back, when it expires, or with its tab.
//!
//! Who waits may hold other names, and says by which grants it does. Where it waits for one that waits for these, nobody
//! would ever go on: the request that closes such a circle is refused.

use broker::coordination::messages::{Claim, Grant, Join, Outcome, Say, Shared};
use proxy_doc::{Error, Gather, Json, codes, json_string};

use super::{Coordination, OFFER, cancelled};

/// Results of shared claims that are kept.
const MAX_RESULTS: usize = 128;
/// Bytes of those.
const MAX_RESULT_BYTES: usize = 64 * 1024;

/// All names that are held or waited for.
#[derive(Debug, Default)]
pub(super) struct Claims {
    names: Vec<Name>,
    /// What shared claims came to, the last run of each name.
    pub(super) ran: Vec<Ran>,
}

/// What a shared claim came to.
#[derive(Clone, Debug)]
pub(super) struct Ran {
    pub(super) name: String,
    /// It is the answer also to those who ask later.
    pub(super) is_kept: bool,
    pub(super) outcome: Outcome,
    /// The requests that it was the answer to, and whose tabs may not have heard it.
    pub(super) answered: Vec<Answered>,
}

/// A request of a tab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) id: String,
    pub(super) number: u64,
}

#[derive(Debug)]
struct Name {
    name: String,
    holder: Option<Holder>,
    /// The token of the last holder.
    last_token: u64,
    /// Who waits, in line.
    line: Vec<Waiter>,
}

/// A request that waits.
#[derive(Clone, Debug)]
struct Waiter {
    id: String,
    number: u64,
    /// When it is refused.
    until: Option<u64>,
    expires: Option<u64>,
    within: Vec<u64>,
    shared: Option<Shared>,
    /// Its tab has joined again, and has not said that it still waits. It keeps its place meanwhile.
    is_in_doubt: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) id: String,
    pub(super) number: u64,
    pub(super) token: u64,
    pub(super) expires: Option<u64>,
    /// It runs for all who ask, in the session of this epoch.
    pub(super) shared: Option<Shared>,
    pub(super) epoch: u64,
    pub(super) stage: Stage,
}

#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// It is offered to the request, until then.
    Offered(u64, Box<Asker>),
    /// It is held, until then.
    Held(Option<u64>),
}

/// The request that something is offered to.
#[derive(Clone, Debug)]
pub(super) struct Asker(Waiter);

impl Waiter {
    fn is_due_at(&self) -> Option<u64> {
        self.until.filter(|_| !self.is_in_doubt)
    }
}

impl Holder {
    fn is_held(&self) -> bool {
        matches!(self.stage, Stage::Held(_))
    }

    fn is_of(&self, id: &str, number: u64) -> bool {
        self.id == id && self.number == number
    }

    /// When something is due.
    fn until(&self) -> Option<u64> {
        match self.stage {
            Stage::Offered(until, _) => Some(until),
            Stage::Held(until) => until,
        }
    }
}

impl Claims {
    fn get(&self, name: &str) -> Option<&Name> {
        self.names.iter().find(|known| known.name == name)
    }

    fn get_mut(&mut self, name: &str) -> &mut Name {
        let at = self.names.iter().position(|known| known.name == name);
        let at = at.unwrap_or_else(|| {
            self.names.push(Name {
                name: name.to_owned(),
                holder: None,
                last_token: 0,
                line: Vec::new(),
            });
            self.names.len() - 1
        });
        &mut self.names[at]
    }

    fn holders_mut(&mut self) -> impl Iterator<Item = &mut Option<Holder>> {
        self.names.iter_mut().map(|name| &mut name.holder)
    }

    fn holder_of_token(&mut self, token: u64) -> Option<&mut Option<Holder>> {
        let mut holders = self.holders_mut();
        holders.find(|holder| holder.as_ref().is_some_and(|held| held.token == token))
    }

    /// What is held, with its names.
    pub(super) fn held(&self) -> impl Iterator<Item = (&str, &Holder)> {
        self.names.iter().filter_map(|name| {
            let holder = name.holder.as_ref().filter(|holder| holder.is_held());
            Some((name.name.as_str(), holder?))
        })
    }

    /// A host before this one granted it.
    pub(super) fn restore(&mut self, name: &str, holder: Holder) {
        let name = self.get_mut(name);
        name.last_token = holder.token;
        name.holder = Some(holder);
    }

    /// Whether the tab holds anything.
    pub(super) fn are_held_by(&self, id: &str) -> bool {
        self.held().any(|(_, holder)| holder.id == id)
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<u64> {
        let of_name = |name: &Name| {
            let holder = name.holder.as_ref().and_then(Holder::until);
            let waiting = name.line.iter().filter_map(Waiter::is_due_at);
            waiting.chain(holder).min()
        };
        self.names.iter().filter_map(of_name).min()
    }

    /// What the request is answered by, where it need not run.
    fn outcome_for(&self, id: &str, claim: &Claim) -> Option<Outcome> {
        let ran = self.ran.iter().find(|ran| ran.name == claim.name)?;
        let is_answer = ran.is_kept || self.is_answered(id, claim.number);
        is_answer.then(|| ran.outcome.clone())
    }

    /// Whether the outcome of a run was the answer to this request.
    fn is_answered(&self, id: &str, number: u64) -> bool {
        let mut answered = self.ran.iter().flat_map(|ran| &ran.answered);
        answered.any(|request| request.id == id && request.number == number)
    }

    /// Nobody is told any more what runs came to.
    pub(super) fn forget_results(&mut self) {
        self.ran.clear();
    }

    /// The oldest results go: all of them are written with each decision.
    fn bound_results(&mut self) {
        let bytes = |ran: &[Ran]| -> usize {
            let results = ran.iter().filter_map(|ran| ran.outcome.result.as_ref());
            results.map(|result| result.get().len()).sum()
        };
        while self.ran.len() > MAX_RESULTS
            || (self.ran.len() > 1 && bytes(&self.ran) > MAX_RESULT_BYTES)
        {
            self.ran.remove(0);
        }
    }

    fn tidy(&mut self) {
        let is_used = |name: &Name| name.holder.is_some() || !name.line.is_empty();
        self.names.retain(is_used);
    }

    /// The requests that wait within this grant, and the names that they wait for.
    fn waiting_within(&self, token: u64) -> impl Iterator<Item = (&Waiter, &Name)> {
        let of_name = |name| {
            let Name { line, .. }: &Name = name;
            line.iter().map(move |waiter| (waiter, name))
        };
        let all = self.names.iter().flat_map(of_name);
        all.filter(move |(waiter, _)| waiter.within.contains(&token))
    }

    /// The circle that a request for this name would close: each tab, and the name that it would wait for.
    fn circle(&self, id: &str, claim: &Claim) -> Option<String> {
        let mut seen = Vec::new();
        let mut paths = vec![(
            claim.name.clone(),
            format!("{id} waits for '{}'", claim.name),
        )];
        while let Some((name, path)) = paths.pop() {
            let held = self.get(&name).and_then(|name| name.holder.as_ref());
            let Some(holder) = held.filter(|holder| !seen.contains(&holder.token)) else {
                continue;
            };
            let path = format!("{path}, which {} holds", holder.id);
            if claim.within.contains(&holder.token) {
                return Some(path);
            }
            seen.push(holder.token);
            for (waiter, name) in self.waiting_within(holder.token) {
                let name = &name.name;
                paths.push((
                    name.clone(),
                    format!("{path}; {} waits for '{name}'", waiter.id),
                ));
            }
        }
        None
    }
}

impl Coordination {
    /// A tab asks for a name.
    pub(super) fn claim(&mut self, id: &str, claim: Claim) {
        let known = self.claims.get_mut(&claim.name);
        let mut line = known.line.iter_mut();
        let again = line.find(|waiter| waiter.id == id && waiter.number == claim.number);
        if let Some(again) = again {
            again.is_in_doubt = false;
            return;
        }
        if let Some(holder) = known.holder.clone().filter(|h| h.is_of(id, claim.number)) {
            // The tab has not heard of it.
            if holder.is_held() {
                let Holder { number, token, .. } = holder;
                self.say(id, Say::Granted { number, token });
            }
            return;
        }
        if let Some(outcome) = self.claims.outcome_for(id, &claim) {
            self.answer_outcome(id, claim.number, &outcome);
            return self.claims.tidy();
        }
        if let Some(circle) = self.claims.circle(id, &claim) {
            let message = format!("Nobody would ever go on: {circle}");
            let error = Error::new(codes::ERR_DEADLOCK, message);
            self.answer(id, claim.number, Err(error));
            return self.claims.tidy();
        }
        let until = claim.timeout.map(|timeout| self.now + timeout);
        let waiter = Waiter {
            id: id.to_owned(),
            number: claim.number,
            until,
            expires: claim.expires,
            within: claim.within,
            shared: claim.shared,
            is_in_doubt: false,
        };
        self.claims.get_mut(&claim.name).line.push(waiter);
        self.offer();
        if claim.timeout == Some(0) {
            self.expire_claims();
        }
    }

    /// Offers what is free.
    pub(super) fn offer(&mut self) {
        if !self.is_open() {
            return;
        }
        for at in 0..self.claims.names.len() {
            let name = &self.claims.names[at];
            let next = self.next_in_line(name);
            let (None, Some(next)) = (&name.holder, next) else {
                continue;
            };
            let name = name.name.clone();
            let token = self.next_token();
            let waiter = self.claims.names[at].line.remove(next);
            let grant = Grant {
                name,
                number: waiter.number,
                token,
                expires: waiter.expires,
                shared: waiter.shared,
            };
            self.say(&waiter.id, Say::Offer(grant));
            let until = self.now + OFFER;
            self.claims.names[at].last_token = token;
            self.claims.names[at].holder = Some(Holder {
                id: waiter.id.clone(),
                number: waiter.number,
                token,
                expires: waiter.expires,
                shared: waiter.shared,
                epoch: self.session.epoch,
                stage: Stage::Offered(until, Box::new(Asker(waiter))),
            });
        }
        self.claims.tidy();
    }

    /// Who is next. What is done for all is done by the leader, where it asks for it, too.
    fn next_in_line(&self, name: &Name) -> Option<usize> {
        let may = |waiter: &Waiter| !waiter.is_in_doubt && self.is_here(&waiter.id);
        let leader = self.leads().map(|leader| leader.id.as_str());
        let leads = |waiter: &Waiter| waiter.shared.is_some() && Some(waiter.id.as_str()) == leader;
        let mut line = name.line.iter();
        let by_leader = line.position(|waiter| may(waiter) && leads(waiter));
        by_leader.or_else(|| name.line.iter().position(may))
    }

    /// The tab takes what it was offered.
    pub(super) fn take_offer(&mut self, id: &str, token: u64) {
        if self.take_term(id, token) {
            return;
        }
        let now = self.now;
        let holder = self.claims.holder_of_token(token).and_then(Option::as_mut);
        match holder.filter(|holder| holder.id == id) {
            Some(holder) if !holder.is_held() => {
                let until = holder.expires.map(|expires| now.saturating_add(expires));
                holder.stage = Stage::Held(until);
                let number = holder.number;
                self.changed.decisions = true;
                self.say(id, Say::Granted { number, token });
            }
            Some(_) => {}
            None => self.say(id, Say::Lost { token }),
        }
    }

    /// The tab gives back what it holds. It may have lost it before.
    pub(super) fn release(&mut self, id: &str, number: u64, token: u64, outcome: Option<Outcome>) {
        let its = self.claims.holder_of_token(token);
        let holder = its.and_then(|holder| holder.take_if(|held| held.id == id));
        self.changed.decisions |= holder.is_some();
        let Some(outcome) = outcome else {
            return self.answer(id, number, Ok(None));
        };
        let shared = holder.and_then(|holder| Some((holder.shared?, holder)));
        let result = match shared {
            Some((shared, holder)) => self.end_shared(id, number, shared, &holder, outcome),
            None if self.claims.is_answered(id, number) => Ok(None),
            // Another tab runs it, or has.
            None => {
                let message = "The run was lost: another tab runs it";
                Err(Error::new(codes::ERR_LOCK_LOST, message))
            }
        };
        self.answer(id, number, result);
    }

    /// A shared claim has run: its outcome is the answer to all who wait.
    fn end_shared(
        &mut self,
        id: &str,
        number: u64,
        shared: Shared,
        holder: &Holder,
        outcome: Outcome,
    ) -> Result<Option<Json>, Error> {
        if shared == Shared::Session && holder.epoch != self.session.epoch {
            return Err(session_changed());
        }
        let mut names = self.claims.names.iter_mut();
        let Some(name) = names.find(|name| name.last_token == holder.token) else {
            return Ok(None);
        };
        let waiting = std::mem::take(&mut name.line);
        let name = name.name.clone();
        let mut answered = vec![Answered {
            id: id.to_owned(),
            number,
        }];
        for waiter in waiting {
            self.answer_outcome(&waiter.id, waiter.number, &outcome);
            let Waiter { id, number, .. } = waiter;
            answered.push(Answered { id, number });
        }
        self.claims.ran.retain(|ran| ran.name != name);
        // A failure is told to those who wait, and tried again by who asks later.
        let is_kept = shared == Shared::Kept && outcome.error.is_none();
        if shared == Shared::Session && outcome.error.is_none() {
            self.take_token(&name, outcome.result.clone());
        }
        self.claims.ran.push(Ran {
            name,
            is_kept,
            outcome,
            answered,
        });
        self.claims.bound_results();
        self.changed.decisions = true;
        self.claims.tidy();
        Ok(None)
    }

    /// The session changed: nobody is to get what was asked for in the one before.
    pub(super) fn void_session_claims(&mut self) {
        let mut refused = Vec::new();
        let mut lost = Vec::new();
        let is_of_session = |shared: Option<Shared>| shared == Some(Shared::Session);
        for name in &mut self.claims.names {
            let over = name
                .line
                .extract_if(.., |waiter| is_of_session(waiter.shared));
            refused.extend(over.map(|waiter| (waiter.id, waiter.number)));
            if let Some(holder) = name.holder.take_if(|holder| is_of_session(holder.shared)) {
                if let Stage::Offered(_, asker) = holder.stage {
                    refused.push((asker.0.id, asker.0.number));
                }
                lost.push((holder.id, holder.token));
            }
        }
        for (id, token) in lost {
            self.say(&id, Say::Lost { token });
        }
        for (id, number) in refused {
            self.answer(&id, number, Err(session_changed()));
        }
        self.changed.decisions = true;
        self.claims.tidy();
    }

    /// The tab does not wait any more.
    pub(super) fn cancel(&mut self, id: &str, number: u64) {
        let mut was_known = self.realtime.cancel(id, number);
        for name in &mut self.claims.names {
            let before = name.line.len();
            name.line
                .retain(|waiter| waiter.id != id || waiter.number != number);
            was_known |= name.line.len() < before;
            let offered = name.holder.as_ref();
            if offered.is_some_and(|holder| holder.is_of(id, number) && !holder.is_held()) {
                name.holder = None;
                was_known = true;
            }
        }
        if was_known {
            self.answer(id, number, Err(cancelled()));
        }
    }

    /// Says who holds a name.
    pub(super) fn tell_holder(&mut self, id: &str, number: u64, name: &str) {
        let mut held = self.claims.held();
        let holder = held.find(|(held, _)| *held == name);
        let holder = holder.map(|(_, holder)| json_string(&holder.id));
        drop(held);
        self.answer(id, number, Ok(holder));
    }

    /// A tab joins and says what it holds: what it does not name it has given back, or never heard of. Gives the tokens of
    /// what it has.
    pub(super) fn confirm_grants(&mut self, join: &Join, is_first: bool) -> Vec<u64> {
        let is_named = |holder: &Holder| {
            let mut grants = join.grants.iter();
            grants.any(|grant| grant.token == holder.token)
        };
        for name in &mut self.claims.names {
            let is_its = |holder: &Holder| holder.id == join.id;
            if name
                .holder
                .as_ref()
                .is_some_and(|h| is_its(h) && !is_named(h))
            {
                name.holder = None;
            }
            for waiter in &mut name.line {
                waiter.is_in_doubt |= waiter.id == join.id;
            }
        }
        if is_first {
            for grant in &join.grants {
                self.believe(&join.id, grant);
            }
        }
        let held = self.claims.held();
        let its = held.filter(|(_, holder)| holder.id == join.id);
        its.map(|(_, holder)| holder.token).gather()
    }

    /// A tab announces what a host has granted that left no record of it.
    fn believe(&mut self, id: &str, grant: &Grant) {
        let until = grant
            .expires
            .map(|expires| self.now.saturating_add(expires));
        let name = self.claims.get_mut(&grant.name);
        let known = name.holder.as_ref().map_or(0, |holder| holder.token);
        if grant.token > known.max(self.recorded) {
            name.last_token = grant.token;
            name.holder = Some(Holder {
                id: id.to_owned(),
                number: grant.number,
                token: grant.token,
                expires: grant.expires,
                shared: grant.shared,
                epoch: self.session.epoch,
                stage: Stage::Held(until),
            });
        }
        self.token = self.token.max(grant.token);
    }

    /// What the tab holds, or waits for, is nobody's.
    pub(super) fn drop_claims_of(&mut self, id: &str) {
        for name in &mut self.claims.names {
            name.line.retain(|waiter| waiter.id != id);
            if name.holder.as_ref().is_some_and(|holder| holder.id == id) {
                name.holder = None;
                self.changed.decisions = true;
            }
        }
        self.claims.tidy();
    }

    /// The tab does not hear what it is offered.
    pub(super) fn withdraw_offers(&mut self, id: &str) {
        for name in &mut self.claims.names {
            let is_its = |holder: &mut Holder| holder.id == id && !holder.is_held();
            if let Some(holder) = name.holder.take_if(is_its)
                && let Stage::Offered(_, asker) = holder.stage
            {
                name.line.insert(0, asker.0);
            }
        }
    }

    /// Ends what is over: grants, offers, and waiting.
    pub(super) fn expire_claims(&mut self) {
        let now = self.now;
        let is_over = |until: Option<u64>| until.is_some_and(|until| now >= until);
        let mut lost = Vec::new();
        let mut refused = Vec::new();
        for name in &mut self.claims.names {
            if let Some(holder) = name.holder.take_if(|holder| is_over(holder.until())) {
                self.changed.decisions = true;
                if let Stage::Offered(_, asker) = holder.stage {
                    // Behind those who answer.
                    name.line.push(asker.0);
                }
                lost.push((holder.id, holder.token));
            }
            let holder = name.holder.as_ref().map(|holder| holder.id.clone());
            let over = name
                .line
                .extract_if(.., |waiter| is_over(waiter.is_due_at()));
            refused.extend(over.map(|waiter| (waiter, name.name.clone(), holder.clone())));
        }
        for (id, token) in lost {
            self.say(&id, Say::Lost { token });
        }
        for (waiter, name, holder) in refused {
            let by = holder.as_deref().unwrap_or("nobody");
            let message = format!("'{name}' was not free in time: tab {by} holds it");
            let mut error = Error::new(codes::ERR_LOCK_TIMEOUT, message);
            error.data = holder.map(|holder| json_string(&holder));
            self.answer(&waiter.id, waiter.number, Err(error));
        }
        self.claims.tidy();
    }
}

pub(super) fn session_changed() -> Error {
    let message = "The session changed meanwhile: what was asked for is of the one before";
    Error::new(codes::ERR_SESSION_CHANGED, message)
}
