//! The media server's side of a connection: its running dialog, the effect of requests, and the reports at the dialog's end.

use std::time::Duration;

use model::answer::AnswerClass;

use super::{
    Command, DIALOG_EXIT, Dialog, Event, JoinStreams, RECORDING, Record, RecordEnd, Refusal, Report, Response,
    Variable, build_event, build_result, code, parse_request, record,
};

/// The MSML state of one media dialog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connection {
    id: String,
    running: Option<Running>,
    echo: bool,
    membership: Option<Membership>,
    named: u32,
}

/// The part of a connection in a conference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Membership {
    /// The conference.
    pub conference: String,
    /// Who hears it there.
    pub heard_by: Listeners,
    /// Whether it hears the others.
    pub hears: bool,
    /// The recording that it was joined with, or unjoined from, last.
    pub recording: Option<MemberRecording>,
}

/// What a member was told of a recording of its conference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberRecording {
    /// The recording, without `rec:`.
    pub name: String,
    /// Whether the members hear a tone now and then that says so.
    pub beep: bool,
    /// Whether it is joined with it.
    pub is_on: bool,
}

/// Who hears a member of a conference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Listeners {
    /// Every other member.
    All,
    /// Nobody.
    Nobody,
    /// The member with this connection, without `conn:`.
    Only(String),
}

/// A [`Connection`] as plain data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectionSnapshot {
    /// The connection's id, without `conn:`.
    pub id: String,
    /// The running dialog.
    pub running: Option<Running>,
    /// Whether the connection is echoed to itself.
    pub echo: bool,
    /// The conference that it is in.
    pub membership: Option<Membership>,
    /// Number of names generated for dialogs.
    pub named: u32,
}

/// A running dialog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Running {
    /// Its name.
    pub name: String,
    /// The dialog's definition.
    pub dialog: Dialog,
}

/// What the media server must do, in order.
#[allow(clippy::large_enum_variant, reason = "one or two live for the time of a request")]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Start the play and collection of this dialog.
    Start(Running),
    /// Stop the running dialog. Its exit event is already in the answer's notices.
    Stop,
    /// Play the connection back to itself.
    Echo,
    /// Stop the echo.
    EndEcho,
    /// Make it a member of its conference alone, or change its part there: [`Connection::membership`] says which.
    Join,
    /// Take it out of its conference.
    Leave,
    /// Delete the recording with this URI.
    Delete(String),
}

/// What a request may use at the place where its connection is.
pub trait Facilities {
    /// Whether a URI can be played.
    fn can_play(&self, uri: &str) -> bool;

    /// Whether there is room for the connection in a conference.
    fn may_join(&self, conference: &str) -> bool;

    /// Whether there is room for a recording.
    fn may_record(&self, record: &Record) -> bool;

    /// Whether a URI is that of a recording.
    fn is_recorded(&self, uri: &str) -> bool;
}

/// The answer to a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The body of the response.
    pub body: String,
    /// Actions to carry out.
    pub actions: Vec<Action>,
    /// Bodies to send in INFO requests of our own, in order: the reports of ended dialogs.
    pub notices: Vec<String>,
}

/// How a dialog's treatment ended, as reported by the audio session.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// How the play ended; `None` without a play.
    pub play_end: Option<PlayEnd>,
    /// Duration played.
    pub played: Duration,
    /// The digits, without the return key.
    pub digits: String,
    /// The last key pressed.
    pub last: Option<char>,
    /// How the collection ended; `None` without a collection.
    pub dtmf_end: Option<DtmfEnd>,
    /// How the recording ended; `None` without a recording.
    pub record_end: Option<RecordEnd>,
    /// How long it is; `None` where that is not known yet.
    pub recorded: Option<Duration>,
    /// Who has answered; `None` where that was not the question.
    pub answer: Option<AnswerClass>,
}

/// `play.end`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlayEnd {
    /// Everything was played.
    Complete,
    /// A key interrupted it.
    Barge,
    /// It was stopped by a request.
    Terminated,
}

