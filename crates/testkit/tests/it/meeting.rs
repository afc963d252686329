//! Two callers of one agent who came separately, joined by request: who hears whom, judged by a tone of each party.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::audio::read_wav;
use testkit::facts::check_log_and_laws;
use testkit::{Installation, Phone, Watch, wait};

use crate::conference::{TONES, comes_to_hear, has_heard_for, heard, phone};
use crate::records::jq;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
/// How long it may take until each of two nodes shows its call. A node that a busy machine keeps from its turn for a second counts as
/// failed, and the other one gets its calls too: then all begins anew.
const PLACED_WITHIN: Duration = Duration::from_secs(15);
const TRIES: usize = 3;

/// An agent at 7101 who talks with 7130, and then with 7133 on another line: of two nodes each has the calls of one of these phones.
struct Desk {
    site: Installation,
    watch: Watch,
    agent: Phone,
    first: Phone,
    second: Phone,
    calls: [String; 2],
    files: tempfile::TempDir,
}

impl Desk {
    fn with_two_callers(site: Installation) -> Result<Self> {
        let files = tempfile::tempdir()?;
        let watch = Watch::start(&site, "0-0")?;
        let agent = phone(&site, &files, 10, "7101", TONES[0])?;
        let mut first = phone(&site, &files, 11, "7130", TONES[1])?;
        let mut second = phone(&site, &files, 12, "7133", TONES[2])?;
        first.dial(&format!("sip:7101@{}", site.sip()))?;
        let one = watch.wait_for("Established@7130", SOON)?.text("ConnID").to_owned();
        let this =
            |reference: u64| json!({"req": "THoldCall", "ThisDN": "7101", "ConnID": one, "ReferenceID": reference});
        site.request(&this(70))?;
        assert_eq!(watch.answer_to(70, SOON)?.brief(), "Held@7101");
        second.dial(&format!("sip:7101@{}", site.sip()))?;
        let two = watch.wait_for("Established@7133", SOON)?.text("ConnID").to_owned();
        ensure!(one != two, "each has a call of its own");
        Ok(Self { site, watch, agent, first, second, calls: [one, two], files })
    }

    /// The same with a node for each of the calls.
    fn at_two_nodes() -> Result<Self> {
        let mut time = 0;
        loop {
            time += 1;
            let desk = Self::with_two_callers(Installation::start_on_servers(&["--processes", "--replicas", "2"])?)?;
            let placed = wait::until(PLACED_WITHIN, || {
                let calls_of = |node| desk.site.metric_of("sip-cluster", node, "sipcluster_calls");
                Ok((calls_of(1)? == 1.0 && calls_of(2)? == 1.0).then_some(()))
            });
            match placed {
                Ok(()) => return Ok(desk),
                Err(error) if time == TRIES => return Err(error.context("each node has one of the calls")),
                Err(_) => {}
            }
        }
    }

    fn ask(&self, reference: u64, fields: Value) -> Result<testkit::Fact> {
        let mut frame = json!({"ThisDN": "7101", "ReferenceID": reference});
        if let (Some(frame), Some(fields)) = (frame.as_object_mut(), fields.as_object()) {
            frame.extend(fields.clone());
        }
        self.site.request(&frame)?;
        self.watch.answer_to(reference, SOON)
    }

    fn ends(mut self) -> Result<()> {
        self.second.hang_up()?;
        self.first.wait_for("CALL_CLOSED", SOON)?;
        self.watch.wait_for_count("CallDeleted", 2, LATER)?;
        let together = "select(.type == \"CallDetail\" and ([.data.Parties[]?.DN] | contains([\"7130\", \"7133\"])))";
        // With servers the log is in Kafka.
        if self.site.data_dir().join("reporting").is_dir() {
            wait::until(LATER, || {
                Ok((!jq(&self.site, "voice-callthread", together).unwrap_or_default().is_empty()).then_some(()))
            })?;
        }
        drop(self.files);
        self.site.is_at_rest()?;
        check_log_and_laws(&self.site, &self.watch.facts())
    }
}

#[test]
fn two_callers_of_an_agent_are_connected_and_the_agent_leaves() -> Result<()> {
    the_agent_leaves(Desk::with_two_callers(Installation::start()?)?)
}

