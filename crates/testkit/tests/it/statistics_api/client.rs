//! A client without a library: HTTP by hand, with a token on every request and one session.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::installation::DemoUser;
use testkit::observe::Answer;
use testkit::{Installation, Visitor};

pub(super) const COOKIE: &str = "STATISTICS_SESSIONID";

/// A token for somebody of the demo, by the password.
pub(super) fn token(site: &Installation, user: &DemoUser) -> Result<String> {
    Visitor::new(site)?.by_password(&user.user, &user.password)?.token("access_token")
}

/// The header with a token.
pub(super) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// Asks below `/statistics/v3` with these headers, each ended by CR LF.
pub(super) fn asked(
    site: &Installation,
    headers: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<(u16, Value)> {
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let Answer { status, body } = site.http_with(web, method, &format!("/statistics/v3/{path}"), headers, &body)?;
    let read = serde_json::from_str(&body).with_context(|| format!("{method} {path}: {status} {body}"))?;
    Ok((status, read))
}

/// A statistic by its name.
pub(super) fn named(id: &str, name: &str, object_type: &str, object_id: &str) -> Value {
    json!({"statisticId": id, "name": name, "objectType": object_type, "objectId": object_id})
}

/// Somebody with a session.
pub(super) struct PlainClient<'a> {
    site: &'a Installation,
    /// The access token.
    pub(super) token: String,
    /// The value of the session's cookie.
    pub(super) cookie: String,
}

impl<'a> PlainClient<'a> {
    /// Shakes hands, which begins the session.
    pub(super) fn begun(site: &'a Installation, user: &DemoUser) -> Result<Self> {
        let token = token(site, user)?;
        let hello = json!([{
            "id": "1", "channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"],
        }]);
        let (bearer, body) = (format!("authorization: Bearer {token}"), hello.to_string());
        let arguments = ["--header", &bearer, "--header", "content-type: application/json", "--data-binary", &body];
        let answer = Visitor::new(site)?.ask("/statistics/v3/notifications/handshake", &arguments)?;
        ensure!(answer.status == 200, "{} {}", answer.head, answer.body);
        ensure!(answer.json()?[0]["successful"] == true, "{}", answer.body);
        let set = answer.header("set-cookie").with_context(|| format!("no cookie: {}", answer.head))?;
        let value = set.strip_prefix(COOKIE).and_then(|rest| rest.strip_prefix('=')).with_context(|| set.to_owned())?;
        let cookie = value.split(';').next().unwrap_or_default().to_owned();
        Ok(Self { site, token, cookie })
    }

    /// Goes on with a session.
    pub(super) fn with_cookie(site: &'a Installation, user: &DemoUser, cookie: &str) -> Result<Self> {
        Ok(Self { site, token: token(site, user)?, cookie: cookie.to_owned() })
    }

    /// Asks with token and cookie.
    pub(super) fn ask(&self, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
        let headers = format!("{}Cookie: {COOKIE}={}\r\n", bearer(&self.token), self.cookie);
        asked(self.site, &headers, method, path, body)
    }

    /// Opens a subscription.
    pub(super) fn subscribes(&self, id: &str, statistics: &Value) -> Result<(u16, Value)> {
        self.ask("POST", "subscriptions", &json!({"operationId": id, "data": {"statistics": statistics}}))
    }
}
