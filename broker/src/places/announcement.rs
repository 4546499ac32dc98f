//! What places and tabs of a namespace tell each other on its channel. A channel promises nothing: a message may be
//! heard by nobody, so each of these is said again when it is asked for.

use proxy_doc::{Epoch, wire};

/// The kinds of places, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlaceKind {
    /// A SharedWorker: outlives each tab.
    SharedWorker,
    /// A dedicated worker of a tab: ends with the tab, and goes on while the tab's page is blocked or throttled.
    DedicatedWorker,
    /// A tab's page: ends with the tab, and stands still while the tab is blocked.
    Page,
}

wire!(
    enum PlaceKind {
        SharedWorker = "shared-worker",
        DedicatedWorker = "dedicated-worker",
        Page = "page",
    }
);

/// A host and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAt {
    /// The host's epoch. A later host has a higher one, as far as the machine's clock is right.
    pub epoch: Epoch,
    /// The place's id. The place holds a lock of this name for as long as it exists.
    pub place: String,
    /// What kind of place that is.
    pub kind: PlaceKind,
    /// The version of the protocol that the host speaks.
    pub protocol: u32,
}

wire!(struct HostAt {
    epoch = "life";
    place = "place";
    kind = "kind";
    protocol = "protocol";
});

/// A place that waits for the host lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// What kind of place it is.
    pub kind: PlaceKind,
    /// The version of the protocol that a host there would speak.
    pub protocol: u32,
}

wire!(struct Waiting {
    kind = "kind";
    protocol = "protocol";
});

impl Waiting {
    /// Whether a host there would be better: it speaks a newer protocol, or the same one in a better place.
    pub(crate) fn is_better_than(self, other: Self) -> bool {
        (other.protocol, self.kind) < (self.protocol, other.kind)
    }
}

/// A message on the namespace's channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// A tab asks where the host is.
    Ask {},
    /// The host is here.
    Host(HostAt),
    /// A host has ended.
    Over {
        /// Its epoch.
        epoch: Epoch,
    },
    /// A place waits for the host lock.
    Waiting(Waiting),
    /// A tab asks the host's place to listen on the tab's own channel.
    Knock {
        /// The place's id.
        place: String,
        /// The tab's id. What names its channel stands beside it.
        tab: String,
    },
}

wire!(enum Announcement {
    Ask = "ask" {},
    Host = "host" (HostAt),
    Over = "over" { epoch = "life" },
    Waiting = "waiting" (Waiting),
    Knock = "knock" { place = "place"; tab = "tab" },
});
