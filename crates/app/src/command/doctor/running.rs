//! Checks of a running instance: roles, connections, phones, agents, calls.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use contracts::carrier_registration::CarrierRegistration;
use contracts::provisioning::{DnKind, TenantObjects};
use contracts::v1::{AgentStatus, CallStatus, PartyState, Snapshot, WorkMode};
use model::{TenantId, Timestamp};
use runtime::topology::{RowState, Topology};

use super::finding::{Finding, some_of};
use super::situation::Situation;

/// By then a role has queried again every role that did not answer at first.
const SETTLED_AFTER_MS: u64 = 10_000;
/// A role with more starts than this fails repeatedly.
const LIVES_MANY: u32 = 3;
/// After-call work longer than this is stuck.
const WRAP_UP_LONG: Duration = Duration::from_secs(15 * 60);
/// Not ready for longer than a shift: an agent went home without logging out.
const NOT_READY_LONG: Duration = Duration::from_secs(12 * 3_600);
/// The connections to carriers, which are no role.
const TO_CARRIERS: &str = "voice-59";
/// The party of the connections of discovery, which is no role.
const CONSUL: &str = "consul";
/// Longer than any phone rings.
const ALERTING_LONG: Duration = Duration::from_secs(5 * 60);
/// Longer than any caller waits.
const QUEUED_LONG: Duration = Duration::from_secs(3_600);
/// A call without events for this time.
const CALL_LONG: Duration = Duration::from_secs(6 * 3_600);

/// Reports roles that do not answer, are not ready, or were restarted.
pub fn roles(situation: &Situation) -> Vec<Finding> {
    let mut found = Vec::new();
    for role in situation.topology.iter().flat_map(|topology| &topology.roles) {
        if role.pid.is_none() {
            let remedy = "start it (`trunkline up`, or `trunkline run ROLE`); see its process's log for why it ended";
            found.push(Finding::error(&role.node, role.missing.join("; "), remedy));
        } else if !role.ready {
            let remedy =
                "the reason names what it waits for: see to that first; other roles' findings may be its consequence";
            found.push(Finding::error(&role.node, format!("it is not ready: {}", role.missing.join("; ")), remedy));
        }
        let lives = role.lives.unwrap_or(1);
        if lives > 1 {
            let what = format!("it failed and was restarted {} times", lives - 1);
            let remedy = "the log says why: look for \"role failed\"";
            found.push(if lives > LIVES_MANY {
                Finding::error(&role.node, what, remedy)
            } else {
                Finding::warning(&role.node, what, remedy)
            });
        }
    }
    found
}

/// Reports connections that are missing or fail.
pub fn connections(situation: &Situation) -> Vec<Finding> {
    let rows = situation.topology.iter().flat_map(|topology: &Topology| &topology.connections);
    let broken = rows.filter(|row| match row.state {
        RowState::Missing => row.same_as.is_empty(),
        // A role that has just started may have queried another one before that was ready; it retries.
        RowState::Failing => row.same_as.is_empty() && !has_just_begun(situation, &row.from),
        _ => false,
    });
    let finding = |row: &runtime::topology::Row| {
        let place = format!("{} ({} → {})", row.id, row.from, row.to);
        let what = format!(
            "it {}: {}",
            if row.state == RowState::Missing { "is missing" } else { "fails" },
            row.why.join("; ")
        );
        let remedy = match &*row.id {
            TO_CARRIERS => {
                "see to the trunks whose `contact` leads to TCP or TLS: `trunkline doctor trunk NAME` tries one"
                    .to_owned()
            }
            _ if row.to == CONSUL => {
                "see to the Consul agent of `discovery.consul_url`: meanwhile the last addresses that it gave stay in force".to_owned()
            }
            _ => format!("see the log of {} and whether {} runs and is ready", row.from, row.to),
        };
        Finding::error(place, what, remedy)
    };
    broken.map(finding).collect()
}

/// Whether a replica of the role started its present run within the last 10 s.
fn has_just_begun(situation: &Situation, role: &str) -> bool {
    let replicas = situation.topology.iter().flat_map(|topology| &topology.roles).filter(|row| row.role == role);
    let age = |row: &runtime::topology::RoleRow| Some(row.clock?.saturating_sub(row.since?));
    replicas.filter_map(age).any(|age_ms| age_ms < SETTLED_AFTER_MS)
}

