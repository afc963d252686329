//! Which people are asked for, and in which order.

use serde_json::Value;

use super::query::{ListPart, PublishedQuery};
use crate::sessions::answers::ApiRefusal;

/// The one filter that the published API has.
pub(in crate::gws_provisioning) const BY_NAME: &str = "FirstNameOrLastNameMatches";
/// By what people are sorted.
const SORTED_BY: [&str; 3] = ["firstName", "lastName", "userName"];

/// A question for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gws_provisioning) struct UserQuery {
    name: Option<String>,
    roles: Vec<String>,
    skills: Vec<String>,
    is_enabled: Option<bool>,
    sorted_by: Vec<String>,
    is_descending: bool,
    part: ListPart,
}

impl UserQuery {
    /// Reads it.
    ///
    /// # Errors
    /// The parameter that is not known here.
    pub fn read(query: &PublishedQuery) -> Result<Self, ApiRefusal> {
        let name = match query.text("filterName") {
            None => None,
            Some(BY_NAME) => query.text("filterParameters").map(str::to_lowercase),
            Some(_) => return Err(ApiRefusal::bad_request(format!("filterName: there is {BY_NAME} alone"))),
        };
        let sorted_by = query.names("sortBy");
        if let Some(other) = sorted_by.iter().find(|by| !SORTED_BY.contains(&by.as_str())) {
            let words = format!("sortBy: {other:.64} is none of {}", SORTED_BY.join(", "));
            return Err(ApiRefusal::bad_request(words));
        }
        Ok(Self {
            name,
            roles: query.names("roles"),
            skills: query.names("skills"),
            is_enabled: query.flag("userEnabled")?,
            sorted_by,
            is_descending: query.text("order").is_some_and(|order| order.eq_ignore_ascii_case("Descending")),
            part: ListPart::read(query)?,
        })
    }

    /// The part that is asked for, if it is one of everybody in the order in which people stand.
    pub fn part_of_all(&self) -> Option<ListPart> {
        let is_all =
            self.name.is_none() && self.roles.is_empty() && self.skills.is_empty() && self.is_enabled.is_none();
        (is_all && self.sorted_by.is_empty() && !self.is_descending).then_some(self.part)
    }

    /// The part that is asked for of those of these people, as they are shown, and how many there are in all.
    pub fn chosen(&self, people: Vec<Value>) -> (Vec<Value>, usize) {
        let chosen = self.all_chosen(people);
        let all = chosen.len();
        (self.part.of(chosen), all)
    }

    /// Those of these people, in their order.
    pub fn all_chosen(&self, people: Vec<Value>) -> Vec<Value> {
        let mut chosen: Vec<Value> = people.into_iter().filter(|person| self.wants(person)).collect();
        if !self.sorted_by.is_empty() {
            chosen.sort_by_cached_key(|person| {
                let of = |name: &String| person[name.as_str()].as_str().unwrap_or_default().to_lowercase();
                self.sorted_by.iter().map(of).collect::<Vec<_>>()
            });
        }
        if self.is_descending {
            chosen.reverse();
        }
        chosen
    }

    fn wants(&self, person: &Value) -> bool {
        let has_name = |name: &String| {
            ["firstName", "lastName"]
                .iter()
                .any(|of| person[*of].as_str().unwrap_or_default().to_lowercase().contains(name.as_str()))
        };
        let roles = &person["wwe"]["roles"];
        let has_role = |role: &String| roles.as_array().is_some_and(|own| own.iter().any(|one| one == role.as_str()));
        let has_skill = |skill: &String| {
            let named =
                |own: &Value| own["name"].as_str().is_some_and(|name| name.to_lowercase() == skill.to_lowercase());
            person["skills"].as_array().is_some_and(|own| own.iter().any(named))
        };
        self.name.as_ref().is_none_or(has_name)
            && (self.roles.is_empty() || self.roles.iter().any(has_role))
            && self.skills.iter().all(has_skill)
            && self.is_enabled.is_none_or(|is_enabled| person["enabled"] == is_enabled)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(pairs: &[(&str, &str)]) -> (Vec<String>, usize) {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let query = UserQuery::read(&PublishedQuery::of(pairs.collect()).unwrap()).unwrap();
        let person = |user: &str, first: &str, role: &str, skill: &str, enabled: bool| {
            json!({
                "userName": user, "firstName": first, "lastName": "Zed", "wwe": {"roles": [role]},
                "skills": [{"name": skill, "level": 1}], "enabled": enabled,
            })
        };
        let people = vec![
            person("ann", "Zoe", "ROLE_AGENT", "French", true),
            person("bob", "Al", "ROLE_AGENT", "German", true),
            person("root", "Mia", "ROLE_ADMIN", "French", false),
        ];
        let (chosen, all) = query.chosen(people);
        (chosen.iter().map(|one| one["userName"].as_str().unwrap().to_owned()).collect(), all)
    }

    #[test]
    fn people_are_chosen_by_every_parameter_and_counted_before_the_part() {
        assert_eq!(names(&[("limit", "1")]), (vec!["ann".to_owned()], 3));
        assert_eq!(names(&[("skills", "french")]).0, ["ann", "root"]);
        assert_eq!(names(&[("roles", "ROLE_ADMIN,ROLE_SUPERVISOR")]).0, ["root"]);
        assert_eq!(names(&[("userEnabled", "false")]).0, ["root"]);
        assert_eq!(names(&[("filterName", BY_NAME), ("filterParameters", "AL")]).0, ["bob"]);
        assert_eq!(names(&[("sortBy", "lastName,firstName"), ("order", "Descending")]).0, ["ann", "root", "bob"]);
    }

    #[test]
    fn a_part_of_everybody_is_told_from_one_of_some() {
        let part = |name: &str, value: &str| {
            let pairs = vec![("limit".to_owned(), "5".to_owned()), (name.to_owned(), value.to_owned())];
            UserQuery::read(&PublishedQuery::of(pairs).unwrap()).unwrap().part_of_all()
        };
        assert_eq!(part("offset", "2").map(ListPart::len_max), Some(5));
        for (name, value) in
            [("skills", "French"), ("userEnabled", "true"), ("sortBy", "lastName"), ("order", "Descending")]
        {
            assert_eq!(part(name, value), None, "{name}");
        }
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (name, value) in [("filterName", "Other"), ("sortBy", "shoeSize"), ("userEnabled", "x"), ("limit", "x")] {
            let query = PublishedQuery::of(vec![(name.to_owned(), value.to_owned())]).unwrap();
            let refused = UserQuery::read(&query).unwrap_err().body();
            assert!(refused["status"]["message"].as_str().unwrap().starts_with(name), "{refused}");
        }
    }
}
