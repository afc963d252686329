//! Groups of agents and of places: their declaration, reading and writing.

use contracts::provisioning::{AgentGroup, PlaceGroup};

use super::scalar::{flow, optional, text as scalar};
use super::shape::Need::{Optional, Required};
use super::shape::{Field, NAME, Shape, field};
use super::tree::{Node, text, texts};

/// The most groups of a tenant, of each kind.
const GROUPS_MAX: usize = 10_000;
/// The most groups of agents of a tenant that have an expression: each one is looked at for each agent.
pub(super) const EXPRESSIONS_MAX: usize = 100;
/// The most members that a group names.
const MEMBERS_MAX: usize = 10_000;
/// The most people who look after one.
const MANAGERS_MAX: usize = 100;

// === declaration ===

static MEMBERS: Shape = Shape::Choice { of: &NAME, max: MEMBERS_MAX };
static MANAGERS: Shape = Shape::Choice { of: &NAME, max: MANAGERS_MAX };
static EXPRESSION: Shape = Shape::Text { max: routing::expression::TEXT_MAX };

static AGENT_GROUPS_LIST: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name."),
        field(
            "agents",
            Optional,
            &MEMBERS,
            "Its agents, by `user`. Without it, and without `expression`, it has none.",
        ),
        field(
            "expression",
            Optional,
            &EXPRESSION,
            "Instead of `agents`: the skills of its agents, as \"Sales >= 5 & (French >= 1 | Spanish >= 1)\". Whoever has them is in it.",
        ),
        field("managers", Optional, &MANAGERS, "Who looks after it, by `user`."),
    ]),
    max: GROUPS_MAX,
};

pub(super) const AGENT_GROUPS: Field = field(
    "agent_groups",
    Optional,
    &AGENT_GROUPS_LIST,
    "Agents that are meant together: those that are named, or those whose skills fit.",
);

static PLACE_GROUPS_LIST: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name."),
        field("places", Optional, &MEMBERS, "Its places; one may be in several groups. Without it there are none."),
    ]),
    max: GROUPS_MAX,
};

pub(super) const PLACE_GROUPS: Field =
    field("place_groups", Optional, &PLACE_GROUPS_LIST, "Places that are meant together, as those of a floor.");

// === reading ===

pub(super) fn agent_group(item: &Node) -> Option<AgentGroup> {
    Some(AgentGroup {
        name: text(item, "name")?,
        agents: texts(item, "agents"),
        expression: text(item, "expression"),
        managers: texts(item, "managers"),
    })
}

pub(super) fn place_group(item: &Node) -> Option<PlaceGroup> {
    Some(PlaceGroup { name: text(item, "name")?, places: texts(item, "places") })
}

// === writing ===

pub(super) fn agent_group_line(group: &AgentGroup) -> String {
    let AgentGroup { name, agents, expression, managers } = group;
    let more =
        listed("agents", agents) + &optional("expression", expression.as_deref()) + &listed("managers", managers);
    format!("- {{name: {}{more}}}", scalar(name))
}

pub(super) fn place_group_line(group: &PlaceGroup) -> String {
    let PlaceGroup { name, places } = group;
    format!("- {{name: {}{}}}", scalar(name), listed("places", places))
}

/// Nothing for an empty list.
fn listed(key: &str, names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!(", {key}: {}", flow(names.iter().map(String::as_str))),
    }
}

#[cfg(test)]
mod tests;
