use super::*;
use crate::store::memory::MemoryStore;

fn stranger(address: [u8; 4], reason: &'static str) -> Denial<'static> {
    Denial { reason, lacks: "", actor: None, address: Some(address.into()), target: "GET /api/v1/keys", request: "req_1" }
}

fn known(actor: &str) -> Denial<'_> {
    Denial {
        reason: "forbidden",
        lacks: "trade:write",
        actor: Some(actor),
        address: Some([10, 0, 0, 1].into()),
        target: "POST /x",
        request: "req_2",
    }
}

/// Runs the writer over what was noted before, to its end, and gives what the store has then.
async fn written(denials: &Denials) -> Vec<AuditRecord> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let stop = CancellationToken::new();
    stop.cancel();
    denials.clone().run(Arc::clone(&store), Arc::default(), Duration::from_secs(60), stop).await;
    let page = store.scan(records::AUDIT, None, 10_000).await.unwrap();
    page.iter().map(|(key, entry)| records::decode(key, entry).unwrap()).collect()
}

#[tokio::test]
async fn strangers_of_one_network_and_reason_are_one_record_with_their_number() {
    let denials = Denials::new(Clock::start());
    for _ in 0..1_000 {
        denials.note(stranger([203, 0, 113, 9], "key_unknown"));
    }
    denials.note(stranger([203, 0, 113, 9], "key_revoked"));
    for last in 1..=5 {
        let address: IpAddr = format!("2001:db8::{last}").parse().unwrap();
        denials.note(Denial { address: Some(address), ..stranger([0; 4], "token_unknown") });
    }
    let mut records = written(&denials).await;
    records.sort_by_key(|record| std::cmp::Reverse(record.count));
    let seen: Vec<_> = records.iter().map(|record| (record.count, record.detail.as_str(), record.from.as_deref())).collect();
    let (v4, v6) = (Some("203.0.113.9"), Some("2001:db8::/64"));
    assert_eq!(seen, [(1_000, "key_unknown", v4), (5, "token_unknown", v6), (1, "key_revoked", v4)]);
    assert!(records.iter().all(|record| record.outcome == AuditOutcome::Denied && record.since.is_some()));
}

#[tokio::test]
async fn a_million_addresses_make_a_bounded_number_of_records_and_none_is_lost_from_the_count() {
    let denials = Denials::new(Clock::start());
    for n in 0..1_000_000_u32 {
        denials.note(stranger(n.to_be_bytes(), "key_unknown"));
    }
    let records = written(&denials).await;
    assert_eq!(records.len(), STRANGERS_MAX + 1);
    assert_eq!(records.iter().map(|record| record.count).sum::<u64>(), 1_000_000);
    assert!(records.iter().any(|record| record.actor == OTHERS && record.from.is_none()));
}

#[tokio::test]
async fn a_known_caller_is_written_one_by_one_and_then_counted() {
    let denials = Denials::new(Clock::start());
    (0..50).for_each(|_| denials.note(known("key_1")));
    let records = written(&denials).await;
    let singles = records.iter().filter(|record| record.request.as_deref() == Some("req_2")).count();
    assert_eq!((singles, records.len()), (10, 11));
    assert_eq!(records.iter().map(|record| record.count).sum::<u64>(), 50);
    assert!(records.iter().any(|record| record.detail == "forbidden trade:write" && record.target == "POST /x"));
}

#[tokio::test]
async fn strangers_take_no_place_from_known_callers() {
    let denials = Denials::new(Clock::start());
    for n in 0..100_000_u32 {
        denials.note(stranger(n.to_be_bytes(), "key_unknown"));
    }
    denials.note(known("key_1"));
    assert!(written(&denials).await.iter().any(|record| record.actor == "key_1" && record.request.is_some()));
}

#[tokio::test]
async fn many_known_callers_are_bounded_too() {
    let denials = Denials::new(Clock::start());
    for n in 0..10_000 {
        denials.note(known(&format!("key_{n}")));
    }
    let records = written(&denials).await;
    assert_eq!(records.len(), SINGLES_MAX + KNOWN_MAX + 1);
    assert_eq!(records.iter().map(|record| record.count).sum::<u64>(), 10_000);
}

#[tokio::test]
async fn a_denial_of_a_known_caller_does_not_wait_for_the_end_of_its_window() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let mut changes = store.changes();
    let (denials, stop) = (Denials::new(Clock::start()), CancellationToken::new());
    let mut running = tokio::task::JoinSet::new();
    running.spawn(denials.clone().run(Arc::clone(&store), Arc::default(), Duration::from_secs(86_400), stop.clone()));
    denials.note(known("key_1"));
    let change = tokio::time::timeout(Duration::from_secs(20), changes.recv()).await.unwrap().unwrap();
    assert_eq!(change.keys.len(), 1);
    stop.cancel();
    running.join_next().await.unwrap().unwrap();
}
