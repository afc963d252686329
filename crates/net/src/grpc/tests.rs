use infra::SystemClock;
use runtime::token::{ServiceIssuer, TokenIssuer, TokenVerifier};
use runtime::{ApiFamily, RoleSpec};

use super::*;

static PULSE: RoleSpec = RoleSpec { opens: &["voice-02"], ..RoleSpec::bare("pulse", 30) };

#[tokio::test]
async fn answers_end_with_the_token_but_not_those_to_a_role() {
    let clock = Arc::new(SystemClock::start());
    let issuer = TokenIssuer::of_new_key(clock.clone()).unwrap();
    let pulse = ServiceIssuer::of_new_key(&PULSE, clock.clone()).unwrap();
    let verified =
        |token: String| TokenVerifier::of(&issuer, &[&pulse]).verify(&token, "tenant", &[ApiFamily::Voice]).unwrap();
    let hour = Duration::from_secs(3_600);
    let person = verified(issuer.issue(None, "tester/1", "calls:read", hour).unwrap());
    let role = verified(pulse.token("pulse-1", "tenant").unwrap());
    let late = Arc::new(Late(person.believed_until()));
    let told = || futures::stream::iter([Ok(1), Ok(2)]);
    let endless = || told().chain(futures::stream::pending());

    let heard: Vec<_> = until_token_expires(told(), &person, clock.clone()).collect().await;
    assert!(matches!(heard[..], [Ok(1), Ok(2)]), "what ends by itself ends as it did: {heard:?}");
    let heard: Vec<_> = until_token_expires(endless(), &person, late.clone()).collect().await;
    let last = heard.last().unwrap().as_ref().map_err(tonic::Status::code);
    assert_eq!(last, Err(tonic::Code::Unauthenticated), "{heard:?}");
    let mut goes_on = until_token_expires(endless(), &role, late);
    assert!(matches!((goes_on.next().await, goes_on.next().await), (Some(Ok(1)), Some(Ok(2)))));
    assert!(futures::poll!(goes_on.next()).is_pending());
}

struct Late(model::Timestamp);

impl Clock for Late {
    fn now(&self) -> model::Timestamp {
        self.0
    }
}

#[test]
fn an_answer_is_lost_once_the_peer_was_reached() {
    let refused = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    for (status, is_lost) in [
        (tonic::Status::from_error(Box::new(tonic::TimeoutExpired(()))), true),
        (tonic::Status::deadline_exceeded("x"), true),
        (tonic::Status::from_error(Box::new(broken)), true),
        (tonic::Status::from_error(Box::new(tonic::ConnectError(Box::new(refused())))), false),
        (tonic::Status::unavailable("the role ends"), false),
        (tonic::Status::unknown("x"), false),
        (tonic::Status::invalid_argument("x"), false),
    ] {
        assert_eq!(is_answer_lost(&status), is_lost, "{status:?}");
    }
}
