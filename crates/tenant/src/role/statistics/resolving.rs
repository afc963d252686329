//! From what a client asks for to what the engine counts: the built-in names, the tenant's own statistics, and definitions of the client.

use std::time::Duration;

use contracts::provisioning::{StatisticDefinition, StatisticProfile};
use contracts::v1;
use contracts::v1::StatisticRefusal as Why;
use contracts::v1::statistic_time_profile::Kind;
use stats::{Category, Definition, Filter, Mask, ObjectId, ObjectType, Profile, Refused, Request, Subject, TimeRange};

use super::built_in;
use super::catalogue::Catalogue;

/// The most actions in a mask: far more than there are.
const MASK_MAX: usize = 256;
/// The most bytes of a name, a mask or a filter.
const TEXT_MAX: usize = 4_096;
/// The most resets of a day in a definition of a client: each quarter of an hour.
const RESETS_MAX: usize = 96;
/// The least step of a sliding profile in a definition of a client, in seconds.
const STEP_MIN_S: u32 = 5;

/// Why a statistic is not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RefusedStatistic {
    pub(super) why: Why,
    pub(super) message: String,
}

impl RefusedStatistic {
    pub(super) fn new(why: Why, message: impl Into<String>) -> Self {
        Self { why, message: message.into() }
    }

    fn faulty(message: impl Into<String>) -> Self {
        Self::new(Why::Faulty, message)
    }

    fn unknown(what: &str, name: &str) -> Self {
        Self::new(Why::Unknown, format!("the tenant has no {what} {name:?}"))
    }

    /// As it is told on the wire.
    pub(super) fn told(self, reference: u64) -> v1::StatisticRefused {
        v1::StatisticRefused { reference, message: self.message, why: self.why.into() }
    }
}

impl From<Refused> for RefusedStatistic {
    fn from(refused: Refused) -> Self {
        let why = match refused {
            Refused::NotImplemented { .. } => Why::NotImplemented,
            Refused::Faulty(_) => Why::Faulty,
            Refused::Full(_) | Refused::ManyProfiles(_) => Why::Full,
        };
        Self::new(why, refused.to_string())
    }
}

/// How the values of the parts become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Together {
    /// There is one part.
    One,
    SumOfNumbers,
    SumOfTimes,
    GreatestTime,
}

/// What the engine counts for a statistic: of a group, the same for each of its agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ResolvedStatistic {
    pub(super) parts: Vec<Request>,
    pub(super) together: Together,
    /// Whether it describes the present moment.
    pub(super) is_current: bool,
}

/// The statistic without notification and with the object's own name: those that are equal so are one.
pub(super) fn canonical(
    catalogue: &Catalogue,
    asked: v1::StatisticRequest,
) -> Result<v1::StatisticRequest, RefusedStatistic> {
    let v1::StatisticRequest { name, definition, object_type, object_id, notification: _ } = asked;
    let of = ObjectType::parse(&object_type)
        .ok_or_else(|| RefusedStatistic::faulty(format!("object_type: {object_type:?} is no kind of object")))?;
    if name.len() > TEXT_MAX || object_id.len() > TEXT_MAX {
        return Err(RefusedStatistic::faulty(format!("name, object_id: each has at most {TEXT_MAX} bytes")));
    }
    if let Some(definition) = &definition {
        expect_small(definition)?;
    }
    let is_counted = of.is_implemented() || of == ObjectType::GroupAgents;
    if !is_counted {
        return Err(RefusedStatistic::new(Why::NotImplemented, format!("object {of} is not implemented")));
    }
    let object = catalogue.find(of, &object_id).ok_or_else(|| RefusedStatistic::unknown(of.as_str(), &object_id))?;
    // A definition says all; the name beside it is for people.
    let name = if definition.is_some() { String::new() } else { name };
    Ok(v1::StatisticRequest { name, definition, object_type, object_id: object.name, notification: None })
}

