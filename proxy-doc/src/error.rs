//! Errors with ShareDB's codes.

use std::fmt;

use crate::{Json, ReadJson, Reader, WriteJson, present};

/// An error as an application sees it: a `code` to act on and a `message` to read.
#[derive(Clone, Debug, Default)]
pub struct Error {
    /// One of [`codes`], a server's own code, or nothing.
    pub code: Option<Code>,
    /// The text for people.
    pub message: String,
    /// The whole server message, where a server sent the error.
    pub data: Option<Json>,
    /// True where the error came from the server: ShareDB makes it a plain `Error` then.
    pub from_server: bool,
    /// The driver's number of the exception itself, where user code or a type threw it.
    pub thrown: Option<u32>,
}

crate::wire!(struct Error {
    code = "code", by present;
    message = "message";
    data = "data";
    from_server = "from_server";
} ..Self::default());

/// The code of an error. ShareDB's are strings; a server's middleware may give anything.
#[derive(Clone, Debug)]
pub enum Code {
    /// A string.
    Text(String),
    /// A JSON value that is not a string: a number, say. The application gets it as it is.
    Other(Json),
}

impl From<&str> for Code {
    fn from(code: &str) -> Self {
        Self::Text(code.to_owned())
    }
}

impl ReadJson for Code {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let code = Json::read(reader)?;
        Some(code.string().map_or(Self::Other(code), Self::Text))
    }
}

impl WriteJson for Code {
    fn write(&self, out: &mut String) {
        match self {
            Self::Text(text) => text.write(out),
            Self::Other(json) => json.write(out),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Other(json) => f.write_str(json.get()),
        }
    }
}

impl Error {
    /// A client error with one of [`codes`].
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: Some(code.into()),
            message: message.into(),
            ..Self::default()
        }
    }

    /// An error without a code, as an OT type throws it.
    pub fn plain(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            from_server: true,
            ..Self::default()
        }
    }

    /// `ERR_MESSAGE_BADLY_FORMED`.
    pub fn badly_formed(message: impl Into<String>) -> Self {
        Self::new(codes::ERR_MESSAGE_BADLY_FORMED, message)
    }

    /// Whether the code is `code`.
    pub fn is(&self, code: &str) -> bool {
        self.code_text() == Some(code)
    }

    /// The code, where it is a string.
    pub fn code_text(&self) -> Option<&str> {
        match self.code.as_ref()? {
            Code::Text(text) => Some(text),
            Code::Other(_) => None,
        }
    }
}

impl From<ot_json0::Error> for Error {
    fn from(error: ot_json0::Error) -> Self {
        Self::plain(error.message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{code}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {}

macro_rules! codes {
    ($($name:ident),* $(,)?) => {
        /// ShareDB's error codes (`lib/error.js`) that the client raises or gives a meaning, and ours in the same
        /// style.
        pub mod codes {
            $(#[doc = concat!("`", stringify!($name), "`.")]
            pub const $name: &str = stringify!($name);)*
        }
    };
}

codes!(
    ERR_CANNOT_PING_OFFLINE,
    ERR_CLIENT_CRASHED,
    ERR_CLIENT_ID_BADLY_FORMED,
    ERR_CONNECTION_SEQ_INTEGER_OVERFLOW,
    ERR_CONNECTION_STATE_TRANSITION_INVALID,
    ERR_DEFAULT_TYPE_MISMATCH,
    ERR_DOC_ALREADY_CREATED,
    ERR_DOC_DOES_NOT_EXIST,
    ERR_DOC_IN_HARD_ROLLBACK,
    ERR_DOC_MISSING_VERSION,
    ERR_DOC_TYPE_NOT_RECOGNIZED,
    ERR_DOC_WAS_DELETED,
    ERR_HARD_ROLLBACK_FETCH_FAILED,
    ERR_INFLIGHT_OP_MISSING,
    ERR_INGESTED_SNAPSHOT_HAS_NO_VERSION,
    ERR_MESSAGE_BADLY_FORMED,
    ERR_NO_OP,
    ERR_OP_SUBMIT_REJECTED,
    ERR_OP_VERSION_NEWER_THAN_CURRENT_SNAPSHOT,
    ERR_OT_OP_BADLY_FORMED,
    ERR_OT_OP_NOT_APPLIED,
    ERR_PENDING_OP_REMOVED_BY_OP_SUBMIT_REJECTED,
    ERR_PROTOCOL_VERSION_NOT_SUPPORTED,
    ERR_PRESENCE_TRANSFORM_FAILED,
    ERR_SNAPSHOT_READ_SILENT_REJECTION,
    ERR_TYPE_DOES_NOT_SUPPORT_PRESENCE,
    // Not ShareDB's.
    ERR_CANCELLED,
    ERR_CONNECTION_CLOSED,
    ERR_DEADLOCK,
    ERR_DOC_NOT_IN_CONNECTION,
    ERR_HOST_INCOMPATIBLE,
    ERR_HOST_LOST,
    ERR_INPUT_QUARANTINED,
    ERR_LOCK_LOST,
    ERR_LOCK_TIMEOUT,
    ERR_LOGOUT_TIMEOUT,
    ERR_NOT_LEADER,
    ERR_OT_SUBTYPE_NOT_RECOGNIZED,
    ERR_REALTIME_DISCONNECTED,
    ERR_REALTIME_LOST,
    ERR_REALTIME_NOT_SERVED,
    ERR_REALTIME_TIMEOUT,
    ERR_REVISION_NOT_KEPT,
    ERR_SESSION_CHANGED,
    ERR_STATE_CONFLICT,
    ERR_STATE_SCHEMA,
    ERR_STORAGE,
    ERR_STORAGE_DAMAGED,
    ERR_STORAGE_FULL,
    ERR_STORAGE_TIMEOUT,
    ERR_TAB_GONE,
    ERR_URL_FAILED,
);
