//! Why a terminal's socket ends, as a close code that says whether to come back.
//!
//! 4000-4499: reconnect with back-off. 4500-4999: final, do not come back (RFC 6455 section 7.4.2 leaves 4000-4999 to applications).

/// Why the hub ends a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CloseReason {
    /// The hub stops or restarts.
    Shutdown,
    /// Another connection of the same token took over.
    Replaced,
    /// The same token is live elsewhere; the newcomer is refused.
    AlreadyConnected,
    /// Nothing was heard for too long.
    HeartbeatLost,
    /// The terminal does not read what is written to it.
    WriteTimeout,
    /// No Hello in time.
    HelloTimeout,
    /// The hub cannot record anything now, for instance because its disk is full.
    Unavailable,
    /// The user that the token belongs to is disabled, perhaps for a while.
    OwnerDisabled,
    /// The token was revoked.
    TokenRevoked,
    /// The token's year is over.
    TokenExpired,
    /// The token is locked to another account.
    AccountMismatch,
    /// The owner disconnected the account.
    Disconnected,
    /// A frame that is no message of this protocol.
    ProtocolViolation,
    /// Another version of this protocol.
    ProtocolVersion,
    /// A message above the limit.
    MessageTooLarge,
}

const ALL: [CloseReason; 15] = [
    CloseReason::Shutdown,
    CloseReason::Replaced,
    CloseReason::AlreadyConnected,
    CloseReason::HeartbeatLost,
    CloseReason::WriteTimeout,
    CloseReason::HelloTimeout,
    CloseReason::Unavailable,
    CloseReason::OwnerDisabled,
    CloseReason::TokenRevoked,
    CloseReason::TokenExpired,
    CloseReason::AccountMismatch,
    CloseReason::Disconnected,
    CloseReason::ProtocolViolation,
    CloseReason::ProtocolVersion,
    CloseReason::MessageTooLarge,
];

impl CloseReason {
    /// The close code.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Shutdown => 4000,
            Self::Replaced => 4001,
            Self::AlreadyConnected => 4002,
            Self::HeartbeatLost => 4003,
            Self::WriteTimeout => 4004,
            Self::HelloTimeout => 4005,
            Self::Unavailable => 4006,
            Self::OwnerDisabled => 4007,
            Self::TokenRevoked => 4500,
            Self::TokenExpired => 4501,
            Self::AccountMismatch => 4502,
            Self::Disconnected => 4503,
            Self::ProtocolViolation => 4504,
            Self::ProtocolVersion => 4505,
            Self::MessageTooLarge => 4506,
        }
    }

    /// A word for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::Replaced => "replaced",
            Self::AlreadyConnected => "already_connected",
            Self::HeartbeatLost => "heartbeat_lost",
            Self::WriteTimeout => "write_timeout",
            Self::HelloTimeout => "hello_timeout",
            Self::Unavailable => "unavailable",
            Self::OwnerDisabled => "owner_disabled",
            Self::TokenRevoked => "token_revoked",
            Self::TokenExpired => "token_expired",
            Self::AccountMismatch => "account_mismatch",
            Self::Disconnected => "disconnected",
            Self::ProtocolViolation => "protocol_violation",
            Self::ProtocolVersion => "protocol_version",
            Self::MessageTooLarge => "message_too_large",
        }
    }

    /// What stands in the close frame, plain enough to print on a chart. Never above 123 bytes (RFC 6455 section 5.5).
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Shutdown => "the hub restarts, come back soon",
            Self::Replaced => "another connection with this token took over",
            Self::AlreadyConnected => "this token is connected elsewhere; use one token for each terminal",
            Self::HeartbeatLost => "nothing heard for too long",
            Self::WriteTimeout => "the terminal does not read",
            Self::HelloTimeout => "no Hello in time",
            Self::Unavailable => "the hub cannot record anything now, come back later",
            Self::OwnerDisabled => "the user that this token belongs to is disabled; ask who runs the hub",
            Self::TokenRevoked => "Error 401: the token was revoked; ask for a new one",
            Self::TokenExpired => "Error 401: the token has expired; ask for a new one",
            Self::AccountMismatch => "the token is locked to another account; use a token of its own for this one",
            Self::Disconnected => "the owner disconnected this account",
            Self::ProtocolViolation => "not a message of mtbridge.v1",
            Self::ProtocolVersion => "the hub speaks mtbridge.v1 only; update the Expert Advisor",
            Self::MessageTooLarge => "message above the limit",
        }
    }

    /// Whether the terminal should connect again by itself.
    #[must_use]
    pub const fn comes_back(self) -> bool {
        comes_back(self.code())
    }

    /// The reason with this code.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// Whether a close code asks the terminal to come back. Codes of RFC 6455 itself (1000-2999) do: they come from proxies and crashes.
#[must_use]
pub const fn comes_back(code: u16) -> bool {
    !(code >= 4500 && code <= 4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_code_and_a_text_that_fits_a_close_frame() {
        for reason in ALL {
            assert_eq!(CloseReason::from_code(reason.code()), Some(reason));
            assert!(reason.text().len() <= 123, "{reason:?}");
        }
    }

    #[test]
    fn only_codes_from_4500_on_are_final() {
        assert!(ALL.iter().filter(|r| !r.comes_back()).count() == 7);
        assert!(comes_back(1006) && comes_back(4499) && !comes_back(4500) && !comes_back(4999));
    }
}
