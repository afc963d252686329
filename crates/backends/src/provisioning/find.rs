//! Single objects: those that are read while somebody signs in, and those that have changed.

use contracts::provisioning::{BySpelling, Object, ObjectKey, ObjectKind, Place, Prompt, Skill};
use infra::{Result, ToldChange};
use model::TenantId;

use super::read::{self, Lists};
use super::sign_in::{self, client};
use super::{Row, Turn, applications, documents, query, revisions};

/// The present state of each of these objects. What it costs does not depend on how many people and phones the tenant has.
pub(super) async fn each(db: &mut dyn Turn, tenant: &TenantId, keys: Vec<ObjectKey>) -> Result<Vec<ToldChange>> {
    let found = all(db, tenant, &keys).await?;
    let changes = keys.into_iter().zip(found).map(|(key, found)| {
        // Some are found without regard to case: under another spelling it is another object.
        let found = found.filter(|object| object.key() == key);
        found.map_or_else(|| ToldChange::Delete(key), ToldChange::Put)
    });
    Ok(changes.collect())
}

/// The object of each of these names, or the one of the same name in another spelling.
pub(super) async fn all(db: &mut dyn Turn, tenant: &TenantId, keys: &[ObjectKey]) -> Result<Vec<Option<Object>>> {
    let mut settings: Option<BySpelling<Object>> = None;
    let mut all = Vec::with_capacity(keys.len());
    for key in keys {
        if is_found_alone(key.kind) {
            all.push(find(db, tenant, key).await?);
            continue;
        }
        let held = match &mut settings {
            Some(held) => held,
            none => {
                let read = read::settings(db, tenant).await?;
                none.insert(read.objects().map(|object| (object.key(), object)).collect())
            }
        };
        all.push(held.get(key).cloned());
    }
    Ok(all)
}

/// Whether an object of the kind is read without others.
pub(super) const fn is_found_alone(kind: ObjectKind) -> bool {
    documents::are(kind)
        || matches!(
            kind,
            ObjectKind::Skill
                | ObjectKind::Prompt
                | ObjectKind::Application
                | ObjectKind::Dn
                | ObjectKind::Place
                | ObjectKind::Person
                | ObjectKind::Number
                | ObjectKind::Client
        )
}

/// Reads one object. It costs a few statements; of the kinds of which a tenant has few all are read.
pub(super) async fn find(db: &mut dyn Turn, tenant: &TenantId, key: &ObjectKey) -> Result<Option<Object>> {
    let one = |sql| query(sql).bind(tenant.as_str()).bind(&key.id);
    match key.kind {
        kind if documents::are(kind) => documents::find(db, tenant, key).await,
        ObjectKind::Person => find_person(db, tenant, &key.id).await,
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
            let row =
                db.rows(one("SELECT name, location, capacity_rule FROM place WHERE tenant = ? AND name = ?")).await?;
            let Some(row) = row.first() else { return Ok(None) };
            let dns = db.rows(one("SELECT dn FROM place_dn WHERE tenant = ? AND name = ? ORDER BY place")).await?;
            let dns = dns.iter().map(|row| row.text("dn")).collect::<Result<_>>()?;
            let (name, location) = (row.text("name")?, read::location(row, "table place")?);
            let place = Place { name, dns, location, capacity_rule: row.get("capacity_rule")? };
            Ok(Some(Object::Place(Box::new(place))))
        }
        ObjectKind::Client => {
            let Some(row) = db.rows(one(sign_in::CLIENT)).await?.into_iter().next() else { return Ok(None) };
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
            let rows = db.rows(one(applications::ONE)).await?;
            rows.first().map(|row| applications::application(row).map(Object::Application)).transpose()
        }
        ObjectKind::Number => {
            let rows = db.rows(one(read::NUMBER)).await?;
            rows.first().map(|row| read::number(row).map(Object::Number)).transpose()
        }
        // A tenant has few of the others: `is_found_alone` names them.
        _ => {
            if revisions::of_tenant(db, tenant).await?.is_none() {
                return Ok(None);
            }
            let objects = read::settings(db, tenant).await?;
            Ok(objects.objects().find(|object| object.key() == *key))
        }
    }
}

async fn find_person(db: &mut dyn Turn, tenant: &TenantId, user_name: &str) -> Result<Option<Object>> {
    let one = |sql| query(sql).bind(tenant.as_str()).bind(user_name);
    let Some(row) = db.rows(one(read::PERSON)).await?.into_iter().next() else { return Ok(None) };
    let skills = "SELECT user_name, skill, level FROM person_skill WHERE tenant = ? AND user_name = ? ORDER BY place";
    let mut lists = Lists::default();
    for row in db.rows(one(skills)).await? {
        lists.take_level(&row)?;
    }
    read::person(&row, &mut lists).map(|person| Some(Object::Person(Box::new(person))))
}
