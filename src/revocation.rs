//! Follows the store's changes and cuts the sockets that may not go on.
//!
//! Whoever revokes on this node cuts by itself; this follower is for what comes by another way, for expiry, and for whatever was
//! missed: after a gap, and each second, every live session is looked at again.

use std::time::Duration;

use tokio::{
    select,
    sync::broadcast::{Receiver, error::RecvError},
    time::{MissedTickBehavior, interval},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    access::Access,
    domain::ids::TokenId,
    hub::{Hub, SessionHandle},
    store::{StoreChange, records},
};

/// Expiry is seen within that time.
const SWEEP: Duration = Duration::from_secs(1);

/// Runs until `stop`. `goodbye` asks a session about the commands that it still has, before it is cut.
pub async fn follow<F>(
    access: Access,
    hub: Hub,
    mut changes: Receiver<StoreChange>,
    goodbye: impl Fn(SessionHandle) -> F,
    stop: CancellationToken,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut sweep = interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let cuts = TaskTracker::new();
    loop {
        let looked_at = select! {
            biased;
            () = stop.cancelled() => return,
            _ = sweep.tick() => hub.sessions(),
            change = changes.recv() => match change {
                Ok(change) => changed(&hub, &change),
                Err(RecvError::Lagged(_)) => hub.sessions(),
                Err(RecvError::Closed) => return,
            },
        };
        for session in looked_at {
            if let Err(reason) = access.recheck(session.token(), session.account())
                && session.begin_farewell()
            {
                let asked = goodbye(session.clone());
                cuts.spawn(async move {
                    asked.await;
                    session.cut(reason);
                });
            }
        }
    }
}

fn changed(hub: &Hub, change: &StoreChange) -> Vec<SessionHandle> {
    let tokens = change.keys.iter().filter(|key| key.starts_with(records::TOKENS));
    tokens.filter_map(|key| key.last_chunk::<16>()).filter_map(|bytes| hub.of_token(TokenId::from_bytes(*bytes))).collect()
}
