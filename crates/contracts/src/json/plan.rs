//! The dial plan's answer on 8800.
//!
//! `{"kind":"extension","dn":"7101","no_answer_ms":15000,"contacts":[{"uri":"sip:..","path":["<sip:..;lr>"]}]}`; the other kinds are
//! `route_point`, `outside`, `feature_code`, `pickup`, `park`, `echo`, `announcement` and `reject`.

use model::Dn;
use model::plan::{Contact, Destination, FeatureCode, Outside, Service};
use serde::{Deserialize, Serialize};

use super::FrameError;

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
        trunk: String,
        uri: String,
        caller_id: Option<String>,
        no_answer_ms: u64,
    },
    FeatureCode {
        action: crate::provisioning::FeatureAction,
        #[serde(default)]
        ask_pin: bool,
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
}

/// Writes the dial plan's answer.
pub fn destination_to_json(destination: &Destination) -> serde_json::Value {
    use crate::provisioning::FeatureAction;
    let wire = match destination {
        Destination::RoutePoint { dn, application, default_dn } => Wire::RoutePoint {
            dn: dn.to_string(),
            application: application.clone(),
            default_dn: default_dn.as_ref().map(ToString::to_string),
        },
        Destination::Extension { dn, contacts, no_answer_ms } => Wire::Extension {
            dn: dn.to_string(),
            contacts: contacts.iter().map(|c| WireContact { uri: c.uri.clone(), path: c.path.clone() }).collect(),
            no_answer_ms: *no_answer_ms,
        },
        Destination::Outside(outside) => Wire::Outside {
            number: outside.number.to_string(),
            trunk: outside.trunk.clone(),
            uri: outside.contact.uri.clone(),
            caller_id: outside.caller_id.clone(),
            no_answer_ms: outside.no_answer_ms,
        },
        Destination::FeatureCode { code, ask_pin } => Wire::FeatureCode {
            action: match code {
                FeatureCode::Login => FeatureAction::Login,
                FeatureCode::Logout => FeatureAction::Logout,
                FeatureCode::Ready => FeatureAction::Ready,
                FeatureCode::NotReady => FeatureAction::NotReady,
            },
            ask_pin: *ask_pin,
        },
        Destination::Pickup { dn } => Wire::Pickup { dn: dn.to_string() },
        Destination::Park { slot } => Wire::Park { slot: slot.to_string() },
        Destination::Service(Service::Echo) => Wire::Echo,
        Destination::Service(Service::Announcement { prompts }) => Wire::Announcement { prompts: prompts.clone() },
        Destination::Reject { status, reason } => Wire::Reject { status: *status, reason: reason.clone() },
    };
    // An enum of plain structs with text keys: serialising it cannot fail.
    serde_json::to_value(wire).unwrap_or_default()
}

/// Reads the dial plan's answer.
///
/// # Errors
/// Names the field that is not valid.
pub fn destination_from_json(json: &[u8]) -> Result<Destination, FrameError> {
    use crate::provisioning::FeatureAction;
    let wire: Wire = serde_json::from_slice(json).map_err(|e| FrameError::invalid("kind", e))?;
    let dn = |text: &str, field: &str| Dn::parse(text).map_err(|e| FrameError::invalid(field, e));
    Ok(match wire {
        Wire::RoutePoint { dn: number, application, default_dn } => Destination::RoutePoint {
            dn: dn(&number, "dn")?,
            application,
            default_dn: default_dn.map(|text| dn(&text, "default_dn")).transpose()?,
        },
        Wire::Extension { dn: number, contacts, no_answer_ms } => Destination::Extension {
            dn: dn(&number, "dn")?,
            contacts: contacts.into_iter().map(|c| Contact { uri: c.uri, path: c.path }).collect(),
            no_answer_ms,
        },
        Wire::Outside { number, trunk, uri, caller_id, no_answer_ms } => Destination::Outside(Outside {
            number: dn(&number, "number")?,
            trunk,
            contact: Contact { uri, path: Vec::new() },
            caller_id,
            no_answer_ms,
        }),
        Wire::FeatureCode { action, ask_pin } => Destination::FeatureCode {
            code: match action {
                FeatureAction::Login => FeatureCode::Login,
                FeatureAction::Logout => FeatureCode::Logout,
                FeatureAction::Ready => FeatureCode::Ready,
                FeatureAction::NotReady => FeatureCode::NotReady,
            },
            ask_pin,
        },
        Wire::Pickup { dn: number } => Destination::Pickup { dn: dn(&number, "dn")? },
        Wire::Park { slot } => Destination::Park { slot: dn(&slot, "slot")? },
        Wire::Echo => Destination::Service(Service::Echo),
        Wire::Announcement { prompts } => Destination::Service(Service::Announcement { prompts }),
        Wire::Reject { status, reason } => Destination::Reject { status, reason },
    })
}
