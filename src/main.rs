//! The binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    let _failpoints = fail::FailScenario::setup();
    mtbridge::cli::main()
}
