//! The host, with its storage.

use std::collections::BTreeSet;
use std::rc::Rc;

use durable_store::{Ask, Failure, FailureKind, Request, Retention, StoreOptions};
use proxy_doc::{Epoch, OtType, TabId, Types};
use worker_host::{Host, Options, Output};

use super::world::{Event, World};

/// By how much the epochs of two hosts differ.
const EPOCHS: u64 = 1 << 21;
/// For how long a host waits for tabs that live.
const ASLEEP: u64 = 1000;

/// Failures in a row after which a host gives its storage up. What follows from that is simulated elsewhere.
const FAILURES: u32 = 3;

struct Json0;

impl Types for Json0 {
    fn resolve(&self, name: &str) -> Option<OtType> {
        (name == ot_json0::URI).then_some(OtType::Json0(None))
    }

    fn default_uri(&self) -> String {
        ot_json0::URI.to_owned()
    }
}

/// What came of a request to the storage.
#[derive(Debug)]
pub(super) struct Reply {
    number: u64,
    what: Ask,
}

/// A life of the host.
pub(super) struct HostRun {
    pub(super) run: u64,
    host: Host,
    alarm: u64,
    /// Requests to the storage that are under way.
    asked: BTreeSet<u64>,
    /// By how much its clock differs.
    clock: u64,
}

pub(super) fn link_id(link: u64) -> TabId {
    TabId(format!("link{link}"))
}

impl HostRun {
    pub(super) fn take_text(&mut self, link: u64, text: &str) {
        self.host.handle_tab(&link_id(link), text);
    }

    pub(super) fn tab_gone(&mut self, link: u64) {
        self.host.tab_gone(&link_id(link));
    }

    pub(super) fn tabs_asleep(&mut self) {
        self.host.tabs_asleep();
    }

    pub(super) fn take_report(&mut self, report: &str) {
        self.host.handle_realtime(report);
    }

    pub(super) fn take_alarm(&mut self, number: u64) {
        if number == self.alarm {
            self.host.handle_alarm();
        }
    }
}

impl World {
    pub(super) fn begin_host(&mut self) {
        if self.host.is_some() {
            return;
        }
        self.runs += 1;
        let epoch = Epoch(self.runs * EPOCHS);
        let store = self.stores.then(|| StoreOptions {
            retention: if self.is_durable {
                Retention::Durable
            } else {
                Retention::Session
            },
            ..StoreOptions::default()
        });
        let options = Options {
            epoch,
            opens_sockets: true,
            has_url: false,
            src: Some(format!("src{}", self.runs)),
            store,
            ..Options::default()
        };
        let clock = self.r.below(1_000_000) as u64;
        let run = self.runs;
        self.say(|| format!("host   {run} begins"));
        let mut host = Host::new(options, Rc::new(Json0));
        host.serve_realtime();
        self.host = Some(HostRun {
            run,
            host,
            alarm: 0,
            asked: BTreeSet::new(),
            clock,
        });
        self.with_host(run, |_, _| {});
        for tab in 0..self.tabs.len() {
            let delay = self.transit();
            self.after(delay, Event::Notice { tab });
        }
    }

    /// The host dies. What it asked of the storage is done, or not.
    pub(super) fn kill_host(&mut self) {
        let Some(host) = self.host.take() else {
            return;
        };
        let run = host.run;
        self.say(|| format!("host   {run} dies"));
        self.lose_texts(run);
        self.connection = None;
        for tab in &mut self.tabs {
            tab.host_is_gone();
        }
        let delay = 1 + self.r.below(200) as u64;
        self.after(delay, Event::Begin);
    }

    /// Calls the host, if it is this one, and carries out what it says.
    pub(super) fn with_host(&mut self, run: u64, call: impl FnOnce(&mut HostRun, u64)) {
        let Some(host) = self.host.as_mut().filter(|host| host.run == run) else {
            return;
        };
        let now = self.agenda.now + host.clock;
        host.host.set_time(now, self.agenda.now + self.wall);
        call(host, now);
        while let Some(output) = self.host.as_mut().and_then(|host| host.host.poll()) {
            self.carry_out(run, output);
        }
    }

    fn carry_out(&mut self, run: u64, output: Output) {
        match output {
            Output::ToTab { tab, text, .. } => {
                let found = self
                    .tabs
                    .iter()
                    .position(|known| link_id(known.link) == tab);
                if let Some(tab) = found {
                    let link = self.tabs[tab].link;
                    let event = Event::ToTab {
                        tab,
                        link,
                        run,
                        text,
                    };
                    self.deliver(false, link, event);
                }
            }
            Output::StartAlarm(delay) => {
                let Some(host) = &mut self.host else {
                    return;
                };
                host.alarm += 1;
                let number = host.alarm;
                self.after(delay, Event::Alarm { run, number });
            }
            Output::Storage(request) => self.ask_storage(run, request),
            Output::FindTabs(tabs) => {
                let lives = |tab: &TabId| {
                    let mut known = self.tabs.iter();
                    known.any(|known| known.is_locked() && link_id(known.link) == *tab)
                };
                let living: Vec<TabId> = tabs.into_iter().filter(|tab| lives(tab)).collect();
                if let Some(host) = &mut self.host {
                    host.host.tabs_found(&living);
                }
                self.after(ASLEEP, Event::Asleep { run });
            }
            Output::Realtime(act) => self.be_asked(run, &act),
            Output::Warn(text) => self.wrong(format!("the host warns: {text}")),
            Output::OpenSocket(_) | Output::Send(_) => {
                self.wrong("the host speaks to a server".to_owned());
            }
            Output::StartTimer(_) | Output::CloseSocket | Output::DropSocket => {}
            Output::BeginAnew | Output::Resigned | Output::Deposed | Output::Debug { .. } => {
                self.wrong(format!("an unexpected output: {output:?}"));
            }
        }
    }

    fn ask_storage(&mut self, run: u64, request: Request) {
        let Request { number, what } = request;
        if let Some(host) = &mut self.host {
            host.asked.insert(number);
        }
        let delay = 1 + self.transit();
        let reply = Reply { number, what };
        self.after(delay, Event::Storage { run, reply });
    }

    pub(super) fn storage_replies(&mut self, run: u64, Reply { number, what }: Reply) {
        // What a host asked for that died meanwhile is done, or not.
        let lives = self.host.as_ref().is_some_and(|host| host.run == run);
        if !lives && (self.host.is_some() || self.r.once_in(2)) {
            return;
        }
        let may_fail = lives && !self.calm && self.failures < FAILURES;
        let fails = may_fail && matches!(what, Ask::Write { .. }) && self.r.once_in(60);
        self.failures = if fails { self.failures + 1 } else { 0 };
        if fails {
            self.say(|| format!("host   {run} cannot write"));
            let failure = Failure::new(FailureKind::Other, "a simulated failure");
            return self.with_host(run, |host, _| {
                host.host.handle_storage(number, Err(failure))
            });
        }
        let mut texts = Vec::new();
        match what {
            Ask::Open => {}
            Ask::Read(ids) => texts = ids.iter().map(|id| self.texts.get(id).cloned()).collect(),
            Ask::Write { puts, deletes } => {
                self.texts.extend(puts);
                for id in deletes {
                    self.texts.remove(&id);
                }
            }
            Ask::Wipe => {
                self.forgot |= !self.texts.is_empty();
                self.texts.clear();
            }
        }
        self.with_host(run, |host, _| {
            host.asked.remove(&number);
            host.host.handle_storage(number, Ok(texts));
        });
    }
}
