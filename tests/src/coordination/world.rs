//! Virtual time, and how messages get from one to another.

use std::collections::{BTreeMap, BTreeSet};

use durable_store::format::RecordId;

use super::check;
use super::host::{HostRun, Reply};
use super::realtime::Act;
use super::tab::Tab;
use crate::agenda::{Agenda, Log};
use crate::random::Random;

/// Something that happens at a time.
#[derive(Debug)]
pub(super) enum Event {
    /// A text of a tab arrives at this host.
    ToHost {
        run: u64,
        link: u64,
        text: String,
    },
    /// A text of this host arrives at a tab that is this one for the link.
    ToTab {
        tab: usize,
        link: u64,
        run: u64,
        text: String,
    },
    /// The storage has done what this host asked.
    Storage {
        run: u64,
        reply: Reply,
    },
    /// The host's alarm of this number.
    Alarm {
        run: u64,
        number: u64,
    },
    /// The host waits no more for tabs that have not come.
    Asleep {
        run: u64,
    },
    /// The host notices that a tab is gone.
    Gone {
        link: u64,
    },
    /// A tab notices the host that is there.
    Notice {
        tab: usize,
    },
    /// A host begins.
    Begin,
    /// A page goes on that was blocked.
    Unblock {
        tab: usize,
    },
    /// A page comes back that was frozen.
    Thaw {
        tab: usize,
    },
    /// A tab gives back what it holds by this token.
    GiveBack {
        tab: usize,
        token: u64,
    },
    /// A tab has done what another one asked for.
    Finish {
        tab: usize,
        from: String,
        of: u64,
    },
    /// A tab's application has done what the second connection needs a token for.
    Refreshed {
        tab: usize,
        round: u64,
    },
    /// The server of the second connection does something, for this attempt of this host.
    Server {
        run: u64,
        attempt: u64,
        what: Act,
    },
    /// A tab has deleted everything.
    Wiped {
        tab: usize,
    },
    /// Time has passed in a tab.
    Tick {
        tab: usize,
    },
    /// The application of some tab does something.
    Act,
    Fault,
}

/// Texts of one lane keep their order: those from a tab to the host, those from the host to a tab.
type Lane = (bool, u64);

pub(super) struct World {
    pub(super) r: Random,
    pub(super) agenda: Agenda<Event, Lane>,
    pub(super) tabs: Vec<Tab>,
    pub(super) host: Option<HostRun>,
    /// How many hosts there were.
    pub(super) runs: u64,
    /// What the storage holds.
    pub(super) texts: BTreeMap<RecordId, String>,
    /// Whether hosts have a storage.
    pub(super) stores: bool,
    /// Milliseconds that a message takes at most.
    pub(super) latency: usize,
    /// Faults have stopped.
    pub(super) calm: bool,
    /// Tokens that were granted, or by which a tab was to lead.
    pub(super) tokens: BTreeSet<u64>,
    /// The last token of each name.
    pub(super) last_tokens: BTreeMap<String, u64>,
    /// By how much the wall clock is ahead.
    pub(super) wall: u64,
    /// Any tab writes the state, and not only the leader.
    pub(super) is_distributed: bool,
    /// Tabs end the session now and then.
    pub(super) logs_out: bool,
    /// All tabs were frozen, and the storage was emptied: nobody was left whom it concerned.
    pub(super) forgot: bool,
    /// Versions of the state that the leader wrote.
    pub(super) versions: BTreeSet<u64>,
    /// What was to be done once, and is done: what it came to.
    pub(super) done: BTreeMap<String, u64>,
    /// Tasks that tabs began: the asker, its request, and who does it.
    pub(super) begun: BTreeSet<(String, u64, usize)>,
    /// What is stored outlives the tabs, and is deleted by a logout.
    pub(super) is_durable: bool,
    /// The last logout that a tab heard of.
    pub(super) logouts: u64,
    /// Sessions that tabs have named, and those that have ended.
    pub(super) names: BTreeSet<String>,
    pub(super) dead_names: BTreeSet<String>,
    /// The sessions that tabs were told of, with the logouts before them.
    pub(super) told_names: BTreeMap<String, u64>,
    /// The second connection: the host that has it, and the attempt.
    pub(super) connection: Option<(u64, u64)>,
    /// What was sent through it, or is to be.
    pub(super) relayed: u64,
    /// What reached its server.
    pub(super) arrived: BTreeSet<u64>,
    /// How many messages came by it.
    pub(super) received: u64,
    /// Failures of the storage in a row.
    pub(super) failures: u32,
    /// How many broadcasts were made.
    pub(super) broadcasts: u64,
    pub(super) log: Log,
}

