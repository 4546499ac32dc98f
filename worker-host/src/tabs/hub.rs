//! The host's history of one document, and how much of it each tab has been sent.
//!
//! The hub is to the tabs what a ShareDB server is to its clients: it keeps one linear history, transforms a tab's op that
//! is based on an older revision, and sends each tab the changes that it lacks, in order. A revision is kept for as long
//! as some tab may base an op on it; stretches of the history that no tab can name are composed to one span each.
//!
//! A tab that receives a change transforms the change itself, over its own ops that are not acknowledged
//! (`proxy-doc/src/doc/from_upstream.rs`).

use broker::message::DocEvent;
use durable_store::format::Author;
use proxy_doc::{
    Change, Error, Fifo, Gather, Map, OpKind, OtType, PendingOp, Revision, Seq, Set, TabId,
    Version, codes, server_transform, transform_x,
};

use crate::status::FollowerStatus;

/// Length of a history in spans, by default, above which stretches that no tab can name are composed.
pub(crate) const MAX_LOG: usize = 512;

/// Length of a catch-up in spans above which changes of other authors are composed for the tab.
const LONG_CATCH_UP: usize = 16;

/// One change of the document, which made a new revision.
#[derive(Clone, Debug)]
pub(crate) struct Revised {
    /// The change itself.
    pub(crate) kind: OpKind,
    /// The type of the document that the change edits, or that it creates.
    pub(crate) ty: Option<OtType>,
    /// The tab and seq of the op, where a tab of this host submitted it.
    pub(crate) author: Option<Author>,
    /// The server's version after the change; `None` where the change did not move the version.
    pub(crate) version: Option<Version>,
    /// The connection id (`src`) of the author.
    pub(crate) src: Option<String>,
}

/// A change and the revisions before and after it. These are more than one apart where changes were composed.
#[derive(Clone, Debug)]
struct RevisedSpan {
    from: Revision,
    next: Revision,
    revised: Revised,
}

/// How far one tab has followed the history.
#[derive(Debug, Default)]
struct Position {
    /// The revision after the last change that was sent; `None` where the tab has no state.
    sent: Option<Revision>,
    /// The lowest revision that the tab may base its next op on.
    floor: Revision,
    /// Whether the tab subscribed, and so gets every change.
    live: bool,
    /// The server's version that the tab was last told.
    version: Option<Version>,
    /// The life of the tab's document, as the tab last named it.
    life: u32,
    /// The last life that the tab was told to give up.
    voided: Option<u32>,
}

/// The history of one document.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Length in spans above which stretches that no tab can name are composed.
    max_log: usize,
    head: Revision,
    log: Fifo<RevisedSpan>,
    tabs: Map<TabId, Position>,
    /// Per tab, the numbers of its subscribed queries that contain the document. They outlive the tab's position: a tab
    /// that destroys the document and opens it again still has it in its query.
    queries: Map<TabId, Set<u64>>,
    /// Revisions up to this one are kept, since a tab of an earlier host may stand there.
    kept: Option<Revision>,
}

impl Hub {
    /// An empty history. Above `max_log` spans ([`MAX_LOG`] by default), stretches that no tab can name are composed.
    pub(crate) fn new(max_log: usize) -> Self {
        Self {
            max_log,
            head: Revision::default(),
            log: Fifo::new(),
            tabs: Map::new(),
            queries: Map::new(),
            kept: None,
        }
    }

    /// The newest revision.
    pub(crate) fn head(&self) -> Revision {
        self.head
    }

    /// Whether the history has no change yet.
    pub(crate) fn is_new(&self) -> bool {
        self.head == Revision::default()
    }

    /// Whether no tab knows the document.
    pub(crate) fn is_unknown(&self) -> bool {
        self.tabs.is_empty()
    }

    /// How many tabs know the document.
    pub(crate) fn count_tabs(&self) -> usize {
        self.tabs.len()
    }

    /// Whether the history has the change from `revision` to the next one with this author, or, without an author, with
    /// this server's version after it.
    pub(crate) fn has_change(
        &self,
        revision: Revision,
        author: Option<&Author>,
        version: Option<Version>,
    ) -> bool {
        let is_it = |span: &&RevisedSpan| span.from == revision && span.next == revision.next();
        let span = self.log.iter().find(is_it);
        span.is_some_and(|span| {
            let revised = &span.revised;
            revised.author.as_ref() == author && (author.is_some() || revised.version == version)
        })
    }

