//! Past ops for a tab whose application set `doc.version` back: each is transformed over the host's pending ops, which the
//! tab's state contains.
//!
//! What it refuses to do: touch the document.

use broker::message::DocEvent;
use proxy_doc::{Change, DocHandle, Error, Version};

use crate::host::Host;

impl Host {
    /// Tells an op that the host's state contains to the tabs that asked for it again.
    pub(crate) fn bring_past_op(
        &mut self,
        handle: DocHandle,
        v: Version,
        src: Option<&str>,
        change: &Result<Change, Error>,
    ) {
        let host_doc = &self.docs[handle];
        let tabs = host_doc.tabs_lacking(v);
        let Ok(change) = change else {
            return;
        };
        if tabs.is_empty() {
            return;
        }
        let ty = host_doc.state.ty().cloned();
        // The tabs' states contain the host's pending ops. An op that cannot be read, or meets a delete, is not told: the
        // tab then takes the whole state instead.
        let read = change.read(ty.as_ref(), &*self.types);
        let Ok(kind) = read.and_then(|kind| host_doc.doc.over_pending(kind)) else {
            return;
        };
        for tab in tabs {
            self.docs[handle].behind.insert(tab.clone(), v.next());
            let event = DocEvent::Past {
                version: v,
                src: src.map(str::to_owned),
                change: Change::new(&kind, ty.as_ref()),
            };
            self.tell_doc(handle, &tab, event);
        }
    }
}
