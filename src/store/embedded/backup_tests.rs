#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::restore::{RestoreError, check_backup, restore};
use super::*;
use crate::store::SealScope;

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

/// Reads a backup to its end, into a file.
async fn save(mut backup: Backup, file: &Path) {
    let mut bytes = Vec::new();
    while let Some(chunk) = backup.chunks.recv().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    std::fs::write(file, bytes).unwrap();
}

/// A store with an export, an archive and a journal, and its backup.
async fn backed_up(dir: &Path) -> PathBuf {
    let (data, file) = (dir.join("data"), dir.join("backup.tar.zst"));
    let store = open(&data);
    std::fs::write(data.join("secret.key"), "pepper").unwrap();
    store.commit(Batch::outcome().put_sealed(&SealScope::new("anna", 1, "Demo"), "sealed", "secret")).await.unwrap();
    put(&store, 0..60).await;
    store.upkeep().await.unwrap();
    put(&store, 60..90).await;
    save(store.backup().await.unwrap(), &file).await;
    store.close().await.unwrap();
    file
}

#[tokio::test]
async fn what_was_acknowledged_before_a_backup_is_there_after_the_restore_and_the_note_shuts_trading() {
    let dir = tempfile::tempdir().unwrap();
    let file = backed_up(dir.path()).await;
    let checked = check_backup(&file).unwrap();
    let target = dir.path().join("new/data");
    assert_eq!(restore(file, target.clone()).await.unwrap(), checked);
    assert_eq!(checked.seq, 91);
    let note: serde_json::Value = serde_json::from_slice(&std::fs::read(target.join("restored")).unwrap()).unwrap();
    assert_eq!(note["seq"], 91);
    assert!(note["backup_at"].as_str().unwrap().starts_with("20") && note["at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(std::fs::read(target.join("secret.key")).unwrap(), b"pepper");
    assert_eq!(verify_history(&target).unwrap(), verify_history(&dir.path().join("data")).unwrap());
    let store = open(&target);
    assert_eq!(store.scan(b"k", None, 1_000).await.unwrap().len(), 90);
    assert_eq!(store.get(b"sealed").await.unwrap().unwrap().value, b"secret");
    assert_eq!(store.commit(Batch::outcome().put("goes", "on")).await.unwrap(), 92);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_last_record_that_ends_with_zeros_is_in_the_backup_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file, target) = (dir.path().join("data"), dir.path().join("backup"), dir.path().join("target"));
    let store = open(&data);
    put(&store, 0..3).await;
    store.commit(Batch::outcome().put("zeros", vec![0; 5_000])).await.unwrap();
    save(store.backup().await.unwrap(), &file).await;
    store.close().await.unwrap();
    assert_eq!(restore(file, target.clone()).await.unwrap().seq, 4);
    let store = open(&target);
    assert_eq!(store.get(b"zeros").await.unwrap().unwrap().value, vec![0; 5_000]);
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_go_on_while_a_backup_is_read_slowly_and_none_from_before_it_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("backup"));
    let store = Arc::new(open(&data));
    // More than the channel holds, and nothing that zstd could make small.
    for n in 0..40 {
        let noise = crate::crypto::random::<60_000>().unwrap().to_vec();
        store.commit(Batch::outcome().put_sealed(&SealScope::new("anna", n, "Demo"), format!("s{n}"), noise)).await.unwrap();
    }
    let mut backup = store.backup().await.unwrap();
    let mut bytes = backup.chunks.recv().await.unwrap().unwrap().to_vec();
    assert!(matches!(store.backup().await, Err(StoreError::Busy)), "one at a time");
    // The copy cannot be over, since nobody reads it.
    put(&store, 0..200).await;
    store.upkeep().await.unwrap();
    assert_eq!(super::export::list(&data.join("export")).unwrap(), [], "nothing is moved while it is copied");
    while let Some(chunk) = backup.chunks.recv().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    std::fs::write(&file, bytes).unwrap();
    save(store.backup().await.unwrap(), &dir.path().join("second")).await;
    store.close().await.unwrap();
    let target = dir.path().join("target");
    assert!(restore(file, target.clone()).await.unwrap().seq >= 40);
    let store = open(&target);
    assert_eq!(store.scan(b"s", None, 100).await.unwrap().len(), 40);
    store.close().await.unwrap();
}

#[tokio::test]
async fn closing_the_store_breaks_a_backup_off_and_what_came_of_it_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("backup"));
    let store = open(&data);
    for n in 0..40 {
        let noise = crate::crypto::random::<60_000>().unwrap().to_vec();
        store.commit(Batch::outcome().put(format!("s{n}"), noise)).await.unwrap();
    }
    let mut backup = store.backup().await.unwrap();
    let mut bytes = backup.chunks.recv().await.unwrap().unwrap().to_vec();
    store.close().await.unwrap();
    while let Some(chunk) = backup.chunks.recv().await {
        match chunk {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(_) => break,
        }
    }
    std::fs::write(&file, bytes).unwrap();
    assert!(matches!(check_backup(&file), Err(RestoreError::NotABackup { .. })));
    // And the directory is free.
    open(&data).close().await.unwrap();
}