    /// Whether any tab subscribed.
    pub(crate) fn is_live(&self) -> bool {
        self.tabs.values().any(|position| position.live)
    }

    /// Whether the tab subscribed.
    pub(crate) fn is_live_for(&self, tab: &TabId) -> bool {
        self.tabs.get(tab).is_some_and(|position| position.live)
    }

    /// Whether the tab has a state of the document.
    pub(crate) fn has_state(&self, tab: &TabId) -> bool {
        let position = self.tabs.get(tab);
        position.is_some_and(|position| position.sent.is_some())
    }

    /// The tabs that know the document.
    pub(crate) fn tabs(&self) -> Vec<TabId> {
        self.tabs.keys().cloned().gather()
    }

    /// The tabs that have a state.
    pub(crate) fn tabs_with_state(&self) -> Vec<TabId> {
        self.select(|_, position| position.sent.is_some())
    }

    /// The tabs that know the document, as a debug console sees them.
    pub(crate) fn statuses(&self) -> Vec<FollowerStatus> {
        let followers = self.tabs.iter().map(|(tab, position)| FollowerStatus {
            id: tab.clone(),
            revision: position.sent,
            live: position.live,
        });
        followers.gather()
    }

    /// The tabs that get every change and have a state.
    pub(crate) fn live_tabs(&self) -> Vec<TabId> {
        self.followers(true)
    }

    /// The tabs that get every change, but have no state to apply it to.
    pub(crate) fn followers_without_state(&self) -> Vec<TabId> {
        self.followers(false)
    }

    /// The tabs that get every change: they subscribed, or have the document in a query.
    fn followers(&self, with_state: bool) -> Vec<TabId> {
        self.select(|tab, position| {
            let follows = position.live || self.queries.contains_key(tab);
            follows && position.sent.is_some() == with_state
        })
    }

    /// The tabs that were sent everything.
    pub(crate) fn tabs_at_head(&self) -> Vec<TabId> {
        self.select(|_, position| position.sent == Some(self.head))
    }

    /// Whether the tab was sent everything.
    pub(crate) fn is_at_head(&self, tab: &TabId) -> bool {
        let sent = self.tabs.get(tab).and_then(|position| position.sent);
        sent == Some(self.head)
    }

    fn select(&self, which: impl Fn(&TabId, &Position) -> bool) -> Vec<TabId> {
        self.tabs
            .iter()
            .filter(|(tab, position)| which(tab, position))
            .map(|(tab, _)| tab.clone())
            .gather()
    }

    /// Adds the tab to those that know the document.
    pub(crate) fn meet(&mut self, tab: &TabId) {
        self.tabs.or_default(tab.clone());
    }

    /// Registers the tab as subscribed, or no longer.
    pub(crate) fn set_live(&mut self, tab: &TabId, live: bool) {
        self.tabs.or_default(tab.clone()).live = live;
    }

    /// Notes whether the tab's subscribed query of this number contains the document.
    pub(crate) fn follow_by_query(&mut self, tab: &TabId, query_id: u64, follows: bool) {
        if follows {
            self.queries.or_default(tab.clone()).insert(query_id);
        } else if let Some(queries) = self.queries.get_mut(tab) {
            queries.remove(&query_id);
            if queries.is_empty() {
                self.queries.remove(tab);
            }
        }
    }

    /// Places the tab at the head: it gets a snapshot, or created the document from nothing.
    pub(crate) fn attach(&mut self, tab: &TabId) {
        if let Some(position) = self.tabs.get_mut(tab) {
            position.sent = Some(self.head);
            position.floor = self.head;
        }
    }

    /// Notes the life of the tab's document. In a new life without a `base` the tab has no state; with a `base` it stands
    /// on what it created since, or went back to.
    pub(crate) fn enter_life(&mut self, tab: &TabId, life: u32, base: Option<Revision>) {
        if let Some(position) = self.tabs.get_mut(tab)
            && position.life != life
        {
            position.life = life;
            position.sent = position.sent.filter(|_| base.is_some());
        }
    }

