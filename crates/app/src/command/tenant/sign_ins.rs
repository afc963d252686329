//! `trunkline tenant sign-ins`: what has happened at signing in.

use std::time::Duration;

use clap::{Args, ValueEnum};
use contracts::json::{read_rfc3339, rfc3339};
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use contracts::spreadsheet;
use infra::{AuditPage, Clock as _, SystemClock};
use model::Timestamp;
use runtime::exit::{Exit, ExitError};
use serde_json::json;

use super::{InstallationOptions, executor, is_known, no_tenant, tenant_id};

pub(super) const EXAMPLES: &str = "\
Examples:
  trunkline tenant sign-ins acme
  trunkline tenant sign-ins acme --person ann --since 7d
  trunkline tenant sign-ins acme --event refused --since 2026-07-01T00:00:00Z --limit 1000
  trunkline tenant sign-ins acme --since 30d --limit 100000 --format csv > sign-ins.csv

--since is a time as RFC 3339 has it, or how long ago, as 30m, 24h or 7d. Events are signed_in, refused, locked_out,
second_factor_set, second_factor_removed, password_changed, session_ended, token_family_reused, client_token, revoked,
signed_out, api_key_created, api_key_used (from an address), api_key_revoked and passkey_copied. With * as tenant it is
what is of the installation: key_rotated, and refused and locked_out at sign-ins for no tenant.";

/// In the place of a tenant: what is of the installation.
const INSTALLATION: &str = "*";
/// Records that are read at once.
const AT_ONCE: u32 = 500;

#[derive(Args)]
pub struct Arguments {
    /// The tenant's id
    tenant: String,
    /// Only about the person with this user name
    #[arg(long, value_name = "USER")]
    person: Option<String>,
    /// Only this event, as refused
    #[arg(long, value_name = "EVENT", value_parser = event)]
    event: Option<SignInEvent>,
    /// Only from then on: a time, or how long ago, as 24h
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// The most records
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// How they are written
    #[arg(long, value_enum, default_value_t = AuditFormat::Table)]
    format: AuditFormat,
}

/// How records are written.
#[derive(Clone, Copy, ValueEnum)]
enum AuditFormat {
    /// A line each, for people
    Table,
    /// A JSON document a line
    Json,
    /// CSV (RFC 4180) with a head
    Csv,
}

fn event(name: &str) -> Result<SignInEvent, String> {
    SignInEvent::named(name)
        .ok_or_else(|| format!("it is none of {}", SignInEvent::ALL.map(SignInEvent::as_str).join(", ")))
}

pub(super) fn run(options: &InstallationOptions, arguments: &Arguments) -> anyhow::Result<()> {
    let tenant = tenant_id(&arguments.tenant)?;
    let since = arguments.since.as_deref().map(|text| since(text, SystemClock::start().now())).transpose()?;
    let mut left = arguments.limit;
    let mut page = AuditPage {
        subject: arguments.person.as_ref().map(|user| format!("person/{user}")),
        event: arguments.event,
        since,
        ..AuditPage::default()
    };
    executor()?.block_on(async {
        let stores = crate::stores::sign_in_audit(options.instance, &options.data_dir(), &options.values()?).await?;
        let (configuration, store) = stores;
        if arguments.tenant != INSTALLATION && !is_known(&*configuration, &tenant).await? {
            // What is noted of signing in may stay longer than the history.
            let any = AuditPage { limit: 1, ..AuditPage::default() };
            if store.noted(&tenant, &any).await?.records.is_empty() {
                return Err(anyhow::Error::from(no_tenant(&tenant)));
            }
        }
        if matches!(arguments.format, AuditFormat::Csv) {
            say!("{}", line_of_csv(HEAD));
        }
        while left > 0 {
            page.limit = left.min(AT_ONCE);
            let part = store.noted(&tenant, &page).await?;
            left = left.saturating_sub(u32::try_from(part.records.len()).unwrap_or(u32::MAX));
            for (_, record) in &part.records {
                match arguments.format {
                    AuditFormat::Table => say_line!("{}", line_of_table(record)),
                    AuditFormat::Json => say_line!("{}", as_json(record)),
                    AuditFormat::Csv => say!("{}", line_of_csv(fields(record).each_ref().map(String::as_str))),
                }
            }
            let Some(last) = part.last else { break };
            page.behind = Some(last);
        }
        Ok(())
    })
}

