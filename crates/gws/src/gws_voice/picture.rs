//! What a tenant's facts add up to, as agents' desktops see it: each phone with its agent and its calls, and what each fact tells whom.
//!
//! A state machine without I/O: it begins with the snapshot of a subscription on port 8000, folds the facts after it in their order, and
//! returns what each of them is for the desktops of which DN. The messages of a DN, applied to its picture, give its next picture.
//!
//! Route points and queues have no desktops: their facts are told to nobody, but belong to the course of a call, which is told to who asks.
//! Facts about a DN that the picture has no room for are passed over and counted.

mod begin;
mod calls;
mod capabilities;
mod course;
mod dns;
mod kept;
mod party;
mod shown;

use std::collections::HashMap;

use contracts::v1;
use contracts::wire;
use infra::Position;
use model::{AgentId, ConnId, Dn, DnRole, Event, EventName, Stamped, Subject, Timestamp, UserData};

use crate::course_api::{CallCourse, WaitingCall, WaitingCallList};
use crate::kv;
use crate::voice_api::{DnMessage, DnNews, DnState};
use calls::PhoneCalls;
use course::CallCourses;
use dns::{DnSetup, SetupPositions};

/// The most DNs of a tenant that have a picture, as many as it may have agents' records.
const DNS_MAX: usize = infra::bounds::RECORDS_MAX;

/// The folded state of one tenant.
#[derive(Debug, Default)]
pub struct TenantPicture {
    dns: HashMap<Dn, DnInPicture>,
    /// Where each agent is logged in.
    agents: HashMap<AgentId, Dn>,
    calls: PhoneCalls,
    courses: CallCourses,
    /// That of the snapshot.
    begun_at: Position,
    position: Position,
    left_out: u64,
}

/// A DN without its calls.
#[derive(Debug, Default)]
struct DnInPicture {
    setup: DnSetup,
    told_at: SetupPositions,
    since: Option<Timestamp>,
    /// When after-call work ends by itself.
    wraps_up_until: Option<Timestamp>,
    /// Whether its whole state has been told.
    is_registered: bool,
}

impl DnInPicture {
    fn shown(&self, dn: &Dn) -> DnState {
        let wrap_up_until = self.wraps_up_until.map(Timestamp::as_millis);
        DnState { wrap_up_until, ..self.setup.shown(dn, self.since) }
    }
}

impl TenantPicture {
    /// Begins with a snapshot. Entries of it that cannot be read are left out.
    pub fn begin(snapshot: &v1::Snapshot) -> Self {
        let position = snapshot.position.parse().unwrap_or(Position::START);
        let mut picture = Self { begun_at: position, position, ..Self::default() };
        for dn in snapshot.dns_in_service.iter().filter_map(|dn| Dn::parse(dn).ok()) {
            if let Some(there) = picture.entry(&dn) {
                there.setup.has_phone();
            }
        }
        for agent in &snapshot.agents {
            let (Ok(id), Ok(dn)) = (AgentId::parse(&agent.agent), Dn::parse(&agent.dn)) else { continue };
            let mode = agent.work_mode.and_then(|mode| wire::work_mode_from_wire(mode).ok()).unwrap_or_default();
            if let Some(there) = picture.entry(&dn) {
                there.setup.has_agent(id.clone(), agent.ready, mode);
                there.since = Some(Timestamp::from_micros(agent.since_us));
                picture.agents.insert(id, dn);
            }
        }
        for call in &snapshot.calls {
            picture.calls.stands(call);
            picture.courses.stands(call);
        }
        picture
    }

    /// The position of what was folded last.
    pub fn position(&self) -> Position {
        self.position
    }

    /// A DN with its calls; none if nothing is known of it.
    pub fn dn(&self, dn: &str) -> Option<DnNews> {
        let calls = self.calls.calls_on(dn);
        let there = self.dns.get(dn);
        if there.is_none() && calls.is_empty() {
            return None;
        }
        let number = Dn::parse(dn).ok()?;
        let state = there.map_or_else(|| DnSetup::default().shown(&number, None), |there| there.shown(&number));
        Some(DnNews::Picture { dn: state, calls })
    }

