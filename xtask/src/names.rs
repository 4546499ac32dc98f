//! Short names for what a module imports and exports: the generated ones are long, stand in the module and in its bindings, and
//! end in digits that do not pack.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use anyhow::{Context, Result, ensure};
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{ExportSection, ImportSection, Module};
use wasmparser::{Export, ImportSectionReader, Parser, Payload};

/// Short names by the generated ones.
#[derive(Debug, PartialEq)]
pub(crate) struct Names {
    imports: BTreeMap<String, String>,
    exports: BTreeMap<String, String>,
}

impl Names {
    /// For a module as it was generated, together with its bindings: what is left out later has a name all the same, so that
    /// modules with the same bindings have the same names.
    ///
    /// # Errors
    /// When it is no module.
    pub(crate) fn of(module: &[u8]) -> Result<Self> {
        let mut imports = BTreeSet::new();
        let mut exports = BTreeSet::new();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        imports.insert(import?.name.to_owned());
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        exports.insert(export?.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        let short = |names: BTreeSet<String>| names.into_iter().zip((0..).map(letters)).collect();
        Ok(Self {
            imports: short(imports),
            exports: short(exports),
        })
    }

    /// The module with its short names.
    ///
    /// # Errors
    /// When it is no module.
    pub(crate) fn in_module(&self, module: &[u8]) -> Result<Vec<u8>> {
        let mut shortened = Module::new();
        Shortening(self)
            .parse_core_module(&mut shortened, Parser::new(0), module)
            .context("shortening the names")?;
        Ok(shortened.finish())
    }

    /// The bindings, which give imports as the members of an object, and take exports from `wasm`.
    ///
    /// # Errors
    /// When they do not fit the names.
    pub(crate) fn in_bindings(&self, bindings: &str) -> Result<String> {
        let mut shortened = String::new();
        let mut given = 0;
        for line in bindings.split_inclusive('\n') {
            let trimmed = line.trim_start();
            let import = trimmed
                .split_once(": function(")
                .and_then(|(name, _)| Some((name, self.imports.get(name)?)));
            let line = match import {
                Some((name, short)) => {
                    given += 1;
                    line.replacen(name, short, 1)
                }
                None => line.to_owned(),
            };
            self.exports_in_line(&line, &mut shortened)?;
        }
        ensure!(
            given == self.imports.len(),
            "the bindings give {given} of {} imports",
            self.imports.len()
        );
        Ok(shortened)
    }

    fn exports_in_line(&self, line: &str, shortened: &mut String) -> Result<()> {
        let mut parts = line.split(EXPORTS);
        shortened.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let end = part
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(part.len());
            let (name, after) = part.split_at(end);
            let short = self.exports.get(name).with_context(|| {
                format!("the bindings take {name} from a module that does not have it")
            })?;
            shortened.extend([EXPORTS, short, after]);
        }
        Ok(())
    }
}

/// How the bindings begin to name an export.
const EXPORTS: &str = "wasm.";

/// The number as letters: `a` to `z`, then `aa` to `zz`, and so on.
fn letters(number: usize) -> String {
    let mut letters = match number / 26 {
        0 => String::new(),
        more => self::letters(more - 1),
    };
    letters.push(char::from(b'a' + (number % 26) as u8));
    letters
}

/// Writes the module anew.
struct Shortening<'a>(&'a Names);

impl Reencode for Shortening<'_> {
    type Error = Infallible;

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        for import in section.into_imports() {
            let import = import?;
            let kind = self.entity_type(import.ty)?;
            imports.import(import.module, &self.0.imports[import.name], kind);
        }
        Ok(())
    }

    fn parse_export(
        &mut self,
        exports: &mut ExportSection,
        export: Export<'_>,
    ) -> Result<(), reencode::Error> {
        let kind = self.export_kind(export.kind)?;
        let index = self.external_index(export.kind, export.index)?;
        exports.export(&self.0.exports[export.name], kind, index);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{EntityType, ExportKind, TypeSection};

    #[test]
    fn bindings_use_the_short_names() -> Result<()> {
        let short = |names: &[(&str, &str)]| {
            let pairs = names
                .iter()
                .map(|&(long, short)| (long.into(), short.into()));
            pairs.collect()
        };
        let names = Names {
            imports: short(&[("__wbg_apply_1f", "a")]),
            exports: short(&[("memory", "a"), ("tabcore_get", "b")]),
        };
        let bindings = "  __wbg_apply_1f: function() {\n  wasm.tabcore_get(wasm.memory.buffer);\n";
        let shortened = names.in_bindings(bindings)?;
        assert_eq!(shortened, "  a: function() {\n  wasm.b(wasm.a.buffer);\n");
        assert!(names.in_bindings("wasm.none").is_err());
        Ok(())
    }

    #[test]
    fn modules_use_the_short_names() -> Result<()> {
        let mut imports = ImportSection::new();
        imports.import("./tab_bg.js", "__wbg_apply_1f", EntityType::Function(0));
        let mut exports = ExportSection::new();
        exports.export("tabcore_get", ExportKind::Func, 0);
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&exports);
        let module = module.finish();
        let short = Names::of(&module)?.in_module(&module)?;
        let expected = Names {
            imports: [("a".into(), "a".into())].into(),
            exports: [("a".into(), "a".into())].into(),
        };
        assert_eq!(Names::of(&short)?, expected);
        Ok(())
    }

    #[test]
    fn no_two_names_are_one() {
        let names: BTreeSet<String> = (0..26 * 27).map(letters).collect();
        assert_eq!(names.len(), 26 * 27);
    }
}
