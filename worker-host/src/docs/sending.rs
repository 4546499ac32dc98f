//! Ops under way to the server: how many there are, and which documents wait.
//!
//! Each tab has a share of its own, as a stock client has with its own connection: an op of a tab does not wait for the
//! thousands that another tab, or an earlier host, has made.
//!
//! What it refuses to do: send an op, or know which ops a document has.

use proxy_doc::{DocHandle, Map, Set, TabId};

/// Limit of documents of one tab with an op under way to the server. After a long time offline there may be tens of
/// thousands with pending ops: they are sent as the answers arrive.
const MAX_SENDING: usize = 128;

/// The tab that made a document's oldest op, if known.
pub(crate) type Sender = Option<TabId>;

/// Documents with ops for the server.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    /// Documents with an op under way.
    under_way: Map<DocHandle, Sender>,
    /// Count of those documents per tab. No count is zero.
    counts: Map<Sender, usize>,
    /// Documents with an op that waits until its tab has fewer under way. No set is empty.
    held: Map<Sender, Set<DocHandle>>,
    held_for: Map<DocHandle, Sender>,
}

impl Sending {
    /// Whether so few documents have an op under way that any document may send.
    pub(crate) fn is_free(&self) -> bool {
        self.under_way.len() < MAX_SENDING
    }

    /// Whether one more document with an op of this tab may send it.
    pub(crate) fn may_send(&self, sender: &Sender) -> bool {
        self.counts
            .get(sender)
            .is_none_or(|count| *count < MAX_SENDING)
    }

    /// Notes that the document's op is under way.
    pub(crate) fn begin(&mut self, handle: DocHandle, sender: Sender) {
        self.end(handle);
        *self.counts.or_default(sender.clone()) += 1;
        self.under_way.insert(handle, sender);
    }

    /// Notes that the document has no op under way.
    pub(crate) fn end(&mut self, handle: DocHandle) {
        let Some(sender) = self.under_way.remove(&handle) else {
            return;
        };
        if let Some(count) = self.counts.get_mut(&sender) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&sender);
            }
        }
    }

    /// Notes that the document has an op of this tab that waits.
    pub(crate) fn hold(&mut self, handle: DocHandle, sender: Sender) {
        self.release(handle);
        self.held.or_default(sender.clone()).insert(handle);
        self.held_for.insert(handle, sender);
    }

    /// Notes that the document has no op that waits.
    pub(crate) fn release(&mut self, handle: DocHandle) {
        let Some(sender) = self.held_for.remove(&handle) else {
            return;
        };
        if let Some(held) = self.held.get_mut(&sender) {
            held.remove(&handle);
            if held.is_empty() {
                self.held.remove(&sender);
            }
        }
    }

    /// The next document whose op may be sent now.
    pub(crate) fn next(&mut self) -> Option<DocHandle> {
        let (_, held) = self.held.iter().find(|(sender, _)| self.may_send(sender))?;
        let handle = *held.iter().next()?;
        self.release(handle);
        Some(handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tab: &str) -> Sender {
        Some(TabId(tab.to_owned()))
    }

    #[test]
    fn a_tab_does_not_wait_for_the_ops_of_another_one() {
        let mut sending = Sending::default();
        let mut bulk = (0..1000).map(DocHandle);
        for handle in bulk.by_ref().take(MAX_SENDING) {
            sending.begin(handle, of("bulk"));
        }
        for handle in bulk {
            sending.hold(handle, of("bulk"));
        }
        assert!(!sending.is_free());
        assert!(!sending.may_send(&of("bulk")));
        assert_eq!(sending.next(), None);
        sending.hold(DocHandle(5000), of("typing"));
        assert_eq!(sending.next(), Some(DocHandle(5000)));
    }

    #[test]
    fn what_waits_goes_as_the_answers_come_in() {
        let mut sending = Sending::default();
        for n in 0..MAX_SENDING as u32 {
            sending.begin(DocHandle(n), None);
        }
        sending.hold(DocHandle(900), None);
        assert_eq!(sending.next(), None);
        sending.end(DocHandle(7));
        assert_eq!(sending.next(), Some(DocHandle(900)));
        assert_eq!(sending.next(), None);
    }
}
