//! The accounts under which nodes have registered us with carriers, as those have answered. Anybody may write the user of another tenant's trunk
//! into a tenant's file: of trunks that name the same account the one gets its calls whose password the carrier has taken.

use std::collections::HashMap;
use std::net::IpAddr;

use model::{TenantId, Timestamp};

use super::registered::{AcceptedRegister, is_among};
use crate::message::Message;
use crate::next_hop::UriHop;
use crate::proxy::{Trunk, headers};
use crate::uri::{Scheme, Uri, escape};

/// Accounts that are remembered: those of a thousand tenants with trunks for each of their customers. Further ones count as not registered.
const ACCOUNTS_MAX: usize = 65_536;

/// The accounts that are registered.
#[derive(Debug, Default)]
pub(in crate::proxy) struct RegisteredAccounts {
    known: HashMap<AccountKey, AcceptedAccount>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct AccountKey {
    tenant: TenantId,
    /// The host of the carrier's `contact`, in lower case.
    registrar: Box<str>,
    user: Box<str>,
}

#[derive(Debug)]
struct AcceptedAccount {
    /// The URI of its Contact, as the registrar has it.
    contact: Box<str>,
    until: Timestamp,
    /// The address that has accepted it.
    by: IpAddr,
}

/// What is known of a trunk's registration, the least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::proxy) enum AccountStanding {
    /// It is not registered through this proxy.
    Unknown,
    /// Another address than the caller's has accepted it.
    Elsewhere,
    /// The address has accepted it that calls now.
    Here,
}

impl RegisteredAccounts {
    /// Notes the end of a node's REGISTER that an address has accepted. Where it has removed former Contacts alone, the account stays
    /// registered.
    pub(super) fn note(&mut self, register: &Message, by: IpAddr, accepted: &AcceptedRegister, now: Timestamp) {
        let Some(key) = account_of(register) else { return };
        let (contact, lasts) = match accepted {
            AcceptedRegister::Keeps { contact, lasts } => (contact.clone(), *lasts),
            AcceptedRegister::Removes(removed) => {
                if self.known.get(&key).is_some_and(|known| is_among(&known.contact, removed)) {
                    self.known.remove(&key);
                }
                return;
            }
        };
        if self.known.len() >= ACCOUNTS_MAX && !self.known.contains_key(&key) {
            self.known.retain(|_, registered| registered.until > now);
        }
        if self.known.len() < ACCOUNTS_MAX || self.known.contains_key(&key) {
            self.known.insert(key, AcceptedAccount { contact, until: now + lasts, by: by.to_canonical() });
        }
    }

    /// How a trunk is registered, seen from a caller.
    pub(super) fn standing(&self, trunk: &Trunk, caller: IpAddr, now: Timestamp) -> AccountStanding {
        let (Some(registrar), Some(user)) = (trunk.registrar.clone(), trunk.user.as_deref()) else {
            return AccountStanding::Unknown;
        };
        let key = AccountKey { tenant: trunk.tenant.clone(), registrar, user: user.into() };
        match self.known.get(&key).filter(|registered| registered.until > now) {
            Some(registered) if registered.by == caller.to_canonical() => AccountStanding::Here,
            Some(_) => AccountStanding::Elsewhere,
            None => AccountStanding::Unknown,
        }
    }
}

/// The account of a node's REGISTER. It goes to the first Route, else to the Request-URI.
fn account_of(register: &Message) -> Option<AccountKey> {
    let tenant = TenantId::parse(register.header(&headers::TENANT)?).ok()?;
    let route = register.routes().next().and_then(Result::ok).and_then(|route| route.uri().ok());
    let place = route.or_else(|| register.request_uri().and_then(|uri| Uri::parse(uri).ok()))?;
    let registrar = UriHop::of(&place)?.host.to_ascii_lowercase().into();
    let user = user_of(register.to().ok()?.raw_uri())?.into();
    Some(AccountKey { tenant, registrar, user })
}

/// The number or name of a SIP or tel URI, without the parameters of a number.
pub(super) fn user_of(uri: &str) -> Option<String> {
    let uri = Uri::parse(uri).ok()?;
    let text = if uri.scheme() == Scheme::Tel { uri.opaque() } else { uri.user()? };
    Some(escape::unescape(text.split(';').next()?).into_owned())
}
