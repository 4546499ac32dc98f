//! The host lock, as Web Locks have it: exclusive, first come first served, and a request that steals takes it at once.

use std::collections::VecDeque;

/// A request for the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The context that asked.
    pub(super) by: usize,
    /// Its number, new for each request.
    pub(super) number: u64,
}

/// What a change of the lock does to requests.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// The holder from which the lock was stolen.
    pub(super) lost: Option<Request>,
    /// The new holder.
    pub(super) granted: Option<Request>,
}

#[derive(Debug, Default)]
pub(super) struct HostLock {
    holder: Option<Request>,
    queue: VecDeque<Request>,
}

impl HostLock {
    pub(super) fn holder(&self) -> Option<Request> {
        self.holder
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = Request> + '_ {
        self.queue.iter().copied()
    }

    pub(super) fn request(&mut self, request: Request, steal: bool) -> Change {
        let lost = if steal { self.holder.take() } else { None };
        if steal {
            self.queue.push_front(request);
        } else {
            self.queue.push_back(request);
        }
        Change {
            lost,
            ..self.grant()
        }
    }

    /// Releases the lock, or gives up the request.
    pub(super) fn release(&mut self, number: u64) -> Change {
        self.leave(|request| request.number == number)
    }

    /// The context is dead.
    pub(super) fn bury(&mut self, by: usize) -> Change {
        self.leave(|request| request.by == by)
    }

    fn leave(&mut self, goes: impl Fn(&Request) -> bool) -> Change {
        self.queue.retain(|request| !goes(request));
        if self.holder.as_ref().is_some_and(&goes) {
            self.holder = None;
        }
        self.grant()
    }

    fn grant(&mut self) -> Change {
        if self.holder.is_some() {
            return Change::default();
        }
        self.holder = self.queue.pop_front();
        Change {
            lost: None,
            granted: self.holder,
        }
    }
}
