//! Presence of tabs on one channel: what a simulation does with it, and what has to be so at rest.

use std::collections::BTreeMap;

use super::choice::tab;
use super::step::{Config, PresenceAct, Step};
use super::world::World;
use crate::random::Random;

/// Steps of which one is about presence, on the average.
const SHARE: usize = 6;

/// `r` is a source of its own: other simulations are as they were.
pub(super) fn choose(config: &mut Config, r: &mut Random) {
    // A host that was frozen shows on a session of its own what it was told before. Where it did not subscribe, the server
    // leaves that for ever, as with any client.
    config.presence = r.once_in(4) && !config.freezes;
    // What a machine showed is told to the next one by the shim.
    config.crashes &= !config.presence;
}

/// A step that is about presence, now and then.
pub(super) fn step(world: &World, r: &mut Random) -> Option<Step> {
    if !world.config.presence || !r.once_in(SHARE) {
        return None;
    }
    let acts = [
        PresenceAct::Subscribe,
        PresenceAct::Subscribe,
        PresenceAct::Show,
        PresenceAct::Show,
        PresenceAct::Show,
        PresenceAct::Hide,
        PresenceAct::Unsubscribe,
    ];
    Some(Step::Presence {
        tab: tab(world, r),
        act: *r.pick(&acts),
        value: r.next(),
    })
}

/// Each tab that subscribes is shown what the others show, and nothing else.
pub(super) fn check(world: &mut World) {
    if !world.config.presence {
        return;
    }
    let mut found = Vec::new();
    let open = || world.tabs.iter().filter(|tab| tab.open);
    for tab in open().filter(|tab| tab.presence.subscribes) {
        let others = open().filter(|other| other.number != tab.number);
        let shown: BTreeMap<String, String> = others
            .filter_map(|other| Some((other.presence_id(), other.presence.shown.clone()?)))
            .collect();
        // Who is hidden while a host is not connected is a ghost to its tabs from then on, as to the stock client.
        let is_ghost = |id: &String| {
            let of = world.tabs.iter().find(|of| of.presence_id() == *id);
            of.is_some_and(|of| of.host != tab.host)
        };
        let mut told = tab.presence.others.clone();
        told.retain(|id, _| shown.contains_key(id) || !is_ghost(id));
        if shown != told {
            found.push(format!(
                "tab {} is shown presence {told:?}, the others show {shown:?}",
                tab.number
            ));
        }
    }
    world.ledger.problems.append(&mut found);
}
