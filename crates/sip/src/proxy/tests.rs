//! Behaviour of the proxy core: scripted messages and virtual time.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::entropy::Seeded;
use model::{AddressFamily, ConnId, Dn, LegId, Owner, TenantId, Timestamp};

use super::*;
use crate::flow::{Transmit, Transport};
use crate::header::HeaderName;
use crate::local_tag::LocalTag;
use crate::method::Method;
use crate::status::StatusCode;

mod calls;
mod dual_stack;
mod edge;
mod failover;
mod floods;
mod flows;
mod gateways;
mod hops;
mod limits;
mod moved;
mod nodes;
mod overloaded;
mod passwords;
mod phones;
mod room;
mod routes;
mod secure;
mod sips;
mod topology;
mod trunk;
mod waiting;
mod web_sockets;

const EDGE: &str = "127.0.0.1:5060";
const SECURE_EDGE: &str = "127.0.0.1:5061";
const SECURE_WEB_EDGE: &str = "127.0.0.1:7443";
const CLUSTER: &str = "127.0.1.1:5080";
const TRUNK: &str = "192.0.2.10:5060";
const PHONE: &str = "203.0.113.5:40001";
const TOKEN: &str = "a-token";

struct Authority;

impl NodeAuthority for Authority {
    fn accepts(&self, token: &str, _: &Announcement, _: Timestamp) -> bool {
        token == TOKEN
    }
}

