//! A tab's way to its host: finds where the host is, takes the best road there, and notices when it is elsewhere.
//!
//! A tab hears of hosts by the greeting of its own worker and by announcements; of two it believes the later one. It
//! introduces itself when a place greets it by the road, and posts messages when the host has taken it. Where no place
//! answers, its own place takes the lock: that of its dedicated worker, or of its page where no such worker starts.

mod messages;
mod own_place;
mod own_worker;
mod road;
mod silence;

pub use self::messages::{LinkInput, LinkOptions, LinkOutput, RoadKind, Why, WorkerKind};
use proxy_doc::Epoch;

use self::own_worker::{OwnWorker, Step};
use super::announcement::{Announcement, HostAt};
use crate::message::PROTOCOL;

/// Milliseconds that a tab without a host waits before it asks again.
const ASK_AGAIN: u64 = 1_500;
/// The same for a tab that the host refused. It waits for another host, unless the host is frozen.
const ASK_AGAIN_REFUSED: u64 = 4_000;
/// Ended hosts that are remembered: an announcement may come after a later one.
const MAX_OVER: usize = 16;
/// Epochs count modulo this.
const EPOCHS: u64 = 1 << 52;

/// The code of a host that does not serve this tab's protocol.
pub(in crate::places) const INCOMPATIBLE: &str = "ERR_HOST_INCOMPATIBLE";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// The place has not greeted yet.
    Opened,
    /// The host was asked to take the tab.
    Introduced,
    /// Messages go by this road.
    Taken,
    /// The host does not take this tab; a later one may.
    Refused,
}

#[derive(Debug)]
struct Road {
    kind: RoadKind,
    place: String,
    epoch: Epoch,
    progress: Progress,
}

/// A tab's link. Times are milliseconds of any clock that does not go back.
#[derive(Debug)]
pub struct Link {
    page: String,
    /// The version of the protocol that the tab speaks.
    protocol: u32,
    worker: OwnWorker,
    /// The tab's own worker, which is made where the tab is to have the host.
    dedicated: OwnWorker,
    /// The host, as last heard.
    host: Option<HostAt>,
    /// A host heard of since the last question that seems to be older than `host`. The clock may have been set back.
    rival: Option<HostAt>,
    /// Hosts that have ended, oldest first.
    over: Vec<Epoch>,
    road: Option<Road>,
    /// How often this tab has introduced itself.
    introductions: u64,
    /// Whether the worker was asked to take the lock, and no host was heard of since.
    asked_worker: bool,
    /// How often the dedicated worker was asked to take the lock from its holder, since a host was heard of.
    asked_dedicated: u32,
    /// Whether a place of this tab is to have the host: the dedicated worker's, or the page's.
    stands: bool,
    /// Whether the page's place was told to stand.
    page_stands: bool,
    /// Whether the lock is to be taken from its holder, as soon as a place of this tab is there.
    steals: bool,
    is_running: bool,
    /// The page is frozen or kept, as far as it was told.
    is_away: bool,
    /// The application closed the connection, and messages wait for a host.
    is_closing: bool,
    /// Questions in a row without an answer.
    questions: u32,
    /// When to ask again, while no host has taken this tab.
    ask_at: Option<u64>,
    /// When a ping has to have been answered.
    pong_at: Option<u64>,
    /// Whether the place did not answer, and is asked by the namespace's channel.
    is_suspected: bool,
    timer: Option<u64>,
    /// What the application was told last: the place, where there is a host, and the rest.
    told: Option<(Option<String>, LinkOutput)>,
    now: u64,
    outputs: Vec<LinkOutput>,
}

impl Link {
    /// The link of a tab, before [`LinkInput::Start`].
    pub fn new(options: LinkOptions) -> Self {
        Self::speaking(options, PROTOCOL)
    }

    /// The link of a build that speaks this version of the protocol.
    pub fn speaking(options: LinkOptions, protocol: u32) -> Self {
        Self {
            page: options.page,
            protocol,
            worker: OwnWorker::new(WorkerKind::Shared, options.no_worker, options.burial),
            dedicated: OwnWorker::new(WorkerKind::Dedicated, options.no_dedicated, 0),
            host: None,
            rival: None,
            over: Vec::new(),
            road: None,
            introductions: 0,
            asked_worker: false,
            asked_dedicated: 0,
            stands: false,
            page_stands: false,
            steals: false,
            is_running: false,
            is_away: false,
            is_closing: false,
            questions: 0,
            ask_at: None,
            pong_at: None,
            is_suspected: false,
            timer: None,
            told: None,
            now: 0,
            outputs: Vec::new(),
        }
    }

