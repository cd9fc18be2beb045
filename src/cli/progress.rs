//! How far a download is, on one line of standard error that overwrites itself. Only where somebody looks at it.

use std::{
    io::{self, Write},
    time::Duration,
};

use tokio::time::Instant;

use super::output::is_screen;

/// Between two lines.
const TURN: Duration = Duration::from_millis(200);

/// The line.
#[derive(Debug)]
pub(super) struct Progress {
    what: &'static str,
    /// How many there will be, if that is known.
    total: Option<u64>,
    shown: bool,
    begun: Instant,
    last: Option<Instant>,
}

impl Progress {
    pub(super) fn new(what: &'static str, total: Option<u64>, wanted: bool) -> Self {
        Self { what, total, shown: wanted && is_screen(&io::stderr()), begun: Instant::now(), last: None }
    }

    pub(super) fn tell(&mut self, count: u64) {
        if self.last.is_none_or(|last| last.elapsed() >= TURN) {
            let text = line(self.what, count, self.total, self.begun.elapsed());
            self.say(&text);
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        if self.shown {
            let _ = io::stderr().write_all(over(text).as_bytes());
            self.last = Some(Instant::now());
        }
    }

    /// Leaves the line empty for what follows.
    pub(super) fn clear(&mut self) {
        if self.last.is_some() {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}

/// What writes a line over the one before. Without wrapping: what went on in a second row would stay there for ever.
fn over(text: &str) -> String {
    format!("\r\u{1b}[K\u{1b}[?7l{text}\u{1b}[?7h")
}

fn line(what: &str, count: u64, total: Option<u64>, took: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = count as f64 / took.as_secs_f64().max(0.001);
    match total {
        Some(total) if total > 0 => format!("{count} of {total} {what} ({} %), {rate:.0} a second", count * 100 / total),
        _ => format!("{count} {what}, {rate:.0} a second"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_the_edge_of_the_screen_and_wrapping_is_on_again_after_it() {
        assert_eq!(over("5 bars"), "\r\u{1b}[K\u{1b}[?7l5 bars\u{1b}[?7h");
    }

    #[test]
    fn a_line_says_how_many_of_how_many_and_how_fast() {
        assert_eq!(line("bars", 500, Some(2_000), Duration::from_secs(2)), "500 of 2000 bars (25 %), 250 a second");
        assert_eq!(line("ticks", 500, None, Duration::from_secs(1)), "500 ticks, 500 a second");
    }
}
