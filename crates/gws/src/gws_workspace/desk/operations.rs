//! Operations as clients ask for them: the path's last segments and the body become one of these values, or a refusal that names the
//! parameter.

mod body;
mod pairs;

use serde_json::Value;

use super::outputs::{AnswerCode, OperationRefusal};
use body::OperationBody;
pub use pairs::PairList;

/// The work modes of a login.
const LOGIN_MODES: &[&str] = &["AutoIn", "ManualIn"];
/// The work modes of an agent who takes calls.
const READY_MODES: &[&str] = &["AutoIn", "ManualIn"];
/// The work modes of an agent who takes none.
const NOT_READY_MODES: &[&str] = &["AfterCallWork", "AuxWork", "LegalGuard", "NoCallDisconnect", "WalkAway", "Unknown"];
/// The channel of calls.
const VOICE: &str = "voice";

/// An operation on the voice channel, read.
#[derive(Clone, PartialEq, Debug)]
pub struct VoiceOperation {
    /// The client's id of the operation: comes back in the answer and in the event that tells the outcome.
    pub operation_id: Option<String>,
    /// `Reasons` of the frame.
    pub reasons: PairList,
    /// `Extensions` of the frame.
    pub extensions: PairList,
    /// What is asked for.
    pub action: VoiceAction,
}

/// What an operation asks for.
#[derive(Clone, PartialEq, Debug)]
pub enum VoiceAction {
    /// Bind the agent to a DN and log in there. The shell finds the place's DN and calls [`super::Desk::activate`]; a body
    /// with a DN may come by [`super::Desk::operate`] too.
    Activate(ActivateBody),
    /// Log out and leave the DN.
    Deactivate,
    /// Log in again on the DN of the session.
    Login {
        /// Without one, that of the activation.
        work_mode: Option<&'static str>,
    },
    /// Log out and stay at the DN.
    Logout,
    /// Take calls.
    Ready {
        /// Without one, the tenant's.
        work_mode: Option<&'static str>,
    },
    /// Take no calls.
    NotReady {
        /// Without one, the tenant's.
        work_mode: Option<&'static str>,
    },
    /// Do-not-disturb on.
    DndOn,
    /// Do-not-disturb off.
    DndOff,
    /// Forward all calls.
    SetForward {
        /// To this number.
        to: String,
    },
    /// Forward no calls.
    CancelForward,
    /// Dial.
    MakeCall(DialledNumber),
    /// Send an event to those who follow the DN.
    SendUserEvent(PairList),
    /// Monitor the calls of an agent.
    StartMonitoring {
        /// The agent's DN.
        dn: String,
        /// `MonitorMode` of the frame.
        mode: Option<&'static str>,
        /// `MonitorType` of the frame.
        calls: Option<&'static str>,
    },
    /// Monitor no further call of an agent.
    StopMonitoring {
        /// The agent's DN.
        dn: String,
    },
    /// Set the state of another agent.
    Supervise {
        /// The agent's DN.
        dn: String,
        /// `AgentState` of the frame.
        state: &'static str,
    },
    /// Take back a call that was parked from the DN: it rings there.
    FetchParked {
        /// Its id, in lower case.
        call: String,
    },
    /// Send a call that waits elsewhere.
    MoveWaiting {
        /// Its id, in lower case.
        call: String,
        /// The route point where it waits.
        route_point: String,
        /// To this number.
        to: String,
    },
    /// Something about a call of the DN.
    OfCall {
        /// Its id, in lower case.
        call: String,
        /// What.
        action: CallAction,
    },
}

/// A number to call, with what the new call has from its beginning.
#[derive(Clone, PartialEq, Debug)]
pub struct DialledNumber {
    /// The number.
    pub to: String,
    /// The call's user data.
    pub user_data: PairList,
}

