//! The paths of the web edge, and those of listeners inside the installation.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::{Installation, wait};

use super::bearers::Bearer;
use super::sockets::{self, TokenPlace};
use super::{Due, NOWHERE, OTHER, routers};

/// How long an answer may take.
pub const PATIENCE: Duration = Duration::from_secs(45);
const SOON: Duration = Duration::from_secs(45);
/// The documents whose paths stand as those of a router, each with a row or with the reason why it has none: those of the published APIs,
/// which ask for a session, too, and those of standards of others, whose requests and refusals have shapes of their own.
const OF_ROUTERS: [&str; 7] = [
    "auth.json",
    "provisioning.json",
    "scim.json",
    "statistics.json",
    "telemetry.json",
    "workforce.json",
    "workspace.json",
];
/// The OpenAPI documents that the edge serves.
pub const DOCUMENTS: [&str; 5] = [
    "/agent-setup/api/v1/openapi.json",
    "/api/operations/v1/openapi.json",
    "/api/voice/v1/openapi-events.json",
    "/api/voice/v1/openapi.json",
    "/pulse/api/v1/openapi.json",
];

pub struct RestRow {
    is_documented: bool,
    /// Whether it is a WebSocket, which takes the token in its first message too.
    is_socket: bool,
    /// The role and the port; none for the web edge.
    pub at: Option<&'static str>,
    pub method: &'static str,
    pub path: &'static str,
    api: &'static str,
    pub needs: &'static str,
    pub asked: &'static str,
    body: &'static str,
    answer: &'static str,
    /// The status for whom folders limit.
    limited: &'static str,
}

pub fn rows() -> Result<Vec<RestRow>> {
    let row = |[from, method, path, api, needs, asked, body, answer, limited]: [&'static str; 9]| {
        let body = if body == "-" { "" } else { body };
        let (is_documented, is_socket) = (from == "document", from == "socket");
        RestRow { is_documented, is_socket, at: None, method, path, api, needs, asked, body, answer, limited }
    };
    Ok(super::rows(include_str!("rest.tsv"))?.into_iter().map(row).collect())
}

/// Those that no document has and that somebody of a tenant may ask for: method, what is asked, its body, and the answer to who may. Sockets
/// are asked for otherwise.
pub fn rows_without_document() -> Result<Vec<[&'static str; 4]>> {
    let is_for_people = |needs: &str| needs != "never" && !needs.split('+').any(|scope| scope == "operate");
    let is_socket = |row: &RestRow| row.is_socket || row.answer == "426";
    let is_meant = |row: &RestRow| !row.is_documented && !is_socket(row) && is_for_people(row.needs);
    Ok(rows()?.into_iter().filter(is_meant).map(|row| [row.method, row.asked, row.body, row.answer]).collect())
}

/// The rows of listeners inside the installation.
pub fn inside() -> Result<Vec<RestRow>> {
    let row = |[method, at, asked, api, needs, body, answer, limited]: [&'static str; 8]| {
        let body = if body == "-" { "" } else { body };
        let (is_documented, is_socket, path) = (false, false, asked);
        RestRow { is_documented, is_socket, at: Some(at), method, path, api, needs, asked, body, answer, limited }
    };
    Ok(super::rows(include_str!("inside.tsv"))?.into_iter().map(row).collect())
}

/// Where a row is served.
fn place(site: &Installation, at: Option<&str>) -> Result<SocketAddr> {
    let Some(at) = at else { return Ok(site.demo.web.trim_start_matches("http://").parse()?) };
    let (role, port) = at.split_once(':').with_context(|| format!("no port: {at}"))?;
    Ok(SocketAddr::new(site.admin(role)?.ip(), port.parse()?))
}

