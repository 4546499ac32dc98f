//! Makes up steps that have hosts die while tabs show what no storage has: the storage is slower than everything, and each
//! next host dies as soon as there is something to lose again, or before.

use super::choice::{delivery, edit, kill, storage, tab};
use super::step::Step;
use super::tab::Tab;
use super::world::World;
use crate::random::Random;

/// The next step where the storage is slow.
pub(super) fn step(world: &World, r: &mut Random) -> Step {
    let side = &world.hosts[0];
    if side.wants_socket && r.once_in(4) {
        return Step::Open { host: 0 };
    }
    if let Some(step) = takeover(world, r) {
        return step;
    }
    if world.tabs.iter().any(has_lead) && r.once_in(6) {
        return lose(world, r);
    }
    let blocked = world.tabs.iter().find(|tab| tab.open && tab.blocked);
    if let Some(tab) = blocked.filter(|_| r.once_in(12)) {
        return Step::Wake {
            tab: tab.number,
            doc: r.once_in(2).then_some(0),
            seed: r.next(),
        };
    }
    if world.config.sleeps && r.once_in(60) {
        return Step::Block { tab: tab(world, r) };
    }
    // What is read is quick; what is written is not.
    if side.finding.is_some() && !r.once_in(3) {
        return Step::FindTabs { host: 0 };
    }
    if side.next_is_read() && !r.once_in(3) || r.once_in(30) {
        return Step::Store { host: 0, count: 1 };
    }
    match r.below(20) {
        0..10 => busy(world, r).unwrap_or_else(|| edit(world, r)),
        10..14 => edit(world, r),
        14..19 => delivery(world, r),
        _ => storage(world, r),
    }
}

/// The host dies, as a rule before the storage has done anything for it, and some of its tabs may with it.
fn lose(world: &World, r: &mut Random) -> Step {
    let host = 0;
    let all = world.hosts[host].requests.len();
    let committed = if r.once_in(4) { r.below(all + 1) } else { 0 };
    let others = if r.once_in(3) { r.next() } else { 0 };
    let (up, gone, seed) = (r.below(4), 0, r.next());
    Step::KillHost {
        host,
        committed,
        up,
        gone,
        others,
        seed,
    }
}

/// The next step of a host that takes over, where it is one about that: tabs come, or sleep, or the host dies, too.
pub(super) fn takeover(world: &World, r: &mut Random) -> Option<Step> {
    let side = &world.hosts[0];
    let is_slow = world.config.slow_storage;
    if side.host.waits_for_tabs() {
        if world.config.sleeps && r.once_in(8) {
            return Some(Step::Asleep { host: 0 });
        }
        if is_slow && r.once_in(20) {
            return Some(kill(world, r));
        }
        if let Some(step) = arrival(world, r).filter(|_| !r.once_in(4)) {
            return Some(step);
        }
    }
    if side.is_restoring() && r.once_in(2) {
        return Some(match r.below(20) {
            0 if is_slow => kill(world, r),
            1..16 if is_slow && side.finding.is_some() => Step::FindTabs { host: 0 },
            1..16 if is_slow && side.next_is_read() => Step::Store { host: 0, count: 2 },
            _ => storage(world, r),
        });
    }
    if is_slow {
        let left = |tab: &&Tab| tab.open && !tab.linked && !tab.blocked && tab.host == 0;
        let left: Vec<&Tab> = world.tabs.iter().filter(left).collect();
        if !left.is_empty() && r.once_in(2) {
            let tab = r.pick(&left).number;
            return Some(Step::Rejoin { tab });
        }
    }
    None
}

/// A tab for which the host under test may wait comes to it.
fn arrival(world: &World, r: &mut Random) -> Option<Step> {
    let is_of_host = |tab: &&Tab| tab.open && !tab.blocked && tab.host == 0;
    let comes = |tab: &&Tab| !tab.linked || !tab.to_host.is_empty();
    let tabs = world
        .tabs
        .iter()
        .filter(|tab| is_of_host(tab) && comes(tab));
    let tabs: Vec<&Tab> = tabs.collect();
    if tabs.is_empty() {
        return None;
    }
    let tab = r.pick(&tabs);
    let (linked, tab, count) = (tab.linked, tab.number, 1 + r.below(4));
    Some(if linked {
        Step::ToHost { tab, count }
    } else {
        Step::Rejoin { tab }
    })
}

/// Something that is under way between the host under test and its tabs goes on.
fn busy(world: &World, r: &mut Random) -> Option<Step> {
    let mut steps = Vec::new();
    for tab in &world.tabs {
        if !tab.open || tab.blocked || tab.host != 0 {
            continue;
        }
        let (number, count) = (tab.number, 1 + r.below(4));
        if !tab.later.is_empty() {
            steps.push(Step::Tick { tab: number });
        }
        if tab.linked && !tab.to_host.is_empty() {
            steps.push(Step::ToHost { tab: number, count });
        }
        if !tab.to_tab.is_empty() {
            steps.push(Step::ToTab { tab: number, count });
        }
    }
    (!steps.is_empty()).then(|| r.pick(&steps).clone())
}

/// Whether the tab was shown what may not be durable.
fn has_lead(tab: &Tab) -> bool {
    tab.open && tab.linked && tab.connection.has_lead()
}
