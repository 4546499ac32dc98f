//! What an application does in a tab.

use proxy_doc::{DocHandle, Error, Json, Submission, Token};

use super::{Called, Tab, TabDoc, text_json};
use crate::random::Random;
use crate::sim::edit;
use crate::sim::ledger::{Ledger, What};
use crate::sim::step::Act;

impl Tab {
    pub(super) fn perform(
        &mut self,
        ledger: &mut Ledger,
        doc: usize,
        act: Act,
        seed: u64,
    ) -> Result<(), Error> {
        let mut r = Random::new(seed);
        if doc >= self.docs.len() || !self.docs[doc].is_open && !opens(act) {
            return Ok(());
        }
        if !matches!(act, Act::Close | Act::Remove | Act::Destroy) {
            self.open_doc(doc);
        }
        let handle = self.docs[doc].handle;
        match act {
            Act::Submit => self.submit(ledger, doc, &mut r),
            Act::SubmitBad => self.submit_bad(ledger, doc, &mut r),
            Act::Create => self.create(ledger, doc, &mut r),
            Act::Del => {
                let token = ledger.call(self.number, doc, What::Del);
                let (submission, source) = (
                    submission(&mut r, token, self.refuses(handle)),
                    self.source(doc, &mut r),
                );
                self.remember_op(handle, submission);
                self.call(ledger, |connection| {
                    connection.del(handle, source, submission)
                })
            }
            Act::Subscribe => {
                let token = self.read_token(ledger, doc, &mut r);
                self.remember(handle, token, Called::Subscribe);
                self.call(ledger, |connection| connection.subscribe(handle, token))
            }
            Act::Unsubscribe => {
                let token = self.read_token(ledger, doc, &mut r);
                self.remember(handle, token, Called::Unsubscribe);
                self.call(ledger, |connection| connection.unsubscribe(handle, token))
            }
            Act::Fetch => {
                let token = self.read_token(ledger, doc, &mut r);
                self.remember(handle, token, Called::Fetch);
                self.call(ledger, |connection| connection.fetch(handle, token))
            }
            Act::Flush => self.call(ledger, |connection| connection.flush(handle)),
            Act::Pause => self.call(ledger, |connection| connection.pause(handle)),
            Act::Resume => self.call(ledger, |connection| connection.resume(handle)),
            Act::PreventCompose => self.switch(handle, |doc| &mut doc.prevent_compose),
            Act::SubmitSource => self.switch(handle, |doc| &mut doc.submit_source),
            Act::Destroy => self.destroy(ledger, doc),
            Act::Close => self.close(ledger, doc),
            Act::Remove => self.abandon(ledger, doc),
            Act::Ingest => self.ingest(ledger, doc, &mut r),
            Act::Throw => Err(Error::plain("thrown by a listener")),
        }
    }

    fn switch(
        &mut self,
        handle: DocHandle,
        which: impl FnOnce(&mut proxy_doc::Doc) -> &mut bool,
    ) -> Result<(), Error> {
        if let Some(doc) = self.connection.doc_mut(handle) {
            let on = which(doc);
            *on = !*on;
        }
        Ok(())
    }

    /// Whether an edit or a delete is refused at once.
    fn refuses(&self, handle: DocHandle) -> bool {
        self.connection
            .doc(handle)
            .is_none_or(|doc| doc.ty().is_none())
    }

    fn source(&self, doc: usize, r: &mut Random) -> Option<Json> {
        let wanted = self
            .connection
            .doc(self.docs[doc].handle)
            .is_some_and(|doc| doc.submit_source);
        wanted.then(|| text_json(format!("\"source {}\"", r.below(2))))
    }

    fn read_token(&self, ledger: &mut Ledger, doc: usize, r: &mut Random) -> Option<Token> {
        (!r.once_in(4)).then(|| ledger.call(self.number, doc, What::Read))
    }

