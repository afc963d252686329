//! Targets: whom and what a call can be given to, with how available each is at the moment.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use net::http::Query;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::behind::{CollectedEntries, CollectorFault, FoundEntries};
use super::super::reporting::{ReadStatistics, WantedStatistic};
use super::super::request::DeskRequest;
use super::super::session::DeskSession;
use super::super::{Workspace, availability};
use super::configuration::refused;
use super::contacts;
use super::personal::UNTYPED;
use crate::sessions::answers::{self, ApiRefusal};

/// The published types; of the last three, contacts that people keep are the only ones here.
const TYPES: [&str; 8] =
    ["agent", "agent-group", "acd-queue", "route-point", "skill", "interaction-queue", "custom-contact", "contact"];
/// The longest parameter, in bytes.
const PARAMETER_BYTES_MAX: usize = 256;
/// The parameter with which a search goes on.
const CONTINUE_FROM: &str = "continueFrom";
/// What is said where gws-data-collector does not answer: what is found may be a minute old.
const WITHOUT_COLLECTOR: &str = "the data collector is away: this is what the configuration has";

/// A search. Parameters that are not known are passed over.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::gws_workspace) struct AskedTargets {
    search_term: Option<String>,
    filter_name: Option<String>,
    types: Option<String>,
    exclude_group: Option<String>,
    restrict_group: Option<String>,
    exclude_from_group: Option<String>,
    restrict_to_group: Option<String>,
    sort: Option<String>,
    limit: Option<String>,
    match_type: Option<String>,
    /// Ours: `true` for an answer that tells how it goes on.
    pages: Option<String>,
    /// Ours: what an earlier answer has told, for those behind it.
    continue_from: Option<String>,
}

impl AskedTargets {
    /// What is asked of gws-data-collector, or of gws-configuration.
    fn read(self) -> Result<Vec<(&'static str, String)>, ApiRefusal> {
        if self.continue_from.is_some() {
            return checked([(CONTINUE_FROM, self.continue_from)]);
        }
        if self.search_term.as_deref().is_none_or(|term| term.trim().is_empty()) {
            return Err(ApiRefusal::bad_request("searchTerm: it is missing; * finds all"));
        }
        for named in self.types.iter().flat_map(|types| types.split(',')).map(str::trim).filter(|it| !it.is_empty()) {
            known_type(named)?;
        }
        let asked = [
            ("searchTerm", self.search_term),
            ("filterName", self.filter_name),
            ("types", self.types),
            ("excludeGroup", self.exclude_group),
            ("restrictGroup", self.restrict_group),
            ("excludeFromGroup", self.exclude_from_group),
            ("restrictToGroup", self.restrict_to_group),
            ("sort", self.sort),
            ("limit", self.limit),
            ("matchType", self.match_type),
            ("pages", self.pages),
        ];
        checked(asked)
    }
}

