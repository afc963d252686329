//! The query of a request, as pairs of names and values in their order.

use crate::sessions::answers::ApiRefusal;

/// The most pairs, and bytes of a name or value.
const PAIRS_MAX: usize = 64;
const TEXT_BYTES_MAX: usize = 4_096;

/// The pairs of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::gws_provisioning) struct PublishedQuery(Vec<(String, String)>);

impl PublishedQuery {
    /// Pairs as they were read.
    ///
    /// # Errors
    /// If there are too many, or one is too long.
    pub fn of(pairs: Vec<(String, String)>) -> Result<Self, ApiRefusal> {
        if pairs.len() > PAIRS_MAX {
            return Err(ApiRefusal::bad_request(format!("query: it has more than {PAIRS_MAX} parameters")));
        }
        if pairs.iter().any(|(name, value)| name.len().max(value.len()) > TEXT_BYTES_MAX) {
            let words = format!("query: a parameter has more than {TEXT_BYTES_MAX} bytes");
            return Err(ApiRefusal::bad_request(words));
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter; none if it is empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.trim());
        found.filter(|value| !value.is_empty())
    }

    /// All values of a parameter that may stand there several times, with `[]` behind its name too, each a list with commas.
    pub fn names(&self, name: &str) -> Vec<String> {
        let of_name = self.0.iter().filter(|(own, _)| own.strip_suffix("[]").unwrap_or(own) == name);
        let each = of_name.flat_map(|(_, value)| value.split(','));
        each.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect()
    }

    /// A whole number.
    ///
    /// # Errors
    /// If it is none.
    pub fn number(&self, name: &str) -> Result<Option<usize>, ApiRefusal> {
        let wrong = |_| ApiRefusal::bad_request(format!("{name}: it is no whole number from 0"));
        self.text(name).map(str::parse).transpose().map_err(wrong)
    }

    /// Yes or no.
    ///
    /// # Errors
    /// If it is neither.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, ApiRefusal> {
        match self.text(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(ApiRefusal::bad_request(format!("{name}: it is true or false"))),
        }
    }

    /// The pairs but for that one.
    pub fn without(self, name: &str) -> Vec<(String, String)> {
        self.0.into_iter().filter(|(own, _)| own != name).collect()
    }
}

/// The part of a list that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gws_provisioning) struct ListPart {
    offset: usize,
    limit: usize,
}

/// The most objects of an answer.
const LIMIT_MAX: usize = 5_000;

impl ListPart {
    /// As `offset` and `limit` say.
    ///
    /// # Errors
    /// If they are no numbers.
    pub fn read(query: &PublishedQuery) -> Result<Self, ApiRefusal> {
        let limit = query.number("limit")?.unwrap_or(LIMIT_MAX).min(LIMIT_MAX);
        Ok(Self { offset: query.number("offset")?.unwrap_or_default(), limit })
    }

    /// The most objects that it has.
    pub fn len_max(self) -> usize {
        self.limit
    }

    /// The part of a list.
    pub fn of<T>(self, list: Vec<T>) -> Vec<T> {
        list.into_iter().skip(self.offset).take(self.limit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> PublishedQuery {
        let owned = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        PublishedQuery::of(owned.collect()).unwrap()
    }

    #[test]
    fn a_parameter_is_read_as_what_it_is_and_named_where_it_is_not() {
        let query = query(&[("limit", "2"), ("offset", "x"), ("in_use", "maybe"), ("skills", "a, b"), ("empty", " ")]);
        assert_eq!((query.number("limit").unwrap(), query.number("none").unwrap()), (Some(2), None));
        assert_eq!(query.number("offset").unwrap_err().body()["status"]["code"], 400);
        assert!(query.flag("in_use").is_err() && query.text("empty").is_none());
        assert_eq!(query.names("skills"), ["a", "b"]);
    }

    #[test]
    fn a_list_may_be_written_in_several_ways() {
        let query = query(&[("dn_groups[]", "a"), ("dn_groups", "b,c")]);
        assert_eq!(query.names("dn_groups"), ["a", "b", "c"]);
    }

    #[test]
    fn a_part_of_a_list_has_no_more_than_there_is() {
        let part = ListPart::read(&query(&[("offset", "1"), ("limit", "2")])).unwrap();
        assert_eq!((part.of(vec![1, 2, 3, 4]), part.of(vec![1])), (vec![2, 3], vec![]));
    }
}
