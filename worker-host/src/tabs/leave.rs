//! Leaving: drops everything that the host keeps for a tab.
//!
//! A tab that closed its connection, or that registers again, leaves: the outcomes of its ops are kept, since it may ask
//! for them. A tab that is gone is forgotten.
//!
//! What it refuses to do: drop an op that was accepted.

use proxy_doc::{DocHandle, TabId};

use crate::host::Host;
use crate::host::inputs::Input;

impl Host {
    /// Takes that a tab is gone: closed, crashed, or frozen for good. Its accepted ops stay.
    pub fn tab_gone(&mut self, tab: &TabId) {
        self.take(Input::TabGone(tab.clone()));
    }

    /// Drops everything that is kept for a tab that is gone.
    pub(crate) fn lose_tab(&mut self, tab: &TabId) {
        self.leave(tab);
        self.forget_tab(tab);
        self.coordinate(|coordination| coordination.tab_gone(tab));
    }

    /// Drops the tab's documents, queries and presence: it closed its connection, or registers again. The outcomes of its
    /// ops are kept, since it may come back and ask.
    pub(crate) fn leave(&mut self, tab: &TabId) {
        if !self.tabs.leave(tab) {
            return;
        }
        self.callers.drop_reads_of(tab);
        self.outbox.drop_for(tab);
        self.server.forget_pings_of(tab);
        self.drop_url_offer(tab);
        self.coordinate(|coordination| coordination.unlink(tab));
        self.with_queries(|queries, _| queries.tab_gone(tab));
        self.past_snapshots.tab_gone(tab);
        self.with_presence(|presences, reads| presences.tab_gone(tab, reads));
        self.start_bulk();
        for handle in self.docs.handles() {
            self.leave_doc(handle, tab);
        }
        self.end_bulk();
    }

    /// Forgets a tab that is gone for good, with the outcomes of its ops.
    fn forget_tab(&mut self, tab: &TabId) {
        let flushed_itself = self.tabs.any_flushes_itself();
        let was_last = self.tabs.forget(tab);
        self.log.remove_tab(tab);
        for host_doc in self.docs.iter_mut() {
            host_doc.forget_tab(tab);
        }
        if flushed_itself && !self.tabs.any_flushes_itself() {
            self.set_auto_flush();
        }
        if was_last {
            self.release_history();
        }
    }

    /// Removes the tab from the document, which it no longer uses.
    pub(crate) fn leave_doc(&mut self, handle: DocHandle, tab: &TabId) {
        let host_doc = &mut self.docs[handle];
        if host_doc.leave(tab) {
            self.act(handle, |doc, up| doc.unsubscribe(up, None));
        }
        self.docs.touch(handle);
    }

    /// Ends the keeping of history: every tab of an earlier host has registered or left.
    pub(crate) fn release_history(&mut self) {
        for host_doc in self.docs.iter_mut() {
            host_doc.hub.release();
        }
        self.docs.touch_all();
    }
}
