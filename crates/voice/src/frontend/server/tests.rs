use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use infra::SystemClock;
use model::{AgentId, Dn};
use runtime::caller::Tie;
use runtime::token::{ServiceIssuer, TokenIssuer, TokenVerifier};
use runtime::{ApiFamily, RoleSpec};

use super::*;

static TENANT: RoleSpec = RoleSpec { opens: &["voice-31"], ..RoleSpec::bare("tenant", 16) };

fn caller(scopes: &str, tie: Option<&Tie>) -> Caller {
    let issuer = TokenIssuer::of_new_key(Arc::new(SystemClock::start())).unwrap();
    let life = Duration::from_secs(60);
    let token = issuer.issue_tied(Some(&acme()), tie, "desk/1", scopes, life).unwrap();
    TokenVerifier::of(&issuer, &[]).verify(&token, "frontend", &[ApiFamily::Voice]).unwrap()
}

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

/// The status and its detail.
fn answer(caller: &Caller, frame: Value) -> (u16, String) {
    match let_in(caller, &frame, &acme(), "desk/1") {
        Ok(_) => (202, String::new()),
        Err(problem) => (problem.status, problem.detail.unwrap_or_default()),
    }
}

const CONN_ID: &str = "00000000000000ff@a.1";

#[test]
fn the_scope_is_that_of_what_is_asked_for_whatever_else_stands_in_the_frame() {
    let (calls, agents) = (caller("calls:control", None), caller("agents:control", None));
    for name in [
        "TSendUserEvent",
        "TAgentLogin",
        "TAgentLogout",
        "TAgentSetReady",
        "TAgentSetNotReady",
        "TQueryAddress",
        "TRegisterAddress",
        "TUnregisterAddress",
        "TQueryServer",
    ] {
        for frame in [json!({"req": name, "ThisDN": "7101"}), json!({"req": name, "ThisDN": "7101", "ConnID": CONN_ID})]
        {
            let (status, said) = answer(&calls, frame.clone());
            assert!(status == 403 && said.contains("\"agents:control\""), "{frame}: {status} {said}");
            assert_eq!(answer(&agents, frame).0, 202);
        }
    }
    for more in [
        json!({"req": "TAnswerCall"}),
        json!({"req": "TReleaseCall"}),
        json!({"req": "TClearCall"}),
        json!({"req": "THoldCall"}),
        json!({"req": "TRetrieveCall"}),
        json!({"req": "TRedirectCall", "OtherDN": "7102"}),
        json!({"req": "TRouteCall", "OtherDN": "7102"}),
        json!({"req": "TCollectDigits"}),
        json!({"req": "TApplyTreatment", "TreatmentType": "Echo"}),
        json!({"req": "TStopTreatment"}),
        json!({"req": "TUpdateUserData", "UserData": {}}),
        json!({"req": "TDeletePair", "Key": "k"}),
        json!({"req": "TDeleteUserData"}),
        json!({"req": "TQueryCall"}),
    ] {
        let mut frame = json!({"ThisDN": "7101", "ConnID": CONN_ID});
        frame.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, said) = answer(&agents, frame.clone());
        assert!(status == 403 && said.contains("\"calls:control\""), "{frame}: {status} {said}");
        assert_eq!(answer(&calls, frame.clone()).0, 202, "{frame}");
    }
    let monitors = caller("calls:monitor", None);
    for name in ["TMonitorCall", "TMonitorNextCall", "TCancelMonitoring"] {
        let frame = json!({"req": name, "ThisDN": "7130", "OtherDN": "7101", "ConnID": CONN_ID});
        let (status, said) = answer(&calls, frame.clone());
        assert!(status == 403 && said.contains("\"calls:monitor\""), "{frame}: {status} {said}");
        assert_eq!(answer(&monitors, frame).0, 202);
    }
    let force = json!({"req": "TForceAgentState", "ThisDN": "7130", "OtherDN": "7101", "AgentState": "LoggedOut"});
    for other in [&agents, &monitors] {
        let (status, said) = answer(other, force.clone());
        assert!(status == 403 && said.contains("\"agents:supervise\""), "{status} {said}");
    }
    assert_eq!(answer(&caller("agents:supervise", None), force).0, 202);
    assert!(caller("calls:read", None).may_ask_at_all().unwrap_err().detail.unwrap().contains("agents:control"));
    assert_eq!(answer(&calls, json!({"req": "TFly", "ThisDN": "7101"})).0, 422);
}

