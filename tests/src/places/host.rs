//! A host: takes tabs, writes their ops to the store, sends them to the server, and says what became of them.

use std::collections::BTreeMap;

use broker::places::CandidateInput;
use proxy_doc::Epoch;

use super::context::{Input, Task, ToTab, Way};
use super::server::Op;
use super::world::{Event, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has no epoch yet.
    Beginning,
    /// It takes the store, and reads it.
    Opening,
    Up,
    /// It takes and answers nothing any more.
    Resigning,
}

#[derive(Debug)]
pub(super) struct Host {
    /// Which host of the whole simulation.
    pub(super) run: u64,
    pub(super) epoch: Epoch,
    pub(super) phase: Phase,
    /// The tabs that it has taken, and how it reaches them.
    taken: BTreeMap<usize, Way>,
    /// Tabs that introduced themselves while it opens.
    met: Vec<(usize, Way, u32)>,
    /// Ops to be written.
    fresh: Vec<Op>,
    /// Acknowledged ops to be written.
    acknowledged: Vec<Op>,
    /// What the store has, and whether the server has acknowledged it.
    stored: BTreeMap<Op, bool>,
    /// What the write under way holds.
    writing: Option<Vec<Op>>,
    is_claiming: bool,
    /// Which request to resign is the last one.
    hurry: u64,
}

/// What happens to a host.
#[derive(Clone, Debug)]
pub(super) enum HostTask {
    Began,
    Claimed(BTreeMap<Op, bool>),
    Written {
        fresh: Vec<Op>,
        acknowledged: Vec<Op>,
    },
    /// Another host has taken the store.
    Fenced,
    Acknowledged(Op),
    Wipe,
    Wiped,
    Resigned {
        hurry: u64,
    },
}

/// A host's request to take the store.
#[derive(Debug)]
pub(super) struct Claim {
    by: usize,
    run: u64,
    epoch: Epoch,
}

/// A write on its way to the store.
#[derive(Debug)]
pub(super) struct Write {
    by: usize,
    run: u64,
    epoch: Epoch,
    what: Written,
}

#[derive(Debug)]
enum Written {
    Ops {
        fresh: Vec<Op>,
        acknowledged: Vec<Op>,
    },
    Nothing,
}

impl Host {
    fn new(run: u64, epoch: Epoch, phase: Phase) -> Self {
        Self {
            run,
            epoch,
            phase,
            taken: BTreeMap::new(),
            met: Vec::new(),
            fresh: Vec::new(),
            acknowledged: Vec::new(),
            stored: BTreeMap::new(),
            writing: None,
            is_claiming: false,
            hurry: 0,
        }
    }

    /// Whether it has its socket open.
    pub(super) fn has_socket(&self) -> bool {
        self.phase == Phase::Up
    }

    pub(super) fn leave(&mut self, tab: usize, way: Way) {
        if self.taken.get(&tab) == Some(&way) {
            self.taken.remove(&tab);
        }
        self.met
            .retain(|(other, by, _)| (*other, *by) != (tab, way));
    }
}

impl World {
    fn host(&mut self, context: usize) -> Option<&mut Host> {
        self.contexts[context].place.host.as_mut()
    }

    pub(super) fn begin(&mut self, context: usize) {
        if self.host(context).is_some() {
            return self.wrong(context, "begins a second host".to_owned());
        }
        let run = self.agenda.next_number();
        self.contexts[context].place.host = Some(Host::new(run, Epoch(0), Phase::Beginning));
        let most = if !self.calm && self.r.once_in(20) {
            8_000
        } else {
            200
        };
        let delay = self.between(5, most);
        let what = HostTask::Began;
        self.task(context, delay, Task::Host { run, what });
    }

    /// An epoch by the machine's clock.
    fn new_epoch(&mut self) -> Epoch {
        let clock = (self.clock + self.agenda.now as i64).rem_euclid(1 << 31) as u64;
        Epoch((clock << 21) + self.r.next() % (1 << 21))
    }

    pub(super) fn host_task(&mut self, context: usize, run: u64, what: HostTask) {
        let Some(host) = self.host(context).filter(|host| host.run == run) else {
            return;
        };
        match what {
            HostTask::Began => {
                if host.phase == Phase::Beginning {
                    let epoch = self.new_epoch();
                    self.live(context, epoch);
                }
            }
            HostTask::Claimed(ops) => self.claimed(context, ops),
            HostTask::Written {
                fresh,
                acknowledged,
            } => self.written(context, &fresh, &acknowledged),
            HostTask::Fenced => {
                self.log.census.insert("a host fenced");
                self.feed(context, Input::Candidate(CandidateInput::Lost {}));
            }
            HostTask::Acknowledged(op) => {
                if host.phase == Phase::Up && host.stored.get(&op) != Some(&true) {
                    host.acknowledged.push(op);
                    self.pump(context);
                }
            }
            HostTask::Wipe => {
                if host.phase == Phase::Up && host.writing.is_none() {
                    self.put(context, Written::Nothing);
                }
            }
            HostTask::Wiped => self.over(context),
            HostTask::Resigned { hurry } => self.resigned(context, run, hurry),
        }
    }

