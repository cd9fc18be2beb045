//! Set-up of the log. It goes to standard error; standard output is for what scripts read.

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Starts logging. A second call in one process does nothing, so that tests may each call it.
///
/// # Errors
/// A filter that cannot be read, in words.
pub fn start(filter: &str, format: LogFormat) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("log: `{filter}` is no filter: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}
