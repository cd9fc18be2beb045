//! A bound for what downloads hold in memory, all together.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bars and ticks held at one time, in thousands; each takes 64 bytes, so this is 100 MiB. What else is sent counts as so many of them.
const THOUSANDS: usize = 1_600;

/// The bound. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DownloadMemory {
    free: Arc<Semaphore>,
}

/// Nothing came free in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowded;

impl Default for DownloadMemory {
    fn default() -> Self {
        Self { free: Arc::new(Semaphore::new(THOUSANDS)) }
    }
}

impl DownloadMemory {
    /// Room for so many records; first come, first served. Given back when the answer has been sent.
    ///
    /// # Errors
    /// [`Crowded`].
    pub async fn take(&self, records: u32, within: Duration) -> Result<OwnedSemaphorePermit, Crowded> {
        let thousands = records.div_ceil(1_000).max(1);
        if thousands as usize > THOUSANDS {
            // It would never get its turn, and everybody behind it would wait.
            return Err(Crowded);
        }
        let taking = Arc::clone(&self.free).acquire_many_owned(thousands);
        match tokio::time::timeout(within, taking).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Crowded),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn sixteen_of_the_largest_downloads_fit_and_the_next_waits_for_one_to_be_sent() {
        let memory = DownloadMemory::default();
        let wait = Duration::from_secs(5);
        let mut held = Vec::new();
        for _ in 0..16 {
            held.push(memory.take(100_000, wait).await.unwrap());
        }
        assert_eq!(memory.take(1, wait).await.unwrap_err(), Crowded);
        held.pop();
        held.push(memory.take(100_000, wait).await.unwrap());
    }
}
