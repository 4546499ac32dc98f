//! What a tab is told, and whether it may be told that.

use broker::coordination::Input;
use broker::coordination::messages::{
    Ask, Broadcast, Claim, Grant, Realtime, Say, Session, Shared,
};
use proxy_doc::Json;

use super::world::{Event, World};

impl World {
    pub(super) fn be_told(&mut self, tab: usize, say: Say) {
        let t = &mut self.tabs[tab];
        match say {
            Say::Welcome(welcome) => {
                let tabs = welcome.tabs.iter().filter(|tab| !tab.frozen);
                t.mirror = tabs.map(|tab| tab.id.clone()).collect();
                t.leading = welcome.leading.clone();
                t.epoch = welcome.session.epoch;
                let is_first = t.since.is_none();
                if welcome.session.logouts > t.logouts && !is_first {
                    return self
                        .wrong(format!("tab{tab} is back, and has not heard of the logout"));
                }
                t.logouts = welcome.session.logouts;
                t.state = welcome.state.clone();
                t.idle = welcome.idle.clone();
                t.has_gap |= welcome.gap;
                self.check_name(tab, &welcome.session);
                let t = &mut self.tabs[tab];
                t.since.get_or_insert(self.broadcasts);
                t.realtime = welcome.realtime.map_or(t.realtime, |told| told.state);
                if welcome.stream_gap {
                    t.last_received = None;
                    self.log.census.insert("a gap of the stream");
                }
                for missed in welcome.missed {
                    self.be_broadcast(tab, &missed, true);
                }
            }
            Say::Answer {
                number,
                error,
                result,
            } => {
                let Some(ask) = t.open.remove(&number) else {
                    return self.wrong(format!("tab{tab} hears an answer to {number} again"));
                };
                match error {
                    Some(error) => {
                        self.be_refused(tab, &ask, error.code_text().unwrap_or_default())
                    }
                    None => self.be_answered(tab, ask, result),
                }
            }
            Say::State { bundle, .. } => t.state = Some(bundle),
            Say::Task { from, number, .. } => {
                let delay = self.r.below(300) as u64;
                if !self.begun.insert((from.clone(), number, tab)) && self.remembers() {
                    return self.wrong(format!("tab{tab} is to do {number} of {from} again"));
                }
                self.log.census.insert("a task");
                self.after(
                    delay,
                    Event::Finish {
                        tab,
                        from,
                        of: number,
                    },
                );
            }
            Say::Logout {} => self.feed(tab, Input::Ask(Ask::Stopped {})),
            Say::Wipe {} => {
                self.log.census.insert("a logout");
                let delay = self.r.below(100) as u64;
                self.after(delay, Event::Wiped { tab });
            }
            Say::LoggedOut(session) => {
                t.is_to_hear = false;
                t.logouts = session.logouts;
                if session.logouts > self.logouts {
                    self.logouts = session.logouts;
                    // Where everything is deleted, they have ended with that.
                    if !self.is_durable {
                        self.end_names_before(session.logouts);
                    }
                    self.log.census.insert("all are logged out");
                }
                let t = &mut self.tabs[tab];
                t.epoch = session.epoch;
                t.state = None;
                t.idle = None;
            }
            Say::Idle(idle) => t.idle = Some(idle),
            Say::Session { session, .. } => {
                if t.epoch != session.epoch {
                    t.state = None;
                }
                t.epoch = session.epoch;
                self.check_name(tab, &session);
            }
            Say::Tab { event, tab: info } => {
                use broker::coordination::messages::TabEvent as E;
                match event {
                    E::Leave | E::Crash | E::Frozen => t.mirror.remove(&info.id),
                    _ => t.mirror.insert(info.id),
                };
            }
            Say::Leading(leading) => t.leading = leading,
            Say::Lost { token } => {
                if t.held.remove(&token).is_some() {
                    self.log.census.insert("a grant was lost");
                }
            }
            Say::Broadcast(broadcast) => self.be_broadcast(tab, &broadcast, false),
            Say::Resign { .. } => {}
            Say::Realtime(Realtime { state, .. }) => t.realtime = state,
            Say::Received { message, .. } => self.be_sent(tab, &message),
            Say::TokenWanted { round } => {
                self.log.census.insert("a token was wanted");
                let delay = self.r.below(500) as u64;
                self.after(delay, Event::Refreshed { tab, round });
            }
            Say::Offer(_) | Say::OfferWipe {} | Say::OfferLead { .. } | Say::Granted { .. } => {
                self.wrong(format!("tab{tab} is told of an offer"));
            }
        }
    }

