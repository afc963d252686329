//! What applications look up in their tenant's configuration: lists, the values of business attributes, and options of their own.

use std::rc::Rc;
use std::sync::Arc;

use contracts::provisioning::{ApplicationOptions, BusinessAttribute, LookupList, Object as TenantObject, ObjectKind};
use net::configuration::TenantConfig;
use rquickjs::{Ctx, Function, Object, Value};
use serde_json::json;

/// Reads the objects of a session's tenant as they are now; none while they are not known.
pub type ReadTenant = Rc<dyn Fn() -> Option<Arc<TenantConfig>>>;

/// The functions by which the prelude looks up. They take texts, and give a text, or undefined for what is not there: `value` the value of
/// a key, `section` a section of a list as JSON, `values` the values of a business attribute as JSON, `option` an option of the
/// application, `options` a section of these as JSON. None of them throws.
pub(super) fn functions<'js>(
    ctx: &Ctx<'js>,
    read: &ReadTenant,
    own: &Arc<ApplicationOptions>,
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

/// A text of the script. One that is no Unicode, as half of a pair of surrogates, names nothing.
fn text(value: &Value<'_>) -> Option<String> {
    value.as_string()?.to_string().ok()
}
