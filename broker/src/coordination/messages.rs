//! The messages of coordination. They pass through [`crate::message::ToHost::Coordination`] and
//! [`crate::message::ToTab::Coordination`] as JSON: a page that coordinates nothing does not load what reads them.
//!
//! A request has a number, which is unique within its tab. It is sent again to the next host until it is answered, and is
//! never done twice.

mod realtime;
mod say;

use proxy_doc::{Error, Json, wire};

pub use realtime::{Realtime, RealtimeState, Stream};
pub use say::{Broadcast, Leading, Say, TabEvent, TabInfo, Welcome};

/// What a tab says of itself. The host makes the tab's score of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The page is visible.
    pub visible: bool,
    /// The page has the focus.
    pub focused: bool,
    /// Milliseconds since the user's last input.
    pub idle: u64,
    /// Percent of the battery; `None` where there is none, or it is being charged.
    pub battery: Option<u32>,
    /// The network is down.
    pub offline: bool,
    /// What the application adds to the score: 0 to 100.
    pub weight: u32,
    /// The tab never leads.
    pub observer: bool,
    /// The application has given a function that gets a new token.
    pub refreshes: bool,
}

wire!(struct Report {
    visible = "visible";
    focused = "focused";
    idle = "idle" or 0;
    battery = "battery";
    offline = "offline";
    weight = "weight" or 0;
    observer = "observer";
    refreshes = "refreshes" or false;
});

/// Percent below which a battery is low.
const LOW_BATTERY: u32 = 20;

/// Whether a battery is low, for the scores of tabs and the ranks of devices alike. `None`, where there is none or it is being
/// charged, is not.
pub fn is_battery_low(percent: Option<u32>) -> bool {
    percent.is_some_and(|percent| percent < LOW_BATTERY)
}

/// The first thing that a tab says to a host.
#[derive(Clone, Debug)]
pub struct Join {
    /// The tab's id, which it keeps for as long as its page lives.
    pub id: String,
    /// The tab had another host before this one, or left this one.
    pub returns: bool,
    /// What it says of itself.
    pub report: Report,
    /// The lowest number of a request that has no answer.
    pub open: u64,
    /// What it holds.
    pub grants: Vec<Grant>,
    /// It leads, by this token.
    pub term: Option<u64>,
    /// The highest token that it has heard of.
    pub token: u64,
    /// The last broadcast that it has, in the history of the number `line`.
    pub seen: u64,
    /// See [`Welcome::line`].
    pub line: u64,
    /// Milliseconds after which it wants the leader to change; 0 for never.
    pub rotation: u64,
    /// The shared state as it knows it, and the session that it is of.
    pub state: Option<Bundle>,
    /// See `state`.
    pub session: Session,
    /// What it has heard of the second connection.
    pub stream: Stream,
}

wire!(struct Join {
    id = "id";
    returns = "returns";
    report = "report";
    open = "open";
    grants = "grants" or Vec::new();
    term = "term";
    token = "token" or 0;
    seen = "seen" or 0;
    line = "line" or 0;
    rotation = "rotation" or 0;
    state = "state";
    session = "session" or Session::default();
    stream = "stream" or Stream::default();
});

/// What a tab holds of the claim that it asked for by a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The name that is claimed.
    pub name: String,
    /// The request.
    pub number: u64,
    /// The fencing token: higher than every token before.
    pub token: u64,
    /// Milliseconds after which it ends by itself.
    pub expires: Option<u64>,
    /// The tab runs for all who ask.
    pub shared: Option<Shared>,
}

wire!(struct Grant {
    name = "name";
    number = "number";
    token = "token";
    expires = "expires";
    shared = "shared";
});

/// Asks for a name that one tab holds at a time.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The request.
    pub number: u64,
    /// The name.
    pub name: String,
    /// Milliseconds that the request may wait; `None` for ever.
    pub timeout: Option<u64>,
    /// Milliseconds after which the grant ends by itself.
    pub expires: Option<u64>,
    /// The grants in which the request is made: they are not given back before it is answered.
    pub within: Vec<u64>,
    /// One runs for all who ask.
    pub shared: Option<Shared>,
}

wire!(struct Claim {
    number = "number";
    name = "name";
    timeout = "timeout";
    expires = "expires";
    within = "within" or Vec::new();
    shared = "shared";
});

/// What a task came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Why it failed.
    pub error: Option<Error>,
    /// Its result.
    pub result: Option<Json>,
}

