use infra::SystemClock;
use runtime::Tokens;

use super::*;

#[tokio::test]
async fn answers_end_with_the_token_but_not_those_to_a_role() {
    let clock = Arc::new(SystemClock::start());
    let tokens = Tokens::with_key(&Tokens::new_key().unwrap(), clock.clone()).unwrap();
    let callers = |scope| {
        let token = tokens.issue(None, "tester/1", scope, "tenant", Duration::from_secs(3_600)).unwrap();
        tokens.verify(&token, "tenant").unwrap()
    };
    let (person, role) = (callers("calls:read"), callers("role"));
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
