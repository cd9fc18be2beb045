//! How much a key may ask for: requests an hour, and requests at once.
//!
//! Requests are counted by the generic cell rate algorithm: a line of keys has one moment up to which its time is spent, each request
//! spends an hour divided by the plan's number, and no more than an hour can be spent ahead. So nothing is kept of single requests, the
//! order of arrivals does not matter, and what was spent stays spent when the plan changes or two keys of a line have different ones.
//! What closes or cancels has a reserve of its own, so that a used-up plan never keeps anybody in a position; dead-man timers have another,
//! and a kill switch needs none.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{
    clock::Clock,
    domain::{
        UnixMillis,
        api_key::Plan,
        grant::{FREE, Grant, PRO, RESERVE, TIMERS},
        ids::KeyId,
    },
};

/// The time in which a plan's requests come back, seconds.
pub const WINDOW_S: u64 = 3_600;
const SECOND: u64 = 1_000_000_000;
const WINDOW: u64 = WINDOW_S * SECOND;

/// On what a request draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purse {
    /// On the key's plan.
    Plan,
    /// On the reserve for what closes or cancels.
    Reserve,
    /// On what is there for dead-man timers, so that pushing them on takes nothing from what closes.
    Timers,
    /// On nothing: a kill switch waits for no hour.
    Nothing,
}

/// How a line stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The plan in force.
    pub plan: Plan,
    /// On what the request drew.
    pub purse: Purse,
    /// What that grants.
    pub grant: Grant,
    /// Requests that would be taken at once.
    pub remaining: u32,
    /// Seconds until there is one more.
    pub more_in_s: u64,
    /// Seconds until there are all.
    pub all_in_s: u64,
}

/// How a line stands, for people who look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Of its plan; none where nothing limits it.
    pub standing: Option<Standing>,
    /// Requests under way that count against [`Grant::concurrent`].
    pub running: u32,
    /// Requests under way that draw on something else.
    pub running_beside: u32,
}

/// Which limit a request ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// [`Grant::requests_per_hour`].
    Rate,
    /// [`Grant::concurrent`].
    Concurrent,
}

/// A request that is over the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// What it ran into.
    pub reached: Reached,
    /// Seconds after which it may be tried again.
    pub retry_after_s: u64,
    /// How the line stands.
    pub standing: Standing,
}

/// Every line's account of its requests. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Plans {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    enterprise: Grant,
    clock: Clock,
    /// One for each line that has called since the start.
    lines: Mutex<HashMap<KeyId, Arc<Line>>>,
}

#[derive(Debug, Default)]
struct Line {
    plan: Bucket,
    reserve: Bucket,
    timers: Bucket,
    nothing: Bucket,
}

#[derive(Debug, Default)]
struct Bucket {
    /// Up to when time is spent, nanoseconds of the steady clock.
    spent: Mutex<u64>,
    running: AtomicU32,
}

/// A request's place among those under way: given back when the last clone of what holds it is dropped.
#[derive(Debug)]
pub struct Permit {
    line: Arc<Line>,
    purse: Purse,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.line.bucket(self.purse).running.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Line {
    const fn bucket(&self, purse: Purse) -> &Bucket {
        match purse {
            Purse::Plan => &self.plan,
            Purse::Reserve => &self.reserve,
            Purse::Timers => &self.timers,
            Purse::Nothing => &self.nothing,
        }
    }
}

impl Plans {
    /// All unspent. `enterprise` is what the plan of this name grants.
    #[must_use]
    pub fn new(enterprise: Grant, clock: Clock) -> Self {
        Self { inner: Arc::new(Inner { enterprise, clock, lines: Mutex::default() }) }
    }

    /// What a plan grants; none if it limits nothing.
    #[must_use]
    pub fn grant(&self, plan: Plan) -> Option<Grant> {
        match plan {
            Plan::Free => Some(FREE),
            Plan::Pro => Some(PRO),
            Plan::Enterprise => Some(self.inner.enterprise),
            Plan::Unlimited => None,
        }
    }