fn expect_small(definition: &v1::StatisticDefinition) -> Result<(), RefusedStatistic> {
    let masks = [("main_mask", &definition.main_mask), ("relative_mask", &definition.relative_mask)];
    for (field, mask) in masks {
        if mask.len() > MASK_MAX || mask.iter().map(String::len).sum::<usize>() > TEXT_MAX {
            return Err(RefusedStatistic::faulty(format!(
                "{field}: it has at most {MASK_MAX} actions in {TEXT_MAX} bytes"
            )));
        }
    }
    let is_long = |text: &String| text.len() > TEXT_MAX;
    let growing = match definition.profile.as_ref().and_then(|profile| profile.kind.as_ref()) {
        Some(Kind::Growing(resets)) => Some(resets),
        _ => None,
    };
    let texts = [&definition.category, &definition.subject, &definition.filter];
    if texts.into_iter().chain(growing).any(is_long) {
        return Err(RefusedStatistic::faulty(format!("definition: a text in it has more than {TEXT_MAX} bytes")));
    }
    Ok(())
}

/// A statistic that can be counted. Of a group, its agents are not looked up yet.
#[derive(Clone, Debug)]
pub(super) struct CheckedStatistic {
    /// What is counted; of a group, for an agent without a name.
    request: Request,
    group: Option<String>,
    together: Together,
}

impl CheckedStatistic {
    pub(super) const fn request(&self) -> &Request {
        &self.request
    }

    /// How many parts it has.
    pub(super) fn parts(&self, catalogue: &Catalogue) -> usize {
        self.group.as_ref().map_or(1, |group| catalogue.member_count(group))
    }

    /// What the engine counts for it.
    pub(super) fn resolve(self, catalogue: &Catalogue) -> ResolvedStatistic {
        let Self { request, group, together } = self;
        let is_current = request.definition.category.is_current();
        let parts = match group {
            Some(group) => {
                let of_member = |member| Request { object: member, ..request.clone() };
                catalogue.members(&group).into_iter().map(of_member).collect()
            }
            None => vec![request],
        };
        ResolvedStatistic { parts, together, is_current }
    }
}

/// What the engine counts for a canonical request.
pub(super) fn resolve(
    catalogue: &Catalogue,
    asked: &v1::StatisticRequest,
) -> Result<ResolvedStatistic, RefusedStatistic> {
    Ok(check(catalogue, asked)?.resolve(catalogue))
}

/// Whether a canonical request can be counted, and how.
pub(super) fn check(catalogue: &Catalogue, asked: &v1::StatisticRequest) -> Result<CheckedStatistic, RefusedStatistic> {
    let of = ObjectType::parse(&asked.object_type).ok_or_else(|| {
        RefusedStatistic::faulty(format!("object_type: {:?} is no kind of object", asked.object_type))
    })?;
    let object =
        catalogue.find(of, &asked.object_id).ok_or_else(|| RefusedStatistic::unknown(of.as_str(), &asked.object_id))?;
    let request = match &asked.definition {
        Some(definition) => of_client(definition, object)?,
        None => match catalogue.definition(&asked.name) {
            Some(definition) => of_tenant(definition, object)?,
            None => built_in::request(catalogue, &asked.name, object)
                .ok_or_else(|| RefusedStatistic::unknown("statistic", &asked.name))?,
        },
    };
    if of == ObjectType::GroupAgents { of_group(request) } else { of_one(request) }
}

fn of_one(request: Request) -> Result<CheckedStatistic, RefusedStatistic> {
    request.check()?;
    Ok(CheckedStatistic { request, group: None, together: Together::One })
}

