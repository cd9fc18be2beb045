//! Whether a message may still be taken back: until it is handed to the socket. One of two sides wins: the socket's, which then writes it,
//! or whoever takes it back, who then knows for certain that not one byte of it was, or ever will be, written.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

/// Not in a mailbox yet.
const HELD: u8 = 0;
/// In a mailbox, or behind other frames.
const WAITING: u8 = 1;
/// Handed to the socket: anything may have become of it.
const BEGUN: u8 = 2;
/// Never to be written.
const TAKEN_BACK: u8 = 3;

/// The fate of one message. Its clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Recall {
    state: Arc<AtomicU8>,
}

impl Recall {
    /// Of a message that may have been written long ago.
    #[must_use]
    pub fn too_late() -> Self {
        Self { state: Arc::new(AtomicU8::new(BEGUN)) }
    }

    /// Takes the message back, wherever it waits. True for the one caller who did: it is never written.
    #[must_use]
    pub fn take_back(&self) -> bool {
        let still_ours = |state| (state < BEGUN).then_some(TAKEN_BACK);
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, still_ours).is_ok()
    }

    /// The same only of a message that waits in a mailbox or behind other frames.
    #[must_use]
    pub fn take_back_waiting(&self) -> bool {
        self.turn(WAITING, TAKEN_BACK)
    }

    /// Whether somebody took it back.
    #[must_use]
    pub fn is_taken_back(&self) -> bool {
        self.state.load(Ordering::Acquire) == TAKEN_BACK
    }

    /// It goes into a mailbox; false when it was taken back before.
    pub(super) fn post(&self) -> bool {
        self.turn(HELD, WAITING)
    }

    /// It is handed to the socket now; false when it must not be.
    pub(super) fn begin(&self) -> bool {
        self.turn(WAITING, BEGUN)
    }

    fn turn(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_written_or_taken_back_and_never_both() {
        let written = Recall::default();
        assert!(!written.take_back_waiting(), "it is nowhere yet");
        assert!(written.post() && written.begin());
        assert!(!written.take_back() && !written.is_taken_back());
        for waits in [false, true] {
            let back = Recall::default();
            assert!(!waits || back.post());
            assert!(back.take_back() && back.is_taken_back());
            assert!(!back.take_back(), "one caller takes it back");
            assert!(!back.post() && !back.begin());
        }
        assert!(!Recall::too_late().take_back());
    }

    #[test]
    fn a_message_that_is_posted_while_it_is_taken_back_is_written_or_taken_back() {
        for _ in 0..1_000 {
            let recall = Recall::default();
            let taken = std::thread::scope(|both| {
                let taking = both.spawn(|| recall.take_back());
                recall.post();
                taking.join().unwrap()
            });
            assert_eq!(taken, recall.is_taken_back());
            assert_ne!(taken, recall.begin());
        }
    }
}
