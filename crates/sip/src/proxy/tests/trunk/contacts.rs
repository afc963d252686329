//! Our registration with a carrier by several proxies and transports: of our Contacts the carrier keeps the present one alone.

use crate::Instance;
use crate::agent::AgentCredentials;
use crate::next_hop::Hop;
use crate::own_registration::{Account, EdgeAddresses, OwnRegistration, State};
use crate::proxy::tests::*;

const REGISTRAR: ConnectionId = ConnectionId(1);
const ONE: &str = "127.0.0.1";
const TWO: &str = "127.0.0.2";

/// A carrier's registrar (RFC 3261 §10.3).
struct Carrier {
    /// The Contacts that it keeps.
    kept: Vec<String>,
    /// How many it has room for at any time; it refuses others with 503.
    most: usize,
    refused: usize,
}

impl Carrier {
    fn with_room_for(most: usize) -> Self {
        Self { kept: Vec::new(), most, refused: 0 }
    }

    /// Its answer.
    fn register(&mut self, request: &Message) -> String {
        let mut kept = self.kept.clone();
        for contact in request.contacts().map(Result::unwrap) {
            let address = contact.address().unwrap();
            kept.retain(|known| known != address.raw_uri());
            if address.expires().or(request.expires().unwrap()) != Some(0) {
                kept.push(address.raw_uri().to_owned());
            }
            if kept.len() > self.most {
                self.refused += 1;
                return answer(request, 503, "c");
            }
        }
        self.kept = kept;
        let listed: String = self.kept.iter().map(|contact| format!("Contact: <{contact}>;expires=600\n")).collect();
        answer(request, 200, "c").replacen("Call-ID", &format!("{listed}Call-ID"), 1)
    }
}

fn edge(host: &str) -> EdgeAddresses {
    EdgeAddresses { plain: format!("{host}:5060"), secure: Some(format!("{host}:5061")), places: Vec::new() }
}

/// A proxy with its edge at that host.
fn proxy_at(host: &str) -> Lab {
    let mut lab = Lab::with(|settings| {
        settings.edge = format!("{host}:5060");
        settings.other_edges = vec![other_edge(Transport::Tls, &format!("{host}:5061"))];
    });
    lab.node(REGISTRAR, "registrar", "registrar-1.1");
    lab
}

/// A node's registration, and the carrier.
struct Site {
    registration: OwnRegistration,
    carrier: Carrier,
    /// The carrier's address.
    host: &'static str,
    requests: usize,
}

impl Site {
    fn new(registrar: &str, carrier: Carrier) -> Self {
        let account = Account {
            registrar: registrar.to_owned(),
            domain: None,
            user: "we".to_owned(),
            credentials: AgentCredentials { user: "we".to_owned(), password: "hush-hush".to_owned() },
            instance: Instance::nobody(),
        };
        let registration = OwnRegistration::new(account, Box::new(Seeded::new(7)));
        Self { registration, carrier, host: "192.0.2.10", requests: 0 }
    }

    /// The way out leads by this proxy.
    fn leads_by(&mut self, host: &str, lab: &Lab) {
        self.registration.handle_way(Some(&edge(host)), Duration::ZERO, lab.now);
    }

    /// What is due now goes out by this proxy and that transport, with all that follows at once.
    fn registers(&mut self, lab: &mut Lab, by: Transport) {
        self.registration.handle_timeout(lab.now);
        while let Some(mut request) = self.registration.poll_request() {
            self.requests += 1;
            request
                .push_front(&HeaderName::Via, format_args!("SIP/2.0/TCP 127.0.2.1;branch=z9hG4bK-{}", self.requests));
            let told = self.passes(lab, by, &text_of(&request).replace("\r\n", "\n"));
            self.registration.handle_response(&told, &[ONE, TWO].map(edge), lab.now);
        }
    }

    /// A request passes the proxy to the carrier; returns the answer that the node gets.
    fn passes(&mut self, lab: &mut Lab, by: Transport, request: &str) -> Message {
        lab.by(REGISTRAR, request);
        let asked = |output: &Output| matches!(output, Output::NeedHops { .. });
        let at = lab.outputs.iter().position(asked).expect("the carrier has a name");
        let Output::NeedHops { lookup, .. } = lab.outputs.remove(at) else { panic!("a question") };
        let remote = format!("{}:{}", self.host, by.default_port());
        let at = addr(&remote);
        lab.proxy.handle_hops(lookup, Some(vec![Hop { transport: by, remote: at }]), lab.now);
        lab.drain();
        let (flow, sent) = lab.only();
        assert_eq!((sent.method(), flow.transport()), (Method::Register, by));
        let answer = self.carrier.register(&sent);
        match flow {
            Flow::Udp { .. } => lab.from(&remote, &answer),
            Flow::Stream { connection } => {
                lab.proxy.handle_opened(connection, at, Side::Edge);
                lab.by(connection, &answer);
            }
        }
        lab.only().1
    }

    /// Lets the time come for what is due next; whether that is within a second.
    fn is_due_soon(&self, lab: &mut Lab) -> bool {
        let due = self.registration.next_timeout().expect("a refresh");
        let is_soon = due.since(lab.now) <= Duration::from_secs(1);
        lab.now = lab.now.max(due);
        is_soon
    }

