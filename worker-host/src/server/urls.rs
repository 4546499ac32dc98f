//! The URL of the next socket. If the application's `url` is a function, a living tab is asked before each socket, so that
//! a token in the URL is fresh: a visible tab first, and another one where that one does not answer.
//!
//! What it refuses to do: read a URL.

use proxy_doc::TabId;

/// Milliseconds in which a tab has to give a URL: it may have to renew a token first.
pub(crate) const URL_MS: u32 = 15_000;

/// The tabs that can be asked for a URL, and the one that was.
#[derive(Debug)]
pub(crate) struct Urls {
    /// The driver has a URL that stays the same.
    has_own: bool,
    /// The tabs that can be asked, oldest first, and whether each is visible.
    givers: Vec<(TabId, bool)>,
    /// Number of the socket that a URL is wanted for. An answer names it.
    round: u64,
    want: Want,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Want {
    /// No URL is wanted.
    #[default]
    Nothing,
    /// A URL is wanted, and no tab can be asked.
    Giver,
    /// The answer of the last of these tabs is awaited; the others were asked before it.
    Answer(Vec<TabId>),
    /// No tab gave a URL: the next attempt comes later.
    Later,
}

/// The next step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Open a socket to the driver's own URL.
    Open,
    /// Ask this tab, for the socket of this number.
    Ask(TabId, u64),
    /// Wait for a tab that can be asked.
    Wait,
    /// No tab gave an answer.
    Fail,
}

impl Urls {
    pub(crate) fn new(has_own: bool) -> Self {
        Self {
            has_own,
            givers: Vec::new(),
            round: 0,
            want: Want::Nothing,
        }
    }

    /// Begins the search of a URL for a new socket.
    pub(crate) fn begin(&mut self) -> Next {
        self.round += 1;
        self.ask(Vec::new())
    }

    /// Notes that the driver has a URL of its own. Returns the next step, if any.
    pub(crate) fn have_own(&mut self) -> Option<Next> {
        self.has_own = true;
        (self.want == Want::Giver).then(|| self.ask(Vec::new()))
    }

    /// Notes that the tab can be asked, and whether it is visible. Returns the next step, if any.
    pub(crate) fn offer(&mut self, tab: &TabId, is_visible: bool) -> Option<Next> {
        match self.givers.iter_mut().find(|(giver, _)| giver == tab) {
            Some((_, known)) => *known = is_visible,
            None => self.givers.push((tab.clone(), is_visible)),
        }
        (self.want == Want::Giver).then(|| self.ask(Vec::new()))
    }

    /// Notes that the tab cannot be asked any more. Returns the next step, if any.
    pub(crate) fn withdraw(&mut self, tab: &TabId) -> Option<Next> {
        self.givers.retain(|(giver, _)| giver != tab);
        match &self.want {
            Want::Answer(asked) if asked.last() == Some(tab) => self.time_over(),
            Want::Nothing | Want::Giver | Want::Answer(_) | Want::Later => None,
        }
    }

    /// Ends the wait for the answer for the socket of this number. `false`: no such answer is awaited.
    pub(crate) fn take_answer(&mut self, round: u64) -> bool {
        let is_wanted = round == self.round && matches!(self.want, Want::Answer(_));
        if is_wanted {
            self.want = Want::Nothing;
        }
        is_wanted
    }

    /// Puts the next attempt off, since there is no URL for this socket.
    pub(crate) fn put_off(&mut self) {
        self.want = Want::Later;
    }

    /// Takes the note that the next attempt was put off. Returns whether there was one.
    pub(crate) fn take_put_off(&mut self) -> bool {
        let is_later = self.want == Want::Later;
        if is_later {
            self.want = Want::Nothing;
        }
        is_later
    }

    /// Asks the next tab, since the time for an answer is over. `None`: no answer was awaited.
    pub(crate) fn time_over(&mut self) -> Option<Next> {
        let Want::Answer(asked) = &mut self.want else {
            return None;
        };
        let asked = std::mem::take(asked);
        Some(self.ask(asked))
    }

