//! Settings of people's logins.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Logins of people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sessions {
    /// A login that nobody uses for so long ends.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// Every login ends after that time.
    #[serde(with = "humantime_serde")]
    pub absolute: Duration,
    /// So long after the password was given, what asks for it asks no more.
    #[serde(with = "humantime_serde")]
    pub confirmed: Duration,
}

impl Default for Sessions {
    fn default() -> Self {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        Self { idle: minutes(30), absolute: minutes(12 * 60), confirmed: minutes(5) }
    }
}

impl Sessions {
    /// Tells `must` what types cannot.
    pub(super) fn problems(&self, must: &mut impl FnMut(bool, &[&str], &str)) {
        must(self.idle >= Duration::from_secs(1), &["sessions.idle"], "must be at least 1s");
        must(
            self.absolute >= self.idle && self.absolute <= Duration::from_secs(30 * 86_400),
            &["sessions.absolute", "sessions.idle"],
            "must be between sessions.idle and 30days",
        );
        let an_hour = Duration::from_secs(3_600);
        must(self.confirmed <= an_hour, &["sessions.confirmed"], "must be at most 1h: a password given before says little");
    }
}
