//! Secrets of a tenant whose objects cannot be read: row by row it is seen which cannot be opened, and these go, so that they keep no
//! process from beginning.

use contracts::provisioning::{ObjectKey, ObjectKind, Secret};
use infra::{ChangeNote, HistoryEntry, Result, SecretPlace, SecretSeals, StoreError, UnopenedSecret};
use model::TenantId;

use super::super::{Turn, history, query, revisions, sign_in, snapshots};
use super::{COLUMNS, SET_RULES, found, legible_rules, place_of_provider};

/// What cannot be opened of a tenant; with a note it goes.
pub(in crate::provisioning) async fn unopened(
    seals: &SecretSeals,
    db: &mut dyn Turn,
    tenant: &TenantId,
    forgotten: Option<&ChangeNote>,
) -> Result<Vec<UnopenedSecret>> {
    let mut all = of_columns(seals, db, tenant, forgotten.is_some()).await?;
    all.extend(of_provider(seals, db, tenant, forgotten.is_some()).await?);
    all.extend(of_snapshots(seals, db, tenant, forgotten).await?);
    if let (Some(note), false) = (forgotten, all.is_empty()) {
        let revision = revisions::of_tenant(db, tenant).await?.unwrap_or_default();
        let key = ObjectKey { kind: ObjectKind::Tenant, id: String::new() };
        let shown = Some(serde_json::json!({ "id": tenant.as_str() }).to_string());
        let (before, note) = (shown.clone(), note.clone());
        let entry = HistoryEntry { number: 0, revision, note, key, before, after: shown, secrets_changed: true };
        history::put(db, tenant, entry).await?;
    }
    Ok(all)
}

async fn of_columns(
    seals: &SecretSeals,
    db: &mut dyn Turn,
    tenant: &TenantId,
    is_forgotten: bool,
) -> Result<Vec<UnopenedSecret>> {
    let mut all = Vec::new();
    // The last column is that of snapshots.
    let [columns @ .., _] = &COLUMNS;
    for column in columns {
        for row in db.rows(query(column.of_tenant).bind(tenant.as_str())).await? {
            let (_, name, secret) = found(&row)?;
            let place = (column.place)(tenant, &name);
            if seals.opened(&place, &secret).is_ok() {
                continue;
            }
            let (kind, field) = (place.key.kind, place.field.to_owned());
            if is_forgotten {
                let set = query(column.set).bind(None::<&str>).bind(tenant.as_str()).bind(&name);
                db.run(set.bind(secret.reveal())).await?;
            }
            all.push(UnopenedSecret { key: ObjectKey { kind, id: name }, field });
        }
    }
    Ok(all)
}

async fn of_provider(
    seals: &SecretSeals,
    db: &mut dyn Turn,
    tenant: &TenantId,
    is_forgotten: bool,
) -> Result<Option<UnopenedSecret>> {
    let Some(stored) = sign_in::stored_rules(db, tenant.as_str()).await? else { return Ok(None) };
    let Some(mut rules) = legible_rules(tenant, stored.clone()) else { return Ok(None) };
    let Some(provider) = &mut rules.upstream else { return Ok(None) };
    let place = place_of_provider(tenant);
    if provider.client_secret.as_ref().is_none_or(|secret| seals.opened(&place, secret).is_ok()) {
        return Ok(None);
    }
    provider.client_secret = None;
    let field = place.field.to_owned();
    if is_forgotten {
        let text = sign_in::rules_text(&rules, Some(&stored));
        db.run(query(SET_RULES).bind(&text).bind(tenant.as_str()).bind(stored)).await?;
    }
    Ok(Some(UnopenedSecret { key: ObjectKey { kind: ObjectKind::Tenant, id: String::new() }, field }))
}

async fn of_snapshots(
    seals: &SecretSeals,
    db: &mut dyn Turn,
    tenant: &TenantId,
    forgotten: Option<&ChangeNote>,
) -> Result<Vec<UnopenedSecret>> {
    let mut all = Vec::new();
    for head in snapshots::heads(db, tenant).await? {
        let place = SecretPlace::of_snapshot(tenant, &head.name);
        let is_opened = match snapshots::find(db, tenant, &head.name).await {
            Ok(kept) => kept.is_none_or(|kept| seals.opened(&place, &Secret(kept.file.0)).is_ok()),
            Err(StoreError::Corrupt { .. }) => false,
            Err(error) => return Err(error),
        };
        if is_opened {
            continue;
        }
        let unopened = UnopenedSecret { field: place.field.to_owned(), key: place.key };
        if let Some(note) = forgotten {
            snapshots::remove(db, tenant, &head.name, note).await?;
        }
        all.push(unopened);
    }
    Ok(all)
}
