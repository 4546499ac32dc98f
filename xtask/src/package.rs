//! `cargo xtask package`: makes what is published, the npm tarball and the crate `ot-json0`, and tries both as a stranger
//! does: installed in fresh projects. It publishes nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::build::{self, Profile};
use crate::{own_std, process};

/// Where everything is made, in the target directory.
const MADE: &str = "published";
/// The majors of `sharedb` that the npm package has to work beside, as its peer range says; and none, as in a browser's bundle.
const SHAREDB: [Option<&str>; 4] = [Some("5"), Some("6"), Some("7"), None];
/// Entries for a worker's module or a bundled page, which are ES modules only. `docs/package.md` says what `require` does instead.
const MODULES_ONLY: [&str; 4] = ["worker", "signalr", "devtools", "tracing"];
/// The crate that is published.
const CRATE: &str = "ot-json0";
/// The first Rust that compiles it; `rust-version` in its manifest.
const CRATE_RUST: &str = "1.88.0";
/// A package without its licence is nobody's to use. Each has copies of the root's.
const LICENSES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];
/// The oldest TypeScript that reads the declarations, beside that of the workspace: the first with `moduleResolution: node16`.
const OLDEST_TYPESCRIPT: &str = "4.7";
/// What runs in the fresh projects.
const CHECKS: &str = "tests/published";

/// Makes and checks both packages.
///
/// # Errors
/// When a step fails, or a package is not as it should be.
pub(crate) fn package() -> Result<()> {
    own_std::prepare().context("what is published has to be as small as it can be")?;
    build::build(Profile::Wasm)?;
    for folder in ["js-shim", CRATE] {
        for license in LICENSES {
            let copy = process::root().join(folder).join(license);
            ensure!(
                fs::read(&copy).ok() == Some(fs::read(process::root().join(license))?),
                "{} is not the workspace's {license}",
                copy.display()
            );
        }
    }
    let made = build::target_directory()?.join(MADE);
    if made.exists() {
        fs::remove_dir_all(&made)?;
    }
    fs::create_dir_all(&made)?;
    let tarball = pack(&made)?;
    lint(&tarball)?;
    for version in SHAREDB {
        install(&made, &tarball, version)?;
    }
    crate_package(&made)?;
    println!("packed {}", tarball.display());
    Ok(())
}

/// Packs the npm package, which was built before.
fn pack(made: &Path) -> Result<PathBuf> {
    let mut npm = npm();
    npm.args(["pack", "--ignore-scripts", "--silent", "--workspace"]);
    let name = process::output(npm.arg("js-shim").arg("--pack-destination").arg(made))?;
    Ok(made.join(name.trim()))
}

/// What publint and attw find in the tarball is a failure.
fn lint(tarball: &Path) -> Result<()> {
    process::run(process::npm_tool("publint").args(["--strict"]).arg(tarball))?;
    let mut both = process::npm_tool("attw");
    both.arg(tarball).arg("--exclude-entrypoints");
    process::run(both.args(MODULES_ONLY).args(["--format", "table-flipped"]))?;
    let mut modules = process::npm_tool("attw");
    modules.arg(tarball).arg("--entrypoints").args(MODULES_ONLY);
    modules.args(["--ignore-rules", "cjs-resolves-to-esm"]);
    process::run(modules.args(["--format", "table-flipped"]))
}

/// Installs the tarball in a fresh project, and runs the checks and compiles the programs there.
fn install(made: &Path, tarball: &Path, version: Option<&str>) -> Result<()> {
    let project = made.join(format!("beside-{}", version.unwrap_or("none")));
    fs::create_dir_all(&project)?;
    fs::write(project.join("package.json"), "{\"private\": true}\n")?;
    for entry in fs::read_dir(process::root().join(CHECKS))? {
        let entry = entry?;
        fs::copy(entry.path(), project.join(entry.file_name()))?;
    }
    let mut npm = npm();
    npm.current_dir(&project)
        .args(["install", "--no-audit", "--no-fund", "--silent"])
        .arg(tarball);
    if let Some(version) = version {
        npm.arg(format!("sharedb@{version}"));
    }
    process::run(&mut npm)?;
    expect_licenses(&project.join("node_modules/sharedb-proxy"))?;
    let mut check = process::node("check.mjs");
    process::run(check.current_dir(&project).args(version))?;
    let mut tsc = process::npm_tool("tsc");
    process::run(tsc.arg("--project").arg(&project))?;
    if version.is_none() {
        return compile_with_oldest(&project);
    }
    Ok(())
}

/// Compiles the programs of a project with [`OLDEST_TYPESCRIPT`].
fn compile_with_oldest(project: &Path) -> Result<()> {
    let mut npm = npm();
    npm.current_dir(project)
        .args(["install", "--no-audit", "--no-fund", "--silent"]);
    process::run(npm.arg(format!("typescript@{OLDEST_TYPESCRIPT}")))?;
    let mut tsc = process::node("node_modules/typescript/bin/tsc");
    process::run(tsc.current_dir(project).args(["--project", "."]))
}

/// Packs the crate, which compiles what was packed; runs its example from there, also with the oldest Rust.
fn crate_package(made: &Path) -> Result<()> {
    let target = made.join("crate");
    let mut cargo = process::cargo();
    cargo.args(["publish", "--dry-run", "--quiet", "--package", CRATE]);
    // A check is worth as much before a commit as after it.
    cargo.arg("--allow-dirty").arg("--target-dir").arg(&target);
    process::run(&mut cargo)?;
    let unpacked = fs::read_dir(target.join("package"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.is_dir())
        .context("cargo packed nothing")?;
    expect_licenses(&unpacked)?;

    let project = made.join("user");
    fs::create_dir_all(project.join("src"))?;
    let manifest = format!(
        "[package]\nname = \"user\"\nedition = \"2024\"\n[dependencies]\n{CRATE} = {{ path = {unpacked:?} }}\n[workspace]\n"
    );
    fs::write(project.join("Cargo.toml"), manifest)?;
    let example = unpacked.join("examples/converge.rs");
    fs::copy(example, project.join("src/main.rs"))?;
    process::run(
        process::cargo()
            .current_dir(&project)
            .args(["run", "--quiet"]),
    )?;
    oldest(&project)
}

/// Compiles a project with the oldest Rust that the crate says it needs, which rustup brings.
fn oldest(project: &Path) -> Result<()> {
    let mut rustup = process::program("rustup");
    rustup.args(["toolchain", "install", CRATE_RUST, "--profile", "minimal"]);
    if let Err(error) = process::run(rustup.arg("--no-self-update")) {
        bail!("Rust {CRATE_RUST}, to see that {CRATE} compiles with it: {error:#}");
    }
    let mut check = process::program("rustup");
    check.current_dir(project);
    // Not the variables by which this cargo hands down its own tool chain.
    check
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .env_remove("RUSTUP_TOOLCHAIN");
    process::run(check.args(["run", CRATE_RUST, "cargo", "run", "--quiet"]))
}

/// A package has its licences.
fn expect_licenses(folder: &Path) -> Result<()> {
    for license in LICENSES {
        let path = folder.join(license);
        ensure!(path.exists(), "there is no {}", path.display());
    }
    Ok(())
}

fn npm() -> Command {
    process::program(if cfg!(windows) { "npm.cmd" } else { "npm" })
}
