//! The ways that carriers want for calls by their trunks (RFC 3608): learned with each registration, told to operators, and stored for those who
//! lead calls.

use std::time::Duration;

use model::{TenantId, Timestamp};
use sip::own_registration::EdgeAddresses;
use sip::service_route::{self, Unfollowed};
use tracing::{info, warn};

use super::Carriers;
use crate::service_routes::ServiceRoute;

/// How long a way that was not stored waits to be stored again.
pub(super) const STORED_AGAIN: Duration = Duration::from_secs(5);

/// The way that a carrier wants for calls by a trunk, to be stored.
pub(in crate::registrar) struct RouteToStore {
    /// The registration.
    pub number: u64,
    /// The trunk's tenant.
    pub tenant: TenantId,
    /// The trunk.
    pub trunk: String,
    /// The way.
    pub way: ServiceRoute,
}

/// A trunk whose registration has begun here: under which Contact it was registered last is to be read.
pub(in crate::registrar) struct LeftToRead {
    /// The registration.
    pub number: u64,
    /// The trunk's tenant.
    pub tenant: TenantId,
    /// The trunk.
    pub trunk: String,
    /// The `contact` that it registers with.
    pub contact: String,
}

/// The way of one trunk.
pub(super) struct HeldWay {
    /// What was learned last: the values of `Route`, or why they are not followed.
    learned: Result<Vec<String>, Unfollowed>,
    /// The way that was stored last, under which name.
    stored: Option<(String, ServiceRoute)>,
    /// Whether it is being stored, or what was stored before is being read.
    is_storing: bool,
    /// A way that could not be stored waits until then.
    store_after: Timestamp,
}

impl Default for HeldWay {
    fn default() -> Self {
        Self { learned: Ok(Vec::new()), stored: None, is_storing: false, store_after: Timestamp::ZERO }
    }
}

impl HeldWay {
    /// The routes by which calls go; none: to the trunk's `contact`.
    pub(super) fn followed(&self) -> &[String] {
        self.learned.as_deref().unwrap_or_default()
    }

    /// Why the way that the carrier wants is not followed.
    pub(super) fn fault(&self) -> Option<Unfollowed> {
        self.learned.as_ref().err().copied()
    }

    /// Whether it may be stored now. One write at a time: an earlier one must not end behind a later one.
    fn may_be_stored(&self, now: Timestamp) -> bool {
        !self.is_storing && self.store_after <= now
    }
}

impl Carriers {
    /// A registrar has answered: it may want another way than before.
    pub(super) fn learn_way(&mut self, number: u64, now: Timestamp) {
        let Some(held) = self.held.get_mut(&number) else { return };
        let Some((routes, _)) = held.registration.service_route(now) else { return };
        let leads_to =
            |edge: &EdgeAddresses, route: &str| edge.addresses().any(|at| service_route::leads_to(route, at));
        let is_ours = |route: &String| self.up.values().any(|(edge, _)| leads_to(edge, route));
        let account = held.registration.account();
        // With a domain of its own the contact is the carrier's outbound proxy: its routes come behind that (RFC 3608 section 6.1).
        let first = account.domain.as_ref().map(|_| format!("<sip:{};lr>", account.registrar));
        let learned = match routes {
            Ok([]) => Ok(Vec::new()),
            Ok(routes) if routes.iter().any(is_ours) => Err(Unfollowed::ToUs),
            Ok(routes) => Ok(first.into_iter().chain(routes.iter().cloned()).collect()),
            Err(why) => Err(why),
        };
        if learned != held.way.learned {
            log(&held.tenant, &held.trunk, &learned);
            held.way.learned = learned;
        }
        self.ways_due.insert(number);
    }

    /// The next way to store: that of a new registration, and each that has changed since, as its end does with each refresh.
    pub fn poll_route(&mut self, now: Timestamp) -> Option<RouteToStore> {
        loop {
            let may_be_stored = |number: &&u64| self.held.get(number).is_none_or(|held| held.way.may_be_stored(now));
            let number = *self.ways_due.iter().find(may_be_stored)?;
            self.ways_due.remove(&number);
            if let Some(route) = self.route_to_store(number, now) {
                return Some(route);
            }
        }
    }

    fn route_to_store(&mut self, number: u64, now: Timestamp) -> Option<RouteToStore> {
        let held = self.held.get_mut(&number).filter(|held| held.is_wanted)?;
        let (_, until) = held.registration.service_route(now)?;
        let routes = held.way.followed().to_vec();
        // Nobody needs to know until when there is none.
        let until = if routes.is_empty() { Timestamp::ZERO } else { until };
        let contact = held.registration.account().registrar.clone();
        let registered_as = held.registration.kept_contact().unwrap_or_default().to_owned();
        let way = ServiceRoute { contact, routes, until, registered_as };
        let next = (held.trunk.clone(), way);
        if held.way.stored.as_ref() == Some(&next) {
            return None;
        }
        held.way.is_storing = true;
        held.way.stored = Some(next.clone());
        let (trunk, way) = next;
        Some(RouteToStore { number, tenant: held.tenant.clone(), trunk, way })
    }

    /// The next registration of which is to be read under which Contact it was registered last, here or by another replica: a carrier may have
    /// that at the edge of a proxy that is gone for good.
    pub fn poll_left(&mut self) -> Option<LeftToRead> {
        while let Some(number) = self.lefts_due.pop_first() {
            let Some(held) = self.held.get_mut(&number) else { continue };
            held.way.is_storing = true;
            let contact = held.registration.account().registrar.clone();
            return Some(LeftToRead { number, tenant: held.tenant.clone(), trunk: held.trunk.clone(), contact });
        }
        None
    }

    /// That was read; none if there is none, or nobody knows.
    pub fn left_read(&mut self, number: u64, contact: Option<String>, now: Timestamp) {
        let Some(held) = self.held.get_mut(&number) else { return };
        held.way.is_storing = false;
        if let Some(contact) = contact.filter(|_| held.is_wanted) {
            held.registration.handle_left(contact, now);
        }
    }

    /// A way was stored, or could not be.
    pub fn route_stored(&mut self, number: u64, is_stored: bool, now: Timestamp) {
        let Some(held) = self.held.get_mut(&number) else { return };
        held.way.is_storing = false;
        if !is_stored {
            (held.way.stored, held.way.store_after) = (None, now + STORED_AGAIN);
            self.ways_due.insert(number);
        }
    }
}

fn log(tenant: &TenantId, trunk: &str, learned: &Result<Vec<String>, Unfollowed>) {
    match learned {
        Ok(routes) if routes.is_empty() => {
            info!(%tenant, trunk, "the carrier wants no way for calls any more: they go to `contact`")
        }
        Ok(routes) => {
            info!(%tenant, trunk, way = routes.join(", "), "calls go by the way that the carrier wants (Service-Route)")
        }
        Err(why) => {
            let why = why.in_words();
            warn!(%tenant, trunk, why, "the way that the carrier wants for calls (Service-Route) is not followed: they go to `contact`");
        }
    }
}
