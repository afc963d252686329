//! Lists (RFC 7644 section 3.4.2): what of them is asked for, by number and by attributes, and how they are told.

use serde_json::{Map, Value, json};

use crate::scim_error::ScimError;

/// The most resources of an answer.
pub(super) const COUNT_MAX: usize = 500;
const LIST_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// Attributes that every answer has.
const ALWAYS: [&str; 2] = ["schemas", "id"];

/// What a query asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListAsked {
    /// The filter, as it is written.
    pub filter: Option<String>,
    /// The attributes that are shown.
    pub shown: ShownAttributes,
    /// The place of the first resource, from 1.
    start: usize,
    count: usize,
}

/// Which attributes are shown. Names are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ShownAttributes {
    /// Those alone.
    These(Vec<String>),
    /// All but those.
    AllBut(Vec<String>),
}

impl ListAsked {
    /// Reads a query.
    ///
    /// # Errors
    /// The parameter that cannot be read.
    pub fn read(query: Option<&str>) -> Result<Self, ScimError> {
        let mut asked = Self { filter: None, shown: ShownAttributes::AllBut(Vec::new()), start: 1, count: COUNT_MAX };
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "filter" => asked.filter = Some(value.into_owned()),
                "startIndex" => asked.start = number("startIndex", &value)?.max(1),
                "count" => asked.count = number("count", &value)?.min(COUNT_MAX),
                "attributes" => asked.shown = ShownAttributes::These(names(&value)),
                "excludedAttributes" if !matches!(asked.shown, ShownAttributes::These(_)) => {
                    asked.shown = ShownAttributes::AllBut(names(&value));
                }
                // Sorting is not supported (RFC 7644 section 3.4.2.3), and what is not known is ignored.
                _ => {}
            }
        }
        Ok(asked)
    }
}

/// A number; less than none is none.
fn number(name: &str, value: &str) -> Result<usize, ScimError> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(ScimError::value(name, "a whole number is needed"));
    }
    // More digits than a number has are a number beyond every list.
    Ok(if digits.len() < value.len() { 0 } else { digits.parse().unwrap_or(usize::MAX) })
}

fn names(list: &str) -> Vec<String> {
    let name = |name: &str| {
        let name = name.trim();
        let is_urn = name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"));
        let name = if is_urn { name.rsplit_once(':').map_or(name, |(_, name)| name) } else { name };
        name.to_ascii_lowercase()
    };
    list.split(',').map(name).filter(|name| !name.is_empty()).collect()
}

impl ShownAttributes {
    /// Whether an attribute is shown, in part at least.
    pub fn has(&self, attribute: &str) -> bool {
        match self {
            Self::These(names) => names.iter().any(|name| name.split('.').next() == Some(attribute)),
            Self::AllBut(names) => !names.iter().any(|name| name == attribute),
        }
    }

    /// The resource with those attributes alone.
    pub fn of(&self, resource: Value) -> Value {
        let Value::Object(whole) = resource else { return resource };
        let shown = whole.into_iter().filter_map(|(key, value)| {
            let name = key.to_ascii_lowercase();
            if ALWAYS.contains(&name.as_str()) {
                return Some((key, value));
            }
            if !self.has(&name) {
                return None;
            }
            let value = self.parts(&name, value);
            Some((key, value))
        });
        Value::Object(shown.collect())
    }

    /// An attribute with those of its parts that are shown.
    fn parts(&self, attribute: &str, value: Value) -> Value {
        let part = |name: &String| Some(name.strip_prefix(attribute)?.strip_prefix('.')?.to_owned());
        let (names, is_whole) = match self {
            Self::These(names) => (names, names.iter().any(|name| name == attribute)),
            Self::AllBut(names) => (names, false),
        };
        let named: Vec<String> = names.iter().filter_map(part).collect();
        if is_whole || named.is_empty() {
            return value;
        }
        let is_shown = |key: &str| {
            let is_named = named.iter().any(|name| name.eq_ignore_ascii_case(key));
            is_named == matches!(self, Self::These(_))
        };
        let of_one = |value: Value| match value {
            Value::Object(parts) => Value::Object(
                parts.into_iter().filter(|(key, _)| is_shown(key.as_str())).collect::<Map<String, Value>>(),
            ),
            other => other,
        };
        match value {
            Value::Array(all) => Value::Array(all.into_iter().map(of_one).collect()),
            one => of_one(one),
        }
    }
}

