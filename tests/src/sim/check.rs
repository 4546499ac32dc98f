//! Brings a simulation to rest, and says what must be so then.

use std::collections::BTreeMap;

use ot_json0::{Object, Value};
use proxy_doc::{Token, codes};
use worker_host::{FIRST_LOOKS, IDLE_MS};

use super::kept;
use super::ledger::{Call, End, What};
use super::presence;
use super::queries;
use super::refusing;
use super::step::{Act, Step, Weather};
use super::world::{REFUSED, World};
use crate::server::{CommittedOp, OpKind};

/// Rounds in which every link is emptied once; more means that the actors keep each other busy for ever.
const MAX_ROUNDS: usize = 2_000;
/// All that there are.
pub(super) const ALL: usize = usize::MAX;

/// Heals all faults, waits for rest and checks everything.
pub(super) fn finish(world: &mut World) {
    heal(world);
    if !rests(world, "") {
        return;
    }
    check_all_idle(world);
    check_followers(world);
    refusing::check_subscriptions(world);
    queries::check(world);
    presence::check(world);
    check_leads(world);
    if world.config.refuses_reads {
        refusing::reconnect(world);
        if !rests(world, " after refusals") {
            return;
        }
        check_all_idle(world);
        refusing::check_subscriptions(world);
    }
    if world.config.seed.is_multiple_of(4) {
        change_behind_a_silent_socket(world);
        if !rests(world, " behind a silent socket") {
            return;
        }
        check_followers(world);
        queries::check(world);
        presence::check(world);
    }
    if world.config.seed % 4 == 1 {
        change_without_word(world);
        if !rests(world, " without a word") {
            return;
        }
        check_followers(world);
    }
    kept::change_hosts(world);
    if !rests(world, " with other hosts") {
        return;
    }
    read_everything(world);
    if !rests(world, " after reading") {
        return;
    }
    check_all_idle(world);
    check_resigned(world);
    check_states(world);
    // A query is not told of what the server never published.
    if world.config.seed % 4 != 1 {
        queries::check(world);
    }
    presence::check(world);
    check_calls(world);
    check_log(world);
    kept::check_ops(world);
    queries::check_left(world);
    check_forgotten(world);
    kept::check_offline(world);
}

fn heal(world: &mut World) {
    world.take(&Step::Hold { on: false });
    world.take(&Step::RefuseNoOps { on: false });
    refusing::heal(world);
    for tab in 0..world.tabs.len() {
        let (doc, seed) = (None, 1);
        world.take(&Step::Wake { tab, doc, seed });
    }
    for host in 0..world.hosts.len() {
        world.take(&Step::Away { host, on: false });
        world.take(&Step::Room { host, bytes: None });
        world.take(&Step::StoreHangs { host, on: false });
    }
    for tab in &mut world.tabs {
        tab.docs.iter_mut().for_each(|doc| doc.listeners.clear());
    }
    each_doc(world, Act::Resume);
}

pub(super) fn each_doc(world: &mut World, act: Act) {
    for tab in 0..world.tabs.len() {
        for doc in 0..world.keys.len() {
            world.take(&Step::Do {
                tab,
                doc,
                act,
                seed: 1,
            });
        }
    }
}

/// Delivers everything. It is a problem if that has no end; `when` says where.
pub(super) fn rests(world: &mut World, when: &str) -> bool {
    let is_at_rest = settle(world);
    if !is_at_rest {
        let problem = format!("no rest{when}: messages without end");
        world.ledger.problem(problem);
    }
    is_at_rest
}

/// Asks the host of each tab for its status, with the documents: afterwards it is in `status`, where the tab has a host.
pub(super) fn ask_statuses(world: &mut World) {
    for tab in 0..world.tabs.len() {
        world.with_tab(tab, |tab, ledger| {
            tab.status = None;
            tab.enter(ledger, |connection| connection.ask_status(Token(0), true));
            true
        });
    }
    world.drain();
    settle(world);
}

