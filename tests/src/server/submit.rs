//! One submitted op, from the message to the committed op: who sent it, whether it was committed before,
//! what it becomes after the ops it did not know, and what it does to the document. The order of the
//! checks is ShareDB's, as it decides which error a client sees.

use std::collections::VecDeque;

use ot_json0::{Object, Str, Value};

use super::database::{CommittedOp, Creation, Database, Document, Live, OpKind};
use super::error::Failure;
use super::json0;
use super::request::{Name, get, given, truthy};

/// JavaScript's `Number.MAX_SAFE_INTEGER`.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// What a simulation has armed against the next ops, and the settings of the backend.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    pub(super) rejections: VecDeque<Failure>,
    pub(super) fixups: Vec<Value>,
    /// The errors of refused ops by `src` and `seq`, where each copy of an op gets the same error.
    pub(super) refused: Option<Vec<(Str, f64, Failure)>>,
    pub(super) suppress_publish: bool,
    pub(super) hold_publications: bool,
    pub(super) do_not_commit_no_ops: bool,
}

impl Faults {
    /// The error that another copy of this op was refused with.
    fn refusal_of(&self, src: &Str, seq: f64) -> Option<Failure> {
        let mut refused = self.refused.iter().flatten();
        let found = refused.find(|(of, number, _)| of == src && *number == seq);
        found.map(|(_, _, failure)| failure.clone())
    }

    /// Notes the error for other copies of this op, and gives it back.
    fn refuse(&mut self, src: &Str, seq: f64, failure: Failure) -> Failure {
        if let Some(refused) = &mut self.refused {
            refused.push((src.clone(), seq, failure.clone()));
        }
        failure
    }
}

/// What the author of an accepted op is told, and what everybody else has to know.
pub(super) struct Accepted {
    /// The ops that the author had not seen.
    pub(super) missed: Vec<CommittedOp>,
    pub(super) ack: Object,
    /// Absent when the op had been committed before.
    pub(super) committed: Option<CommittedOp>,
}

/// An op on its way to the op log.
pub(super) struct Submission {
    src: Str,
    seq: f64,
    /// The version it applies to, or null for the current one. JavaScript's number: it may be a fraction.
    v: Option<f64>,
    content: Content,
    fixups: Vec<Value>,
}

enum Content {
    Edit(Value),
    Create(Object),
    Del,
}

/// How far the checks against the document's history came.
enum Progress {
    /// The op is at the current version, having passed these ops.
    Current(Vec<CommittedOp>),
    /// It was committed before; it is to be acknowledged again.
    AlreadySubmitted,
}

impl Submission {
    /// Reads the op in a message. Like ShareDB it writes the type's full name back into the message,
    /// which an error reply shows.
    pub(super) fn read(request: &mut Object, session_src: Value) -> Result<Self, Failure> {
        // ShareDB looks at the seq first, and trips over an op that is not there.
        let Some(content) = raw_content(request) else {
            let message = "Cannot read properties of undefined (reading 'seq')";
            return Err(Failure::uncoded(message));
        };
        let seq = given(request, "seq").and_then(Value::as_f64);
        if seq.is_some_and(|seq| seq >= MAX_SAFE_INTEGER) {
            return Err(Failure::seq_overflow());
        }
        let content = content.checked(request)?;
        let src = match get(request, "src") {
            src if truthy(src) => src,
            _ => Some(&session_src),
        };
        let Some(src) = src.and_then(Value::as_str).cloned() else {
            return Err(Failure::op_badly_formed("src must be a string"));
        };
        let Some(seq) = seq else {
            return Err(Failure::op_badly_formed(
                "Both src and seq must be set together",
            ));
        };
        Ok(Self {
            src,
            seq,
            v: given(request, "v").and_then(Value::as_f64),
            content,
            fixups: Vec::new(),
        })
    }

