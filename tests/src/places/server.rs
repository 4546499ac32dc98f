//! The store, which is fenced, and the server, which is a set of ops.

use std::collections::{BTreeMap, BTreeSet};

use proxy_doc::Epoch;

/// A tab's op: the tab's context, and its number there.
pub(super) type Op = (usize, usize);

/// The store of the namespace. It outlives hosts.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// The epoch of the host that claimed it last.
    claim: Option<Epoch>,
    /// The ops that were accepted, and whether the server has acknowledged them.
    ops: BTreeMap<Op, bool>,
}

/// A write of a host that was followed by another one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fenced;

impl Store {
    /// A host takes the store, and reads it.
    pub(super) fn claim(&mut self, epoch: Epoch) -> BTreeMap<Op, bool> {
        self.claim = Some(epoch);
        self.ops.clone()
    }

    pub(super) fn write(
        &mut self,
        epoch: Epoch,
        ops: &[Op],
        acknowledged: bool,
    ) -> Result<(), Fenced> {
        if self.claim != Some(epoch) {
            return Err(Fenced);
        }
        for op in ops {
            *self.ops.entry(*op).or_default() |= acknowledged;
        }
        Ok(())
    }

    /// Everything is deleted.
    pub(super) fn wipe(&mut self, epoch: Epoch) -> Result<(), Fenced> {
        if self.claim != Some(epoch) {
            return Err(Fenced);
        }
        self.ops.clear();
        Ok(())
    }

    pub(super) fn has(&self, op: Op) -> bool {
        self.ops.contains_key(&op)
    }
}

/// The server: each op once, whoever sends it.
#[derive(Debug, Default)]
pub(super) struct Server {
    ops: BTreeSet<Op>,
}

impl Server {
    pub(super) fn take(&mut self, op: Op) {
        self.ops.insert(op);
    }

    pub(super) fn has(&self, op: Op) -> bool {
        self.ops.contains(&op)
    }
}
