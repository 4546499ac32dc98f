//! Hosts that were frozen when others took their storage: they know nothing of that, thaw, and go on with what reaches
//! them. Their tabs have gone to the next host.

use std::collections::{BTreeSet, VecDeque};

use durable_store::{Ask, Failure, FailureKind, Request};
use proxy_doc::{Line, TabId};
use worker_host::{Host, Output, ReadyState};

use super::host::gives_up;
use super::ledger::Ledger;
use super::storage::{Storage, Tenure, marks};
use super::witness::{Witness, is_early};
use super::world::Socket;
use crate::random::Random;

/// How long a host is frozen, at least: a tab that hears nothing takes so many milliseconds until it takes the lock.
const FROZEN_MS: u64 = 5_500;

/// A host that goes on beside the one that took its storage.
pub(super) struct FrozenHost {
    pub(super) host: Host,
    /// What it asked of the storage.
    pub(super) requests: VecDeque<Request>,
    /// The last request from before it was frozen, where it was not carried out yet.
    pub(super) last_before: Option<u64>,
    /// A write from after that has succeeded: it took the storage last.
    pub(super) has_written: bool,
    /// The markers in what it has written since it thawed.
    pub(super) written: BTreeSet<u32>,
    pub(super) tenure: Tenure,
    /// The socket that it is bound to.
    pub(super) socket: Option<usize>,
    pub(super) wants_socket: bool,
    /// The tabs that it asked for.
    pub(super) finding: Option<Vec<TabId>>,
    /// It gave its storage up, and only asks now and then whether that answers.
    pub(super) lost: bool,
    /// The line that its tabs know.
    pub(super) line: Option<Line>,
    /// What tabs had posted to it.
    pub(super) posted: VecDeque<(TabId, String)>,
}

/// What is around a frozen host.
pub(super) struct Around<'a> {
    pub(super) storage: &'a mut Storage,
    pub(super) sockets: &'a mut Vec<Socket>,
    pub(super) ledger: &'a mut Ledger,
    pub(super) witness: &'a mut Witness,
    /// The tabs that live.
    pub(super) living: Vec<TabId>,
    /// Opens a socket.
    pub(super) connect: &'a mut dyn FnMut() -> Socket,
    /// The host took over without the tabs, which have another one.
    pub(super) passes_over: bool,
}

impl FrozenHost {
    /// One thing reaches the host. Where nothing is left it learns that its lock was stolen. Says whether it has ended.
    pub(super) fn thaw(&mut self, around: &mut Around<'_>, r: &mut Random) -> bool {
        self.host.set_now(FROZEN_MS);
        let first = r.below(5);
        let mut refused = false;
        let reached = (0..5).any(|n| match (first + n) % 5 {
            0 => self.store(around, &mut refused),
            1 => self.hear_server(around),
            2 => self.hear_tab(),
            3 => self.open(around),
            _ => self.find_tabs(around),
        });
        if !reached {
            self.host.depose();
        }
        let ended = self.drain(around);
        if let Some(socket) = self.socket.filter(|_| ended) {
            around.sockets[socket].cut = true;
            around.sockets[socket].down.clear();
        }
        let ledger = &mut *around.ledger;
        ledger.count(refused, "a frozen host was refused a write");
        if (refused && !self.lost || !reached) && !ended {
            ledger.problem("a host goes on whose storage another one has".to_owned());
        }
        ended
    }

    fn store(&mut self, around: &mut Around<'_>, refused: &mut bool) -> bool {
        let Some(request) = self.requests.pop_front() else {
            return false;
        };
        let reply = around.storage.carry_out(&request.what, &mut self.tenure);
        let is_fenced = |failure: &Failure| failure.kind == FailureKind::Fenced;
        *refused = reply.as_ref().is_err_and(is_fenced);
        if let (Ask::Write { puts, .. }, Ok(_)) = (&request.what, &reply) {
            self.has_written |= self.last_before < Some(request.number);
            self.written
                .extend(puts.iter().flat_map(|(_, text)| marks(text)));
        }
        self.host.handle_storage(request.number, reply);
        true
    }

