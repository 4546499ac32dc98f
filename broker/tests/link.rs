//! A tab's link: which host it believes, which road it takes, and what it does about silence.

use broker::message::PROTOCOL;
use broker::places::{
    Announcement, HostAt, Link, LinkInput as Input, LinkOptions, LinkOutput as Output, PlaceKind,
    RoadKind, Why, WorkerKind,
};
use proxy_doc::Epoch;

const WORKER: &str = "worker";
const OTHER: &str = "other";
const PAGE: &str = "page";
const OWN: &str = "own";
const EARLY: Epoch = Epoch(100);
const LATE: Epoch = Epoch(200);

/// A link and its clock.
struct Tab {
    link: Link,
    now: u64,
}

impl Tab {
    /// A tab that makes no dedicated worker.
    fn new(no_worker: bool) -> Self {
        Self::having(no_worker, true)
    }

    /// A tab that has dedicated workers only.
    fn with_dedicated() -> Self {
        Self::having(true, false)
    }

    fn having(no_worker: bool, no_dedicated: bool) -> Self {
        Self::speaking(no_worker, no_dedicated, PROTOCOL)
    }

    fn speaking(no_worker: bool, no_dedicated: bool, protocol: u32) -> Self {
        let options = LinkOptions {
            no_worker: no_worker.then(|| why(None)),
            no_dedicated: no_dedicated.then(|| why(None)),
            page: PAGE.to_owned(),
            burial: 0,
        };
        let mut tab = Self {
            link: Link::speaking(options, protocol),
            now: 0,
        };
        tab.give(Input::Start {});
        tab
    }

    /// A tab whose worker is there, and has no host.
    fn with_worker() -> Self {
        let mut tab = Self::new(false);
        tab.greet(RoadKind::Port, WORKER, None);
        tab
    }

    /// A tab that the host of its worker has taken.
    fn taken_by_worker() -> Self {
        let mut tab = Self::with_worker();
        tab.greet(RoadKind::Port, WORKER, Some(EARLY));
        tab.give(Input::Taken { epoch: EARLY });
        tab
    }

    /// A tab without a worker that the host of another place has taken.
    fn taken_by_other() -> Self {
        let mut tab = Self::new(true);
        tab.hear(OTHER, LATE);
        tab.greet(RoadKind::Channel, OTHER, Some(LATE));
        tab.give(Input::Taken { epoch: LATE });
        tab
    }

    /// The outputs, but for timers.
    fn give(&mut self, input: Input) -> Vec<Output> {
        let outputs = self.link.handle(self.now, input);
        let is_timer = |output: &Output| matches!(output, Output::StartTimer { .. });
        outputs.into_iter().filter(|o| !is_timer(o)).collect()
    }

    fn greet(&mut self, road: RoadKind, place: &str, epoch: Option<Epoch>) -> Vec<Output> {
        self.give(Input::Greeted {
            road,
            place: place.to_owned(),
            host: epoch.map(|epoch| host_at(place, epoch)),
        })
    }

    fn hear(&mut self, place: &str, epoch: Epoch) -> Vec<Output> {
        self.give(Input::Heard(Announcement::Host(host_at(place, epoch))))
    }

    /// What it does until so many milliseconds have passed, looking every 100.
    fn wait(&mut self, milliseconds: u64) -> Vec<Output> {
        let end = self.now + milliseconds;
        let mut outputs = Vec::new();
        while self.now < end {
            self.now += 100;
            outputs.append(&mut self.give(Input::Timer {}));
        }
        outputs
    }
}

fn why(code: Option<&str>) -> Why {
    Why {
        reason: "a reason".to_owned(),
        code: code.map(str::to_owned),
    }
}

fn host_at(place: &str, epoch: Epoch) -> HostAt {
    HostAt {
        epoch,
        place: place.to_owned(),
        kind: PlaceKind::SharedWorker,
        protocol: PROTOCOL,
    }
}

