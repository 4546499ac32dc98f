//! Carries out what a tab's link says, and is the tab's client: numbered ops that are sent again to each new host.

use std::collections::BTreeSet;

use broker::places::{
    Announcement, CandidateInput, Link, LinkInput, LinkOptions, LinkOutput, PlaceKind, RoadKind,
    Why, WorkerKind,
};
use proxy_doc::Epoch;

use super::context::{Build, Input, Task, ToPlace, ToTab, Way, context_of, place_of};
use super::world::World;

/// Milliseconds between two looks whether anything was heard: after an op was posted, and else.
const ANSWER: usize = 2_000;
const IDLE: usize = 5_000;

/// An op, as its tab knows it.
#[derive(Debug, Default)]
pub(super) struct OpState {
    pub(super) accepted: bool,
    /// How often its callback was called.
    pub(super) callbacks: u32,
}

#[derive(Debug)]
pub(super) struct Road {
    pub(super) kind: RoadKind,
    pub(super) place: String,
    way: Way,
    /// The host to which the tab introduced itself.
    introduced: Option<Epoch>,
    /// The host that has taken the tab.
    pub(super) ready: Option<Epoch>,
}

/// When a tab looks whether its host says anything.
#[derive(Debug, Default)]
struct Looks {
    /// Milliseconds between two; nothing while there is no host to be heard.
    interval: Option<usize>,
    /// The next one.
    number: u64,
    /// Whether something was posted and nothing heard since.
    waits: bool,
    /// Whether nothing was heard since the look before.
    is_silent: bool,
}

impl Looks {
    fn heard(&mut self) {
        self.waits = false;
        self.is_silent = false;
    }
}

#[derive(Debug)]
pub(super) struct Tab {
    link: Link,
    /// Which timer counts.
    timer: u64,
    /// Its SharedWorker's port.
    port: Option<(u64, usize)>,
    /// The port of its own worker.
    dedicated: Option<(u64, usize)>,
    pub(super) road: Option<Road>,
    pub(super) ops: Vec<OpState>,
    /// The places whose end it notices.
    pub(super) watches: BTreeSet<String>,
    /// Between the connection's beginning and its end.
    pub(super) is_open: bool,
    looks: Looks,
    /// Whether the link wants the page's place to have the host.
    stands: bool,
    /// Whether it is to take the lock, as soon as it can.
    steals: bool,
    /// Whether the page heard that it is about to be frozen, or to go away.
    pub(super) is_away: bool,
    /// Whether it listens to nothing.
    is_quiet: bool,
    /// The host refused this tab.
    pub(super) refused: bool,
}

impl World {
    /// A tab is opened. `no`: whether it has no SharedWorker, and no dedicated one. `channel`: milliseconds until it hears the namespace's channel.
    pub(super) fn open_tab(&mut self, build: Build, no: [bool; 2], channel: usize) -> usize {
        let context = self.new_context(build, PlaceKind::Page);
        let [no_worker, no_dedicated] = no.map(|none| {
            none.then(|| Why {
                reason: "there is none here".to_owned(),
                code: None,
            })
        });
        let options = LinkOptions {
            no_worker,
            no_dedicated,
            page: place_of(context),
            burial: self.starts.burial,
        };
        self.contexts[context].tab = Some(Tab {
            link: Link::speaking(options, build.protocol),
            timer: 0,
            port: None,
            dedicated: None,
            road: None,
            ops: Vec::new(),
            watches: BTreeSet::new(),
            is_open: true,
            looks: Looks::default(),
            stands: false,
            steals: false,
            is_away: false,
            is_quiet: false,
            refused: false,
        });
        self.say(context, || format!("is a tab of {build:?}"));
        if channel == 0 {
            self.contexts[context].hears = true;
        } else {
            self.task(context, channel, Task::OpenChannel);
        }
        self.feed(context, Input::Link(LinkInput::Start {}));
        context
    }

    pub(super) fn tab(&mut self, context: usize) -> &mut Tab {
        self.contexts[context].tab.as_mut().expect("it is a page")
    }

