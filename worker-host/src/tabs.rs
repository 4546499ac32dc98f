//! The tabs' edge: which tabs there are, and what crosses between them and the host.
//!
//! [`Tabs`] alone knows which tabs there are. `register` and `leave` are a tab's coming and going, `messages` what it
//! says and is told, `reads`, `submit` and `ingest` what it does with documents. `hub` is the history of one document
//! that tabs follow, and `callers` says whom a document's machine answers.
//!
//! What it refuses to do: know the server.

pub(crate) mod callers;
pub(crate) mod hub;
mod ingest;
mod leave;
mod messages;
mod reads;
mod register;
mod submit;
#[cfg(test)]
mod tests;

use proxy_doc::{DocHandle, Fifo, Gather, Map, Revision, Seq, TabId};

use crate::status::TabStatus;

/// All tabs that live, as far as is known.
#[derive(Debug)]
pub(crate) struct Tabs {
    by_id: Map<TabId, Tab>,
    /// A tab has registered: before that, none can have left.
    pub(crate) met_any: bool,
    /// Changes that a tab may leave unconfirmed; see [`crate::Options::max_unconfirmed`].
    max_unconfirmed: usize,
    /// See [`crate::Options::max_unconfirmed_of_doc`].
    max_of_doc: usize,
}

#[derive(Debug, Default)]
struct Tab {
    /// `None`: the tab is not registered, and may come (again). It may ask then how its ops ended.
    link: Option<Link>,
    /// An earlier host knew the tab, and it has not come to this one yet.
    is_expected: bool,
    /// It is told of the store.
    watches_storage: bool,
    /// It says itself when records are written.
    flushes_itself: bool,
}

impl Tab {
    fn has_durable_lead(&self, committed: u64) -> bool {
        let lead = self.link.as_ref().and_then(|link| link.lead);
        lead.is_some_and(|write| write <= committed)
    }
}

/// What is on its way to a registered tab.
#[derive(Debug, Default)]
struct Link {
    /// Messages posted to the tab.
    posted: u64,
    /// It keeps what it is shown early for the next host.
    keeps_leads: bool,
    /// The write of the last change that it was shown early, where it was told nothing since that waited for a write.
    lead: Option<u64>,
    /// Changes that it may not have processed yet: the message's number, the document, and what the tab was told of it.
    unconfirmed: Fifo<(u64, DocHandle, Told)>,
    /// The tab lags: it gets no more changes until it confirms.
    is_stalled: bool,
    /// How many of the unconfirmed changes are of each document, and whether the tab lags there: it gets no more changes
    /// of that document until it confirms. No count is zero.
    of_docs: Map<DocHandle, (usize, bool)>,
}

/// What a tab was told of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It stands at this revision.
    Revision(Revision),
    /// These ops of it have ended.
    Outcome(Vec<Seq>),
}

/// What a tab's confirmation says.
#[derive(Debug, Default)]
pub(crate) struct Confirmed {
    /// What the tab has processed.
    pub(crate) told: Vec<(DocHandle, Told)>,
    /// The tab lagged, and gets changes again.
    pub(crate) wakes: bool,
    /// It lagged there, and gets changes of these documents again.
    pub(crate) woken: Vec<DocHandle>,
}

impl Tabs {
    /// No tabs; see [`crate::Options::max_unconfirmed`] and [`crate::Options::max_unconfirmed_of_doc`].
    pub(crate) fn new(max_unconfirmed: usize, max_of_doc: usize) -> Self {
        Self {
            by_id: Map::new(),
            met_any: false,
            max_unconfirmed,
            max_of_doc,
        }
    }

    // ---- Coming and going ----

    /// The tab is registered from now on, and nothing is on its way to it. `keeps_leads`: what it is shown early it keeps.
    pub(crate) fn register(&mut self, tab: &TabId, keeps_leads: bool) {
        self.by_id.or_default(tab.clone()).link = Some(Link {
            keeps_leads,
            ..Link::default()
        });
        self.met_any = true;
    }

    /// The tab is not registered any more, and may come again. Says whether it was.
    pub(crate) fn leave(&mut self, tab: &TabId) -> bool {
        let known = self.by_id.get_mut(tab);
        known.is_some_and(|known| known.link.take().is_some())
    }