const STAND: Output = Output::Stand {
    place: PlaceKind::Page,
    steal: false,
};
const STEAL: Output = Output::Stand {
    place: PlaceKind::Page,
    steal: true,
};
const WITHDRAW: Output = Output::Withdraw {
    place: PlaceKind::Page,
    urgent: false,
};
const MAKE_WORKER: Output = Output::MakeWorker {
    worker: WorkerKind::Shared,
};
const MAKE_DEDICATED: Output = Output::MakeWorker {
    worker: WorkerKind::Dedicated,
};

fn own_stands(steal: bool) -> Output {
    let place = PlaceKind::DedicatedWorker;
    Output::Stand { place, steal }
}

fn own_withdraws(urgent: bool) -> Output {
    let place = PlaceKind::DedicatedWorker;
    Output::Withdraw { place, urgent }
}

fn failed(worker: WorkerKind) -> Input {
    let why = why(None);
    Input::WorkerFailed { worker, why }
}

fn open(road: RoadKind, place: &str) -> Output {
    let place = place.to_owned();
    Output::Open { road, place }
}

fn introductions(outputs: &[Output]) -> Vec<(Epoch, u64)> {
    let introduction = |output: &Output| match output {
        Output::Introduce { epoch, number, .. } => Some((*epoch, *number)),
        _ => None,
    };
    outputs.iter().filter_map(introduction).collect()
}

/// The road to take, as far as it is left, opened and used.
fn road(outputs: &[Output]) -> Vec<Output> {
    let is_road = |output: &&Output| {
        matches!(
            output,
            Output::Leave {} | Output::Open { .. } | Output::Ready {}
        )
    };
    outputs.iter().filter(is_road).cloned().collect()
}

#[test]
fn a_tab_introduces_itself_by_the_port_at_once() {
    let mut tab = Tab::with_worker();
    let outputs = tab.greet(RoadKind::Port, WORKER, Some(EARLY));
    assert_eq!(road(&outputs), [open(RoadKind::Port, WORKER)]);
    assert_eq!(introductions(&outputs), [(EARLY, 1)]);
    let outputs = tab.give(Input::Taken { epoch: EARLY });
    assert_eq!(outputs, [Output::Ready {}]);
}

#[test]
fn a_tab_introduces_itself_by_a_channel_when_the_place_has_greeted() {
    let mut tab = Tab::new(true);
    let outputs = tab.hear(OTHER, EARLY);
    assert_eq!(road(&outputs), [open(RoadKind::Channel, OTHER)]);
    assert_eq!(introductions(&outputs), []);
    let outputs = tab.greet(RoadKind::Channel, OTHER, Some(EARLY));
    assert_eq!(introductions(&outputs), [(EARLY, 1)]);
}

#[test]
fn an_answer_of_another_host_does_not_make_the_road_ready() {
    let mut tab = Tab::with_worker();
    tab.greet(RoadKind::Port, WORKER, Some(LATE));
    assert_eq!(tab.give(Input::Taken { epoch: EARLY }), []);
}

#[test]
fn a_later_host_is_followed_and_the_old_road_is_left_first() {
    let mut tab = Tab::taken_by_worker();
    let outputs = tab.hear(OTHER, LATE);
    assert_eq!(
        road(&outputs),
        [Output::Leave {}, open(RoadKind::Channel, OTHER)]
    );
}

#[test]
fn the_host_after_a_crash_in_the_same_place_is_introduced_to_anew() {
    let mut tab = Tab::taken_by_worker();
    let outputs = tab.greet(RoadKind::Port, WORKER, Some(EARLY.next()));
    assert_eq!(
        road(&outputs),
        [Output::Leave {}, open(RoadKind::Port, WORKER)]
    );
    assert_eq!(introductions(&outputs), [(EARLY.next(), 2)]);
}

#[test]
fn a_channel_is_opened_anew_for_the_host_after_a_crash() {
    let mut tab = Tab::taken_by_other();
    let outputs = tab.greet(RoadKind::Channel, OTHER, Some(LATE.next()));
    assert_eq!(
        road(&outputs),
        [Output::Leave {}, open(RoadKind::Channel, OTHER)]
    );
    assert_eq!(introductions(&outputs), [], "the new channel greets first");
}

