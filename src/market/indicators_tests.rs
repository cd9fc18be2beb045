use super::*;
use crate::{
    domain::{api_key::Reach, market::Timeframe},
    store::{Entry, Replay, Written, memory::MemoryStore},
};

fn slot(line: u128, id: &str) -> IndicatorSlot {
    let line = KeyId::new(ulid::Ulid(line));
    IndicatorSlot { line, id: id.to_owned(), symbol: "EURUSD".to_owned(), timeframe: Timeframe::M1 }
}

async fn submit(indicators: &Indicators, slot: IndicatorSlot) -> Result<Arc<Row>, IndicatorError> {
    submit_as(indicators, OwnerId::SELF, slot).await
}

async fn submit_as(indicators: &Indicators, owner: OwnerId, slot: IndicatorSlot) -> Result<Arc<Row>, IndicatorError> {
    let audience = Audience { owner, reach: Reach::Live, accounts: None };
    indicators.submit(slot, audience, Drawing { name: "n".into(), ..Drawing::default() }).await
}

fn list(indicators: &Indicators, line: KeyId) -> Vec<Arc<Row>> {
    indicators.list(&Which { line: Some(line), ..Which::of(OwnerId::SELF) })
}

#[tokio::test]
async fn a_bot_has_a_bounded_number_and_deleting_or_replacing_makes_no_difference_to_others() {
    let indicators = Indicators::open(Arc::new(MemoryStore::default()), Clock::start()).await.unwrap();
    for n in 0..PER_LINE_MAX {
        submit(&indicators, slot(1, &n.to_string())).await.unwrap();
    }
    assert!(matches!(submit(&indicators, slot(1, "more")).await, Err(IndicatorError::TooMany)));
    submit(&indicators, slot(1, "7")).await.unwrap();
    submit(&indicators, slot(2, "more")).await.unwrap();
    assert!(indicators.delete(&slot(1, "7")).await.unwrap());
    assert!(!indicators.delete(&slot(1, "7")).await.unwrap(), "it is gone");
    submit(&indicators, slot(1, "more")).await.unwrap();
    assert_eq!(list(&indicators, KeyId::new(ulid::Ulid(1))).len(), PER_LINE_MAX);
}

#[tokio::test]
async fn the_hub_has_a_bounded_number_and_takes_what_replaces() {
    let indicators = Indicators::open(Arc::new(MemoryStore::default()), Clock::start()).await.unwrap();
    let tenant = |n: usize| OwnerId::from_bytes([u8::try_from(n / PER_TENANT_MAX).unwrap(); 16]);
    for n in 0..ALL_MAX {
        submit_as(&indicators, tenant(n), slot(n as u128 / 100, &n.to_string())).await.unwrap();
    }
    assert!(matches!(submit_as(&indicators, tenant(0), slot(9_999, "more")).await, Err(IndicatorError::TenantFull)));
    assert!(matches!(submit_as(&indicators, tenant(ALL_MAX), slot(9_999, "more")).await, Err(IndicatorError::HubFull)));
    submit_as(&indicators, tenant(0), slot(0, "7")).await.unwrap();
}

#[tokio::test]
async fn what_was_deleted_is_remembered_in_a_bounded_number_newest_first_over_a_restart() {
    let store = Arc::new(MemoryStore::default());
    let indicators = Indicators::open(Arc::clone(&store) as _, Clock::start()).await.unwrap();
    for n in 0..2 * DELETED_MAX {
        submit(&indicators, slot(1, &n.to_string())).await.unwrap();
        assert!(indicators.delete(&slot(1, &n.to_string())).await.unwrap());
    }
    let again = Indicators::open(Arc::clone(&store) as _, Clock::start()).await.unwrap();
    for indicators in [&indicators, &again] {
        let news = indicators.since(OwnerId::SELF, 0);
        let ids: Vec<_> = news.iter().map(|row| row.slot.id.parse::<usize>().unwrap()).collect();
        assert_eq!(ids, (DELETED_MAX..2 * DELETED_MAX).collect::<Vec<_>>());
        assert!(news.iter().all(|row| row.deleted));
        assert!(list(indicators, KeyId::new(ulid::Ulid(1))).is_empty());
        assert_eq!(indicators.get(&slot(1, "99")).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_record_that_names_its_author_is_read_as_well() {
    #[derive(serde::Serialize)]
    struct Before {
        #[serde(flatten)]
        indicator: Indicator,
        author: BTreeMap<&'static str, &'static str>,
    }
    let store = Arc::new(MemoryStore::default());
    let indicators = Indicators::open(Arc::clone(&store) as _, Clock::start()).await.unwrap();
    submit(&indicators, slot(1, "old")).await.unwrap();
    let indicator = indicators.read(&slot(1, "old")).await.unwrap().unwrap();
    let before = Before { indicator: indicator.clone(), author: [("name", "a bot")].into() };
    let entry = Entry { version: 0, value: records::encode(&before) };
    assert_eq!(records::decode::<Indicator>(b"x", &entry).unwrap(), indicator);
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_is_nowhere_and_then_removed_from_the_store() {
    let store = Arc::new(MemoryStore::default());
    let indicators = Indicators::open(Arc::clone(&store) as _, Clock::start()).await.unwrap();
    submit(&indicators, slot(1, "old")).await.unwrap();
    let key = records::indicator(&slot(1, "old"));
    let entry = store.get(&key).await.unwrap().unwrap();
    let mut old: Indicator = records::decode(&key, &entry).unwrap();
    old.expires_at = old.created_at;
    store.commit(Batch::outcome().put(key.clone(), records::encode(&old))).await.unwrap();
    let again = Indicators::open(Arc::clone(&store) as _, Clock::start()).await.unwrap();
    assert_eq!(again.get(&slot(1, "old")).await.unwrap(), None);
    assert!(list(&again, slot(1, "old").line).is_empty() && again.since(OwnerId::SELF, 0).is_empty());
    assert!(!again.delete(&slot(1, "old")).await.unwrap());
    let before = store.head();
    // For the time of the first look.
    let _ = tokio::time::timeout(PURGE / 2, again.clone().run(CancellationToken::new())).await;
    assert_eq!(store.get(&key).await.unwrap(), None);
    let Replay::Batches(batches) = store.replay(before, 10).await.unwrap() else { panic!("the batch is there") };
    let [(told, Written::Put(value)), (gone, Written::Delete)] = batches[0].writes.as_slice() else { panic!("{batches:?}") };
    let ended: Indicator = records::decode(told, &Entry { version: 0, value: value.clone() }).unwrap();
    assert!(ended.has_expired() && ended.drawing.points.is_empty() && ended.slot == old.slot, "{ended:?}");
    assert_eq!((told, gone), (&key, &key));
    again.purge().await.unwrap();
    assert_eq!(store.head(), before + 1, "once");
    submit(&again, slot(1, "old")).await.unwrap();
    assert_eq!(list(&again, slot(1, "old").line).len(), 1);
}
