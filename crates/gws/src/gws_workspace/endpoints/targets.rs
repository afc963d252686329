//! Targets: whom and what a call can be given to, with how available each is at the moment.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use net::http::Query;
use serde::Deserialize;
use serde_json::json;

use super::super::behind::FoundEntries;
use super::super::reporting::{ReadStatistics, WantedStatistic};
use super::super::request::DeskRequest;
use super::super::session::DeskSession;
use super::super::{Workspace, availability};
use super::configuration::refused;
use crate::sessions::answers::{self, ApiRefusal};

/// The published types; of the last three there are none here.
const TYPES: [&str; 8] =
    ["agent", "agent-group", "acd-queue", "route-point", "skill", "interaction-queue", "custom-contact", "contact"];
/// The longest parameter, in bytes.
const PARAMETER_BYTES_MAX: usize = 256;

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
}

impl AskedTargets {
    /// What is asked of gws-configuration.
    fn read(self) -> Result<Vec<(&'static str, String)>, ApiRefusal> {
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
    let tenant = request.session.sign_in().person.tenant;
    let found = workspace.parts.configuration.targets(tenant, asked.read()?).await.map_err(|fault| refused(&fault))?;
    Ok(answered(&workspace, &request.session, found).await)
}

/// `GET /targets/{type}/{id}`: the id is the `DBID`, or what the target is called.
pub(in crate::gws_workspace) async fn one(
    State(workspace): State<Arc<Workspace>>,
    Path((target_type, id)): Path<(String, String)>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    let tenant = request.session.sign_in().person.tenant;
    let target_type = known_type(&target_type)?;
    let found = workspace.parts.configuration.target(tenant, target_type.to_owned(), id).await;
    Ok(answered(&workspace, &request.session, found.map_err(|fault| refused(&fault))?).await)
}

async fn answered(workspace: &Workspace, session: &DeskSession, found: FoundEntries) -> Response {
    let FoundEntries { mut entries, total } = found;
    let statistics: Vec<Option<WantedStatistic>> = entries.iter().map(availability::statistic_of).collect();
    let read = read(workspace, session, &statistics).await;
    for (target, statistic) in entries.iter_mut().zip(&statistics) {
        availability::attach(target, statistic.as_ref(), &read);
    }
    answers::data(&json!({"targets": entries, "totalMatches": total}))
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

    use serde_json::Value;

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
    fn a_parameter_that_cannot_be_right_is_named() {
        for (query, named) in [
            (json!({}), "searchTerm: "),
            (json!({"searchTerm": " "}), "searchTerm: "),
            (json!({"searchTerm": "*", "types": "agent,robot"}), "types: "),
            (json!({"searchTerm": "*", "limit": "-1"}), "limit: "),
            (json!({"searchTerm": "x".repeat(257)}), "searchTerm: "),
        ] {
            let refused = asked(query).unwrap_err();
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
            assert!(refused.message().starts_with(named), "{}", refused.message());
        }
    }
}
