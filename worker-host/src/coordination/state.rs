//! The state that tabs share: the last bundle counts.
//!
//! The leader writes on the version that it knows, so that no update is lost to one that did not know of it. In the
//! distributed mode any tab writes, and all order the bundles alike.

use broker::coordination::messages::{Bundle, Join, Part, Say, Session};
use proxy_doc::{Error, codes};

use super::Coordination;
use super::claims::session_changed;

impl Coordination {
    /// A tab writes the state.
    pub(super) fn write(
        &mut self,
        at: usize,
        number: u64,
        part: Part,
        base: Option<u64>,
        epoch: u64,
        mut bundle: Bundle,
    ) {
        let id = self.members[at].id.clone();
        if self.members[at].applied.contains(&number) {
            return self.answer(&id, number, Ok(None));
        }
        if epoch != self.session.epoch {
            return self.answer(&id, number, Err(session_changed()));
        }
        if let Err(error) = self.check_write(&id, base, &bundle) {
            return self.answer(&id, number, Err(error));
        }
        if let Some(base) = base {
            bundle.version = base + 1;
            bundle.source_id.clone_from(&id);
        }
        if let Some(later) = self.state.clone().filter(|known| !bundle.is_after(known)) {
            let part = Part::Snapshot;
            self.say(
                &id,
                Say::State {
                    part,
                    bundle: later,
                },
            );
        } else {
            self.state = Some(bundle.clone());
            self.changed.state = true;
            self.members[at].note_applied(number);
            self.changed.decisions = true;
            self.say_to_others("", &Say::State { part, bundle });
        }
        self.answer(&id, number, Ok(None));
    }

    fn check_write(&self, id: &str, base: Option<u64>, bundle: &Bundle) -> Result<(), Error> {
        let known = self.state.as_ref();
        let schema = known.map_or(0, |known| known.schema);
        if bundle.schema < schema {
            let message = format!(
                "The shared state has schema {schema}, this tab knows {}: reload it",
                bundle.schema
            );
            return Err(Error::new(codes::ERR_STATE_SCHEMA, message));
        }
        let Some(base) = base else {
            return Ok(());
        };
        if self.leads().is_none_or(|leader| leader.id != id) {
            let message = "Only the leader writes the shared state: ask it to";
            return Err(Error::new(codes::ERR_NOT_LEADER, message));
        }
        if known.map_or(0, |known| known.version) != base {
            let message = "The shared state is a later one than that which was changed";
            return Err(Error::new(codes::ERR_STATE_CONFLICT, message));
        }
        Ok(())
    }

    /// A tab comes with a state: where it is a later one than that here, no host has left a record of it.
    pub(super) fn believe_state(&mut self, join: &Join) {
        let order = |session: &Session| (session.logouts, session.epoch);
        if order(&join.session) > order(&self.session) {
            let has_ended = join.session.logouts > self.session.logouts;
            self.session = join.session.clone();
            self.state = None;
            if has_ended {
                self.say_to_others("", &Say::LoggedOut(join.session.clone()));
            }
            self.tell_session();
        }
        let state = join.state.as_ref();
        let is_same = order(&join.session) == order(&self.session);
        let Some(state) = state.filter(|_| is_same) else {
            return;
        };
        if self
            .state
            .as_ref()
            .is_none_or(|known| state.is_after(known))
        {
            self.state = Some(state.clone());
            self.changed.state = true;
            let (part, bundle) = (Part::Snapshot, state.clone());
            self.say_to_others("", &Say::State { part, bundle });
        }
    }
}
