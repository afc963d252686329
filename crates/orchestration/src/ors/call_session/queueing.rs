//! Waiting for an agent: the request to rq, treatments while waiting, and the call's routing and return.

use std::time::Duration;

use contracts::provisioning::AgentGroup;
use contracts::v1;
use contracts::v1::queue_command::Command as QueueCommand;
use contracts::v1::queue_outcome::Outcome;
use model::request::{RequestKind, RouteTo, Treatment};
use model::{AgentId, Dn, Timestamp, UserData};
use scxml::{ActionNode, Event, Value};

use super::actions::{millis, number, treatment};
use super::withdrawal::{cancellation, giving_back};
use super::{CallSession, Command, Stage};

/// A queue request of the application.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Queueing {
    pub request_id: String,
    pub queue: String,
    pub skill_expression: String,
    pub priority: i32,
    /// Total time that it may wait, in milliseconds; 0 means no limit.
    pub timeout_ms: u64,
    /// Start of its waiting time.
    pub since: Timestamp,
    pub treatments: Vec<Treatment>,
    pub next_treatment: usize,
    /// When to play the next treatment after one failed.
    pub play_again_at: Option<Timestamp>,
    /// The agent to which the call was sent, and the agent's phone.
    pub selected: Option<(AgentId, Dn)>,
    /// The next selection, if rq learned before us that the agent did not take the call.
    pub early: Option<(AgentId, Dn)>,
    /// Whether rq has cancelled the present agent's reservation by itself: the request waits there again.
    pub lapsed: bool,
    /// The agent returned to rq and the reason, until rq confirms; kept because a broken stream may have lost it.
    pub returned: Option<(String, String)>,
    /// Whether the stream broke while an agent was selected: rq would report the next agent on a stale stream. Not
    /// stored: a successor sets it for its own stream.
    pub unheard: bool,
    /// Whether the selection routes the call by itself.
    pub route: bool,
    /// The reference of the request to route; 0 if there is none.
    pub route_reference: u64,
}

/// Most treatments in one list.
const TREATMENTS_MAX: usize = 32;
/// Longest timeout in a queue, in seconds: a day.
const TIMEOUT_MAX_S: f64 = 86_400.0;
/// Highest priority.
const PRIORITY_MAX: f64 = 1_000_000.0;
/// Pause after a treatment that failed at once.
const PLAY_AGAIN: Duration = Duration::from_secs(2);

/// Who has taken the call for good.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AnsweredBy {
    /// The agent whom the queue selected, or somebody to whom that agent's phone sent the call.
    Selected,
    Another,
}

impl CallSession {
    pub(super) fn submit(&mut self, request_id: &str, node: &ActionNode, now: Timestamp) -> Result<(), String> {
        if self.stage != Stage::Waiting {
            return Err("the call does not wait on the route point".to_owned());
        }
        let queueing = read_submit(request_id, node, now)?;
        if self.queueing.is_some() && node.attribute("clear").and_then(Value::as_bool) == Some(false) {
            return Err("clear: one queue request at a time; leave it out or say true".to_owned());
        }
        self.leave_queue(now);
        self.commands.push_back(Command::Queue(self.submission(&queueing)));
        self.queueing = Some(queueing);
        self.play_next(now);
        Ok(())
    }

    fn submission(&self, queueing: &Queueing) -> QueueCommand {
        QueueCommand::Submit(v1::Submit {
            request_id: queueing.request_id.clone(),
            conn_id: self.conn().0,
            queue: queueing.queue.clone(),
            skill_expression: queueing.skill_expression.clone(),
            priority: queueing.priority,
            timeout_ms: queueing.timeout_ms,
            waiting_since_us: queueing.since.as_micros(),
            excluded_agents: Vec::new(),
            trace: contracts::wire::uuid_to_wire(self.caller.call.uuid),
            ani: self.caller.call.ani.clone(),
            dnis: self.caller.call.dnis.clone(),
        })
    }

    /// The requests that rq may have lost with its stream. The same id means the same request, so repeats have no effect.
    pub(in super::super) fn resubmissions(&mut self) -> Vec<QueueCommand> {
        let mut again: Vec<QueueCommand> = self.withdrawn.iter().map(|w| cancellation(&w.request_id)).collect();
        if let Some(queueing) = &mut self.queueing {
            queueing.unheard = queueing.selected.is_some();
        }
        if let Some(queueing) = &self.queueing {
            let returned = queueing.returned.as_ref();
            again.extend(returned.map(|(agent, reason)| giving_back(&queueing.request_id, agent, reason)));
            again.extend(queueing.selected.is_none().then(|| self.submission(queueing)));
        }
        again
    }

