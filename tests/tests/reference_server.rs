//! What the recordings cannot show about the reference server: where it stops, and its own switches.

#![allow(clippy::unwrap_used)]

use ot_json0::Value;
use sharedb_proxy_tests::server::{Server, SessionId};

const CREATE: &str =
    r#"{"a":"op","c":"c","d":"d","v":null,"seq":1,"create":{"type":"json0","data":{}}}"#;
const SUBSCRIBE: &str = r#"{"a":"s","c":"c","d":"d","v":null}"#;

/// Everything that waits to be sent, as session and message.
fn drain(server: &mut Server) -> Vec<(SessionId, Value)> {
    std::iter::from_fn(|| server.poll())
        .map(|(s, text)| (s, Value::parse(&text).unwrap()))
        .collect()
}

#[test]
fn unsupported_requests_are_unknown_messages() {
    let mut server = Server::new();
    let s = server.connect();
    drain(&mut server);
    let requests = [
        r#"{"a":"nf","id":1,"c":"c","d":"d","v":null}"#,
        r#"{"a":"nt","id":1,"c":"c","d":"d","ts":null}"#,
        r#"{"a":"p","ch":"c.d","id":"p","p":null,"pv":1,"c":"c","d":"d","v":1,"t":null}"#,
    ];
    for request in requests {
        server.receive(s, request);
        let replies = drain(&mut server);
        let error = replies[0].1.get("error").unwrap();
        let code = error.get("code").unwrap();
        assert_eq!(*code, Value::from("ERR_MESSAGE_BADLY_FORMED"), "{request}");
        assert_eq!(replies.len(), 1, "{request}");
    }
}

#[test]
fn malformed_json_ends_the_session() {
    let mut server = Server::new();
    let s = server.connect();
    server.receive(s, "{");
    assert!(!server.is_connected(s));
    assert_eq!(drain(&mut server).len(), 1, "init was sent before");
    server.receive(s, r#"{"a":"pp"}"#);
    assert_eq!(server.poll(), None);
}

#[test]
fn messages_to_a_session_end_with_it() {
    let mut server = Server::new();
    let (gone, stays) = (server.connect(), server.connect());
    server.receive(gone, SUBSCRIBE);
    server.disconnect(gone);
    server.receive(stays, CREATE);
    let receivers: Vec<_> = drain(&mut server).into_iter().map(|(s, _)| s).collect();
    assert_eq!(receivers, [stays, stays], "init and the ack");
}

#[test]
fn restart_keeps_only_the_documents() {
    let mut server = Server::new();
    let s = server.connect();
    server.receive(s, SUBSCRIBE);
    server.receive(s, CREATE);
    server.restart();
    assert!(!server.is_connected(s));
    assert_eq!(server.poll(), None);
    assert_eq!(server.ops("c", "d").len(), 1);
    assert_eq!(server.snapshot("c", "d").unwrap().v, 1);
    assert_ne!(server.connect(), s);
}

#[test]
fn untouched_document_has_no_snapshot() {
    let mut server = Server::new();
    let s = server.connect();
    server.receive(s, SUBSCRIBE);
    assert_eq!(server.snapshot("c", "d"), None);
    assert!(server.ops("c", "d").is_empty());
}
