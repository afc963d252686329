//! Operations whose outcome is told by a notification, and changes that are watched.

use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use net::http::Query;
use serde_json::Value;

use super::super::configuration_client::present_revision;
use super::super::people::{GET_USED_SKILLS, GET_USERS};
use super::super::published::object::watched_kind;
use super::super::published::query::PublishedQuery;
use super::super::published::user_query::UserQuery;
use super::super::records::ObjectWatch;
use super::super::request::ProvisioningRequest;
use crate::sessions::answers::{self, ApiRefusal, read_body};

/// The parameter with the client's name of an operation.
const ID: &str = "_aioId";
/// Its longest one, in bytes.
const ID_BYTES_MAX: usize = 100;
/// The most bytes of the query of an operation: it stands in the record of the session.
const QUERY_BYTES_MAX: usize = 512;
/// The most types that are watched by name.
const TYPES_MAX: usize = 40;
/// What is said of operations that have paths of their own.
const BY_OWN_PATH: &str = "this is asked by the path of its own, not as an operation";

/// `POST /operations/get-users`, `POST /operations/get-used-skills`.
pub(in crate::gws_provisioning) async fn begin(
    request: ProvisioningRequest,
    Path(name): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, ApiRefusal> {
    let name = match name.as_str() {
        GET_USERS => GET_USERS,
        GET_USED_SKILLS => GET_USED_SKILLS,
        // The published client has them without a body, and no description says what they take.
        "post-users" | "import" | "validate-import" | "check-import-status" => {
            return Err(ApiRefusal::not_implemented(BY_OWN_PATH));
        }
        "inactivity" => return Ok(answers::done()),
        _ => return Err(ApiRefusal::unknown_operation()),
    };
    let query = PublishedQuery::of(pairs)?;
    let id = query.text(ID).filter(|id| id.len() <= ID_BYTES_MAX).map(str::to_owned);
    let rule = || ApiRefusal::bad_request(format!("{ID}: it has 1 to {ID_BYTES_MAX} bytes"));
    let id = id.ok_or_else(rule)?;
    // What cannot be read is told at once.
    UserQuery::read(&query)?;
    let pairs = query.without(ID);
    if pairs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > QUERY_BYTES_MAX {
        return Err(ApiRefusal::bad_request(format!("query: it has more than {QUERY_BYTES_MAX} bytes")));
    }
    request.session.begin_operation(id, name, pairs).await?;
    Ok(answers::begun())
}

/// `PUT /operations/put-users`: people are changed at their own paths.
pub(in crate::gws_provisioning) async fn put_users(_: ProvisioningRequest) -> ApiRefusal {
    ApiRefusal::not_implemented(BY_OWN_PATH)
}

/// `GET /operations/stub`: nothing.
pub(in crate::gws_provisioning) async fn stub(_: ProvisioningRequest) -> Response {
    answers::done()
}

/// `POST /operations/watch-objects`: changes of objects of these types are told from now on.
pub(in crate::gws_provisioning) async fn watch(
    request: ProvisioningRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let kinds = watched(&read_body(&body)?)?;
    let since = present_revision(request.configuration(), &request.reads()).await?;
    request.session.change(|kept| kept.watch = Some(ObjectWatch { kinds, after: 0, since })).await?;
    Ok(answers::done())
}

fn watched(body: &Value) -> Result<Vec<String>, ApiRefusal> {
    let types = body.get("types").or(body.pointer("/data/types")).unwrap_or(&Value::Null);
    let types = types.as_array().map(Vec::as_slice).unwrap_or_default();
    if types.len() > TYPES_MAX {
        return Err(ApiRefusal::bad_request(format!("types: there are more than {TYPES_MAX}")));
    }
    let kind = |named: &Value| {
        let named = named.as_str().unwrap_or_default();
        let unknown = || ApiRefusal::bad_request(format!("types: {named:.64} is no type of objects"));
        watched_kind(named).map(str::to_owned).ok_or_else(unknown)
    };
    types.iter().map(kind).collect()
}

/// `DELETE /operations/watch-objects`: they are told no longer.
pub(in crate::gws_provisioning) async fn unwatch(request: ProvisioningRequest) -> Result<Response, ApiRefusal> {
    request.session.change(|kept| kept.watch = None).await?;
    Ok(answers::done())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_watched_by_name_or_all_of_them() {
        assert_eq!(watched(&json!({"types": ["users", "skills"]})).unwrap(), ["person", "skill"]);
        assert_eq!((watched(&Value::Null).unwrap().len(), watched(&json!({"types": []})).unwrap().len()), (0, 0));
        assert!(watched(&json!({"types": ["windmills"]})).is_err());
    }
}
