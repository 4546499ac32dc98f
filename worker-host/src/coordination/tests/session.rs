//! What is done once for all, the shared state, and the session with its end.

use broker::coordination::messages::{Bundle, Outcome, Part, Phase, Shared};

use super::*;

fn shared_claim(number: u64, shared: Shared) -> Claim {
    Claim {
        shared: Some(shared),
        ..claim(number, "shared")
    }
}

fn run_of(machine: &mut Coordination, who: &str, number: u64, shared: Shared) -> u64 {
    let told = machine.hear(who, Ask::Claim(shared_claim(number, shared)));
    let token = offered(&told, who).map_or(0, |grant| grant.token);
    machine.hear(who, Ask::Take { token });
    token
}

fn outcome(text: &str) -> Option<Outcome> {
    Some(Outcome {
        error: None,
        result: Some(Json::trusted(text)),
    })
}

/// The idle timer of two minutes, with a warning after one.
fn idle() -> Ask {
    Ask::Idle {
        number: 1,
        warn: 60_000,
        timeout: 120_000,
    }
}

fn results(told: &Told) -> Vec<(String, String)> {
    let result = |(to, say): &(String, Say)| match say {
        Say::Answer {
            result: Some(result),
            ..
        } => Some((to.clone(), result.get().to_owned())),
        _ => None,
    };
    told.iter().filter_map(result).collect()
}

#[test]
fn one_runs_for_all_and_the_next_host_still_knows_what_came_of_it() {
    let mut machine = begun();
    for name in ["a", "b"] {
        machine.add(name);
    }
    let token = run_of(&mut machine, "a", 1, Shared::Kept);
    let told = machine.hear("b", Ask::Claim(shared_claim(1, Shared::Kept)));
    assert_eq!(offered(&told, "b"), None);
    let release = Ask::Release {
        number: 2,
        token,
        outcome: outcome("7"),
    };
    let told = machine.hear("a", release);
    assert_eq!(results(&told), [("b".to_owned(), "7".to_owned())]);
    let mut next = machine.next(&["a", "b"]);
    next.add("b");
    let told = next.hear("b", Ask::Claim(shared_claim(9, Shared::Kept)));
    assert_eq!(results(&told), [("b".to_owned(), "7".to_owned())]);
}

#[test]
fn what_came_of_a_session_is_void_in_the_next_one() {
    let mut machine = begun();
    for name in ["a", "b"] {
        machine.add(name);
    }
    let id = Some("ada".to_owned());
    machine.hear("a", named(1, id));
    let token = run_of(&mut machine, "a", 2, Shared::Session);
    machine.hear("b", Ask::Claim(shared_claim(1, Shared::Session)));
    let id = Some("bob".to_owned());
    let told = machine.hear("b", named(2, id));
    let refused = error(&told, "b").unwrap_or_default();
    assert!(refused.is(codes::ERR_SESSION_CHANGED));
    let release = Ask::Release {
        number: 3,
        token,
        outcome: outcome("1"),
    };
    let told = machine.hear("a", release);
    assert!(error(&told, "a").is_some_and(|error| error.is(codes::ERR_LOCK_LOST)));
    assert!(results(&told).is_empty());
}

fn bundle(version: u64, by: &str, at: u64) -> Bundle {
    Bundle {
        version,
        updated_at: at,
        source_id: by.to_owned(),
        schema: 1,
        config: Json::null(),
        snapshot: Json::null(),
    }
}

fn write(number: u64, base: Option<u64>, bundle: Bundle) -> Ask {
    Ask::Write {
        number,
        part: Part::Snapshot,
        base,
        epoch: 0,
        bundle,
    }
}

#[test]
fn only_the_leader_writes_and_only_on_the_state_that_is() {
    let mut machine = led_by("a");
    machine.add("b");
    let told = machine.hear("b", write(1, Some(0), bundle(1, "b", 1)));
    assert!(error(&told, "b").is_some_and(|error| error.is(codes::ERR_NOT_LEADER)));
    machine.hear("a", write(1, Some(0), bundle(1, "a", 1)));
    let told = machine.hear("a", write(2, Some(0), bundle(1, "a", 1)));
    assert!(error(&told, "a").is_some_and(|error| error.is(codes::ERR_STATE_CONFLICT)));
    // The same request again, for a host that did not answer it.
    let told = machine
        .next(&["a", "b"])
        .hear("a", write(1, Some(0), bundle(1, "a", 1)));
    assert!(error(&told, "a").is_none());
}

