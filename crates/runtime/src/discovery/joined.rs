//! Drives the two cores of discovery: tells a source of a replica, and takes its answers into the directory.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::Timestamp;
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::announced::Announced;
use super::followed::{Followed, TakenAnswer};
use super::sieve::{AddressSieve, SiftedAnswer};
use super::{AnnounceStep, ReplicaHealth, RoleAnswer, SourceClient, SourceFault, announced_port};
use crate::directory::Directory;
use crate::entropy::Strong;
use crate::metrics::{CounterBy, Label};
use crate::readiness::Readiness;
use crate::spec::RoleSpec;

/// How often it is looked whether a replica has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For how long a replica that goes waits for what the source is just told, and then for the withdrawal.
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
        /// Addresses in those answers that no replica of the role has by the settings; they are not asked. The same one counts in each
        /// answer.
        pub dropped: Counter = "discovery_addresses_dropped";
    }
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerOutcome {
    /// The addresses of a role have changed.
    Changed,
    /// They are those of before.
    Same,
    /// They are too, and the answer may lack replicas, since the source does not show all to this process: nobody is missed by it.
    Incomplete,
    /// There was no answer, or none of use: the last one stays in force.
    Failed,
}

impl Label for AnswerOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Changed, Self::Same, Self::Incomplete, Self::Failed];

    fn text(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Same => "same",
            Self::Incomplete => "incomplete",
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
    let leaving = CancellationToken::new();
    let telling = tell(&*client, &health, &parts, &leaving);
    tokio::pin!(telling);
    tokio::select! {
        () = &mut telling => {}
        () = leaves => {
            // A registration that is under way ends first: else the source may take it after the withdrawal.
            leaving.cancel();
            let _ = tokio::time::timeout(LEAVE_WITHIN, telling).await;
        }
    }
    match tokio::time::timeout(LEAVE_WITHIN, client.withdraw()).await {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => tracing::debug!(%fault, "the source of addresses was not told that this replica goes"),
        Err(_) => tracing::debug!("the source of addresses was not told in time that this replica goes"),
    }
}

/// Tells the source again and again, until the replica leaves.
async fn tell(
    client: &dyn SourceClient,
    health: &(impl Fn() -> ReplicaHealth + Sync),
    parts: &JoinParts,
    leaving: &CancellationToken,
) {
    let (time, mut entropy) = (Elapsed(Instant::now()), Strong::seeded_by_system());
    let (mut announced, mut is_failing) = (Announced::new(time.now()), false);
    while !leaving.is_cancelled() {
        let now_like = health();
        let Some(step) = announced.due(&now_like, time.now()) else {
            let _ = leaving.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await;
            continue;
        };
        let told = client.announce(step, now_like.clone()).await;
        match told {
            Ok(()) => {
                announced.handle_taken(step, now_like, time.now());
                parts.counts.announcements.inc(AnnounceOutcome::Taken);
                parts.readiness.came(REGISTERED);
                if step == AnnounceStep::Renew && std::mem::take(&mut is_failing) {
                    tracing::info!(source = client.place(), "the source of addresses knows this replica again");
                }
            }
            Err(fault) => {
                announced.handle_fault(&fault, time.now(), &mut entropy);
                parts.counts.announcements.inc(AnnounceOutcome::Failed);
                let why = format!("{}: {fault}", client.place());
                if announced.is_failing(&fault) && !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%why, "the source of addresses cannot be told of this replica: it is told again");
                }
                parts.readiness.failed(REGISTERED, why);
            }
        }
    }
}

/// Takes what the source tells of a role into the directory, for as long as it is polled.
pub async fn follow(client: Arc<dyn SourceClient>, spec: &'static RoleSpec, directory: Directory, parts: JoinParts) {
    let time = Elapsed(Instant::now());
    let mut following = FollowedRole::new(&*client, spec, directory, parts, time.now());
    loop {
        time.until(following.followed.ask_at()).await;
        let after = following.followed.ask(time.now());
        let answered = tokio::select! {
            biased;
            answered = client.replicas(spec.name, after) => answered,
            () = time.until_any(following.followed.next_timeout()) => {
                following.followed.handle_timeout(time.now());
                continue;
            }
        };
        match answered {
            Ok(answer) => following.take(&answer, time.now()),
            Err(fault) => following.fails(&fault, time.now()),
        }
    }
}