/// What an operation does with a call. Its frame stands in `frames`.
#[derive(Clone, PartialEq, Debug)]
pub enum CallAction {
    /// Answer it.
    Answer,
    /// Hang up the own leg.
    Release,
    /// End it for everybody.
    Clear,
    /// Hold it.
    Hold,
    /// Take it off hold.
    Retrieve,
    /// Send it elsewhere while it rings.
    Redirect {
        /// To this number.
        to: String,
    },
    /// Hold it and consult, to transfer it.
    InitiateTransfer(DialledNumber),
    /// Hold it and consult, to make a conference.
    InitiateConference(DialledNumber),
    /// The consultation becomes a transfer.
    CompleteTransfer {
        /// The held call; without it, the one that the consultation names.
        parent: Option<String>,
    },
    /// The consultation becomes a conference.
    CompleteConference {
        /// As of a transfer.
        parent: Option<String>,
    },
    /// Hand it to another number.
    SingleStepTransfer(DialledNumber),
    /// Bring another number into it.
    SingleStepConference(DialledNumber),
    /// Remove a party.
    DeleteFromConference {
        /// The party's number.
        dn: String,
    },
    /// Send digits.
    SendDtmf {
        /// The digits.
        digits: String,
    },
    /// Add pairs.
    AttachUserData(PairList),
    /// Add or replace pairs.
    UpdateUserData(PairList),
    /// Remove a pair.
    DeleteUserDataPair {
        /// Its key.
        key: String,
    },
    /// Record it.
    StartRecording,
    /// End the recording.
    StopRecording,
    /// Keep out of the recording what follows.
    PauseRecording,
    /// Go on with the recording.
    ResumeRecording,
    /// Hold it and take another one back.
    Alternate {
        /// The other one.
        held: String,
    },
    /// Join it with another one.
    Merge {
        /// The other one.
        other: String,
    },
    /// Leave it and take another one back.
    Reconnect {
        /// The other one.
        held: String,
    },
    /// Be done with it after its release, with these pairs.
    Complete(PairList),
    /// Monitor it in another way.
    SwitchMonitoring {
        /// `MonitorMode` of the frame.
        mode: &'static str,
    },
}

/// The body of `activate-channels`.
#[derive(Clone, PartialEq, Debug)]
pub struct ActivateBody {
    /// The client's id of the operation.
    pub operation_id: Option<String>,
    /// Who logs in; without it the session's agent.
    pub agent_id: Option<String>,
    /// The place whose DN is wanted.
    pub place_name: Option<String>,
    /// The DN itself.
    pub dn: Option<String>,
    /// Whether the agent has named it as the phone where it sits today, whatever the place.
    pub is_dynamic: bool,
    /// `AgentWorkMode` of the login.
    pub agent_work_mode: Option<&'static str>,
    /// Whether a released call goes by itself; without it, it does.
    pub auto_complete_call: bool,
    /// The code of the answer: [`AnswerCode::Done`] for `activate-channels`, which a client requires.
    pub answer: AnswerCode,
}

impl ActivateBody {
    /// Reads the body of `activate-channels`.
    ///
    /// # Errors
    /// Names the parameter; 503 if none of the channels is voice.
    pub fn read(body: &Value) -> Result<Self, OperationRefusal> {
        Self::read_fields(&OperationBody::read(body)?, AnswerCode::Done)
    }

    fn read_fields(body: &OperationBody<'_>, answer: AnswerCode) -> Result<Self, OperationRefusal> {
        let channels = body.texts("channels")?;
        if !channels.is_empty() && !channels.iter().any(|channel| channel == VOICE) {
            return Err(OperationRefusal::new(503, "channels: those other than voice come with the digital channels"));
        }
        let dynamic = body.optional_text("dynamicPhoneNumber")?;
        let is_dynamic = dynamic.is_some();
        let (dn, place_name) = (dynamic.or(body.optional_text("dn")?), body.optional_text("placeName")?);
        if dn.is_none() && place_name.is_none() {
            return Err(OperationRefusal::parameter("placeName", "it is missing, and so is dn"));
        }
        Ok(Self {
            operation_id: body.operation_id()?,
            agent_id: body.optional_text("agentId")?,
            place_name,
            dn,
            is_dynamic,
            agent_work_mode: body.one_of("agentWorkMode", LOGIN_MODES)?,
            auto_complete_call: body.optional_bool("autoCompleteCall")?.unwrap_or(true),
            answer,
        })
    }
}

