//! Messages of calls that are not here, and the calls of nodes that are gone.
//!
//! The ledger says whose a call is. One whose owner is gone becomes ours before its messages are looked at; messages of one that
//! another node has go there; all others are answered as those of a call that is over. Who takes what of a dead node is settled by
//! the same rendezvous hash by which the proxies send its messages, so they find the call where it went.

use std::collections::BTreeMap;
use std::time::Duration;

use infra::{DialogKey, Record};
use model::{ConnId, NodeId, Owner, TenantId, Timestamp};
use sip::agent::Reply;
use sip::header::HeaderName;
use sip::proxy::{self, headers};
use sip::{Flow, LocalTag, Message, Method, StatusCode};

use super::entry::Order;
use super::faults::Doing;
use super::limits::{FINDING_MAX, HEIRS_EVERY, HEIRS_HURRY};
use super::node::Node;
use crate::quarantine::is_in_hand_alone;

/// The role whose nodes own calls.
const ROLE: &str = "sip-cluster";
/// What is said to the caller of a call that is over, and whose refusal it has not heard.
const OVER: StatusCode = StatusCode::TEMPORARILY_UNAVAILABLE;
/// How long it holds in any case what somebody has said who is gone: longer than it takes a proxy to say again whom it sees live.
const GONE_HOLDS: Duration = Duration::from_millis(500);
/// When a request may come again that nobody could look up, in seconds.
const RETRY_AFTER_S: &str = "5";

/// By what a message names its call.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Named {
    /// Our tag in its dialog.
    Call(ConnId),
    /// It is the INVITE that began the call.
    Invite(DialogKey),
}

/// A call that messages ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sought {
    /// Its tenant.
    pub tenant: TenantId,
    /// Its name.
    pub named: Named,
    /// Who was found to be gone: what is theirs may be taken at once.
    pub gone: Option<Gone>,
}

impl Sought {
    /// The same when it has been looked for so long. That somebody is gone was true when it was said: a node that stood still may be back
    /// since, its calls confirmed as its own. Who cannot take its word back, since its connection is gone, is not believed any more.
    pub fn after(&self, waited: Duration, seen: &SeenLive) -> Self {
        let holds = |gone: &Gone| match gone {
            _ if waited < GONE_HOLDS => true,
            Gone::Owner { owner, by } => seen.0.get(by).is_some_and(|live| !live.contains(owner)),
            Gone::Node(_) => false,
        };
        Self { gone: self.gone.clone().filter(holds), ..self.clone() }
    }
}

/// Whom each proxy sees live that this node is connected to, by the number of the connection.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SeenLive(pub BTreeMap<u64, Vec<Owner>>);

impl SeenLive {
    /// The nodes that own calls and that proxies see live.
    pub fn owners(&self) -> Vec<Owner> {
        self.0.values().flatten().filter(|owner| is_ours(owner)).cloned().collect()
    }

    /// Whether a proxy sees that owner live.
    pub fn contains(&self, owner: &Owner) -> bool {
        self.0.values().any(|live| live.contains(owner))
    }
}

/// Who is gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Gone {
    /// A life of a node, by the word of the proxy at that connection.
    Owner {
        /// The node.
        owner: Owner,
        /// The connection.
        by: u64,
    },
    /// A node: nobody listens at its address.
    Node(NodeId),
}

impl Gone {
    /// Whether that owner is.
    pub fn is(&self, owner: &Owner) -> bool {
        match self {
            Self::Owner { owner: gone, .. } => gone == owner,
            Self::Node(node) => *node == owner.node,
        }
    }
}

/// What the ledger says of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// It is ours now.
    Ours(Box<Record<ConnId>>),
    /// Another node has it.
    Elsewhere(Owner),
    /// It is over.
    Ended,
    /// There is no such call.
    Unknown,
    /// The ledger cannot be asked.
    Unanswered,
}

/// Where a message belongs.
pub(super) enum Belongs {
    /// To a dialog that is here, or to nothing that anybody has.
    Here,
    /// To a leg that is over, of a call that is here.
    LegOver,
    /// To a call that is not here: the ledger may know whose it is.
    Sought(Sought),
}

/// Messages that wait for word of their call, in the order in which they came.
pub type Waiting = Vec<(Message, u64)>;

