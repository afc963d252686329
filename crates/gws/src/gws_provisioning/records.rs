//! A session, as it is kept: sealed, since it has names of people.

use std::time::Duration;

use bayeux::HubSnapshot;
use contracts::v1;
use infra::SignInKind;
use model::{TenantId, Timestamp};
use prost::Message as _;

use super::sign_in::ProvisioningSignIn;
use crate::bayeux_hub_record;
use crate::sessions::person_sign_in::PersonSignIn;
use crate::sessions::record::{RECORD_BYTES_MAX, SessionRecord};

/// The form of the record that is written.
const VERSION: u32 = 1;
/// For how long a session goes on by one token: auth cannot be asked again, since the token is over after minutes. A working day.
const LIFE: Duration = Duration::from_secs(12 * 3_600);

/// A session in the store.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct KeptProvisioning {
    /// The sign-in that it goes by.
    pub sign_in: ProvisioningSignIn,
    /// When its token was shown.
    pub begun_at: Timestamp,
    /// The run of the replica that has it.
    pub holder: String,
    /// When it was seen last that the sign-in is not revoked.
    pub checked_at: Timestamp,
    /// When the program has asked for something last.
    pub used_at: Timestamp,
    /// The clients of Bayeux.
    pub hub: HubSnapshot,
    /// The greatest number of an operation.
    pub last_number: u64,
    /// Operations whose outcome some client may not have.
    pub operations: Vec<PendingOperation>,
    /// Which changes are told.
    pub watch: Option<ObjectWatch>,
    /// Tables that can be fetched.
    pub exports: Vec<ExportJob>,
    /// The number of the last of them that was asked for.
    pub last_export: u64,
    /// The last import.
    pub import: Option<ImportProgress>,
}

/// An operation whose outcome comes by a notification. It only reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PendingOperation {
    /// Its number in the session, from 1.
    pub number: u64,
    /// As the client calls it.
    pub id: String,
    /// The end of its path.
    pub name: String,
    /// Its query.
    pub query: Vec<(String, String)>,
}

/// Changes of objects that are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ObjectWatch {
    /// The kinds of objects; none means all.
    pub kinds: Vec<String>,
    /// The number of the last change that was told, or looked at.
    pub after: u64,
    /// The revision of the tenant whose changes, and those before, have all been told or looked at.
    pub since: u64,
}

/// A table of people that was asked for. It is made when it is fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ExportJob {
    /// Its id.
    pub id: String,
    /// The name of the file.
    pub file_name: String,
    /// The columns; none means those that an import takes.
    pub fields: Vec<String>,
    /// The numbers of the people; none means all.
    pub people: Vec<u32>,
    /// Which people, as the query of a list.
    pub query: Vec<(String, String)>,
}

/// How far an import is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ImportProgress {
    /// Whether it goes on.
    pub is_under_way: bool,
    /// Lines of the table.
    pub total: u32,
    /// Lines that were taken.
    pub succeeded: u32,
    /// What is wrong with lines.
    pub failed: Vec<String>,
    /// Whether nobody knows if the table was taken.
    pub is_unknown: bool,
    /// The name of the request by which it is taken; empty where there is none.
    pub request: String,
}

impl SessionRecord for KeptProvisioning {
    const KIND: SignInKind = SignInKind::Provisioning;
    const LISTED_AS: &'static str = "provisioning";
    const SEALED_AS: &'static str = "provisioning session";

    fn owner(&self) -> &str {
        &self.sign_in.person.user
    }

    fn holder(&self) -> &str {
        &self.holder
    }

    fn used_at(&self) -> Timestamp {
        self.used_at
    }

    fn held_by(self, holder: String, goes_on_at: Option<Timestamp>) -> Self {
        let (checked_at, used_at) = goes_on_at.map_or((self.checked_at, self.used_at), |now| (now, now));
        Self { holder, checked_at, used_at, ..self }
    }

    fn encoded(&self) -> Option<Vec<u8>> {
        Some(fitting(self.record()).encode_to_vec())
    }

    fn decoded(tenant: &TenantId, plain: &[u8]) -> Option<Self> {
        Self::of_record(tenant, v1::ProvisioningSessionRecord::decode(plain).ok()?)
    }
}

impl KeptProvisioning {
    /// A session in which nothing has happened yet.
    pub fn begun(sign_in: ProvisioningSignIn, holder: String, now: Timestamp) -> Self {
        Self {
            sign_in,
            begun_at: now,
            holder,
            checked_at: now,
            used_at: now,
            hub: HubSnapshot::default(),
            last_number: 0,
            operations: Vec::new(),
            watch: None,
            exports: Vec::new(),
            last_export: 0,
            import: None,
        }
    }

