//! A store for those who need none.

use contracts::provisioning::{Object, ObjectKey, TenantObjects};
use contracts::sign_in_audit::SignInRecord;
use model::{TenantId, Timestamp};

use crate::{
    Answer, ApiKey, ApiKeys, AuditBatch, AuditOutbox, AuditPage, AuditPart, ChangeNote, ContactAdded, ContactChanged,
    ContactOwner, ContactRecords, Favourite, FavouriteAgain, FavouriteKept, HistoryEntry, HistoryPage, HistoryPoint,
    ImportEnd, ImportPage, KeptApiKey, KeptAudio, KeptContact, NamedSnapshot, NewApiKey, ObjectChange, ObjectChanges,
    PartGiver, PartTaker, PasskeyKept, PasskeyRemoved, Passkeys, PeopleImport, PeopleImports, PersonalRecords,
    PersonalSetting, PromptAudioStore, ProvisioningStore, RecentTarget, Revision, SearchTerm, SettingKept,
    SharedContacts, ShiftSpan, ShiftTerms, Shifts, ShiftsReplaced, SignInAudit, SnapshotHead, StoreError,
    StoredPasskey, StoredShift, TargetName, TenantArchive, UnopenedSecret, VersionedObjects,
};

/// A persistent configuration that refuses everything: for tests of roles that have no access to it.
pub struct NoProvisioning;

fn refused<T: Send + 'static>() -> Answer<'static, T> {
    Box::pin(async { Err(StoreError::Invalid("there is no provisioning store".to_owned())) })
}

impl ProvisioningStore for NoProvisioning {
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, Revision)>> {
        refused()
    }

    fn load<'a>(&'a self, _: &'a TenantId) -> Answer<'a, Option<(Revision, TenantObjects)>> {
        refused()
    }

    fn versioned<'a>(&'a self, _: &'a TenantId) -> Answer<'a, Option<VersionedObjects>> {
        refused()
    }

    fn find_versioned<'a>(&'a self, _: &'a TenantId, _: &'a ObjectKey) -> Answer<'a, Option<(Revision, Object)>> {
        refused()
    }

    fn update<'a>(
        &'a self,
        _: &'a TenantId,
        _: Revision,
        _: Vec<ObjectChange>,
        _: &'a ChangeNote,
    ) -> Answer<'a, Revision> {
        refused()
    }

    fn history<'a>(&'a self, _: &'a TenantId, _: &'a HistoryPage) -> Answer<'a, Vec<HistoryEntry>> {
        refused()
    }

    fn entry_at<'a>(&'a self, _: &'a TenantId, _: &'a ObjectKey, _: Revision) -> Answer<'a, Option<HistoryEntry>> {
        refused()
    }

    fn request<'a>(&'a self, _: &'a TenantId, _: &'a str, _: &'a str, _: Timestamp) -> Answer<'a, Vec<HistoryEntry>> {
        refused()
    }

    fn next_generation<'a>(&'a self, _: &'a TenantId, _: u64) -> Answer<'a, u64> {
        refused()
    }

    fn generation<'a>(&'a self, _: &'a TenantId) -> Answer<'a, u64> {
        refused()
    }

    fn changes<'a>(&'a self, _: &'a TenantId, _: HistoryPoint) -> Answer<'a, ObjectChanges> {
        refused()
    }
}

impl PromptAudioStore for NoProvisioning {
    fn keep_audio<'a>(&'a self, _: &'a TenantId, _: &'a KeptAudio, _: Timestamp) -> Answer<'a, ()> {
        refused()
    }

    fn forget_audio<'a>(&'a self, _: &'a TenantId, _: Timestamp) -> Answer<'a, u64> {
        refused()
    }

    fn audio<'a>(&'a self, _: &'a TenantId, _: &'a str) -> Answer<'a, Option<KeptAudio>> {
        refused()
    }
}

impl TenantArchive for NoProvisioning {
    fn archive<'a>(&'a self, _: &'a TenantId, _: &'a mut PartTaker<'_>) -> Answer<'a, bool> {
        refused()
    }

