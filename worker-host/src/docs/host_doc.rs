//! One document of the host: a client towards the server, a server towards the tabs.
//!
//! A [`HostDoc`] joins the three parts that each know one side of the document: the OT client (`doc`), the history that
//! tabs follow (`hub`), and the confirmed data (`state`). It also keeps the debts to tabs: outcomes of their ops, reads
//! that wait for data, and past ops that they asked for again.
//!
//! What it refuses to do: send anything, or know which tabs are registered.

use broker::message::{ReadAction, TabSnapshot};
use durable_store::format::{Author, RecordedOutcome};
use proxy_doc::{
    Doc, DocKey, Edge, Error, Gather, Map, OpId, OpKind, Outcome, Revision, Seq, Set, SnapshotType,
    TabId, Types, Version,
};

use super::refusals::Refusals;
use super::state::DocState;
use crate::log::early::SinceRevision;
use crate::server::silence::Silence;
use crate::tabs::callers::PendingRead;
use crate::tabs::hub::Hub;

/// A document: a client towards the server, a server towards the tabs.
pub(crate) struct HostDoc {
    /// The OT client: version, inflight op and pending ops.
    pub(crate) doc: Doc,
    /// The history in revisions, and each tab's position in it.
    pub(crate) hub: Hub,
    /// The confirmed data.
    pub(crate) state: DocState,
    /// Reads that wait for data that the host lacks; see [`DocState::missing`].
    pub(crate) parked: Vec<PendingRead>,
    /// Whether the missing data was asked for.
    pub(crate) base_asked: bool,
    /// Outcomes of ops whose tabs have not confirmed them yet.
    pub(crate) outcomes: Vec<RecordedOutcome>,
    /// The highest seq taken of each tab. An op with this seq or a lower one is a resend, and is dropped.
    pub(crate) seen: Map<TabId, Seq>,
    /// Tabs whose application set `doc.version` back, and the version of the next op that each lacks.
    pub(crate) behind: Map<TabId, Version>,
    /// Tabs whose subscription was answered on this socket. Others that follow the document wait for an answer, or opened
    /// it offline.
    pub(crate) subscribers: Set<TabId>,
    /// The inflight op that was acknowledged without a version, for which the server was asked for its ops.
    pub(crate) asked_for: Option<OpId>,
    /// The inflight op, where the server acknowledged it before this host had the ops below it. No other answer is on its
    /// way.
    pub(crate) answered_ahead: Option<OpId>,
    /// Rejections since the server had last answered every op of the document.
    pub(crate) refusals: Option<Refusals>,
    /// How long the server has sent nothing of the document.
    pub(crate) silence: Silence,
    /// The stored state when this host began: the last view in which it was written, and its newest revision.
    pub(crate) restored: Option<(u64, Revision)>,
    /// The entries logged since the newest revision.
    pub(crate) since_revision: SinceRevision,
}

impl HostDoc {
    /// A document without a version or history. `max_log`: see [`Hub::new`].
    pub(crate) fn new(key: DocKey, max_log: usize) -> Self {
        Self {
            doc: Doc::new(key, Edge::Host),
            hub: Hub::new(max_log),
            state: DocState::default(),
            parked: Vec::new(),
            base_asked: false,
            outcomes: Vec::new(),
            seen: Map::new(),
            behind: Map::new(),
            subscribers: Set::new(),
            asked_for: None,
            answered_ahead: None,
            refusals: None,
            silence: Silence::default(),
            restored: None,
            since_revision: SinceRevision::default(),
        }
    }

    /// The document's key.
    pub(crate) fn key(&self) -> &DocKey {
        self.doc.key()
    }

    // ---- Towards the server ----

    /// Whether an op that the server committed at `v` is the next one for the confirmed state.
    pub(crate) fn is_next(&self, v: Version) -> bool {
        self.doc.version() == Some(v)
    }

    /// Whether an acknowledgement or a refusal under this identity is of the inflight op.
    pub(crate) fn is_inflight(&self, id: &OpId) -> bool {
        self.doc.inflight().is_some_and(|op| op.id == *id)
    }

    /// Whether an answer under this identity is of another op than the inflight one: of an op that was sent again, and
    /// whose end came out otherwise.
    pub(crate) fn is_of_another(&self, id: &OpId) -> bool {
        self.doc.inflight().is_some_and(|op| {
            let named = id.src.is_some() && id.seq.is_some();
            named && op.id.src.is_some() && op.id != *id
        })
    }

    /// The version to fetch from: the lowest that a tab lacks ops of. `None`: the server gives a snapshot.
    pub(crate) fn fetch_version(&self) -> Option<Version> {
        let lowest = self.behind.values().copied().min();
        let version = self.doc.version();
        let version = version.map(|version| lowest.map_or(version, |lowest| lowest.min(version)));
        // A document that was created without a fetch has no version, and a snapshot would not say the op's.
        let inflight = self.doc.inflight().map(|op| &op.id);
        let asks = inflight.is_some() && inflight == self.asked_for.as_ref();
        version.or(asks.then_some(Version(0)))
    }

