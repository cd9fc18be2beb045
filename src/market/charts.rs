//! Keeps terminals' charts up to date: every connected terminal that has the symbol is told of each indicator of its owner, when it is
//! submitted, when it is deleted, and after each Welcome.
//!
//! For each session it is known up to which write it has been told; whatever comes later is due. So a terminal whose mailbox is full, or
//! that is slow, is told in a later round, and never misses one.

use std::{collections::HashMap, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio::{
    select,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{
    clocks::Clocks,
    drawing,
    indicators::{Indicators, Row},
    offers::Offers,
};
use crate::{
    domain::{account::TRADE_MODE_DEMO, ids::SessionId},
    hub::{CallError, Hub, Recall, SessionHandle},
    protocol::message::Draw,
    store::{Seq, StoreError},
};

/// New sessions are looked for so often.
const LOOK: Duration = Duration::from_secs(1);
/// Terminals that are told at once.
const AT_ONCE: usize = 16;
/// One terminal holds up a round for about so long: what is left is told in the next one.
const TURN: Duration = Duration::from_secs(2);
/// An answer, or the place of a message on the socket, is waited for so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who tells terminals what to draw.
#[derive(Debug)]
pub struct Charts {
    /// What there is to draw.
    pub indicators: Indicators,
    /// The terminals.
    pub hub: Hub,
    /// The clocks of trade servers.
    pub clocks: Clocks,
    /// Which terminal has which symbol.
    pub offers: Offers,
}

/// Why a terminal was not told everything in this round.
#[derive(Debug, thiserror::Error)]
enum TellError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Charts {
    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told: HashMap<SessionId, Seq> = HashMap::new();
        loop {
            select! {
                biased;
                () = stop.cancelled() => return,
                () = self.indicators.changed() => {}
                _ = look.tick() => {}
            }
            if stop.run_until_cancelled(self.round(&mut told)).await.is_none() {
                return;
            }
        }
    }

    async fn round(&self, told: &mut HashMap<SessionId, Seq>) {
        let sessions = self.hub.sessions();
        let before = std::mem::take(told);
        let due = sessions.into_iter().map(|session| {
            let version = before.get(&session.id()).copied().unwrap_or(0);
            let news = self.indicators.since(session.owner(), version);
            async move { (session.id(), self.tell(&session, version, &news).await) }
        });
        *told = stream::iter(due).buffer_unordered(AT_ONCE).collect().await;
    }

    /// Tells a terminal its news, in order, and answers up to which it knows them.
    async fn tell(&self, session: &SessionHandle, mut version: Seq, news: &[std::sync::Arc<Row>]) -> Seq {
        let begun = Instant::now();
        for row in news.iter().take_while(|_| begun.elapsed() < TURN) {
            match self.tell_one(session, row).await {
                Ok(()) => version = row.version,
                Err(TellError::Call(_)) => break,
                Err(TellError::Store(error)) => {
                    error!(%error, "an indicator cannot be read; it is tried again in a second");
                    break;
                }
            }
        }
        version
    }

    async fn tell_one(&self, session: &SessionHandle, row: &Row) -> Result<(), TellError> {
        let reaches = row.audience.has(session.account(), session.hello().trade_mode == TRADE_MODE_DEMO);
        // One that cannot say may be told: a terminal without charts of the symbol skips it.
        if !reaches || self.offers.has(session, &row.slot.symbol, PATIENCE).await? == Some(false) {
            return Ok(());
        }
        let Some(indicator) = self.indicators.read(&row.slot).await? else { return Ok(()) };
        for draw in drawing::messages(&indicator, self.clocks.live(session)) {
            hand_over(session, draw).await?;
        }
        Ok(())
    }
}

/// Sends a message and waits until it is on its way: one at a time, so that what is drawn never takes the places of trades.
async fn hand_over(session: &SessionHandle, draw: Draw) -> Result<(), CallError> {
    let recall = Recall::default();
    match timeout(PATIENCE, session.reserve()?.send(draw, recall.clone())).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(CallError::Gone),
        Err(_) if recall.take_back() => Err(CallError::TimedOut),
        // It went out in this very moment.
        Err(_) => Ok(()),
    }
}
