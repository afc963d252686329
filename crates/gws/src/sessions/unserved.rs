//! Operations of the published APIs that have no route, each with what stands for its answer: paths and methods are told apart as a router
//! does.

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use net::http::Problem;

/// An operation: its method, its path below that of the API, its published name, and what stands for its answer.
pub(crate) type UnservedOperation<T> = (&'static str, &'static str, &'static str, T);

/// What a request asks for, among those operations.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unserved<T> {
    /// One of them.
    Operation(T),
    /// Operations with that path, all with other methods: these.
    OtherMethods(Vec<&'static str>),
    /// None.
    Unknown,
}

/// Finds an operation; `path` is what of a path is below that of the API.
pub(crate) fn found<T: Copy>(all: &[UnservedOperation<T>], method: &Method, path: &str) -> Unserved<T> {
    let path = path.trim_matches('/');
    let same: Vec<&UnservedOperation<T>> = all.iter().filter(|(_, template, ..)| fits(template, path)).collect();
    // RFC 9110 section 9.3.2.
    let asked = if *method == Method::HEAD { "GET" } else { method.as_str() };
    if let Some((.., answer)) = same.iter().find(|(known, ..)| *known == asked) {
        return Unserved::Operation(*answer);
    }
    if same.is_empty() {
        return Unserved::Unknown;
    }
    let mut methods: Vec<&'static str> = same.iter().map(|(known, ..)| *known).collect();
    methods.sort_unstable();
    methods.dedup();
    Unserved::OtherMethods(methods)
}

/// Whether a path is of that template, in which names in braces stand for one part each.
fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut own) = (template.trim_matches('/').split('/'), path.split('/'));
    loop {
        match (wanted.next(), own.next()) {
            (None, None) => return true,
            (Some(part), Some(value)) if part == value || part.starts_with('{') && !value.is_empty() => {}
            _ => return false,
        }
    }
}

/// 405, with the methods that there are (RFC 9110 section 15.5.6).
pub(crate) fn without_method(methods: &[&str]) -> Response {
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "The path does not know this method");
    let mut response = problem.into_response();
    if let Ok(known) = HeaderValue::from_str(&methods.join(",")) {
        response.headers_mut().insert(header::ALLOW, known);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [UnservedOperation<u8>; 4] = [
        ("GET", "/list", "readList", 1),
        ("PUT", "/list", "writeList", 2),
        ("POST", "/media/{mediatype}/interactions/{id}/accept", "accept", 3),
        ("POST", "/media/ready", "ready", 4),
    ];

    #[test]
    fn an_operation_is_found_by_method_and_path_and_other_methods_are_named() {
        let found = |method: Method, path: &str| found(&ALL, &method, path);
        assert_eq!(found(Method::GET, "/list"), Unserved::Operation(1));
        assert_eq!(found(Method::HEAD, "list/"), Unserved::Operation(1));
        assert_eq!(found(Method::PUT, "/list/"), Unserved::Operation(2));
        assert_eq!(found(Method::DELETE, "/list"), Unserved::OtherMethods(vec!["GET", "PUT"]));
        assert_eq!(found(Method::POST, "/media/chat/interactions/0%2F1/accept"), Unserved::Operation(3));
        assert_eq!(found(Method::GET, "/media/ready"), Unserved::OtherMethods(vec!["POST"]));
        for unknown in ["", "/", "/lists", "/list/1", "/media", "/media/chat/interactions//accept", "/media/ready/now"]
        {
            assert_eq!(found(Method::POST, unknown), Unserved::Unknown, "{unknown}");
        }
    }

    #[test]
    fn a_wrong_method_is_told_with_those_that_there_are() {
        let response = without_method(&["GET", "PUT"]);
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()[header::ALLOW], "GET,PUT");
    }
}
