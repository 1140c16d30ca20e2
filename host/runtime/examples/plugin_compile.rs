//! The compiling child on its own: a component on stdin, machine code on stdout. The gateway has the same as a subcommand.

use std::process::ExitCode;

fn main() -> ExitCode {
    match portico_runtime::compile_main(std::io::stdin(), std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}
