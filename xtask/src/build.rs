//! Builds the npm package: the wasm modules with their bindings, and the CommonJS bundle for Node.
//!
//! Steps whose inputs did not change are skipped, so that every command can begin with a build.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

use crate::names::Names;
use crate::{bindings, layout, own_std, process, scripted};

/// What the shim is compiled for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
const CRATE: &str = "sharedb-proxy-js";
/// The crate's features, each of which is built as a module of its own: a page downloads the tab's alone. Their names are
/// those of the bindings, on which the shim's JavaScript relies.
pub(crate) const MODULES: [&str; 3] = ["tab", "host", "coordinator"];
/// Where the bindings go.
const PACKAGE: &str = "js-shim/pkg";
/// The same for [`Profile::Checked`], beside a copy of the shim's JavaScript that imports them.
const CHECKED: &str = "js-shim/checked";
/// The same for [`Profile::Later`], without JavaScript.
const LATER: &str = "js-shim/later";
const SOURCES: &str = "js-shim/src";
/// The text of the module that unpacks the others.
const UNPACKER: &str = "js-shim/src/cores/unpack.wat";

/// For size, like the `wasm` profile's `opt-level`. What counts is the packed size: large functions
/// of a single caller, inlined, make the module shorter and what is packed longer by a tenth. The
/// memory below 1024 is unused, since the stack lies below the data and ends there.
const OPTIMISE: [&str; 5] = [
    "-Oz",
    "--converge",
    "--one-caller-inline-max-function-size=15",
    "--low-memory-unused",
    "--strip-target-features",
];

/// Bytes of a module that Chromium compiles in a page without a promise, at most. With what debuggers read beside names, the
/// tab's would be larger.
const MOST_AT_ONCE: u64 = 8 << 20;

/// What rustc enables for this target by default. Named here, because a stripped module no
/// longer says so itself.
const WASM_FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// How the wasm module is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Profile {
    /// As it is shipped: the workspace's `wasm` profile, then wasm-opt.
    Wasm,
    /// The same compiled for speed, for Node, which reads it from its disk. The bindings are those of [`Profile::Wasm`].
    Node,
    /// Quick to build, with names in stack traces; large and slow.
    Dev,
    /// For browser tests: a later build of the application, whose protocol has the next number. Kept apart from what is shipped.
    Later,
    /// For fuzz tests: compiled as [`Profile::Dev`], so that an overflow panics, and kept apart from what is shipped.
    Checked,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Wasm | Self::Later => "wasm",
            Self::Node => "wasm-node",
            Self::Dev | Self::Checked => "dev",
        }
    }

    /// Cargo's directory for the profile.
    fn directory(self) -> &'static str {
        match self {
            Self::Wasm | Self::Later | Self::Node => self.name(),
            Self::Dev | Self::Checked => "debug",
        }
    }

    /// Where the bindings go.
    fn package(self) -> PathBuf {
        let root = process::root();
        match self {
            Self::Wasm | Self::Node | Self::Dev => root.join(PACKAGE),
            Self::Later => root.join(LATER).join("pkg"),
            Self::Checked => root.join(CHECKED).join("pkg"),
        }
    }
}

/// Builds everything that the tests, the demos and a publication need, and prints the sizes of what is shipped.
///
/// # Errors
/// When a tool is missing and cannot be installed, or a step fails.
pub(crate) fn build(profile: Profile) -> Result<()> {
    ensure_npm_packages()?;
    ensure_target(TARGET)?;
    make_unpacker(profile)?;
    make_modules(profile)?;
    if profile == Profile::Later {
        return Ok(());
    }
    if profile == Profile::Checked {
        return copy_into(
            &process::root().join(SOURCES),
            &process::root().join(CHECKED).join("src"),
        );
    }
    bundle_for_node("index")?;
    bundle_for_node("coordinator")?;
    bundle_worker()?;
    bundle_promises()?;
    bundle_for_require()?;
    bundle_for_pages()?;
    // A dev build is too large to say anything, and takes minutes to pack.
    if profile == Profile::Dev {
        return Ok(());
    }
    print_sizes()
}

