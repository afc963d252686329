//! What every source of addresses is expected to do, in virtual time: with Consul's client at an agent in memory, and with a plain list.

mod agent;
mod plain_list;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use runtime::discovery::{AnswerOutcome, Counts, JoinParts, JoinReadiness, announce, announced_port, follow, followed};
use runtime::metrics::Label as _;
use runtime::{Directory, Readiness, RoleSpec};
use tokio_util::sync::CancellationToken;

use self::agent::{AgentsBehind, MemoryAgent};
use self::plain_list::PlainList;
use super::*;

const ROLE: &str = "gws-voice";
static VOICE: RoleSpec = RoleSpec::bare(ROLE, 24);
/// The most replicas that the settings of the tests give the role.
const REPLICAS: u8 = 9;
/// Longer than anything takes that is to come at once.
const AT_ONCE: Duration = Duration::from_secs(2);
/// Longer than it takes until a replica that went is forgotten.
const FORGOTTEN: Duration = followed::GONE_AFTER.saturating_add(Duration::from_secs(3));
const MINUTE: Duration = Duration::from_secs(60);

/// A source whose replicas the test decides.
trait SourceWorld {
    fn client(&self) -> Arc<dyn SourceClient>;
    /// These are the replicas of the role.
    fn has(&self, replicas: &[IpAddr]);
    /// Whether it answers nobody.
    fn is_away(&self, is_away: bool);
    /// One of its servers answers the next questions by this, whatever is true.
    fn contradicts(&self, replicas: Option<&[IpAddr]>);
    /// How much later than at once a change is heard of.
    fn lag(&self) -> Duration;
}

/// A replica as it is announced.
fn announced(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, announced_port(&VOICE))
}

fn ip(host: u8) -> IpAddr {
    IpAddr::from([127, 0, 24, host])
}

fn ips(hosts: &[u8]) -> Vec<IpAddr> {
    hosts.iter().map(|host| ip(*host)).collect()
}

/// One in which the settings give the role so many replicas, of which the first is said to be there.
fn directory() -> Directory {
    let directory = Directory::of_instance(0, &[&VOICE], |_| REPLICAS);
    directory.replace(ROLE, ips(&[1]));
    directory
}

fn known(directory: &Directory) -> Vec<IpAddr> {
    directory.watch(ROLE).borrow().clone()
}

/// A process that follows the role; it ends with the value.
struct Following {
    directory: Directory,
    counts: Counts,
    readiness: Readiness,
    lag: Duration,
    task: tokio::task::JoinHandle<()>,
}

impl Following {
    fn start(world: &dyn SourceWorld) -> Self {
        let (directory, readiness) = (directory(), Readiness::default());
        let parts = JoinParts { readiness: JoinReadiness::expecting(&[ROLE]), ..JoinParts::default() };
        readiness.started();
        parts.readiness.begin_run(readiness.clone());
        let counts = parts.counts.clone();
        let task = tokio::spawn(follow(world.client(), &VOICE, directory.clone(), parts));
        Self { directory, counts, readiness, lag: world.lag(), task }
    }

    async fn knows_after(&self, time: Duration, hosts: &[u8]) {
        tokio::time::sleep(time + self.lag).await;
        assert_eq!(known(&self.directory), ips(hosts));
    }

    /// What the process waits for besides its registration, of which these tests know nothing.
    fn waits_for(&self) -> String {
        self.readiness.missing().into_iter().map(|(_, why)| why).collect()
    }

