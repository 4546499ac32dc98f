//! The patches of `tests/breaks` still fit the sources. Whether each of them is found takes two hours, and is not looked at here.

use std::path::Path;
use std::process::Command;

#[test]
fn every_break_applies() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are in the workspace");
    let entries = std::fs::read_dir(root.join("tests/breaks")).expect("the breaks are there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let patches: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|kind| kind == "patch"))
        .collect();
    assert!(!patches.is_empty());
    let stale: Vec<String> = patches
        .iter()
        .filter_map(|patch| {
            let git = Command::new("git")
                .args(["apply", "--check"])
                .arg(patch)
                .current_dir(root)
                .output()
                .expect("git is there");
            (!git.status.success()).then(|| String::from_utf8_lossy(&git.stderr).into_owned())
        })
        .collect();
    assert_eq!(stale, Vec::<String>::new());
}
