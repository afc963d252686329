//! What must hold for groups of agents and of places.

use std::collections::HashSet;

use contracts::provisioning::{AgentGroup, FaultCode, ObjectKind};
use routing::SkillExpression;

use super::{BrokenRule, Rules};
use crate::file::groups::EXPRESSIONS_MAX;

/// The longest name of a group, in bytes: the skill that stands for membership has a name, too.
const GROUP_NAME_MAX: usize = model::id::NAME_MAX - AgentGroup::SKILL_PREFIX.len();

impl Rules<'_> {
    /// A skill with such a name would make a member of whoever has it.
    pub(super) fn skill_names(&mut self) {
        let objects = self.objects;
        for skill in objects.skills.iter().filter(|skill| skill.name.starts_with(AgentGroup::SKILL_PREFIX)) {
            let reason = format!("{} begins what stands for members of groups", AgentGroup::SKILL_PREFIX);
            let rule = BrokenRule::new(FaultCode::NameOfGroups, reason).naming("prefix", AgentGroup::SKILL_PREFIX);
            self.fault(ObjectKind::Skill, &skill.name, format!("skills.{}", skill.name), rule);
        }
    }

    pub(super) fn agent_groups(&mut self) {
        let objects = self.objects;
        if objects.agent_groups.is_empty() {
            return;
        }
        let people: HashSet<&str> = objects.people.iter().map(|person| person.user_name.as_str()).collect();
        for group in &objects.agent_groups {
            if !AgentGroup::may_be_name(&group.name) {
                let rule = BrokenRule::new(FaultCode::QuotationMark, "it may have no quotation mark (\")");
                self.group_fault(group, "name", rule);
            } else if group.name.len() > GROUP_NAME_MAX {
                let rule = BrokenRule::new(FaultCode::TooLong, format!("it has more than {GROUP_NAME_MAX} bytes"));
                self.group_fault(group, "name", rule.naming("most", GROUP_NAME_MAX.to_string()));
            }
            for (key, names) in [("agents", &group.agents), ("managers", &group.managers)] {
                for name in names.iter().filter(|name| !people.contains(name.as_str())) {
                    self.group_fault(group, key, BrokenRule::unknown(ObjectKind::Person, name));
                }
            }
            if let Some(expression) = &group.expression {
                self.group_expression(group, expression);
            }
        }
        for group in objects.agent_groups.iter().filter(|group| group.expression.is_some()).skip(EXPRESSIONS_MAX) {
            let words = format!("a tenant has at most {EXPRESSIONS_MAX} groups with an expression");
            let rule = BrokenRule::new(FaultCode::TooMany, words).naming("most", EXPRESSIONS_MAX.to_string());
            self.group_fault(group, "expression", rule);
        }
    }

    fn group_expression(&mut self, group: &AgentGroup, text: &str) {
        if !group.agents.is_empty() {
            let rule = BrokenRule::new(FaultCode::OnlyWithout, "it has a meaning without `agents` alone");
            self.group_fault(group, "expression", rule.naming("field", "agents"));
        }
        match SkillExpression::parse(text) {
            Err(error) => {
                let why = error.to_string();
                let rule = BrokenRule::new(FaultCode::SkillExpression, why.clone()).naming("why", why);
                self.group_fault(group, "expression", rule);
            }
            Ok(expression) => {
                for skill in expression.skills() {
                    if !self.skills.contains(skill) {
                        self.group_fault(group, "expression", BrokenRule::unknown(ObjectKind::Skill, skill));
                    }
                }
            }
        }
    }

    pub(super) fn place_groups(&mut self) {
        let objects = self.objects;
        if objects.place_groups.is_empty() {
            return;
        }
        let places: HashSet<&str> = objects.places.iter().map(|place| place.name.as_str()).collect();
        for group in &objects.place_groups {
            for name in group.places.iter().filter(|name| !places.contains(name.as_str())) {
                let key = format!("place_groups.{}.places", group.name);
                self.fault(ObjectKind::PlaceGroup, &group.name, key, BrokenRule::unknown(ObjectKind::Place, name));
            }
        }
    }

    fn group_fault(&mut self, group: &AgentGroup, key: &str, rule: BrokenRule) {
        self.fault(ObjectKind::AgentGroup, &group.name, format!("agent_groups.{}.{key}", group.name), rule);
    }
}
