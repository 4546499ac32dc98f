//! Simulator, reference server, golden vectors, conformance and browser tests.

pub mod places;
mod random;
pub mod server;
pub mod sim;
