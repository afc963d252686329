//! For whom a page of ours changes something. A browser has one session: once somebody else has signed in in another tab, a form that is
//! open still is that of the person of before, and must not be saved as the other's.

use axum::http::{HeaderMap, Method, StatusCode};
use net::http::Problem;

/// Refuses a request that may change something and is meant for another person than `subject`, who is signed in. One that names nobody is
/// of whoever is.
pub(super) fn check(method: &Method, headers: &HeaderMap, subject: &str) -> Result<(), Problem> {
    let user = subject.strip_prefix("person/").unwrap_or(subject);
    if net::http::is_meant_for(headers, user) || matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let problem = Problem::new(StatusCode::PRECONDITION_FAILED, "another-person", "Somebody else is signed in now");
    Err(problem
        .detail("nothing was changed: the page is of another person than the one who is signed in in this browser"))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    const HEADER: HeaderName = HeaderName::from_static("x-trunkline-subject");

    #[test]
    fn what_is_meant_for_another_person_changes_nothing() {
        let named = |name: &'static str| HeaderMap::from_iter([(HEADER, HeaderValue::from_static(name))]);
        for (name, subject) in [("ann", "person/ann"), ("zo%C3%AB", "person/zoë"), ("a%20(b)%25.c", "person/a (b)%.c")]
        {
            assert!(check(&Method::POST, &named(name), subject).is_ok(), "{name}");
            let refused = check(&Method::POST, &named(name), "person/bob").unwrap_err();
            assert_eq!((refused.status, refused.kind.as_str()), (412, "another-person"));
            assert!(check(&Method::DELETE, &named(name), "person/bob").is_err(), "{name}");
            assert!(check(&Method::GET, &named(name), "person/bob").is_ok(), "reading changes nothing");
        }
        assert!(check(&Method::POST, &HeaderMap::new(), "person/bob").is_ok());
        assert!(check(&Method::POST, &named(""), "person/bob").is_err());
    }
}
