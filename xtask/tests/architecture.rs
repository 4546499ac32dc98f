//! The rules of the workspace that the compiler does not check: who may know whom, what the core
//! must not touch, and which rooms there are. A rule that is broken names the file and the word.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Each crate and the workspace crates it may depend on. The core is sans-IO: what is listed
/// here is also all that it may learn about its surroundings.
const MAY_DEPEND_ON: [(&str, &[&str]); 6] = [
    ("ot-json0", &[]),
    ("proxy-doc", &["ot-json0"]),
    ("broker", &["proxy-doc", "ot-json0"]),
    ("durable-store", &["proxy-doc", "ot-json0"]),
    (
        "worker-host",
        &["proxy-doc", "broker", "durable-store", "ot-json0"],
    ),
    ("proxy-connection", &["proxy-doc", "broker", "ot-json0"]),
];

/// Crates that reach the web platform. The core needs none of them.
const WEB: [&str; 8] = [
    "web-sys",
    "js-sys",
    "wasm-bindgen",
    "wasm-bindgen-futures",
    "serde-wasm-bindgen",
    "gloo",
    "rexie",
    "idb",
];

/// Time and randomness are inputs of the core, so that one seed replays a whole run.
const TIME_AND_CHANCE: [&str; 9] = [
    "Instant",
    "SystemTime",
    "UNIX_EPOCH",
    "getrandom",
    "rand",
    "fastrand",
    "RandomState",
    "thread_rng",
    "chrono",
];

/// The rooms at the top; anything more needs a reason in the README.
const TOP_LEVEL: [&str; 18] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "broker",
    "docs",
    "durable-store",
    "examples",
    "js-shim",
    "ot-json0",
    "package-lock.json",
    "package.json",
    "proxy-connection",
    "proxy-doc",
    "tests",
    "worker-host",
];
const TOP_LEVEL_FOR_DEVELOPERS: [&str; 1] = ["xtask"];
/// Made by tools and ignored by git.
const TOP_LEVEL_GENERATED: [&str; 2] = ["node_modules", "target"];