/// `dtmf.end`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DtmfEnd {
    /// The digits match.
    Match,
    /// No key was pressed in time.
    NoInput,
    /// The input ended with too few digits.
    NoMatch,
    /// It was stopped by a request.
    Terminated,
}

// === impl Connection ===

impl Connection {
    /// A connection with no running dialog, in that conference.
    pub fn new(id: impl Into<String>, conference: Option<&str>) -> Self {
        let membership = conference.map(|name| Membership::new(name.to_owned(), JoinStreams::Both));
        Self { id: id.into(), running: None, echo: false, membership, named: 0 }
    }

    /// Continues from `snapshot`.
    pub fn restore(snapshot: ConnectionSnapshot) -> Self {
        let ConnectionSnapshot { id, running, echo, membership, named } = snapshot;
        Self { id, running, echo, membership, named }
    }

    /// The state as plain data.
    pub fn snapshot(&self) -> ConnectionSnapshot {
        let Self { id, running, echo, membership, named } = self.clone();
        ConnectionSnapshot { id, running, echo, membership, named }
    }

    /// Its id, without `conn:`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its part in the conference that it is in.
    pub const fn membership(&self) -> Option<&Membership> {
        self.membership.as_ref()
    }

    /// The running dialog.
    pub fn running(&self) -> Option<&Running> {
        self.running.as_ref()
    }

    /// Carries out a request body. One that needs what is not at the site is refused before anything is done.
    ///
    /// Commands run in order until one fails (RFC 5707 §8); those before it remain done.
    pub fn handle_request(&mut self, body: &[u8], site: &impl Facilities) -> Answer {
        let mut answer = Answer { body: String::new(), actions: Vec::new(), notices: Vec::new() };
        let mut dialogs = Vec::new();
        let done = parse_request(body).and_then(|commands| {
            commands.iter().try_for_each(|command| check(command, site))?;
            commands.into_iter().try_for_each(|command| self.perform(command, &mut answer, &mut dialogs))
        });
        answer.body = build_result(&match done {
            Ok(()) => Response { code: code::OK, description: None, dialogs },
            Err(Refusal { code, description }) => Response { code, description: Some(description), dialogs },
        });
        answer
    }

    /// The running dialog ended by itself; returns the bodies to send.
    pub fn handle_ended(&mut self, outcome: &Outcome) -> Vec<String> {
        match self.running.take() {
            Some(running) => self.reports(&running, outcome),
            None => Vec::new(),
        }
    }

    /// The running dialog has begun to record; returns the body to send.
    pub fn handle_recording(&self) -> Option<String> {
        let running = self.running.as_ref().filter(|running| running.dialog.record.is_some())?;
        let event = Event { name: RECORDING.to_owned(), id: self.dialog_id(running), values: Vec::new() };
        Some(build_event(&event))
    }

    fn perform(&mut self, command: Command, answer: &mut Answer, dialogs: &mut Vec<String>) -> Result<(), Refusal> {
        match command {
            Command::DialogStart { connection, name, dialog } => {
                self.own(&connection)?;
                let running = Running { name: self.name_of_dialog(name)?, dialog };
                self.stop(answer);
                dialogs.push(self.dialog_id(&running));
                self.running = Some(running.clone());
                answer.actions.push(Action::Start(running));
            }
            Command::DialogEnd { connection, name } => {
                self.own(&connection)?;
                if self.running.as_ref().is_none_or(|r| r.name != name) {
                    return Err(Refusal::new(code::NO_SUCH_OBJECT, format_args!("no dialog named {name} is running")));
                }
                self.stop(answer);
            }
            Command::Echo { connection } => {
                self.own(&connection)?;
                self.echo = true;
                answer.actions.push(Action::Echo);
            }
            Command::EndEcho { connection } => {
                self.own(&connection)?;
                if !std::mem::take(&mut self.echo) {
                    return Err(Refusal::new(code::NO_SUCH_OBJECT, "the connection is not joined with itself"));
                }
                answer.actions.push(Action::EndEcho);
            }
            Command::Join { connection, conference, streams } => {
                self.own(&connection)?;
                self.membership = Some(Membership::new(conference, streams));
                answer.actions.push(Action::Join);
            }
            Command::Coach { connection, heard_by } => {
                self.own(&connection)?;
                self.own_membership()?.heard_by = Listeners::Only(heard_by);
                answer.actions.push(Action::Join);
            }
            Command::Record { connection, name, beep } => {
                self.own(&connection)?;
                self.own_membership()?.recording = Some(MemberRecording { name, beep, is_on: true });
                answer.actions.push(Action::Join);
            }
            Command::EndRecord { connection, name } => {
                self.own(&connection)?;
                self.own_membership()?.recording = Some(MemberRecording { name, beep: false, is_on: false });
                answer.actions.push(Action::Join);
            }
            Command::Unjoin { connection, conference } => {
                self.own(&connection)?;
                if self.membership.as_ref().is_none_or(|own| own.conference != conference) {
                    let what = format_args!("the connection is not joined with conf:{conference}");
                    return Err(Refusal::new(code::NO_SUCH_OBJECT, what));
                }
                self.membership = None;
                answer.actions.push(Action::Leave);
            }
            Command::Delete { connection, uri } => {
                self.own(&connection)?;
                answer.actions.push(Action::Delete(uri));
            }
        }
        Ok(())
    }

