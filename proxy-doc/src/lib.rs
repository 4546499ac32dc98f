//! The document state machine of a ShareDB client, without any I/O.
//!
//! One machine, [`Doc`], serves both edges of the proxy: in the host its upstream is the ShareDB
//! server, in a tab its upstream is the host. It decides what ShareDB's `lib/client/doc.js`
//! decides: what is inflight and pending, what composes, how ops transform each other, when to
//! roll back. It holds no document data: json0's transform, compose and invert need none.
//!
//! What it refuses to do: call user code, read a clock, send bytes. A [`Doc`] pushes [`Task`]s on a
//! [`Stack`]; the owner pops them and runs the [`Event`]s that come out. The stack is the stock
//! client's JavaScript call stack made explicit, so that a listener may call back into the
//! machine in the middle of an op and find exactly the state that ShareDB would show it.

mod change;
mod doc;
mod doc_map;
mod error;
mod fifo;
mod gather;
mod ids;
mod json;
pub use gather::Gather;
mod map;
mod op;
mod ot_type;
mod stack;
mod stored;

pub use change::{Change, Create, resolve};
pub use doc::{Doc, Edge, Naming, Snapshot, SnapshotType, Upstream};
pub use doc_map::DocMap;
pub use error::{Code, Error, codes};
pub use fifo::Fifo;
pub use ids::{DocHandle, DocKey, Epoch, Line, Revision, Seq, TabId, Token, Version};
pub use json::{
    Entries, Json, MAX_COUNT, ReadJson, WriteJson, json, json_string, next_count, parts, present,
    read_json, write_json,
};
pub use map::{Map, Set};
pub use op::{
    CreateData, Edit, OpId, OpKind, PendingOp, Submission, server_transform, transform_x,
};
pub use ot_json0::{ParseError, Reader};
pub use ot_type::{ForeignType, OtType, Types, apply_each};
pub use stack::{Event, Later, Origin, Outcome, Stack, Task, Thrown};
pub use stored::{DeadLetter, StoredDoc};
