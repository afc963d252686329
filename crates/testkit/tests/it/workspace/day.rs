//! The day of an agent: two agents and a supervisor at the desktop, each in a browser of their own, and callers from outside. What pages
//! hear is judged in the browsers, and what the callers hear is judged here.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::audio::write_wav;
use testkit::browser::Browser;
use testkit::caller::Caller;
use testkit::facts::{Fact, briefs};
use testkit::{Installation, Watch, wait};

use super::{OWN, agent};
use crate::conference::{heard_of, tone};

const SOON: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(90);
/// For a part of the day in the browsers, each step of which has its own patience.
const IN_BROWSER: Duration = Duration::from_secs(240);
/// What each says, as `desk-day.mjs` has it too: no multiples of each other, and all in the band of a telephone.
pub(super) const OF_AGENT: f64 = 440.0;
const OF_COLLEAGUE: f64 = 1_000.0;
const OF_CALLER: f64 = 1_750.0;
const OF_SUPERVISOR: f64 = 2_500.0;
const TONES: [f64; 4] = [OF_AGENT, OF_COLLEAGUE, OF_CALLER, OF_SUPERVISOR];
/// A browser says its file again and again; a caller speaks once.
pub(super) const SAYS_SECONDS: usize = 60;
const CALLS_SECONDS: usize = 600;

/// The phones of the demo's agents are in browsers; the third of them looks after the others. The agent ends after-call work.
fn site() -> Result<Installation> {
    let site = Installation::start()?;
    let people = [agent(&site, 0)?, agent(&site, 1)?, agent(&site, 2)?];
    let phones: Vec<&str> = people.iter().filter_map(|user| user.dn.as_deref()).collect();
    ensure!(phones.len() == people.len() && phones.first() == Some(&OWN), "the demo's phones are {phones:?}");
    let named = format!("{{user: {},", people[2].user);
    site.change_example(|file| {
        let in_browsers = phones.iter().fold(file.to_owned(), |file, number| {
            let phone = format!("- {{number: \"{number}\", ");
            file.replacen(&phone, &format!("{phone}encryption: dtls, "), 1)
        });
        let supervised = in_browsers.replacen(&named, &format!("{named} privileges: [agent, supervisor],"), 1);
        supervised.replace("wrap_up_s: 1, ", "wrap_up_s: 600, ")
    })?;
    Ok(site)
}

/// Somebody calls the queue, and speaks as soon as it is answered.
pub(super) fn calls(site: &Installation, scenario: &str) -> Result<Caller> {
    let mut caller = Caller::dial(site, scenario, 1, site.number("sales")?, &[])?;
    let media = caller.answered(SOON)?;
    caller.audio.say(&tone(OF_CALLER, CALLS_SECONDS), media)?;
    Ok(caller)
}

/// The call of the queue in which the agent talks, and which is another one than `before`.
pub(super) fn talking(watch: &Watch, before: &str) -> Result<String> {
    let is_due = |fact: &&Fact| {
        fact.brief() == format!("Established@{OWN}")
            && fact.text("CallType") == "Inbound"
            && fact.text("ConnID") != before
    };
    let found = wait::until(SOON, || Ok(watch.facts().iter().find(is_due).map(|fact| fact.text("ConnID").to_owned())));
    found.with_context(|| format!("no call of the queue at {OWN} in {:?}", briefs(&watch.facts())))
}

/// Waits until a call of the queue is over, in which those have talked: the last that is told of each of them in it is that it was released.
pub(super) fn is_over(watch: &Watch, conn: &str, phones: &[&str]) -> Result<()> {
    let of_call = |fact: &Fact| fact.text("ConnID") == conn;
    let ended = wait::until(SOON, || {
        let is_end = |fact: &Fact| fact.name == "EventCallDeleted" && of_call(fact);
        Ok(watch.facts().iter().any(is_end).then_some(()))
    });
    ended.with_context(|| format!("the call {conn} does not end: {:?}", briefs(&watch.facts())))?;
    for dn in phones {
        let facts = watch.facts();
        let is_step = |fact: &&Fact| {
            let is_talk = ["EventEstablished", "EventReleased"].contains(&fact.name.as_str());
            is_talk && fact.dn() == *dn && of_call(fact)
        };
        let last = facts.iter().rfind(is_step).map(|fact| fact.name.as_str());
        ensure!(last == Some("EventReleased"), "{dn} in {conn}: {last:?} in {:?}", briefs(&facts));
    }
    Ok(())
}

/// After each of the calls the agent had after-call work, which ended before the agent was ready again or logged out.
fn has_wrapped_up(watch: &Watch, times: usize) -> Result<()> {
    let facts = watch.facts();
    let of_agent: Vec<&Fact> = facts.iter().filter(|fact| fact.id.starts_with("agent:") && fact.dn() == OWN).collect();
    let is_after_call =
        |fact: &&&Fact| fact.name == "EventAgentNotReady" && fact.text("AgentWorkMode") == "AfterCallWork";
    let found = of_agent.iter().filter(is_after_call).count();
    ensure!(found == times, "after-call work {found} times: {:?}", briefs(&facts));
    let last = of_agent.last().map(|fact| fact.name.as_str());
    ensure!(last == Some("EventAgentLogout"), "the day of {OWN} ends by {last:?}: {:?}", briefs(&facts));
    Ok(())
}

