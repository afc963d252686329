//! Restores tenants from a backup.

use std::collections::{HashMap, HashSet};
use std::io::BufRead;

use contracts::provisioning::{Object, ObjectKey, TenantObjects};
use infra::{
    ArchiveBegin, ArchivedPart, ChangeNote, ContactAdded, ContactOwner, KeptAudio, KeptContact, NamedSnapshot,
    Revision, SecretSeals, StoreError, TenantArchive, TenantLife,
};
use model::TenantId;

use super::line::BackupLine;
use super::read::BackupReader;
use super::unreadable::UnreadableParts;
use super::{BackupError, BackupFault};
use crate::file;
use crate::import::{self, ImportError, Imported};

/// What has become of the tenants of a backup.
#[derive(Debug, Default)]
pub struct RestoredBackup {
    /// Those that were restored.
    pub restored: Vec<RestoredTenant>,
    /// Why each of the others was not. Behind an error of the file, or of a store that is away, none was tried.
    pub failed: Vec<BackupError>,
}

/// What has become of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredTenant {
    /// The tenant.
    pub tenant: TenantId,
    /// Its revision now.
    pub revision: Revision,
    /// What was changed of the tenant that was there; none for one that was not there, which is as it was.
    pub replaced: Option<ReplacedTenant>,
    /// What was left out: secrets and snapshots that cannot be opened, snapshots and contacts for which there is no room, and host names that are those
    /// of another tenant by now. Each by its name.
    pub left_out: Vec<String>,
}

/// What was changed of a tenant that was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplacedTenant {
    /// The number of new or changed objects.
    pub put: usize,
    /// The number of deleted objects.
    pub deleted: usize,
    /// The number of snapshots that were missing.
    pub snapshots: usize,
}

/// Restores those tenants of a backup that `is_wanted` names; the backup was examined. A tenant that is not there comes back as it was,
/// with its revisions and its history, which goes on with an entry under `note`. Of one that is there the objects become those of the
/// backup, as by an import under `note`, and its own history goes on; without `may_replace` that is refused. What keeps one tenant from
/// coming back keeps no other one.
pub async fn restore<R: BufRead + Send>(
    store: &dyn TenantArchive,
    reader: BackupReader<R>,
    is_wanted: impl Fn(&TenantId) -> bool + Send,
    may_replace: bool,
    note: &ChangeNote,
) -> RestoredBackup {
    let mut outcome = RestoredBackup::default();
    if let Err(error) = restore_each(store, reader, is_wanted, may_replace, note, &mut outcome).await {
        outcome.failed.push(error);
    }
    outcome
}

async fn restore_each<R: BufRead + Send>(
    store: &dyn TenantArchive,
    mut reader: BackupReader<R>,
    is_wanted: impl Fn(&TenantId) -> bool + Send,
    may_replace: bool,
    note: &ChangeNote,
    outcome: &mut RestoredBackup,
) -> Result<(), BackupError> {
    let (seals, mut unreadable) = (store.seals(), UnreadableParts::default());
    let mut next = reader.line()?;
    while let Some(line) = next {
        let BackupLine::Tenant { id, revision, pruned_revision, life } = line else {
            next = reader.line()?;
            continue;
        };
        let tenant = TenantId::parse(&id).map_err(|error| reader.fault(error.to_string()))?;
        if !is_wanted(&tenant) {
            next = reader.line()?;
            continue;
        }
        let (revision, pruned) = (Revision(revision), Revision(pruned_revision));
        let begin = Some(ArchiveBegin { revision, pruned, life: TenantLife(life) });
        let mut group = TenantLines {
            reader: &mut reader,
            tenant: &tenant,
            begin,
            behind: None,
            fault: None,
            seals: &seals,
            held: HashMap::new(),
            unreadable: &mut unreadable,
            hosts_of_others: HashSet::new(),
            hosts_left_out: Vec::new(),
        };
        let done = one(store, &tenant, &mut group, may_replace, note).await;
        let (behind, hosts) = (group.behind.take(), std::mem::take(&mut group.hosts_left_out));
        let named = unreadable.take();
        match done {
            Ok(mut restored) => {
                restored.left_out = [named, hosts, restored.left_out].concat();
                outcome.restored.push(restored);
            }
            Err(error) if concerns_all(&error) => return Err(error),
            Err(error) => outcome.failed.push(error),
        }
        // What was not read of a tenant that has failed is passed over.
        next = match behind {
            Some(line) => Some(line),
            None => reader.line()?,
        };
    }
    Ok(())
}

/// Whether no later tenant could be restored either.
fn concerns_all(error: &BackupError) -> bool {
    let source = match error {
        BackupError::Fault(_) => return true,
        BackupError::Store { source, .. } => source,
        BackupError::Replace { source, .. } => match &**source {
            ImportError::Store(source) => source,
            _ => return false,
        },
        _ => return false,
    };
    matches!(source, StoreError::Unavailable { .. })
}

