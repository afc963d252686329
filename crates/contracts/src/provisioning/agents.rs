//! What a tenant's configuration says about its agents: about each, and about all of them.

use serde::{Deserialize, Serialize};

use super::{Secret, SkillLevel};

/// A person's settings as an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// The employee id, unique in the tenant.
    pub id: String,
    /// The login code on the switch.
    pub login_code: String,
    /// The PIN that the agent enters to log in by phone: an Argon2id hash in PHC form with the number of its digits behind it, as
    /// `$argon2id$...#6`. In what is given it may be in clear; releases before have stored it so, sealed.
    pub pin: Option<Secret>,
    /// The place whose phone logs this agent in.
    pub default_place: Option<String>,
    /// After-call work in seconds; none means the tenant's.
    pub wrap_up_s: Option<u32>,
    /// The rest after a business call in seconds; none means the tenant's.
    #[serde(default)]
    pub legal_guard_s: Option<u32>,
    /// What happens to the agent after a call that was not answered; none means the tenant's.
    #[serde(default)]
    pub no_answer_action: Option<NoAnswerAction>,
    /// Skills and levels.
    pub skills: Vec<SkillLevel>,
    /// How many interactions the agent has at a time; none means as the place says.
    #[serde(default)]
    pub capacity_rule: Option<String>,
}

/// What holds for a tenant's agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentRules {
    /// What happens to an agent after a call that it did not answer.
    pub no_answer_action: NoAnswerAction,
    /// The rest between a business call, or its wrap-up, and the next one, in seconds.
    pub legal_guard_s: u32,
    /// Whether an agent whose phone is no longer registered is logged out; otherwise it is made not ready.
    pub logout_on_out_of_service: bool,
    /// After how many minutes an agent that does nothing is logged out; 0 means never.
    pub auto_logout_min: u32,
    /// Whether that holds for an agent that is ready, too.
    pub auto_logout_ready: bool,
    /// A wrap-up of at least this number of seconds lasts until the agent ends it.
    pub untimed_wrap_up_s: u32,
    /// Whether wrap-up that an agent begins without a call has the agent's time; otherwise the agent ends it.
    pub timed_acw_in_idle: bool,
    /// Whether such wrap-up makes ready when its time is over; otherwise it leads back to the state before it.
    pub acw_in_idle_force_ready: bool,
    /// Whether agents log in by their PINs alone.
    pub login_password: LoginPasswordRule,
    /// Whether who is made not ready by a request gives a reason of the tenant's, if any; otherwise it may be another one.
    pub strict_action_codes: bool,
}

impl Default for AgentRules {
    fn default() -> Self {
        Self {
            no_answer_action: NoAnswerAction::NotReady,
            legal_guard_s: 0,
            logout_on_out_of_service: false,
            auto_logout_min: 0,
            auto_logout_ready: false,
            untimed_wrap_up_s: 1_000,
            timed_acw_in_idle: true,
            acw_in_idle_force_ready: true,
            login_password: LoginPasswordRule::Optional,
            strict_action_codes: false,
        }
    }
}

/// Whether a login needs the agent's PIN as its password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginPasswordRule {
    /// It is checked where a login has one.
    Optional,
    /// A login without the right one is refused.
    Required,
}

impl LoginPasswordRule {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Optional, Self::Required];

    /// Its name in files and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }

    /// The rule of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.as_str() == name)
    }
}

/// What happens to an agent after a call that it did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoAnswerAction {
    /// Nothing: it gets the next call.
    None,
    /// It is made not ready.
    NotReady,
    /// It is logged out.
    Logout,
}

impl NoAnswerAction {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::NotReady, Self::Logout];

    /// Its name in files and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::NotReady => "not_ready",
            Self::Logout => "logout",
        }
    }

    /// The action of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.as_str() == name)
    }
}
