//! Guessing at the web edge: what strangers who try passwords get to see, and what it costs those who know theirs.

use std::thread;

use anyhow::{Context, Result, ensure};
use testkit::Installation;
use testkit::visitor::{CurlAnswer, Visitor};

/// Wrong ones that are looked at before the first wait.
const FREE_TRIES: usize = 5;
/// The cookie of forms.
const FORM: &str = "trunkline-form";
/// By then the waits have grown to minutes.
const TRIES: usize = 14;

/// Tries until one is not looked at any more: how many were, and the answer to the first.
fn looked_at(mut guess: impl FnMut() -> Result<CurlAnswer>) -> Result<(usize, CurlAnswer)> {
    let first = guess()?;
    for tries in 1..TRIES {
        let answer = guess()?;
        if answer.status == 429 {
            ensure!(answer.header("retry-after").is_some(), "{}", answer.head);
            return Ok((tries, first));
        }
        ensure!(answer.status == first.status && answer.body == first.body, "{} {}", answer.status, answer.body);
    }
    anyhow::bail!("{TRIES} guesses were looked at: {} {}", first.status, first.body)
}

/// Whoever does not exist is guarded as whoever does: no hash is to be had for nothing, and no answer tells which tenants there are.
#[test]
fn guesses_at_what_does_not_exist_are_counted_as_all_others() -> Result<()> {
    let site = Installation::start()?;
    let user = site.demo.users[0].user.as_str();
    let mut answers = Vec::new();
    for name in [user.to_owned(), "nobody.known".to_owned(), "nowhere\\ann".to_owned(), format!("nowhere\\{user}")] {
        let visitor = Visitor::new(&site)?;
        let (looked_at, first) = looked_at(|| visitor.by_password(&name, "tall green kettle"))?;
        ensure!(looked_at >= FREE_TRIES, "{name}: {looked_at} were looked at");
        answers.push((first.status, first.body));
    }
    ensure!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == 400), "{answers:?}");

    let mut answers = Vec::new();
    for (client, tenant) in [("demo", "example"), ("unknown", "example"), ("demo", "nowhere"), ("nowhere/demo", "")] {
        let visitor = Visitor::new(&site)?;
        let grant = [("grant_type", "client_credentials"), ("tenant", tenant)];
        let (looked_at, first) = looked_at(|| visitor.token_as(client, "a secret that is wrong", &grant))?;
        ensure!(looked_at >= FREE_TRIES, "{client} in {tenant:?}: {looked_at} were looked at");
        answers.push((first.status, first.body));
    }
    ensure!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == 401), "{answers:?}");
    Ok(())
}

/// The name is the same in whatever case it is typed, and so are its tries.
#[test]
fn a_name_in_another_case_gets_no_further_tries() -> Result<()> {
    let site = Installation::start()?;
    let user = &site.demo.users[0];
    let visitor = Visitor::new(&site)?;
    let mut names = [user.user.clone(), user.user.to_uppercase()].into_iter().cycle();
    let (looked_at, _) = looked_at(|| {
        let name = names.next().context("no name")?;
        visitor.by_password(&name, "tall green kettle")
    })?;
    ensure!(looked_at < 2 * FREE_TRIES, "{looked_at} were looked at");
    let elsewhere = Visitor::at(&site, site.stranger_address(1))?;
    let right = elsewhere.by_password(&user.user.to_uppercase(), &user.password)?;
    ensure!(right.status == 200, "from elsewhere: {} {}", right.status, right.body);
    Ok(())
}

/// A program may ask for many tokens at a time: its right secret is not taken for guesses.
#[test]
fn a_program_that_asks_for_many_tokens_at_a_time_is_not_locked_out() -> Result<()> {
    let site = Installation::start()?;
    let asked = || Visitor::new(&site)?.token(&[("grant_type", "client_credentials")]);
    let answers: Vec<Result<CurlAnswer>> = thread::scope(|scope| {
        let asking: Vec<_> = (0..24).map(|_| scope.spawn(asked)).collect();
        asking.into_iter().map(|one| one.join().expect("asked")).collect()
    });
    for answer in answers {
        let answer = answer?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    }
    Ok(())
}

/// A cookie that somebody has put into the browser binds no form: the page gives the browser another.
#[test]
fn a_planted_cookie_is_not_taken_for_that_of_the_form() -> Result<()> {
    let site = Installation::start()?;
    let user = &site.demo.users[0];
    let visitor = Visitor::new(&site)?;
    visitor.plant(FORM, "planted")?;
    let (action, hidden) = visitor.form("/auth/v3/sign-in")?;
    let given = visitor.cookie(FORM)?.context("no cookie")?;
    ensure!(given != "planted", "the page has signed what was planted");
    let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let typed = [("username", user.user.as_str()), ("password", user.password.as_str())];
    let fields: Vec<(&str, &str)> = hidden.chain(typed).collect();
    visitor.plant(FORM, "planted")?;
    ensure!(visitor.post(&action, &fields, &[])?.status == 403, "a planted cookie is taken");
    visitor.plant(FORM, &given)?;
    let right = visitor.post(&action, &fields, &[])?;
    ensure!(right.status == 303, "{} {}", right.status, right.body);
    Ok(())
}

/// The page of a client reads from the browser what the client is told, and no other page does.
#[test]
fn only_pages_of_a_client_read_what_it_is_told() -> Result<()> {
    const ALLOWED: &str = "access-control-allow-origin";
    let site = Installation::start()?;
    let user = &site.demo.users[0];
    let visitor = Visitor::new(&site)?;
    let client = site.demo.clients.first().context("no client")?;
    let login = format!("{}:{}", client.id, client.secret);
    let grant = [("grant_type", "password"), ("username", user.user.as_str()), ("password", user.password.as_str())];
    let own = "http://127.0.0.1:5173";
    for (origin, may) in [(own, true), ("http://localhost", true), ("https://evil.example", false), ("null", false)] {
        let said = format!("Origin: {origin}");
        let asked = visitor.post("/auth/v3/oauth/token", &grant, &["--user", &login, "--header", &said])?;
        ensure!((asked.header(ALLOWED) == Some(origin)) == may, "{origin}: {}", asked.head);
        let bearer = format!("Authorization: Bearer {}", asked.token("access_token")?);
        let who = visitor.ask("/auth/v3/openid/userinfo", &["--header", &bearer, "--header", &said])?;
        ensure!(who.status == 200 && (who.header(ALLOWED) == Some(origin)) == may, "{origin}: {}", who.head);
        let refused =
            visitor.post("/auth/v3/oauth/token", &[("grant_type", "x")], &["--user", &login, "--header", &said])?;
        ensure!((refused.header(ALLOWED) == Some(origin)) == may, "{origin}: {}", refused.head);
        for public in ["/auth/v3/.well-known/openid-configuration", "/auth/v3/oauth/jwks"] {
            let answer = visitor.ask(public, &["--header", &said])?;
            ensure!(answer.header(ALLOWED) == Some("*"), "{public}: {}", answer.head);
        }
        let page = visitor.ask("/auth/v3/ping", &["--header", &said])?;
        ensure!(page.header(ALLOWED).is_none(), "{}", page.head);
    }
    let said = format!("Origin: {own}");
    let before = ["--request", "OPTIONS", "--header", &said, "--header", "Access-Control-Request-Method: POST"];
    let asked = visitor.ask("/auth/v3/oauth/token", &before)?;
    ensure!(asked.status == 204 && asked.header(ALLOWED) == Some(own), "{}", asked.head);
    ensure!(asked.header("access-control-allow-credentials").is_none(), "{}", asked.head);
    Ok(())
}
