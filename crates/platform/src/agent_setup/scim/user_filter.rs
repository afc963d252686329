//! Filters of users: which attributes they may compare, and what of them tenant can look for itself.

use std::collections::HashMap;

use super::syntax::{AttributePath, FilterComparison, Operator, Test, filter};
use super::user::ScimPerson;
use crate::scim_error::{ScimError, ScimType};

/// What must hold for a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct UserFilter(Vec<Term>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    attribute: Compared,
    test: Test,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Compared {
    Id,
    UserName,
    DisplayName,
    GivenName,
    FamilyName,
    Email,
    /// One that brackets select.
    SelectedEmail(Vec<FilterComparison>),
    Active,
    ExternalId,
}

impl UserFilter {
    /// Reads it.
    ///
    /// # Errors
    /// What cannot be read, or is not supported.
    pub fn parse(text: &str) -> Result<Self, ScimError> {
        let faulty = |reason: String| ScimError::bad(ScimType::InvalidFilter, format!("filter: {reason}"));
        let comparisons = filter(text).map_err(faulty)?;
        let terms: Result<Vec<Term>, ScimError> = comparisons
            .into_iter()
            .map(|FilterComparison { path, test }| {
                let attribute =
                    compared(path).ok_or_else(|| faulty("there is no such attribute to compare".to_owned()))?;
                let is_flag = attribute == Compared::Active;
                if matches!((is_flag, &test), (true, Test::Text(..)) | (false, Test::Flag(_))) {
                    return Err(faulty("the value is not of the attribute's kind".to_owned()));
                }
                Ok(Term { attribute, test })
            })
            .collect();
        terms.map(Self)
    }

    /// Whether a person is meant.
    pub fn takes(&self, person: &ScimPerson) -> bool {
        self.0.iter().all(|term| term.takes(person))
    }

    /// The name of the only user who can be meant.
    pub fn only_one(&self) -> Option<&str> {
        self.0.iter().find_map(|term| match (&term.attribute, &term.test) {
            (Compared::Id | Compared::UserName, Test::Text(Operator::Equal, name)) => Some(name.as_str()),
            _ => None,
        })
    }

    /// What tenant looks for: all who are meant, and others.
    pub fn narrowed(&self) -> HashMap<String, String> {
        let mut narrowed = HashMap::new();
        for Term { attribute, test } in &self.0 {
            let (field, value) = match (attribute, test) {
                (Compared::Active, Test::Flag(active)) => ("disabled", (!active).to_string()),
                (Compared::UserName, Test::Text(Operator::StartsWith, start)) => ("id", start.clone()),
                (
                    Compared::UserName | Compared::DisplayName | Compared::GivenName | Compared::FamilyName,
                    Test::Text(_, part),
                ) => ("name", part.clone()),
                (Compared::ExternalId, Test::Text(Operator::Equal, id)) => ("external_id", id.clone()),
                (Compared::Email | Compared::SelectedEmail(_), Test::Text(Operator::Equal, email)) => {
                    ("email", email.clone())
                }
                _ => continue,
            };
            if !value.is_empty() {
                narrowed.entry(field.to_owned()).or_insert(value);
            }
        }
        narrowed
    }
}

impl Term {
    /// Whether it holds for a text whose case counts.
    fn holds_by_case(&self, text: Option<&str>) -> bool {
        text.is_some_and(|text| match &self.test {
            Test::Text(Operator::Equal, wanted) => text == wanted,
            Test::Text(Operator::Contains, part) => text.contains(part.as_str()),
            Test::Text(Operator::StartsWith, start) => text.starts_with(start.as_str()),
            Test::Present => true,
            Test::Flag(_) => false,
        })
    }

    fn takes(&self, person: &ScimPerson) -> bool {
        let display_name;
        let text = match &self.attribute {
            Compared::Active => {
                return match self.test {
                    Test::Flag(active) => active != person.disabled,
                    Test::Present => true,
                    Test::Text(..) => false,
                };
            }
            Compared::Id => return self.holds_by_case(Some(&person.user_name)),
            Compared::ExternalId => return self.holds_by_case(person.external_id.as_deref()),
            Compared::UserName => Some(person.user_name.as_str()),
            Compared::DisplayName => {
                display_name = person.display_name();
                Some(display_name.as_str())
            }
            Compared::GivenName => Some(person.first_name.as_str()),
            Compared::FamilyName => Some(person.last_name.as_str()),
            Compared::Email => person.email.as_deref(),
            Compared::SelectedEmail(comparisons) => {
                person.email.as_deref().filter(|_| person.has_email_of(comparisons))
            }
        };
        match &self.test {
            Test::Present => text.is_some(),
            Test::Text(operator, wanted) => text.is_some_and(|text| operator.holds(text, wanted)),
            Test::Flag(_) => false,
        }
    }
}

