use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;

use super::*;
use crate::auth::outside::OF_TENANT_AT_ONCE;

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn our_secret_is_coded_as_in_a_form() {
    let value = basic("a b", "x:ä").unwrap();
    assert_eq!(value.to_str().unwrap(), format!("Basic {}", STANDARD.encode("a+b:x%3A%C3%A4")));
    assert!(value.is_sensitive());
}

#[test]
fn a_code_that_is_refused_is_told_from_what_ails_us() {
    let fault = |status: StatusCode, error: &str| not_redeemed(status, error.to_owned());
    for (status, error) in [
        (StatusCode::BAD_REQUEST, "invalid_grant"),
        (StatusCode::UNAUTHORIZED, "invalid_grant"),
        (StatusCode::BAD_REQUEST, "invalid_request"),
        (StatusCode::FORBIDDEN, ""),
        (StatusCode::NOT_FOUND, "no_such_code"),
    ] {
        assert!(matches!(fault(status, error), ProviderFault::Refused(_)), "{status} {error}");
    }
    for (status, error) in [
        (StatusCode::UNAUTHORIZED, "invalid_client"),
        (StatusCode::UNAUTHORIZED, ""),
        (StatusCode::BAD_REQUEST, "invalid_client"),
        (StatusCode::BAD_REQUEST, "unauthorized_client"),
    ] {
        assert!(matches!(fault(status, error), ProviderFault::RefusedUs(_)), "{status} {error}");
    }
    for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE, StatusCode::FOUND] {
        assert!(matches!(fault(status, ""), ProviderFault::Away(_)), "{status}");
    }
}

fn clock() -> Arc<infra::conformance::SetClock> {
    infra::conformance::SetClock::at(Timestamp::from_millis(1_700_000_000_000))
}

fn provider(issuer: &str) -> UpstreamProvider {
    UpstreamProvider {
        name: "Acme ID".to_owned(),
        issuer: issuer.to_owned(),
        client_id: "trunkline".to_owned(),
        client_secret: None,
        scopes: Vec::new(),
        claim: None,
        person: contracts::provisioning::PersonField::Email,
        only: false,
        trusted_factor: false,
    }
}

#[tokio::test]
async fn who_gives_up_leaves_the_provider_as_it_is() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let provider = provider(&format!("http://{}", silent.local_addr().unwrap()));
    let client = OutsideClient::new(net::public_address::Reach::Inside).unwrap();
    let upstream = Upstream::new(client, "https://centre.example/auth/v3", clock());
    let acme = TenantId::parse("acme").unwrap();
    tokio::select! {
        _ = upstream.told(&acme, &provider, WantedKeys::Any) => panic!("it is silent"),
        accepted = silent.accept() => drop(accepted.unwrap()),
    }
    let asked = upstream.asked(&acme, &provider);
    assert_ne!(asked.step(WantedKeys::Any, upstream.clock.now()).0, FetchStep::Fail, "nobody knows yet");
    assert!(asked.turn.try_lock().is_err(), "it is still being asked");
}

#[test]
fn another_issuer_is_another_provider() {
    let client = OutsideClient::new(net::public_address::Reach::Public).unwrap();
    let upstream = Upstream::new(client, "https://centre.example/auth/v3", clock());
    let acme = TenantId::parse("acme").unwrap();
    let first = upstream.asked(&acme, &provider("https://a.example"));
    assert!(Arc::ptr_eq(&first, &upstream.asked(&acme, &provider("https://a.example"))));
    assert!(!Arc::ptr_eq(&first, &upstream.asked(&acme, &provider("https://b.example"))));
    assert_eq!(upstream.redirect_uri(&acme), "https://centre.example/auth/v3/sign-in/callback/acme");
    let other = upstream.redirect_uri(&TenantId::parse("acme/x y").unwrap());
    assert_eq!(other, "https://centre.example/auth/v3/sign-in/callback/acme%2Fx%20y");
}

/// A provider at that listener, which answers a code so, and only when so many have come with one.
async fn answers_codes(listener: TcpListener, issuer: String, answer: &'static str, together: usize) {
    let (issuer, together) = (Arc::new(issuer), Arc::new(Barrier::new(together)));
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answered(stream, issuer.clone(), answer, together.clone()));
    }
}

