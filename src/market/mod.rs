//! Prices as the hub tells them: broker time turned into UTC, bars and ticks fetched in chunks, the cache of closed bars; and what
//! bots draw on charts.

pub mod bars;
pub mod broker_time;
pub mod charts;
pub mod clocks;
mod download;
mod drawing;
pub mod feed;
pub mod indicators;
pub mod memory;
pub mod offers;
pub mod ticks;
mod weekly_open;

use crate::domain::{account::Account, ids::OwnerId};

/// Bars or ticks in one question to a terminal. Its Expert Advisor has one thread: a trade waits for one chunk at most, and a chunk of
/// 240 KiB is a second on a slow line.
const CHUNK: usize = 4_096;

/// Under whose name bars are cached: what one owner's terminal claims is never told to another's bots, and two accounts of one server
/// may have other symbols and prices.
fn holder(owner: OwnerId, account: &Account) -> String {
    format!("{owner}/{account}")
}
