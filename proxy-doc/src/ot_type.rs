//! OT types: json0 natively, every other one through the driver.

use std::rc::Rc;

use ot_json0::{Side, Str, Value};

use crate::{Edit, Entries, Error, Gather, Json, codes};

/// An OT type that lives outside of Rust, its ops and snapshots seen as JSON text.
///
/// The functions are pure: they are called while the machine is borrowed and must not call back into it.
pub trait ForeignType {
    /// The type's URI.
    fn uri(&self) -> &str;
    /// Whether the type has `compose`.
    fn can_compose(&self) -> bool;
    /// Whether the type has `invert`.
    fn can_invert(&self) -> bool;
    /// `type.compose(a, b)`.
    ///
    /// # Errors
    /// What the type threw.
    fn compose(&self, a: &Json, b: &Json) -> Result<Json, Error>;
    /// `type.transform(op, other, side)`.
    ///
    /// # Errors
    /// What the type threw.
    fn transform(&self, op: &Json, other: &Json, side: Side) -> Result<Json, Error>;
    /// `type.transformX(left, right)`, or both `transform`s where the type has none.
    ///
    /// # Errors
    /// What the type threw.
    fn transform_x(&self, left: &Json, right: &Json) -> Result<(Json, Json), Error> {
        Ok((
            self.transform(left, right, Side::Left)?,
            self.transform(right, left, Side::Right)?,
        ))
    }
    /// `type.invert(op)`.
    ///
    /// # Errors
    /// What the type threw.
    fn invert(&self, op: &Json) -> Result<Json, Error>;
    /// Whether the type, a json0, has a subtype of this name.
    fn knows_subtype(&self, _name: &str) -> bool {
        false
    }
    /// `type.create(data)`; `None` is JavaScript's `undefined`.
    ///
    /// # Errors
    /// What the type threw.
    fn create(&self, data: Option<&Json>) -> Result<Option<Json>, Error>;
    /// `type.apply(data, op)` on serialized data.
    ///
    /// # Errors
    /// What the type threw.
    fn apply(&self, data: Option<&Json>, op: &Json) -> Result<Option<Json>, Error>;
    /// `type.apply` of these ops one after the other. One for which it throws is left out, and changes nothing. Gives
    /// the data, and which ops are in it.
    ///
    /// Data that is large and crosses a boundary for each op costs ops times data: there this is to be done on the
    /// other side.
    fn apply_all(&self, data: Option<Json>, ops: &[Json]) -> (Option<Json>, Vec<bool>) {
        apply_each(self, data, ops)
    }
    /// The type's name.
    fn name(&self) -> &str {
        self.uri()
    }
    /// Whether the type has `transformPresence`.
    fn can_transform_presence(&self) -> bool {
        false
    }
    /// `type.transformPresence(presence, op, isOwnOp)`; asked only where
    /// [`ForeignType::can_transform_presence`] says so.
    ///
    /// # Errors
    /// What the type threw.
    fn transform_presence(
        &self,
        presence: &Json,
        _op: &Json,
        _is_own: bool,
    ) -> Result<Json, Error> {
        Ok(presence.clone())
    }
}

/// [`ForeignType::apply_all`], one op at a time.
pub fn apply_each<T: ForeignType + ?Sized>(
    ty: &T,
    mut data: Option<Json>,
    ops: &[Json],
) -> (Option<Json>, Vec<bool>) {
    let apply = |op: &Json| {
        let after = ty.apply(data.as_ref(), op);
        let applied = after.is_ok();
        if let Ok(after) = after {
            data = after;
        }
        applied
    };
    let applied = ops.iter().map(apply).gather();
    (data, applied)
}

/// The registry of OT types, as `types.map` is one.
pub trait Types {
    /// The type registered under a name or URI.
    fn resolve(&self, name: &str) -> Option<OtType>;
    /// The URI of `types.defaultType`.
    fn default_uri(&self) -> String;
}

/// A registered type.
#[derive(Clone)]
pub enum OtType {
    /// json0, done here. Ops with subtypes that only JavaScript knows go to the fallback.
    Json0(Option<Rc<dyn ForeignType>>),
    /// Any other type.
    Foreign(Rc<dyn ForeignType>),
}

impl std::fmt::Debug for OtType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.uri())
    }
}

