//! How the record of a session is written, how it is seen that another replica has the session, and how its record ends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use identity::session_cookie::SessionCookie;
use infra::StoreError;
use model::Timestamp;

use super::parts::ReplicaParts;
use super::record::SessionRecord;

/// How long whoever waits for a write, or a look at the record, does: a store that is away holds nobody up for longer.
const WRITTEN_WITHIN: Duration = Duration::from_millis(500);
/// The pause after a write that failed.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Time for the store to end a record.
const ENDED_WITHIN: Duration = Duration::from_secs(2);
/// How often that is tried where the store does not answer: somewhat longer than a record lasts by itself where sessions may be idle for
/// half an hour.
const END_TRIES_MAX: u32 = 40;
/// The pause of a second between two tries doubles so often.
const PAUSE_DOUBLES_MAX: u32 = 6;

/// Writes the record of one session.
pub(crate) struct RecordWriter<R> {
    parts: Arc<ReplicaParts<R>>,
    cookie: SessionCookie,
}

/// What came of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RecordWrite {
    /// The record has this value now.
    Done(Bytes),
    /// Another replica has the session, or it has ended.
    Elsewhere,
    /// The store has not answered: it is to be written later.
    Later,
}

/// What was found of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RecordLook {
    /// It has the value that was seen last.
    Same,
    /// It has another one that this replica has written.
    Own(Bytes),
    /// The store has lost it: it is to be written again.
    Lost,
    /// Another replica has the session, or it has ended.
    Elsewhere,
    /// The store has not answered.
    Unknown,
}

impl<R: SessionRecord> RecordWriter<R> {
    /// For the session of that cookie.
    pub(crate) fn new(parts: Arc<ReplicaParts<R>>, cookie: SessionCookie) -> Self {
        Self { parts, cookie }
    }

    /// Writes the session in the place of the value that was seen last.
    pub(crate) async fn write(&self, seen: &Bytes, kept: &R) -> RecordWrite {
        let written = tokio::time::timeout(WRITTEN_WITHIN, self.written(seen, kept)).await;
        match written.unwrap_or_else(|_| Err(late())) {
            Ok(Some(value)) => RecordWrite::Done(value),
            Ok(None) => RecordWrite::Elsewhere,
            Err(error) => {
                tracing::debug!(%error, tenant = %self.cookie.tenant, api = R::LISTED_AS, "a session is written later");
                self.parts.counts.unwritten.inc();
                RecordWrite::Later
            }
        }
    }

    /// The new value; none if another has the session, or has ended it.
    async fn written(&self, seen: &Bytes, kept: &R) -> Result<Option<Bytes>, StoreError> {
        let (store, until) = (&self.parts.store, self.parts.kept_until(kept.used_at()));
        if let Some(value) = store.replace(&self.cookie, seen, kept, until).await? {
            return Ok(Some(value));
        }
        match store.value(&self.cookie).await? {
            // The store has lost it.
            None => store.keep(&self.cookie, kept, until).await.map(Some),
            // Perhaps a write of our own is done that was not answered.
            Some(value) if self.is_own(&value) => store.replace(&self.cookie, &value, kept, until).await,
            Some(_) => Ok(None),
        }
    }

    /// Whether it is a value that this replica has written.
    fn is_own(&self, value: &[u8]) -> bool {
        let kept = self.parts.store.opened(&self.cookie, value);
        kept.is_some_and(|kept| kept.holder() == self.parts.holder)
    }

    /// The value, where it is another one than that; each request looks, and hardly ever finds one.
    async fn value_other_than(&self, seen: &Bytes) -> Result<Option<Option<Bytes>>, StoreError> {
        let store = &self.parts.store;
        if store.is_still(&self.cookie, seen).await? { Ok(None) } else { store.value(&self.cookie).await.map(Some) }
    }

    /// Looks whose the record is.
    pub(crate) async fn look(&self, seen: &Bytes) -> RecordLook {
        let read = tokio::time::timeout(WRITTEN_WITHIN, self.value_other_than(seen)).await;
        match read.unwrap_or_else(|_| Err(late())) {
            Ok(None) => RecordLook::Same,
            Ok(Some(Some(value))) if value == *seen => RecordLook::Same,
            Ok(Some(Some(value))) if self.is_own(&value) => RecordLook::Own(value),
            Ok(Some(Some(_))) => RecordLook::Elsewhere,
            Ok(Some(None)) => RecordLook::Lost,
            Err(error) => {
                tracing::debug!(%error, api = R::LISTED_AS, "a session cannot be read");
                RecordLook::Unknown
            }
        }
    }

