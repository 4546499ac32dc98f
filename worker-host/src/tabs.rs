//! The tabs' edge: which tabs there are, and what crosses between them and the host.
//!
//! `register` and `leave` are a tab's coming and going, `messages` what it says and is told, `reads`, `submit` and
//! `ingest` what it does with documents. `hub` is the history of one document that tabs follow.
//!
//! What it refuses to do: know the server.

pub(crate) mod hub;
mod ingest;
mod leave;
mod messages;
mod reads;
mod register;
mod submit;
