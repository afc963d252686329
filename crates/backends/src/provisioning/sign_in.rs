//! Clients, what people may do, and how they sign in.

use contracts::provisioning::{ClientKeySet, Grant, OAuthClient, Privilege, Secret, SignInRules};
use infra::{Result, StoreError};
use model::TenantId;
use serde::{Deserialize, Serialize};

use super::{Row, Statement, Turn, later_fields, query};

/// What stands in one column of a client, as JSON: what few clients have.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct ClientExtras {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jwks: Option<ClientKeySet>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    frontchannel_logout_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    frontchannel_logout_session_required: Option<bool>,
}

impl ClientExtras {
    fn read(json: Option<String>) -> Result<Self> {
        let Some(json) = json else { return Ok(Self::default()) };
        let corrupt = |error: serde_json::Error| StoreError::Corrupt {
            what: "table client".to_owned(),
            reason: format!("extras is not what a client has, as JSON: {error}"),
        };
        serde_json::from_str(&json).map_err(corrupt)
    }

    /// As [`Self::read`] reads them; none if nothing is set.
    fn text(&self) -> Option<String> {
        // Plain text: serialising it cannot fail.
        (*self != Self::default()).then(|| serde_json::to_string(self).ok()).flatten()
    }
}

macro_rules! clients {
    ($which:literal) => {
        concat!(
            "SELECT id, name, secret, grants, scopes, backchannel_logout_uri, extras FROM client WHERE tenant = ? ",
            $which
        )
    };
}
const CLIENTS: &str = clients!("ORDER BY dbid");
pub(super) const CLIENT: &str = clients!("AND id = ?");

/// All clients of a tenant.
pub(super) async fn clients(db: &mut dyn Turn, tenant: &TenantId) -> Result<Vec<OAuthClient>> {
    let all = |sql| query(sql).bind(tenant.as_str());
    let mut uris: Vec<(String, String)> = Vec::new();
    for row in db.rows(all("SELECT id, uri FROM client_redirect_uri WHERE tenant = ? ORDER BY id, place")).await? {
        uris.push((row.text("id")?, row.text("uri")?));
    }
    let rows = db.rows(all(CLIENTS)).await?;
    let of = |id: &str| uris.iter().filter(|(of, _)| of == id).map(|(_, uri)| uri.clone()).collect();
    rows.iter().map(|row| client(row, of(&row.text("id")?))).collect()
}

pub(super) fn client(row: &Row, redirect_uris: Vec<String>) -> Result<OAuthClient> {
    let grant = |name: &str| Grant::parse(name).ok_or_else(|| unknown("table client", name));
    let extras = ClientExtras::read(row.get("extras")?)?;
    Ok(OAuthClient {
        id: row.text("id")?,
        name: row.text("name")?,
        secret: row.get::<Option<String>>("secret")?.map(Secret),
        jwks: extras.jwks,
        grants: row.text("grants")?.split_whitespace().map(grant).collect::<Result<_>>()?,
        redirect_uris,
        scopes: row.text("scopes")?.split_whitespace().map(str::to_owned).collect(),
        backchannel_logout_uri: row.get("backchannel_logout_uri")?,
        frontchannel_logout_uri: extras.frontchannel_logout_uri,
        frontchannel_logout_session_required: extras.frontchannel_logout_session_required,
    })
}

/// Privileges as they are stored, of a person or those that need a second factor: those that the release before knows, and all, where there
/// is another one. That release may have changed the known ones since: then they count.
pub(super) fn privileges(known: Option<String>, all: Option<String>) -> Result<Vec<Privilege>> {
    let one = |name: &str| Privilege::parse(name).ok_or_else(|| unknown("a privilege", name));
    let read = |names: String| names.split_whitespace().map(one).collect::<Result<Vec<Privilege>>>();
    let known = read(known.unwrap_or_default())?;
    let all = all.map(read).transpose()?;
    Ok(all.filter(|all| all.iter().filter(|one| is_known_before(**one)).eq(&known)).unwrap_or(known))
}

/// Whether the release before knows it: it reads nothing of a tenant with another one.
fn is_known_before(privilege: Privilege) -> bool {
    privilege != Privilege::FolderAdministrator && !Privilege::OF_DASHBOARDS.contains(&privilege)
}

/// Those of them that the release before knows, as [`privileges`] reads them.
pub(super) fn privilege_names(privileges: &[Privilege]) -> String {
    let known = privileges.iter().filter(|one| is_known_before(**one));
    known.map(|one| one.as_str()).collect::<Vec<_>>().join(" ")
}

/// All of them, where there is one among them that the release before does not know.
pub(super) fn later_names(privileges: &[Privilege]) -> Option<String> {
    let is_later = privileges.iter().any(|one| !is_known_before(*one));
    is_later.then(|| privileges.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(" "))
}

/// How people sign in, stored as the JSON of its contract.
pub(super) fn rules(json: Option<String>) -> Result<SignInRules> {
    let Some(json) = json else { return Ok(SignInRules::default()) };
    // The reason does not repeat what stands there: it has a secret.
    let corrupt = |_| StoreError::Corrupt {
        what: "table tenant".to_owned(),
        reason: "sign_in is not how people sign in, as JSON".to_owned(),
    };
    serde_json::from_str(&json).map_err(corrupt)
}

/// The same with the host names of the tenant's rows: where the JSON has none, a release that does not know them has written it since.
pub(super) fn rules_with_hosts(json: Option<String>, hosts: Vec<String>) -> Result<SignInRules> {
    let rules = rules(json)?;
    Ok(if rules.hosts.is_empty() { SignInRules { hosts, ..rules } } else { rules })
}

