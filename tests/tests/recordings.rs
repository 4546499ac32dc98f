//! Replays the recorded conversations of a real ShareDB server against the reference server: the same
//! messages have to come back, to every session in the same order, and the same ops have to be stored.
//! `oracle/record-conversations.mjs` makes the recordings.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use ot_json0::Value;
use sharedb_proxy_tests::server::{OpKind, Reach, Server, SessionId};

/// Differences printed when a test fails.
const SHOWN: usize = 5;

#[test]
fn scripted_conversations() {
    replay_all("scripted.json", 40);
}

#[test]
fn random_conversations() {
    replay_all("random.json", 200);
}

fn replay_all(file: &str, at_least: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("recordings")
        .join(file);
    let text = fs::read_to_string(path).unwrap();
    let recorded = Value::parse(&text).unwrap();
    let conversations = recorded.as_array().unwrap();
    assert!(conversations.len() >= at_least, "{file} is not complete");
    let differences: Vec<String> = conversations.iter().filter_map(replay).collect();
    assert!(
        differences.is_empty(),
        "{} of {} conversations differ, among them\n{}",
        differences.len(),
        conversations.len(),
        differences[..differences.len().min(SHOWN)].join("\n")
    );
}

/// Returns the first difference.
fn replay(conversation: &Value) -> Option<String> {
    let name = text(conversation.get("name").unwrap());
    let mut replay = Replay {
        server: Server::new(),
        sessions: BTreeMap::new(),
    };
    for (at, step) in list(conversation.get("steps").unwrap()).iter().enumerate() {
        replay.perform(list(step.get("do").unwrap()));
        let (expected, actual) = (Outcome::recorded(step), replay.outcome());
        if expected != actual {
            let step = step.get("do").unwrap().to_json();
            return Some(format!(
                "{name}, step {at}: {step}\n  recorded {expected}\n  replayed {actual}"
            ));
        }
    }
    let documents = list(conversation.get("documents").unwrap());
    let wrong = documents
        .iter()
        .find(|each| replay.document(each) != **each)?;
    let actual = replay.document(wrong).to_json();
    Some(format!(
        "{name}: recorded {}\n  stored {actual}",
        wrong.to_json()
    ))
}

/// What one step led to.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    got: BTreeMap<String, Vec<Value>>,
    closed: Vec<String>,
}

impl Outcome {
    fn recorded(step: &Value) -> Self {
        let mut outcome = Self::default();
        if let Some(got) = step.get("got") {
            for (name, messages) in got.as_object().unwrap().iter() {
                let messages = list(messages).to_vec();
                outcome.got.insert(name.to_string_lossy(), messages);
            }
        }
        if let Some(closed) = step.get("closed") {
            outcome.closed = list(closed).iter().map(text).collect();
        }
        outcome
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, messages) in &self.got {
            let messages = Value::from(messages.clone()).to_json();
            write!(f, "{name}: {messages} ")?;
        }
        write!(f, "closed: {:?}", self.closed)
    }
}

/// A server with its sessions under the names that the recording gives them.
struct Replay {
    server: Server,
    sessions: BTreeMap<String, SessionId>,
}

impl Replay {
    fn perform(&mut self, step: &[Value]) {
        let server = &mut self.server;
        match text(&step[0]).as_str() {
            "connect" => {
                self.sessions.insert(text(&step[1]), server.connect());
            }
            "disconnect" => server.disconnect(self.sessions.remove(&text(&step[1])).unwrap()),
            "send" => server.receive(self.sessions[&text(&step[1])], &step[2].to_json()),
            "reject" => server.reject_next_submit(&text(&step[1]), &text(&step[2])),
            "refuse" => {
                let code = (!step[3].is_null()).then(|| text(&step[3]));
                let ops = step.get(4) == Some(&Value::Bool(true));
                let (c, d) = (text(&step[1]), text(&step[2]));
                let reach = if ops { Reach::Ops } else { Reach::Snapshots };
                server.refuse_reads(&c, &d, code.as_deref(), reach);
            }
            "fixup" => server.fixup_next_submit(&step[1].to_json()),
            "suppress" => server.suppress_publish(step[1] == Value::Bool(true)),
            "hold" => server.hold_publications(step[1] == Value::Bool(true)),
            "skip-no-ops" => server.do_not_commit_no_ops(step[1] == Value::Bool(true)),
            "restart" => {
                server.restart();
                self.sessions.clear();
            }
            unknown => panic!("unknown step {unknown}"),
        }
    }

    fn outcome(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        while let Some((to, message)) = self.server.poll() {
            let name = self.name_of(to);
            let message = Value::parse(&message).unwrap();
            outcome.got.entry(name).or_default().push(message);
        }
        let server = &self.server;
        self.sessions.retain(|name, s| {
            let open = server.is_connected(*s);
            if !open {
                outcome.closed.push(name.clone());
            }
            open
        });
        outcome
    }

    fn name_of(&self, session: SessionId) -> String {
        let found = self.sessions.iter().find(|(_, s)| **s == session);
        found.expect("messages go to open sessions").0.clone()
    }

    /// What the server stored for a recorded document, in the recording's form.
    fn document(&self, recorded: &Value) -> Value {
        let recorded = list(recorded);
        let (collection, id) = (text(&recorded[0]), text(&recorded[1]));
        let snapshot = self.server.snapshot(&collection, &id).unwrap();
        let ops = self.server.ops(&collection, &id).iter().map(|op| {
            let kind = match op.kind {
                OpKind::Op => "op",
                OpKind::Create => "create",
                OpKind::Del => "del",
                OpKind::NoOp => "noop",
            };
            vec![
                (op.v as f64).into(),
                op.src.clone().into(),
                op.seq.into(),
                kind.into(),
            ]
            .into()
        });
        let ops: Vec<Value> = ops.collect();
        vec![
            collection.into(),
            id.into(),
            (snapshot.v as f64).into(),
            snapshot.type_uri.map_or(Value::Null, Value::from),
            snapshot.data.unwrap_or_default(),
            ops.into(),
        ]
        .into()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_string_lossy()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}
