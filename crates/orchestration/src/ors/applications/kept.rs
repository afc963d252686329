//! A cache of compiled applications, and its eviction.

use std::collections::HashMap;
use std::sync::Arc;

use model::TenantId;

use super::Application;

/// Maximum number of cached applications.
const KEPT_MAX: usize = 1_000;

type Name = (TenantId, String);

/// The applications of all tenants, each with the number of its last request.
#[derive(Default)]
pub(super) struct Kept {
    applications: HashMap<Name, (u64, Arc<Application>)>,
    asked: u64,
}

impl Kept {
    /// The application, if it is cached.
    pub fn get(&mut self, name: &Name) -> Option<Arc<Application>> {
        self.asked += 1;
        let (last, application) = self.applications.get_mut(name)?;
        *last = self.asked;
        Some(Arc::clone(application))
    }

    /// Caches it. If there is no room, the tenant with the most applications loses its least recently requested one,
    /// so that no tenant recompiles because of another's number.
    pub fn keep(&mut self, name: Name, application: Arc<Application>) {
        if self.applications.len() >= KEPT_MAX && !self.applications.contains_key(&name) {
            self.make_room();
        }
        self.asked += 1;
        self.applications.insert(name, (self.asked, application));
    }

    fn make_room(&mut self) {
        let mut counts: HashMap<&TenantId, usize> = HashMap::new();
        for (tenant, _) in self.applications.keys() {
            *counts.entry(tenant).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(tenant, count)| (*count, *tenant)).map(|(tenant, _)| tenant);
        let of_most = self.applications.iter().filter(|((tenant, _), _)| Some(tenant) == most);
        let Some(gone) = of_most.min_by_key(|(_, (last, _))| *last).map(|(name, _)| name.clone()) else { return };
        self.applications.remove(&gone);
    }
}

#[cfg(test)]
mod tests {
    use scxml::{Document, Limits, Vocabulary};

    use super::*;

    fn name(tenant: &str, number: usize) -> Name {
        (TenantId::parse(tenant).unwrap(), format!("application-{number}"))
    }

    #[test]
    fn a_tenant_with_many_applications_takes_no_room_from_others() {
        let text = "<scxml version='1.0'><state/></scxml>";
        let document = Document::load(text, &Vocabulary::NONE, Limits::default(), None).unwrap();
        let application = Arc::new(Application::of(document, 1));
        let mut kept = Kept::default();
        kept.keep(name("few", 0), Arc::clone(&application));
        for number in 0..2 * KEPT_MAX {
            kept.keep(name("many", number), Arc::clone(&application));
            kept.get(&name("many", 0));
        }
        assert_eq!(kept.applications.len(), KEPT_MAX);
        assert!(kept.get(&name("few", 0)).is_some(), "whoever has few keeps them");
        assert!(kept.get(&name("many", 0)).is_some(), "what is asked for stays");
        assert!(kept.get(&name("many", 1)).is_none(), "the oldest is gone");
        kept.keep(name("late", 0), application);
        assert!(kept.get(&name("late", 0)).is_some(), "and a new one has room");
    }
}
