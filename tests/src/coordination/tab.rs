//! A tab: its end of coordination, its link to the host, and an application.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use broker::coordination::messages::{
    Ask, Broadcast, Bundle, Claim, Grant, Idle, Leading, Outcome, Part, Report, Say, Shared,
};
use broker::coordination::{Coordinator, Input, Output};
use broker::message::{Envelope, PROTOCOL, ToHost, ToTab, decode, encode};
use proxy_doc::{Json, read_json, write_json};

use super::world::{Event, World};

/// The names that tabs ask for.
const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Runs,
    /// It executes nothing, and what it is sent waits.
    Blocked,
    /// It has left its host.
    Frozen,
    Dead,
}

pub(super) struct Tab {
    pub(super) index: usize,
    pub(super) page: Page,
    /// By which the host knows it: another one when a page is back.
    pub(super) link: u64,
    /// The host that has taken the tab, and which its messages are for.
    host: Option<u64>,
    pub(super) coordinator: Coordinator,
    /// By how much its clock differs.
    clock: u64,
    waiting: VecDeque<(u64, u64, String)>,
    next_number: u64,
    pub(super) report: Report,
    /// Requests without an answer: what they are.
    pub(super) open: BTreeMap<u64, Ask>,
    /// What the tab was told that it holds.
    pub(super) held: BTreeMap<u64, Grant>,
    /// The tabs that it knows of, without those that are frozen.
    pub(super) mirror: BTreeSet<String>,
    pub(super) leading: Leading,
    /// Broadcasts that it heard.
    pub(super) heard: Vec<u64>,
    /// The broadcasts that were made before it was there.
    pub(super) since: Option<u64>,
    /// The shared state, as it was told.
    pub(super) state: Option<Bundle>,
    epoch: u64,
    pub(super) idle: Option<Idle>,
    /// It was told that it missed some.
    pub(super) has_gap: bool,
}

pub(super) fn tab_id(index: usize) -> String {
    format!("tab{index}")
}

impl Tab {
    /// Whether its lock is held: a host finds that it lives.
    pub(super) fn is_locked(&self) -> bool {
        matches!(self.page, Page::Runs | Page::Blocked)
    }

    pub(super) fn host_is_gone(&mut self) {
        self.host = None;
    }

    /// Whether the tab would say now that it holds what it was granted by this token.
    pub(super) fn holds(&self, token: u64, now: u64) -> bool {
        self.is_locked() && self.coordinator.holds(token, now + self.clock)
    }

    pub(super) fn leads(&self) -> bool {
        self.page != Page::Dead && self.coordinator.is_leader()
    }
}

impl World {
    pub(super) fn new_tab(&mut self) {
        let index = self.tabs.len();
        let report = self.some_report();
        let rotation = if self.r.once_in(3) { 5_000 } else { 0 };
        let link = self.next_number();
        let clock = self.r.below(1_000_000) as u64;
        self.say(|| format!("tab{index} opens as link {link}"));
        self.tabs.push(Tab {
            index,
            page: Page::Runs,
            link,
            host: None,
            coordinator: Coordinator::new(tab_id(index), rotation, report.clone()),
            clock,
            waiting: VecDeque::new(),
            next_number: 1,
            report,
            open: BTreeMap::new(),
            held: BTreeMap::new(),
            mirror: BTreeSet::new(),
            leading: Leading::default(),
            heard: Vec::new(),
            since: None,
            state: None,
            epoch: 0,
            idle: None,
            has_gap: false,
        });
        self.register(index);
    }

    fn some_report(&mut self) -> Report {
        Report {
            visible: self.r.once_in(2),
            focused: self.r.once_in(4),
            idle: self.r.below(100_000) as u64,
            battery: None,
            offline: self.r.once_in(8),
            weight: 0,
            observer: self.r.once_in(6),
        }
    }

    /// The tab registers with the host that is there.
    pub(super) fn register(&mut self, tab: usize) {
        let Some(run) = self.host.as_ref().map(|host| host.run) else {
            return;
        };
        let t = &mut self.tabs[tab];
        if t.host == Some(run) || t.page == Page::Dead || t.page == Page::Frozen {
            return;
        }
        if t.page == Page::Blocked {
            // It notices when it goes on.
            return;
        }
        t.host = Some(run);
        let text = encode(&ToHost::Register {
            protocol: PROTOCOL,
            resume: Vec::new(),
            machine: Some(0),
        });
        self.post(tab, text);
    }

