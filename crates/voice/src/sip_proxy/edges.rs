//! The addresses at which peers reach the edge, by transport.

use runtime::listener::{Bound, HostPort};
use sip::Transport;

/// The addresses of other transports than UDP. TCP has the one of UDP as long as it listens beside it and advertises nothing else: where a NAT is
/// in front, many set `sip_udp_advertise` alone.
pub(super) fn of_others(udp: &Bound, tcp: &Bound, others: [(Transport, &Bound); 3]) -> Vec<(Transport, String)> {
    let is_own = tcp.advertise != HostPort::from(tcp.listen) || tcp.listen != udp.listen;
    let tcp = is_own.then_some((Transport::Tcp, tcp));
    tcp.into_iter().chain(others).map(|(transport, at)| (transport, at.advertise.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(listen: &str, advertise: &str) -> Bound {
        let listen: std::net::SocketAddr = listen.parse().unwrap();
        let advertise =
            if advertise.is_empty() { listen.into() } else { HostPort::parse(advertise, listen.port()).unwrap() };
        Bound { listen, advertise }
    }

    #[test]
    fn tcp_has_an_address_of_its_own_where_it_differs() {
        let udp = bound("192.0.2.1:5060", "198.51.100.7");
        let other = bound("192.0.2.1:5061", "198.51.100.8");
        let others = [Transport::Tls, Transport::Ws, Transport::Wss].map(|transport| (transport, &other));
        for (listen, advertise, told) in [
            ("192.0.2.1:5060", "", None),
            ("192.0.2.1:5060", "tcp.example", Some("tcp.example:5060")),
            ("192.0.2.1:5060", "198.51.100.7:5070", Some("198.51.100.7:5070")),
            ("192.0.2.1:5062", "", Some("192.0.2.1:5062")),
        ] {
            let edges = of_others(&udp, &bound(listen, advertise), others);
            let of = |wanted: Transport| edges.iter().find(|(of, _)| *of == wanted).map(|(_, edge)| edge.as_str());
            assert_eq!(of(Transport::Tcp), told, "{listen} {advertise}");
            assert_eq!(of(Transport::Tls), Some("198.51.100.8:5061"));
        }
    }
}
