//! Which statistics somebody asks for: read from the body of a subscription.

use serde_json::{Map, Value, json};

use super::STATISTICS_MAX;
use crate::sessions::answers::ApiRefusal;

/// The most bytes of a name or an id, as gws-statistics takes them, and of a definition as JSON.
const TEXT_BYTES_MAX: usize = 255;
const DEFINITION_BYTES_MAX: usize = 2 << 10;

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::gws_workspace) enum CountedBy {
    /// A statistic of that name.
    Name(String),
    /// A definition, as JSON.
    Definition(String),
}

/// What is counted of which object. Two requests for the same are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::gws_workspace) struct WantedStatistic {
    /// The object.
    pub object_id: String,
    /// The published name of its kind, as `Agent`.
    pub object_type: String,
    /// What is counted.
    pub counted: CountedBy,
}

/// A statistic of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gws_workspace) struct OpenedStatistic {
    /// The client's id of it, or our own.
    pub id: String,
    /// What is counted.
    pub wanted: WantedStatistic,
}

impl WantedStatistic {
    /// A statistic by its name.
    pub fn named(object_type: &str, object_id: &str, name: &str) -> Self {
        Self {
            object_id: object_id.to_owned(),
            object_type: object_type.to_owned(),
            counted: CountedBy::Name(name.to_owned()),
        }
    }

    /// As it is asked for under an id.
    pub fn asked(&self, id: &str) -> Value {
        let mut asked = json!({"statisticId": id, "objectId": self.object_id, "objectType": self.object_type});
        match &self.counted {
            CountedBy::Name(name) => asked["name"] = json!(name),
            CountedBy::Definition(text) => asked["definition"] = serde_json::from_str(text).unwrap_or_default(),
        }
        asked
    }

    /// The time over which a definition counts, as it says it, if that is another one than the day.
    pub fn own_profile(&self) -> Option<String> {
        let CountedBy::Definition(text) = &self.counted else { return None };
        let definition: Value = serde_json::from_str(text).ok()?;
        let said = |field: &str| definition[field].as_str().unwrap_or_default();
        match (said("intervalType"), said("dynamicTimeProfile")) {
            ("" | "GrowingWindow", "" | "00:00") => None,
            (interval, times) => Some(format!("{interval} {times}")),
        }
    }
}

impl OpenedStatistic {
    /// As it was asked for.
    pub fn written(&self) -> Value {
        self.wanted.asked(&self.id)
    }

    /// Reads one; `nth` names it where the client does not.
    fn read(fields: &Map<String, Value>, nth: usize) -> Result<Self, String> {
        let text = |name: &str| match fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.len() <= TEXT_BYTES_MAX => {
                Ok(Some(text.clone()).filter(|it| !it.is_empty()))
            }
            Some(_) => Err(format!("{name}: it is no text of at most {TEXT_BYTES_MAX} bytes")),
        };
        let needed = |name: &str| text(name)?.ok_or_else(|| format!("{name}: it is missing"));
        let definition = fields.get("definition").filter(|definition| !definition.is_null());
        let counted = match (definition, text("name")?) {
            (Some(definition @ Value::Object(_)), _) => CountedBy::Definition(definition.to_string()),
            (Some(_), _) => return Err("definition: it is not an object".to_owned()),
            (None, Some(name)) => CountedBy::Name(name),
            (None, None) => return Err("name: it is missing, and so is definition".to_owned()),
        };
        if matches!(&counted, CountedBy::Definition(text) if text.len() > DEFINITION_BYTES_MAX) {
            return Err(format!("definition: it has more than {DEFINITION_BYTES_MAX} bytes"));
        }
        let wanted = WantedStatistic { object_id: needed("objectId")?, object_type: needed("objectType")?, counted };
        Ok(Self { id: text("statisticId")?.unwrap_or_else(|| nth.to_string()), wanted })
    }
}

/// The statistics of a body, whose `data` has them.
///
/// # Errors
/// 400, and names the field.
pub(in crate::gws_workspace) fn statistics_of(body: &Value) -> Result<Vec<OpenedStatistic>, ApiRefusal> {
    let list = body.pointer("/data/statistics").or_else(|| body.get("statistics")).and_then(Value::as_array);
    let list = list.filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| ApiRefusal::bad_request("statistics: it is missing, or has none"))?;
    if list.len() > STATISTICS_MAX {
        return Err(ApiRefusal::bad_request(format!("statistics: there are more than {STATISTICS_MAX}")));
    }
    let mut statistics: Vec<OpenedStatistic> = Vec::with_capacity(list.len());
    for (at, item) in list.iter().enumerate() {
        let wrong = |fault: String| ApiRefusal::bad_request(format!("statistics[{at}].{fault}"));
        let fields = item.as_object().ok_or_else(|| ApiRefusal::bad_request("statistics: one is not an object"))?;
        let opened = OpenedStatistic::read(fields, at + 1).map_err(wrong)?;
        if statistics.iter().any(|other| other.id == opened.id) {
            return Err(wrong("statisticId: another one has it".to_owned()));
        }
        statistics.push(opened);
    }
    Ok(statistics)
}