    /// The tabs that lack the op at `v`, which is in the state here.
    pub(crate) fn tabs_lacking(&self, v: Version) -> Vec<TabId> {
        if self.doc.version() <= Some(v) {
            return Vec::new();
        }
        let lacking = self.behind.iter().filter(|(_, at)| **at == v);
        lacking.map(|(tab, _)| tab.clone()).gather()
    }

    /// Applies an op that the server committed to the confirmed data.
    ///
    /// # Errors
    /// As [`DocState::commit`].
    pub(crate) fn commit(&mut self, kind: &OpKind, types: &dyn Types) -> Result<(), Error> {
        let created = match kind {
            OpKind::Create { type_name, .. } => types.resolve(type_name),
            OpKind::Edit(_) | OpKind::Del | OpKind::Noop => None,
        };
        self.state.commit(kind, created)
    }

    // ---- Towards the tabs ----

    /// Voids the history that tabs were shown: see [`Hub::reset`].
    pub(crate) fn reset_history(&mut self) -> &mut Hub {
        self.hub.reset();
        if let Some(refusals) = &mut self.refusals {
            *refusals = Refusals::default();
        }
        &mut self.hub
    }

    /// Whether an op of the tab was taken before, by this host or by one before it: the tab learns that from the log.
    pub(crate) fn is_taken(&self, tab: &TabId, seq: Seq) -> bool {
        self.seen.get(tab).is_some_and(|last| seq <= *last)
    }

    /// Keeps the outcome of these ops until the tab has confirmed it.
    pub(crate) fn keep_outcomes(&mut self, tab: &TabId, seqs: &[Seq], outcome: &Outcome) {
        let outcomes = seqs.iter().map(|seq| RecordedOutcome {
            author: Author {
                tab: tab.clone(),
                seq: *seq,
            },
            outcome: outcome.clone(),
        });
        self.outcomes.extend(outcomes);
    }

    /// Drops the outcomes of these ops, which the tab has confirmed.
    pub(crate) fn forget_outcomes(&mut self, tab: &TabId, seqs: &[Seq]) {
        let is_known = |author: &Author| author.tab == *tab && seqs.contains(&author.seq);
        self.outcomes.retain(|kept| !is_known(&kept.author));
    }

    /// Removes the tab from the document. Returns whether it was the last one that followed the document.
    pub(crate) fn leave(&mut self, tab: &TabId) -> bool {
        let was_live = self.hub.remove(tab);
        self.behind.remove(tab);
        self.subscribers.remove(tab);
        self.parked.retain(|read| read.tab != *tab);
        was_live && !self.hub.is_live()
    }

    /// Drops the outcomes and the seq of a tab that is gone for good: it neither asks for them nor resends ops.
    pub(crate) fn forget_tab(&mut self, tab: &TabId) {
        self.seen.remove(tab);
        self.outcomes.retain(|kept| kept.author.tab != *tab);
    }

    /// The server refused the tab's read. A refused subscribe subscribes nothing, and ends no subscription of before.
    pub(crate) fn refuse(&mut self, read: &PendingRead) {
        let subscribes = read.action == ReadAction::Subscribe;
        let is_known = self.hub.tabs().contains(&read.tab);
        if subscribes && is_known && !self.subscribers.contains(&read.tab) {
            self.hub.set_live(&read.tab, false);
        }
    }

    /// Whether the document is here as the server has it, or as good as can be had offline.
    pub(crate) fn can_answer(&self, connected: bool) -> bool {
        let doc = &self.doc;
        let loaded = doc.version().is_some() && doc.subscribed();
        // One that was created offline has no version yet.
        let as_good = doc.version().is_some() || doc.ty().is_some();
        !doc.in_hard_rollback() && (loaded || (as_good && !connected))
    }

    /// Whether there is nothing that a tab could be given.
    pub(crate) fn is_empty(&self) -> bool {
        self.doc.version().is_none() && self.doc.ty().is_none()
    }

    /// A snapshot with all pending ops for a tab, which stands at the head from then on. Nothing may be
    /// [`DocState::missing`].
    ///
    /// # Errors
    /// As [`DocState::snapshot`].
    pub(crate) fn snapshot_for(
        &mut self,
        tab: &TabId,
        types: &dyn Types,
    ) -> Result<TabSnapshot, Error> {
        let (ty, data) = self.state.snapshot(self.doc.unfinished(), types)?;
        self.hub.attach(tab);
        let ty = match ty {
            SnapshotType::Uri(uri) => Some(uri),
            SnapshotType::Default | SnapshotType::None => None,
        };
        Ok(TabSnapshot {
            revision: self.hub.head(),
            life: self.hub.life(tab),
            ty,
            data,
        })
    }

    /// Whether the snapshot cannot be computed, because an op here does not apply: why.
    pub(crate) fn unusable(&mut self, types: &dyn Types) -> Option<Error> {
        if self.state.missing().is_some() {
            return None;
        }
        self.state.snapshot(self.doc.unfinished(), types).err()
    }
}