    // ---- The link ----

    pub(super) fn feed_link(&mut self, context: usize, input: LinkInput) {
        if !matches!(input, LinkInput::Heard(_)) {
            self.say(context, || format!("link <- {input:?}"));
        }
        let now = self.agenda.now;
        let outputs = self.tab(context).link.handle(now, input);
        for output in outputs {
            if !matches!(output, LinkOutput::StartTimer { .. }) {
                self.say(context, || format!("link -> {output:?}"));
            }
            self.carry_out_link(context, output);
        }
    }

    fn carry_out_link(&mut self, context: usize, output: LinkOutput) {
        match output {
            LinkOutput::MakeWorker { worker } => self.make_worker(context, worker),
            LinkOutput::StartTimer { delay } => {
                let number = self.agenda.next_number();
                self.tab(context).timer = number;
                // A timer may be early, by the precision of clocks.
                let early = usize::from(self.r.once_in(10));
                let delay = (delay as usize).saturating_sub(early);
                self.task(context, delay, Task::Timer { number });
            }
            LinkOutput::Announce(announcement) => {
                self.announce(context, &announcement);
                self.hear_own(context, announcement);
            }
            LinkOutput::Watch { place } => self.watch(context, place),
            LinkOutput::Open { road, place } => self.open(context, road, place),
            LinkOutput::Introduce {
                epoch,
                number,
                protocol,
            } => self.introduce(context, epoch, number, protocol),
            LinkOutput::Ready {} => self.ready(context),
            LinkOutput::Leave {} => self.leave(context),
            LinkOutput::Ping {} => self.tell_place(context, ToPlace::Ping),
            LinkOutput::Stand { place, steal } => match place {
                PlaceKind::SharedWorker => {
                    self.tell_worker(context, WorkerKind::Shared, ToPlace::Stand { steal });
                }
                PlaceKind::DedicatedWorker => {
                    self.tell_worker(context, WorkerKind::Dedicated, ToPlace::Stand { steal });
                }
                PlaceKind::Page => self.page_stands(context, steal),
            },
            LinkOutput::Withdraw { place, urgent } => match place {
                PlaceKind::SharedWorker => self.wrong(context, "withdraws what all use".to_owned()),
                PlaceKind::DedicatedWorker if urgent => {
                    self.end_dedicated(context);
                    self.tab(context).dedicated = None;
                }
                PlaceKind::DedicatedWorker => {
                    self.tell_worker(context, WorkerKind::Dedicated, ToPlace::Withdraw);
                }
                PlaceKind::Page => self.page_withdraws(context, urgent),
            },
            LinkOutput::BeQuiet {} => {
                self.contexts[context].hears = false;
                let tab = self.tab(context);
                tab.is_quiet = true;
                tab.looks = Looks::default();
                tab.watches.clear();
            }
            LinkOutput::HostIs { .. } | LinkOutput::Tell(_) => {}
            LinkOutput::GiveUp(why) => self.wrong(context, format!("gives up: {why:?}")),
            LinkOutput::Finish {} => self.finish(context),
        }
    }

    pub(super) fn timer(&mut self, context: usize, number: u64) {
        if self.tab(context).timer == number {
            self.feed(context, Input::Link(LinkInput::Timer {}));
        }
    }

    fn watch(&mut self, context: usize, place: String) {
        let is_dead = !self.contexts[context_of(&place)].alive;
        if self.tab(context).watches.insert(place.clone()) && is_dead {
            self.tell_gone(context, place);
        }
    }

    // ---- The page's place ----

    fn page_stands(&mut self, context: usize, steal: bool) {
        let tab = self.tab(context);
        tab.stands = true;
        tab.steals |= steal;
        self.let_stand(context);
    }

    fn let_stand(&mut self, context: usize) {
        let tab = self.tab(context);
        if tab.stands {
            let steal = std::mem::take(&mut tab.steals);
            // A place listens before it stands.
            self.contexts[context].hears = true;
            self.feed(context, Input::Candidate(CandidateInput::Stand { steal }));
        }
    }

