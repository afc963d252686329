//! Messages of the media server: results of requests, and events.

use std::time::Duration;

use model::answer::AnswerClass;

use super::xml;
use super::{DIALOG_EXIT, DtmfEnd, PlayEnd, RECORDING, RecordEnd, Response, Variable};

/// A body from the media server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// `<result>`: the answer to a request.
    Result(Response),
    /// `<event>`: a dialog reports or has ended.
    Event(Event),
}

/// An `<event>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Its name; [`DIALOG_EXIT`] at a dialog's end.
    pub name: String,
    /// Its source, as `conn:x/dialog:y`.
    pub id: String,
    /// Its values, in order.
    pub values: Vec<(String, String)>,
}

/// Why a body is not a valid notice.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the body is no MSML result or event: {0}")]
pub struct NoticeError(String);

impl Event {
    /// Whether a dialog has ended.
    pub fn is_dialog_exit(&self) -> bool {
        self.name == DIALOG_EXIT
    }

    /// Whether a dialog has begun to record.
    pub fn is_recording(&self) -> bool {
        self.name == RECORDING
    }

    /// The connection that the event concerns.
    pub fn connection(&self) -> Option<&str> {
        let rest = self.id.strip_prefix("conn:")?;
        Some(rest.split_once('/').map_or(rest, |(connection, _)| connection))
    }

    /// The name of the dialog that the event concerns.
    pub fn dialog(&self) -> Option<&str> {
        self.id.split_once("/dialog:").map(|(_, name)| name)
    }

    /// The value of a variable.
    pub fn value(&self, variable: Variable) -> Option<&str> {
        self.values.iter().find(|(name, _)| name == variable.as_str()).map(|(_, value)| value.as_str())
    }

    /// The digits collected.
    pub fn digits(&self) -> Option<&str> {
        self.value(Variable::DtmfDigits)
    }

    /// How the collection ended.
    pub fn dtmf_end(&self) -> Option<DtmfEnd> {
        DtmfEnd::parse(self.value(Variable::DtmfEnd)?)
    }

    /// How the play ended.
    pub fn play_end(&self) -> Option<PlayEnd> {
        PlayEnd::parse(self.value(Variable::PlayEnd)?)
    }

    /// Who has answered.
    pub fn answer_class(&self) -> Option<AnswerClass> {
        AnswerClass::parse(self.value(Variable::AnswerClass)?)
    }

    /// How the recording ended, and how long it is.
    pub fn recorded(&self) -> Option<(RecordEnd, Duration)> {
        let length = self.value(Variable::RecordLength)?.strip_suffix("ms")?.parse().ok()?;
        Some((RecordEnd::parse(self.value(Variable::RecordEnd)?)?, Duration::from_millis(length)))
    }
}

/// Parses a result or an event.
pub fn parse_notice(body: &[u8]) -> Result<Notice, NoticeError> {
    let root = xml::parse(body).map_err(|refusal| NoticeError(refusal.description))?;
    let child = root.children.first().ok_or_else(|| NoticeError("it is empty".to_owned()))?;
    let need = |what: &str| NoticeError(format!("<{}> has no {what}", child.name));
    match child.name.as_str() {
        "result" => {
            let code = child.attribute("response").and_then(|c| c.parse().ok()).ok_or_else(|| need("response"))?;
            let texts =
                |name: &'static str| child.children.iter().filter(move |c| c.name == name).map(|c| c.text.clone());
            let description = texts("description").next();
            Ok(Notice::Result(Response { code, description, dialogs: texts("dialogid").collect() }))
        }
        "event" => {
            let name = child.attribute("name").ok_or_else(|| need("name"))?.to_owned();
            let id = child.attribute("id").unwrap_or_default().to_owned();
            let mut values = Vec::new();
            let mut pending = None;
            for part in &child.children {
                match (part.name.as_str(), pending.take()) {
                    ("name", None) => pending = Some(part.text.clone()),
                    ("value", Some(name)) => values.push((name, part.text.clone())),
                    _ => return Err(NoticeError("names and values do not alternate".to_owned())),
                }
            }
            Ok(Notice::Event(Event { name, id, values }))
        }
        other => Err(NoticeError(format!("<{other}> is neither"))),
    }
}
