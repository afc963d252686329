//! Tables of people that were sent here: who has sent which one, when, and how it came out. It is in the database (gws-23), so that it is
//! told when the session is gone by which a table came, and the store of sessions was emptied.

use std::sync::Arc;
use std::time::Duration;

use infra::{Clock, ImportEnd, ImportPage, PeopleImport, PeopleImports, StoreError};
use model::{TenantId, Timestamp};
use tokio::time::timeout;

use super::configuration_client::Told;
use super::metrics::Metrics;
use super::records::ImportProgress;
use super::sign_in::ProvisioningSignIn;
use crate::sessions::answers::ApiRefusal;

/// How long an import is told of.
const KEPT_FOR: Duration = Duration::from_secs(90 * 86_400);
/// How often those that are older are removed.
const FORGOTTEN_EACH: Duration = Duration::from_secs(3_600);
/// Time for the database.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How long the end of an import may be unknown: gws-configuration has answered by then, and what came was noted. After that whoever was to
/// note it is gone.
const UNDER_WAY_MAX: Duration = Duration::from_secs(120);
/// How often it is tried to note the end of an import. The pause of a second between two tries doubles.
const END_TRIES_MAX: u32 = 5;
/// The longest name of a file, in characters.
const FILE_NAME_MAX: usize = 200;
/// What is told of an import of which nobody knows whether it was taken.
pub(super) const UNKNOWN: &str = "whether the table was taken is not known: look at the people, or send it again within a day with the \
                                  same requestId, by which it counts once";

/// How an import stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ImportStanding {
    /// It is not known yet.
    UnderWay,
    /// All of it was taken.
    Taken,
    /// Nothing of it was.
    Refused,
    /// Nobody knows: whoever took it is gone, or gws-configuration has not answered to the end.
    Unknown,
}

impl ImportStanding {
    /// That of an import, at that time.
    pub fn of(import: &PeopleImport, now: Timestamp) -> Self {
        match &import.end {
            Some(end) if end.is_unknown => Self::Unknown,
            Some(end) if end.faults.is_empty() => Self::Taken,
            Some(_) => Self::Refused,
            None if now.since(import.begun_at) < UNDER_WAY_MAX => Self::UnderWay,
            None => Self::Unknown,
        }
    }

    /// As the API tells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnderWay => "underWay",
            Self::Taken => "taken",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// The imports of all tenants. Cheap to clone.
#[derive(Clone)]
pub(super) struct ImportHistory {
    records: Arc<dyn PeopleImports>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

impl ImportHistory {
    /// In that database.
    pub fn new(records: Arc<dyn PeopleImports>, clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        Self { records, clock, metrics }
    }

    /// The time by which imports stand.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A table that somebody sends under its name and that of the request, with the name of its file and its number of lines. Nothing is
    /// noted yet.
    pub fn of(
        &self,
        sign_in: &ProvisioningSignIn,
        (id, request): (String, String),
        file_name: &str,
        lines: u32,
    ) -> ImportNote {
        let file_name = file_name.chars().filter(|letter| !letter.is_control()).take(FILE_NAME_MAX).collect();
        let (user, client) = (sign_in.person.user.clone(), sign_in.client.clone());
        let import = PeopleImport { id, request, user, client, file_name, begun_at: self.now(), lines, end: None };
        ImportNote { history: self.clone(), tenant: sign_in.person.tenant.clone(), import }
    }

    /// The last import of a person.
    ///
    /// # Errors
    /// 503 if the database does not answer.
    pub async fn last_of(&self, tenant: &TenantId, user: &str) -> Told<Option<PeopleImport>> {
        let page = ImportPage { user: Some(user.to_owned()), limit: 1, ..ImportPage::default() };
        Ok(self.page(tenant, page).await?.into_iter().next())
    }

    /// Imports of a tenant, the latest first; none of those that are too old.
    ///
    /// # Errors
    /// 503 if the database does not answer.
    pub async fn page(&self, tenant: &TenantId, page: ImportPage) -> Told<Vec<PeopleImport>> {
        let page = ImportPage { since: page.since.max(self.oldest()), ..page };
        in_time(self.records.imports(tenant, &page)).await.map_err(|error| {
            tracing::warn!(%error, "past imports cannot be read");
            ApiRefusal::unavailable("past imports cannot be read now")
        })
    }

