//! At which place each DN of a tenant is: places name their DNs, and desktops ask by DN.

use std::collections::HashMap;
use std::sync::Arc;

use model::TenantId;
use serde_json::Value;

use super::remembered::ReadOutcome;
use crate::tenant_reader::TenantReader;

/// The name of the place by the number of each DN.
#[derive(Debug, Default)]
pub(super) struct PlacesOfDns(HashMap<String, String>);

impl PlacesOfDns {
    /// Reads all places of the tenant, as many as may be.
    pub async fn read(reader: TenantReader, tenant: TenantId) -> ReadOutcome<Self> {
        let places = reader.list(&tenant, &["place"], &["name", "dns"]).await?;
        Ok(Arc::new(Self::from_documents(places.iter().map(|(_, place)| place))))
    }

    /// Of several places with one DN the first one counts.
    fn from_documents<'a>(places: impl Iterator<Item = &'a Value>) -> Self {
        let mut by_dn = HashMap::new();
        for place in places {
            let Some(name) = place.get("name").and_then(Value::as_str) else { continue };
            for dn in place.get("dns").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
                by_dn.entry(dn.to_owned()).or_insert_with(|| name.to_owned());
            }
        }
        Self(by_dn)
    }

    /// The place of a DN, if there is one.
    pub fn of(&self, dn: &str) -> Option<&str> {
        self.0.get(dn).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_dn_has_the_first_place_that_names_it_or_none() {
        let places = [
            json!({"name": "desk-1", "dns": ["7101", "7201"]}),
            json!({"name": "desk-2", "dns": ["7101"]}),
            json!({"name": "desk-3"}),
        ];
        let places = PlacesOfDns::from_documents(places.iter());
        assert_eq!((places.of("7101"), places.of("7201"), places.of("7301")), (Some("desk-1"), Some("desk-1"), None));
    }
}
