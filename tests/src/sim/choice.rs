//! Makes up the set-up and the steps of a simulation.

use super::presence;
use super::refusing;
use super::step::{Act, Config, Fault, Kept, Limits, On, Step, Weather};
use super::takeovers;
use super::world::World;
use crate::random::Random;

const CODES: [&str; 3] = [
    "ERR_OP_SUBMIT_REJECTED",
    "ERR_ACCESS_DENIED",
    "ERR_OT_OP_NOT_APPLIED",
];

/// The set-up for a seed.
pub(super) fn config(seed: u64) -> Config {
    let mut r = Random::new(seed ^ 0x5EED);
    let weather = *r.pick(&[Weather::Fair, Weather::Rough, Weather::Rough, Weather::Wild]);
    let kept = *r.pick(&[Kept::Nothing, Kept::Session, Kept::Durable, Kept::Durable]);
    let kills = !r.once_in(4);
    let hosts = 1 + r.below(2);
    let count = 1 + r.below(4);
    let tabs = (0..count)
        .map(|n| {
            if hosts > 1 && n > 0 && r.once_in(3) {
                1
            } else {
                0
            }
        })
        .collect();
    let mut config = Config {
        seed,
        weather,
        fixups: weather != Weather::Fair && r.once_in(4),
        text0: r.once_in(3),
        kept,
        kills,
        storage_faults: kept != Kept::Nothing && r.once_in(3),
        own_id: kept != Kept::Nothing && r.once_in(6),
        hosts,
        tabs,
        docs: 1 + r.below(3),
        steps: 40 + r.below(260),
        small_writes: kept != Kept::Nothing && r.once_in(2),
        lags: None,
        leaves: r.once_in(3),
        crashes: false,
        hands_over: false,
        freezes: false,
        forward: false,
        urls: false,
        short_turns: false,
        slow_storage: false,
        sleeps: false,
        starts_empty: false,
        queries: false,
        refuses_reads: false,
        presence: false,
    };
    if r.once_in(3) {
        lags_behind(&mut config, &mut r);
    }
    config.crashes = r.once_in(2);
    config.forward = weather != Weather::Fair && r.once_in(3);
    if config.forward {
        // One document gets them all, and is there to get them.
        config.docs = 1;
        config.fixups |= !r.once_in(4);
        config.steps += 200;
        config.tabs.extend([0, 0]);
    }
    config.hands_over = r.once_in(3);
    // A server that refuses an op may take another copy of it from a host that was frozen. Under an id that the next host
    // has, too, it takes that for the next host's own, and does not tell it.
    let told_of_copies = !config.own_id || weather == Weather::Fair;
    config.freezes = kept != Kept::Nothing && told_of_copies && r.once_in(3);
    config.urls = weather != Weather::Fair && r.once_in(4);
    config.short_turns = r.once_in(2);
    config.slow_storage = config.kept != Kept::Nothing && config.kills && r.once_in(2);
    config.sleeps = config.kept != Kept::Nothing && r.once_in(3);
    if config.slow_storage {
        config.docs = 1;
        config.tabs.extend([0, 0]);
        config.steps += 200;
        // What is refused, and shown later, is the subject of other runs.
        config.forward = false;
        // The server does not tell a host of an op that arrives late, from one before it of the same id. A durable store
        // knows the op.
        config.own_id &= config.kept == Kept::Durable;
        // Each of these takes leads with it.
        config.storage_faults &= r.once_in(3);
        config.crashes &= r.once_in(3);
        config.freezes &= r.once_in(2);
    }
    config.starts_empty = weather == Weather::Fair && r.once_in(3);
    ask_queries(&mut config, &mut Random::new(seed ^ 0x51E5));
    refusing::choose(&mut config, &mut Random::new(seed ^ 0x2EAD));
    presence::choose(&mut config, &mut Random::new(seed ^ 0x0B5E));
    config
}

/// Tabs ask queries. `r` is a source of its own: other simulations are as they were.
fn ask_queries(config: &mut Config, r: &mut Random) {
    let is_busy = config.slow_storage || config.forward;
    config.queries = !is_busy && r.once_in(3);
    if config.queries && config.lags.is_none() {
        config.docs = config.docs.max(1 + r.below(3));
    }
}

/// Tabs lag. That takes many changes of one document, and a host that lives for long enough.
fn lags_behind(config: &mut Config, r: &mut Random) {
    config.lags = Some(Limits {
        log: 1 + r.below(2),
        unconfirmed: 1 + r.below(3),
    });
    config.docs = 1;
    config.steps += 200;
    config.kills &= r.once_in(3);
    // Somebody has to change the document while the tabs of the host under test do nothing.
    config.hosts = 2;
    config.tabs.push(1);
}

