//! Single objects: those that are read while somebody signs in, and those that have changed.

use std::collections::HashMap;

use contracts::provisioning::{BySpelling, Object, ObjectKey, ObjectKind, Place, Skill};
use infra::{Result, ToldChange};
use model::TenantId;

use super::read::{self, Lists};
use super::sign_in::{self, client};
use super::{Row, Turn, applications, by_names, documents, prompt_rows, query, revisions};

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

/// The object of each of these names, or the one of the same name in another spelling. It costs a few statements for each kind.
pub(super) async fn all(db: &mut dyn Turn, tenant: &TenantId, keys: &[ObjectKey]) -> Result<Vec<Option<Object>>> {
    let mut found: HashMap<ObjectKey, Object> = HashMap::with_capacity(keys.len());
    for (kind, names) in by_names::by_kind(keys.iter().filter(|key| is_found_alone(key.kind))) {
        let of_kind = named(db, tenant, kind, &names).await?;
        found.extend(of_kind.into_iter().map(|(id, object)| (ObjectKey { kind, id }, object)));
    }
    let settings: BySpelling<Object> = if keys.iter().all(|key| is_found_alone(key.kind)) {
        BySpelling::from_iter([])
    } else {
        let read = read::settings(db, tenant).await?;
        read.objects().map(|object| (object.key(), object)).collect()
    };
    let one = |key: &ObjectKey| if is_found_alone(key.kind) { found.get(key) } else { settings.get(key) };
    Ok(keys.iter().map(|key| one(key).cloned()).collect())
}

/// Whether an object of the kind is read without others.
const fn is_found_alone(kind: ObjectKind) -> bool {
    documents::are(kind) || statements(kind).is_some()
}

const SKILLS: &str =
    "SELECT user_name, skill, level FROM person_skill WHERE tenant = ? AND user_name = ? ORDER BY place";
const PROMPTS: &str = "SELECT number, prompt FROM dn_prompt WHERE tenant = ? AND number = ? ORDER BY place";
const PLACE: &str = "SELECT name, location, capacity_rule FROM place WHERE tenant = ? AND name = ?";
const PLACE_DNS: &str = "SELECT dn FROM place_dn WHERE tenant = ? AND name = ? ORDER BY place";
const URIS: &str = "SELECT uri FROM client_redirect_uri WHERE tenant = ? AND id = ? ORDER BY place";
const SKILL: &str = "SELECT name FROM skill WHERE tenant = ? AND name = ?";
const PROMPT: &str = "SELECT name, file, audio FROM prompt WHERE tenant = ? AND name = ?";

/// The statement that reads an object of a kind by its name, and the one that reads its list, if it has one; none of the kinds of which
/// all are read, and of documents.
const fn statements(kind: ObjectKind) -> Option<(&'static str, Option<&'static str>)> {
    match kind {
        ObjectKind::Person => Some((read::PERSON, Some(SKILLS))),
        ObjectKind::Dn => Some((read::DN, Some(PROMPTS))),
        ObjectKind::Place => Some((PLACE, Some(PLACE_DNS))),
        ObjectKind::Client => Some((sign_in::CLIENT, Some(URIS))),
        ObjectKind::Skill => Some((SKILL, None)),
        ObjectKind::Prompt => Some((PROMPT, None)),
        ObjectKind::Application => Some((applications::ONE, None)),
        ObjectKind::Number => Some((read::NUMBER, None)),
        _ => None,
    }
}

/// The object of a row, with the rows of its list.
fn object(kind: ObjectKind, row: &Row, list: &[Row]) -> Result<Option<Object>> {
    let mut lists = Lists::default();
    let texts = |column: &str| list.iter().map(|row| row.text(column)).collect::<Result<Vec<String>>>();
    Ok(match kind {
        ObjectKind::Person => {
            for row in list {
                lists.take_level(row)?;
            }
            Some(Object::Person(Box::new(read::person(row, &mut lists)?)))
        }
        ObjectKind::Dn => {
            for row in list {
                lists.take_prompt(row)?;
            }
            Some(Object::Dn(read::dn(row, &mut lists)?))
        }
        ObjectKind::Place => {
            let (name, location) = (row.text("name")?, read::location(row, "table place")?);
            let place = Place { name, dns: texts("dn")?, location, capacity_rule: row.get("capacity_rule")? };
            Some(Object::Place(Box::new(place)))
        }
        ObjectKind::Client => Some(Object::Client(client(row, texts("uri")?)?)),
        ObjectKind::Skill => Some(Object::Skill(Skill { name: row.text("name")? })),
        ObjectKind::Prompt => Some(Object::Prompt(prompt_rows::prompt(row)?)),
        ObjectKind::Application => Some(Object::Application(applications::application(row)?)),
        ObjectKind::Number => Some(Object::Number(read::number(row)?)),
        _ => None,
    })
}

