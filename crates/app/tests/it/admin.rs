//! Admin HTTP of a role that runs alone.

use infra::{Clock as _, SystemClock};

use crate::binary::{PATIENCE, Site};

/// The number and admin port of frontend, which needs no store to start.
const FRONTEND: (u8, u16) = (7, 9090);
/// The number and admin port of sip-proxy.
const SIP_PROXY: (u8, u16) = (1, 11_400);

#[test]
fn admin_http_asks_for_a_token_shows_what_it_should_and_drains_on_sigterm() {
    let site = Site::new();
    let running = site.start(&["run", "frontend"], "role starts");
    let ask = |head: &str| site.http(FRONTEND.0, FRONTEND.1, head);

    assert_eq!(ask("GET /live HTTP/1.1\r\n").0, 200);
    let (status, refusal) = ask("GET /metrics HTTP/1.1\r\n");
    assert_eq!(status, 401);
    assert!(refusal.contains("application/problem+json") && refusal.contains("www-authenticate: Bearer"), "{refusal}");
    assert_eq!(ask("GET /metrics HTTP/1.1\r\nauthorization: Bearer x.y.z\r\n").0, 401);
    assert_eq!(ask("GET /nothing HTTP/1.1\r\n").0, 401);

    let (code, token, _) = site.run(&["token", "--scope", "operate"]);
    assert_eq!(code, 0);
    let bearer = format!("authorization: Bearer {}\r\n", token.trim());
    let (status, metrics) = ask(&format!("GET /metrics HTTP/1.1\r\n{bearer}"));
    assert_eq!(status, 200);
    assert!(metrics.contains("role_restarts_total 0") && metrics.contains("# EOF"), "{metrics}");
    assert!(ask(&format!("GET /build HTTP/1.1\r\n{bearer}")).1.contains("\"role\":\"frontend\""));
    assert!(ask(&format!("GET /topology HTTP/1.1\r\n{bearer}")).1.contains("\"node\":\"frontend-1\""));
    assert_eq!(ask(&format!("GET /nothing HTTP/1.1\r\n{bearer}")).0, 404);

    for head in [
        "GET /live HTTP/1.1\r\nconnection: close\r\n\r\n",
        "GET /live HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n",
    ] {
        let answer = site.http_as_written(FRONTEND.0, FRONTEND.1, head);
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("Host header"), "{answer}");
    }
    let answer = site.http_as_written(FRONTEND.0, FRONTEND.1, "GET /live HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");

    let level = "content-length: 5\r\n";
    let (status, answer) = ask(&format!("GET /log-level HTTP/1.1\r\n{bearer}"));
    assert!(status == 200 && answer.ends_with("info"), "{answer}");
    let (status, refusal) = ask(&format!("DELETE /log-level HTTP/1.1\r\n{bearer}{level}"));
    assert!(status == 405 && refusal.contains("\r\nallow: GET,HEAD,PUT\r\n"), "{refusal}");

    assert_eq!(running.terminate(), 0);
}

#[test]
fn the_edge_is_ready_when_calls_and_phones_can_be_served() {
    let site = Site::new();
    let _configuration = site.start(&["run", "tenant", "config"], "all roles are ready");
    let _proxy = site.start(&["run", "sip-proxy"], "role starts");
    let ready = || site.http(SIP_PROXY.0, SIP_PROXY.1, "GET /ready HTTP/1.1\r\n").0;
    let mut nodes = Vec::new();
    for role in ["sip-cluster", "media", "registrar"] {
        assert_eq!(ready(), 503, "{role} is not there yet");
        // A node is ready when the proxy has accepted it.
        nodes.push(site.start(&["run", role], "all roles are ready"));
    }
    let clock = SystemClock::start();
    let until = clock.now() + PATIENCE;
    while ready() != 200 {
        assert!(clock.now() < until, "it is never ready");
    }
    nodes.pop();
    while ready() != 503 {
        assert!(clock.now() < until, "it is ready without a registrar");
    }
}

#[test]
fn a_second_up_on_a_data_directory_in_use_names_the_holder() {
    let site = Site::new();
    let running = site.start(&["up"], "role starts");
    let (code, _, said) = site.run(&["up"]);
    assert_eq!(code, 5);
    assert!(said.contains("is in use by process "), "{said}");
    assert_eq!(running.terminate(), 0);
}
