//! The road from a tab to its host: which one is taken, and what becomes of it.

use proxy_doc::Epoch;

use super::messages::{LinkOutput, RoadKind, Why};
use super::{ASK_AGAIN, ASK_AGAIN_REFUSED, INCOMPATIBLE, Link, Progress, Road};
use crate::places::announcement::PlaceKind;

impl Link {
    /// Takes the best road to the host.
    pub(super) fn choose(&mut self) {
        let Some(host) = &self.host else {
            return;
        };
        let kind = if host.place == self.page {
            RoadKind::Local
        } else if self.worker.place() == Some(&host.place) {
            RoadKind::Port
        } else if self.dedicated.place() == Some(&host.place) {
            RoadKind::Dedicated
        } else {
            RoadKind::Channel
        };
        let (epoch, place) = (host.epoch, host.place.clone());
        let is_open = |road: &Road| road.epoch == epoch;
        if self.road_to(kind, &place).is_some_and(is_open) {
            return;
        }
        self.leave();
        self.ask_at = Some(self.now + ASK_AGAIN);
        // Its greeting comes in a moment, and may lead to the same host by a better road.
        if kind == RoadKind::Channel && self.worker.is_expected() {
            return;
        }
        let road = place.clone();
        self.put(LinkOutput::Open {
            road: kind,
            place: road,
        });
        self.road = Some(Road {
            kind,
            place,
            epoch,
            progress: Progress::Opened,
        });
        self.tell_where();
        // The worker has greeted by its port, and may not do it again.
        if matches!(kind, RoadKind::Port | RoadKind::Dedicated) {
            self.introduce();
        }
    }

    pub(super) fn road_to(&self, kind: RoadKind, place: &str) -> Option<&Road> {
        let road = self.road.as_ref();
        road.filter(|road| road.kind == kind && road.place == place)
    }

    /// Asks the host to take this tab, if the road has just been opened.
    pub(super) fn introduce(&mut self) {
        let Some(road) = &mut self.road else {
            return;
        };
        if road.progress == Progress::Opened {
            road.progress = Progress::Introduced;
            let epoch = road.epoch;
            self.introductions += 1;
            let number = self.introductions;
            let protocol = self.protocol;
            self.put(LinkOutput::Introduce {
                epoch,
                number,
                protocol,
            });
        }
    }

    pub(super) fn leave(&mut self) {
        self.pong_at = None;
        if self.road.take().is_some() {
            self.put(LinkOutput::Leave {});
        }
    }

    pub(super) fn taken(&mut self, epoch: Epoch) {
        let Some(road) = &mut self.road else {
            return;
        };
        if road.epoch != epoch || road.progress != Progress::Introduced {
            return;
        }
        road.progress = Progress::Taken;
        match road.kind {
            RoadKind::Port => self.worker.proved(),
            RoadKind::Dedicated => self.dedicated.proved(),
            RoadKind::Local | RoadKind::Channel => {}
        }
        self.steals = false;
        self.ask_at = None;
        self.questions = 0;
        self.is_suspected = false;
        self.leave_it_to_worker();
        self.put(LinkOutput::Ready {});
        if self.is_closing {
            self.finish();
        }
    }

    pub(super) fn refused(&mut self, why: Why) {
        if self.is_closing {
            return self.finish();
        }
        if why.code.as_deref() != Some(INCOMPATIBLE) {
            self.put(LinkOutput::GiveUp(why));
            return self.stop();
        }
        if let Some(road) = &mut self.road {
            road.progress = Progress::Refused;
        }
        self.questions = 0;
        self.ask_at = Some(self.now + ASK_AGAIN_REFUSED);
        self.leave_it_to_worker();
        // An older host hands over to one of this tab's build.
        let is_older = self
            .host
            .as_ref()
            .is_some_and(|host| host.protocol < self.protocol);
        if !is_older {
            self.put(LinkOutput::Tell(why));
        }
    }

    pub(super) fn tell_where(&mut self) {
        let (Some(host), Some(road)) = (&self.host, &self.road) else {
            return;
        };
        let why = match road.kind {
            RoadKind::Port => Why {
                reason: "SharedWorker is available".to_owned(),
                code: None,
            },
            RoadKind::Local => self.why_in_page(),
            RoadKind::Dedicated | RoadKind::Channel => self.worker.why_not(),
        };
        let (place, kind) = (host.place.clone(), host.kind);
        self.tell_host(Some(place), kind, why);
    }

    pub(super) fn tell_host(&mut self, place: Option<String>, kind: PlaceKind, why: Why) {
        let output = LinkOutput::HostIs { kind, why };
        let told = (place, output.clone());
        if self.told.as_ref() != Some(&told) {
            self.told = Some(told);
            self.put(output);
        }
    }

    pub(super) fn is_taken_by(&self, kind: RoadKind) -> bool {
        let road = self.road.as_ref();
        road.is_some_and(|road| road.kind == kind && road.progress == Progress::Taken)
    }

    pub(super) fn is_refused(&self) -> bool {
        let road = self.road.as_ref();
        road.is_some_and(|road| road.progress == Progress::Refused)
    }

    /// Whether no host has taken this tab.
    pub(super) fn waits(&self) -> bool {
        let road = self.road.as_ref();
        !road.is_some_and(|road| matches!(road.progress, Progress::Taken | Progress::Refused))
    }
}
