//! The second connection: when it is opened, by which token, and what becomes of what tabs send.

use super::*;
use crate::coordination::realtime::{Act, Report as Reported};
use broker::coordination::messages::{Outcome, RealtimeState, Shared};

fn served() -> Coordination {
    let mut machine = begun();
    machine.serve_realtime();
    machine
}

fn join_refreshing(machine: &mut Coordination, name: &str) -> Told {
    let mut join = join_as(name);
    join.report.refreshes = true;
    machine.hear(name, Ask::Join(Box::new(join)))
}

impl Coordination {
    /// The connection of the last attempt is now so.
    fn is_now(&mut self, state: RealtimeState) -> Told {
        let attempt = self.realtime.attempt();
        self.report_of(attempt, state)
    }

    fn report_of(&mut self, attempt: u64, state: RealtimeState) -> Told {
        self.take_report(Reported::State {
            attempt,
            state,
            error: None,
            random: 1_000,
        });
        self.told_now()
    }

    /// The tokens by which connections were opened since, and how often one was closed.
    fn acts(&mut self) -> (Vec<Option<String>>, usize) {
        let acts = self.take_realtime();
        let closed = acts.iter().filter(|act| matches!(act, Act::Close {}));
        let closed = closed.count();
        let opened = acts.into_iter().filter_map(|act| match act {
            Act::Open { token, .. } => Some(token.map(|token| token.get().to_owned())),
            Act::Send { .. } | Act::Close {} => None,
        });
        (opened.collect(), closed)
    }

    /// The tab refreshes the token.
    fn refresh(&mut self, who: &str, number: u64, token: &str) -> Told {
        let claim = Claim {
            shared: Some(Shared::Session),
            ..claim(number, "refresh")
        };
        let told = self.hear(who, Ask::Claim(claim));
        let granted = offered(&told, who).map_or(0, |grant| grant.token);
        self.hear(who, Ask::Take { token: granted });
        let outcome = Some(Outcome {
            error: None,
            result: Some(Json::trusted(token)),
        });
        self.hear(
            who,
            Ask::Release {
                number: number + 1,
                token: granted,
                outcome,
            },
        )
    }
}

fn asked(told: &Told) -> Option<(&str, u64)> {
    told.iter().find_map(|(to, say)| match say {
        Say::TokenWanted { round } => Some((to.as_str(), *round)),
        _ => None,
    })
}

fn relay(number: u64) -> Ask {
    Ask::Relay {
        number,
        payload: Json::trusted("1"),
    }
}

fn refused(told: &Told, to: &str, code: &str) -> bool {
    error(told, to).is_some_and(|error| error.is(code))
}

#[test]
fn it_is_there_from_the_first_tab_to_the_last() {
    let mut machine = served();
    machine.add("a");
    assert_eq!(machine.acts(), (vec![None], 0));
    machine.add("b");
    machine.is_now(RealtimeState::Connected);
    machine.tab_gone(&tab("a"));
    assert_eq!(machine.acts(), (vec![], 0));
    machine.hear("b", Ask::Leave {});
    assert_eq!(machine.acts(), (vec![], 1));
}

#[test]
fn a_tab_is_asked_for_a_token_and_another_one_where_it_is_gone_or_silent() {
    let mut machine = served();
    let told = join_refreshing(&mut machine, "a");
    assert_eq!(asked(&told), Some(("a", 1)));
    for name in ["b", "c"] {
        join_refreshing(&mut machine, name);
    }
    machine.add("d");
    machine.tab_gone(&tab("a"));
    let told = machine.told_now();
    let (second, _) = asked(&told).unwrap_or_default();
    assert!(["b", "c"].contains(&second), "not one without a function");
    let told = machine.wait(15_000);
    let (third, round) = asked(&told).unwrap_or_default();
    assert!(third != second && ["b", "c"].contains(&third));
    assert_eq!(machine.acts(), (vec![], 0));
    // The answer of the second one comes late.
    machine.refresh("b", 1, "\"t\"");
    assert_eq!(machine.acts(), (vec![Some("\"t\"".to_owned())], 0));
    machine.hear("c", Ask::Token { round, error: None });
    assert_eq!(machine.acts(), (vec![], 0), "one attempt");
}

#[test]
fn it_is_opened_again_after_a_pause_and_with_a_token_of_its_own() {
    let mut machine = served();
    join_refreshing(&mut machine, "a");
    machine.refresh("a", 1, "1");
    machine.is_now(RealtimeState::Connected);
    assert_eq!(machine.acts(), (vec![Some("1".to_owned())], 0));
    machine.is_now(RealtimeState::Disconnected);
    assert_eq!(machine.acts(), (vec![], 1));
    assert_eq!(asked(&machine.wait(999)), None);
    assert_eq!(asked(&machine.wait(1)), Some(("a", 2)));
    machine.refresh("a", 3, "2");
    assert_eq!(machine.acts(), (vec![Some("2".to_owned())], 0));
    // One that was refreshed meanwhile is used at the next attempt.
    machine.is_now(RealtimeState::Connected);
    machine.refresh("a", 5, "3");
    machine.is_now(RealtimeState::Disconnected);
    machine.wait(30_000);
    assert_eq!(machine.acts(), (vec![Some("3".to_owned())], 1));
}

