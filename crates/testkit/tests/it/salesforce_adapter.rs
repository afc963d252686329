//! The softphone of a Salesforce org, which pages of the test play: an agent works inside of it, and every other page gets nothing.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::agents::baresip_phone;
use testkit::browser::Browser;
use testkit::caller::{CALLER, Caller};
use testkit::installation::DemoUser;
use testkit::observe::Answer as HttpAnswer;
use testkit::{Answer, Installation, Visitor, Watch, wait};

use crate::carried::carried;

const SOON: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(90);
/// For a part of what the agent does in the browser, each step of which has its own patience.
const IN_BROWSER: Duration = Duration::from_secs(240);
const HTTP: u16 = 8_080;
/// The phone of the first agent of the demo, and one at which nobody is logged in.
const OWN: &str = "7101";
const OTHER: &str = "7130";
/// Where, at the host of the edge, the org is that the tenant lets in, and the one that it does not.
const ORG_PORT: u16 = 4_410;
const STRANGER_PORT: u16 = 4_411;
/// The page, and the file for an org.
const PAGE: &str = "/salesforce/softphone/example";
const FILE: &str = "/salesforce/v1/example/call-center.xml";
/// How often the page is asked for in one proof of its row, bytes of each answer at least, and how often that is tried: the connection that
/// carried it may close before the look.
const PAGES: u64 = 20;
const PAGE_BYTES: u64 = 800;
const ATTEMPTS: u32 = 5;

fn org(instance: u8) -> String {
    format!("http://127.{instance}.0.1:{ORG_PORT}")
}

/// An installation whose operator takes pages of its own host for orgs, and lets one have the desktop in a frame. No tenant lets it in yet.
fn site() -> Result<Installation> {
    Installation::start_numbered(|instance| {
        let settings = [
            format!("ingress.desktop_frames=[{:?}]", org(instance)),
            format!("salesforce-adapter.org_domains=[\"127.{instance}.0.1\"]"),
        ];
        settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]).collect()
    })
}

/// The tenant lets the org in, by the setting by which it lets pages ask its desktops.
fn lets_in(site: &Installation) -> Result<()> {
    let org = org(site.demo.instance);
    site.change_example(|file| {
        let key = "service-client-api.accepted-web-content-origin";
        format!("{}\nuser_properties:\n  interaction-workspace:\n    {key}: \"{org}\"\n", file.trim_end())
    })?;
    let names = format!("name=\"salesforce-orgs\" content=\"{org}\"");
    let named = wait::until(SOON, || Ok(page(site)?.contains(&names).then_some(())));
    named.context("the page does not name the org")
}

fn asked(site: &Installation, path: &str, headers: &str) -> Result<HttpAnswer> {
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    site.http_with(web, "GET", path, headers, "")
}

/// The page, as anybody gets it.
fn page(site: &Installation) -> Result<String> {
    let HttpAnswer { status, body } = asked(site, PAGE, "")?;
    ensure!(status == 200, "{PAGE}: {status} {body}");
    Ok(body)
}

fn user<'a>(site: &'a Installation, kind: &str) -> Result<&'a DemoUser> {
    site.demo.users.iter().find(|user| user.kind == kind).with_context(|| format!("no {kind} signs in"))
}

