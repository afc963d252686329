//! What is searched for.

use serde::Deserialize;

use super::group::{CountedGroups, DirectoryGroup};
use super::target::{DirectoryTarget, TargetType};

/// How many targets are found where nobody says how many; how many at most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 500;
/// The longest text that is searched for, in bytes.
const TERM_BYTES_MAX: usize = 256;
/// All of them.
const ALL: &str = "*";
/// Types that there are no targets of: they are none here, and no fault.
const WITHOUT_TARGETS: [&str; 3] = ["interaction-queue", "custom-contact", "contact"];

/// The parameters of a search, as the published API names them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::gws_configuration) struct DirectoryQuery {
    search_term: Option<String>,
    filter_name: Option<String>,
    types: Option<String>,
    exclude_group: Option<String>,
    restrict_group: Option<String>,
    exclude_from_group: Option<String>,
    restrict_to_group: Option<String>,
    sort: Option<String>,
    limit: Option<usize>,
    match_type: Option<String>,
}

/// The parameters of a list of users.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::gws_configuration) struct UserQuery {
    search_term: Option<String>,
    group_id: Option<String>,
    manager: Option<String>,
    sort: Option<String>,
    limit: Option<usize>,
    offset: Option<usize>,
}

/// Words that are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SearchedWords {
    /// One of them has to fit; of each all words. None: everything fits.
    terms: Option<Vec<Vec<String>>>,
    is_exact: bool,
}

/// A search for targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gws_configuration) struct DirectorySearch {
    words: SearchedWords,
    /// The fields that are searched; empty: all.
    fields: Vec<String>,
    /// None: all.
    types: Option<Vec<TargetType>>,
    within: Vec<String>,
    without: Vec<String>,
    /// Whether the last comes first.
    pub is_descending: bool,
    /// The most that are told.
    pub limit: usize,
}

/// A search for the agents whom somebody looks after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gws_configuration) struct UserSearch {
    words: SearchedWords,
    group: Option<String>,
    /// The user name in lower case.
    manager: Option<String>,
    /// Whether the last comes first.
    pub is_descending: bool,
    /// How many of them are left out at the begin.
    pub offset: usize,
    /// The most that are told.
    pub limit: usize,
}

fn listed(text: Option<&str>) -> Vec<String> {
    let parts = text.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

fn is_descending(sort: Option<&str>) -> bool {
    sort.is_some_and(|sort| sort.eq_ignore_ascii_case("desc"))
}

fn limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(LIMIT).min(LIMIT_MAX)
}

impl SearchedWords {
    fn read(term: Option<&str>, is_exact: bool) -> Result<Self, String> {
        let term = term.unwrap_or(ALL).to_lowercase();
        if term.len() > TERM_BYTES_MAX {
            return Err(format!("searchTerm: it has more than {TERM_BYTES_MAX} bytes"));
        }
        let words = |term: &str| match is_exact {
            true => vec![term.to_owned()],
            false => term.split_whitespace().map(str::to_owned).collect(),
        };
        let terms = listed(Some(&term));
        let is_all = terms.is_empty() || terms.iter().any(|term| term == ALL);
        let terms = (!is_all).then(|| terms.iter().map(|term| words(term)).collect());
        Ok(Self { terms, is_exact })
    }

    fn fit(&self, fields: &[&str]) -> bool {
        let Some(terms) = &self.terms else { return true };
        let has = |word: &String| match self.is_exact {
            true => fields.iter().any(|field| field == word),
            false => fields.iter().any(|field| field.contains(word.as_str())),
        };
        terms.iter().any(|words| words.iter().all(has))
    }

    /// Whether a field begins with one of the words: who is meant, most likely.
    fn begin(&self, fields: &[&str]) -> bool {
        let words = || self.terms.iter().flatten().flatten();
        fields.iter().any(|field| words().any(|word| field.starts_with(word.as_str())))
    }
}

