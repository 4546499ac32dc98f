//! The command line of a simulator that runs seeds: `--seeds N --seed S`.
//!
//! Seeds are `S`, `S + 1` and so on. A seed that fails prints its problems and the end of its trace; one seed alone prints
//! all of it. `--census` says in how many seeds something happened.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use crate::sim::{Census, catch_panics};

/// How the simulation of a seed went.
#[derive(Clone, Debug)]
pub struct Run {
    /// What happened in it.
    pub census: Census,
    /// What was wrong.
    pub problems: Vec<String>,
    /// One line for each thing that happened, where that was asked for.
    pub trace: Vec<String>,
}

/// A seed that failed, and how, with its trace.
struct Failure {
    seed: u64,
    run: Run,
}

/// A simulator.
#[derive(Clone, Copy)]
pub struct Simulator {
    /// Its name on the command line.
    pub name: &'static str,
    /// Runs a seed, with a trace or without.
    pub run: fn(u64, bool) -> Run,
}

impl Simulator {
    /// Gives what happened in a seed, or what was wrong. Only a seed that fails is run with a trace, again.
    fn run(self, seed: u64) -> Result<Census, Box<Failure>> {
        let run = (self.run)(seed, false);
        if run.problems.is_empty() {
            return Ok(run.census);
        }
        let run = (self.run)(seed, true);
        Err(Box::new(Failure { seed, run }))
    }
}

/// In how many seeds something happened.
#[derive(Default)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    /// One more seed in which this happened.
    pub fn add(&mut self, census: Census) {
        for what in census {
            *self.0.entry(what).or_insert(0) += 1;
        }
    }

    /// Prints a line for each thing.
    pub fn print(&self) {
        for (what, seeds) in &self.0 {
            println!("{seeds:>8} {what}");
        }
    }
}

/// Runs so many seeds on all cores, beginning with `first`, and has their results watched as they come.
pub fn each_seed<R: Send, T>(
    seeds: u64,
    first: u64,
    run: impl Fn(u64) -> R + Sync,
    watch: impl FnOnce(&mpsc::Receiver<R>) -> T,
) -> T {
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (report, results) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (report, next, run) = (report.clone(), &next, &run);
            scope.spawn(move || {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= seeds {
                        return;
                    }
                    // Nobody listens any more only when the program ends.
                    let _ = report.send(run(first.wrapping_add(n)));
                }
            });
        }
        drop(report);
        watch(&results)
    })
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
        for line in (simulator.run)(options.seed, true).trace {
            println!("{line}");
        }
    }
    let run = |seed| simulator.run(seed);
    let failed = each_seed(options.seeds, options.seed, run, |results| {
        watch(&options, results)
    });
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
fn watch(options: &Options, results: &mpsc::Receiver<Result<Census, Box<Failure>>>) -> u64 {
    let start = Instant::now();
    let mut failed = 0;
    let mut counts = Counts::default();
    for result in results {
        match result {
            Ok(census) => counts.add(census),
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
        counts.print();
    }
    failed
}

fn show(options: &Options, Failure { seed, run }: &Failure) {
    println!("seed {seed} failed:");
    let lines = if options.seeds == 1 {
        run.trace.len()
    } else {
        LINES
    };
    let from = run.trace.len().saturating_sub(lines);
    // With `--trace` it has been printed already.
    if !options.trace {
        for line in &run.trace[from..] {
            println!("{line}");
        }
    }
    for problem in &run.problems {
        println!("  {problem}");
    }
}
