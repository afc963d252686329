//! `trunkline trace`: the course of one call, from the memory of every role.

mod follow;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use infra::{Clock as _, SystemClock};
use model::TenantId;
use net::admin::AdminClient;
use platform::trace::ask::Sight;
use platform::trace::document::{Brief, Traces};
use platform::trace::{Answer, ask, explain, text};
use runtime::exit::{Exit, ExitError};
use runtime::trace::{NUMBERS_SCOPE, READ_SCOPE};

use super::{InstallationOptions, executor, token, topology};
use follow::Following;

/// Pseudo-tenant of dialogs that were refused before their tenant was known.
const NOBODYS: &str = "-";

#[derive(Args)]
pub struct Arguments {
    /// The call: its ConnID (16 hex digits, or as requests print it), its CallUUID, or a SIP Call-ID
    #[arg(required_unless_present_any = ["last", "list", "follow"], value_parser = NonEmptyStringValueParser::new())]
    call: Option<String>,
    /// The latest call
    #[arg(long, conflicts_with = "call")]
    last: bool,
    /// The latest calls, a line each
    #[arg(long, conflicts_with_all = ["call", "last"])]
    list: bool,
    /// Print events as they happen: of that call until it is over, or of every new call if none is named; Ctrl-C ends
    /// it
    #[arg(long, conflicts_with = "list")]
    follow: bool,
    /// With --last, --list or --follow: only calls whose caller's number, as --list shows it, ends so
    #[arg(long, value_name = "NUMBER")]
    from: Option<String>,
    /// How many calls --list shows
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// The tenant; needed only if several have calls
    #[arg(long)]
    tenant: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Show phone numbers in full
    #[arg(long)]
    numbers: bool,
}

impl Arguments {
    /// An operator's own command sees the whole installation.
    const fn sight(&self) -> Sight {
        Sight { numbers: self.numbers, nobodys: true }
    }

    fn nothing_fits(&self) -> String {
        let hint = match self.from {
            Some(_) if !self.numbers => ": numbers are compared as --list shows them, with --numbers in full",
            _ => "",
        };
        format!("no call is remembered that fits{hint}")
    }
}

/// Prints the course of a call.
pub fn run(options: &InstallationOptions, arguments: &Arguments) -> anyhow::Result<Exit> {
    let admin_client = admin_client(options, arguments)?;
    executor()?.block_on(answer(options, arguments, &admin_client))
}

fn admin_client(options: &InstallationOptions, arguments: &Arguments) -> anyhow::Result<AdminClient> {
    let scope = if arguments.numbers { format!("{READ_SCOPE} {NUMBERS_SCOPE}") } else { READ_SCOPE.to_owned() };
    topology::admin_client(options, &scope)
}

async fn answer(
    options: &InstallationOptions,
    arguments: &Arguments,
    admin_client: &AdminClient,
) -> anyhow::Result<Exit> {
    let is_every_new = arguments.follow && arguments.call.is_none() && !arguments.last;
    if is_every_new {
        return follow::every_new(options, arguments, admin_client).await;
    }
    let tenant = tenant(options, arguments, admin_client).await?;
    if arguments.list {
        let from = arguments.from.as_deref();
        let traces = ask::list(admin_client, &tenant, from, arguments.limit, arguments.sight()).await;
        if arguments.json {
            say_line!("{}", serde_json::to_string_pretty(&traces)?);
        } else {
            say!("{}", text::list(&traces));
        }
        return Ok(Exit::Done);
    }
    let call = match &arguments.call {
        Some(call) => call.clone(),
        None => {
            // On the Internet most of nobody's are attacks: these say nothing about a tenant that has calls.
            let sight = Sight { nobodys: tenant == NOBODYS, ..arguments.sight() };
            let Traces { calls, refused, .. } =
                ask::list(admin_client, &tenant, arguments.from.as_deref(), 1, sight).await;
            let (last, later) = (calls.first(), refused.first());
            if let Some(later) = later.filter(|later| last.is_none_or(|last| last.began_at < later.began_at)) {
                eprintln!("{}", refused_later(later));
            }
            last.ok_or_else(|| unknown(&arguments.nothing_fits()))?.conn_id.clone()
        }
    };
    let answers = ask::call(admin_client, &tenant, &call, arguments.sight()).await;
    let now = SystemClock::start().now().as_micros() as f64 / 1_000.0;
    let Some(trace) = explain(&tenant, &answers, !arguments.numbers, now) else {
        return Err(unknown(&nobody_knows(&call, &tenant, &answers)).into());
    };
    if arguments.follow {
        return Following::call(options, arguments, tenant, call).run().await;
    }
    if arguments.json {
        say_line!("{}", serde_json::to_string_pretty(&trace)?);
    } else {
        say!("{}", text::page(&trace));
    }
    Ok(Exit::Done)
}

