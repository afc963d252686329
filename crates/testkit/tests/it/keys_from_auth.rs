//! Processes that ask auth for the keys that verify tokens and for what was revoked, by HTTP, and read no files of other roles (own-15).

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::process::signal;
use testkit::{Installation, Visitor, kernel, wait};

const ASKING: [&str; 5] = ["--processes", "--set", "process.keys_from_auth=true", "--set", "process.restart_after=60s"];
const SOON: Duration = Duration::from_secs(45);
/// What is revoked is refused within three seconds; the machine may be busy.
const REFUSED_WITHIN: Duration = Duration::from_secs(15);
const WALLBOARD: &str = "/pulse/api/v1/example/wallboard";
/// Where auth is asked.
const PATH: &str = "/auth/v3/roles/keys";
const ROW: &str = "own-15";
const ASKS: &str = "pulse-1";

/// The row as the topology tells it.
fn row(site: &Installation) -> Result<Value> {
    let output = Command::new(testkit::installation::binary()?)
        .args(["topology", "--json", "--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .args(site.stores())
        .output()?;
    let topology: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("topology: {}", String::from_utf8_lossy(&output.stderr)))?;
    let rows = topology["connections"].as_array().context("no connections")?;
    Ok(rows.iter().find(|row| row["id"] == ROW).with_context(|| format!("no {ROW}"))?.clone())
}

/// Whether the kernel has bytes both ways between a process and auth.
fn has_bytes(site: &Installation, pid: u32) -> Result<bool> {
    let auth = site.admin("auth")?.ip();
    let sockets = kernel::connections(pid)?;
    Ok(sockets
        .iter()
        .any(|one| one.remote.ip() == auth && one.remote.port() == 8080 && one.sent > 0 && one.received > 0))
}

#[test]
fn processes_that_ask_auth_refuse_what_is_revoked_and_outlast_it() -> Result<()> {
    let site = Installation::start_on_servers(&ASKING)?;
    let visitor = Visitor::new(&site)?;
    let user = site.demo.users.iter().find(|user| user.kind == "administrator").context("no administrator")?;
    let signed_in = || visitor.by_password(&user.user, &user.password)?.token("access_token");
    let (given_back, kept) = (signed_in()?, signed_in()?);
    let opens = |token: &str| anyhow::Ok(visitor.bearing(WALLBOARD, token)?.status);
    for token in [&given_back, &kept] {
        wait::until(SOON, || Ok((opens(token)? == 200).then_some(()))).context("a token opens nothing")?;
    }
    let pids = kernel::processes(site.pid())?;
    let pid = *pids.get(ASKS).with_context(|| format!("no process of {ASKS}: {pids:?}"))?;
    wait::until(SOON, || Ok(has_bytes(&site, pid)?.then_some(()))).context("it does not ask auth")?;
    let told = row(&site)?;
    let is_open = |peer: &Value| peer["node"] == ASKS && peer["side"] == "opens" && peer["bytesIn"].as_u64() > Some(0);
    ensure!(told["peers"].as_array().into_iter().flatten().any(is_open), "{told}");
    let own = site.data_dir().join("processes").join(ASKS).join("told-by-auth.jwt");
    ensure!(own.is_file(), "nothing is kept of what auth has told");

    let answer = visitor.revoke(&given_back)?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    wait::until(REFUSED_WITHIN, || Ok((opens(&given_back)? == 401).then_some(()))).context("it stays good")?;
    ensure!(opens(&kept)? == 200, "another sign-in has ended too");

    // Auth is away: what it has told stays in force, and so does what it has revoked.
    signal(*pids.get("auth-1").context("no process of auth")?, "KILL")?;
    wait::until(SOON, || {
        ensure!(opens(&kept)? == 200, "a token is refused while auth is away");
        Ok((site.metric("pulse", "token_keys_age_seconds")? >= 5.0).then_some(()))
    })
    .context("nobody notices that auth is away")?;
    ensure!(opens(&given_back)? == 401, "what was revoked is good again");
    Ok(())
}

/// A stranger is told nothing of roles, neither inside the installation nor at the web edge, where nobody finds such a path.
#[test]
fn strangers_are_told_no_keys_of_roles() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    let auth = SocketAddr::new(site.admin("auth")?.ip(), 8080);
    let at_edge = |body: &str| {
        visitor.ask(PATH, &["--request", "POST", "--header", "Content-Type: application/json", "--data", body])
    };
    let kind = r#""client_assertion_type":"urn:ietf:params:oauth:client-assertion-type:jwt-bearer""#;
    let user = site.demo.users.first().context("the demo has no user")?;
    let token = visitor.by_password(&user.user, &user.password)?.token("access_token")?;
    for (body, status) in [
        ("{}".to_owned(), 400),
        (format!("{{{kind},\"client_assertion\":\"a.b.c\"}}"), 400),
        (format!("{{{kind},\"client_assertion\":\"a.b.c\",\"nonce\":\"{}\"}}", "n".repeat(65)), 400),
        (format!("{{{kind},\"client_assertion\":\"a.b.c\",\"nonce\":\"n\"}}"), 401),
        (format!("{{{kind},\"client_assertion\":\"{token}\",\"nonce\":\"n\"}}"), 401),
    ] {
        let answer = site.http_with(auth, "POST", PATH, "", &body)?;
        ensure!(answer.status == status, "{body}: {} {}", answer.status, answer.body);
        let answer = at_edge(&body)?;
        ensure!(answer.status == 404, "{body}, at the web edge: {} {}", answer.status, answer.body);
    }
    Ok(())
}
