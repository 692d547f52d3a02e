//! The `k8sverify` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    k8sverify::commands::main()
}