    /// The tab is gone for good. Says whether it was the last one that [`Tabs::expect`] named.
    pub(crate) fn forget(&mut self, tab: &TabId) -> bool {
        let is_last = self.arrive(tab);
        self.by_id.remove(tab);
        is_last
    }

    /// An earlier host knew the tab, and it may live.
    pub(crate) fn expect(&mut self, tab: &TabId) {
        self.by_id.or_default(tab.clone()).is_expected = true;
    }

    /// A tab that was expected has come, or is gone. Says whether it was the last one.
    pub(crate) fn arrive(&mut self, tab: &TabId) -> bool {
        let known = self.by_id.get_mut(tab);
        let was_expected =
            known.is_some_and(|known| std::mem::replace(&mut known.is_expected, false));
        was_expected && !self.expects_any()
    }

    /// Whether the tab is one of an earlier host, and has not come yet.
    pub(crate) fn expects(&self, tab: &TabId) -> bool {
        self.by_id.get(tab).is_some_and(|known| known.is_expected)
    }

    /// Whether any tab of an earlier host has not come yet.
    pub(crate) fn expects_any(&self) -> bool {
        self.by_id.values().any(|known| known.is_expected)
    }

    /// Whether the tab is registered.
    pub(crate) fn is_registered(&self, tab: &TabId) -> bool {
        self.link(tab).is_some()
    }

    /// Whether the tab is registered, or was and is not known to be gone.
    pub(crate) fn may_live(&self, tab: &TabId) -> bool {
        self.by_id.contains_key(tab)
    }

    /// The registered tabs.
    pub(crate) fn registered(&self) -> Vec<TabId> {
        self.select(|known| known.link.is_some())
    }

    /// Whether any tab is registered.
    pub(crate) fn any_registered(&self) -> bool {
        self.by_id.values().any(|known| known.link.is_some())
    }

    // ---- What is on its way to a tab ----

    /// A message is posted to the tab. Says whether the tab is registered; otherwise the message is for nobody.
    /// `is_early`: it waits for no write.
    pub(crate) fn count_message(&mut self, tab: &TabId, is_early: bool) -> bool {
        let Some(link) = self.link_mut(tab) else {
            return false;
        };
        link.posted += 1;
        link.lead = link.lead.filter(|_| is_early);
        true
    }

    /// Whether the tab keeps what it is shown early.
    pub(crate) fn keeps_leads(&self, tab: &TabId) -> bool {
        self.link(tab).is_some_and(|link| link.keeps_leads)
    }

    /// The tab is shown a change before the `write` that holds it is durable. Says whether what it was shown early before is,
    /// as the writes up to `committed` are.
    pub(crate) fn begin_lead(&mut self, tab: &TabId, write: u64, committed: u64) -> bool {
        let link = self.link_mut(tab);
        let before = link.and_then(|link| link.lead.replace(write));
        before.is_some_and(|before| before <= committed)
    }

    /// The tabs of which all that they were shown early is durable, as the writes up to `committed` are, and which were not
    /// told so.
    pub(crate) fn with_durable_lead(&self, committed: u64) -> Vec<TabId> {
        self.select(|known| known.has_durable_lead(committed))
    }

    /// Whether there are any of [`Tabs::with_durable_lead`].
    pub(crate) fn any_durable_lead(&self, committed: u64) -> bool {
        let mut known = self.by_id.values();
        known.any(|known| known.has_durable_lead(committed))
    }

    /// The message posted last told the tab this of a document.
    pub(crate) fn note_told(&mut self, tab: &TabId, handle: DocHandle, told: Told) {
        let (max, max_of_doc) = (self.max_unconfirmed, self.max_of_doc);
        if let Some(link) = self.link_mut(tab) {
            link.unconfirmed.push_back((link.posted, handle, told));
            link.is_stalled |= link.unconfirmed.len() >= max;
            let (count, lags) = link.of_docs.or_default(handle);
            *count += 1;
            *lags |= *count >= max_of_doc;
        }
    }

