//! Hostile input: garbage, floods, guessed passwords, partial messages. Each has its limit, its answer and its metric.

mod siege;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::caller::sipp;
use testkit::{Endpoint, Installation, Sipp, wait};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
/// How long a socket is listened at, at once.
const LISTEN: Duration = Duration::from_secs(2);
/// How long a wrong password must still cost a wait for the right one to be tried within it, in seconds.
const WAITS_STILL: u64 = 5;

fn options(site: &Installation, socket: &UdpSocket, name: &str) -> Result<String> {
    let (edge, local) = (site.sip(), socket.local_addr()?);
    Ok(format!(
        "OPTIONS sip:{edge} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{name};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:probe@{local}>;tag={name}\r\nTo: <sip:{edge}>\r\nCall-ID: {name}@{local}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    ))
}

fn socket(site: &Installation, host: u8) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((site.peer_address(host), 0))?;
    socket.set_read_timeout(Some(LISTEN))?;
    socket.connect(site.sip())?;
    Ok(socket)
}

/// The status of the next response on the socket, if one comes.
fn status(socket: &UdpSocket) -> Result<Option<u16>> {
    let mut packet = vec![0; 65_536];
    match socket.recv(&mut packet) {
        Ok(length) => {
            let text = String::from_utf8_lossy(&packet[..length]).into_owned();
            let word = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3));
            Ok(Some(word.and_then(|word| word.parse().ok()).with_context(|| format!("no response: {text}"))?))
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The status of the next response on the socket, which must come.
fn answer(socket: &UdpSocket) -> Result<u16> {
    wait::until(SOON, || status(socket)).context("no answer")
}

/// Another source is still served: its OPTIONS is answered, and so is its call.
fn assert_serves(site: &Installation, name: &str) -> Result<()> {
    let probe = socket(site, 99)?;
    probe.send(options(site, &probe, name)?.as_bytes())?;
    let answer = answer(&probe)?;
    ensure!(answer == 200, "the probe {name} is answered {answer}");
    Sipp::new("-sn uac", site.peer_address(99), &site.sip())
        .dial(site.number("echo")?)
        .calls(1, 1, 1)
        .with(&["-d", "100"])
        .run(LATER)?
        .expect_success()
        .context("a call of another source")
}

fn proxy_counts(site: &Installation, names: &[&str]) -> Result<f64> {
    names.iter().map(|name| site.metric("sip-proxy", &format!("sip_proxy_{name}_total"))).sum()
}

/// Waits until these counters reach a value; they are published at the proxy's next turn.
fn counts_reach(site: &Installation, names: &[&str], value: f64) -> Result<()> {
    let mut last = 0.0;
    let come = wait::until(SOON, || {
        last = proxy_counts(site, names)?;
        Ok((last >= value).then_some(()))
    });
    come.with_context(|| format!("{names:?}: {last}, not {value}"))
}

/// The messages of RFC 4475 in wire format.
fn torture() -> Result<Vec<(String, Vec<u8>)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sip/tests/data/rfc4475");
    let mut messages = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        messages.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), fs::read(&path)?));
    }
    messages.sort();
    ensure!(messages.len() >= 40, "only {} messages", messages.len());
    Ok(messages)
}

#[test]
fn torture_messages_as_datagrams_and_streams_do_no_harm() -> Result<()> {
    let site = Installation::start()?;
    let sender = socket(&site, 1)?;
    for (name, bytes) in torture()? {
        sender.send(&bytes)?;
        // Also the first half, as from a truncating network.
        sender.send(&bytes[..bytes.len() / 2])?;
        let mut stream = TcpStream::connect(site.sip())?;
        // The edge may close before it has read everything.
        let _ = stream.write_all(&bytes);
        drop(stream);
        ensure!(site.metric("sip-proxy", "role_restarts_total")? == 0.0, "after {name}");
    }
    assert_serves(&site, "torture")?;
    counts_reach(&site, &["malformed_answered", "malformed_dropped"], 20.0)?;
    assert_eq!(site.metric("sip-proxy", "role_restarts_total")?, 0.0);
    Ok(())
}

