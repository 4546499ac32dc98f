//! Tabs that lag: what a host joins for them, and what it tells them once they go on.

#![allow(clippy::unwrap_used)]

mod life;

use std::rc::Rc;

use broker::message::{DocEvent, ToTab};
use life::{Knowing, Life, Texts, edit, options, read, register};
use proxy_doc::{Outcome, Revision, Seq, TabId, Version, codes, write_json};
use serde_json::{Value, json as value};
use worker_host::Options;

/// The version of the document when the first tab subscribes to it.
const FIRST: u64 = 3;
const MAX_UNCONFIRMED: usize = 8;
const MAX_LOG: usize = 4;
/// More changes than a tab may leave unconfirmed, and more on top than the host keeps one by one.
const MANY: u64 = 20;

/// A change as a tab is told of it.
struct Told {
    from: Revision,
    next: Revision,
    what: What,
}

#[derive(PartialEq)]
enum What {
    /// The tab's own op was accepted.
    Own(Seq),
    /// The tab has to apply this.
    Foreign(String),
}

/// A host whose limits are soon reached, with a tab that follows a document.
fn begun() -> Life {
    let options = Options {
        max_unconfirmed: MAX_UNCONFIRMED,
        max_log: MAX_LOG,
        ..options(2)
    };
    let mut life = Life::with(Texts::new(), Rc::new(Knowing), options);
    life.begin();
    life.subscribe("d");
    life
}

impl Told {
    fn holds_own(&self) -> bool {
        match &self.what {
            What::Own(_) => false,
            What::Foreign(change) => change.contains("mine"),
        }
    }
}

fn server_op(v: u64) -> Value {
    let op = value!([{"p": ["t", 0], "li": "theirs"}]);
    value!({"a": "op", "c": "c", "d": "d", "v": v, "src": "other", "seq": v, "op": op})
}

fn changes(told: &[ToTab]) -> Vec<Told> {
    let change = |told: &ToTab| match told {
        ToTab::Doc {
            event: DocEvent::Accepted { seq, revision, .. },
            ..
        } => Some(Told {
            from: *revision,
            next: revision.next(),
            what: What::Own(*seq),
        }),
        ToTab::Doc {
            event:
                DocEvent::Op {
                    revision,
                    next,
                    change,
                    ..
                },
            ..
        } => Some(Told {
            from: *revision,
            next: *next,
            what: What::Foreign(write_json(change)),
        }),
        _ => None,
    };
    told.iter().filter_map(change).collect()
}

/// The changes follow each other from `revision` on. The tab's op 1 is one of them, and is not in what it has to apply.
fn assert_own_op_is_accepted(told: &[ToTab], revision: Revision) {
    let changes = changes(told);
    let mut at = revision;
    for change in &changes {
        assert_eq!(change.from, at);
        at = change.next;
    }
    let again = changes.iter().filter(|told| told.holds_own());
    assert_eq!(again.count(), 0, "applied again");
    let own = changes.iter().filter(|told| told.what == What::Own(Seq(1)));
    assert_eq!(own.count(), 1, "accepted");
}

#[test]
fn a_blocked_tab_hears_that_its_op_was_accepted() {
    let mut life = begun();
    for v in FIRST..FIRST + MANY {
        life.server(server_op(v));
    }
    assert_eq!(changes(&life.told).len(), MAX_UNCONFIRMED, "it stalls");
    life.tab(edit(1, 1));
    assert_own_op_is_accepted(&life.told, Revision(1));
}

#[test]
fn a_tab_that_does_not_follow_hears_that_its_op_was_accepted() {
    let mut life = begun();
    let reader = TabId("reader".to_owned());
    life.tab_named(&reader, register(&value!([])));
    life.tab_named(&reader, read("doc.fetch", "d"));
    for v in FIRST..FIRST + MANY {
        life.server(server_op(v));
    }
    life.tab_named(&reader, edit(1, 1));
    assert_own_op_is_accepted(&life.others[&reader], Revision(1));
}

#[test]
fn a_tab_that_goes_on_hears_of_the_versions_that_moved_meanwhile() {
    let mut life = begun();
    for v in FIRST..FIRST + MAX_UNCONFIRMED as u64 {
        life.server(server_op(v));
    }
    let writer = TabId("writer".to_owned());
    life.tab_named(&writer, register(&value!([])));
    life.tab_named(&writer, read("doc.subscribe", "d"));
    life.tab_named(&writer, edit(1, 1 + MAX_UNCONFIRMED as u64));
    let v = FIRST + MAX_UNCONFIRMED as u64;
    life.server(value!({"a": "op", "c": "c", "d": "d", "v": v, "src": "life2", "seq": 1}));
    assert_eq!(changes(&life.told).len(), MAX_UNCONFIRMED, "it stalls");

    let count = life.told.len();
    life.tab(value!({"tab.received": {"count": count}}));
    let events = life.told[count..].iter().filter_map(|told| match told {
        ToTab::Doc { event, .. } => Some(event),
        _ => None,
    });
    let events: Vec<&DocEvent> = events.collect();
    assert!(
        matches!(&events[..], [DocEvent::Op { .. }, DocEvent::Version { version, .. }] if *version == Version(v + 1)),
        "{events:?}"
    );
}

/// A tab that comes back and waits for its op 1, which stands behind revision 9 where the other tab lags.
fn returned(goes: bool) -> Vec<ToTab> {
    let mut life = begun();
    let base = 1 + MAX_UNCONFIRMED as u64;
    for v in FIRST..FIRST + MAX_UNCONFIRMED as u64 {
        life.server(server_op(v));
    }
    let writer = TabId("writer".to_owned());
    life.tab_named(&writer, register(&value!([])));
    life.tab_named(&writer, read("doc.subscribe", "d"));
    life.tab_named(&writer, edit(1, base));
    let v = FIRST + MAX_UNCONFIRMED as u64;
    life.server(value!({"a": "op", "c": "c", "d": "d", "v": v, "src": "life2", "seq": 1}));
    if goes {
        life.host.tab_gone(&writer);
        life.drain();
    }
    for v in v + 1..v + MANY {
        life.server(server_op(v));
    }
    let before = life.others[&writer].len();
    let resumed = value!([{"doc": {"collection": "c", "id": "d"}, "revision": base, "line": 2, "life": 0,
        "live": true, "inflight": 1, "accepted": []}]);
    life.tab_named(&writer, register(&resumed));
    life.others.remove(&writer).unwrap().split_off(before)
}

#[test]
fn a_tab_that_registers_again_hears_that_its_op_was_accepted() {
    assert_own_op_is_accepted(&returned(false), Revision(1 + MAX_UNCONFIRMED as u64));
}

/// Nobody was owed the op while its tab was gone, and nobody knows which entry it became part of.
#[test]
fn a_tab_that_was_gone_does_not_get_its_op_as_somebody_elses() {
    let told = returned(true);
    let again = changes(&told).into_iter().filter(|told| told.holds_own());
    assert_eq!(again.count(), 0, "applied again");
    let ended = told.iter().find_map(|told| match told {
        ToTab::Doc {
            event: DocEvent::Rollback { ended, .. },
            ..
        } => Some(&ended[..]),
        _ => None,
    });
    let Some([op]) = ended else {
        panic!("{told:?}");
    };
    assert_eq!(op.seq, Seq(1));
    assert!(
        matches!(&op.outcome, Outcome::Failed(error) if error.is(codes::ERR_REVISION_NOT_KEPT)),
        "{:?}",
        op.outcome
    );
}
