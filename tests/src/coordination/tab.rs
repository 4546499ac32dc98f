//! A tab: its end of coordination, its link to the host, and an application.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use broker::coordination::messages::{
    Ask, Bundle, Grant, Idle, Leading, RealtimeState, Report, Say,
};
use broker::coordination::{Coordinator, Input, Output};
use broker::message::{Envelope, PROTOCOL, ToHost, ToTab, decode, encode};
use proxy_doc::{Json, read_json, write_json};

use super::world::{Event, World};

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
    pub(super) next_number: u64,
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
    pub(super) epoch: u64,
    pub(super) idle: Option<Idle>,
    /// It was told that it missed some.
    pub(super) has_gap: bool,
    /// The logouts that it has heard of, or that were before it.
    pub(super) logouts: u64,
    /// Everything was deleted while it was away.
    pub(super) is_to_hear: bool,
    /// How far the second connection is, as it was told.
    pub(super) realtime: RealtimeState,
    /// The last message of that connection.
    pub(super) last_received: Option<u64>,
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
        self.page != Page::Dead && self.coordinator.term().is_some()
    }
}

impl World {
    pub(super) fn new_tab(&mut self) {
        let index = self.tabs.len();
        let report = self.some_report();
        let rotation = if self.r.once_in(3) { 5_000 } else { 0 };
        let link = self.agenda.next_number();
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
            logouts: 0,
            is_to_hear: false,
            realtime: RealtimeState::Disconnected,
            last_received: None,
        });
        self.register(index);
    }

    pub(super) fn some_report(&mut self) -> Report {
        Report {
            visible: self.r.once_in(2),
            focused: self.r.once_in(4),
            idle: self.r.below(100_000) as u64,
            battery: None,
            offline: self.r.once_in(8),
            weight: 0,
            observer: self.r.once_in(6),
            refreshes: self.r.once_in(2),
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
            view: None,
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
        let now = self.agenda.now;
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
        let link = self.agenda.next_number();
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
