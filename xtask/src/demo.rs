//! Serves the demos, and with `--dev` builds them again whenever a source changes.
//!
//! What it refuses to do: tell the pages. The server does that, which sees the files that they are made of.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};

use crate::build::{self, Profile};
use crate::options::Options;
use crate::process;

/// Between two looks at the sources.
const LOOK: Duration = Duration::from_millis(500);

/// What the package is made of: Rust and JavaScript.
const PACKAGE: [&str; 8] = [
    "Cargo.lock",
    "broker/src",
    "durable-store/src",
    "js-shim/src",
    "ot-json0/src",
    "proxy-connection/src",
    "proxy-doc/src",
    "worker-host/src",
];
/// What the pages are made of beside it.
const PAGES: &str = "examples";
/// What is made of them, or comes from elsewhere.
const MADE: [&str; 2] = ["dist", "node_modules"];

/// Serves the demos until Ctrl-C, which reaches the server as well as this process. The server
/// prints the URL once it listens.
///
/// # Errors
/// When the first build fails, or the server ends.
pub(crate) fn demo(options: &Options) -> Result<()> {
    let profile = options.profile();
    build::build(profile)?;
    build::bundle_demos()?;
    let mut server = process::node(if options.cluster {
        "examples/cluster/demo.mjs"
    } else {
        "examples/server.mjs"
    });
    if let Some(port) = &options.port {
        server.args(["--port", port]);
    }
    // The cluster's servers do not see the files of the pages.
    if !options.dev || options.cluster {
        return process::run(&mut server);
    }
    let seen = Sources::newest()?;
    let server = server.arg("--reload").spawn();
    build_on_change(
        &mut server.context("cannot start the server")?,
        profile,
        seen,
    )
}

/// When the newest of the files was changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sources {
    package: SystemTime,
    pages: SystemTime,
}

impl Sources {
    fn newest() -> Result<Self> {
        let mut package = SystemTime::UNIX_EPOCH;
        for path in PACKAGE {
            package = package.max(newest_in(&process::root().join(path))?);
        }
        let pages = newest_in(&process::root().join(PAGES))?;
        Ok(Self { package, pages })
    }
}

/// When the newest file there was changed. One that goes away meanwhile counts for nothing.
fn newest_in(path: &Path) -> Result<SystemTime> {
    let Ok(found) = fs::metadata(path) else {
        return Ok(SystemTime::UNIX_EPOCH);
    };
    // A directory changes when a file in it comes or goes.
    let mut newest = found.modified()?;
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let is_made = MADE.iter().any(|made| entry.file_name() == *made);
            if !is_made {
                newest = newest.max(newest_in(&entry.path())?);
            }
        }
    }
    Ok(newest)
}

/// A build that fails is reported, and the pages stay as they were until the next change.
fn build_on_change(server: &mut Child, profile: Profile, mut seen: Sources) -> Result<()> {
    println!("pages load anew when a source changes");
    loop {
        thread::sleep(LOOK);
        if let Some(status) = server.try_wait()? {
            bail!("the server ended with {status}");
        }
        let now = Sources::newest()?;
        if now == seen {
            continue;
        }
        let package = if now.package == seen.package {
            Ok(())
        } else {
            build::build(profile)
        };
        match package.and_then(|()| build::bundle_demos()) {
            Ok(()) => println!("built again"),
            Err(error) => println!("not built: {error:#}"),
        }
        seen = now;
    }
}
