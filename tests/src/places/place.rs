//! Carries out what a candidate says, and answers the tabs of its place.

use std::collections::BTreeMap;

use broker::places::{Candidate, CandidateInput, CandidateOutput, HostAt};

use super::context::{Input, Task, ToPlace, ToTab, Way, place_of};
use super::host::Host;
use super::locks::Request;
use super::world::World;

#[derive(Debug)]
pub(super) struct Place {
    pub(super) candidate: Candidate,
    /// The request for the lock, while it waits or is held.
    pub(super) request: Option<u64>,
    pub(super) host: Option<Host>,
    /// The host that the tabs were told of.
    told: Option<HostAt>,
    /// The tabs that can be reached, and how.
    ends: Vec<(usize, Way)>,
    /// The number of each tab's last introduction.
    introductions: BTreeMap<usize, u64>,
    /// Whether its worker ends when it has no host.
    closes: bool,
}

impl Place {
    pub(super) fn new(candidate: Candidate) -> Self {
        Self {
            candidate,
            request: None,
            host: None,
            told: None,
            ends: Vec::new(),
            introductions: BTreeMap::new(),
            closes: false,
        }
    }
}

impl World {
    pub(super) fn feed_candidate(&mut self, context: usize, input: CandidateInput) {
        if !matches!(input, CandidateInput::Heard(_)) {
            self.say(context, || format!("candidate <- {input:?}"));
        }
        let outputs = self.contexts[context].place.candidate.handle(input);
        for output in outputs {
            self.say(context, || format!("candidate -> {output:?}"));
            self.carry_out(context, output);
        }
        let place = &mut self.contexts[context].place;
        let host = place.candidate.host();
        if place.told != host {
            place.told = host;
            for (tab, way) in place.ends.clone() {
                self.greet(context, tab, way);
            }
        }
        let place = &self.contexts[context].place;
        if place.closes && place.host.is_none() {
            self.die(context);
        }
    }

    fn carry_out(&mut self, context: usize, output: CandidateOutput) {
        match output {
            CandidateOutput::RequestLock { steal } => self.request_lock(context, steal),
            CandidateOutput::ReleaseLock {} => self.let_go(context),
            CandidateOutput::Begin {} => self.begin(context),
            CandidateOutput::Resign { urgent } => self.resign(context, urgent),
            CandidateOutput::End {} => {
                if self.contexts[context].place.host.take().is_none() {
                    self.wrong(context, "ends a host that is not there".to_owned());
                }
            }
            CandidateOutput::Announce(announcement) => {
                self.announce(context, &announcement);
                if self.contexts[context].tab.is_some() {
                    self.hear_of_place(context, announcement);
                }
            }
        }
    }

    fn request_lock(&mut self, context: usize, steal: bool) {
        self.let_go(context);
        let number = self.agenda.next_number();
        self.contexts[context].place.request = Some(number);
        let by = context;
        let change = self.lock.request(Request { by, number }, steal);
        self.apply(change);
    }

    fn let_go(&mut self, context: usize) {
        if let Some(number) = self.contexts[context].place.request.take() {
            let change = self.lock.release(number);
            self.apply(change);
        }
    }

    pub(super) fn connect(&mut self, context: usize, way: Way, tab: usize) {
        let c = &mut self.contexts[context];
        c.place.ends.push((tab, way));
        if c.is_up() {
            self.greet(context, tab, way);
        }
    }

    pub(super) fn greet_all(&mut self, context: usize) {
        for (tab, way) in self.contexts[context].place.ends.clone() {
            self.greet(context, tab, way);
        }
    }

    /// A tab opened a channel to this place.
    pub(super) fn knocked(&mut self, context: usize, name: &str) {
        let (tab, number) = name.split_once('/').expect("named by `Tab::open`");
        let tab = tab.parse().expect("a context");
        let way = Way::Channel(number.parse().expect("a road"));
        self.connect(context, way, tab);
    }

    fn greet(&mut self, context: usize, tab: usize, way: Way) {
        let place = place_of(context);
        let host = self.contexts[context].place.told.clone();
        self.tell_tab(context, tab, way, ToTab::Greet { place, host });
    }

    pub(super) fn tell_tab(&mut self, context: usize, tab: usize, way: Way, message: ToTab) {
        if matches!(way, Way::Local(_)) {
            self.feed(context, Input::ToTab { way, message });
        } else {
            self.post(context, tab, Some(way), Task::ToTab { way, message });
        }
    }

    /// A message of a tab arrives.
    pub(super) fn at_place(&mut self, context: usize, way: Way, tab: usize, message: ToPlace) {
        let listens = self.contexts[context].place.ends.contains(&(tab, way));
        if let Way::Channel(number) = way {
            if !listens {
                self.broken.insert(number);
            }
            if self.broken.contains(&number) {
                return;
            }
        }
        self.say(context, || {
            format!("hears from {} by {way:?}: {message:?}", place_of(tab))
        });
        match message {
            ToPlace::Ping => self.tell_tab(context, tab, way, ToTab::Pong),
            ToPlace::Stand { steal } => {
                self.contexts[context].place.closes = false;
                self.feed(context, Input::Candidate(CandidateInput::Stand { steal }));
            }
            ToPlace::Withdraw => {
                self.contexts[context].place.closes = true;
                let urgent = false;
                let input = CandidateInput::Withdraw { urgent };
                self.feed(context, Input::Candidate(input));
            }
            ToPlace::Left => {
                if let Way::Channel(_) | Way::Local(_) = way {
                    let ends = &mut self.contexts[context].place.ends;
                    ends.retain(|end| *end != (tab, way));
                }
                if let Some(host) = &mut self.contexts[context].place.host {
                    host.leave(tab, way);
                }
            }
            ToPlace::Introduce {
                epoch,
                protocol,
                number,
            } => {
                let place = &mut self.contexts[context].place;
                let last = place.introductions.entry(tab).or_default();
                if number < *last {
                    return;
                }
                *last = number;
                if place.told.as_ref().is_some_and(|host| host.epoch == epoch) {
                    self.meet(context, tab, way, protocol);
                } else {
                    self.greet(context, tab, way);
                }
            }
            ToPlace::Op { seq, epoch } => self.take_op(context, tab, way, seq, epoch),
        }
    }
}
