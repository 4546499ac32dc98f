//! The tabs' edge: which tabs there are, and what crosses between them and the host.
//!
//! [`Tabs`] is the only list of tabs. `register` and `leave` add and remove a tab; `messages` carries out a tab's messages
//! and posts to it; `reads`, `submit` and `ingest` carry out its requests for documents. `hub` is the history of one
//! document that tabs follow. `callers` maps the tokens of a document's machine to the tab or query that is answered.
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

/// All tabs that are not known to be gone.
#[derive(Debug)]
pub(crate) struct Tabs {
    by_id: Map<TabId, Tab>,
    /// Whether a tab has registered: before that, none can have left.
    pub(crate) met_any: bool,
    /// Limit of changes that a tab may leave unconfirmed; see [`crate::Options::max_unconfirmed`].
    max_unconfirmed: usize,
    /// The same limit for one document; see [`crate::Options::max_unconfirmed_of_doc`].
    max_of_doc: usize,
}

#[derive(Debug, Default)]
struct Tab {
    /// `None`: the tab is not registered, but may register (again), and then ask for the outcomes of its ops.
    link: Option<Link>,
    /// An earlier host knew the tab, and the tab has not registered with this host yet.
    is_expected: bool,
    /// The tab gets the store's events.
    watches_storage: bool,
    /// The tab itself decides when records are written.
    flushes_itself: bool,
}

impl Tab {
    fn has_durable_lead(&self, committed: u64) -> bool {
        let lead = self.link.as_ref().and_then(|link| link.lead);
        lead.is_some_and(|write| write <= committed)
    }
}

/// The messages under way to a registered tab.
#[derive(Debug, Default)]
struct Link {
    /// Messages posted to the tab.
    posted: u64,
    /// The tab keeps leads: changes shown early, for the next host.
    keeps_leads: bool,
    /// The write of the last change shown early, unless a later message waited for a write.
    lead: Option<u64>,
    /// Changes that the tab may not have processed yet: the message's number, the document, and the content.
    unconfirmed: Fifo<(u64, DocHandle, Told)>,
    /// The tab lags: it gets no more changes until it confirms.
    is_stalled: bool,
    /// Per document, the count of unconfirmed changes, and whether the tab lags there: it then gets no more changes of that
    /// document until it confirms. No count is zero.
    of_docs: Map<DocHandle, (usize, bool)>,
}

/// The part of a message on a document that the tab's confirmation acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The tab stands at this revision after the message.
    Revision(Revision),
    /// These ops of the tab have ended.
    Outcome(Vec<Seq>),
}

/// The effects of a tab's confirmation.
#[derive(Debug, Default)]
pub(crate) struct Confirmed {
    /// The message contents that the tab has processed, oldest first.
    pub(crate) told: Vec<(DocHandle, Told)>,
    /// The tab lagged, and gets changes again.
    pub(crate) wakes: bool,
    /// Documents in which the tab lagged, and of which it gets changes again.
    pub(crate) woken: Vec<DocHandle>,
}

impl Tabs {
    /// An empty list; for the limits see [`crate::Options::max_unconfirmed`] and
    /// [`crate::Options::max_unconfirmed_of_doc`].
    pub(crate) fn new(max_unconfirmed: usize, max_of_doc: usize) -> Self {
        Self {
            by_id: Map::new(),
            met_any: false,
            max_unconfirmed,
            max_of_doc,
        }
    }

    // ---- Coming and going ----

    /// Registers the tab, with no message under way to it. `keeps_leads`: it keeps changes that it is shown early.
    pub(crate) fn register(&mut self, tab: &TabId, keeps_leads: bool) {
        self.by_id.or_default(tab.clone()).link = Some(Link {
            keeps_leads,
            ..Link::default()
        });
        self.met_any = true;
    }

