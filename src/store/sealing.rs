//! Keys that can be forgotten: one small file in `keys/` for each [`SealScope`], outside of journal and exports.
//!
//! A sealed value is `scope [32] ‖ key id [8] ‖ nonce [12] ‖ ciphertext ‖ tag [16]`, and its AAD is the entry's key,
//! so that a ciphertext cannot be moved under another name. The key id is random and new with every key of a
//! scope: what an older key sealed stays forgotten, and replaying an old tombstone never hits a newer key.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

use super::StoreError;
use super::batch::SealScope;
use super::disk::{self, Context as _, DurableFile};
use crate::crypto::{self, AeadKey, CryptoError};

/// First bytes of a key file: name and version.
const MAGIC: &[u8; 8] = b"MTBKEY\x00\x01";
/// magic, key id, key, CRC-32C of all that.
const FILE_LENGTH: usize = 8 + 8 + 32 + 4;
/// scope and key id, before the nonce.
const PREFIX: usize = 32 + 8;

/// Tells the keys of one scope apart.
pub(crate) type KeyId = [u8; 8];

/// A tombstone: a scope, and the id of the key of it that was destroyed.
pub(crate) type Stone = ([u8; 32], KeyId);

/// Ending of the name of a key that is being destroyed.
const DYING: &str = ".dying";

#[derive(Debug)]
struct ScopeKey {
    id: KeyId,
    key: AeadKey,
}

/// All live keys. Read by everyone, changed by the journal's thread alone.
#[derive(Debug)]
pub(crate) struct Keyring {
    dir: PathBuf,
    keys: RwLock<HashMap<[u8; 32], Arc<ScopeKey>>>,
    /// Every key that was ever destroyed.
    stones: RwLock<HashSet<Stone>>,
}

/// What opening a sealed value may say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    Plain(Vec<u8>),
    /// The key was shredded.
    Forgotten,
    /// The key is there and the bytes do not fit it.
    Damaged,
}

impl Keyring {
    /// Loads every key of `dir`, and ends what a crash cut short: keys half made are removed, and those half destroyed destroyed.
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        disk::remove_matching(dir, |name| name.ends_with(".new")).at("clean", dir)?;
        for name in disk::matching(dir, |name| name.ends_with(DYING)).at("list", dir)? {
            let path = dir.join(name);
            wipe(&path).at("destroy", &path)?;
        }
        let mut keys = HashMap::new();
        for name in disk::matching(dir, |_| true).at("list", dir)? {
            let path = dir.join(&name);
            let bytes = Zeroizing::new(std::fs::read(&path).at("read", &path)?);
            let damaged = || {
                StoreError::Damaged {
                path: path.clone(),
                offset: 0,
                detail: "this key file is not whole; restore it from a backup of keys/, or move it away to forget for good what it sealed"
                    .into(),
            }
            };
            let scope = parse_hex(&name).ok_or_else(damaged)?;
            keys.insert(scope, Arc::new(decode(&bytes).ok_or_else(damaged)?));
        }
        Ok(Self { dir: dir.to_owned(), keys: RwLock::new(keys), stones: RwLock::default() })
    }

    /// Seals `plain` as the value of `key`. The first time in a scope this creates its key, durably, before it returns.
    pub(crate) fn seal(&self, scope: &SealScope, key: &[u8], plain: &[u8]) -> io::Result<Vec<u8>> {
        let scope_key = self.ensure(scope)?;
        let mut out = Vec::with_capacity(PREFIX + 12 + plain.len() + 16);
        out.extend_from_slice(scope.digest());
        out.extend_from_slice(&scope_key.id);
        scope_key.key.seal_onto(&mut out, key, plain).map_err(no_crypto)?;
        Ok(out)
    }

    /// Opens what [`Keyring::seal`] made.
    pub(crate) fn open_value(&self, key: &[u8], sealed: &[u8]) -> Opened {
        let Some((scope, id, body)) = split(sealed) else { return Opened::Damaged };
        let Some(scope_key) = self.find(scope).filter(|found| found.id == *id) else { return Opened::Forgotten };
        scope_key.key.open(key, body).map_or(Opened::Damaged, Opened::Plain)
    }

    /// Whether the key of this sealed value still exists.
    pub(crate) fn is_alive(&self, sealed: &[u8]) -> bool {
        split(sealed).is_some_and(|(scope, id, _)| self.find(scope).is_some_and(|found| found.id == *id))
    }

    /// The id of the key that a shred of `scope` will destroy, if it has one.
    pub(crate) fn current_id(&self, scope: &SealScope) -> Option<KeyId> {
        self.find(scope.digest()).map(|found| found.id)
    }

    /// Destroys the key `id` of a scope: renamed, overwritten, removed, the directory synced after each change of a name. Does nothing if
    /// the scope has no key or a newer one. The tombstone must be durable before.
    ///
    /// The new name is durable before the first byte is overwritten: a key file that is not whole is damage, at which no store opens,
    /// and a power cut between overwriting and removing must not look like it.
    pub(crate) fn destroy(&self, scope: &[u8; 32], id: &KeyId) -> io::Result<()> {
        self.stones.write().unwrap_or_else(PoisonError::into_inner).insert((*scope, *id));
        if self.find(scope).is_none_or(|found| found.id != *id) {
            return Ok(());
        }
        let path = self.dir.join(crypto::hex(scope));
        let dying = self.dir.join(format!("{}{DYING}", crypto::hex(scope)));
        disk::rename(&path, &dying)?;
        disk::sync_dir(&self.dir)?;
        wipe(&dying)?;
        self.keys.write().unwrap_or_else(PoisonError::into_inner).remove(scope);
        Ok(())
    }

    /// Whether the key of this sealed value was destroyed: nobody will ever read it. (A key that is only missing may come back.)
    pub(crate) fn is_dead(&self, sealed: &[u8]) -> bool {
        let stones = self.stones.read().unwrap_or_else(PoisonError::into_inner);
        split(sealed).is_some_and(|(scope, id, _)| stones.contains(&(*scope, *id)))
    }

    /// Every tombstone there is.
    pub(crate) fn stones(&self) -> HashSet<Stone> {
        self.stones.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn find(&self, scope: &[u8; 32]) -> Option<Arc<ScopeKey>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(scope).cloned()
    }

    fn ensure(&self, scope: &SealScope) -> io::Result<Arc<ScopeKey>> {
        if let Some(found) = self.find(scope.digest()) {
            return Ok(found);
        }
        let id = crypto::random().map_err(no_crypto)?;
        let created = Arc::new(ScopeKey { id, key: AeadKey::generate().map_err(no_crypto)? });
        disk::write_atomically(&self.dir.join(scope.file_name()), encode(&created).as_ref())?;
        self.keys.write().unwrap_or_else(PoisonError::into_inner).insert(*scope.digest(), Arc::clone(&created));
        Ok(created)
    }
}

