//! The end of a host for another one: it resigns, or it was deposed.
//!
//! A host that resigns leaves its tabs, and its log if there is one, to the next host.
//!
//! It takes no further input and sends nothing to the server. The inputs that it took are written, the outputs that wait
//! for those writes go to tabs, and [`Output::Resigned`] is the last output. A tab registers with the next host, as after a
//! crash, and resends the ops that were not accepted. The next host sends the ops that the server has not acknowledged.
//!
//! A host whose storage another host has taken is deposed. Its only further output is [`Output::Deposed`]: nobody knows
//! what it has not written, and the other host goes on with the stored state.
//!
//! What it refuses to do: wait for the server, or bring documents' records up to date.

use durable_store::StoreEvent;

use crate::host::{Host, Output};
use crate::inbox::Inbox;
use crate::log::barrier::Outbox;

/// The stage of a host's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The host takes inputs.
    #[default]
    No,
    /// The host resigns, and has writes or outputs left.
    Resigning,
    /// Another host has the storage.
    Deposed,
    /// The last output has gone out.
    Over,
}

impl Host {
    /// Ends the host, so that another one can take its place. It takes no further input but the replies to its storage
    /// requests; calls for other inputs do nothing. [`Output::Resigned`] is its last output. May be called at any time,
    /// also more than once.
    ///
    /// An op whose write fails is told to no tab: its author resends it to the next host, as after a crash.
    pub fn resign(&mut self) {
        if self.is_ending() {
            return;
        }
        self.begin_other();
        self.ending = Ending::Resigning;
        self.inbox = Inbox::default();
        // The tabs repeat their requests to the next host.
        self.log.flushes.clear();
        self.outbox.keep_for_tabs();
        if let Some(store) = &mut self.log.store {
            store.finish();
        }
    }

    /// Ends the host because another one has taken the storage, as the driver knows without a request to it: a lock was
    /// stolen, say. Its only further output is [`Output::Deposed`]. A failure of the kind `Fenced` does the same.
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

    /// Whether [`Host::resign`] loses nothing now: the next host can go on with the log, or, where the log ends with this
    /// host, every op and request has ended. Messages that tabs send at that moment end with `ERR_HOST_LOST` even so.
    /// `false` during a wipe and after it, since there is nothing to hand over.
    pub fn may_resign(&self) -> bool {
        let wipes = self.log.is_over || !self.log.wiping.is_empty();
        !self.is_ending() && !wipes && (self.log.outlives_host() || self.owes_nothing())
    }

    /// Whether the host takes no input any more.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending != Ending::No
    }

    /// The last output, once all others have gone out.
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
            // No tab heard of what waits for the failed write, so it does not matter whether the storage has it.
            StoreEvent::Lost(failure, _) | StoreEvent::Fenced(failure) => {
                self.outbox.drop_held();
                self.warn(format!(
                    "The durable store could not be written by a host that resigned: {}",
                    failure.message
                ));
            }
            // Documents that were read are for the next host.
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
