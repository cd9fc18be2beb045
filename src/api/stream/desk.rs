//! What all streams share: how many each key has open, tickets, states, and the tasks that a stop waits for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::{StatusCode, header};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::{presence::Presence, states::States};
use crate::{
    api::{
        auth::{Caller, Shown},
        error::{ApiError, ApiResult},
    },
    config,
    domain::{api_key::ApiKey, ids::KeyId},
};

/// A ticket is good for so long.
pub(in crate::api) const TICKET_LIFE: Duration = Duration::from_secs(30);
/// Tickets that one bot may have lying around, all of one tenant, and all together: so that no tenant takes another's.
const TICKETS_PER_LINE: usize = 100;
const TICKETS_PER_TENANT: usize = 1_000;
const TICKETS_MAX: usize = 10_000;

/// See the module's documentation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Streams {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: config::Stream,
    tasks: TaskTracker,
    open: Mutex<HashMap<KeyId, usize>>,
    tickets: Mutex<HashMap<[u8; 32], Ticket>>,
    states: States,
    presence: Presence,
}

#[derive(Debug)]
struct Ticket {
    shown: Shown,
    until: Instant,
}

impl Streams {
    /// Nobody follows anything yet.
    #[must_use]
    pub fn new(settings: config::Stream) -> Self {
        let (tasks, open, tickets) = (TaskTracker::new(), Mutex::default(), Mutex::default());
        Self {
            inner: Arc::new(Inner { settings, tasks, open, tickets, states: States::default(), presence: Presence::default() }),
        }
    }

    /// The tasks of all streams: a stop waits for them.
    #[must_use]
    pub fn tasks(&self) -> &TaskTracker {
        &self.inner.tasks
    }

    pub(in crate::api) fn settings(&self) -> &config::Stream {
        &self.inner.settings
    }

    pub(super) fn states(&self) -> &States {
        &self.inner.states
    }

    pub(super) fn presence(&self) -> &Presence {
        &self.inner.presence
    }

    /// A place for one more stream of this bot.
    ///
    /// # Errors
    /// 429 `too_many_streams`.
    pub(in crate::api) fn open(&self, caller: &Caller) -> ApiResult<Open> {
        let (line, most) = (caller.key.line(), self.inner.settings.max_per_key);
        let mut open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(line).or_insert(0);
        if *count >= most {
            let detail = format!("this key has {most} streams open, which is the limit; one stream can follow many topics");
            return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", detail).with("limit", most));
        }
        *count += 1;
        Ok(Open { streams: self.clone(), line })
    }

    /// Makes a ticket for this caller.
    ///
    /// # Errors
    /// 429 `too_many_tickets`, or no randomness.
    pub(in crate::api) fn ticket(&self, shown: Shown) -> ApiResult<String> {
        let text =
            format!("tkt_{}", crate::crypto::hex(&crate::crypto::random::<24>().map_err(|error| ApiError::internal(&error))?));
        let now = Instant::now();
        let mut tickets = self.inner.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.retain(|_, ticket| ticket.until > now);
        room_for_one(&tickets, &shown.key, now)?;
        // Only a digest stays, and the text is never compared: no time tells how much of a guess was right.
        tickets.insert(crate::crypto::sha256(&[text.as_bytes()]), Ticket { shown, until: now + TICKET_LIFE });
        Ok(text)
    }

    /// Takes a ticket: it is good once, and in time. Who made it.
    pub(super) fn redeem(&self, text: &str) -> Option<Shown> {
        let mut tickets = self.inner.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = tickets.remove(&crate::crypto::sha256(&[text.as_bytes()]))?;
        (ticket.until > Instant::now()).then_some(ticket.shown)
    }
}

/// Whether a ticket more may lie around for this key.
fn room_for_one(tickets: &HashMap<[u8; 32], Ticket>, key: &ApiKey, now: Instant) -> ApiResult<()> {
    let counted = |counts: fn(&ApiKey, &ApiKey) -> bool| {
        let theirs = tickets.values().filter(|ticket| counts(&ticket.shown.key, key));
        theirs.map(|ticket| ticket.until).collect::<Vec<_>>()
    };
    for (of, most, ends) in [
        ("key", TICKETS_PER_LINE, counted(|one, other| one.line() == other.line())),
        ("tenant", TICKETS_PER_TENANT, counted(|one, other| one.owner == other.owner)),
        ("hub", TICKETS_MAX, counted(|_, _| true)),
    ] {
        let Some(first) = ends.iter().min().filter(|_| ends.len() >= most) else { continue };
        let wait = first.duration_since(now).as_secs() + 1;
        let detail =
            format!("{most} tickets of this {of} were made and not used, which is the limit; each is good for 30 seconds");
        let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tickets", detail);
        let error = error.with("of", of).with("limit", most).with("retry_after", wait);
        return Err(error.with_header(header::RETRY_AFTER, wait.into()));
    }
    Ok(())
}

