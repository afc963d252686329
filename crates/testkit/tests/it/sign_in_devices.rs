//! Devices without a keyboard are signed in by a code that a person enters elsewhere (RFC 8628).

use anyhow::{Context, Result, ensure};
use testkit::Installation;
use testkit::installation::DemoUser;
use testkit::visitor::{CurlAnswer, Visitor, path_of};

const PAGE: &str = "/auth/v3/device";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What a device got that has asked for a code.
struct DeviceCodes {
    own: String,
    shown: String,
}

/// A device asks for a code.
fn begins(device: &Visitor<'_>, site: &Installation) -> Result<DeviceCodes> {
    let client = site.demo.clients.first().context("the demo has no client")?;
    let login = format!("{}:{}", client.id, client.secret);
    let scope = ("scope", "config:read statistics:read");
    let asks = |resource| {
        device.post("/auth/v3/oauth/device_authorization", &[scope, ("resource", resource)], &["--user", &login])
    };
    ensure!(asks("nothing")?.error() == "invalid_target", "any resource is one");
    let answer = asks("statistics")?;
    let told = answer.json()?;
    ensure!(answer.status == 200 && told["interval"] == 5 && told["expires_in"] == 600, "{}", answer.body);
    ensure!(told["verification_uri"].as_str().is_some_and(|uri| uri.ends_with(PAGE)), "{}", answer.body);
    Ok(DeviceCodes { own: answer.token("device_code")?, shown: answer.token("user_code")? })
}

/// A device asks whether it may.
fn polls(device: &Visitor<'_>, codes: &DeviceCodes) -> Result<CurlAnswer> {
    device.token(&[("grant_type", GRANT), ("device_code", &codes.own)])
}

fn administrator(site: &Installation) -> Result<&DemoUser> {
    site.demo.users.iter().find(|user| user.kind == "administrator").context("no administrator")
}

/// Sends the page's form.
fn enters(person: &Visitor<'_>, code: &str, decision: &str) -> Result<CurlAnswer> {
    let (action, hidden) = person.form(PAGE)?;
    let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let typed = [("user_code", code), ("decision", decision)].into_iter().filter(|(_, value)| !value.is_empty());
    person.post(&action, &hidden.chain(typed).collect::<Vec<_>>(), &[])
}

#[test]
fn a_person_lets_a_device_in_by_the_code_that_it_shows() -> Result<()> {
    let site = Installation::start()?;
    let (device, person) = (Visitor::new(&site)?, Visitor::new(&site)?);
    let discovered = device.ask("/auth/v3/.well-known/openid-configuration", &[])?.json()?;
    let is_told =
        discovered["grant_types_supported"].as_array().is_some_and(|grants| grants.iter().any(|one| one == GRANT));
    ensure!(is_told && discovered["device_authorization_endpoint"].is_string(), "{discovered}");

    let codes = begins(&device, &site)?;
    ensure!(polls(&device, &codes)?.error() == "authorization_pending", "nobody has entered the code");
    ensure!(polls(&device, &codes)?.error() == "slow_down", "it may ask as often as it likes");

    // Whoever is not signed in does that first, and then has the code filled in.
    let asked = person.query(PAGE, &[("user_code", codes.shown.as_str())])?;
    ensure!(asked.asks_for_a_password(), "{}", asked.head);
    let user = administrator(&site)?;
    let sign_in = path_of(asked.location().context("it leads nowhere")?);
    let signed_in = person.fill_in(&sign_in, &user.user, &user.password, &[])?;
    let page = signed_in.location().with_context(|| format!("{} {}", signed_in.status, signed_in.body))?;
    let shown = person.ask(&path_of(page), &[])?;
    ensure!(shown.status == 200 && shown.body.contains(&codes.shown), "{} {}", shown.status, shown.body);

    let without_a_form = person.post(PAGE, &[("user_code", codes.shown.as_str()), ("decision", "allow")], &[])?;
    ensure!(without_a_form.status == 403, "{}", without_a_form.status);
    ensure!(enters(&person, "BBBB-BBBB", "")?.status == 400, "a code that no device shows is taken");
    let question = enters(&person, &codes.shown.to_lowercase().replace('-', " "), "")?;
    ensure!(
        question.status == 200 && question.body.contains("statistics:read"),
        "{} {}",
        question.status,
        question.body
    );
    ensure!(polls(&device, &codes)?.status == 400, "it is let in before the person has said so");
    let allowed = enters(&person, &codes.shown, "allow")?;
    ensure!(allowed.status == 200, "{} {}", allowed.status, allowed.body);
    ensure!(enters(&person, &codes.shown, "deny")?.status == 400, "the code is good twice");

    let tokens = polls(&device, &codes)?;
    ensure!(tokens.json()?["scope"] == "statistics:read", "{} {}", tokens.status, tokens.body);
    let who = device.bearing("/auth/v3/userinfo", &tokens.token("access_token")?)?;
    ensure!(who.json()?["username"] == user.user, "{}", who.body);
    ensure!(polls(&device, &codes)?.error() == "invalid_grant", "a device code gives tokens twice");

    // It stays signed in when the browser no longer is.
    ensure!(person.ask("/auth/v3/sign-out", &["--request", "POST"])?.status == 200, "no sign-out");
    let refreshed = device.refresh(&tokens.token("refresh_token")?)?;
    ensure!(refreshed.status == 200, "{} {}", refreshed.status, refreshed.body);
    Ok(())
}

