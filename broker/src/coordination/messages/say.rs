//! What the host says to a tab.

use proxy_doc::{Error, Json, wire};

use super::{Bundle, Grant, Idle, Part, Realtime, Report, Session};

/// A tab, as the others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TabInfo {
    /// Its id.
    pub id: String,
    /// What it says of itself.
    pub report: Report,
    /// What the host makes of it.
    pub score: u64,
    /// The page is frozen, or kept for the user's return.
    pub frozen: bool,
}

wire!(struct TabInfo {
    id = "id";
    report = "report";
    score = "score";
    frozen = "frozen";
});

/// Who leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leading {
    /// The leader's id.
    pub leader: Option<String>,
    /// The token by which it leads.
    pub term: u64,
    /// Who leads when the leader is gone.
    pub backup: Option<String>,
}

wire!(struct Leading {
    leader = "leader";
    term = "term" or 0;
    backup = "backup";
});

/// What happened to a tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TabEvent {
    /// It came.
    Join,
    /// It said that it goes.
    Leave,
    /// It is gone without a word.
    Crash,
    /// Its page is frozen, or kept for the user's return.
    Frozen,
    /// It is back.
    Resumed,
    /// Its page is visible now.
    Visible,
    /// Its page is hidden now.
    Hidden,
    /// Its page has the focus now.
    Focused,
    /// Something else of its report changed.
    Report,
}

wire!(
    enum TabEvent {
        Join = "join",
        Leave = "leave",
        Crash = "crash",
        Frozen = "frozen",
        Resumed = "resumed",
        Visible = "visible",
        Hidden = "hidden",
        Focused = "focused",
        Report = "report",
    }
);

/// Something that a tab told all others.
#[derive(Clone, Debug)]
pub struct Broadcast {
    /// Counted up by the host.
    pub number: u64,
    /// The tab.
    pub from: String,
    /// The tab's request.
    pub request: u64,
    /// It goes before others where it was missed.
    pub urgent: bool,
    /// What was told.
    pub message: Json,
}

wire!(struct Broadcast {
    number = "number";
    from = "from";
    request = "request";
    urgent = "urgent";
    message = "message";
});

/// The answer to [`super::Ask::Join`].
#[derive(Clone, Debug)]
pub struct Welcome {
    /// All tabs, in the order in which they came.
    pub tabs: Vec<TabInfo>,
    /// Who leads.
    pub leading: Leading,
    /// The tokens of the grants that the tab still has.
    pub held: Vec<u64>,
    /// The highest token.
    pub token: u64,
    /// The last broadcast.
    pub broadcast: u64,
    /// The history in which broadcasts are counted. Another one begins where a host left no record.
    pub line: u64,
    /// What the tab missed, in order, but what is urgent first.
    pub missed: Vec<Broadcast>,
    /// The tab missed broadcasts that nobody has any more.
    pub gap: bool,
    /// The shared state.
    pub state: Option<Bundle>,
    /// The session.
    pub session: Session,
    /// The idle timer, where it runs.
    pub idle: Option<Idle>,
    /// The second connection, where the host has one.
    pub realtime: Option<Realtime>,
    /// The tab missed messages of it, which nobody has any more.
    pub stream_gap: bool,
}

wire!(struct Welcome {
    tabs = "tabs";
    leading = "leading";
    held = "held" or Vec::new();
    token = "token";
    broadcast = "broadcast";
    line = "line";
    missed = "missed" or Vec::new();
    gap = "gap";
    state = "state";
    session = "session";
    idle = "idle";
    realtime = "realtime";
    stream_gap = "streamGap" or false;
});

/// What the host says to a tab.
#[derive(Clone, Debug)]
pub enum Say {
    /// The tab is one of the tabs.
    Welcome(Box<Welcome>),
    /// The answer to a request.
    Answer {
        /// The request.
        number: u64,
        /// Why it failed.
        error: Option<Error>,
        /// Its result.
        result: Option<Json>,
    },
    /// Something happened to a tab.
    Tab {
        /// What happened.
        event: TabEvent,
        /// The tab as it is now, or was.
        tab: TabInfo,
    },
    /// Another tab leads, or takes over next.
    Leading(Leading),
    /// Leads from now on, if it wants to: [`super::Ask::Take`] is the answer.
    OfferLead {
        /// The token.
        term: u64,
    },
    /// Is not to lead any more: [`super::Ask::Resigned`] is the answer.
    Resign {
        /// The token by which it leads.
        term: u64,
    },
    /// The name that a request asked for is free: [`super::Ask::Take`] is the answer.
    Offer(Grant),
    /// The tab holds it now.
    Granted {
        /// The request.
        number: u64,
        /// The token.
        token: u64,
    },
    /// The tab does not hold it any more, or is not offered it.
    Lost {
        /// The token.
        token: u64,
    },
    /// Something that another tab tells.
    Broadcast(Broadcast),
    /// The shared state changed.
    State {
        /// What of it.
        part: Part,
        /// The state now.
        bundle: Bundle,
    },
    /// Another tab wants something done: [`super::Ask::Done`] is the answer.
    Task {
        /// The other tab.
        from: String,
        /// The number of its request.
        number: u64,
        /// What is to be done.
        task: String,
        /// With what.
        payload: Json,
    },
    /// The session changed. These tabs name another one.
    Session {
        /// The session.
        session: Session,
        /// The tabs' ids.
        strangers: Vec<String>,
    },
    /// The session ends: the tab is to stop, and to say [`super::Ask::Stopped`].
    Logout {},
    /// All tabs have stopped: one is to delete everything. [`super::Ask::TakeWipe`] is the answer of a tab that is not blocked.
    OfferWipe {},
    /// The tab is the one: it is to delete everything, and to say [`super::Ask::Wiped`].
    Wipe {},
    /// The session has ended, and this one begun.
    LoggedOut(Session),
    /// The idle timer changed.
    Idle(Idle),
    /// The second connection is in another state.
    Realtime(Realtime),
    /// Something came by the second connection.
    Received {
        /// Counted up by the host.
        number: u64,
        /// What came.
        message: Json,
    },
    /// The host wants a new token for the second connection: the tab is to refresh it, and to say [`super::Ask::Token`].
    TokenWanted {
        /// The number of the question.
        round: u64,
    },
}

wire!(enum Say {
    Welcome = "welcome" (Box<Welcome>),
    Answer = "answer" { number = "number"; error = "error"; result = "result" },
    Tab = "tab" { event = "event"; tab = "tab" },
    Leading = "leading" (Leading),
    OfferLead = "lead" { term = "term" },
    Resign = "resign" { term = "term" },
    Offer = "offer" (Grant),
    Granted = "granted" { number = "number"; token = "token" },
    Lost = "lost" { token = "token" },
    Broadcast = "broadcast" (Broadcast),
    State = "state" { part = "part"; bundle = "bundle" },
    Task = "task" { from = "from"; number = "number"; task = "task"; payload = "payload" },
    Session = "session" { session = "session"; strangers = "strangers" },
    Logout = "logout" {},
    OfferWipe = "offerWipe" {},
    Wipe = "wipe" {},
    LoggedOut = "loggedOut" (Session),
    Idle = "idle" (Idle),
    Realtime = "realtime" (Realtime),
    Received = "received" { number = "number"; message = "message" },
    TokenWanted = "tokenWanted" { round = "round" },
});