#[test]
fn bundles_are_ordered_by_version_before_any_clock() {
    let mut machine = begun();
    for name in ["a", "b"] {
        machine.add(name);
    }
    machine.hear("a", write(1, None, bundle(2, "a", 5)));
    let told = machine.hear("b", write(1, None, bundle(1, "b", 99)));
    let later = |say: &Say| matches!(say, Say::State { bundle, .. } if bundle.version == 2);
    assert!(told.iter().any(|(to, say)| to == "b" && later(say)));
    assert_eq!(machine.state.as_ref().map(|state| state.version), Some(2));
}

fn asked_to_wipe(told: &Told) -> Option<String> {
    let mut told = told.iter();
    let asked = told.find(|(_, say)| matches!(say, Say::OfferWipe {}));
    asked.map(|(to, _)| to.clone())
}

fn wipes(told: &Told, who: &str) -> bool {
    let is_it = |(to, say): &(String, Say)| to == who && matches!(say, Say::Wipe {});
    told.iter().any(is_it)
}

/// Tab `a` logs all of them out, and all have stopped. Gives what was told then.
fn stop_all(machine: &mut Coordination, names: &[&str]) -> Told {
    for name in names {
        machine.add(name);
    }
    machine.hear(
        "a",
        Ask::Logout {
            number: 1,
            logouts: None,
        },
    );
    let mut told = Vec::new();
    for name in names {
        told = machine.hear(name, Ask::Stopped {});
    }
    told
}

#[test]
fn a_blocked_tab_does_not_hold_up_the_end_of_the_session() {
    let mut machine = begun();
    let told = stop_all(&mut machine, &["a", "b"]);
    assert_eq!(asked_to_wipe(&told), Some("a".to_owned()));
    let told = machine.wait(OFFER);
    assert_eq!(asked_to_wipe(&told), Some("b".to_owned()));
    // Whoever takes it first; the other one has nothing to delete when it goes on.
    assert!(wipes(&machine.hear("a", Ask::TakeWipe {}), "a"));
    assert!(!wipes(&machine.hear("b", Ask::TakeWipe {}), "b"));
    let told = machine.wait(10_000);
    assert!(error(&told, "a").is_some_and(|error| error.is(codes::ERR_LOGOUT_TIMEOUT)));
    let hears = |name| {
        let mut told = told.iter();
        told.any(|(to, say)| to == name && matches!(say, Say::LoggedOut(_)))
    };
    assert!(hears("a") && hears("b"));
    machine.hear("a", Ask::Wiped {});
    assert_eq!(machine.session.logouts, 1, "it has ended before");
}

#[test]
fn a_logout_that_is_sent_again_does_not_end_the_next_session() {
    let mut machine = begun();
    machine.add("a");
    stop_all(&mut machine, &["a", "b"]);
    machine.hear("a", Ask::TakeWipe {});
    machine.hear("a", Ask::Wiped {});
    machine.hear("b", named(9, Some("ada".to_owned())));
    // A tab was away when its logout was done, and asks the next host for it.
    let (number, logouts) = (21, Some(0));
    let told = machine.hear("a", Ask::Logout { number, logouts });
    assert!(error(&told, "a").is_none());
    assert_eq!(asked_to_wipe(&told), None);
    assert_eq!(machine.session.id.as_deref(), Some("ada"));
    let logouts = Some(1);
    let told = machine.hear("a", Ask::Logout { number, logouts });
    let stops = |(_, say): &(String, Say)| matches!(say, Say::Logout {});
    assert!(told.iter().any(stops), "this one is of its session");
}

#[test]
fn a_session_that_has_ended_is_not_brought_back() {
    let mut machine = begun();
    let id = Some("ada".to_owned());
    machine.add("a");
    machine.hear("a", named(9, id.clone()));
    let session = machine.session.clone();
    stop_all(&mut machine, &["a", "b"]);
    machine.hear("a", Ask::TakeWipe {});
    machine.hear("a", Ask::Wiped {});
    let back = |session: &Session| {
        let mut join = join_as("c");
        join.returns = true;
        join.session = session.clone();
        join.state = Some(bundle(5, "c", 1));
        Ask::Join(Box::new(join))
    };
    let logouts_told = |told: &Told| {
        told.iter().find_map(|(to, say)| match say {
            Say::Welcome(welcome) if to == "c" => Some(welcome.session.logouts),
            _ => None,
        })
    };
    assert_eq!(logouts_told(&machine.hear("c", back(&session))), Some(1));
    // Nor by a request of then.
    let late = Ask::Session {
        number: 1,
        id: id.clone(),
        logouts: Some(0),
    };
    let told = machine.hear("c", late);
    assert!(error(&told, "c").is_some_and(|error| error.is(codes::ERR_SESSION_CHANGED)));
    // The tabs are gone, and all but that was forgotten with them.
    let mut next = Coordination::new(200, false);
    assert!(next.begin(None, None, None, Some(&machine.ended_text()), &[]));
    assert_eq!(logouts_told(&next.hear("c", back(&session))), Some(1));
    // Or everything was deleted.
    let mut next = Coordination::new(300, false);
    assert!(next.begin(None, None, None, None, &[]));
    next.begin_after_wipe();
    assert_eq!(logouts_told(&next.hear("c", back(&session))), Some(300));
    for host in [machine, next] {
        assert_eq!((host.session.id, host.state.is_none()), (None, true));
    }
}

