//! The bearers, each with its token: of people who have signed in, of programs, of roles, and of nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::v1;
use contracts::v1::change_object::Action;
use contracts::v1::provisioning_client::ProvisioningClient;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use testkit::facts::{bearing, connect, runtime, tenant_role};
use testkit::{Installation, Visitor, wait};

use crate::sign_in::forgeries::{CONFIGURATION, claims, forged};

const SOON: Duration = Duration::from_secs(60);
const PASSWORD: &str = "correct-horse-battery-staple";
/// People of the example who come for this test alone.
const NEW: [(&str, &str); 5] = [
    ("dora.dean", "designer"),
    ("ian.ivy", "integrator"),
    ("vera.view", "view_dashboard"),
    ("rita.rest", "view_dashboard_restricted"),
    (LIMITED, "folder_administrator"),
];
/// An agent who is more than that, by privileges that leave the token tied, and the place of such a one.
const BESIDE_TIE: (&str, [&str; 3], &str) = ("anna.arch", ["agent", "designer", "integrator"], "P7201");
/// A phone of the example at which nobody is.
const SPARE_PHONE: &str = "7201";
/// Who looks after a folder, and the folder, in which there is a skill of the same name.
const LIMITED: &str = "fred.finch";
const FOLDER: &str = "Walled";
/// A second tenant, with a program for its people.
const GLOBEX: &str = r#"tenant: globex
name: Globex
realm: globex.invalid
hold_music: music
prompts: {music: music.wav}
people:
  - {user: gina.green, first_name: Gina, last_name: Green, password: "wide white saucer", privileges: [administrator]}
  - {user: greta.gray, first_name: Greta, last_name: Gray, password: "wide white saucer", privileges: [supervisor]}
clients:
  - {id: probe, name: Probe, secret: "slow brown teapot", grants: [password]}
"#;
/// Who signs in there for the published APIs.
pub const SUPERVISOR_OF_GLOBEX: &str = "greta.gray";
/// A role that has connections to config alone, and the port to which they lead.
const SERVICE: &str = "dialplan";
const CONFIG: u16 = 9_100;
/// A scope of each family.
const OF_ALL_APIS: [&str; 4] = ["calls:read", "config:read", "statistics:read", "operate"];
/// Bearers whose token is for one role, and that role: it opens something there, and nothing anywhere else.
const FOR_ONE_ROLE: [(&str, &str); 2] =
    [("a service's token for another role", "config"), ("an operator's token for one role", "frontend")];
/// The scope by which a tied token opens nothing but its own part: what is followed there.
const FOLLOWS: &str = "calls:read";

/// Somebody who asks.
pub struct Bearer {
    pub name: &'static str,
    /// None for whoever is nobody to the installation.
    pub tenant: Option<&'static str>,
    pub is_tied: bool,
    pub apis: BTreeSet<String>,
    pub scopes: BTreeSet<String>,
    /// Whether folders say what the person sees and changes.
    pub is_limited: bool,
    pub token: Option<String>,
}

impl Bearer {
    /// Whether its token is for that family of APIs.
    pub fn is_for(&self, api: &str) -> bool {
        api == "-" || self.apis.contains(api)
    }

    /// Whether its token is for that role alone.
    pub fn is_for_role(&self, role: &str) -> bool {
        FOR_ONE_ROLE.contains(&(self.name, role))
    }

    /// Whether it is a person, of whatever tenant.
    pub fn is_person(&self) -> bool {
        let told = self.token.as_deref().filter(|_| self.tenant.is_some()).and_then(|token| claims(token).ok());
        told.is_some_and(|told| told["sub"].as_str().is_some_and(|subject| subject.starts_with("person/")))
    }

    /// Whether its token has a scope; `follow` is what a tied one may of `calls:read` too.
    pub fn has(&self, scope: &str) -> bool {
        match scope {
            "follow" => self.scopes.contains(FOLLOWS),
            _ => self.scopes.contains(scope) && (!self.is_tied || scope != FOLLOWS),
        }
    }
}

/// The table, whose bearers have no token yet.
pub fn rows() -> Result<Vec<Bearer>> {
    let given = |cell: &'static str| Some(cell).filter(|cell| *cell != "-");
    let several = |cell: &'static str| -> BTreeSet<String> {
        given(cell).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    let bearer = |[name, tenant, tied, apis, scopes, folders]: [&'static str; 6]| Bearer {
        name,
        tenant: given(tenant),
        is_tied: given(tied).is_some(),
        apis: several(apis),
        scopes: several(scopes),
        is_limited: given(folders).is_some(),
        token: None,
    };
    Ok(super::rows(include_str!("bearers.tsv"))?.into_iter().map(bearer).collect())
}

