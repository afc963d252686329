//! SCIM at the web edge, as the provisioning agents of Okta and Entra ID walk it: by curl with a token of the tenant.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::visitor::CurlAnswer;
use testkit::{Installation, Visitor};

use crate::carried::carried;

const BASE: &str = "/scim/v2/example";
const OBJECTS: &str = "/agent-setup/api/v1/example";
const USERS: &str = "/Users";
const MEDIA_TYPE: &str = "application/scim+json";
const ANN: &str = "ann.archer@centre.example";
const PASSWORD: &str = "correct-horse-battery-staple";

fn token(site: &Installation, arguments: &[&str]) -> Result<String> {
    let output = std::process::Command::new(testkit::installation::binary()?)
        .args(["token", "--sub", "scim/test"])
        .args(arguments)
        .args(["--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .args(site.stores())
        .output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// A provisioning agent with its token.
struct ProvisioningAgent<'a> {
    visitor: Visitor<'a>,
    authorization: String,
}

impl<'a> ProvisioningAgent<'a> {
    fn new(site: &'a Installation, scopes: &[&str]) -> Result<Self> {
        let mut arguments = vec!["--tenant", "example"];
        arguments.extend(scopes.iter().flat_map(|scope| ["--scope", *scope]));
        let authorization = format!("authorization: Bearer {}", token(site, &arguments)?);
        Ok(Self { visitor: Visitor::new(site)?, authorization })
    }

    fn sends(&self, method: &str, path: &str, body: Option<&Value>, headers: &[&str]) -> Result<CurlAnswer> {
        let media_type = format!("content-type: {MEDIA_TYPE}");
        let body = body.map(Value::to_string);
        let mut arguments = vec!["--request", method, "--header", self.authorization.as_str()];
        arguments.extend(headers.iter().flat_map(|header| ["--header", *header]));
        if let Some(body) = &body {
            arguments.extend(["--header", media_type.as_str(), "--data-binary", body.as_str()]);
        }
        self.visitor.ask(&format!("{BASE}{path}"), &arguments)
    }

    fn get(&self, path: &str) -> Result<Value> {
        is(&self.sends("GET", path, None, &[])?, 200)
    }

    /// The users that a filter finds.
    fn find(&self, filter: &str) -> Result<Value> {
        let query: String = form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        self.get(&format!("/Users?filter={query}&startIndex=1&count=100"))
    }

    fn patch(&self, path: &str, operations: &Value) -> Result<CurlAnswer> {
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
        self.sends("PATCH", path, Some(&json!({ "schemas": schemas, "Operations": operations })), &[])
    }
}

fn is(answer: &CurlAnswer, status: u16) -> Result<Value> {
    ensure!(answer.status == status, "{} instead of {status}: {} {}", answer.status, answer.head, answer.body);
    ensure!(answer.header("content-type") == Some(MEDIA_TYPE), "{}", answer.head);
    answer.json()
}

/// An error of SCIM with that status and type.
fn refuses(answer: &CurlAnswer, status: u16, kind: &str) -> Result<()> {
    let told = is(answer, status)?;
    ensure!(told["schemas"] == json!(["urn:ietf:params:scim:api:messages:2.0:Error"]), "{told}");
    let is_status = told["status"].as_str().is_some_and(|told| told.parse() == Ok(status));
    ensure!(is_status && told["detail"].is_string(), "{told}");
    ensure!(told["scimType"].as_str().unwrap_or_default() == kind, "{told}");
    Ok(())
}

fn ann() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": ANN,
        "name": { "givenName": "Ann", "familyName": "Archer" },
        "emails": [{ "primary": true, "value": ANN, "type": "work" }],
        "displayName": "Ann Archer",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "locale": "en-US",
        "groups": [],
        "password": PASSWORD,
        "active": true,
    })
}

