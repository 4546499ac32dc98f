//! A place that queues for the host lock: handover, takeover by stealing, crash, and the page that goes away.

use broker::places::{
    Announcement, Candidate, CandidateInput as Input, CandidateOutput as Output, HostAt, PlaceKind,
    Waiting,
};
use proxy_doc::Epoch;

const EPOCH: Epoch = Epoch(7);
const PROTOCOL: u32 = 3;

fn page() -> Candidate {
    Candidate::speaking("page".to_owned(), PlaceKind::Page, PROTOCOL)
}

fn worker() -> Candidate {
    Candidate::speaking("worker".to_owned(), PlaceKind::SharedWorker, PROTOCOL)
}

/// A page that has the host.
fn hosting() -> Candidate {
    let mut page = page();
    page.handle(Input::Stand { steal: false });
    page.handle(Input::Granted {});
    page.handle(Input::Began { epoch: EPOCH });
    page
}

fn host_at(epoch: Epoch) -> HostAt {
    HostAt {
        epoch,
        place: "page".to_owned(),
        kind: PlaceKind::Page,
        protocol: PROTOCOL,
    }
}

fn waiting(kind: PlaceKind, protocol: u32) -> Announcement {
    Announcement::Waiting(Waiting { kind, protocol })
}

fn hears(announcement: Announcement) -> Input {
    Input::Heard(announcement)
}

fn said(announcement: Announcement) -> Output {
    Output::Announce(announcement)
}

#[test]
fn a_host_begins_only_when_the_lock_is_held() {
    let mut page = page();
    let outputs = page.handle(Input::Stand { steal: false });
    assert_eq!(
        outputs,
        [
            Output::RequestLock { steal: false },
            said(waiting(PlaceKind::Page, PROTOCOL))
        ]
    );
    assert_eq!(page.handle(Input::Granted {}), [Output::Begin {}]);
    assert_eq!(page.host(), None, "a host has no epoch before it began");
    let outputs = page.handle(Input::Began { epoch: EPOCH });
    assert_eq!(outputs, [said(Announcement::Host(host_at(EPOCH)))]);
    assert_eq!(page.host(), Some(host_at(EPOCH)));
}

#[test]
fn a_lock_that_is_granted_after_the_request_was_given_up_is_released() {
    let mut page = page();
    page.handle(Input::Stand { steal: false });
    let outputs = page.handle(Input::Withdraw { urgent: false });
    assert_eq!(outputs, [Output::ReleaseLock {}]);
    assert_eq!(page.handle(Input::Granted {}), [Output::ReleaseLock {}]);
}

#[test]
fn a_page_hands_over_to_a_worker_and_keeps_the_lock_until_it_has_resigned() {
    let mut page = hosting();
    let outputs = page.handle(hears(waiting(PlaceKind::SharedWorker, PROTOCOL)));
    assert_eq!(outputs, [Output::Resign { urgent: false }]);
    assert_eq!(
        page.host(),
        Some(host_at(EPOCH)),
        "it goes on until it has resigned"
    );
    let outputs = page.handle(Input::Resigned {});
    assert_eq!(page.host(), None);
    assert_eq!(
        outputs,
        [
            said(Announcement::Over { epoch: EPOCH }),
            Output::ReleaseLock {},
            Output::RequestLock { steal: false },
            said(waiting(PlaceKind::Page, PROTOCOL)),
        ]
    );
}

#[test]
fn a_host_that_has_no_epoch_yet_hands_over_too() {
    let mut page = page();
    page.handle(Input::Stand { steal: false });
    page.handle(Input::Granted {});
    let outputs = page.handle(hears(waiting(PlaceKind::SharedWorker, PROTOCOL)));
    assert_eq!(outputs, [Output::Resign { urgent: false }]);
    assert_eq!(page.handle(Input::Began { epoch: EPOCH }), []);
    assert_eq!(page.host(), None);
}

#[test]
fn a_newer_protocol_goes_before_a_better_kind_of_place() {
    let newer = waiting(PlaceKind::Page, PROTOCOL + 1);
    let older = waiting(PlaceKind::SharedWorker, PROTOCOL - 1);
    assert_eq!(hosting().handle(hears(older)), []);
    let outputs = hosting().handle(hears(newer));
    assert_eq!(outputs, [Output::Resign { urgent: false }]);
}