/// Compiles the modules, and binds each while the next one is compiled: wasm-opt takes half of the time, and has one thread.
fn make_modules(profile: Profile) -> Result<()> {
    let mut kinds = vec![(profile, std_for(profile))];
    if profile == Profile::Wasm {
        kinds.push((Profile::Node, Std::Given));
    }
    let modules = MODULES
        .iter()
        .flat_map(|name| kinds.iter().map(move |kind| (name, kind)));
    thread::scope(|scope| {
        let (compiled, queue) = mpsc::channel();
        let binding = scope.spawn(move || {
            let mut compiled = queue.iter();
            compiled.try_for_each(|(name, profile, module)| match profile {
                Profile::Node => bind_fast(module, name),
                _ => bind(module, name, profile),
            })
        });
        for (name, &(profile, std)) in modules {
            let module = compile(name, profile, std)?;
            if compiled.send((name, profile, module)).is_err() {
                break;
            }
        }
        drop(compiled);
        binding.join().expect("errors are returned")
    })
}

/// Installs the npm packages when the lock file is newer than what is installed.
///
/// # Errors
/// When npm is missing or fails.
pub(crate) fn ensure_npm_packages() -> Result<()> {
    let modified = |path: &str| fs::metadata(process::root().join(path))?.modified();
    // npm writes this file last, so it is there only after a complete installation.
    let installed = modified("node_modules/.package-lock.json");
    let locked = modified("package-lock.json").context("package-lock.json is missing")?;
    if installed.is_ok_and(|installed| installed >= locked) {
        return Ok(());
    }
    println!("installing the npm packages");
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    process::run(process::program(npm).args(["ci", "--no-audit", "--no-fund"]))
        .context("npm comes with Node 20 or later: https://nodejs.org")
}

/// Adds a wasm target to the tool chain.
///
/// # Errors
/// When it is missing and rustup is not there to add it.
pub(crate) fn ensure_target(target: &str) -> Result<()> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let library = process::output(process::program(rustc).args([
        "--print",
        "target-libdir",
        "--target",
        target,
    ]))?;
    if Path::new(library.trim()).exists() {
        return Ok(());
    }
    println!("adding the target {target}");
    process::run(process::program("rustup").args(["target", "add", target])).with_context(|| {
        format!("the target {target} is missing: `rustup target add {target}`, or your system's package of Rust for WebAssembly")
    })
}

/// Compiles one module of the shim's crate, and gives its bytes.
fn compile(name: &str, profile: Profile, std: Std) -> Result<Vec<u8>> {
    let mut cargo = process::cargo();
    cargo.args(["build", "--quiet", "--package", CRATE]);
    cargo.args(["--target", TARGET, "--profile", profile.name()]);
    cargo.args(["--no-default-features", "--features", name]);
    if profile == Profile::Later {
        cargo.args(["--features", "next-protocol"]);
    }
    if std == Std::Own {
        own_std::compile_with(&mut cargo);
    }
    process::run(&mut cargo)?;
    let file = format!("{}.wasm", CRATE.replace('-', "_"));
    let module = target_directory()?
        .join(TARGET)
        .join(profile.directory())
        .join(file);
    fs::read(&module).with_context(|| format!("reading {}", module.display()))
}

/// Where a module's standard library comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Std {
    /// From the tool chain.
    Given,
    /// See [`own_std`].
    Own,
}

/// A browser's modules have a standard library of their own, where that can be.
fn std_for(profile: Profile) -> Std {
    if !matches!(profile, Profile::Wasm | Profile::Later) {
        return Std::Given;
    }
    match own_std::prepare() {
        Ok(()) => Std::Own,
        Err(error) => {
            println!("what a browser downloads will be larger than it can be: {error:#}");
            Std::Given
        }
    }
}

/// Generates the bindings and optimises the module. Everything is made in the target directory
/// and copied at the end: a page that is being served never sees half a package. Node's module is the same one here.
fn bind(bytes: Vec<u8>, name: &str, profile: Profile) -> Result<()> {
    let package = profile.package();
    let stamp = package.join(format!(".{name}.stamp"));
    let wanted = fingerprint(&bytes, profile);
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    let made = generate(bytes, name, profile)?;

    for stale in [&stamp, &package.join(format!(".{name}_node.stamp"))] {
        let _ = fs::remove_file(stale);
    }
    scripted::write(&made, name)?;
    copy_into(&made, &package)?;
    fs::write(stamp, wanted)?;
    Ok(())
}

/// Replaces Node's module by one that is compiled for speed, and makes sure that the bindings fit it.
fn bind_fast(bytes: Vec<u8>, name: &str) -> Result<()> {
    let package = Profile::Node.package();
    let stamp = package.join(format!(".{name}_node.stamp"));
    let other = fs::read_to_string(package.join(format!(".{name}.stamp")))?;
    let wanted = format!("{} {other}", fingerprint(&bytes, Profile::Node));
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    let made = generate(bytes, name, Profile::Node)?;

    let script = format!("{name}.js");
    if fs::read(made.join(&script))? != fs::read(package.join(&script))? {
        bail!("the bindings of {name}'s module differ between the profiles, so Node needs its own");
    }
    let _ = fs::remove_file(&stamp);
    scripted::write_for_node(&made, name)?;
    fs::copy(
        made.join(scripted::for_node(name)),
        package.join(scripted::for_node(name)),
    )?;
    fs::write(stamp, wanted)?;
    Ok(())
}

