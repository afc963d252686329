//! Behaviour of the gateway: scripted messages and virtual time.

use std::collections::HashMap;

use model::entropy::Seeded;
use proptest::prelude::*;
use sip::Transport;
use sip::digest::{self, Algorithm};
use sip::proxy::headers;

use super::*;

mod draining;
mod failover;
mod reload;
mod strangers;
mod tickets;

const US: &str = "127.0.14.1:5070";
const PROXY: &str = "127.0.1.1:5070";
const CLIENT: &str = "203.0.113.5";
const REALM: &str = "acme.example";

/// A gateway with one sip-proxy that is there.
struct Lab {
    gateway: Gateway,
    now: Timestamp,
    to_phone: Vec<(ConnectionId, Message)>,
    to_proxy: Vec<Message>,
    others: Vec<GatewayOutput>,
    /// What each sip-proxy answers when it is asked whether it is there; one that is gone says nothing.
    proxies: HashMap<SocketAddr, Option<StatusCode>>,
    /// To which one a message went, by its branch.
    ways: HashMap<String, SocketAddr>,
}

fn socket(number: u64) -> ConnectionId {
    ConnectionId::accepted(number, Transport::Ws)
}

fn holder(device: &str) -> FlowHolder {
    FlowHolder {
        tenant: TenantId::parse("acme").unwrap(),
        dn: Dn::parse("7101").unwrap(),
        subject: "person/ann".to_owned(),
        sign_in: Some("s".to_owned()),
        device: device.to_owned(),
    }
}

fn credentials(password: &str) -> PhoneCredentials {
    let [md5, sha256] = [Algorithm::Md5, Algorithm::Sha256].map(|of| digest::ha1(of, "7101", REALM, password));
    PhoneCredentials { realm: REALM.to_owned(), md5, sha256 }
}

fn message(text: &str) -> Message {
    let message = Message::parse(text.replace('\n', "\r\n").into_bytes().into()).unwrap();
    assert_eq!(message.fault(), None, "{text}");
    message
}

/// A request of a browser, as SIP.js writes it; `more` are further headers.
fn of_phone(method: &str, cseq: u32, more: &str) -> Message {
    let (user, to) = ("x7", if method == "REGISTER" { "7101" } else { "7102" });
    message(&format!(
        "{method} sip:{to}@{REALM} SIP/2.0\nVia: SIP/2.0/WS h.invalid;branch=z9hG4bKb{method}{cseq}\nMax-Forwards: 70\n\
         From: <sip:7101@{REALM}>;tag=f\nTo: <sip:{to}@{REALM}>\nCall-ID: {method}@h.invalid\nCSeq: {cseq} {method}\n\
         Contact: <sip:{user}@h.invalid;transport=ws>;+sip.instance=\"<urn:uuid:1>\";expires=600\n{more}\
         Content-Length: 0\n\n"
    ))
}

/// A request of sip-proxy to a phone.
fn to_phone(method: &str, name: &str, to_tag: &str) -> Message {
    let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    message(&format!(
        "{method} sip:{name}@{US} SIP/2.0\nVia: SIP/2.0/UDP {PROXY};branch=z9hG4bKp{method}{to_tag}\nMax-Forwards: 60\n\
         Record-Route: <sip:token@192.0.2.1;lr>\nFrom: <sip:7102@{REALM}>;tag=theirs\nTo: <sip:7101@{REALM}>{tag}\n\
         Call-ID: call\nCSeq: 1 {method}\nContact: <sip:node@192.0.2.1>\nContent-Length: 0\n\n"
    ))
}

impl Lab {
    fn new() -> Self {
        let settings = GatewaySettings { address: US.parse().unwrap(), grace: crate::webrtc::GRACE_MAX };
        let mut gateway = Gateway::new(settings, Box::new(Seeded::new(1)));
        gateway.set_proxies(&[PROXY.parse().unwrap()]);
        let now = Timestamp::from_millis(1_000_000);
        let mut lab = Self {
            gateway,
            now,
            to_phone: Vec::new(),
            to_proxy: Vec::new(),
            others: Vec::new(),
            proxies: HashMap::from([(PROXY.parse().unwrap(), Some(StatusCode::OK))]),
            ways: HashMap::new(),
        };
        lab.pass(Duration::from_millis(1));
        lab
    }

