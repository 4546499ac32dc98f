//! The json0 operational-transformation type and its text0 subtype, byte for byte as npm ot-json0 1.1.0.
