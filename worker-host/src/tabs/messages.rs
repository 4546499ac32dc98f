//! Messages between tabs and host: carries out a tab's messages, and posts the host's.
//!
//! What it refuses to do: carry out a message of a tab that is not registered.

use broker::message::{
    Answer, CallbackId, DocEvent, Envelope, ToHost, ToTab, callback_id, decode, encode,
};
use proxy_doc::{DocHandle, DocKey, Error, Gather, Json, TabId, Version};

use super::{Confirmed, Told};
use crate::host::inputs::Input;
use crate::host::inputs::TabMessage;
use crate::host::{Host, Output};
use crate::quarantine::Cause;
use crate::quarantine::died;
use crate::quarantine::identity;

impl Host {
    /// Takes one message of a tab. A message that cannot be read changes nothing; it is refused or logged.
    pub fn handle_tab(&mut self, tab: &TabId, text: &str) {
        if self.is_ending() {
            return;
        }
        let text = text.into();
        if self.begin(Cause::TabMessage, &text) {
            return self.refuse_text(tab, &text, died());
        }
        match decode::<ToHost>(&text) {
            Ok(message) => {
                // The message may have to wait. A trap until then is not its fault.
                self.begin_other();
                let message = Box::new(TabMessage { text, message });
                self.take(Input::Tab(tab.clone(), message));
            }
            Err(error) => self.refuse_text(tab, &text, error),
        }
    }

    /// Refuses a message that could not be read: by its callback id, else by a warning.
    fn refuse_text(&mut self, tab: &TabId, text: &str, error: Error) {
        match callback_id(text) {
            Some(callback_id) => self.refuse(tab, callback_id, error),
            None => self.warn(format!("From tab {}: {}", tab.0, error.message)),
        }
    }

    /// Carries out a message of a tab.
    pub(crate) fn handle_tab_message(&mut self, tab: &TabId, message: ToHost) {
        if !self.tabs.is_registered(tab) && !matches!(message, ToHost::Register { .. }) {
            return self.warn(format!(
                "Ignoring a message of tab {}, which is not registered",
                tab.0
            ));
        }
        match message {
            ToHost::Register {
                protocol,
                resume,
                machine,
                view,
            } => self.register(tab, protocol, resume, machine, view),
            ToHost::Received { count } => self.confirm(tab, count),
            ToHost::Close { generation } => self.close_for(tab, generation),
            ToHost::Ping {} => self.ping(tab.clone()),
            ToHost::OfferUrls { visible } => self.take_url_offer(tab, visible),
            ToHost::Url { round, url, error } => self.take_url(round, url, error),
            ToHost::Bulk { reads } => {
                self.start_bulk();
                for read in reads {
                    let what = identity::of_read(&read);
                    self.begin_part(Cause::TabMessage, &what, |host, refused| match refused {
                        Some(error) => host.refuse(tab, read.callback_id, error),
                        None => host.read(tab, read),
                    });
                }
                self.end_bulk();
            }
            ToHost::Read(read) => self.read(tab, read),
            ToHost::Status {
                details,
                callback_id,
            } => {
                let result = Some(Answer::Status(self.status(details)));
                self.answer(tab, callback_id, result);
            }
            ToHost::Debug {
                request,
                callback_id,
            } => self.ask_driver(tab, &request, callback_id),
            ToHost::SubmitOp(op) => self.submit(tab, op, None),
            ToHost::SubmitAhead { ops } => self.submit_ahead(tab, ops),
            ToHost::IngestSnapshot {
                collection,
                id,
                snapshot,
                served,
                callback_id,
            } => {
                self.ingest(
                    tab,
                    DocKey { collection, id },
                    snapshot,
                    served,
                    callback_id,
                );
            }
            ToHost::Query(request) => {
                self.with_queries(|queries, versions| queries.create(tab, request, versions))
            }
            ToHost::DestroyQuery { query_id } => {
                self.with_queries(|queries, _| queries.destroy(tab, query_id))
            }
            ToHost::FetchSnapshot(request) => self.fetch_past_snapshot(tab, request),
            ToHost::PresenceSubscribe(request) => {
                self.with_presence(|presences, _| presences.subscribe(tab, request));
            }
            ToHost::PresenceUnsubscribe(request) => {
                self.with_presence(|presences, _| presences.unsubscribe(tab, request));
            }
            ToHost::PresenceSubmit(submit) => self.submit_presence(tab, submit),
            ToHost::GetBulk {
                collection,
                ids,
                callback_id,
            } => {
                let key = |id| DocKey {
                    collection: collection.clone(),
                    id,
                };
                self.get_bulk(tab, ids.into_iter().map(key).gather(), callback_id);
            }
            ToHost::PutDocs { docs, callback_id } => self.put_docs(tab, &docs, callback_id),
            ToHost::FlushWrites { callback_id } => self.flush_writes(tab, callback_id),
            ToHost::SetAutoFlush { on } => self.set_auto_flush_of(tab, on),
            ToHost::WatchStorage {} => self.watch_storage(tab),
            ToHost::RemoveLetters { numbers } => self.remove_letters(&numbers),
            ToHost::Wipe { callback_id } => self.wipe(tab, callback_id),
            ToHost::Coordination(ask) => self.take_ask(tab, &ask),
            ToHost::Destroy {
                collection,
                id,
                callback_id,
            } => {
                if let Some(handle) = self.docs.find(&DocKey { collection, id }) {
                    self.callers.drop_reads(handle, tab);
                    self.leave_doc(handle, tab);
                }
                if let Some(callback_id) = callback_id {
                    self.answer(tab, callback_id, None);
                }
            }
        }
    }

