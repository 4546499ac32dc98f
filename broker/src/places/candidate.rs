//! A place's queueing for the host lock, and what it does with it.
//!
//! ```text
//! Idle ── stand ──> Queued ── granted ──> Hosting ── a better place waits, withdraw ──> Resigning ── resigned ──> Idle
//!                     ^                      └───────── lost ──> (ended at once)                                   │
//!                     └─────────────────────────────── still stands ──────────────────────────────────────────────┘
//! ```
//!
//! Invariants: a host begins only while the lock is held; the lock is released only after the host has left its
//! storage; a place whose lock was stolen ends its host at once.

use super::announcement::{Announcement, HostAt, PlaceKind, Waiting};
use super::link::{INCOMPATIBLE, Why};
use crate::message::{PROTOCOL, serves};
use proxy_doc::{Epoch, wire};

/// What happens to a place.
#[derive(Clone, Debug)]
pub enum CandidateInput {
    /// The place is to have the host if nobody else has.
    Stand {
        /// The holder of the lock was asked and does not answer: take the lock from it.
        steal: bool,
    },
    /// The place is not to have the host any more.
    Withdraw {
        /// The page is going away or is about to be frozen: there is no time to wait for anything.
        urgent: bool,
    },
    /// The lock is held.
    Granted {},
    /// The lock was stolen, or the storage is another host's.
    Lost {},
    /// A host has begun here, the first one with this lock or the next one after a crash.
    Began {
        /// Its epoch.
        epoch: Epoch,
    },
    /// The host has written everything and left its storage.
    Resigned {},
    /// The host has ended for good: everything was deleted.
    Over {},
    /// Something was announced by another place or tab.
    Heard(Announcement),
}

wire!(read enum CandidateInput {
    Stand = "stand" { steal = "steal" },
    Withdraw = "withdraw" { urgent = "urgent" },
    Granted = "granted" {},
    Lost = "lost" {},
    Began = "life" { epoch = "life" },
    Resigned = "resigned" {},
    Over = "over" {},
    Heard = "heard" (Announcement),
});

/// What is to be done for a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CandidateOutput {
    /// Request the host lock. A request that waits already is given up.
    RequestLock {
        /// Take it from its holder.
        steal: bool,
    },
    /// Release the host lock, or give up the request.
    ReleaseLock {},
    /// Begin a host; [`CandidateInput::Began`] says which.
    Begin {},
    /// Have the host resign.
    Resign {
        /// At once, whatever would be lost by it.
        urgent: bool,
    },
    /// End the host at once: it must not say or write anything any more.
    End {},
    /// Say this on the namespace's channel.
    Announce(Announcement),
}

wire!(write enum CandidateOutput {
    RequestLock = "requestLock" { steal = "steal" },
    ReleaseLock = "releaseLock" {},
    Begin = "begin" {},
    Resign = "resign" { urgent = "urgent" },
    End = "end" {},
    Announce = "announce" (Announcement),
});

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Queued,
    /// With the epoch of the host, once that has begun.
    Hosting(Option<Epoch>),
    Resigning(Option<Epoch>),
}

/// A place that can have the host.
#[derive(Debug)]
pub struct Candidate {
    place: String,
    me: Waiting,
    state: State,
    /// Whether the place is to have the host.
    stands: bool,
    outputs: Vec<CandidateOutput>,
}

impl Candidate {
    /// The candidate of a place of this kind. `place` is its id, and the name of the lock that it holds while it exists.
    pub fn new(place: String, kind: PlaceKind) -> Self {
        Self::speaking(place, kind, PROTOCOL)
    }

    /// The candidate of a build that speaks this version of the protocol.
    pub fn speaking(place: String, kind: PlaceKind, protocol: u32) -> Self {
        Self {
            place,
            me: Waiting { kind, protocol },
            state: State::Idle,
            stands: false,
            outputs: Vec::new(),
        }
    }

    /// Why a host here does not serve a tab that speaks this version of the protocol; nothing where it does.
    pub fn refusal(&self, protocol: u32) -> Option<Why> {
        let own = self.me.protocol;
        (!serves(own, protocol)).then(|| Why {
            reason: format!("the host speaks protocol {own}, this page {protocol}: reload it"),
            code: Some(INCOMPATIBLE.to_owned()),
        })
    }

    /// Takes an input, and says what is to be done, in this order.
    pub fn handle(&mut self, input: CandidateInput) -> Vec<CandidateOutput> {
        match input {
            CandidateInput::Stand { steal } => self.stand(steal),
            CandidateInput::Withdraw { urgent } => self.withdraw(urgent),
            CandidateInput::Granted {} => self.granted(),
            CandidateInput::Lost {} => self.lost(),
            CandidateInput::Began { epoch } => self.began(epoch),
            CandidateInput::Resigned {} => self.resigned(),
            CandidateInput::Over {} => self.over(),
            CandidateInput::Heard(announcement) => self.hear(&announcement),
        }
        std::mem::take(&mut self.outputs)
    }

