//! Filters, and paths of attributes (RFC 7644 figures 1 and 7): what is written, without its meaning for users or groups.

use serde_json::Value;

/// The schema of users.
pub(super) const USER_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The schema of groups.
pub(super) const GROUP_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The prefix of the names that are not of extensions of others.
const IETF: &str = "urn:ietf:";
/// The prefix of the names of extensions of the IETF.
const EXTENSIONS: &str = "urn:ietf:params:scim:schemas:extension:";
/// The longest filter or path, in bytes.
const EXPRESSION_BYTES_MAX: usize = 2_048;
/// The most comparisons of a filter, those in brackets included.
const COMPARISONS_MAX: usize = 16;

/// A path of an attribute, as `emails[type eq "work"].value`. Names are in lower case, since theirs does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AttributePath {
    /// The attribute; empty for an extension as a whole.
    pub name: String,
    /// Whether it is one of an extension.
    pub is_extension: bool,
    /// Which of several values are meant.
    pub selects: Option<Vec<FilterComparison>>,
    /// The part of the attribute.
    pub sub: Option<String>,
}

/// A comparison of a filter. All of them must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FilterComparison {
    /// What is compared.
    pub path: AttributePath,
    /// With what.
    pub test: Test,
}

/// What must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// There is a value.
    Present,
    /// The value is true or false.
    Flag(bool),
    /// The value is a text like this.
    Text(Operator, String),
}

/// How texts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    /// The whole text.
    Equal,
    /// A part of it.
    Contains,
    /// Its beginning.
    StartsWith,
}

impl Operator {
    /// Whether a text is like the other. Upper and lower case do not count.
    pub fn holds(self, text: &str, wanted: &str) -> bool {
        let (text, wanted) = (text.to_lowercase(), wanted.to_lowercase());
        match self {
            Self::Equal => text == wanted,
            Self::Contains => text.contains(&wanted),
            Self::StartsWith => text.starts_with(&wanted),
        }
    }
}

/// Reads a filter.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn filter(text: &str) -> Result<Vec<FilterComparison>, String> {
    let mut reader = ExpressionReader::new(text)?;
    let comparisons = reader.comparisons(ComparisonPlace::Filter)?;
    reader.is_at_end().then_some(comparisons).ok_or_else(|| reader.unexpected())
}

/// Reads a path.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn path(text: &str) -> Result<AttributePath, String> {
    let mut reader = ExpressionReader::new(text)?;
    let path = reader.path(ComparisonPlace::Filter)?;
    reader.is_at_end().then_some(path).ok_or_else(|| reader.unexpected())
}

/// Where a comparison stands: in brackets there are no further ones.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ComparisonPlace {
    Filter,
    Brackets,
}

struct ExpressionReader<'a> {
    rest: &'a str,
    whole: usize,
    /// Comparisons that may still come.
    left: usize,
}

impl<'a> ExpressionReader<'a> {
    fn new(text: &'a str) -> Result<Self, String> {
        if text.len() > EXPRESSION_BYTES_MAX {
            return Err(format!("it has more than {EXPRESSION_BYTES_MAX} bytes"));
        }
        let rest = text.trim();
        if rest.is_empty() {
            return Err("it is empty".to_owned());
        }
        Ok(Self { rest, whole: rest.len(), left: COMPARISONS_MAX })
    }

    fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn unexpected(&self) -> String {
        format!("it cannot be read from byte {} on", self.whole - self.rest.len() + 1)
    }

    /// Takes what is before `end`.
    fn take(&mut self, end: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn takes(&mut self, sign: char) -> bool {
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Takes a word up to what no word has in it.
    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| c.is_whitespace() || "[]()\"".contains(c));
        self.take(end.unwrap_or(self.rest.len()))
    }

    fn blanks(&mut self) -> bool {
        let rest = self.rest.trim_start();
        let are_there = rest.len() < self.rest.len();
        self.rest = rest;
        are_there
    }

    fn comparisons(&mut self, within: ComparisonPlace) -> Result<Vec<FilterComparison>, String> {
        let mut all = Vec::new();
        loop {
            self.left = self.left.checked_sub(1).ok_or(format!("it has more than {COMPARISONS_MAX} comparisons"))?;
            all.push(self.comparison(within)?);
            let before = self.rest;
            self.blanks();
            if self.rest.is_empty() || self.rest.starts_with(']') {
                return Ok(all);
            }
            match self.word().to_ascii_lowercase().as_str() {
                "and" if self.blanks() => {}
                "or" => return Err("\"or\" is not supported".to_owned()),
                _ => {
                    self.rest = before;
                    return Err(self.unexpected());
                }
            }
        }
    }

    fn comparison(&mut self, within: ComparisonPlace) -> Result<FilterComparison, String> {
        if self.rest.starts_with('(') {
            return Err("groups in parentheses are not supported".to_owned());
        }
        let path = self.path(within)?;
        let before = self.rest;
        let are_blanks = self.blanks();
        let is_alone = self.rest.is_empty() || self.word_is_next("and");
        if is_alone && path.selects.is_some() && path.sub.is_none() {
            self.rest = before;
            return Ok(FilterComparison { path, test: Test::Present });
        }
        if path.name == "not" {
            return Err("\"not\" is not supported".to_owned());
        }
        if !are_blanks {
            return Err(self.unexpected());
        }
        let test = self.test()?;
        Ok(FilterComparison { path, test })
    }