async fn one<R: BufRead + Send>(
    store: &dyn TenantArchive,
    tenant: &TenantId,
    group: &mut TenantLines<'_, R>,
    may_replace: bool,
    note: &ChangeNote,
) -> Result<RestoredTenant, BackupError> {
    let failed = |source| BackupError::Store { tenant: tenant.clone(), source };
    let hosts = store.hosts().await.map_err(failed)?;
    group.hosts_of_others = hosts.into_iter().filter(|(_, of)| of != tenant).map(|(host, _)| host).collect();
    match store.load(tenant).await.map_err(failed)? {
        None => renew(store, tenant, group, note).await,
        Some(_) if !may_replace => Err(BackupError::Present(tenant.clone())),
        Some((_, present)) => {
            let with_secrets = present.objects().filter(|object| !object.secrets().is_empty());
            group.held = with_secrets.map(|object| (object.key(), object)).collect();
            replace(store, tenant, group, note).await
        }
    }
}

/// The lines of one tenant, as its parts.
struct TenantLines<'a, R: BufRead> {
    reader: &'a mut BackupReader<R>,
    tenant: &'a TenantId,
    begin: Option<ArchiveBegin>,
    /// The line that follows the tenant's.
    behind: Option<BackupLine>,
    fault: Option<BackupFault>,
    seals: &'a SecretSeals,
    /// Of the tenant that is there, the objects with secrets.
    held: HashMap<ObjectKey, Object>,
    unreadable: &'a mut UnreadableParts,
    /// The host names of other tenants, which no second one may have.
    hosts_of_others: HashSet<String>,
    hosts_left_out: Vec<String>,
}

impl<R: BufRead> TenantLines<'_, R> {
    /// The next part, without what cannot be opened of it, and without what another tenant has by now.
    fn part(&mut self) -> infra::Result<Option<ArchivedPart>> {
        while let Some(part) = self.read()? {
            let readable = self.unreadable.readable(self.seals, self.tenant, part, &self.held);
            if let Some(mut part) = readable {
                self.leave_hosts_out(&mut part);
                return Ok(Some(part));
            }
        }
        self.unreadable.expect_own_key()?;
        Ok(None)
    }

    fn leave_hosts_out(&mut self, part: &mut ArchivedPart) {
        let ArchivedPart::Object(Object::Tenant(own), _) = part else { return };
        own.sign_in.hosts.retain(|host| {
            let is_free = !self.hosts_of_others.contains(host);
            if !is_free {
                self.hosts_left_out.push(format!("sign_in.hosts: {host} is a host name of another tenant"));
            }
            is_free
        });
    }

    /// The next part as the backup has it.
    fn read(&mut self) -> infra::Result<Option<ArchivedPart>> {
        if let Some(begin) = self.begin.take() {
            return Ok(Some(ArchivedPart::Begin(begin)));
        }
        if self.behind.is_some() {
            return Ok(None);
        }
        let read = match self.reader.line() {
            Ok(Some(line)) if line.is_part() => line.part().map(Some).map_err(|reason| self.reader.fault(reason)),
            Ok(Some(BackupLine::LeftOut { id, .. })) if id == self.tenant.as_str() => {
                Err(self.reader.fault(format!("tenant {id} is not whole: nothing of it is restored")))
            }
            Ok(behind) => {
                self.behind = behind;
                Ok(None)
            }
            Err(fault) => Err(fault),
        };
        read.map_err(|fault| {
            let reason = fault.to_string();
            self.fault = Some(fault);
            StoreError::Invalid(reason)
        })
    }
}

async fn renew<R: BufRead + Send>(
    store: &dyn TenantArchive,
    tenant: &TenantId,
    group: &mut TenantLines<'_, R>,
    note: &ChangeNote,
) -> Result<RestoredTenant, BackupError> {
    let written = store.restore_archive(tenant, &mut || group.part(), note).await;
    let tenant = tenant.clone();
    match (written, group.fault.take()) {
        (_, Some(fault)) => Err(fault.into()),
        (Err(StoreError::Conflict { .. }), None) => Err(BackupError::Present(tenant)),
        (Err(source), None) => Err(BackupError::Store { tenant, source }),
        (Ok(revision), None) => Ok(RestoredTenant { tenant, revision, replaced: None, left_out: Vec::new() }),
    }
}

