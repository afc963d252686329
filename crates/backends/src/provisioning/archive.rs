//! All that is kept of a tenant, read and written part by part.

use std::collections::HashSet;

use contracts::provisioning::{Object, ObjectAnnex, ObjectKey, ObjectKind};
use futures::FutureExt as _;
use infra::{
    Answer, ArchiveBegin, ArchivedPart, ChangeNote, HistoryEntry, HistoryPoint, NamedSnapshot, ObjectChange, PartGiver,
    PartTaker, Result, Revision, SnapshotHead, StoreError, TenantArchive, UnopenedSecret,
};
use model::TenantId;

use super::gathered::GatheredRows;
use super::personal_records::contacts;
use super::{
    Dialect, Tables, Turn, audit_outbox, documents, history, life, number, prompt_audio, read, revisions, sealing,
    snapshots, tenant_standing, write as objects,
};

/// Entries of the history that are read at once at most.
const AT_ONCE: u32 = 500;

impl<D: Dialect> TenantArchive for Tables<D> {
    fn archive<'a>(&'a self, tenant: &'a TenantId, take: &'a mut PartTaker<'_>) -> Answer<'a, bool> {
        async move {
            let mut turn = self.0.reads().await?;
            read(&mut *turn, tenant, take).await
        }
        .boxed()
    }

    fn restore_archive<'a>(
        &'a self,
        tenant: &'a TenantId,
        give: &'a mut PartGiver<'_>,
        note: &'a ChangeNote,
    ) -> Answer<'a, Revision> {
        async move {
            let mut turn = self.0.writes(tenant).await?;
            let mut sealed = || -> Result<Option<ArchivedPart>> {
                give()?.map(|part| sealing::part(&self.1, tenant, part)).transpose()
            };
            let point = write(&mut *turn, tenant, &mut sealed, note).await?;
            self.commit_to(turn, tenant, point).await?;
            Ok(point.revision)
        }
        .boxed()
    }

    fn keep_snapshot<'a>(
        &'a self,
        tenant: &'a TenantId,
        snapshot: &'a NamedSnapshot,
        note: &'a ChangeNote,
    ) -> Answer<'a, bool> {
        async move {
            let sealed = sealing::snapshot(&self.1, tenant, snapshot).await?;
            let mut turn = self.0.writes(tenant).await?;
            let is_kept = snapshots::keep(&mut *turn, tenant, &sealed, note).await?;
            turn.commit().await?;
            Ok(is_kept)
        }
        .boxed()
    }

    fn snapshots<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<SnapshotHead>> {
        async move { snapshots::heads(&mut *self.0.reads().await?, tenant).await }.boxed()
    }

    fn snapshot<'a>(&'a self, tenant: &'a TenantId, name: &'a str) -> Answer<'a, Option<NamedSnapshot>> {
        async move {
            let found = snapshots::find(&mut *self.0.reads().await?, tenant, name).await?;
            match found {
                Some(stored) => sealing::opened_snapshot(&self.1, tenant, stored).await.map(Some),
                None => Ok(None),
            }
        }
        .boxed()
    }

    fn restore_snapshot<'a>(
        &'a self,
        tenant: &'a TenantId,
        expected: Revision,
        changes: Vec<ObjectChange>,
        of: &'a SnapshotHead,
        note: &'a ChangeNote,
    ) -> Answer<'a, Revision> {
        self.changed(tenant, expected, changes, note, Some(of))
    }

    fn remove_snapshot<'a>(&'a self, tenant: &'a TenantId, name: &'a str, note: &'a ChangeNote) -> Answer<'a, bool> {
        async move {
            let mut turn = self.0.writes(tenant).await?;
            let is_removed = snapshots::remove(&mut *turn, tenant, name, note).await?;
            turn.commit().await?;
            Ok(is_removed)
        }
        .boxed()
    }

    fn unopened<'a>(
        &'a self,
        tenant: &'a TenantId,
        forgotten: Option<&'a ChangeNote>,
    ) -> Answer<'a, Vec<UnopenedSecret>> {
        async move {
            let Some(note) = forgotten else {
                return sealing::unopened(&self.1, &mut *self.0.reads().await?, tenant, None).await;
            };
            let mut turn = self.0.writes(tenant).await?;
            let found = sealing::unopened(&self.1, &mut *turn, tenant, Some(note)).await?;
            turn.commit().await?;
            Ok(found)
        }
        .boxed()
    }
}

