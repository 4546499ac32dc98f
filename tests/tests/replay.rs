//! Recorded traces replay to the same outputs, and what was changed in one is found.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sharedb_proxy_tests::replay::{Problem, replay};

/// A trace is of the version that wrote it.
const RECORD_AGAIN: &str =
    "where hosts are to say something else now: node tests/oracle/record-trace.mjs";

fn traces() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}

/// The trace with one value changed, in its last life.
fn changed(text: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut trace: Value = serde_json::from_str(text).unwrap();
    let lives = trace["lives"].as_array_mut().unwrap();
    change(lives.last_mut().unwrap());
    trace.to_string()
}

fn entries(life: &mut Value) -> &mut Vec<Value> {
    life["entries"].as_array_mut().unwrap()
}

fn position(entries: &[Value], kind: &str, name: &str) -> usize {
    let is_it = |entry: &Value| entry[0] == kind && entry.to_string().contains(name);
    entries.iter().rposition(is_it).unwrap()
}

#[test]
fn a_trace_replays_to_the_same_outputs_each_time() {
    for file in traces() {
        let text = read(&file);
        let first = replay(&text).unwrap_or_else(|problem| {
            panic!("{file:?}: {problem:?}\n{RECORD_AGAIN}");
        });
        assert!(first.inputs > 10 && first.outputs > 10, "{first:?}");
        assert_eq!(replay(&text), Ok(first));
    }
}

#[test]
fn a_changed_trace_differs_at_the_change() {
    for file in traces() {
        let text = read(&file);
        let output = changed(&text, |life| {
            let entries = entries(life);
            let at = position(entries, "out", "\"toTab\"");
            entries[at][2][1] = json!("something else");
        });
        assert!(matches!(replay(&output), Err(Problem::Differs(_))));
        let input = changed(&text, |life| {
            let entries = entries(life);
            entries.remove(position(entries, "in", "\"socketMessage\""));
        });
        assert!(matches!(replay(&input), Err(Problem::Differs(_))));
        let extra = changed(&text, |life| {
            let entries = entries(life);
            entries.remove(position(entries, "out", "\"toTab\""));
        });
        let Err(Problem::Differs(how)) = replay(&extra) else {
            panic!("{file:?}: a missing output is not found");
        };
        assert!(how.contains("recorded:"), "{how}");
    }
}

#[test]
fn what_a_type_answered_counts() {
    let file = traces().pop().unwrap();
    let text = changed(&read(&file), |life| {
        let entries = entries(life);
        entries.remove(position(entries, "type", "\"gave\""));
    });
    assert!(matches!(replay(&text), Err(Problem::Differs(_))));
}

#[test]
fn a_trace_that_cannot_be_replayed_is_refused_with_the_reason() {
    let text = read(&traces().pop().unwrap());
    let refusal = |text: &str| match replay(text) {
        Err(Problem::Refused(why)) => why,
        other => panic!("{other:?}"),
    };
    let incomplete = changed(&text, |life| {
        life["complete"] = json!(false);
        life["first"] = json!(7);
    });
    assert!(refusal(&incomplete).contains("first 7 entries"));
    assert!(
        refusal(&text.replacen("\"redacted\":false", "\"redacted\":true", 1)).contains("redacted")
    );
    assert!(refusal(&text.replacen("\"version\":1", "\"version\":2", 1)).contains("not `sharedb"));
    assert!(refusal("{}").contains("no trace"));
    let unknown = changed(&text, |life| {
        entries(life)[0] = json!(["in", 0, "fly", []]);
    });
    assert!(refusal(&unknown).contains("no such input"));
}
