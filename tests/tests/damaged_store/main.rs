//! A host on a store whose records were damaged: by hand, by a browser's bug, by an application's own storage.
//!
//! Whatever is wrong with one record, the host lives, answers, and sends no op twice; and an op that does not reach the
//! server is a dead letter, or `connection.storage` says that the store is damaged.
//!
//! Some damage cannot be told from what may have been written, so nobody is told of it: a whole store that is empty; a
//! record of the journal that is missing at its end; a record of the inventory that is missing; a note that is missing; a
//! count, a text or an application's data that is another one of its kind, or a list that is shorter.

#![allow(clippy::unwrap_used)]

mod damage;
mod stage;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use broker::message::Answer;
use damage::Damage;
use sharedb_proxy_tests::server::Server;
use stage::{DOCS, Stage, Texts};

/// Words of ops that wait for the server.
const PENDING: [&str; 8] = ["wa1", "wa2", "wa3", "wb1", "wb2", "wm", "wn", "wk"];
/// The word of a dead letter.
const DEAD: &str = "wl";
const DAMAGED: &str = "ERR_STORAGE_DAMAGED";

/// A store with documents, a journal, a dead letter, notes, and ops that wait for the server.
fn left() -> (Texts, Server) {
    let mut stage = Stage::begin(Texts::new(), Server::new(), 2);
    stage.join();
    stage.go_online();
    for id in ["a", "b", "c", "l"] {
        stage.create(id, &[]);
    }
    stage.server.reject_next_submit("ERR_NO", "no");
    stage.insert("l", DEAD);
    stage.insert("c", "wc");
    stage.rest();
    stage.go_offline();
    stage.insert("a", "wa1");
    stage.insert("a", "wa2");
    stage.create("m", &["wm"]);
    stage.create("k", &["wk"]);
    stage.flush();
    stage.insert("a", "wa3");
    stage.insert("b", "wb1");
    stage.create("n", &["wn"]);
    stage.insert("b", "wb2");
    stage.end()
}

#[test]
fn a_store_that_is_fine_is_not_damaged() {
    let (texts, server) = left();
    let mut seen = Seen::default();
    let (texts, server) = seen.look(texts, server, 3, false);
    seen.look(texts, server, 4, false);
    assert_eq!(seen.problems, [] as [&str; 0]);
    assert!(!seen.is_told);
    assert_eq!(seen.warned, [] as [&str; 0]);
}

#[test]
fn no_damage_is_silent() {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let found: Vec<String> = thread::scope(|scope| {
        let parts = (0..workers).map(|part| scope.spawn(move || silent(part, workers)));
        let parts: Vec<_> = parts.collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap())
            .collect()
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What goes wrong with one of `parts` of all damage, of which this is number `part`.
fn silent(part: usize, parts: usize) -> Vec<String> {
    let (texts, server) = left();
    let mut journal = texts.keys().filter(|id| id.id.starts_with("journal/"));
    let last = format!("{}: missing", journal.next_back().unwrap().id);
    let mut found = Vec::new();
    for damage in damage::all(&texts).into_iter().skip(part).step_by(parts) {
        let Damage {
            name,
            texts,
            is_plausible,
        } = damage;
        let is_plausible = is_plausible || name == last;
        let mut seen = Seen::default();
        let lives = catch_unwind(AssertUnwindSafe(|| {
            let (texts, server) = seen.look(texts, server.clone(), 3, is_plausible);
            seen.look(texts, server, 4, is_plausible);
        }));
        if lives.is_err() {
            seen.problems.push("the host panicked".to_owned());
        }
        if !seen.problems.is_empty() {
            found.push(format!("{name}\n    {}", seen.problems.join("\n    ")));
        }
    }
    found
}

/// What was seen of hosts on one store.
#[derive(Default)]
struct Seen {
    problems: Vec<String>,
    /// An application was told that the store is damaged.
    is_told: bool,
    warned: Vec<String>,
}

impl Seen {
    /// The host number `life` begins on this, and is left alone with its server. Gives what it left.
    fn look(
        &mut self,
        texts: Texts,
        server: Server,
        life: u64,
        is_plausible: bool,
    ) -> (Texts, Server) {
        let mut stage = Stage::begin(texts, server, life);
        let stored = stage.get_bulk(&DOCS[..6]);
        stage.go_online();
        let reads = DOCS.map(|id| (id, stage.subscribe(id)));
        stage.rest();
        let mut say = |problem: String| self.problems.push(format!("life {life}: {problem}"));
        for (id, number) in reads {
            let answers = stage.answers(number).len();
            if answers != 1 {
                say(format!("subscribe {id} has {answers} answers"));
            }
        }
        let code = stage.storage_code();
        self.is_told |= code == Some(DAMAGED);
        if code.is_some_and(|code| code != DAMAGED) && !is_plausible {
            say(format!("the store has the code {code:?}"));
        }
        let letters = stage.letters();
        for word in PENDING.into_iter().chain([DEAD]) {
            let times = stage.committed(word);
            let is_lost = times == 0 && !letters.contains(&format!("\"{word}\""));
            if times > 1 || (word == DEAD && times > 0) {
                say(format!("{word} is committed {times} times"));
            }
            if is_lost && !self.is_told && !is_plausible {
                say(format!("{word} is lost: {:?}", stage.warned));
            }
        }
        let answers = stage.answers(stored);
        let [(_, Some(Answer::Docs(docs)))] = answers[..] else {
            say("getBulk is not answered".to_owned());
            return stage.end();
        };
        // What waited for the server was sent by the life before.
        for doc in docs.iter().filter(|_| life > 3 && !is_plausible) {
            let Some(given) = &doc.snapshot else {
                continue;
            };
            let served = stage.server.snapshot("c", &doc.id);
            let served = served.and_then(|served| served.data);
            let served = served.map(|data| data.to_json());
            let data = given.data.as_ref().map(|data| data.get());
            if data != served.as_deref() {
                let id = &doc.id;
                say(format!(
                    "{id} is {data:?} in the store, {served:?} at the server"
                ));
            }
        }
        self.warned.append(&mut stage.warned);
        stage.end()
    }
}
