//! A tab's end of what one user's devices agree on.
//!
//! Every tab reads the document and holds its own leases. The tab that leads its device does what a device does once: it
//! registers it, shows it by presence, and takes its messages.
//!
//! After each input the outputs are drained. At most one of them is an op, because the places in it are those of the document
//! as it was read; the next one follows when the document has been read again.

use proxy_doc::{Error, Gather, Json};

use super::leases::Leases;
use super::mail::Mail;
use super::messages::{Ask, Input, Output, Tell};
use super::notices::Notices;
use super::peers::Peers;
use super::record::{Document, Edit, Known, List, MAX_KNOWN, MAX_PAYLOAD};

/// Milliseconds after which something is tried again that the server refused, where nobody waits for it.
const REST: u64 = 30_000;
/// A device that stands at this place registers anew before it is forgotten.
const OLD: usize = MAX_KNOWN * 3 / 4;

/// What two clocks of this device show, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    /// A clock that never goes back, and may stand still while the machine sleeps.
    pub now: u64,
    /// Since 1970. It may be wrong, and set at any moment.
    pub wall: u64,
}

/// A tab's end.
#[derive(Debug)]
pub struct Devices {
    device: String,
    tab: String,
    /// The device was made with this tab: nobody can have sent it anything.
    is_new: bool,
    document: Option<Document>,
    /// No op was submitted since the document was read.
    is_fresh: bool,
    leases: Leases,
    mail: Mail,
    notices: Notices,
    peers: Peers,
    /// Ops and ids so far.
    count: u64,
    /// Ops by which messages are sent: the op and the request.
    sends: Vec<(u64, u64)>,
    /// Until when nothing is tried for which nobody waits.
    rest_until: u64,
    told: Vec<Tell>,
}

impl Devices {
    /// A tab, whose id no other tab ever has, of a device. `ttl`: milliseconds after which others take the device for gone.
    /// `is_new`: the device's id was made just now.
    pub fn new(device: String, tab: String, ttl: u64, is_new: bool) -> Self {
        Self {
            is_new,
            document: None,
            is_fresh: false,
            leases: Leases::new(device.clone(), tab.clone()),
            mail: Mail::new(device.clone(), tab.clone()),
            notices: Notices::new(device.clone()),
            peers: Peers::new(device.clone(), ttl),
            count: 0,
            sends: Vec::new(),
            rest_until: 0,
            told: Vec::new(),
            device,
            tab,
        }
    }

    /// Whether the lease of this claim is held at a time.
    pub fn holds(&self, number: u64, time: Time) -> bool {
        self.leases.holds(number, time)
    }

    /// The device that holds a lease, as far as this tab can see.
    pub fn holder(&self, name: &str) -> Option<&str> {
        self.leases.holder(self.document.as_ref()?, name)
    }

    /// When [`Input::Tick`] is to come, by the monotonic clock.
    pub fn wake_at(&self) -> Option<u64> {
        let leases = self.leases.wake_at(self.document.as_ref());
        let times = [leases, self.mail.wake_at(), self.peers.wake_at()];
        let rest = (self.rest_until > 0).then_some(self.rest_until);
        times.into_iter().flatten().chain(rest).min()
    }

    /// Takes an input, and says what is to be done.
    pub fn handle(&mut self, time: Time, input: Input) -> Vec<Output> {
        match input {
            Input::Document(data) => self.read(time.now, data.as_ref()),
            Input::Committed { op } => {
                if let Some(document) = &self.document {
                    self.leases.committed(op, time, document, &mut self.told);
                }
                self.notices.committed(op, &mut self.told);
                for (_, number) in self.sends.extract_if(.., |send| send.0 == op) {
                    self.mail.committed(number);
                }
            }
            Input::Failed { op, error } => self.fail(time.now, op, &error),
            Input::Heard { key, about } => self.peers.hear(time, key, about),
            Input::Own(own) => self.peers.set_own(own),
            Input::Ask(ask) => self.ask(time.now, ask),
            Input::Tick {} => {}
        }
        self.turn(time)
    }

    fn read(&mut self, now: u64, data: Option<&Json>) {
        let document = data.map(Document::read).transpose();
        self.document = document.unwrap_or_else(|error| {
            let text = format!("The devices' document is none of this version: {error}");
            self.told
                .push(Tell::Failed(Error::new("ERR_DEVICES_UNREADABLE", text)));
            None
        });
        self.is_fresh = self.document.is_some();
        let document = self.document.as_ref();
        self.leases.observe(now, document, &mut self.told);
        if let Some(document) = document {
            self.notices.observe(document, &mut self.told);
        }
    }

