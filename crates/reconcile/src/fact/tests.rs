use super::*;

#[test]
fn both_ways_of_telling_give_the_same_fact() {
    let envelope = v1::Envelope {
        subject: Some(v1::Subject { of: Some(v1::subject::Of::Call(0x194d_0751_1300_8000)) }),
        token: 1,
        seq: 14,
        at_us: 1_795_169_819_344_583,
        event: Some(v1::Event {
            name: v1::EventName::EventReleased.into(),
            call: Some(v1::CallRef {
                conn_id: 0x194d_0751_1300_8000,
                ani: Some("+49301".to_owned()),
                call_type: v1::CallType::Consult.into(),
                previous: Some(0x194d_0751_1300_7fff),
                ..Default::default()
            }),
            call_state: Some(v1::CallState::RemoteRelease.into()),
            this_dn: Some("7101".to_owned()),
            this_role: Some(v1::DnRole::Origination.into()),
            other_dn: Some("7102".to_owned()),
            this_queue: Some("9000".to_owned()),
            agent: Some("1001".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let line = serde_json::json!({"id": "call:194d075113008000:1:14", "type": "EventReleased", "data": {
        "subject": "call:194d075113008000", "token": 1, "seq": 14, "time": {"s": 1_795_169_819, "us": 344_583},
        "ConnID": "194d075113008000", "ANI": "+49301", "CallState": "RemoteRelease", "ThisDN": "7101",
        "ThisQueue": "9000", "AgentID": "1001", "CallType": "Consult", "PreviousConnID": "194d075113007fff",
        "ThisDNRole": "Origination", "OtherDN": "7102"}});
    assert_eq!(Fact::of_log(&line).unwrap(), Fact::of_stream(&envelope).unwrap());
    let fact = Fact::of_log(&line).unwrap();
    assert_eq!((fact.name.as_str(), fact.consults_about()), ("eventreleased", Some("194d075113007fff")));
}

#[test]
fn what_is_no_fact_is_none() {
    for line in ["{}", r#"{"id":"thread:1","type":"CallThread","data":{"Outcome":"answered"}}"#, "[]", "3"] {
        assert_eq!(Fact::of_log(&serde_json::from_str(line).unwrap()), None, "{line}");
    }
    assert_eq!(Fact::of_stream(&v1::Envelope::default()), None);
}