async fn answered(stream: TcpStream, issuer: Arc<String>, answer: &'static str, together: Arc<Barrier>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let (mut asked, mut length) = (String::new(), 0);
    stream.read_line(&mut asked).await.ok()?;
    let mut line = String::new();
    while stream.read_line(&mut line).await.ok()? > 2 {
        if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = bytes.trim().parse().ok()?;
        }
        line.clear();
    }
    stream.read_exact(&mut vec![0; length]).await.ok()?;
    let (status, body) = match asked.split(' ').nth(1)? {
        "/.well-known/openid-configuration" => {
            let at = |path: &str| format!("{issuer}{path}");
            let endpoints = [at("/authorize"), at("/token"), at("/keys")];
            let told = serde_json::json!({
                "issuer": issuer.as_str(), "authorization_endpoint": endpoints[0], "token_endpoint": endpoints[1],
                "jwks_uri": endpoints[2],
            });
            ("200 OK", told.to_string())
        }
        "/keys" => ("200 OK", r#"{"keys":[]}"#.to_owned()),
        _ => {
            together.wait().await;
            let (status, body) = answer.split_once('|')?;
            (status, body.to_owned())
        }
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await.ok()
}

/// What becomes of so many codes at once that a provider answers so.
async fn redeemed(answer: &'static str, codes: usize, together: usize) -> Vec<Result<ProviderSaid, ProviderFault>> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(answers_codes(listener, issuer.clone(), answer, together));
    let (provider, acme) = (provider(&issuer), TenantId::parse("acme").unwrap());
    let client = OutsideClient::new(net::public_address::Reach::Inside).unwrap();
    let upstream = Upstream::new(client, "https://centre.example/auth/v3", clock());
    assert!(!upstream.says_iss(&acme, &provider).await.unwrap());
    let pending = PendingUpstream {
        state: String::new(),
        nonce: String::new(),
        verifier: String::new(),
        tenant: acme.to_string(),
        issuer: issuer.clone(),
        query: String::new(),
        until_us: 0,
        max_age_s: None,
    };
    // However long the machine takes.
    let came = Instant::now() + HOUR;
    let returns = (0..codes).map(|_| async {
        let turn = upstream.turn_to_redeem(&acme, &provider, came).await.unwrap();
        upstream.redeem(&acme, &provider, &pending, "c", turn).await
    });
    let redeemed = futures::future::join_all(returns).await;
    serving.abort();
    redeemed
}

#[tokio::test]
async fn of_a_shift_that_comes_back_at_once_all_codes_are_answered_and_several_at_a_time() {
    let answer = r#"400 Bad Request|{"error":"invalid_grant"}"#;
    let redeemed = redeemed(answer, 8 * OF_TENANT_AT_ONCE, OF_TENANT_AT_ONCE).await;
    for (n, said) in redeemed.into_iter().enumerate() {
        assert!(matches!(said, Err(ProviderFault::Refused(_))), "{n}: {:?}", said.err());
    }
}

#[tokio::test]
async fn an_answer_without_an_id_token_is_one_to_a_code_that_is_wrong() {
    for answer in ["200 OK|{}", "200 OK|<p>Sorry</p>", r#"200 OK|{"id_token":7}"#] {
        let redeemed = redeemed(answer, 1, 1).await;
        assert!(matches!(redeemed[..], [Err(ProviderFault::Refused(_))]), "{answer}");
    }
}

#[tokio::test]
async fn who_has_no_turn_in_time_has_asked_nothing() {
    let client = OutsideClient::new(net::public_address::Reach::Inside).unwrap();
    let upstream = Upstream::new(client, "https://centre.example/auth/v3", clock());
    // Nobody is there who could be asked.
    let (provider, acme) = (provider("http://127.0.0.1:1"), TenantId::parse("acme").unwrap());
    let came = Instant::now();
    let mut turns = Vec::new();
    for _ in 0..OF_TENANT_AT_ONCE {
        turns.push(upstream.turn_to_redeem(&acme, &provider, came + HOUR).await.unwrap());
    }
    // Who has come as long ago as a turn may take.
    let late = upstream.turn_to_redeem(&acme, &provider, came - TURN_WITHIN).await;
    assert!(matches!(late, Err(Trouble::Busy)));
    turns.pop();
    assert!(upstream.turn_to_redeem(&acme, &provider, came - TURN_WITHIN).await.is_ok(), "it is free");
}