/// Reports the registrations with carriers: those that are not there, and for information those that are.
pub fn carriers(situation: &Situation) -> Vec<Finding> {
    let mut found = Vec::new();
    for one in situation.tenants() {
        let wants = one.objects.trunks.iter().filter(|trunk| trunk.registers().is_some());
        for trunk in wants {
            let place = format!("tenant {}, trunk {}", one.tenant, trunk.name);
            let known = one.carriers.as_ref().map(|known| known.iter().find(|row| row.trunk == trunk.name));
            found.push(match known {
                Some(Some(row)) => carrier(situation.now, place, row),
                Some(None) => {
                    let what = "registrar does not register it yet";
                    Finding::warning(place, what, "look again in some seconds; the log of registrar names the reason")
                }
                None => Finding::warning(place, "registrar does not answer", "see whether registrar runs and is ready"),
            });
        }
    }
    found
}

fn carrier(now: Timestamp, place: String, row: &CarrierRegistration) -> Finding {
    let ahead = |at: Option<u64>| at.map(|at| format!("{} s", Timestamp::from_millis(at).since(now).as_secs()));
    let next = match (row.asked_since_ms, ahead(row.next_try_ms)) {
        (Some(since), _) => {
            format!(
                "a REGISTER to {} is under way since {} s",
                row.registrar,
                now.since(Timestamp::from_millis(since)).as_secs()
            )
        }
        (None, Some(wait)) => format!("the next REGISTER is sent in {wait}"),
        (None, None) => "no REGISTER can be sent: no sip-proxy is connected".to_owned(),
    };
    let answer = match (&row.last_answer, row.last_at_ms) {
        (Some(answer), _) => format!("the last answer was {answer}"),
        (None, Some(_)) => "the last REGISTER had no answer".to_owned(),
        (None, None) => "no answer has come yet".to_owned(),
    };
    let problem = row.problem.as_deref().map_or_else(String::new, |problem| format!(" ({problem})"));
    let remedy = format!(
        "{}; `trunkline doctor trunk {}` tries it step by step",
        row.remedy.as_deref().unwrap_or("wait for the answer"),
        row.trunk
    );
    match ahead(row.registered_until_ms) {
        Some(left) if row.problem.is_none() => {
            let what = format!("it is registered as {} for {left} more; {answer}; {next}{}", row.user, way(row));
            Finding::notice(place, what, "nothing: it is as it should be")
        }
        Some(left) => {
            let what = format!("it is registered for only {left} more: {answer}{problem}; {next}");
            Finding::warning(place, what, remedy)
        }
        None => {
            Finding::error(place, format!("it is not registered with its carrier: {answer}{problem}; {next}"), remedy)
        }
    }
}

/// The way that calls go, if the carrier wants one (RFC 3608).
fn way(row: &CarrierRegistration) -> String {
    match (&row.service_route_fault, row.service_route.join(", ")) {
        (Some(why), _) => format!("; its Service-Route is not followed, {why}: calls go to `contact`"),
        (None, routes) if routes.is_empty() => String::new(),
        (None, routes) => format!("; calls go by its Service-Route {routes}"),
    }
}

/// Reports phones that are not registered, and wrong passwords.
pub fn phones(situation: &Situation) -> Vec<Finding> {
    let mut found = Vec::new();
    for one in situation.tenants() {
        let Some(snapshot) = &one.snapshot else {
            let remedy = "see whether the role tenant is ready";
            found.push(Finding::warning(format!("tenant {}", one.tenant), "its present state cannot be had", remedy));
            continue;
        };
        let in_service: HashSet<&str> = snapshot.dns_in_service.iter().map(String::as_str).collect();
        let away: Vec<String> =
            phones_of_people(&one.objects).into_iter().filter(|dn| !in_service.contains(dn.as_str())).collect();
        if !away.is_empty() {
            found.push(Finding::notice(
                format!("tenant {}", one.tenant),
                format!("{} phones of people are not registered: {}", away.len(), some_of(&away)),
                "a phone that should be there: check its registrar address, user and password (docs/your-own-phone.md)",
            ));
        }
    }
    let refused = situation.metric("sip-proxy", "sip_proxy_wrong_password_refused");
    let wrong = situation.metric("sip-proxy", "sip_proxy_wrong_passwords");
    let remedy = "the log names their addresses (\"wrong password\", at level info), and the trunk of who calls by one; correct the password there";
    if refused > 0.0 {
        let what = format!("phones or trunks with too many wrong passwords are held off: {refused} requests refused");
        found.push(Finding::warning("sip-proxy", what, remedy));
    } else if wrong > 0.0 {
        found.push(Finding::notice("sip-proxy", format!("{wrong} wrong passwords of phones or trunks"), remedy));
    }
    found
}

