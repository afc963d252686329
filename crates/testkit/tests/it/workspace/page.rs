//! The desktop in a browser, at an installation with real phones.

use std::time::Duration;

use anyhow::{Context, Result};
use testkit::agents::baresip_phone;
use testkit::browser::Browser;
use testkit::{Answer, Installation, Watch};

use super::day::Desks;
use super::{OTHER, OWN, agent};

const SOON: Duration = Duration::from_secs(60);
const IN_BROWSER: Duration = Duration::from_secs(180);

#[test]
fn an_agent_works_at_the_desktop_and_loads_the_page_anew_in_a_call() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let user = agent(&site, 0)?;
    let _own = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let _other = baresip_phone(&site, 11, OTHER, Answer::Auto)?;
    let given = [user.user.as_str(), user.password.as_str(), OTHER].map(str::to_owned);
    Browser::run("deskAtWork", &site, "wallboard", &given, IN_BROWSER)?;
    // What the page has shown has happened.
    for fact in ["AgentReady@7101", "Held@7101", "Retrieved@7101", "Released@7101", "AgentLogout@7101"] {
        watch.wait_for(fact, SOON).context(fact)?;
    }
    Ok(())
}

/// A call of a phone on the desk goes on by itself; what is told of it while the page hears nothing is there once it hears again.
#[test]
fn the_page_is_right_again_after_a_minute_without_network_a_reload_and_a_crash() -> Result<()> {
    let (site, files) = (Installation::start()?, tempfile::tempdir()?);
    let watch = Watch::start(&site, "0-0")?;
    let user = agent(&site, 0)?;
    let _own = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let _other = baresip_phone(&site, 11, OTHER, Answer::Auto)?;
    let folder = files.path().to_owned();
    let given = [user.user.clone(), user.password.clone(), OTHER.to_owned(), folder.display().to_string()];
    let browsers = Browser::start("deskRightAgain", &site, "wallboard", &given)?;
    let mut desk = Desks { browsers, folder };
    let conn = watch.wait_for(&format!("Established@{OWN}"), IN_BROWSER)?.text("ConnID").to_owned();
    for step in ["minute", "again", "once-more"] {
        desk.are_cut_off(&site, &conn, step)?;
    }
    desk.browsers.finish(IN_BROWSER)
}
