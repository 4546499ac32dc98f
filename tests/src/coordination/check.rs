//! What has to be so: at each moment, and at rest.

use std::collections::{BTreeMap, BTreeSet};

use broker::coordination::messages::{Idle, Phase, RealtimeState, Shared};

use super::tab::{Page, Tab, tab_id};
use super::world::World;

pub(super) fn step(world: &mut World) {
    let leaders: Vec<usize> = world
        .tabs
        .iter()
        .filter(|tab| tab.leads())
        .map(|tab| tab.index)
        .collect();
    if leaders.len() > 1 {
        world.wrong(format!("tabs {leaders:?} lead at once"));
    }
    let mut holders: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for tab in &world.tabs {
        for (token, grant) in &tab.held {
            // One of the session before is void, and told so.
            let may_end = grant.shared == Some(Shared::Session);
            if !may_end && tab.holds(*token, world.agenda.now) {
                holders
                    .entry(grant.name.clone())
                    .or_default()
                    .push(tab.index);
            }
        }
    }
    for (name, tabs) in holders {
        if tabs.len() > 1 {
            world.wrong(format!("tabs {tabs:?} hold '{name}' at once"));
        }
    }
}

pub(super) fn rest(world: &mut World) {
    let living: Vec<&Tab> = world
        .tabs
        .iter()
        .filter(|tab| tab.page == Page::Runs)
        .collect();
    let names: BTreeSet<String> = living.iter().map(|tab| tab_id(tab.index)).collect();
    let mut problems = Vec::new();
    let leaders: BTreeSet<Option<String>> = living
        .iter()
        .map(|tab| tab.leading.leader.clone())
        .collect();
    if leaders.len() > 1 {
        problems.push(format!("tabs do not agree who leads: {leaders:?}"));
    }
    let can_lead = living.iter().any(|tab| !tab.report.observer);
    let leads = living.iter().any(|tab| tab.leads());
    if can_lead != leads {
        problems.push(format!("a tab can lead: {can_lead}; one does: {leads}"));
    }
    for tab in &living {
        let index = tab.index;
        if tab.mirror != names {
            problems.push(format!(
                "tab{index} knows {:?}, and there are {names:?}",
                tab.mirror
            ));
        }
        for (number, ask) in &tab.open {
            problems.push(format!("tab{index} has no answer to {number}: {ask:?}"));
        }
        if !tab.held.is_empty() {
            problems.push(format!("tab{index} still holds {:?}", tab.held));
        }
    }
    let states = living.iter().map(|tab| {
        let state = tab.state.as_ref()?;
        Some((state.version, state.source_id.clone(), state.updated_at))
    });
    let states: BTreeSet<_> = states.collect();
    if states.len() > 1 {
        problems.push(format!("tabs do not have the same state: {states:?}"));
    }
    let logouts: BTreeSet<u64> = living.iter().map(|tab| tab.logouts).collect();
    if logouts.len() > 1 || living.iter().any(|tab| tab.is_to_hear) {
        problems.push(format!(
            "not all tabs have heard of the logouts: {logouts:?}"
        ));
    }
    let connections: BTreeSet<RealtimeState> = living.iter().map(|tab| tab.realtime).collect();
    // After a logout there is none, until somebody logs in.
    let is_right = connections.len() <= 1
        && (world.logs_out || connections.iter().all(|it| *it == RealtimeState::Connected));
    if !is_right {
        problems.push(format!("the second connection is {connections:?}"));
    }
    let is_over = |idle: &Idle| idle.phase == Phase::Expired;
    let idle: BTreeSet<Option<bool>> = living
        .iter()
        .map(|tab| tab.idle.as_ref().map(is_over))
        .collect();
    if idle.len() > 1 || idle.contains(&Some(false)) {
        problems.push(format!("the user is away, and tabs say so: {idle:?}"));
    }
    problems.extend(broadcasts(&living, world));
    for problem in problems {
        world.wrong(problem);
    }
}

/// A tab hears each broadcast that was made after it came by a tab that lives.
fn broadcasts(living: &[&Tab], world: &World) -> Vec<String> {
    let mut problems = Vec::new();
    let made_by_dead: BTreeSet<u64> = world
        .tabs
        .iter()
        .filter(|tab| tab.page == Page::Dead)
        .flat_map(|tab| tab.heard.iter().copied())
        .collect();
    for tab in living {
        if tab.has_gap {
            continue;
        }
        let since = tab.since.unwrap_or(0);
        for number in since + 1..=world.broadcasts {
            let is_known = living.iter().any(|other| other.heard.contains(&number));
            if is_known && !made_by_dead.contains(&number) && !tab.heard.contains(&number) {
                problems.push(format!("tab{} did not hear broadcast {number}", tab.index));
            }
        }
    }
    problems
}
