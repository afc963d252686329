use std::time::Duration;

use infra::SystemClock;
use model::TenantId;
use net::requester::{REQUESTER, REQUESTER_BYTES_MAX};
use runtime::token::{ServiceIssuer, TokenIssuer, TokenVerifier};
use runtime::{ApiFamily, RoleSpec};

use super::*;

static GWS_VOICE: RoleSpec = RoleSpec { opens: &["tenant-08"], ..RoleSpec::bare("gws-voice", 24) };
static INGRESS: RoleSpec = RoleSpec { opens: &["own-22"], ..RoleSpec::bare("ingress", 40) };

/// The role gws-voice, another role, and a program that calls itself like the first.
fn callers() -> [Caller; 3] {
    let clock = Arc::new(SystemClock::start());
    let issuer = TokenIssuer::of_new_key(clock.clone()).unwrap();
    let [voice, ingress] = [&GWS_VOICE, &INGRESS].map(|spec| ServiceIssuer::of_new_key(spec, clock.clone()).unwrap());
    let verifier = TokenVerifier::of(&issuer, &[&voice, &ingress]);
    let hour = Duration::from_secs(3_600);
    let program = issuer.issue(None, "gws-voice/gws-voice-1", "calls:read calls:control", hour).unwrap();
    let of_role = |of: &ServiceIssuer| of.token(&format!("{}-1", of.spec().name), "tenant").unwrap();
    [of_role(&voice), of_role(&ingress), program]
        .map(|token| verifier.verify(&token, "tenant", &[ApiFamily::Voice]).unwrap())
}

fn asking_for(named: Option<&str>) -> Request<()> {
    let mut request = Request::new(());
    if let Some(named) = named {
        request.metadata_mut().insert(REQUESTER, named.parse().unwrap());
    }
    request
}

#[test]
fn the_role_of_desktops_alone_names_for_whom_it_asks() {
    let [voice, ingress, program] = callers();
    let ann = asking_for(Some("person/ann"));
    assert_eq!(requester(&voice, &ann).unwrap(), "person/ann");
    assert_eq!(requester(&voice, &asking_for(None)).unwrap(), "gws-voice/gws-voice-1");
    assert_eq!(requester(&ingress, &ann).unwrap(), "ingress/ingress-1");
    assert_eq!(requester(&program, &ann).unwrap(), "gws-voice/gws-voice-1", "a program's header is ignored");
}

#[test]
fn whom_it_names_is_bounded() {
    let [voice, ..] = callers();
    let longest = "a".repeat(REQUESTER_BYTES_MAX);
    assert_eq!(requester(&voice, &asking_for(Some(&longest))).unwrap(), longest);
    let too_long = format!("{longest}a");
    for wrong in ["", too_long.as_str()] {
        let refused = requester(&voice, &asking_for(Some(wrong))).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        assert!(refused.message().contains("trunkline-requester: it must be text of 1 to 1100 bytes"), "{refused}");
    }
}

#[test]
fn whom_it_names_has_a_name_in_any_script() {
    let [voice, ..] = callers();
    assert_eq!(requester(&voice, &asking_for(Some("person/%C3%A4nne"))).unwrap(), "person/\u{e4}nne");
}

#[test]
fn the_role_of_desktops_alone_sees_the_references_of_all_requests() {
    let [voice, ingress, program] = callers();
    assert_eq!(seen_references(&voice), SeenReferences::OfAll);
    assert_eq!(seen_references(&ingress), SeenReferences::Of("ingress/ingress-1".to_owned()));
    assert_eq!(seen_references(&program), SeenReferences::Of("gws-voice/gws-voice-1".to_owned()));
}

#[test]
fn the_role_of_desktops_alone_marks_notes_of_released_calls() {
    let [voice, ingress, program] = callers();
    let asked = |mark: &str| {
        let frame =
            serde_json::json!({"req": "TSendUserEvent", "ThisDN": "7101", "Extensions": {mark: "00000000000000ff"}});
        json::read_request(&frame, &TenantId::parse("acme").unwrap(), "person/ann").unwrap().request
    };
    assert!(check_note(&voice, &asked(NOTE_OF_CALL)).is_ok());
    for other in [&ingress, &program] {
        assert_eq!(check_note(other, &asked("noteOfCall")).unwrap_err().code(), tonic::Code::PermissionDenied);
        assert!(check_note(other, &asked("Order")).is_ok());
    }
}

#[test]
fn a_refusal_keeps_the_published_number() {
    let refusal = refused(&Problem::not_found("no such call").code(56));
    assert_eq!((refusal.code(), net::grpc::error_code(&refusal)), (tonic::Code::FailedPrecondition, Some(56)));
    assert_eq!(net::grpc::error_code(&refused(&Problem::too_many("requests"))), None);
}

#[test]
fn a_request_that_may_have_been_carried_out_is_told_from_one_that_was_not_sent() {
    let frontend = std::net::SocketAddr::from(([127, 0, 6, 1], 8080));
    let refused = |status| CallError::Refused(Problem { status, ..Problem::unavailable("no") });
    let broken = CallError::Broken(frontend, "reset".into());
    for (error, code) in [
        (CallError::Nowhere("frontend"), tonic::Code::Unavailable),
        (refused(503), tonic::Code::Unavailable),
        (refused(500), tonic::Code::DeadlineExceeded),
        (refused(504), tonic::Code::DeadlineExceeded),
        (CallError::Deadline(frontend), tonic::Code::DeadlineExceeded),
        (broken, tonic::Code::DeadlineExceeded),
        (refused(422), tonic::Code::FailedPrecondition),
    ] {
        assert_eq!(not_taken(&error).code(), code, "{error}");
    }
}
