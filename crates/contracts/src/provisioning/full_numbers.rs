//! Numbers that do not fit to numbers in full: what people dial is turned into these once `country_prefix` is set.

use super::{DialAction, Number, TenantObjects, Trunk};

/// Fewest digits of a number of the public network; shorter ones are extensions.
const FULL_DIGITS_MIN: usize = 7;

/// A key whose number does not fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnfittingNumber<'a> {
    /// The trunk that has it; the tenant itself without one.
    pub trunk: Option<&'a str>,
    /// The key.
    pub key: &'static str,
    /// Why it does not fit, and what to write.
    pub why: String,
}

impl TenantObjects {
    /// The numbers of the tenant and its trunks that do not fit. None is refused: in a private network numbers may be written otherwise.
    pub fn unfitting_numbers(&self) -> Vec<UnfittingNumber<'_>> {
        let country = self.tenant.country_prefix.as_deref().filter(|prefix| !prefix.is_empty());
        let Some(country) = country else { return Vec::new() };
        let mut found = Vec::new();
        if !is_in_full(country) {
            let why =
                format!("a number in full begins with +, so that {} leads nowhere: {}", national(self), meant(country));
            found.push(UnfittingNumber { trunk: None, key: "country_prefix", why });
        }
        let has_no_plus = |number: &&Number| {
            number.number.len() >= FULL_DIGITS_MIN && number.number.bytes().all(|byte| byte.is_ascii_digit())
        };
        for Number { number, .. } in self.numbers.iter().filter(has_no_plus) {
            let why = format!(
                "{number} begins without +: a call to +{number} is not taken for one to it; write \"+{number}\""
            );
            found.push(UnfittingNumber { trunk: None, key: "numbers", why });
        }
        for trunk in &self.trunks {
            let mut note = |key, why| found.push(UnfittingNumber { trunk: Some(trunk.name.as_str()), key, why });
            if let Some(dialled) = trunk.outgoing().and_then(|(_, prefix)| self.never_begins(trunk, prefix)) {
                note(
                    "prefix",
                    format!(
                        "no number begins with it: what is dialled with {dialled} is called in full; write \"+\" for all numbers outside, \"{}\" for those of the country",
                        in_full(country).unwrap_or("+49")
                    ),
                );
            }
            if let Some(shown) = trunk.shown().filter(|number| !is_in_full(number) && trunk.outgoing().is_some()) {
                note(
                    "caller_id",
                    format!(
                        "it is shown as it stands here, {shown}: most carriers take a number in full, as \"+4930123450\""
                    ),
                );
            }
        }
        found
    }

    /// The prefix that is taken away before a trunk is chosen, where the trunk's own can only begin with that one. A translation may make other
    /// numbers, and a route asks for no prefix.
    fn never_begins(&self, trunk: &Trunk, prefix: &str) -> Option<&str> {
        let tenant = &self.tenant;
        let leads_otherwise = |action: &DialAction| match action {
            DialAction::Translate { .. } => true,
            DialAction::Route { trunk: of, .. } => *of == trunk.name,
            _ => false,
        };
        if self.dial_rules.iter().any(|rule| leads_otherwise(&rule.action)) {
            return None;
        }
        let taken = [tenant.international_prefix.as_deref(), tenant.national_prefix.as_deref()];
        taken.into_iter().flatten().find(|taken| !taken.is_empty() && prefix.starts_with(taken))
    }
}

