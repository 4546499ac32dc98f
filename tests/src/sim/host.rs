//! A host and its driver, over all lives of the host: what it says is sent on, what it asks of its storage
//! waits until a step carries it out.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use durable_store::{Ask, FailureKind, Request, Retention, StoreOptions, WriteLimits};
use proxy_doc::{Epoch, Line, TabId, Types};
use worker_host::{Host, Options, Output};

use super::frozen::FrozenHost;
use super::ledger::Ledger;
use super::step::{Config, Fault, Kept};
use super::storage::{Storage, Tenure, failure};
use super::tab::Tab;
use super::witness::{Witness, is_early};
use super::world::Socket;

/// Lives of one host in one simulation.
const MAX_LIVES: u64 = 40;

/// A host and its driver.
pub(super) struct HostSide {
    number: usize,
    pub(super) host: Host,
    types: Rc<dyn Types>,
    config: Config,
    lives: u64,
    /// The socket that it is bound to.
    pub(super) socket: Option<usize>,
    pub(super) wants_socket: bool,
    /// The milliseconds of the timer that runs.
    pub(super) timer: Option<u32>,
    /// The server cannot be reached.
    pub(super) away: bool,
    pub(super) storage: Option<Storage>,
    tenure: Tenure,
    /// What it asked of the storage.
    pub(super) requests: VecDeque<Request>,
    /// The tabs that it asked for.
    pub(super) finding: Option<Vec<TabId>>,
    /// Those of them that live: it is told of their end.
    pub(super) watched: BTreeSet<TabId>,
    /// The storage has worked since its handle died last.
    works: bool,
    /// It gave its storage up.
    pub(super) lost: bool,
    /// A tab has reached it.
    met: bool,
    /// It has told no tab anything yet.
    begins: bool,
    /// Another host is to take its place.
    pub(super) is_over: bool,
    /// It resigns, or has resigned: the seed of what still arrives.
    pub(super) resigns: Option<u64>,
    /// Hosts that were frozen when others took their storage.
    pub(super) frozen: Vec<FrozenHost>,
}

impl HostSide {
    /// The first life of a host.
    pub(super) fn new(number: usize, config: &Config, types: &Rc<dyn Types>) -> Self {
        let keeps = number == 0 && config.kept != Kept::Nothing;
        Self {
            number,
            host: Host::new(options(number, 0, config), Rc::clone(types)),
            types: Rc::clone(types),
            config: config.clone(),
            lives: 0,
            socket: None,
            wants_socket: false,
            timer: None,
            away: false,
            storage: keeps.then(|| Storage::new(config.seed.is_multiple_of(2))),
            tenure: tenure(0),
            frozen: Vec::new(),
            requests: VecDeque::new(),
            finding: None,
            watched: BTreeSet::new(),
            works: true,
            lost: false,
            met: false,
            begins: true,
            is_over: false,
            resigns: None,
        }
    }

    /// Whether it has died often enough.
    fn is_old(&self) -> bool {
        self.lives >= MAX_LIVES
    }

    /// Whether its storage has a refusal that tabs were not shown yet.
    pub(super) fn has_put_off(&self) -> bool {
        self.storage.as_ref().is_some_and(Storage::has_refusal)
    }

    /// Notes what is so when the host dies.
    pub(super) fn count(&self, committed: usize, ledger: &mut Ledger) {
        let count = |most| {
            let requests = self.requests.iter().take(most);
            requests.filter(|request| is_write(request)).count()
        };
        let (writes, done) = (count(usize::MAX), count(committed));
        ledger.count(true, "a host died");
        ledger.count(self.lives > 1, "a host died for the third time");
        ledger.count(self.away, "a host died while the server was away");
        ledger.count(
            self.lives > 1 && self.away,
            "hosts died one after the other offline",
        );
        ledger.count(writes > 0 && done == 0, "a host died with its write");
        ledger.count(done > 0, "a host died, its write did not");
        ledger.count(self.lost, "a host died that had given its storage up");
        ledger.count(self.has_put_off(), "a host died that had put off refusals");
        ledger.count(self.is_restoring(), "a host died while it took over");
    }