#[test]
fn a_token_that_is_tied_to_a_desk_asks_for_nobody_else() {
    let tie = Tie { dn: Dn::parse("7101").unwrap(), agent: Some(AgentId::parse("1001").unwrap()) };
    let desk = caller("calls:control agents:control", Some(&tie));
    for (frame, status, words) in [
        (json!({"req": "THoldCall", "ThisDN": "7101", "ConnID": CONN_ID}), 202, ""),
        (json!({"req": "TAgentLogin", "ThisDN": "7101", "AgentID": "1001"}), 202, ""),
        (json!({"req": "TAgentSetReady", "ThisDN": "7101"}), 202, ""),
        (json!({"req": "THoldCall", "ThisDN": "7102", "ConnID": CONN_ID}), 403, "DN 7101"),
        (json!({"req": "TAgentLogout", "ThisDN": "7102"}), 403, "DN 7101"),
        (json!({"req": "TQueryAddress", "ThisDN": "7102"}), 403, "DN 7101"),
        (json!({"req": "TAgentLogin", "ThisDN": "7101", "AgentID": "1002"}), 403, "agent 1001"),
        (json!({"req": "TAgentLogin", "ThisDN": "7101"}), 403, "agent 1001"),
        (json!({"req": "TClearCall", "ThisDN": "7101", "ConnID": CONN_ID}), 403, "whole call"),
        (json!({"req": "TUpdateUserData", "ThisDN": "7101", "ConnID": CONN_ID, "UserData": {}}), 403, "whole call"),
    ] {
        let (said, why) = answer(&desk, frame.clone());
        assert!(said == status && why.contains(words), "{frame}: {said} {why}");
    }
}

/// The role tenant.
fn tenant() -> Caller {
    let clock = Arc::new(SystemClock::start());
    let (issuer, tenant) = (TokenIssuer::of_new_key(clock.clone()).unwrap(), ServiceIssuer::of_new_key(&TENANT, clock));
    let tenant = tenant.unwrap();
    let verifier = TokenVerifier::of(&issuer, &[&tenant]);
    let token = tenant.token("tenant-1", "frontend").unwrap();
    verifier.verify(&token, "frontend", &[ApiFamily::Voice]).unwrap()
}

#[test]
fn what_is_marked_as_noted_at_a_desktop_comes_from_there_alone() {
    for (mark, status) in [("NoteOfCall", 403), ("noteofcall", 403), ("Order", 202)] {
        let pairs = json!({"ConnID": "00000000000000ff", "DispositionCode": "sold"});
        let frame = json!({"req": "TSendUserEvent", "ThisDN": "7101", "UserData": pairs, "Extensions": {mark: "00000000000000ff"}});
        assert_eq!(answer(&caller("agents:control", None), frame.clone()).0, status, "{mark}");
        let read = read_request(&frame, &acme(), "person/ann").unwrap();
        check_note(&tenant(), &read.request).unwrap();
    }
}

#[test]
fn a_role_names_for_whom_it_asks_in_any_script_and_nobody_else_does() {
    let role = tenant();
    let named = |value: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(REQUESTER, HeaderValue::from_static(value));
        headers
    };
    assert_eq!(requester(&role, &named("person/%C3%A4nne")).unwrap(), "person/\u{e4}nne");
    assert_eq!(requester(&role, &named("person/ann")).unwrap(), "person/ann");
    assert_eq!(requester(&role, &HeaderMap::new()).unwrap(), "tenant/tenant-1");
    assert_eq!(requester(&role, &named("person/%00")).unwrap_err().status, 400);
    assert_eq!(requester(&caller("calls:control", None), &named("person/ann")).unwrap(), "desk/1");
}
