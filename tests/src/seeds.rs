//! The command line of a simulator that runs seeds: `--seeds N --seed S`.
//!
//! Seeds are `S`, `S + 1` and so on. A seed that fails prints its problems and the end of its trace; one seed alone prints
//! all of it. `--census` says in how many seeds something happened.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use crate::sim::catch_panics;

/// What happened in a simulation that not every simulation has.
pub type Census = BTreeSet<&'static str>;

/// A seed that failed, and how.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What was wrong.
    pub problems: Vec<String>,
    /// One line for each thing that happened.
    pub trace: Vec<String>,
}

/// A simulator.
#[derive(Clone, Copy)]
pub struct Simulator {
    /// Its name on the command line.
    pub name: &'static str,
    /// Runs a seed. Gives what happened in it, or what was wrong.
    pub run: fn(u64) -> Result<Census, Box<Failure>>,
    /// The trace of a seed, whether it fails or not.
    pub trace: fn(u64) -> Vec<String>,
}

/// Failures that are shown, if nothing else is said; of more the number is enough.
const SHOWN: u64 = 3;
/// Lines of the trace that are shown for each of several failures.
const LINES: usize = 60;

struct Options {
    seeds: u64,
    seed: u64,
    shown: u64,
    census: bool,
    trace: bool,
}

/// Runs the seeds that the command line names.
pub fn main(simulator: Simulator) -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(text) => {
            let Simulator { name, .. } = simulator;
            eprintln!(
                "{text}\nusage: {name} [--seeds N] [--seed S] [--show N] [--census] [--trace]"
            );
            return ExitCode::FAILURE;
        }
    };
    catch_panics();
    if options.trace {
        for line in (simulator.trace)(options.seed) {
            println!("{line}");
        }
    }
    let failed = simulate(simulator, &options);
    println!("{} passed, {failed} failed", options.seeds - failed);
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        seeds: 2_000,
        seed: 1,
        shown: SHOWN,
        census: false,
        trace: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
        let number = |text: String| text.parse().map_err(|_| format!("{text} is no number"));
        match name.as_str() {
            "--seeds" => options.seeds = number(value()?)?,
            "--seed" => options.seed = number(value()?)?,
            "--show" => options.shown = number(value()?)?,
            "--census" => options.census = true,
            "--trace" => options.trace = true,
            _ => return Err(format!("unknown option {name}")),
        }
    }
    Ok(options)
}

/// Gives how many seeds failed.
fn simulate(simulator: Simulator, options: &Options) -> u64 {
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (report, results) = mpsc::channel::<Result<Census, Box<Failure>>>();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (report, next) = (report.clone(), &next);
            scope.spawn(move || {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= options.seeds {
                        return;
                    }
                    // Nobody listens any more only when the program ends.
                    let _ = report.send((simulator.run)(options.seed.wrapping_add(n)));
                }
            });
        }
        drop(report);
        watch(options, &results)
    })
}

fn watch(options: &Options, results: &mpsc::Receiver<Result<Census, Box<Failure>>>) -> u64 {
    let start = Instant::now();
    let mut failed = 0;
    let mut counts = BTreeMap::new();
    for result in results {
        match result {
            Ok(census) => {
                for what in census {
                    *counts.entry(what).or_insert(0_u64) += 1;
                }
            }
            Err(failure) => {
                failed += 1;
                if failed <= options.shown {
                    show(options, &failure);
                }
            }
        }
    }
    let (seeds, seconds) = (options.seeds, start.elapsed().as_secs_f64());
    println!(
        "{seeds} seeds in {seconds:.1} s, {:.0} seeds/s",
        seeds as f64 / seconds
    );
    if options.census {
        for (what, seeds) in counts {
            println!("{seeds:>8} {what}");
        }
    }
    failed
}

fn show(options: &Options, failure: &Failure) {
    println!("seed {} failed:", failure.seed);
    let lines = if options.seeds == 1 {
        failure.trace.len()
    } else {
        LINES
    };
    let from = failure.trace.len().saturating_sub(lines);
    // With `--trace` it has been printed already.
    if !options.trace {
        for line in &failure.trace[from..] {
            println!("{line}");
        }
    }
    for problem in &failure.problems {
        println!("  {problem}");
    }
}
