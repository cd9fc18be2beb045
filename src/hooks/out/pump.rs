//! The task of one webhook: what is due again first, then the next event of its place. One message is on its way at a time, so events
//! come in their order as long as they are taken; one that is not is parked, and those after it do not wait for it.

use std::{sync::Arc, time::Duration};

use tokio::{select, sync::watch};
use tracing::{debug, error, warn};

use super::{DEAD_MAX, Failure, Line, PARKED_MAX, Webhooks, body, message_id, next_due, pause};
use crate::{
    domain::{
        event::Event,
        webhook::{Delivery, Progress, Webhook},
    },
    events::Missed,
    hooks::HookError,
    store::{Batch, records},
};

/// Events that are looked at together.
const PAGE: usize = 64;
/// After an error of the store.
const RETRY: Duration = Duration::from_secs(1);
/// It looks again by itself after that time.
const LOOK: Duration = Duration::from_secs(60);
/// Batches of the store that its place may be behind on the disk while nothing is sent: they are looked at again after a restart.
const BEHIND: u64 = 4_096;

/// Until the webhook is deleted or the hub stops. A message that is on its way then is sent again: at least once.
pub(super) async fn run(webhooks: Webhooks, line: Arc<Line>) {
    let stop = webhooks.inner.stop.clone();
    let mut head = webhooks.inner.events.head();
    let mut saved = line.state.lock().await.progress.cursor;
    loop {
        let step = select! {
            biased;
            () = stop.cancelled() => return,
            () = line.ended.cancelled() => return,
            step = webhooks.step(&line, &mut head, &mut saved) => step,
        };
        if let Err(error) = step {
            error!(webhook = %line.webhook().id, %error, "what became of a message could not be recorded; it is sent again");
            select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }
}

impl Webhooks {
    /// Sends one message, or waits until there is something to send.
    async fn step(&self, line: &Line, head: &mut watch::Receiver<u64>, saved: &mut u64) -> Result<(), HookError> {
        let webhook = line.webhook();
        if webhook.disabled.is_some() {
            line.bell.notified().await;
            return Ok(());
        }
        // Noted before it is looked, so that what comes meanwhile is not slept over.
        head.borrow_and_update();
        let (cursor, due, waiting) = {
            let state = line.state.lock().await;
            (state.progress.cursor, next_due(&state.parked), state.parked.values().filter(|delivery| !delivery.dead).count())
        };
        let now = self.inner.clock.wall();
        if let Some((_, seq)) = due.filter(|(at, _)| *at <= now) {
            return self.again(line, &webhook, seq).await;
        }
        if waiting < PARKED_MAX && self.onward(line, &webhook, cursor, saved).await? {
            return Ok(());
        }
        let pause = due.map_or(LOOK, |(at, _)| Duration::from_millis(u64::try_from(at.since(now)).unwrap_or(0)).min(LOOK));
        select! {
            // Its sender lives as long as the log.
            _ = head.changed() => {}
            () = line.bell.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
        Ok(())
    }

    /// The next event of its place; whether there was anything.
    async fn onward(&self, line: &Line, webhook: &Webhook, cursor: u64, saved: &mut u64) -> Result<bool, HookError> {
        let page = match self.inner.events.after(cursor, PAGE).await {
            Ok(page) => page,
            Err(Missed::Gap(gap)) => {
                warn!(webhook = %webhook.id, from = gap.from, to = gap.to, "events are not kept any more and were never sent to a webhook");
                self.move_to(line, webhook, gap.to).await?;
                *saved = gap.to;
                return Ok(true);
            }
            Err(Missed::Store(error)) => return Err(error.into()),
        };
        if let Some(told) = page.events.iter().find(|told| self.wants(webhook, told)) {
            self.deliver(line, webhook, told, 0).await?;
            *saved = told.seq;
            return Ok(true);
        }
        if page.next <= cursor {
            return Ok(false);
        }
        if page.next.saturating_sub(*saved) > crate::domain::event::end_of(BEHIND) {
            self.move_to(line, webhook, page.next).await?;
            *saved = page.next;
        } else {
            line.state.lock().await.progress.cursor = page.next;
        }
        Ok(true)
    }

    async fn move_to(&self, line: &Line, webhook: &Webhook, cursor: u64) -> Result<(), HookError> {
        let mut state = line.state.lock().await;
        let progress = Progress { cursor, ..state.progress };
        let batch = Batch::outcome().put(records::webhook_progress(webhook.id), records::encode(&progress));
        self.inner.store.commit(batch).await?;
        state.progress = progress;
        Ok(())
    }

    /// A parked event is tried again.
    async fn again(&self, line: &Line, webhook: &Webhook, seq: u64) -> Result<(), HookError> {
        let attempts = line.state.lock().await.parked.get(&seq).map_or(0, |delivery| delivery.attempts);
        match self.inner.events.after(seq.saturating_sub(1), 1).await {
            Ok(page) => match page.events.first().filter(|told| told.seq == seq) {
                Some(told) => self.deliver(line, webhook, told, attempts).await,
                None => self.bury(line, webhook, seq, "the event was deleted with its account").await,
            },
            Err(Missed::Gap(_)) => self.bury(line, webhook, seq, "the event is not kept any more").await,
            Err(Missed::Store(error)) => Err(error.into()),
        }
    }

    async fn bury(&self, line: &Line, webhook: &Webhook, seq: u64, why: &str) -> Result<(), HookError> {
        let mut state = line.state.lock().await;
        let Some(delivery) = state.parked.get(&seq) else { return Ok(()) };
        let dead = Delivery { dead: true, last: why.to_owned(), ..delivery.clone() };
        self.inner.store.commit(Batch::outcome().put(records::delivery(webhook.id, seq), records::encode(&dead))).await?;
        state.parked.insert(seq, dead);
        Ok(())
    }

    async fn deliver(&self, line: &Line, webhook: &Webhook, event: &Event, attempts: u32) -> Result<(), HookError> {
        let id = message_id(webhook.id, event.seq);
        let sent = self.inner.sender.send(webhook, &id, self.inner.clock.wall(), body(&id, event)).await;
        fail::fail_point!("webhook_sent", |_| std::process::abort());
        match sent {
            Ok(_) => self.taken(line, webhook, event).await,
            Err(failure) => self.failed(line, webhook, event, attempts + 1, failure).await,
        }
    }

    async fn taken(&self, line: &Line, webhook: &Webhook, event: &Event) -> Result<(), HookError> {
        let mut state = line.state.lock().await;
        let progress = Progress { cursor: state.progress.cursor.max(event.seq), failing_since: None };
        let batch = Batch::outcome().put(records::webhook_progress(webhook.id), records::encode(&progress));
        self.inner.store.commit(batch.delete(records::delivery(webhook.id, event.seq))).await?;
        state.progress = progress;
        state.parked.remove(&event.seq);
        Ok(())
    }

    /// Parks an event until its next try, or for good.
    async fn failed(
        &self,
        line: &Line,
        webhook: &Webhook,
        event: &Event,
        attempts: u32,
        failure: Failure,
    ) -> Result<(), HookError> {
        let now = self.inner.clock.wall();
        debug!(webhook = %webhook.id, seq = event.seq, attempts, status = failure.status, "a message was not taken");
        let gone = failure.status == Some(410);
        let mut state = line.state.lock().await;
        let pause = pause(&self.inner.retries, attempts);
        let delivery = Delivery {
            seq: event.seq,
            kind: event.kind.to_owned(),
            attempts,
            next_at: pause.map_or(now, |pause| now.plus_ms(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))),
            dead: pause.is_none(),
            last: failure.words,
            since: state.parked.get(&event.seq).map_or(now, |before| before.since),
        };
        let failing_since = state.progress.failing_since.or(Some(now));
        let progress = Progress { cursor: state.progress.cursor.max(event.seq), failing_since };
        let dead = state.parked.values().filter(|parked| parked.dead);
        let surplus: Vec<_> = dead.clone().map(|parked| parked.seq).take((dead.count() + 1).saturating_sub(DEAD_MAX)).collect();
        let batch = Batch::outcome().put(records::webhook_progress(webhook.id), records::encode(&progress));
        let batch = surplus.iter().fold(batch, |batch, seq| batch.delete(records::delivery(webhook.id, *seq)));
        let batch = batch.put(records::delivery(webhook.id, event.seq), records::encode(&delivery));
        self.inner.store.commit(batch).await?;
        surplus.iter().for_each(|seq| drop(state.parked.remove(seq)));
        state.progress = progress;
        state.parked.insert(event.seq, delivery);
        drop(state);
        let failing_for = failing_since.map_or(0, |since| now.since(since));
        if gone {
            self.disable(line, "it answered 410 Gone".to_owned()).await?;
        } else if failing_for > self.inner.disable_after_ms {
            self.disable(line, format!("nothing was taken for {} hours", failing_for / 3_600_000)).await?;
        }
        Ok(())
    }
}