    /// The host dies while the storage carries out the first `committed` requests; another one begins.
    pub(super) fn die(&mut self, committed: usize) -> bool {
        if self.is_old() {
            return false;
        }
        self.begin_another(committed);
        true
    }

    /// Another host begins where this one was.
    pub(super) fn begin_another(&mut self, committed: usize) {
        if let Some(storage) = &mut self.storage {
            for request in self.requests.iter().take(committed) {
                // Nobody hears of it.
                let _ = storage.carry_out(&request.what, &mut self.tenure);
            }
        }
        let _ = self.succeed();
    }

    /// Another host begins. Gives the one that was here.
    pub(super) fn succeed(&mut self) -> Host {
        self.lives += 1;
        let options = options(self.number, self.lives, &self.config);
        let next = Self {
            host: Host::new(options, Rc::clone(&self.types)),
            socket: None,
            wants_socket: false,
            timer: None,
            requests: VecDeque::new(),
            finding: None,
            watched: BTreeSet::new(),
            works: true,
            lost: false,
            met: false,
            begins: true,
            is_over: false,
            resigns: None,
            number: self.number,
            types: Rc::clone(&self.types),
            config: self.config.clone(),
            lives: self.lives,
            away: self.away,
            storage: self.storage.take(),
            tenure: tenure(self.lives),
            frozen: std::mem::take(&mut self.frozen),
        };
        std::mem::replace(self, next).host
    }

    /// The host hands over to another one, if that costs nothing. Says whether it began to.
    pub(super) fn resign(&mut self, seed: u64, ledger: &mut Ledger) -> bool {
        if self.is_old() || !self.met || self.resigns.is_some() || !self.host.may_resign() {
            return false;
        }
        let writes = self.requests.iter().any(is_write);
        let restoring = self.storage.is_some() && self.begins;
        ledger.count(true, "a host resigned");
        ledger.count(writes, "a host resigned with a write under way");
        ledger.count(restoring, "a host resigned while it took over");
        ledger.count(self.away, "a host resigned while the server was away");
        ledger.count(self.hangs(), "a host resigned whose storage hung");
        ledger.count(
            self.has_put_off(),
            "a host resigned that had put off refusals",
        );
        if !self.keeps_log() {
            // What is on its way to it ends with an error.
            ledger.lose();
        }
        self.resigns = Some(seed);
        self.host.resign();
        true
    }

    /// The host is frozen, and another one takes its storage. Says whether it could.
    pub(super) fn freeze(
        &mut self,
        line: Option<Line>,
        posted: VecDeque<(TabId, String)>,
        ledger: &mut Ledger,
    ) -> bool {
        if self.is_old() || !self.met || !self.tenure.holds || !self.keeps_log() {
            return false;
        }
        let requests = std::mem::take(&mut self.requests);
        ledger.count(true, "a host was frozen");
        let writes = requests.iter().any(is_write);
        ledger.count(writes, "a host was frozen with a write under way");
        let (tenure, socket, wants_socket) = (self.tenure, self.socket, self.wants_socket);
        let finding = self.finding.take();
        let host = self.succeed();
        self.frozen.push(FrozenHost {
            host,
            last_before: requests.back().map(|request| request.number),
            has_written: false,
            written: BTreeSet::new(),
            requests,
            tenure,
            socket,
            wants_socket,
            finding,
            lost: false,
            line,
            posted,
        });
        true
    }

    /// Whether the next host knows what this one knew.
    pub(super) fn keeps_log(&self) -> bool {
        self.storage.is_some() && !self.lost
    }

    /// A tab reaches the host.
    pub(super) fn meet(&mut self) {
        if std::mem::replace(&mut self.met, true) {
            return;
        }
        if self.config.own_id && self.number == 0 {
            self.host.set_id(Some("own".to_owned()));
        }
        self.host.connect();
    }

    /// Whether it has told no tab anything yet, and tabs have reached it.
    pub(super) fn is_restoring(&self) -> bool {
        self.storage.is_some() && self.met && self.begins
    }

