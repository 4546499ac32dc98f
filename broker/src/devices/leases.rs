//! Leases: one holder among all tabs of all of a user's devices.
//!
//! The entries of a lease are a history. An entry *counts* if it names the last one that counts before it ([`last`]); the oldest
//! one that is left counts. So of two entries that follow the same one, that counts which the server committed first, however
//! late the other one comes. A grant has the token of the entry before it and one more, a renewal the same one.
//!
//! - A holder believes in its lease for its ttl, beginning when it *sent* the last entry that was committed and counts.
//! - Others take it over when they have seen no other entry for its ttl and an eighth, beginning when they *saw* the last one.
//!   They saw it after it was sent, so the holder has stopped before, if no clock runs an eighth faster than another one. What
//!   time the clocks show does not matter. If the holder has renewed meanwhile, the entry of the take-over does not count.
//! - Within a device the driver lets one tab at a time ask. It takes its own device's lease over at once, with the next token.
//! - The machine may sleep, and a monotonic clock stand still in the meantime. So a holder takes for the time that has passed what
//!   the clock says that went further ([`Elapsed`]). One that is set only ends a belief too early.
//!
//! Entries before the last one that is known to be committed and counts are deleted by the next entry: that one is the oldest
//! then, and counts.

use proxy_doc::{Error, Gather};

use super::machine::Time;
use super::messages::Tell;
use super::record::{Document, Edit, Entry, List, MAX_LEASES, Row};

/// The last entry of a lease that counts.
pub fn last<'a>(document: &'a Document, name: &str) -> Option<&'a Row<Entry>> {
    let mut last: Option<&Row<Entry>> = None;
    for row in of(document, name).rev() {
        if last.is_none_or(|last| row.value.follows(&last.value)) {
            last = Some(row);
        }
    }
    last
}

/// The entries of a lease, the latest first.
fn of<'a>(document: &'a Document, name: &str) -> impl DoubleEndedIterator<Item = &'a Row<Entry>> {
    let rows = document.leases.iter();
    rows.filter(move |row| row.value.name == name)
}

impl Entry {
    /// Whether it counts after an entry that does.
    fn follows(&self, last: &Self) -> bool {
        let goes_on = !last.free && self.tab == last.tab;
        let least = if goes_on { last.token } else { last.token + 1 };
        self.after == last.id && self.token >= least
    }
}

/// How long others wait for the holder, in milliseconds since they saw its last entry.
pub const fn patience(ttl: u64) -> u64 {
    ttl + ttl / 8
}

/// What a tab holds, or wants to.
#[derive(Debug)]
struct Hold {
    number: u64,
    name: String,
    ttl: u64,
    sent: Option<Sent>,
    held: Option<Held>,
}

/// How long a device has run, its sleep included: between two looks as long as the clock says that went further.
#[derive(Debug, Default)]
struct Elapsed {
    last: Option<Time>,
    so_far: u64,
}

impl Elapsed {
    fn at(&self, time: Time) -> u64 {
        let Some(last) = self.last else { return 0 };
        let run = time.now.saturating_sub(last.now);
        self.so_far + run.max(time.wall.saturating_sub(last.wall))
    }

    fn look(&mut self, time: Time) {
        self.so_far = self.at(time);
        self.last = Some(time);
    }
}

/// When something was done.
#[derive(Clone, Copy, Debug)]
struct Moment {
    /// By the monotonic clock.
    now: u64,
    /// See [`Elapsed`].
    elapsed: u64,
}

/// An entry that is on its way.
#[derive(Debug)]
struct Sent {
    op: u64,
    entry: String,
    at: Moment,
}

/// A lease that the tab holds.
#[derive(Debug)]
struct Held {
    token: u64,
    /// When the last entry was sent that is committed and counts.
    since: Moment,
    /// That entry.
    entry: String,
}

/// The last entry of a lease, and when this tab saw it first.
#[derive(Debug)]
struct Seen {
    name: String,
    entry: String,
    at: u64,
}

/// A tab's leases.
#[derive(Debug)]
pub(super) struct Leases {
    device: String,
    tab: String,
    holds: Vec<Hold>,
    seen: Vec<Seen>,
    /// Leases that are to be given back.
    leaving: Vec<String>,
    elapsed: Elapsed,
}

impl Leases {
    pub(super) fn new(device: String, tab: String) -> Self {
        Self {
            device,
            tab,
            holds: Vec::new(),
            seen: Vec::new(),
            leaving: Vec::new(),
            elapsed: Elapsed::default(),
        }
    }

