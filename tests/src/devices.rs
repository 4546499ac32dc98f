//! The simulator of what one user's devices agree on: browsers with tabs, one server, in virtual time, one seed.
//!
//! The subject is [`broker::devices::Devices`]. Around it are models of what carries it: a server that has the document in one
//! history and passes presence on, a browser that has ops which are on their way, whatever becomes of its tabs and its host, and
//! tabs, of which one leads, and one at a time asks for a lease. Connections are cut, at once or unnoticed by the server; tabs and
//! browsers die, machines sleep, pages block, clocks are wrong by an hour, run unevenly and are set; the server refuses ops.
//!
//! What it refuses to do: look inside the machines. It believes what a tab may believe, at each moment, and keeps a record
//! of the history of its own.

mod application;
mod browser;
mod check;
mod faults;
mod history;
mod tab;
mod told;
mod world;

use crate::seeds::Run;
use crate::sim::guarded;
use world::World;

/// Runs the simulation of a seed. `trace`: says all that happens.
pub fn run(seed: u64, trace: bool) -> Run {
    let mut world = World::new(seed, trace);
    let panics = guarded(|_| faults::run(&mut world));
    world.log.into_run(panics)
}
