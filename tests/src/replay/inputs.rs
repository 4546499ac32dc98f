//! The inputs of a trace: the methods of the shim's `HostCore`, by their names in JavaScript.

use durable_store::{Failure, FailureKind};
use proxy_doc::{Json, MAX_COUNT, Seq, TabId, json, json_string};
use serde_json::Value;
use worker_host::{Cause, Host, ReadyState};

/// The arguments of one input.
struct Arguments<'a>(&'a [Value]);

impl Arguments<'_> {
    fn optional_text(&self, at: usize) -> Option<String> {
        self.0.get(at)?.as_str().map(str::to_owned)
    }

    fn text(&self, at: usize) -> Result<String, String> {
        let text = self.optional_text(at);
        text.ok_or_else(|| format!("argument {at} is no text"))
    }

    fn optional_number(&self, at: usize) -> Option<f64> {
        self.0.get(at)?.as_f64()
    }

    /// What is none is what JavaScript makes of it.
    fn number(&self, at: usize) -> f64 {
        self.optional_number(at).unwrap_or(f64::NAN)
    }

    fn count(&self, at: usize) -> u64 {
        count(self.optional_number(at))
    }

    /// A list of texts, some of which may be missing.
    fn texts(&self, at: usize) -> Vec<Option<String>> {
        let list = self.0.get(at).and_then(Value::as_array);
        let texts = list.into_iter().flatten();
        texts.map(|text| text.as_str().map(str::to_owned)).collect()
    }

    fn reason(&self, at: usize) -> Option<Json> {
        json(self.optional_text(at)?).ok()
    }
}

/// As the shim reads a count.
fn count(number: Option<f64>) -> u64 {
    (number.unwrap_or(f64::NAN) as u64).min(MAX_COUNT)
}

/// Gives the host one input. A test compares the names with those that the recorder writes.
pub(super) fn feed(host: &mut Host, entry: &Value) -> Result<(), String> {
    let name = entry[2].as_str().unwrap_or_default();
    let list = entry[3].as_array().map(Vec::as_slice);
    let arguments = Arguments(list.unwrap_or_default());
    host.set_now(count(entry[1].as_f64()));
    match name {
        "configure" => {
            let bytes = arguments.optional_number(0).map(|bytes| bytes as usize);
            let keeps = arguments.0.get(1).and_then(Value::as_bool);
            host.configure(bytes, keeps);
        }
        "haveUrl" => host.have_url(),
        "connect" => host.connect(),
        "bindSocket" => host.bind_socket(match arguments.count(0) {
            0 => ReadyState::Connecting,
            1 => ReadyState::Open,
            _ => ReadyState::Closed,
        }),
        "socketOpened" => host.socket_opened(),
        "socketMessage" => host.socket_message(&arguments.text(0)?),
        "socketClosed" => host.socket_closed(arguments.reason(0), arguments.number(1)),
        "socketFailed" => {
            let error = arguments.reason(0);
            host.socket_failed(error.unwrap_or_else(|| json_string("socket error")));
        }
        "handleTimer" => host.handle_timer(arguments.number(0)),
        "handleAlarm" => {
            set_time(host, &arguments, 0);
            host.handle_alarm();
        }
        "serveRealtime" => host.serve_realtime(),
        "handleRealtime" => {
            set_time(host, &arguments, 1);
            host.handle_realtime(&arguments.text(0)?);
        }
        "wake" => {
            set_time(host, &arguments, 1);
            host.wake(arguments.number(0));
        }
        "handleTab" => {
            set_time(host, &arguments, 2);
            host.handle_tab(&TabId(arguments.text(0)?), &arguments.text(1)?);
        }
        "tabGone" => {
            set_time(host, &arguments, 1);
            host.tab_gone(&TabId(arguments.text(0)?));
        }
        "quarantine" => {
            let cause = arguments.count(0);
            let causes = [Cause::TabMessage, Cause::ServerMessage, Cause::Document];
            let cause = causes.into_iter().find(|known| *known as u64 == cause);
            let cause = cause.ok_or("there is no such cause")?;
            host.quarantine(cause, &arguments.text(1)?);
        }
        "setStorageMode" => {
            host.set_storage_mode(arguments.text(0)?, arguments.optional_text(1));
        }
        "storageDone" => host.handle_storage(arguments.count(0), Ok(arguments.texts(1))),
        "storageFailed" => {
            let failure = Failure {
                kind: FailureKind::named(&arguments.text(1)?),
                message: arguments.text(2)?,
                code: arguments.optional_text(3),
            };
            host.handle_storage(arguments.count(0), Err(failure));
        }
        "closeStore" => {
            host.close_store();
        }
        "resumeStore" => host.resume_store(),
        "tabsFound" => {
            let living = arguments.texts(0).into_iter().flatten();
            let living: Vec<TabId> = living.map(TabId).collect();
            host.tabs_found(&living);
        }
        "tabsAsleep" => host.tabs_asleep(),
        "resign" => host.resign(),
        "depose" => host.depose(),
        "handleIdle" => host.handle_idle(),
        "setId" => host.set_id(arguments.optional_text(0)),
        "setSeq" => host.set_next_seq(Seq(arguments.count(0))),
        _ => return Err("there is no such input".to_owned()),
    }
    Ok(())
}

fn set_time(host: &mut Host, arguments: &Arguments<'_>, at: usize) {
    host.set_time(arguments.count(at), arguments.count(at + 1));
}