    /// The host that is here, for who asks the place. One that resigns goes on until that loses nothing.
    pub fn host(&self) -> Option<HostAt> {
        let (State::Hosting(Some(epoch)) | State::Resigning(Some(epoch))) = self.state else {
            return None;
        };
        Some(HostAt {
            epoch,
            place: self.place.clone(),
            kind: self.me.kind,
            protocol: self.me.protocol,
        })
    }

    fn stand(&mut self, steal: bool) {
        self.stands = true;
        match self.state {
            State::Idle => self.queue(steal),
            State::Queued if steal => self.request(true),
            State::Queued | State::Hosting(_) | State::Resigning(_) => {}
        }
    }

    fn withdraw(&mut self, urgent: bool) {
        self.stands = false;
        match self.state {
            State::Idle => {}
            State::Queued => self.let_go(),
            State::Hosting(_) => self.resign(urgent),
            // It may be waiting for a better moment, which would come too late.
            State::Resigning(_) if urgent => self.outputs.push(CandidateOutput::Resign { urgent }),
            State::Resigning(_) => {}
        }
    }

    fn granted(&mut self) {
        match self.state {
            State::Queued => {
                self.state = State::Hosting(None);
                self.outputs.push(CandidateOutput::Begin {});
            }
            // The request was given up too late.
            State::Idle => self.outputs.push(CandidateOutput::ReleaseLock {}),
            State::Hosting(_) | State::Resigning(_) => {}
        }
    }

    fn lost(&mut self) {
        let (State::Hosting(epoch) | State::Resigning(epoch)) = self.state else {
            return;
        };
        self.outputs.push(CandidateOutput::End {});
        self.let_go();
        self.say_over(epoch);
        self.queue_again();
    }

    fn began(&mut self, epoch: Epoch) {
        let State::Hosting(before) = self.state else {
            return;
        };
        self.say_over(before.filter(|before| *before != epoch));
        self.state = State::Hosting(Some(epoch));
        self.say_host();
    }

    fn resigned(&mut self) {
        let State::Resigning(epoch) = self.state else {
            return;
        };
        // Told before the lock is free: the next host's announcement comes after it.
        self.say_over(epoch);
        self.let_go();
        self.queue_again();
    }

    fn over(&mut self) {
        let (State::Hosting(epoch) | State::Resigning(epoch)) = self.state else {
            return;
        };
        self.stands = false;
        self.say_over(epoch);
        self.let_go();
    }

    fn hear(&mut self, announcement: &Announcement) {
        match (announcement, self.state) {
            (Announcement::Ask {}, State::Hosting(_)) => self.say_host(),
            (Announcement::Host(host), State::Queued) => {
                let there = Waiting {
                    kind: host.kind,
                    protocol: host.protocol,
                };
                if self.me.is_better_than(there) {
                    self.announce(Announcement::Waiting(self.me));
                }
            }
            // It is to have the lock first; or each place in the queue would begin a host, and give it up again.
            (Announcement::Waiting(other), State::Queued) => {
                if other.is_better_than(self.me) {
                    self.request(false);
                }
            }
            (Announcement::Waiting(other), State::Hosting(_)) => {
                if other.is_better_than(self.me) {
                    self.resign(false);
                }
            }
            (
                Announcement::Ask {}
                | Announcement::Host(_)
                | Announcement::Waiting(_)
                | Announcement::Over { .. }
                | Announcement::Knock { .. },
                _,
            ) => {}
        }
    }

    fn queue(&mut self, steal: bool) {
        self.state = State::Queued;
        self.request(steal);
        self.announce(Announcement::Waiting(self.me));
    }

    fn queue_again(&mut self) {
        if self.stands {
            self.queue(false);
        }
    }

    fn request(&mut self, steal: bool) {
        self.outputs.push(CandidateOutput::RequestLock { steal });
    }

    fn let_go(&mut self) {
        self.state = State::Idle;
        self.outputs.push(CandidateOutput::ReleaseLock {});
    }

    fn resign(&mut self, urgent: bool) {
        let (State::Hosting(epoch) | State::Resigning(epoch)) = self.state else {
            return;
        };
        self.state = State::Resigning(epoch);
        self.outputs.push(CandidateOutput::Resign { urgent });
    }

    fn say_host(&mut self) {
        if let Some(host) = self.host() {
            self.announce(Announcement::Host(host));
        }
    }

    fn say_over(&mut self, epoch: Option<Epoch>) {
        if let Some(epoch) = epoch {
            self.announce(Announcement::Over { epoch });
        }
    }

    fn announce(&mut self, announcement: Announcement) {
        self.outputs.push(CandidateOutput::Announce(announcement));
    }
}