impl VoiceOperation {
    /// Reads an operation: `segments` are what follows `/voice` in the path, decoded: `["ready"]`, `["calls", id, "hold"]`.
    /// `body` is null where the request has none.
    ///
    /// # Errors
    /// 501 for an operation that there is not; 400 with the parameter's name.
    pub fn read(segments: &[&str], body: &Value) -> Result<Self, OperationRefusal> {
        let body = OperationBody::read(body)?;
        let action = match segments {
            [operation] => read_action(operation, &body)?,
            ["calls", id, operation] => {
                VoiceAction::OfCall { call: id.to_ascii_lowercase(), action: read_call_action(operation, &body)? }
            }
            _ => return Err(unknown(&segments.join("/"))),
        };
        Self::with(action, &body)
    }

    /// Reads an operation of a supervisor on another agent: what follows `/supervisor/voice` in the path. The body names the
    /// agent's DN.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_supervisor(operation: &str, body: &Value) -> Result<Self, OperationRefusal> {
        let body = OperationBody::read(body)?;
        let state = match operation {
            "logout" => "LoggedOut",
            "ready" => "Ready",
            "not-ready" => "NotReady",
            other => return Err(unknown(other)),
        };
        Self::with(VoiceAction::Supervise { dn: body.text("dn")?, state }, &body)
    }

    /// Reads where a call that waits at a route point is to go.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_move(call: &str, route_point: &str, body: &Value) -> Result<Self, OperationRefusal> {
        let body = OperationBody::read(body)?;
        let (call, route_point) = (call.to_ascii_lowercase(), route_point.to_owned());
        Self::with(VoiceAction::MoveWaiting { call, route_point, to: body.text("destination")? }, &body)
    }

    fn with(action: VoiceAction, body: &OperationBody<'_>) -> Result<Self, OperationRefusal> {
        let mut reasons = body.pairs("reasons")?;
        if let Some(code) = body.optional_text("reasonCode")? {
            reasons.complete("ReasonCode", &code);
        }
        Ok(Self { operation_id: body.operation_id()?, reasons, extensions: body.pairs("extensions")?, action })
    }
}

fn unknown(operation: &str) -> OperationRefusal {
    OperationRefusal::new(501, format!("there is no operation {operation:.64}"))
}

fn read_action(operation: &str, body: &OperationBody<'_>) -> Result<VoiceAction, OperationRefusal> {
    Ok(match operation {
        "activate" => VoiceAction::Activate(ActivateBody::read_fields(body, AnswerCode::Accepted)?),
        "deactivate" => VoiceAction::Deactivate,
        "login" => VoiceAction::Login { work_mode: body.one_of("agentWorkMode", LOGIN_MODES)? },
        "logout" => VoiceAction::Logout,
        "ready" => VoiceAction::Ready { work_mode: body.one_of("agentWorkMode", READY_MODES)? },
        "not-ready" => VoiceAction::NotReady { work_mode: body.one_of("agentWorkMode", NOT_READY_MODES)? },
        "dnd-on" => VoiceAction::DndOn,
        "dnd-off" => VoiceAction::DndOff,
        "set-forward" => VoiceAction::SetForward { to: body.text("forwardTo")? },
        "cancel-forward" => VoiceAction::CancelForward,
        "make-call" => VoiceAction::MakeCall(dialled(body)?),
        "send-user-event" => VoiceAction::SendUserEvent(body.wanted_pairs("userData")?),
        "start-monitoring" => VoiceAction::StartMonitoring {
            dn: body.text("phoneNumberToMonitor")?,
            mode: body.one_of("monitoringMode", &["mute", "coach", "connect"])?,
            calls: body.one_of("monitoringNextCallType", &["OneCall", "AllCalls", "Current"])?,
        },
        "fetch-parked" => VoiceAction::FetchParked { call: other_call(body, "connId")? },
        "stop-monitoring" => VoiceAction::StopMonitoring { dn: body.text("phoneNumber")? },
        other => return Err(unknown(other)),
    })
}

