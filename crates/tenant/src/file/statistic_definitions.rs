//! Statistics that a tenant defines: their declaration, reading and writing. The names are those of crate `stats`, whose rules apply.

use contracts::provisioning::{Object, StatisticDefinition, StatisticProfile};
use stats::{Action, ObjectType};

use super::scalar::{flow, optional, text as scalar};
use super::shape::Need::{Optional, Required};
use super::shape::{Field, NAME, Shape, field};
use super::tree::{Node, number, text, texts};

/// The most statistics that a tenant defines.
const STATISTIC_DEFINITIONS_MAX: usize = 1_000;

// === declaration ===

static OBJECTS: Shape = Shape::Choice { of: &NAME, max: ObjectType::ALL.len() };
static ACTIONS: Shape = Shape::Choice { of: &NAME, max: Action::ALL.len() };
static PROFILE: Shape = Shape::OneOf(StatisticProfile::NAMES);
static SECONDS: Shape = Shape::Number { min: 0, max: 604_800 };
static FILTER: Shape = Shape::Text { max: stats::filter::TEXT_MAX };
static DESCRIPTION: Shape = Shape::Text { max: 1_024 };

static STATISTIC_DEFINITION_LIST: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name."),
        field("category", Required, &NAME, "How the value is computed from actions, as TotalNumber."),
        field("subject", Required, &NAME, "What is counted: DNAction, or AgentStatus for the status of an agent."),
        field("objects", Required, &OBJECTS, "The kinds of objects that may have it, as Agent and Queue."),
        field("main", Optional, &ACTIONS, "The actions that are counted, as CallInbound. CurrentState needs none."),
        field("relative", Optional, &ACTIONS, "The actions to compare with, for ratios and AverageTime alone."),
        field(
            "profile",
            Optional,
            &PROFILE,
            "The time over which it counts, but for categories of the present moment. growing: since the last reset. sliding: the last window_s. since_login: since the agent's last login. Without it growing.",
        ),
        field(
            "resets",
            Optional,
            &NAME,
            "For growing: times of day at which the count restarts, as \"00:00\" or \"00:00+0:30\"; without it midnight.",
        ),
        field("window_s", Optional, &SECONDS, "For sliding: its length in seconds."),
        field("step_s", Optional, &SECONDS, "For sliding: by how much it moves at a time, in seconds."),
        field("range_from_s", Optional, &SECONDS, "The shortest duration of what counts, in seconds; without it 0."),
        field("range_to_s", Optional, &SECONDS, "The longest duration of what counts, in seconds."),
        field(
            "short_abandon_s",
            Optional,
            &SECONDS,
            "For ServiceFactor1: calls that were abandoned within so many seconds do not count.",
        ),
        field("filter", Optional, &FILTER, "Counts only what fits, as 'PairExists(\"Language\",\"de\")'."),
        field("description", Optional, &DESCRIPTION, "What people read of it."),
    ]),
    max: STATISTIC_DEFINITIONS_MAX,
};

pub(super) const STATISTIC_DEFINITIONS: Field = field(
    "statistic_definitions",
    Optional,
    &STATISTIC_DEFINITION_LIST,
    "Statistics of the tenant, for programs that report: what is counted, of which objects, over which time.",
);

// === reading ===

pub(super) fn statistic_definition(item: &Node) -> Option<Object> {
    let profile = match text(item, "profile") {
        Some(name) => StatisticProfile::parse(&name)?,
        None => StatisticProfile::default(),
    };
    Some(Object::StatisticDefinition(Box::new(StatisticDefinition {
        name: text(item, "name")?,
        category: text(item, "category")?,
        subject: text(item, "subject")?,
        objects: texts(item, "objects"),
        main: texts(item, "main"),
        relative: texts(item, "relative"),
        profile,
        resets: text(item, "resets"),
        window_s: number(item, "window_s"),
        step_s: number(item, "step_s"),
        range_from_s: number(item, "range_from_s"),
        range_to_s: number(item, "range_to_s"),
        short_abandon_s: number(item, "short_abandon_s"),
        filter: text(item, "filter"),
        description: text(item, "description"),
    })))
}

// === writing ===

