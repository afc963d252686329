//! Builds the plan for the rules from a tenant's objects, from one state of them to the next.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use call::dial_plan::{
    AccessCode, Blocked, BusinessHours, CallerIdRule, CodeAction, Days, DialRules, DialledCode, EmergencyNumber,
    Extension, NumberTarget, OfTrunk, OpeningHours, OutsideTrunk, Pattern, Route, RoutePoint, Spending, SpentBy,
    TenantPlan, Translation, TrunkGroup, TrunkOfGroup,
};
use contracts::provisioning::{
    DialAction, DialRule, Dn as DnObject, DnKind, FeatureAction, FeatureCode as FeatureCodeObject, Number, Object,
    ObjectKind, Spender, TRUNK_TRY_S,
};
use model::plan::Service;
use model::request::ForwardMode;
use model::{Dn, SharedSet, TenantId};
use net::configuration::{Configuration, ObjectDifference, TenantConfig};
use net::http::Problem;

/// The kinds of objects that make up a plan.
pub(super) const KINDS: &[ObjectKind] = &[
    ObjectKind::Tenant,
    ObjectKind::Dn,
    ObjectKind::Number,
    ObjectKind::FeatureCode,
    ObjectKind::Trunk,
    ObjectKind::TrunkGroup,
    ObjectKind::Schedule,
    ObjectKind::DialRule,
    ObjectKind::Switch,
];

/// A configuration and the plan built from it.
type Made = (Arc<TenantConfig>, BuiltPlan);

/// The plans of all tenants, each built once per state of its configuration.
#[derive(Clone)]
pub(super) struct Plans {
    configuration: Configuration,
    made: Arc<Mutex<HashMap<TenantId, Made>>>,
}

/// A plan, with what is needed to build the next one.
#[derive(Clone, Default)]
struct BuiltPlan {
    plan: Arc<TenantPlan>,
    /// DNs, with the numbers assigned to each.
    assigned: SharedSet<(String, String)>,
}

impl Plans {
    pub fn new(configuration: Configuration) -> Self {
        Self { configuration, made: Arc::default() }
    }

    /// A tenant's plan.
    ///
    /// # Errors
    /// 404 if there is no such tenant; 503 if that is not known yet.
    pub fn of(&self, tenant: &TenantId) -> Result<Arc<TenantPlan>, Problem> {
        let Some(config) = self.configuration.tenant(tenant) else {
            self.made.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
            return Err(if self.configuration.may_exist(tenant) {
                Problem::unavailable("the configuration has not been read yet")
            } else {
                Problem::not_found(format!("there is no tenant {tenant}"))
            });
        };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let before = made.get(tenant);
        if let Some((_, built)) = before.filter(|(of, _)| Arc::ptr_eq(of, &config)) {
            return Ok(built.plan.clone());
        }
        let built = BuiltPlan::after(before.map(|(of, built)| (&**of, built)), &config);
        let plan = built.plan.clone();
        made.insert(tenant.clone(), (config, built));
        Ok(plan)
    }
}

/// Builds the plan of a tenant.
pub(super) fn plan(config: &TenantConfig) -> Arc<TenantPlan> {
    BuiltPlan::after(None, config).plan
}

impl BuiltPlan {
    /// The plan of a configuration, from the one before it: by the objects that differ. What the tenant's own record says holds for all of
    /// them, so that its change builds everything anew.
    fn after(before: Option<(&TenantConfig, &Self)>, config: &TenantConfig) -> Self {
        let of_tenant = |config: &TenantConfig| config.tenant().cloned();
        let (nothing, none) = (TenantConfig::default(), Self::default());
        let before = before.filter(|(of, _)| of_tenant(of) == of_tenant(config));
        let (is_afresh, (of, before)) = (before.is_none(), before.unwrap_or((&nothing, &none)));
        let differences = config.differences(of);
        let has_other = |kind: ObjectKind| differences.iter().any(|difference| difference.key.kind == kind);
        let (mut plan, mut assigned) = (TenantPlan::clone(&before.plan), before.assigned.clone());
        if is_afresh {
            add_settings(&mut plan, config);
        }
        for number in affected(&differences, &mut assigned) {
            renew(&mut plan, config, &number);
        }
        if has_other(ObjectKind::Schedule) {
            renew_hours(&mut plan, config);
        }
        if has_other(ObjectKind::Schedule) || has_other(ObjectKind::DialRule) {
            plan.rules = rules(config);
        }
        if has_other(ObjectKind::Trunk) {
            plan.trunks = trunks(config);
        }
        if has_other(ObjectKind::TrunkGroup) {
            plan.trunk_groups = trunk_groups(config);
        }
        if has_other(ObjectKind::Switch) {
            renew_switches(&mut plan, config);
        }
        if has_other(ObjectKind::FeatureCode) {
            plan.feature_codes = feature_codes(config);
        }
        Self { plan: Arc::new(plan), assigned }
    }
}