    pub(super) fn update_queue(&mut self, node: &ActionNode) -> Result<(), String> {
        let priority = number(node, "priority", 0.0, PRIORITY_MAX)? as i32;
        let request_id = self.named_request(node)?;
        if let Some(queueing) = &mut self.queueing {
            queueing.priority = priority;
        }
        let update = v1::Update { request_id: request_id.clone(), priority };
        self.commands.push_back(Command::Queue(QueueCommand::Update(update)));
        self.tell_done(&request_id, "queue.update", []);
        Ok(())
    }

    pub(super) fn cancel_queue(&mut self, node: &ActionNode, now: Timestamp) -> Result<(), String> {
        let request_id = self.named_request(node)?;
        self.leave_queue(now);
        self.stop_waiting_treatment(now);
        self.tell_done(&request_id, "queue.cancel", []);
        Ok(())
    }

    fn named_request(&self, node: &ActionNode) -> Result<String, String> {
        let named = node.attribute("requestid").map(Value::to_display).unwrap_or_default();
        match &self.queueing {
            Some(queueing) if queueing.request_id == named => Ok(named),
            _ => Err(format!("requestid: {named:?} waits in no queue")),
        }
    }

    // ---- messages of rq ----

    /// Processes an outcome of the session's queue request, or of an earlier one.
    pub fn handle_outcome(&mut self, outcome: v1::QueueOutcome, now: Timestamp) {
        let ours = self.queueing.as_ref().is_some_and(|q| q.request_id == outcome.request_id);
        let Some(what) = outcome.outcome else { return };
        let id = outcome.request_id;
        if !ours {
            return self.outcome_of_another(id, &what, now);
        }
        if let (Some(queueing), Outcome::Accepted(_) | Outcome::Selected(_)) = (&mut self.queueing, &what) {
            // It waits again, or has a new agent: rq has processed the returned agent.
            queueing.returned = None;
        }
        match what {
            Outcome::Accepted(accepted) => {
                if let Some(queueing) = self.queueing.as_mut().filter(|q| q.selected.is_some()) {
                    // It has a place in the queue: rq has waited too long for the agent's phone.
                    queueing.lapsed |= accepted.position > 0;
                    return;
                }
                let data = self.about_call([
                    ("requestid", Value::from(id)),
                    ("position", Value::Number(f64::from(accepted.position))),
                    ("agents", Value::Number(f64::from(accepted.agents_logged_in))),
                ]);
                self.feedback.push_back(Event::external("queue.submit.accepted", data));
            }
            Outcome::Selected(selected) => self.agent_selected(&selected, now),
            Outcome::TimedOut(_) => {
                // rq keeps it waiting until we cancel it.
                self.leave_queue(now);
                self.stop_waiting_treatment(now);
                self.tell_failed(&id, "queue.submit", "timeout", "no agent in time");
            }
            Outcome::Cancelled(_) => {
                self.queueing = None;
                self.stop_waiting_treatment(now);
                self.tell_failed(&id, "queue.submit", "cancelled", "the request was taken out of the queue");
            }
            Outcome::Refused(refused) => {
                self.queueing = None;
                self.stop_waiting_treatment(now);
                let at = refused.at.map(|at| format!(" (at {at} of the skill expression)")).unwrap_or_default();
                let description = format!("{}{at}", refused.message);
                self.tell_failed(&id, "queue.submit", &refused.code.to_string(), &description);
            }
        }
        self.settle(now);
    }

    fn agent_selected(&mut self, selected: &v1::Selected, now: Timestamp) {
        let (Ok(agent), Ok(dn)) = (AgentId::parse(&selected.agent), Dn::parse(&selected.dn)) else {
            return self.return_agent(&selected.agent, "invalid");
        };
        self.take_agent(agent, dn, now);
    }

