//! The confirmed state of a document against types that count how often they apply an op, and ops that do not apply.

use std::cell::Cell;
use std::rc::Rc;

use super::DocState;
use ot_json0::Side;
use proxy_doc::{
    CreateData, Error, ForeignType, Json, OpId, OpKind, OtType, PendingOp, Types, apply_each, json,
};

/// Data and ops are numbers: an op applies where the data is not smaller, and is subtracted.
#[derive(Default)]
struct Countdown {
    applied: Cell<usize>,
    /// How often it was asked, for one op or for several.
    asked: Cell<usize>,
}

impl ForeignType for Countdown {
    fn uri(&self) -> &str {
        "countdown"
    }
    fn can_compose(&self) -> bool {
        false
    }
    fn can_invert(&self) -> bool {
        false
    }
    fn compose(&self, _: &Json, _: &Json) -> Result<Json, Error> {
        Err(Error::plain("no compose"))
    }
    fn transform(&self, op: &Json, _: &Json, _: Side) -> Result<Json, Error> {
        Ok(op.clone())
    }
    fn invert(&self, _: &Json) -> Result<Json, Error> {
        Err(Error::plain("no invert"))
    }
    fn create(&self, data: Option<&Json>) -> Result<Option<Json>, Error> {
        Ok(data.cloned())
    }
    fn apply(&self, data: Option<&Json>, op: &Json) -> Result<Option<Json>, Error> {
        self.applied.set(self.applied.get() + 1);
        self.asked.set(self.asked.get() + 1);
        let number = |text: Option<&Json>| text.and_then(|text| text.get().parse::<i64>().ok());
        let left = number(data)
            .zip(number(Some(op)))
            .map(|(data, op)| data - op);
        let left = left.filter(|left| *left >= 0);
        let left = left.ok_or_else(|| Error::plain("not that much is left"))?;
        json(left.to_string()).map(Some)
    }
    fn apply_all(&self, data: Option<Json>, ops: &[Json]) -> (Option<Json>, Vec<bool>) {
        let asked = self.asked.get();
        let applied = apply_each(self, data, ops);
        self.asked.set(asked + 1);
        applied
    }
}

struct Both(Rc<Countdown>);

impl Types for Both {
    fn resolve(&self, name: &str) -> Option<OtType> {
        match name {
            "countdown" => Some(OtType::Foreign(self.0.clone())),
            _ => Some(OtType::Json0(None)),
        }
    }
    fn default_uri(&self) -> String {
        ot_json0::URI.to_owned()
    }
}

fn text(text: &str) -> Json {
    json(text.to_owned()).expect("valid JSON")
}

fn edit(ty: &OtType, op: &str) -> OpKind {
    OpKind::Edit(ty.parse(&text(op)).expect("a valid op"))
}

fn pending(ty: &OtType, ops: &[&str]) -> Vec<PendingOp> {
    let ops = ops.iter().map(|op| edit(ty, op));
    ops.map(|kind| PendingOp::restored(kind, Some(ty.clone()), OpId::default(), None))
        .collect()
}

fn state(ty: &OtType, data: &str) -> DocState {
    let mut state = DocState::default();
    state.load(Some(ty.clone()), Some(text(data)));
    state
}

/// The data with these ops on top.
fn data(state: &mut DocState, ops: &[PendingOp], types: &Both) -> String {
    let (_, data) = state.snapshot(ops.iter(), types).expect("all apply");
    data.expect("there is data").get().to_owned()
}

#[test]
fn a_tail_that_does_not_apply_stays() {
    let types = Both(Rc::default());
    for (ty, data, op) in [
        ("countdown", "1", "2"),
        (
            "json0",
            "{}",
            r#"[{"p":["a"],"oi":1},{"p":["b",0],"li":1}]"#,
        ),
    ] {
        let ty = types.resolve(ty).expect("known");
        let mut state = state(&ty, data);
        state.commit(&edit(&ty, op), None).expect("it is only kept");
        let first = state.snapshot([].iter(), &types);
        let second = state.snapshot([].iter(), &types);
        let message =
            |result: Result<_, Error>| result.map(|_: (_, _)| ()).map_err(|error| error.message);
        assert!(first.is_err());
        assert_eq!(message(first), message(second));
        assert_eq!(state.data().map(Json::get), Some(data));
        assert_eq!(state.tail().len(), 1);
    }
}

