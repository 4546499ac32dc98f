//! What a tab holds: the connection and documents that mirror ShareDB's.
