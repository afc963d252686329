//! What is to be called, and by whom: calling lists, campaigns, and groups of agents that work on them.

use serde::{Deserialize, Serialize};

use super::dn_groups::weight;
use super::wire_names::wire_names;

/// How often a record is called at most where nothing is said.
pub const DEFAULT_ATTEMPTS: u32 = 3;

/// A list of people to be called. Its records are elsewhere: this says what they are like, when they are called, and what follows each result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallingList {
    /// Its name.
    pub name: String,
    /// The fields of its records; at least one holds a number to call.
    #[serde(default)]
    pub fields: Vec<RecordField>,
    /// Where its records are, in words for people and programs, as the name of a table. No secret: everybody who reads objects reads it.
    #[serde(default)]
    pub source: Option<String>,
    /// The schedule in whose hours its records are called; none: always.
    #[serde(default)]
    pub schedule: Option<String>,
    /// How often a record is called at most.
    #[serde(default = "attempts_max")]
    pub attempts_max: u32,
    /// What becomes of a record after a call, by its result. After a result that is not listed the record is finished.
    #[serde(default)]
    pub treatments: Vec<RecordTreatment>,
}

const fn attempts_max() -> u32 {
    DEFAULT_ATTEMPTS
}

/// A field of the records of a calling list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordField {
    /// Its name.
    pub name: String,
    /// What it holds.
    #[serde(rename = "type")]
    pub field_type: RecordFieldType,
}

wire_names! {
    /// What a field of a record holds.
    RecordFieldType {
        /// A number to call.
        Phone "phone",
        /// A text.
        Text "text",
        /// A whole number.
        Number "number",
        /// A date, or a date with a time.
        Date "date",
        /// Yes or no.
        Flag "flag",
    }
}

/// What becomes of a record after a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordTreatment {
    /// The result of the call.
    pub result: DialingResult,
    /// What is done.
    pub action: TreatmentAction,
    /// For `retry`: after how many minutes.
    #[serde(default)]
    pub after_min: Option<u32>,
}

wire_names! {
    /// The result of a call to a record.
    DialingResult {
        /// A person has answered.
        Answer "answer",
        /// A machine has answered.
        AnsweringMachine "answering_machine",
        /// A fax or a modem has answered.
        Fax "fax",
        /// Something has answered and says nothing.
        Silence "silence",
        /// The number was busy.
        Busy "busy",
        /// Nobody has answered.
        NoAnswer "no_answer",
        /// Who had answered hung up before an agent was there.
        Abandoned "abandoned",
        /// The call was lost.
        Dropped "dropped",
        /// There is no such number.
        InvalidNumber "invalid_number",
        /// Whoever was meant cannot be reached there.
        WrongNumber "wrong_number",
        /// Whoever was meant wants no calls.
        DoNotCall "do_not_call",
        /// The call could not be made.
        Error "error",
    }
}

wire_names! {
    /// What is done after the result of a call.
    TreatmentAction {
        /// The call goes on: to the route point of the campaign group.
        Connect "connect",
        /// The call is released.
        HangUp "hang_up",
        /// The same number is called again later.
        Retry "retry",
        /// The next field of the record with a number is called.
        NextPhone "next_phone",
        /// The record is called no more.
        Finish "finish",
    }
}

impl DialingResult {
    /// Whether somebody or something is at the other end, so that the call itself can be connected or released.
    pub const fn is_answered(self) -> bool {
        matches!(self, Self::Answer | Self::AnsweringMachine | Self::Fax | Self::Silence)
    }

    /// What may be done after it.
    pub fn actions(self) -> impl Iterator<Item = TreatmentAction> {
        TreatmentAction::ALL.iter().copied().filter(move |action| self.is_answered() || !action.is_about_the_call())
    }
}

impl TreatmentAction {
    /// Whether it needs a call that was answered.
    pub const fn is_about_the_call(self) -> bool {
        matches!(self, Self::Connect | Self::HangUp)
    }
}

/// Calling lists that are worked through together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    /// Its name.
    pub name: String,
    /// Its lists.
    #[serde(default)]
    pub calling_lists: Vec<CampaignCallingList>,
}

/// A calling list of a campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignCallingList {
    /// The list, by its name.
    pub calling_list: String,
    /// Its share of the calls; 0 is none.
    #[serde(default = "weight")]
    pub weight: u32,
}

/// A campaign, the agents who work on it, and how calls are made for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignGroup {
    /// Its name.
    pub name: String,
    /// The campaign, by its name.
    pub campaign: String,
    /// The group of agents, by its name.
    pub agent_group: String,
    /// How calls are made.
    pub mode: DialingMode,
    /// For predictive calls: what their pace is measured by.
    #[serde(default)]
    pub pacing: Option<PacingMeasure>,
    /// The value that the measure is kept at: percent, or seconds.
    #[serde(default)]
    pub target: Option<u32>,
    /// The route point for which calls are made, and at which who has answered waits for an agent.
    #[serde(default)]
    pub route_point: Option<String>,
}

wire_names! {
    /// How calls of a campaign are made.
    DialingMode {
        /// An agent sees the record, and calls.
        Preview "preview",
        /// One call for each agent who is ready.
        Progressive "progressive",
        /// Calls ahead of agents who will be ready.
        Predictive "predictive",
    }
}

wire_names! {
    /// What the pace of predictive calls is measured by.
    PacingMeasure {
        /// The share of their time that agents are busy, in percent.
        BusyPercent "busy_percent",
        /// The share of the people who have answered and found no agent, in percent.
        AbandonPercent "abandon_percent",
        /// How long an agent waits for a call, in seconds.
        WaitingTime "waiting_s",
    }
}

impl PacingMeasure {
    /// The highest target; the lowest is 1.
    pub const fn target_max(self) -> u32 {
        match self {
            Self::BusyPercent | Self::AbandonPercent => 100,
            Self::WaitingTime => 3_600,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_nobody_has_answered_is_neither_connected_nor_released() {
        let of = |result: DialingResult| result.actions().map(TreatmentAction::as_str).collect::<Vec<_>>();
        assert_eq!(of(DialingResult::Busy), ["retry", "next_phone", "finish"]);
        assert_eq!(of(DialingResult::Fax), TreatmentAction::NAMES);
        assert_eq!(DialingResult::ALL.iter().filter(|result| result.is_answered()).count(), 4);
    }

    #[test]
    fn what_a_list_leaves_out_is_as_the_book_says() {
        let list: CallingList = serde_json::from_str(r#"{"name":"Spring"}"#).unwrap();
        assert_eq!((list.attempts_max, list.fields.len(), list.treatments.len()), (DEFAULT_ATTEMPTS, 0, 0));
        let campaign: Campaign =
            serde_json::from_str(r#"{"name":"c","calling_lists":[{"calling_list":"Spring"}]}"#).unwrap();
        assert_eq!(campaign.calling_lists[0].weight, 1);
    }
}
