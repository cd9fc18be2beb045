//! mtbridge
pub mod access;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod hub;
pub mod market;
pub mod protocol;
pub mod revocation;
pub mod store;
pub mod trading;
