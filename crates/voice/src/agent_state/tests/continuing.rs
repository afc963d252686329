//! Whoever continues with the agents, at whatever moment, reports the same times in their states.

use std::collections::BTreeMap;

use super::*;

/// The work of two agents, an input after the other.
const INPUTS: usize = 14;

/// The reporting log, by identity.
#[derive(Default)]
struct Log(BTreeMap<String, String>);

impl Log {
    fn take(&mut self, agents: &TenantAgents) {
        for record in agents.intervals() {
            let before = self.0.insert(record.id.clone(), record.json.clone());
            assert!(before.is_none_or(|before| before == record.json), "{} is told in two ways", record.id);
        }
    }
}

/// Gives the agents an input; it is not committed yet.
fn input(site: &mut Site, agents: &mut TenantAgents, number: usize) {
    site.clock.advance(Duration::from_secs(2));
    let not_ready = RequestKind::AgentNotReady(WorkMode::AuxWork);
    match number {
        0 => site.post(agents, "7101", RequestKind::AgentLogin(None, WorkMode::ManualIn, LoginPassword::Absent)),
        1 => site.post(agents, "7102", RequestKind::AgentLogin(None, WorkMode::AutoIn, LoginPassword::Absent)),
        2 | 11 => site.post(agents, "7101", RequestKind::AgentReady(WorkMode::ManualIn)),
        // The reasons change, the state does not.
        3 | 4 => site.post(agents, "7102", not_ready),
        5 => site.post(agents, "7102", RequestKind::AgentNotReady(WorkMode::WalkAway)),
        6..=8 => {
            let name = [EventName::Ringing, EventName::Established, EventName::Released][number - 6];
            let entry = site.entry(name, CallState::Ok);
            agents.observe(&[entry], site.now());
        }
        // Time ends the after-call work.
        9 => site.clock.advance(Duration::from_secs(60)),
        10 => site.post(agents, "7101", RequestKind::AgentNotReady(WorkMode::AuxWork)),
        12 => site.post(agents, "7102", RequestKind::AgentLogout),
        _ => site.post(agents, "7101", RequestKind::AgentLogout),
    }
}

/// What happens to the node around an input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Crash {
    Never,
    /// Committed, not reported.
    BeforeReport,
    /// Committed and reported.
    AfterReport,
    Both,
}

/// Plays all inputs; the node crashes after those that `crash` names.
async fn played(crash: impl Fn(usize) -> Crash) -> BTreeMap<String, String> {
    let (mut site, mut log) = (Site::new(), Log::default());
    let mut agents = site.claim(1).await.unwrap();
    for number in 0..INPUTS {
        input(&mut site, &mut agents, number);
        site.turn(&mut agents).await;
        let crash = crash(number);
        if matches!(crash, Crash::BeforeReport | Crash::Both) {
            agents = site.claim(1).await.unwrap();
        }
        log.take(&agents);
        if matches!(crash, Crash::AfterReport | Crash::Both) {
            agents = site.claim(1).await.unwrap();
        }
    }
    log.0
}

#[tokio::test]
async fn a_restart_after_every_input_changes_no_interval() {
    let expected = played(|_| Crash::Never).await;
    assert!(expected.len() >= 9, "{expected:#?}");
    for crash in [Crash::BeforeReport, Crash::AfterReport, Crash::Both] {
        assert_eq!(played(|_| crash).await, expected, "{crash:?}");
    }
    for one in 0..INPUTS {
        let at = |crash| move |number| if number == one { crash } else { Crash::Never };
        assert_eq!(played(at(Crash::BeforeReport)).await, expected, "before the report of input {one}");
        assert_eq!(played(at(Crash::AfterReport)).await, expected, "after the report of input {one}");
    }
}

#[tokio::test]
async fn an_input_that_was_not_committed_reports_nothing() {
    let mut site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    for number in 0..2 {
        input(&mut site, &mut agents, number);
        site.turn(&mut agents).await;
    }
    input(&mut site, &mut agents, 2);
    // The commit never came.
    assert!(agents.turn(site.now()).is_some());
    let agents = site.claim(1).await.unwrap();
    assert_eq!(agents.intervals(), []);
}
