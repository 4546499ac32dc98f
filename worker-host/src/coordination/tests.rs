//! The machine by itself: who leads, who holds a name, and what the next host knows.

use broker::coordination::messages::{
    Ask, Claim, Grant, Join, Report, Say, Session, Stream, TabEvent,
};
use proxy_doc::{Error, Json, TabId};

use super::*;

mod realtime;
mod session;

/// What tabs were told, with their names.
type Told = Vec<(String, Say)>;

fn tab(name: &str) -> TabId {
    TabId(format!("link {name}"))
}

fn begun() -> Coordination {
    let mut machine = Coordination::new(100, false);
    assert!(machine.begin(None, None, None, None, &[]));
    machine
}

fn join_as(name: &str) -> Join {
    Join {
        id: name.to_owned(),
        returns: false,
        report: Report {
            visible: true,
            ..Report::default()
        },
        open: 1,
        grants: Vec::new(),
        term: None,
        token: 0,
        seen: 0,
        line: 0,
        rotation: 0,
        state: None,
        session: Session::default(),
        stream: Stream::default(),
    }
}

impl Coordination {
    fn hear(&mut self, name: &str, ask: Ask) -> Told {
        self.take(&tab(name), ask);
        self.told_now()
    }

    fn told_now(&mut self) -> Told {
        let said = self.take_said().into_iter();
        let name = |tab: TabId| tab.0.trim_start_matches("link ").to_owned();
        said.map(|(tab, say)| (name(tab), say)).collect()
    }

    fn add(&mut self, name: &str) -> Told {
        self.hear(name, Ask::Join(Box::new(join_as(name))))
    }

    fn wait(&mut self, ms: u64) -> Told {
        self.set_time(self.now + ms, self.wall + ms);
        self.handle_alarm();
        self.told_now()
    }

    /// The next host on what this one wrote down, where these tabs live.
    fn next(&self, living: &[&str]) -> Self {
        let mut next = Self::new(200, false);
        let living: Vec<TabId> = living.iter().copied().map(tab).collect();
        assert!(next.begin(
            Some(&self.decisions()),
            Some(&self.kept_broadcasts()),
            Some(&self.state_text()),
            None,
            &living
        ));
        next
    }
}

fn named(number: u64, id: Option<String>) -> Ask {
    let logouts = None;
    Ask::Session {
        number,
        id,
        logouts,
    }
}

fn claim(number: u64, name: &str) -> Claim {
    Claim {
        number,
        name: name.to_owned(),
        timeout: None,
        expires: None,
        within: Vec::new(),
        shared: None,
    }
}

fn offered(told: &Told, to: &str) -> Option<Grant> {
    told.iter().find_map(|(name, say)| match say {
        Say::Offer(grant) if name == to => Some(grant.clone()),
        _ => None,
    })
}

fn error(told: &Told, to: &str) -> Option<Error> {
    told.iter().find_map(|(name, say)| match say {
        Say::Answer { error, .. } if name == to => error.clone(),
        _ => None,
    })
}

fn asked_to_lead(told: &Told) -> Vec<(&str, u64)> {
    let leads = |(name, say): &'_ (String, Say)| match say {
        Say::OfferLead { term } => Some((name.clone(), *term)),
        _ => None,
    };
    told.iter()
        .filter(|one| leads(one).is_some())
        .map(|one| (one.0.as_str(), leads(one).unwrap_or_default().1))
        .collect()
}

/// The first tab leads.
fn led_by(name: &str) -> Coordination {
    let mut machine = begun();
    let told = machine.add(name);
    let asked = asked_to_lead(&told);
    let token = asked[0].1;
    machine.hear(name, Ask::Take { token });
    assert_eq!(machine.leading().leader.as_deref(), Some(name));
    machine
}

fn hold(machine: &mut Coordination, who: &str, number: u64, name: &str) -> u64 {
    let told = machine.hear(who, Ask::Claim(claim(number, name)));
    let token = offered(&told, who).map_or(0, |grant| grant.token);
    machine.hear(who, Ask::Take { token });
    token
}

#[test]
fn nobody_leads_before_it_says_so() {
    let mut machine = begun();
    let told = machine.add("a");
    assert_eq!(asked_to_lead(&told).len(), 1);
    assert_eq!(machine.leading().leader, None);
}

