//! Notices changes that the server never sent: the server process died between the commit and the publication, or the
//! pub/sub between server processes lost the op. The document's next op shows the gap; until then only a fetch does.
//!
//! A subscribed document of which nothing was heard for some time is fetched from its version on. The answer is empty where
//! nothing was missed. The wait doubles with each fetch, so an unchanged document costs the server less and less.
//!
//! Time is counted in looks: each is a time of the server's timer that went by on a socket that is there, 10 to 25 seconds
//! ([`super::liveness`]). A connection whose sockets the application makes has no such timer, and asks for nothing.

use proxy_doc::{DocHandle, Gather};

use crate::host::Host;

/// Looks without news of a document until it is first fetched: 40 to 100 seconds.
pub const FIRST_LOOKS: u32 = 4;
/// Limit of looks between two fetches: 11 to 27 minutes.
const MOST_LOOKS: u32 = 64;
/// Limit of documents that are fetched in one look: the fetches delay keystrokes that follow them.
const MOST_DOCUMENTS: usize = 100;

/// How long the server has sent nothing of a document.
#[derive(Debug)]
pub(crate) struct Silence {
    /// Looks since the last news or fetch.
    looks: u32,
    /// Looks after which the document is fetched.
    wait: u32,
}

impl Default for Silence {
    fn default() -> Self {
        Self {
            looks: 0,
            wait: FIRST_LOOKS,
        }
    }
}

impl Silence {
    /// Starts again: a message of the server showed whether a change is missing.
    pub(crate) fn end(&mut self) {
        *self = Self::default();
    }

    /// Counts a look. Returns whether the document is to be fetched.
    fn look(&mut self) -> bool {
        self.looks = self.looks.saturating_add(1);
        self.looks >= self.wait
    }

    /// Notes that the document is fetched, and doubles the wait.
    fn ask(&mut self) {
        self.looks = 0;
        self.wait = (self.wait * 2).min(MOST_LOOKS);
    }
}

impl Host {
    /// Fetches the subscribed documents that have been silent for long.
    pub(crate) fn ask_for_silent_docs(&mut self) {
        if !self.connected() || self.log.is_replaying() {
            return;
        }
        let mut due = Vec::new();
        for handle in self.docs.handles() {
            let host_doc = &mut self.docs[handle];
            // An inflight op or a fetch will be answered, so such a document is not silent.
            let doc = &host_doc.doc;
            let is_followed = doc.subscribed() && doc.inflight().is_none() && doc.fetches() == 0;
            if is_followed && host_doc.silence.look() {
                due.push(handle);
            }
        }
        let asked = self.next_in_turn(due);
        if asked.is_empty() {
            return;
        }
        self.begin_other();
        self.start_bulk();
        for handle in asked {
            self.docs[handle].silence.ask();
            self.act(handle, |doc, up| doc.check(up));
        }
        self.end_bulk();
        self.settle();
    }

    /// The documents to fetch in this look; later ones of the list follow in the next looks.
    fn next_in_turn(&mut self, due: Vec<DocHandle>) -> Vec<DocHandle> {
        if due.len() <= MOST_DOCUMENTS {
            return due;
        }
        let last = self.server.asked_last;
        let after = due.iter().filter(|handle| Some(**handle) > last);
        let before = due.iter().filter(|handle| Some(**handle) <= last);
        let chosen = after.chain(before).take(MOST_DOCUMENTS).copied().gather();
        self.server.asked_last = chosen.last().copied();
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks until the document is asked for, the last one included.
    fn looks(silence: &mut Silence) -> u32 {
        let looks = (1..).find(|_| silence.look()).unwrap_or_default();
        silence.ask();
        looks
    }

    #[test]
    fn the_wait_doubles_up_to_a_bound() {
        let mut silence = Silence::default();
        let waits = [(); 6].map(|()| looks(&mut silence));
        assert_eq!(waits, [4, 8, 16, 32, 64, 64]);
    }

    #[test]
    fn a_word_of_the_server_begins_the_wait_anew() {
        let mut silence = Silence::default();
        looks(&mut silence);
        silence.look();
        silence.end();
        assert_eq!(looks(&mut silence), FIRST_LOOKS);
    }

    #[test]
    fn a_document_whose_turn_has_not_come_stays_due() {
        let mut silence = Silence::default();
        looks(&mut silence);
        let due = (1..=20).filter(|_| silence.look()).count();
        assert_eq!(due, 20 - 7, "from the eighth look on");
    }
}
