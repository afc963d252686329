//! The dial plan: what a dialled number means for a tenant. Pure functions over the tenant's plan.

use std::collections::HashMap;

use model::Dn;
use model::plan::{Caller, Contact, Destination, FeatureCode, Outside, Service};

/// How long a phone rings unless its configuration says otherwise, in milliseconds.
pub const NO_ANSWER_DEFAULT_MS: u64 = 15_000;
/// How long a number outside may ring, in milliseconds: a carrier itself ends most calls sooner.
pub const OUTSIDE_NO_ANSWER_MS: u64 = 90_000;
/// The longest dialled number that is looked up, in bytes; a longer one is unknown (E.164 has 15 digits).
pub const DIALLED_MAX: usize = 64;

/// A tenant's numbers as the dial plan sees them. Keys are normalised by [`normalise`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantPlan {
    /// Numbers dialled from outside or inside, with the DN or service that answers each.
    pub numbers: HashMap<String, NumberTarget>,
    /// Phones by their own number.
    pub extensions: HashMap<String, Extension>,
    /// Route points by their own number.
    pub route_points: HashMap<String, RoutePoint>,
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
}

/// A trunk by which calls go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideTrunk {
    /// Its name.
    pub name: String,
    /// What the numbers that lead to it begin with. Of several trunks, that with the longest prefix takes a call.
    pub prefix: String,
    /// Where it takes calls: `host:port`, with `;transport=tcp` where that is wanted.
    pub contact: String,
    /// The number that is shown to who is called.
    pub caller_id: Option<String>,
}

/// A feature code with its action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialledCode {
    /// The action.
    pub code: FeatureCode,
    /// Whether the agent must type a PIN first.
    pub ask_pin: bool,
}

/// The target of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NumberTarget {
    /// A route point or an extension, by its own number.
    Dn(Dn),
    /// A service of the switch itself.
    Service(Service),
}

/// A phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Its number.
    pub dn: Dn,
    /// How long it rings, in milliseconds.
    pub no_answer_ms: u64,
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

/// Resolves a dialled number to its destination. `contacts` gives the registrations of a phone, newest first.
pub fn resolve(
    plan: &TenantPlan,
    caller: &Caller,
    dialled: &str,
    contacts: impl FnOnce(&Dn) -> Vec<Contact>,
) -> Destination {
    let Some(number) = normalise(plan, dialled) else {
        return unknown();
    };
    if let Some(code) = plan.feature_codes.get(&number) {
        return feature(*code, caller);
    }
    let inside = match plan.numbers.get(&number) {
        Some(NumberTarget::Service(service)) => return Destination::Service(service.clone()),
        Some(NumberTarget::Dn(dn)) => internal(plan, dn.as_str(), contacts),
        None => internal(plan, &number, contacts),
    };
    inside.unwrap_or_else(|| outside(plan, caller, &number))
}

fn internal(plan: &TenantPlan, number: &str, contacts: impl FnOnce(&Dn) -> Vec<Contact>) -> Option<Destination> {
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
        contacts: contacts(&extension.dn),
        no_answer_ms: extension.no_answer_ms,
    })
}

/// The trunk that leads to a number outside.
fn outside(plan: &TenantPlan, caller: &Caller, number: &str) -> Destination {
    let leads = |trunk: &&OutsideTrunk| number.starts_with(&trunk.prefix);
    // The first of those with equal prefixes.
    let trunk = plan.trunks.iter().filter(leads).rev().max_by_key(|trunk| trunk.prefix.len());
    let is_diallable = number.bytes().all(|byte| byte.is_ascii_digit() || b"+*#".contains(&byte))
        && number.bytes().any(|byte| byte.is_ascii_digit());
    let (Some(trunk), true, Ok(dn)) = (trunk, is_diallable, Dn::parse(number)) else { return unknown() };
    match caller {
        Caller::Phone(_) => Destination::Outside(Outside {
            number: dn,
            trunk: trunk.name.clone(),
            contact: Contact { uri: format!("sip:{}@{}", number.replace('#', "%23"), trunk.contact), path: Vec::new() },
            caller_id: trunk.caller_id.clone(),
            no_answer_ms: OUTSIDE_NO_ANSWER_MS,
        }),
        // Whoever reaches a tenant from outside must not call elsewhere at its cost.
        Caller::Trunk { .. } => reject(403, "calls from outside do not go out again"),
    }
}

fn feature(dialled: DialledCode, caller: &Caller) -> Destination {
    match caller {
        Caller::Phone(_) => Destination::FeatureCode { code: dialled.code, ask_pin: dialled.ask_pin },
        // A caller behind a trunk must not log agents in.
        Caller::Trunk { .. } => reject(403, "feature codes are for the tenant's phones"),
    }
}

fn unknown() -> Destination {
    reject(404, "no such number")
}

fn reject(status: u16, reason: &str) -> Destination {
    Destination::Reject { status, reason: reason.to_owned() }
}

/// Normalises a dialled text to the form of the plan's keys.
///
/// Removes `tel:` and `sip:` with everything from `@` or `;` on, and the visual separators of RFC 3966 section 5.1.1;
/// turns international and national prefixes into `+`. Returns `None` when no diallable character is left.
pub fn normalise(plan: &TenantPlan, dialled: &str) -> Option<String> {
    if dialled.len() > DIALLED_MAX {
        return None;
    }
    let number: String = user_part(dialled).chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ')).collect();
    if number.is_empty() || number.chars().any(char::is_control) {
        return None;
    }
    Some(with_country(plan, number))
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

fn with_country(plan: &TenantPlan, number: String) -> String {
    // A number of the plan itself, as extension 0171, takes precedence over its reading as a national number.
    if number.starts_with('+')
        || plan.extensions.contains_key(&number)
        || plan.route_points.contains_key(&number)
        || plan.numbers.contains_key(&number)
    {
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
