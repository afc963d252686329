//! MSML (RFC 5707), both sides, as far as voice calls need it: start and end a dialog on a connection, play, collect
//! digits, record, echo a connection to itself, move it to another conference.
//!
//! The call's owner builds requests from [`Command`]s and reads [`Notice`]s. The media server has a [`Connection`]
//! per media dialog; it takes requests and treatment ends and returns [`Action`]s and bodies to send. An unsupported
//! element is refused by name with the RFC's response code (§8), never ignored.

mod build;
mod connection;
mod notice;
mod record;
mod request;
mod xml;

use std::fmt;
use std::time::Duration;

pub use build::{build_event, build_request, build_result};
pub use connection::{
    Action, Answer, Connection, ConnectionSnapshot, DtmfEnd, Facilities, Listeners, MemberRecording, Membership,
    Outcome, PlayEnd, Running,
};
pub use notice::{Event, Notice, NoticeError, parse_notice};
pub use record::{Record, RecordEnd};
pub use request::parse_request;

/// The content type of every body here.
pub const CONTENT_TYPE: &str = "application/msml+xml";
/// The destination of a recording that is not kept: it says who has answered.
pub const CLASSIFY: &str = "classify:answer";
/// The event at a dialog's end (RFC 5707 §9.5.1).
pub const DIALOG_EXIT: &str = "msml.dialog.exit";
/// The event at the beginning of a recording, after the play and the beep.
pub const RECORDING: &str = "trunkline.recording";
/// The event to a connection by which its owner deletes a recording.
pub const DELETE: &str = "trunkline.delete";
/// Longest body that is parsed, in bytes.
pub const BODY_BYTES_MAX: usize = 32_768;
/// Most audio segments of one `<play>`.
pub const AUDIO_MAX: usize = 32;
/// Most requests of one body: an owner sends one or two, and each started dialog ends the one before it, with its
/// reports.
pub const COMMANDS_MAX: usize = 8;
/// Most `<send>` and `<exit>` in one part of a dialog: each becomes an INFO at its end.
pub const REPORTS_MAX: usize = 8;
/// Most names of a namelist; there are eight variables.
pub const VARIABLES_MAX: usize = 16;
/// Longest name of a dialog or an event, in bytes.
pub const NAME_MAX: usize = 64;
/// Longest id of a connection in bytes.
pub const CONNECTION_MAX: usize = 512;
/// Longest URI of an audio segment, in bytes: prompts have names of 64.
pub const URI_MAX: usize = 256;
/// Most digits that one `<collect>` may request.
pub const DIGITS_MAX: u8 = 32;

/// Longest recording that may be requested: 180 s of it are 3 MB.
pub const RECORD_MAX: Duration = Duration::from_secs(180);

/// One request of an `<msml>` body.
#[allow(clippy::large_enum_variant, reason = "one or two live for the time of a request")]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// `<dialogstart>`: runs a dialog on a connection. It ends a running dialog: a connection has one source of sound.
    DialogStart {
        /// The connection, without `conn:`.
        connection: String,
        /// The dialog's name; the media server generates one if there is none.
        name: Option<String>,
        /// The dialog.
        dialog: Dialog,
    },
    /// `<dialogend>`: ends a dialog; its exit event follows.
    DialogEnd {
        /// The connection, without `conn:`.
        connection: String,
        /// The dialog's name.
        name: String,
    },
    /// `<join>` of a connection with itself: its audio is played back to it.
    Echo {
        /// The connection, without `conn:`.
        connection: String,
    },
    /// `<unjoin>` of a connection from itself.
    EndEcho {
        /// The connection, without `conn:`.
        connection: String,
    },
    /// `<join>` of a connection with a conference: it leaves the one that it was in, and is heard by no connection alone.
    Join {
        /// The connection, without `conn:`.
        connection: String,
        /// The conference, without `conf:`.
        conference: String,
        /// Which way the audio goes.
        streams: JoinStreams,
    },
    /// `<join>` of a connection with another one of its conference, which alone hears it.
    Coach {
        /// The connection, without `conn:`.
        connection: String,
        /// The one that hears it, without `conn:`.
        heard_by: String,
    },
    /// `<join>` of a connection with a recording (`rec:`): what all say to all in its conference is recorded as that. It is enough that one of the
    /// members is joined, and none has been unjoined from it.
    Record {
        /// The connection, without `conn:`.
        connection: String,
        /// The recording: letters, digits and `-`.
        name: String,
        /// `beep`: whether the members hear a tone now and then that says so.
        beep: bool,
    },
    /// `<unjoin>` of a connection from a recording: its conference is not recorded as that, whatever other members were told.
    EndRecord {
        /// The connection, without `conn:`.
        connection: String,
        /// The recording.
        name: String,
    },
    /// `<unjoin>` of a connection from a conference.
    Unjoin {
        /// The connection, without `conn:`.
        connection: String,
        /// The conference, without `conf:`.
        conference: String,
    },
    /// `<send>` of [`DELETE`] to a connection: what was recorded there is deleted.
    Delete {
        /// The connection, without `conn:`.
        connection: String,
        /// The URI of the recording.
        uri: String,
    },
}

