//! `<record>` (RFC 5707 §9.7.4): a WAV file of what a connection says.

use std::fmt::Write as _;
use std::time::Duration;

use quick_xml::escape::escape;

use super::{Refusal, Report, code};

/// `<record>`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// `dest`: the URI by which it can be played.
    pub uri: String,
    /// `maxtime`: how long it lasts at most.
    pub longest: Duration,
    /// `postspeech`: the silence after speech that ends it.
    pub silence: Option<Duration>,
    /// `termkey`: the key that ends it.
    pub end_key: Option<char>,
    /// Whether a beep precedes it.
    pub beep: bool,
    /// `<recordexit>`: reports when it is over.
    pub on_exit: Vec<Report>,
}

/// `record.end`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordEnd {
    /// The key that ends it was pressed.
    Key,
    /// There was silence after speech.
    Silence,
    /// It has lasted as long as it may.
    Longest,
    /// It was stopped by a request.
    Terminated,
}

/// The only format of recordings.
pub(super) const FORMAT: &str = "audio/wav";

/// Writes its beginning and its reports; the caller writes the end.
pub(super) fn open(out: &mut String, record: &Record) {
    let Record { uri, longest, silence, end_key, beep, on_exit: _ } = record;
    let uri = escape(uri.as_str());
    // Writing to a string cannot fail.
    let _ = write!(out, "<record dest=\"{uri}\" format=\"{FORMAT}\" maxtime=\"{}ms\"", longest.as_millis());
    if let Some(silence) = silence {
        let _ = write!(out, " postspeech=\"{}ms\"", silence.as_millis());
    }
    if let Some(key) = end_key {
        let _ = write!(out, " termkey=\"{key}\"");
    }
    let _ = write!(out, " beep=\"{beep}\">");
}

/// Refuses a dialog that would record where it may not.
pub(super) fn check(record: &Record, may_record: bool) -> Result<(), Refusal> {
    if may_record {
        Ok(())
    } else {
        Err(Refusal::new(code::NO_RESOURCES, format_args!("{} cannot be recorded: there is no room", record.uri)))
    }
}

// === impl RecordEnd ===

impl RecordEnd {
    /// The value in an event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "record.complete.termkey",
            Self::Silence => "record.complete.postspeech",
            Self::Longest => "record.complete.maxlength",
            Self::Terminated => "record.terminated",
        }
    }

    /// Parses the value of an event.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Key, Self::Silence, Self::Longest, Self::Terminated].into_iter().find(|end| end.as_str() == text)
    }
}
