//! An OpenID Provider that a test runs: as small as one can be, and as wrong as it is told to be.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// The client that the tenant is there, and its secret.
pub(super) const CLIENT: &str = "trunkline";
pub(super) const SECRET: &str = "hush: hush";
/// Bytes of a point on P-256, at the end of a public key.
const POINT_BYTES: usize = 65;
/// A client that says nothing holds nobody up.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// What it says of who has signed in, and how.
#[derive(Clone)]
pub(super) struct Says {
    /// Claims of the ID token beside the usual ones, or in their place.
    pub claims: Value,
    /// Whether somebody else's key signs it, under the name of the provider's.
    pub foreign: bool,
    /// The `code_challenge` of the sign-in.
    pub challenge: String,
    /// The `nonce` of the sign-in.
    pub nonce: String,
}

/// A key that signs ID tokens.
struct Key {
    signs: EncodingKey,
    point: Vec<u8>,
}

impl Key {
    fn new() -> Result<Self> {
        let pem = openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], &[])?;
        let public = openssl(&["pkey", "-pubout", "-outform", "DER"], &pem)?;
        let at = public.len().checked_sub(POINT_BYTES).context("no point")?;
        Ok(Self { signs: EncodingKey::from_ec_pem(&pem)?, point: public[at..].to_vec() })
    }
}

/// The provider. It ends with the test.
pub(super) struct FakeProvider {
    issuer: String,
    shared: Arc<Shared>,
}

struct Shared {
    issuer: String,
    own: Key,
    foreign: Key,
    is_away: AtomicBool,
    says: Mutex<Option<Says>>,
    /// Forms that came to `/ended`.
    told: Mutex<Vec<String>>,
}

impl Shared {
    fn says(&self) -> MutexGuard<'_, Option<Says>> {
        self.says.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeProvider {
    /// Listens at that address.
    pub fn start(address: Ipv4Addr) -> Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        let issuer = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            issuer: issuer.clone(),
            own: Key::new()?,
            foreign: Key::new()?,
            is_away: AtomicBool::new(false),
            says: Mutex::default(),
            told: Mutex::default(),
        });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Whoever goes away in between gets no answer.
                let _ = serve(&serving, stream);
            }
        });
        Ok(Self { issuer, shared })
    }

    /// Its issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether it answers nothing but errors from now on.
    pub fn set_away(&self, is_away: bool) {
        self.shared.is_away.store(is_away, Ordering::SeqCst);
    }

    /// The logout tokens that a program at `/ended` was told.
    pub fn logout_tokens(&self) -> Vec<String> {
        let told = self.shared.told.lock().unwrap_or_else(PoisonError::into_inner);
        let token = |form: &String| {
            let mut fields = form_urlencoded::parse(form.as_bytes());
            fields.find(|(key, _)| key == "logout_token").map(|(_, value)| value.into_owned())
        };
        told.iter().filter_map(token).collect()
    }

    /// What the next code is worth.
    pub fn says(&self, says: Says) {
        *self.shared.says() = Some(says);
    }
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

// === HTTP ===

fn serve(shared: &Shared, mut stream: TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(READ_WITHIN))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    while reader.read_line(&mut head)? > 2 {}
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let path = head.split_whitespace().nth(1).unwrap_or_default();
    let (status, answer) = match (shared.is_away.load(Ordering::SeqCst), path) {
        (true, _) => ("503 Service Unavailable", json!({})),
        (false, "/.well-known/openid-configuration") => ("200 OK", description(&shared.issuer)),
        (false, "/keys") => ("200 OK", json!({ "keys": [jwk(&shared.own)] })),
        (false, "/token") => match id_token(shared, header("authorization").as_deref(), &body) {
            Ok(token) => ("200 OK", json!({ "access_token": "x", "token_type": "Bearer", "id_token": token })),
            Err(_) => ("400 Bad Request", json!({ "error": "invalid_grant" })),
        },
        (false, "/ended") => {
            let form = String::from_utf8_lossy(&body).into_owned();
            shared.told.lock().unwrap_or_else(PoisonError::into_inner).push(form);
            ("200 OK", json!({}))
        }
        (false, _) => ("404 Not Found", json!({})),
    };
    let answer = answer.to_string();
    let length = answer.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    Ok(stream.write_all((head + &answer).as_bytes())?)
}

fn description(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "authorization_response_iss_parameter_supported": true,
    })
}

fn jwk(key: &Key) -> Value {
    let coordinate = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "1",
        "x": coordinate(&key.point[1..33]), "y": coordinate(&key.point[33..]),
    })
}

/// The ID token of the code, once, for who shows the secret and the verifier.
#[allow(clippy::disallowed_methods, reason = "tests of whole processes live in real time")]
fn id_token(shared: &Shared, authorization: Option<&str>, body: &[u8]) -> Result<String> {
    let says = shared.says().take().context("nobody has signed in")?;
    let basic: Vec<String> =
        [CLIENT, SECRET].map(|part| form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>()).to_vec();
    ensure!(authorization == Some(format!("Basic {}", STANDARD.encode(basic.join(":"))).as_str()), "another client");
    let sent =
        |name: &str| form_urlencoded::parse(body).find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let verifier = sent("code_verifier").context("no verifier")?;
    let challenge = URL_SAFE_NO_PAD.encode(openssl(&["dgst", "-sha256", "-binary"], verifier.as_bytes())?);
    ensure!(challenge == says.challenge && sent("code").as_deref() == Some("c1"), "another sign-in");
    let now_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let mut claims = json!({
        "iss": shared.issuer, "sub": "248289761001", "aud": CLIENT, "nonce": says.nonce, "iat": now_s, "exp": now_s + 300,
    });
    if let (Some(claims), Some(further)) = (claims.as_object_mut(), says.claims.as_object()) {
        claims.extend(further.clone());
    }
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("1".to_owned());
    let key = if says.foreign { &shared.foreign } else { &shared.own };
    Ok(jsonwebtoken::encode(&header, &claims, &key.signs)?)
}