impl World {
    pub(super) fn new(seed: u64, is_traced: bool) -> Self {
        let mut r = Random::new(seed);
        let stores = !r.once_in(4);
        let is_durable = stores && r.once_in(4);
        Self {
            stores,
            latency: 10 + r.below(40),
            wall: 1_000_000_000,
            is_distributed: r.once_in(2),
            logs_out: r.once_in(3),
            forgot: false,
            versions: BTreeSet::new(),
            done: BTreeMap::new(),
            begun: BTreeSet::new(),
            r,
            agenda: Agenda::new(1_000),
            tabs: Vec::new(),
            host: None,
            runs: 0,
            texts: BTreeMap::new(),
            calm: false,
            tokens: BTreeSet::new(),
            last_tokens: BTreeMap::new(),
            is_durable,
            logouts: 0,
            names: BTreeSet::new(),
            dead_names: BTreeSet::new(),
            told_names: BTreeMap::new(),
            connection: None,
            relayed: 0,
            arrived: BTreeSet::new(),
            received: 0,
            failures: 0,
            broadcasts: 0,
            log: Log::new(is_traced),
        }
    }

    // ---- Time ----

    pub(super) fn after(&mut self, delay: u64, event: Event) {
        self.agenda.after(delay, event);
    }

    /// How long something takes.
    pub(super) fn transit(&mut self) -> u64 {
        let latency = if self.calm { 5 } else { self.latency };
        let most = if self.r.once_in(4) { latency } else { 3 };
        self.r.below(most) as u64
    }

    /// Lets a text arrive, behind those that went before it.
    pub(super) fn deliver(&mut self, to_host: bool, link: u64, event: Event) {
        let delay = self.transit();
        self.agenda.over((to_host, link), delay, event);
    }

    /// The host died: some of the texts that it sent arrive, and none of those that it was sent.
    pub(super) fn lose_texts(&mut self, run: u64) {
        let mut cut = BTreeSet::new();
        let random = &mut self.r;
        self.agenda.retain(|event| match event {
            Event::ToHost { run: of, .. } => *of != run,
            Event::ToTab { run: of, tab, .. } if *of == run => {
                let is_lost = cut.contains(tab) || random.once_in(3);
                if is_lost {
                    cut.insert(*tab);
                }
                !is_lost
            }
            _ => true,
        });
    }

    /// The host deleted everything: nothing of it is written later.
    pub(super) fn drop_writes(&mut self) {
        self.agenda
            .retain(|event| !matches!(event, Event::Storage { .. }));
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

    /// Whether a text is on its way.
    pub(super) fn has_texts(&self) -> bool {
        let mut events = self.agenda.events();
        events.any(|event| matches!(event, Event::ToHost { .. } | Event::ToTab { .. }))
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::ToHost { run, link, text } => {
                self.say(|| format!("host   <- {link}: {text}"));
                self.with_host(run, |host, _| host.take_text(link, &text));
            }
            Event::ToTab {
                tab,
                link,
                run,
                text,
            } => self.tab_hears(tab, link, run, text),
            Event::Storage { run, reply } => self.storage_replies(run, reply),
            Event::Alarm { run, number } => {
                self.with_host(run, |host, _| host.take_alarm(number));
            }
            Event::Asleep { run } => {
                self.with_host(run, |host, _| host.tabs_asleep());
            }
            Event::Gone { link } => {
                if let Some(run) = self.host.as_ref().map(|host| host.run) {
                    self.with_host(run, |host, _| host.tab_gone(link));
                }
            }
            Event::Notice { tab } => self.register(tab),
            Event::Begin => self.begin_host(),
            Event::Unblock { tab } => self.unblock(tab),
            Event::Thaw { tab } => self.thaw(tab),
            Event::GiveBack { tab, token } => self.give_back(tab, token),
            Event::Finish { tab, from, of } => self.finish(tab, from, of),
            Event::Wiped { tab } => self.wiped(tab),
            Event::Refreshed { tab, round } => self.refreshed(tab, round),
            Event::Server { run, attempt, what } => self.server_acts(run, attempt, what),
            Event::Tick { tab } => self.tick(tab),
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
