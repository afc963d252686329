//! The agents of a tenant and their phones: people and places, read from config (voice-35). A change costs what it changes, whatever the
//! size of the tenant.

mod index;
mod login_codes;
mod reasons;

use std::collections::BTreeMap;
use std::sync::Arc;

use call::agent::{AutoLogout, IdleWrapUp, NoAnswerAction, Profile};
use contracts::configuration::{Changes, Listed};
use contracts::provisioning::{
    Agent, AgentRules, DialAction, DnKind, LoginPasswordRule, NoAnswerAction as Configured, Object, ObjectKind, Spender,
};
use model::event::ErrorCode;
use model::{AgentId, Dn, Request, RequestKind, SharedMap, SharedSet, TenantId};
use net::configuration::{Objects, is_up_to};
use net::http::CallError;

use index::AgentIndex;
use login_codes::LoginCodes;
use reasons::ActionReasons;

/// The kinds of objects that are read.
pub(super) const KINDS: &[ObjectKind] = &[
    ObjectKind::Tenant,
    ObjectKind::Person,
    ObjectKind::AgentLogin,
    ObjectKind::Place,
    ObjectKind::Dn,
    ObjectKind::DialRule,
    ObjectKind::ActionCode,
];
/// The most agents, places and DNs of one tenant; three times the largest tenant that the design allows for.
const OBJECTS_MAX: usize = 1_000_000;

/// What a DN is, as far as agents are concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Address {
    /// A phone.
    Phone {
        /// Whether another call rings while it is in one.
        call_waiting: bool,
    },
    /// A route point, with the wrap-up time of its calls in seconds.
    RoutePoint(Option<u32>),
    /// A virtual queue.
    Queue,
    /// An echo or an announcement.
    Service,
}

impl Address {
    /// Whether it is a phone.
    pub(super) const fn is_phone(self) -> bool {
        matches!(self, Self::Phone { .. })
    }
}

/// A tenant's people and places. Copies share what is the same in them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct People {
    /// The version of configuration that was read last, as config names it.
    version: Option<String>,
    wrap_up_s: u32,
    rules: AgentRules,
    /// By the person's login name.
    agents: SharedMap<String, Arc<Agent>>,
    places: SharedMap<String, Arc<[String]>>,
    addresses: SharedMap<String, Address>,
    /// The wrap-up times that route points have for their calls, in seconds.
    wrap_up_times: SharedMap<String, u64>,
    /// The rules that limit what agents spend on calls outside.
    agent_limits: SharedSet<String>,
    reasons: ActionReasons,
    login_codes: LoginCodes,
    index: AgentIndex,
}

impl People {
    /// Whether this is what config has at a version, or later.
    pub fn is_up_to(&self, version: &str) -> bool {
        self.version.as_deref().is_some_and(|read_at| is_up_to(read_at, version))
    }

    /// Queries config for changes; returns whether there were any.
    ///
    /// # Errors
    /// When config is unavailable or its answer is malformed; the known state stays.
    pub async fn refresh(&mut self, config: &Objects, tenant: &TenantId) -> Result<bool, CallError> {
        let changes = config.after(tenant.as_str(), self.version.as_deref()).await?;
        Ok(self.take(changes))
    }

    /// Takes over an answer of config; returns whether anything changed.
    pub fn take(&mut self, changes: Changes) -> bool {
        if self.version.as_ref() == Some(&changes.version) {
            return false;
        }
        if changes.whole {
            *self = Self::default();
        }
        // Before config has answered, that nothing is there is a change, too.
        let is_change = self.version.is_none() || !(changes.objects.is_empty() && changes.gone.is_empty());
        self.version = Some(changes.version);
        let concerned = self.index.concerned(changes.gone.iter().chain(&changes.objects));
        // All of them first: one may get the id or the place of another.
        for person in &concerned {
            self.index.forget(person, &self.agents, &self.places);
        }
        for gone in &changes.gone {
            self.remove(gone);
        }
        for listed in changes.objects {
            self.put(listed);
        }
        for person in &concerned {
            self.index.note(person, &self.agents, &self.places);
        }
        is_change
    }

