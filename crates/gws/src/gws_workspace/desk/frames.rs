//! Operations as request frames (docs/requests.md).

use std::collections::VecDeque;

use model::request::{NOTE_OF_CALL, OF_AGENT};
use serde_json::{Map, Value, json};

use super::channel::VoiceChannel;
use super::operations::{CallAction, DialledNumber, PairList, UserEvent, VoiceAction, VoiceOperation};
use super::outputs::OperationRefusal;
use super::picture::{is_released, text};

/// The key under which pairs of a released call name it.
const NOTED_CALL: &str = "ConnID";

/// The extension that says which number a call shows outside.
const SHOWN_NUMBER: &str = "CPNDigits";

/// A frame without its reference.
struct RequestDraft(Map<String, Value>);

impl RequestDraft {
    fn of(request: &str, dn: &str) -> Self {
        Self(Map::from_iter([("req".to_owned(), json!(request)), ("ThisDN".to_owned(), json!(dn))]))
    }

    fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0.insert(field.to_owned(), value.into());
        self
    }

    fn maybe(self, field: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(field, value),
            None => self,
        }
    }

    fn pairs(self, field: &str, pairs: &PairList) -> Self {
        if pairs.is_empty() { self } else { self.with(field, pairs.framed()) }
    }

    /// The client's extensions, beside those that the request has of its own.
    fn extended(mut self, extensions: &PairList) -> Self {
        if let Value::Object(given) = extensions.framed()
            && !given.is_empty()
            && let Value::Object(all) = self.0.entry("Extensions").or_insert_with(|| json!({}))
        {
            all.extend(given);
        }
        self
    }
}

/// Refuses what would pass for a note of a released call, which the desk alone writes: about a call that was at its DN.
pub(super) fn check_notes(operation: &VoiceOperation) -> Result<(), OperationRefusal> {
    if operation.extensions.has(NOTE_OF_CALL) {
        let rule = format_args!("{NOTE_OF_CALL} is set by the desktop's service alone");
        return Err(OperationRefusal::parameter("extensions", rule));
    }
    match &operation.action {
        VoiceAction::SendUserEvent(event) => without_call(&event.pairs),
        _ => Ok(()),
    }
}

fn without_call(pairs: &PairList) -> Result<(), OperationRefusal> {
    let rule = format_args!("{NOTED_CALL} is set by the desktop's service alone, in what is noted of a released call");
    if pairs.has(NOTED_CALL) { Err(OperationRefusal::parameter("userData", rule)) } else { Ok(()) }
}

/// The login of an agent.
pub(super) fn login(dn: &str, agent: &str, work_mode: Option<&str>) -> Map<String, Value> {
    RequestDraft::of("TAgentLogin", dn).with("AgentID", agent).maybe("AgentWorkMode", work_mode).0
}

/// The logout of an agent at a DN: of that one, and of nobody else who is there by then.
pub(super) fn logout(dn: &str, agent: Option<&str>) -> Map<String, Value> {
    logout_of(RequestDraft::of("TAgentLogout", dn), agent).0
}

fn logout_of(request: RequestDraft, agent: Option<&str>) -> RequestDraft {
    match agent {
        Some(agent) => request.with("Extensions", json!({OF_AGENT: agent})),
        None => request,
    }
}

/// The request that monitors no further call of that DN.
pub(super) fn cancel_monitoring(dn: &str, monitored: &str) -> Map<String, Value> {
    RequestDraft::of("TCancelMonitoring", dn).with("OtherDN", monitored).0
}

/// The request that hangs up the own leg of a call.
pub(super) fn release(dn: &str, call: &str) -> Map<String, Value> {
    RequestDraft::of("TReleaseCall", dn).with("ConnID", call).0
}

/// The request that adds pairs to a call.
pub(super) fn attach(dn: &str, call: &str, pairs: &PairList) -> Map<String, Value> {
    RequestDraft::of("TAttachUserData", dn).with("ConnID", call).pairs("UserData", pairs).0
}

/// The requests that an operation comes to, in their order. The last one has the operation's reasons and extensions.
pub(super) fn frames(
    operation: &VoiceOperation,
    channel: &VoiceChannel,
    agent: Option<&str>,
) -> Result<VecDeque<Map<String, Value>>, OperationRefusal> {
    let mut frames = VecDeque::new();
    let draft = match &operation.action {
        VoiceAction::OfCall { call, action } => of_call(call, action, channel, &mut frames)?,
        action => of_dn(action, channel, agent)?,
    };
    frames.push_back(draft.pairs("Reasons", &operation.reasons).extended(&operation.extensions).0);
    Ok(frames)
}

/// The request of a supervisor that needs no phone; none where the operation needs one. It is made in the name of the agent's own DN,
/// which so is the one that hears of it, or in that of the route point that has the call.
pub(super) fn without_phone(operation: &VoiceOperation, has_phone: bool) -> Option<VecDeque<Map<String, Value>>> {
    let draft = match &operation.action {
        VoiceAction::Supervise { dn, state } if !has_phone => {
            RequestDraft::of("TForceAgentState", dn).with("OtherDN", dn.as_str()).with("AgentState", *state)
        }
        VoiceAction::MoveWaiting { call, route_point, to } => {
            RequestDraft::of("TRouteCall", route_point).with("ConnID", call.as_str()).with("OtherDN", to.as_str())
        }
        _ => return None,
    };
    let frame = draft.pairs("Reasons", &operation.reasons).pairs("Extensions", &operation.extensions).0;
    Some(VecDeque::from([frame]))
}

