//! Presence between tab and host: who subscribed which channel, and what is shown there.
//!
//! A value on a document's channel is valid at a revision of the host: the receiver moves it along
//! with the ops that it has beyond that.

use proxy_doc::{DocKey, Error, Json, Revision, TabId, wire};

use super::CallbackId;

/// The tab wants to see what others show on a channel, or no more.
#[derive(Debug)]
pub struct PresenceSubscription {
    /// The channel.
    pub channel: String,
    /// The document that it belongs to, if any.
    pub doc: Option<DocKey>,
    /// Names the answer, which comes when the server has answered.
    pub callback_id: CallbackId,
}

wire!(struct PresenceSubscription {
    channel = "channel";
    doc = "doc";
    callback_id = "callbackId";
});

/// The tab shows something on a channel.
#[derive(Debug)]
pub struct PresenceSubmit {
    /// The channel.
    pub channel: String,
    /// The document that it belongs to, if any.
    pub doc: Option<DocKey>,
    /// The presence id.
    pub id: String,
    /// The value; `null` takes it away.
    pub value: Json,
    /// The revision of the document that the value is valid at.
    pub revision: Option<Revision>,
    /// Names the answer, which comes when the server has the value.
    pub callback_id: CallbackId,
}

wire!(struct PresenceSubmit {
    channel = "channel";
    doc = "doc";
    id = "id";
    value = "value";
    revision = "revision";
    callback_id = "callbackId";
});

/// Something that happened on a channel.
#[derive(Debug)]
pub enum PresenceEvent {
    /// Somebody else shows something.
    Update(PresenceUpdate),
    /// An error that belongs to no request of this tab.
    Error {
        /// The presence id that it is about, if the server said so.
        id: Option<String>,
        /// What went wrong.
        error: Error,
    },
}

wire!(enum PresenceEvent {
    Update = "update" (PresenceUpdate),
    Error = "error" { id = "id"; error = "error" },
});

/// What somebody else shows.
#[derive(Clone, Debug)]
pub struct PresenceUpdate {
    /// The presence id.
    pub id: String,
    /// The value; `null` takes it away.
    pub value: Json,
    /// The revision that the value is valid at; `None` on a document's channel says that the tab
    /// has no state to show it in.
    pub revision: Option<Revision>,
    /// The connection that shows it, where it is another one than the host's.
    pub src: Option<String>,
    /// The tab that shows it, where it is one of this host's.
    pub tab: Option<TabId>,
}

wire!(struct PresenceUpdate {
    id = "id";
    value = "value";
    revision = "revision";
    src = "src";
    tab = "tab";
});