    /// The tab has processed the first `count` messages.
    pub(crate) fn confirm(&mut self, tab: &TabId, count: u64) -> Confirmed {
        let (max, max_of_doc) = (self.max_unconfirmed, self.max_of_doc);
        let Some(link) = self.link_mut(tab) else {
            return Confirmed::default();
        };
        let mut told = Vec::new();
        while let Some((_, handle, what)) = link
            .unconfirmed
            .pop_front_if(|(posted, ..)| *posted <= count)
        {
            if let Some((of_doc, _)) = link.of_docs.get_mut(&handle) {
                *of_doc -= 1;
            }
            told.push((handle, what));
        }
        let wakes_there =
            |(of_doc, lags): &(usize, bool)| *lags && *of_doc < max_of_doc.div_ceil(2);
        let woken = link
            .of_docs
            .iter()
            .filter(|(_, of_doc)| wakes_there(of_doc));
        let woken: Vec<DocHandle> = woken.map(|(handle, _)| *handle).gather();
        for handle in &woken {
            if let Some((_, lags)) = link.of_docs.get_mut(handle) {
                *lags = false;
            }
        }
        link.of_docs.retain(|_, (of_doc, _)| *of_doc > 0);
        let wakes = link.is_stalled && link.unconfirmed.len() < max.div_ceil(2);
        link.is_stalled &= !wakes;
        Confirmed { told, wakes, woken }
    }

    /// One more message is posted to the tab, in front of the last `waiting` ones, but not before the first of all. Says
    /// whether that first one is among those that wait.
    pub(crate) fn insert_message(&mut self, tab: &TabId, waiting: u64) -> bool {
        let Some(link) = self.link_mut(tab) else {
            return false;
        };
        let first_waits = waiting > 0 && waiting == link.posted;
        let before = (link.posted - waiting).max(1);
        for (posted, ..) in link.unconfirmed.iter_mut() {
            *posted += u64::from(*posted > before);
        }
        link.posted += 1;
        first_waits
    }

    /// Whether the tab gets changes: it is registered and does not lag.
    pub(crate) fn gets_changes(&self, tab: &TabId) -> bool {
        self.link(tab).is_some_and(|link| !link.is_stalled)
    }

    /// Whether the tab gets changes of the document.
    pub(crate) fn gets_changes_of(&self, tab: &TabId, handle: DocHandle) -> bool {
        let lags = |link: &Link| link.of_docs.get(&handle).is_some_and(|(_, lags)| *lags);
        self.link(tab)
            .is_some_and(|link| !link.is_stalled && !lags(link))
    }

    /// Whether any tab lags.
    pub(crate) fn any_stalled(&self) -> bool {
        let mut links = self.by_id.values().filter_map(|known| known.link.as_ref());
        links.any(|link| link.is_stalled || link.of_docs.values().any(|(_, lags)| *lags))
    }

    // ---- What tabs want of the store ----

    /// The tab is told of the store from now on.
    pub(crate) fn watch_storage(&mut self, tab: &TabId) {
        if let Some(known) = self.by_id.get_mut(tab) {
            known.watches_storage = true;
        }
    }

    /// The tabs that are told of the store.
    pub(crate) fn watchers(&self) -> Vec<TabId> {
        self.select(|known| known.watches_storage)
    }

    /// Whether any tab is told of the store.
    pub(crate) fn any_watches(&self) -> bool {
        self.by_id.values().any(|known| known.watches_storage)
    }

    /// Whether the tab says itself when records are written.
    pub(crate) fn set_flushes_itself(&mut self, tab: &TabId, on: bool) {
        if let Some(known) = self.by_id.get_mut(tab) {
            known.flushes_itself = on;
        }
    }

    /// Whether any tab says itself when records are written.
    pub(crate) fn any_flushes_itself(&self) -> bool {
        self.by_id.values().any(|known| known.flushes_itself)
    }

    /// The registered tabs, as a debug console sees them.
    pub(crate) fn statuses(&self) -> Vec<TabStatus> {
        let registered = self.by_id.iter().filter_map(|(tab, known)| {
            known.link.as_ref().map(|link| TabStatus {
                id: tab.clone(),
                unconfirmed: link.unconfirmed.len(),
                stalled: link.is_stalled,
            })
        });
        registered.gather()
    }

    fn select(&self, which: impl Fn(&Tab) -> bool) -> Vec<TabId> {
        let tabs = self.by_id.iter().filter(|(_, known)| which(known));
        tabs.map(|(tab, _)| tab.clone()).collect()
    }

    fn link(&self, tab: &TabId) -> Option<&Link> {
        self.by_id.get(tab)?.link.as_ref()
    }

    fn link_mut(&mut self, tab: &TabId) -> Option<&mut Link> {
        self.by_id.get_mut(tab)?.link.as_mut()
    }
}
