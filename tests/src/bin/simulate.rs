//! `simulate --seeds N --seed S`, or `simulate --replay FILE [--trace]`: runs the simulator.
//!
//! `--census` says in how many seeds something happened.
//!
//! Seeds are `S`, `S + 1` and so on. A seed that fails leaves its plan, shortened, in `tests/plans`, or in the
//! folder that `--plans` names.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use sharedb_proxy_tests::seeds::{self, Counts};
use sharedb_proxy_tests::sim::{self, Census, Failure, Plan};

/// How often progress is shown.
const PROGRESS: Duration = Duration::from_secs(3);
/// Failures that are shortened and shown, if nothing else is said; of more the number is enough.
const SHOWN: u64 = 5;

struct Options {
    seeds: u64,
    seed: u64,
    replay: Option<PathBuf>,
    trace: bool,
    shown: u64,
    census: bool,
    /// Where the plans of failures go.
    plans: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(text) => {
            eprintln!(
                "{text}\nusage: simulate [--seeds N] [--seed S] [--show N] [--census] [--plans DIR | --no-plans] [--replay FILE [--trace]]"
            );
            return ExitCode::FAILURE;
        }
    };
    sim::catch_panics();
    match &options.replay {
        Some(file) => replay(file, options.trace),
        None => simulate(&options),
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        seeds: 2_000,
        seed: 1,
        replay: None,
        trace: false,
        shown: SHOWN,
        census: false,
        plans: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("plans")),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
        let number = |text: String| text.parse().map_err(|_| format!("{text} is no number"));
        match name.as_str() {
            "--seeds" => options.seeds = number(value()?)?,
            "--seed" => options.seed = number(value()?)?,
            "--replay" => options.replay = Some(value()?.into()),
            "--trace" => options.trace = true,
            "--census" => options.census = true,
            "--show" => options.shown = number(value()?)?,
            "--plans" => options.plans = Some(value()?.into()),
            "--no-plans" => options.plans = None,
            _ => return Err(format!("unknown option {name}")),
        }
    }
    Ok(options)
}

fn replay(file: &Path, trace: bool) -> ExitCode {
    let plan = std::fs::read_to_string(file).map_err(|error| error.to_string());
    let problems = match plan.and_then(|text| Plan::parse(&text)) {
        Ok(plan) => plan.replay_aloud(trace),
        Err(error) => vec![error],
    };
    problems.iter().for_each(|problem| println!("{problem}"));
    summary(
        u64::from(problems.is_empty()),
        u64::from(!problems.is_empty()),
    )
}

fn summary(passed: u64, failed: u64) -> ExitCode {
    println!("{passed} passed, {failed} failed");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn simulate(options: &Options) -> ExitCode {
    let failed = seeds::each_seed(options.seeds, options.seed, sim::run, |results| {
        watch(options, results)
    });
    summary(options.seeds - failed, failed)
}

/// Shows progress and failures until all threads are done. Gives how many seeds failed.
fn watch(options: &Options, results: &mpsc::Receiver<Result<Census, Box<Failure>>>) -> u64 {
    let start = Instant::now();
    let mut shown = start;
    let (mut passed, mut failed) = (0, 0);
    let mut counts = Counts::default();
    loop {
        match results.recv_timeout(PROGRESS) {
            Ok(Ok(census)) => {
                passed += 1;
                counts.add(census);
            }
            Ok(Err(failure)) => {
                failed += 1;
                if failed <= options.shown {
                    show(options, *failure);
                } else {
                    println!("seed {} failed", failure.plan.config.seed);
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        if shown.elapsed() >= PROGRESS {
            shown = Instant::now();
            let done: u64 = passed + failed;
            let rate = done as f64 / start.elapsed().as_secs_f64();
            println!(
                "{done} of {} seeds, {failed} failed, {rate:.0} seeds/s",
                options.seeds
            );
        }
    }
    let rate = options.seeds as f64 / start.elapsed().as_secs_f64();
    println!(
        "{} seeds in {:.1} s, {rate:.0} seeds/s",
        options.seeds,
        start.elapsed().as_secs_f64()
    );
    if options.census {
        counts.print();
    }
    failed
}

fn show(options: &Options, failure: Failure) {
    let seed = failure.plan.config.seed;
    println!("seed {seed} failed:");
    failure
        .problems
        .iter()
        .take(4)
        .for_each(|problem| println!("  {problem}"));
    let Some(plans) = &options.plans else {
        return;
    };
    let short = failure.plan.shrink();
    let file = plans.join(format!("seed-{seed}.jsonl"));
    match std::fs::write(&file, short.to_text()) {
        Ok(()) => println!(
            "  {} of {} steps are enough; replay: simulate --replay {}",
            short.steps.len(),
            failure.plan.steps.len(),
            file.display()
        ),
        Err(error) => println!("  the plan could not be written: {error}"),
    }
}
