//! A worker that a tab makes, a SharedWorker or a dedicated one: whether it starts, whether it is still there, and when
//! another one is made.

use super::messages::{Why, WorkerKind};

/// Milliseconds that a new worker may be silent before another port is tried; doubled after each try. A living worker
/// needs a fraction of it, unless its script comes over a slow network.
const FIRST_SILENCE: u64 = 1_000;
/// Silences of a SharedWorker in a row after which the tab may have the host meanwhile: 3 seconds.
const SLOW: u32 = 2;
/// Silences in a row after which no other port is tried: 15 seconds. The last one stays, for a worker that comes late.
const SILENCES: u32 = 4;
/// Milliseconds that a dedicated worker may be silent before the page has the host meanwhile. It stays, and is not made
/// again: it has no other port, and what it loads would be loaded anew.
const DEDICATED_SILENCE: u64 = 2_000;
/// Attempts to start a worker that fails. The first may have been in the process of a tab that is just closing.
const ATTEMPTS: u32 = 3;

/// The code of a failure that another attempt may mend.
const FAILED: &str = "ERR_HOST_FAILED";

/// A worker that ends sooner than this after it came has crashed on something that will be there again; milliseconds.
const SHORT_LIFE: u64 = 1_000;
/// So many workers in a row may end so soon.
const SHORT_LIVES: u32 = 5;
/// How long the next worker waits at most, in milliseconds.
const LONGEST_PAUSE: u64 = 30_000;

#[derive(Debug)]
enum Phase {
    /// None is made, and why.
    Never(Why),
    /// Not started.
    Idle,
    /// The next one is made at this time.
    Pausing(u64),
    /// It was made. If it is silent until this time, another port is tried.
    Silent(u64),
    /// It was silent for so long that nothing more is tried.
    Late,
    /// It is there.
    Here { place: String, since: u64 },
}

/// What follows for the link.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    /// Make the worker, or another port of it.
    Make,
    /// A lesser place of the tab may have the host meanwhile.
    Slow,
    /// The same, and make another port.
    SlowAndMake,
}

#[derive(Debug)]
pub(super) struct OwnWorker {
    kind: WorkerKind,
    phase: Phase,
    burial: u64,
    /// Ports in a row that heard nothing.
    silences: u32,
    /// Workers in a row that did not start.
    failed: u32,
    /// Why the last one failed.
    failure: Option<Why>,
    /// Workers in a row that ended soon.
    short_lives: u32,
}

impl OwnWorker {
    pub(super) fn new(kind: WorkerKind, no_worker: Option<Why>, burial: u64) -> Self {
        Self {
            kind,
            phase: no_worker.map_or(Phase::Idle, Phase::Never),
            burial,
            silences: 0,
            failed: 0,
            failure: None,
            short_lives: 0,
        }
    }

    /// Begins, again after [`OwnWorker::stop`].
    pub(super) fn start(&mut self, now: u64) -> Step {
        if let Phase::Never(_) = self.phase {
            return Step::Slow;
        }
        self.silences = 0;
        self.failed = 0;
        self.make(now)
    }

    /// Begins where it has not yet.
    pub(super) fn begin(&mut self, now: u64) -> Step {
        match self.phase {
            // It may have become late while nothing was to begin.
            Phase::Never(_) | Phase::Late => Step::Slow,
            Phase::Idle => self.start(now),
            Phase::Pausing(_) | Phase::Silent(_) | Phase::Here { .. } => Step::Nothing,
        }
    }

    pub(super) fn stop(&mut self) {
        if !matches!(self.phase, Phase::Never(_)) {
            self.phase = Phase::Idle;
        }
    }

    /// Why the host is not in this worker.
    pub(super) fn why_not(&self) -> Why {
        let name = match self.kind {
            WorkerKind::Shared => "shared",
            WorkerKind::Dedicated => "dedicated",
        };
        match &self.phase {
            Phase::Never(why) => why.clone(),
            Phase::Silent(_) | Phase::Late if self.silences >= self.slow() => {
                failure(&format!("the {name} worker did not start: it says nothing"))
            }
            Phase::Here { .. } => Why {
                reason: "another place has this namespace's host".to_owned(),
                code: None,
            },
            Phase::Idle | Phase::Pausing(_) | Phase::Silent(_) | Phase::Late => self
                .failure
                .clone()
                .unwrap_or_else(|| failure(&format!("the {name} worker has not started yet"))),
        }
    }

    /// The worker's place, while it is there.
    pub(super) fn place(&self) -> Option<&str> {
        match &self.phase {
            Phase::Here { place, .. } => Some(place),
            _ => None,
        }
    }