    fn submit(&mut self, ledger: &mut Ledger, doc: usize, r: &mut Random) -> Result<(), Error> {
        if !self.docs[doc].exists && ledger.no_errors {
            return Ok(());
        }
        let (token, mark) = ledger.mark(self.number, doc);
        let TabDoc { handle, data, .. } = &self.docs[doc];
        let handle = *handle;
        let heard = self.refuses(handle);
        let (op, marked) = edit::edit(r, data, &mark, self.style);
        if !marked {
            ledger.calls[token.0 as usize].what = What::Unmarked;
        }
        let (submission, source) = (submission(r, token, heard), self.source(doc, r));
        self.remember_op(handle, submission);
        self.call(ledger, |connection| {
            connection.submit_op(handle, &text_json(op), source, submission)
        })
    }

    fn submit_bad(&mut self, ledger: &mut Ledger, doc: usize, r: &mut Random) -> Result<(), Error> {
        const BAD: [&str; 5] = [
            r#"[{"p":["nowhere","below"],"oi":1}]"#,
            r#"[{"p":["__proto__","x"],"oi":1}]"#,
            r#"{"oi":1,"p":7}"#,
            "null",
            r#"[{"p":["fix"],"oi":2},{"p":["nowhere",0],"si":"x"}]"#,
        ];
        let token = ledger.call(self.number, doc, What::Unmarked);
        let (handle, op) = (self.docs[doc].handle, *r.pick(&BAD));
        let submission = submission(r, token, false);
        self.remember_op(handle, submission);
        self.call(ledger, |connection| {
            connection.submit_op(handle, &text_json(op.to_owned()), None, submission);
        })
    }

    fn create(&mut self, ledger: &mut Ledger, doc: usize, r: &mut Random) -> Result<(), Error> {
        // A second one would be refused.
        if !ledger.created.insert(doc) && ledger.no_errors {
            return Ok(());
        }
        let (token, mark) = ledger.mark(self.number, doc);
        let TabDoc { handle, exists, .. } = self.docs[doc];
        let data = Some(text_json(edit::initial(r, &mark).to_json()));
        let (submission, source) = (submission(r, token, exists), self.source(doc, r));
        let name = (*r.pick(&["json0", ot_json0::URI])).to_owned();
        self.remember_op(handle, submission);
        self.call(ledger, |connection| {
            connection.create(handle, name, data, source, submission)
        })
    }

    fn destroy(&mut self, ledger: &mut Ledger, doc: usize) -> Result<(), Error> {
        let old = self.docs[doc].handle;
        // ShareDB waits until nothing is pending; whoever does not, loses the callbacks.
        if self.connection.doc(old).is_none_or(|doc| doc.has_pending()) {
            return Ok(());
        }
        self.later.retain(|(handle, _)| *handle != old);
        let key = self.docs[doc].key.clone();
        self.call(ledger, |connection| connection.destroy(old))?;
        ledger.destroyed.push((self.id.clone(), key.clone()));
        let handle = self.connection.get(key.clone());
        self.last_handle = self.last_handle.max(handle.0);
        self.docs[doc] = TabDoc::new(key, handle);
        Ok(())
    }

    fn ingest(&mut self, ledger: &mut Ledger, doc: usize, r: &mut Random) -> Result<(), Error> {
        let Some(Some(snapshot)) = self.served.get(doc).cloned() else {
            return Ok(());
        };
        let token = self.read_token(ledger, doc, r);
        let handle = self.docs[doc].handle;
        // What the server has is the server's own, whoever brings it.
        let served = r.once_in(2);
        self.call(ledger, |connection| {
            connection.ingest_snapshot(handle, snapshot, served, token)
        })
    }
}

/// A call with a callback, mostly. `heard`: it will be refused at once, and only a callback hears of that.
fn submission(r: &mut Random, token: Token, heard: bool) -> Submission {
    let callback = !r.once_in(4) || heard;
    Submission { token, callback }
}

/// Whether an application that does this has the document, or gets it for that.
fn opens(act: Act) -> bool {
    match act {
        Act::Submit
        | Act::SubmitBad
        | Act::Create
        | Act::Del
        | Act::Subscribe
        | Act::Unsubscribe
        | Act::Fetch
        | Act::Ingest => true,
        Act::Flush
        | Act::Pause
        | Act::Resume
        | Act::PreventCompose
        | Act::SubmitSource
        | Act::Destroy
        | Act::Close
        | Act::Remove
        | Act::Throw => false,
    }
}
