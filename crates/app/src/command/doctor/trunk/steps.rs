//! The steps: name, way, OPTIONS, registration, call.

use std::net::SocketAddr;

use contracts::provisioning::{Secret, Trunk};
use net::resolver::Resolver;
use net::tls::TlsClient;
use runtime::entropy::Strong;
use sip::digest::{self, Unanswered};
use sip::next_hop::{Hop, UriHop};
use sip::own_registration::Problem;
use sip::uri::escape::escape_user;
use sip::{Builder, CSeq, HeaderName, Message, Method, StatusCode, Transport, Uri, service_route};

use super::line::{CarrierLine, NoAnswer};
use super::report::{Failure, in_ms};

/// Challenges answered for one request: of a proxy, of the server behind it, and after a stale nonce.
const CHALLENGES_MAX: u32 = 3;

/// The carrier, as the trunk says.
pub(super) struct Carrier<'a> {
    /// `host:port`, with parameters behind it.
    pub contact: &'a str,
    /// The domain: the host, unless the trunk names another one.
    pub domain: String,
    place: UriHop,
    /// User and password.
    pub account: Option<(&'a str, &'a Secret)>,
    /// The user name that answers challenges.
    auth_user: Option<&'a str>,
}

pub(super) fn carrier_of(trunk: &Trunk) -> Result<(Carrier<'_>, String), Failure> {
    let form = "write it as sip.carrier.example, 203.0.113.9:5060 or 203.0.113.9:5061;transport=tls";
    let Some(contact) = trunk.contact.as_deref() else {
        return Err(Failure::new("no `contact`", "the trunk does not say where its carrier is", form));
    };
    let text = format!("sip:{contact}");
    let uri = Uri::parse(&text).ok();
    let Some((place, host)) = uri.as_ref().and_then(|uri| Some((UriHop::of(uri)?, uri.host()?.as_str().to_owned())))
    else {
        let why = "it is no place with UDP, TCP or TLS";
        return Err(Failure::new(format!("`contact` is {contact}"), why, form));
    };
    let account = trunk.user.as_deref().zip(trunk.password.as_ref());
    let port = place.port.map(|port| format!(" port {port}")).unwrap_or_default();
    let transport = place.transport.map(|transport| format!(", {}", word(transport))).unwrap_or_default();
    let text = format!("{host}{port}{transport}");
    let (domain, auth_user) = (trunk.domain.clone().unwrap_or(host), trunk.authenticates_as());
    Ok((Carrier { contact, domain, place, account, auth_user }, text))
}

/// Who is believed to vouch for the certificates of carriers.
#[derive(Clone, Copy)]
pub(super) enum Believed {
    /// Those of the settings.
    Named,
    /// Those that this machine trusts: the settings name none.
    OfMachine,
}

const fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
        Transport::Tls => "TLS",
        Transport::Ws => "WebSocket",
        Transport::Wss => "WebSocket under TLS",
    }
}

/// The places that the name leads to, best first (RFC 3263).
pub(super) async fn resolve(carrier: &Carrier<'_>, servers: &[SocketAddr]) -> Result<(Vec<Hop>, String), Failure> {
    let found = match Resolver::new(servers) {
        Ok(resolver) => resolver.hops(&carrier.place, &mut Strong::seeded_by_system()).await,
        Err(error) => {
            let remedy = "see /etc/resolv.conf, or set `sip-proxy.name_servers`";
            return Err(Failure::new("no name server can be asked", format!("{error:#}"), remedy));
        }
    };
    match found {
        Ok(hops) => {
            let shown = |hop: &Hop| format!("{} {}", hop.remote, word(hop.transport));
            let text = hops.iter().map(shown).collect::<Vec<_>>().join(", then ");
            Ok((hops, text))
        }
        Err(error) => {
            let remedy = "correct the host in `contact`, or the name servers that this machine uses";
            Err(Failure::new(&*carrier.place.host, error.to_string(), remedy))
        }
    }
}

