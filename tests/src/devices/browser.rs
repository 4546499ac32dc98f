//! A browser: its clocks, its copy of the document with the ops that are on their way, and its connection.

use std::collections::{BTreeMap, VecDeque};

use broker::devices::Time;
use broker::devices::messages::About;
use ot_json0::{Op, Value, apply_in_place, transform_x};
use proxy_doc::Json;

use super::tab::Tab;
use super::world::{Event, ToBrowser, ToServer, World};

/// An op that the server has not answered.
#[derive(Debug)]
pub(super) struct Pending {
    seq: u64,
    op: Op,
    tab: usize,
    number: u64,
}

pub(super) struct Browser {
    pub(super) id: String,
    /// By how much its wall clock is wrong.
    pub(super) wrong_by: i64,
    /// Parts in a million by which its clocks are fast.
    pub(super) drift: i64,
    /// Milliseconds for which its monotonic clock stood still.
    pub(super) stood: u64,
    /// When its wall clock was set.
    pub(super) set_at: u64,
    pub(super) asleep_until: u64,
    pub(super) tabs: Vec<Tab>,
    pub(super) leader: Option<usize>,
    pub(super) connection: Option<u64>,
    /// It is cut off until then.
    pub(super) cut_until: u64,
    /// When it died.
    pub(super) died: Option<u64>,
    pub(super) version: usize,
    base: Value,
    /// The document, where nothing has changed since it was read.
    text: Option<Json>,
    pending: VecDeque<Pending>,
    is_in_flight: bool,
    seq: u64,
    /// Presence of its tabs, and of other browsers' ones.
    pub(super) shown: BTreeMap<String, About>,
    remote: BTreeMap<String, About>,
    /// By lease: the tabs that want it, with the numbers of their requests. The first one may ask for it.
    pub(super) queues: BTreeMap<String, Vec<(usize, u64)>>,
}

impl Browser {
    pub(super) fn new(index: usize, wrong_by: i64, drift: i64, data: Value) -> Self {
        Self {
            id: format!("device{index}"),
            wrong_by,
            drift,
            stood: 0,
            set_at: 0,
            asleep_until: 0,
            tabs: Vec::new(),
            leader: None,
            connection: None,
            cut_until: 0,
            died: None,
            version: 0,
            base: data,
            text: None,
            pending: VecDeque::new(),
            is_in_flight: false,
            seq: 0,
            shown: BTreeMap::new(),
            remote: BTreeMap::new(),
            queues: BTreeMap::new(),
        }
    }

    pub(super) fn time(&self, now: u64) -> Time {
        let run = (now - self.stood) as i64;
        let drifted = run + run * self.drift / 1_000_000;
        Time {
            now: drifted as u64,
            wall: (1_700_000_000_000 + now as i64 + self.wrong_by) as u64,
        }
    }

    /// How long it takes until its monotonic clock shows this.
    pub(super) fn until(&self, now: u64, at: u64) -> u64 {
        let left = at.saturating_sub(self.time(now).now) as i64;
        (left * 1_000_000 / (1_000_000 + self.drift)) as u64 + 1
    }

    /// Until when it, or one of its tabs, does nothing.
    pub(super) fn stands_until(&self, tab: Option<usize>) -> u64 {
        let blocked = tab.map_or(0, |tab| self.tabs[tab].blocked_until);
        self.asleep_until.max(blocked)
    }

    pub(super) fn lives(&self) -> bool {
        self.died.is_none()
    }

    /// The document, with the ops that are on their way.
    pub(super) fn data(&mut self) -> Json {
        if let Some(text) = &self.text {
            return text.clone();
        }
        let mut data = self.base.clone();
        for pending in &self.pending {
            apply_in_place(&mut data, &pending.op).expect("an op applies");
        }
        let text = Json::written(data.to_json());
        self.text = Some(text.clone());
        text
    }

    /// The document has changed.
    pub(super) fn forget_text(&mut self) {
        self.text = None;
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }
}

