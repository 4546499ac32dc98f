//! The test layers by name, from the inside out, and the one line that sums them up.

use std::process::{Command, ExitCode};
use std::sync::OnceLock;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::browsers;
use crate::build::{self, Profile};
use crate::count::{CargoTest, Count};
use crate::demo;
use crate::options::Options;
use crate::process;

type Layer = fn(&Options) -> Result<Count>;

const LAYERS: [(&str, Layer); 8] = [
    ("rust", rust),
    ("js", js),
    ("simulation", simulation),
    ("conformance", conformance),
    ("bindings", bindings),
    ("browser", browser),
    ("packaging", packaging),
    ("cluster", cluster),
];

/// Enough seeds to meet every kind of fault in about a minute; the long runs name their own.
const DEFAULT_SEEDS: &str = "2000";

/// Where a test program in WebAssembly has files to read.
const WASI: &str = "wasm32-wasip1";
/// What runs one, in Node.
const WASI_RUNNER: &str = "tests/wasm/run-wasi.mjs";
/// What asks the real ot-json0 and ShareDB again, and fails where they answer otherwise than recorded.
const ORACLES: [&str; 2] = [
    "tests/oracle/generate-json0-vectors.mjs",
    "tests/oracle/record-conversations.mjs",
];

/// Programs that use the package's types: our users', some without the types of a browser; one that has ours where
/// `@types/sharedb` is expected; and one that is written against `@types/sharedb`, with those types and with ours.
const USERS: [&str; 4] = [
    "tests/js/types",
    "tests/js/types/no-dom",
    "tests/js/types/stock",
    "tests/js/types/stock/tsconfig.ours.json",
];

/// Runs the named layers, or all, and prints the sum as the last line.
///
/// # Errors
/// For an unknown layer, before anything runs.
pub(crate) fn test(options: &Options) -> Result<ExitCode> {
    let mut total = Count::default();
    for (name, layer) in chosen(&options.layers)? {
        println!("== {name}");
        let start = Instant::now();
        let count = layer(options).unwrap_or_else(|error| {
            // A layer that cannot even start is a failure, and the others still run.
            println!("FAILED {name}: {error:#}");
            Count::one(false)
        });
        println!("{name}: {count}, {} s", start.elapsed().as_secs());
        total += count;
    }
    println!("{total}");
    Ok(if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn chosen(names: &[String]) -> Result<Vec<(&'static str, Layer)>> {
    if names.is_empty() {
        return Ok(LAYERS.to_vec());
    }
    let find = |name: &String| LAYERS.into_iter().find(|(known, _)| known == name);
    names
        .iter()
        .map(|name| {
            find(name).with_context(|| format!("unknown layer `{name}`; there are {}", known()))
        })
        .collect()
}

fn known() -> String {
    LAYERS.map(|(name, _)| name).join(", ")
}

/// Formatting and lints count as one test each; then every test of the workspace.
fn rust(_: &Options) -> Result<Count> {
    build::ensure_target(build::TARGET)?;
    build::ensure_target(WASI)?;
    // The oracles are npm packages.
    build::ensure_npm_packages()?;
    let mut count = step(
        "rustfmt",
        process::cargo().args(["fmt", "--all", "--check"]),
    );
    count += step(
        "clippy",
        &mut clippy(&["--workspace", "--all-targets", "--all-features"]),
    );
    // What only a browser compiles is linted only when compiled for one, each module as it is built.
    for module in build::MODULES {
        let shim = ["--package", "sharedb-proxy-js", "--target", build::TARGET];
        let mut lint = process::cargo();
        lint.args(["clippy", "--quiet"]).args(shim);
        lint.args(["--no-default-features", "--features", module]);
        count += step(
            &format!("clippy for the {module}'s module"),
            lint.args(["--", "-D", "warnings"]),
        );
    }

    count += cargo_tests(&mut process::cargo(), &["--workspace"])?;
    // A host over a real WebSocket, to ShareDB in Node.
    let native = [
        "--package",
        "sharedb-proxy-tests",
        "--features",
        "native",
        "--test",
        "native",
    ];
    count += cargo_tests(&mut process::cargo(), &native)?;
    // The vectors, and data deeper than its stack, have to hold in WebAssembly, too.
    // Node 20 crashes in a collection of garbage beside a program whose memory has grown by hundreds of megabytes: with all
    // of V8 in one thread it does not.
    let runner = format!(
        "node --no-warnings --single-threaded {}",
        process::root().join(WASI_RUNNER).display()
    );
    let mut wasm = process::cargo();
    wasm.env("CARGO_TARGET_WASM32_WASIP1_RUNNER", runner);
    let vectors = [
        "--package",
        "ot-json0",
        "--target",
        WASI,
        "--test",
        "vectors",
        "--test",
        "depth",
    ];
    count += cargo_tests(&mut wasm, &vectors)?;
    Ok(count)
}

fn cargo_tests(cargo: &mut Command, what: &[&str]) -> Result<Count> {
    let mut output = CargoTest::default();
    cargo.args(["test", "--no-fail-fast"]).args(what);
    let success = process::run_lines(cargo, |line| {
        output.line(line);
        println!("{line}");
    })?;
    Ok(output.finish(success))
}

fn clippy(what: &[&str]) -> Command {
    let mut cargo = process::cargo();
    cargo.args(["clippy", "--quiet"]).args(what);
    cargo.args(["--", "-D", "warnings"]);
    cargo
}

/// Builds the package for all layers of a run: its sources do not change meanwhile.
fn build_once(options: &Options) -> Result<()> {
    static IS_BUILT: OnceLock<()> = OnceLock::new();
    if IS_BUILT.get().is_none() {
        build::build(options.profile())?;
        IS_BUILT.get_or_init(|| ());
    }
    Ok(())
}

/// Types and formatting of everything in JavaScript, programs that use the package's types, and
/// the tests of the shim against ShareDB's own server and client, and those of the examples that need no browser.
fn js(options: &Options) -> Result<Count> {
    // The shim's types include those of the generated bindings.
    build_once(options)?;
    let mut count = step(
        "tsc",
        process::npm_tool("tsc").args(["--project", "js-shim"]),
    );
    let mut prettier = process::npm_tool("prettier");
    prettier.args([
        "--check",
        "--log-level=warn",
        "js-shim",
        "tests",
        "examples",
    ]);
    count += step("prettier", &mut prettier);
    for project in USERS {
        let mut tsc = process::npm_tool("tsc");
        count += step(&format!("tsc {project}"), tsc.args(["--project", project]));
    }
    for oracle in ORACLES {
        count += step(oracle, process::node(oracle).arg("--check"));
    }
    count += counted(&mut process::node("tests/js/run.mjs")).unwrap_or_else(|error| {
        println!("FAILED tests/js: {error:#}");
        Count::one(false)
    });
    count += fuzz().unwrap_or_else(|error| {
        println!("FAILED the fuzz tests: {error:#}");
        Count::one(false)
    });
    Ok(count)
}

/// The fuzz tests of the shim, on a module that panics where a sum overflows.
fn fuzz() -> Result<Count> {
    build::build(Profile::Checked)?;
    counted(process::node("tests/js/run.mjs").arg("--checked"))
}

/// The simulators of documents, of places, of what tabs agree on, and of what devices do.
fn simulation(options: &Options) -> Result<Count> {
    let mut count = simulator("simulate", options)?;
    count += simulator("places", options)?;
    count += simulator("coordination", options)?;
    count += simulator("devices", options)?;
    Ok(count)
}

fn simulator(name: &str, options: &Options) -> Result<Count> {
    let seeds = options.seeds.as_deref().unwrap_or(DEFAULT_SEEDS);
    let mut cargo = process::cargo();
    cargo.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "sharedb-proxy-tests",
    ]);
    cargo.args(["--bin", name, "--", "--seeds", seeds]);
    if let Some(seed) = &options.seed {
        cargo.args(["--seed", seed]);
    }
    counted(&mut cargo)
}

