//! The address of each replica of a role: 127.N.role.replica for instance N.

use std::net::{IpAddr, Ipv4Addr};

/// The third octet of each role's loopback addresses. One table, so that every process knows every role.
pub const ROLE_NUMBERS: &[(&str, u8)] = &[
    ("sip-proxy", 1),
    ("sip-cluster", 2),
    ("sip-vq", 3),
    ("registrar", 4),
    ("dialplan", 5),
    ("config", 6),
    ("frontend", 7),
    ("agent-state", 8),
    ("call-state", 9),
    ("rq", 10),
    ("ors", 11),
    ("voicemail", 12),
    ("media", 13),
    ("webrtc", 14),
    ("designer", 15),
    ("tenant", 16),
    ("pulse", 30),
    ("ingress", 40),
    ("auth", 41),
];

/// The third octet of an instance's edge addresses.
pub const EDGE: u8 = 0;

/// The third octet of an instance's infrastructure (Redis, PostgreSQL, Kafka).
pub const INFRASTRUCTURE: u8 = 255;

/// Maximum number of replicas of one role in an instance: the range of one octet, without 0 and 255.
pub const REPLICAS_MAX: u8 = 254;

/// The number of the role, if the role exists.
pub fn role_number(role: &str) -> Option<u8> {
    ROLE_NUMBERS.iter().find(|(name, _)| *name == role).map(|(_, number)| *number)
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
    fn numbers_are_unique_and_leave_the_edge_and_infrastructure_free() {
        for (i, (name, number)) in ROLE_NUMBERS.iter().enumerate() {
            assert!(![EDGE, INFRASTRUCTURE].contains(number), "{name}");
            assert!(ROLE_NUMBERS[i + 1..].iter().all(|(n, x)| n != name && x != number), "{name} {number}");
        }
    }

    #[test]
    fn the_edge_of_instance_0_is_localhost() {
        assert_eq!(of_edge(0, 1), IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!(of_replica(3, 11, 2).to_string(), "127.3.11.2");
    }
}
