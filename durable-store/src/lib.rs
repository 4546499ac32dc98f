//! What the host keeps of a document: snapshot text and the tail of ops since.
