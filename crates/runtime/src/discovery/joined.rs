//! Drives the two cores of discovery: tells a source of a replica, and takes its answers into the directory.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::Timestamp;
use tokio::time::Instant;

use super::announced::Announced;
use super::followed::{Followed, TakenAnswer};
use super::{ReplicaHealth, SourceClient, SourceFault};
use crate::directory::Directory;
use crate::entropy::Strong;
use crate::metrics::{CounterBy, Label};
use crate::readiness::Readiness;

/// How often it is looked whether a replica has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For how long a replica that goes waits for the source.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);
/// The condition of readiness.
const CONDITION: &str = "discovery";
/// What a replica waits for first: that the source knows it.
const REGISTERED: &str = "registration";

crate::metrics! {
    /// Counters of discovery; they survive restarts of their role. They stay 0 where the addresses follow from the settings.
    #[derive(Clone, Debug, Default)]
    pub struct Counts {
        /// Questions about the replicas of roles that this role asked the source of addresses, by what came of them.
        pub answers: CounterBy<AnswerOutcome> = "discovery_answers";
        /// How often this replica told the source of addresses that it is there, by what came of it.
        pub announcements: CounterBy<AnnounceOutcome> = "discovery_announcements";
    }
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerOutcome {
    /// The addresses of a role have changed.
    Changed,
    /// They are those of before.
    Same,
    /// There are more replicas than are followed; the others are left out.
    Cut,
    /// There was no answer, or none of use: the last one stays in force.
    Failed,
}

impl Label for AnswerOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Changed, Self::Same, Self::Cut, Self::Failed];

    fn text(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Same => "same",
            Self::Cut => "cut",
            Self::Failed => "failed",
        }
    }
}

/// What came of telling the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnounceOutcome {
    /// It has taken it.
    Taken,
    /// It has not, and is told again.
    Failed,
}

impl Label for AnnounceOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Taken, Self::Failed];

    fn text(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Failed => "failed",
        }
    }
}

/// What a replica waits for until it is joined for the first time; afterwards a source that is away keeps nobody from being ready.
#[derive(Clone, Default)]
pub struct JoinReadiness {
    state: Arc<Mutex<JoinState>>,
}

#[derive(Default)]
struct JoinState {
    /// The conditions of the present run.
    run: Option<Readiness>,
    /// What has not come yet, with the reason.
    waits: BTreeMap<&'static str, String>,
}

