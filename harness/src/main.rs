//! The command `schism`.

use std::process::ExitCode;

fn main() -> ExitCode {
    schism::command::main()
}
