//! What a tab holds of a ShareDB connection: documents, the mirrored connection state, and the
//! conversation with the host.
//!
//! [`ProxyConnection`] is a state machine. Calls of the application and messages of the host go in;
//! [`TabEvent`]s come out of [`ProxyConnection::poll`], one at a time, and the driver runs each
//! before it asks for the next. A listener may call back in between: the driver notes
//! [`ProxyConnection::depth`] before every call and polls down to it, so that nested calls nest as
//! they do in the stock client.
//!
//! What it refuses to do: hold data, run user code, know how the host is reached.

mod connection;
mod documents;
mod presence;
mod queries;
mod received;
mod recover;
mod store_mirror;
mod version;

use broker::message::{State, Status, StorageEvent};
use proxy_doc::{DocHandle, DocKey, Error, Event, Json, Seq, Token};

use connection::{Asked, OwnerTask};
use documents::ProxyDoc;

pub use connection::ProxyConnection;
pub use presence::TabPresenceEvent;
pub use queries::TabQueryEvent;
pub use recover::{Predecessors, Survivors};

/// Something the driver has to do.
#[derive(Debug)]
pub enum TabEvent {
    /// Post this text to the host.
    ToHost(String),
    /// Post this text to the host: the op with this number, made of these submissions.
    SubmitOp(String, Seq, Vec<Token>),
    /// Do this for a document.
    Doc(DocHandle, Event),
    /// The document's oldest op of this number goes to the server now, perhaps not for the first time.
    Sent(DocHandle, Seq),
    /// The connection changed its state: emit the state's own event, then `state`.
    State(State, Option<Json>),
    /// Emit `connection error`.
    ConnectionError(Json),
    /// Emit `error`.
    Error(Error),
    /// Emit `pong`.
    Pong,
    /// The answer to [`ProxyConnection::ask_status`].
    Status(Token, Status),
    /// The host brought a document: the application's Doc for it has to be there before its events.
    OpenDoc(DocHandle, DocKey),
    /// Something happened to a query.
    Query(u64, TabQueryEvent),
    /// The answer to [`ProxyConnection::fetch_snapshot`]: the server's message.
    Snapshot(Token, Result<Json, Error>),
    /// Something happened on a presence channel.
    Presence(String, TabPresenceEvent),
    /// The answer to a call about the store, or that a call gets none.
    Stored(Token, Result<(), Error>),
    /// Something happened in the store.
    Storage(StorageEvent),
    /// Write a warning to the log.
    Warn(String),
}