/// The first steps: most tabs subscribe to most documents.
pub(super) fn opening(config: &Config, r: &mut Random) -> Vec<Step> {
    let mut steps = vec![Step::Open { host: 0 }, Step::Open { host: 1 }];
    steps.truncate(config.hosts);
    for tab in 0..config.tabs.len() {
        for doc in 0..config.docs {
            if !r.once_in(4) {
                steps.push(Step::Do {
                    tab,
                    doc,
                    act: Act::Subscribe,
                    seed: r.next(),
                });
            }
        }
    }
    steps
}

/// The next step in this state of the world.
pub(super) fn step(world: &World, r: &mut Random) -> Step {
    if !world.tabs.iter().any(|tab| tab.open && tab.host == 0) && r.once_in(3) {
        return Step::OpenTab { host: 0 };
    }
    // A refusal that tabs were not shown yet is one for a few steps only.
    let put_off = world.config.forward && world.hosts[0].has_put_off();
    if world.config.slow_storage && !r.once_in(10) {
        return takeovers::step(world, r);
    }
    if world.config.kills && r.once_in(if put_off { 4 } else { 60 }) {
        return kill(world, r);
    }
    if world.config.hands_over && r.once_in(if put_off { 6 } else { 40 }) {
        let (host, seed) = (0, r.next());
        return Step::HandOver { host, seed };
    }
    if world.config.freezes && r.once_in(40) {
        let (host, seed) = (0, r.next());
        return Step::Freeze { host, seed };
    }
    let frozen = world.hosts[0].frozen.len();
    if frozen > 0 && r.once_in(6) {
        return Step::Thaw {
            host: 0,
            at: r.below(frozen),
            seed: r.next(),
        };
    }
    if let Some(step) = takeovers::takeover(world, r) {
        return step;
    }
    if world.config.crashes && r.once_in(60) {
        return Step::CrashTab { tab: tab(world, r) };
    }
    let asked = world
        .tabs
        .iter()
        .find(|tab| tab.open && tab.url_wanted.is_some());
    if let Some(tab) = asked
        && r.once_in(4)
    {
        return Step::GiveUrl {
            tab: tab.number,
            fails: r.once_in(4),
        };
    }
    let left = world.tabs.iter().filter(|tab| tab.open && !tab.linked);
    let left: Vec<usize> = left.map(|tab| tab.number).collect();
    if !left.is_empty() && r.once_in(8) {
        return Step::Rejoin {
            tab: *r.pick(&left),
        };
    }
    if world.config.kept != Kept::Nothing && r.once_in(5) {
        return storage(world, r);
    }
    if world.config.lags.is_some() && r.once_in(4) {
        return lag(world, r);
    }
    if world.config.leaves
        && r.once_in(30)
        && let Some(leave) = leave(world, r)
    {
        return leave;
    }
    if world.config.leaves && r.once_in(20) {
        return Step::Hide { tab: tab(world, r) };
    }
    if world.config.forward && !r.once_in(5) {
        return refusals(world, r);
    }
    match r.below(100) {
        0..56 => delivery(world, r),
        56..80 => edit(world, r),
        80..88 => call(world, r),
        88..92 => listen(world, r),
        92..97 => socket(world, r),
        _ => rare(world, r),
    }
}

/// The host under test dies, alone or with some of its tabs.
pub(super) fn kill(world: &World, r: &mut Random) -> Step {
    let (gone, others) = match r.below(8) {
        0 => (usize::MAX, 0),
        1 => (1 + r.below(2), 0),
        2..5 => (0, r.below(1 << world.tabs.len().min(16)) as u64),
        _ => (0, 0),
    };
    Step::KillHost {
        host: 0,
        committed: r.below(world.hosts[0].requests.len() + 1),
        up: r.below(4),
        gone,
        others,
        seed: r.next(),
    }
}

/// A tab edits a document that it has, and goes.
fn leave(world: &World, r: &mut Random) -> Option<Step> {
    let runs = world.tabs.iter().filter(|tab| tab.open && !tab.blocked);
    let has = runs.flat_map(|tab| {
        let docs = tab.docs.iter().enumerate();
        let docs = docs.filter(|(_, doc)| doc.exists);
        docs.map(|(doc, _)| (tab.number, doc))
    });
    let has: Vec<(usize, usize)> = has.collect();
    if has.is_empty() {
        return None;
    }
    let (tab, doc) = *r.pick(&has);
    let seed = r.next();
    Some(Step::Leave { tab, doc, seed })
}

