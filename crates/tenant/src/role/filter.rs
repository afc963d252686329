//! What a subscription on 8000 gets: facts of DNs, agents, queues or calls, or of everything that its token may see.

use std::collections::{BTreeSet, HashSet};

use contracts::{v1, wire};
use model::{AgentId, ConnId, EventName, Stamped, Subject};
use runtime::caller::Tie;
use smallvec::SmallVec;
use tonic::Status;

/// The most DNs, agents, queues or calls of one subscription, each kind by itself: each is an entry of the index.
const NAMED_MAX: usize = 1_000;

/// What a fact is found by.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) enum Key {
    /// The DN that it is for.
    Dn(String),
    /// The agent.
    Agent(String),
    /// The route point or virtual queue where it happened, or that delivered the call.
    Queue(String),
    /// The call, or the other one that it names.
    Call(ConnId),
}

/// The keys of a fact, each once.
pub(super) fn keys_of(stamped: &Stamped) -> SmallVec<[Key; 8]> {
    let event = &stamped.event;
    let mut keys = SmallVec::<[Key; 8]>::new();
    let mut add = |key: Key| {
        if !keys.contains(&key) {
            keys.push(key);
        }
    };
    match &stamped.id.subject {
        Subject::Call(id) => add(Key::Call(*id)),
        Subject::Agent(id) => add(Key::Agent(id.to_string())),
        Subject::Queue(name) => add(Key::Queue(name.to_string())),
        Subject::Dn(dn) => add(Key::Dn(dn.to_string())),
        Subject::Session(_) => {}
    }
    if let Some(dn) = &event.this_dn {
        add(Key::Dn(dn.to_string()));
        add(Key::Queue(dn.to_string()));
    }
    if let Some(queue) = &event.this_queue {
        add(Key::Queue(queue.clone()));
    }
    if let Some(agent) = &event.agent {
        add(Key::Agent(agent.to_string()));
    }
    if let Some(call) = &event.call {
        add(Key::Call(call.conn_id));
        call.previous.into_iter().for_each(|previous| add(Key::Call(previous)));
    }
    keys
}

/// What one subscription gets.
#[derive(Clone, Debug, Default)]
pub(super) struct SubscriptionFilter {
    /// What is asked for; everything if it is empty.
    keys: HashSet<Key>,
    /// The names of facts that are asked for; all if it is empty.
    names: HashSet<EventName>,
    /// What the token may see, if that is not everything.
    tie: Option<Tie>,
}

impl SubscriptionFilter {
    /// Reads a request. A tied token that asks for another DN or agent is refused, whether that exists or not.
    #[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
    pub fn read(asked: &v1::SubscribeRequest, tie: Option<&Tie>) -> Result<Self, Status> {
        let counts = [
            ("dns", asked.dns.len()),
            ("agents", asked.agents.len()),
            ("queues", asked.queues.len()),
            ("calls", asked.calls.len()),
        ];
        for (field, count) in counts.into_iter().chain([("names", asked.names.len())]) {
            if count > NAMED_MAX {
                return Err(Status::invalid_argument(format!("{field}: there are more than {NAMED_MAX}")));
            }
        }
        if let Some(tie) = tie {
            is_within(asked, tie)?;
        }
        let names = asked.names.iter().map(|number| wire::event_name_from_wire(*number));
        let names =
            names.collect::<Result<_, _>>().map_err(|error| Status::invalid_argument(format!("names: {error}")))?;
        let dns = asked.dns.iter().cloned().map(Key::Dn);
        let agents = asked.agents.iter().cloned().map(Key::Agent);
        let queues = asked.queues.iter().cloned().map(Key::Queue);
        let calls = asked.calls.iter().map(|id| Key::Call(ConnId(*id)));
        Ok(Self { keys: dns.chain(agents).chain(queues).chain(calls).collect(), names, tie: tie.cloned() })
    }

    /// The keys under which its facts are found; none if it must look at every fact.
    pub fn index_keys(&self) -> Option<Vec<Key>> {
        if let Some(tie) = &self.tie {
            let agent = tie.agent.as_ref().map(|agent| Key::Agent(agent.to_string()));
            return Some(std::iter::once(Key::Dn(tie.dn.to_string())).chain(agent).collect());
        }
        (!self.keys.is_empty()).then(|| self.keys.iter().cloned().collect())
    }

    /// Whether it gets a fact with these keys.
    pub fn wants(&self, stamped: &Stamped, keys: &[Key]) -> bool {
        let asked = self.keys.is_empty() || keys.iter().any(|key| self.keys.contains(key));
        asked && (self.names.is_empty() || self.names.contains(&stamped.event.name)) && self.may_see(keys)
    }

