//! `trunkline tenant import|export|check`: transfers between a tenant's file and the persistent configuration.

mod catching_up;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use contracts::provisioning::networks::contains;
use contracts::provisioning::{Object, ObjectAnnex, ObjectKey, TenantObjects, Trunk};
use infra::{ChangeNote, HistoryPoint, ObjectChange, ProvisioningStore, Revision, StoreError};
use model::TenantId;
use runtime::entropy::Strong;

pub(crate) use catching_up::changes_since;

use crate::file::{self, Companions, Examined, Faults, MadePins, PinHashing};

/// The most attempts of an import while the store does not answer.
const ATTEMPTS_MAX: usize = 5;
/// How often it begins again because others have changed the tenant: all but the first time it reads what they have changed alone.
pub(crate) const CHANGED_MAX: usize = 16;
/// Pause before the store is asked again.
const AWAY_PAUSE: Duration = Duration::from_secs(1);

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file is unreadable.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file has faults.
    #[error(transparent)]
    Faults(#[from] Faults),
    /// A password could not be hashed.
    #[error("nothing is imported")]
    Hash(#[from] identity::password::HashError),
    /// The tenant's id is invalid.
    #[error("not a tenant id")]
    Tenant(#[from] model::id::InvalidId),
    /// There is no such tenant.
    #[error("there is no tenant {0}")]
    Missing(TenantId),
    /// Nothing seals the secrets that are to be written.
    #[error(
        "no installation has begun in this data directory, so that its key seals no secret: start it first, or say --reveal-secrets for a file with secrets in clear"
    )]
    NoKey,
    /// The store refused or failed.
    #[error("the configuration cannot be stored")]
    Store(#[from] StoreError),
}

/// The result of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The tenant.
    pub tenant: TenantId,
    /// Its new revision.
    pub revision: Revision,
    /// The number of new or changed objects.
    pub put: usize,
    /// The number of deleted objects.
    pub deleted: usize,
    /// The PINs that were made: shown this once, since they are kept as hashes.
    pub pins: MadePins,
}

/// Reads a tenant's file; `companions` checks the files that it refers to.
///
/// # Errors
/// When the file is unreadable. Faults in its content are part of the answer.
pub fn examine_file(path: &Path, companions: &mut impl Companions) -> Result<Examined, ImportError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ImportError::Unreadable { path: path.to_owned(), source })?;
    Ok(file::examine(&text, companions))
}

/// Makes the stored tenant equal to the file and deletes objects that the file does not name. Equal states cause no change. Secrets with
/// the value [`file::GENERATED`] keep the tenant's stored value, or get a new one; new PINs are in the answer. The note says who imports.
///
/// # Errors
/// Errors of the store. After a concurrent change what has changed is read, and after a time without an answer the whole tenant again.
pub async fn import(
    store: &dyn ProvisioningStore,
    objects: &TenantObjects,
    note: &ChangeNote,
) -> Result<Imported, ImportError> {
    let (mut changed, mut unanswered, mut stale) = (0, 1, None);
    let (mut made, mut hashing) = (MadePins::new(), PinHashing::of_all());
    loop {
        match import_once(store, objects, note, &mut stale, (&mut made, &mut hashing)).await {
            Err(ImportError::Store(StoreError::Conflict { .. })) if changed < CHANGED_MAX => changed += 1,
            // It may have been stored all the same: then the next attempt finds nothing to change.
            Err(ImportError::Store(error)) if error.passes() && unanswered < ATTEMPTS_MAX => {
                tracing::warn!(%error, "the import is tried again");
                tokio::time::sleep(AWAY_PAUSE).await;
                unanswered += 1;
            }
            Ok(imported) => {
                // What an attempt before has made may have been stored by it, or others by somebody else.
                let is_first = (changed, unanswered) == (0, 1);
                let pins = if is_first { made } else { pins_there(store, &imported.tenant, made).await };
                return Ok(Imported { pins, ..imported });
            }
            refused => return refused,
        }
    }
}

/// Those of the PINs that the stored tenant has; all if that cannot be seen.
async fn pins_there(store: &dyn ProvisioningStore, tenant: &TenantId, made: MadePins) -> MadePins {
    if made.is_empty() {
        return made;
    }
    match store.load(tenant).await {
        Ok(Some((_, stored))) => file::stored_pins(made, &stored),
        _ => made,
    }
}

