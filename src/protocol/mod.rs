//! The wire between a terminal and the hub: the only module that knows frames and close codes.
//!
//! `docs/terminal-protocol.md` is the same for people who write another Expert Advisor. Both sides of this program use this
//! module, and `tests/wire/` holds golden frames that other languages read and write.

pub mod close;
pub mod codec;
mod draw;
mod live;
pub mod message;
mod reads;

pub use close::CloseReason;
pub use codec::{DecodeError, Decoded};
pub use message::{FromHub, FromTerminal};

/// Version of the messages; a terminal that says another one is told so and does not come back.
pub const VERSION: u16 = 1;
/// `Sec-WebSocket-Protocol` of this version.
pub const SUBPROTOCOL: &str = "mtbridge.v1";
/// Where terminals connect.
pub const PATH: &str = "/ws/terminal";
