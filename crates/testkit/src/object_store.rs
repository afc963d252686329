//! A store of objects that speaks as much of Amazon S3's interface as is needed to put and get some. It can fail, die and come back with
//! what it had.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::wait;

/// How long a client may take for its request.
const REQUEST_LIMIT: Duration = Duration::from_secs(45);

/// A request that was answered.
#[derive(Clone, Debug)]
pub struct StoreRequest {
    /// GET, HEAD or PUT.
    pub method: String,
    /// Bucket and key, as `inventory/acme/2026-07-02/people.csv`.
    pub object: String,
    /// The status of the answer.
    pub status: u16,
    /// Who has asked.
    pub from: IpAddr,
}

/// The store; it keeps its objects in memory.
pub struct ObjectStore {
    shared: Arc<Mutex<KeptObjects>>,
    address: SocketAddr,
}

#[derive(Default)]
struct KeptObjects {
    /// Each with the number of its put, which is its tag.
    kept: BTreeMap<String, (usize, Vec<u8>)>,
    requests: Vec<StoreRequest>,
    puts: usize,
    failures_left: usize,
    dies_at_put: Option<usize>,
    is_dead: bool,
    refusal: PutRefusal,
}

/// Whose puts are refused.
#[derive(Default)]
enum PutRefusal {
    #[default]
    Nobodys,
    /// Those of whoever is the first to claim something.
    OfFirstClaimant,
    Of(IpAddr),
}

/// The head of a request, and its body.
struct AskedObject {
    method: String,
    object: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl ObjectStore {
    /// Begins to listen on a free port. The first so many requests fail, and at that put, counted from 1, the store dies without an answer.
    pub fn start(failures: usize, dies_at_put: Option<usize>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a port for the store")?;
        let address = listener.local_addr()?;
        let objects = KeptObjects { failures_left: failures, dies_at_put, ..KeptObjects::default() };
        let shared = Arc::new(Mutex::new(objects));
        serve(listener, shared.clone());
        Ok(Self { shared, address })
    }

    /// Comes back after it has died, with the objects that it had.
    pub fn revive(&self) -> Result<()> {
        // The port is free once the listener of before has noticed.
        let listener = wait::until(REQUEST_LIMIT, || Ok(TcpListener::bind(self.address).ok()))?;
        let mut objects = lock(&self.shared);
        (objects.is_dead, objects.dies_at_put) = (false, None);
        serve(listener, self.shared.clone());
        Ok(())
    }

    /// Refuses whatever is put by the one who is the first to put a claim, but for claims.
    pub fn refuse_first_claimant(&self) {
        lock(&self.shared).refusal = PutRefusal::OfFirstClaimant;
    }

    /// Whether it has died.
    pub fn is_dead(&self) -> bool {
        lock(&self.shared).is_dead
    }

    /// Its address, as a URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All objects by bucket and key.
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        lock(&self.shared).kept.iter().map(|(object, (_, body))| (object.clone(), body.clone())).collect()
    }

    /// All requests that were answered.
    pub fn requests(&self) -> Vec<StoreRequest> {
        lock(&self.shared).requests.clone()
    }
}

fn lock(shared: &Mutex<KeptObjects>) -> MutexGuard<'_, KeptObjects> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers on that listener until the store dies; then nobody listens any more.
fn serve(listener: TcpListener, shared: Arc<Mutex<KeptObjects>>) {
    std::thread::spawn(move || {
        let at = listener.local_addr().ok();
        for stream in listener.incoming().flatten() {
            if lock(&shared).is_dead {
                return;
            }
            let shared = shared.clone();
            std::thread::spawn(move || {
                let _ = stream.set_read_timeout(Some(REQUEST_LIMIT));
                if answer(&stream, &shared).is_none() && lock(&shared).is_dead {
                    // Wakes the listener, so that it ends.
                    let _ = at.map(TcpStream::connect);
                }
            });
        }
    });
}

