//! The script of a simulation: tabs that come, submit and go, faults from the seed, and then rest.

use broker::message::PROTOCOL;
use broker::places::{CandidateInput, PlaceKind, WorkerKind};

use super::check;
use super::context::{Build, Input, Task};
use super::host::HostTask;
use super::world::{Event, World};

/// Living tabs at most.
const TABS: usize = 7;
/// Milliseconds of rest in which everything has to be in order again.
const REST: u64 = 30_000;
/// Hosts that may begin meanwhile.
const LIVES: u64 = 5;
/// Milliseconds for which it then has to stay so.
const AFTER: u64 = 20_000;

/// Runs the whole simulation.
pub(super) fn run(world: &mut World) {
    set_up(world);
    for _ in 0..world.between(1, 4) {
        let delay = world.r.below(2_000);
        world.after(delay, Event::NewTab);
    }
    world.after(1_000, Event::Fault);
    let storm = world.between(5_000, 60_000) as u64;
    world.run_until(storm);
    world.say(0, || "---- rest ----".to_owned());
    world.calm = true;
    if world.r.once_in(3) {
        world.stays_frozen = true;
        let submits = world.r.once_in(2);
        rest(world, submits);
        world.stays_frozen = false;
    }
    for context in 0..world.contexts.len() {
        world.thaw(context);
    }
    rest(world, true);
}

/// Nothing fails any more, so everything is in order soon, and stays so; also where no tab has anything to say.
fn rest(world: &mut World, submits: bool) {
    let start = world.agenda.now.max(world.starts.last);
    let before = world.lives;
    for part in [REST / 2, REST] {
        if submits {
            submit_all(world);
        }
        world.run_until(start + part);
    }
    let began = world.lives - before;
    if world.log.problems.is_empty() && began > LIVES {
        world.wrong(0, format!("{began} hosts began at rest"));
    }
    if world.log.problems.is_empty() {
        check::rest(world);
    }
    let lives = world.lives;
    world.run_until(start + REST + AFTER);
    if world.log.problems.is_empty() && world.lives != lives {
        world.wrong(0, "the host changes at rest".to_owned());
    }
}

fn set_up(world: &mut World) {
    let scripts = [
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 1],
        [0, 1, 0, 1],
        [0, 0, 2, 2],
        [0, 1, 2, 3],
    ];
    let protocols = [PROTOCOL, PROTOCOL, PROTOCOL + 1, PROTOCOL + 2];
    let scripts = *world.r.pick(&scripts);
    world.builds = scripts
        .iter()
        .map(|script| Build {
            script: *script,
            protocol: protocols[*script],
        })
        .collect();
    world.is_direct = world.r.once_in(2);
    world.latency = *world.r.pick(&[10, 20, 50, 300]);
    world.starts.burial = *world.r.pick(&[0, 50]);
    world.starts.dead_ports = world.starts.burial > 0;
    if world.r.once_in(2) {
        world.starts.slow = *world.r.pick(&[0, 10, 50]);
        world.starts.silent = *world.r.pick(&[0, 10, 50]);
        world.starts.failing = *world.r.pick(&[0, 10, 40]);
    }
}

fn submit_all(world: &mut World) {
    for context in 0..world.contexts.len() {
        let c = &world.contexts[context];
        if c.alive && !c.frozen && c.tab.is_some() {
            world.submit(context);
        }
    }
}

impl World {
    pub(super) fn new_tab(&mut self) {
        let pages = |world: &Self| {
            let c = world.contexts.iter();
            c.filter(|c| c.alive && c.tab.is_some()).count()
        };
        if self.calm || pages(self) >= TABS {
            return;
        }
        let build = *self.r.pick(&self.builds);
        let no = [self.r.once_in(3), self.r.once_in(3)];
        let channel = if self.r.once_in(4) {
            self.r.below(3_000)
        } else {
            0
        };
        let context = self.open_tab(build, no, channel);
        for _ in 0..self.r.below(8) {
            let delay = self.r.below(20_000);
            self.task(context, delay, Task::Submit);
        }
    }

