//! What a person has open: sessions and sign-ins, how they end, what a new password does to them, and what the page loads that is shown
//! after a sign-out.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testkit::facts::{connect, runtime, tenant_role};
use testkit::visitor::{CurlAnswer, REDIRECT, VERIFIER, Visitor, attribute, changed};
use testkit::{Installation, wait};

use crate::provisioning;

const SESSIONS: &str = "/auth/v3/sessions";
const CHANGE: &str = "/auth/v3/change-password";
const ANOTHER: &str = "slow brown teapot";
const SOON: Duration = Duration::from_secs(45);
/// What browsers say of a page that is not of this host.
const FOREIGN: [&str; 4] =
    ["Origin: https://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"];

fn is_signed_in(visitor: &Visitor<'_>) -> Result<bool> {
    Ok(visitor.ask("/auth/v3/ping", &[])?.status == 200)
}

/// The rows of the list, of which each says whether it is the one that asks.
fn listed(answer: &CurlAnswer) -> Result<Vec<Value>> {
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok(answer.json()?["data"]["sessions"].as_array().context("no list")?.clone())
}

fn change(visitor: &Visitor<'_>, authorization: Option<&str>, data: &Value) -> Result<CurlAnswer> {
    let authorization = authorization.map(|token| format!("Authorization: Bearer {token}"));
    change_with(visitor, authorization.as_deref(), data)
}

/// The same with that header.
fn change_with(visitor: &Visitor<'_>, header: Option<&str>, data: &Value) -> Result<CurlAnswer> {
    let body = json!({ "data": data, "operationId": "7" }).to_string();
    let said = ["--header", "Content-Type: application/json", "--data", &body];
    let header: Vec<&str> = header.into_iter().flat_map(|header| ["--header", header]).collect();
    visitor.ask(CHANGE, &[&said[..], &header[..]].concat())
}

#[test]
fn a_person_sees_what_is_open_and_ends_it() -> Result<()> {
    let site = Installation::start()?;
    let (user, other) = (&site.demo.users[0], &site.demo.users[1]);
    let (desk, home, stranger) = (Visitor::new(&site)?, Visitor::new(&site)?, Visitor::new(&site)?);
    let tokens = desk.redeem(&desk.code(&user.user, &user.password)?, VERIFIER)?;
    home.sign_in(&user.user, &user.password)?;
    stranger.sign_in(&other.user, &other.password)?;
    let nobody = Visitor::new(&site)?.ask(SESSIONS, &[])?;
    ensure!(nobody.status == 401, "{}", nobody.status);

    let rows = listed(&desk.ask(SESSIONS, &[])?)?;
    ensure!(rows.len() == 3, "{rows:?}");
    let of = |kind: &str, current: bool| {
        let row = rows.iter().find(|row| row["kind"] == kind && row["current"] == current);
        row.and_then(|row| row["id"].as_str()).with_context(|| format!("no {kind} in {rows:?}"))
    };
    let (this, at_home, program) = (of("browser", true)?, of("browser", false)?, of("program", false)?);
    let by_token = listed(&home.bearing(SESSIONS, &tokens.token("access_token")?)?)?;
    let asking: Vec<_> = by_token.iter().filter(|row| row["current"] == true).collect();
    ensure!(asking.len() == 1 && asking[0]["id"] == program && asking[0]["browser"] == this, "{by_token:?}");

    let delete = |visitor: &Visitor<'_>, id: &str, more: &[&str]| {
        visitor.ask(&format!("{SESSIONS}/{id}"), &[&["--request", "DELETE"][..], more].concat())
    };
    ensure!(delete(&stranger, at_home, &[])?.status == 404, "somebody else ends a session");
    let foreign = delete(&desk, at_home, &["--header", "Origin: https://evil.example"])?;
    ensure!(foreign.status == 403 && is_signed_in(&home)?, "a page of another host ends a session");
    ensure!(delete(&desk, at_home, &[])?.status == 200 && !is_signed_in(&home)?, "it lives on");
    ensure!(delete(&desk, at_home, &[])?.status == 404, "it ends twice");

    // The page does the same by its form.
    let page = desk.ask(SESSIONS, &["--header", "Accept: text/html"])?;
    ensure!(page.status == 200 && page.body.contains(program) && !page.body.contains("<script"), "{}", page.body);
    ensure!(desk.post(SESSIONS, &[("id", program)], &[])?.status == 403, "without the form");
    let token = page.body.split("name=\"form_token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let fields = [("form_token", token.context("no token")?), ("id", this)];
    ensure!(desk.post(SESSIONS, &fields, &[])?.status == 303 && !is_signed_in(&desk)?, "it lives on");
    let refreshed = desk.refresh(&tokens.token("refresh_token")?)?;
    ensure!(refreshed.error() == "invalid_grant", "what came of it lives on: {}", refreshed.body);
    foreign_pages_sign_nobody_out_elsewhere(&site)
}

