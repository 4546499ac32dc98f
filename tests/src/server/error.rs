//! The failures a client is told about, with ShareDB's codes and messages. Nothing here decides when
//! a failure happens.

use ot_json0::{Object, Value};

/// The `error` of a reply: a code, which plain JavaScript errors lack, and a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    code: Option<String>,
    message: String,
}

impl Failure {
    pub(super) fn new(code: &str, message: &str) -> Self {
        Self {
            code: Some(code.to_owned()),
            message: message.to_owned(),
        }
    }

    /// What the server sends when JavaScript itself threw: a message and no code.
    pub(super) fn uncoded(message: &str) -> Self {
        Self {
            code: None,
            message: message.to_owned(),
        }
    }

    pub(super) fn badly_formed(message: &str) -> Self {
        Self::new("ERR_MESSAGE_BADLY_FORMED", message)
    }

    pub(super) fn op_badly_formed(message: &str) -> Self {
        Self::new("ERR_OT_OP_BADLY_FORMED", message)
    }

    pub(super) fn not_applied(message: &str) -> Self {
        Self::new("ERR_OT_OP_NOT_APPLIED", message)
    }

    pub(super) fn already_created(message: &str) -> Self {
        Self::new("ERR_DOC_ALREADY_CREATED", message)
    }

    pub(super) fn does_not_exist() -> Self {
        Self::new("ERR_DOC_DOES_NOT_EXIST", "Document does not exist")
    }

    pub(super) fn newer_version() -> Self {
        Self::new(
            "ERR_OP_VERSION_NEWER_THAN_CURRENT_SNAPSHOT",
            "Invalid op submitted. Op version newer than current snapshot",
        )
    }

    pub(super) fn missing_ops() -> Self {
        Self::new(
            "ERR_SUBMIT_TRANSFORM_OPS_NOT_FOUND",
            "Op submit failed. DB missing ops needed to transform it up to the current snapshot version",
        )
    }

    pub(super) fn no_op() -> Self {
        Self::new("ERR_NO_OP", "Op is a no-op. Skipping apply.")
    }

    pub(super) fn seq_overflow() -> Self {
        Self::new(
            "ERR_CONNECTION_SEQ_INTEGER_OVERFLOW",
            "Connection seq has exceeded the max safe integer, maybe from being open for too long",
        )
    }

    /// Several snapshots were read at once, and some of them refused.
    pub(super) fn reads_rejected() -> Self {
        Self::new("ERR_SNAPSHOT_READS_REJECTED", "")
    }

    pub(super) fn cannot_fixup_deletion() -> Self {
        Self::new(
            "ERR_CANNOT_FIXUP_DELETION",
            "fixup cannot be applied on deletion ops",
        )
    }

    pub(super) fn to_value(&self) -> Value {
        let mut error = Object::new();
        if let Some(code) = &self.code {
            error.insert("code".into(), code.as_str().into());
        }
        error.insert("message".into(), self.message.as_str().into());
        Value::Object(error)
    }
}
