//! Presence: a tab's subscriptions and values, and the values of other clients.
//!
//! A value on a document's channel is valid at a revision of the host. The receiver transforms it by the ops that it
//! has beyond that revision.

use proxy_doc::{DocKey, Error, Json, Revision, TabId, wire};

use super::CallbackId;

/// A subscription to a presence channel, or its end.
#[derive(Debug)]
pub struct PresenceSubscription {
    /// The channel's name.
    pub channel: String,
    /// The document, for a channel of a document's presence.
    pub doc: Option<DocKey>,
    /// The request; its answer comes with the server's.
    pub callback_id: CallbackId,
}

wire!(struct PresenceSubscription {
    channel = "channel";
    doc = "doc";
    callback_id = "callbackId";
});

/// A presence value of the tab.
#[derive(Debug)]
pub struct PresenceSubmit {
    /// The channel's name.
    pub channel: String,
    /// The document, for a channel of a document's presence.
    pub doc: Option<DocKey>,
    /// The presence id.
    pub id: String,
    /// The value; `null` removes it.
    pub value: Json,
    /// The revision of the document that the value is valid at.
    pub revision: Option<Revision>,
    /// The request; its answer comes when the server has the value.
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

/// An event of a presence channel.
#[derive(Debug)]
pub enum PresenceEvent {
    /// The value of another client or tab.
    Update(PresenceUpdate),
    /// An error that belongs to no request of this tab.
    Error {
        /// The presence id that the error is about, if the server named one.
        id: Option<String>,
        /// The error.
        error: Error,
    },
}

wire!(enum PresenceEvent {
    Update = "update" (PresenceUpdate),
    Error = "error" { id = "id"; error = "error" },
});

/// A presence value of another client or tab.
#[derive(Clone, Debug)]
pub struct PresenceUpdate {
    /// The presence id.
    pub id: String,
    /// The value; `null` removes it.
    pub value: Json,
    /// The revision that the value is valid at. `None` on a document's channel: the tab has no state to
    /// show the value in.
    pub revision: Option<Revision>,
    /// The author's connection id, where it is not the host's connection.
    pub src: Option<String>,
    /// The author, where it is a tab of this host.
    pub tab: Option<TabId>,
}

wire!(struct PresenceUpdate {
    id = "id";
    value = "value";
    revision = "revision";
    src = "src";
    tab = "tab";
});