    fn drain(&mut self) {
        while let Some(output) = self.gateway.poll_output() {
            match output {
                GatewayOutput::ToPhone { connection, bytes } => {
                    self.to_phone.push((connection, Message::parse(bytes).unwrap()));
                }
                GatewayOutput::ToProxy { to, bytes } => {
                    let answers = self.proxies[&to];
                    let message = Message::parse(bytes).unwrap();
                    if message.method() != sip::Method::Options || !message.call_id().unwrap().starts_with("ask@") {
                        self.ways.insert(message.top_via().unwrap().branch().unwrap().to_owned(), to);
                        self.to_proxy.push(message);
                    } else if let Some(status) = answers {
                        let there = Message::response_to(&message, status).build();
                        self.gateway.handle_datagram(to, there.to_bytes(), self.now);
                    }
                }
                other => self.others.push(other),
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.gateway.next_timeout(self.now) <= until {
            self.now = self.now.max(self.gateway.next_timeout(self.now));
            self.gateway.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    fn opens(&mut self, number: u64, holder: Option<FlowHolder>) {
        let ticket = holder.map(|holder| (holder, Box::default()));
        self.gateway.handle_opened(socket(number), CLIENT.parse().unwrap(), ticket, self.now);
        self.drain();
    }

    fn closes(&mut self, number: u64) {
        self.gateway.handle_closed(socket(number), self.now);
        self.drain();
    }

    fn by(&mut self, number: u64, message: Message) {
        self.gateway.handle_message(socket(number), message, self.now);
        self.drain();
    }

    fn hear_proxy(&mut self, message: &Message) {
        self.gateway.handle_datagram(PROXY.parse().unwrap(), message.to_bytes(), self.now);
        self.drain();
    }

    /// The only message that went to sip-proxy.
    fn asked(&mut self) -> Message {
        let mut all = std::mem::take(&mut self.to_proxy);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// The only message that went to a phone, with its WebSocket.
    fn told(&mut self) -> (ConnectionId, Message) {
        let mut all = std::mem::take(&mut self.to_phone);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// A phone without a ticket registers; returns the user part of our Contact.
    fn registered(&mut self, number: u64) -> String {
        self.opens(number, None);
        self.registers(number, 1)
    }

    fn registers(&mut self, number: u64, cseq: u32) -> String {
        self.by(number, of_phone("REGISTER", cseq, ""));
        let register = self.asked();
        let name = rewriting::user_of(&rewriting::contact_of(&register).unwrap()).unwrap();
        self.hear_proxy(&granted(&register));
        assert_eq!(self.told().1.status(), Some(StatusCode::OK));
        name
    }
}

/// The answer of registrar.
fn granted(register: &Message) -> Message {
    let contact = register.header(&HeaderName::Contact).unwrap();
    Message::response_to(register, StatusCode::OK).to_tag("r").header(&HeaderName::Contact, contact).build()
}

fn statuses(messages: &mut Vec<Message>) -> Vec<u16> {
    std::mem::take(messages).iter().filter_map(|message| message.status().map(|status| status.0)).collect()
}

#[test]
fn sip_proxy_sees_one_phone_at_our_own_address() {
    let mut lab = Lab::new();
    lab.opens(7, None);
    lab.by(7, of_phone("REGISTER", 1, "Trunkline-Client: 192.0.2.66\nTrunkline-Tenant: other\n"));
    let register = lab.asked();
    let vias: Vec<&str> = register.elements(&HeaderName::Via).collect();
    assert!(vias.len() == 1 && vias[0].starts_with(&format!("SIP/2.0/UDP {US};branch=z9hG4bK")), "{vias:?}");
    let contact = register.header(&HeaderName::Contact).unwrap();
    assert!(contact.starts_with("<sip:f") && contact.contains(&format!("@{US}>;+sip.instance=")), "{contact}");
    let clients: Vec<&str> = register.headers(&headers::CLIENT).collect();
    assert_eq!((clients, register.header(&headers::TENANT)), (vec![CLIENT], None));
    let name = rewriting::user_of(&rewriting::contact_of(&register).unwrap());
    assert_eq!(register.header(&headers::CLIENT_FLOW), name.as_deref());
    let refused = Message::response_to(&register, StatusCode::UNAUTHORIZED)
        .to_tag("p")
        .header(&HeaderName::WwwAuthenticate, "Digest realm=\"acme.example\", nonce=\"n\"");
    lab.hear_proxy(&refused.build());
    let (to, refused) = lab.told();
    assert_eq!((to, refused.status()), (socket(7), Some(StatusCode::UNAUTHORIZED)), "it has a password itself");
    assert_eq!(refused.header(&HeaderName::Via), Some("SIP/2.0/WS h.invalid;branch=z9hG4bKbREGISTER1"));
    lab.by(7, of_phone("REGISTER", 2, ""));
    let register = lab.asked();
    lab.hear_proxy(&granted(&register));
    let (_, granted) = lab.told();
    let own = granted.header(&HeaderName::Contact).unwrap();
    assert!(own.starts_with("<sip:x7@h.invalid;transport=ws>"), "{own}");
    assert!(matches!(lab.others.as_slice(), [GatewayOutput::Proved(of, _)] if *of == socket(7)));
}

#[test]
fn a_phone_is_called_as_it_knows_itself_and_answers_from_our_address() {
    let mut lab = Lab::new();
    let name = lab.registered(7);
    lab.hear_proxy(&to_phone("INVITE", &name, ""));
    let (to, invite) = lab.told();
    assert_eq!((to, invite.request_uri()), (socket(7), Some("sip:x7@h.invalid;transport=ws")));
    assert_eq!(invite.elements(&HeaderName::Via).count(), 2);
    assert_eq!(invite.max_forwards().unwrap(), Some(59));
    let answer = Message::response_to(&invite, StatusCode::OK)
        .to_tag("mine")
        .header(&HeaderName::Contact, "<sip:x7@h.invalid;transport=ws>")
        .header(&headers::SOURCE, "phone;dn=7999");
    lab.by(7, answer.build());
    let answer = lab.asked();
    assert_eq!(answer.status(), Some(StatusCode::OK));
    assert_eq!(answer.header(&HeaderName::Contact), Some(format!("<sip:{name}@{US}>").as_str()));
    assert_eq!((answer.header(&headers::CLIENT), answer.header(&headers::SOURCE)), (Some(CLIENT), None));
    assert_eq!(
        answer.elements(&HeaderName::Via).collect::<Vec<_>>(),
        ["SIP/2.0/UDP 127.0.1.1:5070;branch=z9hG4bKpINVITE"]
    );
    assert_eq!(answer.header(&HeaderName::RecordRoute), Some("<sip:token@192.0.2.1;lr>"));
    lab.hear_proxy(&to_phone("ACK", &name, "mine"));
    let (to, ack) = lab.told();
    assert_eq!((to, ack.method(), ack.request_uri()), (socket(7), sip::Method::Ack, invite.request_uri()));
}

#[test]
fn an_invite_of_a_phone_is_cancelled_once_it_rings() {
    let mut lab = Lab::new();
    let name = lab.registered(7);
    lab.by(7, of_phone("INVITE", 1, ""));
    let invite = lab.asked();
    assert!(invite.header(&HeaderName::Contact).unwrap().starts_with(&format!("<sip:{name}@{US}>")));
    let cancel = message(
        "CANCEL sip:7102@acme.example SIP/2.0\nVia: SIP/2.0/WS h.invalid;branch=z9hG4bKbINVITE1\nMax-Forwards: 70\n\
         From: <sip:7101@acme.example>;tag=f\nTo: <sip:7102@acme.example>\nCall-ID: INVITE@h.invalid\n\
         CSeq: 1 CANCEL\nReason: SIP;cause=200\nContent-Length: 0\n\n",
    );
    lab.by(7, cancel);
    let (_, taken) = lab.told();
    assert!(lab.to_proxy.is_empty() && taken.status() == Some(StatusCode::OK) && taken.to().unwrap().tag().is_some());
    lab.hear_proxy(&Message::response_to(&invite, StatusCode::RINGING).to_tag("b").build());
    let cancel = lab.asked();
    assert_eq!((cancel.method(), cancel.header(&HeaderName::Reason)), (sip::Method::Cancel, Some("SIP;cause=200")));
    lab.hear_proxy(&Message::response_to(&cancel, StatusCode::OK).to_tag("c").build());
    lab.hear_proxy(&Message::response_to(&invite, StatusCode::REQUEST_TERMINATED).to_tag("b").build());
    assert_eq!(lab.asked().method(), sip::Method::Ack);
    let told: Vec<Message> = std::mem::take(&mut lab.to_phone).into_iter().map(|(_, message)| message).collect();
    assert_eq!(statuses(&mut told.clone()), [180, 487]);
}

/// RFC 3261 §9.2.
#[test]
fn a_cancel_is_answered_with_the_tag_of_its_invite() {
    let cancel = |invite: &Message| {
        let text = String::from_utf8(invite.to_bytes().to_vec()).unwrap();
        message(&text.replace('\r', "").replace("INVITE sip", "CANCEL sip").replace("1 INVITE", "1 CANCEL"))
    };
    let tag = |message: &Message| message.to().unwrap().tag().map(str::to_owned);
    let mut lab = Lab::new();
    let name = lab.registered(7);
    let invite = to_phone("INVITE", &name, "");
    lab.hear_proxy(&invite);
    let (_, rings) = lab.told();
    lab.by(7, Message::response_to(&rings, StatusCode::RINGING).to_tag("mine").build());
    lab.to_proxy.clear();
    lab.hear_proxy(&cancel(&invite));
    assert_eq!(tag(&lab.asked()).as_deref(), Some("mine"));
    // Of one that nobody has answered yet, the answer of ours has the same.
    let mut lab = Lab::new();
    let name = lab.registered(7);
    lab.closes(7);
    let invite = to_phone("INVITE", &name, "");
    lab.hear_proxy(&invite);
    lab.hear_proxy(&cancel(&invite));
    lab.pass(Duration::from_secs(33));
    let answers = std::mem::take(&mut lab.to_proxy);
    let of = |status: u16| answers.iter().find(|one| one.status() == Some(StatusCode(status))).and_then(tag);
    assert!(of(200).is_some() && of(200) == of(480), "{answers:?}");
}

#[test]
fn an_invite_that_rings_for_ever_is_cancelled_and_then_given_up() {
    let mut lab = Lab::new();
    lab.registered(7);
    lab.by(7, of_phone("INVITE", 1, ""));
    let invite = lab.asked();
    lab.hear_proxy(&Message::response_to(&invite, StatusCode::RINGING).to_tag("b").build());
    lab.pass(Duration::from_secs(899));
    assert!(lab.to_proxy.is_empty());
    lab.pass(Duration::from_secs(3));
    let sent = std::mem::take(&mut lab.to_proxy);
    assert!(!sent.is_empty() && sent.iter().all(|one| one.method() == sip::Method::Cancel), "{sent:?}");
    let cancel = &sent[0];
    lab.to_phone.clear();
    lab.hear_proxy(&Message::response_to(cancel, StatusCode::OK).to_tag("b").build());
    lab.hear_proxy(&Message::response_to(&invite, StatusCode::REQUEST_TERMINATED).to_tag("b").build());
    assert_eq!(lab.asked().method(), sip::Method::Ack);
    assert_eq!(lab.told().1.status(), Some(StatusCode::REQUEST_TERMINATED));
}

#[test]
fn a_contact_that_is_another_phones_stays_as_it_is() {
    let mut lab = Lab::new();
    let name = lab.registered(7);
    let ours = format!("<sip:{name}@{US}>");
    let text = |cseq| String::from_utf8(of_phone("REGISTER", cseq, "").to_bytes().to_vec()).unwrap().replace('\r', "");
    let old = "<sip:old@192.0.2.9>;expires=0";
    lab.by(7, message(&text(2).replace("Contact: ", &format!("Contact: {old}, "))));
    let register = lab.asked();
    let contacts: Vec<&str> = register.elements(&HeaderName::Contact).collect();
    assert!(contacts[0] == old && contacts[1].starts_with(&ours), "{contacts:?}");
    let granted = Message::response_to(&register, StatusCode::OK).to_tag("r").header(&HeaderName::Contact, contacts[1]);
    lab.hear_proxy(&granted.build());
    assert!(lab.told().1.header(&HeaderName::Contact).unwrap().starts_with("<sip:x7@h.invalid;transport=ws>"));
    lab.by(7, message(&text(3).replace("expires=600", "expires=0").replace(";transport=ws", "")));
    assert!(lab.asked().header(&HeaderName::Contact).unwrap().starts_with(&ours), "it takes its own back");
    lab.hear_proxy(&to_phone("INVITE", &name, ""));
    let (_, invite) = lab.told();
    let elsewhere = Message::response_to(&invite, StatusCode(302)).to_tag("mine");
    lab.by(7, elsewhere.header(&HeaderName::Contact, "<sip:7109@acme.example>").build());
    assert_eq!(lab.asked().header(&HeaderName::Contact), Some("<sip:7109@acme.example>"));
}

#[test]
fn without_a_sip_proxy_phones_are_told_so() {
    let mut lab = Lab::new();
    lab.opens(7, None);
    lab.gateway.set_proxies(&[]);
    lab.by(7, of_phone("REGISTER", 1, ""));
    let (_, refused) = lab.told();
    assert_eq!(refused.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    assert!(refused.header(&HeaderName::RetryAfter).is_some());
    assert!(!lab.gateway.has_proxy(lab.now));
}

#[test]
fn strangers_send_nothing_to_phones() {
    let mut lab = Lab::new();
    let name = lab.registered(7);
    let from = "127.0.1.9:5070".parse().unwrap();
    lab.gateway.handle_datagram(from, to_phone("INVITE", &name, "").to_bytes(), lab.now);
    lab.drain();
    assert!(lab.to_phone.is_empty() && lab.to_proxy.is_empty());
    lab.hear_proxy(&to_phone("INVITE", "f0", ""));
    lab.hear_proxy(&to_phone("BYE", "f0", "mine"));
    assert_eq!(statuses(&mut lab.to_proxy), [430, 481]);
}

#[test]
fn a_web_socket_is_of_one_phone() {
    let mut lab = Lab::new();
    lab.registered(7);
    let other = String::from_utf8(of_phone("REGISTER", 2, "").to_bytes().to_vec()).unwrap().replace("7101", "7109");
    lab.by(7, Message::parse(other.into_bytes().into()).unwrap());
    assert_eq!(lab.told().1.status(), Some(StatusCode::FORBIDDEN));
}

#[test]
fn what_has_made_us_fail_is_answered() {
    let mut lab = Lab::new();
    let refuse = |lab: &mut Lab, message: &Message, from: Flow| {
        lab.gateway.refuse_faulty(message.to_bytes(), from);
        lab.drain();
    };
    refuse(&mut lab, &of_phone("INVITE", 1, ""), Flow::Stream { connection: socket(7) });
    assert_eq!(lab.told().1.status(), Some(StatusCode::SERVER_INTERNAL_ERROR));
    let of_proxy = Flow::Udp { listener: LISTENER, remote: PROXY.parse().unwrap() };
    refuse(&mut lab, &to_phone("BYE", "f0", "mine"), of_proxy);
    refuse(&mut lab, &to_phone("ACK", "f0", "mine"), of_proxy);
    assert_eq!(statuses(&mut lab.to_proxy), [500]);
}

proptest! {
    /// Whatever phones and their WebSockets do, and however sip-proxy answers: nothing panics, and all ends once nobody comes back.
    #[test]
    fn everything_ends(steps in prop::collection::vec((0_u8..8, 1_u64..4), 1..60)) {
        let mut lab = Lab::new();
        let mut cseq = 0;
        for (step, number) in steps {
            cseq += 1;
            match step {
                0 => lab.opens(number + 10 * u64::from(cseq), (number > 1).then(|| holder(&number.to_string()))),
                1 => lab.by(number, of_phone("REGISTER", cseq, "")),
                2 => lab.by(number, of_phone("INVITE", cseq, "")),
                3 => lab.closes(number),
                4 if lab.gateway.flows.of_socket(socket(number)).is_none() => lab.opens(number, None),
                5 => {
                    for asked in std::mem::take(&mut lab.to_proxy) {
                        if asked.is_request() && asked.method() == sip::Method::Register {
                            lab.hear_proxy(&granted(&asked));
                        }
                    }
                }
                6 => {
                    let names: Vec<String> = lab.gateway.flows.names();
                    names.iter().for_each(|name| lab.hear_proxy(&to_phone("INVITE", name, "")));
                }
                _ => lab.pass(Duration::from_secs(number)),
            }
        }
        for number in 1..700 {
            lab.closes(number);
        }
        lab.pass(Duration::from_secs(1_000));
        prop_assert_eq!(lab.gateway.sizes(), (0, 0));
        prop_assert_eq!(lab.gateway.exchanges.iter().count(), 0);
    }
}
