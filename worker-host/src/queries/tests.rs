//! The queries by themselves: inputs in, events out.

#![allow(clippy::unwrap_used)]

use proxy_doc::read_json;

use super::*;

struct Stage {
    queries: Queries,
}

impl Stage {
    fn new() -> Self {
        let mut stage = Self {
            queries: Queries::default(),
        };
        stage.act(|queries, versions| queries.set_connected(true, versions));
        stage
    }

    /// Gives the queries an input; their events, one line each. Every document has version 3.
    fn act(&mut self, input: impl FnOnce(&mut Queries, Versions<'_>)) -> Vec<String> {
        input(&mut self.queries, &|_| Some(Version(3)));
        self.queries.take_events().iter().map(line).collect()
    }

    fn ask(&mut self, tab: &str, action: QueryAction, results: Option<&[&str]>) -> Vec<String> {
        let own = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let request = QueryRequest {
            query_id: 1,
            action,
            collection: "c".to_owned(),
            query: Some(Json::trusted(r#"{"a":1,"b":2}"#)),
            options: None,
            results: results.map(own),
        };
        self.act(|queries, versions| queries.create(&of(tab), request, versions))
    }

    fn subscribe(&mut self, tab: &str) -> Vec<String> {
        self.ask(tab, QueryAction::Subscribe, None)
    }

    fn answer(&mut self, text: &str) -> Vec<String> {
        let message = read_json(text).unwrap();
        self.act(|queries, _| queries.handle_answer(&message, None))
    }

    fn update(&mut self, text: &str) -> Vec<String> {
        let message = read_json(text).unwrap();
        self.act(|queries, _| queries.handle_update(&message, None))
    }

    fn ingested(&mut self, error: Option<Error>) -> Vec<String> {
        self.act(|queries, _| queries.handle_ingested(1, error))
    }
}

const SENT: &str = r#"send {"a":"qs","id":1,"c":"c","q":{"a":1,"b":2}}"#;
const ANSWER: &str = r#"{"a":"qs","id":1,"data":[{"d":"x","v":3},{"d":"y","v":3}]}"#;

fn of(tab: &str) -> TabId {
    TabId(tab.to_owned())
}

fn ids(keys: &[DocKey]) -> String {
    let ids: Vec<&str> = keys.iter().map(|key| key.id.as_str()).collect();
    ids.join(",")
}

/// `follow x+one y-two`: tab `one` follows document `x`, tab `two` does not follow `y`.
fn line(event: &Event) -> String {
    match event {
        Event::Send(text) => format!("send {text}"),
        Event::Ingest { key, query, .. } => {
            let waits = if query.is_some() {
                " for an answer"
            } else {
                ""
            };
            format!("ingest {}{waits}", key.id)
        }
        Event::Meet { key, tab } => format!("meet {} {}", key.id, tab.0),
        Event::Follow(Followers { keys, memberships }) => {
            let each = memberships.iter().map(|membership| {
                let sign = if membership.follows { '+' } else { '-' };
                format!(" {}{sign}{}", keys[membership.key].id, membership.tab.0)
            });
            format!("follow{}", each.collect::<String>())
        }
        Event::Results {
            tab, results, full, ..
        } => {
            let results = ids(results.as_deref().unwrap_or_default());
            format!("results {} {results} full: {full}", tab.0)
        }
        Event::Diff { tab, items, .. } => format!("diff {} {}", tab.0, items.len()),
        Event::Tell { tab, event, .. } => {
            let what = match event {
                QueryEvent::Failed(error) | QueryEvent::Error(error) => &error.message,
                QueryEvent::Extra { .. } => "extra",
                QueryEvent::Results { .. } | QueryEvent::Diff(_) => {
                    unreachable!("brings documents")
                }
            };
            format!("tell {} {what}", tab.0)
        }
    }
}

#[test]
fn equal_queries_of_two_tabs_are_one_on_the_wire() {
    let mut stage = Stage::new();
    assert_eq!(stage.subscribe("one"), ["follow", SENT]);
    assert!(stage.subscribe("two").is_empty());
    assert_eq!(
        stage.answer(ANSWER),
        [
            "follow x-one y-one x-two y-two",
            "ingest x for an answer",
            "ingest y for an answer"
        ]
    );
    assert!(stage.ingested(None).is_empty());
    assert_eq!(
        stage.ingested(None),
        [
            "follow x+one y+one x+two y+two",
            "results one x,y full: true",
            "results two x,y full: true"
        ]
    );
    assert_eq!(
        stage.subscribe("three"),
        [
            "follow x+one y+one x+two y+two x+three y+three",
            "results three x,y full: true"
        ]
    );
    let gone = |queries: &mut Queries, tab: &str| queries.tab_gone(&of(tab));
    assert_eq!(
        stage.act(|queries, _| gone(queries, "one")),
        ["follow x-one y-one"]
    );
    stage.act(|queries, _| gone(queries, "two"));
    assert_eq!(
        stage.act(|queries, _| gone(queries, "three")),
        [r#"send {"a":"qu","id":1}"#, "follow x-three y-three"]
    );
}

#[test]
fn a_result_that_cannot_be_taken_over_fails_the_query() {
    let mut stage = Stage::new();
    stage.subscribe("one");
    stage.answer(ANSWER);
    assert!(stage.ingested(Some(Error::plain("no"))).is_empty());
    assert_eq!(stage.ingested(None), ["follow x-one y-one", "tell one no"]);
    assert!(stage.update(r#"{"a":"q","id":1,"extra":1}"#).is_empty());
}

#[test]
fn a_removed_result_departs_with_the_next_update() {
    let mut stage = Stage::new();
    stage.subscribe("one");
    stage.answer(ANSWER);
    stage.ingested(None);
    stage.ingested(None);
    let remove = r#"{"a":"q","id":1,"diff":[{"type":"remove","index":0}]}"#;
    assert_eq!(stage.update(remove), ["follow x+one", "diff one 1"]);
    let insert =
        r#"{"a":"q","id":1,"diff":[{"type":"insert","index":9,"values":[{"d":"z","v":3}]}]}"#;
    assert_eq!(
        stage.update(insert),
        ["ingest z", "follow x-one z+one", "diff one 1"]
    );
}

#[test]
fn a_query_is_sent_again_with_the_versions_of_its_results() {
    let mut stage = Stage::new();
    stage.subscribe("one");
    stage.answer(ANSWER);
    stage.ingested(None);
    stage.ingested(None);
    let cut = stage.act(|queries, versions| queries.set_connected(false, versions));
    assert!(cut.is_empty());
    assert_eq!(
        stage.act(|queries, versions| queries.set_connected(true, versions)),
        [r#"send {"a":"qs","id":1,"c":"c","q":{"a":1,"b":2},"r":[["x",3],["y",3]]}"#]
    );
    // No list: the results are as they were.
    assert_eq!(
        stage.answer(r#"{"a":"qs","id":1,"data":{}}"#),
        ["follow x+one y+one", "results one x,y full: false"]
    );
}

#[test]
fn a_query_with_its_own_results_is_not_shared_before_its_answer() {
    let mut stage = Stage::new();
    let own = stage.ask("one", QueryAction::Subscribe, Some(&["x"]));
    assert_eq!(own[..2], ["meet x one", "follow x+one"]);
    let [_, sent] = &stage.subscribe("two")[..] else {
        panic!("a query of its own");
    };
    assert!(sent.contains(r#""id":2"#));
}

#[test]
fn a_fetched_query_ends_with_its_answer() {
    let mut stage = Stage::new();
    stage.ask("one", QueryAction::Fetch, None);
    assert_eq!(
        stage.answer(r#"{"a":"qf","id":1,"data":[]}"#),
        ["follow", "follow", "results one  full: true"]
    );
    assert!(stage.answer(r#"{"a":"qf","id":1,"data":[]}"#).is_empty());
}
