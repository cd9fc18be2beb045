#![allow(clippy::unwrap_used)]

use std::io;
use std::path::Path;

use super::*;
use crate::store::faults::Step;
use crate::store::{SealScope, contract};

fn options(dir: &Path) -> EmbeddedOptions {
    EmbeddedOptions { segment_bytes: 64 << 10, free_space_floor: 0, cache_capacity: 1 << 20, ..EmbeddedOptions::new(dir) }
}

fn open(dir: &Path) -> EmbeddedStore {
    EmbeddedStore::open(options(dir)).unwrap()
}

fn look(dir: &Path) -> Result<crate::store::journal::Scan, StoreError> {
    use crate::store::journal::{Base, scan};
    scan::scan(scan::list(&dir.join("journal"))?, Base::Start, |_| Ok(()))
}

async fn put(store: &EmbeddedStore, key: &str, value: &str) {
    store.commit(Batch::outcome().put(key, value)).await.unwrap();
}

async fn value(store: &EmbeddedStore, key: &str) -> Option<String> {
    store.get(key.as_bytes()).await.unwrap().map(|entry| String::from_utf8(entry.value).unwrap())
}

/// A store of forty batches and one long value, closed in good order.
async fn filled(dir: &Path) {
    let store = open(dir);
    for n in 0..40 {
        put(&store, &format!("k{n:02}"), &format!("v{n}")).await;
    }
    store.commit(Batch::outcome().put("long", vec![9; 50_000]).delete("k39")).await.unwrap();
    store.close().await.unwrap();
}

async fn assert_filled(store: &EmbeddedStore) {
    for n in 0..39 {
        assert_eq!(value(store, &format!("k{n:02}")).await, Some(format!("v{n}")));
    }
    assert_eq!(value(store, "k39").await, None);
    assert_eq!(store.get(b"long").await.unwrap().unwrap(), Entry { version: 41, value: vec![9; 50_000] });
    assert_eq!(store.scan(b"k", None, 100).await.unwrap().len(), 39);
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Every byte below `dir`, whatever the file.
fn all_bytes(dir: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in names(dir) {
        let path = dir.join(name);
        bytes.extend(if path.is_dir() { all_bytes(&path) } else { std::fs::read(&path).unwrap() });
    }
    bytes
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_store_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    contract::check_all(Arc::new(open(dir.path()))).await;
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let store = open(dir.path());
    assert_filled(&store).await;
    assert_eq!(store.commit(Batch::outcome()).await.unwrap(), 42, "numbers go on");
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_second_store_on_the_same_directory_is_refused_until_the_first_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    assert!(matches!(EmbeddedStore::open(options(dir.path())), Err(StoreError::Locked { .. })));
    first.close().await.unwrap();
    open(dir.path()).close().await.unwrap();
}

#[tokio::test]
async fn the_overlay_empties_into_the_projection() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..200 {
        put(&store, &format!("{n}"), "x").await;
    }
    store.close().await.unwrap();
    assert_eq!(store.shared.overlay.len(), 0);
}