async fn replace<R: BufRead + Send>(
    store: &dyn TenantArchive,
    tenant: &TenantId,
    group: &mut TenantLines<'_, R>,
    note: &ChangeNote,
) -> Result<RestoredTenant, BackupError> {
    let GatheredTenant { objects, snapshots: kept, audio, contacts } = gathered(tenant, group)?;
    let tenant = tenant.clone();
    let mut left_out = Vec::new();
    // Before the prompts that name them: whoever reads these finds them.
    for recording in audio {
        match store.keep_audio(&tenant, &recording, note.at).await {
            Ok(()) => {}
            Err(error @ StoreError::Full { .. }) => left_out.push(format!("recording {}: {error}", recording.sha256)),
            Err(source) => return Err(BackupError::Store { tenant, source }),
        }
    }
    let imported = import::import(store, &objects, note).await;
    let Imported { revision, put, deleted, .. } =
        imported.map_err(|source| BackupError::Replace { tenant: tenant.clone(), source: Box::new(source) })?;
    left_out.extend(add_contacts(store, &tenant, contacts).await?);
    let mut snapshots = 0;
    for snapshot in kept {
        match store.keep_snapshot(&tenant, &snapshot, note).await {
            Ok(is_kept) => snapshots += usize::from(is_kept),
            Err(error @ (StoreError::Full { .. } | StoreError::Invalid(_) | StoreError::NulInText)) => {
                left_out.push(format!("snapshot {}: {error}", snapshot.head.name));
            }
            Err(source) => return Err(BackupError::Store { tenant, source }),
        }
    }
    Ok(RestoredTenant { tenant, revision, replaced: Some(ReplacedTenant { put, deleted, snapshots }), left_out })
}

/// Adds the contacts that are missing, behind the people whose they are; those that are there stay. What was left out.
async fn add_contacts(
    store: &dyn TenantArchive,
    tenant: &TenantId,
    contacts: Vec<(ContactOwner, KeptContact)>,
) -> Result<Vec<String>, BackupError> {
    let mut left_out = Vec::new();
    for (owner, contact) in contacts {
        let reason = match store.add_contact(tenant, &owner, &contact).await {
            Ok(ContactAdded::Kept) => continue,
            Ok(ContactAdded::TooMany) => format!("there are {} already", owner.most()),
            Err(error @ (StoreError::Invalid(_) | StoreError::NulInText)) => error.to_string(),
            Err(source) => return Err(BackupError::Store { tenant: tenant.clone(), source }),
        };
        let of = match &owner {
            ContactOwner::Person(user) => format!("of {user}"),
            ContactOwner::Tenant => "that is shared".to_owned(),
        };
        left_out.push(format!("contact {} {of}: {reason}", contact.id));
    }
    Ok(left_out)
}

/// What of a tenant takes the place of what is there.
struct GatheredTenant {
    objects: TenantObjects,
    snapshots: Vec<NamedSnapshot>,
    audio: Vec<KeptAudio>,
    contacts: Vec<(ContactOwner, KeptContact)>,
}

/// The objects, snapshots, recordings and contacts of the tenant; what is gone and its history are left out.
fn gathered<R: BufRead>(tenant: &TenantId, group: &mut TenantLines<'_, R>) -> Result<GatheredTenant, BackupError> {
    let (mut objects, mut snapshots, mut audio): (Option<TenantObjects>, _, _) = (None, Vec::new(), Vec::new());
    let mut contacts = Vec::new();
    loop {
        let part = group.part().map_err(|source| match group.fault.take() {
            Some(fault) => BackupError::Fault(fault),
            None => BackupError::Store { tenant: tenant.clone(), source },
        })?;
        let Some(part) = part else { break };
        let wrong = || group.reader.fault(format!("tenant {tenant} does not begin with the tenant itself"));
        match part {
            ArchivedPart::Object(Object::Tenant(own), _) if objects.is_none() && own.id == tenant.as_str() => {
                objects = Some(TenantObjects::new(*own));
            }
            ArchivedPart::Object(Object::Tenant(_), _) => return Err(wrong().into()),
            ArchivedPart::Object(object, _) => match &mut objects {
                Some(objects) => file::push(objects, object),
                None => return Err(wrong().into()),
            },
            ArchivedPart::Annex(key, annex) => match &mut objects {
                Some(objects) => objects.put_annex(key, annex),
                None => return Err(wrong().into()),
            },
            ArchivedPart::Snapshot(snapshot) => snapshots.push(snapshot),
            ArchivedPart::Audio(recording) => audio.push(recording),
            ArchivedPart::Contact(owner, contact) => contacts.push((owner, contact)),
            ArchivedPart::Begin(_) | ArchivedPart::Gone(..) | ArchivedPart::Entry(_) => {}
        }
    }
    let none = || group.reader.fault(format!("tenant {tenant} has no objects"));
    let objects = objects.ok_or_else(none)?;
    Ok(GatheredTenant { objects, snapshots, audio, contacts })
}