impl World {
    pub(super) fn submit(&mut self, browser: usize, tab: usize, number: u64, op: &Json) {
        let b = &mut self.browsers[browser];
        b.seq += 1;
        b.pending.push_back(Pending {
            seq: b.seq,
            op: Op::parse(op.get()).expect("a machine makes ops"),
            tab,
            number,
        });
        self.flush(browser);
        self.document_changed(browser);
    }

    /// Sends the first op that waits, if none is on its way.
    fn flush(&mut self, browser: usize) {
        let b = &mut self.browsers[browser];
        let (Some(connection), false, Some(first)) =
            (b.connection, b.is_in_flight, b.pending.front())
        else {
            return;
        };
        let say = ToServer::Submit {
            version: b.version,
            seq: first.seq,
            op: first.op.clone(),
        };
        b.is_in_flight = true;
        self.tell_server(browser, connection, say);
    }

    fn tell_server(&mut self, browser: usize, connection: u64, say: ToServer) {
        let event = Event::ToServer {
            browser,
            connection,
            say,
        };
        self.deliver(true, connection, event);
    }

    fn tell_browser(&mut self, connection: u64, say: ToBrowser) {
        let Some((browser, _)) = self.connections.get(&connection) else {
            return;
        };
        let event = Event::ToBrowser {
            browser: *browser,
            connection,
            say,
        };
        self.deliver(false, connection, event);
    }

    fn tell_others(&mut self, than: u64, say: &ToBrowser) {
        let others: Vec<u64> = self.connections.keys().copied().collect();
        for connection in others.into_iter().filter(|other| *other != than) {
            self.tell_browser(connection, say.clone());
        }
    }

    // ---- The connection ----

    pub(super) fn connect(&mut self, browser: usize) {
        let connection = self.agenda.next_number();
        let b = &mut self.browsers[browser];
        if b.connection.is_some() || !b.lives() || b.cut_until > self.agenda.now {
            return;
        }
        b.connection = Some(connection);
        b.is_in_flight = false;
        let version = b.version;
        let shown = b.shown.clone();
        self.say(|| format!("device{browser} connects"));
        self.tell_server(browser, connection, ToServer::Hello { version });
        for (key, about) in shown {
            let about = Some(about);
            self.tell_server(browser, connection, ToServer::Presence { key, about });
        }
        self.flush(browser);
    }

    /// The connection ends. The server notices it after a time.
    pub(super) fn cut(&mut self, browser: usize, for_ms: u64, noticed_after: u64) {
        let b = &mut self.browsers[browser];
        b.cut_until = self.agenda.now + for_ms;
        if let Some(connection) = b.connection.take() {
            self.say(|| format!("device{browser} is cut for {for_ms}, noticed in {noticed_after}"));
            self.after(noticed_after, Event::Ended { connection });
        }
        self.after(for_ms + 1, Event::Connect { browser });
    }

    pub(super) fn connection_ended(&mut self, connection: u64) {
        let Some((_, keys)) = self.connections.remove(&connection) else {
            return;
        };
        for key in keys {
            self.tell_others(connection, &ToBrowser::Presence { key, about: None });
        }
    }

    // ---- The server ----

    pub(super) fn server_hears(&mut self, browser: usize, connection: u64, say: ToServer) {
        // Where a cut is not noticed, what was on its way may have arrived.
        let is_lost = self.browsers[browser].connection != Some(connection) && self.r.once_in(2);
        if is_lost {
            return;
        }
        match say {
            ToServer::Hello { version } => {
                self.connections
                    .insert(connection, (browser, Default::default()));
                for version in version..self.history.ops.len() {
                    self.tell_browser(connection, ToBrowser::Op { version });
                }
                self.tell_others(connection, &ToBrowser::WhoIsThere);
            }
            ToServer::Submit { version, seq, op } => {
                let refuses = self.refuses && !self.calm && self.r.once_in(30);
                let before = self.history.ops.len();
                self.say(|| {
                    format!(
                        "server <- device{browser} {seq} at {version}: {}",
                        op.to_json()
                    )
                });
                if !self.history.submit((browser, seq), version, op, refuses) {
                    self.log.census.insert("an op was refused");
                    self.tell_browser(connection, ToBrowser::Refused { seq });
                }
                if self.history.ops.len() > before {
                    let subscribed: Vec<u64> = self.connections.keys().copied().collect();
                    for connection in subscribed {
                        self.tell_browser(connection, ToBrowser::Op { version: before });
                    }
                }
            }
            ToServer::Presence { key, about } => {
                let stamp = Some(self.agenda.now);
                let about = about.map(|about| About { stamp, ..about });
                if let Some((_, keys)) = self.connections.get_mut(&connection) {
                    keys.insert(key.clone());
                }
                self.tell_others(connection, &ToBrowser::Presence { key, about });
            }
        }
    }

