//! Notices a dead connection that was never closed: a proxy drops messages, a cable was pulled, a machine slept.
//!
//! A ShareDB server answers every message. Some time after a message was sent the server is pinged; a socket on which
//! nothing arrives until the ping's deadline is given up. A server that is sent nothing is pinged when it has been quiet
//! for some time: a client that only reads must notice a dead socket, too.

/// Milliseconds in which a socket has to open, and the server to answer the handshake.
const OPENING_MS: u32 = 30_000;
/// Milliseconds after a message was sent until the server is pinged.
const QUIET_MS: u32 = 10_000;
/// Milliseconds between two checks of a socket that owes nothing. If nothing arrived in between, the server is pinged.
pub const IDLE_MS: u32 = 25_000;
/// Milliseconds in which a message has to arrive after a ping. A pong may wait behind a large snapshot on a slow line, so
/// this doubles with each socket in a row that was given up, at most [`MAX_DOUBLINGS`] times.
const ANSWER_MS: u32 = 10_000;
/// As [`ANSWER_MS`], where there is a reason to doubt the socket: the network changed, or the machine slept.
const WOKEN_ANSWER_MS: u32 = 4_000;
/// How often [`ANSWER_MS`] doubles at most: up to 320 s.
const MAX_DOUBLINGS: u32 = 5;

/// Whether the server is known to hear us.
#[derive(Debug, Default)]
pub(crate) struct Liveness {
    wait: Wait,
    /// Sockets in a row that were given up, with no pong in between.
    given_up: u32,
}

/// The answer that the socket owes the host.
#[derive(Debug, Default, PartialEq, Eq)]
enum Wait {
    /// There is no socket, or it is not watched.
    #[default]
    NoSocket,
    /// No answer: the socket is checked from time to time.
    Nothing {
        /// A message arrived since the last check.
        heard: bool,
    },
    /// To open, and the answer to the handshake.
    Opening,
    /// A message was sent, and no ping behind it.
    Sent,
    /// Answers to pings.
    Pong {
        /// Pings without a pong. Each doubt sends one, and the pong of an earlier ping says nothing of later messages.
        pings: u32,
        /// Another message arrived since.
        heard: bool,
        /// A message was sent behind the ping.
        sent: bool,
    },
}

impl Wait {
    /// Notes that a ping goes out now.
    fn pinged(&mut self) {
        let before = match self {
            Self::Pong { pings, .. } => *pings,
            Self::NoSocket | Self::Nothing { .. } | Self::Opening | Self::Sent => 0,
        };
        *self = Self::Pong {
            pings: before + 1,
            heard: false,
            sent: false,
        };
    }
}

/// The next step when the time is over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Fine,
    /// Look again after so many milliseconds.
    Wait(u32),
    /// Ping the server, and look again after so many milliseconds.
    Ping(u32),
    /// The socket is dead.
    GiveUp,
}

impl Liveness {
    /// Notes a new socket. Returns the milliseconds until `time_over`.
    pub(crate) fn opening(&mut self) -> u32 {
        self.wait = Wait::Opening;
        OPENING_MS
    }

    /// Notes that the handshake is done. Returns the milliseconds until `time_over`.
    pub(crate) fn opened(&mut self) -> u32 {
        self.wait = Wait::Nothing { heard: false };
        IDLE_MS
    }

    /// Notes that the socket is gone.
    pub(crate) fn closed(&mut self) {
        self.wait = Wait::NoSocket;
    }

    /// Notes a sent message. Returns the milliseconds until `time_over`, where a new wait begins.
    pub(crate) fn sent(&mut self) -> Option<u32> {
        match &mut self.wait {
            Wait::Nothing { .. } => {
                self.wait = Wait::Sent;
                return Some(QUIET_MS);
            }
            Wait::Pong { sent, .. } => *sent = true,
            Wait::NoSocket | Wait::Opening | Wait::Sent => {}
        }
        None
    }

    /// Notes a message of the server.
    pub(crate) fn heard(&mut self) {
        if let Wait::Pong { heard, .. } | Wait::Nothing { heard } = &mut self.wait {
            *heard = true;
        }
    }

    /// Notes a pong. Returns the milliseconds until `time_over`, where a new wait begins.
    pub(crate) fn answered(&mut self) -> Option<u32> {
        self.given_up = 0;
        let Wait::Pong { pings, sent, .. } = &mut self.wait else {
            return None;
        };
        *pings -= 1;
        if *pings > 0 {
            return None;
        }
        let (wait, delay) = match sent {
            true => (Wait::Sent, QUIET_MS),
            false => (Wait::Nothing { heard: false }, IDLE_MS),
        };
        self.wait = wait;
        Some(delay)
    }

    /// Doubts the socket, if there is one. `is_connected`: the handshake is done.
    pub(crate) fn doubt(&mut self, is_connected: bool) -> Verdict {
        if !is_connected {
            return Verdict::Fine;
        }
        self.wait.pinged();
        Verdict::Ping(WOKEN_ANSWER_MS << self.given_up)
    }