    fn be_refused(&mut self, tab: usize, ask: &Ask, code: &str) {
        let known = match code {
            "ERR_LOCK_TIMEOUT" => "a claim timed out",
            "ERR_LOCK_LOST" => "a grant came too late",
            "ERR_DEADLOCK" => "a deadlock",
            "ERR_CANCELLED" => "a claim was cancelled",
            "ERR_SESSION_CHANGED" => "a result was void",
            "ERR_TAB_GONE" => "a task was lost",
            "ERR_NOT_LEADER" => "a tab wrote that did not lead",
            "ERR_STATE_CONFLICT" => "a conflict",
            "ERR_REALTIME_DISCONNECTED" => "nothing was sent",
            "ERR_REALTIME_LOST" => "what was sent may be lost",
            _ => return self.wrong(format!("tab{tab} hears {code} to {ask:?}")),
        };
        self.log.census.insert(known);
    }

    fn be_answered(&mut self, tab: usize, ask: Ask, result: Option<Json>) {
        match ask {
            Ask::Write {
                base: Some(base), ..
            } => {
                self.log.census.insert("the leader wrote");
                if !self.versions.insert(base + 1) && self.remembers() {
                    self.wrong(format!(
                        "tab{tab} wrote version {} over another one",
                        base + 1
                    ));
                }
            }
            Ask::Relay { payload, .. } => {
                self.log.census.insert("something was sent");
                let (sent, result) = (payload.count(), result.and_then(|it| it.count()));
                if sent != result {
                    self.wrong(format!(
                        "tab{tab} sent {sent:?}, and is answered {result:?}"
                    ));
                }
            }
            Ask::Claim(Claim {
                name,
                shared: Some(Shared::Kept),
                ..
            }) => {
                let result = result.and_then(|result| result.count());
                let known = self.done.get(&name).copied();
                // One who died before it heard that it had done it may have been the one.
                let is_other = known.is_some_and(|known| Some(known) != result);
                if result.is_none() || (is_other && self.remembers()) {
                    self.wrong(format!(
                        "tab{tab} hears {result:?} of '{name}', not {known:?}"
                    ));
                }
                self.done.insert(name, result.unwrap_or_default());
            }
            _ => {}
        }
    }

    fn be_broadcast(&mut self, tab: usize, broadcast: &Broadcast, missed: bool) {
        let number = broadcast
            .message
            .count()
            .expect("messages are numbers here");
        if missed {
            self.log.census.insert("a missed broadcast");
        }
        let t = &mut self.tabs[tab];
        if t.heard.contains(&number) {
            return self.wrong(format!("tab{tab} hears broadcast {number} again"));
        }
        t.heard.push(number);
    }

    /// A session that has ended does not come back. What was said before may be heard later.
    fn check_name(&mut self, tab: usize, session: &Session) {
        if let Some(id) = &session.id {
            self.told_names.insert(id.clone(), session.logouts);
        }
        let is_dead = session
            .id
            .as_ref()
            .is_some_and(|id| self.dead_names.contains(id));
        if is_dead && session.logouts >= self.logouts {
            self.wrong(format!(
                "tab{tab} is told a session that has ended: {session:?}"
            ));
        }
    }

    /// Something came by the second connection: in order, and without a gap that the tab was not told of.
    fn be_sent(&mut self, tab: usize, message: &Json) {
        self.log.census.insert("something came");
        let number = message.count().expect("messages are numbers here");
        let last = self.tabs[tab].last_received.replace(number);
        if last.is_some_and(|last| number != last + 1) {
            self.wrong(format!("tab{tab} is sent {number} after {last:?}"));
        }
    }

    pub(super) fn be_granted(&mut self, tab: usize, grant: Grant) {
        let Grant { name, token, .. } = grant.clone();
        self.log.census.insert("a grant");
        if !self.tokens.insert(token) {
            self.wrong(format!("token {token} is granted again, to tab{tab}"));
        }
        let last = self.last_tokens.entry(name.clone()).or_default();
        let is_lower = token < *last;
        *last = token.max(*last);
        // One of the session before may be heard of late: it is void, and lost with the next message.
        if is_lower && grant.shared != Some(Shared::Session) {
            self.wrong(format!(
                "'{name}' is granted by {token}, and was by a higher token"
            ));
        }
        let is_done = self.remembers() && self.done.contains_key(&name);
        if grant.shared == Some(Shared::Kept) && is_done {
            self.wrong(format!("tab{tab} is to do '{name}' again"));
        }
        let t = &mut self.tabs[tab];
        if t.open.remove(&grant.number).is_none() {
            return self.wrong(format!("tab{tab} is granted '{name}' without having asked"));
        }
        t.held.insert(token, grant.clone());
        let time = self.r.below(800) as u64;
        self.after(time, Event::GiveBack { tab, token });
        if let Some(expires) = grant.expires {
            self.after(expires, Event::Tick { tab });
        }
        if grant.shared.is_none() && self.r.once_in(3) {
            self.claim(tab, vec![token]);
        }
    }
}
