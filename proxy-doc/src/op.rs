//! Ops, and how they are composed and transformed.

use ot_json0::{Side, Value};

use crate::{Error, Json, OtType, Seq, Token, codes};

/// An edit of an existing document.
#[derive(Clone, Debug)]
pub enum Edit {
    /// A json0 op, typed.
    Json0(ot_json0::Op),
    /// An op of another type, as text.
    Foreign(Json),
}

impl Edit {
    /// A json0 op whose paths are safe (`lib/ot.js` `checkJson0OpPaths`).
    ///
    /// # Errors
    /// `ERR_OT_OP_NOT_APPLIED`.
    pub(crate) fn json0(op: ot_json0::Op) -> Result<Self, Error> {
        match ot_json0::check_paths(&op) {
            Ok(()) => Ok(Self::Json0(op)),
            Err(error) => Err(Error::new(codes::ERR_OT_OP_NOT_APPLIED, error.message)),
        }
    }

    pub(crate) fn malformed(error: ot_json0::Error) -> Error {
        Error::new(codes::ERR_OT_OP_BADLY_FORMED, error.message)
    }

    /// The op as JSON text.
    pub fn to_text(&self) -> Json {
        match self {
            Self::Json0(op) => Json::written(op.to_json()),
            Self::Foreign(text) => text.clone(),
        }
    }

    pub(crate) fn is_native(&self) -> bool {
        match self {
            Self::Json0(op) => !op.unknown_subtypes(),
            Self::Foreign(_) => false,
        }
    }
}

/// The initial data of a create. Parsed once something was composed into it, so that composing on
/// and on does not read the whole document each time.
#[derive(Clone, Debug)]
pub enum CreateData {
    /// As the application gave it; `None` is `undefined`.
    Text(Option<Json>),
    /// With json0 ops applied.
    Parsed(Value),
}

impl CreateData {
    /// The data as JSON text; `None` is `undefined`.
    pub fn to_text(&self) -> Option<Json> {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parsed(value) => Some(Json::written(value.to_json())),
        }
    }

    fn apply(&mut self, ty: &OtType, edit: &Edit) -> Result<(), Error> {
        if let (OtType::Json0(_), Edit::Json0(op)) = (ty, edit)
            && edit.is_native()
        {
            let value = match self {
                Self::Parsed(value) => std::mem::replace(value, Value::Null),
                Self::Text(None) => Value::Null,
                Self::Text(Some(text)) => {
                    Value::parse(text.get()).map_err(|error| Error::plain(error.to_string()))?
                }
            };
            *self = Self::Parsed(ot_json0::apply(value, op)?);
            return Ok(());
        }
        let foreign = match ty {
            OtType::Foreign(foreign) | OtType::Json0(Some(foreign)) => foreign,
            OtType::Json0(None) => return Err(Error::plain("json0 subtype not registered")),
        };
        *self = Self::Text(foreign.apply(self.to_text().as_ref(), &edit.to_text())?);
        Ok(())
    }
}

/// What an op does to a document.
#[derive(Clone, Debug)]
pub enum OpKind {
    /// Changes the data.
    Edit(Edit),
    /// Gives the document a type and data.
    Create {
        /// The type's name or URI.
        type_name: String,
        /// The data before `type.create`.
        data: CreateData,
    },
    /// Takes type and data away.
    Del,
    /// Nothing: an op that another one cancelled.
    Noop,
}

impl OpKind {
    /// Moves a presence value along with this change of a document of type `ty`. `null` is no value: `null` stays
    /// `null`, and no value outlives a create or a deletion. `is_own`: whoever gave the value made the change.
    ///
    /// # Errors
    /// As [`OtType::transform_presence`].
    pub fn move_presence(
        &self,
        ty: Option<&OtType>,
        value: &Json,
        is_own: bool,
    ) -> Result<Json, Error> {
        match (self, ty) {
            (Self::Edit(edit), Some(ty)) => ty.transform_presence(value, &edit.to_text(), is_own),
            (Self::Create { .. } | Self::Del, _) => Ok(Json::null()),
            (Self::Edit(_), None) | (Self::Noop, _) => Ok(value.clone()),
        }
    }