    /// One fault, and the time of the next one.
    pub(super) fn fault(&mut self) {
        if self.calm {
            return;
        }
        let most = *self.r.pick(&[200, 2_000, 2_000, 8_000]);
        let delay = self.between(10, most);
        self.after(delay, Event::Fault);
        match self.r.below(24) {
            0..5 => self.new_tab(),
            5..8 => {
                if let Some(tab) = self.any(|world, c| world.contexts[c].tab.is_some()) {
                    for _ in 0..4 {
                        let delay = self.r.below(3_000);
                        self.task(tab, delay, Task::Submit);
                    }
                }
            }
            8..11 => self.kill(),
            11..15 => self.freeze_one(),
            15..17 => {
                let runs = |world: &Self, c: usize| {
                    let c = &world.contexts[c];
                    c.place.host.is_some() && !c.frozen
                };
                if let Some(host) = self.any(runs) {
                    self.crash(host);
                }
            }
            17 => self.steal_one(),
            18 => self.jump(),
            19 => {
                if self.r.once_in(4) {
                    self.wipe();
                }
            }
            20..22 => self.close_one(),
            _ => {
                if let Some(tab) = self.any(|world, c| world.is_closed(c)) {
                    self.task(tab, 0, Task::Reopen);
                }
            }
        }
    }

    /// A living context for which this holds.
    fn any(&mut self, holds: impl Fn(&Self, usize) -> bool) -> Option<usize> {
        let all = 0..self.contexts.len();
        let those: Vec<usize> = all
            .filter(|c| self.contexts[*c].alive && holds(self, *c))
            .collect();
        (!those.is_empty()).then(|| *self.r.pick(&those))
    }

    fn is_closed(&self, context: usize) -> bool {
        let tab = self.contexts[context].tab.as_ref();
        tab.is_some_and(|tab| !tab.is_open)
    }

    /// A context for a fault; mostly the one with the host, or a worker.
    fn victim(&mut self) -> Option<usize> {
        let with_host = self.any(|world, c| world.contexts[c].place.host.is_some());
        if with_host.is_some() && self.r.once_in(2) {
            return with_host;
        }
        self.any(|_, _| true)
    }

    fn kill(&mut self) {
        let Some(victim) = self.victim() else {
            return;
        };
        if self.contexts[victim].tab.is_some() && self.r.once_in(2) {
            // A tab that is closed hears of it.
            if !self.contexts[victim].frozen {
                self.page_leaves(victim);
            }
        }
        let delay = if self.r.once_in(2) {
            0
        } else {
            self.r.below(100)
        };
        self.after(delay, Event::Die(victim));
    }

    fn freeze_one(&mut self) {
        let Some(victim) = self.victim() else {
            return;
        };
        self.log.census.insert("a freeze");
        let event = self.r.once_in(2);
        self.task(victim, 0, Task::Freeze { event });
        let most = *self.r.pick(&[1_000, 10_000, 40_000]);
        let delay = self.between(100, most);
        self.after(delay, Event::Thaw(victim));
        let own = self.worker_of(victim, WorkerKind::Dedicated);
        if let Some((_, worker)) = own {
            if event || self.r.once_in(2) {
                // The whole process stands still.
                let event = false;
                self.task(worker, 0, Task::Freeze { event });
                self.after(delay, Event::Thaw(worker));
            } else {
                self.log.census.insert("a page blocked beside its worker");
            }
        }
    }

    /// A place takes the lock, whether its holder answers or not.
    fn steal_one(&mut self) {
        let waiting: Vec<usize> = self.lock.waiting().map(|request| request.by).collect();
        if waiting.is_empty() {
            return;
        }
        let thief = *self.r.pick(&waiting);
        let is_page = self.contexts[thief].kind != PlaceKind::SharedWorker;
        let tab = self.contexts[thief].owner.unwrap_or(thief);
        if self.contexts[thief].frozen || (is_page && self.is_closed(tab)) {
            return;
        }
        let steal = true;
        self.feed(thief, Input::Candidate(CandidateInput::Stand { steal }));
    }

    /// The machine's clock is set.
    fn jump(&mut self) {
        let most = *self.r.pick(&[2_000, 100_000, 100_000_000]);
        let by = self.between(0, most) as i64;
        self.clock += if self.r.once_in(3) { by } else { -by };
        self.say(0, || "the clock jumps".to_owned());
    }

    fn wipe(&mut self) {
        let host = self.any(|world, c| {
            let host = world.contexts[c].place.host.as_ref();
            host.is_some_and(super::host::Host::has_socket)
        });
        if let Some(context) = host {
            let run = self.contexts[context]
                .place
                .host
                .as_ref()
                .map(|host| host.run);
            let what = HostTask::Wipe;
            let run = run.expect("it is there");
            self.task(context, 0, Task::Host { run, what });
        }
    }

    fn close_one(&mut self) {
        if let Some(tab) = self.any(|world, c| world.contexts[c].tab.is_some()) {
            self.task(tab, 0, Task::Close);
            match self.r.below(3) {
                0 => {
                    let delay = self.between(0, 20_000);
                    self.after(delay, Event::Die(tab));
                }
                1 => {
                    let delay = self.between(0, 5_000);
                    self.task(tab, delay, Task::Reopen);
                }
                _ => {}
            }
        }
    }
}