    /// Whether the claim of this request is held at a time.
    pub(super) fn holds(&self, number: u64, time: Time) -> bool {
        let elapsed = self.elapsed.at(time);
        let mut holds = self.holds.iter();
        holds.any(|hold| hold.number == number && hold.is_held(elapsed))
    }

    pub(super) fn claim(&mut self, number: u64, name: String, ttl: u64) {
        self.leaving.retain(|leaving| *leaving != name);
        self.holds.push(Hold {
            number,
            name,
            ttl,
            sent: None,
            held: None,
        });
    }

    /// Ends a claim. `resigns`: others may have the lease at once.
    pub(super) fn end(&mut self, number: u64, resigns: bool) {
        let ended = self.holds.extract_if(.., |hold| hold.number == number);
        for hold in ended.gather() {
            if resigns && (hold.sent.is_some() || hold.held.is_some()) {
                self.leaving.push(hold.name);
            }
        }
    }

    /// The document is another one: notes what is new in it, and what it says that this tab has lost.
    pub(super) fn observe(&mut self, now: u64, document: Option<&Document>, told: &mut Vec<Tell>) {
        let Some(document) = document else {
            // Without its history nobody can hold anything.
            self.seen.clear();
            return self.lose(told, |_| true);
        };
        for row in &document.leases {
            let name = &row.value.name;
            let entry = last(document, name).map_or("", |last| &last.value.id);
            match self.seen.iter_mut().find(|seen| seen.name == *name) {
                Some(seen) if seen.entry == entry => {}
                Some(seen) => {
                    seen.entry = entry.to_owned();
                    seen.at = now;
                }
                None => self.seen.push(Seen {
                    name: name.clone(),
                    entry: entry.to_owned(),
                    at: now,
                }),
            }
        }
        let tab = self.tab.clone();
        self.lose(told, |hold| {
            let Some(held) = &hold.held else { return false };
            let last = last(document, &hold.name).map(|last| &last.value);
            last.is_none_or(|last| last.tab != tab || last.token != held.token || last.free)
        });
    }

    fn lose(&mut self, told: &mut Vec<Tell>, is_lost: impl Fn(&Hold) -> bool) {
        let is_lost = |hold: &mut Hold| hold.held.is_some() && is_lost(hold);
        for hold in self.holds.extract_if(.., is_lost) {
            let number = hold.number;
            told.push(Tell::Lost { number });
            // Where the last entry is still this tab's, nobody has to wait for its end.
            self.leaving.push(hold.name);
        }
    }

    /// What has ended by itself.
    pub(super) fn expire(&mut self, time: Time, told: &mut Vec<Tell>) {
        self.elapsed.look(time);
        let elapsed = self.elapsed.so_far;
        self.lose(told, |hold| !hold.is_held(elapsed));
    }

    /// An op was committed, and the document is known that far.
    pub(super) fn committed(
        &mut self,
        op: u64,
        time: Time,
        document: &Document,
        told: &mut Vec<Tell>,
    ) {
        let is_it = |hold: &&mut Hold| hold.sent.as_ref().is_some_and(|sent| sent.op == op);
        let Some(hold) = self.holds.iter_mut().find(is_it) else {
            return;
        };
        let Some(sent) = hold.sent.take() else { return };
        let Some(last) = last(document, &hold.name) else {
            return;
        };
        if last.value.id != sent.entry {
            return;
        }
        let was_held = hold.held.is_some();
        hold.held = Some(Held {
            token: last.value.token,
            since: sent.at,
            entry: sent.entry,
        });
        let number = hold.number;
        let token = last.value.token;
        if hold.is_held(self.elapsed.at(time)) {
            if !was_held {
                told.push(Tell::Granted { number, token });
            }
        } else if was_held {
            self.expire(time, told);
        } else {
            // It came too late to be believed, and is asked for again.
            hold.held = None;
        }
    }

    /// An op was refused.
    pub(super) fn failed(&mut self, op: u64, error: &Error, told: &mut Vec<Tell>) {
        let is_it = |hold: &mut Hold| hold.sent.as_ref().is_some_and(|sent| sent.op == op);
        for hold in self.holds.extract_if(.., is_it) {
            let number = hold.number;
            told.push(if hold.held.is_some() {
                Tell::Lost { number }
            } else {
                Tell::Answer {
                    number,
                    error: Some(error.clone()),
                    result: None,
                }
            });
        }
    }

