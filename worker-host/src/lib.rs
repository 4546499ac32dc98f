//! The one real ShareDB client: wire protocol, connection, and the host that serves every tab.
