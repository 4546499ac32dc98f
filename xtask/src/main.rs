//! Developer commands: `cargo xtask build`, `test`, `demo`, `package`, `bench`.
//!
//! Each command does its own set-up on a fresh machine with Rust and Node. Nothing here is part
//! of the product; what a user of the npm package needs must not live here.

mod bench;
mod bindings;
mod browsers;
mod build;
mod count;
mod demo;
mod layers;
mod layout;
mod names;
mod options;
mod own_std;
mod package;
mod process;
mod scripted;
mod streams;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::options::Options;

const USAGE: &str = "\
usage: cargo xtask <command>

  build [--dev]          build the wasm modules and the npm package in js-shim
        [--checked]      build a module with overflow checks beside it, for the fuzz tests
        [--later]        build modules that speak the next protocol beside it, for the browser tests
  test [layer ...]       run the test layers: rust js simulation conformance bindings browser packaging cluster; without a name
                         all of them, of packaging and cluster a part
      --seeds N          simulation: how many seeds (default 2000)
      --seed S           simulation: the first seed
      --engine E         browser: chromium (default), firefox or webkit
      --host H           browser: shared-worker (default), elected-tab or in-page
      --only TEXT        packaging: only the set-ups whose name contains TEXT; without layers only a few
      --rounds N         cluster: how many rounds of faults (default 100); --small: few, in a minute
      --seed S           cluster: the first round's seed
      --in-page, --hop   conformance: only this mode
      --file F           conformance: only the test files whose name contains F
      --grep G           conformance: only the tests whose title matches G
  demo [--port P]        build, then serve the multi-tab demos and a real ShareDB server
      --dev              build quickly, and again whenever a source changes: the pages load anew
      --cluster          on two servers behind nginx, with PostgreSQL and Redis
  package                build, pack the npm package and the crate ot-json0, and check both in fresh projects
  replay FILE            replay a trace of connection.exportTrace() in a native host
  bench                  build, then measure against the stock client
      --quick            fewer rounds
      --cluster          only what a cluster is spared
      --only TEXT        only the figures whose name contains TEXT";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let options = Options::parse(arguments)?;
    match command.as_str() {
        "build" => build::build(options.profile()).map(|()| ExitCode::SUCCESS),
        "test" => layers::test(&options),
        "demo" => demo::demo(&options).map(|()| ExitCode::SUCCESS),
        "package" => package::package().map(|()| ExitCode::SUCCESS),
        "replay" => replay(&options),
        "bench" => bench::bench(&options.bench).map(|()| ExitCode::SUCCESS),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        "" => bail!("no command\n{USAGE}"),
        other => bail!("unknown command `{other}`\n{USAGE}"),
    }
}

/// Replays a trace. Its file is named as it is from where the command was started.
fn replay(options: &Options) -> Result<ExitCode> {
    let [file] = options.layers.as_slice() else {
        bail!("replay needs one file");
    };
    let file = std::path::absolute(file)?;
    let mut cargo = process::cargo();
    cargo.args(["run", "--quiet", "--package", "sharedb-proxy-tests"]);
    cargo.args(["--bin", "replay", "--"]).arg(file);
    let status = cargo.status()?;
    Ok(ExitCode::from(u8::from(!status.success())))
}
