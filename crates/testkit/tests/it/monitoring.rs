//! A supervisor listens to a call, speaks to its agent alone, and to all; parties are made mute and deaf. Who hears whom is judged by tones.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::caller::Caller;
use testkit::facts::{Fact, check_log_and_laws};
use testkit::{Installation, Phone, Watch, wait};

use crate::conference::{TONES, has_heard_for, heard, phone, tone};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);

/// A caller from outside, the agent at 7101 and a supervisor at 7130.
struct Desk {
    site: Installation,
    watch: Watch,
    agent: Phone,
    supervisor: Phone,
    caller: Option<Caller>,
    conn_id: String,
    reference: u64,
    _files: tempfile::TempDir,
}

impl Desk {
    fn talking() -> Result<Self> {
        let mut desk = Self::ready()?;
        desk.call(1)?;
        Ok(desk)
    }

    /// The agent is ready, and nobody calls.
    fn ready() -> Result<Self> {
        let files = tempfile::tempdir()?;
        let site = Installation::start()?;
        let watch = Watch::start(&site, "0-0")?;
        let agent = phone(&site, &files, 10, "7101", TONES[0])?;
        let supervisor = phone(&site, &files, 11, "7130", TONES[1])?;
        site.log_in("7101")?;
        watch.wait_for("AgentReady@7101", SOON)?;
        let conn_id = String::new();
        Ok(Self { site, watch, agent, supervisor, caller: None, conn_id, reference: 100, _files: files })
    }

    /// Somebody calls and talks with the agent: the call number `nth`.
    fn call(&mut self, nth: usize) -> Result<()> {
        let mut caller = Caller::dial(&self.site, "caller-until-bye.xml", 1, self.site.number("sales")?, &[])?;
        let established = self.watch.wait_for_count("Established@7101", nth, LATER)?;
        self.conn_id = established.text("ConnID").to_owned();
        let media = caller.answered(SOON)?;
        caller.audio.say(&tone(TONES[2], 300), media)?;
        self.caller = Some(caller);
        Ok(())
    }

    /// The agent hangs up, and with it the caller.
    fn hang_up(&mut self, nth: usize) -> Result<()> {
        self.agent.hang_up()?;
        let caller = self.caller.take().expect("it is there until here");
        caller.finish(LATER)?.1.expect_success()?;
        self.watch.wait_for_count("CallDeleted", nth, LATER)?;
        Ok(())
    }

    fn ask(&mut self, this_dn: &str, request: &str, fields: &Value) -> Result<Fact> {
        self.reference += 1;
        let mut frame =
            json!({"req": request, "ThisDN": this_dn, "ConnID": self.conn_id, "ReferenceID": self.reference});
        frame
            .as_object_mut()
            .into_iter()
            .zip(fields.as_object())
            .for_each(|(frame, fields)| frame.extend(fields.clone()));
        self.site.request(&frame)?;
        self.watch.answer_to(self.reference, SOON)
    }

    fn monitor(&mut self, mode: &str) -> Result<Fact> {
        self.ask("7130", "TMonitorCall", &json!({"OtherDN": "7101", "MonitorMode": mode}))
    }

    /// Waits until the agent, the supervisor and the caller hear these tones of [`TONES`] and no others; at first they go on for
    /// some seconds.
    fn they_hear(&self, wanted: &[Vec<f64>; 3], what: &str) -> Result<()> {
        let (agent, supervisor) = (self.agent.heard_bytes(), self.supervisor.heard_bytes());
        has_heard_for(&self.agent, agent)?;
        has_heard_for(&self.supervisor, supervisor)?;
        self.soon_hear(wanted, what, || heard_so_far(&self.supervisor))
    }

    /// The same without the first seconds; of three at different programs a busy machine may keep one behind.
    fn soon_hear(&self, wanted: &[Vec<f64>; 3], what: &str, supervisor: impl Fn() -> Result<Vec<f64>>) -> Result<()> {
        let mut last: [Vec<f64>; 3] = Default::default();
        let come = wait::until(SOON, || {
            let of_caller = self.caller.as_ref().map(|caller| heard(&caller.audio.received().samples));
            last = [heard_so_far(&self.agent)?, supervisor()?, of_caller.unwrap_or_default()];
            Ok((last == *wanted).then_some(()))
        });
        come.with_context(|| format!("{what}: {last:?} are heard, not {wanted:?}"))
    }

    fn ends(mut self, calls: usize) -> Result<()> {
        self.hang_up(calls)?;
        self.watch.wait_for_count("SessionEnded@9000", calls, LATER)?;
        self.site.is_at_rest()?;
        check_log_and_laws(&self.site, &self.watch.facts())
    }
}

/// The tones at the end of a recording that goes on: its header does not tell its length yet.
fn heard_so_far(phone: &Phone) -> Result<Vec<f64>> {
    let bytes = std::fs::read(phone.heard()?)?;
    let samples = bytes.get(44..).unwrap_or_default().chunks_exact(2);
    Ok(heard(&samples.map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect::<Vec<_>>()))
}