#[test]
fn whoever_signs_out_everywhere_takes_back_what_no_device_has_asked_for_yet() -> Result<()> {
    let site = Installation::start()?;
    let (device, user) = (Visitor::new(&site)?, administrator(&site)?);
    for everywhere in [true, false] {
        let person = Visitor::new(&site)?;
        ensure!(person.sign_in(&user.user, &user.password)?.status == 303, "no sign-in");
        let codes = begins(&device, &site)?;
        ensure!(enters(&person, &codes.shown, "allow")?.status == 200, "it is not let in");
        let sign_out = if everywhere { "/auth/v3/sign-out?global=true" } else { "/auth/v3/sign-out" };
        ensure!(person.ask(sign_out, &["--request", "POST"])?.status == 200, "no sign-out");
        // The person comes back: what was said before stays over.
        ensure!(person.sign_in(&user.user, &user.password)?.status == 303, "no sign-in");
        let tokens = polls(&device, &codes)?;
        ensure!(tokens.error() == "invalid_grant", "{everywhere}: {} {}", tokens.status, tokens.body);
    }
    Ok(())
}

#[test]
fn a_device_that_is_refused_hears_so_and_codes_are_not_to_be_guessed() -> Result<()> {
    let site = Installation::start()?;
    let (device, person) = (Visitor::new(&site)?, Visitor::new(&site)?);
    let user = administrator(&site)?;
    ensure!(person.sign_in(&user.user, &user.password)?.status == 303, "no sign-in");
    let codes = begins(&device, &site)?;
    let stranger = [("grant_type", GRANT), ("device_code", "x")];
    ensure!(device.token(&stranger)?.error() == "invalid_grant", "any device code is one");
    ensure!(enters(&person, &codes.shown, "deny")?.status == 200, "no refusal");
    ensure!(polls(&device, &codes)?.error() == "access_denied", "a refusal is not heard");

    // Many guesses are refused, also between right codes.
    let codes = begins(&device, &site)?;
    for guess in 0..14 {
        ensure!(guess < 13, "13 guesses were looked at");
        match enters(&person, "BCDF-GHJK", "")?.status {
            400 if guess == 2 => ensure!(enters(&person, &codes.shown, "")?.status == 200, "the right one is refused"),
            400 => {}
            429 if guess >= 5 => break,
            other => anyhow::bail!("{other} after {guess} guesses"),
        }
    }
    Ok(())
}
