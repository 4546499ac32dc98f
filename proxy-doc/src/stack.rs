//! The stack of things still to do: the stock client's call stack, made explicit.
//!
//! ShareDB calls listeners in the middle of its functions, and a listener may call back. Here a
//! function pushes what is left to do as [`Task`]s and returns; the owner pops them. A listener's
//! call pushes its own tasks on top, and the owner drains those (down to the depth it found)
//! before it returns to the listener. The order of everything is then that of the stock client.

use crate::doc::Rollback;
use crate::{CreateData, DocHandle, Edit, Error, Json, PendingOp, Token};

/// Where an op comes from. Listeners see it as ShareDB's `source` argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A submission of this client: `source` is what the application gave with it, or `true`.
    Local(Token),
    /// Another client, or a rollback: `source` is `false`.
    Remote,
}

/// How an op ended, as its callbacks are told.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Success: the callback gets `undefined`.
    Done,
    /// Rejected with `ERR_OP_SUBMIT_REJECTED`, and taken back: the callback gets `null`.
    Null,
    /// Failed: the callback gets the error.
    Failed(Error),
}

crate::wire!(
    enum Outcome {
        Done = "done",
        Null = "null",
        Failed = "failed"(Error),
    }
);

impl Outcome {
    /// The error, if any.
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Done | Self::Null => None,
        }
    }
}

/// Something to do in the next tick (`util.nextTick`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Later {
    /// [`crate::Doc::flush`]: ops submitted in one go become one op before that.
    Flush,
    /// [`crate::Doc::handle_subscribe`] for an unsubscribe made offline.
    Unsubscribed,
}

/// What a driver has to do.
#[derive(Clone, Debug)]
pub enum Event {
    /// Emit `before op batch` and `before op`, apply the whole op, emit `op` and `op batch`.
    Apply {
        /// The op.
        edit: Edit,
        /// The op's origin.
        origin: Origin,
        /// The author's connection id.
        src: Option<String>,
    },
    /// Emit `before op batch` for a remote op whose components are applied one by one.
    BatchStart {
        /// The whole op, as it came.
        edit: Edit,
        /// The author's connection id.
        src: Option<String>,
    },
    /// Emit `before op` for this component of the batch.
    BeforeComponent {
        /// The component's place in the batch.
        index: usize,
    },
    /// Apply this component of the batch and emit `op`.
    ApplyComponent {
        /// The component's place in the batch.
        index: usize,
        /// The op to apply instead, where ops submitted by listeners transformed it.
        edit: Option<Edit>,
    },
    /// Emit `op batch`.
    BatchEnd,
    /// Set type and data and emit `create`.
    Create {
        /// The type's name or URI.
        type_name: String,
        /// The data before `type.create`.
        data: CreateData,
        /// The op's origin.
        origin: Origin,
    },
    /// Take type and data away and emit `del` with the old data.
    Del {
        /// The op's origin.
        origin: Origin,
    },
    /// Set type and data and emit `load`.
    Load {
        /// The type's URI; `None` when there is no document.
        type_name: Option<String>,
        /// The serialized data; `None` is `undefined`.
        data: Option<Json>,
    },
    /// Take type and data away, telling nobody: a hard rollback began.
    Clear {
        /// The reason.
        error: Error,
        /// The submissions of the op that the server refused.
        rejected: Vec<Token>,
        /// In the host, all ops that were given up.
        discarded: Vec<PendingOp>,
    },
    /// Call these callbacks, in order.
    Callback {
        /// The submissions' tokens. Those without a callback are among them.
        tokens: Vec<Token>,
        /// What the callbacks are given.
        outcome: Outcome,
    },
    /// Emit `no write pending`.
    NoWritePending,
    /// Emit `nothing pending`.
    NothingPending,
    /// Emit `error`.
    Error(Error),
    /// Write a warning to the log.
    Warn(String),
    /// Call back in the next tick.
    Later(Later),
    /// Send [`crate::Doc::inflight`] to the upstream.
    SendOp,
    /// Send what is pending behind it, too. Only a tab does that; see [`crate::Doc::send_ahead`].
    SendAhead,
    /// Ask the upstream for a snapshot, or the ops since [`crate::Doc::version`].
    SendFetch,
    /// The same, and for all ops to come.
    SendSubscribe,
    /// Ask the upstream to send no more.
    SendUnsubscribe,
}

/// One step still to do for a document.
#[derive(Debug)]
pub enum Task {
    /// Hand the event to the driver.
    Event(Event),
    /// A task of the owner of the documents, by its own number.
    Owner(u32),
    /// Tell the document that its upstream came or went.
    ConnectionState,
    /// The `catch` of a `try` around what is above: something thrown ends in a hard rollback.
    Catch,
    /// The rest of a remote op that is applied one component at a time.
    Components(crate::doc::Components),
    /// Compose what listeners submitted since the apply stack had this depth.
    PopApplyStack(usize),
    /// Counts a committed op in the version.
    CountVersion,
    /// Answer the callbacks of the inflight op and send the next one.
    ClearInflight(Outcome),
    /// Send the next op.
    Flush,
    /// Send the next (un)subscribe.
    FlushSubscribe,
    /// Emit `no write pending` if that is so, then [`Task::AllPending`].
    NothingPending,
    /// Emit `nothing pending` if that is so.
    AllPending,
    /// Emit an error that a missing callback left unheard.
    Unheard(Error),
    /// The state that a [`crate::Doc::refresh`] asked for has come, or an error.
    FinishRefresh(Option<Error>),
    /// Continue a hard rollback after its fetch.
    FinishRollback(Box<Rollback>, Option<Error>),
}

/// Where an exception of user code was caught.
#[derive(Debug)]
pub enum Thrown {
    /// By the `try` of this document, which rolls back hard.
    Caught(DocHandle),
    /// Nowhere: the driver throws it on.
    Uncaught,
}

/// The tasks of all documents of one owner, innermost last.
#[derive(Debug, Default)]
pub struct Stack {
    tasks: Vec<(DocHandle, Task)>,
}

impl Stack {
    /// How many tasks wait. A driver notes it before an input and drains down to it.
    pub fn depth(&self) -> usize {
        self.tasks.len()
    }

    /// Puts a task on top: it runs before everything that waits.
    pub fn push(&mut self, doc: DocHandle, task: Task) {
        self.tasks.push((doc, task));
    }

    /// The topmost task above `mark`.
    pub fn pop(&mut self, mark: usize) -> Option<(DocHandle, Task)> {
        if self.tasks.len() > mark {
            self.tasks.pop()
        } else {
            None
        }
    }

    /// User code threw: drops what the exception skips, down to the `try` around it or to `mark`.
    ///
    /// Tasks of the owner stay: a message to its upstream is nothing that a listener's fault may cost.
    pub fn unwind(&mut self, mark: usize) -> Thrown {
        let mut kept = Vec::new();
        let thrown = loop {
            match self.pop(mark) {
                None => break Thrown::Uncaught,
                Some((doc, Task::Catch)) => break Thrown::Caught(doc),
                Some((doc, task @ Task::Owner(_))) => kept.push((doc, task)),
                Some(_) => {}
            }
        };
        self.tasks.extend(kept.into_iter().rev());
        thrown
    }
}
