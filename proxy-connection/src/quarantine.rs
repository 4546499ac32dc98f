//! Documents on which machines crash again and again.
//!
//! A machine that crashed leaves behind which document it touched last: [`Touched`] can still be read. The driver counts,
//! and names the document to the next machine, which leaves it alone, so that it cannot keep the others from working.
//!
//! What it refuses to do: end the document's calls. The driver has them.

use std::cell::Cell;
use std::rc::Rc;

use proxy_doc::{DocHandle, Set};

use crate::ProxyConnection;

/// The document that a machine touched last. To look at it needs no memory, and no machine.
#[derive(Debug, Default)]
pub struct Touched(Cell<Option<DocHandle>>);

impl Touched {
    /// Its handle; nothing before the first one, and where nobody is to blame.
    pub fn look(&self) -> Option<DocHandle> {
        self.0.get()
    }
}

/// The documents that a machine leaves alone, and the one that it would be found to have crashed on.
#[derive(Debug, Default)]
pub(crate) struct Quarantine {
    refused: Set<DocHandle>,
    touched: Rc<Touched>,
}

impl Quarantine {
    /// The document is touched, and is to blame until another one is. Says whether it is to be left alone.
    pub(crate) fn touch(&self, handle: DocHandle) -> bool {
        self.touched.0.set(Some(handle));
        self.refused.contains(&handle)
    }

    /// Something begins that no document is to blame for.
    pub(crate) fn touch_none(&self) {
        self.touched.0.set(None);
    }
}

impl ProxyConnection {
    /// The document that the machine touched last.
    pub fn touched(&self) -> Rc<Touched> {
        Rc::clone(&self.quarantine.touched)
    }

    /// Leaves a document alone from now on: what the host says of it is dropped, and calls have no effect.
    pub fn quarantine(&mut self, handle: DocHandle) {
        self.quarantine.refused.insert(handle);
    }
}
