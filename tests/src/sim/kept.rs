//! What has to be so of a storage when a simulation has come to rest.

use super::check::{ALL, each_doc, marks, settle};
use super::ledger::{Call, End, What};
use super::step::{Act, Kept, Step, Weather};
use super::world::World;

/// Hosts that gave their storage up die, and others take over from what is stored; some others die, too.
pub(super) fn change_hosts(world: &mut World) {
    let lost = world.hosts[0].lost;
    let chance = world.config.kills && world.config.seed.is_multiple_of(3);
    if lost || chance {
        kill(world, 0);
    } else if world.config.hands_over {
        let (host, seed) = (0, world.config.seed);
        world.take(&Step::HandOver { host, seed });
    }
}

/// The host under test dies when everything has arrived, with so many of its tabs.
fn kill(world: &mut World, gone: usize) {
    world.take(&Step::KillHost {
        host: 0,
        committed: ALL,
        up: ALL,
        gone,
        others: 0,
        seed: 1,
    });
}

/// An op that was ever durable is committed once, or can be read in the dead letters, or its tab heard of
/// an error.
pub(super) fn check_ops(world: &mut World) {
    let Some(storage) = world.hosts[0].storage.as_ref() else {
        return;
    };
    let durable = world.config.kept == Kept::Durable;
    let (stored, letters) = (&storage.traces.marks, storage.letters().marks);
    let mut found = Vec::new();
    for (number, key) in world.keys.iter().enumerate() {
        let log = marks(world.server.ops(&key.collection, &key.id));
        let calls = world.ledger.calls.iter();
        let of_doc = |call: &&Call| call.doc == number && world.tabs[call.tab].host == 0;
        for call in calls.filter(of_doc) {
            let What::Marked(name) = &call.what else {
                continue;
            };
            let mark = name[1..].parse().expect("markers are numbered");
            let times = log.get(name.as_str()).copied().unwrap_or(0);
            let refused =
                matches!(&call.end, Some(End::Failed(error)) if error.contains("refused by"));
            if refused && times > 0 && !world.ledger.losses && world.witness.sent_once(name) {
                found.push(format!(
                    "{key}: {name} was refused, and is in the log: {call:?}"
                ));
            }
            let heard = matches!(call.end, Some(End::Failed(_)));
            let kept = times > 0 || letters.contains(&mark) || (heard && world.ledger.losses);
            if durable && stored.contains(&mark) && !kept && world.config.weather != Weather::Wild {
                found.push(format!(
                    "{key}: {name} was durable, and is neither committed nor a dead letter: {call:?}"
                ));
            }
        }
    }
    world.ledger.problems.append(&mut found);
}

/// Without the server everything is there that was.
pub(super) fn check_offline(world: &mut World) {
    if world.config.kept != Kept::Durable || world.hosts[0].lost {
        return;
    }
    kill(world, ALL);
    world.take(&Step::Away { host: 0, on: true });
    if !settle(world) {
        return world.ledger.problem("no rest without a server".to_owned());
    }
    world.open_tab(0);
    let tab = world.tabs.len() - 1;
    world.drain();
    each_doc(world, Act::Subscribe);
    if !settle(world) {
        return world.ledger.problem("no rest without a server".to_owned());
    }
    let mut found = Vec::new();
    for (number, key) in world.keys.iter().enumerate() {
        let served = world.server.snapshot(&key.collection, &key.id);
        let exists = served
            .as_ref()
            .is_some_and(|served| served.type_uri.is_some());
        let data = served.and_then(|served| served.data).unwrap_or_default();
        let doc = &world.tabs[tab].docs[number];
        if doc.exists != exists || doc.data != data {
            found.push(format!(
                "{key}: not stored as it was\n  stored: {} {}\n  server: {exists} {}",
                doc.exists,
                doc.data.to_json(),
                data.to_json()
            ));
        }
    }
    world.ledger.problems.append(&mut found);
}
