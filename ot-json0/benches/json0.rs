//! json0 on the workloads that `tests/oracle/bench-json0.mjs` measures npm ot-json0 on, and the crate
//! json0-rs on those that it can do. Needs Node, which makes the workloads.
#![allow(missing_docs)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use json0_rs::operation::Operation;
use ot_json0::{Op, Side, Value, apply_in_place, compose, invert, transform, transform_x};
use std::hint::black_box;
use std::process::Command;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/oracle/bench-json0.mjs"
);

fn workloads() -> Value {
    let output = Command::new("node")
        .args([SCRIPT, "--workload"])
        .output()
        .expect("node must be installed");
    assert!(
        output.status.success(),
        "the script that makes the workloads failed"
    );
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    Value::parse(&text).expect("JSON")
}

fn field(value: &Value, name: &str) -> Value {
    value.get(name).cloned().expect("the workload's field")
}

fn op(value: &Value, name: &str) -> Op {
    Op::from_value(field(value, name)).expect("an op")
}

fn ours(c: &mut Criterion, work: &Value) {
    let name = field(work, "name")
        .as_str()
        .expect("a name")
        .to_string_lossy();
    let mut document = field(work, "document");
    let (first, other, second) = (op(work, "a"), op(work, "b"), op(work, "c"));
    let undo = invert(&first);
    c.bench_function(&format!("{name}/apply-and-undo"), |b| {
        b.iter(|| {
            apply_in_place(&mut document, &first).expect("fits");
            apply_in_place(&mut document, &undo).expect("fits");
        });
    });
    c.bench_function(&format!("{name}/transform"), |b| {
        b.iter(|| transform(black_box(&first), &other, Side::Left).expect("transforms"));
    });
    c.bench_function(&format!("{name}/compose"), |b| {
        b.iter(|| compose(black_box(&first), &second).expect("composes"));
    });
    let json = first.to_json();
    c.bench_function(&format!("{name}/parse-and-write"), |b| {
        b.iter(|| Op::parse(black_box(&json)).expect("an op").to_json());
    });
}

fn json0_rs(c: &mut Criterion, work: &Value) {
    let name = field(work, "name")
        .as_str()
        .expect("a name")
        .to_string_lossy();
    let json0 = json0_rs::Json0::new();
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_str(&field(work, name).to_json()).expect("JSON")
    };
    let op = |json: serde_json::Value| -> Operation {
        json0.operation_factory().from_value(json).expect("an op")
    };
    let (first, other, second) = (op(read("a")), op(read("b")), op(read("c")));
    let undo: serde_json::Value =
        serde_json::from_str(&invert(&self::op(work, "a")).to_json()).expect("JSON");
    let undo = op(undo);
    let mut document = read("document");
    c.bench_function(&format!("{name}/apply-and-undo (json0-rs)"), |b| {
        b.iter(|| {
            json0
                .apply(&mut document, vec![first.clone()])
                .expect("fits");
            json0
                .apply(&mut document, vec![undo.clone()])
                .expect("fits");
        });
    });
    c.bench_function(&format!("{name}/transform (json0-rs)"), |b| {
        b.iter(|| {
            json0
                .transform(black_box(&first), &other)
                .expect("transforms")
        });
    });
    c.bench_function(&format!("{name}/compose (json0-rs)"), |b| {
        b.iter(|| {
            let mut composed = first.clone();
            composed.compose(second.clone()).expect("composes");
            composed
        });
    });
}

fn long_pending(c: &mut Criterion, work: &Value) {
    let pending = op(work, "pending");
    let remote: Vec<Op> = op(work, "remote").split().collect();
    c.bench_function("100 remote ops against 4,000 pending components", |b| {
        b.iter_batched(
            || (pending.clone(), remote.clone()),
            |(mut left, rights)| {
                for mut right in rights {
                    transform_x(&mut left, &mut right).expect("transforms");
                }
                left
            },
            BatchSize::SmallInput,
        );
    });
    let single: Vec<Op> = pending.split().collect();
    c.bench_function("4,000 append_op of one component", |b| {
        b.iter_batched(
            || single.clone(),
            |ops| {
                let mut all = Op::default();
                for op in ops {
                    all.append_op(op).expect("appends");
                }
                all
            },
            BatchSize::SmallInput,
        );
    });
}

fn benches(c: &mut Criterion) {
    let all = workloads();
    for work in all
        .get("workloads")
        .and_then(Value::as_array)
        .expect("workloads")
    {
        ours(c, work);
        let name = field(work, "name")
            .as_str()
            .expect("a name")
            .to_string_lossy();
        // json0-rs has no `si` and `sd`, and panics on many ops that meet.
        if name.starts_with("apart") {
            json0_rs(c, work);
        }
    }
    long_pending(c, all.get("pending").expect("the long op"));
}

criterion_group! {
    name = json0;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(500))
        .measurement_time(std::time::Duration::from_secs(2))
        .sample_size(20);
    targets = benches
}
criterion_main!(json0);