    /// A life begins: the first one of a host, or the next one after a crash.
    fn live(&mut self, context: usize, epoch: Epoch) {
        self.lives += 1;
        let host = self.host(context).expect("it begins");
        host.epoch = epoch;
        host.phase = Phase::Opening;
        host.is_claiming = true;
        let run = host.run;
        let by = context;
        let most = if !self.calm && self.r.once_in(20) {
            3_000
        } else {
            300
        };
        let delay = self.between(2, most);
        self.after(delay, Event::Claim(Claim { by, run, epoch }));
        self.feed(context, Input::Candidate(CandidateInput::Began { epoch }));
    }

    /// The machine in the host traps. The next life begins in the same place.
    pub(super) fn crash(&mut self, context: usize) {
        let run = self.agenda.next_number();
        let Some(host) = self.host(context) else {
            return;
        };
        if !matches!(host.phase, Phase::Opening | Phase::Up) {
            return;
        }
        let epoch = host.epoch.next();
        *host = Host::new(run, epoch, Phase::Opening);
        self.say(context, || "the host crashes".to_owned());
        self.log.census.insert("a host crashed");
        self.live(context, epoch);
    }

    /// Whether what a host asked of the store is still done.
    fn is_done(&mut self, by: usize, run: u64) -> bool {
        let is_alive = self.host(by).is_some_and(|host| host.run == run);
        is_alive || self.r.once_in(2)
    }

    pub(super) fn claim(&mut self, Claim { by, run, epoch }: Claim) {
        if self.is_done(by, run) {
            self.say(by, || format!("{epoch} claims the store"));
            let what = HostTask::Claimed(self.store.claim(epoch));
            let delay = self.r.below(5);
            self.task(by, delay, Task::Host { run, what });
        }
    }

    fn claimed(&mut self, context: usize, ops: BTreeMap<Op, bool>) {
        let host = self.host(context).expect("it claimed");
        host.is_claiming = false;
        if host.phase != Phase::Opening {
            return;
        }
        host.phase = Phase::Up;
        host.stored.clone_from(&ops);
        let met = std::mem::take(&mut host.met);
        for (op, is_acknowledged) in ops {
            if !is_acknowledged {
                self.send(context, op);
            }
        }
        for (tab, way, protocol) in met {
            self.meet(context, tab, way, protocol);
        }
    }

    /// A tab introduced itself to the host that is here.
    pub(super) fn meet(&mut self, context: usize, tab: usize, way: Way, protocol: u32) {
        let refusal = self.contexts[context].place.candidate.refusal(protocol);
        let Some(host) = self.host(context) else {
            return self.wrong(context, "greets with a host that is not there".to_owned());
        };
        let epoch = host.epoch;
        match host.phase {
            Phase::Beginning | Phase::Resigning => {}
            Phase::Opening => host.met.push((tab, way, protocol)),
            Phase::Up => match refusal {
                Some(why) => {
                    self.log.census.insert("a tab refused");
                    self.tell_tab(context, tab, way, ToTab::Refused(why));
                }
                None => {
                    host.taken.insert(tab, way);
                    self.tell_tab(context, tab, way, ToTab::Taken { epoch });
                }
            },
        }
    }

    pub(super) fn take_op(
        &mut self,
        context: usize,
        tab: usize,
        way: Way,
        seq: usize,
        epoch: Epoch,
    ) {
        let Some(host) = self.host(context) else {
            return;
        };
        if host.phase != Phase::Up || host.taken.get(&tab) != Some(&way) {
            return;
        }
        let (op, own) = ((tab, seq), host.epoch);
        if own != epoch {
            let text = format!("{own} takes an op that was sent to {epoch}");
            return self.wrong(context, text);
        }
        match host.stored.get(&op) {
            Some(true) => self.answer(context, op, true),
            Some(false) => self.answer(context, op, false),
            None => {
                let is_writing = host.writing.as_ref().is_some_and(|ops| ops.contains(&op));
                if !is_writing && !host.fresh.contains(&op) {
                    host.fresh.push(op);
                    self.pump(context);
                }
            }
        }
    }

    fn answer(&mut self, context: usize, (tab, seq): Op, is_acknowledged: bool) {
        let Some(host) = self.host(context) else {
            return;
        };
        let epoch = host.epoch;
        let Some(way) = host.taken.get(&tab).copied() else {
            return;
        };
        let message = if is_acknowledged {
            ToTab::Outcome { epoch, seq }
        } else {
            ToTab::Accepted { epoch, seq }
        };
        if self.contexts[context].place.candidate.host().is_none() {
            self.wrong(context, format!("answers without a host: {message:?}"));
        }
        self.tell_tab(context, tab, way, message);
    }