/// Opens a line to the first place that takes one, and says what was wrong with those before it.
pub(super) async fn open(
    carrier: &Carrier<'_>,
    hops: &[Hop],
    (tls, believed): (&TlsClient, Believed),
) -> Result<(CarrierLine, String), Failure> {
    let mut failed = Vec::new();
    for hop in hops {
        match CarrierLine::open(*hop, &carrier.place.host, tls).await {
            Ok(line) => {
                let proved = match hop.transport {
                    Transport::Udp => "a way leads there".to_owned(),
                    Transport::Tcp | Transport::Ws => "connected".to_owned(),
                    Transport::Tls | Transport::Wss => {
                        format!("connected, the certificate is for {}", carrier.place.host)
                    }
                };
                let before = if failed.is_empty() { String::new() } else { format!("; before: {}", failed.join(", ")) };
                let local = line.local();
                return Ok((line, format!("{} {}: {proved}, from {local}{before}", hop.remote, word(hop.transport))));
            }
            Err(error) => failed.push(format!("{} {}: {error}", hop.remote, word(hop.transport))),
        }
    }
    let remedy = match (hops.iter().any(|hop| hop.transport.is_secure()), believed) {
        (true, Believed::Named) => {
            "check address, port and transport in `contact`, and firewalls on the way; for a certificate, the name in `contact` and `sip-proxy.server_authorities`"
        }
        (true, Believed::OfMachine) => {
            "check address, port and transport in `contact`, and firewalls on the way; for a certificate, the name in `contact`. The authorities that this machine trusts were believed, since the settings given to this command name none in `sip-proxy.server_authorities`: give it those of the running installation (--settings), or name the carrier's authority there"
        }
        (false, _) => "check address, port and transport in `contact`, and firewalls on the way",
    };
    Err(Failure::new("no place takes a connection", failed.join(", "), remedy))
}

pub(super) async fn options(carrier: &Carrier<'_>, line: &mut CarrierLine) -> Result<((), String), Failure> {
    let request = head(carrier, Method::Options, &format!("sip:{}", carrier.contact), line).build();
    let began = line.now();
    match line.ask(&request).await {
        Ok(answer) => Ok(((), format!("{} after {}", status_line(&answer), in_ms(line.now().since(began))))),
        Err(none) => Err(unanswered("OPTIONS", &none)),
    }
}

/// A REGISTER without a Contact asks for the bindings and changes none (RFC 3261 section 10.2.3): a running registration goes on.
pub(super) async fn registration(
    carrier: &Carrier<'_>,
    trunk: &Trunk,
    line: &mut CarrierLine,
) -> Result<((), String), Failure> {
    let registrar = trunk.domain.as_deref().unwrap_or(carrier.contact);
    let mut request = head(carrier, Method::Register, &format!("sip:{registrar}"), line).build();
    let (answer, challenges) = ask_with_password(carrier, &mut request, line).await?;
    let status = answer.status().unwrap_or(StatusCode::SERVER_INTERNAL_ERROR);
    if !status.is_success() {
        let problem = Problem::of(status, challenges > 0);
        return Err(Failure::new(format!("REGISTER: {}", status_line(&answer)), problem.in_words(), problem.remedy()));
    }
    let known = answer.contacts().filter_map(Result::ok).count();
    let proof = if challenges > 0 { "the password is right" } else { "no password was asked for" };
    let registers = match (known, trunk.register) {
        (0, true) => "; nothing is registered now: see `trunkline doctor` for the running registration",
        (0, false) => "; nothing is registered there, and the trunk does not ask for it (`register: true`)",
        _ => "",
    };
    let way = if trunk.register { way_of_calls(&answer) } else { String::new() };
    Ok(((), format!("{}, {proof}; {known} registered{registers}{way}", status_line(&answer))))
}

/// The way that a registrar wants for calls.
fn way_of_calls(answer: &Message) -> String {
    match service_route::of(answer) {
        Ok(routes) if routes.is_empty() => String::new(),
        Ok(routes) => format!("; calls are to go by {} (Service-Route)", routes.join(", ")),
        Err(why) => format!("; its Service-Route is not followed, {}: calls go to `contact`", why.in_words()),
    }
}

