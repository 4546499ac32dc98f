//! All actors and everything on its way between them. Time is the order of the steps.

use std::collections::VecDeque;
use std::rc::Rc;

use broker::message::{ToHost, decode, encode};
use proxy_doc::{DocKey, OtType, TabId, Types, json_string};
use worker_host::ReadyState;

use super::edit::Style;
use super::garbage;
use super::host::HostSide;
use super::ledger::{Ledger, What};
use super::random::Random;
use super::step::{Act, Config, Kept, Step, Weather};
use super::tab::{Listener, Tab, snapshot};
use super::witness::Witness;
use crate::server::{Server, SessionId};

/// Tabs that may be opened during a simulation, the closed ones included.
const MAX_TABS: usize = 16;
/// Listeners that may wait on one document.
const MAX_LISTENERS: usize = 4;

/// json0 alone.
pub(super) struct Json0;

impl Types for Json0 {
    fn resolve(&self, name: &str) -> Option<OtType> {
        (name == ot_json0::NAME || name == ot_json0::URI).then_some(OtType::Json0(None))
    }

    fn default_uri(&self) -> String {
        ot_json0::URI.to_owned()
    }
}

/// One socket, from both ends: each end may notice its end at its own time.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) session: SessionId,
    pub(super) up: VecDeque<String>,
    pub(super) down: VecDeque<String>,
    /// Broken: nothing new gets on its way.
    pub(super) cut: bool,
    /// The server has noticed.
    pub(super) up_ended: bool,
}

/// The simulation.
pub(super) struct World {
    pub(super) config: Config,
    pub(super) server: Server,
    pub(super) hosts: Vec<HostSide>,
    pub(super) sockets: Vec<Socket>,
    pub(super) tabs: Vec<Tab>,
    pub(super) keys: Vec<DocKey>,
    pub(super) ledger: Ledger,
    pub(super) witness: Witness,
    pub(super) types: Rc<dyn Types>,
    /// Whether to print what arrives where.
    pub(super) trace: bool,
    /// Whether the server was told to reject an op softly.
    pub(super) rejected_softly: bool,
    /// Whether hosts find time, when the simulation comes to rest.
    pub(super) quiet: bool,
}

impl World {
    pub(super) fn new(config: Config, trace: bool) -> Self {
        let keys = (0..config.docs)
            .map(|n| DocKey {
                collection: format!("c{}", n / 2),
                id: format!("d{n}"),
            })
            .collect();
        let ledger = Ledger {
            no_errors: config.weather == Weather::Fair,
            ..Ledger::default()
        };
        let mut world = Self {
            server: Server::new(),
            hosts: Vec::new(),
            sockets: Vec::new(),
            tabs: Vec::new(),
            keys,
            ledger,
            witness: Witness::new(config.weather != Weather::Wild && !config.creates()),
            types: Rc::new(Json0),
            trace,
            rejected_softly: false,
            quiet: config.seed.is_multiple_of(2),
            config,
        };
        world.seed_documents();
        for number in 0..world.config.hosts {
            let side = HostSide::new(number, &world.config, &world.types);
            world.hosts.push(side);
        }
        for host in world.config.tabs.clone() {
            world.open_tab(host);
        }
        world.drain();
        world
    }

    /// The first document exists; all of them do where nobody creates one.
    fn seed_documents(&mut self) {
        let mut r = Random::new(self.config.seed);
        let session = self.server.connect();
        for (n, key) in self.keys.iter().enumerate() {
            if n > 0 && self.config.creates() {
                continue;
            }
            let data = super::edit::initial(&mut r, "first").to_json();
            let text = format!(
                r#"{{"a":"op","c":"{}","d":"{}","v":null,"seq":{},"create":{{"type":"json0","data":{data}}}}}"#,
                key.collection,
                key.id,
                n + 1
            );
            self.server.receive(session, &text);
        }
        self.server.disconnect(session);
    }