    /// The name of a dialog that is to run, given or made.
    fn name_of_dialog(&mut self, given: Option<String>) -> Result<String, Refusal> {
        match given {
            Some(name) if self.running.as_ref().is_some_and(|running| running.name == name) => {
                Err(Refusal::new(code::NAME_IN_USE, format_args!("a dialog named {name} is running")))
            }
            Some(name) => Ok(name),
            None => {
                self.named = self.named.wrapping_add(1);
                Ok(format!("d{}", self.named))
            }
        }
    }

    fn own_membership(&mut self) -> Result<&mut Membership, Refusal> {
        let none = || Refusal::new(code::CANNOT_JOIN, "the connection is in no conference");
        self.membership.as_mut().ok_or_else(none)
    }

    fn own(&self, connection: &str) -> Result<(), Refusal> {
        if connection == self.id {
            Ok(())
        } else {
            Err(Refusal::new(
                code::NO_SUCH_OBJECT,
                format_args!("conn:{connection} is not the connection of this dialog"),
            ))
        }
    }

    fn stop(&mut self, answer: &mut Answer) {
        let Some(running) = self.running.take() else { return };
        answer.actions.push(Action::Stop);
        let outcome = Outcome {
            play_end: running.dialog.play.as_ref().map(|_| PlayEnd::Terminated),
            dtmf_end: running.dialog.collect.as_ref().map(|_| DtmfEnd::Terminated),
            record_end: running.dialog.record.as_ref().map(|_| RecordEnd::Terminated),
            ..Outcome::default()
        };
        answer.notices.extend(self.reports(&running, &outcome));
    }

    fn dialog_id(&self, running: &Running) -> String {
        format!("conn:{}/dialog:{}", self.id, running.name)
    }

    /// The events of an ended dialog: those of `<send>`, then the exit event.
    fn reports(&self, running: &Running, outcome: &Outcome) -> Vec<String> {
        let id = self.dialog_id(running);
        let mut exit = running.dialog.exit.clone();
        let mut bodies = Vec::new();
        for report in due(&running.dialog, outcome) {
            match report {
                Report::Exit { namelist } => exit.extend(namelist),
                Report::Send { event, namelist } => {
                    let values = values(namelist, outcome);
                    bodies.push(build_event(&Event { name: event.clone(), id: id.clone(), values }));
                }
            }
        }
        bodies.push(build_event(&Event { name: DIALOG_EXIT.to_owned(), id, values: values(&exit, outcome) }));
        bodies
    }
}

impl Membership {
    /// A member that is heard by all or by nobody.
    pub const fn new(conference: String, streams: JoinStreams) -> Self {
        let heard_by = match streams {
            JoinStreams::Both | JoinStreams::SpeaksOnly => Listeners::All,
            JoinStreams::HearsOnly | JoinStreams::Neither => Listeners::Nobody,
        };
        let hears = matches!(streams, JoinStreams::Both | JoinStreams::HearsOnly);
        Self { conference, heard_by, hears, recording: None }
    }
}