    /// Takes a request of a line in under this plan, and says how the line stands; no standing where nothing limits it.
    ///
    /// # Errors
    /// [`Refused`]: nothing was spent.
    pub fn enter(&self, line: KeyId, plan: Plan, purse: Purse) -> Result<(Permit, Option<Standing>), Refused> {
        let line = self.line(line);
        let bucket = line.bucket(purse);
        // Counted first and looked at second, so that of many who come at once no more get in than may.
        let before = bucket.running.fetch_add(1, Ordering::AcqRel);
        let permit = Permit { line: Arc::clone(&line), purse };
        let granted = self.grant(plan).and_then(|grant| match purse {
            Purse::Plan => Some(grant),
            Purse::Reserve => Some(RESERVE),
            Purse::Timers => Some(TIMERS),
            Purse::Nothing => None,
        });
        let Some(grant) = granted else { return Ok((permit, None)) };
        let now = self.now();
        let mut spent = bucket.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = |reached, wait, spent| Refused {
            reached,
            retry_after_s: seconds(wait),
            standing: standing(plan, purse, grant, spent, now),
        };
        if before >= grant.concurrent {
            return Err(refused(Reached::Concurrent, SECOND, *spent));
        }
        match draw(*spent, now, grant.requests_per_hour) {
            Ok(after) => *spent = after,
            Err(wait) => return Err(refused(Reached::Rate, wait, *spent)),
        }
        let standing = standing(plan, purse, grant, *spent, now);
        drop(spent);
        Ok((permit, Some(standing)))
    }

    /// How a line stands under this plan, without a request; nothing is kept of one that has never called.
    #[must_use]
    pub fn look(&self, line: KeyId, plan: Plan) -> Look {
        let line = self.inner.lines.lock().unwrap_or_else(PoisonError::into_inner).get(&line).cloned().unwrap_or_default();
        let running = |bucket: &Bucket| bucket.running.load(Ordering::Acquire);
        let spent = *line.plan.spent.lock().unwrap_or_else(PoisonError::into_inner);
        Look {
            standing: self.grant(plan).map(|grant| standing(plan, Purse::Plan, grant, spent, self.now())),
            running: running(&line.plan),
            running_beside: running(&line.reserve) + running(&line.timers) + running(&line.nothing),
        }
    }

    /// Up to when a line's plan is spent, by the time of day: to be kept over a restart.
    #[must_use]
    pub fn spent_until(&self, line: KeyId) -> UnixMillis {
        let spent = *self.line(line).plan.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = i64::try_from(spent.saturating_sub(self.now()) / 1_000_000).unwrap_or(0);
        self.inner.clock.wall().plus_ms(ahead)
    }

    /// Takes over what a line had spent before a restart; never more than an hour, whatever the clock did.
    pub fn restore(&self, line: KeyId, spent_until: UnixMillis) {
        let ahead = u64::try_from(spent_until.since(self.inner.clock.wall())).unwrap_or(0).saturating_mul(1_000_000);
        let line = self.line(line);
        let mut spent = line.plan.spent.lock().unwrap_or_else(PoisonError::into_inner);
        *spent = (*spent).max(self.now() + ahead.min(WINDOW));
    }

    fn line(&self, line: KeyId) -> Arc<Line> {
        Arc::clone(self.inner.lines.lock().unwrap_or_else(PoisonError::into_inner).entry(line).or_default())
    }

    fn now(&self) -> u64 {
        u64::try_from(self.inner.clock.steady().0).unwrap_or(0).saturating_mul(1_000_000)
    }
}

/// One request at `now` for whom time is spent up to `spent`: up to when it is then, or how long it must wait. Nanoseconds.
fn draw(spent: u64, now: u64, per_hour: u32) -> Result<u64, u64> {
    let after = spent.max(now) + step(per_hour);
    match (after - now).checked_sub(capacity(per_hour)) {
        None | Some(0) => Ok(after),
        Some(wait) => Err(wait),
    }
}

/// What one request spends.
fn step(per_hour: u32) -> u64 {
    WINDOW / u64::from(per_hour.max(1))
}

/// What can be spent ahead: an hour, less the nanoseconds that it does not divide by.
fn capacity(per_hour: u32) -> u64 {
    step(per_hour) * u64::from(per_hour.max(1))
}

fn standing(plan: Plan, purse: Purse, grant: Grant, spent: u64, now: u64) -> Standing {
    let (step, capacity) = (step(grant.requests_per_hour), capacity(grant.requests_per_hour));
    // Under a larger plan of the same line a little more may have been spent.
    let ahead = spent.saturating_sub(now);
    let unspent = capacity.saturating_sub(ahead);
    let remaining = u32::try_from(unspent / step).unwrap_or(u32::MAX);
    let more_in = ahead.saturating_sub(capacity - (u64::from(remaining) + 1).min(u64::from(grant.requests_per_hour)) * step);
    Standing { plan, purse, grant, remaining, more_in_s: seconds(more_in), all_in_s: seconds(ahead) }
}

/// Whole seconds, never too few.
const fn seconds(nanoseconds: u64) -> u64 {
    nanoseconds.div_ceil(SECOND)
}

#[cfg(test)]
#[path = "plans_tests.rs"]
mod tests;
