//! Sessions of the published APIs, which open by a cookie: of another tenant, and of people who may less. What they have no say over answers
//! as what is not there, word for word.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::observe::Answer;
use testkit::{Installation, Visitor, Watch, wait};

use super::bearers::Bearer;

const SOON: Duration = Duration::from_secs(60);
/// What the supervisor calls the statistics that are followed.
const SUBSCRIPTION: &str = "of-the-supervisor";
/// A cookie that nobody has made.
const NOBODYS: &str = "ZXhhbXBsZQ.none-of-ours";
/// A person of whom rows tell, and the bearers who look after the tenant's agents and its objects.
const PERSON: &str = "ben.brook";
const LOOKS_AFTER_AGENTS: &str = "supervisor";
const LOOKS_AFTER_OBJECTS: &str = "administrator";

/// A published API, and how a session of it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PublishedApi {
    Workspace,
    Provisioning,
    Statistics,
}

const APIS: [PublishedApi; 3] = [PublishedApi::Workspace, PublishedApi::Provisioning, PublishedApi::Statistics];

impl PublishedApi {
    fn named(name: &str) -> Result<Self> {
        APIS.into_iter().find(|api| api.name() == name).with_context(|| format!("no API {name}"))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Provisioning => "provisioning",
            Self::Statistics => "statistics",
        }
    }

    fn cookie(self) -> &'static str {
        match self {
            Self::Workspace => "WORKSPACE_SESSIONID",
            Self::Provisioning => "PROVISIONING_SESSIONID",
            Self::Statistics => "STATISTICS_SESSIONID",
        }
    }

    /// What begins a session, and its body if it has one.
    fn begin(self) -> (&'static str, Option<Value>) {
        let hello = json!([{
            "id": "1", "channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"],
        }]);
        match self {
            Self::Workspace => ("initialize-workspace", None),
            Self::Provisioning => ("initialize-provisioning", None),
            Self::Statistics => ("notifications/handshake", Some(hello)),
        }
    }

    /// Something that a session opens, and nothing else.
    fn opened(self) -> &'static str {
        match self {
            Self::Workspace => "voice/calls",
            Self::Provisioning => "users/me",
            Self::Statistics => "subscriptions/none/statistic-values",
        }
    }

    /// The headers of a session: that of statistics wants the token each time.
    fn headers(self, token: &str, cookie: &str) -> String {
        let bearer = match self {
            Self::Statistics => format!("Authorization: Bearer {token}\r\n"),
            Self::Workspace | Self::Provisioning => String::new(),
        };
        format!("{bearer}Cookie: {}={cookie}\r\n", self.cookie())
    }
}

/// A session of somebody.
struct HeldSession {
    who: &'static str,
    token: String,
    cookie: String,
}

impl HeldSession {
    /// Begins one; of somebody of whom the role may hear in a moment.
    fn begun(site: &Installation, api: PublishedApi, who: &'static str, token: &str) -> Result<Self> {
        let (path, body) = api.begin();
        let (bearer, body) = (format!("authorization: Bearer {token}"), body.map(|body| body.to_string()));
        let mut arguments = vec!["--request", "POST", "--header", bearer.as_str()];
        if let Some(body) = &body {
            arguments.extend(["--header", "content-type: application/json", "--data-binary", body.as_str()]);
        }
        let mut last = String::new();
        let begun = wait::until(SOON, || {
            let answer = Visitor::new(site)?.ask(&format!("/{}/v3/{path}", api.name()), &arguments)?;
            last = format!("{} {}", answer.head, answer.body);
            Ok((answer.status == 200).then_some(answer))
        });
        let begun = begun.with_context(|| format!("{who} has no session of {}: {last}", api.name()))?;
        let set = begun.header("set-cookie").with_context(|| format!("no cookie: {last}"))?;
        let value = set.strip_prefix(api.cookie()).and_then(|rest| rest.strip_prefix('=')).context("another cookie")?;
        let cookie = value.split(';').next().unwrap_or_default().to_owned();
        Ok(Self { who, token: token.to_owned(), cookie })
    }

    /// Asks until what is busy or not known yet has answered.
    fn ask(&self, site: &Installation, api: PublishedApi, asked: (&str, &str, &str)) -> Result<(u16, String)> {
        settled(site, api, &api.headers(&self.token, &self.cookie), asked)
    }
}

