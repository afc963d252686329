//! Every operation that `data/published-operations.tsv` has, asked of the built binary at its web edge: it is known to the router, answered as
//! the file says, and refuses methods that the path does not know. What is wrong with a request is told in the envelope of the API, by name.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::installation::DemoUser;
use testkit::observe::Answer;
use testkit::{Installation, Visitor};

/// A method that none of the operations has.
const UNKNOWN_METHOD: &str = "PATCH";
/// APIs whose every refusal is in their envelope.
const ENVELOPED: [&str; 3] = ["workspace", "provisioning", "statistics"];
/// Faults that are told at once.
const TOLD_MAX: usize = 25;
/// More than each of the APIs takes, in bytes.
const TOO_LARGE: usize = (1 << 20) + 100_000;

/// A row of the file.
struct PublishedOperation {
    api: String,
    method: String,
    /// Its path, with something in the place of each name.
    path: String,
    /// `served`, `service NAME`, or a status and how the message begins.
    answer: String,
}

impl PublishedOperation {
    /// Whether it ends the session that asks, or takes it away.
    fn ends_session(&self) -> bool {
        self.path.ends_with("/v3/logout") || self.path.ends_with("/sign-out")
    }

    fn is_enveloped(&self) -> bool {
        ENVELOPED.contains(&self.api.as_str())
    }
}

/// Something in the place of a name: no object, call or session has it.
fn value_of(name: &str) -> &'static str {
    match name {
        "mediatype" => "workitem",
        "object_type" => "skills",
        "type" => "agent",
        "part" => "action-codes",
        "operation" | "operationName" => "ready",
        _ => "1",
    }
}

fn filled(path: &str) -> String {
    let part = |part: &str| match part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) => value_of(name).to_owned(),
        None => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn published() -> Result<Vec<PublishedOperation>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/published-operations.tsv");
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let mut all = Vec::new();
    for row in text.lines().filter(|line| !line.starts_with('#')).skip(1) {
        let cells: Vec<&str> = row.split('\t').collect();
        let &[_, api, method, path, _, answer] = cells.as_slice() else { anyhow::bail!("{row}: it has not six cells") };
        let path = format!("/{api}/v3{}", filled(path));
        let [api, method, answer] = [api, method, answer].map(str::to_owned);
        all.push(PublishedOperation { api, method, path, answer });
    }
    ensure!(all.len() > 280, "{} operations are published", all.len());
    Ok(all)
}

/// An administrator for the configuration, and an agent for all else.
struct PublishedClient<'a> {
    site: &'a Installation,
    administrator: String,
    agent: String,
}

fn token(site: &Installation, kind: &str) -> Result<String> {
    let user: &DemoUser =
        site.demo.users.iter().find(|user| user.kind == kind).with_context(|| format!("no {kind} signs in"))?;
    Visitor::new(site)?.by_password(&user.user, &user.password)?.token("access_token")
}

impl<'a> PublishedClient<'a> {
    fn new(site: &'a Installation) -> Result<Self> {
        Ok(Self { site, administrator: token(site, "administrator")?, agent: token(site, "agent")? })
    }

    /// The headers of a session of an API that has just begun; of an API without such sessions, the token.
    fn headers(&self, api: &str) -> Result<Vec<String>> {
        let token = if api == "provisioning" { &self.administrator } else { &self.agent };
        let bearer = format!("authorization: Bearer {token}");
        let (begins, cookie) = match api {
            "workspace" => ("/workspace/v3/initialize-workspace", "WORKSPACE_SESSIONID"),
            "provisioning" => ("/provisioning/v3/initialize-provisioning", "PROVISIONING_SESSIONID"),
            _ => return Ok(vec![bearer]),
        };
        let visitor = Visitor::new(self.site)?;
        let begun = visitor.ask(begins, &["--request", "POST", "--header", &bearer])?;
        let set = begun.header("set-cookie").with_context(|| format!("{begins}: {} {}", begun.head, begun.body))?;
        let value = set.split(';').next().unwrap_or_default();
        ensure!(value.starts_with(cookie), "{set}");
        Ok(vec![format!("cookie: {value}")])
    }
}

/// Headers as they are sent.
fn lines(headers: &[String]) -> String {
    headers.iter().map(|header| format!("{header}\r\n")).collect()
}

/// The words of an envelope; none if it is something else.
fn words(body: &str) -> Option<String> {
    let told: Value = serde_json::from_str(body).ok()?;
    told["status"]["code"].as_u64()?;
    Some(told["status"]["message"].as_str().unwrap_or_default().to_owned())
}

/// What is wrong with an answer.
fn fault(operation: &PublishedOperation, status: u16, body: &str) -> Option<String> {
    let words = words(body);
    let is_as_said = match operation.answer.split_once(' ') {
        Some(("service", name)) => {
            status == 503 && words.as_deref().is_some_and(|words| words.starts_with(&format!("{name}: ")))
        }
        Some((due, begins)) => {
            due.parse::<u16>() == Ok(status) && words.as_deref().is_some_and(|words| words.starts_with(begins))
        }
        // With what it is asked here it may be refused, but not for want of the operation.
        None => !(matches!(status, 405 | 501 | 502) || status == 404 && words.is_none()),
    };
    let is_refused_so = status < 400 || !operation.is_enveloped() || words.is_some();
    if is_as_said && is_refused_so {
        return None;
    }
    let PublishedOperation { method, path, answer, .. } = operation;
    let came: String = body.chars().take(200).collect();
    Some(format!("{method} {path} ({answer}): {status} {came}"))
}

