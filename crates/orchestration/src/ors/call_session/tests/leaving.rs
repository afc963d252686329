//! How a call leaves: its queue requests do not remain at rq, and a finished application does not abandon it.

use super::*;

const QUEUED: &str = "<scxml version='1.0' datamodel='ecmascript' xmlns:queue='urn:trunkline:queue' xmlns:interaction='urn:trunkline:interaction'>
    <datamodel><data id='r'/></datamodel>
    <state>
      <transition event='interaction.present'><queue:submit requestid='r' queue=\"'sales'\"><queue:targets><queue:target skillexpr=\"'Sales &gt;= 1'\"/></queue:targets></queue:submit></transition>
      <transition event='queue.submit.accepted'><interaction:redirect to=\"'7150'\"/></transition>
      <transition event='*'/>
    </state></scxml>";

fn accepted(position: u32) -> Outcome {
    Outcome::Accepted(v1::Accepted { position, agents_logged_in: 1 })
}

impl Bench {
    /// The requests cancelled at rq, once per cancellation sent.
    fn cancelled(&self) -> Vec<&str> {
        let ids = self.commands.iter().filter_map(|c| match c {
            Command::Queue(QueueCommand::Cancel(cancel)) => Some(cancel.request_id.as_str()),
            _ => None,
        });
        ids.collect()
    }

    fn says(&mut self, request_id: &str, outcome: Outcome) {
        let outcome = v1::QueueOutcome { request_id: request_id.to_owned(), outcome: Some(outcome) };
        self.session.handle_outcome(outcome, self.now);
        self.drain();
    }

    fn established_at(&mut self, number: &str) {
        let (reference, _) = self.last();
        self.fact(EventName::RouteUsed, reference, |f| f.third_party_dn = Some(number.to_owned()));
        self.fact(EventName::Established, 0, |f| {
            f.this_dn = Dn::parse(number).ok();
            f.this_role = Some(DnRole::Destination);
        });
    }
}

#[test]
fn a_queue_request_whose_time_is_over_is_taken_back_until_rq_has_said_so() {
    let mut bench = Bench::new(SALES);
    bench.played(None);
    let id = bench.submitted().request_id;
    bench.outcome(Outcome::TimedOut(v1::TimedOut { waited_ms: 1 }));
    assert_eq!(bench.cancelled(), [id.as_str()]);
    bench.wait(Duration::from_secs(5));
    assert_eq!(bench.cancelled(), [id.as_str(); 2], "nobody has answered");
    // An agent selected before rq received the cancellation is not taken.
    bench.says(
        &id,
        Outcome::Selected(v1::Selected { agent: "1001".into(), dn: "7101".into(), ..v1::Selected::default() }),
    );
    assert_eq!(bench.cancelled().len(), 2);
    bench.says(&id, Outcome::Cancelled(v1::Cancelled {}));
    bench.wait(Duration::from_secs(60));
    assert_eq!(bench.cancelled(), [id.as_str(); 2]);
    assert_ne!(bench.submitted().request_id, id, "the application has asked again");
}

#[test]
fn a_call_that_is_answered_elsewhere_leaves_no_request_behind() {
    let mut bench = Bench::new(QUEUED);
    bench.outcome(accepted(1));
    assert_eq!(bench.last().1, route_to("7150", None));
    assert!(bench.cancelled().is_empty(), "it may come back");
    bench.established_at("7150");
    let id = bench.submitted().request_id;
    assert_eq!(bench.cancelled(), [id.as_str()]);
    // A stream that broke meanwhile has lost the cancellation.
    let again = bench.session.resubmissions();
    assert_eq!(again, [QueueCommand::Cancel(v1::Cancel { request_id: id.clone() })]);
    bench.says(&id, Outcome::Cancelled(v1::Cancelled {}));
    assert_eq!(bench.session.resubmissions(), []);
}

#[test]
fn an_application_that_is_through_stays_until_rq_has_let_its_request_go() {
    for by_fact in [false, true] {
        let mut bench = Bench::new(
            &QUEUED
                .replace(
                    "<transition event='*'/>",
                    "<transition event='interaction.partystatechanged' target='end'/><transition event='*'/>",
                )
                .replace("</state></scxml>", "</state><final id='end'/></scxml>"),
        );
        bench.outcome(accepted(1));
        bench.established_at("7150");
        assert_eq!(bench.ended(), Some(&Ended::Through));
        assert!(!bench.session.is_over());
        match by_fact {
            true => bench.fact(EventName::CallDeleted, 0, |_| {}),
            false => bench.says(&bench.submitted().request_id, Outcome::Cancelled(v1::Cancelled {})),
        }
        assert!(bench.session.is_over());
        assert_eq!(bench.commands.iter().filter(|c| matches!(c, Command::Ended(_))).count(), 1);
    }
}

