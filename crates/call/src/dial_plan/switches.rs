//! Switches: parts of a tenant's DNs, which dial a code before the number of a DN of another part.

use std::collections::HashMap;

use model::SharedMap;
use model::plan::Caller;

use super::{TenantPlan, is_own};

/// The switches of a tenant. Copies share what is the same in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// The switches that DNs name, by the DNs' numbers.
    pub of_dns: SharedMap<String, String>,
    /// The switch of the DNs that name none.
    pub default: Option<String>,
    /// What DNs of a switch dial before the numbers of others, by its name.
    pub access_codes: HashMap<String, Vec<AccessCode>>,
}

/// What is dialled before the number of a DN of another switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessCode {
    /// The digits.
    pub code: String,
    /// The name of the other switch.
    pub switch: String,
}

impl Switches {
    /// The switch of a DN, if it is of one.
    fn of(&self, dn: &str) -> Option<&str> {
        self.of_dns.get(dn).or(self.default.as_ref()).map(String::as_str)
    }
}

/// The switch and the number of the DN that a phone has dialled by an access code of its own switch: of several codes that fit, by the
/// longest. What is a number of the tenant as it was dialled is that number.
pub(super) fn behind_access_code<'a>(
    plan: &'a TenantPlan,
    caller: &Caller,
    number: &'a str,
) -> Option<(&'a str, &'a str)> {
    let switches = &plan.switches;
    let Caller::Phone(phone) = caller else { return None };
    let codes = switches.access_codes.get(switches.of(phone.as_str())?)?;
    if is_own(plan, number) {
        return None;
    }
    let is_dn = |dn: &str| {
        plan.extensions.contains_key(dn) || plan.route_points.contains_key(dn) || plan.numbers.contains_key(dn)
    };
    let behind = codes.iter().filter_map(|to| {
        let dn = number.strip_prefix(to.code.as_str())?;
        (is_dn(dn) && switches.of(dn) == Some(to.switch.as_str())).then_some((to, dn))
    });
    let (to, dn) = behind.max_by_key(|(to, _)| to.code.len())?;
    Some((to.switch.as_str(), dn))
}

#[cfg(test)]
mod tests {
    use model::entropy::Seeded;
    use model::plan::Destination;
    use model::{Dn, Timestamp};

    use super::*;
    use crate::dial_plan::{Extension, Question, RoutePoint, resolve};

    fn plan() -> TenantPlan {
        let phone = |number: &str| {
            let dn = Dn::parse(number).unwrap();
            (number.to_owned(), Extension { dn, no_answer_ms: 1, call_waiting: true, outgoing_max: None })
        };
        let dn = Dn::parse("9000").unwrap();
        let point = RoutePoint { dn, application: "sales".to_owned(), default_dn: None };
        let code = |code: &str, switch: &str| AccessCode { code: code.to_owned(), switch: switch.to_owned() };
        let named = |dn: &str, switch: &str| (dn.to_owned(), switch.to_owned());
        TenantPlan {
            extensions: ["7101", "7201", "7202", "337202", "7301"].map(phone).into_iter().collect(),
            route_points: [("9000".to_owned(), point)].into(),
            switches: Switches {
                of_dns: [named("7201", "Paris"), named("7202", "Paris"), named("9000", "Paris"), named("7301", "Rome")]
                    .into(),
                default: Some("Berlin".to_owned()),
                access_codes: [
                    ("Berlin".to_owned(), vec![code("3", "Rome"), code("33", "Paris"), code("*39", "Rome")]),
                    ("Paris".to_owned(), vec![code("49", "Berlin")]),
                ]
                .into(),
            },
            ..TenantPlan::default()
        }
    }

    #[test]
    fn a_code_leads_to_dns_of_its_switch_alone_and_for_phones_of_the_other_alone() {
        let plan = plan();
        let phone = |number: &str| Caller::Phone(Dn::parse(number).unwrap());
        let ask = |from: &str, number: &'static str| behind_access_code(&plan, &phone(from), number);
        assert_eq!(ask("7101", "337201"), Some(("Paris", "7201")));
        assert_eq!(ask("7101", "339000"), Some(("Paris", "9000")), "a route point");
        assert_eq!(ask("7101", "*397301"), Some(("Rome", "7301")));
        assert_eq!(ask("7101", "37301"), Some(("Rome", "7301")), "a code that is the beginning of another one");
        assert_eq!(ask("7201", "497101"), Some(("Berlin", "7101")), "who names none is of the default one");
        for (from, number) in [
            ("7101", "337301"),
            ("7101", "7201"),
            ("7101", "33"),
            ("7101", "337299"),
            ("7301", "337201"),
            ("7201", "337201"),
            // That is a number as it is.
            ("7101", "337202"),
        ] {
            assert_eq!(ask(from, number), None, "{from} dials {number}");
        }
        let trunk = Caller::Trunk { trunk: "t".to_owned(), number: "+4930".to_owned() };
        assert_eq!(behind_access_code(&plan, &trunk, "337201"), None);
    }

    #[test]
    fn the_plan_leads_to_the_dn_and_says_by_which_code() {
        let plan = plan();
        let caller = Caller::Phone(Dn::parse("7101").unwrap());
        let question =
            Question { caller: &caller, dialled: "33-7201", now: Timestamp::ZERO, is_forwarded: false, shows: None };
        let answer = resolve(&plan, &question, &mut Seeded::new(1));
        let Destination::Extension { dn, .. } = answer.destination else { panic!("{:?}", answer.destination) };
        assert_eq!(
            (dn.as_str(), answer.notes),
            ("7201", vec!["behind the access code of the switch Paris".to_owned()])
        );
    }
}
