//! `Doc` against a reference that keeps the whole history and recomputes from scratch.
//!
//! A script drives one document: own edits, another writer, answers of the upstream in order, lost
//! connections, rejections. After every step the data that the document's events made, its version,
//! its unfinished ops and the callbacks are compared with what the reference computes.

#![allow(clippy::unwrap_used)]

mod edits;
mod reference;
mod world;

use proxy_doc::Edge;

fn run(edge: Edge, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let result = std::panic::catch_unwind(|| world::World::new(edge, seed).script());
        assert!(result.is_ok(), "{edge:?}, seed {seed}");
    }
}

#[test]
fn doc_in_the_host_agrees_with_the_model() {
    run(Edge::Host, 1..1200);
}

#[test]
fn doc_in_a_tab_agrees_with_the_model() {
    run(Edge::Tab, 1..1200);
}
