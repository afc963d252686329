//! The routes of every role, read in its sources: each has a row that says who may, or stands here with the reason why it has none.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::rest::RestRow;

/// A file with routes.
struct RouterFile {
    /// Below the folder of all crates.
    name: &'static str,
    /// The role and the port whose rows have its paths; none for the web edge, also where another role answers behind it.
    at: Option<&'static str>,
    /// What its paths begin with.
    begin: &'static str,
}

const fn at_edge(name: &'static str, begin: &'static str) -> RouterFile {
    RouterFile { name, at: None, begin }
}

const fn inside(name: &'static str, at: &'static str) -> RouterFile {
    RouterFile { name, at: Some(at), begin: "" }
}

/// All that serve something. Every role has the paths of admin HTTP.
const FILES: [RouterFile; 35] = [
    inside("gws/src/gws_configuration/objects.rs", "gws-configuration:8080"),
    inside("gws/src/gws_configuration/server.rs", "gws-configuration:8080"),
    inside("gws/src/gws_data_collector/server.rs", "gws-data-collector:8080"),
    inside("gws/src/gws_interaction/server.rs", "gws-interaction:8080"),
    at_edge("gws/src/gws_provisioning/server.rs", "/provisioning/v3"),
    inside("gws/src/gws_setting/contacts.rs", "gws-setting:8080"),
    inside("gws/src/gws_setting/server.rs", "gws-setting:8080"),
    at_edge("gws/src/gws_statistics/server.rs", "/statistics/v3"),
    inside("gws/src/gws_voice/server.rs", "gws-voice:8080"),
    at_edge("gws/src/gws_workspace/server.rs", "/workspace/v3"),
    inside("orchestration/src/ors/server.rs", "ors:11200"),
    at_edge("platform/src/agent_setup.rs", ""),
    at_edge("platform/src/agent_setup/scim.rs", ""),
    at_edge("platform/src/auth/page/published_pages.rs", ""),
    at_edge("platform/src/auth/server.rs", "/auth/v3"),
    at_edge("platform/src/ingress/events.rs", ""),
    at_edge("platform/src/ingress/openapi.rs", ""),
    at_edge("platform/src/ingress/operations.rs", ""),
    at_edge("platform/src/ingress/page_session.rs", ""),
    at_edge("platform/src/ingress/phones.rs", ""),
    at_edge("platform/src/ingress/webhooks/api.rs", ""),
    at_edge("platform/src/salesforce_adapter/server.rs", ""),
    at_edge("platform/src/telemetry/server.rs", ""),
    at_edge("platform/src/trace/serve.rs", ""),
    at_edge("platform/src/wfm_adapter/openapi.rs", ""),
    at_edge("platform/src/wfm_adapter/server.rs", ""),
    at_edge("platform/src/wfm_adapter/shifts.rs", ""),
    at_edge("pulse/src/board/server.rs", ""),
    inside("runtime/src/admin.rs", "config:9090"),
    inside("voice/src/config/server.rs", "config:9100"),
    inside("voice/src/dialplan/server.rs", "dialplan:8800"),
    at_edge("voice/src/frontend/server.rs", ""),
    inside("voice/src/registrar/admin.rs", "registrar:11500"),
    inside("voice/src/sip_cluster/operate.rs", "sip-cluster:11300"),
    inside("voice/src/sip_cluster/server.rs", "sip-cluster:11300"),
];
/// Files of the web edge that hand all below a path to another role, whose own routes have the rows.
const HAND_ON: [&str; 9] = [
    "platform/src/ingress/agent_setup.rs",
    "platform/src/ingress/auth.rs",
    "platform/src/ingress/desktop.rs",
    "platform/src/ingress/forward.rs",
    "platform/src/ingress/pages.rs",
    "platform/src/ingress/salesforce.rs",
    "platform/src/ingress/scim.rs",
    "platform/src/ingress/telemetry.rs",
    "platform/src/ingress/workforce.rs",
];
/// Files whose routes stand in a table, as `("/path", get(show).post(change))`. Each path is served with a slash at its end too.
const TABLED: [&str; 3] =
    ["gws/src/gws_provisioning/server.rs", "gws/src/gws_statistics/server.rs", "gws/src/gws_workspace/server.rs"];
