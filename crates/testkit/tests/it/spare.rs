//! Two carriers of one prefix, each a Kamailio with a phone behind it: whatever is wrong with the first one, the call goes on by its spare, and
//! no phone rings for it twice.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::agents::{baresip_phone_that_says, long_speech};
use testkit::caller::{goes_out, prompt};
use testkit::facts::check_to_the_end;
use testkit::kamailio::{ACCOUNT, CarrierFault, Kamailio};
use testkit::{Answer, Installation, Phone, Setup, Watch, wait};

use super::carriers::{hear_each_other, sip_proxy_talks_with};
use super::trace::trace;

const SOON: Duration = Duration::from_secs(45);
/// How long the first carrier may be silent, in seconds: where that counts, and where something else is to come first.
const SHORT_S: u32 = 4;
const LONG_S: u32 = 20;
/// Longer than [`SHORT_S`], and much shorter than [`LONG_S`].
const LATE: Duration = Duration::from_secs(6);
const PASSWORD: &str = "hush-hush-1";
/// The last octets of the addresses of both carriers, and of who has registered with each.
const FIRST: u8 = 30;
const SPARE: u8 = 31;
const BEHIND_FIRST: u8 = 32;
const BEHIND_SPARE: u8 = 33;
/// The number outside, of both.
const NUMBER: &str = "+4930999";
const UNAVAILABLE: (u16, &str) = (503, "Service Unavailable");

/// What a trace says of a first carrier that was silent for as long as it may, that has not taken the call, and of its spare.
const SILENT: &str = "the trunk first says nothing: the trunk spare is tried";
const NOT_TAKEN: &str = "the trunk first does not put the call through: the trunk spare is tried";
const BY_SPARE: &str = "answered by the trunk spare after";

/// Two carriers with a phone behind each, and a phone of ours.
struct TwoCarriers {
    own: Phone,
    behind_first: Phone,
    behind_spare: Phone,
    watch: Watch,
    first: Kamailio,
    _spare: Kamailio,
    site: Installation,
    calls: usize,
}

/// Somebody who has registered with the carrier at that address.
fn somebody(site: &Installation, carrier: u8, host: u8) -> Result<Phone> {
    Phone::register(&Setup {
        address: site.peer_address(host),
        registrar: &format!("{}:5060", site.peer_address(carrier)),
        user: NUMBER,
        password: "none",
        transport: "udp",
        speech: &long_speech()?,
        answer: Answer::Manual,
    })
}

/// Imports the example with both trunks in place of its own. The first one may be silent for so many seconds.
fn import(site: &Installation, transport: &str, silent_s: u32) -> Result<()> {
    let trunk = |name: &str, host: u8, more: &str| {
        let at = site.peer_address(host);
        format!(
            "  - {{name: {name}, allow: [127.0.0.0/8], contact: \"{at}:5060;transport={transport}\", prefix: \"+\", user: {ACCOUNT}, \
             password: {PASSWORD}, {more}}}"
        )
    };
    let trunks = [trunk("first", FIRST, &format!("try_s: {silent_s}")), trunk("spare", SPARE, "priority: 1")];
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let changed = text.replacen("  - {name: carrier, allow: [127.0.0.0/8]}", &trunks.join("\n"), 1);
        ensure!(changed != text, "the example has changed");
        Ok(fs::write(&file, changed)?)
    })
}

