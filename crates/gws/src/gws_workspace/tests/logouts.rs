//! Agents whose sessions end are logged out, whatever is away and whoever is killed meanwhile.

use super::super::unfinished_ends;
use super::*;
use crate::sessions::store::ENDING_LISTS;
use crate::voice_api::{DnAgentState, DnMessage, DnNews, DnState};

/// Replicas at one store and one gws-voice.
struct LogoutBench {
    clock: Arc<SetClock>,
    store: DeskStore,
    roles: Arc<AgreeingRoles>,
}

impl LogoutBench {
    fn new() -> Self {
        let clock = clock();
        Self { store: DeskStore::in_memory(clock.clone()), clock, roles: Arc::default() }
    }

    fn replica(&self, holder: &str) -> Arc<Workspace> {
        let (_, believed) = tokio::sync::watch::channel(Believed::default());
        let tokens = TokenVerifier::new(believed, &[], self.clock.clone());
        replica_of(self.roles.clone(), holder, &self.clock, &self.store, tokens)
    }

    /// A session whose agent is logged in at 7101.
    async fn at_work(&self, workspace: &Workspace) -> (Arc<DeskSession>, SessionCookie) {
        self.at_work_where(None, workspace).await
    }

    /// The same where that agent is logged in before.
    async fn at_work_where(&self, before: Option<&str>, workspace: &Workspace) -> (Arc<DeskSession>, SessionCookie) {
        let (session, cookie) = begin(workspace, "ann").await;
        let body = desk::ActivateBody::read(&json!({"data": {"dn": "7101"}})).unwrap();
        let _reply = session.operate(|desk, reply, now| desk.activate(body, "7101".to_owned(), None, reply, now));
        settle().await;
        self.tells(before);
        settle().await;
        self.tells(Some("1001"));
        settle().await;
        assert_eq!(session.shown(|desk| desk.working_dn().map(str::to_owned)).as_deref(), Some("7101"));
        (session, cookie)
    }

    /// gws-voice tells all who follow who is at 7101.
    fn tells(&self, agent: Option<&str>) {
        let state = if agent.is_some() { DnAgentState::Ready } else { DnAgentState::LoggedOut };
        let dn = DnState {
            number: "7101".to_owned(),
            switch_name: None,
            agent_id: agent.map(str::to_owned),
            agent_state: state,
            agent_work_mode: "Unknown".to_owned(),
            dnd: None,
            forward_to: None,
            reasons: Vec::new(),
            capabilities: Vec::new(),
            timestamp: None,
            wrap_up_until: None,
        };
        let news = DnNews::Picture { dn, calls: Vec::new() };
        let position = self.clock.now().as_micros().to_string();
        let message = DnMessage { position, reference: 0, requester: String::new(), news };
        let readers = self.roles.readers.lock().unwrap().clone();
        for reader in readers.iter().filter_map(std::sync::Weak::upgrade) {
            reader.told(&message);
        }
    }

    fn logouts(&self) -> usize {
        self.roles.frames.lock().unwrap().iter().filter(|frame| frame["req"] == "TAgentLogout").count()
    }

    async fn passes(&self, workspace: &Workspace, time: Duration) {
        for _ in 0..time.as_secs() {
            self.clock.advance(Duration::from_secs(1));
            workspace.on_tick(true);
            settle().await;
        }
    }

    async fn looks_for_unfinished(workspace: &Workspace) {
        for list in 0..ENDING_LISTS {
            unfinished_ends::look(workspace, list).await;
            settle().await;
        }
    }

    fn refuses(&self, status: Option<u16>) {
        *self.roles.refusal.lock().unwrap() = status;
    }
}