/// Gives every part to `take`, in the order of an archive; whether there is the tenant.
pub(super) async fn read(db: &mut dyn Turn, tenant: &TenantId, take: &mut PartTaker<'_>) -> Result<bool> {
    let Some(revision) = revisions::of_tenant(db, tenant).await? else { return Ok(false) };
    let pruned = history::pruned(db, tenant).await?;
    let life = tenant_standing::life(db, tenant).await?.unwrap_or_default();
    take(ArchivedPart::Begin(ArchiveBegin { revision, pruned, life }))?;
    let mut revisions = revisions::of_objects(db, tenant).await?;
    let mut objects = read::objects(db, tenant).await?;
    let annexes = std::mem::take(&mut objects.annexes);
    for object in objects.objects() {
        let of_object = revisions.remove(&object.key()).unwrap_or(revision);
        take(ArchivedPart::Object(object, of_object))?;
    }
    drop(objects);
    for (key, annex) in annexes {
        take(ArchivedPart::Annex(key, annex))?;
    }
    prompt_audio::archive(db, tenant, take).await?;
    contacts::archive(db, tenant, take).await?;
    let mut gone: Vec<(ObjectKey, Revision)> = revisions.into_iter().collect();
    gone.sort();
    for (key, revision) in gone {
        take(ArchivedPart::Gone(key, revision))?;
    }
    let begin = tenant_standing::log_begin(db, tenant).await?.unwrap_or_default();
    let mut last = Some(u64::try_from(begin).unwrap_or_default());
    while let Some(after) = last {
        let (entries, end) = history::after(db, tenant, after, AT_ONCE).await?;
        for entry in entries {
            take(ArchivedPart::Entry(entry))?;
        }
        last = end;
    }
    for head in snapshots::heads(db, tenant).await? {
        if let Some(snapshot) = snapshots::find(db, tenant, &head.name).await? {
            take(ArchivedPart::Snapshot(snapshot))?;
        }
    }
    Ok(true)
}

