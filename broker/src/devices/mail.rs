//! Messages to devices.
//!
//! A message stands in the document from when it is sent until all whom it is for have taken it. A device takes it when its
//! application has said so, and not before: a tab that dies meanwhile is followed by one that is told the message again. The
//! sender's tab takes the message out when it has the answer, and the leader of its device where that tab is gone.
//!
//! A document is bounded. Who sends takes out what is above the bound, first what all have taken, then the least important,
//! then the oldest; and notes a gap for the devices that have not had it.

use proxy_doc::{Error, Gather, Json, write_json};

use super::messages::{Delivery, Device, Own, Target, Tell};
use super::record::{Ack, Document, Edit, List, MAX_MESSAGES, Message, Row};

/// Messages that a tab remembers to have told its application, beside those that are still in the document.
const MAX_TAKEN: usize = 4 * MAX_MESSAGES;

/// A message that this tab has sent, or is to send.
#[derive(Debug)]
struct Letter {
    number: u64,
    id: String,
    target: Target,
    priority: u64,
    payload: Json,
    /// When the request is answered at the latest.
    deadline: u64,
    /// It stands in the document, or is on its way there.
    is_sent: bool,
    /// The server has it.
    is_committed: bool,
}

/// A message that this tab's application was told.
#[derive(Debug)]
struct Taken {
    id: String,
    /// What the application said of it.
    ack: Option<Ack>,
}

/// A tab's messages.
#[derive(Debug)]
pub(super) struct Mail {
    device: String,
    tab: String,
    outbox: Vec<Letter>,
    taken: Vec<Taken>,
    /// A gap of this device has been told.
    knows_gap: bool,
}

impl Mail {
    pub(super) fn new(device: String, tab: String) -> Self {
        Self {
            device,
            tab,
            outbox: Vec::new(),
            taken: Vec::new(),
            knows_gap: false,
        }
    }

    pub(super) fn send(
        &mut self,
        (number, id): (u64, String),
        target: Target,
        priority: u64,
        payload: Json,
        deadline: u64,
    ) {
        self.outbox.push(Letter {
            number,
            id,
            target,
            priority,
            payload,
            deadline,
            is_sent: false,
            is_committed: false,
        });
    }

    pub(super) fn be_taken(&mut self, id: &str, refused: Option<String>) {
        if let Some(taken) = self.taken.iter_mut().find(|taken| taken.id == id) {
            taken.ack = Some(Ack { refused });
        }
    }

    /// The server has a message.
    pub(super) fn committed(&mut self, number: u64) {
        let mut letters = self.outbox.iter_mut();
        if let Some(letter) = letters.find(|letter| letter.number == number) {
            letter.is_committed = true;
        }
    }

    /// The op by which a message is sent was refused.
    pub(super) fn failed(&mut self, number: u64, error: &Error, told: &mut Vec<Tell>) {
        // It may have been answered, because its time was over.
        if self.outbox.iter().any(|letter| letter.number == number) {
            self.end(number, Err(error.clone()), told);
        }
    }

    fn end(&mut self, number: u64, result: Result<Json, Error>, told: &mut Vec<Tell>) {
        self.outbox.retain(|letter| letter.number != number);
        let (result, error) = match result {
            Ok(result) => (Some(result), None),
            Err(error) => (None, Some(error)),
        };
        told.push(Tell::Answer {
            number,
            error,
            result,
        });
    }

    /// Looks at the document: tells the application what is for it, and what became of what it has sent.
    pub(super) fn observe(&mut self, document: &Document, own: &Own, told: &mut Vec<Tell>) {
        if own.leads && own.receives {
            self.deliver(document, told);
        }
        // A message that has gone can be back: where the server refuses the op that took it out.
        if self.taken.len() > MAX_TAKEN {
            self.taken
                .retain(|taken| find(document, &taken.id).is_some());
        }
        let mut ended = Vec::new();
        for letter in self.outbox.iter().filter(|letter| letter.is_sent) {
            match find(document, &letter.id) {
                Some(row) => ended.extend(outcome(&row.value).map(|it| (letter.number, it))),
                // One that was not committed may be on its way back from a refusal.
                None if letter.is_committed => ended.push((letter.number, Err(dropped()))),
                None => {}
            }
        }
        for (number, result) in ended {
            self.end(number, result, told);
        }
    }

