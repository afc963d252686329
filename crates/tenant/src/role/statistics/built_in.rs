//! The statistics that every tenant has by name (`docs/statistics.md`).

use stats::{Action, Category, Definition, Mask, ObjectId, ObjectType, Profile, Request, Subject, TimeRange};

use super::catalogue::{Catalogue, ServiceLevels};

/// Calls that somebody has talked on and that are over, consultations aside.
const HANDLED: Mask = Mask::of(&[
    Action::CallInboundCompleted,
    Action::CallOutboundCompleted,
    Action::CallInternalCompleted,
    Action::CallUnknownCompleted,
]);
const TALKS: Mask = Mask::of(&[
    Action::CallInbound,
    Action::CallOutbound,
    Action::CallInternal,
    Action::CallConsult,
    Action::CallUnknown,
]);
const ABANDONED: Mask = Mask::of(&[Action::CallAbandoned, Action::CallAbandonedFromRinging]);
const ANSWERED: Mask = Mask::of(&[Action::CallAnswered]);
const WAITING: Mask = Mask::of(&[Action::CallWait]);

const AGENT: &[ObjectType] = &[ObjectType::Agent];
const GROUP: &[ObjectType] = &[ObjectType::GroupAgents];
const QUEUES: &[ObjectType] = &[ObjectType::Queue, ObjectType::RoutePoint];

/// The names, with the kinds of objects for which they are.
pub(super) const NAMES: &[(&str, &[ObjectType])] = &[
    ("CurrentAgentState", AGENT),
    ("TimeInCurrentState", AGENT),
    ("CallsHandled", AGENT),
    ("AverageHandleTime", AGENT),
    ("TalkTime", AGENT),
    ("ReadyTime", AGENT),
    ("NotReadyTime", AGENT),
    ("CurrentReadyAgents", GROUP),
    ("CurrentLoggedInAgents", GROUP),
    ("CurrentCallsWaiting", QUEUES),
    ("LongestWait", QUEUES),
    ("ServiceLevel", QUEUES),
    ("CallsAnswered", QUEUES),
    ("CallsAbandoned", QUEUES),
];

/// Those that count the whole day of every object, whether somebody has asked for them or not.
pub(super) fn of_the_day(of: ObjectType) -> &'static [&'static str] {
    match of {
        ObjectType::Agent => &["CallsHandled", "AverageHandleTime", "TalkTime", "ReadyTime", "NotReadyTime"],
        ObjectType::Queue | ObjectType::RoutePoint => &["ServiceLevel", "CallsAnswered", "CallsAbandoned"],
        _ => &[],
    }
}

/// What the engine counts for a built-in name; none if there is no such name. Whether it is for the kind of object says the engine's check.
pub(super) fn request(catalogue: &Catalogue, name: &str, object: ObjectId) -> Option<Request> {
    let (_, objects) = NAMES.iter().find(|(known, _)| *known == name)?;
    let of = |category, subject, main| Definition::new(objects, category, subject, main);
    let action = |category, main| of(category, Subject::DNAction, main);
    let status = |category, main| of(category, Subject::AgentStatus, main);
    let definition = match name {
        "CurrentAgentState" => status(Category::CurrentState, Mask::NONE),
        "TimeInCurrentState" => status(Category::CurrentTime, statuses()),
        "CallsHandled" => action(Category::TotalNumber, HANDLED),
        "AverageHandleTime" => {
            let handling = HANDLED.union(Mask::of(&[Action::ACWCompleted]));
            action(Category::AverageTime, handling).relative(HANDLED)
        }
        "TalkTime" => status(Category::TotalAdjustedTime, TALKS),
        "ReadyTime" => status(Category::TotalAdjustedTime, Mask::of(&[Action::WaitForNextCall])),
        "NotReadyTime" => status(Category::TotalAdjustedTime, Mask::of(&[Action::NotReadyForNextCall])),
        "CurrentReadyAgents" => status(Category::CurrentNumber, Mask::of(&[Action::WaitForNextCall])),
        "CurrentLoggedInAgents" => action(Category::CurrentNumber, Mask::of(&[Action::LoggedIn])),
        "CurrentCallsWaiting" => action(Category::CurrentNumber, WAITING),
        "LongestWait" => action(Category::CurrentMaxTime, WAITING),
        "ServiceLevel" => action(Category::ServiceFactor1, ANSWERED).relative(ABANDONED),
        "CallsAnswered" => action(Category::TotalNumber, ANSWERED),
        "CallsAbandoned" => action(Category::TotalNumber, ABANDONED),
        _ => return None,
    };
    let ServiceLevels { in_time_s, short_abandon_s } = catalogue.levels(&object.name);
    let request = Request::new(definition, object, Profile::day());
    if name != "ServiceLevel" {
        return Some(request);
    }
    let within = |seconds: u32| TimeRange::up_to_secs(seconds.into());
    Some(request.range(within(in_time_s)).second_range(within(short_abandon_s)))
}

/// All actions that are the status of somebody.
fn statuses() -> Mask {
    let shown: Vec<Action> = Action::ALL.iter().copied().filter(|action| action.priority().is_some()).collect();
    Mask::of(&shown)
}