    /// Roughly the op's bytes of JSON.
    pub fn size(&self) -> usize {
        match self {
            Self::Edit(Edit::Json0(op)) => op.json_size(),
            Self::Edit(Edit::Foreign(text)) => text.get().len(),
            Self::Create {
                data: CreateData::Text(text),
                ..
            } => text.as_ref().map_or(0, |text| text.get().len()),
            Self::Create {
                data: CreateData::Parsed(value),
                ..
            } => value.to_json().len(),
            Self::Del | Self::Noop => 0,
        }
    }
}

/// The identity of an op at its upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpId {
    /// The client that numbered the op; known once the op was sent.
    pub src: Option<String>,
    /// The op's number there, given with the first send and kept for ever.
    pub seq: Option<Seq>,
}

crate::wire!(struct OpId {
    src = "src";
    seq = "seq";
});

/// One `submitOp`, `create` or `del` of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Finds the callback and the source in the driver.
    pub token: Token,
    /// Whether there is a callback to hand an error to.
    pub callback: bool,
}

/// An op that the upstream has not acknowledged.
#[derive(Clone, Debug)]
pub struct PendingOp {
    /// The op as it is now, after composing and transforming.
    pub kind: OpKind,
    /// The document's type when the op was made: ops are transformed by the type they were made for.
    pub ty: Option<OtType>,
    /// All submissions composed into this op, in order.
    pub submissions: Vec<Submission>,
    /// The source to send along (`submitSource`), as JSON.
    pub source: Option<Json>,
    /// Whether the application forbade composing this op into the one before it.
    pub prevent_compose: bool,
    /// The op's identity at the upstream.
    pub id: OpId,
    /// Whether the op was sent. Nothing is composed into it from then on.
    pub sent: bool,
    /// The identity that the op was sent with before, where the application kept it over a restart. The server knows
    /// a resend by that identity, so the op is sent with it again, and never composed.
    pub earlier: Option<OpId>,
    /// An upper bound of the op's bytes of JSON, counted while the op may be composed.
    pub size: usize,
    /// Tells this op from all others of its document.
    pub serial: u64,
}

impl PendingOp {
    /// An op from the store. It may have been sent, so nothing composes into it any more.
    pub fn restored(kind: OpKind, ty: Option<OtType>, id: OpId, source: Option<Json>) -> Self {
        Self {
            kind,
            ty,
            submissions: Vec::new(),
            source,
            prevent_compose: true,
            id,
            sent: true,
            earlier: None,
            size: 0,
            serial: 0,
        }
    }

    /// Composes `next` into this op where the rules allow it (`_tryCompose`); gives it back where not.
    ///
    /// # Errors
    /// What the type threw.
    pub(crate) fn try_compose(
        &mut self,
        next: PendingOp,
        max_size: usize,
    ) -> Result<Option<PendingOp>, Error> {
        let kept = self.earlier.is_some() || next.earlier.is_some();
        let too_large = self.size.saturating_add(next.size) > max_size;
        if kept
            || too_large
            || next.prevent_compose
            || self.sent
            || !same_source(&self.source, &next.source)
        {
            return Ok(Some(next));
        }
        self.compose(next)
    }

    /// Composes `next` into this op; gives it back where their types cannot.
    ///
    /// # Errors
    /// What the type threw.
    pub(crate) fn compose(&mut self, next: PendingOp) -> Result<Option<PendingOp>, Error> {
        let (
            PendingOp {
                kind: OpKind::Edit(edit),
                ..
            },
            Some(ty),
        ) = (&next, &next.ty)
        else {
            return Ok(Some(next));
        };
        let composed = match &mut self.kind {
            OpKind::Create { data, .. } => data.apply(ty, edit),
            OpKind::Edit(last) if ty.can_compose() => ty.compose_into(last, edit.clone()),
            OpKind::Edit(_) | OpKind::Del | OpKind::Noop => return Ok(Some(next)),
        };
        // Also after an error: the rollback that follows it has to answer their callbacks.
        self.submissions.extend(next.submissions);
        self.size = self.size.saturating_add(next.size);
        composed.map(|()| None)
    }

