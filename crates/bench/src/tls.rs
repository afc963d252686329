//! sip-proxy over TLS against Kamailio with the same certificate: CPU per call on a connection that is there, CPU per new connection, and
//! memory of an idle one. SIPp speaks no TLS: its one connection passes through a relay in this process, which is not measured.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::process::{Process, find};
use crate::report::{Figure, Goal, Report};
use crate::secure::{SECURE_PORT, SecureStream, certificate, client};
use crate::sipp::{Counts, Run, Sipp};
use crate::site::Site;
use crate::{Options, kamailio, udp};

/// Offered calls each second.
const RATE: u32 = 300;
const WARM_UP_CALLS: u32 = 100;
/// Connections that are made one after the other, and such that stay.
const CONNECTIONS: u32 = 2_000;
/// Addresses that they come from: a source may begin 256 handshakes at once.
const SOURCES: u8 = 40;
/// The goals: at most this multiple of the peer's CPU.
const RATIO_MAX: f64 = 0.8;
const LIMIT: Duration = Duration::from_secs(60);
const PEER: &str = "Kamailio, 1 worker";

/// What one proxy takes.
struct SecureFigures {
    call_ms: f64,
    counts: Counts,
    connection_ms: f64,
    idle_bytes: f64,
}

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    if find("sipp").is_none() {
        report.missing("tls", "sipp");
        return Ok(());
    }
    let site = Site::new(options.instance, folder)?;
    let callee = format!("{}:5060", site.peer(2));
    let ours_at = site.edge().replace(":5060", "");
    let peer_at = site.peer(3).to_string();
    let pem = certificate(&[ours_at.clone(), peer_at.clone()], folder)?;
    let ours = {
        let mut config = site.run(&["tenant", "config"], &[])?;
        site.wait_ready("config", &mut config)?;
        let route = format!("sip-proxy.static_route={callee}");
        let certificates = format!("sip-proxy.certificates=[{:?}]", pem.display().to_string());
        let mut proxy = site.run(&["sip-proxy"], &[&route, &certificates])?;
        site.wait_ready("sip-proxy", &mut proxy)?;
        measure(options, &site, &ours_at, &mut proxy.process, (&pem, folder))?
    };
    let definitions =
        [("NEXT", format!("sip:{callee}")), ("SECURE", peer_at.clone()), ("PEM", pem.display().to_string())];
    let definitions = definitions.each_ref().map(|(name, value)| (*name, value.as_str()));
    let peer = match kamailio::start("kamailio-tls.cfg", &format!("{peer_at}:5060"), 1, &definitions, folder)? {
        Some(mut process) => Some(measure(options, &site, &peer_at, &mut process, (&pem, folder))?),
        None => {
            report.missing("tls", "kamailio");
            None
        }
    };
    show(report, &ours, peer.as_ref());
    Ok(())
}

fn show(report: &mut Report, ours: &SecureFigures, peer: Option<&SecureFigures>) {
    let mut add = |what: String, unit, of: fn(&SecureFigures) -> f64, goal, note: String, void| {
        let (ours, peer) = (of(ours), peer.map(|peer| (PEER, of(peer))));
        report.add(Figure { bench: "tls", what, unit, ours, peer, goal, note, void });
    };
    let mut faults = ours.counts.faults("ours");
    faults.extend(peer.map(|peer| peer.counts.faults("Kamailio")).unwrap_or_default());
    let calls = ours.counts.successful + ours.counts.failed;
    let note = format!("{} of {calls} calls went as they should; one connection", ours.counts.successful);
    let what = format!("a call from TLS to UDP, {RATE} calls/s");
    add(what, "ms of CPU", |of| of.call_ms, Goal::Ratio(RATIO_MAX), note, faults);
    let note = format!("{CONNECTIONS} full handshakes of TLS 1.3, ECDSA P-256, and an OPTIONS on each");
    add(
        "a new TLS connection".to_owned(),
        "ms of CPU",
        |of| of.connection_ms,
        Goal::Ratio(RATIO_MAX),
        note,
        Vec::new(),
    );
    let note = format!("of {CONNECTIONS}");
    add("memory of an idle TLS connection".to_owned(), "kB", |of| of.idle_bytes / 1e3, Goal::None, note, Vec::new());
}