/// The methods and paths of a document, with the scope that each says it needs.
fn described(document: &Value) -> Vec<(String, String, Option<String>)> {
    let mut described = Vec::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let words = operation["description"].as_str().unwrap_or_default();
            let scope = words.split_once("Needs the scope `").and_then(|(_, rest)| rest.split('`').next());
            described.push((method.to_uppercase(), path.clone(), scope.map(str::to_owned)));
        }
    }
    described
}

/// What is served and not declared, declared and not served, or declared otherwise than it is described.
pub fn undeclared(site: &Installation) -> Result<Vec<String>> {
    let web = place(site, None)?;
    let mut served = BTreeMap::new();
    for path in DOCUMENTS {
        let answer = site.http(web, "GET", path, "")?;
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
        let document = described(&serde_json::from_str(&answer.body).with_context(|| path.to_owned())?);
        ensure!(!document.is_empty(), "{path} describes nothing");
        served.extend(document.into_iter().map(|(method, path, scope)| ((method, path), scope)));
    }
    let (rows, mut wrong) = (rows()?, Vec::new());
    for ((method, path), scope) in &served {
        let row = rows.iter().find(|row| row.is_documented && row.method == method && row.path == path);
        let needs = row.map(|row| if row.needs == "follow" { "calls:read" } else { row.needs });
        match (needs, scope) {
            (None, scope) => {
                let scope = scope.as_deref().unwrap_or("the scope that it needs");
                let row = format!(
                    "document\t{method}\t{path}\tits API\t{scope}\twhat is asked\tits body\tits status\tthat of a limited one"
                );
                wrong.push(format!(
                    "{method} {path} is served, and nothing says who may: add to permission_matrix/rest.tsv\n{row}"
                ));
            }
            (Some(needs), Some(scope)) if needs != scope => {
                wrong.push(format!(
                    "{method} {path} needs {needs} in permission_matrix/rest.tsv, and {scope} in its document"
                ));
            }
            _ => {}
        }
    }
    for row in rows.iter().filter(|row| row.is_documented) {
        if !served.contains_key(&(row.method.to_owned(), row.path.to_owned())) {
            wrong.push(format!(
                "no document has {} {}: take its row out of permission_matrix/rest.tsv",
                row.method, row.path
            ));
        }
    }
    // A document that nobody has told this test of.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi");
    for file in std::fs::read_dir(folder)? {
        let file = file?.path();
        if OF_ROUTERS.iter().any(|name| file.ends_with(name)) {
            continue;
        }
        for (method, path, _) in described(&serde_json::from_slice(&std::fs::read(&file)?)?) {
            if !served.contains_key(&(method.clone(), path.clone())) {
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                wrong.push(format!(
                    "{name} has {method} {path}, which no document of the edge has: name it in DOCUMENTS"
                ));
            }
        }
    }
    let all: Vec<RestRow> = rows.into_iter().chain(inside()?).collect();
    wrong.extend(routers::unrouted(&all)?);
    Ok(wrong)
}

/// An answer: its status, and the body of a refusal.
pub type EdgeAnswer = (u16, String);

/// Asks once. What those get who may can have no end: its status says enough.
fn ask(at: SocketAddr, (method, path, body): (&str, &str, &str), token: Option<&str>) -> Result<EdgeAnswer> {
    let mut stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {at}\r\n{authorization}Connection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    // A refusal may come before everything is sent.
    let sent = stream.write_all(request.as_bytes());
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if line.is_empty() {
        sent?;
    }
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status: u16 = status.with_context(|| format!("{method} {path}: no answer: {line:?}"))?;
    let mut rest = Vec::new();
    if status >= 400 {
        reader.read_to_end(&mut rest)?;
    }
    let rest = String::from_utf8_lossy(&rest);
    Ok((status, rest.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned()))
}

/// Asks until what is not ready or busy for a moment has answered.
fn settled(what: &str, ask: impl Fn() -> Result<EdgeAnswer>) -> Result<EdgeAnswer> {
    let mut last = (0, String::new());
    let answered = wait::until(SOON, || {
        last = ask()?;
        // 501 is for good.
        Ok(((last.0 < 500 || last.0 == 501) && last.0 != 429).then(|| last.clone()))
    });
    answered.with_context(|| format!("{what}: {} {}", last.0, last.1))
}

