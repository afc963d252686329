//! An installation without tenants: it is ready, refuses every call, and prints advice.

use std::net::UdpSocket;

use crate::binary::{PATIENCE, Site};

#[test]
fn without_tenants_it_is_ready_complete_and_refuses_every_caller() {
    let site = Site::new();
    let running = site.start(&["up"], "all roles are ready");
    let (code, _, said) = site.run(&["topology", "--check"]);
    assert_eq!(code, 0, "{said}");

    let edge = format!("127.{}.0.1:5060", site.instance);
    let socket = UdpSocket::bind((format!("127.{}.250.1", site.instance).as_str(), 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let own = socket.local_addr().unwrap();
    for (method, extra) in [("INVITE", "Max-Forwards: 70\r\n"), ("REGISTER", "Max-Forwards: 70\r\nExpires: 60\r\n")] {
        let request = format!(
            "{method} sip:7101@{edge} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-{method}\r\n\
             From: <sip:7102@{edge}>;tag=a\r\nTo: <sip:7101@{edge}>\r\nCall-ID: {method}@{own}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:7102@{own}>\r\n{extra}Content-Length: 0\r\n\r\n"
        );
        socket.send_to(request.as_bytes(), &edge).unwrap();
        let answer = loop {
            let mut bytes = [0; 4_096];
            let length = socket.recv(&mut bytes).unwrap();
            let answer = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if !answer.starts_with("SIP/2.0 1") && answer.contains(&format!("CSeq: 1 {method}")) {
                break answer;
            }
        };
        assert!(answer.starts_with("SIP/2.0 403 "), "{answer}");
    }
    assert_eq!(running.terminate(), 0);
}
