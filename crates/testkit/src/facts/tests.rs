use super::*;
use serde_json::json;

fn fact(seq: u64, name: &str, dn: &str) -> Fact {
    let frame = json!({
        "subject": "call:1", "token": 1, "seq": seq, "time": {"s": seq, "us": 0}, "ConnID": "1", "CallUUID": "1",
        "CallThreadID": "1", "CallType": "Inbound", "CallState": "Ok", "ThisDN": dn, "ThisDNRole": "Destination",
        "ThisQueue": dn,
    });
    Fact { position: format!("0-{seq}"), id: format!("call:1:1:{seq}"), name: name.to_owned(), frame }
}

fn call(names: &[&str]) -> Vec<Fact> {
    let middle = names.iter().map(|name| (*name, "1"));
    let all = [("EventCallCreated", "")].into_iter().chain(middle).chain([("EventCallDeleted", "")]);
    all.zip(1..).map(|((name, dn), seq)| fact(seq, name, dn)).collect()
}

#[test]
fn a_lawful_call_breaks_nothing() {
    let queued = ["EventQueued", "EventRouteRequest", "EventRouteUsed", "EventDiverted"];
    assert_eq!(broken_laws(&call(&queued)), Vec::<String>::new());
    let talked = ["EventRinging", "EventEstablished", "EventHeld", "EventRetrieved", "EventReleased"];
    assert_eq!(broken_laws(&call(&talked)), Vec::<String>::new());
}

#[test]
fn every_kind_of_breach_is_found() {
    for names in [
        &["EventQueued"][..],
        &["EventRinging"],
        &["EventRinging", "EventEstablished"],
        &["EventQueued", "EventDiverted", "EventDiverted"],
        &["EventEstablished", "EventReleased"],
        &["EventRinging", "EventEstablished", "EventHeld", "EventHeld", "EventReleased"],
    ] {
        assert_eq!(broken_laws(&call(names)).len(), 1, "{names:?}");
    }
    let mut gap = call(&[]);
    gap.push(fact(4, "EventACK", "1"));
    assert_eq!(broken_laws(&gap).len(), 1);
    assert_eq!(broken_laws(&[fact(1, "EventCallCreated", "")]).len(), 1);
}
