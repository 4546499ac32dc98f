//! The second connection: what the driver does for the host, and its server.

use proxy_doc::{Entries, Json, read_json};

use super::world::{Event, World};

/// What the server does.
#[derive(Debug)]
pub(super) enum Act {
    /// The connection is there, or is refused.
    Open,
    /// It sends something.
    Send,
    /// A request has arrived, and is answered.
    Answer { request: u64, payload: u64 },
}

impl World {
    /// The host wants something done to its connection.
    pub(super) fn be_asked(&mut self, run: u64, act: &str) {
        self.say(|| format!("host   {run} wants {act}"));
        let Entries(act) = read_json::<Entries<Json>>(act).expect("hosts say what can be read");
        let (name, fields) = &act[0];
        let Entries(fields) = fields.parse::<Entries<Json>>().expect("it has fields");
        let field = |wanted: &str| {
            let mut fields = fields.iter();
            let found = fields.find(|(name, _)| name == wanted);
            found.and_then(|(_, value)| value.count())
        };
        match name.as_str() {
            "open" => {
                if self.connection.is_some() {
                    self.wrong(format!("{:?} is not closed", self.connection));
                }
                let attempt = field("attempt").expect("it has a number");
                self.connection = Some((run, attempt));
                self.server_later(Act::Open);
            }
            "send" => {
                let request = field("request").expect("it has a number");
                let payload = field("payload").expect("payloads are numbers here");
                if !self.arrived.insert(payload) {
                    self.wrong(format!("{payload} is sent again"));
                }
                self.server_later(Act::Answer { request, payload });
            }
            _ => self.connection = None,
        }
    }

    fn server_later(&mut self, what: Act) {
        let Some((run, attempt)) = self.connection else {
            return self.wrong("there is no connection".to_owned());
        };
        let delay = 1 + self.r.below(300) as u64;
        self.after(delay, Event::Server { run, attempt, what });
    }

    pub(super) fn server_acts(&mut self, run: u64, attempt: u64, what: Act) {
        if self.connection != Some((run, attempt)) {
            return;
        }
        match what {
            Act::Open if !self.calm && self.r.once_in(4) => self.end_connection(),
            Act::Open => {
                self.report(run, &state(attempt, "connected"));
                self.server_later(Act::Send);
            }
            Act::Send if self.calm => {}
            Act::Send => {
                self.received += 1;
                let message = self.received;
                let text = format!(r#"{{"received":{{"attempt":{attempt},"message":{message}}}}}"#);
                self.report(run, &text);
                self.server_later(Act::Send);
            }
            Act::Answer { request, payload } => {
                let text = format!(r#"{{"answered":{{"request":{request},"result":{payload}}}}}"#);
                self.report(run, &text);
            }
        }
    }

    /// The server ends the connection.
    pub(super) fn end_connection(&mut self) {
        if let Some((run, attempt)) = self.connection {
            self.report(run, &state(attempt, "disconnected"));
        }
    }

    fn report(&mut self, run: u64, text: &str) {
        self.say(|| format!("server -> {run}: {text}"));
        self.with_host(run, |host, _| host.take_report(text));
    }
}

fn state(attempt: u64, state: &str) -> String {
    format!(r#"{{"state":{{"attempt":{attempt},"state":"{state}","random":500}}}}"#)
}
