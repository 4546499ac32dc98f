//! The order of a module's functions. gzip finds a repetition within 32 kB only, so functions that share code are put
//! next to each other.
//!
//! The order comes of recursive bisection: functions are vertices, the sequences of opcodes in two or more of them are
//! hyperedges, and each half keeps as many of a sequence's functions together as it can (Dhulipala et al., "Compressing
//! graphs and indexes with recursive graph bisection"). Nothing but the order and the function indices changes.

use std::collections::HashMap;
use std::convert::Infallible;

use anyhow::{Context, Result};
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{CodeSection, FunctionSection, Module};
use wasmparser::{
    CodeSectionReader, FunctionBody, FunctionSectionReader, Parser, Payload, TypeRef,
};

use crate::streams;

/// Opcodes of a sequence: longer ones are found in fewer functions, shorter ones say less.
const SEQUENCE: usize = 6;
/// Attempts to improve one bisection; most end before.
const ROUNDS: usize = 20;
/// A part of so few functions is not divided again.
const SMALLEST_PART: usize = 4;

/// The module with its functions in an order that packs well.
///
/// # Errors
/// When it is no module.
pub(crate) fn arrange(module: &[u8]) -> Result<Vec<u8>> {
    let (imported, code) = functions(module)?;
    let order = order(&code);
    let mut indices: Vec<u32> = (0..imported).collect();
    indices.resize(indices.len() + order.len(), 0);
    for (place, &function) in (imported..).zip(&order) {
        indices[imported as usize + function] = place;
    }
    let mut arranged = Module::new();
    Arrangement { order, indices }
        .parse_core_module(&mut arranged, Parser::new(0), module)
        .context("arranging the functions")?;
    Ok(arranged.finish())
}

/// How many functions are imported, and the opcodes of the others.
fn functions(module: &[u8]) -> Result<(u32, Vec<Vec<u8>>)> {
    let mut imported = 0;
    let mut code = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => code.push(streams::opcodes(body.as_bytes())?),
            _ => {}
        }
    }
    Ok((imported, code))
}

/// The new order of functions that are given as their opcodes, as indices.
fn order(functions: &[Vec<u8>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..functions.len()).collect();
    order.sort_by_key(|&function| functions[function].len());
    let graph = Graph::new(functions);
    graph.bisect(&mut order);
    order
}

/// Which functions share which sequences.
struct Graph {
    /// For each function the numbers of the sequences that others have, too.
    shared: Vec<Vec<u32>>,
    sequences: usize,
}

impl Graph {
    fn new(functions: &[Vec<u8>]) -> Self {
        let mut owners: HashMap<&[u8], u32> = HashMap::new();
        let own: Vec<Vec<&[u8]>> = functions
            .iter()
            .map(|opcodes| {
                let mut own: Vec<&[u8]> = opcodes.windows(SEQUENCE).collect();
                own.sort_unstable();
                own.dedup();
                own
            })
            .collect();
        for sequence in own.iter().flatten() {
            *owners.entry(sequence).or_default() += 1;
        }
        let mut numbers: HashMap<&[u8], u32> = HashMap::new();
        let shared = own
            .iter()
            .map(|own| {
                own.iter()
                    // What most functions have is found anywhere.
                    .filter(|&sequence| {
                        (2..=functions.len() as u32 / 2).contains(&owners[sequence])
                    })
                    .map(|&sequence| {
                        let next = numbers.len() as u32;
                        *numbers.entry(sequence).or_insert(next)
                    })
                    .collect()
            })
            .collect();
        Self {
            shared,
            sequences: numbers.len(),
        }
    }

    /// Orders `part` so that functions with the same sequences are near each other.
    fn bisect(&self, part: &mut [usize]) {
        if part.len() <= SMALLEST_PART {
            return;
        }
        let (left, right) = part.split_at_mut(part.len() / 2);
        let mut counts = [self.count(left), self.count(right)];
        for _ in 0..ROUNDS {
            if !self.exchange(left, right, &mut counts) {
                break;
            }
        }
        drop(counts);
        self.bisect(left);
        self.bisect(right);
    }

