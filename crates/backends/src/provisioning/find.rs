//! Single objects, which are read while somebody signs in.

use contracts::provisioning::{Application, Object, ObjectKey, ObjectKind, Place, Prompt, Skill};
use infra::Result;
use model::TenantId;

use super::read::{self, Lists};
use super::sign_in::client;
use super::{Row, Turn, query};

/// Whether one object of a kind is found without reading the whole tenant.
pub(super) const fn is_cheap(kind: ObjectKind) -> bool {
    matches!(
        kind,
        ObjectKind::Skill
            | ObjectKind::Prompt
            | ObjectKind::Application
            | ObjectKind::Dn
            | ObjectKind::Place
            | ObjectKind::Person
            | ObjectKind::Client
    )
}

/// Reads one object. Those that are cheap to find cost a few statements; of other kinds the whole tenant is read.
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
        ObjectKind::Dn => {
            let Some(row) = db.rows(one(read::DN)).await?.into_iter().next() else { return Ok(None) };
            let prompts = "SELECT number, prompt FROM dn_prompt WHERE tenant = ? AND number = ? ORDER BY place";
            let mut lists = Lists::default();
            for row in db.rows(one(prompts)).await? {
                lists.take_prompt(&row)?;
            }
            read::dn(&row, &mut lists).map(|dn| Some(Object::Dn(dn)))
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
        ObjectKind::Skill => {
            let rows = db.rows(one("SELECT name FROM skill WHERE tenant = ? AND name = ?")).await?;
            rows.first().map(|row| Ok(Object::Skill(Skill { name: row.text("name")? }))).transpose()
        }
        ObjectKind::Prompt => {
            let rows = db.rows(one("SELECT name, file FROM prompt WHERE tenant = ? AND name = ?")).await?;
            let prompt = |row: &Row| Ok(Object::Prompt(Prompt { name: row.text("name")?, file: row.text("file")? }));
            rows.first().map(prompt).transpose()
        }
        ObjectKind::Application => {
            let rows = db.rows(one("SELECT name, document FROM application WHERE tenant = ? AND name = ?")).await?;
            let application = |row: &Row| {
                Ok(Object::Application(Application { name: row.text("name")?, document: row.text("document")? }))
            };
            rows.first().map(application).transpose()
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
