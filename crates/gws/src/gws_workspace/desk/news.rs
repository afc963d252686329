//! Messages of gws-voice as the desk takes them: the published objects stay as they are told, for the desk passes them on.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::voice_api::{CallNotification, DnMessage, DnNews};

/// A message, read.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct VoiceMessage {
    pub position: String,
    pub reference: u64,
    pub requester: String,
    pub news: VoiceNews,
}

/// What it tells.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum VoiceNews {
    /// All of the DN.
    Picture { dn: Value, calls: Vec<Value> },
    /// The DN.
    Dn(Value),
    /// A call.
    Call { call: Value, notification: &'static str },
    /// Something that is told on as it is.
    Event(Value),
    /// The DN has no picture, and nothing is told of it.
    NoPicture { code: u32, message: String },
    /// A request was refused.
    Error { code: u32, message: String },
}

impl From<DnMessage> for VoiceMessage {
    fn from(message: DnMessage) -> Self {
        let DnMessage { position, reference, requester, news } = message;
        let news = match news {
            DnNews::Picture { dn, calls } => {
                VoiceNews::Picture { dn: object(&dn), calls: calls.iter().map(object).collect() }
            }
            DnNews::Dn { dn } => VoiceNews::Dn(object(&dn)),
            DnNews::Call { call, notification } => {
                VoiceNews::Call { call: object(&call), notification: name(notification) }
            }
            DnNews::Monitoring { started, other_dn, mode, next_call_type } => {
                VoiceNews::Event(monitoring(started, other_dn, mode, next_call_type))
            }
            DnNews::UserEvent { user_data } => {
                VoiceNews::Event(json!({"messageType": "EventUserEvent", "userData": object(&user_data)}))
            }
            DnNews::NoPicture { code, message } => VoiceNews::NoPicture { code, message },
            DnNews::Error { code, message } => VoiceNews::Error { code, message },
        };
        Self { position, reference, requester, news }
    }
}

/// A published object as JSON. Its types have no maps with other keys than text, so nothing fails.
fn object(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

fn name(notification: CallNotification) -> &'static str {
    match notification {
        CallNotification::StateChange => "StateChange",
        CallNotification::ParticipantsUpdated => "ParticipantsUpdated",
        CallNotification::AttachedDataChanged => "AttachedDataChanged",
        CallNotification::CallRecovered => "CallRecovered",
        CallNotification::CallRecordingStateChange => "CallRecordingStateChange",
    }
}

fn monitoring(started: bool, other_dn: String, mode: Option<String>, next_call_type: Option<String>) -> Value {
    let mut event = Map::from_iter([("otherDN".to_owned(), Value::String(other_dn))]);
    event.extend(next_call_type.map(|calls| ("monitorNextCallType".to_owned(), Value::String(calls))));
    let event_type = if started { "MonitoringStarted" } else { "MonitoringStopped" };
    let mut message = json!({"messageType": "MonitoringStateChanged", "eventType": event_type, "event": event});
    if let (Some(mode), Value::Object(fields)) = (mode, &mut message) {
        fields.insert("monitorMode".to_owned(), Value::String(mode));
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(news: DnNews) -> VoiceNews {
        let message = DnMessage { position: "1-0".to_owned(), reference: 7, requester: "person/ann".to_owned(), news };
        VoiceMessage::from(message).news
    }

    #[test]
    fn monitoring_and_events_have_the_published_form_and_no_null() {
        let stopped =
            DnNews::Monitoring { started: false, other_dn: "7102".to_owned(), mode: None, next_call_type: None };
        let wanted = json!({"messageType": "MonitoringStateChanged", "eventType": "MonitoringStopped", "event": {"otherDN": "7102"}});
        assert_eq!(read(stopped), VoiceNews::Event(wanted));
        let started = DnNews::Monitoring {
            started: true,
            other_dn: "7102".to_owned(),
            mode: Some("Mute".to_owned()),
            next_call_type: Some("OneCall".to_owned()),
        };
        let VoiceNews::Event(started) = read(started) else { panic!("an event") };
        assert_eq!(
            (&started["monitorMode"], &started["event"]["monitorNextCallType"]),
            (&json!("Mute"), &json!("OneCall"))
        );
        let wanted = json!({"messageType": "EventUserEvent", "userData": []});
        assert_eq!(read(DnNews::UserEvent { user_data: Vec::new() }), VoiceNews::Event(wanted));
    }
}