/// A page of another host may have this browser signed out, as a link does, and ends nothing else that the person has.
fn foreign_pages_sign_nobody_out_elsewhere(site: &Installation) -> Result<()> {
    let user = &site.demo.users[0];
    let everywhere = format!("{SIGN_OUT}?global=true");
    let (desk, home) = (Visitor::new(site)?, Visitor::new(site)?);
    home.sign_in(&user.user, &user.password)?;
    let mut program = home.by_password(&user.user, &user.password)?.token("refresh_token")?;
    // A link, and a form.
    for (foreign, method) in FOREIGN.into_iter().zip(["GET", "POST", "GET", "POST"]) {
        desk.sign_in(&user.user, &user.password)?;
        let out = desk.ask(&everywhere, &["--request", method, "--header", foreign])?;
        ensure!(out.status == 200 && !is_signed_in(&desk)?, "{foreign}: {} {}", out.status, out.body);
        ensure!(is_signed_in(&home)?, "{foreign}: a page of another host ends all sessions");
        program = home.refresh(&program)?.token("refresh_token").with_context(|| foreign.to_owned())?;
    }
    desk.sign_in(&user.user, &user.password)?;
    desk.ask(&everywhere, &["--request", "POST", "--header", "Sec-Fetch-Site: same-origin"])?;
    ensure!(!is_signed_in(&desk)? && !is_signed_in(&home)?, "the person's own page does not end them all");
    ensure!(home.refresh(&program)?.error() == "invalid_grant", "a sign-in at a program lives on");
    Ok(())
}

#[test]
fn whoever_signs_in_again_signs_out_of_what_came_before_too() -> Result<()> {
    let site = Installation::start()?;
    let user = &site.demo.users[0];
    let desk = Visitor::new(&site)?;
    let before = desk.redeem(&desk.code(&user.user, &user.password)?, VERIFIER)?.token("refresh_token")?;
    let id = |desk: &Visitor<'_>| {
        let rows = listed(&desk.ask(SESSIONS, &[])?)?;
        let ids: Vec<_> = rows.iter().filter(|row| row["kind"] == "browser").map(|row| row["id"].clone()).collect();
        ensure!(ids.len() == 1, "{rows:?}");
        anyhow::Ok(ids)
    };
    let session = id(&desk)?;
    let again = desk.code_for(&[("prompt", "login")], &user.user, &user.password)?;
    let after = desk.redeem(&again, VERIFIER)?.token("refresh_token")?;
    ensure!(id(&desk)? == session, "it is another session");
    let refreshed = desk.refresh(&before)?;
    ensure!(refreshed.status == 200, "signing in again ends a program: {}", refreshed.body);
    ensure!(desk.ask(SIGN_OUT, &["--request", "POST"])?.status == 200, "no sign-out");
    for (token, what) in [(refreshed.token("refresh_token")?, "before"), (after, "after")] {
        ensure!(desk.refresh(&token)?.error() == "invalid_grant", "what came {what} signing in again goes on");
    }
    Ok(())
}

#[test]
fn whoever_was_disabled_has_nothing_open_once_enabled_again() -> Result<()> {
    let site = Installation::start()?;
    let (user, other) = (&site.demo.users[0], &site.demo.users[1]);
    let (asleep, stranger) = (Visitor::new(&site)?, Visitor::new(&site)?);
    let tokens = asleep.redeem(&asleep.code(&user.user, &user.password)?, VERIFIER)?;
    stranger.sign_in(&other.user, &other.password)?;
    let named = format!("user: {},", user.user);
    site.change_example(|file| file.replacen(&named, &format!("{named} disabled: true,"), 1))?;
    site.change_example(|file| file.replacen(", disabled: true", "", 1))?;
    // Nothing of it was shown meanwhile, so that nobody was refused.
    wait::until(SOON, || Ok((!is_signed_in(&asleep)?).then_some(()))).context("the session goes on")?;
    let refreshed = asleep.refresh(&tokens.token("refresh_token")?)?;
    ensure!(refreshed.error() == "invalid_grant", "a sign-in at a program goes on: {}", refreshed.body);
    ensure!(is_signed_in(&stranger)?, "somebody else is signed out");
    // The person signs in anew, and stays so.
    ensure!(asleep.sign_in(&user.user, &user.password)?.status == 303 && is_signed_in(&asleep)?, "nobody gets in");
    Ok(())
}

