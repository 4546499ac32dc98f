//! The tab's own place, for where no SharedWorker has the host: in a dedicated worker, since that goes on while the page is
//! blocked or its timers are throttled; in the page where no such worker starts, or for as long as it is slow to.

use super::messages::{LinkOutput, Why, WorkerKind};
use super::own_worker::Step;
use super::{Link, RoadKind};
use crate::places::announcement::PlaceKind;

impl Link {
    /// A place of this tab is to have the host if nobody else has. `steal`: the holder of the lock does not answer.
    pub(super) fn stand(&mut self, steal: bool) {
        if self.stands && !steal {
            return;
        }
        self.stands = true;
        self.steals |= steal;
        match self.dedicated.begin(self.now) {
            Step::Nothing => self.stand_where_it_can(),
            step @ (Step::Make | Step::Slow | Step::SlowAndMake) => self.follow_dedicated(step),
        }
        if self.host.is_none() {
            let (kind, why) = if self.page_stands {
                (PlaceKind::Page, self.why_in_page())
            } else {
                (PlaceKind::DedicatedWorker, self.worker.why_not())
            };
            self.tell_host(None, kind, why);
        }
    }

    /// Says again that the tab's place is to have the host, where there is one so far.
    pub(super) fn stand_where_it_can(&mut self) {
        if self.dedicated.place().is_some() {
            self.let_stand(PlaceKind::DedicatedWorker);
        } else if self.page_stands {
            self.let_stand(PlaceKind::Page);
        }
    }

    fn let_stand(&mut self, place: PlaceKind) {
        let steal = std::mem::take(&mut self.steals);
        if steal && place == PlaceKind::DedicatedWorker {
            self.asked_dedicated += 1;
        }
        self.put(LinkOutput::Stand { place, steal });
    }

    pub(super) fn follow_dedicated(&mut self, step: Step) {
        if matches!(step, Step::Make | Step::SlowAndMake) {
            self.make_worker(WorkerKind::Dedicated);
        }
        if matches!(step, Step::Slow | Step::SlowAndMake) && self.stands {
            self.page_stands = true;
            self.let_stand(PlaceKind::Page);
        }
    }

    /// Makes another dedicated worker in place of the one that is there.
    pub(super) fn make_dedicated(&mut self) {
        self.asked_dedicated = 0;
        let step = self.dedicated.make(self.now);
        self.follow_dedicated(step);
    }

    pub(super) fn greeted_by_dedicated(&mut self, place: &str) {
        let is_new = self.dedicated.place() != Some(place);
        self.watch(place);
        self.dedicated.greeted(place, self.now);
        if !is_new || !self.stands {
            return;
        }
        self.let_stand(PlaceKind::DedicatedWorker);
        // The worker is the better place.
        self.withdraw_page();
    }

    pub(super) fn dedicated_gone(&mut self, took: bool) {
        if !self.stands {
            return self.dedicated.stop();
        }
        let step = self.dedicated.gone(took, self.now);
        self.follow_dedicated(step);
    }

    /// A host elsewhere has answered: a tab that stood for as long as its worker was frozen stands no more.
    pub(super) fn leave_it_to_worker(&mut self) {
        let road = self.road.as_ref();
        let is_elsewhere =
            road.is_some_and(|road| !matches!(road.kind, RoadKind::Local | RoadKind::Dedicated));
        if is_elsewhere && self.worker.place().is_some() {
            self.withdraw();
        }
    }

    /// No place of this tab is to have the host any more. One that has it hands it over.
    pub(super) fn withdraw(&mut self) {
        if !std::mem::take(&mut self.stands) {
            return;
        }
        self.steals = false;
        self.withdraw_page();
        let place = PlaceKind::DedicatedWorker;
        if self.dedicated.place().is_some() {
            // It stays reachable until it has resigned.
            let urgent = false;
            self.put(LinkOutput::Withdraw { place, urgent });
        } else {
            self.end_dedicated();
        }
    }

    fn withdraw_page(&mut self) {
        if std::mem::take(&mut self.page_stands) {
            let (place, urgent) = (PlaceKind::Page, false);
            self.put(LinkOutput::Withdraw { place, urgent });
        }
    }

    /// Ends the tab's place at once, as a crash would: nothing that anybody was told is lost by it.
    pub(super) fn end_own_place(&mut self) {
        self.stands = false;
        self.steals = false;
        if std::mem::take(&mut self.page_stands) {
            let (place, urgent) = (PlaceKind::Page, true);
            self.put(LinkOutput::Withdraw { place, urgent });
        }
        self.end_dedicated();
    }

    fn end_dedicated(&mut self) {
        if self.dedicated.is_wanted() {
            self.dedicated.stop();
            let (place, urgent) = (PlaceKind::DedicatedWorker, true);
            self.put(LinkOutput::Withdraw { place, urgent });
        }
    }

    /// Why the host is in this page: neither worker could have it.
    pub(super) fn why_in_page(&self) -> Why {
        let shared = self.worker.why_not();
        let dedicated = self.dedicated.why_not();
        Why {
            reason: format!("{}; {}", shared.reason, dedicated.reason),
            code: shared.code.or(dedicated.code),
        }
    }
}
