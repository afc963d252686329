//! What must hold for calling lists, campaigns, and the groups of agents that work on them.

use std::collections::HashSet;

use contracts::provisioning::{
    CallingList, Campaign, CampaignGroup, DialingMode, FaultCode, ObjectKind, RecordFieldType, RecordTreatment,
    TreatmentAction,
};

use super::dn_groups::{dn_fault, types_of_dns};
use super::{BrokenRule, Rules};

/// The types of DNs at which calls of a campaign wait.
const ROUTE_POINTS: [&str; 1] = ["route_point"];

impl Rules<'_> {
    pub(super) fn calling_lists(&mut self) {
        let objects = self.objects;
        let schedules: HashSet<&str> = objects.schedules.iter().map(|schedule| schedule.name.as_str()).collect();
        for list in &objects.calling_lists {
            if !list.fields.iter().any(|field| field.field_type == RecordFieldType::Phone) {
                let rule = BrokenRule::new(FaultCode::Needed, "it needs a field of type phone: the number to call");
                self.list_fault(list, "fields", rule);
            }
            let mut names = HashSet::new();
            for name in list.fields.iter().map(|field| field.name.as_str()).filter(|name| !names.insert(*name)) {
                self.list_fault(list, "fields", twice(name));
            }
            if let Some(name) = list.schedule.as_deref().filter(|name| !schedules.contains(*name)) {
                self.list_fault(list, "schedule", BrokenRule::unknown(ObjectKind::Schedule, name));
            }
            let mut results = HashSet::new();
            for treatment in &list.treatments {
                if !results.insert(treatment.result) {
                    self.list_fault(list, "treatments", twice(treatment.result.as_str()));
                }
                if let Some(rule) = treatment_fault(treatment) {
                    self.list_fault(list, "treatments", rule);
                }
            }
        }
    }

    pub(super) fn campaigns(&mut self) {
        let objects = self.objects;
        if objects.campaigns.is_empty() {
            return;
        }
        let lists: HashSet<&str> = objects.calling_lists.iter().map(|list| list.name.as_str()).collect();
        for campaign in &objects.campaigns {
            let mut named = HashSet::new();
            for name in campaign.calling_lists.iter().map(|list| list.calling_list.as_str()) {
                if !named.insert(name) {
                    self.campaign_fault(campaign, twice(name));
                } else if !lists.contains(name) {
                    self.campaign_fault(campaign, BrokenRule::unknown(ObjectKind::CallingList, name));
                }
            }
        }
    }

    pub(super) fn campaign_groups(&mut self) {
        let objects = self.objects;
        if objects.campaign_groups.is_empty() {
            return;
        }
        let campaigns: HashSet<&str> = objects.campaigns.iter().map(|campaign| campaign.name.as_str()).collect();
        let agents: HashSet<&str> = objects.agent_groups.iter().map(|group| group.name.as_str()).collect();
        let types = types_of_dns(objects);
        for group in &objects.campaign_groups {
            if !campaigns.contains(group.campaign.as_str()) {
                self.pace_fault(group, "campaign", BrokenRule::unknown(ObjectKind::Campaign, &group.campaign));
            }
            if !agents.contains(group.agent_group.as_str()) {
                self.pace_fault(group, "agent_group", BrokenRule::unknown(ObjectKind::AgentGroup, &group.agent_group));
            }
            let point = group.route_point.as_deref();
            if let Some(rule) = point.and_then(|point| dn_fault(&types, point, &ROUTE_POINTS)) {
                self.pace_fault(group, "route_point", rule);
            }
            self.route_point(group);
            self.pacing(group);
        }
    }

    /// Who answers a call that no agent has made waits at a route point.
    fn route_point(&mut self, group: &CampaignGroup) {
        match (group.mode, &group.route_point) {
            (DialingMode::Predictive, None) => {
                let rule = BrokenRule::needed_with("mode", "it is needed beside mode predictive");
                self.pace_fault(group, "route_point", rule);
            }
            (DialingMode::Preview, Some(_)) => {
                let rule = BrokenRule::new(FaultCode::OnlyWithout, "it has no meaning beside mode preview");
                self.pace_fault(group, "route_point", rule.naming("field", "mode"));
            }
            _ => {}
        }
    }

    fn pacing(&mut self, group: &CampaignGroup) {
        match (group.mode, group.pacing) {
            (DialingMode::Predictive, None) => {
                let rule = BrokenRule::needed_with("mode", "it is needed beside mode predictive");
                self.pace_fault(group, "pacing", rule);
            }
            (DialingMode::Preview | DialingMode::Progressive, Some(_)) => {
                let rule = BrokenRule::new(FaultCode::OnlyWith, "it has a meaning beside mode predictive alone");
                self.pace_fault(group, "pacing", rule.naming("field", "mode"));
            }
            _ => {}
        }
        match (group.pacing, group.target) {
            (Some(_), None) => {
                let rule = BrokenRule::needed_with("pacing", "it is needed beside pacing");
                self.pace_fault(group, "target", rule);
            }
            (None, Some(_)) => {
                let rule = BrokenRule::new(FaultCode::OnlyWith, "it has a meaning beside pacing alone");
                self.pace_fault(group, "target", rule.naming("field", "pacing"));
            }
            (Some(pacing), Some(target)) if !(1..=pacing.target_max()).contains(&target) => {
                let most = pacing.target_max().to_string();
                let rule = BrokenRule::new(FaultCode::OutOfRange, format!("{target} is not from 1 to {most}"));
                self.pace_fault(group, "target", rule.naming("least", "1").naming("most", most));
            }
            _ => {}
        }
    }

    fn list_fault(&mut self, list: &CallingList, key: &str, rule: BrokenRule) {
        self.fault(ObjectKind::CallingList, &list.name, format!("calling_lists.{}.{key}", list.name), rule);
    }

    fn campaign_fault(&mut self, campaign: &Campaign, rule: BrokenRule) {
        let key = format!("campaigns.{}.calling_lists", campaign.name);
        self.fault(ObjectKind::Campaign, &campaign.name, key, rule);
    }

    fn pace_fault(&mut self, group: &CampaignGroup, key: &str, rule: BrokenRule) {
        self.fault(ObjectKind::CampaignGroup, &group.name, format!("campaign_groups.{}.{key}", group.name), rule);
    }
}

fn twice(name: &str) -> BrokenRule {
    BrokenRule::new(FaultCode::Twice, format!("{name} stands there twice")).naming("name", name)
}

/// What is wrong with what follows a result.
fn treatment_fault(treatment: &RecordTreatment) -> Option<BrokenRule> {
    let RecordTreatment { result, action, after_min } = *treatment;
    let (of, what) = (result.as_str(), action.as_str());
    if !result.actions().any(|possible| possible == action) {
        let names = result.actions().map(TreatmentAction::as_str).collect::<Vec<_>>().join(", ");
        let words = format!("{what} cannot follow {of}: it must be one of {names}");
        return Some(BrokenRule::new(FaultCode::OneOf, words).naming("names", names));
    }
    match (action, after_min) {
        (TreatmentAction::Retry, None) => {
            let words = format!("{of}: after_min is needed beside retry");
            Some(BrokenRule::needed_with("action", words))
        }
        (TreatmentAction::Retry, Some(_)) | (_, None) => None,
        (_, Some(_)) => {
            let words = format!("{of}: after_min has a meaning beside retry alone");
            Some(BrokenRule::new(FaultCode::OnlyWith, words).naming("field", "action"))
        }
    }
}