wire!(struct Outcome {
    error = "error";
    result = "result";
});

/// How a claim is shared. Of those who ask for the name one runs, and its outcome is the answer to all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// It is run again by who asks later.
    Now,
    /// As `Now`, and the outcome is void where the session changed meanwhile.
    Session,
    /// It is run once: who asks later gets that outcome.
    Kept,
}

wire!(
    enum Shared {
        Now = "now",
        Session = "session",
        Kept = "kept",
    }
);

/// The state that tabs share.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Counted up by whoever writes.
    pub version: u64,
    /// The writer's clock. It decides only between two writers of the same version.
    pub updated_at: u64,
    /// The writer. It decides where the clocks do not.
    pub source_id: String,
    /// The application's version of what follows.
    pub schema: u64,
    /// What rarely changes.
    pub config: Json,
    /// What changes.
    pub snapshot: Json,
}

wire!(struct Bundle {
    version = "version";
    updated_at = "updatedAt";
    source_id = "sourceId";
    schema = "schema" or 0;
    config = "config";
    snapshot = "snapshot";
});

impl Bundle {
    /// Whether it is later than another one. All tabs order bundles alike.
    pub fn is_after(&self, other: &Self) -> bool {
        let key = |of: &Self| (of.version, of.updated_at, of.source_id.clone());
        key(self) > key(other)
    }
}

/// The part of a bundle that a write is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// [`Bundle::config`].
    Config,
    /// [`Bundle::snapshot`].
    Snapshot,
}

wire!(
    enum Part {
        Config = "config",
        Snapshot = "snapshot",
    }
);

/// The session of the application's user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Counted up when it changes.
    pub epoch: u64,
    /// As tabs named it last.
    pub id: Option<String>,
    /// Counted up by each logout: a tab that was away hears by it that there was one.
    pub logouts: u64,
}

wire!(struct Session {
    epoch = "epoch" or 0;
    id = "id";
    logouts = "logouts" or 0;
});

/// How far the user's absence has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// The user is there.
    #[default]
    Active,
    /// The time is nearly over.
    Warned,
    /// The time is over.
    Expired,
}

wire!(
    enum Phase {
        Active = "active",
        Warned = "warned",
        Expired = "expired",
    }
);

/// The idle timer of all tabs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Idle {
    /// Milliseconds without activity after which tabs are warned.
    pub warn: u64,
    /// Milliseconds after which the time is over.
    pub timeout: u64,
    /// The wall clock at the last activity. All tabs of a browser have the same one.
    pub since: u64,
    /// See [`Phase`].
    pub phase: Phase,
}

wire!(struct Idle {
    warn = "warn";
    timeout = "timeout";
    since = "since";
    phase = "phase";
});

