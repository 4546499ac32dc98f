//! The devices' document: how it is read, and the ops that change it.
//!
//! Four lists, the newest first: `known` devices, entries of `leases`, `messages` and `notices`. An element that cannot be
//! read is passed over, so what another build wrote, or a program that is wrong, stops nothing.

use proxy_doc::{
    Entries, Gather, Json, ParseError, ReadJson, WriteJson, json_string, wire, write_json,
};

/// Devices that are known at most. The one that registered first is forgotten first.
pub const MAX_KNOWN: usize = 32;
/// Messages that are kept at most.
pub const MAX_MESSAGES: usize = 64;
/// Notices that are kept at most.
pub const MAX_NOTICES: usize = 64;
/// Names of leases at most. The last entry of each is kept for ever, because tokens grow from it.
pub const MAX_LEASES: usize = 128;
/// Characters of a payload at most.
pub const MAX_PAYLOAD: usize = 16_384;

/// What a new document holds.
pub const EMPTY: &str = r#"{"known":[],"leases":[],"messages":[],"notices":[]}"#;

/// A device that has registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: String,
    /// What the user calls it.
    pub name: String,
    /// What the application calls its kind.
    pub kind: String,
    /// A message was dropped that it has not had.
    pub gap: bool,
}

wire!(struct Known {
    id = "id";
    name = "name" or String::new();
    kind = "kind" or String::new();
    gap = "gap";
});

/// An entry of a lease's history. See [`super::leases`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// An id that no other entry ever has.
    pub id: String,
    /// The lease.
    pub name: String,
    /// The entry that this one follows; empty for the first one.
    pub after: String,
    /// The device that holds it, or has resigned.
    pub device: String,
    /// The tab of that device.
    pub tab: String,
    /// The fencing token.
    pub token: u64,
    /// Milliseconds for which it is held.
    pub ttl: u64,
    /// The holder has resigned.
    pub free: bool,
}

wire!(struct Entry {
    id = "id";
    name = "name";
    after = "after" or String::new();
    device = "device";
    tab = "tab";
    token = "token";
    ttl = "ttl";
    free = "free";
});

/// A message to devices.
#[derive(Clone, Debug)]
pub struct Message {
    /// An id that no other message ever has.
    pub id: String,
    /// The device that sent it.
    pub from: String,
    /// The tab of that device.
    pub tab: String,
    /// The devices that it is for.
    pub to: Vec<String>,
    /// 0 is the most important.
    pub priority: u64,
    /// What the application says.
    pub payload: Json,
    /// By device: how it was taken.
    pub acks: Entries<Ack>,
}

wire!(struct Message {
    id = "id";
    from = "from";
    tab = "tab";
    to = "to";
    priority = "priority" or 0;
    payload = "payload" or Json::null();
    acks = "acks" or Entries(Vec::new());
});

/// How a device took a message.
#[derive(Clone, Debug)]
pub struct Ack {
    /// What its application threw.
    pub refused: Option<String>,
}

wire!(struct Ack {
    refused = "refused";
});

impl Message {
    /// Whether a device has taken it.
    pub fn is_taken_by(&self, device: &str) -> bool {
        self.acks.0.iter().any(|(by, _)| by == device)
    }

    /// The devices that have not taken it.
    pub fn missing(&self) -> Vec<String> {
        let to = self.to.iter();
        to.filter(|device| !self.is_taken_by(device))
            .cloned()
            .gather()
    }
}

/// A notification.
#[derive(Clone, Debug)]
pub struct Notice {
    /// An id that no other notification ever has.
    pub id: String,
    /// The device that made it.
    pub from: String,
    /// 0 is the most important.
    pub priority: u64,
    /// What the application says.
    pub payload: Json,
    /// The device on which it was read.
    pub read: Option<String>,
}

wire!(struct Notice {
    id = "id";
    from = "from";
    priority = "priority" or 0;
    payload = "payload" or Json::null();
    read = "read";
});

/// An element of a list.
#[derive(Clone, Debug)]
pub struct Row<T> {
    /// Where it stands.
    pub at: usize,
    /// Its text.
    pub text: Json,
    /// What it says.
    pub value: T,
}

