use model::{AgentId, CallType, CallUuid, EventId, QueueName, TenantId};

use super::*;

const CALL: ConnId = ConnId(7);

/// A course, and the facts that lead to it, a second after each other.
struct ToldCourse {
    courses: CallCourses,
    seq: u64,
}

fn call() -> CallRef {
    CallRef {
        conn_id: CALL,
        uuid: CallUuid(7),
        thread: CallUuid(7),
        previous: None,
        call_type: CallType::Inbound,
        propagated_type: None,
        ani: Some("+4930123456".to_owned()),
        dnis: Some("9000".to_owned()),
    }
}

impl ToldCourse {
    fn new() -> Self {
        Self { courses: CallCourses::default(), seq: 0 }
    }

    fn fold_of(&mut self, subject: Subject, event: Event) {
        self.seq += 1;
        let id = EventId { subject, token: Token(1), seq: Seq(self.seq) };
        let tenant = TenantId::parse("acme").unwrap();
        let event = Event { call: Some(call()), ..event };
        let stamped = Stamped { id, tenant, at: self.now(), trace: None, event };
        // As whoever goes on from what was kept has it.
        let mut twin = CallCourses::of_record(self.courses.record()).unwrap();
        twin.fold(&stamped);
        self.courses.fold(&stamped);
        assert_eq!(twin, self.courses);
    }

    fn fold(&mut self, name: EventName, more: impl FnOnce(&mut Event)) {
        let mut event = Event::new(name);
        more(&mut event);
        self.fold_of(Subject::Call(CALL), event);
    }

    /// At the route point 9000.
    fn at_point(&mut self, name: EventName, more: impl FnOnce(&mut Event)) {
        self.fold(name, |event| {
            (event.this_dn, event.this_queue) = (Dn::parse("9000").ok(), Some("9000".to_owned()));
            more(event);
        });
    }

    /// In the virtual queue of sales.
    fn in_queue(&mut self, name: EventName, more: impl FnOnce(&mut Event)) {
        let mut event = Event::new(name);
        (event.this_dn, event.this_queue) = (Dn::parse("sales").ok(), Some("sales".to_owned()));
        event.extensions.set(STAY, "r-1");
        more(&mut event);
        self.fold_of(Subject::Queue(QueueName::parse("sales").unwrap()), event);
    }

    fn comes(&mut self) {
        self.fold(EventName::CallCreated, |_| {});
        self.at_point(EventName::Queued, |_| {});
        self.at_point(EventName::RouteRequest, |_| {});
    }

    fn hears(&mut self, treatment: &str, keys: Option<&str>) {
        self.at_point(EventName::TreatmentApplied, |event| event.extensions.set("TreatmentType", treatment));
        self.at_point(EventName::TreatmentEnd, |event| {
            event.extensions.set("Result", "Completed");
            event.collected_digits = keys.map(str::to_owned);
        });
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.seq * 1_000)
    }

    fn steps(&self) -> Vec<String> {
        let brief = |step: &CourseStep| {
            let lasted = step.duration.map_or("on".to_owned(), |lasted| (lasted / 1_000).to_string());
            let keys = step.keys.as_deref().unwrap_or_default();
            let count = step.key_count.map_or(String::new(), |count| format!(" {count} keys {keys}"));
            format!("{:?} {} {lasted}{count}", step.kind, step.name)
        };
        self.courses.course(CALL).unwrap().steps.iter().map(brief).collect()
    }
}

