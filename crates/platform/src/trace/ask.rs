//! Queries every role for its record of a call, until all keys of the call are known.

use std::collections::BTreeSet;

use net::admin::{AdminClient, NoAnswer, ReplicaAnswer};
use runtime::trace::entry::{RoleTrace, Summary};
use runtime::trace::serve::Tenants;

use super::Answer;
use super::document::{Brief, Traces};

/// Maximum of keys passed to the roles: their paths have a limit.
const NAMES_MAX: usize = 48;
/// Roles know a call by different keys: SIP nodes by its dialogs, others by its ConnID. Two rounds give every role all
/// keys.
const ROUNDS: usize = 2;

/// What the client may see.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// Phone numbers in full.
    pub numbers: bool,
    /// Dialogs of unknown tenant.
    pub nobodys: bool,
}

/// Everything that all roles know of the call.
pub async fn call(admin: &AdminClient, tenant: &str, call: &str, sight: Sight) -> Vec<Answer> {
    let Sight { numbers, nobodys } = sight;
    let (of, wants) = (escape(tenant), format!("numbers={numbers}&nobodys={nobodys}"));
    let mut names = BTreeSet::new();
    let mut answers = Vec::new();
    for _ in 0..ROUNDS {
        let also: Vec<String> = names.iter().take(NAMES_MAX).map(|name: &String| escape(name)).collect();
        let path = format!("/trace/{of}/{}?{wants}&also={}", escape(call), also.join("%20"));
        answers = admin.ask(&path).await.iter().filter_map(answer).collect();
        let before = names.len();
        for known in answers.iter().filter_map(|answer: &Answer| answer.known.as_ref().ok()) {
            names.extend(known.conn_ids.iter().chain(&known.uuids).chain(&known.call_ids).cloned());
        }
        if names.len() == before {
            break;
        }
    }
    answers
}

/// The latest calls, and the latest dialogs that were refused before they became calls.
pub async fn list(admin: &AdminClient, tenant: &str, from: Option<&str>, limit: usize, sight: Sight) -> Traces {
    let mut traces = latest(admin, tenant, from, limit, sight.numbers).await;
    add_refused(&mut traces, admin, from, limit, sight).await;
    traces
}

/// The latest calls, newest first; `refused` stays empty.
pub async fn latest(admin: &AdminClient, tenant: &str, from: Option<&str>, limit: usize, numbers: bool) -> Traces {
    let from = from.map(|from| format!("&from={}", escape(from))).unwrap_or_default();
    let path = format!("/trace/{}?limit={limit}&numbers={numbers}{from}", escape(tenant));
    let mut traces = Traces { tenant: tenant.to_owned(), ..Traces::default() };
    for told in admin.ask(&path).await.iter().filter(|told| told.listener.role == "sip-cluster") {
        match told.json::<Vec<Summary>>() {
            Some(calls) => traces.calls.extend(calls.into_iter().map(Brief::from)),
            None => traces.missing.push(format!("{} has not answered: its calls are missing", told.listener.node)),
        }
    }
    traces.calls.sort_by(|a, b| b.conn_id.cmp(&a.conn_id));
    traces.calls.dedup_by(|a, b| a.conn_id == b.conn_id);
    traces.calls.truncate(limit);
    traces
}

/// Adds the dialogs that were refused before they became calls.
async fn add_refused(traces: &mut Traces, admin: &AdminClient, from: Option<&str>, limit: usize, sight: Sight) {
    let Sight { numbers, nobodys } = sight;
    let from = from.map(|from| format!("&from={}", escape(from))).unwrap_or_default();
    let path = format!(
        "/trace/{}?refused=true&limit={limit}&numbers={numbers}&nobodys={nobodys}{from}",
        escape(&traces.tenant)
    );
    for told in admin.ask(&path).await.iter().filter(|told| told.listener.role == "sip-proxy") {
        match told.json::<Vec<Summary>>() {
            Some(dialogs) => traces.refused.extend(dialogs.into_iter().map(Brief::from)),
            None => traces.missing.push(format!("{} has not answered: what it refused is missing", told.listener.node)),
        }
    }
    traces.refused.sort_by(|a, b| b.began_at.total_cmp(&a.began_at));
    traces.refused.truncate(limit);
}

/// The tenants with recorded calls; `None` if no role answers.
pub async fn tenants(admin: &AdminClient) -> Option<BTreeSet<String>> {
    let told: Vec<Tenants> = admin.ask("/trace").await.iter().filter_map(ReplicaAnswer::json).collect();
    (!told.is_empty()).then(|| told.into_iter().flat_map(|of_role| of_role.tenants).collect())
}

/// A role that does not run is named only if a part of the call is missing without it.
fn answer(told: &ReplicaAnswer) -> Option<Answer> {
    let known = match &told.answer {
        Ok(_) => match told.json::<RoleTrace>() {
            Some(known) => Ok(known),
            None => Err(format!("it answered {}", told.answer.as_ref().map_or(0, |answer| answer.status.as_u16()))),
        },
        Err(NoAnswer::NotThere) => Err("it does not run".to_owned()),
        Err(other) => Err(other.to_string()),
    };
    Some(Answer { role: told.listener.role.to_owned(), node: told.listener.node.clone(), known })
}

/// Escapes characters that are not allowed in a path or query (RFC 3986 §2).
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