    fn deliver(&mut self, document: &Document, told: &mut Vec<Tell>) {
        let is_new = |message: &Message| {
            let is_known = self.taken.iter().any(|taken| taken.id == message.id);
            message.to.contains(&self.device) && !message.is_taken_by(&self.device) && !is_known
        };
        // The oldest first, and of those the most important.
        let rows = document.messages.iter().rev();
        let mut new: Vec<&Message> = rows.map(|row| &row.value).filter(|it| is_new(it)).gather();
        new.sort_by_key(|message| message.priority);
        for message in new {
            self.taken.push(Taken {
                id: message.id.clone(),
                ack: None,
            });
            told.push(Tell::Message(Delivery {
                id: message.id.clone(),
                from: message.from.clone(),
                priority: message.priority,
                payload: message.payload.clone(),
            }));
        }
        let has_gap = document
            .known
            .iter()
            .any(|row| row.value.id == self.device && row.value.gap);
        if has_gap && !self.knows_gap {
            told.push(Tell::Gap {});
        }
        self.knows_gap = has_gap;
    }

    /// Answers those whose time is over.
    pub(super) fn expire(&mut self, now: u64, document: Option<&Document>, told: &mut Vec<Tell>) {
        let late = self.outbox.iter().filter(|letter| letter.deadline <= now);
        for (number, id) in late
            .map(|letter| (letter.number, letter.id.clone()))
            .gather()
        {
            let message = document.and_then(|document| find(document, &id));
            let missing = message.map_or_else(Vec::new, |row| row.value.missing());
            let text = "Not all devices have taken the message in time; it is kept for them";
            let error = Error {
                data: Some(Json::written(write_json(&missing))),
                ..Error::new("ERR_DEVICE_UNREACHED", text)
            };
            self.end(number, Err(error), told);
        }
    }

    /// The next change of the document that is to be made, if there is one; with the request that ends where it is refused.
    pub(super) fn next_edit(
        &mut self,
        document: &Document,
        own: &Own,
        present: &[Device],
        told: &mut Vec<Tell>,
    ) -> Option<(Edit, Option<u64>)> {
        let edit = self.acknowledge(document);
        let edit = edit.or_else(|| self.close_gap(document, own));
        let edit = edit.or_else(|| self.clear(document, own));
        let edit = edit.or_else(|| self.send_elsewhere(document, present));
        if let Some(edit) = edit {
            return Some((edit, None));
        }
        while let Some(at) = self.outbox.iter().position(|letter| !letter.is_sent) {
            let letter = &mut self.outbox[at];
            letter.is_sent = true;
            let number = letter.number;
            match addressees(&letter.target, &self.device, document, present) {
                Ok(to) if to.is_empty() => {
                    self.end(number, Ok(Json::trusted("[]")), told);
                }
                Ok(to) => {
                    let message = Message {
                        id: letter.id.clone(),
                        from: self.device.clone(),
                        tab: self.tab.clone(),
                        to,
                        priority: letter.priority,
                        payload: letter.payload.clone(),
                        acks: proxy_doc::Entries(Vec::new()),
                    };
                    let mut edit = Edit::default();
                    edit.insert(List::Messages, &message);
                    make_room(document, &mut edit);
                    return Some((edit, Some(number)));
                }
                Err(error) => self.end(number, Err(error), told),
            }
        }
        None
    }

    fn acknowledge(&self, document: &Document) -> Option<Edit> {
        for Taken { id, ack } in &self.taken {
            let (Some(ack), Some(row)) = (ack, find(document, id)) else {
                continue;
            };
            if !row.value.is_taken_by(&self.device) {
                let ack = Json::written(write_json(ack));
                let mut edit = Edit::default();
                edit.set(List::Messages, row, &["acks", &self.device], &ack);
                return Some(edit);
            }
        }
        None
    }

    fn close_gap(&self, document: &Document, own: &Own) -> Option<Edit> {
        let mut known = document.known.iter();
        let row = known.find(|row| row.value.id == self.device && row.value.gap)?;
        if !own.leads || !self.knows_gap {
            return None;
        }
        let mut edit = Edit::default();
        edit.unset(List::Known, row, "gap", &Json::trusted("true"));
        Some(edit)
    }

    /// Takes out a message of this device that all have taken, and of which no tab waits to hear.
    fn clear(&self, document: &Document, own: &Own) -> Option<Edit> {
        let is_over = |message: &Message| {
            let waits = if message.tab == self.tab {
                self.outbox.iter().any(|letter| letter.id == message.id)
            } else {
                !own.leads || own.tabs.contains(&message.tab)
            };
            message.from == self.device && !waits && message.missing().is_empty()
        };
        let row = document.messages.iter().find(|row| is_over(&row.value))?;
        let mut edit = Edit::default();
        edit.remove(List::Messages, row);
        Some(edit)
    }

