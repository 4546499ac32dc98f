//! Developer commands: demo, test, bench.
fn main() {}