/// One attempt. `stale` is the plan of one before, when others have changed the tenant before it was carried out, and the point of the
/// history for which it was made.
async fn import_once(
    store: &dyn ProvisioningStore,
    objects: &TenantObjects,
    note: &ChangeNote,
    stale: &mut Option<(ImportPlan, HistoryPoint)>,
    (made, hashing): (&mut MadePins, &mut PinHashing),
) -> Result<Imported, ImportError> {
    let tenant = TenantId::parse(&objects.tenant.id)?;
    let mut planned = None;
    if let Some((before, since)) = stale.take()
        && let Some(told) = changes_since(store, &tenant, since).await?
    {
        let (point, seals) = (told.point, store.seals());
        let fill = |given: &mut TenantObjects, held: &TenantObjects| -> Result<(), ImportError> {
            seals.open_given(&tenant, given, Some(held))?;
            file::make_pins(given, Some(held), &mut Strong::seeded_by_system(), made);
            Ok(filled(given, Some(held), hashing)?)
        };
        planned = before.caught_up(told, objects, fill)?.map(|plan| (plan, point));
    }
    let (mut plan, point) = match planned {
        Some(planned) => planned,
        None => {
            // First the point: it is that of the plan if nobody has changed the tenant since.
            let point = store.point(&tenant).await?;
            let plan = plan_with(store, objects, (made, hashing)).await?;
            let point = point.filter(|point| point.revision == plan.at);
            let point = point.unwrap_or_else(|| HistoryPoint::unstamped(plan.at));
            (plan, point)
        }
    };
    let deleted = plan.changes.iter().filter(|change| matches!(change, ObjectChange::Delete(_))).count();
    let put = plan.changes.iter().map(ObjectChange::key).collect::<std::collections::HashSet<_>>().len() - deleted;
    let imported = |revision| Imported { tenant: tenant.clone(), revision, put, deleted, pins: MadePins::new() };
    if plan.changes.is_empty() {
        return Ok(imported(plan.at));
    }
    // Of a new tenant nothing can be caught up with.
    let changes = if plan.held.is_some() { plan.changes.clone() } else { std::mem::take(&mut plan.changes) };
    match store.update(&tenant, plan.at, changes, note).await {
        Ok(revision) => Ok(imported(revision)),
        Err(error) => {
            if matches!(error, StoreError::Conflict { .. }) && plan.held.is_some() {
                *stale = Some((plan, point));
            }
            Err(error.into())
        }
    }
}

/// What an import would change.
#[derive(Clone, Debug)]
pub struct ImportPlan {
    /// The revision of the stored tenant; 0 if there is none yet.
    pub at: Revision,
    /// The stored objects.
    pub held: Option<TenantObjects>,
    /// The changes that make them equal to the file.
    pub changes: Vec<ObjectChange>,
}

/// What an import would change now, without changing it.
///
/// # Errors
/// Errors of the store.
pub async fn plan(store: &dyn ProvisioningStore, objects: &TenantObjects) -> Result<ImportPlan, ImportError> {
    plan_with(store, objects, (&mut MadePins::new(), &mut PinHashing::of_all())).await
}

/// The same; with the PINs that are made for it, and how those in clear become hashes.
async fn plan_with(
    store: &dyn ProvisioningStore,
    objects: &TenantObjects,
    (made, hashing): (&mut MadePins, &mut PinHashing),
) -> Result<ImportPlan, ImportError> {
    let tenant = TenantId::parse(&objects.tenant.id)?;
    let stored = store.load(&tenant).await?;
    let mut objects = objects.clone();
    // An export and a backup have secrets sealed.
    let held = stored.as_ref().map(|(_, held)| held);
    store.seals().open_given(&tenant, &mut objects, held)?;
    file::make_pins(&mut objects, held, &mut Strong::seeded_by_system(), made);
    Ok(planned(stored, objects, hashing)?)
}

/// What leads from a stored tenant, if there is one, to these objects. It hashes what is in clear, PINs as `hashing` says.
///
/// # Errors
/// When a password cannot be hashed.
pub(crate) fn planned(
    stored: Option<(Revision, TenantObjects)>,
    mut objects: TenantObjects,
    hashing: &mut PinHashing,
) -> Result<ImportPlan, identity::password::HashError> {
    let (at, held) = stored.map_or((Revision(0), None), |(revision, held)| (revision, Some(held)));
    filled(&mut objects, held.as_ref(), hashing)?;
    let changes = difference(held.as_ref(), &objects);
    Ok(ImportPlan { at, held, changes })
}

