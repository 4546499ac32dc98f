//! What a tab makes of its queries' results. The host is a script: the test says what the host says.

#![allow(clippy::unwrap_used)]

use std::rc::Rc;

use broker::message::{QueryAction, QueryRequest, State};
use proxy_connection::ProxyConnection;
use proxy_doc::{DocKey, Error, OtType, Types, Version};

const JSON0: OtType = OtType::Json0(None);

/// Knows json0 alone.
struct Registry;

impl Types for Registry {
    fn resolve(&self, name: &str) -> Option<OtType> {
        (name == JSON0.uri()).then_some(JSON0)
    }
    fn default_uri(&self) -> String {
        JSON0.uri().to_owned()
    }
}

fn say(tab: &mut ProxyConnection, message: &str) {
    tab.handle_message(&format!(r#"{{"epoch":1,"message":{message}}}"#));
    while tab.poll(0).is_some() {}
}

/// The answer of query 1: `x`, as a tab gets it whose state is of this life.
fn answer(tab: &mut ProxyConnection, revision: u64, life: u32) {
    let uri = JSON0.uri().to_owned();
    let snapshot = format!(
        r#"{{"revision":{revision},"life":{life},"type":"{uri}","data":{{"n":{revision}}}}}"#
    );
    let doc =
        format!(r#"{{"collection":"c","id":"x","snapshot":{snapshot},"version":{revision}}}"#);
    let event = format!(r#"{{"results":{{"docs":[{doc}]}}}}"#);
    say(
        tab,
        &format!(r#"{{"query.event":{{"queryId":1,"event":{event}}}}}"#),
    );
}

#[test]
fn results_for_a_state_that_the_tab_has_given_up_are_not_taken_over() {
    let mut tab = ProxyConnection::new(Rc::new(Registry), State::Connecting);
    tab.register();
    say(
        &mut tab,
        r#"{"host.welcome":{"protocol":1,"connection":{"state":"connected","id":"us"}}}"#,
    );
    tab.create_query(QueryRequest {
        query_id: 1,
        action: QueryAction::Subscribe,
        collection: "c".to_owned(),
        query: None,
        options: None,
        results: None,
    });
    answer(&mut tab, 3, 0);
    let key = DocKey {
        collection: "c".to_owned(),
        id: "x".to_owned(),
    };
    let handle = tab.get(key);
    assert_eq!(tab.doc(handle).unwrap().version(), Some(Version(3)));

    tab.hard_rollback(handle, Error::plain("its ops do not apply"));
    while tab.poll(0).is_some() {}
    let life = tab.doc(handle).unwrap().life();
    answer(&mut tab, 5, life - 1);
    assert_eq!(tab.doc(handle).unwrap().version(), None);
    answer(&mut tab, 5, life);
    assert_eq!(tab.doc(handle).unwrap().version(), Some(Version(5)));
}
