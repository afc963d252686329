//! The directory and the states of who is in it: gws-data-collector is asked (gws-15).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use model::TenantId;
use net::http::{Answer, CallError, Client, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use runtime::RoleContext;
use serde_json::json;
use tokio::time::Instant;

use super::behind::{CollectedEntries, CollectorFault, CollectorSide, FoundEntries};
use super::metrics::{AskOutcome, Metrics};
use super::reporting::{CountedBy, ReadStatistics, ReadValue, WantedStatistic};
use crate::data_collector_api::{
    AskedObject, AskedStates, CollectedTargets, ContactState, STATES_MAX, ToldStates, statistic_of,
};

/// Time for an answer, and how long one replica may be silent while another has not been asked: whoever types waits for it, and for
/// gws-configuration afterwards.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const SILENT_MAX: Duration = Duration::from_millis(1_200);
/// For how long nobody is asked after no replica has answered in time: each letter of a search would wait anew.
const SPARED_FOR: Duration = Duration::from_secs(5);

/// The client.
#[derive(Clone)]
pub(super) struct CollectorClient {
    client: Client,
    metrics: Metrics,
    spared_until: Arc<Mutex<Option<Instant>>>,
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Where something of a tenant is.
fn path_of(tenant: &TenantId, below: &str) -> String {
    format!("/data-collector/v3/{}/{below}", encoded(tenant.as_str()))
}

/// A search as the query of a path.
fn query(user: &str, asked: &[(&'static str, String)]) -> String {
    let mut query = format!("person={}", encoded(user));
    asked.iter().for_each(|(name, value)| query.push_str(&format!("&{name}={}", encoded(value))));
    query
}

/// States as values of the statistics that they are of.
fn read(states: Vec<ContactState>) -> ReadStatistics {
    let value = |state: ContactState| {
        let statistic = WantedStatistic::named(&state.object_type, &state.object_id, statistic_of(&state.object_type)?);
        Some((statistic, Arc::new(ReadValue { timestamp: json!(state.timestamp), value: state.value })))
    };
    ReadStatistics { values: states.into_iter().filter_map(value).collect(), ..ReadStatistics::default() }
}

/// The objects whose states are wanted; of other statistics nothing is collected.
fn objects(wanted: &[WantedStatistic]) -> Vec<AskedObject> {
    let is_state = |wanted: &&WantedStatistic| {
        let statistic = statistic_of(&wanted.object_type);
        matches!(&wanted.counted, CountedBy::Name(name) if statistic == Some(name.as_str()))
    };
    let object = |wanted: &WantedStatistic| AskedObject {
        object_type: wanted.object_type.clone(),
        object_id: wanted.object_id.clone(),
    };
    wanted.iter().filter(is_state).take(STATES_MAX).map(object).collect()
}

fn found(told: CollectedTargets) -> CollectedEntries {
    let CollectedTargets { targets, total_matches, states, continue_from } = told;
    CollectedEntries {
        found: FoundEntries { entries: targets, total: total_matches },
        states: read(states),
        continue_from,
    }
}

impl CollectorClient {
    /// By the role's connection to gws-data-collector.
    ///
    /// # Errors
    /// If the role does not declare it.
    pub fn new(ctx: &RoleContext, metrics: Metrics) -> anyhow::Result<Self> {
        Ok(Self { client: Client::new(ctx, "gws-15")?, metrics, spared_until: Arc::default() })
    }

    fn is_spared(&self) -> bool {
        let until = *self.spared_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn spare(&self) {
        *self.spared_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + SPARED_FOR);
    }

    /// What came of a question.
    fn settled(&self, asked: Result<Answer, CallError>) -> Result<Answer, CollectorFault> {
        let (outcome, settled) = match asked {
            Ok(answer) if answer.status.is_success() => (AskOutcome::Taken, Ok(answer)),
            // It says itself that it is not there for that now.
            Ok(answer) if answer.status.is_server_error() => (AskOutcome::Unanswered, Err(CollectorFault::Away)),
            Ok(answer) if is_told(answer.status) => {
                (AskOutcome::Refused, Err(CollectorFault::Refused(answer.problem())))
            }
            Ok(answer) => {
                tracing::warn!(problem = %answer.problem(), "gws-data-collector refuses");
                (AskOutcome::Refused, Err(CollectorFault::Away))
            }
            Err(error) => {
                tracing::debug!(%error, "gws-data-collector does not answer");
                self.spare();
                (AskOutcome::Unanswered, Err(CollectorFault::Away))
            }
        };
        self.metrics.collector_asks.inc(outcome);
        settled
    }
}

/// Whether a refusal is the fault of whoever searches.
fn is_told(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::GONE)
}

impl CollectorSide for CollectorClient {
    fn search(
        &self,
        tenant: TenantId,
        user: String,
        asked: Vec<(&'static str, String)>,
    ) -> BoxFuture<'static, Result<CollectedEntries, CollectorFault>> {
        let client = self.clone();
        async move {
            if client.is_spared() {
                return Err(CollectorFault::Away);
            }
            let path = path_of(&tenant, &format!("targets?{}", query(&user, &asked)));
            let asked = client.client.get(&path).deadline(ANSWER_WITHIN).idempotent().silent_max(SILENT_MAX);
            let answer = client.settled(asked.send_any().await)?;
            answer.json().map(found).map_err(|error| {
                tracing::warn!(%error, "the answer of gws-data-collector cannot be read");
                CollectorFault::Away
            })
        }
        .boxed()
    }

    fn states(&self, tenant: TenantId, wanted: Vec<WantedStatistic>) -> BoxFuture<'static, ReadStatistics> {
        let client = self.clone();
        async move {
            let objects = objects(&wanted);
            if objects.is_empty() || client.is_spared() {
                return ReadStatistics::default();
            }
            let asked = client.client.post(&path_of(&tenant, "states")).json(&AskedStates { objects });
            let asked = asked.deadline(ANSWER_WITHIN).idempotent().silent_max(SILENT_MAX).send_any().await;
            let told = client.settled(asked).ok().and_then(|answer| answer.json::<ToldStates>().ok());
            told.map(|told| read(told.states)).unwrap_or_default()
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn whatever_is_searched_for_is_one_parameter_and_whatever_a_tenant_is_called_one_part_of_the_path() {
        let acme = TenantId::parse("a/b").unwrap();
        assert_eq!(path_of(&acme, "states"), "/data-collector/v3/a%2Fb/states");
        let asked = [("searchTerm", "a&limit=9 ü".to_owned()), ("limit", "5".to_owned())];
        assert_eq!(query("ann&x", &asked), "person=ann%26x&searchTerm=a%26limit%3D9%20%C3%BC&limit=5");
    }

    #[test]
    fn states_are_values_of_their_statistics_and_of_other_statistics_nothing_is_asked() {
        let queue = WantedStatistic::named("Queue", "sales", "CurrentCallsWaiting");
        let wanted = [queue.clone(), WantedStatistic::named("Queue", "sales", "CallsHandled")];
        assert_eq!(objects(&wanted), [AskedObject { object_type: "Queue".to_owned(), object_id: "sales".to_owned() }]);
        let state = |object_type: &str| ContactState {
            object_type: object_type.to_owned(),
            object_id: "sales".to_owned(),
            timestamp: 7,
            value: json!(3),
        };
        let value = Arc::new(ReadValue { timestamp: json!(7), value: json!(3) });
        let values = HashMap::from([(queue, value)]);
        assert_eq!(read(vec![state("Queue"), state("Robot")]).values, values);
    }

    #[test]
    fn what_was_found_is_read_with_where_it_goes_on() {
        let told = CollectedTargets {
            targets: vec![json!({"type": "skill"})],
            total_matches: 7,
            states: Vec::new(),
            continue_from: Some("x".to_owned()),
        };
        let read = found(told);
        assert_eq!((read.found.total, read.found.entries.len(), read.continue_from.as_deref()), (7, 1, Some("x")));
        assert!(is_told(StatusCode::GONE) && !is_told(StatusCode::FORBIDDEN));
    }
}