/// Gives objects the secrets that stay as they are stored, and hashes of those in clear.
///
/// # Errors
/// When a password cannot be hashed.
pub(crate) fn filled(
    objects: &mut TenantObjects,
    held: Option<&TenantObjects>,
    hashing: &mut PinHashing,
) -> Result<(), identity::password::HashError> {
    if let Some(held) = held {
        file::keep_second_factors(objects, held);
    }
    file::fill_within(objects, held, &mut Strong::seeded_by_system(), hashing)
}

/// What trunks of `objects` share with those of other stored tenants, a line each. Of trunks that name the same network, or the same name in
/// a certificate, sip-proxy takes one, so that the calls of the others come to a tenant that they are not meant for.
///
/// # Errors
/// Errors of the store.
pub async fn shared_sources(
    store: &dyn ProvisioningStore,
    objects: &TenantObjects,
) -> Result<Vec<String>, ImportError> {
    let mut shared = Vec::new();
    if objects.trunks.is_empty() {
        return Ok(shared);
    }
    for (id, _) in store.tenants().await? {
        if id.as_str() == objects.tenant.id {
            continue;
        }
        let Some((_, other)) = store.load(&id).await? else { continue };
        for (trunk, theirs) in objects.trunks.iter().flat_map(|one| other.trunks.iter().map(move |two| (one, two))) {
            shared.extend(in_common(trunk, (&id, theirs)));
        }
    }
    Ok(shared)
}

/// What a trunk has in common with one of another tenant.
fn in_common(trunk: &Trunk, (tenant, theirs): (&TenantId, &Trunk)) -> Vec<String> {
    let mut shared = Vec::new();
    let (ours, of) = (format!("trunks.{}", trunk.name), format!("trunk {} of tenant {tenant}", theirs.name));
    if let Some((registrar, user)) = trunk.shared_account(theirs) {
        shared.push(format!(
            "{ours}.user: {user} is also registered with {registrar} by {of}: its calls come to the tenant whose password is taken there, and to one alone"
        ));
    }
    for name in trunk.shared_certificate_names(theirs) {
        shared.push(format!(
            "{ours}.certificate_names: {name} is also of {of}: its calls come to one of the two tenants alone"
        ));
    }
    let called = [(trunk, theirs), (theirs, trunk)].into_iter().flat_map(|(known, calls)| {
        let is_known_to_both =
            move |name: &&str| calls.certificate_names.iter().any(|own| own.eq_ignore_ascii_case(name));
        known.certificate_names_called(calls).filter(move |name| !is_known_to_both(name))
    });
    for name in called {
        shared.push(format!(
            "{ours} and {of}: {name} is the `contact` of one and in `certificate_names` of the other: what comes with that certificate is for the account or the number that is called, and refused where `numbers` of none or of both have that"
        ));
    }
    // Certificates tell them apart.
    if !trunk.certificate_names.is_empty() && !theirs.certificate_names.is_empty() {
        return shared;
    }
    for (our, their) in trunk.networks().flat_map(|one| theirs.networks().map(move |two| (one, two))) {
        let (place, network) = (format!("{ours}.allow: {}/{}", our.0, our.1), format!("{}/{}", their.0, their.1));
        if our == their {
            shared.push(format!("{place} is also of {of}: its calls come to one of the two tenants alone"));
        } else if contains(our, their) {
            shared.push(format!("{place} contains {network} of {of}: calls from there come to that tenant"));
        } else if contains(their, our) {
            shared.push(format!("{place} lies in {network} of {of}: calls from there come to this tenant"));
        }
    }
    shared
}

/// How secrets stand in files that are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrittenSecrets {
    /// Sealed: an import takes them back in an installation with the same key.
    Sealed,
    /// In clear, which the history notes.
    Revealed(ChangeNote),
}

/// Reads a stored tenant as files.
///
/// # Errors
/// When there is no such tenant, nothing seals its secrets, or the store fails.
pub async fn export(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    secrets: &WrittenSecrets,
) -> Result<file::Exported, ImportError> {
    let stored = store.load(tenant).await?;
    let (_, objects) = stored.ok_or_else(|| ImportError::Missing(tenant.clone()))?;
    written(store, tenant, objects, secrets).await
}

