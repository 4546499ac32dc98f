//! Reads in turns: how many documents a tab asks its host for at once.
//!
//! What a tab has asked for stands before every keystroke: in the host, in the host's store, on the host's one socket, in
//! the port to the tab and in the tab itself. So a tab that opens thousands of documents asks for a window of them, counted
//! in the bytes that they are expected to bring, and for more as it has processed the answers. That is its credit: a tab that
//! stands still asks for nothing, and nothing piles up for it.
//!
//! What it refuses to do: count ops, of which a document has one at a time on its way.

use broker::message::{CallbackId, Read, ReadAction, ToHost, encode};
use proxy_doc::{DocHandle, Fifo, Map};

use crate::{ProxyConnection, Request, TabEvent};

/// Bytes that may be on their way to a tab, about: half of what the host's store writes at once. A server that answers after
/// 100 ms gives five megabytes a second then.
const WINDOW: usize = 512 * 1024;
/// Bytes of one answer that brings many documents, about: the tab takes it without a pause.
const PART: usize = WINDOW / 2;
/// Documents in one answer, however short they are.
const MAX_PART: usize = 512;
/// The length of a document's snapshot while none has come.
const FIRST_AVERAGE: usize = 32 * 1024;
/// What an answer costs however short it is, in bytes that take as long.
const ANSWER: usize = 1024;
/// So many answers ago a length counts for little in the average.
const MEMORY: usize = 8;

/// A read that was not sent yet. What it says of the document is written when it is sent.
#[derive(Debug)]
struct Waiting {
    doc: DocHandle,
    action: ReadAction,
    /// It was called between `startBulk` and `endBulk`.
    in_bulk: bool,
    /// The tab has a state, and only subscribes again.
    resumes: bool,
}

/// The reads of a tab, sent and to be sent.
#[derive(Debug)]
pub(crate) struct Turns {
    window: usize,
    /// The document of each read that is on its way, and what it is expected to bring.
    under_way: Map<CallbackId, (DocHandle, usize)>,
    /// All of that.
    expected: usize,
    /// Oldest first: reads of one document keep their order.
    waiting: Fifo<Waiting>,
    /// The window was half empty, and is being filled.
    is_filling: bool,
    /// Bytes of a snapshot: the average, in which later ones count more.
    average: usize,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            window: WINDOW,
            under_way: Map::new(),
            expected: 0,
            waiting: Fifo::new(),
            is_filling: false,
            average: FIRST_AVERAGE,
        }
    }
}

impl Turns {
    /// Whether one more read may be sent.
    fn has_room(&self) -> bool {
        self.under_way.is_empty() || self.expected + ANSWER <= self.window
    }

    fn begin(&mut self, callback_id: CallbackId, doc: DocHandle, has_state: bool) {
        // A tab with a state gets the ops that it lacks.
        let bytes = ANSWER + if has_state { 0 } else { self.average };
        self.expected += bytes;
        self.under_way.insert(callback_id, (doc, bytes));
    }

    /// The host has answered, with a snapshot of about so many bytes or without one.
    pub(crate) fn end(&mut self, callback_id: CallbackId, snapshot: Option<usize>) {
        let ended = self.under_way.remove(&callback_id);
        self.expected -= ended.map_or(0, |(_, bytes)| bytes);
        if let Some(bytes) = snapshot {
            self.learn(bytes);
        }
    }

    /// A snapshot had so many bytes.
    pub(crate) fn learn(&mut self, bytes: usize) {
        self.average = (self.average * (MEMORY - 1) + bytes) / MEMORY;
    }

    /// How many documents one answer should bring.
    pub(crate) fn part(&self) -> usize {
        let part = PART.min(self.window) / (self.average + ANSWER);
        part.clamp(1, MAX_PART)
    }

    /// The tab forgets the document: the host need not answer what was asked for it.
    pub(crate) fn forget_doc(&mut self, doc: DocHandle) {
        let expected = &mut self.expected;
        self.under_way.retain(|_, (of, bytes)| {
            let stays = *of != doc;
            *expected -= if stays { 0 } else { *bytes };
            stays
        });
    }