    fn page_withdraws(&mut self, context: usize, urgent: bool) {
        let tab = self.tab(context);
        (tab.stands, tab.steals) = (false, false);
        self.feed(
            context,
            Input::Candidate(CandidateInput::Withdraw { urgent }),
        );
    }

    /// The page hears that it is about to be frozen, or to go away.
    pub(super) fn page_leaves(&mut self, context: usize) {
        self.tab(context).is_away = true;
        self.feed(context, Input::Link(LinkInput::Away {}));
    }

    /// The page is not frozen any more.
    pub(super) fn page_returns(&mut self, context: usize) {
        if std::mem::take(&mut self.tab(context).is_away) {
            self.listens(context);
            self.feed(context, Input::Link(LinkInput::Back {}));
        }
    }

    fn listens(&mut self, context: usize) {
        self.contexts[context].hears = true;
        self.tab(context).is_quiet = false;
    }

    // ---- The road ----

    fn open(&mut self, context: usize, kind: RoadKind, place: String) {
        let number = self.agenda.next_number();
        let to = context_of(&place);
        let tab = self.tab(context);
        let port = match kind {
            RoadKind::Port => tab.port,
            RoadKind::Dedicated => tab.dedicated,
            RoadKind::Local | RoadKind::Channel => None,
        };
        let way = match kind {
            RoadKind::Local => Way::Local(number),
            RoadKind::Channel => Way::Channel(number),
            RoadKind::Port | RoadKind::Dedicated => match port {
                Some((number, worker)) if worker == to => Way::Port(number),
                Some(_) | None => {
                    return self.wrong(context, format!("has no port of {place}"));
                }
            },
        };
        let before = self.tab(context).road.take();
        if let Some(before) = before {
            let is_same = (before.kind, &before.place) == (kind, &place);
            if !is_same || before.introduced.is_some() {
                self.wrong(context, format!("opens a road before it leaves {before:?}"));
            }
            self.post_to_place(context, &before, ToPlace::Left);
        }
        self.tab(context).road = Some(Road {
            kind,
            place: place.clone(),
            way,
            introduced: None,
            ready: None,
        });
        match kind {
            RoadKind::Port | RoadKind::Dedicated => {}
            RoadKind::Local => self.connect(context, way, context),
            RoadKind::Channel => {
                let tab = format!("{context}/{number}");
                self.announce(context, &Announcement::Knock { place, tab });
            }
        }
    }

    fn introduce(&mut self, context: usize, epoch: Epoch, number: u64, protocol: u32) {
        let Some(road) = &mut self.tab(context).road else {
            return self.wrong(context, "introduces itself without a road".to_owned());
        };
        road.introduced = Some(epoch);
        self.tell_place(
            context,
            ToPlace::Introduce {
                epoch,
                protocol,
                number,
            },
        );
    }

    fn ready(&mut self, context: usize) {
        let tab = self.tab(context);
        tab.refused = false;
        let road = tab.road.as_mut();
        let Some(epoch) = road.as_ref().and_then(|road| road.introduced) else {
            return self.wrong(context, "is ready without an introduction".to_owned());
        };
        if let Some(road) = road {
            road.ready = Some(epoch);
        }
        tab.looks.heard();
        self.look_after(context, IDLE);
        for seq in 0..self.tab(context).ops.len() {
            if self.tab(context).ops[seq].callbacks == 0 {
                self.post_op(context, seq);
            }
        }
    }

    fn leave(&mut self, context: usize) {
        let tab = self.tab(context);
        tab.refused = false;
        tab.looks = Looks::default();
        match tab.road.take() {
            Some(road) => self.post_to_place(context, &road, ToPlace::Left),
            None => self.wrong(context, "leaves a road that is not open".to_owned()),
        }
    }

    /// Posts a message by the road. It is lost where there is none.
    fn tell_place(&mut self, context: usize, message: ToPlace) {
        let tab = self.tab(context);
        if let Some(road) = tab.road.take() {
            self.post_to_place(context, &road, message);
            self.tab(context).road = Some(road);
        }
    }

