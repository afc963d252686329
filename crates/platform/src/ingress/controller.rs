//! An ingress that stands before another one, its controller (telemetry-02): it ends the TLS of browsers and programs, and passes every
//! request on by HTTPS. The controller asks for proofs and leads to the roles; here is no key, no session and nobody's data.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::http::uri::Authority;
use axum::response::Response;
use net::http::{HttpsPass, Limits, LongPolls, Method, ServerAnswers, WiderLimits};
use net::tls::authorities;
use runtime::RoleContext;
use runtime::around::Entrance;

use super::{Settings, desktop};
use crate::{people_table, prompt_upload, shift_table};

/// The connection of the table.
const CONNECTION: &str = "telemetry-02";
/// Longer than the controller takes at most, so that it says what is late.
const ANSWER_WITHIN: Duration = Duration::from_secs(35);
/// The same for long polls of desktops.
const POLLS: LongPolls = LongPolls { answer_within: Duration::from_secs(85), ..desktop::POLLS };
/// So much earlier than the listener we ourselves give up, so that a controller that hangs is told, logged and counted.
const GIVES_UP_BEFORE: Duration = Duration::from_secs(2);
/// By so many hops a table of people goes from here to tenant, or comes from there.
const HOPS_TO_TENANT: u32 = 4;

/// Checks the setting.
pub(super) fn check(url: &str) -> Result<(), String> {
    if url.is_empty() { Ok(()) } else { authority(url).map(drop) }
}

/// The name and port of `https://HOST:PORT`.
fn authority(url: &str) -> Result<Authority, String> {
    let uri: Uri = url.parse().map_err(|error| format!("it is no URL: {error}"))?;
    let is_bare = uri.path() == "/" && uri.query().is_none() && !url.ends_with('/');
    let is_right = is_bare && uri.scheme_str() == Some("https") && uri.port_u16().is_some();
    let authority = uri.into_parts().authority.filter(|authority| is_right && !authority.as_str().contains('@'));
    authority.ok_or_else(|| "it must be https://HOST:PORT, as https://inside.example:8443".to_owned())
}

/// What the listeners `webs` and `web` serve, behind their limits: a token is asked for further inside.
///
/// # Errors
/// If the authorities cannot be read.
pub(super) fn routers(ctx: &RoleContext, settings: &Settings) -> Result<[Entrance; 2]> {
    let to = authority(&settings.controller).map_err(|why| anyhow!("ingress.controller: {why}"))?;
    let roots = match &settings.controller_authorities {
        Some(file) => authorities::of_files(&[file]).context("ingress.controller_authorities")?,
        // Without any, requests fail, each with its reason.
        None => authorities::of_system().0,
    };
    let answers = ServerAnswers { begin_within, are_for_known };
    let pass = Arc::new(HttpsPass::new(ctx, CONNECTION, to, roots, answers)?);
    let router = Router::new().fallback(to_controller).with_state(pass);
    // The controller knows whose tables it takes: here they are nobody's yet, and are not held for strangers.
    let limits = Limits { answer_within: ANSWER_WITHIN, polls: POLLS, wider, holds_wider: false, ..Limits::default() };
    let limited = |listener: &str| net::http::gated(ctx, listener, router.clone(), limits, |_, _| true);
    Ok([limited("webs")?, limited("web")?])
}

fn wider(method: &Method, path: &str) -> Option<WiderLimits> {
    let of_shifts = || shift_table::limits(method, path, HOPS_TO_TENANT);
    let of_prompts = || prompt_upload::limits(method, path, HOPS_TO_TENANT);
    people_table::limits(method, path, HOPS_TO_TENANT).or_else(of_shifts).or_else(of_prompts)
}

/// How long the controller may take to begin its answer.
fn begin_within(method: &Method, path: &str) -> Duration {
    let usual = if (POLLS.are)(method, path) { POLLS.answer_within } else { ANSWER_WITHIN };
    let by_listener = wider(method, path).map_or(usual, |wider| wider.body_within + wider.answer_within);
    by_listener.saturating_sub(GIVES_UP_BEFORE)
}

/// Whether the controller answers with success those alone who show a token that it takes, or a session: here is no key to tell them by.
fn are_for_known(method: &Method, path: &str) -> bool {
    // It answers a browser's question beforehand, which brings no token, by origin. A desktop that polls has a session.
    let asks_for_token = *method != Method::OPTIONS && !super::is_open(method, path);
    asks_for_token || desktop::is_poll(method, path)
}

async fn to_controller(State(pass): State<Arc<HttpsPass>>, request: Request) -> Response {
    pass.pass(request).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingress::routes;

    #[test]
    fn a_controller_has_a_host_and_a_port_and_is_reached_by_https() {
        assert_eq!(check(""), Ok(()));
        for (url, to) in
            [("https://127.0.0.1:8443", "127.0.0.1:8443"), ("https://[2001:db8::1]:443", "[2001:db8::1]:443")]
        {
            assert_eq!(authority(url).map(|authority| authority.to_string()).as_deref(), Ok(to));
        }
        for wrong in [
            "http://inside.example:8443",
            "https://inside.example",
            "https://inside.example:8443/",
            "https://inside.example:8443/x",
            "https://inside.example:8443?x=1",
            "https://ann@inside.example:8443",
            "inside.example:8443",
            "/",
            "a b",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_everybody_is_answered_makes_nobody_known() {
        for path in ["/", "/assets/x.js", "/auth/v3/oauth/token", "/session", "/sip", "/api/voice/v1/acme/events/ws"] {
            assert!(!are_for_known(&Method::GET, path), "{path}");
        }
        for path in ["/api/voice/v1/acme/events", "/pulse/api/v1/acme/wallboard", "/agent-setup/api/v1/acme/people"] {
            assert!(are_for_known(&Method::GET, path) && !are_for_known(&Method::OPTIONS, path), "{path}");
        }
        assert!(are_for_known(&Method::POST, "/telemetry/v1/traces"));
        assert!(are_for_known(&Method::POST, "/workspace/v3/notifications/connect"));
        assert!(!are_for_known(&Method::POST, "/workspace/v3/initialize-workspace"));
    }

    #[test]
    fn the_controller_says_first_what_is_late_and_one_that_hangs_is_noticed_before_the_listener_ends_the_request() {
        let usual = begin_within(&Method::GET, "/");
        assert!(Limits::default().answer_within < usual && usual < ANSWER_WITHIN);
        let poll = begin_within(&Method::POST, "/workspace/v3/notifications/connect");
        assert!(desktop::POLLS.answer_within < poll && poll < POLLS.answer_within);
        let table = "/agent-setup/api/v1/acme/people.csv";
        for method in [Method::POST, Method::GET] {
            let [outer, inner] = [wider, routes::wider].map(|limits| limits(&method, table).unwrap());
            let given_up = begin_within(&method, table);
            // The body passes both as it comes.
            let [by_inner, by_outer] = [inner, outer].map(|limits| limits.body_within + limits.answer_within);
            assert!(by_inner < given_up && given_up < by_outer, "{method}");
            assert_eq!(inner.body_bytes_max, outer.body_bytes_max, "{method}");
        }
        assert!(wider(&Method::DELETE, table).is_none());
    }
}