    /// What was for the best device has gone with that: another one is the best now.
    fn send_elsewhere(&self, document: &Document, present: &[Device]) -> Option<Edit> {
        for letter in self.outbox.iter().filter(|letter| letter.is_sent) {
            let (Target::Best(needs), Some(row)) = (&letter.target, find(document, &letter.id))
            else {
                continue;
            };
            let is_there = |id: &String| present.iter().any(|device| device.id == *id);
            if row.value.to.iter().any(is_there) {
                continue;
            }
            let Some(best) = best_of(present, needs) else {
                continue;
            };
            let was = Json::written(write_json(&row.value.to));
            let is = Json::written(write_json(&vec![best]));
            let mut edit = Edit::default();
            edit.replace(List::Messages, row, "to", &was, &is);
            return Some(edit);
        }
        None
    }

    /// When something is to be done, by the monotonic clock.
    pub(super) fn wake_at(&self) -> Option<u64> {
        self.outbox.iter().map(|letter| letter.deadline).min()
    }
}

fn find<'a>(document: &'a Document, id: &str) -> Option<&'a Row<Message>> {
    document.messages.iter().find(|row| row.value.id == id)
}

fn dropped() -> Error {
    let text = "The message was dropped for later ones: whether it was taken is not known";
    Error::new("ERR_MESSAGE_DROPPED", text)
}

/// What became of a message that was sent; `None`: that is not known yet.
fn outcome(message: &Message) -> Option<Result<Json, Error>> {
    if !message.missing().is_empty() {
        return None;
    }
    let refused = |(device, ack): &(String, Ack)| {
        let why = ack.refused.as_ref()?;
        let device = Json::written(write_json(device));
        Some(Error {
            data: Some(device),
            ..Error::new("ERR_MESSAGE_REFUSED", why.clone())
        })
    };
    let error = message.acks.0.iter().find_map(refused);
    Some(error.map_or_else(|| Ok(Json::written(write_json(&message.to))), Err))
}

fn addressees(
    target: &Target,
    own: &str,
    document: &Document,
    present: &[Device],
) -> Result<Vec<String>, Error> {
    let known = document.known.iter().map(|row| &row.value.id);
    match target {
        Target::All => {
            let mut others: Vec<String> = Vec::new();
            for id in known {
                if id != own && !others.contains(id) {
                    others.push(id.clone());
                }
            }
            Ok(others)
        }
        Target::Device(id) => {
            let is_known = known
                .chain(present.iter().map(|device| &device.id))
                .any(|it| it == id);
            if !is_known {
                let text = format!("The user has no device {id}, or it was forgotten");
                return Err(Error::new("ERR_DEVICE_UNKNOWN", text));
            }
            Ok(vec![id.clone()])
        }
        Target::Best(needs) => match best_of(present, needs) {
            Some(best) => Ok(vec![best]),
            None => {
                let text = "No device that is there has what the message needs";
                Err(Error::new("ERR_DEVICE_NONE", text))
            }
        },
    }
}

fn best_of(present: &[Device], needs: &[String]) -> Option<String> {
    let fits = |device: &&Device| needs.iter().all(|need| device.can.has(need));
    let best = present
        .iter()
        .filter(fits)
        .max_by_key(|device| device.can.rank())?;
    Some(best.id.clone())
}

/// Takes messages out until there is room for one more.
fn make_room(document: &Document, edit: &mut Edit) {
    let mut rows: Vec<&Row<Message>> = document.messages.iter().gather();
    // What can be spared most stands last. The order was that of the list, the latest first.
    rows.sort_by_key(|row| {
        let is_over = row.value.missing().is_empty();
        (is_over, row.value.priority)
    });
    let mut has_gap: Vec<&str> = Vec::new();
    for row in rows.into_iter().skip(MAX_MESSAGES - 1) {
        edit.remove(List::Messages, row);
        for device in row.value.missing() {
            let mut known = document.known.iter();
            let Some(known) = known.find(|known| known.value.id == device) else {
                continue;
            };
            if !known.value.gap && !has_gap.contains(&known.value.id.as_str()) {
                has_gap.push(&known.value.id);
                edit.set(List::Known, known, &["gap"], &Json::trusted("true"));
            }
        }
    }
}
