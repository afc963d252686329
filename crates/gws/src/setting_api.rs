//! What gws-setting keeps of people for gws-workspace, as JSON between the two (gws-31).

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The types of targets that the published API has.
pub const TARGET_TYPES: [&str; 8] =
    ["agent", "agent-group", "acd-queue", "interaction-queue", "route-point", "skill", "contact", "custom-contact"];
/// Bytes of an id of a target.
const ID_MAX: usize = 200;
/// Bytes of a text of a target.
const TEXT_MAX: usize = 255;
/// Numbers and e-mail addresses of a target, of each.
const LIST_MAX: usize = 10;
/// Bytes of the name of a setting.
const SETTING_NAME_MAX: usize = 64;

/// Somebody or something that can be called, as a person keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptTarget {
    /// One of [`TARGET_TYPES`].
    #[serde(rename = "type")]
    pub target_type: String,
    /// Its id among those of its type: a number (`DBID`) of what is configured.
    pub id: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Of people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// Of agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// Of agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub employee_id: Option<String>,
    /// The number of a queue or a route point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The switch of that number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch_name: Option<String>,
    /// E-mail addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub email_addresses: Vec<String>,
    /// Telephone numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<String>,
}

impl KeptTarget {
    /// What is wrong with it: the field and the rule.
    pub fn fault(&self) -> Option<String> {
        if !TARGET_TYPES.contains(&self.target_type.as_str()) {
            return Some(format!("type: {:.64} is none of {}", self.target_type, TARGET_TYPES.join(", ")));
        }
        if self.id.is_empty() {
            return Some("id: it is missing, and so are numbers and e-mail addresses".to_owned());
        }
        let texts = [
            ("name", &self.name),
            ("firstName", &self.first_name),
            ("lastName", &self.last_name),
            ("userName", &self.user_name),
            ("employeeId", &self.employee_id),
            ("number", &self.number),
            ("switchName", &self.switch_name),
        ];
        let of_texts = texts.into_iter().find_map(|(field, text)| text_fault(field, text.as_deref()?, TEXT_MAX));
        let lists = [("emailAddresses", &self.email_addresses), ("numbers", &self.numbers)];
        let of_lists = || lists.into_iter().find_map(|(field, list)| list_fault(field, list));
        text_fault("id", &self.id, ID_MAX).or(of_texts).or_else(of_lists)
    }
}

fn text_fault(field: &str, text: &str, most: usize) -> Option<String> {
    if text.len() > most {
        return Some(format!("{field}: it has more than {most} bytes"));
    }
    text.chars().any(char::is_control).then(|| format!("{field}: it has control characters"))
}

fn list_fault(field: &str, list: &[String]) -> Option<String> {
    if list.len() > LIST_MAX {
        return Some(format!("{field}: there are more than {LIST_MAX}"));
    }
    list.iter().find_map(|text| text_fault(field, text, TEXT_MAX))
}

/// A favourite.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FavouriteEntry {
    /// Which target.
    pub target: KeptTarget,
    /// Under which heading the person has it; empty for none.
    #[serde(default)]
    pub category: String,
    /// When it was saved, in milliseconds since 1970.
    #[serde(default)]
    pub at: u64,
}

impl FavouriteEntry {
    /// What is wrong with it: the field and the rule.
    pub fn fault(&self) -> Option<String> {
        self.target.fault().or_else(|| text_fault("category", &self.category, TEXT_MAX))
    }
}

/// A favourite to be kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedFavourite {
    /// The favourite.
    pub favourite: FavouriteEntry,
    /// Whether it takes the place of one of the same target; else that is refused.
    pub replaces: bool,
}

/// The favourites of a person, the one that was saved last first.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FavouriteList {
    /// They.
    pub favourites: Vec<FavouriteEntry>,
}

/// A target that a person had to do with.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecentEntry {
    /// Which target.
    pub target: KeptTarget,
    /// By which medium, as `voice`; empty if that is not known.
    #[serde(default)]
    pub media: String,
    /// Of calls that the desktop has noted: as of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_type: Option<String>,
    /// When that was, or when the call began, in milliseconds since 1970.
    #[serde(default)]
    pub at: u64,
    /// Whether a call was missed, and the person has not said to know that.
    #[serde(default)]
    pub is_missed: bool,
}

impl RecentEntry {
    /// What is wrong with it: the field and the rule.
    pub fn fault(&self) -> Option<String> {
        let call_type = self.call_type.as_deref().unwrap_or_default();
        let of_media = || text_fault("media", &self.media, TEXT_MAX);
        self.target.fault().or_else(of_media).or_else(|| text_fault("callType", call_type, TEXT_MAX))
    }
}

