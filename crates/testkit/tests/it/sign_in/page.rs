//! The sign-in page under attack: forged forms, foreign pages, planted cookies, and what its answers tell about people.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::visitor::{CurlAnswer, REDIRECT, SESSION, VERIFIER, path_of};
use testkit::{Installation, Visitor, wait};

use super::person;

const SIGN_IN: &str = "/auth/v3/sign-in";
const SIGN_OUT: &str = "/auth/v3/sign-out";
const WRONG: &str = "tall green kettle";
const SOON: Duration = Duration::from_secs(45);

#[test]
fn the_sign_in_page_withstands_forged_forms_and_tells_nothing() -> Result<()> {
    let site = Installation::start()?;
    framed(&site)?;
    forged_forms(&site)?;
    planted_cookies(&site)?;
    enumerated(&site)?;
    signed_out(&site)?;
    disabled(&site)
}

/// Nobody frames it, keeps it or reads it as something else.
fn framed(site: &Installation) -> Result<()> {
    let visitor = Visitor::new(site)?;
    let begun = visitor.authorize(&[])?;
    let of_program = path_of(begun.location().context("no page")?);
    for path in
        [SIGN_IN, of_program.as_str(), "/auth/v3/oauth/authorize?client_id=nobody", "/auth/v3/sign-out?page=true"]
    {
        let page = visitor.ask(path, &[])?;
        let policy = page.header("content-security-policy").context("no policy")?;
        for rule in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
            ensure!(policy.contains(rule), "{path}: {policy}");
        }
        for (name, value) in
            [("x-frame-options", "DENY"), ("cache-control", "no-store"), ("x-content-type-options", "nosniff")]
        {
            ensure!(page.header(name) == Some(value), "{path}: {}", page.head);
        }
        ensure!(!page.body.contains("<script"), "{path} has a script");
    }
    for header in ["location", "referrer-policy", "cache-control"] {
        ensure!(begun.header(header).is_some(), "{}", begun.head);
    }
    Ok(())
}

fn is_signed_in(visitor: &Visitor<'_>) -> Result<bool> {
    Ok(visitor.ask("/auth/v3/ping", &[])?.status == 200)
}

/// A form counts with the cookie that it was sent with, from a page of this host.
fn forged_forms(site: &Installation) -> Result<()> {
    let user = person(site, "agent")?;
    let typed = [("username", user.user.as_str()), ("password", user.password.as_str())];
    let of_form = |visitor: &Visitor<'_>| {
        let (_, hidden) = visitor.form(SIGN_IN)?;
        let token = hidden.into_iter().find(|(name, _)| name == "form_token").context("no token")?;
        anyhow::Ok(token.1)
    };
    let attacker = Visitor::new(site)?;
    let attackers = of_form(&attacker)?;
    let victim = Visitor::new(site)?;
    let own = of_form(&victim)?;
    let fresh = Visitor::new(site)?;
    for (what, visitor, token) in [
        ("no cookie and no token", &fresh, ""),
        ("no cookie", &Visitor::new(site)?, own.as_str()),
        ("no token", &victim, ""),
        ("the token of another browser", &victim, attackers.as_str()),
        ("nonsense as a token", &victim, "AAAA"),
    ] {
        let fields = [typed[0], typed[1], ("form_token", token)];
        let answer = visitor.post(SIGN_IN, &fields, &[])?;
        ensure!(answer.status == 403 && answer.location().is_none(), "{what}: {} {}", answer.status, answer.head);
        ensure!(!is_signed_in(visitor)?, "{what} signs in");
    }
    for foreign in [
        "Origin: https://evil.example",
        "Origin: null",
        "Origin: http://127.0.0.1:1",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ] {
        let answer = victim.fill_in(SIGN_IN, &user.user, &user.password, &["--header", foreign])?;
        ensure!(answer.status == 403 && !is_signed_in(&victim)?, "{foreign}: {}", answer.status);
    }
    let twice = victim.ask(SIGN_IN, &["--data", "username=a&username=b"])?;
    ensure!(twice.status == 400, "a name that comes twice: {}", twice.status);
    let long = victim.fill_in(SIGN_IN, &"x".repeat(20_000), WRONG, &[])?;
    ensure!((400..500).contains(&long.status), "a name of 20 kB: {}", long.status);
    let own_page = ["--header", &format!("Origin: {}", site.demo.web), "--header", "Sec-Fetch-Site: same-origin"];
    let answer = victim.fill_in(SIGN_IN, &user.user, &user.password, &own_page)?;
    ensure!(answer.status == 303 && is_signed_in(&victim)?, "{} {}", answer.status, answer.body);
    Ok(())
}

/// A session has a new name after the password; one that somebody else knows is over.
fn planted_cookies(site: &Installation) -> Result<()> {
    let (user, other) = (person(site, "agent")?, person(site, "supervisor")?);
    let victim = Visitor::new(site)?;
    victim.plant(SESSION, "ZXhhbXBsZQ.planted-by-somebody")?;
    ensure!(!is_signed_in(&victim)?, "a made-up session counts");
    victim.sign_in(&user.user, &user.password)?;
    let named = victim.cookie(SESSION)?.context("no session")?;
    ensure!(named != "ZXhhbXBsZQ.planted-by-somebody" && is_signed_in(&victim)?, "a planted name became a session");

    // The attacker's own session, planted: signing in ends it, so that the attacker does not share what follows.
    let attacker = Visitor::new(site)?;
    attacker.sign_in(&other.user, &other.password)?;
    let attackers = attacker.cookie(SESSION)?.context("no session")?;
    let victim = Visitor::new(site)?;
    victim.plant(SESSION, &attackers)?;
    victim.comes_back(&[("prompt", "login")], &user.user, &user.password)?;
    ensure!(victim.cookie(SESSION)?.is_some_and(|now| now != attackers), "the session keeps its name");
    ensure!(is_signed_in(&victim)? && !is_signed_in(&attacker)?, "a session of before the password lives on");

    let set = Visitor::new(site)?.sign_in(&user.user, &user.password)?;
    let cookie = set.head.lines().find(|line| line.to_lowercase().starts_with("set-cookie: trunkline-session="));
    let cookie = cookie.context("no session is set")?;
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        ensure!(cookie.contains(attribute) && !cookie.contains("Domain="), "{attribute} is missing");
    }
    Ok(())
}

