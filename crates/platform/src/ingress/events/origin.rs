//! Which pages of other origins may open streams here (RFC 6454). A program that is no browser sends no `Origin`.

use axum::http::{HeaderMap, header};
use net::http::Problem;

/// The origins that are let in besides that of the edge itself.
pub(super) struct Origins(Vec<String>);

impl Origins {
    pub fn new(origins: &[String]) -> Self {
        Self(origins.iter().map(|origin| origin.to_ascii_lowercase()).collect())
    }

    /// Refuses (403) a page of an origin that is not let in.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let is_own = origin.split_once("://").is_some_and(|(_, of)| of.eq_ignore_ascii_case(host));
        if is_own || self.0.contains(&origin) {
            return Ok(());
        }
        Err(Problem::forbidden("pages of this origin are not let in: see the setting ingress.origins"))
    }
}

/// Checks an origin of the settings: scheme and host, and a port if it is not the scheme's own.
pub(in crate::ingress) fn check(origins: &[String]) -> Result<(), String> {
    let is_origin = |origin: &String| {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']))
    };
    match origins.iter().find(|origin| !is_origin(origin)) {
        Some(other) => Err(format!("{other:?} is not scheme and host, as https://desk.example")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_another_origin_needs_the_setting() {
        let origins = Origins::new(&["https://Desk.example".to_owned()]);
        let check = |origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "edge.example:8080".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            origins.check(&headers).is_ok()
        };
        for (origin, is_let_in) in [
            (None, true),
            (Some("http://edge.example:8080"), true),
            (Some("https://desk.example"), true),
            (Some("http://desk.example"), false),
            (Some("http://edge.example"), false),
            (Some("null"), false),
            (Some("https://evil.example"), false),
        ] {
            assert_eq!(check(origin), is_let_in, "{origin:?}");
        }
    }

    #[test]
    fn an_origin_is_scheme_and_host() {
        let check = |origin: &str| super::check(&[origin.to_owned()]).is_ok();
        assert!(check("https://desk.example") && check("http://127.0.0.1:5173"));
        for wrong in ["desk.example", "https://", "https://desk.example/", "*", "ws://desk.example"] {
            assert!(!check(wrong), "{wrong}");
        }
    }
}