#[test]
fn places_of_one_kind_do_not_hand_over_to_each_other() {
    let outputs = hosting().handle(hears(waiting(PlaceKind::Page, PROTOCOL)));
    assert_eq!(outputs, []);
}

#[test]
fn a_queued_worker_answers_a_host_in_a_page() {
    let mut worker = worker();
    worker.handle(Input::Stand { steal: false });
    let outputs = worker.handle(hears(Announcement::Host(host_at(EPOCH))));
    assert_eq!(outputs, [said(waiting(PlaceKind::SharedWorker, PROTOCOL))]);
}

#[test]
fn a_queued_page_lets_a_worker_go_first() {
    let mut page = page();
    page.handle(Input::Stand { steal: false });
    let outputs = page.handle(hears(waiting(PlaceKind::SharedWorker, PROTOCOL)));
    assert_eq!(outputs, [Output::RequestLock { steal: false }]);
    let outputs = page.handle(hears(waiting(PlaceKind::Page, PROTOCOL)));
    assert_eq!(outputs, []);
}

#[test]
fn a_host_whose_lock_was_stolen_ends_before_anything_else() {
    let mut page = hosting();
    let outputs = page.handle(Input::Lost {});
    assert_eq!(outputs[0], Output::End {});
    assert_eq!(outputs[1], Output::ReleaseLock {});
    assert_eq!(page.host(), None);
}

#[test]
fn a_host_that_lost_its_lock_while_it_resigned_ends_too() {
    let mut page = hosting();
    page.handle(Input::Withdraw { urgent: false });
    let outputs = page.handle(Input::Lost {});
    assert_eq!(
        outputs,
        [
            Output::End {},
            Output::ReleaseLock {},
            said(Announcement::Over { epoch: EPOCH })
        ]
    );
    assert_eq!(page.handle(Input::Resigned {}), []);
}

#[test]
fn the_host_after_a_crash_is_announced_behind_the_end_of_the_one_before() {
    let mut page = hosting();
    let outputs = page.handle(Input::Began {
        epoch: EPOCH.next(),
    });
    assert_eq!(
        outputs,
        [
            said(Announcement::Over { epoch: EPOCH }),
            said(Announcement::Host(host_at(EPOCH.next())))
        ]
    );
}

#[test]
fn a_page_that_goes_away_hurries_a_host_that_resigns_already() {
    let mut page = hosting();
    page.handle(Input::Withdraw { urgent: false });
    let outputs = page.handle(Input::Withdraw { urgent: true });
    assert_eq!(outputs, [Output::Resign { urgent: true }]);
    let outputs = page.handle(Input::Resigned {});
    assert_eq!(
        outputs,
        [
            said(Announcement::Over { epoch: EPOCH }),
            Output::ReleaseLock {}
        ]
    );
}

#[test]
fn a_place_that_stands_again_while_it_resigns_queues_behind_the_others() {
    let mut page = hosting();
    page.handle(Input::Withdraw { urgent: false });
    assert_eq!(page.handle(Input::Stand { steal: false }), []);
    let outputs = page.handle(Input::Resigned {});
    assert!(outputs.contains(&Output::RequestLock { steal: false }));
}

#[test]
fn a_queued_place_steals_when_it_is_told_to() {
    let mut page = page();
    page.handle(Input::Stand { steal: false });
    let outputs = page.handle(Input::Stand { steal: true });
    assert_eq!(outputs, [Output::RequestLock { steal: true }]);
    let outputs = hosting().handle(Input::Stand { steal: true });
    assert_eq!(outputs, [], "a holder has nothing to steal");
}

#[test]
fn a_place_stands_no_more_after_a_wipe() {
    let mut page = hosting();
    let outputs = page.handle(Input::Over {});
    assert_eq!(
        outputs,
        [
            said(Announcement::Over { epoch: EPOCH }),
            Output::ReleaseLock {}
        ]
    );
}
