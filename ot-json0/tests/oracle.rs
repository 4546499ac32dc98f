//! Byte-equality with npm ot-json0: random documents and op pairs, answered by both.
//!
//! `JSON0_PAIRS` sets how many (100,000 unless told), `JSON0_SEED` where to begin. A failure is made
//! smaller and printed with its seed. Node and the package must be there: their absence is a failure.

mod generate;

use generate::Random;
use ot_json0::{Error, Op, Side, Value, apply, compose, invert, normalize, transform, transform_x};
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/oracle/json0-oracle.mjs"
);
/// Cases sent in one line.
const BATCH: u64 = 500;
/// The questions of the script, in its order.
const QUESTIONS: [&str; 9] = [
    "document",
    "apply a",
    "apply b",
    "transform a by b, left",
    "transform b by a, right",
    "transformX a, b",
    "compose a, c",
    "invert a",
    "normalize a",
];

#[derive(Clone)]
struct Case {
    document: Value,
    a: Op,
    b: Op,
    c: Op,
}

struct Oracle {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Oracle {
    fn start() -> Oracle {
        let mut child = Command::new("node")
            .arg(SCRIPT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node must be installed: the oracle is npm ot-json0");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Oracle {
            child,
            input,
            output,
        }
    }

    fn ask(&mut self, cases: &[Case]) {
        let line = Value::Array(cases.iter().map(Case::to_value).collect()).to_json();
        let sent = writeln!(self.input, "{line}").and_then(|()| self.input.flush());
        sent.expect("the oracle must listen: is npm ot-json0 installed in the workspace?");
    }

