//! What every backend of [`Store`] does. Each check takes a fresh store and panics, with a reason, where it is broken;
//! [`check_all`] runs them one after the other under different keys.

// These are assertions for tests, kept in the library so that tests of other crates and backends can call them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Batch, Entry, Health, MAX_KEY, MAX_VALUE, Replay, SealScope, Store, StoreError, Written};

/// Every check below, on one store.
pub async fn check_all(store: Arc<dyn Store>) {
    what_is_put_can_be_read(&*store).await;
    scans_go_page_by_page(&*store).await;
    scans_back_go_page_by_page(&*store).await;
    a_batch_is_all_or_nothing(&*store).await;
    of_a_hundred_racing_creations_exactly_one_wins(Arc::clone(&store)).await;
    versions_make_compare_and_set_exact(Arc::clone(&store)).await;
    deleted_and_overwritten_values_are_gone(&*store).await;
    sealed_values_read_like_others_until_their_scope_is_shredded(&*store).await;
    large_values_come_back_whole(&*store).await;
    sizes_are_bounded(&*store).await;
    the_highest_key_is_known(&*store).await;
    changes_are_told_in_order(&*store).await;
    a_lagging_reader_of_changes_is_told_of_the_gap(&*store).await;
    what_was_committed_is_told_again(&*store).await;
    what_was_forgotten_is_not_told_again(&*store).await;
    assert_eq!(store.health(), Health::Ok);
    a_closed_store_says_so(&*store).await;
}

async fn value(store: &dyn Store, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    store.get(key.as_ref()).await.unwrap().map(|entry| entry.value)
}

