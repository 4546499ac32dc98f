//! Snapshots that a tab brings: from the application (`ingestSnapshot`), or from the server, fetched by a page before it
//! had a host.
//!
//! What it refuses to do: trust an application's data. It may contain ops that were never committed, so the host takes
//! only the version and the type, and fetches the data from the server when another tab needs it.

use broker::message::{Answer, CallbackId};
use proxy_doc::{DocKey, Snapshot, TabId};

use crate::docs::host_doc::HostDoc;
use crate::host::Host;

impl Host {
    /// Takes the version and type of a document that the host does not have yet, and its data where the server `served` it.
    pub(crate) fn ingest(
        &mut self,
        tab: &TabId,
        key: DocKey,
        snapshot: Snapshot,
        served: bool,
        callback_id: CallbackId,
    ) {
        let handle = self.open(key);
        self.docs.touch(handle);
        let v = snapshot.v;
        self.docs[handle].hub.meet(tab);
        if self.docs[handle].doc.version().is_none() {
            self.act(handle, |doc, up| {
                doc.ingest_snapshot(up, Some(snapshot), None)
            });
            // Of an application's snapshot only the type and the version are taken; the data is the tab's own.
            let HostDoc { doc, state, .. } = &mut self.docs[handle];
            if !served && let (Some(version), Some(ty)) = (doc.version(), doc.ty()) {
                state.load_without_data(ty.clone(), version);
            }
            self.rewrite(handle);
        }
        // The tab's state can be placed only where it is exactly the host's: the same version, and nothing pending.
        let HostDoc { doc, hub, .. } = &mut self.docs[handle];
        let placed = (doc.version() == v && !doc.has_write_pending()).then(|| {
            hub.attach(tab);
            hub.head()
        });
        let result = Some(Answer::Ingested { revision: placed });
        self.answer(tab, callback_id, result);
    }
}