/// Makes a tenant of the parts, and notes that. It must not exist.
pub(super) async fn write(
    db: &mut dyn Turn,
    tenant: &TenantId,
    give: &mut PartGiver<'_>,
    note: &ChangeNote,
) -> Result<HistoryPoint> {
    if let Some(present) = revisions::of_tenant(db, tenant).await? {
        let key = format!("configuration of {tenant}");
        return Err(StoreError::Conflict { key, expected: 0, actual: present.0 });
    }
    tenant_standing::expect_gone(db, tenant).await?;
    let wrong = |what: &str| StoreError::Invalid(format!("the archive of tenant {tenant}: {what}"));
    let Some(ArchivedPart::Begin(begin)) = give()? else { return Err(wrong("it does not begin with a revision")) };
    let ArchiveBegin { revision, pruned, .. } = begin;
    let behind = audit_outbox::last_change(db).await?;
    let mut rows = GatheredRows::of(db);
    let mut held = HeldObjects::default();
    let mut own: Option<String> = None;
    while let Some(part) = give()? {
        match part {
            ArchivedPart::Object(object, of_object) if own.is_none() => {
                held.objects.push((object, of_object));
                continue;
            }
            ArchivedPart::Annex(key, annex) if own.is_none() => {
                held.annexes.push((key, annex));
                continue;
            }
            ArchivedPart::Object(..) | ArchivedPart::Annex(..) => {
                return Err(wrong("an object stands behind what is no object"));
            }
            ArchivedPart::Begin(_) => return Err(wrong("it begins twice")),
            _ => {}
        }
        if own.is_none() {
            own = Some(write_objects(&mut rows, tenant, begin, std::mem::take(&mut held)).await?);
        }
        match part {
            ArchivedPart::Gone(key, revision) => objects::note(&mut rows, tenant, key, number(revision.0)).await?,
            ArchivedPart::Entry(entry) => history::put(&mut rows, tenant, entry).await?,
            ArchivedPart::Snapshot(snapshot) => snapshots::put(&mut rows, tenant, &snapshot).await?,
            ArchivedPart::Audio(audio) => prompt_audio::put(&mut rows, tenant, &audio, note.at).await?,
            ArchivedPart::Contact(owner, contact) => contacts::put(&mut rows, tenant, &owner, &contact).await?,
            ArchivedPart::Begin(_) | ArchivedPart::Object(..) | ArchivedPart::Annex(..) => {}
        }
    }
    let own = match own {
        Some(own) => own,
        None => write_objects(&mut rows, tenant, begin, held).await?,
    };
    rows.flush().await?;
    audit_outbox::pass_over_changes(db, tenant, behind).await?;
    let key = ObjectKey { kind: ObjectKind::Tenant, id: String::new() };
    let (before, after) = (Some(own.clone()), Some(own));
    let entry = HistoryEntry { number: 0, revision, note: note.clone(), key, before, after, secrets_changed: false };
    history::put(db, tenant, entry).await?;
    history::pruned_to(db, tenant, number(pruned.0)).await?;
    // Its history goes on from here, whatever came after this revision in the one that was archived.
    revisions::stamp(db, tenant, revision).await
}

/// Objects, and what they have besides the fields of their kinds.
#[derive(Default)]
struct HeldObjects {
    objects: Vec<(Object, Revision)>,
    annexes: Vec<(ObjectKey, ObjectAnnex)>,
}

/// The objects at once, since the tables check references between them; then the revision of each. The tenant itself, as the history shows
/// it.
async fn write_objects(db: &mut dyn Turn, tenant: &TenantId, begin: ArchiveBegin, held: HeldObjects) -> Result<String> {
    let ArchiveBegin { revision, life, .. } = begin;
    let HeldObjects { objects: held, annexes } = held;
    let Some((own @ Object::Tenant(_), _)) = held.first() else {
        return Err(StoreError::Invalid(format!(
            "the archive of tenant {tenant} does not begin with the tenant itself"
        )));
    };
    let own_key = own.key();
    let annex = annexes.iter().find(|(key, _)| *key == own_key).map(|(_, annex)| annex);
    let own = history::shown(own, annex);
    let revisions: Vec<_> = held.iter().map(|(object, revision)| (object.key(), *revision)).collect();
    let is_held: HashSet<&ObjectKey> = revisions.iter().map(|(key, _)| key).collect();
    if let Some((key, _)) = annexes.iter().find(|(key, _)| !is_held.contains(key)) {
        let (kind, id) = (key.kind.as_str(), &key.id);
        return Err(StoreError::Invalid(format!(
            "the archive of tenant {tenant} has an annex of no object: {kind} {id}"
        )));
    }
    let annexes = annexes.into_iter().map(|(key, annex)| ObjectChange::Annex(key, annex));
    let puts = held.into_iter().map(|(object, _)| ObjectChange::Put(object)).chain(annexes).collect();
    objects::changes(db, tenant, revision, puts, &|_| true).await?;
    documents::allow_names_of_nothing(db, tenant).await?;
    // Without an end of it here the tables were lost, and not the tenant: what others keep of it is still its own.
    let life = (!life::has_ended_before(db, tenant).await?).then_some(life);
    life::begin(db, tenant, life).await?;
    let mut rows = GatheredRows::of(db);
    for (key, of_object) in revisions.into_iter().filter(|(_, of_object)| *of_object != revision) {
        objects::note(&mut rows, tenant, key, number(of_object.0)).await?;
    }
    rows.flush().await?;
    Ok(own)
}
