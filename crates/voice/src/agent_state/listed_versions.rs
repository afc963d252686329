//! The tenants' versions as config lists them. Each question may go to another replica, and one that is behind, or has lost the cache,
//! lists older versions: those are no news, and differ from the etag all the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use contracts::configuration::Versions;
use net::configuration::is_up_to;

/// The tenants' versions, each the latest that was listed.
pub(super) type TenantVersions = Arc<BTreeMap<String, String>>;

/// What was listed so far.
#[derive(Default)]
pub(super) struct ListedVersions {
    etag: Option<String>,
    latest: TenantVersions,
}

impl ListedVersions {
    /// The etag of the last list.
    pub(super) fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// The latest version of each tenant.
    pub(super) fn latest(&self) -> &TenantVersions {
        &self.latest
    }

    /// Takes in a list; returns whether config may be asked again at once: it has waited, or told something new. A tenant that is not
    /// listed is one that the replica does not know yet.
    pub(super) fn take(&mut self, listed: Versions) -> bool {
        let has_waited = self.etag.as_ref() == Some(&listed.etag);
        self.etag = Some(listed.etag);
        let is_known =
            |tenant: &str, version: &str| self.latest.get(tenant).is_some_and(|known| is_up_to(known, version));
        let later: Vec<_> = listed.tenants.into_iter().filter(|(tenant, version)| !is_known(tenant, version)).collect();
        if later.is_empty() {
            return has_waited;
        }
        Arc::make_mut(&mut self.latest).extend(later);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(etag: &str, tenants: &[(&str, &str)]) -> Versions {
        let tenants = tenants.iter().map(|(tenant, version)| ((*tenant).to_owned(), (*version).to_owned())).collect();
        Versions { etag: etag.to_owned(), tenants }
    }

    #[test]
    fn replicas_that_differ_are_not_asked_in_a_circle() {
        let mut listed = ListedVersions::default();
        assert!(listed.take(list("new", &[("acme", "1-10"), ("globex", "1-1")])), "it is news");
        assert!(!listed.take(list("old", &[("acme", "1-9")])), "a pause: what was listed is known");
        assert!(!listed.take(list("new", &[("acme", "1-10"), ("globex", "1-1")])), "a pause here too");
        assert_eq!(listed.latest()["acme"], "1-10", "an older version is no news");
        assert_eq!(listed.latest()["globex"], "1-1", "a replica that is behind takes no tenant away");
    }

    #[test]
    fn what_config_has_waited_for_needs_no_pause() {
        let mut listed = ListedVersions::default();
        listed.take(list("a", &[("acme", "1-9")]));
        assert!(listed.take(list("a", &[("acme", "1-9")])), "nothing has changed while config waited");
        assert!(listed.take(list("b", &[("acme", "1-10")])));
        assert!(listed.take(list("c", &[("acme", "2-1")])), "another generation is news");
        assert_eq!((listed.etag(), listed.latest()["acme"].as_str()), (Some("c"), "2-1"));
    }
}
