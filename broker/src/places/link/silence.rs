//! What a link does when nothing answers: it asks for a sign of life, then where the host is, and at last has the lock
//! taken from a place that does not answer.

use super::messages::{LinkOutput, RoadKind};
use super::{ASK_AGAIN, ASK_AGAIN_REFUSED, Link, Progress};
use crate::places::announcement::{Announcement, PlaceKind};

/// Questions without an answer after which the host is taken for frozen: 6 seconds.
const QUESTIONS: u32 = 4;
/// How often the tab's own worker is asked to take the lock, without a host being heard of, before it is replaced: 18 seconds,
/// more than a store may take to open.
const FRUITLESS: u32 = 3;
/// Milliseconds in which a place answers a ping, also where its host is busy.
const PONG: u64 = 4_000;

impl Link {
    pub(super) fn quiet(&mut self) {
        if self.waits() || self.pong_at.is_some() || self.is_suspected {
            return;
        }
        self.put(LinkOutput::Ping {});
        self.pong_at = Some(self.now + PONG);
    }

    pub(super) fn alive(&mut self) {
        self.pong_at = None;
        self.questions = 0;
        if std::mem::take(&mut self.is_suspected) && !self.waits() && !self.is_refused() {
            self.ask_at = None;
        }
    }

    pub(super) fn handle_time(&mut self) {
        let step = self.worker.handle_time(self.now);
        self.follow(step);
        let step = self.dedicated.handle_time(self.now);
        self.follow_dedicated(step);
        if self.pong_at.is_some_and(|at| at <= self.now) {
            self.suspect();
        }
        if self.ask_at.is_some_and(|at| at <= self.now) {
            self.ask_again();
        }
    }

    /// The place did not answer. Its road may be broken: then it answers by the namespace's channel.
    pub(super) fn suspect(&mut self) {
        self.pong_at = None;
        self.is_suspected = true;
        self.questions = QUESTIONS - 1;
        self.ask();
    }

    pub(super) fn ask(&mut self) {
        self.rival = None;
        let pause = if self.is_refused() {
            ASK_AGAIN_REFUSED
        } else {
            ASK_AGAIN
        };
        self.ask_at = Some(self.now + pause);
        self.put(LinkOutput::Announce(Announcement::Ask {}));
    }

    pub(super) fn ask_again(&mut self) {
        self.questions += 1;
        if let Some(rival) = self.rival.take() {
            // It answered, and the host that this link knows of did not.
            return self.follow_host(rival);
        }
        if self.questions >= QUESTIONS {
            self.questions = 0;
            self.steal();
        }
        if self.stands {
            // What was deleted meanwhile has ended the tab's place, too.
            self.stand_where_it_can();
        }
        if let Some(road) = &self.road {
            match (road.kind, road.progress) {
                (RoadKind::Channel | RoadKind::Local, Progress::Opened) => {
                    let (kind, place) = (road.kind, road.place.clone());
                    self.put(LinkOutput::Open { road: kind, place });
                }
                (kind, progress) => {
                    // A port that the place has closed brings nothing back, and a host that answers does not mend it.
                    let is_port = matches!(kind, RoadKind::Port | RoadKind::Dedicated);
                    self.is_suspected |= is_port && progress == Progress::Introduced;
                    self.put(LinkOutput::Ping {});
                }
            }
        }
        self.ask();
    }

    /// Takes the host lock from a place that does not answer.
    pub(super) fn steal(&mut self) {
        let silent = self.host.as_ref().map(|host| host.place.as_str());
        // The page has the host itself: it is slow, and cannot be asked to be faster.
        if silent == Some(&self.page) {
            return;
        }
        // The tab's own worker hangs, perhaps since before it could say that it has the host. Its lock is released when it is
        // ended.
        let own = self.dedicated.place();
        if own.is_some() && (own == silent || self.asked_dedicated >= FRUITLESS) {
            return self.make_dedicated();
        }
        match self.worker.place() {
            // If that does not help, the worker is frozen, too.
            Some(place) if Some(place) != silent && !self.asked_worker => {
                self.asked_worker = true;
                self.put(LinkOutput::Stand {
                    place: PlaceKind::SharedWorker,
                    steal: true,
                });
            }
            Some(_) => self.stand(true),
            // While the worker may still come, nobody is known to be silent.
            None if self.stands || silent.is_some() => self.stand(true),
            None => {}
        }
    }
}