impl TwoCarriers {
    /// Both are called by this transport; the first one has that fault, and may be silent for so many seconds.
    fn of(site: Installation, transport: &str, silent_s: u32, fault: &CarrierFault) -> Result<Self> {
        let first = Kamailio::faulty_carrier(site.peer_address(FIRST), PASSWORD, "^\\+1555", 600, fault)?;
        let spare = Kamailio::carrier(site.peer_address(SPARE), PASSWORD, "^\\+1555", 600)?;
        import(&site, transport, silent_s)?;
        let watch = Watch::start(&site, "0-0")?;
        let behind_first = somebody(&site, FIRST, BEHIND_FIRST)?;
        let behind_spare = somebody(&site, SPARE, BEHIND_SPARE)?;
        let own = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Manual)?;
        goes_out(&site, NUMBER)?;
        Ok(Self { own, behind_first, behind_spare, watch, first, _spare: spare, site, calls: 0 })
    }

    fn start(transport: &str, silent_s: u32, fault: &CarrierFault) -> Result<Self> {
        Self::of(Installation::start()?, transport, silent_s, fault)
    }

    fn dial(&mut self) -> Result<()> {
        self.calls += 1;
        self.own.dial(NUMBER)
    }

    /// The call rings at the first carrier's phone; both hear each other until that hangs up.
    fn is_answered_by_first(&mut self) -> Result<()> {
        self.behind_first.wait_for("CALL_INCOMING", SOON)?;
        self.behind_first.answer()?;
        hear_each_other(&mut self.own, &mut self.behind_first)?;
        self.is_over()
    }

    /// The call rings at the spare's phone. The trace says why: a clock here would measure how busy the machine is.
    fn rings_at_spare(&mut self) -> Result<()> {
        self.behind_spare.wait_for("CALL_INCOMING", SOON)?;
        self.behind_spare.answer()
    }

    /// Both hear each other until the spare's phone hangs up.
    fn talks_by_spare(&mut self) -> Result<()> {
        hear_each_other(&mut self.own, &mut self.behind_spare)?;
        self.is_over()
    }

    /// No phone has rung that should not have, nor one of them once more.
    fn is_over(&mut self) -> Result<()> {
        self.watch.wait_for_count("CallDeleted", self.calls, SOON)?;
        for (name, phone) in [("first", &mut self.behind_first), ("spare", &mut self.behind_spare)] {
            ensure!(!phone.has_seen("CALL_INCOMING")?, "the phone behind the {name} has rung for it too");
        }
        let facts = self.watch.facts();
        let reached = facts.iter().filter(|fact| fact.brief() == "NetworkReached@7101").count();
        ensure!(reached == self.calls, "{reached} times of {} the number has rung", self.calls);
        check_to_the_end(&self.site, &self.watch)
    }

    /// The trace of the last call.
    fn told(&self) -> Result<String> {
        Ok(trace(&self.site, &["--last", "--numbers"])?.to_string())
    }

    /// The trace of the last call names both attempts, and says this.
    fn tells(&self, lines: &[&str]) -> Result<()> {
        let mut told = String::new();
        let all = wait::until(SOON, || {
            told = self.told()?;
            Ok(["by the trunk first, else by spare"].iter().chain(lines).all(|line| told.contains(*line)).then_some(()))
        });
        all.with_context(|| format!("{lines:?} is not all in {told}"))
    }
}

#[test]
fn a_carrier_that_was_killed_is_left_for_its_spare_by_udp() -> Result<()> {
    let mut two = TwoCarriers::start("udp", SHORT_S, &CarrierFault::default())?;
    two.dial()?;
    two.is_answered_by_first()?;
    two.first.crash()?;
    two.dial()?;
    two.rings_at_spare()?;
    two.talks_by_spare()?;
    two.tells(&[SILENT, "The trunk first was asked and said nothing.", BY_SPARE])
}

/// voice-59: both calls go by connections to their carriers.
#[test]
fn a_carrier_that_was_killed_is_left_for_its_spare_by_tcp() -> Result<()> {
    let mut two = TwoCarriers::start("tcp", LONG_S, &CarrierFault::default())?;
    two.dial()?;
    two.is_answered_by_first()?;
    sip_proxy_talks_with(&two.site, two.site.peer_address(FIRST))?;
    two.first.crash()?;
    two.dial()?;
    // Nobody takes the connection: there is nothing to wait for.
    two.rings_at_spare()?;
    two.talks_by_spare()?;
    sip_proxy_talks_with(&two.site, two.site.peer_address(SPARE))?;
    let why = "the trunk first was not reached: nobody takes connections at the carrier's address";
    two.tells(&[why, NOT_TAKEN, BY_SPARE])?;
    two.site.is_at_rest()
}

#[test]
fn a_call_goes_on_by_the_spare_if_the_carrier_is_killed_while_it_is_set_up() -> Result<()> {
    let fault = CarrierFault { silent: Duration::from_secs(60), ..CarrierFault::default() };
    let mut two = TwoCarriers::start("tcp", 60, &fault)?;
    two.dial()?;
    let waits = format!("the call to {NUMBER} waits");
    wait::until(SOON, || Ok(two.first.log().contains(&waits).then_some(()))).context("the first has not got it")?;
    two.first.crash()?;
    two.rings_at_spare()?;
    two.talks_by_spare()?;
    let why = "the trunk first was not reached: the connection to the carrier closed before it answered";
    two.tells(&[why, NOT_TAKEN, BY_SPARE])?;
    two.site.is_at_rest()
}

