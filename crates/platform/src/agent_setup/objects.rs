//! `GET …/objects/{kind}` and `…/objects/{kind}/{id}`: objects without secrets.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use contracts::v1;
use net::http::Query;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answers::{SetupRefusal, document, id_in_path, id_of_path};
use super::provisioning::{Provisioning, SetupCaller};

/// Which objects of a kind are listed.
#[derive(Deserialize)]
pub(super) struct ListQuery {
    /// What is in one of the names.
    q: Option<String>,
    /// What the id begins with.
    id_prefix: Option<String>,
    /// One of these types, with commas between them.
    #[serde(rename = "type")]
    types: Option<String>,
    /// A person's skill.
    skill: Option<String>,
    /// Whether people are disabled.
    disabled: Option<bool>,
    /// Paths as `agent.skills`, with commas between them: what of the documents is shown.
    fields: Option<String>,
    page_size: Option<u32>,
    page_token: Option<String>,
}

/// An object.
#[derive(Serialize, JsonSchema)]
pub(super) struct ShownObject {
    /// Its name, number or code; `-` for the tenant itself.
    id: String,
    /// The revision of the tenant that has changed it last.
    revision: u64,
    /// Its document, without secrets; of a list with `fields` those alone.
    #[schemars(with = "Map<String, Value>")]
    object: Value,
}

/// A page of objects.
#[derive(Serialize, JsonSchema)]
pub(super) struct ObjectPage {
    /// In the order of their ids.
    items: Vec<ShownObject>,
    /// Asks for the page behind this one; empty on the last.
    next_page_token: String,
}

fn shown(stored: v1::StoredObject) -> ShownObject {
    let id = id_in_path(&stored.kind, &stored.id);
    let object = document(&stored.json).unwrap_or_else(|| Value::Object(Map::new()));
    ShownObject { id, revision: stored.revision, object }
}

fn asked(kind: String, query: ListQuery) -> v1::ListObjectsRequest {
    let disabled = query.disabled.map(|disabled| disabled.to_string());
    let filter = [
        ("name", query.q),
        ("id", query.id_prefix),
        ("type", query.types),
        ("skill", query.skill),
        ("disabled", disabled),
    ];
    let filter = filter.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?)));
    let filter: HashMap<String, String> = filter.filter(|(_, value)| !value.is_empty()).collect();
    let fields = query.fields.unwrap_or_default();
    let fields = fields.split(',').map(str::trim).filter(|field| !field.is_empty()).map(str::to_owned).collect();
    v1::ListObjectsRequest {
        kinds: vec![kind],
        filter,
        fields,
        page_size: query.page_size.unwrap_or_default(),
        page_token: query.page_token.unwrap_or_default(),
    }
}

pub(super) async fn list(
    State(provisioning): State<Provisioning>,
    asker: SetupCaller,
    Path((_, kind)): Path<(String, String)>,
    Query(query): Query<ListQuery>,
) -> Result<Json<ObjectPage>, SetupRefusal> {
    let page = provisioning.client().list(asker.asks(asked(kind, query))?).await?.into_inner();
    let items = page.objects.into_iter().map(shown).collect();
    Ok(Json(ObjectPage { items, next_page_token: page.next_page_token }))
}

pub(super) async fn show(
    State(provisioning): State<Provisioning>,
    asker: SetupCaller,
    Path((_, kind, id)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, SetupRefusal> {
    let id = id_of_path(&kind, id);
    let asked = v1::GetObjectRequest { kind, id, fields: Vec::new() };
    let stored = provisioning.client().get(asker.asks(asked)?).await?.into_inner();
    let etag = format!("\"{}\"", stored.revision);
    let mut response = match net::http::has_already(&headers, &etag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Json(shown(stored)).into_response(),
    };
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_asks_tenant_for_types_and_for_what_it_shows() {
        let query = ListQuery {
            q: Some(String::new()),
            id_prefix: Some("71".to_owned()),
            types: Some("route_point,virtual_queue".to_owned()),
            skill: None,
            disabled: Some(true),
            fields: Some("type, agent.skills,".to_owned()),
            page_size: Some(20),
            page_token: None,
        };
        let asked = asked("dn".to_owned(), query);
        let filter = [("id", "71"), ("type", "route_point,virtual_queue"), ("disabled", "true")];
        let filter = filter.map(|(field, value)| (field.to_owned(), value.to_owned()));
        assert_eq!((asked.filter, asked.page_size), (HashMap::from(filter), 20));
        assert_eq!(asked.fields, ["type", "agent.skills"]);
    }
}
