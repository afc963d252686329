//! What an object of any kind may have besides the fields of its kind: the folder in which it is, properties of its user's own, and who may
//! do what with it alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Folder, Object, ObjectPermission};

/// The folder, the own properties and the own permissions of an object. Most objects have none of them, so they are kept beside the objects,
/// by their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectAnnex {
    /// The path of its folder, as `Berlin/Sales`; none: it is in none, as far as permissions go in the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Texts by section and key, which programs of others read. No section is empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub user_properties: BTreeMap<String, BTreeMap<String, String>>,
    /// Who may do what with this object, together with what its folder and those around it say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_permissions: Vec<ObjectPermission>,
}

impl ObjectAnnex {
    /// The fields of an object's document that are in it; no kind has one of these names.
    pub const FIELDS: [&'static str; 3] = ["folder", "user_properties", "own_permissions"];

    /// Whether there is nothing in it: then the object has none.
    pub fn is_empty(&self) -> bool {
        self.folder.is_none() && self.user_properties.is_empty() && self.own_permissions.is_empty()
    }

    /// Bytes of the names of its sections, of its keys and of their values.
    pub fn property_bytes(&self) -> usize {
        let of_section = |(name, values): (&String, &BTreeMap<String, String>)| {
            name.len() + values.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>()
        };
        self.user_properties.iter().map(of_section).sum()
    }

    /// The names of its sections, and its keys.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.user_properties.iter().flat_map(|(name, values)| std::iter::once(name).chain(values.keys()))
    }

    /// It as a JSON document.
    pub fn to_json(&self) -> Vec<u8> {
        // Texts, flags and names can always be written.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a JSON document.
    ///
    /// # Errors
    /// The first fault that serde finds.
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }
}

impl Object {
    /// The object as a JSON document, with its annex behind the fields of its kind.
    pub fn to_json_with(&self, annex: Option<&ObjectAnnex>) -> Vec<u8> {
        let mut document = self.to_json();
        // Every kind has a field: a comma may follow.
        if let Some(annex) = annex.filter(|annex| !annex.is_empty())
            && document.pop() == Some(b'}')
        {
            document.push(b',');
            document.extend_from_slice(annex.to_json().get(1..).unwrap_or(b"}"));
        }
        document
    }

    /// The path of the folder in which it is, as permissions see it: a folder is in itself.
    pub fn folder<'a>(&'a self, annex: Option<&'a ObjectAnnex>) -> &'a str {
        match self {
            Self::Folder(folder) => &folder.path,
            _ => annex.and_then(|annex| annex.folder.as_deref()).unwrap_or(Folder::ROOT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provisioning::{FolderRight, ObjectKind, Skill};

    fn annex() -> ObjectAnnex {
        let values = BTreeMap::from([("wrap-up-time".to_owned(), "30".to_owned())]);
        ObjectAnnex {
            folder: Some("Berlin/Sales".to_owned()),
            user_properties: BTreeMap::from([("TServer".to_owned(), values)]),
            ..ObjectAnnex::default()
        }
    }

    #[test]
    fn a_document_has_the_annex_behind_its_own_fields_and_nothing_of_an_empty_one() {
        let skill = Object::Skill(Skill { name: "Sales".to_owned() });
        let text = |annex: Option<&ObjectAnnex>| String::from_utf8(skill.to_json_with(annex)).unwrap();
        assert_eq!(text(None), r#"{"name":"Sales"}"#);
        assert_eq!(text(Some(&ObjectAnnex::default())), text(None));
        let whole = r#"{"name":"Sales","folder":"Berlin/Sales","user_properties":{"TServer":{"wrap-up-time":"30"}}}"#;
        assert_eq!(text(Some(&annex())), whole);
        assert_eq!(ObjectAnnex::from_json(whole.as_bytes()).unwrap(), annex());
        assert_eq!(ObjectAnnex::from_json(&annex().to_json()).unwrap(), annex());
        assert_eq!((annex().property_bytes(), annex().names().count()), ("TServerwrap-up-time30".len(), 2));
    }

    #[test]
    fn entries_of_an_object_make_an_annex_and_come_back() {
        let entry = ObjectPermission {
            group: Some("Leads".to_owned()),
            rights: vec![FolderRight::Read, FolderRight::Change],
            ..ObjectPermission::default()
        };
        let annex = ObjectAnnex { own_permissions: vec![entry], ..ObjectAnnex::default() };
        assert!(!annex.is_empty());
        let text = String::from_utf8(annex.to_json()).unwrap();
        let whole =
            r#"{"own_permissions":[{"group":"Leads","person":null,"rights":["read","change"],"no_access":false}]}"#;
        assert_eq!(text, whole);
        assert_eq!(ObjectAnnex::from_json(whole.as_bytes()).unwrap(), annex);
        let short = r#"{"own_permissions":[{"group":"Leads","rights":["read","change"]}]}"#;
        assert_eq!(ObjectAnnex::from_json(short.as_bytes()).unwrap(), annex);
    }

    #[test]
    fn no_kind_has_a_field_of_the_annex() {
        // Each field has a default, or is set here: the documents that all kinds can be read from.
        for (kind, document) in [
            (ObjectKind::Skill, r#"{"name":"a"}"#),
            (ObjectKind::Person, r#"{"user_name":"a","first_name":"a","last_name":"a","agent":null}"#),
            (ObjectKind::Trunk, r#"{"name":"a","allow":[],"contact":null,"prefix":null}"#),
            (ObjectKind::Folder, r#"{"path":"a"}"#),
            (ObjectKind::AccessGroup, r#"{"name":"a"}"#),
            (ObjectKind::Role, r#"{"name":"a"}"#),
        ] {
            let written = Object::from_json(kind, document.as_bytes()).unwrap().to_json();
            let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&written).unwrap();
            assert!(ObjectAnnex::FIELDS.iter().all(|field| !fields.contains_key(*field)), "{kind:?}");
        }
    }
}