    /// Commits the op, or says why not. `knows_no_op_error` is about the author's protocol. A document
    /// created with fixups changes the data in `request`, which an error reply shows.
    pub(super) fn submit(
        mut self,
        names: (&Name, &Name),
        database: &mut Database,
        faults: &mut Faults,
        knows_no_op_error: bool,
        request: &mut Object,
    ) -> Result<Accepted, Failure> {
        let document = database.entry(&names.0.key(), &names.1.key());
        let missed = match self.catch_up(document)? {
            Progress::AlreadySubmitted => return Ok(self.accepted(Vec::new(), None)),
            Progress::Current(missed) => missed,
        };
        let transformed = !missed.is_empty();
        if transformed && faults.do_not_commit_no_ops && knows_no_op_error && self.is_no_op() {
            return Err(Failure::no_op());
        }
        if let Some(refusal) = faults.refusal_of(&self.src, self.seq) {
            return Err(refusal);
        }
        if let Some(rejection) = faults.rejections.pop_front() {
            return Err(faults.refuse(&self.src, self.seq, rejection));
        }
        let fixups = std::mem::take(&mut faults.fixups);
        let has_fixups = !fixups.is_empty();
        let fixed = self.fix_up(fixups, document.live.is_some());
        if let Content::Create(create) = &self.content {
            request.insert("create".into(), create.clone().into());
        }
        let live = fixed.and_then(|()| self.applied(document));
        let live = match live {
            Err(failure) if has_fixups => {
                return Err(faults.refuse(&self.src, self.seq, failure));
            }
            live => live?,
        };
        let committed = self.committed(document.version());
        document.commit(committed.clone(), live);
        Ok(self.accepted(missed, Some(committed)))
    }

    /// Brings the op to the document's version.
    fn catch_up(&mut self, document: &Document) -> Result<Progress, Failure> {
        let current = document.version() as f64;
        if let (Content::Edit(op), true) = (&self.content, document.live.is_some()) {
            json0::check_submitted(op)?;
        }
        if self.v.is_none()
            && let (Content::Create(_), Some(live)) = (&self.content, &document.live)
        {
            return self.find_creation(&live.creation);
        }
        let from = self.v.unwrap_or(current);
        self.v = Some(from);
        if from > current {
            return Err(Failure::newer_version());
        }
        let missed = document.ops_from(from);
        if missed.len() as f64 != current - from {
            return Err(Failure::missing_ops());
        }
        for applied in missed {
            if applied.src == self.src && applied.seq == self.seq {
                self.fixups.clone_from(&applied.fixups);
                return Ok(Progress::AlreadySubmitted);
            }
            self.transform(applied, document.live.is_some())?;
            self.v = Some((applied.v + 1) as f64);
        }
        Ok(Progress::Current(missed.to_vec()))
    }

    /// A create without a version, of a document that is there: sent again, or too late. Which of them
    /// is told from the document's origin and not from its history.
    fn find_creation(&mut self, creation: &Creation) -> Result<Progress, Failure> {
        if creation.src != self.src || creation.seq != self.seq {
            return Err(Failure::already_created(
                "Invalid op submitted. Document already created",
            ));
        }
        self.v = Some(creation.v as f64);
        Ok(Progress::AlreadySubmitted)
    }

    /// Moves the op past an applied one. `exists` is about the document now, not then: ShareDB takes
    /// the type from the current snapshot.
    fn transform(&mut self, applied: &CommittedOp, exists: bool) -> Result<(), Failure> {
        let created_remotely = || Failure::already_created("Document was created remotely");
        match (applied.kind, &mut self.content) {
            (OpKind::Del, Content::Create(_) | Content::Edit(_)) => {
                Err(Failure::new("ERR_DOC_WAS_DELETED", "Document was deleted"))
            }
            (OpKind::Create, Content::Create(_) | Content::Edit(_) | Content::Del) => {
                Err(created_remotely())
            }
            (OpKind::Op | OpKind::NoOp, Content::Create(_)) => Err(created_remotely()),
            (OpKind::Op | OpKind::NoOp, Content::Edit(_)) if !exists => {
                Err(Failure::does_not_exist())
            }
            (OpKind::Op | OpKind::NoOp, Content::Edit(op)) => {
                let other = get(&applied.content, "op").cloned().unwrap_or_default();
                *op = json0::transform_left(op, &other)?;
                Ok(())
            }
            (OpKind::Del | OpKind::Op | OpKind::NoOp, Content::Del) => Ok(()),
        }
    }

    fn is_no_op(&self) -> bool {
        matches!(&self.content, Content::Edit(Value::Array(components)) if components.is_empty())
    }

