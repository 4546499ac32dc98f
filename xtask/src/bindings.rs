//! What wasm-bindgen generates, as the shim wants it: bindings that serve one instance after the other, that take long strings and
//! refuse what is no string, and that download nothing.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Put before the bindings: what they take for globals is missing in some environments.
const BINDINGS_HEAD: &str =
    "import { TextDecoder, TextEncoder, passLong } from '../src/cores/text-coding.js';\n";

/// Where the bindings begin to pass a string, and what is put before. What is no string is refused before the machine is entered:
/// they would write where no memory is, and the machine were dead.
const PASSING: &str = "    let len = arg.length;\n    let ptr = malloc(len, 1) >>> 0;\n";
const PASSING_LONG: &str = "    if (arg?.length === undefined) throw new TypeError(`${typeof arg} is no text`);\n    \
    if (arg.length > 4096) {\n        \
    const [pointer, bytes] = passLong(cachedTextEncoder, arg, malloc, realloc, getUint8ArrayMemory0);\n        \
    WASM_VECTOR_LEN = bytes;\n        return pointer;\n    }\n\n";

/// Turns the bindings into a function that gives bindings: as generated, they serve one instance for as long as the page
/// lives, and an instance that has trapped has to be replaced.
///
/// # Errors
/// When the bindings are not as wasm-bindgen generated them before.
pub(crate) fn make_repeatable(made: &Path, name: &str) -> Result<()> {
    let script = made.join(format!("{name}.js"));
    let (text, classes) = repeatable_script(&fs::read_to_string(&script)?)?;
    fs::write(script, text)?;
    let declarations = made.join(format!("{name}.d.ts"));
    let text = repeatable_declarations(&fs::read_to_string(&declarations)?, &classes);
    Ok(fs::write(declarations, text)?)
}

/// The script, and the names of its classes.
fn repeatable_script(script: &str) -> Result<(String, Vec<String>)> {
    const EXPORTS: &str = "export { initSync, __wbg_init as default };";
    let Some((body, "")) = script.trim_end().split_once(EXPORTS) else {
        bail!("the bindings do not end as wasm-bindgen ended them before: {EXPORTS}");
    };
    let classes: Vec<String> = body
        .lines()
        .filter_map(|line| line.strip_prefix("export class ")?.strip_suffix(" {"))
        .map(str::to_owned)
        .collect();
    if !body.contains(PASSING) {
        bail!("the bindings do not pass strings as wasm-bindgen passed them before: {PASSING}");
    }
    let body = body.replace(PASSING, &format!("{PASSING_LONG}{PASSING}"));
    let body = body.replace("\nexport class ", "\nclass ");
    if body.contains("\nexport ") {
        bail!("the bindings export something else than classes");
    }
    let body = without_download(&body)?;
    let names = classes.join(", ");
    let script = format!(
        "{BINDINGS_HEAD}export function makeBindings() {{\n{body}\n\
         return {{\n{names}, initSync, memory: () => wasm.memory }};\n}}\n"
    );
    Ok((script, classes))
}

/// The bindings without the functions that download a module: its bytes are in a script.
fn without_download(body: &str) -> Result<String> {
    let parts = (|| {
        let (head, rest) = body.split_once("\nasync function __wbg_load(")?;
        let (_, rest) = rest.split_once("\nfunction initSync(")?;
        let (sync, _) = rest.split_once("\nlet __wbg_init_promise;")?;
        Some(format!("{head}\nfunction initSync({sync}"))
    })();
    parts.context("the bindings do not load their module as wasm-bindgen loaded it before")
}

fn repeatable_declarations(declarations: &str, classes: &[String]) -> String {
    let own = declarations
        .replace("export class ", "declare class ")
        .replace("export function ", "declare function ")
        .replace("export default function ", "declare function ");
    let names = classes.join(", ");
    let members: String = classes
        .iter()
        .map(|class| format!("    {class}: typeof {class};\n"))
        .collect();
    format!(
        "{own}\nexport type {{ {names} }};\n\n\
         /** Bindings without an instance yet: `initSync` makes it. */\n\
         export function makeBindings(): {{\n{members}    initSync: typeof initSync;\n    \
         memory: () => WebAssembly.Memory;\n}};\n"
    )
}