    /// Ends the record. Returns whether that is done.
    pub(crate) async fn end(&self) -> bool {
        let until = self.parts.kept_until(self.parts.now());
        let ended = tokio::time::timeout(ENDED_WITHIN, self.parts.store.end(&self.cookie, until)).await;
        let is_done = matches!(ended, Ok(Ok(())));
        if !is_done {
            tracing::debug!(api = R::LISTED_AS, "the record of a session that has ended stays for now");
        }
        is_done
    }

    /// Ends the record, in as many tries as it takes until it would end by itself.
    pub(crate) async fn end_in_time(&self) {
        if !self.end().await {
            self.end_later().await;
        }
    }

    /// Tries it again after one try that has failed.
    pub(crate) async fn end_later(&self) {
        for tries in 0..END_TRIES_MAX {
            tokio::time::sleep(Duration::from_secs(1 << tries.min(PAUSE_DOUBLES_MAX))).await;
            if self.end().await {
                return;
            }
        }
    }
}

fn late() -> StoreError {
    StoreError::Unavailable { reason: "no answer in time".to_owned() }
}

/// When a record is written: not at once again where the store has not answered, and from time to time though nothing has changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WritePace {
    each: Duration,
    /// Whether it is to be written though nothing asks for it any more.
    pub is_due: bool,
    /// Whether the store has not answered last.
    is_away: bool,
    written_at: Timestamp,
    tried_at: Timestamp,
}

impl WritePace {
    /// Of a record that was written then, and is written again after `each` at the latest.
    pub(crate) fn new(each: Duration, written_at: Timestamp) -> Self {
        Self { each, is_due: false, is_away: false, written_at, tried_at: written_at }
    }

    /// Whether the store has not answered last: nothing waits for it until it does.
    pub(crate) fn is_away(&self) -> bool {
        self.is_away
    }

    /// Whether a write is put off, since one has failed just now.
    pub(crate) fn is_put_off(&self, now: Timestamp) -> bool {
        self.is_away && now.since(self.tried_at) < TRIED_AGAIN_AFTER
    }

    /// Whether it is to be written now, though nobody asks for it.
    pub(crate) fn is_time(&self, now: Timestamp) -> bool {
        let is_due = self.is_due && now.since(self.tried_at) >= TRIED_AGAIN_AFTER;
        is_due || now.since(self.written_at.max(self.tried_at)) >= self.each
    }

    /// Whether it was not written for so long.
    pub(crate) fn is_older_than(&self, age: Duration, now: Timestamp) -> bool {
        now.since(self.written_at) >= age
    }

    /// It is being written now. Whoever waits for that may give up.
    pub(crate) fn tries(&mut self, now: Timestamp) {
        self.tried_at = now;
    }

    /// What was begun last is done.
    pub(crate) fn has_written(&mut self) {
        (self.written_at, self.is_away) = (self.tried_at, false);
    }

    /// The store does not answer: the next write finds whether it does again.
    pub(crate) fn has_failed(&mut self) {
        (self.is_due, self.is_away) = (true, true);
    }
}

#[cfg(test)]
mod tests {
    use identity::secret::Digest;
    use infra::Clock as _;
    use infra::conformance::SetClock;
    use model::TenantId;

    use super::super::store::SessionStore;
    use super::super::test_sessions::PlainRecord;
    use super::*;
    use crate::test_records::{StoreTrouble, TroubledRecords};

    struct WrittenSession {
        clock: Arc<SetClock>,
        records: Arc<TroubledRecords>,
        store: SessionStore<PlainRecord>,
        cookie: SessionCookie,
    }

    impl WrittenSession {
        fn new() -> Self {
            let clock = SetClock::at(Timestamp::from_millis(1_800_000_000_000));
            let records = TroubledRecords::new(&clock);
            let store = SessionStore::of_test(records.clone());
            let cookie = SessionCookie { tenant: TenantId::parse("acme").unwrap(), digest: Digest::of("one") };
            Self { clock, records, store, cookie }
        }

