//! People.

use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use net::http::Query;
use serde::Deserialize;

use super::super::people;
use super::super::published::query::PublishedQuery;
use super::super::published::user_body;
use super::super::request::ProvisioningRequest;
use crate::sessions::answers::{self, ApiRefusal, read_body};

/// `GET /users`, `GET /objects/users`.
pub(in crate::gws_provisioning) async fn list(
    request: ProvisioningRequest,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, ApiRefusal> {
    let query = PublishedQuery::of(pairs)?;
    Ok(answers::data(&people::list(request.configuration(), &request.reads(), &query).await?))
}

/// `GET …/users/me`: whoever asks.
pub(in crate::gws_provisioning) async fn me(request: ProvisioningRequest) -> Result<Response, ApiRefusal> {
    Ok(answers::data(&people::me(request.configuration(), &request.reads()).await?))
}

/// `GET …/users/{dbid}`: somebody by number or user name.
pub(in crate::gws_provisioning) async fn one(
    request: ProvisioningRequest,
    Path(id): Path<String>,
) -> Result<Response, ApiRefusal> {
    Ok(answers::data(&people::get(request.configuration(), &request.reads(), &id).await?))
}

/// `POST …/users`: makes somebody.
pub(in crate::gws_provisioning) async fn add(
    request: ProvisioningRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let body = read_body(&body)?;
    let data = user_body::data(&body)?;
    Ok(answers::data(&people::add(request.configuration(), &request.changes()?, data).await?))
}

/// `PUT …/users/{dbid}`: changes somebody.
pub(in crate::gws_provisioning) async fn update(
    request: ProvisioningRequest,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let body = read_body(&body)?;
    let data = user_body::data(&body)?;
    people::update(request.configuration(), &request.changes()?, &id, data).await?;
    Ok(answers::done())
}

/// Whether the place of who is removed stays. Where it is not said, it stays: so the published clients have it, and what has gone does not
/// come back.
#[derive(Debug, Deserialize)]
pub(in crate::gws_provisioning) struct KeptPlaces {
    keep_places: Option<bool>,
}

impl KeptPlaces {
    fn are_kept(&self) -> bool {
        self.keep_places.unwrap_or(true)
    }
}

/// `DELETE …/users/{dbid}`: removes somebody.
pub(in crate::gws_provisioning) async fn remove(
    request: ProvisioningRequest,
    Path(id): Path<String>,
    Query(kept): Query<KeptPlaces>,
) -> Result<Response, ApiRefusal> {
    people::remove(request.configuration(), &request.changes()?, &id, kept.are_kept()).await?;
    Ok(answers::done())
}

/// `POST /operations/delete-users/{dbid}`: the same; it is done when it is answered.
pub(in crate::gws_provisioning) async fn remove_by_operation(
    request: ProvisioningRequest,
    Path(id): Path<String>,
    Query(kept): Query<KeptPlaces>,
) -> Result<Response, ApiRefusal> {
    people::remove(request.configuration(), &request.changes()?, &id, kept.are_kept()).await?;
    Ok(answers::done())
}

#[cfg(test)]
mod tests {
    use axum::extract::FromRequestParts as _;
    use axum::http::Request;

    use super::*;

    /// Of both requests that remove somebody.
    #[tokio::test]
    async fn places_go_only_where_that_is_said() {
        for (query, are_kept) in [("", true), ("?keep_places=true", true), ("?keep_places=false", false)] {
            for path in ["/users/7", "/operations/delete-users/7"] {
                let (mut parts, ()) = Request::get(format!("{path}{query}")).body(()).unwrap().into_parts();
                let Query(kept) = Query::<KeptPlaces>::from_request_parts(&mut parts, &()).await.unwrap();
                assert_eq!(kept.are_kept(), are_kept, "{path}{query}");
            }
        }
    }
}