    /// Takes an input, and says what is to be done, in this order.
    pub fn handle(&mut self, now: u64, input: LinkInput) -> Vec<LinkOutput> {
        self.now = now;
        match input {
            LinkInput::Start {} => self.start(),
            LinkInput::Back {} => self.come_back(),
            LinkInput::Close {} if self.is_away => self.is_closing = true,
            LinkInput::End {} if self.is_away => self.finish(),
            _ if !self.is_running => {}
            LinkInput::WorkerFailed { worker, why } => self.worker_failed(worker, why),
            LinkInput::WorkerForbidden { worker, why } => self.worker_forbidden(worker, why),
            LinkInput::Greeted { road, place, host } => self.greeted(road, &place, host),
            LinkInput::Taken { epoch } => self.taken(epoch),
            LinkInput::Refused(why) => self.refused(why),
            LinkInput::Gone { place } => self.gone(&place),
            LinkInput::Heard(announcement) => self.hear(announcement),
            LinkInput::Quiet {} => self.quiet(),
            LinkInput::Alive {} => self.alive(),
            LinkInput::Timer {} => {
                // It may be early by the precision of a clock, and is then needed again.
                self.timer = None;
                self.handle_time();
            }
            LinkInput::Away {} => self.go_away(),
            LinkInput::Close {} => self.close(),
            LinkInput::End {} => self.finish(),
        }
        if self.road.is_none() {
            self.choose();
        }
        self.arm();
        std::mem::take(&mut self.outputs)
    }

    /// Whether messages reach a host.
    pub fn is_ready(&self) -> bool {
        let road = self.road.as_ref();
        road.is_some_and(|road| road.progress == Progress::Taken)
    }

    fn start(&mut self) {
        if self.is_running {
            self.is_closing = false;
            return;
        }
        self.is_running = true;
        self.is_away = false;
        self.is_closing = false;
        self.questions = 0;
        self.ask();
        let step = self.worker.start(self.now);
        self.follow(step);
    }

    // ---- The worker ----

    fn follow(&mut self, step: Step) {
        match step {
            Step::Nothing => {}
            Step::Make => self.make_worker(WorkerKind::Shared),
            Step::Slow => self.stand(false),
            Step::SlowAndMake => {
                self.make_worker(WorkerKind::Shared);
                self.stand(false);
            }
        }
    }

    fn make_worker(&mut self, worker: WorkerKind) {
        self.put(LinkOutput::MakeWorker { worker });
    }

    fn own(&mut self, worker: WorkerKind) -> &mut OwnWorker {
        match worker {
            WorkerKind::Shared => &mut self.worker,
            WorkerKind::Dedicated => &mut self.dedicated,
        }
    }

    fn follow_step_of(&mut self, worker: WorkerKind, step: Step) {
        match worker {
            WorkerKind::Shared => self.follow(step),
            WorkerKind::Dedicated => self.follow_dedicated(step),
        }
    }

    fn worker_failed(&mut self, worker: WorkerKind, why: Why) {
        let place = self.own(worker).place().map(str::to_owned);
        let is_elsewhere = |host: &HostAt| Some(&host.place) != place.as_ref();
        let is_idle = place.is_some() && self.host.as_ref().is_some_and(is_elsewhere);
        // A worker that has started can go on after an error.
        if self.is_taken_by(worker.road()) || is_idle {
            return self.put(LinkOutput::Tell(why));
        }
        let now = self.now;
        let step = self.own(worker).fail(why, now);
        self.follow_step_of(worker, step);
    }

    fn worker_forbidden(&mut self, worker: WorkerKind, why: Why) {
        let step = self.own(worker).forbid(why);
        self.follow_step_of(worker, step);
    }

    // ---- Where the host is ----

    fn greeted(&mut self, kind: RoadKind, place: &str, host: Option<HostAt>) {
        match kind {
            RoadKind::Port => {
                self.watch(place);
                self.worker.greeted(place, self.now);
                // It queues for the lock, and is a better place than this tab's own.
                self.withdraw();
            }
            RoadKind::Dedicated => self.greeted_by_dedicated(place),
            RoadKind::Local | RoadKind::Channel => {}
        }
        let waiting = self.road_to(kind, place).map(|road| road.epoch);
        if waiting.is_some() {
            self.alive();
        }
        match host {
            Some(host) => self.learn_from(place, host),
            // It has no host any more, or not yet: the announcement may have been faster than the greeting. By another
            // way to the same place that may be old news; it is said again by this road.
            None if waiting.is_some() => {
                // A port may bring what was said before its road was opened; any other road is as new as its opening.
                let is_port = matches!(kind, RoadKind::Port | RoadKind::Dedicated);
                if let (Some(epoch), false) = (waiting, is_port) {
                    self.remember_over(epoch);
                }
                self.lose_host();
            }
            None => {}
        }
        self.choose();
        // A road that was opened just now greets by itself.
        let road = self.road_to(kind, place).map(|road| road.epoch);
        if road.is_some() && road == waiting {
            self.introduce();
        }
    }

    /// A place says which host it has. It knows better than any clock which of its hosts is the later one.
    fn learn_from(&mut self, place: &str, host: HostAt) {
        let is_other = |known: &HostAt| known.place == place && known.epoch != host.epoch;
        if self.host.as_ref().is_some_and(is_other) && !self.over.contains(&host.epoch) {
            self.follow_host(host);
        } else {
            self.learn(host);
        }
    }

