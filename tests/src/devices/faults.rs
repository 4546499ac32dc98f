//! What goes wrong, and when.

use super::check;
use super::world::{Event, World};

/// Milliseconds of rest, after which messages have been taken or reported, and devices see each other.
const REST: u64 = 30_000;
/// Milliseconds after which all leases have been held and given back.
const LONG_REST: u64 = 600_000;
/// Milliseconds in which each page has looked at its clocks, also one that was blocked.
const LOOKED: u64 = 6_000;
/// Devices that there are at most, the dead ones too.
const MOST_BROWSERS: usize = 4;
/// Tabs of a browser at most, the dead ones too.
const MOST_TABS: usize = 4;

pub(super) fn run(world: &mut World) {
    let browsers = 2 + world.r.below(2);
    for _ in 0..browsers {
        world.new_browser();
    }
    world.after(1, Event::Act);
    world.after(100, Event::Fault);
    let time = 2_000 + world.r.below(14_000) as u64;
    world.run_until(world.agenda.now + time);
    world.calm = true;
    for browser in 0..world.browsers.len() {
        // What was to end later ends now.
        world.browsers[browser].cut_until = 0;
        world.connect(browser);
    }
    let end = world.agenda.now + LONG_REST;
    world.run_until(world.agenda.now + REST);
    while !is_quiet(world) && world.log.problems.is_empty() && world.agenda.now < end {
        world.run_until(world.agenda.now + 100);
    }
    if world.log.problems.is_empty() {
        check::rest(world);
    }
}

/// Nobody wants a lease, and no op is on its way.
fn is_quiet(world: &World) -> bool {
    let mut browsers = world.browsers.iter().filter(|b| b.lives());
    browsers.all(|b| {
        let waits = b.queues.values().any(|queue| !queue.is_empty());
        !waits && !b.has_pending() && b.version == world.history.ops.len()
    })
}

impl World {
    pub(super) fn fault(&mut self) {
        if self.calm {
            return;
        }
        let delay = 100 + self.r.below(2_000) as u64;
        self.after(delay, Event::Fault);
        let Some((browser, tab)) = self.some_tab() else {
            return;
        };
        let noticed = *self.r.pick(&[0, 100, 1_000, 60_000]);
        match self.r.below(10) {
            0 | 1 => self.kill_one(browser, tab),
            2 => {
                // The host dies: the ops that are on their way are the next one's.
                self.log.census.insert("a host died");
                let time = 10 + self.r.below(200) as u64;
                self.cut(browser, time, 0);
            }
            3 | 4 => {
                self.log.census.insert("a connection was cut");
                let time = self.r.below(6_000) as u64;
                self.cut(browser, time, noticed);
            }
            5 => self.sleep(browser, noticed),
            6 => {
                self.log.census.insert("a page was blocked");
                let until = self.agenda.now + self.r.below(5_000) as u64;
                let tab = &mut self.browsers[browser].tabs[tab];
                tab.blocked_until = until;
                tab.ran_since = until;
            }
            7 => {
                self.log.census.insert("a clock was set");
                let by = *self.r.pick(&[3_600_000, -3_600_000]);
                self.browsers[browser].wrong_by += by;
                self.browsers[browser].set_at = self.agenda.now;
            }
            8 if self.browsers[browser].tabs.len() < MOST_TABS => self.new_tab(browser),
            9 => self.kill_or_make_browser(browser, noticed),
            _ => {}
        }
    }

    fn kill_one(&mut self, browser: usize, tab: usize) {
        let tabs = &self.browsers[browser].tabs;
        // The holder of a lease, if there is one: that is where it hurts.
        let holder = tabs
            .iter()
            .position(|tab| tab.lives && !tab.claims.is_empty());
        let tab = holder.unwrap_or(tab);
        self.log.census.insert("a tab died");
        self.kill_tab(browser, tab);
        if !self.browsers[browser].tabs.iter().any(|tab| tab.lives) {
            self.new_tab(browser);
        }
    }

    /// The machine sleeps: its monotonic clock goes on, or not.
    fn sleep(&mut self, browser: usize, noticed: u64) {
        self.log.census.insert("a machine slept");
        let time = 1 + self.r.below(8_000) as u64;
        if self.r.once_in(2) {
            self.cut(browser, time, noticed);
        }
        let mut stands = self.r.once_in(2);
        let until = self.agenda.now + time;
        let b = &mut self.browsers[browser];
        // A clock that was set back, and one that stands, before any page has looked at them: nothing says how long it was.
        stands &= self.agenda.now > b.set_at + LOOKED;
        b.asleep_until = until;
        for tab in &mut b.tabs {
            tab.ran_since = tab.ran_since.max(until);
        }
        if stands {
            b.stood += time;
        }
    }

    fn kill_or_make_browser(&mut self, browser: usize, noticed: u64) {
        if self.browsers.len() < MOST_BROWSERS && self.r.once_in(2) {
            return self.new_browser();
        }
        let living = self.browsers.iter().filter(|b| b.lives()).count();
        if living < 3 {
            return;
        }
        self.log.census.insert("a device died");
        self.say(|| format!("device{browser} dies"));
        let b = &mut self.browsers[browser];
        b.died = Some(self.agenda.now);
        for tab in &mut b.tabs {
            tab.lives = false;
        }
        if let Some(connection) = b.connection.take() {
            self.after(noticed, Event::Ended { connection });
        }
    }
}