/// Objects of a tenant as files.
///
/// # Errors
/// When nothing seals their secrets, or the store fails.
pub async fn written(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    mut objects: TenantObjects,
    secrets: &WrittenSecrets,
) -> Result<file::Exported, ImportError> {
    match secrets {
        WrittenSecrets::Sealed => {
            let seals = store.seals();
            if !seals.are_there() {
                return Err(ImportError::NoKey);
            }
            seals.seal_all(tenant, &mut objects)?;
        }
        // Before they are shown: what cannot be noted is not shown.
        WrittenSecrets::Revealed(note) => store.note_reveal(tenant, note).await?,
    }
    Ok(file::write(&objects))
}

/// The changes that lead from one state to the other.
fn difference(from: Option<&TenantObjects>, to: &TenantObjects) -> Vec<ObjectChange> {
    let before: std::collections::HashMap<ObjectKey, Object> =
        from.into_iter().flat_map(TenantObjects::objects).map(|object| (object.key(), object)).collect();
    let after: std::collections::HashSet<ObjectKey> = to.objects().map(|object| object.key()).collect();
    let put = to.objects().filter(|object| before.get(&object.key()) != Some(object)).map(ObjectChange::Put);
    let mut gone: Vec<_> = before.keys().filter(|key| !after.contains(key)).cloned().collect();
    gone.sort();
    put.chain(annexes(from, to)).chain(gone.into_iter().map(ObjectChange::Delete)).collect()
}

/// The changes of what objects of the other state have besides the fields of their kinds.
fn annexes(from: Option<&TenantObjects>, to: &TenantObjects) -> Vec<ObjectChange> {
    let none = BTreeMap::new();
    let before = from.map_or(&none, |from| &from.annexes);
    let given = to.annexes.iter().filter(|(key, annex)| before.get(*key) != Some(*annex));
    let given = given.map(|(key, annex)| ObjectChange::Annex(key.clone(), annex.clone()));
    let mut taken: BTreeSet<&ObjectKey> = before.keys().filter(|key| !to.annexes.contains_key(*key)).collect();
    if !taken.is_empty() {
        // An object that goes takes its annex with it.
        let after: std::collections::HashSet<ObjectKey> = to.objects().map(|object| object.key()).collect();
        taken.retain(|key| after.contains(*key));
    }
    given.chain(taken.into_iter().map(|key| ObjectChange::Annex(key.clone(), ObjectAnnex::default()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registers(name: &str, contact: &str, user: &str) -> Trunk {
        Trunk {
            name: name.into(),
            contact: Some(contact.into()),
            user: Some(user.into()),
            register: true,
            ..Trunk::default()
        }
    }

    #[test]
    fn a_certificate_name_that_is_the_contact_of_another_tenant_is_warned_of() {
        let other = TenantId::parse("aaa").unwrap();
        let certified = |name: &str| Trunk { certificate_names: vec![name.into()], ..Trunk::default() };
        let calls = registers("carrier", "sip.carrier.example;transport=tls", "line-1");
        for (ours, theirs, is_told) in [
            (&calls, &certified("SIP.carrier.example"), true),
            (&certified("sip.carrier.example"), &calls, true),
            (&certified("sbc.carrier.example"), &calls, false),
        ] {
            let said = in_common(ours, (&other, theirs));
            assert_eq!(said.iter().any(|line| line.contains("is the `contact` of one")), is_told, "{said:?}");
        }
    }

    #[test]
    fn an_account_that_trunks_of_two_tenants_register_is_warned_of() {
        let ours = registers("carrier", "sip.carrier.example;transport=tls", "line-1");
        let other = TenantId::parse("aaa").unwrap();
        let said = |theirs: &Trunk| in_common(&ours, (&other, theirs));
        let same = registers("theirs", "sip.carrier.example:5061", "line-1");
        assert_eq!(
            said(&same),
            [
                "trunks.carrier.user: line-1 is also registered with sip.carrier.example by trunk theirs of tenant aaa: its calls come to the tenant whose password is taken there, and to one alone"
            ]
        );
        assert!(said(&registers("theirs", "sip.carrier.example", "line-2")).is_empty());
        assert!(said(&registers("theirs", "sip.other.example", "line-1")).is_empty());
    }
}