    fn hear(&mut self, announcement: Announcement) {
        match announcement {
            Announcement::Host(host) => {
                let is_known = self.host.as_ref() == Some(&host);
                if is_known {
                    self.reopen();
                } else {
                    self.learn(host);
                }
            }
            Announcement::Over { epoch } => {
                self.remember_over(epoch);
                if self.rival.as_ref().is_some_and(|host| host.epoch == epoch) {
                    self.rival = None;
                }
                if self.host.as_ref().is_some_and(|host| host.epoch == epoch) {
                    self.lose_host();
                }
            }
            Announcement::Ask {} | Announcement::Waiting(_) | Announcement::Knock { .. } => {}
        }
    }

    /// The host lives, and answers nothing by the road: the road is broken.
    fn reopen(&mut self) {
        self.questions = 0;
        if !std::mem::take(&mut self.is_suspected) {
            return;
        }
        let kind = self.road.as_ref().map(|road| road.kind);
        self.leave();
        match kind {
            Some(RoadKind::Port) => {
                let step = self.worker.make(self.now);
                self.follow(step);
            }
            Some(RoadKind::Dedicated) => self.make_dedicated(),
            Some(RoadKind::Local | RoadKind::Channel) | None => {}
        }
        self.choose();
    }

    fn learn(&mut self, host: HostAt) {
        if self.over.contains(&host.epoch) {
            return;
        }
        match &self.host {
            Some(known) if *known == host => {}
            // A host that refuses this tab is left for any other one.
            Some(known) if !is_later(host.epoch, known.epoch) && !self.is_refused() => {
                self.rival = Some(host);
            }
            Some(_) | None => self.follow_host(host),
        }
    }

    fn follow_host(&mut self, host: HostAt) {
        self.watch(&host.place);
        self.questions = 0;
        self.is_suspected = false;
        self.asked_worker = false;
        self.asked_dedicated = 0;
        self.rival = None;
        self.host = Some(host);
        self.choose();
    }

    fn watch(&mut self, place: &str) {
        let place = place.to_owned();
        self.put(LinkOutput::Watch { place });
    }

    fn gone(&mut self, place: &str) {
        let took = self.is_taken_by(RoadKind::Port);
        let took_dedicated = self.is_taken_by(RoadKind::Dedicated);
        let gone = self.host.as_ref().filter(|host| host.place == place);
        if let Some(epoch) = gone.map(|host| host.epoch) {
            self.remember_over(epoch);
            self.lose_host();
        }
        if self.worker.place() == Some(place) {
            let step = self.worker.gone(took, self.now);
            self.follow(step);
        }
        if self.dedicated.place() == Some(place) {
            self.dedicated_gone(took_dedicated);
        }
    }

    fn lose_host(&mut self) {
        self.host = None;
        self.is_suspected = false;
        self.leave();
        self.ask();
    }

    fn remember_over(&mut self, epoch: Epoch) {
        if self.over.contains(&epoch) {
            return;
        }
        if self.over.len() == MAX_OVER {
            self.over.remove(0);
        }
        self.over.push(epoch);
    }

    // ---- The end ----

    fn close(&mut self) {
        self.is_closing = true;
        if !self.waits() {
            self.finish();
        }
    }

    fn finish(&mut self) {
        self.stop();
        self.put(LinkOutput::Finish {});
    }

    /// The tab leaves its host, and its own place ends: what is frozen is to hold up nobody.
    fn go_away(&mut self) {
        self.leave();
        self.end_own_place();
        self.stop();
        self.is_away = true;
        self.put(LinkOutput::BeQuiet {});
    }

    fn come_back(&mut self) {
        if !self.is_away {
            return;
        }
        let is_closing = self.is_closing;
        self.start();
        if is_closing {
            self.close();
        }
    }

    fn stop(&mut self) {
        self.is_running = false;
        self.is_away = false;
        self.worker.stop();
        self.host = None;
        self.rival = None;
        self.asked_worker = false;
        self.asked_dedicated = 0;
        self.road = None;
        self.ask_at = None;
        self.pong_at = None;
        self.is_suspected = false;
        self.withdraw();
        self.dedicated.stop();
    }

    /// Starts the timer anew where another time is the next one.
    fn arm(&mut self) {
        let (worker, dedicated) = (self.worker.deadline(), self.dedicated.deadline());
        let times = [worker, dedicated, self.ask_at, self.pong_at];
        let next = times
            .into_iter()
            .flatten()
            .min()
            .filter(|_| self.is_running);
        if next == self.timer {
            return;
        }
        self.timer = next;
        if let Some(next) = next {
            let delay = next.saturating_sub(self.now);
            self.put(LinkOutput::StartTimer { delay });
        }
    }

    fn put(&mut self, output: LinkOutput) {
        self.outputs.push(output);
    }
}

/// Whether a host of this epoch began later.
fn is_later(epoch: Epoch, than: Epoch) -> bool {
    let distance = epoch.0.wrapping_sub(than.0) % EPOCHS;
    distance != 0 && distance < EPOCHS / 2
}