/// A proxy, with everything that it sends and requests recorded.
struct Lab {
    proxy: Proxy,
    now: Timestamp,
    sent: Vec<(Flow, Message)>,
    /// The flows that were pinged.
    pinged: Vec<Flow>,
    outputs: Vec<Output>,
    phones: HashMap<&'static str, &'static str>,
    lookups: Lookups,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lookups {
    Answered,
    Unavailable,
    Held,
}

fn seal() -> Seal {
    Seal::new(&[9; 32])
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// An address of ours beside the first one, of the family that it has.
fn other_edge(transport: Transport, address: &str) -> OtherEdge {
    OtherEdge { transport, family: AddressFamily::of(addr(address).ip()), address: address.to_owned() }
}

/// Datagrams by the listener of their family: the first one is of IPv4.
fn udp(remote: &str) -> Flow {
    let remote = addr(remote);
    Flow::Udp { listener: u16::from(remote.is_ipv6()), remote }
}

const fn tcp(number: u64) -> Flow {
    Flow::Stream { connection: ConnectionId(number) }
}

fn owner(text: &str) -> Owner {
    text.parse().unwrap()
}

/// The local tag of leg 1 of a call.
fn tag(call: u64, owned_by: &str) -> String {
    LocalTag { call: ConnId(call), leg: LegId(1), tenant: TenantId::parse("acme").unwrap(), owner: owner(owned_by) }
        .encode(&seal())
}

impl Lab {
    fn new() -> Self {
        Self::with(|_| {})
    }

    /// A proxy of the same installation that knows nothing of what the first one has done.
    fn restarted() -> Self {
        let mut lab = Self::new();
        lab.proxy.entropy = Box::new(Seeded::new(2));
        lab
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            edge: EDGE.into(),
            udp_listeners: vec![addr(EDGE)],
            other_edges: vec![other_edge(Transport::Tls, SECURE_EDGE), other_edge(Transport::Wss, SECURE_WEB_EDGE)],
            aliases: vec!["edge.example:5060".into()],
            cluster: CLUSTER.into(),
            static_route: None,
            algorithms: vec![crate::digest::Algorithm::Md5],
            limits: Limits::default(),
        };
        change(&mut settings);
        let mut proxy = Proxy::new(settings, seal(), Box::new(Authority), Box::new(Seeded::new(1)));
        proxy.set_trunks(
            vec![Trunk {
                tenant: TenantId::parse("acme").unwrap(),
                name: "carrier".into(),
                allow: vec![Network::parse("192.0.2.0/24").unwrap()],
                certificate_names: Vec::new(),
                registrar: None,
                inbound: InboundPassword::NotAsked,
                asked: None,
                user: None,
            }],
            Timestamp::from_millis(1_000_000),
        );
        proxy.set_emergency_numbers(["110", "112"].map(Into::into).into());
        Self {
            proxy,
            now: Timestamp::from_millis(1_000_000),
            sent: Vec::new(),
            pinged: Vec::new(),
            outputs: Vec::new(),
            phones: HashMap::from([("7101", "secret-7101"), ("7102", "secret-7102")]),
            lookups: Lookups::Answered,
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.proxy.poll_output() {
            match output {
                Output::Transmit(Transmit { flow, bytes }) if *bytes == *crate::framer::PING => {
                    self.pinged.push(flow);
                }
                Output::Transmit(Transmit { flow, bytes }) => {
                    let message = Message::parse(bytes.clone()).unwrap_or_else(|e| panic!("{e}: {bytes:?}"));
                    assert_eq!(message.fault(), None, "{bytes:?}");
                    self.was_opened(flow);
                    self.sent.push((flow, message));
                }
                Output::NeedCredentials { lookup, ref user, .. } if self.lookups != Lookups::Held => {
                    let credentials = self.credentials(user);
                    self.proxy.handle_credentials(lookup, credentials, self.now);
                }
                other => self.outputs.push(other),
            }
        }
    }

    /// A message to a connection without a Connect before it would be lost.
    fn was_opened(&self, flow: Flow) {
        let Flow::Stream { connection } = flow else { return };
        let told = |o: &Output| matches!(o, Output::Connect { connection: opened, .. } if *opened == connection);
        assert!(!connection.is_opened_by_us() || self.outputs.iter().any(told), "{connection:?} is not open");
    }

    fn credentials(&self, user: &str) -> Credentials {
        match (self.lookups, self.phones.get(user)) {
            (Lookups::Unavailable, _) => Credentials::Unavailable,
            (_, None) => Credentials::Unknown { realm: Some("acme.example".into()) },
            (_, Some(password)) => Credentials::Phone(Arc::new(Phone {
                tenant: TenantId::parse("acme").unwrap(),
                dn: Dn::parse(user).unwrap(),
                realm: "acme.example".into(),
                hashes: Hashes {
                    md5: crate::digest::ha1(crate::digest::Algorithm::Md5, user, "acme.example", password),
                    sha256: crate::digest::ha1(crate::digest::Algorithm::Sha256, user, "acme.example", password),
                },
            })),
        }
    }

    /// A datagram arrives.
    fn from(&mut self, remote: &str, text: &str) {
        let bytes = text.replace('\n', "\r\n").into_bytes();
        let remote = addr(remote);
        self.proxy.handle_datagram(u16::from(remote.is_ipv6()), remote, bytes.into(), self.now);
        self.drain();
    }

    /// As [`Self::from`], in Latin-1.
    fn latin_from(&mut self, remote: &str, text: &str) {
        let bytes: Vec<u8> = text.replace('\n', "\r\n").chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect();
        self.proxy.handle_datagram(0, addr(remote), bytes.into(), self.now);
        self.drain();
    }

    /// A message arrives on a connection.
    fn by(&mut self, connection: ConnectionId, text: &str) {
        let message = Message::parse(text.replace('\n', "\r\n").into_bytes().into()).unwrap();
        self.proxy.handle_message(connection, message, self.now);
        self.drain();
    }

    /// A node connects and announces itself.
    fn node(&mut self, connection: ConnectionId, role: &str, owner_text: &str) {
        let owner = owner(owner_text);
        self.proxy.handle_opened(connection, addr("127.0.2.1:40000"), Side::Cluster);
        self.announce(connection, &format!("{role};node={};epoch={}", owner.node, owner.epoch.0), TOKEN);
        let (flow, answer) = self.only();
        assert_eq!((flow, answer.status()), (Flow::from(connection), Some(StatusCode::OK)));
    }

    fn announce(&mut self, connection: ConnectionId, node: &str, token: &str) {
        let branch = format!("z9hG4bKnode{}{}", connection.0, self.now);
        self.by(
            connection,
            &format!(
                "OPTIONS sip:sip-proxy.trunkline.invalid SIP/2.0\nVia: SIP/2.0/TCP 127.0.2.1;branch={branch}\n\
                 From: <sip:n@trunkline.invalid>;tag=1\nTo: <sip:sip-proxy.trunkline.invalid>\nCall-ID: {branch}\n\
                 CSeq: 1 OPTIONS\nTrunkline-Token: {token}\nTrunkline-Node: {node}\nContent-Length: 0\n\n"
            ),
        );
    }

    /// Lets time pass; live nodes in `answering` answer their keep-alives.
    fn pass(&mut self, time: Duration, answering: &[ConnectionId]) {
        let until = self.now + time;
        while let Some(due) = self.proxy.next_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.proxy.handle_timeout(self.now);
            self.drain();
            let keep_alives: Vec<(Flow, Message)> = extract(&mut self.sent, is_keep_alive);
            for (flow, message) in keep_alives {
                let Flow::Stream { connection } = flow else { panic!("a keep-alive by UDP") };
                if answering.contains(&connection) {
                    let answer = Message::response_to(&message, StatusCode::OK).to_tag("node").build();
                    self.proxy.handle_message(connection, answer, self.now);
                    self.drain();
                }
            }
        }
        self.now = until;
    }

    /// All messages sent since the last call.
    fn take(&mut self) -> Vec<(Flow, Message)> {
        std::mem::take(&mut self.sent)
    }

    /// The only message that was sent.
    fn only(&mut self) -> (Flow, Message) {
        let mut sent = self.take();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    /// The only message that was sent besides a 100.
    fn beyond_trying(&mut self) -> (Flow, Message) {
        extract(&mut self.sent, |m| m.status() == Some(StatusCode::TRYING));
        self.only()
    }

    fn statuses(&mut self) -> Vec<u16> {
        self.take().iter().filter_map(|(_, m)| m.status().map(|s| s.0)).collect()
    }
}

fn extract(from: &mut Vec<(Flow, Message)>, which: impl Fn(&Message) -> bool) -> Vec<(Flow, Message)> {
    let (out, rest) = std::mem::take(from).into_iter().partition(|(_, m)| which(m));
    *from = rest;
    out
}

fn is_keep_alive(message: &Message) -> bool {
    message.is_request() && message.header(&headers::LIVE).is_some()
}

/// A request of a peer at `host`, without a body.
struct Ask<'a> {
    method: &'a str,
    uri: &'a str,
    host: &'a str,
    from: &'a str,
    to_tag: Option<&'a str>,
    branch: &'a str,
    call: &'a str,
    cseq: u32,
    more: &'a str,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self {
            method: "INVITE",
            uri: "sip:+15550100@127.0.0.1:5060",
            host: TRUNK,
            from: "+15550199",
            to_tag: None,
            branch: "z9hG4bK-1",
            call: "call-1@192.0.2.10",
            cseq: 1,
            more: "",
        }
    }
}

