//! The dial plan: what a dialled number means for a tenant. Pure functions over the tenant's plan.
//!
//! The order in which a number is looked up:
//!
//! 1. emergency numbers, which nothing else of the plan can stop;
//! 2. behind an access code of the caller's switch the DN of the other switch; else translated by the first rule that fits; what is an
//!    emergency number then is one; with the country's code from here on;
//! 3. feature codes;
//! 4. the tenant's own numbers, phones and route points; a number with business hours leads elsewhere while it is closed;
//! 5. outside: not blocked, and then by the trunks with the longest prefix.

use std::collections::HashMap;

use model::plan::{Caller, Destination, FeatureCode, PlanAnswer, Service, Way};
use model::request::ForwardMode;
use model::{Dn, Entropy, SharedMap, Timestamp};

mod day;
mod forwarding;
mod outside;
mod pattern;
mod rules;
mod schedule;
mod switches;

pub use day::Days;
pub use forwarding::{AtPhone, FORWARDS_MAX, PhoneSettings, PhoneState, forwarded_by};
pub use outside::{OUTSIDE_NO_ANSWER_MS, OutsideTrunk, TRUNKS_TRIED_MAX, TrunkGroup, TrunkOfGroup};
pub use pattern::{PATTERN_MAX, Pattern, PatternError};
pub use rules::{
    Blocked, CallerIdRule, DialRules, EmergencyNumber, OfTrunk, RULES_MAX, Route, Spending, SpentBy, Translation,
};
pub use schedule::{LINES_MAX, OpeningHours, OpeningHoursError};
pub use switches::{AccessCode, Switches};

/// The longest dialled number that is looked up, in bytes; a longer one is unknown (E.164 has 15 digits).
pub const DIALLED_MAX: usize = 64;
/// Why a call does not go out that is to show a number which is none of the tenant's.
pub const NOT_SHOWN: &str = "the number to be shown is none of the tenant's";
/// What is dialled by who calls the emergency service and no number of it (RFC 5031); for a part of the service, too.
pub const EMERGENCY_SERVICE: &str = "urn:service:sos";

/// A tenant's numbers as the dial plan sees them. Its keys are as [`resolve`] looks numbers up: without visual
/// separators, and with `+` in the place of international and national prefixes. Copies share what is the same in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantPlan {
    /// Numbers dialled from outside or inside, with the DN or service that answers each.
    pub numbers: SharedMap<String, NumberTarget>,
    /// Phones by their own number.
    pub extensions: SharedMap<String, Extension>,
    /// Route points by their own number.
    pub route_points: SharedMap<String, RoutePoint>,
    /// Feature codes, as `*50`.
    pub feature_codes: HashMap<String, DialledCode>,
    /// The prefix of a complete national number, as `+49`. Without it national numbers are unknown.
    pub country_prefix: Option<String>,
    /// The prefix dialled before a national number, as `0`; used with `country_prefix`.
    pub national_prefix: Option<String>,
    /// The prefix dialled before an international number, as `00`.
    pub international_prefix: Option<String>,
    /// The trunks by which calls go out.
    pub trunks: Vec<OutsideTrunk>,
    /// Groups of them.
    pub trunk_groups: Vec<TrunkGroup>,
    /// The business hours of numbers.
    pub hours: SharedMap<String, BusinessHours>,
    /// Rules about dialled numbers.
    pub rules: DialRules,
    /// When its days end.
    pub days: Days,
    /// Parts of its DNs.
    pub switches: Switches,
}

/// When a number is open, and where it leads else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusinessHours {
    /// The schedule's name.
    pub name: String,
    /// When it is open.
    pub schedule: OpeningHours,
    /// The DN or service that takes calls while it is closed.
    pub closed: Dn,
}