    fn take_agent(&mut self, agent: AgentId, dn: Dn, now: Timestamp) {
        let Some(queueing) = &mut self.queueing else { return };
        if let Some((known, _)) = &queueing.selected {
            // The same agent is repeated after rq's stream broke.
            if *known == agent {
                queueing.lapsed = false;
            } else if self.stage != Stage::Answered {
                queueing.early = Some((agent, dn));
            }
            return;
        }
        if self.stage != Stage::Waiting {
            return self.return_agent(agent.as_str(), "rejected");
        }
        queueing.selected = Some((agent.clone(), dn.clone()));
        queueing.lapsed = false;
        queueing.play_again_at = None;
        let mut pairs = UserData::new();
        pairs.set("RTargetAgentSelected", agent.as_str());
        pairs.set("RTargetObjectSelected", queueing.skill_expression.as_str());
        pairs.set("RVQID", queueing.request_id.as_str());
        if !queueing.queue.is_empty() {
            pairs.set("RVQName", queueing.queue.as_str());
        }
        if !queueing.route {
            return self.tell_selected();
        }
        let conn = self.conn();
        self.request(RequestKind::UpdateUserData(conn, pairs), "", "interaction.udata", now);
        let route = RequestKind::RouteCall(conn, RouteTo::Dn { dn, agent: Some(agent) });
        let reference = self.request(route, "", "queue.submit", now).unwrap_or_default();
        if let Some(queueing) = &mut self.queueing {
            queueing.route_reference = reference;
        }
    }

    /// The agent did not take the call: it keeps waiting, with its age.
    pub(super) fn return_to_queue(&mut self, reason: &str, now: Timestamp) {
        let Some(queueing) = &mut self.queueing else { return };
        queueing.route_reference = 0;
        let Some((agent, _)) = queueing.selected.take() else { return };
        let early = queueing.early.take();
        let unheard = std::mem::take(&mut queueing.unheard);
        queueing.lapsed = false;
        self.return_agent(agent.as_str(), reason);
        if unheard && let Some(queueing) = &self.queueing {
            self.commands.push_back(Command::Queue(self.submission(queueing)));
        }
        if let Some((agent, dn)) = early {
            return self.take_agent(agent, dn, now);
        }
        if self.stage == Stage::Waiting && self.playing.is_none() {
            self.play_next(now);
        }
    }

    fn return_agent(&mut self, agent: &str, reason: &str) {
        let Some(queueing) = &mut self.queueing else { return };
        // rq has processed an earlier returned agent: otherwise it would not have selected this one.
        queueing.returned = Some((agent.to_owned(), reason.to_owned()));
        let back = giving_back(&queueing.request_id, agent, reason);
        self.commands.push_back(Command::Queue(back));
    }

    /// The call has left for good. If the selected agent has it, rq learns that from the same fact, and a cancellation of
    /// ours might arrive first. Every other request would wait on, reserve agents, and end as if the caller had hung up.
    pub(super) fn answered(&mut self, by: AnsweredBy, now: Timestamp) {
        let known = |q: &Queueing| by == AnsweredBy::Selected && !q.lapsed && q.early.is_none();
        if self.queueing.take_if(|q| known(q)).is_none() {
            self.leave_queue(now);
        }
    }

    /// The agent has answered the call: the application is notified now.
    pub(super) fn tell_selected(&mut self) {
        let Some(Queueing { request_id, queue, skill_expression, selected: Some((agent, dn)), .. }) =
            self.queueing.clone()
        else {
            return;
        };
        let data = [
            ("targetselected", Value::from(dn.as_str())),
            ("targetcomponentselected", Value::from(agent.as_str())),
            ("targetobjectselected", Value::from(skill_expression)),
            ("vqselected", Value::from(queue)),
            ("resource", Value::from(dn.as_str())),
        ];
        self.tell_done(&request_id, "queue.submit", data);
    }

    /// The agent that rq selected for this phone, if the application routes by itself.
    pub(super) fn take_selected(&self, dn: &Dn) -> Option<AgentId> {
        let (agent, phone) = self.queueing.as_ref()?.selected.as_ref()?;
        (phone == dn).then(|| agent.clone())
    }

    // ---- treatments while waiting ----