    /// In how many functions of the part each sequence is.
    fn count(&self, part: &[usize]) -> Vec<u32> {
        let mut counts = vec![0; self.sequences];
        for &function in part {
            for &sequence in &self.shared[function] {
                counts[sequence as usize] += 1;
            }
        }
        counts
    }

    /// Exchanges the pairs of functions that are better off on the other side. `false` where there is none.
    fn exchange(
        &self,
        left: &mut [usize],
        right: &mut [usize],
        counts: &mut [Vec<u32>; 2],
    ) -> bool {
        let [in_left, in_right] = counts;
        let left_gains = self.gains(left, in_left, in_right);
        let right_gains = self.gains(right, in_right, in_left);
        let mut is_changed = false;
        for ((gain, at), (other_gain, other_at)) in left_gains.into_iter().zip(right_gains) {
            if gain + other_gain <= 1e-9 {
                break;
            }
            let (to_right, to_left) = (&mut left[at], &mut right[other_at]);
            for &sequence in &self.shared[*to_right] {
                in_left[sequence as usize] -= 1;
                in_right[sequence as usize] += 1;
            }
            for &sequence in &self.shared[*to_left] {
                in_right[sequence as usize] -= 1;
                in_left[sequence as usize] += 1;
            }
            std::mem::swap(to_right, to_left);
            is_changed = true;
        }
        is_changed
    }

    /// What moving each function of `part` to the other side gains, and its place, the largest gain first.
    fn gains(&self, part: &[usize], here: &[u32], there: &[u32]) -> Vec<(f64, usize)> {
        let mut gains: Vec<(f64, usize)> = part
            .iter()
            .enumerate()
            .map(|(at, &function)| {
                let gain = self.shared[function].iter().map(|&sequence| {
                    let (here, there) = (here[sequence as usize], there[sequence as usize]);
                    cost(here) + cost(there) - cost(here - 1) - cost(there + 1)
                });
                (gain.sum(), at)
            })
            .collect();
        gains.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        gains
    }
}

/// What a sequence costs that so many functions of a part have: concave, so that it is cheaper in one part than in both.
fn cost(count: u32) -> f64 {
    -f64::from(count) * f64::from(count + 1).log2()
}

/// Writes the module anew.
struct Arrangement {
    /// The functions that are not imported, in their new order.
    order: Vec<usize>,
    /// The new index of each function, by its old one.
    indices: Vec<u32>,
}

impl Reencode for Arrangement {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, reencode::Error> {
        Ok(self.indices[function as usize])
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        let types = section.into_iter().collect::<Result<Vec<u32>, _>>()?;
        for &function in &self.order {
            functions.function(types[function]);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        let bodies = section
            .into_iter()
            .collect::<Result<Vec<FunctionBody<'_>>, _>>()?;
        for function in self.order.clone() {
            self.parse_function_body(code, bodies[function].clone())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_that_share_code_are_put_together() {
        const KINDS: [usize; 16] = [0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 1];
        let code = [Vec::from_iter(b'a'..b'm'), Vec::from_iter(b'm'..=b'z')];
        let own = Vec::from_iter(b'A'..=b'Z');
        let bodies: Vec<Vec<u8>> = (0..16)
            .map(|at| [&code[KINDS[at]][..], &own[at..at + 3]].concat())
            .collect();
        let order = order(&bodies);
        let kinds: Vec<usize> = order.iter().map(|&at| KINDS[at]).collect();
        assert!(kinds[..8].iter().all(|&kind| kind == kinds[0]), "{order:?}");
        let mut sorted = order;
        sorted.sort_unstable();
        assert_eq!(sorted, Vec::from_iter(0..16));
    }
}