    // ---- The store ----

    /// Writes what there is, one write at a time.
    fn pump(&mut self, context: usize) {
        let Some(host) = self.host(context) else {
            return;
        };
        let nothing = host.fresh.is_empty() && host.acknowledged.is_empty();
        if nothing || host.writing.is_some() || host.phase != Phase::Up {
            return;
        }
        let fresh = std::mem::take(&mut host.fresh);
        let acknowledged = std::mem::take(&mut host.acknowledged);
        self.put(
            context,
            Written::Ops {
                fresh,
                acknowledged,
            },
        );
    }

    fn put(&mut self, context: usize, what: Written) {
        let host = self.host(context).expect("it writes");
        let ops = match &what {
            Written::Ops { fresh, .. } => fresh.clone(),
            Written::Nothing => Vec::new(),
        };
        host.writing = Some(ops);
        let (run, epoch, by) = (host.run, host.epoch, context);
        let delay = self.between(1, 50);
        let write = Write {
            by,
            run,
            epoch,
            what,
        };
        self.after(delay, Event::Write(write));
    }

    /// A write arrives at the store.
    pub(super) fn write(&mut self, write: Write) {
        let Write {
            by,
            run,
            epoch,
            what,
        } = write;
        if !self.is_done(by, run) {
            return;
        }
        let result = match &what {
            Written::Ops {
                fresh,
                acknowledged,
            } => {
                let fresh = self.store.write(epoch, fresh, false);
                fresh.and_then(|()| self.store.write(epoch, acknowledged, true))
            }
            Written::Nothing => self.store.wipe(epoch),
        };
        let what = match (result, what) {
            (Err(_), _) => HostTask::Fenced,
            (
                Ok(()),
                Written::Ops {
                    fresh,
                    acknowledged,
                },
            ) => HostTask::Written {
                fresh,
                acknowledged,
            },
            (Ok(()), Written::Nothing) => {
                self.wiped = true;
                HostTask::Wiped
            }
        };
        self.say(by, || format!("{epoch} writes: {what:?}"));
        let delay = self.r.below(5);
        self.task(by, delay, Task::Host { run, what });
    }

    fn written(&mut self, context: usize, fresh: &[Op], acknowledged: &[Op]) {
        let host = self.host(context).expect("it wrote");
        host.writing = None;
        host.stored.extend(fresh.iter().map(|op| (*op, false)));
        host.stored
            .extend(acknowledged.iter().map(|op| (*op, true)));
        let is_up = host.phase == Phase::Up;
        for op in fresh {
            self.answer(context, *op, false);
            if is_up {
                self.send(context, *op);
            }
        }
        for op in acknowledged {
            self.answer(context, *op, true);
        }
        self.pump(context);
    }

    fn send(&mut self, by: usize, op: Op) {
        let run = self.host(by).expect("it sends").run;
        let delay = self.between(1, 100);
        self.after(delay, Event::Serve { by, run, op });
    }

    /// Everything was deleted, and the tabs are told.
    fn over(&mut self, context: usize) {
        let host = self.contexts[context].place.host.take().expect("it wiped");
        self.log.census.insert("a wipe");
        let epoch = host.epoch;
        // At the end of the task, and what the page's own tab hears comes after it.
        self.feed(context, Input::Candidate(CandidateInput::Over {}));
        for (tab, way) in host.taken {
            self.tell_tab(context, tab, way, ToTab::Wiped { epoch });
        }
    }

    // ---- Resigning ----

    pub(super) fn resign(&mut self, context: usize, urgent: bool) {
        let slow = !self.calm && self.r.once_in(20);
        let delay = match urgent {
            true => self.between(1, 80),
            false if slow => self.between(1, 9_000),
            false => self.between(5, 1_000),
        };
        let Some(host) = self.host(context) else {
            return self.wrong(context, "no host is there to resign".to_owned());
        };
        host.phase = Phase::Resigning;
        host.hurry += 1;
        let (run, hurry) = (host.run, host.hurry);
        let what = HostTask::Resigned { hurry };
        self.task(context, delay, Task::Host { run, what });
    }

    fn resigned(&mut self, context: usize, run: u64, hurry: u64) {
        let host = self.host(context).expect("it resigns");
        if host.hurry != hurry {
            return;
        }
        if host.writing.is_some() || host.is_claiming {
            let what = HostTask::Resigned { hurry };
            return self.task(context, 5, Task::Host { run, what });
        }
        self.contexts[context].place.host = None;
        self.log.census.insert("a host resigned");
        self.feed(context, Input::Candidate(CandidateInput::Resigned {}));
    }
}