/// Makes bindings and module in a directory of their own, and gives that.
fn generate(bytes: Vec<u8>, name: &str, profile: Profile) -> Result<PathBuf> {
    let made = target_directory()?.join("bindings");
    if made.exists() {
        fs::remove_dir_all(&made)?;
    }
    Bindgen::new()
        .input_bytes(name, bytes)
        .web(true)?
        // The declarations let `tsc --checkJs` check how the shim calls into the module.
        .typescript(true)
        .remove_name_section(matches!(profile, Profile::Wasm | Profile::Node))
        .remove_producers_section(true)
        .generate(&made)?;
    let file = made.join(format!("{name}_bg.wasm"));
    let size = fs::metadata(&file)?.len();
    if name == "tab" && size > MOST_AT_ONCE {
        bail!(
            "the tab's module has {size} bytes: a page of Chromium refuses to compile that at once"
        );
    }
    let names = Names::of(&fs::read(&file)?)?;
    match profile {
        Profile::Wasm => shrink(&file)?,
        Profile::Node => optimise(&file, &["-O3"])?,
        Profile::Dev | Profile::Later | Profile::Checked => {}
    }
    bindings::make_repeatable(&made, name)?;
    if profile != Profile::Dev {
        fs::write(&file, names.in_module(&fs::read(&file)?)?)?;
        let bindings = made.join(format!("{name}.js"));
        fs::write(
            &bindings,
            names.in_bindings(&fs::read_to_string(&bindings)?)?,
        )?;
    }
    Ok(made)
}

/// Binds and optimises a module that is not shipped, for Node's `require`.
///
/// # Errors
/// When a step fails.
pub(crate) fn bind_for_node(module: &Path, name: &str, into: &Path) -> Result<()> {
    let bytes = fs::read(module).with_context(|| format!("reading {}", module.display()))?;
    Bindgen::new()
        .input_bytes(name, bytes)
        .nodejs(true)?
        .typescript(false)
        .generate(into)?;
    shrink(&into.join(format!("{name}_bg.wasm")))
}

/// Makes a module as small as it can be downloaded.
fn shrink(module: &Path) -> Result<()> {
    optimise(module, &OPTIMISE)?;
    let arranged = layout::arrange(&fs::read(module)?)?;
    Ok(fs::write(module, arranged)?)
}

/// Makes the module that unpacks the others in a browser.
fn make_unpacker(profile: Profile) -> Result<()> {
    let module = target_directory()?.join("unpacker.wasm");
    let mut assembler = process::npm_tool("wasm-as");
    assembler.arg(UNPACKER).args(WASM_FEATURES);
    process::run(assembler.arg("--output").arg(&module))?;
    optimise(&module, &["-Oz"])?;
    fs::create_dir_all(profile.package())?;
    scripted::write_unpacker(&profile.package(), &fs::read(module)?)
}

fn optimise(module: &Path, how: &[&str]) -> Result<()> {
    let mut tool = process::npm_tool("wasm-opt");
    tool.args(how).args(WASM_FEATURES);
    process::run(tool.arg(module).arg("--output").arg(module))
}

