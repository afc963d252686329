use model::{CallType, CallUuid};

use super::*;

fn call(number: u64) -> CallRef {
    CallRef {
        conn_id: ConnId(number),
        uuid: CallUuid(7),
        thread: CallUuid(7),
        previous: None,
        call_type: CallType::Inbound,
        propagated_type: None,
        ani: Some("+15550199".to_owned()),
        dnis: None,
    }
}

#[test]
fn data_beyond_the_bound_is_left_out_until_calls_are_over() {
    let mut calls = Calls::default();
    let data = || -> UserData { [("Segment", "Gold")].into_iter().collect() };
    calls.tell(call(1), data(), DATA_BYTES_MAX - 10);
    calls.tell(call(2), data(), 11);
    assert_eq!((calls.data(ConnId(1)), calls.data(ConnId(2))), (data(), UserData::new()));
    assert_eq!(calls.call(ConnId(2)), Some(&call(2)));
    calls.tell(call(1), data(), 5);
    calls.tell(call(2), data(), 11);
    assert_eq!(calls.data(ConnId(2)), data(), "the first has become smaller");
    calls.forget(ConnId(1));
    calls.forget(ConnId(2));
    assert_eq!((calls.data_bytes, calls.call(ConnId(1))), (0, None));
}

#[test]
fn a_fact_does_not_take_away_what_the_owner_has_told() {
    let mut calls = Calls::default();
    let data: UserData = [("Segment", "Gold")].into_iter().collect();
    calls.tell(call(1), data.clone(), 20);
    calls.remember(&CallRef { ani: None, ..call(1) });
    assert_eq!((calls.call(ConnId(1)), calls.data(ConnId(1))), (Some(&call(1)), data));
}
