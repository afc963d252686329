//! `trunkline specs`: the roles' declarations, for maintainers' checks.

use clap::{Args, ValueEnum};
use runtime::exit::{Exit, ExitError};
use runtime::metrics_page as reference;
use runtime::{Place, RoleSpec};
use serde_json::{Value, json};

use crate::roles;

#[derive(Args)]
pub struct Arguments {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Compare with the table of connections
    #[arg(long, conflicts_with = "json")]
    check: bool,
    /// The reference of all metrics, as a page of the book; with --json for programs
    #[arg(long, conflicts_with = "check")]
    metrics: bool,
    /// The table of scopes, as a page of the book
    #[arg(long, conflicts_with_all = ["check", "metrics", "json"])]
    scopes: bool,
    /// The reference of the reporting log's topics and records, as a page of the book
    #[arg(long, conflicts_with_all = ["check", "metrics", "scopes", "json"])]
    events: bool,
    /// The reference of facts: types, attributes, values; a part of a page of the book
    #[arg(long, conflicts_with_all = ["check", "metrics", "scopes", "events", "json"])]
    facts: bool,
    /// The table of requests, a part of a page of the book
    #[arg(long, conflicts_with_all = ["check", "metrics", "scopes", "events", "facts", "json"])]
    requests: bool,
    /// The AsyncAPI document of events: server-sent events, WebSocket, webhooks
    #[arg(long, conflicts_with_all = ["check", "metrics", "scopes", "events", "facts", "requests", "json"])]
    asyncapi: bool,
    /// What every request about an agent does in every state of one, a part of a page of the book
    #[arg(long, conflicts_with_all = ["check", "metrics", "scopes", "events", "facts", "requests", "json"])]
    agents: bool,
    /// The OpenAPI document of an API: requests about calls and agents, events and webhooks, the wallboard, operations, Agent Setup,
    /// desktops, statistics for programs, provisioning, sign-in and tokens, SCIM, telemetry, or workforce tools
    #[arg(
        long,
        value_name = "API",
        num_args = 0..=1,
        default_missing_value = "voice",
        conflicts_with_all = ["check", "metrics", "scopes", "events", "facts", "requests", "asyncapi", "agents", "json"],
    )]
    openapi: Option<Api>,
}

/// An API with an OpenAPI document.
#[derive(Clone, Copy, ValueEnum)]
enum Api {
    Voice,
    Events,
    Pulse,
    Operations,
    AgentSetup,
    Workspace,
    Statistics,
    Provisioning,
    Auth,
    Scim,
    Telemetry,
    Workforce,
}

/// Prints or checks the specs.
pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    if arguments.check {
        let mut faults = runtime::connections::check::check(roles::TABLE);
        faults.extend(runtime::connections::coverage::faults(roles::TABLE));
        faults.extend(runtime::connections::role_scopes::faults(roles::TABLE));
        if !faults.is_empty() {
            return Err(ExitError::new(Exit::CheckFailed, faults.join("\n")).into());
        }
        eprintln!("{} roles agree with the table of connections", roles::TABLE.len());
    } else if arguments.scopes {
        say!("{}{}", runtime::scope::markdown(), runtime::connections::role_scopes::markdown());
    } else if arguments.events {
        say!("{}", contracts::reporting::markdown());
    } else if arguments.facts {
        say!("{}", contracts::reporting::facts_markdown());
    } else if arguments.requests {
        say!("{}", contracts::json::requests_markdown());
    } else if arguments.asyncapi {
        say_line!("{}", serde_json::to_string_pretty(&contracts::reporting::asyncapi())?);
    } else if arguments.agents {
        say!("{}", call::agent::outcomes::markdown());
    } else if let Some(api) = arguments.openapi {
        let document = match api {
            Api::Voice => contracts::json::requests_openapi(),
            Api::Events => platform::ingress::events_openapi(),
            Api::Pulse => pulse::board::openapi(),
            Api::Operations => platform::ingress::openapi(),
            Api::AgentSetup => platform::agent_setup::openapi(),
            Api::Workspace => gws::gws_workspace::openapi(),
            Api::Statistics => gws::gws_statistics::openapi(),
            Api::Provisioning => gws::gws_provisioning::openapi(),
            Api::Auth => platform::auth::openapi(),
            Api::Scim => platform::agent_setup::scim_openapi(),
            Api::Telemetry => platform::telemetry::openapi(),
            Api::Workforce => platform::wfm_adapter::openapi(),
        };
        say_line!("{}", serde_json::to_string_pretty(&document)?);
    } else if arguments.metrics && arguments.json {
        say_line!("{}", serde_json::to_string_pretty(&reference::as_json(roles::TABLE))?);
    } else if arguments.metrics {
        say!("{}", reference::markdown(roles::TABLE));
    } else if arguments.json {
        let all: Vec<Value> = roles::TABLE.iter().map(|spec| as_json(spec)).collect();
        say_line!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        roles::TABLE.iter().for_each(|spec| say_line!("{:<14} {}", spec.name, spec.summary));
    }
    Ok(Exit::Done)
}

fn as_json(spec: &RoleSpec) -> Value {
    let listens: Vec<Value> = spec
        .listens
        .iter()
        .map(|listen| {
            let place = if listen.place == Place::Edge { "edge" } else { "cluster" };
            json!({
                "name": listen.name, "protocol": listen.protocol.as_str(), "port": listen.port,
                "place": place, "accepts": listen.accepts,
            })
        })
        .collect();
    json!({
        "name": spec.name, "number": spec.number, "summary": spec.summary, "admin_port": spec.admin_port,
        "listens": listens, "opens": spec.opens,
    })
}