#[test]
fn an_older_host_is_not_believed_while_the_later_one_answers() {
    let mut tab = Tab::taken_by_other();
    assert_eq!(tab.hear(WORKER, EARLY), []);
    assert_eq!(road(&tab.wait(10_000)), []);
}

#[test]
fn a_host_that_has_ended_is_not_believed_again() {
    let mut tab = Tab::taken_by_other();
    tab.give(Input::Heard(Announcement::Over { epoch: LATE }));
    assert_eq!(tab.hear(OTHER, LATE), []);
    let place = OTHER.to_owned();
    tab.hear(OTHER, LATE.next());
    tab.give(Input::Gone { place });
    assert_eq!(tab.hear(OTHER, LATE.next()), []);
}

#[test]
fn an_older_host_that_answers_is_followed_where_the_later_one_does_not() {
    let mut tab = Tab::taken_by_other();
    tab.give(Input::Quiet {});
    let mut outputs = tab.wait(4_000);
    assert!(outputs.contains(&Output::Announce(Announcement::Ask {})));
    assert_eq!(tab.hear(WORKER, EARLY), [], "the other may answer yet");
    outputs = tab.wait(1_500);
    assert_eq!(
        road(&outputs),
        [Output::Leave {}, open(RoadKind::Channel, WORKER)]
    );
    assert!(!outputs.contains(&STEAL));
}

#[test]
fn a_place_knows_its_own_hosts_better_than_the_clock() {
    let mut tab = Tab::taken_by_worker();
    let outputs = tab.greet(RoadKind::Port, WORKER, Some(Epoch(EARLY.0 - 1)));
    assert_eq!(introductions(&outputs), [(Epoch(EARLY.0 - 1), 2)]);
}

#[test]
fn a_greeting_by_the_port_that_is_older_than_the_announcement_ends_no_host() {
    let mut tab = Tab::with_worker();
    tab.hear(WORKER, EARLY);
    tab.greet(RoadKind::Port, WORKER, None);
    let outputs = tab.greet(RoadKind::Port, WORKER, Some(EARLY));
    assert_eq!(introductions(&outputs), [(EARLY, 2)]);
}

#[test]
fn a_tab_gives_its_own_worker_a_moment_to_greet_before_it_takes_a_channel() {
    let mut tab = Tab::new(false);
    assert_eq!(road(&tab.hear(WORKER, EARLY)), []);
    let outputs = tab.greet(RoadKind::Port, WORKER, Some(EARLY));
    assert_eq!(road(&outputs), [open(RoadKind::Port, WORKER)]);
    assert_eq!(introductions(&outputs), [(EARLY, 1)]);

    let mut tab = Tab::new(false);
    tab.hear(WORKER, EARLY);
    assert_eq!(road(&tab.wait(1_000)), [open(RoadKind::Channel, WORKER)]);
}

#[test]
fn a_tab_changes_from_a_channel_to_the_port_of_the_same_place() {
    let mut tab = Tab::new(false);
    tab.hear(WORKER, EARLY);
    tab.wait(1_000);
    tab.greet(RoadKind::Channel, WORKER, Some(EARLY));
    let outputs = tab.greet(RoadKind::Port, WORKER, Some(EARLY));
    assert_eq!(
        road(&outputs),
        [Output::Leave {}, open(RoadKind::Port, WORKER)]
    );
    assert_eq!(introductions(&outputs), [(EARLY, 2)]);
}

#[test]
fn a_page_stands_while_the_worker_is_slow_and_withdraws_when_it_comes() {
    let mut tab = Tab::new(false);
    let outputs = tab.wait(3_000);
    assert!(outputs.contains(&STAND));
    let outputs = tab.greet(RoadKind::Port, WORKER, None);
    assert!(outputs.contains(&WITHDRAW));
}

#[test]
fn a_page_without_a_worker_takes_the_lock_from_a_silent_host() {
    let mut tab = Tab::taken_by_other();
    tab.give(Input::Quiet {});
    let outputs = tab.wait(6_000);
    assert!(outputs.contains(&STEAL));
}

