//! A page or a worker, and what can happen in it. What happens in a context that is frozen waits until it thaws;
//! what happens in a dead one is lost.

use std::collections::VecDeque;

use broker::places::{Announcement, CandidateInput, HostAt, LinkInput, PlaceKind, Why};
use proxy_doc::Epoch;

use super::host::HostTask;
use super::place::Place;
use super::tab::Tab;
use super::workers::Worker;

/// A build of the application: pages of it load a worker script of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Build {
    /// Which script.
    pub(super) script: usize,
    /// The protocol that its tabs and hosts speak.
    pub(super) protocol: u32,
}

/// One end of a road. Each road has a number of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Local(u64),
    Port(u64),
    Channel(u64),
}

/// What a tab tells a place.
#[derive(Clone, Debug)]
pub(super) enum ToPlace {
    Introduce {
        epoch: Epoch,
        protocol: u32,
        number: u64,
    },
    Ping,
    Stand {
        steal: bool,
    },
    /// The place is not to have the host any more, and ends when it has none.
    Withdraw,
    /// The tab left the road.
    Left,
    /// An op, and the host that the tab sends it to.
    Op {
        seq: usize,
        epoch: Epoch,
    },
}

/// What a place tells a tab.
#[derive(Clone, Debug)]
pub(super) enum ToTab {
    Greet { place: String, host: Option<HostAt> },
    Pong,
    Taken { epoch: Epoch },
    Refused(Why),
    Accepted { epoch: Epoch, seq: usize },
    Outcome { epoch: Epoch, seq: usize },
    Wiped { epoch: Epoch },
}

/// Something that happens in a context.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// The worker's script has run.
    Up,
    /// The worker's script threw.
    Fails,
    /// A page has a port of this worker.
    Connect {
        way: Way,
        tab: usize,
    },
    /// The page's worker failed, if it is the one behind this port.
    WorkerError {
        way: Way,
    },
    /// The context opens the namespace's channel.
    OpenChannel,
    Heard(Announcement),
    /// The page's place hears the page's link.
    HeardOwn(Announcement),
    /// The page's link hears the page's place.
    HeardOfPlace(Announcement),
    Granted {
        request: u64,
    },
    Lost {
        request: u64,
    },
    Gone {
        place: String,
    },
    Timer {
        number: u64,
    },
    Look {
        number: u64,
    },
    ToPlace {
        way: Way,
        tab: usize,
        message: ToPlace,
    },
    ToTab {
        way: Way,
        message: ToTab,
    },
    Host {
        run: u64,
        what: HostTask,
    },
    Submit,
    Freeze {
        event: bool,
    },
    Close,
    Reopen,
}

/// Something that a context does before its next task.
#[derive(Clone, Debug)]
pub(super) enum Input {
    Link(LinkInput),
    Candidate(CandidateInput),
    ToPlace { way: Way, message: ToPlace },
    ToTab { way: Way, message: ToTab },
}

#[derive(Debug)]
pub(super) struct Context {
    pub(super) build: Build,
    pub(super) kind: PlaceKind,
    pub(super) alive: bool,
    /// When it died.
    pub(super) died: u64,
    pub(super) frozen: bool,
    /// What waits for the thaw.
    pub(super) inbox: VecDeque<Task>,
    /// Whether it has opened the namespace's channel.
    pub(super) hears: bool,
    pub(super) place: Place,
    /// In a page.
    pub(super) tab: Option<Tab>,
    /// In a worker.
    pub(super) worker: Option<Worker>,
    /// The page of a dedicated worker.
    pub(super) owner: Option<usize>,
    pub(super) inputs: VecDeque<Input>,
    pub(super) is_draining: bool,
}

impl Context {
    /// Whether it is alive and a place that can have the host.
    pub(super) fn is_up(&self) -> bool {
        let started = self.worker.as_ref().is_none_or(|worker| worker.is_up);
        self.alive && started
    }
}

/// The id of the place in this context.
pub(super) fn place_of(context: usize) -> String {
    format!("c{context}")
}

/// The context of the place with this id.
pub(super) fn context_of(place: &str) -> usize {
    place[1..].parse().expect("places are named by `place_of`")
}
