//! The way out: by which trunks a number outside is called, in which order, and which number they show.

use model::plan::{Caller, Contact, DayLimit, Destination, OutgoingLimit, Outside, OutsideLimits, PlanAnswer, Way};
use model::turns::in_turn;
use model::{Dn, Entropy, Timestamp};

use super::rules::{EmergencyNumber, Spending, SpentBy};
use super::{NOT_SHOWN, Question, TenantPlan, reject, typed, unknown, with_country};

/// How long a number outside may ring, in milliseconds: a carrier itself ends most calls sooner.
pub const OUTSIDE_NO_ANSWER_MS: u64 = 90_000;
/// The most trunks that one call tries in turn; further ones are left out. Who calls waits for each of them.
pub const TRUNKS_TRIED_MAX: usize = 8;

/// A trunk by which calls go out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutsideTrunk {
    /// Its name.
    pub name: String,
    /// What the numbers that lead to it begin with. Of several trunks, those with the longest prefix take a call.
    pub prefix: String,
    /// Where it takes calls: `host:port`, with `;transport=tcp` or `;transport=tls` where that is wanted.
    pub contact: String,
    /// The number that is shown to who is called.
    pub caller_id: Option<String>,
    /// Its place among trunks of one prefix: the lowest is tried first.
    pub priority: u32,
    /// Its share of the calls among trunks of one prefix and priority; 0 takes those that no other takes.
    pub weight: u32,
    /// How long it may say nothing before the next one is tried, in milliseconds.
    pub try_ms: u64,
    /// Whether we register with its carrier, which may want calls to go by a way of its own.
    pub registers: bool,
}

/// Trunks that take the calls to some numbers together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkGroup {
    /// Its name.
    pub name: String,
    /// What these numbers begin with. Of groups and trunks, those with the longest prefix take a call, and groups before trunks.
    pub prefix: String,
    /// Its trunks.
    pub members: Vec<TrunkOfGroup>,
}

/// A trunk of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkOfGroup {
    /// The trunk.
    pub trunk: String,
    /// Its place: the lowest is tried first.
    pub order: u32,
    /// Its share of the calls among those of one place; 0 takes those that no other takes.
    pub weight: u32,
}

/// A trunk that leads to a number, with its place in the order and its share among those of one place.
struct Leading<'a> {
    trunk: &'a OutsideTrunk,
    order: u32,
    weight: u32,
}

/// The trunks that lead to a number outside.
pub(super) fn lead_out(
    plan: &TenantPlan,
    question: &Question<'_>,
    number: &str,
    entropy: &mut dyn Entropy,
    notes: &mut Vec<String>,
) -> Destination {
    let group = trunks_to(plan, number, question.now, notes);
    // `+` begins a number, and stands nowhere else (RFC 3966 section 5.1.4). No country begins with 0 (E.164): a carrier that leaves out the
    // `+` would read another number than our rules do.
    let is_diallable = !number.starts_with("+0")
        && number
            .strip_prefix('+')
            .unwrap_or(number)
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"*#".contains(&byte))
        && number.bytes().any(|byte| byte.is_ascii_digit());
    let (false, true, Ok(dn)) = (group.is_empty(), is_diallable, Dn::parse(number)) else { return unknown() };
    if let Caller::Trunk { .. } = question.caller {
        // Whoever reaches a tenant from outside must not call elsewhere at its cost.
        return reject(403, "it is none of the tenant's numbers, and calls from outside do not go out again");
    }
    let (read, with_plus) = (as_carriers_read(plan, number), format!("+{}", number.trim_start_matches('+')));
    let forms = [number, &with_plus].into_iter().chain(read.iter().map(String::as_str));
    let forms: Vec<&str> = forms.collect();
    if let Some(rule) = forms.iter().find_map(|form| plan.rules.blocked(form)) {
        notes.push(format!("blocked by the rule {}", rule.name));
        return reject(403, &rule.reason);
    }
    let limits =
        OutsideLimits { at_once: at_once(plan, question.caller), a_day: a_day(plan, question, &forms), counts: false };
    let in_order = in_turn(group, |leading| (leading.order, leading.weight), entropy);
    let ways = in_order.into_iter().map(|Leading { trunk, .. }| {
        if let Some(rule) = plan.rules.caller_id(number, &trunk.name) {
            notes.push(format!("shows a number by the rule {}", rule.name));
        }
        Way { limits: limits.clone(), ..way(plan, trunk, number) }
    });
    let mut ways: Vec<Way> = ways.collect();
    if let Some(asked) = question.shows {
        let Some(shows) = may_show(plan, asked) else { return reject(403, NOT_SHOWN) };
        for way in ways.iter_mut().filter(|way| may_change(plan, way, &shows)) {
            notes.push(format!("shows {shows} by the trunk {}, as whoever calls wants", way.trunk));
            way.caller_id = Some(shows.clone());
        }
    }
    if let Some(first) = ways.first_mut() {
        first.limits.counts = true;
    }
    by(dn, ways)
}