#[test]
fn a_carrier_that_hangs_is_left_for_its_spare_by_udp() -> Result<()> {
    hangs("udp")
}

#[test]
fn a_carrier_that_hangs_is_left_for_its_spare_by_tcp() -> Result<()> {
    hangs("tcp")
}

/// The first one stands still, and goes on while the call goes by the spare: what it says then concerns nobody.
fn hangs(transport: &str) -> Result<()> {
    let mut two = TwoCarriers::start(transport, SHORT_S, &CarrierFault::default())?;
    two.dial()?;
    two.is_answered_by_first()?;
    two.first.hang()?;
    two.dial()?;
    two.rings_at_spare()?;
    two.first.go_on()?;
    two.talks_by_spare()?;
    two.tells(&[SILENT, BY_SPARE])?;
    // It is as good as before.
    two.dial()?;
    two.is_answered_by_first()?;
    two.tells(&["answered by the trunk first after"])?;
    two.site.is_at_rest()
}

#[test]
fn a_carrier_that_refuses_with_503_is_left_for_its_spare() -> Result<()> {
    let (status, phrase) = UNAVAILABLE;
    let mut two = TwoCarriers::start("udp", LONG_S, &CarrierFault::refusing(status, phrase))?;
    two.dial()?;
    two.rings_at_spare()?;
    two.talks_by_spare()?;
    let answers = "the trunk first answers 503 Service Unavailable";
    two.tells(&[answers, NOT_TAKEN, "The trunk first answered 503 Service Unavailable.", BY_SPARE])?;
    two.site.is_at_rest()
}

#[test]
fn a_carrier_that_redirects_to_its_spare_is_not_followed_there_and_rings_once() -> Result<()> {
    let site = Installation::start()?;
    let moved_to = Some(format!("sip:{NUMBER}@{}:5060", site.peer_address(SPARE)));
    let fault = CarrierFault { moved_to, ..CarrierFault::refusing(302, "Moved Temporarily") };
    let mut two = TwoCarriers::of(site, "udp", LONG_S, &fault)?;
    two.dial()?;
    two.rings_at_spare()?;
    two.talks_by_spare()?;
    let answers = "the trunk first answers 302 Moved Temporarily";
    two.tells(&[answers, NOT_TAKEN, "The trunk first answered 302 Moved Temporarily.", BY_SPARE])?;
    two.site.is_at_rest()
}

#[test]
fn a_carrier_that_rings_late_but_in_time_keeps_the_call() -> Result<()> {
    let fault = CarrierFault { silent: LATE, ..CarrierFault::default() };
    let mut two = TwoCarriers::start("udp", LONG_S, &fault)?;
    two.dial()?;
    two.is_answered_by_first()?;
    two.tells(&["answered by the trunk first after"])?;
    let told = two.told()?;
    ensure!(!told.contains("the trunk spare is tried"), "{told}");
    two.site.is_at_rest()
}

#[test]
fn a_carrier_that_refuses_late_but_in_time_is_left_for_its_spare() -> Result<()> {
    let fault = CarrierFault { silent: LATE, refuses: Some(UNAVAILABLE), ..CarrierFault::default() };
    let mut two = TwoCarriers::start("udp", LONG_S, &fault)?;
    two.dial()?;
    two.rings_at_spare()?;
    two.talks_by_spare()?;
    two.tells(&["the trunk first answers 503 Service Unavailable", NOT_TAKEN, BY_SPARE])?;
    two.site.is_at_rest()
}

#[test]
fn a_refusal_that_comes_when_the_spare_has_the_call_disturbs_nobody() -> Result<()> {
    let fault = CarrierFault { silent: LATE, refuses: Some(UNAVAILABLE), ..CarrierFault::default() };
    let mut two = TwoCarriers::start("udp", SHORT_S, &fault)?;
    two.dial()?;
    // Sooner than the refusal, and heard for longer than that takes.
    two.rings_at_spare()?;
    two.talks_by_spare()?;
    two.tells(&[SILENT, "The trunk first answered 503 Service Unavailable.", BY_SPARE])?;
    two.site.is_at_rest()
}
