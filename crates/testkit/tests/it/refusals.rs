//! Unsupported requests are refused with a clear answer.

use std::time::Duration;

use anyhow::Result;
use testkit::caller::sipp;
use testkit::{Answer, Endpoint, Installation, Phone, Setup};

const LATER: Duration = Duration::from_secs(30);

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