fn of_dn(action: &VoiceAction, channel: &VoiceChannel, agent: Option<&str>) -> Result<RequestDraft, OperationRefusal> {
    let request = |name: &str| RequestDraft::of(name, &channel.dn);
    Ok(match action {
        VoiceAction::Login { work_mode } => {
            let agent = agent.ok_or_else(|| OperationRefusal::new(403, "this person is no agent"))?;
            let mode = work_mode.or(channel.work_mode.as_deref());
            request("TAgentLogin").with("AgentID", agent).maybe("AgentWorkMode", mode)
        }
        VoiceAction::Logout | VoiceAction::Deactivate => logout_of(request("TAgentLogout"), agent),
        VoiceAction::Ready { work_mode } => request("TAgentSetReady").maybe("AgentWorkMode", *work_mode),
        VoiceAction::NotReady { work_mode } => request("TAgentSetNotReady").maybe("AgentWorkMode", *work_mode),
        VoiceAction::DndOn => request("TSetDNDOn"),
        VoiceAction::DndOff => request("TSetDNDOff"),
        VoiceAction::SetForward { to } => {
            request("TCallSetForward").with("OtherDN", to.as_str()).with("ForwardMode", "Unconditional")
        }
        VoiceAction::CancelForward => request("TCallCancelForward"),
        VoiceAction::MakeCall(number) => showing(dial(request("TMakeCall"), number), number),
        VoiceAction::FetchParked { call } => request("TRetrieveCall").with("ConnID", call.as_str()),
        VoiceAction::SendUserEvent(event) => {
            let call = call_of_event(event, channel)?;
            request("TSendUserEvent").pairs("UserData", &event.pairs).maybe("ConnID", call)
        }
        VoiceAction::StartMonitoring { dn, mode, calls } => {
            let request = request("TMonitorNextCall").with("OtherDN", dn.as_str());
            request.maybe("MonitorMode", *mode).maybe("MonitorType", *calls)
        }
        VoiceAction::StopMonitoring { dn } => RequestDraft(cancel_monitoring(&channel.dn, dn)),
        VoiceAction::Supervise { dn, state } => {
            request("TForceAgentState").with("OtherDN", dn.as_str()).with("AgentState", *state)
        }
        VoiceAction::Activate(_) | VoiceAction::MoveWaiting { .. } | VoiceAction::OfCall { .. } => {
            return Err(OperationRefusal::new(501, "this operation is no single request"));
        }
    })
}

/// The call to whose DNs an event goes, if it names one: a call of the own DN that goes on there. gws-voice knows who else is in it.
fn call_of_event<'a>(event: &UserEvent, channel: &'a VoiceChannel) -> Result<Option<&'a str>, OperationRefusal> {
    let is_named = |call: &&Value| {
        let has = |field: &str, wanted: Option<&str>| {
            wanted.is_none_or(|wanted| text(call, field).eq_ignore_ascii_case(wanted))
        };
        has("id", event.call.as_deref()) && has("callUuid", event.call_uuid.as_deref())
    };
    if !event.names_call() {
        return Ok(None);
    }
    let named = event.call.as_deref().or(event.call_uuid.as_deref()).unwrap_or_default();
    let mut calls = channel.picture.calls.iter().filter(is_named).peekable();
    if calls.peek().is_none() {
        return Err(OperationRefusal::unknown_call(named));
    }
    let call = calls.find(|call| !is_released(call));
    let released = || OperationRefusal::new(409, format!("call {named}: it is released"));
    call.map(|call| Some(text(call, "id"))).ok_or_else(released)
}

/// With the number that the call shows outside.
fn showing(request: RequestDraft, number: &DialledNumber) -> RequestDraft {
    match &number.shows {
        Some(shows) => request.with("Extensions", json!({SHOWN_NUMBER: shows})),
        None => request,
    }
}

fn dial(request: RequestDraft, number: &DialledNumber) -> RequestDraft {
    request.with("OtherDN", number.to.as_str()).pairs("UserData", &number.user_data)
}