/// Click to dial, a record that opens with a caller, the logs of both calls; and an org that is not let in.
#[test]
fn an_agent_works_inside_an_org_that_dials_pops_and_logs() -> Result<()> {
    let site = site()?;
    lets_in(&site)?;
    let watch = Watch::start(&site, "0-0")?;
    let agent = user(&site, "agent")?;
    ensure!(agent.dn.as_deref() == Some(OWN), "the first agent has the phone {:?}", agent.dn);
    let _own = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let mut other = baresip_phone(&site, 11, OTHER, Answer::Auto)?;
    let ports = [ORG_PORT, STRANGER_PORT].map(|port| port.to_string());
    let [org_port, stranger_port] = ports.each_ref().map(String::as_str);
    let told =
        [agent.user.as_str(), &agent.password, OTHER, "example", org_port, stranger_port, CALLER].map(str::to_owned);
    let mut browser = Browser::start("salesforceSoftphone", &site, "wallboard", &told)?;

    browser.says("talking", IN_BROWSER)?;
    let dialled = watch.wait_for(&format!("Established@{OTHER}"), SOON)?;
    other.hang_up()?;
    let logged = browser.says("dialled ", IN_BROWSER)?;
    assert_eq!(logged, format!("dialled {}", dialled.text("CallUUID")), "the log is of another call");

    browser.says("waits", IN_BROWSER)?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    browser.says("answered-by-the-agent", IN_BROWSER)?;
    caller.hang_up()?;
    let logged = browser.says("answered ", IN_BROWSER)?;
    let of_caller = watch
        .facts()
        .into_iter()
        .find(|fact| fact.brief() == format!("Established@{OWN}") && fact.text("CallType") == "Inbound");
    let of_caller = of_caller.context("the caller was not answered")?;
    assert_eq!(logged, format!("answered {}", of_caller.text("CallUUID")), "the log is of another call");
    caller.finish(LATER)?.1.expect_success()?;
    browser.finish(IN_BROWSER)
}

/// What a tenant's administrator takes to the org asks for a token, the page does not; and it tells no tenant from none.
#[test]
fn the_file_for_an_org_is_for_who_reads_the_configuration_and_the_page_for_everybody() -> Result<()> {
    let site = site()?;
    let of_nobody = page(&site)?;
    ensure!(of_nobody.contains("name=\"salesforce-orgs\" content=\"\""), "{of_nobody}");
    let nowhere = asked(&site, "/salesforce/softphone/nowhere", "")?;
    assert_eq!((nowhere.status, nowhere.body.as_str()), (200, of_nobody.as_str()), "a tenant that there is not");
    lets_in(&site)?;

    let script = asked(&site, "/salesforce/softphone/files/softphone.js", "")?;
    ensure!(script.status == 200 && script.body.contains("searchAndScreenPop"), "{}", script.status);
    let strange = asked(&site, FILE, "")?;
    ensure!(strange.status == 401 && strange.body.contains("\"status\":401"), "{} {}", strange.status, strange.body);
    let bearer = |kind: &str| -> Result<String> {
        let user = user(&site, kind)?;
        let token = Visitor::new(&site)?.by_password(&user.user, &user.password)?.token("access_token")?;
        Ok(format!("Authorization: Bearer {token}\r\n"))
    };
    let administrator = bearer("administrator")?;
    let file = asked(&site, FILE, &administrator)?;
    let adapter = format!(">{}{PAGE}</item>", site.demo.web);
    ensure!(file.status == 200 && file.body.contains(&adapter), "{} {}", file.status, file.body);
    ensure!(file.body.contains("name=\"reqUseApi\" label=\"Use CTI API\">true<"), "{}", file.body);
    let elsewhere = asked(&site, "/salesforce/v1/globex/call-center.xml", &administrator)?;
    ensure!([403, 404].contains(&elsewhere.status), "{} {}", elsewhere.status, elsewhere.body);
    Ok(())
}

/// gws-04: the page, with an org that salesforce-adapter alone knows, comes from there to gws-proxy. own-35: it knows it from tenant.
#[test]
fn the_page_goes_by_gws_proxy_from_the_adapter() -> Result<()> {
    let site = site()?;
    lets_in(&site)?;
    let now = || carried(&site, "gws-proxy", "salesforce-adapter", HTTP);
    let mut looks = Vec::new();
    for _ in 0..ATTEMPTS {
        let before = now()?;
        for _ in 0..PAGES {
            page(&site)?;
        }
        let after = now()?;
        if after.received >= before.received + PAGES * PAGE_BYTES && after.sent > before.sent {
            return Ok(());
        }
        looks.push((before, after));
    }
    anyhow::bail!("gws-04 was never seen to carry {PAGES} pages: {looks:?}")
}
