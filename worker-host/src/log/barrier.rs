//! The barrier: an output of the host is held until the write that it rests on is durable.
//!
//! Held outputs go out in the order in which they were pushed. Each carries the number of the last write before it, so
//! that no peer hears of anything that a later host would not know. An output that tells no peer anything (open a socket,
//! start a timer) is not held. A change that a tab is shown early, which the tab keeps for the next host (`early.rs`),
//! waits only for earlier outputs to that tab.
//!
//! What it refuses to do: know what is written, or when a write is over.

use proxy_doc::{DocHandle, Fifo, Map, Set, TabId};

use crate::host::Output;

/// The queue of the host's outputs.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Outputs that are not behind the barrier.
    now: Fifo<Output>,
    held: Fifo<Held>,
    /// The number for the next held output.
    next: u64,
    /// Per tab, the number of the last output that is held for it.
    last_for: Map<TabId, u64>,
    /// Changes shown early that may go out now.
    early: Fifo<Output>,
    /// Changes shown early that wait for an output held for the same tab. No queue is empty.
    early_behind: Map<TabId, Fifo<Behind>>,
}

/// A change that is shown early as soon as another output has gone out.
#[derive(Debug)]
struct Behind {
    /// The number of the held output that goes out first.
    after: u64,
    /// The number of the write that holds the change.
    write: u64,
    output: Output,
}

#[derive(Debug)]
struct Held {
    number: u64,
    /// The number of the write that has to be durable first.
    write: u64,
    /// The document whose op the output sends to the server.
    op_of: Option<DocHandle>,
    output: Output,
}

impl Outbox {
    /// Adds an output that is not held, since no peer learns anything by it.
    pub(crate) fn push_now(&mut self, output: Output) {
        self.now.push_back(output);
    }

    /// Adds an output behind the write of this number, and behind all outputs that are held.
    pub(crate) fn push(&mut self, write: u64, output: Output) {
        let held = self.number(write, None, output);
        if let Some(tab) = tab_of(&held.output) {
            self.last_for.insert(tab.clone(), held.number);
        }
        self.held.push_back(held);
    }

    /// As [`Outbox::push`], for the message that sends a document's op to the server.
    pub(crate) fn push_op(&mut self, write: u64, handle: DocHandle, text: String) {
        let held = self.number(write, Some(handle), Output::Send(text));
        self.held.push_back(held);
    }

    /// Adds an output to a tab behind the outputs held for that tab, but not behind the write that it rests on.
    pub(crate) fn push_early(&mut self, tab: &TabId, write: u64, output: Output) {
        match self.last_for.get(tab) {
            Some(last) => {
                let after = *last;
                self.early_behind.or_default(tab.clone()).push_back(Behind {
                    after,
                    write,
                    output,
                });
            }
            None => self.early.push_back(output),
        }
    }

    /// Turns changes that would be shown early behind another output into held ones, which wait for their write.
    pub(crate) fn hold_early(&mut self) {
        for (tab, mut behind) in std::mem::take(&mut self.early_behind) {
            // In reverse order, since each is inserted right behind the output that it waits for.
            for at in (0..behind.len()).rev() {
                let Some(next) = behind.remove(at) else {
                    continue;
                };
                let held = self.number(next.write, None, next.output);
                if self.last_for.get(&tab) == Some(&next.after) {
                    self.last_for.insert(tab.clone(), held.number);
                }
                let before = self.held.iter().position(|held| held.number == next.after);
                self.held
                    .insert(before.map_or(0, |before| before + 1), held);
            }
        }
    }

    fn number(&mut self, write: u64, op_of: Option<DocHandle>, output: Output) -> Held {
        let number = self.next;
        self.next += 1;
        Held {
            number,
            write,
            op_of,
            output,
        }
    }

    /// The next output that is not behind the barrier.
    pub(crate) fn pop_now(&mut self) -> Option<Output> {
        self.now.pop_front()
    }

    /// The next change shown early that may go out now.
    pub(crate) fn pop_early(&mut self) -> Option<Output> {
        self.early.pop_front()
    }