/// Crates that are no part of a role.
const DEVELOPMENT: [&str; 4] = ["bench", "simnet", "testkit", "xtask"];
/// Whole paths that a file names by an expression, but for those of OpenAPI documents, which are found.
const NAMED: [(&str, &str, &[&str]); 20] = [
    ("platform/src/agent_setup/scim.rs", "openapi::PATH", &["/scim/v2/openapi.json"]),
    (
        "platform/src/auth/page/published_pages.rs",
        "path",
        &["/auth/sign-in.html", "/auth/profile.js", "/auth/telemetry.js", "/auth/host-mapping", "/ui/wwe/profile.js"],
    ),
    (
        "platform/src/auth/server.rs",
        "path",
        &[
            "/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server",
            "/.well-known/oauth-authorization-server/auth/v3",
        ],
    ),
    ("platform/src/auth/server.rs", "page::device::BELOW_ISSUER", &["/auth/v3/device"]),
    ("platform/src/auth/server.rs", "page::sessions::BELOW_ISSUER", &["/auth/v3/sessions"]),
    ("platform/src/auth/server.rs", "page::second_factor::BELOW_ISSUER", &["/auth/v3/second-factor"]),
    ("platform/src/auth/server.rs", "page::passkey::BELOW_ISSUER", &["/auth/v3/sign-in/passkey"]),
    ("platform/src/auth/server.rs", "page::passkey::SCRIPT_BELOW_ISSUER", &["/auth/v3/passkey.js"]),
    ("platform/src/auth/server.rs", "key_uses::BELOW_ISSUER", &["/auth/v3/api-keys/uses"]),
    ("platform/src/auth/server.rs", "upstream::BEGIN", &["/auth/v3/sign-in/provider"]),
    (
        "platform/src/auth/server.rs",
        r#"&format!("{}/{{tenant}}", upstream::CALLBACK)"#,
        &["/auth/v3/sign-in/callback/{tenant}"],
    ),
    ("platform/src/ingress/events.rs", "sse::PATH", &["/api/voice/v1/{tenant}/events"]),
    ("platform/src/ingress/events.rs", "socket::PATH", &["/api/voice/v1/{tenant}/events/ws"]),
    ("platform/src/ingress/page_session.rs", "routes::SESSION", &["/session"]),
    ("platform/src/ingress/page_session.rs", "SIGN_IN", &["/session/sign-in"]),
    ("platform/src/ingress/page_session.rs", "CALLBACK", &["/session/callback"]),
    ("platform/src/ingress/phones.rs", "routes::PHONES", &["/sip"]),
    ("platform/src/ingress/phones.rs", "routes::BROWSER_PHONES", &["/webrtc"]),
    ("platform/src/telemetry/server.rs", "openapi::PATH", &["/telemetry/v1/openapi.json"]),
    ("platform/src/wfm_adapter/openapi.rs", "PATH", &["/wfm/v1/openapi.json"]),
];
/// Methods and paths without a row, each with the reason.
static WITHOUT_ROW: [(&str, &str, &str); 26] = [
    (
        "GET",
        "/auth/v3/sign-out",
        "it ends the sign-in of whoever asks: the tests of sessions, of resources and of API keys have it",
    ),
    ("POST", "/auth/v3/sign-out", "the same"),
    (
        "POST",
        "/workspace/v3/initialize-workspace",
        "it begins a session for whoever may: the tests of the workspace have it",
    ),
    ("GET", "/workspace/v3/info", "a session without a token is enough too: the tests of the workspace have it"),
    ("GET", "/workspace/v3/version", "the same"),
    ("GET", "/workspace/v3/doc", "the same"),
    (
        "POST",
        "/statistics/v3/subscriptions",
        "a token of either of two APIs opens it: the tests of the Statistics API have it",
    ),
    ("DELETE", "/statistics/v3/subscriptions/{id}", "the same"),
    ("GET", "/statistics/v3/subscriptions/{id}/statistic-values", "the same"),
    ("GET", "/statistics/v3/statistic-values/{name}", "the same"),
    ("POST", "/statistics/v3/operations/get-statistic-ex", "the same"),
    ("POST", "/statistics/v3/notifications", "the same"),
    ("GET", "/statistics/v3/notifications", "the same"),
    ("POST", "/statistics/v3/notifications/handshake", "the same"),
    ("POST", "/statistics/v3/notifications/connect", "the same"),
    ("POST", "/statistics/v3/notifications/disconnect", "the same"),
    ("POST", "/statistics/v3/notifications/subscribe", "the same"),
    ("POST", "/statistics/v3/notifications/unsubscribe", "the same"),
    ("GET", "/statistics/v3/info", "the same"),
    ("GET", "/statistics/v3/version", "the same"),
    ("GET", "/statistics/v3/doc", "the same"),
    (
        "POST",
        "/provisioning/v3/initialize-provisioning",
        "it begins a session for whoever may: the tests of the Provisioning API have it",
    ),
    ("GET", "/provisioning/v3/initialize-provisioning", "the same"),
    (
        "GET",
        "/provisioning/v3/info",
        "a session without a token is enough too: the tests of the Provisioning API have it",
    ),
    ("GET", "/provisioning/v3/version", "the same"),
    ("GET", "/provisioning/v3/doc", "the same"),
];

