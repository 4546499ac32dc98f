//! Simulator, reference server, golden vectors, conformance and browser tests.

pub mod server;
pub mod sim;
