//! The paths of the web edge.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::{Installation, wait};

use super::bearers::Bearer;
use super::{Due, NOWHERE};

const PATIENCE: Duration = Duration::from_secs(45);
const SOON: Duration = Duration::from_secs(45);
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
    method: &'static str,
    path: &'static str,
    api: &'static str,
    pub needs: &'static str,
    asked: &'static str,
    body: &'static str,
    answer: &'static str,
}

pub fn rows() -> Result<Vec<RestRow>> {
    let row = |[from, method, path, api, needs, asked, body, answer]: [&'static str; 8]| {
        let body = if body == "-" { "" } else { body };
        RestRow { is_documented: from == "document", method, path, api, needs, asked, body, answer }
    };
    Ok(super::rows(include_str!("rest.tsv"))?.into_iter().map(row).collect())
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
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
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
                let row = format!("document\t{method}\t{path}\tits API\t{scope}\twhat is asked\tits body\tits status");
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
        for (method, path, _) in described(&serde_json::from_slice(&std::fs::read(&file)?)?) {
            if !served.contains_key(&(method.clone(), path.clone())) {
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                wrong.push(format!(
                    "{name} has {method} {path}, which no document of the edge has: name it in DOCUMENTS"
                ));
            }
        }
    }
    Ok(wrong)
}

/// An answer: its status, and the body of a refusal.
type EdgeAnswer = (u16, String);

/// Asks once. What those get who may can have no end: its status says enough.
fn ask(site: &Installation, (method, path, body): (&str, &str, &str), token: Option<&str>) -> Result<EdgeAnswer> {
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    let mut stream = TcpStream::connect(web)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {web}\r\n{authorization}Connection: close\r\nContent-Type: application/json\r\n\
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
fn settled(site: &Installation, asked: (&str, &str, &str), token: Option<&str>) -> Result<EdgeAnswer> {
    let mut last = (0, String::new());
    let answered = wait::until(SOON, || {
        last = ask(site, asked, token)?;
        Ok((last.0 < 500 && last.0 != 429).then(|| last.clone()))
    });
    answered.with_context(|| format!("{asked:?}: {} {}", last.0, last.1))
}

/// The status of an answer to a question.
pub fn status(site: &Installation, path: &str, bearer: &Bearer) -> Result<u16> {
    Ok(ask(site, ("GET", path, ""), bearer.token.as_deref())?.0)
}

/// The cells of a bearer that are not as they must be.
pub fn wrong(site: &Installation, rows: &[RestRow], bearer: &Bearer) -> Result<Vec<String>> {
    let token = bearer.token.as_deref();
    let mut wrong = Vec::new();
    for row in rows {
        let ask = |tenant: &str| {
            let path = row.asked.replace("{tenant}", tenant);
            settled(site, (row.method, path.as_str(), row.body), token)
        };
        let (status, body) = ask("example")?;
        let due = Due::of(bearer, row.api, row.needs, row.asked.contains("{tenant}"));
        let is_right = match due {
            Due::Stranger => status == 401,
            Due::Refusal => status == 403,
            Due::AsNowhere => {
                [403, 404].contains(&status) && (status, body.replace("example", NOWHERE)) == ask(NOWHERE)?
            }
            Due::Answer if row.answer == "in" => status != 401 && status != 403,
            Due::Answer => row.answer == status.to_string(),
        };
        if !is_right {
            wrong.push(format!(
                "{}: {} {} needs {}, {due:?} is due: {status} {body}",
                bearer.name, row.method, row.path, row.needs
            ));
        }
    }
    Ok(wrong)
}