/// Sends a request, with credentials where it is challenged; returns the last answer and the number of challenges before it.
async fn ask_with_password(
    carrier: &Carrier<'_>,
    request: &mut Message,
    line: &mut CarrierLine,
) -> Result<(Message, u32), Failure> {
    let method = request.method();
    for challenges in 0..=CHALLENGES_MAX {
        let answer = line.ask(request).await.map_err(|none| unanswered(method.as_str(), &none))?;
        if !is_challenge(&answer) || challenges == CHALLENGES_MAX {
            return Ok((answer, challenges));
        }
        authorize(carrier, request, &answer, line)?;
    }
    Err(Failure::new(method.as_str(), "it was challenged without end", "ask the carrier"))
}

pub(super) fn is_challenge(answer: &Message) -> bool {
    matches!(answer.status(), Some(StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED))
}

/// Puts credentials into a request that was challenged, and counts it up.
pub(super) fn authorize(
    carrier: &Carrier<'_>,
    request: &mut Message,
    answer: &Message,
    line: &mut CarrierLine,
) -> Result<(), Failure> {
    let method = request.method();
    let failed = |problem: Problem| {
        let what = format!("{}: {}", method.as_str(), status_line(answer));
        Failure::new(what, problem.in_words(), problem.remedy())
    };
    let Some((user, (_, password))) = carrier.auth_user.zip(carrier.account) else {
        let what = format!("{}: {}", method.as_str(), status_line(answer));
        let why = "the carrier asks for a password, and the trunk has none";
        return Err(Failure::new(what, why, "write the carrier's `user` and `password` into the trunk"));
    };
    let cnonce = line.word();
    let answered = digest::authorize(request, answer, |challenge, request| {
        let uri = request.request_uri().unwrap_or_default();
        digest::respond(challenge, user, password.reveal(), method.as_str(), uri, &cnonce, 1).to_string()
    });
    answered.map_err(|why| match why {
        Unanswered::Refused => failed(Problem::WrongPassword),
        Unanswered::NoChallenge | Unanswered::TooLong => failed(Problem::UnknownChallenge),
    })?;
    let number = request.cseq().map_or(1, |cseq| cseq.number).saturating_add(1);
    request.set(&HeaderName::CSeq, CSeq { number, method });
    Ok(())
}

/// The head of a request outside a dialog.
pub(super) fn head(carrier: &Carrier<'_>, method: Method, uri: &str, line: &mut CarrierLine) -> Builder {
    let user = carrier.account.map_or("doctor", |(user, _)| user);
    let record = format!("<sip:{}@{}>", escape_user(user), carrier.domain);
    let to = if method == Method::Register { record.clone() } else { format!("<{uri}>") };
    Message::request(method.clone(), uri)
        .header(&HeaderName::MaxForwards, 70)
        .header(&HeaderName::From, format_args!("{record};tag={}", line.word()))
        .header(&HeaderName::To, to)
        .header(&HeaderName::CallId, format_args!("{}@trunkline-doctor", line.word()))
        .header(&HeaderName::CSeq, CSeq { number: 1, method })
}

pub(super) fn status_line(answer: &Message) -> String {
    match answer.start() {
        sip::Start::Response { status, reason } => format!("{} {reason}", status.code()),
        sip::Start::Request { .. } => String::new(),
    }
}

pub(super) fn unanswered(method: &str, none: &NoAnswer) -> Failure {
    match none {
        NoAnswer::Silence => {
            Failure::new(format!("{method}: no answer"), Problem::Silence.in_words(), Problem::Silence.remedy())
        }
        NoAnswer::Broken(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Failure::new(
            format!("{method}: {error}"),
            "nothing takes SIP at that port",
            "correct the port or the transport in `contact`",
        ),
        NoAnswer::Broken(error) => Failure::new(
            format!("{method}: {error}"),
            "the carrier, or something on the way, ended the connection",
            "check the transport in `contact`, and ask the carrier whether it takes this one",
        ),
    }
}
