//! All actors and everything on its way between them. Time is the order of the steps.

mod hosts;

mod transit;

use std::collections::VecDeque;
use std::rc::Rc;

use proxy_doc::{DocKey, OtType, Types, json_string};
use worker_host::ReadyState;

use super::edit::Style;
use super::forward::ForwardOnly;
use super::host::HostSide;
use super::ledger::{Ledger, What};
use super::step::{Act, Config, Step, Weather};
use super::tab::{Listener, Tab, snapshot};
use super::witness::Witness;
use crate::random::Random;
use crate::server::{Server, SessionId};

/// What the server says where it refuses an op.
pub(super) const REFUSED: &str = "refused by the simulation";

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
    /// What gets on its way is swallowed, both ways, and neither end notices.
    pub(super) silent: bool,
    /// The server has noticed.
    pub(super) up_ended: bool,
}

impl Socket {
    /// One that is open, with a session of the server.
    pub(super) fn new(session: SessionId) -> Self {
        Self {
            session,
            up: VecDeque::new(),
            down: VecDeque::new(),
            cut: false,
            silent: false,
            up_ended: false,
        }
    }
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
        let mut server = Server::new();
        server.refuse_copies();
        let mut world = Self {
            server,
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
            let types: Rc<dyn Types> = if number == 0 && world.config.forward {
                Rc::new(ForwardOnly)
            } else {
                Rc::clone(&world.types)
            };
            let side = HostSide::new(number, &world.config, &types);
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
        if self.config.starts_empty {
            return;
        }
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
            short_turns: self.config.short_turns,
            closes: self.config.queries,
        };
        let place = (self.tabs.len(), host);
        let tab = Tab::open(
            place,
            Rc::clone(&self.types),
            &self.keys,
            style,
            self.config.urls,
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
            Step::Query { tab, doc, seed } => {
                self.with_tab(tab, |tab, ledger| tab.ask_query(ledger, doc, seed))
            }
            Step::Presence { tab, act, value } => {
                self.with_tab(tab, |tab, ledger| tab.act_on_presence(ledger, act, value))
            }
            Step::DropQuery { tab, at } => {
                self.with_tab(tab, |tab, ledger| tab.drop_query(ledger, at))
            }
            Step::Tick { tab } => self.with_tab(tab, |tab, ledger| {
                let any = !tab.later.is_empty();
                tab.tick(ledger);
                any
            }),
            Step::OpenTab { host } => self.tabs.len() < MAX_TABS && self.open_tab(host),
            Step::CloseTab { tab, arrive } => self.close_tab(tab, arrive),
            Step::Leave { tab, doc, seed } => self.leave(tab, doc, seed),
            Step::Hide { tab } => self.with_tab(tab, |tab, ledger| {
                tab.hide(ledger);
                true
            }),
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
            Step::Swallow { host } => self.swallow(host),
            Step::Restart { down } => self.restart(down),
            Step::Timer { host } => self.with_host(host, |side| {
                let due = side.timer.take().is_some();
                if due {
                    side.host.handle_timer(0.5);
                }
                due
            }),
            Step::GiveUrl { tab, fails } => {
                self.with_tab(tab, |tab, ledger| tab.give_url(ledger, fails))
            }
            Step::WakeHost { host } => self.with_host(host, |side| {
                side.host.wake(0.5);
                true
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
            | Step::RefuseReads { .. }
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
            Step::Intrude { host, idle } => self.intrude(host, idle),
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
            Step::Asleep { host } => self.sleep_through(host),
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
                others,
                seed,
            } => self.kill(host, (committed, up), (gone, others), seed),
            Step::HandOver { host, seed } => {
                let ledger = &mut self.ledger;
                let side = self.hosts.get_mut(host);
                side.is_some_and(|side| side.resign(seed, ledger))
            }
            Step::Freeze { host, seed } => self.freeze(host, seed),
            Step::Thaw { host, at, seed } => self.thaw(host, at, seed),
            Step::Rejoin { tab } => self.rejoin(tab),
            Step::Away { host, on } => self.set_away(host, on),
            Step::Garbage { host, seed } => self.garbage(host, seed),
        }
    }

    fn arm(&mut self, step: &Step) {
        match step {
            Step::Reject { code } => {
                self.rejected_softly |= code == proxy_doc::codes::ERR_OP_SUBMIT_REJECTED;
                self.server.reject_next_submit(code, REFUSED);
            }
            Step::Fixup { add } => {
                self.server
                    .fixup_next_submit(&format!(r#"[{{"p":["fix"],"na":{add}}}]"#));
            }
            Step::RefuseReads { doc, code, reach } => {
                if let Some(key) = self.keys.get(*doc) {
                    self.ledger
                        .count(code.is_some(), "the server refused reads");
                    let (c, d) = (&key.collection, &key.id);
                    self.server.refuse_reads(c, d, code.as_deref(), *reach);
                }
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

    /// The tab edits and goes. Its last task sends all that was submitted, and what it posts by then arrives.
    fn leave(&mut self, tab: usize, doc: usize, seed: u64) -> bool {
        let first = self.ledger.calls.len();
        let edited = self.with_tab(tab, |tab, ledger| {
            let known = doc < tab.docs.len();
            if known {
                tab.act(ledger, doc, Act::Submit, seed);
                tab.tick(ledger);
                // The one before is inflight.
                tab.act(ledger, doc, Act::Submit, seed.wrapping_add(1));
                tab.hide(ledger);
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
}

fn note(trace: bool, text: impl FnOnce() -> String) {
    if trace {
        println!("{}", text());
    }
}
