//! Callers: the tab or query for which a document's machine acts, and which is answered when it has acted.
//!
//! A machine of `proxy-doc` names its callers by tokens. A token here stands for a tab's op, a tab's read, or a query that
//! takes over a result. Each token is answered once.
//!
//! What it refuses to do: answer a caller itself.

use broker::message::{CallbackId, ReadAction};
use durable_store::format::Author;
use proxy_doc::{DocHandle, Map, Submission, TabId, Token};

/// A read of one document that a tab waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PendingRead {
    /// The document.
    pub(crate) doc: DocHandle,
    /// The tab that asked.
    pub(crate) tab: TabId,
    /// The tab's number for the request.
    pub(crate) callback_id: CallbackId,
    /// Fetch, subscribe or unsubscribe.
    pub(crate) action: ReadAction,
}

/// The party on whose behalf a machine acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A tab that submitted an op.
    Op(Author),
    /// A tab that reads a document.
    Read(PendingRead),
    /// The query of this number, which takes over a result.
    Query(u64),
}

/// The callers that have not been answered, by token.
#[derive(Debug)]
pub(crate) struct Callers {
    by_token: Map<Token, Caller>,
    next_token: Token,
}

impl Default for Callers {
    fn default() -> Self {
        Self {
            by_token: Map::new(),
            next_token: Token(0),
        }
    }
}

impl Callers {
    /// Gives the caller a token.
    pub(crate) fn add(&mut self, caller: Caller) -> Token {
        let token = self.next_token;
        self.next_token = Token(token.0 + 1);
        self.by_token.insert(token, caller);
        token
    }

    /// Gives the author of an op a token; returns its submission, which asks for a callback.
    pub(crate) fn add_op(&mut self, author: Author) -> Submission {
        Submission {
            token: self.add(Caller::Op(author)),
            callback: true,
        }
    }

    /// The author of the op; `None` where the token is not of an op.
    pub(crate) fn author(&self, token: Token) -> Option<&Author> {
        match self.by_token.get(&token)? {
            Caller::Op(author) => Some(author),
            Caller::Read(_) | Caller::Query(_) => None,
        }
    }

    /// Removes the caller, which is answered now. `None`: it was answered or dropped before.
    pub(crate) fn take(&mut self, token: Token) -> Option<Caller> {
        self.by_token.remove(&token)
    }

    /// Drops the tab's reads, which are not answered any more: the tab is gone, or registers again. Its ops keep their
    /// tokens, which name their author.
    pub(crate) fn drop_reads_of(&mut self, tab: &TabId) {
        let is_read = |caller: &Caller| matches!(caller, Caller::Read(read) if read.tab == *tab);
        self.by_token.retain(|_, caller| !is_read(caller));
    }

    /// Drops the tab's reads of a document that it destroyed. A late answer would be taken for the answer to a read that
    /// the tab makes when it opens the document again.
    pub(crate) fn drop_reads(&mut self, doc: DocHandle, tab: &TabId) {
        let is_read = |caller: &Caller| matches!(caller, Caller::Read(read) if read.doc == doc && read.tab == *tab);
        self.by_token.retain(|_, caller| !is_read(caller));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxy_doc::Seq;

    fn tab(name: &str) -> TabId {
        TabId(name.to_owned())
    }

    fn read(of: &str) -> Caller {
        Caller::Read(PendingRead {
            doc: DocHandle(1),
            tab: tab(of),
            callback_id: CallbackId(1),
            action: ReadAction::Fetch,
        })
    }

    #[test]
    fn a_caller_is_answered_once() {
        let mut callers = Callers::default();
        let token = callers.add(read("a"));
        assert_eq!(callers.take(token), Some(read("a")));
        assert_eq!(callers.take(token), None);
    }

    #[test]
    fn only_ops_have_an_author() {
        let mut callers = Callers::default();
        let author = Author {
            tab: tab("a"),
            seq: Seq(3),
        };
        let op = callers.add_op(author.clone()).token;
        let read = callers.add(read("a"));
        assert_eq!(callers.author(op), Some(&author));
        assert_eq!(callers.author(read), None);
    }

    #[test]
    fn a_tab_that_leaves_takes_its_reads_along_and_leaves_its_ops() {
        let mut callers = Callers::default();
        let author = Author {
            tab: tab("a"),
            seq: Seq(1),
        };
        let op = callers.add_op(author.clone()).token;
        let own = callers.add(read("a"));
        let other = callers.add(read("b"));
        callers.drop_reads_of(&tab("a"));
        assert_eq!(callers.author(op), Some(&author));
        assert_eq!(callers.take(own), None);
        assert_eq!(callers.take(other), Some(read("b")));
    }
}
