//! What stands against those who are not let in: the throttle, and the note for the audit.

use std::sync::Arc;

use super::{denials::Denials, throttle::Throttle};
use crate::{clock::Clock, config};

/// Both, cheap to clone.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Slows down failed attempts.
    pub throttle: Arc<Throttle>,
    /// Notes refusals.
    pub denials: Denials,
}

impl Guard {
    /// With these settings.
    #[must_use]
    pub fn new(throttle: &config::Throttle, clock: Clock) -> Self {
        Self { throttle: Arc::new(Throttle::new(throttle, clock)), denials: Denials::new(clock) }
    }
}