#[test]
fn a_course_has_what_the_caller_heard_and_pressed_and_where_it_waited() {
    let mut told = ToldCourse::new();
    told.comes();
    told.hears("PlayAnnouncementAndDigits", Some("2"));
    told.hears("PlayAnnouncementAndDigits", Some("4711"));
    told.in_queue(EventName::Queued, |_| {});
    told.in_queue(EventName::Diverted, |event| {
        event.agent = AgentId::parse("1001").ok();
        let mut compared = UserData::new();
        compared.push("1001", "chosen");
        compared.push("1002", "idle-shorter");
        event.extensions.set("Rule", "longest-idle-agent");
        event.extensions.set("Candidates", Value::List(compared));
        event.extensions.set("CandidatesMore", 3_i64);
        event.extensions.set("Waiting", 2_i64);
        let mut skills = UserData::new();
        skills.push("French", 4_i64);
        event.extensions.set("MatchedSkills", Value::List(skills));
        event.extensions.set("ReadyFor", 125_000_i64);
        event.extensions.set("WaitedFor", 41_000_i64);
    });
    told.at_point(EventName::RouteUsed, |_| {});
    let course = told.courses.course(CALL).unwrap();
    let steps = [
        "RoutePoint 9000 8",
        "Treatment PlayAnnouncementAndDigits 1 1 keys 2",
        "Treatment PlayAnnouncementAndDigits 1 4 keys ",
        "Queue sales 1",
    ];
    assert_eq!(told.steps(), steps, "four keys may be a PIN");
    let chosen = course.steps[3].chosen.as_deref().unwrap();
    let others: Vec<_> = chosen.passed_over.iter().map(|other| (other.agent.as_str(), other.why.as_str())).collect();
    assert_eq!((chosen.agent.as_str(), chosen.rule.as_str()), ("1001", "longest-idle-agent"));
    assert_eq!((others, chosen.more, chosen.waiting), (vec![("1002", "idle-shorter")], 3, 2));
    assert_eq!(chosen.skills, [MatchedSkill { skill: "French".to_owned(), level: 4 }]);
    assert_eq!((chosen.ready_for, chosen.waited), (Some(125_000), Some(41_000)));
    assert!(course.is_whole);
    let before = serde_json::json!({"agent": "1001", "rule": "", "passedOver": [], "more": 0, "waiting": 0});
    let read: ChosenAgent = serde_json::from_value(before).unwrap();
    assert_eq!((read.skills, read.ready_for), (Vec::new(), None), "as the build before has kept it");
}

#[test]
fn a_call_waits_from_its_first_route_point_until_somebody_talks_with_it() {
    let mut told = ToldCourse::new();
    told.comes();
    told.in_queue(EventName::Queued, |_| {});
    let waiting = told.courses.waiting(told.now());
    let [call] = waiting.calls.as_slice() else { panic!("one call waits: {waiting:?}") };
    assert_eq!((call.route_point.as_deref(), call.queues.as_slice()), (Some("9000"), &["sales".to_owned()][..]));
    assert_eq!((call.ani.as_deref(), call.waiting, waiting.total_matches), (Some("+4930123456"), 2, 1));
    told.in_queue(EventName::Diverted, |_| {});
    told.at_point(EventName::RouteUsed, |_| {});
    assert_eq!(told.courses.waiting(told.now()), WaitingCallList::default(), "a phone rings");
    // Nobody takes it: it has waited all the time.
    told.at_point(EventName::Queued, |_| {});
    told.at_point(EventName::RouteRequest, |event| {
        event.extensions.set("FailedDN", "7101");
        event.extensions.set("FailedCallState", "NoAnswer");
    });
    assert_eq!(told.courses.waiting_call(CALL, told.now()).unwrap().waiting, 6);
    assert!(told.steps().contains(&"NotTaken 7101 0".to_owned()));
    told.at_point(EventName::RouteUsed, |_| {});
    told.fold(EventName::Established, |event| {
        (event.this_dn, event.this_role) = (Dn::parse("7102").ok(), Some(DnRole::Destination));
    });
    assert_eq!(told.courses.waiting_call(CALL, told.now()), None);
    assert!(told.steps().contains(&"Phone 7102 on".to_owned()));
    told.fold(EventName::CallDeleted, |_| {});
    assert!(told.courses.course(CALL).is_none());
}

#[test]
fn facts_that_come_once_more_say_nothing_new_and_steps_are_bounded() {
    let mut told = ToldCourse::new();
    told.comes();
    told.hears("Music", None);
    let before = told.steps();
    told.seq -= 2;
    told.hears("Music", None);
    assert_eq!(told.steps(), before);
    for _ in 0..STEPS_MAX {
        told.hears("Music", None);
    }
    let course = told.courses.course(CALL).unwrap();
    assert_eq!((course.steps.len(), course.left_out), (STEPS_MAX, 2));
    assert_eq!(course.steps[0].kind, StepKind::RoutePoint, "the first is kept");
}

#[test]
fn a_call_that_waits_for_long_keeps_its_queue_and_who_was_chosen_there() {
    let mut told = ToldCourse::new();
    told.comes();
    told.in_queue(EventName::Queued, |_| {});
    for _ in 0..3 * STEPS_MAX {
        told.hears("Music", None);
    }
    assert_eq!(told.steps()[..2], ["RoutePoint 9000 on".to_owned(), "Queue sales on".to_owned()]);
    told.in_queue(EventName::Diverted, |event| event.agent = AgentId::parse("1001").ok());
    let course = told.courses.course(CALL).unwrap();
    assert_eq!(course.steps.len(), STEPS_MAX);
    assert_eq!(course.left_out as usize, 3 * STEPS_MAX + 2 - STEPS_MAX);
    let queue = &course.steps[1];
    assert!(queue.duration.is_some_and(|lasted| lasted > 60_000), "{queue:?}");
    assert_eq!(queue.chosen.as_deref().map(|chosen| chosen.agent.as_str()), Some("1001"));
}

