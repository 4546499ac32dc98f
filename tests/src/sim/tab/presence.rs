//! A tab's presence on one plain channel: the value that it shows, and those that it was told of.

use std::collections::BTreeMap;

use ot_json0::Value;
use proxy_connection::TabPresenceEvent;

use super::{Tab, text_json};
use crate::sim::ledger::Ledger;
use crate::sim::step::PresenceAct;

/// The channel of all tabs.
const CHANNEL: &str = "room";

/// What the application knows of the channel.
#[derive(Debug, Default)]
pub(in crate::sim) struct TabPresence {
    /// It has asked to subscribe, and not to unsubscribe since.
    pub(in crate::sim) subscribes: bool,
    /// It has unsubscribed. What was shown then may have gone unnoticed when it subscribes again, as with the stock client.
    has_left: bool,
    /// The value that it shows, as JSON.
    pub(in crate::sim) shown: Option<String>,
    /// The values of others, by presence id, as the events said.
    pub(in crate::sim) others: BTreeMap<String, String>,
}

impl Tab {
    /// The id under which the tab shows its values.
    pub(in crate::sim) fn presence_id(&self) -> String {
        format!("of {}", self.number)
    }

    /// The application does something on the channel. Says whether it did.
    pub(in crate::sim) fn act_on_presence(
        &mut self,
        ledger: &mut Ledger,
        act: PresenceAct,
        value: u64,
    ) -> bool {
        let TabPresence {
            subscribes,
            has_left,
            shown,
            ..
        } = &self.presence;
        let applies = match act {
            PresenceAct::Subscribe => !subscribes && !has_left,
            PresenceAct::Unsubscribe => *subscribes,
            // The server takes the values of sessions away that subscribe the channel; those of others stay for ever.
            PresenceAct::Show => *subscribes,
            PresenceAct::Hide => shown.is_some(),
        };
        if !applies {
            return false;
        }
        match act {
            PresenceAct::Subscribe => self.subscribe_presence(ledger, true),
            PresenceAct::Unsubscribe => {
                self.show(ledger, None);
                self.subscribe_presence(ledger, false);
            }
            PresenceAct::Show => self.show(ledger, Some((value % 1000).to_string())),
            PresenceAct::Hide => self.show(ledger, None),
        }
        true
    }

    fn subscribe_presence(&mut self, ledger: &mut Ledger, want: bool) {
        self.presence.subscribes = want;
        ledger.count(true, "a tab subscribed presence, or unsubscribed it");
        self.enter(ledger, |connection| {
            connection.open_presence(CHANNEL, None);
            connection.subscribe_presence(CHANNEL, want, None);
        });
        if !want {
            // As the shim does when the presence is destroyed: what others show is not told any more.
            self.presence.others.clear();
            self.presence.has_left = true;
            self.enter(ledger, |connection| {
                connection.forget_remote_presences(CHANNEL)
            });
        }
    }

    fn show(&mut self, ledger: &mut Ledger, value: Option<String>) {
        if value.is_none() && self.presence.shown.is_none() {
            return;
        }
        self.presence.shown.clone_from(&value);
        ledger.count(value.is_some(), "a tab showed presence");
        let id = self.presence_id();
        let value = text_json(value.unwrap_or_else(|| Value::Null.to_json()));
        self.enter(ledger, |connection| {
            connection.create_local_presence(CHANNEL, &id);
            connection.submit_presence(CHANNEL, &id, value, None);
        });
    }

    pub(super) fn hear_presence(&mut self, ledger: &mut Ledger, event: TabPresenceEvent) {
        match event {
            TabPresenceEvent::Receive(id, value) if value.is_null() => {
                self.presence.others.remove(&id);
            }
            TabPresenceEvent::Receive(id, value) => {
                ledger.count(true, "a tab was shown presence");
                self.presence.others.insert(id, value.get().to_owned());
            }
            TabPresenceEvent::Answer { error: None, .. } => {}
            TabPresenceEvent::Answer {
                error: Some(error), ..
            }
            | TabPresenceEvent::Error(_, error) => {
                ledger.problem(format!("tab {}: presence: {error}", self.number));
            }
            TabPresenceEvent::Value(..) | TabPresenceEvent::Later(_) => {
                ledger.problem(format!("tab {}: {event:?} on a plain channel", self.number));
            }
        }
    }
}
