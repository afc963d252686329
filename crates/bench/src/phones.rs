//! Ten thousand phones by TLS at one sip-proxy: what they cost while they are idle, and how they come back after the proxy was killed.
//!
//! Each phone has a connection of its own, registers on it with its password, and asks by a keep-alive (RFC 5626 §3.5.1) whether it still
//! stands. A phone whose connection ends opens another one at once, which is harder on the proxy than what real ones do. Meanwhile a carrier
//! calls phones that are back; a phone is busy, so that a call that reaches it is answered by 486.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use net::tls::TlsClient;
use sip::{Frame, Framer, HeaderName, Message, Method, Start, StatusCode, digest};
use tokio::net::UdpSocket;

use crate::Options;
use crate::process::Process;
use crate::report::{Figure, Goal, Report};
use crate::secure::{SECURE_PORT, SecureStream, certificate, client};
use crate::site::{PASSWORD, Roles, Site, phone, specs};

const PHONES: u32 = 10_000;
const PHONES_QUICK: u32 = 500;
/// Addresses that they come from.
const SOURCES: u32 = 40;
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long the idle ones are observed; each has sent a keep-alive by then.
const IDLE: Duration = Duration::from_secs(30);
/// Phones that register within a second at first.
const FIRST_PER_S: u32 = 500;
/// A phone that was refused tries again after this time, at most twice as long.
const AGAIN: Duration = Duration::from_secs(1);
/// All must be there within this time.
const LIMIT: Duration = Duration::from_secs(120);
/// How long a phone waits for an answer, and a caller.
const ANSWERED_WITHIN: Duration = Duration::from_secs(16);
const CALL_EACH: Duration = Duration::from_millis(100);

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    let site = Site::new(options.instance, folder)?;
    let host = site.edge().replace(":5060", "");
    let pem = certificate(std::slice::from_ref(&host), folder)?;
    let settings = [format!("sip-proxy.certificates=[{:?}]", pem.display().to_string())];
    let settings = settings.each_ref().map(String::as_str);
    let names: Vec<String> = specs()?.into_iter().map(|spec| spec.name).filter(|name| name != "sip-proxy").collect();
    let mut others = site.run(&names.iter().map(String::as_str).collect::<Vec<_>>(), &[])?;
    site.wait_ready("config", &mut others)?;
    let proxy = start_proxy(&site, &settings)?;
    site.wait_ready("sip-cluster", &mut others)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let phones = Arc::new(PhoneCrowd {
        edge: SocketAddr::new(host.parse()?, SECURE_PORT),
        sources: (0..SOURCES).map(|at| IpAddr::from(site.peer(20 + at as u8))).collect(),
        tls: client(&pem)?,
        present: (0..if options.quick { PHONES_QUICK } else { PHONES }).map(|_| AtomicBool::new(false)).collect(),
        count: AtomicU32::new(0),
        attempts: AtomicU32::new(0),
        fault: OnceLock::new(),
    });
    let idle = idle(options, &runtime, &phones, &proxy.process)?;
    proxy.process.kill()?;
    let lost = Instant::now();
    phones.lose_all();
    let proxy = start_proxy(&site, &settings)?;
    let carrier = SocketAddr::new(site.peer(1).into(), 5060);
    let back = runtime.block_on(come_back(&phones, carrier, lost))?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop(proxy);
    show(report, phones.present.len(), &idle, &back);
    Ok(())
}

fn start_proxy(site: &Site, settings: &[&str]) -> Result<Roles> {
    let mut proxy = site.run(&["sip-proxy"], settings)?;
    site.wait_ready("sip-proxy", &mut proxy)?;
    Ok(proxy)
}

/// What idle phones take of the proxy.
struct IdleCost {
    bytes_each: f64,
    /// Milliseconds of CPU a second.
    ms_per_s: f64,
}

