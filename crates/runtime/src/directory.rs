//! Maps a role's name to the addresses of its replicas, and an address to the role that has it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use crate::address;
use crate::spec::RoleSpec;

/// The addresses of the replicas of every role.
///
/// Static for one machine: the addresses follow from the instance and the replica counts of the settings.
#[derive(Clone)]
pub struct Directory {
    /// By name.
    roles: Arc<[RoleAddresses]>,
    /// The index in `roles` of the role that has an address: each request asks for it.
    by_address: Arc<RwLock<HashMap<IpAddr, usize>>>,
}

struct RoleAddresses {
    role: String,
    all: watch::Sender<Vec<IpAddr>>,
}

/// Which of the roles has an address; of several, the first.
fn indexed(roles: &[RoleAddresses]) -> HashMap<IpAddr, usize> {
    let mut by_address = HashMap::new();
    for (index, role) in roles.iter().enumerate() {
        for address in role.all.borrow().iter() {
            by_address.entry(*address).or_insert(index);
        }
    }
    by_address
}

impl Directory {
    /// The static directory of an instance: `replicas(role)` replicas of each role, numbered from 1.
    pub fn of_instance(instance: u8, table: &[&'static RoleSpec], replicas: impl Fn(&str) -> u8) -> Self {
        let roles = address::numbers(table).into_iter().map(|(name, number)| {
            let all = (1..=replicas(name)).map(|k| address::of_replica(instance, number, k)).collect();
            RoleAddresses { role: name.to_owned(), all: watch::Sender::new(all) }
        });
        let mut roles: Vec<RoleAddresses> = roles.collect();
        roles.sort_by(|one, other| one.role.cmp(&other.role));
        Self { by_address: Arc::new(RwLock::new(indexed(&roles))), roles: roles.into() }
    }

    /// The present addresses of the replicas of `role`, with `port`; empty for an unknown role.
    pub fn addresses(&self, role: &str, port: u16) -> Vec<SocketAddr> {
        let Some(all) = self.all_of(role) else { return Vec::new() };
        all.borrow().iter().map(|ip| SocketAddr::new(*ip, port)).collect()
    }

    /// Follows the addresses of `role`: the receiver has the present ones and is notified of changes.
    pub fn watch(&self, role: &str) -> watch::Receiver<Vec<IpAddr>> {
        match self.all_of(role) {
            Some(all) => all.subscribe(),
            None => watch::Sender::new(Vec::new()).subscribe(),
        }
    }

    /// Replaces the addresses of `role`.
    pub fn replace(&self, role: &str, addresses: Vec<IpAddr>) {
        let Some(all) = self.all_of(role) else { return };
        // Held while both change, so that of two calls the same one is the later in both.
        let mut by_address = self.by_address.write().unwrap_or_else(PoisonError::into_inner);
        all.send_if_modified(|now| {
            let differs = *now != addresses;
            *now = addresses;
            differs
        });
        *by_address = indexed(&self.roles);
    }

    /// The role whose replica has that address.
    pub fn role_at(&self, address: IpAddr) -> Option<&str> {
        let index = *self.by_address.read().unwrap_or_else(PoisonError::into_inner).get(&address)?;
        self.roles.get(index).map(|role| role.role.as_str())
    }

    fn all_of(&self, role: &str) -> Option<&watch::Sender<Vec<IpAddr>>> {
        let index = self.roles.binary_search_by(|other| other.role.as_str().cmp(role)).ok()?;
        self.roles.get(index).map(|role| &role.all)
    }

    /// The name of the node at that address, as `config-1`; the address itself if no node has it.
    pub fn node_at(&self, address: IpAddr) -> String {
        match (self.role_at(address), address) {
            (Some(role), IpAddr::V4(v4)) => format!("{role}-{}", v4.octets()[3]),
            _ => address.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static PROXY: RoleSpec = RoleSpec::bare("sip-proxy", 1);
    static CONFIG: RoleSpec = RoleSpec::bare("config", 6);

    #[test]
    fn addresses_follow_from_instance_role_and_replica() {
        let directory = Directory::of_instance(2, &[&PROXY, &CONFIG], |role| if role == "sip-proxy" { 2 } else { 1 });
        let all = directory.addresses("sip-proxy", 5080);
        assert_eq!(all, ["127.2.1.1:5080".parse().unwrap(), "127.2.1.2:5080".parse().unwrap()]);
        assert!(directory.addresses("nobody", 1).is_empty());
        assert_eq!(directory.role_at("127.2.6.1".parse().unwrap()), Some("config"));
        assert_eq!(directory.node_at("127.2.6.1".parse().unwrap()), "config-1");
        assert_eq!(directory.node_at("192.0.2.1".parse().unwrap()), "192.0.2.1");
    }

    #[test]
    fn an_address_is_of_the_role_that_has_it_now() {
        let directory = Directory::of_instance(0, &[&PROXY, &CONFIG], |_| 1);
        let [first, second] = ["127.0.6.1", "127.0.6.2"].map(|address| address.parse::<IpAddr>().unwrap());
        directory.replace("config", vec![second]);
        assert_eq!((directory.role_at(first), directory.role_at(second)), (None, Some("config")));
        assert_eq!(directory.node_at(second), "config-2");
        directory.replace("sip-proxy", vec![second]);
        assert_eq!(directory.role_at(second), Some("config"), "of two, the first by name");
        directory.replace("config", vec![first]);
        assert_eq!((directory.role_at(first), directory.role_at(second)), (Some("config"), Some("sip-proxy")));
        directory.replace("nobody", vec![first]);
        assert_eq!(directory.role_at(first), Some("config"));
    }

    #[tokio::test]
    async fn watchers_hear_of_changes_only() {
        let directory = Directory::of_instance(0, &[&CONFIG], |_| 1);
        let mut watch = directory.watch("config");
        directory.replace("config", vec!["127.0.6.1".parse().unwrap()]);
        assert!(!watch.has_changed().unwrap());
        directory.replace("config", vec![]);
        watch.changed().await.unwrap();
        assert!(watch.borrow().is_empty());
    }
}