/// A tab is blocked, goes on, or says how far it is.
fn lag(world: &World, r: &mut Random) -> Step {
    let blocked = world.tabs.iter().filter(|tab| tab.open && tab.blocked);
    let blocked: Vec<usize> = blocked.map(|tab| tab.number).collect();
    let unconfirmed = world.tabs.iter().filter(|tab| tab.has_unconfirmed());
    let unconfirmed: Vec<usize> = unconfirmed.map(|tab| tab.number).collect();
    match r.below(12) {
        0 if !blocked.is_empty() => Step::Wake {
            tab: *r.pick(&blocked),
            doc: r.once_in(2).then(|| r.below(world.keys.len())),
            seed: r.next(),
        },
        1 => Step::Block { tab: tab(world, r) },
        2..6 => edit(world, r),
        _ if unconfirmed.is_empty() => delivery(world, r),
        _ => Step::Confirm {
            tab: *r.pick(&unconfirmed),
        },
    }
}

/// Something about the storage of the host under test.
pub(super) fn storage(world: &World, r: &mut Random) -> Step {
    const FAULTS: [Fault; 6] = [
        Fault::Quota,
        Fault::Closed,
        Fault::Closed,
        Fault::Unavailable,
        Fault::Silent,
        Fault::Other,
    ];
    let (host, side) = (0, &world.hosts[0]);
    let faults = world.config.storage_faults;
    match r.below(16) {
        0 => Step::Idle { host },
        1 | 2 if side.requests.len() > 1 => Step::StoreLater {
            host,
            at: r.below(side.requests.len()),
        },
        3 if faults => Step::StoreFails {
            host,
            fault: *r.pick(&FAULTS),
            done: r.once_in(2),
        },
        4 if faults && r.once_in(3) => Step::Room {
            host,
            bytes: (!r.once_in(3)).then(|| r.below(2000)),
        },
        5 if side.away || r.once_in(6) => Step::Away {
            host,
            on: !side.away,
        },
        6 if faults && r.once_in(4) => Step::Intrude {
            host,
            idle: r.below(3),
        },
        6 if r.once_in(2) => Step::StoreDies {
            host,
            done: r.below(side.requests.len() + 1),
        },
        7 if faults => Step::StoreHangs {
            host,
            on: !side.hangs(),
        },
        _ if side.finding.is_some() => Step::FindTabs { host },
        _ => Step::Store {
            host,
            count: 1 + r.below(4),
        },
    }
}

pub(super) fn tab(world: &World, r: &mut Random) -> usize {
    let open: Vec<usize> = (0..world.tabs.len())
        .filter(|tab| world.tabs[*tab].open)
        .collect();
    if open.is_empty() { 0 } else { *r.pick(&open) }
}

fn host(world: &World, r: &mut Random) -> usize {
    r.below(world.hosts.len())
}

pub(super) fn delivery(world: &World, r: &mut Random) -> Step {
    let count = 1 + r.below(4);
    let tab = tab(world, r);
    let host = host(world, r);
    match r.below(9) {
        0 | 1 => Step::ToHost { tab, count },
        2 | 3 => Step::ToTab { tab, count },
        4 => Step::Tick { tab },
        5 | 6 => match world.hosts[host].socket {
            // An older socket may still have something for the server.
            Some(socket) if !r.once_in(8) => Step::ToServer { socket, count },
            Some(_) | None => Step::ToServer {
                socket: r.below(world.sockets.len()),
                count,
            },
        },
        7 if world.hosts[host].wants_socket => Step::Open { host },
        7 if times_out(world, host, r) => Step::Timer { host },
        _ => Step::FromServer { host, count },
    }
}

/// A host that waits for the server is rarely slower than that one.
fn times_out(world: &World, host: usize, r: &mut Random) -> bool {
    let side = &world.hosts[host];
    side.timer.is_some() && r.once_in(if side.socket.is_some() { 8 } else { 2 })
}

pub(super) fn edit(world: &World, r: &mut Random) -> Step {
    let (tab, doc, seed) = (tab(world, r), r.below(world.keys.len()), r.next());
    let exists = world.tabs.get(tab).is_some_and(|tab| tab.docs[doc].exists);
    let creates = world.config.creates();
    let fair = world.config.weather == Weather::Fair;
    if world.config.starts_empty && !exists {
        // As an application does that creates what is missing.
        let knows = world
            .tabs
            .get(tab)
            .is_some_and(|tab| tab.docs[doc].is_known());
        let first = if knows { Act::Create } else { Act::Fetch };
        let act = *r.pick(&[first, Act::Fetch, Act::Subscribe, Act::Subscribe]);
        return Step::Do {
            tab,
            doc,
            act,
            seed,
        };
    }
    let act = match r.below(30) {
        0 if creates => Act::Del,
        1 if !fair => Act::SubmitBad,
        2 if creates => Act::Create,
        _ if exists => Act::Submit,
        _ if creates && r.once_in(2) => Act::Create,
        _ => Act::Subscribe,
    };
    Step::Do {
        tab,
        doc,
        act,
        seed,
    }
}