/// One open stream.
#[derive(Debug)]
pub(in crate::api) struct Open {
    streams: Streams,
    line: KeyId,
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut open = self.streams.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.line) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        access::{Access, NewKey},
        clock::{Clock, Ids},
        domain::ids::{OwnerId, UserId},
        store::memory::MemoryStore,
    };

    async fn access() -> Access {
        Access::open(Arc::new(MemoryStore::new()), [7; 32], Clock::start(), Arc::new(Ids::default())).await.unwrap()
    }

    async fn of(access: &Access, tenant: OwnerId) -> Shown {
        Shown { key: access.mint_key(NewKey::admin("a"), tenant, "test").await.unwrap().0, person: None }
    }

    async fn shown() -> Shown {
        of(&access().await, OwnerId::SELF).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_ticket_is_good_once_and_for_thirty_seconds() {
        let (streams, shown) = (Streams::new(config::Stream::default()), shown().await);
        let ticket = streams.ticket(shown.clone()).unwrap();
        assert_eq!(streams.redeem(&ticket).map(|shown| shown.key.id), Some(shown.key.id));
        assert!(streams.redeem(&ticket).is_none(), "it was used");
        let (one, other) = (streams.ticket(shown.clone()).unwrap(), streams.ticket(shown.clone()).unwrap());
        tokio::time::advance(TICKET_LIFE - Duration::from_millis(1)).await;
        assert_eq!(streams.redeem(&one).map(|shown| shown.key.id), Some(shown.key.id));
        tokio::time::advance(Duration::from_millis(2)).await;
        assert!(streams.redeem(&other).is_none(), "it is too old");
        assert!(streams.redeem("tkt_").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn tickets_that_nobody_uses_are_bounded() {
        let (streams, shown) = (Streams::new(config::Stream::default()), shown().await);
        for _ in 0..TICKETS_PER_LINE {
            streams.ticket(shown.clone()).unwrap();
        }
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_refused(&streams.ticket(shown.clone()).unwrap_err(), "key", TICKETS_PER_LINE, 21);
        tokio::time::advance(TICKET_LIFE).await;
        streams.ticket(shown.clone()).unwrap();
    }

    fn assert_refused(refused: &ApiError, of: &str, limit: usize, wait: u64) {
        assert_eq!((refused.code(), refused.status()), ("too_many_tickets", StatusCode::TOO_MANY_REQUESTS));
        let told = ["of", "limit", "retry_after"].map(|field| refused.field_value(field).cloned().unwrap_or_default());
        assert_eq!(told, [json!(of), json!(limit), json!(wait)]);
        let answer = refused.render("none");
        assert_eq!(answer.headers()[header::RETRY_AFTER], wait.to_string().as_str());
    }

    #[tokio::test(start_paused = true)]
    async fn the_tickets_of_all_tenants_together_are_bounded() {
        let (other, now, mut tickets) = (shown().await, Instant::now(), HashMap::new());
        for number in 0..TICKETS_MAX {
            // No tenant and no key has too many.
            let tenant = UserId::new(ulid::Ulid(number as u128 + 1)).tenant();
            let key = ApiKey { id: KeyId::new(ulid::Ulid(number as u128)), owner: tenant, ..ApiKey::clone(&other.key) };
            let shown = Shown { key: Arc::new(key), person: None };
            tickets.insert(crate::crypto::sha256(&[&number.to_be_bytes()]), Ticket { shown, until: now + TICKET_LIFE });
        }
        assert_refused(&room_for_one(&tickets, &other.key, now).unwrap_err(), "hub", TICKETS_MAX, 31);
        tickets.remove(&crate::crypto::sha256(&[&0_usize.to_be_bytes()]));
        room_for_one(&tickets, &other.key, now).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_tenant_that_uses_none_of_its_tickets_takes_none_of_anothers() {
        let (streams, access) = (Streams::new(config::Stream::default()), access().await);
        let (greedy, other) = (UserId::new(ulid::Ulid(1)).tenant(), UserId::new(ulid::Ulid(2)).tenant());
        for _ in 0..TICKETS_PER_TENANT / TICKETS_PER_LINE {
            let bot = of(&access, greedy).await;
            for _ in 0..TICKETS_PER_LINE {
                streams.ticket(bot.clone()).unwrap();
            }
        }
        let one_more = of(&access, greedy).await;
        let refused = streams.ticket(one_more.clone()).unwrap_err();
        assert_refused(&refused, "tenant", TICKETS_PER_TENANT, 31);
        assert!(refused.detail().contains("1000 tickets of this tenant"), "{}", refused.detail());
        streams.ticket(of(&access, other).await).unwrap();
        tokio::time::advance(TICKET_LIFE).await;
        streams.ticket(one_more).unwrap();
    }
}
