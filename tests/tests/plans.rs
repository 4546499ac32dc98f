//! Replays every plan that a failed simulation once left behind.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use sharedb_proxy_tests::sim::Plan;

#[test]
fn saved_plans_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    let files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert!(!files.is_empty());
    for file in files {
        let plan = Plan::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(plan.replay(), Vec::<String>::new(), "{}", file.display());
    }
}