/// A page without what binds its form to the browser: that may be new each time.
fn without_token(page: &str) -> String {
    const FIELD: &str = "name=\"form_token\" value=\"";
    let (before, after) = page.split_once(FIELD).unwrap_or((page, ""));
    format!("{before}{}", after.split_once('"').map_or("", |(_, rest)| rest))
}

/// An unknown person and a wrong password have the same answer, but for the name that was typed.
fn enumerated(site: &Installation) -> Result<()> {
    let user = person(site, "administrator")?;
    let visitor = Visitor::new(site)?;
    let at_page = |name: &str| {
        let answer = visitor.fill_in(SIGN_IN, name, WRONG, &[])?;
        anyhow::Ok((answer.status, without_token(&answer.body).replace(&format!("value=\"{name}\""), "value=\"\"")))
    };
    let by_password = |name: &str| visitor.by_password(name, WRONG).map(|answer| (answer.status, answer.body));
    let unknown = "nobody.known";
    let (page, answer) = (at_page(unknown)?, by_password(unknown)?);
    ensure!(page.0 == 401 && answer.0 == 400, "{page:?}, {answer:?}");
    for name in [user.user.as_str(), "example\\nobody.known", "other\\nobody.known"] {
        ensure!(at_page(name)? == page, "the page tells {name} from nobody");
        ensure!(by_password(name)? == answer, "the token endpoint tells {name} from nobody");
    }
    Ok(())
}

fn is_over(answer: &CurlAnswer) -> bool {
    answer.error() == "invalid_grant"
}

/// Signing out ends what came of the session, and leads to no other place than a registered one.
fn signed_out(site: &Installation) -> Result<()> {
    let user = person(site, "supervisor")?;
    let visitor = Visitor::new(site)?;
    for name in ["redirectUri", "post_logout_redirect_uri"] {
        for elsewhere in [
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "https:evil.example",
            "http://127.0.0.1:9/callback/../x",
            "http://127.0.0.1:9/callback#x",
            "http://127.0.0.1:9@evil.example/callback",
            "javascript:alert(1)",
            "data:text/html,x",
        ] {
            let answer = visitor.query(SIGN_OUT, &[(name, elsewhere), ("client_id", "demo")])?;
            ensure!(answer.status == 400 && answer.location().is_none(), "{elsewhere}: {}", answer.head);
        }
        let tokens = visitor.redeem(&visitor.code(&user.user, &user.password)?, VERIFIER)?;
        let back = visitor.query(SIGN_OUT, &[(name, REDIRECT), ("state", "s 1")])?;
        let sent = back.sent_to(REDIRECT).with_context(|| back.head.clone())?;
        ensure!(testkit::visitor::value(&sent, "state") == Some("s 1"), "{sent:?}");
        ensure!(!is_signed_in(&visitor)?, "the session lives on");
        ensure!(is_over(&visitor.refresh(&tokens.token("refresh_token")?)?), "its refresh token lives on");
        let claims = visitor.bearing("/auth/v3/openid/userinfo", &tokens.token("access_token")?)?;
        ensure!(claims.status == 401, "its access token opens userinfo: {}", claims.status);
    }
    Ok(())
}

/// Somebody who is disabled is refused as with a wrong password, and loses what there was.
fn disabled(site: &Installation) -> Result<()> {
    let user = person(site, "agent")?;
    let visitor = Visitor::new(site)?;
    let tokens = visitor.redeem(&visitor.code(&user.user, &user.password)?, VERIFIER)?;
    let named = format!("user: {},", user.user);
    site.change_example(|file| {
        let disable = |line: &str| match line.contains(&named) {
            true => line.replacen(&named, &format!("{named} disabled: true,"), 1),
            false => line.to_owned(),
        };
        file.lines().map(|line| disable(line) + "\n").collect()
    })?;
    wait::until(SOON, || Ok((!is_signed_in(&visitor)?).then_some(()))).context("the session of a disabled person")?;
    ensure!(visitor.authorize(&[])?.asks_for_a_password(), "a disabled person gets a code");
    ensure!(is_over(&visitor.refresh(&tokens.token("refresh_token")?)?), "a refresh token of a disabled person");
    let (wrong, right) =
        (visitor.fill_in(SIGN_IN, &user.user, WRONG, &[])?, visitor.fill_in(SIGN_IN, &user.user, &user.password, &[])?);
    let is_same = without_token(&right.body) == without_token(&wrong.body);
    ensure!(is_same && (right.status, wrong.status) == (401, 401), "{} {}", right.status, right.body);
    let (wrong, right) = (visitor.by_password(&user.user, WRONG)?, visitor.by_password(&user.user, &user.password)?);
    ensure!((right.status, &right.body) == (wrong.status, &wrong.body) && is_over(&right), "{}", right.body);
    Ok(())
}
