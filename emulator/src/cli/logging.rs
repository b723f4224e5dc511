//! Logs: to stderr, except while the live view has the terminal; then they wait until it gives it back.

use std::io::Write;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait; `None` while they go to stderr at once.
static HELD: Mutex<Option<Vec<u8>>> = Mutex::new(None);
/// More than this is not kept.
const HELD_MAX: usize = 1 << 20;

struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Ok(mut held) = HELD.lock()
            && let Some(held) = held.as_mut()
        {
            if held.len() < HELD_MAX {
                held.extend_from_slice(bytes);
            }
            return Ok(bytes.len());
        }
        std::io::stderr().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

struct MakeLogWriter;

impl MakeWriter<'_> for MakeLogWriter {
    type Writer = LogWriter;
    fn make_writer(&self) -> LogWriter {
        LogWriter
    }
}

/// Starts logging; RUST_LOG has precedence over `-v`.
pub fn start(verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(MakeLogWriter).with_ansi(ansi).without_time();
    // Fails only when one is set already, which then serves.
    let _ = subscriber.try_init();
}

/// Keeps logs back from now on.
pub fn hold() {
    if let Ok(mut held) = HELD.lock() {
        held.get_or_insert_with(Vec::new);
    }
}

/// Writes what was kept back and goes on as before.
pub fn release() {
    let lines = HELD.lock().ok().and_then(|mut held| held.take()).unwrap_or_default();
    let _ = std::io::stderr().write_all(&lines);
}