    pub(super) fn open_tab(&mut self, host: usize) -> bool {
        if host >= self.hosts.len() {
            return false;
        }
        let style = Style {
            wild: self.config.weather == Weather::Wild,
            text0: self.config.text0,
        };
        let place = (self.tabs.len(), host);
        let tab = Tab::open(
            place,
            Rc::clone(&self.types),
            &self.keys,
            style,
            &mut self.ledger,
        );
        self.tabs.push(tab);
        self.hosts[host].meet();
        true
    }

    // ---- Steps ----

    /// Takes one step. Says whether it applied.
    pub(super) fn take(&mut self, step: &Step) -> bool {
        let applied = self.apply(step);
        note(self.trace && applied, || {
            serde_json::to_string(step).unwrap_or_default()
        });
        self.drain();
        applied
    }

    fn apply(&mut self, step: &Step) -> bool {
        match *step {
            Step::Do {
                tab,
                doc,
                act,
                seed,
            } => self.with_tab(tab, |tab, ledger| {
                let known = doc < tab.docs.len();
                tab.act(ledger, doc, act, seed);
                known
            }),
            Step::Listen {
                tab,
                doc,
                on,
                act,
                seed,
            } => self.with_tab(tab, |tab, _| {
                let Some(doc) = tab.docs.get_mut(doc) else {
                    return false;
                };
                doc.listeners.push(Listener { on, act, seed });
                doc.listeners.truncate(MAX_LISTENERS);
                true
            }),
            Step::Tick { tab } => self.with_tab(tab, |tab, ledger| {
                let any = !tab.later.is_empty();
                tab.tick(ledger);
                any
            }),
            Step::OpenTab { host } => self.tabs.len() < MAX_TABS && self.open_tab(host),
            Step::CloseTab { tab, arrive } => self.close_tab(tab, arrive),
            Step::Leave { tab, doc, seed } => self.leave(tab, doc, seed),
            Step::Block { tab } => self.with_tab(tab, |tab, _| {
                tab.blocked = true;
                true
            }),
            Step::Wake { tab, doc, seed } => self.wake(tab, doc, seed),
            Step::CrashTab { tab } => {
                let types = Rc::clone(&self.types);
                self.with_tab(tab, |tab, ledger| {
                    let runs = !tab.blocked;
                    if runs {
                        tab.crash(ledger, types);
                    }
                    runs
                })
            }
            Step::ToHost { tab, count } => self.deliver_to_host(tab, count),
            Step::ToTab { tab, count } => self.deliver_to_tab(tab, count),
            Step::ToServer { socket, count } => self.deliver_to_server(socket, count),
            Step::FromServer { host, count } => self.deliver_from_server(host, count),
            Step::Cut { host, up, down } => self.cut(host, up, down),
            Step::Restart { down } => self.restart(down),
            Step::Timer { host } => self.with_host(host, |side| {
                let due = std::mem::take(&mut side.timer);
                if due {
                    side.host.handle_timer();
                }
                due
            }),
            Step::Open { host } => self.open_socket(host),
            Step::OpenFails { host } => self.with_host(host, |side| {
                let due = std::mem::take(&mut side.wants_socket);
                if due {
                    side.host.bind_socket(ReadyState::Connecting);
                    side.host.socket_failed(json_string("refused"));
                    side.host.socket_closed(Some(json_string("refused")), 0.5);
                }
                due
            }),
            Step::Confirm { tab } => self.with_tab(tab, |tab, _| {
                tab.confirm();
                true
            }),
            Step::Reject { .. }
            | Step::Fixup { .. }
            | Step::Hold { .. }
            | Step::RefuseNoOps { .. } => {
                self.arm(step);
                true
            }
            Step::Store { host, count } => self.store(host, count),
            Step::StoreLater { host, at } => self.with_host(host, |side| side.carry_out(at)),
            Step::StoreFails { host, fault, done } => {
                let ledger = &mut self.ledger;
                let side = self.hosts.get_mut(host);
                side.is_some_and(|side| side.fail(fault, done, ledger))
            }
            Step::StoreDies { host, done } => {
                let ledger = &mut self.ledger;
                let side = self.hosts.get_mut(host);
                side.is_some_and(|side| side.lose_handle(done, ledger))
            }
            Step::StoreHangs { host, on } => {
                let ledger = &mut self.ledger;
                let side = self.hosts.get_mut(host);
                side.is_some_and(|side| side.set_hanging(on, ledger))
            }
            Step::Intrude { host, idle } => {
                let ledger = &mut self.ledger;
                let side = self.hosts.get_mut(host);
                side.is_some_and(|side| side.intrude(idle, ledger))
            }
            Step::Room { host, bytes } => self.with_host(host, |side| {
                side.storage
                    .as_mut()
                    .map(|storage| storage.set_room(bytes))
                    .is_some()
            }),
            Step::FindTabs { host } => match self.hosts.get_mut(host) {
                Some(side) => side.find_tabs(&self.tabs),
                None => false,
            },
            Step::Idle { host } => self.with_host(host, |side| {
                let wants = side.host.wants_idle();
                if wants {
                    side.host.handle_idle();
                }
                wants
            }),
            Step::KillHost {
                host,
                committed,
                up,
                gone,
                seed,
            } => self.kill(host, (committed, up, gone), seed),
            Step::Rejoin { tab } => self.rejoin(tab),
            Step::Away { host, on } => self.set_away(host, on),
            Step::Garbage { host, seed } => self.garbage(host, seed),
        }
    }

