//! ShareDB's wire protocol, 1.2: what goes to the server, and what comes back (`lib/agent.js`).

use proxy_doc::{
    Change, Code, Create, Entries, Error, Gather, Json, OpId, ParseError, ReadJson, Reader, Seq,
    Snapshot, Version, present, read_json, wire,
};

/// The protocol's major number.
pub(crate) const PROTOCOL: u32 = 1;
/// The protocol's minor number.
pub(crate) const PROTOCOL_MINOR: u32 = 2;

/// A message from the server; which fields are set depends on `a`.
///
/// Every JSON object can be read as one. A field whose value has another type than expected counts as absent: the
/// server echoes requests that it refuses as they are, and the stock client uses the fields that it can. The contents of
/// an op are parsed later, by [`Incoming::change`] and [`Incoming::fixups`], and only where they are used.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    pub(crate) a: String,
    pub(crate) c: Option<String>,
    pub(crate) d: Option<String>,
    pub(crate) b: Option<Json>,
    pub(crate) v: Option<Version>,
    pub(crate) src: Option<String>,
    pub(crate) seq: Option<Seq>,
    pub(crate) op: Option<Json>,
    pub(crate) create: Option<Json>,
    pub(crate) del: Option<Json>,
    pub(crate) fixup: Option<Json>,
    pub(crate) data: Option<Json>,
    pub(crate) error: Option<WireError>,
    pub(crate) id: Option<Json>,
    pub(crate) protocol: Option<Json>,
    pub(crate) protocol_minor: Option<Json>,
    pub(crate) ty: Option<String>,
    pub(crate) extra: Option<Json>,
    pub(crate) diff: Option<Json>,
    pub(crate) ch: Option<String>,
    pub(crate) p: Option<Json>,
    pub(crate) pv: Option<u64>,
    pub(crate) t: Option<String>,
}

wire!(read struct Incoming {
    a = "a" or String::new(), by word;
    c = "c", by name;
    d = "d", by name;
    b = "b";
    v = "v", by lenient;
    src = "src", by lenient;
    seq = "seq", by lenient;
    op = "op", by present;
    create = "create", by truthy;
    del = "del", by truthy;
    fixup = "fixup", by truthy;
    data = "data";
    error = "error", by refusal;
    id = "id";
    protocol = "protocol";
    protocol_minor = "protocolMinor";
    ty = "type", by lenient;
    extra = "extra", by present;
    diff = "diff", by truthy;
    ch = "ch", by lenient;
    p = "p";
    pv = "pv", by lenient;
    t = "t", by lenient;
});

/// Reads a field; a value that is no `T` counts as absent.
pub(crate) fn lenient<T: ReadJson>(reader: &mut Reader<'_>) -> Option<Option<T>> {
    reader.skip().map(|text| read_json(text).ok())
}

/// Reads a string; any other value counts as the empty one.
pub(crate) fn word(reader: &mut Reader<'_>) -> Option<String> {
    lenient(reader).map(Option::unwrap_or_default)
}

/// Reads the name of a collection or document. The stock client finds both as properties of objects, so a number
/// stands for its digits.
pub(crate) fn name(reader: &mut Reader<'_>) -> Option<Option<String>> {
    let text = reader.skip()?;
    let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    Some(read_json(text).ok().or(is_number.then(|| text.to_owned())))
}

/// Reads a field that counts as absent where its value is falsy in JavaScript.
fn truthy(reader: &mut Reader<'_>) -> Option<Option<Json>> {
    let value = Json::read(reader)?;
    let is_zero = |text: &str| text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
    let is_false = match value.get() {
        "null" | "false" | "\"\"" => true,
        text => is_zero(text),
    };
    Some((!is_false).then_some(value))
}

/// Reads an `error` field.
fn refusal(reader: &mut Reader<'_>) -> Option<Option<WireError>> {
    truthy(reader).map(|value| value.map(|value| WireError::new(&value)))
}

impl Incoming {
    /// The identity of the op that the message brings, acknowledges or refuses.
    pub(crate) fn op_id(&self) -> OpId {
        OpId {
            src: self.src.clone(),
            seq: self.seq,
        }
    }

    /// The id of a query or a snapshot request.
    pub(crate) fn number(&self) -> Option<u64> {
        self.id.as_ref()?.count()
    }

    /// The ids of a bulk message without data: a list, or an object of versions.
    pub(crate) fn bulk_ids(&self) -> Option<Vec<String>> {
        let b = self.b.as_ref()?;
        if let Ok(ids) = b.parse::<Vec<Json>>() {
            return Some(ids.iter().filter_map(Json::string).gather());
        }
        let Entries(versions) = b.parse::<Entries<Json>>().ok()?;
        Some(versions.into_iter().map(|(id, _)| id).gather())
    }

    /// The op of an `op` message.
    ///
    /// # Errors
    /// `ERR_MESSAGE_BADLY_FORMED` where its create cannot be read.
    pub(crate) fn change(&self) -> Result<Change, Error> {
        let create = match (&self.op, &self.create) {
            (None, Some(create)) => Some(create.parse::<Create>().map_err(unreadable("create"))?),
            (Some(_), _) | (None, None) => None,
        };
        Ok(Change {
            op: self.op.clone(),
            ty: None,
            create,
            del: self.del.is_some(),
        })
    }