/// The part of a list that is asked for, while the list goes by.
#[derive(Debug)]
pub(super) struct ListWindow<T> {
    start: usize,
    count: usize,
    total: usize,
    items: Vec<T>,
}

impl<T> ListWindow<T> {
    /// An empty one.
    pub fn new(asked: &ListAsked) -> Self {
        Self { start: asked.start, count: asked.count, total: 0, items: Vec::new() }
    }

    /// The next one of the list.
    pub fn sees(&mut self, item: T) {
        self.total += 1;
        if self.total >= self.start && self.items.len() < self.count {
            self.items.push(item);
        }
    }

    /// What of the list is within it so far.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// The answer.
    pub fn told(self, resource: impl Fn(&T) -> Value) -> Value {
        let resources: Vec<Value> = self.items.iter().map(resource).collect();
        json!({
            "schemas": [LIST_SCHEMA],
            "totalResults": self.total,
            "startIndex": self.start,
            "itemsPerPage": resources.len(),
            "Resources": resources,
        })
    }
}

/// A list that is told whole.
pub(super) fn whole(resources: Vec<Value>) -> Value {
    let count = resources.len();
    json!({ "schemas": [LIST_SCHEMA], "totalResults": count, "startIndex": 1, "itemsPerPage": count, "Resources": resources })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(query: &str) -> ListAsked {
        ListAsked::read(Some(query)).unwrap()
    }

    #[test]
    fn queries_are_read_and_bounded() {
        let read = asked("startIndex=11&count=20&filter=userName%20eq%20%22ann%22");
        assert_eq!((read.start, read.count, read.filter.as_deref()), (11, 20, Some("userName eq \"ann\"")));
        assert_eq!((asked("").start, asked("").count), (1, COUNT_MAX));
        assert_eq!((asked("startIndex=-5&count=-1").start, asked("startIndex=0&count=-1").count), (1, 0));
        assert_eq!(asked("count=100000").count, COUNT_MAX);
        assert_eq!(asked("startIndex=99999999999999999999999").start, usize::MAX);
        for faulty in ["count=many", "startIndex=", "count=1.5"] {
            assert_eq!(ListAsked::read(Some(faulty)).unwrap_err().document()["scimType"], "invalidValue", "{faulty}");
        }
    }

    #[test]
    fn attributes_are_shown_as_asked() {
        let user = json!({
            "schemas": ["x"], "id": "ann", "userName": "ann",
            "name": { "givenName": "Ann", "familyName": "Adams" },
            "emails": [{ "value": "a", "type": "work" }],
        });
        let shown = |query: &str| asked(query).shown.of(user.clone());
        assert_eq!(shown(""), user);
        assert_eq!(shown("attributes=USERNAME"), json!({ "schemas": ["x"], "id": "ann", "userName": "ann" }));
        let parts = shown("attributes=name.givenName,urn:ietf:params:scim:schemas:core:2.0:User:emails.value");
        assert_eq!(
            parts,
            json!({ "schemas": ["x"], "id": "ann", "name": { "givenName": "Ann" }, "emails": [{ "value": "a" }] })
        );
        let without = shown("excludedAttributes=name,emails.type,id");
        assert_eq!(without, json!({ "schemas": ["x"], "id": "ann", "userName": "ann", "emails": [{ "value": "a" }] }));
        assert!(!asked("excludedAttributes=members").shown.has("members"));
        assert!(!asked("attributes=displayName").shown.has("members"));
        assert!(asked("attributes=members.value").shown.has("members"));
    }

    proptest! {
        #[test]
        fn windows_one_after_the_other_are_the_whole_list(len in 0_usize..40, count in 1_usize..10) {
            let mut read = Vec::new();
            for start in (1..=len.max(1)).step_by(count) {
                let mut window = ListWindow::new(&asked(&format!("startIndex={start}&count={count}")));
                (0..len).for_each(|item| window.sees(item));
                let told = window.told(|item| json!(item));
                prop_assert_eq!(&told["totalResults"], &json!(len));
                read.extend(told["Resources"].as_array().unwrap().clone());
            }
            prop_assert_eq!(read, (0..len).map(|item| json!(item)).collect::<Vec<_>>());
        }
    }
}
