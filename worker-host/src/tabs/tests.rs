//! Which tabs there are, and what is on its way to them.

use super::*;

fn tab(name: &str) -> TabId {
    TabId(name.to_owned())
}

fn told(revision: u64) -> Told {
    Told::Revision(Revision(revision))
}

/// A tab that was told of so many changes, one a message.
fn with_told(max_unconfirmed: usize, changes: u64) -> Tabs {
    let mut tabs = Tabs::new(max_unconfirmed, usize::MAX);
    tabs.register(&tab("a"), true);
    for n in 0..changes {
        assert!(tabs.count_message(&tab("a"), false));
        tabs.note_told(&tab("a"), DocHandle(0), told(n));
    }
    tabs
}

#[test]
fn a_tab_that_leaves_may_come_again_until_it_is_forgotten() {
    let mut tabs = with_told(9, 0);
    assert!(tabs.leave(&tab("a")));
    assert!(!tabs.leave(&tab("a")), "it was not registered any more");
    assert!(tabs.may_live(&tab("a")));
    assert!(!tabs.is_registered(&tab("a")));
    tabs.forget(&tab("a"));
    assert!(!tabs.may_live(&tab("a")));
}

#[test]
fn a_message_for_a_tab_that_left_is_for_nobody() {
    let mut tabs = with_told(9, 0);
    tabs.leave(&tab("a"));
    assert!(!tabs.count_message(&tab("a"), false));
}

#[test]
fn the_last_expected_tab_is_the_one_that_comes_or_goes_last() {
    let mut tabs = Tabs::new(9, 9);
    tabs.expect(&tab("a"));
    tabs.expect(&tab("b"));
    assert!(!tabs.arrive(&tab("a")));
    assert!(!tabs.arrive(&tab("a")), "it is not expected any more");
    assert!(tabs.forget(&tab("b")));
    assert!(!tabs.expects_any());
}

#[test]
fn a_confirmation_gives_what_the_tab_has_processed() {
    let mut tabs = with_told(9, 3);
    let confirmed = tabs.confirm(&tab("a"), 2);
    assert_eq!(
        confirmed.told,
        [(DocHandle(0), told(0)), (DocHandle(0), told(1))]
    );
    assert!(!confirmed.wakes);
}

#[test]
fn a_tab_that_lags_wakes_when_less_than_half_is_left() {
    let mut tabs = with_told(4, 4);
    assert!(!tabs.gets_changes(&tab("a")));
    assert!(tabs.any_stalled());
    assert!(!tabs.confirm(&tab("a"), 2).wakes, "two of four are left");
    assert!(tabs.confirm(&tab("a"), 3).wakes);
    assert!(tabs.gets_changes(&tab("a")));
}

#[test]
fn an_inserted_message_moves_the_numbers_behind_it() {
    let mut tabs = with_told(9, 3);
    // The last message waits: the new one becomes the third, and that one the fourth.
    assert!(!tabs.insert_message(&tab("a"), 1));
    assert_eq!(tabs.confirm(&tab("a"), 3).told.len(), 2);
    assert_eq!(tabs.confirm(&tab("a"), 4).told.len(), 1);
}

#[test]
fn a_welcome_that_waits_stays_the_first_message() {
    let mut tabs = Tabs::new(9, 9);
    tabs.register(&tab("a"), true);
    tabs.count_message(&tab("a"), false);
    assert!(tabs.insert_message(&tab("a"), 1));
}

#[test]
fn what_a_tab_wants_of_the_store_goes_with_the_tab() {
    let mut tabs = with_told(9, 0);
    tabs.watch_storage(&tab("a"));
    tabs.set_flushes_itself(&tab("a"), true);
    tabs.leave(&tab("a"));
    assert!(tabs.any_flushes_itself(), "it may come again");
    tabs.forget(&tab("a"));
    assert!(!tabs.any_flushes_itself());
    assert!(tabs.watchers().is_empty());
}
