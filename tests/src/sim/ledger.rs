//! Every call that an application made with a callback or an op, and how it ended.

use proxy_doc::{Outcome, Token};

/// What was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// An edit or a create; its marker is in what was submitted.
    Marked(String),
    /// An edit without a place for a marker, or one that does not apply.
    Unmarked,
    /// A delete.
    Del,
    /// A fetch, subscribe, unsubscribe or ingest.
    Read,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Well.
    Done,
    /// Softly rejected.
    Null,
    /// With an error, given as text.
    Failed(String),
}

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) tab: usize,
    pub(super) doc: usize,
    pub(super) what: What,
    pub(super) end: Option<End>,
}

/// All calls of all tabs; a token is a place in it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) calls: Vec<Call>,
    /// What went wrong so far.
    pub(super) problems: Vec<String>,
    /// Whether an error is a problem.
    pub(super) no_errors: bool,
}

impl Ledger {
    pub(super) fn call(&mut self, tab: usize, doc: usize, what: What) -> Token {
        self.calls.push(Call {
            tab,
            doc,
            what,
            end: None,
        });
        Token(self.calls.len() as u64 - 1)
    }

    /// A token for a marked op, and its marker.
    pub(super) fn mark(&mut self, tab: usize, doc: usize) -> (Token, String) {
        let mark = format!("m{}", self.calls.len());
        let token = self.call(tab, doc, What::Marked(mark.clone()));
        (token, mark)
    }

    pub(super) fn answered(&mut self, token: Token, outcome: &Outcome) {
        let end = match outcome {
            Outcome::Done => End::Done,
            Outcome::Null => End::Null,
            Outcome::Failed(error) => End::Failed(error.to_string()),
        };
        let Some(call) = self.calls.get_mut(token.0 as usize) else {
            return self
                .problems
                .push(format!("callback of an unknown token {token}"));
        };
        if let Some(before) = &call.end {
            let text = format!("callback {token} fired twice: {before:?}, then {end:?} ({call:?})");
            return self.problems.push(text);
        }
        call.end = Some(end);
        if let (true, Outcome::Failed(error)) = (self.no_errors, outcome) {
            let text = format!("callback {token} failed: {error}");
            self.problems.push(text);
        }
    }

    /// Something that may only happen where faults are expected to cost something.
    pub(super) fn error(&mut self, text: impl FnOnce() -> String) {
        if self.no_errors {
            self.problems.push(text());
        }
    }

    /// Something that may never happen.
    pub(super) fn problem(&mut self, text: String) {
        self.problems.push(text);
    }
}
