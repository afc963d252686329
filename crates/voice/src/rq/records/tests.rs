use super::*;
use model::event::CallRef;
use model::{CallType, CallUuid};

fn call() -> CallRef {
    CallRef {
        conn_id: ConnId(7),
        uuid: CallUuid(8),
        thread: CallUuid(9),
        previous: Some(ConnId(6)),
        call_type: CallType::Consult,
        propagated_type: Some(CallType::Inbound),
        ani: Some("7101".to_owned()),
        dnis: Some("9000".to_owned()),
    }
}

#[test]
fn a_request_survives_its_record() {
    let agent = AgentId::parse("a-7101").unwrap();
    for stage in [
        Stage::Waiting,
        Stage::Offered { agent: agent.clone(), expires_at: Timestamp::from_millis(9) },
        Stage::Ringing { agent: agent.clone(), expires_at: Timestamp::from_millis(10) },
    ] {
        let request = RequestSnapshot {
            submission: Submission {
                id: RequestId("s1.3".into()),
                call: ConnId(7),
                trace: CallUuid(8),
                ani: Some("7101".to_owned()),
                dnis: None,
                queue: QueueName::parse("VQ_Sales").unwrap(),
                targets: vec![Target::parse("Sales >= 1 & English > 2").unwrap(), Target::Agent(agent.clone())],
                priority: -3,
                queued_at: Timestamp::from_millis(5),
                times_out_at: Some(Timestamp::from_millis(6)),
                excluded: vec![agent.clone()],
            },
            arrival: 12,
            stage,
            declined: vec![Declined { agent: agent.clone(), until: Timestamp::from_millis(7) }],
        };
        for call in [None, Some(call())] {
            let row = encode_request(&request, call.as_ref());
            assert_eq!(decode_request(&request.submission.id.0, &row).unwrap(), (request.clone(), call));
        }
    }
}

#[test]
fn an_agent_survives_its_record() {
    let agent = AgentSnapshot {
        agent: AgentId::parse("a-7101").unwrap(),
        skills: Some(vec![("Sales".into(), 5)]),
        session: Session::Ready,
        dn: Some(Dn::parse("7101").unwrap()),
        calls: vec![ConnId(1)],
        idle_since: Timestamp::from_millis(3),
        calls_max: 2,
    };
    assert_eq!(decode_agent(&encode_agent(&agent)).unwrap(), agent);
    let unknown =
        AgentSnapshot { skills: None, session: Session::LoggedOut, dn: None, calls: vec![], calls_max: 1, ..agent };
    assert_eq!(decode_agent(&encode_agent(&unknown)).unwrap(), unknown);
}

#[test]
fn phones_that_no_row_has_room_for_are_left_out_and_the_others_stay() {
    let dns = |from: u32, count: u32| (from..from + count).map(|n| Dn::parse(&n.to_string()).unwrap()).collect();
    let phones = |count| Phones {
        out_of_service: dns(1_000_000_000, count),
        do_not_disturb: dns(2_000_000_000, 10),
        forwarded: dns(3_000_000_000, 10),
    };
    for count in [0, 10, 70_000] {
        assert_eq!(decode_phones(&encode_phones(&phones(count))).unwrap(), phones(count), "{count}");
    }
    let many = phones(150_000);
    let row = encode_phones(&many);
    assert!(row.len() <= STATE_MAX);
    let kept = decode_phones(&row).unwrap();
    assert_eq!((&kept.do_not_disturb, &kept.forwarded), (&many.do_not_disturb, &many.forwarded));
    assert!((70_000..150_000).contains(&kept.out_of_service.len()), "{}", kept.out_of_service.len());
}

#[test]
fn a_record_of_a_later_version_is_refused() {
    let record = v1::StateRecord { kind: "queue".into(), version: VERSION + 1, body: Bytes::new() };
    let refused = decode_agent(&record.encode_to_vec()).unwrap_err();
    assert_eq!(refused.to_string(), "a record of rq cannot be read: its version is 2, this program knows 1");
}
