//! `coordination --seeds N --seed S`: runs the simulator of what tabs agree on.

use std::process::ExitCode;

use sharedb_proxy_tests::{coordination, seeds};

fn main() -> ExitCode {
    seeds::main(seeds::Simulator {
        name: "coordination",
        run: coordination::run,
    })
}
