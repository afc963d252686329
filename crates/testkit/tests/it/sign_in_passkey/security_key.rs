//! A security key of our own, written out from the specification (Web Authentication, CTAP2), with the browser around it: the server's reading
//! is not checked by its own code. OpenSSL computes for it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use testkit::visitor::{CurlAnswer, attribute};

/// Bytes of a coordinate on P-256.
const COORDINATE: usize = 32;
const PRESENT: u8 = 1;
const VERIFIED: u8 = 4;
const HAS_CREDENTIAL: u8 = 64;

/// Fields of a form.
pub(super) type Filled = Vec<(&'static str, String)>;

/// What a page asks a browser for.
pub(super) struct AskedByPage {
    challenge: String,
    host: String,
    handle: Option<String>,
    /// The ids of the person's passkeys.
    pub ids: String,
}

impl AskedByPage {
    /// That of the form that makes a passkey (`make`), or shows one (`show`).
    pub fn read(page: &CurlAnswer, what: &str) -> Result<Self> {
        let wanted = format!("data-passkey=\"{what}\"");
        let mut tags = page.body.split("<form").skip(1).filter_map(|rest| rest.split('>').next());
        let form = tags.find(|tag| tag.contains(&wanted));
        let form = form.with_context(|| format!("no form with {wanted}: {} {}", page.status, page.body))?;
        let named = |name: &str| attribute(form, name).with_context(|| format!("no {name} in {form}"));
        Ok(Self {
            challenge: named("data-challenge")?,
            host: named("data-host")?,
            handle: attribute(form, "data-handle"),
            ids: named("data-ids")?,
        })
    }
}

/// How a browser and its key answer.
#[derive(Clone, Copy)]
pub(super) struct AnswersAs<'a> {
    /// Where the browser is.
    pub origin: &'a str,
    /// Whether the person has entered a PIN.
    pub verified: bool,
    /// What the counter says; one more than before without it.
    pub counter: Option<u32>,
}

/// The key, with one passkey.
pub(super) struct SecurityKey {
    pem: tempfile::NamedTempFile,
    point: Vec<u8>,
    id: Vec<u8>,
    /// What it calls the person for whom it has a passkey.
    handle: Option<String>,
    counter: u32,
}

impl SecurityKey {
    /// One that is new.
    pub fn new() -> Result<Self> {
        let pem = openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], &[])?;
        let public = openssl(&["pkey", "-pubout", "-outform", "DER"], &pem)?;
        let at = public.len().checked_sub(2 * COORDINATE).context("no point")?;
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(&pem)?;
        let id = openssl(&["rand", "20"], &[])?;
        Ok(Self { pem: file, point: public[at..].to_vec(), id, handle: None, counter: 0 })
    }

    /// The id of its passkey, as forms have it.
    pub fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.id)
    }

    /// Its public half, in the text in which the server keeps it.
    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.cose())
    }

    /// How often it has signed.
    pub const fn counter(&self) -> u32 {
        self.counter
    }

    /// Makes its passkey.
    pub fn makes(&mut self, asked: &AskedByPage, answers: AnswersAs<'_>) -> Result<Filled> {
        self.handle.clone_from(&asked.handle);
        let length = u16::try_from(self.id.len())?.to_be_bytes();
        let made = [&[0; 16][..], &length, &self.id, &self.cose()].concat();
        let data = [self.data(asked, answers, HAS_CREDENTIAL)?, made].concat();
        let object = [
            head(5, 3),
            text("fmt"),
            text("none"),
            text("attStmt"),
            head(5, 0),
            text("authData"),
            head(2, data.len()),
            data,
        ];
        let client = client_data("webauthn.create", asked, answers.origin);
        Ok(vec![
            ("client_data", URL_SAFE_NO_PAD.encode(client)),
            ("attestation", URL_SAFE_NO_PAD.encode(object.concat())),
        ])
    }

    /// Shows its passkey.
    pub fn shows(&mut self, asked: &AskedByPage, answers: AnswersAs<'_>) -> Result<Filled> {
        self.counter = answers.counter.unwrap_or(self.counter + 1);
        let data = self.data(asked, answers, 0)?;
        let client = client_data("webauthn.get", asked, answers.origin);
        let signed = [data.clone(), sha256(&client)?].concat();
        let key = self.pem.path().to_string_lossy().into_owned();
        let signature = openssl(&["dgst", "-sha256", "-sign", &key], &signed)?;
        Ok(vec![
            ("credential", self.id()),
            ("client_data", URL_SAFE_NO_PAD.encode(client)),
            ("authenticator_data", URL_SAFE_NO_PAD.encode(data)),
            ("signature", URL_SAFE_NO_PAD.encode(signature)),
            ("user_handle", self.handle.clone().unwrap_or_default()),
        ])
    }

    /// Section 6.1.
    fn data(&self, asked: &AskedByPage, answers: AnswersAs<'_>, further: u8) -> Result<Vec<u8>> {
        let verified = if answers.verified { VERIFIED } else { 0 };
        let digest = sha256(asked.host.as_bytes())?;
        Ok([digest, vec![PRESENT | verified | further], self.counter.to_be_bytes().to_vec()].concat())
    }

    /// RFC 9053 section 7.1.1: kty 2, alg -7, crv 1, x, y.
    fn cose(&self) -> Vec<u8> {
        let (x, y) = self.point.split_at(COORDINATE);
        let head_of = |label: u8| [vec![label], head(2, COORDINATE)].concat();
        [&[0xa5, 1, 2, 3, 0x26, 0x20, 1][..], &head_of(0x21), x, &head_of(0x22), y].concat()
    }
}

/// Section 5.8.1.
fn client_data(of_type: &str, asked: &AskedByPage, origin: &str) -> Vec<u8> {
    let said = json!({ "type": of_type, "challenge": asked.challenge, "origin": origin, "crossOrigin": false });
    said.to_string().into_bytes()
}

/// The head of a CBOR item (RFC 8949 section 3) of fewer than 65,536 bytes.
fn head(major: u8, length: usize) -> Vec<u8> {
    let [high, low] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    match length {
        0..24 => vec![(major << 5) | low],
        24..256 => vec![(major << 5) | 24, low],
        _ => vec![(major << 5) | 25, high, low],
    }
}

fn text(said: &str) -> Vec<u8> {
    [head(3, said.len()), said.as_bytes().to_vec()].concat()
}

fn sha256(bytes: &[u8]) -> Result<Vec<u8>> {
    openssl(&["dgst", "-sha256", "-binary"], bytes)
}

fn openssl(arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
    let mut command = Command::new("openssl");
    let mut child =
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    child.stdin.take().context("no way to openssl")?.write_all(input)?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "openssl {arguments:?}");
    Ok(output.stdout)
}