async fn keys(store: &dyn Store, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<String> {
    let page = store.scan(prefix, after, limit).await.unwrap();
    page.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect()
}

/// Put, get, numbering.
pub async fn what_is_put_can_be_read(store: &dyn Store) {
    assert_eq!(store.get(b"put/none").await.unwrap(), None);
    let first = store.commit(Batch::admission().put("put/a", "1").put("put/b", "")).await.unwrap();
    let second = store.commit(Batch::outcome().put("put/a", "2")).await.unwrap();
    assert_eq!(second, first + 1, "batches are numbered without holes");
    assert_eq!(store.get(b"put/a").await.unwrap(), Some(Entry { version: second, value: b"2".to_vec() }));
    assert_eq!(
        store.get(b"put/b").await.unwrap(),
        Some(Entry { version: first, value: Vec::new() }),
        "an empty value is a value"
    );
    assert!(Batch::admission().expect_absent("x").is_empty());
}

/// Prefixes, order, `after`, limits, and bytes at the edges.
pub async fn scans_go_page_by_page(store: &dyn Store) {
    let batch = (0..25).fold(Batch::outcome(), |batch, n| batch.put(format!("scan/{n:02}"), n.to_string()));
    store.commit(batch.put("scan", "outside").put("scan0", "outside")).await.unwrap();
    assert_eq!(keys(store, b"scan/", None, 100).await.len(), 25, "only what starts with the prefix");
    let mut seen = Vec::new();
    loop {
        let after = seen.last().map(|last: &String| last.clone().into_bytes());
        let page = keys(store, b"scan/", after.as_deref(), 10).await;
        assert!(page.len() <= 10);
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen, (0..25).map(|n| format!("scan/{n:02}")).collect::<Vec<_>>());
    assert!(keys(store, b"scan/", Some(b"scan/24"), 10).await.is_empty());
    assert_eq!(keys(store, b"scan/", Some(b"scan/235"), 10).await, ["scan/24"], "`after` need not exist");
    assert_eq!(keys(store, b"scan/", Some(b"aaa"), 1).await, ["scan/00"], "`after` below the prefix is the start");
    assert!(keys(store, b"scan/", None, 0).await.is_empty());
    store.commit(Batch::outcome().put([0xff, 0xff, 1], "high").put([0xff, 0xff], "highest prefix")).await.unwrap();
    let high: Vec<Vec<u8>> = store.scan(&[0xff, 0xff], None, 9).await.unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(high, [vec![0xff, 0xff], vec![0xff, 0xff, 1]]);
}

/// Descending, `before`, limits, over what was written at different times and what was deleted.
pub async fn scans_back_go_page_by_page(store: &dyn Store) {
    let put =
        |range: std::ops::Range<u32>| range.fold(Batch::outcome(), |batch, n| batch.put(format!("back/{n:03}"), n.to_string()));
    store.commit(put(0..300).put("back", "outside").put("back0", "outside")).await.unwrap();
    store.commit((0..300).step_by(7).fold(Batch::outcome(), |batch, n| batch.delete(format!("back/{n:03}")))).await.unwrap();
    store.commit(put(250..320)).await.unwrap();
    let keys = async |before: Option<&[u8]>, limit| -> Vec<String> {
        let page = store.scan_back(b"back/", before, limit).await.unwrap();
        page.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect()
    };
    let mut seen: Vec<String> = Vec::new();
    loop {
        let page = keys(seen.last().map(String::as_bytes), 17).await;
        assert!(page.len() <= 17);
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    let mut all = self::keys(store, b"back/", None, 1_000).await;
    all.reverse();
    assert_eq!((seen.len(), &seen), (284, &all));
    assert_eq!(keys(Some(b"back/0015"), 1).await, ["back/001"], "`before` need not exist");
    assert_eq!(keys(Some(b"zzz"), 1).await, ["back/319"], "`before` above the prefix is the end");
    assert!(keys(Some(b"back/"), 5).await.is_empty() && keys(Some(b"aaa"), 5).await.is_empty());
}

/// One failed precondition refuses everything in the batch.
pub async fn a_batch_is_all_or_nothing(store: &dyn Store) {
    store.commit(Batch::outcome().put("atomic/held", "x")).await.unwrap();
    let refused = store.commit(Batch::outcome().put("atomic/new", "y").delete("atomic/held").expect_absent("atomic/held")).await;
    assert!(matches!(refused, Err(StoreError::Conflict { key }) if key == b"atomic/held"));
    assert_eq!(value(store, "atomic/new").await, None);
    assert_eq!(value(store, "atomic/held").await.as_deref(), Some(&b"x"[..]));
    let seq = store
        .commit(
            Batch::outcome()
                .put("atomic/new", "1")
                .put("atomic/new", "2")
                .delete("atomic/held")
                .put("atomic/gone", "3")
                .delete("atomic/gone"),
        )
        .await
        .unwrap();
    assert_eq!(
        store.get(b"atomic/new").await.unwrap(),
        Some(Entry { version: seq, value: b"2".to_vec() }),
        "the last write to a key wins"
    );
    assert_eq!(value(store, "atomic/held").await, None);
    assert_eq!(value(store, "atomic/gone").await, None);
}

/// `expect_absent` as a lock.
pub async fn of_a_hundred_racing_creations_exactly_one_wins(store: Arc<dyn Store>) {
    let mut racers = JoinSet::new();
    for n in 0..100 {
        let store = Arc::clone(&store);
        racers
            .spawn(async move { (n, store.commit(Batch::admission().expect_absent("race").put("race", format!("{n}"))).await) });
    }
    let mut winners = Vec::new();
    for raced in racers.join_all().await {
        match raced {
            (n, Ok(_)) => winners.push(n),
            (_, Err(StoreError::Conflict { .. })) => {}
            (_, Err(other)) => panic!("a loser hears of the conflict, not: {other}"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(value(&*store, "race").await, Some(winners[0].to_string().into_bytes()));
}

/// `expect_version`: twenty tasks count to a hundred together, and no step is lost.
pub async fn versions_make_compare_and_set_exact(store: Arc<dyn Store>) {
    let first = store.commit(Batch::outcome().put("count", "0")).await.unwrap();
    assert!(matches!(
        store.commit(Batch::outcome().put("count", "9").expect_version("count", first + 1)).await,
        Err(StoreError::Conflict { .. })
    ));
    assert!(matches!(
        store.commit(Batch::outcome().put("no", "9").expect_version("no", first)).await,
        Err(StoreError::Conflict { .. })
    ));
    let mut counters = JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(&store);
        counters.spawn(async move {
            let mut done = 0;
            while done < 5 {
                let entry = store.get(b"count").await.unwrap().unwrap();
                let next: u32 = String::from_utf8(entry.value).unwrap().parse::<u32>().unwrap() + 1;
                let batch = Batch::outcome().put("count", next.to_string()).expect_version("count", entry.version);
                match store.commit(batch).await {
                    Ok(_) => done += 1,
                    Err(StoreError::Conflict { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        });
    }
    counters.join_all().await;
    assert_eq!(value(&*store, "count").await.as_deref(), Some(&b"100"[..]));
}

/// Delete, delete of nothing, and a new life after it.
pub async fn deleted_and_overwritten_values_are_gone(store: &dyn Store) {
    store.commit(Batch::outcome().put("gone/a", "1").put("gone/b", "2")).await.unwrap();
    store.commit(Batch::outcome().delete("gone/a").delete("gone/never")).await.unwrap();
    assert_eq!(value(store, "gone/a").await, None);
    assert_eq!(keys(store, b"gone/", None, 9).await, ["gone/b"]);
    let again = store.commit(Batch::outcome().expect_absent("gone/a").put("gone/a", "3")).await.unwrap();
    assert_eq!(store.get(b"gone/a").await.unwrap().unwrap().version, again);
}

/// Sealing, shredding, and a new key for the same scope.
pub async fn sealed_values_read_like_others_until_their_scope_is_shredded(store: &dyn Store) {
    let (anna, bert) = (SealScope::new("anna", 1, "Demo"), SealScope::new("bert", 2, "Demo"));
    let long = vec![7; 20_000];
    let batch = Batch::outcome()
        .put_sealed(&anna, "seal/a", "secret")
        .put_sealed(&anna, "seal/b", long.clone())
        .put_sealed(&bert, "seal/c", "other")
        .put("seal/d", "open");
    let before = store.commit(batch).await.unwrap();
    assert_eq!(value(store, "seal/a").await.as_deref(), Some(&b"secret"[..]));
    assert_eq!(value(store, "seal/b").await, Some(long));
    assert_eq!(keys(store, b"seal/", None, 9).await, ["seal/a", "seal/b", "seal/c", "seal/d"]);
    store.commit(Batch::outcome().put_sealed(&anna, "seal/e", "too late").shred(&anna)).await.unwrap();
    for key in ["seal/a", "seal/b", "seal/e"] {
        assert_eq!(value(store, key).await, None, "{key} is forgotten");
    }
    assert_eq!(keys(store, b"seal/", None, 9).await, ["seal/c", "seal/d"]);
    assert_eq!(keys(store, b"seal/", None, 1).await, ["seal/c"], "forgotten entries do not use up a page");
    assert!(matches!(
        store.commit(Batch::outcome().expect_version("seal/a", before).put("x", "x")).await,
        Err(StoreError::Conflict { .. })
    ));
    store.commit(Batch::outcome().expect_absent("seal/a").put_sealed(&anna, "seal/a", "new life")).await.unwrap();
    assert_eq!(value(store, "seal/a").await.as_deref(), Some(&b"new life"[..]));
    assert_eq!(value(store, "seal/b").await, None, "a new key does not bring the old values back");
    store.commit(Batch::outcome().shred(&SealScope::new("nobody", 3, "Demo"))).await.unwrap();
    assert_eq!(value(store, "seal/a").await.as_deref(), Some(&b"new life"[..]));
}

/// Values around every size at which a backend may do something else, growing and shrinking under one key.
pub async fn large_values_come_back_whole(store: &dyn Store) {
    for size in [4_000, MAX_VALUE, 4_086, 4_087, 4_088, 100, 4_096, 8_176, 8_177, 40_000, 0, 9_000] {
        let bytes: Vec<u8> = (0..size).map(|at| (at * 31 + size) as u8).collect();
        store.commit(Batch::outcome().put("large/a", bytes.clone()).put(format!("large/b{size}"), bytes.clone())).await.unwrap();
        assert_eq!(value(store, "large/a").await, Some(bytes), "{size}");
    }
    let page = store.scan(b"large/", None, 99).await.unwrap();
    assert_eq!(page.len(), 13);
    assert_eq!(page[0].1.value.len(), 9_000);
    assert!(page.iter().skip(1).all(|(key, entry)| key == format!("large/b{}", entry.value.len()).as_bytes()));
}

/// Limits are refused with their names.
pub async fn sizes_are_bounded(store: &dyn Store) {
    let long_value = store.commit(Batch::outcome().put("size", vec![0; MAX_VALUE + 1])).await;
    assert!(matches!(long_value, Err(StoreError::TooLarge { what: "a value", limit: MAX_VALUE, .. })));
    let long_key = store.commit(Batch::outcome().put(vec![b'k'; MAX_KEY + 1], "")).await;
    assert!(matches!(long_key, Err(StoreError::TooLarge { what: "a key", .. })));
    store.commit(Batch::outcome().put(vec![b'k'; MAX_KEY], "")).await.unwrap();
}

/// `last_key`, while the key is on its way to the projection and when it has arrived.
pub async fn the_highest_key_is_known(store: &dyn Store) {
    assert_eq!(store.last_key(b"last/").await.unwrap(), None);
    store.commit(Batch::outcome().put("last/a", "").put("last/c", "").put("last/b", "").put("lasu", "")).await.unwrap();
    assert_eq!(store.last_key(b"last/").await.unwrap(), Some(b"last/c".to_vec()));
    // A page of its own, so that the first ones have time to move.
    for n in 0..50 {
        store.commit(Batch::outcome().put(format!("last/b{n:02}"), vec![0; 10_000])).await.unwrap();
    }
    assert_eq!(store.last_key(b"last/").await.unwrap(), Some(b"last/c".to_vec()));
    assert_eq!(store.last_key(b"last/b").await.unwrap(), Some(b"last/b49".to_vec()));
}

/// The change stream.
pub async fn changes_are_told_in_order(store: &dyn Store) {
    let mut changes = store.changes();
    let first = store.commit(Batch::outcome().put("told/a", "1").delete("told/b")).await.unwrap();
    assert!(store.commit(Batch::outcome().put("told/c", "1").expect_absent("told/a")).await.is_err());
    let second = store.commit(Batch::outcome().put("told/c", "2")).await.unwrap();
    let change = changes.recv().await.unwrap();
    assert_eq!((change.seq, change.keys.to_vec()), (first, vec![b"told/a".to_vec(), b"told/b".to_vec()]));
    let change = changes.recv().await.unwrap();
    assert_eq!((change.seq, change.keys.to_vec()), (second, vec![b"told/c".to_vec()]), "refused batches are not told");
}

/// The stream is bounded, and says when it has dropped something.
pub async fn a_lagging_reader_of_changes_is_told_of_the_gap(store: &dyn Store) {
    let mut changes = store.changes();
    for _ in 0..=super::CHANGES_KEPT {
        store.commit(Batch::outcome().put("lag", "x")).await.unwrap();
    }
    assert!(matches!(changes.recv().await, Err(tokio::sync::broadcast::error::RecvError::Lagged(_))));
    assert!(changes.recv().await.is_ok());
}

/// `replay`: order, values, pages, and what is not there.
pub async fn what_was_committed_is_told_again(store: &dyn Store) {
    let before = store.head();
    let scope = SealScope::new("carl", 3, "Demo");
    let first = store.commit(Batch::outcome().put("again/a", "1").put_sealed(&scope, "again/b", "2")).await.unwrap();
    assert!(store.commit(Batch::outcome().put("again/c", "x").expect_absent("again/a")).await.is_err());
    store.commit(Batch::outcome().put("again/a", "3").delete("again/b")).await.unwrap();
    assert_eq!(
        (store.head(), first),
        (before + 2, before + 1),
        "the head is what was committed last; what was refused is nothing"
    );
    let Replay::Batches(told) = store.replay(before, 10).await.unwrap() else { panic!("they are kept") };
    let put = |key: &str, value: &str| (key.as_bytes().to_vec(), Written::Put(value.as_bytes().to_vec()));
    assert_eq!(told.iter().map(|batch| batch.seq).collect::<Vec<_>>(), [first, first + 1]);
    assert_eq!(told[0].writes, [put("again/a", "1"), put("again/b", "2")], "as it was then, and sealed values opened");
    assert_eq!(told[1].writes, [put("again/a", "3"), (b"again/b".to_vec(), Written::Delete)]);
    let Replay::Batches(page) = store.replay(before, 1).await.unwrap() else { panic!("they are kept") };
    assert_eq!(page, told[..1], "page by page, and the same each time");
    assert_eq!(store.replay(store.head(), 10).await.unwrap(), Replay::Batches(Vec::new()), "nothing new is no gap");
    assert!(matches!(store.replay(store.head() + 1, 10).await.unwrap(), Replay::Gone { .. }), "of another history");
}

/// `replay` and `shred`.
pub async fn what_was_forgotten_is_not_told_again(store: &dyn Store) {
    let before = store.head();
    let scope = SealScope::new("dora", 4, "Demo");
    store.commit(Batch::outcome().put_sealed(&scope, "forgotten/a", "secret").put("forgotten/b", "open")).await.unwrap();
    store.commit(Batch::outcome().shred(&scope)).await.unwrap();
    let Replay::Batches(told) = store.replay(before, 10).await.unwrap() else { panic!("they are kept") };
    let written: Vec<_> = told[0].writes.iter().map(|(_, written)| written.clone()).collect();
    assert_eq!(written, [Written::Forgotten, Written::Put(b"open".to_vec())], "each keeps its place");
    assert_eq!((&told[1].writes, &told[1].forgets), (&Vec::new(), &vec![scope]), "and it is told what to forget");
}

/// After `close` nothing is written or read. The last check: the store is closed after it.
pub async fn a_closed_store_says_so(store: &dyn Store) {
    store.close().await.unwrap();
    assert!(matches!(store.commit(Batch::outcome().put("late", "x")).await, Err(StoreError::Closed)));
    assert!(matches!(store.get(b"late").await, Err(StoreError::Closed)));
    assert!(matches!(store.scan(b"late", None, 1).await, Err(StoreError::Closed)));
    store.close().await.unwrap();
}

#[cfg(test)]
mod tests {
    use super::super::failing::FailingStore;
    use super::super::memory::MemoryStore;
    use super::*;

    #[tokio::test]
    async fn the_memory_store_keeps_the_contract() {
        check_all(Arc::new(MemoryStore::new())).await;
    }

    #[tokio::test]
    async fn a_failing_store_without_orders_keeps_the_contract() {
        check_all(Arc::new(FailingStore::new(Arc::new(MemoryStore::new())))).await;
    }
}