#[test]
fn an_answer_in_time_takes_no_lock() {
    let mut tab = Tab::taken_by_other();
    assert_eq!(tab.give(Input::Quiet {}), [Output::Ping {}]);
    tab.give(Input::Alive {});
    assert_eq!(tab.wait(20_000), []);
}

#[test]
fn the_worker_takes_the_lock_and_the_page_where_the_worker_is_frozen_too() {
    let mut tab = Tab::with_worker();
    let outputs = tab.wait(6_000);
    assert!(outputs.contains(&Output::Stand {
        place: PlaceKind::SharedWorker,
        steal: true
    }));
    assert!(!outputs.contains(&STEAL));
    let outputs = tab.wait(6_000);
    assert!(outputs.contains(&STEAL));
    tab.hear(OTHER, LATE);
    tab.greet(RoadKind::Channel, OTHER, Some(LATE));
    let outputs = tab.give(Input::Taken { epoch: LATE });
    assert_eq!(outputs, [WITHDRAW, Output::Ready {}]);
}

#[test]
fn a_host_that_answers_on_the_namespaces_channel_only_is_reached_by_a_new_road() {
    let mut tab = Tab::taken_by_other();
    tab.give(Input::Quiet {});
    tab.wait(4_000);
    let outputs = tab.hear(OTHER, LATE);
    assert_eq!(
        road(&outputs),
        [Output::Leave {}, open(RoadKind::Channel, OTHER)]
    );
}

#[test]
fn a_refused_tab_goes_to_any_other_host() {
    let mut tab = Tab::taken_by_other();
    tab.hear(OTHER, LATE.next());
    tab.greet(RoadKind::Channel, OTHER, Some(LATE.next()));
    let refusal = why(Some("ERR_HOST_INCOMPATIBLE"));
    let outputs = tab.give(Input::Refused(refusal.clone()));
    assert_eq!(outputs, [Output::Tell(refusal)]);
    let outputs = tab.hear(WORKER, EARLY);
    assert_eq!(
        road(&outputs),
        [Output::Leave {}, open(RoadKind::Channel, WORKER)]
    );
}

#[test]
fn a_refusal_of_an_older_host_is_not_told() {
    let mut tab = Tab::speaking(true, true, PROTOCOL + 1);
    tab.hear(OTHER, LATE);
    tab.greet(RoadKind::Channel, OTHER, Some(LATE));
    let outputs = tab.give(Input::Refused(why(Some("ERR_HOST_INCOMPATIBLE"))));
    let told = |output: &Output| matches!(output, Output::Tell(_));
    assert!(!outputs.iter().any(told), "it hands over: {outputs:?}");
}

#[test]
fn a_refusal_that_no_other_host_would_take_back_ends_the_link() {
    let mut tab = Tab::taken_by_other();
    let refusal = why(Some("ERR_HOST_MISMATCH"));
    let outputs = tab.give(Input::Refused(refusal.clone()));
    assert!(outputs.contains(&Output::GiveUp(refusal)));
    assert_eq!(tab.hear(WORKER, LATE.next()), []);
}

#[test]
fn a_timer_that_is_early_is_started_again() {
    let mut tab = Tab::new(true);
    tab.now += 1_499;
    let outputs = tab.link.handle(tab.now, Input::Timer {});
    assert_eq!(outputs, [Output::StartTimer { delay: 1 }]);
}

#[test]
fn a_tab_that_is_closed_waits_for_the_host_that_takes_its_messages() {
    let mut tab = Tab::with_worker();
    assert_eq!(tab.give(Input::Close {}), []);
    tab.greet(RoadKind::Port, WORKER, Some(EARLY));
    let outputs = tab.give(Input::Taken { epoch: EARLY });
    assert_eq!(outputs, [Output::Ready {}, Output::Finish {}]);
    assert_eq!(tab.hear(OTHER, LATE), []);
}

