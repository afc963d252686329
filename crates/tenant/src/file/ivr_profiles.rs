//! Profiles of services that talk with callers by themselves: their declaration, reading and writing.

use contracts::provisioning::{IvrPolicies, IvrProfile, IvrServiceType, Object};
use identity::provider::url;

use super::scalar::{optional, text as scalar};
use super::shape::Need::{Optional, Required};
use super::shape::{Field, NAME, Shape, field};
use super::tree::{Node, flag, number, text};

/// The most profiles of a tenant.
const IVR_PROFILES_MAX: usize = 1_000;

// === declaration ===

static SERVICE_TYPE: Shape = Shape::OneOf(IvrServiceType::NAMES);
static URL: Shape = Shape::Text { max: url::BYTES_MAX };
static CALLS: Shape = Shape::Number { min: 1, max: 100_000 };
static DURATION: Shape = Shape::Number { min: 1, max: 86_400 };

static POLICIES: Shape = Shape::Record(&[
    field("calls_max", Optional, &CALLS, "How many calls it is to take at a time; without it as many as come."),
    field(
        "duration_max_s",
        Optional,
        &DURATION,
        "How long a call is to be with it at most, in seconds; without it as long as it likes.",
    ),
    field("transfers", Optional, &Shape::Flag, "Whether it is to transfer calls; without it true."),
    field("outgoing_calls", Optional, &Shape::Flag, "Whether it is to make calls; without it false."),
]);

static IVR_PROFILE_LIST: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name."),
        field(
            "service_type",
            Required,
            &SERVICE_TYPE,
            "What it runs. voicexml: pages, beginning with initial_page_url. scxml: the application.",
        ),
        field(
            "initial_page_url",
            Optional,
            &URL,
            "For voicexml: the address of its first page, which begins with https:// or http://.",
        ),
        field("application", Optional, &NAME, "For scxml: the application that it runs."),
        field(
            "policies",
            Optional,
            &POLICIES,
            "What it may, for the platform that runs it: Trunkline holds nobody to that.",
        ),
    ]),
    max: IVR_PROFILES_MAX,
};

pub(super) const IVR_PROFILES: Field = field(
    "ivr_profiles",
    Optional,
    &IVR_PROFILE_LIST,
    "Services that talk with callers by themselves: what each is to run, and what it may. Platforms of your own read them.",
);

// === reading ===

pub(super) fn ivr_profile(item: &Node) -> Option<Object> {
    Some(Object::IvrProfile(Box::new(IvrProfile {
        name: text(item, "name")?,
        service_type: IvrServiceType::parse(&text(item, "service_type")?)?,
        initial_page_url: text(item, "initial_page_url"),
        application: text(item, "application"),
        policies: item.get("policies").map(policies).unwrap_or_default(),
    })))
}

fn policies(item: &Node) -> IvrPolicies {
    let default = IvrPolicies::default();
    IvrPolicies {
        calls_max: number(item, "calls_max"),
        duration_max_s: number(item, "duration_max_s"),
        transfers: flag(item, "transfers").unwrap_or(default.transfers),
        outgoing_calls: flag(item, "outgoing_calls").unwrap_or(default.outgoing_calls),
    }
}

// === writing ===

pub(super) fn ivr_profile_line(profile: &IvrProfile) -> String {
    let IvrProfile { name, service_type, initial_page_url, application, policies } = profile;
    let more = optional("initial_page_url", initial_page_url.as_deref())
        + &optional("application", application.as_deref())
        + &policies_record(*policies);
    format!("- {{name: {}, service_type: {}{more}}}", scalar(name), service_type.as_str())
}

/// Nothing for what holds without it.
fn policies_record(policies: IvrPolicies) -> String {
    if policies == IvrPolicies::default() {
        return String::new();
    }
    let IvrPolicies { calls_max, duration_max_s, transfers, outgoing_calls } = policies;
    let most = |key: &str, most: Option<u32>| most.map(|most| format!("{key}: {most}, ")).unwrap_or_default();
    let limits = most("calls_max", calls_max) + &most("duration_max_s", duration_max_s);
    format!(", policies: {{{limits}transfers: {transfers}, outgoing_calls: {outgoing_calls}}}")
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::FaultCode;

    use crate::file::{Faults, read, write};

    const HEAD: &str =
        "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\napplications: {menu: menu.scxml}\n";

    #[test]
    fn profiles_come_back_from_an_export() {
        let text = "ivr_profiles:\n  - {name: Pages, service_type: voicexml, initial_page_url: \"http://ivr.internal/start?x=1\"}\n  \
                    - {name: Menu, service_type: scxml, application: menu, policies: {calls_max: 30, transfers: false}}\n";
        let objects = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect("a tenant");
        let [pages, menu] = objects.ivr_profiles.as_slice() else { panic!("{:?}", objects.ivr_profiles) };
        assert!(pages.policies.transfers && !menu.policies.transfers && menu.policies.calls_max == Some(30));
        let again = read(&write(&objects).yaml, |_| Ok(String::new())).expect("what was exported");
        assert_eq!(again.ivr_profiles, objects.ivr_profiles);
    }

    #[test]
    fn a_profile_has_what_its_type_runs_and_nothing_else() {
        let text = "ivr_profiles:\n  - {name: a, service_type: voicexml, application: menu}\n  \
                    - {name: b, service_type: scxml, initial_page_url: \"https://ivr.example\"}\n  \
                    - {name: c, service_type: voicexml, initial_page_url: \"ftp://ivr.example\"}\n  \
                    - {name: d, service_type: scxml, application: none}\n  \
                    - {name: e, service_type: scxml, application: menu, policies: {duration_max_s: 0}}\n";
        let Faults(faults) = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect_err("faults");
        let told: Vec<_> = faults.iter().map(|fault| (&*fault.key, fault.rule.code)).collect();
        assert_eq!(
            told,
            [
                ("ivr_profiles.a.application", FaultCode::OnlyWith),
                ("ivr_profiles.a.initial_page_url", FaultCode::NeededWith),
                ("ivr_profiles.b.application", FaultCode::NeededWith),
                ("ivr_profiles.b.initial_page_url", FaultCode::OnlyWith),
                ("ivr_profiles.c.initial_page_url", FaultCode::Url),
                ("ivr_profiles.d.application", FaultCode::Unknown),
                ("ivr_profiles[4].policies.duration_max_s", FaultCode::OutOfRange),
            ]
        );
    }
}