/// The numbers of the phones at people's places.
fn phones_of_people(objects: &TenantObjects) -> Vec<String> {
    let at_places: HashMap<&str, &[String]> =
        objects.places.iter().map(|place| (place.name.as_str(), place.dns.as_slice())).collect();
    let extensions: HashSet<&str> = objects
        .dns
        .iter()
        .filter(|dn| matches!(dn.kind, DnKind::Extension { .. }))
        .map(|dn| dn.number.as_str())
        .collect();
    let places = objects.people.iter().filter_map(|person| person.agent.as_ref()?.default_place.as_deref());
    let dns = places.filter_map(|place| at_places.get(place)).flat_map(|dns| dns.iter());
    dns.filter(|dn| extensions.contains(dn.as_str())).cloned().collect()
}

/// Reports agents without a phone, or in one state too long.
pub fn agents(situation: &Situation) -> Vec<Finding> {
    each_snapshot(situation, |tenant, snapshot| {
        let in_service: HashSet<&str> = snapshot.dns_in_service.iter().map(String::as_str).collect();
        let odd = |agent: &AgentStatus| odd_agent(tenant, agent, &in_service, situation.now);
        snapshot.agents.iter().filter_map(odd).collect()
    })
}

fn odd_agent(tenant: &TenantId, agent: &AgentStatus, in_service: &HashSet<&str>, now: Timestamp) -> Option<Finding> {
    let place = format!("tenant {tenant}, agent {} at {}", agent.agent, agent.dn);
    if !in_service.contains(agent.dn.as_str()) {
        let what = if agent.ready { "ready" } else { "logged in" };
        return Some(Finding::error(
            place,
            format!("the agent is {what} at a phone that is not registered: no call can be delivered"),
            "let the phone register, or log the agent out",
        ));
    }
    let since = now.since(Timestamp::from_micros(agent.since_us));
    let in_wrap_up = agent.work_mode == Some(WorkMode::AfterCallWork.into());
    if !agent.ready && in_wrap_up && since > WRAP_UP_LONG {
        let what = format!("the agent has been in after-call work for {}", in_words(since));
        return Some(Finding::warning(place, what, "ask the agent to become ready or to log out"));
    }
    if !agent.ready && since > NOT_READY_LONG {
        let what = format!("the agent has been not ready for {}", in_words(since));
        return Some(Finding::warning(place, what, "log the agent out, if nobody is there"));
    }
    None
}

/// Reports calls that have been in one state too long.
pub fn calls(situation: &Situation) -> Vec<Finding> {
    each_snapshot(situation, |tenant, snapshot| {
        snapshot.calls.iter().filter_map(|call| odd_call(tenant, call, situation.now)).collect()
    })
}

fn odd_call(tenant: &TenantId, call: &CallStatus, now: Timestamp) -> Option<Finding> {
    let since = |at_us| now.since(Timestamp::from_micros(at_us));
    let is_in = |state: PartyState, limit| {
        let in_it = call.parties.iter().filter(|party| party.state == i32::from(state));
        in_it.map(|party| (party, since(party.since_us))).find(|(_, time)| *time > limit)
    };
    let id = call.call.as_ref().map(|call| format!("{:016x}", call.conn_id)).unwrap_or_default();
    let place = format!("tenant {tenant}, call {id}");
    let remedy =
        format!("`trunkline trace {id}` tells what happened to it; a supervisor may release it (TReleaseCall)");
    let odd = |what: String| Some(Finding::warning(&place, what, remedy.clone()));
    if let Some((party, time)) = is_in(PartyState::Alerting, ALERTING_LONG) {
        return odd(format!("it has rung at {} for {}", party.dn, in_words(time)));
    }
    if let Some((party, time)) = is_in(PartyState::Queued, QUEUED_LONG) {
        return odd(format!("it has waited at {} for {}", party.dn, in_words(time)));
    }
    let silent = since(call.changed_at_us);
    if silent > CALL_LONG {
        return odd(format!("nothing has happened to it for {}", in_words(silent)));
    }
    None
}