fn check(command: &Command, site: &impl Facilities) -> Result<(), Refusal> {
    match command {
        Command::Join { conference, .. } if !site.may_join(conference) => {
            Err(Refusal::new(code::CANNOT_JOIN, format_args!("conf:{conference} is full, or of another call")))
        }
        Command::Delete { uri, .. } if !site.is_recorded(uri) => {
            Err(Refusal::new(code::NO_SUCH_OBJECT, format_args!("{uri} is no recording")))
        }
        Command::DialogStart { dialog, .. } => check_dialog(dialog, site),
        _ => Ok(()),
    }
}

fn check_dialog(dialog: &Dialog, site: &impl Facilities) -> Result<(), Refusal> {
    let audio = dialog.play.iter().flat_map(|play| &play.audio);
    if let Some(uri) = audio.into_iter().find(|uri| !site.can_play(uri)) {
        return Err(Refusal::new(code::NO_SUCH_OBJECT, format_args!("{uri} cannot be played")));
    }
    match &dialog.record {
        Some(record) => record::check(record, site.may_record(record)),
        None => Ok(()),
    }
}

/// The reports for an outcome, in the order of the RFC.
fn due<'a>(dialog: &'a Dialog, outcome: &Outcome) -> impl Iterator<Item = &'a Report> {
    let play = dialog.play.iter().flat_map(|p| &p.on_exit);
    let end = outcome.dtmf_end;
    let collect = dialog.collect.iter().flat_map(move |c| {
        let first = match end {
            Some(DtmfEnd::Match) => c.on_match.as_slice(),
            Some(DtmfEnd::NoInput) => &c.on_no_input,
            Some(DtmfEnd::NoMatch) => &c.on_no_match,
            Some(DtmfEnd::Terminated) | None => &[],
        };
        first.iter().chain(&c.on_exit)
    });
    let record = dialog.record.iter().flat_map(|record| &record.on_exit);
    play.chain(collect).chain(record)
}

/// The values of the variables; a variable without a value in this outcome is omitted.
fn values(namelist: &[Variable], outcome: &Outcome) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    for variable in namelist {
        let value = match variable {
            Variable::PlayAmount => outcome.play_end.map(|_| format!("{}ms", outcome.played.as_millis())),
            Variable::PlayEnd => outcome.play_end.map(|end| end.as_str().to_owned()),
            Variable::DtmfDigits => outcome.dtmf_end.map(|_| outcome.digits.clone()),
            Variable::DtmfLength => outcome.dtmf_end.map(|_| outcome.digits.len().to_string()),
            Variable::DtmfLast => outcome.last.map(String::from),
            Variable::DtmfEnd => outcome.dtmf_end.map(|end| end.as_str().to_owned()),
            Variable::RecordLength => outcome.recorded.map(|length| format!("{}ms", length.as_millis())),
            Variable::AnswerClass => outcome.answer.map(|class| class.as_str().to_owned()),
            Variable::RecordEnd => outcome.record_end.map(|end| end.as_str().to_owned()),
        };
        let name = variable.as_str().to_owned();
        if let Some(value) = value.filter(|_| !seen.iter().any(|(n, _)| *n == name)) {
            seen.push((name, value));
        }
    }
    seen
}

// === impl PlayEnd, DtmfEnd ===

impl PlayEnd {
    /// The value in an event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "play.complete",
            Self::Barge => "play.barge",
            Self::Terminated => "play.terminated",
        }
    }

    /// Parses the value of an event.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Complete, Self::Barge, Self::Terminated].into_iter().find(|e| e.as_str() == text)
    }
}

impl DtmfEnd {
    /// The value in an event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Match => "dtmf.match",
            Self::NoInput => "dtmf.noinput",
            Self::NoMatch => "dtmf.nomatch",
            Self::Terminated => "dtmf.terminated",
        }
    }

    /// Parses the value of an event.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Match, Self::NoInput, Self::NoMatch, Self::Terminated].into_iter().find(|e| e.as_str() == text)
    }
}
