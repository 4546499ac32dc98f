//! A server that refuses to let documents be read, aloud or silently, for a while: what a simulation does with it, and what has to be
//! so at rest.
//!
//! What it refuses to do: refuse results of queries. Where documents are refused, tabs ask no queries.

use std::collections::BTreeSet;

use proxy_doc::{DocKey, codes};
use serde_json::Value;

use super::check::{self, ask_statuses, settle};
use super::choice::tab;
use super::step::{Act, Config, Step, Weather};
use super::world::World;
use crate::random::Random;
use crate::server::Reach;

/// Steps of which one is about reads that are refused, on the average.
const SHARE: usize = 5;
/// The code of a refusal that applications are told.
pub(super) const ALOUD: &str = "ERR_READ_REFUSED";

/// Whether reads are refused. `r` is a source of its own: other simulations are as they were.
pub(super) fn choose(config: &mut Config, r: &mut Random) {
    config.refuses_reads = !config.queries && config.weather != Weather::Fair && r.once_in(2);
}

/// A step that is about reads that are refused, now and then where any are.
pub(super) fn step(world: &World, r: &mut Random) -> Option<Step> {
    if !world.config.refuses_reads || !r.once_in(SHARE) {
        return None;
    }
    let (tab, doc, seed) = (tab(world, r), r.below(world.keys.len()), r.next());
    Some(match r.below(12) {
        0..4 => refuse(doc, r),
        4 => Step::RefuseReads {
            doc,
            code: None,
            reach: Reach::Everything,
        },
        5 => Step::Cut {
            host: 0,
            up: r.below(4),
            down: r.below(4),
        },
        _ => Step::Do {
            tab,
            doc,
            act: *r.pick(&[Act::Subscribe, Act::Subscribe, Act::Unsubscribe, Act::Fetch]),
            seed,
        },
    })
}

/// All hosts lose their connections while others edit, and the server refuses reads of most documents. All come to rest, and
/// then the server refuses nothing any more.
pub(super) fn reconnect(world: &mut World) {
    let mut r = Random::new(world.config.seed);
    for doc in 0..world.keys.len() {
        let step = refuse(doc, &mut r);
        world.take(&step);
    }
    let hosts = 0..world.hosts.len();
    let first = r.below(world.hosts.len());
    for host in hosts {
        let (up, down) = (0, 0);
        world.take(&Step::Cut { host, up, down });
        // Those of the other one come first.
        if host == first {
            check::change_elsewhere(world);
            settle(world);
        }
    }
    if check::rests(world, " with reads that are refused") {
        check::check_all_idle(world);
        check_subscriptions(world);
    }
    heal(world);
}

/// A document is not to be read.
fn refuse(doc: usize, r: &mut Random) -> Step {
    const CODES: [&str; 2] = [ALOUD, codes::ERR_SNAPSHOT_READ_SILENT_REJECTION];
    Step::RefuseReads {
        doc,
        code: Some((*r.pick(&CODES)).to_owned()),
        reach: *r.pick(&[Reach::Snapshots, Reach::Ops, Reach::Everything]),
    }
}

/// The server refuses no read any more.
pub(super) fn heal(world: &mut World) {
    for doc in 0..world.keys.len() {
        let (code, reach) = (None, Reach::Everything);
        world.take(&Step::RefuseReads { doc, code, reach });
    }
}

/// A tab is subscribed where its host follows the document for it, and has subscribed it at the server; and nowhere else.
pub(super) fn check_subscriptions(world: &mut World) {
    ask_statuses(world);
    let mut found = Vec::new();
    for tab in world.tabs.iter().filter(|tab| tab.open) {
        let details = tab.status.as_ref().and_then(|it| it.details.as_ref());
        let Some(details) = details.and_then(|it| serde_json::from_str(it.get()).ok()) else {
            found.push(format!("tab {}: no status at rest", tab.number));
            continue;
        };
        let followed = followed(&details, &tab.id.0);
        let side = &world.hosts[tab.host];
        let socket = side.socket.map(|socket| &world.sockets[socket]);
        for doc in tab.docs.iter().filter(|doc| doc.is_open) {
            let machine = tab.connection.doc(doc.handle);
            let is_subscribed = machine.is_some_and(proxy_doc::Doc::subscribed);
            let is_live = followed.contains(&doc.key);
            let is_served =
                socket.is_some_and(|socket| world.server.follows(socket.session, &doc.key));
            if is_subscribed != is_live || (is_subscribed && !is_served) {
                found.push(format!(
                    "tab {}, {}: subscribed: {is_subscribed}, at its host: {is_live}, at the server: {is_served}",
                    tab.number, doc.key
                ));
            }
        }
    }
    world.ledger.problems.append(&mut found);
}

/// The documents that the host follows for the tab, by its status.
fn followed(details: &Value, tab: &str) -> BTreeSet<DocKey> {
    let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let is_its = |follower: &Value| follower["id"] == tab && follower["live"] == true;
    let docs = array(&details["docs"]);
    let docs = docs
        .iter()
        .filter(|doc| array(&doc["tabs"]).iter().any(is_its));
    let name = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    docs.map(|doc| DocKey {
        collection: name(&doc["collection"]),
        id: name(&doc["id"]),
    })
    .collect()
}