fn each_snapshot(situation: &Situation, look: impl Fn(&TenantId, &Snapshot) -> Vec<Finding>) -> Vec<Finding> {
    let snapshots = situation.tenants().iter().filter_map(|one| Some((&one.tenant, one.snapshot.as_ref()?)));
    snapshots.flat_map(|(tenant, snapshot)| look(tenant, snapshot)).collect()
}

/// Reports quarantined records, and faults that cost a call.
pub fn quarantine(situation: &Situation) -> Vec<Finding> {
    let mut found = Vec::new();
    for one in situation.tenants() {
        let named: Vec<String> = one.quarantine.iter().map(|row| format!("{} {}", row.ledger, row.key)).collect();
        let Some(last) = one.quarantine.iter().max_by_key(|row| row.since) else { continue };
        let what = format!(
            "{} in quarantine: {}; the last one {} ago: {}",
            if named.len() == 1 { "a record is".to_owned() } else { format!("{} records are", named.len()) },
            some_of(&named),
            in_words(situation.now.since(Timestamp::from_millis(last.since))),
            last.why
        );
        let remedy =
            "report it with what `trunkline quarantine show` prints; `release` tries it again, `discard` drops it";
        found.push(Finding::warning(format!("tenant {}", one.tenant), what, remedy));
    }
    let faults = situation.metric("sip-cluster", "sipcluster_faults");
    if faults > 0.0 {
        let what = format!("{faults} faults inside ended the call that they concerned");
        let folder = situation.data_dir.join(runtime::fault::FOLDER);
        let remedy = format!("report them with the files in {}: they hold no numbers and no secrets", folder.display());
        found.push(Finding::warning("sip-cluster", what, remedy));
    }
    found
}

/// Reports statistics of port 2060 that began at zero, cannot be kept, or have faults.
pub fn statistics(situation: &Situation) -> Vec<Finding> {
    let count = |name: &str| situation.metric("tenant", name);
    let mut found = Vec::new();
    let begun_anew = count("tenant_statistics_begun_anew");
    if begun_anew > 0.0 {
        let what = format!("statistics of tenants began at zero {begun_anew} times since tenant was started");
        let remedy = "the log names the tenants and why; `counts_since_us` of each value says since when it counts";
        found.push(Finding::notice("tenant", what, remedy));
    }
    let faults = count("tenant_statistics_faults");
    if faults > 0.0 {
        let what = format!("{faults} faults inside ended the counting of a tenant's statistics, which began again");
        let folder = situation.data_dir.join(runtime::fault::FOLDER);
        found.push(Finding::warning("tenant", what, format!("report them with the files in {}", folder.display())));
    }
    let failed = count("tenant_statistics_writes_failed");
    if failed > 0.0 {
        let what = format!("statistics could not be kept {failed} times");
        let remedy = "see whether Redis is there and has room: what is not kept is counted from the stream again";
        found.push(Finding::notice("tenant", what, remedy));
    }
    found
}

/// Checks that the program contains the web pages.
pub fn web_pages(situation: &Situation) -> Vec<Finding> {
    match &situation.first_page {
        Some((200, content_type)) if content_type.starts_with("text/html") => Vec::new(),
        // Off this machine the pages are at HTTPS alone.
        Some((308, _)) => Vec::new(),
        Some((status, _)) => vec![Finding::notice(
            "ingress",
            format!("the first page is answered {status} without a page: the program was built without its web pages"),
            "build them with `script/web` (needs Node) and build the program again",
        )],
        None => vec![Finding::warning(
            "ingress",
            "the web edge does not answer",
            "see whether ingress is ready, and the setting ingress.web_listen",
        )],
    }
}

/// A time as text: minutes, then hours, then days.
fn in_words(time: Duration) -> String {
    match time.as_secs() {
        s @ 0..=7_199 => format!("{} min", s / 60),
        s @ 7_200..=172_799 => format!("{} h", s / 3_600),
        s => format!("{} days", s / 86_400),
    }
}