#[test]
fn a_malformed_request_with_a_way_back_is_answered_400_and_others_are_dropped() -> Result<()> {
    let site = Installation::start()?;
    let sender = socket(&site, 1)?;
    let good = options(&site, &sender, "malformed")?;
    let faults = [
        good.replace("CSeq: 1 OPTIONS", "CSeq: one OPTIONS"),
        good.replace("CSeq: 1 OPTIONS", "CSeq: 1 INVITE"),
        good.replace("Content-Length: 0", "Content-Length: minus"),
        good.replace("Content-Length: 0", "Content-Length: 5000"),
        good.replace("Max-Forwards: 70\r\n", "Max-Forwards: 70\r\nno colon here\r\n"),
        good.replace("From: <sip:probe", "From: <<sip:probe"),
    ];
    for (number, fault) in faults.iter().enumerate() {
        let before = proxy_counts(&site, &["malformed_answered"])?;
        sender.send(fault.replace("z9hG4bKmalformed", &format!("z9hG4bKmalformed{number}")).as_bytes())?;
        let answer = answer(&sender)?;
        ensure!(answer == 400, "{fault}\nis answered {answer}");
        counts_reach(&site, &["malformed_answered"], before + 1.0).with_context(|| fault.clone())?;
    }
    let before = proxy_counts(&site, &["malformed_dropped"])?;
    let noise: [&[u8]; 4] = [b"hello?\r\n\r\n", &[0; 1_200], &[0xff; 60_000], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"];
    for bytes in noise {
        sender.send(bytes)?;
    }
    counts_reach(&site, &["malformed_dropped"], before + noise.len() as f64)?;
    ensure!(status(&sender)?.is_none(), "noise is not answered");
    assert_serves(&site, "noise")
}

#[test]
fn oversized_messages_are_refused_and_the_edge_lives_on() -> Result<()> {
    let site = Installation::start()?;
    let sender = socket(&site, 1)?;
    let head = options(&site, &sender, "big")?;
    // As large as a datagram can be: too long a line, too many lines, a large body.
    let line = head.replace("Max-Forwards: 70", &format!("Max-Forwards: 70\r\nX-Long: {}", "x".repeat(60_000)));
    let lines = head.replace("Max-Forwards: 70", &format!("Max-Forwards: 70{}", "\r\nX-A: b".repeat(6_000)));
    for (name, message) in [("line", line), ("lines", lines)] {
        sender.send(message.replace("z9hG4bKbig", &format!("z9hG4bKbig{name}")).as_bytes())?;
        let answer = answer(&sender)?;
        ensure!(matches!(answer, 400 | 413 | 513), "{name}: {answer}");
    }
    for length in [100_000, 100_000_000] {
        let mut stream = TcpStream::connect(site.sip())?;
        stream.set_read_timeout(Some(SOON))?;
        stream.write_all(head.replace("Content-Length: 0", &format!("Content-Length: {length}")).as_bytes())?;
        let mut answer = String::new();
        let _ = stream.write_all(&vec![b'x'; 100_000]);
        // Refused, or closed without an answer; not read further.
        let _ = stream.read_to_string(&mut answer);
        ensure!(answer.is_empty() || answer.starts_with("SIP/2.0 4") || answer.starts_with("SIP/2.0 513"), "{answer}");
    }
    counts_reach(&site, &["socket_closed_bad_input"], 2.0)?;
    assert_serves(&site, "oversized")
}

#[test]
fn a_flood_from_one_source_is_limited_while_another_source_is_served() -> Result<()> {
    let site = Installation::start_with(&["--set", "sip-proxy.trunk_requests_per_s=100"])?;
    let sender = socket(&site, 1)?;
    let (mut statuses, mut number) = (Vec::new(), 0);
    let limited = || proxy_counts(&site, &["rate_refused", "rate_dropped"]);
    // The kernel drops what does not fit into the socket's buffer: nearly all, while a busy machine keeps the proxy from its turn.
    wait::until(LATER, || {
        sender.set_nonblocking(true)?;
        for _ in 0..2_500 {
            sender.send(options(&site, &sender, &format!("flood{number}"))?.as_bytes())?;
            statuses.extend(status(&sender)?);
            number += 1;
        }
        sender.set_nonblocking(false)?;
        Ok((limited()? >= 1_000.0).then_some(()))
    })
    .context("the flood is not limited")?;
    assert_serves(&site, "during")?;
    while let Some(code) = status(&sender)? {
        statuses.push(code);
    }
    let served = statuses.iter().filter(|code| **code == 200).count();
    let few = (served as f64) < limited()? && statuses.contains(&503);
    ensure!(few, "{served} of {} answers are 200", statuses.len());
    // It is served again once it pauses.
    wait::until(SOON, || {
        sender.send(options(&site, &sender, &format!("after{}", statuses.len()))?.as_bytes())?;
        let answer = status(&sender)?;
        statuses.extend(answer);
        Ok((answer == Some(200)).then_some(()))
    })
}

/// The last Retry-After that SIPp has received, in seconds.
fn retry_after(messages: &str) -> Option<u64> {
    messages.lines().filter_map(|line| line.trim().strip_prefix("Retry-After:")?.trim().parse().ok()).next_back()
}

fn register(
    site: &Installation,
    host: u8,
    person: usize,
    password: &str,
    calls: u32,
) -> Result<testkit::sipp::Outcome> {
    let extension = &site.demo.people[person].extension;
    Sipp::new("register.xml", site.peer_address(host), &site.sip())
        .with(&["-key", "user", extension, "-au", extension, "-ap", password, "-trace_msg"])
        .calls(calls, 5, 1)
        .run(LATER)
}

#[test]
fn wrong_passwords_back_off_for_their_phone_and_source_alone() -> Result<()> {
    let site = Installation::start()?;
    let outcome = register(&site, 1, 0, "not-the-password", 24)?;
    ensure!(outcome.code != 0, "a wrong password registers");
    ensure!(
        outcome.messages.contains("SIP/2.0 500") && outcome.messages.contains("Retry-After:"),
        "{}",
        outcome.messages
    );
    ensure!(!outcome.messages.contains("SIP/2.0 200"), "{}", outcome.messages);
    counts_reach(&site, &["wrong_passwords"], 5.0)?;
    counts_reach(&site, &["wrong_password_refused"], 1.0)?;
    // The right password does not help this phone at this address now. It works at once elsewhere, and so does another phone's here.
    // Each wait is twice as long as the one before: one that is not over when the right password comes.
    wait::until(LATER, || {
        let outcome = register(&site, 1, 0, "not-the-password", 1)?;
        Ok((retry_after(&outcome.messages) >= Some(WAITS_STILL)).then_some(()))
    })
    .context("no wait grows long")?;
    let password = site.demo.people[0].password.clone();
    ensure!(register(&site, 1, 0, &password, 1)?.messages.contains("SIP/2.0 500"), "the phone waits");
    register(&site, 1, 1, &site.demo.people[1].password, 1)?.expect_success()?;
    register(&site, 2, 0, &password, 1)?.expect_success()
}

#[test]
fn a_source_that_is_neither_trunk_nor_phone_is_answered_403() -> Result<()> {
    let site = Installation::start()?;
    site.import_changed(|folder| {
        let file = folder.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        ensure!(text.contains("allow: [127.0.0.0/8]"), "the example's trunk has changed");
        Ok(fs::write(&file, text.replace("allow: [127.0.0.0/8]", "allow: [192.0.2.0/24]"))?)
    })?;
    let audio = Endpoint::listen(site.peer_address(1).into())?;
    wait::until(SOON, || {
        let run = sipp(&site, "caller-refused-403.xml", 1, &audio).dial(site.number("echo")?);
        Ok((run.calls(1, 1, 1).run(LATER)?.code == 0).then_some(()))
    })?;
    counts_reach(&site, &["unknown_sources"], 1.0)?;
    // A phone of the tenant is identified by its password.
    register(&site, 2, 0, &site.demo.people[0].password, 1)?.expect_success()
}

#[test]
fn half_open_and_slow_connections_are_bounded_and_closed() -> Result<()> {
    let limits = ["--set", "sip-proxy.connections_per_source=20", "--set", "sip-proxy.idle=10s"];
    let site = Installation::start_with(&limits)?;
    // The connections send nothing, or half a message. Those above the limit are closed at once, the others time out.
    let open: Vec<TcpStream> = (0..60).filter_map(|_| TcpStream::connect(site.sip()).ok()).collect();
    for mut stream in &open {
        let _ = stream.write_all(b"OPTIONS sip:x SIP/2.0\r\nVia: ");
    }
    counts_reach(&site, &["socket_connections_refused"], 40.0)?;
    assert_serves(&site, "halfopen")?;
    let closed = ["socket_closed_idle", "socket_closed_bad_input"];
    wait::until(LATER, || Ok((proxy_counts(&site, &closed)? >= 20.0).then_some(())))?;
    // Its connections are available again.
    let ping = || -> std::io::Result<[u8; 2]> {
        let mut stream = TcpStream::connect(site.sip())?;
        stream.set_read_timeout(Some(LISTEN))?;
        stream.write_all(b"\r\n\r\n")?;
        let mut pong = [0; 2];
        stream.read_exact(&mut pong)?;
        Ok(pong)
    };
    let pong = wait::until(LATER, || Ok(ping().ok()))?;
    assert_eq!(&pong, b"\r\n", "a ping is answered (RFC 5626)");
    Ok(())
}

#[test]
fn a_message_that_comes_byte_by_byte_over_tcp_is_served() -> Result<()> {
    let site = Installation::start()?;
    let local = socket(&site, 1)?;
    let text = options(&site, &local, "slow")?.replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    let mut stream = TcpStream::connect(site.sip())?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SOON))?;
    for byte in text.as_bytes() {
        stream.write_all(&[*byte])?;
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    assert_eq!(&answer, b"SIP/2.0 200 ");
    Ok(())
}