/// A source without its tests.
struct RoleSource {
    /// Below the folder of all crates.
    name: String,
    text: String,
}

/// The sources of all roles and of what they share.
fn sources() -> Result<Vec<RoleSource>> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = Vec::new();
    for each in fs::read_dir(&crates)? {
        let each = each?.file_name().to_string_lossy().into_owned();
        if !DEVELOPMENT.contains(&each.as_str()) {
            read_below(&crates, &format!("{each}/src"), &mut sources)?;
        }
    }
    Ok(sources)
}

fn read_below(crates: &Path, folder: &str, into: &mut Vec<RoleSource>) -> Result<()> {
    for each in fs::read_dir(crates.join(folder)).with_context(|| folder.to_owned())? {
        let each = each?;
        let name = format!("{folder}/{}", each.file_name().to_string_lossy());
        if each.file_type()?.is_dir() {
            if !name.ends_with("/tests") {
                read_below(crates, &name, into)?;
            }
        } else if name.ends_with(".rs") && !name.ends_with("/tests.rs") {
            let text = fs::read_to_string(each.path())?;
            let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned();
            into.push(RoleSource { name, text });
        }
    }
    Ok(())
}

/// A route as its source names it.
#[derive(Debug, PartialEq, Eq)]
struct NamedRoute<'s> {
    methods: Vec<&'static str>,
    /// A text in its quotation marks, or an expression.
    path: &'s str,
}

/// The routes in a source.
fn routed(source: &str) -> Vec<NamedRoute<'_>> {
    source.split(".route(").skip(1).filter_map(|call| named_route(source, call)).collect()
}

/// The routes in the table of a source.
fn tabled(source: &str) -> Vec<NamedRoute<'_>> {
    let pairs = source.match_indices("(\"/").filter_map(|(at, _)| named_route(source, source.get(at + 1..)?));
    pairs.filter(|route| !route.methods.is_empty()).collect()
}

/// The route of a call, whose opening bracket is before the text.
fn named_route<'s>(source: &'s str, call: &'s str) -> Option<NamedRoute<'s>> {
    const METHODS: [(&str, &str); 6] = [
        ("get(", "GET"),
        ("post(", "POST"),
        ("put(", "PUT"),
        ("patch(", "PATCH"),
        ("delete(", "DELETE"),
        ("any(", "ANY"),
    ];
    let (path, handlers) = arguments(call)?;
    // Several methods may have a name of their own.
    let named = format!("let {handlers} = ");
    let given = source.lines().find_map(|line| line.trim().strip_prefix(named.as_str()));
    let handlers = given.unwrap_or(handlers);
    let begins = |word: &str| handlers.starts_with(word) || handlers.contains(&format!(".{word}"));
    let methods = METHODS.iter().filter(|(word, _)| begins(word)).map(|(_, method)| *method).collect();
    Some(NamedRoute { methods, path })
}