/// Answers the only request of a connection; none if it does not come whole, or the store is dead.
fn answer(mut stream: &TcpStream, shared: &Mutex<KeptObjects>) -> Option<()> {
    let from = stream.peer_addr().ok()?.ip();
    let asked = read(stream)?;
    let (status, etag, body) = {
        let mut objects = lock(shared);
        let answered = objects.answer(&asked, from)?;
        let (method, object) = (asked.method.clone(), asked.object.clone());
        objects.requests.push(StoreRequest { method, object, status: answered.0, from });
        answered
    };
    let mut head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if let Some(etag) = etag {
        head.push_str(&format!("ETag: \"{etag}\"\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    if asked.method != "HEAD" {
        stream.write_all(&body).ok()?;
    }
    Some(())
}

fn read(stream: &TcpStream) -> Option<AskedObject> {
    let mut lines = BufReader::new(stream);
    let mut first = String::new();
    lines.read_line(&mut first).ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(Some(0), |length| length.parse().ok())?;
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    Some(AskedObject { method, object: path.trim_start_matches('/').to_owned(), headers, body })
}

/// Status, tag and body of an answer.
type Answered = (u16, Option<usize>, Vec<u8>);

impl KeptObjects {
    fn answer(&mut self, asked: &AskedObject, from: IpAddr) -> Option<Answered> {
        if self.is_dead {
            return None;
        }
        if !is_signed(asked) {
            return Some((403, None, b"<Error><Code>AccessDenied</Code></Error>".to_vec()));
        }
        if self.failures_left > 0 {
            self.failures_left -= 1;
            return Some((503, None, b"<Error><Code>SlowDown</Code></Error>".to_vec()));
        }
        match asked.method.as_str() {
            "PUT" if self.refuses(asked, from) => {
                Some((403, None, b"<Error><Code>AccessDenied</Code></Error>".to_vec()))
            }
            "PUT" => self.put(asked),
            "GET" | "HEAD" => Some(match self.kept.get(&asked.object) {
                Some((tag, body)) => (200, Some(*tag), body.clone()),
                None => (404, None, b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
            }),
            _ => Some((405, None, Vec::new())),
        }
    }

    fn refuses(&mut self, asked: &AskedObject, from: IpAddr) -> bool {
        let is_claim = asked.object.ends_with("/claim.json");
        if is_claim && matches!(self.refusal, PutRefusal::OfFirstClaimant) {
            self.refusal = PutRefusal::Of(from);
        }
        !is_claim && matches!(self.refusal, PutRefusal::Of(refused) if refused == from)
    }

    fn put(&mut self, asked: &AskedObject) -> Option<Answered> {
        self.puts += 1;
        if self.dies_at_put == Some(self.puts) {
            self.is_dead = true;
            return None;
        }
        let tag = self.kept.get(&asked.object).map(|(tag, _)| format!("\"{tag}\""));
        let is_absent_as_wanted = !asked.headers.contains_key("if-none-match") || tag.is_none();
        let is_same_as_wanted = asked.headers.get("if-match").is_none_or(|wanted| Some(wanted) == tag.as_ref());
        if !is_absent_as_wanted || !is_same_as_wanted {
            return Some((412, None, b"<Error><Code>PreconditionFailed</Code></Error>".to_vec()));
        }
        self.kept.insert(asked.object.clone(), (self.puts, asked.body.clone()));
        Some((200, Some(self.puts), Vec::new()))
    }
}

/// Whether a request shows a signature of its head and of its body's sum. Whether they are right is not known here.
fn is_signed(asked: &AskedObject) -> bool {
    let is_sum = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let shown = asked.headers.get("authorization").map_or("", String::as_str);
    let signed = |name: &str| shown.split_once("SignedHeaders=").is_some_and(|(_, names)| names.contains(name));
    shown.starts_with("AWS4-HMAC-SHA256 Credential=")
        && shown.rsplit_once("Signature=").is_some_and(|(_, signature)| is_sum(signature))
        && ["host", "x-amz-content-sha256", "x-amz-date"].into_iter().all(signed)
        && asked.headers.get("x-amz-content-sha256").is_some_and(|sum| is_sum(sum))
        && asked.headers.get("x-amz-date").is_some_and(|at| at.len() == "20130524T000000Z".len())
        && (asked.method != "PUT" || ["content-type", "x-amz-checksum-sha256"].into_iter().all(signed))
}