    /// The next entry that is to be made, if there is one. `op`: its number; `id`: the entry's.
    pub(super) fn next_edit(
        &mut self,
        time: Time,
        document: &Document,
        op: u64,
        id: &str,
        told: &mut Vec<Tell>,
    ) -> Option<Edit> {
        while let Some(name) = self.leaving.pop() {
            let Some(last) = last(document, &name) else {
                continue;
            };
            if last.value.tab == self.tab && !last.value.free {
                let entry = Entry {
                    id: id.to_owned(),
                    after: last.value.id.clone(),
                    free: true,
                    ..last.value.clone()
                };
                return Some(self.edit(document, &entry));
            }
        }
        while let Some(at) = self.next_due(time.now, document) {
            let hold = &self.holds[at];
            let last = last(document, &hold.name).map(|last| &last.value);
            if last.is_none() && self.is_full(document) {
                let number = self.holds.remove(at).number;
                let message = format!("There are {MAX_LEASES} leases: their names are kept");
                told.push(Tell::Answer {
                    number,
                    error: Some(Error::new("ERR_LEASES_FULL", message)),
                    result: None,
                });
                continue;
            }
            let (after, token) =
                last.map_or_else(|| ("", 0), |last| (last.id.as_str(), last.token));
            let entry = Entry {
                id: id.to_owned(),
                name: hold.name.clone(),
                after: after.to_owned(),
                device: self.device.clone(),
                tab: self.tab.clone(),
                token: hold.held.as_ref().map_or(token + 1, |held| held.token),
                ttl: hold.ttl,
                free: false,
            };
            let edit = self.edit(document, &entry);
            self.holds[at].sent = Some(Sent {
                op,
                entry: entry.id,
                at: Moment {
                    now: time.now,
                    elapsed: self.elapsed.at(time),
                },
            });
            return Some(edit);
        }
        None
    }

    fn is_full(&self, document: &Document) -> bool {
        let mut names: Vec<&str> = Vec::new();
        for row in &document.leases {
            if !names.contains(&row.value.name.as_str()) {
                names.push(&row.value.name);
            }
        }
        names.len() >= MAX_LEASES
    }

    /// The new entry, without those that no reader needs any more.
    fn edit(&self, document: &Document, entry: &Entry) -> Edit {
        let mut edit = Edit::default();
        edit.insert(List::Leases, entry);
        let mut counted: Vec<&Row<Entry>> = Vec::new();
        for row in of(document, &entry.name).rev() {
            let last = counted.last();
            if last.is_none_or(|last| row.value.follows(&last.value)) {
                counted.push(row);
            }
        }
        let base = counted.iter().rev().find(|row| self.is_committed(row));
        let Some(base) = base else { return edit };
        for row in of(document, &entry.name).filter(|row| row.at > base.at) {
            edit.remove(List::Leases, row);
        }
        edit
    }

    /// Whether an entry is known to be in the server's history: those of other devices are, as they came from there.
    fn is_committed(&self, row: &Row<Entry>) -> bool {
        let is_own = |hold: &Hold| {
            let held = hold.held.as_ref();
            held.is_some_and(|held| held.entry == row.value.id)
        };
        row.value.device != self.device || self.holds.iter().any(is_own)
    }

    fn next_due(&self, now: u64, document: &Document) -> Option<usize> {
        let is_due = |hold: &Hold| self.due_at(hold, document).is_some_and(|at| at <= now);
        self.holds.iter().position(is_due)
    }

    /// When an entry is to be made for it, as far as it is known now.
    fn due_at(&self, hold: &Hold, document: &Document) -> Option<u64> {
        if hold.sent.is_some() {
            return None;
        }
        if let Some(held) = &hold.held {
            return Some(held.since.now + hold.ttl / 3);
        }
        let Some(last) = last(document, &hold.name) else {
            return Some(0);
        };
        if last.value.free || last.value.device == self.device {
            return Some(0);
        }
        let seen = self.seen.iter().find(|seen| seen.name == hold.name)?;
        Some(seen.at + patience(last.value.ttl))
    }

    /// When something is to be done, by the monotonic clock.
    pub(super) fn wake_at(&self, document: Option<&Document>) -> Option<u64> {
        let mut at: Option<u64> = None;
        for hold in &self.holds {
            let due = document.and_then(|document| self.due_at(hold, document));
            let ends = hold.held.as_ref().map(|held| held.since.now + hold.ttl);
            for time in [due, ends].into_iter().flatten() {
                at = Some(at.map_or(time, |at| at.min(time)));
            }
        }
        at
    }

    /// The device that holds a lease, as far as this tab can see.
    pub(super) fn holder<'a>(&self, document: &'a Document, name: &str) -> Option<&'a str> {
        let last = last(document, name)?;
        (!last.value.free).then_some(last.value.device.as_str())
    }
}

impl Hold {
    fn is_held(&self, elapsed: u64) -> bool {
        let is_young = |held: &Held| elapsed - held.since.elapsed < self.ttl;
        self.held.as_ref().is_some_and(is_young)
    }
}