    fn may_see(&self, keys: &[Key]) -> bool {
        let Some(tie) = &self.tie else { return true };
        keys.iter().any(|key| match key {
            Key::Dn(dn) => dn == tie.dn.as_str(),
            Key::Agent(agent) => tie.agent.as_ref().is_some_and(|own| own.as_str() == agent),
            Key::Queue(_) | Key::Call(_) => false,
        })
    }

    // === the snapshot ===

    /// Whether the snapshot has an agent who is on that DN.
    pub fn shows_agent(&self, id: &AgentId, dn: &str) -> bool {
        let asked = self.keys.is_empty() || self.has_dn(dn) || self.names_agent(id);
        let is_own = |tie: &Tie| tie.dn.as_str() == dn || tie.agent.as_ref() == Some(id);
        asked && self.tie.as_ref().is_none_or(is_own)
    }

    /// Whether it asks for this agent.
    pub fn names_agent(&self, id: &AgentId) -> bool {
        self.keys.contains(&Key::Agent(id.to_string()))
    }

    /// Whether the snapshot has a call with these parties and queues. The agents that are asked for are on `dns_of_agents`.
    pub fn shows_call<'a>(
        &self,
        id: ConnId,
        parties: impl Iterator<Item = (&'a str, Option<&'a str>)> + Clone,
        dns_of_agents: &BTreeSet<&str>,
    ) -> bool {
        let is_queue = |queue: &str| self.keys.contains(&Key::Queue(queue.to_owned()));
        let has = |(dn, queue): (&str, Option<&str>)| {
            self.has_dn(dn) || dns_of_agents.contains(dn) || is_queue(dn) || queue.is_some_and(is_queue)
        };
        let asked = self.keys.is_empty() || self.keys.contains(&Key::Call(id)) || parties.clone().any(has);
        asked && (self.tie.is_none() || parties.into_iter().any(|(dn, _)| self.shows_party(dn)))
    }

    /// Whether the party on that DN is shown in a call that is shown: a tied token sees its own alone.
    pub fn shows_party(&self, dn: &str) -> bool {
        self.tie.as_ref().is_none_or(|tie| tie.dn.as_str() == dn)
    }

    /// Whether the snapshot says that this phone is in service.
    pub fn shows_phone(&self, dn: &str) -> bool {
        (self.keys.is_empty() || self.has_dn(dn)) && self.shows_party(dn)
    }

    fn has_dn(&self, dn: &str) -> bool {
        self.keys.contains(&Key::Dn(dn.to_owned()))
    }
}

