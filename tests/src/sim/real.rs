//! The simulator's tabs against a real ShareDB server: real sockets, real time, no chosen order.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use ot_json0::Value;
use proxy_doc::{DocKey, Epoch, TabId};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;
use worker_host::native::{Input, drive};
use worker_host::{Host, Options};

use super::check::count_marks;
use super::edit::Style;
use super::ledger::{End, Ledger, What};
use super::step::Act;
use super::tab::Tab;
use super::world::Json0;
use crate::random::Random;

/// After this long without a message that was waited for, something is lost.
const PATIENCE: Duration = Duration::from_secs(10);
const TABS: usize = 4;
const ROUNDS: usize = 90;
/// Rounds between two restarts of the server.
const RESTART_EVERY: usize = 30;

/// A server in Node (`tests/native/server.mjs`).
struct NodeServer {
    _process: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl NodeServer {
    async fn start() -> (Self, u64) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/native/server.mjs");
        let mut process = Command::new("node")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs");
        let commands = process.stdin.take().expect("its input is piped");
        let output = process.stdout.take().expect("its output is piped");
        let answers = BufReader::new(output).lines();
        let mut server = Self {
            _process: process,
            commands,
            answers,
        };
        let started = server.answer().await;
        let port = started
            .get("port")
            .and_then(Value::as_f64)
            .expect("it says its port");
        (server, port as u64)
    }

    async fn answer(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.answers.next_line()).await;
        let line = line
            .expect("the server answers")
            .expect("its output is text");
        Value::parse(&line.expect("the server lives")).expect("it speaks JSON")
    }

    async fn ask(&mut self, command: &str) -> Value {
        let line = format!("{command}\n");
        self.commands
            .write_all(line.as_bytes())
            .await
            .expect("the server listens");
        self.answer().await
    }
}

/// The tabs, and what connects them with their host.
struct Page {
    tabs: Vec<Tab>,
    ledger: Ledger,
    to_host: UnboundedSender<Input>,
    from_host: UnboundedReceiver<(TabId, String)>,
}

impl Page {
    fn act(&mut self, tab: usize, act: Act, seed: u64) {
        self.tabs[tab].act(&mut self.ledger, 0, act, seed);
        self.tabs[tab].tick(&mut self.ledger);
        self.post(tab);
    }

    fn post(&mut self, tab: usize) {
        let tab = &mut self.tabs[tab];
        for text in tab.to_host.drain(..) {
            let message = Input::Message(tab.id.clone(), text);
            self.to_host.send(message).expect("the host runs");
        }
    }

    fn receive(&mut self, (id, text): (TabId, String)) {
        if let Some(tab) = self.tabs.iter().position(|tab| tab.id == id) {
            self.tabs[tab].receive(&mut self.ledger, &text);
            self.tabs[tab].tick(&mut self.ledger);
            self.post(tab);
        }
    }

    /// Works until `done`.
    async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            let message = tokio::time::timeout(PATIENCE, self.from_host.recv()).await;
            let message = message.unwrap_or_else(|_| panic!("still waiting: {what}"));
            self.receive(message.expect("the host runs"));
        }
    }

    fn all_answered(&self) -> bool {
        self.ledger.calls.iter().all(|call| call.end.is_some())
    }

    fn idle(&self) -> bool {
        let pending = |tab: &Tab| {
            let doc = tab.connection.doc(tab.docs[0].handle);
            doc.is_none_or(proxy_doc::Doc::has_pending)
        };
        self.all_answered() && !self.tabs.iter().any(pending)
    }
}

/// Runs the whole scene: tabs edit one document while the server is cut off and starts again, and in the
/// end all have what the server has, every op once.
///
/// # Panics
/// When anything is not as it must be.
pub async fn converge() {
    LocalSet::new().run_until(scene()).await;
}

async fn scene() {
    let (mut server, port) = NodeServer::start().await;
    let mut page = open_page(port);
    page.act(0, Act::Create, 1);
    page.until("the create", Page::idle).await;
    for tab in 0..TABS {
        page.act(tab, Act::Subscribe, 3);
    }
    page.until("the subscriptions", Page::idle).await;
    let mut r = Random::new(7);
    for round in 0..ROUNDS {
        page.act(r.below(TABS), Act::Submit, r.next());
        if round % RESTART_EVERY == RESTART_EVERY / 2 {
            server.ask("restart").await;
        }
        if r.once_in(3) {
            let message = tokio::time::timeout(PATIENCE, page.from_host.recv()).await;
            page.receive(message.expect("the host speaks").expect("the host runs"));
        }
    }
    page.until("the acknowledgements", Page::idle).await;
    for tab in 0..TABS {
        page.act(tab, Act::Fetch, 3);
    }
    page.until("the fetches", Page::idle).await;
    let dump = server.ask("dump c d").await;
    compare(&page, &dump);
}

fn open_page(port: u64) -> Page {
    let (to_host, inputs) = unbounded_channel();
    let (post, from_host) = unbounded_channel();
    let options = Options {
        epoch: Epoch(1),
        private: false,
        opens_sockets: true,
        ..Options::default()
    };
    let host = Host::new(options, Rc::new(Json0));
    let url = format!("ws://127.0.0.1:{port}");
    tokio::task::spawn_local(drive(host, url, inputs, move |tab, text| {
        // The page is gone when the scene is over.
        let _ = post.send((tab, text));
    }));
    let mut ledger = Ledger {
        no_errors: true,
        ..Ledger::default()
    };
    let keys = [DocKey {
        collection: "c".to_owned(),
        id: "d".to_owned(),
    }];
    let style = Style {
        wild: false,
        text0: false,
        short_turns: false,
        closes: false,
    };
    let tabs = (0..TABS)
        .map(|number| {
            Tab::open(
                (number, 0),
                Rc::new(Json0),
                &keys,
                style,
                false,
                &mut ledger,
            )
        })
        .collect();
    let mut page = Page {
        tabs,
        ledger,
        to_host,
        from_host,
    };
    (0..TABS).for_each(|tab| page.post(tab));
    page
}

fn compare(page: &Page, dump: &Value) {
    assert_eq!(page.ledger.problems, Vec::<String>::new());
    let data = dump.get("data").expect("the server has the document");
    for tab in &page.tabs {
        assert_eq!(
            tab.docs[0].data.to_json().len(),
            data.to_json().len(),
            "tab {}",
            tab.number
        );
        assert_eq!(&tab.docs[0].data, data, "tab {}", tab.number);
        let version = tab
            .connection
            .version(tab.docs[0].handle)
            .map(|version| version.0 as f64);
        assert_eq!(
            version,
            dump.get("v").and_then(Value::as_f64),
            "tab {}",
            tab.number
        );
    }
    let mut marks = BTreeMap::new();
    for op in dump
        .get("ops")
        .and_then(Value::as_array)
        .unwrap_or_default()
    {
        count_marks(op, &mut marks);
    }
    for call in &page.ledger.calls {
        if let What::Marked(mark) = &call.what {
            assert_eq!(call.end, Some(End::Done));
            assert_eq!(marks.get(mark), Some(&1), "{mark}");
        }
    }
}
