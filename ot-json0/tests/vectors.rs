//! The golden vectors: what npm ot-json0 and sharedb answered, one file for each function.

use ot_json0::{
    Error, Op, Side, Value, apply, apply_in_place, check_paths, compose, create, invert, normalize,
    transform, transform_x,
};

/// Runs one file: `ask` gets a vector's fields and returns the JSON text of its result.
fn run(name: &str, ask: impl Fn(&dyn Fn(&str) -> Value) -> Result<String, Error>) {
    let file = format!(
        "{}/../tests/vectors/json0/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{file}: {e}"));
    let vectors = Value::parse(&text).expect("JSON");
    let vectors = vectors.as_array().expect("a list of vectors");
    assert!(!vectors.is_empty(), "{name} has vectors");
    for vector in vectors {
        let field = |key: &str| vector.get(key).cloned().unwrap_or_default();
        let expected = match vector.get("error") {
            Some(error) => format!("!{}", error.as_str().expect("a message").to_string_lossy()),
            None => field("result").to_json(),
        };
        let found = ask(&field).unwrap_or_else(|error| format!("!{}", error.message));
        assert_eq!(found, expected, "{name}: {}", vector.to_json());
    }
}

fn op(value: Value) -> Result<Op, Error> {
    Op::from_value(value)
}

#[test]
fn value_as_json_parse_and_stringify() {
    run("value", |field| {
        let text = field("text").as_str().expect("a text").to_string_lossy();
        let read = Value::parse(&text).expect("JSON");
        Ok(Value::from(read.to_json()).to_json())
    });
}

#[test]
fn create_as_ot_json0() {
    run("create", |field| Ok(create(Some(&field("data"))).to_json()));
    assert!(create(None).is_null());
}

#[test]
fn apply_as_ot_json0() {
    run("apply", |field| {
        Ok(apply(field("document"), &op(field("op"))?)?.to_json())
    });
    run("apply", |field| {
        let mut document = field("document");
        apply_in_place(&mut document, &op(field("op"))?)?;
        Ok(document.to_json())
    });
}

#[test]
fn invert_as_ot_json0() {
    run("invert", |field| Ok(invert(&op(field("op"))?).to_json()));
}

#[test]
fn normalize_as_ot_json0() {
    run("normalize", |field| {
        Ok(normalize(&field("op").to_json())?.to_json())
    });
}

#[test]
fn compose_as_ot_json0() {
    run("compose", |field| {
        Ok(compose(&op(field("a"))?, &op(field("b"))?)?.to_json())
    });
    run("compose", |field| {
        let mut composed = op(field("a"))?;
        composed.append_op(op(field("b"))?)?;
        Ok(composed.to_json())
    });
}

#[test]
fn transform_as_ot_json0() {
    run("transform", |field| {
        let side = if field("side") == Value::from("left") {
            Side::Left
        } else {
            Side::Right
        };
        Ok(transform(&op(field("a"))?, &op(field("b"))?, side)?.to_json())
    });
}

#[test]
fn transform_x_as_ot_json0() {
    run("transformX", |field| {
        let (mut left, mut right) = (op(field("a"))?, op(field("b"))?);
        transform_x(&mut left, &mut right)?;
        Ok(format!("[{},{}]", left.to_json(), right.to_json()))
    });
}

#[test]
fn check_paths_as_sharedb() {
    run("check-paths", |field| {
        check_paths(&op(field("op"))?).map(|()| String::from("null"))
    });
}
