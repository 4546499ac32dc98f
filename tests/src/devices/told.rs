//! What a machine says, and whether it may.

use broker::devices::messages::{Ask, DeviceEvent, Output, Tell};
use proxy_doc::Error;
use proxy_doc::Json;

use super::world::{Event, World};

/// How an application's request may end without success.
const CODES: [&str; 6] = [
    "ERR_DEVICE_UNREACHED",
    "ERR_DEVICE_UNKNOWN",
    "ERR_DEVICE_NONE",
    "ERR_MESSAGE_DROPPED",
    "ERR_MESSAGE_REFUSED",
    "ERR_REFUSED",
];

impl World {
    pub(super) fn carry_out(&mut self, browser: usize, tab: usize, output: Output) {
        match output {
            Output::Submit { number, op } => {
                self.say(|| format!("device{browser}/tab{tab} submits {number}: {}", op.get()));
                self.submit(browser, tab, number, &op);
            }
            Output::Show(about) => {
                let key = self.browsers[browser].tabs[tab].id.clone();
                self.show(browser, key, Some(about));
            }
            Output::Hide {} => {
                let key = self.browsers[browser].tabs[tab].id.clone();
                self.show(browser, key, None);
            }
            Output::Tell(tell) => self.be_told(browser, tab, tell),
        }
    }

    fn be_told(&mut self, browser: usize, tab: usize, tell: Tell) {
        let is_list = matches!(tell, Tell::Devices { .. } | Tell::Notices(_));
        if !is_list {
            self.say(|| format!("device{browser}/tab{tab} is told {tell:?}"));
        }
        match tell {
            Tell::Answer {
                number,
                error,
                result,
            } => self.be_answered(browser, tab, number, error, result),
            Tell::Granted { number, token } => self.be_granted(browser, tab, number, token),
            Tell::Lost { number } => {
                self.log.census.insert("a lease was lost");
                self.end_claim(browser, tab, number);
            }
            Tell::Devices { present, .. } => self.browsers[browser].tabs[tab].present = present,
            Tell::Device { event, .. } => {
                self.log.census.insert(match event {
                    DeviceEvent::Join => "a device came",
                    DeviceEvent::Leave => "a device went",
                    DeviceEvent::Change => "a device changed",
                });
            }
            Tell::Message(message) => {
                let payload = message.payload.count().expect("payloads are numbers here");
                if !self.browsers[browser].tabs[tab].told.insert(payload) {
                    self.wrong(format!("device{browser}/tab{tab} is told {payload} again"));
                }
                let delay = self.r.below(100) as u64;
                let event = Event::Done {
                    browser,
                    tab,
                    id: message.id,
                    payload,
                };
                self.after(delay, event);
            }
            Tell::Gap {} => {
                self.log.census.insert("a gap");
                let id = self.browsers[browser].id.clone();
                self.gaps.insert(id);
            }
            Tell::Notices(notices) => self.browsers[browser].tabs[tab].notices = notices,
            Tell::Notice(_) | Tell::Read(_) => {}
            Tell::Failed(error) => {
                if !error.is("ERR_REFUSED") {
                    self.wrong(format!("device{browser}/tab{tab} fails: {error}"));
                }
            }
        }
    }

    /// The lease of a claim is lost, or was refused: its tab is none of those that want it any more.
    fn end_claim(&mut self, browser: usize, tab: usize, number: u64) {
        let claim = self.browsers[browser].tabs[tab].claims.remove(&number);
        if let Some(claim) = claim {
            self.leave_queue(browser, tab, &claim.name, Some(number));
        }
    }

    fn be_granted(&mut self, browser: usize, tab: usize, number: u64, token: u64) {
        self.log.census.insert("a lease was granted");
        let id = self.browsers[browser].tabs[tab].id.clone();
        let Some(claim) = self.browsers[browser].tabs[tab].claims.get_mut(&number) else {
            return self.wrong(format!("{id} is granted what it has not asked for"));
        };
        claim.token = Some(token);
        let name = claim.name.clone();
        let last = self.granted.entry(name.clone()).or_default();
        if token <= *last {
            let last = *last;
            self.wrong(format!("{id} is granted '{name}' by {token}, after {last}"));
        } else {
            *last = token;
        }
        let most = if self.r.once_in(4) { 6_000 } else { 1_000 };
        let time = self.r.below(most) as u64;
        self.after(
            time,
            Event::GiveBack {
                browser,
                tab,
                number,
            },
        );
        for _ in 0..3 {
            let delay = self.r.below(4_000) as u64;
            self.after(
                delay,
                Event::Use {
                    browser,
                    tab,
                    number,
                },
            );
        }
    }

    fn be_answered(
        &mut self,
        browser: usize,
        tab: usize,
        number: u64,
        error: Option<Error>,
        result: Option<Json>,
    ) {
        if self.browsers[browser].tabs[tab]
            .claims
            .contains_key(&number)
        {
            return self.end_claim(browser, tab, number);
        }
        let is_it = |sent: &&mut super::world::Sent| {
            (sent.browser, sent.tab, sent.number) == (browser, tab, number)
        };
        let Some(sent) = self.sent.iter_mut().find(is_it) else {
            // A notification.
            return;
        };
        if std::mem::replace(&mut sent.is_answered, true) {
            return self.wrong(format!(
                "device{browser}/tab{tab} is answered {number} twice"
            ));
        }
        let payload = sent.payload;
        if let Some(error) = error {
            self.log.census.insert("a message was reported");
            if !error.code_text().is_some_and(|code| CODES.contains(&code)) {
                self.wrong(format!("device{browser}/tab{tab} is answered {error}"));
            }
            return;
        }
        self.log.census.insert("a message was acknowledged");
        let by: Vec<String> = result
            .and_then(|result| result.parse().ok())
            .unwrap_or_default();
        let expected = sent.all.clone().unwrap_or_default();
        if expected.iter().any(|device| !by.contains(device)) {
            self.wrong(format!(
                "{payload} was for {expected:?}, and taken by {by:?}"
            ));
        }
        for device in by {
            if !self.taken.contains(&(device.clone(), payload)) {
                self.wrong(format!(
                    "{payload} is acknowledged, and not taken by {device}"
                ));
            }
        }
    }

    /// The application has done what a message says.
    pub(super) fn done(&mut self, browser: usize, tab: usize, id: String, payload: u64) {
        let device = self.browsers[browser].id.clone();
        self.taken.insert((device, payload));
        let ask = Ask::Taken { id, refused: None };
        self.ask(browser, tab, ask);
    }
}
