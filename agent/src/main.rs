//! The `prony` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    prony::cli::main()
}
