//! The confirmed state of a document: a snapshot as JSON text, and the tail of committed ops since.
//!
//! Ops are appended; the snapshot is parsed and rewritten only when somebody needs it or the tail
//! grew long. The text goes from the socket to a tab without ever becoming a tree of values,
//! unless ops have to be applied to it. What is not committed yet stands beside it, with the document
//! machine, and is applied on top for whoever opens the document.
//!
//! What it refuses to do: transform anything, or decide what an op may do.

use std::rc::Rc;

use ot_json0::Value;
use proxy_doc::{
    CreateData, Edit, Error, Gather, Json, OpKind, OtType, PendingOp, SnapshotType, Types, Version,
    codes,
};

/// How many ops a tail may hold before it is applied: above this a late tab would wait for long.
pub(crate) const MAX_TAIL: usize = 256;

/// The confirmed state of one document.
#[derive(Debug, Default)]
pub(crate) struct DocState {
    ty: Option<OtType>,
    data: Option<Json>,
    tail: Vec<Edit>,
    /// The data before the tail is not here: it has to be got at this version.
    missing: Option<Version>,
}

impl DocState {
    /// The document's type, where it exists.
    pub(crate) fn ty(&self) -> Option<&OtType> {
        self.ty.as_ref()
    }

    /// The data before the tail.
    pub(crate) fn data(&self) -> Option<&Json> {
        self.data.as_ref()
    }

    /// The ops since.
    pub(crate) fn tail(&self) -> &[Edit] {
        &self.tail
    }

    /// Whether there is no document, for all that is known here.
    pub(crate) fn is_nothing(&self) -> bool {
        self.ty.is_none() && self.data.is_none() && self.missing.is_none()
    }

    /// Replaces everything.
    pub(crate) fn load(&mut self, ty: Option<OtType>, data: Option<Json>) {
        *self = Self {
            ty,
            data,
            tail: Vec::new(),
            missing: None,
        };
    }

    /// Takes over the stored state.
    pub(crate) fn restore(
        &mut self,
        ty: Option<OtType>,
        data: Option<Json>,
        tail: Vec<Edit>,
        missing: Option<Version>,
    ) {
        *self = Self {
            ty,
            data,
            tail,
            missing,
        };
    }

    /// Begins at a version without data: a tab has ingested a snapshot of this version, and its data is not trusted.
    pub(crate) fn load_without_data(&mut self, ty: OtType, version: Version) {
        self.load(Some(ty), None);
        self.missing = Some(version);
    }

    /// The version of which the data is missing.
    pub(crate) fn missing(&self) -> Option<Version> {
        self.missing
    }

    /// Brings the missing data.
    pub(crate) fn supply(&mut self, data: Option<Json>) {
        self.data = data;
        self.missing = None;
    }

    /// Takes an op that the server committed. `created` is the type that a create names.
    ///
    /// # Errors
    /// What the type threw; the state is behind the server's then, and must be loaded anew.
    pub(crate) fn commit(&mut self, kind: &OpKind, created: Option<OtType>) -> Result<(), Error> {
        match kind {
            OpKind::Edit(edit) => {
                self.tail.push(edit.clone());
                if self.tail.len() >= MAX_TAIL && self.missing.is_none() {
                    self.compact()
                } else {
                    Ok(())
                }
            }
            OpKind::Create { data, .. } => {
                let data = initial_data(created.as_ref(), data)?;
                self.load(created, data);
                Ok(())
            }
            OpKind::Del => {
                self.load(None, None);
                Ok(())
            }
            OpKind::Noop => Ok(()),
        }
    }