fn idle(
    options: &Options,
    runtime: &tokio::runtime::Runtime,
    phones: &Arc<PhoneCrowd>,
    proxy: &Process,
) -> Result<IdleCost> {
    let before = proxy.memory();
    let first = phones.clone();
    runtime.spawn(async move {
        let mut turns = tokio::time::interval(Duration::from_secs(1) / FIRST_PER_S);
        for number in 0..first.present.len() {
            turns.tick().await;
            tokio::spawn(first.clone().live(number));
        }
    });
    runtime.block_on(phones.all_present())?;
    std::thread::sleep(Duration::from_secs(2));
    let bytes_each = proxy.memory().saturating_sub(before) as f64 / phones.present.len() as f64;
    let (time, used) = (if options.quick { IDLE / 10 } else { IDLE }, proxy.cpu()?);
    std::thread::sleep(time);
    let ms_per_s = proxy.cpu()?.since(used).as_secs_f64() * 1e3 / time.as_secs_f64();
    ensure!(phones.count() == phones.present.len(), "idle phones have lost their connections");
    Ok(IdleCost { bytes_each, ms_per_s })
}

/// How the phones came back.
struct Back {
    after: Duration,
    calls: u32,
    reached: u32,
    /// The first call that did not reach its phone.
    fault: Option<String>,
}

/// Calls phones that are back until all are.
async fn come_back(phones: &Arc<PhoneCrowd>, carrier: SocketAddr, lost: Instant) -> Result<Back> {
    let socket = UdpSocket::bind(carrier).await?;
    let mut back = Back { after: Duration::ZERO, calls: 0, reached: 0, fault: None };
    let mut turns = tokio::time::interval(CALL_EACH);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Each looks for its phone behind the one before.
    let mut at = 0;
    let (watched, count) = (phones.clone(), phones.present.len());
    let all = tokio::spawn(async move { watched.all_present().await.map(|()| lost.elapsed()) });
    while !all.is_finished() {
        turns.tick().await;
        let Some(number) = (1..=count).map(|step| (at + step * 7) % count).find(|number| phones.is_present(*number))
        else {
            continue;
        };
        at = number;
        back.calls += 1;
        match call(&socket, phones.edge.ip(), number, back.calls).await {
            Ok(StatusCode::BUSY_HERE) => back.reached += 1,
            Ok(status) => back.fault = back.fault.or(Some(format!("{} was answered by {}", number, status.code()))),
            Err(error) => back.fault = back.fault.or(Some(format!("{number}: {error:#}"))),
        }
    }
    back.after = all.await??;
    Ok(back)
}

/// Calls a phone from the carrier; returns what ended the attempt.
async fn call(socket: &UdpSocket, edge: IpAddr, number: usize, count: u32) -> Result<StatusCode> {
    let (local, edge) = (socket.local_addr()?, SocketAddr::new(edge, 5060));
    let sdp =
        format!("v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n", local.ip());
    let uri = format!("sip:{}@{edge}", phone(number as u32));
    let head = |method, to: &str| {
        Message::request(method, &uri)
            .header(&HeaderName::Via, format_args!("SIP/2.0/UDP {local};branch=z9hG4bKcall{count}"))
            .header(&HeaderName::MaxForwards, 70)
            .header(&HeaderName::From, format_args!("<sip:+15559001@{local}>;tag=call{count}"))
            .header(&HeaderName::To, to)
            .header(&HeaderName::CallId, format_args!("call{count}@{local}"))
    };
    let invite = head(Method::Invite, &format!("<{uri}>"))
        .header(&HeaderName::CSeq, "1 INVITE")
        .header(&HeaderName::Contact, format_args!("<sip:{local}>"))
        .body("application/sdp", sdp)
        .build();
    let mut buffer = vec![0; 8_192];
    let answered = async {
        socket.send_to(&invite.to_bytes(), edge).await?;
        loop {
            let (length, _) = socket.recv_from(&mut buffer).await?;
            let Ok(answer) = Message::parse(Bytes::copy_from_slice(&buffer[..length])) else { continue };
            // Of this call, and not a provisional one.
            let is_its = answer.header(&HeaderName::CallId) == invite.header(&HeaderName::CallId);
            if let (true, Some(status)) = (is_its, answer.status().filter(|status| status.code() >= 200)) {
                let to = answer.header(&HeaderName::To).unwrap_or_default();
                let ack = head(Method::Ack, to).header(&HeaderName::CSeq, "1 ACK").build();
                socket.send_to(&ack.to_bytes(), edge).await?;
                return anyhow::Ok(status);
            }
        }
    };
    tokio::time::timeout(ANSWERED_WITHIN, answered).await.context("no answer")?
}