    /// Posts a message to the tab, if it is registered: behind the barrier, or before it where the message is early.
    pub(crate) fn tell(&mut self, tab: &TabId, message: ToTab) {
        let is_early = message.is_early();
        if !self.tabs.count_message(tab, is_early) {
            return;
        }
        let output = self.to_tab(tab, message);
        if is_early {
            self.outbox.push_early(tab, self.log.barrier(), output);
        } else {
            self.say(output);
        }
    }

    /// The message in its envelope, as the driver posts it.
    pub(crate) fn to_tab(&self, tab: &TabId, message: ToTab) -> Output {
        let urgent = matches!(message, ToTab::Connection(_) | ToTab::Welcome { .. });
        let text = encode(&Envelope {
            epoch: self.options.epoch,
            message,
        });
        Output::ToTab {
            tab: tab.clone(),
            text,
            urgent,
        }
    }

    /// Has the driver answer a debug request of the tab, in order with the tab's other messages.
    fn ask_driver(&mut self, tab: &TabId, request: &Json, callback_id: CallbackId) {
        if !self.tabs.count_message(tab, false) {
            return;
        }
        let result = Some(Answer::Debug(Json::null()));
        let message = encode(&Envelope {
            epoch: self.options.epoch,
            message: ToTab::Callback {
                callback_id,
                error: None,
                result,
            },
        });
        // The message contains no other `null`: its other values are numbers and names.
        let Some((before, after)) = message.rsplit_once(Json::null().get()) else {
            return;
        };
        self.say(Output::Debug {
            tab: tab.clone(),
            request: request.get().to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
        });
    }

    /// Posts a message to every registered tab.
    pub(crate) fn tell_all(&mut self, message: impl Fn() -> ToTab) {
        for tab in self.tabs.registered() {
            self.tell(&tab, message());
        }
    }

    /// Posts an event of a document to the tab, and notes what the tab's confirmation of the message will mean.
    pub(crate) fn tell_doc(&mut self, handle: DocHandle, tab: &TabId, event: DocEvent) {
        let host_doc = &self.docs[handle];
        let DocKey { collection, id } = host_doc.doc.key().clone();
        let told = match &event {
            DocEvent::Op { next, .. } => Some(Told::Revision(*next)),
            DocEvent::Accepted { revision, .. } => Some(Told::Revision(revision.next())),
            DocEvent::Outcome { seqs, .. } => Some(Told::Outcome(seqs.clone())),
            DocEvent::Past { .. }
            | DocEvent::Taken { .. }
            | DocEvent::Rejected { .. }
            | DocEvent::Version { .. }
            | DocEvent::Rollback { .. }
            | DocEvent::Rebuilt { .. }
            | DocEvent::Load { .. }
            | DocEvent::Error(_) => None,
        };
        self.tell(
            tab,
            ToTab::Doc {
                collection,
                id,
                event,
            },
        );
        if let Some(told) = told {
            self.tabs.note_told(tab, handle, told);
        }
    }

    /// Answers a request of the tab.
    pub(crate) fn answer(&mut self, tab: &TabId, callback_id: CallbackId, result: Option<Answer>) {
        self.answer_with(tab, callback_id, None, result);
    }

    /// As [`Host::answer`], with an error, a result, or both.
    pub(crate) fn answer_with(
        &mut self,
        tab: &TabId,
        callback_id: CallbackId,
        error: Option<Error>,
        result: Option<Answer>,
    ) {
        let message = ToTab::Callback {
            callback_id,
            error,
            result,
        };
        self.tell(tab, message);
    }

    /// Answers a request of the tab by an error.
    pub(crate) fn refuse(&mut self, tab: &TabId, callback_id: CallbackId, error: Error) {
        self.answer_with(tab, callback_id, Some(error), None);
    }

    /// Notes that the next message tells the tab the document's version. Returns the version, and whether the tab lacked
    /// it.
    pub(crate) fn tell_version(
        &mut self,
        handle: DocHandle,
        tab: &TabId,
    ) -> (Option<Version>, bool) {
        let host_doc = &mut self.docs[handle];
        let version = host_doc.doc.version();
        (version, host_doc.hub.tell_version(tab, version))
    }

    /// Tells the version to tabs at the head: it moved without a change, since another tab's op was acknowledged. Tabs that
    /// lack changes learn the version with these.
    pub(crate) fn tell_versions(&mut self, handle: DocHandle) {
        let tabs = self
            .docs
            .get(handle)
            .map(|host_doc| host_doc.hub.tabs_at_head())
            .unwrap_or_default();
        for tab in tabs {
            if let (Some(version), true) = self.tell_version(handle, &tab) {
                let early = self.overtakes_writes(handle, &tab);
                self.tell_doc(handle, &tab, DocEvent::Version { version, early });
            }
        }
    }

    /// Notes that the tab has processed its first `count` messages. A tab that lagged gets the changes that it lacks.
    fn confirm(&mut self, tab: &TabId, count: u64) {
        let Confirmed {
            told: seen,
            wakes,
            woken,
        } = self.tabs.confirm(tab, count);
        for (handle, told) in seen {
            let Some(host_doc) = self.docs.get_mut(handle) else {
                continue;
            };
            match told {
                Told::Revision(revision) => host_doc.hub.received(tab, revision),
                Told::Outcome(seqs) => host_doc.forget_outcomes(tab, &seqs),
            }
        }
        let woken = if wakes { self.docs.handles() } else { woken };
        for handle in woken {
            let host_doc = self.docs.get(handle);
            let follows = host_doc.is_some_and(|doc| doc.hub.live_tabs().contains(tab));
            if follows && self.tabs.gets_changes_of(tab, handle) {
                self.catch_up(handle, tab);
            }
        }
        if wakes {
            self.with_presence(|presences, _| presences.refresh(tab));
        }
    }
}
