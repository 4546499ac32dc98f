//! The states of the connection, and pings in their order.

use super::*;

fn server() -> Server {
    Server::new(Some("life".to_owned()), true, true)
}

fn tab(name: &str) -> TabId {
    TabId(name.to_owned())
}

#[test]
fn a_connection_comes_up_by_connecting() {
    let mut server = server();
    let refused = server.transition(State::Connected, None);
    let code = codes::ERR_CONNECTION_STATE_TRANSITION_INVALID;
    assert!(refused.is_err_and(|error| error.is(code)));
    let mut moves = |state| server.transition(state, None).ok();
    assert_eq!(moves(State::Connecting), Some(true));
    assert_eq!(moves(State::Connecting), Some(false), "that is no news");
    assert_eq!(moves(State::Connected), Some(true));
    assert_eq!(moves(State::Connecting), None);
    assert!(server.is_connected());
}

#[test]
fn a_pong_is_for_the_tab_that_asked_first() {
    let mut server = server();
    server.note_ping(Some(tab("a")));
    server.note_ping(None);
    server.note_ping(Some(tab("b")));
    assert_eq!(server.take_ping(), Some(Some(tab("a"))));
    assert_eq!(server.take_ping(), Some(None), "the host's own");
    assert_eq!(server.take_ping(), Some(Some(tab("b"))));
    assert_eq!(server.take_ping(), None, "nobody asked by this host");
}

#[test]
fn a_tab_that_left_keeps_the_place_of_its_ping() {
    let mut server = server();
    server.note_ping(Some(tab("a")));
    server.note_ping(Some(tab("b")));
    server.forget_pings_of(&tab("a"));
    assert_eq!(server.take_ping(), Some(None));
    assert_eq!(server.take_ping(), Some(Some(tab("b"))));
}

#[test]
fn pings_end_with_their_socket() {
    let mut server = server();
    server.note_ping(Some(tab("a")));
    server.forget_pings();
    assert_eq!(server.take_ping(), None);
}

#[test]
fn a_socket_is_wanted_until_the_connection_is_closed() {
    let mut server = server();
    assert!(!server.opens_next_socket());
    server.want_socket(true);
    assert!(server.opens_next_socket());
    server.want_socket(false);
    assert!(!server.opens_next_socket());
}
