//! The application of a tab: what it asks for, and what it does when it has it.

use broker::coordination::Input;
use broker::coordination::messages::{Ask, Bundle, Claim, Outcome, Part, Report, Shared};
use proxy_doc::{Error, Json, codes, write_json};

use super::tab::{Page, tab_id};
use super::world::{Event, World};

/// The names that tabs ask for.
const NAMES: [&str; 3] = ["a", "b", "c"];

impl World {
    /// Some tab does something.
    pub(super) fn act(&mut self) {
        if self.calm {
            return;
        }
        let delay = 1 + self.r.below(120) as u64;
        self.after(delay, Event::Act);
        let tab = self.r.below(self.tabs.len());
        if self.tabs[tab].page != Page::Runs {
            return;
        }
        match self.r.below(18) {
            10 | 11 => self.claim_shared(tab),
            12 => self.write(tab),
            13 => self.delegate(tab),
            14 | 15 => self.act_in_session(tab),
            16 | 17 => self.relay(tab),
            0..4 => self.claim(tab, Vec::new()),
            4 | 5 => {
                self.broadcasts += 1;
                let message = Json::written(write_json(&self.broadcasts));
                let urgent = self.r.once_in(4);
                self.request(tab, |number| Ask::Send {
                    number,
                    urgent,
                    message,
                });
                let made = self.broadcasts;
                self.tabs[tab].heard.push(made);
            }
            6 | 7 => {
                let observer = self.tabs[tab].report.observer;
                let report = Report {
                    observer,
                    ..self.some_report()
                };
                self.tabs[tab].report = report.clone();
                self.feed(tab, Input::Ask(Ask::Report(report)));
            }
            8 => {
                let open = self.tabs[tab].open.iter();
                let claims = open.filter(|(_, ask)| matches!(ask, Ask::Claim(_)));
                let claims: Vec<u64> = claims.map(|(number, _)| *number).collect();
                if !claims.is_empty() {
                    let number = *self.r.pick(&claims);
                    self.feed(tab, Input::Ask(Ask::Cancel { number }));
                }
            }
            _ => {
                if let Some(term) = self.tabs[tab].coordinator.term() {
                    let willing = self.r.once_in(2);
                    self.feed(tab, Input::Ask(Ask::Resigned { term, willing }));
                }
            }
        }
    }

    fn request(&mut self, tab: usize, make: impl FnOnce(u64) -> Ask) {
        let t = &mut self.tabs[tab];
        let number = t.next_number;
        t.next_number += 1;
        let ask = make(number);
        t.open.insert(number, ask.clone());
        self.feed(tab, Input::Ask(ask));
    }

    pub(super) fn claim(&mut self, tab: usize, within: Vec<u64>) {
        let name = (*self.r.pick(&NAMES)).to_owned();
        let timeout = match self.r.below(3) {
            0 => Some(self.r.below(1_000) as u64),
            _ => None,
        };
        let expires = self.r.once_in(3).then(|| 1 + self.r.below(600) as u64);
        self.request(tab, |number| {
            Ask::Claim(Claim {
                number,
                name,
                timeout,
                expires,
                within,
                shared: None,
            })
        });
    }

    /// Asks for something that one tab does for all.
    fn claim_shared(&mut self, tab: usize) {
        let shared = *self.r.pick(&[Shared::Kept, Shared::Session, Shared::Now]);
        let name = match shared {
            Shared::Kept => "show",
            Shared::Session => "refresh",
            Shared::Now => "run",
        };
        self.request(tab, |number| {
            Ask::Claim(Claim {
                number,
                name: name.to_owned(),
                timeout: None,
                expires: None,
                within: Vec::new(),
                shared: Some(shared),
            })
        });
    }

    fn write(&mut self, tab: usize) {
        let t = &self.tabs[tab];
        let version = t.state.as_ref().map_or(0, |state| state.version);
        let skew = self.r.below(100_000) as u64;
        let bundle = Bundle {
            version: version + 1,
            updated_at: self.agenda.now + skew,
            source_id: tab_id(tab),
            schema: 1,
            config: Json::null(),
            snapshot: Json::written(write_json(&self.agenda.now)),
        };
        let leads = self.tabs[tab].coordinator.term().is_some();
        let is_distributed = self.is_distributed;
        if leads || is_distributed {
            self.request(tab, |number| Ask::Write {
                number,
                part: Part::Snapshot,
                base: (!is_distributed).then_some(version),
                epoch: 0,
                bundle,
            });
        }
    }

    /// Sends something through the second connection.
    fn relay(&mut self, tab: usize) {
        self.relayed += 1;
        let payload = Json::written(write_json(&self.relayed));
        self.request(tab, |number| Ask::Relay { number, payload });
    }