    /// Whether the op is a no-op, as far as can be told.
    pub(crate) fn is_nothing(&self) -> bool {
        match &self.kind {
            OpKind::Noop => true,
            OpKind::Edit(Edit::Json0(op)) => op.is_empty(),
            OpKind::Edit(Edit::Foreign(_)) | OpKind::Create { .. } | OpKind::Del => false,
        }
    }
}

fn same_source(a: &Option<Json>, b: &Option<Json>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            a.get() == b.get()
                || matches!((Value::parse(a.get()), Value::parse(b.get())), (Ok(a), Ok(b)) if a == b)
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Transforms a client op and a server op over each other, in place (`lib/client/doc.js` `transformX`).
///
/// # Errors
/// `ERR_DOC_WAS_DELETED`, `ERR_DOC_ALREADY_CREATED`, or what the type threw.
pub fn transform_x(client: &mut PendingOp, server: &mut OpKind) -> Result<(), Error> {
    // The order matters: a client's delete wins over everything, so that what follows it survives.
    match (&mut client.kind, &mut *server) {
        (OpKind::Del, server) => *server = OpKind::Noop,
        (_, OpKind::Del) => {
            return Err(Error::new(
                codes::ERR_DOC_WAS_DELETED,
                "Document was deleted",
            ));
        }
        (_, OpKind::Create { .. }) | (OpKind::Create { .. }, OpKind::Edit(_)) => {
            return Err(Error::new(
                codes::ERR_DOC_ALREADY_CREATED,
                "Document already created",
            ));
        }
        (_, OpKind::Noop) | (OpKind::Noop, OpKind::Edit(_)) => {}
        (OpKind::Edit(ours), OpKind::Edit(theirs)) => match &client.ty {
            Some(ty) => ty.transform_x(ours, theirs)?,
            None => {
                return Err(Error::new(
                    codes::ERR_DOC_DOES_NOT_EXIST,
                    "Document does not exist",
                ));
            }
        },
    }
    Ok(())
}

/// Transforms an op over one that was committed before it, as a server does (`lib/ot.js` `transform`).
///
/// # Errors
/// `ERR_DOC_WAS_DELETED`, `ERR_DOC_ALREADY_CREATED`, or what the type threw.
pub fn server_transform(
    op: &mut OpKind,
    applied: &OpKind,
    ty: Option<&OtType>,
) -> Result<(), Error> {
    match (&mut *op, applied) {
        (OpKind::Create { .. } | OpKind::Edit(_), OpKind::Del) => Err(Error::new(
            codes::ERR_DOC_WAS_DELETED,
            "Document was deleted",
        )),
        (OpKind::Create { .. } | OpKind::Edit(_) | OpKind::Del, OpKind::Create { .. })
        | (OpKind::Create { .. }, OpKind::Edit(_)) => Err(Error::new(
            codes::ERR_DOC_ALREADY_CREATED,
            "Document was created remotely",
        )),
        (OpKind::Edit(edit), OpKind::Edit(applied)) => {
            let ty = ty.ok_or_else(|| {
                Error::new(codes::ERR_DOC_DOES_NOT_EXIST, "Document does not exist")
            })?;
            *edit = ty.transform(edit, applied, Side::Left)?;
            Ok(())
        }
        (OpKind::Noop, _) | (_, OpKind::Noop) | (OpKind::Del, OpKind::Edit(_) | OpKind::Del) => {
            Ok(())
        }
    }
}