    // ---- The browser ----

    pub(super) fn browser_hears(&mut self, browser: usize, connection: u64, say: ToBrowser) {
        let b = &mut self.browsers[browser];
        if b.connection != Some(connection) || !b.lives() {
            return;
        }
        match say {
            ToBrowser::Op { version } => {
                // One that comes too early, after a sleep, brings those before it.
                for version in b.version..=version {
                    self.take_op(browser, version);
                }
            }
            ToBrowser::Refused { seq } => {
                if b.pending.front().is_some_and(|first| first.seq == seq) {
                    b.is_in_flight = false;
                    // As ShareDB does: what was made on top of it goes with it.
                    for Pending { tab, number, .. } in std::mem::take(&mut b.pending) {
                        self.outcome(browser, tab, number, true);
                    }
                    self.document_changed(browser);
                }
            }
            ToBrowser::Presence { key, about } => {
                match &about {
                    Some(about) => b.remote.insert(key.clone(), about.clone()),
                    None => b.remote.remove(&key),
                };
                for tab in 0..self.browsers[browser].tabs.len() {
                    self.show_remote(browser, tab, key.clone(), about.clone());
                }
            }
            ToBrowser::WhoIsThere => {
                for (key, about) in b.shown.clone() {
                    let about = Some(about);
                    self.tell_server(browser, connection, ToServer::Presence { key, about });
                }
            }
        }
    }

    fn take_op(&mut self, browser: usize, version: usize) {
        let b = &mut self.browsers[browser];
        b.version += 1;
        let committed = self.history.ops[version].clone();
        let first = b.pending.front();
        let is_own =
            committed.browser == browser && first.is_some_and(|first| first.seq == committed.seq);
        let mut op = committed.op;
        apply_in_place(&mut b.base, &op).expect("an op applies");
        if is_own {
            b.is_in_flight = false;
            if let Some(Pending { tab, number, .. }) = b.pending.pop_front() {
                self.outcome(browser, tab, number, false);
            }
            self.flush(browser);
        } else {
            for pending in &mut b.pending {
                transform_x(&mut pending.op, &mut op).expect("ops transform");
            }
        }
        self.document_changed(browser);
    }

    fn outcome(&mut self, browser: usize, tab: usize, op: u64, refused: bool) {
        let event = Event::Outcome {
            browser,
            tab,
            op,
            refused,
        };
        self.after(0, event);
    }

    pub(super) fn show_remote(
        &mut self,
        browser: usize,
        tab: usize,
        key: String,
        about: Option<About>,
    ) {
        let event = Event::Heard {
            browser,
            tab,
            key,
            about,
        };
        self.after(1, event);
    }

    pub(super) fn show_all_remotes(&mut self, browser: usize, tab: usize) {
        for (key, about) in self.browsers[browser].remote.clone() {
            self.show_remote(browser, tab, key, Some(about));
        }
    }

    /// A tab shows this, or nothing any more.
    pub(super) fn show(&mut self, browser: usize, key: String, about: Option<About>) {
        let b = &mut self.browsers[browser];
        match &about {
            Some(about) => b.shown.insert(key.clone(), about.clone()),
            None if b.shown.remove(&key).is_none() => return,
            None => None,
        };
        if let Some(connection) = b.connection {
            self.tell_server(browser, connection, ToServer::Presence { key, about });
        }
    }
}
