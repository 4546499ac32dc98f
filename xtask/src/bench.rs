//! `cargo xtask bench`: builds what is measured, then measures it beside the stock client.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::build::{self, Profile};
use crate::{browsers, process};

/// The crate that times json0; not a member of the workspace, because it is never shipped.
const JSON0: &str = "tests/bench/json0/Cargo.toml";
/// Where the bench finds what was built for it.
const BUILT: &str = "target/bench/json0";

/// Builds everything and runs the measurements with the given arguments.
///
/// # Errors
/// When something cannot be built or measured. A goal that is missed is no error.
pub(crate) fn bench(arguments: &[String]) -> Result<()> {
    build::build(Profile::Wasm)?;
    // A cluster's figures need neither.
    if !arguments.iter().any(|argument| argument == "--cluster") {
        browsers::ensure("chromium")?;
        build_json0()?;
    }
    let mut node = process::program("node");
    node.args(["--expose-gc", "tests/bench/run.mjs"]);
    process::run(node.args(arguments))
}

/// The json0 calls as a native program and as a wasm module, with the settings of the shipped one.
fn build_json0() -> Result<()> {
    let root = process::root();
    let (made, built) = (root.join("target/bench/cargo"), root.join(BUILT));
    fs::create_dir_all(&built)?;
    cargo_build(&made, &["--release"])?;
    cargo_build(
        &made,
        &["--lib", "--target", build::TARGET, "--profile", "wasm"],
    )?;
    let program = format!("bench-json0{}", std::env::consts::EXE_SUFFIX);
    fs::copy(
        made.join("release").join(&program),
        built.join("bench-json0"),
    )
    .context("copying the native json0 bench")?;
    let module = made.join(build::TARGET).join("wasm/bench_json0.wasm");
    build::bind_for_node(&module, "bench_json0", &built)?;
    // The workspace's JavaScript is all modules; these bindings are not.
    fs::write(built.join("package.json"), "{\"type\":\"commonjs\"}\n")?;
    Ok(())
}

fn cargo_build(made: &Path, arguments: &[&str]) -> Result<()> {
    let mut cargo = process::cargo();
    cargo
        .args(["build", "--quiet", "--manifest-path", JSON0])
        .arg("--target-dir")
        .arg(made);
    process::run(cargo.args(arguments))
}