/// A number that is to be shown, as the plan writes it: one of the tenant's own, or one that a trunk or a rule shows.
fn may_show(plan: &TenantPlan, asked: &str) -> Option<String> {
    let number = with_country(plan, typed(asked)?);
    let is_of_trunk = plan.trunks.iter().any(|trunk| trunk.caller_id.as_ref() == Some(&number));
    (is_of_trunk || plan.numbers.contains_key(number.as_str()) || plan.rules.shows(&number)).then_some(number)
}

/// Whether a call by this way may show that number in place of what the plan says: no rule and no trunk shows one there, or it is the trunk's.
/// A carrier may refuse calls that show a number of another one.
fn may_change(plan: &TenantPlan, way: &Way, shows: &str) -> bool {
    let is_of_trunk = |trunk: &OutsideTrunk| trunk.name == way.trunk && trunk.caller_id.as_deref() == Some(shows);
    way.caller_id.is_none() || plan.trunks.iter().any(is_of_trunk)
}

/// The trunks that lead to a number: those of its routes by their costs; without a route, those of the groups with the longest prefix; and
/// where trunks have a longer one, these by their priorities.
fn trunks_to<'a>(plan: &'a TenantPlan, number: &str, now: Timestamp, notes: &mut Vec<String>) -> Vec<Leading<'a>> {
    let mut routed: Vec<Leading<'_>> = Vec::new();
    for route in plan.rules.routes(number, now) {
        let Some(trunk) = plan.trunks.iter().find(|trunk| trunk.name == route.trunk) else { continue };
        // Of several rules with one trunk the first one applies.
        if !routed.iter().any(|known| known.trunk.name == trunk.name) {
            notes.push(format!("by the trunk {} at the cost {} by the rule {}", trunk.name, route.cost, route.name));
            routed.push(Leading { trunk, order: route.cost, weight: trunk.weight });
        }
    }
    if !routed.is_empty() {
        return routed;
    }
    let of_groups = plan.trunk_groups.iter().map(|group| group.prefix.as_str());
    let prefixes = of_groups.chain(plan.trunks.iter().map(|trunk| trunk.prefix.as_str()));
    let longest = prefixes.filter(|prefix| number.starts_with(*prefix)).map(str::len).max();
    let is_longest = |prefix: &str| Some(prefix.len()) == longest && number.starts_with(prefix);
    let grouped = by_groups(plan, plan.trunk_groups.iter().filter(|group| is_longest(&group.prefix)), notes);
    if !grouped.is_empty() {
        return grouped;
    }
    let of_prefix = plan.trunks.iter().filter(|trunk| is_longest(&trunk.prefix));
    of_prefix.map(|trunk| Leading { trunk, order: trunk.priority, weight: trunk.weight }).collect()
}

/// The trunks of groups. Of several groups with one trunk the first one says its place.
fn by_groups<'a>(
    plan: &'a TenantPlan,
    groups: impl Iterator<Item = &'a TrunkGroup>,
    notes: &mut Vec<String>,
) -> Vec<Leading<'a>> {
    let mut grouped: Vec<Leading<'_>> = Vec::new();
    for group in groups {
        notes.push(format!("by the trunk group {}", group.name));
        for member in &group.members {
            let Some(trunk) = plan.trunks.iter().find(|trunk| trunk.name == member.trunk) else { continue };
            if !grouped.iter().any(|known| known.trunk.name == trunk.name) {
                grouped.push(Leading { trunk, order: member.order, weight: member.weight });
            }
        }
    }
    grouped
}