    /// Ends the search: no socket is wanted.
    pub(crate) fn stop(&mut self) {
        self.want = Want::Nothing;
    }

    fn ask(&mut self, mut asked: Vec<TabId>) -> Next {
        let mut left = self.givers.iter().filter(|(tab, _)| !asked.contains(tab));
        let visible = left.clone().find(|(_, is_visible)| *is_visible);
        if let Some((tab, _)) = visible.or_else(|| left.next()) {
            let tab = tab.clone();
            asked.push(tab.clone());
            self.want = Want::Answer(asked);
            return Next::Ask(tab, self.round);
        }
        let (want, next) = match (asked.is_empty(), self.has_own) {
            (false, _) if !self.givers.is_empty() => (Want::Nothing, Next::Fail),
            (_, true) => (Want::Nothing, Next::Open),
            (_, false) => (Want::Giver, Next::Wait),
        };
        self.want = want;
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tab(name: &str) -> TabId {
        TabId(name.to_owned())
    }

    fn asks(name: &str, round: u64) -> Next {
        Next::Ask(tab(name), round)
    }

    #[test]
    fn without_tabs_that_give_urls_the_own_one_is_used() {
        assert_eq!(Urls::new(true).begin(), Next::Open);
    }

    #[test]
    fn the_first_tab_that_can_be_asked_is_waited_for() {
        let mut urls = Urls::new(false);
        assert_eq!(urls.begin(), Next::Wait);
        assert_eq!(urls.offer(&tab("a"), false), Some(asks("a", 1)));
        assert_eq!(urls.offer(&tab("b"), true), None, "one is asked");
    }

    #[test]
    fn a_visible_tab_is_asked_first_and_for_each_socket_anew() {
        let mut urls = Urls::new(true);
        urls.offer(&tab("a"), false);
        urls.offer(&tab("b"), true);
        assert_eq!(urls.begin(), asks("b", 1));
        assert!(urls.take_answer(1));
        assert!(!urls.take_answer(1), "once");
        urls.offer(&tab("b"), false);
        assert_eq!(urls.begin(), asks("a", 2), "the oldest one");
        assert!(!urls.take_answer(1), "an answer for an earlier socket");
    }

    #[test]
    fn another_tab_is_asked_where_one_is_silent_or_gone() {
        let mut urls = Urls::new(false);
        for name in ["a", "b", "c"] {
            urls.offer(&tab(name), true);
        }
        assert_eq!(urls.begin(), asks("a", 1));
        assert_eq!(urls.time_over(), Some(asks("b", 1)));
        assert_eq!(urls.withdraw(&tab("a")), None, "it is not waited for");
        assert_eq!(urls.withdraw(&tab("b")), Some(asks("c", 1)));
        assert_eq!(urls.time_over(), Some(Next::Fail));
        assert_eq!(urls.time_over(), None);
    }

    #[test]
    fn a_late_answer_counts() {
        let mut urls = Urls::new(false);
        urls.offer(&tab("a"), true);
        urls.offer(&tab("b"), true);
        urls.begin();
        urls.time_over();
        assert!(urls.take_answer(1), "of the first one");
    }

    #[test]
    fn when_the_last_tab_that_was_asked_goes_the_next_one_is_waited_for() {
        let mut urls = Urls::new(false);
        urls.offer(&tab("a"), true);
        urls.begin();
        assert_eq!(urls.withdraw(&tab("a")), Some(Next::Wait));
        assert_eq!(urls.offer(&tab("b"), true), Some(asks("b", 1)));
        assert_eq!(urls.have_own(), None);
        assert_eq!(urls.withdraw(&tab("b")), Some(Next::Open));
    }

    #[test]
    fn an_attempt_is_put_off_once() {
        let mut urls = Urls::new(false);
        urls.put_off();
        assert!(urls.take_put_off());
        assert!(!urls.take_put_off());
    }
}