    fn post(&mut self, tab: usize, text: String) {
        let t = &self.tabs[tab];
        let (link, host) = (t.link, t.host);
        // Without a host it waits, and is not for the next one: everything is said again there.
        if let Some(run) = host {
            self.deliver(true, link, Event::ToHost { run, link, text });
        }
    }

    pub(super) fn tab_hears(&mut self, tab: usize, link: u64, run: u64, text: String) {
        let t = &mut self.tabs[tab];
        if t.link != link {
            return;
        }
        match t.page {
            Page::Runs => self.hear(tab, run, &text),
            Page::Blocked => t.waiting.push_back((link, run, text)),
            Page::Frozen | Page::Dead => {}
        }
    }

    fn hear(&mut self, tab: usize, run: u64, text: &str) {
        self.say(|| format!("tab{tab}   <- {text}"));
        // What comes of a host before the tab's is dropped.
        if self.tabs[tab].host != Some(run) {
            return;
        }
        let envelope: Envelope = decode(text).expect("hosts say what can be read");
        match envelope.message {
            ToTab::Welcome { .. } => self.feed(tab, Input::Welcomed {}),
            ToTab::Coordination(say) => {
                let say = say.parse::<Say>().expect("hosts say what can be read");
                self.feed(tab, Input::Heard(say));
            }
            _ => {}
        }
    }

    /// Gives the tab's machine an input, through JSON as JavaScript does, and carries out what follows.
    pub(super) fn feed(&mut self, tab: usize, input: Input) {
        let text = match &input {
            Input::Heard(_) => None,
            _ => Some(write_json(&input)),
        };
        if let Some(text) = text {
            self.say(|| format!("tab{tab}   does {text}"));
        }
        let now = self.now;
        let t = &mut self.tabs[tab];
        let input = read_json(&write_json(&input)).expect("inputs can be read again");
        for output in t.coordinator.handle(now + t.clock, input) {
            let output = read_json(&write_json(&output)).expect("outputs can be read again");
            match output {
                Output::Post(ask) => {
                    let ask = Json::written(write_json(&ask));
                    self.post(tab, encode(&ToHost::Coordination(ask)));
                }
                Output::Tell(say) => self.be_told(tab, say),
                Output::Granted(grant) => self.be_granted(tab, grant),
            }
        }
    }

    fn be_told(&mut self, tab: usize, say: Say) {
        let t = &mut self.tabs[tab];
        match say {
            Say::Welcome(welcome) => {
                let tabs = welcome.tabs.iter().filter(|tab| !tab.frozen);
                t.mirror = tabs.map(|tab| tab.id.clone()).collect();
                t.leading = welcome.leading.clone();
                t.epoch = welcome.session.epoch;
                t.state = welcome.state.clone();
                t.idle = welcome.idle.clone();
                t.has_gap |= welcome.gap;
                t.since.get_or_insert(self.broadcasts);
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
                self.census.insert("a task");
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
                self.census.insert("a logout");
                let delay = self.r.below(100) as u64;
                self.after(delay, Event::Wiped { tab });
            }
            Say::LoggedOut(session) => {
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
                    self.census.insert("a grant was lost");
                }
            }
            Say::Broadcast(broadcast) => self.be_broadcast(tab, &broadcast, false),
            Say::Resign { .. } => {}
            Say::Offer(_) | Say::Lead { .. } | Say::Granted { .. } => {
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
            _ => return self.wrong(format!("tab{tab} hears {code} to {ask:?}")),
        };
        self.census.insert(known);
    }

