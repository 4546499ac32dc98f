//! What has to hold at every step, and at rest.

use std::cmp::Reverse;

use broker::message::serves;
use broker::places::{HostAt, PlaceKind, Waiting, WorkerKind};

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

/// No place that could have the host is better than the one that has it. A tab stands by its own worker or by its page, where
/// that does not start; one with a SharedWorker does not.
fn better_places(world: &mut World, host: &HostAt) {
    let rank = |waiting: Waiting| (waiting.protocol, Reverse(waiting.kind));
    let has = rank(Waiting {
        kind: host.kind,
        protocol: host.protocol,
    });
    let holder = world.lock.holder().map(|request| request.by);
    let waiting: Vec<usize> = world.lock.waiting().map(|request| request.by).collect();
    for context in 0..world.contexts.len() {
        let c = &world.contexts[context];
        let does_stand = |place: usize| waiting.contains(&place) || holder == Some(place);
        let stands = does_stand(context);
        let protocol = c.build.protocol;
        let could = rank(Waiting {
            kind: c.kind,
            protocol,
        });
        if !c.alive || c.frozen {
            continue;
        }
        let uses = c.tab.as_ref().filter(|tab| tab.is_open);
        let of = |kind| world.worker_of(context, kind).map(|(_, worker)| worker);
        let is_there = |worker: usize| {
            let worker = &world.contexts[worker];
            worker.is_up() && !worker.frozen
        };
        let is_still =
            |worker: usize| world.contexts[worker].alive && world.contexts[worker].frozen;
        let has_worker = of(WorkerKind::Shared).is_some_and(is_there);
        let own = of(WorkerKind::Dedicated);
        let is_frozen = [of(WorkerKind::Shared), own]
            .into_iter()
            .flatten()
            .any(is_still);
        let has_own = own.is_some_and(is_there);
        let own_stands = own.is_some_and(|own| is_there(own) && does_stand(own));
        let has_a_way = has_worker || is_frozen || stands || own_stands;
        let is_shared = c.kind == PlaceKind::SharedWorker;
        if stands && could > has {
            world.wrong(
                context,
                format!("is better than the host's place: {host:?}"),
            );
        } else if is_shared && c.is_up() && !stands && !world.wiped {
            world.wrong(context, "is a worker and does not stand".to_owned());
        } else if uses.is_some() && !has_a_way && !world.wiped {
            world.wrong(context, "has no worker and does not stand".to_owned());
        } else if c.tab.is_some() && has_worker && (stands || own_stands) {
            world.wrong(context, "stands beside its SharedWorker".to_owned());
        } else if c.tab.is_some() && has_own && stands {
            world.wrong(
                context,
                "stands in its page beside its own worker".to_owned(),
            );
        } else if c.tab.is_some() && uses.is_none() && (stands || own_stands) {
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
    if road.is_none_or(|road| road.ready != Some(host.epoch) || road.place != host.place) {
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
