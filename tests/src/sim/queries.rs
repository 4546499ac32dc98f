//! Queries of tabs, and documents that come and go: what a simulation does with them, and what has to be so at rest.

use broker::message::QueryAction;

use super::check::{ask_statuses, each_doc, settle};
use super::choice::tab;
use super::step::{Act, Step};
use super::world::World;
use crate::random::Random;

/// Steps of which one is about queries, or about documents that come and go, on the average.
const SHARE: usize = 5;

/// A step that is about queries or about documents that come and go, now and then where there are any. `r` is a source of its
/// own: other simulations are as they were.
pub(super) fn step(world: &World, r: &mut Random) -> Option<Step> {
    if !world.config.queries || !r.once_in(SHARE) {
        return None;
    }
    let (tab, doc, seed) = (tab(world, r), r.below(world.keys.len()), r.next());
    let queries = world.tabs.get(tab).map_or(0, |tab| tab.queries.len());
    Some(match r.below(10) {
        0..3 if queries > 0 => Step::DropQuery {
            tab,
            at: r.below(queries),
        },
        0..6 => Step::Query { tab, doc, seed },
        _ => Step::Do {
            tab,
            doc,
            act: *r.pick(&[Act::Close, Act::Close, Act::Remove, Act::Fetch]),
            seed,
        },
    })
}

/// The first steps, where documents are opened one by one.
pub(super) fn thin_out(world: &World, steps: &mut Vec<Step>, r: &mut Random) {
    let is_call = |step: &Step| matches!(step, Step::Do { .. });
    steps.retain(|step| !world.config.queries || !is_call(step) || r.once_in(3));
}

/// Every subscribed query has the results that the server has now, and a tab follows the documents in them.
pub(super) fn check(world: &mut World) {
    let mut found = Vec::new();
    for tab in world.tabs.iter().filter(|tab| tab.open) {
        for query in &tab.queries {
            let who = format!("tab {}, {query:?}", tab.number);
            if query.action == QueryAction::Fetch {
                found.push(format!("{who}: not answered at rest"));
                continue;
            }
            let (ids, extra) = world.server.query(&query.collection, query.query);
            let results = query.results.iter().flatten();
            let told: Vec<&String> = results.map(|key| &key.id).collect();
            if query.results.is_none() || !told.into_iter().eq(&ids) {
                found.push(format!("{who}: the server has {ids:?}"));
            }
            if query.extra != extra.as_ref().map(ot_json0::Value::to_json) {
                found.push(format!("{who}: the server has the extra {extra:?}"));
            }
            for key in query.results.iter().flatten() {
                let served = world.server.snapshot(&key.collection, &key.id);
                let served = served.map(|served| served.v);
                let doc = tab.docs.iter().find(|doc| doc.key == *key && doc.is_open);
                let version = doc.and_then(|doc| tab.connection.version(doc.handle));
                let version = version.map(|version| version.0);
                // One that was closed, and opened again, gets the next op.
                if version.is_some() && version != served {
                    found.push(format!(
                        "{who}: {key} is at version {version:?}, the server's is {served:?}"
                    ));
                }
            }
        }
    }
    world.ledger.problems.append(&mut found);
}

/// When tabs have destroyed their queries and closed their documents, hosts have none, and follow nothing at the server.
pub(super) fn check_left(world: &mut World) {
    if !world.config.queries {
        return;
    }
    for tab in 0..world.tabs.len() {
        while world.take(&Step::DropQuery { tab, at: 0 }) {}
    }
    if !settle(world) {
        return world.ledger.problem("no rest without queries".to_owned());
    }
    each_doc(world, Act::Close);
    if !settle(world) {
        return world.ledger.problem("no rest without documents".to_owned());
    }
    ask_statuses(world);
    let mut found = Vec::new();
    for tab in world.tabs.iter().filter(|tab| tab.open) {
        let number = tab.number;
        if let Some(doc) = tab.docs.iter().find(|doc| doc.is_open) {
            let text = format!("tab {number}: does not come to close {doc:?}");
            found.push(text);
        }
        let nothing = |status: &broker::message::Status| status.docs == 0;
        if !tab.status.as_ref().is_some_and(nothing) {
            found.push(format!(
                "host {} keeps what no tab has: {:?}",
                tab.host, tab.status
            ));
        }
    }
    for side in &world.hosts {
        let socket = side.socket.map(|socket| &world.sockets[socket]);
        let followed = socket.map(|socket| world.server.subscriptions(socket.session));
        if followed.is_some_and(|followed| followed != (0, 0)) {
            found.push(format!(
                "a host follows {followed:?} documents and queries that no tab has"
            ));
        }
    }
    world.ledger.problems.append(&mut found);
}
