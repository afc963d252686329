//! Subscriptions: statistics that a session has open under an id of the client's.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use net::http::Query;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::json;

use super::super::subscriptions::{ID_BYTES_MAX, ShownStatistic};
use super::super::{ServedStatistics, asked};
use super::{SessionRequest, statistics_of};
use crate::sessions::answers::{self, ApiRefusal, read_body};

/// The most statistics that a question about values names.
const IDS_MAX: usize = asked::ASKED_MAX;

/// How much is wanted.
#[derive(Deserialize)]
pub(in crate::gws_statistics) struct Verbosity {
    verbose: Option<String>,
}

/// `POST /subscriptions`: opens statistics. The id of the subscription is that of the operation.
pub(in crate::gws_statistics) async fn create(
    State(served): State<Arc<ServedStatistics>>,
    request: SessionRequest,
    Query(wanted): Query<Verbosity>,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let body = read_body(&body)?;
    let operation_id = match body.get("operationId").and_then(|id| id.as_str()).filter(|id| !id.is_empty()) {
        Some(id) if id.len() > ID_BYTES_MAX => {
            let rule = format!("operationId: it must have at most {ID_BYTES_MAX} bytes");
            return Err(ApiRefusal::bad_request(rule));
        }
        Some(id) => id.to_owned(),
        None => served.parts.replica.secret(),
    };
    let (list, at) = statistics_of(&body);
    let asked = asked::read_all(list, at).map_err(ApiRefusal::bad_request)?;
    let (asked, mut refused) = served.own_agents.visible(&request.sign_in, asked).await?;
    if asked.is_empty() {
        return Err(refused.first().cloned().unwrap_or_else(ApiRefusal::internal));
    }
    let opened = request.session.subscribe(operation_id.clone(), asked).await?;
    refused.extend(opened.refused);
    let statistics = match ShownStatistic::of_verbose(wanted.verbose.as_deref()) {
        ShownStatistic::Whole => opened.statistics,
        ShownStatistic::Brief => Vec::new(),
    };
    let data = json!({"operationId": operation_id, "subscriptionId": operation_id, "statistics": statistics});
    Ok(answers::data_beside(&data, &refused))
}

/// `DELETE /subscriptions/{id}`: closes them. It also answers 200 if there is none.
pub(in crate::gws_statistics) async fn remove(
    request: SessionRequest,
    Path(id): Path<String>,
) -> Result<Response, ApiRefusal> {
    request.session.unsubscribe(&id).await?;
    Ok(answers::data(&json!({})))
}

/// `GET /subscriptions/{id}/statistic-values`: the values as they are now.
pub(in crate::gws_statistics) async fn peek(
    request: SessionRequest,
    Path(id): Path<String>,
    Query(wanted): Query<Verbosity>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiRefusal> {
    let ids = statistic_ids(query.as_deref().unwrap_or_default());
    let told = request.session.peek(&id, &ids, ShownStatistic::of_verbose(wanted.verbose.as_deref()));
    let told = told.ok_or_else(|| ApiRefusal::not_found("there is no such subscription"))?;
    Ok(answers::data_beside(&json!({"subscriptionId": id, "statistics": told.statistics}), &told.refused))
}

/// The statistics that a query names: with commas between them, or the parameter several times.
fn statistic_ids(query: &str) -> Vec<String> {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let named = pairs.filter(|(name, _)| {
        let name = decoded(name);
        name == "statisticIds" || name.starts_with("statisticIds[")
    });
    let ids = named.flat_map(|(_, value)| decoded(value).split(',').map(str::to_owned).collect::<Vec<_>>());
    ids.filter(|id| !id.is_empty()).take(IDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_named_as_clients_of_any_kind_write_them() {
        for query in [
            "statisticIds=a,b&verbose=INFO",
            "statisticIds=a%2Cb",
            "verbose=OFF&statisticIds=a&statisticIds=b",
            "statisticIds%5B0%5D=a&statisticIds%5B1%5D=b",
            "statisticIds[]=a&statisticIds[]=b",
        ] {
            assert_eq!(statistic_ids(query), ["a", "b"], "{query}");
        }
        assert!(statistic_ids("").is_empty() && statistic_ids("statisticIds=&verbose=INFO").is_empty());
        assert_eq!(statistic_ids("statisticIds=a+b"), ["a b"]);
    }
}
