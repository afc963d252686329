//! Logs: JSON lines on stdout with constant messages; the level can change at run time.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Whether lines go to stderr, since stdout has a command's answer.
static IS_BESIDE_ANSWER: AtomicBool = AtomicBool::new(false);

/// The most lines of a role's own form that are written at once, in bytes: whoever logs meanwhile waits for so many.
const PIECE_BYTES_MAX: usize = 16 << 10;

/// A number or name of a person: printed masked except for its ends.
///
/// `info!(caller = %Pii(number), "call arrived")`
#[derive(Clone, Copy)]
pub struct Pii<T>(pub T);

impl<T: AsRef<str>> fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_ref();
        let count = text.chars().count();
        // Two digits at each end tell callers apart in a log but do not identify them; short texts are masked whole.
        let shown = if count >= 8 { 2 } else { 0 };
        for (i, c) in text.chars().enumerate() {
            let c = if i < shown || i + shown >= count { c } else { '*' };
            write!(f, "{c}")?;
        }
        Ok(())
    }
}

impl<T: AsRef<str>> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Changes the log level of the process.
#[derive(Clone)]
pub struct LogLevel {
    handle: Option<reload::Handle<EnvFilter, tracing_subscriber::Registry>>,
}

impl LogLevel {
    /// A level that cannot be changed: for tests.
    pub const fn fixed() -> Self {
        Self { handle: None }
    }

    /// The present level, as directives: `info` or `warn,voice=debug`.
    pub fn now(&self) -> String {
        let filter = self.handle.as_ref().and_then(|handle| handle.with_current(ToString::to_string).ok());
        filter.unwrap_or_else(|| "off".to_owned())
    }

    /// Sets other directives; the error is the reason.
    pub fn set(&self, directives: &str) -> Result<(), String> {
        check(directives)?;
        let filter = EnvFilter::try_new(directives).map_err(|error| error.to_string())?;
        match &self.handle {
            Some(handle) => handle.reload(filter).map_err(|error| error.to_string()),
            None => Err("the log level is fixed".to_owned()),
        }
    }
}

/// Whether these are valid directives, as `info` or `warn,voice=debug`; the error is the reason.
///
/// A single word that is no level would be taken for a module name, and all other modules would be silent.
pub fn check(directives: &str) -> Result<(), String> {
    let is_level = |word: &str| word.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
    let stray = directives.split(',').find(|part| !part.contains(['=', '[']) && !is_level(part));
    if let Some(stray) = stray {
        return Err(format!("{stray:?} is no level: error, warn, info, debug, trace or off, or MODULE=LEVEL"));
    }
    EnvFilter::try_new(directives).map(drop).map_err(|error| error.to_string())
}

/// Starts logging to stdout. Only the first call in a process sets the destination.
pub fn start(directives: &str) -> Result<LogLevel, String> {
    start_to(directives, std::io::stdout)
}

/// Starts logging to stderr, for a command that prints its answer to stdout.
pub fn start_beside_answer(directives: &str) -> Result<LogLevel, String> {
    IS_BESIDE_ANSWER.store(true, Relaxed);
    start_to(directives, std::io::stderr)
}

/// Writes whole lines of a role's own form where the log goes, whatever its level. It blocks as long as nobody reads them. Lines of the log
/// come between its pieces.
///
/// # Errors
/// If they cannot be written.
pub fn write_lines(text: &str) -> io::Result<()> {
    for piece in pieces(text, PIECE_BYTES_MAX) {
        if IS_BESIDE_ANSWER.load(Relaxed) {
            io::stderr().lock().write_all(piece.as_bytes())?;
        } else {
            let mut out = io::stdout().lock();
            out.write_all(piece.as_bytes())?;
            out.flush()?;
        }
        // Who waits for the lock has it first: else this thread would take it again before another wakes.
        std::thread::yield_now();
    }
    Ok(())
}

/// A text in pieces of whole lines, each of at most so many bytes or of one line.
fn pieces(text: &str, bytes_max: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let within = rest.get(..rest.floor_char_boundary(bytes_max)).unwrap_or_default();
        let end = match within.len() == rest.len() {
            true => rest.len(),
            false => within.rfind('\n').or_else(|| rest.find('\n')).map_or(rest.len(), |at| at + 1),
        };
        let (piece, left) = rest.split_at_checked(end)?;
        rest = left;
        Some(piece)
    })
}

fn start_to<W: std::io::Write>(
    directives: &str,
    to: impl Fn() -> W + Send + Sync + 'static,
) -> Result<LogLevel, String> {
    let filter = EnvFilter::try_new(directives).map_err(|error| error.to_string())?;
    let (filter, handle) = reload::Layer::new(filter);
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(to);
    tracing_subscriber::registry().with(filter).with(lines).try_init().map_err(|error| error.to_string())?;
    Ok(LogLevel { handle: Some(handle) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        assert_eq!((check("info"), check("warn,voice=debug"), check("voice::rq=trace,OFF")), (Ok(()), Ok(()), Ok(())));
        assert!(check("loud").unwrap_err().starts_with("\"loud\" is no level"));
        assert!(check("info,voice").is_err() && check("voice=loud").is_err());
    }

    #[test]
    fn lines_are_written_in_pieces_that_end_with_a_line() {
        let line = |bytes: usize| format!("{}\n", "ä".repeat(bytes / 2));
        let text: String = [3, 4, 40, 2, 2, 9].map(line).concat();
        let split: Vec<&str> = pieces(&text, 10).collect();
        assert_eq!(split.concat(), text);
        assert!(split.iter().all(|piece| piece.ends_with('\n') && (piece.len() <= 10 || piece.lines().count() == 1)));
        assert_eq!(split.len(), 4);
        assert_eq!(pieces("", 10).count(), 0);
        assert_eq!(pieces("no end", 2).collect::<Vec<_>>(), ["no end"]);
    }

    #[test]
    fn personal_data_is_masked() {
        assert_eq!(Pii("+15550100").to_string(), "+1*****00");
        assert_eq!(Pii("7101").to_string(), "****");
        assert_eq!(format!("{:?}", Pii("+4930123456")), "+4*******56");
    }
}
