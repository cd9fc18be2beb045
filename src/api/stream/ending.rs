//! Why a stream ends, as a close code that says whether to come back: below 4500 yes, with the cursor; from 4500 on something must be
//! mended first.

/// Why the hub ends a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Ending {
    /// The hub stops or restarts.
    Shutdown,
    /// The reader does not take what is written to it.
    TooSlow,
    /// Nothing was heard of the reader.
    HeartbeatLost,
    /// The hub cannot read its own records now.
    Unavailable,
    /// The key was revoked or has expired.
    KeyEnded,
    /// A frame that is no message of this protocol.
    Protocol,
    /// A message above the limit.
    TooLarge,
    /// The reader went by itself.
    Gone,
}

impl Ending {
    /// The close code.
    pub(in crate::api) const fn code(self) -> u16 {
        match self {
            Self::Shutdown => 4000,
            Self::TooSlow => 4001,
            Self::HeartbeatLost => 4002,
            Self::Unavailable => 4003,
            Self::KeyEnded => 4500,
            Self::Protocol => 4501,
            Self::TooLarge => 4502,
            Self::Gone => 1000,
        }
    }

    /// Its name: the reason in the close frame, and in the metrics.
    pub(in crate::api) const fn name(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::TooSlow => "too_slow",
            Self::HeartbeatLost => "heartbeat_lost",
            Self::Unavailable => "unavailable",
            Self::KeyEnded => "key_ended",
            Self::Protocol => "protocol_violation",
            Self::TooLarge => "message_too_large",
            Self::Gone => "gone",
        }
    }
}