impl Node {
    /// Where a message belongs, as far as this node can say.
    pub(super) fn belongs(&mut self, message: &Message, link: u64) -> Belongs {
        let gone = message.header(&headers::UNREACHABLE).and_then(|owner| owner.parse().ok());
        let gone = gone.map(|owner| Gone::Owner { owner, by: link });
        let Ok(ours) = (if message.is_request() { message.to() } else { message.from() }) else { return Belongs::Here };
        let Some(tag) = ours.tag() else {
            return self.sought_by_invite(message, gone).map_or(Belongs::Here, Belongs::Sought);
        };
        if self.agent.knows(message) {
            return Belongs::Here;
        }
        let Some(LocalTag { call, tenant, .. }) = LocalTag::open(tag, &self.seal) else { return Belongs::Here };
        if self.calls.contains_key(&call) {
            return Belongs::LegOver;
        }
        Belongs::Sought(Sought { tenant, named: Named::Call(call), gone })
    }

    /// A proxy repeats an INVITE that it had given to a node that is gone, or another node has found that its call is ours: it may
    /// stand in the ledger already.
    fn sought_by_invite(&self, message: &Message, gone: Option<Gone>) -> Option<Sought> {
        let is_said_to_be_ours = || message.header(&headers::OWNER).is_some() && !self.agent.has_begun(message);
        if message.method() != Method::Invite || (gone.is_none() && !is_said_to_be_ours()) {
            return None;
        }
        let tenant = TenantId::parse(message.header(&headers::TENANT)?).ok()?;
        let from_tag = message.from().ok()?.tag().unwrap_or_default().to_owned();
        let key = DialogKey { call_id: message.call_id().ok()?.to_owned(), from_tag };
        Some(Sought { tenant, named: Named::Invite(key), gone })
    }

    /// Lets a message wait until the ledger has said whose its call is.
    pub(super) fn look_for(&mut self, sought: Sought, message: Message, link: u64) {
        if self.finding.values().map(Vec::len).sum::<usize>() >= FINDING_MAX {
            // The proxy absorbs repeats: without an answer its sender would hear nothing for half a minute.
            self.metrics.call_overloaded();
            return self.turn_away(&message, StatusCode::SERVER_INTERNAL_ERROR, Flow::Stream { connection: link });
        }
        let waiting = self.finding.entry(sought.named.clone()).or_default();
        waiting.push((message, link));
        if waiting.len() == 1 {
            self.orders.push_back(Order::Find(sought));
        }
    }

    /// The ledger has said whose a call is: its messages go on.
    pub fn found(&mut self, named: &Named, found: &Found, now: Timestamp) {
        if let Found::Ours(record) = found {
            self.take_over(record, now);
        }
        for (message, link) in self.finding.remove(named).unwrap_or_default() {
            let doing = Doing::Message { bytes: message.to_bytes(), link };
            self.attempt(doing, now, |node| node.go_on_with_message(found, message, link, now));
        }
    }

    fn go_on_with_message(&mut self, found: &Found, message: Message, link: u64, now: Timestamp) {
        let flow = Flow::Stream { connection: link };
        let found = match found {
            Found::Ours(record) if self.is_aside(record.key) => &Found::Ended,
            found => found,
        };
        match found {
            // Its refusal died with the former owner.
            Found::Ours(_) if is_new(&message) && !self.agent.has_begun(&message) => {
                self.turn_away(&message, OVER, flow);
            }
            Found::Ours(_) => match self.belongs(&message, link) {
                Belongs::LegOver => self.take_in_late(message, link, now),
                Belongs::Here | Belongs::Sought(_) => self.take_in(message, link, now),
            },
            Found::Elsewhere(owner) => self.hand_over(message, owner, flow),
            Found::Ended if !is_new(&message) => self.take_in_late(message, link, now),
            // A new call is made of an INVITE that nobody has stored.
            Found::Unknown => self.take_in(message, link, now),
            Found::Ended => self.turn_away(&message, OVER, flow),
            Found::Unanswered => self.turn_away(&message, StatusCode::SERVER_INTERNAL_ERROR, flow),
        }
    }

    /// A message of a leg that is known to be over: the answer that its sender had got may have died with a former owner.
    pub(super) fn take_in_late(&mut self, message: Message, link: u64, now: Timestamp) {
        self.speak_as_owner(&message, link);
        self.agent.receive_after_end(message, Flow::Stream { connection: link }, now);
        self.settle(now);
    }

    /// Calls that a node that is gone has left, and that are ours now.
    pub fn inherited(&mut self, records: &[Record<ConnId>], now: Timestamp) {
        self.inheriting = false;
        if records.iter().any(is_in_hand_alone) {
            // There may be more of its kind, which come one by one.
            self.next_inheritance = now;
        }
        for record in records {
            self.take_over(record, now);
        }
    }