/// The parameters that are there; one that cannot be right is named.
pub(super) fn checked<const N: usize>(
    asked: [(&'static str, Option<String>); N],
) -> Result<Vec<(&'static str, String)>, ApiRefusal> {
    let mut checked = Vec::with_capacity(N);
    for (name, value) in asked {
        let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
        if value.len() > PARAMETER_BYTES_MAX {
            let rule = format!("{name}: it has more than {PARAMETER_BYTES_MAX} bytes");
            return Err(ApiRefusal::bad_request(rule));
        }
        if name == "pages" && !matches!(value.as_str(), "true" | "false") {
            return Err(ApiRefusal::bad_request("pages: it is neither true nor false"));
        }
        if matches!(name, "limit" | "offset") && value.parse::<u32>().is_err() {
            return Err(ApiRefusal::bad_request(format!("{name}: it is no whole number")));
        }
        checked.push((name, value));
    }
    Ok(checked)
}

/// A type as gws-configuration knows it: some clients write it in capitals, with lines below.
fn known_type(named: &str) -> Result<&'static str, ApiRefusal> {
    let written = named.to_ascii_lowercase().replace('_', "-");
    let known = TYPES.into_iter().find(|known| *known == written);
    known.ok_or_else(|| ApiRefusal::bad_request(format!("types: {named:.64} is none of {}", TYPES.join(", "))))
}

/// `GET /targets`.
pub(in crate::gws_workspace) async fn search(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    Query(asked): Query<AskedTargets>,
) -> Result<Response, ApiRefusal> {
    let sign_in = request.session.sign_in();
    let (tenant, user) = (sign_in.person.tenant, sign_in.person.user);
    let asked = asked.read()?;
    let collected = workspace.parts.collector.search(tenant.clone(), user, asked.clone());
    let (collected, contacts) =
        futures::future::join(collected, contacts::among_targets(&workspace, &request, &asked)).await;
    match collected {
        Ok(collected) => {
            let mut told = collected_answer(&workspace, &request.session, collected).await;
            contacts.put_into(&mut told, &asked);
            return Ok(answers::data(&told));
        }
        Err(CollectorFault::Refused(problem)) => return Err(problem.into()),
        // Where it goes on, nobody else knows.
        Err(CollectorFault::Away) if asked.iter().any(|(name, _)| *name == CONTINUE_FROM) => {
            return Err(ApiRefusal::unavailable("the search cannot go on now: search again"));
        }
        Err(CollectorFault::Away) => {}
    }
    let found = workspace.parts.configuration.targets(tenant, asked.clone()).await;
    let found = found.map_err(|fault| refused(&fault))?;
    workspace.parts.metrics.searches_elsewhere.inc();
    let mut told = told(&workspace, &request.session, found, ReadStatistics::default()).await;
    told["searchedIn"] = "configuration".into();
    contacts.put_into(&mut told, &asked);
    Ok(answers::data_with_message(&told, WITHOUT_COLLECTOR))
}

async fn collected_answer(workspace: &Workspace, session: &DeskSession, collected: CollectedEntries) -> Value {
    let CollectedEntries { found, states, continue_from } = collected;
    let mut told = told(workspace, session, found, states).await;
    // Published clients take no null.
    if let Some(continue_from) = continue_from {
        told[CONTINUE_FROM] = continue_from.into();
    }
    told
}

/// `GET /targets/{type}/{id}`: the id is the `DBID`, or what the target is called.
pub(in crate::gws_workspace) async fn one(
    State(workspace): State<Arc<Workspace>>,
    Path((target_type, id)): Path<(String, String)>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    let tenant = request.session.sign_in().person.tenant;
    let target_type = known_type(&target_type)?;
    if target_type == UNTYPED
        && let Some(contact) = contacts::target(&workspace, &request, &id).await?
    {
        return Ok(answers::data(&contact));
    }
    let found = workspace.parts.configuration.target(tenant.clone(), target_type.to_owned(), id).await;
    let found = found.map_err(|fault| refused(&fault))?;
    let wanted: Vec<WantedStatistic> = found.entries.iter().filter_map(availability::statistic_of).collect();
    let states = workspace.parts.collector.states(tenant, wanted).await;
    Ok(answers::data(&told(&workspace, &request.session, found, states).await))
}

/// Targets with their availability: by the states that are known already, and the others as gws-statistics has them.
async fn told(workspace: &Workspace, session: &DeskSession, found: FoundEntries, known: ReadStatistics) -> Value {
    let FoundEntries { mut entries, total } = found;
    let statistics: Vec<Option<WantedStatistic>> = entries.iter().map(availability::statistic_of).collect();
    let is_lacking = |statistic: &&Option<WantedStatistic>| {
        statistic.as_ref().is_some_and(|statistic| !known.values.contains_key(statistic))
    };
    let lacking: Vec<Option<WantedStatistic>> = statistics.iter().filter(is_lacking).cloned().collect();
    let mut read = read(workspace, session, &lacking).await;
    read.values.extend(known.values);
    for (target, statistic) in entries.iter_mut().zip(&statistics) {
        availability::attach(target, statistic.as_ref(), &read);
    }
    json!({"targets": entries, "totalMatches": total})
}

/// The values of statistics, each of which may be there several times. Without gws-statistics there are none: whoever looks somebody up
/// finds the number all the same.
pub(super) async fn read(
    workspace: &Workspace,
    session: &DeskSession,
    statistics: &[Option<WantedStatistic>],
) -> ReadStatistics {
    let mut wanted: Vec<WantedStatistic> = statistics.iter().flatten().cloned().collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return ReadStatistics::default();
    }
    let values = workspace.parts.statistics.values(session.sign_in().person.tenant, wanted.clone()).await;
    values.unwrap_or_else(|_| ReadStatistics { unread: wanted.into_iter().collect(), ..ReadStatistics::default() })
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    fn asked(query: Value) -> Result<Vec<(&'static str, String)>, ApiRefusal> {
        serde_json::from_value::<AskedTargets>(query).unwrap().read()
    }

    #[test]
    fn a_search_is_passed_on_with_what_it_has() {
        let parameters = asked(json!({"searchTerm": "ann", "types": "AGENT,agent-group", "limit": "10"})).unwrap();
        let wanted = [("searchTerm", "ann"), ("types", "AGENT,agent-group"), ("limit", "10")];
        assert_eq!(parameters, wanted.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn a_search_that_goes_on_says_nothing_else() {
        let parameters = asked(json!({"continueFrom": "abc", "limit": "7"})).unwrap();
        assert_eq!(parameters, [("continueFrom", "abc".to_owned())]);
    }

    #[test]
    fn a_parameter_that_cannot_be_right_is_named() {
        for (query, named) in [
            (json!({}), "searchTerm: "),
            (json!({"searchTerm": " "}), "searchTerm: "),
            (json!({"searchTerm": "*", "types": "agent,robot"}), "types: "),
            (json!({"searchTerm": "*", "limit": "-1"}), "limit: "),
            (json!({"searchTerm": "*", "pages": "7"}), "pages: "),
            (json!({"searchTerm": "x".repeat(257)}), "searchTerm: "),
        ] {
            let refused = asked(query).unwrap_err();
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
            assert!(refused.message().starts_with(named), "{}", refused.message());
        }
    }
}
