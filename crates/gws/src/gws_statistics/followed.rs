//! A tenant's statistics in the hands of several tasks: of the one that reads its streams, of requests, of sessions, and of the one that
//! keeps time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use contracts::v1;
use infra::Clock;
use model::Timestamp;
use tokio::sync::{Notify, watch};

use super::tenant_statistics::{KnownReading, LANES_MAX, ReaderId, StatisticsFull, StatisticsOwner, TenantStatistics};

/// Who has statistics open.
pub(super) trait StatisticsReader: Send + Sync {
    /// These of its statistics have changed.
    fn changed(&self, references: &[u64]);
    /// Values do not come now, or come again.
    fn service_is_otherwise(&self);
}

/// The tenant. Cheap to clone.
#[derive(Clone)]
pub(super) struct FollowedTenant(Arc<SharedStatistics>);

struct SharedStatistics {
    state: Mutex<FollowedState>,
    /// There may be a message for tenant on a stream.
    messages: [Notify; LANES_MAX],
    /// How many streams are needed.
    lanes: watch::Sender<usize>,
    /// More has become known.
    settled: watch::Sender<()>,
    clock: Arc<dyn Clock>,
}

struct FollowedState {
    statistics: TenantStatistics,
    readers: HashMap<ReaderId, Weak<dyn StatisticsReader>>,
}

/// Readers that are to be told something once the state is free.
type ReadersToTell = Vec<Arc<dyn StatisticsReader>>;

impl FollowedState {
    fn present(&self) -> ReadersToTell {
        self.readers.values().filter_map(Weak::upgrade).collect()
    }
}

