//! Tokens at auth, beside the Argon2id hash that each request of a client with a secret costs, and what a role spends on a token that it is
//! shown.

use std::hint::black_box;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use identity::password;
use infra::{Clock, SystemClock};
use model::TenantId;
use runtime::ApiFamily;
use runtime::token::{TokenIssuer, TokenVerifier};
use serde_json::Value;

use crate::Options;
use crate::http::KeptConnection;
use crate::parser::best_us;
use crate::process::{Process, thread_cpu_ns};
use crate::report::{Figure, Goal, Report};
use crate::site::{Site, TENANT, tenant_head};

/// The goal of a request that needs a hash: what stands around the hash costs at most a fifth of it.
const RATIO_MAX: f64 = 1.2;
const PORT: u16 = 8080;
const TOKEN: &str = "/auth/v3/oauth/token";
const INTROSPECT: &str = "/auth/v3/oauth/introspect";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const CLIENT: &str = "client_id=bench&client_secret=wide-white-saucer";
const SECRET: &str = "wide-white-saucer";
const PASSWORD: &str = "tall-green-kettle";
/// Programs that ask at a time, each on a connection of its own: as many as auth lets show one secret from one source.
const PROGRAMS: usize = 4;
/// More tokens than a role remembers, twice.
const DISTINCT: usize = 4_100;
const TOKEN_LIFE: Duration = Duration::from_secs(3_600);
const ROLE: &str = "config";
const FAMILIES: &[ApiFamily] = &[ApiFamily::Tenant];

/// One of the programs: it asks once, and says whether the answer was right.
type Program = Box<dyn FnMut() -> Result<bool> + Send>;

/// What a load of requests has taken.
struct TokenLoad {
    /// CPU of auth for each, in milliseconds.
    ms: f64,
    per_s: f64,
    wrong: u64,
}

/// What hashes alone take, on as many threads as there are processors.
struct RawHash {
    ms: f64,
    per_s: f64,
}

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    let raw = hashes(options.seconds() / 2 + 1)?;
    let site = Site::of_tenant(options.instance, folder, &tenant())?;
    let mut others = site.run(&["tenant", "config"], &[])?;
    site.wait_ready("config", &mut others)?;
    let mut auth = site.run(&["auth"], &[])?;
    site.wait_ready("auth", &mut auth)?;
    let (at, seconds) = (site.role("auth", PORT)?, options.seconds());
    let access = granted(&mut KeptConnection::open(at)?, "grant_type=client_credentials")?;
    let access = text(&access, "access_token")?;
    type Begin<'a> = &'a dyn Fn(usize) -> Result<Program>;
    let works: [(&str, Begin<'_>); 3] = [
        ("a token by client_credentials", &|_| by_secret(at)),
        ("a token by refresh_token", &|number| by_refresh(at, number)),
        ("an introspection by a client", &|_| by_introspection(at, &access)),
    ];
    for (what, program) in works {
        let programs = (0..PROGRAMS).map(program).collect::<Result<Vec<_>>>()?;
        let load = load(&auth.process, seconds, programs).context(what)?;
        auth.process.expect_running()?;
        show(report, what, &load, &raw);
    }
    verification(report)
}

fn show(report: &mut Report, what: &str, load: &TokenLoad, raw: &RawHash) {
    let void = if load.wrong > 0 { vec![format!("ours: {} answers were refusals", load.wrong)] } else { Vec::new() };
    report.add(Figure {
        bench: "auth",
        what: format!("{what}, with its hash"),
        unit: "ms of CPU",
        ours: load.ms,
        peer: Some(("an Argon2id hash", raw.ms)),
        goal: Goal::Ratio(RATIO_MAX),
        note: format!(
            "{:.0} each second to {PROGRAMS} programs; hashes alone on all processors {:.0} each second, which is the limit",
            load.per_s, raw.per_s
        ),
        void,
    });
}

/// People who sign in, one for each program, and a client with a secret.
fn tenant() -> String {
    let people: String = (0..PROGRAMS)
        .map(|number| {
            format!(
                "  - {{user: person{number}, first_name: Pat, last_name: Bench, password: \"{PASSWORD}\", privileges: [administrator]}}\n"
            )
        })
        .collect();
    format!(
        "{}people:\n{people}clients:\n  - id: bench\n    name: Benchmark\n    secret: \"{SECRET}\"\n    \
         grants: [client_credentials, password, refresh_token]\n    redirect_uris: [\"http://127.0.0.1/callback\"]\n    \
         scopes: [\"config:read\"]\n",
        tenant_head()
    )
}

// === hashes alone ===

fn hashes(seconds: u32) -> Result<RawHash> {
    let hash = password::hash(SECRET, [7; password::SALT_BYTES])?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let deadline = Instant::now() + Duration::from_secs(seconds.into());
    let counts: Vec<(u64, u64)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..processors).map(|_| scope.spawn(|| hash_until(deadline, &hash))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Ok((0, 0)))).collect::<Result<_>>()
    })?;
    let count = counts.iter().map(|(count, _)| *count).sum::<u64>() as f64;
    ensure!(count > 0.0, "no hash was computed");
    let ns = counts.iter().map(|(_, ns)| *ns).sum::<u64>() as f64;
    Ok(RawHash { ms: ns / 1e6 / count, per_s: count / f64::from(seconds) })
}

