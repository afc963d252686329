//! Who the bearer of a token is: `GET /openid/userinfo` (OpenID Connect Core section 5.3), `GET /userinfo` and `GET /jwt-userinfo` in the
//! shapes of the published API.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use contracts::provisioning::Person;
use identity::scope::Privilege;
use model::TenantId;
use runtime::token::Claims;
use serde_json::{Value, json};

use super::super::Auth;
use super::super::answers::{self, Trouble, not_stored};
use super::super::request::{cors, session};
use super::issue;

/// Somebody who has shown a token.
struct Bearer {
    tenant: TenantId,
    claims: Claims,
    person: Person,
}

/// `GET /openid/userinfo`: claims.
pub(in crate::auth) async fn openid(State(auth): State<Arc<Auth>>, headers: HeaderMap) -> Response {
    answered(&auth, &headers, |bearer| Json(claims(bearer)).into_response()).await
}

/// `GET /userinfo`: the record of the person.
pub(in crate::auth) async fn record(State(auth): State<Arc<Auth>>, headers: HeaderMap) -> Response {
    answered(&auth, &headers, |bearer| Json(person(bearer)).into_response()).await
}

/// `GET /jwt-userinfo`: the same in an envelope.
pub(in crate::auth) async fn enveloped(State(auth): State<Arc<Auth>>, headers: HeaderMap) -> Response {
    answered(&auth, &headers, |bearer| answers::done(Some(claims(bearer)))).await
}

async fn answered(auth: &Auth, headers: &HeaderMap, answer: impl FnOnce(&Bearer) -> Response) -> Response {
    match bearer(auth, headers).await {
        Ok(Some(bearer)) => {
            let answer = not_stored(answer(&bearer));
            match redirect_uris(auth, headers, &bearer).await {
                Ok(uris) => cors::for_client(answer, uris),
                Err(trouble) => trouble.into_response(),
            }
        }
        Ok(None) => answers::no_token("there is no valid token of a person"),
        Err(trouble) => trouble.into_response(),
    }
}

/// The redirect URIs of the bearer's client, where a page asks.
async fn redirect_uris(auth: &Auth, headers: &HeaderMap, bearer: &Bearer) -> Result<Vec<String>, Trouble> {
    let client = bearer.claims.client_id.as_deref().filter(|_| cors::is_of_page(headers));
    let Some(client) = client else { return Ok(Vec::new()) };
    let client = auth.people.client(&bearer.tenant, client).await?;
    Ok(client.map(|client| client.redirect_uris).unwrap_or_default())
}

async fn bearer(auth: &Auth, headers: &HeaderMap) -> Result<Option<Bearer>, Trouble> {
    let Some(token) = session::bearer(headers) else { return Ok(None) };
    let found = session::of_token(auth, token).await?;
    Ok(found.map(|(tenant, claims, person)| Bearer { tenant, claims, person }))
}

/// The privileges of a person, each with the scopes that come with it.
fn authorities(person: &Person) -> Value {
    let authority = |privilege: Privilege| json!({ "name": name(privilege), "privileges": privilege.scopes() });
    json!(issue::privileges(person).into_iter().map(authority).collect::<Vec<Value>>())
}

const fn name(privilege: Privilege) -> &'static str {
    match privilege {
        Privilege::Agent => "ROLE_AGENT",
        Privilege::Supervisor => "ROLE_SUPERVISOR",
        Privilege::Administrator => "ROLE_ADMIN",
        Privilege::Designer => "ROLE_DESIGNER",
        Privilege::Integrator => "ROLE_INTEGRATOR",
        Privilege::FolderAdministrator => "ROLE_FOLDER_ADMIN",
        Privilege::ViewDashboard => "ROLE_VIEW_DASHBOARD",
        Privilege::ViewDashboardRestricted => "ROLE_VIEW_DASHBOARD_RESTRICTED",
        Privilege::ManageTabs => "ROLE_MANAGE_TABS",
        Privilege::EditWidgetDisplay => "ROLE_EDIT_WIDGET_DISPLAY",
        Privilege::ManageWidgets => "ROLE_MANAGE_WIDGETS",
        Privilege::ManageSharedDashboards => "ROLE_MANAGE_SHARED_DASHBOARDS",
        Privilege::ManageTemplates => "ROLE_MANAGE_TEMPLATES",
        Privilege::AddDashboardsWithoutLimit => "ROLE_ADD_DASHBOARDS_WITHOUT_LIMIT",
        Privilege::AddWidgetsWithoutLimit => "ROLE_ADD_WIDGETS_WITHOUT_LIMIT",
        Privilege::ManageUsers => "ROLE_MANAGE_USERS",
    }
}

