//! What statistics somebody asks for, read from JSON: by the name of a statistic, or by a definition with the published names.

use contracts::v1;
use contracts::v1::statistic_time_profile::Kind;
use serde_json::{Map, Value};

/// The most statistics of a request, as of a message of port 2060.
pub(super) const ASKED_MAX: usize = 500;
/// The longest text of a field, in bytes.
const TEXT_BYTES_MAX: usize = 255;
/// The most actions of a mask.
const ACTIONS_MAX: usize = 64;
/// How often a statistic is told that grows while nothing happens, if nobody says how often, in seconds.
const PERIOD_S: u32 = 5;
/// The longest period that may be asked for, in seconds.
const PERIOD_MAX_S: u64 = 3_600;
/// The names of port 2060 whose values grow while nothing happens.
const GROWING: [&str; 5] = ["TimeInCurrentState", "LongestWait", "TalkTime", "ReadyTime", "NotReadyTime"];
/// The categories of which the same is true: what is in progress counts.
const GROWING_CATEGORIES: [&str; 6] = [
    "TotalAdjustedTime",
    "CurrentTime",
    "CurrentAverageTime",
    "CurrentMaxTime",
    "CurrentMinTime",
    "CurrentNumberInTimeRange",
];

/// A statistic that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AskedStatistic {
    /// By which the client knows it.
    pub statistic_id: String,
    /// What port 2060 is asked.
    pub request: v1::StatisticRequest,
}

/// The statistics of a list that stands at that place of a body.
///
/// # Errors
/// The field and the rule that it breaks.
pub(super) fn read_all(list: &Value, at: &str) -> Result<Vec<AskedStatistic>, String> {
    let list = listed(list, at)?;
    let read = list.iter().enumerate().map(|(n, one)| AskedStatistic::read(one, n, &format!("{at}[{n}]")));
    let all = read.collect::<Result<Vec<_>, _>>()?;
    expect_distinct(all.iter().map(|asked| asked.statistic_id.as_str()).collect(), at)?;
    Ok(all)
}

/// A statistic that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FaultyStatistic {
    /// By which the client knows it.
    pub statistic_id: String,
    /// The field and the rule that it breaks.
    pub fault: String,
}

/// The statistics of a list, of many clients: what is wrong with one of them is no fault of the others.
///
/// # Errors
/// If the list itself is none, or has too many, or two with one id.
pub(super) fn read_each(list: &Value, at: &str) -> Result<(Vec<AskedStatistic>, Vec<FaultyStatistic>), String> {
    let (mut all, mut faulty) = (Vec::new(), Vec::new());
    for (n, one) in listed(list, at)?.iter().enumerate() {
        // Its place here says nothing to the client.
        match AskedStatistic::read(one, n, "statistic") {
            Ok(asked) => all.push(asked),
            Err(fault) => {
                let id = one.get("statisticId").and_then(Value::as_str).filter(|id| id.len() <= TEXT_BYTES_MAX);
                faulty.push(FaultyStatistic { statistic_id: id.map_or_else(|| n.to_string(), str::to_owned), fault });
            }
        }
    }
    let ids = all.iter().map(|asked| asked.statistic_id.as_str());
    expect_distinct(ids.chain(faulty.iter().map(|one| one.statistic_id.as_str())).collect(), at)?;
    Ok((all, faulty))
}

fn listed<'b>(list: &'b Value, at: &str) -> Result<&'b [Value], String> {
    let list = list.as_array().ok_or_else(|| format!("{at}: it must be a list"))?;
    if list.is_empty() || list.len() > ASKED_MAX {
        return Err(format!("{at}: it must have 1 to {ASKED_MAX} statistics"));
    }
    Ok(list)
}

fn expect_distinct(mut ids: Vec<&str>, at: &str) -> Result<(), String> {
    ids.sort_unstable();
    match ids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("{at}: the statisticId {:?} is there twice", pair[0])),
        None => Ok(()),
    }
}

impl AskedStatistic {
    /// A statistic by its name.
    ///
    /// # Errors
    /// The field and the rule that it breaks.
    pub fn named(name: &str, object_id: &str, object_type: &str) -> Result<Self, String> {
        let fields = [("statisticName", name), ("objectId", object_id), ("objectType", object_type)];
        if let Some((field, _)) = fields.iter().find(|(_, value)| value.is_empty() || value.len() > TEXT_BYTES_MAX) {
            return Err(format!("{field}: it must have 1 to {TEXT_BYTES_MAX} bytes"));
        }
        let request = v1::StatisticRequest {
            name: name.to_owned(),
            definition: None,
            object_type: object_type.to_owned(),
            object_id: object_id.to_owned(),
            notification: Some(usual_notification(GROWING.contains(&name))),
        };
        Ok(Self { statistic_id: name.to_owned(), request })
    }