/// The audio streams between a connection and its conference (RFC 5707 §8.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum JoinStreams {
    /// It speaks and hears: no `<stream>`.
    #[default]
    Both,
    /// It hears and is not heard: `dir="to-id1"`.
    HearsOnly,
    /// It speaks and hears nothing: `dir="from-id1"`.
    SpeaksOnly,
    /// It is not heard and hears nothing: `dir="from-id1"` with `<gain amt="mute"/>`.
    Neither,
}

/// A MOML dialog: play, then collect or record, then exit. Parts may be absent, not all of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dialog {
    /// The play, if any.
    pub play: Option<Play>,
    /// The digit collection, during and after the play.
    pub collect: Option<Collect>,
    /// The recording, after the play. A dialog does not collect and record.
    pub record: Option<Record>,
    /// `<exit namelist>` of the dialog: the variables in its exit event.
    pub exit: Vec<Variable>,
}

/// `<play>` (RFC 5707 §9.7.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Play {
    /// The URIs of the audio, one after the other.
    pub audio: Vec<String>,
    /// How often the whole list is played.
    pub iterate: Iterate,
    /// Whether a digit stops it.
    pub barge: bool,
    /// `<playexit>`: reports when the play is over.
    pub on_exit: Vec<Report>,
}

/// How often something is played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Iterate {
    /// This many times, at least once.
    Times(u16),
    /// Until it is stopped.
    Forever,
}

/// `<collect>`, also spelt `<dtmf>` (RFC 5707 §9.8.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Collect {
    /// Discard digits pressed before.
    pub clear_buffer: bool,
    /// How long to wait for the first digit once the play is over.
    pub first_digit: Duration,
    /// How long to wait between digits.
    pub inter_digit: Duration,
    /// The pattern that ends it.
    pub pattern: Pattern,
    /// `<pattern>`: reports on a match.
    pub on_match: Vec<Report>,
    /// `<noinput>`
    pub on_no_input: Vec<Report>,
    /// `<nomatch>`
    pub on_no_match: Vec<Report>,
    /// `<dtmfexit>`: reports in every case, after the others.
    pub on_exit: Vec<Report>,
}

/// A digit pattern in the `moml+digits` format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pattern {
    /// Fewest digits of a match.
    pub min: u8,
    /// Most digits; reaching it is a match.
    pub max: u8,
    /// `rtk`: the key that ends the input; it is not part of the digits.
    pub return_key: Option<char>,
}

/// `<send target="source">` or `<exit>` in a part of a dialog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Report {
    /// Sends an event with this name and these values, at once.
    Send {
        /// Its name.
        event: String,
        /// Its values.
        namelist: Vec<Variable>,
    },
    /// Ends the dialog; its exit event has these values.
    Exit {
        /// Its values.
        namelist: Vec<Variable>,
    },
}

/// The shadow variables available to reports (RFC 5707 §9.7.1, §9.7.4, §9.8.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Variable {
    /// `play.amt`: duration played, in milliseconds.
    PlayAmount,
    /// `play.end`: how the play ended.
    PlayEnd,
    /// `dtmf.digits`: the digits without the return key.
    DtmfDigits,
    /// `dtmf.len`: number of digits.
    DtmfLength,
    /// `dtmf.last`: the last key pressed.
    DtmfLast,
    /// `dtmf.end`: how the collection ended.
    DtmfEnd,
    /// `record.len`: duration recorded, in milliseconds.
    RecordLength,
    /// `record.end`: how the recording ended.
    RecordEnd,
    /// `answer.class`: who has answered, by what was recorded; ours.
    AnswerClass,
}

/// The answer to a request: `<result>` (RFC 5707 §8).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    /// 200, or the code of the error.
    pub code: u16,
    /// The fault, naming the element or attribute.
    pub description: Option<String>,
    /// The ids of the started dialogs, as `conn:x/dialog:y`.
    pub dialogs: Vec<String>,
}

/// A refused request, with the RFC's response code.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{code} {description}")]
pub struct Refusal {
    /// The response code (RFC 5707 §8, table of codes).
    pub code: u16,
    /// The fault, naming the element or attribute.
    pub description: String,
}

