//! The barrier: what the host says is held until the write that it rests on is durable.
//!
//! Outputs go out in the order in which they were said. Each knows the number of the write before it, so that nobody
//! hears of anything that a host after this one would not know. What tells nobody anything (open a socket, start a
//! timer) passes by.
//!
//! What it refuses to do: know what is written, or when a write is over.

use proxy_doc::{DocHandle, Fifo, Set, TabId};

use crate::host::Output;

/// What the host says, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Not behind the barrier.
    now: Fifo<Output>,
    held: Fifo<Held>,
}

#[derive(Debug)]
struct Held {
    /// The number of the write that has to be durable first.
    write: u64,
    /// The document whose op the output brings to the server.
    op_of: Option<DocHandle>,
    output: Output,
}

impl Outbox {
    /// Passes by the barrier: nobody learns anything by this output.
    pub(crate) fn push_now(&mut self, output: Output) {
        self.now.push_back(output);
    }

    /// Says something behind the write of this number, and behind everything that was said before.
    pub(crate) fn push(&mut self, write: u64, output: Output) {
        self.held.push_back(Held {
            write,
            op_of: None,
            output,
        });
    }

    /// As [`Outbox::push`], for the message that brings a document's op to the server.
    pub(crate) fn push_op(&mut self, write: u64, handle: DocHandle, text: String) {
        self.held.push_back(Held {
            write,
            op_of: Some(handle),
            output: Output::Send(text),
        });
    }

    /// The next output that passes by the barrier.
    pub(crate) fn pop_now(&mut self) -> Option<Output> {
        self.now.pop_front()
    }

    /// The next output, if all writes up to `committed` are durable.
    pub(crate) fn pop_durable(&mut self, committed: u64) -> Option<Output> {
        self.held
            .pop_front_if(|held| held.write <= committed)
            .map(|held| held.output)
    }

    /// Whether nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Drops what is for the server, and what a driver would begin.
    pub(crate) fn keep_for_tabs(&mut self) {
        self.now.retain(|output| matches!(output, Output::Warn(_)));
        self.drop_sends();
    }

    /// Nobody will hear of what waits for a write.
    pub(crate) fn drop_held(&mut self) {
        self.held.clear();
    }

    /// The socket is gone: what waits to be sent on it is not for the next one.
    pub(crate) fn drop_sends(&mut self) {
        self.held
            .retain(|held| !matches!(held.output, Output::Send(_)));
    }

    /// The tab is gone: what still waits to be said to it is said to nobody.
    pub(crate) fn drop_for(&mut self, tab: &TabId) {
        self.held.retain(|held| !held.is_for(tab));
    }

    /// The ops of these documents must not be sent any more.
    pub(crate) fn drop_ops_of(&mut self, handles: &Set<DocHandle>) {
        let is_of = |held: &Held| held.op_of.is_some_and(|handle| handles.contains(&handle));
        self.held.retain(|held| !is_of(held));
    }

    /// How many messages wait for the tab.
    pub(crate) fn count_for(&self, tab: &TabId) -> usize {
        self.held.iter().filter(|held| held.is_for(tab)).count()
    }

    /// Says something to tabs in front of everything that waits, but for the first message of a tab that waits
    /// (`behind_first`). `messages`: the tab, the output, and `behind_first`, in order.
    pub(crate) fn announce(&mut self, write: u64, messages: Vec<(TabId, Output, bool)>) {
        let mut front = 0;
        for (tab, output, behind_first) in messages {
            let first = self.held.iter().position(|held| held.is_for(&tab));
            let at = first
                .filter(|_| behind_first)
                .map_or(front, |first| first + 1);
            front += usize::from(!behind_first);
            let held = Held {
                write,
                op_of: None,
                output,
            };
            self.held.insert(at, held);
        }
    }
}

impl Held {
    fn is_for(&self, tab: &TabId) -> bool {
        matches!(&self.output, Output::ToTab { tab: to, .. } if to == tab)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tab(name: &str) -> TabId {
        TabId(name.to_owned())
    }

    fn to(name: &str, text: &str) -> Output {
        Output::ToTab {
            tab: tab(name),
            text: text.to_owned(),
            urgent: false,
        }
    }

    fn send(text: &str) -> Output {
        Output::Send(text.to_owned())
    }

    /// All that is said when every write is durable.
    fn all(mut outbox: Outbox) -> Vec<Output> {
        std::iter::from_fn(|| outbox.pop_durable(u64::MAX)).collect()
    }

    #[test]
    fn an_output_waits_for_its_write() {
        let mut outbox = Outbox::default();
        outbox.push(2, to("a", "change"));
        assert_eq!(outbox.pop_durable(1), None);
        assert_eq!(outbox.pop_durable(2), Some(to("a", "change")));
        assert!(outbox.is_empty());
    }

    #[test]
    fn an_output_does_not_overtake_one_that_waits() {
        let mut outbox = Outbox::default();
        outbox.push(2, send("first"));
        outbox.push(1, send("second"));
        assert_eq!(outbox.pop_durable(1), None);
        assert_eq!(all(outbox), [send("first"), send("second")]);
    }

    #[test]
    fn what_tells_nobody_anything_passes_by() {
        let mut outbox = Outbox::default();
        outbox.push(9, send("op"));
        outbox.push_now(Output::OpenSocket(None));
        assert_eq!(outbox.pop_now(), Some(Output::OpenSocket(None)));
        assert_eq!(outbox.pop_now(), None);
    }

    #[test]
    fn a_lost_socket_takes_along_what_waited_for_it() {
        let mut outbox = Outbox::default();
        outbox.push(1, send("read"));
        outbox.push(1, to("a", "event"));
        outbox.push_op(1, DocHandle(0), "op".to_owned());
        outbox.drop_sends();
        assert_eq!(all(outbox), [to("a", "event")]);
    }

    #[test]
    fn only_ops_of_a_document_are_dropped_with_its_ops() {
        let mut outbox = Outbox::default();
        outbox.push_op(1, DocHandle(0), "op 0".to_owned());
        outbox.push_op(1, DocHandle(1), "op 1".to_owned());
        outbox.push(1, send("fetch 0"));
        outbox.drop_ops_of(&Set::from_iter([DocHandle(0)]));
        assert_eq!(all(outbox), [send("op 1"), send("fetch 0")]);
    }

    #[test]
    fn an_announcement_stands_in_front_but_behind_a_welcome() {
        let mut outbox = Outbox::default();
        outbox.push(5, to("old", "event"));
        outbox.push(5, to("new", "welcome"));
        outbox.push(5, to("new", "event"));
        let messages = vec![
            (tab("new"), to("new", "state"), true),
            (tab("old"), to("old", "state"), false),
        ];
        outbox.announce(0, messages);
        let order = [
            to("old", "state"),
            to("old", "event"),
            to("new", "welcome"),
            to("new", "state"),
            to("new", "event"),
        ];
        assert_eq!(all(outbox), order);
    }
}
