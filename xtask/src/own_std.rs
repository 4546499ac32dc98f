//! A standard library of our own, for the modules that a browser downloads: compiled for size, and a panic traps without making
//! a message first. WebAssembly has nowhere to print a message, so the one that comes with rustc makes messages that nobody
//! sees.
//!
//! rustc calls this unstable, and needs `RUSTC_BOOTSTRAP` for it. Where it cannot be, modules are compiled as ever, and larger.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::build::TARGET;
use crate::process;

/// What rustc is told.
const FLAGS: [&str; 2] = ["-Zunstable-options", "-Cpanic=immediate-abort"];
/// Lets a stable rustc and cargo do what is unstable.
const UNSTABLE: (&str, &str) = ("RUSTC_BOOTSTRAP", "1");

/// Makes sure that the library's source is there, and what it depends on.
///
/// # Errors
/// When something is missing and cannot be had, or rustc cannot do it.
pub(crate) fn prepare() -> Result<()> {
    let rustc = || {
        let mut rustc = process::program(std::env::var_os("RUSTC").unwrap_or("rustc".into()));
        rustc.env(UNSTABLE.0, UNSTABLE.1);
        rustc
    };
    process::output(rustc().args(FLAGS).args(["--print", "cfg"]))
        .context("this rustc does not know how")?;
    let sysroot = process::output(rustc().args(["--print", "sysroot"]))?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
    let manifest = library.join("Cargo.toml");
    if !manifest.exists() {
        println!("adding the component rust-src");
        process::run(process::program("rustup").args(["component", "add", "rust-src"])).context(
            "the component rust-src is missing: `rustup component add rust-src`, or your system's package of Rust's source",
        )?;
    }
    let mut fetch = process::cargo();
    fetch.env(UNSTABLE.0, UNSTABLE.1);
    fetch.args(["fetch", "--quiet", "--locked", "--manifest-path"]);
    process::run(fetch.arg(manifest)).context("what the standard library depends on is missing")
}

/// Has a `cargo build` compile the library, too.
pub(crate) fn compile_with(cargo: &mut Command) {
    cargo.env(UNSTABLE.0, UNSTABLE.1);
    cargo.args([
        "-Zbuild-std=std,panic_abort",
        "-Zbuild-std-features=optimize_for_size",
    ]);
    let flags = FLAGS.map(|flag| format!("{flag:?}")).join(",");
    cargo.arg("--config");
    cargo.arg(format!("target.{TARGET}.rustflags=[{flags}]"));
}
