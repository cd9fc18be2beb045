//! Follows the store's changes and cuts the sockets that may not go on.
//!
//! Whoever revokes on this node cuts at once by itself; this follower is for changes that come from elsewhere, for expiry, and for
//! whatever was missed: after a gap every live session is looked at again.

use std::time::Duration;

use tokio::{
    select,
    sync::broadcast::{Receiver, error::RecvError},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    access::Access,
    domain::ids::TokenId,
    hub::{Hub, SessionHandle},
    store::{StoreChange, records},
};

/// Expiry is seen within that time.
const SWEEP: Duration = Duration::from_secs(1);

/// Runs until `stop`.
pub async fn follow(access: Access, hub: Hub, mut changes: Receiver<StoreChange>, stop: CancellationToken) {
    let mut sweep = interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        select! {
            biased;
            () = stop.cancelled() => return,
            _ = sweep.tick() => check_all(&access, &hub),
            change = changes.recv() => match change {
                Ok(change) => check_changed(&access, &hub, &change),
                Err(RecvError::Lagged(_)) => check_all(&access, &hub),
                Err(RecvError::Closed) => return,
            },
        }
    }
}

fn check_all(access: &Access, hub: &Hub) {
    hub.sessions().iter().for_each(|session| check(access, session));
}

fn check_changed(access: &Access, hub: &Hub, change: &StoreChange) {
    let tokens = change.keys.iter().filter(|key| key.starts_with(records::TOKENS));
    for token in tokens.filter_map(|key| key.last_chunk::<16>()).map(|bytes| TokenId::from_bytes(*bytes)) {
        if let Some(session) = hub.of_token(token) {
            check(access, &session);
        }
    }
}

fn check(access: &Access, session: &SessionHandle) {
    if let Err(reason) = access.recheck(session.token(), session.account()) {
        session.cut(reason);
    }
}
