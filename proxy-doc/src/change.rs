//! An op as it is written, on both wires and in the store.

use crate::{CreateData, Edit, Error, Json, OpKind, OtType, Types, codes, present, wire};

/// An op as both wires write it: one of `op`, `create` and `del`, or none of them.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The edit.
    pub op: Option<Json>,
    /// The URI of the type that `op` is of; between tab and host only.
    pub ty: Option<String>,
    /// The create.
    pub create: Option<Create>,
    /// The delete.
    pub del: bool,
}

/// The content of a create.
#[derive(Clone, Debug)]
pub struct Create {
    /// The type's name or URI.
    pub ty: String,
    /// The data; absent is `undefined`.
    pub data: Option<Json>,
}

impl Change {
    /// Writes `kind`; `ty` names the type of an edit.
    pub fn new(kind: &OpKind, ty: Option<&OtType>) -> Self {
        match kind {
            OpKind::Edit(edit) => Self {
                op: Some(edit.to_text()),
                ty: ty.map(|ty| ty.uri().to_owned()),
                ..Self::default()
            },
            OpKind::Create { type_name, data } => Self {
                create: Some(Create {
                    ty: type_name.clone(),
                    data: data.to_text(),
                }),
                ..Self::default()
            },
            OpKind::Del => Self {
                del: true,
                ..Self::default()
            },
            OpKind::Noop => Self::default(),
        }
    }

    /// Reads the op. `ty` is the document's type, for an edit that does not name its own.
    ///
    /// # Errors
    /// `ERR_DOC_TYPE_NOT_RECOGNIZED` names a type that is not registered here; `ERR_MESSAGE_BADLY_FORMED` where `op` is missing;
    /// the errors of [`OtType::parse`].
    pub fn read(&self, ty: Option<&OtType>, types: &dyn Types) -> Result<OpKind, Error> {
        if let Some(op) = &self.op {
            let edit = match self.edit_type(ty, types)? {
                Some(ty) => ty.parse(op)?,
                None => Edit::Foreign(op.clone()),
            };
            return Ok(OpKind::Edit(edit));
        }
        if self.ty.is_some() {
            return Err(Error::badly_formed("An edit without its op"));
        }
        Ok(match (&self.create, self.del) {
            (Some(create), _) => OpKind::Create {
                type_name: create.ty.clone(),
                data: CreateData::Text(create.data.clone()),
            },
            (None, true) => OpKind::Del,
            (None, false) => OpKind::Noop,
        })
    }

    /// The type of the edit: the one that it names, otherwise `ty`, the document's. `None` also where this is no edit.
    /// The registry is asked only for a type that is not the document's: it may be on the other side of a border.
    ///
    /// # Errors
    /// `ERR_DOC_TYPE_NOT_RECOGNIZED`.
    pub fn edit_type(
        &self,
        ty: Option<&OtType>,
        types: &dyn Types,
    ) -> Result<Option<OtType>, Error> {
        if self.op.is_none() {
            return Ok(None);
        }
        match &self.ty {
            Some(uri) if ty.is_none_or(|ty| ty.uri() != uri) => resolve(types, uri).map(Some),
            Some(_) | None => Ok(ty.cloned()),
        }
    }
}

wire!(struct Change {
    op = "op", by present;
    ty = "type";
    create = "create";
    del = "del";
});

wire!(struct Create {
    ty = "type";
    data = "data", by present;
});

/// The registered type, or an error that says which one is missing and how to mend it.
///
/// # Errors
/// `ERR_DOC_TYPE_NOT_RECOGNIZED`.
pub fn resolve(types: &dyn Types, name: &str) -> Result<OtType, Error> {
    types.resolve(name).ok_or_else(|| {
        let message = format!(
            "Missing type {name} in the host. Register it in the worker: serve({{types: [type]}})"
        );
        Error::new(codes::ERR_DOC_TYPE_NOT_RECOGNIZED, message)
    })
}