    /// When it ends, unless a token of the person is shown again.
    pub fn ends_at(&self) -> Timestamp {
        self.begun_at + LIFE
    }

    fn record(&self) -> v1::ProvisioningSessionRecord {
        let Self { sign_in, .. } = self;
        v1::ProvisioningSessionRecord {
            version: VERSION,
            user: sign_in.person.user.clone(),
            scopes: sign_in.person.scopes.clone(),
            sign_in: sign_in.person.sign_in.clone(),
            token_id: sign_in.person.token_id.clone(),
            token_issued_at_s: sign_in.person.issued_at,
            holder: self.holder.clone(),
            checked_at_us: self.checked_at.as_micros(),
            used_at_us: self.used_at.as_micros(),
            hub: Some(bayeux_hub_record::hub(&self.hub)),
            last_number: self.last_number,
            operations: self.operations.iter().map(operation).collect(),
            watch: self.watch.as_ref().map(watch),
            exports: self.exports.iter().map(export).collect(),
            last_export: self.last_export,
            last_import: self.import.as_ref().map(import),
            client: sign_in.client.clone(),
            begun_at_us: self.begun_at.as_micros(),
        }
    }

    fn of_record(tenant: &TenantId, record: v1::ProvisioningSessionRecord) -> Option<Self> {
        if record.version != VERSION {
            return None;
        }
        let person = PersonSignIn {
            tenant: tenant.clone(),
            user: record.user,
            scopes: record.scopes,
            sign_in: record.sign_in,
            token_id: record.token_id,
            issued_at: record.token_issued_at_s,
        };
        let sign_in = ProvisioningSignIn { person, client: record.client };
        Some(Self {
            sign_in,
            // Of a record of a build before.
            begun_at: Timestamp::from_micros(if record.begun_at_us == 0 {
                record.checked_at_us
            } else {
                record.begun_at_us
            }),
            holder: record.holder,
            checked_at: Timestamp::from_micros(record.checked_at_us),
            used_at: Timestamp::from_micros(record.used_at_us),
            hub: bayeux_hub_record::hub_of(record.hub?)?,
            last_number: record.last_number,
            operations: record.operations.into_iter().map(operation_of).collect(),
            watch: record.watch.map(watch_of),
            exports: record.exports.into_iter().map(export_of).collect(),
            last_export: record.last_export,
            import: record.last_import.map(import_of),
        })
    }
}

/// The names and values of a query, one behind the other.
fn flat(query: &[(String, String)]) -> Vec<String> {
    query.iter().flat_map(|(name, value)| [name.clone(), value.clone()]).collect()
}

fn pairs(flat: &[String]) -> Vec<(String, String)> {
    let pair = |pair: &[String]| match pair {
        [name, value] => Some((name.clone(), value.clone())),
        _ => None,
    };
    flat.chunks(2).filter_map(pair).collect()
}

fn operation(one: &PendingOperation) -> v1::ProvisioningOperationRecord {
    v1::ProvisioningOperationRecord {
        number: one.number,
        id: one.id.clone(),
        name: one.name.clone(),
        query: flat(&one.query),
    }
}

fn operation_of(record: v1::ProvisioningOperationRecord) -> PendingOperation {
    PendingOperation { number: record.number, id: record.id, name: record.name, query: pairs(&record.query) }
}

fn watch(watch: &ObjectWatch) -> v1::ProvisioningWatchRecord {
    v1::ProvisioningWatchRecord { kinds: watch.kinds.clone(), after: watch.after, since: watch.since }
}

fn watch_of(record: v1::ProvisioningWatchRecord) -> ObjectWatch {
    ObjectWatch { kinds: record.kinds, after: record.after, since: record.since }
}

fn export(job: &ExportJob) -> v1::ProvisioningExportRecord {
    v1::ProvisioningExportRecord {
        id: job.id.clone(),
        file_name: job.file_name.clone(),
        fields: job.fields.clone(),
        people: job.people.clone(),
        query: flat(&job.query),
    }
}

fn export_of(record: v1::ProvisioningExportRecord) -> ExportJob {
    let v1::ProvisioningExportRecord { id, file_name, fields, people, query } = record;
    ExportJob { id, file_name, fields, people, query: pairs(&query) }
}