/// As [`rules`] reads them; none if nothing is set. What a later release has put into the text that is stored stays in it, but for what it
/// says of a provider that is another one now.
pub(super) fn rules_text(rules: &SignInRules, stored: Option<&str>) -> Option<String> {
    // Plain text: serialising it cannot fail.
    let text = |rules: &SignInRules| serde_json::to_string(rules).ok();
    let issuer = |rules: &SignInRules| rules.upstream.as_ref().map(|provider| provider.issuer.clone());
    let written = Some(rules).filter(|rules| **rules != SignInRules::default()).and_then(text);
    let mut read = stored.and_then(|stored| serde_json::from_str::<SignInRules>(stored).ok());
    if let Some(read) = &mut read
        && issuer(read) != issuer(rules)
    {
        // Nothing within that field is taken over then.
        read.upstream = None;
    }
    match (stored, read.as_ref().and_then(text)) {
        (Some(stored), Some(again)) => later_fields::kept(written, stored, &again),
        _ => written,
    }
}

/// The text of the rules that is stored of a tenant.
pub(super) async fn stored_rules(db: &mut dyn Turn, tenant: &str) -> Result<Option<String>> {
    let rows = db.rows(query("SELECT sign_in FROM tenant WHERE id = ?").bind(tenant)).await?;
    rows.first().map_or(Ok(None), |row| row.get("sign_in"))
}

/// Stores the host names of a tenant. One that another tenant has is refused; whose it is, is not said.
pub(super) async fn put_hosts(db: &mut dyn Turn, tenant: &str, hosts: &[String]) -> Result<()> {
    run(db, query("DELETE FROM tenant_host WHERE tenant = ?").bind(tenant)).await?;
    for host in hosts {
        let of_others = query("SELECT tenant FROM tenant_host WHERE host = ?").bind(host);
        if !db.rows(of_others).await?.is_empty() {
            return Err(StoreError::Invalid(format!("sign_in.hosts: {host} is a host name of another tenant")));
        }
        run(db, query("INSERT INTO tenant_host (host, tenant) VALUES (?, ?)").bind(host).bind(tenant)).await?;
    }
    Ok(())
}

/// The host names of all tenants, each with its tenant.
pub(super) async fn hosts(db: &mut dyn Turn) -> Result<Vec<(String, TenantId)>> {
    let rows = db.rows(query("SELECT host, tenant FROM tenant_host ORDER BY host")).await?;
    rows.iter().map(|row| Ok((row.text("host")?, super::tenant_id(&row.text("tenant")?)?))).collect()
}

fn unknown(what: &str, name: &str) -> StoreError {
    StoreError::Corrupt { what: what.to_owned(), reason: format!("{name} is unknown to this release") }
}

/// What is stored of a client as its extras.
async fn stored_extras(db: &mut dyn Turn, tenant: &str, id: &str) -> Result<Option<String>> {
    let asked = query("SELECT extras FROM client WHERE tenant = ? AND id = ?").bind(tenant).bind(id);
    db.rows(asked).await?.first().map_or(Ok(None), |row| row.get("extras"))
}

/// Stores a client. What a later release has put into its extras stays there.
pub(super) async fn put_client(db: &mut dyn Turn, tenant: &str, o: &OAuthClient, is_new: bool) -> Result<()> {
    let grants: Vec<_> = o.grants.iter().map(|grant| grant.as_str()).collect();
    let extras = ClientExtras {
        jwks: o.jwks.clone(),
        frontchannel_logout_uri: o.frontchannel_logout_uri.clone(),
        frontchannel_logout_session_required: o.frontchannel_logout_session_required,
    };
    let stored = if is_new { None } else { stored_extras(db, tenant, &o.id).await? };
    let again = stored.clone().map(|stored| ClientExtras::read(Some(stored)));
    let text = match (stored, again) {
        (Some(stored), Some(Ok(again))) => {
            later_fields::kept(extras.text(), &stored, &again.text().unwrap_or_default())
        }
        _ => extras.text(),
    };
    let sql = "INSERT INTO client (tenant, id, name, secret, grants, scopes, backchannel_logout_uri, extras)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (tenant, id) DO UPDATE SET id = excluded.id, name = excluded.name, secret = excluded.secret,
             grants = excluded.grants, scopes = excluded.scopes,
             backchannel_logout_uri = excluded.backchannel_logout_uri, extras = excluded.extras";
    let put = query(sql)
        .bind(tenant)
        .bind(&o.id)
        .bind(&o.name)
        .bind(o.secret.as_ref().map(Secret::reveal))
        .bind(grants.join(" "))
        .bind(o.scopes.join(" "))
        .bind(&o.backchannel_logout_uri)
        .bind(&text);
    run(db, put).await?;
    let clear = "DELETE FROM client_redirect_uri WHERE tenant = ? AND id = ?";
    run(db, query(clear).bind(tenant).bind(&o.id)).await?;
    for (place, uri) in (0_i64..).zip(&o.redirect_uris) {
        let sql = "INSERT INTO client_redirect_uri (tenant, id, place, uri) VALUES (?, ?, ?, ?)";
        run(db, query(sql).bind(tenant).bind(&o.id).bind(place).bind(uri)).await?;
    }
    Ok(())
}

async fn run(db: &mut dyn Turn, statement: Statement) -> Result<()> {
    db.run(statement).await.map(drop)
}
