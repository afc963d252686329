//! The days of tenants in a bucket. A day is there once its manifest is, which is put last and never changes.
//!
//! A tenant's claim says which replica may write: stores have no folders to rename, so two that wrote a day at a time would mix their
//! files. It holds for longer than a day may take to write, and nothing is put after that time, not even by a machine that has slept.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use jiff::ToSpan as _;
use jiff::civil::Date;
use model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::day_folder::{MANIFEST, WrittenDay, name_of};
use super::s3::{ObjectContent, PutCondition, PutOutcome, S3Client, S3Object};

/// The object of a tenant's claim.
const CLAIM: &str = "claim.json";
/// The object by which it is found out whether the store keeps conditions.
const PROBE: &str = "probe.json";
/// A tag that no object has.
const TAG_OF_NONE: &str = "\"00000000000000000000000000000000\"";
/// So many days before one are asked for to find the latest that was written.
const DAYS_BEFORE_MAX: i64 = 7;
/// For how long a claim keeps other replicas from writing.
const CLAIM_HOLDS: Duration = Duration::from_secs(3_600);
/// The most time that a day may take, from its claim on: half of that, so that clocks may differ.
pub(super) const WRITTEN_WITHIN: Duration = Duration::from_secs(1_800);

/// The days in a bucket.
pub(super) struct BucketDays {
    client: S3Client,
    /// Perhaps empty.
    prefix: String,
    /// Set once the store has shown that it keeps conditions.
    probed: OnceCell<()>,
}

/// Who may write days of a tenant.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DayClaim {
    node: String,
    /// Since when, in seconds since 1970; 0 once it is given back.
    at: u64,
}

impl DayClaim {
    /// Until when its node may write, by the wall clock.
    fn until(&self) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(self.at) + WRITTEN_WITHIN
    }

    fn content(&self) -> anyhow::Result<ObjectContent> {
        Ok(ObjectContent::Json(serde_json::to_vec(self)?.into()))
    }
}

/// What is read of a manifest.
#[derive(Deserialize)]
struct ManifestTime {
    written_at: String,
}

impl BucketDays {
    /// Days whose keys begin with that prefix.
    pub fn new(client: S3Client, prefix: String) -> Self {
        Self { client, prefix, probed: OnceCell::new() }
    }

    /// Finds out once whether the store keeps conditions, without which replicas would write the same day and not notice.
    ///
    /// # Errors
    /// If it does not, or does not answer; then it is asked again the next time.
    pub async fn probe(&self) -> anyhow::Result<()> {
        self.probed.get_or_try_init(|| self.probe_now()).await.copied()
    }

    async fn probe_now(&self) -> anyhow::Result<()> {
        let key = self.below_prefix(PROBE);
        let put = |condition| {
            let content = ObjectContent::Json(Bytes::from_static(b"{}"));
            self.client.put(&key, content, condition, None)
        };
        // From here on it is there, whoever has put it.
        put(PutCondition::IfAbsent).await?;
        let tag_of_none = PutCondition::IfUnchanged(TAG_OF_NONE.to_owned());
        for (header, condition) in [("If-None-Match", PutCondition::IfAbsent), ("If-Match", tag_of_none)] {
            let is_kept = put(condition).await? == PutOutcome::ConditionFails;
            ensure!(
                is_kept,
                "the store of bds.s3 ignores {header}, so two replicas could write one day: nothing is put there"
            );
        }
        Ok(())
    }

    /// When a day was written, if it was.
    pub async fn written_at(&self, tenant: &TenantId, day: Date) -> anyhow::Result<Option<Timestamp>> {
        let key = self.key_of_day(tenant, day, MANIFEST);
        let Some(manifest) = self.client.get(&key).await? else { return Ok(None) };
        let read = || {
            let manifest: ManifestTime = serde_json::from_slice(&manifest.body)?;
            let at: jiff::Timestamp = manifest.written_at.parse()?;
            anyhow::Ok(Timestamp::from_micros(u64::try_from(at.as_microsecond())?))
        };
        read().map(Some).with_context(|| format!("{key} is no manifest"))
    }

    /// When the last of the days before that one was written, if one of the last week was.
    pub async fn written_before(&self, tenant: &TenantId, day: Date) -> anyhow::Result<Option<Timestamp>> {
        for before in 1..=DAYS_BEFORE_MAX {
            let at = self.written_at(tenant, day.checked_sub(before.days())?).await?;
            if at.is_some() {
                return Ok(at);
            }
        }
        Ok(None)
    }

