//! What the routes of gws-setting share: whom they serve, what they read and write, and what they say of failures.

use std::sync::Arc;

use infra::{ContactRecords, PersonalRecords, StoreError};
use model::TenantId;
use net::http::{Caller, Problem, StatusCode};
use prometheus_client::metrics::counter::Counter;
use serde::Deserialize;

use super::Metrics;

/// The role that asks.
const ASKS: &str = "gws-workspace";

/// What the routes share.
#[derive(Clone)]
pub(super) struct ServedSettings {
    /// Favourites, recents and settings.
    pub(super) records: Arc<dyn PersonalRecords>,
    /// Contacts.
    pub(super) contacts: Arc<dyn ContactRecords>,
    /// Counts.
    pub(super) metrics: Metrics,
}

/// Whose it is.
#[derive(Deserialize)]
pub(super) struct PersonPath {
    pub(super) tenant: String,
    pub(super) person: String,
}

/// The tenant of a request, if it is gws-workspace that asks.
pub(super) fn admitted(caller: &Caller, tenant: &str) -> Result<TenantId, Problem> {
    if caller.role() != Some(ASKS) {
        return Err(Problem::forbidden(format!("this is asked by the role {ASKS} alone")));
    }
    TenantId::parse(tenant).map_err(|error| Problem::bad_request(error.to_string()))
}

/// What the caller is told where the store has refused or failed.
fn told(error: &StoreError, person: &str) -> Problem {
    match error {
        // The rows are bound to their persons; nothing else of them can be wrong.
        StoreError::Invalid(_) => Problem::not_found(format!("there is no person {person}")),
        StoreError::NulInText => Problem::unprocessable("a text has the character 0"),
        _ => {
            tracing::warn!(%error, "what people keep cannot be read or written");
            Problem::unavailable("what people keep cannot be read or written now")
        }
    }
}

impl ServedSettings {
    /// Counts a question or a change, and what has become of it.
    pub(super) fn settled<T>(
        &self,
        counted: &Counter,
        outcome: Result<T, StoreError>,
        person: &str,
    ) -> Result<T, Problem> {
        counted.inc();
        outcome.map_err(|error| {
            let problem = told(&error, person);
            if problem.status_code() == StatusCode::SERVICE_UNAVAILABLE {
                self.metrics.failed.inc();
            }
            problem
        })
    }

    /// Those that can be read.
    pub(super) fn readable<K, E>(&self, kept: &[K], read: fn(&K) -> Option<E>) -> Vec<E> {
        let entries: Vec<E> = kept.iter().filter_map(read).collect();
        let unreadable = kept.len() - entries.len();
        if unreadable > 0 {
            tracing::error!(unreadable, "some of what a person keeps cannot be read");
            self.metrics.unreadable.inc_by(unreadable as u64);
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use infra::SystemClock;
    use infra::conformance::NoProvisioning;
    use runtime::RoleSpec;
    use runtime::token::{ServiceIssuer, TokenIssuer, TokenVerifier};
    use serde_json::{Value, json};

    use super::*;

    static WORKSPACE: RoleSpec = RoleSpec { opens: &["gws-31"], ..RoleSpec::bare("gws-workspace", 27) };

    fn served() -> ServedSettings {
        let metrics = Metrics::register(&runtime::Metrics::default());
        ServedSettings { records: Arc::new(NoProvisioning), contacts: Arc::new(NoProvisioning), metrics }
    }

    #[test]
    fn the_role_of_desktops_alone_asks_here() {
        let clock = Arc::new(SystemClock::start());
        let issuer = TokenIssuer::of_new_key(clock.clone()).unwrap();
        let workspace = ServiceIssuer::of_new_key(&WORKSPACE, clock.clone()).unwrap();
        let verifier = TokenVerifier::of(&issuer, &[&workspace]);
        let hour = Duration::from_secs(3_600);
        let program = issuer.issue(None, "gws-workspace/gws-workspace-1", "workspace:use", hour).unwrap();
        assert!(verifier.verify(&program, "gws-setting", &[]).is_err(), "the listener takes tokens of roles alone");
        let program = verifier.verify(&program, "gws-setting", &[runtime::ApiFamily::Gws]).unwrap();
        assert_eq!(admitted(&program, "acme").unwrap_err().status, 403);
        let token = workspace.token("gws-workspace-1", "gws-setting").unwrap();
        let workspace = verifier.verify(&token, "gws-setting", &[]).unwrap();
        assert_eq!(admitted(&workspace, "acme").unwrap().as_str(), "acme");
        assert_eq!(admitted(&workspace, "").unwrap_err().status, 400);
    }

    #[test]
    fn a_person_who_is_not_there_is_told_from_a_store_that_is_away() {
        let served = served();
        let settled = |error| served.settled::<()>(&served.metrics.read, Err(error), "ann").unwrap_err().status;
        assert_eq!(settled(StoreError::Invalid("foreign key".to_owned())), 404);
        assert_eq!(settled(StoreError::NulInText), 422);
        assert_eq!(served.metrics.failed.get(), 0);
        assert_eq!(settled(StoreError::Unavailable { reason: "away".to_owned() }), 503);
        assert_eq!((served.metrics.read.get(), served.metrics.failed.get()), (3, 1));
    }

    #[test]
    fn what_cannot_be_read_takes_nothing_else_along() {
        let served = served();
        let read = served.readable(&["{", "[1]"], |text| serde_json::from_str::<Value>(text).ok());
        assert_eq!(read, [json!([1])]);
        assert_eq!(served.metrics.unreadable.get(), 1);
    }
}
