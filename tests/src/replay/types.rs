//! OT types that answer what the application's types answered.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use ot_json0::Side;
use proxy_doc::{Code, Error, ForeignType, Json, OtType, Types, json};
use serde_json::{Value, json as value};

/// What is left of the answers, and what was asked beside them.
#[derive(Default)]
struct Script {
    /// The entries of the call of the machine that runs.
    entries: VecDeque<Value>,
    /// What was answered last: a recorder writes down what changed.
    told: HashMap<String, Value>,
    /// The first question that the recording has no answer to.
    strange: Option<String>,
}

impl Script {
    /// The answer to a question that is asked again and again.
    fn tell(&mut self, question: &[Value]) -> Value {
        let key = Value::from(question).to_string();
        let is_this = |entry: &Value| {
            let list = entry.as_array().map(Vec::as_slice).unwrap_or_default();
            list.len() == question.len() + 2 && list[1..].starts_with(question)
        };
        if self.entries.front().is_some_and(is_this)
            && let Some(entry) = self.entries.pop_front()
        {
            let answer = entry[question.len() + 1].clone();
            self.told.insert(key, answer);
            return self.tell(question);
        }
        match self.told.get(&key) {
            Some(answer) => answer.clone(),
            None => {
                self.strange.get_or_insert(key);
                Value::Null
            }
        }
    }

    /// What this function of a type gave, or threw.
    fn call(&mut self, uri: &str, method: &str) -> Result<Value, Error> {
        let is_this = |entry: &Value| entry[2] == uri && entry[3] == method;
        if !self.entries.front().is_some_and(is_this) {
            self.strange.get_or_insert(format!("{method} of {uri}"));
            return Err(Error::plain("this was not recorded"));
        }
        let entry = self.entries.pop_front().unwrap_or_default();
        match entry[1].as_str() {
            Some("gave") => Ok(entry[4].clone()),
            _ => Err(thrown(&entry)),
        }
    }
}

/// The error that stands for an exception, as the shim makes it.
fn thrown(entry: &Value) -> Error {
    let code = match &entry[5] {
        Value::Null => None,
        Value::String(code) => Some(Code::Text(code.clone())),
        other => Some(Code::Other(Json::trusted(&other.to_string()))),
    };
    Error {
        code,
        ..Error::plain(entry[4].as_str().unwrap_or_default())
    }
}

/// The registry of a recording.
#[derive(Default)]
pub(super) struct RecordedTypes(Rc<RefCell<Script>>);

impl RecordedTypes {
    /// These answers are asked for in the next call of the machine.
    pub(super) fn expect(&self, entries: Vec<Value>) {
        self.0.borrow_mut().entries = entries.into();
    }

    /// What was asked otherwise in that call: what was recorded, and what was asked.
    pub(super) fn difference(&self) -> Option<(String, String)> {
        let script = &mut *self.0.borrow_mut();
        let none = || "no question to a type".to_owned();
        let left = script.entries.pop_front();
        let strange = script.strange.take();
        if left.is_none() && strange.is_none() {
            return None;
        }
        let left = left.map_or_else(none, |entry| entry.to_string());
        Some((left, strange.unwrap_or_else(none)))
    }
}

impl Types for RecordedTypes {
    fn resolve(&self, name: &str) -> Option<OtType> {
        let answer = self.0.borrow_mut().tell(&[value!("resolve"), value!(name)]);
        let text = |at: usize| answer[at].as_str().map(str::to_owned);
        let foreign: Rc<dyn ForeignType> = Rc::new(RecordedType {
            uri: text(0)?,
            name: text(1)?,
            script: Rc::clone(&self.0),
        });
        Some(if answer[2] == value!(true) {
            OtType::Json0(Some(foreign))
        } else {
            OtType::Foreign(foreign)
        })
    }

    fn default_uri(&self) -> String {
        let answer = self.0.borrow_mut().tell(&[value!("defaultUri")]);
        answer.as_str().unwrap_or_default().to_owned()
    }
}

struct RecordedType {
    uri: String,
    name: String,
    script: Rc<RefCell<Script>>,
}

impl RecordedType {
    fn is(&self, property: &str) -> bool {
        let question = [value!("is"), value!(self.uri), value!(property)];
        let answer = self.script.borrow_mut().tell(&question);
        answer.as_bool().unwrap_or_default()
    }

    fn call(&self, method: &str) -> Result<Value, Error> {
        self.script.borrow_mut().call(&self.uri, method)
    }

    fn optional(&self, method: &str) -> Result<Option<Json>, Error> {
        let text = self.call(method)?.as_str().map(str::to_owned);
        text.map(json).transpose()
    }

    fn text(&self, method: &str) -> Result<Json, Error> {
        self.optional(method)?
            .ok_or_else(|| Error::plain("no text"))
    }

    /// The texts of a list.
    fn list(&self, method: &str) -> Result<Vec<String>, Error> {
        let answer = self.call(method)?;
        let texts = answer.as_array().into_iter().flatten();
        Ok(texts
            .filter_map(|text| text.as_str().map(str::to_owned))
            .collect())
    }
}

impl ForeignType for RecordedType {
    fn uri(&self) -> &str {
        &self.uri
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn can_compose(&self) -> bool {
        self.is("canCompose")
    }

    fn can_invert(&self) -> bool {
        self.is("canInvert")
    }

    fn can_transform_presence(&self) -> bool {
        self.is("canTransformPresence")
    }

    fn compose(&self, _: &Json, _: &Json) -> Result<Json, Error> {
        self.text("compose")
    }

    fn transform(&self, _: &Json, _: &Json, _: Side) -> Result<Json, Error> {
        self.text("transform")
    }

    fn transform_x(&self, _: &Json, _: &Json) -> Result<(Json, Json), Error> {
        let pair = self.list("transformX")?;
        let [left, right] = <[String; 2]>::try_from(pair)
            .map_err(|_| Error::plain("transformX must return two ops"))?;
        Ok((json(left)?, json(right)?))
    }

    fn invert(&self, _: &Json) -> Result<Json, Error> {
        self.text("invert")
    }

    fn knows_subtype(&self, _: &str) -> bool {
        self.call("knowsSubtype")
            .is_ok_and(|knows| knows == value!(true))
    }

    fn create(&self, _: Option<&Json>) -> Result<Option<Json>, Error> {
        self.optional("create")
    }

    fn apply(&self, _: Option<&Json>, _: &Json) -> Result<Option<Json>, Error> {
        self.optional("apply")
    }

    fn apply_all(&self, data: Option<Json>, ops: &[Json]) -> (Option<Json>, Vec<bool>) {
        let mut answer = self.list("applyAll").unwrap_or_default().into_iter();
        let applied = answer.next().unwrap_or_default();
        let applied: Vec<bool> = applied.chars().map(|applied| applied == '1').collect();
        match answer.next().map(json).transpose() {
            Ok(after) if applied.len() == ops.len() => (after, applied),
            // As the shim does.
            Ok(_) | Err(_) => proxy_doc::apply_each(self, data, ops),
        }
    }

    fn transform_presence(&self, _: &Json, _: &Json, _: bool) -> Result<Json, Error> {
        self.text("transformPresence")
    }
}