/// The engine has no groups: what can be put together from the agents of one is.
fn of_group(mut request: Request) -> Result<CheckedStatistic, RefusedStatistic> {
    let category = request.definition.category;
    if !request.definition.objects.contains(&ObjectType::GroupAgents) {
        return Err(RefusedStatistic::faulty("the definition is not for this kind of object"));
    }
    let together = match category {
        Category::CurrentNumber
        | Category::CurrentNumberInTimeRange
        | Category::TotalNumber
        | Category::TotalNumberInTimeRange => Together::SumOfNumbers,
        Category::CurrentTime | Category::TotalTime | Category::TotalAdjustedTime => Together::SumOfTimes,
        Category::CurrentMaxTime | Category::MaxTime => Together::GreatestTime,
        _ => {
            let message = format!("category {category} for object GroupAgents is not implemented");
            return Err(RefusedStatistic::new(Why::NotImplemented, message));
        }
    };
    let group = std::mem::replace(&mut request.object, ObjectId::new(ObjectType::Agent, ""));
    request.definition.objects = vec![ObjectType::Agent];
    request.check()?;
    Ok(CheckedStatistic { request, group: Some(group.name), together })
}

// === definitions ===

fn of_client(definition: &v1::StatisticDefinition, object: ObjectId) -> Result<Request, RefusedStatistic> {
    let objects = [object.of];
    let counted = counted(&definition.category, &definition.subject, &objects)?;
    let main = mask("main_mask", &definition.main_mask)?;
    let relative = mask("relative_mask", &definition.relative_mask)?;
    let profile = match definition.profile.as_ref().and_then(|profile| profile.kind.as_ref()) {
        None | Some(Kind::SinceLogin(false)) => Profile::day(),
        Some(Kind::SinceLogin(true)) => Profile::SinceLogin,
        Some(Kind::Growing(resets)) => few_resets(growing(resets)?)?,
        Some(Kind::Sliding(v1::StatisticSlidingProfile { window_s, step_s })) => {
            if *step_s < STEP_MIN_S {
                let rule = format!("profile.sliding.step_s: it is at least {STEP_MIN_S}");
                return Err(RefusedStatistic::faulty(rule));
            }
            Profile::Sliding { window_s: *window_s, step_s: *step_s }
        }
    };
    let range = |range: &v1::StatisticTimeRange| time_range(range.from_s, range.to_s);
    let mut request = Request::new(counted.of(main, relative), object, profile);
    request.range = definition.range.as_ref().map(range).transpose()?;
    request.second_range = definition.second_range.as_ref().map(range).transpose()?;
    request.filter = filter(Some(definition.filter.as_str()).filter(|text| !text.is_empty()))?;
    Ok(request)
}

fn of_tenant(definition: &StatisticDefinition, object: ObjectId) -> Result<Request, RefusedStatistic> {
    let objects = definition.objects.iter().filter_map(|name| ObjectType::parse(name));
    let counted = counted(&definition.category, &definition.subject, &objects.collect::<Vec<_>>())?;
    let main = mask("main", &definition.main)?;
    let relative = mask("relative", &definition.relative)?;
    let profile = match definition.profile {
        StatisticProfile::Growing => definition.resets.as_deref().map_or_else(|| Ok(Profile::day()), growing)?,
        StatisticProfile::Sliding => Profile::Sliding {
            window_s: definition.window_s.unwrap_or_default(),
            step_s: definition.step_s.unwrap_or_default(),
        },
        StatisticProfile::SinceLogin => Profile::SinceLogin,
    };
    let mut request = Request::new(counted.of(main, relative), object, profile);
    let from = definition.range_from_s.unwrap_or_default();
    request.range = definition.range_to_s.map(|to| time_range(from, to)).transpose()?;
    request.second_range = definition.short_abandon_s.map(|most| TimeRange::up_to_secs(most.into()));
    request.filter = filter(definition.filter.as_deref())?;
    Ok(request)
}

/// What is counted of which kinds of objects.
struct CountedKind {
    category: Category,
    subject: Subject,
    objects: Vec<ObjectType>,
}

impl CountedKind {
    fn of(&self, main: Mask, relative: Mask) -> Definition {
        Definition::new(&self.objects, self.category, self.subject, main).relative(relative)
    }
}

