//! The results: a row for each call and each agent, sums, and a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// How a call ended, as its caller and its agent saw it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// An agent answered.
    Answered,
    /// The caller ran out of patience before an agent answered.
    Abandoned,
    /// The call was refused with a SIP status.
    Refused,
    /// The far side ended the call before an agent answered.
    Dropped,
    /// It had not ended when the robots stopped waiting for it.
    Unfinished,
    /// The robots were stopped before the call had an outcome.
    Stopped,
}

/// How an agent came to a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Came {
    /// The call came to the agent by its number.
    Routed,
    /// Another agent has consulted this one about it.
    Consulted,
    /// Another agent has handed it over.
    Transferred,
    /// Another agent has brought this one in.
    Conferred,
    /// The agent to whom it was handed over did not take it.
    Returned,
}

/// An agent in a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartyRow {
    /// The agent.
    pub agent: String,
    /// Its phone.
    pub extension: String,
    /// How it came to the call.
    pub came: Came,
    /// The longest time until it heard everybody whom it was to hear, ms; none if it did not.
    pub heard_ms: Option<u64>,
}

/// What an agent did with a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MoveKind {
    /// Consulted another agent.
    Consultation,
    /// Handed it over.
    Transfer,
    /// Took another agent in.
    Conference,
}

/// How it was done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MoveWay {
    /// By a consultation.
    TwoStep,
    /// By one request.
    OneStep,
    /// By the phone itself.
    Phone,
}

/// Something that an agent did with a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MoveRow {
    /// What.
    pub kind: MoveKind,
    /// How.
    pub way: MoveWay,
    /// The phone of the agent who did it.
    pub by: String,
    /// The phone of the agent whom it concerned.
    pub to: String,
}

/// One call.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallRow {
    /// The caller's number: unique within the run.
    pub caller: String,
    /// The dialled number.
    pub dialled: String,
    /// The requested service: by the number, or by the digit pressed in the menu.
    pub service: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The status of a refusal.
    pub status: Option<u16>,
    /// The agent who answered first.
    pub agent: Option<String>,
    /// Its phone.
    pub extension: Option<String>,
    /// Number of agents' phones that answered it without another agent's doing; more than one is a fault.
    pub answers: u32,
    /// Milliseconds since 1970.
    pub dialled_at: u64,
    /// From dialling to the agent's answer, or to the caller's abandoning, ms.
    pub wait_ms: u64,
    /// From the agent's answer to the end, ms.
    pub talk_ms: Option<u64>,
    /// Time until the caller heard the agent's tones, the longest of all agents in the call, ms; none if one was not heard.
    pub caller_heard_ms: Option<u64>,
    /// Time until the first agent heard the tones of the other parties, the longest of all, ms; none if one was not heard.
    pub agent_heard_ms: Option<u64>,
    /// All agents who answered it, in their order.
    pub parties: Vec<PartyRow>,
    /// What agents did with it, in order.
    pub moves: Vec<MoveRow>,
    /// How often the agent held the call.
    pub holds: u32,
    /// Whether the agent ended it; else the caller.
    pub ended_by_agent: bool,
    /// Its faults, in words.
    pub faults: Vec<String>,
}

/// A call that went out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutgoingRow {
    /// The number outside: unique within the run.
    pub number: String,
    /// The phone that called it.
    pub extension: String,
    /// Whether that phone encrypts.
    pub encrypted: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// The status of a refusal.
    pub status: Option<u16>,
    /// Milliseconds since 1970.
    pub dialled_at: u64,
    /// From the answer to the end, ms.
    pub talk_ms: Option<u64>,
    /// Time until the phone heard the other side, ms; none if it did not.
    pub desk_heard_ms: Option<u64>,
    /// Time until the other side heard the phone, ms; none if it did not.
    pub outside_heard_ms: Option<u64>,
    /// Its faults, in words.
    pub faults: Vec<String>,
}

/// One agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentRow {
    /// The agent's id.
    pub agent: String,
    /// Its phone.
    pub extension: String,
    /// Its skills.
    pub skills: BTreeMap<String, u16>,
    /// Calls that rang.
    pub rang: u32,
    /// Calls that it answered, consultations included.
    pub answered: u32,
    /// Time in conversations, ms.
    pub talk_ms: u64,
}

/// Parameters and times of the run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Prefix of the callers' numbers.
    pub callers: String,
    /// Seed of the random choices.
    pub seed: u64,
    /// When the first call was placed, ms since 1970; none if there was none.
    pub first_arrival: Option<u64>,
    /// When the last call was placed.
    pub last_arrival: Option<u64>,
    /// When the last call had ended.
    pub ended: u64,
    /// Skills that a call of a service requires of its agent.
    pub services: BTreeMap<String, BTreeMap<String, u16>>,
}

/// Sums.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Totals {
    /// Calls that were placed.
    pub offered: u64,
    /// Answered by an agent.
    pub answered: u64,
    /// Abandoned by the caller.
    pub abandoned: u64,
    /// Refused.
    pub refused: u64,
    /// Any other outcome.
    pub other: u64,
    /// Calls with at least one fault.
    pub faulty: u64,
    /// Consultations.
    pub consultations: u64,
    /// Transfers.
    pub transfers: u64,
    /// Conferences.
    pub conferences: u64,
    /// Calls that went out, those of encrypted phones among them, those that were answered, and those with at least one fault.
    pub outgoing: u64,
    /// See [`Self::outgoing`].
    pub outgoing_encrypted: u64,
    /// See [`Self::outgoing`].
    pub outgoing_answered: u64,
    /// See [`Self::outgoing`].
    pub outgoing_faulty: u64,
    /// Waiting times of the answered calls.
    pub waits: Waits,
}