    fn post_to_place(&mut self, context: usize, road: &Road, message: ToPlace) {
        let (way, tab) = (road.way, context);
        if matches!(way, Way::Local(_)) {
            return self.feed(context, Input::ToPlace { way, message });
        }
        let task = Task::ToPlace { way, tab, message };
        self.post(context, context_of(&road.place), Some(way), task);
    }

    /// A message of a place arrives.
    pub(super) fn at_tab(&mut self, context: usize, way: Way, message: ToTab) {
        let worker = self.worker_at(context, way);
        let tab = self.tab(context);
        if tab.is_quiet {
            return;
        }
        let by_road = tab.road.as_ref().is_some_and(|road| road.way == way);
        if let (ToTab::Greet { place, host }, true) = (&message, by_road || worker.is_some()) {
            let road = match (way, worker) {
                (Way::Local(_), _) => RoadKind::Local,
                (Way::Port(_), Some(WorkerKind::Dedicated)) => RoadKind::Dedicated,
                (Way::Port(_), Some(WorkerKind::Shared) | None) => RoadKind::Port,
                (Way::Channel(_), _) => RoadKind::Channel,
            };
            if by_road {
                tab.looks.heard();
            }
            let (place, host) = (place.clone(), host.clone());
            let greeted = LinkInput::Greeted { road, place, host };
            return self.feed(context, Input::Link(greeted));
        }
        if !by_road {
            return;
        }
        tab.looks.heard();
        let is_ready = tab.road.as_ref().is_some_and(|road| road.ready.is_some());
        match message {
            ToTab::Greet { .. } => {}
            ToTab::Pong => self.feed(context, Input::Link(LinkInput::Alive {})),
            ToTab::Taken { epoch } => {
                self.feed(context, Input::Link(LinkInput::Taken { epoch }));
            }
            ToTab::Refused(why) => {
                tab.refused = true;
                self.feed(context, Input::Link(LinkInput::Refused(why)));
            }
            // A port stays when its road is left: what an earlier host said by it comes before the next one takes the tab.
            ToTab::Accepted { .. } | ToTab::Outcome { .. } if !is_ready => {}
            ToTab::Accepted { epoch, seq } => self.told(context, epoch, seq, false),
            ToTab::Outcome { epoch, seq } => self.told(context, epoch, seq, true),
            ToTab::Wiped { epoch } => {
                if self.is_ready(context, epoch) {
                    self.hear_of_wipe(context);
                }
            }
        }
    }

    fn is_ready(&mut self, context: usize, epoch: Epoch) -> bool {
        let road = self.tab(context).road.as_ref();
        road.is_some_and(|road| road.ready == Some(epoch))
    }

    // ---- The client ----

    /// The host has accepted an op, or knows its outcome.
    fn told(&mut self, context: usize, epoch: Epoch, seq: usize, is_outcome: bool) {
        self.say(context, || {
            format!("hears of op {seq} from {epoch}, outcome: {is_outcome}")
        });
        let op = (context, seq);
        if !self.is_ready(context, epoch) {
            return self.wrong(
                context,
                format!("takes a message of {epoch}, which is not its host"),
            );
        }
        if is_outcome && !self.server.has(op) {
            self.wrong(
                context,
                format!("op {op:?} has an outcome that the server does not know"),
            );
        }
        if !self.wiped && !self.store.has(op) {
            self.wrong(context, format!("op {op:?} was accepted and is not stored"));
        }
        let op = &mut self.tab(context).ops[seq];
        op.accepted = true;
        // A resend and the outcome may have crossed, and the resend is answered, too.
        if is_outcome && op.callbacks == 0 {
            op.callbacks = 1;
        }
    }

    fn hear_of_wipe(&mut self, context: usize) {
        for op in &mut self.tab(context).ops {
            if op.callbacks == 0 {
                op.callbacks = 1;
            }
        }
        self.close(context);
    }

