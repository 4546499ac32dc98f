//! The inbox: inputs that cannot be carried out yet, and what each of them waits for.
//!
//! Every sender has a queue, so its inputs stay in their order. Only the first input of a queue can wait for something:
//! for documents that are being read, or until the store is in use again. It is found by what it waits for, so an input
//! costs nothing while inputs of other senders are carried out, however many there are.
//!
//! What it refuses to do: know what an input needs, or carry it out.

#[cfg(test)]
mod tests;

use proxy_doc::{DocKey, DocMap, Fifo, Map, TabId};

use crate::host::inputs::Input;

/// Has a queue of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sender {
    Tab(TabId),
    Server,
}

/// The queues of all senders.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// Senders with inputs; no queue is empty.
    queues: Map<Sender, Queue>,
    /// Senders whose first input is not known to wait for anything, by that input's number.
    ready: Map<u64, Sender>,
    /// Senders whose first input waits for this document to be read.
    lacking: DocMap<Vec<Sender>>,
    /// Senders whose first input waits until the store is in use again.
    held: Vec<Sender>,
    /// The number of the next input. Inputs that are ready are carried out in the order of their numbers.
    next_number: u64,
    /// See [`crate::host::Host::looks`].
    looks: u64,
}

#[derive(Debug, Default)]
struct Queue {
    inputs: Fifo<(u64, Input)>,
    /// How many documents the first input waits for.
    lacks: usize,
}

impl Inbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    pub(crate) fn looks(&self) -> u64 {
        self.looks
    }

    /// Appends an input to its sender's queue.
    pub(crate) fn push(&mut self, sender: Sender, input: Input) {
        let number = self.next_number;
        self.next_number += 1;
        if let Some(queue) = self.queues.get_mut(&sender) {
            return queue.inputs.push_back((number, input));
        }
        self.ready.insert(number, sender.clone());
        let queue = Queue {
            inputs: Fifo::from_iter([(number, input)]),
            lacks: 0,
        };
        self.queues.insert(sender, queue);
    }

    /// The sender of the oldest input that may be carried out. That input is then to be taken, held, or made wait.
    pub(crate) fn next_ready(&mut self) -> Option<Sender> {
        let (_, sender) = self.ready.pop_first()?;
        self.looks += 1;
        Some(sender)
    }

    /// The sender's first input.
    pub(crate) fn first(&self, sender: &Sender) -> Option<&Input> {
        let queue = self.queues.get(sender)?;
        queue.inputs.front().map(|(_, input)| input)
    }

    /// Whether any of the tab's inputs is one of these.
    pub(crate) fn any_of(&self, tab: &TabId, is: impl Fn(&Input) -> bool) -> bool {
        self.last_of(tab, |input| is(input).then_some(())).is_some()
    }

    /// What the tab's last waiting input says, of those that say anything.
    pub(crate) fn last_of<'a, T>(
        &'a self,
        tab: &TabId,
        says: impl Fn(&'a Input) -> Option<T>,
    ) -> Option<T> {
        let queue = self.queues.get(&Sender::Tab(tab.clone()))?;
        let mut inputs = queue.inputs.iter().rev();
        inputs.find_map(|(_, input)| says(input))
    }

    /// Takes the sender's first input out. The one behind it may be carried out next.
    pub(crate) fn take(&mut self, sender: &Sender) -> Option<Input> {
        let queue = self.queues.get_mut(sender)?;
        let (_, input) = queue.inputs.pop_front()?;
        if queue.inputs.is_empty() {
            self.queues.remove(sender);
        } else {
            self.make_ready(sender);
        }
        Some(input)
    }

    /// The sender's first input waits for these documents.
    pub(crate) fn wait_for(&mut self, sender: &Sender, missing: &[DocKey]) {
        if let Some(queue) = self.queues.get_mut(sender) {
            queue.lacks = missing.len();
        }
        for key in missing {
            let senders = self.lacking.or_insert(key.clone(), Vec::new());
            senders.push(sender.clone());
        }
    }

    /// The document was read, or will not be.
    pub(crate) fn bring(&mut self, key: &DocKey) {
        for sender in self.lacking.remove(key).unwrap_or_default() {
            let Some(queue) = self.queues.get_mut(&sender) else {
                continue;
            };
            queue.lacks -= 1;
            if queue.lacks == 0 {
                self.make_ready(&sender);
            }
        }
    }

    /// No document will be read any more.
    pub(crate) fn bring_all(&mut self) {
        let keys: Vec<DocKey> = self.lacking.keys().cloned().collect();
        for key in &keys {
            self.bring(key);
        }
    }

    /// The sender's first input waits until the store is in use again.
    pub(crate) fn hold(&mut self, sender: Sender) {
        self.held.push(sender);
    }

    /// The store is in use again.
    pub(crate) fn release(&mut self) {
        for sender in std::mem::take(&mut self.held) {
            self.make_ready(&sender);
        }
    }

    fn make_ready(&mut self, sender: &Sender) {
        let queue = self.queues.get(sender);
        if let Some((number, _)) = queue.and_then(|queue| queue.inputs.front()) {
            self.ready.insert(*number, sender.clone());
        }
    }
}
