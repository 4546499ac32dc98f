//! A host ends for another one, because it resigns or because it was deposed.
//!
//! It resigns: it leaves its tabs, and the log where there is one, to the next host.
//!
//! It takes no input any more and sends nothing to the server. What it took before is written, what waits for those
//! writes is told to tabs, and then it says [`Output::Resigned`] and nothing more. A tab registers with the next host, as
//! after a crash, and sends again what was not accepted. The next host sends what the server has not acknowledged.
//!
//! A host from which another one has taken the storage is deposed: it says [`Output::Deposed`] and nothing else, since what
//! it has not written nobody knows, and the other host goes on with what it has.
//!
//! What it refuses to do: wait for the server, or bring documents' records up to date.

use durable_store::StoreEvent;

use crate::host::{Host, Output};
use crate::inbox::Inbox;
use crate::log::barrier::Outbox;

/// How far a host is with its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It has not begun.
    #[default]
    No,
    /// Something is still to be written and told.
    Resigning,
    /// Another host has its storage.
    Deposed,
    /// It has said its last word.
    Over,
}

impl Host {
    /// Ends the host, so that another one can take its place. From here on it takes no input but what comes of its
    /// requests to the storage; calls for other inputs do nothing. [`Output::Resigned`] is its last output. To be called at
    /// any time, also more than once.
    ///
    /// An op whose write fails is told to nobody: as after a crash the tab sends it to the next host.
    pub fn resign(&mut self) {
        if self.is_ending() {
            return;
        }
        self.begin_other();
        self.ending = Ending::Resigning;
        self.inbox = Inbox::default();
        // The tabs ask the next host.
        self.log.flushes.clear();
        self.outbox.keep_for_tabs();
        if let Some(store) = &mut self.log.store {
            store.finish();
        }
    }

    /// Another host has taken the storage, as the driver knows without asking it: a lock was stolen, say. From here on this
    /// host takes no input and says [`Output::Deposed`] only. A failure of the kind `Fenced` does the same.
    pub fn depose(&mut self) {
        if !self.is_ending() {
            self.begin_other();
            self.end_deposed("its lock was stolen".to_owned());
        }
    }

    pub(super) fn end_deposed(&mut self, reason: String) {
        self.ending = Ending::Deposed;
        self.inbox = Inbox::default();
        self.outbox = Outbox::default();
        self.warn(format!("Another host has taken the storage: {reason}"));
    }

    /// Whether [`Host::resign`] loses nothing now. It does not where the next host can go on with the log. Where the log
    /// goes with this host everything has to have ended; what tabs send at the same moment ends with `ERR_HOST_LOST`
    /// even so. While everything is being deleted, and after that, there is nothing to hand over.
    pub fn may_resign(&self) -> bool {
        let wipes = self.log.is_over || !self.log.wiping.is_empty();
        !self.is_ending() && !wipes && (self.log.outlives_host() || self.owes_nothing())
    }

    /// Whether the host takes no input any more.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending != Ending::No
    }

    /// The last output, when there is nothing before it.
    pub(crate) fn last_output(&mut self) -> Option<Output> {
        let output = match self.ending {
            Ending::Resigning if self.log.is_finished() => Output::Resigned,
            Ending::Deposed => Output::Deposed,
            Ending::No | Ending::Resigning | Ending::Over => return None,
        };
        assert!(self.outbox.is_empty(), "an output waits for no write");
        self.ending = Ending::Over;
        Some(output)
    }

    /// Carries out an event of the store while the host resigns.
    pub(super) fn handle_last_event(&mut self, event: StoreEvent) {
        if self.ending != Ending::Resigning {
            return;
        }
        match event {
            // What waits for a write that failed was heard by nobody. It does not matter whether the storage has it.
            StoreEvent::Lost(failure, _) | StoreEvent::Fenced(failure) => {
                self.outbox.drop_held();
                self.warn(format!(
                    "The durable store could not be written by a host that resigned: {}",
                    failure.message
                ));
            }
            // What was read is for the next host.
            StoreEvent::FindTabs(_)
            | StoreEvent::Restored(_)
            | StoreEvent::Loaded(_)
            | StoreEvent::Inventory
            | StoreEvent::Answers => {}
            StoreEvent::InventoryChanged(_)
            | StoreEvent::Persisting(_)
            | StoreEvent::Persisted(_)
            | StoreEvent::WriteFailed(_)
            | StoreEvent::Wiped(_)
            | StoreEvent::Damaged(_)
            | StoreEvent::Warn(_) => self.handle_store_event(event),
        }
    }
}
