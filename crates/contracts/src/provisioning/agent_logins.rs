//! Further codes with which people log in as agents.

use serde::{Deserialize, Serialize};

/// A code with which an agent logs in, besides the agent's id and the login code in the person's own settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentLogin {
    /// The code; no person has it as id or login code, and no two logins have the same.
    pub code: String,
    /// The user name of the person who logs in with it; none: nobody does yet.
    #[serde(default)]
    pub person: Option<String>,
    /// After-call work of who has logged in with it, in seconds; none means the person's.
    #[serde(default)]
    pub wrap_up_s: Option<u32>,
    /// Whether nobody logs in with it.
    #[serde(default)]
    pub disabled: bool,
}
