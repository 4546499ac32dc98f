//! The simulator of places: tabs, workers, locks and channels in virtual time, one seed.
//!
//! The subjects are [`broker::places::Candidate`] and [`broker::places::Link`]. Everything around them is a model: what
//! the JavaScript carries out, Web Locks, channels, ports, SharedWorkers, a store that is fenced, and a server that is a
//! set of ops. A seed decides what happens when; a seed that fails prints its trace.
//!
//! What it refuses to do: simulate the host's documents. `sim` does that, with one host at a time.

mod check;
mod context;
mod faults;
mod host;
mod locks;
mod place;
mod server;
mod tab;
mod workers;
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