    /// Claims a tenant for that node at `now`, by the wall clock. None if it may not write.
    pub async fn claim(&self, tenant: &TenantId, node: &str, now: Timestamp) -> anyhow::Result<Option<DayClaim>> {
        let key = self.key(tenant, CLAIM);
        let claim = DayClaim { node: node.to_owned(), at: now.as_secs() };
        let content = claim.content()?;
        let put = |condition| self.client.put(&key, content.clone(), condition, None);
        if put(PutCondition::IfAbsent).await? == PutOutcome::Put {
            return Ok(Some(claim));
        }
        // One that is gone again is looked for the next time.
        let Some(S3Object { body, etag }) = self.client.get(&key).await? else { return Ok(None) };
        if !is_free(&body, node, now) {
            return Ok(None);
        }
        let etag = etag.with_context(|| format!("the store gives {key} without an ETag"))?;
        let is_put = put(PutCondition::IfUnchanged(etag)).await? == PutOutcome::Put;
        Ok(is_put.then_some(claim))
    }

    /// Gives a claim back, so that another replica may write at once. One that another has taken over stays.
    pub async fn give_back(&self, tenant: &TenantId, claim: &DayClaim) -> anyhow::Result<()> {
        let key = self.key(tenant, CLAIM);
        let Some(S3Object { body, etag: Some(etag) }) = self.client.get(&key).await? else { return Ok(()) };
        let found = serde_json::from_slice::<DayClaim>(&body).ok();
        if found.as_ref() == Some(claim) {
            let given_back = DayClaim { node: claim.node.clone(), at: 0 };
            self.client.put(&key, given_back.content()?, PutCondition::IfUnchanged(etag), None).await?;
        }
        Ok(())
    }

    /// Puts the files of a day, over what attempts before have left, and then its manifest, as long as the claim allows it.
    pub async fn put(
        &self,
        tenant: &TenantId,
        day: Date,
        written: &WrittenDay,
        claim: &DayClaim,
    ) -> anyhow::Result<()> {
        let until = Some(claim.until());
        for file in &written.files {
            let key = self.key_of_day(tenant, day, &file.name);
            let (path, sha256) = (written.path_of(file), file.sha256.clone());
            let content = ObjectContent::File { path, bytes: file.bytes, sha256 };
            self.client.put(&key, content, PutCondition::Always, until).await?;
        }
        let key = self.key_of_day(tenant, day, MANIFEST);
        let manifest = Bytes::copy_from_slice(&written.manifest);
        let content = ObjectContent::Json(manifest.clone());
        if self.client.put(&key, content, PutCondition::IfAbsent, until).await? == PutOutcome::Put {
            return Ok(());
        }
        // It is this one, if the answer to an earlier attempt was lost.
        let found = self.client.get(&key).await?;
        let is_this = found.is_some_and(|found| found.body == manifest);
        ensure!(is_this, "{key} was put by another writer: each installation needs a prefix of its own");
        Ok(())
    }

    fn key_of_day(&self, tenant: &TenantId, day: Date, name: &str) -> String {
        self.key(tenant, &format!("{day}/{name}"))
    }

    fn key(&self, tenant: &TenantId, name: &str) -> String {
        self.below_prefix(&format!("{}/{name}", name_of(tenant)))
    }

    fn below_prefix(&self, rest: &str) -> String {
        let separator = if self.prefix.is_empty() { "" } else { "/" };
        format!("{}{separator}{rest}", self.prefix)
    }
}

