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
    /// The role and the port; none for the web edge.
    at: Option<&'static str>,
    method: &'static str,
    path: &'static str,
    api: &'static str,
    pub needs: &'static str,
    asked: &'static str,
    body: &'static str,
    answer: &'static str,
    /// The status for whom folders limit.
    limited: &'static str,
}

pub fn rows() -> Result<Vec<RestRow>> {
    let row = |[from, method, path, api, needs, asked, body, answer, limited]: [&'static str; 9]| {
        let body = if body == "-" { "" } else { body };
        RestRow { is_documented: from == "document", at: None, method, path, api, needs, asked, body, answer, limited }
    };
    Ok(super::rows(include_str!("rest.tsv"))?.into_iter().map(row).collect())
}

/// Those that no document has and that somebody may ask for: method, what is asked, its body, and the answer to who may.
pub fn rows_without_document() -> Result<Vec<[&'static str; 4]>> {
    let is_meant = |row: &RestRow| !row.is_documented && row.needs != "never";
    Ok(rows()?.into_iter().filter(is_meant).map(|row| [row.method, row.asked, row.body, row.answer]).collect())
}

/// The rows of listeners inside the installation.
pub fn inside() -> Result<Vec<RestRow>> {
    let row = |[method, at, asked, api, needs, body, answer, limited]: [&'static str; 8]| {
        let body = if body == "-" { "" } else { body };
        RestRow { is_documented: false, at: Some(at), method, path: asked, api, needs, asked, body, answer, limited }
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
        for (method, path, _) in described(&serde_json::from_slice(&std::fs::read(&file)?)?) {
            if !served.contains_key(&(method.clone(), path.clone())) {
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                wrong.push(format!(
                    "{name} has {method} {path}, which no document of the edge has: name it in DOCUMENTS"
                ));
            }
        }
    }
    wrong.extend(unrouted(&rows)?);
    Ok(wrong)
}

/// Routers without a document, each with what its paths begin with.
const ROUTERS: [(&str, &str); 4] = [
    ("agent_setup/scim.rs", ""),
    ("wfm_adapter/server.rs", ""),
    ("telemetry/server.rs", ""),
    ("auth/server.rs", "/auth/v3"),
];
/// What answers by whose token or session it is told: the tests of signing in have them.
const BY_SIGN_IN: [&str; 6] =
    ["/ping", "/userinfo", "/openid/userinfo", "/jwt-userinfo", "/sessions/{id}", "/sign-out"];

/// What a router of these has and no row.
fn unrouted(rows: &[RestRow]) -> Result<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../platform/src");
    let mut wrong = Vec::new();
    for (file, begin) in ROUTERS {
        let source = std::fs::read_to_string(folder.join(file))?;
        let routed = routed(&source);
        ensure!(!routed.is_empty(), "{file} has no route");
        for (method, path) in routed.iter().filter(|(_, path)| begin.is_empty() || !BY_SIGN_IN.contains(path)) {
            let path = format!("{begin}{path}");
            let is_there = |row: &RestRow| row.path == path && (*method == "ANY" || row.method == *method);
            if !rows.iter().any(is_there) {
                wrong.push(format!(
                    "{file} has {method} {path}, and nothing says who may: add a row to permission_matrix/rest.tsv"
                ));
            }
        }
    }
    Ok(wrong)
}

/// The methods and paths that a router names in its source: those whose paths stand there as texts.
fn routed(source: &str) -> Vec<(&'static str, &str)> {
    const METHODS: [(&str, &str); 6] = [
        ("get(", "GET"),
        ("post(", "POST"),
        ("put(", "PUT"),
        ("patch(", "PATCH"),
        ("delete(", "DELETE"),
        ("any(", "ANY"),
    ];
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    for line in source.lines() {
        let Some((path, handlers)) = line.trim().strip_prefix(".route(\"").and_then(|rest| rest.split_once("\", "))
        else {
            continue;
        };
        // Several methods may have a name of their own.
        let named = handlers.strip_suffix(')').map(|name| format!("let {name} = "));
        let given = named.and_then(|named| source.lines().find_map(|line| line.trim().strip_prefix(named.as_str())));
        let handlers = given.unwrap_or(handlers);
        let begins = |word: &str| handlers.starts_with(word) || handlers.contains(&format!(".{word}"));
        found.extend(METHODS.iter().filter(|(word, _)| begins(word)).map(|(_, method)| (*method, path)));
    }
    found
}

#[test]
fn routes_are_read_in_their_source() {
    let source = r#"
        let one = get(show).put(change);
        Router::new()
            .route("/a/{id}", one)
            .route("/b", post(make))
            .route("/c", any(none));
        #[cfg(test)]
            .route("/d", get(x))
    "#;
    assert_eq!(routed(source), [("GET", "/a/{id}"), ("PUT", "/a/{id}"), ("POST", "/b"), ("ANY", "/c")]);
}

/// An answer: its status, and the body of a refusal.
type EdgeAnswer = (u16, String);

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
fn settled(at: SocketAddr, asked: (&str, &str, &str), token: Option<&str>) -> Result<EdgeAnswer> {
    let mut last = (0, String::new());
    let answered = wait::until(SOON, || {
        last = ask(at, asked, token)?;
        // 501 is for good.
        Ok(((last.0 < 500 || last.0 == 501) && last.0 != 429).then(|| last.clone()))
    });
    answered.with_context(|| format!("{asked:?}: {} {}", last.0, last.1))
}

/// The status of an answer to a question.
pub fn status(site: &Installation, path: &str, bearer: &Bearer) -> Result<u16> {
    Ok(ask(place(site, None)?, ("GET", path, ""), bearer.token.as_deref())?.0)
}

/// The cells of a bearer that are not as they must be.
pub fn wrong(site: &Installation, rows: &[RestRow], bearer: &Bearer) -> Result<Vec<String>> {
    let token = bearer.token.as_deref();
    let mut wrong = Vec::new();
    for row in rows {
        if row.at.and_then(|at| at.split(':').next()).is_some_and(|role| bearer.is_for_role(role)) {
            continue;
        }
        let at = place(site, row.at)?;
        let ask = |tenant: &str| {
            let path = row.asked.replace("{tenant}", tenant);
            settled(at, (row.method, path.as_str(), row.body), token)
        };
        let (status, body) = ask("example")?;
        let due = Due::of(bearer, row.api, row.needs, row.asked.contains("{tenant}"), row.limited);
        let is_right = match due {
            Due::Stranger => status == 401,
            Due::Refusal => status == 403,
            Due::AsNowhere => {
                [403, 404].contains(&status) && (status, body.replace("example", NOWHERE)) == ask(NOWHERE)?
            }
            Due::Answer if row.answer == "in" => status != 401 && status != 403,
            Due::Answer => row.answer == status.to_string(),
            Due::Limited(due) => due == status.to_string(),
        };
        if !is_right {
            wrong.push(format!(
                "{}: {} {} {} needs {}, {due:?} is due: {status} {body}",
                bearer.name,
                row.method,
                row.at.unwrap_or("the web edge"),
                row.asked,
                row.needs
            ));
        }
    }
    Ok(wrong)
}
