//! Recovery: a machine that takes the place of one that crashed, from what the driver knows without that machine.
//!
//! The host, which may have the ops that were sent, tells their outcome. Ops that were not sent were transformed and
//! composed in the lost memory alone, so they end with `ERR_CLIENT_CRASHED`. Documents are loaded again.
//!
//! What it refuses to do: read the memory of the machine that crashed.

use proxy_doc::{DocHandle, Error, Line, Seq, Submission, codes};

use crate::ProxyConnection;
use crate::requests::Requests;

/// Callback ids of one machine. An answer to an older machine must find no request of this one.
const CALLBACK_IDS: u64 = 1 << 32;

/// What the driver knows of the machines before this one.
#[derive(Clone, Copy, Debug)]
pub struct Predecessors {
    /// The number of machines that crashed.
    pub count: u32,
    /// A number above those of all ops that were sent.
    pub next_seq: Seq,
    /// A handle above those of all documents.
    pub next_handle: u32,
    /// The line that the host named last.
    pub line: Option<Line>,
}

/// The submissions of a document that had no outcome when its machine crashed.
#[derive(Clone, Debug, Default)]
pub struct Survivors {
    /// The ops that were sent, with their numbers, oldest first.
    pub sent: Vec<(Seq, Vec<Submission>)>,
    /// The submissions that were not sent, oldest first.
    pub lost: Vec<Submission>,
}

impl ProxyConnection {
    /// Takes the place of machines that crashed. Must be called before anything else.
    pub fn succeed(&mut self, predecessors: Predecessors) {
        let Predecessors {
            count,
            next_seq,
            next_handle,
            line,
        } = predecessors;
        self.session.succeed(count, line);
        self.next_seq = next_seq;
        self.next_handle = next_handle;
        self.requests = Requests::new(u64::from(count) * CALLBACK_IDS);
        // The first state that the host tells counts, whatever its binding.
        self.generation = 0;
    }

    /// Recovers a document that had a state or ops. Must be called before [`ProxyConnection::register`].
    pub fn recover(&mut self, handle: DocHandle, survivors: Survivors) {
        let message = "The client crashed before the op was sent: it is discarded";
        let error = Error::new(codes::ERR_CLIENT_CRASHED, message);
        let Survivors { sent, lost } = survivors;
        if let Some(known) = self.docs.get_mut(&handle) {
            let last = sent.last().map(|(seq, _)| *seq);
            known.sent = last.zip(self.session.line_before);
        }
        self.with_doc(handle, |doc, up| doc.recover(up, sent, lost, error));
    }
}