fn measure(
    options: &Options,
    site: &Site,
    at: &str,
    process: &mut Process,
    (pem, folder): (&Path, &Path),
) -> Result<SecureFigures> {
    let proxy = SocketAddr::new(at.parse()?, SECURE_PORT);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let callee = Run { scenario: "callee.xml", local: site.peer(2), remote: None, arguments: vec!["-aa".to_owned()] };
    let mut callee_run = Sipp::start(&callee, folder)?;
    udp::wait_bound(&format!("{}:5060", site.peer(2)), Duration::from_secs(5), callee_run.process())?;
    let relay_at = SocketAddr::new(site.peer(4).into(), 5060);
    let listener = runtime.block_on(TcpListener::bind(relay_at))?;
    let (tls, local) = (client(pem)?, IpAddr::from(site.peer(1)));
    let relay = runtime.spawn(async move {
        while let Ok((plain, _)) = listener.accept().await {
            let connected = SecureStream::connect(proxy, local, &tls).await;
            if let Ok(secure) = connected {
                // It ends with either side.
                let _ = pass(plain, secure).await;
            }
        }
    });
    let call = |calls: u32, rate: u32| {
        let arguments =
            ["-t", "t1", "-m", &calls.to_string(), "-r", &rate.to_string(), "-l", "10000", "-timeout", "60"];
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let remote = relay_at.to_string();
        let run = Run { scenario: "caller-tls.xml", local: site.peer(1), remote: Some(&remote), arguments };
        Sipp::run(&run, folder, LIMIT + Duration::from_secs(30))
    };
    let warmed = call(WARM_UP_CALLS, 100)?;
    ensure!(warmed.successful > 0, "no call went through at {proxy}: see {}", folder.display());
    let wanted = RATE * options.seconds();
    let before = process.cpu()?;
    let counts = call(wanted, RATE)?;
    let call_ms = process.cpu()?.since(before).as_secs_f64() * 1e3 / f64::from(wanted);
    relay.abort();
    let sources: Vec<IpAddr> = (20..20 + SOURCES).map(|host| site.peer(host).into()).collect();
    let connections = async |keep: bool| {
        let mut kept = Vec::new();
        for (number, local) in (0..CONNECTIONS).zip(sources.iter().cycle()) {
            // A client of its own: none resumes the session of another one.
            let mut secure = SecureStream::connect(proxy, *local, &client(pem)?).await?;
            ask(&mut secure, number).await?;
            if keep {
                kept.push(secure);
            }
        }
        anyhow::Ok(kept)
    };
    let before = process.cpu()?;
    drop(runtime.block_on(async { tokio::time::timeout(LIMIT, connections(false)).await })??);
    let connection_ms = process.cpu()?.since(before).as_secs_f64() * 1e3 / f64::from(CONNECTIONS);
    std::thread::sleep(Duration::from_secs(2));
    let before = process.memory();
    let kept = runtime.block_on(async { tokio::time::timeout(LIMIT, connections(true)).await })??;
    let idle_bytes = process.memory().saturating_sub(before) as f64 / f64::from(CONNECTIONS);
    drop(kept);
    process.expect_running()?;
    Ok(SecureFigures { call_ms, counts, connection_ms, idle_bytes })
}

/// Asks by OPTIONS whether the proxy is there.
async fn ask(secure: &mut SecureStream, number: u32) -> Result<()> {
    let (local, proxy) = secure.addresses()?;
    let request = format!(
        "OPTIONS sip:{proxy} SIP/2.0\r\nVia: SIP/2.0/TLS {local};branch=z9hG4bKb{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:bench@{local}>;tag={number}\r\nTo: <sip:{proxy}>\r\nCall-ID: {number}@{local}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    );
    secure.send(request.as_bytes()).await?;
    let (mut buffer, mut answered) = ([0; 16_384], false);
    while !answered {
        secure.receive(&mut buffer, |plain| answered |= plain.starts_with(b"SIP/2.0 200")).await?;
    }
    Ok(())
}

/// Passes what SIPp says through a TLS session, and what comes back.
async fn pass(mut plain: TcpStream, mut secure: SecureStream) -> Result<()> {
    plain.set_nodelay(true)?;
    let (mut said, mut heard) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        let mut opened = Vec::new();
        tokio::select! {
            length = plain.read(&mut said) => {
                let length = length?;
                ensure!(length > 0, "SIPp has ended");
                secure.send(&said[..length]).await?;
            }
            received = secure.receive(&mut heard, |bytes| opened.extend_from_slice(bytes)) => {
                received?;
                plain.write_all(&opened).await?;
            }
        }
    }
}
