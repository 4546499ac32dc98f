//! Strings, objects, what the reader takes, and subtypes of one's own.
#![allow(clippy::unwrap_used)]

use ot_json0::{Error, Json0, Object, Op, Reader, Side, Str, Subtype, Value, apply, transform_x};

fn utf16(text: &str) -> Str {
    Str::from_utf16(&text.encode_utf16().collect::<Vec<_>>())
}

#[test]
fn strings_cut_and_join_as_in_javascript() {
    let long = "x😀é€y".repeat(100);
    for text in ["", "a", "😀", "a😀b", "é€😀😀é", &long] {
        let units: Vec<u16> = text.encode_utf16().collect();
        let whole = Str::from(text);
        assert_eq!(whole, utf16(text));
        assert_eq!(whole.len_utf16(), units.len());
        for start in 0..=units.len().min(40) {
            for end in [start, start + 1, start + 2, start + 7, units.len()] {
                let clamped = end.min(units.len()).max(start);
                let slice = whole.slice(start, end);
                assert_eq!(slice.to_utf16(), units[start..clamped]);
                let mut cut = whole.clone();
                cut.splice(start, end, &Str::new());
                let rest = [&units[..start], &units[clamped..]].concat();
                assert_eq!(cut.to_utf16(), rest);
                assert_eq!(
                    cut,
                    Str::from_utf16(&rest),
                    "halves that meet are one character"
                );
                cut.splice(start, start, &slice);
                assert_eq!(cut, whole);
            }
        }
    }
}

#[test]
fn long_text_grows_and_shrinks_in_place() {
    let mut text = Str::from("é".repeat(300));
    let mut units = text.to_utf16();
    for at in [0, 150, 299, 300, 400] {
        text.splice(at, at + 3, &Str::from("😀ab"));
        let at = at.min(units.len());
        units.splice(at..(at + 3).min(units.len()), "😀ab".encode_utf16());
        assert_eq!(text.to_utf16(), units);
        assert_eq!(text.len_utf16(), units.len());
    }
}

#[test]
fn objects_keep_order_through_growth_and_removal() {
    let mut object = Object::new();
    let mut keys = Vec::new();
    for i in 0..500 {
        object.insert(Str::from(format!("key {i}")), Value::Number(f64::from(i)));
        keys.push(i);
    }
    for i in (0..500).filter(|i| i % 3 != 0) {
        assert!(object.remove(&Str::from(format!("key {i}"))).is_some());
        keys.retain(|k| *k != i);
        assert_eq!(object.len(), keys.len());
    }
    object.insert(Str::from("7"), Value::Null);
    let found: Vec<String> = object
        .iter()
        .map(|(key, _)| key.to_string_lossy())
        .collect();
    let mut expected = vec![String::from("7")];
    expected.extend(keys.iter().map(|k| format!("key {k}")));
    assert_eq!(found, expected);
    assert!(
        keys.iter()
            .all(|k| object.contains_key(&Str::from(format!("key {k}"))))
    );
}

