use std::{num::NonZeroU32, time::Duration};

use governor::{Quota, RateLimiter, clock::FakeRelativeClock};
use proptest::prelude::*;

use super::*;
use crate::domain::{
    api_key::{ApiKey, Reach},
    ids::OwnerId,
    limits::Limits,
    scope::Scope,
};

const START: u64 = 1_700_000_000 * SECOND;

fn key(number: u128, first: Option<KeyId>, plan: Plan) -> ApiKey {
    ApiKey {
        id: KeyId::new(ulid::Ulid(number)),
        owner: OwnerId::SELF,
        name: String::new(),
        prefix: String::new(),
        digest: Vec::new(),
        reach: Reach::Live,
        permissions: Vec::new(),
        created_at: UnixMillis(0),
        expires_at: None,
        revoked_at: None,
        successor: None,
        first,
        limits: Limits::default(),
        plan,
        scope: Scope::default(),
    }
}

/// What is in front of plans in the program, where a tenant has no ceiling.
fn enter(plans: &Plans, key: &ApiKey, purse: Purse) -> Result<(Permit, Option<Standing>), Refused> {
    plans.enter(key.line(), key.plan, purse)
}

fn plans() -> Plans {
    Plans::new(Grant { requests_per_hour: 7, concurrent: 3 }, Clock::start())
}

/// How many requests get in, one after the other.
fn taken(plans: &Plans, key: &ApiKey, purse: Purse) -> usize {
    (0..5_000).take_while(|_| enter(plans, key, purse).is_ok()).count()
}

proptest! {
    /// `governor` is a well-kept crate of the same algorithm.
    #[test]
    fn requests_are_taken_exactly_when_another_implementation_takes_them(
        per_hour in 1_u32..5_000,
        gaps in proptest::collection::vec(prop_oneof![Just(0_u64), 0..2 * SECOND, 0..400 * SECOND, Just(WINDOW)], 1..400),
    ) {
        let clock = FakeRelativeClock::default();
        let quota = Quota::with_period(Duration::from_nanos(step(per_hour))).unwrap().allow_burst(NonZeroU32::new(per_hour).unwrap());
        let other = RateLimiter::direct_with_clock(quota, clock.clone());
        let (mut now, mut spent) = (START, 0);
        for gap in gaps {
            now += gap;
            clock.advance(Duration::from_nanos(gap));
            let ours = draw(spent, now, per_hour);
            prop_assert_eq!(ours.is_ok(), other.check().is_ok());
            spent = ours.unwrap_or(spent);
        }
    }

    #[test]
    fn what_is_told_of_the_future_comes_true(per_hour in 1_u32..5_000, ahead in 0..=WINDOW) {
        let grant = Grant { requests_per_hour: per_hour, concurrent: 1 };
        let told = standing(Plan::Free, Purse::Plan, grant, START + ahead, START);
        let at = |seconds: u64| standing(Plan::Free, Purse::Plan, grant, START + ahead, START + seconds * SECOND);
        prop_assert_eq!(at(told.all_in_s).remaining, per_hour);
        if told.remaining < per_hour {
            prop_assert!(at(told.more_in_s).remaining > told.remaining);
        }
        let mut spent = START + ahead;
        for _ in 0..told.remaining {
            spent = draw(spent, START, per_hour).unwrap();
        }
        let wait = draw(spent, START, per_hour).unwrap_err();
        prop_assert!(draw(spent, START + wait, per_hour).is_ok() && draw(spent, START + wait - 1, per_hour).is_err());
    }
}

