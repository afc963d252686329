//! Which objects of a type are asked for, and in which order.

use std::cmp::Ordering;

use serde_json::Value;

use super::object::name_key;
use super::query::{ListPart, PublishedQuery};
use crate::sessions::answers::ApiRefusal;

/// How a term is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TermMatch {
    Includes,
    StartsWith,
    EndsWith,
    IsEqual,
}

/// How texts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SortMethod {
    CaseSensitive,
    CaseInsensitive,
    Numeric,
}

/// A question for objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gws_provisioning) struct ObjectQuery {
    term: Option<String>,
    term_key: String,
    term_match: TermMatch,
    sort_key: Option<String>,
    sort_method: SortMethod,
    is_descending: bool,
    numbers: Vec<u64>,
    dn_type: Option<String>,
    part: ListPart,
    /// Names of groups of DNs: those of other groups are left out.
    pub dn_groups: Vec<String>,
    /// Whether only what is used is wanted.
    pub is_in_use: bool,
}

impl ObjectQuery {
    /// Reads it, for objects of a kind.
    ///
    /// # Errors
    /// The parameter that is not known here.
    pub fn read(query: &PublishedQuery, kind: &str) -> Result<Self, ApiRefusal> {
        let unknown = |name: &str, all: &str| ApiRefusal::bad_request(format!("{name}: it is none of {all}"));
        let term_match = match query.text("match_method") {
            None | Some("includes") => TermMatch::Includes,
            Some("startsWith") => TermMatch::StartsWith,
            Some("endsWith") => TermMatch::EndsWith,
            Some("isEqual") => TermMatch::IsEqual,
            Some(_) => return Err(unknown("match_method", "includes, startsWith, endsWith, isEqual")),
        };
        let sort_method = match query.text("sort_method") {
            None | Some("caseSensitive") => SortMethod::CaseSensitive,
            Some("caseInsensitive") => SortMethod::CaseInsensitive,
            Some("numeric") => SortMethod::Numeric,
            Some(_) => return Err(unknown("sort_method", "caseSensitive, caseInsensitive, numeric")),
        };
        let number =
            |text: String| text.parse().map_err(|_| ApiRefusal::bad_request(format!("dbids: {text:.64} is no number")));
        Ok(Self {
            term: query.text("search_term").map(str::to_lowercase),
            term_key: query.text("search_key").unwrap_or_else(|| name_key(kind)).to_owned(),
            term_match,
            sort_key: query.text("sort_key").map(str::to_owned),
            sort_method,
            is_descending: query.flag("sort_ascending")? == Some(false),
            numbers: query.names("dbids").into_iter().map(number).collect::<Result<_, _>>()?,
            dn_type: query.text("dn_type").map(str::to_owned),
            part: ListPart::read(query)?,
            dn_groups: query.names("dn_groups"),
            is_in_use: query.flag("in_use")?.unwrap_or_default(),
        })
    }

    /// Those of these objects, as they are shown, and how many there are in all.
    pub fn chosen(&self, objects: Vec<Value>) -> (Vec<Value>, usize) {
        let mut chosen: Vec<Value> = objects.into_iter().filter(|object| self.wants(object)).collect();
        if let Some(key) = &self.sort_key {
            chosen.sort_by(|one, other| self.order(at(one, key), at(other, key)));
        }
        if self.is_descending {
            chosen.reverse();
        }
        let all = chosen.len();
        (self.part.of(chosen), all)
    }

    fn wants(&self, object: &Value) -> bool {
        let has_term = |term: &String| {
            let own = text(at(object, &self.term_key)).to_lowercase();
            match self.term_match {
                TermMatch::Includes => own.contains(term.as_str()),
                TermMatch::StartsWith => own.starts_with(term.as_str()),
                TermMatch::EndsWith => own.ends_with(term.as_str()),
                TermMatch::IsEqual => own == *term,
            }
        };
        let is_numbered = || object["DBID"].as_u64().is_some_and(|own| self.numbers.contains(&own));
        let has_type = |wanted: &String| object["type"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(wanted));
        self.term.as_ref().is_none_or(has_term)
            && (self.numbers.is_empty() || is_numbered())
            && self.dn_type.as_ref().is_none_or(has_type)
    }

    fn order(&self, one: &Value, other: &Value) -> Ordering {
        match self.sort_method {
            SortMethod::CaseSensitive => text(one).cmp(&text(other)),
            SortMethod::CaseInsensitive => text(one).to_lowercase().cmp(&text(other).to_lowercase()),
            SortMethod::Numeric => number(one).total_cmp(&number(other)),
        }
    }
}

/// What stands at a key, whose parts have dots between them.
fn at<'a>(object: &'a Value, key: &str) -> &'a Value {
    key.split('.').fold(object, |value, part| &value[part])
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A number, or one as text; what is none comes last.
fn number(value: &Value) -> f64 {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(pairs: &[(&str, &str)]) -> (Vec<String>, usize) {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let query = ObjectQuery::read(&PublishedQuery::of(pairs.collect()).unwrap(), "dn").unwrap();
        let dn = |number: &str, dbid: u64, kind: &str| json!({"number": number, "DBID": dbid, "type": kind});
        let dns = vec![dn("20", 1, "CFGExtension"), dn("3", 2, "CFGExtension"), dn("100", 3, "CFGRoutingPoint")];
        let (chosen, all) = query.chosen(dns);
        (chosen.iter().map(|one| one["number"].as_str().unwrap().to_owned()).collect(), all)
    }

    #[test]
    fn objects_are_chosen_and_sorted_as_asked() {
        assert_eq!(names(&[("search_term", "0")]), (vec!["20".to_owned(), "100".to_owned()], 2));
        assert_eq!(names(&[("search_term", "10"), ("match_method", "startsWith")]).0, ["100"]);
        assert_eq!(names(&[("search_term", "3"), ("match_method", "isEqual")]).0, ["3"]);
        assert_eq!(names(&[("sort_key", "number"), ("sort_method", "numeric")]).0, ["3", "20", "100"]);
        assert_eq!(names(&[("sort_key", "number"), ("sort_ascending", "false")]).0, ["3", "20", "100"]);
        assert_eq!(names(&[("dn_type", "CFGRoutingPoint")]).0, ["100"]);
        assert_eq!(names(&[("dbids", "1,2"), ("limit", "1"), ("offset", "1")]), (vec!["3".to_owned()], 2));
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (name, value) in [("match_method", "x"), ("sort_method", "x"), ("dbids", "1,x"), ("in_use", "2")] {
            let query = PublishedQuery::of(vec![(name.to_owned(), value.to_owned())]).unwrap();
            let refused = ObjectQuery::read(&query, "skill").unwrap_err().body();
            assert!(refused["status"]["message"].as_str().unwrap().starts_with(name), "{refused}");
        }
    }
}