    fn answers(&mut self) -> Value {
        let mut line = String::new();
        self.output
            .read_line(&mut line)
            .expect("the oracle's answer");
        assert!(
            !line.is_empty(),
            "the oracle ended: is npm ot-json0 installed in the workspace?"
        );
        Value::parse(&line).expect("JSON from the oracle")
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // Ended by its closed input otherwise; an answer nobody waits for is of no use.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Case {
    fn new(seed: u64) -> Case {
        let mut r = Random::new(seed);
        let document = generate::document(&mut r);
        let tame = !r.once_in(3);
        let a = generate::op(&mut r, &document, tame);
        let b = generate::op(&mut r, &document, tame);
        let after = apply(document.clone(), &a).unwrap_or_else(|_| document.clone());
        let c = generate::op(&mut r, &after, tame);
        Case { document, a, b, c }
    }

    fn to_value(&self) -> Value {
        let texts = [
            self.document.to_json(),
            self.a.to_json(),
            self.b.to_json(),
            self.c.to_json(),
        ];
        Value::Array(texts.into_iter().map(Value::from).collect())
    }

    fn answers(&self) -> [String; 9] {
        let Case { document, a, b, c } = self;
        let (mut left, mut right) = (a.clone(), b.clone());
        let crossed = transform_x(&mut left, &mut right);
        let both = || ["[", &left.to_json(), ",", &right.to_json(), "]"].concat();
        [
            document.to_json(),
            value_text(apply(document.clone(), a)),
            value_text(apply(document.clone(), b)),
            op_text(transform(a, b, Side::Left)),
            op_text(transform(b, a, Side::Right)),
            crossed.map_or_else(|error| format!("!{}", error.message), |()| both()),
            op_text(compose(a, c)),
            invert(a).to_json(),
            op_text(normalize(&a.to_json())),
        ]
    }

    /// Smaller cases: one component or one of the other parts less.
    fn smaller(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for which in 0..3 {
            let op = [&self.a, &self.b, &self.c][which];
            for skip in 0..op.len() {
                let mut parts: Vec<Value> = Vec::new();
                for (at, part) in op.split().enumerate() {
                    if at != skip {
                        let list = Value::parse(&part.to_json()).expect("an op");
                        parts.extend_from_slice(list.as_array().expect("an op"));
                    }
                }
                let op = Op::from_value(Value::from(parts)).expect("components");
                let mut case = self.clone();
                match which {
                    0 => case.a = op,
                    1 => case.b = op,
                    _ => case.c = op,
                }
                cases.push(case);
            }
        }
        cases
    }
}

fn value_text(result: Result<Value, Error>) -> String {
    result.map_or_else(
        |error| format!("!{}", error.message),
        |value| value.to_json(),
    )
}

fn op_text(result: Result<Op, Error>) -> String {
    result.map_or_else(|error| format!("!{}", error.message), |op| op.to_json())
}

/// The first question on which the answers differ, and both answers.
fn difference(case: &Case, theirs: &Value) -> Option<(&'static str, String, String)> {
    let theirs = theirs.as_array().expect("a list of answers");
    let ours = case.answers();
    assert_eq!(theirs.len(), ours.len(), "as many answers as questions");
    (0..ours.len()).find_map(|i| {
        let expected = theirs[i].as_str().expect("a text");
        let same =
            *expected == *ours[i].as_str() || same_complaint(&expected.to_string_lossy(), &ours[i]);
        (!same).then(|| (QUESTIONS[i], expected.to_string_lossy(), ours[i].clone()))
    })
}

/// A list extended or moved beyond its end has holes in JavaScript, nulls here: the same JSON, but
/// within the op that made them the engine's complaint names the one or the other.
fn same_complaint(theirs: &str, ours: &str) -> bool {
    theirs.starts_with('!')
        && theirs.replace("undefined", "null") == ours.replace("undefined", "null")
}

/// Fails with the smallest case that still differs.
fn report(oracle: &mut Oracle, seed: u64, mut case: Case) -> ! {
    loop {
        let candidates = case.smaller();
        oracle.ask(&candidates);
        let answers = oracle.answers();
        let answers = answers.as_array().expect("a list");
        let differs = |i: &usize| difference(&candidates[*i], &answers[*i]).is_some();
        match (0..candidates.len()).find(differs) {
            Some(i) => case = candidates[i].clone(),
            None => break,
        }
    }
    oracle.ask(std::slice::from_ref(&case));
    let answers = oracle.answers();
    let theirs = &answers.as_array().expect("a list")[0];
    let (question, expected, found) = difference(&case, theirs).expect("still different");
    panic!(
        "JSON0_SEED={seed} JSON0_PAIRS=1: {question}\n  document {}\n  a {}\n  b {}\n  c {}\n  \
         ot-json0 {expected}\n  ours     {found}",
        case.document.to_json(),
        case.a.to_json(),
        case.b.to_json(),
        case.c.to_json()
    );
}

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} must be a number")),
        Err(_) => default,
    }
}

/// Each half of the cases has an oracle of its own: a process has one thread, and takes longer than what is asked of it here.
#[test]
fn answers_as_ot_json0_does() {
    let first = setting("JSON0_SEED", 1);
    let end = first + setting("JSON0_PAIRS", 100_000);
    let middle = first + (end - first) / 2;
    thread::scope(|scope| {
        scope.spawn(|| compare(first..middle));
        scope.spawn(|| compare(middle..end));
    });
}

fn compare(seeds: Range<u64>) {
    if seeds.is_empty() {
        return;
    }
    let mut oracle = Oracle::start();
    let batch = |start: u64| -> Vec<Case> {
        (start..(start + BATCH).min(seeds.end))
            .map(Case::new)
            .collect()
    };
    let mut start = seeds.start;
    let mut cases = batch(start);
    oracle.ask(&cases);
    while !cases.is_empty() {
        // The next batch is made while the oracle works on this one.
        let next = batch(start + BATCH);
        let answers = oracle.answers();
        if !next.is_empty() {
            oracle.ask(&next);
        }
        let answers = answers.as_array().expect("a list");
        assert_eq!(answers.len(), cases.len(), "an answer for each case");
        for (i, case) in cases.iter().enumerate() {
            if difference(case, &answers[i]).is_some() {
                if !next.is_empty() {
                    oracle.answers();
                }
                report(&mut oracle, start + i as u64, case.clone());
            }
        }
        start += BATCH;
        cases = next;
    }
}
