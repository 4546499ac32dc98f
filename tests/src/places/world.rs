//! Virtual time, the contexts, and how messages get from one to another.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use broker::places::{Announcement, Candidate, CandidateInput, LinkInput, PlaceKind};

use super::check;
use super::context::{Build, Context, Input, Task, Way, context_of, place_of};
use super::host::{Claim, HostTask, Write};
use super::locks::{Change, HostLock};
use super::place::Place;
use super::server::{Op, Server, Store};
use super::workers::Starts;
use crate::agenda::{Agenda, Log};
use crate::random::Random;

/// Something that happens at a time.
#[derive(Debug)]
pub(super) enum Event {
    In(usize, Task),
    Thaw(usize),
    Die(usize),
    /// A worker dies if no page uses it.
    Abandoned(usize),
    Claim(Claim),
    Write(Write),
    /// An op arrives at the server.
    Serve {
        by: usize,
        run: u64,
        op: Op,
    },
    Fault,
    NewTab,
}

/// Messages of one lane keep their order.
type Lane = (usize, usize, Option<Way>);

/// The lane by which a context hears of its lock: it is granted before it is lost.
const LOCK: Way = Way::Port(0);

pub(super) struct World {
    pub(super) r: Random,
    pub(super) agenda: Agenda<Event, Lane>,
    /// What the machine's clock shows at the beginning, and its jumps since.
    pub(super) clock: i64,
    pub(super) contexts: Vec<Context>,
    pub(super) builds: Vec<Build>,
    pub(super) starts: Starts,
    /// The newest worker of each script.
    pub(super) workers: BTreeMap<usize, usize>,
    pub(super) lock: HostLock,
    /// Requests from which the lock was stolen, and whose context has not heard of it.
    pub(super) lost: BTreeSet<u64>,
    pub(super) store: Store,
    pub(super) server: Server,
    /// Whether everything was deleted once.
    pub(super) wiped: bool,
    /// Channels on which a tab said something before the place listened: it takes nothing more.
    pub(super) broken: BTreeSet<u64>,
    /// Whether a page's place and its link hear each other at once, or by the channel.
    pub(super) is_direct: bool,
    /// Milliseconds that a message takes at most.
    pub(super) latency: usize,
    /// Faults have stopped.
    pub(super) calm: bool,
    /// What is frozen stays so.
    pub(super) stays_frozen: bool,
    /// How many hosts began.
    pub(super) lives: u64,
    pub(super) log: Log,
}

impl World {
    pub(super) fn new(seed: u64, is_traced: bool) -> Self {
        Self {
            r: Random::new(seed),
            agenda: Agenda::new(0),
            clock: 1_700_000_000_000,
            contexts: Vec::new(),
            builds: Vec::new(),
            starts: Starts::default(),
            workers: BTreeMap::new(),
            lock: HostLock::default(),
            lost: BTreeSet::new(),
            store: Store::default(),
            server: Server::default(),
            wiped: false,
            broken: BTreeSet::new(),
            is_direct: true,
            latency: 20,
            calm: false,
            stays_frozen: false,
            lives: 0,
            log: Log::new(is_traced),
        }
    }

    // ---- Time ----

    pub(super) fn after(&mut self, delay: usize, event: Event) {
        self.agenda.after(delay as u64, event);
    }

    /// A task that no message brings.
    pub(super) fn task(&mut self, context: usize, delay: usize, task: Task) {
        self.after(delay, Event::In(context, task));
    }

