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
mod placement;
mod presence;
mod quarantine;
mod queries;
mod received;
mod recover;
mod requests;
mod session;
mod store_mirror;
mod turns;
mod version;

use broker::message::{State, Status, StorageEvent};
use proxy_doc::{DocHandle, DocKey, Error, Event, Json, Seq, Token};

use connection::OwnerTask;
use documents::ProxyDoc;
use requests::Request;

pub use connection::ProxyConnection;
pub use presence::TabPresenceEvent;
pub use quarantine::Touched;
pub use queries::TabQueryEvent;
pub use recover::{Predecessors, Survivors};

/// An event for the driver, which carries it out before it polls the next one.
#[derive(Debug)]
pub enum TabEvent {
    /// Post this text to the host.
    ToHost(String),
    /// Post this text to the host: an op, its number, and the submissions composed into it. Without a text the op was
    /// part of the message before.
    SubmitOp(Option<String>, Seq, Vec<Token>),
    /// Carry out the event of a document's machine.
    Doc(DocHandle, Event),
    /// The document's oldest op, which has this number, is on its way to the server; perhaps it is a resend.
    Sent(DocHandle, Seq),
    /// The connection's state changed: emit the event of that name, then `state`.
    State(State, Option<Json>),
    /// Emit `connection error`.
    ConnectionError(Json),
    /// Emit `error`.
    Error(Error),
    /// Emit `pong`.
    Pong,
    /// The application's URL for a socket is wanted: see [`ProxyConnection::answer_url`].
    UrlWanted(u64),
    /// What the host says of what tabs agree on; nothing where it has just taken this tab.
    Coordination(Option<Json>),
    /// The answer to [`ProxyConnection::ask_status`].
    Status(Token, Status),
    /// The answer to [`ProxyConnection::ask_driver`].
    Debug(Token, Json),
    /// The host sent a document: make the application's Doc, to which the next events belong.
    OpenDoc(DocHandle, DocKey),
    /// An event of the query of this number.
    Query(u64, TabQueryEvent),
    /// The answer to [`ProxyConnection::fetch_snapshot`]: the server's message.
    Snapshot(Token, Result<Json, Error>),
    /// An event of the presence channel of this name.
    Presence(String, TabPresenceEvent),
    /// The end of a call that needs the store or the host.
    Stored(Token, Result<(), Error>),
    /// An event of the store.
    Storage(StorageEvent),
    /// Write a warning to the log.
    Warn(String),
}
