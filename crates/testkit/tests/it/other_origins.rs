//! Pages of other origins at the APIs of the web edge (CORS), judged by what a browser is told.

use anyhow::{Context as _, Result, ensure};
use testkit::Installation;
use testkit::visitor::{CurlAnswer, Visitor};

const ALLOWED: &str = "access-control-allow-origin";
const DESK: &str = "https://desk.example";
const CRM: &str = "https://crm.example";
const OF_OTHERS: &str = "https://other.example";
const EVIL: &str = "https://evil.example";
/// An API of each kind: a request, the wallboard, configuration, workforce, telemetry.
const APIS: [&str; 5] = [
    "/api/voice/v1/example/requests",
    "/pulse/api/v1/example/wallboard",
    "/agent-setup/api/v1/example/changes",
    "/wfm/v1/example/agents",
    "/telemetry/v1/traces",
];

fn beforehand(visitor: &Visitor<'_>, path: &str, origin: &str) -> Result<CurlAnswer> {
    let said = format!("origin: {origin}");
    let asked = ["--request", "OPTIONS", "--header", &said, "--header", "access-control-request-method: POST"];
    visitor.ask(path, &asked)
}

#[test]
fn a_page_of_another_origin_uses_the_apis_with_a_token_of_a_tenant_that_lets_it_in() -> Result<()> {
    let for_all = format!("ingress.origins=[{DESK:?}]");
    let cors = format!(r#"ingress.cors={{"example":{{"urls":[{CRM:?}]}},"other":{{"urls":[{OF_OTHERS:?}]}}}}"#);
    let site = Installation::start_with(&["--set", &for_all, "--set", &cors])?;
    let visitor = Visitor::new(&site)?;
    for path in APIS {
        for origin in [DESK, CRM, OF_OTHERS] {
            let told = beforehand(&visitor, path, origin)?;
            ensure!(told.status == 204 && told.header(ALLOWED) == Some(origin), "{path} {origin}: {}", told.head);
            ensure!(told.header("access-control-allow-credentials").is_none(), "{}", told.head);
        }
        let told = beforehand(&visitor, path, EVIL)?;
        ensure!(told.status == 403 && told.header(ALLOWED).is_none(), "{path}: {}", told.head);
    }

    // The token of the tenant `example` decides who reads what is answered, whatever that is.
    let token = site.demo.tokens.get("wallboard").context("no token")?;
    let bearer = format!("authorization: Bearer {token}");
    for path in ["/pulse/api/v1/example/wallboard", "/wfm/v1/example/agents"] {
        for (origin, may) in [(DESK, true), (CRM, true), (OF_OTHERS, false), (EVIL, false)] {
            let said = format!("origin: {origin}");
            let told = visitor.ask(path, &["--header", &bearer, "--header", &said])?;
            ensure!((told.header(ALLOWED) == Some(origin)) == may, "{path} {origin}: {}", told.head);
            ensure!(told.head.to_ascii_lowercase().contains("vary: origin"), "{path} {origin}: {}", told.head);
        }
    }
    // Without a token nobody knows the tenant: pages that any of them lets in may read why they are refused.
    for (origin, may) in [(DESK, true), (CRM, true), (EVIL, false)] {
        let said = format!("origin: {origin}");
        let told = visitor.ask("/pulse/api/v1/example/wallboard", &["--header", &said])?;
        ensure!(told.status == 401 && told.header(ALLOWED).is_some() == may, "{origin}: {}", told.head);
    }
    Ok(())
}
