//! Where a call comes from: what audit records say beside who did what, without every function passing it on.
//!
//! A task-local: set once for a request, read where a record is made. What the hub does by itself has none.

use std::{
    future::Future,
    net::IpAddr,
    sync::{Arc, OnceLock},
};

tokio::task_local! {
    static ORIGIN: Arc<Origin>;
}

/// One request from outside.
#[derive(Debug)]
pub struct Origin {
    /// The client's address, if the accept loop told it.
    pub address: Option<IpAddr>,
    /// The request's id, as in the log and in the answer.
    pub request: String,
    actor: OnceLock<String>,
}

impl Origin {
    /// A request of which nobody knows yet who makes it.
    #[must_use]
    pub const fn new(address: Option<IpAddr>, request: String) -> Self {
        Self { address, request, actor: OnceLock::new() }
    }

    /// Whoever has shown a secret of ours, by id. The first word counts.
    pub fn is_of(&self, actor: impl Into<String>) {
        let _ = self.actor.set(actor.into());
    }

    /// Who it is of, if that is known.
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        self.actor.get().map(String::as_str)
    }
}

/// The call that this task works for.
#[must_use]
pub fn current() -> Option<Arc<Origin>> {
    ORIGIN.try_with(Arc::clone).ok()
}

/// Runs a future as part of a call, if there is one.
pub async fn within<F: Future>(origin: Option<Arc<Origin>>, future: F) -> F::Output {
    match origin {
        Some(origin) => ORIGIN.scope(origin, future).await,
        None => future.await,
    }
}

/// A future that knows the call of this task in a task of its own, too.
pub fn carried<F: Future>(future: F) -> impl Future<Output = F::Output> {
    within(current(), future)
}