fn read_call_action(operation: &str, body: &OperationBody<'_>) -> Result<CallAction, OperationRefusal> {
    Ok(match operation {
        "answer" => CallAction::Answer,
        "release" => CallAction::Release,
        "clear" => CallAction::Clear,
        "hold" => CallAction::Hold,
        "retrieve" => CallAction::Retrieve,
        "redirect" => CallAction::Redirect { to: body.text("destination")? },
        "initiate-transfer" => CallAction::InitiateTransfer(dialled(body)?),
        "initiate-conference" => CallAction::InitiateConference(dialled(body)?),
        "complete-transfer" => CallAction::CompleteTransfer { parent: optional_call(body, "parentConnId")? },
        "complete-conference" => CallAction::CompleteConference { parent: optional_call(body, "parentConnId")? },
        "single-step-transfer" => CallAction::SingleStepTransfer(dialled(body)?),
        "single-step-conference" => CallAction::SingleStepConference(dialled(body)?),
        "delete-from-conference" => CallAction::DeleteFromConference { dn: body.text("dnToDrop")? },
        "send-dtmf" => CallAction::SendDtmf { digits: body.text("dtmfDigits")? },
        "attach-user-data" => CallAction::AttachUserData(body.wanted_pairs("userData")?),
        "update-user-data" => CallAction::UpdateUserData(body.wanted_pairs("userData")?),
        "delete-user-data-pair" => CallAction::DeleteUserDataPair { key: body.text("key")? },
        "start-recording" => CallAction::StartRecording,
        "stop-recording" => CallAction::StopRecording,
        "pause-recording" => CallAction::PauseRecording,
        "resume-recording" => CallAction::ResumeRecording,
        "alternate" => CallAction::Alternate { held: other_call(body, "heldConnId")? },
        "merge" => CallAction::Merge { other: other_call(body, "otherConnId")? },
        "reconnect" => CallAction::Reconnect { held: other_call(body, "heldConnId")? },
        "complete" => CallAction::Complete(body.pairs("userData")?),
        "switch-to-listen-in" => CallAction::SwitchMonitoring { mode: "mute" },
        "switch-to-coaching" => CallAction::SwitchMonitoring { mode: "coach" },
        "switch-to-barge-in" => CallAction::SwitchMonitoring { mode: "connect" },
        other => return Err(unknown(other)),
    })
}

fn dialled(body: &OperationBody<'_>) -> Result<DialledNumber, OperationRefusal> {
    Ok(DialledNumber { to: body.text("destination")?, user_data: body.pairs("userData")? })
}

fn optional_call(body: &OperationBody<'_>, name: &str) -> Result<Option<String>, OperationRefusal> {
    Ok(body.optional_text(name)?.map(|id| id.to_ascii_lowercase()))
}