/// A time, or how long before `now`.
fn since(text: &str, now: Timestamp) -> Result<Timestamp, ExitError> {
    let ago = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let seconds = match unit {
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        Some(now - Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?))
    };
    let wrong = || format!("--since {text}: it is neither a time, as 2026-07-01T00:00:00Z, nor how long ago, as 24h");
    read_rfc3339(text).or_else(ago).ok_or_else(|| ExitError::new(Exit::Usage, wrong()))
}

fn line_of_table(record: &SignInRecord) -> String {
    let SignInRecord { at, event, way, subject, by, client, session: _, source, user_agent, times } = record;
    let subject = subject.as_deref().unwrap_or("(nobody of that name)");
    let subject = if *event == SignInEvent::KeyRotated { "the installation" } else { subject };
    let mut line = format!("{}  {:<21} {subject}", rfc3339(*at), event.as_str());
    if let Some(way) = way {
        line.push_str(&format!("  {}", way.as_str()));
    }
    if *times > 1 {
        line.push_str(&format!("  {times} times"));
    }
    for (said, what) in
        [("by", by.as_deref()), ("at", client.as_deref()), ("from", shown(source)), ("with", shown(user_agent))]
    {
        if let Some(what) = what {
            line.push_str(&format!("  {said} {what}"));
        }
    }
    line
}

fn shown(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn as_json(record: &SignInRecord) -> serde_json::Value {
    json!({
        "at": rfc3339(record.at),
        "event": record.event.as_str(),
        "way": record.way.map(SignInWay::as_str),
        "subject": record.subject,
        "by": record.by,
        "client": record.client,
        "session": record.session,
        "source": record.source,
        "user_agent": record.user_agent,
        "times": record.times,
    })
}

const HEAD: [&str; 10] = ["at", "event", "way", "subject", "by", "client", "session", "source", "user_agent", "times"];

fn fields(record: &SignInRecord) -> [String; 10] {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        rfc3339(record.at),
        record.event.as_str().to_owned(),
        record.way.map_or("", SignInWay::as_str).to_owned(),
        text(&record.subject),
        text(&record.by),
        text(&record.client),
        text(&record.session),
        record.source.clone(),
        record.user_agent.clone(),
        record.times.to_string(),
    ]
}

/// A line of CSV. What comes from strangers is no formula in anybody's table.
fn line_of_csv(fields: [&str; 10]) -> String {
    format!("{}\r\n", fields.map(|text| spreadsheet::field(text, &[','])).join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> SignInRecord {
        SignInRecord {
            at: Timestamp::from_millis(1_763_622_000_000),
            source: "192.0.2.1".to_owned(),
            user_agent: "=1+1, \"x\"".to_owned(),
            times: 3,
            ..SignInRecord::of(SignInEvent::Refused).by_way(SignInWay::Password).about_person("ann")
        }
    }

    #[test]
    fn since_is_a_time_or_how_long_ago() {
        let now = Timestamp::from_millis(1_763_622_000_000);
        let ago = |text: &str| since(text, now).map(|at| now.since(at).as_secs()).ok();
        assert_eq!((ago("30m"), ago("24h"), ago("7d")), (Some(1_800), Some(86_400), Some(604_800)));
        assert_eq!(ago("2025-11-20T06:59:59Z"), Some(1));
        for wrong in ["", "h", "-1h", "7w", "yesterday", "ü"] {
            assert_eq!(ago(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_record_is_a_line_and_no_formula() {
        let line = "2025-11-20T07:00:00.000000Z  refused               person/ann  password  3 times  from 192.0.2.1  \
                    with =1+1, \"x\"";
        assert_eq!(line_of_table(&refused()), line);
        let csv = line_of_csv(fields(&refused()).each_ref().map(String::as_str));
        let expected =
            "2025-11-20T07:00:00.000000Z,refused,password,person/ann,,,,192.0.2.1,\"'=1+1, \"\"x\"\"\",3\r\n";
        assert_eq!(csv, expected);
        assert_eq!(as_json(&refused())["way"], "password");
    }
}