#[test]
fn whoever_changes_the_password_stays_and_all_else_ends() -> Result<()> {
    let site = Installation::start()?;
    let (user, other) = (&site.demo.users[0], &site.demo.users[1]);
    let (desk, home) = (Visitor::new(&site)?, Visitor::new(&site)?);
    let own = desk.redeem(&desk.code(&user.user, &user.password)?, VERIFIER)?.token("refresh_token")?;
    home.sign_in(&user.user, &user.password)?;
    let program = home.by_password(&user.user, &user.password)?.token("refresh_token")?;

    let asked = |before: &str, chosen: &str| json!({ "oldPassword": before, "newPassword": chosen });
    for (before, chosen, status) in [
        (user.password.as_str(), "password1", 400),
        (user.password.as_str(), user.password.as_str(), 400),
        (user.password.as_str(), "short", 400),
        ("tall green kettle", ANOTHER, 401),
    ] {
        let answer = change(&desk, None, &asked(before, chosen))?;
        ensure!(answer.status == status, "{chosen}: {} {}", answer.status, answer.body);
    }
    let of_other = json!({ "userName": other.user, "oldPassword": other.password, "newPassword": ANOTHER });
    ensure!(change(&desk, None, &of_other)?.status == 403, "the password of somebody else is changed");
    ensure!(desk.ask(CHANGE, &["--data", "{}"])?.status == 400, "any body is one");
    for foreign in FOREIGN {
        let answer = change_with(&desk, Some(foreign), &asked(&user.password, ANOTHER))?;
        ensure!(answer.status == 403 && answer.body.contains("another host"), "{foreign}: {}", answer.body);
        ensure!(is_signed_in(&desk)? && is_signed_in(&home)?, "{foreign}: a session has ended");
    }

    let done = change(&desk, None, &asked(&user.password, ANOTHER))?;
    ensure!(done.status == 200 && done.json()?["operationId"] == "7", "{} {}", done.status, done.body);
    ensure!(is_signed_in(&desk)? && !is_signed_in(&home)?, "the wrong sessions have ended");
    ensure!(desk.refresh(&own)?.status == 200, "what came of the session has ended with it");
    ensure!(home.refresh(&program)?.error() == "invalid_grant", "a sign-in by the old password lives on");
    ensure!(home.by_password(&user.user, &user.password)?.error() == "invalid_grant", "the old password is good");

    // A program that shows the person's token, and one that shows nothing but name and password.
    let token = home.by_password(&user.user, ANOTHER)?.token("access_token")?;
    let again = change(&home, Some(&token), &asked(ANOTHER, "wide white saucer"))?;
    ensure!(again.status == 200 && !is_signed_in(&desk)?, "{} {}", again.status, again.body);
    let named = json!({ "userName": user.user, "oldPassword": "wide white saucer", "newPassword": "thin blue spoon" });
    let stranger = Visitor::new(&site)?;
    ensure!(change(&stranger, None, &named)?.status == 200, "a name and a password are not enough");
    ensure!(stranger.by_password(&user.user, "thin blue spoon")?.status == 200, "the new password is not good");
    let log = site.log().join("\n");
    for secret in [ANOTHER, "wide white saucer", "thin blue spoon"] {
        ensure!(!log.contains(secret), "a password is in the log");
    }
    Ok(())
}

