//! Exit codes, and errors that know theirs. docs/cli.md has the same table for users.

use std::process::ExitCode;

/// The hub or a file failed, or an answer cannot be read. A trade that ends with it was not sent.
pub(super) const ERROR: u8 = 1;
/// The arguments are wrong; clap uses it too.
pub(super) const USAGE: u8 = 2;
/// The credential is missing, wrong, or not allowed to do that.
pub(super) const REFUSED: u8 = 3;
/// There is no such thing.
pub(super) const NOT_FOUND: u8 = 4;
/// A trade was certainly not executed.
pub(super) const NOT_EXECUTED: u8 = 5;
/// A trade was sent, or may have been, and nobody knows yet what became of it.
pub(super) const UNKNOWN: u8 = 6;
/// Not now: the terminal is offline, busy or loading, or the hub cannot record. Nothing was done.
pub(super) const NOT_NOW: u8 = 7;
/// Ended by ctrl-c, as shells number it.
pub(super) const INTERRUPTED: u8 = 130;

/// An error with the exit code that scripts read.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Failure {
    /// One of the constants above.
    pub(super) code: u8,
    /// For people.
    pub(super) message: String,
    /// What the hub said, for `--json`.
    pub(super) body: Option<String>,
}

impl Failure {
    pub(super) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), body: None }
    }
}

/// Whoever read standard output has seen enough (`| head`): no error.
#[derive(Debug, thiserror::Error)]
#[error("standard output was closed")]
pub(super) struct ClosedPipe;

/// Prints the last words of a command that failed, and gives its exit code.
#[expect(clippy::print_stderr, reason = "the last words of a command")]
pub(super) fn failed(error: &anyhow::Error) -> ExitCode {
    if error.is::<ClosedPipe>() {
        return ExitCode::SUCCESS;
    }
    match error.downcast_ref::<Failure>() {
        Some(Failure { code, body: Some(body), .. }) => {
            eprintln!("{body}");
            ExitCode::from(*code)
        }
        Some(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.code)
        }
        None => {
            eprintln!("error: {error:#}");
            ExitCode::from(ERROR)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_every_exit_code_with_its_meaning() {
        let document = include_str!("../../docs/cli.md");
        for (code, meaning) in [
            (0, "done"),
            (ERROR, "error"),
            (USAGE, "arguments are wrong"),
            (REFUSED, "not allowed"),
            (NOT_FOUND, "no such thing"),
            (NOT_EXECUTED, "certainly not executed"),
            (UNKNOWN, "not known"),
            (NOT_NOW, "not now"),
            (INTERRUPTED, "ctrl-c"),
        ] {
            let row = document.lines().find(|line| line.starts_with(&format!("| {code} |")));
            assert!(row.is_some_and(|row| row.contains(meaning)), "{code}: {row:?}");
        }
    }
}