/// How many hashes a thread verifies until then, and its CPU time in nanoseconds.
fn hash_until(deadline: Instant, hash: &str) -> Result<(u64, u64)> {
    let (before, mut count) = (thread_cpu_ns()?, 0);
    while Instant::now() < deadline {
        ensure!(password::verify(SECRET, hash), "the hash is not that of the secret");
        count += 1;
    }
    Ok((count, thread_cpu_ns()? - before))
}

// === programs that ask auth ===

fn load(process: &Process, seconds: u32, programs: Vec<Program>) -> Result<TokenLoad> {
    let (before, begun) = (process.cpu()?, Instant::now());
    let deadline = begun + Duration::from_secs(seconds.into());
    let counts: Vec<(u64, u64)> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            programs.into_iter().map(|program| scope.spawn(move || ask_until(deadline, program))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Ok((0, 1)))).collect::<Result<_>>()
    })?;
    let (used, took) = (process.cpu()?.since(before), begun.elapsed());
    let count = counts.iter().map(|(right, _)| *right).sum::<u64>() as f64;
    ensure!(count > 0.0, "every request was refused");
    let wrong = counts.iter().map(|(_, wrong)| *wrong).sum();
    Ok(TokenLoad { ms: used.as_secs_f64() * 1e3 / count, per_s: count / took.as_secs_f64(), wrong })
}

/// How many answers were right until then, and how many were not.
fn ask_until(deadline: Instant, mut program: Program) -> Result<(u64, u64)> {
    let (mut right, mut wrong) = (0, 0);
    while Instant::now() < deadline {
        if program()? {
            right += 1;
        } else {
            wrong += 1;
        }
    }
    Ok((right, wrong))
}

/// The answer to a request for tokens by the client.
fn granted(connection: &mut KeptConnection, grant: &str) -> Result<Value> {
    let body = format!("{grant}&{CLIENT}");
    let answer = connection.ask("POST", TOKEN, FORM, body.as_bytes())?.expect(200)?;
    Ok(serde_json::from_slice(&answer)?)
}

fn text(answer: &Value, name: &str) -> Result<String> {
    answer.get(name).and_then(Value::as_str).map(str::to_owned).with_context(|| format!("the answer has no {name}"))
}

fn by_secret(at: SocketAddr) -> Result<Program> {
    let mut connection = KeptConnection::open(at)?;
    let body = format!("grant_type=client_credentials&{CLIENT}");
    Ok(Box::new(move || Ok(connection.ask("POST", TOKEN, FORM, body.as_bytes())?.status == 200)))
}

fn by_refresh(at: SocketAddr, number: usize) -> Result<Program> {
    let mut connection = KeptConnection::open(at)?;
    let first = format!("grant_type=password&username=person{number}&password={PASSWORD}&scope=config:read");
    let mut token = text(&granted(&mut connection, &first)?, "refresh_token")?;
    Ok(Box::new(move || {
        let body = format!("grant_type=refresh_token&refresh_token={token}&{CLIENT}");
        let answer = connection.ask("POST", TOKEN, FORM, body.as_bytes())?;
        if answer.status != 200 {
            return Ok(false);
        }
        token = text(&serde_json::from_slice(&answer.body)?, "refresh_token")?;
        Ok(true)
    }))
}

fn by_introspection(at: SocketAddr, access: &str) -> Result<Program> {
    let mut connection = KeptConnection::open(at)?;
    let body = format!("token={access}&{CLIENT}");
    Ok(Box::new(move || {
        let answer = connection.ask("POST", INTROSPECT, FORM, body.as_bytes())?;
        let told: Value = serde_json::from_slice(&answer.body)?;
        Ok(answer.status == 200 && told.get("active") == Some(&Value::Bool(true)))
    }))
}

// === a token at a role ===

fn verification(report: &mut Report) -> Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let issuer = TokenIssuer::of_new_key(clock)?;
    let verifier = TokenVerifier::of(&issuer, &[]);
    let tenant = TenantId::parse(TENANT)?;
    let issue = |number: usize| {
        let subject = format!("person/{number}");
        issuer.issue(Some(&tenant), &subject, runtime::scope::CONFIG_READ, TOKEN_LIFE)
    };
    let tokens = (0..DISTINCT).map(issue).collect::<Result<Vec<_>, _>>()?;
    let first = tokens.first().context("there is no token")?;
    ensure!(verifier.verify(first, ROLE, FAMILIES).is_ok(), "a good token is refused");
    let known = best_us(|| drop(black_box(verifier.verify(black_box(first), ROLE, FAMILIES))));
    let mut all = tokens.iter().cycle();
    let new = best_us(|| {
        if let Some(token) = all.next() {
            drop(black_box(verifier.verify(black_box(token), ROLE, FAMILIES)));
        }
    });
    for (what, ours, note) in [
        ("that it has seen before", known, String::new()),
        ("that it has not", new, format!("each of {DISTINCT} in turn, of which a role remembers fewer")),
    ] {
        report.add(Figure {
            bench: "auth",
            what: format!("a role verifies a token {what}"),
            unit: "µs",
            ours,
            peer: None,
            goal: Goal::None,
            note,
            void: Vec::new(),
        });
    }
    Ok(())
}