    /// The life of the tab's document, as the tab last named it.
    pub(crate) fn life(&self, tab: &TabId) -> u32 {
        self.tabs.get(tab).map_or(0, |position| position.life)
    }

    /// Notes that the tab is told to give up its state, and every op that is based on it.
    pub(crate) fn void(&mut self, tab: &TabId) {
        if let Some(position) = self.tabs.get_mut(tab) {
            position.voided = Some(position.life);
        }
    }

    /// Whether ops of this life of the tab's document are dropped: the tab has begun a later life, or is told to.
    pub(crate) fn is_void(&self, tab: &TabId, life: u32) -> bool {
        let position = self.tabs.get(tab);
        position.is_some_and(|position| life < position.life || position.voided >= Some(life))
    }

    /// Whether the tab's state can stand at `base`. Changes sent since then are under way, and arrive before anything that
    /// is sent from now on.
    pub(crate) fn can_stand_at(&self, tab: &TabId, base: Revision) -> bool {
        let sent = self.tabs.get(tab).and_then(|position| position.sent);
        sent.is_some_and(|sent| base <= sent)
    }

    /// Removes the tab. Returns whether it was subscribed.
    pub(crate) fn remove(&mut self, tab: &TabId) -> bool {
        let removed = self.tabs.remove(tab);
        self.trim();
        removed.is_some_and(|position| position.live)
    }

    /// Notes that the tab has processed everything up to `revision`, and forgets the history that no tab needs any more.
    pub(crate) fn received(&mut self, tab: &TabId, revision: Revision) {
        if let Some(position) = self.tabs.get_mut(tab) {
            position.floor = position.floor.max(revision);
        }
        self.trim();
    }

    /// Takes over the stored history. All of it is kept until [`Hub::release`].
    pub(crate) fn restore(
        &mut self,
        head: Revision,
        log: impl IntoIterator<Item = (Revision, Revision, Revised)>,
    ) {
        self.head = head;
        let span = |(from, next, revised)| RevisedSpan {
            from,
            next,
            revised,
        };
        self.log = log.into_iter().map(span).collect();
        self.kept = Some(Revision(u64::MAX));
    }

    /// Keeps the history up to the head: no tab of an earlier host can name a later revision.
    pub(crate) fn keep_until_head(&mut self) {
        self.kept = Some(self.head);
    }

    /// Whether history is kept for tabs that have not registered.
    pub(crate) fn is_held(&self) -> bool {
        self.kept.is_some()
    }

    /// Ends that keeping: every tab of an earlier host has registered or left.
    pub(crate) fn release(&mut self) {
        self.kept = None;
        self.trim();
    }

    /// The spans that are kept, oldest first: the revisions before and after each, and its change.
    pub(crate) fn log(&self) -> impl Iterator<Item = (Revision, Revision, &Revised)> {
        self.log
            .iter()
            .map(|span| (span.from, span.next, &span.revised))
    }

    /// Places a tab of an earlier host at `base`. A tab without a `base` has no state; if its op `created` was accepted,
    /// the tab is placed before that op. `false`: the history does not reach back to the base, so the tab cannot go on.
    pub(crate) fn resume(
        &mut self,
        tab: &TabId,
        base: Option<Revision>,
        created: Option<Seq>,
    ) -> bool {
        let made = |span: &RevisedSpan| {
            let author = span.revised.author.as_ref();
            author.is_some_and(|author| author.tab == *tab && Some(author.seq) == created)
        };
        let base = base.or_else(|| {
            self.log
                .iter()
                .find(|span| made(span))
                .map(|span| span.from)
        });
        let Some(base) = base else {
            return true;
        };
        let kept = base == self.head || self.log.iter().any(|span| span.from == base);
        if let (true, Some(position)) = (kept, self.tabs.get_mut(tab)) {
            position.sent = Some(base);
            position.floor = base;
        }
        kept
    }

    /// Whether an op of the tab that no span since `base` names may be part of a composed span, which names no author.
    pub(crate) fn may_hide(&self, tab: &TabId, base: Revision, seq: Seq) -> bool {
        let since = || self.log.iter().filter(|span| span.from >= base);
        let is_own = |span: &RevisedSpan| {
            let author = span.revised.author.as_ref();
            author.is_some_and(|author| author.tab == *tab && author.seq == seq)
        };
        !since().any(is_own) && since().any(|span| span.next > span.from.next())
    }

