//! Replays a trace of a host's flight recorder in a native host: the same inputs have to give the same outputs.
//!
//! `docs/debugging.md` describes a trace. What the application's OT types answered is in it, so a replay needs none of
//! them.
//!
//! What it refuses to do: guess. A trace that lacks its beginning, or its contents, is refused.

mod inputs;
mod outputs;
mod types;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use durable_store::{Retention, StoreOptions};
use proxy_doc::Epoch;
use serde::Deserialize;
use serde_json::{Value, json};
use worker_host::{Host, Options};

use types::RecordedTypes;

/// The format that is understood.
const FORMAT: &str = "sharedb-proxy trace";
const VERSION: u64 = 1;
/// Entries that are shown before one that differs.
const CONTEXT: usize = 6;
/// Characters of an entry that are shown.
const SHOWN: usize = 300;

/// A trace, as `connection.exportTrace()` gives it.
#[derive(Debug, Deserialize)]
struct Trace {
    format: String,
    version: u64,
    redacted: bool,
    lives: Vec<Life>,
}

/// What was recorded of one life of a host.
#[derive(Debug, Deserialize)]
struct Life {
    options: LifeOptions,
    complete: bool,
    /// Why the life ended, where no output says it: it crashed.
    end: Option<String>,
    /// The number of the first entry.
    first: u64,
    entries: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LifeOptions {
    epoch: u64,
    private: bool,
    opens_sockets: bool,
    store: Option<String>,
    src: Option<String>,
    has_url: Option<bool>,
}

/// A replay that gave what was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Same {
    /// How many inputs there were, in all lives.
    pub inputs: usize,
    /// How many outputs.
    pub outputs: usize,
    /// What is worth knowing beside that: that a life ended in the same crash, say.
    pub notes: Vec<String>,
}

/// Why a replay is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The trace cannot be replayed.
    Refused(String),
    /// The replay gives something else: where, and what.
    Differs(String),
}

/// Replays a trace.
///
/// # Errors
/// Where it cannot be replayed, and where the outputs are others.
pub fn replay(text: &str) -> Result<Same, Problem> {
    let trace: Trace = serde_json::from_str(text)
        .map_err(|error| Problem::Refused(format!("this is no trace: {error}")))?;
    if trace.format != FORMAT || trace.version != VERSION {
        let Trace {
            format, version, ..
        } = trace;
        let text = format!("this is `{format}` {version}, not `{FORMAT}` {VERSION}");
        return Err(Problem::Refused(text));
    }
    if trace.redacted {
        let text = "the trace is redacted: its contents are gone, it can only be read";
        return Err(Problem::Refused(text.to_owned()));
    }
    let mut same = Same::default();
    let Some((last, earlier)) = trace.lives.split_last() else {
        return Err(Problem::Refused("the trace has no life".to_owned()));
    };
    for life in earlier {
        match is_whole(life) {
            Ok(()) => Replay::new(life, &mut same).run()?,
            Err(why) => same.notes.push(format!(
                "the life {} is left out: {why}",
                life.options.epoch
            )),
        }
    }
    is_whole(last).map_err(Problem::Refused)?;
    Replay::new(last, &mut same).run()?;
    Ok(same)
}

fn is_whole(life: &Life) -> Result<(), String> {
    match (life.complete, life.first) {
        (true, 0) => Ok(()),
        (_, 0) => Err("an entry was too long to be kept".to_owned()),
        (_, dropped) => Err(format!(
            "the trace is not complete: its first {dropped} entries were dropped"
        )),
    }
}

struct Replay<'a> {
    life: &'a Life,
    same: &'a mut Same,
    types: Rc<RecordedTypes>,
    host: Host,
    /// The next entry.
    at: usize,
    /// The machine panicked, as it did in the recording.
    has_crashed: bool,
}

impl<'a> Replay<'a> {
    fn new(life: &'a Life, same: &'a mut Same) -> Self {
        let options = &life.options;
        let retention = |store: &str| match store {
            "durable" => Retention::Durable,
            _ => Retention::Session,
        };
        let types = Rc::new(RecordedTypes::default());
        let options = Options {
            epoch: Epoch(options.epoch),
            private: options.private,
            opens_sockets: options.opens_sockets,
            has_url: options.has_url.unwrap_or(true),
            src: options.src.clone(),
            store: options.store.as_deref().map(|store| StoreOptions {
                retention: retention(store),
                comes_back: true,
                ..StoreOptions::default()
            }),
            ..Options::default()
        };
        Self {
            life,
            same,
            host: Host::new(options, Rc::<RecordedTypes>::clone(&types)),
            types,
            at: 0,
            has_crashed: false,
        }
    }

    fn run(mut self) -> Result<(), Problem> {
        while self.at < self.life.entries.len() {
            let entry = &self.life.entries[self.at];
            match entry[0].as_str() {
                Some("in") => self.feed(entry)?,
                Some("out" | "poll" | "type") => self.poll()?,
                _ => return Err(self.refused("this is no entry")),
            }
        }
        Ok(())
    }