#[test]
fn a_request_that_rq_has_given_up_by_itself_is_taken_back_when_its_agent_answers_after_all() {
    for (lapsed, cancelled) in [(false, 0), (true, 1)] {
        let mut bench = Bench::new(SALES);
        bench.played(None);
        bench.selected();
        bench.outcome(accepted(if lapsed { 1 } else { 0 }));
        bench.established_at("7101");
        assert_eq!((bench.ended(), bench.cancelled().len()), (Some(&Ended::Through), cancelled), "lapsed: {lapsed}");
    }
}

#[test]
fn the_next_agent_is_let_go_when_the_first_one_answers_after_all() {
    let mut bench = Bench::new(SALES);
    bench.played(None);
    bench.selected();
    bench.outcome(Outcome::Selected(v1::Selected {
        agent: "1002".into(),
        dn: "7102".into(),
        ..v1::Selected::default()
    }));
    bench.established_at("7101");
    assert_eq!(bench.cancelled(), [bench.submitted().request_id.as_str()]);
}

#[test]
fn an_agent_who_was_given_back_is_given_back_again_until_rq_has_taken_it() {
    let mut bench = Bench::new(SALES);
    bench.played(None);
    let (reference, _) = bench.selected();
    bench.fact(EventName::Error, reference, |f| f.error = Some((ErrorCode::OUT_OF_SERVICE, "not there".to_owned())));
    let again = bench.session.resubmissions();
    let [QueueCommand::Return(back), QueueCommand::Submit(_)] = &again[..] else { panic!("{again:?}") };
    assert_eq!(back.agent, "1001");
    bench.outcome(accepted(1));
    let again = bench.session.resubmissions();
    assert!(matches!(&again[..], [QueueCommand::Submit(_)]), "{again:?}");
}

#[test]
fn after_a_break_with_an_agent_selected_rq_is_told_where_to_say_the_next_one() {
    let mut bench = Bench::new(SALES);
    bench.played(None);
    let (reference, _) = bench.selected();
    // A submission now would queue the call again if the agent has just answered.
    assert_eq!(bench.session.resubmissions(), []);
    let mut fact = Fact::new(EventName::Error);
    fact.call = Some(bench.session.caller.call.clone());
    fact.reference = ReferenceId(reference);
    fact.error = Some((ErrorCode::OUT_OF_SERVICE, "not there".to_owned()));
    bench.session.handle_fact(Position { major: 9, minor: 1 }, &fact, bench.now);
    let commands: Vec<Command> = std::iter::from_fn(|| bench.session.poll_command()).collect();
    let [Command::Queue(QueueCommand::Return(_)), Command::Queue(QueueCommand::Submit(_)), ..] = &commands[..] else {
        panic!("{commands:?}")
    };
}

const LAST: &str = "<scxml version='1.0' datamodel='ecmascript' xmlns:dialog='urn:trunkline:dialog' xmlns:interaction='urn:trunkline:interaction'>
    <state>
      <transition event='interaction.present'><dialog:play prompts=\"['bye']\"/></transition>
      <transition event='dialog.play.done' target='end'>ACTION</transition>
    </state><final id='end'/></scxml>";

#[test]
fn a_final_state_with_user_data_under_way_gives_the_call_its_default_at_once() {
    let udata = "<interaction:udata><param name='reason' expr='1'/></interaction:udata>";
    let mut bench = Bench::new(&LAST.replace("ACTION", udata));
    bench.played(None);
    assert_eq!(bench.fault(), Some(Fault::EndedEarly));
    assert!(bench.commands.contains(&Command::DefaultRoute));
}

#[test]
fn a_final_state_with_a_redirect_under_way_ends_with_it_and_one_that_fails_takes_the_default() {
    for (fails, fault) in [(false, None), (true, Some(Fault::EndedEarly))] {
        let mut bench = Bench::new(&LAST.replace("ACTION", "<interaction:redirect to=\"'7150'\"/>"));
        bench.played(None);
        assert_eq!(bench.ended(), None);
        let (reference, _) = bench.last();
        match fails {
            true => {
                bench.fact(EventName::Error, reference, |f| f.error = Some((ErrorCode::OUT_OF_SERVICE, "x".into())))
            }
            false => bench.fact(EventName::RouteUsed, reference, |f| f.third_party_dn = Some("7150".to_owned())),
        }
        assert!(bench.ended().is_some() && bench.session.is_over());
        assert_eq!((bench.fault(), bench.commands.contains(&Command::DefaultRoute)), (fault, fails));
    }
}

#[test]
fn an_application_sees_what_kind_of_call_it_has() {
    let mut caller = caller(UserData::new());
    caller.call.call_type = CallType::Consult;
    let objects = super::super::platform_objects(&caller);
    let id = CONN.to_string();
    let category = ["ixn", "interactions", &id, "category"].iter().try_fold(&objects, |value, key| value.get(key));
    assert_eq!(category.and_then(scxml::Value::as_text), Some("Consult"));
}
