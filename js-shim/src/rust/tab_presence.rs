//! The tab's presence for JavaScript. Channels and local presences go by their names.

use proxy_doc::{DocHandle, DocKey};
use wasm_bindgen::prelude::*;

use crate::convert;
use crate::tab::{TabCore, parsed, token};

#[wasm_bindgen]
impl TabCore {
    /// See `ProxyConnection::open_presence`.
    #[wasm_bindgen(js_name = openPresence)]
    pub fn open_presence(&mut self, channel: &str, collection: Option<String>, id: Option<String>) {
        let doc = collection
            .zip(id)
            .map(|(collection, id)| DocKey { collection, id });
        self.inner.open_presence(channel, doc);
    }

    /// See `ProxyConnection::close_presence`.
    #[wasm_bindgen(js_name = closePresence)]
    pub fn close_presence(&mut self, channel: &str) {
        self.inner.close_presence(channel);
    }

    /// `presence.wantSubscribe`.
    #[wasm_bindgen(js_name = wantsPresence)]
    pub fn wants_presence(&self, channel: &str) -> bool {
        self.inner.wants_presence(channel)
    }

    /// `presence.subscribed`.
    #[wasm_bindgen(js_name = hasPresence)]
    pub fn has_presence(&self, channel: &str) -> bool {
        self.inner.has_presence(channel)
    }

    /// `presence.subscribe` and `presence.unsubscribe`.
    #[wasm_bindgen(js_name = subscribePresence)]
    pub fn subscribe_presence(&mut self, channel: &str, want: bool, callback: Option<f64>) {
        self.inner
            .subscribe_presence(channel, want, token(callback));
    }

    /// Why nothing can be shown in the channel's document now: an error array, or `undefined`.
    #[wasm_bindgen(js_name = refusesPresence)]
    pub fn refuses_presence(&self, channel: &str) -> JsValue {
        let refusal = self.inner.refuses_presence(channel);
        refusal.as_ref().map_or(JsValue::UNDEFINED, convert::error)
    }

    /// See `ProxyConnection::create_local_presence`.
    #[wasm_bindgen(js_name = createLocalPresence)]
    pub fn create_local_presence(&mut self, channel: &str, id: &str) {
        self.inner.create_local_presence(channel, id);
    }

    /// `localPresence.send`; throws an error array where `value` is not JSON.
    #[wasm_bindgen(js_name = submitPresence)]
    pub fn submit_presence(
        &mut self,
        channel: &str,
        id: &str,
        value: String,
        callback: Option<f64>,
    ) -> Result<(), JsValue> {
        let value = parsed(value)?;
        self.inner
            .submit_presence(channel, id, value, token(callback));
        Ok(())
    }

    /// The next tick of a `PresenceLater`.
    #[wasm_bindgen(js_name = sendPresence)]
    pub fn send_presence(&mut self, channel: &str, id: &str) {
        self.inner.send_presence(channel, id);
    }

    /// See `ProxyConnection::forget_local_presence`.
    #[wasm_bindgen(js_name = forgetLocalPresence)]
    pub fn forget_local_presence(&mut self, channel: &str, id: &str) {
        self.inner.forget_local_presence(channel, id);
    }

    /// See `ProxyConnection::forget_remote_presences`.
    #[wasm_bindgen(js_name = forgetRemotePresences)]
    pub fn forget_remote_presences(&mut self, channel: &str) {
        self.inner.forget_remote_presences(channel);
    }

    /// An op changed a document's data; throws an error array where `op` is not JSON.
    #[wasm_bindgen(js_name = movePresence)]
    pub fn move_presence(
        &mut self,
        doc: u32,
        op: String,
        is_local: bool,
        src: Option<String>,
    ) -> Result<(), JsValue> {
        let op = parsed(op)?;
        self.inner
            .move_presence(DocHandle(doc), &op, is_local, src.as_deref());
        Ok(())
    }

    /// A document was created or deleted.
    #[wasm_bindgen(js_name = voidPresence)]
    pub fn void_presence(&mut self, doc: u32) {
        self.inner.void_presence(DocHandle(doc));
    }

    /// A document was loaded.
    #[wasm_bindgen(js_name = reloadPresence)]
    pub fn reload_presence(&mut self, doc: u32) {
        self.inner.reload_presence(DocHandle(doc));
    }
}
