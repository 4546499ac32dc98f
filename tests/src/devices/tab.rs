//! A tab: its machine, what its application was told, and its place among the tabs of its browser.

use std::collections::{BTreeMap, BTreeSet};

use broker::devices::messages::{About, Ask, Capabilities, Device, Input, Own, Shown};
use broker::devices::{Devices, Time};
use proxy_doc::Error;

use super::browser::Browser;
use super::world::{Event, World};

/// Milliseconds after which a device is taken for gone.
pub(super) const TTL: u64 = 3_000;

/// A lease that an application wants or holds.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) name: String,
    /// By which token, once it was granted.
    pub(super) token: Option<u64>,
}

pub(super) struct Tab {
    pub(super) id: String,
    pub(super) lives: bool,
    pub(super) blocked_until: u64,
    pub(super) machine: Devices,
    /// The document is another one than the machine was told.
    is_behind: bool,
    /// The number of the wake-up that counts.
    alarm: u64,
    pub(super) next_number: u64,
    pub(super) claims: BTreeMap<u64, Claim>,
    pub(super) present: Vec<Device>,
    pub(super) notices: Vec<Shown>,
    /// Payloads of messages that it was told.
    pub(super) told: BTreeSet<u64>,
    /// When its page, or its machine, ran again.
    pub(super) ran_since: u64,
}

impl Tab {
    /// Whether its application believes that it holds the lease of a claim, at a time.
    pub(super) fn holds(&self, number: u64, time: Time) -> bool {
        let is_granted = self
            .claims
            .get(&number)
            .is_some_and(|it| it.token.is_some());
        is_granted && self.machine.holds(number, time)
    }
}

impl World {
    pub(super) fn new_browser(&mut self) {
        let hour = 3_600_000;
        let wrong_by = *self.r.pick(&[0, 0, hour, -hour]);
        let drift = self.r.below(60_000) as i64 - 30_000;
        let index = self.browsers.len();
        let data = super::history::History::new().data;
        self.browsers
            .push(Browser::new(index, wrong_by, drift, data));
        self.connect(index);
        self.new_tab(index);
    }

    pub(super) fn new_tab(&mut self, browser: usize) {
        let now = self.agenda.now;
        let b = &mut self.browsers[browser];
        let tab = b.tabs.len();
        let id = format!("{}/tab{tab}", b.id);
        b.tabs.push(Tab {
            machine: Devices::new(b.id.clone(), id.clone(), TTL, tab == 0),
            id,
            lives: true,
            blocked_until: 0,
            is_behind: true,
            alarm: 0,
            next_number: 1,
            claims: BTreeMap::new(),
            present: Vec::new(),
            notices: Vec::new(),
            told: BTreeSet::new(),
            ran_since: now,
        });
        self.say(|| format!("device{browser}/tab{tab} opens"));
        self.after(0, Event::Look { browser, tab });
        self.show_all_remotes(browser, tab);
        self.after(5, Event::Lead { browser });
    }

    pub(super) fn kill_tab(&mut self, browser: usize, tab: usize) {
        let b = &mut self.browsers[browser];
        b.tabs[tab].lives = false;
        let id = b.tabs[tab].id.clone();
        self.say(|| format!("{id} dies"));
        if self.browsers[browser].leader == Some(tab) {
            self.browsers[browser].leader = None;
        }
        self.show(browser, id, None);
        let names: Vec<String> = self.browsers[browser].queues.keys().cloned().collect();
        for name in names {
            self.leave_queue(browser, tab, &name, None);
        }
        let delay = 5 + self.r.below(50) as u64;
        self.after(delay, Event::Lead { browser });
    }

    /// The host has found who leads, and which tabs there are.
    pub(super) fn lead(&mut self, browser: usize) {
        let b = &mut self.browsers[browser];
        let living = |tab: &usize| b.tabs[*tab].lives;
        b.leader = b.leader.or((0..b.tabs.len()).find(living));
        for tab in 0..self.browsers[browser].tabs.len() {
            let b = &self.browsers[browser];
            let until = b.stands_until(Some(tab));
            if !b.tabs[tab].lives {
                continue;
            }
            if until > self.agenda.now {
                // A page that is blocked hears of it when it runs again.
                self.after(until - self.agenda.now, Event::Lead { browser });
                continue;
            }
            let own = self.own(browser, tab);
            self.feed(browser, tab, Input::Own(own));
        }
    }

    fn own(&self, browser: usize, tab: usize) -> Own {
        let b = &self.browsers[browser];
        let living = b.tabs.iter().filter(|tab| tab.lives);
        Own {
            leads: b.leader == Some(tab),
            receives: true,
            tabs: living.map(|tab| tab.id.clone()).collect(),
            name: b.id.clone(),
            kind: "simulated".to_owned(),
            can: Capabilities {
                online: true,
                visible: browser.is_multiple_of(2),
                screen: browser as u32,
                ..Capabilities::default()
            },
        }
    }