    fn state(&self, lab: &Lab) -> State {
        self.registration.status(lab.now).state
    }
}

#[test]
fn the_next_proxy_removes_the_contact_of_the_former_one_whatever_its_transport() {
    for (registrar, by, kept) in [
        (
            "carrier.example;transport=tls",
            Transport::Tls,
            ["sip:we@127.0.0.1:5061;transport=tls", "sip:we@127.0.0.2:5061;transport=tls"],
        ),
        (
            "carrier.example",
            Transport::Tls,
            ["sip:we@127.0.0.1:5061;transport=tls", "sip:we@127.0.0.2:5061;transport=tls"],
        ),
        (
            "carrier.example",
            Transport::Tcp,
            ["sip:we@127.0.0.1:5060;transport=tcp", "sip:we@127.0.0.2:5060;transport=tcp"],
        ),
        ("carrier.example", Transport::Udp, ["sip:we@127.0.0.1:5060", "sip:we@127.0.0.2:5060"]),
    ] {
        let mut site = Site::new(registrar, Carrier::with_room_for(8));
        let (mut one, mut two) = (proxy_at(ONE), proxy_at(TWO));
        site.leads_by(ONE, &one);
        site.registers(&mut one, by);
        assert_eq!(site.carrier.kept, kept[..1], "{registrar}");
        site.leads_by(TWO, &two);
        site.registers(&mut two, by);
        assert_eq!(site.carrier.kept, kept[1..], "{registrar}");
        assert_eq!((site.state(&two), site.carrier.refused), (State::Registered, 0), "{registrar}");
        // And at the end it removes its own.
        site.registration.end(two.now);
        site.registers(&mut two, by);
        assert!(site.carrier.kept.is_empty() && site.registration.is_over(), "{registrar}");
    }
}

#[test]
fn another_transport_of_the_same_proxy_leaves_nothing_behind() {
    for [before, after] in [[Transport::Udp, Transport::Tls], [Transport::Tls, Transport::Udp]] {
        let mut site = Site::new("carrier.example", Carrier::with_room_for(8));
        let mut lab = proxy_at(ONE);
        site.leads_by(ONE, &lab);
        site.registers(&mut lab, before);
        assert!(!site.is_due_soon(&mut lab));
        site.registers(&mut lab, after);
        assert_eq!(site.carrier.kept.len(), 2, "which one is left shows only now");
        assert!(site.is_due_soon(&mut lab));
        site.registers(&mut lab, after);
        let kept =
            if after == Transport::Tls { "sip:we@127.0.0.1:5061;transport=tls" } else { "sip:we@127.0.0.1:5060" };
        assert_eq!(site.carrier.kept, [kept]);
        assert!(!site.is_due_soon(&mut lab), "and it stays so");
    }
}

#[test]
fn what_is_ended_beside_the_present_contact_is_never_that_one() {
    let mut site = Site::new("carrier.example", Carrier::with_room_for(8));
    let mut lab = proxy_at(ONE);
    site.leads_by(ONE, &lab);
    site.registers(&mut lab, Transport::Udp);
    site.is_due_soon(&mut lab);
    site.registers(&mut lab, Transport::Tls);
    site.is_due_soon(&mut lab);
    // The former one is to be ended, and the carrier's server for it is back.
    site.registers(&mut lab, Transport::Udp);
    assert!(site.carrier.kept.contains(&"sip:we@127.0.0.1:5060".to_owned()), "{:?}", site.carrier.kept);
}

#[test]
fn a_carrier_with_room_for_one_contact_gets_the_next_ones_too() {
    let mut site = Site::new("carrier.example;transport=tls", Carrier::with_room_for(1));
    let (mut one, mut two) = (proxy_at(ONE), proxy_at(TWO));
    site.leads_by(ONE, &one);
    site.registers(&mut one, Transport::Tls);
    site.leads_by(TWO, &two);
    site.registers(&mut two, Transport::Tls);
    assert_eq!(
        (site.carrier.refused, site.requests),
        (1, 4),
        "the former one is ended, and the present one registered"
    );
    assert_eq!(site.carrier.kept, ["sip:we@127.0.0.2:5061;transport=tls"]);
    assert_eq!(site.state(&two), State::Registered);
    assert!(!site.is_due_soon(&mut two));
}

#[test]
fn a_carrier_of_the_other_family_that_refuses_a_refresh_keeps_our_contact() {
    let six = "[2001:db8::1]:5060";
    let mut lab = Lab::with(|settings| {
        settings.udp_listeners.push(addr(six));
        settings.other_edges.push(other_edge(Transport::Udp, six));
    });
    lab.node(REGISTRAR, "registrar", "registrar-1.1");
    let mut site = Site { host: "[2001:db8:20::20]", ..Site::new("carrier.example", Carrier::with_room_for(8)) };
    site.leads_by(ONE, &lab);
    site.registers(&mut lab, Transport::Udp);
    let kept = ["sip:we@[2001:db8::1]:5060"];
    assert_eq!(site.carrier.kept, kept);
    assert!(!site.is_due_soon(&mut lab));
    // It has no room at all now, and ends what it is asked to end.
    site.carrier.most = 0;
    site.registers(&mut lab, Transport::Udp);
    assert_eq!((site.carrier.refused, site.requests), (1, 2));
    assert_eq!(site.carrier.kept, kept);
}