    /// Whether the whole state of a DN is known: the answer to `TRegisterAddress` or `TQueryAddress` has been folded since the beginning.
    /// Before that its picture lacks do-not-disturb, forwarding and the agent's reasons.
    pub fn is_registered(&self, dn: &str) -> bool {
        self.dns.get(dn).is_some_and(|there| there.is_registered)
    }

    /// The DNs that are in a call, supervisors included.
    pub fn dns_in_call(&self, conn_id: ConnId) -> Vec<Dn> {
        self.calls.dns_in(conn_id)
    }

    /// What a call has come through; none if it is not known.
    pub fn course(&self, conn_id: ConnId) -> Option<&CallCourse> {
        self.courses.course(conn_id)
    }

    /// A call, if it waits at a route point.
    pub fn waiting_call(&self, conn_id: ConnId, now: Timestamp) -> Option<WaitingCall> {
        self.courses.waiting_call(conn_id, now)
    }

    /// The calls that wait at route points, those first that have waited for longest.
    pub fn waiting(&self, now: Timestamp) -> WaitingCallList {
        self.courses.waiting(now)
    }

    /// How many DNs and calls were left out since the last call of this function, because there were too many.
    pub fn take_left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out) + self.calls.take_left_out()
    }

    /// Folds a fact in. Returns what it tells, for each DN in the order in which it is to be told.
    pub fn fold(&mut self, stamped: &Stamped, position: Position) -> Vec<(Dn, DnMessage)> {
        self.position = position;
        self.courses.fold(stamped);
        // A session's facts say nothing about phones, and a queue's nothing that its call does not.
        if matches!(stamped.id.subject, Subject::Session(_) | Subject::Queue(_)) {
            return Vec::new();
        }
        let event = &stamped.event;
        let news = match event.name {
            EventName::AgentLogin
            | EventName::AgentLogout
            | EventName::AgentReady
            | EventName::AgentNotReady
            | EventName::DNBackInService
            | EventName::DNOutOfService
            | EventName::DNDOn
            | EventName::DNDOff
            | EventName::ForwardSet
            | EventName::ForwardCancel
            | EventName::Registered
            | EventName::AddressInfo => self.fold_setup(event, stamped.at),
            EventName::MonitoringNextCall => of_supervisor(event, true),
            EventName::MonitoringCancelled => of_supervisor(event, false),
            EventName::UserEvent => at_dn(event, DnNews::UserEvent { user_data: kv::pairs(&event.user_data) }),
            EventName::Error => refusal(event),
            _ => self.fold_call(stamped),
        };
        let told = news.into_iter().map(|(dn, news, answers)| (dn, self.message(event, news, answers)));
        told.collect()
    }

    fn message(&self, event: &Event, news: DnNews, answers: bool) -> DnMessage {
        DnMessage {
            position: self.position.to_string(),
            reference: if answers { event.reference.0 } else { 0 },
            requester: event.requester.clone().filter(|_| answers).unwrap_or_default(),
            news,
        }
    }

    fn fold_call(&mut self, stamped: &Stamped) -> Vec<News> {
        let told = self.calls.fold(stamped).into_iter();
        told.map(|told| (told.dn, DnNews::Call { call: told.call, notification: told.notification }, told.is_own))
            .collect()
    }

    /// What is set at a DN, and who is logged in there.
    fn fold_setup(&mut self, event: &Event, at: Timestamp) -> Vec<News> {
        let tells_all = matches!(event.name, EventName::Registered | EventName::AddressInfo);
        // Route points and numbers that do not exist are asked for, too.
        if tells_all && event.extensions.text("AddressType") != Some("DN") {
            return Vec::new();
        }
        let known = || event.agent.as_ref().and_then(|agent| self.agents.get(agent)).cloned();
        let Some(dn) = event.this_dn.clone().or_else(known) else { return Vec::new() };
        let mut news = self.logged_out_elsewhere(&dn, event, at);
        let position = self.position;
        let Some(there) = self.entry(&dn) else { return news };
        there.is_registered |= tells_all;
        let before = there.setup.clone();
        there.setup.fold(event, position, &mut there.told_at);
        let has_changed = there.setup != before;
        if has_changed {
            there.since = Some(at);
        }
        let until = DnSetup::wraps_up_until(event, &there.told_at, there.wraps_up_until, at);
        let has_changed = std::mem::replace(&mut there.wraps_up_until, until) != until || has_changed;
        if has_changed || (event.reference.0 != 0 && !tells_all) {
            news.push((dn.clone(), DnNews::Dn { dn: there.shown(&dn) }, true));
        }
        self.note_agent(&dn, event);
        news
    }

    /// An agent is in one place: who is told of at one DN is at no other one, even if that was never told.
    fn logged_out_elsewhere(&mut self, dn: &Dn, event: &Event, at: Timestamp) -> Vec<News> {
        let Some(agent) = event.agent.as_ref().filter(|_| event.name != EventName::AgentLogout) else {
            return Vec::new();
        };
        let Some(other) = self.agents.get(agent).filter(|other| *other != dn).cloned() else { return Vec::new() };
        let knows_more = |dn: &Dn| self.dns.get(dn).is_some_and(|there| there.told_at.knows_agent_after(event));
        if knows_more(dn) || knows_more(&other) {
            return Vec::new();
        }
        let position = self.position;
        let Some(there) = self.dns.get_mut(&other).filter(|there| there.setup.is_of(agent)) else { return Vec::new() };
        there.setup.log_out(&UserData::new());
        there.told_at.agent_told(position);
        (there.since, there.wraps_up_until) = (Some(at), None);
        let state = there.shown(&other);
        vec![(other, DnNews::Dn { dn: state }, false)]
    }

    fn note_agent(&mut self, dn: &Dn, event: &Event) {
        let Some(agent) = &event.agent else { return };
        if self.dns.get(dn).is_some_and(|there| there.setup.is_of(agent)) {
            self.agents.insert(agent.clone(), dn.clone());
        } else if self.agents.get(agent) == Some(dn) {
            self.agents.remove(agent);
        }
    }

    fn entry(&mut self, dn: &Dn) -> Option<&mut DnInPicture> {
        if !self.dns.contains_key(dn) && self.dns.len() >= DNS_MAX {
            self.left_out += 1;
            return None;
        }
        let told_at = SetupPositions::of_snapshot(self.begun_at);
        Some(self.dns.entry(dn.clone()).or_insert_with(|| DnInPicture { told_at, ..DnInPicture::default() }))
    }
}

/// What is told of a DN, and whether it answers the request of the fact.
type News = (Dn, DnNews, bool);

fn at_dn(event: &Event, news: DnNews) -> Vec<News> {
    event.this_dn.clone().map(|dn| (dn, news, true)).into_iter().collect()
}

/// A supervisor is told that it will monitor an agent; the agent is not.
fn of_supervisor(event: &Event, started: bool) -> Vec<News> {
    if event.this_role != Some(DnRole::Observer) {
        return Vec::new();
    }
    let text = |key: &str| event.extensions.text(key).map(str::to_owned);
    let other_dn = event.other_dn.clone().unwrap_or_default();
    let (mode, next_call_type) = (text("MonitorMode"), text("MonitorType"));
    at_dn(event, DnNews::Monitoring { started, other_dn, mode, next_call_type })
}

fn refusal(event: &Event) -> Vec<News> {
    let Some((code, message)) = &event.error else { return Vec::new() };
    at_dn(event, DnNews::Error { code: code.0.into(), message: message.clone() })
}

#[cfg(test)]
mod tests;
