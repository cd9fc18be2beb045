//! The hub as its users and its enemies meet it: the real server, real sockets, real files; simulated terminals and terminals
//! that this file's harness speaks for by hand. Nothing in here sleeps: every wait is for an event.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::large_enum_variant,
    clippy::too_many_lines,
    clippy::type_complexity,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub
)]

mod harness;

mod audit;
mod backup;
mod bars;
mod cli;
mod cli_reads;
mod cli_trades;
mod close_all;
mod commands;
mod connect;
mod deadlines;
mod deadman;
mod ea_chart;
mod ea_evidence;
mod ea_frames;
mod ea_fuzz;
mod ea_kill;
mod ea_live;
mod ea_sanitizers;
mod ea_storm;
mod ea_websocket;
mod equity;
mod errors;
mod external;
mod feed;
mod flatten;
mod formats;
mod history;
mod hooks;
mod incidents;
mod indicators;
mod keys;
#[cfg(feature = "failpoints")]
mod kill;
mod kill_switch;
mod limits;
mod links;
mod makers;
mod model;
mod month;
mod operations;
mod paper;
mod permissions;
mod plans;
mod presence;
mod quota;
mod races;
mod relay;
mod restored;
mod scopes;
mod simulator;
mod soak;
mod store_faults;
mod store_kill;
mod streams;
mod surface;
mod taken_back;
mod tenants;
mod ticks;
mod tidy;
mod tokens;
mod trades;
mod trading_hours;
mod trading_limits;
mod users;
mod webhooks;