impl Ask<'_> {
    fn text(&self) -> String {
        let Self { method, uri, host, from, branch, call, cseq, more, .. } = self;
        let to_tag = self.to_tag.map_or_else(String::new, |t| format!(";tag={t}"));
        format!(
            "{method} {uri} SIP/2.0\nVia: SIP/2.0/UDP {host};branch={branch}\nFrom: <sip:{from}@{host}>;tag=from-1\n\
             To: <{uri}>{to_tag}\nCall-ID: {call}\nCSeq: {cseq} {method}\nContact: <sip:{from}@{host}>\n\
             Max-Forwards: 70\n{more}Content-Length: 0\n\n"
        )
    }
}

/// A response to a request that the proxy has sent.
fn answer(request: &Message, status: u16, to_tag: &str) -> String {
    let response = Message::response_to(request, StatusCode(status)).to_tag(to_tag).build();
    String::from_utf8(response.to_bytes().to_vec()).unwrap().replace("\r\n", "\n")
}

fn text_of(message: &Message) -> String {
    String::from_utf8(message.to_bytes().to_vec()).unwrap()
}

fn header<'a>(message: &'a Message, name: &HeaderName) -> &'a str {
    message.header(name).unwrap_or_else(|| panic!("no {name:?} in {message:?}"))
}
