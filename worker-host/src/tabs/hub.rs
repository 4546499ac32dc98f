//! The host's history of one document, and which tab has seen how much of it.
//!
//! The hub is to the tabs what a ShareDB server is to its clients: it has one linear history,
//! transforms what comes late, and sends to everyone what they lack, in order. It keeps a
//! revision for as long as some tab may still base an op on it; older stretches that no tab can
//! name become one span each.
//!
//! What comes late is a tab's op. What a tab gets late, it transforms itself, over its own ops that it has had no answer
//! to (`proxy-doc/src/doc/from_upstream.rs`).

use broker::message::DocEvent;
use durable_store::format::Author;
use proxy_doc::{
    Change, Error, Fifo, Gather, Map, OpKind, OtType, PendingOp, Revision, Seq, Set, TabId,
    Version, codes, server_transform, transform_x,
};

use crate::status::FollowerStatus;

/// Spans of a history above which stretches that no tab can name are composed, by default.
pub(crate) const MAX_LOG: usize = 512;

/// Spans above which a tab that lags gets them composed, as far as they are not its own.
const LONG_CATCH_UP: usize = 16;

/// One change of the document, by which it came to a new revision.
#[derive(Clone, Debug)]
pub(crate) struct Revised {
    /// What it does.
    pub(crate) kind: OpKind,
    /// The type that it is of, or that it creates.
    pub(crate) ty: Option<OtType>,
    /// The tab that made it, where one of this host's did.
    pub(crate) author: Option<Author>,
    /// The server's version after it, where it moved that.
    pub(crate) version: Option<Version>,
    /// The author's connection id.
    pub(crate) src: Option<String>,
}

/// A change, and the revisions between which it stands: more than one apart where changes were composed.
#[derive(Clone, Debug)]
struct RevisedSpan {
    from: Revision,
    next: Revision,
    revised: Revised,
}

/// How far a tab is.
#[derive(Debug, Default)]
struct Position {
    /// The revision after all that was sent; `None` where the tab has no state.
    sent: Option<Revision>,
    /// The lowest revision that the tab may base its next op on.
    floor: Revision,
    /// Whether it subscribed, and so gets every change.
    live: bool,
    /// The server's version it was told.
    version: Option<Version>,
    /// The life of the tab's document, as far as the tab has said.
    life: u32,
    /// The last life that the tab was told to give up.
    voided: Option<u32>,
}

/// The history of one document.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Spans above which stretches that no tab can name are composed.
    max_log: usize,
    head: Revision,
    log: Fifo<RevisedSpan>,
    tabs: Map<TabId, Position>,
    /// For each tab its subscribed queries that have the document, by the tab's numbers of them. They outlive
    /// the tab's position: a tab that destroys the document and opens it again still has it in its query.
    queries: Map<TabId, Set<u64>>,
    /// Revisions up to this one are kept: a tab of an earlier host may stand there.
    kept: Option<Revision>,
}

impl Hub {
    /// The history of a document to which nothing has happened. Above `max_log` spans ([`MAX_LOG`] by default),
    /// stretches that no tab can name are composed.
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

    /// Whether nothing has happened yet.
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

    /// Whether the change from `revision` to the next one is known, and is this one: by its author, or by the server's
    /// version after it where nobody here is that.
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

    /// Whether the tab is to get every change, by a subscription.
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

    /// The tabs that are to get every change, and have nothing that it could change.
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

    /// The tab knows the document from now on.
    pub(crate) fn meet(&mut self, tab: &TabId) {
        self.tabs.or_default(tab.clone());
    }

    /// The tab gets every change, or no more.
    pub(crate) fn set_live(&mut self, tab: &TabId, live: bool) {
        self.tabs.or_default(tab.clone()).live = live;
    }

    /// Whether the document is in the tab's subscribed query of this number.
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

    /// The tab has the state at the head: it gets a snapshot, or created the document from nothing.
    pub(crate) fn attach(&mut self, tab: &TabId) {
        if let Some(position) = self.tabs.get_mut(tab) {
            position.sent = Some(self.head);
            position.floor = self.head;
        }
    }

    /// The tab names the life of its document, and where it stands. In a new life without a `base` it has no state; with one it
    /// stands on what it created since, or went back to.
    pub(crate) fn enter_life(&mut self, tab: &TabId, life: u32, base: Option<Revision>) {
        if let Some(position) = self.tabs.get_mut(tab)
            && position.life != life
        {
            position.life = life;
            position.sent = position.sent.filter(|_| base.is_some());
        }
    }

    /// The life of the tab's state, as far as the tab has said.
    pub(crate) fn life(&self, tab: &TabId) -> u32 {
        self.tabs.get(tab).map_or(0, |position| position.life)
    }

