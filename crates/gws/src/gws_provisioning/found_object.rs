//! An object as gws-configuration tells it.

use serde_json::Value;

/// An object of the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FoundObject {
    /// Its kind, as tenant names it.
    pub kind: String,
    /// Its name, number or code.
    pub id: String,
    /// Its number in the published APIs (`DBID`).
    pub number: u64,
    /// Its revision.
    pub revision: u64,
    /// What stands in it.
    pub document: Value,
}

impl FoundObject {
    /// As gws-configuration tells it.
    pub fn of(told: &Value) -> Self {
        let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        Self {
            kind: text("kind"),
            id: text("id"),
            number: told["dbid"].as_u64().unwrap_or_default(),
            revision: told["revision"].as_u64().unwrap_or_default(),
            document: told["document"].clone(),
        }
    }

    /// A text of its document.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.document.pointer(pointer).and_then(Value::as_str)
    }

    /// The texts of a list of its document.
    pub fn names(&self, pointer: &str) -> Vec<&str> {
        let list = self.document.pointer(pointer).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }
}
