//! The simulator: tabs, hosts and a server in one thread, one seed, no clock.
//!
//! Everything that can happen is a [`Step`]: a call of an application, a message that arrives, a
//! socket that breaks. The order of the steps is the only time there is, so any delay on any link
//! is some order. A run that fails is written down as a plan, one step a line, which replays and
//! can be made shorter by leaving lines out.
//!
//! What it refuses to do: look inside the machines to decide whether they are right. At rest it
//! compares what tabs show with what the server has, and counts ops and callbacks.

mod check;
mod choice;
mod edit;
mod forward;
mod frozen;
mod garbage;
mod host;
mod kept;
mod ledger;
mod presence;
mod queries;
#[cfg(feature = "native")]
pub mod real;
mod refusing;
mod step;
mod storage;
mod tab;
mod takeovers;
mod witness;
mod world;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use step::{Act, Config, Fault, Kept, Limits, On, Step, Weather};

use crate::random::Random;
use world::World;

/// Characters of a problem by which two failures are the same.
const KIND_LENGTH: usize = 40;

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A set-up and what happened in it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The set-up.
    pub config: Config,
    /// The steps.
    pub steps: Vec<Step>,
}

/// A plan that failed, and how.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What to replay.
    pub plan: Plan,
    /// What was wrong.
    pub problems: Vec<String>,
}

impl Plan {
    /// Reads a plan: the set-up and the steps, one line of JSON each.
    ///
    /// # Errors
    /// A text that names the line that is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty());
        let (_, first) = lines.next().ok_or("the plan is empty")?;
        let config = serde_json::from_str(first).map_err(|error| format!("line 1: {error}"))?;
        let step = |(n, line): (usize, &str)| {
            serde_json::from_str(line).map_err(|error| format!("line {}: {error}", n + 1))
        };
        Ok(Self {
            config,
            steps: lines.map(step).collect::<Result<_, _>>()?,
        })
    }

    /// The text that [`Plan::parse`] reads.
    pub fn to_text(&self) -> String {
        let line = |step: &Step| serde_json::to_string(step).expect("steps are plain data");
        let mut text = serde_json::to_string(&self.config).expect("a set-up is plain data");
        for step in &self.steps {
            text.push('\n');
            text.push_str(&line(step));
        }
        text.push('\n');
        text
    }

    /// Runs the plan as it is. Gives what was wrong.
    pub fn replay(&self) -> Vec<String> {
        self.replay_aloud(false)
    }

    /// As [`Plan::replay`]; with `trace` it prints every step and every message that arrives.
    pub fn replay_aloud(&self, trace: bool) -> Vec<String> {
        guarded(|problems| {
            let mut world = World::new(self.config.clone(), trace);
            for step in &self.steps {
                world.take(step);
                if !world.ledger.problems.is_empty() {
                    break;
                }
            }
            end(&mut world, problems);
        })
    }

    /// A shorter plan that fails, too: leaves out stretches, ever shorter ones, for as long as that helps.
    #[must_use]
    pub fn shrink(&self) -> Self {
        let wanted = kind(&self.replay());
        let mut best = self.clone();
        let mut stretch = best.steps.len().div_ceil(2);
        while stretch > 0 {
            let before = best.steps.len();
            let mut at = 0;
            while at < best.steps.len() {
                let mut shorter = best.clone();
                let end = (at + stretch).min(shorter.steps.len());
                shorter.steps.drain(at..end);
                if kind(&shorter.replay()) == wanted {
                    best = shorter;
                } else {
                    at += stretch;
                }
            }
            let helped = best.steps.len() < before;
            stretch = if stretch == 1 && helped {
                1
            } else {
                stretch / 2
            };
        }
        best
    }
}

/// What a failure is about: the first problem's words, without its numbers.
fn kind(problems: &[String]) -> Option<String> {
    let first = problems.first()?;
    Some(
        first
            .chars()
            .filter(|c| !c.is_ascii_digit())
            .take(KIND_LENGTH)
            .collect(),
    )
}

/// What happened in a simulation that not every simulation has.
pub type Census = BTreeSet<&'static str>;

/// Runs the simulation of a seed. Gives what happened in it.
///
/// # Errors
/// The plan that failed.
pub fn run(seed: u64) -> Result<Census, Box<Failure>> {
    let config = choice::config(seed);
    let mut plan = Plan {
        config,
        steps: Vec::new(),
    };
    let mut census = Census::new();
    let problems = guarded(|problems| {
        let mut r = Random::new(seed);
        let mut of_queries = Random::new(seed ^ 0x51E5_5EED);
        let mut of_refusals = Random::new(seed ^ 0x2EAD_5EED);
        let mut of_presence = Random::new(seed ^ 0x0B5E_5EED);
        let mut world = World::new(plan.config.clone(), false);
        let mut opening = choice::opening(&plan.config, &mut r);
        queries::thin_out(&world, &mut opening, &mut of_queries);
        for step in opening {
            plan.steps.push(step.clone());
            world.take(&step);
        }
        for _ in 0..plan.config.steps {
            let step = queries::step(&world, &mut of_queries);
            let step = step.or_else(|| refusing::step(&world, &mut of_refusals));
            let step = step.or_else(|| presence::step(&world, &mut of_presence));
            let step = step.unwrap_or_else(|| choice::step(&world, &mut r));
            // Written down first: the step may panic.
            plan.steps.push(step.clone());
            if !world.take(&step) {
                plan.steps.pop();
            }
            if !world.ledger.problems.is_empty() {
                break;
            }
        }
        end(&mut world, problems);
        census.append(&mut world.ledger.census);
    });
    if problems.is_empty() {
        Ok(census)
    } else {
        Err(Box::new(Failure { plan, problems }))
    }
}

fn end(world: &mut World, problems: &mut Vec<String>) {
    if world.ledger.problems.is_empty() {
        check::finish(world);
    }
    problems.append(&mut world.ledger.problems);
}

/// Runs `action`, and turns a panic into a problem.
pub(crate) fn guarded(action: impl FnOnce(&mut Vec<String>)) -> Vec<String> {
    let mut problems = Vec::new();
    let result = catch_unwind(AssertUnwindSafe(|| action(&mut problems)));
    if result.is_err() {
        let text = PANIC.with(|panic| std::mem::take(&mut *panic.borrow_mut()));
        problems.push(format!("panic: {text}"));
    }
    problems
}

/// Keeps panics quiet: they are reported as problems. To be called once, by a program that simulates.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|info| {
        PANIC.with(|panic| *panic.borrow_mut() = info.to_string());
    }));
}
