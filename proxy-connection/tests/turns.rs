//! What a tab that opens thousands of documents asks its host for at once. Whatever was asked for stands before the next
//! keystroke of any tab.

#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::rc::Rc;

use broker::message::{Read, State, ToHost, decode};
use proxy_connection::{ProxyConnection, TabEvent};
use proxy_doc::{DocKey, Event, OtType, Token, Types};

const DOCS: usize = 2000;
/// Bytes that may be on their way to a tab, about.
const WINDOW: usize = 512 * 1024;
/// Bytes of one message to a tab, about.
const PART: usize = WINDOW / 2;

struct Registry;

impl Types for Registry {
    fn resolve(&self, name: &str) -> Option<OtType> {
        let json0 = OtType::Json0(None);
        (name == json0.uri()).then_some(json0)
    }
    fn default_uri(&self) -> String {
        OtType::Json0(None).uri().to_owned()
    }
}

/// A tab, and what it has asked its host for.
struct Tab {
    connection: ProxyConnection,
    asked: VecDeque<ToHost>,
    /// Calls that have ended.
    ended: Vec<Token>,
    /// Failures of calls of the store.
    failed: Vec<Option<String>>,
    /// Documents that have come.
    loaded: usize,
}

impl Tab {
    fn open() -> Self {
        let mut tab = Self {
            connection: ProxyConnection::new(Rc::new(Registry), State::Connecting),
            asked: VecDeque::new(),
            ended: Vec::new(),
            failed: Vec::new(),
            loaded: 0,
        };
        tab.connection.register();
        tab.say(
            r#"{"host.welcome":{"protocol":1,"connection":{"state":"connected","id":"us","generation":1,"reason":null},"storage":{"line":1}}}"#,
        );
        tab.asked.clear();
        tab
    }

    fn run(&mut self) {
        while let Some(event) = self.connection.poll(0) {
            match event {
                TabEvent::ToHost(text) => match decode(&text).unwrap() {
                    ToHost::Received { .. } => {}
                    message => self.asked.push_back(message),
                },
                TabEvent::Stored(token, result) => {
                    self.ended.push(token);
                    self.failed.push(result.err().map(|error| error.message));
                }
                TabEvent::Doc(_, Event::Callback { tokens, .. }) => self.ended.extend(tokens),
                TabEvent::Doc(_, Event::Load { .. }) => self.loaded += 1,
                _ => {}
            }
        }
    }