/// Delivers everything, until there is nothing left. Says whether that came to an end.
pub(super) fn settle(world: &mut World) -> bool {
    for _ in 0..MAX_ROUNDS {
        let mut busy = false;
        for tab in 0..world.tabs.len() {
            busy |= world.take(&Step::Rejoin { tab });
            busy |= world.take(&Step::Tick { tab });
            busy |= world.take(&Step::GiveUrl { tab, fails: false });
            busy |= world.take(&Step::ToHost { tab, count: ALL });
            busy |= world.take(&Step::ToTab { tab, count: ALL });
            // Elsewhere the tabs' own confirmations, which are rare, are enough.
            if world.config.lags.is_some() && world.tabs[tab].has_unconfirmed() {
                busy |= world.take(&Step::Confirm { tab });
            }
        }
        for socket in 0..world.sockets.len() {
            busy |= world.take(&Step::ToServer { socket, count: ALL });
        }
        for host in 0..world.hosts.len() {
            let (at, seed) = (0, 1);
            busy |= world.take(&Step::Thaw { host, at, seed });
            busy |= world.take(&Step::FindTabs { host });
            busy |= world.take(&Step::Store { host, count: ALL });
            busy |= world.quiet && world.take(&Step::Idle { host });
            busy |= world.take(&Step::Open { host });
            busy |= world.take(&Step::FromServer { host, count: ALL });
        }
        // What is on its way comes before a host's patience ends.
        for host in 0..world.hosts.len() {
            busy |= !busy && !only_looks(world, host) && world.take(&Step::Timer { host });
        }
        if !busy {
            return true;
        }
    }
    false
}

/// The socket of the host under test carries nothing more when others change the documents. It sends nothing, and has to
/// notice by itself.
fn change_behind_a_silent_socket(world: &mut World) {
    world.take(&Step::Swallow { host: 0 });
    change_elsewhere(world);
}

/// The server commits what others change and never says so, as one does that dies before it has published. Who follows the
/// documents has to ask by itself, within the first wait: there was a word just before.
fn change_without_word(world: &mut World) {
    change_elsewhere(world);
    settle(world);
    world.server.suppress_publish(true);
    change_elsewhere(world);
    settle(world);
    world.server.suppress_publish(false);
    for _ in 0..=FIRST_LOOKS {
        for host in 0..world.hosts.len() {
            world.take(&Step::Timer { host });
        }
        settle(world);
    }
}

/// Tabs of other hosts than the one under test edit every document.
pub(super) fn change_elsewhere(world: &mut World) {
    for tab in 0..world.tabs.len() {
        if world.tabs[tab].host == 0 {
            continue;
        }
        for doc in 0..world.keys.len() {
            let (act, seed) = (Act::Submit, 1);
            world.take(&Step::Do {
                tab,
                doc,
                act,
                seed,
            });
        }
    }
}

/// Whether the host waits for nothing but its next look at a socket on which things come and go. It looks for ever.
fn only_looks(world: &World, host: usize) -> bool {
    let side = &world.hosts[host];
    let is_sound = |number: usize| !world.sockets[number].silent;
    side.timer == Some(IDLE_MS) && side.socket.is_some_and(is_sound)
}

/// A fresh tab at each host, then everyone subscribes to everything and fetches it.
fn read_everything(world: &mut World) {
    for host in 0..world.hosts.len() {
        world.open_tab(host);
    }
    world.drain();
    each_doc(world, Act::Subscribe);
    settle(world);
    each_doc(world, Act::Fetch);
}

/// A tab without which a host took over gives up its state only for what the server refused.
fn check_given_up(world: &mut World) {
    for (doc, text) in std::mem::take(&mut world.ledger.given_up) {
        let key = &world.keys[doc];
        if !world.server.has_refused_ops(&key.collection, &key.id) {
            world.ledger.problems.push(text);
        }
    }
}

/// Nothing waits at rest, and no op ended as it must not.
pub(super) fn check_all_idle(world: &mut World) {
    check_given_up(world);
    let mut found = Vec::new();
    for tab in world.tabs.iter().filter(|tab| tab.open) {
        for doc in &tab.docs {
            let Some(machine) = tab.connection.doc(doc.handle) else {
                continue;
            };
            if machine.has_pending() || machine.in_hard_rollback() {
                found.push(format!(
                    "tab {}, {}: still pending at rest: {machine:?}",
                    tab.number, doc.key
                ));
            }
        }
    }
    world.ledger.problems.append(&mut found);
}

/// Where hosts find time, no tab keeps what is durable.
fn check_leads(world: &mut World) {
    let mut found = Vec::new();
    for tab in world.tabs.iter().filter(|tab| tab.open && world.quiet) {
        if tab.connection.has_lead() {
            found.push(format!("tab {}: keeps a lead at rest", tab.number));
        }
    }
    world.ledger.problems.append(&mut found);
}

/// A host that resigns comes to an end.
fn check_resigned(world: &mut World) {
    for (number, side) in world.hosts.iter().enumerate() {
        if side.resigns.is_some() {
            let text = format!("host {number} resigns, and does not come to an end");
            world.ledger.problem(text);
        }
    }
}