#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
fn is_within(asked: &v1::SubscribeRequest, tie: &Tie) -> Result<(), Status> {
    if asked.dns.iter().any(|dn| dn != tie.dn.as_str()) {
        return Err(Status::permission_denied(format!("dns: the token is tied to the DN {}", tie.dn)));
    }
    let is_own = |id: &String| tie.agent.as_ref().is_some_and(|own| own.as_str() == id);
    if !asked.agents.iter().all(is_own) {
        return Err(Status::permission_denied(format!("agents: the token is tied to the DN {}", tie.dn)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use model::event::CallRef;
    use model::{CallType, CallUuid, Dn, Event, EventId, QueueName, Seq, TenantId, Timestamp, Token};

    use super::*;

    fn fact(subject: Subject, event: Event) -> Stamped {
        let id = EventId { subject, token: Token(1), seq: Seq(1) };
        let tenant = TenantId::parse("acme").unwrap();
        Stamped { id, tenant, at: Timestamp::from_millis(1), trace: None, event }
    }

    /// A phone rings for a call that a queue has delivered and that is a consultation of another one.
    fn ringing() -> Stamped {
        let mut event = Event::new(EventName::Ringing);
        event.this_dn = Dn::parse("7101").ok();
        event.this_queue = Some("9000".to_owned());
        event.agent = AgentId::parse("1001").ok();
        event.call = Some(CallRef {
            conn_id: ConnId(7),
            uuid: CallUuid(7),
            thread: CallUuid(7),
            previous: Some(ConnId(6)),
            call_type: CallType::Consult,
            propagated_type: None,
            ani: None,
            dnis: None,
        });
        fact(Subject::Call(ConnId(7)), event)
    }

    fn wants(asked: v1::SubscribeRequest, tie: Option<&Tie>, fact: &Stamped) -> bool {
        SubscriptionFilter::read(&asked, tie).unwrap().wants(fact, &keys_of(fact))
    }

    fn tie(dn: &str, agent: Option<&str>) -> Tie {
        Tie { dn: Dn::parse(dn).unwrap(), agent: agent.map(|agent| AgentId::parse(agent).unwrap()) }
    }

    #[test]
    fn a_fact_comes_to_who_asked_for_its_dn_agent_queue_or_call() {
        let all = v1::SubscribeRequest::default;
        let dn = |dn: &str| v1::SubscribeRequest { dns: vec![dn.to_owned()], ..all() };
        let agent = |id: &str| v1::SubscribeRequest { agents: vec![id.to_owned()], ..all() };
        let queue = |name: &str| v1::SubscribeRequest { queues: vec![name.to_owned()], ..all() };
        let call = |id| v1::SubscribeRequest { calls: vec![id], ..all() };
        let name = |name: v1::EventName| v1::SubscribeRequest { names: vec![name.into()], ..all() };
        for (asked, comes) in [
            (all(), true),
            (dn("7101"), true),
            (dn("9000"), false),
            (agent("1001"), true),
            (agent("7101"), false),
            (queue("9000"), true),
            (queue("sales"), false),
            (call(7), true),
            (call(6), true),
            (call(5), false),
            (name(v1::EventName::EventRinging), true),
            (name(v1::EventName::EventHeld), false),
            (v1::SubscribeRequest { dns: vec!["7102".to_owned()], ..queue("9000") }, true),
            (v1::SubscribeRequest { names: vec![v1::EventName::EventHeld.into()], ..dn("7101") }, false),
        ] {
            assert_eq!(wants(asked.clone(), None, &ringing()), comes, "{asked:?}");
        }
        let queued = Event { this_dn: Dn::parse("sales").ok(), ..Event::new(EventName::Queued) };
        let queued = fact(Subject::Queue(QueueName::parse("sales").unwrap()), queued);
        assert!(wants(queue("sales"), None, &queued) && !wants(queue("9000"), None, &queued));
    }

    #[test]
    fn whatever_is_wanted_is_found_by_the_index() {
        let fact = ringing();
        let keys = keys_of(&fact);
        for asked in [
            v1::SubscribeRequest { dns: vec!["7101".to_owned()], ..Default::default() },
            v1::SubscribeRequest { calls: vec![6], ..Default::default() },
            v1::SubscribeRequest { queues: vec!["9000".to_owned(), "8000".to_owned()], ..Default::default() },
        ] {
            for tie in [None, Some(tie("7101", None)), Some(tie("7102", Some("1001")))] {
                let Ok(filter) = SubscriptionFilter::read(&asked, tie.as_ref()) else { continue };
                let found = filter.index_keys().is_none_or(|own| own.iter().any(|key| keys.contains(key)));
                assert!(found || !filter.wants(&fact, &keys), "{filter:?}");
                assert!(found, "{filter:?}");
            }
        }
    }

    #[test]
    fn a_tied_token_sees_its_own_alone() {
        let all = v1::SubscribeRequest::default;
        assert!(wants(all(), Some(&tie("7101", None)), &ringing()));
        assert!(!wants(all(), Some(&tie("7102", None)), &ringing()));
        assert!(wants(all(), Some(&tie("7102", Some("1001"))), &ringing()), "its agent");
        let of_call = v1::SubscribeRequest { calls: vec![7], ..all() };
        assert!(wants(of_call.clone(), Some(&tie("7101", None)), &ringing()));
        assert!(!wants(of_call, Some(&tie("7102", None)), &ringing()), "a call of others");
        for asked in [
            v1::SubscribeRequest { dns: vec!["7101".to_owned(), "7102".to_owned()], ..all() },
            v1::SubscribeRequest { agents: vec!["1001".to_owned()], ..all() },
        ] {
            let refused = SubscriptionFilter::read(&asked, Some(&tie("7101", None))).unwrap_err();
            assert!(refused.code() == tonic::Code::PermissionDenied && refused.message().contains("7101"), "{refused}");
        }
    }

    #[test]
    fn too_many_names_are_refused_by_their_field() {
        let asked = v1::SubscribeRequest { calls: vec![7; NAMED_MAX + 1], ..Default::default() };
        assert!(SubscriptionFilter::read(&asked, None).unwrap_err().message().starts_with("calls: "));
        let asked = v1::SubscribeRequest { names: vec![4_711], ..Default::default() };
        assert!(SubscriptionFilter::read(&asked, None).unwrap_err().message().starts_with("names: "));
    }
}
