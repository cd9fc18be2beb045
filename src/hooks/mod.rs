//! What other programs send to the hub, and what the hub sends to them: alerts of TradingView in, webhooks out.
//!
//! In: [`alert`] reads what came, by [`template`] where it has a shape of its own, [`plan`] says what it wants done in the words of the
//! API, and [`Hooks`] keeps the hooks and writes down what came to each of them. Out: [`out`].

pub mod alert;
pub mod out;
pub mod plan;
pub mod received;
pub mod template;

mod book;

pub use book::{HookError, Hooks, NewHook};

/// Why an alert is not carried out: a code and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `invalid_alert` or `stale_alert`.
    pub code: &'static str,
    /// What is wrong, and what would be right.
    pub detail: String,
}

impl Refusal {
    /// An alert that cannot be understood.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self { code: "invalid_alert", detail: detail.into() }
    }
}
