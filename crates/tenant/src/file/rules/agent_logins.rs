//! What must hold for further codes with which people log in as agents.

use std::collections::{HashMap, HashSet};

use contracts::provisioning::{AgentLogin, ObjectKind};

use super::{BrokenRule, Rules};

impl Rules<'_> {
    /// A request to log in has an id or a code: both must mean one agent.
    pub(super) fn agent_logins(&mut self) {
        let objects = self.objects;
        if objects.agent_logins.is_empty() {
            return;
        }
        let people: HashSet<&str> = objects.people.iter().map(|person| person.user_name.as_str()).collect();
        let agents =
            objects.people.iter().filter_map(|person| Some((person.user_name.as_str(), person.agent.as_ref()?)));
        let words = agents.flat_map(|(user, agent)| [(agent.id.as_str(), user), (agent.login_code.as_str(), user)]);
        let words: HashMap<&str, &str> = words.collect();
        for login in &objects.agent_logins {
            if let Some(user) = words.get(login.code.as_str()) {
                let reason = format!("{user} has the id or login code {} already", login.code);
                let rule = BrokenRule::held(ObjectKind::Person, user, &login.code, reason);
                self.agent_login_fault(login, "code", rule);
            }
            if let Some(person) = login.person.as_deref().filter(|person| !people.contains(person)) {
                self.agent_login_fault(login, "person", BrokenRule::unknown(ObjectKind::Person, person));
            }
        }
    }

    fn agent_login_fault(&mut self, login: &AgentLogin, key: &str, rule: BrokenRule) {
        self.fault(ObjectKind::AgentLogin, &login.code, format!("agent_logins.{}.{key}", login.code), rule);
    }
}
