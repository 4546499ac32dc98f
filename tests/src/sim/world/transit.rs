//! What is on its way: messages between tabs, hosts and server, and the sockets that carry them.

use std::collections::VecDeque;

use broker::message::{ToHost, decode, encode};
use proxy_doc::{DocKey, TabId};
use worker_host::ReadyState;

use super::{Socket, World, note};
use crate::random::Random;
use crate::server::Server;
use crate::sim::garbage;
use crate::sim::host::HostSide;
use crate::sim::tab::Tab;
use crate::sim::witness::is_early;

impl World {
    pub(super) fn deliver_to_host(&mut self, tab: usize, count: usize) -> bool {
        let lives = |tab: &&mut Tab| tab.open && tab.linked;
        let Some(tab) = self.tabs.get_mut(tab).filter(lives) else {
            return false;
        };
        let count = count.min(tab.to_host.len());
        for text in tab.to_host.drain(..count) {
            note(self.trace, || format!("  {} > host: {text}", tab.id.0));
            if text.starts_with(r#"{"doc.destroy""#)
                && let Ok(ToHost::Destroy {
                    collection,
                    id,
                    callback_id,
                }) = decode(&text)
            {
                let key = DocKey { collection, id };
                self.witness.leaves(&tab.id, key, callback_id);
            }
            self.hosts[tab.host].host.handle_tab(&tab.id, &text);
        }
        count > 0
    }

    pub(super) fn deliver_to_tab(&mut self, tab: usize, count: usize) -> bool {
        let trace = self.trace;
        let mut arrived = Vec::new();
        let delivered = self.with_tab(tab, |tab, ledger| {
            let count = count.min(tab.to_tab.len());
            for _ in 0..count {
                if let Some(text) = tab.to_tab.pop_front() {
                    note(trace, || format!("  host > {}: {text}", tab.id.0));
                    tab.receive(ledger, &text);
                    if is_early(&text) && tab.has_taken(&text) {
                        arrived.push(text);
                    }
                }
            }
            count > 0
        });
        for text in arrived {
            let Tab { id, line, .. } = &self.tabs[tab];
            let problem = self.witness.arrived(&id.0, *line, &text);
            self.ledger.problems.extend(problem);
        }
        delivered
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

    pub(super) fn open_socket(&mut self, host: usize) -> bool {
        let number = self.sockets.len();
        let can = |side: &&mut HostSide| side.wants_socket && !side.away;
        let Some(side) = self.hosts.get_mut(host).filter(can) else {
            return false;
        };
        side.wants_socket = false;
        let session = self.server.connect();
        self.sockets.push(Socket::new(session));
        side.socket = Some(number);
        side.host.bind_socket(ReadyState::Connecting);
        side.host.socket_opened();
        true
    }

    pub(super) fn cut(&mut self, host: usize, up: usize, down: usize) -> bool {
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

    /// From now on the socket is silent.
    pub(super) fn swallow(&mut self, host: usize) -> bool {
        let Some(number) = self.hosts.get(host).and_then(|side| side.socket) else {
            return false;
        };
        let socket = &mut self.sockets[number];
        !std::mem::replace(&mut socket.silent, true)
    }

    pub(super) fn restart(&mut self, down: usize) -> bool {
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
    pub(in crate::sim) fn drain(&mut self) {
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
                silent: false,
                up_ended: true,
            };
            let socket = side.socket.and_then(|socket| self.sockets.get_mut(socket));
            side.drain(
                socket.unwrap_or(&mut nowhere),
                &mut self.tabs,
                &mut self.ledger,
                &mut self.witness,
            );
            match (self.hosts[number].is_over, self.hosts[number].resigns) {
                (true, Some(seed)) => self.take_place(number, seed),
                (true, None) => self.begin_anew(number),
                (false, _) => {}
            }
        }
        while let Some((session, text)) = self.server.poll() {
            let socket = self
                .sockets
                .iter_mut()
                .find(|socket| socket.session == session);
            if let Some(socket) = socket.filter(|socket| !socket.cut && !socket.silent) {
                socket.down.push_back(text);
            }
        }
    }

    pub(super) fn garbage(&mut self, host: usize, seed: u64) -> bool {
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
                        view: None,
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
