//! One caller at a time for each Idempotency-Key, from the look at what it made before to the record of what it makes now.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

type Turns = Arc<Mutex<HashMap<Vec<u8>, Arc<tokio::sync::Mutex<()>>>>>;

#[derive(Debug, Default)]
pub(super) struct Claims {
    turns: Turns,
}

/// The right to use a key now.
#[derive(Debug)]
pub struct Claim {
    key: Vec<u8>,
    turn: Option<OwnedMutexGuard<()>>,
    turns: Turns,
}

impl Claims {
    pub(super) async fn claim(&self, key: Vec<u8>) -> Claim {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(key.clone()).or_default())
        };
        // Made before the wait, so that a caller who gives up while waiting leaves nothing behind either.
        let mut claim = Claim { key, turn: None, turns: Arc::clone(&self.turns) };
        claim.turn = Some(turn.lock_owned().await);
        claim
    }
}

impl Claim {
    /// The key, as the store has it.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        self.turn = None;
        // Only the map still holds it: nobody waits, and nobody can begin to while the map is locked.
        if turns.get(&self.key).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            turns.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_key_has_one_holder_at_a_time_and_leaves_nothing_behind() {
        let claims = Claims::default();
        let first = claims.claim(b"k".to_vec()).await;
        let mut second = Box::pin(claims.claim(b"k".to_vec()));
        assert!(second.as_mut().now_or_never().is_none());
        drop(claims.claim(b"other".to_vec()).await);
        drop(first);
        drop(second.await);
        let waited = claims.claim(b"k".to_vec()).await;
        assert!(claims.claim(b"k".to_vec()).now_or_never().is_none(), "a caller who gives up while waiting");
        drop(waited);
        assert!(claims.turns.lock().unwrap().is_empty());
    }
}