#[tokio::test]
async fn a_backup_that_is_cut_or_changed_anywhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = backed_up(dir.path()).await;
    let bytes = std::fs::read(&file).unwrap();
    let bad = dir.path().join("bad");
    for at in (0..bytes.len()).step_by(bytes.len() / 40).chain([bytes.len() - 1, bytes.len() - 5]) {
        std::fs::write(&bad, &bytes[..at]).unwrap();
        assert!(matches!(check_backup(&bad), Err(RestoreError::NotABackup { .. })), "cut at {at}");
        let mut changed = bytes.clone();
        changed[at] ^= 0x40;
        std::fs::write(&bad, &changed).unwrap();
        assert!(matches!(check_backup(&bad), Err(RestoreError::NotABackup { .. })), "changed at {at}");
    }
    let target = dir.path().join("target");
    std::fs::write(&bad, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(restore(bad, target.clone()).await, Err(RestoreError::NotABackup { .. })));
    let refused = EmbeddedStore::open(options(&target)).unwrap_err();
    assert!(refused.to_string().contains("restore again"), "half of a restore is no data directory: {refused}");
}

#[tokio::test]
async fn files_that_would_land_elsewhere_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["../escaped", "/tmp/escaped", "journal/../../escaped", "journal/a/b", "lock", "keys/.hidden", "keys/"] {
        let mut builder = tar::Builder::new(zstd::Encoder::new(Vec::new(), 3).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        header.set_entry_type(tar::EntryType::Regular);
        // The library itself refuses to write such names.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, &b"x"[..]).unwrap();
        let file = dir.path().join("evil");
        std::fs::write(&file, builder.into_inner().unwrap().finish().unwrap()).unwrap();
        let refused = restore(file, dir.path().join("deep/target")).await.unwrap_err();
        assert!(refused.to_string().contains("does not belong"), "{name}: {refused}");
        std::fs::remove_dir_all(dir.path().join("deep")).unwrap();
        assert!(!dir.path().join("escaped").exists());
    }
}

#[tokio::test]
async fn a_directory_that_is_not_empty_or_in_use_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let file = backed_up(dir.path()).await;
    let store = open(&dir.path().join("data"));
    let held = restore(file.clone(), dir.path().join("data")).await;
    assert!(matches!(held, Err(RestoreError::Store(StoreError::Locked { .. }))), "{held:?}");
    store.close().await.unwrap();
    let other = dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::File::create(other.join("letter")).unwrap().write_all(b"dear").unwrap();
    assert!(matches!(restore(file, other.clone()).await, Err(RestoreError::NotEmpty(_))));
    assert_eq!(std::fs::read_dir(&other).unwrap().count(), 1);
}

#[tokio::test]
async fn what_was_deleted_before_the_backup_stays_deleted_even_when_an_old_key_is_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let (data, target) = (dir.path().join("data"), dir.path().join("target"));
    let scope = SealScope::new("anna", 1, "Demo");
    let store = open(&data);
    store.commit(Batch::outcome().put_sealed(&scope, "old", "secret")).await.unwrap();
    let key = std::fs::read(data.join("keys").join(scope.file_name())).unwrap();
    store.commit(Batch::outcome().shred(&scope)).await.unwrap();
    put(&store, 0..60).await;
    while store.shared.overlay.len() > 0 {
        tokio::task::yield_now().await;
    }
    store.upkeep().await.unwrap();
    store.commit(Batch::outcome().put_sealed(&scope, "new", "life")).await.unwrap();
    save(store.backup().await.unwrap(), &dir.path().join("file")).await;
    store.close().await.unwrap();
    restore(dir.path().join("file"), target.clone()).await.unwrap();
    let restored_key = target.join("keys").join(scope.file_name());
    let newer = std::fs::read(&restored_key).unwrap();
    assert_ne!(newer, key);
    let store = open(&target);
    assert_eq!(store.get(b"old").await.unwrap(), None);
    assert_eq!(store.get(b"new").await.unwrap().unwrap().value, b"life");
    store.close().await.unwrap();
    std::fs::write(&restored_key, key).unwrap();
    std::fs::remove_dir_all(target.join("state")).unwrap();
    let store = open(&target);
    assert_eq!(store.get(b"old").await.unwrap(), None, "the tombstone is carried out at every start");
    assert!(!restored_key.exists());
    store.close().await.unwrap();
}