fn import(progress: &ImportProgress) -> v1::ProvisioningImportRecord {
    v1::ProvisioningImportRecord {
        under_way: progress.is_under_way,
        total: progress.total,
        succeeded: progress.succeeded,
        failed: progress.failed.clone(),
        unknown: progress.is_unknown,
        request: progress.request.clone(),
    }
}

fn import_of(record: v1::ProvisioningImportRecord) -> ImportProgress {
    ImportProgress {
        is_under_way: record.under_way,
        total: record.total,
        succeeded: record.succeeded,
        failed: record.failed,
        is_unknown: record.unknown,
        request: record.request,
    }
}

/// A record that the store takes. For want of room it has no tables to be fetched and not what is wrong with an import. If that does not
/// suffice, it has no clients: they are taken again under their ids.
fn fitting(mut record: v1::ProvisioningSessionRecord) -> v1::ProvisioningSessionRecord {
    if record.encoded_len() > RECORD_BYTES_MAX {
        record.exports.clear();
        if let Some(import) = &mut record.last_import {
            import.failed.clear();
        }
    }
    if record.encoded_len() > RECORD_BYTES_MAX
        && let Some(hub) = &mut record.hub
    {
        hub.clients.clear();
        hub.early.clear();
    }
    record
}

#[cfg(test)]
mod tests {
    use infra::bounds::SIGN_IN_VALUE_MAX;
    use runtime::installation_key::InstallationKey;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    impl KeptProvisioning {
        /// A session in which nothing has happened yet.
        pub fn of_test(user: &str, now: Timestamp) -> Self {
            Self::begun(ProvisioningSignIn::of_test(user), "a.1".to_owned(), now)
        }
    }

    fn whole() -> KeptProvisioning {
        let text = str::to_owned;
        KeptProvisioning {
            last_number: 9,
            operations: vec![PendingOperation {
                number: 9,
                id: text("a-1"),
                name: text("get-users"),
                query: vec![(text("limit"), text("5")), (text("skills"), text("French"))],
            }],
            watch: Some(ObjectWatch { kinds: vec![text("person")], after: 12, since: 7 }),
            exports: vec![ExportJob {
                id: text("7"),
                file_name: text("people.csv"),
                fields: vec![text("userName")],
                people: vec![1, u32::MAX >> 1],
                query: vec![(text("skills"), text("French"))],
            }],
            last_export: 7,
            import: Some(ImportProgress {
                is_under_way: false,
                total: 3,
                succeeded: 2,
                failed: vec![text("line 2, column skills: there is no skill Patience")],
                is_unknown: true,
                request: text("june"),
            }),
            ..KeptProvisioning::of_test("ada", NOW)
        }
    }

    #[test]
    fn a_session_goes_on_by_one_token_for_a_working_day_whoever_has_it() {
        let (tenant, kept) = (TenantId::parse("acme").unwrap(), KeptProvisioning::of_test("ada", NOW));
        let later = KeptProvisioning { checked_at: NOW + LIFE, used_at: NOW + LIFE, ..kept };
        let read = KeptProvisioning::of_record(&tenant, later.record()).unwrap();
        assert_eq!(read.ends_at().since(NOW), LIFE);
    }

    #[test]
    fn a_session_is_opened_as_it_was_under_its_own_name_alone() {
        let (key, tenant) = (InstallationKey::from_bytes([7; 32]), TenantId::parse("acme").unwrap());
        let sealed = whole().seal(&key, "one").unwrap();
        assert!(!sealed.windows(3).any(|part| part == b"ada"), "it is not there in clear");
        assert_eq!(KeptProvisioning::open(&key, &tenant, "one", &sealed), Some(whole()));
        assert_eq!(KeptProvisioning::open(&key, &tenant, "two", &sealed), None);
        let later = v1::ProvisioningSessionRecord { version: VERSION + 1, ..whole().record() };
        assert_eq!(KeptProvisioning::of_record(&tenant, later), None);
    }

    #[test]
    fn a_record_always_fits_and_keeps_what_is_to_be_told() {
        let (key, tenant) = (InstallationKey::from_bytes([7; 32]), TenantId::parse("acme").unwrap());
        let mut large = whole();
        large.exports = vec![ExportJob { people: vec![u32::MAX >> 1; 5_000], ..ExportJob::default() }];
        let sealed = large.seal(&key, "one").unwrap();
        assert!(sealed.len() <= SIGN_IN_VALUE_MAX, "{}", sealed.len());
        let kept = KeptProvisioning::open(&key, &tenant, "one", &sealed).unwrap();
        assert_eq!((kept.operations, kept.watch), (large.operations, large.watch));
        assert!(kept.exports.is_empty());
    }
}
