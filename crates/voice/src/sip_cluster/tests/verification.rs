//! Calls that come by trunks that verify who calls: the carrier is the bench's caller, and the tests play who fetches certificates.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use model::plan::PlanAnswer;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use sip::agent::Event;
use sip::stir::{Attestation, Authorities, CertificateChain, Passport, Signer, StirRefusal};
use sip::{HeaderName, Start};

use super::bench::{Bench, PHONE_SDP, Peer, phone, point};
use super::restart::restart;
use crate::sip_cluster::certificates::Fetched;
use crate::sip_cluster::node::calls::trunk::settings::TrunkRules;
use crate::sip_cluster::node::calls::waiting::early_invites::{EARLY_FOR, EARLY_OF_TENANT_MAX};
use crate::sip_cluster::node::calls::waiting::verification::{Verification, WAITS_FOR};
use crate::sip_cluster::node::order::Order;

const URL: &str = "https://certificates.example/shaken.pem";
/// The number that the bench's caller shows, and the one that it calls.
const CALLER: &str = "4930123456";
const CALLED: &str = "7101";

/// Who signs, and who vouches for it.
struct Signing {
    signer: Signer,
    chain: Arc<CertificateChain>,
    authorities: Arc<Authorities>,
}

fn signing() -> Signing {
    let named = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let (root_key, key) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
    let mut root = named("root");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authorities = root.self_signed(&root_key).expect("a root").pem();
    let own = named("signer").signed_by(&key, &Issuer::new(root, root_key)).expect("a certificate").pem();
    Signing {
        signer: Signer::new(&key.serialize_pem(), URL).expect("a key"),
        chain: Arc::new(CertificateChain::parse(own.as_bytes()).expect("a certificate")),
        authorities: Arc::new(Authorities::parse(&authorities).expect("a root")),
    }
}

static OURS: LazyLock<Signing> = LazyLock::new(signing);
static OTHERS: LazyLock<Signing> = LazyLock::new(signing);

/// What the trunks do with signatures.
pub fn of(trunk: &str) -> Verification {
    match trunk {
        "reporting" => Verification::Report(OURS.authorities.clone()),
        "strict" => Verification::Require(OURS.authorities.clone()),
        _ => Verification::Off,
    }
}

/// A signature for these numbers, so many seconds old.
fn signed(by: &Signing, orig: &str, dest: &str, age_s: u64) -> String {
    let passport = Passport {
        attest: Attestation::B,
        orig: orig.to_owned(),
        dest: vec![dest.to_owned()],
        iat: Bench::new().now.as_secs() - age_s,
        origid: "their-origin".to_owned(),
    };
    by.signer.sign(&passport).expect("a signature")
}

fn good() -> String {
    signed(&OURS, CALLER, CALLED, 1)
}

fn comes(trunk: &str, identity: Option<&str>) -> Bench {
    comes_with(trunk, identity, None, &[])
}

/// The same, from a caller that names somebody else in To, and with other headers.
fn comes_with(trunk: &str, identity: Option<&str>, to: Option<&str>, further: &[(HeaderName, &str)]) -> Bench {
    let mut bench = Bench::new();
    bench.to = to.map(str::to_owned);
    let identity = identity.map(|value| (HeaderName::Identity, value));
    let headers = further.iter().cloned().chain(identity).map(|(name, value)| (name, value.to_owned())).collect();
    bench.dial_with(CALLED, &format!("trunk;name={trunk}"), Some(PHONE_SDP.into()), headers);
    bench
}

fn is_asked(bench: &Bench) -> bool {
    bench.orders.iter().any(|order| matches!(order, Order::AskDialPlan { .. }))
}

/// The certificate comes, or not. For one that does not fit the shell is asked again, and has the same.
fn comes_the_certificate(bench: &mut Bench, found: Result<Arc<CertificateChain>, StirRefusal>) {
    comes_a_certificate(bench, found.clone());
    if bench.orders.iter().any(|order| matches!(order, Order::FetchCertificate { again: true, .. })) {
        comes_a_certificate(bench, found);
    }
}

