//! The part of a caller's document that is the object's annex, whatever its kind.

use std::collections::BTreeMap;

use contracts::provisioning::{FaultCode, FolderRight, ObjectAnnex, ObjectPermission};
use serde_json::{Map, Value as Json};

use super::BrokenRule;

const FOLDER: &str = ObjectAnnex::FIELDS[0];
const PROPERTIES: &str = ObjectAnnex::FIELDS[1];
pub(super) const ENTRIES: &str = ObjectAnnex::FIELDS[2];

/// A field and the rule that it breaks.
pub(super) type FieldFault = (String, BrokenRule);

/// Takes the annex out of a document, whose other fields are those of the kind.
pub(super) fn taken(document: &mut Map<String, Json>) -> Result<ObjectAnnex, Vec<FieldFault>> {
    let mut faults = Vec::new();
    let folder = match document.shift_remove(FOLDER) {
        None | Some(Json::Null) => None,
        Some(Json::String(folder)) => Some(folder),
        Some(_) => {
            faults.push(text_needed(FOLDER.to_owned()));
            None
        }
    };
    let mut user_properties = BTreeMap::new();
    match document.shift_remove(PROPERTIES) {
        None | Some(Json::Null) => {}
        Some(Json::Object(sections)) => {
            for (name, values) in sections {
                let values = section(&name, values, &mut faults);
                // One without a key is none: so it is in a file, too.
                if !values.is_empty() {
                    user_properties.insert(name, values);
                }
            }
        }
        Some(_) => faults.push(map_needed(PROPERTIES.to_owned())),
    }
    let mut own_permissions = Vec::new();
    match document.shift_remove(ENTRIES) {
        None | Some(Json::Null) => {}
        Some(Json::Array(entries)) => {
            for (index, entry) in entries.into_iter().enumerate() {
                own_permissions.extend(permission(&format!("{ENTRIES}[{index}]"), entry, &mut faults));
            }
        }
        Some(_) => faults.push((ENTRIES.to_owned(), BrokenRule::wrong_type("list", "a list is needed"))),
    }
    if faults.is_empty() { Ok(ObjectAnnex { folder, user_properties, own_permissions }) } else { Err(faults) }
}

/// An entry of who may do what with the object.
fn permission(at: &str, entry: Json, faults: &mut Vec<FieldFault>) -> Option<ObjectPermission> {
    let Json::Object(fields) = entry else {
        faults.push(map_needed(at.to_owned()));
        return None;
    };
    let before = faults.len();
    let mut permission = ObjectPermission::default();
    for (key, value) in fields {
        let at = format!("{at}.{key}");
        match (key.as_str(), value) {
            ("group" | "person" | "rights" | "no_access", Json::Null) => {}
            ("group", Json::String(name)) => permission.group = Some(name),
            ("person", Json::String(name)) => permission.person = Some(name),
            ("group" | "person", _) => faults.push(text_needed(at)),
            ("no_access", Json::Bool(flag)) => permission.no_access = flag,
            ("no_access", _) => faults.push((at, BrokenRule::wrong_type("flag", "true or false is needed"))),
            ("rights", value) => match serde_json::from_value(value) {
                Ok(rights) => permission.rights = rights,
                Err(_) => faults.push((at, one_of_rights())),
            },
            _ => faults.push((at, BrokenRule::new(FaultCode::UnknownField, "there is no such field"))),
        }
    }
    (faults.len() == before).then_some(permission)
}

fn one_of_rights() -> BrokenRule {
    let names = FolderRight::NAMES_OF_OBJECTS.join(", ");
    BrokenRule::new(FaultCode::OneOf, format!("it must be a list of {names}")).naming("names", names)
}

fn section(name: &str, values: Json, faults: &mut Vec<FieldFault>) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    match values {
        Json::Null => {}
        Json::Object(values) => {
            for (key, value) in values {
                match value {
                    Json::Null => {}
                    Json::String(text) => drop(texts.insert(key, text)),
                    _ => faults.push(text_needed(format!("{PROPERTIES}.{name}.{key}"))),
                }
            }
        }
        _ => faults.push(map_needed(format!("{PROPERTIES}.{name}"))),
    }
    texts
}

fn text_needed(field: String) -> FieldFault {
    (field, BrokenRule::wrong_type("text", "a string is needed"))
}

fn map_needed(field: String) -> FieldFault {
    (field, BrokenRule::wrong_type("map", "a map is needed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Result<ObjectAnnex, Vec<FieldFault>>, Map<String, Json>) {
        let mut document = serde_json::from_str(text).unwrap();
        (taken(&mut document), document)
    }

    #[test]
    fn folder_and_properties_are_taken_and_the_rest_stays() {
        let text =
            r#"{"name":"x","folder":"Berlin","user_properties":{"TServer":{"a":"1","b":null},"Empty":{},"None":null}}"#;
        let (annex, rest) = read(text);
        let annex = annex.unwrap();
        assert_eq!(annex.folder.as_deref(), Some("Berlin"));
        assert_eq!((annex.user_properties.len(), annex.user_properties["TServer"].len()), (1, 1));
        assert_eq!(rest.keys().collect::<Vec<_>>(), ["name"]);
        for nothing in [r#"{"name":"x"}"#, r#"{"name":"x","folder":null,"user_properties":null}"#] {
            assert_eq!(read(nothing).0, Ok(ObjectAnnex::default()), "{nothing}");
        }
    }

    #[test]
    fn every_value_that_is_no_text_is_named() {
        let text = r#"{"folder":1,"user_properties":{"a":{"b":1,"c":"x"},"d":"e"}}"#;
        let faults = read(text).0.unwrap_err();
        let fields: Vec<&str> = faults.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["folder", "user_properties.a.b", "user_properties.d"]);
        assert_eq!(read(r#"{"user_properties":[]}"#).0.unwrap_err()[0].0, "user_properties");
    }

    #[test]
    fn entries_are_read_and_what_is_wrong_in_one_is_named() {
        let text = r#"{"own_permissions":[{"group":"Leads","person":null,"rights":["read"]},{"person":"ann","no_access":true}]}"#;
        let entries = read(text).0.unwrap().own_permissions;
        assert_eq!(
            (entries[0].group.as_deref(), entries[0].rights.as_slice()),
            (Some("Leads"), &[FolderRight::Read][..])
        );
        assert!(entries[0].person.is_none() && entries[1].no_access && entries.len() == 2);
        let text = r#"{"own_permissions":[1,{"group":1,"rights":["fly"],"no_access":"no","propagate":true}]}"#;
        let faults = read(text).0.unwrap_err();
        let mut fields: Vec<&str> = faults.iter().map(|(field, _)| field.as_str()).collect();
        fields.sort_unstable();
        let due = ["[0]", "[1].group", "[1].no_access", "[1].propagate", "[1].rights"];
        assert_eq!(fields, due.map(|field| format!("own_permissions{field}")));
        assert_eq!(read(r#"{"own_permissions":{}}"#).0.unwrap_err()[0].0, "own_permissions");
    }
}