    /// The next change shown early, else the next held output whose write is at most `committed`.
    pub(crate) fn pop(&mut self, committed: u64) -> Option<Output> {
        if let Some(early) = self.pop_early() {
            return Some(early);
        }
        let held = self.held.pop_front_if(|held| held.write <= committed)?;
        if let Some(tab) = tab_of(&held.output) {
            if self.last_for.get(tab) == Some(&held.number) {
                self.last_for.remove(tab);
            }
            self.release(tab, held.number);
        }
        Some(held.output)
    }

    /// Lets the changes shown early behind the output of this number follow: it went out.
    fn release(&mut self, tab: &TabId, number: u64) {
        let Some(behind) = self.early_behind.get_mut(tab) else {
            return;
        };
        while let Some(next) = behind.pop_front_if(|next| next.after == number) {
            self.early.push_back(next.output);
        }
        if behind.is_empty() {
            self.early_behind.remove(tab);
        }
    }

    /// Whether nothing is held or about to be shown early.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.early.is_empty()
    }

    /// Drops outputs to the server and requests to the driver, except warnings; outputs to tabs stay.
    pub(crate) fn keep_for_tabs(&mut self) {
        self.now.retain(|output| matches!(output, Output::Warn(_)));
        self.drop_sends();
    }

    /// Drops all outputs that wait for a write.
    pub(crate) fn drop_held(&mut self) {
        self.held.clear();
        self.last_for.clear();
        self.early_behind.clear();
    }

    /// Drops messages that wait for the socket, which is gone: they are not for the next socket.
    pub(crate) fn drop_sends(&mut self) {
        self.held
            .retain(|held| !matches!(held.output, Output::Send(_)));
    }

    /// Drops outputs to a tab that is gone.
    pub(crate) fn drop_for(&mut self, tab: &TabId) {
        self.held.retain(|held| !held.is_for(tab));
        self.early.retain(|output| tab_of(output) != Some(tab));
        self.last_for.remove(tab);
        self.early_behind.remove(tab);
    }

    /// Drops the messages that would send ops of these documents.
    pub(crate) fn drop_ops_of(&mut self, handles: &Set<DocHandle>) {
        let is_of = |held: &Held| held.op_of.is_some_and(|handle| handles.contains(&handle));
        self.held.retain(|held| !is_of(held));
    }

    /// How many messages wait for the tab.
    pub(crate) fn count_for(&self, tab: &TabId) -> usize {
        let held = self.held.iter().filter(|held| held.is_for(tab)).count();
        let behind = self.early_behind.get(tab).map_or(0, Fifo::len);
        held + behind
    }

    /// Inserts outputs to tabs in front of everything held, except behind the first message held for the tab where
    /// `behind_first` is set. `messages`: the tab, the output, and `behind_first`, in order.
    pub(crate) fn announce(&mut self, write: u64, messages: Vec<(TabId, Output, bool)>) {
        let mut front = 0;
        for (tab, output, behind_first) in messages {
            let first = self.held.iter().position(|held| held.is_for(&tab));
            let at = first
                .filter(|_| behind_first)
                .map_or(front, |first| first + 1);
            front += usize::from(!behind_first);
            let held = self.number(write, None, output);
            // Changes shown early behind the first message now wait for this one.
            let before = at.checked_sub(1).filter(|_| behind_first);
            let before = before.map(|before| self.held.iter_from(before).next());
            if let Some(before) = before.flatten().map(|held| held.number)
                && let Some(behind) = self.early_behind.get_mut(&tab)
            {
                let moved = behind.iter_mut().filter(|next| next.after == before);
                moved.for_each(|next| next.after = held.number);
            }
            if !self.held.iter_from(at).any(|held| held.is_for(&tab)) {
                self.last_for.insert(tab, held.number);
            }
            self.held.insert(at, held);
        }
    }
}

impl Held {
    fn is_for(&self, tab: &TabId) -> bool {
        tab_of(&self.output) == Some(tab)
    }
}

