//! A tab leaves: everything that is kept for it is dropped here.
//!
//! A tab that closed its connection, or that registers again, leaves; how its ops ended is kept, since it may ask. A tab
//! that is gone is forgotten.
//!
//! What it refuses to do: drop an op that was accepted.

use proxy_doc::{DocHandle, TabId};

use crate::host::Host;
use crate::host::inputs::Input;

impl Host {
    /// A tab is gone: closed, crashed, or frozen for good. Its accepted ops stay.
    pub fn tab_gone(&mut self, tab: &TabId) {
        self.take(Input::TabGone(tab.clone()));
    }

    /// A tab is gone: everything that is kept for it is dropped.
    pub(crate) fn lose_tab(&mut self, tab: &TabId) {
        self.leave(tab);
        self.forget_tab(tab);
        self.coordinate(|coordination| coordination.tab_gone(tab));
    }

    /// The tab closed its connection, or registers again. What it has of documents, queries and presence is dropped; how
    /// its ops ended is kept, since it may come and ask.
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

    /// The tab is gone for good: nobody asks how its ops ended.
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

    /// The tab does not use the document any more.
    pub(crate) fn leave_doc(&mut self, handle: DocHandle, tab: &TabId) {
        let host_doc = &mut self.docs[handle];
        if host_doc.leave(tab) {
            self.act(handle, |doc, up| doc.unsubscribe(up, None));
        }
        self.docs.touch(handle);
    }

    /// All tabs of earlier hosts have come, or are gone: no history is kept for them any more.
    pub(crate) fn release_history(&mut self) {
        for host_doc in self.docs.iter_mut() {
            host_doc.hub.release();
        }
        self.docs.touch_all();
    }
}
