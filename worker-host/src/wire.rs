//! ShareDB's wire protocol, 1.2: what goes to the server, and what comes back (`lib/agent.js`).

use broker::message::{Change, Create, present};
use proxy_doc::{Error, Json, Seq, Snapshot, Version};
use serde::{Deserialize, Serialize};

/// The protocol's major number.
pub(crate) const PROTOCOL: u32 = 1;
/// The protocol's minor number.
pub(crate) const PROTOCOL_MINOR: u32 = 2;

/// A message from the server; which fields are set depends on `a`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Incoming {
    pub(crate) a: String,
    #[serde(deserialize_with = "name")]
    pub(crate) c: Option<String>,
    #[serde(deserialize_with = "name")]
    pub(crate) d: Option<String>,
    pub(crate) b: Option<serde_json::Value>,
    pub(crate) v: Option<Version>,
    pub(crate) src: Option<String>,
    pub(crate) seq: Option<Seq>,
    #[serde(deserialize_with = "present")]
    pub(crate) op: Option<Json>,
    pub(crate) create: Option<Create>,
    pub(crate) del: Option<Json>,
    pub(crate) fixup: Vec<Fixup>,
    pub(crate) data: Option<Json>,
    pub(crate) error: Option<WireError>,
    pub(crate) id: Option<serde_json::Value>,
    pub(crate) protocol: Option<serde_json::Value>,
    #[serde(rename = "protocolMinor")]
    pub(crate) protocol_minor: Option<serde_json::Value>,
    #[serde(rename = "type")]
    pub(crate) ty: Option<String>,
    #[serde(deserialize_with = "present")]
    pub(crate) extra: Option<Json>,
    pub(crate) diff: Option<Vec<WireDiff>>,
}

/// A change of a query's results, as the server writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct WireDiff {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) index: Option<usize>,
    pub(crate) values: Option<Json>,
    #[serde(rename = "howMany")]
    pub(crate) how_many: Option<usize>,
    pub(crate) from: Option<usize>,
    pub(crate) to: Option<usize>,
}

/// A name, or nothing: an error echoes what the application gave for one.
fn name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(name) => Some(name),
        _ => None,
    })
}

impl Incoming {
    /// The id of a query or a snapshot request.
    pub(crate) fn number(&self) -> Option<u64> {
        self.id.as_ref()?.as_u64()
    }

    /// The op of an `op` message.
    pub(crate) fn change(&mut self) -> Change {
        Change {
            op: self.op.take(),
            ty: None,
            create: self.create.take(),
            del: self.del.take().is_some_and(|del| del.get() == "true"),
        }
    }

    /// Whether the server speaks at least 1.1, and so knows the `hs` handshake (`lib/protocol.js`).
    pub(crate) fn knows_handshake(&self) -> bool {
        let number =
            |value: &Option<serde_json::Value>| value.as_ref().and_then(serde_json::Value::as_u64);
        let major = number(&self.protocol).unwrap_or(0);
        major > 1 || (major == 1 && number(&self.protocol_minor).unwrap_or(0) >= 1)
    }
}

/// A change that the server made to an op of ours.
#[derive(Debug, Deserialize)]
pub(crate) struct Fixup {
    #[serde(default, deserialize_with = "present")]
    pub(crate) op: Option<Json>,
}

/// An error as the server writes it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum WireError {
    Object {
        #[serde(default)]
        code: Option<serde_json::Value>,
        #[serde(default)]
        message: Option<String>,
    },
    Text(String),
}

impl WireError {
    /// The error that the application gets, with the whole message where it had one to itself.
    pub(crate) fn into_error(self, data: Option<Json>) -> Error {
        let (code, message) = match self {
            Self::Object { code, message } => (code, message.unwrap_or_default()),
            Self::Text(message) => (None, message),
        };
        let code = code.map(|code| {
            code.as_str()
                .map_or_else(|| code.to_string(), str::to_owned)
        });
        Error {
            code,
            message,
            data,
            from_server: true,
            thrown: None,
        }
    }
}

/// The error in one document's place of a bulk answer.
#[derive(Debug, Deserialize)]
pub(crate) struct BulkItem {
    #[serde(default)]
    pub(crate) error: Option<WireError>,
}

/// What to send for one document or several.
#[derive(Debug, Serialize)]
pub(crate) struct ReadMessage<'a> {
    pub(crate) a: &'a str,
    pub(crate) c: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) d: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) b: Option<Json>,
    /// Absent, `null`, or a version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) v: Option<Option<Version>>,
}

/// An op to send.
#[derive(Debug, Serialize)]
pub(crate) struct OpMessage<'a> {
    pub(crate) a: &'a str,
    pub(crate) c: &'a str,
    pub(crate) d: &'a str,
    pub(crate) v: Option<Version>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) src: Option<&'a str>,
    pub(crate) seq: Option<Seq>,
    pub(crate) x: Extra<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) op: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) create: Option<Create>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) del: bool,
}

/// What middleware sees beside the op.
#[derive(Debug, Serialize)]
pub(crate) struct Extra<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<&'a Json>,
}

/// The handshake.
#[derive(Debug, Serialize)]
pub(crate) struct Handshake<'a> {
    pub(crate) a: &'a str,
    pub(crate) id: Option<&'a str>,
    pub(crate) protocol: u32,
    #[serde(rename = "protocolMinor")]
    pub(crate) protocol_minor: u32,
}

/// The snapshot in `data`, if there is one.
pub(crate) fn snapshot(data: Option<&Json>) -> Result<Option<Snapshot>, Error> {
    match data {
        None => Ok(None),
        Some(data) => serde_json::from_str(data.get())
            .map_err(|error| Error::badly_formed(format!("Invalid snapshot from server: {error}"))),
    }
}