    fn remove(&mut self, gone: &Listed) {
        match gone.kind {
            ObjectKind::Person => drop(self.agents.remove(&gone.id)),
            ObjectKind::Place => drop(self.places.remove(&gone.id)),
            ObjectKind::Dn => {
                self.addresses.remove(&gone.id);
                self.wrap_up_times.remove(&gone.id);
            }
            ObjectKind::DialRule => drop(self.agent_limits.remove(&gone.id)),
            ObjectKind::ActionCode => self.reasons.remove(&gone.id),
            ObjectKind::AgentLogin => self.login_codes.remove(&gone.id),
            _ => {}
        }
    }

    fn put(&mut self, listed: Listed) {
        if !KINDS.contains(&listed.kind) {
            return;
        }
        let object = match Object::from_json(listed.kind, listed.object.to_string().as_bytes()) {
            Ok(object) => object,
            Err(error) => {
                tracing::error!(kind = listed.kind.as_str(), id = listed.id, %error, "an object cannot be read");
                return;
            }
        };
        match object {
            Object::Tenant(tenant) => (self.wrap_up_s, self.rules) = (tenant.wrap_up_s, tenant.agents),
            Object::Dn(dn) if self.addresses.len() < OBJECTS_MAX => {
                let address = match dn.kind {
                    DnKind::Extension { call_waiting, .. } => Address::Phone { call_waiting },
                    DnKind::RoutePoint { wrap_up_s, .. } => Address::RoutePoint(wrap_up_s),
                    DnKind::VirtualQueue => Address::Queue,
                    DnKind::Echo | DnKind::Announcement { .. } => Address::Service,
                };
                match address {
                    Address::RoutePoint(Some(wrap_up_s)) => {
                        self.wrap_up_times.insert(dn.number.clone(), wrap_up_s.into());
                    }
                    _ => drop(self.wrap_up_times.remove(&dn.number)),
                }
                self.addresses.insert(dn.number, address);
            }
            Object::DialRule(rule) => {
                let is_one = matches!(rule.action, DialAction::Limit { per: Spender::Agent, .. });
                if is_one && self.agent_limits.len() < OBJECTS_MAX {
                    self.agent_limits.insert(listed.id, ());
                } else {
                    self.agent_limits.remove(&listed.id);
                }
            }
            Object::ActionCode(reason) => self.reasons.put(reason),
            Object::AgentLogin(login) => self.login_codes.put(login),
            Object::Place(place) if self.places.len() < OBJECTS_MAX => {
                self.places.insert(place.name, place.dns.into());
            }
            Object::Person(person) => match person.agent {
                Some(agent) if self.agents.len() < OBJECTS_MAX => {
                    self.agents.insert(person.user_name, Arc::new(agent));
                }
                _ => drop(self.agents.remove(&person.user_name)),
            },
            _ => {}
        }
    }

    /// Whether a rule limits what agents spend on calls outside.
    pub fn limits_agents(&self) -> bool {
        !self.agent_limits.is_empty()
    }

    /// Whether config has answered.
    pub fn is_known(&self) -> bool {
        self.version.is_some()
    }

    /// Whether a DN is a phone.
    pub fn is_phone(&self, dn: &Dn) -> bool {
        self.address(dn).is_some_and(Address::is_phone)
    }

    /// Whether a DN is a phone where no other call rings while it is in one.
    pub fn lacks_call_waiting(&self, dn: &Dn) -> bool {
        self.address(dn) == Some(Address::Phone { call_waiting: false })
    }

    /// The phones that have become of that kind.
    pub fn phones_now_without_call_waiting(&self, before: &Self) -> Vec<Dn> {
        let changed = self.addresses.differences(&before.addresses, |before, now| before == now);
        let lacking = changed.iter().filter(|one| one.now == Some(&Address::Phone { call_waiting: false }));
        lacking.filter_map(|one| Dn::parse(one.key).ok()).collect()
    }