impl FollowedTenant {
    /// Nothing is open.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let statistics = TenantStatistics::new(clock.now());
        let (messages, lanes) = (std::array::from_fn(|_| Notify::new()), watch::Sender::new(statistics.lanes_used()));
        let state = Mutex::new(FollowedState { statistics, readers: HashMap::new() });
        let settled = watch::Sender::new(());
        Self(Arc::new(SharedStatistics { state, messages, lanes, settled, clock }))
    }

    /// The state is whole after every step.
    fn lock(&self) -> MutexGuard<'_, FollowedState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn<T>(&self, act: impl FnOnce(&mut TenantStatistics, Timestamp) -> T) -> T {
        let now = self.0.clock.now();
        let mut state = self.lock();
        let outcome = act(&mut state.statistics, now);
        let due = self.0.messages.iter().enumerate().filter(|(place, _)| state.statistics.has_message(*place));
        due.for_each(|(_, messages)| messages.notify_one());
        let needed = state.statistics.lanes_used();
        self.0.lanes.send_if_modified(|lanes| std::mem::replace(lanes, needed) != needed);
        outcome
    }

    // === readers ===

    /// A session is there, which may open statistics.
    pub fn register(&self, id: ReaderId, reader: Weak<dyn StatisticsReader>) {
        self.lock().readers.insert(id, reader);
    }

    /// A session is gone, and what it had open with it.
    pub fn forget(&self, id: &ReaderId) {
        self.lock().readers.remove(id);
        self.turn(|statistics, now| statistics.forget(id, now));
    }

    /// Opens a statistic for a session.
    ///
    /// # Errors
    /// If there are too many.
    pub fn follow(&self, request: &v1::StatisticRequest, reader: &ReaderId) -> Result<u64, StatisticsFull> {
        self.turn(|statistics, now| statistics.follow(request, reader, now))
    }

    /// Closes it for the session.
    pub fn unfollow(&self, reference: u64, reader: &ReaderId) {
        self.turn(|statistics, now| statistics.unfollow(reference, reader, now));
    }

    /// Opens a statistic for a while, as one of that share.
    ///
    /// # Errors
    /// If there are too many.
    pub fn hold(&self, request: &v1::StatisticRequest, owner: &StatisticsOwner) -> Result<u64, StatisticsFull> {
        self.turn(|statistics, now| statistics.hold(request, owner, now))
    }

    /// What is known of a statistic.
    pub fn known(&self, reference: u64) -> Option<KnownReading> {
        self.lock().statistics.known(reference).cloned()
    }

    /// Whether values come; none before that is known.
    pub fn is_available(&self) -> Option<bool> {
        self.lock().statistics.is_available()
    }

    /// Whether values come, and what is known of each of them is as it is now.
    pub fn are_current(&self, references: &[u64]) -> bool {
        self.lock().statistics.are_current(references)
    }

    /// Waits until something is known of each of them, but not for longer than that.
    pub async fn settled(&self, references: &[u64], within: Duration) {
        let mut settled = self.0.settled.subscribe();
        let all = async {
            while !self.lock().statistics.are_settled(references) {
                if settled.changed().await.is_err() {
                    return;
                }
            }
        };
        // What is not known by then is left out.
        let _ = tokio::time::timeout(within, all).await;
    }

    // === the streams, each by its place ===

    /// How many streams are needed, and when more are.
    pub fn lanes(&self) -> watch::Receiver<usize> {
        self.0.lanes.subscribe()
    }

    /// The stream is being opened.
    pub fn begun(&self, place: usize) {
        self.turn(|statistics, _| statistics.begun(place));
    }

    /// The next message for tenant.
    pub fn next_message(&self, place: usize) -> Option<v1::FollowStatisticsRequest> {
        self.lock().statistics.next_message(place)
    }

    /// There may be a message for tenant.
    pub async fn has_message(&self, place: usize) {
        match self.0.messages.get(place) {
            Some(messages) => messages.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Takes what tenant tells, and tells whom it concerns.
    pub fn told(&self, place: usize, told: v1::FollowStatisticsResponse) {
        let now = self.0.clock.now();
        let (concerned, all) = {
            let mut state = self.lock();
            let changes = state.statistics.told(place, told, now);
            let reader = |id: &ReaderId| state.readers.get(id).and_then(Weak::upgrade);
            let concerned = changes.of_readers.iter().filter_map(|(id, changed)| Some((reader(id)?, changed.clone())));
            (concerned.collect::<Vec<_>>(), if changes.is_back { state.present() } else { Vec::new() })
        };
        self.0.settled.send_replace(());
        for (reader, changed) in concerned {
            reader.changed(&changed);
        }
        for reader in all {
            reader.service_is_otherwise();
        }
    }

    /// The stream has ended, or could not be opened.
    pub fn broken(&self, place: usize) {
        let all = {
            let mut state = self.lock();
            if state.statistics.broken(place) { state.present() } else { Vec::new() }
        };
        for reader in all {
            reader.service_is_otherwise();
        }
    }

    /// No stream is read any more.
    pub fn all_broken(&self) {
        let used = self.lock().statistics.lanes_used();
        (0..used).for_each(|place| self.broken(place));
    }

    // === time ===

    /// Closes what is over. Returns whether nobody needs the tenant any more.
    pub fn handle_timeout(&self) -> bool {
        self.turn(TenantStatistics::handle_timeout);
        let now = self.0.clock.now();
        let mut state = self.lock();
        state.readers.retain(|_, reader| reader.strong_count() > 0);
        state.readers.is_empty() && state.statistics.is_unused(now)
    }

    /// Somebody is about to ask.
    pub fn touch(&self) {
        self.turn(TenantStatistics::touch);
    }

    /// How many statistics are open.
    pub fn count(&self) -> usize {
        self.lock().statistics.count()
    }
}

#[cfg(test)]
mod tests {
    use contracts::v1::statistic_reading::Value as Reading;
    use infra::conformance::SetClock;

    use super::*;

    /// What a reader was told.
    #[derive(Default)]
    struct Heard {
        changed: Mutex<Vec<u64>>,
        turns: Mutex<u32>,
    }

    impl StatisticsReader for Heard {
        fn changed(&self, references: &[u64]) {
            self.changed.lock().unwrap().extend(references);
        }

        fn service_is_otherwise(&self) {
            *self.turns.lock().unwrap() += 1;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn readers_are_told_what_changes_and_whether_values_come() {
        let clock = SetClock::at(Timestamp::from_millis(1_700_000_000_000));
        let tenant = FollowedTenant::new(clock);
        let (ann, ben) = (Arc::new(Heard::default()), Arc::new(Heard::default()));
        let (first, second): (Arc<dyn StatisticsReader>, Arc<dyn StatisticsReader>) = (ann.clone(), ben.clone());
        let reader = |number| ReaderId { subject: "person/ann".into(), number };
        tenant.register(reader(1), Arc::downgrade(&first));
        tenant.register(reader(2), Arc::downgrade(&second));
        let request = v1::StatisticRequest { name: "CallsHandled".to_owned(), ..Default::default() };
        let one = tenant.follow(&request, &reader(1)).unwrap();
        tenant.has_message(0).await;
        assert_eq!(tenant.next_message(0).unwrap().open[0].reference, one);
        tenant.settled(&[one], Duration::from_secs(3)).await;
        assert_eq!(tenant.known(one), None, "nobody has told it in time");
        let value = v1::StatisticReading { value: Some(Reading::Number(4)), ..Default::default() };
        let told = v1::StatisticTold { reference: one, value: Some(value) };
        tenant.told(0, v1::FollowStatisticsResponse { values: vec![told], ..Default::default() });
        tenant.settled(&[one], Duration::from_secs(3)).await;
        assert!(matches!(tenant.known(one), Some(KnownReading::Value(_))));
        tenant.broken(0);
        tenant.all_broken();
        assert_eq!((&*ann.changed.lock().unwrap(), &*ben.changed.lock().unwrap()), (&vec![one], &vec![]));
        for heard in [&ann, &ben] {
            assert_eq!(*heard.turns.lock().unwrap(), 2, "it came, and has broken off");
        }
        assert_eq!(tenant.is_available(), Some(false));
        tenant.forget(&reader(1));
        assert_eq!(tenant.count(), 0);
        assert!(!tenant.handle_timeout(), "somebody is there");
    }
}
