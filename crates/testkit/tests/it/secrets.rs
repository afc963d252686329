//! A client without a token learns nothing, and the log contains no secrets.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::caller::Caller;
use testkit::{Answer, Installation, agents, installation};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);

#[test]
fn passwords_pins_and_tokens_are_in_no_log_line_not_even_at_debug() -> Result<()> {
    let site = Installation::start_with(&["--set", "process.log=debug"])?;
    let mut agent = agents::baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    agent.wait_for("CALL_CLOSED", SOON)?;

    let said: Value = serde_json::from_slice(&std::fs::read(site.data_dir().join("demo.json"))?)?;
    let mut secrets: Vec<String> = site.demo.tokens.values().cloned().collect();
    for person in said["people"].as_array().context("people")? {
        // A short PIN would also occur in times and addresses.
        let long = ["password", "pin"].into_iter().filter_map(|key| person[key].as_str()).filter(|s| s.len() >= 8);
        secrets.extend(long.map(str::to_owned));
    }
    ensure!(secrets.len() > 10, "the example has passwords and tokens");
    // The roles' own tokens start like every token.
    secrets.push("eyJ".to_owned());
    let lines = site.log_lines();
    ensure!(lines.len() > 50, "it logs at debug: {} lines", lines.len());
    for line in lines {
        let told = secrets.iter().find(|secret| line.contains(secret.as_str()));
        ensure!(told.is_none(), "a secret is in the log: {line}");
    }
    Ok(())
}

#[test]
fn without_a_token_every_listener_answers_401_and_only_the_probes_are_open() -> Result<()> {
    let site = Installation::start()?;
    let specs = Command::new(installation::binary()?).args(["specs", "--json"]).output()?;
    let specs: Vec<Value> = serde_json::from_slice(&specs.stdout)?;
    let mut asked = 0;
    for role in &specs {
        let number = u8::try_from(role["number"].as_u64().context("number")?)?;
        let admin = format!("{}:{}", Ipv4Addr::new(127, site.demo.instance, number, 1), role["admin_port"]);
        ensure!(ask(&admin, "/live", &[])?.starts_with("200"), "{admin} is live");
        ensure!(ask(&admin, "/ready", &[])?.starts_with("200"), "{admin} is ready");
        for path in ["/metrics", "/topology", "/nothing"] {
            ensure!(ask(&admin, path, &[])? == "401 application/problem+json", "{admin}{path}");
        }
        for listen in role["listens"].as_array().context("listens")? {
            let at_edge = listen["place"] == "edge";
            let host = Ipv4Addr::new(127, site.demo.instance, if at_edge { 0 } else { number }, 1);
            let to = format!("{host}:{}", listen["port"]);
            let grpc = ["-X", "POST", "-H", "content-type: application/grpc", "-H", "te: trailers"];
            let answer = match listen["protocol"].as_str() {
                Some("http") => ask(&to, "/anything", &[])?,
                Some("grpc") => ask(&to, "/trunkline.v1.Any/Thing", &grpc)?,
                _ => continue,
            };
            let refused = answer == "401 application/problem+json" || answer.ends_with("grpc-status 16");
            ensure!(refused, "{to} of {}: {answer}", role["name"]);
            asked += 1;
        }
    }
    ensure!(asked >= 8, "only {asked} listeners were asked");
    Ok(())
}

#[test]
fn the_data_directory_is_for_its_owner_alone() -> Result<()> {
    let site = Installation::start()?;
    let mode = |path: &str| anyhow::Ok(std::fs::metadata(site.data_dir().join(path))?.permissions().mode() & 0o777);
    assert_eq!(mode("")?, 0o700);
    assert_eq!((mode("keys")?, mode("keys/signing.keys")?, mode("demo.json")?), (0o700, 0o600, 0o600));
    Ok(())
}

/// Status and content type of an answer over HTTP/2, or the gRPC status.
fn ask(to: &str, path: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "10", "--http2-prior-knowledge", "--output", "/dev/null"])
        .args(["--write-out", "%{http_code} %{content_type}%header{grpc-status}"])
        .args(arguments)
        .arg(format!("http://{to}{path}"))
        .output()
        .context("curl is not installed: script/bootstrap installs it")?;
    ensure!(output.status.success(), "{to}{path}: {}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout)?;
    Ok(said.replace("application/grpc16", "grpc-status 16").trim().to_owned())
}
