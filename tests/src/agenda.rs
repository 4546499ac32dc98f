//! Virtual time for the simulators of several parties: what happens when, and what is said of it.

use std::collections::BTreeMap;

use crate::seeds::Run;
use crate::sim::Census;

/// Events by the time at which they happen; of one time, in the order in which they were put down. A lane `L` keeps the order
/// of what goes over it.
pub(crate) struct Agenda<E, L> {
    /// Milliseconds.
    pub(crate) now: u64,
    events: BTreeMap<(u64, u64), E>,
    number: u64,
    lanes: BTreeMap<L, u64>,
}

impl<E, L: Ord> Agenda<E, L> {
    pub(crate) fn new(now: u64) -> Self {
        Self {
            now,
            events: BTreeMap::new(),
            number: 0,
            lanes: BTreeMap::new(),
        }
    }

    /// A number that nothing has.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    pub(crate) fn after(&mut self, delay: u64, event: E) {
        self.at(self.now + delay, event);
    }

    /// Puts an event down behind those that went over the lane before it.
    pub(crate) fn over(&mut self, lane: L, delay: u64, event: E) {
        let last = self.lanes.entry(lane).or_default();
        *last = (*last).max(self.now + delay);
        let time = *last;
        self.at(time, event);
    }

    fn at(&mut self, time: u64, event: E) {
        let number = self.next_number();
        self.events.insert((time, number), event);
    }

    /// Takes the next event that happens until `time`. It is the time of that event then; without one it is `time`.
    pub(crate) fn next_until(&mut self, time: u64) -> Option<E> {
        let next = self.events.first_entry();
        let Some(next) = next.filter(|next| next.key().0 <= time) else {
            self.now = self.now.max(time);
            return None;
        };
        self.now = self.now.max(next.key().0);
        Some(next.remove())
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &E> {
        self.events.values()
    }

    /// Keeps the events of which `keeps` says so. It is asked in the order in which they would happen.
    pub(crate) fn retain(&mut self, mut keeps: impl FnMut(&E) -> bool) {
        self.events.retain(|_, event| keeps(event));
    }
}

/// What a simulation says of itself.
pub(crate) struct Log {
    pub(crate) census: Census,
    /// What was wrong.
    pub(crate) problems: Vec<String>,
    trace: Vec<String>,
    is_traced: bool,
}

impl Log {
    pub(crate) fn new(is_traced: bool) -> Self {
        Self {
            census: Census::new(),
            problems: Vec::new(),
            trace: Vec::new(),
            is_traced,
        }
    }

    pub(crate) fn say(&mut self, now: u64, text: impl FnOnce() -> String) {
        if self.is_traced {
            self.trace.push(format!("{now:>9} {}", text()));
        }
    }

    pub(crate) fn wrong(&mut self, now: u64, text: &str) {
        self.say(now, || format!("WRONG: {text}"));
        self.problems.push(format!("at {now} ms: {text}"));
    }

    /// `panics`: what was wrong before anything else, since the simulation ended with it.
    pub(crate) fn into_run(mut self, mut panics: Vec<String>) -> Run {
        panics.append(&mut self.problems);
        Run {
            census: self.census,
            problems: panics,
            trace: self.trace,
        }
    }
}
