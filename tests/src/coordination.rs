//! The simulator of what tabs agree on: tabs, hosts that come one after the other, and a storage, in virtual time, one seed.
//!
//! The subjects are [`broker::coordination::Coordinator`] and the whole of [`worker_host::Host`]. Around them are models of
//! what the JavaScript does: a tab registers at each host, leaves it when its page is frozen, and is missed when it is dead.
//! Tabs crash, freeze and block, hosts die between any two messages, messages take their time.
//!
//! What it refuses to do: look inside the machines. It believes what a tab may believe, at each moment.

mod application;
mod check;
mod faults;
mod host;
mod realtime;
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
