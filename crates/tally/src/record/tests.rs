use model::{AgentId, CallType, Event, EventId, EventName, Stamped, Subject, TenantId};

use super::*;

fn stamped() -> Stamped {
    let mut event = Event::new(EventName::AgentReady);
    event.agent = AgentId::parse("1001").ok();
    let id = EventId { subject: Subject::Agent(AgentId::parse("1001").unwrap()), token: Token(2), seq: Seq(7) };
    Stamped { id, tenant: TenantId::parse("acme").unwrap(), at: at(5), trace: None, event }
}

fn kept() -> Kept {
    let visit = |stage| VisitSnapshot {
        of: ObjectType::RoutePoint,
        name: "9000".to_owned(),
        entered: at(1),
        stage,
        since: at(2),
        dn: "7101".to_owned(),
    };
    let party = PartySnapshot {
        dn: "7101".to_owned(),
        agent: Some("1001".to_owned()),
        action: Action::CallInbound,
        since: at(3),
        held: Some(at(4)),
    };
    let call = CallSnapshot {
        conn_id: ConnId(9),
        call_type: CallType::Inbound,
        changed: at(4),
        over: Some(at(6)),
        parties: vec![party],
        visits: [VisitStage::Waiting, VisitStage::Offered, VisitStage::Talking].map(visit).to_vec(),
        observers: vec![ObserverSnapshot {
            dn: "7130".to_owned(),
            agent: None,
            of_dn: "7101".to_owned(),
            of_agent: Some("1001".to_owned()),
            coaches: true,
            since: at(5),
        }],
    };
    let agent = AgentSnapshot {
        agent: "1001".to_owned(),
        status: Some((Action::AfterCallWork, at(8))),
        last_login: Some(at(1)),
        dn: Some("7101".to_owned()),
        login: at(1),
        mode: Some(Action::AfterCallWork),
        since: at(8),
        waits: Some(at(9)),
        reason: Some("Lunch".to_owned()),
        calls: 2,
        wrapped: vec![(ObjectType::Queue, "sales".to_owned())],
    };
    let mark = MarkSnapshot {
        subject: Subject::Call(ConnId(9)),
        token: Token(3),
        seq: Seq(4),
        heard: at(5),
        ended_at: Some(at(6)),
    };
    let bucket = BucketSnapshot { counts: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] };
    let statistic = StatisticSnapshot { key: "k".to_owned(), buckets: vec![bucket, bucket], level: 3 };
    let snapshot = Snapshot {
        marks: vec![mark],
        held: vec![HeldSnapshot { since: at(5), stamped: stamped() }],
        calls: vec![call],
        agents: vec![agent],
        statistics: vec![statistic],
        repeated: 1,
        dropped_calls: 2,
    };
    Kept { snapshot, counts_since: Some(at(1)), queues: vec!["9000".to_owned()] }
}

#[test]
fn what_is_written_is_read_back() {
    assert_eq!(read(&write(&kept())).unwrap(), kept());
    assert_eq!(read(&write(&Kept::default())).unwrap(), Kept::default());
}

#[test]
fn a_damaged_record_is_refused_and_not_half_read() {
    let whole = write(&kept());
    assert!(read(&whole[..whole.len() - 1]).is_err());
    assert!(read(b"").is_err(), "an empty record has no form");
}