    // ---- The machine ----

    /// The document is another one.
    pub(super) fn document_changed(&mut self, browser: usize) {
        self.browsers[browser].forget_text();
        for tab in 0..self.browsers[browser].tabs.len() {
            self.browsers[browser].tabs[tab].is_behind = true;
            self.after(1, Event::Look { browser, tab });
        }
    }

    pub(super) fn look(&mut self, browser: usize, tab: usize) {
        if self.browsers[browser].tabs[tab].is_behind {
            self.feed_document(browser, tab);
        }
    }

    fn feed_document(&mut self, browser: usize, tab: usize) {
        let data = self.browsers[browser].data();
        self.browsers[browser].tabs[tab].is_behind = false;
        self.feed_one(browser, tab, Input::Document(Some(data)));
    }

    /// Gives the machine an input. It knows the document as it is.
    pub(super) fn feed(&mut self, browser: usize, tab: usize, input: Input) {
        self.look(browser, tab);
        self.feed_one(browser, tab, input);
    }

    fn feed_one(&mut self, browser: usize, tab: usize, input: Input) {
        let b = &mut self.browsers[browser];
        let time = b.time(self.agenda.now);
        let outputs = b.tabs[tab].machine.handle(time, input);
        for output in outputs {
            self.carry_out(browser, tab, output);
        }
        // It goes on when it has read what it has made.
        self.look(browser, tab);
        self.set_alarm(browser, tab);
    }

    fn set_alarm(&mut self, browser: usize, tab: usize) {
        let number = self.agenda.next_number();
        let b = &mut self.browsers[browser];
        let Some(at) = b.tabs[tab].machine.wake_at() else {
            return;
        };
        b.tabs[tab].alarm = number;
        let delay = b.until(self.agenda.now, at);
        let event = Event::Wake {
            browser,
            tab,
            number,
        };
        self.after(delay, event);
    }

    pub(super) fn wake(&mut self, browser: usize, tab: usize, number: u64) {
        if self.browsers[browser].tabs[tab].alarm == number {
            self.feed(browser, tab, Input::Tick {});
        }
    }

    pub(super) fn op_ended(&mut self, browser: usize, tab: usize, op: u64, refused: bool) {
        let input = if refused {
            let error = Error::new("ERR_REFUSED", "an access rule");
            Input::Failed { op, error }
        } else {
            Input::Committed { op }
        };
        self.feed(browser, tab, input);
    }

    pub(super) fn hear_presence(
        &mut self,
        browser: usize,
        tab: usize,
        key: String,
        about: Option<About>,
    ) {
        self.feed(browser, tab, Input::Heard { key, about });
    }

    pub(super) fn ask(&mut self, browser: usize, tab: usize, ask: Ask) {
        self.say(|| format!("device{browser}/tab{tab} asks {ask:?}"));
        self.feed(browser, tab, Input::Ask(ask));
    }

    // ---- One tab at a time asks for a lease ----

    pub(super) fn join_queue(&mut self, browser: usize, tab: usize, number: u64, name: &str) {
        let b = &mut self.browsers[browser];
        let queue = b.queues.entry(name.to_owned()).or_default();
        queue.push((tab, number));
        if queue.len() == 1 {
            self.pass(browser, name);
        }
    }

    /// A tab leaves the queue, by one request or by all. The next one hears of it, later where the tab has died.
    pub(super) fn leave_queue(
        &mut self,
        browser: usize,
        tab: usize,
        name: &str,
        number: Option<u64>,
    ) {
        let Some(queue) = self.browsers[browser].queues.get_mut(name) else {
            return;
        };
        let first = queue.first().copied();
        queue.retain(|(of, by)| *of != tab || number.is_some_and(|number| number != *by));
        if queue.first().copied() == first {
            return;
        }
        let name = name.to_owned();
        let delay = match number {
            Some(_) => 0,
            None => 5 + self.r.below(50) as u64,
        };
        self.after(delay, Event::Pass { browser, name });
    }

    pub(super) fn pass(&mut self, browser: usize, name: &str) {
        let queue = self.browsers[browser].queues.get(name);
        let Some(&(tab, number)) = queue.and_then(|queue| queue.first()) else {
            return;
        };
        let b = &self.browsers[browser];
        if b.stands_until(Some(tab)) > self.agenda.now {
            let name = name.to_owned();
            return self.after(50, Event::Pass { browser, name });
        }
        if self.browsers[browser].tabs[tab]
            .claims
            .contains_key(&number)
        {
            return;
        }
        let claim = Claim {
            name: name.to_owned(),
            token: None,
        };
        self.browsers[browser].tabs[tab]
            .claims
            .insert(number, claim);
        let ttl = 600 + self.r.below(1_500) as u64;
        let name = name.to_owned();
        self.ask(browser, tab, Ask::Claim { number, name, ttl });
    }
}
