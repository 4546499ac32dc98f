//! json0 as a type of which nothing can be taken back: what a host that keeps pending ops does where one is refused
//! shows only with such a type.
//!
//! The host alone sees it: tabs and server have json0 itself, under the same name.

use std::rc::Rc;

use ot_json0::{Op, Side, Value};
use proxy_doc::{Error, ForeignType, Json, OtType, Types};

/// [`Forward`] in the place of json0.
pub(super) struct ForwardOnly;

impl Types for ForwardOnly {
    fn resolve(&self, name: &str) -> Option<OtType> {
        let is_json0 = name == ot_json0::NAME || name == ot_json0::URI;
        is_json0.then(|| OtType::Foreign(Rc::new(Forward)))
    }

    fn default_uri(&self) -> String {
        ot_json0::URI.to_owned()
    }
}

/// json0 without `invert`, and without `compose`, so that pending ops stay many.
struct Forward;

impl ForeignType for Forward {
    fn uri(&self) -> &str {
        ot_json0::URI
    }

    fn name(&self) -> &str {
        ot_json0::NAME
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

    fn transform(&self, op: &Json, other: &Json, side: Side) -> Result<Json, Error> {
        let transformed = ot_json0::transform(&parse(op)?, &parse(other)?, side)?;
        Ok(Json::written(transformed.to_json()))
    }

    fn invert(&self, _: &Json) -> Result<Json, Error> {
        Err(Error::plain("no invert"))
    }

    fn create(&self, data: Option<&Json>) -> Result<Option<Json>, Error> {
        Ok(Some(data.cloned().unwrap_or_else(|| Json::trusted("null"))))
    }

    fn apply(&self, data: Option<&Json>, op: &Json) -> Result<Option<Json>, Error> {
        let text = data.map_or("null", Json::get);
        let mut value = Value::parse(text).map_err(|error| Error::plain(error.to_string()))?;
        ot_json0::apply_in_place(&mut value, &parse(op)?)?;
        Ok(Some(Json::written(value.to_json())))
    }
}

fn parse(op: &Json) -> Result<Op, Error> {
    Op::parse(op.get()).map_err(|error| Error::plain(error.to_string()))
}