/// The browsers of a task. At some steps they wait for a file with the step's name.
pub(super) struct Desks {
    pub(super) browsers: Browser,
    pub(super) folder: PathBuf,
}

impl Desks {
    /// Each with its microphone; the first one has that of the agent.
    fn start(site: &Installation, folder: &Path) -> Result<Self> {
        let wav = |name: &str| folder.join(format!("{name}.wav"));
        for (name, hz) in [("agent", OF_AGENT), ("colleague", OF_COLLEAGUE), ("supervisor", OF_SUPERVISOR)] {
            write_wav(&wav(name), &tone(hz, SAYS_SECONDS))?;
        }
        let mut given = vec![folder.display().to_string()];
        for number in 0..3 {
            let user = agent(site, number)?;
            given.extend([user.user.clone(), user.password.clone()]);
        }
        let browsers = Browser::start_with_microphone("deskDay", site, &given, &wav("agent"))?;
        Ok(Self { browsers, folder: folder.to_owned() })
    }

    pub(super) fn come_to(&mut self, step: &str) -> Result<()> {
        self.browsers.says(step, IN_BROWSER).map(drop)
    }

    pub(super) fn go_on(&self, step: &str) -> Result<()> {
        fs::write(self.folder.join(step), "").with_context(|| step.to_owned())
    }

    /// At that step the caller hears these tones and no others.
    pub(super) fn are_heard(&mut self, caller: &Caller, step: &str, tones: &[f64]) -> Result<()> {
        self.come_to(step)?;
        let mut last = Vec::new();
        let come = wait::until(LATER, || {
            last = heard_of(&TONES, &caller.audio.received().samples);
            Ok((last == tones).then_some(()))
        });
        come.with_context(|| format!("{step}: the caller hears {last:?}, not {tones:?}"))?;
        self.go_on(step)
    }

    /// At that step the agent has no network, and a program tells something of the call.
    pub(super) fn are_cut_off(&mut self, site: &Installation, conn: &str, step: &str) -> Result<()> {
        self.come_to(step)?;
        let told = json!({"req": "TUpdateUserData", "ThisDN": OWN, "ConnID": conn, "UserData": {"Ticket": step}});
        site.request(&told)?;
        self.go_on(step)
    }
}

#[test]
fn the_day_of_an_agent() -> Result<()> {
    let (site, files) = (site()?, tempfile::tempdir()?);
    let watch = Watch::start(&site, "0-0")?;
    let mut desks = Desks::start(&site, files.path())?;
    desks.come_to("ready")?;
    let caller = calls(&site, "caller-until-bye.xml")?;
    desks.are_heard(&caller, "taken", &[OF_AGENT])?;
    let first = talking(&watch, "")?;
    // Nobody outside notices that somebody listens, and what that one whispers.
    desks.are_heard(&caller, "listened", &[OF_AGENT])?;
    desks.are_heard(&caller, "whispered", &[OF_AGENT])?;
    desks.are_heard(&caller, "alternated", &[OF_AGENT])?;
    desks.are_heard(&caller, "conferred", &[OF_AGENT, OF_COLLEAGUE])?;
    desks.are_heard(&caller, "transferred", &[OF_COLLEAGUE])?;
    desks.come_to("over")?;
    caller.finish(LATER)?.1.expect_success()?;
    is_over(&watch, &first, &[OWN, "7102"])?;
    desks.come_to("back")?;
    let caller = calls(&site, "caller-when-told.xml")?;
    desks.are_heard(&caller, "kept", &[OF_AGENT])?;
    let second = talking(&watch, &first)?;
    desks.are_cut_off(&site, &second, "cut")?;
    desks.are_heard(&caller, "reconnected", &[OF_AGENT])?;
    desks.are_cut_off(&site, &second, "lost")?;
    desks.come_to("gone")?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    desks.go_on("gone")?;
    desks.browsers.finish(IN_BROWSER)?;
    is_over(&watch, &second, &[OWN])?;
    // What the pages have shown has happened.
    for dn in [OWN, "7102", "7103"] {
        watch.wait_for(&format!("AgentLogout@{dn}"), SOON)?;
    }
    let is_lunch =
        |fact: &Fact| fact.brief() == format!("AgentNotReady@{OWN}") && fact.frame["Reasons"]["ReasonCode"] == "Lunch";
    ensure!(watch.facts().iter().any(is_lunch), "no lunch in {:?}", briefs(&watch.facts()));
    has_wrapped_up(&watch, 2)?;
    site.is_at_rest()
}
