//! The kinds of events and outputs: each crosses to JavaScript as its kind's number and its arguments.
//! JavaScript declares them in `events.js`, and carries a tab's out in `tab-events.js`. The tests here compare the
//! names, their order and the names of the arguments.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// `events.js`: takes an event or an output. It calls nobody, so it may be called while a machine is borrowed.
    pub type Sink;
    #[wasm_bindgen(method)]
    fn put(this: &Sink, kind: u8, a: &JsValue, b: &JsValue, c: &JsValue, d: &JsValue);
}

/// An enum whose variants are numbered from 0 in their order, each with the names of its arguments.
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

            /// Puts the kind's number and the arguments into the sink. The last ones may be left out.
            pub(crate) fn put(self, sink: &Sink, arguments: &[JsValue]) {
                debug_assert!(arguments.len() <= Self::TABLE[self as usize].1.len());
                put(sink, self as u8, arguments);
            }
        }
    };
}

/// In one call of JavaScript. No kind has more than four arguments.
fn put(sink: &Sink, kind: u8, arguments: &[JsValue]) {
    let none = &JsValue::UNDEFINED;
    let at = |index: usize| arguments.get(index).unwrap_or(none);
    sink.put(kind, at(0), at(1), at(2), at(3));
}

#[cfg(feature = "tab")]
kinds! {
    /// The kinds of a tab's events.
    Kind {
        ToHost(text),
        SubmitOp(text, seq, tokens),
        State(state, reason),
        ConnectionError(error),
        Error(error),
        Pong(),
        UrlWanted(round),
        Coordination(say),
        Status(token, status),
        Debug(token, answer),
        Warn(message),
        Snapshot(token, error, snapshot),
        Stored(token, error),
        Storage(event),
        OpenDoc(doc, collection, id),
        Apply(doc, op, source, src),
        BatchStart(doc, op, src),
        BeforeComponent(doc, index),
        ApplyComponent(doc, index, op),
        BatchEnd(doc),
        Create(doc, type, data, source),
        Del(doc, source),
        Load(doc, type, data),
        Clear(doc),
        Sent(doc, seq),
        Callback(doc, tokens, outcome),
        NoWritePending(doc),
        NothingPending(doc),
        DocError(doc, error),
        FlushLater(doc),
        UnsubscribedLater(doc),
        QueryResults(query, docs, extra),
        QueryFailed(query, error),
        QueryError(query, error),
        QueryDiff(query, diff),
        QueryExtra(query, extra),
        PresenceAnswer(channel, id, tokens, error),
        PresenceValue(channel, id, value),
        PresenceReceive(channel, id, value),
        PresenceError(channel, id, error),
        PresenceLater(channel, id),
    }
}

#[cfg(feature = "host")]
kinds! {
    /// The kinds of a host's outputs.
    HostKind {
        ToTab(tab, text, urgent),
        Send(text),
        CloseSocket(),
        DropSocket(),
        OpenSocket(url),
        StartTimer(delay),
        StartAlarm(delay),
        Realtime(act),
        AskStorage(number, request, records, deletes),
        FindTabs(tabs),
        BeginAnew(),
        Resigned(),
        Deposed(),
        Debug(tab, request, before, after),
        Warn(message),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const EVENTS: &str = include_str!("../cores/events.js");
    const TAB_EVENTS: &str = include_str!("../api/tab-events.js");

    /// The lines between `head` and the next line that begins with `end`.
    fn lines(source: &'static str, head: &str, end: &str) -> impl Iterator<Item = &'static str> {
        let (_, rest) = source.split_once(head).unwrap();
        let end = end.to_owned();
        rest.lines()
            .skip(1)
            .take_while(move |line| !line.starts_with(&end))
    }

    /// The items of `export const HOST_OUTPUTS = [ … ];`, each on a line of its own.
    fn listed_outputs() -> Vec<&'static str> {
        lines(EVENTS, "export const HOST_OUTPUTS = [", "];")
            .map(|line| line.trim().trim_end_matches(',').trim_matches('\''))
            .collect()
    }

    /// The functions of `const CARRY_OUT = { … };`, whose order numbers them: `name: (…) => …` or `name(…) {`.
    fn carried_out() -> Vec<&'static str> {
        lines(TAB_EVENTS, "const CARRY_OUT = {", "};")
            .filter_map(|line| line.strip_prefix("  "))
            .filter(|line| line.starts_with(|c: char| c.is_ascii_alphabetic()))
            .map(|line| line.split([':', '(']).next().unwrap())
            .collect()
    }

    /// The methods of `@typedef {object} NAME` with the names of their arguments, each on a line of its own:
    /// `@property {(a: string, b?: number) => void} name`.
    fn declared(name: &str) -> Vec<(&'static str, Vec<&'static str>)> {
        let method = |line: &'static str| {
            let (_, rest) = line.split_once("@property {(")?;
            let (arguments, rest) = rest.split_once(") => void} ")?;
            Some((rest.split(' ').next()?, argument_names(arguments)))
        };
        lines(EVENTS, &format!("@typedef {{object}} {name}"), " */")
            .filter_map(method)
            .collect()
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

    fn assert_same(table: &[(&str, &[&str])], listed: &[&str], interface: &str) {
        let of_rust: Vec<(String, Vec<&str>)> = table
            .iter()
            .map(|(variant, arguments)| (method_name(variant), arguments.to_vec()))
            .collect();
        let names: Vec<&str> = of_rust.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(listed, names);
        let methods: Vec<(String, Vec<&str>)> = declared(interface)
            .into_iter()
            .map(|(name, arguments)| (name.to_owned(), arguments))
            .collect();
        assert_eq!(methods, of_rust);
    }

    #[test]
    fn javascript_has_the_same_kinds_and_arguments_of_tab_events() {
        assert_same(Kind::TABLE, &carried_out(), "TabEvents");
    }

    #[test]
    fn javascript_has_the_same_kinds_and_arguments_of_host_outputs() {
        assert_same(HostKind::TABLE, &listed_outputs(), "HostOutputs");
    }
}
