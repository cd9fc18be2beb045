#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::export::Export;
use super::layout::{archive_dir, export_dir, journal_dir};
use super::*;
use crate::store::SealScope;

/// Small segments, and an export whenever anything is new.
fn options(dir: &Path) -> EmbeddedOptions {
    EmbeddedOptions {
        segment_bytes: 16 << 10,
        free_space_floor: 0,
        cache_capacity: 1 << 20,
        export_every: Duration::from_nanos(1),
        ..EmbeddedOptions::new(dir)
    }
}

fn open(dir: &Path) -> EmbeddedStore {
    EmbeddedStore::open(options(dir)).unwrap()
}

async fn put(store: &EmbeddedStore, keys: std::ops::Range<u32>) {
    for n in keys {
        store.commit(Batch::outcome().put(format!("k{n:04}"), vec![n as u8; 500])).await.unwrap();
    }
}

async fn assert_put(store: &EmbeddedStore, keys: std::ops::Range<u32>) {
    let found = store.scan(b"k", None, 10_000).await.unwrap();
    assert_eq!(found.len(), keys.len());
    for (n, (key, entry)) in keys.zip(found) {
        assert_eq!((key, entry.version, entry.value), (format!("k{n:04}").into_bytes(), u64::from(n) + 1, vec![n as u8; 500]));
    }
}

/// Waits until the projection has everything, so that an export has it too.
async fn settled(store: &EmbeddedStore) {
    while store.shared.overlay.len() > 0 {
        tokio::task::yield_now().await;
    }
}

async fn export(store: &EmbeddedStore) {
    settled(store).await;
    store.upkeep().await.unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    crate::store::disk::matching(dir, |_| true).unwrap()
}