    fn oldest(&self) -> Timestamp {
        let kept = u64::try_from(KEPT_FOR.as_micros()).unwrap_or(u64::MAX);
        Timestamp::from_micros(self.now().as_micros().saturating_sub(kept))
    }

    /// Removes those that are too old, from time to time.
    pub async fn keep_short(self, ended: impl Future<Output = ()>) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(FORGOTTEN_EACH);
        let mut ended = std::pin::pin!(ended);
        loop {
            tokio::select! {
                () = &mut ended => return Ok(()),
                _ = tick.tick() => {}
            }
            match in_time(self.records.forget_imports_before(self.oldest())).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "imports that are too old are forgotten"),
                Err(error) => tracing::debug!(%error, "imports that are too old are forgotten later"),
            }
        }
    }
}

/// An import that is to be noted.
#[derive(Clone)]
pub(super) struct ImportNote {
    history: ImportHistory,
    tenant: TenantId,
    import: PeopleImport,
}

impl ImportNote {
    /// The name of the request by which the table is taken.
    pub fn request(&self) -> &str {
        &self.import.request
    }

    /// Notes that it begins.
    ///
    /// # Errors
    /// 503 if that cannot be noted: then nothing is to be taken.
    pub async fn begin(&self) -> Told<()> {
        let noted = in_time(self.history.records.import_begins(&self.tenant, &self.import)).await;
        noted.map_err(|error| {
            tracing::warn!(%error, tenant = %self.tenant, "an import cannot be noted");
            ApiRefusal::unavailable("nothing was taken: it cannot be noted now that it was. Send it again")
        })
    }

    /// Notes how it came out. Where the database does not answer, it is tried again, and nobody waits for that.
    pub async fn end(self, progress: &ImportProgress) {
        let is_unknown = progress.is_unknown;
        let faults = if is_unknown { vec![UNKNOWN.to_owned()] } else { progress.failed.clone() };
        let end = ImportEnd { at: self.history.now(), taken: progress.succeeded, faults, is_unknown };
        if !self.is_ended(&end).await {
            tokio::spawn(async move {
                for tries in 0..END_TRIES_MAX {
                    tokio::time::sleep(Duration::from_secs(1 << tries)).await;
                    if self.is_ended(&end).await {
                        return;
                    }
                }
                self.history.metrics.imports_unnoted.inc();
                tracing::warn!(tenant = %self.tenant, "the end of an import is not noted: it will be told as unknown");
            });
        }
    }

    async fn is_ended(&self, end: &ImportEnd) -> bool {
        // One that could not begin is not there, and was refused.
        in_time(self.history.records.import_ends(&self.tenant, &self.import.id, end)).await.is_ok()
    }
}