#[tokio::test]
async fn a_free_key_has_a_hundred_requests_and_a_pro_key_a_thousand() {
    let plans = plans();
    for (number, plan, count) in
        [(1, Plan::Free, 100), (2, Plan::Pro, 1_000), (3, Plan::Enterprise, 7), (4, Plan::Unlimited, 5_000)]
    {
        assert_eq!(taken(&plans, &key(number, None, plan), Purse::Plan), count, "{plan:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_used_up_plan_comes_back_evenly() {
    let plans = plans();
    let key = key(1, None, Plan::Free);
    taken(&plans, &key, Purse::Plan);
    let refused = enter(&plans, &key, Purse::Plan).unwrap_err();
    assert_eq!((refused.reached, refused.retry_after_s, refused.standing.remaining), (Reached::Rate, 36, 0));
    assert_eq!((refused.standing.more_in_s, refused.standing.all_in_s), (36, 3_600));
    tokio::time::advance(Duration::from_secs(36)).await;
    assert_eq!(taken(&plans, &key, Purse::Plan), 1);
    tokio::time::advance(Duration::from_secs(1_800)).await;
    assert_eq!(taken(&plans, &key, Purse::Plan), 50);
}

#[tokio::test]
async fn keys_of_one_line_share_one_plan_though_they_have_different_ones() {
    let plans = plans();
    let old = key(1, None, Plan::Free);
    let new = key(2, Some(old.id), Plan::Free);
    assert_eq!(taken(&plans, &old, Purse::Plan), 100);
    assert_eq!(taken(&plans, &new, Purse::Plan), 0, "a rotation brings no second hour");
    // Of an hour that is spent nothing is left, whatever the plan: changing it to and fro gains nothing.
    let raised = key(2, Some(old.id), Plan::Pro);
    for _ in 0..10 {
        assert_eq!(taken(&plans, &raised, Purse::Plan) + taken(&plans, &old, Purse::Plan), 0);
    }
}

#[tokio::test]
async fn a_used_up_plan_leaves_the_reserve_and_the_reserve_leaves_the_plan() {
    let plans = plans();
    let key = key(1, None, Plan::Free);
    taken(&plans, &key, Purse::Plan);
    assert_eq!(taken(&plans, &key, Purse::Reserve), 1_200);
    let other = self::key(2, None, Plan::Free);
    assert_eq!(taken(&plans, &other, Purse::Reserve), 1_200);
    assert_eq!(taken(&plans, &other, Purse::Plan), 100);
}

#[tokio::test]
async fn so_many_may_be_under_way_and_each_that_ends_makes_room() {
    let plans = plans();
    let key = key(1, None, Plan::Enterprise);
    let mut held: Vec<_> = (0..3).map(|_| enter(&plans, &key, Purse::Plan).unwrap()).collect();
    let refused = enter(&plans, &key, Purse::Plan).unwrap_err();
    assert_eq!((refused.reached, refused.standing.remaining), (Reached::Concurrent, 4), "and it has spent nothing");
    assert!(enter(&plans, &key, Purse::Reserve).is_ok(), "what closes has places of its own");
    held.pop();
    assert!(enter(&plans, &key, Purse::Plan).is_ok());
    drop(held);
    let look = plans.look(key.id, key.plan);
    assert_eq!((look.running, look.running_beside), (0, 0));
}

#[tokio::test]
async fn what_was_spent_is_spent_after_a_restart_and_never_more_than_an_hour() {
    let (before, after) = (plans(), plans());
    let key = key(1, None, Plan::Free);
    taken(&before, &key, Purse::Plan);
    after.restore(key.id, before.spent_until(key.id));
    assert_eq!(taken(&after, &key, Purse::Plan), 0);
    let distant = plans();
    distant.restore(key.id, UnixMillis(i64::MAX));
    let refused = enter(&distant, &key, Purse::Plan).unwrap_err();
    assert!(refused.retry_after_s <= 36, "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn looking_says_how_a_line_stands_and_spends_nothing() {
    let plans = plans();
    let key = key(1, None, Plan::Free);
    let whole = plans.look(key.id, Plan::Free);
    assert_eq!((whole.running, whole.standing.map(|standing| (standing.remaining, standing.all_in_s))), (0, Some((100, 0))));
    assert!(plans.inner.lines.lock().unwrap().is_empty(), "nothing is kept of who has never called");
    let held = [(); 3].map(|()| enter(&plans, &key, Purse::Plan).unwrap());
    let _closes = enter(&plans, &key, Purse::Reserve).unwrap();
    for _ in 0..2 {
        let look = plans.look(key.id, Plan::Free);
        assert_eq!((look.running, look.running_beside), (3, 1));
        assert_eq!(look.standing.map(|standing| (standing.remaining, standing.all_in_s)), Some((97, 3 * 36)));
    }
    drop(held);
    assert_eq!(plans.look(key.id, Plan::Free).running, 0);
    assert_eq!(plans.look(key.id, Plan::Unlimited).standing, None);
}