fn segments(dir: &Path) -> Vec<String> {
    names(&journal_dir(dir)).into_iter().filter(|name| name.ends_with(".log")).collect()
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

fn exports(dir: &Path) -> Vec<Export> {
    super::export::list(&export_dir(dir)).unwrap()
}

/// Two exports, with the journal going on behind the second: 150 records in all.
async fn exported_twice(dir: &Path) {
    let store = open(dir);
    put(&store, 0..60).await;
    export(&store).await;
    put(&store, 60..120).await;
    export(&store).await;
    put(&store, 120..150).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn segments_that_an_export_has_go_to_the_archive_and_the_chain_verifies_across_both() {
    let dir = tempfile::tempdir().unwrap();
    exported_twice(dir.path()).await;
    let first: u64 = segments(dir.path())[0].trim_end_matches(".log").parse().unwrap();
    assert!(first > 60 && first <= 121, "the journal begins with {first}");
    assert!(names(&archive_dir(dir.path())).len() >= 3);
    let history = verify_history(dir.path()).unwrap();
    assert_eq!((history.first, history.last, history.exports), (1, 150, 2));
    let store = open(dir.path());
    assert_put(&store, 0..150).await;
    assert_eq!(store.commit(Batch::outcome()).await.unwrap(), 151, "numbers go on");
    store.close().await.unwrap();
}

#[tokio::test]
async fn nothing_is_exported_when_nothing_is_new_or_it_is_switched_off() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(EmbeddedOptions { export_every: Duration::ZERO, ..options(dir.path()) }).unwrap();
    put(&store, 0..5).await;
    export(&store).await;
    store.close().await.unwrap();
    assert!(exports(dir.path()).is_empty());
    let store = open(dir.path());
    export(&store).await;
    let made = exports(dir.path());
    assert_eq!(made.len(), 1);
    export(&store).await;
    assert_eq!(exports(dir.path()), made);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_long_journal_is_exported_before_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let store =
        EmbeddedStore::open(EmbeddedOptions { export_every: Duration::from_secs(86_400), ..options(dir.path()) }).unwrap();
    put(&store, 0..10).await;
    export(&store).await;
    put(&store, 10..20).await;
    export(&store).await;
    assert_eq!(exports(dir.path()).len(), 1, "a day has not passed");
    put(&store, 20..320).await;
    export(&store).await;
    assert_eq!(exports(dir.path()).len(), 2);
    assert_eq!(segments(dir.path()).len(), 1);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_lost_projection_is_built_from_the_newest_export_that_is_whole_or_from_the_archive() {
    type Damage = fn(&[Export]);
    let damages: [(&str, Damage); 4] = [
        ("state/ alone is gone", |_| {}),
        ("a byte of the newest export is wrong", |exports| {
            change(&exports[0].path, |bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            });
        }),
        ("the newest export's header is wrong", |exports| change(&exports[0].path, |bytes| bytes[30] ^= 1)),
        ("no export is left", |exports| exports.iter().for_each(|export| std::fs::remove_file(&export.path).unwrap())),
    ];
    for (what, damage) in damages {
        let dir = tempfile::tempdir().unwrap();
        exported_twice(dir.path()).await;
        std::fs::remove_dir_all(dir.path().join("state")).unwrap();
        damage(&exports(dir.path()));
        let store = EmbeddedStore::open(options(dir.path())).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_put(&store, 0..150).await;
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn without_exports_and_archive_a_journal_that_begins_later_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    exported_twice(dir.path()).await;
    for gone in [export_dir(dir.path()), archive_dir(dir.path())] {
        std::fs::remove_dir_all(gone).unwrap();
    }
    let refused = EmbeddedStore::open(options(dir.path())).unwrap_err();
    assert!(matches!(&refused, StoreError::Damaged { detail, .. } if detail.contains("accept_loss")), "{refused}");
}

#[tokio::test]
async fn an_old_copy_of_state_is_thrown_away_and_built_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put(&store, 0..5).await;
    store.close().await.unwrap();
    let (state, old) = (dir.path().join("state"), dir.path().join("old"));
    std::fs::rename(&state, &old).unwrap();
    let store = open(dir.path());
    put(&store, 5..150).await;
    export(&store).await;
    store.close().await.unwrap();
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::rename(&old, &state).unwrap();
    let store = open(dir.path());
    assert_put(&store, 0..150).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn an_export_of_another_history_is_refused() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (dir, value) in [(one.path(), "1"), (two.path(), "2")] {
        let store = open(dir);
        store.commit(Batch::outcome().put("k", value)).await.unwrap();
        export(&store).await;
        store.close().await.unwrap();
    }
    let (from, to) = (exports(two.path()).remove(0).path, exports(one.path()).remove(0).path);
    std::fs::copy(from, to).unwrap();
    assert!(matches!(EmbeddedStore::open(options(one.path())), Err(StoreError::Damaged { .. })));
    assert!(verify_history(one.path()).is_err());
}

#[tokio::test]
async fn a_journal_that_ends_before_its_export_is_refused_and_the_export_used_when_the_loss_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put(&store, 0..20).await;
    export(&store).await;
    store.close().await.unwrap();
    for gone in [journal_dir(dir.path()), dir.path().join("state")] {
        std::fs::remove_dir_all(gone).unwrap();
    }
    assert!(matches!(EmbeddedStore::open(options(dir.path())), Err(StoreError::Damaged { .. })));
    let accepting = EmbeddedOptions { accept_loss: 20, ..options(dir.path()) };
    let store = EmbeddedStore::open(accepting).unwrap();
    assert_put(&store, 0..20).await;
    store.close().await.unwrap();
    let store = open(dir.path());
    assert_put(&store, 0..20).await;
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_made_while_commits_go_on_holds_exactly_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()));
    // Each batch moves one unit from one key to another, and leaves a long value behind that the next one takes away: whatever
    // mixes two moments shows in the sum, or in the count of long values.
    let accounts = 400_u32;
    // Half of them at the beginning of an export, half near its end.
    let name = |n: usize| format!("{}{n:03}", if n < 200 { 'a' } else { 'x' });
    for n in 0..accounts {
        store.commit(Batch::outcome().put(name(n as usize), 1_000_u32.to_be_bytes())).await.unwrap();
    }
    // So many rows between the accounts and the long value that an export takes longer than the projection gathers commits.
    for chunk in 0..4 {
        let filler = |batch: Batch, n: u32| batch.put(format!("f{chunk}/{n}"), vec![0; 100]);
        store.commit((0..1_500).fold(Batch::outcome(), filler)).await.unwrap();
    }
    settled(&store).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mover = {
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        async move {
            let mut held = vec![1_000_u32; accounts as usize];
            let mut moved = 0_u32;
            while !stop.load(Ordering::Relaxed) || moved < 50 {
                let (from, to) = ((moved * 7 % accounts) as usize, ((moved * 7 + 201) % accounts) as usize);
                held[from] -= 1;
                held[to] += 1;
                let batch = Batch::outcome()
                    .put(name(from), held[from].to_be_bytes())
                    .put(name(to), held[to].to_be_bytes())
                    .put(format!("z{moved}"), vec![1; 9_000])
                    .delete(format!("z{}", moved.wrapping_sub(1)));
                store.commit(batch).await.unwrap();
                moved += 1;
            }
        }
    };
    let exporter = {
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        async move {
            for _ in 0..3 {
                store.upkeep().await.unwrap();
            }
            stop.store(true, Ordering::Relaxed);
        }
    };
    tokio::join!(mover, exporter);
    store.close().await.unwrap();
    let mut with_records = 0;
    for export in exports(dir.path()) {
        // What the export alone says, without the journal.
        let mut map = std::collections::BTreeMap::new();
        let mut rows = 0;
        export.check().unwrap();
        export
            .groups(usize::MAX, |group| {
                rows += group.slots.len() as u64;
                map.extend(group.slots.into_iter().map(|(key, slot)| (key, slot.stored)));
                Ok(())
            })
            .unwrap();
        with_records += u64::from(rows > export.rows);
        map.retain(|_, stored| stored.is_some());
        let sum: u32 = map
            .iter()
            .filter(|(key, _)| matches!(key[0], b'a' | b'x'))
            .map(|(_, stored)| u32::from_be_bytes(stored.as_ref().unwrap().bytes[..].try_into().unwrap()))
            .sum();
        assert_eq!(sum, accounts * 1_000);
        assert!(map.keys().filter(|key| key[0] == b'z').count() <= 1);
    }
    assert!(with_records > 0, "no commit fell into any of the exports: the test shows nothing");
}

