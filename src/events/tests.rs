use super::*;
use crate::{
    clock::{Clock, Ids},
    domain::{
        UnixMillis,
        account::Account,
        event::Subject,
        history::{Fact, HistoryAccount, HistoryRecord, Origin, Source},
        ids::{IncidentId, OwnerId},
        safety::{Incident, IncidentKind},
        trade::Deal,
    },
    store::{Batch, memory::MemoryStore},
};

fn account() -> Account {
    Account::new(1001, "Demo-Server").unwrap()
}

async fn log() -> (Arc<dyn Store>, Events) {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let events = over(&store).await;
    (store, events)
}

async fn over(store: &Arc<dyn Store>) -> Events {
    let access = Access::open(Arc::clone(store), [7; 32], Clock::start(), Arc::new(Ids::default())).await.unwrap();
    Events::open(Arc::clone(store), access, Metrics::new()).await.unwrap()
}

/// A deal of the account, as the trade history writes it.
async fn deal(store: &Arc<dyn Store>, ticket: u64) {
    let about = HistoryAccount { account: account(), trade_mode: 0, complete_until: 0, judged: None };
    let scope = records::scope(OwnerId::SELF, &account());
    let fact = Fact::Deal(Deal { ticket, symbol: "EURUSD".into(), ..Deal::default() });
    let now = UnixMillis(1_700_000_000_000);
    let (source, origin) = (Source::Pushed, Origin::Foreign);
    let row = HistoryRecord { time: now, seen_at: now, updated_at: now, source, transaction: None, origin, fact };
    let batch = Batch::outcome()
        .put_sealed(&scope, records::history_account(OwnerId::SELF, &account()), records::encode(&about))
        .put_sealed(&scope, records::history_row(OwnerId::SELF, &account(), ticket, &[0; 16]), records::encode(&row));
    store.commit(batch).await.unwrap();
}

async fn incident(store: &Arc<dyn Store>, number: u128, text: &str) {
    let incident = Incident {
        id: IncidentId::new(ulid::Ulid(number)),
        at: UnixMillis(1),
        owner: OwnerId::SELF,
        account: account(),
        kind: IncidentKind::UnknownTag,
        command: None,
        text: text.to_owned(),
    };
    store.commit(records::put_incident(Batch::outcome(), &incident)).await.unwrap();
}

