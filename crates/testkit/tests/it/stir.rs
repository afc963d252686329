//! Calls signed for (STIR/SHAKEN): what a carrier gets is judged by OpenSSL, and what a carrier sends is signed by it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testkit::agents::{baresip_phone_that_says, sipp_phone};
use testkit::caller::{CALLER, Caller, goes_out, prompt};
use testkit::facts::check_to_the_end;
use testkit::{Answer, Authority, Endpoint, Installation, Watch, wait};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
/// The last octet of the address at which the carrier takes calls.
const CARRIER: u8 = 20;
/// A number outside, and how a phone dials it.
const NUMBER: &str = "+4930999";
const DIALLED: &str = "0114930999";
/// The number that the trunk shows; it is one of the example's.
const OURS: &str = "+15550100";
/// Where the certificate is said to be.
const URL: &str = "https://certificates.example/shaken.pem";

/// The parts of a PEM file: those with a private key, and the others.
fn key_and_certificate(path: &Path) -> Result<(String, String)> {
    let text = fs::read_to_string(path)?;
    let at = text.find("-----BEGIN PRIVATE KEY").context("a key")?;
    Ok((text[at..].to_owned(), text[..at].to_owned()))
}

/// Gives the trunk of the example these keys too.
fn import_trunk(site: &Installation, keys: &str) -> Result<()> {
    let contact = site.peer_address(CARRIER);
    let carrier = format!(
        "{{name: carrier, allow: [127.0.0.0/8], contact: \"{contact}:5060\", prefix: \"+\", caller_id: \"{OURS}\"{keys}}}"
    );
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let changed = text.replacen("{name: carrier, allow: [127.0.0.0/8]}", &carrier, 1);
        ensure!(changed != text, "the example has changed");
        Ok(fs::write(&file, changed)?)
    })
}

/// A signature of JWS (`r` and `s`, 32 bytes each) as OpenSSL reads it: a SEQUENCE of two INTEGERs.
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |half: &[u8]| {
        let digits: Vec<u8> = half.iter().copied().skip_while(|byte| *byte == 0).collect();
        let pad = digits.first().is_none_or(|first| first & 0x80 != 0);
        let digits = if pad { [&[0], &*digits].concat() } else { digits };
        [&[0x02, digits.len() as u8], &*digits].concat()
    };
    let (r, s) = signature.split_at(signature.len() / 2);
    let both = [integer(r), integer(s)].concat();
    [&[0x30, both.len() as u8], &*both].concat()
}

/// Whether OpenSSL finds that the key of this certificate has signed the token.
fn openssl_verifies(certificate: &str, token: &str) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let (input, signature) = token.rsplit_once('.').context("a signature")?;
    let signature = URL_SAFE_NO_PAD.decode(signature)?;
    ensure!(signature.len() == 64, "a signature of {} bytes", signature.len());
    fs::write(at("certificate.pem"), certificate)?;
    fs::write(at("input"), input)?;
    fs::write(at("signature"), der(&signature))?;
    let key = Command::new("openssl").args(["x509", "-noout", "-pubkey", "-in"]).arg(at("certificate.pem")).output()?;
    ensure!(key.status.success(), "openssl x509: {}", String::from_utf8_lossy(&key.stderr));
    fs::write(at("key.pem"), key.stdout)?;
    let mut verify = Command::new("openssl");
    verify.args(["dgst", "-sha256", "-verify"]).arg(at("key.pem")).arg("-signature").arg(at("signature"));
    Ok(verify.arg(at("input")).output()?.status.success())
}

/// The value of the only `Identity` of the INVITE among these messages.
fn identity(messages: &str) -> Result<&str> {
    let invite = messages.split("message received").find(|text| text.contains("INVITE sip:")).context("an INVITE")?;
    let mut values = invite.lines().filter_map(|line| line.strip_prefix("Identity: ")).map(str::trim);
    let value = values.next().with_context(|| format!("no Identity in {invite}"))?;
    ensure!(values.next().is_none(), "two of them in {invite}");
    Ok(value)
}

#[test]
fn a_call_goes_out_signed_and_openssl_finds_the_signature_right() -> Result<()> {
    let authority = Authority::new()?;
    let (key, certificate) = key_and_certificate(&authority.issue("signer", "DNS:acme.example", 30)?)?;
    let site = Installation::start()?;
    let sign = format!("certificate_url: \"{URL}\", private_key: {}, certificate: {}", json!(key), json!(certificate));
    import_trunk(&site, &format!(", stir: {{sign: {{{sign}}}}}"))?;
    let watch = Watch::start(&site, "0-0")?;
    goes_out(&site, NUMBER)?;
    let carrier = Endpoint::listen(site.peer_address(CARRIER).into())?;
    let busy = sipp_phone(&site, CARRIER, "agent-busy.xml", &carrier, &["-m", "1"])?;
    let mut own = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Auto)?;
    own.dial(DIALLED)?;
    own.wait_for("CALL_CLOSED", SOON)?;
    let called = busy.finish(SOON)?;
    called.expect_success()?;
    let value = identity(&called.messages)?;
    let (token, params) = value.split_once(';').context("parameters")?;
    assert_eq!(params, format!("info=<{URL}>;alg=ES256;ppt=shaken"));
    ensure!(openssl_verifies(&certificate, token)?, "the signature is wrong: {value}");
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).context("claims")?)?)?;
    assert_eq!((&claims["attest"], &claims["orig"]["tn"]), (&json!("A"), &json!("15550100")), "{claims}");
    assert_eq!(claims["dest"]["tn"], json!(["4930999"]));
    ensure!(!site.log().iter().any(|line| line.contains("PRIVATE KEY")), "the key is in the log");
    watch.wait_for_count("CallDeleted", 1, SOON)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

