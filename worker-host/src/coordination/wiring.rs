//! Coordination in its host: gives the machine its inputs, writes down what it decides, and tells the tabs.

use broker::coordination::messages::Ask;
use broker::message::ToTab;
use durable_store::Retention;
use durable_store::format::Note;
use proxy_doc::{Entries, Error, Json, TabId, codes, read_json, write_json};

use super::Coordination;
use super::realtime::Report;
use crate::host::{Host, Output};

impl Host {
    /// The time, in milliseconds: by a clock that never goes back, and by the wall clock. To be told before an input that
    /// tabs send.
    pub fn set_time(&mut self, now: u64, wall: u64) {
        self.coordination.set_time(now, wall);
    }

    /// The time of [`Output::StartAlarm`] is over.
    pub fn handle_alarm(&mut self) {
        if !self.is_ending() {
            self.begin_other();
            self.coordinate(Coordination::handle_alarm);
        }
    }

    /// The driver has a second connection for the tabs, and carries out [`Output::Realtime`]. To be said before anything else.
    pub fn serve_realtime(&mut self) {
        self.coordination.serve_realtime();
    }

    /// The driver reports what happens to the second connection, as JSON.
    pub fn handle_realtime(&mut self, report: &str) {
        match read_json::<Report>(report) {
            Ok(report) if !self.is_ending() => {
                self.begin_other();
                self.coordinate(|coordination| coordination.take_report(report));
            }
            Ok(_) => {}
            Err(error) => self.warn(format!("Invalid report of the second connection: {error}")),
        }
    }

    /// A tab says something about what tabs agree on.
    pub(crate) fn take_ask(&mut self, tab: &TabId, ask: &Json) {
        match ask.parse::<Ask>() {
            Ok(ask) => self.coordinate(|coordination| coordination.take(tab, ask)),
            Err(error) => {
                let error = Error::badly_formed(format!("Invalid request of a tab: {error}"));
                self.refuse_ask(tab, ask, error);
            }
        }
    }

    /// Answers a request that is not carried out.
    pub(crate) fn refuse_ask(&mut self, tab: &TabId, ask: &Json, error: Error) {
        match request_number(ask) {
            Some(number) => self.coordinate(|coordination| coordination.refuse(tab, number, error)),
            None => self.warn(format!("From tab {}: {error}", tab.0)),
        }
    }

    /// The store is read: what was decided before holds.
    pub(crate) fn take_over_decisions(&mut self) {
        if self.coordination.has_begun() {
            return;
        }
        let Some(store) = self.log.store() else {
            return self.coordination.begin_without_record();
        };
        if !store.is_durable() || self.log.is_in_memory() {
            return self.coordination.begin_without_record();
        }
        let text = |note| store.note_text(note);
        let is_legible = self.coordination.begin(
            text(Note::Decisions),
            text(Note::Broadcasts),
            text(Note::State),
            text(Note::Ended),
            store.tabs(),
        );
        let is_kept = store.retention() == Retention::Durable;
        if is_kept && text(Note::Decisions).is_none() {
            self.coordination.begin_after_wipe();
        }
        if !is_legible {
            let message = "What tabs agreed on cannot be read from the store, and is forgotten";
            self.note_damage(&Error::new(codes::ERR_STORAGE_DAMAGED, message));
        }
    }

    /// Gives coordination an input, and carries out what comes of it.
    pub(crate) fn coordinate(&mut self, input: impl FnOnce(&mut Coordination)) {
        input(&mut self.coordination);
        let changed = self.coordination.take_changed();
        if changed.broadcasts {
            let text = self.coordination.kept_broadcasts();
            self.log.keep_note(Note::Broadcasts, text);
        }
        if changed.state {
            let text = self.coordination.state_text();
            self.log.keep_note(Note::State, text);
        }
        if changed.ended {
            let text = self.coordination.ended_text();
            self.log.keep_note(Note::Ended, text);
        }
        if changed.decisions {
            let text = self.coordination.decisions();
            self.log.keep_note(Note::Decisions, text);
        }
        for (tab, say) in self.coordination.take_said() {
            let say = Json::written(write_json(&say));
            self.tell(&tab, ToTab::Coordination(say));
        }
        for act in self.coordination.take_realtime() {
            self.outbox.push_now(Output::Realtime(write_json(&act)));
        }
        if let Some(delay) = self.coordination.next_alarm() {
            self.outbox.push_now(Output::StartAlarm(delay));
        }
    }
}

/// The number of a request that could not be read, if it has one.
fn request_number(ask: &Json) -> Option<u64> {
    let Entries(ask) = ask.parse::<Entries<Json>>().ok()?;
    let Entries(fields) = ask.first()?.1.parse::<Entries<Json>>().ok()?;
    let number = fields.iter().find(|(name, _)| name == "number")?;
    number.1.count()
}
