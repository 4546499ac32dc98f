//! Applying: the events that change the data, one component at a time where listeners need that (`_otApply`).

use std::rc::Rc;

use super::{Components, Doc, Edge, Upstream};
use crate::{Edit, Error, Event, Gather, OpKind, Origin, PendingOp, Task, codes, transform_x};

impl Doc {
    /// Leaves the events that change the data and tell listeners (`_otApply`).
    pub(super) fn apply(
        &mut self,
        up: &mut Upstream<'_>,
        kind: OpKind,
        origin: Origin,
        src: Option<String>,
    ) -> Result<(), Error> {
        match kind {
            OpKind::Edit(edit) => self.apply_edit(up, edit, origin, src)?,
            OpKind::Create { type_name, data } => {
                let Some(ty) = up.types.resolve(&type_name) else {
                    return Err(self.type_not_recognized(&type_name));
                };
                self.ty = Some(ty);
                up.emit(Event::Create {
                    type_name,
                    data,
                    origin,
                });
            }
            OpKind::Del => {
                self.ty = None;
                up.emit(Event::Del { origin });
            }
            OpKind::Noop => {}
        }
        Ok(())
    }

    pub(super) fn apply_edit(
        &mut self,
        up: &mut Upstream<'_>,
        edit: Edit,
        origin: Origin,
        src: Option<String>,
    ) -> Result<(), Error> {
        let Some(ty) = &self.ty else {
            let message = format!("Cannot apply op to uncreated document. {}", self.key);
            return Err(Error::new(codes::ERR_DOC_DOES_NOT_EXIST, message));
        };
        // ShareDB applies remote ops of the default type one component at a time.
        let is_remote = self.edge == Edge::Tab && origin == Origin::Remote;
        match &edit {
            Edit::Json0(op) if is_remote && op.len() > 1 && ty.uri() == up.types.default_uri() => {
                let depth = self.apply_stack.get_or_insert_default().len();
                up.push(Task::PopApplyStack(depth));
                up.emit(Event::BatchEnd);
                let ops = Rc::new(op.split().gather());
                up.push(Task::Components(Components {
                    ops,
                    index: 0,
                    emitted_before: false,
                    depth,
                }));
                up.emit(Event::BatchStart { edit, src });
            }
            Edit::Json0(_) | Edit::Foreign(_) => {
                up.emit(Event::Apply { edit, origin, src });
            }
        }
        Ok(())
    }

    pub(super) fn step_components(&mut self, up: &mut Upstream<'_>, mut rest: Components) {
        let Some(component) = rest.ops.get(rest.index) else {
            return;
        };
        if self.ty.is_none() {
            // A listener deleted the document, or broke it: there is nothing to apply the rest to.
            return self.abandon_batch(up, rest.depth);
        }
        let index = rest.index;
        if !rest.emitted_before {
            rest.emitted_before = true;
            up.push(Task::Components(rest));
            return up.emit(Event::BeforeComponent { index });
        }
        let depth = rest.depth;
        let mut op = OpKind::Edit(Edit::Json0(component.clone()));
        match self.transform_by_apply_stack(depth, &mut op) {
            Err(error) => {
                up.stack.unwind(0);
                self.hard_rollback(up, error);
            }
            // A listener deleted the document, and perhaps made another: the batch is none of its business.
            Ok(_) if matches!(op, OpKind::Noop) => self.abandon_batch(up, depth),
            Ok(transformed) => {
                rest.emitted_before = false;
                rest.index += 1;
                up.push(Task::Components(rest));
                let edit = match op {
                    OpKind::Edit(edit) if transformed => Some(edit),
                    OpKind::Edit(_) | OpKind::Create { .. } | OpKind::Del | OpKind::Noop => None,
                };
                up.emit(Event::ApplyComponent { index, edit });
            }
        }
    }

    /// Skips what is left of a batch, down to the `try` that every batch stands in.
    pub(super) fn abandon_batch(&mut self, up: &mut Upstream<'_>, depth: usize) {
        up.stack.unwind(0);
        if let Err(error) = self.pop_apply_stack(up, depth) {
            self.hard_rollback(up, error);
        }
    }

    pub(super) fn transform_by_apply_stack(
        &mut self,
        depth: usize,
        op: &mut OpKind,
    ) -> Result<bool, Error> {
        let submitted: Vec<u64> = self
            .apply_stack
            .as_ref()
            .map(|stack| stack.iter().skip(depth).copied().gather())
            .unwrap_or_default();
        for serial in &submitted {
            if let Some(client) = self.op_mut(*serial) {
                transform_x(client, op)?;
            }
        }
        Ok(!submitted.is_empty())
    }

    pub(super) fn op_mut(&mut self, serial: u64) -> Option<&mut PendingOp> {
        self.inflight
            .iter_mut()
            .chain(self.pending.iter_mut())
            .find(|op| op.serial == serial)
    }
}