    /// Whether the op message does not say what the op changes: it acknowledges one, or the op is a no-op.
    pub(crate) fn is_bare(&self) -> bool {
        self.op.is_none() && self.create.is_none() && self.del.is_none()
    }

    /// The changes that the server made to an op of ours. What has no length has none, as in the stock client.
    ///
    /// # Errors
    /// `ERR_MESSAGE_BADLY_FORMED`.
    pub(crate) fn fixups(&self) -> Result<Vec<Change>, Error> {
        let has_length = |fixup: &&Json| fixup.get().starts_with(['[', '"']);
        let fixups = self.fixup.as_ref().filter(has_length);
        let fixups = fixups.map(Json::parse::<Vec<Fixup>>);
        let fixups = fixups.transpose().map_err(unreadable("fixup"))?;
        let change = |Fixup { op }| Change {
            op,
            ..Change::default()
        };
        Ok(fixups.into_iter().flatten().map(change).gather())
    }

    /// Whether the server speaks at least 1.1, and so knows the `hs` handshake (`lib/protocol.js`).
    pub(crate) fn knows_handshake(&self) -> bool {
        let number = |value: &Option<Json>| value.as_ref().and_then(Json::count);
        let major = number(&self.protocol).unwrap_or(0);
        major > 1 || (major == 1 && number(&self.protocol_minor).unwrap_or(0) >= 1)
    }
}

/// The error of a part of a message that is not as ShareDB's server writes it.
pub(crate) fn unreadable(what: &str) -> impl Fn(ParseError) -> Error {
    move |error| Error::badly_formed(format!("Invalid {what} from server: {error}"))
}

/// A change that the server made to an op of ours.
#[derive(Debug)]
struct Fixup {
    op: Option<Json>,
}

wire!(read struct Fixup {
    op = "op", by present;
});

/// An error as the server writes it: what middleware called back, so code and message may be anything.
#[derive(Debug, Default)]
pub(crate) struct WireError {
    code: Option<Code>,
    message: Option<Json>,
}

wire!(read struct WireError {
    code = "code", by present;
    message = "message", by present;
});

impl WireError {
    /// An object; or its message alone, if that is a string.
    fn new(value: &Json) -> Self {
        match value.string() {
            Some(_) => Self {
                code: None,
                message: Some(value.clone()),
            },
            None => value.parse().unwrap_or_default(),
        }
    }

    /// The error that the application gets, with the whole message where it had one to itself. A message that is
    /// not a string is given as its JSON: the stock client's `[object Object]` helps nobody.
    pub(crate) fn into_error(self, data: Option<Json>) -> Error {
        let text = |message: Json| message.string().unwrap_or_else(|| message.get().to_owned());
        Error {
            code: self.code,
            message: self.message.map(text).unwrap_or_default(),
            data,
            from_server: true,
            thrown: None,
        }
    }
}

/// The error in one document's place of a bulk answer.
#[derive(Debug)]
pub(crate) struct BulkItem {
    pub(crate) error: Option<WireError>,
}

wire!(read struct BulkItem {
    error = "error", by refusal;
});

/// What to send for one document or several.
#[derive(Debug)]
pub(crate) struct ReadMessage<'a> {
    pub(crate) a: &'a str,
    pub(crate) c: &'a str,
    pub(crate) d: Option<&'a str>,
    pub(crate) b: Option<Json>,
    /// Absent, `null`, or a version.
    pub(crate) v: Option<Option<Version>>,
}

wire!(write struct ReadMessage<'_> {
    a = "a";
    c = "c";
    d = "d";
    b = "b";
    v = "v";
});

/// An op to send.
#[derive(Debug)]
pub(crate) struct OpMessage<'a> {
    pub(crate) a: &'a str,
    pub(crate) c: &'a str,
    pub(crate) d: &'a str,
    /// `null`, or a version.
    pub(crate) v: Option<Option<Version>>,
    pub(crate) src: Option<&'a str>,
    /// `null`, or a number.
    pub(crate) seq: Option<Option<Seq>>,
    pub(crate) x: Extra<'a>,
    pub(crate) op: Option<Json>,
    pub(crate) create: Option<Create>,
    pub(crate) del: bool,
}

wire!(write struct OpMessage<'_> {
    a = "a";
    c = "c";
    d = "d";
    v = "v";
    src = "src";
    seq = "seq";
    x = "x";
    op = "op";
    create = "create";
    del = "del";
});

/// What middleware sees beside the op.
#[derive(Debug)]
pub(crate) struct Extra<'a> {
    pub(crate) source: Option<&'a Json>,
}

wire!(write struct Extra<'_> {
    source = "source";
});

/// The handshake.
#[derive(Debug)]
pub(crate) struct Handshake<'a> {
    pub(crate) a: &'a str,
    /// `null`, or the id of the connection before.
    pub(crate) id: Option<Option<&'a str>>,
    pub(crate) protocol: u32,
    pub(crate) protocol_minor: u32,
}

wire!(write struct Handshake<'_> {
    a = "a";
    id = "id";
    protocol = "protocol";
    protocol_minor = "protocolMinor";
});

/// The snapshot in `data`, if there is one.
pub(crate) fn snapshot(data: Option<&Json>) -> Result<Option<Snapshot>, Error> {
    match data {
        None => Ok(None),
        Some(data) => data.parse().map_err(unreadable("snapshot")),
    }
}