async fn in_time<T>(answer: infra::Answer<'_, T>) -> Result<T, StoreError> {
    let late = || StoreError::Unavailable { reason: "no answer in time".to_owned() };
    timeout(ANSWER_WITHIN, answer).await.unwrap_or_else(|_| Err(late()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use futures::FutureExt as _;
    use infra::Answer;
    use infra::conformance::SetClock;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// A table in memory that answers, or does not.
    #[derive(Default)]
    pub struct KnownImports {
        pub all: Mutex<BTreeMap<String, PeopleImport>>,
        pub is_away: std::sync::atomic::AtomicBool,
    }

    impl KnownImports {
        fn answer<T: Send + 'static>(&self, answer: impl FnOnce() -> T) -> Answer<'static, T> {
            let is_away = self.is_away.load(std::sync::atomic::Ordering::SeqCst);
            let away = || StoreError::Unavailable { reason: "it is away".to_owned() };
            let answer = if is_away { Err(away()) } else { Ok(answer()) };
            async move { answer }.boxed()
        }
    }

    impl PeopleImports for KnownImports {
        fn import_begins<'a>(&'a self, _: &'a TenantId, import: &'a PeopleImport) -> Answer<'a, ()> {
            self.answer(|| drop(self.all.lock().unwrap().insert(import.id.clone(), import.clone())))
        }

        fn import_ends<'a>(&'a self, _: &'a TenantId, id: &'a str, end: &'a ImportEnd) -> Answer<'a, bool> {
            self.answer(|| match self.all.lock().unwrap().get_mut(id) {
                Some(import) => {
                    import.end = Some(end.clone());
                    true
                }
                None => false,
            })
        }

        fn imports<'a>(&'a self, _: &'a TenantId, page: &'a ImportPage) -> Answer<'a, Vec<PeopleImport>> {
            self.answer(|| {
                let all = self.all.lock().unwrap();
                let fits = |one: &&PeopleImport| {
                    one.begun_at >= page.since && page.user.as_ref().is_none_or(|user| *user == one.user)
                };
                all.values().rev().filter(fits).take(page.limit as usize).cloned().collect()
            })
        }

        fn forget_imports_before(&self, before: Timestamp) -> Answer<'_, u64> {
            self.answer(|| {
                let mut all = self.all.lock().unwrap();
                let count = all.len();
                all.retain(|_, one| one.begun_at >= before);
                (count - all.len()) as u64
            })
        }
    }

    impl ImportHistory {
        /// One whose database is a test's.
        pub fn of_test(clock: Arc<SetClock>) -> (Self, Arc<KnownImports>) {
            let records = Arc::<KnownImports>::default();
            let metrics = Metrics::register(&runtime::Metrics::default());
            (Self::new(records.clone(), clock, metrics), records)
        }

        /// A table of that many lines that somebody sends.
        pub fn note_of_test(&self, user: &str, id: &str, lines: u32) -> ImportNote {
            let names = (id.to_owned(), format!("request {id}"));
            self.of(&ProvisioningSignIn::of_test(user), names, "people.csv", lines)
        }
    }

    fn progress(failed: &[&str]) -> ImportProgress {
        let failed = failed.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let succeeded = if failed.is_empty() { 3 } else { 0 };
        ImportProgress { total: 3, succeeded, failed, ..ImportProgress::default() }
    }

    fn acme() -> TenantId {
        TenantId::parse("acme").unwrap()
    }

    #[tokio::test]
    async fn an_import_is_told_as_it_came_out_and_as_unknown_once_nobody_can_say() {
        let clock = SetClock::at(NOW);
        let (history, _) = ImportHistory::of_test(clock.clone());
        for (id, failed, due) in [
            ("1", Some(&[][..]), ImportStanding::Taken),
            ("2", Some(&["line 2: no"][..]), ImportStanding::Refused),
            ("3", Some(&["unknown"][..]), ImportStanding::Unknown),
            ("4", None, ImportStanding::UnderWay),
        ] {
            let note = history.note_of_test("ada", id, 3);
            note.begin().await.unwrap();
            if let Some(failed) = failed {
                let is_unknown = due == ImportStanding::Unknown;
                note.end(&ImportProgress { is_unknown, ..progress(failed) }).await;
            }
            let last = history.last_of(&acme(), "ada").await.unwrap().unwrap();
            assert_eq!((last.id.as_str(), ImportStanding::of(&last, clock.now())), (id, due));
        }
        clock.advance(UNDER_WAY_MAX);
        let last = history.last_of(&acme(), "ada").await.unwrap().unwrap();
        assert_eq!(ImportStanding::of(&last, clock.now()), ImportStanding::Unknown);
        assert_eq!(history.last_of(&acme(), "ben").await.unwrap(), None);
        clock.advance(KEPT_FOR);
        assert_eq!(history.last_of(&acme(), "ada").await.unwrap(), None, "it is too old");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_noted_is_not_to_be_taken_and_an_end_is_noted_later() {
        use std::sync::atomic::Ordering::SeqCst;
        let (history, records) = ImportHistory::of_test(SetClock::at(NOW));
        records.is_away.store(true, SeqCst);
        let refused = history.note_of_test("ada", "1", 3).begin().await;
        assert_eq!(refused.unwrap_err().status().as_u16(), 503);
        records.is_away.store(false, SeqCst);
        let note = history.note_of_test("ada", "2", 3);
        note.begin().await.unwrap();
        records.is_away.store(true, SeqCst);
        note.end(&progress(&[])).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        records.is_away.store(false, SeqCst);
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(records.all.lock().unwrap()["2"].end.is_some());
    }

    #[test]
    fn the_name_of_a_file_is_bounded_and_has_no_control_characters() {
        let (history, _) = ImportHistory::of_test(SetClock::at(NOW));
        let name = format!("a\r\nb{}", "ä".repeat(500));
        let names = ("1".to_owned(), "1".to_owned());
        let noted = history.of(&ProvisioningSignIn::of_test("ada"), names, &name, 1).import.file_name;
        assert!(noted.starts_with("abä") && noted.chars().count() == FILE_NAME_MAX, "{noted}");
    }
}