    fn read(one: &Value, n: usize, at: &str) -> Result<Self, String> {
        let fields = PlacedFields::of(one, at)?;
        let name = fields.text("name")?.unwrap_or_default();
        let definition = match one.get("definition").filter(|definition| !definition.is_null()) {
            Some(definition) => Some(PlacedFields::of(definition, &format!("{at}.definition"))?),
            None if name.is_empty() => return Err(format!("{at}.name: it is missing, and there is no definition")),
            None => None,
        };
        // A definition says all; the name beside it is for people.
        let counted = definition.as_ref().map(read_definition).transpose()?;
        let is_growing = match &counted {
            Some(counted) => GROWING_CATEGORIES.contains(&counted.category.as_str()),
            None => GROWING.contains(&name.as_str()),
        };
        let notification = notification(definition.as_ref().unwrap_or(&fields), is_growing)?;
        let request = v1::StatisticRequest {
            definition: counted,
            object_type: fields.needed("objectType")?,
            object_id: fields.needed("objectId")?,
            notification: Some(notification),
            name,
        };
        let statistic_id = fields.text("statisticId")?.unwrap_or_else(|| n.to_string());
        Ok(Self { statistic_id, request })
    }
}

/// The fields of an object of a body, and where it stands.
struct PlacedFields<'b> {
    of: &'b Map<String, Value>,
    at: String,
}

impl<'b> PlacedFields<'b> {
    fn of(value: &'b Value, at: &str) -> Result<Self, String> {
        let of = value.as_object().ok_or_else(|| format!("{at}: it must be an object"))?;
        Ok(Self { of, at: at.to_owned() })
    }

    fn fault<T>(&self, field: &str, rule: &str) -> Result<T, String> {
        Err(format!("{}.{field}: {rule}", self.at))
    }

    fn get(&self, field: &str) -> Option<&'b Value> {
        self.of.get(field).filter(|value| !value.is_null())
    }

    fn text(&self, field: &str) -> Result<Option<String>, String> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) if text.len() <= TEXT_BYTES_MAX => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => self.fault(field, &format!("it must be a text of at most {TEXT_BYTES_MAX} bytes")),
        }
    }

    fn needed(&self, field: &str) -> Result<String, String> {
        match self.text(field)? {
            Some(text) => Ok(text),
            None => self.fault(field, "it is missing"),
        }
    }

    /// A whole number, which may be written as text.
    fn whole(&self, field: &str, most: u64) -> Result<Option<u64>, String> {
        let number = match self.get(field) {
            None => return Ok(None),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(value) => value.as_u64(),
        };
        match number.filter(|number| *number <= most) {
            Some(number) => Ok(Some(number)),
            None => self.fault(field, &format!("it must be a whole number of at most {most}")),
        }
    }

    /// Actions: a text with commas, or a list.
    fn mask(&self, field: &str) -> Result<Vec<String>, String> {
        let actions: Vec<String> = match self.get(field) {
            None => return Ok(Vec::new()),
            Some(Value::String(text)) => text.split(',').map(|action| action.trim().to_owned()).collect(),
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(_) => return self.fault(field, "it must be names of actions with commas between them"),
        };
        let actions: Vec<String> = actions.into_iter().filter(|action| !action.is_empty()).collect();
        if actions.len() > ACTIONS_MAX || actions.iter().any(|action| action.len() > TEXT_BYTES_MAX) {
            return self.fault(field, &format!("it must have at most {ACTIONS_MAX} actions"));
        }
        Ok(actions)
    }

    /// A range of seconds, as `0-20`.
    fn range(&self, field: &str) -> Result<Option<v1::StatisticTimeRange>, String> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let ends = text.split_once('-').and_then(|(from, to)| {
            let (from_s, to_s) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
            (from_s <= to_s).then_some(v1::StatisticTimeRange { from_s, to_s })
        });
        match ends {
            Some(range) => Ok(Some(range)),
            None => self.fault(field, "it must be two numbers of seconds, as 0-20"),
        }
    }
}

fn read_definition(fields: &PlacedFields<'_>) -> Result<v1::StatisticDefinition, String> {
    let relative = if fields.get("relMask").is_some() { "relMask" } else { "relativeMask" };
    Ok(v1::StatisticDefinition {
        category: fields.needed("category")?,
        subject: fields.text("subject")?.unwrap_or_else(|| "DNAction".to_owned()),
        main_mask: fields.mask("mainMask")?,
        relative_mask: fields.mask(relative)?,
        profile: Some(profile(fields)?),
        range: fields.range("timeRange")?,
        second_range: fields.range("timeRange2")?,
        filter: fields.text("filter")?.unwrap_or_default(),
    })
}

