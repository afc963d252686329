//! Which tenant is meant: the only one there is, or the one that the request says.

use model::TenantId;

use super::Tenants;

/// A name within a tenant; the tenant is `None` if it is not known, which is answered as a wrong password is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::auth) struct Named {
    /// The tenant.
    pub tenant: Option<TenantId>,
    /// The name in it.
    pub name: String,
}

impl Named {
    /// Whether nobody can say if there is that tenant, because tenant has named none yet. An installation without any signs nobody in either.
    pub fn is_undecided(&self, tenants: &Tenants) -> bool {
        self.tenant.is_none() && tenants.is_empty()
    }
}

/// The tenant of a person: `tenant\user`, else the form's field, else the only tenant.
pub(in crate::auth) fn of_person(tenants: &Tenants, typed: &str, field: Option<&str>) -> Named {
    let field = field.map(str::trim).filter(|field| !field.is_empty());
    let (prefix, name) = match typed.split_once('\\') {
        Some((tenant, name)) => (Some(tenant), name),
        None => (None, typed),
    };
    let name = name.trim().to_owned();
    match (prefix, field) {
        (Some(prefix), Some(field)) if prefix != field => Named { tenant: None, name },
        (Some(said), _) | (None, Some(said)) => Named { tenant: known(tenants, said), name },
        (None, None) => Named { tenant: only(tenants), name },
    }
}

/// The tenant of a client: `tenant/client`, else the parameter, else the only tenant.
pub(in crate::auth) fn of_client(tenants: &Tenants, id: &str, parameter: Option<&str>) -> Named {
    let prefixed = id.split_once('/').and_then(|(tenant, rest)| Some((known(tenants, tenant)?, rest)));
    match (prefixed, parameter) {
        (Some((tenant, _)), Some(said)) if tenant.as_str() != said => Named { tenant: None, name: id.to_owned() },
        (Some((tenant, rest)), _) => Named { tenant: Some(tenant), name: rest.to_owned() },
        (None, Some(said)) => Named { tenant: known(tenants, said), name: id.to_owned() },
        (None, None) => Named { tenant: only(tenants), name: id.to_owned() },
    }
}

fn known(tenants: &Tenants, said: &str) -> Option<TenantId> {
    tenants.get(said).cloned()
}

/// The tenant, if there is exactly one.
pub(in crate::auth) fn only(tenants: &Tenants) -> Option<TenantId> {
    tenants.first().filter(|_| tenants.len() == 1).cloned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn tenants(names: &[&str]) -> Tenants {
        Arc::new(names.iter().map(|name| TenantId::parse(name).unwrap()).collect())
    }

    fn pair(named: Named) -> (Option<String>, String) {
        (named.tenant.map(|tenant| tenant.to_string()), named.name)
    }

    fn expected(tenant: Option<&str>, name: &str) -> (Option<String>, String) {
        (tenant.map(str::to_owned), name.to_owned())
    }

    #[test]
    fn the_only_tenant_is_meant_where_none_is_named() {
        let (one, two) = (tenants(&["acme"]), tenants(&["acme", "globex"]));
        assert_eq!(pair(of_person(&one, "ann", None)), expected(Some("acme"), "ann"));
        assert_eq!(pair(of_person(&two, "ann", None)), expected(None, "ann"));
        assert_eq!(pair(of_client(&one, "app", None)), expected(Some("acme"), "app"));
        assert_eq!(pair(of_client(&two, "app", None)), expected(None, "app"));
    }

    #[test]
    fn nobody_is_unknown_before_the_tenants_are_known() {
        assert!(of_person(&tenants(&[]), "acme\\ann", None).is_undecided(&tenants(&[])));
        let one = tenants(&["acme"]);
        assert!(!of_person(&one, "other\\ann", None).is_undecided(&one));
    }

    #[test]
    fn a_tenant_is_named_by_prefix_or_field_and_both_must_agree() {
        let two = tenants(&["acme", "globex"]);
        assert_eq!(pair(of_person(&two, "globex\\ann", None)), expected(Some("globex"), "ann"));
        assert_eq!(pair(of_person(&two, "ann", Some("globex"))), expected(Some("globex"), "ann"));
        assert_eq!(pair(of_person(&two, "acme\\ann", Some("globex"))), expected(None, "ann"));
        assert_eq!(pair(of_person(&tenants(&["acme"]), "other\\ann", None)), expected(None, "ann"));
        assert_eq!(pair(of_client(&two, "globex/app", None)), expected(Some("globex"), "app"));
        assert_eq!(pair(of_client(&two, "app", Some("globex"))), expected(Some("globex"), "app"));
        assert_eq!(pair(of_client(&two, "acme/app", Some("globex"))), expected(None, "acme/app"));
        assert_eq!(pair(of_client(&tenants(&["acme"]), "crm/app", None)), expected(Some("acme"), "crm/app"));
    }
}
