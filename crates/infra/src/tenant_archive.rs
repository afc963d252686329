//! All that is kept of a tenant, as an archive has it: objects with their revisions, their history, snapshots under names.

use contracts::json::rfc3339;
use contracts::provisioning::{Object, ObjectAnnex, ObjectKey, ObjectKind};
use model::{TenantId, Timestamp};

use crate::{
    Answer, ChangeNote, ContactOwner, ContactRecords, HistoryEntry, KeptAudio, KeptContact, ObjectChange,
    PromptAudioStore, ProvisioningStore, Result, Revision, ShiftSpan, TenantLife,
};

/// The most snapshots of a tenant.
pub const SNAPSHOTS_MAX: usize = 100;
/// The most bytes of all snapshots of a tenant, as they are stored.
pub const SNAPSHOTS_BYTES_MAX: u64 = 2 << 30;

/// What is told as the kind of a snapshot that was made, removed or restored.
pub const SNAPSHOT_KIND: &str = "snapshot";
/// What is told as the kind of shifts that were replaced.
pub const SHIFTS_KIND: &str = "shifts";
/// What stands between the two times of a span of shifts. No name of a snapshot has it.
const BETWEEN_TIMES: char = '/';

/// The kind of what the history is about, as it is told. That a snapshot was made, removed or restored stands there under the kind of the
/// tenant, with the snapshot's name as id: the tenant itself has none. So does that shifts were replaced, with their span as id.
pub fn kind_told<'a>(kind: &'a str, id: &str) -> &'a str {
    if kind != ObjectKind::Tenant.as_str() || id.is_empty() {
        kind
    } else if id.contains(BETWEEN_TIMES) {
        SHIFTS_KIND
    } else {
        SNAPSHOT_KIND
    }
}

/// Under what it stands in the history that the shifts of a span were replaced.
pub fn key_of_shifts(span: &ShiftSpan) -> ObjectKey {
    let id = format!("{}{BETWEEN_TIMES}{}", rfc3339(span.from), rfc3339(span.to));
    ObjectKey { kind: ObjectKind::Tenant, id }
}

/// A tenant's files as they were, under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSnapshot {
    /// What it is, without the files.
    pub head: SnapshotHead,
    /// The tenant's file.
    pub file: TenantFileText,
    /// The applications' files, by their paths in the tenant's file.
    pub documents: Vec<(String, String)>,
}

/// A text that may have secrets: never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct TenantFileText(pub String);

impl std::fmt::Debug for TenantFileText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TenantFileText({} bytes)", self.0.len())
    }
}

/// What a snapshot is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotHead {
    /// Its name, unique in the tenant.
    pub name: String,
    /// When it was made.
    pub at: Timestamp,
    /// Who has made it.
    pub by: String,
    /// The revision of the tenant at which it was made.
    pub revision: Revision,
}

/// A secret that cannot be opened, of a tenant whose objects cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnopenedSecret {
    /// The object that has it, or a snapshot, as [`kind_told`] says.
    pub key: ObjectKey,
    /// The field, as `agent.pin`; of a snapshot `snapshot`.
    pub field: String,
}

/// Where a tenant stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArchiveBegin {
    /// Its revision.
    pub revision: Revision,
    /// The highest revision of which entries of the history were removed; 0 if none were.
    pub pruned: Revision,
    /// Which tenant of its id it is. An archive of before lives were noted has 0, as such a tenant itself.
    pub life: TenantLife,
}

/// A part of what is kept of a tenant. They come in this order.
#[allow(clippy::large_enum_variant, reason = "a part is handed on at once; a box would cost each an allocation")]
#[derive(Clone, Debug, PartialEq)]
pub enum ArchivedPart {
    /// Where the tenant stands: the first part, once.
    Begin(ArchiveBegin),
    /// An object with its secrets, and the revision that has changed it last; the tenant itself is the first.
    Object(Object, Revision),
    /// What one of these objects has besides the fields of its kind.
    Annex(ObjectKey, ObjectAnnex),
    /// A recording of a prompt, of today or of before.
    Audio(KeptAudio),
    /// A contact of one of the people, or of all of them.
    Contact(ContactOwner, KeptContact),
    /// An object that is gone, and the revision that has deleted it.
    Gone(ObjectKey, Revision),
    /// What happened, the first change first.
    Entry(HistoryEntry),
    /// A snapshot.
    Snapshot(NamedSnapshot),
}