/// Each field is named here, so that a new one does not compile before it is written.
pub(super) fn statistic_definition_line(statistic: &StatisticDefinition) -> String {
    let StatisticDefinition {
        name,
        category,
        subject,
        objects,
        main,
        relative,
        profile,
        resets,
        window_s,
        step_s,
        range_from_s,
        range_to_s,
        short_abandon_s,
        filter,
        description,
    } = statistic;
    let set = |key: &str, value: Option<u32>| value.map(|value| format!(", {key}: {value}")).unwrap_or_default();
    let listed = |key: &str, names: &[String]| match names {
        [] => String::new(),
        names => format!(", {key}: {}", flow(names.iter().map(String::as_str))),
    };
    let more = listed("objects", objects)
        + &listed("main", main)
        + &listed("relative", relative)
        + &optional("profile", Some(profile.as_str()).filter(|_| *profile != StatisticProfile::default()))
        + &optional("resets", resets.as_deref())
        + &set("window_s", *window_s)
        + &set("step_s", *step_s)
        + &set("range_from_s", *range_from_s)
        + &set("range_to_s", *range_to_s)
        + &set("short_abandon_s", *short_abandon_s)
        + &optional("filter", filter.as_deref())
        + &optional("description", description.as_deref());
    format!("- {{name: {}, category: {}, subject: {}{more}}}", scalar(name), scalar(category), scalar(subject))
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::FaultCode;

    use crate::file::{Faults, read, write};

    const HEAD: &str = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\nstatistic_definitions:\n";

    #[test]
    fn statistics_come_back_from_an_export() {
        let text = "  - {name: Calls, category: TotalNumber, subject: DNAction, objects: [Agent, RegDN], main: [CallInbound], resets: \"00:00+0:30\"}\n  \
                    - {name: Service level, category: ServiceFactor1, subject: DNAction, objects: [Queue], main: [CallAnswered], relative: [CallAbandoned], \
                    profile: sliding, window_s: 3600, step_s: 60, range_to_s: 20, short_abandon_s: 5, filter: 'PairExists(\"Language\",\"de\")', description: \"In time: 20 s\"}\n  \
                    - {name: State, category: CurrentState, subject: AgentStatus, objects: [Agent]}\n";
        let objects = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect("a tenant");
        assert_eq!(objects.statistic_definitions.len(), 3);
        let again = read(&write(&objects).yaml, |_| Ok(String::new())).expect("what was exported");
        assert_eq!(again.statistic_definitions, objects.statistic_definitions);
    }

    #[test]
    fn a_statistic_is_one_that_the_engine_computes() {
        for (fields, field, code) in [
            ("category: Total, subject: DNAction, objects: [Agent], main: [CallInbound]", "category", FaultCode::OneOf),
            (
                "category: LoadBalance, subject: DNAction, objects: [Queue], main: [CallWait]",
                "category",
                FaultCode::OneOf,
            ),
            (
                "category: TotalNumber, subject: Action, objects: [Agent], main: [CallInbound]",
                "subject",
                FaultCode::OneOf,
            ),
            (
                "category: TotalNumber, subject: DNAction, objects: [Tenant], main: [CallInbound]",
                "objects",
                FaultCode::OneOf,
            ),
            ("category: TotalNumber, subject: DNAction, objects: [Agent], main: [Lunch]", "main", FaultCode::OneOf),
            ("category: TotalNumber, subject: DNAction, objects: [Agent]", "category", FaultCode::Statistic),
            ("category: CurrentState, subject: DNAction, objects: [Queue]", "category", FaultCode::Statistic),
            (
                "category: TotalNumber, subject: DNAction, objects: [Agent], main: [CallInbound], filter: \"CallType=\"",
                "filter",
                FaultCode::Statistic,
            ),
            (
                "category: TotalNumber, subject: DNAction, objects: [Agent], main: [CallInbound], resets: \"24:00\"",
                "resets",
                FaultCode::Statistic,
            ),
            (
                "category: TotalNumber, subject: DNAction, objects: [Agent], main: [CallInbound], profile: sliding, window_s: 60",
                "step_s",
                FaultCode::NeededWith,
            ),
            (
                "category: TotalNumber, subject: DNAction, objects: [Agent], main: [CallInbound], window_s: 60",
                "window_s",
                FaultCode::OnlyWith,
            ),
            (
                "category: TotalNumberInTimeRange, subject: DNAction, objects: [Agent], main: [CallInbound], range_from_s: 5",
                "range_to_s",
                FaultCode::NeededWith,
            ),
            (
                "category: TotalNumberInTimeRange, subject: DNAction, objects: [Agent], main: [CallInbound], range_from_s: 5, range_to_s: 4",
                "range_to_s",
                FaultCode::OutOfRange,
            ),
            (
                "category: TotalNumber, subject: DNAction, objects: [Queue], main: [CallEntered], profile: since_login",
                "category",
                FaultCode::Statistic,
            ),
        ] {
            let text = format!("{HEAD}  - {{name: s, {fields}}}\n");
            let Faults(faults) = read(&text, |_| Ok(String::new())).expect_err(fields);
            let told: Vec<_> = faults.iter().map(|fault| (fault.key.clone(), fault.rule.code)).collect();
            assert_eq!(told, [(format!("statistic_definitions.s.{field}"), code)], "{fields}");
        }
    }

    #[test]
    fn what_means_nothing_beside_the_category_is_refused() {
        let total = "category: TotalNumber, subject: DNAction, objects: [Agent], main: [CallInbound]";
        let current = "category: CurrentNumber, subject: DNAction, objects: [Queue], main: [CallWait]";
        for (fields, field) in [
            (format!("{total}, relative: [CallAbandoned]"), "relative"),
            (format!("{total}, range_to_s: 20"), "range_to_s"),
            (format!("{total}, short_abandon_s: 5"), "short_abandon_s"),
            (format!("{current}, profile: sliding, window_s: 0, step_s: 0"), "profile"),
            (format!("{current}, resets: \"00:00\""), "resets"),
        ] {
            let text = format!("{HEAD}  - {{name: s, {fields}}}\n");
            let Faults(faults) = read(&text, |_| Ok(String::new())).expect_err(&fields);
            let told: Vec<_> = faults.iter().map(|fault| (fault.key.clone(), fault.rule.code)).collect();
            assert_eq!(told, [(format!("statistic_definitions.s.{field}"), FaultCode::OnlyWith)], "{fields}");
        }
        let average =
            "category: AverageTime, subject: DNAction, objects: [Agent], main: [CallInbound], relative: [CallInbound]";
        for fields in [average, current] {
            assert!(read(&format!("{HEAD}  - {{name: s, {fields}}}\n"), |_| Ok(String::new())).is_ok(), "{fields}");
        }
    }

    #[test]
    fn no_object_no_statistic() {
        let text = format!("{HEAD}  - {{name: s, category: TotalNumber, subject: DNAction, main: [CallInbound]}}\n");
        let Faults(faults) = read(&text, |_| Ok(String::new())).expect_err("a fault");
        let told: Vec<_> = faults.iter().map(|fault| (&*fault.key, fault.rule.code)).collect();
        assert_eq!(told, [("statistic_definitions[0].objects", FaultCode::Needed)]);
    }
}