    fn fail(&mut self, now: u64, op: u64, error: &Error) {
        let before = self.told.len();
        self.leases.failed(op, error, &mut self.told);
        self.notices.failed(op, error, &mut self.told);
        if let Some(at) = self.sends.iter().position(|send| send.0 == op) {
            let (_, number) = self.sends.remove(at);
            self.mail.failed(number, error, &mut self.told);
        }
        if self.told.len() == before {
            // Nobody waits for it.
            self.told.push(Tell::Failed(error.clone()));
            self.rest_until = now + REST;
        }
    }

    fn ask(&mut self, now: u64, ask: Ask) {
        let id = self.next_id();
        match ask {
            Ask::Claim { number, name, ttl } => self.leases.claim(number, name, ttl),
            Ask::Release { number } => self.leases.end(number, true),
            Ask::Drop { number } => self.leases.end(number, false),
            Ask::Send {
                number,
                to,
                priority,
                payload,
                timeout,
            } => {
                if self.is_short(number, &payload) {
                    let deadline = now + timeout;
                    self.mail
                        .send((number, id), to, priority, payload, deadline);
                }
            }
            Ask::Taken { id, refused } => self.mail.be_taken(&id, refused),
            Ask::Notify {
                number,
                priority,
                payload,
            } => {
                if self.is_short(number, &payload) {
                    self.notices.notify(number, id, priority, payload);
                }
            }
            Ask::Read { id } => self.notices.read(id),
        }
    }

    fn is_short(&mut self, number: u64, payload: &Json) -> bool {
        let is_short = payload.get().len() <= MAX_PAYLOAD;
        if !is_short {
            let text = format!("A payload for devices has at most {MAX_PAYLOAD} bytes of JSON");
            self.told.push(Tell::Answer {
                number,
                error: Some(Error::new("ERR_PAYLOAD_INVALID", text)),
                result: None,
            });
        }
        is_short
    }

    fn next_id(&mut self) -> String {
        self.count += 1;
        format!("{}:{}", self.tab, self.count)
    }

    fn turn(&mut self, time: Time) -> Vec<Output> {
        self.leases.expire(time, &mut self.told);
        let document = self.document.as_ref();
        self.peers.observe(time, document, &mut self.told);
        self.mail.expire(time.now, document, &mut self.told);
        if let Some(document) = document {
            self.mail
                .observe(document, self.peers.own(), &mut self.told);
        }
        if self.rest_until <= time.now {
            self.rest_until = 0;
        }
        // Who is told something may ask for more: what changes the document has been submitted before.
        let mut outputs: Vec<Output> = self.next_submit(time).into_iter().gather();
        if let Some(about) = self.peers.next_show(time.now) {
            outputs.push(about.map_or(Output::Hide {}, Output::Show));
        }
        outputs.extend(self.told.drain(..).map(Output::Tell));
        outputs
    }

    fn next_submit(&mut self, time: Time) -> Option<Output> {
        if !self.is_fresh {
            return None;
        }
        let id = self.next_id();
        let number = self.count;
        let document = self.document.as_ref()?;
        let told = &mut self.told;
        let mut edit = self.leases.next_edit(time, document, number, &id, told);
        if edit.is_none() {
            edit = self.notices.next_edit(document, number);
        }
        if edit.is_none() && self.rest_until == 0 {
            let (own, present) = (self.peers.own(), self.peers.present());
            edit = match self.mail.next_edit(document, own, present, told) {
                Some((edit, Some(request))) => {
                    self.sends.push((number, request));
                    Some(edit)
                }
                Some((edit, None)) => Some(edit),
                None => self.register(),
            };
        }
        let op = edit?.op()?;
        self.is_fresh = false;
        Some(Output::Submit { number, op })
    }

    /// Puts this device in front of those that are known, where it is none of them or not as it is now.
    fn register(&mut self) -> Option<Edit> {
        let document = self.document.as_ref()?;
        let own = self.peers.own();
        if !own.leads {
            return None;
        }
        let rows = || {
            let rows = document.known.iter();
            rows.filter(|row| row.value.id == self.device)
        };
        let is_right = |known: &Known| known.name == own.name && known.kind == own.kind;
        let first = rows().next();
        if first.is_some_and(|row| is_right(&row.value) && row.at < OLD) {
            return None;
        }
        let mut edit = Edit::default();
        for row in rows() {
            edit.remove(List::Known, row);
        }
        let others = document.known.iter();
        let others = others.filter(|row| row.value.id != self.device);
        for row in others.skip(MAX_KNOWN - 1) {
            edit.remove(List::Known, row);
        }
        edit.insert(
            List::Known,
            &Known {
                id: self.device.clone(),
                name: own.name.clone(),
                kind: own.kind.clone(),
                gap: rows().any(|row| row.value.gap),
            },
        );
        if first.is_none() && !self.is_new {
            // It was forgotten, and what was sent to all did not reach it.
            self.told.push(Tell::Gap {});
        }
        self.is_new = false;
        Some(edit)
    }
}