/// At the page nobody is signed in before; a program with name and password is told why it gets nothing.
#[test]
fn who_has_to_change_the_password_chooses_another_one_before_the_session_begins() -> Result<()> {
    let site = Installation::start()?;
    let user = &site.demo.users[0];
    let token = provisioning::token(&site, "tool/hr", &["config:read", "config:write"])?;
    runtime()?.block_on(async {
        let mut client = provisioning::Client::new(connect(tenant_role(&site, 8888)).await?);
        let json = r#"{"change_password":true}"#;
        let edit = provisioning::put("person", &user.user, None, json, &["change_password"]);
        provisioning::change(&mut client, &token, provisioning::batch(vec![edit])).await??;
        anyhow::Ok(())
    })?;
    let visitor = Visitor::new(&site)?;
    wait::until(SOON, || {
        let refused = visitor.by_password(&user.user, &user.password)?;
        Ok(refused.body.contains("choose another password first").then_some(()))
    })?;
    let page = visitor.sign_in(&user.user, &user.password)?;
    ensure!(page.status == 200 && page.body.contains("Choose another password"), "{} {}", page.status, page.body);
    ensure!(!is_signed_in(&visitor)?, "the session has begun already");
    let send = |page: &CurlAnswer, chosen: &str, again: &str| {
        visitor.send_form(page, "name=\"steps\"", &[("new_password", chosen), ("again", again)])
    };
    for (chosen, again) in
        [(user.password.as_str(), user.password.as_str()), ("short", "short"), (ANOTHER, "thin blue spoon")]
    {
        let refused = send(&page, chosen, again)?;
        ensure!(
            refused.status == 400 && refused.body.contains("role=\"alert\""),
            "{chosen}: {} {}",
            refused.status,
            refused.body
        );
    }
    // Of other steps the form is none of ours.
    let forged = page.body.replace("value=\"password.", "value=\"passkey.");
    let forged = CurlAnswer { status: page.status, head: page.head.clone(), body: forged };
    ensure!(send(&forged, ANOTHER, ANOTHER)?.status == 403 && !is_signed_in(&visitor)?, "somebody claims another step");

    let done = send(&page, ANOTHER, ANOTHER)?;
    ensure!(done.status == 303 && is_signed_in(&visitor)?, "{} {}", done.status, done.body);
    let again = Visitor::new(&site)?;
    ensure!(again.sign_in(&user.user, ANOTHER)?.status == 303 && is_signed_in(&again)?, "it is asked for again");
    ensure!(again.by_password(&user.user, ANOTHER)?.status == 200, "the new password is not good");
    Ok(())
}

/// An operator who imports another password ends what was opened by the one before.
#[test]
fn an_imported_password_ends_what_was_open() -> Result<()> {
    let site = Installation::start()?;
    let user = &site.demo.users[0];
    let visitor = Visitor::new(&site)?;
    let token = visitor.redeem(&visitor.code(&user.user, &user.password)?, VERIFIER)?.token("refresh_token")?;
    let named = format!("user: {},", user.user);
    site.change_example(|file| {
        let changed = |line: &str| match (line.contains(&named), line.split_once("password: ")) {
            (true, Some((front, rest))) => {
                // A hash has commas, but none with a blank after it.
                let end = rest.find(", ").or_else(|| rest.rfind('}')).unwrap_or(rest.len());
                format!("{front}password: {ANOTHER}{}\n", &rest[end..])
            }
            _ => format!("{line}\n"),
        };
        file.lines().map(changed).collect()
    })?;
    wait::until(SOON, || Ok((!is_signed_in(&visitor)?).then_some(()))).context("the session of the old password")?;
    let refreshed = visitor.refresh(&token)?;
    ensure!(refreshed.error() == "invalid_grant", "a sign-in by the old password lives on: {}", refreshed.body);
    ensure!(visitor.by_password(&user.user, ANOTHER)?.status == 200, "the new password is not good");
    Ok(())
}

// === pages of programs after a sign-out ===

const SIGN_OUT: &str = "/auth/v3/sign-out";
/// Pages of programs; that of the demo's is told whose session has ended.
const DEMO_PAGE: &str = "http://127.0.0.1:9/out?x=1";
const DESK_PAGE: &str = "https://desk.example/out";

/// Gives the demo's program its page, and adds one that does not want to know whose session has ended, and one without a page.
fn add_pages(site: &Installation) -> Result<()> {
    const CLIENTS: &str = r#"
clients:
  - id: desk
    name: Desk
    grants: [authorization_code, refresh_token]
    redirect_uris: ["http://127.0.0.1/callback", "https://desk.example/callback"]
    frontchannel_logout_uri: "https://desk.example/out"
    frontchannel_logout_session_required: false
  - id: crm
    name: CRM
    grants: [authorization_code, refresh_token]
    redirect_uris: ["http://127.0.0.1/callback"]
"#;
    site.change_example(|file| {
        let line = |line: &str| match line.trim_start().starts_with("- {id: demo,") {
            true => format!("{}, frontchannel_logout_uri: \"{DEMO_PAGE}\"}}\n", line.trim_end().trim_end_matches('}')),
            false => format!("{line}\n"),
        };
        file.lines().map(line).collect::<String>().replacen("\nclients:\n", CLIENTS, 1)
    })
}

