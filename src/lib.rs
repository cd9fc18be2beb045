//! The hub that MetaTrader 4 and 5 terminals stay connected to, so that bots and people can reach them.
//!
//! This page is the map; `ARCHITECTURE.md` has the walks and the invariants. A module uses only modules of a lower level, which
//! `tests/it/tidy.rs` enforces.
//!
//! | level | module | what it is for |
//! | --- | --- | --- |
//! | 0 | [`domain`] | the words of the field: plain data, no clock, no I/O |
//! | 0 | [`config`], [`clock`], [`crypto`], [`telemetry`], [`tls`] | settings; the time of day and ids; the only user of ring; log and metrics; certificates |
//! | 1 | [`protocol`] | the wire to the terminals: the only module that knows frames and close codes |
//! | 1 | [`store`] | what survives a restart: the journal, which is the truth, and sled, which is rebuilt from it |
//! | 2 | [`access`] | who may do what: connection tokens and API keys |
//! | 2 | [`equity`] | the equity of the past: what terminals say of it, in bars of five minutes |
//! | 3 | [`hub`] | the live sockets of this node |
//! | 4 | [`market`], [`revocation`] | bars and broker time; cutting sockets that may not go on |
//! | 5 | [`trading`] | trades: one execution at most, exactly one recorded outcome |
//! | 5 | [`history`] | every deal and order change seen, and whether commands and broker agree |
//! | 5 | [`hooks`] | alerts of TradingView in, webhooks out |
//! | 6 | [`api`] | HTTP: the only module that knows status codes |
//! | 7 | [`server`], [`simulator`] | the only wiring; a paper terminal on the same wire |
//! | 8 | [`cli`] | the command line |

pub mod domain;

pub mod clock;
pub mod config;
pub mod crypto;
pub mod telemetry;
pub mod tls;

pub mod protocol;
pub mod store;

pub mod access;
pub mod equity;

pub mod events;
pub mod hub;

pub mod market;
pub mod revocation;

pub mod trading;

pub mod history;

pub mod hooks;

pub mod api;
pub mod dashboard;

pub mod server;
pub mod simulator;

pub mod cli;
