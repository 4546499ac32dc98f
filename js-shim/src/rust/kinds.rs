//! The numbers by which Rust tells JavaScript what an event or an output is. JavaScript has the same numbers in
//! `events.js`; the tests here compare names and numbers of both lists, in both directions.

/// An enum whose variants are numbered from 0 in their order, with a table of its names for the comparison.
macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident { $($variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        #[repr(u8)]
        pub(crate) enum $name { $($variant,)* }

        #[cfg(test)]
        impl $name {
            const TABLE: &[(&str, u8)] = &[$((stringify!($variant), Self::$variant as u8),)*];
        }
    };
}

#[cfg(feature = "tab")]
kinds! {
    /// The kinds of a tab's events.
    Kind {
        ToHost,
        State,
        ConnectionError,
        Error,
        Pong,
        Status,
        Warn,
        Apply,
        BatchStart,
        BeforeComponent,
        ApplyComponent,
        BatchEnd,
        Create,
        Del,
        Load,
        Clear,
        Callback,
        NoWritePending,
        NothingPending,
        DocError,
        FlushLater,
        UnsubscribedLater,
        OpenDoc,
        QueryResults,
        QueryFailed,
        QueryError,
        QueryDiff,
        QueryExtra,
        Snapshot,
        PresenceAnswer,
        PresenceValue,
        PresenceReceive,
        PresenceError,
        PresenceLater,
        Stored,
        Storage,
        Sent,
        SubmitOp,
    }
}

#[cfg(feature = "host")]
kinds! {
    /// The kinds of a host's outputs.
    HostKind {
        ToTab,
        Send,
        CloseSocket,
        OpenSocket,
        StartTimer,
        Storage,
        FindTabs,
        BeginAnew,
        Warn,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const EVENTS: &str = include_str!("../cores/events.js");

    /// The entries of `export const NAME = Object.freeze({ … });`, each `Name: number,` on its own line.
    fn exported(name: &str) -> Vec<(&'static str, u8)> {
        let head = format!("export const {name} = Object.freeze({{\n");
        let (_, rest) = EVENTS.split_once(&head).unwrap();
        let (body, _) = rest.split_once("});").unwrap();
        let entry = |line: &'static str| {
            let (name, number) = line.trim().strip_suffix(',')?.split_once(": ")?;
            Some((name, number.parse().ok()?))
        };
        body.lines()
            .map(|line| entry(line).unwrap_or_else(|| panic!("not an entry: `{line}`")))
            .collect()
    }

    #[test]
    fn javascript_has_the_same_kinds_of_tab_events() {
        assert_eq!(exported("Kind"), Kind::TABLE);
    }

    #[test]
    fn javascript_has_the_same_kinds_of_host_outputs() {
        assert_eq!(exported("HostKind"), HostKind::TABLE);
    }
}