#[test]
fn results_that_are_kept_have_a_bound() {
    let mut machine = begun();
    machine.add("a");
    let mut number = 0;
    for key in 0..200 {
        let asked = Claim {
            name: format!("once {key}"),
            ..shared_claim(number + 1, Shared::Kept)
        };
        let told = machine.hear("a", Ask::Claim(asked));
        let token = offered(&told, "a").map_or(0, |grant| grant.token);
        machine.hear("a", Ask::Take { token });
        let release = Ask::Release {
            number: number + 2,
            token,
            outcome: outcome("1"),
        };
        machine.hear("a", release);
        number += 2;
    }
    let kept: Vec<&str> = machine
        .claims
        .ran
        .iter()
        .map(|ran| ran.name.as_str())
        .collect();
    assert_eq!(
        (kept.len(), kept.first()),
        (128, Some(&"once 72")),
        "the oldest go"
    );
}

#[test]
fn a_session_ends_when_all_have_stopped_and_the_dead_are_not_waited_for() {
    let mut machine = begun();
    for name in ["a", "b", "c"] {
        machine.add(name);
    }
    machine.hear(
        "a",
        Ask::Logout {
            number: 1,
            logouts: None,
        },
    );
    machine.hear("a", Ask::Stopped {});
    assert_eq!(asked_to_wipe(&machine.hear("b", Ask::Stopped {})), None);
    machine.tab_gone(&tab("c"));
    assert_eq!(asked_to_wipe(&machine.told_now()), Some("a".to_owned()));
    machine.hear("a", Ask::TakeWipe {});
    machine.tab_gone(&tab("a"));
    assert_eq!(asked_to_wipe(&machine.told_now()), Some("b".to_owned()));
    assert!(wipes(&machine.hear("b", Ask::TakeWipe {}), "b"));
    let told = machine.hear("b", Ask::Wiped {});
    assert!(told.iter().any(|(_, say)| matches!(say, Say::LoggedOut(_))));
}

#[test]
fn the_idle_timer_is_right_across_hosts_and_sleep() {
    let mut machine = begun();
    machine.add("a");
    machine.hear("a", idle());
    machine.wait(30_000);
    machine.hear("a", Ask::Active {});
    machine.wait(59_999);
    let phase = |machine: &Coordination| machine.idle.as_ref().map(|idle| idle.phase);
    assert_eq!(phase(&machine), Some(Phase::Active));
    let mut next = machine.next(&["a"]);
    // Its own clock begins anew, and stood still in sleep: the wall clock did not.
    next.set_time(1, machine.wall + 1);
    next.handle_alarm();
    assert_eq!(phase(&next), Some(Phase::Warned));
    next.set_time(2, machine.wall + 500_000);
    next.handle_alarm();
    assert_eq!(phase(&next), Some(Phase::Expired));
    next.hear("a", Ask::Active {});
    assert_eq!(phase(&next), Some(Phase::Expired), "the end stays");
}

#[test]
fn a_tab_that_comes_later_counts_from_the_same_activity() {
    let since = |told: &Told, to: &str| {
        let mut told = told.iter().filter(|(name, _)| name == to);
        told.find_map(|(_, say)| match say {
            Say::Idle(idle) => Some(idle.since),
            Say::Welcome(welcome) => welcome.idle.as_ref().map(|idle| idle.since),
            _ => None,
        })
    };
    let mut machine = begun();
    machine.add("a");
    machine.hear("a", idle());
    machine.wait(1_200);
    let told = machine.hear("a", Ask::Active {});
    let counted = since(&told, "a");
    assert!(counted.is_some());
    machine.wait(700);
    let told = machine.hear("a", Ask::Active {});
    assert_eq!(since(&told, "a"), None, "it is too soon to count");
    assert_eq!(since(&machine.add("b"), "b"), counted);
}