/// A tab that follows a document stands where the server does, without asking.
fn check_followers(world: &mut World) {
    let mut found = Vec::new();
    for (number, key) in world.keys.iter().enumerate() {
        let served = world.server.snapshot(&key.collection, &key.id);
        let version = served.as_ref().map_or(0, |served| served.v);
        for tab in world.tabs.iter().filter(|tab| tab.open) {
            let handle = tab.docs[number].handle;
            let doc = tab.connection.doc(handle);
            let told = tab.connection.version(handle).map(|version| version.0);
            if doc.is_some_and(proxy_doc::Doc::subscribed) && told != Some(version) {
                found.push(format!(
                    "tab {}, {key}: follows at version {told:?}, the server's is {version}",
                    tab.number
                ));
            }
        }
    }
    world.ledger.problems.append(&mut found);
}

fn check_states(world: &mut World) {
    let mut found = Vec::new();
    for (number, key) in world.keys.iter().enumerate() {
        let served = world.server.snapshot(&key.collection, &key.id);
        let version = served.as_ref().map_or(0, |served| served.v);
        let exists = served
            .as_ref()
            .is_some_and(|served| served.type_uri.is_some());
        let data = served.and_then(|served| served.data).unwrap_or_default();
        if world.config.weather != Weather::Wild && !counts(&data) {
            found.push(format!(
                "server, {key}: the marks do not add up: {}",
                data.to_json()
            ));
        }
        for tab in world.tabs.iter().filter(|tab| tab.open) {
            let doc = &tab.docs[number];
            let who = format!("tab {}, {key}", tab.number);
            if doc.exists != exists || doc.data != data {
                found.push(format!(
                    "{who}: data differ\n  tab:    {} {}\n  server: {exists} {}",
                    doc.exists,
                    doc.data.to_json(),
                    data.to_json()
                ));
            }
            let told = tab.connection.version(doc.handle).map(|version| version.0);
            if told != Some(version) {
                found.push(format!(
                    "{who}: version {told:?}, the server's is {version}"
                ));
            }
            if !tab
                .connection
                .doc(doc.handle)
                .is_some_and(proxy_doc::Doc::subscribed)
            {
                found.push(format!("{who}: not subscribed at rest"));
            }
        }
    }
    world.ledger.problems.append(&mut found);
}

/// `n` is the number of marks.
fn counts(data: &Value) -> bool {
    let marks = data
        .get("marks")
        .and_then(Value::as_object)
        .map_or(0, Object::len);
    data.is_null() || data.get("n").and_then(Value::as_f64) == Some(marks as f64)
}

fn check_calls(world: &mut World) {
    let open = |call: &&Call| world.tabs[call.tab].open;
    let silent = world
        .ledger
        .calls
        .iter()
        .filter(open)
        .filter(|call| call.end.is_none() && !call.given_up);
    let mut found: Vec<String> = silent
        .map(|call| format!("callback never fired: {call:?}"))
        .collect();
    world.ledger.problems.append(&mut found);
}

/// Every op is in the log once, or its callback had an error.
fn check_log(world: &mut World) {
    let mut found = Vec::new();
    for (number, key) in world.keys.iter().enumerate() {
        let whole = world.server.ops(&key.collection, &key.id);
        let log = without_resent_creates(whole);
        // What stood behind a create that was sent again is sent again, too, where no storage could say
        // that it was answered.
        if log.len() < whole.len() && world.ledger.losses {
            continue;
        }
        let marks = marks(&log);
        let has_del = log.iter().any(|op| op.kind == OpKind::Del);
        let calls = || {
            world
                .ledger
                .calls
                .iter()
                .filter(move |call| call.doc == number)
        };
        for call in calls() {
            if let What::Marked(mark) = &call.what {
                let times = marks.get(mark.as_str()).copied().unwrap_or(0);
                let lost = times == 0 && call.end == Some(End::Done) && !may_vanish(world);
                // A storage that was given up may keep what was discarded since, for a later host.
                let may_come_back = world.ledger.census.contains("a storage was given up");
                let discarded = !may_come_back
                    && matches!(&call.end, Some(End::Failed(error)) if says_discarded(error, has_del));
                let forgotten = call.left && times == 0 && nothing_is_lost(world);
                if times > 1 || lost || forgotten || (discarded && times > 0) {
                    found.push(format!(
                        "{key}: {mark} is in the log {times} times: {call:?}"
                    ));
                }
            }
        }
        let dels = log.iter().filter(|op| op.kind == OpKind::Del).count();
        let tried = calls().filter(|call| call.what == What::Del).count();
        let done = calls()
            .filter(|call| call.what == What::Del && call.end == Some(End::Done))
            .count();
        if dels > tried || (dels < done && !may_vanish(world)) {
            found.push(format!(
                "{key}: {dels} deletes in the log, {done} done of {tried} tried"
            ));
        }
        let mut ids: BTreeMap<(String, u64), u64> = BTreeMap::new();
        for op in log {
            if let Some(before) = ids.insert((op.src.to_string_lossy(), op.seq as u64), op.v) {
                found.push(format!(
                    "{key}: {} {} at {before} and {}",
                    op.src.to_string_lossy(),
                    op.seq,
                    op.v
                ));
            }
        }
    }
    world.ledger.problems.append(&mut found);
}

