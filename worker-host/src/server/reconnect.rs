//! When to open the next socket: exponential backoff with full jitter.
//!
//! Only for connections that open their own sockets; a socket that the application handed in is
//! the application's to replace.

/// The first delay's upper bound, in milliseconds.
pub const FIRST_DELAY_MS: u32 = 250;
/// The largest delay's upper bound, in milliseconds: a server that comes back is found within this time.
pub const MAX_DELAY_MS: u32 = 15_000;

/// The state of reconnecting.
#[derive(Debug, Default)]
pub(crate) struct Reconnect {
    attempts: u32,
}

impl Reconnect {
    /// The time to wait before the next attempt, in milliseconds. `random` is in [0, 1).
    pub(crate) fn next_delay(&mut self, random: f64) -> u32 {
        let bound = FIRST_DELAY_MS
            .saturating_mul(1 << self.attempts.min(16))
            .min(MAX_DELAY_MS);
        self.attempts += 1;
        // Half of it fixed, so that a server that refuses at once is not asked at once again.
        bound / 2 + (f64::from(bound / 2) * random) as u32
    }

    /// A connection went through: the next loss starts with the first delay again.
    pub(crate) fn succeeded(&mut self) {
        self.attempts = 0;
    }
}
