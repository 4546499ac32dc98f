//! The OT types that JavaScript registered, as the machines see them.

use std::cell::RefCell;
use std::rc::Rc;

use ot_json0::Side;
use proxy_doc::{Code, Error, ForeignType, Gather, Json, OtType, Types, json};
use wasm_bindgen::prelude::*;

use crate::js::{self, Array};

#[wasm_bindgen]
extern "C" {
    /// `types-bridge.js`: the registry.
    pub type TypesBridge;
    #[wasm_bindgen(method)]
    fn resolve(this: &TypesBridge, name: &str) -> Option<TypeBridge>;
    #[wasm_bindgen(method, js_name = defaultUri)]
    fn default_uri(this: &TypesBridge) -> String;

    /// `types-bridge.js`: one type, its ops and snapshots as JSON text.
    pub type TypeBridge;
    #[wasm_bindgen(method, getter)]
    fn uri(this: &TypeBridge) -> String;
    #[wasm_bindgen(method, getter)]
    fn native(this: &TypeBridge) -> bool;
    #[wasm_bindgen(method, getter, js_name = canCompose)]
    fn can_compose(this: &TypeBridge) -> bool;
    #[wasm_bindgen(method, getter, js_name = canInvert)]
    fn can_invert(this: &TypeBridge) -> bool;
    #[wasm_bindgen(method, catch)]
    fn compose(this: &TypeBridge, a: &str, b: &str) -> Result<String, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn transform(this: &TypeBridge, op: &str, other: &str, side: &str) -> Result<String, JsValue>;
    #[wasm_bindgen(method, catch, js_name = transformX)]
    fn transform_x(this: &TypeBridge, left: &str, right: &str) -> Result<Vec<String>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn invert(this: &TypeBridge, op: &str) -> Result<String, JsValue>;
    #[wasm_bindgen(method, js_name = knowsSubtype)]
    fn knows_subtype(this: &TypeBridge, name: &str) -> bool;
    #[wasm_bindgen(method, catch)]
    fn create(this: &TypeBridge, data: Option<String>) -> Result<Option<String>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn apply(this: &TypeBridge, data: Option<String>, op: &str) -> Result<Option<String>, JsValue>;
    #[wasm_bindgen(method, catch, js_name = applyAll)]
    fn apply_all(
        this: &TypeBridge,
        data: Option<String>,
        ops: &Array,
    ) -> Result<Vec<String>, JsValue>;
    #[wasm_bindgen(method, getter)]
    fn name(this: &TypeBridge) -> String;
    #[wasm_bindgen(method, getter, js_name = canTransformPresence)]
    fn can_transform_presence(this: &TypeBridge) -> bool;
    #[wasm_bindgen(method, catch, js_name = transformPresence)]
    fn transform_presence(
        this: &TypeBridge,
        presence: &str,
        op: &str,
        is_own: bool,
    ) -> Result<String, JsValue>;
}

thread_local! {
    /// Exceptions on their way through a machine, by the number that stands for them in errors.
    static THROWN: RefCell<Vec<JsValue>> = const { RefCell::new(Vec::new()) };
}

/// How many exceptions are kept: more than can be on their way at once.
const MAX_THROWN: usize = 1024;

/// An error of a machine that stands for an exception.
pub(crate) fn error_of(thrown: JsValue) -> Error {
    let field = |key: &str| js::property(&thrown, key).ok();
    let message = field("message")
        .and_then(|message| message.as_string())
        .or_else(|| thrown.as_string())
        .unwrap_or_else(|| format!("{thrown:?}"));
    let code = field("code").and_then(|code| code_of(&code));
    let number = THROWN.with_borrow_mut(|all| {
        if all.len() >= MAX_THROWN {
            all.clear();
        }
        all.push(thrown);
        u32::try_from(all.len() - 1).ok()
    });
    Error {
        code,
        message,
        data: None,
        from_server: true,
        thrown: number,
    }
}

/// The code of an exception: whatever JSON can say.
fn code_of(code: &JsValue) -> Option<Code> {
    if let Some(text) = code.as_string() {
        return Some(Code::Text(text));
    }
    let text = js::stringify(code).ok()??;
    Some(Code::Other(Json::trusted(&text)))
}