#[test]
fn order_of_keys_does_not_matter_for_equality() {
    let read = |json| Value::parse(json).unwrap();
    assert_eq!(read(r#"{"a":1,"b":[1.0]}"#), read(r#"{"b":[1],"a":1.0}"#));
    assert_ne!(read(r#"{"a":1}"#), read(r#"{"a":1,"b":null}"#));
}

#[test]
fn refuses_what_is_not_json() {
    for text in [
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "-",
        "nul",
        "\"",
        "\"\n\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "1 2",
        "{a:1}",
        "[1 2]",
        "\u{feff}1",
        "'a'",
        "NaN",
    ] {
        assert!(Value::parse(text).is_err(), "{text}");
    }
}

#[test]
fn reads_ten_megabytes() {
    let json = format!(
        "[{}0]",
        r#"{"key":"value","n":[1,2.5,null]},"#.repeat(300_000)
    );
    assert!(json.len() > 9_000_000);
    assert_eq!(Value::parse(&json).unwrap().to_json(), json);
}

#[test]
fn refuses_ops_that_are_none() {
    let message = |json| Op::parse(json).unwrap_err().message;
    assert_eq!(message("{}"), "json0 op must be an array");
    assert_eq!(message("[{}]"), "Missing path");
    assert_eq!(message("[5]"), "Missing path");
    assert_eq!(message(r#"[{"p":"x"}]"#), "Missing path");
    assert_eq!(
        message("[null]"),
        "Cannot read properties of null (reading 'p')"
    );
}

#[test]
fn a_failed_transform_leaves_both_empty() {
    let op = |json| Op::parse(json).unwrap();
    let mut left = op(r#"[{"p":["x"],"na":1},{"p":["s",0],"sd":"a"}]"#);
    let mut right = op(r#"[{"p":["s",0],"sd":"b"}]"#);
    assert!(transform_x(&mut left, &mut right).is_err());
    assert!(left.is_empty() && right.is_empty());
}

#[test]
fn a_failed_apply_keeps_what_came_before() {
    let op = Op::parse(r#"[{"p":["a"],"na":1},{"p":["b"],"na":1}]"#).unwrap();
    let mut document = Value::parse(r#"{"a":1}"#).unwrap();
    assert!(ot_json0::apply_in_place(&mut document, &op).is_err());
    assert_eq!(document.to_json(), r#"{"a":2}"#);
}

#[test]
fn splits_and_shows_components() {
    let op = Op::parse(r#"[{"p":["a"],"oi":null},{"x":1,"p":[]}]"#).unwrap();
    let parts: Vec<String> = op.split().map(|op| op.to_json()).collect();
    assert_eq!(parts, [r#"[{"p":["a"],"oi":null}]"#, r#"[{"x":1,"p":[]}]"#]);
    assert_eq!(op.component_json(1), parts[1]);
    assert_eq!(op.component_json(2), "[]");
}

/// A number that only grows: ops are numbers, the larger one wins.
struct Maximum;

impl Subtype for Maximum {
    fn name(&self) -> &str {
        "max"
    }
    fn apply(&self, snapshot: Option<&Value>, op: &Value) -> Result<Value, Error> {
        let old = snapshot.and_then(Value::as_f64).unwrap_or(0.0);
        Ok(Value::Number(old.max(op.as_f64().unwrap())))
    }
    fn compose(&self, first: &Value, second: &Value) -> Result<Value, Error> {
        self.apply(Some(first), second)
    }
    fn transform(&self, op: &Value, _: &Value, _: Side) -> Result<Value, Error> {
        Ok(op.clone())
    }
    fn invert(&self, op: &Value) -> Value {
        op.clone()
    }
}

#[test]
fn subtypes_can_be_registered() {
    let op = |json| Op::parse(json).unwrap();
    let five = op(r#"[{"p":["n"],"t":"max","o":5}]"#);
    let three = op(r#"[{"p":["n"],"t":"max","o":3}]"#);
    assert!(five.unknown_subtypes());
    let message = apply(Value::parse("{}").unwrap(), &five)
        .unwrap_err()
        .message;
    assert_eq!(message, "invalid / missing instruction in op");

    let mut json0 = Json0::new();
    json0.register(Box::new(Maximum));
    assert!(!json0.unknown_subtypes(&five));
    let document = json0.apply(Value::parse("{}").unwrap(), &three).unwrap();
    assert_eq!(
        json0.apply(document, &five).unwrap().to_json(),
        r#"{"n":5}"#
    );
    assert_eq!(json0.compose(&five, &three).unwrap(), five);
    assert_eq!(json0.transform(&three, &five, Side::Left).unwrap(), three);
    assert_eq!(json0.invert(&five), five);
}

/// Strings are scanned eight bytes at a time, and in parts.
#[test]
fn escapes_wherever_they_are_in_a_long_string() {
    let specials = [
        ("\"", r#"\""#),
        ("\\", r"\\"),
        ("\n", r"\n"),
        ("\u{1}", r"\u0001"),
        ("\u{1f}", r"\u001f"),
        ("\u{7f}", "\u{7f}"),
        ("!", "!"),
        (" ", " "),
        ("퀀", "퀀"),
        ("é😀", "é😀"),
    ];
    let places = (0..20).chain(4080..4110).chain(8180..8200);
    for (at, (special, escaped)) in places.flat_map(|at| specials.map(|special| (at, special))) {
        let (before, after) = ("a".repeat(at), "b".repeat(13));
        let text = Str::from([&before, special, &after, special].concat().as_str());
        let json = [r#"""#, &before, escaped, &after, escaped, r#"""#].concat();
        let value = Value::from(text.clone());
        assert_eq!(value.to_json(), json);
        assert_eq!(Value::parse(&json).unwrap(), value);
        assert_eq!(text.to_utf16().len(), text.len_utf16());
        let mut reader = Reader::new(&json);
        let skipped = reader.skip();
        assert_eq!(reader.finish(skipped).unwrap(), json);
    }
}

#[test]
fn reads_and_writes_long_lists_and_objects() {
    for length in [255, 256, 257, 511, 512, 513, 5000] {
        let numbers: Vec<String> = (0..length).map(|n| n.to_string()).collect();
        let list = format!("[{}]", numbers.join(","));
        let entries: Vec<String> = (0..length)
            .map(|n| format!(r#""k{n}":[{n},{{}}]"#))
            .collect();
        let object = format!("{{{}}}", entries.join(","));
        for json in [&list, &object] {
            assert_eq!(Value::parse(json).unwrap().to_json(), *json);
            assert!(Value::parse(&json[..json.len() - 1]).is_err());
        }
    }
}

/// A large payload's text is kept: not beyond a change of the payload.
#[test]
fn writes_a_large_payload_again() {
    let list = |first: &str| format!("[{first}{}]", ",\"some text\"".repeat(3000));
    let op = |json: &str| Op::parse(json).unwrap();
    let mut delete = op(&format!(r#"[{{"p":["k"],"od":{}}}]"#, list("0")));
    let before = delete.to_json();
    assert_eq!(delete.to_json(), before);
    assert_eq!(delete.clone().to_json(), before);
    let mut edit = op(r#"[{"p":["k",0],"na":1}]"#);
    transform_x(&mut delete, &mut edit).unwrap();
    assert_eq!(
        delete.to_json(),
        format!(r#"[{{"p":["k"],"od":{}}}]"#, list("1"))
    );
}

#[test]
fn counts_what_it_would_write() {
    let long = "x".repeat(20_000);
    let list = format!("[{}0]", "1,".repeat(20_000));
    for json in [
        "[]".to_owned(),
        r#"[{"p":[],"na":1}]"#.to_owned(),
        r#"[{"extra":{"a":[]},"p":["a",0],"ld":"\n","li":null},{"p":["b"]}]"#.to_owned(),
        format!(r#"[{{"p":["k"],"od":"{long}","oi":{list}}},{{"p":["k"],"oi":1}}]"#),
    ] {
        let op = Op::parse(&json).unwrap();
        assert_eq!(op.json_size(), op.to_json().len(), "{json:.80}");
        assert_eq!(op.json_size(), json.len(), "{json:.80}");
    }
}
