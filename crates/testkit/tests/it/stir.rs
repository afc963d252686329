//! Calls signed for (STIR/SHAKEN): what a carrier gets, judged by OpenSSL.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testkit::agents::{baresip_phone_that_says, sipp_phone};
use testkit::caller::{goes_out, prompt};
use testkit::facts::check_log_and_laws;
use testkit::{Answer, Authority, Endpoint, Installation, Watch};

const SOON: Duration = Duration::from_secs(15);
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
    check_log_and_laws(&site, &watch.facts())
}