    /// Whether one was made, or is about to be.
    pub(super) fn is_wanted(&self) -> bool {
        !matches!(self.phase, Phase::Never(_) | Phase::Idle)
    }

    /// Whether it was made just now, and is likely to greet.
    pub(super) fn is_expected(&self) -> bool {
        matches!(self.phase, Phase::Silent(_)) && self.silences == 0
    }

    /// When [`OwnWorker::handle_time`] is to be called.
    pub(super) fn deadline(&self) -> Option<u64> {
        match self.phase {
            Phase::Pausing(until) | Phase::Silent(until) => Some(until),
            Phase::Never(_) | Phase::Idle | Phase::Late | Phase::Here { .. } => None,
        }
    }

    pub(super) fn handle_time(&mut self, now: u64) -> Step {
        match self.phase {
            Phase::Pausing(until) if until <= now => self.make(now),
            Phase::Silent(until) if until <= now => self.bear_silence(now),
            _ => Step::Nothing,
        }
    }

    /// It greets. Only a place that was not there before is a sign that workers start.
    pub(super) fn greeted(&mut self, place: &str, now: u64) {
        if self.place() == Some(place) {
            return;
        }
        self.silences = 0;
        self.phase = Phase::Here {
            place: place.to_owned(),
            since: now,
        };
    }

    /// It has taken this tab.
    pub(super) fn proved(&mut self) {
        self.failed = 0;
        self.failure = None;
    }

    /// It cannot be made, now or later.
    pub(super) fn forbid(&mut self, why: Why) -> Step {
        self.phase = Phase::Never(why);
        Step::Slow
    }

    /// It did not start.
    pub(super) fn fail(&mut self, why: Why, now: u64) -> Step {
        self.failed += 1;
        // A coded error is a mistake of the application's: trying again would not help.
        let is_lasting = why.code.as_deref().is_some_and(|code| code != FAILED);
        let why = Why {
            code: why.code.or_else(|| Some(FAILED.to_owned())),
            ..why
        };
        if self.failed >= ATTEMPTS || is_lasting {
            return self.forbid(why);
        }
        self.failure = Some(why);
        self.phase = Phase::Pausing(now + self.burial);
        Step::Nothing
    }

    /// It was there, and is gone. `took`: it was this tab's host.
    pub(super) fn gone(&mut self, took: bool, now: u64) -> Step {
        let Phase::Here { since, .. } = self.phase else {
            return Step::Nothing;
        };
        let is_short = now.saturating_sub(since) < SHORT_LIFE;
        if is_short && !took {
            return self.fail(failure("it ended at once"), now);
        }
        self.short_lives = if is_short { self.short_lives + 1 } else { 0 };
        self.phase = Phase::Pausing(now + self.burial.max(self.pause()));
        Step::Nothing
    }

    /// Another port of a worker that may be there: its road is broken.
    pub(super) fn make(&mut self, now: u64) -> Step {
        let silence = match self.kind {
            WorkerKind::Shared => FIRST_SILENCE << self.silences.min(SILENCES),
            WorkerKind::Dedicated => DEDICATED_SILENCE,
        };
        self.phase = Phase::Silent(now + silence);
        Step::Make
    }

    /// Silences in a row after which it is slow.
    fn slow(&self) -> u32 {
        match self.kind {
            WorkerKind::Shared => SLOW,
            WorkerKind::Dedicated => 1,
        }
    }

    /// A worker that dies before it greets leaves no lock to watch, so another port is tried. One that stays silent threw
    /// while its module was evaluated, which browsers do not report to the page, or comes over a slow network.
    fn bear_silence(&mut self, now: u64) -> Step {
        self.silences += 1;
        let is_slow = self.silences == self.slow();
        if self.kind == WorkerKind::Dedicated || self.silences >= SILENCES {
            self.phase = Phase::Late;
            return if is_slow { Step::Slow } else { Step::Nothing };
        }
        self.make(now);
        if is_slow {
            Step::SlowAndMake
        } else {
            Step::Make
        }
    }

    fn pause(&self) -> u64 {
        let beyond = self.short_lives.saturating_sub(SHORT_LIVES);
        if beyond == 0 {
            return 0;
        }
        (FIRST_SILENCE << beyond.min(5)).min(LONGEST_PAUSE)
    }
}

fn failure(reason: &str) -> Why {
    Why {
        reason: reason.to_owned(),
        code: Some(FAILED.to_owned()),
    }
}
