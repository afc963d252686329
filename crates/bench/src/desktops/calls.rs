//! Facts of calls, written into the ledger as a node of sip-cluster writes them: each in the commit that changes its call. So calls need
//! no phones and no audio, and everything behind the ledger has the work that it has of real ones.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use backends::redis::{RedisSettings, RedisStores};
use bytes::Bytes;
use infra::{
    Binding, CallLedger, CallWrite, Change, Client, Clock, Leases, RegistrationWrite, RegistrationWritten,
    Registrations, SystemClock, Written, bounds,
};
use model::event::CallRef;
use model::plan::Contact;
use model::{
    CallState, CallType, CallUuid, ConnId, Dn, DnRole, Event, EventId, EventName, NodeId, Owner, Seq, Stamped, Subject,
    TenantId, Timestamp, Token,
};
use tokio::task::JoinHandle;

use super::heard::{CallNews, HeardNews};
use super::roles::dn;
use crate::site::TENANT;

/// The name of the node, and the role by whose leases other nodes see that it lives: they take over nothing of it.
const NODE: &str = "bench-1";
const ROLE: &str = "sip-cluster";
const LEASE_EACH: Duration = Duration::from_millis(500);
/// Where the calls wait, and what callers have dialled.
const QUEUE: &str = "9000";
/// Phones are written so many at a time.
const PHONES_BATCH: usize = 100;
/// A phone stays registered longer than any load.
const REGISTERED_FOR: Duration = Duration::from_secs(24 * 3_600);
/// A turn of the node: what has come due meanwhile is one commit.
const TURN: Duration = Duration::from_millis(2);
/// Bits of a call's id that count the calls of a millisecond.
const COUNTED_BITS: u32 = 20;

/// What happens to each call, and how long after its beginning.
const COURSE: [(Duration, CallStep); 5] = [
    (Duration::ZERO, CallStep::Waits),
    (Duration::from_millis(100), CallStep::Rings),
    (Duration::from_millis(600), CallStep::IsAnswered),
    (Duration::from_millis(1_200), CallStep::HasOtherData),
    (Duration::from_millis(2_500), CallStep::Ends),
];
/// How long a desktop has to do with a call, with the after-call work of a second, until it gets the next one.
const EACH_TAKES: Duration = Duration::from_secs(5);

/// A step of a call: one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallStep {
    Waits,
    Rings,
    IsAnswered,
    HasOtherData,
    Ends,
}

/// A load of calls, each at the desktop whose turn it is.
#[derive(Clone, Copy, Debug)]
pub struct DesktopCalls {
    /// Desktops.
    pub desktops: u32,
    /// Calls that begin in a second.
    pub per_s: f64,
    /// Their number.
    pub count: u32,
}

/// What a load has come to, as it was sent.
pub struct SentCalls {
    /// How long it should have taken, and how long it took.
    pub planned: Duration,
    /// See `planned`.
    pub took: Duration,
    /// The longest that a step was behind its time.
    pub late: Duration,
}

/// What plays a node of sip-cluster; its lease ends with it.
pub struct CallNode {
    stores: Arc<RedisStores>,
    clock: Arc<dyn Clock>,
    tenant: TenantId,
    owner: Owner,
    lease: JoinHandle<()>,
}

impl Drop for CallNode {
    fn drop(&mut self) {
        self.lease.abort();
    }
}

impl DesktopCalls {
    /// A load of that many seconds: `per_s` calls each, or as many as the desktops have time for.
    pub fn lasting(seconds: u32, per_s: f64, desktops: u32) -> Self {
        let per_s = per_s.min(f64::from(desktops) / EACH_TAKES.as_secs_f64());
        Self { desktops, per_s, count: (per_s * f64::from(seconds)).round() as u32 }
    }

    /// Events that desktops are told.
    pub fn events(self) -> usize {
        self.count as usize * COURSE.iter().filter(|(_, step)| step.news().is_some()).count()
    }

    /// All steps of all calls, in the order of their times.
    fn steps(self) -> Vec<(Duration, u32, CallStep)> {
        let begins = |call: u32| Duration::from_secs_f64(f64::from(call) / self.per_s);
        let of_call = |call: u32| COURSE.map(|(after, step)| (begins(call) + after, call, step));
        let mut steps: Vec<_> = (0..self.count).flat_map(of_call).collect();
        // A stable sort: steps of one call keep their order.
        steps.sort_by_key(|(due, ..)| *due);
        steps
    }
}

impl CallStep {
    /// What its desktop is told.
    const fn news(self) -> Option<CallNews> {
        match self {
            Self::Waits => None,
            Self::Rings => Some(CallNews::Ringing),
            Self::IsAnswered => Some(CallNews::Established),
            Self::HasOtherData => Some(CallNews::DataChanged),
            Self::Ends => Some(CallNews::Released),
        }
    }

