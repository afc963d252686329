//! What the API says of itself.

use axum::http::StatusCode;
use axum::response::Response;

use super::super::openapi;
use super::StatisticsAsker;
use crate::sessions::answers;

/// `GET /info`, `GET /version`: which build answers.
pub(in crate::gws_statistics) async fn info(_: StatisticsAsker) -> Response {
    answers::build()
}

/// `GET /doc`: the document of the API.
pub(in crate::gws_statistics) async fn doc(_: StatisticsAsker) -> Response {
    answers::answer(StatusCode::OK, &openapi::openapi())
}