impl OtType {
    /// The type's URI.
    pub fn uri(&self) -> &str {
        match self {
            Self::Json0(_) => ot_json0::URI,
            Self::Foreign(foreign) => foreign.uri(),
        }
    }

    /// Reads an op of this type from the wire, checking what ShareDB checks.
    ///
    /// # Errors
    /// `ERR_OT_OP_BADLY_FORMED` for a json0 op that is none, `ERR_OT_OP_NOT_APPLIED` for a dangerous path,
    /// `ERR_OT_SUBTYPE_NOT_RECOGNIZED` for a subtype that is not registered here.
    pub fn parse(&self, text: &Json) -> Result<Edit, Error> {
        match self {
            Self::Json0(_) => match ot_json0::Op::parse(text.get()) {
                Ok(op) => self.checked(op),
                Err(error) => Err(array_like_error(text).unwrap_or_else(|| Edit::malformed(error))),
            },
            Self::Foreign(_) => Ok(Edit::Foreign(text.clone())),
        }
    }

    /// Normalizes a submitted op and checks its paths (`lib/client/doc.js` `_submit`).
    ///
    /// A foreign op must have been normalized by the driver, which holds the type.
    ///
    /// # Errors
    /// As [`OtType::parse`].
    pub fn normalize(&self, text: &Json) -> Result<Edit, Error> {
        match self {
            Self::Json0(_) => {
                self.checked(ot_json0::normalize(text.get()).map_err(Edit::malformed)?)
            }
            Self::Foreign(_) => Ok(Edit::Foreign(text.clone())),
        }
    }

    /// A json0 op whose subtypes are known, and whose paths are safe. JavaScript's json0 transforms past a
    /// component of a subtype that it does not know as if it changed nothing: documents would part.
    fn checked(&self, op: ot_json0::Op) -> Result<Edit, Error> {
        let known = |name: &Value| {
            let name = name.as_str().and_then(Str::to_str);
            name.is_some_and(|name| self.foreign().is_some_and(|ty| ty.knows_subtype(name)))
        };
        if let Some(name) = op.foreign_subtypes().find(|name| !known(name)) {
            return Err(subtype_not_recognized(name));
        }
        Edit::json0(op)
    }

    /// Whether two ops can become one.
    pub fn can_compose(&self) -> bool {
        match self {
            Self::Json0(_) => true,
            Self::Foreign(foreign) => foreign.can_compose(),
        }
    }

    /// Composes `next` into `into`, at the cost of `next` for json0.
    ///
    /// # Errors
    /// What the type threw; `into` is unchanged then.
    pub fn compose_into(&self, into: &mut Edit, next: Edit) -> Result<(), Error> {
        // Only the last component of `into` matters, and it composes with a component of its own
        // subtype alone. So `next` decides who can do it, and a long op is not read through each time.
        match (self.native(&next, None), into, next) {
            (None, Edit::Json0(into), Edit::Json0(next)) => Ok(into.append_op(next)?),
            (_, into, next) => {
                let foreign = required(self.foreign())?;
                *into = self.reread(foreign.compose(&into.to_text(), &next.to_text())?);
                Ok(())
            }
        }
    }

    fn foreign(&self) -> Option<&Rc<dyn ForeignType>> {
        match self {
            Self::Foreign(foreign) => Some(foreign),
            Self::Json0(fallback) => fallback.as_ref(),
        }
    }

    /// Transforms both ops over each other, `left` winning ties.
    ///
    /// # Errors
    /// What the type threw.
    pub fn transform_x(&self, left: &mut Edit, right: &mut Edit) -> Result<(), Error> {
        match (self.native(left, Some(right)), left, right) {
            (None, Edit::Json0(left), Edit::Json0(right)) => {
                Ok(ot_json0::transform_x(left, right)?)
            }
            (foreign, left, right) => {
                let pair = required(foreign)?.transform_x(&left.to_text(), &right.to_text())?;
                *left = self.reread(pair.0);
                *right = self.reread(pair.1);
                Ok(())
            }
        }
    }