#[test]
fn a_supervisor_listens_coaches_and_joins() -> Result<()> {
    let [agent, supervisor, caller] = TONES;
    let mut desk = Desk::talking()?;
    let established = desk.monitor("mute")?;
    assert_eq!((established.brief().as_str(), established.text("OtherDN")), ("Established@7130", "7101"));
    assert_eq!(established.text("ThisDNRole"), "Observer");
    let added = desk.watch.wait_for("PartyAdded@7101", SOON)?;
    assert_eq!((added.text("OtherDN"), added.text("OtherDNRole")), ("7130", "Observer"));
    let listens = [vec![caller], vec![agent, caller], vec![agent]];
    desk.they_hear(&listens, "it listens")?;
    assert_eq!(desk.monitor("coach")?.brief(), "ACK@7130");
    desk.they_hear(&[vec![supervisor, caller], vec![agent, caller], vec![agent]], "it coaches")?;
    desk.monitor("connect")?;
    let all = [vec![supervisor, caller], vec![agent, caller], vec![agent, supervisor]];
    desk.they_hear(&all, "it has joined")?;
    desk.monitor("mute")?;
    desk.they_hear(&listens, "it listens again")?;
    let refused = desk.ask("7101", "TDeleteFromConference", &json!({"OtherDN": "7130"}))?;
    assert_eq!(refused.frame["ErrorCode"], 93, "the agent does not remove it");
    desk.ends(1)
}

#[test]
fn parties_are_made_mute_and_deaf() -> Result<()> {
    let [agent, _, caller] = TONES;
    let mut desk = Desk::talking()?;
    let number = desk.watch.wait_for("Established@7101", SOON)?.text("OtherDN").to_owned();
    let supervisor = Vec::new;
    let steps = [
        ("TSetMuteOn", json!({}), "MuteOn@7101", [vec![caller], supervisor(), vec![]]),
        ("TListenDisconnect", json!({}), "ListenDisconnected@7101", [vec![], supervisor(), vec![]]),
        ("TSetMuteOff", json!({}), "MuteOff@7101", [vec![], supervisor(), vec![agent]]),
        ("TListenReconnect", json!({}), "ListenReconnected@7101", [vec![caller], supervisor(), vec![agent]]),
        ("TSetMuteOn", json!({"OtherDN": number}), "ACK@7101", [vec![], supervisor(), vec![agent]]),
        ("TSetMuteOff", json!({"OtherDN": number}), "ACK@7101", [vec![caller], supervisor(), vec![agent]]),
    ];
    for (request, fields, news, expected) in steps {
        assert_eq!(desk.ask("7101", request, &fields)?.brief(), news);
        let before = desk.agent.heard_bytes();
        has_heard_for(&desk.agent, before)?;
        desk.soon_hear(&expected, &format!("{request} {fields}"), || Ok(supervisor()))?;
    }
    desk.ends(1)
}

#[test]
fn a_supervisor_asks_for_the_call_in_progress_the_next_one_or_all() -> Result<()> {
    let mut desk = Desk::talking()?;
    let next = |desk: &mut Desk, kind: &str| {
        let told = desk.ask("7130", "TMonitorNextCall", &json!({"OtherDN": "7101", "MonitorType": kind}))?;
        assert_eq!((told.brief().as_str(), told.text("OtherDN")), ("MonitoringNextCall@7130", "7101"));
        anyhow::Ok(())
    };
    next(&mut desk, "Current")?;
    let established = desk.watch.wait_for("Established@7130", SOON)?;
    assert_eq!((established.text("ConnID"), established.text("ThisDNRole")), (desk.conn_id.as_str(), "Observer"));
    desk.watch.wait_for("MonitoringNextCall@7101", SOON)?;
    next(&mut desk, "AllCalls")?;
    desk.hang_up(1)?;
    // Wrap-up is over at once, and the next call comes.
    for nth in 2..4 {
        desk.watch.wait_for_count("AgentReady@7101", nth, LATER)?;
        desk.call(nth)?;
        let established = desk.watch.wait_for_count("Established@7130", nth, SOON)?;
        assert_eq!(established.text("ConnID"), desk.conn_id, "the call in progress was not rung for again");
        if nth == 2 {
            desk.hang_up(2)?;
        }
    }
    let told = desk.ask("7101", "TSendUserEvent", &json!({"UserData": {"Note": "well done"}}))?;
    assert_eq!((told.brief().as_str(), &told.frame["UserData"]["Note"]), ("UserEvent@7101", &json!("well done")));
    let cancelled = desk.ask("7130", "TCancelMonitoring", &json!({"OtherDN": "7101"}))?;
    assert_eq!(cancelled.brief(), "MonitoringCancelled@7130");
    let refused = desk.ask("7130", "TCancelMonitoring", &json!({"OtherDN": "7101"}))?;
    assert_eq!(refused.frame["ErrorCode"], 93);
    desk.ends(3)
}