async fn tickets(events: &Events, cursor: u64) -> Vec<u64> {
    let page = events.after(cursor, usize::MAX).await.unwrap();
    page.events.iter().map(|told| told.data["ticket"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn each_change_is_an_event_once_in_the_order_of_the_store() {
    let (store, events) = log().await;
    let begin = events.now();
    deal(&store, 1).await;
    incident(&store, 5, "?").await;
    store.commit(Batch::outcome().put("unrelated", "x")).await.unwrap();
    deal(&store, 2).await;
    events.catch_up().await.unwrap();
    let page = events.after(begin, 100).await.unwrap();
    let kinds: Vec<_> = page.events.iter().map(|told| (told.kind, told.subject)).collect();
    assert_eq!(kinds, [("deal", Subject::Deals), ("incident.unknown_tag", Subject::Incidents), ("deal", Subject::Deals)]);
    assert!(page.events.iter().all(|told| told.account == Some(account()) && told.demo), "the account is found by its digest");
    assert_eq!(page.events[0].symbol.as_deref(), Some("EURUSD"));
    assert_eq!(page.next, events.now());
    assert!(events.after(page.next, 100).await.unwrap().events.is_empty());
    let middle = page.events[0].seq;
    assert_eq!(events.after(middle, 1).await.unwrap().events[0].kind, "incident.unknown_tag");
}

#[tokio::test]
async fn a_token_is_told_of_when_somebody_changes_it_and_not_when_it_is_only_seen() {
    let (store, events) = log().await;
    let access = &events.inner.access;
    let (token, _) = access.mint_token("VPS", OwnerId::SELF, "test").await.unwrap();
    access.admit(token.id, &account(), 0).await.unwrap();
    access.note_disconnect(token.id, &account(), UnixMillis(77), "closed").await.unwrap();
    access.revoke_token(token.id, "test").await.unwrap();
    events.catch_up().await.unwrap();
    let page = events.after(0, 100).await.unwrap();
    let kinds: Vec<_> = page.events.iter().map(|told| told.kind).collect();
    assert_eq!(kinds, ["token.created", "token.locked", "token.revoked"]);
    assert_eq!(page.events[1].account, Some(account()));
    assert!(!page.events[0].data.to_string().contains("digest"));
    assert_eq!(store.head(), 4, "the one that is not told was written all the same");
}

#[tokio::test]
async fn memory_and_store_tell_the_same() {
    let (store, events) = log().await;
    for ticket in 1..=20 {
        deal(&store, ticket).await;
    }
    events.catch_up().await.unwrap();
    let remembered = events.after(0, usize::MAX).await.unwrap();
    // A later life of the hub, in which nothing is in memory.
    let later = over(&store).await;
    later.inner.ring.write().unwrap().restart(store.head());
    let mut read = Page::default();
    while read.next < later.now() {
        let page = later.after(read.next, 3).await.unwrap();
        read.events.extend(page.events);
        read.next = page.next;
    }
    let of = |page: &Page| page.events.iter().map(|told| ((**told).clone(), told.mark)).collect::<Vec<_>>();
    assert_eq!(of(&read), of(&remembered));
    assert_eq!(read.next, remembered.next);
    for told in &remembered.events {
        assert_eq!(later.mark_of(told.seq).await.unwrap(), told.mark);
        for log in [&events, &later] {
            assert_eq!(**log.at(told.seq).await.unwrap().unwrap(), ***told, "one alone");
            assert!(log.at(told.seq + 1).await.unwrap().is_none());
        }
    }
}

#[tokio::test]
async fn webhooks_that_are_far_behind_keep_no_stream_waiting() {
    let (store, _) = log().await;
    deal(&store, 1).await;
    let later = over(&store).await;
    later.inner.ring.write().unwrap().restart(store.head());
    let webhooks = later.apart();
    let _all = webhooks.readers.acquire_many(u32::try_from(READERS).unwrap()).await.unwrap();
    assert_eq!(tickets(&later, 0).await, [1]);
}

#[tokio::test]
async fn what_is_forgotten_is_not_told_from_memory_either() {
    let (store, events) = log().await;
    deal(&store, 1).await;
    events.catch_up().await.unwrap();
    assert_eq!(tickets(&events, 0).await, [1]);
    store.commit(Batch::outcome().shred(&records::scope(OwnerId::SELF, &account()))).await.unwrap();
    deal(&store, 2).await;
    events.catch_up().await.unwrap();
    assert_eq!(tickets(&events, 0).await, [2]);
}

#[tokio::test]
async fn a_reader_that_is_far_behind_is_answered_from_the_store() {
    let (store, events) = log().await;
    let text = "x".repeat(8_000);
    for number in 1..=600 {
        incident(&store, number, &text).await;
        events.catch_up().await.unwrap();
    }
    assert!(events.remembered(end_of(50), 10).is_none(), "the memory is bounded");
    let page = events.after(end_of(50), 10).await.unwrap();
    assert_eq!(batch_of(page.events[0].seq), 51);
}

#[tokio::test]
async fn what_the_store_does_not_keep_is_a_gap_and_so_is_a_place_that_never_was() {
    let (store, events) = log().await;
    for ticket in 1..=9_000 {
        incident(&store, ticket, "?").await;
    }
    events.catch_up().await.unwrap();
    // The memory store keeps 4,096 batches.
    let Err(Missed::Gap(gap)) = events.after(end_of(10), 10).await else { panic!("they are gone") };
    assert_eq!((gap.from, gap.to), (end_of(10), end_of(9_000 - 4_096)));
    events.after(gap.to, 10).await.unwrap();
    assert!(matches!(events.after(end_of(9_001), 10).await, Err(Missed::Gap(_))));
}

#[tokio::test]
async fn followers_are_woken_by_what_is_new() {
    let (store, events) = log().await;
    let stop = CancellationToken::new();
    let tasks = tokio_util::task::TaskTracker::new();
    let following = tasks.spawn(events.clone().run(stop.clone()));
    let mut head = events.head();
    deal(&store, 1).await;
    head.changed().await.unwrap();
    assert_eq!(tickets(&events, 0).await, [1]);
    stop.cancel();
    following.await.unwrap();
}

#[tokio::test]
async fn every_audit_record_is_told_of_in_whatever_order_ids_and_commits_came() {
    let (store, events) = log().await;
    let mut audited = events.audited();
    for number in [2, 1, 3] {
        let id = ulid::Ulid(number);
        store.commit(Batch::outcome().put(records::audit(id), vec![0])).await.unwrap();
        events.catch_up().await.unwrap();
        assert!(audited.has_changed().unwrap(), "{number}");
        assert_eq!(*audited.borrow_and_update(), Some(id));
    }
}

#[tokio::test]
async fn a_frame_is_written_once_for_each_encoding() {
    let (store, events) = log().await;
    deal(&store, 1).await;
    events.catch_up().await.unwrap();
    let mut written = 0;
    for _ in 0..1_000 {
        let told = &events.after(0, 1).await.unwrap().events[0];
        for encoding in [0, 1] {
            let frame = told.frame(encoding, || {
                written += 1;
                bytes::Bytes::from(vec![u8::try_from(encoding).unwrap()])
            });
            assert_eq!(frame[0], u8::try_from(encoding).unwrap());
        }
    }
    assert_eq!(written, 2);
}