    pub(super) fn submit(&mut self, context: usize) {
        let tab = self.tab(context);
        if !tab.is_open {
            return;
        }
        tab.ops.push(OpState::default());
        let (seq, is_ready) = (
            tab.ops.len() - 1,
            tab.road.as_ref().is_some_and(|road| road.ready.is_some()),
        );
        if is_ready {
            self.post_op(context, seq);
        }
    }

    fn post_op(&mut self, context: usize, seq: usize) {
        let road = self.tab(context).road.as_ref();
        let epoch = road.and_then(|road| road.ready).expect("it is ready");
        self.tell_place(context, ToPlace::Op { seq, epoch });
        let looks = &mut self.tab(context).looks;
        looks.waits = true;
        if looks.interval != Some(ANSWER) {
            self.look_after(context, ANSWER);
        }
    }

    fn look_after(&mut self, context: usize, interval: usize) {
        let number = self.agenda.next_number();
        let looks = &mut self.tab(context).looks;
        looks.interval = Some(interval);
        looks.number = number;
        self.task(context, interval, Task::Look { number });
    }

    /// Looks whether anything was heard since the look before.
    pub(super) fn look(&mut self, context: usize, number: u64) {
        let looks = &mut self.tab(context).looks;
        if looks.number != number || looks.interval.is_none() {
            return;
        }
        let was_silent = std::mem::replace(&mut looks.is_silent, true);
        let interval = if looks.waits { ANSWER } else { IDLE };
        self.look_after(context, interval);
        if was_silent {
            self.feed(context, Input::Link(LinkInput::Quiet {}));
        }
    }

    // ---- The end ----

    pub(super) fn close(&mut self, context: usize) {
        if self.tab(context).is_open {
            self.feed(context, Input::Link(LinkInput::Close {}));
        }
    }

    fn finish(&mut self, context: usize) {
        let tab = self.tab(context);
        tab.is_open = false;
        tab.looks = Looks::default();
        if let Some(road) = tab.road.take() {
            self.post_to_place(context, &road, ToPlace::Left);
        }
    }

    /// The application opens the connection again.
    pub(super) fn reopen(&mut self, context: usize) {
        self.tab(context).is_open = true;
        self.listens(context);
        self.feed(context, Input::Link(LinkInput::Start {}));
    }

    // ---- The worker's port ----

    fn make_worker(&mut self, context: usize, kind: WorkerKind) {
        let number = self.agenda.next_number();
        match kind {
            WorkerKind::Shared => {
                let worker = self.worker_for(context, number);
                self.tab(context).port = Some((number, worker));
            }
            WorkerKind::Dedicated => {
                let worker = self.dedicated_for(context, number);
                self.tab(context).dedicated = Some((number, worker));
            }
        }
    }

    fn tell_worker(&mut self, context: usize, kind: WorkerKind, message: ToPlace) {
        if let Some((number, worker)) = self.worker_of(context, kind) {
            let way = Way::Port(number);
            let tab = context;
            let task = Task::ToPlace { way, tab, message };
            self.post(context, worker, Some(way), task);
        }
    }

    /// A page's worker, and the number of the port to it.
    pub(super) fn worker_of(&self, context: usize, kind: WorkerKind) -> Option<(u64, usize)> {
        let tab = self.contexts[context].tab.as_ref()?;
        match kind {
            WorkerKind::Shared => tab.port,
            WorkerKind::Dedicated => tab.dedicated,
        }
    }

    /// Which of a page's workers is at the other end of this port.
    fn worker_at(&self, context: usize, way: Way) -> Option<WorkerKind> {
        let kinds = [WorkerKind::Shared, WorkerKind::Dedicated];
        kinds.into_iter().find(|kind| {
            let port = self.worker_of(context, *kind);
            port.is_some_and(|(number, _)| way == Way::Port(number))
        })
    }

    pub(super) fn worker_error(&mut self, context: usize, way: Way) {
        if let Some(worker) = self.worker_at(context, way) {
            let why = Why {
                reason: "its script threw".to_owned(),
                code: None,
            };
            let input = LinkInput::WorkerFailed { worker, why };
            self.feed(context, Input::Link(input));
        }
    }
}
