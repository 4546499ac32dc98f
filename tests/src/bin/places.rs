//! `places --seeds N --seed S`: runs the simulator of places.

use std::process::ExitCode;

use sharedb_proxy_tests::{places, seeds};

fn main() -> ExitCode {
    seeds::main(seeds::Simulator {
        name: "places",
        run: places::run,
    })
}
