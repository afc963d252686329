//! What applications look up in their tenant's configuration: lists, the values of business attributes, whether a schedule is open, and
//! options of their own.

use std::rc::Rc;
use std::sync::Arc;

use call::dial_plan::OpeningHours;
use contracts::provisioning::{
    ApplicationOptions, BusinessAttribute, LookupList, Object as TenantObject, ObjectKind, Schedule,
};
use infra::Clock;
use net::configuration::TenantConfig;
use rquickjs::{Ctx, Function, Object, Value};
use serde_json::json;

/// Reads the objects of a session's tenant as they are now; none while they are not known.
pub type ReadTenant = Rc<dyn Fn() -> Option<Arc<TenantConfig>>>;

/// The functions by which the prelude looks up. They take texts, and give a text, or undefined for what is not there: `value` the value of
/// a key, `section` a section of a list as JSON, `values` the values of a business attribute as JSON, `option` an option of the
/// application, `options` a section of these as JSON. Of a schedule, `hours_length` gives the length of its lines, which `is_open` reads to
/// say whether it is open now. None of them throws.
pub(super) fn functions<'js>(
    ctx: &Ctx<'js>,
    read: &ReadTenant,
    own: &Arc<ApplicationOptions>,
    clock: &Arc<dyn Clock>,
) -> rquickjs::Result<Object<'js>> {
    let lookups = Object::new(ctx.clone())?;
    let tenant = Rc::clone(read);
    let value = move |list: Value<'js>, section: Value<'js>, key: Value<'js>| -> Option<String> {
        let tenant = tenant()?;
        list_of(&tenant, &text(&list)?)?.sections.get(&text(&section)?)?.get(&text(&key)?).cloned()
    };
    lookups.set("value", Function::new(ctx.clone(), value)?)?;
    let tenant = Rc::clone(read);
    let section = move |list: Value<'js>, section: Value<'js>| -> Option<String> {
        let tenant = tenant()?;
        let values = list_of(&tenant, &text(&list)?)?.sections.get(&text(&section)?)?;
        serde_json::to_string(values).ok()
    };
    lookups.set("section", Function::new(ctx.clone(), section)?)?;
    let tenant = Rc::clone(read);
    let values = move |attribute: Value<'js>| -> Option<String> {
        let tenant = tenant()?;
        let values = attribute_of(&tenant, &text(&attribute)?)?.values.iter().map(|one| one.value.as_str());
        Some(json!(values.collect::<Vec<_>>()).to_string())
    };
    lookups.set("values", Function::new(ctx.clone(), values)?)?;
    let tenant = Rc::clone(read);
    let hours_length = move |schedule: Value<'js>| -> Option<u32> {
        let tenant = tenant()?;
        let schedule = schedule_of(&tenant, &text(&schedule)?)?;
        let bytes: usize = schedule.open.iter().chain(&schedule.exceptions).map(String::len).sum();
        u32::try_from(bytes).ok()
    };
    lookups.set("hours_length", Function::new(ctx.clone(), hours_length)?)?;
    let (tenant, clock) = (Rc::clone(read), Arc::clone(clock));
    let is_open = move |schedule: Value<'js>| -> Option<bool> {
        let tenant = tenant()?;
        let schedule = schedule_of(&tenant, &text(&schedule)?)?;
        Some(hours(&tenant, schedule)?.is_open(clock.now()))
    };
    lookups.set("is_open", Function::new(ctx.clone(), is_open)?)?;
    let options = Arc::clone(own);
    let option = move |section: Value<'js>, key: Value<'js>| -> Option<String> {
        options.get(&text(&section)?)?.get(&text(&key)?).cloned()
    };
    lookups.set("option", Function::new(ctx.clone(), option)?)?;
    let options = Arc::clone(own);
    let section =
        move |section: Value<'js>| -> Option<String> { serde_json::to_string(options.get(&text(&section)?)?).ok() };
    lookups.set("options", Function::new(ctx.clone(), section)?)?;
    Ok(lookups)
}

fn list_of<'a>(tenant: &'a TenantConfig, name: &str) -> Option<&'a LookupList> {
    match tenant.get(ObjectKind::List, name) {
        Some(TenantObject::List(list)) => Some(&**list),
        _ => None,
    }
}

fn attribute_of<'a>(tenant: &'a TenantConfig, name: &str) -> Option<&'a BusinessAttribute> {
    match tenant.get(ObjectKind::BusinessAttribute, name) {
        Some(TenantObject::BusinessAttribute(attribute)) => Some(attribute),
        _ => None,
    }
}

fn schedule_of<'a>(tenant: &'a TenantConfig, name: &str) -> Option<&'a Schedule> {
    match tenant.get(ObjectKind::Schedule, name) {
        Some(TenantObject::Schedule(schedule)) => Some(schedule),
        _ => None,
    }
}

/// The hours of a schedule, by its clock or the tenant's; none if it cannot be read.
fn hours(tenant: &TenantConfig, schedule: &Schedule) -> Option<OpeningHours> {
    let zone = schedule.time_zone.as_ref().or_else(|| tenant.tenant()?.time_zone.as_ref());
    OpeningHours::parse(zone.map(String::as_str), &schedule.open, &schedule.exceptions).ok()
}

/// A text of the script. One that is no Unicode, as half of a pair of surrogates, names nothing.
fn text(value: &Value<'_>) -> Option<String> {
    value.as_string()?.to_string().ok()
}
