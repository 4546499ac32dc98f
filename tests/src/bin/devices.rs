//! `devices --seeds N --seed S`: runs the simulator of what devices agree on.

use std::process::ExitCode;

use sharedb_proxy_tests::{devices, seeds};

fn main() -> ExitCode {
    seeds::main(seeds::Simulator {
        name: "devices",
        run: devices::run,
    })
}