/// The status of an answer to a question.
pub fn status(site: &Installation, path: &str, bearer: &Bearer) -> Result<u16> {
    Ok(ask(place(site, None)?, ("GET", path, ""), bearer.token.as_deref())?.0)
}

/// How a bearer asks.
#[derive(Clone, Copy, Debug)]
enum AskedWay {
    /// As anybody asks for a path.
    Plain,
    /// For a WebSocket, with the token there.
    Socket(TokenPlace),
}

impl RestRow {
    fn ways(&self, token: Option<&str>) -> &'static [AskedWay] {
        match token {
            _ if !self.is_socket => &[AskedWay::Plain],
            // A request without a token is let in, and its first message is waited for.
            None => &[AskedWay::Socket(TokenPlace::FirstMessage)],
            Some(_) => &[AskedWay::Socket(TokenPlace::Request), AskedWay::Socket(TokenPlace::FirstMessage)],
        }
    }

    /// What is wrong with the cell of a bearer who asks so.
    fn faults(&self, at: SocketAddr, bearer: &Bearer, way: AskedWay) -> Result<Vec<String>> {
        let token = bearer.token.as_deref();
        let is_of_tenant = self.asked.contains("{tenant}");
        let what = format!("{} {} {}", self.method, self.at.unwrap_or("the web edge"), self.asked);
        let ask = |tenant: &str| {
            let path = self.asked.replace("{tenant}", tenant);
            settled(&format!("{}: {what}", bearer.name), || match way {
                AskedWay::Plain => ask(at, (self.method, &path, self.body), token),
                AskedWay::Socket(place) => sockets::ask(at, &path, token.unwrap_or_default(), place),
            })
        };
        // As if there were no such tenant.
        let is_as_nowhere = |tenant: &str, (status, body): &EdgeAnswer| {
            let is_refused = [403, 404].contains(status);
            anyhow::Ok(is_refused && (*status, body.replace(tenant, NOWHERE)) == ask(NOWHERE)?)
        };
        let answer = ask("example")?;
        let (status, body) = &answer;
        let due = Due::of(bearer, self.api, self.needs, is_of_tenant, self.limited);
        let is_right = match due {
            Due::Stranger => *status == 401,
            Due::Nobody => [401, 403].contains(status),
            Due::Refusal => *status == 403,
            Due::AsNowhere => is_as_nowhere("example", &answer)?,
            Due::Answer if self.answer == "in" => *status != 401 && *status != 403,
            Due::Answer => self.answer == status.to_string(),
            Due::Limited(due) => due == status.to_string(),
        };
        let mut faults = Vec::new();
        if !is_right {
            let needs = self.needs;
            faults.push(format!("{}: {what} ({way:?}) needs {needs}, {due:?} is due: {status} {body}", bearer.name));
        }
        // What it may here it may nowhere else.
        if due == Due::Answer && is_of_tenant && self.needs != "open" {
            let elsewhere = ask(OTHER)?;
            if !is_as_nowhere(OTHER, &elsewhere)? {
                faults.push(format!("{}: {what} ({way:?}) of {OTHER}: {} {}", bearer.name, elsewhere.0, elsewhere.1));
            }
        }
        Ok(faults)
    }
}

/// The cells of a bearer that are not as they must be.
pub fn wrong(site: &Installation, rows: &[RestRow], bearer: &Bearer) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for row in rows {
        if row.at.and_then(|at| at.split(':').next()).is_some_and(|role| bearer.is_for_role(role)) {
            continue;
        }
        let at = place(site, row.at)?;
        for way in row.ways(bearer.token.as_deref()) {
            wrong.extend(row.faults(at, bearer, *way)?);
        }
    }
    Ok(wrong)
}