/// The keys that are told of such inputs, one after the other, once the call has left the route point.
fn keys_told(inputs: &[&str]) -> Vec<String> {
    let mut told = ToldCourse::new();
    told.comes();
    for keys in inputs {
        told.hears("PlayAnnouncementAndDigits", Some(*keys).filter(|keys| !keys.is_empty()));
        let course = told.courses.course(CALL).unwrap();
        assert_eq!(course.steps.last().unwrap().keys, None, "what follows is not known yet: {inputs:?}");
    }
    told.at_point(EventName::RouteUsed, |_| {});
    let steps = &told.courses.course(CALL).unwrap().steps;
    let inputs = steps.iter().filter(|step| step.key_count.is_some());
    inputs.map(|step| step.keys.clone().unwrap_or_default()).collect()
}

#[test]
fn a_single_key_is_told_and_what_may_be_a_part_of_a_pin_is_not() {
    let cases: [(&[&str], &[&str]); 11] = [
        (&["2"], &["2"]),
        (&["", "2", ""], &["2"]),
        (&["2", "4711"], &["2", ""]),
        (&["2", "4711", "1"], &["2", "", "1"]),
        (&["12"], &[""]),
        (&["4711"], &[""]),
        (&["1", "2"], &["", ""]),
        (&["4", "", "7", "1", "1"], &["", "", "", ""]),
        (&["47", "1"], &["", ""]),
        (&["1", "47"], &["", ""]),
        (&["1", "2", "4711", "3"], &["", "", "", "3"]),
    ];
    for (inputs, told) in cases {
        assert_eq!(keys_told(inputs), told, "{inputs:?}");
    }
}

#[test]
fn of_what_an_application_has_marked_as_a_secret_nothing_is_told() {
    let mut told = ToldCourse::new();
    told.comes();
    told.hears("PlayAnnouncementAndDigits", Some("2"));
    for keys in ["7", "4711"] {
        told.at_point(EventName::TreatmentApplied, |event| event.extensions.set("TreatmentType", "Secret"));
        told.at_point(EventName::TreatmentEnd, |event| {
            (event.collected_digits, event.secret_digits) = (Some(keys.to_owned()), true);
        });
    }
    told.at_point(EventName::RouteUsed, |_| {});
    let menu = "Treatment PlayAnnouncementAndDigits 1 1 keys 2";
    let steps = ["RoutePoint 9000 8", menu, "Treatment Secret 1", "Treatment Secret 1"];
    assert_eq!(told.steps(), steps);
}

#[test]
fn a_snapshot_tells_where_a_call_waits_and_its_next_fact_which_of_two_is_the_route_point() {
    let party = |dn: &str, since: u64| v1::PartyStatus {
        dn: dn.to_owned(),
        state: PartyState::Queued.into(),
        since_us: since * 1_000_000,
        ..v1::PartyStatus::default()
    };
    let status = |parties: Vec<v1::PartyStatus>| v1::CallStatus {
        call: Some(wire::call_ref_to_wire(&call())),
        parties,
        ..v1::CallStatus::default()
    };
    let mut told = ToldCourse { courses: CallCourses::default(), seq: 50 };
    told.courses.stands(&status(vec![party("9000", 20), party("sales", 10)]));
    let waits = told.courses.waiting_call(CALL, told.now()).unwrap();
    assert_eq!((waits.route_point.as_deref(), waits.waiting), (Some("9000"), 40));
    assert_eq!(waits.queues, ["sales"]);
    assert!(!told.courses.course(CALL).unwrap().is_whole);

    let mut told = ToldCourse { courses: CallCourses::default(), seq: 50 };
    told.courses.stands(&status(vec![party("9000", 20), party("8000", 10)]));
    assert_eq!(told.courses.waiting_call(CALL, told.now()).unwrap().route_point, None);
    told.hears("Music", None);
    let waits = told.courses.waiting_call(CALL, told.now()).unwrap();
    assert_eq!((waits.route_point.as_deref(), waits.queues), (Some("9000"), vec!["8000".to_owned()]));
}
