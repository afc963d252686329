//! Cases of the OpenID Connect Basic OP profile that no other test has. The page "Signing in" lists all of them with their tests.

use anyhow::{Context, Result, ensure};
use testkit::visitor::{self, REDIRECT, VERIFIER};
use testkit::{Installation, Visitor};

use super::forgeries::claims;
use super::person;

const USERINFO: &str = "/auth/v3/openid/userinfo";

#[test]
fn cases_of_the_basic_profile_hold() -> Result<()> {
    let site = Installation::start()?;
    let user = person(&site, "supervisor")?;
    let visitor = Visitor::new(&site)?;
    let tokens_for = |scope: &str| {
        let code = visitor.code_for(&[("scope", scope)], &user.user, &user.password)?;
        visitor.redeem(&code, VERIFIER)
    };

    // The order of scopes says nothing.
    let tokens = tokens_for("profile openid")?;
    let id_token = claims(&tokens.token("id_token")?)?;
    ensure!(id_token["aud"] == "demo" && id_token["iss"] == site.demo.issuer, "{id_token}");

    // Asked by POST, and for the same person as the ID token.
    let access = tokens.token("access_token")?;
    let bearer = format!("Authorization: Bearer {access}");
    let posted = visitor.post(USERINFO, &[], &["--header", &bearer])?;
    ensure!(posted.status == 200 && posted.json()?["sub"] == id_token["sub"], "{}", posted.body);
    let none = visitor.post(USERINFO, &[], &[])?;
    ensure!(none.status == 401 && none.header("www-authenticate").is_some(), "{} {}", none.status, none.head);

    // Each scope shows its claims and no others.
    for (scope, has_name) in [("openid", false), ("openid profile", true)] {
        let told = visitor.bearing(USERINFO, &tokens_for(scope)?.token("access_token")?)?.json()?;
        ensure!(told.get("preferred_username").is_some() == has_name, "{scope}: {told}");
        ensure!(told.get("given_name").is_some() == has_name, "{scope}: {told}");
    }

    // Whatever the page is to look like, a code comes.
    for display in ["page", "popup", "touch", "wap"] {
        let answer = visitor.authorize(&[("display", display)])?;
        let sent = answer.sent_to(REDIRECT).with_context(|| answer.head.clone())?;
        ensure!(visitor::value(&sent, "code").is_some(), "{display}: {sent:?}");
    }
    Ok(())
}
