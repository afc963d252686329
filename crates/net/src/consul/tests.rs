//! What every source of addresses is expected to do, in virtual time: with Consul's client at an agent in memory, and with a plain list.

mod agent;
mod plain_list;

use std::net::IpAddr;
use std::time::Duration;

use runtime::discovery::{AnswerOutcome, Counts, JoinParts, JoinReadiness, announce, follow, followed};
use runtime::{Directory, Readiness, RoleSpec};
use tokio_util::sync::CancellationToken;

use self::agent::MemoryAgent;
use self::plain_list::PlainList;
use super::*;

const ROLE: &str = "gws-voice";
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
}

fn ip(host: u8) -> IpAddr {
    IpAddr::from([127, 0, 24, host])
}

fn ips(hosts: &[u8]) -> Vec<IpAddr> {
    hosts.iter().map(|host| ip(*host)).collect()
}

fn directory() -> Directory {
    static VOICE: RoleSpec = RoleSpec::bare(ROLE, 24);
    Directory::of_instance(0, &[&VOICE], |_| 1)
}

fn known(directory: &Directory) -> Vec<IpAddr> {
    directory.watch(ROLE).borrow().clone()
}

/// A process that follows the role; it ends with the value.
struct Following {
    directory: Directory,
    counts: Counts,
    task: tokio::task::JoinHandle<()>,
}

impl Following {
    fn start(client: Arc<dyn SourceClient>) -> Self {
        let (directory, parts) = (directory(), JoinParts::default());
        let counts = parts.counts.clone();
        let task = tokio::spawn(follow(client, ROLE, directory.clone(), parts));
        Self { directory, counts, task }
    }

    async fn knows_after(&self, time: Duration, hosts: &[u8]) {
        tokio::time::sleep(time).await;
        assert_eq!(known(&self.directory), ips(hosts));
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn replicas_come_go_and_change_their_address(world: &dyn SourceWorld) {
    world.has(&ips(&[1]));
    let following = Following::start(world.client());
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
    let following = Following::start(world.client());
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
    let following = Following::start(world.client());
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
    let following = Following::start(world.client());
    for turn in 0..600_u16 {
        let host = u8::try_from(turn % 2).unwrap() + 1;
        world.has(&ips(&[host]));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let counts = &following.counts.answers;
    let asked = counts.get(AnswerOutcome::Changed) + counts.get(AnswerOutcome::Same);
    assert!((20..=130).contains(&asked), "{asked} answers in a minute");
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
        }
    };
}
conforms!(consul, MemoryAgent::start());
conforms!(list, PlainList::start());

// === the registration, at Consul ===

/// A replica that has joined.
struct Joined {
    leaves: CancellationToken,
    readiness: Readiness,
    task: tokio::task::JoinHandle<()>,
}

impl Joined {
    fn start(agent: &MemoryAgent, host: u8) -> Self {
        let address = (ip(host), 8_080).into();
        let node = format!("{ROLE}-{host}");
        let client = agent.client_of(JoiningReplica { role: ROLE, node, instance: 0, address });
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
    let following = Following::start(agent.client());
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
    let following = Following::start(agent.client());
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