/// A number to be looked up.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// In whose name.
    pub caller: &'a Caller,
    /// The number, as it was dialled.
    pub dialled: &'a str,
    /// The time.
    pub now: Timestamp,
    /// Whether a phone forwards a call there.
    pub is_forwarded: bool,
    /// The number that whoever calls wants to show outside.
    pub shows: Option<&'a str>,
}

/// A feature code with its action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialledCode {
    /// The action.
    pub code: CodeAction,
    /// Whether the agent must type a PIN first.
    pub ask_pin: bool,
}

/// What a feature code does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeAction {
    /// Logs the agent of the phone in.
    Login,
    /// Logs the agent out.
    Logout,
    /// The agent takes calls.
    Ready,
    /// The agent takes no calls.
    NotReady,
    /// No call rings at the phone.
    DndOn,
    /// Calls ring there again.
    DndOff,
    /// Calls go on to the number that is dialled behind the code.
    Forward(ForwardMode),
    /// Calls go nowhere else any more.
    ForwardOff,
    /// Takes the call that rings at the phone whose number is dialled behind the code.
    Pickup,
    /// With the number behind it a slot at which a call is parked and fetched.
    Park,
}

/// The target of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NumberTarget {
    /// A route point or an extension, by its own number.
    Dn(Dn),
    /// A service of the switch itself.
    Service(Service),
}

impl TenantPlan {
    /// Whether no other call rings at the phone while it is in one.
    pub fn takes_one_call(&self, phone: &Dn) -> bool {
        self.extensions.get(phone.as_str()).is_some_and(|extension| !extension.call_waiting)
    }
}

/// A phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Its number.
    pub dn: Dn,
    /// How long it rings, in milliseconds.
    pub no_answer_ms: u64,
    /// Whether another call rings while it is in one.
    pub call_waiting: bool,
    /// How many calls outside it may have at a time; none without a limit.
    pub outgoing_max: Option<u32>,
}

/// A route point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePoint {
    /// Its number.
    pub dn: Dn,
    /// The application that it runs.
    pub application: String,
    /// Where calls go when no instruction comes.
    pub default_dn: Option<Dn>,
}

/// Resolves a dialled number to its destination. A phone's registrations are not known here: it comes without contacts. `entropy` draws
/// among trunks of equal priority.
pub fn resolve(plan: &TenantPlan, question: &Question<'_>, entropy: &mut dyn Entropy) -> PlanAnswer {
    let number = match question.dialled == EMERGENCY_SERVICE {
        true => plan.rules.number_for_help(),
        false => typed(question.dialled),
    };
    let Some(typed) = number else { return unknown().into() };
    let typed = match question.caller {
        Caller::Trunk { trunk, .. } => plan.rules.received(&typed, trunk).unwrap_or(typed),
        Caller::Phone(_) => typed,
    };
    if let Some(answer) = emergency(plan, question, &typed) {
        return answer;
    }
    let mut notes = Vec::new();
    let number = match switches::behind_access_code(plan, question.caller, &typed) {
        Some((switch, dn)) => {
            notes.push(format!("behind the access code of the switch {switch}"));
            dn.to_owned()
        }
        None => translated(plan, typed, &mut notes),
    };
    if let Some(answer) = emergency(plan, question, &number) {
        return answer;
    }
    let number = with_country(plan, number);
    if let Some(code) = feature(plan, question.caller, &number) {
        let forwarded = || reject(403, "calls are not forwarded to feature codes");
        return if question.is_forwarded { forwarded() } else { code }.into();
    }
    let destination = match closed(plan, &number, question.now) {
        Some(hours) => {
            notes.push(format!("closed by the schedule {}", hours.name));
            inside(plan, hours.closed.as_str()).unwrap_or_else(unknown)
        }
        None => match inside(plan, &number) {
            Some(inside) => inside,
            None if is_written_otherwise(plan, question.caller, &number) => reject(404, WRITTEN_OTHERWISE),
            None => outside::lead_out(plan, question, &number, entropy, &mut notes),
        },
    };
    PlanAnswer { notes, ..destination.into() }
}