    fn restore_archive<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a mut PartGiver<'_>,
        _: &'a ChangeNote,
    ) -> Answer<'a, Revision> {
        refused()
    }

    fn keep_snapshot<'a>(&'a self, _: &'a TenantId, _: &'a NamedSnapshot, _: &'a ChangeNote) -> Answer<'a, bool> {
        refused()
    }

    fn snapshots<'a>(&'a self, _: &'a TenantId) -> Answer<'a, Vec<SnapshotHead>> {
        refused()
    }

    fn snapshot<'a>(&'a self, _: &'a TenantId, _: &'a str) -> Answer<'a, Option<NamedSnapshot>> {
        refused()
    }

    fn restore_snapshot<'a>(
        &'a self,
        _: &'a TenantId,
        _: Revision,
        _: Vec<ObjectChange>,
        _: &'a SnapshotHead,
        _: &'a ChangeNote,
    ) -> Answer<'a, Revision> {
        refused()
    }

    fn remove_snapshot<'a>(&'a self, _: &'a TenantId, _: &'a str, _: &'a ChangeNote) -> Answer<'a, bool> {
        refused()
    }

    fn unopened<'a>(&'a self, _: &'a TenantId, _: Option<&'a ChangeNote>) -> Answer<'a, Vec<UnopenedSecret>> {
        refused()
    }
}

impl SignInAudit for NoProvisioning {
    fn note<'a>(&'a self, _: &'a [(TenantId, SignInRecord)]) -> Answer<'a, ()> {
        refused()
    }

    fn noted<'a>(&'a self, _: &'a TenantId, _: &'a AuditPage) -> Answer<'a, AuditPart> {
        refused()
    }

    fn forget_before(&self, _: Timestamp, _: u32) -> Answer<'_, u64> {
        refused()
    }
}

impl AuditOutbox for NoProvisioning {
    fn waiting<'a>(&'a self, _: u32, _: &'a str) -> Answer<'a, AuditBatch> {
        refused()
    }

    fn waits_since(&self) -> Answer<'_, Option<Timestamp>> {
        refused()
    }

    fn sent<'a>(&'a self, _: &'a [u64]) -> Answer<'a, ()> {
        refused()
    }
}

impl ApiKeys for NoProvisioning {
    fn keep_api_key<'a>(&'a self, _: &'a TenantId, _: &'a NewApiKey) -> Answer<'a, Option<ApiKey>> {
        refused()
    }

    fn api_keys<'a>(&'a self, _: &'a TenantId) -> Answer<'a, Vec<ApiKey>> {
        refused()
    }

    fn find_api_key<'a>(&'a self, _: &'a str) -> Answer<'a, Option<KeptApiKey>> {
        refused()
    }

    fn note_api_key_use<'a>(&'a self, _: &'a TenantId, _: &'a str, _: Timestamp, _: Timestamp) -> Answer<'a, ()> {
        refused()
    }

    fn revoke_api_key<'a>(&'a self, _: &'a TenantId, _: &'a str, _: &'a ChangeNote) -> Answer<'a, bool> {
        refused()
    }

    fn revoked_api_keys(&self, _: Timestamp, _: u32) -> Answer<'_, Vec<(TenantId, String)>> {
        refused()
    }

    fn forget_api_keys(&self, _: Timestamp, _: u32) -> Answer<'_, u64> {
        refused()
    }
}

impl Passkeys for NoProvisioning {
    fn keep<'a>(&'a self, _: &'a TenantId, _: &'a StoredPasskey, _: usize) -> Answer<'a, PasskeyKept> {
        refused()
    }

    fn of_person<'a>(&'a self, _: &'a TenantId, _: &'a str) -> Answer<'a, Vec<StoredPasskey>> {
        refused()
    }

    fn find_passkey<'a>(&'a self, _: &'a str) -> Answer<'a, Option<(TenantId, StoredPasskey)>> {
        refused()
    }

    fn note_use<'a>(&'a self, _: &'a TenantId, _: &'a str, _: u32, _: Timestamp) -> Answer<'a, bool> {
        refused()
    }

    fn remove<'a>(&'a self, _: &'a TenantId, _: &'a str, _: &'a str) -> Answer<'a, bool> {
        refused()
    }

    fn remove_but_last<'a>(&'a self, _: &'a TenantId, _: &'a str, _: &'a str) -> Answer<'a, PasskeyRemoved> {
        refused()
    }

    fn remove_others<'a>(&'a self, _: &'a TenantId, _: &'a str, _: Option<&'a str>) -> Answer<'a, u64> {
        refused()
    }
}