    /// Its facts, as `docs/events.md` has them, at the queue or at the agent's phone.
    const fn facts(self) -> &'static [(EventName, bool)] {
        match self {
            Self::Waits => {
                &[(EventName::CallCreated, false), (EventName::Queued, false), (EventName::RouteRequest, false)]
            }
            Self::Rings => &[(EventName::RouteUsed, false), (EventName::Diverted, false), (EventName::Ringing, true)],
            Self::IsAnswered => &[(EventName::Established, true)],
            Self::HasOtherData => &[(EventName::AttachedDataChanged, true)],
            Self::Ends => &[(EventName::Released, true), (EventName::CallDeleted, false)],
        }
    }

    /// The number of its first fact: those before it have each one.
    fn first_seq(self) -> u64 {
        let before = COURSE.iter().take_while(|(_, step)| *step != self);
        1 + before.map(|(_, step)| step.facts().len() as u64).sum::<u64>()
    }

    fn change(self) -> Change {
        match self {
            // Nobody of this installation reads what a call is beyond its facts.
            Self::Waits => Change::Create { state: Bytes::new(), intentions: Bytes::new() },
            Self::Ends => Change::End,
            Self::Rings | Self::IsAnswered | Self::HasOtherData => Change::Keep,
        }
    }
}

impl CallNode {
    /// A node at the stores of that instance, which is seen live from now on.
    pub async fn open(instance: u8) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let settings = RedisSettings::at(&format!("redis://{}:6379", Ipv4Addr::new(127, instance, 255, 1)));
        let stores = RedisStores::open(&settings, Client::unwatched("trunkline/bench"), clock.clone())?;
        let (stores, node) = (Arc::new(stores), NodeId::parse(NODE)?);
        let owner = Owner { epoch: stores.next_epoch(&node).await?, node };
        stores.renew(&owner, ROLE, bounds::LEASE).await?;
        let lease = tokio::spawn(keep_lease(stores.clone(), owner.clone()));
        Ok(Self { stores, clock, tenant: TenantId::parse(TENANT)?, owner, lease })
    }

    /// Registers the phones of so many people, as registrar does.
    pub async fn register_phones(&self, people: u32) -> Result<()> {
        let now = self.clock.now();
        let writes = (0..people).map(|person| self.registration(person, now)).collect::<Result<Vec<_>>>()?;
        for batch in writes.chunks(PHONES_BATCH) {
            let answers = Registrations::commit(&*self.stores, batch.to_vec()).await?;
            let is_done = |answer: &RegistrationWritten| matches!(answer, RegistrationWritten::Done(_));
            ensure!(answers.iter().all(is_done), "Redis refuses a phone: {answers:?}");
        }
        Ok(())
    }

    fn registration(&self, person: u32, now: Timestamp) -> Result<RegistrationWrite> {
        let dn = Dn::parse(&dn(person))?;
        let uri = format!("sip:{dn}@127.0.0.1:5060");
        let binding = Binding {
            contact: Contact { uri, path: Vec::new(), further: Vec::new() },
            call_id: format!("bench-{person}"),
            cseq: 1,
            refreshed_at: now,
            expires_at: now + REGISTERED_FOR,
            q: 1_000,
            user_agent: None,
            instance: None,
            reg_id: None,
        };
        let id = EventId { subject: Subject::Dn(dn.clone()), token: Token(1), seq: Seq(1) };
        let event = Event { this_dn: Some(dn.clone()), ..Event::new(EventName::DNBackInService) };
        let fact = Stamped { id, tenant: self.tenant.clone(), at: now, trace: None, event };
        let tenant = self.tenant.clone();
        Ok(RegistrationWrite { tenant, dn, expected: 0, bindings: vec![binding], events: vec![fact] })
    }

    /// Sends a load of calls.
    pub async fn call(&self, calls: DesktopCalls, heard: &HeardNews) -> Result<SentCalls> {
        let steps = calls.steps();
        let planned = steps.last().map(|(due, ..)| *due).unwrap_or_default();
        let first = self.clock.now().as_millis() << COUNTED_BITS;
        let (begun, mut sent, mut late) = (Instant::now(), 0, Duration::ZERO);
        while let Some((due, ..)) = steps.get(sent) {
            tokio::time::sleep_until((begun + (*due).max(begun.elapsed().saturating_add(TURN))).into()).await;
            let now = begun.elapsed();
            late = late.max(now.saturating_sub(*due));
            let turn: Vec<_> = steps.iter().skip(sent).take_while(|(due, ..)| *due <= now).collect();
            let mut batch = Vec::with_capacity(turn.len());
            for (_, call, step) in &turn {
                let (conn_id, desktop) = (ConnId(first + u64::from(*call)), call % calls.desktops);
                batch.push(self.write(conn_id, desktop, *step)?);
                if let Some(news) = step.news() {
                    heard.published(conn_id, news, desktop);
                }
            }
            sent += turn.len();
            let answers = CallLedger::commit(&*self.stores, batch).await?;
            let is_done = |answer: &Written| matches!(answer, Written::Done { .. });
            ensure!(answers.iter().all(is_done), "Redis refuses a fact: {answers:?}");
        }
        Ok(SentCalls { planned, took: begun.elapsed(), late })
    }

    fn write(&self, conn_id: ConnId, desktop: u32, step: CallStep) -> Result<CallWrite> {
        let phone = Dn::parse(&dn(desktop))?;
        let facts = step.facts().iter().zip(step.first_seq()..);
        let facts = facts.map(|(fact, seq)| self.fact(conn_id, &phone, step, *fact, Seq(seq)));
        Ok(CallWrite {
            tenant: self.tenant.clone(),
            conn_id,
            owner: self.owner.clone(),
            token: Token(1),
            change: step.change(),
            due: None,
            index: Vec::new(),
            events: facts.collect::<Result<_>>()?,
            new_call: None,
            absorbs: None,
        })
    }

    fn fact(
        &self,
        conn_id: ConnId,
        phone: &Dn,
        step: CallStep,
        (name, is_at_phone): (EventName, bool),
        seq: Seq,
    ) -> Result<Stamped> {
        let uuid = CallUuid(u128::from(conn_id.0));
        let caller = format!("+1555{:07}", conn_id.0 % 10_000_000);
        let is_of_nobody = matches!(name, EventName::CallCreated | EventName::CallDeleted);
        let this_dn = if is_at_phone { phone.clone() } else { Dn::parse(QUEUE)? };
        let mut event = Event {
            call: Some(CallRef {
                conn_id,
                uuid,
                thread: uuid,
                previous: None,
                call_type: CallType::Inbound,
                propagated_type: None,
                ani: Some(caller.clone()),
                dnis: Some(QUEUE.to_owned()),
            }),
            call_state: (name == EventName::Released).then_some(CallState::RemoteRelease),
            this_dn: Some(this_dn).filter(|_| !is_of_nobody),
            this_role: Some(DnRole::Destination).filter(|_| !is_of_nobody),
            other_dn: Some(caller).filter(|_| !is_of_nobody),
            other_role: Some(DnRole::Origination).filter(|_| !is_of_nobody),
            this_queue: Some(QUEUE.to_owned()).filter(|_| !is_of_nobody),
            ..Event::new(name)
        };
        if matches!(name, EventName::RouteUsed | EventName::Diverted) {
            event.third_party_dn = Some(phone.to_string());
            event.third_party_role = Some(DnRole::Destination);
        }
        if is_at_phone {
            event.extensions.push("BusinessCall", 1);
        }
        event.user_data = [
            ("Segment", "Gold"),
            ("CustomerID", "48151623"),
            ("Language", "English"),
            ("Subject", "An order that has not come"),
            ("RTargetObjectSelected", "sales"),
            ("RVQName", "sales"),
        ]
        .into_iter()
        .collect();
        if matches!(step, CallStep::HasOtherData | CallStep::Ends) {
            event.user_data.push("CaseID", format!("C-{conn_id}"));
        }
        let id = EventId { subject: Subject::Call(conn_id), token: Token(1), seq };
        Ok(Stamped { id, tenant: self.tenant.clone(), at: self.clock.now(), trace: Some(uuid), event })
    }
}