        fn writer(&self, holder: &str) -> RecordWriter<PlainRecord> {
            let parts = Arc::new(ReplicaParts::of_test(&self.clock, &self.store, holder));
            RecordWriter::new(parts, self.cookie.clone())
        }

        fn kept(&self, holder: &str) -> PlainRecord {
            PlainRecord::of("ann", holder, self.clock.now())
        }

        async fn begun(&self, holder: &str) -> Bytes {
            let until = self.clock.now() + Duration::from_secs(3_600);
            self.store.keep(&self.cookie, &self.kept(holder), until).await.unwrap()
        }
    }

    #[tokio::test]
    async fn a_record_is_written_again_where_it_is_lost_and_not_where_another_replica_has_the_session() {
        let bench = WrittenSession::new();
        let (one, other) = (bench.writer("a.1"), bench.writer("b.1"));
        let first = bench.begun("a.1").await;
        let RecordWrite::Done(second) = one.write(&first, &bench.kept("a.1")).await else { panic!("it is written") };
        assert_eq!((one.look(&second).await, other.look(&second).await), (RecordLook::Same, RecordLook::Same));
        // A write of its own that was not answered.
        assert_eq!(one.look(&first).await, RecordLook::Own(second.clone()));
        assert!(matches!(one.write(&first, &bench.kept("a.1")).await, RecordWrite::Done(_)));
        bench.records.are_lost();
        assert_eq!(one.look(&second).await, RecordLook::Lost);
        let RecordWrite::Done(third) = one.write(&second, &bench.kept("a.1")).await else { panic!("it is kept") };
        let RecordWrite::Done(taken) = other.write(&third, &bench.kept("b.1")).await else { panic!("it is taken") };
        assert_eq!(one.look(&third).await, RecordLook::Elsewhere);
        assert_eq!(one.write(&third, &bench.kept("a.1")).await, RecordWrite::Elsewhere);
        assert!(other.end().await);
        assert_eq!(other.look(&taken).await, RecordLook::Elsewhere, "what has ended is nobody's");
        assert_eq!(other.write(&taken, &bench.kept("b.1")).await, RecordWrite::Elsewhere);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_away_holds_nobody_up_and_the_record_ends_once_it_answers() {
        let bench = WrittenSession::new();
        let (writer, seen) = (bench.writer("a.1"), bench.begun("a.1").await);
        for trouble in [StoreTrouble::Hung, StoreTrouble::Away] {
            bench.records.have(trouble);
            let begun = tokio::time::Instant::now();
            assert_eq!(writer.write(&seen, &bench.kept("a.1")).await, RecordWrite::Later);
            assert_eq!(writer.look(&seen).await, RecordLook::Unknown);
            assert!(begun.elapsed() <= 2 * WRITTEN_WITHIN + Duration::from_millis(100), "{trouble:?}");
        }
        assert_eq!(writer.parts.counts.unwritten.get(), 2);
        assert!(!writer.end().await);
        let answers = async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            bench.records.have(StoreTrouble::Nothing);
        };
        tokio::join!(writer.end_in_time(), answers);
        assert!(bench.store.read(&bench.cookie).await.unwrap().is_none());
    }

    #[test]
    fn a_record_is_written_from_time_to_time_and_soon_again_after_a_failure() {
        let (start, each) = (Timestamp::from_millis(1_000_000), Duration::from_secs(60));
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut pace = WritePace::new(each, start);
        assert!(!pace.is_time(at(59)) && pace.is_time(at(60)) && !pace.is_put_off(at(0)));
        pace.tries(at(60));
        assert!(!pace.is_time(at(61)), "it is under way");
        pace.has_failed();
        assert!(pace.is_away() && pace.is_put_off(at(60)) && !pace.is_time(at(60)));
        assert!(!pace.is_put_off(at(61)) && pace.is_time(at(61)));
        pace.tries(at(61));
        pace.is_due = false;
        pace.has_written();
        assert!(!pace.is_away() && !pace.is_time(at(120)) && pace.is_time(at(121)));
    }
}