    fn word_is_next(&self, word: &str) -> bool {
        self.rest.split_whitespace().next().is_some_and(|next| next.eq_ignore_ascii_case(word))
    }

    fn test(&mut self) -> Result<Test, String> {
        let operator = match self.word().to_ascii_lowercase().as_str() {
            "pr" => return Ok(Test::Present),
            "eq" => Operator::Equal,
            "co" => Operator::Contains,
            "sw" => Operator::StartsWith,
            _ => return Err("the operators eq, co, sw and pr are supported".to_owned()),
        };
        if !self.blanks() {
            return Err(self.unexpected());
        }
        if self.rest.starts_with('"') {
            return Ok(Test::Text(operator, self.text()?));
        }
        match (operator, self.word().to_ascii_lowercase().as_str()) {
            (Operator::Equal, "true") => Ok(Test::Flag(true)),
            (Operator::Equal, "false") => Ok(Test::Flag(false)),
            _ => Err("a value is a text in quotation marks, or with eq true or false".to_owned()),
        }
    }

    /// A text of JSON.
    fn text(&mut self) -> Result<String, String> {
        let mut is_escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, sign)| {
            let ends = *sign == '"' && !is_escaped;
            is_escaped = *sign == '\\' && !is_escaped;
            ends
        });
        let (end, _) = end.ok_or("a quotation mark is missing")?;
        let quoted = self.take(end + 1);
        serde_json::from_str::<String>(quoted).map_err(|_| "a text is not one of JSON".to_owned())
    }

    fn path(&mut self, within: ComparisonPlace) -> Result<AttributePath, String> {
        let written = self.word();
        let (is_extension, name) = schema_and_name(written)?;
        let (name, mut sub) = match name.split_once('.') {
            Some((name, sub)) if !is_extension => (name, Some(sub)),
            _ => (name, None),
        };
        let mut selects = None;
        if self.rest.starts_with('[') {
            if within == ComparisonPlace::Brackets || sub.is_some() || name.is_empty() {
                return Err(self.unexpected());
            }
            self.takes('[');
            self.blanks();
            selects = Some(self.comparisons(ComparisonPlace::Brackets)?);
            if !self.takes(']') {
                return Err("a bracket is missing".to_owned());
            }
            if self.takes('.') {
                sub = Some(self.word());
            }
        }
        let is_ours = is_name(name) && sub.is_none_or(is_name);
        if !(is_extension || is_ours) {
            return Err("a name is not one of an attribute".to_owned());
        }
        let lower = |text: &str| text.to_ascii_lowercase();
        Ok(AttributePath { name: lower(name), is_extension, selects, sub: sub.map(lower) })
    }
}

/// The name behind the schema that may stand before it; whether that is the one of an extension.
fn schema_and_name(written: &str) -> Result<(bool, &str), String> {
    let starts = |prefix: &str| written.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if !starts("urn:") {
        return Ok((false, written));
    }
    if starts(EXTENSIONS) || !starts(IETF) {
        return Ok((true, ""));
    }
    for schema in [USER_SCHEMA, GROUP_SCHEMA] {
        if starts(schema)
            && let Some(name) = written.get(schema.len()..).and_then(|rest| rest.strip_prefix(':'))
        {
            return Ok((false, name));
        }
    }
    Err("it names a schema that is not known".to_owned())
}

/// Whether that is the name of an attribute (RFC 7643 section 2.1).
fn is_name(name: &str) -> bool {
    let name = name.strip_prefix('$').unwrap_or(name);
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '-' || sign == '_')
}