fn counted(category: &str, subject: &str, objects: &[ObjectType]) -> Result<CountedKind, RefusedStatistic> {
    let none = |field: &str, name: &str| RefusedStatistic::faulty(format!("{field}: there is no {name:?}"));
    Ok(CountedKind {
        category: Category::parse(category).ok_or_else(|| none("category", category))?,
        subject: Subject::parse(subject).ok_or_else(|| none("subject", subject))?,
        objects: objects.to_vec(),
    })
}

fn mask(field: &str, names: &[String]) -> Result<Mask, RefusedStatistic> {
    Mask::parse(&names.join(","))
        .map_err(|name| RefusedStatistic::faulty(format!("{field}: there is no action {name:?}")))
}

fn growing(resets: &str) -> Result<Profile, RefusedStatistic> {
    Profile::growing(resets).map_err(|fault| RefusedStatistic::faulty(format!("profile: {fault}")))
}

/// Of a definition that a client brings; those of the tenant are its administrators' own.
fn few_resets(profile: Profile) -> Result<Profile, RefusedStatistic> {
    match profile {
        Profile::Growing { resets } if resets.len() > RESETS_MAX => {
            Err(RefusedStatistic::faulty(format!("profile.growing: it has at most {RESETS_MAX} times of a day")))
        }
        profile => Ok(profile),
    }
}

fn time_range(from_s: u32, to_s: u32) -> Result<TimeRange, RefusedStatistic> {
    if from_s > to_s {
        return Err(RefusedStatistic::faulty(format!("range: {to_s} s is less than {from_s} s")));
    }
    Ok(TimeRange { from: Duration::from_secs(from_s.into()), to: Duration::from_secs(to_s.into()) })
}

fn filter(text: Option<&str>) -> Result<Option<Filter>, RefusedStatistic> {
    let read = |text| Filter::parse(text).map_err(|fault| RefusedStatistic::faulty(format!("filter: {fault}")));
    text.map(read).transpose()
}

#[cfg(test)]
mod tests {
    use stats::Action;

    use super::super::catalogue::tests::example;
    use super::*;

    fn named(name: &str, object_type: &str, object_id: &str) -> v1::StatisticRequest {
        let text = str::to_owned;
        v1::StatisticRequest {
            name: text(name),
            object_type: text(object_type),
            object_id: text(object_id),
            ..Default::default()
        }
    }

    fn resolved(asked: v1::StatisticRequest) -> Result<ResolvedStatistic, RefusedStatistic> {
        let catalogue = example(|_| {});
        resolve(&catalogue, &canonical(&catalogue, asked)?)
    }

    fn refusal(asked: v1::StatisticRequest) -> (Why, String) {
        let refusal = resolved(asked).expect_err("it is refused");
        (refusal.why, refusal.message)
    }

    #[test]
    fn every_built_in_name_is_counted_for_its_objects_and_refused_for_others() {
        for (name, kinds) in built_in::NAMES {
            for (of, id) in [
                ("Agent", "1001"),
                ("GroupAgents", "Robots"),
                ("Queue", "sales"),
                ("RoutePoint", "9000"),
                ("RegDN", "7101"),
            ] {
                let is_for = kinds.iter().any(|kind| kind.as_str() == of);
                assert_eq!(resolved(named(name, of, id)).is_ok(), is_for, "{name} of {of}");
            }
        }
    }

    #[test]
    fn the_tenants_own_statistics_are_counted_by_their_names() {
        let own = resolved(named("Answered in time", "RoutePoint", "9000")).unwrap();
        assert_eq!(own.parts[0].range, Some(TimeRange::up_to_secs(20)));
        assert_eq!(refusal(named("Answered in time", "Queue", "sales")).0, Why::Faulty);
    }

