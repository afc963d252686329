//! Statistics that a session has open: values when they are asked for, and messages on `/workspace/v3/reporting` when they change.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use net::http::Query;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Workspace;
use super::super::reporting::{OpenedStatistic, WantedStatistic, statistics_of};
use super::super::request::DeskRequest;
use crate::sessions::answers::{self, ApiRefusal, read_body};

/// `POST /reporting/subscriptions`.
pub(in crate::gws_workspace) async fn subscribe(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let session = request.session;
    let statistics = session.visible_statistics(statistics_of(&read_body(&body)?)?)?;
    let mut wanted: Vec<WantedStatistic> = statistics.iter().map(|opened| opened.wanted.clone()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let read = workspace.parts.statistics.values(session.sign_in().person.tenant, wanted).await;
    let read = read.map_err(|away| ApiRefusal::unavailable(away.to_string()))?;
    let why = |opened: &OpenedStatistic| read.refused.get(&opened.wanted);
    let (refused, statistics): (Vec<OpenedStatistic>, Vec<OpenedStatistic>) =
        statistics.into_iter().partition(|opened| why(opened).is_some());
    let told = |opened: &OpenedStatistic| json!({"statisticId": opened.id, "message": why(opened)});
    let refused: Vec<Value> = refused.iter().map(told).collect();
    if statistics.is_empty() {
        let of_first = |field: &str| refused.first().and_then(|one| one[field].as_str()).unwrap_or_default();
        let fault = format!("statistics: {}: {}", of_first("statisticId"), of_first("message"));
        return Err(ApiRefusal::bad_request(fault));
    }
    let id = format!("{:016x}", workspace.parts.entropy().next_u64());
    let mut opened = session.open_statistics(id, statistics, &read)?;
    session.keep_reporting().await;
    if !refused.is_empty() {
        opened["refused"] = json!(refused);
    }
    Ok(answers::data(&opened))
}

fn unknown(id: &str) -> ApiRefusal {
    ApiRefusal::not_found(format!("there is no subscription {id:.64}"))
}

/// `GET /reporting/subscriptions/{id}`: the values as they were read last.
pub(in crate::gws_workspace) async fn peek(
    Path(id): Path<String>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    let shown = request.session.shown_statistics(&id).ok_or_else(|| unknown(&id))?;
    Ok(answers::data(&shown))
}

/// Which subscriptions are wanted.
#[derive(Deserialize)]
pub(in crate::gws_workspace) struct WantedSubscriptions {
    ids: Option<String>,
}

/// `GET /reporting/subscriptions`: those with these ids, or all.
pub(in crate::gws_workspace) async fn peek_several(
    request: DeskRequest,
    Query(wanted): Query<WantedSubscriptions>,
) -> Result<Response, ApiRefusal> {
    let session = request.session;
    let ids: Vec<String> = match wanted.ids.as_deref().filter(|ids| !ids.trim().is_empty()) {
        Some(ids) => ids.split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect(),
        None => session.subscriptions(),
    };
    let shown = |id: &String| session.shown_statistics(id).ok_or_else(|| unknown(id));
    let subscriptions = ids.iter().map(shown).collect::<Result<Vec<Value>, ApiRefusal>>()?;
    Ok(answers::data(&json!({"subscriptions": subscriptions})))
}

/// `DELETE /reporting/subscriptions/{id}`.
pub(in crate::gws_workspace) async fn unsubscribe(
    Path(id): Path<String>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    if !request.session.close_statistics(&id) {
        return Err(unknown(&id));
    }
    request.session.keep_reporting().await;
    Ok(answers::done())
}