#[test]
fn a_phone_that_registers_over_tcp_and_hangs_up_at_once_is_heard() -> Result<()> {
    let site = Installation::start()?;
    let before = site.metric("sip-proxy", "sip_proxy_challenges_total")?;
    let edge = site.sip();
    // Sent at once: closely spaced ones are processed together.
    for n in 0..20 {
        let mut stream = TcpStream::connect(edge.as_str())?;
        let local = stream.local_addr()?;
        let register = format!(
            "REGISTER sip:{edge} SIP/2.0\r\nVia: SIP/2.0/TCP {local};branch=z9hG4bKgone{n}\r\nMax-Forwards: 70\r\n\
             From: <sip:7101@{edge}>;tag=gone{n}\r\nTo: <sip:7101@{edge}>\r\nCall-ID: gone{n}@{local}\r\n\
             CSeq: 1 REGISTER\r\nContact: <sip:7101@{local};transport=tcp>\r\nExpires: 0\r\nContent-Length: 0\r\n\r\n"
        );
        stream.write_all(register.as_bytes())?;
    }
    site.metric_becomes("sip-proxy", "sip_proxy_challenges_total", before + 20.0, SOON)
}

#[test]
fn garbage_at_the_web_edge_and_at_the_request_port_does_no_harm() -> Result<()> {
    let site = Installation::start()?;
    let web: std::net::SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    let requests = std::net::SocketAddr::new(std::net::Ipv4Addr::new(127, site.demo.instance, 7, 1).into(), 9_101);
    for place in [web, requests] {
        let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(200_000));
        let noise: [&[u8]; 4] =
            [b"\x16\x03\x01\x02\x00\x01\x00", &[0xff; 10_000], b"INVITE sip:a SIP/2.0\r\n\r\n", long.as_bytes()];
        for bytes in noise {
            let mut stream = TcpStream::connect(place)?;
            stream.set_read_timeout(Some(SOON))?;
            let _ = stream.write_all(bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            let text = String::from_utf8_lossy(&answer);
            ensure!(text.is_empty() || text.starts_with("HTTP/1.1 4") || text.starts_with("HTTP/1.0 4"), "{text}");
        }
        let path = "/api/voice/v1/example/requests";
        for (body, expected) in [
            ("{".to_owned(), 400..=422),
            ("[]".to_owned(), 400..=422),
            ("{\"req\":\"TNoSuchThing\"}".to_owned(), 400..=501),
            (format!("{{\"req\":\"{}\"}}", "x".repeat(2_000_000)), 413..=413),
            ("[".repeat(100_000), 400..=422),
        ] {
            let shown: String = body.chars().take(40).collect();
            let answer = site.http(place, "POST", path, &body).with_context(|| format!("{place} {shown}"))?;
            ensure!(expected.contains(&answer.status), "{place} {shown}: {} {}", answer.status, answer.body);
        }
    }
    site.log_in("7101")?;
    site.metric_becomes("agent-state", "agentstate_agents_logged_in", 1.0, SOON)
}
