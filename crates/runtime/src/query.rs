//! The query of a request; faults are answered with problem details.

use axum::extract::FromRequestParts;
use axum::extract::rejection::QueryRejection;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// Extracts the query; an invalid one is answered 400 with problem details that name the parameter.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(problem(&rejection)),
        }
    }
}

fn problem(rejection: &QueryRejection) -> Problem {
    let text = rejection.body_text();
    // axum's text before the parameter's name adds nothing.
    let fault = text.split_once("query string: ").map_or(text.as_str(), |(_, fault)| fault);
    Problem::bad_request(format!("query: {fault}"))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Wanted {
        limit: Option<usize>,
    }

    async fn read(uri: &str) -> Result<Query<Wanted>, Problem> {
        let (mut parts, ()) = Request::get(uri).body(()).unwrap().into_parts();
        Query::from_request_parts(&mut parts, &()).await
    }

    #[tokio::test]
    async fn a_parameter_that_does_not_fit_is_named() {
        assert_eq!(read("/x?limit=7").await.unwrap().0.limit, Some(7));
        assert_eq!(read("/x").await.unwrap().0.limit, None);
        for wrong in ["/x?limit=-1", "/x?limit=many", "/x?limit="] {
            let problem = read(wrong).await.unwrap_err();
            assert_eq!(problem.status, 400, "{wrong}");
            assert!(problem.detail.as_deref().is_some_and(|d| d.starts_with("query: limit: ")), "{wrong}: {problem}");
        }
    }
}
