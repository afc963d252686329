//! People who may less than before.

use super::*;

fn supervised(id: &str) -> Value {
    let mut call = call(id, "Established");
    call["isMonitoredByMe"] = json!(true);
    call["monitoringInfo"] = json!({"monitoredDN": "7102", "monitorMode": "mute"});
    call
}

#[test]
fn who_may_monitor_no_more_hears_nobody_any_more() {
    let mut bench = Bench::active();
    bench.desk.renew(ann(&[&AGENT[..], &["calls:monitor"]].concat()));
    bench.asks_for("start-monitoring", &json!({"data": {"phoneNumberToMonitor": "7102"}}));
    bench.takes();
    bench.hears_call(supervised("00ab"));
    bench.hears_call(call("00ac", "Held"));
    bench.desk.keep_to_rights(bench.now);
    bench.carry();
    let asked = bench.asks.len();
    bench.desk.renew(ann(&AGENT));
    bench.desk.keep_to_rights(bench.now);
    bench.carry();
    let frames: Vec<&Value> = bench.asks[asked..].iter().map(|(_, frame)| frame).collect();
    let names: Vec<&str> = frames.iter().filter_map(|frame| frame["req"].as_str()).collect();
    assert_eq!(names, ["TCancelMonitoring", "TReleaseCall"]);
    assert_eq!((&frames[0]["OtherDN"], &frames[1]["ConnID"]), (&json!("7102"), &json!("00ab")));
    // As long as the call is there, it is asked for again.
    bench.desk.keep_to_rights(bench.now);
    bench.carry();
    assert_eq!(bench.asks.last().unwrap().1["req"], "TReleaseCall");
    assert_eq!(bench.asks.len(), asked + 3);
}

#[test]
fn who_may_be_at_a_dn_no_more_leaves_it_after_the_last_call() {
    let mut bench = Bench::with_calls(&[call("00ab", "Established")]);
    assert!(!bench.desk.is_to_leave());
    bench.desk.renew(DeskPerson { dn: Some("7102".to_owned()), ..ann(&AGENT) });
    assert!(!bench.desk.is_to_leave(), "there is a call");
    bench.hears_call(call("00ab", "Released"));
    assert!(bench.desk.is_to_leave());
    bench.desk.renew(DeskPerson { dn: Some("7101".to_owned()), ..ann(&AGENT) });
    assert!(!bench.desk.is_to_leave());
    bench.desk.renew(ann(&["workspace:use", "calls:control"]));
    assert!(bench.desk.is_to_leave());
}