/// Whether a node may take a claim over: it is its own of a run before, too old, of a clock that was far ahead, or none at all.
fn is_free(claim: &[u8], node: &str, now: Timestamp) -> bool {
    let Ok(claim) = serde_json::from_slice::<DayClaim>(claim) else { return true };
    claim.node == node || claim.at.abs_diff(now.as_secs()) > CLAIM_HOLDS.as_secs()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
    use std::sync::{Arc, Mutex};

    use axum::extract::{Request, State};
    use axum::http::{HeaderMap, Method, StatusCode, header};
    use contracts::provisioning::{Object, Skill};
    use infra::Clock;

    use super::*;
    use crate::bds::day_folder::{DayFolder, Manifest, TenantFolder};
    use crate::bds::table_file::FileFormat;

    const DAY: Date = Date::constant(2026, 7, 2);
    const SECRET: &str = "hunter2";
    const HOUR: Duration = Duration::from_secs(3_600);
    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    /// A clock that shows so many seconds after [`NOW`].
    #[derive(Default)]
    struct ClockOfTest(AtomicU64);

    impl Clock for ClockOfTest {
        fn now(&self) -> Timestamp {
            NOW + Duration::from_secs(self.0.load(Relaxed))
        }
    }

    /// A store in memory.
    #[derive(Default)]
    struct StoreOfTest {
        objects: Mutex<BTreeMap<String, (String, Vec<u8>)>>,
        /// Methods and paths, as they came.
        requests: Mutex<Vec<String>>,
        /// So many requests fail before the next one is done.
        failures_left: AtomicU32,
        /// So many puts are done and then answered with a failure.
        answers_lost: AtomicU32,
        tags: AtomicU32,
        /// A header that it does not know.
        ignores: Mutex<Option<header::HeaderName>>,
    }

    fn take_one(of: &AtomicU32) -> bool {
        of.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    impl StoreOfTest {
        fn put(&self, key: String, headers: &HeaderMap, body: Vec<u8>) -> StatusCode {
            let mut objects = self.objects.lock().unwrap();
            let tag = objects.get(&key).map(|(tag, _)| tag.clone());
            let ignored = self.ignores.lock().unwrap().clone();
            let is_known = |name: &header::HeaderName| ignored.as_ref() != Some(name);
            let value_of = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
            let wants = |name: header::HeaderName| Some(name).filter(is_known).and_then(value_of);
            let is_wanted = (wants(header::IF_NONE_MATCH).is_none() || tag.is_none())
                && wants(header::IF_MATCH).is_none_or(|wanted| Some(wanted) == tag);
            if !is_wanted {
                return StatusCode::PRECONDITION_FAILED;
            }
            objects.insert(key, (format!("\"{}\"", self.tags.fetch_add(1, Relaxed)), body));
            if take_one(&self.answers_lost) { StatusCode::BAD_GATEWAY } else { StatusCode::OK }
        }

        fn keys(&self) -> Vec<String> {
            self.objects.lock().unwrap().keys().cloned().collect()
        }
    }

    async fn answer(State(store): State<Arc<StoreOfTest>>, request: Request) -> (StatusCode, HeaderMap, Vec<u8>) {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap().to_vec();
        store.requests.lock().unwrap().push(format!("{} {}", head.method, head.uri.path()));
        let bare = |status| (status, HeaderMap::new(), Vec::new());
        let shown = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !shown.starts_with("AWS4-HMAC-SHA256 Credential=TEST/") {
            return bare(StatusCode::FORBIDDEN);
        }
        if take_one(&store.failures_left) {
            return bare(StatusCode::SERVICE_UNAVAILABLE);
        }
        let key = head.uri.path().trim_start_matches("/inventory/").to_owned();
        if head.method == Method::PUT {
            return bare(store.put(key, &head.headers, body));
        }
        match store.objects.lock().unwrap().get(&key).cloned() {
            Some((tag, body)) => (StatusCode::OK, HeaderMap::from_iter([(header::ETAG, tag.parse().unwrap())]), body),
            None => bare(StatusCode::NOT_FOUND),
        }
    }

    async fn served() -> (Arc<StoreOfTest>, BucketDays) {
        served_by(Arc::default()).await
    }

    async fn served_by(clock: Arc<ClockOfTest>) -> (Arc<StoreOfTest>, BucketDays) {
        let store = Arc::new(StoreOfTest::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = axum::Router::new().fallback(answer).with_state(store.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (store, BucketDays::new(S3Client::of_test(port, SECRET, clock), "a/b".to_owned()))
    }

    fn claim() -> DayClaim {
        DayClaim { node: "bds-1".to_owned(), at: NOW.as_secs() }
    }

    fn tenant() -> TenantId {
        TenantId::parse("acme").unwrap()
    }

    fn day_with(folder: &std::path::Path, skill: &str) -> WrittenDay {
        let folder = TenantFolder::new(folder, &tenant());
        let mut files = DayFolder::begin(&folder, DAY, &[FileFormat::Csv, FileFormat::Parquet]).unwrap();
        files.add(&Object::Skill(Skill { name: skill.to_owned() })).unwrap();
        let written_at = "2026-07-02T00:30:01Z".to_owned();
        let of = Manifest { tenant: "acme", day: DAY.to_string(), time_zone: "UTC", written_at, revision: 7 };
        files.close(&of).unwrap()
    }

    #[tokio::test]
    async fn a_day_is_put_whole_with_its_manifest_last_though_the_first_tries_fail() {
        let (store, days) = served().await;
        store.failures_left.store(3, Relaxed);
        assert_eq!(days.written_at(&tenant(), DAY).await.unwrap(), None);
        let root = tempfile::tempdir().unwrap();
        let written = day_with(root.path(), "sales");
        store.failures_left.store(2, Relaxed);
        days.put(&tenant(), DAY, &written, &claim()).await.unwrap();
        let at: jiff::Timestamp = "2026-07-02T00:30:01Z".parse().unwrap();
        let at = Timestamp::from_millis(at.as_millisecond().try_into().unwrap());
        assert_eq!(days.written_at(&tenant(), DAY).await.unwrap(), Some(at));
        for (before, found) in [(DAY, None), (DAY + 7.days(), Some(at)), (DAY + 8.days(), None)] {
            assert_eq!(days.written_before(&tenant(), before).await.unwrap(), found, "{before}");
        }

        let puts: Vec<String> =
            store.requests.lock().unwrap().iter().filter(|line| line.starts_with("PUT ")).cloned().collect();
        assert_eq!(puts.last().unwrap(), "PUT /inventory/a/b/acme/2026-07-02/manifest.json");
        assert_eq!(store.keys().len(), written.files.len() + 1);
        let objects = store.objects.lock().unwrap();
        assert_eq!(objects["a/b/acme/2026-07-02/skills.csv"].1, b"name\r\nsales\r\n");
        assert_eq!(objects["a/b/acme/2026-07-02/manifest.json"].1, written.manifest);
    }

    #[tokio::test]
    async fn what_a_broken_try_has_left_is_written_over_and_a_written_day_never() {
        let (store, days) = served().await;
        let root = tempfile::tempdir().unwrap();
        let before = day_with(root.path(), "lost");
        let left = "a/b/acme/2026-07-02/skills.csv";
        let bytes = std::fs::read(before.path_of(&before.files[0])).unwrap();
        store.objects.lock().unwrap().insert(left.to_owned(), ("\"old\"".to_owned(), bytes));
        let written = day_with(root.path(), "sales");
        days.put(&tenant(), DAY, &written, &claim()).await.unwrap();
        assert_eq!(store.objects.lock().unwrap()[left].1, b"name\r\nsales\r\n");

        let other = day_with(root.path(), "english");
        let fault = days.put(&tenant(), DAY, &other, &claim()).await.unwrap_err().to_string();
        assert!(fault.contains("another writer"), "{fault}");
        assert_eq!(store.objects.lock().unwrap()["a/b/acme/2026-07-02/manifest.json"].1, written.manifest);
    }

    #[tokio::test]
    async fn what_is_there_because_an_answer_was_lost_is_ones_own() {
        let (store, days) = served().await;
        store.answers_lost.store(1, Relaxed);
        assert_eq!(days.claim(&tenant(), "bds-1", NOW).await.unwrap(), Some(claim()));

        let root = tempfile::tempdir().unwrap();
        let written = day_with(root.path(), "sales");
        let manifest = ObjectContent::Json(written.manifest.clone().into());
        store.answers_lost.store(1, Relaxed);
        let key = days.key_of_day(&tenant(), DAY, MANIFEST);
        let outcome = days.client.put(&key, manifest, PutCondition::IfAbsent, None).await.unwrap();
        assert_eq!(outcome, PutOutcome::ConditionFails);
        days.put(&tenant(), DAY, &written, &claim()).await.unwrap();
    }

    #[tokio::test]
    async fn one_replica_has_a_tenants_claim_and_loses_it_when_it_is_old() {
        let (_, days) = served().await;
        let claimed = async |node: &str, now| days.claim(&tenant(), node, now).await.unwrap().is_some();
        assert!(claimed("bds-1", NOW).await);
        assert!(!claimed("bds-2", NOW).await);
        // It begins again, as after a crash.
        assert!(claimed("bds-1", NOW + HOUR).await);
        assert!(!claimed("bds-2", NOW + HOUR + HOUR).await);
        assert!(claimed("bds-2", NOW + HOUR + HOUR + Duration::from_secs(1)).await);
        assert!(!claimed("bds-1", NOW + HOUR + HOUR).await);
        // Another tenant has another claim.
        let other = TenantId::parse("other").unwrap();
        assert!(days.claim(&other, "bds-1", NOW).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn who_keeps_failing_gives_its_claim_back_each_time_and_keeps_nobody_out() {
        let (_, days) = served().await;
        let claimed = async |node: &str| days.claim(&tenant(), node, NOW).await.unwrap();
        let mut failed = Vec::new();
        for _ in 0..3 {
            let claim = claimed("bds-1").await.unwrap();
            assert_eq!(claimed("bds-2").await, None);
            days.give_back(&tenant(), &claim).await.unwrap();
            failed.push(claim);
        }
        assert!(claimed("bds-2").await.is_some());
        // What comes late touches no claim of another.
        days.give_back(&tenant(), &failed[0]).await.unwrap();
        assert_eq!(claimed("bds-1").await, None);
    }

    #[tokio::test]
    async fn a_store_that_ignores_conditions_is_told_in_words() {
        for header in [header::IF_NONE_MATCH, header::IF_MATCH] {
            let (store, days) = served().await;
            *store.ignores.lock().unwrap() = Some(header.clone());
            let fault = days.probe().await.unwrap_err().to_string();
            assert!(fault.to_ascii_lowercase().contains(&format!("ignores {header},")), "{fault}");
            // It is asked again, and once it has shown that it keeps them, no more.
            *store.ignores.lock().unwrap() = None;
            days.probe().await.unwrap();
            let asked = store.requests.lock().unwrap().len();
            days.probe().await.unwrap();
            assert_eq!(store.requests.lock().unwrap().len(), asked);
            assert_eq!(store.keys(), ["a/b/probe.json"]);
        }
    }

    #[tokio::test]
    async fn who_has_slept_over_the_end_of_the_claim_puts_nothing_into_anothers_day() {
        let clock = Arc::new(ClockOfTest::default());
        let (store, days) = served_by(clock.clone()).await;
        let claim = days.claim(&tenant(), "bds-1", NOW).await.unwrap().unwrap();
        let root = tempfile::tempdir().unwrap();
        let written = day_with(root.path(), "sales");
        clock.0.store(WRITTEN_WITHIN.as_secs() + 1, Relaxed);
        let fault = days.put(&tenant(), DAY, &written, &claim).await.unwrap_err().to_string();
        assert!(fault.contains("too late"), "{fault}");
        assert!(!store.keys().iter().any(|key| key.contains("2026-07-02")), "{:?}", store.keys());
        // While the claim holds, it is put.
        clock.0.store(WRITTEN_WITHIN.as_secs(), Relaxed);
        days.put(&tenant(), DAY, &written, &claim).await.unwrap();
    }

    #[test]
    fn a_claim_that_cannot_be_read_or_is_of_a_wrong_clock_keeps_nobody_out() {
        let claim = |at: u64| format!("{{\"node\":\"bds-1\",\"at\":{at}}}");
        assert!(is_free(b"", "bds-2", NOW) && is_free(b"{}", "bds-2", NOW));
        assert!(is_free(claim(1_900_000_000).as_bytes(), "bds-2", NOW));
        assert!(!is_free(claim(1_800_000_000).as_bytes(), "bds-2", NOW));
    }

    #[tokio::test]
    async fn a_refusal_is_not_tried_again_and_no_fault_has_the_secret() {
        let (store, days) = served().await;
        let key = "a/b/acme/2026-07-02/manifest.json";
        store.objects.lock().unwrap().insert(key.to_owned(), ("\"x\"".to_owned(), b"{}".to_vec()));
        let fault = days.written_at(&tenant(), DAY).await.unwrap_err();
        assert!(format!("{fault:#}").contains("manifest.json is no manifest"), "{fault:#}");
        assert_eq!(store.requests.lock().unwrap().len(), 1);

        // Nobody listens at a port that was just free.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let nowhere = BucketDays::new(S3Client::of_test(port, SECRET, Arc::<ClockOfTest>::default()), String::new());
        let fault = nowhere.written_at(&tenant(), DAY).await.unwrap_err();
        let fault = format!("{fault:#}");
        assert!(fault.contains("GET acme/2026-07-02/manifest.json, 4 attempts") && !fault.contains(SECRET), "{fault}");
    }
}