    fn be_answered(&mut self, tab: usize, ask: Ask, result: Option<Json>) {
        match ask {
            Ask::Write {
                base: Some(base), ..
            } => {
                self.census.insert("the leader wrote");
                if !self.versions.insert(base + 1) && self.remembers() {
                    self.wrong(format!(
                        "tab{tab} wrote version {} over another one",
                        base + 1
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
            self.census.insert("a missed broadcast");
        }
        let t = &mut self.tabs[tab];
        if t.heard.contains(&number) {
            return self.wrong(format!("tab{tab} hears broadcast {number} again"));
        }
        t.heard.push(number);
    }

    fn be_granted(&mut self, tab: usize, grant: Grant) {
        let Grant { name, token, .. } = grant.clone();
        self.census.insert("a grant");
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

    // ---- The application ----

    /// Some tab does something.
    pub(super) fn act(&mut self) {
        if self.calm {
            return;
        }
        let delay = 1 + self.r.below(120) as u64;
        self.after(delay, Event::Act);
        let tab = self.r.below(self.tabs.len());
        if self.tabs[tab].page != Page::Runs {
            return;
        }
        match self.r.below(16) {
            10 | 11 => self.claim_shared(tab),
            12 => self.write(tab),
            13 => self.delegate(tab),
            14 | 15 => self.act_in_session(tab),
            0..4 => self.claim(tab, Vec::new()),
            4 | 5 => {
                self.broadcasts += 1;
                let message = Json::written(write_json(&self.broadcasts));
                let urgent = self.r.once_in(4);
                self.request(tab, |number| Ask::Send {
                    number,
                    urgent,
                    message,
                });
                let made = self.broadcasts;
                self.tabs[tab].heard.push(made);
            }
            6 | 7 => {
                let observer = self.tabs[tab].report.observer;
                let report = Report {
                    observer,
                    ..self.some_report()
                };
                self.tabs[tab].report = report.clone();
                self.feed(tab, Input::Ask(Ask::Report(report)));
            }
            8 => {
                let open = self.tabs[tab].open.iter();
                let claims = open.filter(|(_, ask)| matches!(ask, Ask::Claim(_)));
                let claims: Vec<u64> = claims.map(|(number, _)| *number).collect();
                if !claims.is_empty() {
                    let number = *self.r.pick(&claims);
                    self.feed(tab, Input::Ask(Ask::Cancel { number }));
                }
            }
            _ => {
                if let Some(term) = self.tabs[tab].coordinator.term() {
                    let willing = self.r.once_in(2);
                    self.feed(tab, Input::Ask(Ask::Resigned { term, willing }));
                }
            }
        }
    }

    fn request(&mut self, tab: usize, make: impl FnOnce(u64) -> Ask) {
        let t = &mut self.tabs[tab];
        let number = t.next_number;
        t.next_number += 1;
        let ask = make(number);
        t.open.insert(number, ask.clone());
        self.feed(tab, Input::Ask(ask));
    }

    fn claim(&mut self, tab: usize, within: Vec<u64>) {
        let name = (*self.r.pick(&NAMES)).to_owned();
        let timeout = match self.r.below(3) {
            0 => Some(self.r.below(1_000) as u64),
            _ => None,
        };
        let expires = self.r.once_in(3).then(|| 1 + self.r.below(600) as u64);
        self.request(tab, |number| {
            Ask::Claim(Claim {
                number,
                name,
                timeout,
                expires,
                within,
                shared: None,
            })
        });
    }

    /// Asks for something that one tab does for all.
    fn claim_shared(&mut self, tab: usize) {
        let shared = *self.r.pick(&[Shared::Kept, Shared::Session, Shared::Now]);
        let name = match shared {
            Shared::Kept => "show",
            Shared::Session => "refresh",
            Shared::Now => "run",
        };
        self.request(tab, |number| {
            Ask::Claim(Claim {
                number,
                name: name.to_owned(),
                timeout: None,
                expires: None,
                within: Vec::new(),
                shared: Some(shared),
            })
        });
    }

    fn write(&mut self, tab: usize) {
        let t = &self.tabs[tab];
        let version = t.state.as_ref().map_or(0, |state| state.version);
        let skew = self.r.below(100_000) as u64;
        let bundle = Bundle {
            version: version + 1,
            updated_at: self.now + skew,
            source_id: tab_id(tab),
            schema: 1,
            config: Json::null(),
            snapshot: Json::written(write_json(&self.now)),
        };
        let leads = self.tabs[tab].coordinator.is_leader();
        let is_distributed = self.is_distributed;
        if leads || is_distributed {
            self.request(tab, |number| Ask::Write {
                number,
                part: Part::Snapshot,
                base: (!is_distributed).then_some(version),
                epoch: 0,
                bundle,
            });
        }
    }

    fn delegate(&mut self, tab: usize) {
        let count = self.tabs.len();
        let other = self.r.below(count);
        let to = (!self.r.once_in(2)).then(|| tab_id(other));
        self.request(tab, |number| Ask::Delegate {
            number,
            to,
            task: "task".to_owned(),
            payload: Json::null(),
        });
    }

    pub(super) fn finish(&mut self, tab: usize, from: String, of: u64) {
        match self.tabs[tab].page {
            Page::Dead => {}
            Page::Blocked | Page::Frozen => self.after(100, Event::Finish { tab, from, of }),
            Page::Runs => self.request(tab, |number| Ask::Done {
                number,
                from,
                of,
                outcome: Outcome::default(),
            }),
        }
    }

    pub(super) fn wiped(&mut self, tab: usize) {
        match self.tabs[tab].page {
            Page::Dead => {}
            Page::Blocked | Page::Frozen => self.after(100, Event::Wiped { tab }),
            Page::Runs => self.feed(tab, Input::Ask(Ask::Wiped {})),
        }
    }

    /// Whether nothing that was decided is forgotten.
    fn remembers(&self) -> bool {
        self.stores && !self.logs_out && !self.forgot
    }

    fn act_in_session(&mut self, tab: usize) {
        match self.r.below(8) {
            0 if self.logs_out => self.request(tab, |number| Ask::Logout { number }),
            1 | 2 if self.logs_out => {
                let id = Some((*self.r.pick(&["ada", "bob"])).to_owned());
                self.request(tab, |number| Ask::Session { number, id });
            }
            3 => self.request(tab, |number| Ask::Idle {
                number,
                warn: 2_000,
                timeout: 4_000,
            }),
            _ => self.feed(tab, Input::Ask(Ask::Active {})),
        }
    }

    /// Gives back what was granted, once nothing is waited for within it.
    pub(super) fn give_back(&mut self, tab: usize, token: u64) {
        let t = &mut self.tabs[tab];
        let is_within =
            |ask: &Ask| matches!(ask, Ask::Claim(claim) if claim.within.contains(&token));
        let waits = t.open.values().any(is_within);
        match t.page {
            Page::Dead => {}
            // It does nothing now.
            Page::Blocked | Page::Frozen => self.after(100, Event::GiveBack { tab, token }),
            Page::Runs if waits => self.after(100, Event::GiveBack { tab, token }),
            Page::Runs => {
                let Some(grant) = t.held.remove(&token) else {
                    return;
                };
                let outcome = grant.shared.map(|_| Outcome {
                    error: None,
                    result: Some(Json::written(write_json(&token))),
                });
                self.request(tab, |number| Ask::Release {
                    number,
                    token,
                    outcome,
                });
            }
        }
    }

    pub(super) fn tick(&mut self, tab: usize) {
        if self.tabs[tab].page == Page::Runs {
            self.feed(tab, Input::Tick {});
        }
    }

    // ---- The page ----

    pub(super) fn kill(&mut self, tab: usize) {
        let t = &mut self.tabs[tab];
        let was_locked = t.is_locked();
        t.page = Page::Dead;
        let link = t.link;
        self.say(|| format!("tab{tab}   dies"));
        if was_locked {
            self.miss(link);
        }
    }

    /// A host notices that a tab is gone, be it this one or the next.
    fn miss(&mut self, link: u64) {
        for wait in [60, 300, 1_000] {
            self.after(wait, Event::Gone { link });
        }
    }

    /// The page is frozen: it says so, and leaves its host.
    pub(super) fn freeze(&mut self, tab: usize) {
        self.feed(tab, Input::Ask(Ask::Away {}));
        let t = &mut self.tabs[tab];
        t.page = Page::Frozen;
        t.host = None;
        let link = t.link;
        self.say(|| format!("tab{tab}   is frozen"));
        self.miss(link);
        let time = 10 + self.r.below(3_000) as u64;
        self.after(time, Event::Thaw { tab });
    }

    pub(super) fn thaw(&mut self, tab: usize) {
        if self.tabs[tab].page != Page::Frozen {
            return;
        }
        let link = self.next_number();
        self.tabs[tab].link = link;
        self.tabs[tab].page = Page::Runs;
        self.say(|| format!("tab{tab}   is back as link {link}"));
        let delay = self.transit();
        self.after(delay, Event::Notice { tab });
    }

    pub(super) fn block(&mut self, tab: usize) {
        self.tabs[tab].page = Page::Blocked;
        self.say(|| format!("tab{tab}   is blocked"));
        // Where nothing is stored, what a blocked page holds is not known to the next host.
        let most = if self.stores { 5_000 } else { 1_200 };
        let time = self.r.below(most) as u64;
        self.after(time, Event::Unblock { tab });
    }

    pub(super) fn unblock(&mut self, tab: usize) {
        if self.tabs[tab].page != Page::Blocked {
            return;
        }
        self.tabs[tab].page = Page::Runs;
        self.say(|| format!("tab{tab}   goes on"));
        let waiting = std::mem::take(&mut self.tabs[tab].waiting);
        for (_, run, text) in waiting {
            self.hear(tab, run, &text);
        }
        self.register(tab);
    }
}
