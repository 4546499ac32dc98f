//! The requests by themselves.

use super::*;

fn ask(snapshots: &mut PastSnapshots, tab: &str, at: SnapshotAt) -> Option<String> {
    let asker = Asker::Tab(TabId(tab.to_owned()), CallbackId(5));
    let subject = Subject {
        collection: Json::trusted(r#""c""#),
        id: Json::trusted("1"),
        at,
    };
    snapshots.ask(asker, subject)
}

#[test]
fn a_request_is_sent_on_every_connection_until_it_is_answered() {
    let mut snapshots = PastSnapshots::default();
    let latest = SnapshotAt::Version(None);
    assert_eq!(ask(&mut snapshots, "one", latest), None);
    let sent = r#"{"a":"nf","id":1,"c":"c","d":1,"v":null}"#;
    assert_eq!(snapshots.set_connected(true), [sent]);
    assert!(snapshots.set_connected(false).is_empty());
    assert_eq!(snapshots.set_connected(true), [sent]);
    let asker = Asker::Tab(TabId("one".to_owned()), CallbackId(5));
    assert_eq!(snapshots.handle_answer(1), Some(asker));
    assert_eq!(snapshots.handle_answer(1), None);
    snapshots.set_connected(false);
    assert!(snapshots.set_connected(true).is_empty());
}

#[test]
fn requests_of_a_tab_that_is_gone_are_dropped() {
    let mut snapshots = PastSnapshots::default();
    snapshots.set_connected(true);
    let sent = r#"{"a":"nt","id":1,"c":"c","d":1,"ts":9}"#;
    let at = SnapshotAt::Timestamp(Some(9));
    assert_eq!(ask(&mut snapshots, "one", at).as_deref(), Some(sent));
    ask(&mut snapshots, "two", at);
    snapshots.tab_gone(&TabId("one".to_owned()));
    assert_eq!(snapshots.handle_answer(1), None);
    assert!(snapshots.handle_answer(2).is_some());
}