    fn say(&mut self, message: &str) {
        let text = format!(r#"{{"epoch":1,"message":{message}}}"#);
        self.connection.handle_message(&text);
        self.run();
    }

    fn subscribe_all(&mut self, count: usize, in_bulk: bool) {
        if in_bulk {
            self.connection.start_bulk();
        }
        for n in 0..count {
            let handle = self.connection.get(key(n));
            self.connection.subscribe(handle, Some(Token(n as u64)));
            self.run();
        }
        if in_bulk {
            self.connection.end_bulk();
        }
        self.run();
    }

    /// Reads that the host has not answered.
    fn reads(&mut self) -> VecDeque<Read> {
        let messages = self.asked.drain(..);
        let reads = messages.flat_map(|message| match message {
            ToHost::Read(read) => vec![read],
            ToHost::Bulk { reads } => reads,
            other => panic!("{other:?}"),
        });
        reads.collect()
    }

    fn answer(&mut self, read: &Read, bytes: usize) {
        let snapshot = snapshot(bytes);
        let id = read.callback_id.0;
        self.say(&format!(
            r#"{{"callback":{{"callbackId":{id},"result":{{"read":{{"snapshot":{snapshot},"version":1}}}}}}}}"#
        ));
    }
}

fn key(n: usize) -> DocKey {
    DocKey {
        collection: "c".to_owned(),
        id: format!("d{n}"),
    }
}

fn snapshot(bytes: usize) -> String {
    let (uri, data) = (OtType::Json0(None).uri().to_owned(), "x".repeat(bytes));
    format!(r#"{{"revision":1,"life":0,"type":"{uri}","data":"{data}"}}"#)
}

/// The host answers each read, oldest first. Gives the most documents and bytes that were asked for at once, but for
/// the first documents of all, of which nobody knows the length.
fn answer_all(tab: &mut Tab, count: usize, bytes: usize) -> (usize, usize) {
    let mut reads = tab.reads();
    assert!(reads.len() <= 32, "{} at first", reads.len());
    let first = reads.len();
    let (mut most, mut answered) = (0, 0);
    while let Some(read) = reads.pop_front() {
        tab.answer(&read, bytes);
        answered += 1;
        reads.extend(tab.reads());
        if answered > first {
            most = most.max(reads.len());
        }
    }
    assert_eq!(tab.ended.len(), count);
    assert_eq!(tab.loaded, count);
    (most, most * bytes)
}

#[test]
fn a_tab_that_subscribes_to_thousands_asks_for_a_window_of_them() {
    for in_bulk in [false, true] {
        for (count, bytes, least) in [(DOCS, 20, 256), (200, 20_000, 16), (100, 300_000, 2)] {
            let mut tab = Tab::open();
            tab.subscribe_all(count, in_bulk);
            let (docs, sum) = answer_all(&mut tab, count, bytes);
            assert!(sum <= WINDOW + 2 * bytes, "{sum} bytes in {docs} documents");
            assert!(docs >= least, "a far server would be slow: {docs}");
        }
    }
}

#[test]
fn a_bulk_goes_on_as_a_bulk() {
    let mut tab = Tab::open();
    tab.subscribe_all(DOCS, true);
    let mut messages = 0;
    let mut reads = VecDeque::new();
    loop {
        messages += tab.asked.len();
        reads.extend(tab.reads());
        let Some(read) = reads.pop_front() else {
            break;
        };
        tab.answer(&read, 20);
    }
    assert!(messages <= 20, "{messages} messages for {DOCS} documents");
}

#[test]
fn a_tab_that_stands_still_asks_for_nothing() {
    let mut tab = Tab::open();
    tab.subscribe_all(DOCS, false);
    assert!(tab.reads().len() <= 32);
    tab.run();
    assert!(tab.reads().is_empty());
}

#[test]
fn what_was_asked_for_documents_that_are_gone_is_not_waited_for() {
    let mut tab = Tab::open();
    tab.subscribe_all(DOCS, false);
    let unanswered = tab.reads();
    for n in 0..unanswered.len() {
        let handle = tab.connection.get(key(n));
        tab.connection.destroy(handle);
        tab.run();
    }
    let next = tab
        .asked
        .iter()
        .filter(|message| matches!(message, ToHost::Read(_)));
    assert!(next.count() > 0);
}

/// The host answers from what it has, at once. What the server was asked before is answered when it is back.
#[test]
fn what_the_store_has_does_not_wait_for_a_server_that_is_away() {
    let mut tab = Tab::open();
    tab.subscribe_all(DOCS, false);
    let unanswered = tab.reads();
    tab.say(
        r#"{"connection.event":{"state":{"state":"disconnected","id":"us","generation":1,"reason":null}}}"#,
    );
    let mut reads = tab.reads();
    assert!(!reads.is_empty());
    while let Some(read) = reads.pop_front() {
        tab.answer(&read, 20);
        reads.extend(tab.reads());
    }
    assert!(tab.loaded >= DOCS - unanswered.len(), "{}", tab.loaded);
}

#[test]
fn another_host_is_asked_for_all_that_was_not_answered() {
    let mut tab = Tab::open();
    tab.subscribe_all(DOCS, false);
    let mut reads = tab.reads();
    tab.answer(&reads.pop_front().unwrap(), 20);
    tab.asked.clear();
    tab.connection.register();
    tab.connection.host_lost();
    tab.run();
    tab.asked.clear();
    tab.connection.handle_message(
        r#"{"epoch":2,"message":{"host.welcome":{"protocol":1,"connection":{"state":"connected","id":"us","generation":1,"reason":null},"storage":{"line":1}}}}"#,
    );
    tab.run();
    let mut reads = tab.reads();
    let mut documents = Vec::new();
    while let Some(read) = reads.pop_front() {
        documents.push(read.id.clone());
        let text = format!(
            r#"{{"epoch":2,"message":{{"callback":{{"callbackId":{},"result":{{"read":{{"snapshot":{},"version":1}}}}}}}}}}"#,
            read.callback_id.0,
            snapshot(20)
        );
        tab.connection.handle_message(&text);
        tab.run();
        reads.extend(tab.reads());
    }
    documents.sort();
    documents.dedup();
    assert!(documents.len() >= DOCS - 1, "{}", documents.len());
    assert_eq!(tab.ended.len(), DOCS);
}

#[test]
fn many_documents_of_the_store_come_in_parts() {
    for (count, bytes) in [(DOCS, 20), (200, 20_000), (50, 300_000)] {
        let mut tab = Tab::open();
        let ids = (0..count).map(|n| key(n).id).collect();
        tab.connection.get_bulk("c".to_owned(), ids, Token(1));
        tab.run();
        let mut parts = 0;
        let mut all = Vec::new();
        while let Some(message) = tab.asked.pop_front() {
            let ToHost::GetBulk {
                ids, callback_id, ..
            } = message
            else {
                panic!("{message:?}");
            };
            assert!(tab.asked.is_empty(), "one part at a time");
            assert!(tab.ended.is_empty());
            let doc = |id: &String| {
                let snapshot = snapshot(bytes);
                format!(r#"{{"collection":"c","id":"{id}","snapshot":{snapshot},"version":1}}"#)
            };
            let docs: Vec<String> = ids.iter().map(doc).collect();
            let (docs, id) = (docs.join(","), callback_id.0);
            assert!(
                parts < 9 || docs.len() <= PART.max(bytes) * 2,
                "{} bytes",
                docs.len()
            );
            let error = match parts {
                1 => r#"{"code":"ERR_STORAGE","message":"one cannot be read"}"#,
                _ => "null",
            };
            all.extend(ids);
            tab.say(&format!(
                r#"{{"callback":{{"callbackId":{id},"error":{error},"result":{{"docs":[{docs}]}}}}}}"#
            ));
            parts += 1;
        }
        assert_eq!(all, (0..count).map(|n| key(n).id).collect::<Vec<_>>());
        assert_eq!(tab.ended, [Token(1)]);
        assert_eq!(tab.failed, [Some("one cannot be read".to_owned())]);
    }
}
