//! Groups of agents: who is in them, and who manages them.

use std::collections::HashSet;

use routing::SkillExpression;
use serde_json::Value;

use super::target::{DirectoryTarget, TargetType};
use super::text;
use crate::object_number;

/// A group.
#[derive(Debug)]
pub(super) struct DirectoryGroup {
    name: String,
    /// User names in lower case.
    agents: HashSet<String>,
    managers: HashSet<String>,
    expression: Option<SkillExpression>,
}

/// The agents that count: those of some groups, or all but those of some.
pub(super) struct CountedGroups<'a> {
    /// None: of all groups, and of none.
    pub within: Option<Vec<&'a DirectoryGroup>>,
    /// Not of these.
    pub without: Vec<&'a DirectoryGroup>,
}

impl DirectoryGroup {
    pub fn of_document(group: &Value) -> Option<Self> {
        let people = |field: &str| {
            let named = group.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            named.map(str::to_lowercase).collect()
        };
        Some(Self {
            name: text(group, "/name")?.to_owned(),
            agents: people("agents"),
            managers: people("managers"),
            expression: text(group, "/expression").and_then(|written| SkillExpression::parse(written).ok()),
        })
    }

    fn number(&self) -> u64 {
        object_number::of("agent_group", &self.name)
    }

    /// Whether it is meant by a name or a number.
    pub fn is_meant(&self, id: &str) -> bool {
        self.name.to_lowercase() == id.to_lowercase() || self.number().to_string() == id
    }

    /// Whether somebody manages it, by the user name in lower case.
    pub fn is_managed_by(&self, user: &str) -> bool {
        self.managers.contains(user)
    }

    /// What it is meant by, in lower case: its name and its number.
    pub fn meant_by(&self) -> [String; 2] {
        [self.name.to_lowercase(), self.number().to_string()]
    }

    /// Whether an agent is in it: by name, or by the skills that its expression asks for.
    pub fn has(&self, agent: &DirectoryTarget) -> bool {
        let fits = |expression: &SkillExpression| expression.matches(|skill| agent.level(skill));
        self.agents.contains(agent.lowered_key()) || self.expression.as_ref().is_some_and(fits)
    }
}

impl CountedGroups<'_> {
    /// Whether a target counts. What is no agent is in no group.
    pub fn admit(&self, target: &DirectoryTarget) -> bool {
        let is_agent = target.target_type == TargetType::Agent;
        let is_within = self.within.as_ref().is_none_or(|groups| is_agent && groups.iter().any(|it| it.has(target)));
        is_within && !(is_agent && self.without.iter().any(|group| group.has(target)))
    }
}
