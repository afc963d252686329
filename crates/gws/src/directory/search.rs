//! What is searched for.

use infra::TargetSearch;
use serde::Deserialize;

use super::group::{CountedGroups, DirectoryGroup};
use super::target::{DirectoryTarget, TargetType};

/// How many targets are found where nobody says how many; how many at most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 500;
/// Types that there are no targets of: they are none here, and no fault.
const WITHOUT_TARGETS: [&str; 3] = ["interaction-queue", "custom-contact", "contact"];

/// The parameters of a search, as the published API names them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DirectoryQuery {
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
pub(crate) struct UserQuery {
    search_term: Option<String>,
    group_id: Option<String>,
    manager: Option<String>,
    sort: Option<String>,
    limit: Option<usize>,
    offset: Option<usize>,
}

/// A search for the agents whom somebody looks after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserSearch {
    asked: TargetSearch,
    group: Option<String>,
    /// The user name in lower case.
    manager: Option<String>,
    /// How many of them are left out at the begin.
    pub offset: usize,
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

/// Reads what is typed; without anything all is found.
fn searched(term: Option<&str>) -> Result<TargetSearch, String> {
    let terms = TargetSearch::terms_of(term.unwrap_or_default()).map_err(|rule| format!("searchTerm: {rule}"))?;
    Ok(TargetSearch { terms, ..TargetSearch::default() })
}

impl DirectoryQuery {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Names the parameter.
    pub fn read(&self) -> Result<TargetSearch, String> {
        let named = listed(self.types.as_deref());
        let mut types = Vec::new();
        for name in &named {
            match TargetType::parse(name) {
                Some(one) => types.push(one.as_str().to_owned()),
                None if WITHOUT_TARGETS.contains(&name.to_ascii_lowercase().replace('_', "-").as_str()) => {}
                None => return Err(format!("types: there is no type {name:.64}")),
            }
        }
        let both = |one: &Option<String>, other: &Option<String>| -> Vec<String> {
            let (one, other) = (listed(one.as_deref()), listed(other.as_deref()));
            one.into_iter().chain(other).map(|name| name.to_lowercase()).collect()
        };
        let within = both(&self.restrict_group, &self.restrict_to_group);
        Ok(TargetSearch {
            is_exact: self.match_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("exact")),
            fields: listed(self.filter_name.as_deref()),
            types: (!named.is_empty()).then_some(types),
            within: (!within.is_empty()).then_some(within),
            without: both(&self.exclude_group, &self.exclude_from_group),
            is_descending: is_descending(self.sort.as_deref()),
            limit: limit(self.limit),
            ..searched(self.search_term.as_deref())?
        })
    }
}

/// Whether a target has the type and the words, and how well.
pub(super) fn rank(asked: &TargetSearch, target: &DirectoryTarget) -> Option<u8> {
    let own = target.target_type.as_str();
    if !asked.types.as_ref().is_none_or(|types| types.iter().any(|name| name == own)) {
        return None;
    }
    let fields = asked.searched_fields();
    let texts: Vec<&str> = target.searched().filter(|(name, _)| fields.contains(name)).map(|(_, text)| text).collect();
    asked.rank(&texts)
}

/// The groups whose agents count.
pub(super) fn counted_groups<'a>(asked: &TargetSearch, groups: &'a [DirectoryGroup]) -> CountedGroups<'a> {
    let meant = |ids: &[String]| groups.iter().filter(|group| ids.iter().any(|id| group.is_meant(id))).collect();
    CountedGroups { within: asked.within.as_deref().map(meant), without: meant(&asked.without) }
}

impl UserSearch {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Names the parameter.
    pub fn read(query: &UserQuery) -> Result<Self, String> {
        Ok(Self {
            asked: TargetSearch {
                types: Some(vec![TargetType::Agent.as_str().to_owned()]),
                is_descending: is_descending(query.sort.as_deref()),
                limit: limit(query.limit),
                ..searched(query.search_term.as_deref())?
            },
            group: query.group_id.clone().filter(|group| !group.is_empty()),
            manager: query.manager.as_deref().map(str::to_lowercase),
            offset: query.offset.unwrap_or_default(),
        })
    }

    /// Whether the last comes first.
    pub fn is_descending(&self) -> bool {
        self.asked.is_descending
    }

    /// The most that are told.
    pub fn limit(&self) -> usize {
        self.asked.limit
    }

    /// Whether it is an agent with the words.
    pub(super) fn fits(&self, target: &DirectoryTarget) -> bool {
        rank(&self.asked, target).is_some()
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