    /// Type and serialized data with `pending` applied on top; nothing may be [`DocState::missing`].
    ///
    /// # Errors
    /// What a type threw. The state is then what it was: the same call fails again until the state is loaded anew.
    pub(crate) fn snapshot<'a>(
        &mut self,
        pending: impl Iterator<Item = &'a PendingOp>,
        types: &dyn Types,
    ) -> Result<(SnapshotType, Option<Json>), Error> {
        let mut head = self.head()?;
        let pending: Vec<&PendingOp> = pending.gather();
        let mut rest = pending.as_slice();
        while let [op, others @ ..] = rest {
            let run = head.run(rest.iter().copied());
            // One op alone gives its error.
            if run.len() > 1 && head.apply_run(&run).iter().all(|applied| *applied) {
                rest = &rest[run.len()..];
            } else if run.len() > 1 {
                return Err(self.first_error(&pending, types));
            } else {
                head.apply(op, types)?;
                rest = others;
            }
        }
        let name = match head.ty {
            Some(ty) => SnapshotType::Uri(ty.uri().to_owned()),
            None => SnapshotType::None,
        };
        Ok((name, head.data.into_text()))
    }

    /// Why these ops do not all apply.
    fn first_error(&mut self, ops: &[&PendingOp], types: &dyn Types) -> Error {
        let applied = self.head().and_then(|mut head| {
            let mut ops = ops.iter();
            ops.try_for_each(|op| head.apply(op, types))
        });
        let unclear = || Error::plain("An op applies alone, and not with others");
        applied.err().unwrap_or_else(unclear)
    }

    /// Which of these ops still apply one after the other, and the type after them. Each op is applied once, and once
    /// more for each json0 edit after it that turns out not to apply.
    ///
    /// # Errors
    /// As [`DocState::snapshot`], of the state without them.
    pub(crate) fn fitting(
        &mut self,
        ops: &[&PendingOp],
        types: &dyn Types,
    ) -> Result<(Vec<bool>, Option<OtType>), Error> {
        let mut head = self.head()?;
        let mut kept: Vec<&PendingOp> = Vec::new();
        let mut fits = Vec::with_capacity(ops.len());
        while let Some(op) = ops.get(fits.len()).copied() {
            let run = head.run(ops[fits.len()..].iter().copied());
            if run.len() > 1 {
                let rest = ops[fits.len()..].iter().copied();
                let applied = head.apply_run(&run);
                kept.extend(
                    rest.zip(&applied)
                        .filter_map(|(op, fits)| fits.then_some(op)),
                );
                fits.extend(applied);
                continue;
            }
            let allowed = match &op.kind {
                OpKind::Create { .. } => head.ty.is_none(),
                OpKind::Edit(_) | OpKind::Del => head.ty.is_some(),
                OpKind::Noop => true,
            };
            let applied = allowed && head.apply(op, types).is_ok();
            fits.push(applied);
            if applied {
                kept.push(op);
            } else if allowed && matches!(head.data, State::Tree(_)) {
                // json0 leaves the components before the one that failed applied.
                head = self.head()?;
                for op in &kept {
                    head.apply(op, types)?;
                }
            }
        }
        Ok((fits, head.ty))
    }

    /// The confirmed state, to apply pending ops to.
    fn head(&mut self) -> Result<Head, Error> {
        assert!(self.missing.is_none(), "the data has to be supplied first");
        self.compact()?;
        Ok(Head {
            ty: self.ty.clone(),
            data: State::Text(self.data.clone()),
        })
    }

    /// Applies the tail to the data. The tail goes only when all of it is applied: where an op of it fails nothing
    /// changes, so that no later call takes the data before the tail for the newest.
    fn compact(&mut self) -> Result<(), Error> {
        if self.tail.is_empty() {
            return Ok(());
        }
        let ty = self.ty.as_ref().ok_or_else(|| {
            Error::new(
                codes::ERR_DOC_DOES_NOT_EXIST,
                "Cannot apply an op to a document that does not exist",
            )
        })?;
        let mut state = State::Text(self.data.clone());
        for edit in &self.tail {
            state.apply(ty, edit)?;
        }
        self.data = state.into_text();
        self.tail.clear();
        Ok(())
    }
}

/// The document with pending ops on top of its confirmed state.
struct Head {
    ty: Option<OtType>,
    data: State,
}

