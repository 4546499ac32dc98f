//! `replay FILE`: replays a trace that `connection.exportTrace()` gave, in a native host.

use std::process::ExitCode;

use sharedb_proxy_tests::replay::{Problem, Same, replay};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: replay FILE");
        return ExitCode::FAILURE;
    };
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("cannot read {file}: {error}");
            return ExitCode::FAILURE;
        }
    };
    // A crash of the machine is reported with its place in the trace.
    std::panic::set_hook(Box::new(|_| {}));
    match replay(&text) {
        Ok(Same {
            inputs,
            outputs,
            notes,
        }) => {
            for note in notes {
                println!("{note}");
            }
            println!("{inputs} inputs, {outputs} outputs: the same");
            ExitCode::SUCCESS
        }
        Err(Problem::Refused(why)) => {
            println!("refused: {why}");
            ExitCode::FAILURE
        }
        Err(Problem::Differs(how)) => {
            println!("{how}");
            ExitCode::FAILURE
        }
    }
}