fn other_call(body: &OperationBody<'_>, name: &str) -> Result<String, OperationRefusal> {
    body.text(name).map(|id| id.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(path: &str, body: &Value) -> Result<VoiceOperation, OperationRefusal> {
        let segments: Vec<&str> = path.split('/').collect();
        VoiceOperation::read(&segments, body)
    }

    #[test]
    fn a_reason_stands_beside_data_or_in_it_and_becomes_a_pair() {
        for body in [
            json!({"data": {}, "reasonCode": "Lunch"}),
            json!({"data": {"reasonCode": "Lunch", "agentWorkMode": "auxwork"}}),
            json!({"data": {"reasons": [{"key": "ReasonCode", "type": "str", "value": "Lunch"}], "reasonCode": "x"}}),
        ] {
            let operation = read("not-ready", &body).unwrap();
            assert_eq!(operation.reasons.framed(), json!({"ReasonCode": "Lunch"}), "{body}");
        }
        let modes = json!({"data": {"agentWorkMode": "auxwork"}});
        assert_eq!(read("not-ready", &modes).unwrap().action, VoiceAction::NotReady { work_mode: Some("AuxWork") });
    }

    #[test]
    fn operations_without_parameters_take_no_body_an_empty_one_and_one_without_data() {
        for path in ["ready", "not-ready", "login", "logout", "dnd-on", "dnd-off", "cancel-forward", "deactivate"] {
            for body in [json!(null), json!({}), json!({"data": {}})] {
                read(path, &body).unwrap();
            }
        }
        for path in
            ["answer", "hold", "retrieve", "release", "clear", "complete", "start-recording", "complete-transfer"]
        {
            for body in [json!(null), json!({}), json!({"data": {}})] {
                read(&format!("calls/00AB/{path}"), &body).unwrap();
            }
        }
    }

    #[test]
    fn a_missing_parameter_is_named() {
        for (path, named) in [
            ("make-call", "destination"),
            ("set-forward", "forwardTo"),
            ("send-user-event", "userData"),
            ("start-monitoring", "phoneNumberToMonitor"),
            ("stop-monitoring", "phoneNumber"),
            ("fetch-parked", "connId"),
            ("activate", "placeName"),
            ("calls/1/redirect", "destination"),
            ("calls/1/initiate-transfer", "destination"),
            ("calls/1/single-step-conference", "destination"),
            ("calls/1/delete-from-conference", "dnToDrop"),
            ("calls/1/send-dtmf", "dtmfDigits"),
            ("calls/1/attach-user-data", "userData"),
            ("calls/1/delete-user-data-pair", "key"),
            ("calls/1/alternate", "heldConnId"),
            ("calls/1/merge", "otherConnId"),
            ("calls/1/reconnect", "heldConnId"),
        ] {
            let refused = read(path, &json!({})).unwrap_err();
            assert_eq!(refused.status, 400, "{path}");
            assert!(refused.message.starts_with(&format!("{named}: ")), "{path}: {}", refused.message);
        }
    }

    #[test]
    fn an_operation_that_there_is_not_is_501() {
        for path in ["sing", "calls/1/sing", "calls", "calls/1", "calls/1/hold/2"] {
            assert_eq!(read(path, &json!({})).unwrap_err().status, 501, "{path}");
        }
        assert_eq!(VoiceOperation::read_supervisor("sing", &json!({})).unwrap_err().status, 501);
    }

    #[test]
    fn the_id_of_a_call_is_in_lower_case_and_that_of_an_operation_as_it_is() {
        let operation = read("calls/00AB/hold", &json!({"operationId": "Op-1"})).unwrap();
        assert_eq!(operation.operation_id.as_deref(), Some("Op-1"));
        assert_eq!(operation.action, VoiceAction::OfCall { call: "00ab".to_owned(), action: CallAction::Hold });
        let long = json!({"operationId": "x".repeat(101)});
        assert_eq!(read("ready", &long).unwrap_err().status, 400);
    }

    #[test]
    fn a_supervisor_names_a_dn_and_a_state() {
        let operation = VoiceOperation::read_supervisor("logout", &json!({"data": {"dn": "7102"}})).unwrap();
        assert_eq!(operation.action, VoiceAction::Supervise { dn: "7102".to_owned(), state: "LoggedOut" });
        let refused = VoiceOperation::read_supervisor("logout", &json!({"data": {"userName": "bob"}})).unwrap_err();
        assert!(refused.message.starts_with("dn: "), "{}", refused.message);
    }

    #[test]
    fn channels_other_than_voice_are_told_to_come_and_voice_is_what_counts() {
        let read = |channels: Value| ActivateBody::read(&json!({"data": {"dn": "7101", "channels": channels}}));
        assert_eq!(read(json!(["email"])).unwrap_err().status, 503);
        assert!(read(json!(["email", "voice"])).is_ok() && read(json!([])).is_ok() && read(json!(null)).is_ok());
        let dynamic = json!({"data": {"dn": "7101", "placeName": "P1", "dynamicPhoneNumber": "7105"}});
        let read = ActivateBody::read(&dynamic).unwrap();
        assert_eq!((read.dn.as_deref(), read.is_dynamic), (Some("7105"), true));
    }
}
