//! Prices as the hub tells them: broker time turned into UTC, and the cache of closed bars.

pub mod bars;
pub mod broker_time;