    /// Transforms a tab's op from the revision `base` to the head.
    ///
    /// # Errors
    /// `ERR_REVISION_NOT_KEPT` where the tab cannot have had that revision; the errors of [`server_transform`].
    pub(crate) fn transform(
        &self,
        tab: &TabId,
        base: Revision,
        kind: &mut OpKind,
        ty: Option<&OtType>,
    ) -> Result<(), Error> {
        let known = self.can_stand_at(tab, base);
        let kept = base == self.head || self.log.iter().any(|span| span.from == base);
        if !known || !kept {
            let message = format!("Op is based on revision {base}, which the host does not have");
            return Err(Error::new(codes::ERR_REVISION_NOT_KEPT, message));
        }
        for span in self.log.iter().filter(|span| span.from >= base) {
            server_transform(kind, &span.revised.kind, ty)?;
        }
        Ok(())
    }

    /// Transforms ops that a tab sent ahead to the head: the first is based on `base`, each other on the op before it. Ops
    /// that the history contains are taken out. `None` where it does not contain the first one.
    ///
    /// # Errors
    /// The errors of [`transform_x`].
    pub(crate) fn transform_ahead(
        &self,
        tab: &TabId,
        base: Option<Revision>,
        mut ops: Fifo<PendingOp>,
    ) -> Result<Option<Fifo<PendingOp>>, Error> {
        let first = ops.front().and_then(|op| op.id.seq);
        let is_by = |span: &RevisedSpan, seq: Option<Seq>| {
            let author = span.revised.author.as_ref();
            author.is_some_and(|author| author.tab == *tab && Some(author.seq) == seq)
        };
        // A create has no base.
        let base = base.or_else(|| Some(self.log.iter().find(|span| is_by(span, first))?.from));
        let is_kept = |base: &Revision| self.log.iter().any(|span| span.from == *base);
        let base = base.filter(|base| self.can_stand_at(tab, *base) && is_kept(base));
        let Some(base) = base else {
            return Ok(None);
        };
        let mut is_first_here = false;
        for span in self.log.iter().filter(|span| span.from >= base) {
            let next = ops.front().and_then(|op| op.id.seq);
            if next.is_some() && is_by(span, next) {
                ops.pop_front();
                is_first_here = true;
                continue;
            }
            let mut other = span.revised.kind.clone();
            for op in ops.iter_mut() {
                transform_x(op, &mut other)?;
            }
        }
        Ok(Some(ops).filter(|_| is_first_here))
    }

    /// The changes since `base`; `None` where the history does not reach back that far.
    pub(crate) fn since(&self, base: Revision) -> Option<impl Iterator<Item = &Revised>> {
        let kept = base == self.head || self.log.iter().any(|span| span.from == base);
        let first = self.log.partition_point(|span| span.from < base);
        kept.then(|| self.log.iter_from(first).map(|span| &span.revised))
    }

    /// Appends a change.
    pub(crate) fn push(&mut self, revised: Revised) {
        let from = self.head;
        self.head = from.next();
        self.log.push_back(RevisedSpan {
            from,
            next: self.head,
            revised,
        });
        if self.log.len() > self.max_log {
            self.trim();
            self.compose_unnamed();
        }
    }

    /// Voids the history: no tab has a state any more, and no op may be based on an earlier revision.
    pub(crate) fn reset(&mut self) {
        self.head = self.head.next();
        self.log.clear();
        for position in self.tabs.values_mut() {
            position.sent = None;
        }
    }

    /// The changes that the tab lacks, in order, with its own ops as accepted. Long runs of other authors' changes are
    /// composed. The tab then counts as sent everything.
    pub(crate) fn catch_up(&mut self, tab: &TabId) -> Vec<DocEvent> {
        let Some(position) = self.tabs.get_mut(tab) else {
            return Vec::new();
        };
        let Some(sent) = position.sent else {
            return Vec::new();
        };
        // The missing spans are the last ones, mostly one.
        let first = self.log.partition_point(|span| span.from < sent);
        for span in self.log.iter_from(first) {
            if span.revised.version.is_some() {
                position.version = span.revised.version;
            }
        }
        position.sent = Some(self.head);
        let lacks = self.log.iter_from(first);
        if self.log.len() - first <= LONG_CATCH_UP.min(self.max_log) {
            return lacks.map(|span| event(tab, span)).gather();
        }
        let is_own = |span: &RevisedSpan| {
            span.revised
                .author
                .as_ref()
                .is_some_and(|of| of.tab == *tab)
        };
        let mut spans: Vec<RevisedSpan> = Vec::new();
        for span in lacks {
            let rest = match spans.last_mut() {
                Some(last) if !is_own(last) && !is_own(span) => join(last, span.clone()),
                _ => Some(span.clone()),
            };
            spans.extend(rest);
        }
        spans.iter().map(|span| event(tab, span)).gather()
    }

