//! What desktops read of the configuration.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use net::http::Query;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::Workspace;
use super::super::behind::{ConfigurationFault, ConfiguredDn};
use super::super::desk::{Desk, with_plain_properties};
use super::super::request::DeskRequest;
use crate::sessions::answers::{self, ApiRefusal};

/// Parts of the configuration: the name by which they are asked for among others, that of their own path, and that of their member.
const PARTS: [(&str, &str, &str); 6] = [
    ("actionCodes", "action-codes", "actionCodes"),
    ("agentGroups", "agent-groups", "agentGroups"),
    ("settings", "settings", "settings"),
    ("workspaceTransactions", "transactions", "transactions"),
    ("businessAttributes", "business-attributes", "businessAttributes"),
    ("monitorableAgentGroups", "monitorable-agent-groups", "monitorableAgentGroups"),
];

/// Which parts are wanted.
#[derive(Deserialize)]
pub(in crate::gws_workspace) struct WantedParts {
    types: Option<String>,
}

async fn read(workspace: &Workspace, request: &DeskRequest) -> Result<Value, ApiRefusal> {
    let sign_in = request.session.sign_in();
    let told = workspace.parts.configuration.desktop(sign_in.person.tenant, sign_in.person.user).await;
    let configuration = told.map_err(|fault| refused(&fault))?.configuration;
    // As the desktop gets the rest of it.
    Ok(if request.session.shown(Desk::is_optimised) { with_plain_properties(&configuration) } else { configuration })
}

/// A refusal of gws-configuration, as the desktop is told it.
pub(super) fn refused(fault: &ConfigurationFault) -> ApiRefusal {
    match fault {
        ConfigurationFault::Unknown(_) => ApiRefusal::not_found(fault.to_string()),
        ConfigurationFault::OfAnotherKind(_) => ApiRefusal::conflict(fault.to_string()),
        ConfigurationFault::Away => ApiRefusal::unavailable(fault.to_string()),
    }
}

/// `GET /configuration`: all of it, or the parts of these types.
pub(in crate::gws_workspace) async fn all(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    Query(wanted): Query<WantedParts>,
) -> Result<Response, ApiRefusal> {
    let configuration = read(&workspace, &request).await?;
    Ok(answers::data(&chosen(configuration, wanted.types.as_deref())?))
}

fn chosen(mut configuration: Value, types: Option<&str>) -> Result<Value, ApiRefusal> {
    let Some(types) = types.filter(|types| !types.trim().is_empty()) else { return Ok(configuration) };
    let mut parts = Map::new();
    for wanted in types.split(',').map(str::trim).filter(|wanted| !wanted.is_empty()) {
        let part = PARTS.iter().find(|(name, ..)| *name == wanted);
        let (_, _, member) = part.ok_or_else(|| {
            let known: Vec<&str> = PARTS.iter().map(|(name, ..)| *name).collect();
            ApiRefusal::bad_request(format!("types: {wanted:.64} is none of {}", known.join(", ")))
        })?;
        let told = configuration.get_mut(*member).map(Value::take).unwrap_or_else(|| json!([]));
        parts.insert((*member).to_owned(), told);
    }
    Ok(Value::Object(parts))
}

/// `GET /configuration/{part}`: one part, as the desktop reads it that asks for as little as it can.
pub(in crate::gws_workspace) async fn part(
    State(workspace): State<Arc<Workspace>>,
    Path(part): Path<String>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    let known = PARTS.iter().find(|(_, path, _)| *path == part);
    let (_, _, member) = known.ok_or_else(|| ApiRefusal::not_found(format!("there is no part {part:.64}")))?;
    let configuration = read(&workspace, &request).await?;
    Ok(answers::data(configuration.get(*member).unwrap_or(&json!([]))))
}

/// `GET /configuration/business-attribute/{id}`: one attribute with its values.
pub(in crate::gws_workspace) async fn business_attribute(
    State(workspace): State<Arc<Workspace>>,
    Path(id): Path<String>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    let configuration = read(&workspace, &request).await?;
    let found = attribute(&configuration, &id);
    let found = found.ok_or_else(|| ApiRefusal::not_found(format!("there is no business attribute {id:.64}")))?;
    Ok(answers::data(found))
}

fn attribute<'a>(configuration: &'a Value, id: &str) -> Option<&'a Value> {
    let is_meant = |attribute: &&Value| {
        attribute["id"].as_u64().is_some_and(|own| own.to_string() == id) || attribute["name"].as_str() == Some(id)
    };
    configuration["businessAttributes"].as_array()?.iter().find(is_meant)
}

/// `GET /configuration/places/{place}/dns`: the DNs of a place.
pub(in crate::gws_workspace) async fn dns_of_place(
    State(workspace): State<Arc<Workspace>>,
    Path(place): Path<String>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    let tenant = request.session.sign_in().person.tenant;
    let dns = workspace.parts.configuration.place(tenant, place).await.map_err(|fault| refused(&fault))?;
    let devices: Vec<Value> = dns.iter().map(device).collect();
    Ok(answers::data(&json!({ "devices": devices })))
}

/// A DN of a place. `browserPhone` stands where it is true alone: published clients know no such field.
fn device(dn: &ConfiguredDn) -> Value {
    let mut device = json!({"number": dn.number, "switchName": dn.switch});
    if dn.is_browser_phone {
        device["browserPhone"] = true.into();
    }
    device
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn the_parts_of_the_named_types_are_told_and_one_that_is_not_known_is_named() {
        let configuration = json!({"actionCodes": [1], "transactions": [2], "settings": [3]});
        assert_eq!(chosen(configuration.clone(), None).unwrap(), configuration);
        let two = chosen(configuration.clone(), Some("workspaceTransactions, agentGroups")).unwrap();
        assert_eq!(two, json!({"transactions": [2], "agentGroups": []}));
        assert_eq!(chosen(configuration, Some("skills")).unwrap_err().status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn a_device_says_that_it_is_a_browser_phone_where_it_is_one() {
        let of = |is_browser_phone| ConfiguredDn {
            number: "7101".to_owned(),
            switch: "sip".to_owned(),
            is_browser_phone,
            ..ConfiguredDn::default()
        };
        assert_eq!(device(&of(false)), json!({"number": "7101", "switchName": "sip"}));
        assert_eq!(device(&of(true)), json!({"number": "7101", "switchName": "sip", "browserPhone": true}));
    }

    #[test]
    fn a_business_attribute_is_found_by_number_and_by_name() {
        let configuration = json!({"businessAttributes": [{"id": 7, "name": "Language"}, {"id": 8, "name": "7x"}]});
        assert_eq!(attribute(&configuration, "7").unwrap()["name"], "Language");
        assert_eq!(attribute(&configuration, "7x").unwrap()["id"], 8);
        assert_eq!(attribute(&configuration, "9"), None);
        assert_eq!(attribute(&json!({}), "9"), None);
    }
}