#[tokio::test]
async fn a_destroyed_key_that_a_backup_brings_back_is_destroyed_again_when_its_tombstone_is_in_the_archive() {
    let dir = tempfile::tempdir().unwrap();
    let scope = SealScope::new("anna", 1, "Demo");
    let store = open(dir.path());
    store.commit(Batch::outcome().put_sealed(&scope, "s", "secret")).await.unwrap();
    let path = dir.path().join("keys").join(scope.file_name());
    let key = std::fs::read(&path).unwrap();
    store.commit(Batch::outcome().shred(&scope)).await.unwrap();
    put(&store, 2..60).await;
    export(&store).await;
    store.close().await.unwrap();
    assert_ne!(segments(dir.path())[0], "00000000000000000001.log", "the tombstone is not in the journal any more");
    for without_exports in [false, true] {
        if without_exports {
            std::fs::remove_dir_all(export_dir(dir.path())).unwrap();
        }
        std::fs::write(&path, &key).unwrap();
        let store = EmbeddedStore::open(EmbeddedOptions { export_every: Duration::ZERO, ..options(dir.path()) }).unwrap();
        assert!(!path.exists());
        assert_eq!(store.get(b"s").await.unwrap(), None);
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn rows_whose_key_was_destroyed_leave_projection_and_exports_and_rows_whose_key_is_only_missing_stay() {
    let dir = tempfile::tempdir().unwrap();
    let (anna, bert) = (SealScope::new("anna", 1, "Demo"), SealScope::new("bert", 2, "Demo"));
    let store = open(dir.path());
    let batch = Batch::outcome()
        .put_sealed(&anna, "a1", "secret")
        .put_sealed(&anna, "a2", vec![1; 20_000])
        .put_sealed(&bert, "b", "kept")
        .put("c", "plain");
    store.commit(batch).await.unwrap();
    store.commit(Batch::outcome().shred(&anna).put("c", "more")).await.unwrap();
    store.commit(Batch::outcome().put_sealed(&anna, "a1", "new life")).await.unwrap();
    export(&store).await;
    let rows =
        |store: &EmbeddedStore| store.shared.with_projection(|projection| Ok(projection.range(b"", None).count())).unwrap();
    // Purging is asked of the projection's thread, which may be a moment behind.
    while rows(&store) > 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.get(b"a1").await.unwrap().unwrap().value, b"new life");
    assert_eq!(exports(dir.path())[0].rows, 3);
    store.close().await.unwrap();
    let key = dir.path().join("keys").join(bert.file_name());
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let store = open(dir.path());
    store.commit(Batch::outcome().shred(&SealScope::new("nobody", 3, "Demo"))).await.unwrap();
    export(&store).await;
    assert_eq!(store.get(b"b").await.unwrap(), None);
    store.close().await.unwrap();
    std::fs::write(&key, kept).unwrap();
    std::fs::remove_dir_all(dir.path().join("state")).unwrap();
    let store = open(dir.path());
    assert_eq!(store.get(b"b").await.unwrap().unwrap().value, b"kept");
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_changed_or_missing_archive_is_found_by_whoever_checks_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    exported_twice(dir.path()).await;
    let archive = archive_dir(dir.path());
    let second = archive.join(&names(&archive)[1]);
    let packed = std::fs::read(&second).unwrap();
    std::fs::remove_file(&second).unwrap();
    assert!(matches!(verify_history(dir.path()), Err(StoreError::Damaged { .. })), "one is missing");
    // Forged with all checksums right.
    let mut plain = zstd::decode_all(packed.as_slice()).unwrap();
    let at = crate::store::journal::frame::HEADER;
    let original = crate::store::journal::frame::decode(&plain[at..]).unwrap();
    let payload = vec![0x90; original.payload.len()];
    let mut forged = Vec::new();
    crate::store::journal::frame::encode_onto(
        &mut forged,
        &crate::store::journal::frame::Frame { payload: &payload, ..original },
    );
    plain[at..at + forged.len()].copy_from_slice(&forged);
    std::fs::write(&second, zstd::encode_all(plain.as_slice(), 3).unwrap()).unwrap();
    assert!(matches!(verify_history(dir.path()), Err(StoreError::Damaged { .. })), "one is forged");
    std::fs::write(&second, packed).unwrap();
    verify_history(dir.path()).unwrap();
}

#[tokio::test]
async fn archives_older_than_the_settings_keep_are_removed_from_the_oldest_on() {
    let dir = tempfile::tempdir().unwrap();
    exported_twice(dir.path()).await;
    let archive = archive_dir(dir.path());
    let all = names(&archive);
    let old = std::time::SystemTime::now() - Duration::from_secs(40 * 86_400);
    for name in &all[..2] {
        std::fs::File::options().write(true).open(archive.join(name)).unwrap().set_modified(old).unwrap();
    }
    let store = EmbeddedStore::open(EmbeddedOptions { archive_days: 30, ..options(dir.path()) }).unwrap();
    export(&store).await;
    store.close().await.unwrap();
    assert!(!names(&archive).contains(&all[0]) && !names(&archive).contains(&all[1]) && names(&archive).contains(&all[2]));
    let history = verify_history(dir.path()).unwrap();
    assert_eq!((history.first.to_string(), history.last), (all[2].trim_start_matches('0').replace(".log.zst", ""), 150));
}

#[tokio::test]
async fn old_exports_are_removed_and_seven_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..9 {
        put(&store, n..n + 1).await;
        export(&store).await;
    }
    store.close().await.unwrap();
    assert_eq!(exports(dir.path()).iter().map(|export| export.seq).collect::<Vec<_>>(), [9, 8, 7, 6, 5, 4, 3]);
}

