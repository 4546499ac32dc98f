//! Simulator, reference server, golden vectors, conformance and browser tests.

mod agenda;
pub mod coordination;
pub mod devices;
pub mod places;
mod random;
pub mod replay;
pub mod seeds;
pub mod server;
pub mod sim;