    /// The application has refreshed the token, or could not.
    pub(super) fn refreshed(&mut self, tab: usize, round: u64) {
        if self.tabs[tab].page == Page::Runs {
            let failed = !self.calm && self.r.once_in(4);
            let error = failed.then(|| Error::new(codes::ERR_SESSION_CHANGED, "no token"));
            self.feed(tab, Input::Ask(Ask::Token { round, error }));
        }
    }

    fn delegate(&mut self, tab: usize) {
        let count = self.tabs.len();
        let other = self.r.below(count);
        let to = (!self.r.once_in(2)).then(|| tab_id(other));
        self.request(tab, |number| Ask::Delegate {
            number,
            to,
            task: "task".to_owned(),
            payload: Json::null(),
        });
    }

    pub(super) fn finish(&mut self, tab: usize, from: String, of: u64) {
        match self.tabs[tab].page {
            Page::Dead => {}
            Page::Blocked | Page::Frozen => self.after(100, Event::Finish { tab, from, of }),
            Page::Runs => self.request(tab, |number| Ask::Done {
                number,
                from,
                of,
                outcome: Outcome::default(),
            }),
        }
    }

    pub(super) fn wiped(&mut self, tab: usize) {
        match self.tabs[tab].page {
            Page::Dead => {}
            Page::Blocked | Page::Frozen => self.after(100, Event::Wiped { tab }),
            Page::Runs if self.is_durable => self.delete_everything(),
            Page::Runs => self.feed(tab, Input::Ask(Ask::Wiped {})),
        }
    }

    /// The store is deleted, and ends the host and all pages that run; applications load anew. A page that was away does not
    /// know of it.
    fn delete_everything(&mut self) {
        self.log.census.insert("everything was deleted");
        self.end_names();
        self.texts.clear();
        self.kill_host();
        self.drop_writes();
        self.forgot = true;
        for tab in 0..self.tabs.len() {
            match self.tabs[tab].page {
                Page::Runs | Page::Blocked => self.kill(tab),
                Page::Frozen => self.tabs[tab].is_to_hear = self.tabs[tab].since.is_some(),
                Page::Dead => {}
            }
        }
        self.new_tab();
    }

    /// All sessions so far have ended.
    pub(super) fn end_names(&mut self) {
        self.dead_names.extend(std::mem::take(&mut self.names));
    }

    /// Sessions have ended, except those that tabs were told of as begun after so many logouts.
    pub(super) fn end_names_before(&mut self, logouts: u64) {
        let told = &self.told_names;
        let goes_on = |name: &String| told.get(name).is_some_and(|begun| *begun >= logouts);
        let (stay, dead) = std::mem::take(&mut self.names)
            .into_iter()
            .partition(goes_on);
        self.names = stay;
        self.dead_names.append(&mut { dead });
    }

    /// Whether nothing that was decided is forgotten.
    pub(super) fn remembers(&self) -> bool {
        self.stores && !self.logs_out && !self.forgot
    }

    fn act_in_session(&mut self, tab: usize) {
        match self.r.below(8) {
            0 if self.logs_out => self.request(tab, |number| Ask::Logout {
                number,
                logouts: None,
            }),
            // One that has not come yet does not know of a logout before.
            1 | 2 if self.logs_out && self.tabs[tab].since.is_some() => {
                let name = format!("user{}", self.agenda.next_number());
                self.names.insert(name.clone());
                let id = Some(name);
                self.request(tab, |number| Ask::Session {
                    number,
                    id,
                    logouts: None,
                });
            }
            3 => self.request(tab, |number| Ask::Idle {
                number,
                warn: 2_000,
                timeout: 4_000,
            }),
            _ => self.feed(tab, Input::Ask(Ask::Active {})),
        }
    }

    /// Gives back what was granted, once nothing is waited for within it.
    pub(super) fn give_back(&mut self, tab: usize, token: u64) {
        let t = &mut self.tabs[tab];
        let is_within =
            |ask: &Ask| matches!(ask, Ask::Claim(claim) if claim.within.contains(&token));
        let waits = t.open.values().any(is_within);
        match t.page {
            Page::Dead => {}
            // It does nothing now.
            Page::Blocked | Page::Frozen => self.after(100, Event::GiveBack { tab, token }),
            Page::Runs if waits => self.after(100, Event::GiveBack { tab, token }),
            Page::Runs => {
                let Some(grant) = t.held.remove(&token) else {
                    return;
                };
                let outcome = grant.shared.map(|_| Outcome {
                    error: None,
                    result: Some(Json::written(write_json(&token))),
                });
                self.request(tab, |number| Ask::Release {
                    number,
                    token,
                    outcome,
                });
            }
        }
    }

    pub(super) fn tick(&mut self, tab: usize) {
        if self.tabs[tab].page == Page::Runs {
            self.feed(tab, Input::Tick {});
        }
    }
}