fn conformance(options: &Options) -> Result<Count> {
    build_once(options)?;
    counted(process::node("tests/conformance/run.mjs").args(&options.conformance))
}

/// What others built on the client, part of it in a browser.
fn bindings(options: &Options) -> Result<Count> {
    browsers::ensure("chromium")?;
    build_once(options)?;
    counted(&mut process::node("tests/bindings/run.mjs"))
}

fn browser(options: &Options) -> Result<Count> {
    let engine = options.engine.as_deref().unwrap_or("chromium");
    browsers::ensure(engine)?;
    build_once(options)?;
    build::build(Profile::Later)?;
    let mut run = process::node("tests/browser/run.mjs");
    run.args(["--engine", engine]);
    if engine == "chromium" {
        // Its tests wait most of their time; the other engines fill two cores by themselves.
        run.args(["--lanes", "2"]);
    }
    if let Some(host) = &options.host {
        run.args(["--host", host]);
    }
    counted(&mut run)
}

/// The packed package in fresh projects. Named alone it tries all set-ups, else those that take a minute together.
fn packaging(options: &Options) -> Result<Count> {
    browsers::ensure("chromium")?;
    build_once(options)?;
    let mut run = process::node("tests/packaging/run.mjs");
    match &options.only {
        Some(part) => run.args(["--only", part]),
        None if options.layers.is_empty() => run.arg("--small"),
        None => &mut run,
    };
    counted(&mut run)
}

/// Servers behind nginx, with PostgreSQL and Redis. Named alone it runs all rounds of faults, and installs what is missing;
/// else what takes a minute, where the programs are there.
fn cluster(options: &Options) -> Result<Count> {
    build_once(options)?;
    let mut run = process::node("tests/cluster/run.mjs");
    if options.layers.is_empty() {
        run.args(["--small", "--if-installed"]);
    } else {
        browsers::ensure("chromium")?;
        demo::bundle_demos()?;
        run.args(&options.cluster_tests);
    }
    counted(&mut run)
}

/// One check that either passes or fails.
fn step(name: &str, command: &mut Command) -> Count {
    let result = process::run(command);
    match &result {
        Ok(()) => println!("ok {name}"),
        Err(error) => println!("FAILED {name}: {error:#}"),
    }
    Count::one(result.is_ok())
}

/// A runner of ours, which ends with a count. Its count line is kept back, because the last
/// line of the whole command is the only one of that form; a runner that ends without one did
/// not get to its end.
fn counted(command: &mut Command) -> Result<Count> {
    let mut last = None;
    let success = process::run_lines(command, |line| match Count::parse(line) {
        Some(count) => last = Some(count),
        None => println!("{line}"),
    })?;
    let count = last.context("the runner ended without its count line")?;
    Ok(count.with_exit(success))
}
