//! What has to hold at every step, and at rest.

use broker::message::serves;
use broker::places::{HostAt, PlaceKind, Waiting};

use super::context::place_of;
use super::host::Host;
use super::world::World;

/// After each event: a host is only where the lock is, or where it was stolen a moment ago.
pub(super) fn step(world: &mut World) {
    let mut sockets = 0;
    for context in 0..world.contexts.len() {
        let c = &world.contexts[context];
        if !c.alive || c.place.host.is_none() {
            continue;
        }
        let request = c.place.request;
        let holds = request.is_some() && world.lock.holder().map(|held| held.number) == request;
        let was_stolen = request.is_some_and(|request| world.lost.contains(&request));
        let has_socket = c.place.host.as_ref().is_some_and(Host::has_socket);
        sockets += usize::from(holds && has_socket);
        if sockets > 1 {
            world.wrong(context, "opens a second socket".to_owned());
        }
        if !holds && !was_stolen {
            world.wrong(context, "has a host without the lock".to_owned());
        }
    }
}

/// At rest: one host in the best place, every tab taken by it, and every op at the server once.
pub(super) fn rest(world: &mut World) {
    let tabs: Vec<usize> = (0..world.contexts.len())
        .filter(|context| {
            let c = &world.contexts[*context];
            c.alive && !c.frozen && c.tab.as_ref().is_some_and(|tab| tab.is_open)
        })
        .collect();
    if tabs.is_empty() {
        return;
    }
    let host = world.lock.holder().map(|request| request.by);
    let host = host.and_then(|context| world.contexts[context].place.candidate.host());
    let Some(host) = host else {
        return world.wrong(tabs[0], "there is no host at rest".to_owned());
    };
    better_places(world, &host);
    for tab in tabs {
        taken(world, tab, &host);
        ops(world, tab);
    }
}

/// No place that could have the host is better than the one that has it; and pages with a worker do not stand.
fn better_places(world: &mut World, host: &HostAt) {
    let rank = |waiting: Waiting| (waiting.protocol, waiting.kind == PlaceKind::SharedWorker);
    let has = rank(Waiting {
        kind: host.kind,
        protocol: host.protocol,
    });
    let holder = world.lock.holder().map(|request| request.by);
    let waiting: Vec<usize> = world.lock.waiting().map(|request| request.by).collect();
    for context in 0..world.contexts.len() {
        let c = &world.contexts[context];
        let stands = waiting.contains(&context) || holder == Some(context);
        let protocol = c.build.protocol;
        let could = rank(Waiting {
            kind: c.kind,
            protocol,
        });
        if !c.alive || c.frozen {
            continue;
        }
        let uses = c.tab.as_ref().filter(|tab| tab.is_open);
        let worker = world.port(context).map(|(_, worker)| worker);
        let worker = worker.map(|worker| &world.contexts[worker]);
        let has_worker = worker.is_some_and(|worker| worker.is_up() && !worker.frozen);
        let is_frozen = worker.is_some_and(|worker| worker.frozen);
        if stands && could > has {
            world.wrong(
                context,
                format!("is better than the host's place: {host:?}"),
            );
        } else if c.worker.is_some() && c.is_up() && !stands && !world.wiped {
            world.wrong(context, "is a worker and does not stand".to_owned());
        } else if uses.is_some() && !has_worker && !is_frozen && !stands && !world.wiped {
            world.wrong(context, "has no worker and does not stand".to_owned());
        } else if c.tab.is_some() && has_worker && stands {
            world.wrong(context, "stands beside its worker".to_owned());
        } else if c.tab.is_some() && uses.is_none() && stands {
            world.wrong(context, "is closed and stands".to_owned());
        }
    }
}

fn taken(world: &mut World, context: usize, host: &HostAt) {
    let c = &world.contexts[context];
    let Some(tab) = &c.tab else {
        return;
    };
    if !serves(host.protocol, c.build.protocol) {
        if !tab.refused {
            world.wrong(context, format!("was not refused by {host:?}"));
        }
        return;
    }
    let road = tab.road.as_ref();
    if road.is_none_or(|road| road.ready != Some(host.life) || road.place != host.place) {
        let text = format!("was not taken by {host:?}, but has {road:?}");
        world.wrong(context, text);
    }
}

fn ops(world: &mut World, context: usize) {
    let Some(tab) = &world.contexts[context].tab else {
        return;
    };
    if tab.road.as_ref().is_none_or(|road| road.ready.is_none()) {
        return;
    }
    let wrong: Vec<String> = tab
        .ops
        .iter()
        .enumerate()
        .filter(|(seq, op)| {
            op.callbacks != 1 || !(world.wiped || world.server.has((context, *seq)))
        })
        .map(|(seq, op)| format!("op {seq} of {}: {op:?}", place_of(context)))
        .collect();
    for text in wrong {
        world.wrong(context, text);
    }
}
