//! The dial plan's answer on 8800.
//!
//! `{"kind":"extension","dn":"7101","no_answer_ms":15000,"contacts":[{"uri":"sip:..","path":["<sip:..;lr>"]}]}`; a contact that is a phone with
//! several flows has the others in `further`. The other kinds are
//! `route_point`, `outside`, `feature_code`, `pickup`, `park`, `echo`, `announcement` and `reject`. Beside them stand `forwarded_by`, the DNs that forwarded
//! the call there, and `forward_modes`, why; `forwards_busy` and `forwards_no_answer`, whether the phone forwards it in turn, and `notes`, the rules that led there.

use model::plan::{
    Contact, DayLimit, Destination, FeatureCode, ForwardedBy, Forwards, OutgoingLimit, Outside, OutsideLimits,
    PhoneFlow, PlanAnswer, Service, Way,
};
use model::request::ForwardMode;
use model::{AgentId, Dn, Timestamp};
use serde::{Deserialize, Serialize};

use super::FrameError;
use crate::provisioning::FeatureAction;

#[derive(Serialize, Deserialize)]
struct WireAnswer {
    #[serde(flatten)]
    destination: Wire,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    forwarded_by: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    forward_modes: Vec<String>,
    #[serde(default)]
    forwards_busy: bool,
    #[serde(default)]
    forwards_no_answer: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Wire {
    RoutePoint {
        dn: String,
        application: String,
        default_dn: Option<String>,
    },
    Extension {
        dn: String,
        contacts: Vec<WireContact>,
        no_answer_ms: u64,
    },
    Outside {
        number: String,
        #[serde(flatten)]
        way: WireWay,
        #[serde(default)]
        further: Vec<WireWay>,
        no_answer_ms: u64,
    },
    FeatureCode {
        action: FeatureAction,
        #[serde(default)]
        ask_pin: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<String>,
    },
    Pickup {
        dn: String,
    },
    Park {
        slot: String,
    },
    Echo,
    Announcement {
        prompts: Vec<String>,
    },
    Reject {
        status: u16,
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
struct WireContact {
    uri: String,
    path: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    further: Vec<WireFlow>,
}

#[derive(Serialize, Deserialize)]
struct WireFlow {
    uri: String,
    path: Vec<String>,
}

impl From<&Contact> for WireContact {
    fn from(Contact { uri, path, further }: &Contact) -> Self {
        let flow = |flow: &PhoneFlow| WireFlow { uri: flow.uri.clone(), path: flow.path.clone() };
        Self { uri: uri.clone(), path: path.clone(), further: further.iter().map(flow).collect() }
    }
}

impl From<WireContact> for Contact {
    fn from(WireContact { uri, path, further }: WireContact) -> Self {
        let flow = |WireFlow { uri, path }| PhoneFlow { uri, path };
        Self { further: further.into_iter().map(flow).collect(), ..Self::new(uri, path) }
    }
}

#[derive(Serialize, Deserialize)]
struct WireWay {
    trunk: String,
    uri: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    path: Vec<String>,
    caller_id: Option<String>,
    #[serde(default = "try_ms")]
    try_ms: u64,
    #[serde(default, rename = "always")]
    is_emergency: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<WireLimit>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    a_day: Vec<WireDayLimit>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    counts: bool,
}

#[derive(Serialize, Deserialize)]
struct WireDayLimit {
    rule: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calls: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    minutes: Option<u32>,
    day_ends_us: u64,
}

#[derive(Serialize, Deserialize)]
struct WireLimit {
    phone: String,
    most: u32,
}

fn try_ms() -> u64 {
    u64::from(crate::provisioning::TRUNK_TRY_S) * 1_000
}

impl From<&Way> for WireWay {
    fn from(way: &Way) -> Self {
        let Way { trunk, contact, caller_id, try_ms, is_emergency, limits } = way.clone();
        let limit = limits.at_once.map(|limit| WireLimit { phone: limit.phone.to_string(), most: limit.most });
        let a_day = limits.a_day.into_iter().map(WireDayLimit::from).collect();
        let Contact { uri, path, further: _ } = contact;
        Self { trunk, uri, path, caller_id, try_ms, is_emergency, limit, a_day, counts: limits.counts }
    }
}

impl From<DayLimit> for WireDayLimit {
    fn from(limit: DayLimit) -> Self {
        let DayLimit { rule, phone, per_agent: _, agent, calls, minutes, day_ends } = limit;
        let (phone, agent) = (phone.map(|phone| phone.to_string()), agent.map(|agent| agent.to_string()));
        Self { rule, phone, agent, calls, minutes, day_ends_us: day_ends.as_micros() }
    }
}

fn day_limit_from_wire(wire: WireDayLimit) -> Result<DayLimit, FrameError> {
    let WireDayLimit { rule, phone, agent, calls, minutes, day_ends_us } = wire;
    let phone = phone.map(|phone| Dn::parse(&phone)).transpose().map_err(|e| FrameError::invalid("a_day.phone", e))?;
    let agent =
        agent.map(|agent| AgentId::parse(&agent)).transpose().map_err(|e| FrameError::invalid("a_day.agent", e))?;
    let day_ends = Timestamp::from_micros(day_ends_us);
    Ok(DayLimit { rule, phone, per_agent: agent.is_some(), agent, calls, minutes, day_ends })
}

fn way_from_wire(wire: WireWay) -> Result<Way, FrameError> {
    let WireWay { trunk, uri, path, caller_id, try_ms, is_emergency, limit: at_once, a_day, counts } = wire;
    let limit = |WireLimit { phone, most }| {
        let phone = Dn::parse(&phone).map_err(|e| FrameError::invalid("limit", e))?;
        Ok::<_, FrameError>(OutgoingLimit { phone, most })
    };
    let limits = OutsideLimits {
        at_once: at_once.map(limit).transpose()?,
        a_day: a_day.into_iter().map(day_limit_from_wire).collect::<Result<_, _>>()?,
        counts,
    };
    Ok(Way { trunk, contact: Contact::new(uri, path), caller_id, try_ms, is_emergency, limits })
}

/// Writes the dial plan's answer.
pub fn plan_answer_to_json(answer: &PlanAnswer) -> serde_json::Value {
    let wire = WireAnswer {
        destination: destination_to_wire(&answer.destination),
        forwarded_by: answer.forwarded_by.iter().map(|by| by.dn.to_string()).collect(),
        forward_modes: answer.forwarded_by.iter().map(|by| by.mode.as_str().to_owned()).collect(),
        forwards_busy: answer.forwards.busy,
        forwards_no_answer: answer.forwards.no_answer,
        notes: answer.notes.clone(),
    };
    // Plain structs with text keys: serialising them cannot fail.
    serde_json::to_value(wire).unwrap_or_default()
}

/// Reads the dial plan's answer.
///
/// # Errors
/// Names the field that is not valid.
pub fn plan_answer_from_json(json: &[u8]) -> Result<PlanAnswer, FrameError> {
    let wire: WireAnswer = serde_json::from_slice(json).map_err(|e| FrameError::invalid("kind", e))?;
    Ok(PlanAnswer {
        forwarded_by: forwarded_by_from_json(&wire.forwarded_by, &wire.forward_modes)?,
        forwards: Forwards { busy: wire.forwards_busy, no_answer: wire.forwards_no_answer },
        notes: wire.notes,
        destination: destination_from_wire(wire.destination)?,
    })
}

/// Reads who has forwarded a call: the DNs, and why each did. Where that is missing, as the release before writes it, or is a mode that this
/// one does not know, the DN counts as one that forwards all calls.
///
/// # Errors
/// When a DN is not valid.
pub fn forwarded_by_from_json(dns: &[String], modes: &[String]) -> Result<Vec<ForwardedBy>, FrameError> {
    let modes = modes.iter().map(|mode| ForwardMode::parse(mode).unwrap_or_default());
    let by = |(dn, mode): (&String, ForwardMode)| {
        Ok(ForwardedBy { dn: Dn::parse(dn).map_err(|e| FrameError::invalid("forwarded_by", e))?, mode })
    };
    dns.iter().zip(modes.chain(std::iter::repeat(ForwardMode::default()))).map(by).collect()
}

fn destination_to_wire(destination: &Destination) -> Wire {
    match destination {
        Destination::RoutePoint { dn, application, default_dn } => Wire::RoutePoint {
            dn: dn.to_string(),
            application: application.clone(),
            default_dn: default_dn.as_ref().map(ToString::to_string),
        },
        Destination::Extension { dn, contacts, no_answer_ms } => Wire::Extension {
            dn: dn.to_string(),
            contacts: contacts.iter().map(WireContact::from).collect(),
            no_answer_ms: *no_answer_ms,
        },
        Destination::Outside(outside) => Wire::Outside {
            number: outside.number.to_string(),
            way: (&outside.way).into(),
            further: outside.further.iter().map(WireWay::from).collect(),
            no_answer_ms: outside.no_answer_ms,
        },
        Destination::FeatureCode { code, ask_pin } => {
            let (action, number) = feature_to_wire(code);
            Wire::FeatureCode { action, ask_pin: *ask_pin, number }
        }
        Destination::Pickup { dn } => Wire::Pickup { dn: dn.to_string() },
        Destination::Park { slot } => Wire::Park { slot: slot.to_string() },
        Destination::Service(Service::Echo) => Wire::Echo,
        Destination::Service(Service::Announcement { prompts }) => Wire::Announcement { prompts: prompts.clone() },
        Destination::Reject { status, reason } => Wire::Reject { status: *status, reason: reason.clone() },
    }
}

fn destination_from_wire(wire: Wire) -> Result<Destination, FrameError> {
    let dn = |text: &str, field: &str| Dn::parse(text).map_err(|e| FrameError::invalid(field, e));
    Ok(match wire {
        Wire::RoutePoint { dn: number, application, default_dn } => Destination::RoutePoint {
            dn: dn(&number, "dn")?,
            application,
            default_dn: default_dn.map(|text| dn(&text, "default_dn")).transpose()?,
        },
        Wire::Extension { dn: number, contacts, no_answer_ms } => Destination::Extension {
            dn: dn(&number, "dn")?,
            contacts: contacts.into_iter().map(Contact::from).collect(),
            no_answer_ms,
        },
        Wire::Outside { number, way, further, no_answer_ms } => Destination::Outside(Outside {
            number: dn(&number, "number")?,
            way: way_from_wire(way)?,
            further: further.into_iter().map(way_from_wire).collect::<Result<_, _>>()?,
            no_answer_ms,
        }),
        Wire::FeatureCode { action, ask_pin, number } => {
            let number = number.map(|text| dn(&text, "number")).transpose()?;
            let absent = || FrameError::invalid("number", "it is absent");
            Destination::FeatureCode { code: feature_from_wire(action, number).ok_or_else(absent)?, ask_pin }
        }
        Wire::Pickup { dn: number } => Destination::Pickup { dn: dn(&number, "dn")? },
        Wire::Park { slot } => Destination::Park { slot: dn(&slot, "slot")? },
        Wire::Echo => Destination::Service(Service::Echo),
        Wire::Announcement { prompts } => Destination::Service(Service::Announcement { prompts }),
        Wire::Reject { status, reason } => Destination::Reject { status, reason },
    })
}

fn feature_to_wire(code: &FeatureCode) -> (FeatureAction, Option<String>) {
    let action = match code {
        FeatureCode::Login => FeatureAction::Login,
        FeatureCode::Logout => FeatureAction::Logout,
        FeatureCode::Ready => FeatureAction::Ready,
        FeatureCode::NotReady => FeatureAction::NotReady,
        FeatureCode::DndOn => FeatureAction::DndOn,
        FeatureCode::DndOff => FeatureAction::DndOff,
        FeatureCode::ForwardOff => FeatureAction::ForwardOff,
        FeatureCode::Forward(mode, _) => match mode {
            ForwardMode::None => FeatureAction::ForwardOff,
            ForwardMode::OnBusy => FeatureAction::ForwardBusy,
            ForwardMode::OnNoAnswer | ForwardMode::OnBusyAndNoAnswer => FeatureAction::ForwardNoAnswer,
            ForwardMode::OnUnregistered => FeatureAction::ForwardUnregistered,
            ForwardMode::Unconditional | ForwardMode::SendAllCalls => FeatureAction::ForwardAlways,
        },
    };
    let number = match code {
        FeatureCode::Forward(_, number) => Some(number.to_string()),
        _ => None,
    };
    (action, number)
}

/// None: the action needs a number.
fn feature_from_wire(action: FeatureAction, number: Option<Dn>) -> Option<FeatureCode> {
    let forward = |mode| number.map(|number| FeatureCode::Forward(mode, number));
    match action {
        FeatureAction::Login => Some(FeatureCode::Login),
        FeatureAction::Logout => Some(FeatureCode::Logout),
        FeatureAction::Ready => Some(FeatureCode::Ready),
        FeatureAction::NotReady => Some(FeatureCode::NotReady),
        FeatureAction::DndOn => Some(FeatureCode::DndOn),
        FeatureAction::DndOff => Some(FeatureCode::DndOff),
        FeatureAction::ForwardOff => Some(FeatureCode::ForwardOff),
        FeatureAction::ForwardAlways => forward(ForwardMode::Unconditional),
        FeatureAction::ForwardBusy => forward(ForwardMode::OnBusy),
        FeatureAction::ForwardNoAnswer => forward(ForwardMode::OnNoAnswer),
        FeatureAction::ForwardUnregistered => forward(ForwardMode::OnUnregistered),
        // Destinations of their own.
        FeatureAction::Pickup | FeatureAction::Park => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_comes_with_its_flows_and_from_an_earlier_release_without() {
        let further = vec![PhoneFlow { uri: "sip:b@192.0.2.2".to_owned(), path: vec!["<sip:two;lr;ob>".to_owned()] }];
        let path = vec!["<sip:one;lr;ob>".to_owned()];
        let phone = Contact { further, ..Contact::new("sip:a@192.0.2.1".to_owned(), path) };
        let dn = Dn::parse("7101").unwrap();
        let destination = Destination::Extension { dn, contacts: vec![phone], no_answer_ms: 15_000 };
        let json = plan_answer_to_json(&PlanAnswer::from(destination.clone()));
        assert_eq!(plan_answer_from_json(json.to_string().as_bytes()).unwrap().destination, destination);
        let former = serde_json::json!({
            "kind": "extension", "dn": "7101", "no_answer_ms": 1, "contacts": [{"uri": "sip:a@192.0.2.1", "path": []}],
        });
        let contacts = vec![Contact::new("sip:a@192.0.2.1".to_owned(), Vec::new())];
        let read = plan_answer_from_json(former.to_string().as_bytes()).unwrap().destination;
        let Destination::Extension { contacts: read, .. } = read else {
            panic!("it is a phone");
        };
        assert_eq!(read, contacts);
    }
}