fn person(bearer: &Bearer) -> Value {
    let (tenant, user) = (bearer.tenant.as_str(), bearer.person.user_name.as_str());
    json!({
        "username": user,
        "loginName": user,
        "cmeUserName": user,
        "contactCenterId": tenant,
        "environmentId": tenant,
        "authorities": authorities(&bearer.person),
        "properties": {},
    })
}

/// Claims of OpenID by the token's scope, and those of the published API.
fn claims(bearer: &Bearer) -> Value {
    let scope = bearer.claims.scope.as_str();
    let mut claims = serde_json::to_value(issue::profile(&bearer.person, scope)).unwrap_or_else(|_| json!({}));
    let (tenant, user) = (bearer.tenant.as_str(), bearer.person.user_name.as_str());
    for (name, value) in [
        ("sub", json!(bearer.claims.sub)),
        ("user_name", json!(user)),
        ("contact_center_id", json!(tenant)),
        ("environment_id", json!(tenant)),
        ("tenant", json!(tenant)),
        ("authorities", authorities(&bearer.person)),
    ] {
        claims[name] = value;
    }
    // For whom the sign-in is, as in its ID token. An unsigned answer needs none (OpenID Connect Core section 5.3.2): published programs read it.
    if let Some(client) = &bearer.claims.client_id {
        claims["aud"] = json!(client);
    }
    claims
}

#[cfg(test)]
mod tests {
    use contracts::provisioning;

    use super::*;

    fn bearer() -> Bearer {
        let privileges = vec![provisioning::Privilege::Agent, provisioning::Privilege::Designer];
        let person = Person { user_name: "ann".to_owned(), privileges, ..Person::default() };
        let claims = Claims { sub: "person/ann".to_owned(), client_id: Some("desk".to_owned()), ..Claims::default() };
        Bearer { tenant: TenantId::parse("acme").unwrap(), claims, person }
    }

    #[test]
    fn each_authority_has_what_may_be_done_by_it() {
        for said in [person(&bearer()), claims(&bearer())] {
            assert_eq!(said["authorities"][0]["name"], "ROLE_AGENT");
            assert_eq!(said["authorities"][1]["privileges"], json!(["config:read", "trace:read", "statistics:read"]));
        }
    }

    #[test]
    fn what_comes_with_a_privilege_is_among_the_authorities() {
        let mut bearer = bearer();
        bearer.person.privileges = vec![provisioning::Privilege::Supervisor];
        let said = claims(&bearer);
        let names: Vec<&str> =
            said["authorities"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
        let of_dashboards =
            ["ROLE_VIEW_DASHBOARD", "ROLE_MANAGE_TABS", "ROLE_EDIT_WIDGET_DISPLAY", "ROLE_MANAGE_WIDGETS"];
        assert_eq!(names, [&["ROLE_SUPERVISOR"][..], &of_dashboards].concat());
        assert_eq!(said["authorities"][1]["privileges"], json!(["statistics:read"]));
        assert_eq!(said["authorities"][2]["privileges"], json!([]), "nothing asks for it yet");
    }

    #[test]
    fn claims_say_for_which_client_they_are_where_there_is_one() {
        let mut bearer = bearer();
        assert_eq!(claims(&bearer)["aud"], "desk");
        bearer.claims.client_id = None;
        assert!(claims(&bearer).get("aud").is_none());
    }
}