impl JoinReadiness {
    /// The replica is not ready before its registration, and an answer about each of those roles.
    pub fn expecting(roles: &[&'static str]) -> Self {
        let waits = roles.iter().chain([&REGISTERED]).map(|what| (*what, "not asked yet".to_owned())).collect();
        Self { state: Arc::new(Mutex::new(JoinState { run: None, waits })) }
    }

    /// A run of the role begins, with these conditions.
    pub fn begin_run(&self, readiness: Readiness) {
        self.change(|state| state.run = Some(readiness));
    }

    fn came(&self, what: &'static str) {
        self.change(|state| drop(state.waits.remove(what)));
    }

    fn failed(&self, what: &'static str, why: String) {
        self.change(|state| {
            if let Some(known) = state.waits.get_mut(what) {
                *known = why;
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut JoinState)) {
        // A panic while it was locked leaves it readable.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        let Some(run) = &state.run else { return };
        match state.waits.first_key_value() {
            Some((what, why)) => run.fails(CONDITION, format!("{what}: {why}")),
            None => run.holds(CONDITION),
        }
    }
}

/// What the tasks of a replica share.
#[derive(Clone, Default)]
pub struct JoinParts {
    /// What the replica waits for.
    pub readiness: JoinReadiness,
    /// Its counters.
    pub counts: Counts,
}

/// The time since it was begun: steps of the machine's clock do not reach it.
struct Elapsed(Instant);

impl Elapsed {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    async fn until(&self, time: Timestamp) {
        tokio::time::sleep_until(self.0 + Duration::from_micros(time.as_micros())).await;
    }

    async fn until_any(&self, time: Option<Timestamp>) {
        match time {
            Some(time) => self.until(time).await,
            None => std::future::pending().await,
        }
    }
}

/// Tells the source of a replica, which is as `health` says, until it leaves; then it withdraws.
pub async fn announce(
    client: Arc<dyn SourceClient>,
    health: impl Fn() -> ReplicaHealth + Send + Sync,
    leaves: impl Future<Output = ()> + Send,
    parts: JoinParts,
) {
    tokio::select! {
        () = tell(&*client, &health, &parts) => {}
        () = leaves => {}
    }
    match tokio::time::timeout(LEAVE_WITHIN, client.withdraw()).await {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => tracing::debug!(%fault, "the source of addresses was not told that this replica goes"),
        Err(_) => tracing::debug!("the source of addresses was not told in time that this replica goes"),
    }
}

/// Tells the source again and again.
async fn tell(client: &dyn SourceClient, health: &(impl Fn() -> ReplicaHealth + Sync), parts: &JoinParts) {
    let (time, mut entropy) = (Elapsed(Instant::now()), Strong::seeded_by_system());
    let (mut announced, mut is_failing) = (Announced::new(time.now()), false);
    loop {
        let now_like = health();
        let Some(step) = announced.due(&now_like, time.now()) else {
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        };
        let told = client.announce(step, now_like.clone()).await;
        match told {
            Ok(()) => {
                announced.handle_taken(step, now_like, time.now());
                parts.counts.announcements.inc(AnnounceOutcome::Taken);
                parts.readiness.came(REGISTERED);
                if std::mem::take(&mut is_failing) {
                    tracing::info!(source = client.place(), "the source of addresses knows this replica again");
                }
            }
            Err(fault) => {
                announced.handle_fault(&fault, time.now(), &mut entropy);
                parts.counts.announcements.inc(AnnounceOutcome::Failed);
                let why = format!("{}: {fault}", client.place());
                // One that does not know the replica any more has lost its data, and is told at once.
                if fault != SourceFault::Unknown && !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%why, "the source of addresses cannot be told of this replica: it is told again");
                }
                parts.readiness.failed(REGISTERED, why);
            }
        }
    }
}

/// Takes what the source tells of a role into the directory, for as long as it is polled.
pub async fn follow(client: Arc<dyn SourceClient>, role: &'static str, directory: Directory, parts: JoinParts) {
    let (time, mut entropy) = (Elapsed(Instant::now()), Strong::seeded_by_system());
    let present = directory.watch(role).borrow().clone();
    let (mut followed, mut is_failing) = (Followed::new(present, time.now()), false);
    loop {
        time.until(followed.ask_at()).await;
        let after = followed.ask(time.now());
        let answered = tokio::select! {
            biased;
            answered = client.replicas(role, after) => answered,
            () = time.until_any(followed.next_timeout()) => {
                followed.handle_timeout(time.now());
                continue;
            }
        };
        match answered {
            Ok(answer) => {
                let taken = followed.handle_answer(&answer, time.now());
                parts.counts.answers.inc(outcome(&taken, Followed::is_cut(&answer)));
                parts.readiness.came(role);
                if let TakenAnswer::Changed(addresses) = taken {
                    tracing::info!(role, ?addresses, "the replicas of a role have changed");
                    directory.replace(role, addresses);
                }
                if std::mem::take(&mut is_failing) {
                    tracing::info!(role, source = client.place(), "the source of addresses answers again");
                }
            }
            Err(fault) => {
                followed.handle_fault(time.now(), &mut entropy);
                parts.counts.answers.inc(AnswerOutcome::Failed);
                let why = format!("{}: {fault}", client.place());
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(role, %why, "the source of addresses does not answer: the last answer stays in force");
                }
                parts.readiness.failed(role, why);
            }
        }
    }
}

fn outcome(taken: &TakenAnswer, is_cut: bool) -> AnswerOutcome {
    match taken {
        _ if is_cut => AnswerOutcome::Cut,
        TakenAnswer::Changed(_) => AnswerOutcome::Changed,
        TakenAnswer::Same => AnswerOutcome::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_ready_once_it_is_known_and_knows_and_stays_so() {
        let (waits, first) = (JoinReadiness::expecting(&["config"]), Readiness::default());
        first.started();
        waits.begin_run(first.clone());
        waits.failed("config", "consul at http://127.0.0.1:8500: refused".to_owned());
        assert_eq!(first.missing(), [("discovery", "config: consul at http://127.0.0.1:8500: refused".to_owned())]);
        waits.came("config");
        assert_eq!(first.missing(), [("discovery", "registration: not asked yet".to_owned())]);
        waits.came(REGISTERED);
        assert!(first.is_ready());
        waits.failed("config", "away".to_owned());
        assert!(first.is_ready(), "the last answer stays in force");
        let second = Readiness::default();
        second.started();
        waits.begin_run(second.clone());
        assert!(second.is_ready());
    }
}