    /// Unregisters the tab, which may come again. Returns whether it was registered.
    pub(crate) fn leave(&mut self, tab: &TabId) -> bool {
        let known = self.by_id.get_mut(tab);
        known.is_some_and(|known| known.link.take().is_some())
    }

    /// Removes a tab that is gone for good. Returns whether it was the last one that [`Tabs::expect`] named.
    pub(crate) fn forget(&mut self, tab: &TabId) -> bool {
        let is_last = self.arrive(tab);
        self.by_id.remove(tab);
        is_last
    }

    /// Adds a tab that an earlier host knew, and that may live.
    pub(crate) fn expect(&mut self, tab: &TabId) {
        self.by_id.or_default(tab.clone()).is_expected = true;
    }

    /// Notes that an expected tab has registered or is gone. Returns whether it was the last expected one.
    pub(crate) fn arrive(&mut self, tab: &TabId) -> bool {
        let known = self.by_id.get_mut(tab);
        let was_expected =
            known.is_some_and(|known| std::mem::replace(&mut known.is_expected, false));
        was_expected && !self.expects_any()
    }

    /// Whether the tab is one of an earlier host, and has not registered yet.
    pub(crate) fn expects(&self, tab: &TabId) -> bool {
        self.by_id.get(tab).is_some_and(|known| known.is_expected)
    }

    /// Whether any tab of an earlier host has not registered yet.
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

    /// Counts a message that is posted to the tab. `false`: the tab is not registered, and the message is dropped.
    /// `is_early`: the message waits for no write.
    pub(crate) fn count_message(&mut self, tab: &TabId, is_early: bool) -> bool {
        let Some(link) = self.link_mut(tab) else {
            return false;
        };
        link.posted += 1;
        link.lead = link.lead.filter(|_| is_early);
        true
    }

    /// Whether the tab keeps the changes that it is shown early.
    pub(crate) fn keeps_leads(&self, tab: &TabId) -> bool {
        self.link(tab).is_some_and(|link| link.keeps_leads)
    }

    /// Notes that the tab is shown a change before the `write` that holds it is durable. Returns whether the tab's earlier
    /// lead is durable, given that the writes up to `committed` are.
    pub(crate) fn begin_lead(&mut self, tab: &TabId, write: u64, committed: u64) -> bool {
        let link = self.link_mut(tab);
        let before = link.and_then(|link| link.lead.replace(write));
        before.is_some_and(|before| before <= committed)
    }

    /// The tabs whose whole lead is durable, given that the writes up to `committed` are, and that no later message has
    /// told so.
    pub(crate) fn with_durable_lead(&self, committed: u64) -> Vec<TabId> {
        self.select(|known| known.has_durable_lead(committed))
    }

    /// Whether there are any of [`Tabs::with_durable_lead`].
    pub(crate) fn any_durable_lead(&self, committed: u64) -> bool {
        let mut known = self.by_id.values();
        known.any(|known| known.has_durable_lead(committed))
    }

    /// Notes the content of the message that was posted last.
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

    /// Notes that the tab has processed its first `count` messages.
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

    /// Counts a message that is inserted in front of the last `waiting` ones, but never before the first of all. Returns
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

    /// Registers the tab as a watcher of the store.
    pub(crate) fn watch_storage(&mut self, tab: &TabId) {
        if let Some(known) = self.by_id.get_mut(tab) {
            known.watches_storage = true;
        }
    }

    /// The tabs that watch the store.
    pub(crate) fn watchers(&self) -> Vec<TabId> {
        self.select(|known| known.watches_storage)
    }

    /// Whether any tab watches the store.
    pub(crate) fn any_watches(&self) -> bool {
        self.by_id.values().any(|known| known.watches_storage)
    }

    /// Sets whether the tab itself decides when records are written.
    pub(crate) fn set_flushes_itself(&mut self, tab: &TabId, on: bool) {
        if let Some(known) = self.by_id.get_mut(tab) {
            known.flushes_itself = on;
        }
    }

    /// Whether any tab itself decides when records are written.
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