    /// Notes the server's version that the tab is told; returns whether the tab did not have it.
    pub(crate) fn tell_version(&mut self, tab: &TabId, version: Option<Version>) -> bool {
        let Some(position) = self.tabs.get_mut(tab) else {
            return false;
        };
        let news = position.version != version;
        position.version = version;
        news
    }

    /// Forgets the spans that no tab can base an op on any more.
    fn trim(&mut self) {
        if self.kept.is_some() {
            return;
        }
        let lowest = self
            .tabs
            .values()
            .filter(|position| position.sent.is_some())
            .map(|position| position.floor)
            .min();
        let lowest = lowest.unwrap_or(self.head);
        while self.log.front().is_some_and(|span| span.next <= lowest) {
            self.log.pop_front();
        }
    }

    /// Composes neighbouring spans where no tab stands or can stand between them, and neither is owed to its author.
    fn compose_unnamed(&mut self) {
        let mut kept: Fifo<RevisedSpan> = Fifo::new();
        for span in std::mem::take(&mut self.log) {
            let stays = self.is_named(span.from) || self.is_owed(&span);
            let rest = match kept.back_mut() {
                Some(last) if !stays && !self.is_owed(last) => join(last, span),
                _ => Some(span),
            };
            kept.extend(rest);
        }
        self.log = kept;
    }

    /// Whether the author has not been sent its own op. If such an op were composed into another span, its author would get
    /// it as another's change: it would apply it a second time, and never see it accepted. Such ops are few: a tab sends
    /// its next op when this one is accepted, except for ops that it sends ahead.
    fn is_owed(&self, span: &RevisedSpan) -> bool {
        let author = span.revised.author.as_ref();
        let position = author.and_then(|author| self.tabs.get(&author.tab));
        let sent = position.and_then(|position| position.sent);
        sent.is_some_and(|sent| sent < span.next)
    }

    /// Whether a tab stands at `revision`, or may base an op on it.
    fn is_named(&self, revision: Revision) -> bool {
        let kept = self.kept.is_some_and(|kept| revision <= kept);
        kept || self.tabs.values().any(|position| {
            position
                .sent
                .is_some_and(|sent| position.floor <= revision && revision <= sent)
        })
    }
}

/// Composes `next` into `last`. Returns `next` where they do not compose.
fn join(last: &mut RevisedSpan, next: RevisedSpan) -> Option<RevisedSpan> {
    let ty = match (&last.revised.ty, &next.revised.ty) {
        (Some(a), Some(b)) if a.uri() == b.uri() && a.can_compose() => a.clone(),
        _ => return Some(next),
    };
    let (OpKind::Edit(into), OpKind::Edit(edit)) = (&mut last.revised.kind, &next.revised.kind)
    else {
        return Some(next);
    };
    if ty.compose_into(into, edit.clone()).is_err() {
        return Some(next);
    }
    last.next = next.next;
    last.revised.author = None;
    last.revised.src = None;
    last.revised.version = next.revised.version.or(last.revised.version);
    None
}

fn event(tab: &TabId, span: &RevisedSpan) -> DocEvent {
    match &span.revised.author {
        Some(author) if author.tab == *tab => DocEvent::Accepted {
            seq: author.seq,
            revision: span.from,
            early: None,
        },
        _ => DocEvent::Op {
            revision: span.from,
            next: span.next,
            version: span.revised.version,
            src: span.revised.src.clone(),
            tab: span
                .revised
                .author
                .as_ref()
                .map(|author| author.tab.clone()),
            change: Change::new(&span.revised.kind, span.revised.ty.as_ref()),
            early: None,
        },
    }
}

#[cfg(test)]
mod tests;
