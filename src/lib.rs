//! mtbridge
pub mod access;
pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod hub;
pub mod market;
pub mod protocol;
pub mod revocation;
pub mod server;
pub mod simulator;
pub mod store;
pub mod telemetry;
pub mod trading;