/// The objects of these names of a kind that is found alone, each with the name by which it was found.
async fn named(
    db: &mut dyn Turn,
    tenant: &TenantId,
    kind: ObjectKind,
    names: &[&str],
) -> Result<Vec<(String, Object)>> {
    let Some((sql, list)) = statements(kind) else { return documents::named(db, tenant, kind, names).await };
    let one = |sql| query(sql).bind(tenant.as_str());
    let mut found = Vec::with_capacity(names.len());
    let objects = by_names::rows(db, one(sql), names).await?;
    let mut lists: HashMap<String, Vec<Row>> = HashMap::new();
    if let Some(sql) = list
        && !objects.is_empty()
    {
        for (name, row) in by_names::rows(db, one(sql), names).await? {
            lists.entry(name).or_default().push(row);
        }
    }
    for (name, row) in objects {
        let list = lists.remove(&name).unwrap_or_default();
        found.extend(object(kind, &row, &list)?.map(|object| (name, object)));
    }
    Ok(found)
}

/// Reads one object. It costs a few statements; of the kinds of which a tenant has few all are read.
pub(super) async fn find(db: &mut dyn Turn, tenant: &TenantId, key: &ObjectKey) -> Result<Option<Object>> {
    if is_found_alone(key.kind) {
        let found = named(db, tenant, key.kind, &[&key.id]).await?;
        return Ok(found.into_iter().next().map(|(_, object)| object));
    }
    if revisions::of_tenant(db, tenant).await?.is_none() {
        return Ok(None);
    }
    let objects = read::settings(db, tenant).await?;
    Ok(objects.objects().find(|object| object.key() == *key))
}

#[cfg(test)]
mod tests {
    use infra::conformance::provisioning::{note, objects};
    use infra::{Answer, ObjectChange, ProvisioningStore as _, Revision};

    use super::*;
    use crate::provisioning::{Dialect as _, OpenTurn, Statement};
    use crate::sqlite::SqliteProvisioning;

    /// A turn that counts what is read.
    struct Counted {
        turn: Box<dyn OpenTurn>,
        read: usize,
    }

    impl Turn for Counted {
        fn run(&mut self, statement: Statement) -> Answer<'_, u64> {
            self.turn.run(statement)
        }

        fn rows(&mut self, statement: Statement) -> Answer<'_, Vec<Row>> {
            self.read += 1;
            self.turn.rows(statement)
        }
    }

    #[tokio::test]
    async fn many_are_found_together_as_each_is_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap();
        let acme = TenantId::parse("acme").unwrap();
        let mut all_objects: Vec<Object> = objects("acme").objects().collect();
        // More than one statement asks for.
        let skill = |number: usize| Object::Skill(Skill { name: format!("many{number}") });
        all_objects.extend((0..1_000).map(skill));
        let changes = all_objects.iter().cloned().map(ObjectChange::Put).collect();
        store.update(&acme, Revision(0), changes, note()).await.unwrap();
        let mut keys: Vec<ObjectKey> = all_objects.iter().map(Object::key).collect();
        // Other spellings of names, names of nothing, and names twice.
        let spelled = |key: ObjectKey| ObjectKey { kind: key.kind, id: key.id.to_uppercase() };
        keys.extend(all_objects.iter().map(Object::key).map(spelled));
        keys.extend([ObjectKind::Person, ObjectKind::Folder].map(|kind| ObjectKey { kind, id: "nobody".to_owned() }));
        keys.push(keys[1].clone());
        let mut turn = Counted { turn: store.0.reads().await.unwrap(), read: 0 };
        let together = all(&mut turn, &acme, &keys).await.unwrap();
        assert!(turn.read < 100, "{} statements for {} names", turn.read, keys.len());
        assert_eq!(together.len(), keys.len());
        assert_eq!(together[..all_objects.len()].iter().flatten().count(), all_objects.len());
        for (key, found) in keys.iter().zip(&together).filter(|(key, _)| is_found_alone(key.kind)) {
            assert_eq!(find(&mut turn, &acme, key).await.unwrap(), *found, "{key:?}");
        }
    }

    #[tokio::test]
    async fn each_of_many_is_found_by_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap();
        let mut turn = store.0.reads().await.unwrap();
        for (sql, name) in [(read::PERSON, "user_name"), (SKILLS, "user_name"), (sign_in::CLIENT, "id")] {
            let explained = format!("EXPLAIN QUERY PLAN {}", by_names::of_many(sql, 2));
            let fields = ["ann", "bob", "acme"].map(crate::provisioning::Field::from).into();
            let rows = turn.rows(Statement { sql: explained.into(), fields }).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.text("detail").unwrap()).collect();
            assert!(plan.iter().any(|step| step.contains(&format!("(tenant=? AND {name}=?)"))), "{plan:?}");
        }
    }
}
