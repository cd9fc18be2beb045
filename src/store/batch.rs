//! The unit of writing: a [`Batch`], and the [`SealScope`] that its sealed values belong to.

use super::{Seq, StoreError};
use crate::crypto;

/// Longest key, bytes. Keeps sled's pages far from the size at which they go to blobs.
pub const MAX_KEY: usize = 512;
/// Longest value, bytes.
pub const MAX_VALUE: usize = 256 * 1024;
/// Largest batch, bytes of keys and values together.
pub const MAX_BATCH: usize = 1024 * 1024;

/// Everything that belongs to one (owner, account) pair is sealed with a key of that scope; destroying the
/// key forgets it for good.
///
/// Only the SHA-256 of the pair is kept, so that no account number can be read off the disk. (Whoever holds
/// the disk **and** a list of candidates can still test them: it is a name, not a secret.)
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SealScope([u8; 32]);

impl SealScope {
    /// The scope of `owner`'s account `login` at the trade server `server`.
    #[must_use]
    pub fn new(owner: &str, login: u64, server: &str) -> Self {
        // Lengths first, so that ("ab", "c") and ("a", "bc") are different scopes.
        let owner_length = (owner.len() as u64).to_be_bytes();
        Self(crypto::sha256(&[&owner_length, owner.as_bytes(), &login.to_be_bytes(), server.as_bytes()]))
    }

    /// The name of the scope's key file: 64 hexadecimal digits.
    #[must_use]
    pub fn file_name(&self) -> String {
        crypto::hex(&self.0)
    }

    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.0
    }

    /// The scope with this digest.
    pub(crate) const fn of_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl std::fmt::Debug for SealScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealScope({})", self.file_name())
    }
}

/// What a batch is for, which decides whether a nearly full disk refuses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// New work: refused with [`StoreError::Full`] below the free-space floor.
    Admission,
    /// The outcome of work already begun: always has room.
    Outcome,
}

/// One write of a batch.
#[derive(Debug, Clone)]
pub(crate) enum Write {
    Put { key: Vec<u8>, value: Vec<u8> },
    PutSealed { scope: SealScope, key: Vec<u8>, value: Vec<u8> },
    Delete { key: Vec<u8> },
}

impl Write {
    pub(crate) fn key(&self) -> &[u8] {
        match self {
            Self::Put { key, .. } | Self::PutSealed { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// Writes that become durable together or not at all, and what must be true for them to happen.
///
/// Writes take effect in the order given (the last one to a key wins), shreds after all of them: a value
/// sealed in the batch that shreds its scope is forgotten with the rest. Preconditions are judged against
/// the store as it was before the batch.
#[derive(Debug, Clone)]
pub struct Batch {
    pub(crate) class: Class,
    pub(crate) writes: Vec<Write>,
    pub(crate) shreds: Vec<SealScope>,
    /// `None`: the key must be absent; `Some(version)`: it must have been last written by that batch.
    pub(crate) expects: Vec<(Vec<u8>, Option<Seq>)>,
}

impl Batch {
    fn new(class: Class) -> Self {
        Self { class, writes: Vec::new(), shreds: Vec::new(), expects: Vec::new() }
    }

    /// An empty batch of new work.
    #[must_use]
    pub fn admission() -> Self {
        Self::new(Class::Admission)
    }

    /// An empty batch of outcomes.
    #[must_use]
    pub fn outcome() -> Self {
        Self::new(Class::Outcome)
    }

    /// Sets `key` to `value`, readable on the disk.
    #[must_use]
    pub fn put(mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.writes.push(Write::Put { key: key.into(), value: value.into() });
        self
    }

    /// Sets `key` to `value`, encrypted with the key of `scope`. The key itself stays readable on the disk.
    #[must_use]
    pub fn put_sealed(mut self, scope: &SealScope, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.writes.push(Write::PutSealed { scope: *scope, key: key.into(), value: value.into() });
        self
    }

    /// Removes `key`; no error if it is absent.
    #[must_use]
    pub fn delete(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.writes.push(Write::Delete { key: key.into() });
        self
    }

    /// Refuses the batch if `key` exists.
    #[must_use]
    pub fn expect_absent(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.expects.push((key.into(), None));
        self
    }

    /// Refuses the batch unless `key` was last written by batch `version`.
    #[must_use]
    pub fn expect_version(mut self, key: impl Into<Vec<u8>>, version: Seq) -> Self {
        self.expects.push((key.into(), Some(version)));
        self
    }

    /// Forgets everything ever sealed with `scope`, for good.
    #[must_use]
    pub fn shred(mut self, scope: &SealScope) -> Self {
        self.shreds.push(*scope);
        self
    }

    /// Whether the batch would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.shreds.is_empty()
    }

    /// Bytes of keys and values.
    pub(crate) fn size(&self) -> usize {
        let writes: usize = self
            .writes
            .iter()
            .map(|write| match write {
                Write::Put { key, value } | Write::PutSealed { key, value, .. } => key.len() + value.len(),
                Write::Delete { key } => key.len(),
            })
            .sum();
        writes + self.shreds.len() * 40 + self.expects.iter().map(|(key, _)| key.len()).sum::<usize>()
    }

    /// Refuses what no backend can hold.
    pub(crate) fn check_size(&self) -> Result<(), StoreError> {
        let keys = self.writes.iter().map(Write::key).chain(self.expects.iter().map(|(key, _)| key.as_slice()));
        for key in keys {
            within("a key", key.len(), MAX_KEY)?;
        }
        for write in &self.writes {
            if let Write::Put { value, .. } | Write::PutSealed { value, .. } = write {
                within("a value", value.len(), MAX_VALUE)?;
            }
        }
        within("a batch", self.size(), MAX_BATCH)
    }

    /// The keys written, for the change stream.
    pub(crate) fn written_keys(&self) -> std::sync::Arc<[Vec<u8>]> {
        self.writes.iter().map(|write| write.key().to_vec()).collect()
    }
}

fn within(what: &'static str, bytes: usize, limit: usize) -> Result<(), StoreError> {
    if bytes > limit { Err(StoreError::TooLarge { what, bytes, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_of_different_pairs_differ_even_when_their_letters_run_together() {
        assert_ne!(SealScope::new("ab", 1, "c"), SealScope::new("a", 1, "bc"));
        assert_ne!(SealScope::new("ab", 1, "c"), SealScope::new("ab", 2, "c"));
        assert_eq!(SealScope::new("ab", 1, "c"), SealScope::new("ab", 1, "c"));
        assert_eq!(SealScope::new("ab", 1, "c").file_name().len(), 64);
    }

    #[test]
    fn oversize_keys_values_and_batches_are_refused_and_say_which() {
        let what = |batch: Batch| match batch.check_size() {
            Err(StoreError::TooLarge { what, .. }) => what,
            other => panic!("expected TooLarge, got {other:?}"),
        };
        assert_eq!(what(Batch::outcome().put(vec![0; MAX_KEY + 1], "")), "a key");
        assert_eq!(what(Batch::outcome().put("k", vec![0; MAX_VALUE + 1])), "a value");
        let wide = (0..5u8).fold(Batch::outcome(), |batch, n| batch.put([n], vec![0; MAX_VALUE]));
        assert_eq!(what(wide), "a batch");
        assert!(Batch::outcome().put(vec![0; MAX_KEY], vec![0; MAX_VALUE]).check_size().is_ok());
    }
}