fn comes_a_certificate(bench: &mut Bench, found: Result<Arc<CertificateChain>, StirRefusal>) {
    let at = bench.orders.iter().position(|order| matches!(order, Order::FetchCertificate { .. })).expect("an order");
    let Order::FetchCertificate { id, url, authorities, .. } = bench.orders.remove(at) else {
        unreachable!("it is that order")
    };
    let fetched: Fetched = found.and_then(|chain| chain.trusted(&authorities, bench.now.as_secs()));
    assert_eq!(url, URL);
    bench.node.certificate_fetched(id, fetched, bench.now);
    bench.run();
}

/// Whether the shell is told to stop fetching the certificate.
fn is_stopped(bench: &Bench) -> bool {
    let fetched = bench.orders.iter().find_map(|order| match order {
        Order::FetchCertificate { id, .. } => Some(*id),
        _ => None,
    });
    bench.orders.iter().any(|order| matches!(order, Order::StopFetch { id } if Some(*id) == fetched))
}

/// With which status and phrase the caller was refused.
fn refused_with(bench: &Bench) -> Option<(u16, String)> {
    bench.seen.iter().rev().find_map(|(peer, event)| match event {
        Event::Failed { status, response, .. } if *peer == Peer::Caller => {
            let phrase = response.as_ref().map(|response| match response.start() {
                Start::Response { reason, .. } => reason.to_owned(),
                Start::Request { .. } => String::new(),
            });
            Some((status.0, phrase.unwrap_or_default()))
        }
        _ => None,
    })
}

/// What the phone was told of the number, if it was rung.
fn told(bench: &Bench) -> Option<String> {
    bench.seen.iter().rev().find_map(|(peer, event)| match event {
        Event::Incoming { request, .. } if *peer == Peer::Phone => {
            Some(request.header(&HeaderName::PAssertedIdentity).unwrap_or_default().to_owned())
        }
        _ => None,
    })
}

fn attached(bench: &Bench, key: &str) -> Option<String> {
    let facts = bench.writes.iter().flat_map(|write| &write.events);
    facts.filter_map(|fact| fact.event.user_data.text(key).map(str::to_owned)).last()
}

#[test]
fn a_call_waits_for_the_certificate_and_goes_on_with_what_it_proves() {
    let mut bench = comes("reporting", Some(&good()));
    assert!(!is_asked(&bench), "nobody is asked before it is known who calls");
    assert!(!is_stopped(&bench));
    comes_the_certificate(&mut bench, Ok(OURS.chain.clone()));
    bench.plan(PlanAnswer::from(phone(15_000)));
    assert_eq!(
        told(&bench),
        Some(format!("<sip:+{CALLER};verstat=TN-Validation-Passed@{};user=phone>", super::bench::EDGE))
    );
    assert_eq!(attached(&bench, "verstat").as_deref(), Some("TN-Validation-Passed"));
    assert_eq!(
        (attached(&bench, "attest").as_deref(), attached(&bench, "origid").as_deref()),
        (Some("B"), Some("their-origin"))
    );
    assert_eq!(attached(&bench, "Segment").as_deref(), Some("Standard"), "beside the tenant's defaults");
}

#[test]
fn where_it_is_reported_every_call_goes_on() {
    let failed = "TN-Validation-Failed";
    let unknown = "No-TN-Validation";
    for (identity, fetched, verstat) in [
        (None, None, unknown),
        (Some("nonsense".to_owned()), None, failed),
        (Some(signed(&OURS, CALLER, CALLED, 90)), None, failed),
        (Some(signed(&OURS, "4930999999", CALLED, 1)), None, failed),
        (Some(good()), Some(Err(StirRefusal::BadInfo("status 404".to_owned()))), unknown),
        (Some(good()), Some(Ok(OTHERS.chain.clone())), failed),
        (Some(signed(&OTHERS, CALLER, CALLED, 1)), Some(Ok(OURS.chain.clone())), failed),
    ] {
        let mut bench = comes("reporting", identity.as_deref());
        if let Some(fetched) = fetched {
            comes_the_certificate(&mut bench, fetched);
        }
        bench.plan(PlanAnswer::from(phone(15_000)));
        assert!(told(&bench).is_some_and(|told| told.contains(verstat)), "{identity:?}: {:?}", told(&bench));
        assert_eq!(attached(&bench, "verstat").as_deref(), Some(verstat));
        assert_eq!(attached(&bench, "attest"), None);
    }
}

