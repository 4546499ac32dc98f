//! Builds and serves the demos, and with `--dev` builds them again whenever a source changes.
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
/// The built pages.
const BUILT: &str = "examples/dist";
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
    bundle_demos()?;
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
        match package.and_then(|()| bundle_demos()) {
            Ok(()) => println!("built again"),
            Err(error) => println!("not built: {error:#}"),
        }
        seen = now;
    }
}

/// Bundles the pages of the demos as an application bundles the npm package.
///
/// # Errors
/// When a page or its worker does not bundle.
pub(crate) fn bundle_demos() -> Result<()> {
    let made = build::target_directory()?.join("demos");
    let mut vite = process::npm_tool("vite");
    vite.args(["build", "examples", "--logLevel=error", "--emptyOutDir"]);
    process::run(vite.arg("--outDir").arg(&made))?;
    replace_pages(&made, &process::root().join(BUILT))
}

/// Puts pages in the place of others. A page that is loaded meanwhile has what it names: its assets come before it, and go after
/// it.
fn replace_pages(made: &Path, pages: &Path) -> Result<()> {
    build::copy_into(made, pages)?;
    remove_others(made, pages)
}

/// Removes what is in a directory and not in the one that it was copied from.
fn remove_others(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        let source = from.join(entry.file_name());
        let is_directory = entry.file_type()?.is_dir();
        if is_directory && source.is_dir() {
            remove_others(&source, &entry.path())?;
        } else if is_directory {
            fs::remove_dir_all(entry.path())?;
        } else if !source.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::PathBuf;

    use super::*;

    fn written(root: &Path, files: &[&str]) {
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
    }

    fn files(root: &Path) -> Vec<String> {
        let names = |directory: &Path| -> Vec<PathBuf> {
            let entries = fs::read_dir(directory).unwrap();
            entries.map(|entry| entry.unwrap().path()).collect()
        };
        let (directories, mut found): (Vec<_>, Vec<_>) =
            names(root).into_iter().partition(|path| path.is_dir());
        found.extend(directories.iter().flat_map(|directory| names(directory)));
        let name = |path: PathBuf| path.strip_prefix(root).unwrap().display().to_string();
        let mut found: Vec<String> = found.into_iter().map(name).collect();
        found.sort();
        found
    }

    #[test]
    fn pages_that_are_built_again_replace_those_before() {
        let root = std::env::temp_dir().join(format!("sharedb-proxy-pages-{}", std::process::id()));
        let (made, pages) = (root.join("made"), root.join("pages"));
        written(
            &pages,
            &["gone.html", "text.html", "assets/text-1.js", "old/asset.js"],
        );
        written(&made, &["text.html", "assets/text-2.js"]);
        replace_pages(&made, &pages).unwrap();
        assert_eq!(files(&pages), ["assets/text-2.js", "text.html"]);
        fs::remove_dir_all(root).unwrap();
    }
}
