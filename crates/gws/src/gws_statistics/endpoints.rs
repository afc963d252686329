//! What each path does.

pub(super) mod documents;
pub(super) mod notifications;
pub(super) mod subscriptions;
pub(super) mod values;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use serde_json::Value;

use super::ServedStatistics;
use super::session::StatisticsSession;
use super::statistics_sign_in::StatisticsSignIn;
use crate::session_cookie::STATISTICS;
use crate::sessions::answers::ApiRefusal;

/// Somebody who shows a token that opens the API.
pub(super) struct StatisticsAsker {
    /// Whose it is.
    pub sign_in: StatisticsSignIn,
}

impl FromRequestParts<Arc<ServedStatistics>> for StatisticsAsker {
    type Rejection = ApiRefusal;

    async fn from_request_parts(parts: &mut Parts, served: &Arc<ServedStatistics>) -> Result<Self, ApiRefusal> {
        Self::of_headers(served, &parts.headers).await
    }
}

impl StatisticsAsker {
    /// Whoever has shown these headers.
    ///
    /// # Errors
    /// 401 if there is no token that is good, 403 if it does not open the API.
    async fn of_headers(served: &ServedStatistics, headers: &HeaderMap) -> Result<Self, ApiRefusal> {
        let (sign_in, token) = StatisticsSignIn::of_request(&served.tokens, served.sessions.role, headers)?;
        if !served.sign_ins.is_good(&sign_in.tenant, token).await {
            return Err(ApiRefusal::unauthorized("the token is not good any more"));
        }
        Ok(Self { sign_in })
    }
}

/// Somebody who has a session besides, of the same person.
pub(super) struct SessionRequest {
    /// Whose it is.
    pub sign_in: StatisticsSignIn,
    /// The session.
    pub session: Arc<StatisticsSession>,
}

impl FromRequestParts<Arc<ServedStatistics>> for SessionRequest {
    type Rejection = ApiRefusal;

    async fn from_request_parts(parts: &mut Parts, served: &Arc<ServedStatistics>) -> Result<Self, ApiRefusal> {
        let StatisticsAsker { sign_in } = StatisticsAsker::from_request_parts(parts, served).await?;
        let cookie = STATISTICS.session_in(&parts.headers).ok_or_else(ApiRefusal::without_session)?;
        let session = served.session(&cookie, &sign_in).await?;
        served.sign_ins.goes_on_by(&session.cookie, &sign_in.claims);
        Ok(Self { sign_in, session })
    }
}

/// The list of statistics of a body: in `data`, as published, or beside it.
fn statistics_of(body: &Value) -> (&Value, &'static str) {
    match body.pointer("/data/statistics") {
        Some(list) => (list, "data.statistics"),
        None => (body.get("statistics").unwrap_or(&Value::Null), "statistics"),
    }
}