#[test]
fn crates_depend_only_in_the_allowed_directions() {
    let members = members();
    for (name, allowed) in MAY_DEPEND_ON {
        for dependency in &members[name].internal {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{name} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn every_crate_is_known_to_these_rules() {
    let known = MAY_DEPEND_ON.iter().map(|(name, _)| *name);
    let outside_core = ["sharedb-proxy-js", "sharedb-proxy-tests", "xtask"];
    let known: BTreeSet<&str> = known.chain(outside_core).collect();
    let members = members();
    assert_eq!(
        members.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        known
    );
}

#[test]
fn the_core_has_no_web_dependency() {
    let members = members();
    for (name, _) in MAY_DEPEND_ON {
        for dependency in &members[name].external {
            assert!(
                !is_web(dependency),
                "{name} must not depend on {dependency}"
            );
        }
    }
    let words: Vec<String> = WEB.iter().map(|name| name.replace('-', "_")).collect();
    for file in core_files() {
        for word in file.words() {
            let is_web = words.iter().any(|web| web == word) || word.starts_with("gloo_");
            assert!(!is_web, "{} names {word}", file.path.display());
        }
    }
}

#[test]
fn the_core_is_synchronous() {
    assert_never_named(&["async", "await"], |file| !is_native_driver(file));
}

#[test]
fn the_core_asks_for_neither_time_nor_randomness() {
    assert_never_named(&TIME_AND_CHANCE, |file| !is_native_driver(file));
}

/// The order of a `HashMap` differs from run to run, and whoever may name one may iterate it.
#[test]
fn the_core_has_no_unordered_collections() {
    assert_never_named(&["HashMap", "HashSet"], |_| true);
}

#[test]
fn exports_to_javascript_are_made_in_the_shim_only() {
    for (name, member) in members() {
        if name == "sharedb-proxy-js" {
            continue;
        }
        for file in member.files() {
            assert!(
                !file.code.contains("#[wasm_bindgen"),
                "{} exports to JavaScript",
                file.path.display()
            );
        }
    }
}

/// The host's code and its module are for workers, for Node, and for pages that a host comes to live in.
#[test]
fn a_page_loads_no_host_before_it_hosts() {
    let shim = root().join("js-shim/src");
    let mut loaded = BTreeSet::new();
    let mut waiting = vec![shim.join("index.js")];
    while let Some(file) = waiting.pop() {
        // What is built may not be there yet, and imports nothing of ours.
        let is_built = file.parent().unwrap().ends_with("pkg");
        if !loaded.insert(normal(&file)) || is_built {
            continue;
        }
        let source = fs::read_to_string(&file).unwrap();
        let folder = file.parent().unwrap();
        waiting.extend(static_imports(&source).map(|path| folder.join(path)));
    }
    let js_shim = root().join("js-shim");
    assert!(
        loaded.contains(&js_shim.join("pkg/tab.js")),
        "the bindings of the tab's module are among them"
    );
    for host in [
        "pkg/host.js",
        "src/cores/host-core.js",
        "src/host/host-driver.js",
        "src/host/host-life.js",
        "src/host/page-host.js",
        "src/host/place.js",
        "src/host/shared-host.js",
        "src/storage/host-storage.js",
    ] {
        let host = js_shim.join(host);
        assert!(
            !loaded.contains(&host),
            "js-shim/src/index.js loads {}",
            host.display()
        );
    }
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

/// The paths that a script's `import … from` and `export … from` name, packages left out.
fn static_imports(source: &str) -> impl Iterator<Item = &str> {
    source
        .split(" from '")
        .skip(1)
        .chain(source.split("\nimport '").skip(1))
        .filter_map(|rest| rest.split_once('\''))
        .map(|(path, _)| path)
        .filter(|path| path.starts_with('.'))
}

#[test]
fn unsafe_is_forbidden_everywhere() {
    let root = toml(&root().join("Cargo.toml"));
    assert!(root.contains("unsafe_code = \"forbid\""));
    for (name, member) in members() {
        assert!(
            toml(&member.directory.join("Cargo.toml")).contains("[lints]\nworkspace = true"),
            "{name} does not take the workspace's lints"
        );
        for file in member.files() {
            let named = file.words().any(|word| word == "unsafe");
            assert!(!named, "{} names `unsafe`", file.path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for (_, member) in members() {
        for file in member.files() {
            assert!(
                file.text.starts_with("//!"),
                "{} does not begin with //!",
                file.path.display()
            );
        }
    }
}

#[test]
fn the_top_level_holds_only_the_agreed_rooms() {
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = TOP_LEVEL
            .iter()
            .chain(&TOP_LEVEL_FOR_DEVELOPERS)
            .chain(&TOP_LEVEL_GENERATED);
        // Names with a dot are the configuration of tools.
        assert!(
            name.starts_with('.') || known.into_iter().any(|room| *room == name),
            "{name} is not an agreed room"
        );
    }
}

#[test]
fn code_is_told_from_comments_and_strings() {
    let source = r##"let a = "async // \" HashMap"; // Instant
        /* unsafe /* nested */ rand */ let c = '"'; let r = r#"await " async"#; fn f<'a>(x: &'a str) {} b()"##;
    let words: Vec<String> = words(&code_only(source)).map(String::from).collect();
    for word in [
        "async", "HashMap", "Instant", "unsafe", "rand", "await", "nested",
    ] {
        assert!(
            !words.iter().any(|found| found == word),
            "{word} in {words:?}"
        );
    }
    for word in ["let", "c", "r", "fn", "str", "b"] {
        assert!(
            words.iter().any(|found| found == word),
            "no {word} in {words:?}"
        );
    }
}

fn assert_never_named(forbidden: &[&str], applies: impl Fn(&SourceFile) -> bool) {
    for file in core_files().filter(applies) {
        for word in file.words() {
            assert!(
                !forbidden.contains(&word),
                "{} names {word}",
                file.path.display()
            );
        }
    }
}

fn is_web(dependency: &str) -> bool {
    WEB.contains(&dependency) || dependency.starts_with("gloo-")
}

/// The driver of a host without JavaScript, behind a feature: the one file of the core that does what machines ask for.
fn is_native_driver(file: &SourceFile) -> bool {
    file.member == "worker-host" && file.path.ends_with("src/native.rs")
}

struct Member {
    name: String,
    directory: PathBuf,
    internal: Vec<String>,
    external: Vec<String>,
}

struct SourceFile {
    member: String,
    path: PathBuf,
    text: String,
    /// The text without comments and the contents of strings.
    code: String,
}

impl SourceFile {
    fn read(member: &str, path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap();
        Self {
            member: member.to_owned(),
            code: code_only(&text),
            path,
            text,
        }
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        words(&self.code)
    }
}

impl Member {
    /// The Rust files below `src`. Tests of a crate may use what its core may not.
    fn files(&self) -> Vec<SourceFile> {
        let mut paths = Vec::new();
        rust_files(&self.directory.join("src"), &mut paths);
        paths
            .into_iter()
            .map(|path| SourceFile::read(&self.name, path))
            .collect()
    }
}

fn core_files() -> impl Iterator<Item = SourceFile> {
    let members = members();
    MAY_DEPEND_ON
        .into_iter()
        .flat_map(move |(name, _)| members[name].files())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

fn toml(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// The workspace's crates by name, as cargo sees them. Development dependencies do not count:
/// they never reach a user.
fn members() -> BTreeMap<String, Member> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let member = member(package);
            (member.name.clone(), member)
        })
        .collect()
}

fn member(package: &Value) -> Member {
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    let mut member = Member {
        name: package["name"].as_str().unwrap().to_owned(),
        directory: manifest.parent().unwrap().to_path_buf(),
        internal: Vec::new(),
        external: Vec::new(),
    };
    for dependency in package["dependencies"].as_array().unwrap() {
        if dependency["kind"] == "dev" {
            continue;
        }
        let name = dependency["name"].as_str().unwrap().to_owned();
        if dependency["path"].is_string() {
            member.internal.push(name);
        } else {
            member.external.push(name);
        }
    }
    member
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// Blanks out comments and what stands between quotes. It knows as much of Rust's grammar as
/// this needs: nested block comments, escapes, raw strings, and that `'a` may be a lifetime.
fn code_only(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let skipped = comment(rest)
            .or_else(|| raw_string(rest, code.chars().last()))
            .or_else(|| string(rest))
            .or_else(|| character(rest));
        match skipped {
            Some(length) => {
                code.push(' ');
                rest = &rest[length..];
            }
            None => {
                code.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    code
}

fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    Some(text.len())
}

fn raw_string(text: &str, before: Option<char>) -> Option<usize> {
    if before.is_some_and(|c| (c.is_alphanumeric() && c != 'b') || c == '_') {
        return None;
    }
    let hashes = text.strip_prefix('r')?;
    let count = hashes.len() - hashes.trim_start_matches('#').len();
    let content = hashes[count..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(count));
    let length = content
        .find(&end)
        .map_or(content.len(), |at| at + end.len());
    Some(text.len() - content.len() + length)
}

fn string(text: &str) -> Option<usize> {
    let content = text.strip_prefix('"')?;
    let mut escaped = false;
    for (at, c) in content.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(1 + at + 1),
            _ => {}
        }
    }
    Some(text.len())
}

/// A character literal ends within a few characters; a lifetime has no second quote there.
fn character(text: &str) -> Option<usize> {
    let content = text.strip_prefix('\'')?;
    let first = content.chars().next()?;
    if first == '\\' {
        return content[2..].find('\'').map(|at| 1 + 2 + at + 1);
    }
    content[first.len_utf8()..]
        .starts_with('\'')
        .then(|| 1 + first.len_utf8() + 1)
}
