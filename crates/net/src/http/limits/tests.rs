use axum::body::Body;
use axum::routing::{get, post};
use axum::{Extension, Router};
use futures::FutureExt as _;
use infra::SystemClock;
use model::TenantId;
use runtime::ApiFamily;
use runtime::token::{TokenIssuer, TokenVerifier};
use tower::ServiceExt as _;

use super::*;
use crate::http::answer_body::SMALL_BYTES_MAX;

const FEW: Capacity = Capacity { all: 2 };

fn served(limits: Limits) -> Entrance {
    async fn waits(Extension(turn): Extension<Turn>) -> Response {
        match turn.waits() {
            Ok(_waits) => std::future::pending().await,
            Err(problem) => problem.into_response(),
        }
    }
    let router = Router::new().route("/take", post(async |body: String| body)).route("/wait", get(waits));
    limited(router, limits, OfEveryRole::default())
}

fn request(method: &str, path: &str, body: Body) -> Request {
    Request::builder().method(method).uri(path).body(body).unwrap()
}

/// A body that begins and never ends.
fn endless() -> Body {
    let begun = futures::stream::iter([Ok::<_, std::io::Error>("a")]);
    Body::from_stream(futures::StreamExt::chain(begun, futures::stream::pending()))
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_is_refused_in_time_and_its_sender_has_no_second_place() {
    let router = served(Limits { requests: FEW, ..Limits::default() });
    let mut slow = Box::pin(router.clone().oneshot(request("POST", "/take", endless())));
    assert!(futures::poll!(&mut slow).is_pending());
    let second = router.clone().oneshot(request("POST", "/take", Body::from("b"))).await.unwrap();
    assert_eq!(second.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(slow.await.unwrap().status(), StatusCode::REQUEST_TIMEOUT);
    let next = router.oneshot(request("POST", "/take", Body::from("b"))).await.unwrap();
    assert_eq!(next.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_body_without_a_length_is_refused_where_it_grows_too_large() {
    let router = served(Limits { body_bytes_max: 8, ..Limits::default() });
    let parts = futures::stream::iter([Ok::<_, std::io::Error>("12345678"), Ok("9")]);
    let answer = router.oneshot(request("POST", "/take", Body::from_stream(parts))).await.unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_request_with_wider_limits_may_bring_more_and_there_are_few_of_them() {
    fn wider(_: &Method, path: &str) -> Option<WiderLimits> {
        let minute = Duration::from_secs(60);
        let wider = WiderLimits { body_bytes_max: 10 << 20, body_within: minute, answer_within: minute };
        (path == "/take").then_some(wider)
    }
    let router = served(Limits { body_bytes_max: 8, wider, ..Limits::default() });
    let large = "x".repeat(9 << 20);
    let answer = router.clone().oneshot(request("POST", "/take", Body::from(large))).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let mut held = Vec::new();
    for _ in 0..WIDE.all / 2 {
        let mut slow = Box::pin(router.clone().oneshot(request("POST", "/take", endless())));
        assert!(futures::poll!(&mut slow).is_pending());
        held.push(slow);
    }
    // Nobody without a token has more than a share of them.
    let mut refused = false;
    for _ in 0..WIDE.all {
        let mut next = Box::pin(router.clone().oneshot(request("POST", "/take", endless())));
        let polled = futures::poll!(&mut next);
        match polled {
            std::task::Poll::Ready(answer) => refused |= answer.unwrap().status() == StatusCode::TOO_MANY_REQUESTS,
            std::task::Poll::Pending => held.push(next),
        }
    }
    assert!(refused && held.len() < WIDE.all);
}

#[tokio::test(start_paused = true)]
async fn wide_bodies_that_are_not_held_are_served_while_they_come_and_are_as_many_as_others() {
    fn wider(_: &Method, _: &str) -> Option<WiderLimits> {
        let minute = Duration::from_secs(60);
        Some(WiderLimits { body_bytes_max: 16, body_within: minute, answer_within: minute })
    }
    let router = served(Limits { body_bytes_max: 8, wider, holds_wider: false, ..Limits::default() });
    let mut slow: Vec<_> =
        (0..=WIDE.all).map(|_| Box::pin(router.clone().oneshot(request("POST", "/take", endless())))).collect();
    for slow in &mut slow {
        assert!(futures::poll!(slow).is_pending());
    }
    let whole = router.clone().oneshot(request("POST", "/take", Body::from("twelve bytes"))).await.unwrap();
    assert_eq!(whole.status(), StatusCode::OK);
    let large = router.oneshot(request("POST", "/take", Body::from("seventeen bytes.."))).await.unwrap();
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    for slow in slow {
        // Whoever serves it learns that the body has broken off, long before its answer is late.
        assert_eq!(slow.await.unwrap().status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_answer_has_the_place_of_its_request_until_it_is_taken_or_left_unread() {
    let router = served(Limits { requests: FEW, ..Limits::default() });
    let take = |bytes: usize| router.clone().oneshot(request("POST", "/take", Body::from("x".repeat(bytes))));
    let small = take(SMALL_BYTES_MAX).await.unwrap();
    let large = take(SMALL_BYTES_MAX + 1).await.unwrap();
    assert_eq!((small.status(), large.status()), (StatusCode::OK, StatusCode::OK));
    assert_eq!(take(1).await.unwrap().status(), StatusCode::TOO_MANY_REQUESTS, "it is not taken");
    let read = axum::body::to_bytes(large.into_body(), usize::MAX).await.unwrap();
    assert_eq!(read.len(), SMALL_BYTES_MAX + 1);
    let unread = take(SMALL_BYTES_MAX + 1).await.unwrap();
    assert_eq!(unread.status(), StatusCode::OK, "its place is free again");
    assert_eq!(take(1).await.unwrap().status(), StatusCode::TOO_MANY_REQUESTS);
    tokio::time::sleep(Duration::from_secs(180)).await;
    assert_eq!(take(1).await.unwrap().status(), StatusCode::OK, "nobody reads the other one");
    drop((small, unread));
}

#[tokio::test]
async fn answers_that_are_passed_on_and_not_taken_leave_their_places_to_those_who_wait() {
    let door = door(of(1), of(8));
    let asked = request("GET", "/page.js", Body::empty());
    let turn = || admitted(&door, &asked).unwrap().turn;
    let large = || Body::from(vec![b'x'; SMALL_BYTES_MAX + 1]);
    let untaken: Vec<Body> = (0..100).map_while(|_| turn().passes_on(large()).ok()).collect();
    assert_eq!(untaken.len(), 4, "a stranger has a share of them");
    assert!(turn().waits().is_ok(), "a socket still begins");
    drop(untaken);
}

#[tokio::test]
async fn what_a_role_passes_on_to_strangers_and_they_do_not_take_keeps_no_others_from_asking() {
    let router = served(Limits { requests: FEW, ..Limits::default() });
    let accepted = Accepted::new("192.0.2.8:1024".parse().unwrap());
    accepted.mark_role();
    let mut untaken = Vec::new();
    for _ in 0..8 {
        let mut asked = request("POST", "/take", Body::from("x".repeat(SMALL_BYTES_MAX + 1)));
        asked.extensions_mut().insert(accepted.clone());
        let answer = router.clone().oneshot(asked).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        untaken.push(answer);
    }
    drop(untaken);
}

#[test]
fn who_passes_an_answer_on_reads_it_at_the_pace_of_another() {
    let reader = |is_of_role: bool, is_passed_on: Option<bool>| {
        let accepted = Accepted::new("192.0.2.80:1024".parse().unwrap());
        if is_of_role {
            accepted.mark_role();
        }
        let mut asked = request("GET", "/table", Body::empty());
        asked.extensions_mut().insert(accepted);
        if let Some(is_passed_on) = is_passed_on {
            let address = [203, 0, 113, 7].into();
            asked.extensions_mut().insert(WebClient { address, is_secure: true, is_passed_on });
        }
        admitted(&door(of(8), of(8)), &asked).unwrap().turn.reader()
    };
    assert_eq!(reader(true, None), AnswerReader::ForAnother);
    assert_eq!(reader(false, Some(true)), AnswerReader::ForAnother);
    assert_eq!(reader(false, Some(false)), AnswerReader::AtItsPace);
    assert_eq!(reader(false, None), AnswerReader::AtItsPace);
}

#[test]
fn a_caller_has_its_share_of_the_connections_until_they_end() {
    let connections = Shares::new(FEW);
    let caller = |name: &str| ShareHolder::Caller { tenant: None, name: name.to_owned() };
    let accepted = || Accepted::new("192.0.2.1:1024".parse().unwrap());
    let (first, second, others) = (accepted(), accepted(), accepted());
    assert_eq!(has_its_place(&first, &connections, &caller("greedy")), Ok(()));
    assert_eq!(has_its_place(&first, &connections, &caller("greedy")), Ok(()), "its next request takes no other");
    assert_eq!(has_its_place(&second, &connections, &caller("greedy")), Err(NoCapacity::Share));
    assert_eq!(has_its_place(&others, &connections, &caller("another")), Ok(()));
    drop((first, others));
    assert_eq!(has_its_place(&second, &connections, &caller("greedy")), Ok(()));
}

#[tokio::test]
async fn who_waits_for_a_change_takes_no_place_of_those_who_ask() {
    let router = served(Limits { requests: FEW, waits: FEW, ..Limits::default() });
    let mut waiting = Box::pin(router.clone().oneshot(request("GET", "/wait", Body::empty())));
    assert!(futures::poll!(&mut waiting).is_pending());
    let asked = router.clone().oneshot(request("POST", "/take", Body::from("a"))).await.unwrap();
    assert_eq!(asked.status(), StatusCode::OK);
    let second = router.oneshot(request("GET", "/wait", Body::empty())).await.unwrap();
    assert_eq!(second.status(), StatusCode::TOO_MANY_REQUESTS, "a caller has its share of the waits");
    assert!(waiting.now_or_never().is_none());
}

/// Long polls at that path, which nothing ends.
fn polled(places: Capacity) -> Entrance {
    let polls = LongPolls { are: |_, path| path == "/poll", places, answer_within: Duration::from_secs(75) };
    let router = Router::new()
        .route("/poll", post(async || std::future::pending::<()>().await))
        .route("/take", post(async |body: String| body));
    limited(router, Limits { requests: FEW, polls, ..Limits::default() }, OfEveryRole::default())
}

#[tokio::test(start_paused = true)]
async fn long_polls_have_places_and_a_time_of_their_own() {
    let router = polled(FEW);
    let began = tokio::time::Instant::now();
    let mut waiting = Box::pin(router.clone().oneshot(request("POST", "/poll", Body::from("[]"))));
    assert!(futures::poll!(&mut waiting).is_pending());
    let second = router.clone().oneshot(request("POST", "/poll", Body::from("[]"))).await.unwrap();
    assert_eq!(second.status(), StatusCode::TOO_MANY_REQUESTS, "a stranger has a share of them");
    let asked = router.clone().oneshot(request("POST", "/take", Body::from("a"))).await.unwrap();
    assert_eq!(asked.status(), StatusCode::OK, "who asks is not kept from it by who waits");
    assert_eq!(waiting.await.unwrap().status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(began.elapsed() >= Duration::from_secs(75), "longer than others have");
    let mut next = Box::pin(router.oneshot(request("POST", "/poll", Body::from("[]"))));
    assert!(futures::poll!(&mut next).is_pending(), "its place is free again");
}

#[tokio::test]
async fn a_role_that_passes_on_the_long_polls_of_many_has_all_places() {
    let router = polled(FEW);
    let accepted = Accepted::new("192.0.2.8:1024".parse().unwrap());
    accepted.mark_role();
    let polling = || {
        let mut asked = request("POST", "/poll", Body::empty());
        asked.extensions_mut().insert(accepted.clone());
        Box::pin(router.clone().oneshot(asked))
    };
    let (mut first, mut second) = (polling(), polling());
    assert!(futures::poll!(&mut first).is_pending() && futures::poll!(&mut second).is_pending());
    assert_eq!(polling().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn a_connection_stays_once_another_role_has_taken_a_proof_if_its_address_has_a_share_left() {
    let door = door(of(8), of(2));
    let accepted = || Accepted::new("192.0.2.1:1024".parse().unwrap());
    let (first, second) = (accepted(), accepted());
    for connection in [&first, &first, &second] {
        let mut asked = request("POST", "/poll", Body::empty());
        asked.extensions_mut().insert(connection.clone());
        let turn = admitted(&door, &asked).unwrap().turn;
        assert_eq!(connection.is_authenticated(), connection.has_place(), "a stranger's until then");
        turn.proof_is_taken();
    }
    assert_eq!([&first, &second].map(Accepted::is_authenticated), [true, false]);
}

/// The verified callers of a test: each by its tenant and name.
fn callers() -> impl Fn(&str, &str) -> Caller {
    let issuer = TokenIssuer::of_new_key(Arc::new(SystemClock::start())).unwrap();
    let verifier = TokenVerifier::of(&issuer, &[]);
    move |tenant, name| {
        let tenant = TenantId::parse(tenant).unwrap();
        let token = issuer.issue(Some(&tenant), name, "calls:read", Duration::from_secs(9)).unwrap();
        verifier.verify(&token, "ingress", &[ApiFamily::Voice]).unwrap()
    }
}

fn of(all: usize) -> Shares {
    Shares::new(Capacity { all })
}

fn door(waits: Shares, connections: Shares) -> Arc<LimitLayer> {
    let (limits, own) = (Limits::default(), OfEveryRole::default());
    let [requests, polls, wide, passed_on] = [8; 4].map(of);
    Arc::new(LimitLayer { limits, requests, waits, polls, connections, wide, passed_on, own })
}

#[test]
fn a_socket_counts_for_the_tenant_whose_token_came_within_it_and_not_for_its_address() {
    let caller = callers();
    let turn = |connections: &Shares| Turn {
        place: Arc::default(),
        taker: ShareHolder::of(None, Some([192, 0, 2, 1].into())),
        is_of_role_for_stranger: false,
        reader: AnswerReader::AtItsPace,
        door: door(of(8), connections.clone()),
        accepted: None,
    };
    for (connections, share) in [(of(100), 6), (of(4), 3)] {
        let turn = turn(&connections);
        let of_acme = (0..100).map_while(|n| turn.socket_of(&caller("acme", &format!("desk/{n}"))).ok());
        let of_acme: Vec<SocketPlace> = of_acme.collect();
        assert_eq!(of_acme.len(), share, "three times as many as there are left");
        assert!(turn.socket_of(&caller("globex", "desk/1")).is_ok());
        drop(of_acme);
        assert!(turn.socket_of(&caller("acme", "desk/1")).is_ok(), "its places are free again");
    }
}

#[test]
fn the_connection_of_a_socket_is_a_strangers_until_the_token_within_it_has_places() {
    let desk = callers()("acme", "desk/1");
    for (waits, has_room) in [(of(0), false), (of(8), true)] {
        let accepted = Accepted::new("192.0.2.1:1024".parse().unwrap());
        // The head of the request brings no token.
        let mut opened = request("GET", "/events", Body::empty());
        opened.extensions_mut().insert(accepted.clone());
        let turn = admitted(&door(waits, of(8)), &opened).unwrap().turn;
        assert!(!accepted.is_authenticated(), "nobody has shown a token yet");
        assert_eq!(turn.socket_of(&desk).is_ok(), has_room);
        assert_eq!(accepted.is_authenticated(), has_room);
    }
}

#[test]
fn a_socket_without_a_token_counts_for_its_address_as_long_as_it_lives() {
    let connections = of(8);
    let turn = |host: u8| Turn {
        place: Arc::default(),
        taker: ShareHolder::of(None, Some([192, 0, 2, host].into())),
        is_of_role_for_stranger: false,
        reader: AnswerReader::AtItsPace,
        door: door(of(100), connections.clone()),
        accepted: None,
    };
    let of_one: Vec<SocketPlace> = (0..100).map_while(|_| turn(1).socket().ok()).collect();
    assert_eq!(of_one.len(), 4, "as many as are left");
    assert!(turn(2).socket().is_ok(), "another one finds some");
    drop(of_one);
    assert!(turn(1).socket().is_ok());
}

#[tokio::test]
async fn a_path_that_cannot_be_read_is_refused_as_a_problem() {
    use axum::extract::Path;

    let router = Router::new().route("/{id}", get(async |Path(id): Path<String>| id));
    let router = around(router, explain);
    let answer = router.clone().oneshot(request("GET", "/%ff", Body::empty())).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(answer.headers()[http::header::CONTENT_TYPE], "application/problem+json");
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let problem: Problem = serde_json::from_slice(&body).unwrap();
    assert!(problem.status == 400 && problem.detail.is_some_and(|detail| detail.contains("UTF-8")));
    let answer = router.oneshot(request("GET", "/good", Body::empty())).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}