impl PersonalRecords for NoProvisioning {
    fn favourites<'a>(&'a self, _: &'a TenantId, _: &'a str) -> Answer<'a, Vec<Favourite>> {
        refused()
    }

    fn keep_favourite<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a str,
        _: &'a Favourite,
        _: FavouriteAgain,
    ) -> Answer<'a, FavouriteKept> {
        refused()
    }

    fn remove_favourite<'a>(&'a self, _: &'a TenantId, _: &'a str, _: &'a TargetName) -> Answer<'a, bool> {
        refused()
    }

    fn recents<'a>(&'a self, _: &'a TenantId, _: &'a str) -> Answer<'a, Vec<RecentTarget>> {
        refused()
    }

    fn note_recent<'a>(&'a self, _: &'a TenantId, _: &'a str, _: &'a RecentTarget) -> Answer<'a, bool> {
        refused()
    }

    fn acknowledge_missed<'a>(&'a self, _: &'a TenantId, _: &'a str, _: Timestamp) -> Answer<'a, u64> {
        refused()
    }

    fn settings<'a>(&'a self, _: &'a TenantId, _: &'a str) -> Answer<'a, Vec<PersonalSetting>> {
        refused()
    }

    fn keep_setting<'a>(&'a self, _: &'a TenantId, _: &'a str, _: &'a PersonalSetting) -> Answer<'a, SettingKept> {
        refused()
    }

    fn remove_setting<'a>(&'a self, _: &'a TenantId, _: &'a str, _: &'a str) -> Answer<'a, bool> {
        refused()
    }
}

impl ContactRecords for NoProvisioning {
    fn contacts<'a>(&'a self, _: &'a TenantId, _: &'a ContactOwner) -> Answer<'a, Vec<KeptContact>> {
        refused()
    }

    fn add_contact<'a>(&'a self, _: &'a TenantId, _: &'a ContactOwner, _: &'a KeptContact) -> Answer<'a, ContactAdded> {
        refused()
    }

    fn shared_contacts<'a>(&'a self, _: &'a TenantId, _: &'a [SearchTerm], _: usize) -> Answer<'a, SharedContacts> {
        refused()
    }

    fn contact<'a>(&'a self, _: &'a TenantId, _: &'a ContactOwner, _: &'a str) -> Answer<'a, Option<KeptContact>> {
        refused()
    }

    fn change_contact<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a ContactOwner,
        _: Timestamp,
        _: &'a KeptContact,
    ) -> Answer<'a, ContactChanged> {
        refused()
    }

    fn remove_contact<'a>(&'a self, _: &'a TenantId, _: &'a ContactOwner, _: &'a str) -> Answer<'a, bool> {
        refused()
    }
}

impl PeopleImports for NoProvisioning {
    fn import_begins<'a>(&'a self, _: &'a TenantId, _: &'a PeopleImport) -> Answer<'a, ()> {
        refused()
    }

    fn import_ends<'a>(&'a self, _: &'a TenantId, _: &'a str, _: &'a ImportEnd) -> Answer<'a, bool> {
        refused()
    }

    fn imports<'a>(&'a self, _: &'a TenantId, _: &'a ImportPage) -> Answer<'a, Vec<PeopleImport>> {
        refused()
    }

    fn forget_imports_before(&self, _: Timestamp) -> Answer<'_, u64> {
        refused()
    }
}

impl Shifts for NoProvisioning {
    fn shifts_of<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a [String],
        _: (Timestamp, Timestamp),
        _: usize,
    ) -> Answer<'a, Vec<StoredShift>> {
        refused()
    }

    fn replace_shifts<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a ShiftSpan,
        _: &'a [StoredShift],
        _: ShiftTerms,
        _: &'a ChangeNote,
    ) -> Answer<'a, ShiftsReplaced> {
        refused()
    }
}