/// A comparison of one value of an attribute with several: by its parts. What it does not have is equal to nothing.
pub(super) fn selects(comparisons: &[FilterComparison], part: impl Fn(&str) -> Option<Value>) -> bool {
    comparisons.iter().all(|comparison| match (part(&comparison.path.name), &comparison.test) {
        (Some(_), Test::Present) => true,
        (Some(Value::Bool(is)), Test::Flag(wanted)) => is == *wanted,
        (Some(Value::String(text)), Test::Text(operator, wanted)) => operator.holds(&text, wanted),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn plain(name: &str, sub: Option<&str>) -> AttributePath {
        let sub = sub.map(str::to_owned);
        AttributePath { name: name.to_owned(), is_extension: false, selects: None, sub }
    }

    fn text(operator: Operator, wanted: &str) -> Test {
        Test::Text(operator, wanted.to_owned())
    }

    #[test]
    fn filters_of_provisioning_agents_are_read() {
        let one = |written: &str| filter(written).unwrap().remove(0);
        let ann = one(r#"userName eq "Ann@d.example""#);
        assert_eq!(
            ann,
            FilterComparison { path: plain("username", None), test: text(Operator::Equal, "Ann@d.example") }
        );
        assert_eq!(one("Active EQ True").test, Test::Flag(true));
        assert_eq!(one(r#"name.givenName SW "A""#).path, plain("name", Some("givenname")));
        assert_eq!(one(r#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "x""#).path, plain("username", None));
        assert_eq!(one(r#"userName eq "a\"b\\""#).test, text(Operator::Equal, r#"a"b\"#));
        let two = filter(r#" displayName co "ann"  and   active eq false "#).unwrap();
        assert_eq!(two.len(), 2);
        let work = one(r#"emails[type eq "work"].value eq "a@b.c""#);
        assert_eq!((work.path.sub.as_deref(), work.path.selects.map(|all| all.len())), (Some("value"), Some(1)));
        let whole = filter(r#"emails[type eq "work" and value co "@d"] and active eq true"#).unwrap();
        assert_eq!((whole.len(), &whole[0].test), (2, &Test::Present));
        assert_eq!(one("emails pr").test, Test::Present);
    }

    #[test]
    fn what_is_not_supported_or_faulty_is_refused_with_the_reason() {
        for (written, reason) in [
            ("", "it is empty"),
            ("userName", "it cannot be read from byte 9 on"),
            (r#"userName ne "x""#, "the operators eq, co, sw and pr are supported"),
            (r#"userName eq "x" or userName eq "y""#, "\"or\" is not supported"),
            (r#"not (userName eq "x")"#, "\"not\" is not supported"),
            (r#"(userName eq "x")"#, "groups in parentheses are not supported"),
            (r#"userName eq "x"#, "a quotation mark is missing"),
            ("userName eq x", "a value is a text in quotation marks, or with eq true or false"),
            ("active co true", "a value is a text in quotation marks, or with eq true or false"),
            (r#"userName eq "x" y"#, "it cannot be read from byte 16 on"),
            (r#"emails[type eq "work""#, "a bracket is missing"),
            (r#"emails[a[b eq "c"] eq "d"]"#, "it cannot be read from byte 9 on"),
            (r#"1a eq "x""#, "a name is not one of an attribute"),
            (r#"urn:ietf:example:userName eq "x""#, "it names a schema that is not known"),
        ] {
            assert_eq!(filter(written).unwrap_err(), reason, "{written}");
        }
    }

    #[test]
    fn length_and_number_of_comparisons_are_bounded() {
        let many = vec!["active eq true"; COMPARISONS_MAX];
        assert!(filter(&many.join(" and ")).is_ok());
        let more = format!("{} and active eq true", many.join(" and "));
        assert_eq!(filter(&more).unwrap_err(), "it has more than 16 comparisons");
        let long = format!("userName eq \"{}\"", "x".repeat(EXPRESSION_BYTES_MAX));
        assert_eq!(filter(&long).unwrap_err(), "it has more than 2048 bytes");
    }

    #[test]
    fn paths_are_read() {
        assert_eq!(path("active").unwrap(), plain("active", None));
        assert_eq!(path("name.familyName").unwrap(), plain("name", Some("familyname")));
        let member = path(r#"members[value eq "ann"]"#).unwrap();
        assert_eq!((member.name.as_str(), member.selects.map(|all| all.len())), ("members", Some(1)));
        let extension = path("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department").unwrap();
        assert!(extension.is_extension && extension.name.is_empty());
        assert!(path("urn:okta:centre_app:1.0:user:custom:badge").unwrap().is_extension);
        for faulty in [
            "urn:ietf:params:scim:schemas:core:2.0:Usr:active",
            "",
            "a b",
            "a..b",
            "a[",
            "emails[type eq \"work\"]value",
            ".",
            "a.b.c",
        ] {
            assert!(path(faulty).is_err(), "{faulty}");
        }
    }

    #[test]
    fn values_are_selected_by_their_parts() {
        let all = filter(r#"type eq "WORK" and primary eq true"#).unwrap();
        let part = |name: &str| match name {
            "type" => Some(json!("work")),
            "primary" => Some(json!(true)),
            _ => None,
        };
        assert!(selects(&all, part));
        assert!(!selects(&filter(r#"display co "x""#).unwrap(), part));
        assert!(!selects(&filter(r#"type eq true"#).unwrap(), part));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(written in ".{0,80}", head in "[a-z.\\[\\]\" ()=\\\\]{0,40}") {
            let _ = (filter(&written), path(&written), filter(&head), path(&head));
        }

        #[test]
        fn any_text_comes_through_its_quotation(wanted in ".{0,60}") {
            let written = format!("userName eq {}", serde_json::to_string(&wanted).unwrap());
            prop_assert_eq!(&filter(&written).unwrap()[0].test, &Test::Text(Operator::Equal, wanted));
        }

        #[test]
        fn what_is_equal_begins_so_and_contains_it(wanted in "[a-zA-Z]{0,8}", rest in "[a-zA-Z]{0,8}") {
            let longer = format!("{wanted}{rest}");
            prop_assert!(Operator::Equal.holds(&wanted.to_uppercase(), &wanted));
            prop_assert!(Operator::StartsWith.holds(&longer, &wanted) && Operator::Contains.holds(&longer, &wanted));
        }
    }
}
