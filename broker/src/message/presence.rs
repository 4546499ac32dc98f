//! Presence between tab and host: who subscribed which channel, and what is shown there.
//!
//! A value on a document's channel is valid at a revision of the host: the receiver moves it along
//! with the ops that it has beyond that.

use proxy_doc::{DocKey, Error, Json, Revision, TabId};
use serde::{Deserialize, Serialize};

use super::CallbackId;

/// The tab wants to see what others show on a channel, or no more.
#[derive(Debug, Serialize, Deserialize)]
pub struct PresenceSubscription {
    /// The channel.
    pub channel: String,
    /// The document that it belongs to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<DocKey>,
    /// Names the answer, which comes when the server has answered.
    #[serde(rename = "callbackId")]
    pub callback_id: CallbackId,
}

/// The tab shows something on a channel.
#[derive(Debug, Serialize, Deserialize)]
pub struct PresenceSubmit {
    /// The channel.
    pub channel: String,
    /// The document that it belongs to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<DocKey>,
    /// The presence id.
    pub id: String,
    /// The value; `null` takes it away.
    pub value: Json,
    /// The revision of the document that the value is valid at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// Names the answer, which comes when the server has the value.
    #[serde(rename = "callbackId")]
    pub callback_id: CallbackId,
}

/// Something that happened on a channel.
#[derive(Debug, Serialize, Deserialize)]
pub enum PresenceEvent {
    /// Somebody else shows something.
    #[serde(rename = "update")]
    Update(PresenceUpdate),
    /// An error that belongs to no request of this tab.
    #[serde(rename = "error")]
    Error {
        /// The presence id that it is about, if the server said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// What went wrong.
        error: Error,
    },
}

/// What somebody else shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PresenceUpdate {
    /// The presence id.
    pub id: String,
    /// The value; `null` takes it away.
    pub value: Json,
    /// The revision that the value is valid at; `None` on a document's channel says that the tab
    /// has no state to show it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// The connection that shows it, where it is another one than the host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<String>,
    /// The tab that shows it, where it is one of this host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tab: Option<TabId>,
}