/// Signs with OpenSSL what a carrier would: the caller of the scenarios calls this number.
fn signed_by_openssl(key: &str, url: &str, called: &str, iat: u64) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let header = format!("{{\"alg\":\"ES256\",\"ppt\":\"shaken\",\"typ\":\"passport\",\"x5u\":\"{url}\"}}");
    let caller = CALLER.trim_start_matches('+');
    let called = called.trim_start_matches('+');
    let claims = format!(
        "{{\"attest\":\"A\",\"dest\":{{\"tn\":[\"{called}\"]}},\"iat\":{iat},\"orig\":{{\"tn\":\"{caller}\"}},\"origid\":\"0b9f6d2c\"}}"
    );
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    fs::write(at("key.pem"), key)?;
    fs::write(at("input"), &input)?;
    let signed =
        Command::new("openssl").args(["dgst", "-sha256", "-sign"]).arg(at("key.pem")).arg(at("input")).output()?;
    ensure!(signed.status.success(), "openssl dgst: {}", String::from_utf8_lossy(&signed.stderr));
    let signature = URL_SAFE_NO_PAD.encode(fixed(&signed.stdout)?);
    Ok(format!("{input}.{signature};info=<{url}>;alg=ES256;ppt=shaken"))
}

/// A signature of OpenSSL as JWS has it.
fn fixed(der: &[u8]) -> Result<Vec<u8>> {
    let mut rest = der.get(2..).context("a SEQUENCE")?;
    let mut both = Vec::new();
    for _ in 0..2 {
        let length = usize::from(*rest.get(1).context("an INTEGER")?);
        let digits = rest.get(2..2 + length).context("its digits")?;
        let digits: Vec<u8> = digits.iter().copied().skip_while(|byte| *byte == 0).collect();
        both.extend(std::iter::repeat_n(0, 32_usize.saturating_sub(digits.len())));
        both.extend(digits);
        rest = rest.get(2 + length..).unwrap_or_default();
    }
    Ok(both)
}

/// `openssl s_server`, which hands out the files of a folder by https.
struct WebServer(std::process::Child);