    fn hear_server(&mut self, around: &mut Around<'_>) -> bool {
        let Some(number) = self.socket else {
            return false;
        };
        let socket = &mut around.sockets[number];
        match socket.down.pop_front() {
            Some(text) => self.host.socket_message(&text),
            None if socket.cut => {
                self.socket = None;
                self.host.socket_closed(None, 0.5);
                // It does not wait.
                self.host.handle_timer(0.5);
            }
            None => return false,
        }
        true
    }

    fn hear_tab(&mut self) -> bool {
        let Some((tab, text)) = self.posted.pop_front() else {
            return false;
        };
        self.host.handle_tab(&tab, &text);
        true
    }

    fn find_tabs(&mut self, around: &mut Around<'_>) -> bool {
        let Some(mut living) = self.finding.take() else {
            return false;
        };
        living.retain(|tab| around.living.contains(tab));
        self.host.tabs_found(&living);
        around.passes_over = self.host.waits_for_tabs();
        self.host.tabs_asleep();
        true
    }

    fn open(&mut self, around: &mut Around<'_>) -> bool {
        if !std::mem::take(&mut self.wants_socket) {
            return false;
        }
        self.socket = Some(around.sockets.len());
        around.sockets.push((around.connect)());
        self.host.bind_socket(ReadyState::Connecting);
        self.host.socket_opened();
        true
    }

    /// Sends on what it says to the server. Tabs that were frozen with it hear it, and keep what they are shown early: the next
    /// host does not have that. Says whether it has ended.
    fn drain(&mut self, around: &mut Around<'_>) -> bool {
        let mut shown = Vec::new();
        let ended = self.carry_out(around, &mut shown);
        // One that has given its storage up begins another line.
        if !self.lost && !self.has_written {
            around.ledger.problems.append(&mut shown);
        }
        around.witness.left(&TabId("frozen".to_owned()), None);
        ended
    }

    /// `shown`: what it shows early that it has not written, as problems.
    fn carry_out(&mut self, around: &mut Around<'_>, shown: &mut Vec<String>) -> bool {
        while let Some(output) = self.host.poll() {
            match output {
                Output::Send(text) => {
                    let problem = around.witness.sent(&text, Some(around.storage));
                    around.ledger.problems.extend(problem);
                    let is_op = text.starts_with(r#"{"a":"op""#);
                    around.ledger.count(is_op, "a frozen host sent an op");
                    let socket = self.socket.map(|socket| &mut around.sockets[socket]);
                    if let Some(socket) = socket.filter(|socket| !socket.cut) {
                        socket.up.push_back(text);
                    }
                }
                Output::CloseSocket => {
                    if let Some(socket) = self.socket.take() {
                        around.sockets[socket].cut = true;
                        around.sockets[socket].down.clear();
                    }
                }
                Output::OpenSocket(_) => self.wants_socket = true,
                Output::Storage(request) => self.requests.push_back(request),
                Output::FindTabs(tabs) => self.finding = Some(tabs),
                Output::Deposed | Output::Resigned | Output::BeginAnew | Output::Debug { .. } => {
                    if let Some(output) = self.host.poll() {
                        let text = format!("a host has ended, and says {output:?}");
                        around.ledger.problem(text);
                    }
                    return true;
                }
                Output::Warn(text) => self.lost |= gives_up(&text),
                Output::ToTab { tab, text, .. } => {
                    let ledger = &mut *around.ledger;
                    ledger.count(true, "a frozen host told a tab something");
                    // Of what the next host says by the same number it may say nothing else.
                    if !text.contains(r#""accepted""#) {
                        let (line, storage) = (&mut self.line, Some(&*around.storage));
                        let problem = around.witness.posted("frozen", line, &text, storage);
                        shown.extend(problem.map(|problem| format!("a frozen host: {problem}")));
                    }
                    if is_early(&text) && !marks(&text).all(|mark| self.written.contains(&mark)) {
                        let tab = tab.0;
                        shown.push(format!(
                            "a host that was frozen shows {tab} early: {text:.300}"
                        ));
                    }
                }
                Output::DropSocket
                | Output::StartTimer(_)
                | Output::StartAlarm(_)
                | Output::Realtime(_) => {}
            }
        }
        false
    }
}
