//! For whom a token is.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::api_family::ApiFamily;
use crate::scope;

/// For whom a token is (`aud`, RFC 7519 section 4.1.3): API families by their names, or roles by theirs. One name is a text on the wire,
/// several are a list. A name that is that of a family and of a role means the role in a role's own token, and else the family.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "WrittenAudience")]
pub struct Audience(Vec<String>);

/// As it stands in a token.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenAudience {
    One(String),
    Several(Vec<String>),
}

impl From<WrittenAudience> for Audience {
    fn from(written: WrittenAudience) -> Self {
        match written {
            WrittenAudience::One(name) => Self(vec![name]),
            WrittenAudience::Several(names) => Self(names),
        }
    }
}

impl Serialize for Audience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

impl Audience {
    /// The APIs that a scope opens. One that opens none is for those that ask for no scope.
    pub fn of_scope(scope: &str) -> Self {
        let families = Self::of_families(scope::families(scope));
        if families.0.is_empty() { Self::of_families([ApiFamily::Telemetry]) } else { families }
    }

    /// These families, each once.
    pub fn of_families(families: impl IntoIterator<Item = ApiFamily>) -> Self {
        let families: Vec<ApiFamily> = families.into_iter().collect();
        let named = ApiFamily::ALL.into_iter().filter(|family| families.contains(family));
        Self(named.map(|family| family.as_str().to_owned()).collect())
    }

    /// Roles or families by their names.
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().map(str::to_owned).collect())
    }

    /// Its name, if it has one alone.
    pub fn only(&self) -> Option<&str> {
        match self.0.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// Whether the token of a person or a program is for that role, or for one of these families.
    pub fn is_for(&self, role: &str, families: &[ApiFamily]) -> bool {
        self.0.iter().any(|name| match ApiFamily::parse(name) {
            Some(family) => families.contains(&family),
            None => name == role,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_is_for_the_apis_that_its_scopes_open() {
        for (scope, names) in [
            ("config:read", "tenant"),
            ("calls:read agents:control webhooks routing dialplan", "voice"),
            ("statistics:read openid config:read", "tenant, statistics"),
            ("calls:read workspace:use", "voice, gws"),
            ("operate trace:read", "operations"),
            ("openid profile", "telemetry"),
            ("", "telemetry"),
        ] {
            assert_eq!(Audience::of_scope(scope).to_string(), names, "{scope}");
        }
    }

    #[test]
    fn one_name_is_a_text_and_several_are_a_list() {
        for (audience, written) in [
            (Audience::of_names(["frontend"]), r#""frontend""#),
            (Audience::of_families([ApiFamily::Tenant, ApiFamily::Voice, ApiFamily::Tenant]), r#"["voice","tenant"]"#),
            (Audience::default(), "[]"),
        ] {
            assert_eq!(serde_json::to_string(&audience).unwrap(), written);
            assert_eq!(serde_json::from_str::<Audience>(written).unwrap(), audience);
        }
        assert_eq!(serde_json::from_str::<Audience>(r#"["rq"]"#).unwrap().only(), Some("rq"));
        for wrong in ["1", "null", "[1]", r#"{"a":"b"}"#] {
            assert!(serde_json::from_str::<Audience>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_of_a_family_is_no_role_to_people() {
        let tenant = Audience::of_names(["tenant"]);
        assert!(tenant.is_for("config", &[ApiFamily::Tenant]) && !tenant.is_for("tenant", &[ApiFamily::Voice]));
        let role = Audience::of_names(["frontend"]);
        assert!(role.is_for("frontend", &[]) && !role.is_for("rq", &ApiFamily::ALL));
        assert!(!Audience::default().is_for("", &ApiFamily::ALL));
    }

    proptest! {
        /// Whatever scopes a token has: each interface that takes it is of the family of one of them.
        #[test]
        fn a_token_opens_no_interface_that_none_of_its_scopes_is_for(
            scopes in proptest::sample::subsequence(scope::TABLE.to_vec(), 0..=scope::TABLE.len()),
        ) {
            let text: Vec<&str> = scopes.iter().map(|scope| scope.name).collect();
            let audience = Audience::of_scope(&text.join(" "));
            for family in ApiFamily::ALL {
                let is_asked_for = scopes.iter().any(|scope| scope.family == family);
                let is_rest = scopes.is_empty() && family == ApiFamily::Telemetry;
                prop_assert_eq!(audience.is_for("no-role", &[family]), is_asked_for || is_rest);
            }
        }
    }
}