    /// The tab is told to give up its state, and every op that is based on it.
    pub(crate) fn void(&mut self, tab: &TabId) {
        if let Some(position) = self.tabs.get_mut(tab) {
            position.voided = Some(position.life);
        }
    }

    /// Whether what is of this life of the tab's document is dropped: the tab has begun another one, or is told to.
    pub(crate) fn is_void(&self, tab: &TabId, life: u32) -> bool {
        let position = self.tabs.get(tab);
        position.is_some_and(|position| life < position.life || position.voided >= Some(life))
    }

    /// Whether the tab's state can stand at `base`. What was sent since is on its way, and arrives
    /// before everything that is sent from now on.
    pub(crate) fn can_stand_at(&self, tab: &TabId, base: Revision) -> bool {
        let sent = self.tabs.get(tab).and_then(|position| position.sent);
        sent.is_some_and(|sent| base <= sent)
    }

    /// The tab is gone. Says whether it was getting changes.
    pub(crate) fn remove(&mut self, tab: &TabId) -> bool {
        let removed = self.tabs.remove(tab);
        self.trim();
        removed.is_some_and(|position| position.live)
    }

    /// The tab has processed everything up to `revision`.
    pub(crate) fn received(&mut self, tab: &TabId, revision: Revision) {
        if let Some(position) = self.tabs.get_mut(tab) {
            position.floor = position.floor.max(revision);
        }
        self.trim();
    }

    /// Takes over what the store has. Nothing of it is forgotten before [`Hub::release`].
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

    /// Everything from the store is here: no tab of an earlier host can name a later revision.
    pub(crate) fn keep_until_head(&mut self) {
        self.kept = Some(self.head);
    }

    /// Whether the history is kept for tabs that are not here.
    pub(crate) fn is_held(&self) -> bool {
        self.kept.is_some()
    }

    /// All tabs of earlier hosts have come, or are gone.
    pub(crate) fn release(&mut self) {
        self.kept = None;
        self.trim();
    }

    /// The revisions that are kept: where each begins and ends, and what it did.
    pub(crate) fn log(&self) -> impl Iterator<Item = (Revision, Revision, &Revised)> {
        self.log
            .iter()
            .map(|span| (span.from, span.next, &span.revised))
    }

    /// A tab comes from an earlier host, its state standing at `base`; or it has none, and
    /// created the document by the op `created`, if that was accepted. Says whether it can go on.
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

    /// Whether an op of the tab that is not in sight since `base` may be part of a span that was composed: the
    /// author of such a span is not known any more.
    pub(crate) fn may_hide(&self, tab: &TabId, base: Revision, seq: Seq) -> bool {
        let since = || self.log.iter().filter(|span| span.from >= base);
        let is_own = |span: &RevisedSpan| {
            let author = span.revised.author.as_ref();
            author.is_some_and(|author| author.tab == *tab && author.seq == seq)
        };
        !since().any(is_own) && since().any(|span| span.next > span.from.next())
    }

    /// Transforms an op of a tab, based on `base`, to the head.
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

    /// Transforms ops of a tab, each based on the one before it and the first on `base`, to the head. Those that the history
    /// has are taken out. `None` where it does not have the first one.
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
        // A create is based on nothing.
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

    /// Everything before is void: no tab has a state any more, no op may be based on what was.
    pub(crate) fn reset(&mut self) {
        self.head = self.head.next();
        self.log.clear();
        for position in self.tabs.values_mut() {
            position.sent = None;
        }
    }

    /// What the tab lacks, in order; its own ops as accepted. What others did is composed where it is much.
    pub(crate) fn catch_up(&mut self, tab: &TabId) -> Vec<DocEvent> {
        let Some(position) = self.tabs.get_mut(tab) else {
            return Vec::new();
        };
        let Some(sent) = position.sent else {
            return Vec::new();
        };
        // What is missing is at the end, mostly the last span alone.
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

    /// The tab is told the server's version; says whether that is news.
    pub(crate) fn tell_version(&mut self, tab: &TabId, version: Option<Version>) -> bool {
        let Some(position) = self.tabs.get_mut(tab) else {
            return false;
        };
        let news = position.version != version;
        position.version = version;
        news
    }

    /// Forgets what no tab can base an op on any more.
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

    /// Composes neighbours between which no tab stands or can stand, and which nobody has to be told one by one.
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

    /// Whether the author has not been sent its own op. Composed into another span the op would come to its author
    /// as somebody else's: applied a second time, and never accepted. There are few such ops: a tab sends the next one when
    /// this one is accepted, but for those that it sends ahead.
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

/// Composes `next` into `last`; gives it back where they do not compose.
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