    /// The agents whose settings may have changed, and those who are none any more; `None` if what holds for all has changed.
    pub fn changed_agents(&self, before: &Self) -> Option<Vec<AgentId>> {
        if (before.wrap_up_s, before.rules) != (self.wrap_up_s, self.rules) || !before.is_known() {
            return None;
        }
        let changed = self.agents.differences(&before.agents, |before, now| before == now);
        let ids = changed.iter().flat_map(|one| {
            let (before, now) = (one.before.map(|agent| &agent.id), one.now.map(|agent| &agent.id));
            now.into_iter().chain(before.filter(|before| Some(*before) != now))
        });
        Some(ids.filter_map(|id| AgentId::parse(id).ok()).collect())
    }

    /// Whether a person is the agent of that id.
    pub fn has_agent(&self, id: &AgentId) -> bool {
        self.index.person(id).is_some()
    }

    /// An agent's settings from configuration.
    pub fn profile(&self, id: &AgentId) -> Option<Profile> {
        let agent = self.agents.get(self.index.person(id)?)?;
        let rules = &self.rules;
        let ms = |seconds: u32| u64::from(seconds) * 1_000;
        Some(Profile {
            agent: id.clone(),
            wrap_up_ms: ms(agent.wrap_up_s.unwrap_or(self.wrap_up_s)),
            untimed_wrap_up_s: rules.untimed_wrap_up_s.into(),
            idle_wrap_up: IdleWrapUp { untimed: !rules.timed_acw_in_idle, leads_back: !rules.acw_in_idle_force_ready },
            legal_guard_ms: ms(agent.legal_guard_s.unwrap_or(rules.legal_guard_s)),
            no_answer: match agent.no_answer_action.unwrap_or(rules.no_answer_action) {
                Configured::None => NoAnswerAction::None,
                Configured::NotReady => NoAnswerAction::NotReady,
                Configured::Logout => NoAnswerAction::Logout,
            },
            logout_on_out_of_service: rules.logout_on_out_of_service,
            login_needs_password: rules.login_password == LoginPasswordRule::Required,
            auto_logout: AutoLogout { after_ms: ms(rules.auto_logout_min) * 60, ready_too: rules.auto_logout_ready },
        })
    }

    /// The wrap-up times that route points have for their calls, in seconds.
    pub fn wrap_up_times(&self) -> BTreeMap<String, u64> {
        self.wrap_up_times.iter().map(|(number, seconds)| (number.clone(), *seconds)).collect()
    }

    /// Whether route points have had others.
    pub fn has_other_wrap_up_times(&self, before: &Self) -> bool {
        !self.wrap_up_times.differences(&before.wrap_up_times, |before, now| before == now).is_empty()
    }

    /// The DN of that number, if configuration has it.
    pub fn address(&self, dn: &Dn) -> Option<Address> {
        self.addresses.get(dn.as_str()).copied()
    }

    /// How many DNs the tenant has.
    pub fn addresses(&self) -> usize {
        self.addresses.len()
    }

    /// Refuses a request that this tenant's agents do not get, gives its reason in the tenant's words, and has
    /// a login name its agent by the id.
    pub fn admit(&self, request: &mut Request) -> Result<(), (ErrorCode, &'static str)> {
        self.may_be_asked(request)?;
        self.resolve_login(request)?;
        self.reasons.complete(request, self.rules.strict_action_codes)
    }

    /// Refuses a request for a DN that does not exist, or that cannot have an agent.
    fn may_be_asked(&self, request: &Request) -> Result<(), (ErrorCode, &'static str)> {
        match (&request.kind, self.address(&request.this_dn)) {
            (_, None) => Err((ErrorCode::DN_NOT_CONFIGURED, "ThisDN: the tenant has no such DN")),
            (RequestKind::AgentLogin(..), Some(address)) if !address.is_phone() => {
                Err((ErrorCode::INVALID_ATTRIBUTE, "ThisDN: agents log in at phones alone"))
            }
            _ => Ok(()),
        }
    }

    /// The agent that a request concerns: the one that a login names, else the one whose default place has the DN.
    pub fn concerned(&self, request: &Request) -> Option<Profile> {
        match &request.kind {
            RequestKind::AgentLogin(Some(agent), ..) => self.profile(agent),
            // Concerns the agent who is there, whoever belongs there.
            RequestKind::ForceAgentState(..) => None,
            _ => self.profile(self.index.agent_at(&request.this_dn)?),
        }
    }
}

#[cfg(test)]
mod tests;
