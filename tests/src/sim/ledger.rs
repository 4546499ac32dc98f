//! Every call that an application made with a callback or an op, and how it ended.

use std::collections::BTreeSet;

use proxy_doc::{DocKey, Error, Outcome, TabId, Token, codes};

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
    /// Success: the callback got `undefined`.
    Done,
    /// Soft rejection: the callback got `null`.
    Null,
    /// Failure, with the error's text.
    Failed(String),
}

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) tab: usize,
    pub(super) doc: usize,
    pub(super) what: What,
    pub(super) end: Option<End>,
    /// Its tab went with the op on its way to the host, where it arrived.
    pub(super) left: bool,
    /// Nobody is to hear of its end.
    pub(super) given_up: bool,
}

/// All calls of all tabs; a token is a place in it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) calls: Vec<Call>,
    /// What went wrong so far.
    pub(super) problems: Vec<String>,
    /// Whether an error is a problem.
    pub(super) no_errors: bool,
    /// A host died that could not write things down: it may have taken ops with it.
    pub(super) losses: bool,
    /// What happened.
    pub(super) census: BTreeSet<&'static str>,
    /// Ops that a machine had not sent when it crashed: they end with `ERR_CLIENT_CRASHED`, and no other does.
    pub(super) crashed: BTreeSet<Token>,
    /// Ops that it had sent: where a host dies, too, nobody may know of them any more.
    pub(super) recovered: BTreeSet<Token>,
    /// Tabs without which a host took over: what they were shown may be void.
    pub(super) slept: BTreeSet<usize>,
    /// Tabs whose ops may be void with that: they came last with ops of others that they were shown early.
    pub(super) risks: BTreeSet<usize>,
    /// Ops that ended with `ERR_REVISION_NOT_KEPT` in tabs without which a host took over, by document: a problem, unless the
    /// server has refused an op of the document, which their state may have been built on.
    pub(super) given_up: Vec<(usize, String)>,
    /// Documents that a tab has created.
    pub(super) created: BTreeSet<usize>,
    /// Documents that tabs have destroyed, or whose state they have given up.
    pub(super) destroyed: Vec<(TabId, DocKey)>,
}

/// Whether the op was based on a query's result that was not the host's state any more when the tab asked for the document: the
/// host was forgetting it.
pub(super) fn is_of_a_result(error: &Error) -> bool {
    error.is(codes::ERR_REVISION_NOT_KEPT)
        && error.message == "The result of a query is not the host's state any more"
}

/// The errors of an op that went down with a host, or that no storage would take.
fn is_loss(error: &Error) -> bool {
    let losses = [
        codes::ERR_HOST_LOST,
        codes::ERR_STORAGE,
        codes::ERR_STORAGE_FULL,
        codes::ERR_STORAGE_TIMEOUT,
    ];
    losses.iter().any(|code| error.is(code))
}

impl Ledger {
    pub(super) fn call(&mut self, tab: usize, doc: usize, what: What) -> Token {
        self.calls.push(Call {
            tab,
            doc,
            what,
            end: None,
            left: false,
            given_up: false,
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
        if call.given_up {
            let text = format!("callback {token} of what is gone: {end:?} ({call:?})");
            return self.problems.push(text);
        }
        call.end = Some(end);
        let is_crash =
            matches!(outcome, Outcome::Failed(error) if error.is(codes::ERR_CLIENT_CRASHED));
        if is_crash && !self.crashed.contains(&token) {
            let text = format!("callback {token} of an op that was sent: {outcome:?}");
            return self.problems.push(text);
        }
        let (tab, doc) = (call.tab, call.doc);
        let has_slept = self.slept.contains(&tab);
        // Without sleep this code only says that the server refused what the state was built on.
        let is_given_up = |error: &Error| has_slept && error.is(codes::ERR_REVISION_NOT_KEPT);
        let is_over = |error: &Error| is_loss(error) || is_given_up(error);
        let is_removed =
            matches!(outcome, Outcome::Failed(error) if error.is(codes::ERR_DOC_NOT_IN_CONNECTION));
        let may_lose = has_slept && self.risks.contains(&tab);
        let costs = matches!(outcome, Outcome::Failed(error) if may_lose && is_over(error));
        self.count(costs, "a tab that slept lost an op");
        let is_known = self.crashed.contains(&token) || self.recovered.contains(&token);
        let is_discarded = |error: &Error| error.is(codes::ERR_REVISION_NOT_KEPT);
        if let Outcome::Failed(error) = outcome
            && !(is_known && (is_crash || is_loss(error) || is_discarded(error)))
            && !(may_lose && is_over(error))
            && !is_of_a_result(error)
            && !is_removed
            && (self.no_errors || (is_over(error) && !self.losses))
        {
            let text = format!("callback {token} failed: {error}");
            if !self.no_errors && is_given_up(error) {
                self.given_up.push((doc, text));
            } else {
                self.problems.push(text);
            }
        }
    }

    /// The application gave up what it waits for: nobody is to be told of its end.
    pub(super) fn give_up(&mut self, token: Token) {
        if let Some(call) = self.calls.get_mut(token.0 as usize) {
            call.given_up = call.end.is_none();
        }
    }

    /// Something that may only happen where faults are expected to cost something.
    pub(super) fn error(&mut self, text: impl FnOnce() -> String) {
        if self.no_errors {
            self.problems.push(text());
        }
    }

    /// Notes that something happened.
    pub(super) fn count(&mut self, happened: bool, what: &'static str) {
        if happened {
            self.census.insert(what);
        }
    }

    /// A host took over without the tab.
    pub(super) fn sleep(&mut self, tab: usize) {
        self.slept.insert(tab);
        self.no_errors = false;
    }

    /// The tab comes to a host. `risks`: its ops may be lost if a takeover passes it over, or has done so.
    pub(super) fn come(&mut self, tab: usize, risks: bool) {
        if risks {
            self.risks.insert(tab);
        } else {
            self.risks.remove(&tab);
        }
    }

    /// From now on ops may be lost.
    pub(super) fn lose(&mut self) {
        self.losses = true;
        self.no_errors = false;
    }

    /// Something that may never happen.
    pub(super) fn problem(&mut self, text: String) {
        self.problems.push(text);
    }
}