    /// Whether the next thing asked of the storage writes nothing.
    pub(super) fn next_is_read(&self) -> bool {
        let next = self.requests.front();
        next.is_some_and(|next| !is_write(next))
    }

    // ---- The storage ----

    /// Whether the storage hangs.
    pub(super) fn hangs(&self) -> bool {
        self.storage.as_ref().is_some_and(|storage| storage.hangs)
    }

    /// The storage hangs, or answers again. Says whether that is news.
    pub(super) fn set_hanging(&mut self, on: bool, ledger: &mut Ledger) -> bool {
        let before = self.hangs();
        if let Some(storage) = &mut self.storage {
            storage.hangs = on;
        }
        ledger.count(on && self.begins, "a storage hung while it was restored");
        before != self.hangs()
    }

    /// The storage carries out the request at this place, if it may do that before the older ones. Says
    /// whether it did.
    pub(super) fn carry_out(&mut self, at: usize) -> bool {
        let (Some(storage), Some(request)) = (&mut self.storage, self.requests.get(at)) else {
            return false;
        };
        let is_read = |request: &Request| matches!(request.what, Ask::Read(_));
        let reads = is_read(request);
        let mut before = self.requests.iter().take(at);
        if before.any(|older| !(is_read(older) || reads && is_write(older))) {
            return false;
        }
        let reply = storage.carry_out(&request.what, &mut self.tenure);
        self.works |= reply.is_ok() && !opens(request);
        let number = request.number;
        self.requests.remove(at);
        self.host.handle_storage(number, reply);
        true
    }

    /// The next request fails, `done` or not.
    pub(super) fn fail(&mut self, fault: Fault, done: bool, ledger: &mut Ledger) -> bool {
        let (Some(storage), Some(request)) = (&mut self.storage, self.requests.pop_front()) else {
            return false;
        };
        ledger.count(true, "a storage failed");
        if done && is_write(&request) {
            ledger.count(true, "a storage failed, having written");
            // The host does not hear how that went.
            let _ = storage.carry_out(&request.what, &mut self.tenure);
        }
        let kind = match fault {
            Fault::Quota => FailureKind::Quota,
            Fault::Closed => FailureKind::Closed,
            Fault::Unavailable => FailureKind::Unavailable,
            Fault::Silent => FailureKind::Silent,
            Fault::Other => FailureKind::Other,
        };
        self.host.handle_storage(request.number, Err(failure(kind)));
        true
    }

    /// The handle of the storage dies, and all that was asked of it fails; the first `done` of it was carried out. A
    /// storage that does not work in between is given up, so that is none of this.
    pub(super) fn lose_handle(&mut self, done: usize, ledger: &mut Ledger) -> bool {
        let Some(storage) = self.storage.as_mut().filter(|_| self.works) else {
            return false;
        };
        if !self.requests.iter().any(|request| !opens(request)) {
            return false;
        }
        self.works = false;
        let requests = std::mem::take(&mut self.requests);
        ledger.count(true, "a handle died");
        ledger.count(requests.len() > 1, "a handle died with much under way");
        for request in requests.iter().take(done) {
            // Nobody hears of it.
            let _ = storage.carry_out(&request.what, &mut self.tenure);
        }
        for request in requests {
            let closed = Err(failure(FailureKind::Closed));
            self.host.handle_storage(request.number, closed);
        }
        true
    }

