//! The command line, parsed once. It refuses what it does not know.

use anyhow::{Context, Result, bail};

use crate::build::Profile;

/// What may follow the command's name. A command ignores no option silently that belongs to it;
/// which option belongs to which layer is in the usage text.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Layers to test, in the order given; empty means all. For `replay`, the file.
    pub(crate) layers: Vec<String>,
    /// Build quickly rather than small.
    pub(crate) dev: bool,
    /// Build the module with overflow checks, for the fuzz tests.
    pub(crate) checked: bool,
    pub(crate) later: bool,
    /// The demos, or the bench, on a cluster.
    pub(crate) cluster: bool,
    /// Arguments for the cluster's tests, as they were given.
    pub(crate) cluster_tests: Vec<String>,
    /// Port of the demo server.
    pub(crate) port: Option<String>,
    /// How many seeds the simulation runs.
    pub(crate) seeds: Option<String>,
    /// The simulation's first seed.
    pub(crate) seed: Option<String>,
    /// The browser engine of the end-to-end tests.
    pub(crate) engine: Option<String>,
    /// Where the host is in the end-to-end tests.
    pub(crate) host: Option<String>,
    /// Arguments for the conformance runner, as they were given.
    pub(crate) conformance: Vec<String>,
    /// The packaging test's rows, by a part of their names.
    pub(crate) only: Option<String>,
    /// Arguments for the bench, as they were given.
    pub(crate) bench: Vec<String>,
}

impl Options {
    /// Parses what follows the command's name.
    ///
    /// # Errors
    /// For an unknown option, a missing value, or a number that is none.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .with_context(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--dev" => options.dev = true,
                "--checked" => options.checked = true,
                "--later" => options.later = true,
                "--port" => options.port = Some(number(value()?)?),
                "--seeds" => options.seeds = Some(number(value()?)?),
                "--seed" => {
                    let seed = number(value()?)?;
                    options.seed = Some(seed.clone());
                    options.cluster_tests.extend([argument, seed]);
                }
                "--rounds" => {
                    let rounds = number(value()?)?;
                    options.cluster_tests.extend([argument, rounds]);
                }
                "--small" => options.cluster_tests.push(argument),
                "--cluster" => {
                    options.cluster = true;
                    options.bench.push(argument);
                }
                "--engine" => options.engine = Some(value()?),
                "--host" => options.host = Some(value()?),
                "--in-page" | "--hop" => options.conformance.push(argument),
                "--file" | "--grep" => {
                    let value = value()?;
                    options.conformance.extend([argument, value]);
                }
                "--quick" => options.bench.push(argument),
                "--only" => {
                    let value = value()?;
                    options.only = Some(value.clone());
                    options.bench.extend([argument, value]);
                }
                flag if flag.starts_with('-') => bail!("unknown option {flag}"),
                _ => options.layers.push(argument),
            }
        }
        Ok(options)
    }

    /// The profile that `--dev`, `--checked` or `--later` asks for, or the one that is shipped.
    pub(crate) fn profile(&self) -> Profile {
        if self.later {
            Profile::Later
        } else if self.checked {
            Profile::Checked
        } else if self.dev {
            Profile::Dev
        } else {
            Profile::Wasm
        }
    }
}

fn number(text: String) -> Result<String> {
    text.parse::<u64>()
        .with_context(|| format!("`{text}` is not a number"))?;
    Ok(text)
}