/// How a number is called by one trunk, whichever trunks the plan would choose for it; `None` if it is no number, or no call goes out by that
/// trunk.
pub fn way_by(plan: &TenantPlan, trunk: &str, dialled: &str) -> Option<Way> {
    let trunk = plan.trunks.iter().find(|known| known.name == trunk)?;
    let typed = typed(dialled)?;
    let number = match plan.rules.emergency(&typed) {
        Some(_) => typed,
        None => with_country(plan, translated(plan, typed, &mut Vec::new())),
    };
    Some(outside::way(plan, trunk, &number))
}

/// The way of an emergency call of a phone; `None` if the number is no such.
fn emergency(plan: &TenantPlan, question: &Question<'_>, number: &str) -> Option<PlanAnswer> {
    // A route point asks as a phone does, for callers from outside.
    let is_phone = matches!(question.caller, Caller::Phone(dn) if plan.extensions.contains_key(dn.as_str()));
    let rule = plan.rules.emergency(number).filter(|_| is_phone)?;
    if question.is_forwarded {
        return Some(reject(403, "calls are not forwarded to emergency numbers").into());
    }
    Some(outside::emergency(plan, rule, number))
}

/// The business hours of a number that is closed now.
fn closed<'a>(plan: &'a TenantPlan, number: &str, now: Timestamp) -> Option<&'a BusinessHours> {
    plan.hours.get(number).filter(|hours| !hours.schedule.is_open(now))
}

/// What the number is within the tenant.
fn inside(plan: &TenantPlan, number: &str) -> Option<Destination> {
    match plan.numbers.get(number) {
        Some(NumberTarget::Service(service)) => Some(Destination::Service(service.clone())),
        Some(NumberTarget::Dn(dn)) => internal(plan, dn.as_str()),
        None => internal(plan, number),
    }
}

fn internal(plan: &TenantPlan, number: &str) -> Option<Destination> {
    if let Some(point) = plan.route_points.get(number) {
        return Some(Destination::RoutePoint {
            dn: point.dn.clone(),
            application: point.application.clone(),
            default_dn: point.default_dn.clone(),
        });
    }
    let extension = plan.extensions.get(number)?;
    Some(Destination::Extension {
        dn: extension.dn.clone(),
        contacts: Vec::new(),
        no_answer_ms: extension.no_answer_ms,
    })
}

/// The feature code that was dialled, with the number behind it.
fn feature(plan: &TenantPlan, caller: &Caller, number: &str) -> Option<Destination> {
    // Of several codes that a number begins with, the longest was meant.
    let begins = |(code, _): &(&String, &DialledCode)| number.starts_with(code.as_str());
    let (code, dialled) = plan.feature_codes.iter().filter(begins).max_by_key(|(code, _)| code.len())?;
    let behind = number.get(code.len()..).unwrap_or_default();
    if let Caller::Trunk { .. } = caller {
        // A caller behind a trunk must not log agents in, nor take calls of others.
        return Some(reject(403, "feature codes are for the tenant's phones"));
    }
    let code = match (dialled.code, behind) {
        (CodeAction::Pickup | CodeAction::Park, "") => {
            return Some(reject(484, "the phone or the slot is dialled behind the code"));
        }
        (CodeAction::Pickup, _) => return Some(Destination::Pickup { dn: Dn::parse(behind).ok()? }),
        (CodeAction::Park, _) => return Some(Destination::Park { slot: Dn::parse(number).ok()? }),
        (CodeAction::Forward(mode), _) if !behind.is_empty() => FeatureCode::Forward(mode, Dn::parse(behind).ok()?),
        (CodeAction::Forward(_), _) => {
            return Some(reject(484, "the number to which calls go is dialled behind the code"));
        }
        (_, behind) if !behind.is_empty() => return None,
        (CodeAction::Login, _) => FeatureCode::Login,
        (CodeAction::Logout, _) => FeatureCode::Logout,
        (CodeAction::Ready, _) => FeatureCode::Ready,
        (CodeAction::NotReady, _) => FeatureCode::NotReady,
        (CodeAction::DndOn, _) => FeatureCode::DndOn,
        (CodeAction::DndOff, _) => FeatureCode::DndOff,
        (CodeAction::ForwardOff, _) => FeatureCode::ForwardOff,
    };
    Some(Destination::FeatureCode { code, ask_pin: dialled.ask_pin })
}

