//! Maps a role's name to the addresses of its replicas.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::watch;

use crate::address;
use crate::spec::RoleSpec;

/// The addresses of the replicas of every role.
///
/// Static for one machine: the addresses follow from the instance and the replica counts of the settings.
#[derive(Clone)]
pub struct Directory {
    roles: Arc<BTreeMap<String, watch::Sender<Vec<IpAddr>>>>,
}

impl Directory {
    /// The static directory of an instance: `replicas(role)` replicas of each role, numbered from 1.
    pub fn of_instance(instance: u8, table: &[&'static RoleSpec], replicas: impl Fn(&str) -> u8) -> Self {
        let roles = address::numbers(table).into_iter().map(|(name, number)| {
            let all = (1..=replicas(name)).map(|k| address::of_replica(instance, number, k)).collect();
            (name.to_owned(), watch::Sender::new(all))
        });
        Self { roles: Arc::new(roles.collect()) }
    }

    /// The present addresses of the replicas of `role`, with `port`; empty for an unknown role.
    pub fn addresses(&self, role: &str, port: u16) -> Vec<SocketAddr> {
        let Some(role) = self.roles.get(role) else { return Vec::new() };
        role.borrow().iter().map(|ip| SocketAddr::new(*ip, port)).collect()
    }

    /// Follows the addresses of `role`: the receiver has the present ones and is notified of changes.
    pub fn watch(&self, role: &str) -> watch::Receiver<Vec<IpAddr>> {
        match self.roles.get(role) {
            Some(role) => role.subscribe(),
            None => watch::Sender::new(Vec::new()).subscribe(),
        }
    }

    /// Replaces the addresses of `role`.
    pub fn replace(&self, role: &str, addresses: Vec<IpAddr>) {
        if let Some(role) = self.roles.get(role) {
            role.send_if_modified(|now| {
                let differs = *now != addresses;
                *now = addresses;
                differs
            });
        }
    }

    /// The role whose replica has that address.
    pub fn role_at(&self, address: IpAddr) -> Option<&str> {
        self.roles.iter().find(|(_, all)| all.borrow().contains(&address)).map(|(name, _)| name.as_str())
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