/// Waiting times, ms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waits {
    /// Median.
    pub p50: u64,
    /// 95th percentile.
    pub p95: u64,
    /// The longest.
    pub max: u64,
}

/// All results of the robots.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Results {
    /// Parameters and times of the run.
    pub run: Run,
    /// Sums over all calls.
    pub totals: Totals,
    /// A row for each agent.
    pub agents: Vec<AgentRow>,
    /// A row for each call; of an endless run, only the latest are kept.
    pub calls: Vec<CallRow>,
    /// A row for each call that went out; of an endless run, only those with faults and the latest others are kept.
    #[serde(default)]
    pub outgoing: Vec<OutgoingRow>,
    /// Faults apart from calls, in words.
    pub faults: Vec<String>,
}

impl Totals {
    /// Sums of these rows.
    pub fn of(calls: &[CallRow], outgoing: &[OutgoingRow]) -> Self {
        let mut totals = Self::default();
        calls.iter().for_each(|call| totals.add(call));
        outgoing.iter().for_each(|call| totals.add_outgoing(call));
        let mut waits: Vec<u64> =
            calls.iter().filter(|call| call.outcome == Outcome::Answered).map(|call| call.wait_ms).collect();
        waits.sort_unstable();
        totals.waits = Waits { p50: quantile(&waits, 50), p95: quantile(&waits, 95), max: quantile(&waits, 100) };
        totals
    }

    /// Counts one call; the waiting times do not change.
    pub fn add(&mut self, call: &CallRow) {
        self.offered += 1;
        *match call.outcome {
            Outcome::Answered => &mut self.answered,
            Outcome::Abandoned => &mut self.abandoned,
            Outcome::Refused => &mut self.refused,
            Outcome::Dropped | Outcome::Unfinished | Outcome::Stopped => &mut self.other,
        } += 1;
        self.faulty += u64::from(!call.faults.is_empty());
        for step in &call.moves {
            *match step.kind {
                MoveKind::Consultation => &mut self.consultations,
                MoveKind::Transfer => &mut self.transfers,
                MoveKind::Conference => &mut self.conferences,
            } += 1;
        }
    }
}

impl Totals {
    /// Counts one call that went out.
    pub fn add_outgoing(&mut self, call: &OutgoingRow) {
        self.outgoing += 1;
        self.outgoing_encrypted += u64::from(call.encrypted);
        self.outgoing_answered += u64::from(call.outcome == Outcome::Answered);
        self.outgoing_faulty += u64::from(!call.faults.is_empty());
    }
}

/// The smallest value that `percent` of the values do not exceed (nearest rank); 0 if there are none.
fn quantile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0)
}

/// Maximum of faults in the table; the JSON has all.
const FAULTS_SHOWN: usize = 20;

impl Results {
    /// Whether every call had a valid outcome, and was heard.
    pub fn is_flawless(&self) -> bool {
        let t = &self.totals;
        self.faults.is_empty() && t.faulty == 0 && t.other == 0 && t.outgoing_faulty == 0
    }

    /// The results as a table.
    pub fn table(&self) -> String {
        let t = &self.totals;
        let mut text = format!(
            "\nCalls, by the robots' own count\n  offered {}   answered {}   abandoned {}   refused {}   other {}   faulty {}\n",
            t.offered, t.answered, t.abandoned, t.refused, t.other, t.faulty
        );
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "  consultations {}   transfers {}   conferences {}",
            t.consultations, t.transfers, t.conferences
        );
        let _ = writeln!(
            text,
            "  to numbers outside {}, of which {} encrypted   answered {}   faulty {}",
            t.outgoing, t.outgoing_encrypted, t.outgoing_answered, t.outgoing_faulty
        );
        let seconds = |ms: u64| ms as f64 / 1_000.0;
        let (p50, p95, max) = (seconds(t.waits.p50), seconds(t.waits.p95), seconds(t.waits.max));
        let _ = writeln!(text, "  wait until answered   p50 {p50:.1} s   p95 {p95:.1} s   max {max:.1} s");
        let _ = writeln!(
            text,
            "\n  agent    phone    rang  answered  talking\n  -----------------------------------------"
        );
        for agent in &self.agents {
            let talk = seconds(agent.talk_ms);
            let (id, phone, rang, answered) = (&agent.agent, &agent.extension, agent.rang, agent.answered);
            let _ = writeln!(text, "  {id:<8} {phone:<8} {rang:>4}  {answered:>8}  {talk:>6.1} s");
        }
        let of_calls =
            self.calls.iter().flat_map(|call| call.faults.iter().map(move |f| format!("{}: {f}", call.caller)));
        let outgoing =
            self.outgoing.iter().flat_map(|call| call.faults.iter().map(move |f| format!("to {}: {f}", call.number)));
        let faults: Vec<String> = self.faults.iter().cloned().chain(of_calls).chain(outgoing).collect();
        for fault in faults.iter().take(FAULTS_SHOWN) {
            let _ = writeln!(text, "  fault: {fault}");
        }
        if faults.len() > FAULTS_SHOWN {
            let _ = writeln!(text, "  and {} more", faults.len() - FAULTS_SHOWN);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occur() {
        let waits: Vec<u64> = (1..=20).collect();
        assert_eq!((quantile(&waits, 50), quantile(&waits, 95), quantile(&waits, 100)), (10, 19, 20));
        assert_eq!((quantile(&[7], 50), quantile(&[], 95)), (7, 0));
    }
}