fn call(world: &World, r: &mut Random) -> Step {
    const ACTS: [Act; 11] = [
        Act::Subscribe,
        Act::Subscribe,
        Act::Unsubscribe,
        Act::Fetch,
        Act::Fetch,
        Act::Flush,
        Act::Pause,
        Act::Resume,
        Act::PreventCompose,
        Act::SubmitSource,
        Act::Destroy,
    ];
    let (tab, doc, seed) = (tab(world, r), r.below(world.keys.len()), r.next());
    let act = *r.pick(&ACTS);
    Step::Do {
        tab,
        doc,
        act,
        seed,
    }
}

fn listen(world: &World, r: &mut Random) -> Step {
    const ONS: [On; 12] = [
        On::BeforeBatch,
        On::BeforeComponent,
        On::Component,
        On::Component,
        On::Batch,
        On::Op,
        On::Create,
        On::Load,
        On::Callback,
        On::NoWritePending,
        On::NothingPending,
        On::Del,
    ];
    let (tab, doc, seed) = (tab(world, r), r.below(world.keys.len()), r.next());
    let on = *r.pick(&ONS);
    let fair = world.config.weather == Weather::Fair;
    let creates = world.config.creates();
    let act = match r.below(12) {
        0 if !fair && on != On::Load && throws_safely(on) => Act::Throw,
        1 if creates => Act::Del,
        2 if creates && matches!(on, On::Del | On::Callback) => Act::Create,
        3 => Act::Flush,
        4 => Act::Fetch,
        5 => Act::Subscribe,
        6 => Act::Unsubscribe,
        _ if world.config.starts_empty && on == On::Load => Act::Create,
        _ if fair && on == On::Load => Act::Fetch,
        _ => Act::Submit,
    };
    Step::Listen {
        tab,
        doc,
        on,
        act,
        seed,
    }
}

/// Whether a listener stands inside a `try` of ShareDB: elsewhere an exception takes with it whatever
/// was still to do, there as here.
fn throws_safely(on: On) -> bool {
    matches!(
        on,
        On::BeforeBatch
            | On::BeforeComponent
            | On::Component
            | On::Batch
            | On::Op
            | On::Create
            | On::Del
    )
}

fn socket(world: &World, r: &mut Random) -> Step {
    let host = host(world, r);
    match r.below(10) {
        8 if r.once_in(2) => Step::Swallow { host },
        8 | 9 => Step::WakeHost { host },
        0 | 1 => Step::Cut {
            host,
            up: r.below(4),
            down: r.below(4),
        },
        2 if r.once_in(3) => Step::Restart { down: r.below(4) },
        3 if world.hosts[host].wants_socket && r.once_in(3) => Step::OpenFails { host },
        2..6 if world.hosts[host].wants_socket => Step::Open { host },
        _ if times_out(world, host, r) => Step::Timer { host },
        _ => delivery(world, r),
    }
}

/// What makes a run of refusals: tabs and storage are quicker than the server, so that ops wait for each other, and the
/// server takes few of them.
fn refusals(world: &World, r: &mut Random) -> Step {
    let (host, tab) = (0, tab(world, r));
    let count = 1 + r.below(4);
    match (r.below(24), world.hosts[host].socket) {
        (0..8, _) => edit(world, r),
        (8..11, _) => Step::ToHost { tab, count },
        (11..15, _) => Step::ToTab { tab, count },
        (15..20, _) => Step::Store { host, count },
        (20, Some(socket)) => Step::ToServer { socket, count: 1 },
        (21, Some(_)) => Step::FromServer { host, count: 1 },
        _ => reject(r),
    }
}

fn reject(r: &mut Random) -> Step {
    Step::Reject {
        code: (*r.pick(&CODES)).to_owned(),
    }
}

fn rare(world: &World, r: &mut Random) -> Step {
    let fair = world.config.weather == Weather::Fair;
    let host = host(world, r);
    match r.below(if fair { 5 } else { 10 }) {
        0 => Step::OpenTab { host },
        1 => Step::CloseTab {
            tab: tab(world, r),
            arrive: r.below(4),
        },
        2 => Step::Hold { on: r.once_in(2) },
        3 | 4 => Step::Confirm { tab: tab(world, r) },
        5 | 6 => reject(r),
        7 if world.config.fixups => Step::Fixup {
            add: 1 + r.below(5) as u32,
        },
        8 => Step::RefuseNoOps { on: r.once_in(2) },
        _ => Step::Garbage {
            host,
            seed: r.next(),
        },
    }
}
