//! The browsers of the end-to-end tests, as Debian packages them. No test tool downloads a
//! browser of its own.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::process;

struct Engine {
    name: &'static str,
    /// Overrides `binary`, for machines that keep it elsewhere.
    variable: &'static str,
    /// Any file without which the engine cannot run.
    needs: &'static [&'static str],
    packages: &'static [&'static str],
}

const ENGINES: [Engine; 3] = [
    Engine {
        name: "chromium",
        variable: "CHROMIUM",
        needs: &["/usr/bin/chromium"],
        packages: &["chromium"],
    },
    Engine {
        name: "firefox",
        variable: "FIREFOX",
        needs: &["/usr/bin/firefox-esr"],
        packages: &["firefox-esr"],
    },
    Engine {
        name: "webkit",
        variable: "WEBKIT",
        needs: &["/usr/bin/WebKitWebDriver", "/usr/bin/Xvfb"],
        packages: &["webkit2gtk-driver", "xvfb"],
    },
];

/// Makes sure that a browser engine is installed, installing it where we may.
///
/// # Errors
/// For an unknown engine, or with one line that says what to install.
pub(crate) fn ensure(name: &str) -> Result<()> {
    let engine = ENGINES
        .iter()
        .find(|engine| engine.name == name)
        .with_context(|| {
            format!("the tests do not run in `{name}`: chromium, firefox or webkit")
        })?;
    if is_installed(engine) {
        return Ok(());
    }
    if may_install() {
        println!("installing {}", engine.packages.join(" "));
        process::run(process::program("apt-get").args(["-q", "update"]))?;
        let mut install = process::program("apt-get");
        install.args(["-q", "install", "-y", "--no-install-recommends"]);
        process::run(
            install
                .args(engine.packages)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )?;
    }
    if !is_installed(engine) {
        bail!(
            "{name} is missing: install {} (apt-get install --no-install-recommends {}), or name its program in ${}",
            engine.needs.join(" and "),
            engine.packages.join(" "),
            engine.variable
        );
    }
    Ok(())
}

fn is_installed(engine: &Engine) -> bool {
    std::env::var_os(engine.variable).is_some_and(|path| Path::new(&path).exists())
        || engine.needs.iter().all(|path| Path::new(path).exists())
}

/// Root with apt-get; anything less is asked to install for itself.
fn may_install() -> bool {
    let user = process::output(process::program("id").arg("-u"));
    let apt = process::program("apt-get")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    user.is_ok_and(|id| id.trim() == "0") && apt.is_ok_and(|status| status.success())
}