#[test]
fn okta_discovers_creates_deactivates_replaces_and_deletes_a_user() -> Result<()> {
    let site = Installation::start()?;
    let okta = ProvisioningAgent::new(&site, &["config:read", "config:write"])?;
    let configuration = okta.get("/ServiceProviderConfig")?;
    ensure!(
        configuration["patch"]["supported"] == true && configuration["bulk"]["supported"] == false,
        "{configuration}"
    );
    ensure!(
        okta.get("/ResourceTypes")?["totalResults"] == 2 && okta.get("/Schemas")?["totalResults"] == 2,
        "discovery"
    );

    let by_name = format!("userName eq \"{ANN}\"");
    let none = okta.find(&by_name)?;
    ensure!(none["totalResults"] == 0 && none["Resources"] == json!([]), "{none}");
    let answer = okta.sends("POST", "/Users", Some(&ann()), &[])?;
    let made = is(&answer, 201)?;
    let location = format!("{}{BASE}/Users/{ANN}", site.demo.web);
    ensure!(made["id"] == ANN && made["active"] == true && made.get("password").is_none(), "{made}");
    ensure!(made["meta"]["location"] == location && answer.location() == Some(location.as_str()), "{}", answer.head);
    ensure!(answer.header("etag") == made["meta"]["version"].as_str(), "{}", answer.head);
    ensure!(!answer.body.contains(PASSWORD) && !answer.body.contains("argon2"), "{}", answer.body);
    refuses(&okta.sends("POST", "/Users", Some(&ann()), &[])?, 409, "uniqueness")?;
    let mut shouted = ann();
    shouted["userName"] = json!(ANN.to_uppercase());
    refuses(&okta.sends("POST", "/Users", Some(&shouted), &[])?, 409, "uniqueness")?;
    let found = okta.find(&by_name.to_uppercase())?;
    ensure!(found["totalResults"] == 1 && found["Resources"][0] == made, "{found}");
    let mail = okta.find("emails co \"@CENTRE.example\" and active eq true")?;
    ensure!(mail["totalResults"] == 1, "{mail}");

    let user = format!("{USERS}/{ANN}");
    let off = is(&okta.patch(&user, &json!([{ "op": "replace", "value": { "active": false } }]))?, 200)?;
    ensure!(off["active"] == false && off["meta"]["version"] != made["meta"]["version"], "{off}");
    ensure!(okta.find(&format!("{by_name} and active eq true"))?["totalResults"] == 0, "she is active");

    // Whoever has read the version before is told so.
    let stale = format!("if-match: {}", made["meta"]["version"].as_str().context("no version")?);
    let put = json!({ "userName": ANN, "name": { "givenName": "Anna", "familyName": "Archer" }, "active": true });
    refuses(&okta.sends("PUT", &user, Some(&put), &[&stale])?, 412, "")?;
    let fresh = format!("if-match: {}", off["meta"]["version"].as_str().context("no version")?);
    let replaced = is(&okta.sends("PUT", &user, Some(&put), &[&fresh])?, 200)?;
    ensure!(replaced["name"]["givenName"] == "Anna" && replaced["active"] == true, "{replaced}");
    ensure!(replaced.get("emails").is_none(), "{replaced}");

    // A group of agents that names her lets her go.
    let group = json!({ "name": "Archers", "agents": [ANN, "ada.adler"], "managers": [ANN] });
    let edit = json!({ "kind": "agent_group", "id": "Archers", "action": "put", "object": group });
    let body = json!({ "edits": [edit] }).to_string();
    let bearer: [&str; 2] = ["--header", &okta.authorization];
    let with_body: [&str; 6] =
        ["--header", &okta.authorization, "--header", "content-type: application/json", "--data-binary", &body];
    let answer = okta.visitor.ask(&format!("{OBJECTS}/changes"), &with_body)?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    ensure!(okta.sends("DELETE", &user, None, &[])?.status == 204, "she is not deleted");
    let group = okta.visitor.ask(&format!("{OBJECTS}/objects/agent_group/Archers"), &bearer)?;
    ensure!(group.body.contains("ada.adler") && !group.body.contains(ANN), "{}", group.body);
    refuses(&okta.sends("GET", &user, None, &[])?, 404, "")?;
    refuses(&okta.sends("DELETE", &user, None, &[])?, 404, "")?;
    for (id, from, to, port) in
        [("own-27", "ingress", "agent-setup", 8_080), ("own-28", "agent-setup", "tenant", 8_888)]
    {
        let bytes = carried(&site, from, to, port)?;
        ensure!(bytes.sent > 0 && bytes.received > 0, "{id}: {bytes:?}");
    }
    ensure!(!site.log_lines().join("\n").contains(PASSWORD), "a password is in the log");
    Ok(())
}