/// The numbers whose meaning may differ: those of DNs and numbers that differ, and those assigned to such DNs.
fn affected(differences: &[ObjectDifference<'_>], assigned: &mut SharedSet<(String, String)>) -> BTreeSet<String> {
    let of = |kind: ObjectKind| differences.iter().filter(move |difference| difference.key.kind == kind);
    let dn_of = |object: Option<&Arc<Object>>| match object.map(|object| &**object) {
        Some(Object::Number(number)) => Some((number.dn.clone(), number.number.clone())),
        _ => None,
    };
    let mut affected = BTreeSet::new();
    for difference in of(ObjectKind::Number) {
        if let Some(before) = dn_of(difference.before) {
            assigned.remove(&before);
        }
        if let Some(now) = dn_of(difference.now) {
            assigned.insert(now, ());
        }
        affected.insert(difference.key.id.clone());
    }
    for difference in of(ObjectKind::Dn) {
        let dn = &difference.key.id;
        let first = (dn.clone(), String::new());
        let numbers = assigned.range_from(Bound::Included(&first)).take_while(|((of, _), ())| of == dn);
        affected.extend(numbers.map(|((_, number), ())| number.clone()));
        affected.insert(dn.clone());
    }
    affected
}

/// What the tenant's own record says.
fn add_settings(plan: &mut TenantPlan, config: &TenantConfig) {
    if let Some(tenant) = config.tenant() {
        plan.country_prefix.clone_from(&tenant.country_prefix);
        plan.national_prefix.clone_from(&tenant.national_prefix);
        plan.international_prefix.clone_from(&tenant.international_prefix);
    }
    plan.days = days(config);
}

/// What a number means: as a DN, and as an external number that leads to one.
fn renew(plan: &mut TenantPlan, config: &TenantConfig, number: &str) {
    plan.extensions.remove(number);
    plan.route_points.remove(number);
    plan.numbers.remove(number);
    plan.hours.remove(number);
    plan.switches.of_dns.remove(number);
    if let Some(Object::Dn(dn)) = config.get(ObjectKind::Dn, number) {
        let no_answer_s = config.tenant().map_or(15, |tenant| tenant.no_answer_s);
        let outgoing_max = config.tenant().and_then(|tenant| tenant.outgoing_max);
        add_dn(plan, dn, no_answer_s, outgoing_max);
        plan.switches.of_dns.extend(dn.switch.iter().map(|switch| (number.to_owned(), switch.clone())));
    }
    if let Some(Object::Number(external)) = config.get(ObjectKind::Number, number) {
        // A number assigned to a service leads to the service; every other one leads to its DN.
        let target = match config.get(ObjectKind::Dn, &external.dn) {
            Some(Object::Dn(dn)) => service(dn).map(NumberTarget::Service),
            _ => None,
        };
        let target = target.or_else(|| Dn::parse(&external.dn).ok().map(NumberTarget::Dn));
        plan.numbers.extend(target.map(|target| (number.to_owned(), target)));
        plan.hours.extend(business_hours(config, external).map(|hours| (number.to_owned(), hours)));
    }
}

/// Which switch is the default one, and the access codes of all.
fn renew_switches(plan: &mut TenantPlan, config: &TenantConfig) {
    (plan.switches.default, plan.switches.access_codes) = (None, HashMap::new());
    for object in config.of_kind(ObjectKind::Switch) {
        let Object::Switch(switch) = object else { continue };
        if switch.default {
            plan.switches.default = Some(switch.name.clone());
        }
        let codes = switch.access_codes.iter();
        let codes = codes.map(|to| AccessCode { code: to.code.clone(), switch: to.switch.clone() });
        plan.switches.access_codes.insert(switch.name.clone(), codes.collect());
    }
}

/// The hours of all numbers.
fn renew_hours(plan: &mut TenantPlan, config: &TenantConfig) {
    let hours = config.of_kind(ObjectKind::Number).filter_map(|object| match object {
        Object::Number(number) => Some((number.number.clone(), business_hours(config, number)?)),
        _ => None,
    });
    plan.hours = hours.collect();
}

fn trunks(config: &TenantConfig) -> Vec<OutsideTrunk> {
    let trunk = |object: &Object| {
        let Object::Trunk(trunk) = object else { return None };
        let (contact, prefix) = trunk.outgoing()?;
        Some(OutsideTrunk {
            name: trunk.name.clone(),
            prefix: prefix.to_owned(),
            contact: contact.to_owned(),
            caller_id: trunk.shown().map(str::to_owned),
            priority: trunk.priority.unwrap_or_default(),
            weight: trunk.weight.unwrap_or_default(),
            try_ms: u64::from(trunk.try_s.unwrap_or(TRUNK_TRY_S)) * 1_000,
            registers: trunk.registers().is_some(),
        })
    };
    config.of_kind(ObjectKind::Trunk).filter_map(trunk).collect()
}

fn trunk_groups(config: &TenantConfig) -> Vec<TrunkGroup> {
    let group = |object: &Object| {
        let Object::TrunkGroup(group) = object else { return None };
        let members = group.members.iter().map(|member| TrunkOfGroup {
            trunk: member.trunk.clone(),
            order: member.order,
            weight: member.weight,
        });
        Some(TrunkGroup { name: group.name.clone(), prefix: group.prefix.clone(), members: members.collect() })
    };
    config.of_kind(ObjectKind::TrunkGroup).filter_map(group).collect()
}

fn feature_codes(config: &TenantConfig) -> HashMap<String, DialledCode> {
    let code = |object: &Object| match object {
        Object::FeatureCode(code) => {
            Some((code.code.clone(), DialledCode { code: feature(code), ask_pin: code.ask_pin }))
        }
        _ => None,
    };
    config.of_kind(ObjectKind::FeatureCode).filter_map(code).collect()
}

/// The hours of a number; none if it is always open. A schedule that cannot be read closes nothing.
fn business_hours(config: &TenantConfig, number: &Number) -> Option<BusinessHours> {
    let (name, closed) = (number.schedule.as_ref()?, number.closed_dn.as_ref()?);
    Some(BusinessHours { name: name.clone(), schedule: hours(config, name)?, closed: Dn::parse(closed).ok()? })
}

/// The hours of a schedule.
fn hours(config: &TenantConfig, name: &str) -> Option<OpeningHours> {
    let Object::Schedule(schedule) = config.get(ObjectKind::Schedule, name)? else { return None };
    let zone = schedule.time_zone.as_ref().or_else(|| config.tenant()?.time_zone.as_ref());
    let read = OpeningHours::parse(zone.map(String::as_str), &schedule.open, &schedule.exceptions);
    read.inspect_err(|error| tracing::error!(schedule = name, %error, "a schedule is left out")).ok()
}

/// The days of the tenant's time zone; those of UTC if it has none, or one that does not exist.
fn days(config: &TenantConfig) -> Days {
    let Some(zone) = config.tenant().and_then(|tenant| tenant.time_zone.as_ref()) else { return Days::default() };
    Days::of(zone).unwrap_or_else(|| {
        tracing::error!(zone, "there is no such time zone: days are counted in UTC");
        Days::default()
    })
}

/// The rules about dialled numbers, in their order. One that cannot be read is left out.
fn rules(config: &TenantConfig) -> DialRules {
    let mut rules = DialRules::default();
    let mut objects: Vec<&DialRule> = config
        .of_kind(ObjectKind::DialRule)
        .filter_map(|object| match object {
            Object::DialRule(rule) => Some(rule),
            _ => None,
        })
        .collect();
    objects.sort_by_key(|rule| rule.place);
    for rule in objects {
        let name = rule.name.clone();
        let pattern = match Pattern::parse(&rule.pattern) {
            Ok(pattern) => pattern,
            Err(error) => {
                tracing::error!(rule = name, %error, "a rule about dialled numbers is left out");
                continue;
            }
        };
        match rule.action.clone() {
            DialAction::Emergency { trunk } => rules.emergency.push(EmergencyNumber { name, pattern, trunk }),
            DialAction::Block { reason } => rules.blocked.push(Blocked { name, pattern, reason }),
            DialAction::Translate { remove, add } => {
                rules.translations.push(translation(name, pattern, (remove, add)));
            }
            DialAction::CallerId { shows, trunk } => {
                rules.caller_ids.push(CallerIdRule { name, pattern, trunk, shows });
            }
            DialAction::Route { trunk, cost, schedule } => match schedule.map(|name| hours(config, &name)) {
                Some(None) => tracing::error!(rule = name, "a route whose schedule cannot be read is left out"),
                hours => rules.routes.push(Route { name, pattern, trunk, cost, hours: hours.flatten() }),
            },
            DialAction::Send { remove, add, trunk } => rules.sent.push(of_trunk(trunk, name, pattern, (remove, add))),
            DialAction::Receive { remove, add, trunk } => {
                rules.received.push(of_trunk(trunk, name, pattern, (remove, add)));
            }
            DialAction::Limit { per, calls, minutes } => {
                let per = match per {
                    Spender::Phone => SpentBy::Phone,
                    Spender::Agent => SpentBy::Agent,
                    Spender::Tenant => SpentBy::Tenant,
                };
                rules.spending.push(Spending { name, pattern, per, calls, minutes });
            }
        }
    }
    rules
}

fn translation(name: String, pattern: Pattern, (remove, add): (u32, String)) -> Translation {
    Translation { name, pattern, remove: usize::try_from(remove).unwrap_or(usize::MAX), add }
}

/// A rule about how numbers are written in the calls of a trunk.
fn of_trunk(trunk: Option<String>, name: String, pattern: Pattern, written: (u32, String)) -> OfTrunk {
    OfTrunk { trunk, translation: translation(name, pattern, written) }
}

fn add_dn(plan: &mut TenantPlan, object: &DnObject, no_answer_s: u32, outgoing_max: Option<u32>) {
    let Ok(dn) = Dn::parse(&object.number) else { return };
    let number = object.number.clone();
    match &object.kind {
        DnKind::Extension { no_answer_s: own, call_waiting, outgoing_max: own_max, .. } => {
            let no_answer_ms = u64::from(own.unwrap_or(no_answer_s)) * 1_000;
            let outgoing_max = own_max.or(outgoing_max);
            plan.extensions.insert(number, Extension { dn, no_answer_ms, call_waiting: *call_waiting, outgoing_max });
        }
        DnKind::RoutePoint { application, default_dn, .. } => {
            let default_dn = default_dn.as_deref().and_then(|number| Dn::parse(number).ok());
            plan.route_points.insert(number, RoutePoint { dn, application: application.clone(), default_dn });
        }
        DnKind::Echo | DnKind::Announcement { .. } | DnKind::VirtualQueue => {
            plan.numbers.extend(service(object).map(|service| (number, NumberTarget::Service(service))));
        }
    }
}

/// The service that answers at a DN, if it is one.
fn service(object: &DnObject) -> Option<Service> {
    match &object.kind {
        DnKind::Echo => Some(Service::Echo),
        DnKind::Announcement { prompts } => Some(Service::Announcement { prompts: prompts.clone() }),
        DnKind::Extension { .. } | DnKind::RoutePoint { .. } | DnKind::VirtualQueue => None,
    }
}

const fn feature(code: &FeatureCodeObject) -> CodeAction {
    match code.action {
        FeatureAction::Login => CodeAction::Login,
        FeatureAction::Logout => CodeAction::Logout,
        FeatureAction::Ready => CodeAction::Ready,
        FeatureAction::NotReady => CodeAction::NotReady,
        FeatureAction::DndOn => CodeAction::DndOn,
        FeatureAction::DndOff => CodeAction::DndOff,
        FeatureAction::ForwardAlways => CodeAction::Forward(ForwardMode::Unconditional),
        FeatureAction::ForwardBusy => CodeAction::Forward(ForwardMode::OnBusy),
        FeatureAction::ForwardNoAnswer => CodeAction::Forward(ForwardMode::OnNoAnswer),
        FeatureAction::ForwardUnregistered => CodeAction::Forward(ForwardMode::OnUnregistered),
        FeatureAction::ForwardOff => CodeAction::ForwardOff,
        FeatureAction::Pickup => CodeAction::Pickup,
        FeatureAction::Park => CodeAction::Park,
    }
}

#[cfg(test)]
mod tests;