/// What is wrong with a source, as the log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SourceTrouble {
    Away,
    Incomplete,
}

/// A role that is followed.
struct FollowedRole<'a> {
    client: &'a dyn SourceClient,
    role: &'static str,
    directory: Directory,
    parts: JoinParts,
    sieve: AddressSieve,
    followed: Followed,
    entropy: Strong,
    trouble: Option<SourceTrouble>,
}

impl<'a> FollowedRole<'a> {
    fn new(
        client: &'a dyn SourceClient,
        spec: &'static RoleSpec,
        directory: Directory,
        parts: JoinParts,
        now: Timestamp,
    ) -> Self {
        let present = directory.watch(spec.name).borrow().clone();
        Self {
            client,
            role: spec.name,
            sieve: AddressSieve::new(directory.of_settings(spec.name, announced_port(spec))),
            followed: Followed::new(present, now),
            directory,
            parts,
            entropy: Strong::seeded_by_system(),
            trouble: None,
        }
    }

    fn take(&mut self, answer: &RoleAnswer, now: Timestamp) {
        let role = self.role;
        let sifted = self.sieve.sift(answer);
        self.note_strangers(&sifted);
        let taken = self.followed.handle_answer(&sifted, now, &mut self.entropy);
        self.parts.counts.answers.inc(outcome(&taken, sifted.is_incomplete));
        match &answer.incomplete {
            // What is shown suffices to begin with.
            Some(why) if sifted.replicas.is_empty() => {
                self.parts.readiness.failed(role, format!("{}: {why}", self.client.place()));
            }
            _ => self.parts.readiness.came(role),
        }
        if let TakenAnswer::Changed(addresses) = taken {
            tracing::info!(role, ?addresses, "the replicas of a role have changed");
            self.directory.replace(role, addresses);
        }
        let trouble = answer.incomplete.as_ref().map(|_| SourceTrouble::Incomplete);
        let before = std::mem::replace(&mut self.trouble, trouble);
        match &answer.incomplete {
            Some(why) if before != trouble => tracing::warn!(
                role,
                source = self.client.place(),
                %why,
                "the source of addresses does not show every replica: those that are known stay"
            ),
            None if before.is_some() => {
                tracing::info!(role, source = self.client.place(), "the source of addresses answers again");
            }
            _ => {}
        }
    }

    fn note_strangers(&self, sifted: &SiftedAnswer) {
        self.parts.counts.dropped.inc_by(sifted.dropped);
        if !sifted.strangers.is_empty() {
            tracing::warn!(
                role = self.role,
                source = self.client.place(),
                strangers = ?sifted.strangers,
                "the source of addresses names what no replica of the role is by instance, replicas and ports: it is not asked. \
                 Somebody else writes there, or not every process was told the same settings"
            );
        }
    }

    fn fails(&mut self, fault: &SourceFault, now: Timestamp) {
        self.followed.handle_fault(now, &mut self.entropy);
        self.parts.counts.answers.inc(AnswerOutcome::Failed);
        let (role, why) = (self.role, format!("{}: {fault}", self.client.place()));
        if self.trouble.replace(SourceTrouble::Away) != Some(SourceTrouble::Away) {
            tracing::warn!(role, %why, "the source of addresses does not answer: the last answer stays in force");
        }
        self.parts.readiness.failed(role, why);
    }
}

fn outcome(taken: &TakenAnswer, is_incomplete: bool) -> AnswerOutcome {
    match taken {
        TakenAnswer::Changed(_) => AnswerOutcome::Changed,
        TakenAnswer::Same if is_incomplete => AnswerOutcome::Incomplete,
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
