//! The host of the issuer: a change that gives it to a tenant is refused, since people of all tenants sign in there.

use contracts::provisioning::ObjectKind;
use serde_json::Value;

use crate::file::own_host_fault;
use crate::objects::{ChangeRefusal, EditAction, ObjectEdit, ObjectFault};

/// The fields of a tenant's settings by which a change gives it hosts.
const FIELDS: [&str; 2] = ["sign_in", "sign_in.hosts"];

/// Why edits are refused, where one of them gives the tenant the issuer's own host.
pub(super) fn refusal(edits: &[ObjectEdit], own: &str) -> Option<ChangeRefusal> {
    let of_tenant = edits.iter().filter(|edit| edit.key.kind == ObjectKind::Tenant);
    let faults = of_tenant.filter_map(|edit| {
        let rule = own_host_fault(&hosts(&edit.action), own)?;
        Some(ObjectFault { key: edit.key.clone(), field: "sign_in.hosts".to_owned(), rule })
    });
    let faults: Vec<ObjectFault> = faults.collect();
    (!faults.is_empty()).then_some(ChangeRefusal::Faults(faults))
}

/// The hosts that an edit gives. What is no document of a tenant is refused where it is read.
fn hosts(action: &EditAction) -> Vec<String> {
    let document = match action {
        EditAction::Put(document) | EditAction::PutBack(document) => document,
        EditAction::Merge { document, fields } if fields.iter().any(|field| FIELDS.contains(&field.as_str())) => {
            document
        }
        EditAction::Merge { .. } | EditAction::Delete => return Vec::new(),
    };
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let hosts = document.pointer("/sign_in/hosts").and_then(Value::as_array);
    hosts.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::ObjectKey;

    use super::*;

    fn edit(kind: ObjectKind, action: EditAction) -> [ObjectEdit; 1] {
        [ObjectEdit { key: ObjectKey { kind, id: String::new() }, expected: None, action }]
    }

    #[test]
    fn a_change_that_gives_a_tenant_the_issuers_host_is_refused_by_field_and_rule() {
        let given = r#"{"sign_in":{"hosts":["acme.example","centre.example"]}}"#.to_owned();
        let merge = |field: &str| EditAction::Merge { document: given.clone(), fields: vec![field.to_owned()] };
        for action in [EditAction::Put(given.clone()), EditAction::PutBack(given.clone()), merge("sign_in.hosts")] {
            let refused = refusal(&edit(ObjectKind::Tenant, action), "centre.example").unwrap().to_string();
            assert!(refused.contains("sign_in.hosts: centre.example is the host of the issuer"), "{refused}");
        }
        for (kind, action, own) in [
            (ObjectKind::Tenant, merge("name"), "centre.example"),
            (ObjectKind::Tenant, EditAction::Put(given.clone()), "another.example"),
            (ObjectKind::Tenant, EditAction::Put(given.clone()), ""),
            (ObjectKind::Tenant, EditAction::Put("no document".to_owned()), "centre.example"),
            (ObjectKind::Person, EditAction::Put(given.clone()), "centre.example"),
            (ObjectKind::Tenant, EditAction::Delete, "centre.example"),
        ] {
            assert!(refusal(&edit(kind, action), own).is_none(), "{kind:?} {own}");
        }
    }
}