#[test]
fn a_token_that_comes_while_it_pauses_is_tried_at_once() {
    let mut machine = served();
    machine.add("a");
    machine.is_now(RealtimeState::Disconnected);
    machine.acts();
    machine.refresh("a", 1, "1");
    assert_eq!(machine.acts(), (vec![Some("1".to_owned())], 0));
}

#[test]
fn one_that_does_not_come_is_given_up() {
    let mut machine = served();
    machine.add("a");
    machine.acts();
    machine.hear("a", relay(1));
    let told = machine.wait(30_000);
    assert!(refused(&told, "a", codes::ERR_REALTIME_DISCONNECTED));
    assert_eq!(machine.acts(), (vec![], 1));
    // What is heard of that attempt later changes nothing.
    machine.report_of(1, RealtimeState::Connected);
    let told = machine.hear("a", relay(2));
    assert!(refused(&told, "a", codes::ERR_REALTIME_DISCONNECTED));
}

#[test]
fn each_request_ends_with_its_answer_or_a_code() {
    let mut machine = begun();
    machine.add("a");
    let told = machine.hear("a", relay(1));
    assert!(refused(&told, "a", codes::ERR_REALTIME_NOT_SERVED));
    let mut machine = served();
    for name in ["a", "b"] {
        machine.add(name);
    }
    machine.hear("a", relay(1));
    assert!(
        machine
            .take_realtime()
            .iter()
            .all(|act| !matches!(act, Act::Send { .. }))
    );
    machine.is_now(RealtimeState::Connected);
    machine.hear("b", relay(1));
    machine.hear("b", relay(2));
    let sent: Vec<u64> = machine
        .take_realtime()
        .into_iter()
        .filter_map(|act| match act {
            Act::Send { request, .. } => Some(request),
            Act::Open { .. } | Act::Close {} => None,
        })
        .collect();
    assert_eq!(sent, [1, 2, 3]);
    machine.take_report(Reported::Answered {
        request: 2,
        error: None,
        result: Some(Json::trusted("7")),
    });
    let told = machine.told_now();
    assert!(matches!(&told[..], [(to, Say::Answer { number: 1, .. })] if to == "b"));
    machine.hear("b", Ask::Cancel { number: 2 });
    let told = machine.is_now(RealtimeState::Disconnected);
    assert!(refused(&told, "a", codes::ERR_REALTIME_LOST));
    assert!(error(&told, "b").is_none(), "it was answered before");
}

#[test]
fn a_logout_ends_it_until_somebody_logs_in() {
    let mut machine = served();
    for name in ["a", "b"] {
        machine.add(name);
    }
    machine.refresh("a", 1, "1");
    machine.is_now(RealtimeState::Connected);
    machine.acts();
    machine.hear("b", relay(1));
    machine.hear(
        "a",
        Ask::Logout {
            number: 9,
            logouts: None,
        },
    );
    machine.hear("a", Ask::Stopped {});
    assert_eq!(
        machine.acts(),
        (vec![], 0),
        "tabs may still say what they have to"
    );
    let told = machine.hear("b", Ask::Stopped {});
    assert!(refused(&told, "b", codes::ERR_SESSION_CHANGED));
    assert_eq!(machine.acts(), (vec![], 1));
    machine.hear("a", Ask::TakeWipe {});
    machine.hear("a", Ask::Wiped {});
    machine.wait(60_000);
    let mut next = machine.next(&["a", "b"]);
    next.serve_realtime();
    next.add("a");
    assert_eq!(next.acts(), (vec![], 0), "the next host knows it");
    let id = Some("bob".to_owned());
    next.hear("a", named(10, id));
    assert_eq!(
        next.acts(),
        (vec![None], 0),
        "without the token of the session before"
    );
}

#[test]
fn who_was_away_hears_of_the_gap() {
    let mut machine = served();
    for name in ["a", "b"] {
        machine.add(name);
    }
    machine.is_now(RealtimeState::Connected);
    machine.hear("b", Ask::Away {});
    let has_gap = |told: &Told| {
        told.iter().any(|(to, say)| {
            to == "b" && matches!(say, Say::Welcome(welcome) if welcome.stream_gap)
        })
    };
    let back = |host: u64, number: u64| {
        let mut join = join_as("b");
        join.returns = true;
        join.stream = Stream { host, number };
        Ask::Join(Box::new(join))
    };
    assert!(!has_gap(&machine.hear("b", back(100, 0))));
    machine.hear("b", Ask::Away {});
    let message = Json::trusted("1");
    machine.take_report(Reported::Received {
        attempt: 1,
        message,
    });
    let told = machine.told_now();
    assert!(matches!(&told[..], [(to, Say::Received { number: 1, .. })] if to == "a"));
    assert!(has_gap(&machine.hear("b", back(100, 0))));
    assert!(has_gap(&machine.hear("b", back(99, 1))), "of another host");
}
