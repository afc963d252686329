use std::io::Write as _;

use super::*;

fn bounds(listen: &[&str]) -> EdgeBounds {
    let bound = |text: &&str| {
        let listen: SocketAddr = text.parse().unwrap();
        Bound { listen, advertise: listen.into() }
    };
    let mut all = listen.iter().map(bound);
    EdgeBounds { first: all.next().unwrap(), second: all.next() }
}

fn addresses(udp: &[&str], tcp: &[&str], tls: &[&str]) -> ListenAddresses {
    let web = ["127.0.0.1:5066"];
    ListenAddresses {
        udp: bounds(udp),
        tcp: bounds(tcp),
        tls: bounds(tls),
        ws: bounds(&web),
        wss: bounds(&web),
        nodes: "127.0.1.1:5080".parse().unwrap(),
        ingress: "127.0.1.1:5067".parse().unwrap(),
    }
}

/// Transport, family and address of each edge but those for WebSocket.
fn told(addresses: &ListenAddresses) -> Vec<(Transport, AddressFamily, String)> {
    let edges = addresses.other_edges().into_iter().filter(|edge| !edge.transport.is_web_socket());
    edges.map(|edge| (edge.transport, edge.family, edge.address)).collect()
}

#[test]
fn peers_are_told_an_address_of_their_family() {
    use AddressFamily::{V4, V6};
    let (four, six) = ("192.0.2.1:5060", "[2001:db8::1]:5060");
    let secure = ["192.0.2.1:5061", "[2001:db8::1]:5061"];
    let of_tls = [(Transport::Tls, V4, secure[0].to_owned()), (Transport::Tls, V6, secure[1].to_owned())];
    let both = addresses(&[four, six], &[four, six], &secure);
    assert_eq!(told(&both), [&[(Transport::Udp, V6, six.to_owned())][..], &of_tls[..]].concat());
    let by_tcp_alone = addresses(&[four], &[four, six], &secure);
    assert_eq!(told(&by_tcp_alone), [&[(Transport::Tcp, V6, six.to_owned())][..], &of_tls[..]].concat());
    let single = addresses(&[four], &[four], &secure[..1]);
    assert_eq!(told(&single), of_tls[..1]);
    assert_eq!(single.source_for(six.parse().unwrap()), None, "no connection is opened to the other family");
    assert_eq!(both.source_for("[2001:db8::9]:5061".parse().unwrap()), Some("2001:db8::1".parse().unwrap()));
}

#[test]
fn tcp_has_an_address_of_its_own_where_it_differs() {
    const SIX: &str = "[2001:db8::1]:5060";
    let bound = |listen: &str, advertise: &str| {
        let listen: SocketAddr = listen.parse().unwrap();
        let advertise =
            if advertise.is_empty() { listen.into() } else { HostPort::parse(advertise, listen.port()).unwrap() };
        Bound { listen, advertise }
    };
    let of_tcp = |first: Bound, second: Option<Bound>| {
        let udp = EdgeBounds { first: bound("192.0.2.1:5060", "198.51.100.7"), second: Some(bound(SIX, "")) };
        let addresses = ListenAddresses { udp, tcp: EdgeBounds { first, second }, ..addresses(&[SIX], &[SIX], &[SIX]) };
        let edges = told(&addresses).into_iter().filter(|(transport, ..)| *transport == Transport::Tcp);
        edges.map(|(_, _, address)| address).collect::<Vec<_>>()
    };
    for (listen, advertise, told) in [
        ("192.0.2.1:5060", "", None),
        ("192.0.2.1:5060", "tcp.example", Some("tcp.example:5060")),
        ("192.0.2.1:5060", "198.51.100.7:5070", Some("198.51.100.7:5070")),
        ("192.0.2.1:5062", "", Some("192.0.2.1:5062")),
        (SIX, "", None),
        (SIX, "[2001:db8::9]:5070", Some("[2001:db8::9]:5070")),
    ] {
        assert_eq!(of_tcp(bound(listen, advertise), None), Vec::from_iter(told), "{listen} {advertise}");
    }
    let of_both = of_tcp(bound("192.0.2.1:5060", ""), Some(bound("[2001:db8::1]:5062", "")));
    assert_eq!(of_both, ["[2001:db8::1]:5062"], "each family by itself");
}

#[test]
fn each_listener_for_connections_has_a_number_of_its_own() {
    let four = "192.0.2.1:5060";
    let listeners = StreamListeners::of(&addresses(&[four], &[four, "[2001:db8::1]:5060"], &["192.0.2.1:5061"]));
    let kinds: Vec<_> = (0..8).map(|number| listeners.kind(Some(ListenerId(number)))).collect();
    use StreamListener::{Edge, Ingress, Nodes, WebEdge};
    let expected = [Nodes, Ingress, Edge, Edge, Edge, WebEdge, WebEdge].map(Some);
    assert_eq!(kinds, [&expected[..], &[None][..]].concat());
    assert_eq!(listeners.kind(None), None);
}

/// Whether the machine has IPv6 is asked first.
#[tokio::test]
async fn datagrams_of_both_families_are_received_and_answered_from_the_address_of_their_family() {
    if let Err(error) = std::net::UdpSocket::bind("[::1]:0") {
        // The kernel writes `::1` so (proc(5)).
        let addresses = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
        assert!(!addresses.contains("00000000000000000000000000000001"), "the machine has ::1: {error}");
        return std::io::stderr().write_all(b"skipped: the machine has no IPv6\n").unwrap();
    }
    let counters = Arc::new(Counters::default());
    let at = bounds(&["127.0.0.1:0", "[::1]:0"]);
    let mut udp = UdpListeners::bind(&at, &Limits::default(), &counters).unwrap();
    let (four, six) = (udp.local()[0], udp.local()[1]);
    for (own, listener) in [("127.0.0.1:0", four), ("[::1]:0", six)] {
        let phone = tokio::net::UdpSocket::bind(own).await.unwrap();
        phone.send_to(b"OPTIONS sip:x SIP/2.0\r\n", listener).await.unwrap();
        let datagram = loop {
            udp.readable().await.unwrap();
            // A socket counts as readable until it was found empty.
            if let Some(datagram) = udp.try_receive() {
                break datagram;
            }
        };
        let number = udp.number_for(datagram.remote);
        assert_eq!((datagram.remote, udp.local()[usize::from(number)]), (phone.local_addr().unwrap(), listener));
        udp.send(number, datagram.remote, b"SIP/2.0 200 OK\r\n");
        let mut answer = [0; 64];
        assert_eq!(phone.recv_from(&mut answer).await.unwrap().1, listener);
    }
}
