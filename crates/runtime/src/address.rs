//! The address of each replica of a role: 127.N.role.replica for instance N.

use std::net::{IpAddr, Ipv4Addr};

use crate::spec::RoleSpec;

/// Numbers of roles of the drawing that this program does not have yet. Their addresses are kept free. A role that is added takes
/// its row from here into its declaration.
pub const RESERVED: &[(&str, u8)] = &[("voicemail", 12), ("designer", 15)];

/// The third octet of an instance's edge addresses.
pub const EDGE: u8 = 0;

/// The third octet of an instance's infrastructure (Redis, PostgreSQL, Kafka).
pub const INFRASTRUCTURE: u8 = 255;

/// Maximum number of replicas of one role in an instance: the range of one octet, without 0 and 255.
pub const REPLICAS_MAX: u8 = 254;

/// The name and number of each role of the table and each [`RESERVED`] one, by number.
pub fn numbers(table: &[&'static RoleSpec]) -> Vec<(&'static str, u8)> {
    let mut numbers: Vec<_> = table.iter().map(|spec| (spec.name, spec.number)).collect();
    let is_missing = |(name, _): &&(&str, u8)| table.iter().all(|spec| spec.name != *name);
    numbers.extend(RESERVED.iter().filter(is_missing));
    numbers.sort_by_key(|(_, number)| *number);
    numbers
}

/// The cluster address of a replica.
pub const fn of_replica(instance: u8, number: u8, replica: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, instance, number, replica))
}

/// The default edge address of a replica.
pub const fn of_edge(instance: u8, replica: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, instance, EDGE, replica))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_and_reserved_names_are_listed_once_by_number() {
        static AUTH: RoleSpec = RoleSpec::bare("auth", 41);
        static RQ: RoleSpec = RoleSpec::bare("rq", 10);
        let all = numbers(&[&AUTH, &RQ]);
        assert_eq!(all, [("rq", 10), ("voicemail", 12), ("designer", 15), ("auth", 41)]);
    }

    #[test]
    fn the_edge_of_instance_0_is_localhost() {
        assert_eq!(of_edge(0, 1), IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!(of_replica(3, 11, 2).to_string(), "127.3.11.2");
    }
}
