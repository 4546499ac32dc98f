//! SharedWorkers: one for each script, while a page uses it. And dedicated workers, each of one page. A worker may start
//! slowly, never, or fail.

use broker::places::{CandidateInput, PlaceKind, WorkerKind};

use super::context::{Input, Task, Way};
use super::world::{Event, World};

/// Milliseconds for which a dead worker's name leads to it, where that happens.
const BURIAL: u64 = 40;

/// How workers start in a simulation.
#[derive(Debug, Default)]
pub(super) struct Starts {
    /// In percent.
    pub(super) slow: usize,
    pub(super) silent: usize,
    pub(super) failing: usize,
    /// Milliseconds that a tab waits between a worker's death and the next one.
    pub(super) burial: u64,
    /// Whether a port that is made sooner than that is one of the dead worker.
    pub(super) dead_ports: bool,
    /// When, in milliseconds since the beginning, the last worker comes up that will.
    pub(super) last: u64,
}

#[derive(Debug)]
pub(super) struct Worker {
    /// Whether its script has run.
    pub(super) is_up: bool,
}

impl World {
    /// Gives a page a port of its script's worker, and makes that if it is not there.
    pub(super) fn worker_for(&mut self, tab: usize, number: u64) -> usize {
        let build = self.contexts[tab].build;
        let known = self.workers.get(&build.script).copied();
        let is_there = |worker: &usize| {
            let c = &self.contexts[*worker];
            c.alive || (self.starts.dead_ports && self.agenda.now < c.died + BURIAL)
        };
        let worker = match known.filter(is_there) {
            Some(worker) => worker,
            None => {
                let worker = self.new_worker(tab, PlaceKind::SharedWorker);
                self.workers.insert(build.script, worker);
                worker
            }
        };
        let way = Way::Port(number);
        self.post(tab, worker, Some(way), Task::Connect { way, tab });
        worker
    }

    /// Makes a page's own worker, and ends the one before.
    pub(super) fn dedicated_for(&mut self, tab: usize, number: u64) -> usize {
        self.end_dedicated(tab);
        let worker = self.new_worker(tab, PlaceKind::DedicatedWorker);
        self.contexts[worker].owner = Some(tab);
        let way = Way::Port(number);
        self.post(tab, worker, Some(way), Task::Connect { way, tab });
        worker
    }

    pub(super) fn end_dedicated(&mut self, tab: usize) {
        if let Some((_, worker)) = self.worker_of(tab, WorkerKind::Dedicated) {
            self.die(worker);
        }
    }

    fn new_worker(&mut self, tab: usize, kind: PlaceKind) -> usize {
        let build = self.contexts[tab].build;
        let worker = self.new_context(build, kind);
        self.contexts[worker].worker = Some(Worker { is_up: false });
        let chance = self.r.below(100);
        let Starts {
            slow,
            silent,
            failing,
            ..
        } = self.starts;
        self.say(worker, || format!("is a worker of {build:?}"));
        if chance < slow {
            let most = if self.calm { 5_000 } else { 30_000 };
            let delay = self.between(500, most);
            self.starts.last = self.starts.last.max(self.agenda.now + delay as u64);
            self.log.census.insert("a slow worker");
            self.task(worker, delay, Task::Up);
        } else if chance < slow + silent {
            self.log.census.insert("a silent worker");
            self.say(worker, || "never starts".to_owned());
        } else if chance < slow + silent + failing {
            self.log.census.insert("a failing worker");
            let delay = self.between(5, 500);
            self.task(worker, delay, Task::Fails);
        } else {
            let delay = self.between(5, 150);
            self.task(worker, delay, Task::Up);
        }
        worker
    }

    pub(super) fn worker_up(&mut self, context: usize) {
        self.say(context, || "is up".to_owned());
        let c = &mut self.contexts[context];
        c.worker = Some(Worker { is_up: true });
        c.hears = true;
        // A dedicated worker stands when its tab says so.
        if c.owner.is_none() {
            let steal = false;
            self.feed(context, Input::Candidate(CandidateInput::Stand { steal }));
        }
        self.greet_all(context);
    }

    pub(super) fn worker_fails(&mut self, context: usize) {
        for tab in self.users(context) {
            for number in self.ports_of(tab, context) {
                let way = Way::Port(number);
                self.post(context, tab, Some(way), Task::WorkerError { way });
            }
        }
        self.die(context);
    }

    fn ports_of(&self, tab: usize, worker: usize) -> Vec<u64> {
        let kinds = [WorkerKind::Shared, WorkerKind::Dedicated].into_iter();
        let ports = kinds.filter_map(|kind| self.worker_of(tab, kind));
        let those = ports.filter(|port| port.1 == worker);
        those.map(|port| port.0).collect()
    }

    /// The pages that have a port of this worker.
    fn users(&self, worker: usize) -> Vec<usize> {
        let uses = |tab: &usize| !self.ports_of(*tab, worker).is_empty();
        let pages = (0..self.contexts.len()).filter(|tab| self.contexts[*tab].alive);
        pages.filter(uses).collect()
    }

    /// A page is dead: its own worker and one that no other page uses die soon.
    pub(super) fn release_workers(&mut self, dead: usize) {
        for kind in [WorkerKind::Shared, WorkerKind::Dedicated] {
            if let Some((_, worker)) = self.worker_of(dead, kind) {
                let delay = self.r.below(200);
                self.after(delay, Event::Abandoned(worker));
            }
        }
    }

    pub(super) fn abandoned(&mut self, worker: usize) {
        if self.users(worker).is_empty() {
            self.die(worker);
        }
    }
}