fn compared(path: AttributePath) -> Option<Compared> {
    let is_email = path.name == "emails" && path.sub.as_deref().is_none_or(|sub| sub == "value");
    if let Some(comparisons) = path.selects {
        return is_email.then_some(Compared::SelectedEmail(comparisons));
    }
    Some(match (path.name.as_str(), path.sub.as_deref()) {
        ("id", None) => Compared::Id,
        ("username", None) => Compared::UserName,
        ("displayname", None) | ("name", Some("formatted")) => Compared::DisplayName,
        ("name", Some("givenname")) => Compared::GivenName,
        ("name", Some("familyname")) => Compared::FamilyName,
        ("active", None) => Compared::Active,
        ("externalid", None) => Compared::ExternalId,
        _ if is_email => Compared::Email,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::user::ann;
    use super::*;

    fn takes(text: &str) -> bool {
        UserFilter::parse(text).unwrap().takes(&ann())
    }

    #[test]
    fn users_are_found_by_what_provisioning_agents_ask_for() {
        for found in [
            r#"userName eq "ANN@d.example""#,
            r#"id eq "ann@d.example""#,
            r#"displayName co "ann ad""#,
            r#"name.formatted sw "Ann""#,
            r#"emails co "@D.""#,
            r#"emails.value eq "ann@d.example""#,
            r#"emails[type eq "work"].value eq "ann@d.example""#,
            r#"emails[type eq "work" and value co "@d"]"#,
            r#"active eq true and name.familyName eq "adams""#,
            "emails pr",
            "active pr",
        ] {
            assert!(takes(found), "{found}");
        }
        for other in [
            r#"userName eq "ann""#,
            r#"id eq "ANN@d.example""#,
            r#"emails[type eq "home"].value eq "ann@d.example""#,
            "active eq false",
            r#"active eq true and displayName co "eve""#,
        ] {
            assert!(!takes(other), "{other}");
        }
        assert!(!UserFilter::parse("emails pr").unwrap().takes(&ScimPerson { email: None, ..ann() }));
    }

    #[test]
    fn the_case_of_an_external_id_counts_and_tenant_looks_for_it() {
        let person = ScimPerson { external_id: Some("00uA".to_owned()), ..ann() };
        let takes = |text: &str| UserFilter::parse(text).unwrap().takes(&person);
        assert!(takes(r#"externalId eq "00uA""#) && takes("externalId pr") && takes(r#"externalId sw "00u""#));
        assert!(!takes(r#"externalId eq "00ua""#) && !takes(r#"externalId co "ua""#));
        assert!(!UserFilter::parse("externalId pr").unwrap().takes(&ann()));
        let narrowed = UserFilter::parse(r#"externalId eq "00uA""#).unwrap().narrowed();
        assert_eq!(narrowed.get("external_id").map(String::as_str), Some("00uA"));
    }

    #[test]
    fn what_cannot_be_compared_is_an_invalid_filter() {
        for faulty in [
            "externalId eq true",
            r#"title eq "x""#,
            r#"active eq "true""#,
            "userName eq true",
            r#"phoneNumbers[type eq "work"].value eq "x""#,
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "x""#,
            r#"urn:okta:centre_app:1.0:user:custom:badge eq "x""#,
            "userName",
        ] {
            let told = UserFilter::parse(faulty).unwrap_err().document();
            assert_eq!(told["scimType"], "invalidFilter", "{faulty}");
        }
    }

    #[test]
    fn tenant_looks_for_what_it_can() {
        let narrowed = |text: &str| {
            let mut all: Vec<_> = UserFilter::parse(text).unwrap().narrowed().into_iter().collect();
            all.sort();
            all
        };
        let pair = |field: &str, value: &str| (field.to_owned(), value.to_owned());
        assert_eq!(narrowed("active eq true"), [pair("disabled", "false")]);
        assert_eq!(
            narrowed(r#"userName sw "a" and displayName co "b" and emails co "c""#),
            [pair("id", "a"), pair("name", "b")]
        );
        assert!(narrowed(r#"displayName co """#).is_empty());
        for by_email in [r#"emails.value eq "a@D""#, r#"emails eq "a@D""#, r#"emails[type eq "work"].value eq "a@D""#] {
            assert_eq!(narrowed(by_email), [pair("email", "a@D")], "{by_email}");
        }
        let only = UserFilter::parse(r#"active eq true and userName eq "ann""#).unwrap();
        assert_eq!(only.only_one(), Some("ann"));
    }

    proptest! {
        /// Tenant finds whom the filter takes: a name of its own contains what is narrowed by.
        #[test]
        fn who_is_meant_is_among_those_whom_tenant_finds(
            first in "[a-zA-Z]{1,5}",
            last in "[a-zA-Z]{1,5}",
            part in "[a-zA-Z]{1,2}",
            by in "displayName|name\\.givenName|name\\.familyName|userName",
        ) {
            let person = ScimPerson { first_name: first, last_name: last, ..ann() };
            let filter = UserFilter::parse(&format!("{by} co \"{part}\"")).unwrap();
            if filter.takes(&person) {
                let wanted = filter.narrowed()["name"].to_lowercase();
                let names = [person.display_name(), person.user_name.clone()];
                prop_assert!(names.iter().any(|name| name.to_lowercase().contains(&wanted)));
            }
        }
    }
}
