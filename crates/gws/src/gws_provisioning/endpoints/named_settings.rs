//! Templates, and endpoints of programs: texts by name, which programs of others keep here. Each kind stands in a list of the tenant; nothing
//! of ours acts on them.

use axum::body::Bytes;
use axum::response::Response;
use net::http::Query;
use serde_json::{Value, json};

use super::super::configuration_client::Told;
use super::super::found_object::FoundObject;
use super::super::published::query::PublishedQuery;
use super::super::request::ProvisioningRequest;
use super::settings::{Sections, merge, sections_of, stored, texts, write};
use crate::sessions::answers::{self, ApiRefusal, read_body};

/// A kind of them.
struct NamedSettings {
    /// The list of the tenant.
    list: &'static str,
    /// The member of a body that has some.
    given: &'static str,
    /// The member of an answer that has all.
    shown: &'static str,
}

const TEMPLATES: NamedSettings = NamedSettings { list: "ApiTemplates", given: "templates", shown: "api-templates" };
const ENDPOINTS: NamedSettings = NamedSettings { list: "ApiEndpoints", given: "apiEndpoints", shown: "api-endpoints" };

/// What becomes of those that are there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OtherNames {
    Stay,
    Go,
}

impl NamedSettings {
    async fn show(&self, request: &ProvisioningRequest) -> Result<Response, ApiRefusal> {
        let list = stored(request.configuration(), &request.reads(), self.list).await?;
        Ok(answers::data(&self.shown(list.as_ref())))
    }

    fn shown(&self, list: Option<&FoundObject>) -> Value {
        json!({ self.shown: named(list) })
    }

    async fn put(
        &self,
        request: &ProvisioningRequest,
        body: &[u8],
        others: OtherNames,
    ) -> Result<Response, ApiRefusal> {
        let given = self.read(&read_body(body)?)?;
        let list = stored(request.configuration(), &request.changes()?, self.list).await?;
        let mut all = if others == OtherNames::Stay { named(list.as_ref()) } else { Sections::new() };
        merge(&mut all, given);
        write(request, (self.list, list.as_ref()), all).await?;
        Ok(answers::done())
    }

    /// Those of a body.
    fn read(&self, body: &Value) -> Told<Sections> {
        match &body["data"][self.given] {
            Value::Null => Err(ApiRefusal::bad_request(format!("{}: it is missing", self.given))),
            given => texts(self.given, given),
        }
    }

    async fn remove(
        &self,
        request: &ProvisioningRequest,
        pairs: Vec<(String, String)>,
    ) -> Result<Response, ApiRefusal> {
        let query = PublishedQuery::of(pairs)?;
        let name = query.text("name").ok_or_else(|| ApiRefusal::bad_request("name: it is missing"))?;
        let list = stored(request.configuration(), &request.changes()?, self.list).await?;
        let mut all = named(list.as_ref());
        if all.remove(name).is_none() {
            return Err(ApiRefusal::not_found(format!("name: there is no {name:.64}")));
        }
        write(request, (self.list, list.as_ref()), all).await?;
        Ok(answers::done())
    }
}

fn named(list: Option<&FoundObject>) -> Sections {
    list.map(|list| sections_of(list, "sections")).unwrap_or_default()
}

/// `GET /settings/templates`.
pub(in crate::gws_provisioning) async fn templates(request: ProvisioningRequest) -> Result<Response, ApiRefusal> {
    TEMPLATES.show(&request).await
}

/// `POST /settings/templates`: some are added and changed.
pub(in crate::gws_provisioning) async fn add_templates(
    request: ProvisioningRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    TEMPLATES.put(&request, &body, OtherNames::Stay).await
}

/// `PUT /settings/templates`: these and no others.
pub(in crate::gws_provisioning) async fn replace_templates(
    request: ProvisioningRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    TEMPLATES.put(&request, &body, OtherNames::Go).await
}

/// `DELETE /settings/templates?name=`.
pub(in crate::gws_provisioning) async fn remove_template(
    request: ProvisioningRequest,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, ApiRefusal> {
    TEMPLATES.remove(&request, pairs).await
}

/// `GET /settings/api-endpoints`.
pub(in crate::gws_provisioning) async fn api_endpoints(request: ProvisioningRequest) -> Result<Response, ApiRefusal> {
    ENDPOINTS.show(&request).await
}

/// `POST /settings/api-endpoints`: some are added and changed.
pub(in crate::gws_provisioning) async fn add_api_endpoints(
    request: ProvisioningRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    ENDPOINTS.put(&request, &body, OtherNames::Stay).await
}

/// `DELETE /settings/api-endpoints?name=`.
pub(in crate::gws_provisioning) async fn remove_api_endpoint(
    request: ProvisioningRequest,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, ApiRefusal> {
    ENDPOINTS.remove(&request, pairs).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_texts_by_name_and_key() {
        let read = |given: Value| TEMPLATES.read(&json!({"data": {"templates": given}}));
        let taken = read(json!({"greeting": {"subject": "Hello", "priority": 2}})).unwrap();
        assert_eq!(Value::from(taken), json!({"greeting": {"subject": "Hello", "priority": "2"}}));
        for wrong in [Value::Null, json!([]), json!({"greeting": "Hello"}), json!({"greeting": {"to": ["a"]}})] {
            let refused = read(wrong.clone()).unwrap_err();
            assert!(refused.status() == 400 && refused.message().starts_with("templates: "), "{wrong}: {refused:?}");
        }
        assert!(TEMPLATES.read(&Value::Null).is_err(), "published clients send nothing by PUT");
    }

    #[test]
    fn each_kind_stands_in_a_list_of_its_own_and_is_told_by_its_published_name() {
        let list = FoundObject {
            document: json!({"sections": {"crm": {"url": "https://crm.example"}}}),
            ..FoundObject::default()
        };
        assert_eq!(ENDPOINTS.shown(Some(&list)), json!({"api-endpoints": {"crm": {"url": "https://crm.example"}}}));
        assert_eq!(TEMPLATES.shown(None), json!({"api-templates": {}}));
        assert_ne!(TEMPLATES.list, ENDPOINTS.list);
    }
}
