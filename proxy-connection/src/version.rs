//! Versions that an application assigns to `doc.version`.
//!
//! The version says which ops of the server the data contains. An application that changes `doc.data` by itself assigns
//! it to say that the server's ops up to there are in the data, or are not: the stock client then ignores those ops, or
//! gets them again, and submits ops as based on that version. In a tab the host's revision says what the data holds, so
//! a version that the application assigned is reconciled with the server's before an op goes to the host:
//!
//! - ahead: the server's ops up to the assigned version are skipped. An op waits until a fetch shows whether the
//!   server is so far; where it is not, the op gets the server's error.
//! - behind: the host brings the server's ops from there on again, and an op waits until they are applied. Where it
//!   cannot bring them, the document starts again from the host's state.
//!
//! A version assigned to a document without a state is only shown, until the host says another one.

use broker::message::{Answer, ReadAction};
use proxy_doc::{Change, DocHandle, Error, Version, codes};

use crate::{ProxyConnection, ProxyDoc, Request};

impl ProxyDoc {
    /// The value of `doc.version`.
    fn shown_version(&self) -> Option<Version> {
        self.assigned.or(self.version)
    }

    /// The assigned version and the one that the host told, where they differ and the state is placed.
    fn displaced(&self) -> Option<(Version, Version)> {
        let assigned = self.assigned.filter(|_| self.revision().is_some())?;
        Some((
            assigned,
            self.version.filter(|version| *version != assigned)?,
        ))
    }

    /// The assigned version, where it is below the one that the host told.
    pub(crate) fn behind(&self) -> Option<Version> {
        let (assigned, version) = self.displaced()?;
        (assigned < version).then_some(assigned)
    }

    /// Takes the version that the host tells of the state.
    pub(crate) fn learn_version(&mut self, version: Option<Version>) {
        let reached = |assigned: &Version| version >= Some(*assigned);
        let was_ahead = self.assigned > self.version;
        if self.version.is_none()
            || version.is_none()
            || (was_ahead && self.assigned.as_ref().is_some_and(reached))
        {
            self.assigned = None;
        }
        self.version = version;
    }

    /// Whether the op of the server that leads to `version` is skipped: the data contains it, or lacks an op before it.
    pub(crate) fn skips(&self, version: Option<Version>) -> bool {
        let Some((assigned, before)) = self.displaced() else {
            return false;
        };
        version.is_some_and(|version| assigned < before || version <= assigned)
    }
}

impl ProxyConnection {
    /// The version of a document: the server's, or what the application assigned.
    pub fn version(&self, handle: DocHandle) -> Option<Version> {
        self.docs.get(&handle).and_then(ProxyDoc::shown_version)
    }

    /// Assigns `doc.version`.
    pub fn set_version(&mut self, handle: DocHandle, version: Option<Version>) {
        let Some(known) = self.docs.get_mut(&handle) else {
            return;
        };
        if version.is_none() {
            known.learn_version(None);
        } else {
            known.assigned = version.filter(|_| version != known.version);
        }
        self.settle_version(handle);
    }

    /// Whether the inflight op has to wait, because the application assigned a version. Asks the host then.
    pub(crate) fn waits_for_version(&mut self, handle: DocHandle) -> bool {
        let waits = self.is_displaced(handle);
        if waits {
            self.ask_version(handle);
        }
        waits
    }

    fn is_displaced(&self, handle: DocHandle) -> bool {
        let known = self.docs.get(&handle);
        known.is_some_and(|known| known.displaced().is_some())
    }

    /// Asks for the server's version, and for the ops that a tab behind lacks.
    fn ask_version(&mut self, handle: DocHandle) {
        if !self.connected() {
            return;
        }
        let Some(known) = self
            .docs
            .get_mut(&handle)
            .filter(|known| !known.asks_version)
        else {
            return;
        };
        known.asks_version = true;
        let read = self.read(handle, ReadAction::Fetch, false, Request::Version(handle));
        if let Some(event) = read.and_then(|read| self.say_read(read)) {
            self.push_event(event);
        }
    }