/// All of them with their tokens.
pub fn all(site: &Installation) -> Result<Vec<Bearer>> {
    // First: it has to be over in the end.
    let expired = issued(site, "person/late", &["config:read", "config:write"], &["--life", "1s"])?;
    let visitor = Visitor::new(site)?;
    add_people(site)?;
    let administrator = of_demo(site, &visitor, "administrator")?;
    let forged = forged(site, &administrator)?;
    let forgery = |how: &str| {
        let found = forged.iter().find(|(other, _)| other == how);
        found.map(|(_, token)| token.clone()).with_context(|| format!("nobody forges {how}"))
    };
    let client = visitor.token(&[("grant_type", "client_credentials"), ("scope", "statistics:read")])?;
    let mut tokens = BTreeMap::from([
        ("garbage", "none.of.ours".to_owned()),
        ("alg none", forgery("\"none\" without a signature")?),
        ("HS256 with the public key", forgery("an HMAC with the public key: its PEM")?),
        ("a service's token for another role", for_another_role(site, &expired)?),
        ("a service that signs as a person", signed_by_service(site, &claims(&administrator)?)?),
        ("agent", of_demo(site, &visitor, "agent")?),
        ("supervisor", of_demo(site, &visitor, "supervisor")?),
        ("client of one scope", client.token("access_token")?),
        ("an operator's token for one role", issued(site, "operator/ann", &OF_ALL_APIS, &["--aud", "frontend"])?),
        ("tool of routing", issued(site, "tool/matrix", &["routing", "routing:read"], &[])?),
        ("operator", site.demo.tokens.get("operator").context("no operator's token")?.clone()),
        ("administrator", administrator),
        ("expired", expired),
    ]);
    for (user, privilege) in NEW {
        tokens.insert(privilege, signed_in(|| visitor.by_password(user, PASSWORD))?);
    }
    tokens.insert("agent who designs", signed_in(|| visitor.by_password(BESIDE_TIE.0, PASSWORD))?);
    // Last: as long as there is one tenant, nobody need name it.
    site.import_text(GLOBEX)?;
    tokens.insert("another tenant's administrator", of_globex(site, "gina.green")?);
    let mut bearers = rows()?;
    for bearer in &mut bearers {
        bearer.token = tokens.remove(bearer.name);
        ensure!(
            bearer.token.is_some() || bearer.name == "none",
            "bearers.tsv has {:?}: make its token here",
            bearer.name
        );
        is_as_declared(bearer)?;
    }
    ensure!(tokens.is_empty(), "bearers.tsv lacks {:?}: say there what they may", tokens.keys());
    Ok(bearers)
}

/// The token of somebody of the second tenant.
pub fn of_globex(site: &Installation, user: &str) -> Result<String> {
    let visitor = Visitor::new(site)?;
    let fields = [("grant_type", "password"), ("username", user), ("password", "wide white saucer")];
    signed_in(|| visitor.token_as("globex/probe", "slow brown teapot", &fields))
}

/// The token says what the table says of it.
fn is_as_declared(bearer: &Bearer) -> Result<()> {
    let (Some(tenant), Some(token)) = (bearer.tenant, &bearer.token) else { return Ok(()) };
    let told = claims(token)?;
    let scopes: BTreeSet<String> =
        told["scope"].as_str().unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let apis: BTreeSet<String> = match &told["aud"] {
        Value::Array(several) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        one => one.as_str().map(str::to_owned).into_iter().collect(),
    };
    let is_same = told["tenant"] == tenant && told["dn"].is_string() == bearer.is_tied;
    let is_same = is_same && apis == bearer.apis && scopes == bearer.scopes;
    ensure!(is_same, "bearers.tsv says otherwise of {:?}: {told}", bearer.name);
    Ok(())
}

fn of_demo(site: &Installation, visitor: &Visitor<'_>, kind: &str) -> Result<String> {
    let user = site.demo.users.iter().find(|user| user.kind == kind).with_context(|| format!("no {kind} signs in"))?;
    visitor.by_password(&user.user, &user.password)?.token("access_token")
}

/// The token of somebody of whom auth may hear in a moment.
fn signed_in(ask: impl Fn() -> Result<testkit::visitor::CurlAnswer>) -> Result<String> {
    let mut last = String::new();
    let answer = wait::until(SOON, || {
        let answer = ask()?;
        last.clone_from(&answer.body);
        Ok((answer.status == 200).then_some(answer))
    });
    answer.with_context(|| format!("nobody signs in: {last}"))?.token("access_token")
}

