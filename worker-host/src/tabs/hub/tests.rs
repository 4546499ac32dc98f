//! One document's history: who is sent what, what a late op becomes, and what is forgotten.

use super::*;
use proxy_doc::{OpId, json};

fn tab(name: &str) -> TabId {
    TabId(name.to_owned())
}

fn json0() -> OtType {
    OtType::Json0(None)
}

/// A json0 op.
fn edit(op: &str) -> OpKind {
    let edit = json(op.to_owned()).and_then(|op| json0().parse(&op));
    edit.map(OpKind::Edit).expect("an op of this test")
}

fn text(kind: &OpKind) -> String {
    match kind {
        OpKind::Edit(edit) => edit.to_text().get().to_owned(),
        OpKind::Create { .. } | OpKind::Del | OpKind::Noop => "not an edit".to_owned(),
    }
}

/// An op that inserts at the beginning of the list.
fn insert(item: u64) -> OpKind {
    edit(&format!(r#"[{{"p":[0],"li":{item}}}]"#))
}

fn push(hub: &mut Hub, author: Option<&str>, item: u64) {
    push_op(hub, author, Seq(item), insert(item));
}

fn push_op(hub: &mut Hub, author: Option<&str>, seq: Seq, kind: OpKind) {
    hub.push(Revised {
        kind,
        ty: Some(json0()),
        author: author.map(|name| Author {
            tab: tab(name),
            seq,
        }),
        version: None,
        src: None,
    });
}

/// A history whose tabs have the state at its beginning, and follow it.
fn hub(max_log: usize, tabs: &[&str]) -> Hub {
    let mut hub = Hub::new(max_log);
    for name in tabs {
        hub.meet(&tab(name));
        hub.set_live(&tab(name), true);
        hub.attach(&tab(name));
    }
    hub
}

fn sent(hub: &mut Hub, name: &str) -> Vec<&'static str> {
    let events = hub.catch_up(&tab(name)).into_iter();
    let kind = |event| match event {
        DocEvent::Op { .. } => "op",
        DocEvent::Accepted { .. } => "accepted",
        _ => "something else",
    };
    events.map(kind).collect()
}

#[test]
fn the_author_is_sent_its_own_op_as_accepted_and_the_others_as_an_op() {
    let mut hub = hub(MAX_LOG, &["a", "b"]);
    push(&mut hub, Some("a"), 1);
    assert_eq!(sent(&mut hub, "a"), ["accepted"]);
    assert_eq!(sent(&mut hub, "b"), ["op"]);
    assert_eq!(sent(&mut hub, "b"), [""; 0], "it has everything");
}

#[test]
fn a_late_op_is_transformed_over_what_its_tab_has_not_seen() {
    let mut hub = hub(MAX_LOG, &["a", "b"]);
    push(&mut hub, Some("a"), 1);
    push(&mut hub, Some("a"), 2);
    let mut late = edit(r#"[{"p":[3],"ld":7}]"#);
    let result = hub.transform(&tab("b"), Revision(0), &mut late, Some(&json0()));
    assert!(result.is_ok());
    assert_eq!(text(&late), r#"[{"p":[5],"ld":7}]"#);
}

/// An op of a tab that was sent under a number.
fn numbered(seq: u64, kind: OpKind) -> PendingOp {
    let id = OpId {
        src: None,
        seq: Some(Seq(seq)),
    };
    PendingOp::restored(kind, Some(json0()), id, None)
}

/// The ops that `a` has sent ahead, as they are at the head.
fn ahead(hub: &Hub, ops: impl IntoIterator<Item = PendingOp>) -> Option<Vec<String>> {
    let ops = ops.into_iter().collect();
    let rest = hub.transform_ahead(&tab("a"), Some(Revision(0)), ops);
    let rest = rest.expect("they transform")?;
    Some(rest.iter().map(|op| text(&op.kind)).collect())
}

#[test]
fn an_op_that_was_sent_ahead_is_transformed_over_what_the_ops_before_it_make_of_the_others() {
    let mut hub = hub(MAX_LOG, &["a", "b"]);
    let first = || numbered(1, edit(r#"[{"p":[0],"li":8},{"p":[1],"li":9}]"#));
    let second = || numbered(2, edit(r#"[{"p":[1],"ld":9}]"#));
    push_op(&mut hub, Some("b"), Seq(1), edit(r#"[{"p":[0],"ld":7}]"#));
    assert_eq!(
        ahead(&hub, [first(), second()]),
        None,
        "the first is not here"
    );
    push_op(&mut hub, Some("a"), Seq(1), first().kind);
    let same = Some(vec![text(&second().kind)]);
    assert_eq!(ahead(&hub, [first(), second()]), same);
    push_op(&mut hub, Some("b"), Seq(2), edit(r#"[{"p":[0],"li":6}]"#));
    let moved = Some(vec![r#"[{"p":[2],"ld":9}]"#.to_owned()]);
    assert_eq!(ahead(&hub, [first(), second()]), moved);
    push_op(&mut hub, Some("a"), Seq(2), edit(r#"[{"p":[2],"ld":9}]"#));
    assert_eq!(
        ahead(&hub, [first(), second()]),
        Some(Vec::new()),
        "both are"
    );
}

#[test]
fn an_op_on_a_revision_that_its_tab_cannot_have_is_refused() {
    let mut hub = hub(MAX_LOG, &["a"]);
    push(&mut hub, None, 1);
    // The revision is there, and was not sent to the tab yet.
    let result = hub.transform(&tab("a"), Revision(1), &mut insert(2), Some(&json0()));
    assert!(result.is_err_and(|error| error.is(codes::ERR_REVISION_NOT_KEPT)));
}

#[test]
fn a_revision_is_kept_until_no_tab_can_base_an_op_on_it() {
    let mut hub = hub(MAX_LOG, &["a", "b"]);
    push(&mut hub, None, 1);
    for name in ["a", "b"] {
        sent(&mut hub, name);
    }
    hub.received(&tab("a"), Revision(1));
    assert_eq!(hub.log().count(), 1, "`b` has not confirmed it");
    hub.received(&tab("b"), Revision(1));
    assert_eq!(hub.log().count(), 0);
}

#[test]
fn a_long_stretch_that_no_tab_can_name_becomes_one_span() {
    let mut hub = hub(2, &["late", "author"]);
    for item in 1..=4 {
        push(&mut hub, Some("author"), item);
        sent(&mut hub, "author");
        hub.received(&tab("author"), Revision(item));
    }
    assert!(hub.log().count() <= 3, "four revisions were composed");
    let mut late = edit(r#"[{"p":[0],"ld":7}]"#);
    let result = hub.transform(&tab("late"), Revision(0), &mut late, Some(&json0()));
    assert!(result.is_ok());
    assert_eq!(text(&late), r#"[{"p":[4],"ld":7}]"#);
}

#[test]
fn an_op_that_its_author_was_not_sent_is_not_composed() {
    let mut hub = hub(1, &["late", "author"]);
    push(&mut hub, None, 1);
    push(&mut hub, Some("author"), 2);
    push(&mut hub, None, 3);
    assert!(sent(&mut hub, "author").contains(&"accepted"));
}

#[test]
fn a_tab_of_an_earlier_host_goes_on_at_its_revision_or_at_what_it_created() {
    let mut hub = hub(MAX_LOG, &[]);
    let created = Revised {
        kind: insert(1),
        ty: Some(json0()),
        author: Some(Author {
            tab: tab("a"),
            seq: Seq(1),
        }),
        version: None,
        src: None,
    };
    hub.restore(Revision(5), [(Revision(4), Revision(5), created)]);
    for name in ["a", "b", "c"] {
        hub.meet(&tab(name));
    }
    assert!(hub.resume(&tab("a"), None, Some(Seq(1))));
    assert_eq!(sent(&mut hub, "a"), ["accepted"]);
    assert!(hub.resume(&tab("b"), Some(Revision(5)), None));
    assert_eq!(sent(&mut hub, "b"), [""; 0]);
    assert!(!hub.resume(&tab("c"), Some(Revision(3)), None), "not kept");
}

#[test]
fn a_reset_takes_every_tabs_state() {
    let mut hub = hub(MAX_LOG, &["a"]);
    push(&mut hub, None, 1);
    hub.reset();
    assert!(!hub.has_state(&tab("a")));
    assert_eq!(sent(&mut hub, "a"), [""; 0]);
    assert!(!hub.can_stand_at(&tab("a"), Revision(0)));
}