#[test]
fn where_it_is_required_a_call_that_is_not_signed_well_is_refused() {
    for (identity, fetched, status, phrase) in [
        (None, None, 428, "Use Identity Header"),
        (Some("nonsense".to_owned()), None, 438, "Invalid Identity Header"),
        (Some(signed(&OURS, CALLER, CALLED, 90)), None, 403, "Stale Date"),
        (Some(signed(&OURS, CALLER, "4930999999", 1)), None, 438, "Invalid Identity Header"),
        (Some(good()), Some(Err(StirRefusal::BadInfo("status 404".to_owned()))), 436, "Bad Identity Info"),
        (Some(good()), Some(Ok(OTHERS.chain.clone())), 437, "Unsupported Credential"),
        (Some(signed(&OTHERS, CALLER, CALLED, 1)), Some(Ok(OURS.chain.clone())), 438, "Invalid Identity Header"),
    ] {
        let mut bench = comes("strict", identity.as_deref());
        if let Some(fetched) = fetched {
            comes_the_certificate(&mut bench, fetched);
        }
        assert_eq!(refused_with(&bench), Some((status, phrase.to_owned())), "{identity:?}");
        assert!(!is_asked(&bench) && bench.is_clear());
    }
    let mut bench = comes("strict", Some(&good()));
    comes_the_certificate(&mut bench, Ok(OURS.chain.clone()));
    assert!(is_asked(&bench));
}

#[test]
fn only_the_number_that_is_shown_counts() {
    let asserted = |value: &'static str| [(HeaderName::PAssertedIdentity, value)];
    let two = asserted("<sip:+4930999999@a.example>, <sip:+4930123456@a.example>");
    let bench = comes_with("strict", Some(&good()), None, &two);
    assert_eq!(refused_with(&bench), Some((438, "Invalid Identity Header".to_owned())), "another number is shown");
    let hidden = [(HeaderName::Privacy, "id"), (HeaderName::PAssertedIdentity, "<sip:+4930123456@a.example>")];
    let mut bench = comes_with("strict", Some(&good()), None, &hidden);
    comes_the_certificate(&mut bench, Ok(OURS.chain.clone()));
    assert!(is_asked(&bench), "the number of who hides it is signed too");
}

#[test]
fn what_was_signed_for_another_one_who_is_called_is_not_good_here() {
    let for_another = signed(&OURS, CALLER, "4930777", 1);
    let bench = comes_with("strict", Some(&for_another), Some("+4930777"), &[]);
    assert_eq!(refused_with(&bench), Some((438, "Invalid Identity Header".to_owned())), "To is the sender's word");
    // A number of the tenant, which leads to the one that is called.
    let for_ours = signed(&OURS, CALLER, "15550100", 1);
    let mut bench = comes_with("strict", Some(&for_ours), Some("+15550100"), &[]);
    comes_the_certificate(&mut bench, Ok(OURS.chain.clone()));
    assert!(is_asked(&bench));
}

#[test]
fn a_call_whose_proxy_comes_back_meanwhile_goes_on_by_it() {
    let mut bench = comes("reporting", Some(&good()));
    bench.proxy_goes(None);
    bench.proxy_returns();
    comes_the_certificate(&mut bench, Ok(OURS.chain.clone()));
    bench.plan(PlanAnswer::from(phone(15_000)));
    assert!(told(&bench).is_some_and(|told| told.contains("TN-Validation-Passed")), "{:?}", told(&bench));
}

#[test]
fn a_certificate_that_does_not_come_is_waited_for_no_longer_than_it_may_take() {
    let mut bench = comes("strict", Some(&good()));
    bench.pass(WAITS_FOR);
    assert_eq!(refused_with(&bench), Some((436, "Bad Identity Info".to_owned())));
    assert!(!is_stopped(&bench), "what comes late is good for the next call");
    comes_the_certificate(&mut bench, Ok(OURS.chain.clone()));
    assert!(!is_asked(&bench), "it is too late");
    let mut bench = comes("reporting", Some(&good()));
    bench.pass(WAITS_FOR);
    assert!(is_asked(&bench));
}

