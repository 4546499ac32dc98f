//! Inputs that hosts die on.
//!
//! A host that is interrupted for good, by a fault of its own, leaves behind what it had begun: [`Doing`] can still be
//! read. The host after it tries that input once more, since the fault may have had another cause. The host after that
//! one has it in its [`Quarantine`] and refuses it, so that one input cannot keep everybody from working.
//!
//! An input is blamed by its text while it is read, and by its identity (`quarantine/identity.rs`) from then on.

pub(crate) mod identity;
mod refusals;

use std::cell::RefCell;
use std::rc::Rc;

use proxy_doc::{DocKey, Error, codes, write_json};

use crate::host::Host;

/// The kinds of input on which a host can die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A message of a tab, or one of the reads in it.
    TabMessage,
    /// A message of the server, or one document's part of it.
    ServerMessage,
    /// A document of the store: its key, as JSON.
    Document,
}

/// An input: its cause, and its text or identity.
type Blamed = (Cause, Rc<str>);

/// The input that a host began last. To look at it needs no memory, and no host.
#[derive(Debug, Default)]
pub struct Doing {
    now: RefCell<Option<Blamed>>,
}

impl Doing {
    /// Gives the cause and its text to `look`; nothing where it cannot be told.
    pub fn look<R>(&self, look: impl FnOnce(Cause, &str) -> R) -> Option<R> {
        let now = self.now.try_borrow().ok()?;
        now.as_ref().map(|(cause, text)| look(*cause, text))
    }
}

/// Inputs that earlier hosts died on more than once, and the one that this host would be found to have died on.
#[derive(Debug, Default)]
pub(crate) struct Quarantine {
    refused: Vec<(Cause, String)>,
    doing: Rc<Doing>,
}

impl Quarantine {
    /// An input begins, and is to blame until the next one does. Says whether it is to be refused: then it is not
    /// begun, and nothing is to blame.
    fn begin(&self, cause: Cause, text: &Rc<str>) -> bool {
        let mut refused = self.refused.iter();
        let is_refused = refused.any(|(of, known)| *of == cause && **known == **text);
        let now = (!is_refused).then(|| (cause, Rc::clone(text)));
        self.doing.now.replace(now);
        is_refused
    }

    /// A document of the store is looked at. Gives an error where it is quarantined.
    pub(crate) fn begin_document(&self, key: &DocKey) -> Option<Error> {
        let text: Rc<str> = write_json(key).into();
        self.begin(Cause::Document, &text).then(died)
    }

    fn now(&self) -> Option<Blamed> {
        self.doing.now.borrow().clone()
    }

    fn set_now(&self, now: Option<Blamed>) {
        self.doing.now.replace(now);
    }
}

impl Host {
    /// The input that the host began last.
    pub fn doing(&self) -> Rc<Doing> {
        Rc::clone(&self.quarantine.doing)
    }

    /// Refuses an input from now on: hosts before this one died on it, more than once.
    pub fn quarantine(&mut self, cause: Cause, text: &str) {
        self.quarantine.refused.push((cause, text.into()));
    }

    /// An input begins. Says whether it is to be refused: then it is not begun.
    pub(crate) fn begin(&self, cause: Cause, text: &Rc<str>) -> bool {
        self.quarantine.begin(cause, text)
    }

    /// Carries out one part of the current input, and blames that part alone if the host dies in it. `act` gets an error
    /// where the part is quarantined.
    pub(crate) fn begin_part(
        &mut self,
        cause: Cause,
        part: &Rc<str>,
        act: impl FnOnce(&mut Self, Option<Error>),
    ) {
        let whole = self.quarantine.now();
        let refused = self.begin(cause, part).then(died);
        act(self, refused);
        self.quarantine.set_now(whole);
    }

    /// Something begins that no input is to blame for.
    pub(crate) fn begin_other(&self) {
        self.quarantine.set_now(None);
    }
}

/// `ERR_INPUT_QUARANTINED`.
pub(crate) fn died() -> Error {
    let message = "The host crashed on this, more than once";
    Error::new(codes::ERR_INPUT_QUARANTINED, message)
}
