//! Which terminal has which symbol: a yes is asked for once a session, then remembered.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    domain::ids::SessionId,
    hub::{CallError, SessionHandle},
    protocol::message::{GetSymbol, reply_status},
};

/// Answers remembered; above it, all are asked for again.
const OFFERS_MAX: usize = 10_000;

/// What terminals have said of their symbols. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Offers {
    known: Arc<Mutex<HashSet<(SessionId, String)>>>,
}

impl Offers {
    /// Whether the terminal has this symbol; none when it fails to say.
    ///
    /// # Errors
    /// It could not be asked, or did not answer `within` that time.
    pub async fn has(&self, session: &SessionHandle, symbol: &str, within: Duration) -> Result<Option<bool>, CallError> {
        let question = (session.id(), symbol.to_owned());
        if self.known().contains(&question) {
            return Ok(Some(true));
        }
        let reply = session.call(within, |call| GetSymbol { call, symbol: symbol.to_owned() }.into()).await?;
        match reply.status {
            reply_status::OK => {}
            reply_status::NOT_FOUND => return Ok(Some(false)),
            _ => return Ok(None),
        }
        let mut known = self.known();
        if known.len() >= OFFERS_MAX {
            known.clear();
        }
        known.insert(question);
        Ok(Some(true))
    }

    fn known(&self) -> MutexGuard<'_, HashSet<(SessionId, String)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