/// The document.
#[derive(Debug, Default)]
pub struct Document {
    /// The device that registered last stands first.
    pub known: Vec<Row<Known>>,
    /// The latest entry stands first.
    pub leases: Vec<Row<Entry>>,
    /// The latest message stands first.
    pub messages: Vec<Row<Message>>,
    /// The latest notification stands first.
    pub notices: Vec<Row<Notice>>,
}

struct Lists {
    known: Vec<Json>,
    leases: Vec<Json>,
    messages: Vec<Json>,
    notices: Vec<Json>,
}

wire!(read struct Lists {
    known = "known";
    leases = "leases";
    messages = "messages";
    notices = "notices";
});

impl Document {
    /// Reads the document's data.
    ///
    /// # Errors
    /// Where it has not these four lists.
    pub fn read(data: &Json) -> Result<Self, ParseError> {
        let lists: Lists = data.parse()?;
        Ok(Self {
            known: rows(&lists.known),
            leases: rows(&lists.leases),
            messages: rows(&lists.messages),
            notices: rows(&lists.notices),
        })
    }
}

fn rows<T: ReadJson>(list: &[Json]) -> Vec<Row<T>> {
    let mut rows = Vec::new();
    for (at, text) in list.iter().enumerate() {
        if let Ok(value) = text.parse() {
            let text = text.clone();
            rows.push(Row { at, text, value });
        }
    }
    rows
}

/// The names of the lists in the document.
#[derive(Clone, Copy, Debug)]
pub enum List {
    /// [`Document::known`].
    Known,
    /// [`Document::leases`].
    Leases,
    /// [`Document::messages`].
    Messages,
    /// [`Document::notices`].
    Notices,
}

impl List {
    fn name(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Leases => "leases",
            Self::Messages => "messages",
            Self::Notices => "notices",
        }
    }
}

/// A json0 op in the making. All places are those of the document as it was read.
#[derive(Debug, Default)]
pub struct Edit {
    sets: Vec<String>,
    removes: Vec<(List, usize, Json)>,
    inserts: Vec<String>,
}

impl Edit {
    /// Puts a value in front of a list.
    pub fn insert<T: WriteJson>(&mut self, list: List, value: &T) {
        let (name, text) = (list.name(), write_json(value));
        self.inserts
            .push(format!(r#"{{"p":["{name}",0],"li":{text}}}"#));
    }

    /// Takes an element out.
    pub fn remove<T>(&mut self, list: List, row: &Row<T>) {
        self.removes.push((list, row.at, row.text.clone()));
    }

    /// Sets a field of an element, or a field within one of its fields, that is not there yet.
    pub fn set<T>(&mut self, list: List, row: &Row<T>, fields: &[&str], value: &Json) {
        let path = path(list, row, fields);
        self.sets
            .push(format!(r#"{{"p":[{path}],"oi":{}}}"#, value.get()));
    }

    /// Takes a field of an element away.
    pub fn unset<T>(&mut self, list: List, row: &Row<T>, field: &str, was: &Json) {
        let path = path(list, row, &[field]);
        self.sets
            .push(format!(r#"{{"p":[{path}],"od":{}}}"#, was.get()));
    }

    /// Replaces a field of an element.
    pub fn replace<T>(&mut self, list: List, row: &Row<T>, field: &str, was: &Json, is: &Json) {
        let path = path(list, row, &[field]);
        self.sets.push(format!(
            r#"{{"p":[{path}],"od":{},"oi":{}}}"#,
            was.get(),
            is.get()
        ));
    }

    /// The op; nothing where it would change nothing.
    pub fn op(mut self) -> Option<Json> {
        // An element that is taken out moves those behind it.
        self.removes
            .sort_by_key(|remove| std::cmp::Reverse(remove.1));
        let mut components = self.sets;
        for (list, at, text) in self.removes {
            let name = list.name();
            components.push(format!(r#"{{"p":["{name}",{at}],"ld":{}}}"#, text.get()));
        }
        components.append(&mut self.inserts);
        (!components.is_empty()).then(|| Json::written(format!("[{}]", components.join(","))))
    }
}

fn path<T>(list: List, row: &Row<T>, fields: &[&str]) -> String {
    let mut path = format!(r#""{}",{}"#, list.name(), row.at);
    for field in fields {
        path.push(',');
        path.push_str(json_string(field).get());
    }
    path
}