#[test]
fn a_certificate_that_does_not_fit_is_asked_for_once_more() {
    let mut bench = comes("strict", Some(&good()));
    comes_a_certificate(&mut bench, Ok(OTHERS.chain.clone()));
    assert_eq!(refused_with(&bench), None, "its host may have renewed it");
    comes_a_certificate(&mut bench, Ok(OURS.chain.clone()));
    assert!(is_asked(&bench));
    // The new one does not come.
    let mut bench = comes("strict", Some(&signed(&OTHERS, CALLER, CALLED, 1)));
    comes_a_certificate(&mut bench, Ok(OURS.chain.clone()));
    bench.pass(WAITS_FOR);
    assert_eq!(refused_with(&bench), Some((438, "Invalid Identity Header".to_owned())));
}

#[test]
fn a_call_that_has_no_place_any_more_once_it_is_known_who_calls_is_refused_and_counted() {
    let mut bench = comes("reporting", Some(&good()));
    *bench.node.trunks_mut() =
        Box::new(|_, _| TrunkRules { is_known: true, calls_max: Some(0), ..TrunkRules::default() });
    comes_the_certificate(&mut bench, Ok(OURS.chain.clone()));
    assert_eq!(refused_with(&bench).map(|(status, _)| status), Some(503));
    let counted = |bench: &Bench| (bench.node.metrics().trunk_full.get(), bench.node.metrics().overloaded.get());
    assert_eq!(counted(&bench), (1, 0));
    let mut bench = comes("reporting", Some(&good()));
    bench.node.set_room(false);
    comes_the_certificate(&mut bench, Ok(OURS.chain.clone()));
    assert_eq!(refused_with(&bench).map(|(status, _)| status), Some(503));
    assert_eq!(counted(&bench), (0, 1));
    let mut bench = comes("reporting", Some(&good()));
    bench.node.drain();
    comes_the_certificate(&mut bench, Ok(OURS.chain.clone()));
    assert_eq!(refused_with(&bench).map(|(status, _)| status), Some(503));
    let answer = bench.seen.iter().rev().find_map(|(_, event)| match event {
        Event::Failed { response, .. } => response.as_ref(),
        _ => None,
    });
    assert_eq!(answer.and_then(|answer| answer.header(&HeaderName::RetryAfter)), Some("5"));
    assert_eq!(counted(&bench), (0, 1));
}

#[test]
fn a_caller_that_gives_up_meanwhile_leaves_nothing_behind() {
    let mut bench = comes("reporting", Some(&good()));
    // It may cancel once it has heard of a 100 (RFC 3261 section 9.1), which comes after 200 ms.
    bench.pass(Duration::from_millis(300));
    assert_eq!(bench.node.calls(), 1);
    let (dialog, now) = (bench.caller_dialog.expect("an INVITE"), bench.now);
    bench.agent(Peer::Caller).cancel(dialog, Vec::new(), now).expect("an INVITE");
    bench.run();
    assert_eq!(bench.node.calls(), 0);
    assert!(is_stopped(&bench));
    comes_the_certificate(&mut bench, Ok(OURS.chain.clone()));
    assert!(!is_asked(&bench) && bench.is_clear());
}

#[test]
fn what_others_say_of_a_number_is_removed() {
    for asserted in ["<sip:+49301;verstat=TN-Validation-Passed@a>", "<sip:+49301%3Bverstat=TN-Validation-Passed@a>"] {
        for trunk in ["wide", "reporting"] {
            let mut bench = Bench::new();
            let headers = vec![(HeaderName::PAssertedIdentity, asserted.to_owned())];
            bench.dial_with(CALLED, &format!("trunk;name={trunk}"), Some(PHONE_SDP.into()), headers);
            bench.plan(PlanAnswer::from(phone(15_000)));
            let invite = bench.seen.iter().find_map(|(peer, event)| match event {
                Event::Incoming { request, .. } if *peer == Peer::Phone => Some(request.to_bytes()),
                _ => None,
            });
            let invite = String::from_utf8_lossy(&invite.expect("an INVITE")).into_owned();
            assert!(invite.contains("+49301") && !invite.contains("TN-Validation-Passed"), "{invite}");
        }
    }
}

