//! The account at a registrar.

use crate::agent::AgentCredentials;
use crate::flow::Transport;
use crate::instance::Instance;
use crate::uri::escape::escape_user;

/// Where to register, and as whom.
#[derive(Clone, Debug)]
pub struct Account {
    /// The registrar: `host:port`, with URI parameters as `;transport=tcp` behind it.
    pub registrar: String,
    /// The domain of the account, where that is not the registrar's host.
    pub domain: Option<String>,
    /// The user of the account.
    pub user: String,
    /// The user name and the password that answer challenges.
    pub credentials: AgentCredentials,
    /// By what the registrar knows us again over restarts, where it is to reach us by our connection (RFC 5626 §4.1).
    pub instance: Instance,
}

impl Account {
    /// The Contact by which we are reached at a place, `host:port` with parameters.
    pub(super) fn contact_at(&self, place: &str) -> String {
        format!("sip:{}@{place}", escape_user(&self.user))
    }

    /// The transport by which a REGISTER goes as far as the registrar's address tells. Its name may lead to another one.
    pub(super) fn transport(&self) -> Transport {
        match transport_of(&self.registrar) {
            Some(name) if name.eq_ignore_ascii_case("tcp") => Transport::Tcp,
            Some(name) if name.eq_ignore_ascii_case("tls") => Transport::Tls,
            _ => Transport::Udp,
        }
    }
}

/// The host of `host:port;parameters`.
pub(super) fn host_of(registrar: &str) -> &str {
    let address = registrar.split(';').next().unwrap_or_default();
    match address.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => address,
    }
}

/// The transport that it names.
fn transport_of(registrar: &str) -> Option<&str> {
    registrar.split(';').skip(1).find_map(|parameter| {
        let (name, transport) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case("transport").then_some(transport)
    })
}