/// Overwrites and removes a key file, durably.
fn wipe(path: &Path) -> io::Result<()> {
    let mut file = DurableFile::open(path)?;
    file.write_all(&[0; FILE_LENGTH])?;
    file.sync_all()?;
    disk::remove(path)?;
    disk::sync_parent(path)
}

fn no_crypto(_: CryptoError) -> io::Error {
    io::Error::other("the system gave no random bytes, or AES-256-GCM refused")
}

fn split(sealed: &[u8]) -> Option<(&[u8; 32], &KeyId, &[u8])> {
    let (scope, rest) = sealed.split_first_chunk::<32>()?;
    let (id, body) = rest.split_first_chunk::<8>()?;
    Some((scope, id, body))
}

fn encode(key: &ScopeKey) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(FILE_LENGTH));
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&key.id);
    out.extend_from_slice(key.key.bytes());
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

fn decode(bytes: &[u8]) -> Option<ScopeKey> {
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    let (magic, rest) = body.split_first_chunk::<8>()?;
    let (id, key) = rest.split_first_chunk::<8>()?;
    let whole = magic == MAGIC && u32::from_le_bytes(*crc) == crc32c::crc32c(body);
    whole.then(|| key.try_into().ok()).flatten().map(|key| ScopeKey { id: *id, key: AeadKey::from_bytes(key) })
}

fn parse_hex(name: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if name.len() != 64 || !name.is_ascii() {
        return None;
    }
    for (byte, index) in out.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&name[index..index + 2], 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_reopening_and_a_destroyed_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let scope = SealScope::new("anna", 1, "Demo");
        let ring = Keyring::open(dir.path()).unwrap();
        let sealed = ring.seal(&scope, b"key", b"secret").unwrap();
        let ring = Keyring::open(dir.path()).unwrap();
        assert_eq!(ring.open_value(b"key", &sealed), Opened::Plain(b"secret".to_vec()));
        assert_eq!(ring.open_value(b"other key", &sealed), Opened::Damaged, "the entry's key is authenticated");
        ring.destroy(scope.digest(), &ring.current_id(&scope).unwrap()).unwrap();
        assert_eq!(ring.open_value(b"key", &sealed), Opened::Forgotten);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_destruction_that_was_cut_short_is_ended_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let scope = SealScope::new("anna", 1, "Demo");
        let sealed = Keyring::open(dir.path()).unwrap().seal(&scope, b"key", b"secret").unwrap();
        let name = dir.path().join(crypto::hex(scope.digest()));
        std::fs::rename(&name, format!("{}{DYING}", name.display())).unwrap();
        let ring = Keyring::open(dir.path()).unwrap();
        assert_eq!(ring.open_value(b"key", &sealed), Opened::Forgotten);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_old_tombstone_does_not_destroy_a_newer_key_of_the_same_scope() {
        let dir = tempfile::tempdir().unwrap();
        let scope = SealScope::new("anna", 1, "Demo");
        let ring = Keyring::open(dir.path()).unwrap();
        let old = ring.seal(&scope, b"key", b"old").unwrap();
        let old_id = ring.current_id(&scope).unwrap();
        ring.destroy(scope.digest(), &old_id).unwrap();
        let new = ring.seal(&scope, b"key", b"new").unwrap();
        ring.destroy(scope.digest(), &old_id).unwrap();
        assert_eq!(ring.open_value(b"key", &new), Opened::Plain(b"new".to_vec()));
        assert_eq!(ring.open_value(b"key", &old), Opened::Forgotten);
    }

    #[test]
    fn a_damaged_key_file_is_refused_at_open() {
        let dir = tempfile::tempdir().unwrap();
        let scope = SealScope::new("anna", 1, "Demo");
        Keyring::open(dir.path()).unwrap().seal(&scope, b"key", b"x").unwrap();
        let path = dir.path().join(scope.file_name());
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[20] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(Keyring::open(dir.path()), Err(StoreError::Damaged { .. })));
    }
}