/// The exception that an error stands for, if any.
#[cfg(feature = "tab")]
pub(crate) fn thrown_of(error: &Error) -> Option<JsValue> {
    let number = usize::try_from(error.thrown?).ok()?;
    THROWN.with_borrow(|all| all.get(number).cloned())
}

/// `types-bridge.js` as a registry.
pub(crate) struct JsTypes(pub(crate) TypesBridge);

impl Types for JsTypes {
    fn resolve(&self, name: &str) -> Option<OtType> {
        let bridge = self.0.resolve(name)?;
        let native = bridge.native();
        let foreign: Rc<dyn ForeignType> = Rc::new(JsType {
            uri: bridge.uri(),
            name: bridge.name(),
            bridge,
        });
        Some(if native {
            OtType::Json0(Some(foreign))
        } else {
            OtType::Foreign(foreign)
        })
    }

    fn default_uri(&self) -> String {
        self.0.default_uri()
    }
}

struct JsType {
    uri: String,
    name: String,
    bridge: TypeBridge,
}

fn checked(text: Result<String, JsValue>) -> Result<Json, Error> {
    json(text.map_err(error_of)?)
}

fn optional(text: Result<Option<String>, JsValue>) -> Result<Option<Json>, Error> {
    text.map_err(error_of)?.map(json).transpose()
}

fn owned(data: Option<&Json>) -> Option<String> {
    data.map(|data| data.get().to_owned())
}

impl ForeignType for JsType {
    fn uri(&self) -> &str {
        &self.uri
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn can_transform_presence(&self) -> bool {
        self.bridge.can_transform_presence()
    }

    fn transform_presence(&self, presence: &Json, op: &Json, is_own: bool) -> Result<Json, Error> {
        let moved = self
            .bridge
            .transform_presence(presence.get(), op.get(), is_own);
        checked(moved)
    }

    fn can_compose(&self) -> bool {
        self.bridge.can_compose()
    }

    fn can_invert(&self) -> bool {
        self.bridge.can_invert()
    }

    fn compose(&self, a: &Json, b: &Json) -> Result<Json, Error> {
        checked(self.bridge.compose(a.get(), b.get()))
    }

    fn transform(&self, op: &Json, other: &Json, side: Side) -> Result<Json, Error> {
        let side = match side {
            Side::Left => "left",
            Side::Right => "right",
        };
        checked(self.bridge.transform(op.get(), other.get(), side))
    }

    fn transform_x(&self, left: &Json, right: &Json) -> Result<(Json, Json), Error> {
        let pair = self
            .bridge
            .transform_x(left.get(), right.get())
            .map_err(error_of)?;
        let [left, right] = <[String; 2]>::try_from(pair)
            .map_err(|_| Error::plain("transformX must return two ops"))?;
        Ok((json(left)?, json(right)?))
    }

    fn invert(&self, op: &Json) -> Result<Json, Error> {
        checked(self.bridge.invert(op.get()))
    }

    fn knows_subtype(&self, name: &str) -> bool {
        self.bridge.knows_subtype(name)
    }

    fn create(&self, data: Option<&Json>) -> Result<Option<Json>, Error> {
        optional(self.bridge.create(owned(data)))
    }

    fn apply(&self, data: Option<&Json>, op: &Json) -> Result<Option<Json>, Error> {
        optional(self.bridge.apply(owned(data), op.get()))
    }

    fn apply_all(&self, data: Option<Json>, ops: &[Json]) -> (Option<Json>, Vec<bool>) {
        let texts = ops.iter().map(|op| JsValue::from_str(op.get())).collect();
        let answer = self.bridge.apply_all(owned(data.as_ref()), &texts);
        let mut answer = answer.unwrap_or_default().into_iter();
        let applied = answer.next().unwrap_or_default();
        let applied: Vec<bool> = applied.chars().map(|applied| applied == '1').gather();
        match answer.next().map(json).transpose() {
            Ok(after) if applied.len() == ops.len() => (after, applied),
            // What cannot be written as JSON comes of one of them.
            Ok(_) | Err(_) => proxy_doc::apply_each(self, data, ops),
        }
    }
}