/// Response codes of RFC 5707 §11 in use here.
pub mod code {
    /// The request was carried out.
    pub const OK: u16 = 200;
    /// Not well-formed, or not `<msml>`.
    pub const BAD_REQUEST: u16 = 400;
    /// An element that the RFC does not know.
    pub const UNKNOWN_ELEMENT: u16 = 401;
    /// An element of the RFC that is not supported here.
    pub const UNSUPPORTED_ELEMENT: u16 = 402;
    /// A mandatory child is missing.
    pub const MISSING_ELEMENT: u16 = 403;
    /// A child element where none is allowed.
    pub const FORBIDDEN_ELEMENT: u16 = 404;
    /// An attribute that is not supported here.
    pub const UNSUPPORTED_ATTRIBUTE: u16 = 407;
    /// A mandatory attribute is missing.
    pub const MISSING_ATTRIBUTE: u16 = 408;
    /// A value that the attribute does not allow.
    pub const INVALID_VALUE: u16 = 410;
    /// A dialog language other than MOML.
    pub const UNSUPPORTED_LANGUAGE: u16 = 420;
    /// The connection, dialog or prompt does not exist.
    pub const NO_SUCH_OBJECT: u16 = 430;
    /// A dialog of that name is running already.
    pub const NAME_IN_USE: u16 = 431;
    /// Objects that do not support joining.
    pub const CANNOT_JOIN: u16 = 440;
    /// Not enough resources.
    pub const NO_RESOURCES: u16 = 510;
}

// === impl Variable ===

impl Variable {
    const ALL: [Self; 9] = [
        Self::PlayAmount,
        Self::PlayEnd,
        Self::DtmfDigits,
        Self::DtmfLength,
        Self::DtmfLast,
        Self::DtmfEnd,
        Self::RecordLength,
        Self::RecordEnd,
        Self::AnswerClass,
    ];

    /// Its name in a namelist.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlayAmount => "play.amt",
            Self::PlayEnd => "play.end",
            Self::DtmfDigits => "dtmf.digits",
            Self::DtmfLength => "dtmf.len",
            Self::DtmfLast => "dtmf.last",
            Self::DtmfEnd => "dtmf.end",
            Self::RecordLength => "record.len",
            Self::RecordEnd => "record.end",
            Self::AnswerClass => "answer.class",
        }
    }

    /// Parses the variable's name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.as_str() == name)
    }
}

// === impl Dialog ===

impl Dialog {
    /// Plays once; the exit event reports how it ended.
    pub fn announcement<T: Into<String>>(audio: impl IntoIterator<Item = T>) -> Self {
        Self::playing(audio, Iterate::Times(1))
    }

    /// Plays until it is ended: music, "please hold".
    pub fn looped<T: Into<String>>(audio: impl IntoIterator<Item = T>) -> Self {
        Self::playing(audio, Iterate::Forever)
    }

    /// Plays, collects digits, and stops the play at the first key; the exit event has digits and end.
    pub fn prompt_and_collect<T: Into<String>>(audio: impl IntoIterator<Item = T>, collect: Collect) -> Self {
        let audio: Vec<String> = audio.into_iter().map(Into::into).collect();
        let play =
            (!audio.is_empty()).then(|| Play { audio, iterate: Iterate::Times(1), barge: true, on_exit: Vec::new() });
        let exit = vec![Variable::DtmfDigits, Variable::DtmfEnd, Variable::DtmfLast];
        Self { play, collect: Some(collect), record: None, exit }
    }

    /// Plays, then records; the exit event has the end and the length, unless nothing could be recorded.
    pub fn prompt_and_record<T: Into<String>>(audio: impl IntoIterator<Item = T>, record: Record) -> Self {
        let audio: Vec<String> = audio.into_iter().map(Into::into).collect();
        let play =
            (!audio.is_empty()).then(|| Play { audio, iterate: Iterate::Times(1), barge: false, on_exit: Vec::new() });
        Self { play, collect: None, record: Some(record), exit: vec![Variable::RecordEnd, Variable::RecordLength] }
    }

    /// Listens to who has answered; the exit event has the class.
    pub fn classifying(record: Record) -> Self {
        let exit = vec![Variable::AnswerClass];
        Self { play: None, collect: None, record: Some(Record { uri: CLASSIFY.to_owned(), ..record }), exit }
    }

    fn playing<T: Into<String>>(audio: impl IntoIterator<Item = T>, iterate: Iterate) -> Self {
        let audio = audio.into_iter().map(Into::into).collect();
        let play = Play { audio, iterate, barge: false, on_exit: Vec::new() };
        let exit = vec![Variable::PlayEnd, Variable::PlayAmount];
        Self { play: Some(play), collect: None, record: None, exit }
    }
}

impl Collect {
    /// Collects `pattern` with the RFC's usual timeouts (first digit 4 s, between digits 4 s) after clearing the buffer.
    pub fn new(pattern: Pattern) -> Self {
        Self {
            clear_buffer: true,
            first_digit: DIGIT_TIMEOUT,
            inter_digit: DIGIT_TIMEOUT,
            pattern,
            on_match: Vec::new(),
            on_no_input: Vec::new(),
            on_no_match: Vec::new(),
            on_exit: Vec::new(),
        }
    }
}

impl Refusal {
    pub(crate) fn new(code: u16, description: impl fmt::Display) -> Self {
        Self { code, description: description.to_string() }
    }
}

/// Digit timeout if a request gives none.
const DIGIT_TIMEOUT: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests;
