//! The outputs of a host as a trace has them: each as the shim puts it into its sink.

use durable_store::format::RecordId;
use durable_store::{Ask, Request};
use proxy_doc::TabId;
use serde_json::{Value, json};
use worker_host::Output;

/// The entry of an output. The one tab of a `private` host is not named.
pub(super) fn entry(output: &Output, private: bool) -> Value {
    let name = |tab: &TabId| match private {
        true => Value::Null,
        false => json!(tab.0),
    };
    let (kind, arguments) = match output {
        Output::ToTab { tab, text, urgent } => ("toTab", json!([name(tab), text, urgent])),
        Output::Send(text) => ("send", json!([text])),
        Output::CloseSocket => ("closeSocket", json!([])),
        Output::DropSocket => ("dropSocket", json!([])),
        Output::OpenSocket(None) => ("openSocket", json!([])),
        Output::OpenSocket(Some(url)) => ("openSocket", json!([url])),
        Output::StartTimer(delay) => ("startTimer", json!([delay])),
        Output::StartAlarm(delay) => ("startAlarm", json!([delay])),
        Output::Realtime(act) => ("realtime", json!([act])),
        Output::Storage(request) => ("askStorage", storage_request(request)),
        Output::FindTabs(tabs) => {
            let tabs: Vec<&str> = tabs.iter().map(|tab| tab.0.as_str()).collect();
            ("findTabs", json!([tabs]))
        }
        Output::BeginAnew => ("beginAnew", json!([])),
        Output::Resigned => ("resigned", json!([])),
        Output::Deposed => ("deposed", json!([])),
        Output::Debug {
            tab,
            request,
            before,
            after,
        } => ("debug", json!([name(tab), request, before, after])),
        Output::Warn(text) => ("warn", json!([text])),
    };
    json!(["out", kind, arguments])
}

fn storage_request(Request { number, what }: &Request) -> Value {
    let name = |id: &RecordId| json!([id.store.name(), id.id]);
    let names = |ids: &[RecordId]| ids.iter().map(name).collect::<Vec<_>>();
    match what {
        Ask::Open => json!([number, "open"]),
        Ask::Wipe => json!([number, "wipe"]),
        Ask::Read(ids) => json!([number, "read", names(ids)]),
        Ask::Write { puts, deletes } => {
            let records = puts.iter();
            let records = records.map(|(id, text)| json!([id.store.name(), id.id, text]));
            let records: Vec<Value> = records.collect();
            json!([number, "write", records, names(deletes)])
        }
    }
}