    /// Plays the next treatment of the list; the first follows the last.
    pub(super) fn play_next(&mut self, now: Timestamp) {
        if self.stage != Stage::Waiting || self.playing.as_ref().is_some_and(|p| !p.while_waiting) {
            return;
        }
        let Some(queueing) = self.queueing.as_mut().filter(|q| q.selected.is_none()) else { return };
        queueing.play_again_at = None;
        let count = queueing.treatments.len();
        let Some(treatment) = queueing.treatments.get(queueing.next_treatment % count.max(1)).cloned() else { return };
        queueing.next_treatment = (queueing.next_treatment + 1) % count;
        self.play_while_waiting(treatment, now);
    }

    /// A treatment failed: the next one starts a little later, so that a missing prompt does not cause a flood of requests.
    pub(super) fn play_later(&mut self, now: Timestamp) {
        if let Some(queueing) = &mut self.queueing {
            queueing.play_again_at = Some(now + PLAY_AGAIN);
        }
    }

    pub(super) fn play_again(&mut self, now: Timestamp) {
        if self.queueing.as_ref().and_then(|q| q.play_again_at).is_some_and(|at| at <= now) {
            self.play_next(now);
            if let Some(queueing) = &mut self.queueing {
                queueing.play_again_at = None;
            }
        }
    }

    fn stop_waiting_treatment(&mut self, now: Timestamp) {
        if self.playing.as_ref().is_some_and(|p| p.while_waiting) {
            self.playing = None;
            self.pending.retain(|p| p.action != "dialog.runtreatments");
            self.request(RequestKind::StopTreatment(self.conn()), "", "dialog.stop", now);
        }
    }
}

fn read_submit(request_id: &str, node: &ActionNode, now: Timestamp) -> Result<Queueing, String> {
    for (name, only) in [("ordertype", "max"), ("orderstat", "StatTimeInReadyState")] {
        if let Some(value) = node.attribute(name)
            && value.as_text() != Some(only)
        {
            return Err(format!("{name}: only {only:?} (longest ready first) is supported"));
        }
    }
    let targets: Vec<&ActionNode> = node.children_named("targets").flat_map(|t| t.children.iter()).collect();
    let mut treatments = Vec::new();
    for element in node.children_named("runtreatments").flat_map(|t| t.children.iter()) {
        treatments.push(treatment(element)?);
    }
    if treatments.len() > TREATMENTS_MAX {
        return Err(format!("runtreatments: more than {TREATMENTS_MAX} treatments"));
    }
    Ok(Queueing {
        request_id: request_id.to_owned(),
        queue: node.attribute("queue").map(Value::to_display).unwrap_or_default(),
        skill_expression: skill_expression(&targets)?,
        priority: number(node, "priority", 0.0, PRIORITY_MAX)? as i32,
        timeout_ms: millis(number(node, "timeout", 0.0, TIMEOUT_MAX_S)?),
        since: now,
        treatments,
        next_treatment: 0,
        play_again_at: None,
        selected: None,
        early: None,
        lapsed: false,
        returned: None,
        unheard: false,
        route: node.attribute("route").and_then(Value::as_bool).unwrap_or(true),
        route_reference: 0,
    })
}

/// Several targets are alternatives.
fn skill_expression(targets: &[&ActionNode]) -> Result<String, String> {
    let mut all = Vec::new();
    for target in targets {
        match target.attribute("type").map(Value::to_display).as_deref() {
            None | Some("agentgroup") => {}
            Some(other) => return Err(format!("target type {other:?} is not supported; use 'agentgroup'")),
        }
        let given = |name: &str| target.attribute(name).map(Value::to_display).filter(|text| !text.trim().is_empty());
        all.push(match (given("skillexpr"), given("name")) {
            (Some(expression), None) => expression,
            (None, Some(group)) => group_expression(&group)?,
            (Some(_), Some(_)) => return Err("name: a target has it or a skillexpr, not both".to_owned()),
            (None, None) => return Err("skillexpr: a target needs one, or the name of a group".to_owned()),
        });
    }
    match all.as_slice() {
        [] => Err("targets: there is none".to_owned()),
        [one] => Ok(one.clone()),
        many => Ok(many.iter().map(|e| format!("({e})")).collect::<Vec<_>>().join(" | ")),
    }
}

/// The skill expression that the members of a group fit: who is in it has that skill.
fn group_expression(group: &str) -> Result<String, String> {
    if !AgentGroup::may_be_name(group) {
        return Err("name: no group has a quotation mark in its name".to_owned());
    }
    Ok(format!("\"{}\" >= 1", AgentGroup::member_skill(group)))
}
