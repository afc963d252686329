//! Readiness of a role: every named condition is met.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// Maximum of conditions of one role; more are a mistake in the role and are ignored.
const CONDITIONS_MAX: usize = 64;

/// The conditions of one role, by name. The role is ready when it has declared itself started and every condition is
/// met.
#[derive(Clone)]
pub struct Readiness {
    conditions: Arc<watch::Sender<BTreeMap<&'static str, Option<String>>>>,
}

/// The condition that every role starts with; [`Readiness::started`] clears it.
const STARTED: &str = "started";

impl Default for Readiness {
    fn default() -> Self {
        let conditions = BTreeMap::from([(STARTED, Some("not started yet".to_owned()))]);
        Self { conditions: Arc::new(watch::Sender::new(conditions)) }
    }
}

impl Readiness {
    /// Declares a condition that is not met yet.
    pub fn require(&self, condition: &'static str) {
        self.set(condition, Some("not yet".to_owned()));
    }

    /// Marks `condition` as met.
    pub fn holds(&self, condition: &'static str) {
        self.set(condition, None);
    }

    /// Marks `condition` as not met, with the reason.
    pub fn fails(&self, condition: &'static str, reason: impl Into<String>) {
        self.set(condition, Some(reason.into()));
    }

    /// Declares that the role has bound its listeners and declared its conditions.
    pub fn started(&self) {
        self.holds(STARTED);
    }

    /// Whether every condition is met.
    pub fn is_ready(&self) -> bool {
        self.conditions.borrow().values().all(Option::is_none)
    }

    /// The conditions that are not met, with the reasons.
    pub fn missing(&self) -> Vec<(&'static str, String)> {
        self.conditions.borrow().iter().filter_map(|(name, why)| Some((*name, why.clone()?))).collect()
    }

    /// Waits until every condition is met.
    pub async fn ready(&self) {
        let mut watch = self.conditions.subscribe();
        // The sender lives in self, so this cannot fail while we wait.
        let _ = watch.wait_for(|c| c.values().all(Option::is_none)).await;
    }

    fn set(&self, condition: &'static str, state: Option<String>) {
        self.conditions.send_if_modified(|all| {
            if all.get(condition) == Some(&state) || (all.len() >= CONDITIONS_MAX && !all.contains_key(condition)) {
                return false;
            }
            all.insert(condition, state);
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_role_is_ready_when_started_and_every_condition_holds() {
        let readiness = Readiness::default();
        readiness.require("config");
        readiness.started();
        assert_eq!(readiness.missing(), vec![("config", "not yet".to_owned())]);
        readiness.holds("config");
        readiness.ready().await;
        readiness.fails("config", "connection lost");
        assert!(!readiness.is_ready());
    }
}