/// Nodes take over what one without a lease has left.
async fn keep_lease(stores: Arc<RedisStores>, owner: Owner) {
    loop {
        tokio::time::sleep(LEASE_EACH).await;
        // One that is lost is renewed at the next turn; the commits tell whether somebody has taken a call.
        let _ = stores.renew(&owner, ROLE, bounds::LEASE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn desktops_get_no_more_calls_than_they_have_time_for() {
        let few = DesktopCalls::lasting(30, 50.0, 10);
        assert_eq!((few.per_s, few.count, few.events()), (2.0, 60, 240));
        let many = DesktopCalls::lasting(30, 50.0, 2_000);
        assert_eq!((many.per_s, many.count), (50.0, 1_500));
    }

    #[test]
    fn steps_come_in_the_order_of_their_times_and_facts_have_no_gaps() {
        let steps = DesktopCalls::lasting(3, 50.0, 20).steps();
        assert_eq!(steps.len(), 12 * COURSE.len());
        assert!(steps.is_sorted_by_key(|(due, ..)| *due));
        let of_third: Vec<CallStep> = steps.iter().filter(|(_, call, _)| *call == 3).map(|(.., step)| *step).collect();
        assert_eq!(of_third, COURSE.map(|(_, step)| step));
        assert_eq!(COURSE.map(|(_, step)| step.first_seq()), [1, 4, 7, 8, 9]);
        let last = COURSE.last().map(|(_, step)| (step.first_seq(), step.facts().len()));
        assert_eq!(last, Some((9, 2)));
    }
}