impl WebServer {
    fn start(folder: &Path, address: &str, certificate: &Path) -> Result<Self> {
        let mut server = Command::new("openssl");
        server
            .args(["s_server", "-quiet", "-WWW", "-accept", address, "-cert"])
            .arg(certificate)
            .arg("-key")
            .arg(certificate);
        let server = server.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self(server.spawn()?);
        wait::until(SOON, || Ok(std::net::TcpStream::connect(address).is_ok().then_some(())))?;
        Ok(server)
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[allow(clippy::disallowed_methods, reason = "tests of whole processes live in real time")]
fn now_s() -> Result<u64> {
    Ok(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs())
}

#[test]
fn a_call_that_openssl_has_signed_is_verified_and_one_without_is_refused_where_that_is_required() -> Result<()> {
    let authority = Authority::new()?;
    let (key, certificate) = key_and_certificate(&authority.issue("signer", "DNS:carrier.example", 30)?)?;
    let root = fs::read_to_string(authority.certificate())?;
    let of_server = authority.issue("server", "DNS:localhost,IP:127.0.0.1", 30)?;
    let trusted = authority.certificate().display().to_string();
    let site = Installation::start_with(&[
        "--set",
        "sip-cluster.certificate_private=true",
        "--set",
        &format!("sip-cluster.certificate_authorities=[{trusted:?}]"),
    ])?;
    let (folder, port) = (tempfile::tempdir()?, 20_000 + u16::from(site.demo.instance));
    fs::write(folder.path().join("shaken.pem"), &certificate)?;
    let _server = WebServer::start(folder.path(), &format!("127.0.0.1:{port}"), &of_server)?;
    let url = format!("https://127.0.0.1:{port}/shaken.pem");
    let sales = site.number("sales")?.to_owned();
    let watch = Watch::start(&site, "0-0")?;
    let known =
        |verify: &str| import_trunk(&site, &format!(", stir: {{verify: {verify}, authorities: {}}}", json!(root)));

    known("report")?;
    // Until sip-cluster knows the trunk so, nobody says anything of callers.
    wait::until(LATER, || {
        let (_, outcome) = Caller::dial(&site, "caller.xml", 1, &sales, &["-d", "100"])?.finish(LATER)?;
        outcome.expect_success()?;
        Ok(verstats(&watch).contains(&"No-TN-Validation".to_owned()).then_some(()))
    })?;
    let signed = signed_by_openssl(&key, &url, &sales, now_s()?)?;
    let caller = Caller::dial(&site, "caller-signed.xml", 1, &sales, &["-d", "500", "-key", "identity", &signed])?;
    caller.finish(LATER)?.1.expect_success()?;
    wait::until(SOON, || Ok(verstats(&watch).contains(&"TN-Validation-Passed".to_owned()).then_some(())))?;
    let passed = watch.facts().into_iter().find(|fact| fact.frame["UserData"]["verstat"] == "TN-Validation-Passed");
    let data = passed.context("a fact")?.frame["UserData"].clone();
    assert_eq!((&data["attest"], &data["origid"]), (&json!("A"), &json!("0b9f6d2c")));
    let old = signed_by_openssl(&key, &url, &sales, now_s()? - 120)?;
    let caller = Caller::dial(&site, "caller-signed.xml", 1, &sales, &["-d", "500", "-key", "identity", &old])?;
    caller.finish(LATER)?.1.expect_success()?;
    wait::until(SOON, || Ok(verstats(&watch).contains(&"TN-Validation-Failed".to_owned()).then_some(())))?;

    known("require")?;
    let refused = wait::until(LATER, || {
        let (_, outcome) = Caller::dial(&site, "caller.xml", 1, &sales, &["-d", "100"])?.finish(LATER)?;
        Ok(outcome.messages.contains("SIP/2.0 4").then_some(outcome.messages))
    })?;
    ensure!(refused.contains("SIP/2.0 428 Use Identity Header"), "{refused}");
    let old = signed_by_openssl(&key, &url, &sales, now_s()? - 120)?;
    let caller = Caller::dial(&site, "caller-signed.xml", 1, &sales, &["-d", "500", "-key", "identity", &old])?;
    let messages = caller.finish(LATER)?.1.messages;
    ensure!(messages.contains("SIP/2.0 403 Stale Date"), "{messages}");
    let signed = signed_by_openssl(&key, &url, &sales, now_s()?)?;
    let caller = Caller::dial(&site, "caller-signed.xml", 1, &sales, &["-d", "500", "-key", "identity", &signed])?;
    caller.finish(LATER)?.1.expect_success()?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

#[test]
fn the_doctor_fetches_the_certificate_and_says_whether_it_is_that_of_the_key() -> Result<()> {
    let authority = Authority::new()?;
    let (key, certificate) = key_and_certificate(&authority.issue("signer", "DNS:acme.example", 30)?)?;
    let (_, other) = key_and_certificate(&authority.issue("other", "DNS:acme.example", 30)?)?;
    let root = fs::read_to_string(authority.certificate())?;
    let of_server = authority.issue("server", "DNS:localhost,IP:127.0.0.1", 30)?;
    let trusted = authority.certificate().display().to_string();
    let settings = [
        "sip-cluster.certificate_private=true".to_owned(),
        format!("sip-cluster.certificate_authorities=[{trusted:?}]"),
    ];
    let set: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    let site = Installation::start_with(&set)?;
    let (folder, port) = (tempfile::tempdir()?, 20_300 + u16::from(site.demo.instance));
    let server = WebServer::start(folder.path(), &format!("127.0.0.1:{port}"), &of_server)?;
    let url = format!("https://127.0.0.1:{port}/shaken.pem");
    let sign = format!("certificate_url: \"{url}\", private_key: {}", json!(key));
    import_trunk(&site, &format!(", stir: {{verify: report, authorities: {}, sign: {{{sign}}}}}", json!(root)))?;
    let put = |what: &str| fs::write(folder.path().join("shaken.pem"), what);
    for (there, found) in [
        (certificate, format!("ok      signing       {url}: the certificate of the key, valid for ")),
        (other, format!("FAILED  signing       {url}: it is not the certificate of `private_key`")),
        ("nothing".to_owned(), format!("FAILED  signing       {url}: there is no certificate in it")),
    ] {
        put(&there)?;
        let (_, text) = crate::carriers::tried(&site, &set)?;
        ensure!(text.contains(&found), "{found}: {text}");
        // It was made a moment ago for 30 days; a clock that was set back meanwhile makes them whole again.
        let left = ["29 days", "30 days"].map(|left| format!("ok      verifying     1 authority, valid for {left}"));
        ensure!(left.iter().any(|left| text.contains(left)), "{text}");
        ensure!(!text.contains("PRIVATE KEY"), "{text}");
    }
    drop(server);
    let (code, text) = crate::carriers::tried(&site, &set)?;
    ensure!(code == 6 && text.contains(&format!("FAILED  signing       {url}: ")), "{code} {text}");
    Ok(())
}

/// What was said of callers so far.
fn verstats(watch: &Watch) -> Vec<String> {
    watch.facts().iter().filter_map(|fact| fact.frame["UserData"]["verstat"].as_str().map(str::to_owned)).collect()
}
