//! An operator ends the process while somebody talks: the call is not cut, and nobody new is let in.

use std::time::Duration;

use anyhow::Result;
use testkit::caller::Caller;
use testkit::{Installation, wait};

/// Well before the deadline of the drain, which is 30 s and would end it with another exit code.
const SOON: Duration = Duration::from_secs(15);

#[test]
fn a_call_that_is_up_ends_by_its_bye_during_the_drain_and_the_process_ends_with_0() -> Result<()> {
    let mut site = Installation::start()?;
    let echo = site.number("echo")?.to_owned();
    let talking = Caller::dial(&site, "caller.xml", 1, &echo, &["-d", "4000"])?;
    talking.answered(SOON)?;
    testkit::installation::signal(site.pid(), "TERM")?;
    wait::until(SOON, || Ok(site.log().iter().any(|line| line.contains("no new calls from now on")).then_some(())))?;
    let late = Caller::dial(&site, "caller-refused-503.xml", 2, &echo, &[])?;
    late.finish(SOON)?.1.expect_success()?;
    talking.finish(SOON)?.1.expect_success()?;
    assert_eq!(site.ended(SOON)?, 0, "{:?}", site.log());
    Ok(())
}

#[test]
fn without_calls_the_process_ends_at_once() -> Result<()> {
    let mut site = Installation::start()?;
    assert_eq!(site.stop()?, 0, "{:?}", site.log());
    Ok(())
}
