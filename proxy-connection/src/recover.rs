//! The tab's machine crashed, and this is the next one: what the driver knows of the tab without the machine, and what is
//! made of it. The ops that were sent get their end from the host, which may have them. Those that were not sent were
//! transformed and composed in the lost memory alone, so they end with `ERR_CLIENT_CRASHED`. Documents load anew.
//!
//! What it refuses to do: read the memory of the machine that crashed.

use proxy_doc::{DocHandle, Error, Seq, Submission, codes};

use crate::ProxyConnection;

/// Callback ids of one machine. An answer to an older one must find no question here.
const CALLBACK_IDS: u64 = 1 << 32;

/// What is known of the machines before this one.
#[derive(Clone, Copy, Debug)]
pub struct Predecessors {
    /// How many there were.
    pub count: u32,
    /// Above all numbers of ops that were sent.
    pub next_seq: Seq,
    /// Above all numbers of documents.
    pub next_handle: u32,
    /// The history that the host named last.
    pub line: Option<u64>,
}

/// What is known of a document that a machine held.
#[derive(Clone, Debug, Default)]
pub struct Survivors {
    /// The ops that were posted and have no end, oldest first.
    pub sent: Vec<(Seq, Vec<Submission>)>,
    /// What was submitted and not sent, oldest first.
    pub lost: Vec<Submission>,
}

impl ProxyConnection {
    /// This machine takes the place of others that crashed. To be called first of all.
    pub fn succeed(&mut self, predecessors: Predecessors) {
        let Predecessors {
            count,
            next_seq,
            next_handle,
            line,
        } = predecessors;
        self.machine = count;
        self.line_before = line;
        self.next_seq = next_seq;
        self.next_handle = next_handle;
        self.next_callback = u64::from(count) * CALLBACK_IDS;
        // Every state that the host names is news.
        self.generation = 0;
    }

    /// A document of the machine before had state or ops. To be called before [`ProxyConnection::register`].
    pub fn recover(&mut self, handle: DocHandle, survivors: Survivors) {
        let message = "The client crashed before the op was sent: it is discarded";
        let error = Error::new(codes::ERR_CLIENT_CRASHED, message);
        let Survivors { sent, lost } = survivors;
        if let Some(known) = self.docs.get_mut(&handle) {
            let last = sent.last().map(|(seq, _)| *seq);
            known.sent = last.zip(self.line_before);
        }
        self.with_doc(handle, |doc, up| doc.recover(up, sent, lost, error));
    }
}