    /// Nothing that was asked for is waited for any more: what is asked for from now on may have its answer at once.
    pub(crate) fn forget_sent(&mut self) {
        self.under_way.clear();
        self.expected = 0;
    }

    /// Another host knows nothing of what was asked for. Documents ask again.
    pub(crate) fn clear(&mut self) {
        self.forget_sent();
        self.waiting.clear();
    }

    /// Whether reads wait.
    pub(crate) fn any_waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The next read whose turn it is. `in_bulk`: only one of a bulk.
    fn next(&mut self, in_bulk: bool) -> Option<Waiting> {
        self.is_filling |= self.expected <= self.window / 2;
        self.is_filling &= self.has_room();
        if !self.is_filling {
            return None;
        }
        self.waiting.pop_front_if(|next| next.in_bulk || !in_bulk)
    }
}

impl ProxyConnection {
    /// Bytes of documents that may be on their way to this tab, about.
    pub fn limit_reads(&mut self, window: usize) {
        self.turns.window = window;
    }

    /// Sends a read of a document, or collects it for a bulk; later, where as much is on its way as may be.
    pub(crate) fn send_read(&mut self, handle: DocHandle, action: ReadAction) -> Option<TabEvent> {
        let known = self.docs.get(&handle)?;
        let (in_bulk, resumes) = (self.bulk.is_some(), known.doc.resuming());
        if self.turns.any_waits() || !self.turns.has_room() {
            if let Some(known) = self.docs.get_mut(&handle)
                && action != ReadAction::Fetch
            {
                known.subscribe_sent = None;
            }
            self.turns.waiting.push_back(Waiting {
                doc: handle,
                action,
                in_bulk,
                resumes,
            });
            return None;
        }
        let read = self.begin_read(handle, action, in_bulk && resumes)?;
        self.say_read(read)
    }

    /// The message that asks for a read; none where it is collected for a bulk.
    pub(crate) fn say_read(&mut self, read: Read) -> Option<TabEvent> {
        match &mut self.bulk {
            Some(reads) => {
                reads.push(read);
                None
            }
            None => Some(TabEvent::ToHost(encode(&ToHost::Read(read)))),
        }
    }

    /// Sends the next reads that waited, if it is their turn. Returns whether there were any.
    pub(crate) fn send_next_reads(&mut self) -> bool {
        if !self.session.is_welcomed() || self.left {
            return false;
        }
        let mut reads = Vec::new();
        while let Some(next) = self.turns.next(!reads.is_empty()) {
            if !self.is_wanted(&next) {
                continue;
            }
            let resumes = next.in_bulk && next.resumes;
            let Some(read) = self.begin_read(next.doc, next.action, resumes) else {
                continue;
            };
            if !next.in_bulk {
                self.tell_host(&ToHost::Read(read));
                return true;
            }
            reads.push(read);
        }
        let any = !reads.is_empty();
        if any {
            self.tell_host(&ToHost::Bulk { reads });
        }
        any
    }

    /// Whether the document still asks for this: it asks anew after a loss of the connection.
    fn is_wanted(&self, Waiting { doc, action, .. }: &Waiting) -> bool {
        let known = self.docs.get(doc);
        known.is_some_and(|known| match action {
            ReadAction::Fetch => known.doc.fetches() > 0,
            ReadAction::Subscribe => known.doc.asks(true),
            ReadAction::Unsubscribe => true,
        })
    }

    fn begin_read(&mut self, handle: DocHandle, action: ReadAction, resumes: bool) -> Option<Read> {
        let life = self.docs.get(&handle)?.doc.life();
        let request = Request::Read {
            doc: handle,
            action,
            life,
        };
        let read = self.read(handle, action, resumes, request)?;
        let is_short = read.revision.is_some() || action == ReadAction::Unsubscribe;
        self.turns.begin(read.callback_id, handle, is_short);
        Some(read)
    }
}
