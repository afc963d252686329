use std::sync::atomic::{AtomicU64, Ordering};

use infra::SystemClock;
use model::Timestamp;
use runtime::ApiFamily;
use runtime::token::{TokenIssuer, TokenVerifier};

use super::*;

/// A clock that tests can move forward.
struct Turned {
    machine: SystemClock,
    ahead_ms: AtomicU64,
}

impl Clock for Turned {
    fn now(&self) -> Timestamp {
        self.machine.now() + Duration::from_millis(self.ahead_ms.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn a_stream_is_over_when_its_token_is() {
    let clock = Arc::new(Turned { machine: SystemClock::start(), ahead_ms: AtomicU64::new(0) });
    let issuer = TokenIssuer::of_new_key(clock.clone()).unwrap();
    let verifier = TokenVerifier::of(&issuer, &[]);
    let token = issuer.issue(None, "wallboard/1", SCOPE, Duration::from_secs(3_600)).unwrap();
    let caller = verifier.verify(&token, "pulse", &[ApiFamily::Statistics]).unwrap();
    let drain = Drain::new(Duration::from_secs(1));
    let mut over = std::pin::pin!(over(drain, clock.clone(), &caller));
    assert!(futures::poll!(&mut over).is_pending());
    let left = caller.believed_until().since(clock.now()) - Duration::from_millis(20);
    clock.ahead_ms.store(left.as_millis() as u64, Ordering::Relaxed);
    let mut over = std::pin::pin!(super::over(Drain::new(Duration::from_secs(1)), clock.clone(), &caller));
    over.as_mut().await;
    clock.ahead_ms.fetch_add(1, Ordering::Relaxed);
    assert!(
        verifier.verify(&token, "pulse", &[ApiFamily::Statistics]).is_err(),
        "it lasts as long as the token opens a new one, and no longer"
    );
}

#[tokio::test]
async fn a_stream_is_over_when_the_role_drains() {
    let clock = Arc::new(Turned { machine: SystemClock::start(), ahead_ms: AtomicU64::new(0) });
    let issuer = TokenIssuer::of_new_key(clock.clone()).unwrap();
    let verifier = TokenVerifier::of(&issuer, &[]);
    let token = issuer.issue(None, "wallboard/1", SCOPE, Duration::from_secs(3_600)).unwrap();
    let drain = Drain::new(Duration::from_secs(1));
    drain.begin(clock.now());
    over(drain, clock, &verifier.verify(&token, "pulse", &[ApiFamily::Statistics]).unwrap()).await;
}
