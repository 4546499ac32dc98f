//! The tab's session with its host: which host it is, which history it continues, and what the tab has confirmed.
//!
//! What it refuses to do: know any document.

use broker::message::ToTab;
use proxy_doc::{Epoch, Line};

/// Messages after which the tab confirms what it received, so that the host can forget.
const CONFIRM_EVERY: u64 = 64;

/// What a tab knows of its host.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// The host's epoch; `None` before the first host.
    epoch: Option<Epoch>,
    /// The line (history) that the revisions of this tab belong to.
    pub(crate) line: Option<Line>,
    /// The last view of a store that the tab was welcomed in.
    pub(crate) view: Option<u64>,
    /// The host has answered the registration, and so named its line. Nothing that belongs to a line is sent before.
    welcomed: bool,
    /// How many machines of this tab have crashed.
    machine: u32,
    /// The line of the last of those.
    pub(crate) line_before: Option<Line>,
    /// Messages since the welcome.
    received: u64,
    /// How many of them the tab has confirmed.
    confirmed: u64,
}

impl Session {
    /// This machine takes the place of `count` others that crashed, the last of which stood on `line`.
    pub(crate) fn succeed(&mut self, count: u32, line: Option<Line>) {
        self.machine = count;
        self.line_before = line;
    }

    /// The tab registers at a host, which may be another one.
    pub(crate) fn register(&mut self) {
        self.welcomed = false;
    }

    /// Whether the host has answered the registration.
    pub(crate) fn is_welcomed(&self) -> bool {
        self.welcomed
    }

    /// Whether this is the tab's first host.
    pub(crate) fn is_first(&self) -> bool {
        self.epoch.is_none()
    }

    /// Whether the tab may hold what it has of an earlier host, or of a machine that crashed.
    pub(crate) fn is_resumed(&self) -> bool {
        self.epoch.is_some() || self.machine > 0
    }

    /// How many machines of this tab have crashed.
    pub(crate) fn machine(&self) -> u32 {
        self.machine
    }

    /// Begins with a host's welcome. Says whether the tab had another host before.
    pub(crate) fn welcome(&mut self, epoch: Epoch) -> bool {
        let is_another = !self.is_first() && !self.is_with(epoch);
        self.epoch = Some(epoch);
        self.welcomed = true;
        (self.received, self.confirmed) = (0, 0);
        is_another
    }

    /// Whether the host of this `epoch` is the tab's, or the tab has had none.
    pub(crate) fn is_with(&self, epoch: Epoch) -> bool {
        self.epoch.is_none_or(|own| own == epoch)
    }

    /// Whether the message was sent to a machine of this tab that has crashed.
    pub(crate) fn is_for_predecessor(&self, message: &ToTab) -> bool {
        match message {
            // A host of an older build does not name the machine.
            ToTab::Welcome { machine, .. } => machine.is_some_and(|of| of != self.machine),
            ToTab::Incompatible { .. } => false,
            ToTab::Durable {}
            | ToTab::Storage(_)
            | ToTab::Connection(_)
            | ToTab::Callback { .. }
            | ToTab::Query { .. }
            | ToTab::Presence { .. }
            | ToTab::Coordination(_)
            | ToTab::Doc { .. } => self.machine > 0 && !self.welcomed,
        }
    }

    /// Counts a message. Returns the count where it is to be confirmed now.
    pub(crate) fn count_received(&mut self) -> Option<u64> {
        self.received += 1;
        let is_due = self.received - self.confirmed >= CONFIRM_EVERY;
        is_due.then(|| {
            self.confirmed = self.received;
            self.received
        })
    }
}
