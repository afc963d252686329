//! What must hold for statistics that a tenant defines: the statistics engine computes each of them.

use contracts::provisioning::{FaultCode, ObjectKind, StatisticDefinition, StatisticProfile};
use stats::{Action, Category, Definition, Filter, Mask, ObjectId, ObjectType, Profile, Request, Subject, TimeRange};

use super::{BrokenRule, Rules};

/// The most names that a fault tells.
const NAMED_MAX: usize = 20;

/// A field and the rule that it breaks.
type FieldFault = (&'static str, BrokenRule);

impl Rules<'_> {
    pub(super) fn statistic_definitions(&mut self) {
        let objects = self.objects;
        for statistic in &objects.statistic_definitions {
            for (key, rule) in faults_of(statistic) {
                let key = format!("statistic_definitions.{}.{key}", statistic.name);
                self.fault(ObjectKind::StatisticDefinition, &statistic.name, key, rule);
            }
        }
    }
}

/// What keeps the engine from computing it; what the engine says is told where nothing else is wrong.
fn faults_of(statistic: &StatisticDefinition) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    let category = implemented("category", &statistic.category, Category::ALL, Category::is_implemented, &mut faults);
    let subject = implemented("subject", &statistic.subject, Subject::ALL, Subject::is_implemented, &mut faults);
    let objects: Vec<ObjectType> = statistic
        .objects
        .iter()
        .filter_map(|name| implemented("objects", name, ObjectType::ALL, ObjectType::is_implemented, &mut faults))
        .collect();
    let main = mask("main", &statistic.main, &mut faults);
    let relative = mask("relative", &statistic.relative, &mut faults);
    let profile = profile(statistic, &mut faults);
    let range = range(statistic, &mut faults);
    faults.extend(category.into_iter().flat_map(|category| without_meaning(statistic, category)));
    let filter = statistic
        .filter
        .as_deref()
        .and_then(|text| Filter::parse(text).map_err(|why| faults.push(("filter", not_computed(why)))).ok());
    let (Some(category), Some(subject), true) = (category, subject, faults.is_empty()) else { return faults };
    let definition = Definition::new(&objects, category, subject, main).relative(relative);
    let second = statistic.short_abandon_s.map(|most| TimeRange::up_to_secs(most.into()));
    let mut said: Vec<String> = Vec::new();
    for of in objects {
        let mut request = Request::new(definition.clone(), ObjectId::new(of, &statistic.name), profile.clone());
        (request.range, request.second_range, request.filter) = (range, second, filter.clone());
        said.extend(request.check().err().map(|why| why.to_string()));
    }
    said.sort();
    said.dedup();
    faults.extend(said.into_iter().map(|why| ("category", not_computed(why))));
    faults
}

/// The one of that published name which the engine has.
fn implemented<T: Copy + std::fmt::Display>(
    key: &'static str,
    name: &str,
    all: &[T],
    is_implemented: fn(T) -> bool,
    faults: &mut Vec<FieldFault>,
) -> Option<T> {
    let mut known = all.iter().copied().filter(|one| is_implemented(*one));
    let found = known.clone().find(|one| one.to_string() == name);
    if found.is_none() {
        let names: Vec<String> = known.by_ref().take(NAMED_MAX).map(|one| one.to_string()).collect();
        faults.push((key, none_of(name, &names.join(", "))));
    }
    found
}

fn mask(key: &'static str, names: &[String], faults: &mut Vec<FieldFault>) -> Mask {
    let mut actions = Vec::new();
    for name in names {
        match Action::parse(name) {
            Some(action) => actions.push(action),
            None => {
                let known: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).take(NAMED_MAX).collect();
                faults.push((key, none_of(name, &known.join(", "))));
            }
        }
    }
    Mask::of(&actions)
}

/// What stands there and means nothing beside the category.
fn without_meaning(statistic: &StatisticDefinition, category: Category) -> Vec<FieldFault> {
    let StatisticDefinition { relative, profile, resets, range_to_s, short_abandon_s, .. } = statistic;
    let is_current = category.is_current();
    let standing = [
        ("relative", !relative.is_empty() && !category.uses_relative()),
        ("profile", *profile != StatisticProfile::Growing && is_current),
        ("resets", resets.is_some() && is_current),
        ("range_to_s", range_to_s.is_some() && !category.needs_range()),
        ("short_abandon_s", short_abandon_s.is_some() && category != Category::ServiceFactor1),
    ];
    let rule = || {
        let words = format!("it has no meaning beside category {category}");
        BrokenRule::new(FaultCode::OnlyWith, words).naming("field", "category")
    };
    standing.into_iter().filter(|(_, is_there)| *is_there).map(|(key, _)| (key, rule())).collect()
}

/// The time over which it counts: the day where that cannot be read.
fn profile(statistic: &StatisticDefinition, faults: &mut Vec<FieldFault>) -> Profile {
    let StatisticDefinition { profile, resets, window_s, step_s, .. } = statistic;
    let is_sliding = *profile == StatisticProfile::Sliding;
    let lengths = [("window_s", *window_s), ("step_s", *step_s)];
    for (key, length) in lengths {
        match length {
            None if is_sliding => {
                faults.push((key, BrokenRule::needed_with("profile", "it is needed beside profile sliding")));
            }
            Some(_) if !is_sliding => faults.push((key, goes_with_profile("sliding"))),
            _ => {}
        }
    }
    if resets.is_some() && *profile != StatisticProfile::Growing {
        faults.push(("resets", goes_with_profile("growing")));
    }
    match (profile, resets, window_s, step_s) {
        (StatisticProfile::Growing, Some(resets), ..) => Profile::growing(resets).unwrap_or_else(|why| {
            faults.push(("resets", not_computed(why)));
            Profile::day()
        }),
        (StatisticProfile::Sliding, _, Some(window_s), Some(step_s)) => {
            Profile::Sliding { window_s: *window_s, step_s: *step_s }
        }
        (StatisticProfile::SinceLogin, ..) => Profile::SinceLogin,
        _ => Profile::day(),
    }
}

fn range(statistic: &StatisticDefinition, faults: &mut Vec<FieldFault>) -> Option<TimeRange> {
    let from = statistic.range_from_s.unwrap_or_default();
    match statistic.range_to_s {
        None if statistic.range_from_s.is_some() => {
            let rule = BrokenRule::needed_with("range_from_s", "it is needed beside range_from_s");
            faults.push(("range_to_s", rule));
            None
        }
        Some(to) if to < from => {
            let rule = BrokenRule::new(FaultCode::OutOfRange, format!("{to} is less than range_from_s"));
            faults.push(("range_to_s", rule.naming("least", from.to_string()).naming("most", "604800")));
            None
        }
        to => to.map(|to| TimeRange { from: seconds(from), to: seconds(to) }),
    }
}

fn seconds(seconds: u32) -> std::time::Duration {
    std::time::Duration::from_secs(seconds.into())
}

fn goes_with_profile(name: &str) -> BrokenRule {
    let words = format!("it has a meaning beside profile {name} alone");
    BrokenRule::new(FaultCode::OnlyWith, words).naming("field", "profile")
}

fn none_of(name: &str, names: &str) -> BrokenRule {
    BrokenRule::new(FaultCode::OneOf, format!("{name} is none of {names}")).naming("names", names)
}

fn not_computed(why: String) -> BrokenRule {
    BrokenRule::new(FaultCode::Statistic, why.clone()).naming("why", why)
}
