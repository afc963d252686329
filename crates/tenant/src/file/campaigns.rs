//! Calling lists, campaigns, and the groups of agents that work on them: their declaration, reading and writing.

use contracts::provisioning::{
    CallingList, Campaign, CampaignCallingList, CampaignGroup, DEFAULT_ATTEMPTS, DEFAULT_WEIGHT, DialingMode,
    DialingResult, Object, PacingMeasure, RecordField, RecordFieldType, RecordTreatment, TreatmentAction,
};

use super::dn_groups::WEIGHT;
use super::scalar::{optional, text as scalar};
use super::shape::Need::{Optional, Required};
use super::shape::{Field, NAME, Shape, field};
use super::tree::{Node, list, number, text};

/// The most calling lists of a tenant, the most campaigns, and the most campaign groups.
const CAMPAIGNS_MAX: usize = 1_000;
/// The most fields of the records of a calling list.
const RECORD_FIELDS_MAX: usize = 100;
/// The most calling lists of a campaign.
const LISTS_OF_CAMPAIGN_MAX: usize = 100;

// === declaration ===

static SOURCE: Shape = Shape::Text { max: 1_024 };
static ATTEMPTS: Shape = Shape::Number { min: 1, max: 100 };
static MINUTES: Shape = Shape::Number { min: 1, max: 43_200 };
static TARGET: Shape = Shape::Number { min: 1, max: 3_600 };
static FIELD_TYPE: Shape = Shape::OneOf(RecordFieldType::NAMES);
static RESULT: Shape = Shape::OneOf(DialingResult::NAMES);
static ACTION: Shape = Shape::OneOf(TreatmentAction::NAMES);
static MODE: Shape = Shape::OneOf(DialingMode::NAMES);
static PACING: Shape = Shape::OneOf(PacingMeasure::NAMES);

static FIELDS: Shape = Shape::List {
    of: &Shape::Record(&[
        field("name", Required, &NAME, "Its name."),
        field("type", Required, &FIELD_TYPE, "What it holds; phone is a number to call."),
    ]),
    max: RECORD_FIELDS_MAX,
};

static TREATMENTS: Shape = Shape::List {
    of: &Shape::Record(&[
        field("result", Required, &RESULT, "The result of a call."),
        field(
            "action",
            Required,
            &ACTION,
            "What follows. connect: the call goes on to the route point. hang_up: it is released. retry: the same number later. next_phone: the next number of the record. finish: no further call.",
        ),
        field("after_min", Optional, &MINUTES, "For retry: after how many minutes."),
    ]),
    max: DialingResult::ALL.len(),
};

static CALLING_LIST_LIST: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name."),
        field("fields", Required, &FIELDS, "The fields of its records; at least one is a phone."),
        field(
            "source",
            Optional,
            &SOURCE,
            "Where its records are, in words for people and programs, as the name of a table. Everybody who reads objects reads it: no password.",
        ),
        field(
            "schedule",
            Optional,
            &NAME,
            "The schedule in whose hours the dialler is to call its records; without it always.",
        ),
        field("attempts_max", Optional, &ATTEMPTS, "How often the dialler is to call a record at most; without it 3."),
        field(
            "treatments",
            Optional,
            &TREATMENTS,
            "What follows each result. After one that is not listed the record is finished.",
        ),
    ]),
    max: CAMPAIGNS_MAX,
};

pub(super) const CALLING_LISTS: Field = field(
    "calling_lists",
    Optional,
    &CALLING_LIST_LIST,
    "Lists of people to be called, for a dialler of your own: what their records are like, when it is to call them, what follows each result.",
);

static LISTS_OF_CAMPAIGN: Shape = Shape::List {
    of: &Shape::Record(&[
        field("calling_list", Required, &NAME, "The calling list."),
        field("weight", Optional, &WEIGHT, "Its share of the calls, 0 for none; without it 1."),
    ]),
    max: LISTS_OF_CAMPAIGN_MAX,
};

static CAMPAIGN_LIST: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name."),
        field("calling_lists", Optional, &LISTS_OF_CAMPAIGN, "Its calling lists. Without it there are none."),
    ]),
    max: CAMPAIGNS_MAX,
};

pub(super) const CAMPAIGNS: Field =
    field("campaigns", Optional, &CAMPAIGN_LIST, "Calling lists that are worked through together.");

static CAMPAIGN_GROUP_LIST: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name."),
        field("campaign", Required, &NAME, "The campaign."),
        field("agent_group", Required, &NAME, "The group of agents who work on it."),
        field(
            "mode",
            Required,
            &MODE,
            "How calls are made. preview: an agent sees the record, and calls. progressive: one call for each agent who is ready. predictive: ahead of agents who will be ready.",
        ),
        field(
            "pacing",
            Optional,
            &PACING,
            "For predictive: what the pace is measured by. busy_percent: the time that agents are busy. abandon_percent: people who answered and found no agent. waiting_s: how long an agent waits.",
        ),
        field(
            "target",
            Optional,
            &TARGET,
            "The value at which the measure is kept: 1 to 100 percent, or 1 to 3600 seconds.",
        ),
        field(
            "route_point",
            Optional,
            &NAME,
            "For progressive and predictive: the route point for which calls are made, and at which who has answered waits.",
        ),
    ]),
    max: CAMPAIGNS_MAX,
};

