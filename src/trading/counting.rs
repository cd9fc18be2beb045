//! What is counted of commands, and told to the log.

use std::collections::HashMap;

use tracing::info;

use super::{Live, Trading};
use crate::{
    domain::command::CommandState,
    telemetry::metrics::{Metrics, count, time},
};

impl Trading {
    pub(super) fn metrics(&self) -> &Metrics {
        self.inner.hub.metrics()
    }

    /// Counts a step of a command, and logs its end.
    pub(super) fn count_change(&self, live: &Live, before: CommandState, after: CommandState) {
        if before == after {
            return;
        }
        if after == CommandState::Unknown {
            self.metrics().commands_unknown.inc();
        }
        if after.is_final() {
            info!(command = %live.updates.borrow().id, state = after.name(), "command ended");
            count(&self.metrics().commands, "state", after.name());
            // After a restart nobody knows how long it took.
            if live.session.is_some() {
                time(&self.metrics().command_seconds, "hop", "whole", live.since.elapsed());
            }
        }
    }

    /// How many commands have no final outcome, by their state.
    #[must_use]
    pub fn open_by_state(&self) -> HashMap<CommandState, usize> {
        let mut open = HashMap::new();
        for live in self.live_where(|_| true) {
            *open.entry(live.updates.borrow().state).or_default() += 1;
        }
        open
    }
}
