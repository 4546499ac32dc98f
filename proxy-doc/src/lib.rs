//! The document state machine of a ShareDB client, used on both edges of the proxy.