/// Why a number is refused that a trunk has not written in full.
const WRITTEN_OTHERWISE: &str =
    "no such number, but in full it is one of the tenant's: a rule `receive` says how the trunk writes numbers";

fn unknown() -> Destination {
    reject(404, "no such number")
}

fn reject(status: u16, reason: &str) -> Destination {
    Destination::Reject { status, reason: reason.to_owned() }
}

/// Whether a number is the plan's own: it is then what was dialled, whatever else it could mean.
fn is_own(plan: &TenantPlan, number: &str) -> bool {
    plan.extensions.contains_key(number)
        || plan.route_points.contains_key(number)
        || plan.numbers.contains_key(number)
        || plan.feature_codes.contains_key(number)
}

/// Whether a trunk calls one of the plan's numbers without what makes it one in full. It is not taken for that: the number may be another
/// one of the trunk's.
fn is_written_otherwise(plan: &TenantPlan, caller: &Caller, number: &str) -> bool {
    let is_own_behind = |prefix: &str| plan.numbers.contains_key(&format!("{prefix}{number}"));
    matches!(caller, Caller::Trunk { .. })
        && (is_own_behind("+") || plan.country_prefix.as_deref().is_some_and(is_own_behind))
}

/// The number for which the typed one stands.
fn translated(plan: &TenantPlan, typed: String, notes: &mut Vec<String>) -> String {
    match plan.rules.translation(&typed).filter(|_| !is_own(plan, &typed)) {
        Some(rule) => {
            notes.push(format!("translated by the rule {}", rule.name));
            rule.apply(&typed)
        }
        None => typed,
    }
}

/// The number that was typed, without what a phone or a person writes around it: `tel:` and `sip:`, everything from `@` or `;` on, and the
/// visual separators of RFC 3966 section 5.1.1. None if no character is left that can be dialled.
fn typed(dialled: &str) -> Option<String> {
    if dialled.len() > DIALLED_MAX {
        return None;
    }
    let number: String = user_part(dialled).chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ')).collect();
    if number.is_empty() || number.chars().any(char::is_control) {
        return None;
    }
    Some(number)
}

fn user_part(dialled: &str) -> &str {
    let text = dialled.trim();
    let bare = ["tel:", "sips:", "sip:"]
        .iter()
        .find_map(|scheme| {
            text.get(..scheme.len()).filter(|head| head.eq_ignore_ascii_case(scheme)).map(|_| &text[scheme.len()..])
        })
        .unwrap_or(text);
    bare.split(['@', ';']).next().unwrap_or_default()
}

/// The number with `+` in the place of an international or national prefix.
fn with_country(plan: &TenantPlan, number: String) -> String {
    // A number of the plan itself, as extension 0171, takes precedence over its reading as a national number.
    if number.starts_with('+') || is_own(plan, &number) {
        return number;
    }
    let digits_after = |prefix: &Option<String>| {
        prefix
            .as_deref()
            .filter(|prefix| !prefix.is_empty())
            .and_then(|prefix| number.strip_prefix(prefix))
            .filter(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    if let Some(rest) = digits_after(&plan.international_prefix) {
        return format!("+{rest}");
    }
    match (&plan.country_prefix, digits_after(&plan.national_prefix)) {
        (Some(country), Some(rest)) => format!("{country}{rest}"),
        _ => number,
    }
}

#[cfg(test)]
mod tests;