/// The numbers that a carrier may make of this one: many leave out `*` and `#`, and the national prefix behind that of the country, however
/// often it stands there.
fn as_carriers_read(plan: &TenantPlan, number: &str) -> Vec<String> {
    let without_prefix = |number: &String| {
        let (country, national) = (plan.country_prefix.as_ref()?, plan.national_prefix.as_ref()?);
        let rest = number.strip_prefix(country.as_str())?.strip_prefix(national.as_str())?;
        (!national.is_empty()).then(|| format!("{country}{rest}"))
    };
    let number = with_country(plan, number.replace(['*', '#'], ""));
    std::iter::successors(Some(number), without_prefix).collect()
}

/// The way of an emergency call: by the trunk of its rule, then by every other one.
pub(super) fn emergency(plan: &TenantPlan, rule: &EmergencyNumber, number: &str) -> PlanAnswer {
    let mut trunks: Vec<&OutsideTrunk> = plan.trunks.iter().collect();
    let is_meant = |trunk: &OutsideTrunk| rule.trunk.as_ref() == Some(&trunk.name);
    let leads = |trunk: &OutsideTrunk| number.starts_with(&trunk.prefix);
    trunks.sort_by_key(|trunk| (!is_meant(trunk), !leads(trunk), trunk.priority));
    let ways = trunks.into_iter().map(|trunk| Way { is_emergency: true, ..way(plan, trunk, number) });
    let destination = match Dn::parse(number) {
        Ok(dn) => by(dn, ways.collect()),
        Err(_) => unknown(),
    };
    PlanAnswer { notes: vec![format!("an emergency number by the rule {}", rule.name)], ..destination.into() }
}

/// The number that a call by this trunk shows: that of a rule, else the trunk's own.
fn shown(plan: &TenantPlan, trunk: &OutsideTrunk, number: &str) -> Option<String> {
    let rule = plan.rules.caller_id(number, &trunk.name);
    rule.map(|rule| rule.shows.clone()).or_else(|| trunk.caller_id.clone())
}

fn by(number: Dn, ways: Vec<Way>) -> Destination {
    let mut ways = ways.into_iter().take(TRUNKS_TRIED_MAX);
    let Some(first) = ways.next() else { return reject(503, "no trunk leads there") };
    Destination::Outside(Outside { number, way: first, further: ways.collect(), no_answer_ms: OUTSIDE_NO_ANSWER_MS })
}

/// How a number is called by a trunk.
pub(super) fn way(plan: &TenantPlan, trunk: &OutsideTrunk, number: &str) -> Way {
    let caller_id = shown(plan, trunk, number);
    let sent = plan.rules.sent(number, &trunk.name).unwrap_or_else(|| number.to_owned());
    let uri = format!("sip:{}@{}", sent.replace('#', "%23"), trunk.contact);
    Way {
        trunk: trunk.name.clone(),
        contact: Contact::new(uri, Vec::new()),
        caller_id,
        try_ms: trunk.try_ms,
        is_emergency: false,
        limits: OutsideLimits::default(),
    }
}

/// What may be spent on the number in a day, by the phone that calls, by its agent, and by all. Who that agent is, the stores know.
fn a_day(plan: &TenantPlan, question: &Question<'_>, forms: &[&str]) -> Vec<DayLimit> {
    let phone = match question.caller {
        Caller::Phone(phone) => Some(phone),
        _ => None,
    };
    let is_of_all = |rule: &Spending| rule.per == SpentBy::Tenant;
    let rules = plan.rules.spending(forms).filter(|rule| is_of_all(rule) || phone.is_some());
    let limit = |rule: &Spending| DayLimit {
        rule: rule.name.clone(),
        phone: phone.filter(|_| !is_of_all(rule)).cloned(),
        per_agent: rule.per == SpentBy::Agent,
        agent: None,
        calls: rule.calls,
        minutes: rule.minutes,
        day_ends: plan.days.end(question.now),
    };
    rules.map(limit).collect()
}

/// How many calls outside the phone may have that calls.
fn at_once(plan: &TenantPlan, caller: &Caller) -> Option<OutgoingLimit> {
    let Caller::Phone(phone) = caller else { return None };
    let most = plan.extensions.get(phone.as_str())?.outgoing_max?;
    Some(OutgoingLimit { phone: phone.clone(), most })
}
