//! The public JavaScript API of sharedb-proxy.