#[test]
fn an_edit_of_no_document_is_an_error() {
    let types = Both(Rc::default());
    let ty = OtType::Json0(None);
    let mut state = DocState::default();
    let kept = state.commit(&edit(&ty, r#"[{"p":["a"],"oi":1}]"#), None);
    kept.expect("it is only kept");
    let error = state.snapshot([].iter(), &types).expect_err("no document");
    assert_eq!(error.code_text(), Some("ERR_DOC_DOES_NOT_EXIST"));
}

#[test]
fn each_op_is_applied_once_to_see_which_fit() {
    let types = Both(Rc::default());
    let ty = types.resolve("countdown").expect("known");
    let mut state = state(&ty, "1500");
    let ops = pending(&ty, &["1"; 2000]);
    let (fits, _) = state
        .fitting(&ops.iter().collect::<Vec<_>>(), &types)
        .expect("the state is fine");
    assert_eq!(fits.iter().filter(|fits| **fits).count(), 1500);
    assert_eq!(types.0.applied.get(), 2000);
}

#[test]
fn data_goes_to_a_type_elsewhere_once_for_all_ops() {
    let types = Both(Rc::default());
    let ty = types.resolve("countdown").expect("known");
    let mut state = state(&ty, "1500");
    let ops = pending(&ty, &["1"; 2000]);
    let (fits, _) = state
        .fitting(&ops.iter().collect::<Vec<_>>(), &types)
        .expect("the state is fine");
    assert_eq!(types.0.asked.get(), 1);
    let fitting: Vec<PendingOp> = ops
        .iter()
        .zip(fits)
        .filter(|(_, fits)| *fits)
        .map(|(op, _)| op.clone())
        .collect();
    assert_eq!(data(&mut state, &fitting, &types), "0");
    assert_eq!(types.0.asked.get(), 2);
    let error = state.snapshot(ops.iter(), &types).expect_err("too many");
    assert_eq!(error.message, "not that much is left");
}

#[test]
fn what_does_not_fit_leaves_nothing_behind() {
    let types = Both(Rc::default());
    let ty = OtType::Json0(None);
    let mut state = state(&ty, r#"{"l":[]}"#);
    let ops = pending(
        &ty,
        &[
            r#"[{"p":["l",0],"li":1}]"#,
            // The first component applies, the second does not.
            r#"[{"p":["a"],"oi":1},{"p":["none",0],"li":2}]"#,
            r#"[{"p":["b"],"oi":3}]"#,
            r#"[{"p":["a",0],"li":4}]"#,
        ],
    );
    let (fits, left) = state
        .fitting(&ops.iter().collect::<Vec<_>>(), &types)
        .expect("the state is fine");
    assert_eq!(fits, [true, false, true, false]);
    assert!(left.is_some());
    let kept: Vec<PendingOp> = ops
        .into_iter()
        .zip(fits)
        .filter_map(|(op, fits)| fits.then_some(op))
        .collect();
    assert_eq!(data(&mut state, &kept, &types), r#"{"l":[1],"b":3}"#);
}

#[test]
fn ops_of_a_document_that_is_no_more_do_not_fit() {
    let types = Both(Rc::default());
    let ty = types.resolve("countdown").expect("known");
    let mut state = state(&ty, "5");
    let op = |kind| PendingOp::restored(kind, Some(ty.clone()), OpId::default(), None);
    let create = |data| OpKind::Create {
        type_name: "countdown".to_owned(),
        data: CreateData::Text(Some(text(data))),
    };
    let ops = [
        create("1"),
        OpKind::Del,
        edit(&ty, "1"),
        create("7"),
        edit(&ty, "3"),
    ];
    let ops: Vec<PendingOp> = ops.into_iter().map(op).collect();
    let (fits, _) = state
        .fitting(&ops.iter().collect::<Vec<_>>(), &types)
        .expect("the state is fine");
    assert_eq!(fits, [false, true, false, true, true]);
}