fn fingerprint(module: &[u8], profile: Profile) -> String {
    let mut hasher = DefaultHasher::new();
    (module, profile, OPTIMISE, WASM_FEATURES).hash(&mut hasher);
    // So may what is done to the bindings, and to the module.
    include_str!("build.rs").hash(&mut hasher);
    include_str!("bindings.rs").hash(&mut hasher);
    include_str!("layout.rs").hash(&mut hasher);
    include_str!("names.rs").hash(&mut hasher);
    include_str!("scripted.rs").hash(&mut hasher);
    include_str!("streams.rs").hash(&mut hasher);
    // The tools may change while the module stays: both are pinned in the lock files.
    for lock in ["Cargo.lock", "package-lock.json"] {
        fs::read(process::root().join(lock))
            .unwrap_or_default()
            .hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

/// Copies the files of a directory over those of another, and those of its directories before its own.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn copy_into(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let mut entries = fs::read_dir(from)?.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(|entry| entry.path().is_file());
    for entry in entries {
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_into(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Bundles an entry for Node's `require`. CommonJS has no `import.meta`, so the bundle gets its own; the modules' scripts stay
/// files, which the entry for `import` has, too: the bundle lies as deep as its source.
fn bundle_for_node(name: &str) -> Result<()> {
    let mut esbuild = process::npm_tool("esbuild");
    esbuild
        .arg(format!("js-shim/src/{name}.node.js"))
        .arg(format!("--outfile=js-shim/dist/{name}.cjs"));
    esbuild.args([
        "--bundle",
        "--format=cjs",
        "--platform=node",
        "--target=node20",
    ]);
    esbuild.args([
        "--external:ot-json0",
        "--external:events",
        "--external:sharedb",
        "--external:../pkg/*",
    ]);
    esbuild.arg("--define:import.meta.url=moduleUrl");
    esbuild
        .arg("--banner:js=const moduleUrl = require('node:url').pathToFileURL(__filename).href;");
    process::run(esbuild.arg("--log-level=warning"))
}

/// Bundles the entry for `require` in a browser. There is no `import.meta`, so no address of the packaged worker.
fn bundle_for_require() -> Result<()> {
    let mut esbuild = process::npm_tool("esbuild");
    esbuild
        .arg("js-shim/src/index.inline.js")
        .arg("--outfile=js-shim/dist/inline.cjs")
        .arg("--format=cjs")
        .arg("--log-override:empty-import-meta=silent");
    esbuild.args([
        "--bundle",
        "--platform=browser",
        "--target=es2022",
        "--external:ot-json0",
        "--external:events",
    ]);
    process::run(esbuild.arg("--log-level=warning"))
}

/// Bundles the promises for `require`.
fn bundle_promises() -> Result<()> {
    let mut esbuild = process::npm_tool("esbuild");
    esbuild.args([
        "js-shim/src/promises.js",
        "--outfile=js-shim/dist/promises.cjs",
        "--format=cjs",
        "--platform=node",
        "--target=node20",
    ]);
    process::run(esbuild.arg("--log-level=warning"))
}

/// Bundles the packaged worker into one script that needs no other file, so that every bundler and every server can have it
/// at any address. A classic script: it can be run by `importScripts`, too.
fn bundle_worker() -> Result<()> {
    let mut esbuild = process::npm_tool("esbuild");
    esbuild.args([
        "js-shim/src/worker-entry.js",
        "--outfile=js-shim/dist/sharedb-proxy-worker.js",
    ]);
    esbuild.args([
        "--bundle",
        "--minify",
        "--format=iife",
        "--platform=browser",
        "--target=es2022",
    ]);
    process::run(esbuild.arg("--log-level=warning"))
}

/// The entries for pages without a bundler, by their names in `dist`. They share their parts.
const FOR_PAGES: [(&str, &str); 4] = [
    ("browser", "index.js"),
    ("browser-coordinator", "coordinator.js"),
    ("browser-promises", "promises.js"),
    ("browser-worker", "worker.js"),
];

/// Bundles the entries with all that they import, for import maps. They lie as deep as their sources.
fn bundle_for_pages() -> Result<()> {
    let dist = process::root().join("js-shim/dist");
    // Shared parts are named after what is in them.
    for entry in fs::read_dir(&dist)? {
        let path = entry?.path();
        if path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"browser"))
        {
            fs::remove_file(path)?;
        }
    }
    let mut esbuild = process::npm_tool("esbuild");
    for (name, source) in FOR_PAGES {
        esbuild.arg(format!("{name}=js-shim/src/{source}"));
    }
    esbuild.args([
        "--outdir=js-shim/dist",
        "--chunk-names=browser-[name]-[hash]",
        "--bundle",
        "--minify",
        "--splitting",
        "--format=esm",
        "--platform=browser",
        "--target=es2022",
    ]);
    process::run(esbuild.arg("--log-level=warning"))
}

/// Where cargo builds.
///
/// # Errors
/// When cargo does not say.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let mut cargo = process::cargo();
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: serde_json::Value = serde_json::from_str(&process::output(&mut cargo)?)?;
    match metadata["target_directory"].as_str() {
        Some(path) => Ok(path.into()),
        None => bail!("cargo metadata names no target directory"),
    }
}

/// What a browser downloads, as the benchmarks count it.
fn print_sizes() -> Result<()> {
    let script = "import('./tests/bench/rows/size.mjs').then(({ print }) => print())";
    process::run(process::program("node").args(["-e", script]))
}