/// The last request of an operation on a call; those in front of it go to `before`.
fn of_call(
    call: &str,
    action: &CallAction,
    channel: &VoiceChannel,
    before: &mut VecDeque<Map<String, Value>>,
) -> Result<RequestDraft, OperationRefusal> {
    let known = known_call(channel, call)?;
    if is_released(known) {
        return after_call(known, action, channel);
    }
    let request = |name: &str| RequestDraft::of(name, &channel.dn).with("ConnID", call);
    Ok(match action {
        CallAction::Answer => request("TAnswerCall"),
        CallAction::Release => RequestDraft(release(&channel.dn, call)),
        CallAction::Clear => request("TClearCall"),
        CallAction::Hold => request("THoldCall"),
        CallAction::Retrieve => request("TRetrieveCall"),
        CallAction::Redirect { to } => request("TRedirectCall").with("OtherDN", to.as_str()),
        CallAction::InitiateTransfer(number) => dial(request("TInitiateTransfer"), number),
        CallAction::InitiateConference(number) => dial(request("TInitiateConference"), number),
        CallAction::CompleteTransfer { parent } => completion("TCompleteTransfer", known, parent.as_deref(), channel)?,
        CallAction::CompleteConference { parent } => {
            completion("TCompleteConference", known, parent.as_deref(), channel)?
        }
        CallAction::SingleStepTransfer(number) => single_step("TSingleStepTransfer", call, number, channel, before),
        CallAction::SingleStepConference(number) => single_step("TSingleStepConference", call, number, channel, before),
        CallAction::DeleteFromConference { dn } => request("TDeleteFromConference").with("OtherDN", dn.as_str()),
        CallAction::SendDtmf { digits } => request("TSendDTMF").with("Digits", digits.as_str()),
        CallAction::AttachUserData(pairs) => request("TAttachUserData").pairs("UserData", pairs),
        CallAction::UpdateUserData(pairs) => request("TUpdateUserData").pairs("UserData", pairs),
        CallAction::DeleteUserDataPair { key } => request("TDeletePair").with("Key", key.as_str()),
        CallAction::StartRecording => request("TStartRecording"),
        CallAction::StopRecording => request("TStopRecording"),
        CallAction::PauseRecording => request("TPauseRecording"),
        CallAction::ResumeRecording => request("TResumeRecording"),
        CallAction::Alternate { held } => with_other(request("TAlternateCall"), channel, held)?,
        CallAction::Merge { other } => with_other(request("TMergeCalls"), channel, other)?,
        CallAction::Reconnect { held } => with_other(request("TReconnectCall"), channel, held)?,
        CallAction::Complete(_) => {
            return Err(OperationRefusal::new(409, format!("call {call}: it is not released")));
        }
        CallAction::SwitchMonitoring { mode } => {
            let monitored = known.pointer("/monitoringInfo/monitoredDN").and_then(Value::as_str);
            let monitored = monitored.or(channel.monitored.as_deref());
            let nobody = || OperationRefusal::new(409, format!("call {call}: nobody is monitored in it"));
            request("TMonitorCall").with("OtherDN", monitored.ok_or_else(nobody)?).with("MonitorMode", *mode)
        }
    })
}

/// What may still be asked about a released call: that pairs of it are noted, as an event at the DN. The call itself may go on with others.
/// It is theirs then, and whoever has left it changes nothing there; and if it is over, the switch knows it no more.
fn after_call(known: &Value, action: &CallAction, channel: &VoiceChannel) -> Result<RequestDraft, OperationRefusal> {
    let id = text(known, "id");
    let pairs = match action {
        CallAction::AttachUserData(pairs) | CallAction::UpdateUserData(pairs) | CallAction::Complete(pairs) => pairs,
        _ => return Err(OperationRefusal::new(409, format!("call {id}: it is released"))),
    };
    without_call(pairs)?;
    let mut data = pairs.framed();
    if let Value::Object(data) = &mut data {
        data.insert(NOTED_CALL.to_owned(), json!(id));
    }
    let note = RequestDraft::of("TSendUserEvent", &channel.dn).with("UserData", data);
    Ok(note.with("Extensions", json!({NOTE_OF_CALL: id})))
}

/// A call of the DN. Only those can be named, whatever other calls there are.
pub(super) fn known_call<'a>(channel: &'a VoiceChannel, call: &str) -> Result<&'a Value, OperationRefusal> {
    channel.picture.call(call).ok_or_else(|| OperationRefusal::unknown_call(call))
}

fn with_other(request: RequestDraft, channel: &VoiceChannel, other: &str) -> Result<RequestDraft, OperationRefusal> {
    known_call(channel, other)?;
    Ok(request.with("HeldConnID", other))
}

/// The API names the consultation, the frame the call that it is about.
fn completion(
    request: &str,
    consultation: &Value,
    parent: Option<&str>,
    channel: &VoiceChannel,
) -> Result<RequestDraft, OperationRefusal> {
    let parent = parent.unwrap_or_else(|| text(consultation, "parentConnId"));
    if parent.is_empty() {
        let rule = "it is missing, and the call is no consultation";
        return Err(OperationRefusal::parameter("parentConnId", rule));
    }
    known_call(channel, parent)?;
    let consultation = text(consultation, "id");
    Ok(RequestDraft::of(request, &channel.dn).with("ConnID", parent).with("TransferConnID", consultation))
}

/// A frame in one step has no user data of its own: it is added to the call first.
fn single_step(
    request: &str,
    call: &str,
    number: &DialledNumber,
    channel: &VoiceChannel,
    before: &mut VecDeque<Map<String, Value>>,
) -> RequestDraft {
    if !number.user_data.is_empty() {
        before.push_back(attach(&channel.dn, call, &number.user_data));
    }
    RequestDraft::of(request, &channel.dn).with("ConnID", call).with("OtherDN", number.to.as_str())
}
