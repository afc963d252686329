//! Clients, and single objects that are read while somebody signs in.

use contracts::provisioning::{Client, Grant, Object, ObjectKey, ObjectKind, Place, Privilege, Secret};
use infra::{Result, StoreError};
use model::TenantId;

use super::read::{self, Lists};
use super::{Row, Statement, Turn, query};

/// Reads one object. People, places and clients cost a few statements; of other kinds the whole tenant is read.
pub(super) async fn find(db: &mut dyn Turn, tenant: &TenantId, key: &ObjectKey) -> Result<Option<Object>> {
    let one = |sql| query(sql).bind(tenant.as_str()).bind(&key.id);
    match key.kind {
        ObjectKind::Person => {
            let Some(row) = db.rows(one(read::PERSON)).await?.into_iter().next() else { return Ok(None) };
            let skills =
                "SELECT user_name, skill, level FROM person_skill WHERE tenant = ? AND user_name = ? ORDER BY place";
            let mut lists = Lists::default();
            for row in db.rows(one(skills)).await? {
                lists.take_level(&row)?;
            }
            read::person(&row, &mut lists).map(|person| Some(Object::Person(person)))
        }
        ObjectKind::Place => {
            let row = db.rows(one("SELECT name, location FROM place WHERE tenant = ? AND name = ?")).await?;
            let Some(row) = row.first() else { return Ok(None) };
            let dns = db.rows(one("SELECT dn FROM place_dn WHERE tenant = ? AND name = ? ORDER BY place")).await?;
            let dns = dns.iter().map(|row| row.text("dn")).collect::<Result<_>>()?;
            let place = Place { name: row.text("name")?, dns, location: read::location(row, "table place")? };
            Ok(Some(Object::Place(place)))
        }
        ObjectKind::Client => {
            let sql = "SELECT id, name, secret, grants, scopes FROM client WHERE tenant = ? AND id = ?";
            let Some(row) = db.rows(one(sql)).await?.into_iter().next() else { return Ok(None) };
            let uris = "SELECT uri FROM client_redirect_uri WHERE tenant = ? AND id = ? ORDER BY place";
            let uris = db.rows(one(uris)).await?;
            let uris = uris.iter().map(|row| row.text("uri")).collect::<Result<_>>()?;
            client(&row, uris).map(|client| Some(Object::Client(client)))
        }
        _ => {
            if read::revision(db, tenant).await?.is_none() {
                return Ok(None);
            }
            let objects = read::objects(db, tenant).await?;
            Ok(objects.objects().find(|object| object.key() == *key))
        }
    }
}

/// All clients of a tenant.
pub(super) async fn clients(db: &mut dyn Turn, tenant: &TenantId) -> Result<Vec<Client>> {
    let all = |sql| query(sql).bind(tenant.as_str());
    let mut uris: Vec<(String, String)> = Vec::new();
    for row in db.rows(all("SELECT id, uri FROM client_redirect_uri WHERE tenant = ? ORDER BY id, place")).await? {
        uris.push((row.text("id")?, row.text("uri")?));
    }
    let rows =
        db.rows(all("SELECT id, name, secret, grants, scopes FROM client WHERE tenant = ? ORDER BY dbid")).await?;
    let of = |id: &str| uris.iter().filter(|(of, _)| of == id).map(|(_, uri)| uri.clone()).collect();
    rows.iter().map(|row| client(row, of(&row.text("id")?))).collect()
}

fn client(row: &Row, redirect_uris: Vec<String>) -> Result<Client> {
    let grant = |name: &str| Grant::parse(name).ok_or_else(|| unknown("table client", name));
    Ok(Client {
        id: row.text("id")?,
        name: row.text("name")?,
        secret: row.get::<Option<String>>("secret")?.map(Secret),
        grants: row.text("grants")?.split_whitespace().map(grant).collect::<Result<_>>()?,
        redirect_uris,
        scopes: row.text("scopes")?.split_whitespace().map(str::to_owned).collect(),
    })
}

/// A person's privileges as they are stored.
pub(super) fn privileges(names: Option<String>) -> Result<Vec<Privilege>> {
    let one = |name: &str| Privilege::parse(name).ok_or_else(|| unknown("table person", name));
    names.unwrap_or_default().split_whitespace().map(one).collect()
}

/// As [`privileges`] reads them.
pub(super) fn privilege_names(privileges: &[Privilege]) -> String {
    let names: Vec<_> = privileges.iter().map(|one| one.as_str()).collect();
    names.join(" ")
}

fn unknown(what: &str, name: &str) -> StoreError {
    StoreError::Corrupt { what: what.to_owned(), reason: format!("{name} is unknown to this release") }
}

/// Stores a client.
pub(super) async fn put_client(db: &mut dyn Turn, tenant: &str, o: &Client) -> Result<()> {
    let grants: Vec<_> = o.grants.iter().map(|grant| grant.as_str()).collect();
    let sql = "INSERT INTO client (tenant, id, name, secret, grants, scopes) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (tenant, id) DO UPDATE SET id = excluded.id, name = excluded.name, secret = excluded.secret,
             grants = excluded.grants, scopes = excluded.scopes";
    let put = query(sql)
        .bind(tenant)
        .bind(&o.id)
        .bind(&o.name)
        .bind(o.secret.as_ref().map(Secret::reveal))
        .bind(grants.join(" "))
        .bind(o.scopes.join(" "));
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