/// Over which time is counted: by default from midnight.
fn profile(fields: &PlacedFields<'_>) -> Result<v1::StatisticTimeProfile, String> {
    let times = fields.text("dynamicTimeProfile")?;
    let kind = match fields.text("intervalType")?.as_deref() {
        Some("SinceLogin") => Kind::SinceLogin(true),
        Some("SlidingWindow") => {
            let times = times.unwrap_or_default();
            let read = times.split_once(':').and_then(|(window, step)| {
                let (window_s, step_s) = (window.trim().parse().ok()?, step.trim().parse().ok()?);
                Some(v1::StatisticSlidingProfile { window_s, step_s })
            });
            match read {
                Some(sliding) => Kind::Sliding(sliding),
                None => return fields.fault("dynamicTimeProfile", "it must be window and step in seconds, as 3600:10"),
            }
        }
        Some("GrowingWindow") | None => Kind::Growing(times.unwrap_or_else(|| "00:00".to_owned())),
        Some(_) => return fields.fault("intervalType", "it must be GrowingWindow, SlidingWindow or SinceLogin"),
    };
    Ok(v1::StatisticTimeProfile { kind: Some(kind) })
}

fn notification(fields: &PlacedFields<'_>, is_growing: bool) -> Result<v1::StatisticNotification, String> {
    use v1::StatisticNotificationMode as Mode;
    let insensitivity = fields.whole("insensitivity", u64::from(u32::MAX))?;
    let every = fields.whole("notificationFrequency", PERIOD_MAX_S)?;
    let mode = match fields.text("notificationMode")?.as_deref() {
        Some("Immediate") => Mode::Immediate,
        Some("ChangesBased" | "Change") => Mode::Change,
        Some("TimeBased" | "Periodical") => Mode::Periodical,
        Some("NoNotification") => Mode::None,
        Some(_) => {
            let rule = "it must be Immediate, ChangesBased, TimeBased or NoNotification";
            return fields.fault("notificationMode", rule);
        }
        None if every.is_some_and(|every| every > 0) => Mode::Periodical,
        None if insensitivity.is_some_and(|least| least > 0) => Mode::Change,
        None => return Ok(usual_notification(is_growing)),
    };
    let every_s = match mode {
        Mode::Periodical => every.and_then(|every| u32::try_from(every).ok()).unwrap_or(PERIOD_S).max(1),
        _ => 0,
    };
    let insensitivity = insensitivity.filter(|_| mode == Mode::Change).unwrap_or_default();
    Ok(v1::StatisticNotification { mode: mode.into(), insensitivity, every_s })
}

