//! The identifiers that cross every boundary.

use std::fmt;

use crate::next_count;

macro_rules! count {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub u64);

        impl $name {
            /// The next count; the largest one is followed by itself (see [`next_count`]).
            #[must_use]
            pub fn next(self) -> Self {
                Self(next_count(self.0))
            }
        }

        crate::wire!(one $name);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

count!(
    /// The server's count of a document: how many ops are committed.
    Version
);
count!(
    /// The host's count of a document: +1 for every change of the host's state of it. Never sent to the server.
    Revision
);
count!(
    /// The number of an op at its author, which is the connection towards the server and the tab towards the host.
    Seq
);
count!(
    /// A driver's key of a submission, by which it finds the callback and the source. Counted up.
    Token
);

count!(
    /// The number of one host. No other host that a tab or a storage can meet has it, or the number after it, which the
    /// host's second [`Line`] takes.
    Epoch
);
count!(
    /// The number of a history within which revisions can be compared. A host begins two lines at most: that of
    /// [`Line::begun_by`], and the next one where it loses its store.
    Line
);

impl Line {
    /// The line of a host that continues no other one.
    pub fn begun_by(epoch: Epoch) -> Self {
        Self(epoch.0)
    }
}

/// The name of a tab, unique among all tabs of all browsers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TabId(pub String);

/// The key of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocKey {
    /// The collection, or the projection's name.
    pub collection: String,
    /// The id within the collection.
    pub id: String,
}

crate::wire!(one TabId);

crate::wire!(struct DocKey {
    collection = "collection";
    id = "id";
});

impl fmt::Display for DocKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.collection, self.id)
    }
}

/// An owner's number for a document that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocHandle(pub u32);

#[cfg(test)]
mod tests {
    use super::Version;
    use crate::{MAX_COUNT, read_json, write_json};

    #[test]
    fn counts_above_max_safe_integer_are_refused() {
        let read = |text: &str| read_json::<Version>(text).ok();
        assert_eq!(read("9007199254740991"), Some(Version(MAX_COUNT)));
        for text in [
            "9007199254740992",
            "18446744073709551616",
            "-1",
            "0.5",
            "1e3",
            r#""1""#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn next_of_the_largest_count_can_be_read() {
        let next = Version(MAX_COUNT).next();
        assert_eq!(read_json::<Version>(&write_json(&next)), Ok(next));
    }
}
