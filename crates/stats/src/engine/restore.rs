//! The engine's state to and from a [`Snapshot`].

use model::{ConnId, Timestamp};

use super::Engine;
use super::agents::{Mode, Session};
use super::calls::{Call, Observer, Party, Stage, Visit};
use super::order::Order;
use super::snapshot::{
    AgentSnapshot, CallSnapshot, ObserverSnapshot, PartySnapshot, Snapshot, VisitSnapshot, VisitStage,
};
use super::store::Status;
use crate::action::Action;
use crate::definition::ObjectType;
use crate::profile::Zone;

impl Engine {
    /// The state as plain data.
    pub fn snapshot(&self) -> Snapshot {
        let (marks, held) = self.order.snapshot();
        let mut calls: Vec<CallSnapshot> = self.calls.iter().map(|(id, call)| call_snapshot(*id, call)).collect();
        calls.sort_by_key(|call| call.conn_id);
        let statuses = self.store.agents();
        let mut agents: Vec<AgentSnapshot> = statuses
            .into_iter()
            .map(|(agent, status, last_login)| self.agent_snapshot(agent, status, last_login))
            .collect();
        agents.sort_by(|a, b| a.agent.cmp(&b.agent));
        Snapshot {
            marks,
            held,
            calls,
            agents,
            statistics: self.store.snapshot(),
            repeated: self.order.repeated,
            dropped_calls: self.dropped_calls,
        }
    }

    fn agent_snapshot(&self, agent: String, status: Option<Status>, last_login: Option<Timestamp>) -> AgentSnapshot {
        let session = self.agents.session(&agent).cloned();
        let status = status.map(|status| (status.action, status.since));
        let mode = |mode| match mode {
            Mode::Ready => Action::WaitForNextCall,
            Mode::NotReady => Action::NotReadyForNextCall,
            Mode::AfterCallWork => Action::AfterCallWork,
        };
        AgentSnapshot {
            agent,
            status,
            last_login,
            dn: session.as_ref().map(|s| s.dn.clone()),
            login: session.as_ref().map(|s| s.login).unwrap_or_default(),
            mode: session.as_ref().and_then(|s| s.mode).map(mode),
            since: session.as_ref().map(|s| s.since).unwrap_or_default(),
            waits: session.as_ref().and_then(|s| s.waits),
            reason: session.as_ref().and_then(|s| s.reason.clone()),
            calls: session.as_ref().map_or(0, |s| s.calls),
            wrapped: session.map(|s| s.wrapped).unwrap_or_default(),
        }
    }

    /// An engine restored from a snapshot. Its statistics continue as soon as they are opened again.
    pub fn restore(snapshot: Snapshot, zone: Zone) -> Self {
        let mut engine = Self::new(zone);
        engine.dropped_calls = snapshot.dropped_calls;
        engine.order = Order::restore(snapshot.marks, snapshot.held, snapshot.repeated);
        for agent in snapshot.agents {
            engine.restore_agent(agent);
        }
        for call in snapshot.calls {
            let id = call.conn_id;
            if let Some(at) = call.over {
                engine.ending.push_back((at, id));
            }
            engine.resume_call(id, develop_call(call));
        }
        engine.ending.make_contiguous().sort_unstable();
        engine.store.untouch();
        engine.store.develop(snapshot.statistics);
        engine
    }

    fn restore_agent(&mut self, agent: AgentSnapshot) {
        let mode = |action| match action {
            Action::WaitForNextCall => Mode::Ready,
            Action::AfterCallWork => Mode::AfterCallWork,
            _ => Mode::NotReady,
        };
        if let Some(at) = agent.last_login {
            let object = self.store.object(ObjectType::Agent, &agent.agent);
            self.store.logged_in(object, at);
        }
        if let Some(dn) = agent.dn {
            self.agents.at.insert(dn.clone(), agent.agent.clone());
            let session = Session {
                dn,
                login: agent.login,
                mode: agent.mode.map(mode),
                since: agent.since,
                waits: agent.waits,
                reason: agent.reason,
                calls: agent.calls,
                wrapped: agent.wrapped,
            };
            self.resume_session(&agent.agent, session);
        }
        if let Some((action, since)) = agent.status {
            self.resume_status(&agent.agent, Status { action, since });
        }
    }
}

fn call_snapshot(conn_id: ConnId, call: &Call) -> CallSnapshot {
    let party = |p: &Party| PartySnapshot {
        dn: p.dn.clone(),
        agent: p.agent.clone(),
        action: p.action,
        since: p.since,
        held: p.held,
    };
    let visit = |v: &Visit| {
        let (stage, since, dn) = match &v.stage {
            Stage::Waiting(from) => (VisitStage::Waiting, *from, String::new()),
            Stage::Offered { at, to } => (VisitStage::Offered, *at, to.clone()),
            Stage::Talking { dn, since } => (VisitStage::Talking, *since, dn.clone()),
        };
        VisitSnapshot { of: v.of, name: v.name.clone(), entered: v.entered, stage, since, dn }
    };
    CallSnapshot {
        conn_id,
        call_type: call.call_type,
        changed: call.changed,
        over: call.over,
        parties: call.parties.iter().map(party).collect(),
        visits: call.visits.iter().map(visit).collect(),
        observers: call.observers.iter().map(observer_snapshot).collect(),
    }
}

fn observer_snapshot(o: &Observer) -> ObserverSnapshot {
    ObserverSnapshot {
        dn: o.dn.clone(),
        agent: o.agent.clone(),
        of_dn: o.of_dn.clone(),
        of_agent: o.of_agent.clone(),
        coaches: o.coaches,
        since: o.since,
    }
}

fn develop_observer(o: ObserverSnapshot) -> Observer {
    let ObserverSnapshot { dn, agent, of_dn, of_agent, coaches, since } = o;
    Observer { dn, agent, of_dn, of_agent, coaches, since }
}

fn develop_call(call: CallSnapshot) -> Call {
    let party = |p: PartySnapshot| Party { dn: p.dn, agent: p.agent, action: p.action, since: p.since, held: p.held };
    let visit = |v: VisitSnapshot| {
        let stage = match v.stage {
            VisitStage::Waiting => Stage::Waiting(v.since),
            VisitStage::Offered => Stage::Offered { at: v.since, to: v.dn },
            VisitStage::Talking => Stage::Talking { dn: v.dn, since: v.since },
        };
        Visit { of: v.of, name: v.name, entered: v.entered, stage }
    };
    Call {
        call_type: call.call_type,
        parties: call.parties.into_iter().map(party).collect(),
        visits: call.visits.into_iter().map(visit).collect(),
        observers: call.observers.into_iter().map(develop_observer).collect(),
        changed: call.changed,
        over: call.over,
    }
}
