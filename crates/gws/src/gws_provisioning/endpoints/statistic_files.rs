//! Statistics that a tenant defines, as a file, and the times at which all of them begin anew.

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::super::configuration_client::{all, change};
use super::super::found_object::FoundObject;
use super::super::published::multipart;
use super::super::request::ProvisioningRequest;
use super::rules::{DEFINITION, put_definitions, shown_definitions};
use crate::sessions::answers::{self, ApiRefusal, read_body};

/// The part of a form that has the file.
const FILE: &str = "statistic-definitions";
/// Where the definitions stand in a file.
const MEMBER: &str = "statisticDefinitions";
/// Categories of the present moment begin with it: nothing of them begins anew.
const OF_NOW: &str = "Current";
/// The profile of what begins anew.
const GROWING: &str = "growing";

fn wrong(field: &str, rule: &str) -> ApiRefusal {
    ApiRefusal::bad_request(format!("{field}: {rule}"))
}

/// `GET /export-statistic-definitions`: the text of one file, which an import takes.
pub(in crate::gws_provisioning) async fn export(request: ProvisioningRequest) -> Result<Response, ApiRefusal> {
    let found = all(request.configuration(), &request.reads(), DEFINITION, "").await?;
    Ok(answers::data(&json!({ "files": [written(&found)?] })))
}

fn written(definitions: &[FoundObject]) -> Result<String, ApiRefusal> {
    let file = json!({ MEMBER: shown_definitions(definitions) });
    serde_json::to_string_pretty(&file).map_err(|_| ApiRefusal::internal())
}

/// `POST /import-statistic-definitions`: makes and changes those of a file, all or none.
pub(in crate::gws_provisioning) async fn import(
    request: ProvisioningRequest,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    put_definitions(&request, &read_file(&headers, &body)?).await?;
    Ok(answers::done())
}

/// The file of a form.
fn read_file(headers: &HeaderMap, body: &[u8]) -> Result<Value, ApiRefusal> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multipart::boundary(content_type);
    let boundary = boundary.ok_or_else(|| wrong(FILE, "it comes as a part of multipart/form-data"))?;
    let part = multipart::part(body, boundary, FILE).ok_or_else(|| wrong(FILE, "there is no such part"))?;
    let rule = |error: serde_json::Error| wrong(FILE, &format!("it is no JSON, which files are here: {error}"));
    serde_json::from_slice(part.content).map_err(rule)
}

/// `POST /statistic-definitions/operations/update-reset-times`: all that grow begin anew at that time of day, or at those.
pub(in crate::gws_provisioning) async fn update_reset_times(
    request: ProvisioningRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let body = read_body(&body)?;
    let wanted = if body["data"].is_object() { &body["data"] } else { &body };
    let resets = wanted["resetTime"].as_str().map(str::trim).filter(|text| !text.is_empty());
    let resets = resets.ok_or_else(|| wrong("resetTime", "it is missing"))?;
    let asker = request.changes()?;
    if let Some(location) = wanted["location"].as_str().map(str::trim).filter(|text| !text.is_empty()) {
        check_location(location, all(request.configuration(), &asker, "tenant", "").await?.first())?;
    }
    let found = all(request.configuration(), &asker, DEFINITION, "").await?;
    let changes: Vec<Value> = found.iter().filter(|one| begins_anew(one)).map(|one| with_resets(one, resets)).collect();
    if !changes.is_empty() {
        change(request.configuration(), &asker, &changes).await?;
    }
    Ok(answers::done())
}

/// Times of day are those of the tenant's clocks, so that the location is its time zone.
fn check_location(location: &str, tenant: Option<&FoundObject>) -> Result<(), ApiRefusal> {
    let zone = tenant.and_then(|tenant| tenant.text("/time_zone")).unwrap_or("UTC");
    if location.eq_ignore_ascii_case(zone) {
        return Ok(());
    }
    Err(ApiRefusal::not_found(format!("location: statistics of the tenant go by {zone}, and none by {location:.64}")))
}

/// Whether a statistic counts from a time of day on.
fn begins_anew(definition: &FoundObject) -> bool {
    definition.text("/profile").unwrap_or(GROWING) == GROWING
        && !definition.text("/category").unwrap_or_default().starts_with(OF_NOW)
}

fn with_resets(definition: &FoundObject, resets: &str) -> Value {
    json!({
        "kind": DEFINITION, "id": definition.id, "expectedRevision": definition.revision,
        "put": {"resets": resets}, "fields": ["resets"],
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn definition(document: Value) -> FoundObject {
        FoundObject { id: "Calls".to_owned(), revision: 4, document, ..FoundObject::default() }
    }

    fn form(content_type: &'static str, body: &str) -> Result<Value, ApiRefusal> {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        read_file(&headers, body.as_bytes())
    }

    #[test]
    fn what_is_exported_can_be_imported() {
        let calls = definition(json!({"name": "Calls", "category": "TotalNumber", "objects": ["Agent", "Queue"]}));
        let file = written(&[calls]).unwrap();
        let body = format!(
            "--x\r\nContent-Disposition: form-data; name=\"{FILE}\"; filename=\"all.yaml\"\r\n\r\n{file}\r\n--x--\r\n"
        );
        let read = form("multipart/form-data; boundary=x", &body).unwrap();
        assert_eq!(read[MEMBER]["Queue"]["Calls"]["category"], "TotalNumber");
        for (kind, body) in [
            ("application/json", "{}"),
            ("multipart/form-data; boundary=x", "--x--\r\n"),
            (
                "multipart/form-data; boundary=x",
                "--x\r\nContent-Disposition: form-data; name=\"statistic-definitions\"\r\n\r\nAgent: {\r\n--x--\r\n",
            ),
        ] {
            let refused = form(kind, body).unwrap_err();
            assert!(refused.status() == 400 && refused.message().starts_with(FILE), "{refused:?}");
        }
    }

    #[test]
    fn what_grows_begins_anew_and_nothing_else() {
        for (document, due) in [
            (json!({"category": "TotalNumber", "profile": "growing"}), true),
            (json!({"category": "TotalNumber"}), true),
            (json!({"category": "TotalNumber", "profile": "sliding"}), false),
            (json!({"category": "TotalTime", "profile": "since_login"}), false),
            (json!({"category": "CurrentNumber", "profile": "growing"}), false),
        ] {
            assert_eq!(begins_anew(&definition(document.clone())), due, "{document}");
        }
        let changed = with_resets(&definition(Value::Null), "06:00");
        assert_eq!((&changed["put"], &changed["expectedRevision"]), (&json!({"resets": "06:00"}), &json!(4)));
    }

    #[test]
    fn the_location_is_the_time_zone_of_the_tenant() {
        let berlin = definition(json!({"time_zone": "Europe/Berlin"}));
        assert!(check_location("europe/berlin", Some(&berlin)).is_ok());
        assert_eq!(check_location("US/Eastern", Some(&berlin)).unwrap_err().status(), 404);
        assert!(check_location("UTC", None).is_ok() && check_location("Europe/Berlin", None).is_err());
    }
}