#[test]
fn entra_patches_by_paths_and_gives_privileges_by_groups() -> Result<()> {
    let site = Installation::start()?;
    let entra = ProvisioningAgent::new(&site, &["config:read", "config:write"])?;
    // The test of a connection: a name that nobody has.
    ensure!(entra.find("userName eq \"7e1d1c22-8c2f-4a2e-9d47-0c8a4b7f2a10\"")?["totalResults"] == 0, "somebody is it");
    is(&entra.sends("POST", "/Users", Some(&ann()), &[])?, 201)?;
    let user = format!("{USERS}/{ANN}");
    let changed = entra.patch(
        &user,
        &json!([
            { "op": "Replace", "path": "active", "value": "False" },
            { "op": "Add", "path": "name.familyName", "value": "Adams" },
            { "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "ann@centre.example" },
            { "op": "Add", "path": "externalId", "value": "annE" },
            { "op": "Add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "Sales" },
        ]),
    )?;
    let changed = is(&changed, 200)?;
    ensure!(changed["active"] == false && changed["name"]["familyName"] == "Adams", "{changed}");
    ensure!(changed["emails"][0]["value"] == "ann@centre.example", "{changed}");
    ensure!(changed["externalId"] == "annE", "{changed}");
    let found = entra.find("externalId eq \"annE\"")?;
    ensure!(found["totalResults"] == 1 && found["Resources"][0]["id"] == ANN, "{found}");
    ensure!(entra.find("externalId eq \"ANNE\"")?["totalResults"] == 0, "its case does not count");
    let same = json!({ "userName": "eve@centre.example", "name": { "givenName": "Eve", "familyName": "Evans" }, "externalId": "annE" });
    refuses(&entra.sends("POST", "/Users", Some(&same), &[])?, 409, "uniqueness")?;

    let groups = entra.get("/Groups?excludedAttributes=members&filter=displayName%20eq%20%22Supervisor%22")?;
    ensure!(groups["totalResults"] == 1 && groups["Resources"][0]["id"] == "supervisor", "{groups}");
    ensure!(groups["Resources"][0].get("members").is_none(), "{groups}");
    let group = "/Groups/supervisor";
    let add = json!([{ "op": "Add", "path": "members", "value": [{ "value": ANN }] }]);
    ensure!(entra.patch(group, &add)?.status == 204, "she becomes no supervisor");
    let is_member =
        |shown: &Value| shown["members"].as_array().is_some_and(|all| all.iter().any(|one| one["value"] == ANN));
    ensure!(is_member(&entra.get(group)?), "she is no member");
    ensure!(entra.get(&user)?["groups"][0]["value"] == "supervisor", "her groups lack it");
    let remove = json!([{ "op": "Remove", "path": format!("members[value eq \"{ANN}\"]") }]);
    ensure!(entra.patch(group, &remove)?.status == 204 && !is_member(&entra.get(group)?), "she stays a member");
    let unknown = json!([{ "op": "Add", "path": "members", "value": [{ "value": "nobody" }] }]);
    refuses(&entra.patch(group, &unknown)?, 400, "invalidValue")?;
    let agent = json!([{ "op": "Remove", "path": "members[value eq \"ada.adler\"]" }]);
    refuses(&entra.patch("/Groups/agent", &agent)?, 400, "mutability")?;
    refuses(&entra.sends("POST", "/Groups", Some(&json!({ "displayName": "Sales" })), &[])?, 501, "")?;
    Ok(())
}

#[test]
fn lists_go_by_windows_and_faults_are_named() -> Result<()> {
    let site = Installation::start()?;
    let agent = ProvisioningAgent::new(&site, &["config:read", "config:write"])?;
    let whole = agent.get("/Users")?;
    let total = whole["totalResults"].as_u64().context("no total")?;
    ensure!(total > 10 && whole["itemsPerPage"] == total, "{whole}");
    let mut read = Vec::new();
    for start in (1..=total).step_by(7) {
        let window = agent.get(&format!("/Users?startIndex={start}&count=7"))?;
        ensure!(window["totalResults"] == total && window["startIndex"] == start, "{window}");
        read.extend(window["Resources"].as_array().context("no resources")?.clone());
    }
    ensure!(Value::Array(read) == whole["Resources"], "windows are not the whole list");
    let names = agent.get("/Users?count=1&attributes=userName")?;
    ensure!(names["Resources"][0].get("name").is_none() && names["Resources"][0]["userName"].is_string(), "{names}");
    ensure!(agent.get("/Users?count=0")?["Resources"] == json!([]), "a count of none has some");

    for filter in ["userName%20ne%20%22x%22", "title%20eq%20%22x%22", "(", "active%20eq%20%22x"] {
        let answer = agent.sends("GET", &format!("/Users?filter={filter}"), None, &[])?;
        refuses(&answer, 400, "invalidFilter").with_context(|| filter.to_owned())?;
    }
    let weak = json!({ "userName": ANN, "name": { "givenName": "A", "familyName": "A" }, "password": "x" });
    let answer = agent.sends("POST", "/Users", Some(&weak), &[])?;
    refuses(&answer, 400, "invalidValue")?;
    ensure!(answer.body.contains("password: "), "{}", answer.body);
    let media_type = format!("content-type: {MEDIA_TYPE}");
    let broken = ["--header", agent.authorization.as_str(), "--header", media_type.as_str(), "--data-binary", "{"];
    refuses(&agent.visitor.ask(&format!("{BASE}/Users"), &broken)?, 400, "invalidSyntax")?;
    let renamed = json!({ "userName": "other", "name": { "givenName": "Ada", "familyName": "Adler" } });
    refuses(&agent.sends("PUT", &format!("{USERS}/ada.adler"), Some(&renamed), &[])?, 400, "mutability")
}

#[test]
fn who_may_not_is_refused_and_hears_of_no_other_tenant() -> Result<()> {
    let site = Installation::start()?;
    let nobody = Visitor::new(&site)?.ask(&format!("{BASE}/Users"), &[])?;
    refuses(&nobody, 401, "")?;
    ensure!(nobody.header("www-authenticate") == Some("Bearer"), "{}", nobody.head);
    let agent = ProvisioningAgent::new(&site, &["config:read", "config:write"])?;
    let elsewhere = |path: &str| agent.visitor.ask(path, &["--header", agent.authorization.as_str()]);
    for other in ["/scim/v2/other/Users", "/scim/v2/other/ServiceProviderConfig", "/scim/v2/other/Groups/agent"] {
        refuses(&elsewhere(other)?, 404, "")?;
    }
    refuses(&elsewhere(&format!("{BASE}/Nothing"))?, 404, "")?;
    refuses(&agent.sends("DELETE", "/ServiceProviderConfig", None, &[])?, 405, "")?;
    let reader = ProvisioningAgent::new(&site, &["config:read"])?;
    ensure!(reader.get("/Users?count=1")?["itemsPerPage"] == 1, "a reader does not read");
    refuses(&reader.sends("POST", "/Users", Some(&ann()), &[])?, 403, "")?;
    let writer = ProvisioningAgent::new(&site, &["config:write"])?;
    refuses(&writer.sends("GET", "/Users", None, &[])?, 403, "")?;
    refuses(&writer.sends("GET", "/Groups?excludedAttributes=members", None, &[])?, 403, "")?;
    let stranger = ProvisioningAgent::new(&site, &["calls:read"])?;
    let refused = stranger.sends("GET", "/Users", None, &[])?;
    refuses(&refused, 401, "")?;
    ensure!(refused.header("www-authenticate") == Some("Bearer error=\"invalid_token\""), "{}", refused.head);
    Ok(())
}
