//! What has to be so: at each moment, and at rest.

use std::collections::{BTreeMap, BTreeSet};

use broker::devices::record::Document;

use super::tab::TTL;
use super::world::World;

/// Milliseconds that a device's last words may take, with what clocks differ by.
const SLACK: u64 = 400;

pub(super) fn step(world: &mut World) {
    let mut holders: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
    let mut problems = Vec::new();
    for b in &world.browsers {
        let time = b.time(world.agenda.now);
        for (index, tab) in b.tabs.iter().enumerate() {
            // A page that does not run does nothing.
            if !tab.lives || b.stands_until(Some(index)) > world.agenda.now {
                continue;
            }
            for (number, claim) in &tab.claims {
                if let Some(token) = claim.token.filter(|_| tab.holds(*number, time)) {
                    let holders = holders.entry(&claim.name).or_default();
                    holders.push((&tab.id, token));
                }
            }
            // What came while it did not run is as new to it as what comes now.
            let rests = world.agenda.now < tab.ran_since + TTL + SLACK;
            for device in tab.present.iter().filter(|_| !rests) {
                let other = world.browsers.iter().find(|b| b.id == device.id);
                let died = other.and_then(|other| other.died);
                if died.is_some_and(|died| world.agenda.now > died + TTL + SLACK) {
                    problems.push(format!("{} still sees {}", tab.id, device.id));
                }
            }
        }
    }
    for (name, holders) in &holders {
        if holders.len() > 1 {
            problems.push(format!("'{name}' is held at once by {holders:?}"));
        }
        let counting = world.history.leases.get(*name);
        let last = counting.and_then(|counting| counting.last());
        for (tab, token) in holders {
            if !last.is_some_and(|last| last.tab == *tab && last.token == *token && !last.free) {
                problems.push(format!(
                    "{tab} holds '{name}' by {token}, and the history says {last:?}"
                ));
            }
        }
    }
    for problem in problems {
        world.wrong(problem);
    }
}

pub(super) fn rest(world: &mut World) {
    let mut problems = Vec::new();
    let living: BTreeSet<&String> = world
        .browsers
        .iter()
        .filter(|b| b.lives())
        .map(|b| &b.id)
        .collect();
    let text = world.history.text();
    let document = Document::read(&text).expect("it can be read");
    let read: BTreeMap<&String, bool> = document
        .notices
        .iter()
        .map(|row| (&row.value.id, row.value.read.is_some()))
        .collect();
    for b in world.browsers.iter().filter(|b| b.lives()) {
        if b.has_pending() || b.version != world.history.ops.len() {
            problems.push(format!("{} is not up to date", b.id));
        }
        for tab in b.tabs.iter().filter(|tab| tab.lives) {
            let present: BTreeSet<&String> = tab.present.iter().map(|device| &device.id).collect();
            if present != living {
                problems.push(format!("{} sees {present:?}, not {living:?}", tab.id));
            }
            let shown = tab.notices.iter();
            let shown: BTreeMap<&String, bool> = shown
                .map(|notice| (&notice.id, notice.read.is_some()))
                .collect();
            if shown != read {
                problems.push(format!(
                    "{} shows other notifications than there are",
                    tab.id
                ));
            }
            if !tab.claims.is_empty() {
                problems.push(format!("{} still has {:?}", tab.id, tab.claims));
            }
        }
        for (name, queue) in &b.queues {
            if !queue.is_empty() {
                problems.push(format!("{} still waits for '{name}'", b.id));
            }
        }
    }
    for (id, browser) in &world.read {
        // What a device knew alone has died with it.
        if world.browsers[*browser].lives() && read.get(id) == Some(&false) {
            problems.push(format!("{id} was read, and is not"));
        }
    }
    problems.extend(messages(world));
    for name in world.history.leases.keys() {
        let rows = document.leases.iter();
        let count = rows.filter(|row| row.value.name == *name).count();
        if count > 20 {
            problems.push(format!("'{name}' has {count} entries"));
        }
    }
    for problem in problems {
        world.wrong(problem);
    }
}

/// Each message is answered, and has reached whom it is for, or that one was told of a gap.
fn messages(world: &World) -> Vec<String> {
    let mut problems = Vec::new();
    for sent in &world.sent {
        let b = &world.browsers[sent.browser];
        if b.tabs[sent.tab].lives && !sent.is_answered {
            problems.push(format!("{sent:?} has no answer"));
        }
    }
    for (payload, to) in &world.history.messages {
        for device in to {
            let b = world.browsers.iter().find(|b| b.id == *device);
            let lives = b.is_some_and(super::browser::Browser::lives);
            let is_taken = world.taken.contains(&(device.clone(), *payload));
            // What was for the best device may have gone to another one.
            let is_best = world
                .sent
                .iter()
                .any(|sent| sent.payload == *payload && sent.is_best);
            if lives && !is_taken && !is_best && !world.gaps.contains(device) {
                problems.push(format!("{device} never had {payload}"));
            }
        }
    }
    problems
}