    fn answers(&self) -> u64 {
        AnswerOutcome::ALL.iter().map(|outcome| self.counts.answers.get(*outcome)).sum()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn replicas_come_go_and_change_their_address(world: &dyn SourceWorld) {
    world.has(&ips(&[1]));
    let following = Following::start(world);
    following.knows_after(AT_ONCE, &[1]).await;
    world.has(&ips(&[1, 2]));
    following.knows_after(AT_ONCE, &[1, 2]).await;
    world.has(&ips(&[2]));
    following.knows_after(AT_ONCE, &[1, 2]).await;
    following.knows_after(FORGOTTEN, &[2]).await;
    world.has(&ips(&[7]));
    following.knows_after(AT_ONCE, &[2, 7]).await;
    following.knows_after(FORGOTTEN, &[7]).await;
    world.has(&[]);
    following.knows_after(MINUTE, &[7]).await;
}

async fn a_source_that_is_away_for_a_minute_changes_nothing(world: &dyn SourceWorld) {
    world.has(&ips(&[1, 2]));
    let following = Following::start(world);
    following.knows_after(AT_ONCE, &[1, 2]).await;
    world.is_away(true);
    world.has(&ips(&[3]));
    following.knows_after(MINUTE, &[1, 2]).await;
    world.is_away(false);
    // The pause between two attempts, and a little.
    following.knows_after(Duration::from_secs(11), &[1, 2, 3]).await;
    following.knows_after(FORGOTTEN, &[3]).await;
}

async fn answers_that_contradict_one_another_for_some_seconds_do_no_harm(world: &dyn SourceWorld) {
    world.has(&ips(&[1, 2]));
    let following = Following::start(world);
    following.knows_after(AT_ONCE, &[1, 2]).await;
    for turn in 0..5_u8 {
        let wrong = if turn % 2 == 0 { ips(&[1]) } else { Vec::new() };
        world.contradicts(Some(&wrong));
        following.knows_after(Duration::from_secs(1), &[1, 2]).await;
        world.contradicts(None);
        following.knows_after(Duration::from_secs(1), &[1, 2]).await;
    }
    following.knows_after(MINUTE, &[1, 2]).await;
}

async fn a_source_that_always_answers_at_once_is_not_flooded(world: &dyn SourceWorld) {
    world.has(&ips(&[1]));
    let following = Following::start(world);
    for turn in 0..600_u16 {
        let host = u8::try_from(turn % 2).unwrap() + 1;
        world.has(&ips(&[host]));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let asked = following.answers();
    assert!((10..=70).contains(&asked), "{asked} answers in a minute");
}

async fn addresses_that_no_replica_has_by_the_settings_are_not_asked_whoever_names_them(world: &dyn SourceWorld) {
    world.has(&ips(&[1, 2]));
    let following = Following::start(world);
    following.knows_after(AT_ONCE, &[1, 2]).await;
    let dropped = || following.counts.dropped.get();
    assert_eq!(dropped(), 0);
    let elsewhere = ["192.0.2.66", "127.0.24.10", "127.1.24.1", "127.0.23.1", "2001:db8::1"];
    let elsewhere: Vec<IpAddr> = elsewhere.iter().map(|address| address.parse().unwrap()).collect();
    world.has(&[elsewhere.clone(), ips(&[2, 3])].concat());
    following.knows_after(AT_ONCE, &[1, 2, 3]).await;
    assert!(dropped() >= 5, "{}", dropped());
    // An answer with strangers alone is one without a replica.
    world.has(&elsewhere);
    following.knows_after(MINUTE, &[1, 2, 3]).await;
    let who = |address: &str| following.directory.role_at(address.parse().unwrap()).map(str::to_owned);
    assert_eq!((who("127.0.24.1").as_deref(), who("192.0.2.66")), (Some(ROLE), None), "the settings say who is who");
}

/// Each of the laws for one source.
macro_rules! conforms {
    ($name:ident, $world:expr) => {
        mod $name {
            use super::*;

            #[tokio::test(start_paused = true)]
            async fn replicas_come_and_go() {
                replicas_come_go_and_change_their_address(&$world).await;
            }

            #[tokio::test(start_paused = true)]
            async fn it_may_be_away() {
                a_source_that_is_away_for_a_minute_changes_nothing(&$world).await;
            }

            #[tokio::test(start_paused = true)]
            async fn it_may_contradict_itself() {
                answers_that_contradict_one_another_for_some_seconds_do_no_harm(&$world).await;
            }

            #[tokio::test(start_paused = true)]
            async fn it_is_not_flooded() {
                a_source_that_always_answers_at_once_is_not_flooded(&$world).await;
            }

            #[tokio::test(start_paused = true)]
            async fn it_may_name_strangers() {
                addresses_that_no_replica_has_by_the_settings_are_not_asked_whoever_names_them(&$world).await;
            }
        }
    };
}
conforms!(consul, MemoryAgent::start());
conforms!(list, PlainList::start());

// === answers of Consul ===

#[tokio::test(start_paused = true)]
async fn an_answer_that_access_control_has_filtered_takes_nobody_away_and_says_what_to_do() {
    let agent = MemoryAgent::start();
    agent.has(&ips(&[1, 2, 3]));
    let following = Following::start(&agent);
    following.knows_after(AT_ONCE, &[1, 2, 3]).await;
    for shown in [Vec::new(), ips(&[1])] {
        agent.shows_only(Some(&shown));
        following.knows_after(3 * MINUTE, &[1, 2, 3]).await;
    }
    let incomplete = following.counts.answers.get(AnswerOutcome::Incomplete);
    assert!((2..200).contains(&incomplete), "{incomplete}");
    assert!(!following.waits_for().contains(ROLE), "it was joined before: {}", following.waits_for());

    let second = Following::start(&agent);
    tokio::time::sleep(AT_ONCE).await;
    assert!(!second.waits_for().contains(ROLE), "what is shown suffices to begin with: {}", second.waits_for());
    agent.shows_only(Some(&[]));
    let third = Following::start(&agent);
    third.knows_after(MINUTE, &[1]).await;
    let why = third.waits_for();
    assert!(why.contains("gws-voice: consul at ") && why.contains("service:read"), "{why}");
    agent.shows_only(None);
    third.knows_after(MINUTE, &[1, 2, 3]).await;
    assert!(!third.waits_for().contains(ROLE), "{}", third.waits_for());
}

#[tokio::test(start_paused = true)]
async fn agents_behind_one_address_whose_indexes_go_back_and_forth_are_not_flooded() {
    let agents = AgentsBehind::start(2).answering_at_once();
    agents.each(|agent| agent.has(&ips(&[1, 2])));
    // The one is far ahead of the other.
    (0..50).for_each(|_| agents.all[0].has(&ips(&[1, 2])));
    let following = Following::start(&agents);
    following.knows_after(AT_ONCE, &[1, 2]).await;
    let before = agents.asked();
    tokio::time::sleep(5 * MINUTE).await;
    let asked = agents.asked() - before;
    assert!(asked <= 130, "{asked} questions in five minutes");
    agents.each(|agent| agent.has(&ips(&[2, 3])));
    following.knows_after(Duration::from_secs(6), &[1, 2, 3]).await;
}

// === the registration, at Consul ===

/// A replica of the role.
fn replica(host: u8) -> JoiningReplica {
    JoiningReplica { role: ROLE, node: format!("{ROLE}-{host}"), instance: 0, address: announced(ip(host)) }
}

/// A replica that has joined.
struct Joined {
    leaves: CancellationToken,
    readiness: Readiness,
    task: tokio::task::JoinHandle<()>,
}

impl Joined {
    fn start(agent: &MemoryAgent, host: u8) -> Self {
        Self::start_at(agent.client_of(replica(host)))
    }

    fn start_at(client: Arc<dyn SourceClient>) -> Self {
        let (leaves, readiness) = (CancellationToken::new(), Readiness::default());
        let parts = JoinParts { readiness: JoinReadiness::expecting(&[]), ..JoinParts::default() };
        readiness.started();
        parts.readiness.begin_run(readiness.clone());
        let health = || ReplicaHealth::Ready;
        let task = tokio::spawn(announce(client, health, leaves.clone().cancelled_owned(), parts));
        Self { leaves, readiness, task }
    }

    async fn leave(self) {
        self.leaves.cancel();
        self.task.await.unwrap();
    }

    fn kill(self) {
        self.task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn replicas_find_each_other_and_one_that_is_killed_is_missed_and_comes_back() {
    let agent = MemoryAgent::start();
    let [first, second] = [1, 2].map(|host| Joined::start(&agent, host));
    let following = Following::start(&agent);
    following.knows_after(AT_ONCE, &[1, 2]).await;
    assert!(first.readiness.is_ready() && second.readiness.is_ready());
    second.kill();
    // Consul takes it for failed after its TTL, which is renewed for those that live.
    following.knows_after(Duration::from_secs(16) + FORGOTTEN, &[1]).await;
    let second = Joined::start(&agent, 2);
    following.knows_after(AT_ONCE, &[1, 2]).await;
    second.leave().await;
    assert_eq!(agent.registered(), ["trunkline-0-gws-voice-1"]);
    following.knows_after(FORGOTTEN, &[1]).await;
    first.leave().await;
    following.knows_after(MINUTE, &[1]).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_has_lost_its_data_hears_of_everybody_again_and_nobody_is_missed() {
    let agent = MemoryAgent::start();
    let _joined = [1, 2].map(|host| Joined::start(&agent, host));
    let following = Following::start(&agent);
    following.knows_after(AT_ONCE, &[1, 2]).await;
    agent.is_away(true);
    agent.loses_its_data();
    following.knows_after(MINUTE, &[1, 2]).await;
    agent.is_away(false);
    for _ in 0..60 {
        following.knows_after(Duration::from_secs(1), &[1, 2]).await;
    }
    assert_eq!(agent.registered().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_replica_is_not_ready_before_consul_knows_it_and_says_why() {
    let agent = MemoryAgent::start();
    agent.is_away(true);
    let joined = Joined::start(&agent, 1);
    tokio::time::sleep(AT_ONCE).await;
    let missing = joined.readiness.missing();
    let [(condition, why)] = missing.as_slice() else { panic!("{missing:?}") };
    assert_eq!(*condition, "discovery");
    assert!(why.contains("consul at http://127.0.0.1:8500") && why.contains("it is away"), "{why}");
    agent.is_away(false);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(joined.readiness.is_ready());
    agent.is_away(true);
    tokio::time::sleep(MINUTE).await;
    assert!(joined.readiness.is_ready(), "whoever was joined goes on with the last answer");
}

#[tokio::test(start_paused = true)]
async fn agents_behind_one_address_are_told_without_a_flood_and_one_of_them_knows_the_replica_at_any_time() {
    let agents = AgentsBehind::start(2);
    let joined = Joined::start_at(agents.client_of(replica(1)));
    tokio::time::sleep(AT_ONCE).await;
    let before = agents.asked();
    let mut missed = 0;
    for _ in 0..300 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let is_known = agents.all.iter().any(|agent| !agent.registered().is_empty());
        missed += u32::from(!is_known);
    }
    let asked = agents.asked() - before;
    assert!((100..300).contains(&asked), "{asked} calls in five minutes");
    assert_eq!(missed, 0);
    joined.leave().await;
}

#[tokio::test(start_paused = true)]
async fn a_registration_that_is_under_way_ends_before_the_replica_withdraws() {
    let agent = MemoryAgent::start();
    agent.takes_its_time(Duration::from_millis(500));
    let joined = Joined::start(&agent, 1);
    tokio::time::sleep(Duration::from_millis(100)).await;
    joined.leave().await;
    assert_eq!(agent.log(), ["register", "deregister"]);
    assert!(agent.registered().is_empty());
}
