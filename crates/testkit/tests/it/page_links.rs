//! Links with a token: the page gives the token up for a cookie of the edge, which is good for pages of this host alone.

use anyhow::{Context as _, Result, ensure};
use testkit::Installation;
use testkit::visitor::{CurlAnswer, Visitor};

const WALLBOARD: &str = "/pulse/api/v1/example/wallboard";

fn exchange(visitor: &Visitor<'_>, token: &str, said: &[&str]) -> Result<CurlAnswer> {
    let bearer = format!("authorization: Bearer {token}");
    let said: Vec<&str> = said.iter().flat_map(|header| ["--header", *header]).collect();
    visitor.ask("/session/exchange", &[&["--request", "POST", "--header", &bearer][..], &said].concat())
}

#[test]
fn the_token_of_a_link_becomes_a_cookie_that_only_our_pages_use() -> Result<()> {
    let site = Installation::start()?;
    let token = site.demo.tokens.get("wallboard").context("no token")?;
    let visitor = Visitor::new(&site)?;
    let own = format!("origin: {}", site.demo.web);

    for said in [&[][..], &["origin: https://evil.example"], &[own.as_str(), "sec-fetch-site: cross-site"]] {
        let refused = exchange(&visitor, token, said)?;
        ensure!(refused.status == 403 && refused.header("set-cookie").is_none(), "{said:?}: {}", refused.head);
    }
    let bad = exchange(&visitor, "a.b.c", &[&own])?;
    ensure!(bad.status == 401 && bad.header("set-cookie").is_none(), "{}", bad.head);

    let given = exchange(&visitor, token, &[&own])?;
    ensure!(given.status == 200, "{} {}", given.head, given.body);
    let id = given.token("link")?;
    let cookie = given.header("set-cookie").context("no cookie")?;
    ensure!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    ensure!(!given.head.contains(token.as_str()) && !given.body.contains(token.as_str()), "the token is told");

    // The cookie is good where its link is named, and gives what the token gives.
    let link = format!("trunkline-link: {id}");
    let named = visitor.ask(WALLBOARD, &["--header", &link])?;
    ensure!(named.status == 200, "{} {}", named.head, named.body);
    ensure!(visitor.ask(WALLBOARD, &[])?.status == 401, "it counts unasked");
    ensure!(visitor.ask(WALLBOARD, &["--header", "trunkline-link: 0123456789abcdef"])?.status == 401);
    ensure!(Visitor::new(&site)?.ask(WALLBOARD, &["--header", &link])?.status == 401, "the id alone is enough");
    let foreign = visitor.ask(WALLBOARD, &["--header", &link, "--header", "origin: https://evil.example"])?;
    ensure!(foreign.status == 403, "{}", foreign.head);
    let beyond = visitor.ask("/agent-setup/api/v1/example/objects/person", &["--header", &link])?;
    ensure!(matches!(beyond.status, 401 | 403), "{} {}", beyond.head, beyond.body);

    // The link is opened again: it was not used up. A sign-out forgets it in this browser.
    ensure!(exchange(&Visitor::new(&site)?, token, &[&own])?.token("link")? == id);
    let out = visitor.ask("/session/sign-out", &["--request", "POST", "--header", &own])?;
    ensure!(out.status == 204, "{} {}", out.head, out.body);
    ensure!(visitor.ask(WALLBOARD, &["--header", &link])?.status == 401, "it is not forgotten");
    ensure!(!site.log_lines().join("\n").contains(token.as_str()), "the token is in the log");
    Ok(())
}
