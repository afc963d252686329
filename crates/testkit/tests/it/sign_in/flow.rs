//! The code flow of a program, and what a token opens.

use anyhow::{Context, Result, ensure};
use testkit::visitor::{REDIRECT, VERIFIER};
use testkit::{Installation, Visitor};

use super::person;

/// own-11, own-09: the whole code flow, and what must not work of it.
#[test]
fn a_person_signs_in_at_the_page_and_a_program_gets_tokens_by_a_code() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    let (user, password) = (&site.demo.users[0].user, &site.demo.users[0].password);

    let code = visitor.code(user, password)?;
    ensure!(visitor.redeem(&code, &"x".repeat(43))?.error() == "invalid_grant", "a wrong verifier is taken");

    // Signed in: the page is not shown again.
    let code = visitor.code(user, "no longer asked for")?;
    let tokens = visitor.redeem(&code, VERIFIER)?;
    ensure!(tokens.status == 200 && tokens.header("cache-control") == Some("no-store"), "{}", tokens.head);
    let access = tokens.token("access_token")?;
    let claims = visitor.bearing("/auth/v3/openid/userinfo", &access)?;
    ensure!(claims.json()?["sub"].as_str().is_some_and(|sub| sub.contains(user.as_str())), "{}", claims.body);
    let with_id_token = visitor.bearing("/auth/v3/userinfo", &tokens.token("id_token")?)?;
    ensure!(with_id_token.status == 401, "an ID token opens: {}", with_id_token.status);
    ensure!(visitor.bearing("/auth/v3/ping", &access)?.status == 200, "the bearer is not signed in");

    // A refresh token is good once, but for the last few, whose answers may have been lost; an older one ends what came of it.
    let first = tokens.token("refresh_token")?;
    let mut latest = first.clone();
    for _ in 0..6 {
        latest = visitor.refresh(&latest)?.token("refresh_token")?;
    }
    ensure!(visitor.refresh(&first)?.error() == "invalid_grant", "an old refresh token is taken");
    ensure!(visitor.refresh(&latest)?.error() == "invalid_grant", "its family lives on");
    ensure!(visitor.bearing("/auth/v3/userinfo", &access)?.status == 401, "its access token lives on");

    // A code is good once, and what it gave ends with the second use.
    let code = visitor.code(user, password)?;
    let given = visitor.redeem(&code, VERIFIER)?;
    ensure!(visitor.redeem(&code, VERIFIER)?.error() == "invalid_grant", "a code is taken twice");
    ensure!(visitor.refresh(&given.token("refresh_token")?)?.error() == "invalid_grant", "what the code gave lives on");
    let userinfo = visitor.bearing("/auth/v3/userinfo", &given.token("access_token")?)?;
    ensure!(userinfo.status == 401, "the access token that the code gave lives on");

    // Signed out: a code of before is worth nothing, a refresh token neither, and the password is asked for again.
    let given = visitor.redeem(&visitor.code(user, password)?, VERIFIER)?.token("refresh_token")?;
    let code = visitor.code(user, password)?;
    ensure!(visitor.post("/auth/v3/sign-out", &[], &[])?.status == 200, "no sign-out");
    ensure!(visitor.redeem(&code, VERIFIER)?.error() == "invalid_grant", "a code outlives its session");
    ensure!(visitor.refresh(&given)?.error() == "invalid_grant", "a refresh token outlives its session");
    let again = visitor.authorize(&[])?;
    ensure!(again.asks_for_a_password() && again.sent_to(REDIRECT).is_none(), "{}", again.head);
    Ok(())
}

/// What a token opens follows from who bears it.
#[test]
fn a_token_opens_what_its_person_may() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    let (agent, administrator) = (person(&site, "agent")?, person(&site, "administrator")?);

    let token = visitor.by_password(&administrator.user, &administrator.password)?.token("access_token")?;
    let traces = "/api/operations/v1/example/traces?limit=1";
    let opened = visitor.bearing(traces, &token)?;
    ensure!(opened.status == 200, "{traces}: {} {}", opened.status, opened.body);
    // It is of all tenants together.
    let topology = visitor.bearing("/api/operations/v1/topology", &token)?;
    ensure!(
        topology.status == 403,
        "a tenant's administrator sees the topology: {} {}",
        topology.status,
        topology.body
    );
    let token = visitor.by_password(&agent.user, &agent.password)?.token("access_token")?;
    ensure!(visitor.bearing(traces, &token)?.status == 401, "an agent sees traces");

    // An agent's token is tied to the phone at the agent's own place.
    let ask = |dn: &str| {
        let request = format!(
            r#"{{"req":"TAgentLogin","ThisDN":"{dn}","AgentID":"{}","ReferenceID":1}}"#,
            agent.agent.as_deref().unwrap_or_default()
        );
        let authorization = format!("Authorization: Bearer {token}");
        let key = format!("Idempotency-Key: login-{dn}");
        let headers = [authorization.as_str(), "Content-Type: application/json", &key];
        let mut arguments: Vec<&str> = headers.iter().flat_map(|header| ["--header", *header]).collect();
        arguments.extend(["--data", &request]);
        visitor.ask("/api/voice/v1/example/requests", &arguments)
    };
    let own = ask(agent.dn.as_deref().context("no DN")?)?;
    ensure!(own.status == 202, "{} {}", own.status, own.body);
    ensure!(ask("7102")?.status == 403, "an agent's token acts at another phone");

    // Nothing of it is in the log.
    let log = site.log_lines().join("\n");
    for secret in [&agent.password, &administrator.password, &token, &site.demo.clients[0].secret] {
        ensure!(!log.contains(secret.as_str()), "a secret is in the log");
    }
    Ok(())
}
