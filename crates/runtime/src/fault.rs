//! Faults that cost one call, session or subscription, never the role: reports of their causes, kept as files for
//! debugging.
//!
//! A report names what failed and contains the input that caused it, with every number and secret masked. A test can
//! replay that input. Files are bounded in number and size: the oldest is removed first.

use std::any::Any;
use std::backtrace::BacktraceStatus;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use model::Timestamp;
use serde_json::json;

use crate::data_dir;
use crate::trace_data::{mask, sip};

/// Maximum of reports in a data directory.
pub const REPORTS_MAX: usize = 100;
/// Maximum of an input that a report keeps, in bytes: the largest SIP message that is read.
pub const INPUT_BYTES_MAX: usize = 64 << 10;
/// The folder within the data directory.
pub const FOLDER: &str = "faults";

/// Why a piece of work was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The code panicked; its message, masked.
    Panic(String),
    /// A named limit of work was reached.
    Steps(&'static str),
    /// It failed twice; the reason of the last failure, masked.
    Twice(String),
}

impl Cause {
    /// From a caught panic.
    pub fn of_panic(panic: &(dyn Any + Send)) -> Self {
        Self::Panic(panic_text(panic))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic(message) => write!(f, "a panic: {message}"),
            Self::Steps(what) => write!(f, "a limit of work: {what}"),
            Self::Twice(why) => write!(f, "twice: {why}"),
        }
    }
}

/// The message of a panic, masked: it may quote external input.
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    mask::text(text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message"))
}

/// Sends panics masked to the log from now on, instead of unmasked to standard error.
pub fn log_panics_masked() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string);
        let backtrace = std::backtrace::Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        let text = panic_text(panic.payload());
        tracing::error!(at, backtrace, "a panic: {text}");
    }));
}

/// Consecutive caught panics without a success between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InARow(u32);

impl InARow {
    /// From this number on, the cause is no single input.
    pub const MAX: u32 = 100;

    /// A piece of work succeeded.
    pub const fn went_well(&mut self) {
        self.0 = 0;
    }

    /// A piece of work has failed.
    pub const fn failed(&mut self) {
        self.0 = self.0.saturating_add(1);
    }

    /// Whether nothing works any more: the role must restart.
    pub const fn are_too_many(&self) -> bool {
        self.0 >= Self::MAX
    }

    /// Why a piece of work has failed. Panic number [`InARow::MAX`] is passed on, so that the role restarts.
    pub fn caught(&mut self, panic: Box<dyn Any + Send>) -> Cause {
        self.failed();
        if self.are_too_many() {
            std::panic::resume_unwind(panic);
        }
        Cause::of_panic(&*panic)
    }
}

/// Runs work of one tenant: a panic in it becomes an error, and the work is not continued.
///
/// # Errors
/// Those of the work, and its panic.
pub async fn contained<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|cx| {
        // The state left half done is dropped with the future.
        catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)))
            .unwrap_or_else(|panic| Poll::Ready(Err(anyhow::anyhow!("{}", Cause::of_panic(&*panic)))))
    })
    .await
}

/// Report of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultReport {
    /// When.
    pub at: Timestamp,
    /// The call or session that was ended; none if none is known.
    pub subject: Option<String>,
    /// Why.
    pub cause: Cause,
    /// The kind of input being processed.
    pub name: &'static str,
    /// The input; a SIP message as received. Masked when it is written.
    pub input: String,
}

impl FaultReport {
    /// The report as JSON.
    pub fn to_json(&self, role: &str) -> String {
        let end = (0..=INPUT_BYTES_MAX.min(self.input.len())).rev().find(|at| self.input.is_char_boundary(*at));
        let input = self.input.get(..end.unwrap_or(0)).unwrap_or_default();
        let report = json!({
            "at_us": self.at.as_micros(),
            "role": role,
            "subject": self.subject,
            "cause": self.cause.to_string(),
            "kind": self.name,
            "input": masked(self.name, input),
            "program": env!("CARGO_PKG_VERSION"),
        });
        report.to_string()
    }
}

/// Removes secrets and people's numbers; a SIP message remains one.
fn masked(kind: &str, input: &str) -> String {
    if kind != MESSAGE {
        return mask::text(input);
    }
    match sip::scan(input.as_bytes()) {
        Some(scanned) => mask::message(&String::from_utf8_lossy(&scanned.without_secrets(input.as_bytes()))),
        // Without a scan, the secrets cannot be located: keep the first line only.
        None => mask::message(input.lines().next().unwrap_or_default()),
    }
}

/// The kind of an input that is a SIP message.
pub const MESSAGE: &str = "message";