impl Head {
    /// The edits at the beginning of `ops` that a type elsewhere can apply in one go.
    fn run<'a>(&self, ops: impl Iterator<Item = &'a PendingOp>) -> Vec<Json> {
        if !matches!(self.ty, Some(OtType::Foreign(_))) {
            return Vec::new();
        }
        let edit = |op: &PendingOp| match &op.kind {
            OpKind::Edit(edit) => Some(edit.to_text()),
            OpKind::Create { .. } | OpKind::Del | OpKind::Noop => None,
        };
        ops.map_while(edit).gather()
    }

    /// Applies those that apply, of what [`Head::run`] gave.
    fn apply_run(&mut self, run: &[Json]) -> Vec<bool> {
        let Some(OtType::Foreign(foreign)) = &self.ty else {
            return vec![false; run.len()];
        };
        let State::Text(data) = &mut self.data else {
            return vec![false; run.len()];
        };
        let (after, applied) = foreign.apply_all(data.take(), run);
        *data = after;
        applied
    }

    /// Applies one op. After an error the type is what it was; json0 data may hold a part of the op.
    fn apply(&mut self, op: &PendingOp, types: &dyn Types) -> Result<(), Error> {
        match (&op.kind, &self.ty) {
            (OpKind::Edit(edit), Some(ty)) => self.data.apply(ty, edit)?,
            (OpKind::Create { type_name, data }, _) => {
                let ty = types.resolve(type_name);
                self.data = State::Text(initial_data(ty.as_ref(), data)?);
                self.ty = ty;
            }
            (OpKind::Del, _) => (self.ty, self.data) = (None, State::Text(None)),
            (OpKind::Edit(_), None) | (OpKind::Noop, _) => {}
        }
        Ok(())
    }
}

/// The data of a new document (`type.create`), as a server stores it.
fn initial_data(ty: Option<&OtType>, data: &CreateData) -> Result<Option<Json>, Error> {
    match ty {
        Some(OtType::Foreign(foreign)) => foreign.create(data.to_text().as_ref()),
        // json0 clones what it is given, and makes `undefined` null.
        Some(OtType::Json0(_)) | None => match data.to_text() {
            Some(text) => Ok(Some(text)),
            None => Ok(Some(Json::null())),
        },
    }
}

/// Data on its way through a tail: a tree while json0 ops apply here, text while a type elsewhere does.
enum State {
    Text(Option<Json>),
    Tree(Value),
}

impl State {
    fn apply(&mut self, ty: &OtType, edit: &Edit) -> Result<(), Error> {
        match (ty, edit) {
            (OtType::Json0(_), Edit::Json0(op)) if !op.unknown_subtypes() => {
                Ok(ot_json0::apply_in_place(self.tree()?, op)?)
            }
            (OtType::Json0(Some(foreign)) | OtType::Foreign(foreign), edit) => {
                let foreign = Rc::clone(foreign);
                let data = self.text()?;
                *self = Self::Text(foreign.apply(data, &edit.to_text())?);
                Ok(())
            }
            (OtType::Json0(None), _) => Err(Error::plain("json0 subtype not registered")),
        }
    }

    fn tree(&mut self) -> Result<&mut Value, Error> {
        if let Self::Text(text) = self {
            let value = match text {
                Some(text) => {
                    Value::parse(text.get()).map_err(|error| Error::plain(error.to_string()))?
                }
                None => Value::Null,
            };
            *self = Self::Tree(value);
        }
        match self {
            Self::Tree(value) => Ok(value),
            Self::Text(_) => unreachable!("it was made a tree above"),
        }
    }

    fn text(&mut self) -> Result<Option<&Json>, Error> {
        if let Self::Tree(value) = self {
            *self = Self::Text(Some(Json::written(value.to_json())));
        }
        match self {
            Self::Text(text) => Ok(text.as_ref()),
            Self::Tree(_) => unreachable!("it was made text above"),
        }
    }

    fn into_text(self) -> Option<Json> {
        match self {
            Self::Text(text) => text,
            Self::Tree(value) => Some(Json::written(value.to_json())),
        }
    }
}

#[cfg(test)]
mod tests;