    /// A delay between these, both included.
    pub(super) fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.r.below(most - least + 1)
    }

    /// How long a message takes.
    pub(super) fn transit(&mut self) -> usize {
        let latency = if self.calm { 20 } else { self.latency };
        if self.r.once_in(3) {
            self.r.below(latency)
        } else {
            self.r.below(5)
        }
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
        match event {
            Event::In(context, task) => self.arrive(context, task),
            Event::Thaw(context) => {
                if !self.stays_frozen {
                    self.thaw(context);
                }
            }
            // Nothing dies at rest; a page that was about to go stays.
            Event::Die(context) if self.calm => {
                let c = &self.contexts[context];
                if c.alive && !c.frozen && c.tab.is_some() {
                    self.page_returns(context);
                }
            }
            Event::Die(context) => self.die(context),
            Event::Abandoned(worker) => self.abandoned(worker),
            Event::Claim(claim) => self.claim(claim),
            Event::Write(write) => self.write(write),
            Event::Serve { by, run, op } => {
                self.server.take(op);
                self.say(by, || format!("the server takes {op:?}"));
                let delay = self.transit();
                let what = HostTask::Acknowledged(op);
                self.task(by, delay, Task::Host { run, what });
            }
            Event::Fault => self.fault(),
            Event::NewTab => self.new_tab(),
        }
    }

    pub(super) fn say(&mut self, context: usize, text: impl FnOnce() -> String) {
        let text = || format!("{:<4} {}", place_of(context), text());
        self.log.say(self.agenda.now, text);
    }

    pub(super) fn wrong(&mut self, context: usize, text: String) {
        let text = format!("{}: {text}", place_of(context));
        self.log.wrong(self.agenda.now, &text);
    }

    // ---- Contexts ----

    pub(super) fn new_context(&mut self, build: Build, kind: PlaceKind) -> usize {
        let context = self.contexts.len();
        let candidate = Candidate::speaking(place_of(context), kind, build.protocol);
        self.contexts.push(Context {
            build,
            kind,
            alive: true,
            died: 0,
            frozen: false,
            inbox: VecDeque::new(),
            hears: false,
            place: Place::new(candidate),
            tab: None,
            worker: None,
            owner: None,
            inputs: VecDeque::new(),
            is_draining: false,
        });
        context
    }

    fn arrive(&mut self, context: usize, task: Task) {
        let c = &mut self.contexts[context];
        if !c.alive {
            return;
        }
        if c.frozen {
            c.inbox.push_back(task);
            return;
        }
        self.perform(context, task);
    }

    fn perform(&mut self, context: usize, task: Task) {
        self.contexts[context].is_draining = true;
        self.begin_task(context, task);
        self.drain(context);
    }

    fn begin_task(&mut self, context: usize, task: Task) {
        match task {
            Task::Up => self.worker_up(context),
            Task::Fails => self.worker_fails(context),
            Task::Connect { way, tab } => self.connect(context, way, tab),
            Task::WorkerError { way } => self.worker_error(context, way),
            Task::OpenChannel => self.contexts[context].hears = true,
            Task::Heard(announcement) => self.hear(context, announcement),
            Task::HeardOwn(announcement) => {
                let input = CandidateInput::Heard(announcement);
                self.feed(context, Input::Candidate(input));
            }
            Task::HeardOfPlace(announcement) => {
                self.feed(context, Input::Link(LinkInput::Heard(announcement)));
            }
            Task::Granted { request } => self.granted(context, request),
            Task::Lost { request } => {
                self.lost.remove(&request);
                if self.contexts[context].place.request == Some(request) {
                    self.feed(context, Input::Candidate(CandidateInput::Lost {}));
                }
            }
            Task::Gone { place } => {
                self.say(context, || format!("notices that {place} is gone"));
                // A place that greets later, from the past, is watched again.
                self.tab(context).watches.remove(&place);
                self.feed(context, Input::Link(LinkInput::Gone { place }));
            }
            Task::Timer { number } => self.timer(context, number),
            Task::Look { number } => self.look(context, number),
            Task::ToPlace { way, tab, message } => self.at_place(context, way, tab, message),
            Task::ToTab { way, message } => self.at_tab(context, way, message),
            Task::Host { run, what } => self.host_task(context, run, what),
            Task::Submit => self.submit(context),
            Task::Freeze { event } => self.freeze(context, event),
            Task::Close => self.close(context),
            Task::Reopen => self.reopen(context),
        }
    }

    /// Gives a machine an input at the end of the task, after those that wait already.
    pub(super) fn feed(&mut self, context: usize, input: Input) {
        let c = &mut self.contexts[context];
        c.inputs.push_back(input);
        if !std::mem::replace(&mut c.is_draining, true) {
            self.drain(context);
        }
    }

    fn drain(&mut self, context: usize) {
        while let Some(input) = self.contexts[context].inputs.pop_front() {
            match input {
                Input::Link(input) => self.feed_link(context, input),
                Input::Candidate(input) => self.feed_candidate(context, input),
                Input::ToPlace { way, message } => self.at_place(context, way, context, message),
                Input::ToTab { way, message } => self.at_tab(context, way, message),
            }
        }
        self.contexts[context].is_draining = false;
    }

    fn freeze(&mut self, context: usize, event: bool) {
        if self.calm {
            if self.contexts[context].tab.is_some() {
                self.page_returns(context);
            }
            return;
        }
        if event && self.contexts[context].tab.is_some() {
            self.page_leaves(context);
            let delay = self.r.below(60);
            self.task(context, delay, Task::Freeze { event: false });
            return;
        }
        self.say(context, || "freezes".to_owned());
        self.contexts[context].frozen = true;
    }

    pub(super) fn thaw(&mut self, context: usize) {
        let c = &mut self.contexts[context];
        if !c.alive || !std::mem::take(&mut c.frozen) {
            return;
        }
        self.say(context, || "thaws".to_owned());
        let tasks = std::mem::take(&mut self.contexts[context].inbox);
        for task in tasks {
            // A task may end the context, or freeze it again.
            self.arrive(context, task);
        }
        if self.contexts[context].tab.is_some() {
            self.page_returns(context);
        }
    }

    pub(super) fn die(&mut self, context: usize) {
        let c = &mut self.contexts[context];
        if !std::mem::take(&mut c.alive) {
            return;
        }
        c.died = self.agenda.now;
        c.inbox.clear();
        c.place.host = None;
        self.say(context, || "dies".to_owned());
        let change = self.lock.bury(context);
        self.apply(change);
        self.notice_death(context);
        self.release_workers(context);
    }

    fn notice_death(&mut self, dead: usize) {
        let place = place_of(dead);
        for context in 0..self.contexts.len() {
            let tab = self.contexts[context].tab.as_ref();
            if tab.is_some_and(|tab| tab.watches.contains(&place)) {
                self.tell_gone(context, place.clone());
            }
        }
    }

    pub(super) fn tell_gone(&mut self, context: usize, place: String) {
        let delay = self.transit();
        self.task(context, delay, Task::Gone { place });
    }

    // ---- The lock ----

    pub(super) fn apply(&mut self, change: Change) {
        if let Some(lost) = change.lost {
            self.log.census.insert("a lock stolen");
            self.lost.insert(lost.number);
            let request = lost.number;
            self.post(lost.by, lost.by, Some(LOCK), Task::Lost { request });
        }
        if let Some(granted) = change.granted {
            let request = granted.number;
            let by = granted.by;
            self.post(by, by, Some(LOCK), Task::Granted { request });
        }
    }

    fn granted(&mut self, context: usize, request: u64) {
        if self.contexts[context].place.request == Some(request) {
            self.feed(context, Input::Candidate(CandidateInput::Granted {}));
        }
    }

    // ---- Messages ----

    /// Posts a task over a lane: those of one lane arrive in order.
    pub(super) fn post(&mut self, from: usize, to: usize, way: Option<Way>, task: Task) {
        let delay = self.transit() as u64;
        let event = Event::In(to, task);
        self.agenda.over((from, to, way), delay, event);
    }

    pub(super) fn announce(&mut self, from: usize, announcement: &Announcement) {
        self.say(from, || format!("announces {announcement:?}"));
        for to in 0..self.contexts.len() {
            let c = &self.contexts[to];
            if to != from && c.alive && c.hears {
                self.post(from, to, None, Task::Heard(announcement.clone()));
            }
        }
    }

    /// A link's announcement, for the place in its page.
    pub(super) fn hear_own(&mut self, context: usize, announcement: Announcement) {
        if self.is_direct {
            let input = CandidateInput::Heard(announcement);
            self.feed(context, Input::Candidate(input));
        } else {
            self.post(context, context, None, Task::HeardOwn(announcement));
        }
    }

    /// An announcement of a page's place, for the page's link.
    pub(super) fn hear_of_place(&mut self, context: usize, announcement: Announcement) {
        if self.is_direct {
            self.feed(context, Input::Link(LinkInput::Heard(announcement)));
        } else {
            let task = Task::HeardOfPlace(announcement);
            self.post(context, context, Some(Way::Local(0)), task);
        }
    }

    fn hear(&mut self, context: usize, announcement: Announcement) {
        if let Announcement::Knock { place, tab } = &announcement {
            if context_of(place) == context {
                self.knocked(context, tab);
            }
            return;
        }
        let input = CandidateInput::Heard(announcement.clone());
        self.feed(context, Input::Candidate(input));
        if self.contexts[context].tab.is_some() {
            self.feed(context, Input::Link(LinkInput::Heard(announcement)));
        }
    }
}
