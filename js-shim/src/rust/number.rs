//! Numbers that JavaScript hands over.

use proxy_doc::MAX_COUNT;

/// A count that JavaScript gave; what is none becomes the nearest one.
pub(crate) fn count(number: f64) -> u64 {
    (number as u64).min(MAX_COUNT)
}