/// Signs in at all three programs; `sid` of the ID token of the demo's.
fn sign_in_at_all(visitor: &Visitor<'_>, user: &str, password: &str) -> Result<String> {
    let tokens = visitor.redeem(&visitor.code(user, password)?, VERIFIER)?.token("id_token")?;
    let claims = URL_SAFE_NO_PAD.decode(tokens.split('.').nth(1).context("no claims")?)?;
    for client in ["desk", "crm"] {
        let code = visitor.code_for(&[("client_id", client)], user, password)?;
        let grant = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT)];
        let further = [("client_id", client), ("code_verifier", VERIFIER)];
        let given = visitor.post("/auth/v3/oauth/token", &changed(&grant, &further), &[])?;
        ensure!(given.json()?["refresh_token"].is_string(), "{client}: {} {}", given.status, given.body);
    }
    let claims: Value = serde_json::from_slice(&claims)?;
    Ok(claims["sid"].as_str().context("no sid")?.to_owned())
}

/// The addresses in the frames of a page, sorted, and its policy about them.
fn frames(page: &CurlAnswer) -> Result<(Vec<String>, Option<&str>)> {
    let tags = page.body.split("<iframe ").skip(1).map(|rest| rest.split('>').next().unwrap_or_default());
    let hidden = tags.filter(|tag| tag.starts_with("hidden ") && tag.contains("sandbox="));
    let mut addresses = hidden.map(|tag| attribute(tag, "src").context("no address")).collect::<Result<Vec<_>>>()?;
    addresses.sort();
    let policy = page.header("content-security-policy").context("no policy")?;
    ensure!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    Ok((addresses, policy.split("; ").find_map(|part| part.strip_prefix("frame-src "))))
}

#[test]
fn the_page_after_a_sign_out_loads_the_pages_of_programs_that_were_signed_in() -> Result<()> {
    let site = Installation::start()?;
    let user = &site.demo.users[0];
    add_pages(&site)?;
    let visitor = Visitor::new(&site)?;
    let (own, desk) = ("http://127.0.0.1:9", "https://desk.example");
    let told = |sid: &str| {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("iss", &site.demo.issuer).append_pair("sid", sid);
        format!("{DEMO_PAGE}&{}", form.finish())
    };
    let sid = sign_in_at_all(&visitor, &user.user, &user.password)?;
    let page = visitor.ask(&format!("{SIGN_OUT}?page=true"), &[])?;
    let policy = format!("{own} {desk}");
    ensure!(frames(&page)? == (vec![told(&sid), DESK_PAGE.to_owned()], Some(policy.as_str())), "{}", page.body);
    ensure!(!is_signed_in(&visitor)? && !page.body.contains("http-equiv"), "{}", page.body);
    let again = visitor.ask(&format!("{SIGN_OUT}?page=true"), &[])?;
    ensure!(frames(&again)? == (Vec::new(), None), "nobody was signed in: {}", again.body);
    ensure!(frames(&visitor.ask("/auth/v3/sign-in", &[])?)? == (Vec::new(), None), "another page lets in others");

    // A browser that comes without asking for a page, and one that goes on to a program.
    sign_in_at_all(&visitor, &user.user, &user.password)?;
    let page = visitor.ask(SIGN_OUT, &["--header", "Accept: text/html,*/*;q=0.8"])?;
    ensure!(frames(&page)?.0.len() == 2, "{}", page.body);
    let sid = sign_in_at_all(&visitor, &user.user, &user.password)?;
    let on = [("client_id", "demo"), ("post_logout_redirect_uri", REDIRECT), ("state", "s1")];
    let page = visitor.query(SIGN_OUT, &on)?;
    ensure!(page.status == 200 && frames(&page)?.0.contains(&told(&sid)), "{} {}", page.status, page.body);
    let refresh = format!("http-equiv=\"refresh\" content=\"3; url={REDIRECT}?state=s1\"");
    ensure!(page.body.contains(&refresh) && !page.body.contains("<script"), "{}", page.body);
    let left = visitor.query(SIGN_OUT, &on)?;
    ensure!(left.status == 303, "without frames it leads on at once: {} {}", left.status, left.body);

    // Programs read no page, and nobody is led elsewhere.
    sign_in_at_all(&visitor, &user.user, &user.password)?;
    let elsewhere = visitor.query(SIGN_OUT, &[("client_id", "demo"), ("redirectUri", "https://evil.example/")])?;
    ensure!(elsewhere.status == 400 && !elsewhere.body.contains("<iframe"), "{}", elsewhere.body);
    sign_in_at_all(&visitor, &user.user, &user.password)?;
    let ended = visitor.ask(SIGN_OUT, &["--request", "POST"])?;
    ensure!(ended.json()?["status"]["code"] == 0, "{}", ended.body);
    let discovery = visitor.ask("/auth/v3/.well-known/openid-configuration", &[])?.json()?;
    for name in ["frontchannel_logout_supported", "frontchannel_logout_session_supported"] {
        ensure!(discovery[name] == json!(true), "{discovery}");
    }
    Ok(())
}
