//! What happens to hosts: storage, deaths, successors, and tabs that come to the next one.

use std::collections::VecDeque;

use broker::message::{LeadEntry, Resumed, ToHost, decode};
use durable_store::format::JournalEntry;
use proxy_doc::TabId;

use super::{Socket, World};
use crate::random::Random;
use crate::sim::frozen::Around;
use crate::sim::host::HostSide;
use crate::sim::step::Kept;
use crate::sim::tab::Tab;

impl World {
    /// The storage carries out the next requests, also those that follow from them.
    pub(super) fn store(&mut self, host: usize, count: usize) -> bool {
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

    pub(super) fn kill(
        &mut self,
        host: usize,
        (committed, up): (usize, usize),
        (gone, others): (usize, u64),
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
            let goes = n < gone || (n < 64 && others >> n & 1 == 1);
            self.ledger.count(goes, "a host died with a tab");
            if goes {
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
    pub(super) fn begin_anew(&mut self, host: usize) {
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

    /// The host has resigned, and another one takes its place.
    pub(super) fn take_place(&mut self, host: usize, seed: u64) {
        let mut r = Random::new(seed);
        let side = &mut self.hosts[host];
        let (socket, keeps_log) = (side.socket, side.keeps_log());
        side.begin_another(0);
        if let Some(socket) = socket {
            let socket = &mut self.sockets[socket];
            socket.cut = true;
            socket.up.truncate(r.below(socket.up.len() + 1));
            socket.down.clear();
        }
        let tabs = self.tabs.iter_mut();
        for tab in tabs.filter(|tab| tab.open && tab.linked && tab.host == host) {
            tab.linked = false;
            // Without a log it resigned because everything was told.
            tab.hears_all = !keeps_log;
            if keeps_log {
                tab.to_tab.truncate(r.below(tab.to_tab.len() + 1));
            }
        }
    }

    /// The host is frozen, and another one takes its storage. Its tabs look for that one.
    pub(super) fn freeze(&mut self, host: usize, seed: u64) -> bool {
        let mut r = Random::new(seed);
        let is_of_host = |tab: &Tab| tab.open && tab.linked && tab.host == host;
        let (mut line, mut posted) = (None, VecDeque::new());
        for tab in self.tabs.iter().filter(|tab| is_of_host(tab)) {
            let arrive = r.below(tab.to_host.len() + 1);
            line = line.or(tab.line);
            let texts = tab.to_host.iter().take(arrive).cloned();
            posted.extend(texts.map(|text| (tab.id.clone(), text)));
        }
        let ledger = &mut self.ledger;
        let side = self.hosts.get_mut(host);
        if !side.is_some_and(|side| side.freeze(line, posted, ledger)) {
            return false;
        }
        for tab in self.tabs.iter_mut().filter(|tab| is_of_host(tab)) {
            tab.linked = false;
            tab.to_tab.truncate(r.below(tab.to_tab.len() + 1));
        }
        true
    }

    pub(super) fn thaw(&mut self, host: usize, at: usize, seed: u64) -> bool {
        let Some(HostSide {
            frozen, storage, ..
        }) = self.hosts.get_mut(host)
        else {
            return false;
        };
        let (Some(thawed), Some(storage)) = (frozen.get_mut(at), storage) else {
            return false;
        };
        let living = self.tabs.iter().filter(|tab| tab.open);
        let living = living.map(|tab| tab.id.clone()).collect();
        let server = &mut self.server;
        let mut around = Around {
            storage,
            sockets: &mut self.sockets,
            ledger: &mut self.ledger,
            witness: &mut self.witness,
            living,
            connect: &mut || Socket::new(server.connect()),
            passes_over: false,
        };
        let has_ended = thawed.thaw(&mut around, &mut Random::new(seed));
        let passes_over = around.passes_over;
        if has_ended {
            frozen.remove(at);
        }
        let late = self.tabs.iter().filter(|tab| tab.open && tab.host == host);
        for tab in late.filter(|_| passes_over) {
            tab.sleeps(&mut self.ledger, &mut self.witness);
            self.ledger
                .count(true, "a host that was frozen took over without a tab");
        }
        true
    }

    /// Another host has the storage for a while, and takes over without the tabs.
    pub(super) fn intrude(&mut self, host: usize, idle: usize) -> bool {
        let ledger = &mut self.ledger;
        let side = self.hosts.get_mut(host);
        let Some(late) = side.and_then(|side| side.intrude(idle, ledger)) else {
            return false;
        };
        let is_late = |tab: &&Tab| tab.open && tab.host == host && late.contains(&tab.id);
        for tab in self.tabs.iter().filter(is_late) {
            tab.sleeps(&mut self.ledger, &mut self.witness);
        }
        true
    }

    /// The host takes over without the tabs that have not come.
    pub(super) fn sleep_through(&mut self, host: usize) -> bool {
        let Some(side) = self
            .hosts
            .get_mut(host)
            .filter(|side| side.host.waits_for_tabs())
        else {
            return false;
        };
        let is_late = |tab: &&Tab| tab.open && tab.host == host && side.watched.contains(&tab.id);
        let late = self.tabs.iter().filter(is_late);
        for tab in late.filter(|tab| !tab.linked || tab.to_host.iter().any(|text| registers(text)))
        {
            tab.sleeps(&mut self.ledger, &mut self.witness);
            self.ledger.count(true, "a tab slept through a takeover");
            self.ledger.count(
                tab.connection.has_lead(),
                "a tab slept that was shown something early",
            );
        }
        side.host.tabs_asleep();
        true
    }

    pub(super) fn rejoin(&mut self, tab: usize) -> bool {
        let away = self
            .tabs
            .get(tab)
            .is_some_and(|tab| tab.open && !tab.linked && !tab.blocked);
        if away {
            if std::mem::take(&mut self.tabs[tab].hears_all) {
                self.deliver_to_tab(tab, usize::MAX);
            }
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
                let leads = resume.iter().any(|doc| !doc.lead.is_empty());
                ledger.count(leads, "a tab came with what it was shown early");
                let live = resume.iter().any(|doc| doc.live);
                ledger.count(live, "a tab came with a subscription");
                let mut leads = resume.iter().flat_map(|doc| &doc.lead);
                let was_shown_others = leads.any(|change| !is_own(change, &tab.id));
                let is_void = |doc: &Resumed| doc.revision.is_some() && doc.line.is_none();
                // Callbacks of what was void come at the end of the rollback.
                let starts_again = tab.rolls_back() || resume.iter().any(is_void);
                // Their content is gone: they cannot be sent again.
                let has_orphans = tab.has_orphans();
                ledger.come(tab.number, was_shown_others || starts_again || has_orphans);
                self.witness.resumes(&tab.id, &resume);
            }
        }
        away
    }

    pub(super) fn set_away(&mut self, host: usize, on: bool) -> bool {
        if on {
            self.cut(host, 0, 0);
        }
        self.with_host(host, |side| std::mem::replace(&mut side.away, on) != on)
    }
}

/// Whether a tab registers by this message.
fn registers(text: &str) -> bool {
    text.starts_with(r#"{"tab.register""#)
}

/// Whether what a tab was shown early is an op of its own.
fn is_own(change: &LeadEntry, tab: &TabId) -> bool {
    let entries: Option<Vec<JournalEntry>> = change.entries.parse().ok();
    let last = entries.and_then(|mut entries| entries.pop());
    matches!(last, Some(JournalEntry::Local { tab: of, .. }) if of == *tab)
}