    #[test]
    fn what_there_is_not_is_unknown() {
        assert_eq!(refusal(named("Fame", "Agent", "1001")).0, Why::Unknown);
        assert_eq!(refusal(named("CallsHandled", "Agent", "nobody")).0, Why::Unknown);
        assert_eq!(refusal(named("CallsHandled", "Workbin", "x")).0, Why::NotImplemented);
        assert_eq!(refusal(named("CallsHandled", "Star", "x")).0, Why::Faulty);
    }

    fn defined(category: &str, main: &[&str], of: (&str, &str)) -> v1::StatisticRequest {
        let definition = v1::StatisticDefinition {
            category: category.to_owned(),
            subject: "DNAction".to_owned(),
            main_mask: main.iter().map(|name| (*name).to_owned()).collect(),
            ..Default::default()
        };
        v1::StatisticRequest { definition: Some(definition), ..named("Anything", of.0, of.1) }
    }

    #[test]
    fn a_definition_of_the_client_is_counted_and_its_faults_are_named() {
        let all = resolved(defined("TotalNumber", &["*", "~CallWait"], ("Queue", "sales"))).unwrap();
        assert!(!all.parts[0].definition.main.contains(Action::CallWait));
        let missing = refusal(defined("EstimWaitTime", &["CallWait"], ("Queue", "sales")));
        assert_eq!(missing, (Why::NotImplemented, "category EstimWaitTime is not implemented".to_owned()));
        assert_eq!(refusal(defined("TotalNumber", &["Lunch"], ("Queue", "sales"))).0, Why::Faulty);
        assert_eq!(refusal(defined("TotalNumber", &[], ("Queue", "sales"))).0, Why::Faulty);
        let mut twisted = defined("TotalNumberInTimeRange", &["CallAnswered"], ("Queue", "sales"));
        let range = v1::StatisticTimeRange { from_s: 5, to_s: 1 };
        twisted.definition.as_mut().unwrap().range = Some(range);
        assert_eq!(refusal(twisted).0, Why::Faulty);
    }

    #[test]
    fn the_profile_of_a_client_is_coarse_enough() {
        let over = |kind| {
            let mut asked = defined("TotalNumber", &["CallAnswered"], ("Queue", "sales"));
            asked.definition.as_mut().unwrap().profile = Some(v1::StatisticTimeProfile { kind: Some(kind) });
            asked
        };
        let growing = |resets: &str| over(Kind::Growing(resets.to_owned()));
        let sliding = |step_s| over(Kind::Sliding(v1::StatisticSlidingProfile { window_s: 60, step_s }));
        assert!(resolved(growing("00:00+0:15")).is_ok() && resolved(sliding(5)).is_ok());
        for (asked, field) in [
            (growing("00:00+0:01"), "profile.growing: "),
            (sliding(1), "profile.sliding.step_s: "),
            (sliding(0), "profile.sliding.step_s: "),
        ] {
            let (why, message) = refusal(asked);
            assert!(why == Why::Faulty && message.starts_with(field), "{message}");
        }
    }

    #[test]
    fn a_group_is_its_agents_together() {
        let ready = resolved(named("CurrentReadyAgents", "GroupAgents", "Robots")).unwrap();
        assert_eq!((ready.parts.len(), ready.together), (4, Together::SumOfNumbers));
        let average = refusal(defined("AverageTime", &["CallAnswered"], ("GroupAgents", "Robots")));
        assert_eq!(average.0, Why::NotImplemented);
    }

    #[test]
    fn equal_statistics_have_equal_canonical_requests() {
        let catalogue = example(|_| {});
        let often = Some(v1::StatisticNotification { every_s: 5, mode: 3, ..Default::default() });
        let first = v1::StatisticRequest { notification: often, ..named("CallsHandled", "Agent", "ada.adler") };
        let second = named("CallsHandled", "Agent", "1001");
        assert_eq!(canonical(&catalogue, first).unwrap(), canonical(&catalogue, second).unwrap());
    }
}
