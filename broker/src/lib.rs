//! The messages between tab and host, and the hub that gives every tab one linear history.