#[tokio::test]
async fn a_crash_between_journal_and_state_is_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put(&store, "before", "1").await;
    while store.shared.overlay.len() > 0 {
        tokio::task::yield_now().await;
    }
    // The projection never sees what follows, as if the process had died before applying it.
    store.faults.fail_next(Step::StateApply, io::ErrorKind::Other);
    store.commit(Batch::outcome().put("after", "2").put("before", "3")).await.unwrap();
    assert!(store.close().await.is_err());
    let store = open(dir.path());
    assert_eq!(value(&store, "after").await.as_deref(), Some("2"));
    assert_eq!(value(&store, "before").await.as_deref(), Some("3"));
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_lost_or_damaged_projection_is_rebuilt_and_nothing_is_missing() {
    type Damage = (&'static str, fn(&Path));
    let damages: [Damage; 5] = [
        ("gone", |state| std::fs::remove_dir_all(state).unwrap()),
        ("conf is garbage", |state| std::fs::write(state.join("conf"), "garbage").unwrap()),
        ("db is garbage", |state| {
            let length = std::fs::metadata(state.join("db")).unwrap().len() as usize;
            std::fs::write(state.join("db"), vec![0xa5; length]).unwrap();
        }),
        ("db is cut", |state| std::fs::OpenOptions::new().write(true).open(state.join("db")).unwrap().set_len(100).unwrap()),
        ("all is garbage", |state| {
            for name in names(state).iter().filter(|name| !state.join(name).is_dir()) {
                std::fs::write(state.join(name), vec![7; 3000]).unwrap();
            }
        }),
    ];
    for (name, damage) in damages {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path()).await;
        damage(&dir.path().join("state"));
        let store = open(dir.path());
        assert_filled(&store).await;
        put(&store, "more", name).await;
        store.close().await.unwrap();
        let store = open(dir.path());
        assert_eq!(value(&store, "more").await.as_deref(), Some(name));
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_damaged_snapshot_is_moved_aside_and_nothing_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    open(dir.path()).close().await.unwrap();
    let state = dir.path().join("state");
    std::fs::write(state.join("snap.0000000000FFFFFF"), "garbage").unwrap();
    let store = open(dir.path());
    assert_filled(&store).await;
    store.close().await.unwrap();
    assert!(names(dir.path()).iter().any(|name| name.starts_with("state.bad")), "{:?}", names(dir.path()));
}

#[tokio::test]
async fn a_half_written_snapshot_is_removed_before_opening() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let stale = dir.path().join("state").join("snap.0000000000FFFFFF.generating");
    std::fs::write(&stale, "half").unwrap();
    let store = open(dir.path());
    assert!(!stale.exists());
    assert_filled(&store).await;
    assert!(!names(dir.path()).iter().any(|name| name.starts_with("state.bad")));
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_projection_found_damaged_while_running_is_rebuilt_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let store = open(dir.path());
    store.shared.failed(&ProjectionError::Damaged("test".into()));
    assert!(matches!(store.get(b"k00").await, Err(StoreError::Degraded { .. })));
    assert!(store.close().await.is_err());
    let store = open(dir.path());
    assert_filled(&store).await;
    assert!(names(dir.path()).iter().any(|name| name.starts_with("state.bad")));
    assert!(!dir.path().join("state.rebuild").exists());
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_projection_ahead_of_the_journal_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let journal = dir.path().join("journal").join("00000000000000000001.log");
    let bytes = std::fs::read(&journal).unwrap();
    let scan = look(dir.path()).unwrap();
    assert_eq!(scan.segments.len(), 1);
    // The last record is half gone: as a torn tail it would be cut in silence, but state/ has seen it.
    let mut cut = bytes;
    cut[scan.end as usize - 100..].fill(0);
    std::fs::write(&journal, cut).unwrap();
    let refused = EmbeddedStore::open(options(dir.path())).unwrap_err();
    assert!(matches!(&refused, StoreError::Damaged { detail, .. } if detail.contains("accept_loss = 1")), "{refused}");
    let store = EmbeddedStore::open(EmbeddedOptions { accept_loss: 1, ..options(dir.path()) }).unwrap();
    assert_eq!(store.commit(Batch::outcome().put("next", "x")).await.unwrap(), 43, "41 was lost, 42 says so");
    store.close().await.unwrap();
    let store = open(dir.path());
    assert_eq!(value(&store, "next").await.as_deref(), Some("x"));
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_projection_of_another_journal_is_rebuilt() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    filled(one.path()).await;
    let other = open(two.path());
    put(&other, "foreign", "x").await;
    other.close().await.unwrap();
    std::fs::remove_dir_all(one.path().join("state")).unwrap();
    std::fs::rename(two.path().join("state"), one.path().join("state")).unwrap();
    let store = open(one.path());
    assert_eq!(value(&store, "foreign").await, None);
    assert_filled(&store).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn every_failure_of_the_disk_latches() {
    for (step, kind) in [
        (Step::JournalWrite, io::ErrorKind::StorageFull),
        (Step::JournalSync, io::ErrorKind::Other),
        (Step::StateApply, io::ErrorKind::StorageFull),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        put(&store, "acknowledged", "1").await;
        store.faults.fail_next(step, kind);
        // The projection may fail at the record before already.
        let hit = store.commit(Batch::outcome().put("hit", "2")).await;
        if step != Step::StateApply {
            assert!(matches!(hit, Err(StoreError::Degraded { .. })), "{step:?}: {hit:?}");
        }
        while store.health() == Health::Ok {
            tokio::task::yield_now().await;
        }
        for _ in 0..3 {
            assert!(matches!(store.commit(Batch::outcome().put("later", "3")).await, Err(StoreError::Degraded { .. })));
        }
        assert!(matches!(store.get(b"acknowledged").await, Err(StoreError::Degraded { .. })));
        assert!(matches!(store.scan(b"", None, 9).await, Err(StoreError::Degraded { .. })));
        assert!(matches!(store.close().await, Err(StoreError::Degraded { .. })));
        let store = open(dir.path());
        assert_eq!(value(&store, "acknowledged").await.as_deref(), Some("1"));
        assert_eq!(value(&store, "later").await, None);
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn below_the_floor_new_work_is_refused_and_outcomes_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(EmbeddedOptions { free_space_floor: u64::MAX, ..options(dir.path()) }).unwrap();
    for n in 0..3 {
        let refused = store.commit(Batch::admission().put("new", "x")).await;
        assert!(matches!(refused, Err(StoreError::Full { floor: u64::MAX, free }) if free > 0), "{refused:?}");
        put(&store, "outcome", &n.to_string()).await;
    }
    assert_eq!(store.health(), Health::LowSpace);
    assert_eq!(value(&store, "new").await, None);
    assert_eq!(value(&store, "outcome").await.as_deref(), Some("2"));
    store.close().await.unwrap();
}

#[tokio::test]
async fn without_a_segment_set_aside_new_work_is_refused_and_outcomes_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(Batch::outcome().put("big", vec![1; 40_000])).await.unwrap();
    store.faults.fail_next(Step::Spare, io::ErrorKind::StorageFull);
    // This one takes the spare segment into use, and the next cannot be allocated.
    store.commit(Batch::outcome().put("big", vec![2; 40_000])).await.unwrap();
    assert!(matches!(store.commit(Batch::admission().put("new", "x")).await, Err(StoreError::Full { .. })));
    put(&store, "outcome", "x").await;
    store.commit(Batch::admission().put("new", "x")).await.unwrap();
    assert_eq!(store.health(), Health::Ok);
    store.close().await.unwrap();
}

#[tokio::test]
async fn sealed_values_never_reach_the_disk_in_clear() {
    let dir = tempfile::tempdir().unwrap();
    let scope = SealScope::new("anna", 87_654_321, "Demo");
    let store = open(dir.path());
    store.commit(Batch::outcome().put_sealed(&scope, "sealed", "very secret words").put("open", "plain words")).await.unwrap();
    store.close().await.unwrap();
    let bytes = all_bytes(dir.path());
    assert!(contains(&bytes, b"plain words"));
    assert!(!contains(&bytes, b"very secret"));
    assert!(!contains(&bytes, b"87654321"));
    let store = open(dir.path());
    assert_eq!(value(&store, "sealed").await.as_deref(), Some("very secret words"));
    store.close().await.unwrap();
}

#[tokio::test]
async fn shredded_is_forgotten_over_restarts_and_the_chain_still_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let scope = SealScope::new("anna", 1, "Demo");
    let keys = dir.path().join("keys");
    let store = open(dir.path());
    store.commit(Batch::outcome().put_sealed(&scope, "a", "secret")).await.unwrap();
    let backup = std::fs::read(keys.join(scope.file_name())).unwrap();
    store.commit(Batch::outcome().shred(&scope)).await.unwrap();
    assert!(names(&keys).is_empty());
    store.commit(Batch::outcome().put_sealed(&scope, "b", "new life")).await.unwrap();
    store.close().await.unwrap();
    // Also when state/ is built anew from the journal, tombstone included.
    std::fs::remove_dir_all(dir.path().join("state")).unwrap();
    let store = open(dir.path());
    assert_eq!(value(&store, "a").await, None);
    assert_eq!(value(&store, "b").await.as_deref(), Some("new life"), "replay does not destroy the newer key");
    store.commit(Batch::outcome().shred(&scope)).await.unwrap();
    store.close().await.unwrap();
    // A backup of keys/ brings the first key back; the tombstone in the journal destroys it again.
    std::fs::write(keys.join(scope.file_name()), backup).unwrap();
    let store = open(dir.path());
    assert_eq!(value(&store, "a").await, None);
    assert!(names(&keys).is_empty());
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_shred_and_a_new_value_of_the_same_scope_in_one_group_keep_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let scope = SealScope::new("anna", 1, "Demo");
    let store = open(dir.path());
    let commits = [
        store.commit(Batch::outcome().put_sealed(&scope, "old", "1")),
        store.commit(Batch::outcome().shred(&scope)),
        store.commit(Batch::outcome().put_sealed(&scope, "new", "2").expect_absent("old")),
    ];
    for result in futures_util::future::join_all(commits).await {
        result.unwrap();
    }
    assert_eq!(value(&store, "old").await, None);
    assert_eq!(value(&store, "new").await.as_deref(), Some("2"));
    store.close().await.unwrap();
}

#[tokio::test]
async fn readers_always_see_long_values_whole_while_they_are_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()));
    store.commit(Batch::outcome().put("long", vec![0; 30_000])).await.unwrap();
    let reader = {
        let store = Arc::clone(&store);
        std::thread::spawn(move || {
            let mut last = 0;
            while last < 100 {
                let entry = store.shared.get(b"long").unwrap().unwrap();
                assert!(entry.value.iter().all(|byte| *byte == entry.value[0]));
                assert!(entry.value[0] >= last);
                last = entry.value[0];
                assert_eq!(store.shared.scan(b"long", None, 9).unwrap().len(), 1);
            }
        })
    };
    for n in 1..=100u8 {
        store.commit(Batch::outcome().put("long", vec![n; 30_000 - usize::from(n) * 200])).await.unwrap();
    }
    tokio::task::spawn_blocking(move || reader.join().unwrap()).await.unwrap();
    store.close().await.unwrap();
}
