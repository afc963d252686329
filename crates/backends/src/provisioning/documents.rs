//! Objects that are kept as one JSON document each, in the tables of their kinds ([`kind_tables`]).

use contracts::provisioning::{Object, ObjectKey, ObjectKind, TenantObjects};
use infra::{Result, StoreError};
use model::TenantId;

use super::kind_tables::{self, KindTable};
use super::{Row, Statement, Turn, by_names, later_fields, query};

/// Whether objects of the kind are documents.
pub(super) const fn are(kind: ObjectKind) -> bool {
    kind_tables::of(kind).is_some()
}

/// Adds those of a tenant to its other objects.
pub(super) async fn read(db: &mut dyn Turn, tenant: &TenantId, objects: &mut TenantObjects) -> Result<()> {
    let all = kind_tables::all().fold(query(&kind_tables::ALL), |all, _| all.bind(tenant.as_str()));
    for row in db.rows(all).await? {
        let Some(kind) = ObjectKind::parse(&row.text("kind")?) else { continue };
        let Some(own) = kind_tables::of(kind) else { continue };
        match object(kind, own, &row)? {
            Object::AgentGroup(o) => objects.agent_groups.push(*o),
            Object::ActionCode(o) => objects.action_codes.push(o),
            Object::List(o) => objects.lists.push(*o),
            Object::BusinessAttribute(o) => objects.business_attributes.push(o),
            Object::PlaceGroup(o) => objects.place_groups.push(o),
            Object::CapacityRule(o) => objects.capacity_rules.push(o),
            Object::Switch(o) => objects.switches.push(o),
            Object::AgentLogin(o) => objects.agent_logins.push(o),
            Object::DnGroup(o) => objects.dn_groups.push(o),
            Object::TrunkGroup(o) => objects.trunk_groups.push(o),
            Object::CallingList(o) => objects.calling_lists.push(*o),
            Object::Campaign(o) => objects.campaigns.push(o),
            Object::CampaignGroup(o) => objects.campaign_groups.push(*o),
            Object::IvrProfile(o) => objects.ivr_profiles.push(*o),
            Object::StatisticDefinition(o) => objects.statistic_definitions.push(*o),
            Object::Transaction(o) => objects.transactions.push(*o),
            Object::AccessGroup(o) => objects.access_groups.push(*o),
            Object::Role(o) => objects.roles.push(*o),
            Object::Folder(o) => objects.folders.push(*o),
            // They have tables of their own.
            Object::Tenant(_)
            | Object::Skill(_)
            | Object::Prompt(_)
            | Object::Application(_)
            | Object::Dn(_)
            | Object::Place(_)
            | Object::Person(_)
            | Object::Number(_)
            | Object::Trunk(_)
            | Object::FeatureCode(_)
            | Object::Schedule(_)
            | Object::DialRule(_)
            | Object::Client(_) => {}
        }
    }
    Ok(())
}

/// Those of a kind.
pub(super) async fn of_kind(db: &mut dyn Turn, tenant: &TenantId, kind: ObjectKind) -> Result<Vec<Object>> {
    let Some(own) = kind_tables::of(kind) else { return Ok(Vec::new()) };
    let rows = db.rows(query(own.all).bind(tenant.as_str())).await?;
    rows.iter().map(|row| object(kind, own, row)).collect()
}

/// The bytes of those of a kind.
pub(super) async fn bytes(db: &mut dyn Turn, tenant: &TenantId, kind: ObjectKind) -> Result<u64> {
    let Some(own) = kind_tables::of(kind) else { return Ok(0) };
    let rows = db.rows(query(own.bytes).bind(tenant.as_str())).await?;
    let bytes = rows.first().map(|row| row.get::<i64>("bytes")).transpose()?;
    Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default())
}

/// Those of a kind of these names, each with the name by which it was found.
pub(super) async fn named(
    db: &mut dyn Turn,
    tenant: &TenantId,
    kind: ObjectKind,
    names: &[&str],
) -> Result<Vec<(String, Object)>> {
    let Some(own) = kind_tables::of(kind) else { return Ok(Vec::new()) };
    let rows = by_names::rows(db, query(own.one).bind(tenant.as_str()), names).await?;
    rows.into_iter().map(|(name, row)| Ok((name, object(kind, own, &row)?))).collect()
}

/// Writes one; an object of its kind and name is replaced, but for what a later release has put into it.
pub(super) async fn put(db: &mut dyn Turn, tenant: &str, object: &Object, is_new: bool) -> Result<()> {
    let (key, mut document) = (object.key(), text(object));
    let own = table(key.kind)?;
    if !is_new {
        let stored = db.rows(query(own.one).bind(tenant).bind(&key.id)).await?;
        if let Some(stored) = stored.first().map(|row| row.text("document")).transpose()?
            && let Ok(read) = Object::from_json(key.kind, stored.as_bytes())
        {
            document = later_fields::kept(Some(document), &stored, &text(&read)).unwrap_or_default();
        }
    }
    db.run(query(own.put).bind(tenant).bind(&key.id).bind(&document)).await?;
    // The release before reads these.
    let sql = "INSERT INTO object_document (tenant, kind, name, document) VALUES (?, ?, ?, ?)
         ON CONFLICT (tenant, kind, name) DO UPDATE SET name = excluded.name, document = excluded.document";
    db.run(query(sql).bind(tenant).bind(key.kind.as_str()).bind(key.id).bind(document)).await.map(drop)
}

fn text(object: &Object) -> String {
    String::from_utf8(object.to_json()).unwrap_or_default()
}

/// Removes one.
pub(super) async fn delete(db: &mut dyn Turn, tenant: &TenantId, key: &ObjectKey) -> Result<()> {
    db.run(query(table(key.kind)?.delete).bind(tenant.as_str()).bind(&key.id)).await?;
    let sql = "DELETE FROM object_document WHERE tenant = ? AND kind = ? AND name = ?";
    db.run(query(sql).bind(tenant.as_str()).bind(key.kind.as_str()).bind(&key.id)).await.map(drop)
}

/// Lets the documents of a tenant name what is not there: an archive is taken as it was made, and who has made it may have had such names.
pub(super) async fn allow_names_of_nothing(db: &mut dyn Turn, tenant: &TenantId) -> Result<()> {
    for column in kind_tables::name_columns() {
        let sql = column.names_of_nothing();
        db.run(Statement { sql: sql.into(), fields: vec![tenant.as_str().into()] }).await?;
    }
    Ok(())
}

fn table(kind: ObjectKind) -> Result<KindTable> {
    kind_tables::of(kind).ok_or_else(|| StoreError::Invalid(format!("there is no table of {}", kind.as_str())))
}

fn object(kind: ObjectKind, own: KindTable, row: &Row) -> Result<Object> {
    let corrupt = |name: String| StoreError::Corrupt {
        what: format!("table {}", own.table),
        reason: format!("{} {name} is not one as JSON", kind.as_str()),
    };
    let name = row.text("name")?;
    Object::from_json(kind, row.text("document")?.as_bytes()).map_err(|_| corrupt(name))
}

#[cfg(test)]
mod tests;
