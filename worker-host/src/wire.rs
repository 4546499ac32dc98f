//! ShareDB's wire protocol, 1.2: what goes to the server, and what comes back (`lib/agent.js`).

use proxy_doc::{
    Change, Create, Entries, Error, Json, ReadJson, Reader, Seq, Snapshot, Version, json_string,
    present, wire,
};

/// The protocol's major number.
pub(crate) const PROTOCOL: u32 = 1;
/// The protocol's minor number.
pub(crate) const PROTOCOL_MINOR: u32 = 2;

/// A message from the server; which fields are set depends on `a`.
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
    pub(crate) create: Option<Create>,
    pub(crate) del: Option<Json>,
    pub(crate) fixup: Vec<Fixup>,
    pub(crate) data: Option<Json>,
    pub(crate) error: Option<WireError>,
    pub(crate) id: Option<Json>,
    pub(crate) protocol: Option<Json>,
    pub(crate) protocol_minor: Option<Json>,
    pub(crate) ty: Option<String>,
    pub(crate) extra: Option<Json>,
    pub(crate) diff: Option<Vec<WireDiff>>,
}

wire!(read struct Incoming {
    a = "a" or String::new();
    c = "c", by name;
    d = "d", by name;
    b = "b";
    v = "v";
    src = "src";
    seq = "seq";
    op = "op", by present;
    create = "create";
    del = "del";
    fixup = "fixup" or Vec::new();
    data = "data";
    error = "error";
    id = "id";
    protocol = "protocol";
    protocol_minor = "protocolMinor";
    ty = "type";
    extra = "extra", by present;
    diff = "diff";
});

/// A change of a query's results, as the server writes it.
#[derive(Debug, Default)]
pub(crate) struct WireDiff {
    pub(crate) kind: String,
    pub(crate) index: Option<usize>,
    pub(crate) values: Option<Json>,
    pub(crate) how_many: Option<usize>,
    pub(crate) from: Option<usize>,
    pub(crate) to: Option<usize>,
}

wire!(read struct WireDiff {
    kind = "type" or String::new();
    index = "index";
    values = "values";
    how_many = "howMany";
    from = "from";
    to = "to";
});

/// A name, or nothing: an error echoes what the application gave for one.
fn name(reader: &mut Reader<'_>) -> Option<Option<String>> {
    Json::read(reader).map(|given| given.string())
}

impl Incoming {
    /// The same answer, but that it failed.
    pub(crate) fn failed(self, error: &Error) -> Self {
        Self {
            error: Some(WireError {
                code: error.code.as_deref().map(json_string),
                message: Some(error.message.clone()),
            }),
            op: None,
            create: None,
            del: None,
            data: None,
            diff: None,
            ..self
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
            return Some(ids.iter().filter_map(Json::string).collect());
        }
        let Entries(versions) = b.parse::<Entries<Json>>().ok()?;
        Some(versions.into_iter().map(|(id, _)| id).collect())
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
        let number = |value: &Option<Json>| value.as_ref().and_then(Json::count);
        let major = number(&self.protocol).unwrap_or(0);
        major > 1 || (major == 1 && number(&self.protocol_minor).unwrap_or(0) >= 1)
    }
}

/// A change that the server made to an op of ours.
#[derive(Debug)]
pub(crate) struct Fixup {
    pub(crate) op: Option<Json>,
}

impl Fixup {
    /// The change.
    pub(crate) fn change(&self) -> Change {
        Change {
            op: self.op.clone(),
            ..Change::default()
        }
    }
}

wire!(read struct Fixup {
    op = "op", by present;
});

/// An error as the server writes it.
#[derive(Debug)]
pub(crate) struct WireError {
    code: Option<Json>,
    message: Option<String>,
}

/// An object, or its message alone.
impl ReadJson for WireError {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.next_byte() == Some(b'"') {
            let message = Some(String::read(reader)?);
            return Some(Self {
                code: None,
                message,
            });
        }
        wire!(@read reader, [Self], (), code = "code"; message = "message")
    }
}

impl WireError {
    /// The error that the application gets, with the whole message where it had one to itself.
    pub(crate) fn into_error(self, data: Option<Json>) -> Error {
        let code = self
            .code
            .map(|code| code.string().unwrap_or_else(|| code.get().to_owned()));
        Error {
            code,
            message: self.message.unwrap_or_default(),
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
    error = "error";
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
        Some(data) => data
            .parse()
            .map_err(|error| Error::badly_formed(format!("Invalid snapshot from server: {error}"))),
    }
}