fn settled(
    site: &Installation,
    api: PublishedApi,
    headers: &str,
    (method, path, body): (&str, &str, &str),
) -> Result<(u16, String)> {
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    let path = format!("/{}/v3/{path}", api.name());
    let mut last = (0, String::new());
    let answered = wait::until(SOON, || {
        let Answer { status, body } = site.http_with(web, method, &path, headers, body)?;
        last = (status, body);
        // 501 is for good.
        Ok(((last.0 < 500 || last.0 == 501) && last.0 != 429).then(|| last.clone()))
    });
    answered.with_context(|| format!("{method} {path}: {} {}", last.0, last.1))
}

/// A row of the table.
struct SessionRow {
    api: PublishedApi,
    method: &'static str,
    path: &'static str,
    body: &'static str,
    it: &'static str,
    missing: &'static str,
    is_hidden_from_lesser: bool,
    is_seen: bool,
}

fn rows() -> Result<Vec<SessionRow>> {
    let rows = super::rows(include_str!("published_sessions.tsv"))?.into_iter();
    rows.map(|[api, method, path, body, it, missing, lesser, may]: [&'static str; 8]| {
        anyhow::Ok(SessionRow {
            api: PublishedApi::named(api)?,
            method,
            path,
            body: if body == "-" { "" } else { body },
            it,
            missing,
            is_hidden_from_lesser: lesser == "yes",
            is_seen: may == "sees",
        })
    })
    .collect()
}

/// What rows name that each installation has otherwise.
struct Fixtures {
    dbid: String,
    call: String,
}

impl SessionRow {
    fn it<'f>(&self, fixtures: &'f Fixtures) -> &'f str {
        match self.it {
            "@dbid" => &fixtures.dbid,
            "@call" => &fixtures.call,
            "@subscription" => SUBSCRIPTION,
            it => it,
        }
    }

    /// The answer about something, in which its name is another word, without the number that each request is given.
    fn answer(&self, site: &Installation, session: &HeldSession, it: &str) -> Result<(u16, String)> {
        let (path, body) = (self.path.replace("{it}", it), self.body.replace("{it}", it));
        let (status, answer) = session.ask(site, self.api, (self.method, &path, &body))?;
        let answer = answer.replace(it, "it");
        let Ok(mut told) = serde_json::from_str::<Value>(&answer) else { return Ok((status, answer)) };
        if let Some(told) = told.as_object_mut() {
            told.remove("operationId");
        }
        Ok((status, told.to_string()))
    }

    /// The answers about what is there and about what is not.
    fn both(&self, site: &Installation, session: &HeldSession, it: &str) -> Result<[(u16, String); 2]> {
        Ok([self.answer(site, session, it)?, self.answer(site, session, self.missing)?])
    }

    fn said_to(&self, session: &HeldSession) -> String {
        format!("{}: {} {} {}", session.who, self.api.name(), self.method, self.path)
    }

    /// How somebody tells what is there from what is not, though it is hidden.
    fn shown(&self, site: &Installation, session: &HeldSession, it: &str) -> Result<Option<String>> {
        let [there, missing] = self.both(site, session, it)?;
        let what = self.said_to(session);
        Ok((there != missing).then(|| format!("{what}: {there:?} of what is there, {missing:?} of what is not")))
    }

    /// Whether what is there is as hidden from who may see it.
    fn hidden(&self, site: &Installation, session: &HeldSession, it: &str) -> Result<Option<String>> {
        let [there, missing] = self.both(site, session, it)?;
        Ok((there == missing).then(|| format!("{}: {there:?} is told of what is there", self.said_to(session))))
    }
}

/// A bearer's token.
fn token_of<'b>(bearers: &'b [Bearer], name: &str) -> Result<&'b str> {
    let bearer = bearers.iter().find(|bearer| bearer.name == name);
    bearer.and_then(|bearer| bearer.token.as_deref()).with_context(|| format!("no token of {name}"))
}

/// The sessions of an API: of who looks after what the rows name, of who may less, and of another tenant.
struct SessionsOfApi {
    api: PublishedApi,
    owner: HeldSession,
    lesser: HeldSession,
    stranger: HeldSession,
}

impl SessionsOfApi {
    fn begun(site: &Installation, api: PublishedApi, bearers: &[Bearer], of_globex: &str) -> Result<Self> {
        let (owner, lesser, stranger) = match api {
            PublishedApi::Provisioning => {
                (LOOKS_AFTER_OBJECTS, "folder_administrator", token_of(bearers, "another tenant's administrator")?)
            }
            PublishedApi::Workspace | PublishedApi::Statistics => (LOOKS_AFTER_AGENTS, "agent", of_globex),
        };
        Ok(Self {
            api,
            owner: HeldSession::begun(site, api, owner, token_of(bearers, owner)?)?,
            lesser: HeldSession::begun(site, api, lesser, token_of(bearers, lesser)?)?,
            stranger: HeldSession::begun(site, api, "another tenant's", stranger)?,
        })
    }
}