/// The folder of a role's reports.
#[derive(Debug)]
pub struct FaultReports {
    folder: PathBuf,
    node: String,
    next: AtomicU64,
}

impl FaultReports {
    /// The reports of a node, within the data directory.
    pub fn new(data_dir: &Path, node: &str) -> Self {
        Self { folder: data_dir.join(FOLDER), node: node.to_owned(), next: AtomicU64::new(0) }
    }

    /// Writes a report; if that fails, only the earlier log line remains.
    pub fn keep(&self, report: &FaultReport) {
        if let Err(error) = self.write(report) {
            tracing::warn!(folder = %self.folder.display(), %error, "a report of a fault cannot be kept");
        }
    }

    fn write(&self, report: &FaultReport) -> std::io::Result<()> {
        data_dir::make_private(&self.folder)?;
        self.make_room()?;
        // Files sort by time; the number tells those of the same time apart.
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("{:020}-{}-{number}.json", report.at.as_micros(), self.node);
        data_dir::write_whole(&self.folder.join(name), report.to_json(&self.node).as_bytes())
    }

    fn make_room(&self) -> std::io::Result<()> {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(&self.folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.sort_unstable();
        let surplus = (files.len() + 1).saturating_sub(REPORTS_MAX);
        for file in files.into_iter().take(surplus) {
            // Another role of the process may have removed it.
            let _ = std::fs::remove_file(file);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(input: &str) -> FaultReport {
        FaultReport {
            at: Timestamp::from_millis(1),
            subject: Some("00ff".to_owned()),
            cause: Cause::Steps("events of a dialog"),
            name: MESSAGE,
            input: input.to_owned(),
        }
    }

    #[test]
    fn a_report_says_what_was_in_hand_and_shows_neither_numbers_nor_passwords() {
        let invite = "INVITE sip:+15550100@edge SIP/2.0\r\nFrom: <sip:+15557654321@x>;tag=1\r\nCall-ID: a\r\n\
            Proxy-Authorization: Digest response=\"beef\"\r\nSession-Expires: 2\r\n\r\n";
        let kept = report(invite).to_json("sip-cluster-1");
        assert!(kept.contains("Session-Expires: 2") && kept.contains("events of a dialog"), "{kept}");
        assert!(!kept.contains("7654321") && !kept.contains("beef"), "{kept}");
        let unreadable = report("REGISTER sip:+15557654321@x SIP/2.0\r\nAuthorization: beef\r\n\r\n").to_json("n");
        assert!(!unreadable.contains("7654321") && !unreadable.contains("beef"), "{unreadable}");
    }

    #[tokio::test]
    async fn a_panic_in_one_tenants_work_is_its_error() {
        let fault = contained(async { if true { panic!("for +15557654321") } else { Ok(()) } }).await.unwrap_err();
        assert!(fault.to_string().starts_with("a panic: for "), "{fault}");
        assert!(!fault.to_string().contains("7654321"), "{fault}");
        assert_eq!(contained(async { Ok(7) }).await.unwrap(), 7);
        let late = contained(async {
            tokio::task::yield_now().await;
            if true { panic!("later") } else { Ok(()) }
        });
        assert!(late.await.is_err());
    }

    #[test]
    fn a_fault_of_everything_is_not_hidden() {
        let mut row = InARow::default();
        let fail = |row: &mut InARow| {
            let panic = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new("again"))).expect_err("a panic");
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| row.caught(panic))).is_err()
        };
        assert!(!(1..InARow::MAX).any(|_| fail(&mut row)));
        row.went_well();
        assert!(!(1..InARow::MAX).any(|_| fail(&mut row)));
        assert!(fail(&mut row));
    }

    #[test]
    fn an_input_is_cut_at_its_bound() {
        let long = format!("INVITE sip:a@b SIP/2.0\r\nCall-ID: a\r\n\r\n{}", "é".repeat(INPUT_BYTES_MAX));
        assert!(report(&long).to_json("n").len() < 2 * INPUT_BYTES_MAX);
    }

    #[test]
    fn the_oldest_reports_make_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let reports = FaultReports::new(folder.path(), "sip-cluster-1");
        for second in 0..REPORTS_MAX as u64 + 5 {
            reports.keep(&FaultReport { at: Timestamp::from_millis(second), ..report("") });
        }
        let mut names: Vec<_> = std::fs::read_dir(folder.path().join(FOLDER))
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect();
        names.sort();
        assert_eq!(names.len(), REPORTS_MAX);
        assert!(names[0].starts_with("00000000000000005000-"), "{}", names[0]);
    }
}