impl DirectorySearch {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Names the parameter.
    pub fn read(query: &DirectoryQuery) -> Result<Self, String> {
        let is_exact = query.match_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("exact"));
        let named = listed(query.types.as_deref());
        let mut types = Vec::new();
        for name in &named {
            match TargetType::parse(name) {
                Some(one) => types.push(one),
                None if WITHOUT_TARGETS.contains(&name.to_ascii_lowercase().as_str()) => {}
                None => return Err(format!("types: there is no type {name:.64}")),
            }
        }
        let both = |one: &Option<String>, other: &Option<String>| {
            let (one, other) = (listed(one.as_deref()), listed(other.as_deref()));
            one.into_iter().chain(other).collect()
        };
        Ok(Self {
            words: SearchedWords::read(query.search_term.as_deref(), is_exact)?,
            fields: listed(query.filter_name.as_deref()),
            types: (!named.is_empty()).then_some(types),
            within: both(&query.restrict_group, &query.restrict_to_group),
            without: both(&query.exclude_group, &query.exclude_from_group),
            is_descending: is_descending(query.sort.as_deref()),
            limit: limit(query.limit),
        })
    }

    fn searched<'t>(&self, target: &'t DirectoryTarget) -> Vec<&'t str> {
        let is_searched = |name: &str| self.fields.is_empty() || self.fields.iter().any(|field| field == name);
        target.searched().filter(|(name, _)| is_searched(name)).map(|(_, value)| value).collect()
    }

    /// Whether a target has the type and the words.
    pub(super) fn fits(&self, target: &DirectoryTarget) -> bool {
        let has_type = self.types.as_ref().is_none_or(|types| types.contains(&target.target_type));
        has_type && self.words.fit(&self.searched(target))
    }

    /// The groups whose agents count.
    pub(super) fn groups<'a>(&self, groups: &'a [DirectoryGroup]) -> CountedGroups<'a> {
        let meant = |ids: &[String]| groups.iter().filter(|group| ids.iter().any(|id| group.is_meant(id))).collect();
        CountedGroups { within: (!self.within.is_empty()).then(|| meant(&self.within)), without: meant(&self.without) }
    }

    /// Where a target stands among those that fit.
    pub(super) fn rank<'t>(&self, target: &'t DirectoryTarget) -> (bool, (&'t str, &'t str, TargetType)) {
        (!self.words.begin(&self.searched(target)), target.sorted_by())
    }
}

impl UserSearch {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Names the parameter.
    pub fn read(query: &UserQuery) -> Result<Self, String> {
        Ok(Self {
            words: SearchedWords::read(query.search_term.as_deref(), false)?,
            group: query.group_id.clone().filter(|group| !group.is_empty()),
            manager: query.manager.as_deref().map(str::to_lowercase),
            is_descending: is_descending(query.sort.as_deref()),
            offset: query.offset.unwrap_or_default(),
            limit: limit(query.limit),
        })
    }

    /// Whether an agent has the words.
    pub(super) fn fits(&self, target: &DirectoryTarget) -> bool {
        let fields: Vec<&str> = target.searched().map(|(_, value)| value).collect();
        self.words.fit(&fields)
    }

    /// The groups whose agents count: of those that the manager has, or of all where that is none, the one that is named.
    pub(super) fn groups<'a>(&self, groups: &'a [DirectoryGroup]) -> CountedGroups<'a> {
        let manages = |group: &&DirectoryGroup| self.manager.as_ref().is_some_and(|user| group.is_managed_by(user));
        let own: Vec<&DirectoryGroup> = groups.iter().filter(manages).collect();
        let within = match (&self.group, own.is_empty()) {
            (None, true) => None,
            (None, false) => Some(own),
            (Some(id), true) => Some(groups.iter().filter(|group| group.is_meant(id)).collect()),
            (Some(id), false) => Some(own.into_iter().filter(|group| group.is_meant(id)).collect()),
        };
        CountedGroups { within, without: Vec::new() }
    }
}