    /// Another host has the storage for a while: it takes over what is there, and tells nobody. This one learns that its
    /// handle is dead. Gives the tabs without which the other one took over, if there was one.
    pub(super) fn intrude(&mut self, idle: usize, ledger: &mut Ledger) -> Option<Vec<TabId>> {
        // To another host, too, it would say nothing.
        if self.is_old() || !self.works || self.hangs() || self.requests.iter().all(opens) {
            return None;
        }
        let Some(storage) = &mut self.storage else {
            return None;
        };
        let mut late = Vec::new();
        self.lives += 1;
        let options = options(self.number, self.lives, &self.config);
        let mut other = Host::new(options, Rc::clone(&self.types));
        let mut others = tenure(self.lives);
        // This one has let go of it.
        self.tenure.holds = false;
        for _ in 0..=idle {
            while let Some(output) = other.poll() {
                match output {
                    Output::Storage(request) => {
                        let reply = storage.carry_out(&request.what, &mut others);
                        other.handle_storage(request.number, reply);
                    }
                    Output::FindTabs(tabs) => {
                        other.tabs_found(&tabs);
                        other.tabs_asleep();
                        late = tabs;
                    }
                    Output::ToTab { .. }
                    | Output::Send(_)
                    | Output::CloseSocket
                    | Output::OpenSocket(_)
                    | Output::StartTimer(_)
                    | Output::StartAlarm(_)
                    | Output::Realtime(_)
                    | Output::DropSocket
                    | Output::BeginAnew
                    | Output::Debug { .. }
                    | Output::Resigned
                    | Output::Deposed
                    | Output::Warn(_) => {}
                }
            }
            other.handle_idle();
        }
        ledger.count(true, "another host had the storage");
        self.lose_handle(0, ledger).then_some(late)
    }

    /// Tells the host which tabs live.
    pub(super) fn find_tabs(&mut self, tabs: &[Tab]) -> bool {
        let Some(wanted) = self.finding.take() else {
            return false;
        };
        let lives = |id: &TabId| tabs.iter().any(|tab| tab.open && tab.id == *id);
        let living: Vec<TabId> = wanted.into_iter().filter(lives).collect();
        self.watched.extend(living.iter().cloned());
        self.host.tabs_found(&living);
        true
    }

    // ---- What it says ----

    /// Sends on what the host has to say.
    pub(super) fn drain(
        &mut self,
        socket: &mut Socket,
        tabs: &mut [Tab],
        ledger: &mut Ledger,
        witness: &mut Witness,
    ) {
        // A host begins with the first tab that reaches it.
        while self.met
            && !self.is_over
            && let Some(output) = self.host.poll()
        {
            let durable = self.storage.as_ref().filter(|_| !self.lost);
            match output {
                Output::ToTab { tab, text, .. } => {
                    let to = tabs.iter_mut().find(|to| to.id == tab && to.open);
                    let Some(to) = to.filter(|to| to.linked) else {
                        continue;
                    };
                    self.begins = false;
                    let problem = witness.posted(&tab.0, &mut to.line, &text, durable);
                    ledger.problems.extend(problem);
                    ledger.count(is_early(&text), "a change was shown early");
                    let followed = std::mem::take(&mut witness.has_followed);
                    ledger.count(followed, "a host went on with what only tabs were shown");
                    to.to_tab.push_back(text);
                }
                Output::Send(text) => {
                    let again = witness.is_of_another_life(&text, self.host.id());
                    ledger.count(again, "an op was sent that an earlier life had taken");
                    ledger.problems.extend(witness.sent(&text, durable));
                    if !socket.cut && !socket.silent {
                        socket.up.push_back(text);
                    }
                }
                Output::DropSocket => {
                    ledger.count(socket.silent, "a silent socket was given up");
                    ledger.count(!socket.silent, "a socket that was slow was given up");
                    socket.cut = true;
                    socket.down.clear();
                    self.socket = None;
                }
                // The last tab left. What the host had sent still arrives; nothing comes back.
                Output::CloseSocket => {
                    socket.cut = true;
                    socket.down.clear();
                    self.socket = None;
                    self.wants_socket = false;
                }
                Output::OpenSocket(_) => self.wants_socket = true,
                Output::StartTimer(delay) => self.timer = Some(delay),
                Output::StartAlarm(_) | Output::Realtime(_) => {
                    ledger.problem("tabs here agree on nothing".to_owned())
                }
                Output::Storage(request) => {
                    if self.storage.is_none() {
                        ledger.problem(format!("host {} has no storage", self.number));
                    }
                    self.requests.push_back(request);
                }
                Output::FindTabs(tabs) => self.finding = Some(tabs),
                Output::BeginAnew => self.is_over = true,
                Output::Debug { .. } => ledger.problem("nobody debugs here".to_owned()),
                Output::Resigned => self.leave(ledger),
                Output::Deposed => ledger.problem(format!("host {} is deposed", self.number)),
                Output::Warn(text) => self.warned(text, ledger),
            }
        }
    }