pub(super) const CAMPAIGN_GROUPS: Field = field(
    "campaign_groups",
    Optional,
    &CAMPAIGN_GROUP_LIST,
    "Campaigns with the agents who work on them, and how a dialler of your own is to make calls.",
);

// === reading ===

pub(super) fn calling_list(item: &Node) -> Option<Object> {
    let record_field = |item: &Node| {
        let field_type = RecordFieldType::parse(&text(item, "type")?)?;
        Some(RecordField { name: text(item, "name")?, field_type })
    };
    let treatment = |item: &Node| {
        Some(RecordTreatment {
            result: DialingResult::parse(&text(item, "result")?)?,
            action: TreatmentAction::parse(&text(item, "action")?)?,
            after_min: number(item, "after_min"),
        })
    };
    Some(Object::CallingList(Box::new(CallingList {
        name: text(item, "name")?,
        fields: list(item, "fields").iter().filter_map(record_field).collect(),
        source: text(item, "source"),
        schedule: text(item, "schedule"),
        attempts_max: number(item, "attempts_max").unwrap_or(DEFAULT_ATTEMPTS),
        treatments: list(item, "treatments").iter().filter_map(treatment).collect(),
    })))
}

pub(super) fn campaign(item: &Node) -> Option<Object> {
    let of_campaign = |item: &Node| {
        let weight = number(item, "weight").unwrap_or(DEFAULT_WEIGHT);
        Some(CampaignCallingList { calling_list: text(item, "calling_list")?, weight })
    };
    let calling_lists = list(item, "calling_lists").iter().filter_map(of_campaign).collect();
    Some(Object::Campaign(Campaign { name: text(item, "name")?, calling_lists }))
}

pub(super) fn campaign_group(item: &Node) -> Option<Object> {
    Some(Object::CampaignGroup(Box::new(CampaignGroup {
        name: text(item, "name")?,
        campaign: text(item, "campaign")?,
        agent_group: text(item, "agent_group")?,
        mode: DialingMode::parse(&text(item, "mode")?)?,
        pacing: text(item, "pacing").and_then(|name| PacingMeasure::parse(&name)),
        target: number(item, "target"),
        route_point: text(item, "route_point"),
    })))
}

// === writing ===

pub(super) fn calling_list_line(calling_list: &CallingList) -> String {
    let CallingList { name, fields, source, schedule, attempts_max, treatments } = calling_list;
    let record_field = |RecordField { name, field_type }: &RecordField| {
        format!("{{name: {}, type: {}}}", scalar(name), field_type.as_str())
    };
    let treatment = |RecordTreatment { result, action, after_min }: &RecordTreatment| {
        let after = set("after_min", *after_min);
        format!("{{result: {}, action: {}{after}}}", result.as_str(), action.as_str())
    };
    let fields: Vec<_> = fields.iter().map(record_field).collect();
    let treatments: Vec<_> = treatments.iter().map(treatment).collect();
    let more = optional("source", source.as_deref()) + &optional("schedule", schedule.as_deref());
    format!(
        "- {{name: {}, fields: [{}]{more}, attempts_max: {attempts_max}, treatments: [{}]}}",
        scalar(name),
        fields.join(", "),
        treatments.join(", ")
    )
}

pub(super) fn campaign_line(campaign: &Campaign) -> String {
    let Campaign { name, calling_lists } = campaign;
    let of_campaign = |CampaignCallingList { calling_list, weight }: &CampaignCallingList| {
        format!("{{calling_list: {}, weight: {weight}}}", scalar(calling_list))
    };
    let calling_lists: Vec<_> = calling_lists.iter().map(of_campaign).collect();
    format!("- {{name: {}, calling_lists: [{}]}}", scalar(name), calling_lists.join(", "))
}

pub(super) fn campaign_group_line(group: &CampaignGroup) -> String {
    let CampaignGroup { name, campaign, agent_group, mode, pacing, target, route_point } = group;
    let more = optional("pacing", pacing.map(PacingMeasure::as_str))
        + &set("target", *target)
        + &optional("route_point", route_point.as_deref());
    let (name, campaign, agents) = (scalar(name), scalar(campaign), scalar(agent_group));
    format!("- {{name: {name}, campaign: {campaign}, agent_group: {agents}, mode: {}{more}}}", mode.as_str())
}

fn set(key: &str, value: Option<u32>) -> String {
    value.map(|value| format!(", {key}: {value}")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