/// The tab that gets the output; `None` where it is not for a tab.
fn tab_of(output: &Output) -> Option<&TabId> {
    match output {
        Output::ToTab { tab, .. } | Output::Debug { tab, .. } => Some(tab),
        Output::Send(_)
        | Output::CloseSocket
        | Output::DropSocket
        | Output::OpenSocket(_)
        | Output::StartTimer(_)
        | Output::StartAlarm(_)
        | Output::Realtime(_)
        | Output::Storage(_)
        | Output::FindTabs(_)
        | Output::BeginAnew
        | Output::Resigned
        | Output::Deposed
        | Output::Warn(_) => None,
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
        std::iter::from_fn(|| outbox.pop(u64::MAX)).collect()
    }

    #[test]
    fn an_output_waits_for_its_write() {
        let mut outbox = Outbox::default();
        outbox.push(2, to("a", "change"));
        assert_eq!(outbox.pop(1), None);
        assert_eq!(outbox.pop(2), Some(to("a", "change")));
        assert!(outbox.is_empty());
    }

    #[test]
    fn an_output_does_not_overtake_one_that_waits() {
        let mut outbox = Outbox::default();
        outbox.push(2, send("first"));
        outbox.push(1, send("second"));
        assert_eq!(outbox.pop(1), None);
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
    fn a_change_that_is_shown_early_waits_only_for_what_was_said_to_its_tab() {
        let mut outbox = Outbox::default();
        outbox.push(1, to("a", "accepted"));
        outbox.push(2, to("c", "accepted"));
        outbox.push_early(&tab("a"), 2, to("a", "change"));
        outbox.push_early(&tab("b"), 2, to("b", "change"));
        outbox.push(2, to("a", "outcome"));
        outbox.push_early(&tab("a"), 2, to("a", "last"));
        assert_eq!(outbox.pop(0), Some(to("b", "change")));
        assert_eq!(outbox.pop(0), None);
        assert_eq!(outbox.pop(1), Some(to("a", "accepted")));
        assert_eq!(outbox.pop(1), Some(to("a", "change")));
        assert_eq!(outbox.pop(1), None);
        assert_eq!(outbox.count_for(&tab("a")), 2);
        outbox.announce(2, vec![(tab("a"), to("a", "line"), false)]);
        let rest = ["line", "accepted", "outcome", "last"];
        let said = all(outbox).into_iter().map(|output| match output {
            Output::ToTab { text, .. } => text,
            other => format!("{other:?}"),
        });
        assert_eq!(said.collect::<Vec<_>>(), rest);
    }

    #[test]
    fn a_host_in_doubt_shows_nothing_before_its_write() {
        let mut outbox = Outbox::default();
        outbox.push(1, to("a", "accepted"));
        outbox.push_early(&tab("a"), 2, to("a", "first"));
        outbox.push_early(&tab("a"), 2, to("a", "second"));
        outbox.push(2, to("a", "outcome"));
        outbox.push_early(&tab("a"), 3, to("a", "third"));
        outbox.hold_early();
        outbox.push_early(&tab("a"), 3, to("a", "fourth"));
        let mut said = Vec::new();
        for committed in 1..=3 {
            let texts = std::iter::from_fn(|| outbox.pop(committed)).map(|output| match output {
                Output::ToTab { text, .. } => text,
                other => format!("{other:?}"),
            });
            said.push(texts.collect::<Vec<_>>());
        }
        assert_eq!(said[0], ["accepted"]);
        assert_eq!(said[1], ["first", "second", "outcome"]);
        assert_eq!(said[2], ["third", "fourth"]);
    }

    #[test]
    fn nothing_is_left_for_a_tab_that_is_gone() {
        let mut outbox = Outbox::default();
        outbox.push_early(&tab("a"), 2, to("a", "first"));
        outbox.push(1, to("a", "accepted"));
        outbox.push_early(&tab("a"), 2, to("a", "change"));
        outbox.drop_for(&tab("a"));
        outbox.push_early(&tab("a"), 2, to("a", "next"));
        assert_eq!(all(outbox), [to("a", "next")]);
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
