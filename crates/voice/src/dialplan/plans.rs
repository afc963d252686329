//! Builds the plan for the rules from a tenant's objects.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use call::dial_plan::{DialledCode, Extension, NumberTarget, OutsideTrunk, RoutePoint, TenantPlan};
use contracts::provisioning::{
    Dn as DnObject, DnKind, FeatureAction, FeatureCode as FeatureCodeObject, Object, ObjectKind,
};
use model::plan::{FeatureCode, Service};
use model::{Dn, TenantId};
use net::configuration::{Configuration, TenantConfig};
use net::http::Problem;

/// The kinds of objects that make up a plan.
pub(super) const KINDS: &[ObjectKind] =
    &[ObjectKind::Tenant, ObjectKind::Dn, ObjectKind::Number, ObjectKind::FeatureCode, ObjectKind::Trunk];

/// The version of a configuration and the plan built from it.
type Made = (String, Arc<TenantPlan>);

/// The plans of all tenants, each built once per version of its configuration.
#[derive(Clone)]
pub(super) struct Plans {
    configuration: Configuration,
    made: Arc<Mutex<HashMap<TenantId, Made>>>,
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
        if let Some((version, plan)) = made.get(tenant)
            && *version == config.version
        {
            return Ok(plan.clone());
        }
        let plan = Arc::new(plan(&config));
        made.insert(tenant.clone(), (config.version.clone(), plan.clone()));
        Ok(plan)
    }
}

/// Builds the plan of a tenant.
fn plan(config: &TenantConfig) -> TenantPlan {
    let mut plan = TenantPlan::default();
    let no_answer_s = config.tenant().map_or(15, |tenant| tenant.no_answer_s);
    if let Some(tenant) = config.tenant() {
        plan.country_prefix.clone_from(&tenant.country_prefix);
        plan.national_prefix.clone_from(&tenant.national_prefix);
        plan.international_prefix.clone_from(&tenant.international_prefix);
    }
    for object in config.of_kind(ObjectKind::Dn) {
        if let Object::Dn(dn) = object {
            add_dn(&mut plan, dn, no_answer_s);
        }
    }
    for object in config.of_kind(ObjectKind::Number) {
        let Object::Number(number) = object else { continue };
        // A number assigned to a service leads to the service; every other one leads to its DN.
        let target = match plan.numbers.get(&number.dn) {
            Some(NumberTarget::Service(service)) => Some(NumberTarget::Service(service.clone())),
            _ => Dn::parse(&number.dn).ok().map(NumberTarget::Dn),
        };
        plan.numbers.extend(target.map(|target| (number.number.clone(), target)));
    }
    for object in config.of_kind(ObjectKind::Trunk) {
        if let Object::Trunk(trunk) = object
            && let Some((contact, prefix)) = trunk.outgoing()
        {
            plan.trunks.push(OutsideTrunk {
                name: trunk.name.clone(),
                prefix: prefix.to_owned(),
                contact: contact.to_owned(),
                caller_id: trunk.shown().map(str::to_owned),
            });
        }
    }
    for object in config.of_kind(ObjectKind::FeatureCode) {
        if let Object::FeatureCode(code) = object {
            let dialled = DialledCode { code: feature(code), ask_pin: code.ask_pin };
            plan.feature_codes.insert(code.code.clone(), dialled);
        }
    }
    plan
}

fn add_dn(plan: &mut TenantPlan, object: &DnObject, no_answer_s: u32) {
    let Ok(dn) = Dn::parse(&object.number) else { return };
    let number = object.number.clone();
    match &object.kind {
        DnKind::Extension { no_answer_s: own, .. } => {
            let no_answer_ms = u64::from(own.unwrap_or(no_answer_s)) * 1_000;
            plan.extensions.insert(number, Extension { dn, no_answer_ms });
        }
        DnKind::RoutePoint { application, default_dn, .. } => {
            let default_dn = default_dn.as_deref().and_then(|number| Dn::parse(number).ok());
            plan.route_points.insert(number, RoutePoint { dn, application: application.clone(), default_dn });
        }
        DnKind::Echo => {
            plan.numbers.insert(number, NumberTarget::Service(Service::Echo));
        }
        DnKind::Announcement { prompts } => {
            let service = Service::Announcement { prompts: prompts.clone() };
            plan.numbers.insert(number, NumberTarget::Service(service));
        }
        DnKind::VirtualQueue => {}
    }
}

const fn feature(code: &FeatureCodeObject) -> FeatureCode {
    match code.action {
        FeatureAction::Login => FeatureCode::Login,
        FeatureAction::Logout => FeatureCode::Logout,
        FeatureAction::Ready => FeatureCode::Ready,
        FeatureAction::NotReady => FeatureCode::NotReady,
    }
}