#[test]
fn two_callers_whose_calls_two_nodes_have_are_connected() -> Result<()> {
    let desk = Desk::at_two_nodes()?;
    the_agent_leaves(desk)
}

#[test]
fn an_agent_turns_from_one_caller_to_the_other_and_leaves_one_for_good() -> Result<()> {
    the_agent_turns(Desk::with_two_callers(Installation::start()?)?)
}

#[test]
fn an_agent_turns_between_two_callers_whose_calls_two_nodes_have() -> Result<()> {
    the_agent_turns(Desk::at_two_nodes()?)
}

fn the_agent_turns(mut desk: Desk) -> Result<()> {
    let [one, two] = desk.calls.clone();
    let turned = desk.ask(72, json!({"req": "TAlternateCall", "ConnID": two, "HeldConnID": one}))?;
    assert_eq!((turned.brief().as_str(), turned.text("ConnID")), ("Retrieved@7101", one.as_str()));
    has_heard_for(&desk.first, desk.first.heard_bytes())?;
    comes_to_hear(&desk.first, &[TONES[0]]).context("the first hears the agent")?;
    has_heard_for(&desk.second, desk.second.heard_bytes())?;
    assert!(!heard(&read_wav(&desk.second.heard()?)?).contains(&TONES[0]), "the second is on hold");
    let turned = desk.ask(73, json!({"req": "TReconnectCall", "ConnID": one, "HeldConnID": two}))?;
    assert_eq!((turned.brief().as_str(), turned.text("ConnID")), ("Retrieved@7101", two.as_str()));
    desk.first.wait_for("CALL_CLOSED", SOON)?;
    has_heard_for(&desk.second, desk.second.heard_bytes())?;
    comes_to_hear(&desk.second, &[TONES[0]]).context("the second hears the agent")?;
    desk.second.hang_up()?;
    desk.watch.wait_for_count("CallDeleted", 2, LATER)?;
    drop(desk.files);
    desk.site.is_at_rest()?;
    check_log_and_laws(&desk.site, &desk.watch.facts())
}

fn the_agent_leaves(mut desk: Desk) -> Result<()> {
    let [one, two] = desk.calls.clone();
    let refused =
        desk.ask(71, json!({"req": "TCompleteTransfer", "ConnID": one, "TransferConnID": "0000000000000001"}))?;
    assert_eq!(refused.brief(), "Error@7101", "there is no such call anywhere");
    let released = desk.ask(72, json!({"req": "TCompleteTransfer", "ConnID": one, "TransferConnID": two}))?;
    let outcome = (released.brief(), released.text("CallState").to_owned());
    assert_eq!(outcome, ("Released@7101".to_owned(), "Transferred".to_owned()), "{}", released.frame);
    let changed = desk.watch.wait_for("PartyChanged@7133", SOON)?;
    let told = (changed.text("ConnID"), changed.text("PreviousConnID"), changed.text("OtherDN"));
    assert_eq!(told, (one.as_str(), two.as_str(), "7130"));
    for _ in 0..2 {
        desk.agent.wait_for("CALL_CLOSED", SOON)?;
    }
    has_heard_for(&desk.second, desk.second.heard_bytes())?;
    comes_to_hear(&desk.first, &[TONES[2]]).context("the first hears the second")?;
    comes_to_hear(&desk.second, &[TONES[1]]).context("the second hears the first")?;
    desk.ends()
}

#[test]
fn two_callers_of_an_agent_and_the_agent_become_a_conference() -> Result<()> {
    let mut desk = Desk::with_two_callers(Installation::start()?)?;
    let [one, two] = desk.calls.clone();
    let added = desk.ask(72, json!({"req": "TMergeCalls", "ConnID": two, "HeldConnID": one}))?;
    assert_eq!((added.brief().as_str(), added.text("ConnID")), ("PartyAdded@7101", two.as_str()));
    desk.agent.wait_for("CALL_CLOSED", SOON)?;
    has_heard_for(&desk.second, desk.second.heard_bytes())?;
    comes_to_hear(&desk.first, &[TONES[0], TONES[2]]).context("the first hears both")?;
    comes_to_hear(&desk.second, &[TONES[0], TONES[1]]).context("the second hears both")?;
    desk.agent.hang_up()?;
    desk.watch.wait_for("PartyDeleted@7133", SOON)?;
    desk.ends()
}