/// What a tab says to the host.
#[derive(Clone, Debug)]
pub enum Ask {
    /// The tab is there. Everything else follows it.
    Join(Box<Join>),
    /// The tab is about to go.
    Leave {},
    /// The page is about to be frozen.
    Away {},
    /// Something of the report changed.
    Report(Report),
    /// Tells something to all other tabs.
    Send {
        /// The request.
        number: u64,
        /// It goes before others where it was missed.
        urgent: bool,
        /// What is told.
        message: Json,
    },
    /// Asks how the host is.
    Ping {
        /// The request.
        number: u64,
    },
    /// Asks for a name.
    Claim(Claim),
    /// Who holds a name?
    Holder {
        /// The request.
        number: u64,
        /// The name.
        name: String,
    },
    /// The request is not to be carried out any more. It is answered by `ERR_CANCELLED`, unless it was already.
    Cancel {
        /// The request.
        number: u64,
    },
    /// Takes what [`Say::Offer`] offers.
    Take {
        /// Its token.
        token: u64,
    },
    /// Gives back what was granted.
    Release {
        /// The request.
        number: u64,
        /// The grant's token.
        token: u64,
        /// Of a shared claim: what its run came to.
        outcome: Option<Outcome>,
    },
    /// Writes the shared state.
    Write {
        /// The request.
        number: u64,
        /// What is written.
        part: Part,
        /// The version that the write is based on: the leader writes so. `None`: any tab may write, and the later bundle wins.
        base: Option<u64>,
        /// The session that it is of. The tab's end knows it.
        epoch: u64,
        /// The state.
        bundle: Bundle,
    },
    /// Has another tab do something.
    Delegate {
        /// The request.
        number: u64,
        /// The tab; `None` is the leader, whoever that is.
        to: Option<String>,
        /// What is to be done.
        task: String,
        /// With what.
        payload: Json,
    },
    /// The tab has done what another one asked for.
    Done {
        /// The request.
        number: u64,
        /// The other tab.
        from: String,
        /// The number of its request.
        of: u64,
        /// What it came to.
        outcome: Outcome,
    },
    /// Names the session that the tab is of.
    Session {
        /// The request.
        number: u64,
        /// The application's id of it.
        id: Option<String>,
        /// [`Session::logouts`] where the tab knows them, which its end does: nobody logs in to a session that has ended.
        logouts: Option<u64>,
    },
    /// Ends the session in all tabs.
    Logout {
        /// The request.
        number: u64,
        /// [`Session::logouts`] where the tab knows them. A resend to a later host must not end the session that followed.
        logouts: Option<u64>,
    },
    /// The tab has stopped for [`Say::Logout`].
    Stopped {},
    /// The tab takes it on itself to delete everything, as [`Say::OfferWipe`] asks. Its end says it at once.
    TakeWipe {},
    /// Everything is deleted, as [`Say::Wipe`] wanted.
    Wiped {},
    /// Starts the idle timer of all tabs, or starts it again.
    Idle {
        /// The request.
        number: u64,
        /// Milliseconds after which tabs are warned.
        warn: u64,
        /// Milliseconds after which the time is over.
        timeout: u64,
    },
    /// The user is there.
    Active {},
    /// Sends something through the second connection. It is said to one host only: whether it was sent is not known where
    /// that host is gone.
    Relay {
        /// The request.
        number: u64,
        /// What is sent.
        payload: Json,
    },
    /// The tab has carried out [`Say::TokenWanted`]. The token itself came as the outcome of a claim.
    Token {
        /// The number of the host's question.
        round: u64,
        /// Why there is none.
        error: Option<Error>,
    },
    /// The tab does not lead any more.
    Resigned {
        /// The token by which it led.
        term: u64,
        /// Whether it may be chosen again at once. `false`: the application resigned, and the tab is passed over for ten
        /// seconds.
        willing: bool,
    },
}

wire!(enum Ask {
    Join = "join" (Box<Join>),
    Leave = "leave" {},
    Away = "away" {},
    Report = "report" (Report),
    Send = "send" { number = "number"; urgent = "urgent"; message = "message" },
    Ping = "ping" { number = "number" },
    Claim = "claim" (Claim),
    Holder = "holder" { number = "number"; name = "name" },
    Cancel = "cancel" { number = "number" },
    Take = "take" { token = "token" },
    Release = "release" { number = "number"; token = "token"; outcome = "outcome" },
    Write = "write" { number = "number"; part = "part"; base = "base"; epoch = "epoch" or 0; bundle = "bundle" },
    Delegate = "delegate" { number = "number"; to = "to"; task = "task"; payload = "payload" },
    Done = "done" { number = "number"; from = "from"; of = "of"; outcome = "outcome" },
    Session = "session" { number = "number"; id = "id"; logouts = "logouts" },
    Logout = "logout" { number = "number"; logouts = "logouts" },
    Stopped = "stopped" {},
    TakeWipe = "takeWipe" {},
    Wiped = "wiped" {},
    Idle = "idle" { number = "number"; warn = "warn"; timeout = "timeout" },
    Active = "active" {},
    Relay = "relay" { number = "number"; payload = "payload" },
    Token = "token" { round = "round"; error = "error" },
    Resigned = "resigned" { term = "term"; willing = "willing" },
});

impl Ask {
    /// The number, where it is a request.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Send { number, .. }
            | Self::Ping { number }
            | Self::Claim(Claim { number, .. })
            | Self::Holder { number, .. }
            | Self::Write { number, .. }
            | Self::Delegate { number, .. }
            | Self::Done { number, .. }
            | Self::Session { number, .. }
            | Self::Logout { number, .. }
            | Self::Idle { number, .. }
            | Self::Relay { number, .. }
            | Self::Release { number, .. } => Some(*number),
            Self::Join(_)
            | Self::Leave {}
            | Self::Away {}
            | Self::Report(_)
            | Self::Cancel { .. }
            | Self::Take { .. }
            | Self::Stopped {}
            | Self::TakeWipe {}
            | Self::Wiped {}
            | Self::Active {}
            | Self::Token { .. }
            | Self::Resigned { .. } => None,
        }
    }
}
