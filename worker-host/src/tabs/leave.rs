//! A tab leaves: everything that is kept for it is dropped here.
//!
//! A tab that closed its connection, or that registers again, leaves; how its ops ended is kept, since it may ask. A tab
//! that is gone is forgotten.
//!
//! What it refuses to do: drop an op that was accepted.

use proxy_doc::{DocHandle, TabId};

use crate::host::Host;
use crate::host::Output;
use crate::host::Waiting;
use crate::host::inputs::Input;

impl Host {
    /// A tab is gone: closed, crashed, or frozen for good. Its accepted ops stay.
    pub fn tab_gone(&mut self, tab: &TabId) {
        self.take(Input::TabGone(tab.clone()));
    }

    pub(crate) fn lose_tab(&mut self, tab: &TabId) {
        self.leave(tab);
        self.away.remove(tab);
        self.forget_tab(tab);
    }

    pub(crate) fn leave(&mut self, tab: &TabId) {
        if self.tabs.remove(tab).is_none() {
            return;
        }
        // An answer would make the tab known again, or reach its next life, which did not ask.
        let is_read =
            |waiting: &Waiting| matches!(waiting, Waiting::Read { tab: of, .. } if of == tab);
        self.waiting.retain(|_, waiting| !is_read(waiting));
        // What still waits to be said to it is said to nobody.
        self.out
            .retain(|said| !matches!(&said.output, Output::ToTab { tab: to, .. } if to == tab));
        self.leave_pongs(tab);
        self.with_queries(|queries, _| queries.tab_gone(tab));
        self.past_snapshots.tab_gone(tab);
        self.with_presence(|presences, view| presences.tab_gone(tab, view));
        self.start_bulk();
        for handle in self.docs.handles() {
            self.leave_doc(handle, tab);
        }
        self.end_bulk();
    }

    pub(crate) fn leave_doc(&mut self, handle: DocHandle, tab: &TabId) {
        let host_doc = &mut self.docs[handle];
        if host_doc.leave(tab) {
            self.act(handle, |doc, up| doc.unsubscribe(up, None));
        }
        self.docs.touch(handle);
    }

    /// A tab of an earlier life has come, or is gone. After the last one nothing is kept for them.
    pub(crate) fn expect_no_more(&mut self, tab: &TabId) {
        if !self.expected.remove(tab) || !self.expected.is_empty() {
            return;
        }
        for host_doc in self.docs.iter_mut() {
            host_doc.hub.release();
        }
        self.docs.touch_all();
    }

    /// A tab is gone for good: nobody asks how its ops ended.
    pub(crate) fn forget_tab(&mut self, tab: &TabId) {
        let Some(store) = &mut self.store else {
            return;
        };
        store.remove_tab(tab);
        self.watchers.remove(tab);
        if self.flushing_tabs.contains(tab) {
            self.set_auto_flush(tab, true);
        }
        for host_doc in self.docs.iter_mut() {
            host_doc.forget_tab(tab);
        }
        self.expect_no_more(tab);
    }
}
