//! What goes wrong, and when.

use super::check;
use super::tab::Page;
use super::world::{Event, World};

/// Tabs that live at a time, at most.
const MOST_TABS: usize = 5;
/// Milliseconds of rest, after which everything has come to its end.
const REST: u64 = 60_000;

pub(super) fn run(world: &mut World) {
    world.after(0, Event::Begin);
    let tabs = 1 + world.r.below(4);
    for _ in 0..tabs {
        world.new_tab();
    }
    world.after(1, Event::Act);
    world.after(50, Event::Fault);
    let time = 2_000 + world.r.below(10_000) as u64;
    world.run_until(world.agenda.now + time);
    world.calm = true;
    for tab in 0..world.tabs.len() {
        world.unblock(tab);
        world.thaw(tab);
    }
    world.run_until(world.agenda.now + REST);
    if !world.tabs.iter().any(|tab| tab.leads()) {
        // The leader changes just now.
        world.run_until(world.agenda.now + 500);
    }
    // Not all tabs have heard yet who leads now.
    while world.has_texts() && world.log.problems.is_empty() {
        world.run_until(world.agenda.now + 1);
    }
    if world.log.problems.is_empty() {
        check::rest(world);
    }
}

impl World {
    pub(super) fn fault(&mut self) {
        if self.calm {
            return;
        }
        let delay = 50 + self.r.below(1_000) as u64;
        self.after(delay, Event::Fault);
        let living: Vec<usize> = (0..self.tabs.len())
            .filter(|tab| self.tabs[*tab].page != Page::Dead)
            .collect();
        let running: Vec<usize> = living
            .iter()
            .copied()
            .filter(|tab| self.tabs[*tab].page == Page::Runs)
            .collect();
        if self.r.once_in(4) {
            // The wall clock is set, or the machine slept.
            self.wall += self.r.below(3_000) as u64;
        }
        if self.r.once_in(3) {
            self.end_connection();
        }
        match self.r.below(6) {
            0 | 1 => self.kill_host(),
            2 if living.len() > 1 => {
                let tab = *self.r.pick(&living);
                self.kill(tab);
            }
            3 if !running.is_empty() => {
                let tab = *self.r.pick(&running);
                self.freeze(tab);
            }
            4 if !running.is_empty() => {
                let tab = *self.r.pick(&running);
                self.block(tab);
            }
            _ if living.len() < MOST_TABS => self.new_tab(),
            _ => {}
        }
    }
}