    /// The host has said that it resigned: its storage is the next one's.
    fn leave(&mut self, ledger: &mut Ledger) {
        self.is_over = true;
        let number = self.number;
        let writes = |request: &Request| is_write(request) || request.what == Ask::Wipe;
        if self.requests.iter().any(writes) {
            ledger.problem(format!("host {number} resigned with a write under way"));
        }
        if let Some(output) = self.host.poll() {
            ledger.problem(format!("host {number} resigned, and says {output:?}"));
        }
    }

    fn warned(&mut self, text: String, ledger: &mut Ledger) {
        let number = self.number;
        if gives_up(&text) {
            self.lost = true;
            let silent = text.contains("Silent");
            ledger.count(silent, "a storage was given up for its silence");
            ledger.count(true, "a storage was given up");
            ledger.lose();
            if !self.config.storage_faults {
                ledger.problem(format!("host {number} lost a storage that works: {text}"));
            }
        } else if text.starts_with("The durable store could not be written") {
            ledger.count(true, "a host resigned whose write failed");
            if !self.config.storage_faults {
                ledger.problem(format!("host {number} lost a storage that works: {text}"));
            }
        } else if text.contains("in the store as it is") {
            ledger.problem(format!("host {number} cannot read what it wrote: {text}"));
        } else if text.starts_with("No space left") {
            ledger.count(true, "documents were evicted");
        } else if text.starts_with("Invalid version from server") {
            // An op that is sent again after others were committed: ShareDB's client warns and fetches, too.
        } else {
            ledger.error(|| format!("host {number} warns: {text}"));
        }
    }
}

/// Whether the request is part of opening the storage.
fn opens(request: &Request) -> bool {
    match &request.what {
        Ask::Open => true,
        Ask::Read(ids) => ids.len() == 1 && ids[0].id == "state",
        Ask::Write { .. } | Ask::Wipe => false,
    }
}

/// The tenure of a host's life, which has not begun.
fn tenure(life: u64) -> Tenure {
    Tenure { life, holds: false }
}

/// Whether a host warns that it has given its storage up.
pub(super) fn gives_up(warning: &str) -> bool {
    warning.starts_with("The durable store cannot be used")
}

fn is_write(request: &Request) -> bool {
    matches!(request.what, Ask::Write { .. })
}

/// A write of one document, or of one op and what little fits beside it.
const SMALL_WRITES: WriteLimits = WriteLimits {
    bytes: 200,
    records: 1,
};

fn options(number: usize, lives: u64, config: &Config) -> Options {
    // A host may begin two lines.
    let epoch = Epoch(2 * (1 + number as u64 + lives * config.hosts as u64));
    let retention = match config.kept {
        Kept::Nothing => None,
        Kept::Session => Some(Retention::Session),
        Kept::Durable => Some(Retention::Durable),
    };
    let store = retention
        .filter(|_| number == 0)
        .map(|retention| StoreOptions {
            retention,
            comes_back: true,
            limits: if config.small_writes {
                SMALL_WRITES
            } else {
                WriteLimits::default()
            },
        });
    let mut options = Options {
        epoch,
        private: false,
        opens_sockets: true,
        src: store.is_some().then(|| format!("life-{epoch}")),
        store,
        keeps_pending: number == 0 && config.forward,
        has_url: !config.urls,
        ..Options::default()
    };
    if let Some(limits) = config.lags {
        options.max_log = limits.log;
        options.max_unconfirmed_of_doc = limits.unconfirmed;
        // A tab lags in one document alone, or in all of them.
        if config.seed.is_multiple_of(2) {
            options.max_unconfirmed = limits.unconfirmed;
        }
    }
    options
}