#[tokio::test]
async fn an_export_is_refused_below_the_floor_of_free_space_and_commits_of_outcomes_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(EmbeddedOptions { free_space_floor: u64::MAX, ..options(dir.path()) }).unwrap();
    put(&store, 0..5).await;
    settled(&store).await;
    assert!(matches!(store.upkeep().await, Err(StoreError::Full { .. })));
    put(&store, 5..6).await;
    assert_eq!(store.health(), Health::LowSpace);
    store.close().await.unwrap();
    assert!(exports(dir.path()).is_empty());
}

async fn told_again(store: &EmbeddedStore, from: Seq, limit: usize) -> Vec<crate::store::Committed> {
    let mut all: Vec<crate::store::Committed> = Vec::new();
    loop {
        let after = all.last().map_or(from, |batch| batch.seq);
        match store.replay(after, limit).await.unwrap() {
            Replay::Batches(page) if page.is_empty() => return all,
            Replay::Batches(page) => {
                assert!(page.len() <= limit);
                all.extend(page);
            }
            Replay::Gone { oldest } => panic!("{oldest}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_life_tells_the_past_from_its_journal_as_it_was_told_then() {
    let dir = tempfile::tempdir().unwrap();
    let scope = SealScope::new("anna", 1, "Demo");
    let options = EmbeddedOptions { export_every: Duration::ZERO, ..options(dir.path()) };
    let store = EmbeddedStore::open(options.clone()).unwrap();
    put(&store, 0..50).await;
    store.commit(Batch::outcome().put_sealed(&scope, "sealed", "secret").delete("k0000")).await.unwrap();
    store.commit(Batch::outcome().put("long", vec![7; 200_000])).await.unwrap();
    put(&store, 52..90).await;
    let live = told_again(&store, 0, 1_000).await;
    assert_eq!(live.len(), 90);
    store.close().await.unwrap();
    assert!(segments(dir.path()).len() > 3, "over many files");
    let store = EmbeddedStore::open(options.clone()).unwrap();
    assert_eq!(store.head(), 90);
    assert!(store.shared.recent.after(0, 1, &store.shared.keyring).unwrap().is_none(), "nothing of it is in memory");
    assert_eq!(told_again(&store, 0, 1_000).await, live);
    for limit in [1, 7] {
        assert_eq!(told_again(&store, 33, limit).await, live[33..], "page by page");
    }
    // While it is written: the file's part and the memory's meet without a hole.
    put(&store, 90..95).await;
    let all = told_again(&store, 0, 10).await;
    assert_eq!(all.iter().map(|batch| batch.seq).collect::<Vec<_>>(), (1..=95).collect::<Vec<_>>());
    store.commit(Batch::outcome().shred(&scope)).await.unwrap();
    assert_eq!(told_again(&store, 50, 1).await[0].writes[0].1, crate::store::Written::Forgotten);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_to_the_archive_is_told_to_be_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put(&store, 0..100).await;
    export(&store).await;
    store.close().await.unwrap();
    let begins: Seq = segments(dir.path())[0].trim_end_matches(".log").parse().unwrap();
    assert!(begins > 2, "something was archived");
    let store = open(dir.path());
    assert_eq!(store.replay(begins - 2, 10).await.unwrap(), Replay::Gone { oldest: begins });
    let told = told_again(&store, begins - 1, 10).await;
    assert_eq!((told[0].seq, told.last().unwrap().seq), (begins, 100));
}