fn is_in_full(number: &str) -> bool {
    number
        .strip_prefix('+')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The country's prefix, if it is one.
fn in_full(country: &str) -> Option<&str> {
    Some(country).filter(|country| is_in_full(country))
}

/// What people dial who call a number of the country.
fn national(objects: &TenantObjects) -> String {
    let prefix = objects.tenant.national_prefix.as_deref().filter(|prefix| !prefix.is_empty());
    prefix.map_or_else(|| "a national number".to_owned(), |prefix| format!("a number dialled with {prefix}"))
}

/// What was meant by a country's prefix without `+`.
fn meant(country: &str) -> String {
    let digits = country.trim_start_matches(['0', '+']);
    match !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => format!("write \"+{digits}\""),
        false => "write it as \"+49\"".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is told of a tenant with one trunk.
    fn told(country: &str, prefix: &str, caller_id: &str, rule: Option<serde_json::Value>) -> Vec<String> {
        let tenant = json!({
            "id": "acme", "name": "Acme", "realm": "acme.example", "codecs": [], "hold_music": "", "no_answer_s": 15,
            "wrap_up_s": 0, "country_prefix": country, "national_prefix": "0", "international_prefix": "00",
        });
        let mut objects = TenantObjects::new(serde_json::from_value(tenant).expect("a tenant"));
        objects.trunks.push(Trunk {
            name: "main".to_owned(),
            contact: Some("203.0.113.9:5060".to_owned()),
            prefix: Some(prefix.to_owned()),
            caller_id: Some(caller_id.to_owned()),
            ..Trunk::default()
        });
        objects.dial_rules.extend(rule.map(|rule| serde_json::from_value(rule).expect("a rule")));
        let key = |found: UnfittingNumber<'_>| format!("{}{}", found.trunk.map_or("", |_| "trunk "), found.key);
        objects.unfitting_numbers().into_iter().map(key).collect()
    }

    #[test]
    fn a_number_of_the_tenant_without_plus_is_found() {
        let tenant = json!({
            "id": "acme", "name": "Acme", "realm": "acme.example", "codecs": [], "hold_music": "", "no_answer_s": 15,
            "wrap_up_s": 0, "country_prefix": "+49",
        });
        let mut objects = TenantObjects::new(serde_json::from_value(tenant).expect("a tenant"));
        for number in ["+4930123450", "4930123451", "100"] {
            let number = json!({ "number": number, "name": "office", "dn": "7101" });
            objects.numbers.push(serde_json::from_value(number).expect("a number"));
        }
        let found = objects.unfitting_numbers();
        assert!(found.len() == 1 && found[0].why.contains("write \"+4930123451\""), "{found:?}");
    }

    #[test]
    fn numbers_that_do_not_fit_to_numbers_in_full_are_found() {
        let shown = "+4930123450";
        for (country, prefix, caller_id, found) in [
            ("+49", "+", shown, &[][..]),
            ("+49", "+49", shown, &[]),
            ("+49", "9", shown, &[]),
            ("49", "+", shown, &["country_prefix"]),
            ("0049", "+", shown, &["country_prefix"]),
            ("+49", "0", shown, &["trunk prefix"]),
            ("+49", "00", shown, &["trunk prefix"]),
            ("+49", "+", "030123450", &["trunk caller_id"]),
            ("49", "0", "7101", &["country_prefix", "trunk prefix", "trunk caller_id"]),
            ("", "0", "030123450", &[]),
        ] {
            assert_eq!(told(country, prefix, caller_id, None), found, "{country} {prefix} {caller_id}");
        }
    }

    #[test]
    fn a_prefix_is_none_of_numbers_in_full_where_rules_lead_otherwise() {
        let rule = |action: serde_json::Value| {
            let mut rule = json!({ "name": "r", "place": 0, "pattern": "x." });
            rule.as_object_mut().expect("an object").extend(action.as_object().expect("an object").clone());
            Some(rule)
        };
        let routed = json!({ "action": "route", "trunk": "main", "cost": 0, "schedule": null });
        assert_eq!(told("+49", "0", "+1", rule(routed)), [""; 0]);
        let other = json!({ "action": "route", "trunk": "other", "cost": 0, "schedule": null });
        assert_eq!(told("+49", "0", "+1", rule(other)), ["trunk prefix"]);
        assert_eq!(told("+49", "0", "+1", rule(json!({ "action": "translate", "remove": 1, "add": "" }))), [""; 0]);
    }

    #[test]
    fn what_was_meant_is_written_down() {
        assert_eq!((meant("49"), meant("0049")), ("write \"+49\"".to_owned(), "write \"+49\"".to_owned()));
        assert_eq!(meant("x"), "write it as \"+49\"");
    }
}