/// Whether an error says that the op is not in the document, and never will be. Others leave that open: the host, the
/// storage or the tab's document went away before the answer, or the server refused what came before it. A create that is sent again after a
/// delete is refused although it was committed; see [`without_resent_creates`].
fn says_discarded(error: &str, has_del: bool) -> bool {
    let leaves_open = [
        codes::ERR_HOST_LOST,
        codes::ERR_STORAGE,
        codes::ERR_REVISION_NOT_KEPT,
        codes::ERR_DOC_NOT_IN_CONNECTION,
        REFUSED,
    ];
    let may_be_resent = has_del && error.starts_with(codes::ERR_DOC_ALREADY_CREATED);
    !may_be_resent && leaves_open.iter().all(|text| !error.contains(text))
}

/// Whether every op that reached a host has to be committed.
fn nothing_is_lost(world: &World) -> bool {
    let config = &world.config;
    let fair = config.weather == Weather::Fair && !config.kills && !config.storage_faults;
    fair && !config.hands_over && !config.freezes && !world.ledger.losses
}

/// Whether an op may end well without being in the log: edits anywhere can delete the place of
/// another's marker, and a hard rollback forgives the op that was rejected softly.
fn may_vanish(world: &World) -> bool {
    world.config.weather == Weather::Wild || world.rejected_softly
}

/// ShareDB itself commits a create without a version a second time, when it is sent again after the
/// document was deleted (`lib/submit-request.js` looks for it in the living document only).
fn without_resent_creates(log: &[CommittedOp]) -> Vec<CommittedOp> {
    let is_resent = |(at, op): &(usize, &CommittedOp)| {
        let same = |before: &CommittedOp| before.src == op.src && before.seq == op.seq;
        op.kind == OpKind::Create && log[..*at].iter().any(same)
    };
    let first = log.iter().enumerate().filter(|entry| !is_resent(entry));
    first.map(|(_, op)| op.clone()).collect()
}

/// How often each marker was committed.
pub(super) fn marks(log: &[CommittedOp]) -> BTreeMap<String, usize> {
    let mut marks = BTreeMap::new();
    for op in log {
        count_marks(&Value::Object(op.content.clone()), &mut marks);
    }
    marks
}

/// Counts the markers that an op inserts, the op as the wire has it.
pub(super) fn count_marks(content: &Value, marks: &mut BTreeMap<String, usize>) {
    let mut count = |mark: String| *marks.entry(mark).or_insert(0) += 1;
    let created = content
        .get("create")
        .and_then(|create| create.get("data")?.get("marks")?.as_object());
    for (mark, _) in created.into_iter().flat_map(Object::iter) {
        count(mark.to_string_lossy());
    }
    let components = content
        .get("op")
        .and_then(Value::as_array)
        .unwrap_or_default();
    for component in components {
        let path = component
            .get("p")
            .and_then(Value::as_array)
            .unwrap_or_default();
        if let ([Value::String(first), Value::String(mark)], Some(_)) = (path, component.get("oi"))
            && first.to_str() == Some("marks")
        {
            count(mark.to_string_lossy());
        }
    }
}

/// When all tabs are gone, a host has nothing left.
fn check_forgotten(world: &mut World) {
    for tab in 0..world.tabs.len() {
        world.close_tab(tab, usize::MAX);
        world.drain();
    }
    if !settle(world) {
        return world.ledger.problem("no rest without tabs".to_owned());
    }
    for host in 0..world.hosts.len() {
        world.open_tab(host);
        let tab = world.tabs.len() - 1;
        world.with_tab(tab, |tab, ledger| {
            tab.enter(ledger, |connection| connection.ask_status(Token(0), false));
            true
        });
    }
    world.drain();
    if !settle(world) {
        return world.ledger.problem("no rest with new tabs".to_owned());
    }
    for tab in world.tabs.iter().filter(|tab| tab.open) {
        let status = tab.status.as_ref();
        let nothing = status.is_some_and(|it| it.tabs == 1 && it.docs == 0 && it.pending_ops == 0);
        if !nothing {
            world
                .ledger
                .problems
                .push(format!("host {} keeps something: {status:?}", tab.host));
        }
    }
}
