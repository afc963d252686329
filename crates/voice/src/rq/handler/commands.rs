//! Commands of a request's client: submit, update, cancel, return. Each outcome waits until the turn is committed.

use std::time::Duration;

use contracts::v1::{self, queue_command::Command, queue_outcome::Outcome};
use model::id::NAME_MAX;
use model::{AgentId, ConnId, QueueName, Timestamp};
use routing::{RequestId, Stage, Status, Submission, Target};

use super::outcome::{refused, selected};
use super::{Asked, TenantQueues};

/// The virtual queue of a request without a queue name.
const UNNAMED_QUEUE: &str = "VQ_Default";
/// The published error number of a request that cannot be stored now.
pub(super) const NOT_STORED: u32 = 58;

impl TenantQueues {
    /// Carries out a command. Returns the request's id, for routing its outcomes.
    pub fn command(&mut self, command: Command, now: Timestamp) -> RequestId {
        match command {
            Command::Submit(submit) => self.submit(submit, now),
            Command::Update(update) => {
                let id = RequestId(update.request_id);
                if let Ok(false) | Err(_) = self.router.update(&id, Some(update.priority), None, now) {
                    self.outcomes.push((id.clone(), Outcome::Refused(refused(53, "no such request", None))));
                }
                id
            }
            Command::Cancel(cancel) => {
                let id = RequestId(cancel.request_id);
                if !self.router.cancel(&id, now) {
                    // It has already ended; for the client the result is the same.
                    self.outcomes.push((id.clone(), Outcome::Cancelled(v1::Cancelled {})));
                }
                id
            }
            Command::Return(back) => {
                let id = RequestId(back.request_id);
                if let Ok(agent) = AgentId::parse(&back.agent) {
                    self.router.decline(&id, &agent, now);
                }
                id
            }
        }
    }

    /// Ends a request that the store does not take, and notifies its client of the reason.
    pub fn refuse(&mut self, id: &RequestId, reason: &str, now: Timestamp) {
        self.metrics.request_refused();
        let why = format!("the request cannot be stored: {reason}");
        self.outcomes.push((id.clone(), Outcome::Refused(refused(NOT_STORED, &why, None))));
        // Its end follows in the same turn, after this outcome.
        self.router.cancel(id, now);
    }

    fn submit(&mut self, submit: v1::Submit, now: Timestamp) -> RequestId {
        let id = RequestId(submit.request_id.clone());
        let known = self.router.status(&id).is_some();
        let priority = submit.priority;
        match submission(submit, now).and_then(|submission| {
            self.asked.insert(id.clone(), Asked::from(&submission));
            self.router.submit(submission, now).map_err(|error| refused(53, &error.to_string(), None))
        }) {
            Ok(status) if known => {
                // An update may have been lost with the stream.
                if self.router.request(&id).is_some_and(|request| request.submission.priority != priority)
                    && let Err(error) = self.router.update(&id, Some(priority), None, now)
                {
                    tracing::warn!(request = id.0, %error, "a request keeps its priority");
                }
                self.restate(&id, &status);
            }
            Ok(status) => {
                self.metrics.request_submitted();
                self.metrics.open_changed(1);
                self.accept(&id, &status);
            }
            Err(refusal) => {
                self.asked.remove(&id);
                self.metrics.request_refused();
                self.outcomes.push((id.clone(), Outcome::Refused(refusal)));
            }
        }
        id
    }

    pub(super) fn accept(&mut self, id: &RequestId, status: &Status) {
        let accepted = v1::Accepted {
            position: u32::try_from(status.position).unwrap_or(u32::MAX),
            agents_logged_in: u32::try_from(status.logged_in).unwrap_or(u32::MAX),
        };
        self.outcomes.push((id.clone(), Outcome::Accepted(accepted)));
    }

    /// The client has lost its stream and submits again: report the request's state.
    fn restate(&mut self, id: &RequestId, status: &Status) {
        self.accept(id, status);
        let (Stage::Offered { agent, expires_at } | Stage::Ringing { agent, expires_at }) = &status.stage else {
            return;
        };
        let Some(dn) = self.router.agent(agent).and_then(|row| row.dn) else { return };
        let Some(request) = self.router.request(id) else { return };
        let decided = self.decisions.iter().rev().find(|(call, _)| *call == request.submission.call);
        let decision = decided.map(|(_, decision)| decision);
        let waited_since = request.submission.queued_at;
        let queue = &request.submission.queue;
        self.outcomes.push((id.clone(), selected(agent, &dn, queue, *expires_at, decision, waited_since)));
    }
}

fn submission(submit: v1::Submit, now: Timestamp) -> Result<Submission, v1::Refused> {
    if !(1..=NAME_MAX).contains(&submit.request_id.len()) {
        return Err(refused(53, &format!("request_id: it has not 1 to {NAME_MAX} bytes"), None));
    }
    let target = Target::parse(&submit.skill_expression).map_err(|error| {
        let at = submit.skill_expression.chars().take(error.column - 1).map(char::len_utf8).sum::<usize>();
        refused(53, &format!("skill expression, {error}"), u32::try_from(at).ok())
    })?;
    let name = if submit.queue.is_empty() { UNNAMED_QUEUE } else { &submit.queue };
    let queue = QueueName::parse(name).map_err(|error| refused(53, &format!("queue: {error}"), None))?;
    let trace = contracts::wire::uuid_from_wire(&submit.trace, "trace")
        .map_err(|error| refused(53, &error.to_string(), None))?;
    let excluded = submit.excluded_agents.iter().map(|name| AgentId::parse(name));
    let excluded =
        excluded.collect::<Result<_, _>>().map_err(|error| refused(53, &format!("excluded_agents: {error}"), None))?;
    let times_out_at = (submit.timeout_ms > 0).then(|| now + Duration::from_millis(submit.timeout_ms));
    let queued_at = match submit.waiting_since_us {
        0 => now,
        since => Timestamp::from_micros(since).min(now),
    };
    Ok(Submission {
        id: RequestId(submit.request_id),
        call: ConnId(submit.conn_id),
        trace,
        ani: submit.ani,
        dnis: submit.dnis,
        queue,
        targets: vec![target],
        priority: submit.priority,
        queued_at,
        times_out_at,
        excluded,
    })
}
