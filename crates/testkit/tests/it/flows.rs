//! A phone that is registered by two sip-proxies (RFC 5626): when one is killed, its calls come by the other one. And one of two phones of a
//! number that is called by its GRUU (RFC 5627).

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::agents::{password, sipp_phone};
use testkit::caller::Caller;
use testkit::process::signal;
use testkit::{Endpoint, Installation, Sipp, kernel, wait};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
/// The last octets of the addresses of two phones.
const DESK: u8 = 10;
const HOME: u8 = 11;
const NUMBER: &str = "7101";

/// The instance of the phone at that address.
fn instance(host: u8) -> String {
    format!("urn:uuid:00000000-0000-1000-8000-0000000000{host}")
}

/// Registers a flow of the phone at that address by an edge; the scenario requires that it counts as one, and a GRUU.
fn register(site: &Installation, edge: &str, host: u8, reg_id: u32) -> Result<()> {
    let (instance, reg_id) = (instance(host), reg_id.to_string());
    Sipp::new("register-flow.xml", site.peer_address(host), edge)
        .with(&["-key", "user", NUMBER, "-key", "instance", &instance, "-key", "reg_id", &reg_id])
        .with(&["-au", NUMBER, "-ap", password(site, NUMBER)?])
        .calls(1, 1, 1)
        .run(SOON)?
        .expect_success()
}

fn invites(messages: &str) -> usize {
    messages.matches("INVITE sip:").count()
}

#[test]
fn a_call_comes_by_the_flow_that_is_left_when_the_proxy_of_the_other_one_is_killed() -> Result<()> {
    let settings = ["replicas.sip_proxy=2", "process.restart_after=60s"];
    let arguments: Vec<&str> =
        ["--processes"].into_iter().chain(settings.iter().flat_map(|set| ["--set", *set])).collect();
    let site = Installation::start_on_servers(&arguments)?;
    let second = format!("127.{}.0.2:5060", site.demo.instance);
    register(&site, &site.sip(), DESK, 1)?;
    // The newest flow is the one that calls would come by.
    register(&site, &second, DESK, 2)?;
    let audio = Endpoint::listen(site.peer_address(DESK).into())?;
    let phone = sipp_phone(&site, DESK, "agent.xml", &audio, &["-m", "1"])?;
    site.log_in(NUMBER)?;
    let pid = *kernel::processes(site.pid())?.get("sip-proxy-2").context("no process sip-proxy-2")?;
    signal(pid, "KILL")?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    wait::until(LATER, || Ok((phone.acknowledged() > 0).then_some(()))).context("the phone has not answered")?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success().context("the caller")?;
    let messages = phone.traces("_messages.log");
    phone.finish(SOON)?.expect_success().context("the phone")?;
    ensure!(messages.contains(&format!("SIP/2.0/UDP {}", site.sip())), "by the proxy that is left: {messages}");
    ensure!(!messages.contains(&second), "and by no other: {messages}");
    Ok(())
}

#[test]
fn a_call_to_a_gruu_rings_at_that_phone_alone() -> Result<()> {
    let site = Installation::start_with(&["--set", "registrar.contacts_max=2"])?;
    let audio = Endpoint::listen(site.peer_address(DESK).into())?;
    for host in [DESK, HOME] {
        register(&site, &site.sip(), host, 1)?;
    }
    let phones = [DESK, HOME].map(|host| sipp_phone(&site, host, "agent.xml", &audio, &["-m", "1"]));
    let [desk, home] = phones;
    let (desk, home) = (desk?, home?);
    let instance = instance(DESK);
    let caller = Caller::dial(&site, "caller-gruu.xml", 1, NUMBER, &["-d", "3000", "-key", "instance", &instance])?;
    caller.finish(LATER)?.1.expect_success().context("the caller")?;
    desk.finish(SOON)?.expect_success().context("the phone that was called")?;
    ensure!(invites(&home.traces("_messages.log")) == 0, "the other phone rang");
    Ok(())
}
