//! Objects that are kept as one JSON document each, in one table for all their kinds.
//!
//! What they refer to is checked by the rules alone: the release before does not know them, and deletes what they name.

use contracts::provisioning::{Object, ObjectKey, ObjectKind, TenantObjects};
use infra::{Result, StoreError};
use model::TenantId;

use super::{Row, Turn, by_names, later_fields, query};

/// Whether objects of the kind are documents.
pub(super) const fn are(kind: ObjectKind) -> bool {
    match kind {
        ObjectKind::AgentGroup
        | ObjectKind::ActionCode
        | ObjectKind::List
        | ObjectKind::BusinessAttribute
        | ObjectKind::PlaceGroup
        | ObjectKind::CapacityRule
        | ObjectKind::Switch
        | ObjectKind::AgentLogin
        | ObjectKind::DnGroup
        | ObjectKind::TrunkGroup
        | ObjectKind::CallingList
        | ObjectKind::Campaign
        | ObjectKind::CampaignGroup
        | ObjectKind::IvrProfile
        | ObjectKind::StatisticDefinition
        | ObjectKind::Transaction
        | ObjectKind::AccessGroup
        | ObjectKind::Role
        | ObjectKind::Folder => true,
        ObjectKind::Tenant
        | ObjectKind::Skill
        | ObjectKind::Prompt
        | ObjectKind::Application
        | ObjectKind::Dn
        | ObjectKind::Place
        | ObjectKind::Person
        | ObjectKind::Number
        | ObjectKind::Trunk
        | ObjectKind::FeatureCode
        | ObjectKind::Schedule
        | ObjectKind::DialRule
        | ObjectKind::Client => false,
    }
}

/// Adds those of a tenant to its other objects. Kinds that a later release has are passed over.
pub(super) async fn read(db: &mut dyn Turn, tenant: &TenantId, objects: &mut TenantObjects) -> Result<()> {
    let sql = "SELECT kind, name, document FROM object_document WHERE tenant = ? ORDER BY dbid";
    for row in db.rows(query(sql).bind(tenant.as_str())).await? {
        let Some(kind) = ObjectKind::parse(&row.text("kind")?) else { continue };
        match object(kind, &row)? {
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
    let sql = "SELECT name, document FROM object_document WHERE tenant = ? AND kind = ? ORDER BY dbid";
    let rows = db.rows(query(sql).bind(tenant.as_str()).bind(kind.as_str())).await?;
    rows.iter().map(|row| object(kind, row)).collect()
}

/// The bytes of those of a kind. The databases know the size of a text without reading it.
pub(super) async fn bytes(db: &mut dyn Turn, tenant: &TenantId, kind: ObjectKind) -> Result<u64> {
    let sql = "SELECT CAST(coalesce(sum(octet_length(document)), 0) AS BIGINT) AS bytes
         FROM object_document WHERE tenant = ? AND kind = ?";
    let rows = db.rows(query(sql).bind(tenant.as_str()).bind(kind.as_str())).await?;
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
    let sql = "SELECT name, document FROM object_document WHERE tenant = ? AND kind = ? AND name = ?";
    let rows = by_names::rows(db, query(sql).bind(tenant.as_str()).bind(kind.as_str()), names).await?;
    rows.into_iter().map(|(name, row)| Ok((name, object(kind, &row)?))).collect()
}

/// Writes one; an object of its kind and name is replaced, but for what a later release has put into it.
pub(super) async fn put(db: &mut dyn Turn, tenant: &str, object: &Object, is_new: bool) -> Result<()> {
    let (key, mut document) = (object.key(), text(object));
    if !is_new {
        let sql = "SELECT document FROM object_document WHERE tenant = ? AND kind = ? AND name = ?";
        let stored = db.rows(query(sql).bind(tenant).bind(key.kind.as_str()).bind(&key.id)).await?;
        if let Some(stored) = stored.first().map(|row| row.text("document")).transpose()?
            && let Ok(read) = Object::from_json(key.kind, stored.as_bytes())
        {
            document = later_fields::kept(Some(document), &stored, &text(&read)).unwrap_or_default();
        }
    }
    let sql = "INSERT INTO object_document (tenant, kind, name, document) VALUES (?, ?, ?, ?)
         ON CONFLICT (tenant, kind, name) DO UPDATE SET name = excluded.name, document = excluded.document";
    db.run(query(sql).bind(tenant).bind(key.kind.as_str()).bind(key.id).bind(document)).await.map(drop)
}

fn text(object: &Object) -> String {
    String::from_utf8(object.to_json()).unwrap_or_default()
}

/// Removes one.
pub(super) async fn delete(db: &mut dyn Turn, tenant: &TenantId, key: &ObjectKey) -> Result<()> {
    let sql = "DELETE FROM object_document WHERE tenant = ? AND kind = ? AND name = ?";
    db.run(query(sql).bind(tenant.as_str()).bind(key.kind.as_str()).bind(&key.id)).await.map(drop)
}

fn object(kind: ObjectKind, row: &Row) -> Result<Object> {
    let corrupt = |name: String| StoreError::Corrupt {
        what: "table object_document".to_owned(),
        reason: format!("{} {name} is not one as JSON", kind.as_str()),
    };
    let name = row.text("name")?;
    Object::from_json(kind, row.text("document")?.as_bytes()).map_err(|_| corrupt(name))
}