/// The first argument of a call, and what comes after it.
fn arguments(call: &str) -> Option<(&str, &str)> {
    let (mut depth, mut is_text, mut is_escaped, mut comma) = (0_usize, false, false, None);
    for (at, sign) in call.char_indices() {
        match sign {
            _ if is_escaped => is_escaped = false,
            '\\' if is_text => is_escaped = true,
            '"' => is_text = !is_text,
            _ if is_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth > 0 => depth -= 1,
            ')' => {
                let comma: usize = comma?;
                return Some((call.get(..comma)?.trim(), call.get(comma + 1..at)?.trim()));
            }
            ',' if depth == 0 && comma.is_none() => comma = Some(at),
            _ => {}
        }
    }
    None
}

/// The whole paths of a route.
fn paths(file: &RouterFile, named: &str, sources: &[RoleSource]) -> Result<Vec<String>> {
    if let Some(text) = named.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return Ok(vec![format!("{}{text}", file.begin)]);
    }
    if let Some((_, _, whole)) = NAMED.iter().find(|(name, expression, _)| *name == file.name && *expression == named) {
        return Ok(whole.iter().map(|path| (*path).to_owned()).collect());
    }
    let described = named.strip_suffix(".path").and_then(|constant| {
        let head = format!("const {}: Get =", constant.rsplit("::").next()?);
        let of_crate = file.name.split('/').next()?;
        let mut found = sources.iter().filter(|source| source.name.split('/').next() == Some(of_crate));
        found.find_map(|source| {
            let (_, rest) = source.text.split_once(head.as_str())?;
            let (_, rest) = rest.split(';').next()?.split_once("path: \"")?;
            rest.split('"').next().map(str::to_owned)
        })
    });
    let described =
        described.with_context(|| format!("{} names a path as {named}: say in NAMED which it is", file.name))?;
    Ok(vec![described])
}

/// The template that answers a path: of those that fit it, the one whose first segments are texts.
fn answering<'t>(templates: &'t [String], path: &str) -> Option<&'t str> {
    let is_text = |segment: &str| !segment.starts_with('{');
    let path = path.split('?').next().unwrap_or_default();
    let fits = |template: &&String| {
        let is_same = |(own, asked): (&str, &str)| own == asked || !is_text(own);
        let is_as_long = template.split('/').count() == path.split('/').count();
        is_as_long && template.split('/').zip(path.split('/')).all(is_same)
    };
    let texts = |template: &&String| template.split('/').map(is_text).collect::<Vec<bool>>();
    templates.iter().filter(fits).max_by_key(texts).map(String::as_str)
}

/// The methods and paths that these files of the web edge have; the method of a route that takes all is `ANY`.
pub fn routes_of(files: &[&str]) -> Result<Vec<(&'static str, String)>> {
    let sources = sources()?;
    let mut served = Vec::new();
    for name in files {
        let file = FILES.iter().find(|file| file.name == *name).with_context(|| format!("{name} has no routes"))?;
        let source = sources.iter().find(|source| source.name == *name);
        for route in routed(&source.with_context(|| format!("{name} is gone"))?.text) {
            for path in paths(file, route.path, &sources)? {
                served.extend(route.methods.iter().map(|method| (*method, path.clone())));
            }
        }
    }
    Ok(served)
}