    /// An input, and what it asks of types.
    fn feed(&mut self, entry: &Value) -> Result<(), Problem> {
        self.at += 1;
        let asked = self.take_while(|kind| kind == "type");
        self.types.expect(asked);
        let host = &mut self.host;
        let fed = catch_unwind(AssertUnwindSafe(|| inputs::feed(host, entry)));
        match fed {
            Err(panic) => return self.panicked(&panic),
            Ok(Err(why)) => return Err(self.refused(&why)),
            Ok(Ok(())) => {}
        }
        self.same.inputs += 1;
        self.check_types()
    }

    /// The outputs up to the end of a poll, and what they ask of types.
    fn poll(&mut self) -> Result<(), Problem> {
        let begin = self.at;
        let entries = self.take_while(|kind| kind != "poll" && kind != "in");
        let (asked, recorded): (Vec<Value>, Vec<Value>) =
            entries.into_iter().partition(|entry| entry[0] == "type");
        self.types.expect(asked);
        let end = self.life.entries.get(self.at);
        let end = end.filter(|entry| entry[0] == "poll").cloned();
        for output in &recorded {
            let got = self.poll_one()?;
            if got.as_ref() != Some(output) {
                // The entry that differs, for its context.
                let is_it = |entry: &Value| entry == output;
                let found = self.life.entries[begin..].iter().position(is_it);
                self.at = begin + found.unwrap_or(0);
                return Err(self.differs(&shown(output), &got.as_ref().map_or_else(nothing, shown)));
            }
            self.same.outputs += 1;
        }
        // Without an end the machine crashed in this poll.
        let ends = end.as_ref().is_none_or(|entry| entry[1] != json!(true));
        if ends && let Some(got) = self.poll_one()? {
            return Err(self.differs(&nothing(), &shown(&got)));
        }
        let Some(end) = end else {
            if self.at == self.life.entries.len() && self.has_crashed {
                return Ok(());
            }
            return Err(self.differs("a crash", "none"));
        };
        let is_over = end[1].is_null();
        if ends && is_over != self.host.is_over() {
            let text = |over| {
                if over {
                    "the host is over"
                } else {
                    "the host goes on"
                }
            };
            return Err(self.differs(text(is_over), text(!is_over)));
        }
        self.at += 1;
        self.check_types()
    }

    fn poll_one(&mut self) -> Result<Option<Value>, Problem> {
        let (host, private) = (&mut self.host, self.life.options.private);
        let polled = catch_unwind(AssertUnwindSafe(|| host.poll()));
        match polled {
            Ok(output) => Ok(output.map(|output| outputs::entry(&output, private))),
            Err(panic) => match self.panicked(&panic) {
                Ok(()) => Ok(None),
                Err(problem) => Err(problem),
            },
        }
    }

    /// The machine panicked. That is what was recorded, where the life ended in a crash and nothing came after.
    fn panicked(&mut self, panic: &Box<dyn std::any::Any + Send>) -> Result<(), Problem> {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let text = text.unwrap_or("without a message").to_owned();
        let rest = self.life.entries.get(self.at..).unwrap_or_default();
        let is_last = rest
            .iter()
            .all(|entry| entry[0] != "in" && entry[0] != "poll");
        match &self.life.end {
            Some(end) if is_last => {
                let note = format!("the machine crashed as it did ({end}): {text}");
                self.same.notes.push(note);
                self.at = self.life.entries.len();
                self.has_crashed = true;
                Ok(())
            }
            Some(_) | None => Err(self.differs("no crash", &format!("a crash: {text}"))),
        }
    }

    /// The entries from here on whose kind is such a one.
    fn take_while(&mut self, is_such: impl Fn(&str) -> bool) -> Vec<Value> {
        let rest = &self.life.entries[self.at..];
        let rest = rest.iter();
        let taken = rest.take_while(|entry| entry[0].as_str().is_some_and(&is_such));
        let taken: Vec<Value> = taken.cloned().collect();
        self.at += taken.len();
        taken
    }

    /// Whether types were asked what they were asked before, and nothing else.
    fn check_types(&mut self) -> Result<(), Problem> {
        match self.types.difference() {
            Some((recorded, got)) => Err(self.differs(&recorded, &got)),
            None => Ok(()),
        }
    }

    fn refused(&self, why: &str) -> Problem {
        let at = self.at.saturating_sub(1);
        let entry = self.life.entries.get(at).map(shown).unwrap_or_default();
        Problem::Refused(format!("entry {at}: {why}: {entry}"))
    }

    fn differs(&self, recorded: &str, got: &str) -> Problem {
        let entries = &self.life.entries;
        let at = self.at.min(entries.len());
        let before = entries[at.saturating_sub(CONTEXT)..at].iter();
        let before: Vec<String> = before
            .map(|entry| format!("    {}", shown(entry)))
            .collect();
        Problem::Differs(format!(
            "life {}, entry {at} differs, after\n{}\n  recorded: {recorded}\n  replayed: {got}",
            self.life.options.epoch,
            before.join("\n"),
        ))
    }
}

fn nothing() -> String {
    "nothing".to_owned()
}

/// An entry, as far as it fits on some lines.
fn shown(entry: &Value) -> String {
    let text = entry.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} … ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}