/// The recents of a person, the latest first.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RecentList {
    /// They.
    pub recents: Vec<RecentEntry>,
}

/// Missed calls that a person knows of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Those up to then, in milliseconds since 1970.
    pub until: u64,
}

/// The value of a setting.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SettingValue {
    /// Whatever the desktop keeps there.
    pub value: Value,
}

/// What is wrong with the name of a setting: the rule.
pub fn setting_name_fault(name: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_good = (1..=SETTING_NAME_MAX).contains(&name.len()) && name.bytes().all(is_plain);
    (!is_good).then(|| {
        format!("name: a setting's has up to {SETTING_NAME_MAX} letters, digits, hyphens, dots or underscores")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn target(target_type: &str, id: &str) -> KeptTarget {
        KeptTarget { target_type: target_type.to_owned(), id: id.to_owned(), ..KeptTarget::default() }
    }

    #[test]
    fn entries_have_the_form_that_both_sides_know() {
        let ann = KeptTarget {
            first_name: Some("Ann".to_owned()),
            numbers: vec!["7101".to_owned()],
            ..target("agent", "17")
        };
        let recent = RecentEntry { target: ann, media: "voice".to_owned(), call_type: None, at: 7, is_missed: true };
        let told = json!({
            "target": {"type": "agent", "id": "17", "firstName": "Ann", "numbers": ["7101"]},
            "media": "voice", "at": 7, "isMissed": true,
        });
        assert_eq!(serde_json::to_value(&recent).unwrap(), told);
        assert_eq!(serde_json::from_value::<RecentEntry>(told).unwrap(), recent);
        let bare: FavouriteEntry =
            serde_json::from_value(json!({"target": {"type": "skill", "id": "1", "later": 1}})).unwrap();
        assert_eq!(bare, FavouriteEntry { target: target("skill", "1"), ..FavouriteEntry::default() });
    }

    #[test]
    fn what_is_wrong_with_an_entry_is_named_by_its_field() {
        let long = "x".repeat(TEXT_MAX + 1);
        for (wrong, field) in [
            (target("phone", "1"), "type"),
            (target("agent", ""), "id"),
            (target("agent", "a\0b"), "id"),
            (target("agent", &"1".repeat(ID_MAX + 1)), "id"),
            (KeptTarget { last_name: Some(long.clone()), ..target("agent", "1") }, "lastName"),
            (KeptTarget { numbers: vec!["1\n2".to_owned()], ..target("agent", "1") }, "numbers"),
            (
                KeptTarget { email_addresses: vec![String::new(); LIST_MAX + 1], ..target("agent", "1") },
                "emailAddresses",
            ),
        ] {
            let fault = wrong.fault().unwrap();
            assert!(fault.starts_with(&format!("{field}: ")), "{fault}");
        }
        let favourite = FavouriteEntry { target: target("agent", "1"), category: long.clone(), at: 0 };
        assert!(favourite.fault().unwrap().starts_with("category: "));
        let recent = RecentEntry { target: target("agent", "1"), media: long, ..RecentEntry::default() };
        assert!(recent.fault().unwrap().starts_with("media: "));
        for name in ["", "a b", "ä", "a/b", &"x".repeat(SETTING_NAME_MAX + 1)] {
            assert!(setting_name_fault(name).is_some(), "{name}");
        }
        assert_eq!(setting_name_fault("desktop.theme_2-b"), None);
    }

    proptest! {
        #[test]
        fn an_entry_without_a_fault_fits_its_table(
            id in "\\PC{1,60}", texts in proptest::collection::vec("\\PC{0,80}", 7), list in proptest::collection::vec("\\PC{0,80}", 0..12),
        ) {
            let text = |at: usize| texts.get(at).cloned();
            let target = KeptTarget {
                id,
                name: text(0),
                first_name: text(1),
                last_name: text(2),
                user_name: text(3),
                employee_id: text(4),
                number: text(5),
                switch_name: text(6),
                email_addresses: list.clone(),
                numbers: list,
                ..target("contact", "")
            };
            let entry = FavouriteEntry { target, category: String::new(), at: u64::MAX };
            let bytes = serde_json::to_vec(&entry).unwrap().len();
            prop_assert!(entry.fault().is_some() || bytes <= 2 * infra::bounds::TARGET_DOCUMENT_MAX);
            prop_assert_eq!(serde_json::from_slice::<FavouriteEntry>(&serde_json::to_vec(&entry).unwrap()).unwrap(), entry);
        }
    }
}