#[test]
fn a_leader_resigns_before_another_tab_is_asked() {
    let mut machine = led_by("a");
    machine.add("b");
    let term = machine.leading().term;
    let hidden = Report {
        offline: true,
        ..Report::default()
    };
    let told = machine.hear("a", Ask::Report(hidden));
    assert!(
        told.iter()
            .any(|(to, say)| to == "a" && matches!(say, Say::Resign { .. }))
    );
    assert!(asked_to_lead(&told).is_empty());
    let told = machine.hear(
        "a",
        Ask::Resigned {
            term,
            willing: true,
        },
    );
    let asked = asked_to_lead(&told);
    assert_eq!(asked[0].0, "b");
    assert!(asked[0].1 > term, "a later term has a higher token");
}

#[test]
fn a_small_difference_does_not_change_the_leader() {
    let mut machine = led_by("a");
    machine.add("b");
    let used = Report {
        visible: true,
        focused: true,
        ..Report::default()
    };
    let told = machine.hear("b", Ask::Report(used));
    assert!(
        !told
            .iter()
            .any(|(_, say)| matches!(say, Say::Resign { .. }))
    );
}

/// As for devices: see `a_battery_at_twenty_percent_is_not_low` in the broker.
#[test]
fn a_battery_at_twenty_percent_is_not_low() {
    let mut machine = begun();
    let mut score = |battery| {
        let report = Report {
            battery,
            ..join_as("a").report
        };
        let join = Box::new(Join {
            report,
            ..join_as("a")
        });
        machine.hear("a", Ask::Join(join));
        machine.members[0].score()
    };
    assert_eq!(score(Some(20)), score(None));
    assert!(score(Some(19)) < score(Some(20)));
}

#[test]
fn a_tab_that_does_not_answer_is_passed_over() {
    let mut machine = begun();
    machine.add("a");
    machine.add("b");
    let told = machine.wait(OFFER);
    assert_eq!(asked_to_lead(&told)[0].0, "b");
}

#[test]
fn the_next_host_knows_leader_and_holders_before_they_come() {
    let mut machine = led_by("a");
    let token = hold(&mut machine, "a", 1, "name");
    let mut next = machine.next(&["a", "b"]);
    let told = next.add("b");
    assert!(asked_to_lead(&told).is_empty());
    assert_eq!(next.leading().leader.as_deref(), Some("a"));
    let told = next.hear("b", Ask::Claim(claim(1, "name")));
    assert_eq!(offered(&told, "b"), None);
    let told = {
        next.tab_gone(&tab("a"));
        next.told_now()
    };
    assert!(offered(&told, "b").is_some_and(|grant| grant.token > token));
    assert_eq!(asked_to_lead(&told)[0].0, "b");
    let crashed = |say: &Say| {
        matches!(
            say,
            Say::Tab {
                event: TabEvent::Crash,
                ..
            }
        )
    };
    assert!(told.iter().any(|(to, say)| to == "b" && crashed(say)));
}

#[test]
fn a_token_is_never_given_twice() {
    let mut machine = begun();
    machine.add("a");
    let mut last = 0;
    for number in 1..600 {
        let token = hold(&mut machine, "a", number, "name");
        assert!(token > last);
        last = token;
        machine.hear(
            "a",
            Ask::Release {
                number: 1000 + number,
                token,
                outcome: None,
            },
        );
        machine.take_changed();
    }
    let mut next = machine.next(&["a"]);
    next.add("a");
    assert!(hold(&mut next, "a", 2000, "name") > last);
}

#[test]
fn without_a_record_tabs_announce_before_anything_is_given() {
    let mut machine = Coordination::new(200, false);
    let told = machine.add("b");
    assert!(asked_to_lead(&told).is_empty());
    let told = machine.hear("b", Ask::Claim(claim(1, "name")));
    assert_eq!(offered(&told, "b"), None);
    let grant = Grant {
        name: "name".to_owned(),
        number: 1,
        token: 150,
        expires: None,
        shared: None,
    };
    let announced = Join {
        returns: true,
        grants: vec![grant],
        term: Some(120),
        token: 150,
        ..join_as("a")
    };
    machine.hear("a", Ask::Join(Box::new(announced)));
    let told = machine.wait(ANNOUNCING);
    assert_eq!(offered(&told, "b"), None);
    assert_eq!(machine.leading().leader.as_deref(), Some("a"));
}

