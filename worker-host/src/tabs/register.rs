//! Registration: welcomes a tab, and lets it continue from the state that it had with an earlier host.
//!
//! What it refuses to do: decide whether a tab of an earlier host can go on; see `log/resume.rs`.

use broker::message::{KEEPS_LEADS, PROTOCOL, Resumed, ToTab, serves};
use proxy_doc::{DocKey, TabId};

use crate::host::Host;

impl Host {
    /// Registers a tab. `resume`: the documents that it has from an earlier host. `machine`: the tab's count of its
    /// machines, which the answer repeats. `view`: the last view of a store in which the tab was welcomed.
    pub(crate) fn register(
        &mut self,
        tab: &TabId,
        protocol: u32,
        mut resume: Vec<Resumed>,
        machine: Option<u32>,
        view: Option<u64>,
    ) {
        let may_live = self.tabs.is_registered(tab) || self.tabs.expects(tab);
        let remembered = may_live && self.log.is_kept();
        let unknown = self.unknown_leads(tab, remembered, view, &mut resume);
        // A tab that registers again has lost what is still queued for it, and needs the history from its revision on.
        let held = self.hold_history(tab, &resume);
        self.leave(tab);
        // `leave` drops nothing for a tab that was not registered, such as an earlier `Incompatible`.
        self.outbox.drop_for(tab);
        if !serves(PROTOCOL, protocol) {
            let output = self.to_tab(tab, ToTab::Incompatible { protocol: PROTOCOL });
            self.say(output);
            return self.let_history_go(held);
        }
        // Before the tab is registered: its first message is the welcome.
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
                void: unknown.void.clone(),
                rewinds: unknown.rewinds,
            },
        );
        self.resume(tab, remembered, resume, &unknown.void);
        self.let_history_go(held);
    }

    /// Keeps the history of documents that a registered tab resumes. Returns those whose history was not kept before.
    fn hold_history(&mut self, tab: &TabId, resume: &[Resumed]) -> Vec<DocKey> {
        if !self.tabs.is_registered(tab) {
            return Vec::new();
        }
        let mut held = Vec::new();
        for doc in resume {
            let Some(handle) = self.docs.find(&doc.key) else {
                continue;
            };
            let hub = &mut self.docs[handle].hub;
            if !hub.is_held() {
                hub.keep_until_head();
                held.push(doc.key.clone());
            }
        }
        held
    }

    fn let_history_go(&mut self, held: Vec<DocKey>) {
        for key in held {
            if let Some(handle) = self.docs.find(&key) {
                self.docs[handle].hub.release();
            }
        }
    }

    /// Carries out `connection.close()` of a tab: closes the socket where the tab owns the connection, else the tab leaves.
    pub(crate) fn close_for(&mut self, tab: &TabId, generation: u64) {
        if self.options.private {
            self.server.raise_generation(generation);
            self.close();
        } else {
            self.leave(tab);
        }
    }
}