#[test]
fn a_successor_knows_who_calls() {
    let mut bench = comes("reporting", Some(&good()));
    comes_the_certificate(&mut bench, Ok(OURS.chain.clone()));
    let conn_id = bench.plan(PlanAnswer::from(point()));
    restart(&mut bench, conn_id);
    let route = super::calls::request(conn_id, "9000", |id| {
        let to = model::request::RouteTo::Dn { dn: model::Dn::parse(CALLED).expect("a DN"), agent: None };
        model::request::RequestKind::RouteCall(id, to)
    });
    bench.node.request(route, bench.now).expect("the call is here");
    bench.run();
    bench.plan(PlanAnswer::from(phone(15_000)));
    assert!(told(&bench).is_some_and(|told| told.contains("TN-Validation-Passed")), "{:?}", told(&bench));
}

/// A call without a signature comes by a trunk that requires one, before config has told of the trunk.
fn comes_early() -> Bench {
    let mut bench = Bench::new();
    *bench.node.trunks_mut() = Box::new(|_, _| TrunkRules::default());
    bench.dial_with(CALLED, "trunk;name=strict", Some(PHONE_SDP.into()), Vec::new());
    assert!(!is_asked(&bench) && refused_with(&bench).is_none(), "it waits");
    assert_eq!(bench.node.calls(), 1);
    bench
}

#[test]
fn what_a_trunk_requires_counts_before_config_has_told_of_it() {
    let mut bench = comes_early();
    bench.pass(Duration::from_millis(500));
    assert_eq!(refused_with(&bench), None);
    *bench.node.trunks_mut() = Box::new(|_, _| TrunkRules { is_known: true, ..TrunkRules::default() });
    bench.pass(Duration::from_millis(100));
    assert_eq!(refused_with(&bench), Some((428, "Use Identity Header".to_owned())));
    assert!(bench.is_clear());
}

#[test]
fn a_call_of_a_trunk_of_which_config_does_not_tell_is_refused() {
    let mut bench = comes_early();
    bench.pass(EARLY_FOR + Duration::from_millis(100));
    assert_eq!(refused_with(&bench).map(|(status, _)| status), Some(503));
    assert!(!is_asked(&bench) && bench.is_clear());
}

#[test]
fn a_caller_that_gives_up_before_its_trunk_is_known_leaves_nothing_behind() {
    let mut bench = comes_early();
    bench.pass(Duration::from_millis(300));
    let (dialog, now) = (bench.caller_dialog.expect("an INVITE"), bench.now);
    bench.agent(Peer::Caller).cancel(dialog, Vec::new(), now).expect("an INVITE");
    bench.run();
    assert_eq!(bench.node.calls(), 0);
}

#[test]
fn calls_of_a_tenant_that_wait_for_their_trunk_leave_room_for_those_of_others() {
    let mut bench = comes_early();
    for _ in 1..EARLY_OF_TENANT_MAX {
        bench.dial(CALLED, "trunk;name=strict");
    }
    assert_eq!((bench.node.calls(), refused_with(&bench)), (EARLY_OF_TENANT_MAX, None));
    bench.dial(CALLED, "trunk;name=carrier");
    assert_eq!(refused_with(&bench).map(|(status, _)| status), Some(503));
    assert_eq!(bench.node.calls(), EARLY_OF_TENANT_MAX);
}

#[test]
fn a_fault_of_a_call_that_has_waited_for_its_trunk_costs_that_call_alone() {
    let mut bench = comes_early();
    bench.dial(CALLED, "trunk;name=carrier");
    assert_eq!(bench.node.calls(), 2, "both wait");
    // The first is looked for, and then begun.
    let looks = AtomicU32::new(0);
    *bench.node.trunks_mut() = Box::new(move |_, _| {
        assert_ne!(looks.fetch_add(1, Ordering::Relaxed), 1, "the trunk of the first call");
        TrunkRules { is_known: true, ..TrunkRules::default() }
    });
    bench.pass(Duration::from_millis(100));
    assert_eq!(refused_with(&bench).map(|(status, _)| status), Some(500));
    assert!(is_asked(&bench), "the second one goes on");
}
