//! Set-up of the log, which goes to standard error (standard output is for what scripts read), and the metrics.

pub mod metrics;
pub mod origin;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// What would write tokens to the log: at `trace` the library repeats the whole head of a handshake. Off, whatever the filter says.
const SPEAKS_OF_SECRETS: [&str; 2] = ["tungstenite::handshake::client=off", "tungstenite::handshake::server=off"];

/// Whether a filter can be read.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check(filter: &str) -> Result<(), String> {
    parse(filter).map(drop)
}

fn parse(filter: &str) -> Result<EnvFilter, String> {
    let mut parsed = EnvFilter::try_new(filter).map_err(|error| format!("log: `{filter}` is no filter: {error}"))?;
    for silent in SPEAKS_OF_SECRETS {
        parsed = parsed.add_directive(silent.parse().map_err(|error| format!("log: {error}"))?);
    }
    Ok(parsed)
}

/// Starts logging. A second call in one process does nothing, so that tests may each call it.
///
/// # Errors
/// A filter that cannot be read, in words.
pub fn start(filter: &str, format: LogFormat) -> Result<(), String> {
    let filter = parse(filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    // sled says things at `debug` and `trace` from destructors of a thread's locals, when those of the subscriber may be gone: that panic
    // would abort the hub while it stops.
    log::set_max_level(log::max_level().min(log::LevelFilter::Info));
    Ok(())
}
