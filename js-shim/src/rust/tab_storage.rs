//! The tab's view of the durable store for JavaScript. What is more than a number is JSON.

use broker::message::{StorageEvent, encode};
use proxy_doc::{DocHandle, DocKey, Gather, Token, Version};
use wasm_bindgen::prelude::*;

use crate::number::count;
use crate::tab::TabCore;

#[wasm_bindgen]
impl TabCore {
    /// `{line, durable, kept, reason}`; `undefined` before the host has said so.
    #[wasm_bindgen(js_name = storageState)]
    pub fn storage_state(&self) -> Option<String> {
        self.inner.storage_state().map(encode)
    }

    /// How many documents wait to be written.
    #[wasm_bindgen(getter, js_name = queueSize)]
    pub fn queue_size(&self) -> usize {
        self.inner.queue_size()
    }

    /// Whether documents are written by themselves.
    #[wasm_bindgen(getter, js_name = autoFlush)]
    pub fn auto_flush(&self) -> bool {
        self.inner.auto_flush()
    }

    /// The documents of the store: `[{doc: {collection, id}, v, p}]`.
    pub fn inventory(&self) -> String {
        encode(&self.inner.inventory().gather())
    }

    /// Whether the store has the document, at a version at least.
    #[wasm_bindgen(js_name = isStored)]
    pub fn is_stored(&self, collection: String, id: String, version: Option<f64>) -> bool {
        let version = version.map(|version| Version(count(version)));
        self.inner.is_stored(&DocKey { collection, id }, version)
    }

    /// Whether the store has documents with ops that the server has not acknowledged.
    #[wasm_bindgen(js_name = hasPendingStored)]
    pub fn has_pending_stored(&self) -> bool {
        self.inner.pending_stored().next().is_some()
    }

    /// Those documents: `[{doc: {collection, id}, v, p}]`.
    #[wasm_bindgen(js_name = pendingStored)]
    pub fn pending_stored(&self) -> String {
        encode(&self.inner.pending_stored().gather())
    }

    /// `[{number, doc, change, error, version}]`, oldest first: those with a higher number.
    #[wasm_bindgen(js_name = deadLettersAfter)]
    pub fn dead_letters_after(&self, number: f64) -> String {
        let letters = self.inner.dead_letters().iter();
        let later = letters.filter(|letter| letter.number as f64 > number);
        encode(&later.gather())
    }

    /// Their numbers.
    #[wasm_bindgen(js_name = deadLetterNumbers)]
    pub fn dead_letter_numbers(&self) -> Vec<f64> {
        let letters = self.inner.dead_letters().iter();
        letters.map(|letter| letter.number as f64).gather()
    }

    /// See `ProxyConnection::watch_storage`.
    #[wasm_bindgen(js_name = watchStorage)]
    pub fn watch_storage(&mut self) {
        self.inner.watch_storage();
    }

    /// `connection.getBulk`.
    #[wasm_bindgen(js_name = getBulk)]
    pub fn get_bulk(&mut self, collection: String, ids: Vec<String>, callback: f64) {
        self.inner.get_bulk(collection, ids, Token(count(callback)));
    }

    /// `connection.putDocs`.
    #[wasm_bindgen(js_name = putDocs)]
    pub fn put_docs(&mut self, docs: Vec<u32>, callback: f64) {
        let docs: Vec<DocHandle> = docs.into_iter().map(DocHandle).gather();
        self.inner.put_docs(&docs, Token(count(callback)));
    }

    /// `connection.flushWrites`.
    #[wasm_bindgen(js_name = flushWrites)]
    pub fn flush_writes(&mut self, callback: f64) {
        self.inner.flush_writes(Token(count(callback)));
    }

    /// `connection.setAutoFlush`.
    #[wasm_bindgen(js_name = setAutoFlush)]
    pub fn set_auto_flush(&mut self, on: bool) {
        self.inner.set_auto_flush(on);
    }

    /// Somebody has seen to these dead letters.
    #[wasm_bindgen(js_name = removeDeadLetters)]
    pub fn remove_dead_letters(&mut self, numbers: Vec<f64>) {
        let numbers = numbers.into_iter().map(count);
        self.inner.remove_letters(numbers.gather());
    }

    /// See `ProxyConnection::is_wiping`.
    #[wasm_bindgen(getter, js_name = isWiping)]
    pub fn is_wiping(&self) -> bool {
        self.inner.is_wiping()
    }

    /// `connection.wipe`.
    pub fn wipe(&mut self, callback: f64) {
        self.inner.wipe(Token(count(callback)));
    }
}

/// An event of the store. What it put into the mirror is not said again: that is read there.
pub(crate) fn storage_event(event: &StorageEvent) -> String {
    match event {
        StorageEvent::State(_) => r#""state""#.to_owned(),
        StorageEvent::Inventory { whole: true, .. } => r#""whole inventory""#.to_owned(),
        StorageEvent::Inventory { whole: false, .. } => r#""inventory""#.to_owned(),
        StorageEvent::Letters { whole: true, .. } => r#""whole letters""#.to_owned(),
        StorageEvent::Letters { whole: false, .. } => r#""letters""#.to_owned(),
        StorageEvent::Queue { .. }
        | StorageEvent::Persisting(_)
        | StorageEvent::Persisted(_)
        | StorageEvent::WriteFailed(_)
        | StorageEvent::Wiped => encode(event),
    }
}