    /// What `request.$fixup(op)` in an `apply` middleware does for each of the ops.
    fn fix_up(&mut self, ops: Vec<Value>, exists: bool) -> Result<(), Failure> {
        for op in ops {
            match &mut self.content {
                Content::Del => return Err(Failure::cannot_fixup_deletion()),
                Content::Edit(_) if !exists => {
                    let message = "Cannot read properties of undefined (reading 'compose')";
                    return Err(Failure::uncoded(message));
                }
                Content::Edit(edit) => *edit = json0::compose(edit, &op)?,
                Content::Create(create) => {
                    match json0::fix_up(get(create, "data"), &op)? {
                        Some(fixed) => create.insert("data".into(), fixed),
                        None => create.remove(&"data".into()),
                    };
                }
            }
            let mut fixup = self.identity();
            fixup.insert("op".into(), op);
            self.fixups.push(fixup.into());
        }
        Ok(())
    }

    /// The document after the op.
    fn applied(&self, document: &Document) -> Result<Option<Live>, Failure> {
        match (&self.content, &document.live) {
            (Content::Del, _) => Ok(None),
            (Content::Create(_), Some(_)) => {
                Err(Failure::already_created("Document already exists"))
            }
            (Content::Create(create), None) => Ok(Some(Live {
                data: Some(get(create, "data").cloned().unwrap_or_default()),
                creation: Creation {
                    src: self.src.clone(),
                    seq: self.seq,
                    v: document.version(),
                },
            })),
            (Content::Edit(_), None) => Err(Failure::does_not_exist()),
            (Content::Edit(op), Some(live)) => {
                json0::check_paths(op)?;
                Ok(Some(Live {
                    data: json0::edit(live.data.as_ref(), op)?,
                    creation: live.creation.clone(),
                }))
            }
        }
    }

    fn committed(&self, v: u64) -> CommittedOp {
        let (kind, field, value) = match &self.content {
            Content::Edit(op) if self.is_no_op() => (OpKind::NoOp, "op", op.clone()),
            Content::Edit(op) => (OpKind::Op, "op", op.clone()),
            Content::Create(create) => (OpKind::Create, "create", create.clone().into()),
            Content::Del => (OpKind::Del, "del", true.into()),
        };
        CommittedOp {
            v,
            src: self.src.clone(),
            seq: self.seq,
            kind,
            content: [(field.into(), value)].into_iter().collect(),
            fixups: self.fixups.clone(),
        }
    }

    fn accepted(self, missed: Vec<CommittedOp>, committed: Option<CommittedOp>) -> Accepted {
        let mut ack = self.identity();
        if !self.fixups.is_empty() {
            ack.insert("fixup".into(), self.fixups.into());
        }
        Accepted {
            missed,
            ack,
            committed,
        }
    }

    /// `src`, `seq` and `v`, as acks and fixups begin.
    fn identity(&self) -> Object {
        [
            ("src".into(), self.src.clone().into()),
            ("seq".into(), self.seq.into()),
            ("v".into(), self.v.map_or(Value::Null, Value::Number)),
        ]
        .into_iter()
        .collect()
    }
}

/// Which of the three fields makes the message an op; its value is still unchecked.
enum RawContent {
    Edit,
    Create,
    Del,
}

fn raw_content(request: &Object) -> Option<RawContent> {
    if get(request, "op").is_some() {
        Some(RawContent::Edit)
    } else if truthy(get(request, "create")) {
        Some(RawContent::Create)
    } else if truthy(get(request, "del")) {
        Some(RawContent::Del)
    } else {
        None
    }
}

impl RawContent {
    fn checked(self, request: &mut Object) -> Result<Content, Failure> {
        match self {
            Self::Edit => Ok(Content::Edit(
                get(request, "op").cloned().unwrap_or_default(),
            )),
            Self::Create => checked_create(request).map(Content::Create),
            Self::Del if get(request, "del") == Some(&Value::Bool(true)) => Ok(Content::Del),
            Self::Del => Err(Failure::op_badly_formed("del value must be true")),
        }
    }
}

fn checked_create(request: &mut Object) -> Result<Object, Failure> {
    let create = match request.get_mut(&"create".into()) {
        Some(Value::Object(create)) => create,
        Some(Value::Array(_)) => return Err(Failure::op_badly_formed("Missing create type")),
        _ => return Err(Failure::op_badly_formed("Create data must be an object")),
    };
    let known = get(create, "type")
        .and_then(Value::as_str)
        .is_some_and(|name| *name == json0::NAME || *name == json0::URI);
    if !known {
        // ShareDB replaces an unknown name by nothing, before it looks whether there is one.
        create.remove(&"type".into());
        return Err(Failure::op_badly_formed("Missing create type"));
    }
    create.insert("type".into(), json0::URI.into());
    Ok(create.clone())
}