/// When a statistic is told if nobody says when.
fn usual_notification(is_growing: bool) -> v1::StatisticNotification {
    use v1::StatisticNotificationMode as Mode;
    let (mode, every_s) = if is_growing { (Mode::Periodical, PERIOD_S) } else { (Mode::Immediate, 0) };
    v1::StatisticNotification { mode: mode.into(), insensitivity: 0, every_s }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(statistic: &Value) -> Result<AskedStatistic, String> {
        read_all(&json!([statistic]), "data.statistics").map(|mut all| all.remove(0))
    }

    #[test]
    fn a_statistic_is_asked_for_by_its_name() {
        let read =
            one(&json!({"statisticId": "s1", "objectId": "1001", "objectType": "Agent", "name": "CallsHandled"}));
        let read = read.unwrap();
        assert_eq!((read.statistic_id.as_str(), read.request.name.as_str()), ("s1", "CallsHandled"));
        assert_eq!((read.request.object_type.as_str(), read.request.object_id.as_str()), ("Agent", "1001"));
        assert_eq!(read.request.definition, None);
        let by_path = AskedStatistic::named("CallsHandled", "1001", "Agent").unwrap();
        assert_eq!(by_path.request, read.request, "both are one statistic at port 2060");
    }

    #[test]
    fn what_grows_while_nothing_happens_is_told_at_intervals_unless_somebody_says_otherwise() {
        let every_s = |asked: AskedStatistic| asked.request.notification.unwrap().every_s;
        let by_name = |name: &str| every_s(AskedStatistic::named(name, "1001", "Agent").unwrap());
        let defined =
            |category: &str| json!({"objectId": "1", "objectType": "Agent", "definition": {"category": category}});
        for (grows, names, categories) in [
            (true, ["TalkTime", "LongestWait"], ["TotalAdjustedTime", "CurrentMaxTime"]),
            (false, ["CallsHandled", "AverageHandleTime"], ["TotalTime", "CurrentState"]),
        ] {
            for name in names {
                assert_eq!(by_name(name) == PERIOD_S, grows, "{name}");
            }
            for category in categories {
                assert_eq!(every_s(one(&defined(category)).unwrap()) == PERIOD_S, grows, "{category}");
            }
        }
        let mut at_once = defined("CurrentTime");
        at_once["name"] = json!("TalkTime");
        at_once["definition"]["notificationMode"] = json!("Immediate");
        assert_eq!(every_s(one(&at_once).unwrap()), 0);
        assert_eq!(every_s(one(&defined("TotalNumber")).unwrap()), 0);
    }

    #[test]
    fn a_definition_has_the_published_names() {
        let read = one(&json!({"objectId": "sales", "objectType": "Queue", "definition": {
            "category": "ServiceFactor1", "subject": "DNAction", "mainMask": "CallAnswered, CallDistributed",
            "relMask": ["CallEntered"], "timeRange": "0-20", "timeRange2": "0-5", "intervalType": "SlidingWindow",
            "dynamicTimeProfile": "3600:10", "notificationMode": "ChangesBased", "insensitivity": "3",
        }}));
        let read = read.unwrap();
        let definition = read.request.definition.unwrap();
        assert_eq!(definition.main_mask, ["CallAnswered", "CallDistributed"]);
        assert_eq!(definition.range, Some(v1::StatisticTimeRange { from_s: 0, to_s: 20 }));
        let sliding = Kind::Sliding(v1::StatisticSlidingProfile { window_s: 3_600, step_s: 10 });
        assert_eq!(definition.profile.unwrap().kind, Some(sliding));
        let notification = read.request.notification.unwrap();
        assert_eq!((notification.mode, notification.insensitivity, notification.every_s), (2, 3, 0));
        assert_eq!(read.statistic_id, "0", "its number in the list");
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_rule() {
        let named = |extra: Value| {
            let mut statistic = json!({"statisticId": "a", "objectId": "1", "objectType": "Agent", "name": "x"});
            for (key, value) in extra.as_object().unwrap() {
                statistic[key] = value.clone();
            }
            one(&statistic).unwrap_err()
        };
        for (extra, field) in [
            (json!({"objectId": null}), "data.statistics[0].objectId: "),
            (json!({"objectType": {}}), "data.statistics[0].objectType: "),
            (json!({"name": null}), "data.statistics[0].name: "),
            (json!({"definition": "x"}), "data.statistics[0].definition: "),
            (json!({"definition": {}}), "data.statistics[0].definition.category: "),
            (
                json!({"definition": {"category": "c", "timeRange": "20-0"}}),
                "data.statistics[0].definition.timeRange: ",
            ),
            (
                json!({"definition": {"category": "c", "intervalType": "x"}}),
                "data.statistics[0].definition.intervalType: ",
            ),
            (json!({"notificationMode": "Sometimes"}), "data.statistics[0].notificationMode: "),
            (json!({"notificationFrequency": 1e9}), "data.statistics[0].notificationFrequency: "),
            (json!({"statisticId": "x".repeat(300)}), "data.statistics[0].statisticId: "),
        ] {
            let fault = named(extra);
            assert!(fault.starts_with(field), "{fault}");
        }
        assert!(read_all(&json!({}), "data.statistics").is_err() && read_all(&json!([]), "data.statistics").is_err());
        let twice = json!({"statisticId": "a", "objectId": "1", "objectType": "Agent", "name": "x"});
        assert!(read_all(&json!([twice, twice]), "data.statistics").unwrap_err().contains("twice"));
        assert!(read_each(&json!([twice, twice]), "data.statistics").unwrap_err().contains("twice"));
    }

    #[test]
    fn each_of_many_faults_is_of_its_own_statistic() {
        let of = |n: usize, extra: Value| {
            let mut one = json!({"statisticId": n.to_string(), "objectId": "1", "objectType": "Agent", "name": "x"});
            one["definition"] = extra;
            one
        };
        let list: Vec<Value> =
            (0..ASKED_MAX).map(|n| of(n, if n % 5 == 0 { json!({"category": null}) } else { Value::Null })).collect();
        let (all, faulty) = read_each(&json!(list), "statistics").unwrap();
        assert_eq!((all.len(), faulty.len()), (400, 100));
        assert_eq!((all[0].statistic_id.as_str(), faulty[1].statistic_id.as_str()), ("1", "5"));
        assert_eq!(faulty[1].fault, "statistic.definition.category: it is missing");
        let (all, faulty) = read_each(&json!([7, {"statisticId": {}}]), "statistics").unwrap();
        assert_eq!((all.len(), faulty[0].statistic_id.as_str(), faulty[1].statistic_id.as_str()), (0, "0", "1"));
        assert!(read_each(&json!([]), "statistics").is_err());
    }
}
