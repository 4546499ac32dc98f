//! Reads that go to the server together (`lib/client/connection.js` `startBulk`, `_sendBulk`).

use broker::message::encode;
use proxy_doc::{DocKey, DocMap, Entries, Gather, Json, Version};

use crate::server::wire::ReadMessage;

/// A read of one document on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    Fetch,
    Subscribe,
    Unsubscribe,
}

impl Action {
    const ALL: [Self; 3] = [Self::Fetch, Self::Subscribe, Self::Unsubscribe];

    /// The message for one document.
    pub(crate) fn single(self) -> &'static str {
        match self {
            Self::Fetch => "f",
            Self::Subscribe => "s",
            Self::Unsubscribe => "u",
        }
    }

    fn bulk(self) -> &'static str {
        match self {
            Self::Fetch => "bf",
            Self::Subscribe => "bs",
            Self::Unsubscribe => "bu",
        }
    }
}

/// One message for one document.
pub(crate) fn single(action: Action, key: &DocKey, version: Option<Version>) -> String {
    let v = (action != Action::Unsubscribe).then_some(version);
    encode(&ReadMessage {
        a: action.single(),
        c: &key.collection,
        d: Some(&key.id),
        b: None,
        v,
    })
}

/// The reads collected between start and end, in the order of their calls.
#[derive(Debug, Default)]
pub(crate) struct Bulk {
    reads: Vec<(Action, DocKey, Option<Version>)>,
    /// Where the reads of each kind are.
    places: [DocMap<usize>; Action::ALL.len()],
}

impl Bulk {
    /// Adds a read; a second one of the same document and kind replaces the first.
    pub(crate) fn add(&mut self, action: Action, key: &DocKey, version: Option<Version>) {
        let place = *self.places[action as usize].or_insert(key.clone(), self.reads.len());
        match self.reads.get_mut(place) {
            Some(read) => read.2 = version,
            None => self.reads.push((action, key.clone(), version)),
        }
    }

    /// The messages, by collection and kind.
    pub(crate) fn messages(&self) -> Vec<String> {
        let mut collections: Vec<&str> = Vec::new();
        for (_, key, _) in &self.reads {
            if !collections.contains(&key.collection.as_str()) {
                collections.push(&key.collection);
            }
        }
        let mut messages = Vec::new();
        for collection in collections {
            for action in Action::ALL {
                self.write(action, collection, &mut messages);
            }
        }
        messages
    }

    fn write(&self, action: Action, collection: &str, messages: &mut Vec<String>) {
        let reads = || {
            let of = move |read: &&(Action, DocKey, Option<Version>)| {
                read.0 == action && read.1.collection == collection
            };
            self.reads.iter().filter(of)
        };
        let ids: Vec<&str> = reads()
            .filter(|read| read.2.is_none())
            .map(|read| read.1.id.as_str())
            .gather();
        let versions = reads().filter_map(|read| Some((read.1.id.clone(), read.2?)));
        let versions = Entries(versions.gather());
        let message = |d, b: Option<Json>, v| {
            let a = if b.is_some() {
                action.bulk()
            } else {
                action.single()
            };
            encode(&ReadMessage {
                a,
                c: collection,
                d,
                b,
                v,
            })
        };
        match ids[..] {
            [] => {}
            [id] => messages.push(message(Some(id), None, None)),
            _ => messages.push(message(None, Some(Json::trusted(&encode(&ids))), None)),
        }
        match &versions.0[..] {
            [] => {}
            [(id, v)] => messages.push(message(Some(id.as_str()), None, Some(Some(*v)))),
            _ => messages.push(message(None, Some(Json::trusted(&encode(&versions))), None)),
        }
    }
}
