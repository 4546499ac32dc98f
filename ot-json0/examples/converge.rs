//! Two people edit one document at the same time and come to the same result.
//!
//! `cargo run -p ot-json0 --example converge`

use ot_json0::{Error, Op, Value, apply, transform_x};

fn main() -> Result<(), Error> {
    let document =
        Value::parse(r#"{"title":"Shopping","items":["milk","bread"]}"#).map_err(|error| {
            Error {
                message: error.to_string(),
            }
        })?;
    let anna = Op::parse(r#"[{"p":["items",0],"li":"eggs"},{"p":["title",8],"si":" list"}]"#)?;
    let bert = Op::parse(r#"[{"p":["items",1],"ld":"bread"},{"p":["title",0],"si":"Our "}]"#)?;

    let (mut anna_after, mut bert_after) = (anna.clone(), bert.clone());
    transform_x(&mut anna_after, &mut bert_after)?;

    let at_anna = apply(apply(document.clone(), &anna)?, &bert_after)?;
    let at_bert = apply(apply(document, &bert)?, &anna_after)?;
    println!("Anna's op after Bert's: {}", anna_after.to_json());
    println!("Bert's op after Anna's: {}", bert_after.to_json());
    println!("both see {}", at_anna.to_json());
    assert_eq!(at_anna, at_bert);
    Ok(())
}