    /// Decides what follows now that the time named last is over.
    pub(crate) fn time_over(&mut self) -> Verdict {
        let patience = ANSWER_MS << self.given_up;
        match &mut self.wait {
            Wait::NoSocket => Verdict::Fine,
            Wait::Nothing { heard } if *heard => {
                *heard = false;
                Verdict::Wait(IDLE_MS)
            }
            Wait::Nothing { .. } | Wait::Sent => {
                self.wait.pinged();
                Verdict::Ping(patience)
            }
            Wait::Pong { heard, .. } if *heard => {
                *heard = false;
                Verdict::Wait(patience)
            }
            Wait::Pong { .. } => {
                self.given_up = (self.given_up + 1).min(MAX_DOUBLINGS);
                self.give_up()
            }
            Wait::Opening => self.give_up(),
        }
    }

    fn give_up(&mut self) -> Verdict {
        self.wait = Wait::NoSocket;
        Verdict::GiveUp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Connected, and something was sent.
    fn sent() -> Liveness {
        let mut liveness = Liveness::default();
        liveness.opening();
        liveness.opened();
        assert_eq!(liveness.sent(), Some(QUIET_MS));
        liveness
    }

    #[test]
    fn a_server_that_says_nothing_by_itself_is_pinged() {
        let mut liveness = Liveness::default();
        liveness.opening();
        assert_eq!(liveness.opened(), IDLE_MS);
        assert_eq!(liveness.time_over(), Verdict::Ping(ANSWER_MS));
        assert_eq!(liveness.answered(), Some(IDLE_MS));
        assert_eq!(liveness.time_over(), Verdict::Ping(ANSWER_MS));
        assert_eq!(liveness.time_over(), Verdict::GiveUp);
    }

    #[test]
    fn a_server_that_says_something_by_itself_is_not_pinged() {
        let mut liveness = Liveness::default();
        liveness.opening();
        liveness.opened();
        liveness.heard();
        assert_eq!(liveness.time_over(), Verdict::Wait(IDLE_MS));
        assert_eq!(
            liveness.time_over(),
            Verdict::Ping(ANSWER_MS),
            "quiet since"
        );
    }

    #[test]
    fn what_was_sent_is_followed_by_one_ping() {
        let mut liveness = sent();
        assert_eq!(liveness.sent(), None, "the wait has begun");
        assert_eq!(liveness.time_over(), Verdict::Ping(ANSWER_MS));
        assert_eq!(liveness.answered(), Some(IDLE_MS));
        assert_eq!(liveness.sent(), Some(QUIET_MS), "the next round");
    }

    #[test]
    fn what_was_sent_behind_the_ping_is_followed_by_the_next_one() {
        let mut liveness = sent();
        liveness.time_over();
        assert_eq!(liveness.sent(), None, "a pong is waited for");
        assert_eq!(liveness.answered(), Some(QUIET_MS));
        assert_eq!(liveness.time_over(), Verdict::Ping(ANSWER_MS));
    }

    #[test]
    fn a_socket_on_which_nothing_comes_is_given_up() {
        let mut liveness = sent();
        // An answer that came before the ping says nothing of the time since.
        liveness.heard();
        assert_eq!(liveness.time_over(), Verdict::Ping(ANSWER_MS));
        assert_eq!(liveness.time_over(), Verdict::GiveUp);
        assert_eq!(liveness.time_over(), Verdict::Fine, "there is no socket");
    }

    #[test]
    fn a_pong_is_waited_for_while_something_comes() {
        let mut liveness = sent();
        liveness.time_over();
        liveness.heard();
        assert_eq!(liveness.time_over(), Verdict::Wait(ANSWER_MS));
        assert_eq!(liveness.time_over(), Verdict::GiveUp);
    }

    #[test]
    fn patience_doubles_until_a_pong_comes() {
        let mut liveness = Liveness::default();
        for doublings in [0, 1, 2, 3, 4, 5, 5] {
            liveness.opening();
            liveness.opened();
            liveness.sent();
            assert_eq!(liveness.time_over(), Verdict::Ping(ANSWER_MS << doublings));
            assert_eq!(liveness.time_over(), Verdict::GiveUp);
        }
        liveness.opening();
        liveness.opened();
        liveness.sent();
        liveness.time_over();
        liveness.answered();
        liveness.sent();
        assert_eq!(liveness.time_over(), Verdict::Ping(ANSWER_MS));
    }

    #[test]
    fn a_socket_that_does_not_open_is_given_up() {
        let mut liveness = Liveness::default();
        assert_eq!(liveness.opening(), OPENING_MS);
        assert_eq!(liveness.sent(), None, "the handshake");
        assert_eq!(liveness.time_over(), Verdict::GiveUp);
    }

    #[test]
    fn the_pong_of_an_earlier_ping_says_nothing_of_what_was_sent_since() {
        let mut liveness = sent();
        liveness.time_over();
        liveness.sent();
        assert_eq!(liveness.doubt(true), Verdict::Ping(WOKEN_ANSWER_MS));
        assert_eq!(liveness.answered(), None);
        liveness.heard();
        assert_eq!(liveness.time_over(), Verdict::Wait(ANSWER_MS));
        assert_eq!(liveness.time_over(), Verdict::GiveUp);
    }

    #[test]
    fn a_doubt_is_answered_soon() {
        let mut liveness = Liveness::default();
        assert_eq!(liveness.doubt(false), Verdict::Fine, "nobody to ask");
        liveness.opening();
        liveness.opened();
        assert_eq!(liveness.doubt(true), Verdict::Ping(WOKEN_ANSWER_MS));
        assert_eq!(liveness.time_over(), Verdict::GiveUp);
    }
}