/// Takes the parts of a tenant one by one.
pub type PartTaker<'a> = dyn FnMut(ArchivedPart) -> Result<()> + Send + 'a;
/// Gives the parts of a tenant one by one; none at the end.
pub type PartGiver<'a> = dyn FnMut() -> Result<Option<ArchivedPart>> + Send + 'a;

/// Stored tenants that can be archived, and kept under names.
pub trait TenantArchive: ProvisioningStore + PromptAudioStore + ContactRecords {
    /// Gives everything that is kept of a tenant to `take`, all of it as it is at one moment; whether there is the tenant.
    fn archive<'a>(&'a self, tenant: &'a TenantId, take: &'a mut PartTaker<'_>) -> Answer<'a, bool>;

    /// Makes a tenant of its archive, with the same revisions: all or nothing. The entries of the history get numbers of this store, in
    /// the same order, and one follows under `note`, of the tenant itself as it is, at its revision: it says who has brought the tenant
    /// back. Of all these entries that one alone is new to the audit. It has the life of its archive, unless a tenant of its id has ended
    /// here: then it is another one, with a life of its own.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] when there is the tenant already; [`crate::StoreError::Invalid`] when the parts are no tenant.
    fn restore_archive<'a>(
        &'a self,
        tenant: &'a TenantId,
        give: &'a mut PartGiver<'_>,
        note: &'a ChangeNote,
    ) -> Answer<'a, Revision>;

    /// Keeps a snapshot, and notes that in the history under its name, as [`kind_told`] says; `false` if there is one of its name.
    ///
    /// # Errors
    /// [`crate::StoreError::Full`] when there are [`SNAPSHOTS_MAX`], or they would have more than [`SNAPSHOTS_BYTES_MAX`];
    /// [`crate::StoreError::Invalid`] when there is no such tenant.
    fn keep_snapshot<'a>(
        &'a self,
        tenant: &'a TenantId,
        snapshot: &'a NamedSnapshot,
        note: &'a ChangeNote,
    ) -> Answer<'a, bool>;

    /// The snapshots of a tenant, the first one first.
    fn snapshots<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<SnapshotHead>>;

    /// One of them.
    fn snapshot<'a>(&'a self, tenant: &'a TenantId, name: &'a str) -> Answer<'a, Option<NamedSnapshot>>;

    /// Changes the tenant as [`ProvisioningStore::update`] does, to be as in one of them. The history notes that under its name as well, as
    /// it was and with the revision of the tenant to which it was restored.
    ///
    /// # Errors
    /// Those of [`ProvisioningStore::update`].
    fn restore_snapshot<'a>(
        &'a self,
        tenant: &'a TenantId,
        expected: Revision,
        changes: Vec<ObjectChange>,
        of: &'a SnapshotHead,
        note: &'a ChangeNote,
    ) -> Answer<'a, Revision>;

    /// Removes one, and notes that as well; `false` if there is none of that name.
    fn remove_snapshot<'a>(&'a self, tenant: &'a TenantId, name: &'a str, note: &'a ChangeNote) -> Answer<'a, bool>;

    /// What cannot be opened of a tenant, found without its objects: these may be damaged so that nobody reads them. With a note these
    /// secrets are emptied and these snapshots removed, which the history says of the tenant itself; without one nothing changes. Of
    /// what roles seal themselves, as second factors, nothing is known here.
    fn unopened<'a>(
        &'a self,
        tenant: &'a TenantId,
        forgotten: Option<&'a ChangeNote>,
    ) -> Answer<'a, Vec<UnopenedSecret>>;
}
