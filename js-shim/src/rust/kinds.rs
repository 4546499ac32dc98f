//! The kinds of events and outputs, by which Rust tells JavaScript what an array is and what its items are. JavaScript has
//! the same lists in `events.js`; the tests here compare the names, their order and the names of the arguments.

use js_sys::Array;
use wasm_bindgen::prelude::*;

/// An enum whose variants are numbered from 0 in their order, each with the arguments that follow the number in an array.
macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident { $($variant:ident($($argument:ident),*),)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        #[repr(u8)]
        pub(crate) enum $name { $($variant,)* }

        impl $name {
            /// Name and arguments of each kind.
            const TABLE: &[(&str, &[&str])] =
                &[$((stringify!($variant), &[$(stringify!($argument)),*]),)*];

            /// The kind's number, then the arguments. The last ones may be left out.
            pub(crate) fn array(self, arguments: &[JsValue]) -> Array {
                debug_assert!(arguments.len() <= Self::TABLE[self as usize].1.len());
                array(self as u8, arguments)
            }
        }
    };
}

/// In one call of JavaScript.
fn array(kind: u8, arguments: &[JsValue]) -> Array {
    let kind = JsValue::from(kind);
    match arguments {
        [] => Array::of1(&kind),
        [a] => Array::of2(&kind, a),
        [a, b] => Array::of3(&kind, a, b),
        [a, b, c] => Array::of4(&kind, a, b, c),
        [a, b, c, d] => Array::of5(&kind, a, b, c, d),
        [..] => unreachable!("no kind has more arguments"),
    }
}

#[cfg(feature = "tab")]
kinds! {
    /// The kinds of a tab's events.
    Kind {
        ToHost(text),
        State(state, reason),
        ConnectionError(error),
        Error(error),
        Pong(),
        Status(token, status),
        Warn(message),
        Apply(doc, op, source, src),
        BatchStart(doc, op, src),
        BeforeComponent(doc, index),
        ApplyComponent(doc, index, op),
        BatchEnd(doc),
        Create(doc, type, data, source),
        Del(doc, source),
        Load(doc, type, data),
        Clear(doc),
        Callback(doc, tokens, outcome),
        NoWritePending(doc),
        NothingPending(doc),
        DocError(doc, error),
        FlushLater(doc),
        UnsubscribedLater(doc),
        OpenDoc(doc, collection, id),
        QueryResults(query, docs, extra),
        QueryFailed(query, error),
        QueryError(query, error),
        QueryDiff(query, diff),
        QueryExtra(query, extra),
        Snapshot(token, error, snapshot),
        PresenceAnswer(channel, id, tokens, error),
        PresenceValue(channel, id, value),
        PresenceReceive(channel, id, value),
        PresenceError(channel, id, error),
        PresenceLater(channel, id),
        Stored(token, error),
        Storage(event),
        Sent(doc, seq),
        SubmitOp(text, seq, tokens),
    }
}

#[cfg(feature = "host")]
kinds! {
    /// The kinds of a host's outputs.
    HostKind {
        ToTab(tab, text, urgent),
        Send(text),
        CloseSocket(),
        OpenSocket(),
        StartTimer(delay),
        AskStorage(number, request, records, deletes),
        FindTabs(tabs),
        BeginAnew(),
        Warn(message),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const EVENTS: &str = include_str!("../cores/events.js");

    /// The items of `export const NAME = [ … ];`, each on a line of its own.
    fn listed(name: &str) -> Vec<&'static str> {
        let (_, rest) = EVENTS
            .split_once(&format!("export const {name} = [\n"))
            .unwrap();
        let (body, _) = rest.split_once("];").unwrap();
        let item = |line: &'static str| {
            let quoted = line.trim().strip_suffix(',').unwrap();
            quoted.trim_matches('\'')
        };
        body.lines().map(item).collect()
    }

    /// The methods of `@typedef {object} NAME` with the names of their arguments, each on a line of its own:
    /// `@property {(a: string, b?: number) => void} name`.
    fn declared(name: &str) -> Vec<(&'static str, Vec<&'static str>)> {
        let (_, rest) = EVENTS
            .split_once(&format!("@typedef {{object}} {name}\n"))
            .unwrap();
        let (body, _) = rest.split_once("*/").unwrap();
        let method = |line: &'static str| {
            let (_, rest) = line.split_once("@property {(")?;
            let (arguments, rest) = rest.split_once(") => void} ")?;
            Some((rest.split(' ').next()?, argument_names(arguments)))
        };
        body.lines().filter_map(method).collect()
    }

    /// Of `a: string, b?: [string, number]`.
    fn argument_names(arguments: &'static str) -> Vec<&'static str> {
        let mut depth = 0;
        let at_top = |c: char| {
            match c {
                '(' | '[' | '{' | '<' => depth += 1,
                ')' | ']' | '}' | '>' => depth -= 1,
                _ => {}
            }
            depth == 0 && c == ','
        };
        arguments
            .split(at_top)
            .filter_map(|argument| argument.split_once(':'))
            .map(|(name, _)| name.trim().trim_end_matches('?'))
            .collect()
    }

    /// `NoWritePending` is `noWritePending` in JavaScript.
    fn method_name(variant: &str) -> String {
        let (first, rest) = variant.split_at(1);
        first.to_lowercase() + rest
    }

    fn assert_same(table: &[(&str, &[&str])], list: &str, interface: &str) {
        let of_rust: Vec<(String, Vec<&str>)> = table
            .iter()
            .map(|(variant, arguments)| (method_name(variant), arguments.to_vec()))
            .collect();
        let names: Vec<&str> = of_rust.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(listed(list), names);
        let methods: Vec<(String, Vec<&str>)> = declared(interface)
            .into_iter()
            .map(|(name, arguments)| (name.to_owned(), arguments))
            .collect();
        assert_eq!(methods, of_rust);
    }

    #[test]
    fn javascript_has_the_same_kinds_and_arguments_of_tab_events() {
        assert_same(Kind::TABLE, "TAB_EVENTS", "TabEvents");
    }

    #[test]
    fn javascript_has_the_same_kinds_and_arguments_of_host_outputs() {
        assert_same(HostKind::TABLE, "HOST_OUTPUTS", "HostOutputs");
    }
}