fn of(sessions: &[SessionsOfApi], api: PublishedApi) -> Result<&SessionsOfApi> {
    sessions.iter().find(|sessions| sessions.api == api).with_context(|| format!("no sessions of {}", api.name()))
}

/// The person as the administrator reads it.
fn person(site: &Installation, sessions: &[SessionsOfApi]) -> Result<Value> {
    let api = PublishedApi::Provisioning;
    let (status, body) = of(sessions, api)?.owner.ask(site, api, ("GET", &format!("users/{PERSON}"), ""))?;
    ensure!(status == 200, "{status} {body}");
    Ok(serde_json::from_str(&body)?)
}

/// Statistics that the supervisor has open.
fn follow(site: &Installation, sessions: &[SessionsOfApi]) -> Result<()> {
    let api = PublishedApi::Statistics;
    let statistic = json!({
        "statisticId": "queue", "name": "CurrentCallsWaiting", "objectType": "Queue", "objectId": "sales",
    });
    let body = json!({"operationId": SUBSCRIPTION, "data": {"statistics": [statistic]}}).to_string();
    let (status, answer) = of(sessions, api)?.owner.ask(site, api, ("POST", "subscriptions", &body))?;
    ensure!(status == 200, "{status} {answer}");
    Ok(())
}

/// The cells that are not as they must be. `of_globex`: a supervisor's token of the other tenant. A call must be waiting in the queue.
pub fn wrong(site: &Installation, bearers: &[Bearer], of_globex: &str, watch: &Watch) -> Result<Vec<String>> {
    let begun = APIS.iter().map(|api| SessionsOfApi::begun(site, *api, bearers, of_globex));
    let sessions = begun.collect::<Result<Vec<_>>>()?;
    follow(site, &sessions)?;
    let before = person(site, &sessions)?;
    let dbid = before["data"]["user"]["DBID"].as_u64().with_context(|| before.to_string())?.to_string();
    let queued = watch.wait_for("Queued@sales", SOON)?;
    let call = queued.text("ConnID").split('@').next().unwrap_or_default().to_owned();
    let fixtures = Fixtures { dbid, call };

    let (mut wrong, rows) = (Vec::new(), rows()?);
    for row in &rows {
        let SessionsOfApi { owner, lesser, stranger, .. } = of(&sessions, row.api)?;
        let it = row.it(&fixtures);
        wrong.extend(row.shown(site, stranger, it)?);
        if row.is_hidden_from_lesser {
            wrong.extend(row.shown(site, lesser, it)?);
        }
        if row.is_seen {
            wrong.extend(row.hidden(site, owner, it)?);
        }
    }
    // Nothing that was asked for has had an effect.
    ensure!(person(site, &sessions)? == before, "{PERSON} was changed by somebody who may not");
    for seen in rows.iter().filter(|row| ["@call", "@subscription"].contains(&row.it) && row.is_seen) {
        wrong.extend(seen.hidden(site, &of(&sessions, seen.api)?.owner, seen.it(&fixtures))?);
    }
    wrong.extend(strange_cookies(site, &sessions)?);
    Ok(wrong)
}

/// Where the cookie of a session opens more than that of nobody: at another API, or with another person's token.
fn strange_cookies(site: &Installation, sessions: &[SessionsOfApi]) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for at in sessions {
        let asked = ("GET", at.api.opened(), "");
        let own = &at.owner;
        let nobodys = settled(site, at.api, &at.api.headers(&own.token, NOBODYS), asked)?;
        ensure!(nobodys.0 == 403, "{}: a cookie of nobody is answered {nobodys:?}", at.api.name());
        ensure!(own.ask(site, at.api, asked)? != nobodys, "{}: a session opens nothing", at.api.name());
        for other in sessions.iter().filter(|other| other.api != at.api) {
            let answer = settled(site, at.api, &at.api.headers(&own.token, &other.owner.cookie), asked)?;
            if answer != nobodys {
                let (at, of) = (at.api.name(), other.api.name());
                wrong.push(format!("a cookie of {of} opens {at}: {answer:?}, and {nobodys:?} is due"));
            }
        }
    }
    Ok(wrong)
}
