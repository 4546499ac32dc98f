//! Messages that make no sense: they must change nothing and break nothing.

use proxy_doc::DocKey;

use crate::random::Random;

/// Something that no ShareDB server sends.
pub(super) fn from_server(r: &mut Random) -> String {
    const TEXTS: [&str; 14] = [
        "",
        "{",
        "null",
        "[]",
        r#"{"a":7}"#,
        r#"{"a":"op"}"#,
        r#"{"a":"op","c":"c0","d":"d0"}"#,
        r#"{"a":"op","c":"c0","d":"d0","v":-1,"src":"x","seq":1,"op":[]}"#,
        r#"{"a":"op","c":"c0","d":"d0","v":"0"}"#,
        r#"{"a":"f","c":"nowhere","d":"d0","data":{"v":1}}"#,
        r#"{"a":"bs","c":"c0","data":[]}"#,
        r#"{"a":"bs"}"#,
        r#"{"a":"pp","error":{"code":7}}"#,
        r#"{"a":"?","error":{"message":"x"}}"#,
    ];
    (*r.pick(&TEXTS)).to_owned()
}

/// Something that no tab sends, or that it must not.
pub(super) fn from_tab(r: &mut Random, keys: &[DocKey]) -> String {
    let DocKey { collection, id } = r.pick(keys).clone();
    let place = format!(r#""collection":"{collection}","id":"{id}""#);
    let number = *r.pick(&[
        "0",
        "1",
        "3",
        "999999",
        "18446744073709551615",
        "-1",
        "1.5",
        "null",
        "\"1\"",
    ]);
    let op = *r.pick(&[
        "[]",
        "null",
        "7",
        r#"[{"p":["__proto__","x"],"oi":1}]"#,
        r#"[{"oi":1}]"#,
        r#"[{"p":"x"}]"#,
        "{",
        r#"[{"p":[1e999],"li":1}]"#,
    ]);
    match r.below(12) {
        0 => String::new(),
        1 => "[".repeat(20_000),
        2 => r#"{"doc.submitOp":{}}"#.to_owned(),
        3 => format!(r#"{{"doc.explode":{{{place},"callbackId":{number}}}}}"#),
        4 => format!(r#"{{"tab.received":{{"count":{number}}}}}"#),
        5 => format!(
            r#"{{"connection.read":{{"action":"doc.fetch",{place},"revision":{number},"callbackId":5}}}}"#
        ),
        6 => format!(
            r#"{{"connection.read":{{"action":"doc.unsubscribe",{place},"revision":{number},"callbackId":5}}}}"#
        ),
        7 => format!(r#"{{"doc.destroy":{{{place}}}}}"#),
        8 => format!(
            r#"{{"doc.submitOp":{{{place},"revision":{number},"seq":1,"change":{{"op":{op},"type":"nonsense"}}}}}}"#
        ),
        9 => format!(r#"{{"tab.register":{{"protocol":{number}}}}}"#),
        10 => format!(r#"{{"connection.close":{{"generation":{number}}}}}"#),
        _ => format!(
            r#"{{"doc.submitOp":{{{place},"revision":999,"seq":1,"change":{{"op":{op},"type":"{}"}}}}}}"#,
            ot_json0::URI
        ),
    }
}

/// Something that no host sends.
pub(super) fn from_host(r: &mut Random) -> String {
    const TEXTS: [&str; 4] = ["", "{}", "null", r#"{"epoch":1,"message":{"nonsense":{}}}"#];
    (*r.pick(&TEXTS)).to_owned()
}