    fn arm(&mut self, step: &Step) {
        match step {
            Step::Reject { code } => {
                self.rejected_softly |= code == proxy_doc::codes::ERR_OP_SUBMIT_REJECTED;
                self.server
                    .reject_next_submit(code, "refused by the simulation");
            }
            Step::Fixup { add } => {
                self.server
                    .fixup_next_submit(&format!(r#"[{{"p":["fix"],"na":{add}}}]"#));
            }
            Step::Hold { on } => self.server.hold_publications(*on),
            Step::RefuseNoOps { on } => self.server.do_not_commit_no_ops(*on),
            _ => unreachable!("only the server's switches are armed"),
        }
    }

    pub(super) fn with_tab(
        &mut self,
        tab: usize,
        action: impl FnOnce(&mut Tab, &mut Ledger) -> bool,
    ) -> bool {
        let runs = |tab: &&mut Tab| tab.open && !tab.blocked;
        match self.tabs.get_mut(tab).filter(runs) {
            Some(tab) => {
                if tab.docs.iter().any(|doc| !doc.exists) {
                    let served = self
                        .keys
                        .iter()
                        .map(|key| self.server.snapshot(&key.collection, &key.id));
                    tab.served = served.map(|served| served.as_ref().map(snapshot)).collect();
                }
                action(tab, &mut self.ledger)
            }
            None => false,
        }
    }

    fn with_host(&mut self, host: usize, action: impl FnOnce(&mut HostSide) -> bool) -> bool {
        self.hosts.get_mut(host).is_some_and(action)
    }

    /// The tab dies; some of what it had posted still arrives.
    pub(super) fn close_tab(&mut self, tab: usize, arrive: usize) -> bool {
        if !self.tabs.get(tab).is_some_and(|tab| tab.open) {
            return false;
        }
        self.deliver_to_host(tab, arrive);
        let tab = &mut self.tabs[tab];
        tab.end();
        self.witness.left(&tab.id, None);
        let side = &mut self.hosts[tab.host];
        if tab.linked || side.watched.contains(&tab.id) {
            side.host.tab_gone(&tab.id);
        }
        true
    }

    /// The tab edits and goes. Its last task flushes what was submitted, and what it posts by then arrives.
    fn leave(&mut self, tab: usize, doc: usize, seed: u64) -> bool {
        let first = self.ledger.calls.len();
        let edited = self.with_tab(tab, |tab, ledger| {
            let known = doc < tab.docs.len();
            if known {
                tab.act(ledger, doc, Act::Submit, seed);
                tab.tick(ledger);
            }
            known
        });
        if !edited {
            return false;
        }
        let posted = &self.tabs[tab];
        let is_posted = |mark: &str| {
            let quoted = format!("\"{mark}\"");
            posted.linked && posted.to_host.iter().any(|text| text.contains(&quoted))
        };
        for call in &mut self.ledger.calls[first..] {
            call.left = matches!(&call.what, What::Marked(mark) if is_posted(mark));
        }
        let left = self.ledger.calls[first..].iter().any(|call| call.left);
        self.ledger.count(left, "a tab left with an op on its way");
        self.close_tab(tab, usize::MAX)
    }

    fn wake(&mut self, tab: usize, doc: Option<usize>, seed: u64) -> bool {
        let blocked = |tab: &&mut Tab| tab.open && tab.blocked;
        let Some(woken) = self.tabs.get_mut(tab).filter(blocked) else {
            return false;
        };
        woken.blocked = false;
        self.with_tab(tab, |tab, ledger| {
            if let Some(doc) = doc.filter(|doc| *doc < tab.docs.len()) {
                ledger.count(!tab.to_tab.is_empty(), "a blocked tab edited first");
                tab.act(ledger, doc, Act::Submit, seed);
            }
            true
        })
    }

    // ---- Hosts ----

    /// The storage carries out the next requests, also those that follow from them.
    fn store(&mut self, host: usize, count: usize) -> bool {
        for done in 0..count {
            let Some(side) = self.hosts.get_mut(host) else {
                return false;
            };
            if !side.carry_out(0) {
                return done > 0;
            }
            self.drain();
        }
        true
    }

    fn kill(
        &mut self,
        host: usize,
        (committed, up, gone): (usize, usize, usize),
        seed: u64,
    ) -> bool {
        let Some(side) = self.hosts.get_mut(host) else {
            return false;
        };
        let socket = side.socket;
        side.count(committed, &mut self.ledger);
        if !side.die(committed) {
            return false;
        }
        if self.config.kept == Kept::Nothing || host > 0 {
            self.ledger.lose();
        }
        if let Some(socket) = socket {
            let socket = &mut self.sockets[socket];
            socket.cut = true;
            socket.up.truncate(up);
            socket.down.clear();
        }
        let mut r = Random::new(seed);
        let tabs = self.tabs.iter_mut();
        for (n, tab) in tabs.filter(|tab| tab.open && tab.host == host).enumerate() {
            let arrive = r.below(tab.to_tab.len() + 1);
            self.ledger.count(n < gone, "a host died with a tab");
            if n < gone {
                tab.end();
                self.witness.left(&tab.id, None);
            } else if tab.linked {
                tab.linked = false;
                tab.to_tab.truncate(arrive);
            }
        }
        true
    }

    /// The host was told that its storage answers again, and gave its place to another one. All that it posted arrives.
    fn begin_anew(&mut self, host: usize) {
        self.ledger
            .count(true, "a host began anew with a storage that had hung");
        let side = &mut self.hosts[host];
        let socket = side.socket;
        side.begin_another(0);
        if let Some(socket) = socket {
            self.sockets[socket].cut = true;
            self.sockets[socket].down.clear();
        }
        for tab in 0..self.tabs.len() {
            let of_host = |tab: &&Tab| tab.open && tab.linked && tab.host == host;
            if self.tabs.get(tab).filter(of_host).is_some() {
                self.deliver_to_tab(tab, usize::MAX);
                self.tabs[tab].linked = false;
            }
        }
    }

    fn rejoin(&mut self, tab: usize) -> bool {
        let away = self
            .tabs
            .get(tab)
            .is_some_and(|tab| tab.open && !tab.linked && !tab.blocked);
        if away {
            self.hosts[self.tabs[tab].host].meet();
            self.with_tab(tab, |tab, ledger| {
                tab.rejoin(ledger);
                true
            });
            let tab = &self.tabs[tab];
            let register = tab.to_host.front().map(|text| decode(text));
            if let Some(Ok(ToHost::Register { resume, .. })) = register {
                let ledger = &mut self.ledger;
                let inflight = resume.iter().any(|doc| doc.inflight.is_some());
                ledger.count(inflight, "a tab came with an op on its way");
                let accepted = resume.iter().any(|doc| !doc.accepted.is_empty());
                ledger.count(accepted, "a tab came with an op that was accepted");
                let live = resume.iter().any(|doc| doc.live);
                ledger.count(live, "a tab came with a subscription");
                self.witness.resumes(&tab.id, &resume);
            }
        }
        away
    }

    fn set_away(&mut self, host: usize, on: bool) -> bool {
        if on {
            self.cut(host, 0, 0);
        }
        self.with_host(host, |side| std::mem::replace(&mut side.away, on) != on)
    }

    // ---- Messages ----

    pub(super) fn deliver_to_host(&mut self, tab: usize, count: usize) -> bool {
        let lives = |tab: &&mut Tab| tab.open && tab.linked;
        let Some(tab) = self.tabs.get_mut(tab).filter(lives) else {
            return false;
        };
        let count = count.min(tab.to_host.len());
        for text in tab.to_host.drain(..count) {
            note(self.trace, || format!("  {} > host: {text}", tab.id.0));
            if text.starts_with(r#"{"doc.destroy""#)
                && let Ok(ToHost::Destroy { collection, id }) = decode(&text)
            {
                let key = DocKey { collection, id };
                self.ledger.destroyed.push((tab.id.clone(), key));
            }
            self.hosts[tab.host].host.handle_tab(&tab.id, &text);
        }
        count > 0
    }

    pub(super) fn deliver_to_tab(&mut self, tab: usize, count: usize) -> bool {
        let trace = self.trace;
        self.with_tab(tab, |tab, ledger| {
            let count = count.min(tab.to_tab.len());
            for _ in 0..count {
                if let Some(text) = tab.to_tab.pop_front() {
                    note(trace, || format!("  host > {}: {text}", tab.id.0));
                    tab.receive(ledger, &text);
                }
            }
            count > 0
        })
    }

    pub(super) fn deliver_to_server(&mut self, socket: usize, count: usize) -> bool {
        let Some(socket) = self
            .sockets
            .get_mut(socket)
            .filter(|socket| !socket.up_ended)
        else {
            return false;
        };
        for done in 0..count {
            match socket.up.pop_front() {
                Some(text) => {
                    note(self.trace, || format!("  > server: {text}"));
                    self.server.receive(socket.session, &text);
                }
                None if socket.cut => {
                    socket.up_ended = true;
                    self.server.disconnect(socket.session);
                    return true;
                }
                None => return done > 0,
            }
        }
        true
    }

    pub(super) fn deliver_from_server(&mut self, host: usize, count: usize) -> bool {
        let Some(side) = self.hosts.get_mut(host) else {
            return false;
        };
        let Some(number) = side.socket else {
            return false;
        };
        let socket = &mut self.sockets[number];
        for done in 0..count {
            match socket.down.pop_front() {
                Some(text) => {
                    note(self.trace, || format!("  server > host {host}: {text}"));
                    side.host.socket_message(&text);
                }
                None if socket.cut => {
                    side.socket = None;
                    side.host.socket_closed(None, 0.5);
                    return true;
                }
                None => return done > 0,
            }
            // What the host answers must not wait for the next message.
            side.drain(socket, &mut self.tabs, &mut self.ledger, &mut self.witness);
            if side.socket.is_none() {
                return true;
            }
        }
        true
    }

    // ---- Sockets ----

    fn open_socket(&mut self, host: usize) -> bool {
        let number = self.sockets.len();
        let can = |side: &&mut HostSide| side.wants_socket && !side.away;
        let Some(side) = self.hosts.get_mut(host).filter(can) else {
            return false;
        };
        side.wants_socket = false;
        let session = self.server.connect();
        let (up, down) = (VecDeque::new(), VecDeque::new());
        self.sockets.push(Socket {
            session,
            up,
            down,
            cut: false,
            up_ended: false,
        });
        side.socket = Some(number);
        side.host.bind_socket(ReadyState::Connecting);
        side.host.socket_opened();
        true
    }

    fn cut(&mut self, host: usize, up: usize, down: usize) -> bool {
        let Some(number) = self.hosts.get(host).and_then(|side| side.socket) else {
            return false;
        };
        let socket = &mut self.sockets[number];
        let news = !socket.cut;
        if news {
            socket.cut = true;
            socket.up.truncate(up);
            socket.down.truncate(down);
        }
        news
    }

    fn restart(&mut self, down: usize) -> bool {
        self.server.restart();
        for socket in &mut self.sockets {
            socket.cut = true;
            socket.up_ended = true;
            socket.up.clear();
            socket.down.truncate(down);
        }
        true
    }

    /// Sends on what the machines have to say.
    pub(super) fn drain(&mut self) {
        for (tab, doc) in std::mem::take(&mut self.ledger.destroyed) {
            self.witness.left(&tab, Some(&doc));
        }
        for number in 0..self.hosts.len() {
            let side = &mut self.hosts[number];
            let mut nowhere = Socket {
                session: self
                    .sockets
                    .first()
                    .map_or_else(|| Server::new().connect(), |s| s.session),
                up: VecDeque::new(),
                down: VecDeque::new(),
                cut: true,
                up_ended: true,
            };
            let socket = side.socket.and_then(|socket| self.sockets.get_mut(socket));
            side.drain(
                socket.unwrap_or(&mut nowhere),
                &mut self.tabs,
                &mut self.ledger,
                &mut self.witness,
            );
            if self.hosts[number].is_over {
                self.begin_anew(number);
            }
        }
        while let Some((session, text)) = self.server.poll() {
            let socket = self
                .sockets
                .iter_mut()
                .find(|socket| socket.session == session);
            if let Some(socket) = socket.filter(|socket| !socket.cut) {
                socket.down.push_back(text);
            }
        }
    }

    fn garbage(&mut self, host: usize, seed: u64) -> bool {
        let Some(side) = self.hosts.get_mut(host) else {
            return false;
        };
        let mut r = Random::new(seed);
        let stranger = TabId("stranger".to_owned());
        match r.below(4) {
            0 => side.host.socket_message(&garbage::from_server(&mut r)),
            1 => {
                let text = garbage::from_tab(&mut r, &self.keys);
                note(self.trace, || format!("  stranger > host: {text:.200}"));
                side.host.handle_tab(&stranger, &text);
                side.host.tab_gone(&stranger);
            }
            2 => {
                side.host.handle_tab(
                    &stranger,
                    &encode(&ToHost::Register {
                        protocol: 1,
                        resume: Vec::new(),
                        machine: None,
                    }),
                );
                for _ in 0..r.below(4) {
                    let text = garbage::from_tab(&mut r, &self.keys);
                    note(self.trace, || format!("  stranger > host: {text:.200}"));
                    side.host.handle_tab(&stranger, &text);
                }
                side.host.tab_gone(&stranger);
            }
            _ => {
                let text = garbage::from_host(&mut r);
                let tab = r.below(self.tabs.len());
                return self.with_tab(tab, |tab, ledger| {
                    tab.receive(ledger, &text);
                    true
                });
            }
        }
        true
    }
}

fn note(trace: bool, text: impl FnOnce() -> String) {
    if trace {
        println!("{}", text());
    }
}