/// The phones, each with a connection.
struct PhoneCrowd {
    edge: SocketAddr,
    sources: Vec<IpAddr>,
    tls: TlsClient,
    /// Which of them are registered by the connection that they have.
    present: Vec<AtomicBool>,
    count: AtomicU32,
    /// How often any of them has registered.
    attempts: AtomicU32,
    /// The first fault of any of them.
    fault: OnceLock<String>,
}

impl PhoneCrowd {
    fn count(&self) -> usize {
        self.count.load(Ordering::Acquire) as usize
    }

    fn is_present(&self, number: usize) -> bool {
        self.present.get(number).is_some_and(|present| present.load(Ordering::Acquire))
    }

    fn note(&self, number: usize, present: bool) {
        if let Some(known) = self.present.get(number)
            && known.swap(present, Ordering::AcqRel) != present
        {
            let by = if present { 1 } else { u32::MAX };
            self.count.fetch_add(by, Ordering::AcqRel);
        }
    }

    /// None has a connection any more, whenever each of them gets to notice it.
    fn lose_all(&self) {
        (0..self.present.len()).for_each(|number| self.note(number, false));
    }

    async fn all_present(&self) -> Result<()> {
        let begun = Instant::now();
        while self.count() < self.present.len() {
            let (count, all) = (self.count(), self.present.len());
            ensure!(begun.elapsed() < LIMIT, "{count} of {all} have registered: {:?}", self.fault.get());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// The life of one phone: it never ends by itself.
    async fn live(self: Arc<Self>, number: usize) {
        loop {
            let was_there = self.stay(number).await;
            self.note(number, false);
            if let Err(error) = was_there {
                let _ = self.fault.set(format!("{error:#}"));
                // Not all at the same moment again.
                tokio::time::sleep(AGAIN + AGAIN * (number as u32 % 100) / 100).await;
            }
        }
    }

    /// Registers by a new connection, and stays until that one ends.
    async fn stay(&self, number: usize) -> Result<()> {
        let source = self.sources[number % self.sources.len()];
        let mut line =
            tokio::time::timeout(ANSWERED_WITHIN, PhoneConnection::open(self.edge, source, &self.tls)).await??;
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        tokio::time::timeout(ANSWERED_WITHIN, line.register(number, attempt)).await??;
        self.note(number, true);
        // Whatever ends the connection: the phone was there.
        let _ = line.serve(number).await;
        Ok(())
    }
}

/// The connection of a phone.
struct PhoneConnection {
    secure: SecureStream,
    framer: Framer,
}

impl PhoneConnection {
    async fn open(edge: SocketAddr, source: IpAddr, tls: &TlsClient) -> Result<Self> {
        Ok(Self { secure: SecureStream::connect(edge, source, tls).await?, framer: Framer::new() })
    }

    /// Registers, under a Call-ID of this attempt: its CSeq begins anew.
    async fn register(&mut self, number: usize, attempt: u32) -> Result<()> {
        let ((local, edge), user) = (self.secure.addresses()?, phone(number as u32));
        let record = format!("sip:{user}@{}", edge.ip());
        let mut request = Message::request(Method::Register, format_args!("sip:{}", edge.ip()))
            .header(&HeaderName::Via, format_args!("SIP/2.0/TLS {local};branch=z9hG4bKr{number}"))
            .header(&HeaderName::MaxForwards, 70)
            .header(&HeaderName::From, format_args!("<{record}>;tag={number}"))
            .header(&HeaderName::To, format_args!("<{record}>"))
            .header(&HeaderName::CallId, format_args!("{number}-{attempt}@{}", local.ip()))
            .header(&HeaderName::CSeq, "1 REGISTER")
            .header(&HeaderName::Contact, format_args!("<sip:{user}@{}:5061;transport=tls>", local.ip()))
            .header(&HeaderName::Expires, 3_600)
            .build();
        request.ensure_content_length();
        let challenged = self.ask(&request).await?;
        let authorized = digest::authorize(&mut request, &challenged, |challenge, request| {
            let uri = request.request_uri().unwrap_or_default();
            digest::respond(challenge, &user, PASSWORD, "REGISTER", uri, "c0ffee", 1).to_string()
        });
        ensure!(authorized.is_ok(), "{user} is answered {:?} in place of a challenge", challenged.status());
        request.set(&HeaderName::CSeq, "2 REGISTER");
        request.set(&HeaderName::Via, format_args!("SIP/2.0/TLS {local};branch=z9hG4bKs{number}"));
        let answer = self.ask(&request).await?;
        ensure!(answer.status() == Some(StatusCode::OK), "{user} is answered {:?}", answer.status());
        Ok(())
    }

    async fn ask(&mut self, request: &Message) -> Result<Message> {
        self.secure.send(&request.to_bytes()).await?;
        loop {
            let message = self.next().await?;
            if message.status().is_some_and(|status| status.code() >= 200) {
                return Ok(message);
            }
        }
    }

    /// Is busy for every caller.
    async fn serve(&mut self, number: usize) -> Result<()> {
        // The keep-alives of all of them are spread over the time between two.
        let first = tokio::time::Instant::now() + KEEP_ALIVE * (number as u32 % 1_000) / 1_000;
        let mut turns = tokio::time::interval_at(first, KEEP_ALIVE);
        loop {
            let message = tokio::select! {
                _ = turns.tick() => {
                    self.secure.send(b"\r\n\r\n").await?;
                    continue;
                }
                message = self.next() => message?,
            };
            let status = match message.start() {
                Start::Request { .. } if message.method() == Method::Invite => StatusCode::BUSY_HERE,
                Start::Request { .. } if message.method() != Method::Ack => StatusCode::OK,
                _ => continue,
            };
            let answer = Message::response_to(&message, status).to_tag(&format!("busy{number}")).into_bytes();
            self.secure.send(&answer).await?;
        }
    }

    /// The next message. Nothing is lost if the caller stops waiting.
    async fn next(&mut self) -> Result<Message> {
        let mut buffer = vec![0; 4_096];
        loop {
            match self.framer.next() {
                Some(Ok(Frame::Message(message))) => return Ok(message),
                Some(Ok(Frame::KeepAlive)) => continue,
                Some(Err(error)) => bail!("the edge sends what is no SIP: {error:?}"),
                None => {}
            }
            let framer = &mut self.framer;
            self.secure.receive(&mut buffer, |plain| framer.push(plain)).await?;
        }
    }
}

fn show(report: &mut Report, phones: usize, idle: &IdleCost, back: &Back) {
    let mut add = |what: String, unit, ours, goal, note: String| {
        report.add(Figure { bench: "phones", what, unit, ours, peer: None, goal, note, void: Vec::new() });
    };
    let each = KEEP_ALIVE.as_secs();
    let note = "growth of sip-proxy while they register, divided by them".to_owned();
    let what = format!("memory of an idle TLS phone, one of {phones}");
    add(what, "kB", idle.bytes_each / 1e3, Goal::None, note);
    let what = format!("{phones} idle TLS phones, a keep-alive of each every {each} s");
    add(what, "ms of CPU a second", idle.ms_per_s, Goal::None, "sip-proxy alone".to_owned());
    let note = "all open a connection at once and register; phones and proxy share the machine".to_owned();
    let what = format!("from the kill of the proxy until all {phones} are registered again");
    add(what, "s", back.after.as_secs_f64(), Goal::None, note);
    let note =
        format!("of {} calls; {}", back.calls, back.fault.as_deref().unwrap_or("each was answered by its phone"));
    let unreached = f64::from(back.calls - back.reached);
    add("calls to phones that were back, and not reached".to_owned(), "calls", unreached, Goal::AtMost(0.0), note);
}