/// What roles serve and no row has, and what stands in the tables of this file for nothing.
pub fn unrouted(rows: &[RestRow]) -> Result<Vec<String>> {
    let sources = sources()?;
    let is_router = |source: &&RoleSource| source.text.contains("axum") && !routed(&source.text).is_empty();
    let mut wrong = Vec::new();
    for source in sources.iter().filter(is_router) {
        let name = source.name.as_str();
        if !HAND_ON.contains(&name) && FILES.iter().all(|file| file.name != name) {
            wrong.push(format!("{name} has routes: say in permission_matrix/routers.rs which listener serves them"));
        }
    }
    let mut excused = Vec::new();
    for file in &FILES {
        let source = sources.iter().find(|source| source.name == file.name);
        let text = &source.with_context(|| format!("{} is gone", file.name))?.text;
        let routed = if TABLED.contains(&file.name) { tabled(text) } else { routed(text) };
        ensure!(!routed.is_empty(), "{} has no route", file.name);
        let mut served = Vec::new();
        for route in &routed {
            ensure!(!route.methods.is_empty(), "{}: no method is seen of {}", file.name, route.path);
            served.extend(paths(file, route.path, &sources)?.into_iter().map(|path| (&route.methods, path)));
        }
        let templates: Vec<String> = served.iter().map(|(_, path)| path.clone()).collect();
        for (method, path) in served.iter().flat_map(|(methods, path)| methods.iter().map(move |one| (*one, path))) {
            let is_excused = |(one, other, _): &&(&str, &str, &str)| *one == method && *other == path.as_str();
            if let Some(found) = WITHOUT_ROW.iter().find(is_excused) {
                excused.push(found);
                continue;
            }
            let is_there = |row: &RestRow| {
                let is_path = match file.at {
                    None => row.path == path,
                    Some(_) => answering(&templates, row.asked) == Some(path.as_str()),
                };
                row.at == file.at && is_path && (method == "ANY" || row.method == method)
            };
            if !rows.iter().any(is_there) {
                let table = file.at.map_or("rest.tsv".to_owned(), |at| format!("inside.tsv, at {at}"));
                wrong.push(format!(
                    "{} has {method} {path}, and nothing says who may: add a row to permission_matrix/{table}",
                    file.name
                ));
            }
        }
    }
    let idle = WITHOUT_ROW.iter().filter(|row| !excused.contains(row));
    wrong.extend(idle.map(|(method, path, why)| format!("{method} {path} is not there, and excused: {why}")));
    Ok(wrong)
}

#[test]
fn routes_are_read_in_their_source() {
    let source = r#"
        let one = get(show).put(change);
        Router::new()
            .route("/a/{id}", one)
            .route(
                "/b",
                post(async |Json(it): Json<It>| it),
            )
            .route(&format!("{}/{{id}}", page::PATH), any(none));
        paths.fold(router, |router, path| router.route(path, get(show).delete(end)))
    "#;
    let route = |methods: &[&'static str], path| NamedRoute { methods: methods.to_vec(), path };
    let expected = [
        route(&["GET", "PUT"], r#""/a/{id}""#),
        route(&["POST"], r#""/b""#),
        route(&["ANY"], r#"&format!("{}/{{id}}", page::PATH)"#),
        route(&["GET", "DELETE"], "path"),
    ];
    assert_eq!(routed(source), expected);
}

#[test]
fn routes_are_read_in_a_table() {
    let source = r#"
        const LATER: [(&str, &str); 1] = [("media", "later")];
        vec![
            ("/a", get(show).post(change)),
            ("/b/{id}", post(add)),
        ]
        let rest = path.strip_prefix("/voice/");
    "#;
    let expected = [
        NamedRoute { methods: vec!["GET", "POST"], path: r#""/a""# },
        NamedRoute { methods: vec!["POST"], path: r#""/b/{id}""# },
    ];
    assert_eq!(tabled(source), expected);
}

#[test]
fn a_path_is_answered_by_the_template_that_says_most_of_it() {
    let templates = ["/t/{t}/{kind}", "/t/{t}/{kind}/{id}", "/t/{t}/objects", "/t/{t}/agents/{id}"].map(str::to_owned);
    let answers = |path| answering(&templates, path);
    assert_eq!(answers("/t/{tenant}/objects?kinds=dn"), Some("/t/{t}/objects"));
    assert_eq!(answers("/t/acme/dns"), Some("/t/{t}/{kind}"));
    assert_eq!(answers("/t/acme/agents/1"), Some("/t/{t}/agents/{id}"));
    assert_eq!((answers("/t/acme/dns/1"), answers("/t/acme")), (Some("/t/{t}/{kind}/{id}"), None));
}