    /// After a reconnect: asks again for what waits for a version.
    pub(crate) fn resume_version(&mut self, handle: DocHandle) {
        let waits = self
            .docs
            .get(&handle)
            .is_some_and(|known| known.doc.inflight().is_some());
        if self.is_displaced(handle) && (waits || self.docs[&handle].behind().is_some()) {
            self.ask_version(handle);
        }
    }

    /// Sends the op that waited, where the assigned version is reconciled.
    fn settle_version(&mut self, handle: DocHandle) {
        let Some(known) = self.docs.get(&handle) else {
            return;
        };
        let seq = known.doc.inflight().and_then(|op| op.id.seq);
        let sent = known.sent.map(|(seq, _)| seq);
        if known.displaced().is_none() && seq.is_some() && seq != sent {
            self.with_doc(handle, |doc, up| doc.send_again(up));
        }
    }

    /// Skips an op of the server. `next`: the revision after it.
    pub(crate) fn skip_op(&mut self, handle: DocHandle, next: Version, version: Option<Version>) {
        let Some(known) = self.docs.get_mut(&handle) else {
            return;
        };
        known.doc.place(next);
        known.learn_version(version);
        if known.behind().is_some() {
            self.ask_version(handle);
        }
        self.settle_version(handle);
    }

    /// Applies an op of the server that the revision contains and the data does not. The tab asked for it by the `from`
    /// of a read.
    pub(crate) fn handle_past_op(
        &mut self,
        handle: DocHandle,
        version: Version,
        src: Option<String>,
        change: Change,
    ) {
        let types = std::rc::Rc::clone(&self.types);
        let Some(known) = self.docs.get_mut(&handle) else {
            return;
        };
        let revision = known
            .doc
            .version()
            .filter(|_| known.behind() == Some(version));
        let (Some(revision), Ok(kind)) = (revision, change.read(known.doc.ty(), &*types)) else {
            return;
        };
        known.assigned = Some(version.next()).filter(|assigned| Some(*assigned) != known.version);
        // Below on the stack means after the op.
        self.settle_version(handle);
        self.with_doc(handle, |doc, up| {
            doc.handle_op(up, revision, revision, src, kind)
        });
    }

    /// The answer to [`ProxyConnection::ask_version`].
    pub(crate) fn handle_version_answer(
        &mut self,
        handle: DocHandle,
        answer: Result<Option<Answer>, Error>,
    ) {
        let Some(known) = self.docs.get_mut(&handle) else {
            return;
        };
        known.asks_version = false;
        let refusal = match answer {
            // Asked again after the reconnect.
            Ok(Some(Answer::Offline)) => return,
            Ok(Some(Answer::Read { snapshot, version })) => {
                // The host believes that the tab has the state that it sent.
                let snapshot = self.usable(handle, snapshot);
                self.with_doc(handle, |doc, up| doc.ingest_snapshot(up, snapshot, None));
                self.take_version(handle, version);
                let message = "Invalid op submitted. Op version newer than current snapshot";
                let code = codes::ERR_OP_VERSION_NEWER_THAN_CURRENT_SNAPSHOT;
                Error::new(code, message)
            }
            Ok(_) => Error::badly_formed("The host did not say the version"),
            Err(error) => error,
        };
        let Some(known) = self.docs.get(&handle) else {
            return;
        };
        if known.displaced().is_none() {
            return self.settle_version(handle);
        }
        if let Some(assigned) = known.behind() {
            let message = format!("The ops from version {assigned} on cannot be had again");
            let error = Error::new(codes::ERR_REVISION_NOT_KEPT, message);
            return self
                .with_doc(handle, |doc, up| doc.refresh(up, error))
                .unwrap_or_default();
        }
        let seq = known.doc.inflight().and_then(|op| op.id.seq);
        self.with_doc(handle, |doc, up| {
            if seq.is_some() {
                // The stock client has sent it, and takes it back with this connection's id.
                doc.mark_sent(up.src);
                doc.handle_op_error(up, refusal, seq);
            }
        });
    }

    /// The host is gone, and with it the requests for versions.
    pub(crate) fn forget_asked_versions(&mut self) {
        for known in self.docs.values_mut() {
            known.asks_version = false;
        }
    }
}
