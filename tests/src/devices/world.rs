//! Virtual time, and how messages get from one to another.

use std::collections::{BTreeMap, BTreeSet};

use broker::devices::messages::About;
use ot_json0::Op;

use super::browser::Browser;
use super::check;
use super::history::History;
use crate::agenda::{Agenda, Log};
use crate::random::Random;

/// What a browser tells the server.
#[derive(Clone, Debug)]
pub(super) enum ToServer {
    /// It has the history up to this version, and subscribes.
    Hello { version: usize },
    /// An op.
    Submit { version: usize, seq: u64, op: Op },
    /// Presence of a tab.
    Presence { key: String, about: Option<About> },
}

/// What the server tells a browser.
#[derive(Clone, Debug)]
pub(super) enum ToBrowser {
    /// The op of this version.
    Op { version: usize },
    /// An op was refused.
    Refused { seq: u64 },
    /// Presence of another browser's tab.
    Presence { key: String, about: Option<About> },
    /// Another browser asks for presence.
    WhoIsThere,
}

/// Something that happens at a time.
#[derive(Debug)]
pub(super) enum Event {
    ToServer {
        browser: usize,
        connection: u64,
        say: ToServer,
    },
    ToBrowser {
        browser: usize,
        connection: u64,
        say: ToBrowser,
    },
    Connect {
        browser: usize,
    },
    /// The server notices that a connection has ended.
    Ended {
        connection: u64,
    },
    /// A tab is told what there is, where it has not seen it.
    Look {
        browser: usize,
        tab: usize,
    },
    /// An op of a tab was committed or refused.
    Outcome {
        browser: usize,
        tab: usize,
        op: u64,
        refused: bool,
    },
    Heard {
        browser: usize,
        tab: usize,
        key: String,
        about: Option<About>,
    },
    Wake {
        browser: usize,
        tab: usize,
        number: u64,
    },
    /// Another tab leads, or tabs came or went.
    Lead {
        browser: usize,
    },
    /// The next tab in the queue for a lease may ask for it.
    Pass {
        browser: usize,
        name: String,
    },
    /// A tab gives back what it holds, or gives up.
    GiveBack {
        browser: usize,
        tab: usize,
        number: u64,
    },
    /// A tab does something by the lease that it holds.
    Use {
        browser: usize,
        tab: usize,
        number: u64,
    },
    /// A tab's application has done what a message says.
    Done {
        browser: usize,
        tab: usize,
        id: String,
        payload: u64,
    },
    Act,
    Fault,
}

/// A message that an application has sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) browser: usize,
    pub(super) tab: usize,
    pub(super) number: u64,
    pub(super) payload: u64,
    /// For all: the devices that were known.
    pub(super) all: Option<BTreeSet<String>>,
    /// For the best device.
    pub(super) is_best: bool,
    pub(super) is_answered: bool,
}

pub(super) struct World {
    pub(super) r: Random,
    /// In true time. Messages of a connection keep their order in each direction.
    pub(super) agenda: Agenda<Event, (bool, u64)>,
    pub(super) history: History,
    pub(super) browsers: Vec<Browser>,
    /// Connections that the server has: the browser, and the tabs whose presence came by it.
    pub(super) connections: BTreeMap<u64, (usize, BTreeSet<String>)>,
    pub(super) latency: usize,
    pub(super) calm: bool,
    pub(super) sent: Vec<Sent>,
    /// Messages that an application has taken: the device and the payload.
    pub(super) taken: BTreeSet<(String, u64)>,
    /// Devices that were told of a gap.
    pub(super) gaps: BTreeSet<String>,
    /// The highest token that the resource has seen, and the last that was granted.
    pub(super) used: BTreeMap<String, u64>,
    pub(super) granted: BTreeMap<String, u64>,
    /// Notifications that somebody has read, and by which browser.
    pub(super) read: BTreeSet<(String, usize)>,
    pub(super) payloads: u64,
    /// The server refuses ops now and then.
    pub(super) refuses: bool,
    pub(super) log: Log,
}

