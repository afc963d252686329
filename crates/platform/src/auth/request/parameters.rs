//! The parameters of a query or a form: each at most once (RFC 6749 section 3.1), but for `resource` (RFC 8707 section 2).

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};

/// The parameter that may come several times.
pub(in crate::auth) const RESOURCE: &str = "resource";
/// The most parameters of a request.
const PARAMETERS_MAX: usize = 64;

/// Parameters by name.
#[derive(Clone, Default)]
pub(in crate::auth) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `name=value&…`.
    ///
    /// # Errors
    /// What is wrong, for the client's developer.
    pub fn read(text: &[u8]) -> Result<Self, &'static str> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text) {
            if parameters.len() >= PARAMETERS_MAX {
                return Err("there are too many parameters");
            }
            if name != RESOURCE && parameters.iter().any(|(other, _)| *other == name) {
                return Err("a parameter is repeated");
            }
            parameters.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(parameters))
    }

    /// Reads the body of a form.
    ///
    /// # Errors
    /// What is wrong, for the client's developer.
    pub fn of_form(headers: &HeaderMap, body: &[u8]) -> Result<Self, &'static str> {
        if !Self::is_form(headers) {
            return Err("the body must be application/x-www-form-urlencoded");
        }
        Self::read(body)
    }

    /// Reads the members of a JSON object, each a text.
    ///
    /// # Errors
    /// What is wrong, for the client's developer.
    pub fn of_json(body: &[u8]) -> Result<Self, &'static str> {
        let members: BTreeMap<String, String> = serde_json::from_slice(body).map_err(
            |_| "the body must be a JSON object whose members are texts, or application/x-www-form-urlencoded",
        )?;
        if members.len() > PARAMETERS_MAX {
            return Err("there are too many parameters");
        }
        Ok(Self(members.into_iter().collect()))
    }

    /// Whether a request says that its body is a form.
    pub fn is_form(headers: &HeaderMap) -> bool {
        headers.get(header::CONTENT_TYPE).is_some_and(|value| {
            let value = value.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
            value.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
        })
    }

    /// The value of a parameter. One without a value counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, value)| other == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The values of one that may come several times.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(other, value)| other == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The same with that parameter, where the request has none of that name, be it without a value.
    #[must_use]
    pub fn with_default(mut self, name: &str, value: &str) -> Self {
        if self.0.iter().all(|(other, _)| other != name) {
            self.0.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// The same without that parameter.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(other, _)| other != name);
        self
    }

    /// Whether the request has that parameter, be it without a value.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }

    /// As a query, without some of them.
    pub fn query_without(&self, names: &[&str]) -> String {
        let kept = self.0.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_comes_once_and_an_empty_one_is_none() {
        let read = Parameters::read(b"a=1+2&b=&c=%26").unwrap();
        assert_eq!((read.get("a"), read.get("b"), read.get("c")), (Some("1 2"), None, Some("&")));
        assert_eq!(read.query_without(&["b"]), "a=1+2&c=%26");
        assert_eq!(Parameters::read(b"a=1&a=1").err(), Some("a parameter is repeated"));
        assert!(Parameters::read("&x".repeat(2).as_bytes()).is_err());
        let several = Parameters::read(b"resource=a&resource=&resource=b").unwrap();
        assert_eq!(several.all("resource").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(several.query_without(&[]), "resource=a&resource=&resource=b");
    }

    #[test]
    fn an_object_of_texts_is_read_as_a_form_is() {
        let read = Parameters::of_json(br#"{"code":"a&b","redirect_uri":""}"#).unwrap();
        assert_eq!((read.get("code"), read.get("redirect_uri")), (Some("a&b"), None));
        for other in [&b"[]"[..], b"{\"code\":1}", b"code=1", b"", b"{\"resource\":[\"a\"]}"] {
            assert!(Parameters::of_json(other).is_err(), "{other:?}");
        }
        let many: String = (0..=PARAMETERS_MAX).map(|n| format!(",\"{n}\":\"\"")).collect();
        assert!(Parameters::of_json(format!("{{{}}}", &many[1..]).as_bytes()).is_err());
    }

    #[test]
    fn what_is_said_stays_also_if_it_says_nothing() {
        let read = |text: &str| Parameters::read(text.as_bytes()).unwrap().with_default("tenant", "acme");
        for (said, query) in [("a=1", "a=1&tenant=acme"), ("tenant=globex", "tenant=globex"), ("tenant=", "tenant=")] {
            assert_eq!(read(said).query_without(&[]), query);
        }
        assert!(read("tenant=").has("tenant") && !Parameters::default().has("tenant"));
    }

    #[test]
    fn a_form_says_that_it_is_one() {
        let of = |media_type: &'static str| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, media_type.parse().unwrap())]);
            Parameters::of_form(&headers, b"a=1").is_ok()
        };
        assert!(of("application/x-www-form-urlencoded") && of("Application/X-WWW-Form-URLencoded; charset=utf-8"));
        assert!(!of("application/json") && Parameters::of_form(&HeaderMap::new(), b"a=1").is_err());
    }
}
