//! Values and paths nested far deeper than any stack holds, and ops that come apart into hundreds of pieces.

use ot_json0::{
    Op, Reader, Side, Value, apply, check_paths, compose, create, invert, normalize, transform,
    transform_x,
};

/// The stack of a test is 2 MiB, that of WebAssembly 1 MiB: a recursion of this depth has no room in either.
const DEPTH: usize = 100_000;

/// Lists and objects in turn, around `core`.
fn nested(core: &str) -> String {
    let half = DEPTH / 2;
    [
        r#"[0,{"k":"#.repeat(half).as_str(),
        core,
        &"}]".repeat(half),
    ]
    .concat()
}

/// The path to the core of [`nested`], with the brackets left out.
fn path() -> String {
    let steps = r#"1,"k","#.repeat(DEPTH / 2);
    steps.trim_end_matches(',').to_owned()
}

fn value(json: &str) -> Value {
    Value::parse(json).expect("JSON")
}

/// `$` stands for the path to the core, without brackets.
fn op(json: &str) -> Op {
    Op::parse(&json.replace('$', &path())).expect("an op")
}

#[test]
fn reads_writes_copies_compares_and_drops() {
    let text = nested("1");
    let read = value(&text);
    assert_eq!(read.to_json(), text);
    let copied = create(Some(&read));
    assert!(copied == read);
    assert_eq!(copied.to_json(), text);
    let other = value(&nested("2"));
    assert!(read != other);
    assert_eq!(format!("{read:?}"), text);
    let mut reader = Reader::new(&text);
    let skipped = reader.skip();
    assert_eq!(reader.finish(skipped).expect("JSON"), text);
}

#[test]
fn refuses_text_that_breaks_off() {
    let text = nested("1");
    for end in [text.len() - 1, text.len() / 2] {
        assert!(Value::parse(&text[..end]).is_err());
    }
    assert!(Value::parse(&"[".repeat(1_000_000)).is_err());
}

#[test]
fn edits_at_the_deepest_level() {
    let edits = [
        r#"[{"p":[$,"fresh"],"oi":1}]"#,
        r#"[{"p":[$,"n"],"na":2}]"#,
        r#"[{"p":[$,"s",1],"si":"x"}]"#,
        r#"[{"p":[$,"l",0],"li":[7]},{"p":[$,"l",0],"lm":1}]"#,
        r#"[{"p":[$],"od":{},"oi":"gone"}]"#,
    ];
    let results = [
        r#"{"l":[1,2],"n":1,"s":"ab","fresh":1}"#,
        r#"{"l":[1,2],"n":3,"s":"ab"}"#,
        r#"{"l":[1,2],"n":1,"s":"axb"}"#,
        r#"{"l":[1,[7],2],"n":1,"s":"ab"}"#,
        r#""gone""#,
    ];
    for (edit, result) in edits.into_iter().zip(results) {
        let document = value(&nested(r#"{"l":[1,2],"n":1,"s":"ab"}"#));
        let edit = op(edit);
        check_paths(&edit).expect("a harmless path");
        assert_eq!(
            apply(document, &edit).expect("fits").to_json(),
            nested(result)
        );
    }
}

#[test]
fn ops_with_deep_payloads() {
    let insert = op(&format!(r#"[{{"p":["k"],"oi":{}}}]"#, nested("1")));
    let document = apply(value("{}"), &insert).expect("fits");
    assert_eq!(document.to_json(), format!(r#"{{"k":{}}}"#, nested("1")));
    let normal = normalize(&insert.to_json()).expect("an op");
    assert!(normal == insert);
    let delete = invert(&insert);
    assert_eq!(apply(document, &delete).expect("fits").to_json(), "{}");
    assert!(compose(&insert, &delete).expect("composes").is_empty());
    let sum = op(&format!(r#"[{{"p":[],"na":{}}}]"#, nested("1")));
    let composed = compose(&sum, &op(r#"[{"p":[],"na":1}]"#)).expect("composes");
    assert_eq!(composed.len(), 1);
}

#[test]
fn transforms_at_the_deepest_level() {
    let ours = op(r#"[{"p":[$,"l",0],"li":"ours"},{"p":[$,"s",1],"si":"x"}]"#);
    let theirs = op(r#"[{"p":[$,"l",0],"li":"theirs"},{"p":[$,"s",0],"si":"y"}]"#);
    let document = || value(&nested(r#"{"l":[],"s":"ab"}"#));
    let (mut left, mut right) = (ours.clone(), theirs.clone());
    transform_x(&mut left, &mut right).expect("transforms");
    assert!(left == transform(&ours, &theirs, Side::Left).expect("transforms"));
    assert!(right == transform(&theirs, &ours, Side::Right).expect("transforms"));
    let joined = nested(r#"{"l":["ours","theirs"],"s":"yaxb"}"#);
    for (first, second) in [(&ours, &right), (&theirs, &left)] {
        let document = apply(document(), first).expect("fits");
        assert_eq!(apply(document, second).expect("fits").to_json(), joined);
    }
}

#[test]
fn transforms_what_is_deleted() {
    let delete = op(&format!(r#"[{{"p":["k"],"od":{}}}]"#, nested("1")));
    let edit = op(r#"[{"p":["k",$],"na":1}]"#);
    let transformed = transform(&delete, &edit, Side::Left).expect("transforms");
    let expected = format!(r#"[{{"p":["k"],"od":{}}}]"#, nested("2"));
    assert_eq!(transformed.to_json(), expected);
    assert!(
        transform(&edit, &delete, Side::Left)
            .expect("transforms")
            .is_empty()
    );
}

#[test]
fn a_path_segment_of_nested_lists() {
    let list = |core: &str| ["[".repeat(DEPTH).as_str(), core, &"]".repeat(DEPTH)].concat();
    let named = |core: &str| op(&format!(r#"[{{"p":[{}],"oi":1}}]"#, list(core)));
    assert!(check_paths(&named(r#""__proto__""#)).is_err());
    let document = apply(value("{}"), &named(r#"1,null,"a",[],[2,3]"#)).expect("fits");
    assert_eq!(document.to_json(), r#"{"1,,a,,2,3":1}"#);
}

/// Each insert cuts the delete in two, and both halves meet the inserts that follow.
#[test]
fn a_delete_cut_into_hundreds_of_pieces() {
    const PIECES: usize = 800;
    let text = "ab".repeat(PIECES);
    let inserts: Vec<String> = (0..PIECES)
        .map(|n| format!(r#"{{"p":[{}],"si":"-"}}"#, 3 * n + 1))
        .collect();
    let inserts = Op::parse(&format!("[{}]", inserts.join(","))).expect("an op");
    let delete = Op::parse(&format!(r#"[{{"p":[0],"sd":"{text}"}}]"#)).expect("an op");
    let (mut left, mut right) = (inserts.clone(), delete.clone());
    transform_x(&mut left, &mut right).expect("transforms");
    let kept = Value::from("-".repeat(PIECES));
    for (first, second) in [(&inserts, &right), (&delete, &left)] {
        let document = apply(Value::from(text.as_str()), first).expect("fits");
        assert!(apply(document, second).expect("fits") == kept);
    }
}