impl World {
    pub(super) fn new(seed: u64, is_traced: bool) -> Self {
        let mut r = Random::new(seed);
        Self {
            latency: 10 + r.below(100),
            refuses: r.once_in(4),
            r,
            agenda: Agenda::new(10_000_000),
            history: History::new(),
            browsers: Vec::new(),
            connections: BTreeMap::new(),
            calm: false,
            sent: Vec::new(),
            taken: BTreeSet::new(),
            gaps: BTreeSet::new(),
            used: BTreeMap::new(),
            granted: BTreeMap::new(),
            read: BTreeSet::new(),
            payloads: 0,
            log: Log::new(is_traced),
        }
    }

    pub(super) fn after(&mut self, delay: u64, event: Event) {
        self.agenda.after(delay, event);
    }

    /// Lets a message arrive behind those that went before it.
    pub(super) fn deliver(&mut self, to_server: bool, connection: u64, event: Event) {
        let most = if self.calm || !self.r.once_in(4) {
            5
        } else {
            self.latency
        };
        let delay = 1 + self.r.below(most) as u64;
        self.agenda.over((to_server, connection), delay, event);
    }

    /// Runs until this time, or until something is wrong.
    pub(super) fn run_until(&mut self, time: u64) {
        while self.log.problems.is_empty()
            && let Some(event) = self.agenda.next_until(time)
        {
            self.happen(event);
            check::step(self);
        }
    }

    fn happen(&mut self, event: Event) {
        let place = match &event {
            Event::ToBrowser { browser, .. }
            | Event::Connect { browser }
            | Event::Lead { browser }
            | Event::Pass { browser, .. } => Some((*browser, None)),
            Event::Look { browser, tab }
            | Event::Outcome { browser, tab, .. }
            | Event::Heard { browser, tab, .. }
            | Event::Wake { browser, tab, .. }
            | Event::GiveBack { browser, tab, .. }
            | Event::Use { browser, tab, .. }
            | Event::Done { browser, tab, .. } => Some((*browser, Some(*tab))),
            Event::ToServer { .. } | Event::Ended { .. } | Event::Act | Event::Fault => None,
        };
        if let Some((browser, tab)) = place {
            let until = self.browsers[browser].stands_until(tab);
            if until > self.agenda.now {
                // It comes when the machine, or the page, runs again.
                return self.after(until - self.agenda.now, event);
            }
            if tab.is_some_and(|tab| !self.browsers[browser].tabs[tab].lives) {
                return;
            }
        }
        match event {
            Event::ToServer {
                browser,
                connection,
                say,
            } => self.server_hears(browser, connection, say),
            Event::ToBrowser {
                browser,
                connection,
                say,
            } => self.browser_hears(browser, connection, say),
            Event::Connect { browser } => self.connect(browser),
            Event::Ended { connection } => self.connection_ended(connection),
            Event::Look { browser, tab } => self.look(browser, tab),
            Event::Outcome {
                browser,
                tab,
                op,
                refused,
            } => self.op_ended(browser, tab, op, refused),
            Event::Heard {
                browser,
                tab,
                key,
                about,
            } => self.hear_presence(browser, tab, key, about),
            Event::Wake {
                browser,
                tab,
                number,
            } => self.wake(browser, tab, number),
            Event::Lead { browser } => self.lead(browser),
            Event::Pass { browser, name } => self.pass(browser, &name),
            Event::GiveBack {
                browser,
                tab,
                number,
            } => self.give_back(browser, tab, number),
            Event::Use {
                browser,
                tab,
                number,
            } => self.use_lease(browser, tab, number),
            Event::Done {
                browser,
                tab,
                id,
                payload,
            } => self.done(browser, tab, id, payload),
            Event::Act => self.act(),
            Event::Fault => self.fault(),
        }
    }

    pub(super) fn say(&mut self, text: impl FnOnce() -> String) {
        self.log.say(self.agenda.now, text);
    }

    pub(super) fn wrong(&mut self, text: String) {
        self.log.wrong(self.agenda.now, &text);
    }
}