    /// Transforms `op` over `other`.
    ///
    /// # Errors
    /// What the type threw.
    pub fn transform(&self, op: &Edit, other: &Edit, side: Side) -> Result<Edit, Error> {
        match (self.native(op, Some(other)), op, other) {
            (None, Edit::Json0(op), Edit::Json0(other)) => {
                Ok(Edit::Json0(ot_json0::transform(op, other, side)?))
            }
            (foreign, op, other) => {
                let foreign = required(foreign)?;
                Ok(self.reread(foreign.transform(&op.to_text(), &other.to_text(), side)?))
            }
        }
    }

    /// The inverse of `op`, or `None` where the type has no `invert` or it threw.
    pub fn invert(&self, op: &Edit) -> Option<Edit> {
        match (self.native(op, None), op) {
            (None, Edit::Json0(op)) => Some(Edit::Json0(ot_json0::invert(op))),
            (foreign, op) => {
                let foreign = foreign?;
                if !foreign.can_invert() {
                    return None;
                }
                foreign
                    .invert(&op.to_text())
                    .ok()
                    .map(|text| self.reread(text))
            }
        }
    }

    /// Whether presence on documents of this type can follow their ops.
    pub fn supports_presence(&self) -> bool {
        self.presence_type().is_some()
    }

    /// Moves a presence value along with an op. `null` stays `null`.
    ///
    /// # Errors
    /// `ERR_TYPE_DOES_NOT_SUPPORT_PRESENCE`, or what the type threw.
    pub fn transform_presence(
        &self,
        presence: &Json,
        op: &Json,
        is_own: bool,
    ) -> Result<Json, Error> {
        match self.presence_type() {
            Some(_) if presence.is_null() => Ok(presence.clone()),
            Some(foreign) => foreign.transform_presence(presence, op, is_own),
            None => {
                let message = format!("Type does not support presence: {}", self.name());
                Err(Error::new(
                    codes::ERR_TYPE_DOES_NOT_SUPPORT_PRESENCE,
                    message,
                ))
            }
        }
    }

    /// json0 itself says nothing about presence; an application may have added that to its json0.
    fn presence_type(&self) -> Option<&Rc<dyn ForeignType>> {
        let (Self::Json0(Some(foreign)) | Self::Foreign(foreign)) = self else {
            return None;
        };
        foreign.can_transform_presence().then_some(foreign)
    }

    fn name(&self) -> &str {
        match self {
            Self::Json0(_) => "json0",
            Self::Foreign(foreign) => foreign.name(),
        }
    }

    /// The JavaScript type to ask, or `None` where json0 here can do it.
    fn native(&self, a: &Edit, b: Option<&Edit>) -> Option<&Rc<dyn ForeignType>> {
        match self {
            Self::Foreign(foreign) => Some(foreign),
            Self::Json0(fallback) => {
                let here = a.is_native() && b.is_none_or(Edit::is_native);
                if here { None } else { fallback.as_ref() }
            }
        }
    }

    fn reread(&self, text: Json) -> Edit {
        match self {
            Self::Foreign(_) => Edit::Foreign(text),
            Self::Json0(_) => match ot_json0::Op::parse(text.get()) {
                Ok(op) => Edit::Json0(op),
                Err(_) => Edit::Foreign(text),
            },
        }
    }
}

/// An object that JavaScript would walk like an array is refused all the same; where its paths are
/// dangerous, with the error that says so.
fn array_like_error(text: &Json) -> Option<Error> {
    let Entries(items) = text.parse::<Entries<Json>>().ok()?;
    let item = |key: &str| items.iter().rev().find(|(name, _)| name == key);
    let length: usize = item("length")?.1.parse().ok()?;
    let components: Vec<&str> = (0..length)
        .map_while(|index| item(&index.to_string()))
        .map(|(_, item)| item.get())
        .gather();
    let op = ot_json0::Op::parse(&format!("[{}]", components.join(","))).ok()?;
    Edit::json0(op).err()
}

fn subtype_not_recognized(name: &Value) -> Error {
    let message = format!(
        "Missing json0 subtype {}. Register it in every page: types.map.json0.registerSubtype(subtype), and in the worker: \
         serve({{subtypes: [subtype]}})",
        name.to_json()
    );
    Error::new(codes::ERR_OT_SUBTYPE_NOT_RECOGNIZED, message)
}

fn required(foreign: Option<&Rc<dyn ForeignType>>) -> Result<&Rc<dyn ForeignType>, Error> {
    foreign.ok_or_else(|| Error::plain("json0 subtype not registered"))
}
