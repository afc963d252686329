//! Whose numbers somebody may see: of queues, route points and groups everybody; of an agent and its phone it itself, and who looks after
//! agents. Without I/O: who somebody is, the roles find out.
//!
//! Tenant finds agents by employee id first, then by login code and user name, and one's name may be another one's id: who asks for oneself
//! by any name of one's own asks tenant by the employee id.

use runtime::scope::{AGENTS_SUPERVISE, CALLS_MONITOR, STATISTICS_READ};

/// Who may see the numbers of other agents: supervisors, and whoever sees them on the wallboard.
pub(crate) const OF_OTHERS: [&str; 3] = [AGENTS_SUPERVISE, CALLS_MONITOR, STATISTICS_READ];

/// Whose the object of a statistic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObjectOwner {
    /// Everybody's.
    All,
    /// An agent's.
    Agent,
    /// Of whoever works at that DN.
    Dn,
}

impl ObjectOwner {
    /// By the published name of its type.
    pub(crate) fn of(object_type: &str) -> Self {
        match object_type {
            "Queue" | "RoutePoint" | "GroupAgents" | "GroupPlaces" | "GroupQueues" => Self::All,
            "RegDN" | "Place" => Self::Dn,
            // Of what is not known, nobody sees more than of an agent.
            _ => Self::Agent,
        }
    }
}

/// The names of the agent that a person is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OwnNames {
    /// The employee id.
    pub id: String,
    /// The login code, where it is known.
    pub login_code: Option<String>,
    /// The user name.
    pub user: String,
}

impl OwnNames {
    fn have(&self, name: &str) -> bool {
        name == self.id || name == self.user || self.login_code.as_deref() == Some(name)
    }
}

/// What somebody sees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NumbersSight<'a> {
    /// Whether it sees all: it has one of [`OF_OTHERS`].
    pub sees_others: bool,
    /// The only DN for which the token is.
    pub dn: Option<&'a str>,
    /// The only agent for whom it is, by its employee id.
    pub agent: Option<&'a str>,
    /// The names of the agent that the person is.
    pub own: Option<&'a OwnNames>,
}

impl<'a> NumbersSight<'a> {
    /// The object by which a statistic is asked for: of oneself the employee id. None if it is hidden.
    pub(crate) fn seen_as<'o>(&self, object_type: &str, object_id: &'o str) -> Option<&'o str>
    where
        'a: 'o,
    {
        if self.sees_others {
            return Some(object_id);
        }
        match ObjectOwner::of(object_type) {
            ObjectOwner::All => Some(object_id),
            ObjectOwner::Dn => self.dn.filter(|dn| *dn == object_id),
            ObjectOwner::Agent if self.agent == Some(object_id) => Some(object_id),
            ObjectOwner::Agent => self.own.filter(|own| own.have(object_id)).map(|own| own.id.as_str()),
        }
    }

    /// Whether a statistic that is open may be seen. What was opened by another name, by somebody who saw all, may be somebody else's.
    pub(crate) fn shows(&self, object_type: &str, object_id: &str) -> bool {
        self.seen_as(object_type, object_id) == Some(object_id)
    }
}

/// Why a statistic of that object is hidden.
pub(crate) fn for_supervisors(object_id: &str) -> String {
    format!("statistics of {object_id} are for supervisors")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> OwnNames {
        OwnNames { id: "1001".to_owned(), login_code: Some("1002".to_owned()), user: "1003".to_owned() }
    }

    fn sight(own: &OwnNames) -> NumbersSight<'_> {
        NumbersSight { sees_others: false, dn: Some("7101"), agent: None, own: Some(own) }
    }

    #[test]
    fn an_agent_sees_itself_its_phone_and_what_is_everybodys() {
        let own = own();
        let ann = sight(&own);
        for (object_type, id) in [("Queue", "sales"), ("RoutePoint", "7001"), ("GroupAgents", "all"), ("RegDN", "7101")]
        {
            assert_eq!(ann.seen_as(object_type, id), Some(id), "{object_type}");
        }
        for (object_type, id) in
            [("Agent", "1004"), ("RegDN", "7102"), ("RegDN", "1001"), ("Tenant", "acme"), ("agent", "1004")]
        {
            assert_eq!(ann.seen_as(object_type, id), None, "{object_type} {id}");
        }
    }

    /// The login code and the user name may be the employee ids of others, by which tenant would find these.
    #[test]
    fn whoever_asks_for_oneself_by_any_name_gets_the_own_numbers() {
        let own = own();
        let ann = sight(&own);
        for name in ["1001", "1002", "1003"] {
            assert_eq!(ann.seen_as("Agent", name), Some("1001"), "{name}");
        }
        let nobody = NumbersSight { own: None, ..ann };
        assert_eq!(nobody.seen_as("Agent", "1003"), None, "who is no agent has no numbers");
        let tied = NumbersSight { agent: Some("1001"), ..nobody };
        assert_eq!((tied.seen_as("Agent", "1001"), tied.seen_as("Agent", "1003")), (Some("1001"), None));
    }

    #[test]
    fn who_sees_others_no_longer_sees_oneself_by_the_employee_id_alone() {
        let own = own();
        let supervisor = NumbersSight { sees_others: true, ..sight(&own) };
        for (object_type, id) in [("Agent", "1004"), ("Agent", "1002"), ("RegDN", "7102")] {
            assert_eq!(supervisor.seen_as(object_type, id), Some(id), "{object_type}");
        }
        let ann = sight(&own);
        assert!(ann.shows("Agent", "1001") && ann.shows("Queue", "sales"));
        assert!(!ann.shows("Agent", "1004") && !ann.shows("RegDN", "7102"));
        assert!(!ann.shows("Agent", "1002"), "tenant has found somebody else by that, perhaps");
    }
}