#[tokio::test]
async fn a_session_ends_with_the_logout_however_long_gws_voice_is_away_and_its_cookie_at_once() {
    let bench = LogoutBench::new();
    let (one, other) = (bench.replica("one.1"), bench.replica("other.1"));
    let (session, cookie) = bench.at_work(&one).await;
    bench.refuses(Some(503));
    assert!(session.end_noted(DeskEnd::Logout).await.is_ok());
    let kept = bench.store.read(&cookie).await.unwrap().unwrap().kept;
    assert!(kept.desk.ending.is_some(), "whoever has asked for it is answered behind that");
    settle().await;
    for replica in [&one, &other] {
        assert_eq!(replica.session(&cookie).await.err().unwrap(), ApiRefusal::without_session());
    }
    // The one that was asked last has it.
    bench.passes(&one, Duration::from_secs(17)).await;
    bench.passes(&other, Duration::from_secs(300)).await;
    assert!(session.is_over() && bench.store.read(&cookie).await.unwrap().is_some());
    assert_eq!(other.parts.metrics.logouts_late.get(), 1);
    let asked = bench.logouts();
    assert!((5..60).contains(&asked), "{asked}");
    bench.refuses(None);
    bench.passes(&other, Duration::from_secs(61)).await;
    assert!(bench.logouts() > asked);
    bench.tells(None);
    settle().await;
    assert!(bench.store.read(&cookie).await.unwrap().is_none());
    assert_eq!(other.parts.metrics.ended.get(SessionEnd::Logout), 1);
    assert!(bench.roles.followed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_end_whose_replica_is_gone_goes_on_at_another_one_though_nobody_asks() {
    for is_killed in [true, false] {
        let bench = LogoutBench::new();
        let (one, other) = (bench.replica("one.1"), bench.replica("other.1"));
        let (session, cookie) = bench.at_work(&one).await;
        bench.refuses(Some(503));
        session.end(DeskEnd::Idle);
        settle().await;
        LogoutBench::looks_for_unfinished(&other).await;
        assert!(other.sessions.held.find(&cookie).is_none(), "somebody is at it");
        bench.refuses(None);
        if is_killed {
            bench.clock.advance(Duration::from_secs(46));
        } else {
            one.sessions.drain.begin(bench.clock.now());
            one.sessions.hand_over().await;
        }
        let asked = bench.logouts();
        LogoutBench::looks_for_unfinished(&other).await;
        assert!(other.sessions.held.find(&cookie).is_some(), "killed: {is_killed}");
        bench.passes(&other, Duration::from_secs(3)).await;
        assert_eq!(bench.logouts(), asked + 1);
        bench.tells(None);
        settle().await;
        assert!(bench.store.read(&cookie).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn of_two_sessions_of_a_person_the_last_one_that_ends_logs_the_agent_out() {
    let bench = LogoutBench::new();
    let (one, other) = (bench.replica("one.1"), bench.replica("other.1"));
    let (first, _) = bench.at_work(&one).await;
    let (second, _) = bench.at_work_where(Some("1001"), &other).await;
    first.end(DeskEnd::Logout);
    settle().await;
    assert!(first.is_over() && bench.logouts() == 0, "the person works on in the other one");
    second.end(DeskEnd::Logout);
    settle().await;
    assert_eq!(bench.logouts(), 1);

    // One whose desktop is gone counts no more.
    let bench = LogoutBench::new();
    let one = bench.replica("one.1");
    bench.at_work(&one).await;
    bench.passes(&one, Duration::from_secs(300)).await;
    let (second, _) = bench.at_work_where(Some("1001"), &one).await;
    second.end(DeskEnd::Logout);
    settle().await;
    assert_eq!(bench.logouts(), 1);
}

#[tokio::test]
async fn what_waits_for_a_gws_voice_that_hangs_is_not_made_when_it_answers_again() {
    let bench = LogoutBench::new();
    let one = bench.replica("one.1");
    let (session, _) = bench.at_work(&one).await;
    let operation = |path: &[&str]| desk::VoiceOperation::read(path, &json!({})).unwrap();
    let mut replies = Vec::new();
    for path in [["dnd-on"], ["ready"]] {
        let operation = operation(&path);
        replies.push(session.operate(|desk, reply, now| desk.operate(operation, reply, now)).unwrap());
        // Whoever makes the requests comes to the second one when it is too late.
        bench.clock.advance(Duration::from_secs(5));
    }
    bench.clock.advance(Duration::from_secs(5));
    settle().await;
    let answers = futures::future::join_all(replies).await;
    let statuses: Vec<u16> = answers.into_iter().map(|answer| answer.unwrap().status).collect();
    assert_eq!(statuses[0], 503);
    let frames = bench.roles.frames.lock().unwrap().clone();
    assert!(!frames.iter().any(|frame| frame["req"] == "TSetDNDOn"), "{frames:?}");
}

/// Whatever way a DN stops being the agent's, what pages were given for its phone ends; where nobody can have had any, nothing is told.
#[tokio::test]
async fn the_right_to_a_phone_ends_once_the_dn_is_not_the_agents_any_more() {
    for way in ["logout", "another agent", "idle", "end elsewhere"] {
        let bench = LogoutBench::new();
        let (one, other) = (bench.replica("one.1"), bench.replica("other.1"));
        let (session, _) = bench.at_work(&one).await;
        let ended = || bench.roles.ended_rights.lock().unwrap().clone();
        let right = session.phone_right("7101").expect("the agent is there");
        assert_eq!((session.phone_right("7101").as_ref(), session.phone_right("7102")), (Some(&right), None));
        bench.tells(Some("1001"));
        settle().await;
        assert!(ended().is_empty(), "{way}: it is the agent's still");
        let before = bench.clock.now().as_secs() + 1;
        match way {
            "logout" => session.end(DeskEnd::Logout),
            "another agent" => bench.tells(Some("1002")),
            "idle" => session.end(DeskEnd::Idle),
            _ => {
                // Nobody knows whether the first one has told it: the other one does again.
                bench.refuses(Some(503));
                session.end(DeskEnd::Idle);
                settle().await;
                bench.roles.ended_rights.lock().unwrap().clear();
                bench.clock.advance(Duration::from_secs(46));
                LogoutBench::looks_for_unfinished(&other).await;
            }
        }
        settle().await;
        let told = ended();
        assert!(matches!(told.as_slice(), [(of, since)] if *of == right && *since >= before), "{way}: {told:?}");
        assert_eq!(session.phone_right("7101"), None, "{way}");
    }
}

#[tokio::test]
async fn a_session_that_goes_on_elsewhere_keeps_its_right_to_a_phone() {
    let bench = LogoutBench::new();
    let (one, other) = (bench.replica("one.1"), bench.replica("other.1"));
    let (session, cookie) = bench.at_work(&one).await;
    let right = session.phone_right("7101");
    let adopted = other.session(&cookie).await.unwrap();
    settle().await;
    assert_eq!(adopted.phone_right("7101"), right);
    assert!(bench.roles.ended_rights.lock().unwrap().is_empty());
}
