//! Unsupported requests are refused with a clear answer.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::caller::{CALLER, sipp};
use testkit::sipp::Outcome;
use testkit::{Answer, Endpoint, Installation, Phone, Setup, wait};

const LATER: Duration = Duration::from_secs(90);
/// Until somebody with a wrong password has tried more than once.
const TRIES: Duration = Duration::from_secs(30);
/// The user and password of whoever calls by the trunk.
const USER: &str = "pbx-1";
const PASSWORD: &str = "hush-hush-2";

#[test]
fn an_unknown_number_is_answered_404() -> Result<()> {
    let site = Installation::start()?;
    let audio = Endpoint::listen(site.peer_address(1).into())?;
    let run = sipp(&site, "caller-refused-404.xml", 1, &audio).dial("+15559999");
    run.calls(1, 1, 1).run(LATER)?.expect_success()
}

#[test]
fn a_wrong_password_does_not_register() -> Result<()> {
    let site = Installation::start()?;
    let speech = testkit::caller::prompt("sales-welcome");
    let setup = Setup {
        address: site.peer_address(10),
        registrar: &site.sip(),
        user: &site.demo.people[0].extension,
        password: "not-the-password",
        transport: "udp",
        speech: &speech,
        answer: Answer::Manual,
    };
    let Err(error) = Phone::register(&setup) else { anyhow::bail!("registered with a wrong password") };
    assert!(error.to_string().contains("not registered"), "{error:#}");
    Ok(())
}

/// Imports the example with a trunk by which nobody calls without a password.
fn import_asking(site: &Installation) -> Result<()> {
    let keys = format!("allow: [127.0.0.0/8], inbound_user: {USER}, inbound_password: {PASSWORD}");
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let changed = text.replacen("{name: carrier, allow: [127.0.0.0/8]}", &format!("{{name: carrier, {keys}}}"), 1);
        ensure!(changed != text, "the example has changed");
        Ok(fs::write(&file, changed)?)
    })
}

/// A caller from the trunk's address, who answers a challenge with this password if there is one.
fn calls(site: &Installation, audio: &Endpoint, password: Option<&str>, limit: Duration) -> Result<Outcome> {
    let scenario = if password.is_some() { "phone-dials-or-is-refused.xml" } else { "caller.xml" };
    let caller = sipp(site, scenario, 1, audio).dial(site.number("sales")?).calls(1, 1, 1).with(&["-trace_msg"]);
    let credentials = password.map(|password| ["-key", "user", CALLER, "-au", USER, "-ap", password]);
    caller.with(credentials.as_ref().map(|arguments| arguments.as_slice()).unwrap_or_default()).run(limit)
}

#[test]
fn who_calls_by_a_trunk_with_a_password_has_to_give_it() -> Result<()> {
    let site = Installation::start()?;
    let audio = Endpoint::listen(site.peer_address(1).into())?;
    import_asking(&site)?;
    // Until the import has come to sip-proxy, nobody is asked, which is not what this caller expects.
    wait::until(LATER, || Ok((calls(&site, &audio, Some(PASSWORD), LATER)?.code == 0).then_some(())))?;
    // SIPp takes the second challenge for the first one come again, and asks until it is stopped.
    let Err(wrong) = calls(&site, &audio, Some("wrong-wrong"), TRIES) else {
        anyhow::bail!("a wrong password is taken")
    };
    let wrong = wrong.to_string();
    ensure!(wrong.matches("SIP/2.0 407 ").count() > 1, "{wrong}");
    let without = calls(&site, &audio, None, LATER)?;
    ensure!(without.code != 0 && without.messages.contains("SIP/2.0 407 "), "{}", without.messages);
    for refused in [wrong, without.messages] {
        ensure!(!refused.contains("SIP/2.0 180 ") && !refused.contains("SIP/2.0 200 "), "{refused}");
    }
    calls(&site, &audio, Some(PASSWORD), LATER)?.expect_success()?;
    let is_told = |line: &String| line.contains("wrong password") && line.contains("carrier");
    wait::until(LATER, || Ok(site.log().iter().any(is_told).then_some(()))).context("it is not told")?;
    let log = site.log();
    ensure!(!log.iter().any(|line| line.contains(PASSWORD)), "and the password is not");
    Ok(())
}
