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
/// Why nobody says there which number is shown.
const BY_DIAL_PLAN: &str = "of consultations the dial plan says which number is shown (caller_id)";
/// The longest number to be shown, in bytes.
const SHOWN_BYTES_MAX: usize = 32;
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
    /// The switch at which the number is, of an operation that names one.
    pub location: Option<String>,
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
    /// Send an event to those who follow the DN, and the other DNs of a call if it names one.
    SendUserEvent(UserEvent),
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

/// An event that a client sends.
#[derive(Clone, PartialEq, Debug)]
pub struct UserEvent {
    /// What it says.
    pub pairs: PairList,
    /// The id of the call to whose DNs it goes, in lower case.
    pub call: Option<String>,
    /// The same call by its CallUUID.
    pub call_uuid: Option<String>,
}

impl UserEvent {
    /// Whether it goes to the DNs of a call.
    pub(super) const fn names_call(&self) -> bool {
        self.call.is_some() || self.call_uuid.is_some()
    }
}

/// A number to call, with what the new call has from its beginning.
#[derive(Clone, PartialEq, Debug)]
pub struct DialledNumber {
    /// The number.
    pub to: String,
    /// The call's user data.
    pub user_data: PairList,
    /// The number that is shown outside, if not that of the dial plan.
    pub shows: Option<String>,
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
        let location = if action.names_number() { body.optional_text("location")? } else { None };
        let (operation_id, extensions) = (body.operation_id()?, body.pairs("extensions")?);
        Ok(Self { operation_id, reasons, extensions, location, action })
    }
}

impl VoiceAction {
    /// Whether it names a number, for which clients may say the switch.
    fn names_number(&self) -> bool {
        matches!(self, Self::StartMonitoring { .. }) || self.begins_call()
    }

    /// Whether a number is called by it: what would come twice if it were asked for twice.
    pub(super) fn begins_call(&self) -> bool {
        let of_call = |action: &CallAction| {
            use CallAction::{InitiateConference, InitiateTransfer, SingleStepConference, SingleStepTransfer};
            matches!(
                action,
                InitiateConference(_) | InitiateTransfer(_) | SingleStepConference(_) | SingleStepTransfer(_)
            )
        };
        matches!(self, Self::MakeCall(_)) || matches!(self, Self::OfCall { action, .. } if of_call(action))
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
        "make-call" => VoiceAction::MakeCall(DialledNumber { shows: shown(body)?, ..called(body)? }),
        "send-user-event" => VoiceAction::SendUserEvent(UserEvent {
            pairs: body.wanted_pairs("userData")?,
            call: optional_call(body, "connId")?,
            call_uuid: body.optional_text("callUuid")?,
        }),
        "start-monitoring" => {
            check_scope(body)?;
            VoiceAction::StartMonitoring {
                dn: body.text("phoneNumberToMonitor")?,
                mode: body.one_of("monitoringMode", &["mute", "coach", "connect"])?,
                calls: body.one_of("monitoringNextCallType", &["OneCall", "AllCalls", "Current"])?,
            }
        }
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
        "switch-to-listen-in" => switched("mute", body)?,
        "switch-to-coaching" => switched("coach", body)?,
        "switch-to-barge-in" => switched("connect", body)?,
        other => return Err(unknown(other)),
    })
}

fn switched(mode: &'static str, body: &OperationBody<'_>) -> Result<CallAction, OperationRefusal> {
    check_scope(body)?;
    Ok(CallAction::SwitchMonitoring { mode })
}

/// Refuses a scope that is none. Both mean the same here: a supervisor takes part in a call as long as the agent does.
fn check_scope(body: &OperationBody<'_>) -> Result<(), OperationRefusal> {
    body.one_of("monitoringScope", &["Call", "Agent"]).map(drop)
}

fn dialled(body: &OperationBody<'_>) -> Result<DialledNumber, OperationRefusal> {
    body.is_without("outboundCallerId", BY_DIAL_PLAN)?;
    called(body)
}

fn called(body: &OperationBody<'_>) -> Result<DialledNumber, OperationRefusal> {
    Ok(DialledNumber { to: body.text("destination")?, user_data: body.pairs("userData")?, shows: None })
}

/// The number that a new call is to show. Whether it may, the dial plan says.
fn shown(body: &OperationBody<'_>) -> Result<Option<String>, OperationRefusal> {
    let is_number = |text: &String| {
        let digits = text.strip_prefix('+').unwrap_or(text);
        !digits.is_empty() && text.len() <= SHOWN_BYTES_MAX && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let Some(number) = body.optional_text("outboundCallerId")? else { return Ok(None) };
    let wrong = || OperationRefusal::parameter("outboundCallerId", "it is digits, with or without + before them");
    Some(number).filter(is_number).ok_or_else(wrong).map(Some)
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
    fn what_is_not_carried_through_to_the_call_is_refused_by_its_name() {
        let with = |field: &str, value: &str| {
            let mut data =
                json!({"destination": "9", "phoneNumberToMonitor": "9", "userData": [{"key": "a", "value": "b"}]});
            data[field] = json!(value);
            json!({ "data": data })
        };
        for (path, field, value) in [
            ("make-call", "outboundCallerId", "Ann"),
            ("make-call", "outboundCallerId", "+"),
            ("calls/1/initiate-transfer", "outboundCallerId", "+15550100"),
            ("calls/1/initiate-conference", "outboundCallerId", "+15550100"),
            ("calls/1/switch-to-barge-in", "monitoringScope", "Team"),
            ("start-monitoring", "monitoringScope", "All"),
        ] {
            let refused = read(path, &with(field, value)).unwrap_err();
            assert!(refused.status == 400 && refused.message.starts_with(&format!("{field}: ")), "{path}: {refused}");
            assert!(read(path, &with(field, "")).is_ok(), "{path}: a client that says nothing of it");
        }
        for scope in ["Call", "agent"] {
            assert!(read("start-monitoring", &with("monitoringScope", scope)).is_ok(), "{scope}");
            assert!(read("calls/1/switch-to-coaching", &with("monitoringScope", scope)).is_ok(), "{scope}");
        }
        let event = |field: &str, value: &str| match read("send-user-event", &with(field, value)).unwrap().action {
            VoiceAction::SendUserEvent(event) => (event.names_call(), event.call, event.call_uuid),
            action => panic!("{action:?}"),
        };
        assert_eq!(event("connId", "00AB"), (true, Some("00ab".to_owned()), None));
        assert_eq!(event("callUuid", "U1"), (true, None, Some("U1".to_owned())));
        assert_eq!(event("callUuid", ""), (false, None, None));
        let VoiceAction::MakeCall(number) = read("make-call", &with("outboundCallerId", "+15550100")).unwrap().action
        else {
            panic!("it makes no call")
        };
        assert_eq!(number.shows.as_deref(), Some("+15550100"));
        assert_eq!(read("make-call", &with("location", "sip")).unwrap().location.as_deref(), Some("sip"));
        assert_eq!(read("ready", &with("location", "sip")).unwrap().location, None);
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