#[test]
fn an_offer_that_is_not_taken_goes_to_the_next_tab() {
    let mut machine = begun();
    machine.add("a");
    machine.add("b");
    machine.hear("a", Ask::Claim(claim(1, "name")));
    machine.hear("b", Ask::Claim(claim(1, "name")));
    let told = machine.wait(OFFER);
    assert!(offered(&told, "b").is_some());
    assert!(
        told.iter()
            .any(|(to, say)| to == "a" && matches!(say, Say::Lost { .. }))
    );
}

#[test]
fn a_circle_of_waiting_is_refused_and_described() {
    let mut machine = begun();
    machine.add("a");
    machine.add("b");
    let x = hold(&mut machine, "a", 1, "x");
    let y = hold(&mut machine, "b", 1, "y");
    let waits = Claim {
        within: vec![x],
        ..claim(2, "y")
    };
    machine.hear("a", Ask::Claim(waits));
    let closes = Claim {
        within: vec![y],
        ..claim(2, "x")
    };
    let told = machine.hear("b", Ask::Claim(closes));
    let refused = error(&told, "b").unwrap_or_default();
    assert!(refused.is(codes::ERR_DEADLOCK));
    let story = "b waits for 'x', which a holds; a waits for 'y', which b holds";
    assert!(refused.message.ends_with(story), "{}", refused.message);
}

#[test]
fn what_a_frozen_page_holds_is_free_when_it_expires_or_after_a_while() {
    let mut machine = begun();
    machine.add("a");
    machine.add("b");
    let expires = Claim {
        expires: Some(500),
        ..claim(1, "short")
    };
    let told = machine.hear("a", Ask::Claim(expires));
    let token = offered(&told, "a").map_or(0, |grant| grant.token);
    machine.hear("a", Ask::Take { token });
    hold(&mut machine, "a", 2, "long");
    machine.hear("a", Ask::Away {});
    machine.tab_gone(&tab("a"));
    machine.hear("b", Ask::Claim(claim(1, "short")));
    machine.hear("b", Ask::Claim(claim(2, "long")));
    let told = machine.wait(500);
    assert_eq!(
        offered(&told, "b").map(|grant| grant.name).as_deref(),
        Some("short")
    );
    machine.hear("b", Ask::Cancel { number: 1 });
    let told = machine.wait(FROZEN_HOLD - 500);
    assert_eq!(
        offered(&told, "b").map(|grant| grant.name).as_deref(),
        Some("long")
    );
}

#[test]
fn what_was_missed_comes_in_order_but_urgent_first_and_once() {
    let mut machine = begun();
    machine.add("a");
    machine.add("b");
    machine.hear("b", Ask::Away {});
    for (number, urgent) in [(1, false), (2, true), (3, false)] {
        let message = Json::trusted(&number.to_string());
        for _ in 0..2 {
            let message = message.clone();
            machine.hear(
                "a",
                Ask::Send {
                    number,
                    urgent,
                    message,
                },
            );
        }
    }
    let mut next = machine.next(&["a"]);
    let back = Join {
        returns: true,
        line: 100,
        ..join_as("b")
    };
    let told = next.hear("b", Ask::Join(Box::new(back)));
    let missed = told.iter().find_map(|(_, say)| match say {
        Say::Welcome(welcome) => Some(welcome),
        _ => None,
    });
    let missed = missed.map(|welcome| (welcome.gap, &welcome.missed));
    let (gap, missed) = missed.expect("it is welcome");
    assert!(!gap);
    let requests: Vec<u64> = missed.iter().map(|one| one.request).collect();
    assert_eq!(requests, [2, 1, 3]);
}

#[test]
fn a_record_that_cannot_be_read_is_no_record() {
    let mut machine = Coordination::new(100, false);
    assert!(!machine.begin(Some("nonsense"), None, None, None, &[]));
    assert!(machine.has_begun());
}

#[test]
fn what_is_written_down_does_not_grow_with_what_a_tab_says() {
    let mut machine = begun();
    machine.add("a");
    let say = |machine: &mut Coordination, numbers: std::ops::Range<u64>| {
        for number in numbers {
            let message = Json::trusted("1");
            let urgent = false;
            machine.hear(
                "a",
                Ask::Send {
                    number,
                    urgent,
                    message,
                },
            );
        }
        machine.decisions().len() + machine.kept_broadcasts().len()
    };
    let before = say(&mut machine, 1_000..2_000);
    // Numbers may have a digit more.
    assert!(say(&mut machine, 2_000..9_000) < before + 200);
}
