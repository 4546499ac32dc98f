//! The application of a tab: what it asks for, and what it does when it has it.

use broker::devices::messages::{Ask, Target};
use broker::devices::record::Document;
use proxy_doc::{Json, write_json};

use super::world::{Event, Sent, World};

/// The leases that tabs ask for.
const NAMES: [&str; 2] = ["a", "b"];
/// More messages than are kept.
const MANY: usize = 70;

impl World {
    /// Some tab does something.
    pub(super) fn act(&mut self) {
        if self.calm {
            return;
        }
        let delay = 1 + self.r.below(400) as u64;
        self.after(delay, Event::Act);
        let Some((browser, tab)) = self.some_tab() else {
            return;
        };
        match self.r.below(10) {
            0..4 => {
                let name = *self.r.pick(&NAMES);
                let number = self.number_of(browser, tab);
                self.join_queue(browser, tab, number, name);
            }
            4..7 => self.send(browser, tab),
            7 => {
                let number = self.number_of(browser, tab);
                let ask = Ask::Notify {
                    number,
                    priority: self.r.below(4) as u64,
                    payload: Json::trusted("\"news\""),
                };
                self.ask(browser, tab, ask);
            }
            8 => {
                let unread = self.browsers[browser].tabs[tab].notices.iter();
                let unread: Vec<String> = unread
                    .filter(|notice| notice.read.is_none())
                    .map(|notice| notice.id.clone())
                    .collect();
                if !unread.is_empty() {
                    let id = self.r.pick(&unread).clone();
                    if !self.refuses {
                        self.read.insert((id.clone(), browser));
                    }
                    self.ask(browser, tab, Ask::Read { id });
                }
            }
            _ if self.r.once_in(30) => {
                for _ in 0..MANY {
                    self.send(browser, tab);
                }
            }
            _ => {}
        }
    }

    /// A tab whose page runs.
    pub(super) fn some_tab(&mut self) -> Option<(usize, usize)> {
        let mut running = Vec::new();
        for (browser, b) in self.browsers.iter().enumerate() {
            for (tab, t) in b.tabs.iter().enumerate() {
                if t.lives && b.stands_until(Some(tab)) <= self.agenda.now {
                    running.push((browser, tab));
                }
            }
        }
        (!running.is_empty()).then(|| *self.r.pick(&running))
    }

    fn number_of(&mut self, browser: usize, tab: usize) -> u64 {
        let tab = &mut self.browsers[browser].tabs[tab];
        tab.next_number += 1;
        tab.next_number
    }

    fn send(&mut self, browser: usize, tab: usize) {
        let number = self.number_of(browser, tab);
        self.payloads += 1;
        let payload = self.payloads;
        let own = self.browsers[browser].id.clone();
        let document = Document::read(&self.browsers[browser].data()).expect("it can be read");
        let known: Vec<String> = document
            .known
            .iter()
            .map(|row| row.value.id.clone())
            .collect();
        let mut all = None;
        let to = match self.r.below(4) {
            0 if !known.is_empty() => Target::Device(self.r.pick(&known).clone()),
            1 => Target::Best(Vec::new()),
            _ => {
                let others = known.into_iter().filter(|id| *id != own);
                all = Some(others.collect());
                Target::All
            }
        };
        self.sent.push(Sent {
            browser,
            tab,
            number,
            payload,
            all,
            is_best: matches!(to, Target::Best(_)),
            is_answered: false,
        });
        let ask = Ask::Send {
            number,
            to,
            priority: self.r.below(4) as u64,
            payload: Json::written(write_json(&payload)),
            timeout: 500 + self.r.below(8_000) as u64,
        };
        self.ask(browser, tab, ask);
    }

    /// The application has done what it wanted the lease for.
    pub(super) fn give_back(&mut self, browser: usize, tab: usize, number: u64) {
        let claim = self.browsers[browser].tabs[tab].claims.remove(&number);
        if let Some(claim) = claim {
            self.ask(browser, tab, Ask::Release { number });
            self.leave_queue(browser, tab, &claim.name, Some(number));
        }
    }

    /// The application does something by its lease: what it changes refuses tokens that are lower than the highest.
    pub(super) fn use_lease(&mut self, browser: usize, tab: usize, number: u64) {
        let b = &self.browsers[browser];
        let t = &b.tabs[tab];
        if !t.holds(number, b.time(self.agenda.now)) {
            return;
        }
        let Some(claim) = t.claims.get(&number) else {
            return;
        };
        let (name, token) = (claim.name.clone(), claim.token.unwrap_or_default());
        self.log.census.insert("a lease was used");
        let highest = self.used.entry(name.clone()).or_default();
        if token < *highest {
            let highest = *highest;
            self.wrong(format!(
                "device{browser}/tab{tab} uses '{name}' by {token}, after {highest}"
            ));
        } else {
            *highest = token;
        }
    }
}