/// What is said of a dialog that was refused after the latest call had come: it is what one looks for.
fn refused_later(dialog: &Brief) -> String {
    format!(
        "a later INVITE, from {} to {} at {} UTC, was refused before it became a call: {}; `trunkline trace '{}'` shows it",
        dialog.from,
        dialog.to,
        text::clock(dialog.began_at),
        dialog.last_event.as_deref().unwrap_or_default(),
        dialog.conn_id,
    )
}

/// The named tenant, or the only one that has calls.
async fn tenant(
    options: &InstallationOptions,
    arguments: &Arguments,
    admin_client: &AdminClient,
) -> anyhow::Result<String> {
    let Some(tenants) = ask::tenants(admin_client).await else {
        let message = format!("no role of instance {} answers: it does not run", options.instance);
        return Err(ExitError::new(Exit::NotRunning, message).into());
    };
    if let Some(tenant) = &arguments.tenant {
        // A tenant with recorded calls needs no check; for the others, check that they exist.
        if !tenants.contains(tenant) && tenant != NOBODYS {
            let id = TenantId::parse(tenant).map_err(|e| ExitError::new(Exit::Usage, format!("--tenant: {e}")))?;
            token::check_tenant(options, &id).await?;
        }
        return Ok(tenant.clone());
    }
    let mut tenants = tenants.into_iter();
    match (tenants.next(), tenants.next()) {
        (Some(only), None) => Ok(only),
        // A dialog that was refused at the edge has no tenant, and may be the only record.
        (None, _) => Ok(NOBODYS.to_owned()),
        (Some(one), Some(other)) => {
            let all: Vec<String> = [one, other].into_iter().chain(tenants).collect();
            let message = format!("calls of several tenants are remembered: say --tenant, one of {}", all.join(", "));
            Err(ExitError::new(Exit::Usage, message).into())
        }
    }
}

/// Why no role knows a call, as far as it can be determined.
fn nobody_knows(call: &str, tenant: &str, answers: &[Answer]) -> String {
    let known = || answers.iter().filter_map(|answer| answer.known.as_ref().ok());
    let oldest = known().filter_map(|known| known.since).min();
    let keeps = known().map(|known| known.keeps).max().unwrap_or_default();
    let mut message = format!("no role remembers a call {call} of tenant {tenant}");
    match oldest {
        None => message.push_str(": nothing is recorded (trace.record is off)"),
        Some(since) => message.push_str(&format!(
            ": it never was, or it is forgotten; calls are remembered for {} min, and since {} UTC",
            keeps / 60,
            text::clock(since as f64 / 1_000.0)
        )),
    }
    let silent: Vec<&str> =
        answers.iter().filter(|answer| answer.known.is_err()).map(|answer| answer.node.as_str()).collect();
    if !silent.is_empty() {
        message.push_str(&format!("; not asked, since they do not answer: {}", silent.join(", ")));
    }
    message
}

fn unknown(message: &str) -> ExitError {
    ExitError::new(Exit::Unknown, message)
}