#[test]
fn a_worker_that_fails_three_times_leaves_the_host_to_the_page() {
    let mut tab = Tab::new(false);
    for _ in 0..2 {
        tab.give(failed(WorkerKind::Shared));
        let outputs = tab.wait(100);
        assert!(outputs.contains(&MAKE_WORKER));
    }
    let outputs = tab.give(failed(WorkerKind::Shared));
    assert!(outputs.contains(&STAND));
    assert!(!tab.wait(10_000).contains(&MAKE_WORKER));
}

#[test]
fn a_tab_without_a_shared_worker_stands_in_a_worker_of_its_own() {
    let mut tab = Tab::with_dedicated();
    let outputs = tab.greet(RoadKind::Dedicated, OWN, None);
    assert!(outputs.contains(&own_stands(false)));
    assert!(!outputs.contains(&STAND));
    let outputs = tab.greet(RoadKind::Dedicated, OWN, Some(EARLY));
    assert_eq!(road(&outputs), [open(RoadKind::Dedicated, OWN)]);
    assert_eq!(introductions(&outputs), [(EARLY, 1)]);
    assert_eq!(tab.give(Input::Taken { epoch: EARLY }), [Output::Ready {}]);
}

#[test]
fn a_dedicated_worker_that_fails_leaves_the_host_to_the_page() {
    let mut tab = Tab::with_dedicated();
    for _ in 0..2 {
        tab.give(failed(WorkerKind::Dedicated));
        let outputs = tab.wait(100);
        assert!(outputs.contains(&MAKE_DEDICATED));
        assert!(!outputs.contains(&STAND));
    }
    let outputs = tab.give(failed(WorkerKind::Dedicated));
    assert!(outputs.contains(&STAND));
    assert!(!tab.wait(10_000).contains(&MAKE_DEDICATED));
}

#[test]
fn a_dedicated_worker_that_is_forbidden_is_not_tried_again() {
    let mut tab = Tab::with_dedicated();
    let (worker, why) = (WorkerKind::Dedicated, why(Some("ERR_HOST_FAILED")));
    let outputs = tab.give(Input::WorkerForbidden { worker, why });
    assert!(outputs.contains(&STAND));
    assert!(!tab.wait(10_000).contains(&MAKE_DEDICATED));
}

#[test]
fn a_page_stands_while_its_dedicated_worker_is_slow_and_withdraws_when_it_comes() {
    let mut tab = Tab::with_dedicated();
    let outputs = tab.wait(2_000);
    assert!(outputs.contains(&STAND));
    assert!(
        !outputs.contains(&MAKE_DEDICATED),
        "what loads is not loaded anew"
    );
    let outputs = tab.greet(RoadKind::Dedicated, OWN, None);
    assert!(outputs.contains(&own_stands(false)));
    assert!(outputs.contains(&WITHDRAW));
}

#[test]
fn a_shared_worker_that_comes_late_is_the_better_place_than_the_tabs_own() {
    let mut tab = Tab::having(false, false);
    assert!(tab.wait(3_000).contains(&MAKE_DEDICATED));
    tab.greet(RoadKind::Dedicated, OWN, None);
    tab.greet(RoadKind::Dedicated, OWN, Some(EARLY));
    tab.give(Input::Taken { epoch: EARLY });
    let outputs = tab.greet(RoadKind::Port, WORKER, None);
    assert_eq!(outputs.last(), Some(&own_withdraws(false)));
    assert_eq!(road(&outputs), [], "it is reached until it has resigned");
    let place = OWN.to_owned();
    tab.give(Input::Heard(Announcement::Over { epoch: EARLY }));
    let outputs = tab.give(Input::Gone { place });
    assert!(!outputs.contains(&MAKE_DEDICATED));
}

#[test]
fn a_dedicated_worker_that_dies_is_followed_by_another_one() {
    let mut tab = Tab::with_dedicated();
    tab.greet(RoadKind::Dedicated, OWN, None);
    tab.greet(RoadKind::Dedicated, OWN, Some(EARLY));
    tab.give(Input::Taken { epoch: EARLY });
    let place = OWN.to_owned();
    let mut outputs = tab.give(Input::Gone { place });
    assert_eq!(road(&outputs), [Output::Leave {}]);
    outputs = tab.wait(100);
    assert!(outputs.contains(&MAKE_DEDICATED));
    assert!(!outputs.contains(&STAND));
}

