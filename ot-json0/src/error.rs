//! The one error type: a message, worded as npm ot-json0 (or the JavaScript engine below it) words it.

use std::fmt;

/// Why an operation could not be read, applied, composed or transformed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// ot-json0's message where it throws one; a lone surrogate in it is replaced by U+FFFD.
    pub message: String,
}

impl Error {
    pub(crate) fn new(message: &str) -> Error {
        Error::join(&[message])
    }

    pub(crate) fn join(parts: &[&str]) -> Error {
        let message = parts.concat();
        Error { message }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