/// A token of the command line, with further options.
fn issued(site: &Installation, subject: &str, scopes: &[&str], options: &[&str]) -> Result<String> {
    let output = Command::new(testkit::installation::binary()?)
        .args(["token", "--tenant", "example", "--sub", subject])
        .args(options)
        .args(scopes.iter().flat_map(|scope| ["--scope", *scope]))
        .args(["--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .args(site.stores())
        .output()?;
    ensure!(output.status.success(), "{subject}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// An object that is not there yet.
fn new(kind: &str, id: &str, document: &Value) -> v1::ChangeObject {
    let put = v1::PutObject { json: document.to_string(), fields: Vec::new() };
    v1::ChangeObject {
        kind: kind.to_owned(),
        id: id.to_owned(),
        expected_revision: Some(0),
        action: Some(Action::Put(put)),
    }
}

/// The people of [`NEW`] and [`BESIDE_TIE`], and the folder that one of them looks after.
fn add_people(site: &Installation) -> Result<()> {
    let token = issued(site, "tool/boss", &["config:read", "config:write"], &[])?;
    let person = |(user, privilege): (&str, &str)| {
        let document = json!({
            "user_name": user, "first_name": "New", "last_name": "Person", "password": PASSWORD, "privileges": [privilege],
        });
        new("person", user, &document)
    };
    // Others read what is in the folder as they read all else.
    let permissions = json!([
        { "group": "Everyone", "rights": ["read"] },
        { "person": LIMITED, "rights": ["read", "create", "change", "delete"] },
    ]);
    let mut changes = NEW.map(person).to_vec();
    let (user, privileges, place) = BESIDE_TIE;
    let agent = json!({ "id": "9901", "login_code": "9901", "default_place": place, "skills": [] });
    let document = json!({
        "user_name": user, "first_name": "New", "last_name": "Person", "password": PASSWORD, "privileges": privileges,
        "agent": agent,
    });
    changes.push(new("place", place, &json!({ "name": place, "dns": [SPARE_PHONE] })));
    changes.push(new("person", user, &document));
    changes.push(new("folder", FOLDER, &json!({ "path": FOLDER, "permissions": permissions })));
    changes.push(new("skill", FOLDER, &json!({ "name": FOLDER, "folder": FOLDER })));
    let count = changes.len();
    let asked = v1::ChangeObjectsRequest { changes, ..v1::ChangeObjectsRequest::default() };
    runtime()?.block_on(async {
        let mut client = ProvisioningClient::new(connect(tenant_role(site, CONFIGURATION)).await?);
        let done = client.change(bearing(asked, &token)?).await?.into_inner();
        ensure!(usize::try_from(done.changed)? == count, "{done:?}");
        anyhow::Ok(())
    })
}

/// The token with which a role calls another one: it is good there, and nowhere else. `fresh` is a token that has just been issued.
fn for_another_role(site: &Installation, fresh: &str) -> Result<String> {
    let token = of_role(site, SERVICE, "config", just_issued(fresh)?)?;
    let headers = format!("Authorization: Bearer {token}\r\n");
    let there = SocketAddr::new(site.admin("config")?.ip(), CONFIG);
    let answer = site.http_with(there, "GET", "/tenants", &headers, "")?;
    ensure!(answer.status == 200, "it is not what a role shows: {}", answer.body);
    Ok(token)
}

/// The present time, in seconds since 1970, by the clock of the installation.
pub fn now(site: &Installation) -> Result<u64> {
    just_issued(&issued(site, "operator/clock", &["config:read"], &["--life", "1s"])?)
}

/// When a token of a second was issued.
fn just_issued(token: &str) -> Result<u64> {
    Ok(claims(token)?["exp"].as_u64().context("a token without an end")?.saturating_sub(1))
}

/// What whoever has the key of a role can show another role.
pub fn of_role(site: &Installation, role: &str, to: &str, now: u64) -> Result<String> {
    let claims = json!({
        "iss": "trunkline",
        "tenant": "*",
        "sub": format!("service/{role}/{role}-1"),
        "scope": "role",
        "aud": to,
        "exp": now + 300,
    });
    signed_by(site, role, &claims)
}

/// Claims that are signed as the tokens of a role are.
fn signed_by_service(site: &Installation, claims: &Value) -> Result<String> {
    signed_by(site, SERVICE, claims)
}

fn signed_by(site: &Installation, role: &str, claims: &Value) -> Result<String> {
    let keys = site.data_dir().join("keys");
    let private = std::fs::read(keys.join(format!("services/{role}.p8"))).context("the key of a role")?;
    let public = std::fs::read(keys.join(format!("public/{role}.json"))).context("the public key of a role")?;
    let public: Value = serde_json::from_slice(&public)?;
    let mut header = Header::new(Algorithm::ES256);
    header.typ = Some("JWT".to_owned());
    header.kid = public["keys"][0]["kid"].as_str().map(str::to_owned);
    ensure!(header.kid.is_some(), "{public}");
    Ok(jsonwebtoken::encode(&header, claims, &EncodingKey::from_ec_der(&private))?)
}
