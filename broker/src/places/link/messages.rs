//! What a tab's link is told, and what it has done.

use proxy_doc::{Epoch, wire};

use crate::places::announcement::{Announcement, HostAt, PlaceKind};

/// Ways from a tab to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoadKind {
    /// To the page's own place.
    Local,
    /// A MessagePort to the tab's own SharedWorker.
    Port,
    /// A MessagePort to the tab's own dedicated worker.
    Dedicated,
    /// A BroadcastChannel to a place anywhere else.
    Channel,
}

wire!(
    enum RoadKind {
        Local = "local",
        Port = "port",
        Dedicated = "dedicated",
        Channel = "channel",
    }
);

/// The workers that a tab makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerKind {
    /// All tabs of a build share it.
    Shared,
    /// It is the tab's own, and its place is the tab's.
    Dedicated,
}

wire!(
    enum WorkerKind {
        Shared = "shared",
        Dedicated = "dedicated",
    }
);

impl WorkerKind {
    /// The road to the worker's place.
    pub(super) fn road(self) -> RoadKind {
        match self {
            Self::Shared => RoadKind::Port,
            Self::Dedicated => RoadKind::Dedicated,
        }
    }
}

/// Why something is as it is: a sentence, and a code where it is a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// For people.
    pub reason: String,
    /// For programs.
    pub code: Option<String>,
}

wire!(struct Why {
    reason = "reason";
    code = "code";
});

/// What a tab has to reach its host by.
#[derive(Clone, Debug)]
pub struct LinkOptions {
    /// Why this page makes no SharedWorker; `None` where it makes one.
    pub no_worker: Option<Why>,
    /// Why this page makes no dedicated worker where it is to have the host; `None` where it makes one.
    pub no_dedicated: Option<Why>,
    /// The id of the page's own place.
    pub page: String,
    /// Milliseconds between a worker's death and the next one of its name.
    pub burial: u64,
}

wire!(read struct LinkOptions {
    no_worker = "noWorker";
    no_dedicated = "noDedicated";
    page = "page";
    burial = "burial";
});

/// What happens to a link.
#[derive(Clone, Debug)]
pub enum LinkInput {
    /// The connection is there, or is opened again after [`LinkInput::Close`].
    Start {},
    /// A worker could not be loaded or started, or threw.
    WorkerFailed {
        /// Which of the tab's workers.
        worker: WorkerKind,
        /// What it says.
        why: Why,
    },
    /// This page cannot make the worker, and need not try again.
    WorkerForbidden {
        /// Which of the tab's workers.
        worker: WorkerKind,
        /// What the browser says.
        why: Why,
    },
    /// A place greets the tab, at the beginning of a road and for each host that begins there.
    Greeted {
        /// The road by which it came.
        road: RoadKind,
        /// The place's id.
        place: String,
        /// The host there, if there is one.
        host: Option<HostAt>,
    },
    /// The host has taken this tab.
    Taken {
        /// The host's epoch.
        epoch: Epoch,
    },
    /// The host refuses this tab, and no other host would be different.
    Refused(Why),
    /// The place does not exist any more.
    Gone {
        /// The place's id.
        place: String,
    },
    /// Something was announced on the namespace's channel, or by the page's own place.
    Heard(Announcement),
    /// Messages were posted a while ago, and nothing was heard by the road since.
    Quiet {},
    /// The place at the other end of the road answered.
    Alive {},
    /// The time that [`LinkOutput::StartTimer`] named is over.
    Timer {},
    /// The page is about to be frozen, or to be kept for the user's return: nothing may reach it any more.
    Away {},
    /// The page is back.
    Back {},
    /// The application closes the connection. What it submitted before is for the host all the same.
    Close {},
    /// The link is not needed any more, whatever waits.
    End {},
}

wire!(read enum LinkInput {
    Start = "start" {},
    WorkerFailed = "workerFailed" { worker = "worker"; why = "why" },
    WorkerForbidden = "workerForbidden" { worker = "worker"; why = "why" },
    Greeted = "greeted" { road = "road"; place = "place"; host = "host" },
    Taken = "taken" { epoch = "life" },
    Refused = "refused" (Why),
    Gone = "gone" { place = "place" },
    Heard = "heard" (Announcement),
    Quiet = "quiet" {},
    Alive = "alive" {},
    Timer = "timer" {},
    Away = "away" {},
    Back = "back" {},
    Close = "close" {},
    End = "end" {},
});

/// What is to be done for a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkOutput {
    /// Make the SharedWorker, or another port of it: the one before is closed. Or make a dedicated worker: the one before is
    /// ended at once.
    MakeWorker {
        /// Which of the tab's workers.
        worker: WorkerKind,
    },
    /// Call [`LinkInput::Timer`] after so many milliseconds. It replaces the timer before.
    StartTimer {
        /// In milliseconds.
        delay: u64,
    },
    /// Say this on the namespace's channel, and to the page's own place.
    Announce(Announcement),
    /// Notice the end of this place, if it is not watched already.
    Watch {
        /// The place's id.
        place: String,
    },
    /// Open a road to this place. The place greets by it.
    Open {
        /// Which road.
        road: RoadKind,
        /// The place's id.
        place: String,
    },
    /// Ask the host at the end of the road to take this tab.
    Introduce {
        /// The host's epoch.
        epoch: Epoch,
        /// Higher than that of each introduction before. Two roads to a place are not in order: it drops an
        /// introduction that is older than the last one of this tab.
        number: u64,
        /// The version of the protocol that this tab speaks.
        protocol: u32,
    },
    /// Messages reach the host from now on.
    Ready {},
    /// The road is out of use: nothing that still comes by it counts. Messages wait for another host.
    Leave {},
    /// Ask the place at the end of the road for a sign of life.
    Ping {},
    /// A place of this tab is to have the host if nobody else has.
    Stand {
        /// Which of the tab's places.
        place: PlaceKind,
        /// The host does not answer: take the lock from it.
        steal: bool,
    },
    /// A place of this tab is not to have the host any more.
    Withdraw {
        /// Which of the tab's places; its SharedWorker stays one.
        place: PlaceKind,
        /// The page is about to be frozen: the place is ended at once. A message would reach its worker after the thaw.
        urgent: bool,
    },
    /// The page is about to be frozen: release the tab's lock if no op is without its outcome, and listen to nothing.
    BeQuiet {},
    /// Where the host is, for the application.
    HostIs {
        /// The kind of place.
        kind: PlaceKind,
        /// Why there.
        why: Why,
    },
    /// An error for the application; the link goes on.
    Tell(Why),
    /// No host takes this tab: it has to do alone.
    GiveUp(Why),
    /// The link is at its end; what the application submitted before has reached the host.
    Finish {},
}

wire!(write enum LinkOutput {
    MakeWorker = "makeWorker" { worker = "worker" },
    StartTimer = "startTimer" { delay = "delay" },
    Announce = "announce" (Announcement),
    Watch = "watch" { place = "place" },
    Open = "open" { road = "road"; place = "place" },
    Introduce = "introduce" {
        epoch = "life";
        number = "number";
        protocol = "protocol";
    },
    Ready = "ready" {},
    Leave = "leave" {},
    Ping = "ping" {},
    Stand = "stand" { place = "place"; steal = "steal" },
    Withdraw = "withdraw" { place = "place"; urgent = "urgent" },
    BeQuiet = "beQuiet" {},
    HostIs = "hostIs" { kind = "kind"; why = "why" },
    Tell = "tell" (Why),
    GiveUp = "giveUp" (Why),
    Finish = "finish" {},
});
