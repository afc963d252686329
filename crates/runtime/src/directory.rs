//! Maps a role's name to the addresses of its replicas, and an address to the role that has it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::watch;

use crate::address;
use crate::spec::RoleSpec;

/// The addresses of the replicas of every role.
///
/// Which addresses there can be follows from the instance and the replica counts of the settings, and so does whose each is. A source may say
/// which of them are there; it can name no other, so that nobody is asked, or believed, because of what it says.
#[derive(Clone)]
pub struct Directory {
    /// By name.
    roles: Arc<[RoleAddresses]>,
    /// The index in `roles` of the role that has an address by the settings: each request asks for it.
    by_address: Arc<HashMap<IpAddr, usize>>,
}

struct RoleAddresses {
    role: String,
    /// Those that the settings give.
    of_settings: Vec<IpAddr>,
    /// Those of them that are there.
    present: watch::Sender<Vec<IpAddr>>,
}

/// Which of the roles has an address.
fn indexed(roles: &[RoleAddresses]) -> HashMap<IpAddr, usize> {
    let with_index = roles.iter().enumerate();
    with_index.flat_map(|(index, role)| role.of_settings.iter().map(move |address| (*address, index))).collect()
}

impl Directory {
    /// The directory of an instance: `replicas(role)` replicas of each role, numbered from 1, all of them there.
    pub fn of_instance(instance: u8, table: &[&'static RoleSpec], replicas: impl Fn(&str) -> u8) -> Self {
        let roles = address::numbers(table).into_iter().map(|(name, number)| {
            let all: Vec<IpAddr> = (1..=replicas(name)).map(|k| address::of_replica(instance, number, k)).collect();
            RoleAddresses { role: name.to_owned(), of_settings: all.clone(), present: watch::Sender::new(all) }
        });
        let mut roles: Vec<RoleAddresses> = roles.collect();
        roles.sort_by(|one, other| one.role.cmp(&other.role));
        Self { by_address: Arc::new(indexed(&roles)), roles: roles.into() }
    }

    /// The present addresses of the replicas of `role`, with `port`; empty for an unknown role.
    pub fn addresses(&self, role: &str, port: u16) -> Vec<SocketAddr> {
        let Some(known) = self.of_role(role) else { return Vec::new() };
        known.present.borrow().iter().map(|ip| SocketAddr::new(*ip, port)).collect()
    }

    /// Every address that a replica of `role` can have by the settings, with `port`, whether it is there or not; empty for an unknown role.
    pub fn of_settings(&self, role: &str, port: u16) -> Vec<SocketAddr> {
        let Some(known) = self.of_role(role) else { return Vec::new() };
        known.of_settings.iter().map(|ip| SocketAddr::new(*ip, port)).collect()
    }

    /// Follows the addresses of `role`: the receiver has the present ones and is notified of changes.
    pub fn watch(&self, role: &str) -> watch::Receiver<Vec<IpAddr>> {
        match self.of_role(role) {
            Some(known) => known.present.subscribe(),
            None => watch::Sender::new(Vec::new()).subscribe(),
        }
    }

    /// Replaces the present addresses of `role`. What is none of its addresses by the settings is left out.
    pub fn replace(&self, role: &str, mut addresses: Vec<IpAddr>) {
        let Some(known) = self.of_role(role) else { return };
        addresses.retain(|address| known.of_settings.contains(address));
        known.present.send_if_modified(|now| {
            let differs = *now != addresses;
            *now = addresses;
            differs
        });
    }

    /// The role whose replica has that address by the settings, whether it is there or not.
    pub fn role_at(&self, address: IpAddr) -> Option<&str> {
        let index = *self.by_address.get(&address)?;
        self.roles.get(index).map(|role| role.role.as_str())
    }

    fn of_role(&self, role: &str) -> Option<&RoleAddresses> {
        let index = self.roles.binary_search_by(|other| other.role.as_str().cmp(role)).ok()?;
        self.roles.get(index)
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
    fn who_has_an_address_follows_from_the_settings_whoever_is_said_to_be_there() {
        let directory = Directory::of_instance(0, &[&PROXY, &CONFIG], |_| 2);
        let [first, second] = ["127.0.6.1", "127.0.6.2"].map(|address| address.parse::<IpAddr>().unwrap());
        let stranger = "192.0.2.1".parse().unwrap();
        directory.replace("config", vec![second]);
        assert_eq!(directory.addresses("config", 80), [SocketAddr::new(second, 80)]);
        assert_eq!((directory.role_at(first), directory.node_at(first)), (Some("config"), "config-1".to_owned()));
        assert_eq!(directory.of_settings("config", 80), [first, second].map(|ip| SocketAddr::new(ip, 80)));

        directory.replace("sip-proxy", vec![stranger, first, second]);
        assert_eq!((directory.role_at(second), directory.role_at(stranger)), (Some("config"), None));
        assert!(directory.addresses("sip-proxy", 80).is_empty(), "none of them is one of its own");
        directory.replace("nobody", vec![first]);
        assert!(directory.of_settings("nobody", 80).is_empty());
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