    /// A call has become ours. It may be here: another message has brought it, or this node has not heard that it had lost it.
    fn take_over(&mut self, record: &Record<ConnId>, now: Timestamp) {
        let held = self.calls.get_mut(&record.key).map(|entry| &mut entry.call);
        match held.map(|call| (record.token.0.saturating_sub(call.state().token.0), call)) {
            Some((0, _)) => return,
            // Nobody else has had it in between: what is here is all that there is.
            Some((1, call)) => {
                call.claim(record.token);
                return self.mark(record.key);
            }
            // Somebody else has: what is here is of before.
            Some(_) => {
                self.forget(record.key);
                self.changed.retain(|changed| *changed != record.key);
                self.take_back(&[record.key]);
            }
            None => {}
        }
        self.restore(record, now);
    }

    /// A request of a call that this node took for its own: it is its owner's, or of a call that is over.
    pub(super) fn answer_elsewhere(&mut self, message: Message, link: u64, owner: Option<&Owner>) {
        let flow = Flow::Stream { connection: link };
        match (owner, message.method()) {
            (Some(owner), Method::Invite) if is_new(&message) && *owner == self.owner => {
                self.turn_away(&message, OVER, flow)
            }
            (None, Method::Invite) if is_new(&message) => self.turn_away(&message, OVER, flow),
            (Some(owner), _) => self.hand_over(message, owner, flow),
            (None, Method::Ack) => {}
            // Its answer is the same whoever gives it.
            (None, Method::Bye) => self.agent.answer_once(&message, Reply::new(StatusCode::OK), flow),
            (None, _) => self.agent.answer_once(&message, Reply::new(StatusCode::CALL_DOES_NOT_EXIST), flow),
        }
    }

    /// Says who has the call. An ACK has no answer: it is sent on.
    fn hand_over(&mut self, mut message: Message, owner: &Owner, flow: Flow) {
        self.metrics.message_handed_over();
        if message.method() == Method::Ack {
            let route = format!("<sip:{owner}.{ROLE}.trunkline.invalid;lr>");
            message.remove(&headers::UNREACHABLE);
            message.push_front(&HeaderName::Route, route);
            return self.agent.pass_on(&message, flow);
        }
        if !message.is_request() {
            // Its request was this node's before somebody else took the call: the answer is not to be lost.
            message.remove(&headers::UNREACHABLE);
            message.set(&headers::OWNER, owner);
            self.agent.pass_on(&message, flow);
        } else {
            let reply = Reply::new(StatusCode::MOVED_TEMPORARILY).header(headers::OWNER, owner.to_string());
            self.agent.answer_once(&message, reply, flow);
        }
    }

    pub(super) fn turn_away(&mut self, message: &Message, status: StatusCode, flow: Flow) {
        if message.is_request() && message.method() != Method::Ack {
            let mut reply = Reply::new(status);
            if status != OVER {
                reply = reply.header(HeaderName::RetryAfter, RETRY_AFTER_S);
            }
            self.agent.answer_once(message, reply, flow);
        }
    }

    /// What a proxy says about who is live; says whether that is news.
    pub fn sees_live(&mut self, link: u64, live: Vec<Owner>, now: Timestamp) -> bool {
        let before = self.live.0.insert(link, live);
        let is_news = before.as_ref() != self.live.0.get(&link);
        if is_news {
            // Somebody may have gone.
            self.hurry_until = now + HEIRS_HURRY;
            self.next_inheritance = self.next_inheritance.min(now + HEIRS_EVERY);
        }
        is_news
    }

    /// Whom proxies see live.
    pub const fn live(&self) -> &SeenLive {
        &self.live
    }

    /// Looks for calls whose owner is gone: one that waits in a queue has no message that would wake anybody.
    pub(super) fn look_for_inheritance(&mut self, now: Timestamp) {
        let every = if now < self.hurry_until { HEIRS_EVERY } else { HEIRS_EVERY * 10 };
        self.next_inheritance = now + every;
        let live = self.live.owners();
        // Who is not seen itself does not know who is gone.
        if self.inheriting || self.draining || !live.contains(&self.owner) {
            return;
        }
        self.inheriting = true;
        self.orders.push_back(Order::Inherit { live });
    }
}

/// Whether a message begins a call.
fn is_new(message: &Message) -> bool {
    message.is_request() && message.to().is_ok_and(|to| to.tag().is_none())
}

/// Whether a node is one that owns calls.
fn is_ours(owner: &Owner) -> bool {
    owner.node.as_str().rsplit_once('-').is_some_and(|(role, _)| role == ROLE)
}

/// Whether `us` goes on with a call, as far as it can see who is live.
pub fn is_heir(us: &Owner, live: &[Owner], call: ConnId) -> bool {
    proxy::heir(live, call) == Some(us)
}

/// How long an inheritance of somebody else is left to it.
pub const LEFT_TO_OTHERS: Duration = Duration::from_secs(3);