#[test]
fn each_published_operation_is_answered_as_the_file_says_and_no_other_method_is() -> Result<()> {
    let site = Installation::start()?;
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    let client = PublishedClient::new(&site)?;
    let (last, all): (Vec<_>, Vec<_>) = published()?.into_iter().partition(PublishedOperation::ends_session);
    let mut faults = Vec::new();
    for api in ["workspace", "provisioning", "statistics", "auth"] {
        let headers = client.headers(api)?;
        let written = lines(&headers);
        for operation in all.iter().filter(|operation| operation.api == api) {
            let body = if operation.method == "GET" { "" } else { "{}" };
            let answer = site.http_with(web, &operation.method, &operation.path, &written, body)?;
            faults.extend(fault(operation, answer.status, &answer.body));
        }
        let of_api = all.iter().chain(&last).filter(|operation| operation.api == api);
        for operation in of_api {
            faults.extend(method_fault(&site, operation, &headers)?);
        }
    }
    for operation in &last {
        let written = lines(&client.headers(&operation.api)?);
        // Whoever signs out has no token for those behind it: these come last.
        let Answer { status, body } = site.http_with(web, &operation.method, &operation.path, &written, "")?;
        faults.extend(fault(operation, status, &body));
    }
    let shown = faults.iter().take(TOLD_MAX).cloned().collect::<Vec<_>>().join("\n");
    ensure!(faults.is_empty(), "{} answers are faulty:\n{shown}", faults.len());
    Ok(())
}

/// What is wrong with the answer to a method that the path of an operation does not know.
fn method_fault(site: &Installation, operation: &PublishedOperation, headers: &[String]) -> Result<Option<String>> {
    let mut arguments = vec!["--request", UNKNOWN_METHOD];
    arguments.extend(headers.iter().flat_map(|header| ["--header", header.as_str()]));
    let answer = Visitor::new(site)?.ask(&operation.path, &arguments)?;
    let allowed = answer.header("allow").unwrap_or_default().to_owned();
    let is_allowed = allowed.split(',').any(|method| method.trim() == operation.method);
    let is_worded = !operation.is_enveloped()
        || words(&answer.body).is_some_and(|words| words.starts_with("method: ")) && !answer.body.contains("\"type\"");
    let is_right = answer.status == 405 && is_allowed && is_worded;
    let told = || format!("{UNKNOWN_METHOD} {}: {} allow {allowed:?} {}", operation.path, answer.status, answer.body);
    Ok((!is_right).then(told))
}

#[test]
fn what_is_wrong_with_a_request_is_told_by_name_in_the_envelope_of_the_api() -> Result<()> {
    let site = Installation::start()?;
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    let client = PublishedClient::new(&site)?;
    let large = "x".repeat(TOO_LARGE);
    let numbers = json!({"data": {"destination": [7]}}).to_string();
    for (api, method, path, body, status, named) in [
        ("workspace", "GET", "targets/recents?limit=many", "", 400, "limit"),
        ("workspace", "GET", "targets?searchTerm=a&limit=-1", "", 400, "limit: "),
        ("workspace", "GET", "settings/%FF", "", 400, "name"),
        ("workspace", "POST", "voice/ready", "{", 400, "body: "),
        ("workspace", "POST", "voice/ready", "[]", 400, "body: "),
        ("workspace", "POST", "voice/make-call", numbers.as_str(), 400, "destination: "),
        ("workspace", "POST", "voice/ready", large.as_str(), 413, "body: "),
        ("workspace", "GET", "nothing", "", 501, "there is no such operation"),
        ("workspace", "POST", "media/sing/songs", "{}", 501, "there is no such operation"),
        ("provisioning", "GET", "export-users", "", 400, "id"),
        ("provisioning", "GET", "users?userEnabled=perhaps", "", 400, "userEnabled: "),
        ("provisioning", "GET", "objects/%FF", "", 400, "type"),
        ("provisioning", "PUT", "capacity-rules/many", "{}", 400, "script_dbid: "),
        ("provisioning", "POST", "users", "{", 400, "body: "),
        ("provisioning", "POST", "users", large.as_str(), 413, "body: "),
        ("provisioning", "GET", "nothing", "", 501, "there is no such operation"),
        ("statistics", "GET", "statistic-values/Calls?objectType=Agent", "", 400, "objectId"),
        ("statistics", "POST", "operations/get-statistic-ex", "{", 400, "body: "),
        ("statistics", "POST", "operations/get-statistic-ex", large.as_str(), 413, "body: "),
        ("statistics", "GET", "nothing", "", 501, "there is no such operation"),
    ] {
        let written = lines(&client.headers(api)?);
        let answer = site.http_with(web, method, &format!("/{api}/v3/{path}"), &written, body)?;
        let told: Value = serde_json::from_str(&answer.body)
            .with_context(|| format!("{api} {path}: {} {}", answer.status, answer.body))?;
        let (code, message) = (&told["status"]["code"], told["status"]["message"].as_str().unwrap_or_default());
        let is_named = message.contains(named);
        ensure!(answer.status == status && *code == status && is_named, "{api} {method} {path}: {told}");
        ensure!(told.get("title").is_none() && told.get("type").is_none(), "{api} {method} {path}: {told}");
    }
    Ok(())
}
