//! A tab registers: it is welcomed, and goes on where it was with a host before.
//!
//! What it refuses to do: decide whether a tab that comes from another host can go on; see `log/resume.rs`.

use broker::message::{KEEPS_LEADS, PROTOCOL, Resumed, ToTab, serves};
use proxy_doc::TabId;

use crate::host::Host;

impl Host {
    /// A tab registers, naming the documents that it has from a host before (`resume`). `machine` is its own count of the
    /// machines it has had: the answer names it. `view`: the last view of a store that it was welcomed in.
    pub(crate) fn register(
        &mut self,
        tab: &TabId,
        protocol: u32,
        resume: Vec<Resumed>,
        machine: Option<u32>,
        view: Option<u64>,
    ) {
        let may_live = self.tabs.is_registered(tab) || self.tabs.expects(tab);
        let remembered = may_live && self.log.is_kept();
        let void = self.void_leads(tab, remembered, view, &resume);
        // A tab that registers again has nothing of what was sent before.
        self.leave(tab);
        // Not even that its protocol is not served, where it was not registered.
        self.outbox.drop_for(tab);
        if !serves(PROTOCOL, protocol) {
            let output = self.to_tab(tab, ToTab::Incompatible { protocol: PROTOCOL });
            return self.say(output);
        }
        // Before the tab is registered: the first that it is told is its welcome.
        if self.server.is_unused() {
            self.connect();
        }
        self.tabs.register(tab, protocol >= KEEPS_LEADS);
        self.log.add_tab(tab);
        let connection = self.server.connection_state();
        self.tell(
            tab,
            ToTab::Welcome {
                protocol: PROTOCOL,
                machine,
                connection,
                storage: self.log.storage_state(),
                void: void.clone(),
            },
        );
        self.resume(tab, remembered, resume, &void);
    }

    /// `connection.close()` in a tab. Where the tab owns the connection its socket is closed, otherwise the tab leaves.
    pub(crate) fn close_for(&mut self, tab: &TabId, generation: u64) {
        if self.options.private {
            self.server.raise_generation(generation);
            self.close();
        } else {
            self.leave(tab);
        }
    }
}
