//! The few of JavaScript's own objects and functions that are called here. The crate `js-sys` has all of them, and leaves in
//! a module whatever its closures would need.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// A JavaScript array.
    #[wasm_bindgen(typescript_type = "Array<any>")]
    pub type Array;
    #[wasm_bindgen(constructor)]
    fn new() -> Array;
    /// An array of two.
    #[wasm_bindgen(static_method_of = Array, js_name = of)]
    pub(crate) fn of2(a: &JsValue, b: &JsValue) -> Array;
    #[wasm_bindgen(method)]
    pub(crate) fn push(this: &Array, item: &JsValue);
    #[wasm_bindgen(method, getter)]
    fn length(this: &Array) -> u32;
    #[wasm_bindgen(method, indexing_getter)]
    fn get(this: &Array, at: u32) -> JsValue;

    #[wasm_bindgen(catch, js_namespace = Reflect, js_name = get)]
    pub(crate) fn property(of: &JsValue, name: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_namespace = JSON)]
    pub(crate) fn parse(text: &str) -> Result<JsValue, JsValue>;
    /// Nothing for what JSON cannot say.
    #[wasm_bindgen(catch, js_namespace = JSON)]
    pub(crate) fn stringify(value: &JsValue) -> Result<Option<String>, JsValue>;
}

impl Array {
    /// An array of `items`.
    #[cfg(feature = "tab")]
    pub(crate) fn of(items: &[JsValue]) -> Array {
        let array = Array::new();
        for item in items {
            array.push(item);
        }
        array
    }

    /// The items, in order.
    #[cfg(feature = "host")]
    pub(crate) fn items(&self) -> impl Iterator<Item = JsValue> {
        (0..self.length()).map(|at| self.get(at))
    }
}

impl<T: Into<JsValue>> FromIterator<T> for Array {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Array {
        let array = Array::new();
        for item in items {
            array.push(&item.into());
        }
        array
    }
}
