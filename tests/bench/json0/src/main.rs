//! Times the workloads on standard input, natively; prints microseconds for one call as a JSON list.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Read;
use std::time::{Duration, Instant};

use bench_json0::Work;
use ot_json0::Value;

/// How long one measurement lasts at least, and how many are made; the same as for JavaScript.
const SPAN: Duration = Duration::from_millis(2);
const SPANS: u32 = 8;

fn main() {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).expect("UTF-8");
    let all = Value::parse(&text).expect("JSON");
    let workloads = all
        .get("workloads")
        .and_then(Value::as_array)
        .expect("workloads");
    let rows: Vec<String> = workloads
        .iter()
        .map(|work| row(&mut Work::of(work)))
        .collect();
    println!("[{}]", rows.join(","));
}

fn row(work: &mut Work) -> String {
    let apply = timed(|times| work.apply(times));
    let transform = timed(|times| work.transform(times));
    let compose = timed(|times| work.compose(times));
    format!(r#"{{"apply":{apply},"transform":{transform},"compose":{compose}}}"#)
}

/// Microseconds for one call: the shortest measurement, because a busy machine only adds.
fn timed(mut call: impl FnMut(u32)) -> f64 {
    let (mut best, mut times, mut spans) = (f64::INFINITY, 1, 0);
    while spans < SPANS {
        let begin = Instant::now();
        call(times);
        let took = begin.elapsed();
        if took < SPAN {
            times *= 2;
        } else {
            best = best.min(took.as_secs_f64() * 1e6 / f64::from(times));
            spans += 1;
        }
    }
    best
}
