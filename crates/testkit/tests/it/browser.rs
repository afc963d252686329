//! The pages of a running installation in a browser: their contents, updates without a reload, keyboard use, and behaviour on failures.

use std::time::Duration;

use anyhow::{Context, Result};
use testkit::agents::baresip_agent;
use testkit::browser::Browser;
use testkit::caller::prompt_samples;
use testkit::{Answer, Caller, Installation};

const OPENED: Duration = Duration::from_secs(120);
const SEEN: Duration = Duration::from_secs(240);
/// Two sizes of screen, three themes, four pages.
const EVERY_PAGE: Duration = Duration::from_secs(600);

fn one_call(site: &Installation) -> Result<()> {
    let mut agent = baresip_agent(site, 10, "7101", Answer::Auto)?;
    let mut caller = Caller::dial(site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    agent.wait_for("CALL_ESTABLISHED", SEEN)?;
    let media = caller.answered(SEEN)?;
    caller.audio.say(&prompt_samples("announcement")?, media)?;
    caller.audio.finish_saying()?;
    caller.hang_up()?;
    caller.finish(SEEN)?.1.expect_success()
}

#[test]
fn numbers_move_on_the_wallboard_while_a_call_is_answered() -> Result<()> {
    let site = Installation::start()?;
    let mut wall = Browser::start("numbers", &site, "wallboard", &[])?;
    wall.says("ready", OPENED)?;
    one_call(&site)?;
    wall.says("latency [", SEEN)?;
    wall.finish(SEEN)
}

#[test]
fn a_killed_server_is_said_with_the_age_of_the_numbers_until_it_is_back() -> Result<()> {
    let mut site = Installation::start()?;
    let mut wall = Browser::start("outage", &site, "wallboard", &[])?;
    wall.says("ready", OPENED)?;
    site.crash()?;
    wall.says("lost", SEEN)?;
    let _site = site.crash_and_restart()?;
    wall.finish(SEEN)
}

#[test]
fn the_drawing_shows_what_runs_and_every_part_is_reached_by_keyboard() -> Result<()> {
    let site = Installation::start()?;
    Browser::run("topology", &site, "operator", &[], SEEN)?;
    Browser::run("keyboard", &site, "operator", &[], SEEN)
}

#[test]
fn a_token_that_is_refused_is_said_with_what_to_do() -> Result<()> {
    Browser::run("refused", &Installation::start()?, "wallboard", &[], SEEN)
}

#[test]
fn no_page_has_anything_that_shuts_somebody_out() -> Result<()> {
    let site = Installation::start()?;
    one_call(&site)?;
    let pages = ["/", "/topology", "/trace"].map(str::to_owned);
    Browser::run("accessible", &site, "operator", &pages, EVERY_PAGE)
}

#[test]
fn a_call_explains_itself_on_its_page() -> Result<()> {
    let site = Installation::start()?;
    one_call(&site)?;
    let mut traced = Browser::start("traced", &site, "operator", &[])?;
    let call = traced.says("call ", SEEN)?;
    let call = call.strip_prefix("call ").context("the call's id")?.to_owned();
    traced.finish(SEEN)?;
    Browser::run("accessible", &site, "operator", &[format!("/trace/{call}")], EVERY_PAGE)
}
