//! Past ops for a tab whose application put `doc.version` back: each is transformed over what is pending here, since the
//! tab's state contains that.
//!
//! What it refuses to do: touch the document.

use broker::message::DocEvent;
use proxy_doc::{Change, DocHandle, Error, Version};

use crate::host::Host;

impl Host {
    /// Gives an op that is in the state here to the tabs that want it again.
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
        // The tabs' states contain what is pending here. An op that cannot be read, or meets a delete, is not given:
        // the tab then takes the whole state instead.
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