#[test]
fn a_dedicated_worker_that_hangs_is_ended_by_its_tab() {
    let mut tab = Tab::with_dedicated();
    tab.greet(RoadKind::Dedicated, OWN, None);
    tab.greet(RoadKind::Dedicated, OWN, Some(EARLY));
    tab.give(Input::Taken { epoch: EARLY });
    tab.give(Input::Quiet {});
    let outputs = tab.wait(6_000);
    assert!(outputs.contains(&MAKE_DEDICATED));
}

#[test]
fn a_dedicated_worker_that_hangs_before_its_host_begins_is_ended_too() {
    let mut tab = Tab::with_dedicated();
    tab.greet(RoadKind::Dedicated, OWN, None);
    let outputs = tab.wait(17_000);
    assert!(!outputs.contains(&MAKE_DEDICATED));
    let outputs = tab.wait(8_000);
    assert!(outputs.contains(&MAKE_DEDICATED));
}

#[test]
fn a_page_stands_whose_dedicated_worker_became_late_when_it_was_not_needed() {
    let mut tab = Tab::having(false, false);
    tab.wait(3_000);
    tab.greet(RoadKind::Dedicated, OWN, None);
    tab.greet(RoadKind::Dedicated, OWN, Some(EARLY));
    tab.give(Input::Taken { epoch: EARLY });
    // The shared worker comes, and the own one hangs before it has resigned. The next one never greets.
    tab.greet(RoadKind::Port, WORKER, None);
    tab.give(Input::Quiet {});
    assert!(tab.wait(8_500).contains(&MAKE_DEDICATED));
    tab.greet(RoadKind::Port, WORKER, Some(LATE));
    tab.give(Input::Taken { epoch: LATE });
    let place = WORKER.to_owned();
    tab.give(Input::Gone { place });
    assert!(tab.wait(3_500).contains(&STAND));
}

#[test]
fn a_lock_is_stolen_by_the_dedicated_worker_once_that_is_there() {
    let mut tab = Tab::having(false, false);
    tab.greet(RoadKind::Port, WORKER, Some(EARLY));
    tab.give(Input::Taken { epoch: EARLY });
    tab.give(Input::Quiet {});
    let outputs = tab.wait(6_000);
    assert!(outputs.contains(&MAKE_DEDICATED));
    assert!(!outputs.contains(&STEAL));
    let outputs = tab.greet(RoadKind::Dedicated, OWN, None);
    assert!(outputs.contains(&own_stands(true)));
}

#[test]
fn a_page_that_is_about_to_be_frozen_leaves_its_host_and_ends_its_own_place() {
    let mut tab = Tab::with_dedicated();
    tab.greet(RoadKind::Dedicated, OWN, None);
    tab.greet(RoadKind::Dedicated, OWN, Some(EARLY));
    tab.give(Input::Taken { epoch: EARLY });
    let outputs = tab.give(Input::Away {});
    let expected = [Output::Leave {}, own_withdraws(true), Output::BeQuiet {}];
    assert_eq!(outputs, expected);
    assert_eq!(tab.hear(OTHER, LATE), []);
    assert_eq!(tab.wait(20_000), []);
    let outputs = tab.give(Input::Back {});
    assert!(outputs.contains(&Output::Announce(Announcement::Ask {})));
    assert!(outputs.contains(&MAKE_DEDICATED));
    assert_eq!(tab.give(Input::Back {}), []);
}

#[test]
fn a_tab_that_is_closed_while_it_is_away_finishes_when_a_host_has_taken_it() {
    let mut tab = Tab::taken_by_other();
    tab.give(Input::Away {});
    assert_eq!(tab.give(Input::Close {}), []);
    tab.give(Input::Back {});
    tab.hear(OTHER, LATE);
    tab.greet(RoadKind::Channel, OTHER, Some(LATE));
    let outputs = tab.give(Input::Taken { epoch: LATE });
    assert!(outputs.contains(&Output::Finish {}));
}
